//! The handshake messages of one direction: put together from fragments, in order, each once.
//!
//! Fragments come in any order, more than once, and cut otherwise when they are sent again (RFC 6347,
//! section 4.2.3). Of bytes that come twice the first ones count. Messages are told in the order of their
//! numbers; what is missing holds up the later ones until the direction goes on with other keys.

use super::record::Fragment;
use crate::base::{hash, limits};
use crate::proto::api::Cx;
use crate::proto::tls::messages::{self, kind};

/// A message whose turn has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its type.
    pub ty: u8,
    /// Its body; empty where it is of no interest.
    pub body: Vec<u8>,
}

/// Whether a message begins a flight, so that nothing before it matters any more.
const fn is_hello(ty: u8) -> bool {
    matches!(ty, kind::CLIENT_HELLO | kind::SERVER_HELLO | kind::HELLO_VERIFY_REQUEST)
}

/// Whether the content of a message is of interest.
const fn is_read(ty: u8) -> bool {
    messages::is_read(ty) || ty == kind::HELLO_VERIFY_REQUEST
}

/// A message that is not whole, or whose turn has not come.
#[derive(Debug)]
struct Pending {
    ty: u8,
    seq: u16,
    total: usize,
    /// Parts that do not overlap, by where they begin, and the sum of their lengths.
    parts: Vec<(usize, Box<[u8]>)>,
    have: usize,
}

impl Pending {
    const fn is_whole(&self) -> bool {
        self.have >= self.total
    }

    fn into_message(self) -> Message {
        let mut body = Vec::with_capacity(self.have);
        self.parts.iter().for_each(|(_, part)| body.extend_from_slice(part));
        Message { ty: self.ty, body }
    }

    /// Adds what of a fragment is new.
    fn add(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        let mut at = offset;
        let mut index = self.parts.partition_point(|(begin, part)| begin + part.len() <= at);
        while at < end {
            let stop = match self.parts.get(index) {
                Some((begin, part)) if *begin <= at => {
                    at = begin + part.len();
                    index += 1;
                    continue;
                }
                Some((begin, _)) => end.min(*begin),
                None => end,
            };
            let Some(new) = bytes.get(at - offset..stop - offset) else { return };
            self.parts.insert(index, (at, new.into()));
            self.have += new.len();
            index += 1;
            at = stop;
        }
    }
}

/// What is kept of one direction.
#[derive(Debug, Default)]
pub struct Flight {
    /// Number of the hello that began it, and which of the messages from there on were told.
    base: u16,
    told: u128,
    /// Number of the message whose turn it is; `None` before any hello.
    next: Option<u16>,
    /// By number.
    pending: Vec<Pending>,
    /// Hellos that were told: one that comes again is no new handshake.
    hellos: [u64; limits::DTLS_HELLOS_KEPT],
    hello_count: usize,
}

impl Flight {
    /// Bytes that are kept.
    pub fn heap(&self) -> usize {
        self.pending.iter().map(|p| p.have + p.parts.capacity() * size_of::<(usize, Box<[u8]>)>()).sum()
    }

    fn is_told(&self, seq: u16) -> bool {
        let ahead = seq.wrapping_sub(self.base);
        self.next.is_some() && (ahead >= 128 || self.told >> ahead & 1 == 1)
    }

    /// Takes a fragment; `tell` is given the messages whose turn it makes.
    pub fn add(&mut self, cx: Cx<'_>, fragment: &Fragment<'_>, tell: &mut dyn FnMut(Message)) {
        let Fragment { ty, total, seq, offset, bytes } = *fragment;
        if !is_hello(ty) && self.is_told(seq) {
            return;
        }
        let too_long = is_read(ty) && total > limits::TLS_MESSAGE_BYTES_MAX;
        if too_long {
            cx.limit_hit();
        }
        if bytes.len() == total || too_long || !is_read(ty) {
            self.forget(seq);
            let body = if is_read(ty) && !too_long { bytes.to_vec() } else { Vec::new() };
            self.whole(cx, seq, Message { ty, body }, tell);
            return;
        }
        let at = self.pending.partition_point(|p| p.seq < seq);
        let known = self.pending.get(at).is_some_and(|p| (p.seq, p.ty, p.total) == (seq, ty, total));
        if !known {
            self.forget(seq);
            if !self.has_room(cx) {
                return;
            }
            self.pending.insert(at, Pending { ty, seq, total, parts: Vec::new(), have: 0 });
        }
        if self.heap() + bytes.len() > limits::DTLS_PENDING_BYTES_MAX {
            cx.limit_hit();
            self.forget(seq);
            return;
        }
        let Some(pending) = self.pending.get_mut(at) else { return };
        pending.add(offset, bytes);
        if pending.parts.len() > limits::DTLS_FRAGMENTS_MAX {
            cx.limit_hit();
            self.forget(seq);
        } else if pending.is_whole() {
            let message = self.pending.remove(at).into_message();
            self.whole(cx, seq, message, tell);
        }
    }

