//! Heads of HTTP/1 messages (RFC 9112): which fields matter and how the body behind is framed.

use std::mem::MaybeUninit;

use super::http_body::Coding;
use super::http_login::{cookie_name, is_key_field, session_cookie};
use crate::base::{Addr, limits};
use crate::fingerprint::npf;
use crate::proto::digest::parameter;
use crate::proto::ntlm;
use crate::proto::text;

/// How the end of a body is told (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
    /// The connection ends with it.
    UntilClose,
}

impl Framing {
    /// Bytes of the body as announced; 0 where they have to be counted.
    pub const fn announced(self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Length(n) => Some(n),
            Self::Chunked | Self::UntilClose => Some(0),
        }
    }
}

const fn spelled(minor: u8) -> &'static str {
    if minor == 0 { "1.0" } else { "1.1" }
}

/// Scheme and realm that a server asks for a login with.
pub type Challenge<'a> = (&'a [u8], Option<std::borrow::Cow<'a, [u8]>>);

/// What matters of a request's head.
#[derive(Default, Clone, Copy)]
#[allow(missing_docs)] // names of header fields
pub struct RequestHead<'a> {
    pub method: &'a [u8],
    pub uri: &'a [u8],
    /// `1.0` or `1.1`: the last digit.
    pub minor: u8,
    pub host: Option<&'a [u8]>,
    pub user_agent: Option<&'a [u8]>,
    pub referrer: Option<&'a [u8]>,
    pub content_type: Option<&'a [u8]>,
    pub authorization: Option<&'a [u8]>,
    pub proxy_authorization: Option<&'a [u8]>,
    /// Values of fields that carry keys or tokens of their own.
    pub keys: [Option<&'a [u8]>; 2],
    /// The field that says that somebody passed it on, see [`forwarded`].
    pub forwarded: Option<&'static str>,
    pub coding: Coding,
    /// Whether fields were passed over because there are too many.
    pub cut: bool,
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
}

impl std::fmt::Debug for RequestHead<'_> {
    /// Without address, keys and logins.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let method = String::from_utf8_lossy(self.method);
        let mut f = f.debug_struct("RequestHead");
        f.field("method", &method).field("minor", &self.minor).field("length", &self.length);
        f.field("chunked", &self.chunked).field("cut", &self.cut).finish_non_exhaustive()
    }
}

/// What matters of a response's head.
#[derive(Debug, Default, Clone, Copy)]
#[allow(missing_docs)] // names of header fields
pub struct ResponseHead<'a> {
    pub status: u16,
    pub minor: u8,
    pub reason: &'a [u8],
    pub server: Option<&'a [u8]>,
    pub content_type: Option<&'a [u8]>,
    pub location: Option<&'a [u8]>,
    pub challenges: [Option<&'a [u8]>; 4],
    pub upgrade: Option<&'a [u8]>,
    /// Name of the first cookie that it sets: which one tells the software.
    pub cookie: Option<&'a [u8]>,
    /// Name of the last one, where there are several: who passes an answer on adds his behind.
    pub last_cookie: Option<&'a [u8]>,
    /// Value of the cookie that begins a session, where one does.
    pub session: Option<&'a [u8]>,
    pub coding: Coding,
    /// Whether fields were passed over because there are too many.
    pub cut: bool,
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
}

/// The name of a field that proxies add to requests that they pass on: `Forwarded` (RFC 7239), its forerunner
/// `X-Forwarded-For`, and `Via` (RFC 9110, section 7.6.3). One that names nobody but the sender's own host says nothing:
/// clients write `127.0.0.1` there to be taken for an administrator.
pub fn forwarded(name: &[u8], value: &[u8]) -> Option<&'static str> {
    let field = mark(name)?;
    let mut clients = value.split(|c| matches!(c, b',' | b';')).filter_map(|part| node(field, part.trim_ascii()));
    let makes_sense = match field {
        "via" => !value.trim_ascii().is_empty(),
        _ => clients.any(|client| client.is_none_or(stands_for_a_host)),
    };
    Some(field).filter(|_| makes_sense)
}

/// The field of [`forwarded`] that has this name.
fn mark(name: &[u8]) -> Option<&'static str> {
    let field = match name.len() {
        3 => "via",
        9 => "forwarded",
        15 => "x-forwarded-for",
        _ => return None,
    };
    Some(field).filter(|field| name.eq_ignore_ascii_case(field.as_bytes()))
}

