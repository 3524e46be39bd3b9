//! Regular expressions of Recog: written for Ruby, held against bytes.
//!
//! Recog keeps to what engines without back-tracking can do, so that every match takes time in proportion
//! to the value: no look-around, no back-references. Where Ruby differs it is translated:
//!
//! - `^` and `$` are the ends of lines, always; `(?m)`, REG_MULTILINE and REG_DOT_NEWLINE let a dot take a line end.
//! - `\<`, `\>` and other escaped signs are the signs; `\h` is a hexadecimal digit, `\Z` the end or the line end before it.
//! - `\d`, `\w`, `\s` and `\b` know ASCII only; a dot is one character of UTF-8, or one byte that is none.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::base::limits;

/// Flags of a fingerprint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    /// Case makes no difference.
    pub ignore_case: bool,
    /// A dot stands for the end of a line too.
    pub dot_newline: bool,
}

impl Flags {
    /// Reads what stands in the attribute `flags`.
    ///
    /// # Errors
    /// If one is unknown, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut flags = Self::default();
        for flag in text.split([',', '|']).map(str::trim).filter(|f| !f.is_empty()) {
            match flag {
                "REG_ICASE" => flags.ignore_case = true,
                "REG_DOT_NEWLINE" | "REG_MULTILINE" | "REG_LINE_ANY_CRLF" => flags.dot_newline = true,
                other => return Err(format!("{other:?} is no flag: REG_ICASE, REG_DOT_NEWLINE, REG_MULTILINE")),
            }
        }
        Ok(flags)
    }
}

/// A pattern in the words of the engine that is used, and what it is made of.
///
/// # Errors
/// If it is none, or too large, in words.
pub fn read(text: &str, flags: Flags) -> Result<(String, Hir), String> {
    if text.len() > limits::RECOG_PATTERN_BYTES_MAX {
        return Err(format!("a regular expression of more than {} bytes", limits::RECOG_PATTERN_BYTES_MAX));
    }
    let pattern = translate(text);
    let hir = ParserBuilder::new()
        .utf8(false)
        .unicode(false)
        .multi_line(true)
        .case_insensitive(flags.ignore_case)
        .dot_matches_new_line(flags.dot_newline)
        .nest_limit(limits::RECOG_NESTING_MAX)
        .build()
        .parse(&pattern)
        .map_err(|e| format!("no regular expression that can be used: {}", in_a_line(&e)))?;
    match size(&hir) {
        0..=limits::RECOG_PATTERN_STATES_MAX => Ok((pattern, hir)),
        _ => Err(String::from("a regular expression that is too large when it is written out")),
    }
}

/// The last line of a message says what is wrong; those before it draw where.
fn in_a_line(error: &regex_syntax::Error) -> String {
    let text = error.to_string();
    let last = text.lines().next_back().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// Compiles a pattern that [`read`] gave. Its size was checked, so that this does not fail.
pub fn compile(pattern: &str, flags: Flags) -> Option<Regex> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .multi_line(true)
        .case_insensitive(flags.ignore_case)
        .dot_matches_new_line(flags.dot_newline)
        .dfa_size_limit(limits::RECOG_DFA_BYTES_MAX)
        .build()
        .ok()
}

fn translate(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(sign @ ('<' | '>')) => out.push(sign),
                Some('h') if in_class => out.push_str("0-9a-fA-F"),
                Some('h') => out.push_str("[0-9a-fA-F]"),
                Some('Z') => out.push_str("(?-m:\\n?\\z)"),
                // Ruby lets any sign be escaped, this engine only those of ASCII.
                Some(sign) if !sign.is_ascii() => out.push(sign),
                Some(sign) => out.extend(['\\', sign]),
                None => out.push('\\'),
            },
            '[' if in_class && chars.peek() != Some(&':') => out.push_str("\\["),
            '[' if !in_class => {
                in_class = true;
                out.push(c);
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                if chars.next_if_eq(&']').is_some() {
                    out.push_str("\\]");
                }
            }
            '[' => {
                // [:alpha:] within a class
                out.push(c);
                for inner in chars.by_ref() {
                    out.push(inner);
                    if inner == ']' {
                        break;
                    }
                }
            }
            ']' => {
                in_class = false;
                out.push(c);
            }
            '(' if !in_class && chars.peek() == Some(&'?') => {
                out.push(c);
                let flags: String = chars.clone().skip(1).take_while(|f| "imsx-".contains(*f)).collect();
                let ends = chars.clone().nth(1 + flags.len());
                if flags.contains('m') && matches!(ends, Some(')' | ':')) {
                    chars.by_ref().take(1 + flags.len()).for_each(drop);
                    let (on, off) = flags.split_once('-').unwrap_or((&flags, ""));
                    out.push('?');
                    out.push_str(&on.replace('m', "s"));
                    if !off.is_empty() {
                        out.push('-');
                        out.push_str(&off.replace('m', "s"));
                    }
                }
            }
            // One character, which may be several bytes.
            '.' if !in_class && !matches!(chars.peek(), Some('*' | '+' | '{')) => out.push_str("(?:(?u:.)|.)"),
            _ => out.push(c),
        }
    }
    out
}

