//! What the RTP parser tells: that media flow, and at the end one row for each stream.

use super::rtp_codec::static_name;
use crate::base::Timestamp;
use crate::base::secret::Reveal;
use crate::proto::api::{About, Direction, Fact};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "rtp",
    doc: "One RTP stream (a synchronization source in one direction of a flow) at its end, or one sender of RTCP \
          reports",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("kind", Type::Text, "`rtp` or `rtcp`"),
        Column::repeating("from_orig", Type::Bool, "Whether the originator of the flow sends it"),
        Column::new("ssrc", Type::Int64, "Synchronization source"),
        Column::repeating("payload_type", Type::Int32, "Payload type of the first packet"),
        Column::repeating(
            "codec",
            Type::Text,
            "Codec, clock and channels: as the session description says, or the fixed meaning of the payload type",
        ),
        Column::repeating(
            "encrypted",
            Type::Bool,
            "Whether it was announced as SRTP, or DTLS on the same ports keys it; null where nothing tells",
        ),
        Column::new("packets", Type::Int64, "Packets seen"),
        Column::new("payload_bytes", Type::Int64, "Bytes of media seen; for RTCP of all reports"),
        Column::new("lost", Type::Int64, "Packets missing by their sequence numbers"),
        Column::new("duration_us", Type::Int64, "Time from the first to the last packet, in microseconds"),
        Column::repeating("cname", Type::Text, "Canonical name of the sender, often user@host"),
        Column::repeating("tool", Type::Text, "Software of the sender, as RTCP says"),
    ],
};

/// One stream.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    /// Time and packet of the first packet seen.
    pub began: (Timestamp, u64),
    /// Time of the last one.
    pub last: Timestamp,
    /// Whether these are RTCP reports.
    pub is_rtcp: bool,
    /// Whether the originator sends.
    pub from_orig: bool,
    /// Synchronization source.
    pub ssrc: u32,
    /// Payload type of the first packet.
    pub payload_type: u8,
    /// Codec that was announced.
    pub codec: Box<[u8]>,
    /// Whether it was announced, and as SRTP.
    pub encrypted: Option<bool>,
    /// Packets.
    pub packets: u64,
    /// Bytes of media.
    pub bytes: u64,
    /// Highest sequence number and how often it came round; the first one.
    pub highest: u64,
    /// First sequence number.
    pub first: u64,
    /// RTP time stamp of the last packet.
    pub timestamp: u32,
    /// CNAME and TOOL of RTCP's source description.
    pub cname: Box<[u8]>,
    /// Likewise.
    pub tool: Box<[u8]>,
}

impl Stream {
    /// Packets missing by their sequence numbers (RFC 3550, appendix A.3); duplicates and packets late
    /// by much can hide some.
    pub const fn lost(&self) -> u64 {
        (self.highest - self.first + 1).saturating_sub(self.packets)
    }
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// The flow carries media or reports on them: said once.
    Recognised {
        /// Service: `rtp`, `srtp` or `rtcp`.
        service: &'static str,
        /// Payload type of the media.
        payload_type: u8,
        /// Codec that was announced.
        codec: &'e [u8],
        /// Whether something announced the flow.
        announced: bool,
        /// Whether ICE found its way, whose media are mostly encrypted though nothing here says so.
        doubtful: bool,
    },
    /// A stream has ended.
    Ended(&'e Stream),
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        match self {
            Self::Ended(stream) => Some(stream.began),
            Self::Recognised { .. } => None,
        }
    }

    fn has_row(&self) -> bool {
        matches!(self, Self::Ended(_))
    }

    fn service(&self) -> Option<&'static str> {
        match self {
            Self::Recognised { service, .. } => Some(service),
            Self::Ended(_) => None,
        }
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Self::Ended(s) = self else { return };
        row.text(if s.is_rtcp { "rtcp" } else { "rtp" }).bool(s.from_orig).int(s.ssrc);
        if s.is_rtcp {
            row.null().null();
        } else {
            row.int(s.payload_type);
            match (s.codec.is_empty(), static_name(s.payload_type)) {
                (false, _) => row.bytes(&s.codec),
                (true, name) => row.opt_text(name),
            };
        }
        row.opt_bool(s.encrypted).count(s.packets).count(s.bytes);
        if s.is_rtcp {
            row.null();
        } else {
            row.count(s.lost());
        }
        row.int((s.last.0 - s.began.0.0).max(0) / 1000);
        row.opt_bytes(Some(&*s.cname).filter(|c| !c.is_empty())).opt_bytes(Some(&*s.tool).filter(|c| !c.is_empty()));
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let Self::Ended(s) = self else { return };
        let side = if s.from_orig { Direction::Orig } else { Direction::Resp };
        tell(Fact { about: About::Side(side), attribute: "cname", value: &s.cname });
        tell(Fact { about: About::Side(side), attribute: "user-agent", value: &s.tool });
    }
}

#[cfg(test)]
mod tests {
    use super::Stream;

    #[test]
    fn losses_are_counted_over_a_wrap() {
        let stream = Stream { first: 65_534, highest: 65_537, packets: 3, ..Stream::default() };
        assert_eq!(stream.lost(), 1);
        assert_eq!(Stream { packets: 9, ..stream }.lost(), 0, "duplicates are no loss below zero");
    }
}
