//! Logins in GSS-API tokens (RFC 2743, SPNEGO of RFC 4178), as SMB, LDAP and DCE/RPC carry them: what
//! they have in common while the answer is waited for.

use super::kerberos_message::{Kind, Message};
use crate::base::Timestamp;
use crate::base::secret::SecretBuf;
use crate::fingerprint::hex;
use crate::proto::api::{Cx, Login, SecretKind};
use crate::proto::digest;
use crate::proto::ntlm::{self, Challenge};
use crate::proto::proof::Proof;

/// What an answer is tested with.
#[derive(Debug)]
enum Parts {
    None,
    Ntlm(Box<ntlm::Answer>, Option<[u8; 8]>),
    Digest(Box<digest::Answer>),
    CramMd5(SecretBuf, SecretBuf),
}

/// A login whose answer is waited for.
#[derive(Debug)]
pub struct Attempt {
    /// When and in which packet the secret was sent.
    pub at: (Timestamp, u64),
    /// As the `mechanism` column spells it.
    pub mechanism: &'static str,
    /// User name; empty where none was sent.
    pub username: Vec<u8>,
    /// Domain of the user; empty where none was sent.
    pub domain: Vec<u8>,
    /// Name of the client's machine; empty where none was sent.
    pub workstation: Vec<u8>,
    /// Version of the client's system.
    pub os: Option<String>,
    /// Whether nobody in particular logs in.
    pub anonymous: bool,
    /// Whether an answer made of the LM hash was sent.
    pub has_lm: bool,
    secret: SecretBuf,
    kind: SecretKind,
    parts: Parts,
}

impl Attempt {
    fn new(cx: &Cx<'_>, mechanism: &'static str, username: &[u8], secret: SecretBuf) -> Self {
        Self {
            at: (cx.ts, cx.packet),
            mechanism,
            username: username.to_vec(),
            domain: Vec::new(),
            workstation: Vec::new(),
            os: None,
            anonymous: false,
            has_lm: false,
            secret,
            kind: SecretKind::ChallengeResponse,
            parts: Parts::None,
        }
    }

    /// A password in clear; one that is empty is nobody's.
    pub fn plain(cx: &Cx<'_>, mechanism: &'static str, username: &[u8], password: &[u8]) -> Self {
        let anonymous = password.is_empty();
        Self { kind: SecretKind::Password, anonymous, ..Self::new(cx, mechanism, username, SecretBuf::new(password)) }
    }

    /// NTLM's answer, with the challenge where it was seen.
    pub fn ntlm(cx: &Cx<'_>, answer: ntlm::Answer, challenge: Option<[u8; 8]>) -> Self {
        let secret = SecretBuf::new(hex(answer.response()).as_bytes());
        Self {
            domain: answer.domain.clone(),
            workstation: answer.workstation.clone(),
            os: answer.version.and_then(ntlm::Version::windows),
            // A name without an answer proves nothing: the server takes it for nobody.
            anonymous: !answer.is_answer(),
            has_lm: answer.has_lm(),
            ..Self::new(cx, answer.mechanism(), &answer.username, secret)
        }
        .with(Parts::Ntlm(Box::new(answer), challenge))
    }

    /// An answer of SASL's DIGEST-MD5 (RFC 2831).
    pub fn digest(cx: &Cx<'_>, answer: digest::Answer) -> Self {
        let Proof::Digest(d) = answer.proof() else { return Self::new(cx, "digest-md5", b"", SecretBuf::default()) };
        let attempt = Self::new(cx, "digest-md5", d.username, SecretBuf::new(d.response));
        attempt.with(Parts::Digest(Box::new(answer)))
    }

    /// An answer of CRAM-MD5 (RFC 2195): the name, a blank and the digest in hexadecimal.
    pub fn cram_md5(cx: &Cx<'_>, challenge: &[u8], answer: &[u8]) -> Option<Self> {
        let blank = answer.iter().rposition(|c| *c == b' ')?;
        let digest = answer.get(blank + 1..)?;
        let attempt = Self::new(cx, "cram-md5", answer.get(..blank)?, SecretBuf::new(digest));
        Some(attempt.with(Parts::CramMd5(SecretBuf::new(challenge), SecretBuf::new(digest))))
    }

    fn with(self, parts: Parts) -> Self {
        Self { parts, ..self }
    }

    /// The login that this is. `None` for an anonymous one.
    pub fn login(&self, success: Option<bool>) -> Option<Login<'_>> {
        if self.anonymous {
            return None;
        }
        let proof = match &self.parts {
            Parts::Ntlm(answer, Some(challenge)) => Some(answer.proof(*challenge)),
            Parts::Digest(answer) => Some(answer.proof()),
            Parts::CramMd5(challenge, response) => {
                Some(Proof::CramMd5 { challenge: challenge.borrow().expose(), response: response.borrow().expose() })
            }
            Parts::None | Parts::Ntlm(_, None) => None,
        };
        Some(Login {
            mechanism: self.mechanism,
            username: Some(self.username.as_slice()).filter(|u| !u.is_empty()),
            secret: Some(self.secret.borrow()),
            secret_kind: self.kind,
            proof,
            success,
            ..Login::at(self.at)
        })
    }
}

