//! Versions of QUIC: their names, and the public constants that protect their first packets.
//!
//! Initial packets are encrypted with keys that anybody who sees the packet can derive: a salt that the
//! version fixes, and the first destination connection identifier (RFC 9001, section 5.2). That keeps
//! middleboxes from meddling; it keeps no secret.

use std::borrow::Cow;

/// A version negotiation packet carries this in place of a version (RFC 8999, section 6).
pub const NEGOTIATION: u32 = 0;
/// RFC 9000.
pub const V1: u32 = 1;
/// RFC 9369.
pub const V2: u32 = 0x6b33_43cf;
/// Drafts of version 2.
const V2_DRAFTS: [u32; 2] = [0x709a_50c4, 0xff02_0000];
/// Google QUIC with the protection of QUIC around its own messages.
const Q050: u32 = u32::from_be_bytes(*b"Q050");
/// Google QUIC with TLS.
const T050: u32 = u32::from_be_bytes(*b"T050");
const T051: u32 = u32::from_be_bytes(*b"T051");
/// Test versions of picoquic.
const PICOQUIC: [u32; 2] = [u32::from_be_bytes(*b"PCQ0"), u32::from_be_bytes(*b"PCQ1")];

/// Which labels keys are derived with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// `quic key` and so on (RFC 9001, section 5.1).
    V1,
    /// `quicv2 key` and so on (RFC 9369, section 3.3.2).
    V2,
}

/// How the first packets of a version are protected.
#[derive(Debug, PartialEq, Eq)]
pub struct Scheme {
    /// Salt of the initial secret.
    pub salt: [u8; 20],
    /// Labels of the keys.
    pub labels: Labels,
    /// Key and nonce of the tag that ends a Retry packet (RFC 9001, section 5.8), where it has one that
    /// is known.
    pub retry: Option<([u8; 16], [u8; 12])>,
}

const RETRY_25: ([u8; 16], [u8; 12]) = (
    0x4d32_ecdb_2a21_33c8_41e4_043d_f27d_4430_u128.to_be_bytes(),
    [0x4d, 0x16, 0x11, 0xd0, 0x55, 0x13, 0xa5, 0x52, 0xc5, 0x87, 0xd5, 0x75],
);
const RETRY_29: ([u8; 16], [u8; 12]) = (
    0xccce_187e_d09a_09d0_5728_155a_6cb9_6be1_u128.to_be_bytes(),
    [0xe5, 0x49, 0x30, 0xf9, 0x7f, 0x21, 0x36, 0xf0, 0x53, 0x0a, 0x8c, 0x1c],
);
const RETRY_V1: ([u8; 16], [u8; 12]) = (
    0xbe0c_690b_9f66_575a_1d76_6b54_e368_c84e_u128.to_be_bytes(),
    [0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb],
);
const RETRY_V2: ([u8; 16], [u8; 12]) = (
    0x8fb4_b01b_56ac_48e2_60fb_cbce_ad7c_cc92_u128.to_be_bytes(),
    [0xd8, 0x69, 0x69, 0xbc, 0x2d, 0x7c, 0x6d, 0x99, 0x90, 0xef, 0xb0, 0x4a],
);

const fn scheme(salt: [u8; 20], retry: Option<([u8; 16], [u8; 12])>) -> Scheme {
    Scheme { salt, labels: Labels::V1, retry }
}

