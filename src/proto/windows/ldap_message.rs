//! LDAP messages (RFC 4511, section 4), what search filters say (RFC 4515), and the answer to a
//! netlogon ping (MS-ADTS, section 6.3.3).

use super::ber::{self, ENUMERATED, Elements, INTEGER, OCTETS, SEQUENCE};
use crate::base::limits;
use crate::base::secret::BLANK;

/// Tags of the operations.
pub mod op {
    /// A bind.
    pub const BIND: u8 = 0x60;
    /// The answer to it.
    pub const BIND_RESPONSE: u8 = 0x61;
    /// The end.
    pub const UNBIND: u8 = 0x42;
    /// A search.
    pub const SEARCH: u8 = 0x63;
    /// An entry that was found.
    pub const ENTRY: u8 = 0x64;
    /// The end of a search.
    pub const DONE: u8 = 0x65;
    /// Changes to an entry.
    pub const MODIFY: u8 = 0x66;
    /// A new entry.
    pub const ADD: u8 = 0x68;
    /// An entry is taken away.
    pub const DELETE: u8 = 0x4a;
    /// Another name for an entry.
    pub const RENAME: u8 = 0x6c;
    /// Is this the value?
    pub const COMPARE: u8 = 0x6e;
    /// The answer to a request is not waited for.
    pub const ABANDON: u8 = 0x50;
    /// A reference to another server.
    pub const REFERENCE: u8 = 0x73;
    /// An extended request.
    pub const EXTENDED: u8 = 0x77;
    /// The answer to it.
    pub const EXTENDED_RESPONSE: u8 = 0x78;
    /// A part of an answer.
    pub const INTERMEDIATE: u8 = 0x79;

    /// Whether a tag is one of an operation.
    pub const fn known(tag: u8) -> bool {
        matches!(tag, 0x60..=0x61 | 0x63..=0x69 | 0x6b..=0x6f | 0x73 | 0x77..=0x79 | UNBIND | DELETE | ABANDON)
    }

    /// The request that a response answers.
    pub const fn request_of(tag: u8) -> Option<u8> {
        Some(match tag {
            BIND_RESPONSE => BIND,
            DONE => SEARCH,
            0x67 => MODIFY,
            0x69 => ADD,
            0x6b => DELETE,
            0x6d => RENAME,
            0x6f => COMPARE,
            EXTENDED_RESPONSE => EXTENDED,
            _ => return None,
        })
    }

    /// The name of a request.
    pub const fn name(tag: u8) -> &'static str {
        match tag {
            BIND => "bind",
            SEARCH => "search",
            MODIFY => "modify",
            ADD => "add",
            DELETE => "delete",
            RENAME => "rename",
            COMPARE => "compare",
            UNBIND => "unbind",
            ABANDON => "abandon",
            _ => "extended",
        }
    }
}

/// A message in its envelope.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// Message number.
    pub id: i64,
    /// Operation.
    pub op: u8,
    /// Its content.
    pub body: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Reads the content of the outermost sequence.
    pub fn read(content: &'a [u8]) -> Option<Self> {
        let mut e = Elements::new(content);
        let id = e.want(INTEGER).and_then(ber::integer).filter(|id| (0..=0x7fff_ffff).contains(id))?;
        let (op, body) = e.next()?;
        op::known(op).then_some(Self { id, op, body })
    }
}

/// How somebody binds.
#[derive(Clone, Copy)]
pub enum Auth<'a> {
    /// With a password in clear.
    Simple(&'a [u8]),
    /// With a SASL mechanism and its token.
    Sasl(&'a [u8], Option<&'a [u8]>),
    /// With NTLM in the way of old Windows (MS-ADTS, section 5.1.1.1.3).
    Sicily(&'a [u8]),
}

impl std::fmt::Debug for Auth<'_> {
    /// Without what it proves itself with.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Simple(_) => "Simple",
            Self::Sasl(..) => "Sasl",
            Self::Sicily(_) => "Sicily",
        })
    }
}

