//! NTLM messages (MS-NLMP, section 2.2.1), bare or inside SPNEGO, wherever a protocol carries them.

use super::proof::{Ntlm, Proof};
use crate::base::bytes::ReadError;
use crate::base::{Reader, limits};

/// A message of the three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The client offers NTLM.
    Negotiate,
    /// The server's challenge.
    Challenge(Challenge),
    /// The client's answer.
    Authenticate(Answer),
}

/// The server's challenge, and what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Challenge {
    /// The challenge.
    pub challenge: [u8; 8],
    /// Domain or machine that the server names, UTF-8.
    pub target: Vec<u8>,
}

/// The client's answer. Texts are UTF-8.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// User name; empty for an anonymous login.
    pub username: Vec<u8>,
    /// Domain.
    pub domain: Vec<u8>,
    /// Name of the client's machine.
    pub workstation: Vec<u8>,
    lm: Vec<u8>,
    nt: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    /// Without the answers, which can be cracked by whoever reads them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy;
        write!(f, "Answer({}\\{} on {})", text(&self.domain), text(&self.username), text(&self.workstation))
    }
}

impl Answer {
    /// Whether nobody in particular logs in.
    pub fn is_anonymous(&self) -> bool {
        self.username.is_empty() && self.nt.is_empty()
    }

    /// The mechanism as the `mechanism` column spells it: `ntlmv2`, `ntlm` (version 1).
    pub fn mechanism(&self) -> &'static str {
        if self.nt.len() > 24 { "ntlmv2" } else { "ntlm" }
    }

    /// The NT answer, else the LM one: what `secret_length` counts.
    pub fn response(&self) -> &[u8] {
        if self.nt.is_empty() { &self.lm } else { &self.nt }
    }

    /// What a guess is tested against, with the challenge that was answered.
    pub fn proof(&self, challenge: [u8; 8]) -> Proof<'_> {
        Proof::Ntlm(Ntlm { username: &self.username, domain: &self.domain, challenge, lm: &self.lm, nt: &self.nt })
    }
}

/// Bytes at the front of a token in which the message may begin: SPNEGO stands before it.
const WRAPPING_BYTES_MAX: usize = 512;

/// The NTLM message in a token.
pub fn find(token: &[u8]) -> Option<Message> {
    let front = token.get(..WRAPPING_BYTES_MAX + 8).unwrap_or(token);
    let at = memchr::memmem::find(front, b"NTLMSSP\0")?;
    read(token.get(at..)?).ok()
}

fn read(message: &[u8]) -> Result<Message, ReadError> {
    let mut r = Reader::new(message);
    r.skip("signature", 8)?;
    match r.le32("message type")? {
        1 => Ok(Message::Negotiate),
        2 => {
            let target = field(&mut r, message)?;
            let unicode = r.le32("flags")? & 1 != 0;
            Ok(Message::Challenge(Challenge { challenge: r.array("challenge")?, target: text(target, unicode) }))
        }
        3 => {
            let [lm, nt, domain, user, workstation] = [
                field(&mut r, message)?,
                field(&mut r, message)?,
                field(&mut r, message)?,
                field(&mut r, message)?,
                field(&mut r, message)?,
            ];
            // Old clients stop before the key and the flags; they write OEM text.
            let unicode = r.skip("key", 8).and_then(|()| r.le32("flags")).is_ok_and(|f| f & 1 != 0);
            let cut = |b: &[u8]| b.get(..limits::SECRET_BYTES_MAX).unwrap_or(b).to_vec();
            Ok(Message::Authenticate(Answer {
                username: text(user, unicode),
                domain: text(domain, unicode),
                workstation: text(workstation, unicode),
                lm: cut(lm),
                nt: cut(nt),
            }))
        }
        _ => Err(ReadError::invalid("message type")),
    }
}

/// What a length and an offset point at; nothing where it lies outside of the message.
fn field<'a>(r: &mut Reader<'a>, message: &'a [u8]) -> Result<&'a [u8], ReadError> {
    let len = usize::from(r.le16("length")?);
    r.skip("room", 2)?;
    let offset = r.le32("offset")? as usize;
    Ok(message.get(offset..offset.saturating_add(len)).unwrap_or_default())
}

fn text(raw: &[u8], unicode: bool) -> Vec<u8> {
    let raw = raw.get(..limits::TEXT_BYTES_MAX).unwrap_or(raw);
    if !unicode {
        return raw.to_vec();
    }
    let units = raw.as_chunks::<2>().0.iter().map(|u| u16::from_le_bytes(*u));
    char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_names_the_user_and_hides_the_rest() {
        let mut m = b"NTLMSSP\0\x03\0\0\0".to_vec();
        m.extend([0; 24]);
        m.extend([4, 0, 4, 0, 64, 0, 0, 0]);
        m.extend([0; 16]);
        m.extend([1, 0, 0, 0]);
        m.extend([b'j', 0, b'o', 0]);
        let Some(Message::Authenticate(answer)) = find(&m) else { panic!("an answer") };
        assert_eq!(answer.username, b"jo");
        assert_eq!((answer.mechanism(), answer.is_anonymous()), ("ntlm", false));
        assert_eq!(format!("{answer:?}"), "Answer(\\jo on )");
        let Some(Message::Authenticate(cut)) = find(&m[..66]) else { panic!("an answer") };
        assert!(cut.username.is_empty(), "a name outside of the message is none");
        assert_eq!(find(&m[..20]), None);
    }

    #[test]
    fn the_challenge_is_found_behind_its_wrapping() {
        let mut m = vec![0xa1, 0x81, 0x90, 0x30];
        m.extend(b"NTLMSSP\0\x02\0\0\0");
        m.extend([6, 0, 6, 0, 32, 0, 0, 0]);
        m.extend([1, 0, 0, 0]);
        m.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        m.extend([b'N', 0, b'A', 0, b'S', 0]);
        let Some(Message::Challenge(challenge)) = find(&m) else { panic!("a challenge") };
        assert_eq!((challenge.challenge, challenge.target.as_slice()), ([1, 2, 3, 4, 5, 6, 7, 8], &b"NAS"[..]));
    }
}
