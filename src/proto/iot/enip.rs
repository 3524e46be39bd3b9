//! EtherNet/IP and the CIP messages in it (ODVA, "EtherNet/IP Adaptation of CIP", chapter 2).
//!
//! ```text
//! command(2) length(2) session(4) status(4) context(8) options(4) = 0, all with the low byte first
//! ```

use super::operation::{Operation, TABLE, Told};
use crate::base::{ReadError, Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, front, walk};

const NAME: &str = "enip";
const HEADER: usize = 24;

const LIST_SERVICES: u16 = 4;
const LIST_IDENTITY: u16 = 0x63;
const SEND_RR_DATA: u16 = 0x6f;
const SEND_UNIT_DATA: u16 = 0x70;

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Enip {
    told: Told,
}

/// What a command is called (section 2-3.2).
const fn command(code: u16) -> Option<&'static str> {
    Some(match code {
        LIST_SERVICES => "list-services",
        LIST_IDENTITY => "list-identity",
        0x64 => "list-interfaces",
        0x65 => "register-session",
        0x66 => "unregister-session",
        SEND_RR_DATA => "send-request",
        SEND_UNIT_DATA => "send-connected",
        0 => "nop",
        _ => return None,
    })
}

/// What a CIP service is called (CIP volume 1, appendix A), and whether it changes something.
const fn service(code: u8) -> (&'static str, bool) {
    match code {
        0x01 => ("get-attributes-all", false),
        0x02 => ("set-attributes-all", true),
        0x03 => ("get-attribute-list", false),
        0x04 => ("set-attribute-list", true),
        0x05 => ("reset", true),
        0x06 => ("start", true),
        0x07 => ("stop", true),
        0x08 => ("create", true),
        0x09 => ("delete", true),
        0x0a => ("multiple-services", false),
        0x0e => ("get-attribute", false),
        0x10 => ("set-attribute", true),
        0x4c => ("read-tag", false),
        0x4d => ("write-tag", true),
        0x4e => ("forward-close", false),
        0x52 => ("unconnected-send", false),
        0x53 => ("write-tag-fragmented", true),
        0x54 | 0x5b => ("forward-open", false),
        _ => ("cip-service", false),
    }
}

/// Makers by ODVA's numbers: those most met.
const fn vendor(id: u16) -> Option<&'static str> {
    Some(match id {
        1 => "Rockwell Automation",
        2 => "Namco Controls",
        5 => "Rockwell Automation (Reliance)",
        26 => "Festo",
        40 => "WAGO",
        43 => "Balluff",
        44 => "Yaskawa",
        47 => "OMRON",
        48 | 256 => "Turck",
        49 => "Grayhill",
        57 => "Pepperl+Fuchs",
        82 | 161 => "Mitsubishi Electric",
        90 => "HMS Industrial Networks",
        97 => "Danfoss",
        108 => "Beckhoff",
        176 => "Red Lion",
        243 => "Schneider Electric",
        283 => "Hilscher",
        309 => "ProSoft Technology",
        322 => "ifm",
        367 => "Keyence",
        562 => "Phoenix Contact",
        678 => "Cognex",
        991 => "Moxa",
        356 => "FANUC Robotics",
        808 => "SICK",
        _ => return None,
    })
}

/// Class and instance in the path of a request.
fn path(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut r = Reader::new(bytes);
    while let Ok(segment) = r.u8("segment") {
        let (name, wide) = match segment {
            0x20 => ("class", false),
            0x21 => ("class", true),
            0x24 => ("instance", false),
            0x25 => ("instance", true),
            0x30 => ("attribute", false),
            0x91 => {
                let Ok(mut symbol) = r.vec8("symbol") else { break };
                let symbol = symbol.rest();
                if !out.is_empty() {
                    out.push(' ');
                }
                out += &format!("tag {}", String::from_utf8_lossy(front(symbol, 64)));
                break;
            }
            _ => break,
        };
        let number =
            if wide { r.skip("pad", 1).and_then(|()| r.le16("number")) } else { r.u8("number").map(u16::from) };
        let Ok(number) = number else { break };
        out += &format!("{}{name} {number}", if out.is_empty() { "" } else { " " });
    }
    out
}

