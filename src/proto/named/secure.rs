//! Encrypted transports whose handshakes are not read here: DTLS.

use super::{Glance, Named, UDP, be16};

/// The list.
pub const LIST: &[Named] =
    &[Named { name: "dtls", title: "DTLS", transports: UDP, reference: "RFC 6347, section 4.1", test: dtls }];

/// Records that fill the datagram exactly.
fn dtls(g: &Glance<'_>) -> bool {
    const HEADER: usize = 13;
    let mut rest = g.payload;
    let mut records = 0;
    while let [kind, major, minor, ..] = rest {
        let version_known = matches!((major, minor), (0xfe, 0xff | 0xfd | 0xfc) | (0x01, 0x00));
        let Some(len) = be16(rest, 11).map(usize::from) else { return false };
        // With a connection identifier (type 25, RFC 9146) the length stands further behind.
        let whole = match *kind {
            20..=24 => HEADER + len,
            25 if records > 0 || version_known && rest.len() > HEADER + 8 => rest.len(),
            _ => return false,
        };
        if !version_known || len == 0 || whole > rest.len() {
            return false;
        }
        records += 1;
        rest = rest.get(whole..).unwrap_or_default();
    }
    records > 0 && rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::testing::named;

    #[test]
    fn dtls_records_fill_their_datagram() {
        let mut hello = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0];
        assert_eq!(named(&hello), Some("dtls"));
        hello.push(0);
        assert_eq!(named(&hello), None, "a byte too many");
        assert_eq!(named(&[22, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]), None, "TLS has no place in a datagram");
    }
}
