//! SMB 1, 2 and 3 over TCP, direct (MS-SMB2, section 2.1) and in sessions of NetBIOS (RFC 1002,
//! section 4.3).

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashSet;

use super::dcerpc::bound;
use super::gss::{Attempt, Exchange};
use super::netbios::decode;
use super::smb_event::{Action, STATUS_MORE_PROCESSING, STATUS_SUCCESS, TABLE};
use super::{smb1, smb2};
use crate::base::bytes::ReadError;
use crate::base::{Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};

pub use super::smb_event::Event;

/// What waits for its answer.
#[derive(Debug)]
enum Asked {
    Negotiate { dialects: Vec<Vec<u8>> },
    Session(Box<Setup>),
    Tree { share: Vec<u8> },
    Open { file: Vec<u8> },
}

/// A step of a login.
#[derive(Debug, Default)]
struct Setup {
    attempt: Option<Attempt>,
    mechanism: &'static str,
    principal: Vec<u8>,
    session: u64,
    os: Vec<u8>,
    lanman: Vec<u8>,
}

#[derive(Debug)]
struct Pending {
    version: u8,
    key: u64,
    at: (Timestamp, u64),
    asked: Asked,
}

/// Follows one connection.
#[derive(Debug, Default)]
pub struct Smb {
    pending: VecDeque<Pending>,
    /// Logins under way and when each was last used, by the number of the session; zero until the
    /// server has given one.
    sessions: BTreeMap<u64, (u64, Exchange)>,
    clock: u64,
    opened: HashSet<Vec<u8>, ahash::RandomState>,
    bound: Vec<u128>,
    /// What the server of SMB 1 chose.
    challenge: Option<[u8; 8]>,
    sends_passwords: Option<bool>,
    spoke_smb1: bool,
    lost: [bool; 2],
    /// Pieces behind a gap that were held against the head of a message.
    tries: u8,
    understood: bool,
    over: bool,
    ended: bool,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// Bytes of a write or control that may hold the binding of an interface.
const BINDING_BYTES: usize = 1024;
/// Pieces behind a gap after which a connection is given up.
const TRIES_MAX: u8 = 32;

impl Smb {
    fn wait(&mut self, cx: &Cx<'_>, server: Direction, version: u8, key: u64, asked: Asked, emit: Emit<'_>) {
        if self.pending.len() >= limits::SMB_PENDING_MAX
            && let Some(oldest) = self.pending.pop_front()
        {
            cx.limit_hit();
            unanswered(&oldest, server, None, emit);
        }
        self.pending.push_back(Pending { version, key, at: (cx.ts, cx.packet), asked });
    }

    fn answered(&mut self, version: u8, key: u64, is: fn(&Asked) -> bool) -> Option<Pending> {
        let found = self.pending.iter().position(|p| p.version == version && p.key == key && is(&p.asked))?;
        self.pending.remove(found)
    }

    /// The negotiation of a session; a new one takes the place of the oldest.
    fn exchange(&mut self, cx: &Cx<'_>, session: u64) -> &mut Exchange {
        self.clock += 1;
        if !self.sessions.contains_key(&session)
            && self.sessions.len() >= limits::SMB_SESSIONS_MAX
            && let Some(oldest) = self.sessions.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id)
        {
            self.sessions.remove(&oldest);
            cx.limit_hit();
        }
        let (used, exchange) = self.sessions.entry(session).or_default();
        *used = self.clock;
        exchange
    }

    fn client_token(&mut self, cx: &Cx<'_>, session: u64, token: &[u8], setup: &mut Setup) {
        let exchange = self.exchange(cx, session);
        setup.attempt = exchange.from_client(cx, token);
        setup.mechanism = exchange.mechanism;
        setup.principal.clone_from(&exchange.service);
        setup.session = session;
    }

    fn server_token(
        &mut self,
        cx: &Cx<'_>,
        server: Direction,
        version: u8,
        session: u64,
        token: &[u8],
        emit: Emit<'_>,
    ) {
        if token.is_empty() {
            return;
        }
        // The server gives the number with its first answer; until then it was zero.
        if session != 0
            && let Some(first) = self.sessions.remove(&0)
        {
            self.sessions.insert(session, first);
        }
        if let Some(challenge) = self.exchange(cx, session).from_server(token) {
            let event = Event::new((cx.ts, cx.packet), Action::Challenge, version, server);
            emit(Event { challenge: Some(challenge), ..event });
        }
    }