/// One negotiation, from the first token to the last.
#[derive(Debug, Default)]
pub struct Exchange {
    challenge: Option<Box<Challenge>>,
    /// `ntlm`, `kerberos` or empty.
    pub mechanism: &'static str,
    /// The service that a Kerberos ticket is for, with its realm behind an `@`.
    pub service: Vec<u8>,
    /// How the ticket is encrypted.
    pub ticket_etype: Option<i32>,
}

/// Kerberos' mechanism and the mark of an AP-REQ (RFC 4121, section 4.1).
const AP_REQ: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02, 0x01, 0x00];

/// Bytes at the front of a token in which a mechanism may show itself.
const FRONT_BYTES: usize = 256;

impl Exchange {
    /// A token of the client. Says the login where the token holds the client's answer.
    pub fn from_client(&mut self, cx: &Cx<'_>, token: &[u8]) -> Option<Attempt> {
        match ntlm::find(token) {
            Some(ntlm::Message::Authenticate(answer)) => {
                self.mechanism = "ntlm";
                return Some(Attempt::ntlm(cx, answer, self.challenge.as_ref().map(|c| c.challenge)));
            }
            Some(_) => self.mechanism = "ntlm",
            None => {
                let front = token.get(..FRONT_BYTES).unwrap_or(token);
                if let Some(at) = memchr::memmem::find(front, AP_REQ) {
                    self.mechanism = "kerberos";
                    self.ap_req(token.get(at + AP_REQ.len()..).unwrap_or_default());
                } else if token.first() == Some(&Kind::ApReq.tag()) {
                    self.mechanism = "kerberos";
                    self.ap_req(token);
                }
            }
        }
        None
    }

    fn ap_req(&mut self, bytes: &[u8]) {
        if let Some(message) = Message::parse(bytes) {
            self.service = message.service_at_realm();
            self.ticket_etype = message.ticket_etype;
        }
    }

    /// A token of the server. Says what the server says of itself in a challenge.
    pub fn from_server(&mut self, token: &[u8]) -> Option<&Challenge> {
        let Some(ntlm::Message::Challenge(challenge)) = ntlm::find(token) else { return None };
        self.mechanism = "ntlm";
        self.challenge = Some(Box::new(challenge));
        self.challenge.as_deref()
    }

    /// The challenge, where it was seen.
    pub fn challenge(&self) -> Option<&Challenge> {
        self.challenge.as_deref()
    }
}

/// What a server's challenge says of it, as facts.
pub fn challenge_facts(challenge: &Challenge, tell: &mut dyn FnMut(&'static str, &[u8])) {
    let name = if challenge.dns_computer.is_empty() { &challenge.computer } else { &challenge.dns_computer };
    let domain = if challenge.dns_domain.is_empty() { &challenge.domain } else { &challenge.dns_domain };
    tell("hostname", name);
    // A machine of no domain repeats its own name.
    if !domain.eq_ignore_ascii_case(name) {
        tell("domain", domain);
    }
    if let Some(os) = challenge.version.and_then(ntlm::Version::windows) {
        tell("os", os.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::windows::testing::with_cx;

    #[test]
    fn an_anonymous_login_is_none() {
        with_cx(|cx| {
            assert!(Attempt::plain(cx, "simple", b"cn=x", b"").login(None).is_none());
            let attempt = Attempt::plain(cx, "simple", b"cn=x", b"hunter22");
            let login = attempt.login(Some(true)).unwrap();
            assert_eq!((login.username, login.success), (Some(&b"cn=x"[..]), Some(true)));
            assert!(!format!("{attempt:?}").contains("hunter22"));
        });
    }

    #[test]
    fn a_name_without_an_answer_is_nobody() {
        with_cx(|cx| {
            let of = |nt: &[u8]| Attempt::ntlm(cx, ntlm::Answer::of_parts(b"root", b"", b"\0", nt), None).anonymous;
            assert!(of(b"") && !of(&[7; 24]));
        });
    }

    #[test]
    fn cram_md5_has_its_name_before_the_last_blank() {
        with_cx(|cx| {
            let attempt = Attempt::cram_md5(cx, b"<1@x>", b"tim tanner b913a602c7eda7a495b4e6e7334d3890").unwrap();
            assert_eq!(attempt.username, b"tim tanner");
            assert!(matches!(attempt.login(None).unwrap().proof, Some(Proof::CramMd5 { challenge: b"<1@x>", .. })));
            assert!(Attempt::cram_md5(cx, b"", b"none").is_none());
        });
    }

    #[test]
    fn a_ticket_names_its_service() {
        let mut exchange = Exchange::default();
        let mut token = vec![0x60, 0x40, 0x06, 0x09];
        token.extend(AP_REQ);
        token.extend(super::super::kerberos_message::tests::ap_req());
        with_cx(|cx| assert!(exchange.from_client(cx, &token).is_none()));
        assert_eq!((exchange.mechanism, exchange.service.as_slice()), ("kerberos", &b"cifs/fs1@EX.ORG"[..]));
        assert_eq!(exchange.ticket_etype, Some(23));
    }
}
