//! Software of SSH servers that is known to be weak or gets no more updates, by its version line: one
//! line each in `signatures/lists/ssh-software.tsv`.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::{LazyLock, OnceLock};

use super::list::{self, List};
use super::rules::RuleError;
use crate::base::Timestamp;

/// The file that is compiled in, and its name in messages.
pub const BUILTIN: (&str, &str) = ("ssh-software.tsv", include_str!("../../signatures/lists/ssh-software.tsv"));
/// Its columns.
pub const COLUMNS: [&str; 8] = ["software", "from", "below", "system", "since", "kind", "why", "source"];
/// Characters of a version that are looked at.
const VERSION_BYTES: usize = 32;

/// What is the matter with a software.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A published weakness that lets people in or code run.
    Flaw,
    /// Its maker, or that of the system, has stopped to update it.
    Ended,
}

/// A range of versions of a software.
#[derive(Debug, Clone)]
pub struct Software {
    name: String,
    from: String,
    below: String,
    system: String,
    since: Timestamp,
    /// What is the matter.
    pub kind: Kind,
    /// What it is, in words.
    pub why: String,
    /// Day from which it counts.
    pub day: String,
}

static SOFTWARE: LazyLock<Vec<Software>> = LazyLock::new(|| {
    // The file is part of the program and a test parses it.
    let list = list::parse(Path::new(BUILTIN.0), BUILTIN.1, &COLUMNS).unwrap_or_default();
    read(Path::new(BUILTIN.0), list).unwrap_or_default()
});

/// Rows of the user's own, added once before any packet is read.
static MORE: OnceLock<Vec<Software>> = OnceLock::new();

/// Adds rows to those that are compiled in, for the rest of the process. A second call has no effect.
pub fn add(rows: Vec<Software>) {
    let _ = MORE.set(rows);
}

/// The rows of a list whose layout was checked.
///
/// # Errors
/// If a date is none, or a kind is of no known name, by line.
pub fn read(file: &Path, list: List) -> Result<Vec<Software>, Vec<RuleError>> {
    let mut errors = Vec::new();
    let mut rows = Vec::new();
    for (line, cells) in list.rows {
        let Ok([name, from, below, system, day, kind, why, _]) = <[String; 8]>::try_from(cells) else { continue };
        let mut bad = |reason| errors.push(RuleError { file: file.to_path_buf(), line, reason });
        let kind = match kind.as_str() {
            "flaw" => Kind::Flaw,
            "ended" => Kind::Ended,
            other => {
                bad(format!("no kind is called {other:?}: flaw, ended"));
                continue;
            }
        };
        let Some(since) = midnight(&day) else {
            bad(format!("{day:?} is no date (as in 2026-11-25)"));
            continue;
        };
        if name.is_empty() || !is_version(&from) || !is_version(&below) {
            bad(format!("{name:?} from {from:?} below {below:?} is no name with two versions"));
            continue;
        }
        rows.push(Software { name, from, below, system, since, kind, why, day });
    }
    if errors.is_empty() { Ok(rows) } else { Err(errors) }
}

/// The beginning of a day (as in 2026-11-25), in UTC.
pub(super) fn midnight(day: &str) -> Option<Timestamp> {
    let date = Some(day).filter(|d| d.len() == 10)?.parse::<jiff::civil::Date>().ok()?;
    let start = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_nanosecond();
    i64::try_from(start).ok().map(Timestamp)
}

/// Whether it is numbers with dots between.
pub(super) fn is_version(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_digit()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// Orders versions by their numbers: 7.10 comes behind 7.9.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let numbers = |text: &str| -> Vec<u64> { text.split('.').map(|n| n.parse().unwrap_or(u64::MAX)).collect() };
    numbers(a).cmp(&numbers(b))
}

impl Software {
    /// Whether it is that of a version line, without what stands before the software.
    fn fits(&self, line: &str) -> bool {
        let Some(rest) = line.strip_prefix(self.name.as_str()) else { return false };
        let end = rest.bytes().take(VERSION_BYTES).position(|b| !b.is_ascii_digit() && b != b'.').unwrap_or(rest.len());
        let Some((version, rest)) = rest.split_at_checked(end) else { return false };
        let version = version.trim_end_matches('.');
        is_version(version)
            && compare(version, &self.from) != Ordering::Less
            && compare(version, &self.below) == Ordering::Less
            && (self.system == "*" || rest.to_ascii_lowercase().contains(&self.system.to_ascii_lowercase()))
    }
}

