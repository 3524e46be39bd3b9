//! pcapng (draft-ietf-opsawg-pcapng): blocks of type, length, body and length again, in sections
//! that each have their own byte order and interfaces. Walked in place: nothing is copied.
//!
//! ```text
//!  0        4        8                              length-4   length
//! +--------+--------+------------------------------+--------+
//! | type   | length | body, padded to 4            | length |
//! +--------+--------+------------------------------+--------+
//! ```
//!
//! A block whose frame holds (both lengths agree) but whose content cannot be is left out and
//! counted; where the frame itself is broken, nothing behind it can be found again.

use super::walk::{
    CapturedSecrets, Fault, FaultKind, Found, InterfaceInfo, LeftOut, Sink, TimeResolution, Walked, strip_fcs,
};
use crate::base::{ReadError, Reader, Timestamp, limits};
use crate::frame::LinkType;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET_OBSOLETE: u32 = 2;
const PACKET_SIMPLE: u32 = 3;
const STATISTICS: u32 = 5;
const PACKET_ENHANCED: u32 = 6;
const SECRETS: u32 = 10;

/// Type of secrets that are a TLS key log: "TLSK".
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// The byte-order magic as a little-endian writer leaves it.
const ORDER_LITTLE: [u8; 4] = [0x4d, 0x3c, 0x2b, 0x1a];
/// The same of a big-endian writer.
const ORDER_BIG: [u8; 4] = [0x1a, 0x2b, 0x3c, 0x4d];

/// Longest packet block: the frame and room for its options.
const PACKET_BLOCK_MAX: usize = limits::FRAME_BYTES_MAX + limits::PCAPNG_BLOCK_BYTES_MAX;

/// How an interface's ticks become nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ticks {
    /// A tick is this many nanoseconds.
    Times(u64),
    /// A nanosecond is this many ticks.
    Per(u64),
    /// A tick is 2 to the minus this many seconds.
    Shift(u8),
}

impl Ticks {
    fn of(resolution: TimeResolution) -> Self {
        match resolution {
            TimeResolution::Decimal(n @ 0..=9) => Self::Times(10u64.pow(u32::from(9 - n))),
            TimeResolution::Decimal(n) => Self::Per(10u64.checked_pow(u32::from(n - 9)).unwrap_or(u64::MAX)),
            TimeResolution::Binary(n) => Self::Shift(n),
        }
    }

    /// Nanoseconds, clamped to what a timestamp can hold.
    #[inline]
    fn nanos(self, ticks: u64) -> i64 {
        let wide = match self {
            Self::Times(n) => match ticks.checked_mul(n) {
                Some(nanos) => return i64::try_from(nanos).unwrap_or(i64::MAX),
                None => u128::MAX,
            },
            Self::Per(n) => u128::from(ticks / n.max(1)),
            Self::Shift(n) => (u128::from(ticks) * 1_000_000_000) >> n.min(127),
        };
        i64::try_from(wide).unwrap_or(i64::MAX)
    }
}

/// One interface of the current section.
#[derive(Debug, Clone, Copy)]
struct Interface {
    /// Index among the interfaces of the whole capture.
    index: u16,
    link: LinkType,
    snaplen: u32,
    ticks: Ticks,
    /// Seconds to add to every time, as nanoseconds.
    offset: i64,
    fcs: u32,
    filter: usize,
}

/// Where in a pcapng capture a walk stands.
#[derive(Debug, Default)]
pub(super) struct PcapngFile {
    big: bool,
    section: Vec<Interface>,
    last: Timestamp,
    /// Length that a block which was passed over must repeat next.
    trailer: Option<u32>,
}

impl PcapngFile {
    /// Whether these first bytes are those of a pcapng file.
    pub(super) fn is_it(head: &[u8]) -> bool {
        head.starts_with(&SECTION.to_be_bytes())
            && matches!(head.get(8..12), Some(m) if m == ORDER_LITTLE || m == ORDER_BIG)
    }

    /// Whether the last block that was passed over is still without its end.
    pub(super) fn is_mid_block(&self) -> bool {
        self.trailer.is_some()
    }

