//! WS-Discovery (OASIS, version 1.1, and the draft of April 2005 that devices speak): SOAP in single
//! datagrams, with which Windows finds printers and ONVIF finds cameras.

use super::wsd_event::{Event, Kind, Match, TABLE};
use super::xml::Elements;
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};

/// The namespaces of the two versions, up to where they differ.
const NAMESPACES: [&[u8]; 2] = [b"schemas.xmlsoap.org/ws/2005/04/discovery", b"docs.oasis-open.org/ws-dd/ns/discovery"];

/// Whether a datagram is a SOAP envelope of WS-Discovery.
fn is_discovery(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    text.first() == Some(&b'<')
        && memchr::memmem::find(text, b"Envelope").is_some()
        && NAMESPACES.iter().any(|n| memchr::memmem::find(text, n).is_some())
}

/// Reads datagrams; keeps nothing between them.
#[derive(Debug, Default)]
pub struct Wsd {
    understood: bool,
}

impl Wsd {
    /// Emits an event for each match in an answer, and one for any other message.
    fn message(cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Option<()> {
        let mut event = Event { dir, ..Event::default() };
        let mut read = Match::default();
        let mut in_endpoint = false;
        let mut emitted = 0;
        let mut elements = Elements::new(bytes);
        for element in elements.by_ref() {
            let name = element.name;
            if element.closes {
                match name {
                    b"EndpointReference" => in_endpoint = false,
                    b"ProbeMatch" | b"ResolveMatch" => {
                        emitted += 1;
                        emit(Event { found: read, ..event });
                        read = Match::default();
                    }
                    _ => {}
                }
                continue;
            }
            let text = element.text;
            match name {
                // The action says which message it is; its last part is the name of the body.
                b"Action" if event.kind.is_none() => {
                    event.kind = Kind::of(text.rsplit(|c| *c == b'/').next().unwrap_or_default());
                }
                b"MessageID" => event.message_id = text,
                b"RelatesTo" => event.relates_to = text,
                b"EndpointReference" => in_endpoint = true,
                b"Address" if in_endpoint => read.endpoint = text,
                b"Types" => read.types = text,
                b"Scopes" => read.scopes = text,
                b"XAddrs" => read.addresses = text,
                b"MetadataVersion" => read.metadata_version = crate::proto::text::decimal(text),
                _ => {}
            }
        }
        if elements.was_cut() {
            cx.limit_hit();
        }
        event.kind?;
        if emitted == 0 {
            emit(Event { found: read, ..event });
        }
        Some(())
    }
}

impl AppParser for Wsd {
    const SPEC: Spec = Spec {
        name: "ws-discovery",
        title: "WS-Discovery",
        transports: &[Transport::Udp],
        ports: &[3702],
        reference: "OASIS WS-Discovery 1.1; ONVIF Core Specification, section 7",
        table: Some(&TABLE),
        yields: "device types, scopes (name, hardware, location), service addresses, endpoint identifiers",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload.first() {
            Some(b'<' | 0xef | b' ' | b'\r' | b'\n') if is_discovery(payload) => Probe::Yes,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        if !is_discovery(bytes) {
            return if self.understood { Progress::Done } else { Progress::Violation("not a WS-Discovery message") };
        }
        self.understood |= Self::message(cx, dir, bytes, emit).is_some();
        Progress::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits;
    use crate::proto::testing::{Script, facts_of};

    const HEAD: &str = "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
        xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
        xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\"><s:Header>";

    fn probe() -> String {
        format!(
            "{HEAD}<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>\
             <a:MessageID>urn:uuid:1</a:MessageID><a:To>urn:x</a:To></s:Header><s:Body><d:Probe>\
             <d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></s:Body></s:Envelope>"
        )
    }

    fn matches() -> String {
        let one = |n: u8| {
            format!(
                "<d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:AB-{n}</a:Address></a:EndpointReference>\
                 <d:Types>dn:NetworkVideoTransmitter tds:Device</d:Types>\n<d:Scopes>\
                 onvif://www.onvif.org/name/Example%20Cam onvif://www.onvif.org/hardware/EC-{n}\
                 \nonvif://www.onvif.org/location/Lobby onvif://www.onvif.org/Profile/Streaming</d:Scopes>\
                 <d:XAddrs>http://192.0.2.{n}/onvif/device_service</d:XAddrs>\
                 <d:MetadataVersion>7</d:MetadataVersion></d:ProbeMatch>"
            )
        };
        format!(
            "{HEAD}<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</a:Action>\
             <a:ReplyTo><a:Address>urn:none</a:Address></a:ReplyTo><a:RelatesTo>urn:uuid:1</a:RelatesTo></s:Header>\
             <s:Body><d:ProbeMatches>{}{}</d:ProbeMatches></s:Body></s:Envelope>",
            one(1),
            one(2)
        )
    }

    #[test]
    fn a_probe_and_its_matches() {
        let seen = Script::new().orig(probe()).resp(matches()).datagrams::<Wsd>();
        assert_eq!(seen.cells("message"), ["Probe", "ProbeMatches", "ProbeMatches"]);
        assert_eq!(seen.cells("message_id"), ["urn:uuid:1", "-", "-"]);
        assert_eq!(seen.cells("relates_to"), ["-", "urn:uuid:1", "urn:uuid:1"]);
        assert_eq!(seen.cells("endpoint"), ["-", "urn:uuid:AB-1", "urn:uuid:AB-2"]);
        assert_eq!(seen.cells("types")[2], "[dn:NetworkVideoTransmitter,tds:Device]");
        assert_eq!(seen.cells("addresses")[1], "[http://192.0.2.1/onvif/device_service]");
        assert_eq!(seen.cells("metadata_version")[1], "7");
        assert_eq!(Wsd::probe(Direction::Orig, probe().as_bytes()), Probe::Yes);
    }

    #[test]
    fn scopes_say_what_the_device_is() {
        let facts = facts_of::<Wsd>(Direction::Resp, matches().as_bytes());
        assert_eq!(
            facts.get(..7).unwrap(),
            [
                "device-type=NetworkVideoTransmitter",
                "device-type=Device",
                "name=Example Cam",
                "model=EC-1",
                "location=Lobby",
                "url=http://192.0.2.1/onvif/device_service",
                "uuid=ab-1",
            ]
        );
        assert!(facts_of::<Wsd>(Direction::Orig, probe().as_bytes()).is_empty(), "who asks says nothing of itself");
    }

    #[test]
    fn cut_and_strange_messages() {
        let whole = matches();
        for end in 0..whole.len() {
            let _ = Script::new().resp(&whole[..end]).datagrams::<Wsd>();
        }
        for other in ["<?xml version=\"1.0\"?><html/>", "<Envelope/>", "GET / HTTP/1.1", ""] {
            assert_eq!(Wsd::probe(Direction::Orig, other.as_bytes()), Probe::No);
        }
        let deep = format!("{HEAD}{}", "<a>".repeat(limits::XML_ELEMENTS_MAX + 1));
        assert!(Script::new().orig(deep).datagrams::<Wsd>().rows.is_empty());
    }
}
