//! TLS that runs in the messages of another protocol: in the prelogin of SQL Server, in EAP, in the control
//! channel of OpenVPN, in the tokens of FTP, in JXTA, and in RDP over UDP, which has DTLS too. The parser of
//! the outer protocol takes the bytes out of its framing
//! ([`AppParser::take_wrapped`](crate::proto::api::AppParser::take_wrapped)), and the parser of TLS reads them
//! as it would those of a connection.

use super::emit::Emitter;
use super::reader::begins_hello;
use super::unread::Unread;
use crate::base::{Timestamp, limits};
use crate::proto::api::{Cx, Direction, FlowView, LimitCount, Progress, Wrapped};
use crate::proto::registry::{Parser, Protocol};
use crate::stream::Taken;

/// One conversation of TLS within a flow.
struct Inner {
    session: u64,
    parser: Parser,
    /// What is not read yet of each direction.
    unread: [Unread; 2],
    done: bool,
    had_event: bool,
    /// The flow, or the link, and when something was heard of it last.
    view: FlowView,
    at: (Timestamp, u64),
}

/// The conversations of TLS within one flow, or one link.
#[derive(Default)]
pub(super) struct WrappedTls {
    list: Vec<Inner>,
}

impl WrappedTls {
    /// Bytes of memory.
    pub(super) fn size(&self) -> usize {
        let unread = |i: &Inner| i.unread.iter().map(Unread::heap).sum::<usize>();
        self.list.iter().map(|i| size_of::<Inner>() + i.parser.size() + unread(i)).sum()
    }

    /// Reads what an outer parser has found. The oldest conversation makes room for a new one.
    pub(super) fn read(&mut self, cx: Cx<'_>, found: &Wrapped, emit: &mut Emitter<'_>) {
        let at = match self.list.iter().position(|i| i.session == found.session) {
            Some(at) => at,
            None => {
                if self.list.len() >= limits::WRAPPED_SESSIONS_MAX {
                    let mut oldest = self.list.remove(0);
                    if !oldest.done {
                        cx.limit_hit();
                    }
                    oldest.end(emit);
                }
                self.list.push(Inner::new(found, cx));
                self.list.len() - 1
            }
        };
        let Some(inner) = self.list.get_mut(at) else { return };
        if inner.done && begins_hello(&found.bytes) {
            // The same two begin anew.
            *inner = Inner::new(found, cx);
        }
        if found.datagram {
            inner.datagram(cx, found.dir, &found.bytes, emit);
        } else {
            inner.read(cx, found.dir, &found.bytes, emit);
        }
    }

    /// No more will come.
    pub(super) fn end(&mut self, emit: &mut Emitter<'_>) {
        for mut inner in std::mem::take(&mut self.list) {
            inner.end(emit);
        }
    }
}

impl Inner {
    fn new(found: &Wrapped, cx: Cx<'_>) -> Self {
        let protocol = if found.datagram { Protocol::Dtls } else { Protocol::Tls };
        Self {
            session: found.session,
            parser: protocol.parser(),
            unread: Default::default(),
            done: false,
            had_event: false,
            view: *cx.flow,
            at: (cx.ts, cx.packet),
        }
    }

    fn read(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut Emitter<'_>) {
        self.at = (cx.ts, cx.packet);
        if self.done {
            return;
        }
        let Some(bytes) = self.side(dir).add(bytes) else { return };
        let had_event = &mut self.had_event;
        let progress = self.parser.on_data(cx, dir, &bytes, &mut |event| {
            emit.event(cx, &event, !*had_event);
            *had_event = true;
        });
        let taken = match progress {
            Progress::Done => Taken::All,
            Progress::Partial { consumed, needed } => Taken::Some { consumed, needed },
            Progress::Skip(n) => Taken::Skip(n),
            Progress::Finished | Progress::Violation(_) | Progress::Handover { .. } => Taken::Stop,
        };
        let over = matches!(taken, Taken::Stop);
        let fits = self.side(dir).settle(bytes, taken, limits::WRAPPED_BYTES_MAX);
        if !fits {
            cx.limit_hit();
        }
        if over || !fits {
            self.end(emit);
        }
    }

    fn side(&mut self, dir: Direction) -> &mut Unread {
        let [orig, resp] = &mut self.unread;
        if dir == Direction::Orig { orig } else { resp }
    }

    fn datagram(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut Emitter<'_>) {
        self.at = (cx.ts, cx.packet);
        if self.done {
            return;
        }
        let had_event = &mut self.had_event;
        let progress = self.parser.on_data(cx, dir, bytes, &mut |event| {
            emit.event(cx, &event, !*had_event);
            *had_event = true;
        });
        if matches!(progress, Progress::Finished | Progress::Violation(_)) {
            self.end(emit);
        }
    }

    fn end(&mut self, emit: &mut Emitter<'_>) {
        self.unread = Default::default();
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        // Nothing is read at the end, so that no limit is hit.
        let limited = LimitCount::default();
        let cx = Cx { ts: self.at.0, packet: self.at.1, flow: &self.view, limited: &limited };
        let had_event = &mut self.had_event;
        for dir in [Direction::Orig, Direction::Resp] {
            self.parser.on_end(cx, dir, &[], &mut |event| {
                emit.event(cx, &event, !*had_event);
                *had_event = true;
            });
        }
    }
}
