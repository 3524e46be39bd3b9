//! Patterns of device signatures: a text with gaps, held against a whole value.
//!
//! | Written | Stands for |
//! |---|---|
//! | `*` | anything, also nothing |
//! | `#` | one decimal digit |
//! | `%` | one hexadecimal digit |
//! | `{model}` | something, kept under that name: up to what follows, at the end all the rest |
//! | `<model>` | a word, kept likewise: as long as may be, without blanks, commas, slashes or quotes |
//! | `\x` | the character x itself |
//!
//! Case makes no difference. The number of steps of one match is limited, so that no value can make
//! it slow; a pattern of this form that is not found within them does not hit.

use crate::base::limits;

/// What a gap may be kept as.
pub const NAMES: [&str; 5] = ["model", "firmware", "os", "vendor", "version"];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(Box<[u8]>),
    Any,
    Digit,
    Hex,
    /// A kept gap: its name's index in [`NAMES`], and whether it is a word.
    Kept(usize, bool),
}

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Box<[Token]>);

/// What the gaps of a pattern held, by the index in [`NAMES`].
pub type Kept<'v> = [Option<&'v [u8]>; NAMES.len()];

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// If a gap is not closed or has an unknown name, or the pattern hits everything, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            let token = match c {
                '*' => Token::Any,
                '#' => Token::Digit,
                '%' => Token::Hex,
                '{' | '<' => {
                    let end = if c == '{' { '}' } else { '>' };
                    let Some((name, behind)) = rest.as_str().split_once(end) else {
                        return Err(format!("a gap that {end:?} does not close"));
                    };
                    rest = behind.chars();
                    let Some(index) = NAMES.iter().position(|n| *n == name) else {
                        return Err(format!("{name:?} is no name for a gap: {}", NAMES.join(", ")));
                    };
                    Token::Kept(index, c == '<')
                }
                _ => {
                    let c = if c == '\\' { rest.next().ok_or("a backslash at the end")? } else { c };
                    let mut bytes = [0; 4];
                    literal.extend(c.encode_utf8(&mut bytes).bytes().map(|b| b.to_ascii_lowercase()));
                    continue;
                }
            };
            if !literal.is_empty() {
                tokens.push(Token::Literal(std::mem::take(&mut literal).into()));
            }
            tokens.push(token);
        }
        if !literal.is_empty() {
            tokens.push(Token::Literal(literal.into()));
        }
        if tokens.len() > limits::PATTERN_TOKENS_MAX {
            return Err(format!("more than {} pieces", limits::PATTERN_TOKENS_MAX));
        }
        if tokens.iter().all(|t| matches!(t, Token::Any)) {
            return Err(String::from("it hits everything and keeps nothing"));
        }
        Ok(Self(tokens.into()))
    }

    /// The text, where the pattern has no gaps.
    pub fn as_text(&self) -> Option<&[u8]> {
        match &*self.0 {
            [Token::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The byte that a value must begin with, in lower case, where the pattern begins with text.
    pub fn first(&self) -> Option<u8> {
        match self.0.first() {
            Some(Token::Literal(text)) => text.first().copied(),
            _ => None,
        }
    }

    /// Holds the pattern against a whole value, and says what its gaps hold.
    pub fn matches<'v>(&self, value: &'v [u8]) -> Option<Kept<'v>> {
        let mut kept = Kept::default();
        let mut steps = limits::PATTERN_STEPS_MAX;
        go(&self.0, value, &mut kept, &mut steps).then_some(kept)
    }
}

fn is_word(byte: u8) -> bool {
    !matches!(byte, b' ' | b'\t' | b',' | b';' | b'/' | b'"' | b'\'')
}

