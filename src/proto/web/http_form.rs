//! Login forms: user name and password in the body of a request or in the query of its address.

use super::http_keys::{KEY_BYTES_MAX, is_exact_password_key, is_password_key, is_switch, token_key, user_key_rank};
use super::http_login::Found;
use super::{http_soap as soap, http_xml as xml};
use crate::base::limits;
use crate::base::secret::SecretBuf;
use crate::proto::api::SecretKind;
use crate::proto::digest::unescape;
use crate::proto::text;
use crate::signature::forms::{self, Encoding};

/// How the body of a request is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// `application/x-www-form-urlencoded`.
    UrlEncoded,
    /// `multipart/form-data` with its boundary.
    Multipart(Vec<u8>),
    /// JSON.
    Json,
    /// XML, plain or SOAP.
    Xml,
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
        } else if media.eq_ignore_ascii_case(b"application/json") || media.ends_with(b"+json") {
            Some(Self::Json)
        } else {
            let is_xml = [&b"text/xml"[..], b"application/xml"].iter().any(|m| media.eq_ignore_ascii_case(m));
            (is_xml || media.ends_with(b"+xml")).then_some(Self::Xml)
        }
    }

    /// The login in a body, or in as much of one as was kept, that was sent to an address.
    pub fn login(&self, uri: &[u8], body: &[u8]) -> Option<Found> {
        let mut fields = Fields::of(uri);
        match self {
            Self::UrlEncoded => fields.url_encoded(body),
            Self::Multipart(boundary) => fields.multipart(body, boundary),
            // Some pages send a form as if it were JSON, or the other way round.
            Self::Json if body.trim_ascii_start().starts_with(b"{") || body.trim_ascii_start().starts_with(b"[") => {
                if let Some(session) = list_login(body) {
                    return Some(session);
                }
                fields.json(body);
            }
            Self::Json => fields.url_encoded(body),
            Self::Xml => return soap::login(body).or_else(|| xml_login(body, fields)),
        }
        fields.found()
    }
}

pub(super) fn parameter_of_type<'a>(parameters: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    parameters.split(|c| *c == b';').find_map(|p| {
        let (key, value) = text::split_once(p, b'=')?;
        let value = value.trim_ascii();
        let value = value.strip_prefix(b"\"").map_or(value, |v| v.split(|c| *c == b'"').next().unwrap_or_default());
        key.trim_ascii().eq_ignore_ascii_case(name).then_some(value)
    })
}

/// The login in the user information of a whole address (RFC 3986, section 3.2.1), as some clients send it
/// to a proxy.
pub fn address_login(uri: &[u8]) -> Option<Found> {
    let at = memchr::memmem::find(uri.get(..9).unwrap_or(uri), b"://")?;
    let authority = uri.get(at + 3..)?.split(|c| matches!(c, b'/' | b'?' | b'#')).next()?;
    let information = authority.get(..memchr::memrchr(b'@', authority)?)?;
    let (user, password) = text::split_once(information, b':')?;
    let decoded = |part: &[u8]| text::percent(part, false, limits::SECRET_BYTES_MAX);
    Some(Found { user: Some(decoded(user)), secret: Some(SecretBuf::new(&decoded(password))), ..Found::of("url") })
}

/// The login in the query of an address.
pub fn query_login(uri: &[u8]) -> Option<Found> {
    let (_, query) = text::split_once(uri, b'?')?;
    let mut fields = Fields::of(uri);
    fields.url_encoded(query);
    fields.found().or_else(|| token(query))
}

/// The token or key of a program's interface among the parameters of an address (RFC 6750, section 2.3).
fn token(query: &[u8]) -> Option<Found> {
    let query = query.split(|c| *c == b'#').next()?;
    let value = query.split(|c| matches!(c, b'&' | b';')).take(FIELDS_MAX).find_map(|pair| {
        let (key, value) = text::split_once(pair, b'=')?;
        (value.len() >= TOKEN_BYTES_MIN && token_key(&text::percent(key, true, KEY_BYTES_MAX))).then_some(value)
    })?;
    let secret = SecretBuf::new(&text::percent(value, true, limits::SECRET_BYTES_MAX));
    Some(Found { secret: Some(secret), kind: SecretKind::Token, ..Found::of("url") })
}

/// Bytes of the shortest token in an address; what is shorter is a count or a name.
const TOKEN_BYTES_MIN: usize = 8;

/// A login over JSON-RPC whose method `login` takes user and password as a bare list (LuCI's `/rpc/auth`).
fn list_login(body: &[u8]) -> Option<Found> {
    let value_of = |name: &[u8]| {
        let at = memchr::memmem::find(body, name)?;
        body.get(at + name.len()..)?.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start)
    };
    value_of(b"\"method\"").filter(|m| m.starts_with(b"\"login\""))?;
    let list = value_of(b"\"params\"")?.strip_prefix(b"[")?;
    let (user, rest) = json_string(list)?;
    let (password, _) = json_string(rest.trim_ascii_start().strip_prefix(b",")?)?;
    let secret = Some(SecretBuf::new(&password));
    Some(Found { user: Some(user), secret, ..Found::of("form") })
}