/// Drafts 17 to 20 of QUIC-TLS.
const DRAFT_17: Scheme = scheme(
    [
        0xef, 0x4f, 0xb0, 0xab, 0xb4, 0x74, 0x70, 0xc4, 0x1b, 0xef, 0xcf, 0x80, 0x31, 0x33, 0x4f, 0xae, 0x48, 0x5e,
        0x09, 0xa0,
    ],
    None,
);
/// Drafts 21 and 22.
const DRAFT_21: Scheme = scheme(
    [
        0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a, 0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd, 0x7a, 0x02,
        0x64, 0x4a,
    ],
    None,
);
const SALT_23: [u8; 20] = [
    0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5,
    0x02,
];
/// Drafts 23 and 24.
const DRAFT_23: Scheme = scheme(SALT_23, None);
/// Drafts 25 to 28.
const DRAFT_25: Scheme = scheme(SALT_23, Some(RETRY_25));
/// Drafts 29 to 32.
const DRAFT_29: Scheme = scheme(
    [
        0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90,
        0xa8, 0x99,
    ],
    Some(RETRY_29),
);
/// Version 1, and drafts 33 and 34.
pub const SCHEME_V1: Scheme = scheme(
    [
        0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb,
        0x7f, 0x0a,
    ],
    Some(RETRY_V1),
);
/// Version 2.
pub const SCHEME_V2: Scheme = Scheme {
    salt: [
        0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd,
        0x2e, 0xd9,
    ],
    labels: Labels::V2,
    retry: Some(RETRY_V2),
};
/// Drafts of version 2.
const SCHEME_V2_DRAFT: Scheme = Scheme {
    salt: [
        0xa7, 0x07, 0xc2, 0x03, 0xa5, 0x9b, 0x47, 0x18, 0x4a, 0x1d, 0x62, 0xca, 0x57, 0x04, 0x06, 0xea, 0x7a, 0xe3,
        0xe5, 0xd3,
    ],
    labels: Labels::V2,
    retry: None,
};
const SCHEME_Q050: Scheme = scheme(
    [
        0x50, 0x45, 0x74, 0xef, 0xd0, 0x66, 0xfe, 0x2f, 0x9d, 0x94, 0x5c, 0xfc, 0xdb, 0xd3, 0xa7, 0xf0, 0xd3, 0xb5,
        0x6b, 0x45,
    ],
    None,
);
const SCHEME_T050: Scheme = scheme(
    [
        0x7f, 0xf5, 0x79, 0xe5, 0xac, 0xd0, 0x72, 0x91, 0x55, 0x80, 0x30, 0x4c, 0x43, 0xa2, 0x36, 0x7c, 0x60, 0x48,
        0x83, 0x10,
    ],
    None,
);
const SCHEME_T051: Scheme = scheme(
    [
        0x7a, 0x4e, 0xde, 0xf4, 0xe7, 0xcc, 0xee, 0x5f, 0xa4, 0x50, 0x6c, 0x19, 0x12, 0x4f, 0xc8, 0xcc, 0xda, 0x6e,
        0x03, 0x3d,
    ],
    None,
);
const SCHEME_PICOQUIC: Scheme = scheme(
    [
        0x30, 0x67, 0x16, 0xd7, 0x63, 0x75, 0xd5, 0x55, 0x4b, 0x2f, 0x60, 0x5e, 0xef, 0x78, 0xd8, 0x33, 0x3d, 0xc1,
        0xca, 0x36,
    ],
    None,
);

/// Number of the IETF draft that a version is, where it is one.
const fn draft(version: u32) -> Option<u32> {
    if version >> 8 == 0x00ff_0000 { Some(version & 0xff) } else { None }
}

/// Whether it is one of Meta's (mvfst).
const fn is_mvfst(version: u32) -> bool {
    version >> 8 == 0x00fa_ceb0
}

/// Whether it is one that is reserved so that servers learn to negotiate (RFC 9000, section 15).
pub const fn is_reserved(version: u32) -> bool {
    version & 0x0f0f_0f0f == 0x0a0a_0a0a
}

/// The ways in which the first packets of a version may be protected, the likeliest first; which one it
/// is shows when one of them opens a packet. None where that is not public knowledge.
pub const fn schemes(version: u32) -> &'static [&'static Scheme] {
    /// A vendor's version follows the standard of its time, and vendors reuse numbers.
    const VENDOR: &[&Scheme] = &[&DRAFT_25, &SCHEME_V1, &DRAFT_29, &DRAFT_21];
    /// A reserved version has no keys of its own: clients take those of the version that they prefer.
    const RESERVED: &[&Scheme] = &[&SCHEME_V1, &DRAFT_29, &DRAFT_25, &SCHEME_V2];
    match version {
        V1 => &[&SCHEME_V1],
        V2 => &[&SCHEME_V2],
        Q050 => &[&SCHEME_Q050],
        T050 => &[&SCHEME_T050],
        T051 => &[&SCHEME_T051],
        v if v == V2_DRAFTS[0] || v == V2_DRAFTS[1] => &[&SCHEME_V2_DRAFT],
        v if v == PICOQUIC[0] || v == PICOQUIC[1] => &[&SCHEME_PICOQUIC, &SCHEME_V1],
        v if is_mvfst(v) => VENDOR,
        v if is_reserved(v) => RESERVED,
        v => match draft(v) {
            Some(17..=20) => &[&DRAFT_17],
            Some(21 | 22) => &[&DRAFT_21],
            Some(23 | 24) => &[&DRAFT_23],
            Some(25..=28) => &[&DRAFT_25],
            Some(29..=32) => &[&DRAFT_29],
            Some(33 | 34) => &[&SCHEME_V1],
            _ => &[],
        },
    }
}

/// Number of a version of Google QUIC (43 of `Q043`), with its own messages or with TLS.
pub const fn google(version: u32) -> Option<u32> {
    let [letter, a, b, c] = version.to_be_bytes();
    if matches!(letter, b'Q' | b'T') && a == b'0' && b.is_ascii_digit() && c.is_ascii_digit() {
        Some((b - b'0') as u32 * 10 + (c - b'0') as u32)
    } else {
        None
    }
}

