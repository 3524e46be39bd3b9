//! Logins in the fields of HTTP requests: authorization (RFC 9110, section 11; RFC 7617; RFC 7616;
//! RFC 6750; RFC 4559 and MS-NTHT for NTLM), API keys, and cookies of sessions.

use crate::base::secret::SecretBuf;
use crate::proto::api::SecretKind;
use crate::proto::digest::{self, parameter};
use crate::proto::proof::Proof;
use crate::proto::{ntlm, text};

pub use super::http_blank::blanked;
pub use super::http_form::{Form, address_login, query_login};
pub use super::http_keys::is_password_key;

/// What a guess at a password is tested against, kept until the answer comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// A digest (RFC 7616).
    Digest(Box<digest::Answer>),
    /// NTLM's answer and the challenge that it answers.
    Ntlm(Box<ntlm::Answer>, [u8; 8]),
    /// WS-Security: nonce, time stamp, digest.
    Wsse([SecretBuf; 3]),
}

impl Held {
    /// The proof.
    pub fn proof(&self) -> Proof<'_> {
        match self {
            Self::Digest(answer) => answer.proof(),
            Self::Ntlm(answer, challenge) => answer.proof(*challenge),
            Self::Wsse([nonce, created, digest]) => Proof::WsseDigest {
                nonce: nonce.borrow().expose(),
                created: created.borrow().expose(),
                digest: digest.borrow().expose(),
            },
        }
    }
}

/// A login in a request, before the answer to it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Mechanism as the `mechanism` column spells it.
    pub mechanism: &'static str,
    /// User name.
    pub user: Option<Vec<u8>>,
    /// The secret.
    pub secret: Option<SecretBuf>,
    /// What sort of secret.
    pub kind: SecretKind,
    /// What a guess is tested against.
    pub held: Option<Held>,
}

impl Found {
    /// A login by a mechanism, to be completed.
    pub const fn of(mechanism: &'static str) -> Self {
        Self { mechanism, user: None, secret: None, kind: SecretKind::Password, held: None }
    }

    /// A token, where there is one.
    fn token(mechanism: &'static str, token: &[u8]) -> Option<Self> {
        let token = token.trim_ascii();
        let found = Self { secret: Some(SecretBuf::new(token)), kind: SecretKind::Token, ..Self::of(mechanism) };
        (!token.is_empty()).then_some(found)
    }

    /// Whether it is a form or its like, whose answer may be a page like any other.
    pub fn is_form(&self) -> bool {
        self.mechanism == "form"
    }
}

/// Bytes of the longest scheme that is shown; registered ones have up to 13 (RFC 9110, section
/// 16.4.1), in use is `AWS4-HMAC-SHA256`.
const SCHEME_BYTES_MAX: usize = 24;

/// The scheme in the value of an `Authorization` or `Proxy-Authorization` field, where it is safe to
/// show. Without a blank behind it, the whole value is the secret: a bare API key, or a scheme that
/// runs on into its credentials.
pub fn scheme(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = text::word(value.trim_ascii());
    let plain = scheme.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
    (plain && !rest.is_empty() && scheme.len() <= SCHEME_BYTES_MAX).then_some(scheme)
}

/// The login in the value of an `Authorization` or `Proxy-Authorization` field of a request with this
/// method. `challenge` is the last one that NTLM's server sent on the connection.
pub fn authorization(value: &[u8], method: &[u8], challenge: Option<[u8; 8]>) -> Option<Found> {
    let value = value.trim_ascii();
    let (scheme, rest) = text::word(value);
    let is = |names: &[&str]| names.iter().any(|n| scheme.eq_ignore_ascii_case(n.as_bytes()));
    if is(&["basic"]) {
        let decoded = text::base64(rest)?;
        let (user, password) = text::split_once(&decoded, b':')?;
        return Some(Found { user: Some(user.to_vec()), secret: Some(SecretBuf::new(password)), ..Found::of("basic") });
    }
    if is(&["digest"]) {
        let user = parameter(rest, b"username")?.into_owned();
        let answer = digest::Answer::of_request(rest, method);
        return Some(Found {
            user: Some(user),
            secret: answer.as_ref().map(|a| SecretBuf::new(a.response())),
            kind: SecretKind::ChallengeResponse,
            held: answer.map(|a| Held::Digest(Box::new(a))),
            ..Found::of("digest")
        });
    }
    if is(&["ntlm", "negotiate"]) {
        let token = text::base64(rest)?;
        let ntlm::Message::Authenticate(answer) = ntlm::find(&token)? else { return None };
        if answer.is_anonymous() {
            return None;
        }
        let hex: String = answer.response().iter().map(|b| format!("{b:02x}")).collect();
        return Some(Found {
            mechanism: answer.mechanism(),
            user: Some(answer.username.clone()),
            secret: Some(SecretBuf::new(hex.as_bytes())).filter(|_| !hex.is_empty()),
            kind: SecretKind::ChallengeResponse,
            held: challenge.map(|c| Held::Ntlm(Box::new(answer), c)),
        });
    }
    if is(&["bearer", "token"]) {
        return Found::token("bearer", rest);
    }
    if is(&["apikey", "api-key", "x-api-key", "key", "apitoken", "pveapitoken", "gosnow"]) {
        return Found::token("api-key", rest);
    }
    signature(scheme, rest).or_else(|| {
        // A key without a scheme before it.
        let is_key = |c: &u8| c.is_ascii_alphanumeric() || b"-_.=+/".contains(c);
        let bare = rest.is_empty() && value.len() >= 16 && value.iter().all(is_key);
        if bare { Found::token("api-key", value) } else { None }
    })
}

