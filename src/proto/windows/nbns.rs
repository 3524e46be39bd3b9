//! NetBIOS name service (RFC 1002, section 4.2).

use super::netbios::{Name, decode};
use crate::base::bytes::ReadError;
use crate::base::secret::Reveal;
use crate::base::{Addr, Mac, Reader, limits};
use crate::proto::api::{About, AppParser, Cx, Direction, Fact, Probe, Progress, Spec, Transport};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "nbns",
    doc: "One NetBIOS name that was asked for, registered, released or answered for; repetitions on a flow are left out",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("operation", Type::Text, "query, status, registration, release, wait, refresh"),
        Column::repeating("response", Type::Bool, "Whether this is an answer"),
        Column::repeating("rcode", Type::Int32, "Result code of an answer: 0 success, 3 no such name, 6 taken ..."),
        Column::repeating("name", Type::Text, "The name, without padding"),
        Column::repeating("suffix", Type::Int32, "Its sixteenth byte, which says what it stands for"),
        Column::repeating("role", Type::Text, "What the suffix means: workstation, workgroup, file-server ..."),
        Column::repeating("is_group", Type::Bool, "Whether it is a group's name; null where that is not said"),
        Column::repeating("addresses", Type::TextList, "Addresses of the name, as registered or answered"),
        Column::repeating("names", Type::TextList, "All names of the answering machine, each as NAME<suffix> (status)"),
        Column::repeating("unit_id", Type::Text, "MAC address that the answering machine gives (status)"),
    ],
};

/// What is done with a name (section 4.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Who has the name?
    Query,
    /// What names have you (NBSTAT)?
    Status,
    /// I take it.
    Registration,
    /// I give it back.
    Release,
    /// Wait for the answer.
    Wait,
    /// I still have it.
    Refresh,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Status => "status",
            Self::Registration => "registration",
            Self::Release => "release",
            Self::Wait => "wait",
            Self::Refresh => "refresh",
        }
    }
}

/// A message.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// What is done.
    pub operation: Operation,
    /// Whether it is an answer.
    pub response: bool,
    /// Result code of an answer.
    pub rcode: u8,
    /// The name.
    pub name: Name,
    /// Whether it is a group's.
    pub group: Option<bool>,
    /// The record's content: addresses with flags, or the names of a machine.
    content: &'e [u8],
    sender: Direction,
}

/// Names of one answer that are shown.
const NAMES_MAX: usize = 64;

impl<'e> Event<'e> {
    /// The names of the answering machine, and whether each is a group's (section 4.2.18).
    fn names(&self) -> impl Iterator<Item = (Name, bool)> + use<'e> {
        let table = match (self.operation, self.response, self.content) {
            (Operation::Status, true, [count, rest @ ..]) => rest.get(..usize::from(*count) * 18).unwrap_or(rest),
            _ => &[],
        };
        table.as_chunks::<18>().0.iter().take(NAMES_MAX).map(|entry| {
            let [raw @ .., f1, _] = *entry;
            (Name::new(raw), f1 & 0x80 != 0)
        })
    }

    /// The MAC behind them.
    fn unit(&self) -> Option<Mac> {
        let (count, rest) = self.content.split_first().filter(|_| self.operation == Operation::Status)?;
        rest.get(usize::from(*count) * 18..)?.first_chunk().map(|b| Mac(*b)).filter(|m| !m.is_zero())
    }

    fn addresses(&self) -> impl Iterator<Item = Addr> + use<'e> {
        let list = if self.operation == Operation::Status { &[] } else { self.content };
        list.as_chunks::<6>().0.iter().take(NAMES_MAX).map(|[_, _, ip @ ..]| Addr::v4(*ip))
    }
}

