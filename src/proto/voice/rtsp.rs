//! RTSP (RFC 2326, RFC 7826): the control connection of cameras and players, with media between its
//! messages where they are interleaved.

use std::collections::VecDeque;

use super::auth::{self, Auth, without_passwords};
use super::head::{Found, Head, kept};
pub use super::rtsp_event::{Event, Exchange, TABLE};
use super::sdp;
use crate::base::secret::SecretBuf;
use crate::base::{Addr, Endpoint, hash, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::text;
use crate::proto::web::http_blank::path_settings;

/// Methods (RFC 2326, section 10, and the ones that Microsoft's and Real's players add).
const METHODS: &[&[u8]] = &[
    b"OPTIONS",
    b"DESCRIBE",
    b"SETUP",
    b"PLAY",
    b"PAUSE",
    b"TEARDOWN",
    b"ANNOUNCE",
    b"RECORD",
    b"GET_PARAMETER",
    b"SET_PARAMETER",
    b"REDIRECT",
    b"PLAY_NOTIFY",
    b"REGISTER",
];

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// A start line.
enum Start<'a> {
    Request { method: &'static [u8], url: &'a [u8] },
    Response { status: u16, reason: &'a [u8] },
}

impl<'a> Start<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        if let Some(rest) = version(line) {
            let (code, reason) = rest.split_at_checked(3)?;
            let status = text::decimal(code).and_then(|c| u16::try_from(c).ok()).filter(|c| (100..600).contains(c))?;
            return Some(Self::Response { status, reason: reason.trim_ascii() });
        }
        let (word, rest) = text::word(line.trim_ascii_end());
        let method = METHODS.iter().copied().find(|m| *m == word)?;
        let end = memchr::memrchr(b' ', rest)?;
        let (url, version) = rest.split_at(end);
        (version.starts_with(b" RTSP/") && version.len() == 9)
            .then_some(Self::Request { method, url: url.trim_ascii() })
    }
}

/// What follows the version in a status line.
fn version(line: &[u8]) -> Option<&[u8]> {
    line.strip_prefix(b"RTSP/1.0 ").or_else(|| line.strip_prefix(b"RTSP/2.0 "))
}

/// Follows one connection.
#[derive(Debug, Default)]
pub struct Rtsp {
    pending: VecDeque<Exchange>,
    /// Logins that were reported.
    logins: Vec<u64>,
    proved: bool,
    understood: bool,
    ended: bool,
    lost: [bool; 2],
}

impl Rtsp {
    fn message(&mut self, cx: Cx<'_>, dir: Direction, head: &Head<'_>, body: &[u8], emit: Emit<'_>) -> bool {
        let Some(start) = Start::read(head.start) else { return false };
        if !std::mem::replace(&mut self.understood, true) {
            emit(Event::Begun);
        }
        let mut media = Vec::new();
        if head.field(b"content-type", b'c').is_some_and(|t| text::contains(&t, b"sdp")) {
            let (found, cut) = sdp::media(body);
            if cut {
                cx.limit_hit();
            }
            media = found;
        }
        let cseq = head.field(b"cseq", 0).and_then(|v| text::decimal(&v)).unwrap_or_default();
        let transport = head.field(b"transport", 0).map(|t| kept(&t)).unwrap_or_default();
        match start {
            Start::Request { method, url } => {
                let request = Exchange {
                    at: (cx.ts, cx.packet),
                    from: Some(dir),
                    method: method.into(),
                    url: kept(&without_passwords(url)),
                    cseq,
                    user_agent: field(head, b"user-agent"),
                    auth: Auth::of_request(head, method),
                    url_login: url_login(url),
                    transport,
                    media,
                    ..Exchange::default()
                };
                if self.pending.len() >= limits::RTSP_PENDING_MAX
                    && let Some(oldest) = self.pending.pop_front()
                {
                    cx.limit_hit();
                    self.finish(cx, oldest, emit);
                }
                self.pending.push_back(request);
            }
            Start::Response { status, reason } => {
                if status < 200 {
                    return true;
                }
                let known = |e: &Exchange| e.cseq == cseq && e.from == Some(dir.other());
                let waiting = self.pending.iter().position(known).and_then(|i| self.pending.remove(i));
                let mut exchange = waiting.unwrap_or_else(|| Exchange {
                    at: (cx.ts, cx.packet),
                    from: Some(dir.other()),
                    cseq,
                    ..Exchange::default()
                });
                exchange.status = Some(status);
                exchange.reason = auth::shown(reason);
                exchange.response_packet = Some(cx.packet);
                exchange.server = field(head, b"server");
                if let Some(realm) = auth::realm(head) {
                    exchange.realm = realm;
                }
                if !media.is_empty() {
                    exchange.media = media;
                }
                if !transport.is_empty() {
                    exchange.transport = transport;
                    if status == 200 {
                        announce(cx, dir, &exchange.transport, emit);
                    }
                }
                self.finish(cx, exchange, emit);
            }
        }
        true
    }

