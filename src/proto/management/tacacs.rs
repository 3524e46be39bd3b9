//! TACACS+ (RFC 8907): the header, and of bodies that are not obfuscated the login.

use crate::base::bytes::Reader;
use crate::base::secret::{Reveal, SecretBuf};
use crate::base::{Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Login, Probe, Progress, SecretKind, Spec, Transport};
use crate::proto::proof::Proof;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "tacacs",
    doc: "One TACACS+ session on a connection: what it is for, and how it ended where the body can be read",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("kind", Type::Text, "authentication, authorization or accounting"),
        Column::repeating("obfuscated", Type::Bool, "Whether bodies are hidden with the shared key"),
        Column::repeating("username", Type::Text, "User name, where the body can be read"),
        Column::repeating("port", Type::Text, "Line of the client device, where the body can be read"),
        Column::repeating("remote_address", Type::Text, "Where the user comes from, where the body can be read"),
        Column::repeating("method", Type::Text, "ascii, pap, chap, mschap or mschapv2, where the body can be read"),
        Column::repeating("status", Type::Text, "pass, fail, error ... of the last reply, where the body can be read"),
    ],
};

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// When and where the session began.
    pub at: (Timestamp, u64),
    /// 1 authentication, 2 authorization, 3 accounting.
    pub kind: u8,
    /// Whether bodies are hidden.
    pub obfuscated: bool,
    /// User name.
    pub username: Option<&'e [u8]>,
    port: &'e [u8],
    remote: &'e [u8],
    method: Option<&'static str>,
    status: Option<u8>,
    /// The login.
    pub login: Option<Login<'e>>,
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(self.at)
    }

    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        row.opt_text(
            ["authentication", "authorization", "accounting"].get(usize::from(self.kind).wrapping_sub(1)).copied(),
        );
        row.bool(self.obfuscated).opt_user(self.username);
        row.opt_bytes(Some(self.port).filter(|p| !p.is_empty()));
        row.opt_bytes(Some(self.remote).filter(|p| !p.is_empty())).opt_text(self.method);
        row.opt_text(self.status.and_then(status_name));
    }

    fn login(&self) -> Option<Login<'_>> {
        self.login
    }
}

/// Status of an authentication reply (section 5.2).
const fn status_name(status: u8) -> Option<&'static str> {
    Some(match status {
        1 => "pass",
        2 => "fail",
        3 => "getdata",
        4 => "getuser",
        5 => "getpass",
        6 => "restart",
        7 => "error",
        0x21 => "follow",
        _ => return None,
    })
}

const HEADER: usize = 12;
const AUTHENTICATION: u8 = 1;
/// Bodies are not obfuscated.
const UNENCRYPTED: u8 = 1;
const SINGLE_CONNECT: u8 = 4;
const GET_USER: u8 = 4;
const GET_PASS: u8 = 5;

/// The header (section 4.1).
#[derive(Debug, Clone, Copy)]
struct Header {
    minor: u8,
    kind: u8,
    sequence: u8,
    flags: u8,
    session: u32,
    len: usize,
}

fn header(bytes: &[u8]) -> Option<Header> {
    let mut r = Reader::new(bytes);
    let version = r.u8("version").ok()?;
    let (kind, sequence, flags) = (r.u8("type").ok()?, r.u8("seq_no").ok()?, r.u8("flags").ok()?);
    let session = r.be32("session_id").ok()?;
    let len = usize::try_from(r.be32("length").ok()?).ok()?;
    Some(Header { minor: version & 0xf, kind, sequence, flags, session, len })
}

/// One session.
#[derive(Debug, Default)]
struct Session {
    id: u32,
    at: Option<(Timestamp, u64)>,
    kind: u8,
    obfuscated: bool,
    user: Vec<u8>,
    port: Vec<u8>,
    remote: Vec<u8>,
    method: Option<&'static str>,
    status: Option<u8>,
    secret: Option<(SecretBuf, (Timestamp, u64))>,
    /// Of CHAP: identifier, challenge and answer as they came in the data field.
    chap: Vec<u8>,
}

