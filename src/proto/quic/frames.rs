//! Frames of Initial packets (RFC 9000, sections 12.4 and 19), and the names of errors.

use std::borrow::Cow;

use super::header::{length, varint};
use crate::base::Reader;

/// What of a frame is of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A piece of the handshake.
    Crypto {
        /// Where in the stream of messages it stands.
        offset: u64,
        /// The piece.
        bytes: &'a [u8],
    },
    /// The end of the connection.
    Close {
        /// Error code.
        code: u64,
        /// Whether the application closes, not the transport.
        by_application: bool,
        /// Text for a human; mostly empty.
        reason: &'a [u8],
    },
    /// Acknowledgement or ping.
    Other,
}

/// The next frame of an Initial packet; padding is passed over. `None` at the end, and before what has
/// no place in such a packet.
pub fn next<'a>(r: &mut Reader<'a>) -> Option<Frame<'a>> {
    let padding = r.peek_rest().iter().position(|b| *b != 0)?;
    r.skip("padding", padding).ok()?;
    match varint(r, "frame type").ok()? {
        0x01 => Some(Frame::Other),
        ty @ (0x02 | 0x03) => {
            varint(r, "largest acknowledged").ok()?;
            varint(r, "delay").ok()?;
            // Each range takes at least two bytes, so that the packet ends before a forged count does.
            let ranges = varint(r, "ranges").ok()?;
            varint(r, "first range").ok()?;
            for _ in 0..ranges {
                varint(r, "gap").ok()?;
                varint(r, "range").ok()?;
            }
            if ty == 0x03 {
                for _ in 0..3 {
                    varint(r, "ECN count").ok()?;
                }
            }
            Some(Frame::Other)
        }
        0x06 => {
            let offset = varint(r, "offset").ok()?;
            let len = length(r, "length").ok()?;
            Some(Frame::Crypto { offset, bytes: r.take("CRYPTO", len).ok()? })
        }
        ty @ (0x1c | 0x1d) => {
            let code = varint(r, "error").ok()?;
            if ty == 0x1c {
                varint(r, "frame type").ok()?;
            }
            let len = length(r, "reason length").ok()?;
            Some(Frame::Close { code, by_application: ty == 0x1d, reason: r.take("reason", len).ok()? })
        }
        _ => None,
    }
}

/// Name of a transport error (RFC 9000, section 20.1; RFC 9368, section 4), as the `close_error` column
/// has it: that of the registry in lower case; for TLS alerts the alert's.
pub fn error_name(code: u64) -> Cow<'static, str> {
    const NAMES: [&str; 18] = [
        "no_error",
        "internal_error",
        "connection_refused",
        "flow_control_error",
        "stream_limit_error",
        "stream_state_error",
        "final_size_error",
        "frame_encoding_error",
        "transport_parameter_error",
        "connection_id_limit_error",
        "protocol_violation",
        "invalid_token",
        "application_error",
        "crypto_buffer_exceeded",
        "key_update_error",
        "aead_limit_reached",
        "no_viable_path",
        "version_negotiation_error",
    ];
    if let Some(name) = usize::try_from(code).ok().and_then(|n| NAMES.get(n)) {
        return (*name).into();
    }
    match u8::try_from(code.wrapping_sub(0x100)) {
        Ok(alert) => alert_name(alert).map_or_else(|| format!("tls_alert_{alert}").into(), Into::into),
        Err(_) => format!("0x{code:x}").into(),
    }
}

/// Name of a TLS alert (IANA TLS Alerts registry).
const fn alert_name(alert: u8) -> Option<&'static str> {
    Some(match alert {
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        109 => "missing_extension",
        110 => "unsupported_extension",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "ech_required",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> (Vec<Frame<'_>>, usize) {
        let mut r = Reader::new(bytes);
        let mut out = Vec::new();
        while let Some(frame) = next(&mut r) {
            out.push(frame);
        }
        (out, r.remaining())
    }

    #[test]
    fn frames_of_a_busy_packet() {
        let bytes = [
            &[0, 0, 1, 0][..],
            &[0x02, 9, 0, 2, 1, 0, 1, 2, 2],
            &[0x03, 9, 0, 0, 1, 7, 7, 7],
            &[0x06, 0x40, 0x10, 3, b'a', b'b', b'c', 0, 0, 0],
            &[0x1c, 0x41, 0x28, 0x06, 4, b'w', b'h', b'y', b'?'],
        ]
        .concat();
        let close = Frame::Close { code: 0x128, by_application: false, reason: b"why?" };
        let crypto = Frame::Crypto { offset: 16, bytes: b"abc" };
        assert_eq!(all(&bytes), (vec![Frame::Other, Frame::Other, Frame::Other, crypto, close], 0));
        assert_eq!(all(&[0; 1000]).0, []);
    }

    #[test]
    fn forged_lengths_end_the_reading() {
        let huge = [0xff; 8];
        for bytes in [
            [&[0x02, 9, 0][..], &huge, &[0, 1, 1]].concat(),
            [&[0x06, 0][..], &huge, b"abc"].concat(),
            [&[0x1c, 0, 0][..], &huge, b"abc"].concat(),
            vec![0x08, 1, 2, 3],
        ] {
            assert_eq!(all(&bytes).0, [], "{bytes:?}");
        }
    }

    #[test]
    fn errors_have_the_names_of_their_registries() {
        assert_eq!(
            [error_name(0), error_name(0x0b), error_name(0x11)],
            ["no_error", "invalid_token", "version_negotiation_error"]
        );
        assert_eq!(
            [error_name(0x128), error_name(0x178), error_name(0x1fe)],
            ["handshake_failure", "no_application_protocol", "tls_alert_254"]
        );
        assert_eq!(
            [error_name(0x12), error_name(0x200), error_name(u64::MAX)],
            ["0x12", "0x200", "0xffffffffffffffff"]
        );
    }
}
