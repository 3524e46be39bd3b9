//! A flow for one parser: what each side sends, with holes and early ends.

use overhear::base::secret::Reveal;
use overhear::base::{Addr, Mac, Timestamp};
use overhear::proto::api::{Cx, Direction, FlowView, LimitCount, Progress, Transport};
use overhear::proto::registry::{Event, Parser, Protocol};
use overhear::record::RowBuffer;
use overhear::stream::{Budget, Chunk, StreamSide, Taken};

/// One step of a script: a byte that says what it is, two of length, and the bytes.
enum Step<'a> {
    Bytes(Direction, &'a [u8]),
    Gap(Direction, u16),
}

fn steps(bytes: &[u8]) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut rest = bytes;
    while let [op, low, high, tail @ ..] = rest {
        let dir = if op & 1 == 0 { Direction::Orig } else { Direction::Resp };
        let len = u16::from_le_bytes([*low, *high]);
        if op & 6 == 6 {
            rest = tail;
            steps.push(Step::Gap(dir, len.max(1)));
        } else {
            let (now, after) = tail.split_at(usize::from(len).min(tail.len()));
            rest = after;
            steps.push(Step::Bytes(dir, now));
        }
    }
    steps
}

/// Appends a step with bytes to a script.
pub fn append(script: &mut Vec<u8>, responder: bool, bytes: &[u8]) {
    for part in bytes.chunks(usize::from(u16::MAX)) {
        script.push(u8::from(responder));
        script.extend_from_slice(&(part.len() as u16).to_le_bytes());
        script.extend_from_slice(part);
    }
}

/// What came of a flow, as text.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    events: Vec<String>,
    stopped: bool,
}

impl Seen {
    fn take(&mut self, event: &Event<'_>) {
        let mut text = format!("{:?}", event.moment());
        if event.table().is_some() {
            let mut rows = RowBuffer::default();
            event.write(&mut rows.row(Timestamp::MIN, 0), Reveal::No);
            text += &shown(&rows).concat();
        }
        if let Some(login) = event.login() {
            text += &format!(" login {login:?}");
        }
        if let Some((source, name)) = event.server_name() {
            text += &format!(" {source} {}", String::from_utf8_lossy(name));
        }
        self.events.push(text);
    }
}

/// Rows as text.
pub fn shown(rows: &RowBuffer) -> Vec<String> {
    let ends = rows.index().iter().skip(1).map(|r| r.start).chain([rows.value_bytes() as u32]);
    // Sorted rows no longer lie one behind the other: the next start is the end.
    let mut starts: Vec<u32> = rows.index().iter().map(|r| r.start).chain(ends).collect();
    starts.sort_unstable();
    let row = |start: u32| {
        let end = starts.iter().copied().find(|s| *s > start).unwrap_or(start);
        let mut at = start;
        let mut text = String::new();
        while at < end {
            let (value, next) = rows.raw_at(at).expect("a row can be read back");
            text += &format!("{value:?} ");
            at = next;
        }
        text
    };
    rows.index().iter().map(|r| row(r.start)).collect()
}

struct Player<'a> {
    parser: Parser,
    view: &'a FlowView,
    seen: Seen,
    done: bool,
}

impl Player<'_> {
    fn judge(&mut self, progress: Progress, given: usize) -> Taken {
        match progress {
            Progress::Done => Taken::All,
            Progress::Partial { consumed, needed } => {
                assert!(consumed <= given, "a parser uses no more than it was given");
                Taken::Some { consumed, needed }
            }
            Progress::Skip(bytes) => Taken::Skip(bytes),
            Progress::Finished | Progress::Violation(_) | Progress::Handover { .. } => {
                if let Progress::Handover { consumed } = progress {
                    assert!(consumed <= given, "a parser uses no more than it was given");
                }
                self.done = true;
                self.seen.stopped = true;
                Taken::Stop
            }
        }
    }

    fn read(&mut self, dir: Direction, chunk: Chunk<'_>, packet: u64) -> Taken {
        if self.done {
            return Taken::Stop;
        }
        let cx = Cx {
            ts: Timestamp::from_parts(packet as i64, 0),
            packet,
            flow: self.view,
            limited: &LimitCount::default(),
        };
        let Self { parser, seen, .. } = self;
        match chunk {
            Chunk::Bytes(bytes) => {
                let progress = parser.on_data(cx, dir, bytes, &mut |e| seen.take(&e));
                self.judge(progress, bytes.len())
            }
            Chunk::Gap(missing) => {
                let progress = parser.on_gap(cx, dir, missing);
                self.judge(progress, 0)
            }
        }
    }
}

