//! OPC UA over TCP (OPC 10000-6, section 7.1): endpoint, security policy, and logins that are not encrypted.
//!
//! ```text
//! message: kind(3 letters) chunk(1 letter) length(4, the low byte first, header included) ...
//! HEL:     version(4) four limits(16) endpoint    OPN: channel(4) policy certificates thumbprint ...
//! ```

use super::operation::{Operation, TABLE, Told};
use crate::base::{ReadError, Reader, Secret, limits};
use crate::proto::api::{AppParser, Cx, Direction, Login, Probe, Progress, SecretKind, Spec, Transport};
use crate::proto::framing::{Step, front, walk};

const NAME: &str = "opcua";

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Opcua {
    told: Told,
    /// Whether the channel is open without security: only then is there anything to read in it.
    plain: bool,
    messages: u32,
}

/// A text: length(4), bytes; a negative length is none.
fn text<'b>(r: &mut Reader<'b>, field: &'static str) -> Result<&'b [u8], ReadError> {
    let len = r.le32(field)?;
    if len > i32::MAX as u32 { Ok(&[]) } else { r.take(field, len as usize) }
}

/// The name behind `#` of a policy's address.
fn policy(uri: &[u8]) -> &[u8] {
    uri.rsplit(|c| *c == b'#').next().unwrap_or_default()
}

/// A user name and password in a request to activate a session (OPC 10000-4, section 7.40.4): the body of
/// an extension object with numeric identifier 324.
fn user_token(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memmem::find(body, b"\x01\x00\x44\x01\x01")?;
    let mut r = Reader::new(body.get(at + 5..)?);
    let len = r.le32("length").ok()?;
    let mut r = r.sub("token", len as usize).ok()?;
    let _policy = text(&mut r, "policy").ok()?;
    let user = text(&mut r, "user").ok()?;
    let password = text(&mut r, "password").ok()?;
    let algorithm = text(&mut r, "algorithm").ok()?;
    algorithm.is_empty().then_some((user, password))
}

/// The certificates of a side, its own first: they stand one behind the other, each with its length in its first bytes (X.690).
fn chain<'b>(cx: &Cx<'_>, bytes: &'b [u8]) -> Vec<&'b [u8]> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let len = match rest {
            [0x30, 0x82, a, b, ..] => 4 + usize::from(u16::from_be_bytes([*a, *b])),
            [0x30, 0x81, a, ..] => 3 + usize::from(*a),
            _ => rest.len(),
        };
        if found.len() >= limits::TLS_CHAIN_MAX {
            cx.limit_hit();
            break;
        }
        let (one, more) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        found.push(one);
        rest = more;
    }
    found
}

impl Opcua {
    fn message(&mut self, cx: &Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Operation<'_>)) -> Step {
        let [a, b, c, chunk, l0, l1, l2, l3, body @ ..] = bytes else { return Step::Need(8) };
        let len = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        let Some(rest) = len.checked_sub(8).filter(|_| matches!(chunk, b'F' | b'C' | b'A')) else {
            return Step::Violation("header");
        };
        self.messages += 1;
        if self.messages > limits::DATABASE_MESSAGES_MAX {
            return Step::Finished;
        }
        let kind = [*a, *b, *c];
        if len > limits::DATABASE_MESSAGE_BYTES_MAX {
            cx.limit_hit();
            return Step::Used(len as u64);
        }
        let Some(body) = body.get(..rest) else {
            self.messages -= 1;
            return Step::Need(len);
        };
        match &kind {
            b"HEL" => {
                let mut r = Reader::new(body);
                let url = r.skip("limits", 20).and_then(|()| text(&mut r, "endpoint")).unwrap_or_default();
                let url = String::from_utf8_lossy(front(url, limits::CONTROLLER_TEXT_BYTES_MAX)).into_owned();
                let clean = crate::proto::web::http_login::blanked(url.as_bytes());
                let object = String::from_utf8_lossy(&clean);
                self.told.tell(cx, &Operation { object: &object, ..Operation::new(NAME, dir, "hello") }, emit);
            }
            b"OPN" => {
                let mut r = Reader::new(body);
                let uri = r.skip("channel", 4).and_then(|()| text(&mut r, "policy")).unwrap_or_default();
                // In clear whatever the policy (OPC 10000-6, section 6.7.2.3).
                let chain = chain(cx, text(&mut r, "certificates").unwrap_or_default());
                let name = String::from_utf8_lossy(front(policy(uri), 64)).into_owned();
                self.plain = name == "None";
                let action = if self.plain { "open-channel-without-security" } else { "open-channel" };
                if dir == Direction::Orig || !self.plain || !chain.is_empty() {
                    let o = Operation { object: &name, chain: &chain, ..Operation::new(NAME, dir, action) };
                    self.told.tell(cx, &o, emit);
                }
            }
            b"MSG" if self.plain => {
                if let Some((user, password)) = user_token(body) {
                    let login = Login {
                        mechanism: "plain",
                        username: Some(front(user, limits::CONTROLLER_TEXT_BYTES_MAX)),
                        secret: Some(Secret::new(front(password, limits::SECRET_BYTES_MAX))),
                        secret_kind: SecretKind::Password,
                        ..Login::at((cx.ts, cx.packet))
                    };
                    let o = Operation { login: Some(login), ..Operation::new(NAME, dir, "activate-session") };
                    self.told.tell(cx, &o, emit);
                }
            }
            b"MSG" if self.messages > 4 => return Step::Finished,
            b"MSG" | b"ACK" | b"CLO" | b"ERR" | b"RHE" => {
                if kind == *b"ERR" {
                    self.told.tell(cx, &Operation::new(NAME, dir, "error"), emit);
                }
            }
            _ => return Step::Violation("kind"),
        }
        Step::Used(len as u64)
    }
}

