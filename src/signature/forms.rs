//! Login forms of devices that do not name their fields as everybody does, or encode what is in them:
//! one line a form in `signatures/lists/login-forms.tsv`.

use std::sync::LazyLock;

/// The file that is compiled in.
const BUILTIN: &str = include_str!("../../signatures/lists/login-forms.tsv");
/// The layout that this program reads.
const SCHEMA: &str = "# schema: 1";

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
#[derive(Debug)]
pub struct Form {
    /// The device.
    pub device: &'static str,
    path: &'static str,
    user: &'static str,
    password: &'static str,
    /// How the password is held.
    pub password_encoding: Encoding,
    /// How the user name is held.
    pub user_encoding: Encoding,
}

static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| read(BUILTIN).unwrap_or_default());

/// The forms of a list; what is wrong with it otherwise.
fn read(text: &'static str) -> Result<Vec<Form>, String> {
    if text.lines().next() != Some(SCHEMA) {
        return Err(format!("the first line is not {SCHEMA:?}"));
    }
    let encoding = |word: &str| match word {
        "plain" => Ok(Encoding::Plain),
        "base64" => Ok(Encoding::Base64),
        "md5" => Ok(Encoding::Md5),
        "challenge" => Ok(Encoding::Challenge),
        other => Err(format!("no encoding is called {other:?}")),
    };
    let lines = text.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty());
    lines
        .map(|line| {
            let parts: Vec<&'static str> = line.split('\t').collect();
            let [device, path, user, password, secret, name] = parts.as_slice() else {
                return Err(format!("not six columns: {line:?}"));
            };
            Ok(Form {
                device,
                path,
                user,
                password,
                password_encoding: encoding(secret)?,
                user_encoding: encoding(name)?,
            })
        })
        .collect()
}

fn one_of(names: &str, key: &[u8]) -> bool {
    !names.is_empty() && names.split('|').any(|n| key.eq_ignore_ascii_case(n.as_bytes()))
}

impl Form {
    /// Whether this field holds the user name.
    pub fn is_user(&self, key: &[u8]) -> bool {
        one_of(self.user, key)
    }

    /// Whether this field holds the password.
    pub fn is_password(&self, key: &[u8]) -> bool {
        one_of(self.password, key)
    }
}

/// The forms that are sent to a path (without query).
pub fn of_path(path: &[u8]) -> impl Iterator<Item = &'static Form> {
    FORMS.iter().filter(move |f| fits(f.path.as_bytes(), path))
}

/// Whether a path fits a pattern, in which `*` stands for anything.
fn fits(pattern: &[u8], path: &[u8]) -> bool {
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
        let forms = read(BUILTIN).unwrap();
        assert!(forms.len() > 20);
        for form in &forms {
            assert!(form.path.starts_with('/') && form.path == form.path.to_lowercase(), "{form:?}");
            assert!(!form.password.is_empty() && !form.device.is_empty(), "{form:?}");
        }
        assert!(read("# schema: 2\n").is_err());
        assert!(read("# schema: 1\na\tb\n").is_err());
    }

    #[test]
    fn paths_fit_patterns() {
        let device = |path: &str| of_path(path.as_bytes()).map(|f| f.device).next().unwrap_or("none");
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
