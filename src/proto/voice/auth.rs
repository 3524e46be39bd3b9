//! Logins in the `Authorization` and `Proxy-Authorization` fields of SIP (RFC 3261, section 22) and RTSP
//! (RFC 7826, section 19.1).

use std::borrow::Cow;

use super::dial;
use super::head::Head;
use crate::base::secret::{BLANK, SecretBuf};
use crate::base::{Secret, Timestamp};
use crate::proto::api::{Login, SecretKind};
use crate::proto::digest::{Answer, parameter};
use crate::proto::text;
use crate::proto::web::http_login::blanked;

/// What a request proves itself with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// A digest answer.
    Digest(Answer),
    /// User name and password.
    Basic(Vec<u8>, SecretBuf),
    /// A token.
    Bearer(SecretBuf),
    /// The first step of a digest, which names the user and answers nothing yet, or a scheme that is
    /// not read.
    Other,
}

impl Auth {
    /// What a request carries.
    pub fn of_request(head: &Head<'_>, method: &[u8]) -> Option<Self> {
        let is = |name: &[u8]| {
            name.eq_ignore_ascii_case(b"authorization") || name.eq_ignore_ascii_case(b"proxy-authorization")
        };
        let mut found = None;
        for (_, value) in head.fields().filter(|(name, _)| is(name)) {
            let auth = Self::read(&value, method);
            if auth != Self::Other {
                return Some(auth);
            }
            found = Some(auth);
        }
        found
    }

    fn read(value: &[u8], method: &[u8]) -> Self {
        let (scheme, rest) = text::word(value.trim_ascii());
        if scheme.eq_ignore_ascii_case(b"digest") {
            return Answer::of_request(rest, method).map_or(Self::Other, Self::Digest);
        }
        if scheme.eq_ignore_ascii_case(b"basic") {
            let decoded = text::base64(rest).unwrap_or_default();
            return text::split_once(&decoded, b':')
                .map_or(Self::Other, |(user, password)| Self::Basic(user.to_vec(), SecretBuf::new(password)));
        }
        if scheme.eq_ignore_ascii_case(b"bearer") && !rest.is_empty() {
            return Self::Bearer(SecretBuf::new(rest));
        }
        Self::Other
    }

    /// The user name.
    pub fn username(&self) -> Option<&[u8]> {
        match self {
            Self::Digest(answer) => Some(answer.username()),
            Self::Basic(user, _) => Some(user),
            Self::Bearer(_) | Self::Other => None,
        }
    }

    /// The realm, where the request names it.
    pub fn realm(&self) -> Option<&[u8]> {
        match self {
            Self::Digest(answer) => Some(answer.realm()),
            _ => None,
        }
    }

    /// The scheme as tables spell it.
    pub const fn scheme(&self) -> Option<&'static str> {
        match self {
            Self::Digest(_) => Some("digest"),
            Self::Basic(..) => Some("basic"),
            Self::Bearer(_) => Some("bearer"),
            Self::Other => None,
        }
    }

    /// The login that it is.
    pub fn login(&self, at: (Timestamp, u64), success: Option<bool>) -> Option<Login<'_>> {
        let login = Login { mechanism: self.scheme()?, username: self.username(), success, ..Login::at(at) };
        match self {
            Self::Digest(answer) => Some(Login {
                secret: Some(Secret::new(answer.response())),
                secret_kind: SecretKind::ChallengeResponse,
                proof: Some(answer.proof()),
                ..login
            }),
            Self::Basic(_, password) => Some(Login { secret: Some(password.borrow()), ..login }),
            Self::Bearer(token) => {
                Some(Login { secret: Some(token.borrow()), secret_kind: SecretKind::Token, ..login })
            }
            Self::Other => None,
        }
    }
}

/// The realm of a challenge (`WWW-Authenticate: Digest realm="x"`).
pub fn realm(head: &Head<'_>) -> Option<Box<[u8]>> {
    let value = head.field(b"www-authenticate", 0).or_else(|| head.field(b"proxy-authenticate", 0))?;
    let (_, rest) = text::word(&value);
    Some(super::head::kept(&text::without_settings(&parameter(rest, b"realm")?)))
}

