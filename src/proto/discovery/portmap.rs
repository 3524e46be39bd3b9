//! NAT-PMP (RFC 6886) and the Port Control Protocol (RFC 6887): a device asks its router for a hole to
//! the inside.

use std::collections::VecDeque;
use std::marker::PhantomData;

use crate::base::secret::Reveal;
use crate::base::{Addr, ReadError, Reader, Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table of both.
pub static TABLE: Table = Table {
    name: "portmap",
    doc: "One request for a port mapping, or the answer to one",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("service", Type::Text, "nat-pmp or pcp"),
        Column::repeating("message", Type::Text, "request or response"),
        Column::repeating("operation", Type::Text, "external-address, map, peer or announce"),
        Column::repeating("result", Type::Text, "Result of the request, SUCCESS where it was granted"),
        Column::repeating("protocol", Type::Text, "tcp, udp, all, or a number"),
        Column::repeating("internal_ip", Type::Text, "Address inside that asks, as the request says (PCP)"),
        Column::repeating("internal_port", Type::Int32, "Port inside; 0 for all"),
        Column::repeating("external_ip", Type::Text, "Address outside, asked for or given"),
        Column::repeating("external_port", Type::Int32, "Port outside, asked for or given"),
        Column::repeating("peer_ip", Type::Text, "Remote address that the mapping is for (PCP)"),
        Column::repeating("peer_port", Type::Int32, "Remote port"),
        Column::new("lifetime_s", Type::Int64, "Life of the mapping in seconds; 0 takes it away"),
        Column::new("epoch_s", Type::Int64, "Seconds since the router lost its mappings"),
    ],
};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Operation {
    /// The address outside.
    #[default]
    ExternalAddress,
    /// A mapping for whoever comes.
    Map,
    /// A mapping for one remote peer.
    Peer,
    /// The router began anew.
    Announce,
}

/// One message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Event {
    /// Name of the service.
    pub service: &'static str,
    /// What it is about.
    pub operation: Operation,
    /// Result code of an answer; `None` in a request.
    pub result: Option<u8>,
    /// IP protocol number of the mapping.
    pub protocol: Option<u8>,
    /// Address inside.
    pub internal_ip: Option<Addr>,
    /// Port inside.
    pub internal_port: Option<u16>,
    /// Address outside.
    pub external_ip: Option<Addr>,
    /// Port outside.
    pub external_port: Option<u16>,
    /// Remote end.
    pub peer: Option<(Addr, u16)>,
    /// Life in seconds.
    pub lifetime_s: Option<u32>,
    /// Seconds since the router began.
    pub epoch_s: Option<u32>,
    /// Set where this is a request that was not answered until the flow ended: it has had its row.
    pub unanswered_at: Option<(Timestamp, u64)>,
}

impl Event {
    /// Whether it asks for, or grants, a mapping that lets others in.
    pub fn opens(&self) -> bool {
        self.operation == Operation::Map && self.lifetime_s.is_some_and(|s| s > 0)
    }

    /// The mapping in words: `tcp port 22 of the outside to port 22 inside`.
    pub fn words(&self) -> String {
        let port = |p: Option<u16>| p.filter(|p| *p != 0).map_or("any port".to_owned(), |p| format!("port {p}"));
        let protocol = self.protocol.map(protocol_name).unwrap_or_default();
        format!("{protocol} {} outside to {} inside", port(self.external_port), port(self.internal_port))
    }

    fn nat_pmp(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut r = Reader::new(bytes);
        if r.u8("version")? != 0 {
            return Err(ReadError::invalid("version"));
        }
        let code = r.u8("opcode")?;
        let mut event = Self { service: "nat-pmp", ..Self::default() };
        if code & 0x80 != 0 {
            event.result = Some(u8::try_from(r.be16("result")?).map_err(|_| ReadError::invalid("result"))?);
            event.epoch_s = Some(r.be32("epoch")?);
        }
        match code & 0x7f {
            0 => {
                // A failure may leave the address out.
                if event.result == Some(0) {
                    event.external_ip = Some(Addr::v4(r.array("address")?));
                }
            }
            op @ (1 | 2) => {
                if event.result.is_none() && r.be16("reserved")? != 0 {
                    return Err(ReadError::invalid("reserved"));
                }
                event.operation = Operation::Map;
                event.protocol = Some(if op == 1 { 17 } else { 6 });
                if event.result.is_none_or(|result| result == 0) {
                    event.internal_port = Some(r.be16("internal port")?);
                    event.external_port = Some(r.be16("external port")?);
                    event.lifetime_s = Some(r.be32("lifetime")?);
                }
            }
            _ => return Err(ReadError::invalid("opcode")),
        }
        let failed = event.result.is_some_and(|r| r != 0);
        if event.result.is_some_and(|r| r > 5) || !(failed || r.is_empty()) {
            return Err(ReadError::invalid("length"));
        }
        Ok(event)
    }

