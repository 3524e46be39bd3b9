//! Software that gets no more updates: one line for each range of versions in `signatures/lists/end-of-life.tsv`.
//!
//! What a distribution packages it repairs itself, for as long as it maintains its release: where a banner names the
//! packager, only lines about that packager count.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::{LazyLock, OnceLock};

use super::list::{self, List};
use super::products::Product;
use super::rules::RuleError;
use super::software::{compare, is_version, midnight};
use crate::base::Timestamp;

/// The file that is compiled in, and its name in messages.
pub const BUILTIN: (&str, &str) = ("end-of-life.tsv", include_str!("../../signatures/lists/end-of-life.tsv"));
/// Its columns.
pub const COLUMNS: [&str; 7] = ["product", "from", "below", "system", "ended", "line", "source"];
/// Any packager, or none.
const ANY: &str = "*";

/// A range of versions of a product.
#[derive(Debug, Clone)]
pub struct Ended {
    product: String,
    from: String,
    below: String,
    system: String,
    /// From then on there are no more updates.
    pub since: Timestamp,
    /// The day of that.
    pub day: String,
    /// What it is, in words.
    pub line: String,
    /// The page that says so.
    pub source: String,
}

static LINES: LazyLock<Vec<Ended>> = LazyLock::new(|| {
    // The file is part of the program and a test parses it.
    let list = list::parse(Path::new(BUILTIN.0), BUILTIN.1, &COLUMNS).unwrap_or_default();
    read(Path::new(BUILTIN.0), list).unwrap_or_default()
});

/// Lines of the user's own, added once before any packet is read.
static MORE: OnceLock<Vec<Ended>> = OnceLock::new();

/// Adds lines to those that are compiled in, for the rest of the process. A second call has no effect.
pub fn add(lines: Vec<Ended>) {
    let _ = MORE.set(lines);
}

