//! What is known of a handshake: the event, and the row that it makes.

use super::super::api::{Direction, Event};
use crate::base::secret::Reveal;
use crate::base::{Timestamp, limits};
use crate::fingerprint::hello::{ClientHello, ServerHello};
use crate::fingerprint::{hex, ja3, ja4, npf, registry, sslv2, suites};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};
use crate::signature::labels;

/// Handshakes: one row per ClientHello with the answer to it, over any transport.
pub static TABLE: Table = Table {
    name: "tls",
    doc: "TLS handshakes: one row per ClientHello with the answer to it; a ServerHello alone has a row too",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("transport", Type::Text, "What carries the handshake: tcp, quic or dtls"),
        Column::repeating("version", Type::Text, "Negotiated version, e.g. TLSv1.2; null where no answer was seen"),
        Column::repeating("client_version", Type::Text, "Highest version that the client offers"),
        Column::repeating("server_name", Type::Text, "Server name (SNI) that the client asks for"),
        Column::repeating(
            "alpn",
            Type::TextList,
            "Protocols inside (ALPN) that the client offers, in its order; of a ServerHello alone the one chosen",
        ),
        Column::repeating("cipher", Type::Text, "Negotiated cipher suite, IANA name, or 0x and four hex digits"),
        Column::repeating("curve", Type::Text, "Group of the server's key share, IANA name, or 0x and four hex digits"),
        Column::repeating("ja3", Type::Text, "JA3 of the ClientHello"),
        Column::repeating("ja3s", Type::Text, "JA3S of the ServerHello"),
        Column::repeating("ja4", Type::Text, "JA4 of the ClientHello"),
        Column::repeating("ja3_raw", Type::Text, "The text that JA3 is the MD5 of"),
        Column::repeating("ja4_raw", Type::Text, "JA4 with its lists in place of their hashes (JA4_r)"),
        Column::repeating(
            "client_label",
            Type::Text,
            "Software that JA3 and JA4 are known for; a library where very many programs share them",
        ),
        Column::repeating("resumed", Type::Bool, "Whether an earlier session went on"),
        Column::repeating(
            "established",
            Type::Bool,
            "Whether the handshake was completed; false for a ClientHello that was answered by a request for another",
        ),
        Column::repeating(
            "certificate_sha256",
            Type::TextList,
            "SHA-256 of each certificate sent, the server's first; null where they were not seen, as with TLS 1.3, which encrypts them",
        ),
        Column::repeating(
            "ech",
            Type::Bool,
            "Whether the ClientHello has an encrypted one inside (RFC 9849), so that server_name is the outer name; clients also send random bytes in its place, which cannot be told apart; null where no ClientHello was seen",
        ),
        Column::repeating(
            "post_quantum",
            Type::Bool,
            "Whether the client offers a key exchange that withstands quantum computers (ML-KEM, alone or with a curve); what was agreed on stands in curve",
        ),
        Column::repeating("dh_bits", Type::Int32, "Bits of the prime of a finite-field key exchange (up to TLS 1.2)"),
        Column::repeating(
            "signature_scheme",
            Type::Text,
            "What the server signed its key exchange with, IANA name of the TLS SignatureScheme, or 0x and four hex digits (TLS 1.2; null where it was not signed or not in clear)",
        ),
        Column::repeating(
            "compression",
            Type::Text,
            "Compression that the server chose: none, DEFLATE, LZS, or a number; null in TLS 1.3, which has none",
        ),
        Column::repeating(
            "secure_renegotiation",
            Type::Bool,
            "Whether the server answers with renegotiation_info (RFC 5746); null in TLS 1.3, which has no renegotiation",
        ),
        Column::repeating("npf", Type::Text, "NPF string of the ClientHello (tls/1, dtls/1, quic)"),
        Column::repeating("npf_server", Type::Text, "NPF string of the ServerHello"),
    ],
};

/// An alert sent in clear (RFC 5246, section 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alert {
    /// Who sent it.
    pub sender: Direction,
    /// 1 warning, 2 fatal.
    pub level: u8,
    /// Number of the description (IANA TLS Alerts registry).
    pub description: u8,
}

/// A heartbeat whose payload is said to be longer than the record that it came in has room for beside
/// the padding (RFC 6520, section 4, has such a one discarded; CVE-2014-0160).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// Who sent it.
    pub sender: Direction,
    /// Bytes that it says its payload has.
    pub claimed: u16,
    /// Bytes of the record behind that number.
    pub carried: u16,
    /// Bytes of heartbeat records that the other side sent in clear behind it.
    pub answered: u64,
}

