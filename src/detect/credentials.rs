//! The `credentials` table: every login that was seen, secrets blanked.

use std::borrow::Cow;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;

use crate::base::secret::{self, Reveal};
use crate::base::{Secret, limits};
use crate::proto::api::{Cx, Login};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowBuffer, Table, Type, clean};

/// One row per login.
pub static CREDENTIALS: Table = Table {
    name: "credentials",
    doc: "One row per login seen, in whatever protocol; time and packet are those of the secret",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("protocol", Type::Text, "Protocol that the login was made in"),
        Column::repeating("mechanism", Type::Text, "How: plain, basic, digest, login, community ..."),
        Column::repeating("username", Type::Text, "User name; a password that stands in it is blanked"),
        Column::repeating("secret", Type::Text, "The secret: blanked, unless revealing was asked for"),
        Column::repeating("secret_kind", Type::Text, "password, token, community or challenge-response"),
        Column::repeating("secret_length", Type::Int32, "Length of the secret in bytes"),
        Column::new(
            "secret_hmac",
            Type::Text,
            "First 16 bytes of HMAC-SHA-256 over the secret, in hex, with a key of this case: equal secrets show and the secret does not",
        ),
        Column::repeating(
            "is_default",
            Type::Bool,
            "Whether it is a known factory default; null where that was not checked",
        ),
        Column::repeating("success", Type::Bool, "Whether the login was accepted; null where the answer was not seen"),
        Column::repeating(
            "crackable_format",
            Type::Text,
            "Program and format of `crackable`, as in hashcat:5600; null where the secret is no answer to a challenge, or no program has a format for it",
        ),
        Column::new(
            "crackable",
            Type::Text,
            "The exchange as a line that a password cracker reads; null unless revealing was asked for",
        ),
    ],
};

/// The key of a case, for `secret_hmac`: whoever has it can test guesses against the column, so it
/// is made at random for each run or given by the user, and never printed.
#[derive(Clone)]
pub struct CaseKey([u8; 32]);

impl CaseKey {
    /// From 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A key for one run: reuse shows within it and nowhere else.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// From the content of a file, whatever its length: hashed to 32 bytes.
    pub fn from_file(content: &[u8]) -> Self {
        use sha2::Digest;
        Self(Sha256::digest(content).into())
    }

    /// First 16 bytes of HMAC-SHA-256 (RFC 2104) over a secret.
    pub fn tag(&self, secret: Secret<'_>) -> [u8; 16] {
        // Any key length is allowed (RFC 2104, section 3), so this always is `Ok`.
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0) else { return [0; 16] };
        mac.update(secret.expose());
        mac.finalize().into_bytes().first_chunk().copied().unwrap_or_default()
    }

    /// As [`CaseKey::tag`], in hex.
    pub fn hmac(&self, secret: Secret<'_>) -> String {
        hex(self.tag(secret))
    }
}

impl fmt::Debug for CaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CaseKey")
    }
}

fn hex(tag: [u8; 16]) -> String {
    tag.iter().map(|b| format!("{b:02x}")).collect()
}

/// What a row says besides what stands in the login.
#[derive(Debug, Clone, Copy)]
pub struct Beside {
    /// HMAC of the secret with the key of the case, where there is a secret.
    pub tag: Option<[u8; 16]>,
    /// Whether it is a factory default; `None` where that was not checked.
    pub is_default: Option<bool>,
    /// Whether keys made it readable.
    pub decrypted: bool,
}

/// The user name of a login without a password in it. TURN's servers make names of a time and an
/// identifier, which have a colon too (`1790000000:joe`).
pub fn shown_user<'a>(protocol: &str, login: &Login<'a>) -> Option<Cow<'a, [u8]>> {
    let name = login.username?;
    let is_timed = protocol == "stun" && name.iter().take_while(|c| c.is_ascii_digit()).count() >= 10;
    Some(if is_timed { name.into() } else { secret::user(name) })
}