    /// Whether a file's name is new.
    fn is_new(&mut self, cx: &Cx<'_>, file: &[u8]) -> bool {
        if file.is_empty() || self.opened.contains(file) {
            return false;
        }
        if self.opened.len() >= limits::SMB_FILES_MAX {
            cx.limit_hit();
            return false;
        }
        self.opened.insert(file.to_vec());
        true
    }

    /// The interfaces that the bytes of a pipe bind.
    fn pipe(&mut self, cx: &Cx<'_>, server: Direction, version: u8, bytes: &[u8], emit: Emit<'_>) {
        bound(bytes, &mut |interface| {
            let uuid = interface.uuid;
            if self.bound.contains(&uuid.0) {
                return;
            }
            if self.bound.len() >= limits::DCERPC_CONTEXTS_MAX {
                cx.limit_hit();
                return;
            }
            self.bound.push(uuid.0);
            let text = uuid.to_string();
            let event = Event::new((cx.ts, cx.packet), Action::Bind, version, server);
            emit(Event { interface: uuid.interface().unwrap_or(&text), ..event });
        });
    }

    fn session_result(&mut self, cx: &Cx<'_>, server: Direction, found: &Pending, answer: &Answer<'_>, emit: Emit<'_>) {
        let Asked::Session(setup) = &found.asked else { return };
        self.server_token(cx, server, found.version, answer.session, answer.token, emit);
        if answer.status != STATUS_MORE_PROCESSING {
            self.sessions.remove(&setup.session);
            self.sessions.remove(&answer.session);
        }
        let anonymous = setup.attempt.as_ref().is_some_and(|a| a.anonymous);
        let guest = (answer.status == STATUS_SUCCESS).then_some(answer.guest || anonymous);
        emit(Event {
            status: Some(answer.status),
            attempt: setup.attempt.as_ref(),
            mechanism: setup.mechanism,
            guest,
            principal: &setup.principal,
            client_os: [&setup.os, &setup.lanman],
            server_os: answer.os,
            names: [&[], &[], answer.domain],
            reply: Some((cx.ts, cx.packet)),
            ..Event::new(found.at, Action::SessionSetup, found.version, server)
        });
    }

    fn smb2(&mut self, cx: &Cx<'_>, dir: Direction, message: &[u8], emit: Emit<'_>) -> Result<(), ReadError> {
        let mut rest = message;
        for _ in 0..limits::SMB_CHAIN_MAX {
            let head = smb2::Header::read(rest)?;
            self.understood = true;
            let part = if head.next == 0 { rest } else { rest.get(..head.next).unwrap_or(rest) };
            // What a part lacks says nothing of the next.
            let _ = if head.reply {
                self.smb2_reply(cx, dir, &head, part, emit)
            } else {
                self.smb2_request(cx, dir.other(), &head, part, emit)
            };
            match rest.get(head.next..) {
                Some(next) if head.next >= smb2::HEADER && !next.is_empty() => rest = next,
                _ => return Ok(()),
            }
        }
        cx.limit_hit();
        Ok(())
    }

