//! LLDP (IEEE 802.1AB) with the extensions of IEEE 802.1 and 802.3, and LLDP-MED (ANSI/TIA-1057).

use super::lldp_event::{Event, Id, Med, TABLE};
use super::{FrameParser, FrameSpec};
use crate::base::{ReadError, Reader, limits};
use crate::proto::api::Cx;

const IEEE_802_1: [u8; 3] = [0x00, 0x80, 0xc2];
const IEEE_802_3: [u8; 3] = [0x00, 0x12, 0x0f];
const TIA: [u8; 3] = [0x00, 0x12, 0xbb];

/// Reads a frame. The first three elements are required, in their order (IEEE 802.1AB, section 8.2);
/// of the others what is cut is left out.
fn read<'e>(cx: Cx<'_>, bytes: &'e [u8], event: &mut Event<'e>) -> Result<(), ReadError> {
    let mut r = Reader::new(bytes);
    let mut number = 0;
    while let Ok(head) = r.be16("element") {
        let (kind, len) = (head >> 9, usize::from(head & 0x1ff));
        if kind == 0 {
            break;
        }
        let Ok(value) = r.take("element", len) else { break };
        number += 1;
        if number > limits::LINK_ELEMENTS_MAX {
            cx.limit_hit();
            break;
        }
        match (number, kind) {
            (1, 1) => event.chassis = Id::of(value),
            (2, 2) => event.port = Id::of(value),
            (3, 3) => event.ttl_s = value.first_chunk().map(|b| u16::from_be_bytes(*b)),
            (1..=3, _) => return Err(ReadError::invalid("first elements")),
            (_, 4) => event.port_description = value,
            (_, 5) => event.system_name = value,
            (_, 6) => event.system_description = value,
            (_, 7) => {
                if let [_, _, high, low, ..] = value {
                    event.capabilities = Some(u16::from_be_bytes([*high, *low]));
                }
            }
            (_, 8) => event.add_address(value),
            (_, 127) => organisation(value, event),
            _ => {}
        }
    }
    if number < 3 { Err(ReadError::invalid("first elements")) } else { Ok(()) }
}

/// An element that an organisation defined: its number, a subtype, and the value.
fn organisation<'e>(value: &'e [u8], event: &mut Event<'e>) {
    let Some((oui, [subtype, value @ ..])) = value.split_first_chunk::<3>() else { return };
    let number = || value.first_chunk().map(|b| u16::from_be_bytes(*b));
    match (*oui, *subtype) {
        (IEEE_802_1, 1) => event.port_vlan = number().filter(|n| *n != 0),
        (IEEE_802_1, 3) => event.add_vlan(value),
        (IEEE_802_3, 2) => event.power = value,
        (TIA, subtype) => med(subtype, value, &mut event.med),
        _ => {}
    }
}

/// An element of LLDP-MED (ANSI/TIA-1057, section 10.2).
fn med<'e>(subtype: u8, value: &'e [u8], med: &mut Med<'e>) {
    match subtype {
        1 => med.device_class = value.get(2).copied(),
        2 => {
            // Application, then flags, VLAN, priority and code point in 24 bits.
            if let [application, a, b, _] = value {
                let vlan = u16::from_be_bytes([*a, *b]) >> 1 & 0xfff;
                if *application == 1 && a & 0x80 == 0 && vlan != 0 {
                    med.voice_vlan = Some(vlan);
                }
            }
        }
        3 => med.location = value,
        4 => {
            if let [_, high, low] = value {
                med.power_mw = Some(u32::from(u16::from_be_bytes([*high, *low])) * 100);
            }
        }
        5 => med.hardware = value,
        6 => med.firmware = value,
        7 => med.software = value,
        8 => med.serial = value,
        9 => med.manufacturer = value,
        10 => med.model = value,
        11 => med.asset = value,
        _ => {}
    }
}

/// Reads frames; keeps nothing between them.
#[derive(Debug, Default)]
pub struct Lldp;

impl FrameParser for Lldp {
    const SPEC: FrameSpec = FrameSpec {
        name: "lldp",
        title: "LLDP",
        numbers: &[0x88cc],
        reference: "IEEE 802.1AB, ANSI/TIA-1057",
        table: &TABLE,
        yields: "names, descriptions, addresses, inventory (LLDP-MED), VLANs, power",
    };
    type Event<'e> = Event<'e>;

