//! BJNP: how Canon's printers and scanners are found and driven (no public standard; the layout is that of
//! the CUPS backend `bjnp` and of SANE's `pixma`), and ENPC, Epson's counterpart for finding printers.

use crate::base::secret::Reveal;
use crate::base::{Mac, Reader};
use crate::proto::api::{About, AppParser, Cx, Direction, Fact, Probe, Progress, Spec, Transport};
use crate::proto::text;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "bjnp",
    doc: "One BJNP message that tells of a device or of who prints; of messages of one flow that say the same only \
          the first",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("command", Type::Text, "`discover`, `start-scan`, `job`, `identity`, `status` or a number"),
        Column::repeating("from_orig", Type::Bool, "Whether the originator of the flow sends it"),
        Column::repeating("device_mac", Type::Text, "MAC address that the device says it has"),
        Column::repeating("manufacturer", Type::Text, "Manufacturer by its IEEE 1284 identity"),
        Column::repeating("model", Type::Text, "Model by its IEEE 1284 identity"),
        Column::repeating("host", Type::Text, "Name of the host that prints or scans"),
        Column::repeating("username", Type::Text, "User who prints or scans"),
        Column::new("job_name", Type::Text, "Name of the job"),
    ],
};

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Event {
    from_orig: bool,
    command: u8,
    device_mac: Mac,
    manufacturer: Vec<u8>,
    model: Vec<u8>,
    serial: Vec<u8>,
    host: Vec<u8>,
    username: Vec<u8>,
    job_name: Vec<u8>,
    row: bool,
}

const DISCOVER: u8 = 1;
const START_SCAN: u8 = 2;
const JOB: u8 = 0x10;
const STATUS: u8 = 0x20;
const IDENTITY: u8 = 0x30;

impl crate::proto::api::Event for Event {
    fn has_row(&self) -> bool {
        self.row
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        match self.command {
            DISCOVER => row.text("discover"),
            START_SCAN => row.text("start-scan"),
            JOB => row.text("job"),
            STATUS => row.text("status"),
            IDENTITY => row.text("identity"),
            other => row.text(&format!("{other:#04x}")),
        };
        row.bool(self.from_orig).mac(self.device_mac);
        let some = |value: &'_ [u8]| !value.is_empty();
        for value in [&self.manufacturer, &self.model, &self.host] {
            row.opt_bytes(Some(&value[..]).filter(|v| some(v)));
        }
        row.opt_user(Some(&self.username[..]).filter(|v| some(v)));
        row.opt_bytes(Some(&self.job_name[..]).filter(|v| some(v)));
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let sender = if self.from_orig { Direction::Orig } else { Direction::Resp };
        tell(Fact { about: About::Side(sender), attribute: "vendor", value: &self.manufacturer });
        tell(Fact { about: About::Side(sender), attribute: "model", value: &self.model });
        tell(Fact { about: About::Side(sender), attribute: "serial", value: &self.serial });
        tell(Fact { about: About::Side(sender), attribute: "hostname", value: &self.host });
        tell(Fact { about: About::Side(sender), attribute: "user", value: &self.username });
    }
}

/// A value of an IEEE 1284 device identity: `MFG:Canon;MDL:MG6200 series;`.
fn identity(text: &[u8], keys: &[&[u8]]) -> Vec<u8> {
    let pairs = text.split(|c| *c == b';').take(64).filter_map(|pair| text::split_once(pair, b':'));
    let mut values = pairs.filter(|(key, _)| keys.iter().any(|k| key.trim_ascii().eq_ignore_ascii_case(k)));
    values.next().map(|(_, value)| value.trim_ascii().to_vec()).unwrap_or_default()
}

impl Event {
    fn identify(&mut self, text: &[u8]) {
        self.manufacturer = identity(text, &[b"MFG", b"MANUFACTURER"]);
        self.model = identity(text, &[b"MDL", b"MODEL"]);
        self.serial = identity(text, &[b"SN", b"SERN", b"SERIALNUMBER"]);
    }
}

/// Text in UTF-16, most significant byte first, up to its first zero.
fn utf16(bytes: &[u8]) -> Vec<u8> {
    let (units, _) = bytes.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|u| u16::from_be_bytes(*u)).take_while(|u| *u != 0).collect();
    String::from_utf16_lossy(&units).into_bytes()
}

/// The signs that messages begin with: inkjets, laser printers, cameras.
const SIGNS: &[[u8; 4]] = &[*b"BJNP", *b"MFNP", *b"BJNB", *b"BJND"];

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Bjnp {
    /// Rows that were written, as hashes.
    rows: Vec<u64>,
}

