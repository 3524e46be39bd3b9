//! Secrets of TLS sessions that a user has: key logs in the format of NSS (RFC 9850), as files and as
//! decryption secrets in pcapng.
//!
//! ```text
//! CLIENT_RANDOM <client random, 64 hex digits> <master secret, 96 hex digits>
//! CLIENT_TRAFFIC_SECRET_0 <client random> <secret>          TLS 1.3; likewise the other labels
//! ```
//! What is read here never gets out: nothing in this file writes a secret anywhere.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;

use crate::base::limits;

/// Bytes of the random of a hello.
pub const RANDOM: usize = 32;

/// Which secret of a session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    Master,
    ClientEarly,
    ClientHandshake,
    ServerHandshake,
    ClientTraffic,
    ServerTraffic,
}

impl Label {
    /// The label of a line; `None` for one that opens no records (exporter secrets and the like).
    fn of(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"CLIENT_RANDOM" => Self::Master,
            b"CLIENT_EARLY_TRAFFIC_SECRET" => Self::ClientEarly,
            b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Self::ClientHandshake,
            b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => Self::ServerHandshake,
            b"CLIENT_TRAFFIC_SECRET_0" => Self::ClientTraffic,
            b"SERVER_TRAFFIC_SECRET_0" => Self::ServerTraffic,
            _ => return None,
        })
    }
}

/// A secret: at most 64 bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Key(Box<[u8]>);

impl Key {
    /// A secret that was derived from another.
    pub fn of(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(***)")
    }
}

/// The secrets of one session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// Master secret (up to TLS 1.2).
    pub master: Option<Key>,
    /// Secret of the client's data before the answer (TLS 1.3).
    pub client_early: Option<Key>,
    /// Secrets of the handshake, by client and server (TLS 1.3).
    pub handshake: [Option<Key>; 2],
    /// Secrets of the first application data, by client and server (TLS 1.3).
    pub traffic: [Option<Key>; 2],
}

/// Since when keys are known: those of a key log always, those within a capture from their block on, so that the
/// same keys are found whatever the number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// From the beginning, for every capture.
    Always,
    /// In this capture, behind this packet.
    Packet {
        /// Index of the capture among the inputs.
        capture: u32,
        /// Number of the last packet before the block.
        packet: u64,
    },
}

impl Since {
    const fn covers(self, capture: u32, packet: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Packet { capture: own, packet: first } => own == capture && packet > first,
        }
    }
}

/// A line of a key log that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// All secrets of a run or of one timeline, by client random: as many as there is room for, and at most
/// [`limits::TLS_KEYS_MAX`].
#[derive(Debug)]
pub struct KeyStore {
    /// Those that the user gave for all captures.
    given: Option<Arc<Self>>,
    most: usize,
    sessions: RwLock<Sessions>,
}

/// What is known of each session.
#[derive(Debug, Default)]
struct Sessions {
    /// By client random.
    by_random: HashMap<[u8; RANDOM], Vec<(Since, Label, Key)>, ahash::RandomState>,
    /// Secrets of all.
    count: usize,
}

impl Default for KeyStore {
    fn default() -> Self {
        Self { given: None, most: limits::TLS_KEYS_MAX, sessions: RwLock::default() }
    }
}

/// What a line says: which secret of which session.
type Line = (Label, [u8; RANDOM], Key);

impl KeyStore {
    /// With room for as many secrets as fit into so many bytes.
    pub fn within(bytes: usize) -> Self {
        Self { most: (bytes / limits::TLS_KEY_BYTES).min(limits::TLS_KEYS_MAX), ..Self::default() }
    }

    /// For the secrets of captures beside those that the user gave.
    pub fn over(given: Option<Arc<Self>>) -> Self {
        let most = given.as_ref().map_or(limits::TLS_KEYS_MAX, |given| given.most);
        Self { given, most, ..Self::default() }
    }

