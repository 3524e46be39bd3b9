//! JA4, the TLS client fingerprint of FoxIO (BSD-3-Clause; the other JA4+ methods are not free and
//! are not here).
//!
//! ```text
//! t13d1516h2_8daaf6152771_e5627efa2ab1
//! |||| | |   |            first 12 hex digits of the SHA-256 of: extensions sorted, without server
//! |||| | |   |            name and ALPN, and behind "_" the signature algorithms as sent
//! |||| | |   first 12 hex digits of the SHA-256 of the cipher suites, sorted
//! |||| | first and last character of the first ALPN name
//! |||| number of extensions        |||number of cipher suites, 99 at most
//! |||d: server name, i: none       |version        transport
//! ```
//! Values of RFC 8701 are left out everywhere. The raw form has the lists in place of the hashes.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::hello::{ClientHello, ext};
use super::{hex, hex_list, is_grease};

/// What carries the hello: the first letter of the fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// TLS over TCP.
    Tcp,
    /// QUIC.
    Quic,
    /// DTLS.
    Dtls,
}

impl Carrier {
    const fn letter(self) -> char {
        match self {
            Self::Tcp => 't',
            Self::Quic => 'q',
            Self::Dtls => 'd',
        }
    }
}

/// A JA4 with the text that it is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ja4 {
    /// The fingerprint.
    pub hash: String,
    /// The form with lists in place of hashes (`JA4_r`).
    pub raw: String,
}

/// The fingerprint of a hello.
pub fn ja4(hello: &ClientHello<'_>, carrier: Carrier) -> Ja4 {
    let mut ciphers: Vec<u16> = hello.ciphers.without_grease().collect();
    ciphers.sort_unstable();
    let mut extensions: Vec<u16> = hello.extensions.types().filter(|n| !is_grease(*n)).collect();
    let extension_count = extensions.len();
    extensions.retain(|n| !matches!(*n, ext::SERVER_NAME | ext::ALPN));
    extensions.sort_unstable();

    let mut head = String::with_capacity(10);
    let (first, last) = alpn_ends(hello.alpn().and_then(|mut names| names.next()).unwrap_or_default());
    // Writing to a String cannot fail.
    let _ = write!(
        head,
        "{}{}{}{:02}{:02}{first}{last}",
        carrier.letter(),
        version(hello.highest_version()),
        if hello.has_server_name { 'd' } else { 'i' },
        ciphers.len().min(99),
        extension_count.min(99),
    );

    let mut cipher_list = String::with_capacity(ciphers.len() * 5);
    hex_list(&mut cipher_list, ciphers.iter().copied());
    let mut extension_list = String::with_capacity(extensions.len() * 5 + hello.signature_algorithms.0.len() * 3);
    hex_list(&mut extension_list, extensions.iter().copied());
    // Without signature algorithms the list ends without an underscore.
    let mut signatures = hello.signature_algorithms.without_grease().peekable();
    if signatures.peek().is_some() {
        extension_list.push('_');
        hex_list(&mut extension_list, signatures);
    }
    Ja4 {
        hash: format!("{head}_{}_{}", short_hash(&cipher_list), short_hash(&extension_list)),
        raw: format!("{head}_{cipher_list}_{extension_list}"),
    }
}

/// The fingerprint of a hello in the form of SSL 2. Its cipher kinds are no cipher suites and it
/// has no extensions, so that the authors' programs find nothing but the version.
pub fn ja4_of_sslv2(hello_version: u16) -> Ja4 {
    let head = format!("t{}i000000", version(hello_version));
    Ja4 { hash: format!("{head}_{}_{}", short_hash(""), short_hash("")), raw: format!("{head}__") }
}

/// The two digits of a version; `00` for any other, drafts of TLS 1.3 among them.
const fn version(n: u16) -> &'static str {
    match n {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        0xfeff => "d1",
        0xfefd => "d2",
        0xfefc => "d3",
        _ => "00",
    }
}

/// First and last character of an ALPN name. Where one of the two is not an ASCII letter or digit,
/// they are those of the name in hex; `00` where there is no name.
fn alpn_ends(name: &[u8]) -> (char, char) {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return ('0', '0') };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return (char::from(*first), char::from(*last));
    }
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    (digit(first >> 4), digit(last & 15))
}

