//! VNC, the remote framebuffer protocol (RFC 6143), from the greeting up to the name of the desktop.
//!
//! ```text
//! server  "RFB 003.008\n"        client  "RFB 003.008\n"
//! server  count(1) types         client  type(1)            version 3.3: the server says the type(4)
//! ...     what the type wants    server  result(4) [reason, length before it]
//! client  shared(1)              server  width(2) height(2) format(16) length(4) name
//! ```
//! Types that are read: 1 and 2 (section 7.2), 16 (Tight), 18 and 19 (TLS, VeNCrypt), 22 (xvp), 30
//! (Apple's Diffie-Hellman), 113 (MS-Logon of UltraVNC), as registered with IANA ("Remote Framebuffer
//! Security Types"). What is behind the desktop's name is pictures and keys, and is not read.

pub use super::vnc_event::{Event, Session, TABLE, is_encrypted, type_name};
use crate::base::secret::SecretBuf;
use crate::base::{Reader, Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Login, Probe, Progress, SecretKind, Spec, Transport};
use crate::proto::proof::Proof;

/// Numbers of security types.
pub mod security {
    /// No authentication.
    pub const NONE: u32 = 1;
    /// A challenge that is encrypted with the password by DES.
    pub const VNC: u32 = 2;
    /// Tight: tunnels and further types.
    pub const TIGHT: u32 = 16;
    /// TLS from here on.
    pub const TLS: u32 = 18;
    /// VeNCrypt: further types, most of them behind TLS.
    pub const VENCRYPT: u32 = 19;
    /// xvp: a user and a target, then VNC authentication.
    pub const XVP: u32 = 22;
    /// Apple: user and password encrypted with a key agreed on by Diffie-Hellman.
    pub const APPLE_DH: u32 = 30;
    /// UltraVNC: likewise, with numbers of 64 bits.
    pub const MS_LOGON: u32 = 113;
    /// VeNCrypt's user and password in clear.
    pub const PLAIN: u32 = 256;
}

/// Length of a version line.
const VERSION_LEN: usize = 12;
/// Length of what a client tells a repeater.
const REPEATER_LEN: usize = 250;

/// What comes next, and from whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Expect {
    #[default]
    ServerVersion,
    ClientVersion,
    RepeaterTarget,
    /// Version 3.3: the server decides.
    Type,
    Types,
    Choice,
    Challenge,
    Response,
    TightTunnels,
    TightTunnel,
    TightAuths,
    TightAuth,
    VencryptVersion,
    VencryptAnswer,
    VencryptTypes,
    VencryptChoice,
    VencryptAccept,
    Plain,
    Xvp,
    AppleKey,
    /// So many bytes of the client.
    Sealed(usize),
    MsLogonKey,
    Result,
    Reason,
    ClientInit,
    ServerInit,
    Over,
}

impl Expect {
    const fn is_clients(self) -> bool {
        matches!(
            self,
            Self::ClientVersion
                | Self::RepeaterTarget
                | Self::Choice
                | Self::Response
                | Self::TightTunnel
                | Self::TightAuth
                | Self::VencryptAnswer
                | Self::VencryptChoice
                | Self::Plain
                | Self::Xvp
                | Self::Sealed(_)
                | Self::ClientInit
        )
    }
}

/// What the client has sent to prove who it is.
struct Attempt {
    at: (Timestamp, u64),
    mechanism: &'static str,
    response: Option<[u8; 16]>,
    password: Option<SecretBuf>,
}

/// Follows one connection.
#[derive(Default)]
pub struct Vnc {
    next: Expect,
    /// Who greeted: the server, also where it called the viewer.
    server: Option<Direction>,
    /// The minor version that both sides speak: 3, 7 or 8.
    minor: u16,
    challenge: Option<[u8; 16]>,
    session: Box<Session>,
    attempt: Option<Attempt>,
    told: bool,
    began: bool,
    ends: u8,
}

impl std::fmt::Debug for Vnc {
    /// Without challenge and answer, which can be cracked.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vnc").field("next", &self.next).field("minor", &self.minor).finish_non_exhaustive()
    }
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// A step of reading.
enum Step {
    Used(usize),
    /// So many bytes are needed.
    Need(usize),
    Stop(Progress),
}

