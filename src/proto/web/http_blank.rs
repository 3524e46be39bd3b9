//! Secrets in addresses, which no table may show.

use std::borrow::Cow;

use super::http_keys::{KEY_BYTES_MAX, is_password_key, last_part, without_number};
use super::http_words;
use crate::base::secret::BLANK;
use crate::proto::text;
use crate::proto::unchanged::{Search, unless_known};

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
        b"psk",
        b"sso",
        b"sifre",
        b"community",
        b"loginpas",
        // What is dialled once a call stands (RFC 2806, section 2.2).
        b"postd",
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
        b"wpapsk",
        b"_psk",
        b"community",
    ];
    let name = without_number(last_part(key));
    is_password_key(key)
        || EXACT.iter().any(|k| name.eq_ignore_ascii_case(k))
        || WITHIN.iter().any(|k| text::contains(key, k))
        || text::is_key_name(name)
}

/// How deep addresses in the parameters of addresses are looked into.
const DEPTH_MAX: u8 = 3;

/// Bytes of a parameter's value that are decoded to look into it.
const NESTED_BYTES_MAX: usize = 2048;

/// An address without its secrets: user information, the values of secret parameters in query, fragment
/// and path, keys that stand in the path, and the same in addresses and texts that parameters hold.
pub fn blanked(uri: &[u8]) -> Cow<'_, [u8]> {
    unless_known(Search::Address, uri, |uri| blanked_at(uri, 0))
}

/// The authority that a proxy is asked to connect to (RFC 9112, section 3.2.3), without user information.
pub fn blanked_authority(authority: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memrchr(b'@', authority) {
        Some(at) => [BLANK.as_bytes(), authority.get(at..).unwrap_or_default()].concat().into(),
        None => authority.into(),
    }
}

fn blanked_at(uri: &[u8], depth: u8) -> Cow<'_, [u8]> {
    let user_end = user_information(uri);
    let has_parameters = uri.iter().any(|c| matches!(c, b'?' | b';' | b'#' | b'=' | b'%' | b':'));
    let has_secret = || path_key(uri).is_some() || http_words::segment(uri).is_some();
    if !has_parameters && user_end.is_none() && !has_secret() {
        return uri.into();
    }
    let mut out = Vec::with_capacity(uri.len() + BLANK.len());
    let mut rest = uri;
    if let Some((start, end)) = user_end {
        out.extend_from_slice(uri.get(..start).unwrap_or_default());
        out.extend_from_slice(BLANK.as_bytes());
        rest = uri.get(end..).unwrap_or_default();
    }
    let path_end = rest.iter().position(|c| matches!(c, b'?' | b';' | b'#')).unwrap_or(rest.len());
    let (path, parameters) = rest.split_at(path_end);
    path_into(path, depth, &mut out);
    let plain_p = is_login(path, parameters);
    // Everything from here on is a delimiter and a `key=value`.
    let mut rest = parameters;
    while let Some((delimiter, tail)) = rest.split_first() {
        out.push(*delimiter);
        let end = tail.iter().position(|c| matches!(c, b'?' | b'&' | b';' | b'#')).unwrap_or(tail.len());
        let (piece, behind) = tail.split_at(end);
        rest = behind;
        match text::split_once(piece, b'=') {
            Some((key, value)) => {
                out.extend_from_slice(key);
                out.push(b'=');
                let name = text::percent(key, true, KEY_BYTES_MAX);
                if !value.is_empty() && (is_secret_key(&name) || plain_p && name.eq_ignore_ascii_case(b"p")) {
                    out.extend_from_slice(BLANK.as_bytes());
                } else {
                    out.extend_from_slice(&parameter(&name, value, depth));
                }
            }
            // `/setup?password:x`, `/do?passwd%20x`
            None => out.extend_from_slice(&parameter(b"cmd", piece, depth)),
        }
    }
    out.into()
}

/// The value of a parameter of this name, without what is secret in it.
fn parameter<'a>(name: &[u8], value: &'a [u8], depth: u8) -> Cow<'a, [u8]> {
    match http_words::secret_at(name, value) {
        Some(start) => [value.get(..start).unwrap_or_default(), BLANK.as_bytes()].concat().into(),
        None => nested(value, depth),
    }
}