    fn forget(&mut self, seq: u16) {
        self.pending.retain(|p| p.seq != seq);
    }

    /// Whether one more message may wait.
    fn has_room(&self, cx: Cx<'_>) -> bool {
        let room = self.pending.len() < limits::DTLS_PENDING_MAX;
        if !room {
            cx.limit_hit();
        }
        room
    }

    /// A message is whole: tells it, or keeps it until its turn.
    fn whole(&mut self, cx: Cx<'_>, seq: u16, message: Message, tell: &mut dyn FnMut(Message)) {
        if is_hello(message.ty) {
            let digest = hash::stable64(u64::from(message.ty), &message.body).max(1);
            if self.hellos.contains(&digest) {
                return;
            }
            if let Some(place) = self.hellos.get_mut(self.hello_count % limits::DTLS_HELLOS_KEPT) {
                *place = digest;
            }
            self.hello_count = self.hello_count.wrapping_add(1);
            self.pending.retain(|p| p.seq > seq);
            (self.base, self.told, self.next) = (seq, 0, Some(seq));
        }
        match self.next {
            Some(next) if seq <= next => {
                self.tell(seq, message, tell);
                self.go_on(tell);
            }
            _ => {
                if !self.has_room(cx) || self.heap() + message.body.len() > limits::DTLS_PENDING_BYTES_MAX {
                    cx.limit_hit();
                    return;
                }
                let have = message.body.len();
                let parts = vec![(0, message.body.into_boxed_slice())];
                let at = self.pending.partition_point(|p| p.seq < seq);
                self.pending.insert(at, Pending { ty: message.ty, seq, total: have, parts, have });
            }
        }
    }

    fn tell(&mut self, seq: u16, message: Message, tell: &mut dyn FnMut(Message)) {
        if self.next.is_none() {
            self.base = seq;
        }
        self.told |= 1_u128.checked_shl(u32::from(seq.wrapping_sub(self.base))).unwrap_or_default();
        self.next = self.next.max(Some(seq.saturating_add(1)));
        tell(message);
    }

    /// Tells those whose turn it is now.
    fn go_on(&mut self, tell: &mut dyn FnMut(Message)) {
        while let Some(at) = self.pending.iter().position(|p| Some(p.seq) <= self.next && p.is_whole()) {
            let pending = self.pending.remove(at);
            let seq = pending.seq;
            self.tell(seq, pending.into_message(), tell);
        }
    }

    /// What is missing is not waited for any longer: tells all that is whole, in order.
    pub fn flush(&mut self, tell: &mut dyn FnMut(Message)) {
        while let Some(at) = self.pending.iter().position(Pending::is_whole) {
            let pending = self.pending.remove(at);
            let seq = pending.seq;
            self.tell(seq, pending.into_message(), tell);
        }
    }

    /// Forgets what is not whole: another handshake begins.
    pub fn clear(&mut self) {
        self.pending = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Timestamp, hash::mix};
    use crate::proto::api::LimitCount;
    use crate::proto::testing::flow;

    /// Plays fragments `(type, seq, total, offset, bytes)` and gives the types and bodies that come out.
    fn play(fragments: &[(u8, u16, usize, usize, Vec<u8>)], flush: bool) -> (Vec<(u8, Vec<u8>)>, u64) {
        let (view, limited) = (flow(), LimitCount::default());
        let cx = Cx { ts: Timestamp::from_parts(1, 0), packet: 1, flow: &view, limited: &limited };
        let mut flight = Flight::default();
        let mut out = Vec::new();
        for (ty, seq, total, offset, bytes) in fragments {
            let fragment = Fragment { ty: *ty, total: *total, seq: *seq, offset: *offset, bytes };
            flight.add(cx, &fragment, &mut |m| out.push((m.ty, m.body)));
            assert!(flight.heap() <= 2 * limits::DTLS_PENDING_BYTES_MAX);
        }
        if flush {
            flight.flush(&mut |m| out.push((m.ty, m.body)));
            assert!(flight.pending.iter().all(|p| !p.is_whole()));
        }
        (out, limited.take())
    }

