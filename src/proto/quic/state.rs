//! One connection while it is followed: keys, messages, and what is known so far.

use super::crypto::{Added, Assembly};
use super::event::{Close, Connection, ConnectionId, Event};
use super::frames::{self, Frame};
use super::google;
use super::header::{Kind, Long};
use super::parameters::Parameters;
use super::protect::{Keys, Role};
use super::version::{self, Scheme};
use crate::base::{Reader, limits};
use crate::fingerprint::hello::{ClientHello, Dialect, ServerHello};
use crate::fingerprint::{ja4, npf};
use crate::proto::api::{Cx, Direction};
use crate::proto::tls::{Alert, ClientFacts, Handshake, ServerFacts};

/// Where events go.
pub type Emit<'a> = dyn FnMut(Event<'_>) + 'a;

/// TLS message types (RFC 8446, section 4).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// What the keys of a connection come from.
#[derive(Clone, Copy)]
struct Origin {
    version: u32,
    scheme: &'static Scheme,
    dcid: ConnectionId,
}

/// Keys that open a packet, and did not belong to the connection so far.
pub struct NewKeys {
    origin: Origin,
    keys: Box<Keys>,
}

/// A packet that came before the keys for it were known.
struct Held {
    dir: Direction,
    version: u32,
    number_at: usize,
    packet: Box<[u8]>,
}

/// A connection.
#[derive(Default)]
pub struct State {
    /// What is known.
    pub facts: Connection,
    origin: Option<Origin>,
    client_keys: Option<Box<Keys>>,
    server_keys: Option<(u32, Box<Keys>)>,
    /// Messages of client and server.
    messages: [Assembly; 2],
    handshake: Option<Box<Handshake>>,
    /// Whether the client begins anew with the hello that is known already.
    again: bool,
    retry_scid: Option<ConnectionId>,
    held: Vec<Held>,
    /// Whether there were more; a loss only if the keys become known.
    dropped: bool,
    /// By direction: packets of the handshake, and behind it.
    shook: [bool; 2],
    behind: [bool; 2],
}

impl State {
    /// Whether all is known that the first packets can tell.
    pub fn is_settled(&self) -> bool {
        let hellos = self.handshake.as_ref().is_some_and(|h| h.client.is_some() && h.server.is_some());
        let google = version::has_google_messages(self.facts.version);
        if google { self.facts.has_hello && self.facts.retry } else { hellos && self.facts.established == Some(true) }
    }

    /// Bytes that it holds outside of itself.
    pub fn heap(&self) -> usize {
        let keys = usize::from(self.client_keys.is_some()) + usize::from(self.server_keys.is_some());
        let held: usize = self.held.iter().map(|h| h.packet.len()).sum();
        size_of::<Self>()
            + keys * size_of::<Keys>()
            + held
            + self.messages.iter().map(Assembly::heap).sum::<usize>()
            + self.handshake.as_ref().map_or(0, |_| size_of::<Handshake>())
    }

    /// Whether the connection's keys are known.
    pub const fn has_keys(&self) -> bool {
        self.origin.is_some()
    }

    /// The side is known that is the client. What was taken for granted before is forgotten if it was wrong.
    pub fn client_is(&mut self, dir: Direction) {
        if self.facts.client.is_none() && dir == Direction::Resp {
            (self.facts.client_dcid, self.facts.client_scid, self.facts.server_scid) = (None, None, None);
            self.facts.client_versions.clear();
        }
        self.facts.client.get_or_insert(dir);
    }

