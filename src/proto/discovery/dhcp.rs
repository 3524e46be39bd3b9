//! DHCP for IPv4 (RFC 2131, RFC 2132), and BOOTP with the same cookie.

use std::borrow::Cow;

use super::dhcp_event::{Event, TABLE};
use crate::base::{Addr, Mac, ReadError, Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};

/// What stands between the fixed fields and the options.
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// The fixed part, that of RFC 951: op, hardware type and length, hops, xid, secs, flags, four
/// addresses, the client's hardware address, server name and boot file, then the cookie.
#[derive(Debug, Clone, Copy)]
struct Fixed<'e> {
    is_reply: bool,
    trans_id: u32,
    client_ip: Addr,
    assigned_ip: Addr,
    next_server: Addr,
    relay_ip: Addr,
    client_mac: Mac,
    server_name: &'e [u8],
    boot_file: &'e [u8],
    options: &'e [u8],
}

impl<'e> Fixed<'e> {
    fn parse(bytes: &'e [u8]) -> Result<Self, ReadError> {
        let mut r = Reader::new(bytes);
        let op = r.u8("op")?;
        let hardware: [u8; 2] = r.array("hardware type and length")?;
        if !matches!(op, 1 | 2) || hardware[1] > 16 {
            return Err(ReadError::invalid("op"));
        }
        r.skip("hops", 1)?;
        let trans_id = r.be32("xid")?;
        r.skip("secs, flags", 4)?;
        let mut address = |field| r.array(field).map(Addr::v4);
        let (client_ip, assigned_ip) = (address("ciaddr")?, address("yiaddr")?);
        let (next_server, relay_ip) = (address("siaddr")?, address("giaddr")?);
        let client: [u8; 16] = r.array("chaddr")?;
        let [a, b, c, d, e, f, ..] = client;
        let client_mac = if hardware[1] == 6 { Mac([a, b, c, d, e, f]) } else { Mac::ZERO };
        let server_name = r.take("sname", 64)?;
        let boot_file = r.take("file", 128)?;
        if r.array("cookie")? != COOKIE {
            return Err(ReadError::invalid("cookie"));
        }
        Ok(Self {
            is_reply: op == 2,
            trans_id,
            client_ip,
            assigned_ip,
            next_server,
            relay_ip,
            client_mac,
            server_name,
            boot_file,
            options: r.rest(),
        })
    }
}

/// The options of a message by their codes. One that came in several parts is put together again
/// (RFC 3396); where the same came twice over, once.
#[derive(Debug, Default)]
struct Options<'e> {
    values: Vec<(u8, Cow<'e, [u8]>)>,
    cut: bool,
}

impl<'e> Options<'e> {
    /// Takes the options up to the end mark, and says which fixed fields hold more of them.
    fn take(&mut self, bytes: &'e [u8]) -> u8 {
        let mut overload = 0;
        let mut r = Reader::new(bytes);
        while let Ok(code) = r.u8("option") {
            match code {
                0 => continue,
                255 => break,
                _ => {}
            }
            let Ok(value) = r.vec8("option").map(|v| v.peek_rest()) else { break };
            if code == 52 {
                overload = value.first().copied().unwrap_or(0);
                continue;
            }
            match self.values.iter_mut().find(|(c, _)| *c == code) {
                Some((_, before)) if **before == *value => {}
                Some((_, before)) => {
                    if before.len() + value.len() > limits::DHCP_OPTION_BYTES_MAX {
                        self.cut = true;
                    } else {
                        before.to_mut().extend_from_slice(value);
                    }
                }
                None => self.values.push((code, Cow::Borrowed(value))),
            }
        }
        overload
    }

    /// The value of an option; empty where it was not sent.
    fn get(&self, code: u8) -> &[u8] {
        self.values.iter().find(|(c, _)| *c == code).map_or(&[], |(_, v)| v)
    }
}

/// A sub-option of a value that is made of them (RFC 3046, section 2.0).
fn part(value: &[u8], code: u8) -> &[u8] {
    let mut r = Reader::new(value);
    while let (Ok(this), Ok(part)) = (r.u8("code"), r.vec8("part")) {
        if this == code {
            return part.peek_rest();
        }
    }
    &[]
}

/// Number of the enterprise, and what it says: options 124 and 125 (RFC 3925), first enterprise only.
fn enterprise(value: &[u8]) -> Option<(u32, &[u8])> {
    let mut r = Reader::new(value);
    Some((r.be32("enterprise").ok()?, r.vec8("length").ok()?.peek_rest()))
}

fn event<'o>(fixed: &Fixed<'o>, options: &'o Options<'_>) -> Event<'o> {
    // Strings in the fixed fields end with a zero.
    let string = |field: &'o [u8]| field.split(|c| *c == 0).next().unwrap_or_default();
    let ip = |code| options.get(code).first_chunk::<4>().map(|b| Addr::v4(*b));
    let or = |code, field: &'o [u8]| Some(options.get(code)).filter(|v| !v.is_empty()).unwrap_or(field);
    let fqdn = options.get(81);
    Event {
        is_reply: fixed.is_reply,
        message_type: options.get(53).first().copied().unwrap_or(0),
        trans_id: fixed.trans_id,
        client_mac: fixed.client_mac,
        client_ip: fixed.client_ip,
        assigned_ip: fixed.assigned_ip,
        relay_ip: fixed.relay_ip,
        next_server: fixed.next_server,
        requested_ip: ip(50),
        server_ip: ip(54),
        host_name: options.get(12),
        vendor_class: options.get(60),
        parameter_list: options.get(55),
        client_id: options.get(61),
        user_class: options.get(77),
        // Flags and two obsolete bytes stand before the name.
        fqdn_is_wire: fqdn.first().is_some_and(|flags| flags & 4 != 0),
        fqdn: fqdn.get(3..).unwrap_or_default(),
        lease_s: options.get(51).first_chunk().map(|b| u32::from_be_bytes(*b)),
        domain: options.get(15),
        routers: options.get(3),
        dns: options.get(6),
        ntp: options.get(42),
        mud_url: options.get(161),
        vendor_options: options.get(43),
        enterprise: enterprise(options.get(125)).or_else(|| enterprise(options.get(124))),
        circuit_id: part(options.get(82), 1),
        remote_id: part(options.get(82), 2),
        architectures: options.get(93),
        client_uuid: options.get(97).get(1..).and_then(|b| b.try_into().ok()),
        boot_server: or(66, string(fixed.server_name)),
        boot_file: or(67, string(fixed.boot_file)),
        tftp_servers: options.get(150),
        sip_servers: options.get(120),
        provisioning_url: options.get(160),
        proxy_url: options.get(252),
    }
}