/// The first 12 hex digits of a SHA-256; zeros for an empty list.
fn short_hash(list: &str) -> String {
    if list.is_empty() {
        return "000000000000".to_owned();
    }
    hex(Sha256::digest(list.as_bytes()).get(..6).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::hello::{Dialect, tests::client_hello};
    use super::*;

    fn of(version: u16, ciphers: &[u16], extensions: &[(u16, &[u8])]) -> Ja4 {
        let body = client_hello(version, ciphers, extensions);
        ja4(&ClientHello::parse(&body, Dialect::Tls).unwrap(), Carrier::Tcp)
    }

    #[test]
    fn the_example_of_the_specification() {
        // A Chrome hello with the lists of the specification's example, in shuffled order and
        // with GREASE; truth: t13d1516h2_8daaf6152771_e5627efa2ab1.
        let ciphers = [
            0x5a5a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c,
            0x009d, 0x002f, 0x0035,
        ];
        let sigalgs = [0, 16, 4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 8, 6, 6, 1];
        let got = of(
            0x0303,
            &ciphers,
            &[
                (0x1a1a, b""),
                (0x001b, b""),
                (0x0000, b"\x00\x06\x00\x00\x03a.b"),
                (0x0033, b""),
                (0x0010, b"\x00\x0c\x02h2\x08http/1.1"),
                (0x4469, b""),
                (0x0017, b""),
                (0x002d, b""),
                (0x000d, &sigalgs),
                (0x0005, b""),
                (0x0023, b""),
                (0x0012, b""),
                (0x002b, &[6, 0xca, 0xca, 3, 4, 3, 3]),
                (0xff01, b""),
                (0x000b, &[1, 0]),
                (0x000a, b""),
                (0x0015, b""),
                (0x9a9a, b""),
            ],
        );
        assert_eq!(got.hash, "t13d1516h2_8daaf6152771_e5627efa2ab1");
        assert_eq!(
            got.raw,
            "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_0005,000a,000b,\
             000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_0403,0804,0401,0503,0805,0501,0806,0601"
        );
    }

    #[test]
    fn a_hello_without_extensions_has_zeros() {
        assert_eq!(of(0x0303, &[0x002f], &[]).hash, "t12i010000_ba72b8082249_000000000000");
        assert_eq!(of(0x0303, &[0x002f], &[]).raw, "t12i010000_002f_");
        assert_eq!(of(0x0300, &[], &[]).hash, "ts3i000000_000000000000_000000000000");
    }

    #[test]
    fn without_signature_algorithms_there_is_no_underscore() {
        let got = of(0x0303, &[0x1301, 0x1302], &[(10, b"\x00\x02\x00\x1d"), (11, b"\x01\x00")]);
        assert_eq!(got.hash, "t12i020200_62ed6f6ca7ad_33a13ba74d1c");
        assert_eq!(got.raw, "t12i020200_1301,1302_000a,000b");
    }

    #[test]
    fn a_server_name_and_alpn_count_and_are_not_hashed() {
        let got = of(0x0303, &[0x1301, 0x1302], &[(0, b"")]);
        assert_eq!(got.hash, "t12d020100_62ed6f6ca7ad_000000000000");
    }

    #[test]
    fn a_hello_of_ssl_2_has_a_version_and_zeros() {
        assert_eq!(ja4_of_sslv2(0x0300).hash, "ts3i000000_000000000000_000000000000");
        assert_eq!(ja4_of_sslv2(0x0002).hash, "ts2i000000_000000000000_000000000000");
    }

    #[test]
    fn alpn_of_any_bytes() {
        assert_eq!(alpn_ends(b"h2"), ('h', '2'));
        assert_eq!(alpn_ends(b"http/1.1"), ('h', '1'));
        assert_eq!(alpn_ends(b"h"), ('h', 'h'));
        assert_eq!(alpn_ends(b""), ('0', '0'));
        assert_eq!(alpn_ends(b"\xab"), ('a', 'b'));
        assert_eq!(alpn_ends(b"\xba\xad"), ('b', 'd'));
        assert_eq!(alpn_ends(b"0\xab"), ('3', 'b'));
        assert_eq!(alpn_ends(b"h2 "), ('6', '0'));
        assert_eq!(alpn_ends(b"\xab\xcd\xef 1"), ('a', '1'));
    }

    #[test]
    fn counts_stop_at_99_and_grease_is_not_counted() {
        let many: Vec<u16> = (1..=150).collect();
        assert!(of(0x0303, &many, &[]).hash.starts_with("t12i990000_"));
        let extensions: Vec<(u16, &[u8])> = (100..220).map(|n| (n, &b""[..])).collect();
        assert!(of(0x0303, &[1], &extensions).hash.starts_with("t12i019900_"));
        assert!(of(0x0303, &[0x0a0a, 1], &[(0x1a1a, b""), (23, b"")]).hash.starts_with("t12i010100_"));
    }

    #[test]
    fn a_draft_version_is_higher_than_any_and_has_no_digits() {
        let got = of(0x0303, &[1], &[(43, &[6, 0x7f, 0x1c, 3, 3, 0x0a, 0x0a])]);
        assert!(got.hash.starts_with("t00i"));
    }

    #[test]
    fn grease_among_signature_algorithms_is_left_out() {
        let got = of(0x0303, &[1], &[(13, &[0, 4, 0x0a, 0x0a, 4, 3])]);
        assert_eq!(got.raw, "t12i010100_0001_000d_0403");
    }
}
