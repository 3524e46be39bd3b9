//! Recognising a protocol and feeding its parser: the part of a flow that reads.

use std::sync::Arc;

use super::emit::Emitter;
use super::inner::Inner;
use super::multiplex::Besides;
use super::wrapped::WrappedTls;
use crate::base::{Timestamp, limits};
use crate::detect::certificates;
use crate::proto::api::{Cx, Direction, FlowView, LimitCount, Probe, Progress, Transport};
use crate::proto::named::{self, Glance, screen::Midstream};
use crate::proto::registry::{Parser, Protocol};
use crate::proto::tls::TlsEvent;
use crate::proto::tls::opening::keylog::KeyStore;
use crate::stream::{Chunk, Taken};

/// Payloads of a stream without a beginning that are held against the probes.
const MIDSTREAM_CHANCES: u8 = 32;

/// Bytes of a stream without a beginning in which a protocol shows itself, or they are the inside of
/// some message and the next payload may tell.
const MIDSTREAM_BYTES: usize = 256;

/// The part of [`Active`] that reads: apart, so that a stream and its reader can be borrowed at once.
pub(super) struct Reader {
    pub(super) keys: Arc<KeyStore>,
    /// What reads the plain text, where keys open what is encrypted.
    pub(super) inner: Option<Box<Inner>>,
    pub(super) view: FlowView,
    /// Protocols that the payload may still be, and those that it might be at its start.
    pub(super) candidates: u128,
    pub(super) all: u128,
    pub(super) parser: Option<(Protocol, Parser)>,
    /// Whether another flow announced it.
    pub(super) announced: bool,
    /// Other protocols between the same two ports.
    pub(super) besides: Besides,
    /// TLS in the messages of the protocol.
    pub(super) wrapped: WrappedTls,
    /// Further payloads at which a stream that was taken up midstream may yet show what it is: the
    /// first one seen mostly lies in the middle of a message.
    pub(super) chances: u8,
    pub(super) had_event: bool,
    /// Whether the parser has used any bytes: until then it may be withdrawn without a loss.
    pub(super) used: bool,
    /// How often one protocol handed over to another.
    pub(super) handovers: u8,
    /// A protocol that is only named, where the payload is of one.
    pub(super) named: Option<&'static str>,
    /// What a stream without a beginning has shown of X11.
    pub(super) screen: Midstream,
    /// The outermost protocol of those that handed over.
    pub(super) carrier: Option<Protocol>,
    /// Which directions have shown how they begin.
    pub(super) heard: [bool; 2],
    /// Whether a server's greeting has overruled what the client seemed to speak, and the flow's service
    /// is to be named anew.
    pub(super) overruled: bool,
    pub(super) limited: LimitCount,
    pub(super) outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Going,
    Finished,
    Violated,
    Unknown,
}

/// Whether a payload begins with a TLS record that holds the start of a ClientHello or ServerHello
/// (RFC 8446, sections 4 and 5.1): strict enough to be believed in the middle of a connection.
pub(super) fn begins_hello(payload: &[u8]) -> bool {
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    const SERVER_HELLO: u8 = 2;
    match payload {
        [HANDSHAKE, 3, 0..=4, r1, r0, CLIENT_HELLO | SERVER_HELLO, 0, h1, h0, 3, 0..=4, ..] => {
            let record = u16::from_be_bytes([*r1, *r0]);
            let hello = u16::from_be_bytes([*h1, *h0]);
            (40..=0x4000).contains(&record) && hello >= 38
        }
        _ => false,
    }
}

/// Holds a payload against the probes of the candidates, those of the usual port first. What it
/// cannot be is struck from them.
pub(super) fn recognise(
    candidates: &mut u128,
    transport: Transport,
    port: u16,
    dir: Direction,
    bytes: &[u8],
) -> Option<Protocol> {
    let hint = Protocol::on_port(transport, port);
    let ordered = hint.into_iter().chain(Protocol::ALL.iter().copied().filter(|p| Some(*p) != hint));
    for protocol in ordered {
        if *candidates & protocol.bit() == 0 {
            continue;
        }
        match protocol.probe(dir, bytes) {
            Probe::Yes => return Some(protocol),
            Probe::No => *candidates &= !protocol.bit(),
            Probe::NeedMore => {}
        }
    }
    None
}

