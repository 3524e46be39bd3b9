//! What SMTP tells: the table `smtp` and the events of a session.

use crate::base::secret::{self, Reveal, Secret};
use crate::base::{Timestamp, limits};
use crate::proto::api::{Fact, Login};
use crate::proto::mail::header::{Field, Header, decoded};
use crate::proto::mail::session::{self, Upgrade};
use crate::proto::text;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "smtp",
    doc: "One mail transaction over SMTP or LMTP (from MAIL to the reply to the message); a session without one has a \
          row of its own, with null in mail_from",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("banner", Type::Text, "Greeting of the server, its lines joined by a blank"),
        Column::repeating("helo", Type::Text, "Name that the client gave in HELO, EHLO or LHLO"),
        Column::repeating("capabilities", Type::TextList, "Extensions that the server offered, as it wrote them"),
        Column::repeating(
            "starttls",
            Type::Text,
            "What became of the upgrade to TLS: accepted, refused, stripped (made unreadable on the way) or unused \
             (offered, and mail or a login went in clear); null where none was offered or asked for",
        ),
        Column::repeating("username", Type::Text, "User name of the login on this connection"),
        Column::repeating("mail_from", Type::Text, "Sender of the envelope; empty for a bounce"),
        Column::new("rcpt_to", Type::TextList, "Recipients of the envelope"),
        Column::repeating("header_from", Type::Text, "Field From of the message, encoded words decoded"),
        Column::new("header_to", Type::Text, "Field To of the message"),
        Column::new("subject", Type::Text, "Field Subject of the message, encoded words decoded"),
        Column::new("message_id", Type::Text, "Field Message-ID of the message"),
        Column::new("date", Type::Text, "Field Date of the message"),
        Column::repeating("user_agent", Type::Text, "Program that wrote the message (User-Agent, X-Mailer)"),
        Column::repeating("relayed", Type::Bool, "Whether the message has come through another server before"),
        Column::new(
            "body_bytes",
            Type::Int64,
            "Bytes of the message as sent, header included; null where some are missing",
        ),
        Column::repeating(
            "reply_code",
            Type::Int32,
            "Last reply code of the transaction; null where no reply was seen",
        ),
        Column::new("reply_text", Type::Text, "Text of that reply, its lines joined by a blank"),
        Column::new("reply_packet", Type::Int64, "Packet with that reply"),
    ],
};

/// A reply of the server.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// Code; zero where there was none.
    pub code: u16,
    /// Its lines, joined by a blank.
    pub text: Vec<u8>,
    /// Packet of its last line.
    pub packet: u64,
}

/// One transaction.
#[derive(Debug, Default)]
pub struct Mail {
    /// Sender of the envelope, without its brackets.
    pub from: Vec<u8>,
    /// Recipients of the envelope.
    pub to: Vec<String>,
    /// Header of the message.
    pub header: Header,
    /// Bytes of the message.
    pub bytes: u64,
    /// Whether the message was seen to its end without a gap.
    pub is_whole: bool,
    /// Last reply.
    pub reply: Reply,
}

impl Mail {
    /// A transaction with this sender.
    pub fn new(from: &[u8]) -> Self {
        Self { from: from.to_vec(), ..Self::default() }
    }

    /// Adds a recipient; `false` where there are too many to keep.
    pub fn add(&mut self, to: &[u8]) -> bool {
        let room = self.to.len() < limits::LIST_ITEMS_MAX;
        if room {
            self.to.push(String::from_utf8_lossy(to).into_owned());
        }
        room
    }
}

/// A row: a transaction, or a session that had none.
#[derive(Debug, Clone, Copy)]
pub struct Row<'e> {
    /// When it began.
    pub at: (Timestamp, u64),
    /// Greeting of the server.
    pub banner: &'e [u8],
    /// Name of the client.
    pub helo: &'e [u8],
    /// Extensions.
    pub capabilities: &'e [String],
    /// What became of the upgrade to TLS.
    pub upgrade: Option<Upgrade>,
    /// User name of the login.
    pub username: &'e [u8],
    /// The last secret that was sent on this connection: it may be repeated elsewhere.
    pub secret: Option<Secret<'e>>,
    /// The transaction.
    pub mail: Option<&'e Mail>,
    /// Last reply of the session, where it had no transaction.
    pub reply: &'e Reply,
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// Something of the session.
    Session(session::Event<'e>),
    /// A row.
    Row(Row<'e>),
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        match self {
            Self::Session(event) => event.moment(),
            Self::Row(row) => Some(row.at),
        }
    }

    fn has_row(&self) -> bool {
        matches!(self, Self::Row(_))
    }

    fn write(&self, row: &mut RowWriter<'_>, reveal: Reveal) {
        if let Self::Row(seen) = self {
            seen.write(row, reveal);
        }
    }

    fn login(&self) -> Option<Login<'_>> {
        if let Self::Session(event) = self { event.login() } else { None }
    }

    fn upgrades(&self) -> bool {
        if let Self::Session(event) = self { event.upgrades() } else { false }
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        if let Self::Session(event) = self {
            event.facts(tell);
        }
    }
}

impl Row<'_> {
    fn write(&self, row: &mut RowWriter<'_>, reveal: Reveal) {
        let secret = self.secret.filter(|_| reveal == Reveal::No);
        // A text that may repeat the password of the session; empty means that there was none.
        let said = |row: &mut RowWriter<'_>, value: &[u8]| {
            match secret {
                _ if value.is_empty() => row.null(),
                Some(secret) => row.bytes(&text::without_secret(value, secret)),
                None => row.bytes(value),
            };
        };
        said(row, &text::without_settings(self.banner));
        said(row, self.helo);
        if self.capabilities.is_empty() {
            row.null()
        } else {
            row.texts(self.capabilities)
        };
        row.opt_text(self.upgrade.map(Upgrade::name));
        said(row, &secret::user(self.username));
        let reply = match self.mail {
            Some(mail) => {
                row.bytes(&mail.from).texts(&mail.to);
                for field in [Field::From, Field::To, Field::Subject, Field::MessageId, Field::Date, Field::UserAgent] {
                    let value = decoded(mail.header.get(field));
                    match field {
                        // Where new passwords are told.
                        Field::Subject => said(row, &text::without_settings(&value)),
                        _ => said(row, &value),
                    }
                }
                let has_message = mail.bytes > 0;
                row.opt_bool(has_message.then_some(mail.header.is_relayed()));
                if has_message && mail.is_whole {
                    row.count(mail.bytes)
                } else {
                    row.null()
                };
                &mail.reply
            }
            None => {
                for _ in 0..10 {
                    row.null();
                }
                self.reply
            }
        };
        if reply.code == 0 {
            row.null().null().null();
            return;
        }
        row.int(reply.code);
        said(row, &reply.text);
        row.count(reply.packet);
    }
}
