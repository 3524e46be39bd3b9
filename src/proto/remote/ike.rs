//! IKE, which agrees on the keys of IPsec: what is offered and chosen, identities and certificates, as far as they stand in
//! clear (version 1: RFC 2408, section 3, and RFC 2409; version 2: RFC 7296, section 3; behind four zeros on another port:
//! RFC 3948, section 2.2).
//!
//! ```text
//! header:  initiator(8) responder(8) next(1) version(1) exchange(1) flags(1) id(4) length(4)
//! payload: next(1) reserved(1) length(2, these four included) ...
//! ```

use std::borrow::Cow;

use super::ike_names as names;
use crate::base::secret::Reveal;
use crate::base::{ReadError, Reader, limits};
use crate::fingerprint::hex;
use crate::proto::api::{AppParser, Cx, Direction, Event as ApiEvent, Presented, Probe, Progress, Spec, Transport};
use crate::proto::framing::front;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

const NAME: &str = "ike";
/// Bytes of the header.
const HEADER: usize = 28;

/// The table.
pub static TABLE: Table = Table {
    name: "ike",
    doc: "IKE (IPsec): one row for each different message of a flow that offers or chooses algorithms, or shows an identity or a certificate, in clear",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("version", Type::Int32, "Major version of IKE: 1 or 2"),
        Column::repeating("exchange", Type::Text, "main, aggressive, sa-init ..., else its number"),
        Column::repeating("from_originator", Type::Bool, "Whether the originator of the flow sent it"),
        Column::repeating(
            "chosen",
            Type::Bool,
            "Whether it answers: the algorithms are then those agreed on, else those offered",
        ),
        Column::repeating("encryption", Type::TextList, "Ciphers, with the bits of the key where they are told"),
        Column::repeating("integrity", Type::TextList, "Hashes (version 1), or algorithms for integrity (version 2)"),
        Column::repeating("prf", Type::TextList, "Pseudo-random functions (version 2)"),
        Column::repeating("groups", Type::TextList, "Diffie-Hellman groups"),
        Column::repeating(
            "authentication",
            Type::TextList,
            "How both sides prove who they are (version 1): psk, rsa-signature ...",
        ),
        Column::repeating("identity", Type::Text, "Who the sender says it is, where that is text or an address"),
        Column::repeating(
            "vendor_ids",
            Type::TextList,
            "Vendor identifiers in hex: software and what it can; the first 16",
        ),
    ],
};

/// What one message tells.
#[derive(Debug, Clone, Hash)]
pub struct Message<'e> {
    /// Major version.
    pub version: u8,
    /// Exchange.
    pub exchange: Cow<'static, str>,
    /// Who sent it.
    pub from: Direction,
    /// Whether the algorithms are those that were agreed on.
    pub chosen: bool,
    /// Whether what it answers was seen: without that, one forged datagram could say anything of its receiver.
    pub answers: bool,
    /// Ciphers.
    pub ciphers: Vec<Cow<'static, str>>,
    /// Hashes, or algorithms for integrity.
    pub integrity: Vec<Cow<'static, str>>,
    /// Pseudo-random functions.
    pub prf: Vec<Cow<'static, str>>,
    /// Numbers of Diffie-Hellman groups.
    pub groups: Vec<u16>,
    /// Numbers of ways to prove who one is.
    pub authentication: Vec<u16>,
    /// Who the sender says it is.
    pub identity: Option<Cow<'e, [u8]>>,
    /// Vendor identifiers.
    pub vendors: Vec<&'e [u8]>,
    /// Certificates, the sender's own first.
    pub chain: Vec<&'e [u8]>,
    /// Whether it holds the hash by which the sender proves that it knows the shared secret.
    pub proves: bool,
}

impl Message<'_> {
    /// Whether who hears the message can try passwords on it: aggressive mode with a shared secret sends what is computed
    /// with it in clear, and all else that goes in (RFC 2409, sections 5 and 5.4).
    pub fn shows_shared_secret(&self) -> bool {
        let shared =
            self.authentication.iter().all(|a| matches!(a, 1 | 65001 | 65002)) && !self.authentication.is_empty();
        self.version == 1 && self.exchange == "aggressive" && self.chosen && self.proves && shared
    }
}

