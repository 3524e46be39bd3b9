//! What a line on a terminal asks for, in the languages that devices speak.

/// What a server asks for with the line that it has just written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prompt {
    /// Nothing that is known.
    #[default]
    None,
    /// A user name.
    User,
    /// A password.
    Password,
    /// A new password: the old one was right.
    NewPassword,
    /// A command: somebody is logged in.
    Command,
}

const PASSWORD: &[&str] = &[
    "password",
    "passwd",
    "passcode",
    "passphrase",
    "passwort",
    "kennwort",
    "mot de passe",
    "contrase",
    "senha",
    "hasło",
    "haslo",
    "пароль",
    "密码",
    "密碼",
    "口令",
    "パスワード",
    "비밀번호",
    "암호",
    "wachtwoord",
    "lösenord",
    "losenord",
    "heslo",
    "jelszó",
    "jelszo",
    "salasana",
    "adgangskode",
    "kodeord",
    "passord",
    "parola",
    "şifre",
    "sifre",
    "κωδικός",
    "סיסמה",
    "clave",
];

const USER: &[&str] = &[
    "login",
    "username",
    "user name",
    "user id",
    "userid",
    "user",
    "login as",
    "logon",
    "logon id",
    "account",
    "account name",
    "your name",
    "operator",
    "benutzer",
    "benutzername",
    "anmeldename",
    "utilisateur",
    "identifiant",
    "nom d'utilisateur",
    "usuario",
    "usuário",
    "utente",
    "nome utente",
    "użytkownik",
    "gebruikersnaam",
    "gebruiker",
    "användarnamn",
    "användare",
    "brugernavn",
    "brukernavn",
    "käyttäjätunnus",
    "uživatel",
    "felhasználó",
    "имя пользователя",
    "пользователь",
    "логин",
    "用户名",
    "用户",
    "使用者",
    "帳號",
    "ユーザー名",
    "ユーザ名",
    "ログイン",
    "사용자",
    "kullanıcı",
];

/// Words of a refusal.
const REFUSED: &[&str] = &[
    "incorrect",
    "fail",
    "invalid",
    "denied",
    "wrong",
    "bad password",
    "bad username",
    "not correct",
    "rejected",
    "refused",
    "unauthorized",
    "not authorized",
    "illegal",
    "locked",
    "try again",
    "falsch",
    "ungültig",
    "fehlgeschlagen",
    "verweigert",
    "refusé",
    "échoué",
    "inválid",
    "fallid",
    "denegado",
    "negado",
    "errata",
    "incorrecto",
    "błęd",
    "неверн",
    "ошибка",
    "错误",
    "失败",
    "onjuist",
    "felaktig",
];

impl Prompt {
    /// Judges a line (trimmed). `open` says that it is the last one and not ended: then it may also
    /// be the prompt of a shell. A line that was ended asks only where it is nothing else.
    pub fn of(line: &[u8], open: bool) -> Self {
        let line = String::from_utf8_lossy(line).to_lowercase();
        let line = line.trim_end_matches(|c: char| c.is_whitespace() || c == '\0');
        let bare = line.trim_end_matches([':', '：', '>', '?', '=', '.']).trim_end();
        let marked = bare.len() < line.len();
        let ends_with = |words: &[&str]| words.iter().any(|w| bare.ends_with(w) && stands_alone(bare, w));
        // "Password for admin:" names the user after the word.
        let begins_with = |words: &[&str]| words.iter().any(|w| bare.starts_with(w)) && bare.len() < 80;
        let tail = bare.len().saturating_sub(64);
        let tail = bare.get(bare.ceil_char_boundary(tail)..).unwrap_or_default();
        let within = |words: &[&str]| words.iter().any(|w| tail.contains(w));
        if !marked && (!open || bare.is_empty()) {
            return if open { Self::command(line) } else { Self::None };
        }
        if ends_with(PASSWORD) || marked && (begins_with(PASSWORD) || line.ends_with([':', '：']) && within(PASSWORD))
        {
            let renewed = ["new ", "neues ", "nouveau ", "nueva ", "nova ", "retype", "confirm"];
            return if renewed.iter().any(|w| tail.contains(w)) { Self::NewPassword } else { Self::Password };
        }
        if ends_with(USER) && (marked || bare.len() < 24) {
            return Self::User;
        }
        if open { Self::command(line) } else { Self::None }
    }

