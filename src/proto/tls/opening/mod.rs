//! Opening the records of a session whose secrets the user has brought: TLS 1.0 to 1.3, DTLS 1.0 and 1.2.
//!
//! Which keys a record is encrypted under is found by trying: the keys of a direction stand in the order in which they
//! come into use, and the first of them that opens a record makes those before it past. A record that none opens
//! (data before the answer, where nobody logged its secret; one that was damaged) is passed over, and after some of them, or
//! behind missing bytes, the direction is given up: records are numbered, and the number goes into what is verified.

pub mod keylog;
mod record;
mod suite;

use std::collections::VecDeque;

use self::keylog::{Key, Secrets};
use self::record::RecordKeys;
use self::suite::{Cipher, Suite, expand_label, prf};
use super::super::api::Direction;
use super::messages::kind;
use super::records::content;
use crate::base::{Reader, limits};
use crate::fingerprint::hello::ServerHello;

/// Keys that come into use one after the other, and for TLS 1.3 the secret that they were made of.
type Candidates = VecDeque<(RecordKeys, Option<Key>)>;

/// One direction.
#[derive(Debug, Default)]
struct Side {
    candidates: Candidates,
    /// Keys that come into use at the change of ciphers (up to TLS 1.2).
    pending: Option<RecordKeys>,
    /// Records in a row that were not opened.
    unopened: u32,
    lost: bool,
    /// Handshake messages of TLS 1.3 that are not whole: at most [`limits::TLS_MESSAGE_BYTES_MAX`] bytes.
    messages: Vec<u8>,
}

/// The keys of a session, and how far each direction has come.
#[derive(Debug)]
pub struct Opener {
    secrets: Secrets,
    client_random: Vec<u8>,
    client_side: Direction,
    suite: Option<Suite>,
    in_clear: bool,
    /// How DTLS writes its version, where it is that.
    wire: Option<u16>,
    /// The client's and the server's.
    sides: [Side; 2],
}

/// The version of TLS that an answer chose, or that its version of DTLS was made of (RFC 4347, RFC 6347), and how DTLS
/// writes that.
fn version_of(hello: &ServerHello<'_>) -> (u16, Option<u16>) {
    match hello.negotiated() {
        0xfeff => (0x0302, Some(0xfeff)),
        0xfefd => (0x0303, Some(0xfefd)),
        version => (version, None),
    }
}

impl Opener {
    /// For a session of which the ClientHello was seen.
    pub fn new(secrets: Secrets, client_random: &[u8], client_side: Direction) -> Self {
        let client_random = client_random.to_vec();
        Self {
            secrets,
            client_random,
            client_side,
            suite: None,
            in_clear: false,
            wire: None,
            sides: Default::default(),
        }
    }

    /// For a cipher suite that only authenticates (RFC 5246, appendix A.5; RFC 4492): its records are read without
    /// any key. `None` of every other suite.
    pub fn without_keys(hello: &ServerHello<'_>, client_side: Direction) -> Option<Self> {
        let (version, wire) = version_of(hello);
        let suite = Suite::of(hello.cipher, version).filter(|s| s.cipher == Cipher::Null && version < 0x0304)?;
        let mut opener = Self::new(Secrets::default(), &[], client_side);
        for side in &mut opener.sides {
            side.pending = Some(RecordKeys::unverified(suite, version)?.for_datagrams(wire));
        }
        opener.wire = wire;
        opener.suite = Some(suite).filter(|_| hello.compression == 0 && !hello.retry);
        opener.in_clear = true;
        opener.suite.is_some().then_some(opener)
    }

    /// Whether nothing is encrypted.
    pub const fn is_in_clear(&self) -> bool {
        self.in_clear
    }

    /// The client random that the keys are of.
    pub fn client_random(&self) -> &[u8] {
        &self.client_random
    }

    const fn side(&mut self, dir: Direction) -> &mut Side {
        let [client, server] = &mut self.sides;
        if self.client_side as usize == dir as usize { client } else { server }
    }

    /// The answer says which keys there are. Where none can be made of what is known, both directions are lost.
    pub fn server_hello(&mut self, hello: &ServerHello<'_>) {
        if hello.retry {
            return;
        }
        let (version, wire) = version_of(hello);
        self.wire = wire;
        self.suite = Suite::of(hello.cipher, version).filter(|_| hello.compression == 0);
        let made = match self.suite {
            // Drafts up to 25 verified something else (RFC 8446 before section 5.2 was final).
            Some(suite) if version == 0x0304 || (0x7f1a..=0x7f1c).contains(&version) => self.of_traffic(suite),
            Some(suite) if (0x0301..=0x0303).contains(&version) => self.of_master(suite, version, hello),
            _ => None,
        };
        if made.is_none() {
            self.sides.iter_mut().for_each(|side| side.lost = true);
        }
    }

    fn of_traffic(&mut self, suite: Suite) -> Option<()> {
        let Secrets { client_early, handshake, traffic, .. } = &self.secrets;
        let mut any = None;
        for ((side, handshake), (traffic, early)) in
            self.sides.iter_mut().zip(handshake).zip(traffic.iter().zip([client_early, &None]))
        {
            for secret in [early, handshake, traffic].into_iter().flatten() {
                let Some(keys) = RecordKeys::of_traffic_secret(suite, secret.expose()) else { continue };
                side.candidates.push_back((keys, Some(secret.clone())));
                any = Some(());
            }
            side.lost = side.candidates.is_empty();
        }
        any
    }

