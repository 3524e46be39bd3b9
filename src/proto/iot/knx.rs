//! KNXnet/IP (ISO 22510, EN 13321-2): what a device says of itself, and what runs through it.
//!
//! ```text
//! header: 6 0x10 service(2) length(2, header included)    description: length(1) kind(1) ...
//! ```

use super::operation::{Operation, TABLE, Told};
use crate::base::{ReadError, Reader};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, walk};

const NAME: &str = "knx";

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Knx {
    told: Told,
}

/// What a service is called.
const fn service(code: u16) -> Option<&'static str> {
    Some(match code {
        0x0201 | 0x020b => "search",
        0x0202 | 0x020c => "search-response",
        0x0203 => "describe",
        0x0204 => "description",
        0x0205 => "connect",
        0x0206 => "connect-response",
        0x0207 | 0x0208 => "connection-state",
        0x0209 | 0x020a => "disconnect",
        0x0310 | 0x0311 => "device-configuration",
        0x0420 | 0x0421 => "tunnelling",
        0x0530 => "routing",
        0x0531 | 0x0532 => "routing-busy",
        0x0950..=0x0955 => "secure",
        _ => return None,
    })
}

impl Knx {
    fn message(
        &mut self,
        cx: &Cx<'_>,
        dir: Direction,
        bytes: &[u8],
        emit: &mut dyn FnMut(Operation<'_>),
    ) -> Result<(), ReadError> {
        let mut r = Reader::new(bytes);
        r.skip("header", 2)?;
        let action = service(r.be16("service")?).ok_or(ReadError::invalid("service"))?;
        r.skip("length", 2)?;
        if matches!(action, "search-response" | "description") {
            if action == "search-response" {
                r.vec8("endpoint").ok();
                r = Reader::new(bytes.get(14..).unwrap_or_default());
            }
            // Blocks: length (itself included), kind. The first is about the device.
            let (len, kind) = (r.u8("length")?, r.u8("kind")?);
            let mut block = r.sub("description", usize::from(len).saturating_sub(2))?;
            if kind == 1 {
                return self.device(cx, dir, action, &mut block, emit);
            }
        }
        self.told.tell(cx, &Operation::new(NAME, dir, action), emit);
        Ok(())
    }

    /// Medium, status, address, project, serial number, multicast address, MAC, name of 30 letters.
    fn device(
        &mut self,
        cx: &Cx<'_>,
        dir: Direction,
        action: &'static str,
        block: &mut Reader<'_>,
        emit: &mut dyn FnMut(Operation<'_>),
    ) -> Result<(), ReadError> {
        block.skip("medium and status", 2)?;
        let address = block.be16("address")?;
        block.skip("project", 2)?;
        let serial: String = block.take("serial", 6)?.iter().map(|b| format!("{b:02x}")).collect();
        block.skip("multicast address and MAC", 10)?;
        let name = block.take("name", 30)?;
        let name = name.split(|c| *c == 0).next().unwrap_or_default();
        let object = format!("{}.{}.{}", address >> 12, address >> 8 & 15, address & 255);
        let tells = [("model", name.trim_ascii()), ("serial", serial.as_bytes()), ("knx-address", object.as_bytes())];
        self.told.tell(cx, &Operation { object: &object, tells: &tells, ..Operation::new(NAME, dir, action) }, emit);
        Ok(())
    }
}

impl AppParser for Knx {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "KNXnet/IP",
        transports: &[Transport::Udp, Transport::Tcp],
        ports: &[3671],
        reference: "ISO 22510",
        table: Some(&TABLE),
        tentative: true,
        yields: "name, serial number and address of devices, services",
        ..Spec::EMPTY
    };
    type Event<'e> = Operation<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            [6, 0x10, s1, s0, l1, l0, ..] => {
                let len = usize::from(u16::from_be_bytes([*l1, *l0]));
                let known = service(u16::from_be_bytes([*s1, *s0])).is_some();
                if known && (7..=payload.len().max(512)).contains(&len) { Probe::Yes } else { Probe::No }
            }
            [6] | [6, 0x10] | [6, 0x10, _] | [6, 0x10, _, _] | [6, 0x10, _, _, _] => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Operation<'_>)) -> Progress {
        walk(bytes, |rest| {
            let [6, 0x10, _, _, l1, l0, ..] = rest else {
                return if rest.len() < 6 && cx.flow.transport == Transport::Tcp {
                    Step::Need(6)
                } else {
                    Step::Violation("header")
                };
            };
            let len = usize::from(u16::from_be_bytes([*l1, *l0])).max(6);
            let Some(message) = rest.get(..len) else {
                return if cx.flow.transport == Transport::Tcp { Step::Need(len) } else { Step::Violation("length") };
            };
            if self.message(&cx, dir, message, emit).is_err() {
                return Step::Violation("message");
            }
            if self.told.is_full() { Step::Finished } else { Step::Used(len as u64) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::Script;

    fn description() -> Vec<u8> {
        let mut block =
            vec![54, 1, 2, 0, 0x11, 0x05, 0, 0, 0, 0xa6, 1, 2, 3, 4, 224, 0, 23, 12, 0, 0x24, 0x6d, 1, 2, 3];
        block.extend_from_slice(b"IP Router");
        block.resize(54, 0);
        block
    }

    fn message(service: u16, body: &[u8]) -> Vec<u8> {
        [&[6, 0x10][..], &service.to_be_bytes(), &(body.len() as u16 + 6).to_be_bytes(), body].concat()
    }

    #[test]
    fn what_a_device_says_of_itself() {
        let endpoint = [8, 1, 192, 168, 0, 9, 0x0e, 0x57];
        let seen = Script::new()
            .orig(message(0x0201, &endpoint))
            .resp(message(0x0202, &[&endpoint[..], &description()].concat()))
            .resp(message(0x0204, &description()))
            .datagrams::<Knx>();
        assert_eq!(seen.cells("action"), ["search", "search-response", "description"]);
        assert_eq!(seen.cells("model"), ["-", "IP Router", "IP Router"]);
        assert_eq!(seen.cells("object"), ["-", "1.1.5", "1.1.5"]);
    }

    #[test]
    fn probes_and_damage() {
        assert_eq!(Knx::probe(Direction::Orig, &message(0x0201, &[8, 1, 0, 0, 0, 0, 0, 0])), Probe::Yes);
        assert_eq!(Knx::probe(Direction::Orig, &message(0x7777, &[8])), Probe::No);
        let whole = message(0x0204, &description());
        for end in 1..whole.len() {
            let seen = Script::new().resp(&whole[..end]).datagrams::<Knx>();
            assert!(seen.rows.is_empty(), "{end}");
        }
        let zero = Script::new().orig([6, 0x10, 2, 1, 0, 0, 1]).any_chunking::<Knx>();
        assert!(zero.rows.len() <= 1);
    }
}