/// Rows of one flow.
const ROWS_MAX: usize = 16;

impl AppParser for Bjnp {
    const SPEC: Spec = Spec {
        name: "bjnp",
        title: "BJNP",
        transports: &[Transport::Udp, Transport::Tcp],
        ports: &[8610, 8611, 8612, 8613],
        reference: "no public standard; CUPS backend bjnp",
        table: Some(&TABLE),
        yields: "models of Canon's printers and scanners, hosts, users and job names",
        ..Spec::EMPTY
    };
    type Event<'e> = Event;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        let Some((sign, rest)) = payload.split_first_chunk::<4>() else {
            return if SIGNS.iter().any(|s| s.starts_with(payload)) { Probe::NeedMore } else { Probe::No };
        };
        match rest.first() {
            _ if !SIGNS.contains(sign) => Probe::No,
            // Printer, scanner, and the like; their answers have the top bit set.
            Some(kind) if kind & 0x7f <= 8 => Probe::Yes,
            Some(_) => Probe::No,
            None => Probe::NeedMore,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event)) -> Progress {
        let mut r = Reader::new(bytes);
        let mut used = 0;
        loop {
            if r.is_empty() {
                return Progress::Done;
            }
            match message(&mut r, dir) {
                Ok(mut event) => {
                    let key = crate::base::hash::stable64(0, format!("{event:?}").as_bytes());
                    event.row = !self.rows.contains(&key) && self.rows.len() < ROWS_MAX;
                    if event.row {
                        self.rows.push(key);
                    }
                    emit(event);
                    used = r.position();
                }
                Err(Some(needed)) if cx.flow.transport == Transport::Tcp => {
                    return Progress::Partial { consumed: used, needed: needed.max(bytes.len() - used + 1) };
                }
                // Printing and scanning over TCP (8611) carries data of lengths that the messages tell.
                Err(_) if self.rows.is_empty() => return Progress::Violation("not a BJNP message"),
                Err(_) => return if cx.flow.transport == Transport::Tcp { Progress::Finished } else { Progress::Done },
            }
        }
    }
}

/// Longest payload that is believed.
const PAYLOAD_BYTES_MAX: usize = 64 << 10;

/// Reads a message; an error names the bytes that are needed, where more could help.
fn message(r: &mut Reader<'_>, dir: Direction) -> Result<Event, Option<usize>> {
    const HEADER: usize = 16;
    let header = r.peek_rest();
    let Some((sign, _)) = header.split_first_chunk::<4>() else { return Err(Some(HEADER)) };
    if !SIGNS.contains(sign) {
        return Err(None);
    }
    if header.len() < HEADER {
        return Err(Some(HEADER));
    }
    let mut read = || -> Result<(u8, u8, usize), crate::base::ReadError> {
        r.skip("sign", 4)?;
        let (kind, command) = (r.u8("device")?, r.u8("command")?);
        r.skip("error, sequence, session", 6)?;
        Ok((kind, command, r.be32("length")? as usize))
    };
    let (kind, command, length) = read().map_err(|_| None)?;
    if length > PAYLOAD_BYTES_MAX {
        return Err(None);
    }
    let payload = r.take("payload", length).map_err(|_| Some(HEADER + length))?;
    let is_answer = kind & 0x80 != 0;
    let mut event = Event { from_orig: dir == Direction::Orig, command, ..Event::default() };
    match (command, is_answer) {
        // Six unknown bytes, or address lengths: 0x01 0x08 0x00, 06 04, MAC, address.
        (DISCOVER, true) => {
            if let Some(mac) = payload.get(6..12).and_then(|m| m.first_chunk::<6>()) {
                event.device_mac = Mac(*mac);
            }
        }
        (IDENTITY, true) => {
            // The length of the text stands before it, itself included.
            let start = payload.iter().position(|c| c.is_ascii_alphabetic()).unwrap_or(payload.len());
            event.identify(payload.get(start..).unwrap_or_default());
        }
        (JOB | START_SCAN, false) => {
            event.host = utf16(payload.get(8..72).unwrap_or_default());
            event.username = utf16(payload.get(72..136).unwrap_or_default());
            event.job_name = utf16(payload.get(136..392).unwrap_or_default());
        }
        _ => {}
    }
    Ok(event)
}

/// Follows a flow of Epson's discovery.
#[derive(Debug, Default)]
pub struct Enpc {
    said: bool,
}

