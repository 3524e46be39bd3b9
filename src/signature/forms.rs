//! Login forms of devices that do not name their fields as everybody does, or encode what is in them:
//! one line a form in `signatures/lists/login-forms.tsv`.

use std::sync::{LazyLock, OnceLock};

use super::list::{self, List};
use super::rules::RuleError;
use std::path::Path;

/// The file that is compiled in, and its name in messages.
pub const BUILTIN: (&str, &str) = ("login-forms.tsv", include_str!("../../signatures/lists/login-forms.tsv"));
/// Its columns.
pub const COLUMNS: [&str; 6] = ["device", "path", "user", "password", "password_encoding", "user_encoding"];

/// How a field holds what was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it was typed.
    Plain,
    /// In Base64.
    Base64,
    /// As its MD5 hash: whoever has it can log in with it.
    Md5,
    /// As the answer to a challenge.
    Challenge,
}

/// A form.
#[derive(Debug, Clone)]
pub struct Form {
    /// The device.
    pub device: String,
    path: String,
    user: String,
    password: String,
    /// How the password is held.
    pub password_encoding: Encoding,
    /// How the user name is held.
    pub user_encoding: Encoding,
}

static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    // The file is part of the program and a test parses it.
    let list = list::parse(Path::new(BUILTIN.0), BUILTIN.1, &COLUMNS).unwrap_or_default();
    read(Path::new(BUILTIN.0), list).unwrap_or_default()
});

/// Forms of the user's own, added once before any packet is read.
static MORE: OnceLock<Vec<Form>> = OnceLock::new();

/// Adds forms to those that are compiled in, for the rest of the process. A second call has no effect.
pub fn add(forms: Vec<Form>) {
    let _ = MORE.set(forms);
}

/// The forms of a list whose layout was checked.
///
/// # Errors
/// If an encoding is of no known name, by line.
pub fn read(file: &Path, list: List) -> Result<Vec<Form>, Vec<RuleError>> {
    let encoding = |word: &str| match word {
        "plain" => Ok(Encoding::Plain),
        "base64" => Ok(Encoding::Base64),
        "md5" => Ok(Encoding::Md5),
        "challenge" => Ok(Encoding::Challenge),
        other => Err(format!("no encoding is called {other:?}: plain, base64, md5, challenge")),
    };
    let mut errors = Vec::new();
    let mut forms = Vec::new();
    for (line, cells) in list.rows {
        let Ok([device, path, user, password, secret, name]) = <[String; 6]>::try_from(cells) else { continue };
        match encoding(&secret).and_then(|secret| Ok((secret, encoding(&name)?))) {
            Ok((password_encoding, user_encoding)) => {
                forms.push(Form { device, path, user, password, password_encoding, user_encoding });
            }
            Err(reason) => errors.push(RuleError { file: file.to_path_buf(), line, reason }),
        }
    }
    if errors.is_empty() { Ok(forms) } else { Err(errors) }
}

fn one_of(names: &str, key: &[u8]) -> bool {
    !names.is_empty() && names.split('|').any(|n| key.eq_ignore_ascii_case(n.as_bytes()))
}

impl Form {
    /// Whether this field holds the user name.
    pub fn is_user(&self, key: &[u8]) -> bool {
        one_of(&self.user, key)
    }

    /// Whether this field holds the password.
    pub fn is_password(&self, key: &[u8]) -> bool {
        one_of(&self.password, key)
    }
}

/// The forms that are sent to a path (without query).
pub fn of_path(path: &[u8]) -> impl Iterator<Item = &'static Form> {
    let more = MORE.get().map(Vec::as_slice).unwrap_or_default();
    FORMS.iter().chain(more).filter(move |f| fits(f.path.as_bytes(), path))
}

/// Whether a path, or another text, fits a pattern, in which `*` stands for anything; letters count in either
/// case.
pub(super) fn fits(pattern: &[u8], path: &[u8]) -> bool {
    let Some(star) = memchr::memchr(b'*', pattern) else { return path.eq_ignore_ascii_case(pattern) };
    let (before, after) = pattern.split_at(star);
    let after = after.get(1..).unwrap_or_default();
    let Some((front, rest)) = path.split_at_checked(before.len()) else { return false };
    if !front.eq_ignore_ascii_case(before) {
        return false;
    }
    let Some(next) = memchr::memchr(b'*', after) else {
        let tail = rest.len().checked_sub(after.len()).and_then(|at| rest.get(at..));
        return tail.is_some_and(|t| t.eq_ignore_ascii_case(after));
    };
    // The first place of what stands between two stars is as good as any.
    let (middle, _) = after.split_at(next);
    let at = rest.windows(middle.len().max(1)).position(|w| w.eq_ignore_ascii_case(middle));
    at.is_some_and(|at| fits(after.get(next..).unwrap_or_default(), rest.get(at + middle.len()..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole() {
        let parsed = |text: &str| list::parse(Path::new("f"), text, &COLUMNS).and_then(|l| read(Path::new("f"), l));
        let forms = parsed(BUILTIN.1).unwrap();
        assert!(forms.len() > 20);
        for form in &forms {
            assert!(form.path.starts_with('/') && form.path == form.path.to_lowercase(), "{form:?}");
            assert!(!form.password.is_empty() && !form.device.is_empty(), "{form:?}");
        }
        let with = |row: &str| {
            let head = "# schema: 1\n# version: 1\n# date: 2026-11-25\n# source: s\n# licence: MIT\n";
            format!("{head}{}\n{row}\n", COLUMNS.join("\t"))
        };
        assert!(parsed(&with("a\t/b\tu\tp\tplain\tplain")).is_ok());
        let wrong = parsed(&with("a\t/b\tu\tp\trot13\tplain")).unwrap_err();
        assert_eq!((wrong.len(), wrong[0].line), (1, 7), "{wrong:?}");
        assert!(parsed(&with("a\tb")).is_err());
    }

    #[test]
    fn paths_fit_patterns() {
        let device = |path: &str| of_path(path.as_bytes()).map(|f| f.device.as_str()).next().unwrap_or("none");
        assert_eq!(device("/web/guest/en/websys/webArch/login.cgi"), "Ricoh MP");
        assert_eq!(device("/Forms/login1"), "APC NMC");
        assert_eq!(device("/Forms/login12"), "none");
        assert_eq!(device("/web/guest/en/websys/login.cgi"), "none");
        assert!(fits(b"/a*b*c", b"/axxbyyc") && !fits(b"/a*b*c", b"/axxcyy") && fits(b"*", b""));
    }

    #[test]
    fn fields_are_found_whatever_their_case() {
        let form = of_path(b"/login.xml").find(|f| f.device == "MayGion camera").unwrap();
        assert!(form.is_user(b"USR") && form.is_password(b"pwd") && !form.is_password(b"us"));
    }
}
