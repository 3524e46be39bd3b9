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
            Reading::Scram => {
                if decoded.starts_with(b"r=") && self.scram.server_first.is_empty() {
                    self.scram.server_first = decoded.to_vec();
                }
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

/// Decodes Base64; of a text that is longer than a secret may be, its front.
fn decode(line: &[u8]) -> Option<Vec<u8>> {
    const FRONT: usize = limits::SECRET_BYTES_MAX * 2;
    let line = line.trim_ascii();
    // Whole groups of four characters, so that the cut shows in nothing else.
    text::base64(line.get(..FRONT).unwrap_or(line))
}
