//! HTTP/1 (RFC 9110, RFC 9112): requests paired with their responses, whatever port they use.

use std::collections::VecDeque;

use super::http_head::{self as head, Framing, RequestHead, ResponseHead};
use super::http_login::{self as login, Form, Found};
use super::http_provisioning as provisioning;
use crate::base::{Timestamp, hash, limits};
use crate::proto::api::{AppParser, Cx, Direction, Login, Probe, Progress, SecretKind, Spec, Transport};
use crate::proto::text::{self, Line, Lines};

pub use super::http_event::{Event, Exchange, TABLE};

/// Some byte strings in one piece of memory.
struct Strings<const N: usize> {
    bytes: Vec<u8>,
    spans: [Option<(u32, u32)>; N],
}

impl<const N: usize> Strings<N> {
    fn new(values: [Option<&[u8]>; N], longest: usize) -> Self {
        let cut = |v: &'_ [u8]| v.len().min(longest);
        let mut bytes = Vec::with_capacity(values.iter().flatten().map(|v| cut(v)).sum());
        let spans = values.map(|value| {
            let value = value?;
            let start = bytes.len() as u32;
            bytes.extend_from_slice(value.get(..longest).unwrap_or(value));
            Some((start, bytes.len() as u32))
        });
        Self { bytes, spans }
    }

    fn get(&self, n: usize) -> Option<&[u8]> {
        let (start, end) = (*self.spans.get(n)?)?;
        self.bytes.get(start as usize..end as usize)
    }
}

/// A request that waits for its response.
struct Request {
    /// Method, address, host, user agent, referrer, authorization scheme.
    strings: Strings<6>,
    minor: u8,
    at: (Timestamp, u64),
    depth: u32,
    body_len: Option<u64>,
    body_open: bool,
    logins: Vec<Found>,
    form: Option<Form>,
    body: Vec<u8>,
}

impl Request {
    fn is(&self, method: &[u8]) -> bool {
        self.strings.get(0) == Some(method)
    }
}

/// A response whose body is being read, and the request that it answers.
struct Response {
    request: Option<Request>,
    /// Reason, server, content type, location, scheme, realm.
    strings: Strings<6>,
    status: u16,
    minor: u8,
    at: (Timestamp, u64),
    body_len: Option<u64>,
    inspect: Inspect,
    body: Vec<u8>,
}

/// What a response's body is kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inspect {
    Nothing,
    Title,
    Settings,
}

/// Where a direction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Head,
    Length(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    UntilClose,
    /// Bytes were missed: passes over everything up to something that begins like a message.
    Lost,
}

#[derive(Debug, Default)]
struct Half {
    state: State,
    scanned: usize,
    lines: Lines,
    is_response: bool,
}

/// Follows one connection.
#[derive(Default)]
pub struct Http {
    halves: [Half; 2],
    server: Option<Direction>,
    requests: VecDeque<Request>,
    response: Option<Response>,
    depth: u32,
    /// Requests that were given up before their responses came, which must not be taken for those
    /// of later ones.
    given_up: u64,
    told: Vec<u64>,
    flush: bool,
    ends: u8,
    switched: bool,
}

impl std::fmt::Debug for Http {
    /// Without what was sent, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("halves", &self.halves).field("depth", &self.depth).finish_non_exhaustive()
    }
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// What a step of reading came to.
enum Step {
    Used(usize),
    More(usize),
    Stop(Progress),
}

