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
    /// NetBIOS name of the server (MS-NLMP, section 2.2.2.1), UTF-8; empty where it says none. So
    /// are those below.
    pub computer: Vec<u8>,
    /// NetBIOS name of its domain.
    pub domain: Vec<u8>,
    /// DNS name of the server.
    pub dns_computer: Vec<u8>,
    /// DNS name of its domain.
    pub dns_domain: Vec<u8>,
    /// Version of its system, where it says a full one.
    pub version: Option<Version>,
}

/// Version of an operating system (MS-NLMP, section 2.2.2.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Major version.
    pub major: u8,
    /// Minor version.
    pub minor: u8,
    /// Build; zero where the software is not Windows and only fills the field.
    pub build: u16,
}

impl Version {
    /// As an `os` fact says it. `None` without a build, and for a version that Windows never had: other systems send
    /// something.
    pub fn windows(self) -> Option<String> {
        let Self { major, minor, build } = self;
        let known = (4..=10).contains(&major) && minor <= 3 && (1000..60_000).contains(&build);
        known.then(|| format!("Windows {major}.{minor}.{build}"))
    }
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
    /// Version of the client's system.
    pub version: Option<Version>,
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

    /// The answers alone, as old SMB carries them without a message around.
    pub fn of_parts(username: &[u8], domain: &[u8], lm: &[u8], nt: &[u8]) -> Self {
        let cut = |b: &[u8]| b.get(..limits::SECRET_BYTES_MAX).unwrap_or(b).to_vec();
        Self { username: cut(username), domain: cut(domain), lm: cut(lm), nt: cut(nt), ..Self::default() }
    }

    /// The mechanism as the `mechanism` column spells it: `ntlmv2`, `ntlm` (version 1), `lm`.
    pub fn mechanism(&self) -> &'static str {
        match (self.nt.len(), self.lm.len()) {
            (25.., _) => "ntlmv2",
            (0, 24) => "lm",
            _ => "ntlm",
        }
    }

    /// Whether the old LM hash was answered with: an LM answer that is neither that of LMv2, nor the
    /// NT answer again, nor the client's challenge with zeros behind it (MS-NLMP, section 3.3.1).
    pub fn has_lm(&self) -> bool {
        let zeros = |b: Option<&[u8]>| b.is_none_or(|b| b.iter().all(|c| *c == 0));
        self.nt.len() <= 24 && self.lm.len() == 24 && self.lm != self.nt && !zeros(self.lm.get(8..))
    }

    /// Whether there is an answer at all: one of 24 bytes, or a longer one of version 2 (MS-NLMP, sections
    /// 2.2.2.3 to 2.2.2.8). Anything else proves nothing.
    pub fn is_answer(&self) -> bool {
        self.nt.len() >= 24 || self.lm.len() == 24
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
            let flags = r.le32("flags")?;
            let unicode = flags & 1 != 0;
            let mut challenge =
                Challenge { challenge: r.array("challenge")?, target: text(target, unicode), ..Challenge::default() };
            // Old servers stop here.
            if r.skip("reserved", 8).is_ok() {
                let pairs = field(&mut r, message).unwrap_or_default();
                target_info(&mut challenge, pairs);
                challenge.version = version(&mut r, flags);
            }
            Ok(Message::Challenge(challenge))
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
            let flags = r.skip("key", 8).and_then(|()| r.le32("flags")).unwrap_or(0);
            let unicode = flags & 1 != 0;
            let cut = |b: &[u8]| b.get(..limits::SECRET_BYTES_MAX).unwrap_or(b).to_vec();
            Ok(Message::Authenticate(Answer {
                username: text(user, unicode),
                domain: text(domain, unicode),
                workstation: text(workstation, unicode),
                version: version(&mut r, flags),
                lm: cut(lm),
                nt: cut(nt),
            }))
        }
        _ => Err(ReadError::invalid("message type")),
    }
}