/// Whether a request can have come from an address.
fn stands_for_a_host(ip: Addr) -> bool {
    !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast() && ip != Addr::v4([255; 4])
}

/// Who is named as a client in a part of a field: `Some(None)` where a name stands for him that says nothing to others
/// (`unknown`, `_secret`: RFC 7239, section 6). In `Forwarded` he stands behind `for=`.
fn node(field: &str, part: &[u8]) -> Option<Option<Addr>> {
    let text = match field {
        "forwarded" => {
            let (name, value) = text::split_once(part, b'=')?;
            Some(value).filter(|_| name.trim_ascii().eq_ignore_ascii_case(b"for"))?
        }
        _ => part,
    };
    let text = std::str::from_utf8(text).ok()?.trim().trim_matches('"');
    if text.starts_with('_') || text.eq_ignore_ascii_case("unknown") {
        return Some(None);
    }
    // With or without a port; an IPv6 address may stand in brackets.
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None if text.matches(':').count() == 1 => text.split(':').next()?,
        None => text,
    };
    bare.parse().ok().map(Some)
}

/// Where the head that `bytes` begin with ends, looked for from `scanned` on, which is moved.
pub fn end(bytes: &[u8], scanned: &mut usize) -> Option<usize> {
    let mut from = *scanned;
    while let Some(at) = memchr::memchr(b'\n', bytes.get(from..)?).map(|at| from + at) {
        match bytes.get(at + 1..) {
            Some([b'\n', ..]) => return Some(at + 2),
            Some([b'\r', b'\n', ..]) => return Some(at + 3),
            Some([] | [b'\r']) | None => {
                *scanned = at;
                return None;
            }
            Some(_) => from = at + 1,
        }
    }
    *scanned = bytes.len();
    None
}

/// The last digit of a version, whose letters some servers write small.
fn minor(version: &[u8]) -> Option<u8> {
    match version.split_at_checked(7)? {
        (name, [digit @ b'0'..=b'9']) if name.eq_ignore_ascii_case(b"HTTP/1.") => Some(digit - b'0'),
        _ => None,
    }
}

fn config() -> httparse::ParserConfig {
    let mut config = httparse::ParserConfig::default();
    config
        .allow_multiple_spaces_in_request_line_delimiters(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_space_before_first_header_name(true)
        .ignore_invalid_headers_in_requests(true)
        .ignore_invalid_headers_in_responses(true);
    config
}

impl<'a> RequestHead<'a> {
    /// Reads a whole head.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut headers = [const { MaybeUninit::uninit() }; limits::HTTP_HEADERS_MAX];
        let mut request = httparse::Request::new(&mut []);
        let status = config().parse_request_with_uninit_headers(&mut request, bytes, &mut headers);
        if !matches!(status, Ok(httparse::Status::Complete(_))) {
            return Self::parse_leniently(bytes);
        }
        let (method, uri) = (request.method?.as_bytes(), request.path?.as_bytes());
        let mut head = Self { method, uri, minor: request.version?, ..Self::default() };
        for header in request.headers.iter() {
            head.field(header.name.as_bytes(), header.value);
        }
        Some(head)
    }

    /// NPF string of a head that can be read as the standard says.
    pub fn npf(bytes: &[u8]) -> Option<String> {
        let mut headers = [const { MaybeUninit::uninit() }; limits::HTTP_HEADERS_MAX];
        let mut request = httparse::Request::new(&mut []);
        let status = config().parse_request_with_uninit_headers(&mut request, bytes, &mut headers).ok()?;
        if !status.is_complete() {
            return None;
        }
        let version = [b"HTTP/1.", &[b'0' + request.version?][..]].concat();
        let fields = request.headers.iter().map(|h| (h.name.as_bytes(), h.value));
        Some(npf::http(request.method?.as_bytes(), &version, fields)).filter(|s| s.len() <= limits::NPF_BYTES_MAX)
    }

    /// Attackers and simple devices send what no library takes (blanks in the address, odd bytes in
    /// fields): split at blanks and colons.
    fn parse_leniently(bytes: &'a [u8]) -> Option<Self> {
        let mut lines = bytes.split(|c| *c == b'\n');
        let line = lines.next()?.trim_ascii_end();
        let (method, rest) = text::word(line);
        let blank = memchr::memrchr(b' ', rest)?;
        let (uri, version) = rest.split_at(blank);
        let minor = minor(version.trim_ascii())?;
        let token = |c: &u8| c.is_ascii_graphic();
        if method.is_empty() || method.len() > 32 || !method.iter().all(token) {
            return None;
        }
        let mut head = Self { method, uri, minor, ..Self::default() };
        for line in lines.by_ref().take(limits::HTTP_HEADERS_MAX) {
            if let Some((name, value)) = text::split_once(line, b':') {
                head.field(name.trim_ascii(), value.trim_ascii());
            }
        }
        head.cut = lines.any(|l| l.contains(&b':'));
        Some(head)
    }

    fn field(&mut self, name: &[u8], value: &'a [u8]) {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        match name.len() {
            4 if is("host") => _ = self.host.get_or_insert(value),
            7 if is("referer") => _ = self.referrer.get_or_insert(value),
            10 if is("user-agent") => _ = self.user_agent.get_or_insert(value),
            12 if is("content-type") => _ = self.content_type.get_or_insert(value),
            13 if is("authorization") => _ = self.authorization.get_or_insert(value),
            16 if is("content-encoding") => self.coding = Coding::of(value),
            14 if is("content-length") => self.length = self.length.or(text::decimal(value.trim_ascii())),
            17 if is("transfer-encoding") => self.chunked |= text::contains(value, b"chunked"),
            19 if is("proxy-authorization") => _ = self.proxy_authorization.get_or_insert(value),
            3 | 9 | 15 if mark(name).is_some() => self.forwarded = self.forwarded.or_else(|| forwarded(name, value)),
            6.. if is_key_field(name) => put(&mut self.keys, value),
            _ => {}
        }
    }

    /// The version as the table spells it.
    pub const fn version(&self) -> &'static str {
        spelled(self.minor)
    }

    /// How its body is framed.
    pub fn framing(&self) -> Framing {
        match self.length {
            _ if self.chunked => Framing::Chunked,
            None | Some(0) => Framing::None,
            Some(n) => Framing::Length(n),
        }
    }
}