impl Enip {
    fn body(
        &mut self,
        cx: &Cx<'_>,
        dir: Direction,
        code: u16,
        body: &[u8],
        emit: &mut dyn FnMut(Operation<'_>),
    ) -> Result<(), ReadError> {
        let mut r = Reader::new(body);
        let mut say = |o: Operation<'_>| self.told.tell(cx, &o, emit);
        match code {
            LIST_IDENTITY if !body.is_empty() => {
                let count = r.le16("items")?;
                for _ in 0..count.min(8) {
                    let kind = r.le16("kind")?;
                    let len = r.le16("length")?;
                    let mut item = r.sub("item", usize::from(len))?;
                    if kind == 0xc {
                        identity(&mut item, dir, &mut say)?;
                    }
                }
                Ok(())
            }
            SEND_RR_DATA | SEND_UNIT_DATA => {
                r.skip("interface and time", 6)?;
                let count = r.le16("items")?;
                for _ in 0..count.min(8) {
                    let kind = r.le16("kind")?;
                    let len = r.le16("length")?;
                    let mut item = r.sub("item", usize::from(len))?;
                    if kind == 0xb1 {
                        item.skip("sequence", 2)?;
                    }
                    if !matches!(kind, 0xb1 | 0xb2) || item.is_empty() {
                        continue;
                    }
                    let asked = item.u8("service")?;
                    if asked & 0x80 == 0 {
                        let (action, changes) = service(asked);
                        let words = item.u8("path size")?;
                        let object = path(item.take("path", usize::from(words) * 2)?);
                        say(Operation { changes, object: &object, ..Operation::new(NAME, dir, action) });
                    }
                }
                Ok(())
            }
            _ => {
                if let Some(action) = command(code).filter(|_| dir == Direction::Orig) {
                    say(Operation::new(NAME, dir, action));
                }
                Ok(())
            }
        }
    }

    fn message(&mut self, cx: &Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Operation<'_>)) -> Step {
        let mut r = Reader::new(bytes);
        let (Ok(code), Ok(len)) = (r.le16("command"), r.le16("length")) else { return Step::Need(HEADER) };
        let len = usize::from(len);
        if command(code).is_none() || len > limits::DATABASE_MESSAGE_BYTES_MAX {
            return Step::Violation("command");
        }
        let Some(body) = bytes.get(HEADER..HEADER + len) else { return Step::Need(HEADER + len) };
        // A body that is no good says nothing, and the next one may.
        let _ = self.body(cx, dir, code, body, emit);
        if self.told.is_full() { Step::Finished } else { Step::Used((HEADER + len) as u64) }
    }
}

/// What a device says of itself (section 2-4.3.3).
fn identity(item: &mut Reader<'_>, dir: Direction, say: &mut dyn FnMut(Operation<'_>)) -> Result<(), ReadError> {
    item.skip("version and address", 18)?;
    let id = item.le16("vendor")?;
    let kind = item.le16("device type")?;
    item.skip("product code", 2)?;
    let (major, minor) = (item.u8("revision")?, item.u8("revision")?);
    item.skip("status", 2)?;
    let serial = format!("{:08x}", item.le32("serial")?);
    let name = item.vec8("product name")?.rest();
    let (number, firmware) = (format!("{id}"), format!("{major}.{minor:03}"));
    let kind = format!("{kind}");
    let tells = [
        // A number without a name is no maker.
        vendor(id).map_or(("cip-vendor", number.as_bytes()), |name| ("vendor", name.as_bytes())),
        ("model", name),
        ("firmware", firmware.as_bytes()),
        ("serial", serial.as_bytes()),
        ("cip-device-type", kind.as_bytes()),
    ];
    say(Operation { tells: &tells, ..Operation::new(NAME, dir, "identity") });
    Ok(())
}