impl AppParser for Opcua {
    const SPEC: Spec = Spec {
        name: NAME,
        title: "OPC UA",
        transports: &[Transport::Tcp],
        ports: &[4840],
        reference: "OPC 10000-6, section 7",
        table: Some(&TABLE),
        yields: "endpoint, security policy, certificates, logins without encryption",
        ..Spec::EMPTY
    };
    type Event<'e> = Operation<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        const KINDS: [&[u8]; 7] = [b"HELF", b"ACKF", b"OPNF", b"MSGF", b"MSGC", b"CLOF", b"ERRF"];
        match payload {
            [a, b, c, d, _, _, high, 0, ..] if *high < 16 && KINDS.contains(&&[*a, *b, *c, *d][..]) => Probe::Yes,
            _ if payload.len() < 8 && KINDS.iter().any(|k| k.starts_with(front(payload, 4))) => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Operation<'_>)) -> Progress {
        walk(bytes, |rest| self.message(&cx, dir, rest, emit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    fn message(kind: &str, body: &[u8]) -> Vec<u8> {
        [kind.as_bytes(), &(body.len() as u32 + 8).to_le_bytes(), body].concat()
    }

    fn text(value: &str) -> Vec<u8> {
        [&(value.len() as u32).to_le_bytes()[..], value.as_bytes()].concat()
    }

    fn hello() -> Vec<u8> {
        message("HELF", &[vec![0; 20], text("opc.tcp://plc.example:4840")].concat())
    }

    fn open(policy: &str) -> Vec<u8> {
        let uri = text(&format!("http://opcfoundation.org/UA/SecurityPolicy#{policy}"));
        message("OPNF", &[vec![0; 4], uri, vec![0xff; 8]].concat())
    }

    fn activate() -> Vec<u8> {
        let token = [text("username"), text("joe"), text("hunter22"), vec![0xff; 4]].concat();
        message(
            "MSGF",
            &[&[7; 30][..], b"\x01\0\x44\x01\x01", &(token.len() as u32).to_le_bytes(), &token, &[0; 8]].concat(),
        )
    }

    #[test]
    fn a_channel_without_security_shows_the_login() {
        let seen =
            Script::new().orig(hello()).orig(open("None")).resp(open("None")).orig(activate()).any_chunking::<Opcua>();
        assert_eq!(seen.cells("action"), ["hello", "open-channel-without-security", "activate-session"]);
        assert_eq!(seen.cells("object")[0], "opc.tcp://plc.example:4840");
        assert_eq!(seen.logins.len(), 1);
        assert!(seen.logins[0].contains("Some([106, 111, 101])") && !format!("{seen:?}").contains("hunter22"));
    }

    #[test]
    fn a_protected_one_does_not() {
        let seen = Script::new().orig(hello()).orig(open("Basic256Sha256")).orig(activate()).any_chunking::<Opcua>();
        assert_eq!(seen.cells("action"), ["hello", "open-channel"]);
        assert!(seen.logins.is_empty());
    }

    #[test]
    fn certificates_stand_in_clear_one_behind_the_other() {
        let uri = text("http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256");
        let both = [&[0x30, 0x82, 0, 3, 1, 2, 3][..], &[0x30, 0x81, 2, 4, 5]].concat();
        let open = |chain: &[u8]| {
            let len = (chain.len() as u32).to_le_bytes();
            message("OPNF", &[&[0; 4], &uri[..], &len, chain, &[0xff; 4], &[9; 40]].concat())
        };
        let seen = Script::new().orig(hello()).orig(open(&both)).resp(open(&both[..7])).any_chunking::<Opcua>();
        assert_eq!(seen.cells("action"), ["hello", "open-channel", "open-channel"]);
        assert_eq!(seen.presented, ["Orig 30820003010203203081020405", "Resp 30820003010203"]);
    }

    #[test]
    fn probes_and_damage() {
        assert_eq!(probe_all::<Opcua>(Direction::Orig, &hello()), Probe::Yes);
        assert_eq!(probe_all::<Opcua>(Direction::Orig, b"HELO mail.example.org\r\n"), Probe::No);
        let whole = activate();
        for end in 8..whole.len() {
            let seen = Script::new().orig(open("None")).orig(message("MSGF", &whole[8..end])).any_chunking::<Opcua>();
            assert!(!format!("{seen:?}").contains("hunter22"));
        }
        let seen = Script::new().orig(b"HELF\x07\0\0\0").any_chunking::<Opcua>();
        assert!(matches!(seen.stopped, Some(Progress::Violation(_))));
    }
}
