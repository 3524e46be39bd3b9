//! What is known of a connection: the event, and the row that it makes.

use super::frames;
use super::header::CONNECTION_ID_MAX;
use super::version;
use crate::base::secret::Reveal;
use crate::base::{Timestamp, limits};
use crate::fingerprint::hex;
use crate::proto::api::{self, About, Cx, Direction, Fact};
use crate::proto::tls;
use crate::proto::tls::{Handshake, TlsEvent};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "quic",
    doc: "One QUIC connection, as far as its first packets tell; its TLS handshake has its own row in `tls`. All behind \
          the handshake is encrypted and not looked at",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating(
            "version",
            Type::Text,
            "Version in use: `v1 v2 draft-29 mvfst-faceb002 Q046 T051` ..., or `0x` and eight hex digits",
        ),
        Column::repeating(
            "client_versions",
            Type::TextList,
            "Versions that the client used in its first packets or says that it has, in its order; null where none of \
             its packets was seen",
        ),
        Column::repeating(
            "server_versions",
            Type::TextList,
            "Versions that the server listed because it does not have the client's; null where it did not",
        ),
        Column::new(
            "client_dcid",
            Type::Text,
            "Connection identifier, in hex, that the client's first packet was sent to: the keys of Initial packets \
             come from it",
        ),
        Column::new(
            "client_scid",
            Type::Text,
            "Connection identifier, in hex, that the client chose for itself; empty \
             text where it has none",
        ),
        Column::new("server_scid", Type::Text, "Connection identifier, in hex, that the server chose for itself"),
        Column::repeating(
            "retry",
            Type::Bool,
            "Whether the server wanted the client to begin anew with a token (Retry), or, in Google QUIC, with another \
             CHLO (REJ)",
        ),
        Column::repeating("token_bytes", Type::Int32, "Bytes of the token in the client's first packet that has one"),
        Column::repeating("zero_rtt_packets", Type::Int32, "Packets with data that the client sent before the answer"),
        Column::repeating("datagrams", Type::Int32, "Datagrams looked at, of both sides, until all was known"),
        Column::repeating("opened", Type::Int32, "Initial packets among them that could be decrypted"),
        Column::repeating("server_name", Type::Text, "Server name (SNI) that the client asks for"),
        Column::repeating(
            "alpn",
            Type::TextList,
            "Protocols inside (ALPN) that the client offers, in its order; null where no hello of TLS was read",
        ),
        Column::repeating(
            "application",
            Type::Text,
            "What runs inside, where all that the client offers says the same: `http3 http dns smb`; null otherwise",
        ),
        Column::repeating("user_agent", Type::Text, "Software of the client, as it names it (Google's only)"),
        Column::repeating(
            "established",
            Type::Bool,
            "True where packets of the handshake from both sides and then data of the client were seen; false where it \
             was closed in an Initial packet; null where that cannot be told",
        ),
        Column::repeating(
            "closed_by",
            Type::Text,
            "`client` or `server`, where an Initial packet closes the connection",
        ),
        Column::repeating(
            "close_error",
            Type::Text,
            "Why: name of the transport error or TLS alert (`connection_refused no_application_protocol` ...); \
             `application_0x` and the number for one of the application",
        ),
        Column::repeating("close_reason", Type::Text, "The text that goes with it"),
    ],
};

/// A connection identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectionId {
    bytes: [u8; CONNECTION_ID_MAX],
    len: u8,
}

impl ConnectionId {
    /// One of at most 20 bytes; of a longer one the first 20.
    pub fn new(id: &[u8]) -> Self {
        let mut bytes = [0; CONNECTION_ID_MAX];
        let mut len = 0;
        for (to, from) in bytes.iter_mut().zip(id) {
            *to = *from;
            len += 1;
        }
        Self { bytes, len }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// The end of a connection in an Initial packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// Whether the client closes.
    pub by_client: bool,
    /// Error code.
    pub code: u64,
    /// Whether it is one of the application's.
    pub by_application: bool,
    /// Text.
    pub reason: Vec<u8>,
}

/// What is known of a connection.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// When and in which packet it was first seen.
    pub at: (Timestamp, u64),
    /// Which side of the flow is the client, where that is known.
    pub client: Option<Direction>,
    /// Version in use.
    pub version: u32,
    /// Versions that the client used or has.
    pub client_versions: Vec<u32>,
    /// Versions that the server listed.
    pub server_versions: Vec<u32>,
    /// Connection identifier that the client's first packet went to.
    pub client_dcid: Option<ConnectionId>,
    /// Connection identifier of the client.
    pub client_scid: Option<ConnectionId>,
    /// Connection identifier of the server.
    pub server_scid: Option<ConnectionId>,
    /// Whether the client had to begin anew.
    pub retry: bool,
    /// Bytes of its token.
    pub token_bytes: Option<usize>,
    /// Packets with early data.
    pub zero_rtt_packets: u32,
    /// Datagrams looked at.
    pub datagrams: u32,
    /// Initial packets decrypted.
    pub opened: u32,
    /// Server name, as sent.
    pub server_name: Option<Vec<u8>>,
    /// Names of the protocol inside.
    pub alpn: Vec<Vec<u8>>,
    /// Whether a hello of the server was read.
    pub has_answer: bool,
    /// Whether a hello was read: where not, there is no telling what it offers.
    pub has_hello: bool,
    /// Software of the client.
    pub user_agent: Option<Vec<u8>>,
    /// Whether the handshake was completed.
    pub established: Option<bool>,
    /// How it ended.
    pub close: Option<Close>,
}

