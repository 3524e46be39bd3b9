//! Connection state and history in Zeek's codes.

use crate::decode::TcpFields;

/// How far one side of a TCP connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TcpState {
    /// Nothing was seen of it.
    #[default]
    Inactive,
    /// It sent a SYN.
    SynSent,
    /// It sent a SYN and ACK, and the SYN that it answers was not seen.
    SynAckSent,
    /// It took part in a handshake.
    Established,
    /// It sent something, and no handshake was seen.
    Partial,
    /// It sent a FIN.
    Closed,
    /// It sent a RST.
    Reset,
}

impl TcpState {
    /// The state of a side after it sent a segment, given the state of the other side.
    pub const fn after(self, tcp: &TcpFields, other: Self) -> Self {
        if tcp.has(TcpFields::RST) {
            return Self::Reset;
        }
        if tcp.has(TcpFields::FIN) {
            return match self {
                Self::Reset => Self::Reset,
                _ => Self::Closed,
            };
        }
        let syn = tcp.has(TcpFields::SYN);
        let ack = tcp.has(TcpFields::ACK);
        match self {
            Self::Inactive if syn && ack => match other {
                Self::SynSent | Self::Established | Self::Closed => Self::Established,
                _ => Self::SynAckSent,
            },
            Self::Inactive if syn => Self::SynSent,
            Self::Inactive => match other {
                Self::SynAckSent => Self::Established,
                _ => Self::Partial,
            },
            Self::SynSent if ack => match other {
                Self::Established | Self::SynAckSent | Self::Closed | Self::SynSent => Self::Established,
                _ => Self::SynSent,
            },
            Self::SynAckSent if !syn && matches!(other, Self::Established) => Self::Established,
            state => state,
        }
    }

    /// Whether the connection is over for this side.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::Reset)
    }
}

/// Zeek's summary of how a connection went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // named as in Zeek's conn.log
pub enum ConnState {
    S0,
    S1,
    SF,
    Rej,
    S2,
    S3,
    Rsto,
    Rstr,
    RstOS0,
    Rstrh,
    SH,
    Shr,
    Oth,
}

impl ConnState {
    /// The code as the column spells it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::S0 => "S0",
            Self::S1 => "S1",
            Self::SF => "SF",
            Self::Rej => "REJ",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::Rsto => "RSTO",
            Self::Rstr => "RSTR",
            Self::RstOS0 => "RSTOS0",
            Self::Rstrh => "RSTRH",
            Self::SH => "SH",
            Self::Shr => "SHR",
            Self::Oth => "OTH",
        }
    }

    /// Of a TCP connection, from the states of both sides and whether either sent payload.
    pub const fn of_tcp(orig: TcpState, resp: TcpState, any_payload: bool) -> Self {
        use TcpState::{Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};
        let orig_unseen = matches!(orig, Inactive | Partial);
        let resp_unseen = matches!(resp, Inactive | Partial);
        match (orig, resp) {
            (SynSent | SynAckSent, Reset) => Self::Rej,
            (Reset, Reset) if !any_payload => Self::Rej,
            (_, Reset) => {
                if orig_unseen {
                    Self::Rstrh
                } else {
                    Self::Rstr
                }
            }
            (Reset, _) => {
                if resp_unseen {
                    Self::RstOS0
                } else {
                    Self::Rsto
                }
            }
            (Closed, Closed) => Self::SF,
            (Closed, _) => {
                if resp_unseen {
                    Self::SH
                } else {
                    Self::S2
                }
            }
            (_, Closed) => {
                if orig_unseen {
                    Self::Shr
                } else {
                    Self::S3
                }
            }
            (SynSent, Inactive) => Self::S0,
            (Established, Established) => Self::S1,
            _ => Self::Oth,
        }
    }

    /// Of a UDP exchange, from which sides sent payload.
    pub const fn of_udp(orig_sent: bool, resp_sent: bool) -> Self {
        match (orig_sent, resp_sent) {
            (true, true) => Self::SF,
            (true, false) => Self::S0,
            (false, true) => Self::Shr,
            (false, false) => Self::Oth,
        }
    }
}

/// Letters of events in the order in which they first happened, as in Zeek: upper case for the
/// originator, lower case for the responder. `t`, `w` and `g` come again when their count reaches
/// 10, 100, 1000 ...
#[derive(Debug, Clone, Copy, Default)]
pub struct History {
    letters: [u8; Self::MAX],
    len: u8,
    /// Letters that were noted once already, for each side.
    once: [u16; 2],
    /// Counts of the letters that come again.
    counts: [[u32; 3]; 2],
}

impl History {
    const MAX: usize = 28;
    const ONCE: &'static [u8] = b"SHADFRQI^";
    const AGAIN: &'static [u8] = b"TWG";

    fn push(&mut self, letter: u8) {
        if let Some(slot) = self.letters.get_mut(usize::from(self.len)) {
            *slot = letter;
            self.len += 1;
        }
    }

