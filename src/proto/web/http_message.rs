//! Requests that wait for their responses, and responses whose bodies are being read; and what the two
//! tell together. The same for HTTP/1 and HTTP/2.

use super::http_body::{Body, Kind};
use super::http_device as device;
use super::http_event::{Event, Exchange};
use super::http_head as head;
use super::http_ledger::Ledger;
use super::http_login::{Found, session_cookie};
use super::http_outcome as outcome;
use super::http_soap as soap;
use super::ipp;
use crate::base::secret::SecretBuf;
use crate::base::{Timestamp, limits};
use crate::proto::api::{Cx, Direction, SecretKind};
use crate::proto::files::provisioning;

/// Some byte strings in one piece of memory.
#[derive(Debug)]
pub struct Strings<const N: usize> {
    bytes: Vec<u8>,
    spans: [Option<(u32, u32)>; N],
}

impl<const N: usize> Strings<N> {
    /// Copies them, each cut at [`limits::HTTP_FIELD_BYTES_MAX`].
    pub fn new(values: [Option<&[u8]>; N]) -> Self {
        let longest = limits::HTTP_FIELD_BYTES_MAX;
        let mut bytes = Vec::with_capacity(values.iter().flatten().map(|v| v.len().min(longest)).sum());
        let spans = values.map(|value| {
            let value = value?;
            let start = bytes.len() as u32;
            bytes.extend_from_slice(value.get(..longest).unwrap_or(value));
            Some((start, bytes.len() as u32))
        });
        Self { bytes, spans }
    }

    /// Bytes that they take.
    pub const fn heap(&self) -> usize {
        self.bytes.capacity()
    }

    /// One of them.
    pub fn get(&self, n: usize) -> Option<&[u8]> {
        let (start, end) = (*self.spans.get(n)?)?;
        self.bytes.get(start as usize..end as usize)
    }
}

/// A request that waits for its response.
pub struct Request {
    /// Method, address, host, user agent, referrer, authorization scheme.
    pub strings: Strings<6>,
    /// Version as the table spells it.
    pub version: &'static str,
    /// Name of the field that says that somebody passed it on.
    pub forwarded: Option<&'static str>,
    /// When its head was complete.
    pub at: (Timestamp, u64),
    /// Its number on the connection.
    pub depth: u32,
    /// NPF string of its head, where it is the first.
    pub npf: Option<String>,
    /// Bytes of its body.
    pub body_len: Option<u64>,
    /// Whether its body is still coming.
    pub body_open: bool,
    /// Logins in its head.
    pub logins: Vec<Found>,
    /// Its body.
    pub body: Body,
}

/// A response, and the request that it answers.
pub struct Response {
    /// The request.
    pub request: Option<Request>,
    /// Reason, server, content type, location, scheme, realm, names of the first and the last cookie.
    pub strings: Strings<8>,
    /// Status code.
    pub status: u16,
    /// Version as the table spells it.
    pub version: &'static str,
    /// When its head was complete.
    pub at: (Timestamp, u64),
    /// Bytes of its body.
    pub body_len: Option<u64>,
    /// The session that it begins.
    pub session: Option<SecretBuf>,
    /// Whether it says that an answer to a challenge came too late.
    pub stale: bool,
    /// Its body.
    pub body: Body,
}

/// Bytes that a login which waits for its answer takes at the most, roughly.
const LOGIN_HEAP: usize = 2 * limits::SECRET_BYTES_MAX;

impl Request {
    /// Bytes that it holds beside itself, roughly.
    pub fn heap(&self) -> usize {
        size_of::<Self>() + self.strings.heap() + self.body.heap() + self.logins.len() * LOGIN_HEAP
    }
}

impl Response {
    /// Bytes that it holds beside itself, roughly.
    pub fn heap(&self) -> usize {
        self.strings.heap() + self.body.heap() + self.request.as_ref().map_or(0, Request::heap)
    }
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

impl Request {
    /// Whether it has this method.
    pub fn is(&self, method: &[u8]) -> bool {
        self.strings.get(0) == Some(method)
    }

    fn uri(&self) -> &[u8] {
        self.strings.get(1).unwrap_or_default()
    }

    /// Looks for a login in the body, now that it is there.
    pub fn read_form(&mut self, cx: Cx<'_>, ledger: &mut Ledger) {
        if let Kind::Form(form) = &self.body.kind {
            let found = form.login(self.uri(), &ledger.text(cx, &self.body));
            self.logins.extend(found);
        }
    }

