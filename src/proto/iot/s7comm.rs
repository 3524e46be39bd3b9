//! S7 communication of Siemens controllers, over ISO transport (RFC 1006, RFC 905, section 13).
//!
//! ```text
//! TPKT: 3 0 length(2)    COTP: length(1) kind(1) ...; data: 2 0xf0 0x80
//! S7:   0x32 kind(1) 0(2) reference(2) parameter length(2) data length(2) [error(2)] parameters, data
//! ```

use super::operation::{Operation, TABLE, Told};
use crate::base::{ReadError, Reader};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, walk};

const NAME: &str = "s7comm";
/// What the flow is called as long as nothing but the transport was seen.
const CARRIER: &str = "cotp";

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct S7 {
    told: Told,
}

/// What a function of a job is called, and whether it changes something.
const fn function(code: u8) -> (&'static str, bool) {
    match code {
        0x04 => ("read-variables", false),
        0x05 => ("write-variables", true),
        0x1a..=0x1c => ("download", true),
        0x1d..=0x1f => ("upload", false),
        0x28 => ("program-control", true),
        0x29 => ("stop", true),
        0xf0 => ("setup", false),
        _ => ("other-job", false),
    }
}

/// Functions of the group and number in a message of the kind "user data".
const fn user_function(group: u8, number: u8) -> (&'static str, bool) {
    match (group & 15, number) {
        (1, _) => ("programmer-command", false),
        (2, _) => ("cyclic-read", false),
        (3, _) => ("block-list", false),
        (4, 1) => ("read-system-state", false),
        (4, _) => ("cpu-function", false),
        (5, _) => ("password", true),
        (7, 2 | 4) => ("set-clock", true),
        (7, _) => ("read-clock", false),
        _ => ("user-data", false),
    }
}

/// A text padded with blanks or NULs.
fn padded(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|c| *c == 0).unwrap_or(text.len());
    text.get(..end).unwrap_or_default().trim_ascii()
}

