//! What decoding says of a packet, in a fixed-size form without borrows.

use crate::base::{Addr, Mac, Timestamp, limits};

/// Kinds of encapsulation that a packet was taken out of, outermost first, one byte each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Tunnels(pub [u8; limits::NESTING_MAX]);

/// One kind of encapsulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // the names are those of the protocols
pub enum Tunnel {
    Mpls = 1,
    Pppoe,
    Gre,
    Erspan1,
    Erspan2,
    Erspan3,
    Vxlan,
    Geneve,
    Gtpu,
    Ipip,
    SixInFour,
    Teredo,
    L2tp,
    Capwap,
    Ppp,
    VxlanGpe,
    Ah,
    Pptp,
    Nvgre,
    Nsh,
    EtherIp,
    Ayiya,
    Pim,
}

impl Tunnel {
    /// The name as the `tunnels` column spells it.
    pub const fn name(code: u8) -> &'static str {
        match code {
            1 => "mpls",
            2 => "pppoe",
            3 => "gre",
            4 => "erspan1",
            5 => "erspan2",
            6 => "erspan3",
            7 => "vxlan",
            8 => "geneve",
            9 => "gtpu",
            10 => "ipip",
            11 => "6in4",
            12 => "teredo",
            13 => "l2tp",
            14 => "capwap",
            15 => "ppp",
            16 => "vxlan-gpe",
            17 => "ah",
            18 => "pptp",
            19 => "nvgre",
            20 => "nsh",
            21 => "etherip",
            22 => "ayiya",
            23 => "pim",
            _ => "other",
        }
    }
}

impl Tunnels {
    /// Adds an inner layer; false where the limit is reached.
    pub fn push(&mut self, tunnel: Tunnel) -> bool {
        match self.0.iter_mut().find(|slot| **slot == 0) {
            Some(slot) => {
                *slot = tunnel as u8;
                true
            }
            None => false,
        }
    }

    /// Whether the packet was in no tunnel.
    pub const fn is_empty(&self) -> bool {
        self.0[0] == 0
    }

    /// `gre/erspan2`, outermost first; empty where there is none.
    pub fn text(&self) -> String {
        let names: Vec<_> = self.0.iter().take_while(|c| **c != 0).map(|c| Tunnel::name(*c)).collect();
        names.join("/")
    }
}

/// VLAN identifiers, outermost first; zero means no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Vlans {
    ids: [u16; limits::VLAN_TAGS_MAX],
    len: u8,
}

impl Vlans {
    /// Adds an inner tag; tags beyond the limit are left out.
    #[inline]
    pub fn push(&mut self, id: u16) {
        if let Some(slot) = self.ids.get_mut(usize::from(self.len)) {
            *slot = id;
            self.len += 1;
        }
    }

    /// The identifiers, outermost first.
    pub fn ids(&self) -> &[u16] {
        self.ids.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// What a frame turned out to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// An IP packet with everything up to the transport payload found.
    #[default]
    Ip,
    /// A fragment of an IP packet: it goes to the defragmenter before it belongs to a flow.
    Fragment,
    /// ARP; the payload range covers the ARP message.
    Arp,
    /// Another frame without IP; the payload range covers what follows the link header, and
    /// [`Packet::protocol_l2`] holds the EtherType, or the LLC/SNAP protocol identifier.
    Other,
    /// Nothing usable: the counters say what was wrong.
    Malformed,
}

/// The TCP header fields that flows and streams need.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpFields {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Window, unscaled.
    pub window: u16,
    /// Flags: bit 0 FIN, 1 SYN, 2 RST, 3 PSH, 4 ACK, 5 URG, 6 ECE, 7 CWR.
    pub flags: u8,
    /// Bytes of the header with its options, which end where the payload begins.
    pub header_len: u8,
}

#[allow(missing_docs)] // RFC 9293, section 3.1
impl TcpFields {
    pub const FIN: u8 = 1;
    pub const SYN: u8 = 2;
    pub const RST: u8 = 4;
    pub const PSH: u8 = 8;
    pub const ACK: u8 = 16;
    pub const URG: u8 = 32;

    #[inline]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// What the defragmenter needs of a packet of [`Kind::Fragment`]; zeros for others.
///
/// The payload range of such a packet covers the fragment's data, and its `protocol` is what the
/// fragment header says comes first in the whole datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FragmentFields {
    /// Identification: 16 bits for IPv4 (RFC 791), 32 for IPv6 (RFC 8200, section 4.5).
    pub id: u32,
    /// Where the data belongs in the datagram's payload, in bytes.
    pub offset: u16,
    /// Whether fragments follow behind it.
    pub more: bool,
    /// Offset of the IP header in the slab.
    pub header_offset: u32,
}

