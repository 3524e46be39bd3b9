//! The fields of ClientHello and ServerHello (RFC 8446, section 4.1; RFC 5246, section 7.4.1;
//! RFC 9147, section 5.3), borrowed from the body of the handshake message. The transport does not
//! matter here: TLS records, QUIC CRYPTO frames and DTLS fragments all carry these bodies.
//!
//! ```text
//! ClientHello: version(2) random(32) session_id<1> [cookie<1>] cipher_suites<2> compression<1> [extensions<2>]
//! ServerHello: version(2) random(32) session_id<1> cipher_suite(2) compression(1) [extensions<2>]
//! extension:   type(2) content<2>          <n>: preceded by its length in n bytes
//! ```

use super::is_grease;
use crate::base::{ReadError, Reader};

/// Extension numbers that are looked into (IANA registry of TLS ExtensionType values).
pub mod ext {
    /// Name of the server that is wanted (RFC 6066, section 3).
    pub const SERVER_NAME: u16 = 0;
    /// Groups for the key exchange (RFC 8422, section 5.1.1; RFC 8446, section 4.2.7).
    pub const SUPPORTED_GROUPS: u16 = 10;
    /// Forms of curve points (RFC 8422, section 5.1.2).
    pub const EC_POINT_FORMATS: u16 = 11;
    /// Signature algorithms (RFC 8446, section 4.2.3).
    pub const SIGNATURE_ALGORITHMS: u16 = 13;
    /// Heartbeat (RFC 6520).
    pub const HEARTBEAT: u16 = 15;
    /// Names of the protocol inside (RFC 7301).
    pub const ALPN: u16 = 16;
    /// Encryption before authentication in CBC mode (RFC 7366).
    pub const ENCRYPT_THEN_MAC: u16 = 22;
    /// Session ticket (RFC 5077).
    pub const SESSION_TICKET: u16 = 35;
    /// Key share as it was numbered up to draft 22 of TLS 1.3.
    pub const KEY_SHARE_DRAFT: u16 = 40;
    /// Pre-shared keys (RFC 8446, section 4.2.11).
    pub const PRE_SHARED_KEY: u16 = 41;
    /// Data before the answer (RFC 8446, section 4.2.10).
    pub const EARLY_DATA: u16 = 42;
    /// Versions (RFC 8446, section 4.2.1).
    pub const SUPPORTED_VERSIONS: u16 = 43;
    /// Key share (RFC 8446, section 4.2.8).
    pub const KEY_SHARE: u16 = 51;
    /// Encrypted ClientHello (RFC 9849, section 5).
    pub const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
    /// Renegotiation that is tied to what went before (RFC 5746).
    pub const RENEGOTIATION_INFO: u16 = 0xff01;
}

/// Numbers among the cipher suites that are signals.
pub mod scsv {
    /// The same as an empty renegotiation_info extension (RFC 5746, section 3.3).
    pub const RENEGOTIATION_INFO: u16 = 0x00ff;
    /// The client tries again with an older version than its best (RFC 7507).
    pub const FALLBACK: u16 = 0x5600;
}

/// Which form of the hello it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// TLS, over TCP or in QUIC.
    Tls,
    /// DTLS, which has a cookie behind the session identifier.
    Dtls,
}

/// A list of 16-bit numbers, most significant byte first. An odd byte at the end is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct U16s<'a>(pub &'a [u8]);

impl<'a> U16s<'a> {
    /// The numbers in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u16> + ExactSizeIterator + Clone + use<'a> {
        self.0.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair))
    }

    /// The numbers without those of RFC 8701.
    pub fn without_grease(&self) -> impl Iterator<Item = u16> + Clone + use<'a> {
        self.iter().filter(|n| !is_grease(*n))
    }
}

/// The extensions of a hello. Every one is complete: `Extensions::read` saw to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extensions<'a>(&'a [u8]);

