//! What the HTTP parsers tell, and the table that it goes to.

use super::http_blank::blanked_authority;
use super::http_device::Told;
use super::http_login as login;
use super::http_soap::Mapping;
use super::ipp;
use crate::base::Timestamp;
use crate::base::secret::Reveal;
use crate::proto::api::{About, Direction, Fact, Login};
use crate::proto::text;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "http",
    doc: "One HTTP request with the response to it; a response alone has its row too",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("method", Type::Text, "Request method; null where only the response was seen"),
        Column::repeating("host", Type::Text, "Host field"),
        Column::new("uri", Type::Text, "Request target; user information and secret query parameters are blanked"),
        Column::repeating("version", Type::Text, "Version of the request, else of the response"),
        Column::repeating("user_agent", Type::Text, "User-Agent field"),
        Column::repeating("referrer", Type::Text, "Referer field, blanked like uri"),
        Column::repeating("status", Type::Int32, "Status code; null where no response was seen"),
        Column::repeating(
            "reason",
            Type::Text,
            "Reason phrase, without settings that hold a secret; likewise realm, title, server and user agent",
        ),
        Column::repeating("server", Type::Text, "Server field"),
        Column::repeating("content_type", Type::Text, "Content-Type of the response"),
        Column::new(
            "request_body_len",
            Type::Int64,
            "Bytes of the request body as sent: as announced, or counted where it came in chunks",
        ),
        Column::new(
            "response_body_len",
            Type::Int64,
            "Bytes of the response body as sent: as announced, or counted where it came in chunks or up to the close",
        ),
        Column::new("trans_depth", Type::Int32, "1 for the first request of the connection, and so on"),
        Column::repeating("auth_scheme", Type::Text, "Scheme of the request's authorization, else of the challenge"),
        Column::repeating("realm", Type::Text, "Realm that the challenge names"),
        Column::new("location", Type::Text, "Location field, blanked like uri"),
        Column::repeating("title", Type::Text, "Title of the page, from the first 8 KiB of its body as sent"),
        Column::new("response_packet", Type::Int64, "Packet that completed the response's head"),
        Column::new("rtt_us", Type::Int64, "Time from the request's head to the response's head, in microseconds"),
        Column::repeating(
            "npf",
            Type::Text,
            "NPF string of the request, which tells the client's software; of the first of a connection (HTTP/1)",
        ),
    ],
};

/// A request and its response, or one of the two.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exchange<'e> {
    /// When the head of the request (else that of the response) was complete, and in which packet.
    pub at: (Timestamp, u64),
    /// Likewise for the response.
    pub response_at: Option<(Timestamp, u64)>,
    /// Method.
    pub method: Option<&'e [u8]>,
    /// Host field.
    pub host: Option<&'e [u8]>,
    /// Request target as sent: it may hold secrets.
    pub uri: Option<&'e [u8]>,
    /// Version as the `version` column spells it: `1.0`, `1.1`, `2`.
    pub version: &'static str,
    /// User-Agent field.
    pub user_agent: Option<&'e [u8]>,
    /// Referer field as sent: it may hold secrets.
    pub referrer: Option<&'e [u8]>,
    /// Status code.
    pub status: Option<u16>,
    /// Reason phrase.
    pub reason: Option<&'e [u8]>,
    /// Server field.
    pub server: Option<&'e [u8]>,
    /// Content-Type of the response.
    pub content_type: Option<&'e [u8]>,
    /// Bytes of the request's body.
    pub request_body_len: Option<u64>,
    /// Bytes of the response's body.
    pub response_body_len: Option<u64>,
    /// Number of the request on its connection, from 1.
    pub depth: u32,
    /// NPF string of the first request of a connection.
    pub npf: Option<&'e str>,
    /// Scheme of the authorization, else of the challenge.
    pub auth_scheme: Option<&'e [u8]>,
    /// Realm of the challenge.
    pub realm: Option<&'e [u8]>,
    /// Name of the first cookie that the response sets.
    pub cookie: Option<&'e [u8]>,
    /// Name of the last one, where it sets several.
    pub last_cookie: Option<&'e [u8]>,
    /// Name of the field of the request that says that somebody passed it on.
    pub forwarded: Option<&'static str>,
    /// Location field as sent: it may hold secrets.
    pub location: Option<&'e [u8]>,
    /// Title of the page.
    pub title: Option<&'e [u8]>,
    /// The side that answers, where it is known.
    pub server_side: Option<Direction>,
    /// Whether somebody asked a proxy for a page of another server: what the answer says is not about
    /// the device at the other end.
    pub is_proxied: bool,
    /// Which of its facts ([`Exchange::facts`]) were not told before on this flow, as bits.
    pub fresh: u8,
}

