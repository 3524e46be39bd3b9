//! DNS over UDP and TCP (RFC 1035, RFC 7766), multicast DNS (RFC 6762) and LLMNR (RFC 4795): one
//! parser, one table, three services.

use std::collections::VecDeque;
use std::marker::PhantomData;

use super::dns_message::{Message, Text, class_name, type_name};
use crate::base::limits;
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};

pub use super::dns_event::{Announced, At, Event, Resolved, Service, TABLE};

/// What tells the three services apart at compile time.
pub trait Variety: Default + Send + 'static {
    /// What is fixed about the service.
    const SPEC: Spec;
    /// Which it is.
    const SERVICE: Service;
}

/// Marks DNS.
#[derive(Debug, Default)]
pub struct Unicast;

/// Marks multicast DNS.
#[derive(Debug, Default)]
pub struct Multicast;

/// Marks LLMNR.
#[derive(Debug, Default)]
pub struct LinkLocal;

impl Variety for Unicast {
    const SPEC: Spec = Spec {
        name: "dns",
        title: "DNS",
        transports: &[Transport::Udp, Transport::Tcp],
        ports: &[53],
        reference: "RFC 1035, RFC 7766",
        table: Some(&TABLE),
        yields: "questions and answers, names of addresses",
        ..Spec::EMPTY
    };
    const SERVICE: Service = Service::Dns;
}

impl Variety for Multicast {
    const SPEC: Spec = Spec {
        name: "mdns",
        title: "Multicast DNS",
        transports: &[Transport::Udp],
        ports: &[5353],
        reference: "RFC 6762",
        port_bound: true,
        table: Some(&TABLE),
        yields: "questions and answers, names, models and services that devices announce",
        ..Spec::EMPTY
    };
    const SERVICE: Service = Service::Mdns;
}

impl Variety for LinkLocal {
    const SPEC: Spec = Spec {
        name: "llmnr",
        title: "LLMNR",
        transports: &[Transport::Udp, Transport::Tcp],
        ports: &[5355],
        reference: "RFC 4795",
        port_bound: true,
        table: Some(&TABLE),
        yields: "questions and answers, names that hosts look for on the link",
        ..Spec::EMPTY
    };
    const SERVICE: Service = Service::Llmnr;
}

/// DNS over UDP and TCP.
pub type Dns = Parser<Unicast>;
/// Multicast DNS.
pub type Mdns = Parser<Multicast>;
/// Link-local multicast name resolution.
pub type Llmnr = Parser<LinkLocal>;

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Parser<V> {
    pending: VecDeque<Pending>,
    understood: bool,
    ended: bool,
    variety: PhantomData<V>,
}

/// A question that waits for its answer.
#[derive(Debug)]
struct Pending {
    id: u16,
    flags: u16,
    qtype: u16,
    qclass: u16,
    name: Box<str>,
    at: At,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

impl<V: Variety> Parser<V> {
    fn unanswered(pending: &Pending, transport: Transport, emit: Emit<'_>) {
        emit(Event {
            service: V::SERVICE,
            transport,
            sender: Direction::Orig,
            trans_id: pending.id,
            query_flags: pending.flags,
            query: Some(&pending.name),
            qtype: Some(pending.qtype),
            qclass: Some(pending.qclass),
            query_at: Some(pending.at),
            response_at: None,
            response: None,
        });
    }