impl<'a> Extensions<'a> {
    /// Reads the list at the end of a hello, which may be absent. The second value says whether
    /// it was damaged: it ends within an extension, and what is behind the last whole one is left
    /// out.
    fn read(r: &mut Reader<'a>) -> (Self, bool) {
        // A stray byte is no list: others pass over it, and so do the fingerprints.
        let Ok(len) = r.be16("extensions length") else { return (Self(&[]), false) };
        let cut = r.remaining() < usize::from(len);
        let list = r.take("extensions", usize::from(len).min(r.remaining())).unwrap_or_default();
        let mut inner = Reader::new(list);
        let mut whole = 0;
        // Fewer bytes than the header of an extension are stray ones.
        while inner.remaining() >= 4 {
            if inner.be16("extension type").and_then(|_| inner.vec16("extension")).is_err() {
                return (Self(list.get(..whole).unwrap_or_default()), true);
            }
            whole = inner.position();
        }
        (Self(list), cut)
    }

    /// Type and content of each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &'a [u8])> + Clone + use<'a> {
        let mut r = Reader::new(self.0);
        std::iter::from_fn(move || Some((r.be16("extension type").ok()?, r.vec16("extension").ok()?.rest())))
    }

    /// The types, in order.
    pub fn types(&self) -> impl Iterator<Item = u16> + Clone + use<'a> {
        self.iter().map(|(ty, _)| ty)
    }
}

/// A ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientHello<'a> {
    /// `legacy_version`: what the client calls its highest version, TLS 1.2 at most today.
    pub version: u16,
    /// Random bytes.
    pub random: &'a [u8],
    /// Session to go on with, or filler.
    pub session_id: &'a [u8],
    /// Cookie of DTLS; empty for TLS.
    pub cookie: &'a [u8],
    /// Cipher suites, in order of preference.
    pub ciphers: U16s<'a>,
    /// Compression methods.
    pub compression: &'a [u8],
    /// All extensions in order.
    pub extensions: Extensions<'a>,
    /// Whether the extensions end within one of them: fingerprints would be wrong.
    pub damaged: bool,
    /// Whether there is a server name extension, whatever it holds.
    pub has_server_name: bool,
    /// First host name of the server name extension; may be empty and need not be ASCII.
    pub server_name: Option<&'a [u8]>,
    /// List of the ALPN extension: each name preceded by its length. See [`ClientHello::alpn`].
    alpn: Option<&'a [u8]>,
    /// Groups for the key exchange.
    pub groups: U16s<'a>,
    /// Forms of curve points.
    pub point_formats: &'a [u8],
    /// Signature algorithms, in order of preference.
    pub signature_algorithms: U16s<'a>,
    /// Versions; empty where there is no such extension.
    pub supported_versions: U16s<'a>,
    /// Session ticket, where one is sent (it may be empty: the client asks for one).
    pub ticket: Option<&'a [u8]>,
    /// Whether pre-shared keys are offered: resumption in TLS 1.3.
    pub pre_shared_key: bool,
    /// Whether data follows before the answer.
    pub early_data: bool,
    /// Whether an encrypted ClientHello is inside (RFC 9849): then the server name is that of the
    /// outer one. Clients without the server's key send one of random bytes (section 6.2), which
    /// cannot be told from a real one.
    pub ech: bool,
    /// Whether it has a renegotiation_info extension.
    pub renegotiation_info: bool,
}

impl<'a> ClientHello<'a> {
    /// Reads the body of the message, without the handshake header.
    pub fn parse(body: &'a [u8], dialect: Dialect) -> Result<Self, ReadError> {
        let mut r = Reader::new(body);
        let version = r.be16("client version")?;
        let random = r.take("client random", 32)?;
        let session_id = r.vec8("session id")?.rest();
        let cookie = match dialect {
            Dialect::Tls => &[][..],
            Dialect::Dtls => r.vec8("cookie")?.rest(),
        };
        let ciphers = U16s(r.vec16("cipher suites")?.rest());
        let compression = r.vec8("compression methods")?.rest();
        let (extensions, damaged) = Extensions::read(&mut r);
        let mut hello =
            Self { version, random, session_id, cookie, ciphers, compression, extensions, damaged, ..Self::default() };
        for (ty, content) in extensions.iter() {
            hello.look_into(ty, content);
        }
        Ok(hello)
    }