    /// Whether it is a login whose answer has to be read.
    pub fn has_form_login(&self) -> bool {
        self.logins.iter().any(Found::is_form)
    }

    /// Whether a proxy was asked.
    fn is_proxied(&self) -> bool {
        let uri = self.uri();
        memchr::memmem::find(uri.get(..8).unwrap_or(uri), b"://").is_some()
    }

    /// The part of an exchange that the request tells.
    fn asked(&self, server: Option<Direction>) -> Exchange<'_> {
        let strings = &self.strings;
        Exchange {
            at: self.at,
            method: strings.get(0),
            uri: strings.get(1),
            host: strings.get(2),
            user_agent: strings.get(3),
            referrer: strings.get(4),
            auth_scheme: strings.get(5),
            version: self.version,
            forwarded: self.forwarded,
            request_body_len: self.body_len,
            depth: self.depth,
            npf: self.npf.as_deref(),
            server_side: server,
            is_proxied: self.is_proxied(),
            ..Exchange::default()
        }
    }

    /// Tells of a request whose response was not seen.
    pub fn unanswered(mut self, cx: Cx<'_>, server: Option<Direction>, ledger: &mut Ledger, emit: Emit<'_>) {
        self.read_form(cx, ledger);
        if self.body.is_cut() {
            cx.limit_hit();
        }
        for found in std::mem::take(&mut self.logins) {
            ledger.login(cx, &found, self.at, None, emit);
        }
        if let Some(mapping) = self.mapping(cx, ledger) {
            emit(Event::Mapping { at: self.at, mapping: &mapping, success: None });
        }
        let mut exchange = self.asked(server);
        exchange.fresh = ledger.fresh(&exchange);
        emit(Event::Exchange(exchange));
        if self.body.kind == Kind::Ipp {
            let body = ledger.text(cx, &self.body);
            let message = ipp::Message::read(&body);
            if message.is_some() {
                let first = ledger.is_new("ipp", b"");
                let at = self.at;
                emit(Event::Ipp(ipp::Exchange {
                    at,
                    request: message.as_ref(),
                    response: None,
                    response_packet: None,
                    first,
                }));
            }
        }
    }

    fn mapping(&self, cx: Cx<'_>, ledger: &mut Ledger) -> Option<soap::Mapping> {
        match &self.body.kind {
            Kind::Form(super::http_login::Form::Xml) => soap::mapping(&ledger.text(cx, &self.body)),
            _ => None,
        }
    }
}

impl Response {
    /// Tells of a response and of the request that it answers.
    pub fn tell(&mut self, cx: Cx<'_>, server: Option<Direction>, ledger: &mut Ledger, emit: Emit<'_>) {
        if self.body.is_cut() || self.request.as_ref().is_some_and(|r| r.body.is_cut()) {
            cx.limit_hit();
        }
        let text = ledger.text(cx, &self.body);
        self.logins(cx, &text, ledger, emit);
        if self.body.kind == Kind::Settings {
            for found in provisioning::logins(&text) {
                ledger.login(cx, &found, self.at, None, emit);
            }
        }
        let mut exchange = self.request.as_ref().map(|r| r.asked(server)).unwrap_or_default();
        if self.request.is_none() {
            exchange.at = self.at;
            exchange.version = self.version;
            exchange.server_side = server;
        }
        let strings = &self.strings;
        let is_page = matches!(self.body.kind, Kind::Title | Kind::Answer);
        exchange = Exchange {
            response_at: Some(self.at),
            status: Some(self.status),
            reason: strings.get(0),
            server: strings.get(1),
            content_type: strings.get(2),
            response_body_len: self.body_len,
            auth_scheme: exchange.auth_scheme.or(strings.get(4)),
            realm: strings.get(5),
            cookie: strings.get(6),
            last_cookie: strings.get(7),
            location: strings.get(3),
            title: if is_page { head::title(&text) } else { None },
            ..exchange
        };
        exchange.fresh = ledger.fresh(&exchange);
        emit(Event::Exchange(exchange));
        self.more(cx, &text, server, ledger, emit);
    }

