//! Fingerprints in the form of Recog (<https://github.com/rapid7/recog>), which users bring with `--recog DIR`.
//!
//! A file is about one kind of string: the Server field of HTTP, the version line of SSH ... Its fingerprints
//! are regular expressions; the first that hits says what its params say: `hw.vendor`, `os.product`,
//! `service.version` ... A param has a value, or takes that of a group; `{name}` in a value stands for another
//! param, names that begin with `_tmp.` are for that only, and `certainty` says how far to believe the rest.
//!
//! Nothing of it is compiled in, and a run without it costs nothing. Files are read and checked before any
//! packet; a regular expression is compiled when a value first holds the text that all its matches hold, and
//! each value is judged once.

mod classes;
mod examples;
mod pattern;
mod says;
mod xml;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hashbrown::HashMap;
use regex::bytes::Regex;
use sha2::{Digest, Sha256};

use self::pattern::Flags;
use super::rules::RuleError;
use crate::base::limits;

pub use self::examples::{Checked, Outcome, check};
pub use self::says::{Part, Said};

/// How a value of ours becomes the string that a file is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As it is.
    Same,
    /// Behind the second dash: `SSH-2.0-OpenSSH_9.6`.
    Version,
    /// Behind that, where it begins with it.
    After(&'static str),
    /// Between these two.
    Between(&'static str, &'static str),
}

/// What files are about (their `matches`, or their name where they have none), and our facts that hold such
/// strings: source, attribute, form. A `*` stands for any source.
const FIELDS: [(&str, &str, &str, Form); 32] = [
    ("http_header.server", "http", "server", Form::Same),
    ("http_header.cookie", "http", "cookie", Form::Between("", "=")),
    ("http_header.wwwauth", "http", "realm", Form::Between("Basic realm=\"", "\"")),
    ("http_header.wwwauth", "http", "realm", Form::Between("Digest realm=\"", "\"")),
    ("html_title", "http", "title", Form::Same),
    ("ssh.banner", "ssh", "banner", Form::Version),
    ("ftp.banner", "ftp", "banner", Form::Same),
    ("smtp.banner", "smtp", "banner", Form::Same),
    ("pop3.banner", "pop3", "banner", Form::Same),
    ("imap4.banner", "imap", "banner", Form::Same),
    ("nntp.banner", "nntp", "banner", Form::Same),
    ("telnet_banners", "telnet", "banner", Form::Same),
    ("snmp.sys_description", "snmp", "description", Form::Same),
    ("snmp.sys_description", "lldp", "description", Form::Same),
    ("snmp.sys_description", "cdp", "software", Form::Same),
    ("snmp.sys_object_id", "snmp", "object-id", Form::Same),
    ("sip_header.server", "sip", "server", Form::Same),
    ("sip_header.user_agent", "sip", "user-agent", Form::Same),
    ("rtsp_header.server", "rtsp", "server", Form::Same),
    ("mysql.banners", "mysql", "server", Form::After("MySQL ")),
    ("ntp.readvar", "ntp", "server", Form::Between("version=\"", "\"")),
    ("ntp.readvar", "ntp", "os", Form::Between("system=\"", "\"")),
    ("mdns.device-info.txt", "mdns", "txt", Form::Same),
    ("mdns.device-info.txt", "mdns", "model", Form::Between("model=", "")),
    ("dhcp_vendor_class", "dhcp", "vendor-class", Form::Same),
    ("hp_pjl_id", "pjl", "model", Form::Same),
    ("smb.native_os", "smb", "os", Form::Same),
    ("smb.native_lm", "smb", "server", Form::Same),
    ("x509.subject", "tls", "certificate-subject", Form::Same),
    ("x509.issuer", "tls", "certificate-issuer", Form::Same),
    ("x11.vendor", "x11", "vendor", Form::Same),
    ("operating_system.name", "*", "os", Form::Same),
];

