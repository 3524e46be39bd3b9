//! SSDP, the discovery of UPnP (UPnP Device Architecture 2.0, section 1): heads in the style of HTTP,
//! one to a datagram.

use crate::base::limits;
use crate::base::secret::Reveal;
use crate::proto::api::{About, AppParser, Cx, Direction, Fact, Probe, Progress, Spec, Transport};
use crate::proto::text;
use crate::proto::web::http_blank::blanked;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "ssdp",
    doc: "One message of SSDP: a search, an answer to one, or a notification",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("message", Type::Text, "M-SEARCH, NOTIFY or response"),
        Column::repeating("nts", Type::Text, "What is notified: ssdp:alive, ssdp:byebye, ssdp:update"),
        Column::repeating("target", Type::Text, "What is searched for, or what the sender has (ST, NT)"),
        Column::repeating("usn", Type::Text, "Unique name of it (USN)"),
        Column::repeating("uuid", Type::Text, "Identifier of the device in that name, lower case"),
        Column::repeating(
            "location",
            Type::Text,
            "URL of the device's description; user information and secret parameters are blanked",
        ),
        Column::repeating("server", Type::Text, "Operating system, UPnP version and product (SERVER)"),
        Column::repeating("user_agent", Type::Text, "The same of who searches (USER-AGENT)"),
        Column::new("max_age_s", Type::Int64, "How long the notification holds, in seconds"),
        Column::new("mx_s", Type::Int32, "How long an answer may be delayed, in seconds (MX)"),
        Column::repeating("model", Type::Text, "Model, where the sender adds it to the head"),
    ],
};

/// Kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Message {
    /// A search.
    #[default]
    Search,
    /// A notification.
    Notify,
    /// An answer to a search.
    Response,
}

/// One message. Texts as sent; absent ones are empty.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// Who sent it.
    pub dir: Direction,
    /// Kind.
    pub message: Message,
    nts: &'e [u8],
    target: &'e [u8],
    usn: &'e [u8],
    location: &'e [u8],
    server: &'e [u8],
    user_agent: &'e [u8],
    max_age_s: Option<u64>,
    mx_s: Option<u64>,
    model: &'e [u8],
    firmware: &'e [u8],
    name: &'e [u8],
    bridge: &'e [u8],
}

fn kind(line: &[u8]) -> Option<Message> {
    const HEADS: [(&[u8], Message); 3] = [
        (b"M-SEARCH * HTTP/1.", Message::Search),
        (b"NOTIFY * HTTP/1.", Message::Notify),
        (b"HTTP/1.", Message::Response),
    ];
    HEADS.iter().find(|(head, _)| text::starts_with(line, head)).map(|(_, kind)| *kind)
}

