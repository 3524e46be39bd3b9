//! DHCP for IPv4 (RFC 2131, RFC 2132), and BOOTP with the same cookie.

use crate::base::secret::Reveal;
use crate::base::{Addr, Mac, ReadError, Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "dhcp",
    doc: "One DHCP message",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating(
            "message_type",
            Type::Text,
            "DISCOVER, OFFER, REQUEST, ACK ...; BOOTREQUEST or BOOTREPLY without",
        ),
        Column::new("trans_id", Type::Int64, "Transaction identifier, shared by the messages of one exchange"),
        Column::repeating("client_mac", Type::Text, "Hardware address of the client"),
        Column::repeating("client_ip", Type::Text, "Address that the client already has (ciaddr)"),
        Column::repeating("assigned_ip", Type::Text, "Address that the server gives (yiaddr)"),
        Column::repeating("requested_ip", Type::Text, "Address that the client asks for (option 50)"),
        Column::repeating("server_ip", Type::Text, "Server identifier (option 54)"),
        Column::repeating("relay_ip", Type::Text, "Relay agent (giaddr)"),
        Column::repeating("host_name", Type::Text, "Host name (option 12)"),
        Column::repeating("vendor_class", Type::Text, "Vendor class (option 60)"),
        Column::repeating(
            "parameter_list",
            Type::Int32List,
            "Options that the client asks for, in its order (option 55)",
        ),
        Column::repeating("client_id", Type::Text, "Client identifier (option 61), in hex"),
        Column::repeating("user_class", Type::Text, "User class (option 77)"),
        Column::repeating("fqdn", Type::Text, "Fully qualified name (option 81)"),
        Column::new("lease_s", Type::Int64, "Lease in seconds (option 51)"),
        Column::repeating("domain", Type::Text, "Domain (option 15)"),
        Column::repeating("router", Type::TextList, "Routers (option 3)"),
        Column::repeating("dns", Type::TextList, "DNS servers (option 6)"),
        Column::repeating("mud_url", Type::Text, "Manufacturer usage description (option 161, RFC 8520)"),
    ],
};

/// One message. Options are as sent; absent ones are empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Event<'e> {
    /// Whether a server sent it.
    pub is_reply: bool,
    /// Message type (option 53); zero in BOOTP.
    pub message_type: u8,
    /// Transaction identifier.
    pub trans_id: u32,
    /// Hardware address of the client; zeros where it is not Ethernet's.
    pub client_mac: Mac,
    /// Address that the client already has.
    pub client_ip: Addr,
    /// Address that the server gives.
    pub assigned_ip: Addr,
    /// Relay agent.
    pub relay_ip: Addr,
    /// Address that the client asks for.
    pub requested_ip: Option<Addr>,
    /// Server identifier.
    pub server_ip: Option<Addr>,
    /// Host name.
    pub host_name: &'e [u8],
    /// Vendor class.
    pub vendor_class: &'e [u8],
    /// Options that the client asks for.
    pub parameter_list: &'e [u8],
    /// Client identifier, its type first.
    pub client_id: &'e [u8],
    /// User class.
    pub user_class: &'e [u8],
    /// Fully qualified name: in wire form where `fqdn_is_wire`, else text.
    pub fqdn: &'e [u8],
    /// Whether `fqdn` is a sequence of labels (RFC 4702, section 2.1).
    pub fqdn_is_wire: bool,
    /// Lease in seconds.
    pub lease_s: Option<u32>,
    /// Domain.
    pub domain: &'e [u8],
    /// Routers, four bytes each.
    pub routers: &'e [u8],
    /// DNS servers, four bytes each.
    pub dns: &'e [u8],
    /// Manufacturer usage description.
    pub mud_url: &'e [u8],
}

/// Names of message types (IANA registry "DHCP Message Type 53 Values").
const fn type_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "DISCOVER",
        2 => "OFFER",
        3 => "REQUEST",
        4 => "DECLINE",
        5 => "ACK",
        6 => "NAK",
        7 => "RELEASE",
        8 => "INFORM",
        9 => "FORCERENEW",
        10 => "LEASEQUERY",
        11 => "LEASEUNASSIGNED",
        12 => "LEASEUNKNOWN",
        13 => "LEASEACTIVE",
        _ => return None,
    })
}

/// What stands before the options. The fixed part is that of RFC 951: op, hardware type and length, hops, xid, secs, flags, four addresses, the
/// client's hardware address, server name and boot file, then the options behind the cookie.
const COOKIE: [u8; 4] = [99, 130, 83, 99];

impl<'e> Event<'e> {
    /// Reads a message; options that are cut end it.
    pub fn parse(bytes: &'e [u8]) -> Result<Self, ReadError> {
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
        let _next_server = address("siaddr")?;
        let relay_ip = address("giaddr")?;
        let client: [u8; 16] = r.array("chaddr")?;
        let [a, b, c, d, e, f, ..] = client;
        let client_mac = if hardware[1] == 6 { Mac([a, b, c, d, e, f]) } else { Mac::ZERO };
        let server_name = r.take("sname", 64)?;
        let boot_file = r.take("file", 128)?;
        if r.array("cookie")? != COOKIE {
            return Err(ReadError::invalid("cookie"));
        }
        let is_reply = op == 2;
        let mut event = Self { is_reply, trans_id, client_mac, client_ip, assigned_ip, relay_ip, ..Self::default() };
        let overload = event.options(r.rest());
        // Options may go on in the two fixed fields (RFC 2132, section 9.3).
        if overload & 1 != 0 {
            event.options(boot_file);
        }
        if overload & 2 != 0 {
            event.options(server_name);
        }
        Ok(event)
    }