    /// Takes what is needed from one extension. Content that does not parse counts as empty: the
    /// extension is there all the same, and the fingerprints say so.
    fn look_into(&mut self, ty: u16, content: &'a [u8]) {
        let mut r = Reader::new(content);
        match ty {
            ext::SERVER_NAME => {
                self.has_server_name = true;
                self.server_name = host_name(content);
            }
            ext::SUPPORTED_GROUPS => self.groups = U16s(vec16(&mut r)),
            ext::EC_POINT_FORMATS => self.point_formats = r.vec8("point formats").map_or(&[][..], |mut v| v.rest()),
            ext::SIGNATURE_ALGORITHMS => self.signature_algorithms = U16s(vec16(&mut r)),
            ext::ALPN => self.alpn = Some(vec16(&mut r)),
            ext::SESSION_TICKET => self.ticket = Some(content),
            ext::PRE_SHARED_KEY => self.pre_shared_key = true,
            ext::EARLY_DATA => self.early_data = true,
            ext::ENCRYPTED_CLIENT_HELLO => self.ech = true,
            ext::RENEGOTIATION_INFO => self.renegotiation_info = true,
            ext::SUPPORTED_VERSIONS => {
                self.supported_versions = U16s(r.vec8("versions").map_or(&[][..], |mut v| v.rest()));
            }
            _ => {}
        }
    }

    /// Names of the protocol inside that the client offers, in order of preference; `None` where
    /// there is no such extension.
    pub fn alpn(&self) -> Option<impl Iterator<Item = &'a [u8]> + use<'a>> {
        self.alpn.map(names)
    }

    /// Whether the client knows renegotiation that is tied to what went before, by the extension or by
    /// the number among the cipher suites.
    pub fn offers_secure_renegotiation(&self) -> bool {
        self.renegotiation_info || self.ciphers.iter().any(|c| c == scsv::RENEGOTIATION_INFO)
    }

    /// The highest version that is offered: by the extension where there is one, in the order of
    /// the versions' age for DTLS too, whose numbers count down (RFC 6347, section 4.1).
    pub fn highest_version(&self) -> u16 {
        let dtls = self.version >> 8 == 0xfe;
        let offered = self.supported_versions.without_grease();
        let highest = if dtls { offered.min() } else { offered.max() };
        highest.unwrap_or(self.version)
    }
}

/// Random value that makes a ServerHello a HelloRetryRequest (RFC 8446, section 4.1.3): the
/// SHA-256 of "HelloRetryRequest".
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// How the random bytes of a server end that can do more than it was asked for (RFC 8446, section
/// 4.1.3): `DOWNGRD` and 1 where it chooses TLS 1.2, 0 where it chooses an older version.
const DOWNGRADE: [u8; 7] = *b"DOWNGRD";

/// A ServerHello, or a HelloRetryRequest, which has the same form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerHello<'a> {
    /// `legacy_version`: the negotiated version where no extension says another.
    pub version: u16,
    /// Random bytes.
    pub random: &'a [u8],
    /// Session identifier.
    pub session_id: &'a [u8],
    /// Cipher suite.
    pub cipher: u16,
    /// Compression method.
    pub compression: u8,
    /// All extensions in order.
    pub extensions: Extensions<'a>,
    /// Whether the extensions end within one of them.
    pub damaged: bool,
    /// Version that the extension names.
    pub selected_version: Option<u16>,
    /// Group of the key share: chosen, or asked for by a HelloRetryRequest.
    pub group: Option<u16>,
    /// Protocol inside (only up to TLS 1.2; later ones encrypt it).
    pub alpn: Option<&'a [u8]>,
    /// Whether a pre-shared key was chosen.
    pub pre_shared_key: bool,
    /// Whether it is a HelloRetryRequest.
    pub retry: bool,
    /// Whether it has a renegotiation_info extension.
    pub renegotiation_info: bool,
    /// Whether it agrees to encrypt before it authenticates (RFC 7366).
    pub encrypt_then_mac: bool,
    /// Whether it agrees to heartbeats (RFC 6520).
    pub heartbeat: bool,
}

