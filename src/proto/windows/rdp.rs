//! The beginning of RDP connections (MS-RDPBCGR, sections 2.2.1.1 to 2.2.1.11) over TPKT (RFC 1006) and
//! X.224. Its transport over UDP has a file of its own.

use super::rdpudp::{RdpUdp, is_opening};
use super::smb1::utf16;
use crate::base::bytes::ReadError;
use crate::base::secret::{Reveal, SecretBuf};
use crate::base::{Reader, Timestamp, limits};
use crate::proto::api::{
    About, AppParser, Cx, Direction, Fact, Login, Probe, Progress, SecretKind, Spec, Transport, Wrapped,
};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "rdp",
    doc: "One RDP connection, as far as it is not encrypted",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating(
            "cookie",
            Type::Text,
            "User name or routing token that the client sends first (mstshash, msts)",
        ),
        Column::repeating(
            "requested",
            Type::TextList,
            "Security protocols that the client offers: standard, tls, credssp, rdstls ...",
        ),
        Column::repeating(
            "security",
            Type::Text,
            "Security protocol that was agreed on; null where the answer was not seen",
        ),
        Column::repeating("failure", Type::Text, "Why the server refused"),
        Column::repeating("client_name", Type::Text, "Name of the client's machine (standard security only)"),
        Column::repeating("client_build", Type::Int32, "Build of the client (standard security only)"),
        Column::repeating(
            "encryption",
            Type::TextList,
            "Encryption that the server chose (standard security only): none, rc4-40, rc4-56, rc4-128, fips; behind it the level",
        ),
        Column::repeating("username", Type::Text, "User who logs in, where it is not encrypted"),
        Column::repeating("domain", Type::Text, "Domain of that user"),
        Column::new("reply_packet", Type::Int64, "Packet with the server's first answer"),
    ],
};

/// Security protocols as bits (section 2.2.1.1.1); none of them is the standard security.
const PROTOCOLS: &[(u32, &str)] = &[(1, "tls"), (2, "credssp"), (4, "rdstls"), (8, "credssp-ex"), (16, "aad")];

const fn failure_name(code: u32) -> &'static str {
    match code {
        1 => "TLS required by server",
        2 => "TLS not allowed by server",
        3 => "no certificate on server",
        4 => "inconsistent flags",
        5 => "CredSSP required by server",
        6 => "TLS with user authentication required by server",
        _ => "other",
    }
}

const fn method_name(method: u32) -> &'static str {
    match method {
        0 => "none",
        1 => "rc4-40",
        2 => "rc4-128",
        8 => "rc4-56",
        16 => "fips",
        _ => "other",
    }
}

const fn level_name(level: u32) -> &'static str {
    match level {
        0 => "none",
        1 => "low",
        2 => "client",
        3 => "high",
        4 => "fips",
        _ => "other",
    }
}

/// A login in clear.
#[derive(Debug)]
struct Clear {
    at: (Timestamp, u64),
    username: Vec<u8>,
    domain: Vec<u8>,
    password: SecretBuf,
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Rdp {
    at: Option<(Timestamp, u64)>,
    cookie: Vec<u8>,
    is_user: bool,
    requested: Option<u32>,
    /// The server's choice: the protocol, or why not.
    answer: Option<Result<u32, u32>>,
    reply: Option<u64>,
    client: Option<(Vec<u8>, u32)>,
    encryption: Option<(u32, u32)>,
    login: Option<Clear>,
    messages: [u32; 2],
    udp: RdpUdp,
    told: bool,
    ended: bool,
}

/// A connection.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    rdp: &'e Rdp,
    upgrade: bool,
    row: bool,
}

impl Event<'_> {
    /// Whether RDP's own security is used, which does not tell a server from who stands between.
    pub const fn is_standard_security(&self) -> bool {
        self.row && matches!(self.rdp.answer, Some(Ok(0)))
    }

    /// How strong its encryption is, in words.
    pub fn encryption(&self) -> Option<(&'static str, &'static str)> {
        self.rdp.encryption.map(|(method, level)| (method_name(method), level_name(level)))
    }
}

