//! Messages of SMB 1 (MS-CIFS, MS-SMB): header, blocks, and what the interesting commands hold.

use crate::base::bytes::ReadError;
use crate::base::{Reader, limits};

/// Commands (MS-CIFS, section 2.2.2.1).
pub mod command {
    /// A transaction: pipes and mailslots.
    pub const TRANSACTION: u8 = 0x25;
    /// Opens a file.
    pub const OPEN: u8 = 0x2d;
    /// Writes.
    pub const WRITE: u8 = 0x2f;
    /// Dialects.
    pub const NEGOTIATE: u8 = 0x72;
    /// A login.
    pub const SESSION_SETUP: u8 = 0x73;
    /// A share.
    pub const TREE_CONNECT: u8 = 0x75;
    /// Opens a file.
    pub const CREATE: u8 = 0xa2;
    /// No further command in a chain.
    pub const NONE: u8 = 0xff;
}

/// Bytes of the header.
pub const HEADER: usize = 32;

/// The header (section 2.2.3.1).
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// Command.
    pub command: u8,
    /// Status of an answer.
    pub status: u32,
    /// Whether it is an answer.
    pub reply: bool,
    /// Whether texts are UTF-16.
    pub unicode: bool,
    /// Number of the session.
    pub uid: u16,
    /// Process and message number together: what an answer is found by.
    pub key: u64,
}

impl Header {
    /// Reads it.
    pub fn read(message: &[u8]) -> Result<Self, ReadError> {
        let mut r = Reader::new(message);
        r.skip("protocol", 4)?;
        let command = r.u8("command")?;
        let status = r.le32("status")?;
        let flags = r.u8("flags")?;
        let flags2 = r.le16("flags 2")?;
        r.skip("process and signature", 12)?;
        r.skip("tree", 2)?;
        let pid = r.le16("process")?;
        let uid = r.le16("user")?;
        let mid = r.le16("message")?;
        // Without the flag the status is one of DOS, which is mapped to a refusal.
        let nt_status = flags2 & 0x4000 != 0;
        Ok(Self {
            command,
            status: if nt_status || status == 0 {
                status
            } else {
                0xe000_0000 | status & 0xff | status >> 8 & 0xff_ff00
            },
            reply: flags & 0x80 != 0,
            unicode: flags2 & 0x8000 != 0,
            uid,
            key: u64::from(pid) << 16 | u64::from(mid),
        })
    }
}

/// The words and bytes of one command.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// Words.
    pub words: &'a [u8],
    /// Bytes.
    pub bytes: &'a [u8],
    /// Where the bytes begin in the message: texts of UTF-16 are aligned to it.
    at: usize,
}

impl<'a> Block<'a> {
    /// The block at a place of the message; what a short capture cut is read as far as it goes.
    pub fn read(message: &'a [u8], at: usize) -> Result<Self, ReadError> {
        let mut r = Reader::new(message);
        r.skip("header", at)?;
        let count = usize::from(r.u8("word count")?);
        let words = r.take("words", count * 2)?;
        let len = usize::from(r.le16("byte count")?);
        let at = r.position();
        let rest = r.rest();
        Ok(Self { words, bytes: rest.get(..len).unwrap_or(rest), at })
    }

    /// The next command of the chain and where its block begins (section 2.2.3.4).
    pub fn next(&self) -> Option<(u8, usize)> {
        match *self.words {
            [next, _, o0, o1, ..] if next != command::NONE => Some((next, usize::from(u16::from_le_bytes([o0, o1])))),
            _ => None,
        }
    }

    /// A cursor over the words.
    pub const fn words(&self) -> Reader<'a> {
        Reader::new(self.words)
    }

    /// Texts in the bytes, behind so many of them.
    pub const fn texts(&self, from: usize, unicode: bool) -> Texts<'a> {
        Texts { bytes: self.bytes, from, at: self.at, unicode }
    }
}

/// Texts one behind the other, each with a zero at its end.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    bytes: &'a [u8],
    from: usize,
    at: usize,
    unicode: bool,
}

