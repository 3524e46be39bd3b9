//! Transport parameters (RFC 9000, section 18): what a client says beside TLS in its hello.

use super::header::{length, varint};
use crate::base::{ReadError, Reader};
use crate::fingerprint::hello::ClientHello;

/// TLS extensions that carry them: RFC 9001, section 8.2, and that of the drafts.
const EXTENSIONS: [u16; 2] = [0x0039, 0xffa5];
/// Versions that the client has (RFC 9368, section 3), and the number that its drafts had.
const VERSION_INFORMATION: [u64; 2] = [0x11, 0x00ff_73db];
/// Google's: the software of the client, as text.
const USER_AGENT: u64 = 0x3129;

/// What is taken from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parameters<'a> {
    /// Software of the client.
    pub user_agent: Option<&'a [u8]>,
    /// Versions of four bytes each that the client can go on with; the first is the one in use.
    pub versions: &'a [u8],
}

impl<'a> Parameters<'a> {
    /// Those of a hello; `short` says that numbers and lengths have two bytes, as up to draft 26.
    pub fn of(hello: &ClientHello<'a>, short: bool) -> Self {
        let mut out = Self::default();
        for (_, content) in hello.extensions.iter().filter(|(ty, _)| EXTENSIONS.contains(ty)) {
            let mut r = Reader::new(content);
            if short {
                let _ = r.be16("parameters length");
            }
            while !r.is_empty() && out.take_one(&mut r, short).is_ok() {}
        }
        out
    }

    fn take_one(&mut self, r: &mut Reader<'a>, short: bool) -> Result<(), ReadError> {
        let (number, value) = if short {
            (u64::from(r.be16("parameter")?), r.vec16("parameter value")?.rest())
        } else {
            let number = varint(r, "parameter")?;
            let len = length(r, "parameter length")?;
            (number, r.take("parameter value", len)?)
        };
        match number {
            USER_AGENT => self.user_agent = Some(value).filter(|v| !v.is_empty()),
            n if VERSION_INFORMATION.contains(&n) => self.versions = value,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::hello::Dialect;

    fn hello(extension: u16, content: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
        body.extend((content.len() as u16 + 4).to_be_bytes());
        body.extend(extension.to_be_bytes());
        body.extend((content.len() as u16).to_be_bytes());
        body.extend(content);
        body
    }

    fn read(extension: u16, content: &[u8], short: bool) -> (Option<Vec<u8>>, Vec<u8>) {
        let body = hello(extension, content);
        let hello = ClientHello::parse(&body, Dialect::Tls).unwrap();
        let p = Parameters::of(&hello, short);
        (p.user_agent.map(<[u8]>::to_vec), p.versions.to_vec())
    }

    #[test]
    fn both_forms() {
        let list = [0, 0, 0, 1, 0x6b, 0x33, 0x43, 0xcf];
        let content = [&[0x01, 2, 0x40, 0x64][..], &[0x71, 0x29, 3, b'C', b'/', b'1'], &[0x11, 8], &list].concat();
        assert_eq!(read(0x39, &content, false), (Some(b"C/1".to_vec()), list.to_vec()));
        assert_eq!(read(0xffa5, &content, false).1, list);
        assert_eq!(read(0x10, &content, false), (None, vec![]), "another extension");
        let short = [&[0, 13, 0, 1, 0, 2, 7, 7][..], &[0x31, 0x29, 0, 3, b'C', b'/', b'1']].concat();
        assert_eq!(read(0xffa5, &short, true).0, Some(b"C/1".to_vec()));
    }

    #[test]
    fn forged_lengths_end_the_reading() {
        let content = [&[0x71, 0x29, 1, b'x'][..], &[0x11], &[0xff; 8], &[1]].concat();
        assert_eq!(read(0x39, &content, false), (Some(b"x".to_vec()), vec![]));
        assert_eq!(read(0x39, &[0x40], false), (None, vec![]));
    }
}
