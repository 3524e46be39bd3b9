//! SOCKS proxies: version 4 and 4a (as published by NEC and by Ying-Da Lee), version 5 (RFC 1928) with
//! user name and password (RFC 1929). What runs through the proxy is handed over to its own parser.

use std::fmt;

use crate::base::bytes::ReadError;
use crate::base::secret::{Reveal, SecretBuf};
use crate::base::{Addr, Endpoint, Reader, Timestamp, limits};
use crate::proto::api::{
    Announcement, AppParser, Carries, Cx, Direction, Login, Probe, Progress, SecretKind, Spec, Transport,
};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "socks",
    doc: "One request to a SOCKS proxy with the proxy's answer; a connection that ends before the request has a row too",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("version", Type::Int32, "4 or 5"),
        Column::repeating(
            "auth_method",
            Type::Text,
            "How the client had to log in (version 5): none, gssapi, login, \
                           refused, or the method's number",
        ),
        Column::repeating("username", Type::Text, "User name of the login, or the user identifier of version 4"),
        Column::repeating("command", Type::Text, "connect, bind, udp-associate, or the command's number"),
        Column::repeating("host", Type::Text, "Name or address that the client asked for"),
        Column::new("port", Type::Int32, "Port that the client asked for"),
        Column::repeating(
            "reply",
            Type::Int32,
            "Reply code: 0 (version 5) or 90 (version 4) is success; null where none was seen",
        ),
        Column::repeating("bound_host", Type::Text, "Name or address that the proxy answered with"),
        Column::new("bound_port", Type::Int32, "Port that the proxy answered with"),
        Column::new("reply_packet", Type::Int64, "Packet of the answer"),
    ],
};

/// An address as it stands in a request or in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name, or the address as text.
    pub host: Vec<u8>,
    /// Whether it is a name.
    pub is_name: bool,
    /// The address, where it is none.
    pub addr: Option<Addr>,
    /// Port.
    pub port: u16,
}

/// What was seen of one connection to a proxy.
#[derive(Default)]
pub struct Session {
    at: (Timestamp, u64),
    version: u8,
    method: Option<u8>,
    user: Option<Vec<u8>>,
    command: Option<u8>,
    target: Option<Place>,
    reply: Option<u8>,
    bound: Option<Place>,
    reply_packet: Option<u64>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({}, {:?}, {:?})", self.version, self.command, self.reply)
    }
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::large_enum_variant)] // made on the stack and lent, never stored
pub enum Event<'e> {
    /// A request with the answer to it, or what there was of one.
    Session(&'e Session),
    /// A login with user name and password.
    Login(Login<'e>),
}

impl Event<'_> {
    /// The session's version and whether the proxy lets everybody in: no login was asked for and the
    /// request was granted.
    pub fn session(&self) -> Option<(u8, bool)> {
        let Self::Session(s) = self else { return None };
        let open = match s.version {
            5 => s.method == Some(NO_LOGIN) && s.reply == Some(0),
            _ => s.reply == Some(GRANTED_4),
        };
        Some((s.version, open))
    }
}