impl<'a> ServerHello<'a> {
    /// Reads the body of the message, without the handshake header.
    pub fn parse(body: &'a [u8]) -> Result<Self, ReadError> {
        let mut r = Reader::new(body);
        let version = r.be16("server version")?;
        let random = r.take("server random", 32)?;
        let short = is_short_form(version, &r);
        let session_id = if short { &[] } else { r.vec8("session id")?.rest() };
        let cipher = r.be16("cipher suite")?;
        let compression = if short { 0 } else { r.u8("compression method")? };
        let (extensions, damaged) = Extensions::read(&mut r);
        let retry = random == RETRY_RANDOM;
        let mut hello =
            Self { version, random, session_id, cipher, compression, extensions, damaged, retry, ..Self::default() };
        hello.look_into_all();
        Ok(hello)
    }

    /// Reads the HelloRetryRequest of the drafts up to 21, which was a message type of its own:
    /// a version, from draft 19 on a cipher suite, and extensions.
    pub fn parse_draft_retry(body: &'a [u8]) -> Result<Self, ReadError> {
        let mut r = Reader::new(body);
        let version = r.be16("server version")?;
        let cipher = if version >= 0x7f13 { r.be16("cipher suite")? } else { 0 };
        let (extensions, damaged) = Extensions::read(&mut r);
        let mut hello = Self { version, cipher, extensions, damaged, retry: true, ..Self::default() };
        hello.look_into_all();
        Ok(hello)
    }

    fn look_into_all(&mut self) {
        for (ty, content) in self.extensions.iter() {
            let mut r = Reader::new(content);
            match ty {
                ext::SUPPORTED_VERSIONS => self.selected_version = r.be16("selected version").ok(),
                ext::KEY_SHARE => self.group = r.be16("group").ok(),
                ext::KEY_SHARE_DRAFT if matches!(self.version, 0x7f00..=0x7f16 | 0x0304) => {
                    self.group = r.be16("group").ok()
                }
                ext::ALPN => self.alpn = names(vec16(&mut r)).next(),
                ext::PRE_SHARED_KEY => self.pre_shared_key = true,
                ext::RENEGOTIATION_INFO => self.renegotiation_info = true,
                ext::ENCRYPT_THEN_MAC => self.encrypt_then_mac = true,
                ext::HEARTBEAT => self.heartbeat = true,
                _ => {}
            }
        }
    }

    /// The best version that the server says it has though it chose an older one: TLS 1.3 or TLS 1.2.
    /// It says so by the end of its random bytes.
    pub fn could_do(&self) -> Option<u16> {
        match self.random.split_last()? {
            (1, rest) if rest.ends_with(&DOWNGRADE) => Some(0x0304),
            (0, rest) if rest.ends_with(&DOWNGRADE) => Some(0x0303),
            _ => None,
        }
    }

    /// The negotiated version.
    pub fn negotiated(&self) -> u16 {
        self.selected_version.unwrap_or(self.version)
    }
}

/// Whether a ServerHello has neither session identifier nor compression method, as up to draft 21
/// of TLS 1.3. Early ones of these said 0x0304, which RFC 8446 never sends here; there the lengths
/// have to bear it out. `r` stands behind the random bytes.
fn is_short_form(version: u16, r: &Reader<'_>) -> bool {
    let mut ahead = *r;
    let adds_up = ahead.skip("cipher suite", 2).and_then(|()| ahead.vec16("extensions")).is_ok() && ahead.is_empty();
    (0x7f00..=0x7f15).contains(&version) || (version == 0x0304 && adds_up)
}

/// A list preceded by its length in two bytes; as much of it as there is where it is cut.
fn vec16<'a>(r: &mut Reader<'a>) -> &'a [u8] {
    r.vec16("list").map_or(&[][..], |mut v| v.rest())
}

