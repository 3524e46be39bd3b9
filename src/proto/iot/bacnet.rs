//! BACnet/IP (ANSI/ASHRAE 135, clause 6 and annex J): what devices say of themselves, and what is
//! changed in them.
//!
//! ```text
//! BVLC: 0x81 function(1) length(2)
//! NPDU: version(1)=1 control(1) [net(2) len(1) address] [net(2) len(1) address] [hops(1)]
//! APDU: type(4 bits) flags ... service(1), tags
//! ```

use super::bacnet_names::{object_type, property, vendor};
use super::operation::{Operation, TABLE, Told};
use crate::base::{ReadError, Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::front;

const NAME: &str = "bacnet";

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Bacnet {
    told: Told,
}

/// One tag (clause 20.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag<'a> {
    /// Application tag: number and value.
    Application(u8, &'a [u8]),
    /// Context tag: number and value.
    Context(u8, &'a [u8]),
    /// A constructed value begins.
    Open(u8),
    /// It ends.
    Close(u8),
}

fn tag<'a>(r: &mut Reader<'a>) -> Result<Tag<'a>, ReadError> {
    let first = r.u8("tag")?;
    let number = if first >> 4 == 15 { r.u8("tag number")? } else { first >> 4 };
    let context = first & 8 != 0;
    let len = match first & 7 {
        6 if context => return Ok(Tag::Open(number)),
        7 if context => return Ok(Tag::Close(number)),
        5 => match r.u8("length")? {
            254 => usize::from(r.be16("length")?),
            255 => r.be32("length")? as usize,
            n => usize::from(n),
        },
        // A boolean has its value where the length stands.
        _ if !context && number == 1 => 0,
        n => usize::from(n),
    };
    let value = r.take("value", len)?;
    Ok(if context { Tag::Context(number, value) } else { Tag::Application(number, value) })
}

fn unsigned(value: &[u8]) -> u32 {
    value.iter().take(4).fold(0, |n, b| n << 8 | u32::from(*b))
}

/// Type and instance of an object identifier (clause 20.2.14).
fn identifier(value: &[u8]) -> Option<(u16, u32)> {
    let word = u32::from_be_bytes(value.try_into().ok()?);
    Some(((word >> 22) as u16, word & 0x3f_ffff))
}

/// What a message is about.
#[derive(Debug, Default, Clone)]
struct Subject {
    object: Option<(u16, u32)>,
    property: Option<u32>,
}

impl Subject {
    fn text(&self) -> String {
        let mut out = self.object.map(|(ty, instance)| format!("{} {instance}", object_type(ty))).unwrap_or_default();
        if let Some(p) = self.property {
            if !out.is_empty() {
                out.push(' ');
            }
            out += &property(p);
        }
        out
    }
}

/// A text (clause 20.2.9): the first byte says how it is written.
fn characters(value: &[u8]) -> Vec<u8> {
    match value.split_first() {
        Some((0 | 5, text)) => front(text, limits::CONTROLLER_TEXT_BYTES_MAX).to_vec(),
        Some((4, text)) => {
            let (pairs, _) = front(text, limits::CONTROLLER_TEXT_BYTES_MAX).as_chunks::<2>();
            String::from_utf16_lossy(&pairs.iter().map(|p| u16::from_be_bytes(*p)).collect::<Vec<_>>()).into_bytes()
        }
        _ => Vec::new(),
    }
}

/// What a property says of the device that has it.
const fn attribute(property: u32) -> Option<&'static str> {
    Some(match property {
        12 => "application",
        28 => "description",
        44 => "firmware",
        58 => "location",
        70 => "model",
        77 => "hostname",
        121 => "vendor",
        372 => "serial",
        _ => return None,
    })
}

