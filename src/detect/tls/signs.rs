//! Signs that somebody meddles with a handshake, whether or not it was completed.

use super::{Scope, Weakness, age};
use crate::fingerprint::registry;
use crate::proto::tls::Handshake;

/// Bytes of a heartbeat that are no payload: type, length and the least padding (RFC 6520, section 4).
const HEARTBEAT_BESIDE: u64 = 3 + 16;

/// Looks for a downgrade and for heartbeats that ask for more than they bring.
pub fn judge(h: &Handshake, push: &mut dyn FnMut(Weakness)) {
    if let Some(w) = downgrade(h) {
        push(w);
    }
    let Some(asked) = h.heartbeat else { return };
    let evidence = format!(
        "heartbeat of {} bytes claims {}, and {} bytes of heartbeats came back",
        asked.carried, asked.claimed, asked.answered
    );
    let leaked = asked.answered > u64::from(asked.carried) + HEARTBEAT_BESIDE;
    let rule = if leaked { "heartbleed-succeeded" } else { "heartbleed-attempt" };
    // A client can be asked just as well; what is written of the server holds for it then.
    let scope = if asked.sender == h.client_side { Scope::Server } else { Scope::Connection };
    push(Weakness::new(rule, scope, evidence));
}

/// A server that says it could do better than it chose, though the client had offered that (RFC 8446,
/// section 4.1.3): on the way to it the offer was another.
fn downgrade(h: &Handshake) -> Option<Weakness> {
    let server = h.server.as_ref().filter(|s| !s.retry)?;
    let could = server.could_do?;
    let offered = h.client.as_ref()?.highest_version;
    let (chosen, best, offer) = (age(server.version)?, age(could)?, age(offered)?);
    // Over UDP the sentinel speaks of the versions of DTLS that the same ages stand for.
    if offer < best || chosen >= best {
        return None;
    }
    let name = registry::version_name;
    let evidence =
        format!("client offered {}, server could do {} and chose {}", name(offered), name(could), name(server.version));
    Some(Weakness::new("tls-downgrade", Scope::Connection, evidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::proto::api::Direction;
    use crate::proto::tls::{ClientFacts, Heartbeat, ServerFacts};

    fn shaken(offered: u16, chosen: u16, could_do: Option<u16>) -> Handshake {
        let mut h = Handshake::new(Timestamp(1), 1, "tcp", Direction::Orig);
        h.client = Some(ClientFacts { highest_version: offered, ..ClientFacts::default() });
        h.server = Some(ServerFacts { version: chosen, could_do, ..ServerFacts::default() });
        h
    }

    fn found(h: &Handshake) -> Vec<Weakness> {
        let mut out = Vec::new();
        judge(h, &mut |w| out.push(w));
        out
    }

    #[test]
    fn a_downgrade_is_what_neither_side_wanted() {
        let all = found(&shaken(0x0304, 0x0303, Some(0x0304)));
        assert_eq!(all[0].rule, "tls-downgrade");
        assert_eq!(all[0].evidence, "client offered TLSv1.3, server could do TLSv1.3 and chose TLSv1.2");
        assert_eq!(found(&shaken(0x0303, 0x0301, Some(0x0303))).len(), 1);
        assert_eq!(found(&shaken(0x0304, 0x0302, Some(0x0303))).len(), 1);
        for (offered, chosen, could) in [
            // The client cannot do TLS 1.3, so the server has to go down to what it can.
            (0x0303, 0x0303, Some(0x0304)),
            (0x0301, 0x0301, Some(0x0303)),
            (0x0304, 0x0303, None),
            (0x0304, 0x0304, Some(0x0304)),
            // A draft of TLS 1.3 is not TLS 1.3.
            (0x7f1c, 0x0303, Some(0x0304)),
        ] {
            assert_eq!(found(&shaken(offered, chosen, could)), [], "{offered:04x} {chosen:04x}");
        }
        let alone = Handshake { client: None, ..shaken(0, 0x0303, Some(0x0304)) };
        assert_eq!(found(&alone), [], "what the client offered is not known");
    }

    #[test]
    fn heartbleed_by_what_came_back() {
        let beat = |sender, answered| {
            let heartbeat = Some(Heartbeat { sender, claimed: 0x4000, carried: 0, answered });
            found(&Handshake { heartbeat, ..shaken(0x0302, 0x0302, None) })
        };
        let all = beat(Direction::Orig, 0);
        assert_eq!((all[0].rule, all[0].scope), ("heartbleed-attempt", Scope::Server));
        assert_eq!(beat(Direction::Orig, 19)[0].rule, "heartbleed-attempt", "an answer without a byte too many");
        let all = beat(Direction::Orig, 0x4013);
        assert_eq!(all[0].rule, "heartbleed-succeeded");
        assert_eq!(all[0].evidence, "heartbeat of 0 bytes claims 16384, and 16403 bytes of heartbeats came back");
        assert_eq!(found(&shaken(0x0303, 0x0303, None)), []);
    }
}