impl<'a> ResponseHead<'a> {
    /// Reads a whole head.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut headers = [const { MaybeUninit::uninit() }; limits::HTTP_HEADERS_MAX];
        let mut response = httparse::Response::new(&mut []);
        let status = config().parse_response_with_uninit_headers(&mut response, bytes, &mut headers);
        if !matches!(status, Ok(httparse::Status::Complete(_))) {
            return Self::parse_leniently(bytes);
        }
        let (status, minor) = (response.code?, response.version?);
        let mut head = Self { status, minor, reason: response.reason?.as_bytes(), ..Self::default() };
        for header in response.headers.iter() {
            head.field(header.name.as_bytes(), header.value);
        }
        Some(head)
    }

    fn parse_leniently(bytes: &'a [u8]) -> Option<Self> {
        let mut lines = bytes.split(|c| *c == b'\n');
        let (version, rest) = text::word(lines.next()?.trim_ascii_end());
        let minor = minor(version)?;
        let (status, reason) = text::word(rest);
        let status = text::decimal(status).and_then(|n| u16::try_from(n).ok()).filter(|n| (100..1000).contains(n))?;
        let mut head = Self { status, minor, reason, ..Self::default() };
        for line in lines.by_ref().take(limits::HTTP_HEADERS_MAX) {
            if let Some((name, value)) = text::split_once(line, b':') {
                head.field(name.trim_ascii(), value.trim_ascii());
            }
        }
        head.cut = lines.any(|l| l.contains(&b':'));
        Some(head)
    }

    fn field(&mut self, name: &[u8], value: &'a [u8]) {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        match name.len() {
            6 if is("server") => _ = self.server.get_or_insert(value),
            7 if is("upgrade") => _ = self.upgrade.get_or_insert(value),
            8 if is("location") => _ = self.location.get_or_insert(value),
            12 if is("content-type") => _ = self.content_type.get_or_insert(value),
            14 if is("content-length") => self.length = self.length.or(text::decimal(value.trim_ascii())),
            10 if is("set-cookie") => {
                match self.cookie {
                    None => self.cookie = cookie_name(value),
                    Some(_) => self.last_cookie = cookie_name(value).or(self.last_cookie),
                }
                self.session = self.session.or_else(|| session_cookie(value).map(|c| c.1));
            }
            16 if is("www-authenticate") => put(&mut self.challenges, value),
            16 if is("content-encoding") => self.coding = Coding::of(value),
            17 if is("transfer-encoding") => self.chunked |= text::contains(value, b"chunked"),
            18 if is("proxy-authenticate") => put(&mut self.challenges, value),
            _ => {}
        }
    }

    /// The version as the table spells it.
    pub const fn version(&self) -> &'static str {
        spelled(self.minor)
    }

    /// How its body is framed; `to_head` says that it answers a HEAD request.
    pub fn framing(&self, to_head: bool) -> Framing {
        match (self.status, self.length) {
            (100..=199 | 204 | 304, _) => Framing::None,
            _ if to_head => Framing::None,
            _ if self.chunked => Framing::Chunked,
            (_, Some(0)) => Framing::None,
            (_, Some(n)) => Framing::Length(n),
            (_, None) => Framing::UntilClose,
        }
    }

    /// Scheme and realm of the challenge: of the first one.
    pub fn challenge(&self) -> Option<Challenge<'a>> {
        let (scheme, rest) = text::word(self.challenges.iter().flatten().next()?);
        Some((scheme, parameter(rest, b"realm")))
    }

    /// What NTLM's server challenges with.
    pub fn ntlm(&self) -> Option<[u8; 8]> {
        self.challenges.iter().flatten().find_map(|challenge| {
            let (scheme, token) = text::word(challenge.trim_ascii());
            let named = [&b"ntlm"[..], b"negotiate"].iter().any(|n| scheme.eq_ignore_ascii_case(n));
            match ntlm::find(&text::base64(Some(token).filter(|t| named && !t.is_empty())?)?)? {
                ntlm::Message::Challenge(challenge) => Some(challenge.challenge),
                _ => None,
            }
        })
    }

    /// Whether the server says that an answer came too late (RFC 7616, section 3.3).
    pub fn is_stale(&self) -> bool {
        let stale = |c: &&[u8]| parameter(text::word(c).1, b"stale").is_some_and(|v| v.eq_ignore_ascii_case(b"true"));
        self.challenges.iter().flatten().any(stale)
    }

    /// Whether the body is of this media type, without its parameters.
    pub fn is_type(&self, media: &str) -> bool {
        self.content_type.is_some_and(|t| text::starts_with(t.trim_ascii_start(), media.as_bytes()))
    }

    /// Whether the body is XML.
    pub fn is_xml(&self) -> bool {
        let media = self.content_type.unwrap_or_default().split(|c| *c == b';').next().unwrap_or_default();
        let ends = media.trim_ascii();
        let tail = ends.get(ends.len().saturating_sub(4)..).unwrap_or_default();
        tail.eq_ignore_ascii_case(b"/xml") || tail.eq_ignore_ascii_case(b"+xml")
    }
}