    fn message(&mut self, cx: Cx<'_>, sender: Direction, bytes: &[u8], emit: Emit<'_>) -> Option<()> {
        let message = Message::parse(bytes)?;
        let mut name = Text::default();
        let at = (cx.ts, cx.packet);
        let class_mask = if V::SERVICE == Service::Dns { u16::MAX } else { 0x7fff };
        let event = Event {
            service: V::SERVICE,
            transport: cx.flow.transport,
            sender,
            trans_id: message.id,
            query_flags: 0,
            query: None,
            qtype: None,
            qclass: None,
            query_at: None,
            response_at: Some(at),
            response: Some(message),
        };
        // A short message cannot tell that much.
        if V::SERVICE != Service::Dns && message.is_response() && bytes.len() > 256 && event.is_cut() {
            cx.limit_hit();
        }
        if !message.is_response() {
            for question in message.questions().flatten().take(limits::DNS_PENDING_MAX) {
                name.read_name(bytes, question.name_at, V::SERVICE.style())?;
                let (qtype, qclass) = (question.qtype, question.qclass & class_mask);
                if V::SERVICE == Service::Mdns {
                    let (query, query_at) = (Some(name.as_str()), Some(at));
                    let query_flags = message.flags;
                    let (qtype, qclass) = (Some(qtype), Some(qclass));
                    let asked = Event { query, qtype, qclass, query_flags, query_at, ..event };
                    emit(Event { response: None, response_at: None, ..asked });
                    continue;
                }
                // The same question again is a retransmission.
                let known = |p: &Pending| p.id == message.id && p.qtype == qtype && *p.name == *name.as_str();
                if self.pending.iter().any(known) {
                    continue;
                }
                if self.pending.len() >= limits::DNS_PENDING_MAX
                    && let Some(oldest) = self.pending.pop_front()
                {
                    cx.limit_hit();
                    Self::unanswered(&oldest, cx.flow.transport, emit);
                }
                let name = name.as_str().into();
                self.pending.push_back(Pending { id: message.id, flags: message.flags, qtype, qclass, name, at });
            }
            return Some(());
        }
        let Some(question) = message.questions().flatten().next() else {
            let waiting = if V::SERVICE == Service::Mdns { None } else { self.answered(|p| p.id == message.id) };
            match waiting {
                Some(p) => emit(Event {
                    query: Some(&p.name),
                    qtype: Some(p.qtype),
                    qclass: Some(p.qclass),
                    query_at: Some(p.at),
                    query_flags: p.flags,
                    ..event
                }),
                None => emit(event),
            }
            return Some(());
        };
        name.read_name(bytes, question.name_at, V::SERVICE.style())?;
        let waiting = self.answered(|p| {
            p.id == message.id && p.qtype == question.qtype && p.name.eq_ignore_ascii_case(name.as_str())
        });
        emit(Event {
            // as it was asked for: some servers change the case
            query: Some(waiting.as_ref().map_or(name.as_str(), |p| &p.name)),
            qtype: Some(question.qtype),
            qclass: Some(question.qclass & class_mask),
            query_at: waiting.as_ref().map(|p| p.at),
            query_flags: waiting.as_ref().map_or(0, |p| p.flags),
            ..event
        });
        Some(())
    }

    fn answered(&mut self, is: impl Fn(&Pending) -> bool) -> Option<Pending> {
        let found = self.pending.iter().position(is)?;
        self.pending.remove(found)
    }
}

impl<V: Variety> AppParser for Parser<V> {
    const SPEC: Spec = V::SPEC;
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        // No probe is told its transport: a datagram is a message, a stream has its length before it.
        let datagram = plausible::<V>(payload, true);
        if datagram == Probe::Yes || V::SERVICE == Service::Mdns {
            return datagram;
        }
        let Some((prefix, rest)) = payload.split_first_chunk::<2>() else { return Probe::NeedMore };
        let len = usize::from(u16::from_be_bytes(*prefix));
        if len < 17 {
            return Probe::No;
        }
        match rest.get(..len) {
            Some(message) => plausible::<V>(message, true),
            None => plausible::<V>(rest, false),
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if cx.flow.transport == Transport::Udp {
            if self.message(cx, dir, bytes, emit).is_some() {
                self.understood = true;
            } else if !self.understood {
                return Progress::Violation("not a DNS message");
            }
            // A bad datagram between good ones: one sender must not silence the others.
            return Progress::Done;
        }
        let mut rest = bytes;
        while let Some((prefix, tail)) = rest.split_first_chunk::<2>() {
            let len = usize::from(u16::from_be_bytes(*prefix));
            let Some((message, next)) = tail.split_at_checked(len) else {
                return Progress::Partial { consumed: bytes.len() - rest.len(), needed: len + 2 };
            };
            if self.message(cx, dir, message, emit).is_none() {
                return Progress::Violation("not a DNS message");
            }
            rest = next;
        }
        match rest.len() {
            0 => Progress::Done,
            left => Progress::Partial { consumed: bytes.len() - left, needed: 2 },
        }
    }