    fn command(line: &str) -> Self {
        let ends = line.ends_with(['$', '#', '>', '%', '~', ']']) || line.ends_with("->");
        if ends { Self::Command } else { Self::None }
    }
}

/// The user that a prompt for a password names: `Password for admin:`, `admin's password:`,
/// `[sudo] password for admin:`, `root@host's password:`.
pub fn named_user(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
    let lower = line.to_ascii_lowercase();
    const BEFORE: &[u8] = b"'s password";
    const BEHIND: &[u8] = b"password for ";
    let (from, to) = if lower.ends_with(BEFORE) {
        let to = line.len() - BEFORE.len();
        (line.get(..to)?.iter().rposition(|c| *c == b' ').map_or(0, |at| at + 1), to)
    } else {
        (memchr::memmem::rfind(&lower, BEHIND)? + BEHIND.len(), line.len())
    };
    let name = line.get(from..to)?;
    let name = name.split(|c| *c == b'@').next().unwrap_or_default();
    let fits = !name.is_empty() && name.len() <= 64 && !name.contains(&b' ');
    // "Enter password for user:" names nobody.
    (fits && !USER.iter().any(|w| name.eq_ignore_ascii_case(w.as_bytes()))).then(|| name.to_vec())
}

/// Whether a word that a text ends with is not the end of a longer word ("superuser" asks for
/// nothing). Scripts without blanks between words have no such thing.
fn stands_alone(text: &str, word: &str) -> bool {
    let before = text.strip_suffix(word).and_then(|t| t.chars().next_back());
    before.is_none_or(|c| !c.is_ascii_alphabetic())
}

/// Whether a line after a password says that it was wrong. What it says of earlier attempts
/// ("3 failed logins since the last one") does not count.
pub fn refuses(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line).to_lowercase();
    let earlier = ["last ", "since", "attempts:", "previous"].iter().any(|w| line.contains(w));
    !earlier && REFUSED.iter().any(|w| line.contains(w))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts() {
        for (line, want) in [
            ("host login:", Prompt::User),
            ("login", Prompt::User),
            ("User Name :", Prompt::User),
            ("Benutzername:", Prompt::User),
            ("用户名：", Prompt::User),
            ("Password:", Prompt::Password),
            ("Password for admin:", Prompt::Password),
            ("admin's password:", Prompt::Password),
            ("Enter password>", Prompt::Password),
            ("Enter new password:", Prompt::NewPassword),
            ("router#", Prompt::Command),
            ("C:\\>", Prompt::Command),
            ("[root@host ~]#", Prompt::Command),
            ("Enter choice:", Prompt::None),
            ("loading", Prompt::None),
            ("", Prompt::None),
        ] {
            assert_eq!(Prompt::of(line.as_bytes(), true), want, "{line}");
        }
        assert_eq!(Prompt::of(b"Last login: Mon Jan 1 from host", false), Prompt::None);
        assert_eq!(Prompt::of(b"Password:", false), Prompt::Password, "some devices end the line of a prompt");
        assert_eq!(Prompt::of(b"$", false), Prompt::None);
    }

    #[test]
    fn a_prompt_may_name_the_user() {
        for (line, want) in [
            ("Password for admin:", Some("admin")),
            ("[sudo] password for bob: ", Some("bob")),
            ("root@10.0.0.1's password: ", Some("root")),
            ("Password:", None),
            ("Enter password for user:", None),
            ("Password for the front desk:", None),
        ] {
            assert_eq!(named_user(line.as_bytes()).as_deref(), want.map(str::as_bytes), "{line}");
        }
    }

    #[test]
    fn refusals() {
        assert!(refuses(b"Login incorrect"));
        assert!(refuses(b"% Authentication failed."));
        assert!(!refuses(b"There was 1 failed login attempt since the last successful login."));
        assert!(!refuses(b"Welcome"));
    }
}
