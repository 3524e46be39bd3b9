//! X11: the greetings of a connection, and its messages where the beginning is not in the capture.

use super::Glance;
use crate::proto::api::Direction;

/// Ports of displays, and those that SSH gives to the displays it forwards.
const DISPLAYS: std::ops::Range<u16> = 6000..6100;

/// Requests of one side alone that are believed without a word of the other.
const REQUESTS_ALONE: u8 = 12;

/// The client's first message names its byte order and version 11; the server's answer has that too.
pub fn greets(g: &Glance<'_>) -> bool {
    match (g.dir, g.payload) {
        (_, [b'l', 0, 11, 0, 0, 0, a, 0, b, 0, 0, 0, ..]) => usize::from(*a) <= 64 && usize::from(*b) <= 64,
        (_, [b'B', 0, 0, 11, 0, 0, 0, a, 0, b, 0, 0, ..]) => usize::from(*a) <= 64 && usize::from(*b) <= 64,
        (Direction::Resp, [0 | 1, _, 11, 0, 0, 0, _, _, ..] | [0 | 1, _, 0, 11, 0, 0, _, _, ..]) => {
            DISPLAYS.contains(&g.ports[1])
        }
        _ => false,
    }
}

/// What a connection without its beginning has shown of X11 so far. No payload is proof by itself: a row of 32 bytes
/// may be anything, so both sides must fit, or one must send a long chain of requests.
#[derive(Debug, Default)]
pub struct Midstream {
    requests: u8,
    messages: u8,
}

impl Midstream {
    /// Looks at the next payload; returns whether it fits.
    pub fn fits(&mut self, g: &Glance<'_>) -> bool {
        let [orig, resp] = g.ports;
        if g.from_start || !DISPLAYS.contains(&resp) || DISPLAYS.contains(&orig) {
            return false;
        }
        let (seen, count) = match g.dir {
            Direction::Orig => (&mut self.requests, chain(g.payload, request)),
            Direction::Resp => (&mut self.messages, chain(g.payload, message)),
        };
        *seen = seen.saturating_add(count);
        count > 0
    }

    /// Whether it was enough: three messages from both sides together, or many requests.
    pub fn is_sure(&self) -> bool {
        let both = self.requests > 0 && self.messages > 0;
        both && self.requests.saturating_add(self.messages) >= 3 || self.requests >= REQUESTS_ALONE
    }
}

/// Byte order, as a connection agrees on it at its start.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }
}

/// What the head of a message says of it.
struct Size {
    /// Its bytes, head included.
    bytes: usize,
    /// Whether the head alone tells enough, wherever the body is.
    telling: bool,
}

/// How many messages a payload is a chain of, in the byte order that fits; 0 where it is none. The chain ends where
/// the payload ends, or goes on behind it: after three, or in the body of a reply, whose head tells enough.
fn chain(payload: &[u8], size: fn(&[u8], Order) -> Option<Size>) -> u8 {
    const COUNTED_MAX: u8 = 64;
    let count = |order: Order| {
        let mut rest = payload;
        let mut count = 0;
        while count < COUNTED_MAX && !rest.is_empty() {
            // A head that is cut ends the chain as a body does.
            match size(rest, order) {
                Some(Size { bytes, telling }) => match rest.get(bytes..) {
                    Some(after) => rest = after,
                    None if telling => return count + 1,
                    None if count >= 3 => return count,
                    None => return 0,
                },
                None if count >= 3 && rest.len() < 8 => return count,
                None => return 0,
            }
            count += 1;
        }
        count
    };
    count(Order::Little).max(count(Order::Big))
}

/// Size of a request (section 1): a code that is not 0, a detail, and the length in units of four bytes.
fn request(bytes: &[u8], order: Order) -> Option<Size> {
    let [1..=255, _, a, b, ..] = bytes else { return None };
    let size = usize::from(order.u16([*a, *b])) * 4;
    (4..=4096).contains(&size).then_some(Size { bytes: size, telling: false })
}