impl ApiEvent for Message<'_> {
    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        row.int(self.version).text(&self.exchange).bool(self.from == Direction::Orig).bool(self.chosen);
        row.texts(&self.ciphers).texts(&self.integrity).texts(&self.prf);
        row.texts(&self.groups.iter().map(|g| names::group(*g)).collect::<Vec<_>>());
        row.texts(&self.authentication.iter().map(|a| names::authentication(*a)).collect::<Vec<_>>());
        row.opt_user(self.identity.as_deref());
        row.texts(&self.vendors.iter().map(|v| hex(front(v, limits::IKE_VENDOR_BYTES_MAX))).collect::<Vec<_>>());
    }

    fn presents(&self) -> Option<Presented<'_>> {
        (!self.chain.is_empty()).then_some(Presented { sender: self.from, chain: &self.chain })
    }
}

/// The header of a message, and what is behind it.
struct Head<'b> {
    initiator: [u8; 8],
    answered: bool,
    next: u8,
    version: u8,
    exchange: u8,
    flags: u8,
    body: &'b [u8],
}

/// Reads a message whose length is that of the datagram.
fn head(datagram: &[u8]) -> Option<Head<'_>> {
    let bare = |message| read_head(message).ok().flatten();
    // Of another port than IKE's own; a message itself hardly begins with an index of so many zeros.
    match datagram.strip_prefix(&[0; 4]) {
        Some(message) => bare(message).or_else(|| bare(datagram)),
        None => bare(datagram),
    }
}

fn read_head(message: &[u8]) -> Result<Option<Head<'_>>, ReadError> {
    let mut r = Reader::new(message);
    let initiator: [u8; 8] = r.array("initiator")?;
    let answered = r.take("responder", 8)?.iter().any(|b| *b != 0);
    let (next, version, exchange, flags) = (r.u8("next")?, r.u8("version")?, r.u8("exchange")?, r.u8("flags")?);
    let _id = r.be32("id")?;
    let len = r.be32("length")? as usize;
    let known = match version {
        0x10 => matches!(exchange, 1..=6 | 32 | 33) && matches!(next, 0..=21 | 128..=137),
        0x20 => matches!(exchange, 34..=43) && matches!(next, 0 | 33..=54),
        _ => false,
    };
    let body = r.rest();
    let whole = len >= HEADER && (len == message.len() || is_front(body, len - HEADER));
    // Some senders of version 2 leave their index out.
    let has_index = initiator != [0; 8] || (version == 0x20 && len == message.len());
    let is_message = known && whole && flags & 0xc0 == 0 && has_index;
    Ok(is_message.then_some(Head { initiator, answered, next, version, exchange, flags, body }))
}

/// Whether these bytes may be the front of payloads of so many bytes, the frame being cut: the first of them has a
/// length that fits, and its reserved bits are zero.
fn is_front(body: &[u8], len: usize) -> bool {
    let first = |head: &[u8; 4]| {
        let [_, reserved, a, b] = *head;
        reserved & 0x7f == 0 && (5..=len).contains(&usize::from(u16::from_be_bytes([a, b])))
    };
    (body.len() + 1..=usize::from(u16::MAX)).contains(&len) && body.first_chunk::<4>().is_some_and(first)
}

/// A list of so many different values.
fn note<T: PartialEq>(list: &mut Vec<T>, value: T, max: usize, cx: &Cx<'_>) {
    if list.contains(&value) {
        return;
    }
    if list.len() < max {
        list.push(value);
    } else {
        cx.limit_hit();
    }
}

/// The attributes of a transform that are values of two bytes (RFC 2408, section 3.3).
fn attributes(bytes: &[u8], mut tell: impl FnMut(u16, u16)) {
    let mut r = Reader::new(bytes);
    while let (Ok(kind), Ok(value)) = (r.be16("attribute"), r.be16("value")) {
        if kind & 0x8000 != 0 {
            tell(kind & 0x7fff, value);
        } else if r.skip("long attribute", usize::from(value)).is_err() {
            return;
        }
    }
}

/// Walks things that each have a length in their bytes 2 and 3, themselves included.
fn each<'b>(bytes: &'b [u8], mut tell: impl FnMut(&'b [u8])) {
    let mut rest = bytes;
    while let Some(&[_, _, a, b]) = rest.first_chunk::<4>() {
        let len = usize::from(u16::from_be_bytes([a, b]));
        let (Some(this), Some(more)) = (rest.get(4..len), rest.get(len..)) else { return };
        tell(this);
        rest = more;
    }
}

