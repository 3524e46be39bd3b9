//! HASSH and HASSHServer (salesforce/hassh, BSD-3-Clause): MD5 of the algorithm lists of an SSH
//! KEXINIT (RFC 4253, section 7.1), as sent, with semicolons between them.

use super::md5_hex;

/// The MD5 of key exchange, cipher, MAC and compression lists of one direction: those from client
/// to server for HASSH, from server to client for HASSHServer.
pub fn hassh(kex: &[u8], cipher: &[u8], mac: &[u8], compression: &[u8]) -> String {
    md5_hex(&[kex, cipher, mac, compression].join(&b';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_joined_as_they_stand() {
        assert_eq!(hassh(b"", b"", b"", b""), md5_hex(b";;;"));
        assert_eq!(hassh(b"a,b", b"c", b"d", b"none"), md5_hex(b"a,b;c;d;none"));
    }
}