    /// The messages of a server's flight, each cut into pieces that overlap, in an order of its own, some
    /// twice.
    fn shuffled(seed: u64) -> Vec<(u8, u16, usize, usize, Vec<u8>)> {
        let mut out = Vec::new();
        for (seq, ty, len) in [(1, 2, 90_usize), (2, 11, 700), (3, 12, 200), (4, 14, 0)] {
            let body: Vec<u8> = (0..len).map(|i| (i * 7 + ty as usize) as u8).collect();
            let size = 1 + (mix(seed, u64::from(seq)) % 90) as usize;
            if len == 0 {
                out.push((ty, seq, 0, 0, Vec::new()));
            }
            for begin in (0..len).step_by(size) {
                let end = (begin + size + (mix(seed, begin as u64) % 30) as usize).min(len);
                for _ in 0..=mix(seed, end as u64) % 2 {
                    out.push((ty, seq, len, begin, body[begin..end].to_vec()));
                }
            }
        }
        out.sort_by_key(|f| mix(mix(seed, f.3 as u64), u64::from(f.1)));
        out
    }

    #[test]
    fn any_order_of_any_fragments_gives_the_same_messages() {
        for seed in 0..300 {
            let (told, limited) = play(&shuffled(seed), false);
            let types: Vec<(u8, usize)> = told.iter().map(|(ty, body)| (*ty, body.len())).collect();
            assert_eq!(types, [(2, 90), (11, 700), (12, 200), (14, 0)], "seed {seed}");
            assert_eq!(told[1].1[650], (650_usize * 7 + 11) as u8);
            assert_eq!(limited, 0);
        }
    }

    #[test]
    fn of_bytes_that_come_twice_the_first_count() {
        let part = |offset, bytes: &[u8]| (11, 0, 6, offset, bytes.to_vec());
        let (told, _) = play(&[part(2, b"cd"), part(0, b"XXXX"), part(1, b"YYYYY")], true);
        assert_eq!(told, [(11, b"XXcdYY".to_vec())]);
    }

    #[test]
    fn what_is_missing_holds_up_until_it_is_given_up() {
        let hello = (2, 1, 3, 0, b"abc".to_vec());
        let later = (12, 3, 2, 0, b"ke".to_vec());
        let (told, _) = play(&[hello.clone(), later.clone()], false);
        assert_eq!(told.len(), 1);
        let (told, _) = play(&[hello.clone(), later.clone()], true);
        assert_eq!(told.len(), 2);
        let (told, _) = play(&[later, (11, 2, 1, 0, vec![1]), hello], false);
        assert_eq!(told.iter().map(|m| m.0).collect::<Vec<_>>(), [2, 11, 12]);
    }

    #[test]
    fn a_hello_that_comes_again_is_not_told_again() {
        let hello = |seq, b: u8| (1, seq, 2, 0, vec![b, 0]);
        let again = (11, 1, 1, 0, vec![9]);
        let (told, _) = play(&[hello(0, 1), again.clone(), hello(0, 1), again.clone(), hello(0, 2), again], false);
        assert_eq!(told.iter().map(|m| (m.0, m.1[0])).collect::<Vec<_>>(), [(1, 1), (11, 9), (1, 2), (11, 9)]);
    }

    #[test]
    fn forged_lengths_cost_no_more_than_their_bytes() {
        let far = |seq| (11, seq, limits::TLS_MESSAGE_BYTES_MAX, limits::TLS_MESSAGE_BYTES_MAX - 1, vec![0]);
        let (told, limited) = play(&(0..100).map(far).collect::<Vec<_>>(), true);
        assert!(told.is_empty());
        assert_eq!(limited, 100 - limits::DTLS_PENDING_MAX as u64);
        let (told, limited) = play(&[(11, 0, limits::TLS_MESSAGE_BYTES_MAX + 1, 0, vec![0; 9])], true);
        assert_eq!((told.len(), limited), (1, 1), "passed over, but what follows is not held up");
        // Many small parts with holes between them.
        let holes: Vec<_> = (0..3000).map(|i| (11, 0, 9000, i * 2, vec![1])).collect();
        let (told, limited) = play(&holes, true);
        assert!(told.is_empty() && limited > 0);
    }
}