/// A parameter's value without what is secret in it. Where that is encoded, nothing of the value is shown.
fn nested(value: &[u8], depth: u8) -> Cow<'_, [u8]> {
    let told = |c: &u8| matches!(c, b'=' | b':' | b'%' | b'/');
    if depth >= DEPTH_MAX || !value.iter().any(told) {
        return value.into();
    }
    let shown = match blanked_at(value, depth + 1) {
        Cow::Borrowed(same) => text::without_settings(same),
        Cow::Owned(changed) => text::without_settings(&changed).into_owned().into(),
    };
    if memchr::memchr(b'%', value).is_none() || *shown != *value {
        return shown;
    }
    let decoded = text::percent(value, true, NESTED_BYTES_MAX);
    if decoded == value || *nested(&decoded, depth + 1) == decoded[..] {
        return value.into();
    }
    BLANK.as_bytes().into()
}

/// A path, the settings in it (`/user=a_password=b_channel=1.sdp`, `/user=a&password=b`) and keys in it blanked.
fn path_into(path: &[u8], depth: u8, out: &mut Vec<u8>) {
    let mut from = 0;
    for (start, end) in path_settings(path).filter(|s| is_secret_key(s.0)).map(|s| s.1) {
        out.extend_from_slice(path.get(from..start).unwrap_or_default());
        out.extend_from_slice(BLANK.as_bytes());
        from = end;
    }
    if from == 0
        && let Some((start, end)) = path_key(path).or_else(|| http_words::segment(path))
    {
        out.extend_from_slice(path.get(..start).unwrap_or_default());
        out.extend_from_slice(BLANK.as_bytes());
        from = end;
    }
    let rest = path.get(from..).unwrap_or_default();
    // Encoded signs and words: `/pass%3Dx`, `/password:x`.
    if from > 0 || memchr::memchr2(b'%', b':', rest).is_none() {
        out.extend_from_slice(rest);
        return;
    }
    for (n, segment) in rest.split(|c| *c == b'/').enumerate() {
        if n > 0 {
            out.push(b'/');
        }
        let told = memchr::memchr2(b'%', b':', segment).is_some();
        out.extend_from_slice(&if told { parameter(&[], segment, depth) } else { segment.into() });
    }
}

/// The settings in a path: the name, and where the value stands. Cheap cameras take them without a
/// question mark, separated by `&` or `_`.
pub fn path_settings(path: &[u8]) -> impl Iterator<Item = (&[u8], (usize, usize))> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let sign = from + memchr::memchr(b'=', path.get(from..)?)?;
        let before = path.get(from..sign)?;
        let name_start = before.iter().rposition(|c| matches!(c, b'/' | b'&')).map_or(0, |n| n + 1);
        let name = before.get(name_start..)?;
        // Behind the value of the one before: `_password`.
        let name = name.strip_prefix(b"_").unwrap_or(name);
        let start = sign + 1;
        let behind = path.get(start..)?;
        let mut len = behind.iter().position(|c| matches!(c, b'/' | b'&')).unwrap_or(behind.len());
        if let Some(next) = memchr::memchr(b'=', behind.get(..len)?)
            && let Some(joint) = memchr::memrchr(b'_', behind.get(..next)?)
        {
            len = joint;
        }
        from = start + len;
        Some((name, (start, from)))
    })
    .take(SETTINGS_MAX)
}

/// Settings of one path that are looked at.
const SETTINGS_MAX: usize = 64;

/// Where a key stands in a path: of a Hue bridge (`/api/KEY/lights`), of a bot (`/bot1:KEY/getMe`), of
/// a chat's hook (`/services/T1/B1/KEY`).
fn path_key(path: &[u8]) -> Option<(usize, usize)> {
    let path = path.split(|c| matches!(c, b'?' | b'#')).next()?;
    let segment_end =
        |at: usize| Some(at + path.get(at..)?.iter().position(|c| *c == b'/').unwrap_or(path.get(at..)?.len()));
    let is_key = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
    if let Some(at) = memchr::memmem::find(path, b"/api/") {
        let start = at + 5;
        let end = segment_end(start)?;
        let key = path.get(start..end)?;
        let mixed = key.iter().any(u8::is_ascii_digit) && key.iter().any(u8::is_ascii_alphabetic);
        return (mixed && (10..=64).contains(&key.len()) && key.iter().all(is_key)).then_some((start, end));
    }
    if let Some(at) = memchr::memmem::find(path, b"/bot") {
        let digits = path.get(at + 4..)?.iter().take_while(|c| c.is_ascii_digit()).count();
        let start = at + 4 + digits;
        let end = segment_end(start)?;
        return (digits > 0 && path.get(start) == Some(&b':') && end > start + 1).then_some((start + 1, end));
    }
    let at = memchr::memmem::find(path, b"/services/T")?;
    let mut parts = path.get(at + 10..)?.split(|c| *c == b'/');
    let (team, bot, key) = (parts.next()?, parts.next()?, parts.next()?);
    let start = at + 10 + team.len() + 1 + bot.len() + 1;
    (bot.starts_with(b"B") && !key.is_empty()).then_some((start, start + key.len()))
}

