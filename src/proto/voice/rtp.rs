//! RTP and RTCP (RFC 3550), apart or on one port (RFC 5761), announced by a session description or not.
//!
//! Two bits and a payload type prove little. Where nothing announced the flow, several packets of one
//! source must follow each other in sequence and time before it is believed; reports (RTCP) must add up to
//! the datagram.

pub use super::rtp_event::{Event, Stream, TABLE};
use super::sdp::Words;
use crate::base::{Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};

/// Packets of one source in a row that are believed without an announcement.
const CONVINCING: u8 = 4;
/// Encrypted reports of one sender that are believed without an announcement.
const ENCRYPTED_CONVINCING: u64 = 10;
/// Datagrams in which they must be found.
const PATIENCE: u8 = 24;

/// The fixed part of an RTP packet (RFC 3550, section 5.1).
#[derive(Debug, Clone, Copy)]
struct Packet {
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload_bytes: usize,
}

impl Packet {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let first = r.u8("flags").ok()?;
        if first >> 6 != 2 {
            return None;
        }
        let payload_type = r.u8("payload type").ok()? & 0x7f;
        // 64 to 95 would be RTCP where both share a port (RFC 5761, section 4).
        if (64..=95).contains(&payload_type) {
            return None;
        }
        let sequence = r.be16("sequence number").ok()?;
        let (timestamp, ssrc) = (r.be32("time stamp").ok()?, r.be32("source").ok()?);
        r.skip("contributing sources", usize::from(first & 15) * 4).ok()?;
        if first & 0x10 != 0 {
            r.skip("profile", 2).ok()?;
            let words = r.be16("extension length").ok()?;
            r.skip("extension", usize::from(words) * 4).ok()?;
        }
        Some(Self { payload_type, sequence, timestamp, ssrc, payload_bytes: r.remaining() })
    }

    /// Whether nothing but RTP uses this payload type: assigned, or dynamic (RFC 3551, section 6).
    const fn usual(&self) -> bool {
        matches!(self.payload_type, 0..=34 | 96..=127) && !matches!(self.payload_type, 1 | 2 | 19..=24)
    }

    /// Whether this packet may follow another one of the same source.
    const fn follows(&self, before: &Self) -> bool {
        let ahead = self.sequence.wrapping_sub(before.sequence);
        let later = self.timestamp.wrapping_sub(before.timestamp);
        // Half a minute at 90 kHz; video has many packets of one time.
        self.ssrc == before.ssrc && ahead >= 1 && ahead <= 8 && later < 2_700_000
    }
}

/// The first report of a datagram of RTCP (RFC 3550, section 6.4; RFC 4585; RFC 5506).
#[derive(Debug, Clone, Copy)]
struct Report<'a> {
    ssrc: u32,
    cname: &'a [u8],
    tool: &'a [u8],
    /// Whether all parts add up to the datagram: it is not encrypted.
    whole: bool,
}

impl<'a> Report<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let mut report = Self { ssrc: 0, cname: &[], tool: &[], whole: true };
        let mut first = true;
        while !r.is_empty() {
            let part = Self::part(&mut r, &mut report, first);
            match part {
                Some(()) => {}
                // What follows the first eight bytes of SRTCP is noise (RFC 3711, section 3.4).
                None if first => return None,
                None => {
                    report.whole = false;
                    return Some(report);
                }
            }
            first = false;
        }
        (!first).then_some(report)
    }

    fn part(r: &mut Reader<'a>, report: &mut Self, first: bool) -> Option<()> {
        const SENDER_REPORT: u8 = 200;
        const RECEIVER_REPORT: u8 = 201;
        const SOURCE_DESCRIPTION: u8 = 202;
        let flags = r.u8("flags").ok()?;
        let kind = r.u8("packet type").ok()?;
        // Only a report begins a compound; feedback may stand alone.
        if flags >> 6 != 2 || !(200..=213).contains(&kind) || first && !matches!(kind, 200..=207) {
            return None;
        }
        let words = usize::from(r.be16("length").ok()?);
        let mut body = r.sub("report", words * 4).ok()?;
        let count = usize::from(flags & 31);
        let enough = match kind {
            SENDER_REPORT => 6 + 6 * count,
            RECEIVER_REPORT => 1 + 6 * count,
            _ => usize::from(count > 0),
        };
        if words < enough {
            return None;
        }
        if first {
            report.ssrc = body.be32("source").unwrap_or_default();
        }
        if kind == SOURCE_DESCRIPTION && count > 0 {
            if !first {
                body.skip("source", 4).ok();
            }
            // Items of the first chunk (section 6.5).
            while let Ok(item) = body.u8("item") {
                const CNAME: u8 = 1;
                const TOOL: u8 = 6;
                let Some(text) = (item != 0).then(|| body.vec8("item").ok()).flatten() else { break };
                match item {
                    CNAME => report.cname = text.peek_rest(),
                    TOOL => report.tool = text.peek_rest(),
                    _ => {}
                }
            }
        }
        Some(())
    }
}