/// What an ICMP or ICMPv6 error says of the packet that it is about (its first bytes are quoted).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quoted {
    /// Source of the quoted packet.
    pub src: Addr,
    /// Destination of the quoted packet.
    pub dst: Addr,
    /// Its source port.
    pub src_port: u16,
    /// Its destination port.
    pub dst_port: u16,
    /// Its IP protocol number; zero where nothing usable is quoted.
    pub protocol: u8,
}

/// A frame without IP that a UDP tunnel carries (ARP, LLDP ... behind a VXLAN mirror). The packet is
/// that of the tunnel; the frame still says something of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InnerFrame {
    /// [`Kind::Arp`] or [`Kind::Other`].
    pub kind: Kind,
    /// EtherType or similar; see [`Packet::protocol_l2`].
    pub protocol_l2: u16,
    /// Its source MAC.
    pub src_mac: Mac,
    /// Offset of its payload in the slab.
    pub offset: u32,
    /// Bytes of it.
    pub len: u16,
}

/// A decoded packet: the innermost IP packet of a frame, or what the frame held instead.
///
/// Offsets are into the slab of the batch that the frame came in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Packet {
    /// When it was captured.
    pub ts: Timestamp,
    /// 1-based number of the frame in its capture.
    pub number: u64,
    /// Innermost source address.
    pub src: Addr,
    /// Innermost destination address.
    pub dst: Addr,
    /// Source port; for ICMP the type; zero where the protocol has none.
    pub src_port: u16,
    /// Destination port; for ICMP the code; zero where the protocol has none.
    pub dst_port: u16,
    /// What the frame holds.
    pub kind: Kind,
    /// 4 or 6; zero where there is no IP packet.
    pub ip_version: u8,
    /// IP protocol number of the transport (6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6, 132 SCTP ...).
    pub protocol: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// EtherType or similar for frames without IP.
    pub protocol_l2: u16,
    /// IPv4 identification; zero for IPv6.
    pub ip_id: u16,
    /// Whether the flow label of IPv6 is not zero (RFC 6437).
    pub flow_label: bool,
    /// The transport checksum as it stands in the packet; tells a copy from another packet.
    pub transport_checksum: u16,
    /// Offset of the transport payload in the slab. For protocols without a transport header that
    /// is known: what follows the IP header. For ICMP and ICMPv6: what follows the first eight bytes
    /// of the message. For SCTP: the chunks.
    pub payload_offset: u32,
    /// Bytes of it that the capture holds.
    pub payload_len: u32,
    /// Bytes of it that were on the wire, from the IP and transport lengths.
    pub payload_wire_len: u32,
    /// Total length of the innermost IP packet on the wire, header included.
    pub ip_wire_len: u32,
    /// Length of the frame on the wire.
    pub frame_wire_len: u32,
    /// TCP fields; zeros for other protocols.
    pub tcp: TcpFields,
    /// For ICMP echo and its like the identifier; zero otherwise.
    pub icmp_id: u16,
    /// Source MAC of the frame that this packet came in: innermost one where the tunnel carries
    /// Ethernet, zero where the link has none.
    pub src_mac: Mac,
    /// Destination MAC, likewise.
    pub dst_mac: Mac,
    /// VLAN tags around the innermost packet, all levels, outermost first.
    pub vlans: Vlans,
    /// Encapsulations around the innermost packet, outermost first.
    pub tunnels: Tunnels,
    /// Interface of the capture that it came in on.
    pub interface: u16,
    /// What the defragmenter needs; zeros where the kind is not [`Kind::Fragment`].
    pub fragment: FragmentFields,
    /// Whether this packet was put together from fragments.
    pub reassembled: bool,
    /// A frame without IP inside of this datagram.
    pub inner: Option<InnerFrame>,
    /// Whether the capture holds less of the payload than was on the wire.
    pub truncated: bool,
}

impl Packet {
    /// The captured transport payload.
    #[inline]
    pub fn payload<'a>(&self, slab: &'a [u8]) -> &'a [u8] {
        let start = self.payload_offset as usize;
        slab.get(start..start + self.payload_len as usize).unwrap_or_default()
    }
}