/// Major and minor version of a version line.
fn version(line: &[u8]) -> Option<(u16, u16)> {
    let number =
        |digits: &[u8]| digits.iter().try_fold(0_u16, |n, c| c.is_ascii_digit().then(|| n * 10 + u16::from(c - b'0')));
    match line {
        [b'R', b'F', b'B', b' ', a, b, c, b'.', d, e, f, b'\n'] => {
            Some((number(&[*a, *b, *c])?, number(&[*d, *e, *f])?))
        }
        _ => None,
    }
}

/// The version that is spoken after a line that names this one (RFC 6143, section 7.1.1): odd ones
/// are 3.3, and what is newer than 3.8 goes on like it.
const fn spoken((major, minor): (u16, u16)) -> u16 {
    match (major, minor) {
        (0..3, _) | (3, 0..=6) => 3,
        (3, 7) => 7,
        // UltraVNC's own numbers, which mean 3.3.
        (3, 14 | 16) => 3,
        _ => 8,
    }
}

impl Vnc {
    const fn await_next(&mut self, next: Expect) {
        self.next = next;
    }

    fn version_line(&mut self, dir: Direction, cx: Cx<'_>, bytes: &[u8]) -> Step {
        let Some(line) = bytes.get(..VERSION_LEN) else { return Step::Need(VERSION_LEN) };
        let Some(named) = version(line) else { return Step::Stop(Progress::Violation("no RFB version")) };
        let text = line.trim_ascii_end().to_vec();
        if self.next == Expect::ServerVersion {
            // A viewer that listens is called by the server, and the server greets all the same.
            let listens = (5500..5600).contains(&cx.flow.resp_port);
            let server = if dir == Direction::Orig && listens { Direction::Orig } else { Direction::Resp };
            self.server = Some(server);
            self.session.server = server;
            if dir != server {
                // Only the client's half is there.
                self.session.client_version = text;
                self.minor = spoken(named);
                self.await_next(if self.minor == 3 { Expect::Type } else { Expect::Types });
            } else if named == (0, 0) {
                self.await_next(Expect::RepeaterTarget);
            } else {
                self.session.server_version = text;
                self.minor = spoken(named);
                self.await_next(Expect::ClientVersion);
            }
        } else {
            self.session.client_version = text;
            self.minor = self.minor.min(spoken(named));
            self.await_next(if self.minor == 3 { Expect::Type } else { Expect::Types });
        }
        Step::Used(VERSION_LEN)
    }

    /// The type is known: what it asks for.
    fn chosen(&mut self, security_type: u32, emit: Emit<'_>) -> Option<Progress> {
        self.session.security_type = Some(security_type);
        let next = match security_type {
            security::NONE if self.minor == 8 => Expect::Result,
            security::NONE => Expect::ClientInit,
            security::VNC => Expect::Challenge,
            security::TIGHT => Expect::TightTunnels,
            security::VENCRYPT => Expect::VencryptVersion,
            security::XVP => Expect::Xvp,
            security::APPLE_DH => Expect::AppleKey,
            security::MS_LOGON => Expect::MsLogonKey,
            security::PLAIN => Expect::Plain,
            other if is_encrypted(other) => return Some(self.encrypted(emit)),
            _ => return Some(Progress::Finished),
        };
        self.await_next(next);
        None
    }

    fn encrypted(&mut self, emit: Emit<'_>) -> Progress {
        self.session.encrypted = true;
        self.report(emit);
        Progress::Finished
    }

