//! Protocols in frames without IP: what a device says of itself on its link.
//!
//! A frame stands alone, so there are no flows, probes or streams: the number behind the addresses says
//! which protocol it is. Events are those of every other parser. The source of the frame is the
//! originator, its destination the responder; addresses and ports are zero, and there is no flow.

pub mod cdp;
pub mod eapol;
pub mod eapol_event;
pub mod lldp;
pub mod lldp_event;

use super::api::{About, Cx, Event as _, Fact, FlowView, Login, Transport, Wrapped};
use crate::base::{Addr, Mac, Timestamp, secret::Reveal};
use crate::record::{Column, RowWriter, Table, Type};

/// Columns that every table of frames without IP begins with.
pub const FRAME_PREFIX: &[Column] = &[
    Column::repeating("capture", Type::Text, "Name of the input that the frame stands in"),
    Column::new("ts", Type::Time, "Time of the frame"),
    Column::new("packet", Type::Int64, "1-based number of the frame in the capture"),
    Column::repeating("src_mac", Type::Text, "Link-layer address of the sender"),
    Column::repeating("dst_mac", Type::Text, "Link-layer address of the receiver, mostly a group"),
];

/// What is fixed about a protocol in frames.
#[derive(Debug)]
pub struct FrameSpec {
    /// Name, as claims and logins carry it.
    pub name: &'static str,
    /// Name as people write it.
    pub title: &'static str,
    /// EtherTypes, or protocol numbers behind SNAP.
    pub numbers: &'static [u16],
    /// The standard it is parsed by.
    pub reference: &'static str,
    /// The table that its events go to.
    pub table: &'static Table,
    /// What of it can be read from the network: a few words.
    pub yields: &'static str,
}

/// A parser of frames. One value sees all frames of its protocol that come to a shard.
pub trait FrameParser: Default + Send + 'static {
    /// What is fixed about the protocol.
    const SPEC: FrameSpec;
    /// What it emits; lives for the call of `emit`.
    type Event<'e>: super::api::Event;

    /// A frame, from behind its number. `cx.flow` holds its two MACs.
    fn on_frame(&mut self, cx: Cx<'_>, bytes: &[u8], emit: &mut dyn FnMut(Self::Event<'_>));

    /// No more frames will come: what waits for an answer is emitted without one.
    fn on_end(&mut self, _emit: &mut dyn FnMut(Cx<'_>, Self::Event<'_>)) {}
}

/// A frame seen as a flow without an end: its MACs, and nothing else.
pub const fn view(capture: u32, src: Mac, dst: Mac) -> FlowView {
    FlowView {
        flow_id: 0,
        capture,
        orig_ip: Addr::UNSPECIFIED,
        orig_port: 0,
        resp_ip: Addr::UNSPECIFIED,
        resp_port: 0,
        orig_mac: src,
        resp_mac: dst,
        transport: Transport::Udp,
        from_start: true,
    }
}

macro_rules! frames {
    ($($name:ident $field:ident => $parser:ty),+ $(,)?) => {
        /// The parsers of one shard.
        #[derive(Debug, Default)]
        pub struct Parsers { $($field: $parser),+ }

        /// An event of any of them; lives for the call that it is given to.
        #[allow(missing_docs)] // each is documented in its own file
        #[allow(clippy::large_enum_variant)] // on the stack, for one call
        #[derive(Debug)]
        pub enum Event<'e> { $($name(<$parser as FrameParser>::Event<'e>)),+ }

        /// What is fixed about each.
        pub const ALL: &[&FrameSpec] = &[$(&<$parser as FrameParser>::SPEC),+];

        impl Parsers {
            /// Hands a frame to the parser of its number. Says whether there is one.
            pub fn on_frame(
                &mut self,
                number: u16,
                cx: Cx<'_>,
                bytes: &[u8],
                emit: &mut dyn FnMut(Event<'_>),
            ) -> bool {
                $(if <$parser>::SPEC.numbers.contains(&number) {
                    self.$field.on_frame(cx, bytes, &mut |e| emit(Event::$name(e)));
                    return true;
                })+
                false
            }

            /// TLS that was found in the last frame, with the MACs of its client and of whom that speaks to.
            pub fn take_wrapped(&mut self) -> Vec<((Mac, Mac), Wrapped)> {
                self.eapol.take_wrapped()
            }

            /// See [`FrameParser::on_end`].
            pub fn on_end(&mut self, emit: &mut dyn FnMut(Cx<'_>, Event<'_>)) {
                $(self.$field.on_end(&mut |cx, e| emit(cx, Event::$name(e)));)+
            }
        }

        impl Event<'_> {
            /// What is fixed about the protocol.
            pub const fn spec(&self) -> &'static FrameSpec {
                match self { $(Self::$name(_) => &<$parser as FrameParser>::SPEC),+ }
            }

            /// See [`super::api::Event::moment`].
            pub fn moment(&self) -> Option<(Timestamp, u64)> {
                match self { $(Self::$name(e) => e.moment()),+ }
            }

            /// See [`super::api::Event::has_row`].
            pub fn has_row(&self) -> bool {
                match self { $(Self::$name(e) => e.has_row()),+ }
            }

            /// See [`super::api::Event::write`].
            pub fn write(&self, row: &mut RowWriter<'_>, reveal: Reveal) {
                match self { $(Self::$name(e) => e.write(row, reveal)),+ }
            }

            /// See [`super::api::Event::login`].
            pub fn login(&self) -> Option<Login<'_>> {
                match self { $(Self::$name(e) => e.login()),+ }
            }

            /// See [`super::api::Event::facts`].
            pub fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
                match self { $(Self::$name(e) => e.facts(tell)),+ }
            }

            /// See [`super::api::Event::leases`].
            pub fn leases(&self, tell: &mut dyn FnMut(About, Addr)) {
                match self { $(Self::$name(e) => e.leases(tell)),+ }
            }
        }
    };
}

