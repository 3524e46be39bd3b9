//! TLS over TCP (RFC 8446, RFC 5246 and what came before them), as far as it is in clear.
//!
//! ```text
//! record:    type(1) version(2) length(2) payload          type 20 change cipher spec, 21 alert,
//! handshake: type(1) length(3) body                        22 handshake, 23 data, 24 heartbeat
//! ```
//! A record may hold several handshake messages and a message may span records. What a record
//! holds is used as soon as a message in it is whole; only a message that spans records is copied,
//! into one bounded buffer per direction. Which side is the client follows from the messages, not
//! from who opened the connection.
//!
//! The row of a handshake is written when it is known whether it was completed, and at the end of
//! the flow otherwise. Behind that the parser is finished: an encrypted flow costs nothing.

mod facts;
mod messages;
mod records;
mod side;

pub use facts::{Alert, ClientFacts, Handshake, ServerFacts, TABLE, TlsEvent};
pub use messages::{KeyShare, chain, key_share};

use messages::kind;
use records::{HEADER, Header, MESSAGE_MAX, content, is_clear_hello};
use sha2::{Digest, Sha256};
use side::{ALERT_13_MAX, Side, Sync};

use super::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::base::{Reader, limits};
use crate::fingerprint::hello::{ClientHello, Dialect, ServerHello};
use crate::fingerprint::{ja4, sslv2};

/// What to do next with the bytes at hand.
enum Step {
    /// So many are used.
    Used(usize),
    /// So many are needed.
    Need(usize),
    /// So many, of which some may not have come yet, are of no interest.
    Pass(usize),
    /// The flow, or this direction, is done with.
    Stop(Progress),
}

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct TlsParser {
    sides: [Side; 2],
    /// The handshake that is going on.
    handshake: Option<Box<Handshake>>,
    /// Whether anything was recognised.
    seen: bool,
    /// Nothing more is of interest.
    done: bool,
}

type Emit<'a> = dyn FnMut(TlsEvent<'_>) + 'a;

impl TlsParser {
    const fn side(&mut self, dir: Direction) -> &mut Side {
        let [orig, resp] = &mut self.sides;
        match dir {
            Direction::Orig => orig,
            Direction::Resp => resp,
        }
    }

    const fn peek(&self, dir: Direction) -> &Side {
        let [orig, resp] = &self.sides;
        match dir {
            Direction::Orig => orig,
            Direction::Resp => resp,
        }
    }

    /// At the start of a record.
    fn record(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut Emit<'_>) -> Step {
        let start = self.peek(dir).sync == Sync::Start;
        if start && bytes.first().is_some_and(|b| b & 0x80 != 0) {
            return self.sslv2(cx, dir, bytes, emit);
        }
        if self.waits_for_sslv2_key(dir) {
            return self.sslv2_key(bytes, emit);
        }
        let header = match Header::read(bytes) {
            Ok(header) => header,
            Err(e) if e.is_short() => return Step::Need(HEADER),
            Err(_) => return self.lose(dir, emit),
        };
        // What stands behind the header is needed of alerts, and of handshake records that may be
        // encrypted: those are told by the first six bytes of the message.
        let look = match header.ty {
            content::ALERT if header.len == 2 => 2,
            content::HANDSHAKE if self.peek(dir).cipher_changed => header.len.min(6),
            _ => 0,
        };
        let Some(payload) = bytes.get(HEADER..HEADER + look) else { return Step::Need(HEADER + look) };
        let side = self.side(dir);
        side.sync = Sync::Sound;
        let changed = side.cipher_changed;
        if header.ty != content::HANDSHAKE || changed {
            side.drop_message();
        }
        self.seen = true;
        match header.ty {
            content::HANDSHAKE if !changed || is_clear_hello(payload) => {
                self.side(dir).record_left = header.len;
                return Step::Used(HEADER);
            }
            content::HANDSHAKE => self.side(dir).finished = true,
            content::CHANGE_CIPHER_SPEC => self.cipher_changed(dir),
            content::ALERT => self.alert(dir, payload),
            content::DATA => self.data(dir, header.len),
            _ => {}
        }
        match self.settle(emit) {
            Some(progress) => Step::Stop(progress),
            None => Step::Pass(HEADER + header.len),
        }
    }

