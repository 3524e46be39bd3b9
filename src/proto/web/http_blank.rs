//! Secrets in addresses, which no table may show.

use std::borrow::Cow;

use super::http_form::{KEY_BYTES_MAX, is_password_key, last_part};
use crate::base::secret::BLANK;
use crate::proto::text;

/// Whether the value of this query parameter is a secret that no table should show.
pub(super) fn is_secret_key(key: &[u8]) -> bool {
    const EXACT: &[&[u8]] = &[
        b"key",
        b"auth",
        b"sid",
        b"sig",
        b"code",
        b"pin",
        b"otp",
        b"authorization",
        b"hash",
        b"jwt",
        b"ticket",
        b"nonce",
        b"state",
        b"hmac",
        b"cred",
    ];
    const WITHIN: &[&[u8]] = &[
        b"token",
        b"secret",
        b"api_key",
        b"apikey",
        b"api-key",
        b"accesskey",
        b"access_key",
        b"session",
        b"sessid",
        b"credential",
        b"signature",
        b"passw",
        b"privatekey",
        b"auth_key",
        b"authkey",
    ];
    is_password_key(key)
        || EXACT.iter().any(|k| last_part(key).eq_ignore_ascii_case(k))
        || WITHIN.iter().any(|k| text::contains(key, k))
}

/// An address with its user information and the values of secret parameters blanked.
pub fn blanked(uri: &[u8]) -> Cow<'_, [u8]> {
    let has_parameters = memchr::memchr3(b'?', b';', b'#', uri).is_some();
    let user_end = user_information(uri);
    if !has_parameters && user_end.is_none() {
        return uri.into();
    }
    let mut out = Vec::with_capacity(uri.len() + BLANK.len());
    let mut rest = uri;
    if let Some((start, end)) = user_end {
        out.extend_from_slice(uri.get(..start).unwrap_or_default());
        out.extend_from_slice(BLANK.as_bytes());
        rest = uri.get(end..).unwrap_or_default();
    }
    // Everything up to the next delimiter is either a path or a `key=value`.
    let mut parameters = false;
    loop {
        let end = rest.iter().position(|c| matches!(c, b'?' | b'&' | b';' | b'#')).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        let pair = if parameters { text::split_once(piece, b'=') } else { None };
        match pair.filter(|(key, value)| !value.is_empty() && is_secret_key(&text::percent(key, true, KEY_BYTES_MAX))) {
            Some((key, _)) => {
                out.extend_from_slice(key);
                out.push(b'=');
                out.extend_from_slice(BLANK.as_bytes());
            }
            None => out.extend_from_slice(piece),
        }
        let Some((delimiter, tail)) = tail.split_first() else { break };
        out.push(*delimiter);
        parameters = true;
        rest = tail;
    }
    out.into()
}

/// Where the user information of an address stands (RFC 3986, section 3.2.1).
fn user_information(uri: &[u8]) -> Option<(usize, usize)> {
    let start = memchr::memmem::find(uri.get(..64).unwrap_or(uri), b"://")? + 3;
    let authority = uri.get(start..)?;
    let authority = authority.split(|c| matches!(c, b'/' | b'?' | b'#')).next()?;
    let at = memchr::memrchr(b'@', authority)?;
    Some((start, start + at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_secrets() {
        for (uri, want) in [
            ("/plain/path", "/plain/path"),
            ("/a?b=c&d", "/a?b=c&d"),
            ("/a?user=u&Password=p&x=1", "/a?user=u&Password=[blanked]&x=1"),
            ("/a?p%61ssword=p", "/a?p%61ssword=[blanked]"),
            ("/a;jsessionid=77?x=1", "/a;jsessionid=[blanked]?x=1"),
            (
                "http://u:p@host/a@b?access_token=t#id_token=s",
                "http://[blanked]@host/a@b?access_token=[blanked]#id_token=[blanked]",
            ),
            ("/a?token=", "/a?token="),
            ("/search?author=x&monkey=y", "/search?author=x&monkey=y"),
        ] {
            assert_eq!(String::from_utf8_lossy(&blanked(uri.as_bytes())), want);
        }
    }
}
