//! Recognising a protocol and feeding its parser: the part of a flow that reads.

use super::emit::Emitter;
use crate::base::{Timestamp, limits};
use crate::proto::api::{Cx, Direction, FlowView, Probe, Progress, Transport};
use crate::proto::registry::{Parser, Protocol};
use crate::stream::{Chunk, Taken};

/// Payloads of a stream without a beginning that are held against the probes.
pub(super) const MIDSTREAM_CHANCES: u8 = 32;

/// Bytes of a stream without a beginning in which a protocol shows itself, or they are the inside of
/// some message and the next payload may tell.
const MIDSTREAM_BYTES: usize = 256;

/// The part of [`Active`] that reads: apart, so that a stream and its reader can be borrowed at once.
pub(super) struct Reader {
    pub(super) view: FlowView,
    /// Protocols that the payload may still be, and those that it might be at its start.
    pub(super) candidates: u64,
    pub(super) all: u64,
    pub(super) parser: Option<(Protocol, Parser)>,
    /// Further payloads at which a stream that was taken up midstream may yet show what it is: the
    /// first one seen mostly lies in the middle of a message.
    pub(super) chances: u8,
    pub(super) had_event: bool,
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
    candidates: &mut u64,
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
            Chunk::Bytes(bytes) => {
                if self.parser.is_none() {
                    let Reader { view, candidates, .. } = &mut *self;
                    self.parser =
                        recognise(candidates, view.transport, view.resp_port, dir, bytes).map(|p| (p, p.parser()));
                    if self.parser.is_none() {
                        if self.chances > 0 && (self.candidates == 0 || bytes.len() >= MIDSTREAM_BYTES) {
                            self.chances -= 1;
                            self.candidates = self.all;
                            return Taken::All;
                        }
                        if self.candidates == 0 || bytes.len() >= limits::PROBE_BYTES_MAX {
                            self.outcome = Outcome::Unknown;
                            return Taken::Stop;
                        }
                        return Taken::Some { consumed: 0, needed: bytes.len() + 1 };
                    }
                    if !other_pending.is_empty() {
                        *other_taken = Some(self.parse(dir.other(), other_pending, at, emit));
                    }
                }
                self.parse(dir, bytes, at, emit)
            }
            Chunk::Gap(missing) => match &mut self.parser {
                Some((_, parser)) => {
                    let cx = Cx { ts: at.0, packet: at.1, flow: &self.view };
                    let progress = parser.on_gap(cx, dir, missing);
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

    /// At the end of a flow that no probe was sure of: takes the parser of the usual port, where the
    /// payload did not rule it out. The service is then told from the port.
    pub(super) fn take_usual_parser(&mut self) -> bool {
        let hint = Protocol::on_port(self.view.transport, self.view.resp_port);
        let Some(protocol) = hint.filter(|p| self.candidates & p.bit() != 0) else { return false };
        if self.parser.is_some() || self.outcome != Outcome::Going {
            return false;
        }
        self.parser = Some((protocol, protocol.parser()));
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
        let Some((_, parser)) = &mut self.parser else { return Taken::Stop };
        let cx = Cx { ts: at.0, packet: at.1, flow: &self.view };
        let had_event = &mut self.had_event;
        let progress = parser.on_data(cx, dir, bytes, &mut |event| {
            emit.event(cx, &event, !*had_event);
            *had_event = true;
        });
        self.judge(progress)
    }

    const fn judge(&mut self, progress: Progress) -> Taken {
        match progress {
            Progress::Done => Taken::All,
            Progress::Partial { consumed, needed } => Taken::Some { consumed, needed },
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

    pub(super) fn datagram(&mut self, dir: Direction, payload: &[u8], at: (Timestamp, u64), emit: &mut Emitter<'_>) {
        if payload.is_empty() || self.outcome != Outcome::Going {
            return;
        }
        self.parse(dir, payload, at, emit);
        if self.outcome == Outcome::Violated && self.had_event {
            // One odd datagram among good ones does not make the flow another protocol.
            emit.counters().violations += 1;
            self.outcome = Outcome::Going;
        }
    }

    pub(super) fn end(&mut self, dir: Direction, rest: &[u8], at: (Timestamp, u64), emit: &mut Emitter<'_>) {
        if self.outcome == Outcome::Violated && !self.had_event {
            return;
        }
        if let Some((_, parser)) = &mut self.parser {
            let cx = Cx { ts: at.0, packet: at.1, flow: &self.view };
            let had_event = &mut self.had_event;
            parser.on_end(cx, dir, rest, &mut |event| {
                emit.event(cx, &event, !*had_event);
                *had_event = true;
            });
        }
    }
}
