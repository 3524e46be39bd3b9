//! DHCP for IPv6 (RFC 8415), also as relay agents pass it on.

use super::dhcpv6_event::{Event, Kind, TABLE};
use crate::base::{Addr, Mac, ReadError, Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};

/// Message types that relay agents wrap others in (RFC 8415, section 9).
const RELAY_FORW: u8 = 12;
const RELAY_REPL: u8 = 13;

/// Walks over options: code and value.
fn options(bytes: &[u8]) -> impl Iterator<Item = Result<(u16, &[u8]), ReadError>> {
    let mut r = Reader::new(bytes);
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed || r.is_empty() {
            return None;
        }
        let option = r.be16("option").and_then(|code| Ok((code, r.vec16("option")?.peek_rest())));
        failed = option.is_err();
        Some(option)
    })
}

/// Whether a datagram is a message: its options end where it ends, and one of those that every message
/// has is among them.
fn is_message(bytes: &[u8]) -> bool {
    let head = match bytes.first() {
        Some(&(RELAY_FORW | RELAY_REPL)) => 34,
        Some(1..=11 | 14..=23 | 35 | 36) => 4,
        _ => return false,
    };
    let Some(rest) = bytes.get(head..) else { return false };
    let mut telling = false;
    for option in options(rest).take(limits::DHCPV6_OPTIONS_MAX) {
        match option {
            // Client and server identifier, options asked for, elapsed time, relayed message.
            Ok((code, value)) => {
                let fits = match code {
                    1 | 2 => (3..=130).contains(&value.len()),
                    6 => value.len() % 2 == 0,
                    8 => value.len() == 2,
                    9 => value.len() >= 4,
                    0 | 256.. => return false,
                    _ => continue,
                };
                telling |= fits;
                if !fits {
                    return false;
                }
            }
            Err(_) => return false,
        }
    }
    telling
}

/// Reads what a relay agent put around a message; answers the message inside.
fn unwrapped<'e>(bytes: &'e [u8], event: &mut Event<'e>) -> Option<&'e [u8]> {
    let mut r = Reader::new(bytes);
    r.skip("type, hops", 2).ok()?;
    event.link_ip = Some(Addr(r.array("link address").ok()?)).filter(|ip| !ip.is_unspecified());
    event.peer_ip = Some(Addr(r.array("peer address").ok()?)).filter(|ip| !ip.is_unspecified());
    event.relays += 1;
    let mut inside = None;
    for (code, value) in options(r.rest()).take(limits::DHCPV6_OPTIONS_MAX).flatten() {
        match code {
            9 => inside = Some(value),
            18 => event.interface_id = value,
            // The enterprise number stands before the identifier (RFC 4649).
            37 => event.remote_id = value.get(4..).unwrap_or_default(),
            // Client link-layer address (RFC 6939).
            79 => {
                if let [0, 1, mac @ ..] = value
                    && let Ok(mac) = mac.try_into()
                {
                    event.link_mac = Some(Mac(mac));
                }
            }
            _ => {}
        }
    }
    inside
}

/// Reads a message, whatever relay agents put around it.
fn read<'e>(cx: Option<Cx<'_>>, dir: Direction, bytes: &'e [u8]) -> Option<Event<'e>> {
    let mut event = Event::new(dir);
    let mut inner = bytes;
    while let Some(&(RELAY_FORW | RELAY_REPL)) = inner.first() {
        if usize::from(event.relays) >= limits::DHCPV6_RELAYS_MAX {
            if let Some(cx) = cx {
                cx.limit_hit();
            }
            return None;
        }
        inner = unwrapped(inner, &mut event)?;
    }
    let mut r = Reader::new(inner);
    event.kind = Kind(r.u8("type").ok()?);
    event.trans_id = r.be24("transaction").ok()?;
    event.options = r.rest();
    for (code, value) in options(event.options).take(limits::DHCPV6_OPTIONS_MAX).flatten() {
        match code {
            1 => event.client_duid = value,
            2 => event.server_duid = value,
            6 => event.asked = value,
            13 => event.status = status(value),
            15 => event.user_class = value,
            16 => {
                event.enterprise = value.first_chunk().map(|b| u32::from_be_bytes(*b));
                event.vendor_class = value.get(4..).unwrap_or_default();
            }
            17 if event.enterprise.is_none() => {
                event.enterprise = value.first_chunk().map(|b| u32::from_be_bytes(*b));
            }
            23 => event.dns = value,
            24 => event.domains = value,
            39 => event.fqdn = value.get(1..).unwrap_or_default(),
            59 => event.boot_url = value,
            61 => event.architectures = value,
            112 => event.mud_url = value,
            _ => {}
        }
    }
    Some(event)
}

/// A status code (RFC 8415, section 21.13).
fn status(value: &[u8]) -> Option<u16> {
    value.first_chunk().map(|b| u16::from_be_bytes(*b))
}