impl Http {
    fn step(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Step {
        let Some(half) = self.halves.get_mut(dir.index()) else { return Step::Stop(Progress::Finished) };
        let state = half.state;
        match state {
            State::Head => {
                // Empty lines before a message are tolerated (RFC 9112, section 2.2).
                let blank = bytes.iter().take_while(|c| matches!(c, b'\r' | b'\n')).count();
                if blank > 0 && half.scanned == 0 {
                    return Step::Used(blank);
                }
                let Some(end) = head::end(bytes, &mut half.scanned) else {
                    return if bytes.len() >= limits::HTTP_HEAD_BYTES_MAX {
                        Step::Stop(Progress::Violation("HTTP head too long"))
                    } else {
                        Step::More(bytes.len() + 1)
                    };
                };
                half.scanned = 0;
                let Some(message) = bytes.get(..end) else { return Step::Stop(Progress::Finished) };
                half.is_response = text::starts_with(message, b"HTTP/");
                if half.is_response {
                    self.server.get_or_insert(dir);
                    self.response_head(cx, dir, message, emit)
                } else {
                    self.server.get_or_insert(dir.other());
                    self.request_head(cx, dir, message, emit)
                }
                .unwrap_or(Step::Used(end))
            }
            State::Length(left) | State::Chunk(left) => {
                let there = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let body = bytes.get(..there).unwrap_or_default();
                let left = left - there as u64;
                let chunked = matches!(state, State::Chunk(_));
                let is_response = half.is_response;
                half.state = match (chunked, left) {
                    (false, 0) => State::Head,
                    (false, _) => State::Length(left),
                    (true, 0) => State::ChunkEnd,
                    (true, _) => State::Chunk(left),
                };
                let wanted = self.body(is_response, body);
                if !chunked && (left == 0 || !wanted) {
                    self.body_done(is_response, emit);
                }
                if left > 0 && !wanted {
                    // All given bytes are body, and so are the next ones.
                    if let Some(half) = self.halves.get_mut(dir.index()) {
                        half.state = if chunked { State::ChunkEnd } else { State::Head };
                    }
                    return Step::Stop(Progress::Skip(left));
                }
                Step::Used(there)
            }
            State::ChunkSize => match half.lines.next(bytes) {
                Line::Open => Step::More(bytes.len() + 1),
                Line::Rest(n) => Step::Used(n),
                Line::Whole(line, n) => {
                    let digits = line.split(|c| *c == b';').next().unwrap_or_default().trim_ascii();
                    match text::hexadecimal(digits) {
                        Some(0) => half.state = State::Trailer,
                        Some(size) => {
                            half.state = State::Chunk(size);
                            let is_response = half.is_response;
                            self.count(is_response, size);
                        }
                        None => return Step::Stop(Progress::Violation("HTTP chunk size")),
                    }
                    Step::Used(n)
                }
            },
            State::ChunkEnd => match bytes {
                [b'\r'] => Step::More(2),
                [b'\r', b'\n', ..] => {
                    half.state = State::ChunkSize;
                    Step::Used(2)
                }
                [b'\n', ..] => {
                    half.state = State::ChunkSize;
                    Step::Used(1)
                }
                _ => Step::Stop(Progress::Violation("HTTP chunk end")),
            },
            State::Trailer => match half.lines.next(bytes) {
                Line::Open => Step::More(bytes.len() + 1),
                Line::Whole([], n) => {
                    half.state = State::Head;
                    let is_response = half.is_response;
                    self.body_done(is_response, emit);
                    Step::Used(n)
                }
                Line::Rest(n) | Line::Whole(_, n) => Step::Used(n),
            },
            State::UntilClose => {
                let is_response = half.is_response;
                self.count(is_response, bytes.len() as u64);
                self.body(is_response, bytes);
                Step::Used(bytes.len())
            }
            State::Lost => {
                if Self::probe(dir, bytes) == Probe::Yes {
                    half.state = State::Head;
                    Step::Used(0)
                } else {
                    Step::Used(bytes.len())
                }
            }
        }
    }

    /// Begins the body that a head announces.
    fn begin(&mut self, dir: Direction, framing: Framing) {
        if let Some(half) = self.halves.get_mut(dir.index()) {
            half.state = match framing {
                Framing::None => State::Head,
                Framing::Length(n) => State::Length(n),
                Framing::Chunked => State::ChunkSize,
                Framing::UntilClose => State::UntilClose,
            };
        }
    }

    fn request_head(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Option<Step> {
        let Some(head) = RequestHead::parse(bytes) else {
            return Some(Step::Stop(Progress::Violation("HTTP request head")));
        };
        let authorization = head.authorization.or(head.proxy_authorization);
        let scheme = authorization.and_then(login::scheme);
        let mut logins: Vec<Found> = [head.authorization, head.proxy_authorization]
            .into_iter()
            .flatten()
            .filter_map(login::authorization)
            .collect();
        logins.extend(login::query_login(head.uri));
        let framing = head.framing();
        let form = head.content_type.filter(|_| framing != Framing::None).and_then(Form::of);
        self.depth = self.depth.saturating_add(1);
        if self.requests.len() >= limits::HTTP_PENDING_MAX
            && let Some(oldest) = self.requests.pop_front()
        {
            self.given_up += 1;
            self.unanswered(oldest, emit);
        }
        if let Some(last) = self.requests.back_mut() {
            last.body_open = false;
        }
        self.requests.push_back(Request {
            strings: Strings::new(
                [Some(head.method), Some(head.uri), head.host, head.user_agent, head.referrer, scheme],
                limits::HTTP_FIELD_BYTES_MAX,
            ),
            minor: head.minor,
            at: (cx.ts, cx.packet),
            depth: self.depth,
            body_len: match framing {
                Framing::None => None,
                Framing::Length(n) => Some(n),
                Framing::Chunked | Framing::UntilClose => Some(0),
            },
            body_open: framing != Framing::None,
            logins,
            form,
            body: Vec::new(),
        });
        self.begin(dir, framing);
        None
    }

    fn response_head(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Option<Step> {
        let Some(head) = ResponseHead::parse(bytes) else {
            return Some(Step::Stop(Progress::Violation("HTTP response head")));
        };
        if head.status < 200 && head.status != 101 {
            return None;
        }
        let mut request = match self.given_up.checked_sub(1) {
            Some(left) => {
                self.given_up = left;
                None
            }
            None => self.requests.pop_front(),
        };
        if let Some(request) = &mut request {
            self.logins(request, Some(head.status), emit);
        }
        let framing = head.framing(request.as_ref().is_some_and(|r| r.is(b"HEAD")));
        let tunnel = request.as_ref().is_some_and(|r| r.is(b"CONNECT")) && (200..300).contains(&head.status);
        let (scheme, realm) = head.challenge().unzip();
        let realm = realm.flatten();
        let uri = request.as_ref().and_then(|r| r.strings.get(1));
        let inspect = match framing {
            _ if tunnel || head.encoded => Inspect::Nothing,
            Framing::None => Inspect::Nothing,
            _ if head.status == 200 && uri.is_some_and(provisioning::is_settings_file) => Inspect::Settings,
            _ if head.is_page() => Inspect::Title,
            _ => Inspect::Nothing,
        };
        let response = Response {
            strings: Strings::new(
                [Some(head.reason), head.server, head.content_type, head.location, scheme, realm.as_deref()],
                limits::HTTP_FIELD_BYTES_MAX,
            ),
            status: head.status,
            minor: head.minor,
            at: (cx.ts, cx.packet),
            body_len: match framing {
                Framing::None => None,
                Framing::Length(n) => Some(n),
                Framing::Chunked | Framing::UntilClose => Some(0),
            },
            inspect,
            body: Vec::new(),
            request,
        };
        if tunnel || head.status == 101 {
            self.exchange(&response, emit);
            let authority = response.request.as_ref().and_then(|r| r.strings.get(1)).filter(|_| tunnel);
            let protocol = if tunnel { b"connect" } else { head.upgrade.unwrap_or_default().trim_ascii() };
            emit(Event::Switch { at: response.at, protocol, authority });
            self.switched = true;
            return Some(Step::Stop(Progress::Finished));
        }
        self.begin(dir, framing);
        match framing {
            Framing::None => self.exchange(&response, emit),
            _ => self.response = Some(response),
        }
        None
    }

    /// Counts bytes of a body whose length was not announced as a whole.
    fn count(&mut self, is_response: bool, bytes: u64) {
        let len = if is_response {
            self.response.as_mut().and_then(|r| r.body_len.as_mut())
        } else {
            self.requests.back_mut().filter(|r| r.body_open).and_then(|r| r.body_len.as_mut())
        };
        if let Some(len) = len {
            *len = len.saturating_add(bytes);
        }
    }

    /// Takes a piece of a body; whether more of it is of interest.
    fn body(&mut self, is_response: bool, bytes: &[u8]) -> bool {
        let keep = |kept: &mut Vec<u8>, max: usize| {
            let room = max.saturating_sub(kept.len());
            kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            kept.len() < max
        };
        if is_response {
            let Some(response) = &mut self.response else { return false };
            match response.inspect {
                Inspect::Nothing => false,
                Inspect::Settings => keep(&mut response.body, limits::HTTP_SETTINGS_BYTES_MAX),
                Inspect::Title => {
                    // The title's end may lie across two pieces.
                    let seen = response.body.len().saturating_sub(8);
                    keep(&mut response.body, limits::HTTP_TITLE_BYTES_MAX)
                        && (head::find(response.body.get(seen..).unwrap_or_default(), b"</title").is_none()
                            || !head::title_is_whole(&response.body))
                }
            }
        } else {
            let Some(request) = self.requests.back_mut().filter(|r| r.body_open) else { return false };
            request.form.is_some() && keep(&mut request.body, limits::HTTP_FORM_BYTES_MAX)
        }
    }

    fn body_done(&mut self, is_response: bool, emit: Emit<'_>) {
        if is_response {
            if let Some(response) = self.response.take() {
                self.exchange(&response, emit);
            }
        } else if let Some(request) = self.requests.back_mut() {
            request.body_open = false;
        }
    }

    /// Emits the logins of a request, now that the status is known or will never be.
    fn logins(&mut self, request: &mut Request, status: Option<u16>, emit: Emit<'_>) {
        let form = request.form.take().and_then(|form| form.login(&request.body));
        for found in request.logins.drain(..).chain(form) {
            let success = match status {
                Some(401 | 403 | 407) => Some(false),
                // A form may be refused with a page like any other.
                Some(200..=399) if found.mechanism != "form" => Some(true),
                _ => None,
            };
            self.tell(found, request.at, success, emit);
        }
    }

    /// Emits a login unless it was told before.
    fn tell(&mut self, found: Found, at: (Timestamp, u64), success: Option<bool>, emit: Emit<'_>) {
        let secret = found.secret.as_ref().map(|s| s.borrow());
        let mut id = hash::stable64(success.map_or(2, u64::from), found.mechanism.as_bytes());
        id = hash::stable64(id, found.user.as_deref().unwrap_or_default());
        // Each answer to a challenge differs, and they all prove the same.
        if found.kind != SecretKind::ChallengeResponse {
            id = hash::stable64(id, secret.map_or(&[], |s| s.expose()));
        }
        if self.told.contains(&id) || self.told.len() >= limits::HTTP_LOGINS_MAX {
            return;
        }
        self.told.push(id);
        emit(Event::Login(Login {
            ts: at.0,
            packet: at.1,
            mechanism: found.mechanism,
            username: found.user.as_deref(),
            secret,
            secret_kind: found.kind,
            proof: None,
            success,
        }));
    }

    fn unanswered(&mut self, mut request: Request, emit: Emit<'_>) {
        self.logins(&mut request, None, emit);
        emit(Event::Exchange(asked(&request)));
    }

    fn exchange(&mut self, response: &Response, emit: Emit<'_>) {
        if response.inspect == Inspect::Settings {
            for found in provisioning::logins(&response.body) {
                self.tell(found, response.at, None, emit);
            }
        }
        let mut exchange = response.request.as_ref().map(asked).unwrap_or_default();
        if response.request.is_none() {
            exchange.at = response.at;
            exchange.minor = response.minor;
        }
        let strings = &response.strings;
        emit(Event::Exchange(Exchange {
            response_at: Some(response.at),
            status: Some(response.status),
            reason: strings.get(0),
            server: strings.get(1),
            content_type: strings.get(2),
            response_body_len: response.body_len,
            auth_scheme: exchange.auth_scheme.or(strings.get(4)),
            realm: strings.get(5),
            location: strings.get(3),
            title: Some(response.body.as_slice()).filter(|_| response.inspect == Inspect::Title).and_then(head::title),
            ..exchange
        }));
    }

    fn flush(&mut self, emit: Emit<'_>) {
        if let Some(response) = self.response.take() {
            self.exchange(&response, emit);
        }
        while let Some(request) = self.requests.pop_front() {
            self.unanswered(request, emit);
        }
        self.given_up = 0;
    }
}

/// The part of an exchange that the request tells.
fn asked(request: &Request) -> Exchange<'_> {
    let strings = &request.strings;
    Exchange {
        at: request.at,
        method: strings.get(0),
        uri: strings.get(1),
        host: strings.get(2),
        user_agent: strings.get(3),
        referrer: strings.get(4),
        auth_scheme: strings.get(5),
        minor: request.minor,
        request_body_len: request.body_len,
        depth: request.depth,
        ..Exchange::default()
    }
}

impl AppParser for Http {
    const SPEC: Spec = Spec {
        name: "http",
        title: "HTTP/1",
        transports: &[Transport::Tcp],
        ports: &[80, 8080, 8000, 8008, 8081, 8088, 8888, 3128, 631, 5985, 1900],
        reference: "RFC 9110, RFC 9112",
        table: Some(&TABLE),
        yields: "requests and responses, logins (Basic, Digest, NTLM, forms), programs of both sides, provisioning files",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        let payload = payload.trim_ascii_start();
        if let Some(rest) = payload.strip_prefix(b"HTTP/1.") {
            return match rest {
                [b'0'..=b'9', b' ', a, b, c, ..] if [a, b, c].iter().all(|d| d.is_ascii_digit()) => Probe::Yes,
                [] | [b'0'..=b'9'] | [b'0'..=b'9', b' '] | [b'0'..=b'9', b' ', b'0'..=b'9'] => Probe::NeedMore,
                [b'0'..=b'9', b' ', b'0'..=b'9', b'0'..=b'9'] => Probe::NeedMore,
                _ => Probe::No,
            };
        }
        if payload.len() < 7 && b"HTTP/1.".starts_with(payload) {
            return Probe::NeedMore;
        }
        let (method, target) = match memchr::memchr(b' ', payload.get(..33).unwrap_or(payload)) {
            Some(at) => payload.split_at(at),
            None if payload.len() < 33 && payload.iter().all(is_method_byte) => return Probe::NeedMore,
            None => return Probe::No,
        };
        if method.is_empty() || !method.iter().all(is_method_byte) {
            return Probe::No;
        }
        let known = matches!(
            method,
            b"GET"
                | b"POST"
                | b"HEAD"
                | b"PUT"
                | b"DELETE"
                | b"OPTIONS"
                | b"TRACE"
                | b"PATCH"
                | b"CONNECT"
                | b"PROPFIND"
                | b"PROPPATCH"
                | b"MKCOL"
                | b"COPY"
                | b"MOVE"
                | b"LOCK"
                | b"UNLOCK"
                | b"SEARCH"
                | b"REPORT"
                | b"SUBSCRIBE"
                | b"UNSUBSCRIBE"
                | b"NOTIFY"
                | b"M-SEARCH"
                | b"SOURCE"
                | b"RPC_IN_DATA"
                | b"RPC_OUT_DATA"
        );
        let target = target.trim_ascii_start();
        match memchr::memchr(b'\n', target) {
            // The version token tells: SIP and RTSP have their own.
            Some(end) => {
                let line = target.get(..end).unwrap_or_default().trim_ascii_end();
                let version = line.rsplit(|c| *c == b' ').next().unwrap_or_default();
                let is_http = version.len() == 8 && version.starts_with(b"HTTP/1.");
                if is_http { Probe::Yes } else { Probe::No }
            }
            None if target.iter().any(|c| matches!(c, 0..=8 | 14..=31)) => Probe::No,
            // A long address: what follows it will not be seen in time.
            None if known && target.len() > 1024 && matches!(target.first(), Some(b'/')) => Probe::Yes,
            None if target.len() > 3000 => Probe::No,
            None => Probe::NeedMore,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if std::mem::take(&mut self.flush) {
            self.flush(emit);
        }
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            match self.step(cx, dir, rest, emit) {
                Step::Used(n) => used += n,
                Step::More(needed) => return Progress::Partial { consumed: used, needed },
                Step::Stop(progress) => return progress,
            }
        }
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, missing: u64) -> Progress {
        let Some(half) = self.halves.get_mut(dir.index()) else { return Progress::Finished };
        let is_response = half.is_response;
        match &mut half.state {
            State::Length(left) | State::Chunk(left) if missing <= *left => *left -= missing,
            State::UntilClose => self.count(is_response, missing),
            state => {
                *state = State::Lost;
                half.scanned = 0;
                half.lines = Lines::default();
                // Which response answers which request is not known any more.
                self.flush = true;
                return Progress::Done;
            }
        }
        if is_response && let Some(response) = &mut self.response {
            // What comes behind the hole does not follow what came before it.
            if response.inspect == Inspect::Title && head::title(&response.body).is_none() {
                response.inspect = Inspect::Nothing;
            }
        } else if !is_response && let Some(request) = self.requests.back_mut().filter(|r| r.body_open) {
            request.form = None;
        }
        Progress::Done
    }

    fn on_end(&mut self, _cx: Cx<'_>, dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        self.ends = self.ends.saturating_add(1);
        if self.server == Some(dir) || self.ends >= 2 || self.flush {
            self.flush(emit);
        }
    }
}

const fn is_method_byte(c: &u8) -> bool {
    matches!(c, b'A'..=b'Z' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    #[test]
    fn an_end_of_title_before_its_beginning_makes_no_difference() {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 40\r\n\r\n";
        let body = format!("{:40}", "</title> <title>Camera</title>");
        let seen = Script::new().orig("GET / HTTP/1.1\r\n\r\n").resp(format!("{head}{body}")).any_chunking::<Http>();
        assert_eq!(seen.cell("title"), "Camera");
    }

    #[test]
    fn an_api_key_in_place_of_a_scheme_stays_out_of_the_table() {
        let asked = "GET / HTTP/1.1\r\nAuthorization: 5f4dcc3b5aa765d61d8327deb882cf99\r\n\r\n";
        let seen = Script::new().orig(asked).resp("HTTP/1.1 204 No\r\n\r\n").any_chunking::<Http>();
        assert_eq!(seen.cell("auth_scheme"), "-");
        assert!(!format!("{seen:?}").contains("5f4dcc3b"));
    }

    #[test]
    fn one_exchange_with_everything() {
        let seen = Script::new()
            .orig(
                "GET /a?token=t0k&x=1 HTTP/1.1\r\nHost: cam.example:8080\r\nUser-Agent: ua\r\n\
                 Referer: http://u:p@x/\r\nAuthorization: Basic YWRtaW46aHVudGVyMg==\r\n\r\n",
            )
            .resp(
                "HTTP/1.1 200 OK\r\nServer: s/1\r\nContent-Type: text/html\r\nContent-Length: 40\r\n\r\n\
                 <html><title>Camera 1</title>..........z",
            )
            .any_chunking::<Http>();
        for (column, value) in [
            ("method", "GET"),
            ("host", "cam.example:8080"),
            ("uri", "/a?token=[blanked]&x=1"),
            ("version", "1.1"),
            ("user_agent", "ua"),
            ("referrer", "http://[blanked]@x/"),
            ("status", "200"),
            ("reason", "OK"),
            ("server", "s/1"),
            ("content_type", "text/html"),
            ("request_body_len", "-"),
            ("response_body_len", "40"),
            ("trans_depth", "1"),
            ("auth_scheme", "Basic"),
            ("title", "Camera 1"),
            ("response_packet", "2"),
            ("rtt_us", "1000000"),
        ] {
            assert_eq!(seen.cell(column), value, "{column}");
        }
        assert_eq!(seen.names, [("http_host", "cam.example".to_owned())]);
        assert_eq!(seen.logins.len(), 1);
        assert!(seen.logins[0].contains("basic") && seen.logins[0].contains("success: Some(true)"));
        assert!(!format!("{seen:?}").contains("hunter2"));
    }

    #[test]
    fn pipelined_requests_meet_their_responses() {
        let seen = Script::new()
            .orig("GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\nGET /4 HTTP/1.1\r\n\r\n")
            .resp(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                 3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n\
                 HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n\
                 HTTP/1.1 304 Not Modified\r\nContent-Length: 999\r\n\r\n\
                 HTTP/1.1 204 No Content\r\n\r\n",
            )
            .any_chunking::<Http>();
        assert_eq!(seen.cells("uri"), ["/1", "/2", "/3", "/4"]);
        assert_eq!(seen.cells("status"), ["200", "200", "304", "204"]);
        assert_eq!(seen.cells("response_body_len"), ["13", "-", "-", "-"]);
        assert_eq!(seen.cells("trans_depth"), ["1", "2", "3", "4"]);
    }

    #[test]
    fn a_body_that_ends_with_the_connection() {
        let seen = Script::new()
            .orig("GET / HTTP/1.0\r\n\r\n")
            .end(Direction::Orig)
            .resp("HTTP/1.0 200 OK\r\n\r\n12345")
            .gap(Direction::Resp, 10)
            .resp("678")
            .any_chunking::<Http>();
        assert_eq!(seen.cell("response_body_len"), "18");
    }

    #[test]
    fn bodies_are_skipped_and_gaps_in_them_survived() {
        let mut script = Script::new()
            .orig("PUT /f HTTP/1.1\r\nContent-Length: 30000\r\n\r\n")
            .orig(vec![b'x'; 10_000])
            .gap(Direction::Orig, 10_000)
            .orig(vec![b'x'; 10_000])
            .resp("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
        script = script.orig("GET /g HTTP/1.1\r\n\r\n").resp("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno");
        let seen = script.any_chunking::<Http>();
        assert_eq!(seen.cells("status"), ["201", "404"]);
        assert_eq!(seen.cells("request_body_len"), ["30000", "-"]);
        assert_eq!(seen.cells("response_body_len"), ["-", "2"]);
    }

    #[test]
    fn forms_and_refused_logins() {
        let seen = Script::new()
            .orig(
                "POST /login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 28\r\n\r\n\
                 username=jo&password=s3cr%20",
            )
            .resp("HTTP/1.1 302 Found\r\nLocation: /home?sid=1\r\nContent-Length: 0\r\n\r\n")
            .orig("GET / HTTP/1.1\r\nAuthorization: Basic YTpi\r\n\r\n")
            .resp("HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"r\"\r\nContent-Length: 0\r\n\r\n")
            .orig("GET / HTTP/1.1\r\nAuthorization: Basic YTpi\r\n\r\n")
            .resp("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
            .any_chunking::<Http>();
        assert_eq!(seen.logins.len(), 2, "the same refused login is told once: {:?}", seen.logins);
        assert!(seen.logins[0].contains("form") && seen.logins[0].contains("success: None"));
        assert!(seen.logins[1].contains("basic") && seen.logins[1].contains("success: Some(false)"));
        assert_eq!(seen.cells("location"), ["/home?sid=[blanked]", "-", "-"]);
        assert_eq!(seen.cells("realm"), ["-", "r", "-"]);
    }

    #[test]
    fn a_fetched_configuration_tells_the_account_in_it() {
        let seen = Script::new()
            .orig("GET /p/805ec0112233.cfg HTTP/1.1\r\n\r\n")
            .resp(
                "HTTP/1.1 200 OK\r\nContent-Length: 52\r\n\r\naccount.1.user_name = 201\naccount.1.password = hunter2",
            )
            .any_chunking::<Http>();
        assert!(seen.logins[0].contains("provisioning") && seen.logins[0].contains("packet: 2"));
        assert!(!format!("{seen:?}").contains("hunter2"));
    }

    #[test]
    fn tunnels_and_upgrades_end_the_reading() {
        let seen = Script::new()
            .orig("CONNECT host:443 HTTP/1.1\r\nProxy-Authorization: Basic YTpi\r\n\r\n")
            .resp("HTTP/1.1 200 OK\r\n\r\n")
            .orig(b"\x16\x03\x01")
            .any_chunking::<Http>();
        assert_eq!(seen.stopped, Some(Progress::Finished));
        assert_eq!(seen.cell("uri"), "host:443");
        assert!(seen.events.iter().any(|e| e.contains(r#"Switch("connect")"#)));
        let seen = Script::new()
            .orig("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
            .resp("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n\x01\x02")
            .any_chunking::<Http>();
        assert!(seen.events.iter().any(|e| e.contains(r#"Switch("websocket")"#)));
    }

    #[test]
    fn one_way_captures() {
        let seen = Script::new()
            .resp("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 500 No\r\n\r\n")
            .any_chunking::<Http>();
        assert_eq!(seen.cells("status"), ["200", "500"]);
        assert_eq!(seen.cells("rtt_us"), ["-", "-"]);
        let seen = Script::new().orig("GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\nAuthorization: Basic YTpi\r\n\r\n");
        let seen = seen.any_chunking::<Http>();
        assert_eq!(seen.cells("uri"), ["/a", "/b"]);
        assert!(seen.logins[0].contains("success: None"));
    }

    #[test]
    fn a_gap_in_a_head_is_got_over() {
        let seen = Script::new()
            .orig("GET /a HTTP/1.1\r\nHo")
            .gap(Direction::Orig, 100)
            .orig("rest of it\r\n\r\n")
            .orig("GET /b HTTP/1.1\r\n\r\n")
            .resp("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .run::<Http>();
        assert_eq!(seen.cells("uri"), ["/b"]);
    }

    #[test]
    fn a_thousand_pipelined_requests_and_an_endless_head() {
        let seen = Script::new().orig("GET /a HTTP/1.1\r\n\r\n".repeat(1000)).any_chunking::<Http>();
        assert_eq!(seen.rows.len(), 1000);
        let endless = "GET / HTTP/1.1\r\n".to_owned() + &"A: b\r\n".repeat(20_000);
        assert!(matches!(Script::new().orig(endless).run::<Http>().stopped, Some(Progress::Violation(_))));
    }

    #[test]
    fn probes() {
        for (bytes, want) in [
            ("GET / HTTP/1.1\r\n", Probe::Yes),
            ("HTTP/1.0 200 OK\r\n", Probe::Yes),
            ("FOO-BAR /x HTTP/1.0\r\n", Probe::Yes),
            ("GET /a b c HTTP/1.1\r\n", Probe::Yes),
            ("OPTIONS sip:a SIP/2.0\r\n", Probe::No),
            ("OPTIONS * RTSP/1.0\r\n", Probe::No),
            ("PRI * HTTP/2.0\r\n", Probe::No),
            ("ICAP/1.0 200 OK\r\n", Probe::No),
            ("GET /index\r\n", Probe::No),
            ("SSH-2.0-x\r\n", Probe::No),
            ("HTTP/1.1 abc", Probe::No),
            ("220 ftp\r\n", Probe::No),
            ("GET ", Probe::NeedMore),
        ] {
            assert_eq!(probe_all::<Http>(Direction::Orig, bytes.as_bytes()), want, "{bytes:?}");
        }
        let long = format!("GET /{}", "a".repeat(3000));
        assert_eq!(probe_all::<Http>(Direction::Orig, long.as_bytes()), Probe::Yes);
    }
}