/// A bind: name and how.
pub fn bind(body: &[u8]) -> Option<(&[u8], Auth<'_>)> {
    let mut e = Elements::new(body);
    e.want(INTEGER).and_then(ber::integer).filter(|v| (1..=127).contains(v))?;
    let name = e.want(OCTETS)?;
    let (tag, value) = e.next()?;
    let auth = match tag {
        0x80 => Auth::Simple(value),
        0xa3 => {
            let mut e = Elements::new(value);
            let mechanism = e.want(OCTETS)?;
            Auth::Sasl(mechanism, e.want(OCTETS))
        }
        0x89..=0x8b => Auth::Sicily(value),
        _ => return None,
    };
    Some((name, auth))
}

/// The result of a response: code, name of the entry that was found on the way, and the rest.
#[derive(Debug, Clone, Copy)]
pub struct Outcome<'a> {
    /// Result code.
    pub code: i64,
    /// Name that matched; in Sicily the server's token.
    pub matched: &'a [u8],
    /// What stands behind the text.
    pub rest: Elements<'a>,
}

/// Reads an LDAPResult.
pub fn outcome(body: &[u8]) -> Option<Outcome<'_>> {
    let mut rest = Elements::new(body);
    let code = rest.want(ENUMERATED).and_then(ber::integer)?;
    let matched = rest.want(OCTETS)?;
    rest.want(OCTETS)?;
    Some(Outcome { code, matched, rest })
}

/// What a search asks for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Where it begins.
    pub base: Vec<u8>,
    /// `base`, `one` or `sub`.
    pub scope: &'static str,
    /// The filter as text.
    pub filter: String,
    /// Attributes that are wanted.
    pub attributes: Vec<Vec<u8>>,
}

/// Reads a search.
pub fn search(body: &[u8]) -> Option<Search> {
    let mut e = Elements::new(body);
    let base = e.want(OCTETS)?;
    let scope = match e.want(ENUMERATED).and_then(ber::integer)? {
        0 => "base",
        1 => "one",
        2 => "sub",
        _ => "other",
    };
    // Aliases, limits, types only.
    for _ in 0..4 {
        e.next()?;
    }
    let mut filter = String::new();
    let (tag, value) = e.next()?;
    show_filter(tag, value, 0, &mut filter);
    let attributes = e.enter(SEQUENCE).into_iter().flatten().take(limits::LDAP_ATTRIBUTES_MAX);
    let attributes = attributes.map(|(_, a)| cut(a).to_vec()).collect();
    Some(Search { base: cut(base).to_vec(), scope, filter, attributes })
}

/// A name or value, cut.
pub fn cut(value: &[u8]) -> &[u8] {
    value.get(..limits::SMB_TEXT_BYTES_MAX).unwrap_or(value)
}

/// Writes a filter as text (RFC 4515). What is too deep or too long becomes three dots.
fn show_filter(tag: u8, body: &[u8], depth: usize, out: &mut String) {
    if depth >= limits::LDAP_FILTER_DEPTH_MAX || out.len() >= limits::LDAP_FILTER_BYTES_MAX {
        out.push_str("...");
        return;
    }
    out.push('(');
    match tag {
        0xa0..=0xa2 => {
            out.push(match tag {
                0xa0 => '&',
                0xa1 => '|',
                _ => '!',
            });
            for (tag, part) in Elements::new(body) {
                show_filter(tag, part, depth + 1, out);
                if out.len() >= limits::LDAP_FILTER_BYTES_MAX {
                    break;
                }
            }
        }
        0xa3 | 0xa5 | 0xa6 | 0xa8 => {
            let mut e = Elements::new(body);
            let attribute = e.want(OCTETS).unwrap_or_default();
            push(attribute, out);
            out.push_str(match tag {
                0xa5 => ">=",
                0xa6 => "<=",
                0xa8 => "~=",
                _ => "=",
            });
            push_value(attribute, e.want(OCTETS).unwrap_or_default(), out);
        }
        0xa4 => {
            let mut e = Elements::new(body);
            let attribute = e.want(OCTETS).unwrap_or_default();
            push(attribute, out);
            out.push('=');
            let (mut starred, secret) = (false, is_secret(attribute));
            for (tag, part) in e.enter(SEQUENCE).into_iter().flatten().take(limits::LDAP_ATTRIBUTES_MAX) {
                if tag != 0x80 && !starred {
                    out.push('*');
                }
                if secret {
                    out.push_str(BLANK)
                } else {
                    push(part, out)
                }
                starred = tag != 0x82;
                if starred {
                    out.push('*');
                }
            }
        }
        0x87 => {
            push(body, out);
            out.push_str("=*");
        }
        0xa9 => {
            let fields = Elements::new(body);
            let attribute = fields.find(0x82).unwrap_or_default();
            push(attribute, out);
            if let Some(rule) = fields.find(0x81) {
                out.push(':');
                push(rule, out);
            }
            out.push_str(":=");
            push_value(attribute, fields.find(0x83).unwrap_or_default(), out);
        }
        _ => out.push('?'),
    }
    out.push(')');
}