/// What stands behind the head of a proposal: its protocol, and its transforms.
fn proposal(body: &[u8]) -> Option<(u8, &[u8])> {
    let mut r = Reader::new(body);
    r.u8("number").ok()?;
    let protocol = r.u8("protocol").ok()?;
    let spi = usize::from(r.u8("size of the index").ok()?);
    r.u8("transforms").ok()?;
    r.skip("index", spi).ok()?;
    Some((protocol, r.rest()))
}

impl<'e> Message<'e> {
    /// Version 1: all that one transform takes stands in its attributes (RFC 2409, appendix A).
    fn transform_1(&mut self, transform: &[u8], cx: &Cx<'_>) {
        let max = limits::IKE_ALGORITHMS_MAX;
        let (mut cipher, mut bits) = (None, None);
        attributes(transform.get(4..).unwrap_or_default(), |kind, value| match kind {
            1 => cipher = Some(value),
            2 => note(&mut self.integrity, names::hash_1(value), max, cx),
            3 => note(&mut self.authentication, value, max, cx),
            4 => note(&mut self.groups, value, max, cx),
            14 => bits = Some(value),
            _ => {}
        });
        if let Some(cipher) = cipher {
            note(&mut self.ciphers, names::cipher_1(cipher, bits), max, cx);
        }
    }

    /// Version 2: a transform is one algorithm (RFC 7296, section 3.3.2).
    fn transform_2(&mut self, transform: &[u8], cx: &Cx<'_>) {
        let &[kind, _, high, low, ref rest @ ..] = transform else { return };
        let (number, max) = (u16::from_be_bytes([high, low]), limits::IKE_ALGORITHMS_MAX);
        let mut bits = None;
        attributes(rest, |kind, value| {
            if kind == 14 {
                bits = Some(value);
            }
        });
        match kind {
            1 => note(&mut self.ciphers, names::cipher_2(number, bits), max, cx),
            2 => note(&mut self.prf, names::prf(number), max, cx),
            3 => note(&mut self.integrity, names::integrity(number), max, cx),
            // Further key exchanges (RFC 9370) are groups as well.
            4 | 6..=12 => note(&mut self.groups, number, max, cx),
            _ => {}
        }
    }

    fn security_association(&mut self, body: &'e [u8], cx: &Cx<'_>) {
        // Version 1 says first what it is about: domain and situation (RFC 2408, section 3.4).
        let proposals = if self.version == 1 { body.get(8..).unwrap_or_default() } else { body };
        each(proposals, |one| {
            // 1 is IKE itself in both versions.
            let Some((1, transforms)) = proposal(one) else { return };
            each(transforms, |t| if self.version == 1 { self.transform_1(t, cx) } else { self.transform_2(t, cx) });
        });
    }

    /// One payload.
    fn payload(&mut self, kind: u8, body: &'e [u8], cx: &Cx<'_>) {
        match (self.version, kind) {
            (1, 1) | (2, 33) => self.security_association(body, cx),
            (1, 5) => self.identity = identity(body).or(self.identity.take()),
            (1, 6) | (2, 37) => {
                // X.509 for signatures, and in version 1 for key exchange.
                if let [4 | 5, der @ ..] = body {
                    note(&mut self.chain, der, limits::TLS_CHAIN_MAX, cx);
                }
            }
            (1, 8) => self.proves = true,
            (1, 13) | (2, 43) => note(&mut self.vendors, body, limits::IKE_VENDORS_MAX, cx),
            _ => {}
        }
    }
}

/// Who somebody says that it is (RFC 2407, section 4.6.2): an address or a text.
fn identity(body: &[u8]) -> Option<Cow<'_, [u8]>> {
    let &[kind, _, _, _, ref value @ ..] = body else { return None };
    let value = front(value, limits::IKE_IDENTITY_BYTES_MAX);
    match kind {
        1 => Some(std::net::Ipv4Addr::from(*value.first_chunk::<4>()?).to_string().into_bytes().into()),
        5 => Some(std::net::Ipv6Addr::from(*value.first_chunk::<16>()?).to_string().into_bytes().into()),
        2 | 3 => Some(value.into()),
        // An identifier without a format: the name of a group, or anything.
        11 if !value.is_empty() && value.iter().all(|b| matches!(b, b' '..=b'~')) => Some(value.into()),
        _ => None,
    }
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Ike {
    /// What was told, so that the same is told once.
    told: Vec<u64>,
    /// Who began an exchange last, by which index, of each direction.
    began: [Option<[u8; 8]>; 2],
    hasher: ahash::RandomState,
}