/// A param of a fingerprint.
#[derive(Debug, Clone)]
struct Param {
    name: Box<str>,
    /// Group whose value it takes; 0 for a value of its own.
    pos: usize,
    value: Box<str>,
}

/// A string that a fingerprint must hit.
#[derive(Debug, Clone, Default)]
struct Example {
    line: usize,
    text: String,
    base64: bool,
    /// A file beside the list that holds the string.
    filename: Option<String>,
    /// Params with the values that must come out.
    wants: Vec<(String, String)>,
}

/// One fingerprint.
#[derive(Debug)]
struct Fingerprint {
    line: usize,
    description: String,
    pattern: Box<str>,
    flags: Flags,
    /// What every value holds that it hits, in small letters; empty where nothing is certain.
    literal: Box<[u8]>,
    regex: OnceLock<Option<Regex>>,
    params: Vec<Param>,
    examples: Vec<Example>,
}

impl Fingerprint {
    /// The params that come out for a value; `lower` is the value in small letters.
    fn hit(&self, value: &[u8], lower: &[u8]) -> Option<Vec<(Box<str>, String)>> {
        if !self.literal.is_empty() && memchr::memmem::find(lower, &self.literal).is_none() {
            return None;
        }
        let regex = self.regex.get_or_init(|| pattern::compile(&self.pattern, self.flags)).as_ref()?;
        let groups = regex.captures(value)?;
        let mut out: Vec<(Box<str>, String)> = Vec::with_capacity(self.params.len());
        for param in &self.params {
            let text = match param.pos {
                0 => param.value.to_string(),
                group => match groups.get(group) {
                    Some(found) => lossy(found.as_bytes()),
                    None => continue,
                },
            };
            if !text.is_empty() {
                out.push((param.name.clone(), text));
            }
        }
        Some(interpolated(out))
    }
}

/// Bytes as text: UTF-8 where it is, else one character a byte.
fn lossy(bytes: &[u8]) -> String {
    let bytes = bytes.get(..limits::RECOG_VALUE_BYTES_MAX).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|b| char::from(*b)).collect(), str::to_owned)
}

/// Puts values for names in braces. What stands for nothing leaves a dash in a CPE, which there says "no version",
/// and elsewhere takes the param with it.
fn interpolated(params: Vec<(Box<str>, String)>) -> Vec<(Box<str>, String)> {
    let value = |name: &str| params.iter().find(|(n, _)| &**n == name).map(|(_, v)| v.as_str());
    let mut out = Vec::with_capacity(params.len());
    'params: for (name, text) in &params {
        if name.starts_with("_tmp.") {
            continue;
        }
        let mut built = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some((before, behind)) = rest.split_once('{') {
            let Some((wanted, after)) = behind.split_once('}') else { break };
            built.push_str(before);
            match value(wanted) {
                Some(found) if built.len() < limits::RECOG_VALUE_BYTES_MAX => built.push_str(found),
                _ if name.ends_with("cpe23") => built.push('-'),
                _ => continue 'params,
            }
            rest = after;
        }
        built.push_str(rest);
        out.push((name.clone(), built));
    }
    out
}

/// A file that was read.
#[derive(Debug)]
pub struct Database {
    file: PathBuf,
    /// Its `matches`, or its name.
    about: String,
    fingerprints: Vec<Fingerprint>,
}

impl Database {
    /// What the first fingerprint that hits says.
    fn judge(&self, value: &[u8], lower: &[u8]) -> Option<Said> {
        let (fingerprint, params) = self.fingerprints.iter().find_map(|f| Some((f, f.hit(value, lower)?)))?;
        let file = self.file.file_name().unwrap_or_default().to_string_lossy();
        Some(Said::of(format!("{file}:{}", fingerprint.line), &fingerprint.description, &params))
    }
}

/// Values with what was said of them.
type Memo = HashMap<(usize, Box<str>), Option<Arc<Said>>, ahash::RandomState>;

