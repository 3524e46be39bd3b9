//! Fingerprints in the NPF format of the Mercury project (draft "Network Protocol Fingerprinting", D. McGrew ed.; cisco/mercury,
//! BSD-3-Clause): trees of byte strings in hex, so that they can be read, and compared in part.
//!
//! ```text
//! tls/1/(version)(cipher suites)[(extension)...]     sorted; of some extensions the whole, of the others the type
//! tls_server/(version)(cipher suite)((extension)...) in the order of the hello
//! quic/(QUIC version)(version)(cipher suites)[(extension)...]
//! tcp/(IP version)(00 if the identification is 0)(TTL, three bits)(window)((option)...)
//! http/(method)(version)((header)...)                of some headers the whole, of others the name
//! ssh/(identification)(ten lists)
//! ```
//! Where the draft says that the version of `tls` is that of the record, its implementation takes the one of the hello; so
//! does this, which also lets it be the same over any transport.

use super::hello::{ClientHello, Extensions, ServerHello};
use super::{is_grease, push_hex};
use crate::base::Reader;

/// Extensions that go into a fingerprint as a whole.
const WHOLE: [u16; 18] = [1, 5, 7, 8, 9, 10, 11, 13, 15, 16, 17, 24, 27, 28, 43, 45, 50, 0x5500];

/// Transport parameters of QUIC (RFC 9001, section 8.2), and as the drafts numbered them.
const TRANSPORT_PARAMETERS: [u16; 2] = [0x39, 0xffa5];

/// Headers of HTTP that go in with their values.
const HTTP_WHOLE: [&[u8]; 7] =
    [b"accept", b"accept-encoding", b"connection", b"dnt", b"dpr", b"upgrade-insecure-requests", b"x-requested-with"];

/// Headers whose names go in.
const HTTP_NAMES: [&[u8]; 10] = [
    b"accept-charset",
    b"accept-language",
    b"authorization",
    b"cache-control",
    b"host",
    b"if-modified-since",
    b"keep-alive",
    b"user-agent",
    b"x-flash-version",
    b"x-p2p-peerdist",
];

fn push_all(out: &mut String, bytes: &[u8]) {
    bytes.iter().for_each(|b| push_hex(out, *b));
}

/// A byte string with its parentheses.
fn element(out: &mut String, bytes: &[u8]) {
    out.push('(');
    push_all(out, bytes);
    out.push(')');
}

/// The values of RFC 8701 all count as the first of them.
const fn without_grease(n: u16) -> u16 {
    if is_grease(n) { 0x0a0a } else { n }
}

fn push_u16(out: &mut String, n: u16) {
    push_all(out, &n.to_be_bytes());
}

/// An extension: type, or type and the whole content with its length.
fn extension(out: &mut String, ty: u16, content: &[u8]) {
    out.push('(');
    push_u16(out, without_grease(ty));
    if WHOLE.contains(&ty) {
        push_u16(out, u16::try_from(content.len()).unwrap_or(u16::MAX));
        match ty {
            // Lists of numbers in which clients hide values that mean nothing.
            10 => numbers(out, content, 2),
            43 => numbers(out, content, 1),
            _ => push_all(out, content),
        }
    }
    out.push(')');
}

/// A list of 16-bit numbers behind a length of so many bytes, without what RFC 8701 puts in.
fn numbers(out: &mut String, content: &[u8], length: usize) {
    let (head, list) = content.split_at_checked(length).unwrap_or((content, &[]));
    push_all(out, head);
    let (pairs, rest) = list.as_chunks::<2>();
    pairs.iter().for_each(|pair| push_u16(out, without_grease(u16::from_be_bytes(*pair))));
    push_all(out, rest);
}

/// The identifiers of transport parameters, sorted, with the reserved ones as one.
fn transport_parameters(out: &mut String, ty: u16, content: &[u8]) {
    let mut ids: Vec<Vec<u8>> = Vec::new();
    let mut r = Reader::new(content);
    while let Some((id, bytes)) = varint(&mut r) {
        // RFC 9000, section 18.1: identifiers of the form 31 * N + 27 are reserved.
        ids.push(if id % 31 == 27 { vec![27] } else { bytes });
        let Some((len, _)) = varint(&mut r) else { break };
        if r.skip("transport parameter", usize::try_from(len).unwrap_or(usize::MAX)).is_err() {
            break;
        }
    }
    ids.sort_unstable();
    out.push_str("((");
    push_u16(out, ty);
    out.push_str(")[");
    ids.iter().for_each(|id| element(out, id));
    out.push_str("])");
}

/// A number of QUIC (RFC 9000, section 16), and the bytes that it was sent as.
fn varint(r: &mut Reader<'_>) -> Option<(u64, Vec<u8>)> {
    let first = r.u8("varint").ok()?;
    let rest = r.take("varint", (1 << (first >> 6)) - 1).ok()?;
    let value = rest.iter().fold(u64::from(first & 0x3f), |n, b| n << 8 | u64::from(*b));
    Some((value, [&[first], rest].concat()))
}