    /// Reads what is expected, which this side sends.
    fn step(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Step {
        let mut r = Reader::new(bytes);
        let at = (cx.ts, cx.packet);
        macro_rules! need {
            ($read:expr) => {
                match $read {
                    Ok(value) => value,
                    Err(error) => return Step::Need(bytes.len() + error.missing().max(1)),
                }
            };
        }
        match self.next {
            Expect::ServerVersion | Expect::ClientVersion => return self.version_line(dir, cx, bytes),
            Expect::RepeaterTarget => {
                need!(r.skip("target", REPEATER_LEN));
                self.await_next(Expect::ServerVersion);
            }
            Expect::Type => match need!(r.be32("security type")) {
                0 => self.refused(Expect::Reason),
                kind => {
                    if let Some(stop) = self.chosen(kind, emit) {
                        return Step::Stop(stop);
                    }
                }
            },
            Expect::Types => {
                let count = need!(r.u8("number of types"));
                let types = need!(r.take("types", count.into()));
                if types.is_empty() {
                    self.refused(Expect::Reason);
                } else {
                    self.session.offered = types.iter().map(|t| u32::from(*t)).collect();
                    self.await_next(Expect::Choice);
                }
            }
            Expect::Choice => {
                let kind = need!(r.u8("type"));
                if let Some(stop) = self.chosen(kind.into(), emit) {
                    return Step::Stop(stop);
                }
            }
            Expect::Challenge => {
                self.challenge = Some(need!(r.array("challenge")));
                self.await_next(Expect::Response);
            }
            Expect::Response => {
                let response = Some(need!(r.array("response")));
                self.attempt = Some(Attempt { at, mechanism: "vnc", response, password: None });
                self.await_next(Expect::Result);
            }
            Expect::TightTunnels | Expect::TightAuths => {
                let count = need!(r.be32("number of capabilities")) as usize;
                if count > limits::VNC_CAPABILITIES_MAX {
                    cx.limit_hit();
                    return Step::Stop(Progress::Finished);
                }
                let list = need!(r.take("capabilities", count * 16));
                let tunnels = self.next == Expect::TightTunnels;
                if !tunnels {
                    let codes = list.chunks_exact(16).filter_map(|c| c.first_chunk::<4>());
                    self.session.offered.extend(codes.map(|c| u32::from_be_bytes(*c)));
                }
                match (tunnels, count) {
                    (true, 0) => self.await_next(Expect::TightAuths),
                    (true, _) => self.await_next(Expect::TightTunnel),
                    (false, 0) => {
                        if let Some(stop) = self.chosen(security::NONE, emit) {
                            return Step::Stop(stop);
                        }
                    }
                    (false, _) => self.await_next(Expect::TightAuth),
                }
            }
            Expect::TightTunnel => {
                if need!(r.be32("tunnel")) != 0 {
                    // What the tunnel does is not known.
                    return Step::Stop(Progress::Finished);
                }
                self.await_next(Expect::TightAuths);
            }
            Expect::TightAuth => {
                let kind = need!(r.be32("type"));
                if let Some(stop) = self.chosen(kind, emit) {
                    return Step::Stop(stop);
                }
            }
            Expect::VencryptVersion => {
                need!(r.skip("version", 2));
                self.await_next(Expect::VencryptAnswer);
            }
            Expect::VencryptAnswer => {
                need!(r.skip("version", 2));
                self.await_next(Expect::VencryptTypes);
            }
            Expect::VencryptTypes => {
                if need!(r.u8("answer")) != 0 {
                    return Step::Stop(Progress::Finished);
                }
                let count = need!(r.u8("number of types"));
                let list = need!(r.take("types", usize::from(count) * 4));
                let codes = list.chunks_exact(4).filter_map(|c| c.first_chunk::<4>());
                self.session.offered.extend(codes.map(|c| u32::from_be_bytes(*c)));
                self.await_next(Expect::VencryptChoice);
            }
            Expect::VencryptChoice => {
                let kind = need!(r.be32("type"));
                if is_encrypted(kind) {
                    self.session.security_type = Some(kind);
                    self.await_next(Expect::VencryptAccept);
                } else if let Some(stop) = self.chosen(kind, emit) {
                    return Step::Stop(stop);
                }
            }
            Expect::VencryptAccept => {
                if need!(r.u8("answer")) == 1 {
                    return Step::Stop(self.encrypted(emit));
                }
                self.refused(Expect::Over);
                return Step::Stop(Progress::Finished);
            }
            Expect::Plain => {
                let user_len = need!(r.be32("user length")) as usize;
                let password_len = need!(r.be32("password length")) as usize;
                if user_len.max(password_len) > limits::SECRET_BYTES_MAX {
                    cx.limit_hit();
                    return Step::Stop(Progress::Finished);
                }
                let user = need!(r.take("user", user_len));
                let password = SecretBuf::new(need!(r.take("password", password_len)));
                self.session.username = Some(user.to_vec());
                self.attempt = Some(Attempt { at, mechanism: "plain", response: None, password: Some(password) });
                self.await_next(Expect::Result);
            }
            Expect::Xvp => {
                let user_len = need!(r.u8("user length"));
                let target_len = need!(r.u8("target length"));
                self.session.username = Some(need!(r.take("user", user_len.into())).to_vec());
                need!(r.skip("target", target_len.into()));
                self.await_next(Expect::Challenge);
            }
            Expect::AppleKey => {
                need!(r.skip("generator", 2));
                let len = usize::from(need!(r.be16("key length")));
                need!(r.skip("prime and key", len * 2));
                self.await_next(Expect::Sealed(128 + len));
            }
            Expect::MsLogonKey => {
                need!(r.skip("generator, modulus and key", 24));
                self.await_next(Expect::Sealed(8 + 256 + 64));
            }
            Expect::Sealed(len) => {
                need!(r.skip("sealed login", len));
                let mechanism = if len == 328 { "ms-logon" } else { "apple-dh" };
                self.attempt = Some(Attempt { at, mechanism, response: None, password: None });
                self.await_next(Expect::Result);
            }
            Expect::Result => {
                if need!(r.be32("result")) == 0 {
                    self.session.success = Some(true);
                    self.login(emit);
                    self.await_next(Expect::ClientInit);
                } else {
                    self.refused(if self.minor == 8 { Expect::Reason } else { Expect::Over });
                    self.login(emit);
                    if self.next == Expect::Over {
                        return Step::Stop(Progress::Finished);
                    }
                }
            }
            Expect::Reason => {
                let len = need!(r.be32("reason length")) as usize;
                if len > limits::VNC_TEXT_BYTES_MAX {
                    cx.limit_hit();
                    return Step::Stop(Progress::Finished);
                }
                self.session.reason = need!(r.take("reason", len)).to_vec();
                return Step::Stop(Progress::Finished);
            }
            Expect::ClientInit => {
                need!(r.u8("shared"));
                self.await_next(Expect::ServerInit);
            }
            Expect::ServerInit => {
                let size = (need!(r.be16("width")), need!(r.be16("height")));
                need!(r.skip("pixel format", 16));
                let len = need!(r.be32("name length")) as usize;
                if len > limits::VNC_TEXT_BYTES_MAX {
                    cx.limit_hit();
                }
                self.session.desktop = need!(r.take("name", len.min(limits::VNC_TEXT_BYTES_MAX))).to_vec();
                self.session.size = Some(size);
                self.session.success = Some(true);
                return Step::Stop(Progress::Finished);
            }
            Expect::Over => return Step::Stop(Progress::Finished),
        }
        Step::Used(r.position())
    }

    const fn refused(&mut self, next: Expect) {
        self.session.success = Some(false);
        self.next = next;
    }

    /// Emits the login, once its outcome is known or never will be.
    fn login(&mut self, emit: Emit<'_>) {
        let Some(attempt) = self.attempt.take() else { return };
        let password = attempt.password.as_ref().map(SecretBuf::borrow);
        let proof = match (&self.challenge, &attempt.response) {
            (Some(challenge), Some(response)) => Some(Proof::Vnc { challenge, response }),
            _ => None,
        };
        let hex = attempt.response.map(super::vnc_event::hex);
        let shown = hex.as_ref().map(|h| crate::base::Secret::new(h.as_bytes()));
        emit(Event::Login(&Login {
            mechanism: attempt.mechanism,
            username: self.session.username.as_deref(),
            secret: password.or(shown),
            secret_kind: if password.is_some() { SecretKind::Password } else { SecretKind::ChallengeResponse },
            proof,
            success: self.session.success,
            ..Login::at(attempt.at)
        }));
    }

    /// Says the last, once.
    fn report(&mut self, emit: Emit<'_>) {
        self.login(emit);
        if self.began && !std::mem::replace(&mut self.told, true) {
            emit(Event::Session(&self.session));
        }
    }

    /// What a side sent whose counterpart was not seen.
    fn one_sided(&mut self, cx: Cx<'_>, dir: Direction, rest: &[u8]) {
        let from_server = self.server == Some(dir);
        if from_server && self.next == Expect::ClientVersion && self.minor > 3 {
            if let [count, types @ ..] = rest {
                let types = types.get(..usize::from(*count)).unwrap_or(types);
                self.session.offered = types.iter().map(|t| u32::from(*t)).collect();
            }
        } else if !from_server && self.session.server_version.is_empty() && self.session.offered.is_empty() {
            let answer = match (self.minor, rest) {
                (3, [answer @ .., 0 | 1]) | (3, answer) => answer,
                (_, [2, answer @ ..]) => answer,
                (_, [kind, ..]) => {
                    self.session.security_type = Some((*kind).into());
                    return;
                }
                _ => return,
            };
            if let Some(response) = answer.first_chunk::<16>() {
                self.session.security_type = Some(security::VNC);
                let at = (cx.ts, cx.packet);
                self.attempt = Some(Attempt { at, mechanism: "vnc", response: Some(*response), password: None });
            }
        }
    }
}

impl AppParser for Vnc {
    const SPEC: Spec = Spec {
        name: "vnc",
        title: "VNC (RFB)",
        transports: &[Transport::Tcp],
        ports: &[5900, 5901, 5800, 5500],
        reference: "RFC 6143",
        table: Some(&TABLE),
        greets: true,
        yields: "versions, security types, logins (challenge and answer), desktop name and size",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        const FORM: &[u8; VERSION_LEN] = b"RFB 000.000\n";
        for (byte, form) in payload.iter().zip(FORM) {
            let fits = if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
            if !fits {
                return Probe::No;
            }
        }
        if payload.len() < VERSION_LEN { Probe::NeedMore } else { Probe::Yes }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if !self.began {
            self.began = true;
            self.session.at = (cx.ts, cx.packet);
        }
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            let mine = self.server.is_none() || self.next.is_clients() == (self.server != Some(dir));
            if !mine && self.next != Expect::Over {
                // It waits for what the other side says before it.
                if rest.len() > limits::VNC_EARLY_BYTES_MAX {
                    cx.limit_hit();
                    self.report(emit);
                    return Progress::Finished;
                }
                return Progress::Partial { consumed: used, needed: rest.len() + 1 };
            }
            match self.step(cx, dir, rest, emit) {
                Step::Used(n) => used += n,
                Step::Need(needed) => return Progress::Partial { consumed: used, needed },
                Step::Stop(progress) => {
                    if progress == Progress::Finished {
                        self.report(emit);
                    }
                    return progress;
                }
            }
        }
    }