/// What a ClientHello says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientFacts {
    /// Version field of the hello.
    pub version: u16,
    /// Highest version that is offered.
    pub highest_version: u16,
    /// Cipher suites in order, without more than [`limits::TLS_CIPHERS_MAX`]; of a hello in the
    /// form of SSL 2 those that TLS knows.
    pub ciphers: Vec<u16>,
    /// Cipher kinds of SSL 2, in order.
    pub sslv2_ciphers: Vec<u32>,
    /// Whether the hello had the form of SSL 2.
    pub sslv2_form: bool,
    /// Compression methods.
    pub compression: Vec<u8>,
    /// Session identifier.
    pub session_id: Vec<u8>,
    /// Whether data was sent before the answer.
    pub early_data: bool,
    /// Whether there is a server name extension, whatever it holds.
    pub has_server_name: bool,
    /// Whether an encrypted ClientHello is inside; see [`ClientHello::ech`].
    pub ech: bool,
    /// Whether a group is offered that withstands quantum computers.
    pub post_quantum: bool,
    /// Whether it knows renegotiation that is tied to what went before (RFC 5746).
    pub secure_renegotiation: bool,
    /// Server name as sent; may be empty and need not be ASCII.
    pub server_name: Option<Vec<u8>>,
    /// Names of the protocol inside, in order.
    pub alpn: Vec<Vec<u8>>,
    /// JA3; `None` where the hello is damaged or has the form of SSL 2.
    pub ja3: Option<String>,
    /// The text that it is the MD5 of.
    pub ja3_raw: Option<String>,
    /// JA4 and its raw form; `None` where the hello is damaged.
    pub ja4: Option<ja4::Ja4>,
    /// NPF string; of a hello in QUIC it is made where the version is known. `None` where the hello is damaged, or the
    /// string longer than [`limits::NPF_BYTES_MAX`].
    pub npf: Option<String>,
}

impl ClientFacts {
    /// From a hello of TLS.
    pub fn new(hello: &ClientHello<'_>, carrier: ja4::Carrier) -> Self {
        let ja3_raw = (!hello.damaged).then(|| ja3::ja3_raw(hello));
        Self {
            version: hello.version,
            highest_version: hello.highest_version(),
            ciphers: hello.ciphers.iter().take(limits::TLS_CIPHERS_MAX).collect(),
            sslv2_ciphers: Vec::new(),
            sslv2_form: false,
            compression: hello.compression.to_vec(),
            session_id: hello.session_id.to_vec(),
            early_data: hello.early_data,
            has_server_name: hello.has_server_name,
            ech: hello.ech,
            post_quantum: hello.groups.iter().any(suites::is_post_quantum),
            secure_renegotiation: hello.offers_secure_renegotiation(),
            server_name: hello.server_name.map(<[u8]>::to_vec),
            alpn: hello.alpn().into_iter().flatten().take(limits::LIST_ITEMS_MAX).map(<[u8]>::to_vec).collect(),
            ja3: ja3_raw.as_deref().map(ja3::digest),
            ja3_raw,
            ja4: (!hello.damaged).then(|| ja4::ja4(hello, carrier)),
            npf: (!hello.damaged && carrier != ja4::Carrier::Quic)
                .then(|| npf::tls(hello, carrier == ja4::Carrier::Dtls))
                .filter(|s| s.len() <= limits::NPF_BYTES_MAX),
        }
    }

    /// What software the fingerprints are known for.
    pub fn label(&self) -> Option<std::borrow::Cow<'static, str>> {
        labels::tls_client(self.ja3.as_deref(), self.ja4.as_ref().map(|j| j.hash.as_str()))
    }

    /// From a hello in the form of SSL 2.
    pub fn from_sslv2(version: u16, ciphers: sslv2::Ciphers<'_>, session_id: &[u8]) -> Self {
        let kinds = || ciphers.iter().take(limits::TLS_CIPHERS_MAX);
        Self {
            version,
            highest_version: version,
            ciphers: kinds().filter_map(|kind| u16::try_from(kind).ok()).collect(),
            sslv2_ciphers: kinds().filter(|kind| *kind > 0xffff).collect(),
            sslv2_form: true,
            session_id: session_id.to_vec(),
            ja4: Some(ja4::ja4_of_sslv2(version)),
            ..Self::default()
        }
    }
}