/// A text at the front, and what follows it.
fn json_string(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let inner = text.trim_ascii_start().strip_prefix(b"\"")?;
    let mut escaped = false;
    let end = inner.iter().position(|c| {
        let end = *c == b'"' && !escaped;
        escaped = *c == b'\\' && !escaped;
        end
    })?;
    Some((unescape(inner.get(..end)?), inner.get(end + 1..)?))
}

/// User and password as elements of an XML document (HNAP, ISAPI, XML-RPC of devices).
fn xml_login(body: &[u8], mut fields: Fields) -> Option<Found> {
    xml::elements(body, &mut |name, value| fields.take(name, &|| xml::unescaped(value)));
    let mut found = fields.found()?;
    // HNAP and ISAPI send the answer to a challenge in the password element of their login.
    let has = |mark: &[u8]| memchr::memmem::find(body, mark).is_some();
    let challenge = has(b"<SessionLogin") || has(b"HNAP1") && has(b"<LoginPassword");
    if challenge {
        found.kind = SecretKind::ChallengeResponse;
    }
    Some(found)
}

/// Fields of a form that may be user name and password.
#[derive(Default)]
struct Fields {
    user: Option<(u8, Vec<u8>)>,
    password: Option<Vec<u8>>,
    /// The forms of devices that are sent to this address.
    known: Vec<&'static forms::Form>,
    /// What those made of it.
    known_user: Option<Vec<u8>>,
    known_password: Option<(Vec<u8>, forms::Encoding)>,
}

/// Fields of one form that are looked at.
const FIELDS_MAX: usize = 256;

impl Fields {
    fn of(uri: &[u8]) -> Self {
        let path = uri.split(|c| matches!(c, b'?' | b'#')).next().unwrap_or_default();
        Self { known: forms::of_path(path).collect(), ..Self::default() }
    }

