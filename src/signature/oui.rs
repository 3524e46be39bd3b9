//! Who registered a MAC address block: the IEEE registry, searched where it lies in the program.
//!
//! `signatures/make-oui.py` writes the file and describes its layout. Nothing is loaded or parsed
//! beforehand: a look-up is three binary searches over the compiled-in bytes.

use crate::base::Mac;

/// The registry as the script wrote it.
static REGISTRY: &[u8] = include_bytes!("../../signatures/oui/oui.bin");

/// SHA-256 of the registry in hex, as the script wrote it, so that no run needs to compute it.
pub fn sha256() -> &'static str {
    include_str!("../../signatures/oui/oui.sha256").trim_ascii()
}

/// The day that the registry was taken on, `YYYY-MM-DD`.
pub fn date() -> &'static str {
    header().lines().find_map(|l| l.strip_prefix("date: ")).unwrap_or("unknown")
}

/// Bytes of the text header.
const HEADER: usize = 512;
/// Bytes of the four counts behind it.
const COUNTS: usize = 16;
/// Bytes of an offset into the pool of names.
const OFFSET: usize = 3;

fn header() -> &'static str {
    REGISTRY.get(..HEADER).and_then(|h| std::str::from_utf8(h).ok()).unwrap_or_default()
}

/// One of the four counts.
fn count(index: usize) -> usize {
    let start = HEADER + index * 4;
    let bytes = REGISTRY.get(start..).and_then(|b| b.first_chunk::<4>());
    bytes.map_or(0, |b| u32::from_le_bytes(*b) as usize)
}

/// Where the table of the given number starts, and its entries: their count and prefix bytes.
fn table(index: usize) -> (usize, usize, usize) {
    let mut start = HEADER + COUNTS;
    for before in 0..index {
        start += count(before) * (prefix_bytes(before) + OFFSET);
    }
    (start, if index < 3 { count(index) } else { 0 }, prefix_bytes(index))
}

/// Prefix bytes of an entry: 24 bit in three, 28 in four, 36 in five.
const fn prefix_bytes(index: usize) -> usize {
    index + 3
}

/// Finds the entry whose prefix equals the address with all bits behind the prefix cleared.
fn find(index: usize, prefix: &[u8]) -> Option<&'static str> {
    let (start, entries, width) = table(index);
    let stride = width + OFFSET;
    let (mut low, mut high) = (0, entries);
    while low < high {
        let middle = low + (high - low) / 2;
        let entry = REGISTRY.get(start + middle * stride..)?.get(..stride)?;
        let (key, offset) = entry.split_at_checked(width)?;
        match key.cmp(prefix) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => {
                let [a, b, c] = *offset.first_chunk::<OFFSET>()?;
                return name(u32::from_le_bytes([a, b, c, 0]) as usize);
            }
        }
    }
    None
}

/// The name at an offset of the pool.
fn name(offset: usize) -> Option<&'static str> {
    let (pool, ..) = table(3);
    let rest = REGISTRY.get(pool + offset..)?;
    let end = rest.iter().position(|b| *b == b'\n')?;
    std::str::from_utf8(rest.get(..end)?).ok()
}

/// Whether nobody registered it although it looks so: tests and emulated networks number from zero, and count up.
fn is_made_up(mac: Mac) -> bool {
    matches!(
        mac.0,
        [0, 0, 0, 0, 0, _] | [0, 0x11, 0x22, 0x33, 0x44, _] | [0, 1, 2, 3, 4, _] | [0, 0xaa, 0xbb, 0xcc, 0xdd, _]
    )
}

/// Name of the organisation that registered the block of an address, legal forms left out.
///
/// The longest block wins (36, then 28, then 24 bit). `None` for group addresses, for addresses
/// made up locally, for those
/// that tests count up (`00:00:00:00:00:01`, `00:11:22:33:44:55`), and for blocks that are not registered or registered privately.
pub fn lookup(mac: Mac) -> Option<&'static str> {
    if mac.is_group() || mac.is_local() || is_made_up(mac) {
        return None;
    }
    let [a, b, c, d, e, _] = mac.0;
    find(2, &[a, b, c, d, e & 0xf0]).or_else(|| find(1, &[a, b, c, d & 0xf0])).or_else(|| find(0, &[a, b, c]))
}

/// All names of the registry.
#[cfg(test)]
pub fn holders() -> impl Iterator<Item = &'static str> {
    let pool = REGISTRY.get(table(3).0..).and_then(|p| std::str::from_utf8(p).ok()).unwrap_or_default();
    pool.lines()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn vendor(mac: &str) -> Option<&'static str> {
        lookup(mac.parse().unwrap())
    }

    #[test]
    fn the_file_is_whole_and_is_what_the_script_hashed() {
        let (pool, ..) = table(3);
        assert_eq!(pool + count(3), REGISTRY.len());
        assert!(count(0) > 30_000 && count(1) > 4_000 && count(2) > 9_000);
        let hash: String = Sha256::digest(REGISTRY).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hash, sha256());
        assert!(REGISTRY.len() <= 780_000, "{} bytes", REGISTRY.len());
        assert!(header().contains("source: IEEE") && header().contains("licence:") && header().contains("schema: 1"));
        assert_eq!(date().len(), 10);
        for index in 0..3 {
            let (start, entries, width) = table(index);
            let keys: Vec<_> =
                (0..entries).map(|i| &REGISTRY[start + i * (width + 3)..start + i * (width + 3) + width]).collect();
            assert!(keys.is_sorted_by(|a, b| a < b), "table {index} is sorted and without doubles");
        }
    }

    #[test]
    fn finds_the_vendors_of_all_three_block_sizes() {
        assert_eq!(vendor("00:1b:a9:01:02:03"), Some("Brother industries"));
        assert_eq!(vendor("00:00:00:01:00:01"), Some("XEROX"), "the first entry");
        // 28 bits: the next block of the same 24 bits belongs to someone else.
        assert_eq!(vendor("20:85:93:b1:23:45"), Some("IOG Products"));
        assert_ne!(vendor("20:85:93:a1:23:45"), Some("IOG Products"));
        // 36 bits.
        assert_eq!(vendor("70:b3:d5:71:9f:ff"), Some("2M Technology"));
        assert_ne!(vendor("70:b3:d5:72:90:00"), Some("2M Technology"));
    }

    #[test]
    fn says_nothing_where_nothing_is_known() {
        assert_eq!(vendor("02:1b:a9:01:02:03"), None, "made up locally");
        assert_eq!(vendor("01:00:5e:00:00:fb"), None, "a group");
        assert_eq!(vendor("00:00:00:00:00:00"), None, "no address");
        assert_eq!(vendor("ff:ff:ff:ff:ff:ff"), None);
        for counted in ["00:00:00:00:00:01", "00:00:00:00:00:ff", "00:11:22:33:44:55", "00:01:02:03:04:05"] {
            assert_eq!(vendor(counted), None, "{counted} is made up");
        }
        assert_eq!(vendor("74:1a:e0:9f:00:00"), None, "registered privately, inside a block of the registry's own");
    }
}