impl Connection {
    /// Adds a version to those of the client. Whether it is new.
    pub fn client_has(&mut self, cx: &Cx<'_>, version: u32) -> bool {
        note(cx, &mut self.client_versions, version)
    }

    /// Adds a version to those of the server. Whether it is new.
    pub fn server_has(&mut self, cx: &Cx<'_>, version: u32) -> bool {
        note(cx, &mut self.server_versions, version)
    }

    /// What runs inside, told by what the client offers.
    pub fn application(&self) -> Option<&'static str> {
        let mut names = self.alpn.iter().map(|name| application(name));
        let first = names.next()??;
        names.all(|name| name == Some(first)).then_some(first)
    }

    fn close_error(&self) -> Option<String> {
        let close = self.close.as_ref()?;
        Some(match (close.by_application, version::google(self.version)) {
            (true, _) => format!("application_0x{:x}", close.code),
            // Google's numbers are its own, and there are hundreds.
            (false, Some(_)) => format!("google_{}", close.code),
            (false, None) => frames::error_name(close.code).into_owned(),
        })
    }
}

fn note(cx: &Cx<'_>, list: &mut Vec<u32>, version: u32) -> bool {
    if list.contains(&version) {
        return false;
    }
    if list.len() >= limits::QUIC_VERSIONS_MAX {
        cx.limit_hit();
        return false;
    }
    list.push(version);
    true
}

/// The application that an ALPN name stands for (IANA registry; `hq` and drafts of the others before).
fn application(name: &[u8]) -> Option<&'static str> {
    match name {
        b"h3" => Some("http3"),
        b"doq" => Some("dns"),
        b"smb" => Some("smb"),
        _ if name.starts_with(b"h3-") => Some("http3"),
        _ if name.starts_with(b"doq-") => Some("dns"),
        _ if name.starts_with(b"hq") || name.starts_with(b"http/") => Some("http"),
        _ => None,
    }
}

/// What the parser emits.
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// A TLS handshake: a row of `tls`.
    Handshake(&'e Handshake),
    /// A connection of which nothing more will be known: a row of `quic`.
    Connection(&'e Connection),
}

impl api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(match self {
            Self::Handshake(h) => (h.ts, h.packet),
            Self::Connection(c) => c.at,
        })
    }

    fn has_row(&self) -> bool {
        true
    }

    fn table(&self) -> Option<&'static Table> {
        match self {
            Self::Handshake(_) => Some(&tls::TABLE),
            Self::Connection(_) => None,
        }
    }

    fn write(&self, row: &mut RowWriter<'_>, reveal: Reveal) {
        let c = match self {
            Self::Handshake(h) => return TlsEvent::Handshake(h).write(row, reveal),
            Self::Connection(c) => *c,
        };
        row.text(&version::name(c.version));
        for list in [&c.client_versions, &c.server_versions] {
            if list.is_empty() {
                row.null();
            } else {
                row.texts(&list.iter().map(|v| version::name(*v)).collect::<Vec<_>>());
            }
        }
        for id in [&c.client_dcid, &c.client_scid, &c.server_scid] {
            row.opt_text(id.as_ref().map(|id| hex(id.bytes())).as_deref());
        }
        row.bool(c.retry);
        row.opt_int(c.token_bytes.map(|n| i64::try_from(n).unwrap_or(i64::MAX)));
        for n in [c.zero_rtt_packets, c.datagrams, c.opened] {
            row.int(n);
        }
        row.opt_bytes(c.server_name.as_deref());
        if c.has_hello && !version::has_google_messages(c.version) {
            row.list(c.alpn.len());
            c.alpn.iter().for_each(|name| {
                row.bytes(name);
            });
        } else {
            row.null();
        }
        row.opt_text(c.application()).opt_bytes(c.user_agent.as_deref()).opt_bool(c.established);
        row.opt_text(c.close.as_ref().map(|close| if close.by_client { "client" } else { "server" }));
        row.opt_text(c.close_error().as_deref());
        row.opt_bytes(c.close.as_ref().map(|close| close.reason.as_slice()).filter(|reason| !reason.is_empty()));
    }

    fn server_name(&self) -> Option<(&'static str, &[u8])> {
        let name = match self {
            Self::Handshake(h) => h.client.as_ref()?.server_name.as_deref()?,
            Self::Connection(c) => c.server_name.as_deref()?,
        };
        (!name.is_empty()).then_some(("quic_sni", name))
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        if let Self::Connection(c) = self
            && let (Some(client), Some(value)) = (c.client, &c.user_agent)
        {
            tell(Fact { about: About::Side(client), attribute: "user-agent", value });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_inside_is_told_by_all_that_is_offered() {
        let of = |names: &[&str]| {
            let alpn = names.iter().map(|n| n.as_bytes().to_vec()).collect();
            Connection { alpn, ..Connection::default() }.application()
        };
        assert_eq!(
            [of(&["h3", "h3-29"]), of(&["doq-i02"]), of(&["hq-29", "http/0.9"])],
            [Some("http3"), Some("dns"), Some("http")]
        );
        assert_eq!([of(&["h3", "doq"]), of(&["perf"]), of(&["h3", "perf"]), of(&[])], [None; 4]);
    }

    #[test]
    fn identifiers_are_at_most_20_bytes() {
        assert_eq!(ConnectionId::new(&[7; 255]).bytes(), [7; 20]);
        assert!(ConnectionId::new(&[]).bytes().is_empty());
        assert_ne!(ConnectionId::new(&[0]), ConnectionId::new(&[]));
    }
}