    /// Takes options up to the end mark, and says which fixed fields hold more of them.
    fn options(&mut self, bytes: &'e [u8]) -> u8 {
        let mut overload = 0;
        let mut r = Reader::new(bytes);
        while let Ok(code) = r.u8("option") {
            match code {
                0 => continue,
                255 => break,
                _ => {}
            }
            let Ok(mut value) = r.vec8("option") else { break };
            let value = value.rest();
            let ip = || value.try_into().ok().map(Addr::v4);
            let first = |slot: &mut &'e [u8]| {
                if slot.is_empty() {
                    *slot = value;
                }
            };
            match code {
                3 => first(&mut self.routers),
                6 => first(&mut self.dns),
                12 => first(&mut self.host_name),
                15 => first(&mut self.domain),
                50 => self.requested_ip = ip(),
                51 => self.lease_s = value.try_into().ok().map(u32::from_be_bytes),
                52 => overload = value.first().copied().unwrap_or(0),
                53 => self.message_type = value.first().copied().unwrap_or(0),
                54 => self.server_ip = ip(),
                55 => first(&mut self.parameter_list),
                60 => first(&mut self.vendor_class),
                61 => first(&mut self.client_id),
                77 => first(&mut self.user_class),
                // Flags and two obsolete bytes stand before the name.
                81 if self.fqdn.is_empty() => {
                    self.fqdn_is_wire = value.first().is_some_and(|flags| flags & 4 != 0);
                    self.fqdn = value.get(3..).unwrap_or_default();
                }
                161 => first(&mut self.mud_url),
                _ => {}
            }
        }
        overload
    }

    /// The fully qualified name as text.
    pub fn fqdn_text(&self) -> Option<String> {
        let mut name = Vec::new();
        if self.fqdn_is_wire {
            let mut r = Reader::new(self.fqdn);
            while let Ok(mut label) = r.vec8("label") {
                if label.is_empty() {
                    break;
                }
                if !name.is_empty() {
                    name.push(b'.');
                }
                name.extend_from_slice(label.rest());
            }
        } else {
            name.extend_from_slice(self.fqdn);
        }
        let text = String::from_utf8_lossy(&name).trim_end_matches(['\0', '.']).to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// The user class as text: one or more strings with their lengths (RFC 3004), or, as many
    /// clients send it, plain text.
    pub fn user_class_text(&self) -> Vec<u8> {
        let mut r = Reader::new(self.user_class);
        let mut out = Vec::new();
        while let Ok(mut part) = r.vec8("class") {
            if !out.is_empty() {
                out.push(b' ');
            }
            out.extend_from_slice(part.rest());
        }
        if r.is_empty() { out } else { self.user_class.to_vec() }
    }
}

fn addresses(row: &mut RowWriter<'_>, bytes: &[u8]) {
    let (addresses, _) = bytes.as_chunks::<4>();
    if addresses.is_empty() {
        row.null();
        return;
    }
    let addresses = addresses.get(..limits::LIST_ITEMS_MAX).unwrap_or(addresses);
    row.list(addresses.len());
    for ip in addresses {
        row.addr(Addr::v4(*ip));
    }
}

impl crate::proto::api::Event for Event<'_> {
    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        match (type_name(self.message_type), self.message_type) {
            (Some(name), _) => row.text(name),
            (None, 0) => row.text(if self.is_reply { "BOOTREPLY" } else { "BOOTREQUEST" }),
            (None, code) => row.text(&format!("TYPE{code}")),
        };
        row.int(self.trans_id).mac(self.client_mac);
        let given = |ip: Addr| Some(ip).filter(|ip| !ip.is_unspecified());
        let requested = self.requested_ip.and_then(given);
        for ip in [given(self.client_ip), given(self.assigned_ip), requested, self.server_ip, given(self.relay_ip)] {
            match ip {
                Some(ip) => row.addr(ip),
                None => row.null(),
            };
        }
        // Some clients send the terminating zero of their language.
        let text = |row: &mut RowWriter<'_>, bytes: &[u8]| {
            let end = bytes.iter().rposition(|c| *c != 0).map_or(0, |at| at + 1);
            row.opt_bytes(bytes.get(..end).filter(|b| !b.is_empty()));
        };
        text(row, self.host_name);
        text(row, self.vendor_class);
        if self.parameter_list.is_empty() {
            row.null();
        } else {
            row.ints(self.parameter_list);
        }
        let hex: String = self.client_id.iter().map(|b| format!("{b:02x}")).collect();
        row.nonempty(&hex);
        text(row, &self.user_class_text());
        row.opt_bytes(self.fqdn_text().as_deref().map(str::as_bytes)).opt_int(self.lease_s);
        text(row, self.domain);
        addresses(row, self.routers);
        addresses(row, self.dns);
        text(row, self.mud_url);
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
        yields: "addresses and leases, routers and resolvers, host names, vendor classes, options asked for, MUD addresses",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        if Event::parse(payload).is_ok() { Probe::Yes } else { Probe::No }
    }

    fn on_data(&mut self, _cx: Cx<'_>, _dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        match Event::parse(bytes) {
            Ok(event) => {
                self.understood = true;
                emit(event);
            }
            Err(_) if !self.understood => return Progress::Violation("not a DHCP message"),
            Err(_) => {}
        }
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
        assert_eq!(Event::parse(&whole).unwrap().host_name, b"", "an option that is cut is left out");
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
