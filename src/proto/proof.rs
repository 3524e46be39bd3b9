//! Challenges and the answers to them: what a guess at the password is tested against.
//!
//! A parser only collects the parts as they were sent. Nothing is cracked: [`Proof::fits`] computes the
//! answer that one known password would have given, and compares.

mod crackable;
pub mod hash;
mod kerberos;
mod keys;
mod plain;
mod scram;
mod usm;
mod windows;

use std::fmt;

pub use crackable::Crackable;

/// Digest access authentication (RFC 7616, section 3.4), as in HTTP, SIP and RTSP. Texts as sent,
/// without their quotes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Digest<'e> {
    /// User name as it goes into the hash.
    pub username: &'e [u8],
    /// Realm.
    pub realm: &'e [u8],
    /// Method of the request (RFC 2617): `GET`, `REGISTER`, `DESCRIBE`. Empty for SASL (RFC 2831),
    /// which hashes `AUTHENTICATE`.
    pub method: &'e [u8],
    /// `uri`, or `digest-uri`.
    pub uri: &'e [u8],
    /// Nonce of the server.
    pub nonce: &'e [u8],
    /// Nonce of the client; empty where none was sent.
    pub cnonce: &'e [u8],
    /// Nonce count as sent, eight digits; empty where none was sent.
    pub nc: &'e [u8],
    /// Quality of protection; empty where none was sent (RFC 2069).
    pub qop: &'e [u8],
    /// Algorithm; empty means MD5.
    pub algorithm: &'e [u8],
    /// The answer, in hexadecimal.
    pub response: &'e [u8],
    /// Whether it is SASL's variant (RFC 2831), where the first hash stays binary and the nonces go in
    /// with it.
    pub sasl: bool,
}

/// NTLM (MS-NLMP, section 3.3): the challenge of the server and what the client made of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ntlm<'e> {
    /// User name, UTF-8.
    pub username: &'e [u8],
    /// Domain, UTF-8.
    pub domain: &'e [u8],
    /// Challenge of the server.
    pub challenge: [u8; 8],
    /// The LM answer, 24 bytes or empty.
    pub lm: &'e [u8],
    /// The NT answer: 24 bytes are NTLMv1, more are NTLMv2.
    pub nt: &'e [u8],
}

/// Kerberos material that is encrypted with a key made of a password (RFC 4120, RFC 4757).
#[derive(Debug, Clone, Copy, Default)]
pub struct Kerberos<'e> {
    /// User or service, as the message names it.
    pub principal: &'e [u8],
    /// Realm.
    pub realm: &'e [u8],
    /// Encryption type (IANA): 23 is RC4-HMAC, 17 and 18 are AES.
    pub etype: i32,
    /// What was encrypted.
    pub cipher: &'e [u8],
    /// Which message it was in.
    pub message: KerberosMessage,
}

/// Where encrypted Kerberos material was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KerberosMessage {
    /// The time stamp with which a client proves that it knows its password (PA-ENC-TIMESTAMP).
    #[default]
    AsReq,
    /// The part for the client of an AS-REP.
    AsRep,
    /// A service ticket in a TGS-REP.
    TgsRep,
}

