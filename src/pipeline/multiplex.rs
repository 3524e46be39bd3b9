//! Several protocols between the same two ports: STUN finds the way, DTLS agrees on keys, media follow, and
//! TURN wraps any of them (RFC 7983). The first byte tells which it is.
//!
//! The first protocol of a flow that is one of these has its parser where every flow has it; the others
//! stand beside it, and come into being when a datagram passes their probe. The flow keeps the name of the
//! first, but that DTLS says more than the STUN before it. What runs through a TURN server is read as well,
//! and the flow stays what it is, one to a relay.

use super::emit::Emitter;
use super::reader::{Outcome, Reader};
use crate::base::{Timestamp, limits};
use crate::proto::api::{Cx, Direction, Probe, Progress};
use crate::proto::registry::{Parser, Protocol};
use crate::proto::voice::{rtp, stun};

/// A protocol beside the first one of its flow.
pub(super) struct Beside {
    pub(super) protocol: Protocol,
    pub(super) parser: Parser,
    had_event: bool,
}

/// The other protocols of a flow.
#[derive(Default)]
pub(super) struct Besides {
    list: Vec<Beside>,
    /// How often a parser that a probe called for found that it was the wrong one.
    refused: u8,
    /// A better name for the service of the flow.
    pub(super) name: Option<&'static str>,
}

/// Whether a protocol shares its ports with others.
const fn shares(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Stun | Protocol::Dtls | Protocol::Rtp)
}

/// Whose a datagram with this first byte is (RFC 7983, section 7; channels up to 0x7f as RFC 5766 had them).
const fn lane(first: u8) -> Option<Protocol> {
    match first {
        0..=3 | 64..=127 => Some(Protocol::Stun),
        20..=63 => Some(Protocol::Dtls),
        128..=191 => Some(Protocol::Rtp),
        _ => None,
    }
}

impl Besides {
    /// Bytes of memory.
    pub(super) fn size(&self) -> usize {
        self.list.iter().map(|b| size_of::<Beside>() + b.parser.size()).sum()
    }

    /// Forgets them.
    pub(super) fn clear(&mut self) {
        self.list = Vec::new();
    }
}

impl Reader {
    /// Whether a datagram is for a protocol beside the first one of the flow, which then has read it. What
    /// TURN carries is read here too, and the message that carries it left to the parser of STUN.
    pub(super) fn shared(
        &mut self,
        dir: Direction,
        payload: &[u8],
        at: (Timestamp, u64),
        emit: &mut Emitter<'_>,
    ) -> bool {
        let Some(first) = self.parser.as_ref().map(|p| p.0).filter(|p| shares(*p)) else { return false };
        let sure = self.had_event || self.announced || !first.spec().tentative;
        let Some(whose) = payload.first().copied().and_then(lane).filter(|_| sure) else { return false };
        let named = self.besides.name;
        let taken = whose != first && self.beside(whose, dir, payload, at, emit);
        if whose == Protocol::Stun
            && let Some(inside) = stun::inside(payload)
            && let Some(whose) = inside.first().copied().and_then(lane).filter(|p| *p != Protocol::Stun)
            && whose != first
        {
            self.beside(whose, dir, inside, at, emit);
            self.besides.name = named;
        }
        taken
    }

    /// Reads a datagram with the parser of a protocol beside the first; `false` if it is not its own.
    fn beside(
        &mut self,
        whose: Protocol,
        dir: Direction,
        payload: &[u8],
        at: (Timestamp, u64),
        emit: &mut Emitter<'_>,
    ) -> bool {
        let index = match self.besides.list.iter().position(|b| b.protocol == whose) {
            Some(index) => index,
            None => {
                let may = self.all & whose.bit() != 0 && self.besides.refused < limits::BESIDE_REFUSED_MAX;
                if !may || whose.probe(dir, payload) != Probe::Yes {
                    return false;
                }
                self.begin_beside(whose);
                self.besides.list.len() - 1
            }
        };
        let cx = Cx { ts: at.0, packet: at.1, flow: &self.view, limited: &self.limited };
        let Some(Beside { parser, had_event, .. }) = self.besides.list.get_mut(index) else { return false };
        let service = emit.take_service();
        let progress = parser.on_data(cx, dir, payload, &mut |event| {
            emit.event(cx, &event, !*had_event);
            *had_event = true;
        });
        emit.give_service(service);
        if matches!(progress, Progress::Violation(_)) && !*had_event {
            emit.counters().violations += 1;
            self.besides.list.remove(index);
            self.besides.refused += 1;
        }
        true
    }

    fn begin_beside(&mut self, whose: Protocol) {
        let is = |p: Protocol, reader: &Self| {
            reader.parser.as_ref().is_some_and(|f| f.0 == p) || reader.besides.list.iter().any(|b| b.protocol == p)
        };
        let mut parser = whose.parser();
        match whose {
            Protocol::Rtp if is(Protocol::Dtls, self) => parser.introduce(rtp::BESIDE_DTLS),
            Protocol::Rtp => parser.introduce(rtp::BESIDE_STUN),
            Protocol::Dtls => {
                if is(Protocol::Stun, self) {
                    self.besides.name = Some(whose.spec().name);
                }
                let first = self.parser.iter_mut().map(|(p, parser)| (*p, parser));
                let others = self.besides.list.iter_mut().map(|b| (b.protocol, &mut b.parser));
                for (_, media) in first.chain(others).filter(|(p, _)| *p == Protocol::Rtp) {
                    media.introduce(rtp::BESIDE_DTLS);
                }
            }
            _ => {}
        }
        self.besides.list.push(Beside { protocol: whose, parser, had_event: false });
    }

    /// The parsers beside the first say their last.
    pub(super) fn end_besides(&mut self, dir: Direction, at: (Timestamp, u64), emit: &mut Emitter<'_>) {
        if self.outcome == Outcome::Violated && !self.had_event {
            return;
        }
        for Beside { parser, had_event, .. } in &mut self.besides.list {
            let cx = Cx { ts: at.0, packet: at.1, flow: &self.view, limited: &self.limited };
            let service = emit.take_service();
            parser.on_end(cx, dir, &[], &mut |event| {
                emit.event(cx, &event, !*had_event);
                *had_event = true;
            });
            emit.give_service(service);
        }
    }
}