const NO_LOGIN: u8 = 0;
const GSSAPI: u8 = 1;
const PASSWORD: u8 = 2;
const REFUSED: u8 = 0xff;
const CONNECT: u8 = 1;
const BIND: u8 = 2;
const UDP_ASSOCIATE: u8 = 3;
const GRANTED_4: u8 = 90;

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(match self {
            Self::Session(s) => s.at,
            Self::Login(l) => (l.ts, l.packet),
        })
    }

    fn has_row(&self) -> bool {
        matches!(self, Self::Session(_))
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Self::Session(s) = self else { return };
        row.int(s.version);
        match s.method {
            None => row.null(),
            Some(NO_LOGIN) => row.text("none"),
            Some(GSSAPI) => row.text("gssapi"),
            Some(PASSWORD) => row.text("login"),
            Some(REFUSED) => row.text("refused"),
            Some(n) => row.text(&n.to_string()),
        };
        row.opt_user(s.user.as_deref());
        match s.command {
            None => row.null(),
            Some(CONNECT) => row.text("connect"),
            Some(BIND) => row.text("bind"),
            Some(UDP_ASSOCIATE) => row.text("udp-associate"),
            Some(n) => row.text(&n.to_string()),
        };
        let place = |row: &mut RowWriter<'_>, place: &Option<Place>| {
            row.opt_bytes(place.as_ref().map(|p| p.host.as_slice())).opt_int(place.as_ref().map(|p| p.port));
        };
        place(row, &s.target);
        row.opt_int(s.reply);
        place(row, &s.bound);
        match s.reply_packet {
            Some(packet) => row.count(packet),
            None => row.null(),
        };
    }

    fn login(&self) -> Option<Login<'_>> {
        match self {
            Self::Login(login) => Some(*login),
            Self::Session(_) => None,
        }
    }

    fn server_name(&self) -> Option<(&'static str, &[u8])> {
        let Self::Session(Session { target: Some(target), .. }) = self else { return None };
        target.is_name.then_some(("socks", target.host.as_slice()))
    }

    fn announces(&self, tell: &mut dyn FnMut(Announcement<'_>)) {
        if let Self::Session(Session { command: Some(UDP_ASSOCIATE), reply: Some(0), bound: Some(bound), .. }) = self
            && let Some(ip) = bound.addr.filter(|ip| !ip.is_unspecified())
        {
            let endpoint = Endpoint { ip, port: bound.port };
            tell(Announcement { endpoint, carries: Carries::Named("socks"), words: &[] });
        }
    }
}

/// What the client's side is to bring next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Awaits {
    #[default]
    Greeting,
    Request,
    /// The request has come: what follows is the inner protocol's.
    Nothing,
}

/// A login that waits for the answer to it.
struct Pending {
    at: (Timestamp, u64),
    user: Vec<u8>,
    secret: SecretBuf,
}

/// Follows one connection to a proxy.
#[derive(Default)]
pub struct Socks {
    session: Session,
    awaits: Awaits,
    client: Option<Direction>,
    greeted: bool,
    login: Option<Pending>,
    logged_in: bool,
    server_seen: bool,
    replies: u8,
    told: bool,
    ends: u8,
}

impl fmt::Debug for Socks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socks").field("session", &self.session).field("awaits", &self.awaits).finish_non_exhaustive()
    }
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// Bytes of the client behind its request after which the proxy's answer is taken for lost.
const UNANSWERED_BYTES_MAX: usize = 2048;

/// How one message was read: so many bytes are used, and what that means for the flow.
enum Read {
    Used(usize),
    /// The proxy's part ends here.
    Inner(usize),
    Finished,
}

type Result<T> = std::result::Result<T, ReadError>;

/// An address of version 5 (RFC 1928, section 5).
fn place(r: &mut Reader<'_>) -> Result<Place> {
    let (host, is_name, addr) = match r.u8("address type")? {
        1 => {
            let addr = Addr::v4(r.array("IPv4 address")?);
            (addr.to_string().into_bytes(), false, Some(addr))
        }
        4 => {
            let addr = Addr(r.array("IPv6 address")?);
            (addr.to_string().into_bytes(), false, Some(addr))
        }
        3 => {
            let name = r.vec8("name")?.rest();
            // Some clients put the address into the name.
            let addr = std::str::from_utf8(name).ok().and_then(|n| n.parse::<Addr>().ok());
            (name.to_vec(), addr.is_none(), addr)
        }
        _ => return Err(ReadError::invalid("address type")),
    };
    Ok(Place { host, is_name, addr, port: r.be16("port")? })
}