impl Ike {
    fn message<'e>(head: &Head<'e>, cx: &Cx<'_>, from: Direction) -> Message<'e> {
        let exchange = match (head.version, head.exchange) {
            (0x10, 1) => "base".into(),
            (0x10, 2) => "main".into(),
            (0x10, 4) => "aggressive".into(),
            (0x10, 5) => "informational".into(),
            (0x20, 34) => "sa-init".into(),
            (0x20, 37) => "informational".into(),
            (_, number) => number.to_string().into(),
        };
        let version = head.version >> 4;
        let mut message = Message {
            version,
            exchange,
            from,
            // Version 1 has no flag for it: an answer is the first to give the responder's cookie.
            chosen: if version == 1 { head.answered } else { head.flags & 0x20 != 0 },
            answers: false,
            ciphers: Vec::new(),
            integrity: Vec::new(),
            prf: Vec::new(),
            groups: Vec::new(),
            authentication: Vec::new(),
            identity: None,
            vendors: Vec::new(),
            chain: Vec::new(),
            proves: false,
        };
        let (mut kind, mut rest) = (head.next, head.body);
        while let Some(&[next, _, a, b]) = rest.first_chunk::<4>() {
            let len = usize::from(u16::from_be_bytes([a, b]));
            // Encrypted from here on (RFC 7296, section 3.14; RFC 7383, section 2.5).
            if kind == 0 || version == 2 && matches!(kind, 46 | 53) {
                break;
            }
            let (Some(body), Some(more)) = (rest.get(4..len), rest.get(len..)) else { break };
            message.payload(kind, body, cx);
            (kind, rest) = (next, more);
        }
        message.chosen &= !message.ciphers.is_empty();
        message
    }
}