    /// Notes an event of a side (0 originator, 1 responder) by its upper-case letter.
    #[inline]
    pub fn note(&mut self, side: usize, letter: u8) {
        let cased = if side == 0 { letter } else { letter.to_ascii_lowercase() };
        if let Some(bit) = Self::ONCE.iter().position(|l| *l == letter) {
            let Some(once) = self.once.get_mut(side) else { return };
            if *once & 1 << bit == 0 {
                *once |= 1 << bit;
                self.push(cased);
            }
            return;
        }
        let count = Self::AGAIN
            .iter()
            .position(|l| *l == letter)
            .and_then(|i| self.counts.get_mut(side).and_then(|c| c.get_mut(i)));
        if let Some(count) = count {
            *count = count.saturating_add(1);
            let mut n = *count;
            while n >= 10 && n.is_multiple_of(10) {
                n /= 10;
            }
            if n == 1 {
                self.push(cased);
            }
        }
    }

    /// Both sides change places: `^` says so at the front, letters change case.
    pub fn flip(&mut self) {
        for letter in &mut self.letters {
            *letter =
                if letter.is_ascii_uppercase() { letter.to_ascii_lowercase() } else { letter.to_ascii_uppercase() };
        }
        self.once.swap(0, 1);
        self.counts.swap(0, 1);
        self.push(b'^');
    }

    /// The letters.
    pub fn text(&self) -> &str {
        let seen = self.letters.get(..usize::from(self.len)).unwrap_or_default();
        std::str::from_utf8(seen).unwrap_or_default()
    }

    /// Notes what a segment shows (RFC 9293 flags), as Zeek does for its `history`.
    #[inline]
    pub fn note_segment(&mut self, side: usize, tcp: &TcpFields, payload: bool) {
        let syn = tcp.has(TcpFields::SYN);
        let fin = tcp.has(TcpFields::FIN);
        let rst = tcp.has(TcpFields::RST);
        let ack = tcp.has(TcpFields::ACK);
        if (syn && (fin || rst)) || (fin && rst) {
            self.note(side, if syn && (rst || fin) { b'I' } else { b'Q' });
        }
        if syn {
            self.note(side, if ack { b'H' } else { b'S' });
        }
        if ack && !syn && !payload && !fin && !rst {
            self.note(side, b'A');
        }
        if payload {
            self.note(side, b'D');
        }
        if fin {
            self.note(side, b'F');
        }
        if rst {
            self.note(side, b'R');
        }
        if tcp.window == 0 && !rst && !syn && !fin {
            self.note(side, b'W');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays segments (side, flags, payload) and returns state and history.
    fn play(segments: &[(usize, u8, bool)]) -> (ConnState, String) {
        let mut states = [TcpState::Inactive; 2];
        let mut history = History::default();
        let mut payload = false;
        for &(side, flags, data) in segments {
            let tcp = TcpFields { flags, window: 100, ..TcpFields::default() };
            states[side] = states[side].after(&tcp, states[1 - side]);
            history.note_segment(side, &tcp, data);
            payload |= data;
        }
        (ConnState::of_tcp(states[0], states[1], payload), history.text().to_owned())
    }

    const S: u8 = TcpFields::SYN;
    const A: u8 = TcpFields::ACK;
    const F: u8 = TcpFields::FIN;
    const R: u8 = TcpFields::RST;

    #[test]
    fn whole_and_half_connections_have_zeeks_codes() {
        let handshake = [(0, S, false), (1, S | A, false), (0, A, false)];
        let with = |more: &[(usize, u8, bool)]| play(&[&handshake[..], more].concat());
        assert_eq!(
            with(&[(0, A, true), (1, A, false), (1, A, true), (0, F | A, false), (1, F | A, false)]),
            (ConnState::SF, "ShADadFf".into())
        );
        assert_eq!(with(&[]).0, ConnState::S1);
        assert_eq!(with(&[(0, F | A, false)]).0, ConnState::S2);
        assert_eq!(with(&[(1, F | A, false)]).0, ConnState::S3);
        assert_eq!(with(&[(0, R, false)]).0, ConnState::Rsto);
        assert_eq!(with(&[(1, R, false)]).0, ConnState::Rstr);
        assert_eq!(play(&[(0, S, false)]), (ConnState::S0, "S".into()));
        assert_eq!(play(&[(0, S, false), (1, R | A, false)]), (ConnState::Rej, "Sr".into()));
        assert_eq!(play(&[(0, S, false), (0, R, false)]).0, ConnState::RstOS0);
        assert_eq!(play(&[(1, S | A, false), (1, R, false)]).0, ConnState::Rstrh);
        assert_eq!(play(&[(0, S, false), (0, F, false)]).0, ConnState::SH);
        assert_eq!(play(&[(1, S | A, false), (1, F | A, false)]).0, ConnState::Shr);
        assert_eq!(play(&[(0, A, true), (1, A, true)]).0, ConnState::Oth);
    }

    #[test]
    fn repeated_events_are_noted_at_powers_of_ten() {
        let mut h = History::default();
        for _ in 0..100 {
            h.note(0, b'T');
        }
        h.note(1, b'T');
        assert_eq!(h.text(), "TTTt");
    }

    #[test]
    fn a_flip_changes_sides_and_says_so() {
        let mut h = History::default();
        h.note(0, b'H');
        h.flip();
        h.note(0, b'S');
        h.note(1, b'H');
        assert_eq!(h.text(), "h^S");
    }
}
