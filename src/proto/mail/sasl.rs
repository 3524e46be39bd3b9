//! SASL (RFC 4422), as SMTP, POP3, IMAP, NNTP, IRC and XMPP carry it: one exchange of challenges and
//! answers, whatever the command around it is called.
//!
//! The two sides may be presented in any order, and one of them may be missing: each line is taken for
//! what it is by its mechanism.

use crate::base::secret::SecretBuf;
use crate::base::{Timestamp, limits};
use crate::proto::api::{Login, SecretKind};
use crate::proto::digest::Answer as DigestAnswer;
use crate::proto::ntlm::{self, Message};
use crate::proto::proof::Proof;
use crate::proto::text;

/// Mechanisms and the names by which the `mechanism` column knows them. Those that are only named
/// (no name and no secret is read of them) come last.
const NAMES: &[(&str, &str)] = &[
    ("PLAIN", "plain"),
    ("LOGIN", "login"),
    ("CRAM-MD5", "cram-md5"),
    ("DIGEST-MD5", "digest-md5"),
    ("NTLM", "ntlm"),
    ("XOAUTH2", "xoauth2"),
    ("X-OAUTH2", "xoauth2"),
    ("OAUTHBEARER", "oauthbearer"),
    ("SCRAM-SHA-1", "scram-sha-1"),
    ("SCRAM-SHA-1-PLUS", "scram-sha-1-plus"),
    ("SCRAM-SHA-256", "scram-sha-256"),
    ("SCRAM-SHA-256-PLUS", "scram-sha-256-plus"),
    ("SCRAM-SHA-512", "scram-sha-512"),
    ("SCRAM-SHA-512-PLUS", "scram-sha-512-plus"),
    ("X-GOOGLE-TOKEN", "x-google-token"),
    ("ANONYMOUS", "anonymous"),
    ("EXTERNAL", "external"),
    ("GSSAPI", "gssapi"),
    ("GSS-SPNEGO", "gss-spnego"),
    ("GS2-KRB5", "gs2-krb5"),
    ("KERBEROS_V4", "kerberos-v4"),
    ("KERBEROS_V5", "kerberos-v5"),
    ("CRAM-SHA1", "cram-sha1"),
    ("CRAM-SHA256", "cram-sha256"),
    ("OTP", "otp"),
    ("SKEY", "skey"),
    ("SRP", "srp"),
    ("SECURID", "securid"),
    ("PASSDSS", "passdss"),
    ("ECDSA-NIST256P-CHALLENGE", "ecdsa-nist256p-challenge"),
    ("XYMCOOKIE", "xymcookie"),
    ("XYMCOOKIEB64", "xymcookieb64"),
    ("XYMECOOKIE", "xymecookie"),
    ("XYMPKI", "xympki"),
];

/// How the lines of a mechanism are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// RFC 4616: all in one answer.
    Plain,
    /// Name and password, an answer each.
    Login,
    /// RFC 2195.
    Cram,
    /// RFC 2831.
    Digest,
    /// MS-NLMP.
    Ntlm,
    /// RFC 7628, and Google's form before it.
    Token,
    /// RFC 5802, RFC 7677.
    Scram,
    /// A name and no secret: RFC 4505, RFC 4422 (appendix A).
    Named,
    /// Not read.
    Opaque,
}

/// One exchange, from the command that names the mechanism to the server's verdict.
#[derive(Debug)]
pub struct Exchange {
    name: &'static str,
    reading: Reading,
    /// When the command came, then when the secret came.
    at: (Timestamp, u64),
    /// Answers of the client and challenges of the server so far; the command counts as a challenge
    /// where it carries the first answer.
    answers: u32,
    challenges: u32,
    cancelled: bool,
    username: Vec<u8>,
    secret: Option<SecretBuf>,
    parts: Parts,
    scram: Scram,
}

