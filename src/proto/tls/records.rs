//! Record headers, and how TLS is told from other protocols by them.

use super::messages::{self, kind};
use crate::base::{ReadError, Reader};
use crate::fingerprint::sslv2;
use crate::proto::api::Probe;

/// Record types (IANA TLS ContentType registry).
pub mod content {
    /// Change of ciphers.
    pub const CHANGE_CIPHER_SPEC: u8 = 20;
    /// Alert.
    pub const ALERT: u8 = 21;
    /// Handshake.
    pub const HANDSHAKE: u8 = 22;
    /// Application data; in TLS 1.3 all that is encrypted.
    pub const DATA: u8 = 23;
    /// Heartbeat (RFC 6520).
    pub const HEARTBEAT: u8 = 24;
}

/// Bytes of a record header.
pub const HEADER: usize = 5;
/// Longest payload of a record: 2^14 bytes, and 2048 that compression and encryption may add
/// (RFC 5246, section 6.2.3).
const RECORD_MAX: usize = (1 << 14) + 2048;
/// Longest handshake message that is believed; with a longer one the record is encrypted.
pub const MESSAGE_MAX: usize = 1 << 18;

/// The header of a record.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// Type of the content.
    pub ty: u8,
    /// Bytes of the payload.
    pub len: usize,
}

impl Header {
    /// Reads a header; the error says whether more bytes would help or it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut r = Reader::new(bytes);
        let ty = r.u8("record type")?;
        if !(content::CHANGE_CIPHER_SPEC..=content::HEARTBEAT).contains(&ty) {
            return Err(ReadError::invalid("record type"));
        }
        let major = r.u8("record version")?;
        if major != 3 {
            return Err(ReadError::invalid("record version"));
        }
        // The drafts of TLS 1.3 sent 3.1 to 3.3 as well: nobody sends more than 3.4.
        if r.u8("record version")? > 4 {
            return Err(ReadError::invalid("record version"));
        }
        let len = usize::from(r.be16("record length")?);
        let fits = match ty {
            // Longer than one byte where it is encrypted itself: in a renegotiation.
            content::CHANGE_CIPHER_SPEC => (1..=256).contains(&len),
            content::ALERT => (2..=512).contains(&len),
            content::HANDSHAKE | content::HEARTBEAT => (1..=RECORD_MAX).contains(&len),
            _ => len <= RECORD_MAX,
        };
        if fits { Ok(Self { ty, len }) } else { Err(ReadError::invalid("record length")) }
    }
}

/// Whether a handshake record behind a change of ciphers begins with a hello in clear: the second
/// ClientHello of TLS 1.3, or the answer to it.
pub fn is_clear_hello(payload: &[u8]) -> bool {
    matches!(payload, [kind::CLIENT_HELLO | kind::SERVER_HELLO, 0, _, _, 3, 0..=4])
}

/// Whether the front of a direction is TLS, or a hello of SSL 2.
pub fn probe(payload: &[u8]) -> Probe {
    match payload.first() {
        None => Probe::NeedMore,
        Some(b) if b & 0x80 != 0 => match sslv2::parse(payload) {
            Ok(_) => Probe::Yes,
            Err(e) if e.is_short() => Probe::NeedMore,
            Err(_) => Probe::No,
        },
        Some(_) => probe_record(payload),
    }
}

/// Whether the front of a direction is a record of TLS.
fn probe_record(payload: &[u8]) -> Probe {
    let header = match Header::read(payload) {
        Ok(header) => header,
        Err(e) if e.is_short() => return Probe::NeedMore,
        Err(_) => return Probe::No,
    };
    let mut r = Reader::new(payload.get(HEADER..).unwrap_or_default());
    let sound = match header.ty {
        content::CHANGE_CIPHER_SPEC => r.u8("content").map(|b| header.len == 1 && b == 1),
        content::ALERT if header.len == 2 => r.be16("alert").map(|a| matches!(a >> 8, 1 | 2)),
        content::HANDSHAKE => probe_handshake(&mut r, header.len),
        content::HEARTBEAT => Ok(false),
        _ => Ok(header.len > 0),
    };
    match sound {
        Ok(false) => Probe::No,
        Err(_) => Probe::NeedMore,
        // What cannot be looked into has to be followed by another record, if by anything.
        Ok(true) if matches!(header.ty, content::DATA | content::ALERT) => {
            match Header::read(payload.get(HEADER + header.len..).unwrap_or_default()) {
                Err(e) if !e.is_short() => Probe::No,
                _ => Probe::Yes,
            }
        }
        Ok(true) => Probe::Yes,
    }
}

fn probe_handshake(r: &mut Reader<'_>, record: usize) -> Result<bool, ReadError> {
    let ty = r.u8("message type")?;
    if !messages::is_known(ty) {
        return Ok(false);
    }
    if record < 6 {
        // A message cut into very small records: another one has to follow.
        return match ty {
            kind::CLIENT_HELLO | kind::SERVER_HELLO => {
                r.skip("record", record.saturating_sub(1))?;
                match Header::read(r.peek_rest()) {
                    Ok(next) => Ok(next.ty == content::HANDSHAKE),
                    Err(e) if e.is_short() => Err(e),
                    Err(_) => Ok(false),
                }
            }
            kind::SERVER_HELLO_DONE | 0 => Ok(r.be24("message length")? == 0),
            _ => Ok(false),
        };
    }
    let len = usize::try_from(r.be24("message length")?).unwrap_or(MESSAGE_MAX);
    if len > MESSAGE_MAX {
        return Ok(false);
    }
    Ok(match ty {
        kind::CLIENT_HELLO | kind::SERVER_HELLO => {
            let version = r.be16("version")?;
            // Shortest possible: version, random, empty lists.
            len >= 38 && matches!(version, 0x0300..=0x0304 | 0x7f00..=0x7fff | 0xfb00..=0xfbff)
        }
        // In the middle of a handshake a message may go on in the next record, if it is a long one.
        kind::CERTIFICATE => len >= 3,
        _ => len > 0 && len + 4 <= record,
    })
}