fn some(bytes: &[u8]) -> Option<&[u8]> {
    Some(bytes).filter(|b| !b.is_empty())
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        self.rdp.at
    }

    fn has_row(&self) -> bool {
        self.row
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let rdp = self.rdp;
        row.opt_bytes(some(&rdp.cookie));
        match rdp.requested {
            Some(0) => _ = row.list(1).text("standard"),
            Some(bits) => {
                let offered = || PROTOCOLS.iter().filter(move |p| p.0 & bits != 0);
                row.list(offered().count());
                offered().for_each(|p| _ = row.text(p.1));
            }
            None => _ = row.null(),
        }
        row.opt_text(match rdp.answer {
            Some(Ok(0)) => Some("standard"),
            Some(Ok(chosen)) => PROTOCOLS.iter().find(|p| p.0 == chosen).map(|p| p.1),
            _ => None,
        });
        row.opt_text(match rdp.answer {
            Some(Err(code)) => Some(failure_name(code)),
            _ => None,
        });
        row.opt_bytes(rdp.client.as_ref().and_then(|c| some(&c.0)));
        row.opt_int(rdp.client.as_ref().map(|c| i64::from(c.1)));
        match self.encryption() {
            Some((method, level)) => row.list(2).text(method).text(level),
            None => row.null(),
        };
        row.opt_user(rdp.login.as_ref().and_then(|l| some(&l.username)));
        row.opt_bytes(rdp.login.as_ref().and_then(|l| some(&l.domain)));
        match rdp.reply {
            Some(packet) => row.count(packet),
            None => row.null(),
        };
    }

    fn login(&self) -> Option<Login<'_>> {
        let clear = self.rdp.login.as_ref().filter(|_| self.row)?;
        Some(Login {
            mechanism: "rdp-info",
            username: some(&clear.username),
            secret: Some(clear.password.borrow()).filter(|s| !s.is_empty()),
            secret_kind: SecretKind::Password,
            ..Login::at(clear.at)
        })
    }

    fn upgrades(&self) -> bool {
        self.upgrade
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        if let Some((name, _)) = self.rdp.client.as_ref().filter(|_| self.row) {
            tell(Fact { about: About::Side(Direction::Orig), attribute: "hostname", value: name });
        }
    }
}

/// Bytes of TPKT's header (RFC 1006, section 6).
const TPKT: usize = 4;

mod x224 {
    pub const REQUEST: u8 = 0xe0;
    pub const CONFIRM: u8 = 0xd0;
    pub const DATA: u8 = 0xf0;
}

/// The negotiation at the end of a connection request or confirmation.
fn negotiation(body: &[u8]) -> Option<(u8, u32)> {
    let at = body.len().checked_sub(8)?;
    match *body.get(at..)? {
        [kind @ 1..=3, _, 8, 0, a, b, c, d] => Some((kind, u32::from_le_bytes([a, b, c, d]))),
        _ => None,
    }
}

/// The cookie of a request, and whether it is a user's name.
fn cookie(body: &[u8]) -> Option<(&[u8], bool)> {
    const COOKIE: &[u8] = b"Cookie: ";
    let end = memchr::memmem::find(body, b"\r\n")?;
    let value = body.get(..end)?.strip_prefix(COOKIE)?;
    match value.strip_prefix(b"mstshash=") {
        Some(user) => Some((user, true)),
        None => value.strip_prefix(b"msts=").map(|token| (token, false)),
    }
}

impl Rdp {
    fn x224(&mut self, cx: &Cx<'_>, dir: Direction, payload: &[u8]) -> Option<()> {
        self.at.get_or_insert((cx.ts, cx.packet));
        let (len, rest) = payload.split_first()?;
        let header = rest.get(..usize::from(*len))?;
        let data = rest.get(usize::from(*len)..).unwrap_or_default();
        // Code, two references, class.
        let (code, variable) = (*header.first()? & 0xf0, header.get(6..).unwrap_or_default());
        match code {
            x224::REQUEST => {
                if let Some((value, is_user)) = cookie(variable) {
                    self.cookie = value.get(..limits::SMB_TEXT_BYTES_MAX).unwrap_or(value).to_vec();
                    self.is_user = is_user;
                }
                self.requested = negotiation(variable).map(|n| n.1);
            }
            x224::CONFIRM => {
                self.reply = Some(cx.packet);
                self.answer = Some(match negotiation(variable) {
                    Some((2, chosen)) => Ok(chosen),
                    Some((3, code)) => Err(code),
                    // A server that knows no negotiation has only the standard security.
                    _ => Ok(0),
                });
            }
            x224::DATA => {
                let _ = self.mcs(cx, dir, data);
            }
            _ => return None,
        }
        Some(())
    }

