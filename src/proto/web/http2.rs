//! HTTP/2 without TLS (RFC 9113): with prior knowledge, or behind an upgrade of HTTP/1 or a proxy's
//! tunnel. Its exchanges go to the table of HTTP/1.

use super::hpack::Decoder;
use super::http::{request_kind, response_kind};
use super::http_body::{Body, Coding};
use super::http_event::{Event, TABLE};
use super::http_head::{Framing, RequestHead, ResponseHead, forwarded};
use super::http_ledger::Ledger;
use super::http_login as login;
use super::http_login::cookie_name;
use super::http_message::{Request, Response, Strings, session_of};
use crate::base::{Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::text;

/// What a client begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// One side of the connection.
#[derive(Debug, Default)]
struct Half {
    decoder: Decoder,
    /// A header block that goes on in the next frame: its stream, whether the stream ends with it, and
    /// what has come.
    block: Option<(u32, bool, Vec<u8>)>,
    /// Data of one frame that is passed to its stream as it comes: stream, bytes left, padding left, end.
    data: Option<(u32, usize, usize, bool)>,
    begun: bool,
    lost: bool,
}

/// A request and its response, as far as they have come.
struct Stream {
    id: u32,
    request: Option<Request>,
    response: Option<Response>,
    /// Bytes that it keeps at most.
    held: usize,
}

/// Follows one connection.
#[derive(Default)]
pub struct Http2 {
    halves: [Half; 2],
    client: Option<Direction>,
    streams: Vec<Stream>,
    /// Bytes that all of them keep at most.
    held: usize,
    depth: u32,
    ledger: Ledger,
    ends: u8,
}

impl std::fmt::Debug for Http2 {
    /// Without what was sent, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http2").field("halves", &self.halves).field("depth", &self.depth).finish_non_exhaustive()
    }
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// The fields of a header block, as the two kinds of message have them.
#[derive(Default)]
struct Fields {
    list: Vec<(Vec<u8>, Vec<u8>)>,
    size: usize,
}

impl Fields {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.list.iter().find(|(n, _)| n == name.as_bytes()).map(|(_, v)| v.as_slice())
    }
}

enum Step {
    Used(usize),
    More(usize),
    Stop(Progress),
}

