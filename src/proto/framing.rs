//! Walking through messages that begin with their length: what many binary protocols share.

use super::api::Progress;

/// What was done with the message at the front of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many bytes are used, which may be more than were there: the rest is passed over when it comes.
    Used(u64),
    /// So many bytes are needed, counted from the front; more than are there.
    Need(usize),
    /// Nothing more is to be learnt of the flow.
    Finished,
    /// What follows these bytes is another protocol.
    Handover(usize),
    /// It is not the protocol.
    Violation(&'static str),
}

/// Calls `step` with what is left until nothing is, or until it needs more.
pub fn walk(bytes: &[u8], mut step: impl FnMut(&[u8]) -> Step) -> Progress {
    let mut rest = bytes;
    while !rest.is_empty() {
        let consumed = bytes.len().saturating_sub(rest.len());
        match step(rest) {
            Step::Used(used) => match usize::try_from(used).ok().and_then(|used| rest.get(used.max(1)..)) {
                Some(after) => rest = after,
                None => return Progress::Skip(used.saturating_sub(rest.len() as u64)),
            },
            Step::Need(needed) => return Progress::Partial { consumed, needed: needed.max(rest.len() + 1) },
            Step::Finished => return Progress::Finished,
            Step::Handover(used) => return Progress::Handover { consumed: (consumed + used).min(bytes.len()) },
            Step::Violation(why) => return Progress::Violation(why),
        }
    }
    Progress::Done
}

/// The first bytes, as many as there are up to a limit.
pub fn front(bytes: &[u8], max: usize) -> &[u8] {
    bytes.get(..max).unwrap_or(bytes)
}

/// What stands before the first NUL, and what follows it.
pub fn until_nul(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    super::text::split_once(bytes, 0)
}

/// UTF-16 with the low byte first as UTF-8, cut at `max` bytes of input.
pub fn utf16_le(bytes: &[u8], max: usize) -> Vec<u8> {
    let (pairs, _) = front(bytes, max).as_chunks::<2>();
    char::decode_utf16(pairs.iter().map(|p| u16::from_le_bytes(*p)))
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect::<String>()
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_walked_through() {
        let mut seen = Vec::new();
        let mut step = |b: &[u8]| {
            let len = usize::from(b[0]);
            seen.push(len);
            if b.len() < 2 { Step::Need(2) } else { Step::Used(len as u64) }
        };
        assert_eq!(walk(&[2, 0, 3, 0, 0, 9], &mut step), Progress::Partial { consumed: 5, needed: 2 });
        assert_eq!(walk(&[9, 0], &mut step), Progress::Skip(7));
        assert_eq!(walk(&[2, 0], &mut step), Progress::Done);
        assert_eq!(seen, [2, 3, 9, 9, 2]);
        assert_eq!(
            walk(&[1, 2, 3], |b| if b[0] == 2 { Step::Handover(1) } else { Step::Used(1) }),
            Progress::Handover { consumed: 2 }
        );
        assert_eq!(walk(&[0], |_| Step::Used(0)), Progress::Done, "a message of no length gets on all the same");
    }

    #[test]
    fn texts_of_two_bytes_a_letter() {
        assert_eq!(utf16_le(b"s\0a\0\0\xd8x", 99), "sa\u{fffd}".as_bytes());
        assert_eq!(utf16_le(b"s\0a\0", 2), b"s");
    }
}
