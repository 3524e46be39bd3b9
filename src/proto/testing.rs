//! A small engine for tests: feeds a script of bytes to one parser as the stream layer would, in
//! pieces of any size, and keeps what comes out as text.
//!
//! ```ignore
//! let seen = Script::new().orig(b"USER a\r\n").resp(b"331 ok\r\n").any_chunking::<Ftp>();
//! assert_eq!(seen.cells("mechanism"), ["plain"]);
//! ```

use std::fmt::Debug;

use super::api::{AppParser, Cx, Direction, Event, FlowView, LimitCount, Probe, Progress, Transport};
use crate::base::secret::Reveal;
use crate::base::{Addr, Mac, Timestamp, limits};
use crate::record::{RowBuffer, Type, Value, ValueReader};

/// What happens to the flow, in order. A step is a packet: the first one has number 1, and its
/// time is that many seconds.
#[derive(Debug, Clone)]
enum Step {
    Data(Direction, Vec<u8>),
    Gap(Direction, u64),
    End(Direction),
}

/// A flow to be played to a parser.
#[derive(Debug, Clone, Default)]
pub struct Script {
    steps: Vec<Step>,
    midstream: bool,
}

/// What came out of a parser.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// `Debug` of each event, with its moment before it where it names one.
    pub events: Vec<String>,
    /// The rows: `(column, value)` of the cells that are not null.
    pub rows: Vec<Vec<(&'static str, String)>>,
    /// `Debug` of each login; the secret in it is blanked by its type.
    pub logins: Vec<String>,
    /// Certificates that others than TLS show: who, and the bytes in hex, one behind the other.
    pub presented: Vec<String>,
    /// Server names with their source.
    pub names: Vec<(&'static str, String)>,
    /// Why the parser stopped early: `Finished` or `Violation`.
    pub stopped: Option<Progress>,
}

impl Seen {
    /// The values of a column in all rows; `-` where null.
    pub fn cells(&self, column: &str) -> Vec<String> {
        self.rows
            .iter()
            .map(|row| row.iter().find(|(name, _)| *name == column).map_or("-".to_owned(), |(_, value)| value.clone()))
            .collect()
    }

    /// The value of a column in the only row; `-` where null.
    #[track_caller]
    pub fn cell(&self, column: &str) -> String {
        assert_eq!(self.rows.len(), 1, "one row was expected: {:#?}", self.rows);
        self.cells(column).concat()
    }
}

impl Script {
    /// An empty flow.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet of the originator.
    pub fn orig(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.steps.push(Step::Data(Direction::Orig, bytes.as_ref().to_vec()));
        self
    }

    /// A packet of the responder.
    pub fn resp(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.steps.push(Step::Data(Direction::Resp, bytes.as_ref().to_vec()));
        self
    }

    /// Bytes that never came.
    pub fn gap(mut self, dir: Direction, missing: u64) -> Self {
        self.steps.push(Step::Gap(dir, missing));
        self
    }

    /// The beginning of the flow was missed.
    pub fn midstream(mut self) -> Self {
        self.midstream = true;
        self
    }

    /// The end of one direction (FIN) before that of the flow.
    pub fn end(mut self, dir: Direction) -> Self {
        self.steps.push(Step::End(dir));
        self
    }

    /// Plays the flow over TCP, every packet whole.
    pub fn run<P>(&self) -> Seen
    where
        P: AppParser,
        for<'e> P::Event<'e>: Debug,
    {
        self.play::<P>(Transport::Tcp, |_| usize::MAX)
    }

    /// Plays the flow over TCP in pieces of one size.
    pub fn pieces<P>(&self, size: usize) -> Seen
    where
        P: AppParser,
        for<'e> P::Event<'e>: Debug,
    {
        self.play::<P>(Transport::Tcp, |_| size)
    }

    /// Plays the flow over TCP whole, in single bytes and in pieces of several other sizes, and
    /// asserts that what comes out is the same each time.
    #[track_caller]
    pub fn any_chunking<P>(&self) -> Seen
    where
        P: AppParser,
        for<'e> P::Event<'e>: Debug,
    {
        let whole = self.run::<P>();
        for size in [1, 2, 3, 5, 7, 16, 61, 512] {
            let got = self.play::<P>(Transport::Tcp, |_| size);
            assert_eq!(whole, got, "pieces of {size} bytes against whole packets");
        }
        for seed in 1..=16_u64 {
            let got = self.play::<P>(Transport::Tcp, |n| 1 + (crate::base::hash::mix(seed, n) % 40) as usize);
            assert_eq!(whole, got, "pieces of random sizes, seed {seed}, against whole packets");
        }
        whole
    }

    /// Plays the flow over UDP: each packet is a datagram.
    pub fn datagrams<P>(&self) -> Seen
    where
        P: AppParser,
        for<'e> P::Event<'e>: Debug,
    {
        self.play::<P>(Transport::Udp, |_| usize::MAX)
    }

    fn play<P>(&self, transport: Transport, mut piece: impl FnMut(u64) -> usize) -> Seen
    where
        P: AppParser,
        for<'e> P::Event<'e>: Debug,
    {
        let flow = FlowView { transport, from_start: !self.midstream, ..flow() };
        let mut seen = Seen::default();
        let mut parser = P::default();
        let mut sides = [Side::default(), Side::default()];
        let mut pieces = 0;
        let mut packet = 0;
        for step in &self.steps {
            packet += 1;
            let cx = Cx {
                ts: Timestamp::from_parts(packet as i64, 0),
                packet,
                flow: &flow,
                limited: &LimitCount::default(),
            };
            match step {
                Step::Data(dir, bytes) if transport == Transport::Udp => {
                    if seen.stopped.is_none() {
                        let progress = parser.on_data(cx, *dir, bytes, &mut |e| seen.take(&P::SPEC, e));
                        if matches!(progress, Progress::Finished | Progress::Violation(_)) {
                            seen.stopped = Some(progress);
                        }
                    }
                }
                Step::Data(dir, bytes) => {
                    let mut rest = bytes.as_slice();
                    while !rest.is_empty() {
                        pieces += 1;
                        let (now, later) = rest.split_at(piece(pieces).clamp(1, rest.len()));
                        rest = later;
                        sides[dir.index()].push::<P>(&mut parser, cx, *dir, now, &mut seen);
                    }
                }
                Step::Gap(dir, missing) => sides[dir.index()].gap::<P>(&mut parser, cx, *dir, *missing, &mut seen),
                Step::End(dir) => sides[dir.index()].end::<P>(&mut parser, cx, *dir, &mut seen),
            }
        }
        let cx =
            Cx { ts: Timestamp::from_parts(packet as i64, 0), packet, flow: &flow, limited: &LimitCount::default() };
        for dir in [Direction::Orig, Direction::Resp] {
            sides[dir.index()].end::<P>(&mut parser, cx, dir, &mut seen);
        }
        seen
    }
}

/// The flow that scripts are played on, over UDP.
pub fn flow() -> FlowView {
    FlowView {
        flow_id: 1,
        capture: 0,
        orig_ip: Addr::v4([192, 0, 2, 1]),
        orig_port: 40_000,
        resp_ip: Addr::v4([198, 51, 100, 2]),
        resp_port: 1234,
        orig_mac: Mac([2, 0, 0, 0, 0, 1]),
        resp_mac: Mac([2, 0, 0, 0, 0, 2]),
        transport: Transport::Udp,
        from_start: true,
    }
}

/// What the events of one datagram say of devices, as `attribute=value`; empty values are left out.
pub fn facts_of<P: AppParser>(dir: Direction, datagram: &[u8]) -> Vec<String> {
    let flow = flow();
    let cx = Cx { ts: Timestamp::from_parts(1, 0), packet: 1, flow: &flow, limited: &LimitCount::default() };
    let mut out = Vec::new();
    P::default().on_data(cx, dir, datagram, &mut |e| {
        e.facts(&mut |f| {
            if !f.value.is_empty() {
                out.push(format!("{}={}", f.attribute, String::from_utf8_lossy(f.value)));
            }
        });
    });
    out
}

/// A flow as `tshark -z follow,tcp,raw,N` prints it: the two ends and what they sent.
#[derive(Debug, Clone)]
pub struct Followed {
    /// `address:port` of who sent first.
    pub orig: String,
    /// `address:port` of the other end.
    pub resp: String,
    /// What they sent.
    pub packets: Vec<(Direction, Vec<u8>)>,
}

impl Followed {
    /// The flow from a packet on.
    pub fn script(&self, from: usize) -> Script {
        let mut script = Script::new();
        for (dir, bytes) in &self.packets[from..] {
            // tshark writes a text where bytes are missing.
            let gap = bytes.starts_with(b"[") && bytes.ends_with(b" bytes missing in capture file]\0");
            script = match (gap, dir) {
                (true, dir) => script.gap(*dir, 1),
                (false, Direction::Orig) => script.orig(bytes),
                (false, Direction::Resp) => script.resp(bytes),
            };
        }
        script
    }

    /// The first packet of which `P` says that it is its protocol, taken from there on; how the
    /// engine finds a protocol behind another one is not the parser's business.
    pub fn script_of<P: AppParser>(&self) -> Option<Script> {
        let from = self.packets.iter().position(|(dir, bytes)| P::probe(*dir, bytes) != Probe::No)?;
        Some(self.script(from))
    }
}

/// Reads what tshark printed of any number of flows.
pub fn followed(text: &str) -> Vec<Followed> {
    let mut out: Vec<Followed> = Vec::new();
    for line in text.lines() {
        if let Some(orig) = line.strip_prefix("Node 0: ") {
            out.push(Followed { orig: orig.to_owned(), resp: String::new(), packets: Vec::new() });
            continue;
        }
        let Some(flow) = out.last_mut() else { continue };
        if let Some(resp) = line.strip_prefix("Node 1: ") {
            flow.resp = resp.to_owned();
            continue;
        }
        let (dir, digits) = match line.strip_prefix('\t') {
            Some(digits) => (Direction::Resp, digits),
            None => (Direction::Orig, line),
        };
        if digits.is_empty() || digits.len() % 2 != 0 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            continue;
        }
        let bytes = (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap());
        flow.packets.push((dir, bytes.collect()));
    }
    out
}