/// A challenge and the answer to it.
#[derive(Clone, Copy)]
pub enum Proof<'e> {
    /// Digest access authentication.
    Digest(Digest<'e>),
    /// CRAM-MD5 (RFC 2195): the challenge as it was before Base64, the answer in hexadecimal.
    CramMd5 {
        /// What the server sent.
        challenge: &'e [u8],
        /// What the client made of it.
        response: &'e [u8],
    },
    /// APOP (RFC 1939, section 7): the time stamp with its brackets, the answer in hexadecimal.
    Apop {
        /// The time stamp of the greeting.
        challenge: &'e [u8],
        /// The answer.
        response: &'e [u8],
    },
    /// CHAP (RFC 1994, section 4.1), also in RADIUS (RFC 2865, section 5.3).
    Chap {
        /// Identifier.
        id: u8,
        /// Challenge.
        challenge: &'e [u8],
        /// The answer, 16 bytes.
        response: &'e [u8],
    },
    /// MS-CHAPv2 (RFC 2759): both challenges and the NT answer.
    MsChap2 {
        /// Challenge of the server, 16 bytes.
        challenge: &'e [u8],
        /// Challenge of the client, 16 bytes.
        peer_challenge: &'e [u8],
        /// User name without a domain.
        username: &'e [u8],
        /// The answer, 24 bytes.
        response: &'e [u8],
    },
    /// VNC authentication (RFC 6143, section 7.2.2): 16 bytes each.
    Vnc {
        /// Challenge.
        challenge: &'e [u8],
        /// The answer.
        response: &'e [u8],
    },
    /// WS-Security UsernameToken with a digest (OASIS Username Token Profile 1.1, section 3.1), as ONVIF
    /// cameras use it: `Base64(SHA-1(nonce + created + password))`.
    WsseDigest {
        /// The nonce, decoded from Base64; empty where none was sent.
        nonce: &'e [u8],
        /// The time stamp as sent; empty where none was sent.
        created: &'e [u8],
        /// The answer, decoded from Base64, 20 bytes.
        digest: &'e [u8],
    },
    /// NTLM.
    Ntlm(Ntlm<'e>),
    /// Kerberos.
    Kerberos(Kerberos<'e>),
    /// MySQL's `mysql_native_password`: 20 bytes each.
    MysqlNative {
        /// Scramble of the server.
        salt: &'e [u8],
        /// The answer.
        response: &'e [u8],
    },
    /// MySQL's `caching_sha2_password`: a scramble of 20 bytes, an answer of 32.
    MysqlSha2 {
        /// Scramble of the server.
        salt: &'e [u8],
        /// The answer.
        response: &'e [u8],
    },
    /// PostgreSQL's MD5: the answer as sent, `md5` and 32 digits.
    PostgresMd5 {
        /// User name.
        username: &'e [u8],
        /// Salt, 4 bytes.
        salt: &'e [u8],
        /// The answer.
        response: &'e [u8],
    },
    /// SCRAM (RFC 5802, RFC 7677).
    Scram {
        /// `SHA-1` or `SHA-256`.
        hash: &'e [u8],
        /// The client's first message without its header.
        client_first: &'e [u8],
        /// The server's first message.
        server_first: &'e [u8],
        /// The client's last message without its proof.
        client_final: &'e [u8],
        /// The proof, decoded.
        proof: &'e [u8],
    },
    /// SNMPv3's user-based security model (RFC 3414): the whole message and where its digest stands.
    SnmpUsm {
        /// Engine identifier.
        engine: &'e [u8],
        /// The message as sent.
        message: &'e [u8],
        /// The digest in it, as sent: 12 bytes for MD5 and SHA-1, more for SHA-2 (RFC 7860).
        digest: &'e [u8],
        /// Where the digest begins in the message.
        at: usize,
    },
    /// A long-term credential of STUN (RFC 8489, section 9.2): HMAC over the message, with the key
    /// MD5(`username:realm:password`).
    StunLongTerm {
        /// User name.
        username: &'e [u8],
        /// Realm.
        realm: &'e [u8],
        /// The message up to its integrity, with the length that was in it when that was computed.
        message: &'e [u8],
        /// The integrity, as sent: 20 bytes, or up to 32 for SHA-256.
        digest: &'e [u8],
        /// Whether the hash is SHA-256 instead of SHA-1.
        sha256: bool,
    },
    /// IAX2 (RFC 5456, section 8.6.15): MD5 over the challenge and the password.
    IaxMd5 {
        /// The challenge as sent.
        challenge: &'e [u8],
        /// The answer in hexadecimal.
        response: &'e [u8],
    },
}

/// How much an answer protects the password behind it from whoever recorded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// The password, or a key that is as good, comes out whatever was chosen: DES with 56 bits or
    /// eight characters.
    Broken,
    /// Guesses are tested offline with a fast hash: a weak password comes out.
    Guessable,
    /// Guesses are slowed down on purpose.
    Slow,
}

impl Proof<'_> {
    /// Whether this password gives the answer that was seen. `username` counts only where the
    /// exchange does not tell the name that went into the answer. `false` also where the material
    /// is incomplete or of an unknown kind, or where one guess would cost more than
    /// [`crate::base::limits::PROOF_GUESS_WORK_MAX`].
    pub fn fits(&self, username: &[u8], password: &[u8]) -> bool {
        if self.work().is_none() {
            return false;
        }
        match *self {
            Self::Digest(ref d) => plain::digest(d, username, password),
            Self::CramMd5 { challenge, response } => plain::cram_md5(challenge, response, password),
            Self::Apop { challenge, response } => plain::apop(challenge, response, password),
            Self::Chap { id, challenge, response } => plain::chap(id, challenge, response, password),
            Self::MsChap2 { challenge, peer_challenge, username: name, response } => {
                let name = if name.is_empty() { username } else { name };
                windows::ms_chap2(challenge, peer_challenge, name, response, password)
            }
            Self::Vnc { challenge, response } => windows::vnc(challenge, response, password),
            Self::Ntlm(ref n) => windows::ntlm(n, username, password),
            Self::Kerberos(ref k) => kerberos::fits(k, username, password),
            Self::MysqlNative { salt, response } => plain::mysql_native(salt, response, password),
            Self::MysqlSha2 { salt, response } => plain::mysql_sha2(salt, response, password),
            Self::PostgresMd5 { username: name, salt, response } => {
                let name = if name.is_empty() { username } else { name };
                plain::postgres_md5(name, salt, response, password)
            }
            Self::Scram { hash, client_first, server_first, client_final, proof } => {
                scram::fits(hash, [client_first, server_first, client_final], proof, password)
            }
            Self::SnmpUsm { engine, message, digest, at } => usm::fits(engine, message, digest, at, password),
            Self::WsseDigest { nonce, created, digest } => plain::wsse(nonce, created, digest, password),
            Self::StunLongTerm { username: name, realm, message, digest, sha256 } => {
                let name = if name.is_empty() { username } else { name };
                plain::stun_long_term([name, realm, password], message, digest, sha256)
            }
            // The same computation, with other names (RFC 5456, section 8.6.15).
            Self::IaxMd5 { challenge, response } => plain::apop(challenge, response, password),
        }
    }

    /// What testing one guess costs, in compressions of a hash function (a fraction of a
    /// microsecond each); `None` where it cannot be tested, or costs more than
    /// [`crate::base::limits::PROOF_GUESS_WORK_MAX`].
    pub fn work(&self) -> Option<u32> {
        let work = match self {
            Self::Digest(d) => {
                if !plain::digest_is_known(d) {
                    return None;
                }
                12
            }
            Self::Kerberos(k) => kerberos::work(k)?,
            Self::Scram { server_first, .. } => scram::work(server_first)?,
            Self::SnmpUsm { digest, .. } => usm::work(digest.len())?,
            _ => 12,
        };
        (work <= crate::base::limits::PROOF_GUESS_WORK_MAX).then_some(work)
    }

    /// How much the answer protects the password.
    pub fn strength(&self) -> Strength {
        match self {
            Self::Vnc { .. } | Self::MsChap2 { .. } => Strength::Broken,
            Self::Ntlm(n) if n.nt.len() <= 24 => Strength::Broken,
            Self::Scram { .. } => Strength::Slow,
            Self::Kerberos(k) if k.etype != kerberos::RC4_HMAC => Strength::Slow,
            _ => Strength::Guessable,
        }
    }

    /// The exchange as a line that a password cracker reads, where one has a format for it.
    /// `username` counts only where the exchange does not tell the name. It may be written only
    /// where secrets are revealed.
    pub fn crackable(&self, username: &[u8]) -> Option<Crackable> {
        crackable::of(self, username)
    }
}

impl fmt::Debug for Proof<'_> {
    /// The kind only: an answer can be cracked by whoever reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digest(_) => "Digest",
            Self::CramMd5 { .. } => "CramMd5",
            Self::Apop { .. } => "Apop",
            Self::Chap { .. } => "Chap",
            Self::MsChap2 { .. } => "MsChap2",
            Self::Vnc { .. } => "Vnc",
            Self::WsseDigest { .. } => "WsseDigest",
            Self::Ntlm(_) => "Ntlm",
            Self::Kerberos(_) => "Kerberos",
            Self::MysqlNative { .. } => "MysqlNative",
            Self::MysqlSha2 { .. } => "MysqlSha2",
            Self::PostgresMd5 { .. } => "PostgresMd5",
            Self::Scram { .. } => "Scram",
            Self::SnmpUsm { .. } => "SnmpUsm",
            Self::StunLongTerm { .. } => "StunLongTerm",
            Self::IaxMd5 { .. } => "IaxMd5",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_never_printed() {
        let digest = Proof::Digest(Digest {
            username: b"admin",
            response: b"6629fae49393a05397450978507c4ef1",
            ..Digest::default()
        });
        assert_eq!(format!("{digest:?}"), "Digest");
    }
}
