//! What the SIP parser tells: transactions, and the media that they open.

use super::auth::Auth;
use super::sdp::Medium;
use crate::base::Timestamp;
use crate::base::secret::Reveal;
use crate::proto::api::{About, Announcement, Direction, Fact, Login};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "sip",
    doc: "One SIP request with the final response to it; a response whose request was not seen has a row of its own",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("method", Type::Text, "The method in upper case"),
        Column::repeating("uri", Type::Text, "Whom the request is for; passwords are blanked"),
        Column::repeating("from", Type::Text, "The From field; passwords are blanked"),
        Column::repeating("to", Type::Text, "The To field; passwords are blanked"),
        Column::repeating("contact", Type::Text, "Where the sender of the request wants to be reached"),
        Column::new("call_id", Type::Text, "Identifier of the call or registration"),
        Column::new("cseq", Type::Int64, "Sequence number of the request within the call"),
        Column::repeating("user_agent", Type::Text, "Software of the sender of the request"),
        Column::repeating("server", Type::Text, "Software of the sender of the response"),
        Column::repeating("status", Type::Int32, "Code of the last response; null where none was seen"),
        Column::repeating("reason", Type::Text, "Text of that response"),
        Column::repeating("auth_scheme", Type::Text, "How the request proved who sent it: `digest`, `basic`, `bearer`"),
        Column::repeating("username", Type::Text, "User name in that proof"),
        Column::repeating("realm", Type::Text, "Realm in that proof, or in the challenge of the response"),
        Column::new(
            "media",
            Type::TextList,
            "Media that request and responses describe: kind, address, profile, codecs; keys are not shown",
        ),
        Column::repeating(
            "media_protection",
            Type::Text,
            "Weakest protection of these media: `none`, `sdes` (SRTP with its key in the description), `keyed` (SRTP)",
        ),
        Column::repeating("content_type", Type::Text, "Type of the request's body"),
        Column::new("body_bytes", Type::Int64, "Length of the request's body"),
        Column::new("response_packet", Type::Int64, "Packet with the last response"),
    ],
};

/// A request and what is known of the answer to it.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    /// When and in which packet the request was sent, or the response where that alone was seen.
    pub at: (Timestamp, u64),
    /// Who sent the request.
    pub from_orig: bool,
    /// Whether the request was seen.
    pub has_request: bool,
    /// Method.
    pub method: Box<[u8]>,
    /// Request-URI, without passwords.
    pub uri: Box<[u8]>,
    /// From, without passwords.
    pub from: Box<[u8]>,
    /// To, without passwords.
    pub to: Box<[u8]>,
    /// Contact, without passwords.
    pub contact: Box<[u8]>,
    /// Call-ID.
    pub call_id: Box<[u8]>,
    /// Number in CSeq.
    pub cseq: u64,
    /// User-Agent of the request.
    pub user_agent: Box<[u8]>,
    /// Server, or User-Agent, of the response.
    pub server: Box<[u8]>,
    /// Whether the request comes from its first sender and the response from its last receiver, with no
    /// proxy between: exactly one Via.
    pub direct: bool,
    /// Code and text of the last response, and its packet.
    pub status: Option<u16>,
    /// Text of that response.
    pub reason: Box<[u8]>,
    /// Packet of that response.
    pub response_packet: Option<u64>,
    /// What the request proves itself with.
    pub auth: Option<Auth>,
    /// Realm of the response's challenge.
    pub realm: Box<[u8]>,
    /// Media that request and responses describe.
    pub media: Vec<Medium>,
    /// Type of the request's body.
    pub content_type: Box<[u8]>,
    /// Length of the request's body.
    pub body_bytes: u64,
}

impl Transaction {
    /// Whether what the request proved was accepted. A busy or missing callee is told only to one whom
    /// the proxy let through.
    pub fn success(&self) -> Option<bool> {
        match self.status? {
            401 | 403 | 407 => Some(false),
            200..=399 | 480 | 486 | 487 | 600 | 603 => Some(true),
            _ => None,
        }
    }