impl AppParser for Ike {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "IKE",
        transports: &[Transport::Udp],
        ports: &[500, 4500],
        reference: "RFC 7296, section 3; RFC 2408, section 3; RFC 3948",
        table: Some(&TABLE),
        yields: "algorithms offered and chosen, identities and certificates in clear",
        ..Spec::EMPTY
    };
    type Event<'e> = Message<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        if head(payload).is_some() { Probe::Yes } else { Probe::No }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Message<'_>)) -> Progress {
        // What else runs between the ports (ESP, RFC 3948) is passed over.
        let Some(head) = head(bytes) else { return Progress::Done };
        if head.version == 0x10 && head.flags & 1 != 0 || matches!(head.next, 46 | 53) {
            return Progress::Done;
        }
        let mut message = Self::message(&head, &cx, dir);
        message.answers = self.began.get(dir.other().index()) == Some(&Some(head.initiator));
        if !message.chosen
            && !message.ciphers.is_empty()
            && let Some(began) = self.began.get_mut(dir.index())
        {
            *began = Some(head.initiator);
        }
        let tells = !message.ciphers.is_empty() || !message.chain.is_empty() || message.identity.is_some();
        if !tells {
            return Progress::Done;
        }
        // Keys are agreed on anew every few hours, in the same way.
        let key = self.hasher.hash_one(&message);
        if self.told.contains(&key) {
            return Progress::Done;
        }
        if self.told.len() < limits::IKE_MESSAGES_TOLD_MAX {
            self.told.push(key);
            emit(message);
        } else {
            cx.limit_hit();
        }
        Progress::Done
    }

    fn heap(&self) -> usize {
        self.told.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, Seen};

    fn payload(next: u8, body: &[u8]) -> Vec<u8> {
        [&[next, 0][..], &(body.len() as u16 + 4).to_be_bytes(), body].concat()
    }

    /// A message: indexes, first payload, version, exchange, flags, and the payloads.
    fn message(answered: bool, [next, version, exchange, flags]: [u8; 4], payloads: &[Vec<u8>]) -> Vec<u8> {
        let body = payloads.concat();
        let responder = if answered { [0xb0; 8] } else { [0; 8] };
        let len = (HEADER + body.len()) as u32;
        [&[0xa0; 8], &responder[..], &[next, version, exchange, flags, 0, 0, 0, 0], &len.to_be_bytes(), &body].concat()
    }

    /// Version 1: 3DES, MD5, group 2 or 5, by a shared secret; key length and life as some send them.
    fn association_1(group: u8) -> Vec<u8> {
        let attributes = b"\x80\x01\0\x05\x80\x02\0\x01\x80\x03\0\x01\x80\x04\0".iter().copied();
        let attributes: Vec<u8> = attributes.chain([group]).chain(*b"\x80\x0b\0\x01\0\x0c\0\x04\0\0\x70\x80").collect();
        let transform = payload(0, &[&[1, 1, 0, 0][..], &attributes].concat());
        let proposal = payload(0, &[&[1, 1, 0, 1][..], &transform].concat());
        [&[0, 0, 0, 1, 0, 0, 0, 1][..], &proposal].concat()
    }

    /// Version 2: AES-GCM with 256 bits, HMAC-SHA2-256, groups 31 and, as a further one, 36.
    fn association_2() -> Vec<u8> {
        let transforms = [
            payload(3, b"\x01\0\0\x14\x80\x0e\x01\0"),
            payload(3, b"\x02\0\0\x05"),
            payload(3, b"\x04\0\0\x1f"),
            payload(0, b"\x06\0\0\x24"),
        ];
        payload(0, &[&[1, 1, 0, 4][..], &transforms.concat()].concat())
    }

    fn seen(packets: &[(bool, Vec<u8>)]) -> Seen {
        let script = packets.iter().fold(Script::new(), |s, (orig, p)| if *orig { s.orig(p) } else { s.resp(p) });
        script.datagrams::<Ike>()
    }

    #[test]
    fn aggressive_mode_shows_algorithms_identities_and_vendors() {
        let identity = payload(0, &[&[2, 17, 1, 0xf4][..], b"gate.example"].concat());
        let offer = message(false, [1, 0x10, 4, 0], &[payload(5, &association_1(5)), identity.clone()]);
        let mut answer = vec![payload(13, &association_1(2)), payload(5, &[0xaf, 0xca, 0xd7]), identity];
        answer[2][0] = 8;
        answer.push(payload(0, &[7; 16]));
        let answer = message(true, [1, 0x10, 4, 0], &answer);
        let seen = seen(&[(true, offer.clone()), (true, offer), (false, answer)]);
        assert_eq!(seen.cells("exchange"), ["aggressive", "aggressive"], "what is sent again is told once");
        assert_eq!(seen.cells("chosen"), ["false", "true"]);
        assert_eq!(seen.cells("encryption"), ["[3DES]"; 2]);
        assert_eq!(seen.cells("integrity")[1], "[MD5]");
        assert_eq!(seen.cells("groups"), ["[modp1536]", "[modp1024]"]);
        assert_eq!(seen.cells("authentication")[0], "[psk]");
        assert_eq!(seen.cells("identity"), ["gate.example", "gate.example"]);
        assert_eq!(seen.cells("vendor_ids")[1], "[afcad7]");
        assert!(seen.events[1].contains("proves: true") && seen.events[0].contains("proves: false"));
    }

    #[test]
    fn version_2_offers_and_chooses_until_it_encrypts() {
        let offer = message(false, [33, 0x20, 34, 8], &[payload(0, &association_2())]);
        let answer = message(true, [33, 0x20, 34, 0x20], &[payload(0, &association_2())]);
        // On the port for translators a marker stands in front, and ESP runs beside it.
        let marked = [&[0; 4], &offer[..]].concat();
        let secret = message(true, [46, 0x20, 35, 8], &[payload(0, &[5; 40])]);
        let esp = [&[0xc0, 1, 2, 3, 0, 0, 0, 1][..], &[5; 80]].concat();
        let seen = seen(&[(true, marked), (false, answer), (true, secret), (true, esp), (true, vec![0xff])]);
        assert_eq!(seen.cells("chosen"), ["false", "true"]);
        assert_eq!(seen.cells("encryption"), ["[AES_GCM_16-256]"; 2]);
        assert_eq!(seen.cells("prf"), ["[HMAC_SHA2_256]"; 2]);
        assert_eq!(seen.cells("groups"), ["[x25519,mlkem768]"; 2]);
        assert_eq!(seen.stopped, None);
    }

    #[test]
    fn certificates_in_clear_are_handed_on() {
        let der = payload(0, &[&[4, 0x30, 0x82, 0, 1][..], &[9]].concat());
        let first = message(true, [6, 0x10, 2, 0], std::slice::from_ref(&der));
        let second = message(true, [37, 0x20, 34, 0x20], &[der]);
        // Packed otherwise (PKCS #7), and encrypted.
        let packed = message(true, [37, 0x20, 34, 0], &[payload(0, &[1, 0x30, 0])]);
        let hidden = message(true, [6, 0x10, 2, 1], &[payload(0, &[4, 0x30, 0x81, 1, 9])]);
        let seen = seen(&[(true, first), (false, second), (true, packed), (true, hidden)]);
        assert_eq!(seen.presented, ["Orig 3082000109", "Resp 3082000109"]);
    }

    #[test]
    fn the_probe_wants_a_header_that_says_how_long_it_is() {
        let offer = message(false, [33, 0x20, 34, 8], &[payload(0, &association_2())]);
        let probe = |bytes: &[u8]| Ike::probe(Direction::Orig, bytes);
        assert_eq!(probe(&offer), Probe::Yes);
        assert_eq!(probe(&[&[0; 4], &offer[..]].concat()), Probe::Yes);
        // Cut by the capture, and as a length that no payload has.
        assert_eq!(probe(&offer[..60]), Probe::Yes);
        assert_eq!((probe(&offer[..HEADER + 3]), probe(&[&offer[..], b"x"].concat())), (Probe::No, Probe::No));
        let mut other = offer[..60].to_vec();
        other[HEADER + 2] = 0xff;
        assert_eq!(probe(&other), Probe::No);
        let mut other = offer.clone();
        other[17] = 0x30;
        assert_eq!((probe(&other), probe(&[0xff]), probe(&[0; 4])), (Probe::No, Probe::No, Probe::No));
        // A sender that leaves its index out, which some do.
        other = offer;
        other[..8].fill(0);
        assert_eq!(probe(&other), Probe::Yes);
        other[17] = 0x10;
        assert_eq!(probe(&other), Probe::No);
    }

    #[test]
    fn what_a_cut_frame_holds_whole_is_read() {
        let vendor = payload(0, &[7; 90]);
        let mut offer = message(false, [1, 0x10, 2, 0], &[payload(13, &association_1(2)), vendor]);
        offer.truncate(offer.len() - 50);
        let seen = seen(&[(true, offer)]);
        assert_eq!((seen.cells("encryption"), seen.cells("vendor_ids")), (vec!["[3DES]".into()], vec!["[]".into()]));
    }

    #[test]
    fn an_answer_counts_for_what_was_asked_from_the_other_side() {
        let offer = message(false, [1, 0x10, 2, 0], &[payload(0, &association_1(2))]);
        let answer = message(true, [1, 0x10, 2, 0], &[payload(0, &association_1(2))]);
        let answers = |packets: &[(bool, Vec<u8>)]| {
            let seen = seen(packets);
            seen.events.iter().map(|e| e.contains("chosen: true, answers: true")).collect::<Vec<_>>()
        };
        assert_eq!(answers(&[(true, offer.clone()), (false, answer.clone())]), [false, true]);
        assert_eq!(answers(&[(true, answer.clone())]), [false], "nobody asked");
        assert_eq!(
            answers(&[(true, offer.clone()), (true, answer.clone())]),
            [false, false],
            "who asks does not answer"
        );
        let mut other = offer;
        other[0] ^= 1;
        assert_eq!(answers(&[(true, other), (false, answer)]), [false, false], "of another exchange");
    }

    #[test]
    fn damage_ends_the_message_and_nothing_else() {
        let whole = message(true, [1, 0x10, 4, 0], &[payload(5, &association_1(2)), payload(0, &[2, 0, 0, 0, b'x'])]);
        for at in HEADER..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                assert_eq!(seen(&[(true, bytes)]).stopped, None);
            }
            let mut short = whole[..at].to_vec();
            short[24..28].copy_from_slice(&(at as u32).to_be_bytes());
            assert_eq!(seen(&[(true, short)]).stopped, None);
        }
    }
}
