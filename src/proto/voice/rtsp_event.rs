//! What the RTSP parser tells: exchanges, and the media that they open.

use super::auth::Auth;
use super::sdp::Medium;
use crate::base::secret::Reveal;
use crate::base::secret::SecretBuf;
use crate::base::{Endpoint, Timestamp};
use crate::proto::api::{About, Announcement, Carries, Direction, Fact, Login, SecretKind};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "rtsp",
    doc: "One RTSP request with the response to it; a response whose request was not seen has a row of its own",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("method", Type::Text, "The method in upper case; null where the request was not seen"),
        Column::repeating("url", Type::Text, "Address of the stream; user information and secrets are blanked"),
        Column::new("cseq", Type::Int64, "Sequence number"),
        Column::repeating("user_agent", Type::Text, "Software of the sender of the request"),
        Column::repeating("server", Type::Text, "Software of the sender of the response"),
        Column::repeating("status", Type::Int32, "Code of the response; null where none was seen"),
        Column::repeating("reason", Type::Text, "Text of the response"),
        Column::repeating("auth_scheme", Type::Text, "How the request proved who sent it: `digest`, `basic`, `url`"),
        Column::repeating("username", Type::Text, "User name in that proof"),
        Column::repeating("realm", Type::Text, "Realm in that proof, or in the challenge of the response"),
        Column::repeating("transport", Type::Text, "How the stream is to be sent, as the Transport field says"),
        Column::new("media", Type::TextList, "Media that request or response describe: kind, address, profile, codecs"),
        Column::new("response_packet", Type::Int64, "Packet with the response"),
    ],
};

/// A request and what is known of the answer to it.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    /// When and in which packet the request was sent, or the response where that alone was seen.
    pub at: (Timestamp, u64),
    /// Who sent the request.
    pub from: Option<Direction>,
    /// Method; empty where the request was not seen.
    pub method: Box<[u8]>,
    /// Address, without secrets.
    pub url: Box<[u8]>,
    /// CSeq.
    pub cseq: u64,
    /// User-Agent of the request.
    pub user_agent: Box<[u8]>,
    /// Server of the response.
    pub server: Box<[u8]>,
    /// Code of the response.
    pub status: Option<u16>,
    /// Text of the response.
    pub reason: Box<[u8]>,
    /// Packet of the response.
    pub response_packet: Option<u64>,
    /// What the request proves itself with.
    pub auth: Option<Auth>,
    /// User name and password in the address.
    pub url_login: Option<(Box<[u8]>, SecretBuf)>,
    /// Realm of the response's challenge.
    pub realm: Box<[u8]>,
    /// Transport of the response, or of the request.
    pub transport: Box<[u8]>,
    /// Media that are described.
    pub media: Vec<Medium>,
    /// Whether this login is known already.
    pub login_known: bool,
}

impl Exchange {
    /// Whether what the request proved was accepted.
    pub fn success(&self) -> Option<bool> {
        match self.status? {
            401 | 403 => Some(false),
            200..=299 => Some(true),
            _ => None,
        }
    }

    /// The login in it.
    pub fn any_login(&self) -> Option<Login<'_>> {
        if let Some(login) = self.auth.as_ref().and_then(|a| a.login(self.at, self.success())) {
            return Some(login);
        }
        let (user, password) = self.url_login.as_ref()?;
        Some(Login {
            mechanism: "url",
            username: Some(user),
            secret: Some(password.borrow()),
            secret_kind: SecretKind::Password,
            success: self.success(),
            ..Login::at(self.at)
        })
    }

    /// Whether a stream was described or started that nobody had to prove himself for.
    pub fn open_stream(&self) -> bool {
        let opens = matches!(&*self.method, b"PLAY") || &*self.method == b"DESCRIBE" && !self.media.is_empty();
        opens && self.status == Some(200) && self.auth.is_none() && self.url_login.is_none()
    }
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// A request with its response, or as much as was seen. `proved` says whether an earlier request
    /// of this flow carried a login.
    Done {
        /// The exchange.
        exchange: &'e Exchange,
        /// Whether an earlier request of this flow carried a login.
        proved: bool,
    },
    /// Where RTP and RTCP will run.
    Media(&'e [Endpoint]),
    /// The flow is RTSP: its first message.
    Begun,
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        match self {
            Self::Done { exchange, .. } => Some(exchange.at),
            Self::Media(_) | Self::Begun => None,
        }
    }

    fn has_row(&self) -> bool {
        matches!(self, Self::Done { .. })
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Self::Done { exchange: e, .. } = self else { return };
        let text = |b: &[u8]| (!b.is_empty()).then(|| b.to_vec());
        row.opt_bytes(text(&e.method).as_deref()).opt_bytes(text(&e.url).as_deref()).count(e.cseq);
        row.opt_bytes(text(&e.user_agent).as_deref()).opt_bytes(text(&e.server).as_deref());
        row.opt_int(e.status).opt_bytes(text(&e.reason).as_deref());
        let by_url = e.url_login.as_ref();
        row.opt_text(e.auth.as_ref().and_then(Auth::scheme).or_else(|| by_url.map(|_| "url")));
        let user = e.auth.as_ref().and_then(Auth::username).or_else(|| by_url.map(|(user, _)| &**user));
        row.opt_user(user.filter(|u| !u.is_empty()));
        let realm = e.auth.as_ref().and_then(Auth::realm).unwrap_or(&e.realm);
        row.opt_bytes(Some(realm).filter(|r| !r.is_empty())).opt_bytes(text(&e.transport).as_deref());
        if e.media.is_empty() {
            row.null();
        } else {
            row.list(e.media.len());
            for medium in &e.media {
                row.bytes(&medium.shown());
            }
        }
        match e.response_packet {
            Some(packet) => row.count(packet),
            None => row.null(),
        };
    }

    fn login(&self) -> Option<Login<'_>> {
        match self {
            Self::Done { exchange, .. } if !exchange.login_known => exchange.any_login(),
            _ => None,
        }
    }

    fn announces(&self, tell: &mut dyn FnMut(Announcement<'_>)) {
        if let Self::Media(endpoints) = self {
            for endpoint in *endpoints {
                tell(Announcement { endpoint: *endpoint, carries: Carries::Protocol("rtp"), words: b"c" });
            }
        }
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let Self::Done { exchange: Exchange { from: Some(from), user_agent, server, realm, .. }, .. } = self else {
            return;
        };
        tell(Fact { about: About::Side(*from), attribute: "user-agent", value: user_agent });
        tell(Fact { about: About::Side(from.other()), attribute: "server", value: server });
        // Cameras put their model or serial number there.
        tell(Fact { about: About::Side(from.other()), attribute: "realm", value: realm });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_open_only_where_it_was_shown_without_any_proof() {
        let play = Exchange { method: (*b"PLAY").into(), status: Some(200), ..Exchange::default() };
        assert!(play.open_stream());
        assert!(!Exchange { status: Some(401), ..play.clone() }.open_stream());
        assert!(!Exchange { auth: Some(Auth::Other), ..play.clone() }.open_stream());
        assert!(!Exchange { method: (*b"DESCRIBE").into(), ..play }.open_stream(), "nothing was described");
    }
}