    /// Takes what the header of a packet says. Whether that is new.
    pub fn header(&mut self, cx: &Cx<'_>, dir: Direction, p: &Long<'_>) -> bool {
        let from_client = self.facts.client.unwrap_or(Direction::Orig) == dir;
        let facts = &mut self.facts;
        if from_client {
            facts.client_dcid.get_or_insert_with(|| ConnectionId::new(p.dcid));
            facts.client_scid.get_or_insert_with(|| ConnectionId::new(p.scid));
            facts.client_has(cx, p.version);
            if p.kind == Kind::Initial && !p.token.is_empty() {
                facts.token_bytes.get_or_insert(p.token.len());
            }
        } else {
            facts.server_scid = Some(ConnectionId::new(p.scid));
        }
        let shook = if dir == Direction::Orig { &mut self.shook[0] } else { &mut self.shook[1] };
        match p.kind {
            Kind::ZeroRtt => {
                facts.zero_rtt_packets = facts.zero_rtt_packets.saturating_add(1);
                facts.zero_rtt_packets == 1
            }
            Kind::Handshake => !std::mem::replace(shook, true),
            _ => false,
        }
    }

    /// A packet with a short header: data behind the handshake. Whether that is new.
    pub fn short(&mut self, dir: Direction) -> bool {
        let behind = if dir == Direction::Orig { &mut self.behind[0] } else { &mut self.behind[1] };
        let is_new = !std::mem::replace(behind, true);
        // A client has keys for data only when it has checked the server's Finished (RFC 9001, section 5.7).
        if self.facts.established.is_none() && self.shook == [true; 2] && self.facts.client == Some(dir) {
            self.facts.established = Some(true);
            return true;
        }
        is_new
    }

    /// The server does not have the client's version. A list that has it, or that is not for this client, was
    /// not made by the server: passed over, as the client does (RFC 9000, section 6.2).
    pub fn negotiation(&mut self, cx: &Cx<'_>, dir: Direction, p: &Long<'_>) -> bool {
        let from_client = self.facts.client.unwrap_or(Direction::Orig) == dir;
        let other_client = self.facts.client_scid.is_some_and(|id| id != ConnectionId::new(p.dcid));
        let in_use = Some(self.facts.version).filter(|v| *v != version::NEGOTIATION);
        let forged = from_client || other_client || p.versions().any(|v| Some(v) == in_use);
        if forged && in_use.is_some() {
            return false;
        }
        self.client_is(dir.other());
        let facts = &mut self.facts;
        facts.client_scid.get_or_insert_with(|| ConnectionId::new(p.dcid));
        facts.client_dcid.get_or_insert_with(|| ConnectionId::new(p.scid));
        p.versions().fold(false, |is_new, v| facts.server_has(cx, v) | is_new)
    }

    /// The server wants a token. One whose tag does not fit was made by somebody who did not see the
    /// client's packet: passed over, as the client does.
    pub fn retry(&mut self, dir: Direction, p: &Long<'_>) -> bool {
        let original = self.origin.map(|o| o.dcid).or(self.facts.client_dcid);
        let proof = |scheme: &&Scheme| original.and_then(|id| super::protect::retry_fits(scheme, id.bytes(), p.packet));
        let forged = version::schemes(p.version).iter().any(|s| proof(s) == Some(false))
            && !version::schemes(p.version).iter().any(|s| proof(s) == Some(true));
        if forged && self.facts.client_dcid.is_some() {
            return false;
        }
        self.client_is(dir.other());
        self.facts.server_scid = Some(ConnectionId::new(p.scid));
        self.retry_scid = Some(ConnectionId::new(p.scid));
        !std::mem::replace(&mut self.facts.retry, true)
    }

