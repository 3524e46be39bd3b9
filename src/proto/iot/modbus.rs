//! Modbus over TCP ("Modbus Messaging on TCP/IP" 1.0b, section 3.1; "Modbus Application Protocol" 1.1b3).
//!
//! ```text
//! transaction(2) protocol(2) = 0, length(2) of what follows, unit(1), function(1) ...
//! ```

use super::operation::{Operation, TABLE, Told};
use crate::base::{Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, front, walk};

const NAME: &str = "modbus";
/// Longest message behind the length: unit and 253 bytes (section 4.1 of the application protocol).
const LENGTH_MAX: usize = 254;

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Modbus {
    told: Told,
    /// Which side asks: the originator, unless a capture that begins late has them turned round.
    client: Option<Direction>,
}

/// What a function is called (section 6), and whether it changes something.
const fn function(code: u8) -> (&'static str, bool) {
    match code {
        1 => ("read-coils", false),
        2 => ("read-discrete-inputs", false),
        3 => ("read-holding-registers", false),
        4 => ("read-input-registers", false),
        5 => ("write-single-coil", true),
        6 => ("write-single-register", true),
        7 => ("read-exception-status", false),
        8 => ("diagnostics", false),
        11 | 12 => ("read-events", false),
        15 => ("write-coils", true),
        16 => ("write-registers", true),
        17 => ("report-server-id", false),
        20 => ("read-file-record", false),
        21 => ("write-file-record", true),
        22 => ("mask-write-register", true),
        23 => ("read-write-registers", true),
        24 => ("read-fifo-queue", false),
        43 => ("read-device-identification", false),
        0x5a => ("unity-programming", true),
        _ => ("other-function", false),
    }
}

impl Modbus {
    fn message(&mut self, cx: &Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Operation<'_>)) -> Step {
        let [_, _, p1, p0, l1, l0, rest @ ..] = bytes else { return Step::Need(8) };
        let len = usize::from(u16::from_be_bytes([*l1, *l0]));
        if (*p1, *p0) != (0, 0) || !(2..=LENGTH_MAX).contains(&len) {
            return Step::Violation("header");
        }
        let Some([unit, code, body @ ..]) = rest.get(..len) else { return Step::Need(len + 6) };
        let usual = if cx.flow.orig_port == 502 { Direction::Resp } else { Direction::Orig };
        let client = *self.client.get_or_insert(usual);
        let (action, changes) = function(code & 0x7f);
        let unit = Some(u32::from(*unit));
        if dir == client {
            let object = match (*code, body) {
                (5 | 6 | 22, [a1, a0, ..]) => format!("{}", u16::from_be_bytes([*a1, *a0])),
                (1..=4 | 15 | 16 | 23, [a1, a0, n1, n0, ..]) => {
                    let first = u32::from(u16::from_be_bytes([*a1, *a0]));
                    let count = u32::from(u16::from_be_bytes([*n1, *n0])).max(1);
                    if count == 1 { format!("{first}") } else { format!("{first}-{}", first + count - 1) }
                }
                (8, [s1, s0, ..]) => format!("sub-function {}", u16::from_be_bytes([*s1, *s0])),
                (1..=24 | 43 | 0x5a, _) => String::new(),
                (other, _) => format!("function {other}"),
            };
            // Restart and the like (section 6.8) change something, an echo does not.
            let changes = changes || *code == 8 && matches!(body, [0, 1 | 4 | 10, ..]);
            self.told.tell(
                cx,
                &Operation { unit, object: &object, changes, ..Operation::new(NAME, dir, action) },
                emit,
            );
        } else if *code == 43 {
            identification(unit, body, dir, &mut |operation| self.told.tell(cx, &operation, emit));
        } else if *code == 17 {
            // Byte count, then what the maker likes (section 6.13): shown where it is text, which names now a maker, now
            // a model and now a plant.
            let text = front(body.get(1..).unwrap_or_default(), limits::CONTROLLER_TEXT_BYTES_MAX);
            let words =
                text.split(|c| !(c.is_ascii_graphic() || *c == b' ')).max_by_key(|w| w.len()).unwrap_or_default();
            if words.len() >= 4 {
                let tells = [("server-id", words.trim_ascii())];
                self.told.tell(cx, &Operation { unit, tells: &tells, ..Operation::new(NAME, dir, action) }, emit);
            }
        } else if code & 0x80 != 0 {
            let object = body.first().map_or_else(String::new, |e| format!("exception {e} to {action}"));
            self.told.tell(cx, &Operation { unit, object: &object, ..Operation::new(NAME, dir, "exception") }, emit);
        }
        if self.told.is_full() { Step::Finished } else { Step::Used(len as u64 + 6) }
    }
}

