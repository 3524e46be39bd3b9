//! Mail, news and chat that cross the network in clear.

use super::cleartext::on_flow;
use super::sighting::Sighting;
use crate::policy::HomeNet;
use crate::proto::api::Cx;
use crate::proto::mail::session::{Event, Said, Upgrade};

/// The rule for a service that is used in clear.
const IN_USE: [(&str, &str); 6] = [
    ("smtp", "smtp-in-use"),
    ("pop3", "pop3-in-use"),
    ("imap", "imap-in-use"),
    ("nntp", "nntp-in-use"),
    ("irc", "irc-in-use"),
    ("xmpp", "xmpp-in-use"),
];

/// Judges what a session of this service says.
pub fn session(home: &HomeNet, cx: &Cx<'_>, event: &Event<'_>, service: &'static str, out: &mut Vec<Sighting>) {
    let (rule, evidence) = match event.said {
        Said::InClear(what) => {
            let Some((_, rule)) = IN_USE.iter().find(|(name, _)| *name == service) else { return };
            (*rule, format!("{what} over {service} without encryption"))
        }
        Said::Upgrade(Upgrade::Refused) => {
            ("starttls-refused", format!("{service}: the server refused to change to TLS"))
        }
        Said::Upgrade(Upgrade::Stripped) => {
            ("starttls-refused", format!("{service}: the server's offer of TLS was made unreadable on the way"))
        }
        Said::Upgrade(Upgrade::Unused) => {
            ("starttls-not-used", format!("{service}: TLS was offered, and the session went on in clear"))
        }
        Said::Upgrade(Upgrade::Accepted) | Said::Login(_) | Said::Fact(..) | Said::Asked(_) => return,
    };
    out.push(on_flow(rule, home, cx.flow, service, (cx.ts, cx.packet), evidence));
}

#[cfg(test)]
mod tests {
    use super::super::cleartext::tests::flow;
    use super::*;
    use crate::base::Timestamp;
    use crate::proto::api::LimitCount;

    fn rules(said: Said<'_>, service: &'static str) -> Vec<&'static str> {
        let flow = flow("10.0.0.9", "10.0.0.5");
        let at = (Timestamp(8), 12);
        let cx = Cx { ts: at.0, packet: at.1, flow: &flow, limited: &LimitCount::default() };
        let mut out = Vec::new();
        session(&HomeNet::default(), &cx, &Event { at, said }, service, &mut out);
        out.iter().map(|s| s.rule).collect()
    }

    #[test]
    fn only_what_goes_in_clear_is_found() {
        assert_eq!(rules(Said::InClear("mail"), "smtp"), ["smtp-in-use"]);
        assert_eq!(rules(Said::InClear("chat"), "xmpp"), ["xmpp-in-use"]);
        assert_eq!(rules(Said::Upgrade(Upgrade::Refused), "pop3"), ["starttls-refused"]);
        assert_eq!(rules(Said::Upgrade(Upgrade::Stripped), "smtp"), ["starttls-refused"]);
        assert_eq!(rules(Said::Upgrade(Upgrade::Unused), "imap"), ["starttls-not-used"]);
        assert!(rules(Said::Upgrade(Upgrade::Accepted), "imap").is_empty());
        assert!(rules(Said::Asked(b"example.com"), "xmpp").is_empty());
    }
}
