//! What every layer works with: where in the slab it stands, what it fills, and how it fails.

use super::packet::{InnerFrame, Kind, Packet, Tunnel};
use crate::base::{Addr, Mac, counters::Counters, limits};

/// A stretch of the slab that one layer may look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// First byte that is not yet used.
    pub at: usize,
    /// End of what the capture holds of it.
    pub end: usize,
    /// End of what was on the wire; behind `end` where the capture cut it. Never before `end`.
    pub wire_end: usize,
}

impl Span {
    /// The first `N` bytes, where they are there.
    #[inline(always)]
    pub fn head<const N: usize>(self, slab: &[u8]) -> Option<&[u8; N]> {
        slab.get(self.at..self.end)?.first_chunk()
    }

    /// The first `N` bytes, or why not.
    #[inline(always)]
    pub fn need<const N: usize>(self, slab: &[u8], bad: Bad) -> Result<&[u8; N], Bad> {
        self.head(slab).ok_or_else(|| self.short(bad))
    }

    /// Everything captured of it.
    #[inline]
    pub fn bytes(self, slab: &[u8]) -> &[u8] {
        slab.get(self.at..self.end).unwrap_or_default()
    }

    /// What is left behind the first `n` bytes, which the capture has to hold.
    #[inline(always)]
    pub fn skip(self, n: usize, bad: Bad) -> Result<Self, Bad> {
        let at = self.at.saturating_add(n);
        if at <= self.end { Ok(Self { at, ..self }) } else { Err(self.short(bad)) }
    }

    /// The same with the length that an IP header gives, which may be beyond what the frame says.
    #[inline(always)]
    pub fn limit(self, n: usize) -> Self {
        let wire_end = self.at.saturating_add(n);
        Self { at: self.at, end: self.end.min(wire_end), wire_end }
    }

    /// The same with at most `n` bytes: for lengths that cannot make a layer longer than its outer.
    #[inline(always)]
    pub fn shrink(self, n: usize) -> Self {
        let wire_end = self.wire_end.min(self.at.saturating_add(n));
        Self { at: self.at, end: self.end.min(wire_end), wire_end }
    }

    /// Bytes on the wire.
    #[inline(always)]
    pub fn wire_len(self) -> usize {
        self.wire_end.saturating_sub(self.at)
    }

    /// How to call that a header is not whole: the capture's doing, or the packet's.
    #[inline]
    pub fn short(self, bad: Bad) -> Bad {
        if self.wire_end > self.end { Bad::Cut } else { bad }
    }
}

/// Why a layer could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// The link-layer header is wrong.
    Link,
    /// The IP header is wrong.
    Network,
    /// The transport header is wrong.
    Transport,
    /// The tunnel header is wrong.
    Tunnel,
    /// More layers than [`limits::NESTING_MAX`] or [`limits::LAYERS_MAX`].
    Nesting,
    /// The capture holds too little of it; nothing is wrong with the packet.
    Cut,
}

/// How a layer ended: with a packet in [`Walk::out`], or not.
pub(super) type Step = Result<(), Bad>;

/// One walk through the layers of a frame.
pub(super) struct Walk<'a> {
    /// The bytes.
    pub slab: &'a [u8],
    /// What happened.
    pub counters: &'a mut Counters,
    /// What is being filled.
    pub out: &'a mut Packet,
    /// Layers gone through, failed attempts included; bounds both time and recursion.
    pub layers: usize,
    /// Who sent the outermost tunnel.
    pub outer: Option<(Mac, Addr)>,
}

impl Walk<'_> {
    /// Goes one layer deeper, where the limit allows it.
    #[inline]
    pub fn layer(&mut self) -> Step {
        self.layers += 1;
        if self.layers > limits::LAYERS_MAX { Err(Bad::Nesting) } else { Ok(()) }
    }

    /// Goes into a tunnel, where the limit allows it.
    pub fn tunnel(&mut self, kind: Tunnel) -> Step {
        self.layer()?;
        self.note_outer();
        if self.out.tunnels.push(kind) { Ok(()) } else { Err(Bad::Nesting) }
    }

    /// Who sent what is around the layers that follow.
    fn note_outer(&mut self) {
        if self.outer.is_none() && !self.out.src.is_unspecified() {
            self.outer = Some((self.out.src_mac, self.out.src));
        }
    }

    /// Ends the walk with an IP packet whose payload starts `header` bytes into `s`.
    #[inline(always)]
    pub fn ip(&mut self, s: Span, header: usize) {
        self.out.kind = Kind::Ip;
        self.range(s, header);
    }

    /// Ends the walk with a frame that holds no IP packet.
    pub fn other(&mut self, kind: Kind, protocol: u16, s: Span) -> Step {
        self.out.kind = kind;
        self.out.protocol_l2 = protocol;
        self.range(s, 0);
        Ok(())
    }

    /// Sets the payload range: what follows the first `header` bytes of `s`.
    #[inline(always)]
    pub fn range(&mut self, s: Span, header: usize) {
        let start = s.at.saturating_add(header);
        let at = start.min(s.end);
        self.out.payload_offset = at as u32;
        self.out.payload_len = (s.end - at) as u32;
        self.out.payload_wire_len = s.wire_end.saturating_sub(start) as u32;
        self.out.truncated = self.out.payload_wire_len > self.out.payload_len;
    }

    /// Counts a failure.
    #[cold]
    pub fn count(&mut self, bad: Bad) {
        match bad {
            Bad::Link => self.counters.malformed_link += 1,
            Bad::Network => self.counters.malformed_network += 1,
            Bad::Transport => self.counters.malformed_transport += 1,
            Bad::Tunnel => self.counters.malformed_tunnel += 1,
            Bad::Nesting => self.counters.nesting_limit += 1,
            Bad::Cut => {}
        }
    }

    /// Tries what may be a layer inside of the packet found so far. Where it does not check out, the
    /// packet found so far stays what it was; and where a UDP datagram carries a frame without IP
    /// (ARP through VXLAN), it stays the packet and the frame is noted beside it.
    pub fn attempt(&mut self, inside: impl FnOnce(&mut Self) -> Step) -> Step {
        let (outer, sender) = (*self.out, self.outer);
        self.note_outer();
        *self.out = carried(&outer);
        let step = inside(self);
        if step.is_err() {
            *self.out = outer;
            self.outer = sender;
        } else if matches!(self.out.kind, Kind::Arp | Kind::Other) && outer.kind == Kind::Ip && outer.protocol == 17 {
            let inner = InnerFrame {
                kind: self.out.kind,
                protocol_l2: self.out.protocol_l2,
                src_mac: self.out.src_mac,
                offset: self.out.payload_offset,
                len: self.out.payload_len.min(u32::from(u16::MAX)) as u16,
            };
            *self.out = Packet { inner: Some(inner), ..outer };
        }
        step
    }
}

/// A packet that keeps of another what an inner layer takes over from it.
pub(super) fn carried(outer: &Packet) -> Packet {
    Packet {
        ts: outer.ts,
        number: outer.number,
        interface: outer.interface,
        frame_wire_len: outer.frame_wire_len,
        src_mac: outer.src_mac,
        dst_mac: outer.dst_mac,
        vlans: outer.vlans,
        tunnels: outer.tunnels,
        reassembled: outer.reassembled,
        ..Packet::default()
    }
}