    /// What T.125 carries before encryption begins.
    fn mcs(&mut self, cx: &Cx<'_>, dir: Direction, data: &[u8]) -> Result<(), ReadError> {
        const SEND_DATA_REQUEST: u8 = 0x64;
        match (data, dir) {
            ([0x7f, 0x65, ..], _) => {
                if let Some(core) = block(data, b"Duca", 0xc001) {
                    let mut r = Reader::new(core);
                    r.skip("version to layout", 16)?;
                    let build = r.le32("build")?;
                    let name = utf16(r.take("name", 32)?);
                    let name = name.split(|c| *c == 0).next().unwrap_or_default().to_vec();
                    self.client = Some((name, build & 0x7fff_ffff));
                }
            }
            ([0x7f, 0x66, ..], _) => {
                if let Some(security) = block(data, b"McDn", 0x0c02) {
                    let mut r = Reader::new(security);
                    self.encryption = Some((r.le32("method")?, r.le32("level")?));
                }
            }
            ([SEND_DATA_REQUEST, ..], Direction::Orig) => {
                let mut r = Reader::new(data);
                r.skip("initiator, channel and priority", 6)?;
                let first = r.u8("length")?;
                if first & 0x80 != 0 {
                    r.skip("length", 1)?;
                }
                self.info(cx, &mut r)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The packet with the user's name and password (section 2.2.1.11), where it is not encrypted.
    fn info(&mut self, cx: &Cx<'_>, r: &mut Reader<'_>) -> Result<(), ReadError> {
        const INFO: u16 = 0x40;
        const ENCRYPTED: u16 = 0x08;
        const UNICODE: u32 = 0x10;
        let flags = r.le16("security flags")?;
        if flags & INFO == 0 || flags & ENCRYPTED != 0 {
            return Ok(());
        }
        r.skip("security flags and code page", 6)?;
        let unicode = r.le32("flags")? & UNICODE != 0;
        let [domain, user, password] =
            [r.le16("domain length")?, r.le16("user length")?, r.le16("password length")?].map(usize::from);
        r.skip("other lengths", 4)?;
        let end = if unicode { 2 } else { 1 };
        let mut text = |len: usize| -> Result<Vec<u8>, ReadError> {
            let raw = r.take("text", len)?;
            r.skip("end of text", end)?;
            Ok(if unicode { utf16(raw) } else { raw.get(..limits::SMB_TEXT_BYTES_MAX).unwrap_or(raw).to_vec() })
        };
        let (domain, username) = (text(domain)?, text(user)?);
        let password = SecretBuf::new(&text(password)?);
        self.login = Some(Clear { at: (cx.ts, cx.packet), username, domain, password });
        Ok(())
    }

    fn tell(&mut self, emit: Emit<'_>, upgrade: bool) {
        if !std::mem::replace(&mut self.told, true) && self.at.is_some() {
            emit(Event { rdp: self, upgrade, row: true });
        }
    }
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// The content of a block of settings behind the mark of the conference's user data (section 2.2.1.3).
fn block<'a>(data: &'a [u8], mark: &[u8], kind: u16) -> Option<&'a [u8]> {
    const BLOCKS_MAX: usize = 16;
    let at = memchr::memmem::find(data, mark)? + mark.len();
    let mut r = Reader::new(data.get(at..)?);
    let first = r.u8("length").ok()?;
    if first & 0x80 != 0 {
        r.skip("length", 1).ok()?;
    }
    for _ in 0..BLOCKS_MAX {
        let (found, len) = (r.le16("block").ok()?, usize::from(r.le16("block length").ok()?));
        let content = r.take("block", len.checked_sub(4)?).ok()?;
        if found == kind {
            return Some(content);
        }
    }
    None
}

/// Whether a datagram is the first of RDP over UDP: it acknowledges nothing.
fn is_udp_syn(payload: &[u8]) -> bool {
    payload.starts_with(&[0xff; 4]) && is_opening(payload)
}

impl AppParser for Rdp {
    const SPEC: Spec = Spec {
        name: "rdp",
        title: "RDP (Remote Desktop)",
        transports: &[Transport::Tcp, Transport::Udp],
        ports: &[3389],
        reference: "MS-RDPBCGR, MS-RDPEUDP, MS-RDPEUDP2",
        table: Some(&TABLE),
        wraps_tls: true,
        yields: "user name of the cookie, security protocol, client's machine, logins in clear; over UDP the TLS or DTLS handshake",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            [0xff, 0xff, 0xff, 0xff, ..] if is_udp_syn(payload) => return Probe::Yes,
            [3, 0, ..] | [3] => {}
            [] => return Probe::NeedMore,
            _ => return Probe::No,
        }
        let [_, _, h, l, len, code, rest @ ..] = payload else { return Probe::NeedMore };
        let whole = usize::from(u16::from_be_bytes([*h, *l]));
        let fits = whole == usize::from(*len) + TPKT + 1;
        if !matches!(*code, x224::REQUEST | x224::CONFIRM) || !fits || whole < 11 {
            return Probe::No;
        }
        let Some(variable) = rest.get(5..whole - TPKT - 2) else { return Probe::NeedMore };
        if negotiation(variable).is_some() || cookie(variable).is_some() {
            return Probe::Yes;
        }
        if !variable.is_empty() {
            return Probe::No;
        }
        // The oldest clients ask for nothing: what follows is a connection of T.125 with its settings.
        match payload.get(whole..) {
            Some([3, 0, _, _, 2, x224::DATA, 0x80, 0x7f, 0x65 | 0x66, ..]) => Probe::Yes,
            Some(next) if [3, 0].starts_with(next.get(..2).unwrap_or(next)) && next.len() < 9 => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if cx.flow.transport == Transport::Udp {
            if self.udp.begun {
                return self.udp.datagram(cx, dir, bytes);
            }
            if !is_udp_syn(bytes) {
                return Progress::Violation("not RDP over UDP");
            }
            self.udp.open(dir, bytes);
            emit(Event { rdp: self, upgrade: false, row: false });
            return Progress::Done;
        }
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            let ([3, 0, h, l, ..], Some(messages)) = (rest, self.messages.get_mut(dir.index())) else {
                // Fast-path updates of the session, or TLS: the beginning is over.
                let short = rest.len() < TPKT && [3, 0].starts_with(rest.get(..2).unwrap_or(rest));
                if short {
                    return Progress::Partial { consumed: at, needed: TPKT };
                }
                self.tell(emit, false);
                return Progress::Finished;
            };
            let len = usize::from(u16::from_be_bytes([*h, *l]));
            if len <= TPKT || len > limits::RDP_MESSAGE_BYTES_MAX || *messages >= limits::RDP_MESSAGES_MAX {
                self.tell(emit, false);
                return Progress::Finished;
            }
            let Some(message) = rest.get(TPKT..len) else {
                return Progress::Partial { consumed: at, needed: len };
            };
            *messages += 1;
            if self.x224(&cx, dir, message).is_none() && self.at.is_none() {
                return Progress::Violation("not X.224");
            }
            at += len;
            match self.answer {
                Some(Ok(1..)) => {
                    self.tell(emit, true);
                    return Progress::Finished;
                }
                Some(Err(_)) => {
                    self.tell(emit, false);
                    return Progress::Finished;
                }
                _ if self.login.is_some() => {
                    self.tell(emit, false);
                    return Progress::Finished;
                }
                _ => {}
            }
        }
    }

    fn take_wrapped(&mut self) -> Vec<Wrapped> {
        self.udp.take_wrapped()
    }

    fn heap(&self) -> usize {
        self.udp.heap()
    }

    fn on_end(&mut self, _cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if std::mem::replace(&mut self.ended, true) {
            self.tell(emit, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    fn tpkt(x224: &[u8]) -> Vec<u8> {
        let mut out = vec![3, 0];
        out.extend(((x224.len() + TPKT) as u16).to_be_bytes());
        out.extend(x224);
        out
    }

    fn connect(code: u8, variable: &[u8]) -> Vec<u8> {
        tpkt(&[&[6 + variable.len() as u8, code, 0, 0, 0, 0, 0], variable].concat())
    }

    fn mcs(data: &[u8]) -> Vec<u8> {
        tpkt(&[&[2, x224::DATA, 0x80], data].concat())
    }

    fn text(s: &str) -> Vec<u8> {
        s.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn a_cookie_and_tls() {
        let seen = Script::new()
            .orig(connect(x224::REQUEST, b"Cookie: mstshash=ana\r\n\x01\x00\x08\x00\x0b\x00\x00\x00"))
            .resp(connect(x224::CONFIRM, b"\x02\x1f\x08\x00\x02\x00\x00\x00"))
            .orig(b"\x16\x03\x01\x00\x05")
            .any_chunking::<Rdp>();
        assert_eq!((seen.cell("cookie"), seen.cell("security")), ("ana".into(), "credssp".into()));
        assert_eq!(seen.cell("requested"), "[tls,credssp,credssp-ex]");
        assert_eq!(seen.stopped, Some(Progress::Finished));
        assert!(seen.events[0].contains("upgrade: true"));
    }

    #[test]
    fn standard_security_shows_the_login() {
        let mut core = vec![0x01, 0xc0, 216, 0];
        core.extend([4, 0, 8, 0, 0, 4, 0, 3, 1, 0xca, 3, 0xaa, 9, 4, 0, 0]);
        core.extend(2600_u32.to_le_bytes());
        core.extend(text("PC7"));
        core.resize(216, 0);
        let mut initial = vec![0x7f, 0x65, 0x82, 1, 0];
        initial.extend(b"Duca\x80\xd8");
        initial.extend(core);
        let mut answer = vec![0x7f, 0x66, 0x50];
        answer.extend(b"McDn\x14\x01\x0c\x08\0\x04\0\x08\0\x02\x0c\x0c\0\0\0\0\0\0\0\0\0");
        let mut info = vec![0x64, 0, 6, 3, 0xeb, 0x70, 0x80, 0x60];
        info.extend([0x40, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0]);
        info.extend([4, 0, 6, 0, 16, 0, 0, 0, 0, 0]);
        for part in ["AD", "ana", "hunter22", "", ""] {
            info.extend(text(part));
            info.extend([0, 0]);
        }
        let seen = Script::new()
            .orig(connect(x224::REQUEST, b""))
            .resp(connect(x224::CONFIRM, b""))
            .orig(mcs(&initial))
            .resp(mcs(&answer))
            .orig(mcs(&info))
            .any_chunking::<Rdp>();
        for (column, value) in [
            ("security", "standard"),
            ("client_name", "PC7"),
            ("client_build", "2600"),
            ("encryption", "[none,none]"),
            ("username", "ana"),
            ("domain", "AD"),
            ("reply_packet", "2"),
        ] {
            assert_eq!(seen.cell(column), value, "{column}");
        }
        assert!(seen.logins[0].contains("rdp-info"));
        assert!(!format!("{seen:?}").contains("hunter22"));
        let start = [connect(x224::REQUEST, b""), mcs(&initial)].concat();
        assert_eq!(probe_all::<Rdp>(Direction::Orig, &start), Probe::Yes);
    }

    #[test]
    fn a_refusal_and_half_a_connection() {
        let seen = Script::new()
            .orig(connect(x224::REQUEST, b"\x01\x00\x08\x00\x00\x00\x00\x00"))
            .resp(connect(x224::CONFIRM, b"\x03\x00\x08\x00\x05\x00\x00\x00"))
            .any_chunking::<Rdp>();
        assert_eq!((seen.cell("failure"), seen.cell("security")), ("CredSSP required by server".into(), "-".into()));
        let seen = Script::new().orig(connect(x224::REQUEST, b"Cookie: mstshash=x\r\n")).any_chunking::<Rdp>();
        assert_eq!((seen.cell("cookie"), seen.cell("reply_packet")), ("x".into(), "-".into()));
    }

    #[test]
    fn other_users_of_tpkt_are_left_alone() {
        let s7 = connect(x224::REQUEST, &[0xc1, 2, 1, 0, 0xc2, 2, 1, 2, 0xc0, 1, 9]);
        assert_eq!(probe_all::<Rdp>(Direction::Orig, &s7), Probe::No);
        assert_eq!(probe_all::<Rdp>(Direction::Orig, b"\x03\0\0\x0b\x06\xe0\0\0\0\0\0"), Probe::NeedMore);
        assert_eq!(Rdp::probe(Direction::Orig, b"\x03\0\0\x40\x08\x02\x00\x01\x05"), Probe::No, "Q.931");
        for (column, bytes) in [("syn", 1_u8), ("not syn", 0)] {
            let mut d = vec![0xff, 0xff, 0xff, 0xff, 0, 64, 0, bytes, 1, 2, 3, 4, 0x04, 0xd0, 0x04, 0xd0];
            d.resize(1232, 0);
            assert_eq!(Rdp::probe(Direction::Orig, &d) == Probe::Yes, bytes == 1, "{column}");
        }
    }
}
