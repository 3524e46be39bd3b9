//! Digest authentication fields (RFC 7616, RFC 2617; RFC 2831 for SASL), as HTTP, SIP, RTSP and mail
//! carry them.

use std::borrow::Cow;

use super::proof::{Digest, Proof};
use crate::base::limits;

/// A digest answer, owned: it may wait for the reply to it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Answer {
    parts: [Vec<u8>; 10],
    sasl: bool,
}

/// Where each part of an answer stands, and its parameter.
const PARTS: [&[u8]; 10] =
    [b"username", b"realm", b"", b"uri", b"nonce", b"cnonce", b"nc", b"qop", b"algorithm", b"response"];
const METHOD: usize = 2;
const URI: usize = 3;

impl std::fmt::Debug for Answer {
    /// The user and the realm: the rest can be cracked by whoever reads it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({:?} at {:?})", self.part(0).escape_ascii(), self.part(1).escape_ascii())
    }
}

impl Answer {
    /// From the parameters of an `Authorization: Digest` field of a request with this method. `None`
    /// where there is no answer among them.
    pub fn of_request(parameters: &[u8], method: &[u8]) -> Option<Self> {
        let mut answer = Self::read(parameters)?;
        answer.set(METHOD, method);
        Some(answer)
    }

    /// From SASL's `digest-response` (RFC 2831, section 2.1.2), decoded from Base64.
    pub fn of_sasl(parameters: &[u8]) -> Option<Self> {
        let mut answer = Self::read(parameters)?;
        let uri = parameter(parameters, b"digest-uri").unwrap_or_default();
        answer.set(URI, &uri);
        answer.sasl = true;
        Some(answer)
    }

    fn read(parameters: &[u8]) -> Option<Self> {
        let mut answer = Self::default();
        for (i, name) in PARTS.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            if let Some(value) = parameter(parameters, name) {
                answer.set(i, &value);
            }
        }
        (!answer.part(9).is_empty()).then_some(answer)
    }

    fn set(&mut self, i: usize, value: &[u8]) {
        if let Some(part) = self.parts.get_mut(i) {
            *part = value.get(..limits::SECRET_BYTES_MAX).unwrap_or(value).to_vec();
        }
    }

    fn part(&self, i: usize) -> &[u8] {
        self.parts.get(i).map_or(&[], Vec::as_slice)
    }

    /// User name.
    pub fn username(&self) -> &[u8] {
        self.part(0)
    }

    /// Realm.
    pub fn realm(&self) -> &[u8] {
        self.part(1)
    }

    /// The answer itself, in hexadecimal.
    pub fn response(&self) -> &[u8] {
        self.part(9)
    }

    /// What a guess is tested against.
    pub fn proof(&self) -> Proof<'_> {
        Proof::Digest(Digest {
            username: self.part(0),
            realm: self.part(1),
            method: self.part(2),
            uri: self.part(3),
            nonce: self.part(4),
            cnonce: self.part(5),
            nc: self.part(6),
            qop: self.part(7),
            algorithm: self.part(8),
            response: self.part(9),
            sasl: self.sasl,
        })
    }
}

/// The value of a parameter in `name=value, name="quoted \" value"` (RFC 9110, section 11.2).
pub fn parameter<'a>(list: &'a [u8], name: &[u8]) -> Option<Cow<'a, [u8]>> {
    let mut rest = list;
    loop {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|c| matches!(c, b'=' | b','))?;
        let (key, tail) = rest.split_at(end);
        let (separator, tail) = tail.split_first()?;
        if *separator == b',' {
            rest = tail;
            continue;
        }
        let wanted = key.trim_ascii().eq_ignore_ascii_case(name);
        let tail = tail.trim_ascii_start();
        if let Some(quoted) = tail.strip_prefix(b"\"") {
            let mut escaped = false;
            let end = quoted.iter().position(|c| {
                let end = *c == b'"' && !escaped;
                escaped = *c == b'\\' && !escaped;
                end
            });
            let end = end.unwrap_or(quoted.len());
            let (value, tail) = quoted.split_at(end);
            if wanted {
                return Some(if value.contains(&b'\\') { unescape(value).into() } else { value.into() });
            }
            rest = tail.get(1..).unwrap_or_default();
        } else {
            let end = memchr::memchr(b',', tail).unwrap_or(tail.len());
            let (value, tail) = tail.split_at(end);
            if wanted {
                return Some(value.trim_ascii().into());
            }
            rest = tail;
        }
    }
}

/// A quoted text without the backslashes of its escapes.
pub fn unescape(quoted: &[u8]) -> Vec<u8> {
    let mut escaped = false;
    let keep = quoted.iter().filter(|c| {
        escaped = **c == b'\\' && !escaped;
        !escaped
    });
    keep.copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_keeps_every_part_as_it_was_sent() {
        // RFC 7616, section 3.9.1.
        let field = br#"username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=MD5, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="8ca523f5e9506fed4657c9700eebdbec", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;
        let answer = Answer::of_request(field, b"GET").unwrap();
        let Proof::Digest(d) = answer.proof() else { panic!("a digest") };
        assert_eq!((d.username, d.realm, d.method), (&b"Mufasa"[..], &b"http-auth@example.org"[..], &b"GET"[..]));
        assert_eq!((d.nc, d.qop, d.algorithm), (&b"00000001"[..], &b"auth"[..], &b"MD5"[..]));
        assert_eq!(d.response, b"8ca523f5e9506fed4657c9700eebdbec");
        assert!(!format!("{answer:?}").contains("8ca523"));
        assert_eq!(Answer::of_request(b"realm=\"x\"", b"GET"), None);
    }

    #[test]
    fn sasl_names_its_address_differently() {
        // RFC 2831, section 4.
        let text = br#"charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,cnonce="OA6MHXh6VqTrRk",digest-uri="imap/elwood.innosoft.com",response=d388dad90d4bbd760a152321f2143af7,qop=auth"#;
        let answer = Answer::of_sasl(text).unwrap();
        let Proof::Digest(d) = answer.proof() else { panic!("a digest") };
        assert_eq!((d.uri, d.method, d.sasl), (&b"imap/elwood.innosoft.com"[..], &b""[..], true));
    }
}