/// An address or prefix in an identity association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    /// The address, or the prefix.
    pub ip: Addr,
    /// Length of the prefix in bits; `None` for an address.
    pub prefix_len: Option<u8>,
    /// How long it may be used, in seconds.
    pub valid_s: u32,
}

/// Visits what the identity associations among some options hold: addresses (IA_NA, IA_TA), and
/// prefixes (IA_PD).
pub fn given(bytes: &[u8], visit: &mut dyn FnMut(Given)) {
    let associations = options(bytes).take(limits::DHCPV6_OPTIONS_MAX).flatten().filter_map(|(code, value)| {
        // Identifier and two times stand before the options; only the identifier in IA_TA.
        value.get(
            match code {
                3 | 25 => 12,
                4 => 4,
                _ => return None,
            }..,
        )
    });
    let mut left = limits::LIST_ITEMS_MAX;
    for inside in associations {
        for (code, value) in options(inside).take(limits::DHCPV6_OPTIONS_MAX).flatten() {
            let Some(one) = one_given(code, value) else { continue };
            if left == 0 {
                return;
            }
            left -= 1;
            visit(one);
        }
    }
}

fn one_given(code: u16, value: &[u8]) -> Option<Given> {
    let mut r = Reader::new(value);
    match code {
        5 => {
            let ip = Addr(r.array("address").ok()?);
            r.skip("preferred", 4).ok()?;
            Some(Given { ip, prefix_len: None, valid_s: r.be32("valid").ok()? })
        }
        26 => {
            r.skip("preferred", 4).ok()?;
            let valid_s = r.be32("valid").ok()?;
            let prefix_len = Some(r.u8("prefix length").ok()?);
            Some(Given { ip: Addr(r.array("prefix").ok()?), prefix_len, valid_s })
        }
        _ => None,
    }
}

/// Reads datagrams; keeps nothing between them.
#[derive(Debug, Default)]
pub struct Dhcpv6 {
    understood: bool,
}

