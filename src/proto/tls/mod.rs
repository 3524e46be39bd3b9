//! TLS over TCP (RFC 8446, RFC 5246 and what came before them), as far as it is in clear.
//!
//! ```text
//! record:    type(1) version(2) length(2) payload          type 20 change cipher spec, 21 alert,
//! handshake: type(1) length(3) body                        22 handshake, 23 data, 24 heartbeat
//! ```
//! A record may hold several handshake messages and a message may span records. What a record
//! holds is used as soon as a message in it is whole; only a message that spans records is copied,
//! into one bounded buffer per direction. What the messages say is the business of the
//! [`conversation`]. When that is settled the parser is finished: an encrypted flow costs nothing.

pub mod conversation;
pub mod eap;
mod facts;
mod heartbeat;
pub mod messages;
pub mod opening;
pub mod records;
mod side;

pub use facts::{Alert, ClientFacts, Handshake, Heartbeat, ServerFacts, TABLE, TlsEvent};
pub use messages::{Chain, KeyShare, chain, key_share};

use std::sync::Arc;

use conversation::{Carriage, Conversation, Emit};
use opening::keylog::KeyStore;
use records::{HEADER, Header, MESSAGE_MAX, content, is_clear_hello};
use side::{ALERT_13_MAX, Side, Sync};

use super::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::base::{Reader, limits};
use crate::fingerprint::sslv2;

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
#[derive(Debug)]
pub struct TlsParser {
    sides: [Side; 2],
    conversation: Conversation,
    /// Whether anything was recognised.
    seen: bool,
    /// Nothing more is of interest.
    done: bool,
}