/// The extensions, each as its own text, sorted.
fn sorted(out: &mut String, extensions: &Extensions<'_>) {
    let mut texts: Vec<String> = extensions
        .iter()
        .map(|(ty, content)| {
            let mut text = String::new();
            if TRANSPORT_PARAMETERS.contains(&ty) {
                transport_parameters(&mut text, ty, content);
            } else {
                extension(&mut text, ty, content);
            }
            text
        })
        .collect();
    // By the bytes of the extension: the parentheses of a list within do not count.
    texts.sort_by(|a, b| a.trim_start_matches('(').cmp(b.trim_start_matches('(')));
    out.push('[');
    texts.iter().for_each(|text| out.push_str(text));
    out.push(']');
}

/// The fields that all clients have: version and cipher suites.
fn client(out: &mut String, hello: &ClientHello<'_>) {
    element(out, &hello.version.to_be_bytes());
    out.push('(');
    hello.ciphers.iter().for_each(|n| push_u16(out, without_grease(n)));
    out.push(')');
    sorted(out, &hello.extensions);
}

/// Of a ClientHello over TCP: `tls/1/...`; over DTLS: `dtls/1/...`.
pub fn tls(hello: &ClientHello<'_>, datagrams: bool) -> String {
    let mut out = String::from(if datagrams { "dtls/1/" } else { "tls/1/" });
    client(&mut out, hello);
    out
}

/// Of a ClientHello in QUIC of a version: `quic/...`.
pub fn quic(version: u32, hello: &ClientHello<'_>) -> String {
    let mut out = String::from("quic/");
    element(&mut out, &version.to_be_bytes());
    client(&mut out, hello);
    out
}

/// Of a ServerHello: `tls_server/...`.
pub fn tls_server(hello: &ServerHello<'_>) -> String {
    let mut out = String::from("tls_server/");
    element(&mut out, &hello.version.to_be_bytes());
    element(&mut out, &hello.cipher.to_be_bytes());
    out.push('(');
    hello.extensions.iter().for_each(|(ty, content)| extension(&mut out, ty, content));
    out.push(')');
    out
}

/// What the fingerprint of a SYN is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syn<'a> {
    /// Whether it is IPv6.
    pub v6: bool,
    /// Identification of IPv4, or flow label of IPv6.
    pub identification: u32,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Window.
    pub window: u16,
    /// Options of TCP as sent.
    pub options: &'a [u8],
    /// Whether it is the answer, with ACK.
    pub answer: bool,
}

/// Of a SYN: `tcp/...`, or `tcp_server/...` of the answer to one.
pub fn tcp(syn: &Syn<'_>) -> String {
    let mut out = String::from(if syn.answer { "tcp_server/" } else { "tcp/" });
    element(&mut out, &[if syn.v6 { 0x60 } else { 0x40 }]);
    element(&mut out, if syn.identification == 0 { &[0] } else { &[] });
    element(&mut out, &[syn.ttl & 0xe0]);
    element(&mut out, &syn.window.to_be_bytes());
    out.push('(');
    options(syn.options).for_each(|option| element(&mut out, option));
    out.push(')');
    out
}

/// The TTL or hop limit in a fingerprint of [`tcp`], rounded down to a multiple of 32.
pub fn ttl(fingerprint: &str) -> Option<u8> {
    let element = fingerprint.strip_prefix("tcp/")?.split(')').nth(2)?;
    u8::from_str_radix(element.strip_prefix('(')?, 16).ok()
}

/// The options of a TCP header as they go into a fingerprint: largest segment and scale of the window as a whole, of the
/// others the kind; up to the first that is cut. Padding behind the end of
/// the list counts byte by byte, as in Mercury.
pub fn options<'a>(list: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let (kind, behind) = rest.split_first()?;
        let len = match (kind, behind.first()) {
            // End of the list, and no operation: one byte each.
            (0 | 1, _) => 1,
            (_, Some(len)) => usize::from(*len).max(2),
            (_, None) => return None,
        };
        let (option, after) = rest.split_at_checked(len)?;
        rest = after;
        if matches!(kind, 2 | 3) { Some(option) } else { option.get(..1) }
    })
}

/// Of a request of HTTP/1: `http/...`; headers as sent, names and values.
pub fn http<'a>(method: &[u8], version: &[u8], headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let mut out = String::from("http/");
    element(&mut out, method);
    element(&mut out, version);
    out.push('(');
    for (name, value) in headers {
        let is = |known: &&[u8]| name.eq_ignore_ascii_case(known);
        if HTTP_WHOLE.iter().any(&is) {
            element(&mut out, &[name, b": ", value].concat());
        } else if HTTP_NAMES.iter().any(is) {
            element(&mut out, name);
        }
    }
    out.push(')');
    out
}

/// Of one side of an SSH connection: `ssh/...` or `ssh_server/...`, or only of the identification where no lists came.
pub fn ssh(server: bool, identification: &[u8], lists: Option<&[&[u8]; 10]>) -> String {
    let mut out = String::from(match (lists.is_some(), server) {
        (true, false) => "ssh/",
        (true, true) => "ssh_server/",
        (false, false) => "ssh_init/",
        (false, true) => "ssh_init_server/",
    });
    element(&mut out, identification);
    lists.into_iter().flatten().for_each(|list| element(&mut out, list));
    out
}