/// What a ServerHello says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// Negotiated version.
    pub version: u16,
    /// Cipher suite; for SSL 2 the kind that the client chose, `None` until it did.
    pub cipher: Option<u32>,
    /// Compression method.
    pub compression: u8,
    /// Session identifier.
    pub session_id: Vec<u8>,
    /// Protocol inside, where it is in clear.
    pub alpn: Option<Vec<u8>>,
    /// Whether a pre-shared key was chosen (TLS 1.3), or the session of SSL 2 goes on.
    pub resumes: bool,
    /// Whether it asks for another ClientHello (HelloRetryRequest).
    pub retry: bool,
    /// JA3S; `None` where the hello is damaged or of SSL 2.
    pub ja3s: Option<String>,
    /// NPF string, likewise.
    pub npf: Option<String>,
    /// Whether it answers with renegotiation_info (RFC 5746); `None` where the hello is damaged or the
    /// version has no renegotiation, or is SSL 2.
    pub secure_renegotiation: Option<bool>,
    /// Whether it agrees to encrypt before it authenticates (RFC 7366).
    pub encrypt_then_mac: bool,
    /// Whether it agrees to heartbeats (RFC 6520).
    pub heartbeat: bool,
    /// The version that it could do, where it says that it chose an older one; see
    /// [`ServerHello::could_do`].
    pub could_do: Option<u16>,
}

impl ServerFacts {
    /// From a hello of TLS.
    pub fn new(hello: &ServerHello<'_>) -> Self {
        Self {
            version: hello.negotiated(),
            cipher: Some(u32::from(hello.cipher)),
            compression: hello.compression,
            session_id: hello.session_id.to_vec(),
            alpn: hello.alpn.map(<[u8]>::to_vec),
            resumes: hello.pre_shared_key && !hello.retry,
            retry: hello.retry,
            ja3s: (!hello.damaged).then(|| ja3::digest(&ja3::ja3s_raw(hello))),
            npf: (!hello.damaged).then(|| npf::tls_server(hello)).filter(|s| s.len() <= limits::NPF_BYTES_MAX),
            secure_renegotiation: (!hello.damaged && !registry::is_tls13(hello.negotiated()))
                .then_some(hello.renegotiation_info),
            encrypt_then_mac: hello.encrypt_then_mac,
            heartbeat: hello.heartbeat,
            could_do: hello.could_do(),
        }
    }

    /// Number of the TLS cipher suite.
    pub fn suite(&self) -> Option<u16> {
        u16::try_from(self.cipher?).ok().filter(|_| self.version != 0x0002)
    }
}

/// A handshake: a ClientHello and the answer to it, or one of the two alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// Time of the ClientHello, or of the ServerHello where it is alone.
    pub ts: Timestamp,
    /// Packet that completed it.
    pub packet: u64,
    /// What carries it: `tcp`, `quic` or `dtls`.
    pub transport: &'static str,
    /// Which side of the flow is the client: mostly the originator.
    pub client_side: Direction,
    /// The ClientHello.
    pub client: Option<ClientFacts>,
    /// The answer.
    pub server: Option<ServerFacts>,
    /// Group of the server's key share.
    pub group: Option<u16>,
    /// Bits of the prime of a finite-field key exchange.
    pub dh_bits: Option<u32>,
    /// Algorithm that the server signed the key exchange with (TLS 1.2; IANA TLS SignatureScheme).
    pub signature_scheme: Option<u16>,
    /// SHA-256 of each certificate sent in clear, the server's first.
    pub certificates: Vec<[u8; 32]>,
    /// How many of them are the server's.
    pub server_certificates: usize,
    /// Whether the server said that its hello is done: a full handshake (up to TLS 1.2).
    pub hello_done: bool,
    /// Alerts in clear.
    pub alerts: Vec<Alert>,
    /// A heartbeat in clear that claims more than it has room for, and what came back.
    pub heartbeat: Option<Heartbeat>,
    /// Whether an earlier session went on.
    pub resumed: Option<bool>,
    /// Whether the handshake was completed.
    pub established: Option<bool>,
}

impl Handshake {
    /// A handshake of which nothing is known yet.
    pub fn new(ts: Timestamp, packet: u64, transport: &'static str, client_side: Direction) -> Self {
        Self {
            ts,
            packet,
            transport,
            client_side,
            client: None,
            server: None,
            group: None,
            dh_bits: None,
            signature_scheme: None,
            certificates: Vec::new(),
            server_certificates: 0,
            hello_done: false,
            alerts: Vec::new(),
            heartbeat: None,
            resumed: None,
            established: None,
        }
    }

    /// Whether the answer is one of TLS 1.3, behind which all is encrypted.
    pub fn is_tls13(&self) -> bool {
        self.server.as_ref().is_some_and(|s| !s.retry && registry::is_tls13(s.version))
    }

