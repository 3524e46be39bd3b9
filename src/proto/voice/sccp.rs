//! SCCP ("Skinny"), between Cisco's phones and their call manager. No public standard; the layout is that of
//! the messages as phones send them: length, version and message, four bytes each, least significant first.

use super::dial;
use crate::base::secret::Reveal;
use crate::base::{Addr, Endpoint, Reader, limits};
use crate::proto::api::{
    About, Announcement, AppParser, Carries, Cx, Direction, Fact, Probe, Progress, Spec, Transport,
};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "skinny",
    doc: "One SCCP message that registers a phone, names the ends of a call or opens media",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("message", Type::Text, "`register register-ack register-reject call-info media`"),
        Column::repeating("device_name", Type::Text, "Name of the phone: mostly `SEP` and its MAC address"),
        Column::repeating("device_type", Type::Int32, "Number of the phone's model"),
        Column::repeating("calling_number", Type::Text, "Who calls"),
        Column::repeating("calling_name", Type::Text, "Name of who calls"),
        Column::repeating("called_number", Type::Text, "Who is called"),
        Column::repeating("called_name", Type::Text, "Name of who is called"),
        Column::repeating("media_ip", Type::Text, "Address that voice is sent to"),
        Column::new("media_port", Type::Int32, "Port that voice is sent to"),
    ],
};

const HEADER: usize = 12;
const KEEP_ALIVE: u32 = 0;
const REGISTER: u32 = 0x0001;
const OPEN_RECEIVE_CHANNEL_ACK: u32 = 0x0022;
const REGISTER_ACK: u32 = 0x0081;
const START_MEDIA_TRANSMISSION: u32 = 0x008a;
const CALL_INFO: u32 = 0x008f;
const REGISTER_REJECT: u32 = 0x009d;

/// What was seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Event<'e> {
    /// Name of the message; empty where it has no row.
    name: &'static str,
    from_orig: bool,
    device_name: &'e [u8],
    device_type: Option<u32>,
    /// Calling name and number, called name and number.
    parties: [&'e [u8]; 4],
    media: Option<Endpoint>,
}

impl crate::proto::api::Event for Event<'_> {
    fn has_row(&self) -> bool {
        !self.name.is_empty()
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let some = |text: &'_ [u8]| (!text.is_empty()).then(|| text.to_vec());
        row.text(self.name).opt_bytes(some(self.device_name).as_deref());
        row.opt_int(self.device_type.and_then(|t| i32::try_from(t).ok()));
        let [calling_name, calling_number, called_name, called_number] = self.parties;
        for text in [calling_number, calling_name, called_number, called_name] {
            row.opt_bytes(some(&dial::blanked(text)).as_deref());
        }
        match self.media {
            Some(media) => row.addr(media.ip).int(media.port),
            None => row.null().null(),
        };
    }

    fn announces(&self, tell: &mut dyn FnMut(Announcement<'_>)) {
        if let Some(endpoint) = self.media.filter(|m| m.port != 0) {
            tell(Announcement { endpoint, carries: Carries::Protocol("rtp"), words: b"c" });
            if let Some(port) = endpoint.port.checked_add(1) {
                let endpoint = Endpoint { port, ..endpoint };
                tell(Announcement { endpoint, carries: Carries::Protocol("rtp"), words: b"c" });
            }
        }
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let sender = if self.from_orig { Direction::Orig } else { Direction::Resp };
        tell(Fact { about: About::Side(sender), attribute: "hostname", value: self.device_name });
    }
}

/// Follows one connection.
#[derive(Debug, Default)]
pub struct Sccp {
    messages: u32,
    told: bool,
}

/// Length and number of the message at the front; `None` where it is none.
fn header(bytes: &[u8]) -> Option<(usize, u32)> {
    let mut r = Reader::new(bytes);
    let length = r.le32("length").ok()?;
    let version = r.le32("version").ok()?;
    let id = r.le32("message").ok()?;
    let known = matches!(id, 0..=0x60 | 0x81..=0x160);
    (known && version <= 0x20 && (4..=4096).contains(&length)).then_some((8 + length as usize, id))
}

/// A text of fixed length, up to its first zero.
fn fixed<'a>(r: &mut Reader<'a>, len: usize) -> Option<&'a [u8]> {
    let text = r.take("text", len).ok()?;
    text.split(|c| *c == 0).next()
}

fn address(r: &mut Reader<'_>) -> Option<Endpoint> {
    let ip: [u8; 4] = r.array("address").ok()?;
    let port = u16::try_from(r.le32("port").ok()?).ok()?;
    Some(Endpoint { ip: Addr::v4(ip), port })
}