/// Follows one connection.
#[derive(Debug, Default)]
pub struct Tacacs {
    session: Option<Session>,
    ended: bool,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

impl Session {
    /// `action, priv_lvl, authen_type, service, four lengths`, then the fields (section 5.1).
    fn start(&mut self, body: &[u8], at: (Timestamp, u64)) -> Option<()> {
        let mut r = Reader::new(body);
        r.skip("action, priv_lvl", 2).ok()?;
        let kind = r.u8("authen_type").ok()?;
        r.u8("service").ok()?;
        let [user, port, remote, data] = r.array::<4>("lengths").ok()?;
        self.user = r.take("user", usize::from(user)).ok()?.to_vec();
        self.port = r.take("port", usize::from(port)).ok()?.to_vec();
        self.remote = r.take("rem_addr", usize::from(remote)).ok()?.to_vec();
        let data = r.take("data", usize::from(data)).ok()?;
        self.method =
            ["ascii", "pap", "chap", "", "mschap", "mschapv2"].get(usize::from(kind).wrapping_sub(1)).copied();
        match self.method {
            Some("pap") => self.secret = Some((SecretBuf::new(data), at)),
            Some("chap") => {
                // Identifier, challenge, 16 bytes of answer (section 5.4.2.3).
                self.chap = data.to_vec();
                let answer = data.get(data.len().checked_sub(16)?..)?;
                self.secret = Some((SecretBuf::new(super::hex(answer).as_bytes()), at));
            }
            _ => {}
        }
        Some(())
    }

    /// `user_msg len, data len, flags, user_msg` (section 5.3): what the user typed.
    fn go_on(&mut self, body: &[u8], at: (Timestamp, u64)) -> Option<()> {
        let mut r = Reader::new(body);
        let len = usize::from(r.be16("user_msg len").ok()?);
        r.skip("data len, flags", 3).ok()?;
        let typed = r.take("user_msg", len).ok()?;
        match self.status {
            Some(GET_USER) => self.user = typed.to_vec(),
            Some(GET_PASS) => self.secret = Some((SecretBuf::new(typed), at)),
            _ => {}
        }
        Some(())
    }

    fn finish(&self, emit: Emit<'_>) {
        let Some(at) = self.at else { return };
        let username = Some(self.user.as_slice()).filter(|u| !u.is_empty());
        let is_chap = self.method == Some("chap");
        let (id, rest) = self.chap.split_first().map_or((0, &[][..]), |(id, rest)| (*id, rest));
        let proof = rest
            .split_at_checked(rest.len().wrapping_sub(16))
            .filter(|_| is_chap)
            .map(|(challenge, response)| Proof::Chap { id, challenge, response });
        let login = self.secret.as_ref().map(|(secret, at)| Login {
            mechanism: self.method.filter(|m| *m != "ascii").unwrap_or("login"),
            username,
            secret: Some(secret.borrow()),
            secret_kind: if is_chap { SecretKind::ChallengeResponse } else { SecretKind::Password },
            proof,
            success: match self.status {
                Some(1) => Some(true),
                Some(2) => Some(false),
                _ => None,
            },
            ..Login::at(*at)
        });
        emit(Event {
            at,
            kind: self.kind,
            obfuscated: self.obfuscated,
            username,
            port: &self.port,
            remote: &self.remote,
            method: self.method.filter(|m| !m.is_empty()),
            status: self.status,
            login,
        });
    }
}

impl Tacacs {
    fn packet(&mut self, cx: Cx<'_>, header: Header, body: &[u8], emit: Emit<'_>) {
        let at = (cx.ts, cx.packet);
        if self.session.as_ref().is_none_or(|s| s.id != header.session) {
            if let Some(before) = self.session.take() {
                before.finish(emit);
            }
            self.session = Some(Session {
                id: header.session,
                at: Some(at),
                kind: header.kind,
                obfuscated: header.flags & UNENCRYPTED == 0,
                ..Session::default()
            });
        }
        let Some(session) = &mut self.session else { return };
        if header.flags & UNENCRYPTED == 0 || header.kind != AUTHENTICATION {
            return;
        }
        // A body that does not fit its lengths tells nothing; the next packet may.
        if header.sequence == 1 {
            session.start(body, at);
        } else if header.sequence % 2 == 1 {
            session.go_on(body, at);
        } else {
            session.status = body.first().copied();
        }
    }
}

impl AppParser for Tacacs {
    const SPEC: Spec = Spec {
        name: "tacacs",
        title: "TACACS+",
        transports: &[Transport::Tcp],
        ports: &[49],
        reference: "RFC 8907",
        table: Some(&TABLE),
        yields: "what a session is for; users, passwords and results where bodies are not obfuscated",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        if payload.first().is_some_and(|b| !matches!(b, 0xc0 | 0xc1)) {
            return Probe::No;
        }
        if payload.len() < HEADER {
            return Probe::NeedMore;
        }
        let Some(h) = header(payload) else { return Probe::No };
        // The client's numbers are odd (section 4.1).
        let turn = if dir == Direction::Orig { 1 } else { 0 };
        let fits = (1..=3).contains(&h.kind)
            && h.minor <= 1
            && h.sequence % 2 == turn
            && h.sequence <= 16
            && h.flags & !(UNENCRYPTED | SINGLE_CONNECT) == 0
            && (5..=limits::TACACS_BODY_BYTES_MAX).contains(&h.len);
        if fits { Probe::Yes } else { Probe::No }
    }