/// Whether the handshake is Google's own, not TLS.
pub const fn has_google_messages(version: u32) -> bool {
    google(version).is_some() && version >> 24 == b'Q' as u32
}

/// Whether the frames inside the first packets are Google's.
pub const fn has_google_frames(version: u32) -> bool {
    google(version).is_some()
}

/// Whether the two lengths of connection identifiers share a byte, as up to draft 21 and in Google QUIC
/// up to Q046.
pub const fn has_short_lengths(version: u32) -> bool {
    match (google(version), draft(version)) {
        (Some(n), _) => n < 49,
        (None, Some(n)) => n < 22,
        _ => false,
    }
}

/// Whether packet types are numbered as in version 2 (RFC 9369, section 3.2).
pub const fn has_types_of_v2(version: u32) -> bool {
    version == V2 || version == V2_DRAFTS[0] || version == V2_DRAFTS[1]
}

/// Whether transport parameters have the form up to draft 26: lengths and numbers of two bytes.
pub const fn has_short_parameters(version: u32) -> bool {
    version == T050 || matches!(draft(version), Some(0..=26))
}

/// Whether a version is one that is in use, so that a header with it is no accident.
pub const fn is_known(version: u32) -> bool {
    version == V1
        || has_types_of_v2(version)
        || version == PICOQUIC[0]
        || version == PICOQUIC[1]
        || is_mvfst(version) && version & 0xff < 0x20
        || google(version).is_some()
        || matches!(draft(version), Some(5..=34))
}

/// The name that the `version` column carries: `v1`, `v2`, `draft-29`, `Q046`, `mvfst-faceb002`; `0x` and
/// eight hex digits where it is none of these.
pub fn name(version: u32) -> Cow<'static, str> {
    match version {
        V1 => "v1".into(),
        V2 => "v2".into(),
        v if has_types_of_v2(v) => "v2-draft".into(),
        v if google(v).is_some() || v == PICOQUIC[0] || v == PICOQUIC[1] => {
            v.to_be_bytes().map(char::from).iter().collect::<String>().into()
        }
        v if is_mvfst(v) => format!("mvfst-{v:08x}").into(),
        v if is_reserved(v) => format!("reserved-{v:08x}").into(),
        v => match draft(v) {
            Some(n) => format!("draft-{n}").into(),
            None => format!("0x{v:08x}").into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_the_names_that_people_know() {
        let named = |v| name(v).into_owned();
        assert_eq!([named(1), named(V2), named(0xff00_001d)], ["v1", "v2", "draft-29"]);
        assert_eq!([named(0x5130_3436), named(T051), named(0x5043_5130)], ["Q046", "T051", "PCQ0"]);
        assert_eq!([named(0xface_b002), named(0x1a2a_3a4a)], ["mvfst-faceb002", "reserved-1a2a3a4a"]);
        assert_eq!([named(0x709a_50c4), named(0xf7ab_00e5)], ["v2-draft", "0xf7ab00e5"]);
    }

    #[test]
    fn a_version_has_the_salt_of_its_time() {
        for (version, scheme) in [
            (0xff00_0011, &DRAFT_17),
            (0xff00_0016, &DRAFT_21),
            (0xff00_0017, &DRAFT_23),
            (0xff00_001c, &DRAFT_25),
            (0xff00_0020, &DRAFT_29),
            (0xff00_0022, &SCHEME_V1),
            (T050, &SCHEME_T050),
        ] {
            assert_eq!(schemes(version), [scheme], "{version:08x}");
        }
        assert_eq!(schemes(0xface_b00e).len(), 4);
        assert!(schemes(0xff00_0010).is_empty() && schemes(0xf7ab_00e5).is_empty());
        assert!(schemes(u32::from_be_bytes(*b"Q043")).is_empty(), "not encrypted");
    }

    #[test]
    fn what_is_in_use_is_known_and_noise_is_not() {
        for version in [1, V2, 0xff00_001d, 0xface_b002, u32::from_be_bytes(*b"Q024"), T051] {
            assert!(is_known(version), "{version:08x}");
        }
        for version in [0, 2, 0xff00_0023, 0xface_b0ff, 0x5130_3a30, 0x5131_3334, 0x1a2a_3a4a] {
            assert!(!is_known(version), "{version:08x}");
        }
        assert_eq!((google(u32::from_be_bytes(*b"Q043")), google(T051), google(1)), (Some(43), Some(51), None));
        assert!(has_short_lengths(0xff00_0015) && !has_short_lengths(0xff00_0016));
        assert!(has_google_messages(Q050) && !has_google_messages(T050) && has_google_frames(T050));
    }
}