/// What is known to be the matter, at a time, with the software that a version line names. What lets
/// people in comes before what has ended.
pub fn known(banner: &[u8], at: Timestamp) -> Option<&'static Software> {
    let line = std::str::from_utf8(banner).ok()?.splitn(3, '-').nth(2)?;
    let more = MORE.get().map(Vec::as_slice).unwrap_or_default();
    let fitting = || SOFTWARE.iter().chain(more).filter(|s| s.since <= at && s.fits(line));
    fitting().find(|s| s.kind == Kind::Flaw).or_else(|| fitting().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: &str) -> Timestamp {
        midnight(day).unwrap()
    }

    #[test]
    fn version_lines_that_are_known() {
        for (banner, day, want) in [
            ("SSH-2.0-libssh_0.7.5", "2020-01-01", Some(Kind::Flaw)),
            ("SSH-2.0-libssh_0.7.6", "2020-01-01", None),
            ("SSH-2.0-libssh_0.8.3", "2020-01-01", Some(Kind::Flaw)),
            ("SSH-2.0-libssh_0.10.6", "2024-01-01", None),
            ("SSH-2.0-libssh2_1.8.0", "2024-01-01", None),
            ("SSH-2.0-dropbear_2012.55", "2024-01-01", Some(Kind::Flaw)),
            ("SSH-2.0-dropbear_0.52", "2024-01-01", Some(Kind::Flaw)),
            ("SSH-2.0-dropbear_2012.55", "2014-01-01", None),
            ("SSH-2.0-dropbear_2019.78", "2024-01-01", None),
            ("SSH-2.0-OpenSSH_7.9p1 Debian-10+deb10u2", "2025-01-01", Some(Kind::Ended)),
            ("SSH-2.0-OpenSSH_7.9p1 Debian-10+deb10u2", "2023-01-01", None),
            ("SSH-2.0-OpenSSH_7.9p1", "2025-01-01", None),
            ("SSH-2.0-OpenSSH_6.6.1p1 Ubuntu-2ubuntu2.13", "2025-01-01", Some(Kind::Ended)),
            ("SSH-2.0-OpenSSH_5.3", "2025-01-01", Some(Kind::Ended)),
            ("SSH-1.99-OpenSSH_4.3", "2025-01-01", Some(Kind::Ended)),
            ("SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.8", "2026-01-01", None),
            ("SSH-2.0-OpenSSH_10.0", "2026-01-01", None),
            ("SSH-2.0-OpenSSH_", "2026-01-01", None),
            ("SSH-2.0-OpenSSH_99999999999999999999999", "2026-01-01", None),
            ("SSH-2.0", "2026-01-01", None),
        ] {
            assert_eq!(known(banner.as_bytes(), at(day)).map(|s| s.kind), want, "{banner} on {day}");
        }
        assert!(known(b"SSH-2.0-dropbear_0.5\xff", at("2026-01-01")).is_none());
    }

    #[test]
    fn the_list_is_whole_and_errors_name_their_line() {
        let parsed = |text: &str| list::parse(Path::new("f"), text, &COLUMNS).and_then(|l| read(Path::new("f"), l));
        assert!(parsed(BUILTIN.1).unwrap().len() > 15);
        let with = |row: &str| {
            let head = "# schema: 1\n# version: 1\n# date: 2026-11-25\n# source: s\n# licence: MIT\n";
            parsed(&format!("{head}{}\n{row}\n", COLUMNS.join("\t")))
        };
        assert!(with("a_\t1\t2.0\t*\t2026-01-01\tflaw\tw\ts").is_ok());
        for (row, word) in [
            ("a_\t1\t2.0\t*\t2026-01-01\tbad\tw\ts", "bad"),
            ("a_\t1\t2.0\t*\t2026-13-01\tflaw\tw\ts", "2026-13-01"),
            ("a_\tx\t2.0\t*\t2026-01-01\tflaw\tw\ts", "two versions"),
        ] {
            let errors = with(row).unwrap_err();
            assert!(errors[0].line == 7 && errors[0].reason.contains(word), "{errors:?}");
        }
    }
}