/// A list of the system state: its number, index, and what in it says what the device is.
fn system_state(data: &[u8], dir: Direction, tell: &mut dyn FnMut(Operation<'_>)) -> Result<(), ReadError> {
    let mut r = Reader::new(data);
    r.skip("return code, kind and length", 4)?;
    let list = r.be16("list")?;
    r.skip("index", 2)?;
    let (len, count) = (usize::from(r.be16("length")?), r.be16("count")?);
    let mut tells: Vec<(&'static str, &[u8])> = Vec::new();
    let mut version = String::new();
    for _ in 0..count.min(16) {
        let Ok(mut entry) = r.sub("entry", len) else { break };
        let (Ok(index), text) = (entry.be16("index"), entry.peek_rest()) else { break };
        match (list & 0xff, index) {
            (0x11, 1) => tells.push(("order-number", padded(text.get(..20).unwrap_or(text)))),
            // The version of the firmware: a letter and three numbers.
            (0x11, 7) => {
                if let Some([b'V', major, minor, patch]) = text.get(text.len().saturating_sub(4)..) {
                    version = format!("{major}.{minor}.{patch}");
                }
            }
            (0x1c, 1) => tells.push(("hostname", padded(text))),
            (0x1c, 2) => tells.push(("module", padded(text))),
            (0x1c, 3) => tells.push(("location", padded(text))),
            (0x1c, 5) => tells.push(("serial", padded(text))),
            (0x1c, 7) => tells.push(("model", padded(text))),
            _ => {}
        }
    }
    if !version.is_empty() {
        tells.push(("firmware", version.as_bytes()));
    }
    if !tells.is_empty() {
        tells.push(("vendor", b"Siemens"));
        tell(Operation { tells: &tells, better: Some(NAME), ..Operation::new(NAME, dir, "identity") });
    }
    Ok(())
}

impl S7 {
    fn pdu(
        &mut self,
        cx: &Cx<'_>,
        dir: Direction,
        pdu: &[u8],
        emit: &mut dyn FnMut(Operation<'_>),
    ) -> Result<(), ReadError> {
        const JOB: u8 = 1;
        const USER_DATA: u8 = 7;
        let mut r = Reader::new(pdu);
        r.skip("protocol", 1)?;
        let kind = r.u8("kind")?;
        r.skip("reserved and reference", 4)?;
        let (parameters, data) = (usize::from(r.be16("parameter length")?), usize::from(r.be16("data length")?));
        if matches!(kind, 2 | 3) {
            r.skip("error", 2)?;
        }
        let mut say = |o: Operation<'_>| self.told.tell(cx, &Operation { better: Some(NAME), ..o }, emit);
        let parameters = r.take("parameters", parameters)?;
        match (kind, parameters) {
            (JOB, [code, rest @ ..]) => {
                let (action, changes) = function(*code);
                // A program control names what it wants at its end: `P_PROGRAM`, `_INSE`.
                let word = rest.rsplit(|c| !(c.is_ascii_alphanumeric() || *c == b'_')).next().unwrap_or_default();
                let object = if *code == 0x28 { String::from_utf8_lossy(word).into_owned() } else { String::new() };
                say(Operation { changes, object: &object, ..Operation::new(NAME, dir, action) });
            }
            // Head, length, method, kind and group, number.
            (USER_DATA, [0, 1, 0x12, _, _, group, number, ..]) => {
                let (action, changes) = user_function(*group, *number);
                let asks = group >> 4 == 4;
                let data = r.take("data", data)?;
                if asks {
                    let object = match (action, data) {
                        ("read-system-state", [_, _, _, _, l1, l0, ..]) => format!("list {l1:02x}{l0:02x}"),
                        _ => String::new(),
                    };
                    say(Operation { changes, object: &object, ..Operation::new(NAME, dir, action) });
                } else if action == "read-system-state" {
                    // An answer in several parts has its head in the first only.
                    let _ = system_state(data, dir, &mut say);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn message(&mut self, cx: &Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Operation<'_>)) -> Step {
        let [3, _, l1, l0, rest @ ..] = bytes else {
            return if bytes.len() < 4 { Step::Need(4) } else { Step::Violation("TPKT") };
        };
        let len = usize::from(u16::from_be_bytes([*l1, *l0]));
        let Some(cotp) = len.checked_sub(4).filter(|l| *l > 1) else { return Step::Violation("length") };
        let Some(cotp) = rest.get(..cotp) else { return Step::Need(len) };
        match cotp {
            // Connection request: both references and the class, then parameters.
            [_, 0xe0, _, _, _, _, _, parameters @ ..] => {
                let object = selectors(parameters);
                let o = Operation { object: &object, better: Some(CARRIER), ..Operation::new(CARRIER, dir, "connect") };
                self.told.tell(cx, &o, emit);
            }
            [2, 0xf0, _, 0x32, ..] => {
                let pdu = cotp.get(3..).unwrap_or_default();
                // What does not fit is the rest of a message that was cut in two.
                let _ = self.pdu(cx, dir, pdu, emit);
            }
            [2, 0xf0, _, 0x72, version, ..] => {
                let object = format!("version {version}");
                let o = Operation { object: &object, better: Some(NAME), ..Operation::new(NAME, dir, "s7comm-plus") };
                self.told.tell(cx, &o, emit);
            }
            [_, 0xd0, ..] | [2, 0xf0, 0] | [2, 0xf0, 0x80] => {}
            // MMS and others run over it as well.
            _ => return Step::Finished,
        }
        if self.told.is_full() { Step::Finished } else { Step::Used(len as u64) }
    }
}

/// The selectors of both ends in the parameters of a connection request.
fn selectors(parameters: &[u8]) -> String {
    let mut r = Reader::new(parameters);
    let mut out = String::new();
    while let (Ok(kind), Ok(mut value)) = (r.u8("parameter"), r.vec8("value")) {
        let name = match kind {
            0xc1 => "from",
            0xc2 => "to",
            _ => continue,
        };
        let hex: String = value.rest().iter().take(16).map(|b| format!("{b:02x}")).collect();
        out += &format!("{}{name} {hex}", if out.is_empty() { "" } else { " " });
    }
    out
}

impl AppParser for S7 {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "S7 communication",
        transports: &[Transport::Tcp],
        ports: &[102],
        reference: "RFC 1006, RFC 905",
        table: Some(&TABLE),
        tentative: true,
        yields: "what is read, written, loaded and stopped; order number, firmware, serial number, names",
        ..Spec::EMPTY
    };
    type Event<'e> = Operation<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            [3, 0, _, _, 2, 0xf0, 0x80, 0x32, 1..=3 | 7, 0, 0, ..] => Probe::Yes,
            [3, 0, _, _, 2, 0xf0, 0x80, 0x72, 1..=3, ..] => Probe::Yes,
            // The first parameter of a connection request: size, or a selector. Remote desktops have others.
            [3, 0, _, l0, li, 0xe0, 0, 0, _, _, 0, 0xc0..=0xc2, ..] if u16::from(*li) + 5 == u16::from(*l0) => {
                Probe::Yes
            }
            [3, 0, _, _, _, 0xe0, rest @ ..] if rest.len() < 6 && rest.first().is_none_or(|b| *b == 0) => {
                Probe::NeedMore
            }
            [3] | [3, 0] | [3, 0, _] | [3, 0, _, _] | [3, 0, _, _, _] => Probe::NeedMore,
            [3, 0, _, _, 2, 0xf0, rest @ ..] if rest.len() < 5 => match rest {
                [] | [0x80] | [0x80, 0x32 | 0x72] | [0x80, 0x32, 1..=3 | 7] | [0x80, 0x32, 1..=3 | 7, 0] => {
                    Probe::NeedMore
                }
                _ => Probe::No,
            },
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Operation<'_>)) -> Progress {
        walk(bytes, |rest| self.message(&cx, dir, rest, emit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    const CONNECT: &[u8] = &[3, 0, 0, 22, 17, 0xe0, 0, 0, 0, 1, 0, 0xc1, 2, 1, 0, 0xc2, 2, 1, 2, 0xc0, 1, 10];

    fn data(s7: &[u8]) -> Vec<u8> {
        let mut out = vec![3, 0];
        out.extend_from_slice(&(s7.len() as u16 + 7).to_be_bytes());
        out.extend_from_slice(&[2, 0xf0, 0x80]);
        out.extend_from_slice(s7);
        out
    }

    fn user_data(head: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut s7 = vec![0x32, 7, 0, 0, 0, 1];
        s7.extend_from_slice(&(head.len() as u16).to_be_bytes());
        s7.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        data(&[&s7, head, payload].concat())
    }

    #[test]
    fn a_controller_says_what_it_is_and_is_stopped() {
        let mut entry = [0_u8; 34];
        entry[1] = 7;
        entry[2..14].copy_from_slice(b"CPU 315-2 DP");
        let state = [&[0xff, 9, 0, 42, 0, 0x1c, 0, 7, 0, 34, 0, 1][..], &entry].concat();
        let seen = Script::new()
            .orig(CONNECT)
            .resp([3, 0, 0, 11, 6, 0xd0, 0, 1, 0, 2, 0])
            .orig(data(&[0x32, 1, 0, 0, 0, 0, 0, 8, 0, 0, 0xf0, 0, 0, 1, 0, 1, 1, 0xe0]))
            .orig(user_data(&[0, 1, 0x12, 4, 0x11, 0x44, 1, 0], &[0xff, 9, 0, 4, 0, 0x1c, 0, 0]))
            .resp(user_data(&[0, 1, 0x12, 8, 0x12, 0x84, 1, 1, 0, 0, 0, 0], &state))
            .orig(data(b"\x32\x01\0\0\0\x02\0\x10\0\0\x29\0\0\0\0\0\x09P_PROGRAM"))
            .any_chunking::<S7>();
        assert_eq!(seen.cells("action"), ["connect", "setup", "read-system-state", "identity", "stop"]);
        assert_eq!(seen.cells("object")[0], "from 0100 to 0102");
        assert_eq!(seen.cells("service"), ["cotp", "s7comm", "s7comm", "s7comm", "s7comm"]);
        assert_eq!(seen.cells("model")[3], "CPU 315-2 DP");
        assert_eq!(seen.cells("changes")[4], "true");
    }

    #[test]
    fn probes_and_damage() {
        assert_eq!(probe_all::<S7>(Direction::Orig, CONNECT), Probe::Yes);
        let job = data(&[0x32, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0x29]);
        assert_eq!(probe_all::<S7>(Direction::Orig, &job), Probe::Yes);
        // A remote desktop asks for its own protocols behind the same header (MS-RDPBCGR, section 2.2.1.1).
        let rdp = [3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0];
        assert_eq!(probe_all::<S7>(Direction::Orig, &rdp), Probe::No);
        for end in 8..job.len() {
            Script::new().orig(data(&job[7..end])).any_chunking::<S7>();
        }
        let seen = Script::new().orig([3, 0, 0, 4, 0, 0]).any_chunking::<S7>();
        assert!(matches!(seen.stopped, Some(Progress::Violation(_))));
    }
}
