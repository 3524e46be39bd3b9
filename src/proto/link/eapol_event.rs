//! What EAP over LANs tells, and the table that it goes to.

use std::borrow::Cow;

use super::FRAME_PREFIX;
use crate::base::secret::{Reveal, SecretBuf};
use crate::base::{Mac, Timestamp};
use crate::proto::api::{About, Direction, Fact, Login, SecretKind};
use crate::proto::proof::{Ntlm, Proof};
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "eapol",
    doc: "One frame of 802.1X: the login of a device to the network",
    prefix: FRAME_PREFIX,
    columns: &[
        Column::repeating("version", Type::Int32, "Version of the protocol"),
        Column::repeating("message", Type::Text, "Start, Logoff, Request, Response, Success, Failure, Key or MKA"),
        Column::new("eap_id", Type::Int32, "Identifier that a response shares with its request"),
        Column::repeating("method", Type::Text, "Method of EAP: Identity, Nak, MD5-Challenge, TLS, PEAP ..."),
        Column::repeating("identity", Type::Text, "Name that the device gives itself"),
        Column::repeating("wanted_methods", Type::TextList, "Methods that it would rather have (Nak)"),
        Column::repeating("key_message", Type::Text, "Which message of WPA's handshakes: 4-way 1 to 4, group 1 and 2"),
    ],
};

/// A method of EAP by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method(pub u8);

impl Method {
    /// The name in the IANA registry.
    pub fn name(self) -> Cow<'static, str> {
        match self.0 {
            1 => "Identity".into(),
            2 => "Notification".into(),
            3 => "Nak".into(),
            4 => "MD5-Challenge".into(),
            5 => "OTP".into(),
            6 => "GTC".into(),
            13 => "TLS".into(),
            17 => "LEAP".into(),
            18 => "SIM".into(),
            21 => "TTLS".into(),
            23 => "AKA".into(),
            25 => "PEAP".into(),
            26 => "MSCHAPv2".into(),
            43 => "FAST".into(),
            50 => "AKA'".into(),
            52 => "PWD".into(),
            55 => "TEAP".into(),
            254 => "Expanded".into(),
            n => format!("TYPE{n}").into(),
        }
    }

    /// Whether it sends the password as it is.
    const fn is_plain(self) -> bool {
        matches!(self.0, 5 | 6)
    }

    /// The mechanism of a login by it.
    const fn mechanism(self) -> &'static str {
        match self.0 {
            4 => "eap-md5",
            5 => "eap-otp",
            6 => "eap-gtc",
            17 => "eap-leap",
            _ => "eap-mschapv2",
        }
    }
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)] // the names of the standard
pub enum What {
    #[default]
    Start,
    Logoff,
    Request,
    Response,
    Success,
    Failure,
    /// A key, and which message of WPA's handshakes.
    Key(Option<&'static str>),
    /// Key agreement of MACsec.
    KeyAgreement,
    /// Any other type of frame.
    Other(u8),
}

/// An answer to a challenge, or a password.
#[derive(Debug)]
pub struct Answer {
    /// By which method.
    pub method: Method,
    /// Identifier of the request.
    pub id: u8,
    /// Who answered.
    pub from: Mac,
    /// Whom; a group where nobody in particular.
    pub to: Mac,
    /// Name.
    pub username: Vec<u8>,
    /// Challenge; empty where it was not seen.
    pub challenge: Vec<u8>,
    /// Challenge of the device (MS-CHAPv2).
    pub peer_challenge: Vec<u8>,
    /// The answer.
    pub response: SecretBuf,
    /// The answer as text: in hexadecimal where it is no password.
    pub shown: SecretBuf,
}

impl Answer {
    /// The answer as text.
    pub fn text_of(method: Method, response: &[u8]) -> SecretBuf {
        if method.is_plain() {
            return SecretBuf::new(response);
        }
        let digits: String = response.iter().map(|b| format!("{b:02x}")).collect();
        SecretBuf::new(digits.as_bytes())
    }

    /// Whether it is the same answer, sent again.
    pub fn is_same(&self, other: &Self) -> bool {
        self.method == other.method
            && (self.id, self.from) == (other.id, other.from)
            && self.response.borrow().expose() == other.response.borrow().expose()
    }

    fn proof(&self) -> Option<Proof<'_>> {
        let (challenge, response) = (self.challenge.as_slice(), self.response.borrow().expose());
        if challenge.is_empty() {
            return None;
        }
        match self.method.0 {
            4 => Some(Proof::Chap { id: self.id, challenge, response }),
            17 => Some(Proof::Ntlm(Ntlm {
                username: &self.username,
                domain: &[],
                challenge: challenge.try_into().ok()?,
                lm: &[],
                nt: response,
            })),
            26 => Some(Proof::MsChap2 {
                challenge,
                peer_challenge: &self.peer_challenge,
                // The domain does not go into the hash (RFC 2759, section 4).
                username: self.username.rsplit(|c| *c == b'\\').next().unwrap_or(&self.username),
                response,
            }),
            _ => None,
        }
    }
}

/// One frame, or what became of a login.
#[derive(Debug, Clone, Copy, Default)]
pub struct Event<'e> {
    /// Version.
    pub version: u8,
    /// What it is.
    pub what: What,
    /// Identifier.
    pub id: Option<u8>,
    /// Method.
    pub method: Option<Method>,
    /// Name.
    pub identity: &'e [u8],
    /// Methods that the device would rather have.
    pub wanted: &'e [u8],
    /// A login, and whether it was accepted. Such an event has no row.
    pub answer: Option<(&'e Answer, Option<bool>)>,
    /// When the answer was sent.
    pub at: Option<(Timestamp, u64)>,
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        self.at
    }

    fn has_row(&self) -> bool {
        self.answer.is_none()
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        row.int(self.version);
        let mut key = None;
        match self.what {
            What::Start => row.text("Start"),
            What::Logoff => row.text("Logoff"),
            What::Request => row.text("Request"),
            What::Response => row.text("Response"),
            What::Success => row.text("Success"),
            What::Failure => row.text("Failure"),
            What::Key(message) => {
                key = message;
                row.text("Key")
            }
            What::KeyAgreement => row.text("MKA"),
            What::Other(n) => row.text(&format!("TYPE{n}")),
        };
        row.opt_int(self.id).opt_text(self.method.map(Method::name).as_deref());
        row.opt_user(Some(self.identity).filter(|i| !i.is_empty()));
        if self.wanted.is_empty() {
            row.null();
        } else {
            let wanted: Vec<_> = self.wanted.iter().map(|m| Method(*m).name()).collect();
            row.texts(&wanted);
        }
        row.opt_text(key);
    }

    fn login(&self) -> Option<Login<'_>> {
        let (answer, success) = self.answer?;
        let plain = answer.method.is_plain();
        Some(Login {
            mechanism: answer.method.mechanism(),
            username: Some(answer.username.as_slice()).filter(|u| !u.is_empty()),
            secret: Some(answer.shown.borrow()),
            secret_kind: if plain { SecretKind::Password } else { SecretKind::ChallengeResponse },
            proof: answer.proof(),
            success,
            ..Login::at(self.at?)
        })
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let mut tell = |attribute, value: &[u8]| tell(Fact { about: About::Side(Direction::Orig), attribute, value });
        tell("identity", self.identity);
        if let (What::Response, Some(method)) = (self.what, self.method.filter(|m| m.0 > 3)) {
            tell("eap-method", method.name().as_bytes());
        }
    }
}