    fn pcp(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut r = Reader::new(bytes);
        if r.u8("version")? != 2 || bytes.len() > 1100 || !bytes.len().is_multiple_of(4) {
            return Err(ReadError::invalid("version, length"));
        }
        let code = r.u8("opcode")?;
        let mut event = Self { service: "pcp", ..Self::default() };
        let [high, result]: [u8; 2] = r.array("reserved, result")?;
        let lifetime = r.be32("lifetime")?;
        if code & 0x80 == 0 {
            event.internal_ip = Some(Addr(r.array("client address")?));
        } else {
            event.result = Some(result);
            event.epoch_s = Some(r.be32("epoch")?);
            r.skip("reserved", 12)?;
        }
        if high != 0 || result > 13 || code & 0x80 == 0 && result != 0 {
            return Err(ReadError::invalid("reserved, result"));
        }
        event.operation = match code & 0x7f {
            0 => Operation::Announce,
            1 => Operation::Map,
            2 => Operation::Peer,
            _ => return Err(ReadError::invalid("opcode")),
        };
        if event.operation != Operation::Announce {
            event.lifetime_s = Some(lifetime);
            r.skip("nonce", 12)?;
            event.protocol = Some(r.u8("protocol")?);
            r.skip("reserved", 3)?;
            event.internal_port = Some(r.be16("internal port")?);
            event.external_port = Some(r.be16("external port")?);
            event.external_ip = Some(Addr(r.array("external address")?)).filter(|a| !is_any(*a));
            if event.operation == Operation::Peer {
                let port = r.be16("peer port")?;
                r.skip("reserved", 2)?;
                event.peer = Some((Addr(r.array("peer address")?), port));
            }
        }
        Ok(event)
    }

    /// Whether an answer is to this request.
    fn answers(&self, request: &Self) -> bool {
        self.operation == request.operation
            && self.protocol == request.protocol
            && (self.internal_port.is_none() || self.internal_port == request.internal_port)
    }
}

/// Whether an address means that any will do.
fn is_any(ip: Addr) -> bool {
    ip.is_unspecified() || ip == Addr::v4([0; 4])
}

fn protocol_name(number: u8) -> std::borrow::Cow<'static, str> {
    match number {
        0 => "all".into(),
        6 => "tcp".into(),
        17 => "udp".into(),
        n => n.to_string().into(),
    }
}

fn result_name(service: &str, code: u8) -> Option<&'static str> {
    const NAT_PMP: [&str; 6] =
        ["SUCCESS", "UNSUPP_VERSION", "NOT_AUTHORIZED", "NETWORK_FAILURE", "OUT_OF_RESOURCES", "UNSUPP_OPCODE"];
    const PCP: [&str; 14] = [
        "SUCCESS",
        "UNSUPP_VERSION",
        "NOT_AUTHORIZED",
        "MALFORMED_REQUEST",
        "UNSUPP_OPCODE",
        "UNSUPP_OPTION",
        "MALFORMED_OPTION",
        "NETWORK_FAILURE",
        "NO_RESOURCES",
        "UNSUPP_PROTOCOL",
        "USER_EX_QUOTA",
        "CANNOT_PROVIDE_EXTERNAL",
        "ADDRESS_MISMATCH",
        "EXCESSIVE_REMOTE_PEERS",
    ];
    let names: &[&str] = if service == "pcp" { &PCP } else { &NAT_PMP };
    names.get(usize::from(code)).copied()
}