    /// Within a handshake record: `bytes` are the rest of it, or the front of that.
    fn handshake_bytes(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut Emit<'_>) -> Step {
        let side = self.side(dir);
        let left = side.record_left;
        let bytes = bytes.get(..left).unwrap_or(bytes);
        if side.pass > 0 {
            let n = side.pass.min(bytes.len());
            side.pass -= n;
            side.record_left -= n;
            return Step::Used(n);
        }
        if !side.message.is_empty() {
            return self.continued(cx, dir, bytes, emit);
        }
        let mut r = Reader::new(bytes);
        let (Ok(ty), Ok(len)) = (r.u8("message type"), r.be24("message length")) else {
            // The header of the message spans records.
            if left >= 4 {
                return Step::Need(4);
            }
            side.message.extend_from_slice(bytes);
            side.record_left -= bytes.len();
            return Step::Used(bytes.len());
        };
        let total = 4 + usize::try_from(len).unwrap_or(MESSAGE_MAX);
        if !messages::is_known(ty) || total > MESSAGE_MAX {
            side.record_left = 0;
            return Step::Pass(left);
        }
        if !messages::is_read(ty) || total > limits::TLS_MESSAGE_BYTES_MAX {
            if messages::is_read(ty) {
                cx.limit_hit();
            }
            side.pass = total;
            return Step::Used(0);
        }
        if total > left {
            side.message.extend_from_slice(bytes);
            side.record_left -= bytes.len();
            return Step::Used(bytes.len());
        }
        let Some(message) = bytes.get(..total) else { return Step::Need(total) };
        side.record_left -= total;
        match self.message(cx, dir, ty, message.get(4..).unwrap_or_default(), emit) {
            Some(progress) => Step::Stop(progress),
            None => Step::Used(total),
        }
    }

    /// More of a message that began in an earlier record.
    fn continued(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut Emit<'_>) -> Step {
        let side = self.side(dir);
        let (ty, total) = match message_header(&side.message) {
            Some((ty, total)) => (Some(ty), total),
            None => (None, 4),
        };
        let n = total.saturating_sub(side.message.len()).min(bytes.len());
        side.message.extend_from_slice(bytes.get(..n).unwrap_or_default());
        side.record_left -= n;
        if side.message.len() < total {
            return Step::Used(n);
        }
        let Some(ty) = ty else {
            // The header is whole now: is the rest wanted?
            let Some((ty, total)) = message_header(&side.message) else { return Step::Used(n) };
            if !messages::is_known(ty) || total > MESSAGE_MAX {
                side.message = Vec::new();
                let left = std::mem::take(&mut side.record_left);
                return Step::Pass(n + left);
            }
            if !messages::is_read(ty) || total > limits::TLS_MESSAGE_BYTES_MAX {
                if messages::is_read(ty) {
                    cx.limit_hit();
                }
                side.message = Vec::new();
                side.pass = total - 4;
                return Step::Used(n);
            }
            if total > 4 {
                return Step::Used(n);
            }
            side.message = Vec::new();
            return self.message(cx, dir, ty, &[], emit).map_or(Step::Used(n), Step::Stop);
        };
        let message = std::mem::take(&mut side.message);
        self.message(cx, dir, ty, message.get(4..).unwrap_or_default(), emit).map_or(Step::Used(n), Step::Stop)
    }

    /// A whole handshake message. One that does not parse is passed over.
    fn message(&mut self, cx: Cx<'_>, dir: Direction, ty: u8, body: &[u8], emit: &mut Emit<'_>) -> Option<Progress> {
        match ty {
            kind::CLIENT_HELLO => {
                let hello = ClientHello::parse(body, Dialect::Tls).ok()?;
                self.client_hello(cx, dir, ClientFacts::new(&hello, ja4::Carrier::Tcp), emit);
            }
            kind::SERVER_HELLO => {
                let hello = ServerHello::parse(body).ok()?;
                self.server_hello(cx, dir, ServerFacts::new(&hello), hello.group, emit);
            }
            kind::DRAFT_RETRY => {
                let hello = ServerHello::parse_draft_retry(body).ok().filter(|h| h.version >> 8 == 0x7f)?;
                self.server_hello(cx, dir, ServerFacts::new(&hello), hello.group, emit);
            }
            kind::CERTIFICATE => self.certificates(dir, &messages::chain(body), emit),
            kind::SERVER_KEY_EXCHANGE => {
                let h = self.handshake.as_mut().filter(|h| h.client_side != dir)?;
                let server = h.server.as_ref()?;
                let share = messages::key_share(body, server.version, server.suite()?).ok()?;
                h.group = h.group.or(share.group);
                (h.dh_bits, h.signature_scheme) = (share.dh_bits, share.signature_scheme);
            }
            kind::SERVER_HELLO_DONE => {
                if let Some(h) = self.handshake.as_mut().filter(|h| h.client_side != dir) {
                    h.hello_done = true;
                }
            }
            _ => {}
        }
        self.settle(emit)
    }

    fn client_hello(&mut self, cx: Cx<'_>, dir: Direction, facts: ClientFacts, emit: &mut Emit<'_>) {
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
        self.sides.iter_mut().for_each(Side::renew);
        let mut h = Handshake::new(cx.ts, cx.packet, "tcp", dir);
        h.client = Some(facts);
        self.handshake = Some(Box::new(h));
    }