impl<'e> Exchange<'e> {
    /// Whether the request names its server in its address, as one to a proxy does. It may be meant for the server that
    /// got it all the same (RFC 9112, section 3.2.2).
    pub fn is_for_another(&self) -> bool {
        self.is_proxied || self.method == Some(b"CONNECT")
    }

    /// What it says of the two devices: side, attribute, value.
    pub fn facts(&self) -> [(Side, &'static str, Option<&'e [u8]>); 8] {
        let as_proxy = self.is_for_another() && self.status.is_some_and(|status| (200..300).contains(&status));
        let page = Some(200).filter(|_| !self.is_proxied) == self.status;
        [
            (Side::Server, "server", self.server.filter(|_| !self.is_proxied)),
            (Side::Server, "realm", self.realm.filter(|_| !self.is_proxied)),
            (Side::Server, "title", self.title.filter(|_| page)),
            (Side::Client, "user-agent", self.user_agent),
            (Side::Server, "cookie", self.cookie.filter(|_| !self.is_proxied)),
            (Side::Server, "cookie", self.last_cookie.filter(|_| !self.is_proxied)),
            (Side::Client, "forwarded", self.forwarded.map(str::as_bytes)),
            (Side::Server, "proxy", Some(&b"asked for a page of another server"[..]).filter(|_| as_proxy)),
        ]
    }
}

/// The two sides of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Side {
    Client,
    Server,
}

