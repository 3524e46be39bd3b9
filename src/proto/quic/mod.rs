//! QUIC (RFC 9000, RFC 9001; version 2: RFC 9369; the drafts; Google QUIC), as far as anybody on the way
//! can read it: headers, and the first packets of both sides, whose keys follow from what stands in
//! them. Inside is the TLS handshake up to the server's hello.
//!
//! Keys are derived once for each side of a connection. As soon as both hellos are known and the
//! handshake is seen to be done, or nothing new has come for a while, the parser has finished and the
//! flow costs counters only. A client that moves on to another connection over the same ports before that
//! has another row; one that does so later is not seen.

mod crypto;
mod event;
mod frames;
mod google;
mod header;
mod parameters;
mod protect;
mod state;
#[cfg(test)]
mod testing;
mod version;

pub use event::{Close, Connection, ConnectionId, Event, TABLE};

use header::{Kind, Long};
use protect::Role;
use state::{Emit, State};

use super::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use super::tls;
use crate::base::{Reader, limits};

/// Follows one flow.
#[derive(Default)]
pub struct Quic {
    state: Option<Box<State>>,
    /// Where packets are decrypted.
    scratch: Vec<u8>,
    /// Keys derived so far.
    derived: u32,
    /// Connections so far.
    connections: u32,
    /// Datagrams in a row that told nothing new.
    idle: u32,
    ended: bool,
    done: bool,
}

impl Quic {
    /// The connection, which begins with this packet if there is none.
    fn state(&mut self, cx: &Cx<'_>, version: u32) -> &mut State {
        let connections = &mut self.connections;
        let state = self.state.get_or_insert_with(|| {
            *connections = connections.saturating_add(1);
            let mut state = Box::<State>::default();
            (state.facts.at, state.facts.version) = ((cx.ts, cx.packet), version);
            state
        });
        if state.facts.version == version::NEGOTIATION {
            state.facts.version = version;
        }
        state
    }

    fn finish(&mut self, emit: &mut Emit<'_>) {
        if let Some(state) = self.state.take() {
            state.finish(emit);
        }
    }

    /// Reads a datagram: `None` where it is nothing that QUIC sends, otherwise whether it told anything new.
    fn datagram(&mut self, cx: &Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut Emit<'_>) -> Option<bool> {
        let first = *bytes.first()?;
        if first & 0x80 == 0 {
            let google = self.state.as_ref().is_some_and(|s| version::google(s.facts.version).is_some_and(|n| n < 46));
            if google || self.state.is_none() && google::is_likely(bytes) {
                return self.public(cx, dir, bytes, emit);
            }
            return self.state.as_mut().map(|state| state.short(dir));
        }
        let mut r = Reader::new(bytes);
        let mut read = None;
        // Packets share a datagram, the one with a short header last; zeros may fill it up.
        while r.peek_rest().first().is_some_and(|b| b & 0x80 != 0) {
            let Ok(p) = Long::read(&mut r) else { break };
            read = Some(self.long(cx, dir, &p, emit) | read.unwrap_or(false));
        }
        if r.peek_rest().first().is_some_and(|b| b & 0x40 != 0)
            && let (Some(state), Some(read)) = (&mut self.state, &mut read)
        {
            *read |= state.short(dir);
        }
        read
    }

    /// Reads a packet with a long header. Whether it told anything new.
    fn long(&mut self, cx: &Cx<'_>, dir: Direction, p: &Long<'_>, emit: &mut Emit<'_>) -> bool {
        let is_first = self.state.is_none();
        let learnt = match p.kind {
            Kind::Negotiation => self.state(cx, p.version).negotiation(cx, dir, p),
            Kind::Retry => self.state(cx, p.version).retry(dir, p),
            Kind::Initial if version::schemes(p.version).is_empty() => self.clear(cx, dir, p, emit),
            // Of a packet that is cut, the tag is not there.
            Kind::Initial if p.whole => self.initial(cx, dir, p, emit),
            Kind::ZeroRtt => {
                let state = self.state(cx, p.version);
                state.client_is(dir);
                state.header(cx, dir, p)
            }
            // What looks like a long header by accident, in the middle of something else.
            Kind::Unknown if !is_first => false,
            Kind::Initial | Kind::Handshake | Kind::Unknown => self.state(cx, p.version).header(cx, dir, p),
        };
        learnt | is_first
    }