impl<'e> Event<'e> {
    /// Reads a datagram; `None` where it is not SSDP.
    fn parse(dir: Direction, bytes: &'e [u8], cx: Option<Cx<'_>>) -> Option<Self> {
        let mut lines = bytes.split(|c| *c == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
        let first = lines.next()?;
        let message = kind(first)?;
        let none: &[u8] = &[];
        let mut event = Self {
            dir,
            message,
            nts: none,
            target: none,
            usn: none,
            location: none,
            server: none,
            user_agent: none,
            max_age_s: None,
            mx_s: None,
            model: none,
            firmware: none,
            name: none,
            bridge: none,
        };
        let mut fields = 0;
        for line in lines {
            if line.is_empty() {
                break;
            }
            fields += 1;
            if fields > limits::SSDP_FIELDS_MAX {
                if let Some(cx) = cx {
                    cx.limit_hit();
                }
                break;
            }
            let Some((name, value)) = text::split_once(line, b':') else { continue };
            let value = value.trim_ascii();
            let is = |n: &[u8]| name.trim_ascii().eq_ignore_ascii_case(n);
            if is(b"ST") || is(b"NT") {
                event.target = value;
            } else if is(b"USN") {
                event.usn = value;
            } else if is(b"NTS") {
                event.nts = value;
            } else if is(b"LOCATION") || is(b"AL") {
                event.location = value;
            } else if is(b"SERVER") {
                event.server = value;
            } else if is(b"USER-AGENT") {
                event.user_agent = value;
            } else if is(b"MX") {
                event.mx_s = text::decimal(value);
            } else if is(b"CACHE-CONTROL") {
                let age = text::split_once(value, b'=').map(|(_, age)| age.trim_ascii());
                event.max_age_s = age.and_then(text::decimal);
            } else if is(b"X-MODELNAME") || is(b"MODEL") || is(b"X-MODEL") {
                event.model = value;
            } else if is(b"FW_VER") {
                event.firmware = value;
            } else if is(b"X-FRIENDLY-NAME") || is(b"NAME") || is(b"FRIENDLYNAME.SMARTSPEAKER.SSDP") {
                event.name = value;
            } else if is(b"HUE-BRIDGEID") {
                event.bridge = value;
            }
        }
        // The answer to any other question may look the same up to here.
        let told = message != Message::Response || !(event.target.is_empty() && event.usn.is_empty());
        told.then_some(event)
    }

    /// The identifier in the unique name: what stands between `uuid:` and `::`.
    fn uuid(&self) -> Option<String> {
        let rest = if text::starts_with(self.usn, b"uuid:") { self.usn.get(5..)? } else { return None };
        let end = memchr::memmem::find(rest, b"::").unwrap_or(rest.len());
        let uuid = rest.get(..end)?.trim_ascii();
        (!uuid.is_empty()).then(|| String::from_utf8_lossy(uuid).to_ascii_lowercase())
    }
}

impl crate::proto::api::Event for Event<'_> {
    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        row.text(match self.message {
            Message::Search => "M-SEARCH",
            Message::Notify => "NOTIFY",
            Message::Response => "response",
        });
        let shown = |row: &mut RowWriter<'_>, b: &[u8]| _ = row.opt_bytes(Some(b).filter(|b| !b.is_empty()));
        shown(row, self.nts);
        shown(row, self.target);
        shown(row, self.usn);
        row.opt_text(self.uuid().as_deref());
        shown(row, &blanked(self.location));
        shown(row, &text::without_settings(self.server));
        shown(row, &text::without_settings(self.user_agent));
        row.opt_int(self.max_age_s.and_then(|n| i64::try_from(n).ok()));
        row.opt_int(self.mx_s.and_then(|n| i32::try_from(n).ok()));
        shown(row, self.model);
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let about = About::Side(self.dir);
        let mut tell = |attribute, value: &[u8]| tell(Fact { about, attribute, value });
        if self.message == Message::Search {
            tell("user-agent", &text::without_settings(self.user_agent));
            return;
        }
        tell("server", &text::without_settings(self.server));
        tell("url", &blanked(self.location));
        tell("uuid", self.uuid().unwrap_or_default().as_bytes());
        // urn:schemas-upnp-org:device:MediaRenderer:1, and likewise with service
        let urn = text::starts_with(self.target, b"urn:");
        if urn && memchr::memmem::find(self.target, b":device:").is_some() {
            tell("device-type", self.target);
        } else if urn {
            tell("service", self.target);
        }
        tell("model", self.model);
        tell("firmware", self.firmware);
        tell("name", self.name);
        tell("serial", self.bridge);
    }
}

/// Reads datagrams; keeps nothing between them.
#[derive(Debug, Default)]
pub struct Ssdp {
    understood: bool,
}

