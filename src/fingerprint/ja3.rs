//! JA3 and JA3S (salesforce/ja3): MD5 of five, for the server three, fields of a hello in decimal.
//!
//! ```text
//! JA3:  version,ciphers,extensions,groups,point formats     JA3S: version,cipher,extensions
//! ```
//! Lists are dashed, in the order in which they were sent, without the values of RFC 8701. The
//! version is that of the hello, whatever an extension says. A hello in the form of SSL 2 has no
//! JA3: the authors' program looks at TLS records only.

use super::hello::{ClientHello, ServerHello};
use super::{dashed, is_grease, md5_hex};

/// The text that JA3 is the MD5 of.
pub fn ja3_raw(hello: &ClientHello<'_>) -> String {
    let mut out = String::with_capacity(256);
    dashed(&mut out, std::iter::once(hello.version));
    out.push(',');
    dashed(&mut out, hello.ciphers.without_grease());
    out.push(',');
    dashed(&mut out, hello.extensions.types().filter(|n| !is_grease(*n)));
    out.push(',');
    dashed(&mut out, hello.groups.without_grease());
    out.push(',');
    dashed(&mut out, hello.point_formats.iter().map(|n| u16::from(*n)));
    out
}

/// The text that JA3S is the MD5 of.
pub fn ja3s_raw(hello: &ServerHello<'_>) -> String {
    let mut out = String::with_capacity(48);
    dashed(&mut out, std::iter::once(hello.version));
    out.push(',');
    dashed(&mut out, std::iter::once(hello.cipher));
    out.push(',');
    dashed(&mut out, hello.extensions.types().filter(|n| !is_grease(*n)));
    out
}

/// The fingerprint of a text of [`ja3_raw`] or [`ja3s_raw`].
pub fn digest(raw: &str) -> String {
    md5_hex(raw.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::hello::{Dialect, tests::client_hello};
    use super::*;

    #[test]
    fn the_examples_of_the_authors() {
        // README of salesforce/ja3.
        let full = "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0";
        assert_eq!(digest(full), "ada70206e40642a3e4461f35503241d5");
        assert_eq!(digest("769,4-5-10-9-100-98-3-6-19-18-99,,,"), "de350869b8c85de67a350c8d186f11e6");
        let ciphers = [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4];
        let body = client_hello(
            769,
            &ciphers,
            &[(0, b"\x00\x06\x00\x00\x03a.b"), (10, &[0, 6, 0, 23, 0, 24, 0, 25]), (11, &[1, 0])],
        );
        assert_eq!(ja3_raw(&ClientHello::parse(&body, Dialect::Tls).unwrap()), full);
    }

    #[test]
    fn grease_is_left_out_of_all_lists_and_empty_lists_stay_empty() {
        let body = client_hello(
            0x0303,
            &[0x0a0a, 0x1301, 0xfafa],
            &[(0x1a1a, b""), (10, &[0, 4, 0x2a, 0x2a, 0, 29]), (0x3a3a, &[0])],
        );
        assert_eq!(ja3_raw(&ClientHello::parse(&body, Dialect::Tls).unwrap()), "771,4865,10,29,");
        let bare = client_hello(0x0300, &[5], &[]);
        assert_eq!(ja3_raw(&ClientHello::parse(&bare, Dialect::Tls).unwrap()), "768,5,,,");
    }

    #[test]
    fn the_server_side_has_three_fields() {
        let mut body = vec![3, 3];
        body.extend([1; 32]);
        body.extend([0, 0xc0, 0x2f, 0, 0, 10, 0xff, 1, 0, 1, 0, 0, 11, 0, 1, 0]);
        let raw = ja3s_raw(&ServerHello::parse(&body).unwrap());
        assert_eq!(raw, "771,49199,65281-11");
        // A pair as another implementation gives it for a recorded handshake.
        assert_eq!(digest("771,49195,65281-0-11-35-5-16-23"), "d52e85b996ca133fa608c8b9b9d2fe92");
    }
}