/// What `P` says of a payload, and of every shorter prefix of it: asserts that the answer never
/// changes once it is given.
#[track_caller]
pub fn probe_all<P: AppParser>(dir: Direction, payload: &[u8]) -> Probe {
    let mut said = Probe::NeedMore;
    for end in 1..=payload.len() {
        let now = P::probe(dir, &payload[..end]);
        assert!(said == Probe::NeedMore || now == said, "at {end} bytes the probe says {now:?} after {said:?}");
        said = now;
    }
    said
}

/// One direction of the stream.
#[derive(Debug, Default)]
struct Side {
    /// What the parser left, and what came since.
    kept: Vec<u8>,
    /// Bytes below which it is not asked again.
    needed: usize,
    /// Bytes that it does not want to see.
    skip: u64,
    ended: bool,
}

impl Side {
    fn push<P>(&mut self, parser: &mut P, cx: Cx<'_>, dir: Direction, bytes: &[u8], seen: &mut Seen)
    where
        P: AppParser,
        for<'e> P::Event<'e>: Debug,
    {
        if seen.stopped.is_some() || self.ended {
            return;
        }
        let passed = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= passed as u64;
        self.kept.extend_from_slice(&bytes[passed..]);
        while !self.kept.is_empty() && self.kept.len() >= self.needed {
            self.needed = 0;
            let progress = parser.on_data(cx, dir, &self.kept, &mut |e| seen.take(&P::SPEC, e));
            match progress {
                Progress::Done => self.kept.clear(),
                Progress::Partial { consumed, needed } => {
                    assert!(consumed <= self.kept.len(), "used more than was given");
                    assert!(
                        consumed > 0 || needed > self.kept.len(),
                        "used nothing of {} bytes and needs {needed}: would never get on",
                        self.kept.len()
                    );
                    assert!(needed <= limits::STREAM_BYTES_MAX, "needs {needed} bytes: more than is ever kept");
                    self.kept.drain(..consumed);
                    self.needed = needed;
                }
                Progress::Skip(skip) => {
                    self.kept.clear();
                    self.skip = skip;
                }
                Progress::Handover { consumed } => {
                    assert!(consumed <= self.kept.len(), "used more than was given");
                    // How much of a piece was used depends on the pieces.
                    seen.stopped = Some(Progress::Handover { consumed: 0 });
                    return;
                }
                Progress::Finished | Progress::Violation(_) => {
                    seen.stopped = Some(progress);
                    return;
                }
            }
        }
    }

    fn gap<P>(&mut self, parser: &mut P, cx: Cx<'_>, dir: Direction, missing: u64, seen: &mut Seen)
    where
        P: AppParser,
        for<'e> P::Event<'e>: Debug,
    {
        if seen.stopped.is_some() || self.ended {
            return;
        }
        let passed = self.skip.min(missing);
        self.skip -= passed;
        if missing > passed {
            self.kept.clear();
            self.needed = 0;
            let progress = parser.on_gap(cx, dir, missing - passed);
            if progress != Progress::Done {
                seen.stopped = Some(progress);
            }
        }
    }

    fn end<P>(&mut self, parser: &mut P, cx: Cx<'_>, dir: Direction, seen: &mut Seen)
    where
        P: AppParser,
        for<'e> P::Event<'e>: Debug,
    {
        if !std::mem::replace(&mut self.ended, true) {
            let rest = std::mem::take(&mut self.kept);
            parser.on_end(cx, dir, &rest, &mut |e| seen.take(&P::SPEC, e));
        }
    }
}

impl Seen {
    fn take<E: Event + Debug>(&mut self, spec: &super::api::Spec, event: E) {
        self.events.push(match event.moment() {
            Some((ts, packet)) => format!("@{}s#{packet} {event:?}", ts.seconds()),
            None => format!("{event:?}"),
        });
        self.presented.extend(
            event.presents().map(|p| format!("{:?} {}", p.sender, crate::fingerprint::hex(&p.chain.join(&b' ')))),
        );
        self.logins.extend(event.login().map(|l| format!("{l:?}")));
        self.names.extend(event.server_name().map(|(s, n)| (s, String::from_utf8_lossy(n).into_owned())));
        if event.has_row() {
            let table = event.table().or(spec.table).expect("an event that has a row has a table");
            let mut buffer = RowBuffer::default();
            event.write(&mut buffer.row(Timestamp(0), 0), Reveal::No);
            let row = buffer.index()[0];
            let mut values = buffer.values(&row);
            let cells = table.columns.iter().filter_map(|column| {
                let value = values.next_value().unwrap_or_else(|| panic!("no value for column {}", column.name));
                shown(value, column.ty, column.name, &mut values).map(|text| (column.name, text))
            });
            self.rows.push(cells.collect());
            assert_eq!(values.next_value(), None, "more values than columns in {}", table.name);
        }
    }
}

/// A cell as text; `None` for null. Panics where the value is not of the column's type.
fn shown(value: Value<'_>, ty: Type, column: &str, more: &mut ValueReader<'_>) -> Option<String> {
    Some(match (value, ty) {
        (Value::Null, _) => return None,
        (Value::Text(s), Type::Text) => s.to_owned(),
        (Value::Addr(a), Type::Text) => a.to_string(),
        (Value::Mac(m), Type::Text) => m.to_string(),
        (Value::Int(n), Type::Int32) => i32::try_from(n).expect(column).to_string(),
        (Value::Int(n), Type::Int64) => n.to_string(),
        (Value::Float(f), Type::Float64) => f.to_string(),
        (Value::Bool(b), Type::Bool) => b.to_string(),
        (Value::Time(t), Type::Time) => t.to_string(),
        (Value::List(len), Type::TextList | Type::Int32List | Type::Int64List) => {
            let item = match ty {
                Type::TextList => Type::Text,
                Type::Int32List => Type::Int32,
                _ => Type::Int64,
            };
            let items: Vec<String> = (0..len)
                .map(|_| {
                    let value = more.next_value().unwrap_or_else(|| panic!("list of {column} ends early"));
                    shown(value, item, column, more).unwrap_or_else(|| "null".to_owned())
                })
                .collect();
            format!("[{}]", items.join(","))
        }
        (value, ty) => panic!("{column} is {} and got {value:?}", ty.name()),
    })
}

/// Asserts that twice the input takes about twice the time: with quadratic work it would be four times. The best of
/// as many runs as it needs counts, as others use the machine.
#[cfg(test)] // it reads the clock
#[track_caller]
pub fn grows_evenly<T>(what: &str, count: usize, make: impl Fn(usize) -> T, work: impl Fn(&T)) {
    let inputs = [make(count), make(2 * count)];
    let mut best = [f64::MAX; 2];
    for round in 1..=100 {
        for (input, best) in inputs.iter().zip(&mut best) {
            let begun = std::time::Instant::now();
            work(input);
            *best = best.min(begun.elapsed().as_secs_f64());
        }
        if round >= 3 && best[1] < 3.0 * best[0] {
            return;
        }
    }
    panic!("{what}: {count} take {} s, twice as many {} s", best[0], best[1]);
}
