//! TLS in EAP: EAP-TLS, TTLS, PEAP, FAST, TEAP (RFC 5216, section 3.1; RFC 5281, section 9.1; RFC 4851, section 4.1;
//! RFC 7170, section 4.1).
//!
//! ```text
//! flags(1) [length of the whole(4)] data       bit 0x80: there is a length; 0x40: more follows; 0x20: start
//! ```
//! Each side sends its part of the stream in pieces that the other one acknowledges, so they come in order;
//! what a capture or a server has twice is told once.

use crate::base::hash;
use crate::proto::api::{Direction, Wrapped};

/// Pieces that are recognised when they come again.
const RECENT: usize = 16;

/// Collects the TLS of EAP dialogues. The supplicant is the client, and for the events the originator.
#[derive(Debug, Default)]
pub struct EapTls {
    recent: [u64; RECENT],
    count: usize,
    found: Vec<Wrapped>,
}

/// Whether a method (IANA registry "Method Types") carries TLS.
const fn carries_tls(method: u8) -> bool {
    matches!(method, 13 | 21 | 25 | 43 | 55)
}

/// The piece of TLS in the content of a request or response, from behind the method's number.
fn piece(content: &[u8]) -> Option<&[u8]> {
    const LENGTH: u8 = 0x80;
    const START: u8 = 0x20;
    let (flags, rest) = content.split_first()?;
    // With the start FAST and TEAP send an identity of the server.
    if flags & START != 0 {
        return None;
    }
    let data = if flags & LENGTH != 0 { rest.get(4..)? } else { rest };
    (!data.is_empty()).then_some(data)
}

impl EapTls {
    /// Takes a request or response of a dialogue.
    pub fn packet(&mut self, session: u64, dir: Direction, (id, method): (u8, u8), content: &[u8]) {
        if !carries_tls(method) {
            return;
        }
        let Some(bytes) = piece(content) else { return };
        let digest = [session, dir as u64, u64::from(id)].into_iter().fold(hash::stable64(0, bytes), hash::mix).max(1);
        if self.recent.contains(&digest) {
            return;
        }
        if let Some(place) = self.recent.get_mut(self.count % RECENT) {
            *place = digest;
        }
        self.count = self.count.wrapping_add(1);
        self.found.push(Wrapped { session, dir, bytes: bytes.to_vec(), datagram: false });
    }

    /// What was found since the last call.
    pub fn take(&mut self) -> Vec<Wrapped> {
        std::mem::take(&mut self.found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_with_and_without_a_length() {
        assert_eq!(piece(&[0xc0, 0, 0, 0, 9, 1, 2]), Some(&[1, 2][..]));
        assert_eq!(piece(&[0, 3]), Some(&[3][..]));
        assert_eq!(piece(&[0x01]), None, "an acknowledgement of PEAP");
        assert_eq!(piece(&[0x20]), None);
        assert_eq!(piece(&[0x80, 0, 0]), None);
        assert_eq!(piece(&[]), None);
    }

    #[test]
    fn each_piece_is_told_once() {
        let mut eap = EapTls::default();
        for (id, method, content) in [(1, 13, [0, 22]), (1, 13, [0, 22]), (2, 13, [0, 22]), (3, 4, [0, 22])] {
            eap.packet(7, Direction::Orig, (id, method), &content);
        }
        let wanted = Wrapped { session: 7, dir: Direction::Orig, bytes: vec![22], datagram: false };
        assert_eq!(eap.take(), [wanted.clone(), wanted]);
        assert!(eap.take().is_empty());
    }
}
