//! The contract between protocol parsers and the engine.
//!
//! A parser is given the bytes of one flow in order, direction by direction, and emits neutral
//! events. It keeps no buffer: what it cannot use yet it leaves unconsumed, and the stream layer
//! keeps it (bounded) and presents it again with what follows. It reads no clock and judges
//! nothing; detectors do.

use std::cell::Cell;
use std::sync::Arc;

use super::proof::Proof;
use super::tls::opening::keylog::KeyStore;
use crate::base::{Addr, Endpoint, Mac, Secret, Timestamp, secret::Reveal};
use crate::record::{RowWriter, Table};

/// Which side of the flow sent the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The originator: who opened the flow.
    Orig,
    /// The responder.
    Resp,
}

impl Direction {
    /// 0 for the originator, 1 for the responder.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The other side.
    pub const fn other(self) -> Self {
        match self {
            Self::Orig => Self::Resp,
            Self::Resp => Self::Orig,
        }
    }
}

/// Transport that a parser reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A reassembled stream.
    Tcp,
    /// Datagrams, each whole.
    Udp,
}

/// What a probe says of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// This is the protocol.
    Yes,
    /// It is not.
    No,
    /// The bytes so far fit, and more are needed to tell.
    NeedMore,
}

/// What a parser did with the bytes it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// All used.
    Done,
    /// `consumed` bytes are used; the rest is presented again once there are `needed` bytes of it
    /// (a hint: fewer may be presented at the end of the stream). A parser that consumes nothing
    /// sees the bytes again only with at least one more, and from some kilobytes on only when they
    /// have grown by an eighth, so that starting over costs linear time altogether.
    Partial {
        /// Bytes used from the front.
        consumed: usize,
        /// Bytes needed, counted from the first unused one.
        needed: usize,
    },
    /// `skip` further bytes of this direction are of no interest (a file body); all given bytes
    /// are used. The stream layer passes over them without presenting them.
    Skip(u64),
    /// Nothing more to learn from this flow: neither direction is presented again.
    Finished,
    /// `consumed` bytes are used, and what follows in both directions is another protocol that runs
    /// inside this one from here on (behind the greeting of a SOCKS or HTTP proxy, behind an
    /// upgrade): this parser says its last, and the rest is held against the probes anew. The flow
    /// keeps this parser's service.
    Handover {
        /// Bytes used from the front.
        consumed: usize,
    },
    /// Not this protocol after all. Counted; the flow loses its service unless an event was seen.
    Violation(&'static str),
}

/// What a parser may know of the flow that its bytes belong to.
#[derive(Debug, Clone, Copy)]
pub struct FlowView {
    /// Identifier of the flow.
    pub flow_id: i64,
    /// Index of the capture among the inputs.
    pub capture: u32,
    /// Address and port of the originator.
    pub orig_ip: Addr,
    /// Port of the originator.
    pub orig_port: u16,
    /// Address of the responder.
    pub resp_ip: Addr,
    /// Port of the responder.
    pub resp_port: u16,
    /// MAC of the frames that the originator's packets came in; zeros where there is none.
    pub orig_mac: Mac,
    /// Likewise for the responder.
    pub resp_mac: Mac,
    /// Transport.
    pub transport: Transport,
    /// Whether the beginning of the flow was seen: over TCP a SYN, over UDP always. Where not, something that
    /// is not there (a login) may have gone before.
    pub from_start: bool,
}

/// Counts messages that a parser cut or passed over because one of its limits was hit.
#[derive(Debug, Default)]
pub struct LimitCount(Cell<u64>);

impl LimitCount {
    /// What was counted since the last call.
    pub fn take(&self) -> u64 {
        self.0.take()
    }

    /// Counts one.
    pub fn hit(&self) {
        self.0.set(self.0.get().saturating_add(1));
    }
}

/// When and where the bytes came that a parser is given.
#[derive(Debug, Clone, Copy)]
pub struct Cx<'a> {
    /// Time of the packet that completed the bytes.
    pub ts: Timestamp,
    /// Number of that packet in the capture.
    pub packet: u64,
    /// The flow.
    pub flow: &'a FlowView,
    /// Where a limit that was hit is counted; see [`Cx::limit_hit`].
    pub limited: &'a LimitCount,
}

impl Cx<'_> {
    /// To be called whenever something is cut, passed over or forgotten because a constant of
    /// `base/limits.rs` says so: it shows in `capture_stats.parser_limits`.
    pub fn limit_hit(&self) {
        self.limited.hit();
    }
}