/// The codec of a payload type that has a fixed meaning.
pub fn codec_name(payload_type: u8) -> Option<String> {
    super::rtp_codec::static_name(payload_type).map(str::to_owned)
}

/// Whether the second byte is that of RTCP.
fn is_report(bytes: &[u8]) -> bool {
    matches!(bytes, [128..=191, 200..=207, ..])
}

/// What the parser is told of media on the ports of DTLS, which agrees on their keys (RFC 5764).
pub const BESIDE_DTLS: &[u8] = b"beside dtls";
/// What it is told of media on the ports of STUN: ICE found their way, and whether they are encrypted was
/// agreed on elsewhere.
pub const BESIDE_STUN: &[u8] = b"beside stun";

/// What runs between the same two ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Neighbour {
    #[default]
    Nothing,
    Stun,
    Dtls,
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Rtp {
    streams: Vec<Stream>,
    /// What the announcement said.
    words: Option<Box<[u8]>>,
    neighbour: Neighbour,
    /// Last packet of each direction before the flow is believed, and how many fit.
    last: [Option<Packet>; 2],
    fitting: [u8; 2],
    strange: u8,
    believed: Option<&'static str>,
    ended: bool,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

impl Rtp {
    fn words(&self) -> Words<'_> {
        Words::read(self.words.as_deref().unwrap_or_default())
    }

    fn believe(&mut self, service: &'static str, payload_type: u8, emit: Emit<'_>) {
        // Media make a flow of reports a flow of media.
        if self.believed.is_none_or(|before| before == "rtcp" && service != "rtcp") {
            self.believed = Some(service);
            let codec = self.words().codec(payload_type).unwrap_or_default();
            let announced = self.words.is_some();
            let doubtful = self.neighbour == Neighbour::Stun;
            emit(Event::Recognised { service, payload_type, codec, announced, doubtful });
        }
    }

    fn stream(&mut self, cx: Cx<'_>, dir: Direction, ssrc: u32, is_rtcp: bool) -> Option<&mut Stream> {
        let from_orig = dir == Direction::Orig;
        let is = |s: &Stream| s.ssrc == ssrc && s.from_orig == from_orig && s.is_rtcp == is_rtcp;
        let at = self.streams.iter().position(is);
        if at.is_none() {
            if self.streams.len() >= limits::RTP_STREAMS_MAX {
                cx.limit_hit();
                return None;
            }
            let keyed = (self.neighbour == Neighbour::Dtls).then_some(true);
            let encrypted = keyed.or_else(|| self.words.as_ref().map(|_| self.words().encrypted));
            let began = (cx.ts, cx.packet);
            self.streams.push(Stream { began, is_rtcp, from_orig, ssrc, encrypted, ..Stream::default() });
        }
        let stream = match at {
            Some(at) => self.streams.get_mut(at),
            None => self.streams.last_mut(),
        }?;
        stream.last = cx.ts;
        stream.packets += 1;
        Some(stream)
    }

    fn media(&mut self, cx: Cx<'_>, dir: Direction, packet: Packet, emit: Emit<'_>) {
        if self.believed.is_none_or(|b| b == "rtcp") {
            let announced = self.words.is_some();
            let i = dir.index();
            let before = self.last.get(i).copied().flatten();
            // A capture may hold each packet twice; the second one says nothing for or against.
            let again = before.is_some_and(|b| b.sequence == packet.sequence && b.ssrc == packet.ssrc);
            let fits = before.is_some_and(|before| packet.follows(&before));
            let (Some(last), Some(fitting)) = (self.last.get_mut(i), self.fitting.get_mut(i)) else { return };
            *last = Some(packet);
            *fitting = match (fits, again) {
                (true, _) => fitting.saturating_add(1),
                (false, true) => *fitting,
                (false, false) => 0,
            };
            if announced || fitting.saturating_add(1) >= CONVINCING && packet.usual() {
                let encrypted = self.words().encrypted || self.neighbour == Neighbour::Dtls;
                let service = if encrypted { "srtp" } else { "rtp" };
                self.believe(service, packet.payload_type, emit);
            }
        }
        let codec: Box<[u8]> = match self.streams.iter().any(|s| s.ssrc == packet.ssrc && !s.is_rtcp) {
            true => Box::default(),
            false => self.words().codec(packet.payload_type).unwrap_or_default().into(),
        };
        let Some(stream) = self.stream(cx, dir, packet.ssrc, false) else { return };
        stream.bytes += packet.payload_bytes as u64;
        stream.timestamp = packet.timestamp;
        if stream.packets == 1 {
            stream.payload_type = packet.payload_type;
            stream.codec = codec;
            // So that a packet that comes late cannot be before the first.
            stream.first = u64::from(packet.sequence) + 0x1_0000;
            stream.highest = stream.first;
            return;
        }
        let ahead = packet.sequence.wrapping_sub(stream.highest as u16);
        if ahead < 0x8000 {
            stream.highest += u64::from(ahead);
        }
    }
}