/// What a proof is made of.
#[derive(Default)]
enum Parts {
    #[default]
    None,
    /// The server's challenge, the client's answer.
    Cram(Vec<u8>, Vec<u8>),
    Digest(DigestAnswer),
    Ntlm(Option<[u8; 8]>, ntlm::Answer),
}

/// The messages of SCRAM.
#[derive(Default)]
struct Scram {
    client_first: Vec<u8>,
    server_first: Vec<u8>,
    client_final: Vec<u8>,
    proof: Vec<u8>,
}

impl std::fmt::Debug for Scram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scram")
    }
}

impl std::fmt::Debug for Parts {
    /// The kind only: an answer can be cracked by whoever reads it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Cram(..) => "Cram",
            Self::Digest(_) => "Digest",
            Self::Ntlm(..) => "Ntlm",
        })
    }
}

impl Exchange {
    /// An exchange by a mechanism of this name, begun by a command at `at`.
    pub fn new(mechanism: &[u8], at: (Timestamp, u64)) -> Self {
        let known = NAMES.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(mechanism));
        let name = known.map_or("sasl", |(_, name)| name);
        let reading = match name {
            "plain" => Reading::Plain,
            "login" => Reading::Login,
            "cram-md5" => Reading::Cram,
            "digest-md5" => Reading::Digest,
            "ntlm" | "gss-spnego" => Reading::Ntlm,
            "xoauth2" | "oauthbearer" | "x-google-token" => Reading::Token,
            "anonymous" | "external" => Reading::Named,
            name if name.starts_with("scram-") => Reading::Scram,
            _ => Reading::Opaque,
        };
        Self {
            name,
            reading,
            at,
            answers: 0,
            challenges: 0,
            cancelled: false,
            username: Vec::new(),
            secret: None,
            parts: Parts::None,
            scram: Scram::default(),
        }
    }

    /// The first answer, in the command itself (RFC 4422, section 4); `=` is an empty one.
    pub fn initial(&mut self, answer: &[u8], at: (Timestamp, u64)) {
        self.challenges += 1;
        self.answer(answer, at);
    }

    /// Whether a line of the client belongs to the exchange. Where the server is not seen, or what it
    /// said comes later, the mechanism tells how many answers there are.
    pub fn wants(&self, line: &[u8]) -> bool {
        if self.cancelled {
            return false;
        }
        if self.challenges > self.answers {
            return true;
        }
        let due = match self.reading {
            Reading::Plain | Reading::Cram | Reading::Token | Reading::Named => 1,
            Reading::Login | Reading::Ntlm => 2,
            // The server's last word is acknowledged by an empty line.
            Reading::Digest | Reading::Scram if line.is_empty() => 3,
            Reading::Digest => 1,
            Reading::Scram => 2,
            Reading::Opaque if line.len() > 8 && !line.contains(&b' ') => u32::MAX,
            Reading::Opaque => 1,
        };
        self.answers < due && (line == b"*" || is_base64(line))
    }

    /// A challenge of the server, in Base64.
    pub fn challenge(&mut self, challenge: &[u8]) {
        self.challenges = self.challenges.saturating_add(1);
        let Some(decoded) = decode(challenge).filter(|c| !c.is_empty()) else { return };
        self.challenge_decoded(&decoded);
    }

    fn challenge_decoded(&mut self, decoded: &[u8]) {
        match self.reading {
            Reading::Cram => {
                if let Parts::None = self.parts {
                    self.parts = Parts::Cram(Vec::new(), Vec::new());
                }
                if let Parts::Cram(challenge, _) = &mut self.parts
                    && challenge.is_empty()
                {
                    *challenge = decoded.to_vec();
                }
            }
            Reading::Ntlm => {
                if let Some(Message::Challenge(c)) = ntlm::find(decoded) {
                    match &mut self.parts {
                        Parts::Ntlm(challenge, _) => *challenge = Some(c.challenge),
                        parts => *parts = Parts::Ntlm(Some(c.challenge), ntlm::Answer::default()),
                    }
                }
            }
            Reading::Scram if decoded.starts_with(b"r=") && self.scram.server_first.is_empty() => {
                self.scram.server_first = decoded.to_vec();
            }
            _ => {}
        }
    }

    /// An answer of the client, in Base64; `*` calls the exchange off.
    pub fn answer(&mut self, answer: &[u8], at: (Timestamp, u64)) {
        let answer = answer.trim_ascii();
        if answer == b"*" {
            self.cancelled = true;
            return;
        }
        self.answers = self.answers.saturating_add(1);
        let decoded = if answer == b"=" { Some(Vec::new()) } else { decode(answer) };
        // People who try by hand type name and password as they are.
        let decoded = match decoded {
            Some(decoded) if self.reading != Reading::Login || self.answers != 1 || is_name(&decoded) => Some(decoded),
            _ if self.reading == Reading::Login && is_name(answer) => Some(answer.to_vec()),
            _ => None,
        };
        if let Some(decoded) = decoded {
            self.answer_decoded(&decoded, at);
        }
    }

    fn answer_decoded(&mut self, decoded: &[u8], at: (Timestamp, u64)) {
        match self.reading {
            Reading::Plain if self.secret.is_none() && !decoded.is_empty() => {
                let mut parts = decoded.splitn(3, |c| *c == 0);
                let [acts_as, user, secret] = [(); 3].map(|()| parts.next());
                // Some leave the NUL in front out, some the user that logs in.
                let (user, secret) = match (user, secret) {
                    (Some(user), Some(secret)) => (if user.is_empty() { acts_as } else { Some(user) }, secret),
                    (Some(secret), None) => (acts_as, secret),
                    _ => return,
                };
                self.username = user.unwrap_or_default().to_vec();
                self.keep(secret, at);
            }
            Reading::Login if self.answers == 1 => self.username = decoded.to_vec(),
            Reading::Login if self.answers == 2 => self.keep(decoded, at),
            Reading::Cram if self.secret.is_none() => {
                // The name may hold blanks; the digits never do.
                let Some(space) = memchr::memrchr(b' ', decoded) else { return };
                let (user, digits) = decoded.split_at(space);
                self.username = user.to_vec();
                let digits = digits.trim_ascii();
                self.keep(digits, at);
                match &mut self.parts {
                    Parts::Cram(_, response) => *response = digits.to_vec(),
                    parts => *parts = Parts::Cram(Vec::new(), digits.to_vec()),
                }
            }
            Reading::Digest if self.secret.is_none() => {
                let Some(answer) = DigestAnswer::of_sasl(decoded) else { return };
                self.username = answer.username().to_vec();
                self.keep(answer.response(), at);
                self.parts = Parts::Digest(answer);
            }
            Reading::Ntlm => {
                let Some(Message::Authenticate(answer)) = ntlm::find(decoded) else { return };
                self.username = answer.username.clone();
                self.name = answer.mechanism();
                let digits: String = answer.response().iter().map(|b| format!("{b:02x}")).collect();
                self.keep(digits.as_bytes(), at);
                let challenge = if let Parts::Ntlm(challenge, _) = &self.parts { *challenge } else { None };
                self.parts = Parts::Ntlm(challenge, answer);
            }
            Reading::Token if self.secret.is_none() => self.token(decoded, at),
            Reading::Scram => self.scram_answer(decoded, at),
            Reading::Named if self.answers == 1 => self.username = decoded.to_vec(),
            _ => {}
        }
    }

    /// `n,a=user@example.com,^Ahost=h^Aauth=Bearer TOKEN^A^A` (RFC 7628, section 3.1), and the form with
    /// `user=` that came before it.
    fn token(&mut self, decoded: &[u8], at: (Timestamp, u64)) {
        // In XMPP the token stands where PLAIN has the password.
        let mut parts = decoded.splitn(3, |c| *c == 0).skip(1);
        if let (Some(user), Some(token)) = (parts.next(), parts.next()) {
            self.username = user.to_vec();
            self.keep(token, at);
            return;
        }
        for part in decoded.split(|c| *c == 1) {
            if let Some(user) = part.strip_prefix(b"user=") {
                self.username = user.to_vec();
            } else if text::starts_with(part, b"auth=bearer ") {
                let token = part.get(b"auth=bearer ".len()..).unwrap_or_default().trim_ascii();
                self.keep(token, at);
            } else if let Some(user) = part.split(|c| *c == b',').find_map(|p| p.strip_prefix(b"a=")) {
                self.username = unescaped(user);
            }
        }
    }

    fn scram_answer(&mut self, decoded: &[u8], at: (Timestamp, u64)) {
        if let Some(mark) = memchr::memmem::rfind(decoded, b",p=") {
            let (before, proof) = decoded.split_at(mark);
            let digits = proof.get(3..).unwrap_or_default();
            self.keep(digits, at);
            self.scram.client_final = before.to_vec();
            self.scram.proof = text::base64(digits).unwrap_or_default();
        } else if let Some(header) = decoded.iter().enumerate().filter(|(_, c)| **c == b',').nth(1) {
            // Behind the header of GS2: `n,,n=user,r=nonce` (RFC 5802, section 7).
            let bare = decoded.get(header.0 + 1..).unwrap_or_default();
            if let Some(user) = bare.split(|c| *c == b',').find_map(|p| p.strip_prefix(b"n=")) {
                self.username = unescaped(user);
            }
            self.scram.client_first = bare.to_vec();
        }
    }

    fn keep(&mut self, secret: &[u8], at: (Timestamp, u64)) {
        self.secret = Some(SecretBuf::new(secret));
        self.at = at;
    }

    /// A secret in clear that was sent in it.
    pub fn secret(&self) -> Option<&SecretBuf> {
        self.secret.as_ref().filter(|_| matches!(self.kind(), SecretKind::Password | SecretKind::Token))
    }

    /// The user name.
    pub fn username(&self) -> &[u8] {
        &self.username
    }

    /// Whether whoever reads along could read the secret itself.
    pub fn is_readable(&self) -> bool {
        self.secret().is_some()
    }

    const fn kind(&self) -> SecretKind {
        match self.reading {
            Reading::Plain | Reading::Login => SecretKind::Password,
            Reading::Token => SecretKind::Token,
            _ => SecretKind::ChallengeResponse,
        }
    }

    fn proof(&self) -> Option<Proof<'_>> {
        Some(match &self.parts {
            Parts::Cram(challenge, response) if !challenge.is_empty() && !response.is_empty() => {
                Proof::CramMd5 { challenge, response }
            }
            Parts::Digest(answer) => answer.proof(),
            Parts::Ntlm(Some(challenge), answer) if !answer.response().is_empty() => answer.proof(*challenge),
            Parts::None if !(self.scram.server_first.is_empty() || self.scram.proof.is_empty()) => Proof::Scram {
                hash: match self.name {
                    name if name.starts_with("scram-sha-1") => b"SHA-1",
                    name if name.starts_with("scram-sha-256") => b"SHA-256",
                    _ => return None,
                },
                client_first: &self.scram.client_first,
                server_first: &self.scram.server_first,
                client_final: &self.scram.client_final,
                proof: &self.scram.proof,
            },
            _ => return None,
        })
    }

    /// The login that the exchange amounts to; `None` where it was called off or nothing was sent. Of a
    /// mechanism that is not read, only that it was used is known.
    pub fn login(&self, success: Option<bool>) -> Option<Login<'_>> {
        let empty = self.username.is_empty() && self.secret.is_none();
        let silent = empty && self.reading != Reading::Opaque || self.answers == 0;
        if self.cancelled && self.secret.is_none() || silent {
            return None;
        }
        Some(Login {
            mechanism: self.name,
            username: Some(self.username.as_slice()).filter(|u| !u.is_empty()),
            secret: self.secret.as_ref().map(SecretBuf::borrow),
            secret_kind: self.kind(),
            proof: self.proof(),
            success: if self.cancelled { Some(false) } else { success },
            ..Login::at(self.at)
        })
    }
}

