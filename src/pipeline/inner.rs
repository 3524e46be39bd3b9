//! Reading what keys made readable, or what a cipher suite without encryption left so: the plain text inside of TLS is
//! a stream of its own, with a protocol of its own.

use std::sync::Arc;

use super::emit::Emitter;
use super::reader::Reader;
use crate::base::{Timestamp, limits};
use crate::proto::api::{Direction, FlowView, Transport};
use crate::proto::registry::Protocol;
use crate::proto::tls::opening::keylog::KeyStore;
use crate::stream::{Chunk, Taken};

/// One direction of the plain text.
#[derive(Default)]
struct Side {
    /// What the parser has not used yet: at most [`limits::DECRYPTED_BYTES_MAX`] bytes.
    tail: Vec<u8>,
    /// Bytes that the tail must have before it is presented again.
    needed: usize,
    /// Bytes to pass over.
    skip: u64,
    over: bool,
}

/// The plain text of a flow, and the protocol in it.
pub(super) struct Inner {
    reader: Reader,
    sides: [Side; 2],
    /// Whether it was on the network as it is: nothing was encrypted.
    in_clear: bool,
}

impl Inner {
    pub(super) fn new(view: &FlowView, keys: &Arc<KeyStore>, in_clear: bool) -> Self {
        let all = Protocol::over(Transport::Tcp) & !Protocol::Tls.bit();
        // From its first byte on, whatever the capture holds of the flow: records are opened from the handshake on.
        let view = FlowView { from_start: true, ..*view };
        let reader = Reader::new(view, all, keys.clone());
        Self { reader, sides: Default::default(), in_clear }
    }

    /// Bytes of memory that it takes.
    pub(super) fn size(&self) -> usize {
        let parser = self.reader.parser.as_ref().map_or(0, |(_, parser)| parser.size());
        size_of::<Self>() + parser + self.sides.iter().map(|s| s.tail.capacity()).sum::<usize>()
    }

    fn side(&mut self, dir: Direction) -> &mut Side {
        let [orig, resp] = &mut self.sides;
        if dir == Direction::Orig { orig } else { resp }
    }

    /// The next bytes of a direction.
    pub(super) fn read(&mut self, dir: Direction, bytes: &[u8], at: (Timestamp, u64), emit: &mut Emitter<'_>) {
        let side = self.side(dir);
        let passed = usize::try_from(side.skip).unwrap_or(usize::MAX).min(bytes.len());
        side.skip -= passed as u64;
        let bytes = bytes.get(passed..).unwrap_or_default();
        if side.over || bytes.is_empty() {
            return;
        }
        side.tail.extend_from_slice(bytes);
        if side.tail.len() < side.needed {
            return;
        }
        let tail = std::mem::take(&mut side.tail);
        // Shown only for what came first; it waits on for as many bytes as before.
        let other = std::mem::take(&mut self.side(dir.other()).tail);
        let mut other_taken = None;
        emit.inside(self.in_clear, |emit| {
            let taken = self.reader.read(dir, Chunk::Bytes(&tail), at, &other, &mut other_taken, emit);
            self.apply(dir, tail, taken);
            match other_taken {
                Some(taken) => self.apply(dir.other(), other, taken),
                None => self.side(dir.other()).tail = other,
            }
        });
        self.reader.overruled = false;
        emit.counters().parser_limits += self.reader.limited.take();
        emit.note_inner_service(self.reader.service());
    }

    fn apply(&mut self, dir: Direction, mut tail: Vec<u8>, taken: Taken) {
        let limited = &self.reader.limited;
        let [orig, resp] = &mut self.sides;
        let side = if dir == Direction::Orig { orig } else { resp };
        match taken {
            Taken::All => side.needed = 0,
            Taken::Some { consumed, needed } => {
                tail.drain(..consumed.min(tail.len()));
                // At least an eighth more each time, so that starting over costs linear time altogether.
                let grown = tail.len() + tail.len() / 8;
                side.needed = if consumed == 0 && needed > 0 { needed.max(grown + 1) } else { needed };
                if tail.len().max(side.needed) > limits::DECRYPTED_BYTES_MAX {
                    limited.hit();
                    side.over = true;
                    return;
                }
                side.tail = tail;
            }
            Taken::Skip(n) => (side.needed, side.skip) = (0, n),
            Taken::Stop => side.over = true,
        }
    }

    /// No more bytes will come in a direction.
    pub(super) fn end(&mut self, dir: Direction, at: (Timestamp, u64), emit: &mut Emitter<'_>) {
        let tail = std::mem::take(&mut self.side(dir).tail);
        emit.inside(self.in_clear, |emit| self.reader.end(dir, &tail, at, emit));
        emit.counters().parser_limits += self.reader.limited.take();
        emit.note_inner_service(self.reader.service());
    }
}
