//! From frame bytes to [`Packet`]: link layers, tunnels, IP, transport headers.
//!
//! Decoding is a walk: each layer is handed the stretch of the slab that is its own, sets what it
//! knows in the packet, and calls the next. Nothing is allocated and nothing is remembered, but for
//! fragments, which [`Defragmenter`] keeps.

mod defrag;
mod ethernet;
mod icmp;
mod ieee80211;
mod ip;
mod link;
pub mod packet;
mod ppp;
mod transport;
mod tunnel;
mod walk;

pub use defrag::Defragmenter;
pub use icmp::{is_error, quoted};
pub use packet::{FragmentFields, Kind, Packet, Quoted, TcpFields, Tunnel, Tunnels, Vlans};

use crate::base::counters::Counters;
use crate::frame::{FrameMeta, LinkType};
use walk::{Span, Step, Walk};

/// Decodes one frame, whose bytes lie in `slab` where `frame` says. `out` is overwritten.
///
/// Counts what is malformed, cut, a fragment, nested too deep or no IP packet. Where the innermost
/// packet of a tunnel does not decode, `out` holds the packet that carried it.
#[inline]
pub fn decode(frame: &FrameMeta, slab: &[u8], counters: &mut Counters, out: &mut Packet) {
    *out = Packet {
        ts: frame.ts,
        number: frame.number,
        frame_wire_len: frame.wire,
        interface: frame.interface,
        ..Packet::default()
    };
    let at = frame.offset as usize;
    let end = at.saturating_add(frame.captured as usize).min(slab.len());
    let span = Span { at: at.min(end), end, wire_end: at.saturating_add(frame.wire as usize).max(end) };
    let mut walk = Walk { slab, counters, out, layers: 0 };
    let step = if frame.link == LinkType::ETHERNET {
        ethernet::frame(&mut walk, span)
    } else {
        link::frame(&mut walk, frame.link, span)
    };
    finish(&mut walk, step);
    if out.truncated || frame.captured < frame.wire {
        counters.truncated += 1;
    }
}

/// Decodes an IP packet that was put together from fragments and lies at `slab[offset..]` for `len`
/// bytes. `base` is the packet of the fragment that made it whole: time, number, MACs, VLANs and
/// tunnels are carried over. The result may itself be a fragment, of a packet in a tunnel; tunnels
/// are bounded, so this ends.
pub fn decode_reassembled(
    base: &Packet,
    slab: &[u8],
    offset: usize,
    len: usize,
    counters: &mut Counters,
    out: &mut Packet,
) {
    *out = Packet { reassembled: true, ..walk::carried(base) };
    let end = offset.saturating_add(len).min(slab.len());
    let span = Span { at: offset.min(end), end, wire_end: end };
    let mut walk = Walk { slab, counters, out, layers: 0 };
    let step = ip::any(&mut walk, span);
    finish(&mut walk, step);
}

/// Counts what came of a walk.
#[inline]
fn finish(walk: &mut Walk, step: Step) {
    if let Err(bad) = step {
        walk.out.kind = Kind::Malformed;
        walk.count(bad);
        return;
    }
    match walk.out.kind {
        Kind::Fragment => walk.counters.fragments += 1,
        Kind::Arp | Kind::Other => walk.counters.not_ip += 1,
        Kind::Ip | Kind::Malformed => {}
    }
}
