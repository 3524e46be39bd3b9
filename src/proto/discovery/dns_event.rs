//! What the DNS parsers tell, what can be learnt from it, and the table that it goes to.

use super::dns_message::{
    Message, Record, Section, Style, Text, class_name, opcode_name, rcode_name, rtype, type_name,
};
use crate::base::secret::Reveal;
use crate::base::{Addr, Timestamp, limits};
use crate::proto::api::{About, Direction, Fact, Transport};
use crate::proto::text;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table of all three services.
pub static TABLE: Table = Table {
    name: "dns",
    doc: "One question, with the answer to it where one was seen; a response alone has its row too. \
          In multicast DNS, where questions and answers are not paired, one row per question and one per response",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("service", Type::Text, "dns, mdns or llmnr"),
        Column::repeating("transport", Type::Text, "udp or tcp"),
        Column::new("trans_id", Type::Int32, "Transaction identifier"),
        Column::repeating("opcode", Type::Text, "Operation: QUERY, NOTIFY, UPDATE ..."),
        Column::repeating("rcode", Type::Text, "Response code, NOERROR for success; null until answered"),
        Column::repeating("query", Type::Text, "Name asked for, as sent; unprintable bytes as \\DDD; the root is ."),
        Column::repeating("qtype", Type::Text, "Type asked for, TYPE<n> where it has no name"),
        Column::repeating("qclass", Type::Text, "Class asked for, CLASS<n> where it has no name"),
        Column::new(
            "answers",
            Type::TextList,
            "Values of the answer records (in mDNS and LLMNR also of the additional ones); null until answered",
        ),
        Column::repeating("answer_types", Type::TextList, "Type of each of them"),
        Column::new(
            "answer_names",
            Type::TextList,
            "Name that each of them belongs to; only in mDNS and LLMNR, where the question does not tell",
        ),
        Column::new("ttls", Type::Int32List, "Time to live of each of them, in seconds"),
        Column::new("aa", Type::Bool, "Whether the response is authoritative"),
        Column::new("tc", Type::Bool, "Whether the message says that it was truncated"),
        Column::new("rd", Type::Bool, "Whether recursion is desired"),
        Column::new("ra", Type::Bool, "Whether the server offers recursion"),
        Column::new("rtt_us", Type::Int64, "Time from the question to the answer, in microseconds"),
        Column::new("query_packet", Type::Int64, "Packet with the question"),
        Column::new("response_packet", Type::Int64, "Packet with the answer"),
    ],
};

/// Which of the three services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// DNS.
    Dns,
    /// Multicast DNS.
    Mdns,
    /// Link-local multicast name resolution.
    Llmnr,
}

impl Service {
    /// The name as `flows.service` carries it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Mdns => "mdns",
            Self::Llmnr => "llmnr",
        }
    }

    /// How names of the service become text.
    pub(super) const fn style(self) -> Style {
        match self {
            Self::Dns => Style::Escaped,
            Self::Mdns | Self::Llmnr => Style::Utf8,
        }
    }
}

/// Time and number of a packet.
pub type At = (Timestamp, u64);

/// A question and its answer, or one of the two.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// Which service.
    pub service: Service,
    /// Transport.
    pub transport: Transport,
    /// Who sent the message that completed the event.
    pub sender: Direction,
    /// Transaction identifier.
    pub trans_id: u16,
    /// Flag word of the question; zero where it was not seen.
    pub query_flags: u16,
    /// Name asked for. `None` in a response that repeats no question.
    pub query: Option<&'e str>,
    /// Type asked for.
    pub qtype: Option<u16>,
    /// Class asked for, without the top bit that multicast DNS uses otherwise.
    pub qclass: Option<u16>,
    /// Where the question was seen.
    pub query_at: Option<At>,
    /// Where the answer was seen.
    pub response_at: Option<At>,
    /// The response.
    pub response: Option<Message<'e>>,
}