impl crate::proto::api::Event for Event<'_> {
    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        row.text(self.operation.name()).bool(self.response);
        row.opt_int(self.response.then_some(self.rcode));
        row.bytes(self.name.text()).int(self.name.suffix());
        row.text(self.name.role(self.group == Some(true))).opt_bool(self.group);
        let count = self.addresses().count();
        if count == 0 {
            row.null();
        } else {
            row.list(count);
            self.addresses().for_each(|a| _ = row.addr(a));
        }
        let count = self.names().count();
        if count == 0 {
            row.null();
        } else {
            row.list(count);
            for (name, _) in self.names() {
                row.bytes(&[name.text(), format!("<{:02x}>", name.suffix()).as_bytes()].concat());
            }
        }
        match self.unit() {
            Some(mac) => row.mac(mac),
            None => row.null(),
        };
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let about = About::Side(self.sender);
        let mut say = |name: &Name, group: bool| {
            let attribute = match (name.suffix(), group) {
                (0x00 | 0x20, false) => "hostname",
                (0x00, true) => "domain",
                _ => return,
            };
            if name.is_plain() {
                tell(Fact { about, attribute, value: name.text() });
            }
        };
        match (self.operation, self.response) {
            (Operation::Registration | Operation::Refresh, false) => say(&self.name, self.group == Some(true)),
            // Who answers for a name of its own over broadcast has it; a name server answers for all, and
            // is told by an answer that is not to a status query.
            (Operation::Status, true) => self.names().for_each(|(name, group)| say(&name, group)),
            _ => {}
        }
    }
}

/// The fixed header.
const HEADER: usize = 12;
/// Type of a record that lists a machine's names.
const NBSTAT: u16 = 0x21;

fn read(bytes: &[u8], sender: Direction) -> Result<Event<'_>, ReadError> {
    let mut r = Reader::new(bytes);
    r.skip("identifier", 2)?;
    let flags = r.be16("flags")?;
    let [questions, answers, _, additional] =
        [r.be16("questions")?, r.be16("answers")?, r.be16("authorities")?, r.be16("additional")?];
    let (name, used) = decode(r.peek_rest()).ok_or(ReadError::invalid("name"))?;
    r.skip("name", used)?;
    let kind = r.be16("type")?;
    let class = r.be16("class")?;
    let operation = match flags >> 11 & 0xf {
        0 if kind == NBSTAT => Operation::Status,
        0 => Operation::Query,
        5 | 15 => Operation::Registration,
        6 => Operation::Release,
        7 => Operation::Wait,
        8 | 9 => Operation::Refresh,
        _ => return Err(ReadError::invalid("operation")),
    };
    // Types: address, name server, null, name, status (section 4.2.1.3).
    if !matches!(kind, 0x01 | 0x02 | 0x0a | 0x20 | NBSTAT) || class & 0x7fff != 1 || questions > 1 {
        return Err(ReadError::invalid("type"));
    }
    let response = flags & 0x8000 != 0;
    let mut event = Event { operation, response, rcode: (flags & 0xf) as u8, name, group: None, content: &[], sender };
    // An answer has its record at once, a registration behind the question.
    let has_record = if questions == 0 {
        answers > 0
    } else if additional > 0 {
        record_name(&mut r)?;
        true
    } else {
        false
    };
    if has_record && r.skip("time to live", 4).is_ok() {
        // What a short capture cut is read as far as it goes.
        let len = usize::from(r.be16("length").unwrap_or(0));
        let rest = r.peek_rest();
        event.content = rest.get(..len).unwrap_or(rest);
        if operation != Operation::Status {
            event.group = event.content.first().map(|f| f & 0x80 != 0);
        }
    }
    Ok(event)
}

