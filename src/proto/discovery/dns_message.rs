//! The DNS message format (RFC 1035, section 4), shared by DNS, mDNS and LLMNR. Nothing is copied
//! or decoded before somebody asks for it.

use std::fmt::Write as _;

use crate::base::{Addr, Reader, limits};
use crate::proto::text;

/// Record types that the program itself looks at.
#[allow(missing_docs)] // the names of the IANA registry "Resource Record (RR) TYPEs"
pub mod rtype {
    pub const A: u16 = 1;
    pub const NS: u16 = 2;
    pub const CNAME: u16 = 5;
    pub const SOA: u16 = 6;
    pub const PTR: u16 = 12;
    pub const HINFO: u16 = 13;
    pub const MX: u16 = 15;
    pub const TXT: u16 = 16;
    pub const AAAA: u16 = 28;
    pub const SRV: u16 = 33;
    pub const DNAME: u16 = 39;
    pub const OPT: u16 = 41;
    pub const NSEC: u16 = 47;
    pub const SVCB: u16 = 64;
    pub const HTTPS: u16 = 65;
    pub const CAA: u16 = 257;
}

/// The name of a record or query type in the IANA registry, where it is in use.
pub const fn type_name(code: u16) -> Option<&'static str> {
    Some(match code {
        1 => "A",
        2 => "NS",
        3 => "MD",
        4 => "MF",
        5 => "CNAME",
        6 => "SOA",
        7 => "MB",
        8 => "MG",
        9 => "MR",
        10 => "NULL",
        11 => "WKS",
        12 => "PTR",
        13 => "HINFO",
        14 => "MINFO",
        15 => "MX",
        16 => "TXT",
        17 => "RP",
        18 => "AFSDB",
        19 => "X25",
        20 => "ISDN",
        21 => "RT",
        22 => "NSAP",
        24 => "SIG",
        25 => "KEY",
        26 => "PX",
        28 => "AAAA",
        29 => "LOC",
        33 => "SRV",
        34 => "ATMA",
        35 => "NAPTR",
        36 => "KX",
        37 => "CERT",
        38 => "A6",
        39 => "DNAME",
        41 => "OPT",
        42 => "APL",
        43 => "DS",
        44 => "SSHFP",
        45 => "IPSECKEY",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        49 => "DHCID",
        50 => "NSEC3",
        51 => "NSEC3PARAM",
        52 => "TLSA",
        53 => "SMIMEA",
        55 => "HIP",
        59 => "CDS",
        60 => "CDNSKEY",
        61 => "OPENPGPKEY",
        62 => "CSYNC",
        63 => "ZONEMD",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        108 => "EUI48",
        109 => "EUI64",
        249 => "TKEY",
        250 => "TSIG",
        251 => "IXFR",
        252 => "AXFR",
        253 => "MAILB",
        254 => "MAILA",
        255 => "ANY",
        256 => "URI",
        257 => "CAA",
        32768 => "TA",
        32769 => "DLV",
        _ => return None,
    })
}

/// The name of a response code (IANA registry "DNS RCODEs").
pub const fn rcode_name(code: u16) -> Option<&'static str> {
    Some(match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        11 => "DSOTYPENI",
        16 => "BADVERS",
        17 => "BADKEY",
        18 => "BADTIME",
        19 => "BADMODE",
        20 => "BADNAME",
        21 => "BADALG",
        22 => "BADTRUNC",
        23 => "BADCOOKIE",
        _ => return None,
    })
}

/// The name of an operation (IANA registry "DNS OpCodes").
pub const fn opcode_name(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "QUERY",
        1 => "IQUERY",
        2 => "STATUS",
        4 => "NOTIFY",
        5 => "UPDATE",
        6 => "DSO",
        _ => return None,
    })
}

/// The name of a class (IANA registry "DNS CLASSes").
pub const fn class_name(code: u16) -> Option<&'static str> {
    Some(match code {
        1 => "IN",
        3 => "CH",
        4 => "HS",
        254 => "NONE",
        255 => "ANY",
        _ => return None,
    })
}

/// How the bytes of names and texts become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Everything but printable ASCII as `\DDD`, dots inside of labels as `\.` (RFC 4343, section 2.1).
    Escaped,
    /// As above, but UTF-8 and blanks stay, as multicast DNS means them (RFC 6762, section 16).
    Utf8,
}

/// Text in a fixed buffer: a decoded name, or the value of a record. What does not fit is cut.
#[derive(Clone)]
pub struct Text {
    // A name of 255 bytes of which each becomes \DDD fits.
    buffer: [u8; 1024],
    len: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self { buffer: [0; 1024], len: 0 }
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_str().fmt(f)
    }
}