/// An address that a name was resolved to.
#[derive(Debug, Clone, Copy)]
pub struct Resolved<'e> {
    /// Name that was asked for.
    pub name: &'e str,
    /// Name that has the address, at the end of the chain of aliases.
    pub canonical: &'e str,
    /// The address.
    pub addr: Addr,
    /// Seconds for which the whole chain holds.
    pub ttl: u32,
}

/// What a host says of itself or its services in a multicast response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced<'e> {
    /// A host name (`printer.local`) and one of its addresses.
    Host {
        /// The name.
        host: &'e str,
        /// The address.
        addr: Addr,
    },
    /// An instance of a service (PTR): `_ipp._tcp.local` to `Office Printer._ipp._tcp.local`.
    Instance {
        /// The service, or the reverse name of an address.
        service: &'e str,
        /// The instance.
        instance: &'e str,
    },
    /// Where an instance is served (SRV).
    Server {
        /// The instance.
        instance: &'e str,
        /// Host name.
        host: &'e str,
        /// Port.
        port: u16,
    },
    /// One `key=value` string of an instance (TXT).
    Attribute {
        /// The instance.
        instance: &'e str,
        /// The string as sent.
        item: &'e [u8],
    },
    /// Hardware and operating system (HINFO).
    System {
        /// Host name.
        host: &'e str,
        /// The hardware.
        cpu: &'e [u8],
        /// The operating system.
        os: &'e [u8],
    },
}

/// What a record in an answer leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'e> {
    /// An address (A, AAAA).
    Addr(Addr),
    /// Another name (CNAME).
    Name(&'e str),
}