    fn smb2_request(
        &mut self,
        cx: &Cx<'_>,
        server: Direction,
        head: &smb2::Header,
        part: &[u8],
        emit: Emit<'_>,
    ) -> Result<(), ReadError> {
        use smb2::command;
        let asked = match head.command {
            command::NEGOTIATE => Asked::Negotiate { dialects: Vec::new() },
            command::SESSION_SETUP => {
                let mut setup = Setup::default();
                self.client_token(cx, head.session, smb2::session_token(part)?, &mut setup);
                Asked::Session(Box::new(setup))
            }
            command::TREE_CONNECT => Asked::Tree { share: smb2::share(part)? },
            command::CREATE => {
                let file = smb2::file(part)?;
                if !self.is_new(cx, &file) {
                    return Ok(());
                }
                Asked::Open { file }
            }
            command::WRITE | command::IOCTL => {
                self.pipe(cx, server, 2, smb2::carried(part, head.command)?, emit);
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.wait(cx, server, 2, head.message, asked, emit);
        Ok(())
    }

    fn smb2_reply(
        &mut self,
        cx: &Cx<'_>,
        server: Direction,
        head: &smb2::Header,
        part: &[u8],
        emit: Emit<'_>,
    ) -> Result<(), ReadError> {
        use smb2::command;
        let reply = Some((cx.ts, cx.packet));
        let status = Some(head.status);
        // The answer takes longer and comes later (MS-SMB2, section 3.3.4.2).
        const PENDING: u32 = 0x103;
        if head.status == PENDING {
            return Ok(());
        }
        match head.command {
            command::NEGOTIATE => {
                // Also the answer to an offer of SMB 1 (MS-SMB2, section 3.3.5.3.1).
                let is = |a: &Asked| matches!(a, Asked::Negotiate { .. });
                let found = self.pending.iter().position(|p| is(&p.asked)).and_then(|at| self.pending.remove(at));
                let (dialect, signing) = smb2::negotiated(part)?;
                emit(Event {
                    dialect: smb2::dialect_name(dialect),
                    signing: Some(signing).filter(|_| head.status == STATUS_SUCCESS),
                    offers_smb1: found.as_ref().is_some_and(|p| p.version == 1),
                    status,
                    reply,
                    ..Event::new(found.map_or((cx.ts, cx.packet), |p| p.at), Action::Negotiate, 2, server)
                });
            }
            command::SESSION_SETUP => {
                let (flags, token) = smb2::session_answer(part).unwrap_or_default();
                let answer = Answer {
                    status: head.status,
                    session: head.session,
                    token,
                    guest: flags & 3 != 0,
                    ..Answer::default()
                };
                match self.answered(2, head.message, |a| matches!(a, Asked::Session(_))) {
                    Some(found) => self.session_result(cx, server, &found, &answer, emit),
                    None => self.server_token(cx, server, 2, head.session, token, emit),
                }
            }
            command::TREE_CONNECT => {
                let found = self.answered(2, head.message, |a| matches!(a, Asked::Tree { .. }));
                let share_type = if head.status == STATUS_SUCCESS { smb2::share_type(part) } else { "" };
                if let Some(Pending { asked: Asked::Tree { share }, at, .. }) = found {
                    let event = Event::new(at, Action::TreeConnect, 2, server);
                    emit(Event { share: &share, share_type, status, reply, ..event });
                }
            }
            command::CREATE => {
                let found = self.answered(2, head.message, |a| matches!(a, Asked::Open { .. }));
                if let Some(Pending { asked: Asked::Open { file }, at, .. }) = found {
                    emit(Event { file: &file, status, reply, ..Event::new(at, Action::Open, 2, server) });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A request for a session of NetBIOS: the called and the calling name.
    fn netbios_session(&mut self, cx: &Cx<'_>, dir: Direction, body: &[u8], emit: Emit<'_>) -> Option<()> {
        let (called, used) = decode(body)?;
        let (calling, _) = decode(body.get(used..)?)?;
        self.understood = true;
        // "*SMBSERVER" stands for whoever is asked.
        let server_name: &[u8] = if called.text().starts_with(b"*") { &[] } else { called.text() };
        let event = Event::new((cx.ts, cx.packet), Action::NetbiosSession, 0, dir.other());
        emit(Event { names: [server_name, calling.text(), &[]], ..event });
        Some(())
    }

    /// Takes a message of which so many bytes are there.
    fn message(&mut self, cx: &Cx<'_>, dir: Direction, message: &[u8], emit: Emit<'_>) -> Result<(), ReadError> {
        match Protocol::of(message) {
            Some(Protocol::Smb1) => self.smb1(cx, dir, message, emit),
            Some(Protocol::Smb2) => self.smb2(cx, dir, message, emit),
            Some(Protocol::Encrypted) => {
                self.understood = true;
                self.over = true;
                emit(Event::new((cx.ts, cx.packet), Action::Encrypted, 2, Direction::Resp));
                Ok(())
            }
            // What is compressed is passed over.
            Some(Protocol::Compressed) => Ok(()),
            None => Err(ReadError::invalid("protocol")),
        }
    }
}

/// The answer to a login, of either version.
#[derive(Debug, Default)]
struct Answer<'a> {
    status: u32,
    session: u64,
    token: &'a [u8],
    guest: bool,
    os: [&'a [u8]; 2],
    domain: &'a [u8],
}

/// What a message begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Smb1,
    Smb2,
    Encrypted,
    Compressed,
}

impl Protocol {
    fn of(message: &[u8]) -> Option<Self> {
        let [first, b'S', b'M', b'B', ..] = message else { return None };
        Some(match first {
            0xff => Self::Smb1,
            0xfe => Self::Smb2,
            0xfd => Self::Encrypted,
            0xfc => Self::Compressed,
            _ => return None,
        })
    }
}

/// Writes what will have no answer, or shares that of the command before.
fn unanswered(pending: &Pending, server: Direction, answer: Option<(u32, (Timestamp, u64))>, emit: Emit<'_>) {
    let (status, reply) = (answer.map(|a| a.0), answer.map(|a| a.1));
    let event = |action| Event { status, reply, ..Event::new(pending.at, action, pending.version, server) };
    match &pending.asked {
        Asked::Negotiate { .. } => {
            emit(Event { offers_smb1: pending.version == 1, ..event(Action::Negotiate) });
        }
        Asked::Session(setup) => emit(Event {
            attempt: setup.attempt.as_ref(),
            mechanism: setup.mechanism,
            principal: &setup.principal,
            client_os: [&setup.os, &setup.lanman],
            ..event(Action::SessionSetup)
        }),
        Asked::Tree { share } => emit(Event { share, ..event(Action::TreeConnect) }),
        Asked::Open { file } => emit(Event { file, ..event(Action::Open) }),
    }
}

/// Kinds of packets of a NetBIOS session (RFC 1002, section 4.3.1).
mod session {
    pub const MESSAGE: u8 = 0;
    pub const REQUEST: u8 = 0x81;
    pub const POSITIVE: u8 = 0x82;
    pub const NEGATIVE: u8 = 0x83;
    pub const RETARGET: u8 = 0x84;
    pub const KEEP_ALIVE: u8 = 0x85;
}

/// Bytes that must be there before a message of a length is read; the protocol's header is.
fn wanted(message: &[u8], len: usize) -> usize {
    let whole = len.min(limits::SMB_MESSAGE_BYTES_MAX);
    match Protocol::of(message) {
        Some(Protocol::Smb1) => match smb1::Header::read(message).map(|h| h.command) {
            Ok(smb1::command::WRITE | smb1::command::TRANSACTION) => whole.min(BINDING_BYTES),
            Ok(0x24 | 0x2d | 0x72..=0x75 | 0xa2) => whole,
            _ => 0,
        },
        Some(Protocol::Smb2) => match smb2::Header::read(message) {
            Ok(h) if h.next != 0 => whole,
            Ok(h) if !h.tells() => 0,
            Ok(h) if matches!(h.command, smb2::command::WRITE | smb2::command::IOCTL) => whole.min(BINDING_BYTES),
            Ok(_) => whole,
            Err(_) => 0,
        },
        _ => 0,
    }
}

impl AppParser for Smb {
    const SPEC: Spec = Spec {
        name: "smb",
        title: "SMB (CIFS, Windows file sharing)",
        transports: &[Transport::Tcp],
        ports: &[445, 139],
        reference: "MS-SMB2, MS-CIFS, RFC 1002",
        table: Some(&TABLE),
        yields: "dialects, signing, logins (NTLM, LM, clear), shares, files, pipes, systems",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            [] => Probe::NeedMore,
            [session::MESSAGE, ..] => match payload.get(4..) {
                Some([first, ..]) if *first < 0xfc => Probe::No,
                Some(message @ [_, _, _, _, ..]) => {
                    if Protocol::of(message).is_some() {
                        Probe::Yes
                    } else {
                        Probe::No
                    }
                }
                _ => Probe::NeedMore,
            },
            // 68 bytes: two names without a scope.
            [session::REQUEST, 0, 0, len, rest @ ..] => match rest {
                [32, letters @ ..] if *len >= 68 => match letters.get(..32) {
                    Some(letters) if letters.iter().all(|c| (b'A'..=b'P').contains(c)) => Probe::Yes,
                    Some(_) => Probe::No,
                    None => Probe::NeedMore,
                },
                [] => Probe::NeedMore,
                _ => Probe::No,
            },
            [session::REQUEST] | [session::REQUEST, 0] | [session::REQUEST, 0, 0] => Probe::NeedMore,
            // These prove little alone: what follows does.
            [session::POSITIVE | session::KEEP_ALIVE, 0, 0, 0, rest @ ..] if !rest.is_empty() => {
                Self::probe(_dir, rest)
            }
            [session::POSITIVE | session::KEEP_ALIVE, rest @ ..] if rest.len() < 4 && rest.iter().all(|b| *b == 0) => {
                Probe::NeedMore
            }
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let mut at = 0;
        loop {
            if self.over {
                return Progress::Finished;
            }
            let rest = bytes.get(at..).unwrap_or_default();
            let Some((head, body)) = rest.split_first_chunk::<4>() else {
                return if rest.is_empty() { Progress::Done } else { Progress::Partial { consumed: at, needed: 4 } };
            };
            if let Some(lost) = self.lost.get_mut(dir.index())
                && *lost
            {
                // Behind a gap a packet mostly begins a message; else the next one may.
                if Protocol::of(body).is_none() || head[0] != session::MESSAGE {
                    self.tries += 1;
                    return if self.tries > TRIES_MAX { Progress::Finished } else { Progress::Done };
                }
                *lost = false;
            }
            let [kind, l2, l1, l0] = *head;
            let len = usize::from(l2) << 16 | usize::from(l1) << 8 | usize::from(l0);
            let needed = match kind {
                session::MESSAGE => {
                    let enough = len.min(smb2::HEADER);
                    match body.get(..enough) {
                        Some(start) => wanted(start, len).max(enough),
                        None => enough,
                    }
                }
                session::REQUEST if len <= limits::SMB_TEXT_BYTES_MAX => len,
                session::POSITIVE | session::NEGATIVE | session::RETARGET | session::KEEP_ALIVE if len <= 6 => len,
                _ if self.understood => return Progress::Finished,
                _ => return Progress::Violation("not a NetBIOS session"),
            };
            let Some(part) = body.get(..needed) else {
                return Progress::Partial { consumed: at, needed: needed + 4 };
            };
            match kind {
                session::MESSAGE if len > 0 => match self.message(&cx, dir, part, emit) {
                    Ok(()) => {}
                    Err(_) if self.understood => return Progress::Finished,
                    Err(_) => return Progress::Violation("not SMB"),
                },
                session::REQUEST if self.netbios_session(&cx, dir, part, emit).is_none() && !self.understood => {
                    return Progress::Violation("names of a NetBIOS session");
                }
                _ => {}
            }
            match len.checked_sub(body.len()) {
                None | Some(0) => at += len + 4,
                Some(missing) => {
                    return if self.over { Progress::Finished } else { Progress::Skip(missing as u64) };
                }
            }
        }
    }

    fn heap(&self) -> usize {
        /// Bytes of a name that is kept, mostly more than it takes.
        const NAME: usize = 128;
        self.opened.len() * NAME
            + self.pending.capacity() * size_of::<Pending>()
            + self.sessions.len() * size_of::<Exchange>()
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, _missing: u64) -> Progress {
        if let Some(lost) = self.lost.get_mut(dir.index()) {
            *lost = true;
        }
        Progress::Done
    }

    fn on_end(&mut self, _cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if !std::mem::replace(&mut self.ended, true) {
            return;
        }
        for pending in std::mem::take(&mut self.pending) {
            unanswered(&pending, Direction::Resp, None, emit);
        }
    }
}

#[cfg(test)]
mod tests;
mod version1;