fn go<'v>(tokens: &[Token], value: &'v [u8], kept: &mut Kept<'v>, steps: &mut u32) -> bool {
    let Some(left) = steps.checked_sub(1) else { return false };
    *steps = left;
    let Some((token, rest)) = tokens.split_first() else { return value.is_empty() };
    match token {
        Token::Literal(text) => match value.split_at_checked(text.len()) {
            Some((front, behind)) => front.eq_ignore_ascii_case(text) && go(rest, behind, kept, steps),
            None => false,
        },
        Token::Digit => value.split_first().is_some_and(|(b, v)| b.is_ascii_digit() && go(rest, v, kept, steps)),
        Token::Hex => value.split_first().is_some_and(|(b, v)| b.is_ascii_hexdigit() && go(rest, v, kept, steps)),
        Token::Any | Token::Kept(..) => {
            let word = matches!(token, Token::Kept(_, true));
            let least = usize::from(!matches!(token, Token::Any));
            if rest.is_empty() {
                return value.len() >= least
                    && (!word || value.iter().all(|b| is_word(*b)))
                    && keep(token, value, kept);
            }
            let longest = if word { value.iter().take_while(|b| is_word(**b)).count() } else { value.len() };
            for step in 0..=longest {
                let length = if word { longest - step } else { step };
                let Some((front, behind)) = value.split_at_checked(length) else { return false };
                if length >= least && may_follow(rest, behind) && go(rest, behind, kept, steps) {
                    return keep(token, front, kept);
                }
            }
            false
        }
    }
}

/// Whether what follows can begin here, looked at before a step is spent on it.
fn may_follow(rest: &[Token], value: &[u8]) -> bool {
    match rest.first() {
        Some(Token::Literal(text)) => match (text.first(), value.first()) {
            (Some(a), Some(b)) => *a == b.to_ascii_lowercase(),
            _ => false,
        },
        _ => true,
    }
}

fn keep<'v>(token: &Token, value: &'v [u8], kept: &mut Kept<'v>) -> bool {
    if let Token::Kept(index, _) = token
        && let Some(place) = kept.get_mut(*index)
    {
        *place = Some(value);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(pattern: &str, value: &str) -> Option<[String; 2]> {
        let got = Pattern::parse(pattern).unwrap().matches(value.as_bytes())?;
        let text = |i: usize| String::from_utf8_lossy(got[i].unwrap_or_default()).into_owned();
        Some([text(0), text(1)])
    }

    #[test]
    fn gaps_match_what_they_say() {
        for (pattern, value, hits) in [
            ("APC", "apc", true),
            ("APC", "apc1", false),
            ("APC*", "apc1", true),
            ("*printer*", "my Printer here", true),
            ("a*b*c", "a--b--b--c", true),
            ("a*b*c", "a--c--b", false),
            ("SEP%%%%", "sep00AF", true),
            ("SEP%%%%", "sep00AG", false),
            ("CP-##", "CP-78", true),
            ("CP-##", "CP-7x", false),
            (r"c\#=2", "c#=2", true),
            ("", "", false),
        ] {
            let Ok(p) = Pattern::parse(pattern) else {
                assert!(!hits);
                continue;
            };
            assert_eq!(p.matches(value.as_bytes()).is_some(), hits, "{pattern} on {value}");
        }
    }

    #[test]
    fn kept_gaps_are_words_or_reach_to_what_follows() {
        let got = |m: &str, f: &str| Some([m.to_owned(), f.to_owned()]);
        assert_eq!(kept("Yealink {model} {firmware}", "Yealink SIP-T46S 66.86.0.15"), got("SIP-T46S", "66.86.0.15"));
        assert_eq!(kept("snom{model}/<firmware>*", "snomD765/10.1.73.14 x"), got("D765", "10.1.73.14"));
        assert_eq!(kept("cisco {model}", "Cisco WS-C2960"), got("WS-C2960", ""));
        assert_eq!(kept("cisco {model}", "Cisco "), None, "a kept gap is never empty");
        assert_eq!(kept("Brother <model>", "Brother HL 1"), None);
        assert_eq!(kept("*fw <firmware>;*", "a fw 1.2; b"), got("", "1.2"));
    }

    #[test]
    fn wrong_patterns_are_told() {
        for text in ["*", "", "a{name}", "a\\", "a{model", &"a*".repeat(60)] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_value_makes_it_slow() {
        let pattern = Pattern::parse("*a*a*a*a*a*a*a*a*b").unwrap();
        let value = [b'a'; limits::CLAIM_VALUE_BYTES_MAX];
        let mut steps = limits::PATTERN_STEPS_MAX;
        assert!(!go(&pattern.0, &value, &mut Kept::default(), &mut steps));
        assert_eq!(steps, 0, "it gave up");
    }
}
