//! Databases, caches and message brokers that anybody on the path can read, or that anybody may use.

use super::cleartext::on_flow;
use super::sighting::Sighting;
use crate::base::secret;
use crate::policy::HomeNet;
use crate::proto::api::Cx;
use crate::proto::database::session::{Encryption, Event, Session};
use crate::record::clean;

/// Rules of one protocol: in use without encryption, and open to anybody.
const fn rules(service: &str) -> Option<(&'static str, Option<&'static str>)> {
    Some(match service.as_bytes() {
        b"redis" => ("redis-in-use", Some("redis-no-login")),
        b"postgresql" => ("postgresql-in-use", Some("postgresql-no-login")),
        b"mysql" => ("mysql-in-use", None),
        b"mssql" => ("mssql-in-use", None),
        b"mongodb" => ("mongodb-in-use", Some("mongodb-no-login")),
        b"oracle" => ("oracle-in-use", None),
        b"cassandra" => ("cassandra-in-use", Some("cassandra-no-login")),
        b"memcached" => ("memcached-in-use", Some("memcached-no-login")),
        b"amqp" => ("amqp-in-use", None),
        b"stomp" => ("stomp-in-use", None),
        b"kafka" => ("kafka-in-use", None),
        _ => return None,
    })
}

/// Judges a login or a session; `first` says whether it is the first event of its flow.
pub fn session(home: &HomeNet, cx: &Cx<'_>, e: &Event<'_>, first: bool, out: &mut Vec<Sighting>) {
    let (s, at) = (e.session, (cx.ts, cx.packet));
    let Some((in_use, open)) = rules(e.service) else { return };
    if s.encryption == Some(Encryption::Refused) {
        let evidence = format!("{}: the client asked for TLS and the server declined{}", e.service, who(s));
        out.push(on_flow("database-encryption-refused", home, cx.flow, e.service, at, evidence));
    }
    if s.open
        && let Some(rule) = open
    {
        let evidence = format!("{} served commands without a login{}", e.service, who(s));
        out.push(on_flow(rule, home, cx.flow, e.service, at, evidence));
    }
    // A server that only greeted carried nothing yet, and what turned to TLS is hidden.
    let spoke = !s.mechanism.is_empty() || s.open || s.success == Some(true);
    if first && spoke && s.encryption != Some(Encryption::Tls) {
        let evidence = format!("{} session without encryption{}", e.service, who(s));
        out.push(on_flow(in_use, home, cx.flow, e.service, at, evidence));
    }
}

/// What is known of a session, for a line of evidence.
fn who(s: &Session) -> String {
    let mut out = String::new();
    for (word, value) in [("server", &s.server), ("user", &s.username), ("database", &s.database)] {
        if !value.is_empty() {
            let value = secret::user(value.get(..64).unwrap_or(value));
            let value = String::from_utf8_lossy(&value);
            out += &format!(", {word} {}", clean(&value));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::cleartext::tests::flow;
    use super::*;
    use crate::base::{Timestamp, secret::SecretBuf};
    use crate::proto::api::LimitCount;

    fn judged(service: &'static str, session: &Session, first: bool) -> Vec<&'static str> {
        let flow = flow("10.0.0.9", "10.0.0.5");
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let mut out = Vec::new();
        super::session(&HomeNet::default(), &cx, &Event { service, session }, first, &mut out);
        assert!(!format!("{out:?}").contains("hunter22"));
        out.iter().map(|s| s.rule).collect()
    }

    #[test]
    fn what_is_exposed_decides() {
        let login = Session {
            username: b"joe".to_vec(),
            mechanism: "plain",
            secret: Some(SecretBuf::new(b"hunter22")),
            ..Session::default()
        };
        assert_eq!(judged("redis", &login, true), ["redis-in-use"]);
        assert!(judged("redis", &login, false).is_empty(), "once a connection");
        let open = Session { open: true, ..Session::default() };
        assert_eq!(judged("mongodb", &open, true), ["mongodb-no-login", "mongodb-in-use"]);
        assert_eq!(judged("mysql", &open, true), ["mysql-in-use"]);
        let tls = Session { encryption: Some(Encryption::Tls), ..login.clone() };
        assert!(judged("mssql", &tls, true).is_empty());
        let refused = Session { encryption: Some(Encryption::Refused), ..login };
        assert_eq!(judged("postgresql", &refused, true), ["database-encryption-refused", "postgresql-in-use"]);
        assert!(
            judged("mysql", &Session { server: b"8.0".to_vec(), ..Session::default() }, true).is_empty(),
            "a greeting"
        );
    }
}
