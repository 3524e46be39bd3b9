//! What TFTP emits, and its table.

use crate::base::secret::Reveal;
use crate::base::{Endpoint, Timestamp};
use crate::proto::api::{Announcement, Carries, Login};
use crate::proto::text;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "tftp",
    doc: "One TFTP request, or one transfer: the answer to a request comes from another port, so they are two flows \
          and two rows mostly",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("event", Type::Text, "request or transfer"),
        Column::repeating("operation", Type::Text, "read or write; null where the request was not seen"),
        Column::new("filename", Type::Text, "Name of the file; null where the request was not seen"),
        Column::repeating("mode", Type::Text, "Mode of a request: octet, netascii or mail"),
        Column::repeating("block_size", Type::Int32, "Bytes of a block, as asked for or agreed on (RFC 2348)"),
        Column::new("file_size", Type::Int64, "Bytes of the file as an option tells (RFC 2349)"),
        Column::new("file_bytes", Type::Int64, "Bytes of the file that were seen, in a transfer"),
        Column::repeating("complete", Type::Bool, "Whether a transfer came to its last block"),
        Column::repeating("error_code", Type::Int32, "Code of the error that ended it (RFC 1350, section 5)"),
        Column::new("error", Type::Text, "Its text"),
    ],
};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The client fetches a file.
    Read,
    /// The client stores a file.
    Write,
}

impl Operation {
    /// The name as the `operation` column spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// A request or a transfer.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'e> {
    /// When and in which packet it began.
    pub at: (Timestamp, u64),
    /// Whether it is a request; else a transfer.
    pub is_request: bool,
    /// What is asked for.
    pub operation: Option<Operation>,
    /// File.
    pub file: Option<&'e [u8]>,
    /// Mode.
    pub mode: Option<&'e [u8]>,
    /// Bytes of a block, where an option says so.
    pub block_size: Option<u32>,
    /// Bytes of the file, where an option says so.
    pub file_size: Option<u64>,
    /// Bytes seen.
    pub bytes: u64,
    /// Whether the last block came.
    pub complete: bool,
    /// Error.
    pub error: Option<(u16, &'e [u8])>,
    /// Of a request: where the answer will go.
    pub client: Option<Endpoint>,
    /// Of a request: what the parser of the answer is told.
    pub words: &'e [u8],
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// A request or a transfer.
    Entry(Entry<'e>),
    /// An account in a file.
    Login {
        /// The file.
        file: &'e [u8],
        /// The login.
        login: Login<'e>,
    },
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(match self {
            Self::Entry(e) => e.at,
            Self::Login { login, .. } => (login.ts, login.packet),
        })
    }

    fn has_row(&self) -> bool {
        matches!(self, Self::Entry(_))
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Self::Entry(e) = self else { return };
        row.text(if e.is_request { "request" } else { "transfer" });
        row.opt_text(e.operation.map(Operation::name)).opt_bytes(e.file.map(text::without_settings).as_deref());
        row.opt_bytes(e.mode);
        row.opt_int(e.block_size);
        match e.file_size {
            Some(size) => row.count(size),
            None => row.null(),
        };
        if e.is_request {
            row.null().null();
        } else {
            row.count(e.bytes).bool(e.complete);
        }
        row.opt_int(e.error.map(|x| x.0)).opt_bytes(e.error.map(|x| x.1));
    }

    fn login(&self) -> Option<Login<'_>> {
        match self {
            Self::Login { login, .. } => Some(*login),
            Self::Entry(_) => None,
        }
    }

    fn service(&self) -> Option<&'static str> {
        Some("tftp")
    }

    fn announces(&self, tell: &mut dyn FnMut(Announcement<'_>)) {
        if let Self::Entry(Entry { client: Some(endpoint), words, .. }) = self {
            tell(Announcement { endpoint: *endpoint, carries: Carries::Protocol("tftp"), words });
        }
    }
}
