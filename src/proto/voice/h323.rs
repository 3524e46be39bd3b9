//! H.323: registration (H.225.0 RAS over UDP) and call signalling (H.225.0 in Q.931 messages over TPKT, RFC
//! 1006). The ASN.1 within is not decoded as a whole: what is wanted stands in the open.

use super::dial;
use crate::base::secret::Reveal;
use crate::base::{Reader, limits};
use crate::proto::api::{About, AppParser, Cx, Direction, Fact, Probe, Progress, Spec, Transport};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "h225",
    doc: "One message of H.323 registration or call signalling; of registration messages of one flow the first of \
          each kind",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("message", Type::Text, "`registration-request`, `setup`, `connect`, `release` ..."),
        Column::repeating("from_orig", Type::Bool, "Whether the originator of the flow sends it"),
        Column::repeating("product", Type::Text, "Product that the sender names"),
        Column::repeating("version", Type::Text, "Version of that product"),
        Column::repeating("display", Type::Text, "Name that the called side is to show"),
        Column::repeating("calling_number", Type::Text, "Who calls"),
        Column::repeating("called_number", Type::Text, "Who is called"),
    ],
};

/// Messages of RAS in the order of their choice (H.225.0, annex H, `RasMessage`).
const RAS: [&str; 25] = [
    "gatekeeper-request",
    "gatekeeper-confirm",
    "gatekeeper-reject",
    "registration-request",
    "registration-confirm",
    "registration-reject",
    "unregistration-request",
    "unregistration-confirm",
    "unregistration-reject",
    "admission-request",
    "admission-confirm",
    "admission-reject",
    "bandwidth-request",
    "bandwidth-confirm",
    "bandwidth-reject",
    "disengage-request",
    "disengage-confirm",
    "disengage-reject",
    "location-request",
    "location-confirm",
    "location-reject",
    "info-request",
    "info-request-response",
    "non-standard",
    "unknown",
];

/// The identifier of the protocol in each of its messages: itu-t recommendation h 2250, and a version.
const PROTOCOL: &[u8] = b"\x00\x08\x91\x4a\x00";

/// What was seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Event<'e> {
    message: &'static str,
    from_orig: bool,
    product: &'e [u8],
    version: &'e [u8],
    display: &'e [u8],
    calling: &'e [u8],
    called: &'e [u8],
    row: bool,
}

impl crate::proto::api::Event for Event<'_> {
    fn has_row(&self) -> bool {
        self.row
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        row.text(self.message).bool(self.from_orig);
        for text in [self.product, self.version, self.display, self.calling, self.called] {
            row.opt_bytes(Some(&*dial::blanked(text)).filter(|t| !t.is_empty()));
        }
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let sender = if self.from_orig { Direction::Orig } else { Direction::Resp };
        tell(Fact { about: About::Side(sender), attribute: "user-agent", value: self.product });
    }
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct H225 {
    /// Kinds of RAS messages that had a row, as bits.
    seen: u32,
}

/// Product and version in the vendor identifier: two texts behind each other, each with its length less
/// one before it.
fn product(bytes: &[u8]) -> (&[u8], &[u8]) {
    let text = |at: usize| -> Option<&[u8]> {
        let len = usize::from(*bytes.get(at)?) + 1;
        let text = bytes.get(at + 1..at + 1 + len)?;
        let fits = (4..=64).contains(&len) && text.iter().all(|c| (0x20..0x7f).contains(c) || *c >= 0xa0);
        (fits && text.iter().filter(|c| c.is_ascii_alphanumeric()).count() * 2 > len).then_some(text)
    };
    for at in 0..bytes.len().min(256) {
        if let Some(name) = text(at) {
            return (name, text(at + 1 + name.len()).unwrap_or_default());
        }
    }
    (&[], &[])
}