impl Default for TlsParser {
    fn default() -> Self {
        Self { sides: Default::default(), conversation: Conversation::new(Carriage::TCP), seen: false, done: false }
    }
}

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
        if let Some(opener) = self.conversation.opener()
            && opener.opens(dir)
            && header.ty != content::CHANGE_CIPHER_SPEC
        {
            return self.open(cx, dir, bytes, &header, emit);
        }
        // What stands behind the header is needed of alerts, and of handshake records that may be
        // encrypted: those are told by the first six bytes of the message.
        let look = match header.ty {
            content::ALERT if header.len == 2 => 2,
            content::HANDSHAKE if self.conversation.half(dir).cipher_changed => header.len.min(6),
            content::HEARTBEAT if !self.conversation.half(dir).cipher_changed => header.len.min(heartbeat::HEADER),
            _ => 0,
        };
        let Some(payload) = bytes.get(HEADER..HEADER + look) else { return Step::Need(HEADER + look) };
        let half = self.conversation.half(dir);
        half.heard = true;
        let changed = half.cipher_changed;
        let side = self.side(dir);
        side.sync = Sync::Sound;
        if header.ty != content::HANDSHAKE || changed {
            side.drop_message();
        }
        self.seen = true;
        match header.ty {
            content::HANDSHAKE if !changed || is_clear_hello(payload) => {
                self.side(dir).record_left = header.len;
                return Step::Used(HEADER);
            }
            content::HANDSHAKE => self.conversation.half(dir).finished = true,
            content::CHANGE_CIPHER_SPEC => self.conversation.cipher_changed(dir),
            content::ALERT => self.conversation.alert(dir, payload),
            content::DATA => self.data(dir, header.len),
            content::HEARTBEAT if !changed => {
                if let Some(h) = self.conversation.handshake_mut() {
                    heartbeat::record(h, dir, payload, header.len);
                }
            }
            _ => {}
        }
        // What is encrypted from here on may be opened later.
        if self.conversation.settle(emit) && self.conversation.opener().is_none() {
            return self.finish();
        }
        Step::Pass(HEADER + header.len)
    }

    /// An encrypted record for which there are keys.
    fn open(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], header: &Header, emit: &mut Emit<'_>) -> Step {
        let total = HEADER + header.len;
        let Some((head, payload)) = bytes.get(..total).and_then(<[u8]>::split_first_chunk::<HEADER>) else {
            return Step::Need(total);
        };
        let half = self.conversation.half(dir);
        half.heard = true;
        half.finished |= half.cipher_changed && header.ty == content::HANDSHAKE;
        self.side(dir).sync = Sync::Sound;
        self.side(dir).drop_message();
        if header.ty == content::DATA {
            self.data(dir, header.len);
        }
        let opened = self.conversation.opener().and_then(|opener| opener.open(dir, head, payload));
        match opened {
            Some((content::DATA, plain)) => {
                let in_clear = self.conversation.opener().is_some_and(|opener| opener.is_in_clear());
                emit(TlsEvent::Plain { sender: dir, bytes: &plain, in_clear });
            }
            Some((content::HANDSHAKE, plain)) if header.ty == content::DATA => {
                self.conversation.opened(cx, dir, &plain, emit);
            }
            _ => {}
        }
        if self.conversation.settle(emit) && self.conversation.opener().is_none() {
            return self.finish();
        }
        Step::Used(total)
    }

    const fn finish(&mut self) -> Step {
        self.done = true;
        Step::Stop(Progress::Finished)
    }

    fn data(&mut self, dir: Direction, len: usize) {
        let is_13 = self.conversation.is_tls13();
        let half = self.conversation.half(dir);
        half.data_records = half.data_records.saturating_add(1);
        half.finished |= half.cipher_changed;
        half.finished_13 |= is_13 && len > ALERT_13_MAX;
    }

    /// A whole handshake message, for which `used` bytes were taken.
    fn message(
        &mut self,
        cx: Cx<'_>,
        dir: Direction,
        used: usize,
        (ty, body): (u8, &[u8]),
        emit: &mut Emit<'_>,
    ) -> Step {
        if self.conversation.message(cx, dir, ty, body, emit) && self.conversation.opener().is_none() {
            return self.finish();
        }
        Step::Used(used)
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
            self.passed_over(cx, dir, ty);
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
        self.message(cx, dir, total, (ty, message.get(4..).unwrap_or_default()), emit)
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
                self.passed_over(cx, dir, ty);
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
            return self.message(cx, dir, n, (ty, &[]), emit);
        };
        let message = std::mem::take(&mut side.message);
        self.message(cx, dir, n, (ty, message.get(4..).unwrap_or_default()), emit)
    }

    /// A message that is no message, or a longer one than is believed. Where the whole direction up to here was in
    /// clear it is the latter.
    fn passed_over(&mut self, cx: Cx<'_>, dir: Direction, ty: u8) {
        let half = self.conversation.half(dir);
        let encrypted = half.cipher_changed || half.lost || !cx.flow.from_start;
        if messages::is_read(ty) && !encrypted {
            cx.limit_hit();
        }
    }

    /// A hello of SSL 2 at the start of a direction.
    fn sslv2(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut Emit<'_>) -> Step {
        let (hello, used) = match sslv2::parse(bytes) {
            Ok(read) => read,
            Err(e) if e.is_short() => return Step::Need(bytes.len() + e.missing()),
            Err(_) => return self.lose(dir, emit),
        };
        self.side(dir).sync = Sync::Sound;
        self.conversation.half(dir).heard = true;
        self.seen = true;
        match hello {
            sslv2::Hello::Client { version, ciphers, session_id } => {
                self.conversation.client_hello(cx, dir, ClientFacts::from_sslv2(version, ciphers, session_id), emit);
            }
            sslv2::Hello::Server { session_hit, version, certificate, .. } => {
                let facts = ServerFacts { version, resumes: session_hit, ..ServerFacts::default() };
                self.conversation.server_hello(cx, dir, facts, None, emit);
                if !certificate.is_empty() {
                    self.conversation.certificates(cx, dir, &[certificate], emit);
                }
                if session_hit || self.peek(dir.other()).ended {
                    self.conversation.give_up(emit);
                    return self.finish();
                }
                // The rest of this direction is encrypted.
                self.side(dir).sync = Sync::Lost;
                self.conversation.half(dir).lost = true;
                return Step::Stop(Progress::Skip(u64::MAX));
            }
        }
        Step::Used(used)
    }

    /// Whether the next record of a client is the master key of SSL 2.
    fn waits_for_sslv2_key(&self, dir: Direction) -> bool {
        self.conversation
            .handshake()
            .is_some_and(|h| h.client_side == dir && h.server.as_ref().is_some_and(|s| s.version == 0x0002))
    }

    /// CLIENT-MASTER-KEY: length(2) 2 cipher kind(3) ... names the cipher that the client chose.
    fn sslv2_key(&mut self, bytes: &[u8], emit: &mut Emit<'_>) -> Step {
        let mut r = Reader::new(bytes);
        let (Ok(_), Ok(ty), Ok(cipher)) = (r.be16("length"), r.u8("message type"), r.be24("cipher kind")) else {
            return Step::Need(6);
        };
        if ty == 2
            && let Some(server) = self.conversation.handshake_mut().and_then(|h| h.server.as_mut())
        {
            server.cipher = Some(cipher);
        }
        self.conversation.give_up(emit);
        self.finish()
    }

    /// The records of a direction cannot be told apart any more.
    fn lose(&mut self, dir: Direction, emit: &mut Emit<'_>) -> Step {
        self.conversation.half(dir).lost = true;
        let side = self.side(dir);
        side.sync = Sync::Lost;
        side.drop_message();
        if !self.seen {
            return Step::Stop(Progress::Violation("no TLS record"));
        }
        let other = self.peek(dir.other());
        if other.sync == Sync::Lost || other.ended {
            self.conversation.give_up(emit);
            return self.finish();
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

    fn bring_keys(&mut self, keys: &Arc<KeyStore>) {
        self.conversation.bring_keys(keys.clone());
    }

    fn heap(&self) -> usize {
        self.sides.iter().map(|s| s.message.capacity()).sum::<usize>() + self.conversation.opener_heap()
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, _missing: u64) -> Progress {
        self.conversation.half(dir).lost = true;
        if let Some(opener) = self.conversation.opener() {
            opener.lose(dir);
        }
        let side = self.side(dir);
        (side.sync, side.record_left) = (Sync::AfterGap, 0);
        side.drop_message();
        Progress::Done
    }

    fn on_end(&mut self, _cx: Cx<'_>, dir: Direction, _rest: &[u8], emit: &mut dyn FnMut(TlsEvent<'_>)) {
        let side = self.side(dir);
        side.ended = true;
        side.drop_message();
        if self.peek(dir.other()).ended {
            self.conversation.give_up(emit);
        }
    }
}

#[cfg(test)]
mod tests;