/// Puts a value into the first place that is free.
fn put<'a, const N: usize>(places: &mut [Option<&'a [u8]>; N], value: &'a [u8]) {
    if let Some(place) = places.iter_mut().find(|p| p.is_none()) {
        *place = Some(value);
    }
}

/// Where a head that is longer than [`limits::HTTP_HEAD_BYTES_MAX`] is cut: behind the last whole line of
/// its front. `None` where not even the first line fits.
pub fn cut(bytes: &[u8]) -> Option<usize> {
    let front = bytes.get(..limits::HTTP_HEAD_BYTES_MAX).unwrap_or(bytes);
    memchr::memrchr(b'\n', front)
}

/// The title of the page that `html` begins, trimmed; `None` where there is none so far.
pub fn title(html: &[u8]) -> Option<&[u8]> {
    let open = find(html, b"<title")?;
    let rest = html.get(open + 6..)?;
    let rest = rest.get(memchr::memchr(b'>', rest)? + 1..)?;
    let end = find(rest, b"</title").or_else(|| memchr::memchr(b'<', rest)).unwrap_or(rest.len());
    let title = rest.get(..end)?.trim_ascii();
    (!title.is_empty()).then_some(title)
}

/// Whether what [`title`] finds cannot change with what follows.
pub fn title_is_whole(html: &[u8]) -> bool {
    let opened = find(html, b"<title").and_then(|at| html.get(at + 6..));
    let inside = opened.and_then(|rest| rest.get(memchr::memchr(b'>', rest)? + 1..));
    inside.is_some_and(|rest| find(rest, b"</title").is_some())
}