impl Texts<'_> {
    /// The next text as UTF-8; empty at the end.
    pub fn text(&mut self) -> Vec<u8> {
        if !self.unicode {
            return self.ascii();
        }
        self.from += (self.at + self.from) % 2;
        self.unaligned()
    }

    /// Likewise where no padding stands before UTF-16.
    pub fn unaligned(&mut self) -> Vec<u8> {
        if !self.unicode {
            return self.ascii();
        }
        let rest = self.bytes.get(self.from..).unwrap_or_default();
        let units = rest.as_chunks::<2>().0;
        let end = units.iter().position(|u| *u == [0, 0]).unwrap_or(units.len());
        self.from += 2 * end + 2;
        utf16(rest.get(..2 * end).unwrap_or_default())
    }

    /// The next text of one byte a letter.
    pub fn ascii(&mut self) -> Vec<u8> {
        let rest = self.bytes.get(self.from..).unwrap_or_default();
        let end = memchr::memchr(0, rest).unwrap_or(rest.len());
        self.from += end + 1;
        rest.get(..end.min(limits::SMB_TEXT_BYTES_MAX)).unwrap_or_default().to_vec()
    }
}

/// UTF-16 as UTF-8, cut.
pub fn utf16(raw: &[u8]) -> Vec<u8> {
    let raw = raw.get(..limits::SMB_TEXT_BYTES_MAX).unwrap_or(raw);
    let units = raw.as_chunks::<2>().0.iter().map(|u| u16::from_le_bytes(*u));
    char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect::<String>().into_bytes()
}

/// Dialects of a request (section 2.2.4.52.1).
pub fn dialects(block: &Block<'_>) -> Vec<Vec<u8>> {
    const DIALECTS_MAX: usize = 32;
    let names = block.bytes.split(|c| *c == 0).filter_map(|d| d.strip_prefix(&[2])).take(DIALECTS_MAX);
    names.map(|d| d.get(..limits::SMB_TEXT_BYTES_MAX).unwrap_or(d).to_vec()).collect()
}

/// The server's choice (section 2.2.4.52.2; MS-SMB, section 2.2.4.5.2).
#[derive(Debug, Clone, Default)]
pub struct Negotiated {
    /// Place of the dialect in the list of the request.
    pub index: u16,
    /// Bits: users, encrypted passwords, signing, signing required.
    pub security: u8,
    /// Challenge, where logins are not made with SPNEGO.
    pub challenge: Option<[u8; 8]>,
    /// Domain and name of the server.
    pub domain: Vec<u8>,
    /// Name of the server.
    pub server: Vec<u8>,
}

/// Passwords are answered for, not sent.
pub const ENCRYPTS_PASSWORDS: u8 = 2;

/// Reads the server's choice.
pub fn negotiated(header: &Header, block: &Block<'_>) -> Result<Negotiated, ReadError> {
    let mut w = block.words();
    let mut n = Negotiated { index: w.le16("dialect")?, ..Negotiated::default() };
    match block.words.len() / 2 {
        // NT LM 0.12
        17 => {
            n.security = w.u8("security")?;
            w.skip("limits and session key", 16)?;
            let extended = w.le32("capabilities")? & 0x8000_0000 != 0;
            if !extended {
                n.challenge = block.bytes.first_chunk().copied();
                let mut texts = block.texts(8, header.unicode);
                n.domain = texts.unaligned();
                n.server = texts.unaligned();
            }
        }
        // LANMAN
        13 => {
            n.security = (w.le16("security")? & 3) as u8;
            n.challenge = block.bytes.first_chunk().copied();
        }
        _ => {}
    }
    Ok(n)
}

/// A login (section 2.2.4.53.1; MS-SMB, section 2.2.4.6.1).
#[derive(Clone, Default)]
pub struct SessionSetup<'a> {
    /// Token of GSS-API, where there is one.
    pub token: Option<&'a [u8]>,
    /// The password or the answer for it in the two forms.
    pub passwords: [&'a [u8]; 2],
    /// User.
    pub account: Vec<u8>,
    /// Domain.
    pub domain: Vec<u8>,
    /// System of the client.
    pub os: Vec<u8>,
    /// Software of the client.
    pub lanman: Vec<u8>,
}

impl std::fmt::Debug for SessionSetup<'_> {
    /// Without what it proves itself with.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionSetup").field("os", &self.os).field("lanman", &self.lanman).finish_non_exhaustive()
    }
}