impl AppParser for Ssdp {
    const SPEC: Spec = Spec {
        name: "ssdp",
        title: "SSDP (UPnP discovery)",
        transports: &[Transport::Udp],
        ports: &[1900],
        reference: "UPnP Device Architecture 2.0, section 1",
        table: Some(&TABLE),
        yields: "searches, devices and services announced, server strings, description URLs",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        match payload.first() {
            Some(b'M' | b'N' | b'H' | b'm' | b'n' | b'h') if Event::parse(dir, payload, None).is_some() => Probe::Yes,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        match Event::parse(dir, bytes, Some(cx)) {
            Some(event) => {
                self.understood = true;
                emit(event);
            }
            None if !self.understood => return Progress::Violation("not an SSDP message"),
            None => {}
        }
        Progress::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, facts_of};

    const NOTIFY: &[u8] = b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nCACHE-CONTROL: max-age=1800\r\n\
        LOCATION: http://192.0.2.9:49152/desc.xml\r\nNT: urn:schemas-upnp-org:device:MediaRenderer:1\r\n\
        NTS: ssdp:alive\r\nSERVER: Linux/4.4 UPnP/1.0 Example/2.1\r\n\
        USN: uuid:0A1B-77::urn:schemas-upnp-org:device:MediaRenderer:1\r\n\r\n";
    const SEARCH: &[u8] =
        b"M-SEARCH * HTTP/1.1\r\nHost:239.255.255.250:1900\r\nST:ssdp:all\r\nMan:\"ssdp:discover\"\r\n\
        MX:3\r\nUSER-AGENT: ex/1\r\n\r\n";

    #[test]
    fn a_notification_and_a_search() {
        let seen = Script::new().orig(NOTIFY).datagrams::<Ssdp>();
        for (column, value) in [
            ("message", "NOTIFY"),
            ("nts", "ssdp:alive"),
            ("target", "urn:schemas-upnp-org:device:MediaRenderer:1"),
            ("uuid", "0a1b-77"),
            ("location", "http://192.0.2.9:49152/desc.xml"),
            ("server", "Linux/4.4 UPnP/1.0 Example/2.1"),
            ("max_age_s", "1800"),
            ("mx_s", "-"),
        ] {
            assert_eq!(seen.cell(column), value, "{column}");
        }
        let seen = Script::new().orig(SEARCH).datagrams::<Ssdp>();
        assert_eq!((seen.cell("target"), seen.cell("mx_s")), ("ssdp:all".into(), "3".into()));
        assert_eq!(
            facts_of::<Ssdp>(Direction::Orig, NOTIFY),
            [
                "server=Linux/4.4 UPnP/1.0 Example/2.1",
                "url=http://192.0.2.9:49152/desc.xml",
                "uuid=0a1b-77",
                "device-type=urn:schemas-upnp-org:device:MediaRenderer:1",
            ]
        );
        assert_eq!(facts_of::<Ssdp>(Direction::Orig, SEARCH), ["user-agent=ex/1"]);
    }

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        let notify = b"NOTIFY * HTTP/1.1\r\nLOCATION: http://u:hunter2@192.0.2.9/d.xml?password=hunter2&a=1\r\n\
            NT: upnp:rootdevice\r\nSERVER: x key=hunter2\r\n\r\n";
        let seen = Script::new().orig(notify).datagrams::<Ssdp>();
        assert_eq!(seen.cell("location"), "http://[blanked]@192.0.2.9/d.xml?password=[blanked]&a=1");
        assert_eq!(seen.cell("server"), "x key=[blanked]");
        assert!(!facts_of::<Ssdp>(Direction::Orig, notify).concat().contains("hunter2"));
    }

    #[test]
    fn only_ssdp_is_taken() {
        for other in [
            &b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"[..],
            b"NOTIFY sip:a SIP/2.0\r\n",
            b"GET / HTTP/1.1\r\n",
            b"M",
            b"",
        ] {
            assert_eq!(Ssdp::probe(Direction::Orig, other), Probe::No, "{other:?}");
        }
        let answer = b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nUSN: uuid:1::upnp:rootdevice\r\n\r\n";
        assert_eq!(Ssdp::probe(Direction::Resp, answer), Probe::Yes);
        for end in 0..NOTIFY.len() {
            let _ = Script::new().orig(&NOTIFY[..end]).datagrams::<Ssdp>();
        }
    }

    #[test]
    fn endless_fields_are_cut() {
        let mut long = b"NOTIFY * HTTP/1.1\r\n".to_vec();
        for _ in 0..limits::SSDP_FIELDS_MAX + 1 {
            long.extend(b"X: y\r\n");
        }
        long.extend(b"NT: late\r\n\r\n");
        assert_eq!(Script::new().orig(long).datagrams::<Ssdp>().cell("target"), "-");
    }
}