/// The names that the server says of itself (MS-NLMP, section 2.2.2.1).
fn target_info(challenge: &mut Challenge, pairs: &[u8]) {
    const PAIRS_MAX: usize = 16;
    let mut r = Reader::new(pairs);
    for _ in 0..PAIRS_MAX {
        let (Ok(id), Ok(len)) = (r.le16("id"), r.le16("length")) else { return };
        let Ok(value) = r.take("value", usize::from(len)) else { return };
        match id {
            0 => return,
            1 => challenge.computer = text(value, true),
            2 => challenge.domain = text(value, true),
            3 => challenge.dns_computer = text(value, true),
            4 => challenge.dns_domain = text(value, true),
            _ => {}
        }
    }
}

/// The version behind the fixed part, where the flags say that there is one.
fn version(r: &mut Reader<'_>, flags: u32) -> Option<Version> {
    const NEGOTIATE_VERSION: u32 = 0x0200_0000;
    let [major, minor, b0, b1] = r.array("version").ok().filter(|_| flags & NEGOTIATE_VERSION != 0)?;
    Some(Version { major, minor, build: u16::from_le_bytes([b0, b1]) })
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
        assert!(challenge.computer.is_empty() && challenge.version.is_none());
        assert_eq!((challenge.challenge, challenge.target.as_slice()), ([1, 2, 3, 4, 5, 6, 7, 8], &b"NAS"[..]));
    }
    #[test]
    fn the_server_says_its_names_and_version() {
        let utf16 = |s: &str| s.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let mut info = Vec::new();
        for (id, value) in [(2_u16, "CORP"), (1, "DC01"), (4, "corp.example"), (3, "dc01.corp.example")] {
            let value = utf16(value);
            info.extend(id.to_le_bytes());
            info.extend((value.len() as u16).to_le_bytes());
            info.extend(value);
        }
        info.extend([0; 4]);
        let mut m = b"NTLMSSP\0\x02\0\0\0".to_vec();
        m.extend([8, 0, 8, 0, 56, 0, 0, 0]);
        m.extend(0x0280_0001_u32.to_le_bytes());
        m.extend([1; 8]);
        m.extend([0; 8]);
        m.extend([info.len() as u8, 0, info.len() as u8, 0, 64, 0, 0, 0]);
        m.extend([10, 0, 0x63, 0x45, 0, 0, 0, 15]);
        m.extend(utf16("CORP"));
        m.extend(&info);
        let Some(Message::Challenge(c)) = find(&m) else { panic!("a challenge") };
        assert_eq!((&*c.computer, &*c.domain), (&b"DC01"[..], &b"CORP"[..]));
        assert_eq!((&*c.dns_computer, &*c.dns_domain), (&b"dc01.corp.example"[..], &b"corp.example"[..]));
        assert_eq!(c.version.and_then(Version::windows).as_deref(), Some("Windows 10.0.17763"));
        for cut in 0..m.len() {
            let _ = find(&m[..cut]);
        }
    }

    #[test]
    fn what_has_not_the_length_of_an_answer_is_none() {
        for (lm, nt, want) in [(0, 0, false), (1, 0, false), (0, 2, false), (4, 4, false), (24, 0, true), (0, 24, true)]
        {
            assert_eq!(Answer::of_parts(b"joe", b"", &vec![7; lm], &vec![7; nt]).is_answer(), want, "{lm} {nt}");
        }
    }

    #[test]
    fn an_lm_answer_is_told_from_what_stands_in_its_place() {
        let answer = |lm: &[u8], nt: &[u8]| Answer { lm: lm.to_vec(), nt: nt.to_vec(), ..Answer::default() };
        let mut session = [0; 24];
        session[..8].fill(9);
        assert!(answer(&[7; 24], &[8; 24]).has_lm());
        assert!(answer(&[7; 24], &[]).has_lm());
        assert!(!answer(&[7; 24], &[7; 24]).has_lm(), "the NT answer again");
        assert!(!answer(&session, &[8; 24]).has_lm(), "a client challenge");
        assert!(!answer(&[7; 24], &[8; 60]).has_lm(), "LMv2");
    }
}
