//! IAX2, Asterisk's protocol between exchanges and phones (RFC 5456): calls, registrations and logins.
//! Voice runs in the same flow and is passed over.

use std::collections::VecDeque;

use super::dial;
use crate::base::secret::{Reveal, SecretBuf};
use crate::base::{Reader, Secret, Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Login, Probe, Progress, SecretKind, Spec, Transport};
use crate::proto::proof::Proof;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "iax2",
    doc: "One IAX2 message that begins, ends or refuses a call or registration, or proves who asks for it",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating(
            "message",
            Type::Text,
            "`new authreq authrep accept reject hangup regreq regauth regack regrej poke` ...",
        ),
        Column::repeating("from_orig", Type::Bool, "Whether the originator of the flow sends it"),
        Column::repeating("source_call", Type::Int32, "Number of the call at its sender"),
        Column::repeating("username", Type::Text, "User name"),
        Column::repeating("calling_number", Type::Text, "Who calls"),
        Column::repeating("calling_name", Type::Text, "Name of who calls"),
        Column::repeating("called_number", Type::Text, "Who is called"),
        Column::repeating("cause", Type::Text, "Why it ended or was refused"),
        Column::repeating(
            "auth_methods",
            Type::Int32,
            "Ways to log in that are offered, as bits: 1 plain, 2 MD5, 4 RSA",
        ),
    ],
};

/// The control messages that have a row (section 8.2, frame type 6).
const MESSAGES: &[(u8, &str)] = &[
    (1, "new"),
    (5, "hangup"),
    (6, "reject"),
    (7, "accept"),
    (8, "authreq"),
    (9, "authrep"),
    (13, "regreq"),
    (14, "regauth"),
    (15, "regack"),
    (16, "regrej"),
    (17, "regrel"),
    (30, "poke"),
];

/// A full frame of control (section 8.1.1).
#[derive(Clone, Copy, Default)]
struct Frame<'a> {
    source_call: u16,
    subclass: u8,
    username: Option<&'a [u8]>,
    calling_number: Option<&'a [u8]>,
    calling_name: Option<&'a [u8]>,
    called_number: Option<&'a [u8]>,
    cause: Option<&'a [u8]>,
    auth_methods: Option<u16>,
    challenge: Option<&'a [u8]>,
    md5: Option<&'a [u8]>,
    password: Option<&'a [u8]>,
}

impl std::fmt::Debug for Frame<'_> {
    /// Without what it proves itself with.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut f = f.debug_struct("Frame");
        f.field("source_call", &self.source_call).field("subclass", &self.subclass).finish_non_exhaustive()
    }
}

impl<'a> Frame<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        const IAX: u8 = 6;
        let mut r = Reader::new(bytes);
        let source = r.be16("source call").ok()?;
        if source & 0x8000 == 0 {
            return None;
        }
        r.skip("destination call, time stamp, sequence numbers", 8).ok()?;
        if r.u8("frame type").ok()? != IAX {
            return None;
        }
        let subclass = r.u8("subclass").ok()?;
        if subclass == 0 || subclass > 40 {
            return None;
        }
        let mut frame = Self { source_call: source & 0x7fff, subclass, ..Self::default() };
        while !r.is_empty() {
            let kind = r.u8("information element").ok()?;
            let value = r.vec8("information element").ok()?.peek_rest();
            match kind {
                1 => frame.called_number = Some(value),
                2 => frame.calling_number = Some(value),
                4 => frame.calling_name = Some(value),
                6 => frame.username = Some(value),
                7 => frame.password = Some(value),
                14 => frame.auth_methods = value.first_chunk().map(|m| u16::from_be_bytes(*m)),
                15 => frame.challenge = Some(value),
                16 => frame.md5 = Some(value),
                22 => frame.cause = Some(value),
                _ => {}
            }
        }
        Some(frame)
    }
}

