//! Secrets in HTTP: authorization fields (RFC 9110, section 11; RFC 7617; RFC 7616; RFC 6750), login
//! forms, and secrets in addresses that must be blanked.

use std::borrow::Cow;

use crate::base::limits;
use crate::base::secret::{BLANK, SecretBuf};
use crate::proto::api::SecretKind;
use crate::proto::digest::{parameter, unescape};
use crate::proto::{ntlm, text};

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

/// The login in the value of an `Authorization` or `Proxy-Authorization` field.
pub fn authorization(value: &[u8]) -> Option<Found> {
    let (scheme, rest) = text::word(value.trim_ascii());
    let (mechanism, user, secret, kind) = if scheme.eq_ignore_ascii_case(b"basic") {
        let decoded = text::base64(rest)?;
        let (user, password) = text::split_once(&decoded, b':')?;
        ("basic", Some(user.to_vec()), Some(SecretBuf::new(password)), SecretKind::Password)
    } else if scheme.eq_ignore_ascii_case(b"digest") {
        let user = parameter(rest, b"username")?;
        let response = parameter(rest, b"response").map(|r| SecretBuf::new(&r));
        ("digest", Some(user.into_owned()), response, SecretKind::ChallengeResponse)
    } else if scheme.eq_ignore_ascii_case(b"bearer") || scheme.eq_ignore_ascii_case(b"token") {
        ("bearer", None, Some(SecretBuf::new(rest)).filter(|_| !rest.is_empty()), SecretKind::Token)
    } else if scheme.eq_ignore_ascii_case(b"ntlm") || scheme.eq_ignore_ascii_case(b"negotiate") {
        let token = text::base64(rest)?;
        let ntlm::Message::Authenticate(answer) = ntlm::find(&token)? else { return None };
        ("ntlm", Some(answer.username), None, SecretKind::ChallengeResponse)
    } else {
        return None;
    };
    Some(Found { mechanism, user, secret, kind })
}

/// How the body of a request is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// `application/x-www-form-urlencoded`.
    UrlEncoded,
    /// `multipart/form-data` with its boundary.
    Multipart(Vec<u8>),
    /// JSON.
    Json,
}

impl Form {
    /// From the value of `Content-Type`.
    pub fn of(content_type: &[u8]) -> Option<Self> {
        let (media, parameters) = text::split_once(content_type, b';').unwrap_or((content_type, &[]));
        let media = media.trim_ascii();
        if media.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            Some(Self::UrlEncoded)
        } else if media.eq_ignore_ascii_case(b"multipart/form-data") {
            let boundary = parameter_of_type(parameters, b"boundary")?;
            (!boundary.is_empty() && boundary.len() <= 70).then(|| Self::Multipart(boundary.to_vec()))
        } else {
            (media.eq_ignore_ascii_case(b"application/json") || media.ends_with(b"+json")).then_some(Self::Json)
        }
    }

    /// The login in a body, or in as much of one as was kept.
    pub fn login(&self, body: &[u8]) -> Option<Found> {
        let mut fields = Fields::default();
        match self {
            Self::UrlEncoded => fields.url_encoded(body),
            Self::Multipart(boundary) => fields.multipart(body, boundary),
            Self::Json => fields.json(body),
        }
        fields.found()
    }
}

fn parameter_of_type<'a>(parameters: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    parameters.split(|c| *c == b';').find_map(|p| {
        let (key, value) = text::split_once(p, b'=')?;
        let value = value.trim_ascii();
        let value = value.strip_prefix(b"\"").map_or(value, |v| v.split(|c| *c == b'"').next().unwrap_or_default());
        key.trim_ascii().eq_ignore_ascii_case(name).then_some(value)
    })
}

/// The login in the query of an address.
pub fn query_login(uri: &[u8]) -> Option<Found> {
    let (_, query) = text::split_once(uri, b'?')?;
    let mut fields = Fields::default();
    fields.url_encoded(query);
    fields.found()
}

/// Fields of a form that may be user name and password.
#[derive(Default)]
struct Fields {
    user: Option<(u8, Vec<u8>)>,
    password: Option<Vec<u8>>,
}

/// Fields of one form that are looked at.
const FIELDS_MAX: usize = 256;

