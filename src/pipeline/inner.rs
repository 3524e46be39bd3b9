//! Reading what keys made readable, or what a cipher suite without encryption left so: the plain text inside of TLS is
//! a stream of its own, with a protocol of its own.

use std::sync::Arc;

use super::emit::Emitter;
use super::reader::Reader;
use super::unread::Unread;
use crate::base::{Timestamp, limits};
use crate::proto::api::{Direction, FlowView, Transport};
use crate::proto::registry::Protocol;
use crate::proto::tls::opening::keylog::KeyStore;
use crate::stream::{Chunk, Taken};

/// The plain text of a flow, and the protocol in it.
pub(super) struct Inner {
    reader: Reader,
    sides: [Unread; 2],
    /// Whether it was on the network as it is: nothing was encrypted.
    in_clear: bool,
}

impl Inner {
    pub(super) fn new(view: &FlowView, keys: &Arc<KeyStore>, in_clear: bool) -> Self {
        let outer = if view.transport == Transport::Tcp { Protocol::Tls } else { Protocol::Dtls };
        let all = Protocol::over(view.transport) & !outer.bit();
        // From its first byte on, whatever the capture holds of the flow: records are opened from the handshake on.
        let view = FlowView { from_start: true, ..*view };
        let reader = Reader::new(view, all, keys.clone());
        Self { reader, sides: Default::default(), in_clear }
    }

    /// Bytes of memory that it takes.
    pub(super) fn size(&self) -> usize {
        let parser = self.reader.parser.as_ref().map_or(0, |(_, parser)| parser.size());
        size_of::<Self>() + parser + self.sides.iter().map(Unread::heap).sum::<usize>()
    }

    fn side(&mut self, dir: Direction) -> &mut Unread {
        let [orig, resp] = &mut self.sides;
        if dir == Direction::Orig { orig } else { resp }
    }

    /// The next bytes of a direction.
    pub(super) fn read(&mut self, dir: Direction, bytes: &[u8], at: (Timestamp, u64), emit: &mut Emitter<'_>) {
        if self.reader.view.transport == Transport::Udp {
            // What DTLS carries are datagrams as well, and each is whole.
            emit.inside(self.in_clear, |emit| self.reader.datagram(dir, bytes, at, emit));
            emit.counters().parser_limits += self.reader.limited.take();
            emit.note_inner_service(self.reader.service());
            return;
        }
        let Some(tail) = self.side(dir).add(bytes) else { return };
        // Shown only for what came first; it waits on for as many bytes as before.
        let other = self.side(dir.other()).take();
        let mut other_taken = None;
        emit.inside(self.in_clear, |emit| {
            let taken = self.reader.read(dir, Chunk::Bytes(&tail), at, &other, &mut other_taken, emit);
            self.apply(dir, tail, taken);
            match other_taken {
                Some(taken) => self.apply(dir.other(), other, taken),
                None => self.side(dir.other()).put_back(other),
            }
        });
        self.reader.overruled = false;
        emit.counters().parser_limits += self.reader.limited.take();
        emit.note_inner_service(self.reader.service());
    }

    fn apply(&mut self, dir: Direction, tail: Vec<u8>, taken: Taken) {
        if !self.side(dir).settle(tail, taken, limits::DECRYPTED_BYTES_MAX) {
            self.reader.limited.hit();
        }
    }

    /// No more bytes will come in a direction.
    pub(super) fn end(&mut self, dir: Direction, at: (Timestamp, u64), emit: &mut Emitter<'_>) {
        let tail = self.side(dir).take();
        emit.inside(self.in_clear, |emit| self.reader.end(dir, &tail, at, emit));
        emit.counters().parser_limits += self.reader.limited.take();
        emit.note_inner_service(self.reader.service());
    }
}
