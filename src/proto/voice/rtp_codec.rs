//! Payload types of RTP that have a fixed meaning (RFC 3551, section 6).

/// The codec of a static payload type, as `a=rtpmap` would name it.
pub const fn static_name(payload_type: u8) -> Option<&'static str> {
    Some(match payload_type {
        0 => "PCMU/8000",
        3 => "GSM/8000",
        4 => "G723/8000",
        5 => "DVI4/8000",
        6 => "DVI4/16000",
        7 => "LPC/8000",
        8 => "PCMA/8000",
        9 => "G722/8000",
        10 => "L16/44100/2",
        11 => "L16/44100",
        12 => "QCELP/8000",
        13 => "CN/8000",
        14 => "MPA/90000",
        15 => "G728/8000",
        16 => "DVI4/11025",
        17 => "DVI4/22050",
        18 => "G729/8000",
        25 => "CelB/90000",
        26 => "JPEG/90000",
        28 => "nv/90000",
        31 => "H261/90000",
        32 => "MPV/90000",
        33 => "MP2T/90000",
        34 => "H263/90000",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::static_name;

    #[test]
    fn numbers_of_the_standard() {
        assert_eq!(static_name(8), Some("PCMA/8000"));
        assert_eq!(static_name(34), Some("H263/90000"));
        // Reserved, unassigned, and dynamic ones.
        for number in [1, 2, 19, 23, 24, 35, 72, 96, 127, 255] {
            assert_eq!(static_name(number), None, "{number}");
        }
    }
}
