//! Who issues certificates: authorities for the public Web, and makers whose devices leave the factory with
//! a certificate. One line each in `signatures/lists/`.

use std::path::Path;
use std::sync::{LazyLock, OnceLock};

use super::forms::fits;
use super::list::{self, List};
use super::rules::RuleError;

/// The file of authorities that is compiled in, and its name in messages.
pub const AUTHORITIES: (&str, &str) =
    ("public-authorities.tsv", include_str!("../../signatures/lists/public-authorities.tsv"));
/// Its columns.
pub const AUTHORITY_COLUMNS: [&str; 1] = ["organization"];
/// The file of factory certificates that is compiled in, and its name in messages.
pub const FACTORY: (&str, &str) =
    ("factory-certificates.tsv", include_str!("../../signatures/lists/factory-certificates.tsv"));
/// Its columns.
pub const FACTORY_COLUMNS: [&str; 3] = ["device", "field", "pattern"];

/// A certificate that a device leaves the factory with.
#[derive(Debug, Clone)]
pub struct Factory {
    /// The device.
    pub device: String,
    /// Whether the pattern is of the holder's name; else of the issuer's.
    of_subject: bool,
    pattern: String,
}

static PUBLIC: LazyLock<Vec<String>> = LazyLock::new(|| {
    // The file is part of the program and a test parses it.
    organizations(list::parse(Path::new(AUTHORITIES.0), AUTHORITIES.1, &AUTHORITY_COLUMNS).unwrap_or_default())
});

static DELIVERED: LazyLock<Vec<Factory>> = LazyLock::new(|| {
    // Likewise.
    let list = list::parse(Path::new(FACTORY.0), FACTORY.1, &FACTORY_COLUMNS).unwrap_or_default();
    read_factory(Path::new(FACTORY.0), list).unwrap_or_default()
});

/// Rows of the user's own, added once before any packet is read.
static MORE_PUBLIC: OnceLock<Vec<String>> = OnceLock::new();
static MORE_DELIVERED: OnceLock<Vec<Factory>> = OnceLock::new();

/// Adds authorities to those that are compiled in, for the rest of the process. A second call has no effect.
pub fn add_authorities(list: List) {
    let _ = MORE_PUBLIC.set(organizations(list));
}

/// Likewise for factory certificates.
pub fn add_factory(all: Vec<Factory>) {
    let _ = MORE_DELIVERED.set(all);
}

fn organizations(list: List) -> Vec<String> {
    list.rows.into_iter().filter_map(|(_, cells)| cells.into_iter().next()).collect()
}

/// The factory certificates of a list whose layout was checked.
///
/// # Errors
/// If a field is neither `subject` nor `issuer`, or a pattern would fit anything, by line.
pub fn read_factory(file: &Path, list: List) -> Result<Vec<Factory>, Vec<RuleError>> {
    let mut errors = Vec::new();
    let mut all = Vec::new();
    for (line, cells) in list.rows {
        let Ok([device, field, pattern]) = <[String; 3]>::try_from(cells) else { continue };
        let mut bad = |reason: String| errors.push(RuleError { file: file.to_path_buf(), line, reason });
        match field.as_str() {
            "subject" | "issuer" if pattern.trim_matches('*').is_empty() => {
                bad(String::from("the pattern would fit any name"));
            }
            "subject" | "issuer" => all.push(Factory { device, of_subject: field == "subject", pattern }),
            other => bad(format!("no field is called {other:?}: subject, issuer")),
        }
    }
    if errors.is_empty() { Ok(all) } else { Err(errors) }
}

/// Whether an organization is an authority for the public Web, or was one.
pub fn is_public(organization: &str) -> bool {
    let more = MORE_PUBLIC.get().map(Vec::as_slice).unwrap_or_default();
    PUBLIC.iter().chain(more).any(|pattern| fits(pattern.as_bytes(), organization.as_bytes()))
}

/// The device that leaves the factory with a certificate of these names (RFC 4514).
pub fn factory(subject: &str, issuer: &str) -> Option<&'static str> {
    let more = MORE_DELIVERED.get().map(Vec::as_slice).unwrap_or_default();
    let name = |of_subject: bool| if of_subject { subject } else { issuer };
    let mut all = DELIVERED.iter().chain(more);
    all.find(|f| fits(f.pattern.as_bytes(), name(f.of_subject).as_bytes())).map(|f| f.device.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_whole() {
        let authorities = list::parse(Path::new("a"), AUTHORITIES.1, &AUTHORITY_COLUMNS).unwrap();
        assert!(authorities.rows.len() > 60);
        let factory = |text: &str| {
            list::parse(Path::new("f"), text, &FACTORY_COLUMNS).and_then(|l| read_factory(Path::new("f"), l))
        };
        assert!(factory(FACTORY.1).unwrap().len() > 60);
        let head = "# schema: 1\n# version: 1\n# date: 2026-11-25\n# source: s\n# licence: MIT\n";
        let with = |row: &str| factory(&format!("{head}{}\n{row}\n", FACTORY_COLUMNS.join("\t")));
        assert!(with("a\tsubject\tCN=*").is_ok());
        assert_eq!(with("a\tsubject\t**").unwrap_err()[0].line, 7);
        assert_eq!(with("a\tserial\t1").unwrap_err()[0].line, 7);
    }

    #[test]
    fn authorities_are_known_by_their_organization() {
        for name in ["Let's Encrypt", "DigiCert Inc", "digicert, inc.", "Google Trust Services LLC", "VeriSign, Inc."] {
            assert!(is_public(name), "{name}");
        }
        for name in ["Example Inc.", "Philips Hue", "", "My DigiCert"] {
            assert!(!is_public(name), "{name}");
        }
    }

    #[test]
    fn factory_certificates_are_known_by_their_names() {
        let device = |subject| factory(subject, "CN=ca").unwrap_or("none");
        assert_eq!(device("CN=axis-00408c123456,O=Axis Communications AB"), "Axis camera");
        assert_eq!(device("CN=HP Jetdirect 1A2B3C4D,OU=001b78123456+OU=J7949E,O=Hewlett-Packard Co."), "HP printer");
        assert_eq!(
            device("CN=idrac-ABC1234,OU=Remote Access Group,O=Dell Inc.,L=Round Rock,ST=Texas,C=US"),
            "Dell iDRAC"
        );
        assert_eq!(device("CN=printer.example.com,O=Example Inc.,C=DE"), "none");
        let phone = "CN=805ec0123456,O=Yealink Network Technology Co.\\,Ltd.";
        assert_eq!(factory(phone, "CN=Yealink Equipment Issuing CA,OU=yealink.com"), Some("Yealink telephone"));
    }
}