fn push(bytes: &[u8], out: &mut String) {
    let room = limits::LDAP_FILTER_BYTES_MAX.saturating_sub(out.len());
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(|c| !c.is_control()) => {
            out.push_str(text.get(..text.floor_char_boundary(room)).unwrap_or_default());
        }
        _ => {
            for byte in bytes.iter().take(room / 3) {
                out.push_str(&format!("\\{byte:02x}"));
            }
        }
    }
}

/// A value, but that of a password.
fn push_value(attribute: &[u8], value: &[u8], out: &mut String) {
    if is_secret(attribute) { out.push_str(BLANK) } else { push(value, out) }
}

/// Whether an attribute holds a password. Names are short: the rest of a long one is not searched.
fn is_secret(attribute: &[u8]) -> bool {
    use crate::proto::text::{contains, is_secret_word};
    let attribute = cut(attribute);
    is_secret_word(attribute)
        || ["password", "pwd", "passwd", "secret"].iter().any(|w| contains(attribute, w.as_bytes()))
}

/// What an entry tells of its server: the root of the tree, or the answer to a netlogon ping.
pub fn entry_facts(body: &[u8], tell: &mut dyn FnMut(&'static str, &[u8])) {
    let mut e = Elements::new(body);
    let Some(name) = e.want(OCTETS) else { return };
    if !name.is_empty() {
        return;
    }
    for (_, attribute) in e.enter(SEQUENCE).into_iter().flatten().take(limits::LDAP_ATTRIBUTES_MAX) {
        let mut e = Elements::new(attribute);
        let (Some(kind), Some((_, set))) = (e.want(OCTETS), e.next()) else { continue };
        let Some(value) = Elements::new(set).want(OCTETS) else { continue };
        let is = |name: &str| kind.eq_ignore_ascii_case(name.as_bytes());
        if is("dnsHostName") {
            tell("hostname", cut(value));
        } else if is("rootDomainNamingContext") || is("defaultNamingContext") {
            tell("domain", &dotted(value));
        } else if is("vendorName") {
            tell("vendor", cut(value));
        } else if is("vendorVersion") {
            tell("server", cut(value));
        } else if is("netlogon") {
            netlogon(value, tell);
        }
    }
}

/// `dc=example,dc=com` as `example.com`.
fn dotted(name: &[u8]) -> Vec<u8> {
    let parts = cut(name).split(|c| *c == b',').map(<[u8]>::trim_ascii);
    let labels: Vec<&[u8]> =
        parts.filter(|p| crate::proto::text::starts_with(p, b"dc=")).map(|p| p.get(3..).unwrap_or_default()).collect();
    labels.join(&b'.')
}

/// The answer to a ping: NETLOGON_SAM_LOGON_RESPONSE_EX, with names compressed as in DNS.
fn netlogon(value: &[u8], tell: &mut dyn FnMut(&'static str, &[u8])) {
    const NAMES_AT: usize = 24;
    if !matches!(value, [23 | 25, 0, ..]) {
        return;
    }
    let mut at = NAMES_AT;
    // Forest, domain, host, then their NetBIOS names.
    for attribute in [None, Some("domain"), Some("hostname")] {
        let Some((name, next)) = dns_name(value, at) else { return };
        if let Some(attribute) = attribute {
            tell(attribute, &name);
        }
        at = next;
    }
}

/// A name at a place, and where the next one begins (RFC 1035, section 4.1.4). Pointers only go back.
fn dns_name(bytes: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let mut name: Vec<u8> = Vec::new();
    let (mut at, mut next) = (start, None);
    while name.len() < limits::DNS_NAME_BYTES_MAX {
        match *bytes.get(at)? {
            0 => return Some((name, next.unwrap_or(at + 1))),
            len @ 1..=63 => {
                if !name.is_empty() {
                    name.push(b'.');
                }
                name.extend_from_slice(bytes.get(at + 1..at + 1 + usize::from(len))?);
                at += 1 + usize::from(len);
            }
            high @ 0xc0.. => {
                let target = usize::from(high & 0x3f) << 8 | usize::from(*bytes.get(at + 1)?);
                next = next.or(Some(at + 2));
                if target >= at {
                    return None;
                }
                at = target;
            }
            _ => return None,
        }
    }
    None
}

/// The name of a result (section 4.1.9).
pub const fn result_name(code: i64) -> Option<&'static str> {
    Some(match code {
        0 => "success",
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        5 => "compareFalse",
        6 => "compareTrue",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        13 => "confidentialityRequired",
        14 => "saslBindInProgress",
        16 => "noSuchAttribute",
        20 => "attributeOrValueExists",
        21 => "invalidAttributeSyntax",
        32 => "noSuchObject",
        34 => "invalidDNSyntax",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        65 => "objectClassViolation",
        68 => "entryAlreadyExists",
        80 => "other",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::kerberos_message::tests::{seq, tlv};
    use super::*;

    #[test]
    fn a_bind_prints_no_password() {
        assert_eq!(format!("{:?} {:?}", Auth::Simple(b"hunter22"), Auth::Sicily(b"x")), "Simple Sicily");
        assert!(is_secret(b"userPassword") && !is_secret(&[&[b'x'; 100_000][..], b"password"].concat()));
    }

    #[test]
    fn a_filter_is_shown_as_people_write_it() {
        let eq = |a: &str, v: &str| tlv(0xa3, &[tlv(4, a.as_bytes()), tlv(4, v.as_bytes())].concat());
        let substring = tlv(0xa4, &[tlv(4, b"cn"), seq(&[tlv(0x80, b"a"), tlv(0x81, b"b"), tlv(0x82, b"c")])].concat());
        let parts =
            [eq("uid", "ana"), eq("userPassword", "hunter22"), eq("pin", "4711"), tlv(0x87, b"mail"), substring];
        let whole = tlv(0xa0, &parts.concat());
        let (tag, body) = Elements::new(&whole).next().unwrap();
        let mut out = String::new();
        show_filter(tag, body, 0, &mut out);
        assert_eq!(out, "(&(uid=ana)(userPassword=[blanked])(pin=[blanked])(mail=*)(cn=a*b*c))");
    }

    #[test]
    fn a_deep_filter_is_cut() {
        let mut filter = tlv(0x87, b"cn");
        for _ in 0..40 {
            filter = tlv(0xa2, &filter);
        }
        let (tag, body) = Elements::new(&filter).next().unwrap();
        let mut out = String::new();
        show_filter(tag, body, 0, &mut out);
        assert_eq!(out, "(!(!(!(!(!(!(!(!...))))))))");
        let long = tlv(0xa1, &tlv(0x87, &[b'x'; 100]).repeat(100));
        out.clear();
        let (tag, body) = Elements::new(&long).next().unwrap();
        show_filter(tag, body, 0, &mut out);
        assert!(out.len() < limits::LDAP_FILTER_BYTES_MAX + 64, "{}", out.len());
    }

    #[test]
    fn a_ping_names_the_domain_controller() {
        let mut value = vec![23, 0, 0, 0, 0xfd, 0x33, 0, 0];
        value.extend([0; 16]);
        value.extend(b"\x02ad\x07example\0\xc0\x18\x03dc1\xc0\x18\x02AD\0\x03DC1\0");
        let mut seen = Vec::new();
        netlogon(&value, &mut |a, v| seen.push(format!("{a}={}", String::from_utf8_lossy(v))));
        assert_eq!(seen, ["domain=ad.example", "hostname=dc1.ad.example"]);
        assert_eq!(dns_name(b"\xc0\x00", 0), None, "a loop");
        assert_eq!(dotted(b"DC=ad, dc=example,cn=x"), b"ad.example");
    }
}