    fn on_frame(&mut self, cx: Cx<'_>, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        let mut event = Event::default();
        if read(cx, bytes, &mut event).is_ok() {
            emit(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::one;
    use super::*;

    fn element(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut out = (kind << 9 | value.len() as u16).to_be_bytes().to_vec();
        out.extend(value);
        out
    }

    fn own(oui: [u8; 3], subtype: u8, value: &[u8]) -> Vec<u8> {
        let mut out = oui.to_vec();
        out.push(subtype);
        out.extend(value);
        element(127, &out)
    }

    fn phone() -> Vec<u8> {
        [
            element(1, &[5, 1, 192, 0, 2, 41]),
            element(2, &[3, 0x80, 0x5e, 0xc0, 1, 2, 3]),
            element(3, &[0, 120]),
            element(4, b"WAN PORT"),
            element(5, b"SIP-X46"),
            element(6, b"SIP-X46 66.85.0.5"),
            element(7, &[0, 0x24, 0, 0x24]),
            element(8, &[5, 1, 192, 0, 2, 41, 2, 0, 0, 0, 1, 0]),
            own(IEEE_802_1, 1, &[0, 40]),
            own(IEEE_802_1, 3, &[0, 40, 5, b's', b't', b'a', b'f', b'f']),
            own(IEEE_802_3, 2, &[0x0e, 1, 3, 0x51, 0, 60, 0, 70]),
            own(TIA, 1, &[0, 0x33, 3]),
            own(TIA, 2, &[1, 0x40, 0x65, 0x6e]),
            own(TIA, 3, &[3, b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'8', b'9', b'0']),
            own(TIA, 5, b"66.0.0.128"),
            own(TIA, 6, b"66.85.0.5"),
            own(TIA, 7, b"66.85"),
            own(TIA, 8, b"805EC0010203"),
            own(TIA, 9, b"Example"),
            own(TIA, 10, b"X46"),
            own(TIA, 11, b"AB-12"),
            element(0, &[]),
        ]
        .concat()
    }

    #[test]
    fn a_phone_with_everything() {
        let seen = one::<Lldp>(&phone());
        for (column, value) in [
            ("chassis_id", "192.0.2.41"),
            ("chassis_id_type", "network-address"),
            ("port_id", "80:5e:c0:01:02:03"),
            ("port_id_type", "mac"),
            ("ttl_s", "120"),
            ("port_description", "WAN PORT"),
            ("system_name", "SIP-X46"),
            ("system_description", "SIP-X46 66.85.0.5"),
            ("capabilities", "[bridge,telephone]"),
            ("management_addresses", "[192.0.2.41]"),
            ("port_vlan", "40"),
            ("vlans", "[40 staff]"),
            ("power_mw", "7000"),
            ("device_class", "communication-device"),
            ("voice_vlan", "50"),
            ("hardware", "66.0.0.128"),
            ("firmware", "66.85.0.5"),
            ("software", "66.85"),
            ("serial", "805EC0010203"),
            ("manufacturer", "Example"),
            ("model", "X46"),
            ("asset", "AB-12"),
            ("location", "1234567890"),
        ] {
            assert_eq!(seen.cell(0, column), value, "{column}");
        }
        for fact in ["hostname=SIP-X46", "vendor=Example", "model=X46", "serial=805EC0010203", "capability=telephone"] {
            assert!(seen.facts.iter().any(|f| f == fact), "{fact} in {:?}", seen.facts);
        }
    }

    #[test]
    fn cut_frames_say_what_came_and_strangers_nothing() {
        let whole = phone();
        for end in 0..whole.len() {
            let seen = one::<Lldp>(&whole[..end]);
            assert!(seen.rows.len() <= 1);
        }
        assert!(one::<Lldp>(&[]).rows.is_empty());
        let disordered = [element(2, b"\x07a"), element(1, b"\x07b"), element(3, &[0, 1])].concat();
        assert!(one::<Lldp>(&disordered).rows.is_empty());
        // The sender goes: a time to live of zero.
        let shutdown = [element(1, b"\x07a"), element(2, b"\x05eth0"), element(3, &[0, 0]), element(0, &[])].concat();
        assert_eq!(one::<Lldp>(&shutdown).cell(0, "ttl_s"), "0");
        let mut endless = shutdown[..shutdown.len() - 2].to_vec();
        (0..limits::LINK_ELEMENTS_MAX).for_each(|_| endless.extend(element(9, b"x")));
        assert_eq!(one::<Lldp>(&endless).limited, 1);
    }

    #[test]
    fn a_civic_address_is_put_together() {
        let mut frame = [element(1, b"\x07a"), element(2, b"\x05e"), element(3, &[0, 9])].concat();
        frame.extend(own(TIA, 3, b"\x02\x15\x00DE\x03\x05Town\x32\x06\x05Road\x31\x1c\x02\x421"));
        assert_eq!(one::<Lldp>(&frame).cell(0, "location"), "DE, Town2, Road1, B1");
    }
}