/// What is fixed about a protocol: help, documentation and detection come from here.
#[derive(Debug)]
pub struct Spec {
    /// Name as `flows.service` carries it.
    pub name: &'static str,
    /// Name as people write it.
    pub title: &'static str,
    /// Transports.
    pub transports: &'static [Transport],
    /// Usual ports: a hint for the order of probing, and the last resort where no payload tells.
    pub ports: &'static [u16],
    /// Whether the port is part of what the protocol is: multicast DNS differs from DNS in nothing
    /// else (RFC 6762, section 5). Such a protocol is looked for on its ports only.
    pub port_bound: bool,
    /// The standard it is parsed by.
    pub reference: &'static str,
    /// The table that its events go to, where it has one.
    pub table: Option<&'static Table>,
    /// Further tables that some of its events go to ([`Event::table`]).
    pub more_tables: &'static [&'static Table],
    /// Whether the first bytes prove too little to name the flow after: it gets the service only
    /// when the parser has emitted an event, and after a [`Progress::Violation`] before that the
    /// other protocols are tried.
    pub tentative: bool,
    /// Whether its server greets first, with something that no other server begins an answer with. Where
    /// a client spoke another protocol to it, the greeting decides what the flow is.
    pub greets: bool,
    /// Whether it may carry TLS in its own messages ([`AppParser::take_wrapped`]).
    pub wraps_tls: bool,
    /// What of it can be read from the network, for `overhear protocols`: a few words.
    pub yields: &'static str,
}

impl Spec {
    /// Nothing, to be completed: `Spec { name: "x", ..Spec::EMPTY }`.
    pub const EMPTY: Self = Self {
        name: "",
        title: "",
        transports: &[],
        ports: &[],
        port_bound: false,
        reference: "",
        table: None,
        more_tables: &[],
        tentative: false,
        greets: false,
        wraps_tls: false,
        yields: "",
    };
}

/// How a login was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// A password in clear.
    Password,
    /// A token in clear (bearer, API key, session).
    Token,
    /// An SNMP community.
    Community,
    /// A challenge and the answer to it: the password itself was not sent.
    ChallengeResponse,
}

impl SecretKind {
    /// The name as the `secret_kind` column spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Token => "token",
            Self::Community => "community",
            Self::ChallengeResponse => "challenge-response",
        }
    }
}

/// A login that was seen: one row of `credentials`.
#[derive(Debug, Clone, Copy)]
pub struct Login<'e> {
    /// When the secret was sent (time and packet), which may be before the event.
    pub ts: Timestamp,
    /// Packet that carried the secret.
    pub packet: u64,
    /// Mechanism, as the `mechanism` column spells it: `plain basic digest login community ...`.
    pub mechanism: &'static str,
    /// User name, where one was sent.
    pub username: Option<&'e [u8]>,
    /// The secret.
    pub secret: Option<Secret<'e>>,
    /// What sort of secret it is.
    pub secret_kind: SecretKind,
    /// For a challenge and its answer: all that is needed to test a guess at the password.
    pub proof: Option<Proof<'e>>,
    /// What the answer was; `None` where it was not seen.
    pub success: Option<bool>,
}

impl Login<'_> {
    /// A login of which only the time and packet are known, to be completed.
    pub const fn at((ts, packet): (Timestamp, u64)) -> Self {
        Self {
            ts,
            packet,
            mechanism: "",
            username: None,
            secret: None,
            secret_kind: SecretKind::Password,
            proof: None,
            success: None,
        }
    }
}

/// Whom a fact is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The side that sent the bytes of this direction.
    Side(Direction),
    /// The device with this MAC, and this address where it is specified.
    Device(Mac, Addr),
    /// The side that has this address; passed over where neither has.
    Holder(Addr),
}

/// One thing that an event says of a device: neutral, to be weighed later.
#[derive(Debug, Clone, Copy)]
pub struct Fact<'e> {
    /// Whom it is about.
    pub about: About,
    /// What it tells: `hostname`, `model`, `firmware`, `server`, `user-agent`, `banner` ... The
    /// protocol's name stands beside it.
    pub attribute: &'static str,
    /// The value, free of secrets.
    pub value: &'e [u8],
}

/// What an announced connection carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// A service of this name, whose bytes tell nothing more.
    Named(&'static str),
    /// A protocol that has a parser, by the name in its [`Spec`].
    Protocol(&'static str),
}

/// A connection that an event announces: FTP data, RTP media, the answer to a TFTP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement<'e> {
    /// One end of it. Only flows between the same two addresses are found by it, and the first one
    /// uses it up.
    pub endpoint: Endpoint,
    /// What will run there.
    pub carries: Carries,
    /// What its parser is told ([`AppParser::introduce`]): a file name; empty where there is nothing.
    pub words: &'e [u8],
}

/// Bytes of TLS that a parser found in its own framing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// Tells the conversations apart where one flow carries several at once.
    pub session: u64,
    /// Who sent them.
    pub dir: Direction,
    /// The bytes, as they would stand in a stream.
    pub bytes: Vec<u8>,
    /// They are a datagram of DTLS instead.
    pub datagram: bool,
}

