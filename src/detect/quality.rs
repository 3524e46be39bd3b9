//! What a capture could not show.

use std::borrow::Cow;

use super::sighting::{Party, Sighting, WEIGHT};
use crate::base::Timestamp;

/// What was counted about the completeness of one capture.
#[derive(Debug, Clone, Copy, Default)]
pub struct Completeness {
    /// Index of the capture among the inputs.
    pub capture: u32,
    /// Time of its first packet.
    pub ts: Timestamp,
    /// Packets in it.
    pub packets: u64,
    /// Of them, those of which the capture holds fewer bytes than were on the wire.
    pub truncated: u64,
    /// Packets that the capturing system says it lost.
    pub kernel_drops: u64,
    /// TCP payload bytes seen.
    pub stream_bytes: u64,
    /// TCP payload bytes that were acknowledged or followed, and never seen.
    pub missed_bytes: u64,
    /// TCP flows with data.
    pub tcp_flows: u64,
    /// Of them, those of which only one direction was seen.
    pub one_way_flows: u64,
}

/// Flows below which the share of one-way ones says nothing.
const FLOWS_MIN: u64 = 10;

/// Says so where a capture misses enough to matter: 1 % of stream bytes or packets, a fifth of
/// flows one-way, or a tenth of the frames cut.
pub fn judge(c: &Completeness) -> Option<Sighting> {
    let percent = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    let missed = percent(c.missed_bytes, c.stream_bytes.saturating_add(c.missed_bytes));
    let dropped = percent(c.kernel_drops, c.packets.saturating_add(c.kernel_drops));
    let one_way = percent(c.one_way_flows, c.tcp_flows);
    let cut = percent(c.truncated, c.packets);
    let mut reasons = Vec::new();
    if missed >= 1.0 {
        reasons.push(format!("{missed:.1} % of TCP payload missing ({} bytes)", c.missed_bytes));
    }
    if dropped >= 1.0 {
        reasons.push(format!("{dropped:.1} % of packets lost while capturing ({})", c.kernel_drops));
    }
    if one_way >= 20.0 && c.tcp_flows >= FLOWS_MIN {
        reasons.push(format!("{one_way:.0} % of TCP connections seen in one direction only"));
    }
    if cut >= 10.0 {
        reasons.push(format!("{cut:.0} % of frames cut short"));
    }
    (!reasons.is_empty()).then(|| Sighting {
        rule: "capture-incomplete",
        device: Party::default(),
        peer: None,
        port: 0,
        peer_name: None,
        service: Cow::Borrowed(""),
        flow_id: 0,
        capture: c.capture,
        packet: 0,
        ts: c.ts,
        evidence: reasons.join("; "),
        detail: Cow::Owned(format!("capture {}", c.capture)),
        weight: WEIGHT,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Completeness = Completeness {
        capture: 0,
        ts: Timestamp(1),
        packets: 1000,
        truncated: 0,
        kernel_drops: 0,
        stream_bytes: 100_000,
        missed_bytes: 0,
        tcp_flows: 50,
        one_way_flows: 0,
    };

    #[test]
    fn a_whole_capture_and_an_empty_one_are_not_blamed() {
        for c in [
            WHOLE,
            Completeness::default(),
            Completeness { missed_bytes: 900, kernel_drops: 9, one_way_flows: 9, truncated: 99, ..WHOLE },
            Completeness { tcp_flows: 3, one_way_flows: 3, ..WHOLE },
        ] {
            assert!(judge(&c).is_none(), "{c:?}");
        }
    }

    #[test]
    fn every_reason_is_named() {
        let c = Completeness { missed_bytes: 2000, kernel_drops: 100, one_way_flows: 25, truncated: 500, ..WHOLE };
        assert_eq!(
            judge(&c).unwrap().evidence,
            "2.0 % of TCP payload missing (2000 bytes); 9.1 % of packets lost while capturing (100); \
             50 % of TCP connections seen in one direction only; 50 % of frames cut short"
        );
        assert!(judge(&Completeness { missed_bytes: u64::MAX, ..WHOLE }).is_some());
    }
}