    /// Reads a key log; answers with how many secrets it holds. What cannot be read is told line by line, and
    /// what comes behind the limit is left out and told once.
    pub fn read(&self, log: &[u8], since: Since, bad: &mut dyn FnMut(BadLine)) -> usize {
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        let Sessions { by_random, count } = &mut *sessions;
        let mut read = 0;
        for (i, line) in log.split(|b| *b == b'\n').enumerate() {
            let parsed = match parse(line) {
                Ok(Some(parsed)) => parsed,
                Ok(None) => continue,
                Err(reason) => {
                    bad(BadLine { line: i + 1, reason });
                    continue;
                }
            };
            if *count >= self.most {
                bad(BadLine { line: i + 1, reason: "more secrets than there is room for: the rest is left out" });
                break;
            }
            let (label, random, key) = parsed;
            let known = by_random.entry(random).or_default();
            // Logs of long-lived programs say the same again and again.
            if known.iter().any(|(s, l, k)| *s == since && *l == label && *k == key) {
                read += 1;
                continue;
            }
            if known.len() >= limits::TLS_KEYS_PER_SESSION_MAX {
                bad(BadLine { line: i + 1, reason: "more secrets of one session than any has" });
                continue;
            }
            known.reserve_exact(1);
            known.push((since, label, key));
            *count += 1;
            read += 1;
        }
        read
    }

    /// The secrets of the session with this client random, as far as they are known at a packet.
    pub fn find(&self, random: &[u8], capture: u32, packet: u64) -> Option<Secrets> {
        let random: &[u8; RANDOM] = random.try_into().ok()?;
        let mut found = Secrets::default();
        for store in [Some(self), self.given.as_deref()].into_iter().flatten() {
            store.add(random, capture, packet, &mut found);
        }
        (found != Secrets::default()).then_some(found)
    }

    fn add(&self, random: &[u8; RANDOM], capture: u32, packet: u64, found: &mut Secrets) {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        for (since, label, key) in sessions.by_random.get(random).into_iter().flatten() {
            if !since.covers(capture, packet) {
                continue;
            }
            let [client_handshake, server_handshake] = &mut found.handshake;
            let [client_traffic, server_traffic] = &mut found.traffic;
            let slot = match label {
                Label::Master => &mut found.master,
                Label::ClientEarly => &mut found.client_early,
                Label::ClientHandshake => client_handshake,
                Label::ServerHandshake => server_handshake,
                Label::ClientTraffic => client_traffic,
                Label::ServerTraffic => server_traffic,
            };
            slot.get_or_insert_with(|| key.clone());
        }
    }
}

/// Reads one line: `None` for an empty one, a comment, or a label that opens no records.
fn parse(line: &[u8]) -> Result<Option<Line>, &'static str> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    let mut words = line.split(|b| b.is_ascii_whitespace()).filter(|w| !w.is_empty());
    let (Some(word), Some(random), Some(secret), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("not a label and two values in hexadecimal");
    };
    if !word.iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == b'_') {
        return Err("no label of a key log (RFC 9850)");
    }
    let Some(label) = Label::of(word) else { return Ok(None) };
    let random = unhex(random).ok_or("the client random is not hexadecimal")?;
    let random = random.try_into().map_err(|_| "a client random has 64 hex digits")?;
    let secret = unhex(secret).ok_or("the secret is not hexadecimal")?;
    let fits = match label {
        Label::Master => secret.len() == 48,
        // As long as the hash of the cipher suite.
        _ => matches!(secret.len(), 32 | 48 | 64),
    };
    if !fits {
        return Err("a secret of a length that this label does not have");
    }
    Ok(Some((label, random, Key::of(secret))))
}