impl AppParser for Enip {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "EtherNet/IP",
        transports: &[Transport::Tcp, Transport::Udp],
        ports: &[44818],
        reference: "ODVA EtherNet/IP, chapter 2",
        table: Some(&TABLE),
        tentative: true,
        yields: "identity (vendor, model, firmware, serial number), CIP services and what they change",
        ..Spec::EMPTY
    };
    type Event<'e> = Operation<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        let [code, high, rest @ ..] = payload else {
            let fits = payload.first().is_some_and(|c| matches!(c, 4 | 0x63..=0x66 | 0x6f | 0x70));
            return if fits { Probe::NeedMore } else { Probe::No };
        };
        if *high != 0 || *code == 0 || command(u16::from(*code)).is_none() {
            return Probe::No;
        }
        let mut r = Reader::new(rest);
        let (Ok(len), Ok(_session), Ok(status)) = (r.le16("length"), r.le32("session"), r.le32("status")) else {
            return Probe::NeedMore;
        };
        if len > 4096 || status > 0xff || *code == 0x65 && len != 4 {
            return Probe::No;
        }
        let Ok(options) = r.take("context", 8).and_then(|_| r.le32("options")) else { return Probe::NeedMore };
        // A question to everybody is a message of its own, and so is the answer.
        let whole = HEADER + usize::from(len) == payload.len();
        if options != 0 || matches!(*code, 4 | 0x63 | 0x64) && !whole { Probe::No } else { Probe::Yes }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Operation<'_>)) -> Progress {
        walk(bytes, |rest| self.message(&cx, dir, rest, emit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    fn message(code: u16, body: &[u8]) -> Vec<u8> {
        let mut out = code.to_le_bytes().to_vec();
        out.extend_from_slice(&(body.len() as u16).to_le_bytes());
        out.extend_from_slice(&[0; 20]);
        out.extend_from_slice(body);
        out
    }

    fn identity_item() -> Vec<u8> {
        let mut item = vec![1, 0];
        item.extend_from_slice(&[0; 16]);
        item.extend_from_slice(&[1, 0, 14, 0, 54, 0, 20, 11, 0x60, 0, 0x78, 0x56, 0x34, 0x12, 6]);
        item.extend_from_slice(b"1756-L\x03");
        let mut out = vec![1, 0, 0x0c, 0];
        out.extend_from_slice(&(item.len() as u16).to_le_bytes());
        out.extend(item);
        out
    }

    #[test]
    fn who_it_is_and_what_is_done_to_it() {
        let reset = [0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0xb2, 0, 7, 0, 5, 2, 0x20, 1, 0x24, 1, 0];
        let seen = Script::new()
            .orig(message(LIST_IDENTITY, b""))
            .resp(message(LIST_IDENTITY, &identity_item()))
            .orig(message(SEND_RR_DATA, &reset))
            .any_chunking::<Enip>();
        assert_eq!(seen.cells("action"), ["list-identity", "identity", "reset"]);
        assert_eq!(seen.cells("vendor")[1], "Rockwell Automation");
        assert_eq!((seen.cells("model")[1].as_str(), seen.cells("firmware")[1].as_str()), ("1756-L", "20.011"));
        assert_eq!(
            (seen.cells("object")[2].as_str(), seen.cells("changes")[2].as_str()),
            ("class 1 instance 1", "true")
        );
    }

    #[test]
    fn probes_and_damage() {
        assert_eq!(probe_all::<Enip>(Direction::Orig, &message(LIST_IDENTITY, b"")), Probe::Yes);
        assert_eq!(Enip::probe(Direction::Orig, &message(0x65, &[1, 0, 0, 0])), Probe::Yes);
        assert_eq!(
            Enip::probe(Direction::Orig, b"\x04\0\x28\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xf8\x91"),
            Probe::No
        );
        let whole = identity_item();
        for end in 0..whole.len() {
            Script::new().resp(message(LIST_IDENTITY, &whole[..end])).any_chunking::<Enip>();
        }
        assert_eq!(path(&[0x21, 0, 0x6c, 0, 0x91, 3, b'T', b'a', b'g']), "class 108 tag Tag");
        let seen = Script::new().orig([0xff, 0xff, 0, 0]).run::<Enip>();
        assert!(matches!(seen.stopped, Some(Progress::Violation(_))));
    }
}