    fn finish(&mut self, cx: Cx<'_>, mut exchange: Exchange, emit: Emit<'_>) {
        let proved = self.proved;
        if let Some(login) = exchange.any_login() {
            // Each request repeats the login: what counts is who, how, and whether it was accepted.
            let result = login.success.map_or(2, u64::from);
            let seed = hash::mix(result, hash::stable64(0, login.mechanism.as_bytes()));
            let secret = match login.proof {
                Some(_) => 0,
                None => login.secret.map_or(0, |s| hash::stable64(seed, s.expose())),
            };
            let key = hash::stable64(hash::mix(seed, secret), login.username.unwrap_or_default());
            let mut known = self.logins.contains(&key);
            if !known && self.logins.len() >= limits::VOICE_LOGINS_MAX {
                cx.limit_hit();
                known = true;
            } else if !known {
                self.logins.push(key);
            }
            self.proved = true;
            exchange.login_known = known;
        }
        emit(Event::Done { exchange: &exchange, proved });
    }

    /// Passes over what is lost or is no message, up to the next start line or interleaved frame.
    fn resync(&mut self, dir: Direction, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while let Some(n) = memchr::memchr(b'\n', bytes.get(at..).unwrap_or_default()) {
            let line = bytes.get(at..at + n).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            // The start of a line may be the end of media.
            let found = METHODS.iter().copied().chain([&b"RTSP/"[..]]).find_map(|m| memchr::memmem::rfind(line, m));
            if let Some(start) = found.filter(|s| Start::read(line.get(*s..).unwrap_or_default()).is_some()) {
                if let Some(lost) = self.lost.get_mut(dir.index()) {
                    *lost = false;
                }
                return (at + start, true);
            }
            at += n + 1;
        }
        let rest = bytes.len() - at;
        if rest > limits::LINE_BYTES_MAX { (bytes.len(), false) } else { (at, false) }
    }
}

fn field(head: &Head<'_>, name: &[u8]) -> Box<[u8]> {
    head.field(name, 0).map(|v| auth::shown(&v)).unwrap_or_default()
}

/// User name and password in an address: before the host, or among the parameters.
fn url_login(url: &[u8]) -> Option<(Box<[u8]>, SecretBuf)> {
    let rest = url.get(memchr::memmem::find(url.get(..16).unwrap_or(url), b"://")? + 3..)?;
    let authority = rest.split(|c| matches!(c, b'/' | b'?')).next()?;
    if let Some(at) = memchr::memrchr(b'@', authority) {
        let (user, password) = text::split_once(authority.get(..at)?, b':')?;
        return Some((kept(&text::percent(user, false, 256)), SecretBuf::new(&text::percent(password, false, 256))));
    }
    let (path, query) = text::split_once(rest, b'?').unwrap_or((rest, &[]));
    let (mut user, mut password) = (None, None);
    let in_path = path_settings(path).filter_map(|(key, (from, to))| Some((key, path.get(from..to)?)));
    let in_query = query.split(|c| matches!(c, b'&' | b';')).take(32).filter_map(|p| text::split_once(p, b'='));
    for (key, value) in in_path.chain(in_query) {
        let is = |names: &[&[u8]]| names.iter().any(|n| n.eq_ignore_ascii_case(key));
        if is(&[b"user", b"username", b"usr", b"login"]) {
            user = Some(kept(&text::percent(value, true, 256)));
        } else if is(&[b"password", b"passwd", b"pwd", b"pass"]) {
            password = Some(SecretBuf::new(&text::percent(value, true, 256)));
        }
    }
    Some((user.unwrap_or_default(), password?))
}

