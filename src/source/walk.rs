//! What walking the records of a capture needs and gives, whatever the container.

use std::fmt;

use super::filter::LinkFilters;
use crate::base::{Timestamp, limits};
use crate::frame::{FrameMeta, LinkType};

/// The container that frames lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CaptureFormat {
    /// Classic pcap, times in microseconds.
    Pcap,
    /// Classic pcap, times in nanoseconds.
    PcapNanos,
    /// Classic pcap as modified by Alexey Kuznetzov (longer record headers).
    PcapModified,
    /// pcapng.
    Pcapng,
}

impl CaptureFormat {
    /// Its name, as tables and messages spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::PcapNanos => "pcap-ns",
            Self::PcapModified => "pcap-modified",
            Self::Pcapng => "pcapng",
        }
    }
}

/// The unit that an interface's times are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeResolution {
    /// 10 to the minus this many seconds.
    Decimal(u8),
    /// 2 to the minus this many seconds.
    Binary(u8),
}

impl fmt::Display for TimeResolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimal(n) => write!(f, "10^-{n} s"),
            Self::Binary(n) => write!(f, "2^-{n} s"),
        }
    }
}

/// What a capture says of one interface that it was recorded on. Texts are cut at
/// `limits::INTERFACE_TEXT_MAX` bytes and come from the file: they are not to be trusted.
#[derive(Debug, Clone)]
pub struct InterfaceInfo {
    /// Its name, where the capture gives one.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// The operating system that it was recorded on.
    pub os: Option<String>,
    /// The capture filter that was in force when it was recorded.
    pub filter: Option<String>,
    /// The comment on it.
    pub comment: Option<String>,
    /// Link type of its frames.
    pub link: LinkType,
    /// Longest frame that was kept, in bytes; 0 is no limit.
    pub snaplen: u32,
    /// The unit of its times.
    pub resolution: TimeResolution,
    /// Frames that were received on it, by the capturing system's last count.
    pub received: Option<u64>,
    /// Frames that the interface dropped, by the capturing system's last count.
    pub interface_drops: Option<u64>,
    /// Frames that the kernel dropped, by the capturing system's last count.
    pub kernel_drops: Option<u64>,
    /// Drops that are noted at single packets, added up.
    pub noted_drops: u64,
    /// Frames read from it, after the filter.
    pub frames: u64,
}

impl InterfaceInfo {
    pub(super) fn new(link: LinkType, snaplen: u32, resolution: TimeResolution) -> Self {
        Self {
            name: None,
            description: None,
            os: None,
            filter: None,
            comment: None,
            link,
            snaplen,
            resolution,
            received: None,
            interface_drops: None,
            kernel_drops: None,
            noted_drops: 0,
            frames: 0,
        }
    }
}

/// Something wrong at an offset in the stream of container bytes.
#[derive(Debug)]
pub(super) struct Fault {
    /// Offset in the decompressed stream.
    pub(super) offset: u64,
    /// Which kind of wrong.
    pub(super) kind: FaultKind,
    /// What is wrong, for people.
    pub(super) text: String,
}

/// The kinds of wrong that a container can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultKind {
    Damaged,
    Truncated,
    Unsupported,
    Limit,
}

/// Where frames go, and what all containers share.
pub(super) struct Sink<'a> {
    /// The batch's index.
    pub(super) frames: &'a mut Vec<FrameMeta>,
    /// Number of the last frame.
    pub(super) number: &'a mut u64,
    /// The capture filter.
    pub(super) filters: &'a mut LinkFilters,
    /// Blocks that were left out because their content is impossible.
    pub(super) left_out: &'a mut LeftOut,
    /// The interfaces of the whole capture.
    pub(super) interfaces: &'a mut Vec<InterfaceInfo>,
    /// Decryption secrets of the capture.
    pub(super) secrets: &'a mut Vec<CapturedSecrets>,
    /// Offset in the stream of the slab's first byte.
    pub(super) base: u64,
}

/// A TLS key log within a capture (decryption secrets block of pcapng).
pub struct CapturedSecrets {
    /// Number of the last frame before it.
    pub after: u64,
    /// The key log: at most [`limits::PCAPNG_SECRETS_BYTES_MAX`] bytes.
    pub log: Vec<u8>,
}

impl fmt::Debug for CapturedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapturedSecrets").field("after", &self.after).finish_non_exhaustive()
    }
}

/// Broken blocks between good ones: how many, and the first.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    pub(super) count: u64,
    pub(super) first: Option<(u64, String)>,
}

impl LeftOut {
    pub(super) fn note(&mut self, offset: u64, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.is_none() {
            self.first = Some((offset, text()));
        }
    }
}

impl Sink<'_> {
    /// Whether the batch has room for another frame.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.frames.len() < limits::BATCH_FRAMES_MAX
    }
}

/// How far a walk over a slab came.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Offset in the slab of the first byte that was not dealt with.
    pub(super) at: usize,
    /// Bytes from there that the next record needs at least; 0 if it was only the batch that was full.
    pub(super) need: usize,
    /// Bytes from there to pass over without looking at them (they may go far beyond the slab).
    pub(super) skip: u64,
    /// What is wrong at that place, if anything is.
    pub(super) fault: Option<Fault>,
}

/// The metadata of one frame before it is numbered.
pub(super) struct Found {
    pub(super) ts: Timestamp,
    pub(super) offset: usize,
    pub(super) captured: usize,
    pub(super) wire: u32,
    pub(super) link: LinkType,
    pub(super) interface: u16,
    /// Index of the filter for this link type.
    pub(super) filter: usize,
}

impl Sink<'_> {
    /// Numbers a frame and takes it in unless the filter leaves it out. Says whether it was taken.
    #[inline]
    pub(super) fn take(&mut self, slab: &[u8], found: &Found) -> bool {
        *self.number += 1;
        if self.filters.is_set() {
            let bytes = slab.get(found.offset..found.offset.saturating_add(found.captured)).unwrap_or_default();
            if !self.filters.admits(found.filter, bytes, found.wire) {
                return false;
            }
        }
        // Slabs are bounded far below 4 GiB.
        self.frames.push(FrameMeta {
            ts: found.ts,
            number: *self.number,
            offset: found.offset as u32,
            captured: found.captured as u32,
            wire: found.wire,
            link: found.link,
            interface: found.interface,
        });
        true
    }
}

/// Takes a frame check sequence of `fcs` bytes off a frame's lengths.
pub(super) fn strip_fcs(captured: usize, wire: u32, fcs: u32) -> (usize, u32) {
    let wire_without = wire.saturating_sub(fcs);
    (captured.min(wire_without as usize), wire_without)
}