impl Reader {
    /// For a flow of which nothing was read yet, and the protocols that it may be.
    pub(super) fn new(view: FlowView, all: u128, keys: Arc<KeyStore>) -> Self {
        Self {
            keys,
            inner: None,
            candidates: all,
            all,
            parser: None,
            announced: false,
            besides: Besides::default(),
            wrapped: WrappedTls::default(),
            chances: if view.from_start { 0 } else { MIDSTREAM_CHANCES },
            view,
            had_event: false,
            used: false,
            handovers: 0,
            named: None,
            screen: Midstream::default(),
            carrier: None,
            heard: [false; 2],
            overruled: false,
            limited: LimitCount::default(),
            outcome: Outcome::Going,
        }
    }

    /// Reads the next part of a stream. `other_pending` is what the other direction has shown
    /// before without being recognised: it came first, so the parser sees it first.
    pub(super) fn read(
        &mut self,
        dir: Direction,
        chunk: Chunk<'_>,
        at: (Timestamp, u64),
        other_pending: &[u8],
        other_taken: &mut Option<Taken>,
        emit: &mut Emitter<'_>,
    ) -> Taken {
        if self.outcome != Outcome::Going {
            return Taken::Stop;
        }
        match chunk {
            Chunk::Bytes(bytes) => self.bytes(dir, bytes, at, other_pending, other_taken, emit),
            Chunk::Gap(missing) => match &mut self.parser {
                Some((_, parser)) => {
                    let cx = Cx { ts: at.0, packet: at.1, flow: &self.view, limited: &self.limited };
                    let progress = parser.on_gap(cx, dir, missing);
                    self.used = true;
                    self.judge(progress)
                }
                None if self.chances > 0 => {
                    self.chances -= 1;
                    self.candidates = self.all;
                    Taken::All
                }
                None => {
                    self.outcome = Outcome::Unknown;
                    Taken::Stop
                }
            },
        }
    }

    /// A client may have spoken another protocol than the server does: a browser that was sent to the port
    /// of SSH. Then the server's greeting decides what the flow is, and what was read so far is told.
    fn overrule(&mut self, dir: Direction, bytes: &[u8], at: (Timestamp, u64), emit: &mut Emitter<'_>) {
        let [orig, resp] = &mut self.heard;
        let heard = if dir == Direction::Orig { orig } else { resp };
        if *heard {
            return;
        }
        let Ok(greeting) = Protocol::greeting(self.view.transport, dir, bytes) else { return };
        *heard = true;
        let Some(greeting) = greeting.filter(|g| dir == Direction::Resp && self.carrier.is_none() && !self.speaks(*g))
        else {
            return;
        };
        for dir in [Direction::Orig, Direction::Resp] {
            self.end(dir, &[], at, emit);
        }
        self.take_parser(greeting);
        self.had_event = false;
        self.overruled = true;
    }

    /// Begins to read with the parser of a protocol.
    pub(super) fn take_parser(&mut self, protocol: Protocol) {
        let mut parser = protocol.parser();
        parser.bring_keys(&self.keys);
        self.parser = Some((protocol, parser));
    }

    fn speaks(&self, protocol: Protocol) -> bool {
        self.parser.as_ref().is_none_or(|p| p.0 == protocol)
    }

