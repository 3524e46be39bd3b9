//! What the names of fields and parameters say of their values: user names, passwords, other secrets.

use crate::proto::text;

/// Bytes of a form field's name that are looked at.
pub const KEY_BYTES_MAX: usize = 64;

/// The last part of a field's name: `user[password]`, `login.password`, `ctl00$Password`.
pub fn last_part(key: &[u8]) -> &[u8] {
    let key = key.strip_suffix(b"]").unwrap_or(key);
    key.rsplit(|c| matches!(c, b'[' | b'.' | b'$' | b':' | b'/')).next().unwrap_or(key)
}

/// Names that a password's field has, whole.
const PASSWORD_KEYS: &[&[u8]] = &[
    b"pass",
    b"pwd",
    b"pw",
    b"psw",
    b"passwort",
    b"kennwort",
    b"senha",
    b"clave",
    b"contrasena",
    b"mdp",
    b"motdepasse",
    b"passphrase",
    b"passcode",
    b"userpw",
    b"loginpw",
    b"pswd",
    b"psd",
    b"wachtwoord",
    b"haslo",
    b"loginpas",
];

/// Whether a field's name is one that says nothing but password.
pub fn is_exact_password_key(key: &[u8]) -> bool {
    const PLAIN: &[&[u8]] = &[b"password", b"passwd"];
    let key = without_number(last_part(key));
    PASSWORD_KEYS.iter().chain(PLAIN).any(|k| key.eq_ignore_ascii_case(k))
}

/// A name without the number behind it: `Password1`.
pub fn without_number(key: &[u8]) -> &[u8] {
    let digits = key.iter().rev().take_while(|c| c.is_ascii_digit()).count();
    key.get(..key.len() - digits).unwrap_or(key)
}

/// Whether a field of this name holds a password.
pub fn is_password_key(key: &[u8]) -> bool {
    const WITHIN: &[&[u8]] =
        &[b"password", b"passwd", b"userpass", b"loginpass", b"user_pass", b"userpwd", b"loginpwd", b"newpass"];
    const END: &[&[u8]] = &[b"_pass", b"_pwd", b"-pwd", b"_pw"];
    let key = last_part(key);
    is_exact_password_key(key)
        || (WITHIN.iter().any(|k| text::contains(key, k)) || END.iter().any(|k| ends_with(key, k)))
            && !is_about_a_password(key)
}

/// Whether a name speaks of a password without being one: a question, a button, a rule.
fn is_about_a_password(key: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[b"password", b"passwd", b"pass", b"pwd", b"pw"];
    const VERBS: &[&[u8]] = &[
        b"forgot",
        b"forget",
        b"forgotten",
        b"lost",
        b"show",
        b"hide",
        b"hint",
        b"view",
        b"toggle",
        b"change",
        b"set",
        b"reset",
        b"has",
        b"have",
        b"is",
        b"no",
        b"use",
        b"need",
        b"needs",
        b"require",
        b"requires",
        b"save",
        b"remember",
        b"check",
        b"recover",
        b"with",
        b"ask",
        b"min",
        b"max",
    ];
    const ENDINGS: &[&[u8]] = &[
        b"less",
        b"len",
        b"require",
        b"expir",
        b"hint",
        b"type",
        b"polic",
        b"age",
        b"strength",
        b"min",
        b"max",
        b"count",
        b"enable",
        b"disable",
        b"change",
        b"reset",
        b"protect",
        b"check",
        b"mode",
        b"format",
        b"url",
        b"status",
        b"set",
        b"visib",
        b"error",
        b"msg",
        b"message",
        b"question",
        b"rule",
        b"history",
        b"quality",
        b"level",
        b"button",
        b"btn",
        b"label",
        b"score",
        b"save",
        b"remember",
        b"recover",
        b"manager",
        b"grant",
        b"method",
        b"valid",
    ];
    let found = WORDS.iter().find_map(|w| Some((position(key, w)?, w.len())));
    let Some((at, len)) = found else { return false };
    let is_joint = |c: &u8| matches!(c, b'_' | b'-' | b' ');
    let before = key.get(..at).unwrap_or_default();
    let before = before.strip_suffix(b"_").or_else(|| before.strip_suffix(b"-")).unwrap_or(before);
    let after = key.get(at + len..).unwrap_or_default();
    let after = after.strip_prefix(b"_").or_else(|| after.strip_prefix(b"-")).unwrap_or(after);
    let asks = VERBS.iter().any(|verb| {
        let Some(start) = before.len().checked_sub(verb.len()).filter(|_| ends_with(before, verb)) else {
            return false;
        };
        // `house_password` does not begin with `use`.
        let begins_word = before.get(start).is_some_and(u8::is_ascii_uppercase);
        start == 0 || before.get(start - 1).is_some_and(|c| is_joint(c) || begins_word && c.is_ascii_lowercase())
    });
    asks || ENDINGS.iter().any(|e| text::starts_with(after, e))
}

