//! What RADIUS emits, and its table.

use super::radius_message::{Eap, Message, attribute, code_name};
use crate::base::secret::Reveal;
use crate::base::{Addr, Mac, Timestamp};
use crate::proto::api::{About, Direction, Fact, Login};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "radius",
    doc: "One RADIUS request with the answer to it, or one of the two",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("request", Type::Text, "access-request, accounting-request, status-server, coa-request ..."),
        Column::repeating(
            "response",
            Type::Text,
            "access-accept, access-reject, access-challenge, accounting-response ...",
        ),
        Column::repeating("username", Type::Text, "User name"),
        Column::repeating("method", Type::Text, "How the user proves who he is: pap, chap, mschap, mschapv2 or eap"),
        Column::repeating("eap_type", Type::Text, "Method inside EAP: identity, md5, tls, ttls, peap ..."),
        Column::repeating("nas_ip", Type::Text, "Address that the access server gives as its own"),
        Column::repeating("nas_identifier", Type::Text, "Name that the access server gives itself"),
        Column::repeating(
            "called_station",
            Type::Text,
            "What the user reached: a number, or MAC and name of a radio network",
        ),
        Column::repeating("calling_station", Type::Text, "Where the user came from: a number, or a MAC"),
        Column::repeating("framed_ip", Type::Text, "Address that the user has"),
        Column::repeating("acct_status", Type::Text, "start, stop, interim-update, accounting-on or accounting-off"),
        Column::repeating(
            "message_authenticator",
            Type::Bool,
            "Whether the request carries a Message-Authenticator; without it answers can be forged (CVE-2024-3596)",
        ),
        Column::new("response_packet", Type::Int64, "Packet with the answer"),
    ],
};

/// What was seen.
#[derive(Clone, Copy)]
pub struct Event<'e> {
    /// When and in which packet the request came, or the answer where that is all.
    pub at: (Timestamp, u64),
    /// Who asks; the other side of who answers.
    pub asks: Direction,
    /// The request.
    pub request: Option<Message<'e>>,
    /// The answer.
    pub response: Option<(Message<'e>, u64)>,
    /// The login in the request.
    pub login: Option<Login<'e>>,
}

impl std::fmt::Debug for Event<'_> {
    /// Without attributes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Radius({:?}, {:?})", self.request.map(|m| m.code), self.response.map(|m| m.0.code))
    }
}

impl Event<'_> {
    /// Whether a request for access goes without a Message-Authenticator.
    pub fn is_forgeable(&self) -> bool {
        const ACCESS_REQUEST: u8 = 1;
        self.request.is_some_and(|m| m.code == ACCESS_REQUEST && m.get(attribute::MESSAGE_AUTHENTICATOR).is_none())
    }
}

/// How the user proves who he is.
pub fn method(message: &Message<'_>) -> Option<&'static str> {
    if message.get(attribute::EAP_MESSAGE).is_some() {
        return Some("eap");
    }
    if message.get(attribute::USER_PASSWORD).is_some() {
        return Some("pap");
    }
    if message.get(attribute::CHAP_PASSWORD).is_some() {
        return Some("chap");
    }
    message.ms_chap().map(|m| match m {
        super::radius_message::MsChap::V1 { .. } => "mschap",
        super::radius_message::MsChap::V2 { .. } => "mschapv2",
    })
}

fn address(value: &[u8]) -> Option<Addr> {
    value.try_into().ok().map(Addr::v4)
}

/// The MAC at the front of a station identifier: six pairs of digits with any of `:-.` between them.
fn mac(text: &[u8]) -> Option<Mac> {
    let mut out = [0_u8; 6];
    let mut digits = text.iter().filter(|c| !matches!(c, b':' | b'-' | b'.')).take(12);
    for byte in &mut out {
        let pair = [*digits.next()?, *digits.next()?];
        *byte = u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?;
    }
    Some(Mac(out)).filter(|m| !m.is_zero() && !m.is_group())
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(self.at)
    }

    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let one = self.request.or(self.response.map(|r| r.0));
        let get = |kind| one.and_then(|m| m.get(kind));
        row.opt_text(self.request.and_then(|m| code_name(m.code)));
        row.opt_text(self.response.and_then(|m| code_name(m.0.code)));
        row.opt_user(get(attribute::USER_NAME)).opt_text(self.request.as_ref().and_then(method));
        row.opt_text(one.and_then(|m| m.eap()).and_then(|e| e.name()));
        let shown = |row: &mut RowWriter<'_>, value: Option<Addr>| {
            match value {
                Some(ip) => row.addr(ip),
                None => row.null(),
            };
        };
        shown(row, get(attribute::NAS_IP_ADDRESS).and_then(address));
        row.opt_bytes(get(attribute::NAS_IDENTIFIER)).opt_bytes(get(attribute::CALLED_STATION_ID));
        row.opt_bytes(get(attribute::CALLING_STATION_ID));
        let framed = |m: &Message<'_>| m.get(attribute::FRAMED_IP_ADDRESS).and_then(address);
        shown(row, self.response.and_then(|r| framed(&r.0)).or_else(|| self.request.as_ref().and_then(framed)));
        let status = get(attribute::ACCT_STATUS_TYPE).and_then(<[u8]>::last);
        row.opt_text(status.and_then(|s| {
            Some(match s {
                1 => "start",
                2 => "stop",
                3 => "interim-update",
                7 => "accounting-on",
                8 => "accounting-off",
                _ => return None,
            })
        }));
        row.opt_bool(self.request.map(|m| m.get(attribute::MESSAGE_AUTHENTICATOR).is_some()));
        match self.response {
            Some((_, packet)) => row.count(packet),
            None => row.null(),
        };
    }

    fn login(&self) -> Option<Login<'_>> {
        self.login
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let Some(request) = self.request else { return };
        if let Some(value) = request.get(attribute::NAS_IDENTIFIER) {
            tell(Fact { about: About::Side(self.asks), attribute: "nas-identifier", value });
        }
        // Which user sits at which MAC: once the server has let him in.
        const ACCEPT: u8 = 2;
        const ACCOUNTING: u8 = 5;
        let confirmed = self.response.is_some_and(|r| matches!(r.0.code, ACCEPT | ACCOUNTING));
        if let Some(mac) = request.get(attribute::CALLING_STATION_ID).and_then(mac).filter(|_| confirmed)
            && let Some(value) = request.get(attribute::USER_NAME)
        {
            let ip = request.get(attribute::FRAMED_IP_ADDRESS).and_then(address).unwrap_or(Addr::UNSPECIFIED);
            tell(Fact { about: About::Device(mac, ip), attribute: "username", value });
        }
    }
}

/// Mechanism of an EAP login, as the `mechanism` column spells it.
pub fn eap_mechanism(eap: &Eap) -> &'static str {
    match eap.name() {
        Some("md5") => "eap-md5",
        Some("gtc") => "eap-gtc",
        Some("tls") => "eap-tls",
        Some("leap") => "eap-leap",
        Some("ttls") => "eap-ttls",
        Some("peap") => "eap-peap",
        Some("mschapv2") => "eap-mschapv2",
        Some("fast") => "eap-fast",
        Some("pwd") => "eap-pwd",
        _ => "eap",
    }
}