impl Bacnet {
    fn apdu(
        &mut self,
        cx: &Cx<'_>,
        dir: Direction,
        apdu: &[u8],
        routed: bool,
        emit: &mut dyn FnMut(Operation<'_>),
    ) -> Result<(), ReadError> {
        let mut r = Reader::new(apdu);
        let first = r.u8("type")?;
        let mut say = |o: Operation<'_>| self.told.tell(cx, &o, emit);
        match first >> 4 {
            // Confirmed request: segments, invoke identifier, service.
            0 => {
                r.skip("sizes and invoke identifier", 2)?;
                if first & 8 != 0 {
                    r.skip("segment", 2)?;
                }
                let (action, changes) = confirmed(r.u8("service")?);
                let subject = subject(&mut r);
                // What a reinitialisation or a stop is told stands in a password after it: not kept.
                let object = if matches!(action, "reinitialize-device" | "device-communication-control") {
                    String::new()
                } else {
                    subject.text()
                };
                say(Operation { changes, object: &object, ..Operation::new(NAME, dir, action) });
            }
            // Unconfirmed request.
            1 => {
                let service = r.u8("service")?;
                let (action, changes) = unconfirmed(service);
                match service {
                    0 => i_am(&mut r, dir, routed, &mut say)?,
                    1 => i_have(&mut r, dir, routed, &mut say)?,
                    _ => say(Operation { changes, ..Operation::new(NAME, dir, action) }),
                }
            }
            // Complex acknowledgement: invoke identifier, [segment], service.
            3 => {
                r.skip("invoke identifier", 1)?;
                if first & 8 != 0 {
                    r.skip("segment", 2)?;
                }
                match r.u8("service")? {
                    12 | 14 if !routed => values(&mut r, dir, &mut say),
                    _ => {}
                }
            }
            // Error: invoke identifier, service, class and code.
            5 => {
                r.skip("invoke identifier", 1)?;
                let object = format!("to {}", confirmed(r.u8("service")?).0);
                say(Operation { object: &object, ..Operation::new(NAME, dir, "error") });
            }
            2 | 4 | 6 | 7 => {}
            _ => return Err(ReadError::invalid("type")),
        }
        Ok(())
    }
}

/// I-Am (clause 16.10): device, longest message, segmentation, maker.
fn i_am(r: &mut Reader<'_>, dir: Direction, routed: bool, say: &mut dyn FnMut(Operation<'_>)) -> Result<(), ReadError> {
    let Tag::Application(12, device) = tag(r)? else { return Err(ReadError::invalid("device")) };
    let (_, instance) = identifier(device).ok_or(ReadError::invalid("device"))?;
    tag(r)?;
    tag(r)?;
    let Tag::Application(2, id) = tag(r)? else { return Err(ReadError::invalid("vendor")) };
    let id = unsigned(id);
    let (number, id_text) = (format!("{instance}"), format!("{id}"));
    let tells = [
        ("bacnet-instance", number.as_bytes()),
        ("bacnet-vendor", id_text.as_bytes()),
        ("vendor", vendor(id).unwrap_or_default().as_bytes()),
    ];
    // Behind a router it is not the device with this address, and a number without a name is no maker.
    let known = if vendor(id).is_some() { tells.len() } else { tells.len() - 1 };
    let tells = tells.get(..known).filter(|_| !routed).unwrap_or_default();
    say(Operation { unit: Some(instance), tells, ..Operation::new(NAME, dir, "i-am") });
    Ok(())
}

