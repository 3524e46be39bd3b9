//! Telecontrol of grids and plants: DNP3 (IEEE 1815) and IEC 60870-5-104.
//!
//! ```text
//! DNP3:  0x05 0x64 length(1) control(1) to(2) from(2) check(2), then blocks of 16 bytes and a check(2) each
//!        in the first block: transport(1), control(1), function(1)
//! 104:   0x68 length(1) control(4) [kind(1) count(1) cause(2) station(2) object(3) ...]
//! ```

use super::operation::{Operation, TABLE, Told};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, walk};

/// Parser of one DNP3 flow.
#[derive(Debug, Default)]
pub struct Dnp3 {
    told: Told,
}

/// The check of the data link layer (IEEE 1815, section 9.2.4.1.7): polynomial 0x3D65, reflected.
fn check(bytes: &[u8]) -> u16 {
    let sum = bytes.iter().fold(0_u16, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |s, _| if s & 1 != 0 { s >> 1 ^ 0xa6bc } else { s >> 1 })
    });
    !sum
}

/// What a function of DNP3 is called (section 4.4), and whether it changes something.
const fn dnp3_function(code: u8) -> (&'static str, bool) {
    match code {
        0 => ("confirm", false),
        1 => ("read", false),
        2 => ("write", true),
        3 => ("select", true),
        4 => ("operate", true),
        5 | 6 => ("direct-operate", true),
        7..=12 => ("freeze", true),
        13 => ("cold-restart", true),
        14 => ("warm-restart", true),
        15..=17 => ("initialize", true),
        18 => ("stop-application", true),
        19 => ("save-configuration", true),
        20 | 21 => ("unsolicited-reports", false),
        22 => ("assign-class", true),
        23 | 24 => ("time", false),
        25..=30 => ("file", false),
        32 | 33 => ("authenticate", false),
        129 => ("response", false),
        130 => ("unsolicited-response", false),
        _ => ("other-function", false),
    }
}

impl AppParser for Dnp3 {
    const SPEC: Spec = Spec {
        name: "dnp3",
        title: "DNP3",
        transports: &[Transport::Tcp, Transport::Udp],
        ports: &[20000],
        reference: "IEEE 1815",
        table: Some(&TABLE),
        yields: "stations, functions and what they change",
        ..Spec::EMPTY
    };
    type Event<'e> = Operation<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            [0x05, 0x64, len, _, _, _, _, _, c0, c1, ..] if *len >= 5 => {
                let sound = check(payload.get(..8).unwrap_or_default()) == u16::from_le_bytes([*c0, *c1]);
                if sound { Probe::Yes } else { Probe::No }
            }
            [0x05] | [0x05, 0x64] => Probe::NeedMore,
            [0x05, 0x64, len, rest @ ..] if rest.len() < 7 && *len >= 5 => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Operation<'_>)) -> Progress {
        walk(bytes, |rest| {
            let [0x05, 0x64, len, control, to0, to1, from0, from1, _, _, body @ ..] = rest else {
                return if rest.len() < 10 && 0x05 == rest.first().copied().unwrap_or(0x05) {
                    Step::Need(10)
                } else {
                    Step::Violation("start")
                };
            };
            let Some(data) = usize::from(*len).checked_sub(5) else { return Step::Violation("length") };
            let whole = 10 + data + data.div_ceil(16) * 2;
            if rest.len() < whole {
                return if cx.flow.transport == Transport::Tcp { Step::Need(whole) } else { Step::Finished };
            }
            // The bit tells who is the master, and the other end is the station.
            let station = if control & 0x80 != 0 { [*to0, *to1] } else { [*from0, *from1] };
            let unit = Some(u32::from(u16::from_le_bytes(station)));
            // The first segment of a message has its head (section 8.2).
            let (action, changes) = match body {
                [transport, _, function, ..] if data >= 3 && transport & 0x40 != 0 => dnp3_function(*function),
                _ => ("link", false),
            };
            self.told.tell(&cx, &Operation { unit, changes, ..Operation::new("dnp3", dir, action) }, emit);
            if self.told.is_full() { Step::Finished } else { Step::Used(whole as u64) }
        })
    }
}