impl Fields {
    fn take(&mut self, key: &[u8], value: &dyn Fn() -> Vec<u8>) {
        if self.password.is_none() && is_password_key(key) {
            let value = value();
            if !value.is_empty() {
                self.password = Some(value);
            }
        } else if let Some(rank) = user_key_rank(key)
            && self.user.as_ref().is_none_or(|(r, _)| rank < *r)
        {
            let value = value();
            if !value.is_empty() {
                self.user = Some((rank, value));
            }
        }
    }

    fn found(self) -> Option<Found> {
        let password = self.password?;
        // Scripts of some devices wrap what was typed.
        let typed = wrapped(&password).unwrap_or(password);
        let secret = Some(SecretBuf::new(&typed));
        Some(Found { mechanism: "form", user: self.user.map(|u| u.1), secret, kind: SecretKind::Password })
    }

    fn url_encoded(&mut self, body: &[u8]) {
        let body = text::split_once(body, b'#').map_or(body, |(before, _)| before);
        for pair in body.split(|c| matches!(c, b'&' | b';')).take(FIELDS_MAX) {
            if let Some((key, value)) = text::split_once(pair.trim_ascii(), b'=') {
                let key = text::percent(key, true, KEY_BYTES_MAX);
                self.take(&key, &|| text::percent(value, true, limits::SECRET_BYTES_MAX));
            }
        }
    }

    fn multipart(&mut self, body: &[u8], boundary: &[u8]) {
        let delimiter = [b"--", boundary].concat();
        let ends: Vec<usize> = memchr::memmem::find_iter(body, &delimiter).take(FIELDS_MAX).collect();
        for (n, at) in ends.iter().enumerate() {
            let end = ends.get(n + 1).copied().unwrap_or(body.len());
            let part = body.get(at + delimiter.len()..end).unwrap_or_default();
            let Some(split) = memchr::memmem::find(part, b"\r\n\r\n") else { continue };
            let (head, value) = part.split_at(split);
            let value = value.get(4..).unwrap_or_default();
            let value = value.strip_suffix(b"\r\n").unwrap_or(value);
            let Some(key) = head.split(|c| *c == b'\n').find_map(|line| parameter_of_type(line, b"name")) else {
                continue;
            };
            self.take(key, &|| value.get(..limits::SECRET_BYTES_MAX).unwrap_or(value).to_vec());
        }
    }

    /// Pairs of strings at any depth. No JSON parser: the body may be cut.
    fn json(&mut self, body: &[u8]) {
        let mut rest = body;
        let mut key: Option<&[u8]> = None;
        for _ in 0..FIELDS_MAX {
            let Some((between, tail)) = text::split_once(rest, b'"') else { return };
            let is_value = key.is_some() && between.trim_ascii() == b":";
            let mut escaped = false;
            let end = tail.iter().position(|c| {
                let end = *c == b'"' && !escaped;
                escaped = *c == b'\\' && !escaped;
                end
            });
            let Some(end) = end else { return };
            let (string, after) = tail.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            match key.filter(|_| is_value) {
                Some(name) => {
                    self.take(name, &|| unescape(string.get(..limits::SECRET_BYTES_MAX).unwrap_or(string)));
                    key = None;
                }
                None => key = Some(string),
            }
        }
    }
}

/// What a Base64 text holds, where it is long enough not to be one by chance and holds nothing but
/// printable ASCII: of a thousand random words of eight letters three would, of longer ones fewer.
fn wrapped(text: &[u8]) -> Option<Vec<u8>> {
    let whole = text.len() >= 8 && text.len().is_multiple_of(4);
    let inner = text::base64(text).filter(|_| whole)?;
    inner.iter().all(|c| matches!(c, 0x20..=0x7e)).then_some(inner)
}

/// Bytes of a form field's name that are looked at.
const KEY_BYTES_MAX: usize = 64;

/// The last part of a field's name: `user[password]`, `login.password`, `ctl00$Password`.
fn last_part(key: &[u8]) -> &[u8] {
    let key = key.strip_suffix(b"]").unwrap_or(key);
    key.rsplit(|c| matches!(c, b'[' | b'.' | b'$' | b':' | b'/')).next().unwrap_or(key)
}