/// Size of what a server sends (section 1): an error, a reply, or an event; the highest bit of an event says that a
/// client sent it. A reply and a generic event have a length behind their 32 bytes.
fn message(bytes: &[u8], order: Order) -> Option<Size> {
    const HEAD: usize = 32;
    const LENGTH_MAX: usize = 1 << 16;
    let [code, detail, _, _, a, b, c, d, ..] = *bytes else { return None };
    let plain = Size { bytes: HEAD, telling: false };
    match code {
        0 => matches!(detail, 1..=17 | 128..).then_some(plain),
        1 | 35 => {
            let more = order.u32([a, b, c, d]) as usize;
            (more <= LENGTH_MAX)
                .then_some(Size { bytes: HEAD + more * 4, telling: code == 1 && more > 0 && bytes.len() >= HEAD })
        }
        _ => matches!(code & 0x7f, 2..=34).then_some(plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: [u8; 32] = {
        let mut event = [0; 32];
        event[0] = 0x82;
        event
    };

    /// ChangeProperty of 28 bytes and ChangeWindowAttributes of 16.
    const REQUESTS: [u8; 44] = {
        let mut requests = [0; 44];
        requests[0] = 18;
        requests[2] = 7;
        requests[28] = 2;
        requests[30] = 4;
        requests
    };

    fn sure(from_start: bool, ports: [u16; 2], payloads: &[(Direction, &[u8])]) -> bool {
        let mut midstream = Midstream::default();
        for (dir, payload) in payloads {
            midstream.fits(&Glance { dir: *dir, payload, ports, from_start });
        }
        midstream.is_sure()
    }

    #[test]
    fn the_middle_of_a_connection_is_known_by_both_sides() {
        let [client, display] = [(Direction::Orig, &REQUESTS[..]), (Direction::Resp, &EVENT[..])];
        assert!(sure(false, [50_123, 6000], &[display, client]));
        assert!(!sure(true, [50_123, 6000], &[display, client]), "the beginning said nothing of X11");
        assert!(!sure(false, [50_123, 9000], &[display, client]));
        assert!(!sure(false, [6001, 6000], &[display, client]), "which is the display?");
        assert!(!sure(false, [50_123, 6000], &[display; 100]), "rows of 32 bytes may be anything");
        assert!(!sure(false, [50_123, 6000], &[client]));
        assert!(sure(false, [50_123, 6000], &[client; 6]), "a long chain of requests");
        assert!(!sure(false, [50_123, 6000], &[(Direction::Orig, &EVENT), (Direction::Resp, &REQUESTS)]));
    }

    #[test]
    fn replies_and_errors_are_measured() {
        let mut reply = vec![0; 36];
        reply[..8].copy_from_slice(&[1, 0x20, 0xc7, 0x5e, 1, 0, 0, 0]);
        assert_eq!(chain(&reply, message), 1);
        reply.extend(EVENT);
        assert_eq!(chain(&reply, message), 2);
        assert_eq!(chain(&reply[..67], message), 0, "two are not proof enough of what is cut");
        assert_eq!(
            (chain(&reply[..35], message), chain(&reply[..31], message)),
            (1, 0),
            "a body may be cut, a head not"
        );
        reply[4..8].copy_from_slice(&[0, 0, 0, 1]);
        assert_eq!(chain(&reply, message), 2, "the other byte order");
        reply[4] = 1;
        assert_eq!(chain(&reply, message), 0);
        let mut error = [0; 32];
        assert_eq!(chain(&error, message), 0, "no error has the number 0");
        error[1] = 9;
        assert_eq!(chain(&error, message), 1);
        error[0] = 36;
        assert_eq!(chain(&error, message), 0);
        for len in 0..REQUESTS.len() {
            assert_eq!(chain(&REQUESTS[..len], request), u8::from(len == 28), "{len} bytes");
        }
        assert_eq!(chain(&[REQUESTS, REQUESTS].concat()[..86], request), 3);
    }

    #[test]
    fn a_source_port_is_no_display() {
        let answer = |ports| {
            greets(&Glance { dir: Direction::Resp, payload: &[1, 0, 11, 0, 0, 0, 9, 0], ports, from_start: true })
        };
        assert!(answer([50_123, 6001]));
        assert!(!answer([6000, 9999]));
    }
}