#[cfg(test)]
mod tests {
    use super::super::hello::{Dialect, tests::client_hello};
    use super::*;

    #[test]
    fn a_client_is_sorted_and_without_grease() {
        let body = client_hello(
            0x0303,
            &[0x1a1a, 0x1301, 0xc02f],
            &[
                (43, &[4, 0x2a, 0x2a, 3, 4]),
                (0x3a3a, b""),
                (0, b"\x00\x06\x00\x00\x03a.b"),
                (10, &[0, 4, 0x4a, 0x4a, 0, 29]),
                (16, b"\x00\x03\x02h2"),
                (51, b"key"),
            ],
        );
        let hello = ClientHello::parse(&body, Dialect::Tls).unwrap();
        let rest =
            "(0303)(0a0a1301c02f)[(0000)(000a000600040a0a001d)(0010000500030268 32)(002b0005040a0a0304)(0033)(0a0a)]";
        let rest = rest.replace(' ', "");
        assert_eq!(tls(&hello, false), format!("tls/1/{rest}"));
        assert_eq!(tls(&hello, true), format!("dtls/1/{rest}"));
        assert_eq!(quic(1, &hello), format!("quic/(00000001){rest}"));
    }

    #[test]
    fn transport_parameters_are_their_numbers() {
        // 0x1b is reserved, and so is 0x3a (31 + 27); 0x7127 takes two bytes.
        let body =
            client_hello(0x0303, &[0x1301], &[(0x39, &[4, 1, 7, 0x3a, 0, 1, 2, 9, 9, 0x71, 0x27, 1, 5]), (0, b"")]);
        let hello = ClientHello::parse(&body, Dialect::Tls).unwrap();
        assert_eq!(quic(0x6b33_43cf, &hello), "quic/(6b3343cf)(0303)(1301)[(0000)((0039)[(01)(04)(1b)(7127)])]");
        let cut = client_hello(0x0303, &[0x1301], &[(0x39, &[4, 9, 7])]);
        let hello = ClientHello::parse(&cut, Dialect::Tls).unwrap();
        assert_eq!(quic(1, &hello), "quic/(00000001)(0303)(1301)[((0039)[(04)])]");
    }

    #[test]
    fn a_server_keeps_its_order() {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0x13, 0x02, 0, 0, 12, 0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 23]);
        assert_eq!(tls_server(&ServerHello::parse(&body).unwrap()), "tls_server/(0303)(1302)((002b00020304)(0033))");
    }

    #[test]
    fn a_syn_of_linux() {
        // As Mercury gives it for a Debian client and server.
        let options = [2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 10];
        let mut syn = Syn { v6: false, identification: 7, ttl: 64, window: 0xfaf0, options: &options, answer: false };
        assert_eq!(tcp(&syn), "tcp/(40)()(40)(faf0)((020405b4)(04)(08)(01)(03030a))");
        assert_eq!(ttl(&tcp(&syn)), Some(64));
        assert_eq!(ttl(&tcp(&Syn { identification: 0, ttl: 127, ..syn })), Some(96));
        assert_eq!([ttl("tcp/"), ttl("tcp_server/(40)(00)(40)"), ttl("http/(474554)")], [None; 3]);
        syn = Syn { identification: 0, window: 0xfe88, answer: true, ..syn };
        assert_eq!(tcp(&syn), "tcp_server/(40)(00)(40)(fe88)((020405b4)(04)(08)(01)(03030a))");
        for end in 0..options.len() {
            assert!(tcp(&Syn { options: &options[..end], ..syn }).ends_with(')'));
        }
        assert_eq!(
            tcp(&Syn { options: &[2, 0, 0, 5, 9], v6: true, ttl: 255, ..syn }),
            "tcp_server/(60)(00)(e0)(fe88)((0200)(00))"
        );
    }

    #[test]
    fn a_request_of_curl() {
        // As Mercury gives it.
        let headers: [(&[u8], &[u8]); 4] =
            [(b"Host", b"camera"), (b"User-Agent", b"curl/7"), (b"X-Other", b"1"), (b"Accept", b"*/*")];
        assert_eq!(
            http(b"GET", b"HTTP/1.1", headers.into_iter()),
            "http/(474554)(485454502f312e31)((486f7374)(557365722d4167656e74)(4163636570743a202a2f2a))"
        );
    }

    #[test]
    fn ssh_with_and_without_lists() {
        assert_eq!(ssh(true, b"SSH-2.0-x", None), "ssh_init_server/(5353482d322e302d78)");
        let lists: [&[u8]; 10] = [b"a", b"b", b"c", b"c", b"d", b"d", b"e", b"e", b"", b""];
        assert_eq!(ssh(false, b"S", Some(&lists)), "ssh/(53)(61)(62)(63)(63)(64)(64)(65)(65)()()");
    }
}