    /// Walks the blocks in `slab` from `at`.
    pub(super) fn walk(&mut self, slab: &[u8], at: usize, sink: &mut Sink<'_>) -> Walked {
        let mut at = at;
        while sink.has_room() {
            if let Some(expected) = self.trailer {
                let Some(there) = self.word(slab, at) else { return Walked { at, need: 4, ..Walked::default() } };
                if there != expected {
                    return fault(sink, at, format!("block ends with length {there} and began with length {expected}"));
                }
                self.trailer = None;
                at += 4;
                continue;
            }
            let Some(kind) = self.word(slab, at) else { return Walked { at, need: 12, ..Walked::default() } };
            if kind == SECTION {
                match slab.get(at + 8..).and_then(|rest| rest.first_chunk::<4>()) {
                    None => return Walked { at, need: 12, ..Walked::default() },
                    Some(&ORDER_LITTLE) => self.big = false,
                    Some(&ORDER_BIG) => self.big = true,
                    Some(other) => {
                        return fault(sink, at, format!("section header with byte-order magic {other:02x?}"));
                    }
                }
            }
            let Some(total) = self.word(slab, at + 4) else { return Walked { at, need: 12, ..Walked::default() } };
            if total < 12 {
                return fault(sink, at, format!("block of type {kind:#x} claims a length of {total} bytes"));
            }
            // Lengths are multiples of four; some writers leave the padding out of the number, not out of the file.
            let length = (total as usize).next_multiple_of(4);
            let most = match kind {
                PACKET_ENHANCED | PACKET_SIMPLE | PACKET_OBSOLETE => PACKET_BLOCK_MAX,
                SECTION | INTERFACE | STATISTICS => limits::PCAPNG_BLOCK_BYTES_MAX,
                SECRETS => limits::PCAPNG_SECRETS_BYTES_MAX,
                _ => {
                    // Nothing that is looked at: pass over it without holding it.
                    self.trailer = Some(total);
                    let end = (at as u64).saturating_add(length as u64 - 4);
                    match usize::try_from(end) {
                        Ok(end) if end <= slab.len() => at = end,
                        _ => return Walked { at: slab.len(), skip: end - slab.len() as u64, ..Walked::default() },
                    }
                    continue;
                }
            };
            if length > most {
                return fault(
                    sink,
                    at,
                    format!("block of type {kind:#x} claims a length of {total} bytes (at most {most} are believed)"),
                );
            }
            let Some(block) = slab.get(at..at + length) else {
                return Walked { at, need: length, ..Walked::default() };
            };
            if self.word(slab, at + length - 4) != Some(total) {
                let there = self.word(slab, at + length - 4).unwrap_or(0);
                return fault(
                    sink,
                    at,
                    format!("block of type {kind:#x} ends with length {there} and began with length {total}"),
                );
            }
            let body = block.get(8..length - 4).unwrap_or_default();
            let result = match kind {
                PACKET_ENHANCED => self.enhanced(slab, at + 8, body, sink),
                PACKET_SIMPLE => self.simple(slab, at + 8, body, sink),
                PACKET_OBSOLETE => self.obsolete(slab, at + 8, body, sink),
                INTERFACE => self.interface(body, sink),
                STATISTICS => self.statistics(body, sink.interfaces),
                SECRETS => self.secrets(body, sink),
                _ => match self.section(body) {
                    Ok(()) => Ok(()),
                    Err(Stop::Fatal(kind, text)) => {
                        let fault = Fault { offset: sink.base + at as u64, kind, text };
                        return Walked { at, fault: Some(fault), ..Walked::default() };
                    }
                    Err(stop) => Err(stop),
                },
            };
            match result {
                Ok(()) => {}
                Err(Stop::Fatal(kind, text)) => {
                    let fault = Fault { offset: sink.base + at as u64, kind, text };
                    return Walked { at, fault: Some(fault), ..Walked::default() };
                }
                Err(stop) => {
                    let place = sink.base + at as u64;
                    stop.note(sink.left_out, place, kind);
                }
            }
            at += length;
        }
        Walked { at, ..Walked::default() }
    }