frames! {
    Lldp lldp => lldp::Lldp,
    Cdp cdp => cdp::Cdp,
    Eapol eapol => eapol::Eapol,
}

/// Frames of which both directions must meet in one place to be understood.
pub const fn is_dialogue(number: u16) -> bool {
    number == eapol::ETHERTYPE
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::proto::api::LimitCount;
    use crate::record::{RowBuffer, Type, Value};

    /// What came out of a parser.
    #[derive(Debug, Default)]
    pub struct Seen {
        /// Rows: column and value of the cells that are not null.
        pub rows: Vec<Vec<(&'static str, String)>>,
        /// Facts, `attribute=value`.
        pub facts: Vec<String>,
        /// `Debug` of each login.
        pub logins: Vec<String>,
        /// Limits that were hit.
        pub limited: u64,
    }

    impl Seen {
        /// The value of a column in a row; `-` where null.
        pub fn cell(&self, row: usize, column: &str) -> String {
            self.rows[row].iter().find(|(n, _)| *n == column).map_or("-".to_owned(), |(_, v)| v.clone())
        }

        fn take<P: FrameParser>(&mut self, event: &P::Event<'_>) {
            event.facts(&mut |f| {
                if !f.value.is_empty() {
                    self.facts.push(format!("{}={}", f.attribute, String::from_utf8_lossy(f.value)));
                }
            });
            self.logins.extend(event.login().map(|l| format!("{l:?}")));
            if !event.has_row() {
                return;
            }
            let mut buffer = RowBuffer::default();
            event.write(&mut buffer.row(Timestamp(0), 0), Reveal::No);
            let mut values = buffer.values(&buffer.index()[0]);
            let mut row = Vec::new();
            for column in P::SPEC.table.columns {
                let value = values.next_value().expect("a value for each column");
                let list = matches!(column.ty, Type::TextList | Type::Int32List);
                let text = match value {
                    Value::Null => continue,
                    Value::List(n) if list => {
                        let items: Vec<_> = (0..n).map(|_| show(values.next_value().unwrap())).collect();
                        format!("[{}]", items.join(","))
                    }
                    other => show(other),
                };
                row.push((column.name, text));
            }
            assert_eq!(values.next_value(), None, "no more values than columns");
            self.rows.push(row);
        }
    }

    fn show(value: Value<'_>) -> String {
        match value {
            Value::Text(t) => t.to_owned(),
            Value::Int(n) => n.to_string(),
            Value::Bool(b) => b.to_string(),
            Value::Addr(a) => a.to_string(),
            Value::Mac(m) => m.to_string(),
            other => format!("{other:?}"),
        }
    }

    /// Plays frames (source, destination, bytes) to one parser.
    pub fn play<P: FrameParser>(frames: &[([u8; 6], [u8; 6], Vec<u8>)]) -> Seen {
        let mut seen = Seen::default();
        let mut parser = P::default();
        let limited = LimitCount::default();
        for (n, (src, dst, bytes)) in frames.iter().enumerate() {
            let flow = view(0, Mac(*src), Mac(*dst));
            let packet = n as u64 + 1;
            let cx = Cx { ts: Timestamp::from_parts(packet as i64, 0), packet, flow: &flow, limited: &limited };
            parser.on_frame(cx, bytes, &mut |e| seen.take::<P>(&e));
        }
        parser.on_end(&mut |_, e| seen.take::<P>(&e));
        seen.limited = limited.take();
        seen
    }

    /// Plays one frame.
    pub fn one<P: FrameParser>(bytes: &[u8]) -> Seen {
        play::<P>(&[([2, 0, 0, 0, 0, 1], [1, 0x80, 0xc2, 0, 0, 0xe], bytes.to_vec())])
    }
}