    /// Name of the negotiated cipher suite.
    pub fn cipher_name(&self) -> Option<std::borrow::Cow<'static, str>> {
        let server = self.server.as_ref()?;
        match (server.suite(), server.cipher?) {
            (Some(suite), _) => Some(registry::cipher_text(suite)),
            (None, kind) => Some(sslv2::cipher_name(kind).map_or_else(|| format!("0x{kind:06x}").into(), Into::into)),
        }
    }
}

/// What the parser emits.
#[derive(Debug, Clone, Copy)]
pub enum TlsEvent<'e> {
    /// A handshake, complete or given up: a row.
    Handshake(&'e Handshake),
    /// A chain of certificates, sent in clear (up to TLS 1.2) or opened with keys. The hashes are in
    /// the handshake's row as well.
    Certificates {
        /// Who sent it.
        sender: Direction,
        /// Whether that is the server's side.
        from_server: bool,
        /// The certificates in DER, in the order in which they were sent: position 0 is the
        /// sender's own.
        chain: &'e [&'e [u8]],
        /// SHA-256 of each.
        sha256: &'e [[u8; 32]],
    },
    /// Application data that keys made readable, or that was not encrypted: not an event of its own, the engine reads
    /// it as the stream of another protocol.
    Plain {
        /// Who sent it.
        sender: Direction,
        /// The plain text of a record.
        bytes: &'e [u8],
        /// Whether it was on the network as it stands here: the cipher suite encrypts nothing.
        in_clear: bool,
    },
}

impl Event for TlsEvent<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        match self {
            Self::Handshake(h) => Some((h.ts, h.packet)),
            Self::Certificates { .. } | Self::Plain { .. } => None,
        }
    }

    fn has_row(&self) -> bool {
        matches!(self, Self::Handshake(_))
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Self::Handshake(h) = self else { return };
        let (client, server) = (h.client.as_ref(), h.server.as_ref());
        row.text(h.transport);
        row.opt_text(server.map(|s| registry::version_name(s.version)).as_deref());
        row.opt_text(client.map(|c| registry::version_name(c.highest_version)).as_deref());
        row.opt_bytes(client.and_then(|c| c.server_name.as_deref()));
        match (client, server.and_then(|s| s.alpn.as_ref())) {
            (Some(c), _) => {
                row.list(c.alpn.len());
                for name in &c.alpn {
                    row.bytes(name);
                }
            }
            (None, Some(chosen)) => {
                row.list(1).bytes(chosen);
            }
            (None, None) => {
                row.null();
            }
        }
        row.opt_text(h.cipher_name().as_deref());
        row.opt_text(h.group.map(registry::group_name).as_deref());
        row.opt_text(client.and_then(|c| c.ja3.as_deref()));
        row.opt_text(server.and_then(|s| s.ja3s.as_deref()));
        row.opt_text(client.and_then(|c| c.ja4.as_ref()).map(|j| j.hash.as_str()));
        row.opt_text(client.and_then(|c| c.ja3_raw.as_deref()));
        row.opt_text(client.and_then(|c| c.ja4.as_ref()).map(|j| j.raw.as_str()));
        row.opt_text(client.and_then(ClientFacts::label).as_deref());
        row.opt_bool(h.resumed);
        row.opt_bool(h.established);
        // An empty list says that none were sent, which takes a handshake seen as far as that.
        if h.certificates.is_empty() && !(h.hello_done || (h.resumed == Some(true) && !h.is_tls13())) {
            row.null();
        } else {
            row.texts(&h.certificates.iter().map(|hash| hex(hash)).collect::<Vec<_>>());
        }
        row.opt_bool(client.map(|c| c.ech));
        row.opt_bool(client.map(|c| c.post_quantum));
        row.opt_int(h.dh_bits);
        row.opt_text(h.signature_scheme.map(registry::signature_name).as_deref());
        let compression = server.filter(|s| s.version != 0x0002 && !registry::is_tls13(s.version) && !s.retry);
        row.opt_text(compression.map(|s| registry::compression_name(s.compression)).as_deref());
        row.opt_bool(server.and_then(|s| s.secure_renegotiation));
        row.opt_text(client.and_then(|c| c.npf.as_deref()));
        row.opt_text(server.and_then(|s| s.npf.as_deref()));
    }

    fn server_name(&self) -> Option<(&'static str, &[u8])> {
        let Self::Handshake(h) = self else { return None };
        let name = h.client.as_ref()?.server_name.as_deref()?;
        (!name.is_empty()).then_some(("sni", name))
    }
}