    fn bytes(
        &mut self,
        dir: Direction,
        bytes: &[u8],
        at: (Timestamp, u64),
        other_pending: &[u8],
        other_taken: &mut Option<Taken>,
        emit: &mut Emitter<'_>,
    ) -> Taken {
        if self.heard != [true; 2] && self.parser.is_some() {
            self.overrule(dir, bytes, at, emit);
        }
        // What an outer protocol used up before it handed over, or a wrong guess left.
        let mut before = 0;
        loop {
            let rest = bytes.get(before..).unwrap_or_default();
            if self.parser.is_none() {
                if rest.is_empty() {
                    return Taken::All;
                }
                let Reader { view, candidates, .. } = &mut *self;
                let found = recognise(candidates, view.transport, view.resp_port, dir, rest);
                let Some(found) = found else { return self.unrecognised(dir, before, rest) };
                self.take_parser(found);
                self.used = false;
                let [orig, resp] = &mut self.heard;
                *orig |= dir == Direction::Orig || !other_pending.is_empty();
                *resp |= dir == Direction::Resp || !other_pending.is_empty();
                if !other_pending.is_empty() && other_taken.is_none() {
                    *other_taken = Some(self.parse(dir.other(), other_pending, at, emit));
                    if self.parser.is_none() {
                        continue;
                    }
                }
            }
            let guess = self.parser.as_ref().map(|p| p.0);
            let taken = self.parse(dir, rest, at, emit);
            if self.outcome == Outcome::Violated && !self.used && !self.had_event {
                // Nothing was lost by the wrong guess: the others have their turn.
                emit.counters().violations += 1;
                self.candidates &= !guess.map_or(0, Protocol::bit);
                self.parser = None;
                self.outcome = Outcome::Going;
                *other_taken = None;
                continue;
            }
            match taken {
                Taken::Some { consumed, .. } if self.parser.is_none() => before += consumed,
                Taken::Some { consumed, needed } => return Taken::Some { consumed: before + consumed, needed },
                other => return other,
            }
        }
    }