impl crate::proto::api::Event for Event {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        self.unanswered_at
    }

    fn has_row(&self) -> bool {
        self.unanswered_at.is_none()
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        row.text(self.service).text(if self.result.is_some() { "response" } else { "request" });
        row.text(match self.operation {
            Operation::ExternalAddress => "external-address",
            Operation::Map => "map",
            Operation::Peer => "peer",
            Operation::Announce => "announce",
        });
        match self.result {
            Some(code) => match result_name(self.service, code) {
                Some(name) => row.text(name),
                None => row.text(&format!("RESULT{code}")),
            },
            None => row.null(),
        };
        row.opt_text(self.protocol.map(protocol_name).as_deref());
        let addr = |row: &mut RowWriter<'_>, ip: Option<Addr>| match ip {
            Some(ip) => _ = row.addr(ip),
            None => _ = row.null(),
        };
        addr(row, self.internal_ip);
        row.opt_int(self.internal_port);
        addr(row, self.external_ip);
        row.opt_int(self.external_port);
        addr(row, self.peer.map(|p| p.0));
        row.opt_int(self.peer.map(|p| p.1)).opt_int(self.lifetime_s).opt_int(self.epoch_s);
    }
}

/// What tells the two apart at compile time.
pub trait Version: Default + Send + 'static {
    /// What is fixed about it.
    const SPEC: Spec;
    /// Reads a message.
    fn parse(bytes: &[u8]) -> Result<Event, ReadError>;
}

/// Marks NAT-PMP.
#[derive(Debug, Default)]
pub struct Zero;

/// Marks PCP.
#[derive(Debug, Default)]
pub struct Two;

const YIELDS: &str = "port mappings asked for and granted, the address outside";

impl Version for Zero {
    const SPEC: Spec = Spec {
        name: "nat-pmp",
        title: "NAT-PMP",
        transports: &[Transport::Udp],
        ports: &[5351, 5350],
        // Two zeros are a whole request.
        port_bound: true,
        reference: "RFC 6886",
        table: Some(&TABLE),
        yields: YIELDS,
        ..Spec::EMPTY
    };

    fn parse(bytes: &[u8]) -> Result<Event, ReadError> {
        Event::nat_pmp(bytes)
    }
}

impl Version for Two {
    const SPEC: Spec = Spec {
        name: "pcp",
        title: "Port Control Protocol",
        transports: &[Transport::Udp],
        ports: &[5351, 5350],
        port_bound: true,
        reference: "RFC 6887",
        table: Some(&TABLE),
        yields: YIELDS,
        ..Spec::EMPTY
    };

    fn parse(bytes: &[u8]) -> Result<Event, ReadError> {
        Event::pcp(bytes)
    }
}

/// NAT-PMP.
pub type NatPmp = Parser<Zero>;
/// The Port Control Protocol.
pub type Pcp = Parser<Two>;

/// Follows one flow: remembers the mappings that were asked for until they are answered.
#[derive(Debug, Default)]
pub struct Parser<V> {
    pending: VecDeque<(Event, (Timestamp, u64))>,
    understood: bool,
    version: PhantomData<V>,
}

