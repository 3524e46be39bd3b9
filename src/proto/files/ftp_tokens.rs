//! The exchange of tokens that FTP's AUTH may ask for (RFC 2228); those of GridFTP are TLS.

use crate::base::limits;
use crate::proto::api::{Cx, Direction, Wrapped};
use crate::proto::text;

/// Reads the tokens of one connection.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// A mechanism that exchanges tokens was agreed on.
    pub(super) agreed: bool,
    /// There was TLS in them.
    pub(super) tls: bool,
    /// TLS that was found.
    pub(super) found: Vec<Wrapped>,
}

impl Tokens {
    /// Reads a line with a token, `ADAT ...` or `335 ADAT=...` (RFC 2228, section 3), and takes the TLS out of it.
    /// Such a line is longer than others: `None` where this is none, or none is expected, else how much of the input it takes, or that
    /// its end is still to come.
    pub(super) fn line(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8]) -> Option<Option<usize>> {
        if !self.agreed {
            return None;
        }
        let token = match bytes {
            [b'A' | b'a', b'D' | b'd', b'A' | b'a', b'T' | b't', b' ', token @ ..] => token,
            [b'2' | b'3', b'3', b'0'..=b'9', b' ', b'A', b'D', b'A', b'T', b'=', token @ ..] => token,
            _ => return None,
        };
        let window = token.get(..limits::FTP_TOKEN_LINE_BYTES_MAX).unwrap_or(token);
        let Some(end) = memchr::memchr(b'\n', window) else {
            if window.len() < token.len() {
                cx.limit_hit();
                return None;
            }
            return Some(None);
        };
        let encoded = window.get(..end).unwrap_or_default();
        if let Some(bytes) = text::base64_of_any_length(encoded).filter(|b| matches!(b.as_slice(), [20..=23, 3, ..])) {
            self.tls = true;
            self.found.push(Wrapped { session: 0, dir, bytes, datagram: false });
        }
        Some(Some(bytes.len() - token.len() + end + 1))
    }
}

/// Whether a mechanism of AUTH is TLS (RFC 4217, section 3; SSL is what clients before it say).
pub(super) fn is_tls(mechanism: &[u8]) -> bool {
    [&b"TLS"[..], b"TLS-C", b"TLS-P", b"SSL"].iter().any(|name| mechanism.trim_ascii().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mechanisms_of_tls() {
        for (mechanism, tls) in
            [("TLS", true), ("ssl ", true), ("TLS-P", true), ("GSSAPI", false), ("KERBEROS_V4", false)]
        {
            assert_eq!(is_tls(mechanism.as_bytes()), tls, "{mechanism}");
        }
    }
}