impl std::fmt::Write for Text {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        let room = self.buffer.len() - self.len;
        let cut = if s.len() > room { s.floor_char_boundary(room) } else { s.len() };
        for (to, from) in self.buffer.iter_mut().skip(self.len).zip(s.as_bytes().iter().take(cut)) {
            *to = *from;
        }
        self.len += cut;
        Ok(())
    }
}

impl Text {
    /// Empties it.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let bytes = self.buffer.get(..self.len).unwrap_or_default();
        match std::str::from_utf8(bytes) {
            Ok(s) => s,
            // A character at the end did not fit.
            Err(e) => std::str::from_utf8(bytes.get(..e.valid_up_to()).unwrap_or_default()).unwrap_or_default(),
        }
    }

    #[inline]
    fn push(&mut self, c: u8) {
        if let Some(slot) = self.buffer.get_mut(self.len) {
            *slot = c;
            self.len += 1;
        }
    }

    fn escaped(&mut self, bytes: &[u8], style: Style, dots: bool) {
        // Nearly all labels are as they are written.
        if bytes.iter().all(|c| matches!(c, b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'_' | b'a'..=b'z'))
            && let Some(room) = self.buffer.get_mut(self.len..self.len + bytes.len())
        {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
            return;
        }
        // The second half of the Latin-1 block are control characters too.
        let utf8 = style == Style::Utf8
            && std::str::from_utf8(bytes).is_ok_and(|s| !s.chars().any(|c| matches!(c, '\u{80}'..='\u{9f}')));
        for c in bytes {
            match c {
                b'\\' => {
                    self.push(b'\\');
                    self.push(*c);
                }
                b'.' if dots => {
                    self.push(b'\\');
                    self.push(*c);
                }
                0x21..=0x7e => self.push(*c),
                0x80.. if utf8 => self.push(*c),
                b' ' if style == Style::Utf8 || !dots => self.push(*c),
                _ => {
                    for digit in [b'\\', b'0' + c / 100, b'0' + c / 10 % 10, b'0' + c % 10] {
                        self.push(digit);
                    }
                }
            }
        }
    }

    /// Appends the name that begins at `at` in the message. Answers where the name ends in place
    /// (behind the first pointer, where there is one). Pointers must lead backwards, so there is no
    /// loop; the root is `.`.
    fn push_name(&mut self, message: &[u8], at: usize, style: Style) -> Option<usize> {
        let mut place = at;
        let mut end = None;
        let mut pointers = 0;
        let mut wire_len = 1;
        loop {
            let len = usize::from(*message.get(place)?);
            match len & 0xc0 {
                0 if len == 0 => {
                    if wire_len == 1 {
                        self.push(b'.');
                    }
                    return Some(end.unwrap_or(place + 1));
                }
                0 => {
                    let label = message.get(place + 1..place + 1 + len)?;
                    if wire_len > 1 {
                        self.push(b'.');
                    }
                    wire_len += len + 1;
                    if wire_len > limits::DNS_NAME_BYTES_MAX {
                        return None;
                    }
                    self.escaped(label, style, true);
                    place += 1 + len;
                }
                0xc0 => {
                    let target = (len & 0x3f) << 8 | usize::from(*message.get(place + 1)?);
                    end = end.or(Some(place + 2));
                    pointers += 1;
                    if target >= place || pointers > limits::DNS_POINTERS_MAX {
                        return None;
                    }
                    place = target;
                }
                _ => return None,
            }
        }
    }

    /// Holds the name that begins at `at` in the message, and nothing else; where the name ends.
    pub fn read_name(&mut self, message: &[u8], at: usize, style: Style) -> Option<usize> {
        self.clear();
        self.push_name(message, at, style)
    }
}

/// Names that stand one behind the other without a message around them, as DHCP carries them
/// (RFC 1035, section 3.1, without compression); the good ones up to the first that is not.
pub fn names(bytes: &[u8]) -> Vec<String> {
    let mut text = Text::default();
    let mut at = 0;
    let mut out = Vec::new();
    while at < bytes.len() && out.len() < limits::LIST_ITEMS_MAX {
        // A name that is cut, as partial names of clients are, ends where the bytes do.
        let Some(end) = text.read_name(bytes, at, Style::Escaped) else { break };
        out.push(text.as_str().to_owned());
        at = end.max(at + 1);
    }
    out
}

/// Where the name at `at` ends, its labels not looked at.
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    let first = at;
    loop {
        let len = usize::from(*message.get(at)?);
        match len & 0xc0 {
            0 if len == 0 => return Some(at + 1),
            0 => at += 1 + len,
            0xc0 => return message.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
        if at - first > limits::DNS_NAME_BYTES_MAX {
            return None;
        }
    }
}

