//! What the whole handshake messages of a flow say, whatever carried them: records of TLS over TCP, of
//! DTLS, or packets of another protocol that has TLS inside.
//!
//! Which side is the client follows from the messages, not from who opened the flow. The row of a
//! handshake is written when it is known whether it was completed, and at the end of the flow otherwise.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::facts::{Alert, ClientFacts, Handshake, ServerFacts, TlsEvent};
use super::messages::{self, Chain, kind};
use super::opening::Opener;
use super::opening::keylog::KeyStore;
use crate::base::limits;
use crate::fingerprint::hello::{ClientHello, Dialect, ServerHello};
use crate::fingerprint::ja4;
use crate::proto::api::{Cx, Direction};

/// Where the events go.
pub type Emit<'a> = dyn FnMut(TlsEvent<'_>) + 'a;

/// What carries the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carriage {
    /// As the column `transport` spells it.
    pub name: &'static str,
    /// For JA4.
    pub carrier: ja4::Carrier,
    /// Form of the ClientHello.
    pub dialect: Dialect,
}

impl Carriage {
    /// Records of TLS.
    pub const TCP: Self = Self { name: "tcp", carrier: ja4::Carrier::Tcp, dialect: Dialect::Tls };
    /// Records of DTLS.
    pub const DTLS: Self = Self { name: "dtls", carrier: ja4::Carrier::Dtls, dialect: Dialect::Dtls };
}

/// How far one side of the conversation has come.
#[derive(Debug, Default)]
pub struct Half {
    /// Something of it was read.
    pub heard: bool,
    /// Bytes of it are missing, or cannot be told apart.
    pub lost: bool,
    /// It said that what follows is encrypted.
    pub cipher_changed: bool,
    /// An encrypted record followed: its Finished message.
    pub finished: bool,
    /// Records of application data.
    pub data_records: u32,
    /// An encrypted record behind a ServerHello of TLS 1.3 that is more than an alert.
    pub finished_13: bool,
}

impl Half {
    const fn is_unseen(&self) -> bool {
        !self.heard || self.lost
    }

    /// Forgets the encryption state, for a new handshake.
    const fn renew(&mut self) {
        (self.cipher_changed, self.finished, self.finished_13) = (false, false, false);
        self.data_records = 0;
    }
}

/// The handshakes of one flow.
#[derive(Debug)]
pub struct Conversation {
    carriage: Carriage,
    halves: [Half; 2],
    /// The handshake that is going on.
    handshake: Option<Box<Handshake>>,
    /// Secrets of sessions.
    keys: Option<Arc<KeyStore>>,
    /// What opens the records of this one, where its secrets are known.
    opener: Option<Box<Opener>>,
}

impl Conversation {
    /// One of which nothing is known yet.
    pub fn new(carriage: Carriage) -> Self {
        Self { carriage, halves: Default::default(), handshake: None, keys: None, opener: None }
    }

    /// Secrets that open records, from here on.
    pub fn bring_keys(&mut self, keys: Arc<KeyStore>) {
        self.keys = Some(keys);
    }

    /// What opens the records, as long as it may open any.
    pub fn opener(&mut self) -> Option<&mut Opener> {
        self.opener.as_deref_mut().filter(|opener| opener.is_of_use())
    }

    /// Bytes that it holds outside of itself for opening records.
    pub fn opener_heap(&self) -> usize {
        self.opener.as_ref().map_or(0, |opener| size_of::<Opener>() + opener.heap())
    }

    /// A ClientHello: are there keys for its session?
    fn look_for_keys(&mut self, cx: Cx<'_>, dir: Direction, random: &[u8]) {
        // The second hello of a handshake has the random of the first.
        if self.opener.as_ref().is_some_and(|opener| opener.client_random() == random) {
            return;
        }
        let found = self.keys.as_ref().and_then(|keys| keys.find(random, cx.flow.capture, cx.packet));
        self.opener = found.map(|secrets| Box::new(Opener::new(secrets, random, dir)));
    }

    /// A handshake message that TLS 1.3 encrypts, opened with keys.
    pub fn opened(&mut self, cx: Cx<'_>, dir: Direction, plain: &[u8], emit: &mut Emit<'_>) {
        let Some(mut opener) = self.opener.take() else { return };
        let fits = opener.messages(dir, plain, |ty, body| {
            if ty == kind::CERTIFICATE {
                self.chain(cx, dir, &messages::chain_13(body), emit);
            }
        });
        if !fits {
            cx.limit_hit();
        }
        self.opener = Some(opener);
    }

    /// One side.
    pub const fn half(&mut self, dir: Direction) -> &mut Half {
        let [orig, resp] = &mut self.halves;
        match dir {
            Direction::Orig => orig,
            Direction::Resp => resp,
        }
    }

    const fn peek(&self, dir: Direction) -> &Half {
        let [orig, resp] = &self.halves;
        match dir {
            Direction::Orig => orig,
            Direction::Resp => resp,
        }
    }

    /// The handshake that is going on.
    pub fn handshake(&self) -> Option<&Handshake> {
        self.handshake.as_deref()
    }