/// A text that ends with a zero byte.
fn text_0<'a>(r: &mut Reader<'a>, field: &'static str) -> Result<&'a [u8]> {
    match memchr::memchr(0, r.peek_rest()) {
        Some(end) if end <= limits::SOCKS_TEXT_BYTES_MAX => {
            let text = r.take(field, end)?;
            r.skip(field, 1)?;
            Ok(text)
        }
        Some(_) => Err(ReadError::invalid(field)),
        None if r.remaining() > limits::SOCKS_TEXT_BYTES_MAX => Err(ReadError::invalid(field)),
        None => r.take(field, r.remaining() + 1),
    }
}

impl Socks {
    fn client_message(&mut self, cx: Cx<'_>, bytes: &[u8]) -> Result<Read> {
        let mut r = Reader::new(bytes);
        match (self.awaits, self.session.version) {
            (Awaits::Greeting, _) => match r.u8("version")? {
                4 => {
                    self.session.version = 4;
                    let command = r.u8("command")?;
                    let port = r.be16("port")?;
                    let ip: [u8; 4] = r.array("address")?;
                    let user = text_0(&mut r, "user identifier")?;
                    // 0.0.0.x stands for a name behind it (version 4a).
                    let is_name = matches!(ip, [0, 0, 0, x] if x != 0);
                    let addr = Addr::v4(ip);
                    let host = if is_name { text_0(&mut r, "name")?.to_vec() } else { addr.to_string().into_bytes() };
                    self.session.user = Some(user.to_vec()).filter(|u| !u.is_empty());
                    self.request(cx, command, Place { host, is_name, addr: Some(addr).filter(|_| !is_name), port });
                }
                5 => {
                    self.session.version = 5;
                    self.session.at = (cx.ts, cx.packet);
                    r.vec8("methods")?;
                    self.awaits = Awaits::Request;
                }
                _ => return Err(ReadError::invalid("version")),
            },
            (Awaits::Request, _) => {
                let version = r.u8("version")?;
                match version {
                    // RFC 1929, section 2.
                    1 if self.session.method.is_none_or(|m| m == PASSWORD) => {
                        let user = r.vec8("user name")?.rest().to_vec();
                        let secret = SecretBuf::new(r.vec8("password")?.rest());
                        self.session.user = Some(user.clone());
                        self.login = Some(Pending { at: (cx.ts, cx.packet), user, secret });
                    }
                    5 => {
                        let command = r.u8("command")?;
                        r.skip("reserved", 1)?;
                        let place = place(&mut r)?;
                        self.request(cx, command, place);
                    }
                    // GSS-API (RFC 1961) wraps all that follows.
                    1 => return Ok(Read::Finished),
                    _ => return Err(ReadError::invalid("version")),
                }
            }
            (Awaits::Nothing, _) => {
                // Only where the answer was never seen does the client's data tell that it is over.
                let lost = !self.server_seen && (self.session.version == 5 || bytes.len() > UNANSWERED_BYTES_MAX);
                return Ok(if lost { Read::Inner(0) } else { Read::Used(0) });
            }
        }
        Ok(Read::Used(r.position()))
    }

    fn request(&mut self, cx: Cx<'_>, command: u8, target: Place) {
        self.session.at = (cx.ts, cx.packet);
        self.session.command = Some(command);
        self.session.target = Some(target);
        self.awaits = Awaits::Nothing;
    }