    fn on_data(&mut self, cx: Cx<'_>, _dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            let Some(head) = header(rest) else {
                return Progress::Partial { consumed: used, needed: HEADER };
            };
            if !(1..=3).contains(&head.kind) {
                return Progress::Violation("no TACACS+ header");
            }
            if head.len > limits::TACACS_BODY_BYTES_MAX {
                cx.limit_hit();
                return Progress::Finished;
            }
            let Some(body) = rest.get(HEADER..HEADER + head.len) else {
                return Progress::Partial { consumed: used, needed: HEADER + head.len };
            };
            used += HEADER + head.len;
            self.packet(cx, head, body, emit);
        }
    }

    fn on_end(&mut self, _cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if std::mem::replace(&mut self.ended, true)
            && let Some(session) = self.session.take()
        {
            session.finish(emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    fn packet(minor: u8, sequence: u8, flags: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![0xc0 | minor, 1, sequence, flags, 0, 0, 0, 7];
        out.extend((body.len() as u32).to_be_bytes());
        out.extend(body);
        out
    }

    #[test]
    fn a_pap_login_in_clear() {
        let start = [&[1, 1, 2, 1, 5, 4, 9, 7][..], b"alice", b"tty1", b"192.0.2.9", b"hunter2"].concat();
        let seen = Script::new()
            .orig(packet(1, 1, 1, &start))
            .resp(packet(1, 2, 1, &[1, 0, 0, 0, 0, 0]))
            .any_chunking::<Tacacs>();
        assert_eq!(seen.cell("username"), "alice");
        assert_eq!(seen.cell("remote_address"), "192.0.2.9");
        assert_eq!(seen.cell("status"), "pass");
        assert!(seen.logins[0].contains("\"pap\"") && seen.logins[0].contains("success: Some(true)"));
        assert!(!format!("{seen:?}").contains("hunter2"));
    }

    #[test]
    fn an_ascii_login_in_clear() {
        let typed = |text: &[u8]| [&[0, text.len() as u8, 0, 0, 0][..], text].concat();
        let seen = Script::new()
            .orig(packet(0, 1, 1, &[1, 1, 1, 1, 0, 0, 0, 0]))
            .resp(packet(0, 2, 1, &[4, 0, 0, 0, 0, 0]))
            .orig(packet(0, 3, 1, &typed(b"bob")))
            .resp(packet(0, 4, 1, &[5, 1, 0, 0, 0, 0]))
            .orig(packet(0, 5, 1, &typed(b"hunter2")))
            .resp(packet(0, 6, 1, &[2, 0, 0, 0, 0, 0]))
            .any_chunking::<Tacacs>();
        assert_eq!(seen.cell("username"), "bob");
        assert!(seen.logins[0].contains("\"login\"") && seen.logins[0].contains("packet: 5"), "{:?}", seen.logins);
        assert!(seen.logins[0].contains("success: Some(false)"));
    }

    #[test]
    fn a_chap_login_and_an_obfuscated_one() {
        let data = [&[9][..], &[1; 8], &[2; 16]].concat();
        let start = [&[1, 1, 3, 1, 1, 0, 0, 25][..], b"a", &data].concat();
        let seen = Script::new().orig(packet(1, 1, 1, &start)).any_chunking::<Tacacs>();
        assert!(seen.logins[0].contains("Some(Chap)"), "{:?}", seen.logins);
        let seen = Script::new().orig(packet(0, 1, 0, &[0xee; 30])).any_chunking::<Tacacs>();
        assert_eq!(seen.cell("obfuscated"), "true");
        assert!(seen.logins.is_empty());
    }

    #[test]
    fn probes_and_lengths() {
        let good = packet(0, 1, 0, &[0; 20]);
        assert_eq!(probe_all::<Tacacs>(Direction::Orig, &good), Probe::Yes);
        assert_eq!(probe_all::<Tacacs>(Direction::Resp, &good), Probe::No, "a server's number is even");
        for (at, value) in [(0, 0xc2), (1, 4), (3, 2), (8, 1), (11, 4)] {
            let mut bad = good.clone();
            bad[at] = value;
            if at == 11 {
                bad.truncate(12);
            }
            assert_eq!(probe_all::<Tacacs>(Direction::Orig, &bad), Probe::No, "{at}");
        }
        let mut huge = good;
        huge[8] = 0xff;
        assert_eq!(Script::new().orig(&huge).run::<Tacacs>().stopped, Some(Progress::Finished));
        let cut = [1, 1, 2, 1, 255, 255, 255, 255];
        assert!(Script::new().orig(packet(1, 1, 1, &cut)).any_chunking::<Tacacs>().logins.is_empty());
    }
}
