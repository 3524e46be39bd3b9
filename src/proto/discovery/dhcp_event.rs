//! What DHCP tells, and the table that it goes to.

use crate::base::secret::Reveal;
use crate::base::{Addr, Mac, Reader, limits};
use crate::proto::api::{About, Fact};
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
        Column::repeating("next_server_ip", Type::Text, "Server of the next step of booting (siaddr)"),
        Column::repeating("ntp", Type::TextList, "Time servers (option 42)"),
        Column::repeating("vendor_options", Type::Text, "What only the vendor understands (option 43), in hex"),
        Column::repeating(
            "enterprise",
            Type::Int64,
            "Number of the enterprise that identifies the vendor (options 124, 125)",
        ),
        Column::repeating("enterprise_text", Type::Text, "What stands behind that number, as text"),
        Column::repeating(
            "circuit_id",
            Type::Text,
            "Port that the relay agent took the request from (option 82); in hex where it is no text",
        ),
        Column::repeating(
            "remote_id",
            Type::Text,
            "The relay agent's name for itself or the subscriber (option 82), likewise",
        ),
        Column::repeating(
            "architectures",
            Type::Int32List,
            "Processor architectures of a client that boots (option 93, RFC 4578)",
        ),
        Column::repeating("client_uuid", Type::Text, "Identifier of a client that boots (option 97)"),
        Column::repeating("boot_server", Type::Text, "Name of the boot or provisioning server (option 66, or sname)"),
        Column::repeating("boot_file", Type::Text, "Name of the boot or configuration file (option 67, or file)"),
        Column::repeating("tftp_servers", Type::TextList, "Servers for the configuration of phones (option 150)"),
        Column::repeating("sip_servers", Type::TextList, "SIP servers, by name or address (option 120, RFC 3361)"),
        Column::repeating("provisioning_url", Type::Text, "Where phones fetch their configuration (option 160)"),
        Column::repeating("proxy_url", Type::Text, "Where the proxy configuration is fetched (option 252)"),
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
    /// Server of the next step of booting.
    pub next_server: Addr,
    /// Time servers, four bytes each.
    pub ntp: &'e [u8],
    /// What only the vendor understands.
    pub vendor_options: &'e [u8],
    /// Number of an enterprise, and what it says.
    pub enterprise: Option<(u32, &'e [u8])>,
    /// The relay agent's name of the port.
    pub circuit_id: &'e [u8],
    /// The relay agent's name of itself or the subscriber.
    pub remote_id: &'e [u8],
    /// Processor architectures, two bytes each.
    pub architectures: &'e [u8],
    /// Identifier of a client that boots.
    pub client_uuid: Option<[u8; 16]>,
    /// Boot or provisioning server.
    pub boot_server: &'e [u8],
    /// Boot or configuration file.
    pub boot_file: &'e [u8],
    /// TFTP servers, four bytes each.
    pub tftp_servers: &'e [u8],
    /// SIP servers: a byte that says whether names (0) or addresses (1) follow.
    pub sip_servers: &'e [u8],
    /// Where phones fetch their configuration.
    pub provisioning_url: &'e [u8],
    /// Where the proxy configuration is fetched.
    pub proxy_url: &'e [u8],
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

impl Event<'_> {
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

    /// The identifier of a client that boots, in its usual form: the first three groups are little-endian
    /// on the wire (RFC 4578, section 2.3).
    fn uuid_text(&self) -> Option<String> {
        let [a, b, c, d, e, f, g, h, rest @ ..] = self.client_uuid?;
        Some(format!(
            "{}-{}-{}-{}-{}",
            hex(&[d, c, b, a]),
            hex(&[f, e]),
            hex(&[h, g]),
            hex(rest.get(..2)?),
            hex(rest.get(2..)?)
        ))
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
        row.nonempty(&hex(self.client_id));
        text(row, &self.user_class_text());
        row.opt_bytes(self.fqdn_text().as_deref().map(str::as_bytes)).opt_int(self.lease_s);
        text(row, self.domain);
        addresses(row, self.routers);
        addresses(row, self.dns);
        text(row, self.mud_url);
        match given(self.next_server) {
            Some(ip) => row.addr(ip),
            None => row.null(),
        };
        addresses(row, self.ntp);
        row.nonempty(&hex(self.vendor_options)).opt_int(self.enterprise.map(|e| e.0));
        text(row, &self.enterprise.map(|e| readable(e.1)).unwrap_or_default());
        row.nonempty(&text_or_hex(self.circuit_id)).nonempty(&text_or_hex(self.remote_id));
        let (architectures, _) = self.architectures.as_chunks::<2>();
        if architectures.is_empty() {
            row.null();
        } else {
            let architectures: Vec<_> = architectures.iter().map(|b| u16::from_be_bytes(*b)).collect();
            row.ints(&architectures);
        }
        row.opt_text(self.uuid_text().as_deref());
        text(row, self.boot_server);
        text(row, self.boot_file);
        addresses(row, self.tftp_servers);
        match self.sip_servers.split_first() {
            Some((1, rest)) => addresses(row, rest),
            Some((0, rest)) => match super::dns_message::names(rest) {
                names if names.is_empty() => _ = row.null(),
                names => _ = row.texts(&names),
            },
            _ => _ = row.null(),
        }
        text(row, self.provisioning_url);
        text(row, self.proxy_url);
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let mut named = |ip: Addr, attribute, value: &[u8]| {
            if !ip.is_unspecified() {
                tell(Fact { about: About::Device(Mac::ZERO, ip), attribute, value });
            }
        };
        // The relay agent gives its own address; what else it passes on is the client's (RFC 1542, section 4.1.1).
        named(self.relay_ip, "relay", b"giaddr");
        if self.is_reply {
            // Who the network's gateway and its DHCP server are (RFC 2132, sections 3.5 and 9.7).
            let (gateways, _) = self.routers.as_chunks::<4>();
            gateways.first().into_iter().for_each(|b| named(Addr::v4(*b), "gateway", b"option 3"));
            named(self.server_ip.unwrap_or(Addr::UNSPECIFIED), "server", b"option 54");
            return;
        }
        let about = About::Device(self.client_mac, Addr::UNSPECIFIED);
        let mut tell = |attribute, value: &[u8]| tell(Fact { about, attribute, value });
        tell("hostname", self.host_name);
        tell("vendor-class", self.vendor_class);
        tell("user-class", &self.user_class_text());
        tell("mud-url", self.mud_url);
        tell("fqdn", self.fqdn_text().unwrap_or_default().as_bytes());
        let asked: Vec<_> = self.parameter_list.iter().take(limits::LIST_ITEMS_MAX).map(u8::to_string).collect();
        tell("parameter-list", asked.join(",").as_bytes());
        tell("uuid", self.uuid_text().unwrap_or_default().as_bytes());
        match self.client_id {
            // Type 255: an identity association and a DUID, as in DHCPv6 (RFC 4361, section 6.1).
            [255, _, _, _, _, duid @ ..] => tell("duid", hex(duid).as_bytes()),
            // Type 1 and six bytes: a MAC. It tells nothing that the message does not.
            [1, mac @ ..] if mac.len() == 6 => {}
            other => tell("client-id", hex(other).as_bytes()),
        }
        if let Some((number, words)) = self.enterprise {
            tell("enterprise", number.to_string().as_bytes());
            tell("enterprise-text", &readable(words));
        }
    }

    fn leases(&self, tell: &mut dyn FnMut(About, Addr)) {
        const ACK: u8 = 5;
        const INFORM: u8 = 8;
        const REQUEST: u8 = 3;
        let ip = if self.is_reply { self.assigned_ip } else { self.client_ip };
        // An offer may be turned down; an acknowledgement is a lease (RFC 2131, section 3.1).
        let holds = match self.message_type {
            ACK => self.is_reply,
            INFORM | REQUEST => !self.is_reply,
            _ => false,
        };
        if holds && !ip.is_unspecified() {
            tell(About::Device(self.client_mac, Addr::UNSPECIFIED), ip);
        }
    }

    fn resolvers(&self, tell: &mut dyn FnMut(Addr)) {
        if self.is_reply {
            let (servers, _) = self.dns.as_chunks::<4>();
            servers.iter().for_each(|b| tell(Addr::v4(*b)));
        }
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(limits::TEXT_BYTES_MAX / 2).map(|b| format!("{b:02x}")).collect()
}

/// Text where all of it can be shown, else hexadecimal.
pub(super) fn text_or_hex(bytes: &[u8]) -> String {
    let printable = bytes.iter().all(|c| (0x20..0x7f).contains(c));
    if printable { String::from_utf8_lossy(bytes).into_owned() } else { hex(bytes) }
}

/// The readable parts of bytes that mix text with lengths: runs of four and more printable characters,
/// with blanks between them.
fn readable(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for run in bytes.split(|c| !(0x20..0x7f).contains(c)).filter(|run| run.len() >= 4) {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(run);
    }
    out
}