    fn on_end(&mut self, cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        // Over TCP a client may close its side and still be answered: only the second end counts,
        // or that of a flow whose other side has nothing more to say.
        if cx.flow.transport == Transport::Tcp && !std::mem::replace(&mut self.ended, true) {
            return;
        }
        for pending in std::mem::take(&mut self.pending) {
            Self::unanswered(&pending, cx.flow.transport, emit);
        }
    }
}

/// Whether bytes are the beginning (or all) of a message that a resolver or server would send.
fn plausible<V: Variety>(bytes: &[u8], whole: bool) -> Probe {
    let short = if whole { Probe::No } else { Probe::NeedMore };
    let Some(header) = bytes.first_chunk::<12>() else { return short };
    let [_, flags, qd, an, ns, ar] = *header.as_chunks::<2>().0 else { return Probe::No };
    let flags = u16::from_be_bytes(flags);
    let [qd, an, ns, ar] = [qd, an, ns, ar].map(|n| usize::from(u16::from_be_bytes(n)));
    let multicast = V::SERVICE != Service::Dns;
    let (response, opcode, rcode) = (flags & 0x8000 != 0, flags >> 11 & 0xf, flags & 0xf);
    if flags & 0x0040 != 0 || !matches!(opcode, 0 | 4 | 5) || rcode > 10 || multicast && opcode != 0 {
        return Probe::No;
    }
    let counts_fit = match (response, multicast) {
        (false, false) => qd == 1 && rcode == 0 && (opcode != 0 || an == 0 && ns <= 1 && ar <= 3),
        (false, true) => (1..=255).contains(&qd) && rcode == 0,
        (true, false) => qd == 1 || qd == 0 && an > 0,
        (true, true) => qd <= 64 && (qd > 0 || an > 0 || ar > 0),
    };
    let least = 12 + qd * 5 + (an + ns + ar) * 11;
    if !counts_fit || least > 0xffff || whole && qd > 0 && bytes.len() < 17 {
        return Probe::No;
    }
    let Some(message) = Message::parse(bytes) else {
        // A single question cannot be longer than this.
        return if bytes.len() > 12 + qd * 259 { Probe::No } else { short };
    };
    let mask = if multicast { 0x7fff } else { u16::MAX };
    let (name_at, qtype, class) = match message.questions().flatten().next() {
        Some(q) => (q.name_at, q.qtype, q.qclass & mask),
        None => match message.records().next() {
            Some(r) => (r.owner_at(), r.rtype, r.class & 0x7fff),
            None => return short,
        },
    };
    let mut name = Text::default();
    if class_name(class).is_none() || name.read_name(bytes, name_at, V::SERVICE.style()).is_none() {
        return Probe::No;
    }
    if is_netbios(name.as_str()) {
        return Probe::No;
    }
    let plain = name.as_str() != "." && !name.as_str().contains('\\');
    if plain && type_name(qtype).is_some() {
        return Probe::Yes;
    }
    match (whole, message.is_exact()) {
        (_, true) => Probe::Yes,
        (true, false) => Probe::No,
        (false, false) => Probe::NeedMore,
    }
}

/// Whether a name is one of NetBIOS, each half byte a letter from A to P (RFC 1001, section 14.1).
fn is_netbios(name: &str) -> bool {
    let label = name.split('.').next().unwrap_or_default();
    label.len() == 32 && label.bytes().all(|c| matches!(c, b'A'..=b'P'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    const QUERY: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01";
    const ANSWER: &[u8] = b"\x12\x34\x81\x80\x00\x01\x00\x02\x00\x00\x00\x01\
        \x03www\x07example\x03com\x00\x00\x01\x00\x01\
        \xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x06\x03cdn\xc0\x10\
        \xc0\x2d\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\xc0\x00\x02\x07\
        \x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00";

    fn prefixed(message: &[u8]) -> Vec<u8> {
        let mut out = (message.len() as u16).to_be_bytes().to_vec();
        out.extend(message);
        out
    }

    #[test]
    fn a_message_that_tells_of_many_devices_is_cut() {
        use crate::proto::api::Event as _;
        // Eight hosts, and a text of 600 items: each would be told of each.
        let mut message = b"\0\0\x84\0\0\0\0\x09\0\0\0\0".to_vec();
        for host in 0..8 {
            message.extend([1, b'a' + host, 0, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, host]);
        }
        message.extend(b"\x01x\0\0\x10\0\x01\0\0\0\x3c\x04\xb0");
        message.extend(b"\x01k".repeat(600));
        let flow = crate::proto::testing::flow();
        let count = crate::proto::api::LimitCount::default();
        let cx = Cx { ts: crate::base::Timestamp(0), packet: 1, flow: &flow, limited: &count };
        let mut facts = 0;
        let mut parser = Mdns::default();
        parser.on_data(cx, Direction::Orig, &message, &mut |e| e.facts(&mut |_| facts += 1));
        assert_eq!((facts, count.take()), (limits::MDNS_FACTS_MAX, 1));
    }

    #[test]
    fn question_and_answer_make_one_row() {
        let seen = Script::new().orig(QUERY).resp(ANSWER).datagrams::<Dns>();
        for (column, value) in [
            ("service", "dns"),
            ("transport", "udp"),
            ("trans_id", "4660"),
            ("rcode", "NOERROR"),
            ("query", "www.example.com"),
            ("qtype", "A"),
            ("qclass", "IN"),
            ("answers", "[cdn.example.com,192.0.2.7]"),
            ("answer_types", "[CNAME,A]"),
            ("answer_names", "-"),
            ("ttls", "[60,300]"),
            ("aa", "false"),
            ("rd", "true"),
            ("ra", "true"),
            ("rtt_us", "1000000"),
            ("query_packet", "1"),
            ("response_packet", "2"),
        ] {
            assert_eq!(seen.cell(column), value, "{column}");
        }
        assert!(seen.events[0].starts_with("@1s#1 "), "the row stands where the question was");
    }

    #[test]
    fn unanswered_and_answered_by_nobody_asked() {
        let seen = Script::new().orig(QUERY).orig(QUERY).datagrams::<Dns>();
        assert_eq!(seen.cell("rcode"), "-");
        assert_eq!(seen.cell("answers"), "-");
        let seen = Script::new().resp(ANSWER).datagrams::<Dns>();
        assert_eq!((seen.cell("query"), seen.cell("query_packet")), ("www.example.com".into(), "-".into()));
    }

    #[test]
    fn several_messages_in_a_stream() {
        let mut second = QUERY.to_vec();
        second[0] = 0x99;
        let mut both = prefixed(QUERY);
        both.extend(prefixed(&second));
        let seen = Script::new().orig(both).resp(prefixed(ANSWER)).any_chunking::<Dns>();
        assert_eq!(seen.cells("rcode"), ["NOERROR", "-"]);
        assert_eq!(seen.cells("transport"), ["tcp", "tcp"]);
    }

    #[test]
    fn a_client_that_closes_first_is_still_answered() {
        let seen =
            Script::new().orig(prefixed(QUERY)).end(Direction::Orig).resp(prefixed(ANSWER)).any_chunking::<Dns>();
        assert_eq!(seen.cell("rcode"), "NOERROR");
    }

    fn addresses(bytes: &[u8], query: &str) -> Vec<String> {
        let event = Event {
            service: Service::Dns,
            transport: Transport::Udp,
            sender: Direction::Resp,
            trans_id: 0,
            query_flags: 0,
            query: Some(query),
            qtype: Some(1),
            qclass: Some(1),
            query_at: None,
            response_at: None,
            response: Message::parse(bytes),
        };
        let mut out = Vec::new();
        event.addresses(&mut |r| out.push(format!("{} {} {} {}", r.name, r.canonical, r.addr, r.ttl)));
        out
    }

    #[test]
    fn addresses_follow_aliases_and_ignore_strangers() {
        assert_eq!(addresses(ANSWER, "WWW.example.com"), ["WWW.example.com cdn.example.com 192.0.2.7 60"]);
        assert!(addresses(ANSWER, "other.example.com").is_empty());
        let mut failed = ANSWER.to_vec();
        failed[3] = 0x83;
        assert!(addresses(&failed, "www.example.com").is_empty());
        for end in 12..ANSWER.len() {
            let _ = addresses(&ANSWER[..end], "www.example.com");
        }
    }

    #[test]
    fn aliases_in_a_circle_end() {
        let circle = b"\0\0\x84\0\0\0\0\x03\0\0\0\0\x01a\0\0\x05\0\x01\0\0\0\x09\0\x03\x01b\0\
            \x01b\0\0\x05\0\x01\0\0\0\x09\0\x03\x01a\0\x01b\0\0\x01\0\x01\0\0\0\x09\0\x04\x01\x02\x03\x04";
        assert!(addresses(circle, "a").len() <= 1);
    }

    const MDNS: &[u8] = b"\0\0\x84\0\0\0\0\x02\0\0\0\x02\
        \x04_ipp\x04_tcp\x05local\0\0\x0c\0\x01\0\0\x11\x94\0\x07\x04B\xc3\xbcr\xc0\x0c\
        \xc0\x27\0\x10\x80\x01\0\0\x11\x94\0\x09\x08ty=HP 42\
        \xc0\x27\0\x21\x80\x01\0\0\0\x78\0\x0a\0\0\0\0\x02\x77\x01p\xc0\x16\
        \x01p\xc0\x16\0\x01\x80\x01\0\0\0\x78\0\x04\x0a\0\0\x05";

    #[test]
    fn multicast_announcements() {
        let seen = Script::new().orig(MDNS).datagrams::<Mdns>();
        assert_eq!(seen.cell("service"), "mdns");
        assert_eq!(seen.cell("query"), "-");
        assert_eq!(seen.cell("answer_types"), "[PTR,TXT,SRV,A]");
        assert_eq!(seen.cell("answer_names"), "[_ipp._tcp.local,Bür._ipp._tcp.local,Bür._ipp._tcp.local,p.local]");
        let event = Event {
            service: Service::Mdns,
            transport: Transport::Udp,
            sender: Direction::Orig,
            trans_id: 0,
            query_flags: 0,
            query: None,
            qtype: None,
            qclass: None,
            query_at: None,
            response_at: None,
            response: Message::parse(MDNS),
        };
        let mut got = Vec::new();
        event.announced(&mut |a| got.push(format!("{a:?}")));
        assert_eq!(
            got,
            [
                r#"Instance { service: "_ipp._tcp.local", instance: "Bür._ipp._tcp.local" }"#,
                r#"Attribute { instance: "Bür._ipp._tcp.local", item: [116, 121, 61, 72, 80, 32, 52, 50] }"#,
                r#"Server { instance: "Bür._ipp._tcp.local", host: "p.local", port: 631 }"#,
                r#"Host { host: "p.local", addr: Addr([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 5]) }"#,
            ]
        );
    }

    #[test]
    fn a_multicast_question_has_a_row_each_and_its_class_bit_is_none_of_the_class() {
        let ask = b"\0\0\0\0\0\x02\0\0\0\0\0\0\x04_ipp\x04_tcp\x05local\0\0\x0c\x80\x01\x01x\xc0\x16\0\x1c\0\x01";
        let seen = Script::new().orig(ask).datagrams::<Mdns>();
        assert_eq!(seen.cells("query"), ["_ipp._tcp.local", "x.local"]);
        assert_eq!(seen.cells("qclass"), ["IN", "IN"]);
        assert_eq!(seen.cells("rcode"), ["-", "-"]);
    }

    #[test]
    fn probes() {
        assert_eq!(Dns::probe(Direction::Orig, QUERY), Probe::Yes);
        assert_eq!(Dns::probe(Direction::Resp, ANSWER), Probe::Yes);
        assert_eq!(Mdns::probe(Direction::Orig, MDNS), Probe::Yes);
        assert_eq!(Llmnr::probe(Direction::Orig, QUERY), Probe::Yes);
        assert_eq!(probe_all::<Dns>(Direction::Orig, &prefixed(QUERY)), Probe::Yes);
        let mut reserved = QUERY.to_vec();
        reserved[3] = 0x40;
        assert_eq!(Dns::probe(Direction::Orig, &reserved), Probe::No);
        let netbios = b"\x12\x34\x01\x10\0\x01\0\0\0\0\0\0\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0\x21\0\x01";
        assert_eq!(Dns::probe(Direction::Orig, netbios), Probe::No);
        let root = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01";
        assert_eq!(Dns::probe(Direction::Orig, root), Probe::Yes);
        assert_eq!(Dns::probe(Direction::Orig, &[root.as_slice(), b"more"].concat()), Probe::No);
        assert_eq!(Dns::probe(Direction::Orig, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Probe::No);
        assert_eq!(Dns::probe(Direction::Orig, &[0; 64]), Probe::No);
    }

    #[test]
    fn random_datagrams_are_not_taken_for_dns() {
        let mut taken = 0;
        for n in 0..100_000_u64 {
            let bytes: Vec<u8> = (0..8).flat_map(|w| crate::base::hash::mix(n, w).to_le_bytes()).collect();
            taken += u32::from(Dns::probe(Direction::Orig, &bytes) == Probe::Yes);
            taken += u32::from(Mdns::probe(Direction::Orig, &bytes) == Probe::Yes);
        }
        assert_eq!(taken, 0);
    }

    #[test]
    fn a_flood_of_questions_is_bounded_and_none_is_lost() {
        let mut script = Script::new();
        for n in 0..200_u16 {
            let mut query = QUERY.to_vec();
            query[..2].copy_from_slice(&n.to_be_bytes());
            script = script.orig(query);
        }
        assert_eq!(script.datagrams::<Dns>().rows.len(), 200);
    }

    #[test]
    fn garbage_first_is_a_violation_and_later_is_passed_over() {
        assert!(matches!(Script::new().orig([1, 2]).datagrams::<Dns>().stopped, Some(Progress::Violation(_))));
        let seen = Script::new().orig(QUERY).orig([1, 2]).resp(ANSWER).datagrams::<Dns>();
        assert_eq!((seen.stopped, seen.rows.len()), (None, 1));
    }

    #[test]
    fn a_multicast_response_says_what_the_device_is() {
        // PTR _ipp._tcp.local, then a TXT of the instance; an address only in the second message.
        let mut m =
            b"\0\0\x84\0\0\0\0\x02\0\0\0\0\x04_ipp\x04_tcp\x05local\0\0\x0c\0\x01\0\0\0\x78\0\x06\x03Prn\xc0\x0c\
            \xc0\x27\0\x10\0\x01\0\0\0\x78\0\x18\x09ty=X 400 \x0dusb_MFG=Maker"
                .to_vec();
        let want =
            ["service=Prn._ipp._tcp.local", "txt=ty=X 400 ", "model=X 400 ", "txt=usb_MFG=Maker", "vendor=Maker"];
        assert_eq!(crate::proto::testing::facts_of::<Mdns>(Direction::Orig, &m), want);
        m[7] = 3;
        m.extend(b"\x03prn\xc0\x16\0\x01\0\x01\0\0\0\x78\0\x04\xc0\0\x02\x01");
        let facts = crate::proto::testing::facts_of::<Mdns>(Direction::Orig, &m);
        assert_eq!(facts[0], "hostname=prn.local");
        assert_eq!(facts[1..], want);
        // Withdrawn: nothing is said.
        m[7] = 1;
        m[34..38].fill(0);
        assert!(crate::proto::testing::facts_of::<Mdns>(Direction::Orig, &m).is_empty());
    }
}