    /// RFC 5246, section 6.3: MAC keys, keys and vectors, each of the client first.
    fn of_master(&mut self, suite: Suite, version: u16, hello: &ServerHello<'_>) -> Option<()> {
        /// RFC 7366.
        const ENCRYPT_THEN_MAC: u16 = 22;
        let master = self.secrets.master.as_ref()?;
        let lens = [suite.mac.map_or(0, |m| m.len()), suite.key_len(), suite.iv_len(version)];
        let seed: [&[u8]; 3] = [b"key expansion", hello.random, &self.client_random];
        let block = prf(version, suite.hash, master.expose(), &seed, 2 * lens.iter().sum::<usize>());
        let mut r = Reader::new(&block);
        let mut parts = [[&[][..]; 3]; 2];
        for (i, len) in lens.into_iter().enumerate() {
            for side in &mut parts {
                *side.get_mut(i)? = r.take("key block", len).ok()?;
            }
        }
        let wire = self.wire;
        let etm = hello.extensions.types().any(|ty| ty == ENCRYPT_THEN_MAC);
        for (side, [mac, key, iv]) in self.sides.iter_mut().zip(parts) {
            side.pending = Some(RecordKeys::new(suite, version, mac, key, iv, etm)?.for_datagrams(wire));
        }
        Some(())
    }

    /// What a direction sends from here on is encrypted (up to TLS 1.2).
    pub fn change_cipher(&mut self, dir: Direction) {
        let wire = self.wire;
        let side = self.side(dir);
        match side.pending.take() {
            Some(keys) => side.candidates.push_back((keys, None)),
            // Records of DTLS say of which keys they are.
            None if wire.is_some() => {}
            // A second time: a renegotiation, whose keys are others.
            None => side.lost |= !side.candidates.is_empty(),
        }
    }

    /// Bytes of a direction are missing.
    pub fn lose(&mut self, dir: Direction) {
        self.side(dir).lost = true;
    }

    /// Whether the records of a direction may be opened from here on.
    pub fn opens(&mut self, dir: Direction) -> bool {
        let side = self.side(dir);
        !side.lost && !side.candidates.is_empty()
    }

    /// Whether anything may still be opened.
    pub fn is_of_use(&self) -> bool {
        self.sides.iter().any(|side| !side.lost)
    }

    /// Opens a record; what was in it, and its type.
    pub fn open(&mut self, dir: Direction, header: &[u8; 5], payload: &[u8]) -> Option<(u8, Vec<u8>)> {
        let suite = self.suite?;
        let side = self.side(dir);
        if side.lost {
            return None;
        }
        let mut found =
            side.candidates.iter_mut().enumerate().find_map(|(i, (keys, _))| Some((i, keys.open(header, payload)?)));
        if found.is_none() && side.unopened > 0 {
            // Those before it may have been of these keys, and damaged.
            found = side.candidates.front_mut().and_then(|(keys, _)| {
                let opened = keys.open_behind(side.unopened, header, payload)?;
                Some((0, opened))
            });
        }
        let Some((past, (ty, plain))) = found else {
            side.unopened += 1;
            side.lost = side.unopened >= limits::TLS_UNOPENED_MAX;
            return None;
        };
        side.unopened = 0;
        side.candidates.drain(..past);
        match (ty, plain.first()) {
            // The secret after this one (RFC 8446, section 7.2).
            (content::HANDSHAKE, Some(&kind::KEY_UPDATE)) => {
                let next = side.candidates.front().and_then(|(_, secret)| {
                    let next = expand_label(suite.hash, secret.as_ref()?.expose(), "traffic upd", suite.hash.len())?;
                    Some((RecordKeys::of_traffic_secret(suite, &next)?, Some(Key::of(next))))
                });
                side.candidates.extend(next);
            }
            (content::CHANGE_CIPHER_SPEC, _) => side.lost = true,
            _ => {}
        }
        Some((ty, plain))
    }

    /// Opens a record of DTLS. Its number has the epoch in front: those of the first keys are of epoch 1.
    pub fn open_numbered(&mut self, dir: Direction, number: u64, ty: u8, payload: &[u8]) -> Option<Vec<u8>> {
        let side = self.side(dir);
        if side.lost || number >> 48 != 1 {
            return None;
        }
        let opened = side.candidates.front_mut().and_then(|(keys, _)| keys.open_numbered(number, ty, payload));
        side.unopened = if opened.is_some() { 0 } else { side.unopened.saturating_add(1) };
        side.lost = side.unopened >= limits::TLS_UNOPENED_MAX;
        opened
    }

    /// Puts together the handshake messages that TLS 1.3 encrypts; `each` is given the type and body of every whole one.
    /// `false` where a message is longer than is read.
    pub fn messages(&mut self, dir: Direction, bytes: &[u8], mut each: impl FnMut(u8, &[u8])) -> bool {
        let side = self.side(dir);
        side.messages.extend_from_slice(bytes);
        let mut used = 0;
        let mut r = Reader::new(&side.messages);
        while let (Ok(ty), Ok(mut body)) = (r.u8("message type"), r.vec24("message")) {
            each(ty, body.rest());
            used = r.position();
        }
        side.messages.drain(..used);
        let fits = side.messages.len() <= limits::TLS_MESSAGE_BYTES_MAX;
        if !fits {
            side.messages = Vec::new();
        }
        fits
    }

    /// Bytes that it holds outside of itself.
    pub fn heap(&self) -> usize {
        const KEYS: usize = 1024;
        self.sides.iter().map(|s| s.messages.capacity() + s.candidates.len() * KEYS).sum::<usize>() + 512
    }
}

#[cfg(test)]
mod tests;