/// Writes one row.
pub fn write(out: &mut RowBuffer, cx: &Cx<'_>, protocol: &str, login: &Login<'_>, beside: Beside, reveal: Reveal) {
    let flow = cx.flow;
    let mut row = out.row(login.ts, login.packet);
    if flow.flow_id == 0 {
        // A frame without IP (802.1X): there is neither flow nor address.
        row.null().name(flow.capture).time(login.ts).count(login.packet).null().null().null().null();
    } else {
        row.int(flow.flow_id).name(flow.capture).time(login.ts).count(login.packet);
        row.addr(flow.orig_ip).int(flow.orig_port).addr(flow.resp_ip).int(flow.resp_port);
    }
    row.bool(beside.decrypted);
    row.text(protocol).text(login.mechanism);
    match reveal {
        Reveal::No => row.opt_bytes(shown_user(protocol, login).as_deref()),
        Reveal::Yes => row.opt_bytes(login.username),
    };
    match login.secret {
        // Through `bytes`, because a revealed secret may hold what drives a terminal.
        Some(secret) => row.bytes(secret.shown(reveal).as_bytes()),
        None => row.null(),
    };
    row.text(login.secret_kind.name());
    row.opt_int(login.secret.map(|s| i64::try_from(s.len()).unwrap_or(i64::MAX)));
    row.opt_text(beside.tag.map(hex).as_deref());
    row.opt_bool(beside.is_default).opt_bool(login.success);
    let username = login.username.unwrap_or_default();
    let crackable = login.proof.as_ref().and_then(|proof| proof.crackable(username));
    let crackable = crackable.filter(|c| c.line.len() <= limits::CRACKABLE_BYTES_MAX);
    row.opt_text(crackable.as_ref().map(|c| c.format));
    match crackable.filter(|_| reveal == Reveal::Yes) {
        Some(crackable) => row.text(&clean(&crackable.line)),
        None => row.null(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::proto::api::{LimitCount, SecretKind};
    use crate::proto::proof::Proof;
    use crate::record::Value;

    #[test]
    fn the_keyed_hash_is_that_of_rfc_4231_and_changes_with_the_key() {
        // Test case 1 has a key of 20 bytes; zeros behind a shorter key change nothing.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        assert_eq!(CaseKey::new(key).hmac(Secret::new(b"Hi There")), "b0344c61d8db38535ca8afceaf0bf12b");
        assert_ne!(CaseKey::new([1; 32]).hmac(Secret::new(b"x")), CaseKey::new([2; 32]).hmac(Secret::new(b"x")));
        assert_eq!(format!("{:?}", CaseKey::new(key)), "CaseKey");
    }

    #[test]
    fn a_user_name_loses_its_password_and_keeps_its_time() {
        let shown = |protocol, name: &'static [u8]| {
            let login = Login { username: Some(name), ..Login::at((Timestamp(1), 1)) };
            String::from_utf8(shown_user(protocol, &login).unwrap().into_owned()).unwrap()
        };
        assert_eq!(shown("ftp", b"joe:hunter2"), "joe:[blanked]");
        assert_eq!(shown("stun", b"1790000000:joe"), "1790000000:joe");
        assert_eq!(shown("stun", b"joe:hunter2"), "joe:[blanked]");
    }

    #[test]
    fn a_row_is_complete_and_blanked() {
        let flow = crate::detect::cleartext::tests::flow("10.0.0.9", "10.0.0.5");
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let login = Login {
            ts: Timestamp(5),
            packet: 9,
            mechanism: "plain",
            username: Some(b"admin"),
            secret: Some(Secret::new(b"hunter2")),
            secret_kind: SecretKind::Password,
            proof: None,
            success: None,
        };
        for (reveal, shown) in [(Reveal::No, "[blanked]"), (Reveal::Yes, "hunter2")] {
            let mut out = RowBuffer::default();
            let tag = login.secret.map(|s| CaseKey::new([1; 32]).tag(s));
            let beside = Beside { tag, is_default: Some(false), decrypted: false };
            write(&mut out, &cx, "ftp", &login, beside, reveal);
            let mut reader = out.values(&out.index()[0]);
            let all: Vec<_> = CREDENTIALS.all_columns().map(|c| (c.name, reader.next_value().unwrap())).collect();
            assert_eq!(reader.next_value(), None);
            let get = |name: &str| all.iter().find(|(n, _)| *n == name).unwrap().1;
            assert_eq!(get("secret"), Value::Text(shown));
            assert_eq!(get("secret_length"), Value::Int(7));
            assert_eq!(get("packet"), Value::Int(9));
            assert_eq!(get("success"), Value::Null);
            assert_eq!(get("is_default"), Value::Bool(false));
            assert_eq!((get("crackable_format"), get("crackable")), (Value::Null, Value::Null));
        }
    }

    #[test]
    fn what_a_cracker_reads_is_written_only_where_secrets_are() {
        let flow = crate::detect::cleartext::tests::flow("10.0.0.9", "10.0.0.5");
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let login = Login {
            mechanism: "vnc",
            secret: Some(Secret::new(b"0202")),
            secret_kind: SecretKind::ChallengeResponse,
            proof: Some(Proof::Vnc { challenge: &[1; 16], response: &[2; 16] }),
            ..Login::at((Timestamp(5), 9))
        };
        let line = format!("$vnc$*{}*{}", "01".repeat(16), "02".repeat(16));
        for (reveal, shown) in [(Reveal::No, Value::Null), (Reveal::Yes, Value::Text(line.as_str()))] {
            let mut out = RowBuffer::default();
            write(&mut out, &cx, "vnc", &login, Beside { tag: None, is_default: None, decrypted: false }, reveal);
            let mut reader = out.values(&out.index()[0]);
            let all: Vec<_> = CREDENTIALS.all_columns().map(|c| (c.name, reader.next_value().unwrap())).collect();
            let get = |name: &str| all.iter().find(|(n, _)| *n == name).unwrap().1;
            assert_eq!((get("crackable_format"), get("crackable")), (Value::Text("john:vnc"), shown));
        }
    }
}