/// Parser of one IEC 60870-5-104 flow.
#[derive(Debug, Default)]
pub struct Iec104 {
    told: Told,
}

/// What a kind of object is called (IEC 60870-5-101, section 7.2.1), and whether it changes something.
const fn kind(code: u8) -> (&'static str, bool) {
    match code {
        1..=44 => ("monitor", false),
        45..=51 | 58..=64 => ("command", true),
        70 => ("initialized", false),
        100 | 101 => ("interrogation", false),
        102 => ("read", false),
        103 => ("set-clock", true),
        104 | 107 => ("test", false),
        105 => ("reset", true),
        110..=113 => ("set-parameter", true),
        120..=127 => ("file", false),
        _ => ("other-object", false),
    }
}

/// The acts of a frame without a number: start, stop and test, each with its confirmation.
const fn act(control: u8) -> Option<&'static str> {
    Some(match control {
        0x07 | 0x0b => "start-transfer",
        0x13 | 0x23 => "stop-transfer",
        0x43 | 0x83 => "test-frame",
        _ => return None,
    })
}

impl AppParser for Iec104 {
    const SPEC: Spec = Spec {
        name: "iec104",
        title: "IEC 60870-5-104",
        transports: &[Transport::Tcp],
        ports: &[2404],
        reference: "IEC 60870-5-104",
        table: Some(&TABLE),
        tentative: true,
        yields: "stations, what is reported and commanded",
        ..Spec::EMPTY
    };
    type Event<'e> = Operation<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            // An act: nothing in it is free.
            [0x68, 4, control, 0, 0, 0, rest @ ..] if act(*control).is_some() => match rest.first() {
                None | Some(0x68) => Probe::Yes,
                Some(_) => Probe::No,
            },
            // A count of what was received.
            [0x68, 4, 1, 0, low, _] | [0x68, 4, 1, 0, low, _, 0x68, ..] if low & 1 == 0 => Probe::Yes,
            // Kind, count, cause with its two flags, of a numbered frame.
            [0x68, len @ 14..=253, s0, _, r0, _, kind @ 1..=127, count, cause, _, ..] if s0 & 1 == 0 && r0 & 1 == 0 => {
                let known = matches!(kind, 1..=40 | 45..=51 | 58..=64 | 70 | 100..=107 | 110..=113 | 120..=127);
                if known && *count != 0 && (1..=47).contains(&(cause & 0x3f)) && *len >= 12 {
                    Probe::Yes
                } else {
                    Probe::No
                }
            }
            [0x68] => Probe::NeedMore,
            [0x68, 4, rest @ ..] if rest.len() < 4 => Probe::NeedMore,
            [0x68, 14..=253, rest @ ..] if rest.len() < 8 => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Operation<'_>)) -> Progress {
        walk(bytes, |rest| {
            let [0x68, len, body @ ..] = rest else {
                return if rest.len() < 2 && rest.first() == Some(&0x68) {
                    Step::Need(2)
                } else {
                    Step::Violation("start")
                };
            };
            let whole = usize::from(*len) + 2;
            let Some(frame) = body.get(..usize::from(*len)) else { return Step::Need(whole) };
            match frame {
                [control, _, _, _] if control & 3 == 3 => {
                    let Some(action) = act(*control) else { return Step::Violation("act") };
                    self.told.tell(&cx, &Operation::new("iec104", dir, action), emit);
                }
                [1, _, _, _] => self.told.tell(&cx, &Operation::new("iec104", dir, "acknowledge"), emit),
                [control, _, _, _, ty, _, cause, _, s0, s1, object @ ..] if control & 1 == 0 => {
                    let (action, changes) = kind(*ty);
                    let at = match object {
                        [a, b, c, ..] if changes => format!("object {}", u32::from_le_bytes([*a, *b, *c, 0])),
                        _ => String::new(),
                    };
                    // Only what is activated is an order; its confirmation comes back likewise.
                    let changes = changes && cause & 0x3f == 6;
                    let unit = Some(u32::from(u16::from_le_bytes([*s0, *s1])));
                    let o = Operation { unit, changes, object: &at, ..Operation::new("iec104", dir, action) };
                    self.told.tell(&cx, &o, emit);
                }
                _ => return Step::Violation("control"),
            }
            if self.told.is_full() { Step::Finished } else { Step::Used(whole as u64) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    fn link(control: u8, to: u16, from: u16, user: &[u8]) -> Vec<u8> {
        let mut out = vec![0x05, 0x64, user.len() as u8 + 5, control];
        out.extend_from_slice(&to.to_le_bytes());
        out.extend_from_slice(&from.to_le_bytes());
        out.extend_from_slice(&check(&out).to_le_bytes());
        for block in user.chunks(16) {
            out.extend_from_slice(block);
            out.extend_from_slice(&check(block).to_le_bytes());
        }
        out
    }

    #[test]
    fn the_check_is_that_of_the_standard() {
        // A reset of the link between stations 1 and 1024, as in many captures.
        assert_eq!(check(&[0x05, 0x64, 0x05, 0xc0, 0x01, 0x00, 0x00, 0x04]), 0x21e9);
    }

    #[test]
    fn stations_and_functions_of_dnp3() {
        let seen = Script::new()
            .orig(link(0xc4, 10, 1, &[0xc0, 0xc1, 1, 60, 2, 6]))
            .resp(link(0x44, 1, 10, &[0xc0, 0xc1, 129, 0, 0]))
            .orig(link(0xc4, 10, 1, &[0xc1, 0xc2, 13]))
            .any_chunking::<Dnp3>();
        assert_eq!(seen.cells("action"), ["read", "response", "cold-restart"]);
        assert_eq!(seen.cells("unit"), ["10"; 3]);
        assert_eq!(seen.cells("changes"), ["false", "false", "true"]);
        let whole = link(0xc4, 10, 1, &[0xc0, 0xc1, 1]);
        assert_eq!(probe_all::<Dnp3>(Direction::Orig, &whole), Probe::Yes);
        let mut wrong = whole;
        wrong[8] ^= 1;
        assert_eq!(probe_all::<Dnp3>(Direction::Orig, &wrong), Probe::No);
        let seen = Script::new().orig([0x05, 0x64, 4, 0, 0, 0, 0, 0, 0, 0, 0]).any_chunking::<Dnp3>();
        assert!(matches!(seen.stopped, Some(Progress::Violation(_))));
    }

    #[test]
    fn reports_and_commands_of_104() {
        let command = [0x68, 14, 0, 0, 0, 0, 45, 1, 6, 0, 3, 0, 7, 1, 0, 1];
        let seen = Script::new()
            .orig([0x68, 4, 7, 0, 0, 0])
            .resp([0x68, 4, 0x0b, 0, 0, 0])
            .orig(command)
            .resp([0x68, 14, 0, 0, 2, 0, 45, 1, 7, 0, 3, 0, 7, 1, 0, 1])
            .any_chunking::<Iec104>();
        assert_eq!(seen.cells("action"), ["start-transfer", "start-transfer", "command", "command"]);
        assert_eq!((seen.cells("unit")[2].as_str(), seen.cells("object")[2].as_str()), ("3", "object 263"));
        assert_eq!(seen.cells("changes"), ["false", "false", "true", "false"]);
        assert_eq!(probe_all::<Iec104>(Direction::Orig, &command), Probe::Yes);
        assert_eq!(probe_all::<Iec104>(Direction::Orig, b"hello, world"), Probe::No);
        let seen = Script::new().orig([0x68, 0, 0x68, 4, 7]).any_chunking::<Iec104>();
        assert!(matches!(seen.stopped, Some(Progress::Violation(_))));
    }
}
