//! DTLS 1.0, 1.2 and 1.3 (RFC 4347, RFC 6347, RFC 9147), as far as it is in clear: the handshakes of TLS in
//! datagrams.
//!
//! A datagram holds several records, a record several fragments of handshake messages; `flight` makes
//! messages of them, and what these say is the business of the [`conversation`](super::tls::conversation).
//! Nothing that is sent again begins a new handshake; a ClientHello that was not seen before does, also
//! on a flow whose keys were agreed on long ago.

mod flight;
mod record;

use std::sync::Arc;

use flight::{Flight, Message};
use record::{Fragment, Record, content};

use super::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use super::tls::conversation::{Carriage, Conversation};
use super::tls::opening::keylog::KeyStore;
use super::tls::{TABLE, TlsEvent, messages::kind};
use crate::base::secret::Reveal;
use crate::base::{Reader, limits};
use crate::fingerprint::hello::{ClientHello, Dialect, Extensions, ServerHello};
use crate::record::{RowWriter, Table};

/// Extension with the connection identifier that its sender wants to be sent (RFC 9146, section 3).
const CONNECTION_ID: u16 = 54;
/// Shortest protected record of DTLS 1.3 that can hold a Finished message: header of 12 bytes, hash of 32,
/// type, and a tag of 8 (RFC 6655). An alert is shorter, and so is what acknowledges one record.
const FINISHED_13_MIN: usize = 53;

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// As over TCP.
    pub tls: TlsEvent<'e>,
    /// What the records are the inside of.
    within: Option<&'static str>,
}

impl super::api::Event for Event<'_> {
    fn moment(&self) -> Option<(crate::base::Timestamp, u64)> {
        self.tls.moment()
    }

    fn has_row(&self) -> bool {
        self.tls.has_row()
    }

    fn table(&self) -> Option<&'static Table> {
        self.tls.table()
    }

    fn write(&self, row: &mut RowWriter<'_>, reveal: Reveal) {
        self.tls.write(row, reveal);
    }

    fn server_name(&self) -> Option<(&'static str, &[u8])> {
        self.tls.server_name()
    }

    fn service(&self) -> Option<&'static str> {
        self.within
    }
}

/// Parser of one flow.
#[derive(Debug)]
pub struct Dtls {
    conversation: Conversation,
    flights: [Flight; 2],
    /// How long the connection identifiers are that a direction wants to be sent.
    identifiers: [Option<usize>; 2],
    /// Records were seen within this protocol.
    within: Option<&'static str>,
    /// Whether anything was recognised.
    seen: bool,
    ended: u8,
}

impl Default for Dtls {
    fn default() -> Self {
        Self {
            conversation: Conversation::new(Carriage::DTLS),
            flights: Default::default(),
            identifiers: [None; 2],
            within: None,
            seen: false,
            ended: 0,
        }
    }
}

type Emit<'a> = dyn FnMut(Event<'_>) + 'a;

impl Dtls {
    const fn flight(&mut self, dir: Direction) -> &mut Flight {
        let [orig, resp] = &mut self.flights;
        match dir {
            Direction::Orig => orig,
            Direction::Resp => resp,
        }
    }

    /// The length of the identifiers that this direction sends: the other one chose them.
    const fn identifier(&self, dir: Direction) -> Option<usize> {
        let [orig, resp] = self.identifiers;
        match dir {
            Direction::Orig => resp,
            Direction::Resp => orig,
        }
    }

    fn record(&mut self, cx: Cx<'_>, dir: Direction, record: Record<'_>, emit: &mut Emit<'_>) {
        self.seen = true;
        self.conversation.half(dir).heard = true;
        match record {
            Record::Plain { ty: content::HANDSHAKE, epoch: 0, payload, .. } => self.handshake(cx, dir, payload, emit),
            Record::Plain { ty: content::CHANGE_CIPHER_SPEC, epoch: 0, .. } => {
                self.flush(cx, emit);
                self.conversation.cipher_changed(dir);
            }
            Record::Plain { ty: content::ALERT, epoch: 0, payload, .. } => self.conversation.alert(dir, payload),
            Record::Plain { epoch: 0, .. } => {}
            Record::Plain { ty, number, payload, .. } => {
                self.flush(cx, emit);
                self.conversation.cipher_changed(dir);
                let half = self.conversation.half(dir);
                half.finished |= half.cipher_changed && !matches!(ty, content::ALERT | content::CHANGE_CIPHER_SPEC);
                if matches!(ty, content::DATA | content::TLS12_CID) {
                    half.data_records = half.data_records.saturating_add(1);
                }
                self.open(dir, number, ty, payload, emit);
            }
            Record::Unified { epoch, len } => {
                self.flush(cx, emit);
                let is_13 = self.conversation.is_tls13();
                let half = self.conversation.half(dir);
                // Epoch 1 is early data, epoch 2 the handshake (RFC 9147, section 6.1).
                if epoch != 1 {
                    half.finished_13 |= is_13 && (epoch != 2 || len >= FINISHED_13_MIN);
                }
                if epoch != 2 {
                    half.data_records = half.data_records.saturating_add(1);
                }
            }
        }
    }

