//! Hellos of SSL 2 (the SSL 2.0 draft specification, section 1.4; RFC 5246, appendix E.2). Clients
//! that could do TLS as well sent their first hello in this form until about 2011.
//!
//! ```text
//! CLIENT-HELLO: length|0x8000(2) 1 version(2) |ciphers|(2) |session|(2) |challenge|(2) ciphers session challenge
//! SERVER-HELLO: length|0x8000(2) 4 hit(1) type(1) version(2) |cert|(2) |ciphers|(2) |id|(2) cert ciphers id
//! ```

use crate::base::{ReadError, Reader};

/// Bytes of the record header.
pub const HEADER_BYTES: usize = 2;

/// A hello of SSL 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hello<'a> {
    /// From the client.
    Client {
        /// Highest version that it offers: `0x0002`, or that of a TLS that it can do.
        version: u16,
        /// Cipher kinds.
        ciphers: Ciphers<'a>,
        /// Session to go on with.
        session_id: &'a [u8],
    },
    /// From the server.
    Server {
        /// Whether the session goes on.
        session_hit: bool,
        /// Its version.
        version: u16,
        /// The certificate, in DER.
        certificate: &'a [u8],
        /// Cipher kinds that it shares with the client.
        ciphers: Ciphers<'a>,
    },
}

/// A list of cipher kinds of three bytes each; those of TLS have a zero in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ciphers<'a>(&'a [u8]);

impl Ciphers<'_> {
    /// The numbers in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.as_chunks::<3>().0.iter().map(|[a, b, c]| u32::from_be_bytes([0, *a, *b, *c]))
    }
}

/// Reads a hello with its record header. An error that is not `is_short` says that the bytes are
/// something else. The lengths have to add up exactly, which random bytes do not.
pub fn parse(bytes: &[u8]) -> Result<(Hello<'_>, usize), ReadError> {
    let mut r = Reader::new(bytes);
    let length = r.be16("record length")?;
    if length & 0x8000 == 0 {
        return Err(ReadError::invalid("record length"));
    }
    let length = usize::from(length & 0x7fff);
    let hello = match r.u8("message type")? {
        1 => client(&mut r, length)?,
        4 => server(&mut r, length)?,
        _ => return Err(ReadError::invalid("message type")),
    };
    Ok((hello, r.position()))
}

fn client<'a>(r: &mut Reader<'a>, length: usize) -> Result<Hello<'a>, ReadError> {
    let version = r.be16("client version")?;
    if !matches!(version, 0x0002 | 0x0300..=0x0304) {
        return Err(ReadError::invalid("client version"));
    }
    let ciphers = usize::from(r.be16("cipher length")?);
    let session = usize::from(r.be16("session id length")?);
    let challenge = usize::from(r.be16("challenge length")?);
    let fits = 9 + ciphers + session + challenge == length;
    if !fits || ciphers == 0 || ciphers % 3 != 0 || !matches!(session, 0 | 16) || !(16..=32).contains(&challenge) {
        return Err(ReadError::invalid("lengths"));
    }
    let ciphers = Ciphers(r.take("ciphers", ciphers)?);
    let session_id = r.take("session id", session)?;
    r.skip("challenge", challenge)?;
    Ok(Hello::Client { version, ciphers, session_id })
}

fn server<'a>(r: &mut Reader<'a>, length: usize) -> Result<Hello<'a>, ReadError> {
    let hit = r.u8("session hit")?;
    let certificate_type = r.u8("certificate type")?;
    let version = r.be16("server version")?;
    if hit > 1 || certificate_type > 1 || version != 0x0002 {
        return Err(ReadError::invalid("server hello"));
    }
    let certificate = usize::from(r.be16("certificate length")?);
    let ciphers = usize::from(r.be16("cipher length")?);
    let id = usize::from(r.be16("connection id length")?);
    if 11 + certificate + ciphers + id != length || ciphers % 3 != 0 || !(16..=32).contains(&id) {
        return Err(ReadError::invalid("lengths"));
    }
    let certificate = r.take("certificate", certificate)?;
    let ciphers = Ciphers(r.take("ciphers", ciphers)?);
    r.skip("connection id", id)?;
    Ok(Hello::Server { session_hit: hit == 1, version, certificate, ciphers })
}

/// Name of a cipher kind, as the draft specification spells it.
pub const fn cipher_name(kind: u32) -> Option<&'static str> {
    Some(match kind {
        0x01_0080 => "SSL_CK_RC4_128_WITH_MD5",
        0x02_0080 => "SSL_CK_RC4_128_EXPORT40_WITH_MD5",
        0x03_0080 => "SSL_CK_RC2_128_CBC_WITH_MD5",
        0x04_0080 => "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5",
        0x05_0080 => "SSL_CK_IDEA_128_CBC_WITH_MD5",
        0x06_0040 => "SSL_CK_DES_64_CBC_WITH_MD5",
        0x07_00c0 => "SSL_CK_DES_192_EDE3_CBC_WITH_MD5",
        _ => return None,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A client hello that offers one kind of SSL 2 and one suite of TLS.
    pub(crate) fn client_bytes(version: u16) -> Vec<u8> {
        let mut out = vec![0x80, 31, 1];
        out.extend(version.to_be_bytes());
        out.extend([0, 6, 0, 0, 0, 16, 1, 0, 0x80, 0, 0, 4]);
        out.extend([9; 16]);
        out
    }

    /// A server hello with a certificate of three bytes.
    pub(crate) fn server_bytes() -> Vec<u8> {
        let mut out = vec![0x80, 33, 4, 0, 1, 0, 2, 0, 3, 0, 3, 0, 16, 0x30, 1, 5, 1, 0, 0x80];
        out.extend([8; 16]);
        out
    }

    #[test]
    fn both_hellos_are_read() {
        let bytes = client_bytes(0x0301);
        let (Hello::Client { version, ciphers, session_id }, 33) = parse(&bytes).unwrap() else { panic!("client") };
        assert_eq!((version, session_id), (0x0301, &[][..]));
        assert_eq!(ciphers.iter().collect::<Vec<_>>(), [0x01_0080, 4]);
        let bytes = server_bytes();
        let (Hello::Server { session_hit: false, version: 2, certificate, ciphers }, 35) = parse(&bytes).unwrap()
        else {
            panic!("server")
        };
        assert_eq!(certificate, [0x30, 1, 5]);
        assert_eq!(ciphers.iter().filter_map(cipher_name).collect::<Vec<_>>(), ["SSL_CK_RC4_128_WITH_MD5"]);
    }

    #[test]
    fn short_is_told_from_wrong_at_every_byte() {
        for whole in [client_bytes(2), server_bytes()] {
            for end in 0..whole.len() {
                assert!(parse(&whole[..end]).unwrap_err().is_short(), "cut at {end}");
            }
            let mut wrong = whole.clone();
            wrong[1] += 1;
            assert!(!parse(&wrong).unwrap_err().is_short(), "lengths that do not add up");
        }
        assert!(!parse(b"GET / HTTP/1.1").unwrap_err().is_short());
    }
}
