//! Whether a login was accepted, as far as the answer to it tells.

use super::http_head as head;
use crate::proto::text;

/// What of an answer matters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answer<'a> {
    /// Status code.
    pub status: u16,
    /// Where it sends the client.
    pub location: Option<&'a [u8]>,
    /// Whether it begins a session with a cookie.
    pub begins_session: bool,
    /// Whether the server says that the answer came too late (RFC 7616, section 3.3: `stale`).
    pub stale: bool,
    /// Its body, where it was kept.
    pub body: &'a [u8],
}

/// For logins in a header field, where the status tells.
pub const fn of_field(answer: &Answer<'_>) -> Option<bool> {
    match answer.status {
        401 | 407 if answer.stale => None,
        401 | 403 | 407 => Some(false),
        200..=399 => Some(true),
        _ => None,
    }
}

/// For WS-Security, whose refusals are faults (SOAP 1.2 part 2, section 7.4.2).
pub const fn of_soap(answer: &Answer<'_>) -> Option<bool> {
    match answer.status {
        200..=299 => Some(true),
        400 | 401 | 403 => Some(false),
        _ => None,
    }
}

/// For forms: only what is hard to misread. `asked` is the address that the form was sent to.
pub fn of_form(answer: &Answer<'_>, asked: &[u8]) -> Option<bool> {
    match answer.status {
        401 | 403 | 407 => Some(false),
        300..=399 => redirect(answer, asked),
        200..=299 => page(answer),
        _ => None,
    }
}

/// A client that is sent back to where it came from, or to a page about an error, has failed; one that
/// is sent elsewhere with the cookie of a session has not.
fn redirect(answer: &Answer<'_>, asked: &[u8]) -> Option<bool> {
    let location = answer.location?;
    const FAILED: &[&[u8]] = &[b"error", b"fail", b"invalid", b"denied", b"wrong", b"incorrect", b"unauthorized"];
    if FAILED.iter().any(|w| text::contains(location, w)) {
        return Some(false);
    }
    let path = |uri: &'_ [u8]| -> Vec<u8> {
        let after = memchr::memmem::find(uri, b"://").and_then(|at| {
            let rest = uri.get(at + 3..)?;
            Some(rest.get(memchr::memchr(b'/', rest)?..)?.to_vec())
        });
        let whole = after.unwrap_or_else(|| uri.to_vec());
        whole.split(|c| matches!(c, b'?' | b'#')).next().unwrap_or_default().to_ascii_lowercase()
    };
    let to = path(location);
    if to == path(asked) && text::contains(&to, b"login") {
        return Some(false);
    }
    let asks_again = [&b"login"[..], b"signin", b"logon"].iter().any(|w| text::contains(&to, w));
    (answer.begins_session && !asks_again).then_some(true)
}

fn page(answer: &Answer<'_>) -> Option<bool> {
    let body = answer.body;
    let start = body.trim_ascii_start();
    if start.starts_with(b"{") || start.starts_with(b"[") {
        return json(start);
    }
    // QNAP and HNAP.
    for (element, yes, no) in [(&b"authPassed"[..], &b"1"[..], &b"0"[..]), (b"LoginResult", b"success", b"failed")] {
        let mut result = None;
        super::http_xml::elements(start, &mut |name, value| {
            if name == element {
                result = Some(value == yes).filter(|accepted| *accepted || value == no);
            }
        });
        if result.is_some() {
            return result;
        }
    }
    asks_for_password(body).then_some(false)
}

/// Whether a page asks for a password.
fn asks_for_password(page: &[u8]) -> bool {
    memchr::memchr_iter(b'<', page).any(|at| {
        let tag = page.get(at..).unwrap_or_default();
        let tag = tag.get(..memchr::memchr(b'>', tag.get(..512).unwrap_or(tag)).unwrap_or(0)).unwrap_or_default();
        head::find(tag.get(..6).unwrap_or_default(), b"<input").is_some()
            && (text::contains(tag, b"type=\"password\"")
                || text::contains(tag, b"type='password'")
                || text::contains(tag, b"type=password"))
    })
}

/// `success`, or the result code of OpenWrt's bus.
fn json(body: &[u8]) -> Option<bool> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    for key in ["success", "authenticated", "loggedIn", "logged_in"] {
        if let Some(said) = value.get(key).and_then(serde_json::Value::as_bool) {
            return Some(said);
        }
    }
    match value.get("result")?.as_array()?.first()?.as_u64()? {
        0 => value.pointer("/result/1/ubus_rpc_session").map(|_| true),
        6 => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(status: u16, location: Option<&str>, begins_session: bool, body: &str) -> Option<bool> {
        let location = location.map(str::as_bytes);
        of_form(&Answer { status, location, begins_session, stale: false, body: body.as_bytes() }, b"/login?x=1")
    }

    #[test]
    fn redirects() {
        assert_eq!(form(302, Some("/home"), true, ""), Some(true));
        assert_eq!(form(302, Some("/home"), false, ""), None, "any page may redirect");
        assert_eq!(form(302, Some("http://h/login?again=1"), true, ""), Some(false));
        assert_eq!(form(302, Some("/?error=1"), true, ""), Some(false));
        assert_eq!(form(302, Some("/user/signin"), true, ""), None);
        assert_eq!(form(302, None, true, ""), None);
    }

    #[test]
    fn pages_and_documents() {
        assert_eq!(form(200, None, false, "<html><INPUT name=a Type='password'>"), Some(false));
        assert_eq!(form(200, None, false, "<html>welcome"), None);
        assert_eq!(form(200, None, false, r#"{"success":true,"data":{}}"#), Some(true));
        assert_eq!(form(200, None, false, r#"{"result":[6]}"#), Some(false));
        assert_eq!(form(200, None, false, r#"{"result":[0,{"ubus_rpc_session":"x"}]}"#), Some(true));
        assert_eq!(form(200, None, false, "<Q><authPassed><![CDATA[1]]></authPassed></Q>"), Some(true));
        assert_eq!(form(200, None, false, "<LoginResult>failed</LoginResult>"), Some(false));
        assert_eq!(form(200, None, false, r#"{"cut":"#), None);
        assert_eq!(form(401, None, false, ""), Some(false));
        assert_eq!(form(500, None, false, ""), None);
    }

    #[test]
    fn fields() {
        let said = |status, stale| of_field(&Answer { status, stale, ..Answer::default() });
        assert_eq!((said(200, false), said(401, false), said(401, true)), (Some(true), Some(false), None));
        assert_eq!(of_soap(&Answer { status: 400, ..Answer::default() }), Some(false));
    }
}