/// `=2C` and `=3D` in a name (RFC 5802, section 5.1).
fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((c, tail)) = rest.split_first() {
        (rest, _) = match (c, tail.get(..2)) {
            (b'=', Some(b"2C" | b"2c")) => (tail.get(2..).unwrap_or_default(), out.push(b',')),
            (b'=', Some(b"3D" | b"3d")) => (tail.get(2..).unwrap_or_default(), out.push(b'=')),
            _ => (tail, out.push(*c)),
        };
    }
    out
}

fn is_base64(line: &[u8]) -> bool {
    line.trim_ascii().iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'=' | b'-' | b'_'))
}

/// Whether this may be the name of a user: text in UTF-8 without control characters, of which a limit may
/// have cut the end.
fn is_name(bytes: &[u8]) -> bool {
    let is_text = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(e) => e.error_len().is_none(),
    };
    is_text && !bytes.iter().any(u8::is_ascii_control)
}

/// Decodes Base64; of a text that is longer than a secret may be, its front.
fn decode(line: &[u8]) -> Option<Vec<u8>> {
    const FRONT: usize = limits::SECRET_BYTES_MAX * 2;
    let line = line.trim_ascii();
    // Whole groups of four characters, so that the cut shows in nothing else.
    text::base64(line.get(..FRONT).unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: (Timestamp, u64) = (Timestamp(5), 3);

    fn base64(bytes: &[u8]) -> Vec<u8> {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = Vec::new();
        for chunk in bytes.chunks(3) {
            let word = chunk.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
            for i in 0..4 {
                out.push(if i <= chunk.len() { ALPHABET[(word >> (18 - 6 * i) & 63) as usize] } else { b'=' });
            }
        }
        out
    }

    /// `mechanism user secret` of the login.
    fn told(exchange: &Exchange) -> String {
        exchange.login(Some(true)).map_or("none".into(), |l| {
            let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
            let secret = l.secret.map_or("-".into(), |s| text(s.expose()));
            format!("{} {} {secret} {:?}", l.mechanism, l.username.map_or("-".into(), text), l.proof)
        })
    }

    #[test]
    fn plain_in_the_command_or_behind_it() {
        let mut one = Exchange::new(b"plain", AT);
        one.initial(b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm", AT); // RFC 4616, section 4
        assert_eq!(told(&one), "plain tim tanstaaftanstaaf None");
        assert!(!one.wants(b"QUIT"));
        let mut two = Exchange::new(b"PLAIN", AT);
        assert!(two.wants(b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm"));
        two.challenge(b"");
        assert!(two.wants(b"anything at all"));
        two.answer(b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm", AT);
        assert_eq!(told(&two), told(&one));
    }

    #[test]
    fn plain_as_some_write_it() {
        for (raw, want) in [
            (&b"admin\0\0secret"[..], "plain admin secret None"),
            (b"user\0secret", "plain user secret None"),
            (b"as\0user\0se\0cret", "plain user se\0cret None"),
            (b"\0user\0", "plain user  None"),
            (b"nothing", "none"),
        ] {
            let mut exchange = Exchange::new(b"PLAIN", AT);
            exchange.initial(&base64(raw), AT);
            assert_eq!(told(&exchange), want);
        }
    }

    #[test]
    fn login_asks_twice() {
        let mut exchange = Exchange::new(b"LOGIN", AT);
        for line in [&b"am9l"[..], b"c2VjcmV0"] {
            assert!(exchange.wants(line));
            exchange.answer(line, (Timestamp(9), 7));
        }
        assert!(!exchange.wants(b"c2VjcmV0"), "even where the server is not seen");
        assert_eq!(told(&exchange), "login joe secret None");
        assert_eq!(exchange.login(None).unwrap().packet, 7, "that of the password");
        let mut short = Exchange::new(b"LOGIN", AT);
        short.initial(b"am9l", AT);
        short.answer(b"c2VjcmV0", AT);
        assert_eq!(told(&short), "login joe secret None");
        // Typed by hand: no Base64, or Base64 of no text.
        for (name, want) in [(&b"joe@example"[..], "joe@example"), (b"/////w==", "/////w==")] {
            let mut typed = Exchange::new(b"LOGIN", AT);
            typed.challenge(b"VXNlcm5hbWU6");
            typed.answer(name, AT);
            typed.answer(b"c2VjcmV0", AT);
            assert_eq!(told(&typed), format!("login {want} secret None"));
        }
    }

    #[test]
    fn cram_md5_in_any_order() {
        // RFC 2195, section 2.
        let challenge = b"PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+";
        let answer = b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw";
        for server_first in [true, false] {
            let mut exchange = Exchange::new(b"CRAM-MD5", AT);
            if server_first {
                exchange.challenge(challenge);
            }
            exchange.answer(answer, AT);
            if !server_first {
                assert!(exchange.login(None).unwrap().proof.is_none());
                exchange.challenge(challenge);
            }
            assert_eq!(told(&exchange), "cram-md5 tim b913a602c7eda7a495b4e6e7334d3890 Some(CramMd5)");
            let login = exchange.login(None).unwrap();
            let Some(Proof::CramMd5 { challenge, response }) = login.proof else { panic!("a proof") };
            assert_eq!(challenge, b"<1896.697170952@postoffice.reston.mci.net>");
            assert_eq!(response, b"b913a602c7eda7a495b4e6e7334d3890");
            assert_eq!(login.secret_kind, SecretKind::ChallengeResponse);
        }
    }

    #[test]
    fn digest_md5() {
        // RFC 2831, section 4, the example over IMAP.
        let mut exchange = Exchange::new(b"DIGEST-MD5", AT);
        exchange.challenge(&base64(
            br#"realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8"#,
        ));
        let answer = br#"charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,cnonce="OA6MHXh6VqTrRk",digest-uri="imap/elwood.innosoft.com",response=d388dad90d4bbd760a152321f2143af7,qop=auth"#;
        exchange.answer(&base64(answer), AT);
        assert_eq!(told(&exchange), "digest-md5 chris d388dad90d4bbd760a152321f2143af7 Some(Digest)");
        assert!(exchange.wants(b"") && !exchange.wants(b"NOOP"), "the server's last word is acknowledged");
    }

    #[test]
    fn scram() {
        // RFC 5802, section 5.
        let mut exchange = Exchange::new(b"SCRAM-SHA-1", AT);
        exchange.initial(&base64(b"n,,n=us=2Cer,r=fyko+d2lbbFgONRv9qkxdawL"), AT);
        exchange.challenge(&base64(b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"));
        exchange
            .answer(&base64(b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="), AT);
        assert_eq!(told(&exchange), "scram-sha-1 us,er v0X8v3Bz2T0CJGbJQyF0X+HI4Ts= Some(Scram)");
        let Some(Proof::Scram { hash, client_first, server_first, client_final, proof }) = exchange.proof() else {
            panic!("a proof")
        };
        assert_eq!(hash, b"SHA-1");
        assert_eq!(client_first, b"n=us=2Cer,r=fyko+d2lbbFgONRv9qkxdawL");
        assert!(server_first.ends_with(b"i=4096"));
        assert_eq!(client_final, b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j");
        assert_eq!((proof.len(), proof[0]), (20, 0xbf));
    }

    #[test]
    fn tokens() {
        let mut exchange = Exchange::new(b"XOAUTH2", AT);
        exchange.initial(&base64(b"user=some@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3\x01\x01"), AT);
        assert_eq!(told(&exchange), "xoauth2 some@example.com ya29.vF9dft4qmTc2Nvb3 None");
        assert_eq!(exchange.login(None).unwrap().secret_kind, SecretKind::Token);
        // RFC 7628, section 4.1.
        let mut exchange = Exchange::new(b"OAUTHBEARER", AT);
        exchange.initial(&base64(b"n,a=user@example.com,\x01host=server\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"), AT);
        assert_eq!(told(&exchange), "oauthbearer user@example.com vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg== None");
        let mut exchange = Exchange::new(b"X-OAUTH2", AT);
        exchange.initial(&base64(b"\0joe\0ya29.token"), AT);
        assert_eq!(told(&exchange), "xoauth2 joe ya29.token None");
    }

    #[test]
    fn ntlm_with_its_challenge() {
        let mut challenge = b"NTLMSSP\0\x02\0\0\0".to_vec();
        challenge.extend([0, 0, 0, 0, 32, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        let mut answer = b"NTLMSSP\0\x03\0\0\0".to_vec();
        answer.extend([0, 0, 0, 0, 64, 0, 0, 0, 24, 0, 24, 0, 68, 0, 0, 0]);
        answer.extend([0, 0, 0, 0, 64, 0, 0, 0, 4, 0, 4, 0, 64, 0, 0, 0]);
        answer.extend([0; 16]);
        answer.extend([1, 0, 0, 0]);
        answer.extend(b"j\0o\0");
        answer.extend([0xab; 24]);
        let mut exchange = Exchange::new(b"NTLM", AT);
        exchange.initial(&base64(b"NTLMSSP\0\x01\0\0\0"), AT);
        exchange.challenge(&base64(&challenge));
        exchange.answer(&base64(&answer), AT);
        assert_eq!(told(&exchange), format!("ntlm jo {} Some(Ntlm)", "ab".repeat(24)));
    }

    #[test]
    fn what_is_not_read_is_named() {
        let mut exchange = Exchange::new(b"gssapi", AT);
        exchange.challenge(b"");
        exchange.answer(b"YIIFmwYJKoZIhvcSAQICAQBuggWK", AT);
        assert_eq!(told(&exchange), "gssapi - - None");
        let mut unknown = Exchange::new(b"X-NOBODY-KNOWS", AT);
        unknown.initial(b"YWJj", AT);
        assert_eq!(told(&unknown), "sasl - - None");
        let mut anonymous = Exchange::new(b"ANONYMOUS", AT);
        anonymous.initial(&base64(b"me@example.com"), AT);
        assert_eq!(told(&anonymous), "anonymous me@example.com - None");
    }

    #[test]
    fn what_is_called_off_or_empty_is_no_login() {
        for lines in [&[&b"*"[..]][..], &[b"am9l", b"*"], &[]] {
            let mut exchange = Exchange::new(b"LOGIN", AT);
            for line in lines {
                exchange.answer(line, AT);
            }
            assert_eq!(told(&exchange), "none", "{lines:?}");
        }
        let mut bad = Exchange::new(b"PLAIN", AT);
        bad.initial(b"not base64!", AT);
        assert_eq!(told(&bad), "none");
        let mut long = Exchange::new(b"PLAIN", AT);
        long.initial(&base64(&[b"\0joe\0".to_vec(), vec![b'x'; 5000]].concat()), AT);
        assert_eq!(long.login(None).unwrap().secret.unwrap().len(), limits::SECRET_BYTES_MAX);
    }

    #[test]
    fn nothing_of_a_secret_is_printed() {
        let mut exchange = Exchange::new(b"PLAIN", AT);
        exchange.initial(b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm", AT);
        assert!(!format!("{exchange:?}").contains("tanstaaf"));
    }
}