/// I-Have (clause 16.9): device, object, its name.
fn i_have(
    r: &mut Reader<'_>,
    dir: Direction,
    _routed: bool,
    say: &mut dyn FnMut(Operation<'_>),
) -> Result<(), ReadError> {
    let Tag::Application(12, device) = tag(r)? else { return Err(ReadError::invalid("device")) };
    let Tag::Application(12, object) = tag(r)? else { return Err(ReadError::invalid("object")) };
    let subject = Subject { object: identifier(object), property: None };
    say(Operation {
        unit: identifier(device).map(|d| d.1),
        object: &subject.text(),
        ..Operation::new(NAME, dir, "i-have")
    });
    Ok(())
}

/// What a request is about: the first object and property in it.
fn subject(r: &mut Reader<'_>) -> Subject {
    let mut out = Subject::default();
    for _ in 0..8 {
        match tag(r) {
            Ok(Tag::Context(0, v)) if out.object.is_none() => out.object = identifier(v),
            Ok(Tag::Context(0 | 1, v)) if v.len() <= 4 => {
                out.property = Some(unsigned(v));
                break;
            }
            Ok(Tag::Open(_)) => {}
            _ => break,
        }
    }
    out
}

/// The texts in the answer to a read of one property or of several.
fn values(r: &mut Reader<'_>, dir: Direction, say: &mut dyn FnMut(Operation<'_>)) {
    let mut object = None;
    let mut current = None;
    let mut found: Vec<(&'static str, Vec<u8>)> = Vec::new();
    let mut unit = None;
    for _ in 0..limits::BACNET_TAGS_MAX {
        match tag(r) {
            Ok(Tag::Context(0, v)) if v.len() == 4 => object = identifier(v),
            // Property of a single read, and of one of several.
            Ok(Tag::Context(1 | 2, v)) if v.len() <= 4 => current = Some(unsigned(v)),
            Ok(Tag::Application(kind @ (2 | 7), v)) => {
                // Only what the device itself has says what it is.
                let Some((8, instance)) = object else { continue };
                unit = Some(instance);
                let Some(attribute) = current.and_then(attribute) else { continue };
                let text = if kind == 7 { characters(v) } else { continue };
                if !found.iter().any(|(a, _)| *a == attribute) {
                    found.push((attribute, text));
                }
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    if !found.is_empty() {
        let tells: Vec<(&'static str, &[u8])> = found.iter().map(|(a, t)| (*a, t.as_slice())).collect();
        say(Operation { unit, tells: &tells, ..Operation::new(NAME, dir, "properties") });
    }
}

/// Confirmed services (clause 21), and whether they change something.
const fn confirmed(service: u8) -> (&'static str, bool) {
    match service {
        0 => ("acknowledge-alarm", true),
        1 => ("confirmed-cov-notification", false),
        2 => ("confirmed-event-notification", false),
        3 => ("get-alarm-summary", false),
        5 => ("subscribe-cov", false),
        6 => ("atomic-read-file", false),
        7 => ("atomic-write-file", true),
        8 => ("add-list-element", true),
        9 => ("remove-list-element", true),
        10 => ("create-object", true),
        11 => ("delete-object", true),
        12 => ("read-property", false),
        14 => ("read-property-multiple", false),
        15 => ("write-property", true),
        16 => ("write-property-multiple", true),
        17 => ("device-communication-control", true),
        18 => ("confirmed-private-transfer", false),
        20 => ("reinitialize-device", true),
        26 => ("read-range", false),
        27 => ("life-safety-operation", true),
        28 => ("subscribe-cov-property", false),
        29 => ("get-event-information", false),
        _ => ("confirmed-service", false),
    }
}

/// Unconfirmed services (clause 21).
const fn unconfirmed(service: u8) -> (&'static str, bool) {
    match service {
        0 => ("i-am", false),
        1 => ("i-have", false),
        2 => ("cov-notification", false),
        3 => ("event-notification", false),
        4 => ("private-transfer", false),
        5 => ("text-message", false),
        6 | 9 => ("time-synchronization", true),
        7 => ("who-has", false),
        8 => ("who-is", false),
        10 => ("write-group", true),
        _ => ("unconfirmed-service", false),
    }
}

/// Functions of the virtual link (annex J.2): those without an NPDU inside, and whether they change something.
const fn link_function(function: u8) -> Option<(&'static str, bool)> {
    Some(match function {
        0 => ("bvlc-result", false),
        1 => ("write-broadcast-distribution-table", true),
        2 => ("read-broadcast-distribution-table", false),
        3 => ("broadcast-distribution-table", false),
        5 => ("register-foreign-device", false),
        6 => ("read-foreign-device-table", false),
        7 => ("foreign-device-table", false),
        8 => ("delete-foreign-device", true),
        _ => return None,
    })
}

/// Messages of the network layer (clause 6.2.4).
const fn network_message(kind: u8) -> &'static str {
    match kind {
        0 => "who-is-router-to-network",
        1 => "i-am-router-to-network",
        2 => "i-could-be-router-to-network",
        3 => "reject-message-to-network",
        4 | 5 => "router-busy",
        6 => "initialize-routing-table",
        7 => "initialize-routing-table-ack",
        0x12 => "what-is-network-number",
        0x13 => "network-number-is",
        _ => "network-message",
    }
}

impl Bacnet {
    fn message(
        &mut self,
        cx: &Cx<'_>,
        dir: Direction,
        bytes: &[u8],
        emit: &mut dyn FnMut(Operation<'_>),
    ) -> Result<(), ReadError> {
        let mut r = Reader::new(bytes);
        let kind = r.u8("type")?;
        let function = r.u8("function")?;
        let len = usize::from(r.be16("length")?);
        if kind != 0x81 || len < 4 || len > bytes.len() {
            return Err(ReadError::invalid("length"));
        }
        if let Some((action, changes)) = link_function(function) {
            self.told.tell(cx, &Operation { changes, ..Operation::new(NAME, dir, action) }, emit);
            return Ok(());
        }
        let mut r = r.sub("message", len - 4)?;
        if function == 4 {
            r.skip("forwarded for", 6)?;
        }
        let version = r.u8("version")?;
        let control = r.u8("control")?;
        if version != 1 {
            return Err(ReadError::invalid("version"));
        }
        if control & 0x20 != 0 {
            r.skip("destination network", 2)?;
            r.vec8("destination address")?;
        }
        let routed = control & 8 != 0;
        if routed {
            r.skip("source network", 2)?;
            r.vec8("source address")?;
        }
        if control & 0x20 != 0 {
            r.skip("hops", 1)?;
        }
        if control & 0x80 != 0 {
            let action = network_message(r.u8("network message")?);
            self.told.tell(
                cx,
                &Operation { changes: action == "initialize-routing-table", ..Operation::new(NAME, dir, action) },
                emit,
            );
            return Ok(());
        }
        // Forwarded by a broadcast device: not of the sender's address either.
        self.apdu(cx, dir, r.rest(), routed || function == 4, emit)
    }
}

impl AppParser for Bacnet {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "BACnet/IP",
        transports: &[Transport::Udp],
        ports: &[47808],
        reference: "ANSI/ASHRAE 135",
        table: Some(&TABLE),
        tentative: true,
        yields: "devices with instance, vendor, model, firmware and name; what is read and changed",
        ..Spec::EMPTY
    };
    type Event<'e> = Operation<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            [0x81, 0..=0x0c, l1, l0, rest @ ..] => {
                let len = usize::from(u16::from_be_bytes([*l1, *l0]));
                let npdu = match payload.get(1) {
                    Some(4) => rest.get(6..),
                    Some(9..=0x0b) => Some(rest),
                    _ => return if len == payload.len() && len >= 4 { Probe::Yes } else { Probe::No },
                };
                // The two reserved bits of the control octet are zero.
                let sound = matches!(npdu, Some([1, control, ..]) if control & 0x50 == 0);
                if len == payload.len() && sound { Probe::Yes } else { Probe::No }
            }
            [0x81] | [0x81, 0..=0x0c] | [0x81, 0..=0x0c, _] => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Operation<'_>)) -> Progress {
        match self.message(&cx, dir, bytes, emit) {
            _ if self.told.is_full() => Progress::Finished,
            Ok(()) => Progress::Done,
            Err(_) => Progress::Violation("message"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::Script;

    /// A BVLC frame around an NPDU without addresses and this APDU.
    fn frame(function: u8, apdu: &[u8]) -> Vec<u8> {
        let mut out = vec![0x81, function];
        out.extend_from_slice(&(apdu.len() as u16 + 6).to_be_bytes());
        out.extend_from_slice(&[1, 0]);
        out.extend_from_slice(apdu);
        out
    }

    /// I-Am of device 1234, maker 5 (clause F.4.1 has the like).
    const I_AM: &[u8] = &[0x10, 0, 0xc4, 2, 0, 4, 0xd2, 0x22, 5, 0xc4, 0x91, 3, 0x21, 5];
    /// Write of the present value of analog value 1.
    const WRITE: &[u8] = &[0, 4, 2, 15, 0x0c, 0, 0x80, 0, 1, 0x19, 0x55, 0x3e, 0x44, 0x41, 0xa0, 0, 0, 0x3f];

    #[test]
    fn what_devices_say_of_themselves() {
        // Answer to a read of the device's model name.
        let model = b"\x30\x02\x0c\x0c\x02\0\x04\xd2\x19\x46\x3e\x75\x06\0FX-16\x3f";
        let seen = Script::new()
            .orig(frame(0x0b, &[0x10, 8]))
            .orig(frame(0x0b, I_AM))
            .resp(frame(0x0a, model))
            .datagrams::<Bacnet>();
        assert_eq!(seen.cells("action"), ["who-is", "i-am", "properties"]);
        assert_eq!(seen.cells("unit"), ["-", "1234", "1234"]);
        assert_eq!(seen.cells("vendor")[1], "Johnson Controls");
        assert_eq!(seen.cells("model")[2], "FX-16");
    }

    #[test]
    fn what_is_changed() {
        let reinitialize =
            frame(0x0a, &[0, 4, 3, 20, 9, 0, 0x1d, 9, 0, b'h', b'u', b'n', b't', b'e', b'r', b'2', b'2']);
        let seen =
            Script::new().orig(frame(0x0a, WRITE)).orig(frame(0x0a, WRITE)).orig(&reinitialize).datagrams::<Bacnet>();
        assert_eq!(seen.cells("action"), ["write-property", "reinitialize-device"]);
        assert_eq!(seen.cells("object"), ["analog-value 1 present-value", "-"]);
        assert_eq!(seen.cells("changes"), ["true", "true"]);
        assert!(!format!("{seen:?}").contains("hunter"));
        let register = [0x81, 5, 0, 6, 0, 60];
        assert_eq!(Script::new().orig(register).datagrams::<Bacnet>().cell("action"), "register-foreign-device");
    }

    #[test]
    fn behind_a_router_it_is_not_the_sender() {
        let mut routed = vec![0x81, 0x0b, 0, 0, 1, 8, 0, 9, 1, 7];
        routed.extend_from_slice(I_AM);
        routed[3] = routed.len() as u8;
        let seen = Script::new().orig(&routed).datagrams::<Bacnet>();
        assert_eq!((seen.cell("unit"), seen.cell("vendor")), ("1234".into(), "-".into()));
    }

    #[test]
    fn probes_and_damage() {
        let whole = frame(0x0b, I_AM);
        assert_eq!(Bacnet::probe(Direction::Orig, &whole), Probe::Yes);
        assert_eq!(Bacnet::probe(Direction::Orig, &[0x81, 0x0b, 0, 8, 2, 0, 1, 1]), Probe::No);
        assert_eq!(Bacnet::probe(Direction::Orig, &[0x81, 0x0b, 0, 9, 1, 0, 1, 1]), Probe::No);
        for end in 1..whole.len() {
            let seen = Script::new().orig(&whole[..end]).datagrams::<Bacnet>();
            assert!(matches!(seen.stopped, Some(Progress::Violation(_))), "{end}");
            Script::new().orig(frame(0x0b, &I_AM[..end.min(I_AM.len())])).datagrams::<Bacnet>();
        }
        let long_tag = frame(0x0a, &[0x30, 2, 12, 0x0d, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert!(Script::new().resp(long_tag).datagrams::<Bacnet>().rows.is_empty());
    }
}