    /// An encrypted record: what is in it, where there are keys.
    fn open(&mut self, dir: Direction, number: u64, ty: u8, payload: &[u8], emit: &mut Emit<'_>) {
        let within = self.within;
        if let Some(opener) = self.conversation.opener()
            && opener.opens(dir)
            && let Some(plain) = opener.open_numbered(dir, number, ty, payload)
            && ty == content::DATA
        {
            let in_clear = opener.is_in_clear();
            emit(Event { tls: TlsEvent::Plain { sender: dir, bytes: &plain, in_clear }, within });
        }
    }

    /// The payload of a handshake record in clear.
    fn handshake(&mut self, cx: Cx<'_>, dir: Direction, payload: &[u8], emit: &mut Emit<'_>) {
        let mut r = Reader::new(payload);
        while !r.is_empty() {
            let Ok(fragment) = Fragment::read(&mut r) else { return };
            let mut ready = Vec::new();
            self.flight(dir).add(cx, &fragment, &mut |m| ready.push(m));
            for message in ready {
                self.message(cx, dir, &message, emit);
            }
        }
    }

    /// What is missing of either direction is not waited for.
    fn flush(&mut self, cx: Cx<'_>, emit: &mut Emit<'_>) {
        for dir in [Direction::Orig, Direction::Resp] {
            let mut ready = Vec::new();
            self.flight(dir).flush(&mut |m| ready.push(m));
            for message in ready {
                self.read(cx, dir, &message, emit);
            }
        }
    }

    fn message(&mut self, cx: Cx<'_>, dir: Direction, message: &Message, emit: &mut Emit<'_>) {
        if message.ty == kind::CLIENT_HELLO {
            self.flush(cx, emit);
            self.flights.iter_mut().for_each(Flight::clear);
        }
        self.read(cx, dir, message, emit);
    }

    fn read(&mut self, cx: Cx<'_>, dir: Direction, message: &Message, emit: &mut Emit<'_>) {
        let extensions = match message.ty {
            kind::CLIENT_HELLO => ClientHello::parse(&message.body, Dialect::Dtls).ok().map(|h| h.extensions),
            kind::SERVER_HELLO => ServerHello::parse(&message.body).ok().map(|h| h.extensions),
            _ => None,
        };
        if let Some(extensions) = extensions {
            let [orig, resp] = &mut self.identifiers;
            *(if dir == Direction::Orig { orig } else { resp }) = identifier_len(extensions);
        }
        let within = self.within;
        self.conversation.message(cx, dir, message.ty, &message.body, &mut |tls| emit(Event { tls, within }));
    }
}

/// Bytes of the connection identifier that a hello asks for.
fn identifier_len(extensions: Extensions<'_>) -> Option<usize> {
    let content = extensions.iter().find(|(ty, _)| *ty == CONNECTION_ID)?.1;
    content.first().map(|len| usize::from(*len))
}

impl AppParser for Dtls {
    const SPEC: Spec = Spec {
        name: "dtls",
        title: "DTLS",
        transports: &[Transport::Udp],
        ports: &[5684, 5246, 5247],
        reference: "RFC 9147, RFC 6347, RFC 4347, RFC 9146",
        table: Some(&TABLE),
        yields: "versions, cipher suites, server names, certificates, JA3 and JA4 fingerprints",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        record::probe(payload)
    }

    fn bring_keys(&mut self, keys: &Arc<KeyStore>) {
        self.conversation.bring_keys(keys.clone());
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        if cx.flow.transport != Transport::Udp {
            return Progress::Violation("DTLS is datagrams");
        }
        let (mut rest, in_capwap) = record::records(bytes);
        if in_capwap {
            self.within = Some("capwap");
        }
        let mut count = 0;
        while !rest.is_empty() && count < limits::DTLS_RECORDS_MAX {
            let Ok(record) = record::next(&mut rest, self.identifier(dir)) else { break };
            if !self.seen && matches!(record, Record::Unified { .. }) {
                break;
            }
            self.record(cx, dir, record, emit);
            count += 1;
        }
        if count == limits::DTLS_RECORDS_MAX && !rest.is_empty() {
            cx.limit_hit();
        }
        let within = self.within;
        self.conversation.settle(&mut |tls| emit(Event { tls, within }));
        if self.seen { Progress::Done } else { Progress::Violation("no DTLS record") }
    }

    fn heap(&self) -> usize {
        self.flights.iter().map(Flight::heap).sum::<usize>() + self.conversation.opener_heap()
    }

    fn on_end(&mut self, cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        self.ended += 1;
        if self.ended == 2 {
            self.flush(cx, emit);
            let within = self.within;
            self.conversation.give_up(&mut |tls| emit(Event { tls, within }));
        }
    }
}

#[cfg(test)]
mod tests;