    /// What the list of protocols that are only named is told.
    const fn glance<'a>(&self, dir: Direction, payload: &'a [u8]) -> Glance<'a> {
        let FlowView { orig_port, resp_port, from_start, .. } = self.view;
        Glance { dir, payload, ports: [orig_port, resp_port], from_start }
    }

    /// No probe is sure of these bytes: whether to wait for more.
    fn unrecognised(&mut self, dir: Direction, before: usize, bytes: &[u8]) -> Taken {
        let glance = self.glance(dir, bytes);
        let fits = self.chances > 0 && self.screen.fits(&glance);
        self.named = if self.screen.is_sure() { Some("x11") } else { named::name(self.view.transport, &glance) };
        if self.named.is_some() {
            self.outcome = Outcome::Finished;
            return Taken::Stop;
        }
        if self.chances > 0 && (fits || self.candidates == 0 || bytes.len() >= MIDSTREAM_BYTES) {
            self.chances -= 1;
            self.candidates = self.all;
            return Taken::All;
        }
        if self.candidates == 0 || bytes.len() >= limits::PROBE_BYTES_MAX {
            self.outcome = Outcome::Unknown;
            return Taken::Stop;
        }
        Taken::Some { consumed: before, needed: bytes.len() + 1 }
    }

    /// At the end of a flow that no probe was sure of: takes the parser of the usual port, where the
    /// payload did not rule it out. The service is then told from the port.
    pub(super) fn take_usual_parser(&mut self) -> bool {
        let hint = Protocol::on_port(self.view.transport, self.view.resp_port);
        let Some(protocol) = hint.filter(|p| self.candidates & p.bit() != 0) else { return false };
        if self.parser.is_some() || self.outcome != Outcome::Going {
            return false;
        }
        self.take_parser(protocol);
        true
    }

    pub(super) fn parse(
        &mut self,
        dir: Direction,
        bytes: &[u8],
        at: (Timestamp, u64),
        emit: &mut Emitter<'_>,
    ) -> Taken {
        if self.outcome != Outcome::Going {
            return Taken::Stop;
        }
        let Some((protocol, parser)) = &mut self.parser else { return Taken::Stop };
        let cx = Cx { ts: at.0, packet: at.1, flow: &self.view, limited: &self.limited };
        let (had_event, inner) = (&mut self.had_event, &mut self.inner);
        let progress = parser.on_data(cx, dir, bytes, &mut |event| {
            if let Some(&TlsEvent::Plain { sender, bytes, in_clear }) = certificates::tls(&event) {
                let inner = inner.get_or_insert_with(|| Box::new(Inner::new(cx.flow, &self.keys, in_clear)));
                inner.read(sender, bytes, at, emit);
                return;
            }
            emit.event(cx, &event, !*had_event);
            *had_event = true;
        });
        if protocol.spec().wraps_tls {
            for found in parser.take_wrapped() {
                self.wrapped.read(cx, &found, emit);
            }
        }
        if let Progress::Handover { consumed } = progress {
            self.hand_over(at, emit);
            return Taken::Some { consumed, needed: 1 };
        }
        self.judge(progress)
    }

    /// The parser has read the outer protocol to its end: it says its last, and what follows is held
    /// against the probes anew.
    fn hand_over(&mut self, at: (Timestamp, u64), emit: &mut Emitter<'_>) {
        for dir in [Direction::Orig, Direction::Resp] {
            self.end(dir, &[], at, emit);
        }
        self.besides.clear();
        let outer = self.parser.take().map(|p| p.0);
        self.carrier = self.carrier.or(outer);
        self.candidates = self.all & !outer.map_or(0, Protocol::bit);
        self.handovers += 1;
        if self.handovers > limits::HANDOVERS_MAX {
            self.outcome = Outcome::Finished;
        }
    }

    const fn judge(&mut self, progress: Progress) -> Taken {
        self.used |= matches!(progress, Progress::Done | Progress::Skip(_) | Progress::Finished)
            || matches!(progress, Progress::Partial { consumed, .. } if consumed > 0);
        match progress {
            Progress::Done => Taken::All,
            Progress::Partial { consumed, needed } => Taken::Some { consumed, needed },
            // Taken apart in `parse`; a gap cannot hand over.
            Progress::Handover { .. } => Taken::All,
            Progress::Skip(bytes) => Taken::Skip(bytes),
            Progress::Finished => {
                self.outcome = Outcome::Finished;
                Taken::Stop
            }
            Progress::Violation(_) => {
                self.outcome = Outcome::Violated;
                Taken::Stop
            }
        }
    }

    /// Reads a datagram. The parser may turn out to be a wrong guess; then the others have their turn.
    pub(super) fn datagram(
        &mut self,
        dir: Direction,
        mut payload: &[u8],
        at: (Timestamp, u64),
        emit: &mut Emitter<'_>,
    ) {
        if payload.is_empty() || self.outcome != Outcome::Going {
            return;
        }
        if self.shared(dir, payload, at, emit) {
            return;
        }
        loop {
            let Some((guess, _)) = self.parser else {
                // What one datagram is not, the next may be.
                let mut candidates = self.candidates;
                let Some(found) = recognise(&mut candidates, Transport::Udp, self.view.resp_port, dir, payload) else {
                    let glance = self.glance(dir, payload);
                    if !self.had_event {
                        self.named = named::name(Transport::Udp, &glance);
                    }
                    if self.named.is_some() {
                        self.outcome = Outcome::Finished;
                    }
                    return;
                };
                self.take_parser(found);
                continue;
            };
            let taken = self.parse(dir, payload, at, emit);
            match (self.outcome, taken) {
                // The parser has handed over: what it left of this datagram is for the next.
                (Outcome::Going, Taken::Some { consumed, .. }) if self.parser.is_none() => {
                    payload = payload.get(consumed..).unwrap_or_default();
                    if payload.is_empty() {
                        return;
                    }
                    continue;
                }
                (Outcome::Violated, _) => {}
                _ => return,
            }
            emit.counters().violations += 1;
            self.outcome = Outcome::Going;
            if self.had_event {
                // One odd datagram among good ones does not make the flow another protocol.
                return;
            }
            self.candidates &= !guess.bit();
            self.parser = None;
        }
    }

    /// The name that the flow's service has from its payload, as far as that is sure.
    pub(super) fn service(&self) -> Option<&'static str> {
        let sure = |p: Protocol| (self.had_event || !p.spec().tentative).then(|| p.spec().name);
        let outermost = self.carrier.map(|p| p.spec().name);
        outermost.or(self.named).or_else(|| self.parser.as_ref().and_then(|p| sure(p.0)))
    }

    pub(super) fn end(&mut self, dir: Direction, rest: &[u8], at: (Timestamp, u64), emit: &mut Emitter<'_>) {
        self.end_besides(dir, at, emit);
        self.wrapped.end(emit);
        if self.outcome == Outcome::Violated && !self.had_event {
            return;
        }
        if let Some((_, parser)) = &mut self.parser {
            let cx = Cx { ts: at.0, packet: at.1, flow: &self.view, limited: &self.limited };
            let had_event = &mut self.had_event;
            parser.on_end(cx, dir, rest, &mut |event| {
                emit.event(cx, &event, !*had_event);
                *had_event = true;
            });
        }
        if let Some(inner) = &mut self.inner {
            inner.end(dir, at, emit);
        }
    }
}