/// A message of RAS with its place in the list.
fn ras(bytes: &[u8]) -> Option<(usize, Event<'_>)> {
    let first = bytes.first().filter(|b| **b < 0x80)?;
    let head = bytes.get(..48).unwrap_or(bytes);
    let at = memchr::memmem::find(head, PROTOCOL)?;
    let kind = usize::from(first >> 2);
    let message = RAS.get(kind)?;
    let (product, version) = product(bytes.get(at + 6..).unwrap_or_default());
    Some((kind, Event { message, product, version, ..Event::default() }))
}

/// Names of Q.931 messages (H.225.0, table 4).
const fn call_message(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0x01 => "alerting",
        0x02 => "call-proceeding",
        0x03 => "progress",
        0x05 => "setup",
        0x07 => "connect",
        0x0d => "setup-acknowledge",
        0x5a => "release",
        0x62 => "facility",
        0x6e => "notify",
        0x75 => "status-enquiry",
        0x7b => "information",
        0x7d => "status",
        _ => return None,
    })
}

/// Length of the packet that a TPKT header begins (RFC 1006, section 6).
fn tpkt(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [3, 0, high, low, ..] => Some(usize::from(u16::from_be_bytes([*high, *low]))).filter(|n| *n >= 4),
        _ => None,
    }
}

/// A message of call signalling (ITU-T Q.931, section 4), without the TPKT header.
fn call(bytes: &[u8]) -> Option<Event<'_>> {
    let mut r = Reader::new(bytes);
    if r.u8("protocol discriminator").ok()? != 8 {
        return None;
    }
    let reference = r.u8("call reference length").ok()?;
    if reference > 2 {
        return None;
    }
    r.skip("call reference", reference.into()).ok()?;
    let mut event = Event { message: call_message(r.u8("message").ok()?)?, row: true, ..Event::default() };
    let mut is_h323 = false;
    while let Ok(element) = r.u8("element") {
        const USER_USER: u8 = 0x7e;
        if element & 0x80 != 0 {
            continue;
        }
        let value = if element == USER_USER { r.vec16("user") } else { r.vec8("element") };
        let Ok(value) = value.map(|v| v.peek_rest()) else { break };
        match element {
            0x28 => event.display = value,
            // The type of number stands before the digits, and perhaps its presentation.
            0x6c => event.calling = digits(value),
            0x70 => event.called = digits(value),
            USER_USER => {
                if let Some(at) = memchr::memmem::find(value.get(..32).unwrap_or(value), PROTOCOL) {
                    is_h323 = true;
                    (event.product, event.version) = product(value.get(at + 6..).unwrap_or_default());
                }
            }
            _ => {}
        }
    }
    is_h323.then_some(event)
}

fn digits(value: &[u8]) -> &[u8] {
    let start = value.iter().position(|c| c & 0x80 != 0).map_or(0, |at| at + 1);
    value.get(start..).unwrap_or_default()
}