/// The lines of a list whose layout was checked.
///
/// # Errors
/// If a date is none, or a version, by line.
pub fn read(file: &Path, list: List) -> Result<Vec<Ended>, Vec<RuleError>> {
    let mut errors = Vec::new();
    let mut out = Vec::new();
    for (line, cells) in list.rows {
        let Ok([product, from, below, system, day, words, source]) = <[String; 7]>::try_from(cells) else { continue };
        let mut bad = |reason| errors.push(RuleError { file: file.to_path_buf(), line, reason });
        let Some(since) = midnight(&day) else {
            bad(format!("{day:?} is no date (as in 2026-11-25)"));
            continue;
        };
        if product.split(':').filter(|p| !p.is_empty()).count() != 2 {
            bad(format!("{product:?} is no vendor:product of CPE"));
        } else if !is_version(&from) || !is_version(&below) || compare(&from, &below) != Ordering::Less {
            bad(format!("from {from:?} below {below:?} is no range of versions"));
        } else if !source.starts_with("https://") || system.is_empty() || words.is_empty() {
            bad(String::from("no system, no line, or no page (https://...) as its source"));
        } else {
            out.push(Ended { product, from, below, system, since, day, line: words, source });
        }
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}

/// The numbers that a version begins with: `7.4` of `7.4p1`.
fn numbers(version: &str) -> &str {
    let end = version.bytes().position(|b| !b.is_ascii_digit() && b != b'.').unwrap_or(version.len());
    version.get(..end).unwrap_or_default().trim_end_matches('.')
}

/// What is known of the end of a product, whether it lies in the past or not. The user's lines win.
pub fn of(product: &Product) -> Option<&'static Ended> {
    let key = product.key?;
    let version = numbers(product.version.as_deref()?);
    if !is_version(version) {
        return None;
    }
    let system = product.packager.unwrap_or(ANY);
    let lines = MORE.get().map(Vec::as_slice).unwrap_or_default().iter().chain(LINES.iter());
    let mut fitting = lines.filter(|l| l.product == key && l.system.eq_ignore_ascii_case(system));
    fitting.find(|l| compare(version, &l.from) != Ordering::Less && compare(version, &l.below) == Ordering::Less)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::products;

    #[test]
    fn versions_that_get_no_more_updates() {
        for (source, attribute, value, want) in [
            ("http", "server", "Apache/2.2.15 (Unix)", Some("2020-11-30")),
            ("http", "server", "Apache/2.2.15 (CentOS)", Some("2020-11-30")),
            ("http", "server", "Apache/2.4.57 (Debian)", None),
            ("http", "server", "Apache/2.4.57", None),
            ("http", "server", "nginx/1.9.12", Some("2020-06-30")),
            ("http", "server", "nginx/1.18.0", None),
            ("http", "server", "Microsoft-IIS/6.0", Some("2015-07-14")),
            ("http", "server", "Microsoft-IIS/10.0", None),
            ("http", "server", "Boa/0.94.14rc21", Some("2005-12-31")),
            ("smb", "os", "Windows 6.1.7601", Some("2021-10-12")),
            ("smb", "os", "Windows 6.1", None),
            ("smb", "os", "Windows 6.1.0", None),
            ("smb", "os", "Windows 10.0.17134", Some("2021-05-11")),
            // What several releases state ends with the last of them.
            ("smb", "os", "Windows 10.0.10240", Some("2025-10-14")),
            ("smb", "os", "Windows 10.0.14393", Some("2027-01-12")),
            ("smb", "os", "Windows 10.0.17763", Some("2029-01-09")),
            ("dcerpc", "os", "Windows 10.0.18362", Some("2022-05-10")),
            ("dcerpc", "os", "Windows 10.0.19041", Some("2032-01-13")),
            ("smb", "os", "Windows 10.0.19044", None),
            ("smb", "os", "Windows 10.0.20348", Some("2031-10-14")),
            ("smb", "os", "Windows 10.0.22621", Some("2026-11-10")),
            ("smb", "os", "Windows 10.0.26100", None),
            ("http", "server", "nginx/1.18.0 (Ubuntu)", None),
            ("http", "server", "OpenSSL/1.0.1e-fips", Some("2024-06-30")),
            ("http", "server", "OpenSSL/1.0.0-fips", Some("2020-11-30")),
            ("http", "server", "PHP/5.4.16 OpenSSL/1.0.2k-fips", Some("2026-06-30")),
            ("http", "server", "(Amazon) OpenSSL/1.0.1k-fips", None),
            ("mysql", "server", "MySQL 8.0.36", None),
            ("mysql", "server", "MySQL 5.1.73", Some("2020-11-30")),
            ("mysql", "server", "MySQL 5.7.44", Some("2023-10-31")),
            ("mysql", "server", "MySQL 5.7.33-0ubuntu0.18.04.1", Some("2023-05-31")),
            ("mysql", "server", "MySQL 8.0.36-0ubuntu0.22.04.1", None),
            ("sip", "server", "Asterisk PBX 16.28.0~dfsg-0+deb11u3", None),
            ("sip", "server", "Asterisk PBX 13.38.3", Some("2021-10-24")),
        ] {
            let found = products::of(source, attribute, value).iter().find_map(of).map(|e| e.day.as_str());
            assert_eq!(found, want, "{value}");
        }
    }

    #[test]
    fn the_list_is_whole_and_each_line_is_of_a_product_that_is_known() {
        let parsed = |text: &str| list::parse(Path::new("f"), text, &COLUMNS).and_then(|l| read(Path::new("f"), l));
        let lines = parsed(BUILTIN.1).unwrap_or_else(|e| panic!("{e:#?}"));
        assert!(lines.len() > 100);
        for line in &lines {
            assert!(products::BUILTIN.1.contains(&format!("/{}\t", line.product)), "{}", line.product);
        }
        let with = |row: &str| {
            let head = "# schema: 1\n# version: 1\n# date: 2026-11-25\n# source: s\n# licence: MIT\n";
            parsed(&format!("{head}{}\n{row}\n", COLUMNS.join("\t")))
        };
        assert!(with("a:b\t1\t2\t*\t2026-01-01\tw\thttps://s").is_ok());
        for (row, word) in [
            ("a\t1\t2\t*\t2026-01-01\tw\thttps://s", "vendor:product"),
            ("a:b\t2\t1\t*\t2026-01-01\tw\thttps://s", "range"),
            ("a:b\t1\t2\t*\t2026-13-01\tw\thttps://s", "2026-13-01"),
            ("a:b\t1\t2\t*\t2026-01-01\tw\ts", "source"),
        ] {
            let errors = with(row).unwrap_err();
            assert!(errors[0].line == 7 && errors[0].reason.contains(word), "{errors:?}");
        }
    }
}