/// A login that waits for its answer.
#[derive(Debug, Clone)]
struct Attempt {
    at: (Timestamp, u64),
    from: Direction,
    source_call: u16,
    username: Box<[u8]>,
    challenge: Box<[u8]>,
    secret: SecretBuf,
    is_md5: bool,
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// A message.
    Message(&'e Shown<'e>),
    /// A login with the answer to it.
    Login(&'e Login<'e>),
}

/// What a message shows.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'e> {
    name: &'static str,
    from_orig: bool,
    frame: Frame<'e>,
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        match self {
            Self::Message(_) => None,
            Self::Login(login) => Some((login.ts, login.packet)),
        }
    }

    fn has_row(&self) -> bool {
        matches!(self, Self::Message(_))
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Self::Message(Shown { name, from_orig, frame }) = self else { return };
        row.text(name).bool(*from_orig).int(frame.source_call);
        row.opt_user(frame.username);
        for value in [frame.calling_number, frame.calling_name, frame.called_number, frame.cause] {
            row.opt_bytes(value.map(dial::blanked).as_deref());
        }
        row.opt_int(frame.auth_methods);
    }

    fn login(&self) -> Option<Login<'_>> {
        match self {
            Self::Login(login) => Some(**login),
            Self::Message(_) => None,
        }
    }
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Iax {
    attempts: VecDeque<Attempt>,
    /// The last challenge of each side, and the last user that each side named.
    challenge: [Box<[u8]>; 2],
    username: [Box<[u8]>; 2],
    understood: bool,
    ended: bool,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

fn settle(attempt: &Attempt, success: Option<bool>, emit: Emit<'_>) {
    let login = Login {
        mechanism: if attempt.is_md5 { "md5" } else { "plain" },
        username: Some(&*attempt.username).filter(|u| !u.is_empty()),
        secret: Some(Secret::new(attempt.secret.borrow().expose())),
        secret_kind: if attempt.is_md5 { SecretKind::ChallengeResponse } else { SecretKind::Password },
        proof: attempt
            .is_md5
            .then(|| Proof::IaxMd5 { challenge: &attempt.challenge, response: attempt.secret.borrow().expose() }),
        success,
        ..Login::at(attempt.at)
    };
    emit(Event::Login(&login));
}

impl AppParser for Iax {
    const SPEC: Spec = Spec {
        name: "iax2",
        title: "IAX2",
        transports: &[Transport::Udp],
        ports: &[4569],
        reference: "RFC 5456",
        table: Some(&TABLE),
        yields: "calls, registrations, logins",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        // The first frames of a call: control, with sequence numbers that have just begun, elements that
        // add up, and a time stamp below a minute.
        let begins = matches!(payload, [128..=255, _, _, _, 0, 0, _, _, 0..=8, 0..=8, 6, _, ..]);
        if begins && Frame::read(payload).is_some() { Probe::Yes } else { Probe::No }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let Some(frame) = Frame::read(bytes) else {
            return if self.understood { Progress::Done } else { Progress::Violation("not IAX2") };
        };
        self.understood = true;
        let cut = |b: &[u8]| -> Box<[u8]> { b.get(..limits::SECRET_BYTES_MAX).unwrap_or(b).into() };
        let (mine, other) = (dir.index(), dir.other().index());
        if let (Some(challenge), Some(kept)) = (frame.challenge, self.challenge.get_mut(mine)) {
            *kept = cut(challenge);
        }
        if let (Some(username), Some(kept)) = (frame.username.filter(|u| !u.is_empty()), self.username.get_mut(mine)) {
            *kept = cut(username);
        }
        if let Some(secret) = frame.md5.or(frame.password) {
            // A call that is asked for by a challenge names the user in the challenge too.
            let named = [mine, other].into_iter().filter_map(|i| self.username.get(i)).find(|u| !u.is_empty());
            let attempt = Attempt {
                at: (cx.ts, cx.packet),
                from: dir,
                source_call: frame.source_call,
                username: frame.username.map(cut).or_else(|| named.cloned()).unwrap_or_default(),
                challenge: self.challenge.get(other).cloned().unwrap_or_default(),
                secret: SecretBuf::new(secret),
                is_md5: frame.md5.is_some(),
            };
            let again = |a: &Attempt| a.source_call == attempt.source_call && a.secret == attempt.secret;
            if !self.attempts.iter().any(again) {
                if self.attempts.len() >= limits::MGCP_PENDING_MAX
                    && let Some(oldest) = self.attempts.pop_front()
                {
                    cx.limit_hit();
                    settle(&oldest, None, emit);
                }
                self.attempts.push_back(attempt);
            }
        }
        // ACCEPT and REGACK accept; REJECT, REGREJ and a new challenge do not.
        let success = match frame.subclass {
            7 | 15 => Some(true),
            6 | 8 | 14 | 16 => Some(false),
            _ => None,
        };
        if success.is_some()
            && let Some(at) = self.attempts.iter().position(|a| a.from == dir.other())
            && let Some(attempt) = self.attempts.remove(at)
        {
            settle(&attempt, success, emit);
        }
        if let Some((_, name)) = MESSAGES.iter().find(|(n, _)| *n == frame.subclass) {
            emit(Event::Message(&Shown { name, from_orig: dir == Direction::Orig, frame }));
        }
        Progress::Done
    }

    fn on_end(&mut self, _cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if std::mem::replace(&mut self.ended, true) {
            for attempt in std::mem::take(&mut self.attempts) {
                settle(&attempt, None, emit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::Script;

    fn frame(subclass: u8, elements: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0x80, 1, 0, 0, 0, 0, 0, 5, 0, 0, 6, subclass];
        for (kind, value) in elements {
            bytes.extend([*kind, value.len() as u8]);
            bytes.extend(*value);
        }
        bytes
    }

    #[test]
    fn a_registration_with_md5() {
        let seen = Script::new()
            .orig(frame(13, &[(6, b"alice"), (19, b"\0\x3c")]))
            .resp(frame(14, &[(14, b"\0\x02"), (15, b"137472844")]))
            .orig(frame(13, &[(6, b"alice"), (16, b"00112233445566778899aabbccddeeff")]))
            .resp(frame(15, &[(6, b"alice")]))
            .datagrams::<Iax>();
        assert_eq!(seen.cells("message"), ["regreq", "regauth", "regreq", "regack"]);
        assert_eq!(seen.cells("auth_methods")[1], "2");
        assert_eq!(seen.logins.len(), 1);
        assert!(seen.logins[0].contains("\"md5\"") && seen.logins[0].contains("success: Some(true)"));
        assert!(seen.logins[0].contains("packet: 3"));
        assert!(!format!("{:?}{:?}", seen.rows, seen.logins).contains("00112233"));
    }

    #[test]
    fn a_password_in_clear_and_no_answer() {
        let seen =
            Script::new().orig(frame(1, &[(1, b"600"), (2, b"201"), (6, b"bob"), (7, b"hunter2")])).datagrams::<Iax>();
        assert_eq!((seen.cell("called_number"), seen.cell("calling_number")), ("600".to_owned(), "201".to_owned()));
        assert!(seen.logins[0].contains("Password") && seen.logins[0].contains("success: None"));
        assert!(!format!("{:?}{:?}", seen.rows, seen.logins).contains("hunter2"));
    }

    #[test]
    fn any_cut_is_survived_and_probes_decline() {
        let whole = frame(1, &[(6, b"bob")]);
        for cut in 0..whole.len() {
            Script::new().orig(&whole[..cut]).datagrams::<Iax>();
        }
        assert_eq!(Iax::probe(Direction::Orig, &whole), Probe::Yes);
        assert_eq!(Iax::probe(Direction::Orig, &frame(41, &[])), Probe::No);
        assert_eq!(Iax::probe(Direction::Orig, &whole[..whole.len() - 1]), Probe::No, "elements must add up");
        assert_eq!(Iax::probe(Direction::Orig, b"\x80\x00\x01\x02\0\0\0\0aaaaaaaaaa"), Probe::No);
    }
}