    fn server_message(&mut self, cx: Cx<'_>, bytes: &[u8], emit: Emit<'_>) -> Result<Read> {
        self.server_seen = true;
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if self.session.version == 4 {
            if version != 0 {
                return Err(ReadError::invalid("version of the reply"));
            }
            let code = r.u8("reply code")?;
            let port = r.be16("port")?;
            let addr = Addr::v4(r.array("address")?);
            if !(GRANTED_4..=93).contains(&code) {
                return Err(ReadError::invalid("reply code"));
            }
            let bound = Place { host: addr.to_string().into_bytes(), is_name: false, addr: Some(addr), port };
            return Ok(self.answered(cx, code, code == GRANTED_4, bound, r.position(), emit));
        }
        if !self.greeted {
            self.session.version = 5;
            if version != 5 {
                return Err(ReadError::invalid("version"));
            }
            let method = r.u8("method")?;
            self.session.method = Some(method);
            self.greeted = true;
            return match method {
                REFUSED | GSSAPI => {
                    self.tell(emit);
                    Ok(Read::Finished)
                }
                _ => Ok(Read::Used(r.position())),
            };
        }
        // The answer to the login: some proxies write version 5 in it.
        if self.session.method == Some(PASSWORD) && !self.logged_in {
            let status = r.u8("status")?;
            self.logged_in = true;
            if let Some(login) = self.login.take() {
                told(&login, Some(status == 0), emit);
            }
            if status != 0 {
                self.tell(emit);
                return Ok(Read::Finished);
            }
            return Ok(Read::Used(r.position()));
        }
        if version != 5 {
            return Err(ReadError::invalid("version"));
        }
        let code = r.u8("reply")?;
        r.skip("reserved", 1)?;
        let mut bound = place(&mut r)?;
        if self.session.command == Some(UDP_ASSOCIATE) && bound.addr.is_some_and(Addr::is_unspecified) {
            bound.addr = Some(if self.client == Some(Direction::Orig) { cx.flow.resp_ip } else { cx.flow.orig_ip });
        }
        Ok(self.answered(cx, code, code == 0, bound, r.position(), emit))
    }

    fn answered(&mut self, cx: Cx<'_>, code: u8, granted: bool, bound: Place, used: usize, emit: Emit<'_>) -> Read {
        self.session.reply = Some(code);
        self.session.bound = Some(bound);
        self.session.reply_packet = Some(cx.packet);
        self.replies += 1;
        self.tell(emit);
        match self.session.command {
            _ if !granted => Read::Finished,
            // A second answer comes with the connection that was waited for (RFC 1928, section 6).
            Some(BIND) if self.replies < 2 => Read::Used(used),
            // The connection only keeps the relay open.
            Some(UDP_ASSOCIATE) => Read::Finished,
            _ => Read::Inner(used),
        }
    }

    fn tell(&mut self, emit: Emit<'_>) {
        if !std::mem::replace(&mut self.told, true) {
            emit(Event::Session(&self.session));
        }
    }
}

fn told(login: &Pending, success: Option<bool>, emit: Emit<'_>) {
    emit(Event::Login(Login {
        mechanism: "login",
        username: Some(&login.user),
        secret: Some(login.secret.borrow()),
        secret_kind: SecretKind::Password,
        success,
        ..Login::at(login.at)
    }));
}

impl AppParser for Socks {
    const SPEC: Spec = Spec {
        name: "socks",
        title: "SOCKS",
        transports: &[Transport::Tcp],
        ports: &[1080, 9050],
        reference: "RFC 1928, RFC 1929",
        table: Some(&TABLE),
        tentative: true,
        yields: "destinations, logins, and what runs through the proxy",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            [4] | [4, 1 | 2] => Probe::NeedMore,
            [4, 1 | 2, rest @ ..] if dir == Direction::Orig => probe_4(rest),
            [5] => Probe::NeedMore,
            // What a proxy answers, should it be seen first, proves nothing.
            [5, 0 | 2 | 0xff] if dir == Direction::Resp => Probe::NeedMore,
            [5, count @ 1..=16, methods @ ..] if dir == Direction::Orig => {
                let count = usize::from(*count);
                let listed = methods.get(..count).unwrap_or(methods);
                // IANA has numbered up to 9; 128 and above are private.
                if !listed.iter().all(|m| matches!(m, 0..=9 | 0x80..=0xfe)) {
                    return Probe::No;
                }
                match methods.get(count) {
                    _ if methods.len() < count => Probe::NeedMore,
                    // A client that does not wait for the proxy's choice.
                    None | Some(1 | 5) => Probe::Yes,
                    Some(_) => Probe::No,
                }
            }
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let client = *self.client.get_or_insert(dir);
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            let read = if dir == client { self.client_message(cx, rest) } else { self.server_message(cx, rest, emit) };
            match read {
                Ok(Read::Used(0)) => return Progress::Partial { consumed: used, needed: rest.len() + 1 },
                Ok(Read::Used(n)) => used += n,
                Ok(Read::Inner(n)) => {
                    self.tell(emit);
                    return Progress::Handover { consumed: used + n };
                }
                Ok(Read::Finished) => {
                    self.tell(emit);
                    return Progress::Finished;
                }
                Err(error) if error.is_short() => {
                    return Progress::Partial { consumed: used, needed: rest.len() + error.missing().max(1) };
                }
                Err(error) => return Progress::Violation(error.field()),
            }
        }
    }

    fn on_end(&mut self, _cx: Cx<'_>, dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        self.ends = self.ends.saturating_add(1);
        if self.client == Some(dir) && self.ends < 2 {
            return;
        }
        if let Some(login) = self.login.take() {
            told(&login, None, emit);
        }
        // A greeting alone is too little to tell of: it takes an answer to it, or a request.
        if self.greeted || self.awaits == Awaits::Nothing {
            self.tell(emit);
        }
    }
}