    /// The four bytes at an offset as a number in the section's byte order.
    #[inline]
    fn word(&self, slab: &[u8], at: usize) -> Option<u32> {
        let bytes = *slab.get(at..)?.first_chunk::<4>()?;
        Some(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn u32(&self, r: &mut Reader<'_>, field: &'static str) -> Result<u32, ReadError> {
        if self.big { r.be32(field) } else { r.le32(field) }
    }

    fn u16(&self, r: &mut Reader<'_>, field: &'static str) -> Result<u16, ReadError> {
        if self.big { r.be16(field) } else { r.le16(field) }
    }

    /// Section header block, section 4.1.
    fn section(&mut self, body: &[u8]) -> Result<(), Stop> {
        let mut r = Reader::new(body);
        r.skip("byte-order magic", 4)?;
        let (major, minor) = (self.u16(&mut r, "major version")?, self.u16(&mut r, "minor version")?);
        if major != 1 {
            return Err(Stop::Fatal(
                FaultKind::Unsupported,
                format!("pcapng version {major}.{minor} is not supported"),
            ));
        }
        self.section.clear();
        Ok(())
    }

    /// Interface description block, section 4.2.
    fn interface(&mut self, body: &[u8], sink: &mut Sink<'_>) -> Result<(), Stop> {
        if sink.interfaces.len() >= limits::INTERFACES_MAX {
            let text = format!("more than {} interfaces in one capture", limits::INTERFACES_MAX);
            return Err(Stop::Fatal(FaultKind::Limit, text));
        }
        let mut r = Reader::new(body);
        let link = LinkType(u32::from(self.u16(&mut r, "link type")?));
        r.skip("reserved", 2)?;
        let snaplen = self.u32(&mut r, "snap length")?;
        let mut info = InterfaceInfo::new(link, snaplen, TimeResolution::Decimal(6));
        let (mut offset, mut fcs) = (0, 0);
        self.options(&mut r, |_, code, value| match code {
            1 => info.comment = Some(text(value)),
            2 => info.name = Some(text(value)),
            3 => info.description = Some(text(value)),
            9 => {
                if let Some(&n) = value.first() {
                    info.resolution =
                        if n < 128 { TimeResolution::Decimal(n) } else { TimeResolution::Binary(n & 127) };
                }
            }
            // The first byte says which language the filter is in; 0 is a libpcap text.
            11 if value.first() == Some(&0) => info.filter = value.get(1..).map(text),
            12 => info.os = Some(text(value)),
            13 => fcs = value.first().map_or(0, |n| u32::from(*n).div_ceil(8)),
            14 => offset = self.u64(value).unwrap_or(0).cast_signed(),
            _ => {}
        });
        let ticks = Ticks::of(info.resolution);
        self.section.push(Interface {
            index: u16::try_from(sink.interfaces.len()).unwrap_or(u16::MAX),
            link,
            snaplen,
            ticks,
            offset: offset.saturating_mul(1_000_000_000),
            fcs: if link == LinkType::ETHERNET { fcs } else { 0 },
            filter: sink.filters.index_of(link),
        });
        sink.interfaces.push(info);
        Ok(())
    }

    /// Interface statistics block, section 4.6. Its counts run on, so the last one counts.
    fn statistics(&self, body: &[u8], interfaces: &mut [InterfaceInfo]) -> Result<(), Stop> {
        let mut r = Reader::new(body);
        let id = self.u32(&mut r, "interface")?;
        r.skip("timestamp", 8)?;
        let index = self.known(id)?.index;
        let Some(info) = interfaces.get_mut(usize::from(index)) else { return Ok(()) };
        self.options(&mut r, |_, code, value| {
            let slot = match code {
                4 => &mut info.received,
                5 => &mut info.interface_drops,
                7 => &mut info.kernel_drops,
                _ => return,
            };
            if let Some(count) = self.u64(value) {
                *slot = Some(count);
            }
        });
        Ok(())
    }

    /// Decryption secrets block, section 4.7: those of TLS are kept, of the others nobody knows what to do.
    fn secrets(&self, body: &[u8], sink: &mut Sink<'_>) -> Result<(), Stop> {
        let mut r = Reader::new(body);
        let kind = self.u32(&mut r, "secrets type")?;
        let len = self.u32(&mut r, "secrets length")?;
        let log = r.take("secrets", usize::try_from(len).unwrap_or(usize::MAX))?;
        if kind == TLS_KEY_LOG {
            sink.secrets.push(CapturedSecrets { after: *sink.number, log: log.to_vec() });
        }
        Ok(())
    }

    /// Enhanced packet block, section 4.3.
    #[inline]
    fn enhanced(&mut self, slab: &[u8], start: usize, body: &[u8], sink: &mut Sink<'_>) -> Result<(), Stop> {
        let Some(head) = body.first_chunk::<20>() else { return Err(short(20, body.len())) };
        let (words, _) = head.as_chunks::<4>();
        let [id, high, low, captured, wire] = match words {
            [a, b, c, d, e] if self.big => [*a, *b, *c, *d, *e].map(u32::from_be_bytes),
            [a, b, c, d, e] => [*a, *b, *c, *d, *e].map(u32::from_le_bytes),
            _ => [0; 5],
        };
        let interface = self.known(id)?;
        let ticks = u64::from(high) << 32 | u64::from(low);
        self.packet(slab, start + 20, body, 20, (interface, Some(ticks), captured, wire), sink)?;
        let options = (captured as usize).next_multiple_of(4).saturating_add(20);
        if options < body.len() {
            self.drops(body.get(options..).unwrap_or_default(), interface.index, sink);
        }
        Ok(())
    }

    /// Packet block of the first drafts (appendix A): a drop count where the time begins today.
    fn obsolete(&mut self, slab: &[u8], start: usize, body: &[u8], sink: &mut Sink<'_>) -> Result<(), Stop> {
        let mut r = Reader::new(body);
        let id = self.u16(&mut r, "interface")?;
        let drops = self.u16(&mut r, "drops")?;
        let (high, low) = (self.u32(&mut r, "timestamp")?, self.u32(&mut r, "timestamp")?);
        let (captured, wire) = (self.u32(&mut r, "captured length")?, self.u32(&mut r, "original length")?);
        let interface = self.known(u32::from(id))?;
        let ticks = u64::from(high) << 32 | u64::from(low);
        self.packet(slab, start + 20, body, 20, (interface, Some(ticks), captured, wire), sink)?;
        if drops != u16::MAX
            && let Some(info) = sink.interfaces.get_mut(usize::from(interface.index))
        {
            info.noted_drops += u64::from(drops);
        }
        Ok(())
    }

    /// Simple packet block, section 4.4: the first interface, and no time; it gets that of the frame before.
    fn simple(&mut self, slab: &[u8], start: usize, body: &[u8], sink: &mut Sink<'_>) -> Result<(), Stop> {
        let wire = self.u32(&mut Reader::new(body), "original length")?;
        let interface = self.known(0)?;
        let there = u32::try_from(body.len().saturating_sub(4)).unwrap_or(u32::MAX);
        let limit = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let captured = wire.min(limit).min(there);
        self.packet(slab, start + 4, body, 4, (interface, None, captured, wire), sink)
    }

    /// Takes in the frame of any packet block; `before` bytes of the body precede it.
    #[inline]
    fn packet(
        &mut self,
        slab: &[u8],
        offset: usize,
        body: &[u8],
        before: usize,
        (interface, ticks, captured, wire): (Interface, Option<u64>, u32, u32),
        sink: &mut Sink<'_>,
    ) -> Result<(), Stop> {
        let room = body.len().saturating_sub(before);
        let length = captured as usize;
        if length > room || length > limits::FRAME_BYTES_MAX {
            return Err(Stop::Frame { captured, room });
        }
        if let Some(ticks) = ticks {
            self.last = Timestamp(interface.ticks.nanos(ticks).saturating_add(interface.offset));
        }
        let wire = wire.max(captured);
        let (captured, wire) = if interface.fcs == 0 { (length, wire) } else { strip_fcs(length, wire, interface.fcs) };
        let found = Found {
            ts: self.last,
            offset,
            captured,
            wire,
            link: interface.link,
            interface: interface.index,
            filter: interface.filter,
        };
        if sink.take(slab, &found)
            && let Some(info) = sink.interfaces.get_mut(usize::from(interface.index))
        {
            info.frames += 1;
        }
        Ok(())
    }

    /// The interface that a block names, in the current section.
    #[inline]
    fn known(&self, id: u32) -> Result<Interface, Stop> {
        self.section.get(id as usize).copied().ok_or(Stop::NoInterface(id))
    }

    /// Packets that an enhanced packet block says were lost before it (epb_dropcount).
    fn drops(&self, options: &[u8], index: u16, sink: &mut Sink<'_>) {
        let mut drops = 0;
        self.options(&mut Reader::new(options), |_, code, value| {
            if code == 4 {
                drops = self.u64(value).unwrap_or(0);
            }
        });
        if let Some(info) = sink.interfaces.get_mut(usize::from(index)) {
            info.noted_drops = info.noted_drops.saturating_add(drops);
        }
    }

    fn u64(&self, value: &[u8]) -> Option<u64> {
        let bytes = *value.first_chunk::<8>()?;
        Some(if self.big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    /// Options, section 3.5. A broken list ends: options only describe.
    fn options(&self, r: &mut Reader<'_>, mut with: impl FnMut(&Self, u16, &[u8])) {
        for _ in 0..limits::PCAPNG_OPTIONS_MAX {
            let (Ok(code), Ok(length)) = (self.u16(r, "option code"), self.u16(r, "option length")) else { return };
            if code == 0 {
                return;
            }
            let length = usize::from(length);
            let Ok(value) = r.take("option value", length) else { return };
            with(self, code, value);
            if r.skip("option padding", length.next_multiple_of(4) - length).is_err() {
                return;
            }
        }
    }
}

/// Why a block was not taken in.
enum Stop {
    /// Nothing behind it can be read either.
    Fatal(FaultKind, String),
    /// It names an interface that the section did not describe.
    NoInterface(u32),
    /// Its frame is longer than the block.
    Frame { captured: u32, room: usize },
    /// A field is missing.
    Field(ReadError),
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Field(error)
    }
}

impl Stop {
    fn note(self, left_out: &mut LeftOut, place: u64, kind: u32) {
        left_out.note(place, || match self {
            Self::Fatal(_, text) => text,
            Self::NoInterface(id) => format!("block of type {kind:#x} names interface {id}, which is not described"),
            Self::Frame { captured, room } => {
                format!("block of type {kind:#x} claims a frame of {captured} bytes and has room for {room}")
            }
            Self::Field(error) => format!("block of type {kind:#x}: {error}"),
        });
    }
}

fn short(needed: usize, there: usize) -> Stop {
    Stop::Field(ReadError::Short { field: "packet block", needed, there })
}

fn fault(sink: &Sink<'_>, at: usize, text: String) -> Walked {
    let fault = Fault { offset: sink.base + at as u64, kind: FaultKind::Damaged, text };
    Walked { at, fault: Some(fault), ..Walked::default() }
}

/// A text option: UTF-8 by the specification, cut, and whatever is not UTF-8 replaced.
fn text(value: &[u8]) -> String {
    let cut = value.get(..limits::INTERFACE_TEXT_MAX).unwrap_or(value);
    let end = cut.iter().position(|b| *b == 0).unwrap_or(cut.len());
    String::from_utf8_lossy(cut.get(..end).unwrap_or(cut)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_every_unit_become_nanoseconds_without_wrapping() {
        assert_eq!(Ticks::of(TimeResolution::Decimal(6)).nanos(1_700_000_000_000_001), 1_700_000_000_000_001_000);
        assert_eq!(Ticks::of(TimeResolution::Decimal(0)).nanos(3), 3_000_000_000);
        assert_eq!(Ticks::of(TimeResolution::Decimal(12)).nanos(5_999), 5);
        assert_eq!(Ticks::of(TimeResolution::Decimal(127)).nanos(u64::MAX), 1);
        assert_eq!(Ticks::of(TimeResolution::Binary(10)).nanos(1536), 1_500_000_000);
        assert_eq!(Ticks::of(TimeResolution::Binary(127)).nanos(u64::MAX), 0);
        assert_eq!(Ticks::of(TimeResolution::Decimal(6)).nanos(u64::MAX), i64::MAX);
        assert_eq!(Ticks::of(TimeResolution::Binary(0)).nanos(u64::MAX), i64::MAX);
    }
}
