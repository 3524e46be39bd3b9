//! What DHCPv6 tells, and the table that it goes to.

use super::dhcp_event::{hex, text_or_hex};
use super::dhcpv6::given;
use super::dns_message;
use crate::base::secret::Reveal;
use crate::base::{Addr, Mac, Reader, limits};
use crate::proto::api::{About, Direction, Fact};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "dhcpv6",
    doc: "One DHCPv6 message; what relay agents put around it is told with it",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("message_type", Type::Text, "SOLICIT, ADVERTISE, REQUEST, REPLY ..."),
        Column::new("trans_id", Type::Int32, "Transaction identifier, shared by the messages of one exchange"),
        Column::repeating("client_duid", Type::Text, "Identifier of the client (DUID), in hex"),
        Column::repeating("client_duid_type", Type::Text, "LLT, EN, LL or UUID (RFC 8415, section 11)"),
        Column::repeating(
            "client_mac",
            Type::Text,
            "MAC in the client's identifier (LLT, LL): one that it had when it made it",
        ),
        Column::repeating("server_duid", Type::Text, "Identifier of the server, in hex"),
        Column::repeating("server_duid_type", Type::Text, "Its type"),
        Column::repeating("addresses", Type::TextList, "Addresses asked for or given (IA_NA, IA_TA)"),
        Column::repeating("prefixes", Type::TextList, "Prefixes asked for or given (IA_PD)"),
        Column::new("lease_s", Type::Int64, "How long the first of them may be used, in seconds"),
        Column::repeating(
            "parameter_list",
            Type::Int32List,
            "Options that the client asks for, in its order (option 6)",
        ),
        Column::repeating("fqdn", Type::Text, "Name of the client (option 39)"),
        Column::repeating("vendor_class", Type::Text, "Vendor class (option 16)"),
        Column::repeating(
            "enterprise",
            Type::Int64,
            "Number of the enterprise that the vendor class or options belong to",
        ),
        Column::repeating("user_class", Type::Text, "User class (option 15)"),
        Column::repeating("status", Type::Text, "Status (option 13): Success, NoAddrsAvail ..."),
        Column::repeating("dns", Type::TextList, "DNS servers (option 23)"),
        Column::repeating("domains", Type::TextList, "Domains to search in (option 24)"),
        Column::repeating("boot_url", Type::Text, "Where to boot from (option 59)"),
        Column::repeating(
            "architectures",
            Type::Int32List,
            "Processor architectures of a client that boots (option 61)",
        ),
        Column::repeating("mud_url", Type::Text, "Manufacturer usage description (option 112, RFC 8520)"),
        Column::repeating("relays", Type::Int32, "Relay agents that the message came over"),
        Column::repeating("link_ip", Type::Text, "Address of the link that the client is on, as the relay agent says"),
        Column::repeating("peer_ip", Type::Text, "Address of the client, as the relay agent says"),
        Column::repeating(
            "interface_id",
            Type::Text,
            "Port that the relay agent took the message from (option 18); in hex where it is no text",
        ),
        Column::repeating("remote_id", Type::Text, "The relay agent's name for the subscriber (option 37), likewise"),
    ],
};

/// Type of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kind(pub u8);

impl Kind {
    /// The name in the IANA registry "DHCPv6 Message Types".
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "SOLICIT",
            2 => "ADVERTISE",
            3 => "REQUEST",
            4 => "CONFIRM",
            5 => "RENEW",
            6 => "REBIND",
            7 => "REPLY",
            8 => "RELEASE",
            9 => "DECLINE",
            10 => "RECONFIGURE",
            11 => "INFORMATION-REQUEST",
            14 => "LEASEQUERY",
            15 => "LEASEQUERY-REPLY",
            16 => "LEASEQUERY-DONE",
            17 => "LEASEQUERY-DATA",
            18 => "RECONFIGURE-REQUEST",
            19 => "RECONFIGURE-REPLY",
            20 => "DHCPV4-QUERY",
            21 => "DHCPV4-RESPONSE",
            35 => "ADDR-REG-INFORM",
            36 => "ADDR-REG-REPLY",
            _ => return None,
        })
    }

    /// Whether a client sends it.
    const fn is_client(self) -> bool {
        matches!(self.0, 1 | 3..=6 | 8 | 9 | 11 | 35)
    }
}