/// Section of a message that a record stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // RFC 1035, section 4.1
pub enum Section {
    Answer,
    Authority,
    Additional,
}

/// A question.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Where its name begins.
    pub name_at: usize,
    /// Type asked for.
    pub qtype: u16,
    /// Class, with the top bit as it came (in multicast DNS: a unicast response is wanted).
    pub qclass: u16,
    /// Where it ends.
    pub end: usize,
}

/// A message whose header and questions parse.
#[derive(Clone, Copy)]
pub struct Message<'e> {
    bytes: &'e [u8],
    /// Transaction identifier.
    pub id: u16,
    /// The flag word.
    pub flags: u16,
    /// Numbers of questions, answers, authority and additional records, as stated.
    pub counts: [u16; 4],
    records_at: usize,
}

impl std::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({:#06x}, {:#06x}, {:?})", self.id, self.flags, self.counts)
    }
}

impl<'e> Message<'e> {
    /// Reads the header and walks over the questions. The records may be cut.
    pub fn parse(bytes: &'e [u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let id = r.be16("id").ok()?;
        let flags = r.be16("flags").ok()?;
        let counts = [r.be16("qd").ok()?, r.be16("an").ok()?, r.be16("ns").ok()?, r.be16("ar").ok()?];
        let mut message = Self { bytes, id, flags, counts, records_at: 12 };
        let end = message.questions().map(|q| q.map(|q| q.end)).try_fold(12, |_, end| end)?;
        message.records_at = end;
        Some(message)
    }

    /// All of its bytes.
    pub const fn bytes(&self) -> &'e [u8] {
        self.bytes
    }

    /// Whether it is a response.
    pub const fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// Operation code.
    pub const fn opcode(&self) -> u8 {
        (self.flags >> 11) as u8 & 0xf
    }

    /// Response code, with the upper bits of EDNS (RFC 6891, section 6.1.3).
    pub fn rcode(&self) -> u16 {
        let low = self.flags & 0xf;
        if self.counts[3] == 0 {
            return low;
        }
        let opt = self.records().find(|r| r.section == Section::Additional && r.rtype == rtype::OPT);
        opt.map_or(low, |opt| (opt.ttl >> 24) as u16 * 16 + low)
    }

    /// The questions; `None` once where one does not parse.
    pub fn questions(&self) -> impl Iterator<Item = Option<Question>> {
        let bytes = self.bytes;
        let mut at = Some(12);
        (0..self.counts[0]).map_while(move |_| {
            let name_at = at?;
            let question = (|| {
                let mut r = Reader::new(bytes.get(skip_name(bytes, name_at)?..)?);
                let (qtype, qclass) = (r.be16("type").ok()?, r.be16("class").ok()?);
                Some(Question { name_at, qtype, qclass, end: bytes.len() - r.remaining() })
            })();
            at = question.map(|q| q.end);
            Some(question)
        })
    }

    /// The records of all sections in order, up to the first that is cut or does not parse.
    pub fn records(&self) -> Records<'e> {
        Records { bytes: self.bytes, at: self.records_at, left: [self.counts[1], self.counts[2], self.counts[3]] }
    }

    /// Whether every stated record parses and nothing follows the last one.
    pub fn is_exact(&self) -> bool {
        let mut records = self.records();
        while records.next().is_some() {}
        records.left == [0; 3] && records.at == self.bytes.len()
    }
}

/// Iterator over the records of a message.
#[derive(Debug, Clone)]
pub struct Records<'e> {
    bytes: &'e [u8],
    at: usize,
    left: [u16; 3],
}

impl<'e> Iterator for Records<'e> {
    type Item = Record<'e>;

    #[inline]
    fn next(&mut self) -> Option<Record<'e>> {
        let (left, section) = match &mut self.left {
            [n, _, _] if *n > 0 => (n, Section::Answer),
            [_, n, _] if *n > 0 => (n, Section::Authority),
            [_, _, n] if *n > 0 => (n, Section::Additional),
            _ => return None,
        };
        let mut r = Reader::new(self.bytes.get(skip_name(self.bytes, self.at)?..)?);
        let record = Record {
            message: self.bytes,
            section,
            owner_at: self.at,
            rtype: r.be16("type").ok()?,
            class: r.be16("class").ok()?,
            ttl: r.be32("ttl").ok()?,
            rdata: {
                let len = r.be16("rdlength").ok()?;
                r.take("rdata", usize::from(len)).ok()?
            },
            end: self.bytes.len() - r.remaining(),
        };
        *left -= 1;
        self.at = record.end;
        Some(record)
    }
}