    /// Reads an Initial.
    fn initial(&mut self, cx: &Cx<'_>, dir: Direction, p: &Long<'_>, emit: &mut Emit<'_>) -> bool {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut derived = self.derived;
        let learnt = self.open_initial(cx, dir, p, (&mut scratch, &mut derived), emit);
        (self.scratch, self.derived) = (scratch, derived);
        learnt
    }

    fn open_initial(
        &mut self,
        cx: &Cx<'_>,
        dir: Direction,
        p: &Long<'_>,
        (scratch, derived): (&mut Vec<u8>, &mut u32),
        emit: &mut Emit<'_>,
    ) -> bool {
        let state = self.state(cx, p.version);
        if state.facts.client.is_none_or(|client| client == dir)
            && let Some((payload, new)) = state.open_client(p, scratch, derived)
        {
            let mut is_new = new.is_some();
            if let Some(new) = new {
                if !state.continues(p, &new) {
                    self.finish(emit);
                    is_new = true;
                }
                let state = self.state(cx, p.version);
                state.client_is(dir);
                state.rekey(new, emit);
            }
            let state = self.state(cx, p.version);
            state.header(cx, dir, p);
            state.facts.opened = state.facts.opened.saturating_add(1);
            let learnt = state.payload(cx, dir, Role::Client, p.version, payload, emit);
            if is_new {
                state.read_held(cx, scratch, derived, emit);
            }
            return learnt | is_new;
        }
        let is_server = state.facts.client != Some(dir);
        let is_first = state.header(cx, dir, p);
        if is_server && state.has_keys() {
            if let Some(payload) = state.open_server(p.version, p.packet, p.number_at, scratch, derived) {
                state.facts.opened = state.facts.opened.saturating_add(1);
                return state.payload(cx, dir, Role::Server, p.version, payload, emit);
            }
        } else if is_server {
            state.hold(dir, p);
        }
        is_first
    }

    /// Reads an Initial of Google QUIC that is not encrypted: Q044 to Q048.
    fn clear(&mut self, cx: &Cx<'_>, dir: Direction, p: &Long<'_>, emit: &mut Emit<'_>) -> bool {
        let state = self.state(cx, p.version);
        let is_new = state.header(cx, dir, p);
        if !version::has_google_messages(p.version) {
            return is_new;
        }
        let number = p.packet.first().map_or(0, |b| usize::from(b & 3) + 1);
        let payload = p.rest().get(number..).unwrap_or_default();
        is_new | self.google(cx, dir, p.version, payload, emit)
    }

    /// Reads a packet with the public header of Google QUIC.
    fn public(&mut self, cx: &Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut Emit<'_>) -> Option<bool> {
        let known = self.state.as_ref().map(|s| (s.facts.version, s.facts.client));
        let from_server = known.is_some_and(|(_, client)| client.is_some_and(|c| c != dir));
        let p = google::public(bytes, known.map(|k| k.0), from_server).ok()?;
        if let Some(version) = p.version {
            version::google(version)?;
            let id = ConnectionId::new(p.cid);
            let other = |s: &State| s.facts.client_dcid.is_some_and(|known| known != id);
            if self.state.as_ref().is_some_and(|s| other(s)) {
                self.finish(emit);
            }
            let state = self.state(cx, version);
            state.client_is(dir);
            state.facts.client_dcid = Some(id);
            state.facts.client_has(cx, version);
            if state.facts.version != version {
                state.facts.version = version;
                state.google_anew();
            }
        }
        let state = self.state.as_mut()?;
        let mut learnt = false;
        for v in p.offered.as_chunks::<4>().0.iter().map(|v| u32::from_be_bytes(*v)) {
            learnt |= version::is_known(v) && state.facts.server_has(cx, v);
        }
        let version = state.facts.version;
        Some(learnt | self.google(cx, dir, version, p.payload, emit))
    }

