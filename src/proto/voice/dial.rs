//! Dial strings with a secret in them: a feature code of a telephone system and behind it what the caller
//! proves himself with (`*99*1234#`).

use std::borrow::Cow;

use crate::base::secret::BLANK;

/// Digits of the longest feature code.
const CODE_DIGITS_MAX: usize = 4;

/// Bytes that a `*` or `#` takes, also as an address encodes it (RFC 3986, section 2.1; a `#` always is, RFC
/// 3261, section 25.1): what it is, and how many.
fn key(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [c @ (b'*' | b'#'), ..] => Some((*c, 1)),
        [b'%', b'2', b'a' | b'A', ..] => Some((b'*', 3)),
        [b'%', b'2', b'3', ..] => Some((b'#', 3)),
        _ => None,
    }
}

/// Where the secret of a dial string that begins here stands.
fn secret(text: &[u8]) -> Option<(usize, usize)> {
    let mut at = key(text)?.1;
    // `**21*`, `*#21*`
    at += text.get(at..).and_then(key).map_or(0, |(_, len)| len);
    let digits = text.get(at..)?.iter().take_while(|c| c.is_ascii_digit()).count();
    if !(1..=CODE_DIGITS_MAX).contains(&digits) {
        return None;
    }
    at += digits;
    let (star, len) = text.get(at..).and_then(key)?;
    let start = at + len;
    let rest = text.get(start..)?;
    let ends = |n: &usize| {
        let tail = rest.get(*n..).unwrap_or_default();
        matches!(key(tail), Some((b'#', _)))
            || matches!(tail.first(), Some(b'@' | b'>' | b'"' | b';' | b' ' | b',' | b'?'))
    };
    let len = (0..rest.len()).find(ends).unwrap_or(rest.len());
    (star == b'*' && len > 0 && rest.get(..len)? != BLANK.as_bytes()).then_some((start, start + len))
}

/// A number or an address without what follows a feature code in it: a PIN, or a number that a call is sent
/// on to; which of them is not to be told.
pub fn blanked(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr3(b'*', b'#', b'%', text).is_none() {
        return text.into();
    }
    let mut out = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while at < text.len() {
        let Some((start, end)) = text.get(at..).and_then(secret) else {
            at += 1;
            continue;
        };
        out.extend_from_slice(text.get(from..at + start).unwrap_or_default());
        out.extend_from_slice(BLANK.as_bytes());
        from = at + end;
        at = from;
    }
    if from == 0 {
        return text.into();
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    out.into()
}

/// The same for digits that a gateway reports one by one (RFC 3435, section 3.2.2.3): `D/*,D/9,D/9,D/*,D/1`.
pub fn blanked_events(events: &[u8]) -> Cow<'_, [u8]> {
    let all: Vec<&[u8]> = events.split(|c| *c == b',').collect();
    let digit = |event: &[u8]| match event.trim_ascii() {
        [c] | [b'D' | b'd', b'/', c] => *c,
        // An event that is no digit.
        _ => b' ',
    };
    let dialled: Vec<u8> = all.iter().map(|event| digit(event)).collect();
    let Some((start, end)) = (0..dialled.len()).find_map(|at| {
        let (start, end) = secret(dialled.get(at..)?)?;
        Some((at + start, at + end))
    }) else {
        return events.into();
    };
    let (before, behind) = (all.get(..start).unwrap_or_default(), all.get(end..).unwrap_or_default());
    [before, &[BLANK.as_bytes()], behind].concat().join(&b',').into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_are_reported_one_by_one() {
        for (events, want) in [
            ("D/*,D/9,D/9,D/*,D/1,D/2,D/#", "D/*,D/9,D/9,D/*,[blanked],D/#"),
            ("L/hd, *,9,*,1,2", "L/hd, *,9,*,[blanked]"),
            ("L/hd, 9,1,2,0,1", "L/hd, 9,1,2,0,1"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(&blanked_events(events.as_bytes())), want);
        }
    }

    #[test]
    fn what_follows_a_feature_code_is_blanked() {
        for (text, want) in [
            ("*99*1234#", "*99*[blanked]#"),
            ("sip:*99*1234%23@192.0.2.1", "sip:*99*[blanked]%23@192.0.2.1"),
            ("<sip:%2A99%2a1234%23@x;user=phone>", "<sip:%2A99%2a[blanked]%23@x;user=phone>"),
            ("\"*98*1234\" <sip:*98*1234@x>", "\"*98*[blanked]\" <sip:*98*[blanked]@x>"),
            ("**21*5550100*11#", "**21*[blanked]#"),
            ("tel:*99*12", "tel:*99*[blanked]"),
        ] {
            assert_eq!(String::from_utf8_lossy(&blanked(text.as_bytes())), want);
            assert_eq!(String::from_utf8_lossy(&blanked(want.as_bytes())), want);
        }
        for text in ["*98", "*#06#", "#31#5550100", "sip:joe%20x@y", "*", "*99*", "*99*#", "", "**", "5550100*2"] {
            assert_eq!(&*blanked(text.as_bytes()), text.as_bytes());
        }
    }
}
