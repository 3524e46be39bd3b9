//! Frames as a source hands them over: one slab of bytes and an index of what lies where in it.

use std::ops::Range;

use crate::base::Timestamp;

/// Link-layer types by their number in the LINKTYPE registry of tcpdump.org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkType(pub u32);

impl LinkType {
    /// BSD loopback, host byte order.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP, with or without HDLC framing.
    pub const PPP: Self = Self(9);
    /// PPP in HDLC-like framing.
    pub const PPP_HDLC: Self = Self(50);
    /// PPPoE session header first.
    pub const PPP_ETHER: Self = Self(51);
    /// Raw IP (the number some systems wrote).
    pub const RAW_BSD: Self = Self(12);
    /// Raw IP (OpenBSD's number).
    pub const RAW_OPENBSD: Self = Self(14);
    /// Raw IP, version in the first nibble.
    pub const RAW: Self = Self(101);
    /// IEEE 802.11 without a radio header.
    pub const IEEE802_11: Self = Self(105);
    /// OpenBSD loopback, network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture, version 1.
    pub const LINUX_SLL: Self = Self(113);
    /// IEEE 802.11 with a radiotap header.
    pub const IEEE802_11_RADIOTAP: Self = Self(127);
    /// PPP with a direction byte.
    pub const PPP_WITH_DIR: Self = Self(204);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux netfilter log.
    pub const NFLOG: Self = Self(239);
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);
}

/// Where one frame lies in its batch and what the capture says of it.
#[derive(Debug, Clone, Copy)]
pub struct FrameMeta {
    /// When it was captured.
    pub ts: Timestamp,
    /// 1-based number in the capture, counting frames that a filter left out.
    pub number: u64,
    /// Offset of its first byte in the slab.
    pub offset: u32,
    /// Bytes that the capture holds of it.
    pub captured: u32,
    /// Bytes that were on the wire.
    pub wire: u32,
    /// Its link type.
    pub link: LinkType,
    /// Index of the interface within the capture.
    pub interface: u16,
}

/// Frames of one capture that are handed on together. Batches are recycled: nothing in here is
/// allocated per frame once the batch has grown to its usual size.
#[derive(Debug, Default)]
pub struct FrameBatch {
    /// The bytes; frames lie in it wherever [`FrameMeta::offset`] says. A source may leave container
    /// headers between them. Reassembled fragments are appended behind.
    pub slab: Vec<u8>,
    /// One entry a frame, in capture order.
    pub frames: Vec<FrameMeta>,
    /// Index of the capture among the inputs of the run.
    pub capture: u32,
    /// Which bytes of the slab are the next piece of the input file as it lies on disk. Hashing
    /// these ranges in batch order hashes the file. Empty where the source hashes by itself
    /// (compressed inputs) or there is no file (live).
    pub raw: Range<usize>,
}

impl FrameBatch {
    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.slab.clear();
        self.frames.clear();
        self.raw = 0..0;
    }

    /// The bytes of one frame.
    #[inline]
    pub fn bytes(&self, frame: &FrameMeta) -> &[u8] {
        let start = frame.offset as usize;
        self.slab.get(start..start + frame.captured as usize).unwrap_or_default()
    }
}