    /// Reads the handshake in a packet of Google QUIC that is not encrypted.
    fn google(&mut self, cx: &Cx<'_>, dir: Direction, version: u32, payload: &[u8], emit: &mut Emit<'_>) -> bool {
        let Some(state) = &mut self.state else { return false };
        let role = if state.facts.client.is_none_or(|client| client == dir) { Role::Client } else { Role::Server };
        let (had_hello, had_retry) = (state.facts.has_hello, state.facts.retry);
        if role == Role::Client && had_hello || role == Role::Server && had_retry {
            return false;
        }
        let mut r = Reader::new(google::clear_frames(payload, version));
        let mut learnt = false;
        while let Some(frame) = google::clear_crypto(&mut r, version) {
            // A message mostly stands in one frame; read so, it does not matter what was missed before it.
            learnt |= state.google_frame(cx, &frame) || state.frame(cx, dir, role, frame);
        }
        if learnt {
            state.read_messages(cx, dir, role, version, emit);
        }
        if state.facts.has_hello && !had_hello {
            state.client_is(dir);
        }
        learnt
    }
}

impl AppParser for Quic {
    const SPEC: Spec = Spec {
        name: "quic",
        title: "QUIC",
        transports: &[Transport::Udp],
        ports: &[443, 8443, 784, 4433],
        reference: "RFC 9000, RFC 9001, RFC 9369; Google QUIC Q024 to Q050, T050, T051",
        table: Some(&TABLE),
        more_tables: &[&tls::TABLE],
        yields: "versions, server names, TLS handshakes with JA3 and JA4, retries, early data, errors",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        // Packets with a short header look like noise: they are QUIC only behind one with a long header.
        if header::is_likely(payload) || google::is_likely(payload) { Probe::Yes } else { Probe::No }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        if self.done {
            return Progress::Finished;
        }
        let derived = self.derived;
        let Some(learnt) = self.datagram(&cx, dir, bytes, emit).or(self.state.as_ref().map(|_| false)) else {
            return Progress::Violation("no QUIC packet");
        };
        if let Some(state) = &mut self.state {
            state.facts.datagrams = state.facts.datagrams.saturating_add(1);
        }
        self.idle = if learnt { 0 } else { self.idle + 1 };
        // What looks like a new connection is a try, not silence: forged ones must not hide the one that follows.
        if self.derived > derived {
            self.idle = 0;
        }
        let exhausted = self.derived > limits::QUIC_KEYS_MAX || self.connections > limits::QUIC_CONNECTIONS_MAX;
        let settled = self.state.as_ref().is_some_and(|s| s.is_settled());
        let idle = self.idle >= limits::QUIC_IDLE_DATAGRAMS_MAX;
        // Behind a handshake that was missed all have a short header; with a long one something may be given up.
        let long = bytes.first().is_some_and(|b| b & 0x80 != 0);
        if exhausted || idle && !settled && long {
            cx.limit_hit();
        }
        if exhausted || settled || idle {
            self.finish(emit);
            self.done = true;
            self.scratch = Vec::new();
            return Progress::Finished;
        }
        Progress::Done
    }

    fn heap(&self) -> usize {
        self.scratch.capacity() + self.state.as_ref().map_or(0, |s| s.heap())
    }

    fn on_end(&mut self, _cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        // Called for both directions.
        if std::mem::replace(&mut self.ended, true) {
            self.finish(emit);
        }
    }
}

#[cfg(test)]
mod tests;