/// Requests signed with a key that is not sent: Amazon's and Azure's schemes, and Hawk.
fn signature(scheme: &[u8], rest: &[u8]) -> Option<Found> {
    let is = |name: &str| scheme.eq_ignore_ascii_case(name.as_bytes());
    let (mechanism, user, answer) = if is("AWS4-HMAC-SHA256") {
        let credential = parameter(rest, b"credential")?;
        let key = credential.split(|c| *c == b'/').next().unwrap_or_default().to_vec();
        ("aws-signature", key, parameter(rest, b"signature").unwrap_or_default().into_owned())
    } else if is("AWS") || is("SharedKey") || is("SharedKeyLite") {
        let (key, answer) = text::split_once(rest, b':')?;
        (if is("AWS") { "aws-signature" } else { "shared-key" }, key.to_vec(), answer.to_vec())
    } else if is("Hawk") {
        let mac = parameter(rest, b"mac").unwrap_or_default().into_owned();
        ("hawk", parameter(rest, b"id")?.into_owned(), mac)
    } else {
        return None;
    };
    Some(Found {
        user: Some(user),
        secret: Some(SecretBuf::new(&answer)).filter(|_| !answer.is_empty()),
        kind: SecretKind::ChallengeResponse,
        ..Found::of(mechanism)
    })
}

/// Whether a request field of this name carries a key or token of its own.
pub fn is_key_field(name: &[u8]) -> bool {
    const NAMES: &[&str] = &[
        "x-api-key",
        "x-apikey",
        "api-key",
        "apikey",
        "x-api-token",
        "x-auth-token",
        "x-auth-key",
        "x-access-token",
        "x-access-key",
        "x-token",
        "x-session-token",
        "x-vault-token",
        "x-gitlab-token",
        "private-token",
        "x-apikeys",
        "x-cisco-meraki-api-key",
        "x-pan-key",
        "x-subject-token",
    ];
    let likely = matches!(name.first(), Some(b'x' | b'X' | b'a' | b'A' | b'p' | b'P'));
    likely && NAMES.iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes()))
}

/// The login that a key's field is.
pub fn key_field(value: &[u8]) -> Option<Found> {
    Found::token("api-key", value)
}

/// The name of the cookie that a `Set-Cookie` field sets, where it is short and of plain signs.
pub fn cookie_name(set_cookie: &[u8]) -> Option<&[u8]> {
    const LONGEST: usize = 64;
    let (name, _) = text::split_once(set_cookie, b'=')?;
    let name = name.trim_ascii();
    let is_plain = name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    (is_plain && (2..=LONGEST).contains(&name.len())).then_some(name)
}