    /// Whether a registration was accepted that proved nothing.
    pub fn registered_without_proof(&self) -> bool {
        self.has_request && &*self.method == b"REGISTER" && self.status == Some(200) && self.auth.is_none()
    }
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// A request with its final response, or as much as was seen.
    Done(&'e Transaction),
    /// Media that a message describes, as soon as they are known.
    Media(&'e [Medium]),
    /// The flow is SIP: its first message.
    Begun,
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        match self {
            Self::Done(t) => Some(t.at),
            Self::Media(_) | Self::Begun => None,
        }
    }

    fn has_row(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Self::Done(t) = self else { return };
        let text = |b: &'_ [u8]| (!b.is_empty()).then(|| b.to_vec());
        for value in [&t.method, &t.uri, &t.from, &t.to, &t.contact, &t.call_id] {
            row.opt_bytes(text(value).as_deref());
        }
        row.count(t.cseq);
        row.opt_bytes(text(&t.user_agent).as_deref()).opt_bytes(text(&t.server).as_deref());
        row.opt_int(t.status).opt_bytes(text(&t.reason).as_deref());
        row.opt_text(t.auth.as_ref().and_then(Auth::scheme));
        row.opt_user(t.auth.as_ref().and_then(Auth::username).filter(|u| !u.is_empty()));
        let realm = t.auth.as_ref().and_then(Auth::realm).unwrap_or(&t.realm);
        row.opt_bytes(Some(realm).filter(|r| !r.is_empty()));
        if t.media.is_empty() {
            row.null().null();
        } else {
            row.list(t.media.len());
            for medium in &t.media {
                row.bytes(&medium.shown());
            }
            let weakest = t.media.iter().map(|m| m.protection).min_by_key(|p| *p as u8).unwrap_or_default();
            row.text(weakest.name());
        }
        row.opt_bytes(text(&t.content_type).as_deref());
        match t.has_request {
            true => row.count(t.body_bytes),
            false => row.null(),
        };
        match t.response_packet {
            Some(packet) => row.count(packet),
            None => row.null(),
        };
    }

    fn login(&self) -> Option<Login<'_>> {
        let Self::Done(t) = self else { return None };
        t.auth.as_ref()?.login(t.at, t.success())
    }

    fn announces(&self, tell: &mut dyn FnMut(Announcement<'_>)) {
        if let Self::Media(media) = self {
            media.iter().for_each(|m| m.announce(tell));
        }
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let Self::Done(t) = self else { return };
        if !t.direct {
            return;
        }
        let client = if t.from_orig { Direction::Orig } else { Direction::Resp };
        tell(Fact { about: About::Side(client), attribute: "user-agent", value: &t.user_agent });
        tell(Fact { about: About::Side(client.other()), attribute: "server", value: &t.server });
        if &*t.method == b"REGISTER" && t.status == Some(200) {
            tell(Fact { about: About::Side(client), attribute: "account", value: account(&t.to) });
        }
    }
}

/// The address within a field: `"Alice" <sip:alice@example.com>;tag=1` is `alice@example.com`.
fn account(field: &[u8]) -> &[u8] {
    let Some(at) = memchr::memmem::find(field, b"sip:") else { return &[] };
    let rest = field.get(at + 4..).unwrap_or_default();
    let end = rest.iter().position(|c| matches!(c, b'>' | b';' | b' ')).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts() {
        assert_eq!(account(b"\"A\" <sip:a@b.example>;tag=1"), b"a@b.example");
        assert_eq!(account(b"sip:a@b;x"), b"a@b");
        assert_eq!(account(b"tel:+1"), b"");
    }

    #[test]
    fn answers_tell_whether_a_proof_was_accepted() {
        let with = |status| Transaction { status: Some(status), ..Transaction::default() }.success();
        assert_eq!([200, 403, 407, 486, 500].map(with), [Some(true), Some(false), Some(false), Some(true), None]);
    }
}