    /// Opens an Initial of the client. The other value are the keys that did it, where they are new.
    pub fn open_client<'b>(
        &mut self,
        p: &Long<'_>,
        scratch: &'b mut Vec<u8>,
        derived: &mut u32,
    ) -> Option<(&'b [u8], Option<NewKeys>)> {
        let mut fits = false;
        if let (Some(origin), Some(keys)) = (&self.origin, &mut self.client_keys)
            && origin.version == p.version
        {
            fits = keys.open(p.packet, p.number_at, scratch).is_some();
            if fits {
                let range = opened(scratch, p.number_at);
                return Some((range, None));
            }
        }
        let mut found = None;
        let known = self.origin.filter(|o| o.version != p.version).map(|o| o.dcid);
        let fresh = Some(ConnectionId::new(p.dcid)).filter(|id| self.origin.is_none_or(|o| o.dcid != *id));
        'search: for dcid in [known, fresh].into_iter().flatten() {
            for scheme in version::schemes(p.version) {
                *derived = derived.saturating_add(1);
                if *derived > limits::QUIC_KEYS_MAX {
                    return None;
                }
                let mut keys = Keys::new(scheme, dcid.bytes(), Role::Client);
                if keys.open(p.packet, p.number_at, scratch).is_some() {
                    fits = true;
                    let origin = Origin { version: p.version, scheme, dcid };
                    found = Some(NewKeys { origin, keys: Box::new(keys) });
                    break 'search;
                }
            }
        }
        fits.then(|| (opened(scratch, p.number_at), found))
    }

    /// Whether a packet of the client that needed new keys goes on with this connection.
    pub fn continues(&self, p: &Long<'_>, new: &NewKeys) -> bool {
        let id = Some(ConnectionId::new(p.dcid));
        let same_client = !p.scid.is_empty() && self.facts.client_scid == Some(ConnectionId::new(p.scid));
        let answered = self.retry_scid.is_some() && self.retry_scid == id;
        // The Retry was missed: a token is there that was not before.
        let token = !p.token.is_empty() && self.facts.token_bytes.is_none();
        let negotiated = !self.facts.server_versions.is_empty() && !self.facts.has_answer;
        let compatible = self.origin.is_some_and(|o| o.dcid == new.origin.dcid);
        self.origin.is_none() || same_client || answered || token || negotiated || compatible
    }

    /// Takes new keys. Those of another version for the same connection identifier go on with the messages
    /// so far (RFC 9368, section 2.3); otherwise the client begins anew.
    pub fn rekey(&mut self, new: NewKeys, emit: &mut Emit<'_>) {
        let negotiated = !self.facts.server_versions.is_empty() && !self.facts.has_answer;
        if let Some(before) = self.origin
            && (before.dcid != new.origin.dcid || negotiated && before.version != new.origin.version)
        {
            self.messages = Default::default();
            if !negotiated {
                self.again = true;
                self.facts.retry = true;
            } else if let Some(mut h) = self.handshake.take() {
                h.established = Some(false);
                emit(Event::Handshake(&h));
            }
        }
        self.origin = Some(new.origin);
        self.client_keys = Some(new.keys);
        self.server_keys = None;
    }

    /// Opens an Initial of the server.
    pub fn open_server<'b>(
        &mut self,
        version: u32,
        packet: &[u8],
        number_at: usize,
        scratch: &'b mut Vec<u8>,
        derived: &mut u32,
    ) -> Option<&'b [u8]> {
        let origin = self.origin?;
        if let Some((_, keys)) = self.server_keys.as_mut().filter(|(v, _)| *v == version) {
            return keys.open(packet, number_at, scratch);
        }
        let same = [origin.scheme];
        let schemes = if origin.version == version { &same[..] } else { version::schemes(version) };
        for scheme in schemes {
            *derived = derived.saturating_add(1);
            if *derived > limits::QUIC_KEYS_MAX {
                return None;
            }
            let mut keys = Box::new(Keys::new(scheme, origin.dcid.bytes(), Role::Server));
            if keys.open(packet, number_at, scratch).is_some() {
                self.server_keys = Some((version, keys));
                return Some(opened(scratch, number_at));
            }
        }
        None
    }

    /// Keeps a packet until the keys for it are known.
    pub fn hold(&mut self, dir: Direction, p: &Long<'_>) {
        if self.held.len() >= limits::QUIC_HELD_MAX || p.packet.len() > limits::QUIC_HELD_BYTES_MAX {
            self.dropped = true;
            return;
        }
        let packet = p.packet.into();
        self.held.push(Held { dir, version: p.version, number_at: p.number_at, packet });
    }

    /// Reads the packets of the server that waited for keys.
    pub fn read_held(&mut self, cx: &Cx<'_>, scratch: &mut Vec<u8>, derived: &mut u32, emit: &mut Emit<'_>) {
        if std::mem::take(&mut self.dropped) {
            cx.limit_hit();
        }
        for held in std::mem::take(&mut self.held) {
            if self.facts.client != Some(held.dir)
                && let Some(payload) = self.open_server(held.version, &held.packet, held.number_at, scratch, derived)
            {
                self.facts.opened = self.facts.opened.saturating_add(1);
                self.payload(cx, held.dir, Role::Server, held.version, payload, emit);
            }
        }
    }

    /// Reads the frames of an Initial. Whether anything in them is new.
    pub fn payload(
        &mut self,
        cx: &Cx<'_>,
        dir: Direction,
        role: Role,
        version: u32,
        payload: &[u8],
        emit: &mut Emit<'_>,
    ) -> bool {
        self.facts.version = version;
        let mut r = Reader::new(payload);
        let is_google = version::has_google_frames(version);
        let mut learnt = false;
        while let Some(frame) = if is_google { google::sealed_frame(&mut r) } else { frames::next(&mut r) } {
            learnt |= self.frame(cx, dir, role, frame);
        }
        if learnt {
            self.read_messages(cx, dir, role, version, emit);
        }
        learnt
    }

    /// Takes a frame. Whether it says anything new.
    pub fn frame(&mut self, cx: &Cx<'_>, dir: Direction, role: Role, frame: Frame<'_>) -> bool {
        match frame {
            Frame::Crypto { offset, bytes } => {
                let [client, server] = &mut self.messages;
                let messages = if role == Role::Client { client } else { server };
                let added = messages.add(offset, bytes);
                if added == Added::TooMuch {
                    cx.limit_hit();
                }
                added == Added::New
            }
            Frame::Close { code, by_application, reason } if self.facts.close.is_none() => {
                let reason = text(cx, reason);
                self.facts.close = Some(Close { by_client: role == Role::Client, code, by_application, reason });
                self.facts.established.get_or_insert(false);
                // 0x100 and the number of a TLS alert (RFC 9001, section 4.8).
                if let (Ok(description), Some(h)) = (u8::try_from(code.wrapping_sub(0x100)), &mut self.handshake) {
                    h.alerts.push(Alert { sender: dir, level: 2, description });
                }
                true
            }
            Frame::Close { .. } | Frame::Other => false,
        }
    }

    /// Reads the messages that are whole.
    pub fn read_messages(&mut self, cx: &Cx<'_>, dir: Direction, role: Role, version: u32, emit: &mut Emit<'_>) {
        let mut messages = std::mem::take(match (&mut self.messages, role) {
            ([client, _], Role::Client) => client,
            ([_, server], Role::Server) => server,
        });
        if version::has_google_messages(version) {
            if let Ok(message) = google::Message::read(messages.contiguous()) {
                self.google_message(cx, &message);
            }
        } else {
            while let Some((ty, body)) = messages.next_message() {
                match (ty, role) {
                    (CLIENT_HELLO, Role::Client) => self.client_hello(cx, dir, version, body, emit),
                    (SERVER_HELLO, Role::Server) => self.server_hello(cx, dir, body, emit),
                    _ => {}
                }
            }
        }
        let [client, server] = &mut self.messages;
        *(if role == Role::Client { client } else { server }) = messages;
    }

    fn client_hello(&mut self, cx: &Cx<'_>, dir: Direction, version: u32, body: &[u8], emit: &mut Emit<'_>) {
        let Ok(hello) = ClientHello::parse(body, Dialect::Tls) else { return };
        let mut facts = ClientFacts::new(&hello, ja4::Carrier::Quic);
        facts.npf = (!hello.damaged).then(|| npf::quic(version, &hello)).filter(|s| s.len() <= limits::NPF_BYTES_MAX);
        let parameters = Parameters::of(&hello, version::has_short_parameters(version));
        for v in parameters.versions.as_chunks::<4>().0.iter().map(|v| u32::from_be_bytes(*v)) {
            if !version::is_reserved(v) {
                self.facts.client_has(cx, v);
            }
        }
        if !std::mem::replace(&mut self.facts.has_hello, true) {
            self.facts.server_name = facts.server_name.clone();
            self.facts.alpn = facts.alpn.clone();
            self.facts.user_agent = parameters.user_agent.map(|t| text(cx, t));
        }
        let again = std::mem::take(&mut self.again);
        match &mut self.handshake {
            // The same hello with a token, or the answer came first.
            Some(h) if again || h.client.is_none() => h.client = Some(facts),
            other => {
                if let Some(before) = other.take() {
                    emit(Event::Handshake(&before));
                }
                let mut h = Handshake::new(cx.ts, cx.packet, "quic", dir);
                h.client = Some(facts);
                *other = Some(Box::new(h));
            }
        }
    }

    fn server_hello(&mut self, cx: &Cx<'_>, dir: Direction, body: &[u8], emit: &mut Emit<'_>) {
        let Ok(hello) = ServerHello::parse(body) else { return };
        self.facts.has_answer = true;
        let server = ServerFacts::new(&hello);
        let retry = server.retry;
        let new = || Box::new(Handshake::new(cx.ts, cx.packet, "quic", dir.other()));
        let h = self.handshake.get_or_insert_with(new);
        if h.server.is_some() {
            return;
        }
        (h.resumed, h.group, h.server) = (Some(server.resumes), hello.group, Some(server));
        if retry {
            h.established = Some(false);
            emit(Event::Handshake(h));
            self.handshake = None;
        }
    }

    /// Takes a frame that holds a whole message of Google's handshake. Whether it does.
    pub fn google_frame(&mut self, cx: &Cx<'_>, frame: &Frame<'_>) -> bool {
        let Frame::Crypto { bytes, .. } = frame else { return false };
        let message = google::Message::read(bytes).ok().filter(|m| [google::CHLO, google::REJ].contains(&&m.tag));
        message.inspect(|m| self.google_message(cx, m)).is_some()
    }

    /// Takes a message of Google's handshake.
    fn google_message(&mut self, cx: &Cx<'_>, message: &google::Message<'_>) {
        let facts = &mut self.facts;
        match &message.tag {
            google::CHLO => {
                facts.has_hello = true;
                let kept = |tag| message.value(tag).filter(|v| !v.is_empty()).map(|v| text(cx, v));
                facts.server_name = facts.server_name.take().or_else(|| kept(b"SNI\0"));
                facts.user_agent = facts.user_agent.take().or_else(|| kept(b"UAID"));
                if let Some(version) = message.value(b"VER\0").and_then(|v| v.first_chunk()) {
                    facts.client_has(cx, u32::from_be_bytes(*version));
                }
            }
            google::REJ => facts.retry = true,
            google::SHLO => facts.has_answer = true,
            _ => {}
        }
    }

    /// Forgets the messages of a client that begins anew with another version of Google QUIC.
    pub fn google_anew(&mut self) {
        self.messages = Default::default();
    }

    /// Tells what is known, for the last time.
    pub fn finish(mut self, emit: &mut Emit<'_>) {
        if let Some(h) = &mut self.handshake {
            h.established = self.facts.established;
            emit(Event::Handshake(h));
        }
        if self.facts.version == version::NEGOTIATION {
            self.facts.version = self.facts.client_versions.first().copied().unwrap_or_default();
        }
        emit(Event::Connection(&self.facts));
    }
}

/// What [`Keys::open`] left in the buffer: all but header, number and tag.
fn opened(scratch: &[u8], number_at: usize) -> &[u8] {
    let number = scratch.first().map_or(0, |b| usize::from(b & 3) + 1);
    let end = scratch.len().saturating_sub(super::header::TAG_BYTES);
    scratch.get(number_at + number..end).unwrap_or_default()
}

/// A text, without more than is kept.
fn text(cx: &Cx<'_>, bytes: &[u8]) -> Vec<u8> {
    let kept = bytes.get(..limits::QUIC_TEXT_BYTES_MAX);
    if kept.is_some_and(|kept| kept.len() < bytes.len()) {
        cx.limit_hit();
    }
    kept.unwrap_or(bytes).to_vec()
}
