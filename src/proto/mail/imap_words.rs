//! The words of IMAP lines (RFC 3501, section 9): atoms, quoted strings and literals.

use crate::base::limits;
use crate::proto::digest::unescape;
use crate::proto::text;

/// Words of one command that are kept.
pub const WORDS_MAX: usize = 64;

/// A literal that a line ends with: its bytes come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Literal {
    /// How many bytes.
    pub bytes: u64,
    /// Whether they come without waiting for the server (RFC 7888).
    pub at_once: bool,
}

/// The literal at the end of a line: `{5}`, `{5+}`, `~{5}`.
pub fn literal(line: &[u8]) -> Option<Literal> {
    let inner = line.strip_suffix(b"}")?;
    let open = memchr::memrchr(b'{', inner)?;
    let digits = inner.get(open + 1..)?;
    let (digits, at_once) = match digits {
        [digits @ .., b'+' | b'-'] => (digits, true),
        digits => (digits, false),
    };
    text::decimal(digits).map(|bytes| Literal { bytes, at_once })
}

/// Adds the words of a line, or of the part of one between two literals; parentheses only separate.
pub fn words(line: &[u8], into: &mut Vec<Vec<u8>>) {
    let mut rest = line;
    while into.len() < WORDS_MAX {
        rest = match rest.iter().position(|c| !matches!(c, b' ' | b'\t' | b'(' | b')')) {
            Some(at) => rest.get(at..).unwrap_or_default(),
            None => return,
        };
        if let Some(quoted) = rest.strip_prefix(b"\"") {
            let mut escaped = false;
            let end = quoted.iter().position(|c| {
                let end = *c == b'"' && !escaped;
                escaped = *c == b'\\' && !escaped;
                end
            });
            let end = end.unwrap_or(quoted.len());
            let word = quoted.get(..end).unwrap_or_default();
            into.push(cut(&if word.contains(&b'\\') { unescape(word) } else { word.to_vec() }));
            rest = quoted.get(end + 1..).unwrap_or_default();
        } else {
            let end = rest.iter().position(|c| matches!(c, b' ' | b'\t' | b')')).unwrap_or(rest.len());
            let (word, tail) = rest.split_at(end);
            rest = tail;
            // What stands for a literal is no word.
            if !(tail.is_empty() && literal(word).is_some()) {
                into.push(cut(word));
            }
        }
    }
}

/// A word as far as it is kept.
pub fn cut(word: &[u8]) -> Vec<u8> {
    word.get(..limits::MAIL_FIELD_BYTES_MAX).unwrap_or(word).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Vec<String> {
        let mut out = Vec::new();
        words(line.as_bytes(), &mut out);
        out.into_iter().map(|w| String::from_utf8(w).unwrap()).collect()
    }

    #[test]
    fn words_of_all_kinds() {
        assert_eq!(of("joe secret"), ["joe", "secret"]);
        assert_eq!(of(r#""j \"q\" \\" "" x"#), [r#"j "q" \"#, "", "x"]);
        assert_eq!(of(r#"("name" "a (b)" "version" NIL)"#), ["name", "a (b)", "version", "NIL"]);
        assert_eq!(of("joe {5}"), ["joe"]);
        assert_eq!(of("a{5}b {5+}"), ["a{5}b"]);
        assert_eq!(of("\"open"), ["open"]);
        assert_eq!(of(&"x ".repeat(1000)).len(), WORDS_MAX);
    }

    #[test]
    fn literals() {
        let of = |s: &str| literal(s.as_bytes()).map(|l| (l.bytes, l.at_once));
        assert_eq!(of("a LOGIN {12}"), Some((12, false)));
        assert_eq!(of("{0+}"), Some((0, true)));
        assert_eq!(of("a LOGIN {12"), None);
        assert_eq!(of("a {x}"), None);
        assert_eq!(of("a {99999999999999999999}"), None);
        assert_eq!(of("}"), None);
    }
}