/// Certificates that one side shows in other messages than those of TLS.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'e> {
    /// Who shows them.
    pub sender: Direction,
    /// The certificates in DER, the sender's own first.
    pub chain: &'e [&'e [u8]],
}

/// An event of a protocol.
pub trait Event {
    /// Time and packet of the row where they differ from those of the bytes that completed it.
    fn moment(&self) -> Option<(Timestamp, u64)> {
        None
    }

    /// Whether this event makes a row of the protocol's table.
    fn has_row(&self) -> bool;

    /// The table that the row goes to, where it is another than the protocol's (IPP inside HTTP): one
    /// of [`Spec::more_tables`].
    fn table(&self) -> Option<&'static Table> {
        None
    }

    /// Writes the protocol's own columns (not the prefix) in order. Called only where
    /// [`Event::has_row`] says so. Secrets are written through [`Secret::shown`].
    fn write(&self, row: &mut RowWriter<'_>, reveal: Reveal);

    /// The login that this event is, where it is one.
    fn login(&self) -> Option<Login<'_>> {
        None
    }

    /// Name of the server that the originator asked for in this event (SNI, HTTP Host).
    fn server_name(&self) -> Option<(&'static str, &[u8])> {
        None
    }

    /// A better name for the service of the flow than the protocol's, where this event tells one
    /// (`ipp` inside HTTP, `cldap`, `srtp`).
    fn service(&self) -> Option<&'static str> {
        None
    }

    /// Whether encryption takes over behind this event (STARTTLS was agreed on).
    fn upgrades(&self) -> bool {
        false
    }

    /// Hands over the connections that this event announces.
    fn announces(&self, _tell: &mut dyn FnMut(Announcement<'_>)) {}

    /// Hands over what this event says of devices.
    fn facts(&self, _tell: &mut dyn FnMut(Fact<'_>)) {}

    /// Hands over the addresses that were given to devices in this event.
    fn leases(&self, _tell: &mut dyn FnMut(About, Addr)) {}

    /// The certificates that this event shows, unless it is of TLS.
    fn presents(&self) -> Option<Presented<'_>> {
        None
    }

    /// Hands over the DNS servers that clients are told to use in this event.
    fn resolvers(&self, _tell: &mut dyn FnMut(Addr)) {}
}

/// A protocol parser. One value follows one flow.
pub trait AppParser: Default + Send + 'static {
    /// What is fixed about the protocol.
    const SPEC: Spec;
    /// What it emits; lives for the call of `emit`.
    type Event<'e>: Event;

    /// Whether the first bytes of a direction are this protocol. Called with a growing prefix of
    /// the stream, or with one whole datagram. Must not be fooled by a port number: it sees none.
    fn probe(dir: Direction, payload: &[u8]) -> Probe;

    /// The next bytes of a direction (or one whole datagram, where only `Finished` and
    /// `Violation` mean anything in the answer).
    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Self::Event<'_>)) -> Progress;

    /// What another flow said of this one when it announced it ([`Announcement::words`]); called
    /// before any bytes come.
    fn introduce(&mut self, _words: &[u8]) {}

    /// Secrets that open what is encrypted; called once, before any bytes come, where the run has any.
    fn bring_keys(&mut self, _keys: &Arc<KeyStore>) {}

    /// TLS that was found in the framing of this protocol since the last call, in order; read by the parser of
    /// TLS, whose rows then stand beside those of this one. To be said by [`Spec::wraps_tls`].
    fn take_wrapped(&mut self) -> Vec<Wrapped> {
        Vec::new()
    }

    /// Bytes that the parser holds outside of itself, roughly: bodies, tables and lists that an input
    /// can make large. Counted to the memory for flows; what is small for any input need not be told.
    fn heap(&self) -> usize {
        0
    }

    /// `missing` bytes of a direction will never come. `Done` if the parser can go on behind them.
    fn on_gap(&mut self, _cx: Cx<'_>, _dir: Direction, _missing: u64) -> Progress {
        Progress::Finished
    }

    /// No more bytes will come in this direction; called once for each direction, in any case
    /// (also after `Finished`), so that what waits for an answer is emitted without one. `rest` is
    /// what the parser had left unconsumed.
    fn on_end(&mut self, _cx: Cx<'_>, _dir: Direction, _rest: &[u8], _emit: &mut dyn FnMut(Self::Event<'_>)) {}
}

/// The event of a protocol of which nothing is told but what it carries.
#[derive(Debug, Clone, Copy)]
pub struct NoEvent;

impl Event for NoEvent {
    fn has_row(&self) -> bool {
        false
    }

    fn write(&self, _row: &mut RowWriter<'_>, _reveal: Reveal) {}
}
