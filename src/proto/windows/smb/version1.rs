//! The part of the SMB parser that follows version 1.

use super::{Answer, Asked, Emit, Pending, Setup, Smb, unanswered};
use crate::base::bytes::ReadError;
use crate::base::limits;
use crate::proto::api::{Cx, Direction};
use crate::proto::ntlm;
use crate::proto::windows::gss::Attempt;
use crate::proto::windows::smb_event::{Action, Event, STATUS_MORE_PROCESSING, STATUS_SUCCESS, Signing};
use crate::proto::windows::smb1;

impl Smb {
    pub(super) fn smb1(
        &mut self,
        cx: &Cx<'_>,
        dir: Direction,
        message: &[u8],
        emit: Emit<'_>,
    ) -> Result<(), ReadError> {
        let head = smb1::Header::read(message)?;
        self.understood = true;
        let server = if head.reply { dir } else { dir.other() };
        if head.command != smb1::command::NEGOTIATE && !std::mem::replace(&mut self.spoke_smb1, true) {
            emit(Event::new((cx.ts, cx.packet), Action::Smb1, 1, server));
        }
        let (mut command, mut at) = (head.command, smb1::HEADER);
        for _ in 0..limits::SMB_CHAIN_MAX {
            let Ok(block) = smb1::Block::read(message, at) else { break };
            let _ = if head.reply {
                self.smb1_reply(cx, dir, &head, command, &block, emit)
            } else {
                self.smb1_request(cx, server, &head, command, &block, message, emit)
            };
            // Only these chain (MS-CIFS, section 2.2.3.4), and a chain goes forward.
            match block.next() {
                Some((next, to)) if is_chained(command) && to > at => (command, at) = (next, to),
                _ => break,
            }
        }
        if head.reply && head.status != STATUS_SUCCESS && head.status != STATUS_MORE_PROCESSING {
            // An error ends the chain: what stood behind is answered by it as well.
            while let Some(at) = self.pending.iter().position(|p| p.version == 1 && p.key == head.key) {
                if let Some(found) = self.pending.remove(at) {
                    unanswered(&found, server, Some((head.status, (cx.ts, cx.packet))), emit);
                }
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)] // one command of a message, and the message for its offsets
    fn smb1_request(
        &mut self,
        cx: &Cx<'_>,
        server: Direction,
        head: &smb1::Header,
        command: u8,
        block: &smb1::Block<'_>,
        message: &[u8],
        emit: Emit<'_>,
    ) -> Result<(), ReadError> {
        use smb1::command;
        let asked = match command {
            command::NEGOTIATE => Asked::Negotiate { dialects: smb1::dialects(block) },
            command::SESSION_SETUP => {
                let s = smb1::session_setup(head, block)?;
                let mut setup = Setup::default();
                match s.token {
                    Some(token) => self.client_token(cx, u64::from(head.uid), token, &mut setup),
                    None => setup.attempt = Some(self.old_login(cx, head, &s)),
                }
                (setup.os, setup.lanman) = (s.os, s.lanman);
                Asked::Session(Box::new(setup))
            }
            command::TREE_CONNECT => Asked::Tree { share: smb1::tree_connect(head, block)? },
            command::OPEN | command::CREATE => {
                let file = smb1::opened(head, block);
                if !self.is_new(cx, &file) {
                    return Ok(());
                }
                Asked::Open { file }
            }
            command::WRITE | command::TRANSACTION => {
                self.pipe(cx, server, 1, smb1::carried(message, command, block)?, emit);
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.wait(cx, server, 1, head.key, asked, emit);
        Ok(())
    }

    /// A login without GSS-API: a password in clear or answers to the challenge of the negotiation.
    fn old_login(&self, cx: &Cx<'_>, head: &smb1::Header, s: &smb1::SessionSetup<'_>) -> Attempt {
        const ANSWER: usize = 24;
        // A zero alone stands for nothing at all.
        let [oem, unicode] = s.passwords.map(|p| if matches!(p, [0] | [0, 0]) { &[][..] } else { p });
        let looks_answered = oem.len() == ANSWER || unicode.len() >= ANSWER;
        let clear = if unicode.len() > 1 && head.unicode { smb1::utf16(unicode) } else { oem.to_vec() };
        let clear = clear.strip_suffix(b"\0").unwrap_or(&clear);
        // What has not the length of an answer is none, whatever the server asked for.
        if self.sends_passwords == Some(true) && !clear.is_empty() || !looks_answered && is_printable(clear) {
            let mut attempt = Attempt::plain(cx, "plain", &s.account, clear);
            attempt.domain.clone_from(&s.domain);
            return attempt;
        }
        let lm = Some(oem).filter(|b| b.len() == ANSWER).unwrap_or_default();
        let nt = Some(unicode).filter(|b| b.len() >= ANSWER).unwrap_or_default();
        Attempt::ntlm(cx, ntlm::Answer::of_parts(&s.account, &s.domain, lm, nt), self.challenge)
    }

    fn smb1_reply(
        &mut self,
        cx: &Cx<'_>,
        server: Direction,
        head: &smb1::Header,
        command: u8,
        block: &smb1::Block<'_>,
        emit: Emit<'_>,
    ) -> Result<(), ReadError> {
        use smb1::command;
        let reply = Some((cx.ts, cx.packet));
        let status = Some(head.status);
        match command {
            command::NEGOTIATE => {
                let n = smb1::negotiated(head, block)?;
                let found = self.answered(1, head.key, |a| matches!(a, Asked::Negotiate { .. }));
                let (dialects, at) = match found {
                    Some(Pending { asked: Asked::Negotiate { dialects }, at, .. }) => (dialects, at),
                    _ => (Vec::new(), (cx.ts, cx.packet)),
                };
                self.challenge = n.challenge;
                // The older dialects know no bits.
                if block.words.len() >= 26 {
                    self.sends_passwords = Some(n.security & smb1::ENCRYPTS_PASSWORDS == 0);
                }
                let signing = match n.security & 0xc {
                    0 => Signing::Disabled,
                    4 => Signing::Enabled,
                    _ => Signing::Required,
                };
                const NONE: u16 = 0xffff;
                let dialect = dialects.get(usize::from(n.index)).map(|d| String::from_utf8_lossy(d));
                emit(Event {
                    dialect: dialect.as_deref().unwrap_or_default(),
                    signing: Some(signing).filter(|_| n.index != NONE && block.words.len() >= 26),
                    offers_smb1: true,
                    status,
                    reply,
                    names: [&n.server, &[], &n.domain],
                    ..Event::new(at, Action::Negotiate, 1, server)
                });
            }
            command::SESSION_SETUP => {
                let a = smb1::session_answer(head, block)?;
                let answer = Answer {
                    status: head.status,
                    session: u64::from(head.uid),
                    token: a.token,
                    guest: a.guest,
                    os: [&a.os, &a.lanman],
                    domain: &a.domain,
                };
                match self.answered(1, head.key, |p| matches!(p, Asked::Session(_))) {
                    Some(found) => self.session_result(cx, server, &found, &answer, emit),
                    None => self.server_token(cx, server, 1, u64::from(head.uid), a.token, emit),
                }
            }
            command::TREE_CONNECT => {
                let found = self.answered(1, head.key, |p| matches!(p, Asked::Tree { .. }));
                if let Some(Pending { asked: Asked::Tree { share }, at, .. }) = found {
                    let share_type = match block.bytes {
                        [b'A', b':', ..] => "disk",
                        [b'I', b'P', b'C', ..] => "pipe",
                        [b'L', b'P', b'T', ..] => "printer",
                        _ => "",
                    };
                    let event = Event::new(at, Action::TreeConnect, 1, server);
                    emit(Event { share: &share, share_type, status, reply, ..event });
                }
            }
            command::OPEN | command::CREATE => {
                let found = self.answered(1, head.key, |p| matches!(p, Asked::Open { .. }));
                if let Some(Pending { asked: Asked::Open { file }, at, .. }) = found {
                    emit(Event { file: &file, status, reply, ..Event::new(at, Action::Open, 1, server) });
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether this may be a password that somebody typed.
fn is_printable(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|c| *c >= b' ' && *c != 0x7f)
}

const fn is_chained(command: u8) -> bool {
    matches!(command, 0x24 | 0x2d..=0x2f | 0x73..=0x75 | 0xa2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::windows::testing::with_cx;

    #[test]
    fn what_a_password_field_holds_is_told_by_the_negotiation_or_its_length() {
        let mut message = vec![0; smb1::HEADER];
        message[..4].copy_from_slice(b"\xffSMB");
        let head = smb1::Header::read(&message).unwrap();
        let of = |sends_passwords, oem: &[u8]| {
            let smb = Smb { sends_passwords, ..Smb::default() };
            let setup =
                smb1::SessionSetup { passwords: [oem, b""], account: b"ana".to_vec(), ..smb1::SessionSetup::default() };
            let mut told = "";
            with_cx(|cx| {
                let attempt = smb.old_login(cx, &head, &setup);
                told = if attempt.anonymous { "nobody" } else { attempt.mechanism };
            });
            told
        };
        assert_eq!(of(Some(true), &[b'p'; 24]), "plain");
        assert_eq!(of(Some(false), &[7; 24]), "lm");
        assert_eq!(of(None, &[7; 24]), "lm");
        assert_eq!(of(None, b"secret"), "plain");
        assert_eq!(of(Some(false), b"Pass"), "plain", "no answer has four bytes");
        for nothing in [&b""[..], b"\0", b"\0\0", b"\x01\x02\x03"] {
            assert_eq!((of(Some(false), nothing), of(None, nothing)), ("nobody", "nobody"), "{nothing:?}");
        }
    }
}