impl<'e> Event<'e> {
    /// All addresses and aliases in the answers of the response, whatever name they belong to.
    pub fn answers(&self, visit: &mut dyn FnMut(Answer<'_>)) {
        let Some(message) = self.response else { return };
        let mut target = Text::default();
        let answers = message.records().take_while(|r| r.section == Section::Answer);
        for record in answers.take(limits::LIST_ITEMS_MAX) {
            if let Some(addr) = record.addr() {
                visit(Answer::Addr(addr));
            } else if record.rtype == rtype::CNAME && record.target(&mut target, self.service.style()).is_some() {
                visit(Answer::Name(target.as_str()));
            }
        }
    }

    /// The addresses that the response gives for the name asked for, aliases followed. Records of
    /// other names do not count: a server may add what it likes.
    pub fn addresses(&self, visit: &mut dyn FnMut(Resolved<'_>)) {
        let (Some(name), Some(message)) = (self.query, self.response) else { return };
        let answers = || message.records().take_while(|r| r.section == Section::Answer);
        if message.rcode() != 0 || !answers().any(|r| r.addr().is_some()) {
            return;
        }
        let style = self.service.style();
        let (mut owner, mut current) = (Text::default(), Text::default());
        let mut ttl = u32::MAX;
        // Aliases mostly stand in order, so that one pass follows the whole chain; the bound is for
        // those that do not.
        let mut alias = false;
        // Names that are decoded: a chain that stands backwards must not cost its length squared.
        let mut budget = 2 * limits::LIST_ITEMS_MAX;
        for _ in 0..limits::DNS_CHAIN_MAX {
            let mut moved = false;
            for record in answers().take(limits::LIST_ITEMS_MAX).filter(|r| r.rtype == rtype::CNAME) {
                let Some(left) = budget.checked_sub(1) else { return };
                budget = left;
                let here = if alias { current.as_str() } else { name };
                if record.owner(&mut owner, style).is_some() && owner.as_str().eq_ignore_ascii_case(here) {
                    if record.target(&mut current, style).is_none() {
                        return;
                    }
                    ttl = ttl.min(record.ttl);
                    alias = true;
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
        let canonical = if alias { current.as_str() } else { name };
        for record in answers().take(limits::LIST_ITEMS_MAX) {
            let Some(addr) = record.addr() else { continue };
            if record.owner(&mut owner, style).is_some() && owner.as_str().eq_ignore_ascii_case(canonical) {
                visit(Resolved { name, canonical, addr, ttl: ttl.min(record.ttl) });
            }
        }
    }

    /// What the sender of a multicast DNS or LLMNR response announces. Records that it withdraws
    /// (time to live zero) are left out.
    pub fn announced(&self, visit: &mut dyn FnMut(Announced<'_>)) {
        let Some(message) = self.response.filter(|_| self.service != Service::Dns) else { return };
        let style = self.service.style();
        let (mut owner, mut target) = (Text::default(), Text::default());
        for record in message.records().filter(|r| r.ttl != 0).take(limits::LIST_ITEMS_MAX) {
            let known =
                matches!(record.rtype, rtype::A | rtype::AAAA | rtype::PTR | rtype::SRV | rtype::TXT | rtype::HINFO);
            if !known || record.owner(&mut owner, style).is_none() {
                continue;
            }
            let name = owner.as_str();
            if let Some(addr) = record.addr() {
                visit(Announced::Host { host: name, addr });
            } else if record.target(&mut target, style).is_some() {
                match record.srv_port() {
                    Some(port) => visit(Announced::Server { instance: name, host: target.as_str(), port }),
                    None => visit(Announced::Instance { service: name, instance: target.as_str() }),
                }
            } else if record.rtype == rtype::HINFO {
                let mut strings = record.strings();
                if let (Some(cpu), Some(os)) = (strings.next(), strings.next()) {
                    visit(Announced::System { host: name, cpu, os });
                }
            } else {
                for item in record.strings().filter(|s| !s.is_empty()) {
                    visit(Announced::Attribute { instance: name, item });
                }
            }
        }
    }

    /// Whether the message tells more of devices than is handed over.
    pub fn is_cut(&self) -> bool {
        let mut count = 0;
        self.every_fact(&mut |_| count += 1);
        count > limits::MDNS_FACTS_MAX
    }

    fn every_fact(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        // Whose services they are: the hosts that the message gives addresses of, else the sender. What a
        // reflector passes on for another link is not its own.
        let mut hosts = [Addr::UNSPECIFIED; HOSTS_MAX];
        let mut known = 0;
        self.announced(&mut |a| {
            if let Announced::Host { host, addr } = a {
                tell(Fact { about: About::Holder(addr), attribute: "hostname", value: host.as_bytes() });
                if let Some(free) = hosts.get_mut(known) {
                    *free = addr;
                    known += 1;
                }
            }
        });
        let mut tell = |attribute, value: &[u8]| match known {
            0 => tell(Fact { about: About::Side(self.sender), attribute, value }),
            n => hosts.iter().take(n).for_each(|ip| tell(Fact { about: About::Holder(*ip), attribute, value })),
        };
        self.announced(&mut |a| match a {
            // The list of all service types, and reverse names, are no instances.
            Announced::Instance { service, instance }
                if service.starts_with('_') && !service.starts_with("_services._dns-sd.") =>
            {
                tell("service", instance.as_bytes());
            }
            Announced::Attribute { item, .. } => {
                let item = &*text::without_settings(item);
                tell("txt", item);
                if let Some((key, value)) = text::split_once(item, b'=')
                    && let Some(attribute) = attribute_of(key)
                {
                    tell(attribute, value);
                }
            }
            Announced::System { cpu, os, .. } => {
                tell("hardware", cpu);
                tell("os", os);
            }
            _ => {}
        });
    }

    /// The records that the row lists.
    fn listed(&self, message: Message<'e>) -> impl Iterator<Item = Record<'e>> + use<'e> {
        let multicast = self.service != Service::Dns;
        let wanted = move |r: &Record<'_>| match r.section {
            Section::Answer => true,
            Section::Authority => false,
            Section::Additional => multicast && !matches!(r.rtype, rtype::OPT | rtype::NSEC),
        };
        message.records().take_while(move |r| multicast || r.section == Section::Answer).filter(wanted)
    }
}

/// Addresses of hosts of one message whose services are told apart.
const HOSTS_MAX: usize = 8;

/// What a key of a service's attributes (TXT) tells of the device: those of printers (Bonjour Printing
/// Specification, section 9), AirPlay, Google Cast, HomeKit, and what cameras and storage use.
fn attribute_of(key: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 23] = [
        (b"ty", "model"),
        (b"md", "model"),
        (b"am", "model"),
        (b"model", "model"),
        (b"modelid", "model"),
        (b"usb_MDL", "model"),
        (b"usb_MFG", "vendor"),
        (b"mfg", "vendor"),
        (b"manufacturer", "vendor"),
        (b"vendor", "vendor"),
        (b"fw", "firmware"),
        (b"fv", "firmware"),
        (b"fwversion", "firmware"),
        (b"firmware", "firmware"),
        (b"swversion", "firmware"),
        (b"serialNumber", "serial"),
        (b"serial", "serial"),
        (b"sn", "serial"),
        (b"note", "location"),
        (b"fn", "name"),
        (b"mac", "mac"),
        (b"macaddress", "mac"),
        (b"osxvers", "os"),
    ];
    KNOWN.iter().find(|(k, _)| key.eq_ignore_ascii_case(k)).map(|(_, a)| *a)
}

/// Writes a registered name, or a prefix and the number.
fn named(row: &mut RowWriter<'_>, name: Option<&str>, prefix: &str, code: u16) {
    match name {
        Some(name) => row.text(name),
        None => row.text(&format!("{prefix}{code}")),
    };
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<At> {
        self.query_at.or(self.response_at)
    }

    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let style = self.service.style();
        row.text(self.service.name());
        row.text(if self.transport == Transport::Tcp { "tcp" } else { "udp" }).int(self.trans_id);
        let flags = self.response.map_or(self.query_flags, |m| m.flags);
        let opcode = (flags >> 11) as u8 & 0xf;
        named(row, opcode_name(opcode), "OPCODE", opcode.into());
        match self.response.map(|m| m.rcode()) {
            Some(rcode) => named(row, rcode_name(rcode), "RCODE", rcode),
            None => _ = row.null(),
        }
        row.opt_text(self.query);
        match (self.qtype, self.qclass) {
            (Some(qtype), Some(qclass)) => {
                named(row, type_name(qtype), "TYPE", qtype);
                named(row, class_name(qclass), "CLASS", qclass);
            }
            _ => _ = row.null().null(),
        }
        match self.response {
            Some(message) => {
                let listed = || self.listed(message).take(limits::LIST_ITEMS_MAX);
                let len = listed().count();
                let mut text = Text::default();
                row.list(len);
                for record in listed() {
                    match record.addr() {
                        Some(addr) => row.addr(addr),
                        None => {
                            record.show(&mut text, style);
                            row.text(text.as_str())
                        }
                    };
                }
                row.list(len);
                listed().for_each(|r| named(row, type_name(r.rtype), "TYPE", r.rtype));
                if self.service == Service::Dns {
                    row.null();
                } else {
                    row.list(len);
                    for record in listed() {
                        text.clear();
                        let _ = record.owner(&mut text, style);
                        row.text(text.as_str());
                    }
                }
                row.list(len);
                listed().for_each(|r| _ = row.int(r.ttl.min(i32::MAX as u32)));
            }
            None => _ = row.null().null().null().null(),
        }
        let bit = |mask: u16| flags & mask != 0;
        if self.service == Service::Llmnr {
            // The same bits mean conflict and tentative there (RFC 4795, section 2.1.1).
            row.null().bool(bit(0x0200)).null().null();
        } else {
            row.opt_bool(self.response.map(|_| bit(0x0400))).bool(bit(0x0200)).bool(bit(0x0100));
            row.opt_bool(self.response.map(|_| bit(0x0080)));
        }
        let rtt = self.query_at.zip(self.response_at).map(|(q, r)| r.0.since(q.0) / 1000);
        row.opt_int(rtt);
        for at in [self.query_at, self.response_at] {
            match at {
                Some((_, packet)) => row.count(packet),
                None => row.null(),
            };
        }
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let mut left = limits::MDNS_FACTS_MAX;
        self.every_fact(&mut |fact| {
            if left > 0 {
                left -= 1;
                tell(fact);
            }
        });
    }
}