    fn server_hello(
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
            self.sides.iter_mut().for_each(Side::renew);
            self.handshake = Some(Box::new(Handshake::new(cx.ts, cx.packet, "tcp", dir.other())));
        }
        if let Some(h) = &mut self.handshake {
            (h.server, h.group) = (Some(facts), group);
            if retry && h.client.is_some() {
                self.give_up(emit);
            }
        }
    }

    fn certificates(&mut self, dir: Direction, chain: &[&[u8]], emit: &mut Emit<'_>) {
        if chain.is_empty() {
            return;
        }
        let sha256: Vec<[u8; 32]> = chain.iter().map(|der| Sha256::digest(der).into()).collect();
        let from_server = self.handshake.as_ref().map_or(dir == Direction::Resp, |h| h.client_side != dir);
        if let Some(h) = &mut self.handshake
            && h.certificates.len() + sha256.len() <= 2 * limits::TLS_CHAIN_MAX
        {
            // A server sends its own before it asks for the client's.
            if from_server && h.certificates.len() == h.server_certificates {
                h.server_certificates += sha256.len();
            }
            h.certificates.extend_from_slice(&sha256);
        }
        emit(TlsEvent::Certificates { sender: dir, from_server, chain, sha256: &sha256 });
    }

    fn cipher_changed(&mut self, dir: Direction) {
        // In TLS 1.3 the message means nothing, and a hello in clear may follow it (RFC 8446,
        // appendix D.4).
        if !self.handshake.as_ref().is_some_and(|h| h.is_tls13()) {
            self.side(dir).cipher_changed = true;
        }
    }

    fn alert(&mut self, dir: Direction, payload: &[u8]) {
        let [level @ (1 | 2), description] = *payload else { return };
        if let Some(h) = &mut self.handshake
            && h.alerts.len() < limits::TLS_ALERTS_MAX
        {
            h.alerts.push(Alert { sender: dir, level, description });
        }
    }

    fn data(&mut self, dir: Direction, len: usize) {
        let is_13 = self.handshake.as_ref().is_some_and(|h| h.is_tls13());
        let side = self.side(dir);
        side.data_records = side.data_records.saturating_add(1);
        side.finished |= side.cipher_changed;
        side.finished_13 |= is_13 && len > ALERT_13_MAX;
    }

    /// Ends the handshake if it is known to be completed, or if there is no telling any more.
    fn settle(&mut self, emit: &mut Emit<'_>) -> Option<Progress> {
        let [a, b] = &self.sides;
        let established = match &self.handshake {
            Some(h) if h.is_tls13() => a.finished_13 && b.finished_13,
            Some(h) => h.server.as_ref().is_some_and(|s| !s.retry) && a.finished && b.finished,
            None => false,
        };
        // Data that a client sends before the answer says nothing of the handshake.
        let waits = self
            .handshake
            .as_ref()
            .is_some_and(|h| h.server.is_none() && h.client.as_ref().is_some_and(|c| c.early_data));
        let given_up = !waits && a.data_records.max(b.data_records) >= limits::TLS_RECORDS_UNDECIDED_MAX;
        if !established && !given_up {
            return None;
        }
        if let Some(h) = &mut self.handshake {
            h.established = established.then_some(true);
        }
        self.give_up(emit);
        self.done = true;
        Some(Progress::Finished)
    }

    /// Emits the handshake as it stands.
    fn give_up(&mut self, emit: &mut Emit<'_>) {
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
        let unseen = |side: &Side| side.sync == Sync::Start || side.is_lost();
        let sslv2 = h.server.as_ref().is_some_and(|s| s.version == 0x0002);
        let early = h.client.as_ref().is_some_and(|c| c.early_data);
        let client_went_on = client.cipher_changed || (client.data_records > 0 && !early);
        let server_went_on = h.server.is_some();
        let blind = (unseen(server) && client_went_on) || (unseen(client) && server_went_on);
        // Both directions were lost on the way, or the encrypted part of SSL 2, which is not read.
        let both = client.is_lost() && server.is_lost();
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
        (echoed || (side.cipher_changed && !side.is_lost())).then_some(true)
    }

    /// A hello of SSL 2 at the start of a direction.
    fn sslv2(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut Emit<'_>) -> Step {
        let (hello, used) = match sslv2::parse(bytes) {
            Ok(read) => read,
            Err(e) if e.is_short() => return Step::Need(bytes.len() + e.missing()),
            Err(_) => return self.lose(dir, emit),
        };
        self.side(dir).sync = Sync::Sound;
        self.seen = true;
        match hello {
            sslv2::Hello::Client { version, ciphers, session_id } => {
                self.client_hello(cx, dir, ClientFacts::from_sslv2(version, ciphers, session_id), emit);
            }
            sslv2::Hello::Server { session_hit, version, certificate, .. } => {
                let facts = ServerFacts { version, resumes: session_hit, ..ServerFacts::default() };
                self.server_hello(cx, dir, facts, None, emit);
                if !certificate.is_empty() {
                    self.certificates(dir, &[certificate], emit);
                }
                if session_hit || self.peek(dir.other()).ended {
                    self.give_up(emit);
                    self.done = true;
                    return Step::Stop(Progress::Finished);
                }
                // The rest of this direction is encrypted.
                self.side(dir).sync = Sync::Lost;
                return Step::Stop(Progress::Skip(u64::MAX));
            }
        }
        Step::Used(used)
    }

    /// Whether the next record of a client is the master key of SSL 2.
    fn waits_for_sslv2_key(&self, dir: Direction) -> bool {
        self.handshake
            .as_ref()
            .is_some_and(|h| h.client_side == dir && h.server.as_ref().is_some_and(|s| s.version == 0x0002))
    }

    /// CLIENT-MASTER-KEY: length(2) 2 cipher kind(3) ... names the cipher that the client chose.
    fn sslv2_key(&mut self, bytes: &[u8], emit: &mut Emit<'_>) -> Step {
        let mut r = Reader::new(bytes);
        let (Ok(_), Ok(ty), Ok(cipher)) = (r.be16("length"), r.u8("message type"), r.be24("cipher kind")) else {
            return Step::Need(6);
        };
        if ty == 2
            && let Some(server) = self.handshake.as_mut().and_then(|h| h.server.as_mut())
        {
            server.cipher = Some(cipher);
        }
        self.give_up(emit);
        self.done = true;
        Step::Stop(Progress::Finished)
    }

    /// The records of a direction cannot be told apart any more.
    fn lose(&mut self, dir: Direction, emit: &mut Emit<'_>) -> Step {
        let side = self.side(dir);
        side.sync = Sync::Lost;
        side.drop_message();
        if !self.seen {
            return Step::Stop(Progress::Violation("no TLS record"));
        }
        let other = self.peek(dir.other());
        if other.sync == Sync::Lost || other.ended {
            self.give_up(emit);
            self.done = true;
            return Step::Stop(Progress::Finished);
        }
        Step::Stop(Progress::Skip(u64::MAX))
    }
}