/// Reads datagrams; keeps nothing between them.
#[derive(Debug, Default)]
pub struct Dhcp {
    understood: bool,
}

impl AppParser for Dhcp {
    const SPEC: Spec = Spec {
        name: "dhcp",
        title: "DHCP",
        transports: &[Transport::Udp],
        ports: &[67, 68],
        reference: "RFC 2131, RFC 2132",
        table: Some(&TABLE),
        yields: "addresses and leases, routers and resolvers, host names, vendor classes, options asked for, boot and provisioning servers, MUD addresses",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        if Fixed::parse(payload).is_ok() { Probe::Yes } else { Probe::No }
    }

    fn on_data(&mut self, cx: Cx<'_>, _dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        let Ok(mut fixed) = Fixed::parse(bytes) else {
            return if self.understood { Progress::Done } else { Progress::Violation("not a DHCP message") };
        };
        self.understood = true;
        let mut options = Options::default();
        let overload = options.take(fixed.options);
        // Options may go on in the two fixed fields (RFC 2132, section 9.3), which then hold no names.
        if overload & 1 != 0 {
            options.take(std::mem::take(&mut fixed.boot_file));
        }
        if overload & 2 != 0 {
            options.take(std::mem::take(&mut fixed.server_name));
        }
        if options.cut {
            cx.limit_hit();
        }
        emit(event(&fixed, &options));
        Progress::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::Script;

    fn message(op: u8, options: &[u8]) -> Vec<u8> {
        let mut m = vec![op, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0];
        m.extend([0; 4]);
        m.extend([10, 0, 0, 7]);
        m.extend([0; 8]);
        m.extend([0x00, 0x1b, 0xa9, 1, 2, 3]);
        m.extend([0; 10 + 192]);
        m.extend(COOKIE);
        m.extend(options);
        m
    }

    #[test]
    fn a_message_with_everything() {
        let options =
            b"\x35\x01\x05\x0c\x04prn\0\x3c\x03HP \x37\x03\x01\x03\x06\x3d\x03\x01\xab\xcd\x33\x04\0\0\x0e\x10\
            \x36\x04\x0a\0\0\x01\x32\x04\x0a\0\0\x09\x03\x04\x0a\0\0\x02\x06\x08\x0a\0\0\x03\x0a\0\0\x04\x0f\x03lan\
            \x51\x0c\x04\0\0\x03prn\x03lan\0\x4d\x05\x04iPXE\xa1\x05https\xff";
        let seen = Script::new().resp(message(2, options)).datagrams::<Dhcp>();
        for (column, value) in [
            ("message_type", "ACK"),
            ("trans_id", "305419896"),
            ("client_mac", "00:1b:a9:01:02:03"),
            ("client_ip", "-"),
            ("assigned_ip", "10.0.0.7"),
            ("requested_ip", "10.0.0.9"),
            ("server_ip", "10.0.0.1"),
            ("relay_ip", "-"),
            ("host_name", "prn"),
            ("vendor_class", "HP "),
            ("parameter_list", "[1,3,6]"),
            ("client_id", "01abcd"),
            ("user_class", "iPXE"),
            ("fqdn", "prn.lan"),
            ("lease_s", "3600"),
            ("domain", "lan"),
            ("router", "[10.0.0.2]"),
            ("dns", "[10.0.0.3,10.0.0.4]"),
            ("mud_url", "https"),
        ] {
            assert_eq!(seen.cell(column), value, "{column}");
        }
    }

    #[test]
    fn options_go_on_in_the_fixed_fields() {
        let mut m = message(1, b"\x34\x01\x03\x35\x01\x01\xff");
        m[108..113].copy_from_slice(b"\x0c\x03abc");
        m[44..49].copy_from_slice(b"\x3c\x03vnd");
        let seen = Script::new().orig(m).datagrams::<Dhcp>();
        assert_eq!((seen.cell("host_name"), seen.cell("vendor_class")), ("abc".into(), "vnd".into()));
    }

    #[test]
    fn cut_messages_and_strangers() {
        let whole = message(1, b"\x35\x01\x01\x0c\x10abc");
        assert_eq!(Dhcp::probe(Direction::Orig, &whole), Probe::Yes);
        let seen = Script::new().orig(&whole).datagrams::<Dhcp>();
        assert_eq!(seen.cell("host_name"), "-", "an option that is cut is left out");
        for end in 0..240 {
            assert_eq!(Dhcp::probe(Direction::Orig, &whole[..end]), Probe::No);
        }
        let mut other = whole.clone();
        other[236] = 0;
        assert_eq!(Dhcp::probe(Direction::Orig, &other), Probe::No);
        let bootp = Script::new().orig(message(1, b"")).datagrams::<Dhcp>();
        assert_eq!(bootp.cell("message_type"), "BOOTREQUEST");
    }
}
