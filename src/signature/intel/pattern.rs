//! Patterns of STIX 2.1 (section 9), as far as one packet or connection can show them: comparisons of
//! one value, and OR of these.
//!
//! ```text
//! [ipv4-addr:value = '198.51.100.7' OR domain-name:value IN ('a.example', 'b.example')]
//! [x509-certificate:hashes.'SHA-256' = '...'] OR [ipv4-addr:value ISSUBSET '198.51.100.0/24']
//! ```
//! AND, NOT, FOLLOWEDBY and qualifiers (WITHIN, REPEATS, START) join things that are not held together
//! here: a pattern with one of them is not understood, rather than understood as less than it says.

use super::key::{Key, Kind};
use crate::base::limits;

/// What a pattern amounts to.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// What can be matched; each is enough by itself.
    pub keys: Vec<Key>,
    /// Comparisons with what is not matched (files, URLs, processes).
    pub other: u64,
    /// Comparisons with a value that is none, and why.
    pub broken: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'p> {
    Open,
    Close,
    ListOpen,
    ListClose,
    Comma,
    Equals,
    Word(&'p str),
    /// Between its quotes, as written.
    Text(&'p str),
}

/// Cuts a pattern into tokens. A path is a word with the quoted keys inside it.
struct Tokens<'p> {
    rest: &'p str,
}

impl<'p> Tokens<'p> {
    /// The next token; `None` at the end as well.
    fn want(&mut self) -> Option<Token<'p>> {
        self.next().ok().flatten()
    }

    /// The next token; `Err` where there is none of any kind.
    fn next(&mut self) -> Result<Option<Token<'p>>, ()> {
        self.rest = self.rest.trim_start();
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let single = match first {
            '[' => Some(Token::Open),
            ']' => Some(Token::Close),
            '(' => Some(Token::ListOpen),
            ')' => Some(Token::ListClose),
            ',' => Some(Token::Comma),
            '=' => Some(Token::Equals),
            _ => None,
        };
        if let Some(token) = single {
            self.rest = self.rest.get(1..).unwrap_or_default();
            if token == Token::Equals {
                // Written twice by some.
                self.rest = self.rest.strip_prefix('=').unwrap_or(self.rest);
            }
            return Ok(Some(token));
        }
        if first == '\'' {
            let end = quoted(self.rest).ok_or(())?;
            let text = self.rest.get(1..end - 1).ok_or(())?;
            self.rest = self.rest.get(end..).unwrap_or_default();
            return Ok(Some(Token::Text(text)));
        }
        let mut len = 0;
        while let Some(rest) = self.rest.get(len..)
            && let Some(c) = rest.chars().next()
        {
            if c == '\'' {
                len += quoted(rest).ok_or(())?;
            } else if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '*') {
                len += 1;
            } else {
                break;
            }
        }
        if len == 0 {
            return Err(());
        }
        let (word, rest) = self.rest.split_at_checked(len).ok_or(())?;
        self.rest = rest;
        Ok(Some(Token::Word(word)))
    }
}

/// Bytes of a quoted text with its quotes; a backslash takes the next character in.
fn quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Reads a pattern; `None` where it says more than is understood.
pub(super) fn parse(pattern: &str) -> Option<Parts> {
    let mut tokens = Tokens { rest: pattern };
    let mut parts = Parts::default();
    let mut compared = 0;
    loop {
        if tokens.want()? != Token::Open {
            return None;
        }
        loop {
            let Token::Word(path) = tokens.want()? else { return None };
            let operator = tokens.want()?;
            match operator {
                Token::Equals => {
                    let Token::Text(value) = tokens.want()? else { return None };
                    parts.take(path, value, false);
                    compared += 1;
                }
                Token::Word(word) if word.eq_ignore_ascii_case("ISSUBSET") => {
                    let Token::Text(value) = tokens.want()? else { return None };
                    parts.take(path, value, true);
                    compared += 1;
                }
                Token::Word(word) if word.eq_ignore_ascii_case("IN") => {
                    if tokens.want()? != Token::ListOpen {
                        return None;
                    }
                    loop {
                        let Token::Text(value) = tokens.want()? else { return None };
                        parts.take(path, value, false);
                        compared += 1;
                        match tokens.want()? {
                            Token::Comma if compared < limits::INTEL_PATTERN_PARTS_MAX => {}
                            Token::ListClose => break,
                            _ => return None,
                        }
                    }
                }
                _ => return None,
            }
            if compared > limits::INTEL_PATTERN_PARTS_MAX {
                return None;
            }
            match tokens.want()? {
                Token::Close => break,
                Token::Word(word) if word.eq_ignore_ascii_case("OR") => {}
                _ => return None,
            }
        }
        match tokens.next() {
            Ok(None) => return Some(parts),
            Ok(Some(Token::Word(word))) if word.eq_ignore_ascii_case("OR") => {}
            _ => return None,
        }
    }
}

