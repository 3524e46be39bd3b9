//! What VNC tells: a session, a login.

use super::vnc::security;
use crate::base::Timestamp;
use crate::base::secret::Reveal;
use crate::proto::api::{About, Direction, Fact, Login};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// Sessions: one row each.
pub static TABLE: Table = Table {
    name: "vnc",
    doc: "VNC sessions (RFB, RFC 6143): one row per connection, written when the desktop is shown or at the end",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("server_version", Type::Text, "Version line of the server, without its end"),
        Column::repeating("client_version", Type::Text, "Version line of the client"),
        Column::repeating("offered", Type::TextList, "Security types that the server offers, in its order"),
        Column::repeating(
            "security_type",
            Type::Text,
            "Security type that was taken; the inner one of Tight and VeNCrypt",
        ),
        Column::new("encrypted", Type::Bool, "Whether encryption took over, so that the rest could not be read"),
        Column::repeating("username", Type::Text, "User name, where the security type sends one in clear"),
        Column::new("success", Type::Bool, "Whether the client was let in; null where that was not seen"),
        Column::repeating("failure", Type::Text, "Reason that the server gave for a refusal"),
        Column::repeating("desktop_name", Type::Text, "Name of the desktop"),
        Column::new("width", Type::Int32, "Width of the desktop, pixels"),
        Column::new("height", Type::Int32, "Height of the desktop, pixels"),
    ],
};

/// The name of a security type (IANA, "Remote Framebuffer Security Types"; VeNCrypt's from 256 on).
pub const fn type_name(number: u32) -> Option<&'static str> {
    Some(match number {
        security::NONE => "none",
        security::VNC => "vnc",
        3 | 4 | 7..=15 | 128 | 131..=255 => "realvnc",
        5 => "ra2",
        6 => "ra2ne",
        security::TIGHT => "tight",
        17 => "ultra",
        security::TLS => "tls",
        security::VENCRYPT => "vencrypt",
        20 => "sasl",
        21 => "md5-hash",
        security::XVP => "xvp",
        23 => "secure-tunnel",
        24 => "integrated-ssh",
        security::APPLE_DH => "apple-dh",
        31..=35 => "apple",
        security::MS_LOGON => "ms-logon",
        129 => "ra2-256",
        130 => "ra2ne-256",
        security::PLAIN => "plain",
        257 => "tls-none",
        258 => "tls-vnc",
        259 => "tls-plain",
        260 => "x509-none",
        261 => "x509-vnc",
        262 => "x509-plain",
        263 => "tls-sasl",
        264 => "x509-sasl",
        _ => return None,
    })
}

/// Whether all that follows this type is encrypted: TLS, or RealVNC's own.
pub const fn is_encrypted(number: u32) -> bool {
    matches!(number, 5 | 13 | 23 | 24 | 129 | 133 | security::TLS | 257..=264)
}

/// What is known of a session.
#[derive(Debug)]
pub struct Session {
    /// When it began, and with which packet.
    pub at: (Timestamp, u64),
    /// Which side is the server.
    pub server: Direction,
    /// Version line of the server; empty where it was not seen.
    pub server_version: Vec<u8>,
    /// Version line of the client.
    pub client_version: Vec<u8>,
    /// Security types that the server offers.
    pub offered: Vec<u32>,
    /// The one that was taken.
    pub security_type: Option<u32>,
    /// Whether encryption took over.
    pub encrypted: bool,
    /// User name.
    pub username: Option<Vec<u8>>,
    /// Whether the client was let in.
    pub success: Option<bool>,
    /// Reason of a refusal.
    pub reason: Vec<u8>,
    /// Name of the desktop.
    pub desktop: Vec<u8>,
    /// Width and height, pixels.
    pub size: Option<(u16, u16)>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            at: (Timestamp(0), 0),
            server: Direction::Resp,
            server_version: Vec::new(),
            client_version: Vec::new(),
            offered: Vec::new(),
            security_type: None,
            encrypted: false,
            username: None,
            success: None,
            reason: Vec::new(),
            desktop: Vec::new(),
            size: None,
        }
    }
}

impl Session {
    /// Whether screen and keys went in clear, or the way to them was agreed on in clear.
    pub fn is_in_clear(&self) -> bool {
        self.security_type.is_some_and(|t| !is_encrypted(t)) && !self.encrypted
    }

    /// Whether the client was let in without having to prove anything.
    pub fn is_open(&self) -> bool {
        self.security_type == Some(security::NONE) && self.success != Some(false)
    }

    /// Whether a password of at most eight characters is all that the server asks for.
    pub fn is_weak(&self) -> bool {
        matches!(self.security_type, Some(security::VNC | security::XVP)) || self.offered.contains(&security::VNC)
    }
}

/// What the parser emits.
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// A login.
    Login(&'e Login<'e>),
    /// The session as a whole.
    Session(&'e Session),
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(match self {
            Self::Login(login) => (login.ts, login.packet),
            Self::Session(session) => session.at,
        })
    }

    fn has_row(&self) -> bool {
        matches!(self, Self::Session(_))
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Self::Session(s) = self else { return };
        let filled = |text: &[u8]| -> Option<Vec<u8>> { (!text.is_empty()).then(|| text.to_vec()) };
        let name = |number: u32| type_name(number).map_or_else(|| format!("type-{number}"), str::to_owned);
        row.opt_bytes(filled(&s.server_version).as_deref());
        row.opt_bytes(filled(&s.client_version).as_deref());
        row.texts(&s.offered.iter().map(|t| name(*t)).collect::<Vec<_>>());
        row.opt_text(s.security_type.map(name).as_deref());
        row.bool(s.encrypted);
        row.opt_user(s.username.as_deref());
        row.opt_bool(s.success);
        row.opt_bytes(filled(&s.reason).as_deref());
        row.opt_bytes(filled(&s.desktop).as_deref());
        row.opt_int(s.size.map(|(w, _)| w));
        row.opt_int(s.size.map(|(_, h)| h));
    }

    fn login(&self) -> Option<Login<'_>> {
        if let Self::Login(login) = self { Some(**login) } else { None }
    }

    fn upgrades(&self) -> bool {
        matches!(self, Self::Session(s) if s.encrypted)
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let Self::Session(s) = self else { return };
        let about = About::Side(s.server);
        for (attribute, value) in [("banner", &s.server_version), ("description", &s.desktop)] {
            if !value.is_empty() {
                tell(Fact { about, attribute, value });
            }
        }
    }
}

/// Sixteen bytes in hexadecimal.
pub fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}