    /// Likewise, to be added to.
    pub fn handshake_mut(&mut self) -> Option<&mut Handshake> {
        self.handshake.as_deref_mut()
    }

    /// Whether it is one of TLS 1.3.
    pub fn is_tls13(&self) -> bool {
        self.handshake().is_some_and(Handshake::is_tls13)
    }

    /// A whole handshake message. One that does not parse is passed over. Says whether there is nothing
    /// more to learn ([`Conversation::settle`]).
    pub fn message(&mut self, cx: Cx<'_>, dir: Direction, ty: u8, body: &[u8], emit: &mut Emit<'_>) -> bool {
        self.read(cx, dir, ty, body, emit);
        self.settle(emit)
    }

    fn read(&mut self, cx: Cx<'_>, dir: Direction, ty: u8, body: &[u8], emit: &mut Emit<'_>) {
        match ty {
            kind::CLIENT_HELLO => {
                if let Ok(hello) = ClientHello::parse(body, self.carriage.dialect) {
                    self.look_for_keys(cx, dir, hello.random);
                    self.client_hello(cx, dir, ClientFacts::new(&hello, self.carriage.carrier), emit);
                }
            }
            kind::SERVER_HELLO => {
                if let Ok(hello) = ServerHello::parse(body) {
                    match &mut self.opener {
                        Some(opener) => opener.server_hello(&hello),
                        None => self.opener = Opener::without_keys(&hello, dir.other()).map(Box::new),
                    }
                    self.server_hello(cx, dir, ServerFacts::new(&hello), hello.group, emit);
                }
            }
            kind::DRAFT_RETRY => {
                if let Some(hello) = ServerHello::parse_draft_retry(body).ok().filter(|h| h.version >> 8 == 0x7f) {
                    self.server_hello(cx, dir, ServerFacts::new(&hello), hello.group, emit);
                }
            }
            kind::HELLO_VERIFY_REQUEST if self.carriage.dialect == Dialect::Dtls => self.verify_request(dir, emit),
            kind::CERTIFICATE => self.chain(cx, dir, &messages::chain(body), emit),
            kind::SERVER_KEY_EXCHANGE => self.key_exchange(dir, body),
            kind::SERVER_HELLO_DONE => {
                if let Some(h) = self.handshake.as_mut().filter(|h| h.client_side != dir) {
                    h.hello_done = true;
                }
            }
            _ => {}
        }
    }

    /// A ClientHello.
    pub fn client_hello(&mut self, cx: Cx<'_>, dir: Direction, facts: ClientFacts, emit: &mut Emit<'_>) {
        if let Some(h) = &mut self.handshake {
            // The answer was delivered first: this direction had to be put in order.
            if h.client.is_none() && h.client_side == dir {
                (h.ts, h.packet, h.client) = (cx.ts, cx.packet, Some(facts));
                if h.server.as_ref().is_some_and(|s| s.retry) {
                    self.give_up(emit);
                }
                return;
            }
        }
        self.give_up(emit);
        self.halves.iter_mut().for_each(Half::renew);
        let mut h = Handshake::new(cx.ts, cx.packet, self.carriage.name, dir);
        h.client = Some(facts);
        self.handshake = Some(Box::new(h));
    }

    /// A ServerHello or HelloRetryRequest.
    pub fn server_hello(
        &mut self,
        cx: Cx<'_>,
        dir: Direction,
        facts: ServerFacts,
        group: Option<u16>,
        emit: &mut Emit<'_>,
    ) {
        let retry = facts.retry;
        let open = self.handshake.as_ref().is_some_and(|h| h.server.is_none() && h.client_side != dir);
        if !open {
            self.give_up(emit);
            self.halves.iter_mut().for_each(Half::renew);
            self.handshake = Some(Box::new(Handshake::new(cx.ts, cx.packet, self.carriage.name, dir.other())));
        }
        if let Some(h) = &mut self.handshake {
            (h.server, h.group) = (Some(facts), group);
            if retry && h.client.is_some() {
                self.give_up(emit);
            }
        }
    }

    /// The server of DTLS wants to see another ClientHello, with a cookie (RFC 6347, section 4.2.1).
    fn verify_request(&mut self, dir: Direction, emit: &mut Emit<'_>) {
        if let Some(h) = self.handshake.as_mut().filter(|h| h.client_side != dir && h.server.is_none()) {
            h.established = Some(false);
            self.give_up(emit);
        }
    }

    fn chain(&mut self, cx: Cx<'_>, dir: Direction, chain: &Chain<'_>, emit: &mut Emit<'_>) {
        if chain.cut {
            cx.limit_hit();
        }
        self.certificates(cx, dir, &chain.certificates, emit);
    }