/// An address or a field that holds one, without passwords: `sip:alice:secret@host` (RFC 3261, section
/// 19.1.1), the user information of `rtsp://`, what follows a feature code, and parameters with telling names.
pub fn without_passwords(field: &[u8]) -> Cow<'_, [u8]> {
    let field = field.get(..crate::base::limits::MESSAGE_FIELD_BYTES_MAX).unwrap_or(field);
    let mut out = Vec::new();
    let mut from = 0;
    for (at, _) in field.iter().enumerate().filter(|(_, c)| **c == b':').take(16) {
        let before = field.get(..at).unwrap_or_default();
        let is_scheme = [&b"sip"[..], b"sips"].iter().any(|s| {
            before.len() >= s.len() && before.get(before.len() - s.len()..).is_some_and(|b| b.eq_ignore_ascii_case(s))
        });
        if !is_scheme || at < from {
            continue;
        }
        let rest = field.get(at + 1..).unwrap_or_default();
        let end = rest.iter().position(|c| matches!(c, b'>' | b' ' | b'"' | b'<')).unwrap_or(rest.len());
        let Some(host) = memchr::memrchr(b'@', rest.get(..end).unwrap_or_default()) else { continue };
        let Some(colon) = memchr::memchr(b':', rest.get(..host).unwrap_or_default()) else { continue };
        out.extend_from_slice(field.get(from..at + 1 + colon + 1).unwrap_or_default());
        out.extend_from_slice(BLANK.as_bytes());
        from = at + 1 + host;
    }
    if from == 0 {
        return match dial::blanked(field) {
            Cow::Borrowed(same) => blanked(same),
            Cow::Owned(changed) => blanked(&changed).into_owned().into(),
        };
    }
    out.extend_from_slice(field.get(from..).unwrap_or_default());
    blanked(&dial::blanked(&out)).into_owned().into()
}

/// A text of a message as it is kept: without passwords in addresses, and without settings that hold a secret.
pub fn shown(field: &[u8]) -> Box<[u8]> {
    super::head::kept(&text::without_settings(&without_passwords(field)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_blanked() {
        for (field, want) in [
            ("sip:alice@example.com", "sip:alice@example.com"),
            ("sip:alice:s3cr3t@example.com;transport=tcp", "sip:alice:[blanked]@example.com;transport=tcp"),
            ("\"A\" <sips:a:p:q@b.c:5061>;tag=1", "\"A\" <sips:a:[blanked]@b.c:5061>;tag=1"),
            ("<sip:a@b:5060>, <SIP:c:pw@d>", "<sip:a@b:5060>, <SIP:c:[blanked]@d>"),
            ("sip:192.0.2.1:5060", "sip:192.0.2.1:5060"),
            ("<sip:*99*1234%23@b.c>;tag=1", "<sip:*99*[blanked]%23@b.c>;tag=1"),
            ("<sip:+15550100;postd=1234@b.c>", "<sip:+15550100;postd=[blanked]"),
            ("rtsp://u:hunter2@cam/ch1?password=x", "rtsp://[blanked]@cam/ch1?password=[blanked]"),
        ] {
            assert_eq!(String::from_utf8_lossy(&without_passwords(field.as_bytes())), want);
        }
    }

    #[test]
    fn schemes() {
        let request = |fields: &str| {
            let bytes = format!("X y Z\r\n{fields}\r\n");
            let super::super::head::Found::Whole(head) = Head::find(bytes.as_bytes()) else { panic!("whole") };
            Auth::of_request(&head, b"X")
        };
        assert_eq!(request("Authorization: Basic YWRtaW46cGFzcw==\r\n").unwrap().username(), Some(&b"admin"[..]));
        assert_eq!(request("Authorization: Digest username=\"a\", response=\"\"\r\n"), Some(Auth::Other));
        let both =
            "Authorization: Digest username=\"a\"\r\nProxy-Authorization: Digest username=\"b\", response=\"00\"\r\n";
        assert_eq!(request(both).unwrap().username(), Some(&b"b"[..]));
        assert_eq!(request("Allow: x\r\n"), None);
    }
}