fn event(id: u32, message: &[u8]) -> Option<Event<'_>> {
    let mut r = Reader::new(message);
    r.skip("header", HEADER).ok()?;
    let nothing = Event::default();
    Some(match id {
        REGISTER => {
            let device_name = fixed(&mut r, 16)?;
            r.skip("user, instance, address", 12).ok()?;
            Event { name: "register", device_name, device_type: r.le32("device type").ok(), ..nothing }
        }
        REGISTER_ACK => Event { name: "register-ack", ..nothing },
        REGISTER_REJECT => Event { name: "register-reject", ..nothing },
        CALL_INFO => {
            let parties = [fixed(&mut r, 40)?, fixed(&mut r, 24)?, fixed(&mut r, 40)?, fixed(&mut r, 24)?];
            Event { name: "call-info", parties, ..nothing }
        }
        OPEN_RECEIVE_CHANNEL_ACK => {
            r.skip("status", 4).ok()?;
            Event { name: "media", media: Some(address(&mut r)?), ..nothing }
        }
        START_MEDIA_TRANSMISSION => {
            r.skip("conference, party", 8).ok()?;
            Event { name: "media", media: Some(address(&mut r)?), ..nothing }
        }
        _ => return None,
    })
}

impl AppParser for Sccp {
    const SPEC: Spec = Spec {
        name: "skinny",
        title: "SCCP (Skinny)",
        transports: &[Transport::Tcp],
        ports: &[2000],
        reference: "no public standard",
        table: Some(&TABLE),
        tentative: true,
        yields: "phones, calls, media",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        // The top bytes of all three numbers are zero.
        match payload {
            [_, _, 0, 0, _, 0, 0, 0, ..] if payload.len() >= HEADER => {
                if header(payload).is_some() {
                    Probe::Yes
                } else {
                    Probe::No
                }
            }
            [4..=255, ..] if payload.len() < HEADER => {
                let zeros = [2, 3, 5, 6, 7].iter().all(|i| payload.get(*i).is_none_or(|c| *c == 0));
                if zeros { Probe::NeedMore } else { Probe::No }
            }
            [] => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, _cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            if rest.len() < HEADER {
                return Progress::Partial { consumed: used, needed: HEADER };
            }
            let Some((length, id)) = header(rest) else { return Progress::Violation("not an SCCP message") };
            let Some(message) = rest.get(..length.min(limits::SIGNALLING_BYTES_MAX)) else {
                return Progress::Partial { consumed: used, needed: length };
            };
            self.messages += 1;
            let from_orig = dir == Direction::Orig;
            if let Some(event) = event(id, message) {
                self.told = true;
                emit(Event { from_orig, ..event });
            } else if !self.told && (self.messages >= 3 || id != KEEP_ALIVE && self.messages >= 2) {
                self.told = true;
                emit(Event { from_orig, ..Event::default() });
            }
            used += length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    fn message(id: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = (4 + body.len() as u32).to_le_bytes().to_vec();
        bytes.extend(20_u32.to_le_bytes());
        bytes.extend(id.to_le_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn a_phone_registers_and_calls() {
        let mut register = b"SEP001122334455\0\0\0\0\0\x01\0\0\0\xc0\0\x02\x01".to_vec();
        register.extend(30_016_u32.to_le_bytes());
        let mut call = vec![0; 128];
        for (at, text) in [(0, "Joe"), (40, "201"), (64, "Ann"), (104, "202")] {
            call[at..at + 3].copy_from_slice(text.as_bytes());
        }
        let seen = Script::new()
            .orig(message(1, &register))
            .resp([message(0x81, b"\x1e\0\0\0"), message(0x8f, &call)].concat())
            .orig(message(0x22, b"\0\0\0\0\xc0\0\x02\x01\x10\x40\0\0"))
            .any_chunking::<Sccp>();
        assert_eq!(seen.cells("message"), ["register", "register-ack", "call-info", "media"]);
        assert_eq!(
            (seen.cells("device_name")[0].as_str(), seen.cells("device_type")[0].as_str()),
            ("SEP001122334455", "30016")
        );
        assert_eq!((seen.cells("calling_number")[2].as_str(), seen.cells("called_name")[2].as_str()), ("201", "Ann"));
        assert_eq!((seen.cells("media_ip")[3].as_str(), seen.cells("media_port")[3].as_str()), ("192.0.2.1", "16400"));
    }

    #[test]
    fn one_message_of_little_is_not_believed() {
        assert_eq!(Script::new().orig(message(0, b"")).any_chunking::<Sccp>().events.len(), 0);
        let two = [message(0x26, &[0; 12]), message(0x85, &[1; 4])].concat();
        assert_eq!(Script::new().orig(two).any_chunking::<Sccp>().events.len(), 1);
        let broken = [message(0x26, &[0; 12]), vec![0xff; 20]].concat();
        assert!(matches!(Script::new().orig(broken).any_chunking::<Sccp>().stopped, Some(Progress::Violation(_))));
    }

    #[test]
    fn any_cut_is_survived_and_probes_decline() {
        let whole = message(0x8f, &[0; 20]);
        for cut in 0..whole.len() {
            Script::new().orig(&whole[..cut]).run::<Sccp>();
        }
        for (bytes, want) in [
            (&whole[..], Probe::Yes),
            (b"\x10\0\0\0\x14", Probe::NeedMore),
            (b"\x10\0\0\0\x14\0\0\0\xff\0\0\x01", Probe::No),
            (b"\0\0\0\x10\0\0\0\0", Probe::No),
            (b"GET / HTTP/1.1\r\n", Probe::No),
        ] {
            assert_eq!(probe_all::<Sccp>(Direction::Orig, bytes), want, "{bytes:?}");
        }
    }
}
