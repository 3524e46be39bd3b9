//! HTTP/1 (RFC 9110, RFC 9112): requests paired with their responses, whatever port they use.

use std::collections::VecDeque;

use super::http_body::{Body, Kind};
use super::http_head::{self as head, Framing, RequestHead, ResponseHead};
use super::http_ledger::Ledger;
use super::http_login::{self as login, Form, Found};
use super::http_message::{Request, Response, Strings};
use super::{http_probe, ipp};
use crate::base::limits;
use crate::base::secret::SecretBuf;
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::files::provisioning;
use crate::proto::text::{self, Line, Lines};

pub use super::http_event::{Event, Exchange, TABLE};

/// Where a direction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Head,
    /// Behind the front of a head that is too long: passes over the rest of it, then reads the body.
    HeadRest(Framing),
    Length(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    UntilClose,
    /// Behind a request for a tunnel: what comes next depends on the answer.
    Tunnel,
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
    ledger: Ledger,
    /// The last challenge of NTLM: the login is one of the connection, not of a request.
    ntlm: Option<[u8; 8]>,
    answered: bool,
    flush: bool,
    ends: u8,
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
            State::Head if self.server == Some(dir) && !self.answered && b"SSH-".starts_with(front(bytes)) => {
                // A web client that called a shell's port: what the server speaks counts.
                match bytes.len() {
                    ..4 => Step::More(4),
                    _ => Step::Stop(Progress::Violation("SSH server")),
                }
            }
            State::Head => {
                // Empty lines before a message are tolerated (RFC 9112, section 2.2).
                let blank = bytes.iter().take_while(|c| matches!(c, b'\r' | b'\n')).count();
                if blank > 0 && half.scanned == 0 {
                    return Step::Used(blank);
                }
                let window = bytes.get(..limits::HTTP_HEAD_BYTES_MAX).unwrap_or(bytes);
                match head::end(window, &mut half.scanned) {
                    Some(end) => self.head(cx, dir, bytes.get(..end).unwrap_or_default(), end, emit),
                    None if window.len() < limits::HTTP_HEAD_BYTES_MAX => Step::More(bytes.len() + 1),
                    None => {
                        cx.limit_hit();
                        let Some(end) = head::cut(window) else {
                            return Step::Stop(Progress::Violation("HTTP start line too long"));
                        };
                        let front = [window.get(..end).unwrap_or_default(), b"\r\n\r\n"].concat();
                        let step = self.head(cx, dir, &front, end, emit);
                        if let (Step::Used(_), Some(half)) = (&step, self.halves.get_mut(dir.index())) {
                            half.state = State::HeadRest(framing_of(half.state));
                        }
                        step
                    }
                }
            }
            State::HeadRest(framing) => match head::end(bytes, &mut half.scanned) {
                Some(end) => {
                    half.scanned = 0;
                    self.begin(dir, framing);
                    Step::Used(end)
                }
                None => {
                    half.scanned = 0;
                    // The end of the head may lie across two pieces.
                    match bytes.len().checked_sub(3).filter(|n| *n > 0) {
                        Some(n) => Step::Used(n),
                        None => Step::More(bytes.len() + 1),
                    }
                }
            },
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
                    self.body_done(cx, is_response, emit);
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
                    self.body_done(cx, is_response, emit);
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
            // No client goes on before it has the answer: then that was missed.
            State::Tunnel if !self.answered => Step::Stop(Progress::Handover { consumed: 0 }),
            State::Tunnel => Step::More(bytes.len() + 1),
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

    /// Takes a head, which took so many bytes of the stream.
    fn head(&mut self, cx: Cx<'_>, dir: Direction, message: &[u8], used: usize, emit: Emit<'_>) -> Step {
        let Some(half) = self.halves.get_mut(dir.index()) else { return Step::Stop(Progress::Finished) };
        half.scanned = 0;
        half.is_response = text::starts_with(message, b"HTTP/");
        let stop = if half.is_response {
            self.server.get_or_insert(dir);
            self.response_head(cx, dir, message, used, emit)
        } else {
            self.server.get_or_insert(dir.other());
            self.request_head(cx, dir, message, emit)
        };
        stop.map_or(Step::Used(used), Step::Stop)
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

    fn request_head(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Option<Progress> {
        let Some(head) = RequestHead::parse(bytes) else { return Some(Progress::Violation("HTTP request head")) };
        if head.cut {
            cx.limit_hit();
        }
        let authorization = head.authorization.or(head.proxy_authorization);
        let scheme = authorization.and_then(login::scheme);
        let framing = head.framing();
        self.depth = self.depth.saturating_add(1);
        if self.requests.len() >= limits::HTTP_PENDING_MAX
            && let Some(oldest) = self.requests.pop_front()
        {
            cx.limit_hit();
            self.given_up += 1;
            oldest.unanswered(cx, self.server, &mut self.ledger, emit);
        }
        if let Some(last) = self.requests.back_mut() {
            last.body_open = false;
        }
        self.requests.push_back(Request {
            strings: Strings::new([
                Some(head.method),
                Some(head.uri),
                head.host,
                head.user_agent,
                head.referrer,
                scheme,
            ]),
            version: head.version(),
            forwarded: head.forwarded,
            at: (cx.ts, cx.packet),
            depth: self.depth,
            // A client mostly asks as it did before.
            npf: if self.depth == 1 { RequestHead::npf(bytes) } else { None },
            body_len: framing.announced(),
            body_open: framing != Framing::None,
            logins: logins(&head, self.ntlm),
            body: Body::new(request_kind(&head, framing), head.coding),
        });
        if head.method == b"CONNECT" {
            if let Some(half) = self.halves.get_mut(dir.index()) {
                half.state = State::Tunnel;
            }
        } else {
            self.begin(dir, framing);
        }
        None
    }

    fn response_head(
        &mut self,
        cx: Cx<'_>,
        dir: Direction,
        bytes: &[u8],
        used: usize,
        emit: Emit<'_>,
    ) -> Option<Progress> {
        let Some(head) = ResponseHead::parse(bytes) else {
            // What was asked before is told without an answer.
            let asked = !self.requests.is_empty();
            return Some(if asked { Progress::Finished } else { Progress::Violation("HTTP response head") });
        };
        if head.cut {
            cx.limit_hit();
        }
        self.answered = true;
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
            request.read_form(cx, &mut self.ledger);
        }
        self.ntlm = head.ntlm().or(self.ntlm);
        let framing = head.framing(request.as_ref().is_some_and(|r| r.is(b"HEAD")));
        let asked_tunnel = request.as_ref().is_some_and(|r| r.is(b"CONNECT"));
        let tunnel = asked_tunnel && (200..300).contains(&head.status);
        let (scheme, realm) = head.challenge().unzip();
        let realm = realm.flatten();
        let kind = match framing {
            Framing::None => Kind::Nothing,
            _ if tunnel => Kind::Nothing,
            _ => response_kind(&head, request.as_ref()),
        };
        let mut response = Response {
            strings: Strings::new([
                Some(head.reason),
                head.server,
                head.content_type,
                head.location,
                scheme,
                realm.as_deref(),
                head.cookie,
                head.last_cookie,
            ]),
            status: head.status,
            version: head.version(),
            at: (cx.ts, cx.packet),
            body_len: framing.announced(),
            session: head.session.map(SecretBuf::new),
            stale: head.is_stale(),
            body: Body::new(kind, head.coding),
            request,
        };
        if tunnel || head.status == 101 {
            response.tell(cx, self.server, &mut self.ledger, emit);
            let authority = response.request.as_ref().and_then(|r| r.strings.get(1)).filter(|_| tunnel);
            let protocol = if tunnel { b"connect" } else { head.upgrade.unwrap_or_default().trim_ascii() };
            emit(Event::Switch { at: response.at, protocol, authority });
            let named = protocol.eq_ignore_ascii_case(b"websocket");
            return Some(if named { Progress::Finished } else { Progress::Handover { consumed: used } });
        }
        if asked_tunnel && let Some(half) = self.halves.get_mut(dir.other().index()) {
            // Refused: the client may ask again.
            half.state = State::Head;
        }
        self.begin(dir, framing);
        match framing {
            Framing::None => response.tell(cx, self.server, &mut self.ledger, emit),
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

    /// The body that is being read.
    fn open_body(&mut self, is_response: bool) -> Option<&mut Body> {
        if is_response {
            self.response.as_mut().map(|r| &mut r.body)
        } else {
            self.requests.back_mut().filter(|r| r.body_open).map(|r| &mut r.body)
        }
    }

    /// Takes a piece of a body; whether more of it is of interest.
    fn body(&mut self, is_response: bool, bytes: &[u8]) -> bool {
        self.open_body(is_response).is_some_and(|b| b.take(bytes))
    }

    fn body_done(&mut self, cx: Cx<'_>, is_response: bool, emit: Emit<'_>) {
        if is_response {
            if let Some(mut response) = self.response.take() {
                response.tell(cx, self.server, &mut self.ledger, emit);
            }
        } else if let Some(request) = self.requests.back_mut() {
            request.body_open = false;
        }
    }

    fn flush(&mut self, cx: Cx<'_>, emit: Emit<'_>) {
        if let Some(mut response) = self.response.take() {
            response.tell(cx, self.server, &mut self.ledger, emit);
        }
        while let Some(request) = self.requests.pop_front() {
            request.unanswered(cx, self.server, &mut self.ledger, emit);
        }
        self.given_up = 0;
    }
}

/// The first bytes of a message, which say who speaks.
fn front(bytes: &[u8]) -> &[u8] {
    bytes.get(..4).unwrap_or(bytes)
}

/// The framing that a state begins.
const fn framing_of(state: State) -> Framing {
    match state {
        State::Length(n) => Framing::Length(n),
        State::ChunkSize => Framing::Chunked,
        State::UntilClose => Framing::UntilClose,
        _ => Framing::None,
    }
}

/// The logins in a request's head.
fn logins(head: &RequestHead<'_>, ntlm: Option<[u8; 8]>) -> Vec<Found> {
    let fields = [head.authorization, head.proxy_authorization].into_iter().flatten();
    let mut logins: Vec<Found> = fields.filter_map(|v| login::authorization(v, head.method, ntlm)).collect();
    logins.extend(head.keys.iter().flatten().filter_map(|v| login::key_field(v)));
    logins.extend(login::query_login(head.uri));
    logins.extend(login::address_login(head.uri));
    logins
}

/// What the body of a request is kept for.
pub(super) fn request_kind(head: &RequestHead<'_>, framing: Framing) -> Kind {
    match head.content_type {
        _ if framing == Framing::None => Kind::Nothing,
        Some(media) if text::starts_with(media.trim_ascii_start(), b"application/ipp") => Kind::Ipp,
        Some(media) => Form::of(media).map_or(Kind::Nothing, Kind::Form),
        // Simple clients do not say what they post.
        None if head.method == b"POST" => Kind::Form(Form::UrlEncoded),
        None => Kind::Nothing,
    }
}

/// What the body of a response is kept for.
pub(super) fn response_kind(head: &ResponseHead<'_>, request: Option<&Request>) -> Kind {
    let uri = request.and_then(|r| r.strings.get(1));
    let is_page = head.is_type("text/html");
    if head.status == 200 && uri.is_some_and(provisioning::is_settings_file) {
        Kind::Settings
    } else if head.is_type("application/ipp") {
        Kind::Ipp
    } else if request.is_some_and(Request::has_form_login)
        && (is_page || head.is_xml() || head.is_type("application/json") || head.is_type("text/plain"))
    {
        Kind::Answer
    } else if is_page {
        Kind::Title
    } else if head.is_xml() {
        Kind::Device
    } else if uri.is_some_and(|u| u.starts_with(b"/setup/eureka_info")) {
        Kind::Cast
    } else {
        Kind::Nothing
    }
}

impl AppParser for Http {
    const SPEC: Spec = Spec {
        name: "http",
        title: "HTTP/1",
        transports: &[Transport::Tcp],
        ports: &[80, 8080, 8000, 8008, 8081, 8088, 8888, 3128, 631, 5985, 1900],
        reference: "RFC 9110, RFC 9112; RFC 8010 for IPP",
        table: Some(&TABLE),
        more_tables: &[&ipp::TABLE],
        yields: "requests and responses, logins of all kinds, titles, what devices say of themselves, print jobs, tunnels, provisioning files",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        http_probe::probe(payload)
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if std::mem::take(&mut self.flush) {
            self.flush(cx, emit);
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
                Step::Stop(Progress::Handover { consumed }) => return Progress::Handover { consumed: used + consumed },
                Step::Stop(progress) => return progress,
            }
        }
    }

    fn heap(&self) -> usize {
        self.requests.iter().map(Request::heap).chain(self.response.as_ref().map(Response::heap)).sum()
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
        if let Some(body) = self.open_body(is_response) {
            body.hole();
        }
        Progress::Done
    }

    fn on_end(&mut self, cx: Cx<'_>, dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        self.ends = self.ends.saturating_add(1);
        if self.server == Some(dir) || self.ends >= 2 || self.flush {
            self.flush(cx, emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::Script;

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
        assert_eq!(seen.stopped, Some(Progress::Handover { consumed: 0 }));
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
        let front = "POST /a HTTP/1.1\r\nAuthorization: Basic YWRtaW46aHVudGVyMg==\r\nContent-Length: 4\r\n".to_owned();
        let long = front + &"A: b\r\n".repeat(20_000) + "\r\nbodyGET /b HTTP/1.1\r\n\r\n";
        for size in [usize::MAX, 1000, 61] {
            let seen = Script::new().orig(&long).pieces::<Http>(size);
            assert_eq!(seen.cells("uri"), ["/a", "/b"], "what follows a head that is too long is read");
            assert!(seen.logins[0].contains("basic"));
        }
        let no_line = "GET /".to_owned() + &"a".repeat(100_000);
        assert!(matches!(Script::new().orig(no_line).run::<Http>().stopped, Some(Progress::Violation(_))));
    }

    #[test]
    fn a_tunnel_whose_answer_was_missed_and_one_that_was_refused() {
        let asked = "CONNECT host:443 HTTP/1.1\r\nHost: host:443\r\n\r\n";
        let seen = Script::new().orig(asked).orig(b"\x16\x03\x01\x00\x05").any_chunking::<Http>();
        assert_eq!((seen.cell("uri"), seen.stopped), ("host:443".into(), Some(Progress::Handover { consumed: 0 })));
        let seen = Script::new()
            .orig(asked)
            .resp("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"p\"\r\nContent-Length: 0\r\n\r\n")
            .orig("CONNECT host:443 HTTP/1.1\r\nProxy-Authorization: Basic YTpi\r\n\r\n")
            .resp("HTTP/1.1 200 OK\r\n\r\n")
            .any_chunking::<Http>();
        assert_eq!(seen.cells("status"), ["407", "200"]);
        assert!(seen.logins[0].contains("success: Some(true)"));
    }

    #[test]
    fn ntlm_answers_the_challenge_of_the_connection() {
        // MS-NLMP, section 4.2.2: the challenge is 0123456789abcdef.
        let challenge = "TlRMTVNTUAACAAAAAAAAADgAAAAzgoriASNFZ4mrze8AAAAAAAAAADgAAAA4AAAABgBwFwAAAA8=";
        let mut answer = b"NTLMSSP\0\x03\0\0\0".to_vec();
        answer.extend([0, 0, 0, 0, 64, 0, 0, 0, 24, 0, 24, 0, 72, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0]);
        answer.extend([8, 0, 8, 0, 64, 0, 0, 0]);
        answer.extend([0; 16]);
        answer.extend([1, 0, 0, 0]);
        answer.extend(b"U\0s\0e\0r\0");
        answer.extend([7; 24]);
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let encoded: String = answer
            .chunks(3)
            .flat_map(|c| {
                let n = c.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - c.len()));
                (0..4)
                    .map(move |i| if i <= c.len() { ALPHABET[(n >> (18 - 6 * i) & 63) as usize] as char } else { '=' })
            })
            .collect();
        let seen = Script::new()
            .orig("GET / HTTP/1.1\r\nAuthorization: NTLM TlRMTVNTUAABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n")
            .resp(format!("HTTP/1.1 401 No\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM {challenge}\r\nContent-Length: 0\r\n\r\n"))
            .orig(format!("GET / HTTP/1.1\r\nAuthorization: NTLM {encoded}\r\n\r\n"))
            .resp("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .any_chunking::<Http>();
        assert_eq!(seen.logins.len(), 1, "{:?}", seen.logins);
        let login = &seen.logins[0];
        assert!(
            login.contains("\"ntlm\"") && login.contains("proof: Some(Ntlm)") && login.contains("success: Some(true)")
        );
        assert!(!format!("{seen:?}").contains("070707"));
    }

    #[test]
    fn a_form_login_its_outcome_and_its_session() {
        let post = |host: &str| {
            format!(
                "POST /login.cgi HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                     Content-Length: 22\r\n\r\nusername=a&password=pw"
            )
        };
        let page = "<html><title>Sign in</title><form><input type=\"password\"></form>";
        let seen = Script::new()
            .orig(post("x"))
            .resp(format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}", page.len()))
            .orig(post("x"))
            .resp("HTTP/1.1 302 Found\r\nLocation: /main.htm\r\nSet-Cookie: sid=5e55104; path=/\r\nContent-Length: 0\r\n\r\n")
            .any_chunking::<Http>();
        assert_eq!(seen.cells("title"), ["Sign in", "-"]);
        assert_eq!(seen.logins.len(), 3, "{:?}", seen.logins);
        assert!(seen.logins[0].contains("form") && seen.logins[0].contains("success: Some(false)"));
        assert!(seen.logins[1].contains("form") && seen.logins[1].contains("success: Some(true)"));
        assert!(seen.logins[2].contains("session-cookie") && seen.logins[2].contains("Token"));
        assert!(!format!("{seen:?}").contains("5e55104"));
    }

    #[test]
    fn proxies_are_known_by_what_they_add_and_nothing_of_it_is_kept() {
        let told = |request: &str, response: &str| {
            let flow = crate::proto::testing::flow();
            let limited = crate::proto::api::LimitCount::default();
            let cx = Cx { ts: crate::base::Timestamp::from_parts(1, 0), packet: 1, flow: &flow, limited: &limited };
            let mut parser = Http::default();
            let mut out = Vec::new();
            for (dir, bytes) in [(Direction::Orig, request), (Direction::Resp, response)] {
                parser.on_data(cx, dir, bytes.as_bytes(), &mut |e| {
                    crate::proto::api::Event::facts(&e, &mut |f| {
                        let value = String::from_utf8_lossy(f.value).into_owned();
                        out.push(format!("{:?} {} {value}", f.about, f.attribute));
                    });
                });
            }
            out
        };
        let (orig, resp) = ("Side(Orig)", "Side(Resp)");
        assert_eq!(
            told(
                "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\nVia: 1.1 lb\r\n\r\n",
                "HTTP/1.1 200 OK\r\nSet-Cookie: JSESSIONID=1\r\nSet-Cookie: x=1\r\nSet-Cookie: BIGipServerweb=7.1.0\r\n\
                 Content-Length: 0\r\n\r\n"
            ),
            [
                format!("{resp} cookie JSESSIONID"),
                format!("{resp} cookie BIGipServerweb"),
                format!("{orig} forwarded x-forwarded-for")
            ]
        );
        let asked = [format!("{resp} proxy asked for a page of another server")];
        assert_eq!(told("GET http://a.example/ HTTP/1.1\r\n\r\n", "HTTP/1.1 204 x\r\n\r\n"), asked);
        assert_eq!(told("CONNECT a.example:443 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 x\r\n\r\n"), asked);
        for refused in ["403", "302", "502"] {
            let refused = format!("HTTP/1.1 {refused} x\r\nContent-Length: 0\r\n\r\n");
            assert!(told("GET http://a.example/ HTTP/1.1\r\n\r\n", &refused).is_empty(), "{refused}");
            assert!(told("CONNECT a.example:443 HTTP/1.1\r\n\r\n", &refused).is_empty(), "{refused}");
        }
        for (field, name) in [("Forwarded: for=192.0.2.7", "forwarded"), ("VIA: 1.0 fred", "via")] {
            let request = format!("GET / HTTP/1.0\r\n{field}\r\n\r\n");
            assert_eq!(told(&request, "HTTP/1.0 204 x\r\n\r\n"), [format!("{orig} forwarded {name}")]);
        }
        assert!(told("GET / HTTP/1.0\r\nX-Forwarded-Host: a\r\n\r\n", "HTTP/1.0 204 x\r\n\r\n").is_empty());
    }

    #[test]
    fn keys_in_fields_and_cookies_of_no_login() {
        let seen = Script::new()
            .orig("GET /api HTTP/1.1\r\nX-API-Key: 0f3c9a7711\r\nCookie: sid=1234567\r\n\r\n")
            .resp("HTTP/1.1 200 OK\r\nSet-Cookie: sid=7654321\r\nContent-Length: 0\r\n\r\n")
            .any_chunking::<Http>();
        assert_eq!(seen.logins.len(), 1);
        assert!(seen.logins[0].contains("api-key") && seen.logins[0].contains("Token"));
        let all = format!("{seen:?}");
        assert!(!["0f3c9a7711", "7654321", "1234567"].iter().any(|s| all.contains(s)));
    }

    #[test]
    fn print_jobs_in_chunks() {
        let job = ipp::tests::message(2, &[(0x42, "requesting-user-name", "jo"), (0x42, "job-name", "Leave")]);
        let told = ipp::tests::message(0, &[(0x41, "printer-make-and-model", "Acme L1")]);
        let head = "POST /ipp/print HTTP/1.1\r\nContent-Type: application/ipp\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (a, b) = job.split_at(11);
        let mut body = head.as_bytes().to_vec();
        for part in [a, b, b""] {
            body.extend(format!("{:x}\r\n", part.len()).bytes());
            body.extend(part);
            body.extend(b"\r\n");
        }
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/ipp\r\nContent-Length: {}\r\n\r\n", told.len());
        let seen = Script::new().orig(body).resp([answer.as_bytes(), &told].concat()).any_chunking::<Http>();
        assert_eq!(seen.cells("operation"), ["-", "print-job"]);
        assert_eq!(seen.cells("username")[1], "jo");
        assert_eq!(seen.cells("make_and_model")[1], "Acme L1");
        assert!(seen.events.iter().any(|e| e.contains("Device(1 told)")));
    }

    #[test]
    fn a_port_that_a_gateway_opens_and_a_camera_that_is_asked() {
        let body = "<u:AddPortMapping><NewExternalPort>8080</NewExternalPort><NewInternalPort>80</NewInternalPort>\
                    </u:AddPortMapping>";
        let post =
            format!("POST /ctl HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let seen = Script::new().orig(post).resp("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").any_chunking::<Http>();
        assert!(seen.events.iter().any(|e| e.contains("Mapping(8080, Some(true))")), "{:?}", seen.events);
    }

    #[test]
    fn a_request_is_told_even_if_the_answer_is_broken() {
        let seen =
            Script::new().orig("GET /a HTTP/1.1\r\n\r\n").resp("HTTP/1.\u{c5} 200 OK\r\n\r\n").any_chunking::<Http>();
        assert_eq!((seen.cell("uri"), seen.cell("status")), ("/a".into(), "-".into()));
    }

    #[test]
    fn a_shell_server_is_no_web_server() {
        let seen = Script::new().orig("GET / HTTP/1.1\r\n\r\n").resp("SSH-2.0-x\r\n").run::<Http>();
        assert_eq!(seen.stopped, Some(Progress::Violation("SSH server")));
    }
}
