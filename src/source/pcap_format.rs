//! Classic pcap (draft-ietf-opsawg-pcap): a 24-byte file header, then records of 16 bytes of header
//! and a frame each. Walked in place: nothing is copied.
//!
//! ```text
//!  0        4    6    8        12       16       20       24
//! +--------+----+----+--------+--------+--------+--------+
//! | magic  | major minor | zone | sigfigs | snaplen | link |   file
//! +--------+----+----+--------+--------+--------+--------+
//! | seconds | fraction | captured | on the wire | frame ...    record
//! ```

use super::walk::{CaptureFormat, Fault, FaultKind, Found, InterfaceInfo, Sink, TimeResolution, Walked, strip_fcs};
use crate::base::{Timestamp, limits};
use crate::frame::LinkType;

/// Length of the file header.
pub(super) const HEADER_BYTES: usize = 24;

const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
const MAGIC_KUZNETZOV: u32 = 0xa1b2_cd34;

/// Which of a record's two lengths is which. Old writers disagreed, and readers guess by version
/// ever since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengths {
    /// Captured length first.
    Normal,
    /// Version 2.3: the smaller one is the captured length.
    Guess,
    /// Before version 2.3, and one old vendor: length on the wire first.
    Swapped,
}

/// What the file header says.
#[derive(Debug, Clone)]
pub(super) struct PcapFile {
    swapped: bool,
    format: CaptureFormat,
    /// Nanoseconds of one unit of the fraction.
    unit: i64,
    lengths: Lengths,
    record_header: usize,
    link: LinkType,
    fcs: u32,
    snaplen: u32,
    filter: usize,
    began: bool,
}

/// Whether a file begins like classic pcap, and with the bytes of each number in which order.
fn magic(head: &[u8]) -> Option<(u32, bool)> {
    let bytes = *head.first_chunk::<4>()?;
    [(u32::from_le_bytes(bytes), false), (u32::from_be_bytes(bytes), true)]
        .into_iter()
        .find(|(magic, _)| matches!(*magic, MAGIC_MICROS | MAGIC_NANOS | MAGIC_KUZNETZOV))
}

impl PcapFile {
    /// Whether these first bytes are those of a classic pcap file.
    pub(super) fn is_it(head: &[u8]) -> bool {
        magic(head).is_some()
    }

    /// The container's name.
    pub(super) fn format(&self) -> CaptureFormat {
        self.format
    }

    /// Reads the file header; `None` if these are not its first bytes or not all of them are there.
    pub(super) fn new(head: &[u8]) -> Option<Self> {
        let (magic, big) = magic(head)?;
        let head = head.first_chunk::<HEADER_BYTES>()?;
        let (words, _) = head.as_chunks::<4>();
        let word = |i: usize| {
            let bytes = words.get(i).copied().unwrap_or_default();
            if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        // Two 16-bit numbers in one word; which half is which depends on the byte order.
        let version = word(1);
        let (major, minor) = if big { (version >> 16, version & 0xffff) } else { (version & 0xffff, version >> 16) };
        let lengths = match (major, minor) {
            (2, 3) => Lengths::Guess,
            (2, 0..3) | (543, _) => Lengths::Swapped,
            _ => Lengths::Normal,
        };
        let network = word(5);
        // The upper bits say whether a frame check sequence follows each frame, and how many 16-bit
        // words it has.
        let fcs = if network & 0x0400_0000 != 0 { (network >> 28) * 2 } else { 0 };
        let link = LinkType(network & 0x03ff_ffff);
        let nanos = magic == MAGIC_NANOS;
        Some(Self {
            swapped: big,
            format: match magic {
                MAGIC_NANOS => CaptureFormat::PcapNanos,
                MAGIC_KUZNETZOV => CaptureFormat::PcapModified,
                _ => CaptureFormat::Pcap,
            },
            unit: if nanos { 1 } else { 1000 },
            lengths,
            record_header: if magic == MAGIC_KUZNETZOV { 24 } else { 16 },
            link,
            fcs: if link == LinkType::ETHERNET { fcs } else { 0 },
            snaplen: word(4),
            filter: 0,
            began: false,
        })
    }

    /// Walks the records in `slab` from `at`, which for the first slab is its beginning.
    pub(super) fn walk(&mut self, slab: &[u8], at: usize, sink: &mut Sink<'_>) -> Walked {
        let mut at = at;
        if !self.began {
            self.began = true;
            at += HEADER_BYTES;
            let resolution = TimeResolution::Decimal(if self.unit == 1 { 9 } else { 6 });
            sink.interfaces.push(InterfaceInfo::new(self.link, self.snaplen, resolution));
            self.filter = sink.filters.index_of(self.link);
        }
        let before = sink.frames.len();
        let walked =
            if self.swapped { self.records::<true>(slab, at, sink) } else { self.records::<false>(slab, at, sink) };
        let taken = sink.frames.len() - before;
        if let Some(interface) = sink.interfaces.first_mut() {
            interface.frames += taken as u64;
        }
        walked
    }

    #[inline]
    fn records<const BIG: bool>(&self, slab: &[u8], start: usize, sink: &mut Sink<'_>) -> Walked {
        let mut at = start;
        while sink.has_room() {
            let Some(head) = slab.get(at..).and_then(|rest| rest.first_chunk::<16>()) else {
                return Walked { at, need: self.record_header, ..Walked::default() };
            };
            let (words, _) = head.as_chunks::<4>();
            let [seconds, fraction, first, second] = match words {
                [a, b, c, d] if BIG => [*a, *b, *c, *d].map(u32::from_be_bytes),
                [a, b, c, d] => [*a, *b, *c, *d].map(u32::from_le_bytes),
                _ => [0; 4],
            };
            let (captured, wire) = match self.lengths {
                Lengths::Normal => (first, second),
                Lengths::Swapped => (second, first),
                Lengths::Guess => (first.min(second), first.max(second)),
            };
            let length = captured as usize;
            if length > limits::FRAME_BYTES_MAX {
                let text = format!(
                    "record {} claims a frame of {captured} bytes (the longest that is believed has {}): the file is damaged from here on",
                    *sink.number + 1,
                    limits::FRAME_BYTES_MAX
                );
                let fault = Fault { offset: sink.base + at as u64, kind: FaultKind::Damaged, text };
                return Walked { at, fault: Some(fault), ..Walked::default() };
            }
            let offset = at + self.record_header;
            let end = offset + length;
            if end > slab.len() {
                return Walked { at, need: end - at, ..Walked::default() };
            }
            let wire = wire.max(captured);
            let (captured, wire) = if self.fcs == 0 { (length, wire) } else { strip_fcs(length, wire, self.fcs) };
            let ts = Timestamp::from_parts(i64::from(seconds), i64::from(fraction) * self.unit);
            sink.take(slab, &Found { ts, offset, captured, wire, link: self.link, interface: 0, filter: self.filter });
            at = end;
        }
        Walked { at, ..Walked::default() }
    }
}