impl Parts {
    fn take(&mut self, path: &str, value: &str, subset: bool) {
        let value = unescaped(value);
        let key = match path {
            "ipv4-addr:value" | "ipv6-addr:value" => Key::parse_address(&value),
            "domain-name:value" if !subset => Key::parse_domain(&value),
            _ => match path.strip_prefix("x509-certificate:hashes.") {
                Some(hash) if !subset => match hash.trim_matches(['\'', '"']) {
                    "SHA-1" | "SHA1" => Key::parse_fingerprint(Kind::Sha1, &value),
                    "SHA-256" | "SHA256" => Key::parse_fingerprint(Kind::Sha256, &value),
                    _ => {
                        self.other += 1;
                        return;
                    }
                },
                _ => {
                    self.other += 1;
                    return;
                }
            },
        };
        match key {
            Ok(key) => self.keys.push(key),
            Err(reason) => self.broken.push(reason),
        }
    }
}

/// A text without the backslashes before quotes and backslashes (STIX 2.1, section 9.2).
fn unescaped(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(pattern: &str) -> Option<Vec<String>> {
        Some(parse(pattern)?.keys.iter().map(|key| format!("{:?}", key.kind)).collect())
    }

    #[test]
    fn comparisons_and_or_are_understood() {
        let hash = "a".repeat(64);
        for (pattern, expected) in [
            ("[ipv4-addr:value = '198.51.100.7']", vec!["Address"]),
            ("[ipv4-addr:value='198.51.100.0/24']", vec!["Network"]),
            ("[ipv4-addr:value ISSUBSET '198.51.100.0/24']", vec!["Network"]),
            ("[ipv6-addr:value = '2001:db8::7' OR domain-name:value = 'bad.example']", vec!["Address", "Domain"]),
            ("[domain-name:value = 'a.example'] OR [domain-name:value = 'b.example']", vec!["Domain", "Domain"]),
            ("[domain-name:value IN ('a.example', 'b.example')]", vec!["Domain", "Domain"]),
            (&format!("[x509-certificate:hashes.'SHA-256' = '{hash}']"), vec!["Sha256"]),
            (&format!("[x509-certificate:hashes.SHA1 = '{}']", hash.get(..40).unwrap()), vec!["Sha1"]),
            (
                "[file:hashes.MD5 = '0149f47eabf9a20d0893e2a44e5a6323' OR domain-name:value = 'a.example']",
                vec!["Domain"],
            ),
            ("[url:value = 'http://a.example/it\\'s']", vec![]),
        ] {
            let expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(keys(pattern), Some(expected), "{pattern}");
        }
        assert_eq!(parse("[url:value = 'x' OR file:name = 'y']").unwrap().other, 2);
        assert_eq!(parse("[ipv4-addr:value = 'no address']").unwrap().broken.len(), 1);
    }

    #[test]
    fn what_says_more_is_not_taken_for_less() {
        for pattern in [
            "",
            "[",
            "[]",
            "ipv4-addr:value = '198.51.100.7'",
            "[ipv4-addr:value = '198.51.100.7'",
            "[ipv4-addr:value = '198.51.100.7",
            "[ipv4-addr:value != '198.51.100.7']",
            "[NOT ipv4-addr:value = '198.51.100.7']",
            "[ipv4-addr:value NOT = '198.51.100.7']",
            "[domain-name:value = 'a.example' AND ipv4-addr:value = '198.51.100.7']",
            "[domain-name:value = 'a.example'] AND [ipv4-addr:value = '198.51.100.7']",
            "[domain-name:value = 'a.example'] FOLLOWEDBY [domain-name:value = 'b.example']",
            "[domain-name:value = 'a.example'] REPEATS 5 TIMES",
            "[domain-name:value = 'a.example'] WITHIN 5 SECONDS",
            "[domain-name:value LIKE '%.example']",
            "[domain-name:value MATCHES '.*']",
            "([domain-name:value = 'a.example'])",
            "[domain-name:value IN ('a.example']",
        ] {
            assert!(parse(pattern).is_none(), "{pattern}");
        }
    }
}