    fn take(&mut self, key: &[u8], value: &dyn Fn() -> Vec<u8>) {
        for form in &self.known {
            if self.known_user.is_none() && form.is_user(key) {
                let sent = value();
                let decoded = if form.user_encoding == Encoding::Base64 { text::base64(&sent) } else { None };
                self.known_user = Some(decoded.unwrap_or(sent)).filter(|u| !u.is_empty());
            } else if self.known_password.is_none() && form.is_password(key) {
                self.known_password = Some((value(), form.password_encoding)).filter(|p| !p.0.is_empty());
            }
        }
        if self.password.is_none() && is_password_key(key) {
            // A page may tell with a field of such a name whether there is a password: the next may be it.
            let value = value();
            let is_word = is_exact_password_key(key) || !is_switch(&value);
            if !value.trim_ascii().is_empty() && is_word {
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
        let user = self.known_user.or(self.user.map(|u| u.1));
        let (typed, kind) = match (self.known_password, self.password) {
            (Some((sent, Encoding::Base64)), _) => (text::base64(&sent).unwrap_or(sent), SecretKind::Password),
            (Some((sent, Encoding::Challenge)), _) => (sent, SecretKind::ChallengeResponse),
            // A hash that is sent in place of the password is as good as it.
            (Some((sent, Encoding::Md5)), _) => (sent, SecretKind::Token),
            // Nobody logs in with one letter and no name, nor with what a button or a box sends.
            (None, Some(sent)) if user.is_none() && (sent.len() < 2 || is_switch(&sent)) => return None,
            (Some((sent, Encoding::Plain)), _) | (None, Some(sent)) => {
                // Scripts of some devices wrap what was typed.
                let kind = if is_md5(&sent) { SecretKind::Token } else { SecretKind::Password };
                (wrapped(&sent).filter(|_| kind == SecretKind::Password).unwrap_or(sent), kind)
            }
            (None, None) => return None,
        };
        Some(Found { user, secret: Some(SecretBuf::new(&typed)), kind, ..Found::of("form") })
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

/// Whether a text looks like an MD5 hash in hexadecimal: nobody types that.
fn is_md5(text: &[u8]) -> bool {
    text.len() == 32
        && text.iter().all(u8::is_ascii_hexdigit)
        && text.iter().any(u8::is_ascii_digit)
        && text.iter().any(u8::is_ascii_alphabetic)
}

/// What a Base64 text holds, where it is long enough not to be one by chance and holds nothing but
/// printable ASCII: of a thousand random words of eight letters three would, of longer ones fewer.
fn wrapped(text: &[u8]) -> Option<Vec<u8>> {
    let whole = text.len() >= 8 && text.len().is_multiple_of(4);
    let inner = text::base64(text).filter(|_| whole)?;
    inner.iter().all(|c| matches!(c, 0x20..=0x7e)).then_some(inner)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn shown(found: Option<Found>) -> String {
        let Some(f) = found else { return "none".to_owned() };
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        let user = f.user.as_deref().map_or("-".to_owned(), text);
        let secret = f.secret.as_ref().map_or("-".to_owned(), |s| text(s.borrow().expose()));
        format!("{} {user} {secret}", f.mechanism)
    }

    #[test]
    fn forms() {
        let form = |t: &str, b: &str| shown(Form::of(t.as_bytes()).and_then(|f| f.login(b"/login", b.as_bytes())));
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
        assert_eq!(shown(query_login(b"/x?a=1&access_token=abcdefgh#y")), "url - abcdefgh");
        assert_eq!(shown(query_login(b"/x?apikey=abcd%41efgh")), "url - abcdAefgh");
        assert_eq!(shown(query_login(b"/x?token=3&tokens=abcdefgh")), "none");
        assert_eq!(shown(address_login(b"http://u:p%40q@host/a@b")), "url u p@q");
        assert_eq!(shown(address_login(b"http://host/u:p@x")), "none");
    }

    #[test]
    fn fields_about_a_password_are_none() {
        let form = |b: &str| shown(Form::UrlEncoded.login(b"/x", b.as_bytes()));
        for body in [
            "forgot_password=1",
            "user=a&show_password=true",
            "user=a&change_password=Save",
            "user=a&btnResetPassword=Go",
            "password_length=12",
            "passwordless=1",
            "user=a&password=++",
            "password=x",
            "pwd=true",
            "user=a&adminPassword=false",
        ] {
            assert_eq!(form(body), "none", "{body}");
        }
        assert_eq!(form("show_password=on&user=a&password=abc"), "form a abc");
        assert_eq!(form("user=a&wifiPassword=off&adminPassword=abc"), "form a abc");
        assert_eq!(form("user=a&password=1"), "form a 1");
        assert_eq!(form("confirmPassword=abc&this_password=b"), "form - abc");
        let xml = |b: &str| shown(Form::Xml.login(b"/HNAP1/", b.as_bytes()));
        let settings = "<SetDeviceSettings xmlns='http://purenetworks.com/HNAP1/'><ChangePassword>false</ChangePassword>\
                        <SetPasswordRequired>true</SetPasswordRequired>";
        assert_eq!(xml(settings), "none");
        assert_eq!(xml(&format!("{settings}<AdminPassword>abc</AdminPassword>")), "form - abc");
    }

    #[test]
    fn forms_of_devices() {
        let form = |uri: &str, body: &str| shown(Form::UrlEncoded.login(uri.as_bytes(), body.as_bytes()));
        let ricoh = "/web/guest/en/websys/webArch/login.cgi";
        assert_eq!(form(ricoh, "wimToken=1&userid=YWRtaW4%3D&password=c2VjcmV0"), "form admin secret");
        assert_eq!(form("/cgi-bin/wlogin.cgi", "aa=YWRtaW4=&ab=YWRtaW4="), "form admin admin");
        assert_eq!(form("/Forms/login1", "login_username=apc&login_password=apc&submit=Log+On"), "form apc apc");
        assert_eq!(shown(query_login(b"/aj.html?a=command&cmd=check_login&p1=admin&p2=admin")), "form admin admin");
        let hashed = Form::UrlEncoded.login(b"/x", b"user=a&password=5f4dcc3b5aa765d61d8327deb882cf99").unwrap();
        assert_eq!(hashed.kind, SecretKind::Token, "as good as a password, and not one");
        let answer = Form::UrlEncoded.login(b"/login_sid.lua", b"username=fritz&response=1-2").unwrap();
        assert_eq!(answer.kind, SecretKind::ChallengeResponse);
    }

    #[test]
    fn logins_in_json_rpc_and_xml() {
        let json = |b: &str| shown(Form::Json.login(b"/", b.as_bytes()));
        let ubus = r#"{"jsonrpc":"2.0","id":1,"method":"call","params":["0000","session","login",{"username":"root","password":"pw"}]}"#;
        assert_eq!(json(ubus), "form root pw");
        assert_eq!(json(r#"{"id":1,"method":"login","params":["root","pw"]}"#), "form root pw");
        assert_eq!(json(r#"user=a&pass=b"#), "form a b");
        let xml = |b: &str| shown(Form::Xml.login(b"/", b.as_bytes()));
        assert_eq!(xml("<r><UserName>a</UserName><Password>b&amp;c</Password></r>"), "form a b&c");
        assert_eq!(xml("<r><x>a</x></r>"), "none");
    }
}