/// One message. Options are as sent; absent ones are empty.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// Who sent it.
    pub dir: Direction,
    /// Type.
    pub kind: Kind,
    /// Transaction identifier.
    pub trans_id: u32,
    /// All options of the innermost message.
    pub options: &'e [u8],
    /// Identifier of the client.
    pub client_duid: &'e [u8],
    /// Identifier of the server.
    pub server_duid: &'e [u8],
    /// Options that the client asks for, two bytes each.
    pub asked: &'e [u8],
    /// Status code.
    pub status: Option<u16>,
    /// User classes, each with its length in two bytes.
    pub user_class: &'e [u8],
    /// Number of an enterprise.
    pub enterprise: Option<u32>,
    /// Vendor classes, each with its length in two bytes.
    pub vendor_class: &'e [u8],
    /// DNS servers, sixteen bytes each.
    pub dns: &'e [u8],
    /// Domains to search in, in wire form.
    pub domains: &'e [u8],
    /// Name of the client, in wire form.
    pub fqdn: &'e [u8],
    /// Where to boot from.
    pub boot_url: &'e [u8],
    /// Processor architectures, two bytes each.
    pub architectures: &'e [u8],
    /// Manufacturer usage description.
    pub mud_url: &'e [u8],
    /// Relay agents on the way.
    pub relays: u8,
    /// Address of the client's link.
    pub link_ip: Option<Addr>,
    /// Address of the client.
    pub peer_ip: Option<Addr>,
    /// MAC of the client, as the relay agent saw it.
    pub link_mac: Option<Mac>,
    /// The relay agent's port.
    pub interface_id: &'e [u8],
    /// The relay agent's name for the subscriber.
    pub remote_id: &'e [u8],
}

impl Event<'_> {
    /// An event of which nothing is known yet.
    pub const fn new(dir: Direction) -> Self {
        const NONE: &[u8] = &[];
        Self {
            dir,
            kind: Kind(0),
            trans_id: 0,
            options: NONE,
            client_duid: NONE,
            server_duid: NONE,
            asked: NONE,
            status: None,
            user_class: NONE,
            enterprise: None,
            vendor_class: NONE,
            dns: NONE,
            domains: NONE,
            fqdn: NONE,
            boot_url: NONE,
            architectures: NONE,
            mud_url: NONE,
            relays: 0,
            link_ip: None,
            peer_ip: None,
            link_mac: None,
            interface_id: NONE,
            remote_id: NONE,
        }
    }

    /// The name of the client as text. Clients without a domain leave out the root.
    fn fqdn_text(&self) -> Option<String> {
        dns_message::names(self.fqdn).into_iter().next().or_else(|| {
            let mut r = Reader::new(self.fqdn);
            let label = r.vec8("label").ok()?.peek_rest();
            (r.is_empty() && !label.is_empty()).then(|| String::from_utf8_lossy(label).into_owned())
        })
    }

    /// Whom the message is about: the client, where it sits on this link or the relay agent tells it.
    fn client(&self) -> Option<About> {
        match (self.relays, self.link_mac) {
            (0, _) => Some(About::Side(if self.kind.is_client() { self.dir } else { self.dir.other() })),
            (_, Some(mac)) => Some(About::Device(mac, Addr::UNSPECIFIED)),
            (_, None) => duid_mac(self.client_duid).map(|mac| About::Device(mac, Addr::UNSPECIFIED)),
        }
    }
}

fn duid_type(duid: &[u8]) -> Option<&'static str> {
    Some(match duid {
        [0, 1, ..] => "LLT",
        [0, 2, ..] => "EN",
        [0, 3, ..] => "LL",
        [0, 4, ..] => "UUID",
        _ => return None,
    })
}

/// The Ethernet address in an identifier that is made of one.
fn duid_mac(duid: &[u8]) -> Option<Mac> {
    match duid {
        [0, 1, 0, 1, _, _, _, _, mac @ ..] | [0, 3, 0, 1, mac @ ..] => mac.try_into().ok().map(Mac),
        _ => None,
    }
}

/// Strings with their lengths in two bytes, with blanks between them.
fn strings(bytes: &[u8]) -> Vec<u8> {
    let mut r = Reader::new(bytes);
    let mut out = Vec::new();
    while let Ok(part) = r.vec16("string") {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(part.peek_rest());
    }
    out
}