/// Reads a login.
pub fn session_setup<'a>(header: &Header, block: &Block<'a>) -> Result<SessionSetup<'a>, ReadError> {
    let mut w = block.words();
    w.skip("chain, limits and session key", 14)?;
    let mut s = SessionSetup::default();
    let first = usize::from(w.le16("password length")?);
    let part = |from: usize, len: usize| block.bytes.get(from..from + len).ok_or(ReadError::invalid("password length"));
    match block.words.len() / 2 {
        12 => {
            s.token = Some(block.bytes.get(..first).unwrap_or(block.bytes));
            let mut texts = block.texts(first, header.unicode);
            (s.os, s.lanman) = (texts.text(), texts.text());
        }
        words @ (10 | 13) => {
            let second = if words == 13 { usize::from(w.le16("password length")?) } else { 0 };
            s.passwords = [part(0, first)?, part(first, second)?];
            let mut texts = block.texts(first + second, header.unicode);
            (s.account, s.domain) = (texts.text(), texts.text());
            (s.os, s.lanman) = (texts.text(), texts.text());
        }
        _ => return Err(ReadError::invalid("word count")),
    }
    Ok(s)
}

/// The answer to a login.
#[derive(Debug, Clone, Default)]
pub struct SessionAnswer<'a> {
    /// Whether the user was let in as a guest.
    pub guest: bool,
    /// Token of GSS-API.
    pub token: &'a [u8],
    /// System of the server.
    pub os: Vec<u8>,
    /// Software of the server.
    pub lanman: Vec<u8>,
    /// Domain of the server.
    pub domain: Vec<u8>,
}

/// Reads the answer to a login; an error has nothing in it.
pub fn session_answer<'a>(header: &Header, block: &Block<'a>) -> Result<SessionAnswer<'a>, ReadError> {
    let mut a = SessionAnswer::default();
    if block.words.is_empty() {
        return Ok(a);
    }
    let mut w = block.words();
    w.skip("chain", 4)?;
    a.guest = w.le16("action")? & 1 != 0;
    let mut len = 0;
    if block.words.len() / 2 == 4 {
        len = usize::from(w.le16("token length")?);
        a.token = block.bytes.get(..len).unwrap_or(block.bytes);
    }
    let mut texts = block.texts(len, header.unicode);
    (a.os, a.lanman, a.domain) = (texts.text(), texts.text(), texts.text());
    Ok(a)
}

/// The share that is connected to (section 2.2.4.55.1), behind the password that old servers want for
/// the share.
pub fn tree_connect(header: &Header, block: &Block<'_>) -> Result<Vec<u8>, ReadError> {
    let mut w = block.words();
    w.skip("chain and flags", 6)?;
    let len = usize::from(w.le16("password length")?);
    Ok(block.texts(len, header.unicode).text())
}

/// The name of a file that is opened.
pub fn opened(header: &Header, block: &Block<'_>) -> Vec<u8> {
    block.texts(0, header.unicode).text()
}

/// What a transaction or a write carries: its data.
pub fn carried<'a>(message: &'a [u8], command: u8, block: &Block<'a>) -> Result<&'a [u8], ReadError> {
    let mut w = block.words();
    let (len, offset) = if command == command::WRITE {
        w.skip("chain to length", 20)?;
        (w.le16("data length")?, w.le16("data offset")?)
    } else {
        w.skip("counts to time-out", 22)?;
        (w.le16("data length")?, w.le16("data offset")?)
    };
    let rest = message.get(usize::from(offset)..).unwrap_or_default();
    Ok(rest.get(..usize::from(len)).unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_aligned_to_the_message() {
        let mut message = vec![0; HEADER];
        message.extend([0, 9, 0, 0xee]);
        message.extend(b"a\0b\0\0\0c\0");
        let block = Block::read(&message, HEADER).unwrap();
        assert_eq!(block.bytes.len(), 9);
        let mut texts = block.texts(0, true);
        assert_eq!((texts.text(), texts.text(), texts.text()), (b"ab".to_vec(), b"c".to_vec(), Vec::new()));
        assert_eq!(block.texts(1, true).unaligned(), b"ab");
        assert_eq!(block.texts(1, false).text(), b"a");
    }

    #[test]
    fn cut_blocks_are_errors() {
        let message = [&[0; HEADER][..], &[200, 1, 2]].concat();
        assert!(Block::read(&message, HEADER).is_err());
        assert!(Block::read(&message, 60_000).is_err());
    }
}