/// About how many states an expression has when it is written out.
fn size(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(text) => text.0.len(),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len().max(1),
        HirKind::Class(Class::Unicode(class)) => class.ranges().len().max(1).saturating_mul(4),
        HirKind::Capture(group) => size(&group.sub).saturating_add(2),
        HirKind::Repetition(r) => {
            let times = r.max.unwrap_or(r.min).max(r.min).max(1);
            size(&r.sub).saturating_add(1).saturating_mul(times as usize)
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().map(size).fold(1, usize::saturating_add),
    }
}

/// A text in small letters that every match holds: what does not hold it needs no closer look.
pub fn required(hir: &Hir) -> Option<Vec<u8>> {
    let mut runs = Runs::default();
    runs.walk(hir);
    runs.end();
    Some(runs.best).filter(|b| !b.is_empty())
}

#[derive(Default)]
struct Runs {
    now: Vec<u8>,
    best: Vec<u8>,
}

impl Runs {
    fn end(&mut self) {
        if self.now.len() > self.best.len() {
            std::mem::swap(&mut self.best, &mut self.now);
        }
        self.now.clear();
    }

    fn walk(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(text) => self.now.extend(text.0.iter().map(u8::to_ascii_lowercase)),
            HirKind::Class(class) => match letter(class) {
                Some(byte) => self.now.push(byte),
                None => self.end(),
            },
            HirKind::Capture(group) => self.walk(&group.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|p| self.walk(p)),
            HirKind::Repetition(r) if r.min > 0 => {
                // Once at least, and what stands beside it may not be its neighbour.
                self.end();
                self.walk(&r.sub);
                self.end();
            }
            HirKind::Repetition(_) | HirKind::Alternation(_) => self.end(),
        }
    }
}

/// The letter that a class of a capital and a small one stands for.
fn letter(class: &Class) -> Option<u8> {
    let Class::Bytes(class) = class else { return None };
    let mut bytes = class.ranges().iter();
    let (a, b) = (bytes.next()?, bytes.next()?);
    let pair = a.start() == a.end() && b.start() == b.end() && a.start().to_ascii_lowercase() == b.start();
    (pair && bytes.next().is_none()).then_some(b.start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(pattern: &str, flags: &str, value: &[u8]) -> bool {
        let flags = Flags::parse(flags).unwrap();
        let (pattern, hir) = read(pattern, flags).unwrap_or_else(|e| panic!("{pattern}: {e}"));
        let hit = compile(&pattern, flags).unwrap().is_match(value);
        let needed = required(&hir).unwrap_or_default();
        let holds = memchr::memmem::find(&value.to_ascii_lowercase(), &needed).is_some();
        assert!(holds || !hit, "{pattern} needs {:?}", String::from_utf8_lossy(&needed));
        hit
    }

    #[test]
    fn patterns_mean_what_they_mean_in_ruby() {
        for (pattern, flags, value, want) in [
            ("^b$", "", &b"a\nb\nc"[..], true),
            ("a.b", "", b"a\nb", false),
            ("a.b", "REG_DOT_NEWLINE", b"a\nb", true),
            ("(?m)a.b", "", b"a\nb", true),
            ("(?im)A.b", "", b"a\nB", true),
            ("(?i:A)b", "", b"ab", true),
            ("ABC", "REG_ICASE,REG_MULTILINE", b"xabcx", true),
            (r"\<\/a\>", "", b"</a>", true),
            (r"^\h+$", "", b"0aF", true),
            (r"^[\hx]+$", "", b"0aFx", true),
            (r"^a\Z", "", b"a\n", true),
            (r"^[]a]+$", "", b"]a", true),
            (r"^[[a]+$", "", b"[a", true),
            (r"^[[:alpha:]1]+$", "", b"ab1", true),
            (r"^\xff\xfd", "", b"\xff\xfd\x01", true),
            ("®", "", "x®".as_bytes(), true),
            (r"^\w$", "", "é".as_bytes(), false),
            ("^a.b$", "", "a·b".as_bytes(), true),
            ("^a.b$", "", b"a\xffb", true),
        ] {
            assert_eq!(hits(pattern, flags, value), want, "{pattern}");
        }
    }

    #[test]
    fn the_longest_text_that_all_matches_hold_is_found() {
        let of = |pattern: &str, icase| {
            let (_, hir) = read(pattern, Flags { ignore_case: icase, ..Flags::default() }).unwrap();
            String::from_utf8(required(&hir).unwrap_or_default()).unwrap()
        };
        assert_eq!(of(r"^Apache/(\d+)", false), "apache/");
        assert_eq!(of(r"^Apache/(\d+)", true), "apache/");
        assert_eq!(of(r"(?i)^HP (LaserJet) .*$", false), "hp laserjet ");
        assert_eq!(of(r"^(?:a|b)cd?efg", false), "efg");
        assert_eq!(of(r"a(?:bcd)+e", false), "bcd");
        assert_eq!(of(r"abc|abd", false), "");
        assert_eq!(of(r"^\d+$", false), "");
    }

    #[test]
    fn what_the_engine_cannot_do_is_told() {
        for wrong in ["(?<!a)b", r"(a)\1", "(", "[z-a]", "a{5000}{5000}", &"a".repeat(20_000)] {
            assert!(read(wrong, Flags::default()).is_err());
        }
        assert!(Flags::parse("REG_X").is_err());
    }
}