    fn on_end(&mut self, cx: Cx<'_>, dir: Direction, rest: &[u8], emit: Emit<'_>) {
        if !self.told && !rest.is_empty() && self.server.is_some() {
            self.one_sided(cx, dir, rest);
        }
        self.ends += 1;
        if self.ends == 2 {
            self.report(emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    const CHALLENGE: [u8; 16] = [0xa5; 16];
    const ANSWER: [u8; 16] = [0x5a; 16];

    fn desktop(name: &[u8]) -> Vec<u8> {
        let format = [32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0];
        let len = (name.len() as u32).to_be_bytes();
        [&[3, 32, 2, 88], &format[..], &len, name].concat()
    }

    #[test]
    fn a_login_by_challenge() {
        let seen = Script::new()
            .resp(b"RFB 003.008\n")
            .orig(b"RFB 003.008\n")
            .resp(b"\x02\x02\x10")
            .orig(b"\x02")
            .resp(CHALLENGE)
            .orig(ANSWER)
            .resp([0; 4])
            .orig(b"\x01")
            .resp(desktop(b"host:1 (joe)"))
            .orig([2, 0, 0, 1, 0, 0, 0, 0])
            .any_chunking::<Vnc>();
        assert_eq!(
            (seen.cell("server_version"), seen.cell("client_version")),
            ("RFB 003.008".into(), "RFB 003.008".into())
        );
        assert_eq!((seen.cell("offered"), seen.cell("security_type")), ("[vnc,tight]".into(), "vnc".into()));
        assert_eq!((seen.cell("success"), seen.cell("desktop_name")), ("true".into(), "host:1 (joe)".into()));
        assert_eq!((seen.cell("width"), seen.cell("height")), ("800".into(), "600".into()));
        assert_eq!(seen.logins.len(), 1);
        assert!(seen.logins[0].contains("packet: 6") && seen.logins[0].contains("proof: Some(Vnc)"));
        assert!(
            seen.logins[0].contains("secret_kind: ChallengeResponse") && seen.logins[0].contains("success: Some(true)")
        );
        assert!(!format!("{seen:?}").contains("5a5a5a"));
        assert_eq!(seen.stopped, Some(Progress::Finished));
    }

    #[test]
    fn the_answer_can_be_tested() {
        let mut vnc = Vnc { challenge: Some(CHALLENGE), ..Vnc::default() };
        vnc.attempt = Some(Attempt { at: (Timestamp(1), 1), mechanism: "vnc", response: Some(ANSWER), password: None });
        let mut kept = None;
        vnc.login(&mut |e| {
            let Event::Login(l) = e else { return };
            let Some(Proof::Vnc { challenge, response }) = l.proof else { return };
            kept = Some((challenge.to_vec(), response.to_vec(), l.secret.unwrap().expose().to_vec()));
        });
        assert_eq!(kept, Some((CHALLENGE.to_vec(), ANSWER.to_vec(), b"5a".repeat(16))));
    }

    #[test]
    fn version_3_3_lets_the_server_decide() {
        let start = Script::new().resp(b"RFB 003.008\n").orig(b"RFB 003.003\n");
        let seen =
            start.clone().resp([0, 0, 0, 2]).resp(CHALLENGE).orig(ANSWER).resp([0, 0, 0, 1]).any_chunking::<Vnc>();
        assert_eq!((seen.cell("security_type"), seen.cell("success")), ("vnc".into(), "false".into()));
        assert!(seen.logins[0].contains("success: Some(false)"));
        let seen = start.clone().resp([0, 0, 0, 2]).resp(CHALLENGE).any_chunking::<Vnc>();
        assert_eq!((seen.cell("success"), seen.logins.len()), ("-".into(), 0));
        let seen = start.clone().resp([0, 0, 0, 1]).orig(b"\x01").resp(desktop(b"panel")).any_chunking::<Vnc>();
        assert_eq!((seen.cell("security_type"), seen.cell("success")), ("none".into(), "true".into()));
        let seen = start.resp([0, 0, 0, 0, 0, 0, 0, 4]).resp(b"busy").any_chunking::<Vnc>();
        assert_eq!((seen.cell("failure"), seen.cell("success")), ("busy".into(), "false".into()));
    }

    #[test]
    fn no_authentication_has_no_result_in_3_7() {
        let seen = Script::new()
            .resp(b"RFB 003.008\n")
            .orig(b"RFB 003.007\n")
            .resp(b"\x01\x01")
            .orig(b"\x01\x01")
            .resp(desktop(b""))
            .any_chunking::<Vnc>();
        assert_eq!((seen.cell("security_type"), seen.cell("desktop_name")), ("none".into(), "-".into()));
    }

    #[test]
    fn tight_and_vencrypt_have_types_inside() {
        let start = Script::new().resp(b"RFB 003.008\n").orig(b"RFB 003.008\n");
        let capability = |code: u32| [&code.to_be_bytes()[..], b"STDVVNCAUTH_"].concat();
        let seen = start
            .clone()
            .resp(b"\x01\x10")
            .orig(b"\x10")
            .resp([0, 0, 0, 0, 0, 0, 0, 1])
            .resp(capability(2))
            .orig([0, 0, 0, 2])
            .resp(CHALLENGE)
            .orig(ANSWER)
            .resp([0, 0, 0, 2, 0, 0, 0, 8])
            .resp(b"too many")
            .any_chunking::<Vnc>();
        assert_eq!((seen.cell("offered"), seen.cell("security_type")), ("[tight,vnc]".into(), "vnc".into()));
        assert_eq!((seen.cell("failure"), seen.cell("success")), ("too many".into(), "false".into()));
        let vencrypt =
            start.resp(b"\x01\x13").orig(b"\x13").resp([0, 2]).orig([0, 2]).resp([0, 2, 0, 0, 1, 0, 0, 0, 1, 6]);
        let seen = vencrypt
            .clone()
            .orig([0, 0, 1, 0])
            .orig([0, 0, 0, 3, 0, 0, 0, 12])
            .orig(b"joeSample-Vnc-1")
            .resp([0, 0, 0, 1, 0, 0, 0, 2, b'n', b'o'])
            .any_chunking::<Vnc>();
        assert_eq!(seen.cell("username"), "joe");
        assert!(seen.logins[0].contains("mechanism: \"plain\"") && seen.logins[0].contains("secret_kind: Password"));
        assert!(!format!("{seen:?}").contains("Sample-Vnc-1"));
        let seen = vencrypt.clone().orig([0, 0, 1, 6]).resp(b"\x01").orig(b"\x16\x03\x01").any_chunking::<Vnc>();
        assert_eq!((seen.cell("encrypted"), seen.cell("security_type")), ("true".into(), "x509-plain".into()));
        let seen = vencrypt.orig([0, 0, 1, 6]).resp(b"\0").any_chunking::<Vnc>();
        assert_eq!((seen.cell("encrypted"), seen.cell("success")), ("false".into(), "false".into()));
    }

    #[test]
    fn apple_and_xvp() {
        let start = Script::new().resp(b"RFB 003.889\n").orig(b"RFB 003.008\n");
        let seen = start
            .clone()
            .resp(b"\x02\x1e\x16")
            .orig(b"\x1e")
            .resp([&[0, 2, 0, 4][..], &[9; 8]].concat())
            .orig([7; 132])
            .resp([0; 4])
            .any_chunking::<Vnc>();
        assert_eq!((seen.cell("security_type"), seen.cell("success")), ("apple-dh".into(), "true".into()));
        assert!(seen.logins[0].contains("apple-dh") && seen.logins[0].contains("secret: None"));
        let seen = start
            .resp(b"\x01\x16")
            .orig(b"\x16\x03\x02joevm")
            .resp(CHALLENGE)
            .orig(ANSWER)
            .resp([0; 4])
            .any_chunking::<Vnc>();
        assert_eq!((seen.cell("username"), seen.logins.len()), ("joe".into(), 1));
    }

    #[test]
    fn one_side_only() {
        let seen = Script::new().orig(b"RFB 003.008\n").orig(b"\x02").orig(ANSWER).orig(b"\x01").any_chunking::<Vnc>();
        assert_eq!((seen.cell("client_version"), seen.cell("server_version")), ("RFB 003.008".into(), "-".into()));
        assert!(seen.logins[0].contains("success: None") && seen.logins[0].contains("proof: None"));
        let seen = Script::new().resp(b"RFB 003.008\n").resp(b"\x02\x01\x02").any_chunking::<Vnc>();
        assert_eq!((seen.cell("offered"), seen.cell("security_type")), ("[none,vnc]".into(), "-".into()));
        let repeater =
            Script::new().resp(b"RFB 000.000\n").orig(vec![0; 250]).resp(b"RFB 003.008\n").any_chunking::<Vnc>();
        assert_eq!(repeater.cell("server_version"), "RFB 003.008");
    }

    #[test]
    fn hostile_lengths_end_it() {
        let start = Script::new().resp(b"RFB 003.008\n").orig(b"RFB 003.008\n");
        let tight = start.clone().resp(b"\x01\x10").orig(b"\x10").resp([0xff; 400]).any_chunking::<Vnc>();
        assert_eq!(tight.stopped, Some(Progress::Finished));
        let reason = start.clone().resp(b"\0\xff\xff\xff\xff").resp([b'a'; 4000]).any_chunking::<Vnc>();
        assert_eq!((reason.cell("failure"), reason.cell("success")), ("-".into(), "false".into()));
        let early = start.clone().orig([1; 9000]).any_chunking::<Vnc>();
        assert_eq!(early.stopped, Some(Progress::Finished));
        let not = Script::new().resp(b"RFB 003.008\n").orig(b"GET / HTTP/1.1\r\n").any_chunking::<Vnc>();
        assert_eq!(not.stopped, Some(Progress::Violation("no RFB version")));
        let open = start.resp(b"\x01\x01").orig(b"\x01").resp([0; 4]).orig(b"\x01");
        let name = open.resp([0xff; 2000]).any_chunking::<Vnc>();
        assert_eq!(name.cell("desktop_name").chars().count(), limits::VNC_TEXT_BYTES_MAX);
    }

    #[test]
    fn probes() {
        for (payload, want) in [
            (&b"RFB 003.008\n"[..], Probe::Yes),
            (b"RFB 004.001\n", Probe::Yes),
            (b"RFB 003.", Probe::NeedMore),
            (b"RFB 3.8\n", Probe::No),
            (b"RFC 003.008\n", Probe::No),
        ] {
            assert_eq!(probe_all::<Vnc>(Direction::Resp, payload), want, "{payload:?}");
        }
    }
}