/// Whether a function with these bytes behind it has the length of a request or of an answer (section 6).
fn fits(code: u8, body: &[u8]) -> bool {
    let len = body.len();
    let counted = |at: usize| body.get(at).is_some_and(|n| at + 1 + usize::from(*n) == len);
    match code {
        // Some devices put a byte behind it that does not belong there.
        0x80.. => len <= 2 && body.first().is_some_and(|e| (1..=11).contains(e)),
        1..=4 => len == 4 || counted(0),
        5 | 6 => len == 4,
        7 => len < 2,
        8 => len >= 4,
        11 | 12 => len == 0 || len == 4 || counted(0),
        15 | 16 => len == 4 || counted(4),
        17 => len == 0 || counted(0),
        20 | 21 => counted(0),
        22 => len == 6,
        23 => counted(8) || counted(0),
        24 => len == 2 || len >= 4,
        43 => matches!(body, [0x0d | 0x0e, ..]),
        _ => true,
    }
}

/// Device identification (section 6.21): objects with number, length and text.
fn identification(unit: Option<u32>, body: &[u8], dir: Direction, tell: &mut dyn FnMut(Operation<'_>)) {
    let [0x0e, _, _, _, _, count, objects @ ..] = body else { return };
    let mut r = Reader::new(objects);
    let mut tells: Vec<(&'static str, &[u8])> = Vec::new();
    for _ in 0..*count {
        let (Ok(number), Ok(text)) = (r.u8("object"), r.vec8("text").map(|mut t| t.rest())) else { break };
        let attribute = match number {
            0 => "vendor",
            1 => "product-code",
            2 => "firmware",
            3 => "url",
            4 => "product",
            5 => "model",
            6 => "application",
            _ => continue,
        };
        tells.push((attribute, text));
    }
    if !tells.is_empty() {
        tell(Operation { unit, tells: &tells, ..Operation::new(NAME, dir, "device-identification") });
    }
}

impl AppParser for Modbus {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "Modbus/TCP",
        transports: &[Transport::Tcp, Transport::Udp],
        ports: &[502],
        reference: "Modbus 1.1b3",
        table: Some(&TABLE),
        tentative: true,
        yields: "functions and registers, writes, device identification",
        ..Spec::EMPTY
    };
    type Event<'e> = Operation<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        let Some([p1, p0, l1, l0, _, code, ..]) = payload.get(2..) else {
            let fits = payload.get(2..).unwrap_or_default().iter().take(3).all(|b| *b == 0);
            return if fits { Probe::NeedMore } else { Probe::No };
        };
        let len = usize::from(u16::from_be_bytes([*l1, *l0]));
        let body = payload.get(8..payload.len().min(len + 6)).unwrap_or_default();
        let known = matches!(code & 0x7f, 1..=8 | 11 | 12 | 15..=17 | 20..=24 | 43 | 0x5a);
        // Nothing follows a message before its answer: it is all there is, or the next one begins likewise.
        match payload.len().cmp(&(len + 6)) {
            _ if (*p1, *p0) != (0, 0) || !(2..=LENGTH_MAX).contains(&len) || !known => Probe::No,
            std::cmp::Ordering::Less => Probe::NeedMore,
            _ if !fits(*code, body) => Probe::No,
            std::cmp::Ordering::Equal => Probe::Yes,
            std::cmp::Ordering::Greater => match payload.get(len + 6..) {
                Some([_, _, 0, 0, 0, ..] | [_, _, 0, 0] | [_, _, 0] | [_, _] | [_]) => Probe::Yes,
                _ => Probe::No,
            },
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Operation<'_>)) -> Progress {
        walk(bytes, |rest| self.message(&cx, dir, rest, emit))
    }

    fn on_gap(&mut self, _cx: Cx<'_>, _dir: Direction, _missing: u64) -> Progress {
        // Messages begin with segments: the next one shows.
        Progress::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    const READ: &[u8] = &[0, 1, 0, 0, 0, 6, 17, 3, 0, 107, 0, 3];
    const WRITE: &[u8] = &[0, 2, 0, 0, 0, 6, 17, 5, 0, 172, 0xff, 0];
    /// Two objects, maker and version.
    const IDENTITY: &[u8] = b"\0\x03\0\0\0\x12\x11\x2b\x0e\x01\x01\0\0\x02\0\x04Acme\x02\x02V1";

    #[test]
    fn what_is_read_and_written() {
        let seen = Script::new()
            .orig([READ, READ, WRITE].concat())
            .resp([0, 1, 0, 0, 0, 9, 17, 3, 6, 0, 1, 0, 2, 0, 3])
            .resp([0, 2, 0, 0, 0, 3, 17, 0x85, 2])
            .resp(IDENTITY)
            .any_chunking::<Modbus>();
        assert_eq!(
            seen.cells("action"),
            ["read-holding-registers", "write-single-coil", "exception", "device-identification"]
        );
        assert_eq!(seen.cells("object"), ["107-109", "172", "exception 2 to write-single-coil", "-"]);
        assert_eq!(seen.cells("changes"), ["false", "true", "false", "false"]);
        assert_eq!(seen.cells("unit"), ["17"; 4]);
        assert_eq!((seen.cells("vendor")[3].as_str(), seen.cells("firmware")[3].as_str()), ("Acme", "V1"));
    }

    #[test]
    fn a_restart_changes_something_and_an_echo_does_not() {
        for (sub, changes) in [(0, "false"), (1, "true")] {
            let seen = Script::new().orig([0, 1, 0, 0, 0, 6, 1, 8, 0, sub, 0, 0]).any_chunking::<Modbus>();
            assert_eq!(seen.cell("changes"), changes);
        }
    }

    #[test]
    fn probes_and_damage() {
        assert_eq!(probe_all::<Modbus>(Direction::Orig, READ), Probe::Yes);
        assert_eq!(probe_all::<Modbus>(Direction::Resp, IDENTITY), Probe::Yes);
        // LDAP with a length of four bytes looks much like it.
        let ldap = b"\x30\x84\0\0\0\x0d\x02\x01\x01\x60\x84\0\0\0\x04\x02\x01\x03\x04";
        assert_eq!(probe_all::<Modbus>(Direction::Orig, ldap), Probe::No);
        assert_eq!(probe_all::<Modbus>(Direction::Orig, &[0, 1, 0, 0, 0, 6, 17, 99, 0, 0, 0, 0]), Probe::No);
        for len in [0, 1, 255] {
            let seen = Script::new().orig([0, 1, 0, 0, 0, len, 1, 3]).any_chunking::<Modbus>();
            assert!(matches!(seen.stopped, Some(Progress::Violation(_))));
        }
        let mut many = Vec::new();
        for i in 0..200 {
            many.extend_from_slice(&[0, 1, 0, 0, 0, 6, 1, 6, 0, i, 0, 0]);
        }
        let seen = Script::new().orig(&many).any_chunking::<Modbus>();
        assert_eq!(seen.rows.len(), limits::CONTROLLER_OPERATIONS_MAX);
    }
}