/// The rest of a version 4 request behind its command.
fn probe_4(rest: &[u8]) -> Probe {
    let Some((fixed, texts)) = rest.split_at_checked(6) else { return Probe::NeedMore };
    let named = matches!(fixed, [_, _, 0, 0, 0, x] if *x != 0);
    if matches!(fixed, [0, 0, ..]) || matches!(fixed, [_, _, 0, ..]) && !named {
        return Probe::No;
    }
    let mut left = if named { 2 } else { 1 };
    for (n, c) in texts.iter().enumerate() {
        match c {
            0 => left -= 1,
            0x21..=0x7e => {}
            _ => return Probe::No,
        }
        if left == 0 {
            // The client waits for the answer.
            return if n + 1 == texts.len() { Probe::Yes } else { Probe::No };
        }
    }
    if texts.len() > 2 * limits::SOCKS_TEXT_BYTES_MAX { Probe::No } else { Probe::NeedMore }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    /// Greeting, choice, login and its answer (RFC 1929).
    fn logged_in(status: u8) -> Script {
        Script::new().orig([5, 2, 0, 2]).resp([5, 2]).orig(b"\x01\x03bob\x05alice").resp([1, status])
    }

    #[test]
    fn a_login_a_name_and_what_runs_inside() {
        let seen = logged_in(0)
            .orig(b"\x05\x01\x00\x03\x0bexample.com\x01\xbb")
            .resp([5, 0, 0, 1, 192, 0, 2, 9, 4, 0])
            .orig(b"\x16\x03\x01")
            .any_chunking::<Socks>();
        for (column, value) in [
            ("version", "5"),
            ("auth_method", "login"),
            ("username", "bob"),
            ("command", "connect"),
            ("host", "example.com"),
            ("port", "443"),
            ("reply", "0"),
            ("bound_host", "192.0.2.9"),
            ("bound_port", "1024"),
            ("reply_packet", "6"),
        ] {
            assert_eq!(seen.cell(column), value, "{column}");
        }
        assert_eq!(seen.names, [("socks", "example.com".to_owned())]);
        assert!(seen.logins[0].contains("success: Some(true)") && seen.logins[0].contains("packet: 3"));
        assert!(!format!("{seen:?}").contains("alice"));
        assert_eq!(seen.stopped, Some(Progress::Handover { consumed: 0 }));
    }

    #[test]
    fn refused_and_unanswered_logins() {
        let seen = logged_in(1).any_chunking::<Socks>();
        assert!(seen.logins[0].contains("success: Some(false)"));
        assert_eq!((seen.cell("command"), seen.stopped), ("-".to_owned(), Some(Progress::Finished)));
        let seen = Script::new().orig([5, 1, 2]).orig(b"\x01\x03bob\x05alice").any_chunking::<Socks>();
        assert!(seen.logins[0].contains("success: None"));
        assert!(seen.rows.is_empty());
        let seen = Script::new().orig([5, 1, 0]).resp([5, 0xff]).any_chunking::<Socks>();
        assert_eq!(seen.cell("auth_method"), "refused");
    }

    #[test]
    fn version_4_with_a_name_and_without() {
        let seen = Script::new()
            .orig(b"\x04\x01\x00\x50\x00\x00\x00\x01joe\0example.org\0")
            .resp([0, 90, 0, 80, 192, 0, 2, 1])
            .any_chunking::<Socks>();
        assert_eq!((seen.cell("host"), seen.cell("username")), ("example.org".to_owned(), "joe".to_owned()));
        assert_eq!(seen.stopped, Some(Progress::Handover { consumed: 0 }));
        let seen = Script::new().orig(b"\x04\x01\x00\x50\xc0\x00\x02\x01\0").resp([0, 91, 0, 0, 0, 0, 0, 0]);
        let seen = seen.any_chunking::<Socks>();
        assert_eq!((seen.cell("host"), seen.cell("reply")), ("192.0.2.1".to_owned(), "91".to_owned()));
        assert_eq!(seen.stopped, Some(Progress::Finished));
    }

    #[test]
    fn a_password_in_the_user_identifier_is_blanked() {
        let seen = Script::new().orig(b"\x04\x01\x00\x50\xc0\x00\x02\x01joe:hunter2\0").resp([0, 91, 0, 0, 0, 0, 0, 0]);
        assert_eq!(seen.any_chunking::<Socks>().cell("username"), "joe:[blanked]");
    }

    #[test]
    fn a_relay_for_datagrams_is_told() {
        let seen = Script::new()
            .orig([5, 1, 0])
            .resp([5, 0])
            .orig([5, 3, 0, 1, 0, 0, 0, 0, 0, 0])
            .resp([5, 0, 0, 1, 0, 0, 0, 0, 0x1f, 0x90])
            .any_chunking::<Socks>();
        assert_eq!((seen.cell("command"), seen.cell("bound_port")), ("udp-associate".to_owned(), "8080".to_owned()));
        assert_eq!(seen.stopped, Some(Progress::Finished));
    }

    #[test]
    fn the_client_alone_is_enough() {
        let seen = Script::new()
            .orig([5, 1, 0])
            .orig(b"\x05\x01\x00\x03\x01a\x00\x50")
            .orig("GET / HTTP/1.1\r\n\r\n")
            .any_chunking::<Socks>();
        assert_eq!((seen.cell("host"), seen.cell("reply")), ("a".to_owned(), "-".to_owned()));
        assert_eq!(seen.stopped, Some(Progress::Handover { consumed: 0 }));
    }

    #[test]
    fn hostile_lengths_and_other_protocols() {
        let endless = [b"\x04\x01\x00\x50\x01\x02\x03\x04".to_vec(), vec![b'a'; 5000]].concat();
        assert!(matches!(Script::new().orig(endless).run::<Socks>().stopped, Some(Progress::Violation(_))));
        let odd = Script::new().orig([5, 1, 0]).resp([5, 0]).orig([5, 1, 0, 9]).run::<Socks>();
        assert!(matches!(odd.stopped, Some(Progress::Violation(_))));
        let orig = Direction::Orig;
        for (bytes, want) in [
            (&b"\x05\x01\x00"[..], Probe::Yes),
            (b"\x05\x02\x00", Probe::NeedMore),
            (b"\x05\x01\x55", Probe::No),
            (b"\x05\x00\x0b\x03", Probe::No),
            (b"\x05\x64\x00", Probe::No),
            (b"\x04\x01\x00\x50\xc0\x00\x02\x01\0", Probe::Yes),
            (b"\x04\x01\x00\x50\xc0\x00\x02\x01\x01", Probe::No),
            (b"\x04\x01\x00\x00\xc0", Probe::NeedMore),
            (b"GET /", Probe::No),
        ] {
            assert_eq!(probe_all::<Socks>(orig, bytes), want, "{}", bytes.escape_ascii());
        }
    }
}
