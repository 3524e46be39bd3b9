//! Frames for the tests of this folder, built from the inside out.

use super::{Packet, decode};
use crate::base::Timestamp;
use crate::base::counters::Counters;
use crate::frame::{FrameMeta, LinkType};

/// Where the frames of the tests lie in their slab: not at its start.
pub const OFFSET: usize = 7;

/// A slab with one frame in it, and its entry in the index.
pub fn slab(link: LinkType, bytes: &[u8]) -> (Vec<u8>, FrameMeta) {
    let mut slab = vec![0xee; OFFSET];
    slab.extend_from_slice(bytes);
    let len = bytes.len() as u32;
    let frame =
        FrameMeta { ts: Timestamp(1), number: 1, offset: OFFSET as u32, captured: len, wire: len, link, interface: 0 };
    (slab, frame)
}

/// The packet, its payload, and the counters that a frame gives.
pub fn run(link: LinkType, bytes: &[u8]) -> (Packet, Vec<u8>, Counters) {
    run_cut(link, bytes, bytes.len())
}

/// The same for a frame of which the capture holds only the first `captured` bytes.
pub fn run_cut(link: LinkType, bytes: &[u8], captured: usize) -> (Packet, Vec<u8>, Counters) {
    let (mut slab, mut frame) = slab(link, bytes);
    frame.captured = captured as u32;
    slab.truncate(OFFSET + captured);
    let mut counters = Counters::default();
    let mut packet = Packet { src_port: 99, reassembled: true, ..Packet::default() };
    decode(&frame, &slab, &mut counters, &mut packet);
    let payload = packet.payload(&slab).to_vec();
    (packet, payload, counters)
}

/// The same for an Ethernet frame.
pub fn eth(bytes: &[u8]) -> (Packet, Vec<u8>, Counters) {
    run(LinkType::ETHERNET, bytes)
}

/// Joins the parts of a frame.
pub fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// An Ethernet frame from 02:..:0b to 02:..:0a.
pub fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&[2, 0, 0, 0, 0, 0x0a, 2, 0, 0, 0, 0, 0x0b], &kind.to_be_bytes(), payload])
}

/// An IPv4 packet from 10.0.0.1 to 10.0.0.2 with the right checksum.
pub fn ip4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ip4_fragment(protocol, 0x1234, 0, payload)
}

/// The same with an identification and the 16 bits about fragments.
pub fn ip4_fragment(protocol: u8, id: u16, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend_from_slice(&(20 + payload.len() as u16).to_be_bytes());
    header.extend_from_slice(&id.to_be_bytes());
    header.extend_from_slice(&fragment.to_be_bytes());
    header.extend_from_slice(&[64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    let sum = super::ip::checksum(&header);
    header.splice(10..12, sum.to_be_bytes());
    join(&[&header, payload])
}

/// An IPv6 packet from fe80::1 to fe80::2.
pub fn ip6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    header.extend_from_slice(&[next, 255]);
    for last in [1, 2] {
        header.extend_from_slice(&[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    join(&[&header, payload])
}

/// A UDP datagram.
pub fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let len = 8 + payload.len() as u16;
    join(&[&src.to_be_bytes(), &dst.to_be_bytes(), &len.to_be_bytes(), &[0xbe, 0xef], payload])
}

/// A TCP segment from port 4000 to port 80: PSH and ACK, with four bytes of options.
pub fn tcp(payload: &[u8]) -> Vec<u8> {
    let header = [0x0f, 0xa0, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x60, 0x18, 0x10, 0x00, 0xca, 0xfe, 0, 0, 1, 1, 1, 0];
    join(&[&header, payload])
}

/// An inner packet that tunnels carry in the tests: DNS-like UDP over IPv4.
pub fn inner() -> Vec<u8> {
    ip4(17, &udp(5000, 53, b"inner"))
}

/// The same in an Ethernet frame.
pub fn inner_frame() -> Vec<u8> {
    join(&[&[6, 1, 1, 1, 1, 1, 6, 2, 2, 2, 2, 2, 8, 0], &inner()])
}