impl AppParser for H225 {
    const SPEC: Spec = Spec {
        name: "h225",
        title: "H.323 (H.225.0)",
        transports: &[Transport::Udp, Transport::Tcp],
        ports: &[1719, 1720],
        reference: "ITU-T H.225.0, Q.931",
        table: Some(&TABLE),
        yields: "products, calls, numbers",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            [3, 0, _, _, 8, 0..=2, ..] => {
                let Some(length) = tpkt(payload) else { return Probe::No };
                match payload.get(4..length) {
                    Some(message) if call(message).is_some() => Probe::Yes,
                    Some(_) => Probe::No,
                    None if length <= limits::SIGNALLING_BYTES_MAX => Probe::NeedMore,
                    None => Probe::No,
                }
            }
            [3, 0, _, _, 8] | [3, 0, _, _] | [3, 0, _] | [3, 0] | [3] | [] => Probe::NeedMore,
            // The identifier of the protocol follows within the first bytes.
            [first, ..] if *first < 0x64 && payload.len() > 12 && ras(payload).is_some() => Probe::Yes,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        let from_orig = dir == Direction::Orig;
        if cx.flow.transport == Transport::Udp {
            let Some((kind, event)) = ras(bytes) else {
                return if self.seen == 0 { Progress::Violation("not RAS") } else { Progress::Done };
            };
            let row = self.seen & 1 << kind == 0;
            self.seen |= 1 << kind;
            emit(Event { from_orig, row, ..event });
            return Progress::Done;
        }
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            if rest.len() < 4 {
                return Progress::Partial { consumed: used, needed: 4 };
            }
            let Some(length) = tpkt(rest) else { return Progress::Violation("not TPKT") };
            if length > limits::SIGNALLING_BYTES_MAX {
                cx.limit_hit();
                let there = rest.len();
                if length >= there {
                    return Progress::Skip((length - there) as u64);
                }
                used += length;
                continue;
            }
            let Some(message) = rest.get(4..length) else {
                return Progress::Partial { consumed: used, needed: length };
            };
            if let Some(event) = call(message) {
                self.seen = 1;
                emit(Event { from_orig, ..event });
            } else if self.seen == 0 {
                return Progress::Violation("not H.225.0");
            }
            used += length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::Script;

    /// A registration request, shaped like that of a soft phone.
    const RRQ: &[u8] = b"\x0e\0\x05\x1c\x06\0\x08\x91\x4a\0\x04\0\0\x22\xc0\0\0\0\0\x06My Fone\x041.10c\x01\x02";

    fn setup() -> Vec<u8> {
        let user = [&b"\x05\x20\xb0\x06"[..], PROTOCOL, b"\x04\x09Gate One X\x041.2.3"].concat();
        let mut message =
            b"\x08\x02\x12\x34\x05\xa1\x04\x03\x88\x93\xa5\x28\x03Joe\x6c\x05\x00\x83201\x70\x04\x81202\x7e".to_vec();
        message.extend((user.len() as u16).to_be_bytes());
        message.extend(user);
        let mut bytes = vec![3, 0];
        bytes.extend((message.len() as u16 + 4).to_be_bytes());
        bytes.extend(message);
        bytes
    }

    #[test]
    fn registrations() {
        let seen =
            Script::new().orig(RRQ).orig(RRQ).resp(b"\x16\x80\x05\x1c\x06\0\x08\x91\x4a\0\x02\x60").datagrams::<H225>();
        assert_eq!(seen.cells("message"), ["registration-request", "registration-reject"]);
        assert_eq!((seen.cells("product")[0].as_str(), seen.cells("version")[0].as_str()), ("My Fone", "1.10c"));
        assert_eq!(seen.events.len(), 3);
    }

    #[test]
    fn calls() {
        let seen = Script::new().orig(setup()).resp(setup()).any_chunking::<H225>();
        assert_eq!(seen.cells("message"), ["setup", "setup"]);
        assert_eq!((seen.cells("display")[0].as_str(), seen.cells("calling_number")[0].as_str()), ("Joe", "201"));
        assert_eq!((seen.cells("called_number")[0].as_str(), seen.cells("product")[0].as_str()), ("202", "Gate One X"));
    }

    #[test]
    fn any_cut_is_survived_and_probes_decline() {
        let setup = setup();
        for cut in 0..setup.len() {
            Script::new().orig(&setup[..cut]).run::<H225>();
        }
        for cut in 0..RRQ.len() {
            Script::new().orig(&RRQ[..cut]).datagrams::<H225>();
        }
        for (bytes, want) in [
            (&setup[..], Probe::Yes),
            (RRQ, Probe::Yes),
            // RDP and S7 begin with a TPKT header too.
            (b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0", Probe::No),
            (b"\x03\0\0\x16\x11\xe0\0\0\0\x01\0\xc0", Probe::No),
            (b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www", Probe::No),
        ] {
            assert_eq!(H225::probe(Direction::Orig, bytes), want, "{bytes:?}");
        }
    }
}