/// Announces what a Transport field opens (RFC 2326, section 12.39).
fn announce(cx: Cx<'_>, server: Direction, transport: &[u8], emit: Emit<'_>) {
    let (server_ip, client_ip) = match server {
        Direction::Resp => (cx.flow.resp_ip, cx.flow.orig_ip),
        Direction::Orig => (cx.flow.orig_ip, cx.flow.resp_ip),
    };
    let mut endpoints = Vec::new();
    for parameter in transport.split(|c| matches!(c, b';' | b',')).take(64) {
        let Some((key, value)) = text::split_once(parameter.trim_ascii(), b'=') else { continue };
        let ip: Addr = match key {
            b"client_port" => client_ip,
            b"server_port" => server_ip,
            _ => continue,
        };
        for port in value.split(|c| *c == b'-').take(2) {
            if let Some(port) = text::decimal(port).and_then(|p| u16::try_from(p).ok()).filter(|p| *p != 0) {
                endpoints.push(Endpoint { ip, port });
            }
        }
    }
    if !endpoints.is_empty() {
        emit(Event::Media(&endpoints));
    }
}

impl AppParser for Rtsp {
    const SPEC: Spec = Spec {
        name: "rtsp",
        title: "RTSP",
        transports: &[Transport::Tcp],
        ports: &[554, 8554],
        reference: "RFC 2326, RFC 7826",
        table: Some(&TABLE),
        yields: "streams, logins, software of cameras and players, media",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        if !payload.first().is_some_and(|c| matches!(c, b'A' | b'D' | b'G' | b'O' | b'P' | b'R' | b'S' | b'T')) {
            return Probe::No;
        }
        let window = payload.get(..limits::LINE_BYTES_MAX).unwrap_or(payload);
        if payload.starts_with(b"RTSP/") {
            return match window.get(..12) {
                Some(status) if Start::read(status).is_some() => Probe::Yes,
                Some(_) => Probe::No,
                None => Probe::NeedMore,
            };
        }
        let end = memchr::memchr(b'\n', window);
        let line = window.get(..end.unwrap_or(window.len())).unwrap_or_default();
        if end.is_some() {
            return if Start::read(line).is_some() { Probe::Yes } else { Probe::No };
        }
        let (word, rest) = text::word(line);
        let begun = rest.is_empty() && METHODS.iter().any(|m| m.starts_with(word)) || b"RTSP/".starts_with(line);
        let whole = METHODS.contains(&word)
            && (rest.is_empty()
                || rest.starts_with(b"*")
                || b"rtsp".iter().zip(rest).all(|(a, b)| a.eq_ignore_ascii_case(b)));
        if (begun || whole) && window.len() < limits::LINE_BYTES_MAX { Probe::NeedMore } else { Probe::No }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            if self.lost.get(dir.index()) == Some(&true) {
                let (passed, found) = self.resync(dir, rest);
                used += passed;
                if !found {
                    return Progress::Partial { consumed: used, needed: rest.len() - passed + 1 };
                }
                continue;
            }
            match rest {
                [b'\r' | b'\n', ..] => {
                    used += 1;
                    continue;
                }
                // Interleaved media (RFC 2326, section 10.12): a sign, the channel, the length.
                [b'$', _, high, low, frame @ ..] => {
                    let length = usize::from(u16::from_be_bytes([*high, *low]));
                    if length > frame.len() {
                        return Progress::Skip((length - frame.len()) as u64);
                    }
                    used += 4 + length;
                    continue;
                }
                [b'$', ..] => return Progress::Partial { consumed: used, needed: 4 },
                _ => {}
            }
            let head = match Head::find(rest) {
                Found::Whole(head) => head,
                Found::Open if looks_like_message(rest) => {
                    return Progress::Partial { consumed: used, needed: rest.len() + 1 };
                }
                _ if self.understood => {
                    self.lose(dir);
                    continue;
                }
                Found::Open | Found::TooLong => return Progress::Violation("not RTSP"),
            };
            let length = head.content_length().unwrap_or(0);
            let there = rest.len() - head.len;
            let too_long = length > limits::MESSAGE_BODY_BYTES_MAX as u64;
            if too_long {
                cx.limit_hit();
            }
            let wanted = if too_long { 0 } else { usize::try_from(length).unwrap_or_default() };
            if Start::read(head.start).is_none() {
                if !self.understood {
                    return Progress::Violation("not RTSP");
                }
                self.lose(dir);
                continue;
            }
            let Some(body) = rest.get(head.len..head.len + wanted) else {
                return Progress::Partial { consumed: used, needed: head.len + wanted };
            };
            self.message(cx, dir, &head, body, emit);
            if too_long && length >= there as u64 {
                return Progress::Skip(length - there as u64);
            }
            used += head.len + usize::try_from(length).unwrap_or(there);
        }
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, _missing: u64) -> Progress {
        self.lose(dir);
        Progress::Done
    }

    fn on_end(&mut self, cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if std::mem::replace(&mut self.ended, true) {
            for exchange in std::mem::take(&mut self.pending) {
                self.finish(cx, exchange, emit);
            }
        }
    }
}