/// Where a tag (lower case) begins, whatever its case.
pub fn find(html: &[u8], tag: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'<', html).find(|at| html.get(*at..).is_some_and(|h| text::starts_with(h, tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_passing_on_name_somebody_else() {
        for (name, value, wanted) in [
            ("Via", "1.1 fred", true),
            ("Via", " ", false),
            ("X-Forwarded-For", "192.0.2.7", true),
            ("x-forwarded-for", "127.0.0.1, 10.0.0.5", true),
            ("X-Forwarded-For", "unknown", true),
            ("X-Forwarded-For", "2001:db8::7", true),
            ("X-Forwarded-For", "[2001:db8::7]:4711", true),
            ("X-Forwarded-For", "192.0.2.7:4711", true),
            ("X-Forwarded-For", "127.0.0.1", false),
            ("X-Forwarded-For", "127.0.0.1:80", false),
            ("X-Forwarded-For", "::1", false),
            ("X-Forwarded-For", "0.0.0.0", false),
            ("X-Forwarded-For", "localhost", false),
            ("X-Forwarded-For", "", false),
            ("Forwarded", "for=192.0.2.7;proto=http;by=203.0.113.4", true),
            ("Forwarded", "proto=http; For=\"[2001:db8:cafe::17]:4711\"", true),
            ("Forwarded", "for=_secret", true),
            ("Forwarded", "for=127.0.0.1", false),
            ("Forwarded", "by=203.0.113.4", false),
            ("X-Forwarded-Fo", "192.0.2.7", false),
        ] {
            assert_eq!(forwarded(name.as_bytes(), value.as_bytes()).is_some(), wanted, "{name}: {value}");
        }
    }

    #[test]
    fn the_end_of_a_head_is_found_wherever_it_is_cut() {
        let whole = b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest";
        let mut scanned = 0;
        for n in 0..24 {
            assert_eq!(end(&whole[..n], &mut scanned), None, "{n}");
        }
        assert_eq!(end(whole, &mut scanned), Some(24));
        assert_eq!(end(b"A\nB\n\nC", &mut 0), Some(5));
    }

    #[test]
    fn framing_follows_the_rules() {
        let response = |head: &str, to_head| ResponseHead::parse(head.as_bytes()).unwrap().framing(to_head);
        assert_eq!(response("HTTP/1.1 200 OK\r\n\r\n", false), Framing::UntilClose);
        assert_eq!(response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false), Framing::Length(5));
        assert_eq!(response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true), Framing::None);
        assert_eq!(response("HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", false), Framing::None);
        let both = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n";
        assert_eq!(response(both, false), Framing::Chunked);
        let request = |head: &str| RequestHead::parse(head.as_bytes()).unwrap().framing();
        assert_eq!(request("POST / HTTP/1.0\r\n\r\n"), Framing::None);
        assert_eq!(request("POST / HTTP/1.0\r\nContent-length:7\r\n\r\n"), Framing::Length(7));
    }

    #[test]
    fn odd_heads_are_read_as_far_as_they_make_sense() {
        let head = RequestHead::parse(b"GET /a b<c> HTTP/1.1\r\nHost: x\r\nbad\x01field: y\r\n\r\n").unwrap();
        assert_eq!((head.uri, head.host), (b"/a b<c>".as_slice(), Some(b"x".as_slice())));
        assert_eq!(ResponseHead::parse(b"HTTP/1.1 200\r\nServer: s\r\n\r\n").unwrap().server, Some(b"s".as_slice()));
        assert_eq!(ResponseHead::parse(b"http/1.1 200 OK\r\n\r\n").unwrap().status, 200);
        assert!(RequestHead::parse(b"GET / SIP/2.0\r\n\r\n").is_none());
        assert!(RequestHead::parse(b"\r\n\r\n").is_none());
    }

    #[test]
    fn titles() {
        assert_eq!(title(b"<html><TITLE lang=x> HP \n</Title>").unwrap(), b"HP");
        assert_eq!(title(b"<title>cut off").unwrap(), b"cut off");
        assert_eq!(title(b"<title></title>"), None);
        assert_eq!(title(b"<titl"), None);
        assert!(title_is_whole(b"</title><title>a</title"));
        assert!(!title_is_whole(b"</title><title></titl"), "an end before the beginning is none");
    }

    #[test]
    fn a_challenge_names_scheme_and_realm() {
        let head = b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"cam 1\"\r\n\r\n";
        let (scheme, realm) = ResponseHead::parse(head).unwrap().challenge().unwrap();
        assert_eq!((scheme, realm.unwrap().as_ref()), (b"Basic".as_slice(), b"cam 1".as_slice()));
    }
}