/// Whether somebody logs in there, so that `p` is no page: the path says so, or a user stands beside it.
fn is_login(path: &[u8], parameters: &[u8]) -> bool {
    [&b"login"[..], b"logon", b"signin", b"auth"].iter().any(|w| text::contains(path, w))
        || parameters
            .split(|c| matches!(c, b'?' | b'&' | b';'))
            .any(|p| [&b"u="[..], b"user=", b"usr=", b"username="].iter().any(|u| text::starts_with(p, u)))
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
            ("/a?newpass=x&wpa_psk=y&WPAPSK1=z", "/a?newpass=[blanked]&wpa_psk=[blanked]&WPAPSK1=[blanked]"),
            (
                "/a?sso=x&snmpcommunity=y&sifre=z&pin=1",
                "/a?sso=[blanked]&snmpcommunity=[blanked]&sifre=[blanked]&pin=[blanked]",
            ),
            ("/wiki?p=12", "/wiki?p=12"),
            ("/a?u=admin&p=x", "/a?u=admin&p=[blanked]"),
            ("/login?p=x", "/login?p=[blanked]"),
            ("/a?redirect=%2Fa%3Fpassword%3Dx&b=1", "/a?redirect=[blanked]&b=1"),
            ("/a?redirect=%2Fa%3Fpage%3Dx&b=1", "/a?redirect=%2Fa%3Fpage%3Dx&b=1"),
            ("/a?url=rtsp%3A%2F%2Fadmin%3Ax%40cam%2Fs", "/a?url=[blanked]"),
            ("/a?url=http://u:x@cam/s", "/a?url=http://[blanked]@cam/s"),
            ("/a?json={\"password\":\"x\"}", "/a?json={\"password\":[blanked]}"),
            ("/a?cmd=setpassword:x", "/a?cmd=setpassword:[blanked]"),
            ("/api/a1b2c3d4e5f6/lights", "/api/[blanked]/lights"),
            ("/api/v1/config", "/api/v1/config"),
            ("/api/authentication/x?y=1", "/api/authentication/x?y=1"),
            ("/bot123:abc/getMe?a=b", "/bot123:[blanked]/getMe?a=b"),
            ("/services/T00/B00/abc", "/services/T00/B00/[blanked]"),
            (
                "rtsp://cam/user=admin_password=x_channel=1_stream=0.sdp",
                "rtsp://cam/user=admin_password=[blanked]_channel=1_stream=0.sdp",
            ),
            ("/set/pass=x/y", "/set/pass=[blanked]/y"),
            ("/set/pass%3Dx/y", "/set/[blanked]/y"),
            ("/set/password:x/y", "/set/password:[blanked]/y"),
            ("/a;pwd=x/y", "/a;pwd=[blanked]"),
            ("/user/joe/password/x/y?b=1", "/user/joe/password/[blanked]/y?b=1"),
            ("/user/joe/password/reset", "/user/joe/password/reset"),
            ("/a?c=passwd%20x&b=1", "/a?c=passwd%20[blanked]&b=1"),
            ("/a?cmd=login+joe+x", "/a?cmd=login+joe+[blanked]"),
            ("/a?passwd%20x", "/a?passwd%20[blanked]"),
            ("/a?q=password+manager", "/a?q=password+manager"),
            ("/wiki/Password%20manager", "/wiki/Password%20manager"),
            (
                "/a?appid=x&app_key=y&appKey=z&sort_key=b",
                "/a?appid=[blanked]&app_key=[blanked]&appKey=[blanked]&sort_key=b",
            ),
            ("http://host:8080/a:b", "http://host:8080/a:b"),
            ("rtsp://cam/user=admin&password=x_y&channel=1", "rtsp://cam/user=admin&password=[blanked]&channel=1"),
            ("/a=b/c=d_e", "/a=b/c=d_e"),
        ] {
            assert_eq!(String::from_utf8_lossy(&blanked(uri.as_bytes())), want);
        }
        assert_eq!(&*blanked_authority(b"joe:x@host:443"), b"[blanked]@host:443");
        assert_eq!(&*blanked_authority(b"host:443"), b"host:443");
    }
}