/// Whether a value is what a box or a button sends, not what somebody typed.
pub fn is_switch(value: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[b"true", b"false", b"yes", b"no", b"on", b"off", b"save", b"submit", b"ok", b"0", b"1"];
    WORDS.iter().any(|w| value.trim_ascii().eq_ignore_ascii_case(w))
}

/// Whether an address's parameter of this name holds the token or key that lets a program in.
pub fn token_key(key: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"access_token",
        b"accesstoken",
        b"access-token",
        b"auth_token",
        b"authtoken",
        b"token",
        b"apikey",
        b"api_key",
        b"api-key",
        b"x-api-key",
    ];
    NAMES.iter().any(|n| key.eq_ignore_ascii_case(n))
}

fn ends_with(text: &[u8], end: &[u8]) -> bool {
    text.len().checked_sub(end.len()).and_then(|at| text.get(at..)).is_some_and(|t| t.eq_ignore_ascii_case(end))
}

fn position(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|w| w.eq_ignore_ascii_case(needle))
}

/// How well a field's name fits a user name; lower is better.
pub fn user_key_rank(key: &[u8]) -> Option<u8> {
    const EXACT: &[&[u8]] = &[
        b"username",
        b"user_name",
        b"user",
        b"login",
        b"userid",
        b"user_id",
        b"loginname",
        b"login_name",
        b"benutzername",
        b"benutzer",
        b"usuario",
        b"usr",
        b"uname",
        b"account",
        b"uid",
        b"log",
        b"email",
        b"e-mail",
        b"mail",
        b"name",
        b"id",
    ];
    const WITHIN: &[&[u8]] = &[b"username", b"user", b"login", b"email"];
    let key = last_part(key);
    let exact = EXACT.iter().position(|k| key.eq_ignore_ascii_case(k));
    let within = || WITHIN.iter().position(|k| text::contains(key, k)).map(|n| n + EXACT.len());
    exact.or_else(within).and_then(|n| u8::try_from(n).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_hold_a_password_in_many_forms_and_languages() {
        for key in [
            "password",
            "Passwd",
            "PWD",
            "user[password]",
            "login.pass",
            "ctl00$Password",
            "Password1",
            "kennwort",
            "j_password",
            "admin_pwd",
            "newpass",
            "mot:mdp",
        ] {
            assert!(is_password_key(key.as_bytes()), "{key}");
        }
        for key in ["compass", "bypass", "pwdx", "passport", "user", "forgot_password", "passwordReset", ""] {
            assert!(!is_password_key(key.as_bytes()), "{key}");
        }
        assert!(is_exact_password_key(b"passwd2") && !is_exact_password_key(b"admin_passwd"));
    }

    #[test]
    fn a_name_is_judged_by_its_last_part_without_its_number() {
        assert_eq!(last_part(b"a[b][c]"), b"c");
        assert_eq!(last_part(b"ctl00$Main$User"), b"User");
        assert_eq!(last_part(b"plain"), b"plain");
        assert_eq!((without_number(b"pw12"), without_number(b"12")), (&b"pw"[..], &b""[..]));
    }

    #[test]
    fn the_better_a_user_name_s_field_fits_the_lower_its_rank() {
        let ranks = ["username", "login", "id", "my_username_field"].map(|k| user_key_rank(k.as_bytes()));
        assert!(ranks.is_sorted() && ranks[0] == Some(0), "{ranks:?}");
        assert_eq!(user_key_rank(b"colour"), None);
    }

    #[test]
    fn tokens_and_switches() {
        assert!(token_key(b"Access_Token") && token_key(b"apikey") && !token_key(b"csrf_token"));
        assert!(is_switch(b" On ") && is_switch(b"0") && !is_switch(b"hunter2"));
    }
}