/// All files of a folder.
#[derive(Debug, Default)]
pub struct Recog {
    databases: Vec<Database>,
    memo: Mutex<Memo>,
    hash: String,
}

impl Recog {
    /// Reads all `*.xml` of a folder. Examples are kept only where they are wanted.
    ///
    /// # Errors
    /// Everything that is wrong, by file and line.
    pub fn load(folder: &Path, examples: bool) -> Result<Self, Vec<RuleError>> {
        let wrong = |file: &Path, reason: String| RuleError { file: file.to_path_buf(), line: 0, reason };
        let listed = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let listed = listed.map_err(|e| vec![wrong(folder, format!("cannot list: {e}"))])?;
        let mut files: Vec<PathBuf> = listed.into_iter().map(|entry| entry.path()).collect();
        files.retain(|f| f.extension().is_some_and(|e| e.eq_ignore_ascii_case("xml")));
        files.sort();
        if files.is_empty() {
            return Err(vec![wrong(folder, String::from("no *.xml file of Recog in the folder"))]);
        }
        if files.len() > limits::RECOG_FILES_MAX {
            return Err(vec![wrong(folder, format!("more than {} files", limits::RECOG_FILES_MAX))]);
        }
        let mut errors = Vec::new();
        let mut databases = Vec::new();
        let mut hash = Sha256::new();
        for file in files {
            let text = std::fs::read_to_string(&file).map_err(|e| vec![wrong(&file, format!("cannot read: {e}"))]);
            if let Ok(text) = &text {
                hash.update(file.file_name().unwrap_or_default().as_encoded_bytes());
                hash.update([0]);
                hash.update(Sha256::digest(text.as_bytes()));
            }
            match text.and_then(|text| xml::read(&file, &text, examples)) {
                Ok(database) => databases.push(database),
                Err(more) => errors.extend(more),
            }
        }
        if errors.is_empty() {
            Ok(Self { databases, memo: Mutex::default(), hash: hex(&hash.finalize()) })
        } else {
            Err(errors)
        }
    }