impl AppParser for Enpc {
    const SPEC: Spec = Spec {
        name: "enpc",
        title: "ENPC (Epson printers)",
        transports: &[Transport::Udp],
        ports: &[3289],
        reference: "no public standard",
        table: Some(&TABLE),
        yields: "models of Epson's printers",
        ..Spec::EMPTY
    };
    type Event<'e> = Event;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        // The sign, a letter for the packet (question, answer, printer), and zeros or small numbers.
        match payload {
            [b'E', b'P', b'S', b'O', b'N', b'P' | b'Q' | b'p' | b'q' | b'C' | b'c', 0..=9, _, ..] => Probe::Yes,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, _cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event)) -> Progress {
        let mut event = Event { from_orig: dir == Direction::Orig, command: DISCOVER, ..Event::default() };
        if let Some(at) = memchr::memmem::find(bytes, b"MFG:") {
            let text = bytes.get(at..).unwrap_or_default();
            event.identify(text.split(|c| *c < 0x20).next().unwrap_or_default());
            event.command = IDENTITY;
        }
        event.row = !self.said || !event.model.is_empty();
        self.said = true;
        let last = !event.model.is_empty();
        emit(event);
        if last { Progress::Finished } else { Progress::Done }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::Script;

    fn bjnp(kind: u8, command: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![b'B', b'J', b'N', b'P', kind, command, 0, 0, 0, 1, 0, 0];
        bytes.extend((payload.len() as u32).to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn a_printer_says_what_it_is() {
        let seen = Script::new()
            .orig(bjnp(1, DISCOVER, b""))
            .resp(bjnp(0x81, DISCOVER, b"\0\x01\x08\0\x06\x04\x02\x1e\x8f\0\0\x01\xc0\0\x02\x07"))
            .resp(bjnp(0x81, IDENTITY, b"\0\x2aMFG:Canon;MDL:MG6200 series;CLS:PRINTER;"))
            .resp(bjnp(0x81, IDENTITY, b"\0\x2aMFG:Canon;MDL:MG6200 series;CLS:PRINTER;"))
            .datagrams::<Bjnp>();
        assert_eq!(seen.cells("command"), ["discover", "discover", "identity"]);
        assert_eq!(seen.cells("device_mac")[1], "02:1e:8f:00:00:01");
        assert_eq!(seen.cells("model")[2], "MG6200 series");
        assert_eq!(seen.events.len(), 4);
    }

    #[test]
    fn a_job_names_host_and_user() {
        let mut payload = vec![0; 392];
        for (at, text) in [(8, "WS-7"), (72, "joe"), (136, "Invoice")] {
            for (i, c) in text.bytes().enumerate() {
                payload[at + 2 * i + 1] = c;
            }
        }
        let stream = [bjnp(1, JOB, &payload), bjnp(1, JOB, &payload[..100])].concat();
        let seen = Script::new().orig(&stream).any_chunking::<Bjnp>();
        assert_eq!((seen.cells("host")[0].as_str(), seen.cells("username")[0].as_str()), ("WS-7", "joe"));
        assert_eq!(seen.cells("job_name")[0], "Invoice");
    }

    #[test]
    fn epson_and_hostile_bytes() {
        let seen = Script::new().resp(b"EPSONq\x03\0\0\0\0\0\0\x20MFG:EPSON;MDL:WF-3520 Series;\0").datagrams::<Enpc>();
        assert_eq!((seen.cell("manufacturer"), seen.cell("model")), ("EPSON".to_owned(), "WF-3520 Series".to_owned()));
        let whole = bjnp(0x81, IDENTITY, b"\0\x08MFG:x;");
        for cut in 0..whole.len() {
            Script::new().orig(&whole[..cut]).datagrams::<Bjnp>();
            Script::new().orig(&whole[..cut]).run::<Bjnp>();
        }
        let mut huge = whole;
        huge[12..16].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(matches!(Script::new().orig(&huge).run::<Bjnp>().stopped, Some(Progress::Violation(_))));
        assert_eq!(Bjnp::probe(Direction::Orig, b"BJNP\x01"), Probe::Yes);
        assert_eq!(Bjnp::probe(Direction::Orig, b"BJNPx"), Probe::No);
        assert_eq!(Enpc::probe(Direction::Orig, b"EPSONQ\x03\0"), Probe::Yes);
        assert_eq!(Enpc::probe(Direction::Orig, b"EPSON printer"), Probe::No);
    }
}