impl Http2 {
    fn step(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Step {
        let is_client = self.client == Some(dir);
        let Some(half) = self.halves.get_mut(dir.index()) else { return Step::Stop(Progress::Finished) };
        if half.lost {
            return Step::Used(bytes.len());
        }
        if let Some((stream, left, padding, end)) = half.data {
            let there = left.min(bytes.len());
            let padded = padding.min(bytes.len() - there);
            half.data = Some((stream, left - there, padding - padded, end)).filter(|d| d.1 + d.2 > 0);
            let ended = half.data.is_none() && end;
            self.data(cx, stream, is_client, bytes.get(..there).unwrap_or_default(), emit);
            if ended {
                self.end_stream(cx, stream, is_client, emit);
            }
            return Step::Used(there + padded);
        }
        if is_client && !std::mem::replace(&mut half.begun, true) && bytes.first() == Some(&b'P') {
            if bytes.len() < PREFACE.len() {
                half.begun = false;
                return Step::More(PREFACE.len());
            }
            return if bytes.starts_with(PREFACE) {
                Step::Used(PREFACE.len())
            } else {
                Step::Stop(Progress::Violation("HTTP/2 preface"))
            };
        }
        let mut r = Reader::new(bytes);
        let (Ok(length), Ok(kind), Ok(flags), Ok(stream)) =
            (r.be24("length"), r.u8("type"), r.u8("flags"), r.be32("stream"))
        else {
            return Step::More(9);
        };
        let (length, stream) = (length as usize, stream & 0x7fff_ffff);
        if kind == DATA {
            let padding = match flags & PADDED {
                0 => 0,
                _ => match r.u8("padding") {
                    Ok(n) => usize::from(n),
                    Err(_) => return Step::More(10),
                },
            };
            let pad_field = usize::from(flags & PADDED != 0);
            let left = length.saturating_sub(pad_field + padding);
            let end = flags & END_STREAM != 0;
            let padding = length.saturating_sub(pad_field).min(padding);
            if left + padding == 0 {
                if end {
                    self.end_stream(cx, stream, is_client, emit);
                }
            } else {
                half.data = Some((stream, left, padding, end));
            }
            return Step::Used(r.position());
        }
        // Frames of an unknown type and those that tell nothing are passed over; real ones that tell
        // something stay under the 16 KiB that everybody must take (RFC 9113, section 4.2).
        if !matches!(kind, HEADERS | PUSH_PROMISE | CONTINUATION) || length > limits::HTTP_HEAD_BYTES_MAX {
            if kind > 0x20 && length > limits::HTTP_HEAD_BYTES_MAX {
                return Step::Stop(Progress::Violation("HTTP/2 frame"));
            }
            if kind == RST_STREAM {
                self.reset(cx, stream, emit);
            }
            if let Some(half) = self.halves.get_mut(dir.index()) {
                if matches!(kind, HEADERS | PUSH_PROMISE | CONTINUATION) {
                    // What is passed over would have changed the table.
                    cx.limit_hit();
                    half.decoder.lose();
                    half.block = None;
                }
                half.data = Some((0, 0, length, false)).filter(|_| length > 0);
            }
            return Step::Used(9);
        }
        let Ok(payload) = r.take("frame", length) else { return Step::More(9 + length) };
        let used = r.position();
        if let Err(stop) = self.headers(cx, dir, (kind, flags, stream), payload, emit) {
            return Step::Stop(stop);
        }
        Step::Used(used)
    }

    fn headers(
        &mut self,
        cx: Cx<'_>,
        dir: Direction,
        (kind, flags, stream): (u8, u8, u32),
        payload: &[u8],
        emit: Emit<'_>,
    ) -> Result<(), Progress> {
        let broken = |_| Progress::Violation("HTTP/2 header frame");
        let mut r = Reader::new(payload);
        let Some(half) = self.halves.get_mut(dir.index()) else { return Ok(()) };
        if kind == CONTINUATION {
            let Some((id, _, block)) = &mut half.block else { return Ok(()) };
            if *id != stream {
                return Err(Progress::Violation("HTTP/2 continuation"));
            }
            if block.len() + payload.len() > limits::HTTP_HEAD_BYTES_MAX {
                // What was left out would have changed the table.
                cx.limit_hit();
                half.decoder.lose();
                half.block = None;
                return Ok(());
            }
            block.extend_from_slice(payload);
        } else {
            let padding = if flags & PADDED != 0 { usize::from(r.u8("padding").map_err(broken)?) } else { 0 };
            let mut stream = stream;
            if kind == PUSH_PROMISE {
                // The promised request is not one of the client's: only its fields matter, for the table.
                stream = 0;
                r.skip("promised stream", 4).map_err(broken)?;
            } else if flags & PRIORITY != 0 {
                r.skip("priority", 5).map_err(broken)?;
            }
            let rest = r.rest();
            let fragment = rest.get(..rest.len().saturating_sub(padding)).unwrap_or_default();
            half.block = Some((stream, flags & END_STREAM != 0 && kind == HEADERS, fragment.to_vec()));
        }
        if flags & END_HEADERS == 0 {
            return Ok(());
        }
        let Some((stream, end, block)) = half.block.take() else { return Ok(()) };
        let mut fields = Fields::default();
        let read = half.decoder.read(&block, &mut |name, value| {
            fields.size += name.len() + value.len();
            if fields.size <= limits::HTTP_HEAD_BYTES_MAX {
                fields.list.push((name.to_vec(), value.to_vec()));
            }
        });
        match read {
            Ok(limited) if limited || fields.size > limits::HTTP_HEAD_BYTES_MAX => cx.limit_hit(),
            Ok(_) => {}
            Err(_) => return Err(Progress::Violation("HTTP/2 header block")),
        }
        if stream == 0 {
            return Ok(());
        }
        // Whoever states a method asks; trailers state neither.
        if fields.get(":method").is_some() {
            self.client.get_or_insert(dir);
            self.request(cx, stream, end, &fields, emit);
        } else if fields.get(":status").is_some() {
            self.client.get_or_insert(dir.other());
            self.response(cx, stream, &fields);
            self.bound(cx, emit);
        }
        if end {
            self.end_stream(cx, stream, self.client == Some(dir), emit);
        }
        Ok(())
    }

    fn server(&self) -> Option<Direction> {
        self.client.map(Direction::other)
    }

    fn request(&mut self, cx: Cx<'_>, id: u32, end: bool, fields: &Fields, emit: Emit<'_>) {
        if self.streams.len() >= limits::HTTP2_STREAMS_MAX {
            cx.limit_hit();
            self.close(cx, 0, emit);
        }
        let method = fields.get(":method").unwrap_or_default();
        let path = fields.get(":path").unwrap_or_default();
        let mut head =
            RequestHead { method, uri: path, content_type: fields.get("content-type"), ..RequestHead::default() };
        head.authorization = fields.get("authorization");
        let mut logins = Vec::new();
        // One entry of the table may be referred to again and again, for a byte each time.
        let mut read: Vec<&(Vec<u8>, Vec<u8>)> = Vec::new();
        for field in &fields.list {
            let (name, value) = field;
            let is_key = login::is_key_field(name);
            if !is_key && !matches!(name.as_slice(), b"authorization" | b"proxy-authorization") || read.contains(&field)
            {
                continue;
            }
            if read.len() >= limits::HTTP2_LOGINS_MAX {
                cx.limit_hit();
                break;
            }
            read.push(field);
            logins.extend(if is_key { login::key_field(value) } else { login::authorization(value, method, None) });
        }
        logins.extend(login::query_login(path));
        let framing = if end { Framing::None } else { Framing::Chunked };
        let scheme = head.authorization.and_then(login::scheme);
        let host = fields.get(":authority").or_else(|| fields.get("host"));
        let uri = if method == b"CONNECT" { host.unwrap_or_default() } else { path };
        self.depth = self.depth.saturating_add(1);
        let request = Request {
            strings: Strings::new([
                Some(method),
                Some(uri),
                host,
                fields.get("user-agent"),
                fields.get("referer"),
                scheme,
            ]),
            version: "2",
            forwarded: fields.list.iter().find_map(|(name, value)| forwarded(name, value)),
            at: (cx.ts, cx.packet),
            depth: self.depth,
            npf: None,
            body_len: framing.announced(),
            body_open: !end,
            logins,
            body: Body::new(
                request_kind(&head, framing),
                fields.get("content-encoding").map_or(Coding::Plain, Coding::of),
            ),
        };
        self.streams.push(Stream { id, request: Some(request), response: None, held: fields.size });
        self.held += fields.size;
        self.bound(cx, emit);
    }

    /// Keeps what waits within its limit: the oldest are written as they are.
    fn bound(&mut self, cx: Cx<'_>, emit: Emit<'_>) {
        while self.held > limits::HTTP2_WAITING_BYTES_MAX && !self.streams.is_empty() {
            cx.limit_hit();
            self.close(cx, 0, emit);
        }
    }

    /// Takes a stream off the list and tells of it.
    fn close(&mut self, cx: Cx<'_>, at: usize, emit: Emit<'_>) {
        if at < self.streams.len() {
            let stream = self.streams.remove(at);
            self.held = self.held.saturating_sub(stream.held);
            self.finish(cx, stream, emit);
        }
    }

    fn response(&mut self, cx: Cx<'_>, id: u32, fields: &Fields) {
        let status = fields.get(":status").and_then(text::decimal).and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
        if status < 200 {
            return;
        }
        if !self.streams.iter().any(|s| s.id == id) {
            if self.streams.len() >= limits::HTTP2_STREAMS_MAX {
                cx.limit_hit();
                return;
            }
            // Its request was missed, or came before the upgrade.
            self.streams.push(Stream { id, request: None, response: None, held: 0 });
        }
        let Some(stream) = self.streams.iter_mut().find(|s| s.id == id && s.response.is_none()) else { return };
        stream.held += fields.size;
        self.held += fields.size;
        let mut request = stream.request.take();
        if let Some(request) = &mut request {
            request.read_form(cx, &mut self.ledger);
        }
        let get = |name: &str| fields.get(name);
        let head = ResponseHead {
            status,
            content_type: get("content-type"),
            challenges: [get("www-authenticate"), get("proxy-authenticate"), None, None],
            ..ResponseHead::default()
        };
        let (scheme, realm) = head.challenge().unzip();
        let realm = realm.flatten();
        let coding = get("content-encoding").map_or(Coding::Plain, Coding::of);
        let session = fields.list.iter().filter(|(n, _)| n == b"set-cookie").find_map(|(_, v)| session_of(v));
        let mut cookies = fields.list.iter().filter(|(n, _)| n == b"set-cookie").map(|(_, v)| cookie_name(v));
        let (cookie, last_cookie) = (cookies.next().flatten(), cookies.next_back().flatten());
        stream.response = Some(Response {
            strings: Strings::new([
                None,
                get("server"),
                get("content-type"),
                get("location"),
                scheme,
                realm.as_deref(),
                cookie,
                last_cookie,
            ]),
            status,
            version: "2",
            at: (cx.ts, cx.packet),
            body_len: None,
            session,
            stale: head.is_stale(),
            body: Body::new(response_kind(&head, request.as_ref()), coding),
            request,
        });
    }

    fn data(&mut self, cx: Cx<'_>, id: u32, is_client: bool, bytes: &[u8], emit: Emit<'_>) {
        let Some(stream) = self.streams.iter_mut().find(|s| s.id == id) else { return };
        let held = &mut stream.held;
        let (body, len) = if is_client {
            let request = stream.request.as_mut().or_else(|| stream.response.as_mut().and_then(|r| r.request.as_mut()));
            let Some(request) = request else { return };
            (&mut request.body, &mut request.body_len)
        } else {
            let Some(response) = stream.response.as_mut() else { return };
            (&mut response.body, &mut response.body_len)
        };
        *len = Some(len.unwrap_or(0).saturating_add(bytes.len() as u64));
        let before = body.held();
        body.take(bytes);
        let more = body.held().saturating_sub(before);
        *held += more;
        self.held += more;
        self.bound(cx, emit);
    }

    fn end_stream(&mut self, cx: Cx<'_>, id: u32, is_client: bool, emit: Emit<'_>) {
        if is_client {
            return;
        }
        if let Some(at) = self.streams.iter().position(|s| s.id == id && s.response.is_some()) {
            self.close(cx, at, emit);
        }
    }

    fn reset(&mut self, cx: Cx<'_>, id: u32, emit: Emit<'_>) {
        if let Some(at) = self.streams.iter().position(|s| s.id == id) {
            self.close(cx, at, emit);
        }
    }

    fn finish(&mut self, cx: Cx<'_>, stream: Stream, emit: Emit<'_>) {
        let server = self.server();
        match (stream.response, stream.request) {
            (Some(mut response), _) => response.tell(cx, server, &mut self.ledger, emit),
            (None, Some(request)) => request.unanswered(cx, server, &mut self.ledger, emit),
            (None, None) => {}
        }
    }
}

impl AppParser for Http2 {
    const SPEC: Spec = Spec {
        name: "http2",
        title: "HTTP/2 without TLS",
        transports: &[Transport::Tcp],
        ports: &[],
        reference: "RFC 9113, RFC 7541",
        table: Some(&TABLE),
        more_tables: &[&super::ipp::TABLE],
        yields: "requests and responses, logins, what devices say of themselves",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            [b'P', ..] => {
                let n = payload.len().min(PREFACE.len());
                match payload.get(..n) == PREFACE.get(..n) {
                    true if n == PREFACE.len() => Probe::Yes,
                    true => Probe::NeedMore,
                    false => Probe::No,
                }
            }
            // A server's first frame: settings of the connection, six bytes each, few of them.
            [0, 0, length, SETTINGS, 0, 0, 0, 0, 0, rest @ ..] if length % 6 == 0 && *length <= 60 => {
                let length = usize::from(*length);
                let settings = rest.get(..length).unwrap_or(rest);
                let odd = |s: &[u8]| !matches!(s, [0, 1..=9 | 16, ..] | [0] | []);
                match settings.chunks(6).any(odd) {
                    true => Probe::No,
                    // Nothing set proves little without a frame behind it.
                    false if length == 0 => match rest {
                        [] => Probe::NeedMore,
                        [0, _, _, 0..=9, ..] => Probe::Yes,
                        [0] | [0, _] | [0, _, _] => Probe::NeedMore,
                        _ => Probe::No,
                    },
                    false if rest.len() < length => Probe::NeedMore,
                    false => Probe::Yes,
                }
            }
            [] | [0] | [0, 0] | [0, 0, _] => Probe::NeedMore,
            [0, 0, length, SETTINGS, rest @ ..]
                if length % 6 == 0 && *length <= 60 && rest.len() < 5 && rest.iter().all(|b| *b == 0) =>
            {
                Probe::NeedMore
            }
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if self.client.is_none() {
            self.client = Some(if bytes.first() == Some(&b'P') { dir } else { dir.other() });
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

    fn heap(&self) -> usize {
        let halves = self.halves.iter().map(|h| h.decoder.heap() + h.block.as_ref().map_or(0, |b| b.2.capacity()));
        let requests = self.streams.iter().filter_map(|s| s.request.as_ref()).map(Request::heap);
        let responses = self.streams.iter().filter_map(|s| s.response.as_ref()).map(Response::heap);
        halves.chain(requests).chain(responses).sum::<usize>() + self.streams.capacity() * size_of::<Stream>()
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, missing: u64) -> Progress {
        let Some(half) = self.halves.get_mut(dir.index()) else { return Progress::Finished };
        match &mut half.data {
            // Inside of one frame's data nothing else is lost.
            Some((stream, left, _, _)) if missing <= *left as u64 => {
                *left -= missing as usize;
                let (id, is_client) = (*stream, self.client == Some(dir));
                if let Some(stream) = self.streams.iter_mut().find(|s| s.id == id) {
                    let response = stream.response.as_mut();
                    match response {
                        Some(response) if !is_client => response.body.hole(),
                        Some(response) => _ = response.request.as_mut().map(|r| r.body.hole()),
                        None => _ = stream.request.as_mut().map(|r| r.body.hole()),
                    }
                }
                Progress::Done
            }
            // Where the next frame begins is not known any more.
            _ => {
                half.lost = true;
                half.decoder.lose();
                if self.halves.iter().all(|h| h.lost) { Progress::Finished } else { Progress::Done }
            }
        }
    }

    fn on_end(&mut self, cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        self.ends = self.ends.saturating_add(1);
        if self.ends >= 2 {
            for stream in std::mem::take(&mut self.streams) {
                self.finish(cx, stream, emit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        out.extend([kind, flags]);
        out.extend(stream.to_be_bytes());
        out.extend(payload);
        out
    }

    /// A field that is not kept in the table (RFC 7541, section 6.2.2).
    fn literal(name: &str, value: &str) -> Vec<u8> {
        let mut out = vec![0, name.len() as u8];
        out.extend(name.as_bytes());
        out.push(value.len() as u8);
        out.extend(value.as_bytes());
        out
    }

    fn opened() -> Vec<u8> {
        [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])].concat()
    }

    #[test]
    fn a_request_with_a_login_and_a_page() {
        let head = [
            vec![0x82, 0x86],
            literal(":path", "/a?token=t0k"),
            literal(":authority", "cam.example"),
            literal("user-agent", "ua"),
            literal("authorization", "Basic YWRtaW46aHVudGVyMg=="),
        ]
        .concat();
        let (front, back) = head.split_at(9);
        let answer = [vec![0x88], literal("server", "s"), literal("content-type", "text/html")].concat();
        let seen = Script::new()
            .orig(opened())
            .orig([frame(HEADERS, END_STREAM, 1, front), frame(CONTINUATION, END_HEADERS, 1, back)].concat())
            .resp(frame(SETTINGS, 0, 0, &[]))
            .resp(frame(HEADERS, END_HEADERS, 1, &answer))
            .resp(frame(DATA, END_STREAM | PADDED, 1, b"\x02<title>Camera</title>\0\0"))
            .any_chunking::<Http2>();
        for (column, value) in [
            ("method", "GET"),
            ("version", "2"),
            ("host", "cam.example"),
            ("uri", "/a?token=[blanked]"),
            ("status", "200"),
            ("title", "Camera"),
            ("response_body_len", "21"),
            ("auth_scheme", "Basic"),
        ] {
            assert_eq!(seen.cell(column), value, "{column}");
        }
        assert!(seen.logins[0].contains("basic") && seen.logins[0].contains("success: Some(true)"));
        assert!(!format!("{seen:?}").contains("hunter2"));
    }

    #[test]
    fn a_form_and_streams_that_overtake_each_other() {
        let post = [
            vec![0x83, 0x86],
            literal(":path", "/login"),
            literal("content-type", "application/x-www-form-urlencoded"),
        ]
        .concat();
        let seen = Script::new()
            .orig(opened())
            .orig(frame(HEADERS, END_HEADERS, 1, &post))
            .orig(frame(HEADERS, END_HEADERS | END_STREAM, 3, &[0x82, 0x86, 0x84]))
            .orig(frame(DATA, END_STREAM, 1, b"user=a&password=Sample-1"))
            .resp(frame(SETTINGS, 0, 0, &[]))
            .resp(frame(HEADERS, END_HEADERS | END_STREAM, 3, &[0x89]))
            .resp(frame(HEADERS, END_HEADERS | END_STREAM, 1, &literal(":status", "401")))
            .any_chunking::<Http2>();
        assert_eq!(seen.cells("uri"), ["/", "/login"]);
        assert_eq!(seen.cells("status"), ["204", "401"]);
        assert!(seen.logins[0].contains("form") && seen.logins[0].contains("success: Some(false)"));
    }

    #[test]
    fn one_login_in_the_table_is_read_once_and_what_waits_is_bounded() {
        let field = |value: &str| [vec![0x40, 13], b"authorization".to_vec(), text(value)].concat();
        let kept = field(&format!("Bearer {}", "t".repeat(900)));
        let block = |id, block: Vec<u8>| frame(HEADERS, END_HEADERS | END_STREAM, id, &block);
        let mut script = opened();
        script.extend(block(1, [vec![0x82, 0x86, 0x84], kept, vec![0xbe; 60]].concat()));
        let (mut parser, flow) = (Http2::default(), crate::proto::testing::flow());
        let count = crate::proto::api::LimitCount::default();
        let cx = Cx { ts: crate::base::Timestamp(0), packet: 1, flow: &flow, limited: &count };
        let logins = |p: &Http2| p.streams.last().and_then(|s| s.request.as_ref()).map_or(0, |r| r.logins.len());
        parser.on_data(cx, Direction::Orig, &script, &mut |_| {});
        assert_eq!((logins(&parser), count.take()), (1, 0));
        let different: Vec<u8> = (0..9).flat_map(|n| literal("authorization", &format!("Bearer t0k{n}"))).collect();
        parser.on_data(cx, Direction::Orig, &block(3, [vec![0x82], different].concat()), &mut |_| {});
        assert_eq!((logins(&parser), count.take()), (limits::HTTP2_LOGINS_MAX, 1));
        for n in 2..128 {
            let request = block(2 * n + 1, [vec![0x82, 0x86, 0x84], vec![0xbe; 60]].concat());
            parser.on_data(cx, Direction::Orig, &request, &mut |_| {});
        }
        assert!(parser.held <= limits::HTTP2_WAITING_BYTES_MAX && count.take() > 0, "{}", parser.held);
        assert_eq!(parser.held, parser.streams.iter().map(|s| s.held).sum::<usize>());
    }

    fn text(value: &str) -> Vec<u8> {
        // Its length in more than one byte (RFC 7541, section 5.1).
        let more = value.len() - 127;
        [vec![127, (more & 0x7f) as u8 | 0x80, (more >> 7) as u8], value.as_bytes().to_vec()].concat()
    }

    #[test]
    fn one_side_gaps_and_broken_frames() {
        let seen = Script::new().orig(opened()).orig(frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x82, 0x86, 0x84]));
        assert_eq!(seen.clone().any_chunking::<Http2>().cell("status"), "-");
        let seen = seen.gap(Direction::Orig, 5).orig(vec![0xff; 40]).resp(frame(SETTINGS, 0, 0, &[]));
        let seen = seen.resp(frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x88])).any_chunking::<Http2>();
        assert_eq!(seen.cell("status"), "200");
        let broken =
            Script::new().orig(opened()).orig(frame(HEADERS, END_HEADERS, 1, &[0x7f; 9])).any_chunking::<Http2>();
        assert!(matches!(broken.stopped, Some(Progress::Violation(_))));
        let huge = [&[0xff, 0xff, 0xff, HEADERS, 0, 0, 0, 0, 1][..], &[0; 100]].concat();
        assert!(Script::new().orig(opened()).orig(huge).any_chunking::<Http2>().rows.is_empty());
    }

    #[test]
    fn probes() {
        let (orig, resp) = (Direction::Orig, Direction::Resp);
        assert_eq!(probe_all::<Http2>(orig, PREFACE), Probe::Yes);
        assert_eq!(probe_all::<Http2>(orig, b"PROPFIND / HTTP/1.1"), Probe::No);
        assert_eq!(probe_all::<Http2>(resp, &frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])), Probe::Yes);
        assert_eq!(probe_all::<Http2>(resp, &frame(SETTINGS, 0, 0, &[9, 3, 0, 0, 0, 100])), Probe::No);
        let acknowledged = [frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, 1, 0, &[])].concat();
        assert_eq!(probe_all::<Http2>(resp, &acknowledged), Probe::Yes);
        assert_eq!(probe_all::<Http2>(resp, b"\0\0\x0c\x05"), Probe::No);
    }
}