/// Bytes of hex digits, of at most 128.
fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    if digits.is_empty() || digits.len() > 128 || !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |c: &u8| char::from(*c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    digits.chunks_exact(2).map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.last()?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(byte: u8, times: usize) -> String {
        format!("{byte:02x}").repeat(times)
    }

    #[test]
    fn a_log_is_read_line_by_line_and_what_is_wrong_is_told() {
        let random = hex(7, 32);
        let log = format!(
            "# made by a browser\n\nCLIENT_RANDOM {random} {}\r\nCLIENT_TRAFFIC_SECRET_0\t{random}  {}\n\
             EXPORTER_SECRET {random} {}\nCLIENT_RANDOM {random}\nCLIENT_RANDOM zz {}\nCLIENT_RANDOM {} {}\n\
             CLIENT_RANDOM {random} 00\nhello a b\nSERVER_TRAFFIC_SECRET_0 {random} {}x",
            hex(1, 48),
            hex(2, 32),
            hex(3, 32),
            hex(1, 48),
            hex(7, 31),
            hex(1, 48),
            hex(5, 32),
        );
        let store = KeyStore::default();
        let mut bad = Vec::new();
        assert_eq!(store.read(log.as_bytes(), Since::Always, &mut |b| bad.push(b)), 2);
        assert_eq!(bad.iter().map(|b| b.line).collect::<Vec<_>>(), [6, 7, 8, 9, 10, 11]);
        assert_eq!(bad[0].reason, "not a label and two values in hexadecimal");
        assert_eq!(bad[2].reason, "a client random has 64 hex digits");
        let found = store.find(&[7; 32], 3, 9).unwrap();
        assert_eq!(found.master.unwrap().expose(), [1; 48]);
        assert_eq!(found.traffic[0].as_ref().unwrap().expose(), [2; 32]);
        assert_eq!(found.traffic[1], None);
        assert!(store.find(&[8; 32], 3, 9).is_none());
        assert!(store.find(&[7; 31], 3, 9).is_none());
    }

    #[test]
    fn keys_within_a_capture_count_from_their_place_on() {
        let store = KeyStore::default();
        let line = format!("CLIENT_RANDOM {} {}", hex(7, 32), hex(1, 48));
        let since = Since::Packet { capture: 2, packet: 10 };
        assert_eq!(store.read(line.as_bytes(), since, &mut |_| ()), 1);
        assert_eq!(store.read(line.as_bytes(), since, &mut |_| ()), 1, "said again");
        assert!(store.find(&[7; 32], 2, 10).is_none());
        assert!(store.find(&[7; 32], 2, 11).is_some());
        assert!(store.find(&[7; 32], 1, 11).is_none(), "another capture");
    }

    #[test]
    fn a_log_of_one_session_or_of_many_pieces_costs_linear_time_and_bounded_memory() {
        let store = KeyStore::within(10 * limits::TLS_KEY_BYTES);
        let mut bad = Vec::new();
        let same: String = (0..200).map(|n| format!("CLIENT_RANDOM {} {}\n", hex(7, 32), hex(n, 48))).collect();
        assert_eq!(store.read(same.as_bytes(), Since::Always, &mut |b| bad.push(b)), 10);
        assert_eq!(bad.len(), 1, "there is no room for more");
        let store = KeyStore::default();
        assert_eq!(store.read(same.as_bytes(), Since::Always, &mut |b| bad.push(b)), limits::TLS_KEYS_PER_SESSION_MAX);
        // As a capture with a block of secrets before every packet has it: what it takes must not grow with what is there.
        let take = |blocks: u32| {
            let store = KeyStore::default();
            let start = std::time::Instant::now();
            for n in 0..blocks {
                let line = format!("CLIENT_RANDOM {}{n:08x} {}", hex(9, 28), hex(1, 48));
                assert_eq!(store.read(line.as_bytes(), Since::Packet { capture: 0, packet: 1 }, &mut |_| ()), 1);
            }
            start.elapsed()
        };
        let best = |blocks| (0..3).map(|_| take(blocks)).min().unwrap_or_default();
        let (few, many) = (best(4000), best(16_000));
        assert!(many < few * 12, "four times as many took {few:?} and {many:?}");
    }

    #[test]
    fn nothing_shows_a_secret() {
        let store = KeyStore::default();
        store.read(format!("CLIENT_RANDOM {} {}", hex(7, 32), hex(0xab, 48)).as_bytes(), Since::Always, &mut |_| ());
        let shown = format!("{store:?} {:?}", store.find(&[7; 32], 0, 1));
        assert!(!shown.contains("171") && !shown.contains("abab"), "{shown}");
    }
}
