//! Certificates that were seen: their table, what is wrong with them, and what several devices share.
//!
//! A certificate is read once and remembered by its hash ([`Book`]); a handshake that shows it again costs a
//! look-up and a row. What is wrong with one is judged when its handshake is over, because only then it is
//! known for which name it was shown and whether the client went on ([`judge`]). What needs more than one
//! certificate is judged at the end of the run ([`keys`]).

mod book;
mod judge;
pub mod keys;
mod presented;
mod primes;

pub use book::{Book, Known};
pub use judge::judge;
pub use presented::presented;

use super::sighting::Party;
use crate::base::Timestamp;
use crate::proto::api::{Cx, Direction, FlowView};
use crate::proto::registry::Event;
use crate::proto::tls::{Handshake, TlsEvent};
use crate::record::{Column, RowBuffer, Table, Type};

/// One row per certificate that is shown.
pub static CERTIFICATES: Table = Table {
    name: "certificates",
    doc: "Certificates: one row for each that a TLS handshake shows, in clear (up to TLS 1.2) or opened with the keys of its session (TLS 1.3), and for each that OPC UA and IKE show in clear",
    prefix: &[],
    columns: &[
        Column::repeating("sha256", Type::Text, "SHA-256 of the certificate in DER, in hex"),
        Column::repeating("capture", Type::Text, "Name of the input that the packet stands in"),
        Column::new("ts", Type::Time, "Time of the packet"),
        Column::new("flow_id", Type::Int64, "Flow, as in the flows table"),
        Column::new("packet", Type::Int64, "1-based number of the packet that completed it in the capture"),
        Column::repeating("host", Type::Text, "Address of who presented it"),
        Column::repeating("port", Type::Int32, "Port of the responder of the flow, which tells the service"),
        Column::repeating(
            "sender",
            Type::Text,
            "Who presented it: server or client (of OPC UA and IKE the responder and the originator of the flow)",
        ),
        Column::repeating(
            "position",
            Type::Int32,
            "Place in the chain: 0 is the sender's own, those behind it vouch for the one before",
        ),
        Column::repeating(
            "subject",
            Type::Text,
            "Holder, most specific part first (RFC 4514); what is not text stands as \\xx. Like all columns behind it null where the certificate cannot be read",
        ),
        Column::repeating("issuer", Type::Text, "Who issued it, likewise"),
        Column::repeating("serial", Type::Text, "Serial number, in hex"),
        Column::repeating(
            "not_before",
            Type::Time,
            "Start of validity; null where it is no date of the years 1 to 9999",
        ),
        Column::repeating("not_after", Type::Time, "End of validity, likewise"),
        Column::repeating(
            "san",
            Type::TextList,
            "Further names (subjectAltName): host names, addresses, mail addresses and URIs as they are, others with their sort before them (dirName:, otherName:); the first 256",
        ),
        Column::repeating(
            "key_type",
            Type::Text,
            "Algorithm of the key: rsa, ec, ed25519 ..., else its object identifier",
        ),
        Column::repeating(
            "key_bits",
            Type::Int32,
            "Bits of the key: of the modulus (rsa), the prime (dsa) or the field (curves)",
        ),
        Column::repeating(
            "signature_algorithm",
            Type::Text,
            "Algorithm that it is signed with, else its object identifier",
        ),
        Column::repeating(
            "self_signed",
            Type::Bool,
            "Whether it is its own issuer: both names are the same and the key identifiers do not differ; the signature is not checked",
        ),
        Column::repeating(
            "is_ca",
            Type::Bool,
            "Whether it may issue others (basicConstraints); null in versions 1 and 2",
        ),
        Column::repeating("version", Type::Int32, "Version of the format: 1, 2 or 3"),
        Column::repeating(
            "key_curve",
            Type::Text,
            "Curve of an elliptic-curve key: its name, its object identifier, or explicit",
        ),
        Column::repeating("rsa_exponent", Type::Int64, "Public exponent of an RSA key"),
        Column::repeating(
            "key_usage",
            Type::TextList,
            "What the key may be used for (keyUsage); empty where it does not say",
        ),
        Column::repeating("extended_key_usage", Type::TextList, "For what purposes (extKeyUsage), likewise"),
        Column::repeating(
            "spki_sha256",
            Type::Text,
            "SHA-256 of the public key (SubjectPublicKeyInfo), in hex: the same for a key in any certificate",
        ),
        Column::repeating("sha1", Type::Text, "SHA-1 of the certificate in DER, in hex"),
        Column::repeating("length", Type::Int32, "Bytes of the certificate"),
        Column::repeating("malformed", Type::Bool, "Whether a part of it could not be read"),
    ],
};