fn status_name(code: u16) -> Option<&'static str> {
    const NAMES: [&str; 7] =
        ["Success", "UnspecFail", "NoAddrsAvail", "NoBinding", "NotOnLink", "UseMulticast", "NoPrefixAvail"];
    NAMES.get(usize::from(code)).copied()
}

fn numbers(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks::<2>().0.iter().take(limits::LIST_ITEMS_MAX).map(|b| u16::from_be_bytes(*b)).collect()
}

fn list<S: AsRef<str>>(row: &mut RowWriter<'_>, items: &[S]) {
    if items.is_empty() {
        row.null()
    } else {
        row.texts(items)
    };
}

impl crate::proto::api::Event for Event<'_> {
    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let text = |row: &mut RowWriter<'_>, b: &[u8]| _ = row.opt_bytes(Some(b).filter(|b| !b.is_empty()));
        match self.kind.name() {
            Some(name) => row.text(name),
            None => row.text(&format!("TYPE{}", self.kind.0)),
        };
        row.int(self.trans_id).nonempty(&hex(self.client_duid)).opt_text(duid_type(self.client_duid));
        row.mac(duid_mac(self.client_duid).unwrap_or_default());
        row.nonempty(&hex(self.server_duid)).opt_text(duid_type(self.server_duid));
        let (mut addresses, mut prefixes, mut lease_s) = (Vec::new(), Vec::new(), None);
        given(self.options, &mut |g| {
            lease_s.get_or_insert(g.valid_s);
            match g.prefix_len {
                Some(len) => prefixes.push(format!("{}/{len}", g.ip)),
                None => addresses.push(g.ip.to_string()),
            }
        });
        list(row, &addresses);
        list(row, &prefixes);
        row.opt_int(lease_s);
        match numbers(self.asked) {
            asked if asked.is_empty() => row.null(),
            asked => row.ints(&asked),
        };
        row.opt_text(self.fqdn_text().as_deref());
        text(row, &strings(self.vendor_class));
        row.opt_int(self.enterprise);
        text(row, &strings(self.user_class));
        match self.status {
            Some(code) => match status_name(code) {
                Some(name) => row.text(name),
                None => row.text(&format!("STATUS{code}")),
            },
            None => row.null(),
        };
        let (dns, _) = self.dns.as_chunks::<16>();
        let dns: Vec<_> = dns.iter().take(limits::LIST_ITEMS_MAX).map(|b| Addr(*b).to_string()).collect();
        list(row, &dns);
        list(row, &dns_message::names(self.domains));
        text(row, self.boot_url);
        match numbers(self.architectures) {
            architectures if architectures.is_empty() => row.null(),
            architectures => row.ints(&architectures),
        };
        text(row, self.mud_url);
        row.opt_int(Some(self.relays).filter(|n| *n > 0));
        for ip in [self.link_ip, self.peer_ip] {
            match ip {
                Some(ip) => row.addr(ip),
                None => row.null(),
            };
        }
        row.nonempty(&text_or_hex(self.interface_id)).nonempty(&text_or_hex(self.remote_id));
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let Some(about) = self.client().filter(|_| self.kind.is_client()) else { return };
        let mut tell = |attribute, value: &[u8]| tell(Fact { about, attribute, value });
        tell("hostname", self.fqdn_text().unwrap_or_default().as_bytes());
        tell("vendor-class", &strings(self.vendor_class));
        tell("user-class", &strings(self.user_class));
        tell("mud-url", self.mud_url);
        tell("duid", hex(self.client_duid).as_bytes());
        let asked: Vec<_> = numbers(self.asked).iter().map(u16::to_string).collect();
        tell("parameter-list", asked.join(",").as_bytes());
        if let Some(number) = self.enterprise {
            tell("enterprise", number.to_string().as_bytes());
        }
    }

    fn leases(&self, tell: &mut dyn FnMut(About, Addr)) {
        const REPLY: u8 = 7;
        let Some(about) = self.client().filter(|_| self.kind.0 == REPLY) else { return };
        given(self.options, &mut |g| {
            if g.prefix_len.is_none() && g.valid_s > 0 {
                tell(about, g.ip);
            }
        });
    }

    fn resolvers(&self, tell: &mut dyn FnMut(Addr)) {
        if !self.kind.is_client() {
            self.dns.as_chunks::<16>().0.iter().take(limits::LIST_ITEMS_MAX).for_each(|b| tell(Addr(*b)));
        }
    }
}