/// A resource record.
#[derive(Debug, Clone, Copy)]
pub struct Record<'e> {
    message: &'e [u8],
    /// Section that it stands in.
    pub section: Section,
    owner_at: usize,
    /// Type.
    pub rtype: u16,
    /// Class, with the top bit as it came (in multicast DNS: the record is the only one).
    pub class: u16,
    /// Time to live in seconds.
    pub ttl: u32,
    /// Its data.
    pub rdata: &'e [u8],
    end: usize,
}

impl Record<'_> {
    /// Where the name that the record belongs to begins in the message.
    pub const fn owner_at(&self) -> usize {
        self.owner_at
    }

    /// Reads the name that the record belongs to.
    pub fn owner(&self, into: &mut Text, style: Style) -> Option<()> {
        into.read_name(self.message, self.owner_at, style).map(|_| ())
    }

    /// The address of an A or AAAA record.
    #[inline]
    pub fn addr(&self) -> Option<Addr> {
        match self.rtype {
            rtype::A => Some(Addr::v4(self.rdata.try_into().ok()?)),
            rtype::AAAA => Some(Addr(self.rdata.try_into().ok()?)),
            _ => None,
        }
    }

    /// Reads the name that the data consists of, or ends with, for the types that have one.
    pub fn target(&self, into: &mut Text, style: Style) -> Option<()> {
        let skip = match self.rtype {
            rtype::NS | rtype::CNAME | rtype::PTR | rtype::DNAME => 0,
            rtype::MX | rtype::SVCB | rtype::HTTPS => 2,
            rtype::SRV => 6,
            _ => return None,
        };
        let data_at = self.end - self.rdata.len();
        (skip < self.rdata.len()).then(|| into.read_name(self.message, data_at + skip, style)).flatten().map(|_| ())
    }

    /// The port of an SRV record (RFC 2782).
    pub fn srv_port(&self) -> Option<u16> {
        match (self.rtype, self.rdata) {
            (rtype::SRV, [_, _, _, _, high, low, ..]) => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }

    /// The character strings of a TXT or HINFO record.
    pub fn strings(&self) -> impl Iterator<Item = &[u8]> {
        let textual = matches!(self.rtype, rtype::TXT | rtype::HINFO);
        let mut r = Reader::new(if textual { self.rdata } else { &[] });
        std::iter::from_fn(move || r.vec8("string").ok().map(|s| s.peek_rest()))
    }

    /// The value as text: what stands behind the type in a zone file, without quotes. Unknown
    /// types in the form of RFC 3597, section 5.
    pub fn show(&self, out: &mut Text, style: Style) {
        out.clear();
        let data_at = self.end - self.rdata.len();
        let whole = match (self.rtype, self.rdata) {
            (rtype::A | rtype::AAAA, _) => self.addr().and_then(|a| write!(out, "{a}").ok()),
            (rtype::NS | rtype::CNAME | rtype::PTR | rtype::DNAME, _) => self.target(out, style),
            (rtype::MX | rtype::SVCB | rtype::HTTPS, [a, b, ..]) => {
                let _ = write!(out, "{} ", u16::from_be_bytes([*a, *b]));
                out.push_name(self.message, data_at + 2, style).map(|_| ())
            }
            (rtype::SRV, [a, b, c, d, e, f, ..]) => {
                let [priority, weight, port] = [[*a, *b], [*c, *d], [*e, *f]].map(u16::from_be_bytes);
                let _ = write!(out, "{priority} {weight} {port} ");
                out.push_name(self.message, data_at + 6, style).map(|_| ())
            }
            (rtype::SOA, _) => out.push_name(self.message, data_at, style).and_then(|at| {
                out.push(b' ');
                let at = out.push_name(self.message, at, style)?;
                let serial = Reader::new(self.message.get(at..)?).be32("serial").ok()?;
                write!(out, " {serial}").ok()
            }),
            (rtype::TXT | rtype::HINFO, _) => {
                for (n, s) in self.strings().enumerate() {
                    if n > 0 {
                        out.push(b' ');
                    }
                    out.escaped(&text::without_settings(s), style, false);
                }
                Some(())
            }
            (rtype::CAA, [flags, len, rest @ ..]) => rest.split_at_checked(usize::from(*len)).map(|(tag, value)| {
                let _ = write!(out, "{flags} ");
                out.escaped(tag, style, false);
                out.push(b' ');
                out.escaped(value, style, false);
            }),
            _ => None,
        };
        if whole.is_none() {
            out.clear();
            let _ = write!(out, "\\# {} ", self.rdata.len());
            for byte in self.rdata.iter().take(64) {
                let _ = write!(out, "{byte:02x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(message: &[u8], at: usize) -> Option<String> {
        let mut text = Text::default();
        text.read_name(message, at, Style::Escaped)?;
        Some(text.as_str().to_owned())
    }

    #[test]
    fn names_with_pointers_and_odd_bytes() {
        let m = b"\x07example\x03com\x00\x03www\xc0\x00\x04a.\\\xff\x00";
        assert_eq!(name(m, 0).unwrap(), "example.com");
        assert_eq!(name(m, 13).unwrap(), "www.example.com");
        assert_eq!(name(m, 19).unwrap(), "a\\.\\\\\\255");
        assert_eq!(name(m, 12).unwrap(), ".");
        let mut text = Text::default();
        assert_eq!(text.read_name(m, 13, Style::Escaped), Some(19), "the place behind the pointer");
    }

    #[test]
    fn pointers_that_lead_nowhere_or_on_or_around() {
        assert_eq!(name(b"\xc0\x00", 0), None, "to itself");
        assert_eq!(name(b"\xc0\x02\xc0\x00", 0), None, "forward");
        assert_eq!(name(b"\x01a\xc0", 0), None, "cut");
        assert_eq!(name(b"\x41a", 0), None, "reserved label type");
        // a label before a pointer back to it: each round adds a label until the length says stop
        assert_eq!(name(b"\x01a\xc0\x00", 0), None);
        let mut chain = vec![0];
        for n in 0..100_u8 {
            chain.extend([0xc0, if n == 0 { 0 } else { n * 2 - 1 }]);
        }
        assert_eq!(name(&chain, 1).unwrap(), ".");
        assert_eq!(name(&chain, 199), None, "too many pointers");
    }

    #[test]
    fn a_name_of_255_bytes_is_the_longest() {
        let mut m = Vec::new();
        for _ in 0..3 {
            m.push(63);
            m.extend([1; 63]);
        }
        m.push(61);
        m.extend([1; 61]);
        m.push(0);
        assert_eq!(m.len(), 255);
        assert_eq!(name(&m, 0).unwrap().len(), (63 * 3 + 61) * 4 + 3);
        m[192] = 62;
        m.insert(200, 1);
        assert_eq!(name(&m, 0), None);
    }

    #[test]
    fn multicast_names_stay_utf8() {
        let mut text = Text::default();
        text.read_name(b"\x0aB\xc3\xbcro 2.OG\0", 0, Style::Utf8);
        assert_eq!(text.as_str(), "B\u{fc}ro 2\\.OG");
        text.read_name(b"\x03\xff\xc3\xbc\0", 0, Style::Utf8);
        assert_eq!(text.as_str(), "\\255\\195\\188", "not UTF-8");
        text.read_name(b"\x02\xc2\x9b\0", 0, Style::Utf8);
        assert_eq!(text.as_str(), "\\194\\155", "a control character");
    }

    fn record(rtype: u16, rdata: &[u8]) -> String {
        let mut m = b"\x00\x01\x80\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00".to_vec();
        m.extend(rtype.to_be_bytes());
        m.extend([0, 1, 0, 0, 0, 60]);
        m.extend((rdata.len() as u16).to_be_bytes());
        m.extend(rdata);
        let message = Message::parse(&m).unwrap();
        assert!(message.is_exact());
        let mut text = Text::default();
        message.records().next().unwrap().show(&mut text, Style::Escaped);
        text.as_str().to_owned()
    }

    #[test]
    fn values_of_records() {
        assert_eq!(record(rtype::A, &[192, 0, 2, 1]), "192.0.2.1");
        assert_eq!(record(rtype::A, &[192, 0, 2]), "\\# 3 c00002");
        assert_eq!(record(rtype::MX, b"\x00\x0a\x02mx\x00"), "10 mx");
        assert_eq!(record(rtype::SRV, b"\x00\x01\x00\x02\x13\xc4\x03pbx\x00"), "1 2 5060 pbx");
        assert_eq!(record(rtype::TXT, b"\x03a=b\x02\x07 "), "a=b \\007 ");
        assert_eq!(record(rtype::SOA, b"\x01m\x00\x01r\x00\x00\x00\x00\x07etc"), "m r 7");
        assert_eq!(record(rtype::CAA, b"\x00\x05issueca.example"), "0 issue ca.example");
        assert_eq!(record(rtype::HTTPS, b"\x00\x01\x00"), "1 .");
        assert_eq!(record(1234, &[1, 2]), "\\# 2 0102");
    }
}