    /// A chain of certificates.
    pub fn certificates(&mut self, cx: Cx<'_>, dir: Direction, chain: &[&[u8]], emit: &mut Emit<'_>) {
        if chain.is_empty() {
            return;
        }
        let sha256: Vec<[u8; 32]> = chain.iter().map(|der| Sha256::digest(der).into()).collect();
        let from_server = self.handshake.as_ref().map_or(dir == Direction::Resp, |h| h.client_side != dir);
        if let Some(h) = &mut self.handshake {
            if h.certificates.len() + sha256.len() <= 2 * limits::TLS_CHAIN_MAX {
                // A server sends its own before it asks for the client's.
                if from_server && h.certificates.len() == h.server_certificates {
                    h.server_certificates += sha256.len();
                }
                h.certificates.extend_from_slice(&sha256);
            } else {
                cx.limit_hit();
            }
        }
        emit(TlsEvent::Certificates { sender: dir, from_server, chain, sha256: &sha256 });
    }

    fn key_exchange(&mut self, dir: Direction, body: &[u8]) {
        let Some(h) = self.handshake.as_mut().filter(|h| h.client_side != dir) else { return };
        let suite = h.server.as_ref().and_then(|s| Some((s.version, s.suite()?)));
        let Some(share) = suite.and_then(|(version, suite)| messages::key_share(body, version, suite).ok()) else {
            return;
        };
        h.group = h.group.or(share.group);
        (h.dh_bits, h.signature_scheme) = (share.dh_bits, share.signature_scheme);
    }

    /// A change of ciphers.
    pub fn cipher_changed(&mut self, dir: Direction) {
        // In TLS 1.3 the message means nothing, and a hello in clear may follow it (RFC 8446,
        // appendix D.4).
        if !self.is_tls13() {
            self.half(dir).cipher_changed = true;
            if let Some(opener) = &mut self.opener {
                opener.change_cipher(dir);
            }
        }
    }

    /// An alert in clear.
    pub fn alert(&mut self, dir: Direction, payload: &[u8]) {
        let [level @ (1 | 2), description] = *payload else { return };
        if let Some(h) = &mut self.handshake
            && h.alerts.len() < limits::TLS_ALERTS_MAX
        {
            h.alerts.push(Alert { sender: dir, level, description });
        }
    }

    /// Ends the handshake if it is known to be completed, or if there is no telling any more; says whether
    /// it did.
    pub fn settle(&mut self, emit: &mut Emit<'_>) -> bool {
        let [a, b] = &self.halves;
        let established = match &self.handshake {
            Some(h) if h.is_tls13() => a.finished_13 && b.finished_13,
            Some(h) => h.server.as_ref().is_some_and(|s| !s.retry) && a.finished && b.finished,
            None => false,
        };
        // Data that a client sends before the answer says nothing of the handshake.
        let waits =
            self.handshake().is_some_and(|h| h.server.is_none() && h.client.as_ref().is_some_and(|c| c.early_data));
        let given_up = !waits && a.data_records.max(b.data_records) >= limits::TLS_RECORDS_UNDECIDED_MAX;
        if !established && !given_up {
            return false;
        }
        if let Some(h) = &mut self.handshake {
            h.established = established.then_some(true);
        }
        self.give_up(emit);
        true
    }

    /// Emits the handshake as it stands.
    pub fn give_up(&mut self, emit: &mut Emit<'_>) {
        let Some(mut h) = self.handshake.take() else { return };
        h.resumed = self.resumed(&h);
        if h.established.is_none() {
            h.established = self.completed(&h);
        }
        emit(TlsEvent::Handshake(&h));
    }

    /// Whether a handshake that was not seen to be completed was not: `None` where the side that
    /// would tell is not in the capture, and the other one went on.
    fn completed(&self, h: &Handshake) -> Option<bool> {
        let retry = h.server.as_ref().is_some_and(|s| s.retry);
        let fatal = h.alerts.iter().any(|alert| alert.level == 2);
        if retry || fatal {
            return Some(false);
        }
        let (client, server) = (self.peek(h.client_side), self.peek(h.client_side.other()));
        let sslv2 = h.server.as_ref().is_some_and(|s| s.version == 0x0002);
        let early = h.client.as_ref().is_some_and(|c| c.early_data);
        let client_went_on = client.cipher_changed || (client.data_records > 0 && !early);
        let server_went_on = h.server.is_some();
        let blind = (server.is_unseen() && client_went_on) || (client.is_unseen() && server_went_on);
        // Both directions were lost on the way, or the encrypted part of SSL 2, which is not read.
        let both = client.lost && server.lost;
        (!blind && !both && !sslv2).then_some(false)
    }

    /// Whether an earlier session went on.
    fn resumed(&self, h: &Handshake) -> Option<bool> {
        let server = h.server.as_ref()?;
        if server.retry {
            return Some(false);
        }
        if h.is_tls13() || server.version == 0x0002 {
            return Some(server.resumes);
        }
        if h.hello_done || !h.certificates.is_empty() {
            return Some(false);
        }
        let echoed =
            !server.session_id.is_empty() && h.client.as_ref().is_some_and(|c| c.session_id == server.session_id);
        // A server that changes ciphers right behind its hello goes on with a ticket (RFC 5077).
        let side = self.peek(h.client_side.other());
        (echoed || (side.cipher_changed && !side.lost)).then_some(true)
    }
}