/// What was seen.
#[derive(Clone, Copy)]
#[allow(clippy::large_enum_variant)] // made on the stack and lent, never stored
pub enum Event<'e> {
    /// A request and its response, or one of the two. Emitted once what matters of the response is
    /// known, which may be before its body has ended.
    Exchange(Exchange<'e>),
    /// A message of IPP in the request, the answer, or both.
    Ipp(ipp::Exchange<'e>),
    /// The device on one side described itself.
    Device {
        /// When the head of the document came.
        at: (Timestamp, u64),
        /// The side.
        side: Direction,
        /// Attributes and values.
        told: &'e [Told],
    },
    /// A gateway was asked to open a port.
    Mapping {
        /// When.
        at: (Timestamp, u64),
        /// What was asked for.
        mapping: &'e Mapping,
        /// Whether it was done.
        success: Option<bool>,
    },
    /// A login in a request. The same login with the same result is told once per flow.
    Login(Login<'e>),
    /// From here on the connection speaks something else: the parser stops.
    Switch {
        /// When.
        at: (Timestamp, u64),
        /// `connect` for a tunnel through a proxy, else what the Upgrade field names (`websocket`, `h2c`).
        protocol: &'e [u8],
        /// Where the tunnel leads: `host:port`.
        authority: Option<&'e [u8]>,
    },
}

impl std::fmt::Debug for Event<'_> {
    /// Without addresses, which may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exchange(e) => write!(f, "Exchange({}, {:?})", e.depth, e.status),
            Self::Login(l) => l.fmt(f),
            Self::Ipp(e) => write!(f, "Ipp({:?})", e.operation()),
            Self::Device { told, .. } => write!(f, "Device({} told)", told.len()),
            Self::Mapping { mapping, success, .. } => write!(f, "Mapping({}, {success:?})", mapping.external_port),
            Self::Switch { protocol, .. } => write!(f, "Switch({:?})", String::from_utf8_lossy(protocol)),
        }
    }
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(match self {
            Self::Exchange(e) => e.at,
            Self::Login(l) => (l.ts, l.packet),
            Self::Ipp(e) => e.at,
            Self::Switch { at, .. } | Self::Device { at, .. } | Self::Mapping { at, .. } => *at,
        })
    }

    fn has_row(&self) -> bool {
        matches!(self, Self::Exchange(_) | Self::Ipp(_))
    }

    fn table(&self) -> Option<&'static Table> {
        matches!(self, Self::Ipp(_)).then_some(&ipp::TABLE)
    }

    fn write(&self, row: &mut RowWriter<'_>, reveal: Reveal) {
        let e = match self {
            Self::Exchange(e) => e,
            Self::Ipp(e) => return e.write(row, reveal),
            _ => return,
        };
        let address = |row: &mut RowWriter<'_>, uri: Option<&[u8]>| {
            match (uri, reveal) {
                (Some(uri), Reveal::No) if e.method == Some(b"CONNECT") => row.bytes(&blanked_authority(uri)),
                (Some(uri), Reveal::No) => row.bytes(&login::blanked(uri)),
                (uri, _) => row.opt_bytes(uri),
            };
        };
        let words = |row: &mut RowWriter<'_>, words: Option<&[u8]>| {
            match (words, reveal) {
                (Some(words), Reveal::No) => row.bytes(&text::without_settings(words)),
                (words, _) => row.opt_bytes(words),
            };
        };
        let count = |row: &mut RowWriter<'_>, n: Option<u64>| {
            match n {
                Some(n) => row.count(n),
                None => row.null(),
            };
        };
        row.opt_bytes(e.method).opt_bytes(e.host.map(|h| host_only(h, reveal)));
        address(row, e.uri);
        row.text(e.version);
        words(row, e.user_agent);
        address(row, e.referrer);
        row.opt_int(e.status);
        words(row, e.reason.filter(|r| !r.is_empty()));
        words(row, e.server);
        row.opt_bytes(e.content_type);
        count(row, e.request_body_len);
        count(row, e.response_body_len);
        row.opt_int(Some(e.depth).filter(|d| *d > 0)).opt_bytes(e.auth_scheme);
        words(row, e.realm);
        address(row, e.location);
        words(row, e.title);
        count(row, e.response_at.map(|a| a.1));
        let asked = e.method.is_some();
        row.opt_int(e.response_at.filter(|_| asked).map(|a| a.0.since(e.at.0) / 1000));
        row.opt_text(e.npf);
    }

    fn login(&self) -> Option<Login<'_>> {
        match self {
            Self::Login(login) => Some(*login),
            _ => None,
        }
    }

    fn service(&self) -> Option<&'static str> {
        match self {
            Self::Ipp(_) => Some("ipp"),
            Self::Switch { protocol, .. } if protocol.eq_ignore_ascii_case(b"websocket") => Some("websocket"),
            _ => None,
        }
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        match self {
            Self::Exchange(e) if e.fresh != 0 => {
                let Some(server) = e.server_side else { return };
                for (n, (side, attribute, value)) in e.facts().into_iter().enumerate() {
                    if let Some(value) = value.filter(|_| e.fresh >> n & 1 != 0) {
                        let about = About::Side(if side == Side::Server { server } else { server.other() });
                        tell(Fact { about, attribute, value: &text::without_settings(value) });
                    }
                }
            }
            Self::Device { side, told, .. } => {
                for (attribute, value) in *told {
                    tell(Fact { about: About::Side(*side), attribute, value });
                }
            }
            _ => {}
        }
    }

    fn server_name(&self) -> Option<(&'static str, &[u8])> {
        let Self::Exchange(e) = self else { return None };
        let host = e.host.map(<[u8]>::trim_ascii).filter(|h| !h.is_empty()).or_else(|| {
            let uri = e.uri?;
            let rest = uri.get(memchr::memmem::find(uri.get(..16).unwrap_or(uri), b"://")? + 3..)?;
            let authority = rest.split(|c| matches!(c, b'/' | b'?' | b'#')).next()?;
            Some(authority)
        })?;
        // What stands before an @ is no part of the name, whatever it looks like.
        let host = host.rsplit(|c| *c == b'@').next()?;
        // Without the port, and an IPv6 address without its brackets.
        let name = match host.strip_prefix(b"[") {
            Some(rest) => rest.split(|c| *c == b']').next(),
            None => host.split(|c| *c == b':').next(),
        };
        name.filter(|n| !n.is_empty()).map(|n| ("http_host", n))
    }
}

/// A Host field without user information, which has no business there and may hold a password.
fn host_only(host: &[u8], reveal: Reveal) -> &[u8] {
    match reveal {
        Reveal::Yes => host,
        Reveal::No => host.rsplit(|c| *c == b'@').next().unwrap_or(host),
    }
}
