//! Attempts at a login that wait: only what comes later shows that a password was typed where the name
//! belongs.

use super::dialogue::Moment;
use crate::base::limits;
use crate::base::secret::{BLANK, SecretBuf};
use crate::proto::api::{Login, SecretKind};
use crate::proto::text;

/// A password that was typed.
#[derive(Debug)]
pub struct Attempt {
    /// For whom.
    pub user: Option<Vec<u8>>,
    /// The password.
    pub secret: SecretBuf,
    /// When it was complete.
    pub at: Moment,
    /// `login`, or the command that asked for it.
    pub mechanism: &'static str,
    /// What became of it, as far as that is known.
    pub result: Option<bool>,
    /// Lines that the server has shown since.
    pub lines: u32,
}

/// Names of accounts that stand in every dictionary, also among its passwords.
const ACCOUNTS: [&[u8]; 16] = [
    b"admin",
    b"administrator",
    b"root",
    b"user",
    b"guest",
    b"default",
    b"support",
    b"service",
    b"operator",
    b"manager",
    b"supervisor",
    b"system",
    b"test",
    b"cisco",
    b"ubnt",
    b"pi",
];

/// What stands in place of a name that was a secret.
pub const fn hidden() -> &'static [u8] {
    BLANK.as_bytes()
}

/// Attempts of one session.
#[derive(Debug, Default)]
pub struct Held {
    /// Those that were refused and are not told yet.
    waiting: Vec<Attempt>,
    /// Secrets of those that were told, with the user each was for.
    told: Vec<(Option<Vec<u8>>, SecretBuf)>,
}

impl Held {
    /// Keeps an attempt until the session shows more.
    pub fn hold(&mut self, attempt: Attempt) {
        self.waiting.push(attempt);
    }

    /// Whether a name was the password of somebody else: then it was typed at the wrong prompt. Where a
    /// password equals its own user's name, nothing was mistaken; nor where the name is one that every
    /// dictionary has, or was tried again, as people and programs do that guess.
    pub fn is_mistake(&self, name: &[u8]) -> bool {
        if name.is_empty() || ACCOUNTS.iter().any(|a| name.eq_ignore_ascii_case(a)) {
            return false;
        }
        let all = || self.waiting.iter().map(|a| (&a.user, &a.secret)).chain(self.told.iter().map(|(u, s)| (u, s)));
        let tried = all().filter(|(user, secret)| user.as_deref() == Some(name) && !secret.borrow().is_empty()).count();
        tried < 2
            && all().any(|(user, secret)| {
                secret.borrow().expose() == name && user.as_deref().is_some_and(|user| user != name)
            })
    }

    /// A text without any secret of the session.
    pub fn without_secrets(&self, shown: &[u8]) -> Vec<u8> {
        let secrets = self.waiting.iter().map(|a| &a.secret).chain(self.told.iter().map(|(_, s)| s));
        secrets.fold(shown.to_vec(), |text, s| text::without_secret(&text, s.borrow()).into_owned())
    }

    /// Tells all that wait.
    pub fn tell(&mut self, tell: &mut dyn FnMut(Login<'_>)) {
        for attempt in &self.waiting {
            // A name that let somebody in was one.
            let mistake =
                attempt.result != Some(true) && attempt.user.as_deref().is_some_and(|user| self.is_mistake(user));
            tell(Login {
                mechanism: attempt.mechanism,
                username: if mistake { Some(hidden()) } else { attempt.user.as_deref() },
                secret: Some(attempt.secret.borrow()),
                secret_kind: SecretKind::Password,
                success: attempt.result,
                ..Login::at(attempt.at)
            });
        }
        let room = limits::DIALOGUE_SECRETS_MAX.saturating_sub(self.told.len());
        self.told.extend(self.waiting.drain(..).map(|a| (a.user, a.secret)).take(room));
    }

    /// Whether no more may wait.
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= limits::DIALOGUE_SECRETS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    fn attempt(user: &str, secret: &str, result: Option<bool>) -> Attempt {
        Attempt {
            user: Some(user.as_bytes().to_vec()),
            secret: SecretBuf::new(secret.as_bytes()),
            at: (Timestamp(1), 1),
            mechanism: "login",
            result,
            lines: 0,
        }
    }

    fn told(held: &mut Held) -> Vec<String> {
        let mut out = Vec::new();
        held.tell(&mut |l| out.push(String::from_utf8_lossy(l.username.unwrap_or_default()).into_owned()));
        out
    }

    #[test]
    fn a_name_that_was_somebodys_password_is_blanked() {
        let mut held = Held::default();
        held.hold(attempt("Sample-Typo-2", "", Some(false)));
        held.hold(attempt("joe", "Sample-Typo-2", Some(true)));
        assert!(held.is_mistake(b"Sample-Typo-2") && !held.is_mistake(b"joe") && !held.is_mistake(b""));
        assert_eq!(told(&mut held), [BLANK, "joe"]);
        assert!(told(&mut held).is_empty(), "each is told once");
        assert!(held.is_mistake(b"Sample-Typo-2"), "what was told is remembered");
        assert_eq!(held.without_secrets(b"say Sample-Typo-2!"), b"say [blanked]!");
    }

    #[test]
    fn names_of_dictionaries_and_names_that_are_tried_again_stay() {
        let mut held = Held::default();
        held.hold(attempt("admin", "admin", Some(false)));
        held.hold(attempt("root", "admin", Some(false)));
        held.hold(attempt("vizxv", "1234", Some(false)));
        held.hold(attempt("root", "vizxv", Some(false)));
        held.hold(attempt("vizxv", "vizxv", Some(true)));
        assert_eq!(told(&mut held), ["admin", "root", "vizxv", "root", "vizxv"]);
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut held = Held::default();
        for n in 0..3 * limits::DIALOGUE_SECRETS_MAX {
            held.hold(attempt("joe", &format!("secret-{n}"), Some(false)));
            if held.is_full() {
                told(&mut held);
            }
        }
        assert_eq!(held.told.len(), limits::DIALOGUE_SECRETS_MAX);
        assert!(held.waiting.len() < limits::DIALOGUE_SECRETS_MAX);
    }
}