/// The names of an ALPN list (RFC 7301, section 3.1).
fn names<'a>(list: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let mut r = Reader::new(list);
    std::iter::from_fn(move || Some(r.vec8("protocol name").ok()?.rest()))
}

/// The first host name of a server name list (RFC 6066, section 3).
fn host_name(content: &[u8]) -> Option<&[u8]> {
    let mut r = Reader::new(content);
    let mut list = r.vec16("server name list").ok()?;
    loop {
        let kind = list.u8("name type").ok()?;
        let name = list.vec16("host name").ok()?.rest();
        if kind == 0 {
            return Some(name);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A ClientHello body made of parts; used by the tests of the fingerprints too.
    pub(crate) fn client_hello(version: u16, ciphers: &[u16], extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let mut out = version.to_be_bytes().to_vec();
        out.extend([7; 32]);
        out.push(0);
        out.extend((ciphers.len() as u16 * 2).to_be_bytes());
        out.extend(ciphers.iter().flat_map(|c| c.to_be_bytes()));
        out.extend([1, 0]);
        if !extensions.is_empty() {
            let list: Vec<u8> = extensions
                .iter()
                .flat_map(|(ty, content)| {
                    [&ty.to_be_bytes()[..], &(content.len() as u16).to_be_bytes(), content].concat()
                })
                .collect();
            out.extend((list.len() as u16).to_be_bytes());
            out.extend(list);
        }
        out
    }

    #[test]
    fn every_field_of_a_client_hello_is_found() {
        let body = client_hello(
            0x0303,
            &[0x1301, 0xc02f],
            &[
                (0, b"\x00\x06\x00\x00\x03a.b"),
                (10, &[0, 4, 0, 29, 0, 23]),
                (11, &[2, 0, 1]),
                (13, &[0, 2, 4, 3]),
                (16, b"\x00\x0c\x02h2\x08http/1.1"),
                (35, b""),
                (42, b""),
                (43, &[4, 0x1a, 0x1a, 3, 4]),
                (41, &[9]),
            ],
        );
        let hello = ClientHello::parse(&body, Dialect::Tls).unwrap();
        assert_eq!(hello.version, 0x0303);
        assert_eq!(hello.highest_version(), 0x0304);
        assert_eq!(hello.ciphers.iter().collect::<Vec<_>>(), [0x1301, 0xc02f]);
        assert_eq!(hello.server_name, Some(&b"a.b"[..]));
        assert_eq!(hello.alpn().unwrap().collect::<Vec<_>>(), [&b"h2"[..], b"http/1.1"]);
        assert_eq!(hello.groups.iter().collect::<Vec<_>>(), [29, 23]);
        assert_eq!(hello.point_formats, [0, 1]);
        assert_eq!(hello.signature_algorithms.iter().collect::<Vec<_>>(), [0x0403]);
        assert_eq!(hello.ticket, Some(&b""[..]));
        assert!(hello.early_data && hello.pre_shared_key && !hello.damaged);
        assert_eq!(hello.extensions.types().collect::<Vec<_>>(), [0, 10, 11, 13, 16, 35, 42, 43, 41]);
    }

    #[test]
    fn a_hello_that_is_cut_at_any_byte_is_an_error_or_marked() {
        let body = client_hello(0x0303, &[0x1301], &[(0, b"\x00\x06\x00\x00\x03a.b"), (23, b"")]);
        for end in 0..body.len() {
            if let Ok(hello) = ClientHello::parse(&body[..end], Dialect::Tls) {
                // Without any extension the message has a sound end, as in SSL 3.
                assert!(hello.damaged || hello.extensions == Extensions(&[]), "cut at {end}");
            }
        }
    }

    #[test]
    fn odd_server_names_do_not_hide_the_extension() {
        for content in [&b""[..], b"\x00\x00", b"\x00\x03\x00\x00\x05", b"\x00\x05\x07\x00\x02xx"] {
            let body = client_hello(0x0303, &[1], &[(0, content)]);
            let hello = ClientHello::parse(&body, Dialect::Tls).unwrap();
            assert!(hello.has_server_name);
            assert_eq!(hello.server_name, None);
        }
        let body = client_hello(0x0303, &[1], &[(0, b"\x00\x03\x00\x00\x00")]);
        assert_eq!(ClientHello::parse(&body, Dialect::Tls).unwrap().server_name, Some(&b""[..]));
    }

    #[test]
    fn dtls_has_a_cookie_and_counts_versions_down() {
        let mut body = client_hello(0xfefd, &[0xc02f], &[(43, &[4, 0xfe, 0xfd, 0xfe, 0xfc])]);
        body.splice(35..35, [2, 0xaa, 0xbb]);
        let hello = ClientHello::parse(&body, Dialect::Dtls).unwrap();
        assert_eq!(hello.cookie, [0xaa, 0xbb]);
        assert_eq!(hello.ciphers.iter().collect::<Vec<_>>(), [0xc02f]);
        assert_eq!(hello.highest_version(), 0xfefc);
    }

    #[test]
    fn a_server_hello_gives_version_group_and_retry() {
        let mut body = vec![3, 3];
        body.extend(RETRY_RANDOM);
        body.extend([1, 9, 0x13, 0x02, 0, 0, 12, 0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 23]);
        let hello = ServerHello::parse(&body).unwrap();
        assert!(hello.retry && !hello.damaged);
        assert_eq!((hello.version, hello.negotiated(), hello.cipher), (0x0303, 0x0304, 0x1302));
        assert_eq!(hello.group, Some(23));
        assert_eq!(hello.session_id, [9]);
    }

    #[test]
    fn what_bears_on_weakness() {
        let body = client_hello(0x0303, &[0xc02f, 0x00ff], &[(0xfe0d, &[0, 0, 1]), (0, b"\x00\x06\x00\x00\x03a.b")]);
        let hello = ClientHello::parse(&body, Dialect::Tls).unwrap();
        assert!(hello.ech && hello.offers_secure_renegotiation() && !hello.renegotiation_info);
        assert_eq!(hello.server_name, Some(&b"a.b"[..]), "that of the outer hello");
        let body = client_hello(0x0303, &[0xc02f], &[(0xff01, &[0])]);
        let hello = ClientHello::parse(&body, Dialect::Tls).unwrap();
        assert!(!hello.ech && hello.offers_secure_renegotiation());
        let mut body = vec![3, 3];
        body.extend([5; 24]);
        body.extend(b"DOWNGRD\x01");
        body.extend([0, 0xc0, 0x13, 0, 0, 14, 0xff, 1, 0, 1, 0, 0, 22, 0, 0, 0, 15, 0, 1, 1]);
        let hello = ServerHello::parse(&body).unwrap();
        assert!(hello.renegotiation_info && hello.encrypt_then_mac && hello.heartbeat && !hello.damaged);
        assert_eq!(hello.could_do(), Some(0x0304));
        body[33] = 0;
        assert_eq!(ServerHello::parse(&body).unwrap().could_do(), Some(0x0303));
        body[33] = 2;
        assert_eq!(ServerHello::parse(&body).unwrap().could_do(), None);
    }

    #[test]
    fn the_server_hello_of_early_drafts_has_no_session_id() {
        let mut body = vec![0x7f, 0x12];
        body.extend([5; 32]);
        body.extend([0x13, 0x01, 0, 10, 0, 40, 0, 6, 0, 29, 0, 2, 1, 2]);
        let hello = ServerHello::parse(&body).unwrap();
        assert_eq!((hello.cipher, hello.group, hello.negotiated()), (0x1301, Some(29), 0x7f12));
        body[..2].copy_from_slice(&[3, 4]);
        let hello = ServerHello::parse(&body).unwrap();
        assert_eq!((hello.cipher, hello.group, hello.negotiated()), (0x1301, Some(29), 0x0304));
    }
}
