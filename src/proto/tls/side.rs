//! What is kept of one direction of TLS over a stream.

/// Longest record of TLS 1.3 that can be an alert and no more: content, type, tag of 16 bytes. A
/// Finished message makes a longer one.
pub const ALERT_13_MAX: usize = 24;

/// Whether the records of a direction can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// Nothing came yet.
    #[default]
    Start,
    /// At a known place.
    Sound,
    /// Bytes are missing: the next ones count only if they are a record header.
    AfterGap,
    /// Not any more.
    Lost,
}

/// What is kept of one direction.
#[derive(Debug, Default)]
pub struct Side {
    /// Whether its records can be told apart.
    pub sync: Sync,
    /// Bytes left of the handshake record that is being read.
    pub record_left: usize,
    /// Bytes of the current message to pass over.
    pub pass: usize,
    /// A message that began in an earlier record: at most `TLS_MESSAGE_BYTES_MAX` bytes.
    pub message: Vec<u8>,
    /// No more will come.
    pub ended: bool,
}

impl Side {
    /// Forgets a message that is not whole.
    pub fn drop_message(&mut self) {
        self.message = Vec::new();
        self.pass = 0;
    }
}
