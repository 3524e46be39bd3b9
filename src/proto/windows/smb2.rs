//! Messages of SMB 2 and 3 (MS-SMB2, section 2.2).

use super::smb_event::Signing;
use super::smb1::utf16;
use crate::base::Reader;
use crate::base::bytes::ReadError;

/// Commands (section 2.2.1).
pub mod command {
    /// Dialects.
    pub const NEGOTIATE: u16 = 0;
    /// A login.
    pub const SESSION_SETUP: u16 = 1;
    /// A share.
    pub const TREE_CONNECT: u16 = 3;
    /// A file or pipe.
    pub const CREATE: u16 = 5;
    /// Writes.
    pub const WRITE: u16 = 9;
    /// A control: also a transaction in a pipe.
    pub const IOCTL: u16 = 11;
}

/// Bytes of the header.
pub const HEADER: usize = 64;

/// The header (section 2.2.1).
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// Status of an answer.
    pub status: u32,
    /// Command.
    pub command: u16,
    /// Whether it is an answer.
    pub reply: bool,
    /// Where the next message of a compound begins; zero in the last one.
    pub next: usize,
    /// Number of the message.
    pub message: u64,
    /// Number of the session.
    pub session: u64,
}

impl Header {
    /// Reads it. A command that is not known is one that tells nothing ([`Self::tells`]).
    pub fn read(message: &[u8]) -> Result<Self, ReadError> {
        let mut r = Reader::new(message);
        r.skip("protocol", 4)?;
        if r.le16("structure size")? != 64 {
            return Err(ReadError::invalid("structure size"));
        }
        r.skip("credit charge", 2)?;
        let status = r.le32("status")?;
        let command = r.le16("command")?;
        r.skip("credits", 2)?;
        let reply = r.le32("flags")? & 1 != 0;
        let next = r.le32("next command")? as usize;
        let message = r.le64("message")?;
        r.skip("process and tree", 8)?;
        let session = r.le64("session")?;
        Ok(Self { status, command, reply, next, message, session })
    }

    /// Whether more than the header of such a message is read.
    pub const fn tells(&self) -> bool {
        match self.command {
            command::NEGOTIATE | command::SESSION_SETUP | command::TREE_CONNECT | command::CREATE => true,
            command::WRITE | command::IOCTL => !self.reply,
            _ => false,
        }
    }
}

/// What an offset from the header and a length point at.
fn buffer(message: &[u8], offset: usize, len: usize) -> &[u8] {
    let rest = message.get(offset..).unwrap_or_default();
    rest.get(..len).unwrap_or(rest)
}

/// The name of a dialect.
pub const fn dialect_name(dialect: u16) -> &'static str {
    match dialect {
        0x0202 => "2.0.2",
        0x0210 => "2.1",
        0x0224 => "2.2.4",
        0x02ff => "2.x",
        0x0300 => "3.0",
        0x0302 => "3.0.2",
        0x0310 => "3.1",
        0x0311 => "3.1.1",
        _ => "unknown",
    }
}

/// Dialect and signing that the server chose (section 2.2.4).
pub fn negotiated(message: &[u8]) -> Result<(u16, Signing), ReadError> {
    let mut r = Reader::new(message);
    r.skip("header and size", HEADER + 2)?;
    let security = r.le16("security mode")?;
    let signing = match security & 3 {
        0 => Signing::Disabled,
        1 => Signing::Enabled,
        _ => Signing::Required,
    };
    Ok((r.le16("dialect")?, signing))
}

/// The token of a login (section 2.2.5).
pub fn session_token(message: &[u8]) -> Result<&[u8], ReadError> {
    let mut r = Reader::new(message);
    r.skip("header to channel", HEADER + 12)?;
    Ok(buffer(message, r.le16("token offset")?.into(), r.le16("token length")?.into()))
}

/// Flags and token of the answer (section 2.2.6).
pub fn session_answer(message: &[u8]) -> Result<(u16, &[u8]), ReadError> {
    let mut r = Reader::new(message);
    r.skip("header and size", HEADER + 2)?;
    let flags = r.le16("session flags")?;
    Ok((flags, buffer(message, r.le16("token offset")?.into(), r.le16("token length")?.into())))
}

/// The share that is connected to (section 2.2.9).
pub fn share(message: &[u8]) -> Result<Vec<u8>, ReadError> {
    let mut r = Reader::new(message);
    r.skip("header to flags", HEADER + 4)?;
    Ok(utf16(buffer(message, r.le16("path offset")?.into(), r.le16("path length")?.into())))
}

/// The kind of a share that was connected to (section 2.2.10).
pub fn share_type(message: &[u8]) -> &'static str {
    match message.get(HEADER + 2) {
        Some(1) => "disk",
        Some(2) => "pipe",
        Some(3) => "printer",
        _ => "",
    }
}

/// The name of a file that is opened (section 2.2.13).
pub fn file(message: &[u8]) -> Result<Vec<u8>, ReadError> {
    let mut r = Reader::new(message);
    r.skip("header to options", HEADER + 44)?;
    Ok(utf16(buffer(message, r.le16("name offset")?.into(), r.le16("name length")?.into())))
}

/// What a write or a control carries (sections 2.2.21 and 2.2.31).
pub fn carried(message: &[u8], command: u16) -> Result<&[u8], ReadError> {
    let mut r = Reader::new(message);
    let (offset, len) = if command == command::WRITE {
        r.skip("header and size", HEADER + 2)?;
        (u32::from(r.le16("data offset")?), r.le32("length")?)
    } else {
        r.skip("header to file", HEADER + 24)?;
        (r.le32("input offset")?, r.le32("input length")?)
    };
    Ok(buffer(message, offset as usize, len as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_and_what_its_offsets_point_at() {
        let mut message = b"\xfeSMB\x40\0\0\0".to_vec();
        message.resize(HEADER, 0);
        message[12] = 3;
        let head = Header::read(&message).unwrap();
        assert!(head.command == command::TREE_CONNECT && head.tells() && !head.reply);
        message[12] = 19;
        assert!(!Header::read(&message).unwrap().tells(), "a command that is not known");
        message[12] = 3;
        message.extend([9, 0, 0, 0, 72, 0, 4, 0, b'a', 0, b'b', 0]);
        assert_eq!(share(&message).unwrap(), b"ab");
        message[68] = 0xff;
        message[69] = 0xff;
        assert_eq!(share(&message).unwrap(), b"", "outside of the message");
        assert!(share(&message[..70]).is_err());
        message[4] = 63;
        assert!(Header::read(&message).is_err());
    }
}
