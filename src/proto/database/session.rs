//! What databases, caches and message brokers have in common: a session begins with a login, and one row
//! tells of it.

use crate::base::secret::{BLANK, Reveal, SecretBuf};
use crate::base::{Timestamp, limits};
use crate::proto::api::{About, Cx, Direction, Event as ApiEvent, Fact, Login, SecretKind};
use crate::proto::framing::front;
use crate::proto::proof::Proof;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "databases",
    doc: "One row per login at a database, cache or message broker, or per session where none was seen",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("service", Type::Text, "Protocol, as in flows.service"),
        Column::repeating("server_version", Type::Text, "What the server calls itself"),
        Column::repeating("username", Type::Text, "User name"),
        Column::repeating("database", Type::Text, "Database, service, keyspace or virtual host that was asked for"),
        Column::repeating("application", Type::Text, "What the client calls itself"),
        Column::repeating("client_host", Type::Text, "Name of its own machine that the client sent"),
        Column::repeating("mechanism", Type::Text, "How the login was made; null where none was seen"),
        Column::repeating("success", Type::Bool, "Whether it was accepted; null where no answer was seen"),
        Column::repeating(
            "encryption",
            Type::Text,
            "tls where the session turned to it, login-only where nothing but the login did, refused where the client asked for it in vain; null otherwise",
        ),
        Column::repeating(
            "without_login",
            Type::Bool,
            "Whether the server served commands although nobody had logged in",
        ),
    ],
};

/// The parts of a challenge and the answer to it, owned; see [`Proof`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the parts are those of `Proof`
pub enum Answer {
    MysqlNative {
        salt: Vec<u8>,
        response: SecretBuf,
    },
    MysqlSha2 {
        salt: Vec<u8>,
        response: SecretBuf,
    },
    PostgresMd5 {
        salt: Vec<u8>,
    },
    Scram(Scram),
    /// One that no guess can be tested against.
    Other,
}

/// A SCRAM exchange (RFC 5802) as far as it was seen. The proof stands in the secret of the session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scram {
    /// `SHA-1` or `SHA-256`.
    pub hash: &'static str,
    /// The client's first message without its header.
    pub client_first: Vec<u8>,
    /// The server's first message.
    pub server_first: Vec<u8>,
    /// The client's last message without its proof.
    pub client_final: Vec<u8>,
    /// The proof, decoded.
    pub proof: SecretBuf,
}

impl Scram {
    /// Takes the client's first message (RFC 5802, section 7): header `n,,`, then attributes. Gives back
    /// the user name in it.
    pub fn first(&mut self, message: &[u8]) -> Vec<u8> {
        let mut parts = message.splitn(3, |c| *c == b',');
        let bare = if message.starts_with(b"n=") { Some(message) } else { parts.nth(2) }.unwrap_or_default();
        self.client_first = short(bare);
        attribute(bare, b"n=").map(unescape).unwrap_or_default()
    }

    /// Takes the client's last message; gives back the proof as it was sent, in Base64.
    pub fn last(&mut self, message: &[u8]) -> Option<SecretBuf> {
        let at = memchr::memmem::rfind(message, b",p=")?;
        let (before, proof) = message.split_at_checked(at)?;
        let proof = proof.get(3..)?;
        self.client_final = short(before);
        self.proof = SecretBuf::new(&crate::proto::text::base64(proof)?);
        Some(SecretBuf::new(proof))
    }
}

/// The value of an attribute of a SCRAM message.
fn attribute<'a>(message: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    message.split(|c| *c == b',').find_map(|part| part.strip_prefix(name))
}

/// `=2C` is a comma and `=3D` an equals sign in a name (RFC 5802, section 5.1).
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    loop {
        rest = match rest {
            [b'=', b'2', b'C', tail @ ..] => {
                out.push(b',');
                tail
            }
            [b'=', b'3', b'D', tail @ ..] => {
                out.push(b'=');
                tail
            }
            [c, tail @ ..] => {
                out.push(*c);
                tail
            }
            [] => return out,
        };
    }
}

/// What became of encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Agreed on: TLS follows.
    Tls,
    /// Nothing but the login is encrypted.
    LoginOnly,
    /// The client asked and the server declined.
    Refused,
}

impl Encryption {
    const fn name(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::LoginOnly => "login-only",
            Self::Refused => "refused",
        }
    }
}

/// A session: what its parser has collected by now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// When it began, or its login was sent.
    pub at: (Timestamp, u64),
    /// What the server calls itself.
    pub server: Vec<u8>,
    /// User name.
    pub username: Vec<u8>,
    /// Database.
    pub database: Vec<u8>,
    /// What the client calls itself.
    pub application: Vec<u8>,
    /// Name of the client's machine.
    pub client_host: Vec<u8>,
    /// How the login was made; empty where there was none.
    pub mechanism: &'static str,
    /// The secret, or the answer to a challenge.
    pub secret: Option<SecretBuf>,
    /// The challenge, where it was one.
    pub answer: Option<Answer>,
    /// What the server said to the login.
    pub success: Option<bool>,
    /// What became of encryption.
    pub encryption: Option<Encryption>,
    /// Whether commands were served although nobody had logged in.
    pub open: bool,
}