impl<V: Version> AppParser for Parser<V> {
    const SPEC: Spec = V::SPEC;
    type Event<'e> = Event;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        if V::parse(payload).is_ok() { Probe::Yes } else { Probe::No }
    }

    fn on_data(&mut self, cx: Cx<'_>, _dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event)) -> Progress {
        let Ok(event) = V::parse(bytes) else {
            // A router of the other version answers in its own way.
            return if self.understood { Progress::Done } else { Progress::Violation("not a port mapping message") };
        };
        self.understood = true;
        if event.result.is_some() {
            self.pending.retain(|(request, _)| !event.answers(request));
        } else if event.opens() {
            self.pending.retain(|(request, _)| !event.answers(request));
            if self.pending.len() >= limits::PORTMAP_PENDING_MAX {
                self.pending.pop_front();
                cx.limit_hit();
            }
            self.pending.push_back((event, (cx.ts, cx.packet)));
        }
        emit(event);
        Progress::Done
    }

    fn on_end(&mut self, _cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: &mut dyn FnMut(Event)) {
        for (request, at) in std::mem::take(&mut self.pending) {
            emit(Event { unanswered_at: Some(at), ..request });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::Script;

    #[test]
    fn nat_pmp_asks_for_the_address_and_a_mapping() {
        let seen = Script::new()
            .orig([0, 0])
            .resp([0, 128, 0, 0, 0, 0, 0, 9, 203, 0, 113, 7])
            .orig([0, 2, 0, 0, 0, 22, 8, 0, 0, 0, 14, 16])
            .resp([0, 130, 0, 0, 0, 0, 0, 9, 0, 22, 8, 1, 0, 0, 14, 16])
            .datagrams::<NatPmp>();
        assert_eq!(seen.cells("operation"), ["external-address", "external-address", "map", "map"]);
        assert_eq!(seen.cells("message"), ["request", "response", "request", "response"]);
        assert_eq!(seen.cells("external_ip"), ["-", "203.0.113.7", "-", "-"]);
        assert_eq!(seen.cells("internal_port"), ["-", "-", "22", "22"]);
        assert_eq!(seen.cells("external_port"), ["-", "-", "2048", "2049"]);
        assert_eq!(seen.cells("lifetime_s"), ["-", "-", "3600", "3600"]);
        assert_eq!(seen.cells("result"), ["-", "SUCCESS", "-", "SUCCESS"]);
        assert_eq!(seen.events.len(), 4, "the answer came: nothing waits");
    }

    #[test]
    fn a_request_without_an_answer_is_told_at_the_end() {
        let seen = Script::new().orig([0, 1, 0, 0, 0, 22, 8, 0, 0, 0, 14, 16]).datagrams::<NatPmp>();
        assert_eq!((seen.rows.len(), seen.events.len()), (1, 2));
        assert!(seen.events[1].contains("unanswered_at: Some"), "{:?}", seen.events[1]);
        // Refused, and taken away: nothing to tell.
        let refused = [0, 129, 0, 2, 0, 0, 0, 9, 0, 22, 0, 0, 0, 0, 0, 0];
        let seen = Script::new().orig([0, 1, 0, 0, 0, 22, 8, 0, 0, 0, 14, 16]).resp(refused).datagrams::<NatPmp>();
        assert_eq!((seen.events.len(), seen.cells("result")[1].as_str()), (2, "NOT_AUTHORIZED"));
        let seen = Script::new().orig([0, 1, 0, 0, 0, 22, 0, 0, 0, 0, 0, 0]).datagrams::<NatPmp>();
        assert_eq!(seen.events.len(), 1);
    }

    #[test]
    fn pcp_maps() {
        let mut request = vec![2, 1, 0, 0, 0, 0, 0x1c, 0x20];
        request.extend(Addr::v4([10, 0, 0, 5]).0);
        let mut map = vec![7; 12];
        map.extend([6, 0, 0, 0, 0x1f, 0x90, 0, 0]);
        map.extend(Addr::v4([0; 4]).0);
        request.extend(&map);
        let mut answer = vec![2, 0x81, 0, 0, 0, 0, 0x1c, 0x20, 0, 0, 0, 5];
        answer.extend([0; 12]);
        map[18..20].copy_from_slice(&[0x9c, 0x40]);
        map.truncate(20);
        map.extend(Addr::v4([203, 0, 113, 7]).0);
        answer.extend(&map);
        let seen = Script::new().orig(&request).resp(&answer).datagrams::<Pcp>();
        assert_eq!(seen.cells("internal_ip"), ["10.0.0.5", "-"]);
        assert_eq!(seen.cells("protocol"), ["tcp", "tcp"]);
        assert_eq!(seen.cells("internal_port"), ["8080", "8080"]);
        assert_eq!(seen.cells("external_port"), ["0", "40000"]);
        assert_eq!(seen.cells("external_ip"), ["-", "203.0.113.7"]);
        assert_eq!(seen.cells("lifetime_s"), ["7200", "7200"]);
        assert_eq!(Pcp::probe(Direction::Orig, &request), Probe::Yes);
        assert_eq!(NatPmp::probe(Direction::Orig, &request), Probe::No);
        for end in 0..request.len() {
            assert_eq!(Pcp::probe(Direction::Orig, &request[..end]), Probe::No, "{end}");
        }
    }

    #[test]
    fn requests_that_nobody_answers_are_bounded() {
        let mut script = Script::new();
        for n in 0..limits::PORTMAP_PENDING_MAX as u8 + 5 {
            script = script.orig([0, 1, 0, 0, 1, n, 8, 0, 0, 0, 14, 16]);
        }
        let seen = script.datagrams::<NatPmp>();
        assert_eq!(seen.events.len() - seen.rows.len(), limits::PORTMAP_PENDING_MAX);
    }
}
