//! NetBIOS names (RFC 1001, section 14; RFC 1002, section 4.1).

/// A name of fifteen letters and a suffix that says what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    raw: [u8; 16],
}

impl Name {
    /// From its sixteen bytes.
    pub const fn new(raw: [u8; 16]) -> Self {
        Self { raw }
    }

    /// The name without its padding.
    pub fn text(&self) -> &[u8] {
        let name = self.raw.get(..15).unwrap_or_default();
        let end = name.iter().rposition(|c| !matches!(c, b' ' | 0)).map_or(0, |at| at + 1);
        name.get(..end).unwrap_or_default()
    }

    /// The suffix.
    pub const fn suffix(&self) -> u8 {
        self.raw[15]
    }

    /// Whether it is a name that a person could read, and not one that stands for everybody.
    pub fn is_plain(&self) -> bool {
        !self.text().is_empty() && self.text().iter().all(|c| *c >= 0x20) && self.text() != b"*"
    }

    /// What the suffix says of the name (MS-BRWS; the list of NetBIOS suffixes of Windows).
    pub const fn role(&self, group: bool) -> &'static str {
        match (self.suffix(), group) {
            (0x00, false) => "workstation",
            (0x00, true) => "workgroup",
            (0x01, _) => "browser",
            (0x03, _) => "messenger",
            (0x06, _) => "remote-access",
            (0x1b, _) => "domain-master-browser",
            (0x1c, _) => "domain-controllers",
            (0x1d, _) => "master-browser",
            (0x1e, _) => "browser-election",
            (0x1f, _) => "netdde",
            (0x20, _) => "file-server",
            (0x21, _) => "remote-access-client",
            _ => "other",
        }
    }
}

/// The first-level encoding of a name: its length, two letters for each byte, and the scope. Says the
/// name and how many bytes it takes, scope included.
pub fn decode(bytes: &[u8]) -> Option<(Name, usize)> {
    let (letters, scope) = bytes.strip_prefix(&[32])?.split_first_chunk::<32>()?;
    let mut raw = [0; 16];
    for (byte, pair) in raw.iter_mut().zip(letters.as_chunks::<2>().0) {
        let [high, low] = pair.map(|c| c.wrapping_sub(b'A'));
        if high > 15 || low > 15 {
            return None;
        }
        *byte = high << 4 | low;
    }
    // The scope is labels that end with an empty one, or with a pointer.
    const LABELS_MAX: usize = 16;
    let mut rest = scope;
    for _ in 0..LABELS_MAX {
        match rest {
            [0, tail @ ..] => return Some((Name::new(raw), bytes.len() - tail.len())),
            [0xc0..=0xff, _, tail @ ..] => return Some((Name::new(raw), bytes.len() - tail.len())),
            [len @ 1..=63, tail @ ..] => rest = tail.get(usize::from(*len)..)?,
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub fn encode(name: &str, suffix: u8) -> Vec<u8> {
        let mut out = vec![32];
        for byte in format!("{name:15}").bytes().chain([suffix]) {
            out.extend([b'A' + (byte >> 4), b'A' + (byte & 15)]);
        }
        out.push(0);
        out
    }

    #[test]
    fn the_name_of_the_standard() {
        // RFC 1001, section 14.1.
        let (name, used) = decode(b"\x20EGFCEFEECACACACACACACACACACACACA\x07NETBIOS\x03COM\0rest").unwrap();
        assert_eq!((name.text(), name.suffix(), used), (&b"FRED"[..], 0x20, 46));
        assert_eq!(name.role(false), "file-server");
        assert_eq!(decode(b"\x20EGFCEFEECACACACACACACACACACACAC*\0"), None);
        let whole = encode("PC7", 0);
        assert_eq!(decode(&whole).map(|d| d.0.text().to_vec()), Some(b"PC7".to_vec()));
        for cut in 0..whole.len() {
            assert_eq!(decode(&whole[..cut]), None);
        }
    }
}