impl Session {
    /// A login is being made.
    pub fn login(&mut self, cx: &Cx<'_>, mechanism: &'static str, secret: Option<SecretBuf>) {
        self.at = (cx.ts, cx.packet);
        self.mechanism = mechanism;
        self.secret = secret;
        self.answer = None;
        self.success = None;
    }

    /// Emits what is known with what the server said.
    pub fn tell(&mut self, service: &'static str, emit: &mut dyn FnMut(Event<'_>)) {
        emit(Event { service, session: self });
        // Names and versions stay for a second try; what belonged to the first does not.
        self.mechanism = "";
        self.secret = None;
        self.answer = None;
        self.success = None;
    }

    /// Takes the response of SASL PLAIN (RFC 4616): `[authzid] NUL authcid NUL passwd`. False where it is not.
    pub fn sasl_plain(&mut self, cx: &Cx<'_>, response: &[u8]) -> bool {
        let mut parts = response.splitn(3, |c| *c == 0);
        let (Some(_), Some(user), Some(secret)) = (parts.next(), parts.next(), parts.next()) else { return false };
        self.username = short(user);
        self.login(cx, "plain", Some(SecretBuf::new(secret)));
        true
    }
}

/// An answer that is no text, in hexadecimal: how it is shown.
pub fn hexadecimal(answer: &[u8]) -> SecretBuf {
    let digits: String = answer.iter().map(|b| format!("{b:02x}")).collect();
    SecretBuf::new(digits.as_bytes())
}

/// A name of bounded length, owned.
pub fn short(bytes: &[u8]) -> Vec<u8> {
    front(bytes, limits::DATABASE_NAME_BYTES_MAX).to_vec()
}

/// The event: a login, or a session without one.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// Protocol.
    pub service: &'static str,
    /// What is known.
    pub session: &'e Session,
}

impl ApiEvent for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        (self.session.at.1 != 0).then_some(self.session.at)
    }

    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let s = self.session;
        row.text(self.service);
        row.opt_bytes(some(&s.server)).opt_user(some(&s.username));
        for name in [&s.database, &s.application, &s.client_host] {
            match &s.secret {
                // A name that is the secret as well, or holds it.
                Some(secret) if s.answer.is_none() => {
                    row.opt_bytes(some(&crate::proto::text::without_secret(name, secret.borrow())));
                }
                _ => {
                    row.opt_bytes(some(name));
                }
            }
        }
        row.nonempty(s.mechanism).opt_bool(s.success).opt_text(s.encryption.map(Encryption::name)).bool(s.open);
    }

    fn login(&self) -> Option<Login<'_>> {
        let s = self.session;
        if s.mechanism.is_empty() {
            return None;
        }
        let secret = s.secret.as_ref().map(SecretBuf::borrow);
        let response = secret.map(|s| s.expose()).unwrap_or_default();
        let proof = s.answer.as_ref().and_then(|answer| match answer {
            Answer::MysqlNative { salt, response } => {
                Some(Proof::MysqlNative { salt, response: response.borrow().expose() })
            }
            Answer::MysqlSha2 { salt, response } => {
                Some(Proof::MysqlSha2 { salt, response: response.borrow().expose() })
            }
            Answer::PostgresMd5 { salt } => Some(Proof::PostgresMd5 { username: &s.username, salt, response }),
            Answer::Other => None,
            Answer::Scram(scram) => Some(Proof::Scram {
                hash: scram.hash.as_bytes(),
                client_first: &scram.client_first,
                server_first: &scram.server_first,
                client_final: &scram.client_final,
                proof: scram.proof.borrow().expose(),
            }),
        });
        let secret_kind = match (&s.answer, secret) {
            (None, Some(_)) => SecretKind::Password,
            _ => SecretKind::ChallengeResponse,
        };
        Some(Login {
            mechanism: s.mechanism,
            username: some(&s.username),
            secret,
            secret_kind,
            proof,
            success: s.success,
            ..Login::at(s.at)
        })
    }

    fn upgrades(&self) -> bool {
        self.session.encryption == Some(Encryption::Tls)
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let s = self.session;
        tell(Fact { about: About::Side(Direction::Resp), attribute: "server", value: &s.server });
        for (attribute, value) in [("user-agent", &s.application), ("hostname", &s.client_host)] {
            let clean = match &s.secret {
                Some(secret) if s.answer.is_none() => crate::proto::text::without_secret(value, secret.borrow()),
                _ => value.into(),
            };
            if *clean != *BLANK.as_bytes() {
                tell(Fact { about: About::Side(Direction::Orig), attribute, value: &clean });
            }
        }
    }
}

/// `None` where empty.
fn some(bytes: &[u8]) -> Option<&[u8]> {
    (!bytes.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scram_messages_are_taken_apart() {
        // RFC 7677, section 3.
        let mut scram = Scram { hash: "SHA-256", ..Scram::default() };
        assert_eq!(scram.first(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"), b"user");
        assert_eq!(scram.client_first, b"n=user,r=rOprNGfwEbeRWgbNEkqO");
        let sent = scram
            .last(b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
            .unwrap();
        assert_eq!(sent.borrow().len(), 44);
        assert_eq!(scram.proof.borrow().len(), 32);
        assert_eq!(scram.client_final, b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
        assert_eq!(scram.last(b"c=biws,r=x"), None);
        assert_eq!(unescape(b"a=2Cb=3Dc"), b"a,b=c");
    }
}