/// Type of a handshake message and its length with the header.
fn message_header(bytes: &[u8]) -> Option<(u8, usize)> {
    let mut r = Reader::new(bytes);
    let ty = r.u8("message type").ok()?;
    Some((ty, 4 + usize::try_from(r.be24("message length").ok()?).ok()?))
}

impl AppParser for TlsParser {
    const SPEC: Spec = Spec {
        name: "tls",
        title: "TLS",
        transports: &[Transport::Tcp],
        ports: &[443, 8443, 993, 995, 465, 636, 853, 989, 990, 5061, 8883, 9443],
        reference: "RFC 8446, RFC 5246",
        table: Some(&TABLE),
        yields: "versions, cipher suites, server names, certificates, JA3 and JA4 fingerprints",
        ..Spec::EMPTY
    };
    type Event<'e> = TlsEvent<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        records::probe(payload)
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(TlsEvent<'_>)) -> Progress {
        if self.done {
            return Progress::Finished;
        }
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            let side = self.side(dir);
            if side.sync == Sync::Lost {
                return Progress::Skip(u64::MAX);
            }
            let step = if side.record_left > 0 {
                self.handshake_bytes(cx, dir, rest, emit)
            } else {
                self.record(cx, dir, rest, emit)
            };
            match step {
                Step::Used(n) => at += n,
                Step::Need(needed) => return Progress::Partial { consumed: at, needed },
                Step::Pass(n) if n <= rest.len() => at += n,
                Step::Pass(n) => return Progress::Skip((n - rest.len()) as u64),
                Step::Stop(progress) => return progress,
            }
        }
    }

    fn heap(&self) -> usize {
        self.sides.iter().map(|s| s.message.capacity()).sum()
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, _missing: u64) -> Progress {
        let side = self.side(dir);
        (side.sync, side.gapped, side.record_left) = (Sync::AfterGap, true, 0);
        side.drop_message();
        Progress::Done
    }

    fn on_end(&mut self, _cx: Cx<'_>, dir: Direction, _rest: &[u8], emit: &mut dyn FnMut(TlsEvent<'_>)) {
        let side = self.side(dir);
        side.ended = true;
        side.drop_message();
        if self.peek(dir.other()).ended {
            self.give_up(emit);
        }
    }
}

#[cfg(test)]
mod tests;