    /// Reads one text as a file of that name.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_text(file: &Path, text: &str) -> Result<Self, Vec<RuleError>> {
        Ok(Self { databases: vec![xml::read(file, text, true)?], ..Self::default() })
    }

    /// What is known of a value that a device told, one [`Said`] for each file that is about such values.
    pub fn hits(&self, source: &str, attribute: &str, value: &str) -> Vec<Arc<Said>> {
        let fields =
            FIELDS.iter().enumerate().filter(|(_, (_, s, a, _))| *a == attribute && (*s == source || *s == "*"));
        let mut out: Vec<Arc<Said>> = Vec::new();
        for (at, (about, _, _, form)) in fields {
            let found = self.judged(at, about, *form, value);
            if let Some(said) = found.filter(|s| !out.contains(s)) {
                out.push(said);
            }
        }
        out
    }

    fn judged(&self, field: usize, about: &str, form: Form, value: &str) -> Option<Arc<Said>> {
        let lock = || self.memo.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (field, Box::from(value));
        if let Some(known) = lock().get(&key) {
            return known.clone();
        }
        let said = shaped(form, value).into_iter().find_map(|text| {
            let lower = text.to_ascii_lowercase();
            self.databases.iter().filter(|d| d.about == about).find_map(|d| d.judge(text.as_bytes(), lower.as_bytes()))
        });
        let said = said.map(Arc::new);
        let mut memo = lock();
        if memo.len() < limits::RECOG_VALUES_MAX {
            memo.insert(key, said.clone());
        }
        said
    }

    /// SHA-256 over the names and the SHA-256 of all files, in hex: what `run.json` has, so that a run can be told
    /// from one with other fingerprints.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// How many fingerprints there are.
    pub fn len(&self) -> usize {
        self.databases.iter().map(|d| d.fingerprints.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The strings that a value may have been. Control characters are replaced in claims; those of texts are
/// mostly the ends of lines.
fn shaped(form: Form, value: &str) -> Vec<String> {
    let text = match form {
        Form::Same => value.to_owned(),
        Form::Version => value.splitn(3, '-').nth(2).unwrap_or(value).to_owned(),
        Form::After(before) => value.strip_prefix(before).unwrap_or(value).to_owned(),
        Form::Between(before, behind) => format!("{before}{value}{behind}"),
    };
    match text.contains(char::REPLACEMENT_CHARACTER) {
        true => {
            let ends = text.replace("\u{fffd}\u{fffd}", "\r\n").replace(char::REPLACEMENT_CHARACTER, "\n");
            vec![ends, text]
        }
        false => vec![text],
    }
}

static LOADED: OnceLock<Recog> = OnceLock::new();

/// Puts fingerprints in force for the rest of the process, before any packet is read. A second call has no effect.
pub fn install(recog: Recog) {
    let _ = LOADED.set(recog);
}

/// The fingerprints in force.
pub fn loaded() -> Option<&'static Recog> {
    LOADED.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"<fingerprints matches="http_header.server">
      <fingerprint pattern="^ExampleCam/([\d.]+)(?: (\w+))?$">
        <description>A camera</description>
        <example service.version="1.2">ExampleCam/1.2</example>
        <param pos="0" name="service.vendor" value="Example"/>
        <param pos="1" name="service.version"/>
        <param pos="2" name="_tmp.more"/>
        <param pos="0" name="hw.product" value="Cam {_tmp.more}"/>
        <param pos="0" name="hw.vendor" value="Example"/>
        <param pos="0" name="hw.device" value="IP Camera"/>
        <param pos="0" name="service.cpe23" value="cpe:/a:example:cam:{service.version}"/>
        <param pos="0" name="os.cpe23" value="cpe:/o:example:os:{os.version}"/>
      </fingerprint>
    </fingerprints>"#;

    #[test]
    fn the_first_that_hits_says_what_its_params_say() {
        let recog = Recog::from_text(Path::new("x.xml"), TEXT).unwrap();
        let params = |value: &str| {
            let f = &recog.databases[0].fingerprints[0];
            f.hit(value.as_bytes(), value.to_ascii_lowercase().as_bytes())
        };
        assert_eq!(params("ExampleCam/x"), None);
        let got = params("ExampleCam/1.2 Pro").unwrap();
        let get = |name: &str| got.iter().find(|(n, _)| &**n == name).map(|(_, v)| v.as_str());
        assert_eq!(get("hw.product"), Some("Cam Pro"));
        assert_eq!(get("_tmp.more"), None);
        assert_eq!(get("service.cpe23"), Some("cpe:/a:example:cam:1.2"));
        assert_eq!(get("os.cpe23"), Some("cpe:/o:example:os:-"));
        let got = params("ExampleCam/1.2").unwrap();
        assert!(got.iter().all(|(n, _)| &**n != "hw.product"), "what it is made of is missing");

        let said = recog.hits("http", "server", "ExampleCam/1.2");
        assert_eq!((said[0].class, said[0].vendor.as_deref()), (Some("camera"), Some("Example")));
        assert!(said[0].place.ends_with("x.xml:2"));
        assert!(Arc::ptr_eq(&said[0], &recog.hits("http", "server", "ExampleCam/1.2")[0]), "judged once");
        assert!(recog.hits("ftp", "server", "ExampleCam/1.2").is_empty());
    }

    #[test]
    fn values_take_the_form_of_the_file() {
        assert_eq!(shaped(Form::Version, "SSH-2.0-a-b"), ["a-b"]);
        assert_eq!(shaped(Form::Between("<", ">"), "x"), ["<x>"]);
        assert_eq!(shaped(Form::Same, "a\u{fffd}\u{fffd}b\u{fffd}c")[0], "a\r\nb\nc");
    }
}
