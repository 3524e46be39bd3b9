//! What is told of an MQTT connection.

use crate::base::Timestamp;
use crate::base::secret::{Reveal, SecretBuf};
use crate::proto::api::{About, Direction, Event as ApiEvent, Fact, Login, SecretKind};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "mqtt",
    doc: "MQTT: one row per connection of a client to a broker, and one for each topic that was spoken of in it",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating(
            "action",
            Type::Text,
            "connect; publish (from the client), receive (from the broker) or subscribe",
        ),
        Column::repeating("version", Type::Text, "Protocol version of a connect: 3.1, 3.1.1 or 5"),
        Column::repeating("client_id", Type::Text, "Client identifier of a connect"),
        Column::repeating("username", Type::Text, "User name of a connect; null where none was sent"),
        Column::repeating("return_code", Type::Int32, "Answer to a connect: 0 is accepted; null where it was not seen"),
        Column::repeating("clean_session", Type::Bool, "Whether a connect asks for a session without a past"),
        Column::repeating("keep_alive_s", Type::Int32, "Longest silence that the client promises, in seconds"),
        Column::repeating("topic", Type::Text, "Topic or topic filter; of a connect, that of the will"),
        Column::repeating("qos", Type::Int32, "Quality of service of a topic: 0, 1 or 2"),
        Column::repeating("retain", Type::Bool, "Whether what was published is to be kept by the broker"),
    ],
};

/// A CONNECT and the answer to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connect {
    /// When it was sent.
    pub at: (Timestamp, u64),
    /// Protocol level: 3 is version 3.1, 4 is 3.1.1, 5 is 5.
    pub level: u8,
    /// Whether the session has no past.
    pub clean: bool,
    /// Longest silence, in seconds.
    pub keep_alive: u16,
    /// Client identifier.
    pub client_id: Vec<u8>,
    /// Topic of the will; empty where there is none.
    pub will_topic: Vec<u8>,
    /// User name.
    pub username: Option<Vec<u8>>,
    /// Password.
    pub secret: Option<SecretBuf>,
    /// Return code (3.x) or reason code (5).
    pub code: Option<u8>,
}

/// How a topic was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TopicUse {
    /// The client published.
    Publish,
    /// The broker passed on what was published.
    Receive,
    /// The client asked for it.
    Subscribe,
}

/// A topic, the first time that it is used so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic<'e> {
    /// How.
    pub what: TopicUse,
    /// The topic.
    pub topic: &'e [u8],
    /// Quality of service.
    pub qos: u8,
    /// Whether the broker keeps it.
    pub retain: bool,
}

/// The event.
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// A client connects.
    Connect(&'e Connect),
    /// A topic.
    Topic(Topic<'e>),
}

impl ApiEvent for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        match self {
            Self::Connect(c) => Some(c.at),
            Self::Topic(_) => None,
        }
    }

    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        match self {
            Self::Connect(c) => {
                row.text("connect").text(match c.level {
                    3 => "3.1",
                    4 => "3.1.1",
                    _ => "5",
                });
                row.bytes(&c.client_id).opt_user(c.username.as_deref()).opt_int(c.code).bool(c.clean);
                row.int(c.keep_alive).opt_bytes((!c.will_topic.is_empty()).then_some(&c.will_topic)).null().null();
            }
            Self::Topic(t) => {
                row.text(match t.what {
                    TopicUse::Publish => "publish",
                    TopicUse::Receive => "receive",
                    TopicUse::Subscribe => "subscribe",
                });
                row.null().null().null().null().null().null();
                row.bytes(t.topic).int(t.qos);
                row.opt_bool((t.what != TopicUse::Subscribe).then_some(t.retain));
            }
        }
    }

    fn login(&self) -> Option<Login<'_>> {
        let Self::Connect(c) = self else { return None };
        if c.username.is_none() && c.secret.is_none() {
            return None;
        }
        let secret = c.secret.as_ref().map(SecretBuf::borrow);
        // Shared access signatures and web tokens stand where the password does.
        let token =
            secret.is_some_and(|s| s.expose().starts_with(b"SharedAccessSignature ") || s.expose().starts_with(b"eyJ"));
        Some(Login {
            mechanism: "plain",
            username: c.username.as_deref(),
            secret,
            secret_kind: if token { SecretKind::Token } else { SecretKind::Password },
            success: c.code.map(|code| code == 0),
            ..Login::at(c.at)
        })
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        if let Self::Connect(c) = self {
            tell(Fact { about: About::Side(Direction::Orig), attribute: "client-id", value: &c.client_id });
        }
    }
}
