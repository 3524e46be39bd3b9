//! Bodies that end with a line of a single dot (RFC 5321, section 4.5.2; RFC 1939, section 3; RFC 3977,
//! section 3.1.1): passed over without being kept.

/// Finds the end of a body in bytes that come in any pieces.
#[derive(Debug, Clone, Copy)]
pub struct Dots {
    /// The bytes that come next begin a line.
    line_start: bool,
    /// Lines end without a carriage return here.
    bare: bool,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dotted {
    /// So many bytes belong to the body, and more may follow.
    Inside(usize),
    /// So many bytes belong to the body; a line begins there whose end decides. At least so many bytes
    /// more than these are needed.
    Open(usize),
    /// The body ends behind so many bytes, its last line included.
    Ended(usize),
}

impl Dots {
    /// A body that begins with a line. `bare` where the sender's lines end with LF alone.
    pub const fn new(bare: bool) -> Self {
        Self { line_start: true, bare }
    }

    /// The inside of a body of which some bytes were lost.
    pub const fn inside(bare: bool) -> Self {
        Self { line_start: false, bare }
    }

    /// Looks through the next bytes.
    pub fn next(&mut self, bytes: &[u8]) -> Dotted {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if self.line_start {
                match rest {
                    [] => return Dotted::Inside(used),
                    [b'.'] | [b'.', b'\r'] => return Dotted::Open(used),
                    [b'.', b'\r', b'\n', ..] => return Dotted::Ended(used + 3),
                    [b'.', b'\n', ..] if self.bare => return Dotted::Ended(used + 2),
                    _ => self.line_start = false,
                }
            }
            match memchr::memmem::find(rest, b"\n.") {
                Some(at) => {
                    used += at + 1;
                    self.line_start = true;
                }
                None => {
                    self.line_start = rest.last() == Some(&b'\n');
                    return Dotted::Inside(bytes.len());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the body in pieces of one size; `None` where it does not end.
    fn length(text: &[u8], bare: bool, size: usize) -> Option<usize> {
        let mut dots = Dots::new(bare);
        let (mut from, mut to) = (0, 0);
        while to < text.len() {
            to = (to + size).min(text.len());
            match dots.next(&text[from..to]) {
                Dotted::Inside(n) => {
                    assert_eq!(from + n, to, "all is used");
                    from = to;
                }
                Dotted::Open(n) => from += n,
                Dotted::Ended(n) => return Some(from + n),
            }
        }
        None
    }

    #[test]
    fn a_body_ends_with_a_dot_alone() {
        for (text, bare, want) in [
            (&b"a\r\n.\r\nQUIT\r\n"[..], false, Some(6)),
            (b".\r\nQUIT", false, Some(3)),
            (b"a\r\n..\r\n.b\r\n.\r\n", false, Some(14)),
            (b"a.\r\n\r\n. \r\nx\r\n.\r", false, None),
            (b"a\n.\nb", false, None),
            (b"a\n.\nb", true, Some(4)),
            (b"a\n.\r\nb", true, Some(5)),
        ] {
            for size in 1..=text.len() {
                assert_eq!(length(text, bare, size), want, "{:?} by {size}", text.escape_ascii().to_string());
            }
        }
    }
}
