//! What is known of a flow when it ends, and the columns of the `flows` table that come from it.

use super::state::ConnState;
use crate::base::{Addr, Mac, Timestamp};
use crate::decode::{Tunnels, Vlans};

/// Why a flow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// Both sides closed it.
    Closed,
    /// One side reset it.
    Reset,
    /// Nothing came for as long as its timeout.
    Idle,
    /// The input ended.
    EndOfInput,
    /// The flow table was full: it was written early.
    Evicted,
    /// A new connection with the same ends began.
    Reused,
    /// It lasted longer than one row may cover: it was written and goes on in another row.
    Long,
}

impl EndReason {
    /// The name as the column spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::Idle => "idle",
            Self::EndOfInput => "end_of_input",
            Self::Evicted => "evicted",
            Self::Reused => "reused",
            Self::Long => "long",
        }
    }
}

/// Counts of one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SideRecord {
    /// Packets.
    pub packets: u64,
    /// Transport payload bytes on the wire.
    pub bytes: u64,
    /// Bytes of the IP packets, headers included.
    pub ip_bytes: u64,
    /// MAC of its frames; zeros where there is none.
    pub mac: Mac,
    /// First frame from that MAC.
    pub mac_first: Timestamp,
    /// Last frame from that MAC.
    pub mac_last: Timestamp,
    /// Whether it is a group: frames to it went to one, and none came from it.
    pub group: bool,
    /// Whether it completed what a connection needs of it (TCP) or sent anything (others).
    pub active: bool,
}

/// A flow that ended. Owned, so that it can leave the shard.
#[derive(Debug, Clone)]
pub struct FlowRecord {
    /// Identifier.
    pub id: i64,
    /// Index of the capture that its first packet is in.
    pub capture: u32,
    /// Time of the first packet.
    pub ts_start: Timestamp,
    /// Time of the last packet.
    pub ts_end: Timestamp,
    /// 4 or 6; zero without IP.
    pub ip_version: u8,
    /// IP protocol number.
    pub protocol: u8,
    /// Originator.
    pub orig_ip: Addr,
    /// Its port, or the ICMP type.
    pub orig_port: u16,
    /// Responder.
    pub resp_ip: Addr,
    /// Its port, or the ICMP code.
    pub resp_port: u16,
    /// Counts of the originator.
    pub orig: SideRecord,
    /// Counts of the responder.
    pub resp: SideRecord,
    /// VLANs of the first packet.
    pub vlans: Vlans,
    /// Encapsulations of the first packet.
    pub tunnels: Tunnels,
    /// State.
    pub conn_state: ConnState,
    /// History letters.
    pub history: super::state::History,
    /// Stream bytes that the capture does not hold.
    pub missed_bytes: u64,
    /// TCP segments that brought nothing new.
    pub retransmitted: u64,
    /// Copies that a mirror port made, not counted otherwise.
    pub duplicates: u64,
    /// ICMP errors that were about this flow.
    pub icmp_errors: u32,
    /// Time from the SYN to the end of the handshake, in microseconds.
    pub rtt_us: Option<i64>,
    /// Why it ended.
    pub end: EndReason,
    /// Number of the first packet in its capture.
    pub first_packet: u64,
    /// Number of the last packet in its capture.
    pub last_packet: u64,
}

/// The name of an IP protocol as the `proto` column spells it, where it has one.
pub const fn protocol_name(number: u8) -> Option<&'static str> {
    Some(match number {
        0 => "hopopt",
        1 => "icmp",
        2 => "igmp",
        4 => "ipip",
        6 => "tcp",
        8 => "egp",
        17 => "udp",
        33 => "dccp",
        41 => "6in4",
        46 => "rsvp",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "icmp6",
        88 => "eigrp",
        89 => "ospf",
        103 => "pim",
        112 => "vrrp",
        115 => "l2tp",
        132 => "sctp",
        136 => "udplite",
        137 => "mpls",
        _ => return None,
    })
}