impl AppParser for Dhcpv6 {
    const SPEC: Spec = Spec {
        name: "dhcpv6",
        title: "DHCPv6",
        transports: &[Transport::Udp],
        ports: &[546, 547],
        reference: "RFC 8415",
        table: Some(&TABLE),
        yields: "addresses and prefixes given, client identifiers with their MAC, names, vendor classes",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        if is_message(payload) { Probe::Yes } else { Probe::No }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        match read(Some(cx), dir, bytes) {
            Some(event) => {
                self.understood = true;
                emit(event);
                Progress::Done
            }
            None if self.understood => Progress::Done,
            None => Progress::Violation("not a DHCPv6 message"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, facts_of, flow};

    fn option(code: u16, value: &[u8]) -> Vec<u8> {
        let mut out = code.to_be_bytes().to_vec();
        out.extend((value.len() as u16).to_be_bytes());
        out.extend(value);
        out
    }

    fn message(kind: u8, parts: &[Vec<u8>]) -> Vec<u8> {
        let mut m = vec![kind, 0x12, 0x34, 0x56];
        m.extend(parts.concat());
        m
    }

    const MAC: [u8; 6] = [0x00, 0x1b, 0xa9, 1, 2, 3];

    fn duid_llt() -> Vec<u8> {
        let mut d = vec![0, 1, 0, 1, 0x2a, 0xbb, 0xcc, 0xdd];
        d.extend(MAC);
        option(1, &d)
    }

    fn solicit() -> Vec<u8> {
        message(
            1,
            &[
                duid_llt(),
                option(6, &[0, 23, 0, 24, 0, 59]),
                option(8, &[0, 0]),
                option(39, b"\x00\x04prn9\x03lan\x00"),
                option(16, b"\x00\x00\x01\x37\x00\x08MSFT 5.0"),
                option(15, b"\x00\x05class"),
                option(112, b"https://vendor.example/m"),
                option(3, &[0; 12]),
            ],
        )
    }

    fn reply() -> Vec<u8> {
        let mut address = vec![0x20, 0x01, 0x0d, 0xb8];
        address.extend([0; 11]);
        address.extend([9, 0, 0, 0x0e, 0x10, 0, 0, 0x1c, 0x20]);
        let mut na = vec![0; 12];
        na.extend(option(5, &address));
        let mut prefix = vec![0, 0, 0x0e, 0x10, 0, 0, 0x1c, 0x20, 56, 0x20, 0x01, 0x0d, 0xb8];
        prefix.extend([0; 12]);
        let mut pd = vec![0; 12];
        pd.extend(option(26, &prefix));
        let mut dns = vec![0x20, 0x01, 0x0d, 0xb8];
        dns.extend([0; 11]);
        dns.push(0x53);
        message(
            7,
            &[
                duid_llt(),
                option(2, &[0, 3, 0, 1, 2, 0, 0, 0, 0, 1]),
                option(3, &na),
                option(25, &pd),
                option(23, &dns),
                option(24, b"\x03lan\x00\x06office\x07example\x00"),
                option(13, &[0, 0]),
            ],
        )
    }

    #[test]
    fn a_client_tells_who_it_is() {
        let seen = Script::new().orig(solicit()).datagrams::<Dhcpv6>();
        for (column, value) in [
            ("message_type", "SOLICIT"),
            ("trans_id", "1193046"),
            ("client_duid", "000100012abbccdd001ba9010203"),
            ("client_duid_type", "LLT"),
            ("client_mac", "00:1b:a9:01:02:03"),
            ("parameter_list", "[23,24,59]"),
            ("fqdn", "prn9.lan"),
            ("enterprise", "311"),
            ("vendor_class", "MSFT 5.0"),
            ("user_class", "class"),
            ("mud_url", "https://vendor.example/m"),
            ("addresses", "-"),
        ] {
            assert_eq!(seen.cell(column), value, "{column}");
        }
        assert_eq!(
            facts_of::<Dhcpv6>(Direction::Orig, &solicit()),
            [
                "hostname=prn9.lan",
                "vendor-class=MSFT 5.0",
                "user-class=class",
                "mud-url=https://vendor.example/m",
                "duid=000100012abbccdd001ba9010203",
                "parameter-list=23,24,59",
                "enterprise=311",
            ]
        );
    }

    #[test]
    fn a_server_gives_addresses_and_prefixes() {
        let seen = Script::new().orig(solicit()).resp(reply()).datagrams::<Dhcpv6>();
        assert_eq!(seen.cells("addresses")[1], "[2001:db8::9]");
        assert_eq!(seen.cells("prefixes")[1], "[2001:db8::/56]");
        assert_eq!(seen.cells("lease_s")[1], "7200");
        assert_eq!(seen.cells("dns")[1], "[2001:db8::53]");
        assert_eq!(seen.cells("domains")[1], "[lan,office.example]");
        assert_eq!(seen.cells("server_duid_type"), ["-", "LL"]);
        assert_eq!(seen.cells("status")[1], "Success");
        let mut leases = Vec::new();
        let flow = flow();
        let cx = Cx { ts: Default::default(), packet: 1, flow: &flow, limited: &Default::default() };
        Dhcpv6::default().on_data(cx, Direction::Resp, &reply(), &mut |e| {
            use crate::proto::api::Event as _;
            e.leases(&mut |about, ip| leases.push(format!("{about:?} {ip}")));
            e.resolvers(&mut |ip| leases.push(ip.to_string()));
        });
        assert_eq!(leases, ["Side(Orig) 2001:db8::9", "2001:db8::53"]);
    }

    #[test]
    fn relay_agents_are_unwrapped() {
        let mut relayed = vec![12, 0];
        relayed.extend([0; 16]);
        relayed.extend([0xfe, 0x80]);
        relayed.extend([0; 13]);
        relayed.push(7);
        relayed.extend(option(18, b"ge-0/0/7"));
        relayed.extend(option(79, &[0, 1, 2, 0, 0, 0, 0, 9]));
        relayed.extend(option(9, &solicit()));
        assert_eq!(Dhcpv6::probe(Direction::Orig, &relayed), Probe::Yes);
        let seen = Script::new().orig(&relayed).datagrams::<Dhcpv6>();
        assert_eq!((seen.cell("message_type"), seen.cell("relays")), ("SOLICIT".into(), "1".into()));
        assert_eq!((seen.cell("peer_ip"), seen.cell("interface_id")), ("fe80::7".into(), "ge-0/0/7".into()));
        let mut deep = solicit();
        for _ in 0..limits::DHCPV6_RELAYS_MAX + 1 {
            let mut outer = vec![12, 0];
            outer.extend([0; 32]);
            outer.extend(option(9, &deep));
            deep = outer;
        }
        assert!(Script::new().orig(deep).datagrams::<Dhcpv6>().rows.is_empty());
    }

    #[test]
    fn strangers_and_cut_messages() {
        let whole = solicit();
        // Where one option ends and the next begins, it might be whole.
        let mut ends = vec![4];
        for option in options(&whole[4..]) {
            ends.push(ends.last().unwrap() + 4 + option.unwrap().1.len());
        }
        ends.remove(0);
        for end in 0..whole.len() {
            assert_eq!(Dhcpv6::probe(Direction::Orig, &whole[..end]) == Probe::Yes, ends.contains(&end), "{end}");
            let _ = Script::new().orig(&whole[..end]).datagrams::<Dhcpv6>();
            let _ = Script::new().resp(reply().get(..end).unwrap_or_default()).datagrams::<Dhcpv6>();
        }
        for other in [
            &b""[..],
            b"\x01\x00\x00\x00",
            b"\x01\x00\x00\x00\x00\x08\x00\x03\x00\x00\x00",
            b"\x20\x00\x00\x00\x00\x08\x00\x02\x00\x00",
        ] {
            assert_eq!(Dhcpv6::probe(Direction::Orig, other), Probe::No);
        }
    }
}