impl AppParser for Rtp {
    const SPEC: Spec = Spec {
        name: "rtp",
        title: "RTP and RTCP",
        transports: &[Transport::Udp],
        ports: &[5004, 5005],
        reference: "RFC 3550, RFC 3551, RFC 3711, RFC 5761",
        table: Some(&TABLE),
        tentative: true,
        yields: "streams, codecs, packets lost, names of senders",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        if !matches!(payload, [128..=191, ..]) {
            return Probe::No;
        }
        if is_report(payload) {
            return if Report::read(payload).is_some() { Probe::Yes } else { Probe::No };
        }
        if Packet::read(payload).is_some_and(|p| p.usual() && p.payload_bytes > 0) { Probe::Yes } else { Probe::No }
    }

    fn introduce(&mut self, words: &[u8]) {
        match words {
            BESIDE_DTLS => self.neighbour = Neighbour::Dtls,
            BESIDE_STUN => self.neighbour = Neighbour::Stun,
            words => self.words = Some(words.into()),
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if cx.flow.transport != Transport::Udp {
            return Progress::Violation("media are datagrams");
        }
        if is_report(bytes)
            && let Some(report) = Report::read(bytes)
        {
            // Of SRTCP little stands in the open: many must agree on their sender, unless it was announced.
            let agreed = |s: &Stream| s.is_rtcp && s.ssrc == report.ssrc && s.packets >= ENCRYPTED_CONVINCING;
            if report.whole || self.words.is_some() || self.streams.iter().any(agreed) {
                self.believe("rtcp", 0, emit);
            }
            if let Some(stream) = self.stream(cx, dir, report.ssrc, true) {
                stream.bytes += bytes.len() as u64;
                for (kept, text) in [(&mut stream.cname, report.cname), (&mut stream.tool, report.tool)] {
                    if kept.is_empty() && report.whole && !text.is_empty() {
                        *kept = text.into();
                    }
                }
            }
        } else if let Some(packet) =
            Packet::read(bytes).filter(|p| self.believed.is_some() || self.words.is_some() || p.usual())
        {
            self.media(cx, dir, packet, emit);
        } else if self.believed.is_none() && bytes.len() > 4 {
            // Keep-alives aside, what begins with something else is something else.
            return Progress::Violation("not RTP");
        }
        if self.believed.is_none() {
            self.strange += 1;
            if self.strange > PATIENCE {
                return Progress::Violation("not RTP: nothing follows in sequence");
            }
        }
        Progress::Done
    }

    fn on_end(&mut self, _cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if std::mem::replace(&mut self.ended, true) && self.believed.is_some() {
            for stream in std::mem::take(&mut self.streams) {
                emit(Event::Ended(&stream));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, Seen};

    fn packet(payload_type: u8, sequence: u16, timestamp: u32) -> Vec<u8> {
        let mut bytes = vec![0x80, payload_type];
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(timestamp.to_be_bytes());
        bytes.extend([0xde, 0xad, 0xbe, 0xef]);
        bytes.extend([0xd5; 160]);
        bytes
    }

    /// A receiver report without blocks, and a source description with CNAME and TOOL.
    const REPORT: &[u8] = b"\x80\xc9\0\x01\0\0\0\x07\x81\xca\0\x05\0\0\0\x07\x01\x05u@h.x\x06\x04Fone\0\0\0";

    fn play(packets: &[Vec<u8>]) -> Seen {
        packets.iter().fold(Script::new(), |script, p| script.orig(p)).datagrams::<Rtp>()
    }

    #[test]
    fn many_packets_of_an_unusual_kind_overflow_nothing() {
        let packets: Vec<_> = (0..600).map(|n| packet(60, n, u32::from(n) * 160)).collect();
        assert_eq!(play(&packets).events.len(), 0);
    }

    #[test]
    fn a_stream_is_believed_when_packets_follow_each_other() {
        let sequence = [65_534, 65_535, 0, 3, 1, 4];
        let packets: Vec<_> = sequence.iter().map(|n| packet(0x88, *n, u32::from(n.wrapping_add(2)) * 160)).collect();
        assert_eq!(play(&packets[..3]).events.len(), 0);
        let seen = play(&packets);
        assert!(seen.events[0].contains("service: \"rtp\""), "{seen:?}");
        assert_eq!((seen.cell("packets"), seen.cell("lost")), ("6".to_owned(), "1".to_owned()));
        assert_eq!((seen.cell("codec"), seen.cell("payload_type")), ("PCMA/8000".to_owned(), "8".to_owned()));
        assert_eq!(seen.cell("payload_bytes"), "960");
        assert_eq!(seen.cell("ssrc"), 0xdead_beef_u32.to_string());
        assert_eq!(seen.cell("duration_us"), "5000000");
        assert_eq!(seen.cell("encrypted"), "-");
    }

    #[test]
    fn packets_that_come_twice_are_believed_all_the_same() {
        let packets: Vec<_> = (0..8_u16).map(|n| packet(0, n / 2, u32::from(n / 2) * 160)).collect();
        assert!(play(&packets).events[0].contains("service: \"rtp\""));
    }

    #[test]
    fn encrypted_reports_need_many_to_agree() {
        // RFC 3711, section 3.4: eight bytes, noise, an index, a tag.
        let report = b"\x80\xc9\0\x01\x73\x4e\x7b\x28\x80\0\0\x05\x11\x50\xdd\xd7\xba\xfe\xb9\xcb\xd7\xce".to_vec();
        assert_eq!(play(&vec![report.clone(); 8]).events.len(), 0);
        assert!(play(&vec![report; 12]).events[0].contains("rtcp"));
        let stun = b"\0\x01\0\0!\x12\xa4Bxxxxxxxxxxxx".to_vec();
        let mixed = [b"\x80\xc9\0\x01\0\0\0\x07\x80\0\0\x05\x11\x50\xdd\xd7".to_vec(), stun];
        assert!(matches!(play(&mixed).stopped, Some(Progress::Violation(_))));
    }

    #[test]
    fn what_does_not_follow_is_no_rtp() {
        let random: Vec<_> = (0..30_u16).map(|n| packet(0, n.wrapping_mul(12_345), 0)).collect();
        let seen = play(&random);
        assert!(matches!(seen.stopped, Some(Progress::Violation(_))));
        assert_eq!(seen.events.len(), 0);
        let seen = play(&[packet(0, 1, 0), b"\0\x01\0\0!\x12\xa4Bxxxxxxxxxxxx".to_vec()]);
        assert!(matches!(seen.stopped, Some(Progress::Violation(_))));
    }

    #[test]
    fn an_announced_flow_is_believed_at_once() {
        let view = |words: &[u8]| {
            let mut rtp = Rtp::default();
            rtp.introduce(words);
            let mut seen = Vec::new();
            let flow = crate::proto::api::FlowView {
                flow_id: 1,
                capture: 0,
                orig_ip: crate::base::Addr::UNSPECIFIED,
                orig_port: 1,
                resp_ip: crate::base::Addr::UNSPECIFIED,
                resp_port: 2,
                orig_mac: crate::base::Mac::ZERO,
                resp_mac: crate::base::Mac::ZERO,
                transport: Transport::Udp,
                from_start: true,
            };
            let limited = crate::proto::api::LimitCount::default();
            let cx = Cx { ts: crate::base::Timestamp(0), packet: 1, flow: &flow, limited: &limited };
            rtp.on_data(cx, Direction::Orig, &packet(98, 7, 0), &mut |e| seen.push(format!("{e:?}")));
            seen
        };
        assert!(view(b"c98 opus/48000/2;")[0].contains("\"rtp\""));
        assert!(view(b"s98 opus/48000/2;")[0].contains("\"srtp\""));
    }

    #[test]
    fn reports_name_their_sender() {
        let seen = Script::new().orig(REPORT).resp(REPORT).datagrams::<Rtp>();
        assert!(seen.events[0].contains("\"rtcp\""));
        assert_eq!((seen.cells("cname")[0].as_str(), seen.cells("tool")[1].as_str()), ("u@h.x", "Fone"));
        assert_eq!(seen.cells("kind"), ["rtcp", "rtcp"]);
        // With media on the same port it is a media flow (RFC 5761).
        let mut script = Script::new().orig(REPORT);
        for n in 0..5 {
            script = script.orig(packet(0, n, u32::from(n) * 160));
        }
        let seen = script.datagrams::<Rtp>();
        assert!(seen.events[1].contains("\"rtp\""), "{seen:?}");
    }

    #[test]
    fn any_cut_is_survived_and_probes_decline() {
        for cut in 0..REPORT.len() {
            Script::new().orig(&REPORT[..cut]).datagrams::<Rtp>();
        }
        for cut in 0..16 {
            Script::new().orig(&packet(0x9f, 1, 1)[..cut]).datagrams::<Rtp>();
        }
        for (bytes, want) in [
            (REPORT, Probe::Yes),
            (&packet(0, 1, 1), Probe::Yes),
            (&packet(72, 1, 1), Probe::No),
            (&packet(0, 1, 1)[..12], Probe::No),
            // Source count and extension beyond the end.
            (b"\x9f\0\0\x01aaaabbbb\0\0\xff\xff", Probe::No),
            (b"\x80\xc8\0\x06\0\0", Probe::No),
            (b"\x16\xfe\xff\0\0\0\0\0\0\0\0\0\0\0", Probe::No),
            (b"\0\x01\0\0!\x12\xa4Bxxxxxxxxxxxx", Probe::No),
            (b"", Probe::No),
        ] {
            assert_eq!(Rtp::probe(Direction::Orig, bytes), want, "{bytes:?}");
        }
    }
}