/// The owner, type and class of a record; the owner is a pointer or the name again.
fn record_name(r: &mut Reader<'_>) -> Result<(), ReadError> {
    match r.peek_rest() {
        [0xc0..=0xff, _, ..] => r.skip("owner", 2)?,
        rest => {
            let (_, used) = decode(rest).ok_or(ReadError::invalid("owner"))?;
            r.skip("owner", used)?;
        }
    }
    r.skip("type and class", 4)
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Nbns {
    seen: Vec<(Operation, bool, Name)>,
}

impl AppParser for Nbns {
    const SPEC: Spec = Spec {
        name: "nbns",
        title: "NetBIOS name service",
        transports: &[Transport::Udp],
        ports: &[137],
        reference: "RFC 1002",
        table: Some(&TABLE),
        yields: "host names, workgroups, roles, MAC addresses",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        if payload.get(HEADER) != Some(&32) {
            return Probe::No;
        }
        if read(payload, dir).is_ok() { Probe::Yes } else { Probe::No }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        let Ok(event) = read(bytes, dir) else {
            // A bad datagram between good ones silences nobody.
            return if self.seen.is_empty() {
                Progress::Violation("not a NetBIOS name message")
            } else {
                Progress::Done
            };
        };
        let key = (event.operation, event.response, event.name);
        if self.seen.contains(&key) {
            return Progress::Done;
        }
        if self.seen.len() >= limits::NETBIOS_NAMES_MAX {
            cx.limit_hit();
            return Progress::Finished;
        }
        self.seen.push(key);
        emit(event);
        Progress::Done
    }
}

#[cfg(test)]
mod tests {
    use super::super::netbios::tests::encode;
    use super::*;
    use crate::proto::testing::Script;

    fn message(flags: u16, counts: [u8; 4], name: &[u8], kind: u8, rest: &[u8]) -> Vec<u8> {
        let mut out = vec![0x12, 0x34];
        out.extend(flags.to_be_bytes());
        counts.iter().for_each(|c| out.extend([0, *c]));
        out.extend(name);
        out.extend([0, kind, 0, 1]);
        out.extend(rest);
        out
    }

    #[test]
    fn a_registration_names_the_machine() {
        let record = |group: u8| {
            let mut r = vec![0xc0, 0x0c, 0, 0x20, 0, 1, 0, 4, 0x93, 0xe0, 0, 6, group, 0];
            r.extend([10, 0, 0, 7]);
            r
        };
        let seen = Script::new()
            .orig(message(0x2910, [1, 0, 0, 1], &encode("PC7", 0), 0x20, &record(0)))
            .orig(message(0x2910, [1, 0, 0, 1], &encode("PC7", 0), 0x20, &record(0)))
            .orig(message(0x2910, [1, 0, 0, 1], &encode("OFFICE", 0), 0x20, &record(0x80)))
            .datagrams::<Nbns>();
        assert_eq!(seen.cells("name"), ["PC7", "OFFICE"]);
        assert_eq!(seen.cells("role"), ["workstation", "workgroup"]);
        assert_eq!(seen.cells("addresses"), ["[10.0.0.7]", "[10.0.0.7]"]);
        assert_eq!(seen.cells("operation"), ["registration", "registration"]);
    }

    #[test]
    fn a_status_answer_lists_names_and_the_mac() {
        let mut content = vec![2];
        content.extend(b"PC7            \0\x04\0OFFICE         \0\x84\0");
        content.extend([2, 0, 0, 1, 2, 3]);
        content.extend([0; 40]);
        let mut rest = vec![0, 0, 0, 0, 0, content.len() as u8];
        rest.extend(&content);
        let answer = message(0x8400, [0, 1, 0, 0], &encode("*", 0), 0x21, &rest);
        let seen = Script::new().resp(&answer).datagrams::<Nbns>();
        assert_eq!(seen.cell("names"), "[PC7<00>,OFFICE<00>]");
        assert_eq!(seen.cell("unit_id"), "02:00:00:01:02:03");
        for cut in 0..answer.len() {
            let _ = Script::new().resp(&answer[..cut]).datagrams::<Nbns>();
        }
    }

    #[test]
    fn the_probe_wants_an_encoded_name() {
        let query = message(0x0110, [1, 0, 0, 0], &encode("PC7", 0x20), 0x20, &[]);
        assert_eq!(Nbns::probe(Direction::Orig, &query), Probe::Yes);
        assert_eq!(crate::proto::discovery::dns::Dns::probe(Direction::Orig, &query), Probe::No);
        let dns = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01";
        assert_eq!(Nbns::probe(Direction::Orig, dns), Probe::No);
    }
}