/// Plays a script to a parser in pieces of at most so many bytes.
fn play(protocol: Protocol, transport: Transport, steps: &[Step<'_>], most: usize) -> Seen {
    let view = FlowView {
        flow_id: 1,
        capture: 0,
        orig_ip: Addr::v4([192, 0, 2, 1]),
        orig_port: 40_000,
        resp_ip: Addr::v4([198, 51, 100, 2]),
        resp_port: 1234,
        orig_mac: Mac([2, 0, 0, 0, 0, 1]),
        resp_mac: Mac([2, 0, 0, 0, 0, 2]),
        transport,
        from_start: true,
    };
    let mut player = Player { parser: protocol.parser(), view: &view, seen: Seen::default(), done: false };
    let mut budget = Budget::new(8 << 20);
    let mut sides = [StreamSide::default(), StreamSide::default()];
    let mut at = [0u32; 2];
    let mut packet = 0;
    for step in steps {
        packet += 1;
        match *step {
            Step::Bytes(dir, bytes) if transport == Transport::Udp => {
                player.read(dir, Chunk::Bytes(bytes), packet);
            }
            Step::Bytes(dir, bytes) => {
                for piece in bytes.chunks(most) {
                    let seq = &mut at[dir.index()];
                    sides[dir.index()]
                        .push(*seq, piece, piece.len(), &mut budget, &mut |chunk| player.read(dir, chunk, packet));
                    *seq = seq.wrapping_add(piece.len() as u32);
                }
            }
            Step::Gap(dir, missing) if transport == Transport::Tcp => {
                let seq = &mut at[dir.index()];
                sides[dir.index()]
                    .push(*seq, &[], usize::from(missing), &mut budget, &mut |chunk| player.read(dir, chunk, packet));
                *seq = seq.wrapping_add(u32::from(missing));
            }
            Step::Gap(..) => {}
        }
    }
    for (side, dir) in sides.iter_mut().zip([Direction::Orig, Direction::Resp]) {
        side.finish(&mut budget, &mut |chunk| player.read(dir, chunk, packet));
    }
    let cx = Cx { ts: Timestamp::from_parts(packet as i64, 0), packet, flow: &view, limited: &LimitCount::default() };
    for (side, dir) in sides.iter_mut().zip([Direction::Orig, Direction::Resp]) {
        let seen = &mut player.seen;
        player.parser.on_end(cx, dir, side.unused(), &mut |e| seen.take(&e));
        side.release(&mut budget);
    }
    assert_eq!(budget.used(), 0, "all memory was given back");
    player.seen
}

/// Bytes of one direction up to which the pieces that a stream comes in make no difference. Above
/// it, the stream layer lets a parser that leaves everything unused wait for more.
const SAME_UP_TO: usize = 4000;

/// A flow for one parser, over each transport that it has. Over TCP the same comes out for pieces of
/// any size, unless bytes are missing.
pub fn protocol(protocol: Protocol, bytes: &[u8]) {
    let steps = steps(bytes);
    for dir in [Direction::Orig, Direction::Resp] {
        let _ = protocol.probe(dir, bytes);
    }
    for transport in protocol.spec().transports {
        let whole = play(protocol, *transport, &steps, usize::MAX);
        let sent: usize = steps.iter().map(|s| if let Step::Bytes(_, b) = s { b.len() } else { 0 }).sum();
        if *transport == Transport::Tcp && sent <= SAME_UP_TO {
            // Behind a gap, a parser looks for the next message where a segment begins.
            let whole_stream = !steps.iter().any(|s| matches!(s, Step::Gap(..)));
            for most in [1, 7] {
                let pieces = play(protocol, *transport, &steps, most);
                assert!(
                    !whole_stream || whole == pieces,
                    "{}: pieces of {most} bytes against whole ones:\n{pieces:?}\n{whole:?}",
                    protocol.spec().name
                );
            }
        }
    }
}