/// The handshakes and certificates of every protocol that carries TLS.
pub const fn tls<'a, 'e>(event: &'a Event<'e>) -> Option<&'a TlsEvent<'e>> {
    match event {
        Event::Tls(event) => Some(event),
        Event::Dtls(event) => Some(&event.tls),
        _ => None,
    }
}

/// Writes the row of a certificate at a place in a chain.
pub fn write(rows: &mut RowBuffer, cx: &Cx<'_>, sender: Direction, from_server: bool, position: usize, known: &Known) {
    let facts = &known.facts;
    let key = facts.key.as_ref();
    let mut row = rows.row(cx.ts, cx.packet);
    row.text(&facts.sha256).name(cx.flow.capture).time(cx.ts);
    let host = party(cx.flow, sender).ip;
    if cx.flow.flow_id == 0 && host.is_unspecified() {
        // A frame without IP (802.1X): there is neither flow nor address.
        row.null().count(cx.packet).null().null();
    } else {
        row.int(cx.flow.flow_id).count(cx.packet).addr(host).int(cx.flow.resp_port);
    }
    row.text(if from_server { "server" } else { "client" })
        .count(position as u64)
        .opt_text(facts.subject.as_deref())
        .opt_text(facts.issuer.as_deref())
        .opt_text(facts.serial.as_deref())
        .opt_seconds(facts.not_before)
        .opt_seconds(facts.not_after);
    // Where the body was not read, nothing is known of its extensions.
    let body = facts.key.is_some() || facts.subject.is_some();
    let list = |row: &mut crate::record::RowWriter<'_>, items: &[String]| {
        if body {
            row.texts(items)
        } else {
            row.null()
        };
    };
    list(&mut row, &facts.names.all);
    row.opt_text(key.map(|k| k.kind.as_str()))
        .opt_int(key.and_then(|k| k.bits).map(|bits| i64::from(bits.min(i32::MAX as u32))))
        .opt_text(facts.signature_algorithm.as_deref())
        .opt_bool(facts.self_signed)
        .opt_bool(facts.is_ca)
        .opt_int(facts.version)
        .opt_text(key.and_then(|k| k.curve.as_deref()))
        .opt_int(key.and_then(|k| k.exponent));
    if body {
        row.texts(&facts.key_usage);
    } else {
        row.null();
    }
    list(&mut row, &facts.extended_key_usage);
    row.opt_text(known.spki.as_deref()).text(&facts.sha1).count(facts.length as u64).bool(facts.malformed);
}

/// A side of a flow.
pub const fn party(flow: &FlowView, side: Direction) -> Party {
    match side {
        Direction::Orig => Party { ip: flow.orig_ip, mac: flow.orig_mac },
        Direction::Resp => Party { ip: flow.resp_ip, mac: flow.resp_mac },
    }
}

/// Where a certificate was shown.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The certificate.
    pub known: std::sync::Arc<Known>,
    /// Who showed it.
    pub host: Party,
    /// The other end.
    pub peer: Party,
    /// Whether who showed it is the server of the handshake.
    pub from_server: bool,
    /// Its place in the chain.
    pub position: u8,
    /// Whether it was shown in a handshake of TLS over datagrams, as by the ends of a call.
    pub datagrams: bool,
    /// Protocol that showed it.
    pub service: &'static str,
    /// Port of the responder.
    pub port: u16,
    /// Flow.
    pub flow_id: i64,
    /// Capture.
    pub capture: u32,
    /// Packet.
    pub packet: u64,
    /// When.
    pub ts: Timestamp,
}

/// What hides the certificate of a handshake that a server has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// Nothing: it was seen.
    Not,
    /// TLS 1.3 encrypts it.
    Encrypted,
    /// An earlier session goes on, in which it was shown.
    Resumed,
    /// The capture does not hold it, or the server has none (keys agreed on before, nobody authenticated).
    Missed,
}

/// What hides the server's certificate of a handshake; `None` where no server has answered.
pub fn hidden(h: &Handshake) -> Option<Hidden> {
    let server = h.server.as_ref().filter(|s| !s.retry);
    if h.server_certificates > 0 {
        return Some(Hidden::Not);
    }
    server?;
    Some(if h.is_tls13() {
        Hidden::Encrypted
    } else if h.resumed == Some(true) {
        Hidden::Resumed
    } else {
        Hidden::Missed
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
