//! Holding the fingerprints of Recog against their own examples.

use std::path::Path;

use super::{Database, Example, FIELDS, Fingerprint, Recog};
use crate::base::limits;
use crate::signature::rules::RuleError;

/// What came of the examples of a folder.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What came of each file.
    pub files: Vec<Checked>,
    /// Examples that did not hit, or gave another value.
    pub failed: Vec<RuleError>,
    /// Examples in files that are not there.
    pub skipped: usize,
}

/// What came of the examples of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Name of the file.
    pub name: String,
    /// Fingerprints.
    pub fingerprints: usize,
    /// Examples, also those in files that are not there.
    pub examples: usize,
    /// Examples that hit with the values that they want.
    pub hit: usize,
    /// Whether parsers tell such strings, so that the file is of use.
    pub used: bool,
}

/// Runs all examples.
pub fn check(recog: &Recog) -> Outcome {
    let mut out = Outcome::default();
    for database in &recog.databases {
        let (mut hit, mut examples) = (0, 0);
        for fingerprint in &database.fingerprints {
            examples += fingerprint.examples.len();
            for example in &fingerprint.examples {
                match run(database, fingerprint, example) {
                    Ok(true) => hit += 1,
                    Ok(false) => out.skipped += 1,
                    Err(reason) => {
                        out.failed.push(RuleError { file: database.file.clone(), line: example.line, reason });
                    }
                }
            }
        }
        let name = database.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let used = FIELDS.iter().any(|(about, ..)| *about == database.about);
        out.files.push(Checked { name, fingerprints: database.fingerprints.len(), examples, hit, used });
    }
    out
}

/// Whether the example was there and hits; else why it does not.
fn run(database: &Database, fingerprint: &Fingerprint, example: &Example) -> Result<bool, String> {
    let bytes = match &example.filename {
        Some(name) => {
            let folder = database.file.with_extension("");
            match beside(&folder, name) {
                Some(bytes) => bytes,
                None => return Ok(false),
            }
        }
        None => example.text.clone().into_bytes(),
    };
    let bytes = if example.base64 { decoded(&bytes).ok_or("it is no base64")? } else { bytes };
    let lower = bytes.to_ascii_lowercase();
    let got = fingerprint.hit(&bytes, &lower).ok_or_else(|| {
        let shown: String = String::from_utf8_lossy(&bytes).chars().take(80).collect();
        format!("the example {shown:?} is not hit by the fingerprint in line {}", fingerprint.line)
    })?;
    for (name, want) in &example.wants {
        let value = got.iter().find(|(n, _)| **n == **name).map(|(_, v)| v.as_str());
        // A group that took no part has no value, which examples write as an empty one.
        if value.unwrap_or_default() != want {
            return Err(format!("{name} is {:?} and not {want:?}", value.unwrap_or_default()));
        }
    }
    Ok(true)
}

/// A file in the folder of that name; nothing outside of it.
fn beside(folder: &Path, name: &str) -> Option<Vec<u8>> {
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return None;
    }
    let path = folder.join(name);
    let size = std::fs::metadata(&path).ok()?.len();
    (size <= limits::RECOG_FILE_BYTES_MAX as u64).then(|| std::fs::read(path).ok()).flatten()
}

/// Base64 (RFC 4648), with blanks and line ends anywhere.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0);
    for byte in text.iter().filter(|b| !b.is_ascii_whitespace() && **b != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 0xff) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_hit_with_their_values_or_say_why_not() {
        let text = r#"<fingerprints matches="ssh.banner">
<fingerprint pattern="^Ex_([\d.]+)">
<example service.version="1">Ex_1</example>
<example service.version="2">Ex_3</example>
<example>Other</example>
<example _encoding="base64">RXhf
  MQ==</example>
<example _encoding="base64">!</example>
<example _filename="none.txt"/>
<param pos="1" name="service.version"/>
</fingerprint></fingerprints>"#;
        let recog = Recog::from_text(Path::new("dir/x.xml"), text).unwrap();
        let outcome = check(&recog);
        let want = Checked { name: "x.xml".to_owned(), fingerprints: 1, examples: 6, hit: 2, used: true };
        assert_eq!(outcome.files, [want]);
        assert_eq!(outcome.skipped, 1);
        let lines: Vec<_> = outcome.failed.iter().map(|e| e.line).collect();
        assert_eq!(lines, [4, 5, 8]);
        assert!(outcome.failed[0].reason.contains("\"3\" and not \"2\""));
        assert_eq!(beside(Path::new("/etc"), "../etc/passwd"), None);
    }
}