    /// What bodies tell besides.
    fn more(&self, cx: Cx<'_>, text: &[u8], server: Option<Direction>, ledger: &mut Ledger, emit: Emit<'_>) {
        let asked = self.request.as_ref().filter(|r| r.body.kind == Kind::Ipp).map(|r| ledger.text(cx, &r.body));
        let request = asked.as_deref().and_then(ipp::Message::read);
        let response = if self.body.kind == Kind::Ipp { ipp::Message::read(text) } else { None };
        if request.is_some() || response.is_some() {
            if request.iter().chain(&response).any(|m| m.limited) {
                cx.limit_hit();
            }
            let at = self.request.as_ref().map_or(self.at, |r| r.at);
            let (request, response) = (request.as_ref(), response.as_ref());
            let exchange = ipp::Exchange {
                at,
                request,
                response,
                response_packet: Some(self.at.1),
                first: ledger.is_new("ipp", b""),
            };
            emit(Event::Ipp(exchange));
            let told = exchange.told().filter(|(attribute, value)| ledger.is_new(attribute, value));
            let told: Vec<device::Told> = told.map(|(a, v)| (a, v.to_vec())).collect();
            self.device(&told, server, emit);
        }
        let proxied = self.request.as_ref().is_some_and(Request::is_proxied);
        if matches!(self.body.kind, Kind::Device | Kind::Cast) && !proxied && self.status == 200 {
            let all = if self.body.kind == Kind::Cast { device::of_cast(text) } else { device::of_xml(text) };
            let told: Vec<device::Told> = all.into_iter().filter(|(a, v)| ledger.is_new(a, v)).collect();
            self.device(&told, server, emit);
        }
        if let Some(request) = &self.request
            && let Some(mapping) = request.mapping(cx, ledger)
        {
            emit(Event::Mapping { at: request.at, mapping: &mapping, success: Some(self.status == 200) });
        }
    }

    fn device(&self, told: &[device::Told], server: Option<Direction>, emit: Emit<'_>) {
        if let Some(side) = server.filter(|_| !told.is_empty()) {
            emit(Event::Device { at: self.at, side, told });
        }
    }

    fn logins(&self, cx: Cx<'_>, body: &[u8], ledger: &mut Ledger, emit: Emit<'_>) {
        let Some(request) = self.request.as_ref().filter(|r| !r.logins.is_empty()) else { return };
        let answer = outcome::Answer {
            status: self.status,
            location: self.strings.get(3),
            begins_session: self.session.is_some(),
            stale: self.stale,
            body,
        };
        for found in &request.logins {
            let success = match found.mechanism {
                "form" => outcome::of_form(&answer, request.uri()),
                "wsse-plain" | "wsse-digest" => outcome::of_soap(&answer),
                _ => outcome::of_field(&answer),
            };
            ledger.login(cx, found, request.at, success, emit);
            // A login that was not refused, and a cookie that only it can have brought.
            if let Some(session) = self.session.clone().filter(|_| found.is_form() && success != Some(false)) {
                let session = Found {
                    user: found.user.clone(),
                    secret: Some(session),
                    kind: SecretKind::Token,
                    ..Found::of("session-cookie")
                };
                ledger.login(cx, &session, self.at, success, emit);
            }
        }
    }
}

/// The value of a session's cookie in a `Set-Cookie` field.
pub fn session_of(set_cookie: &[u8]) -> Option<SecretBuf> {
    session_cookie(set_cookie).map(|c| SecretBuf::new(c.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_keep_their_places_and_are_cut() {
        let long = vec![b'x'; 5000];
        let strings = Strings::new([Some(b"a"), None, Some(&long), Some(b"")]);
        assert_eq!((strings.get(0), strings.get(1), strings.get(3)), (Some(&b"a"[..]), None, Some(&b""[..])));
        assert_eq!(strings.get(2).map(<[u8]>::len), Some(limits::HTTP_FIELD_BYTES_MAX));
        assert_eq!(strings.get(4), None);
    }

    #[test]
    fn a_proxy_is_asked_with_a_whole_address() {
        let request = |uri: &[u8]| Request {
            strings: Strings::new([Some(b"GET"), Some(uri), None, None, None, None]),
            version: "1.1",
            forwarded: None,
            at: (Timestamp(0), 1),
            depth: 1,
            npf: None,
            body_len: None,
            body_open: false,
            logins: Vec::new(),
            body: Body::default(),
        };
        assert!(request(b"http://a/b").is_proxied() && request(b"https://a/").is_proxied());
        assert!(!request(b"/a?u=http://b").is_proxied());
        assert_eq!(session_of(b"sid=abcdef; path=/"), Some(SecretBuf::new(b"abcdef")));
    }
}