impl Rtsp {
    fn lose(&mut self, dir: Direction) {
        if let Some(lost) = self.lost.get_mut(dir.index()) {
            *lost = true;
        }
    }
}

/// Whether bytes that lack the end of their head may be a message at all: media that lost their frame
/// are not waited for.
fn looks_like_message(bytes: &[u8]) -> bool {
    let word = bytes.split(|c| *c == b' ').next().unwrap_or_default();
    METHODS.iter().copied().chain([&b"RTSP/1.0"[..], b"RTSP/2.0"]).any(|m| m == word || m.starts_with(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    const CHALLENGE: &str = "RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\nWWW-Authenticate: Digest realm=\"IP Camera(C1234)\", nonce=\"ab\"\r\n\r\n";

    fn describe(cseq: u32, more: &str) -> String {
        format!("DESCRIBE rtsp://192.0.2.9/ch1 RTSP/1.0\r\nCSeq: {cseq}\r\nUser-Agent: LibVLC/3.0\r\n{more}\r\n")
    }

    #[test]
    fn a_login_among_the_settings_of_a_path() {
        for (path, shown) in [
            (
                "user=admin_password=hunter2_channel=1_stream=0.sdp",
                "user=admin_password=[blanked]_channel=1_stream=0.sdp",
            ),
            ("user=admin&password=hunter2&channel=1", "user=admin&password=[blanked]&channel=1"),
            ("live/ch0?user=admin&pwd=hunter2", "live/ch0?user=admin&pwd=[blanked]"),
        ] {
            let seen = Script::new()
                .orig(format!("DESCRIBE rtsp://cam/{path} RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: x key=hunter2\r\n\r\n"))
                .resp("RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")
                .any_chunking::<Rtsp>();
            assert_eq!(seen.cell("url"), format!("rtsp://cam/{shown}"));
            assert_eq!(seen.cell("user_agent"), "x key=[blanked]");
            assert_eq!((seen.cell("username"), seen.logins.len()), ("admin".into(), 1));
        }
        let none = url_login(b"rtsp://cam/user=admin&password=&channel=1");
        assert!(none.is_none_or(|(_, password)| password.borrow().is_empty()));
    }

    #[test]
    fn beyond_the_remembered_logins_nothing_is_new() {
        // 32 names of two letters.
        let names = "AEIMQUYcgkosw048".chars().flat_map(|c| [format!("YW{c}6"), format!("YX{c}6")]);
        let names: Vec<String> = names.collect();
        let script = (0..).zip(names.iter().chain(&names)).fold(Script::new(), |script, (n, name)| {
            script.orig(describe(n, &format!("Authorization: Basic {name}U2FtcGxlLTE=\r\n")))
        });
        assert_eq!(script.run::<Rtsp>().logins.len(), limits::VOICE_LOGINS_MAX);
    }

    #[test]
    fn a_camera_session_with_digest_and_interleaved_media() {
        let sdp = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
        let answer = format!(
            "RTSP/1.0 200 OK\r\nCSeq: 3\r\nServer: Cam/2\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        );
        let digest = "Authorization: Digest username=\"admin\", realm=\"IP Camera(C1234)\", nonce=\"ab\", uri=\"rtsp://192.0.2.9/ch1\", response=\"00ff00ff00ff00ff00ff00ff00ff00ff\"\r\n";
        let seen = Script::new()
            .orig(describe(2, ""))
            .resp(CHALLENGE)
            .orig(describe(3, digest))
            .resp(answer)
            .orig(format!("SETUP rtsp://192.0.2.9/ch1/t1 RTSP/1.0\r\nCSeq: 4\r\nTransport: RTP/AVP;unicast;client_port=5000-5001\r\n{digest}\r\n"))
            .resp("RTSP/1.0 200 OK\r\nCSeq: 4\r\nTransport: RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001\r\n\r\n")
            .orig(format!("PLAY rtsp://192.0.2.9/ch1 RTSP/1.0\r\nCSeq: 5\r\n{digest}\r\n"))
            .resp(b"$\0\0\x05RTSP/$\x01\0\0RTSP/1.0 200 OK\r\nCSeq: 5\r\n\r\n$\0\xff\xff")
            .any_chunking::<Rtsp>();
        assert_eq!(seen.cells("method"), ["DESCRIBE", "DESCRIBE", "SETUP", "PLAY"]);
        assert_eq!(seen.cells("status"), ["401", "200", "200", "200"]);
        assert_eq!(seen.cells("username"), ["-", "admin", "admin", "admin"]);
        assert_eq!(seen.cells("realm")[0], "IP Camera(C1234)");
        assert_eq!(seen.cells("media")[1], "[video RTP/AVP H264/90000]");
        assert_eq!(seen.logins.len(), 1, "said once, not with each request");
        assert!(seen.logins[0].contains("success: Some(true)"));
        let media = seen.events.iter().find(|e| e.starts_with("Media")).unwrap();
        for port in [5000, 5001, 6000, 6001] {
            assert!(media.contains(&format!("port: {port}")), "{media}");
        }
        assert!(!format!("{seen:?}").contains("00ff00ff"));
    }

    #[test]
    fn basic_and_logins_in_the_address() {
        let basic = describe(2, "Authorization: Basic YWRtaW46aHVudGVyMg==\r\n");
        let seen = Script::new().orig(basic).resp(CHALLENGE).any_chunking::<Rtsp>();
        assert!(seen.logins[0].contains("\"basic\"") && seen.logins[0].contains("success: Some(false)"));
        let play = "PLAY rtsp://admin:hunter2@192.0.2.9/ch1?user=a&password=hunter3 RTSP/1.0\r\nCSeq: 1\r\n\r\n";
        let seen = Script::new().orig(play).resp("RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n").any_chunking::<Rtsp>();
        assert_eq!(seen.cell("url"), "rtsp://[blanked]@192.0.2.9/ch1?user=a&password=[blanked]");
        assert_eq!((seen.cell("auth_scheme"), seen.cell("username")), ("url".to_owned(), "admin".to_owned()));
        assert!(!format!("{seen:?}").contains("hunter"));
    }

    #[test]
    fn pipelined_requests_and_answers_out_of_order() {
        let seen = Script::new()
            .orig(describe(1, "") + &describe(2, ""))
            .resp("RTSP/1.0 404 No\r\nCSeq: 2\r\n\r\nRTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")
            .any_chunking::<Rtsp>();
        assert_eq!(seen.cells("cseq"), ["2", "1"]);
        assert_eq!(seen.cells("status"), ["404", "200"]);
        let seen = Script::new().orig(describe(1, "")).any_chunking::<Rtsp>();
        assert_eq!(seen.cell("status"), "-");
    }

    #[test]
    fn media_that_lost_their_frame_are_passed_over() {
        let seen = Script::new()
            .resp("RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")
            .gap(Direction::Resp, 100)
            .resp(b"\x01\x02media\nmore\xffRTSP/1.0 200 OK\r\nCSeq: 9\r\n\r\n")
            .any_chunking::<Rtsp>();
        assert_eq!(seen.cells("cseq"), ["1", "9"]);
    }

    #[test]
    fn any_cut_is_survived_and_probes_decline() {
        let all = describe(1, "Content-Length: 999999999999999999\r\n");
        for cut in 0..all.len() {
            Script::new().orig(&all[..cut]).run::<Rtsp>();
        }
        Script::new().orig(&all).any_chunking::<Rtsp>();
        for (bytes, want) in [
            ("DESCRIBE rtsp://x/y RTSP/1.0\r\n", Probe::Yes),
            ("OPTIONS * RTSP/1.0\r\n", Probe::Yes),
            ("RTSP/1.0 200 OK\r\n", Probe::Yes),
            ("OPTIONS sip:a@b SIP/2.0\r\n", Probe::No),
            ("OPTIONS / HTTP/1.1\r\n", Probe::No),
            ("PLAY rtsp://x", Probe::NeedMore),
            ("RTSP/", Probe::NeedMore),
            ("GET / HTTP/1.1\r\n", Probe::No),
            ("\u{16}\u{3}", Probe::No),
        ] {
            assert_eq!(probe_all::<Rtsp>(Direction::Orig, bytes.as_bytes()), want, "{bytes:?}");
        }
    }
}