/// Whether a field of this name holds a password.
pub fn is_password_key(key: &[u8]) -> bool {
    const EXACT: &[&[u8]] = &[
        b"pass",
        b"pwd",
        b"pw",
        b"psw",
        b"passwort",
        b"kennwort",
        b"senha",
        b"clave",
        b"contrasena",
        b"mdp",
        b"motdepasse",
        b"passphrase",
        b"passcode",
        b"userpw",
        b"loginpw",
        b"pswd",
        b"psd",
        b"wachtwoord",
        b"haslo",
        b"loginpas",
    ];
    const WITHIN: &[&[u8]] =
        &[b"password", b"passwd", b"userpass", b"loginpass", b"user_pass", b"userpwd", b"loginpwd"];
    let key = last_part(key);
    // A repetition or a hint is not the password that is used.
    !text::contains(key, b"hint")
        && (EXACT.iter().any(|k| key.eq_ignore_ascii_case(k))
            || WITHIN.iter().any(|k| text::contains(key, k))
            || [b"_pass".as_slice(), b"_pwd", b"-pwd", b"_pw"].iter().any(|k| {
                key.len() >= k.len() && text::starts_with(key.get(key.len() - k.len()..).unwrap_or_default(), k)
            }))
}

/// How well a field's name fits a user name; lower is better.
fn user_key_rank(key: &[u8]) -> Option<u8> {
    const EXACT: &[&[u8]] = &[
        b"username",
        b"user_name",
        b"user",
        b"login",
        b"userid",
        b"user_id",
        b"loginname",
        b"login_name",
        b"benutzername",
        b"benutzer",
        b"usuario",
        b"usr",
        b"uname",
        b"account",
        b"uid",
        b"log",
        b"email",
        b"e-mail",
        b"mail",
        b"name",
        b"id",
    ];
    const WITHIN: &[&[u8]] = &[b"username", b"user", b"login", b"email"];
    let key = last_part(key);
    let exact = EXACT.iter().position(|k| key.eq_ignore_ascii_case(k));
    let within = || WITHIN.iter().position(|k| text::contains(key, k)).map(|n| n + EXACT.len());
    exact.or_else(within).and_then(|n| u8::try_from(n).ok())
}

/// Whether the value of this query parameter is a secret that no table should show.
fn is_secret_key(key: &[u8]) -> bool {
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

    fn shown(found: Option<Found>) -> String {
        let Some(f) = found else { return "none".to_owned() };
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        let user = f.user.as_deref().map_or("-".to_owned(), text);
        let secret = f.secret.as_ref().map_or("-".to_owned(), |s| text(s.borrow().expose()));
        format!("{} {user} {secret}", f.mechanism)
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
            ("Negotiate YII=", "none"),
            ("Hawk id=x", "none"),
            ("", "none"),
        ] {
            assert_eq!(shown(authorization(value.as_bytes())), want, "{value}");
        }
    }

    #[test]
    fn forms() {
        let form = |t: &str, b: &str| shown(Form::of(t.as_bytes()).and_then(|f| f.login(b.as_bytes())));
        let encoded = "application/x-www-form-urlencoded; charset=UTF-8";
        assert_eq!(form(encoded, "user=a%40b&password=p%26q+r&x=1"), "form a@b p&q r");
        assert_eq!(form(encoded, "ServerId=1&Email=Q&Passwd=B"), "form Q B");
        assert_eq!(form(encoded, "log=w&pwd=s&submit=1"), "form w s");
        assert_eq!(form(encoded, "user%5Blogin%5D=w&user%5Bpassword%5D=s"), "form w s");
        assert_eq!(form(encoded, "q=password"), "none");
        assert_eq!(form(encoded, "user=a&pwd=aHVudGVyMg%3D%3D"), "form a hunter2");
        assert_eq!(form(encoded, "user=a&pwd=password"), "form a password");
        assert_eq!(form(encoded, "compass=north&bypass=1"), "none");
        assert_eq!(form("application/json", r#"{"a":{"username":"u\"x","n":1,"password":"p"}}"#), "form u\"x p");
        assert_eq!(form("application/json", r#"["password","x"]"#), "none");
        let parts = "--B\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nu\r\n\
             --B\r\nContent-Disposition: form-data; name=\"pass\"\r\n\r\np\r\n--B--\r\n";
        assert_eq!(form("multipart/form-data; boundary=B", parts), "form u p");
        assert_eq!(form("text/plain", "password=x"), "none");
        assert_eq!(shown(query_login(b"/login?ID=K&PASSWORD=0#x")), "form K 0");
        assert_eq!(shown(query_login(b"/login")), "none");
    }

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