/// The session that a `Set-Cookie` field begins, where its name is one that sessions have; a cookie that
/// is taken back is none.
pub fn session_cookie(set_cookie: &[u8]) -> Option<(&[u8], &[u8])> {
    const WITHIN: &[&[u8]] =
        &[b"sess", b"token", b"auth", b"login", b"ticket", b"jwt", b"webvpn", b"nas_sid", b"dsid", b"user"];
    const EXACT: &[&[u8]] = &[b"id", b"sid", b"sessid", b"key", b"cookie", b"connect.sid", b"stok"];
    const NEVER: &[&[u8]] = &[b"csrf", b"xsrf", b"lang", b"theme", b"track"];
    let (name, rest) = text::split_once(set_cookie, b'=')?;
    let name = name.trim_ascii();
    let value = rest.split(|c| *c == b';').next().unwrap_or_default().trim_ascii();
    let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
    let is_session = EXACT.iter().any(|n| name.eq_ignore_ascii_case(n))
        || name.len() >= 3 && text::contains(name.get(name.len() - 3..)?, b"sid")
        || WITHIN.iter().any(|n| text::contains(name, n));
    if !is_session || NEVER.iter().any(|n| text::contains(name, n)) {
        return None;
    }
    let gone = [&b"max-age=0"[..], b"01 jan 1970", b"01-jan-1970"].iter().any(|w| text::contains(rest, w));
    (value.len() >= 4 && !value.eq_ignore_ascii_case(b"deleted") && !gone).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::super::http_form::tests::shown;
    use super::*;

    #[test]
    fn names_of_cookies_are_told_without_their_values() {
        assert_eq!(cookie_name(b"JSESSIONID=8F3A; Path=/"), Some(&b"JSESSIONID"[..]));
        for none in [&b"JSESSIONID"[..], b"=x", b"a=b", b"a b=c", &[b'a'; 100]] {
            assert_eq!(cookie_name(none), None);
        }
    }

    #[test]
    fn a_key_without_a_scheme_is_not_shown_as_one() {
        assert_eq!(scheme(b"Basic dTpw"), Some(b"Basic".as_slice()));
        assert_eq!(scheme(b" AWS4-HMAC-SHA256 Credential=a"), Some(b"AWS4-HMAC-SHA256".as_slice()));
        for secret in [b"5f4dcc3b5aa765d6".as_slice(), b"Basic$dTpw x", b"key=5f4dcc3b5 x", b"", b"Basic "] {
            assert_eq!(scheme(secret), None, "{}", secret.escape_ascii());
        }
    }

    #[test]
    fn authorization_fields() {
        for (value, want) in [
            ("Basic YWRtaW46cGE6c3M=", "basic admin pa:ss"),
            ("basic  Og==", "basic  "),
            ("Basic !!!", "none"),
            ("Basic YWRtaW4=", "none"),
            (r#"Digest username="Su\"san", realm="a, b", uri="/", response=6e33ca"#, "digest Su\"san 6e33ca"),
            ("Bearer abc.def", "bearer - abc.def"),
            ("ApiKey s3cr3t", "api-key - s3cr3t"),
            ("5f4dcc3b5aa765d61d8327deb882cf99", "api-key - 5f4dcc3b5aa765d61d8327deb882cf99"),
            ("AWS4-HMAC-SHA256 Credential=AKID/2026/s3, SignedHeaders=h, Signature=f0", "aws-signature AKID f0"),
            ("AWS AKID:c2ln", "aws-signature AKID c2ln"),
            ("SharedKey acc:c2ln", "shared-key acc c2ln"),
            ("Negotiate YII=", "none"),
            (r#"Hawk id="x", mac="m""#, "hawk x m"),
            ("Other id=x", "none"),
            ("", "none"),
        ] {
            assert_eq!(shown(authorization(value.as_bytes(), b"GET", None)), want, "{value}");
        }
    }

    #[test]
    fn a_digest_can_be_tested() {
        let value = br#"Digest username="a", realm="r", nonce="n", uri="/u", response="00""#;
        let found = authorization(value, b"PUT", None).unwrap();
        let Some(Proof::Digest(d)) = found.held.as_ref().map(Held::proof) else { panic!("a digest") };
        assert_eq!((d.method, d.uri, d.nonce), (&b"PUT"[..], &b"/u"[..], &b"n"[..]));
    }

    #[test]
    fn cookies_of_sessions() {
        for (field, want) in [
            ("PHPSESSID=abcd1234; path=/", Some("PHPSESSID")),
            ("NAS_SID=abcd1234", Some("NAS_SID")),
            ("connect.sid=s%3Aabcd", Some("connect.sid")),
            ("lang=de-user", None),
            ("csrf_token=abcd1234", None),
            ("_ga=GA1.2.3", None),
            ("session=deleted; expires=Thu, 01 Jan 1970 00:00:00 GMT", None),
            ("session=", None),
        ] {
            let name = session_cookie(field.as_bytes()).map(|c| String::from_utf8_lossy(c.0).into_owned());
            assert_eq!(name.as_deref(), want, "{field}");
        }
    }

    #[test]
    fn fields_that_carry_keys() {
        assert!(is_key_field(b"X-API-Key") && is_key_field(b"apikey") && !is_key_field(b"X-Request-Id"));
    }
}
