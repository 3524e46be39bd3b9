//! Configuration files that phones, cameras, switches and their like fetch in clear: they hold the
//! accounts that the device will use. There is no standard; the forms read here are `key = value` and
//! `key: value` lines, sections, XML attributes and elements, JSON members, and the command lines of
//! network equipment ([`super::commands`]).

use super::commands;
use crate::base::limits::{SETTINGS_LOGINS_MAX as LOGINS_MAX, SETTINGS_MAX};
use crate::base::secret::SecretBuf;
use crate::proto::api::SecretKind;
use crate::proto::text;
use crate::proto::web::http_login::{Found, is_password_key};

/// The last part of a path or a request target.
pub fn file_name(path: &[u8]) -> &[u8] {
    let path = path.split(|c| matches!(c, b'?' | b'#')).next().unwrap_or_default();
    path.rsplit(|c| matches!(c, b'/' | b'\\')).next().unwrap_or_default()
}

fn ends(name: &[u8], list: &[&str]) -> bool {
    list.iter().any(|e| {
        name.len() > e.len()
            && name.get(name.len() - e.len()..).is_some_and(|tail| tail.eq_ignore_ascii_case(e.as_bytes()))
    })
}

/// Whether twelve hexadecimal digits stand in a row: a MAC address.
fn has_mac(name: &[u8]) -> bool {
    let mut run = 0;
    name.iter().any(|c| {
        run = if c.is_ascii_hexdigit() { run + 1 } else { 0 };
        run == 12
    })
}

/// Whether a path names such a file: the name holds a MAC address, or ends as configurations do.
pub fn is_settings_file(path: &[u8]) -> bool {
    let name = file_name(path);
    const ALWAYS: &[&str] = &[".cfg", ".cnf", ".cnf.xml", "-confg", "-config", "_config", ".boot"];
    const WITH_MAC: &[&str] = &[".xml", ".conf", ".ini", ".txt", ".htm", ".html", ".dat", ".json", ".template"];
    let begins = |start: &[u8]| text::starts_with(name, start);
    ends(name, ALWAYS)
        || has_mac(name) && (ends(name, WITH_MAC) || !name.contains(&b'.') && (begins(b"cfg") || begins(b"sep")))
        // `spa504G.xml`, `spa<mac>.xml`
        || begins(b"spa") && ends(name, &[".xml"])
}

/// Words that mean firmware wherever they stand in a path.
const FIRMWARE: &[&[u8]] =
    &[b"firmware", b"fwupdate", b"fw_update", b"fw-update", b"swupdate", b"fwupgrade", b"sysupgrade"];

fn speaks_of_firmware(path: &[u8]) -> bool {
    FIRMWARE.iter().any(|w| text::contains(path, w))
}

/// The path of a request target, without its query.
fn path_of(target: &[u8]) -> &[u8] {
    target.split(|c| matches!(c, b'?' | b'#')).next().unwrap_or_default()
}

/// Whether a path names a program for a device.
pub fn is_firmware_file(path: &[u8]) -> bool {
    /// Endings that hardly anything else has.
    const SURE: &[&str] = &[".rom", ".fw", ".swu", ".dwl", ".loads", ".sbn", ".sgn", ".trx", ".fwu", ".firm", ".ld"];
    /// Endings of images, which need a short word beside them, and of archives, which need a long one.
    const IMAGES: &[&str] = &[".bin", ".img", ".chk", ".uimage"];
    const ARCHIVES: &[&str] = &[".zip", ".tar", ".gz", ".tgz", ".hex", ".pkg"];
    const SHORT: &[&[u8]] = &[b"fw", b"fota", b"ota", b"firm", b"rom", b"upgrade"];
    let name = file_name(path);
    let path = path_of(path);
    let mut parts = path.split(|c| matches!(c, b'/' | b'\\' | b'-' | b'_' | b'.'));
    ends(name, SURE)
        || (ends(name, IMAGES) || ends(name, ARCHIVES)) && speaks_of_firmware(path)
        || ends(name, IMAGES) && parts.any(|p| SHORT.iter().any(|w| p.eq_ignore_ascii_case(w)))
}

/// Whether a path asks what firmware there is, and is none itself nor a page for people.
pub fn is_update_check(path: &[u8]) -> bool {
    const PAGES: &[&str] = &[".html", ".htm", ".js", ".css", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".ico", ".pdf"];
    const FOLDERS: &[&[u8]] = &[b"fw", b"fota", b"ota"];
    let name = file_name(path);
    let path = path_of(path);
    let mut folders = path.split(|c| *c == b'/');
    !is_firmware_file(path)
        && !ends(name, PAGES)
        && (speaks_of_firmware(path) || folders.any(|p| FOLDERS.iter().any(|w| p.eq_ignore_ascii_case(w))))
}

/// A setting of a file.
struct Setting<'a> {
    key: &'a [u8],
    value: &'a [u8],
    /// The section that it stands in, as a number from 0.
    section: usize,
}

/// The accounts in a file, or in as much of one as was kept.
pub fn logins(body: &[u8]) -> Vec<Found> {
    let mut settings: Settings<'_> = Settings { all: Vec::new(), section: 0 };
    let mut found = Vec::new();
    for line in body.split(|c| matches!(c, b'\n' | b'\r')).take(SETTINGS_MAX) {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if found.len() < LOGINS_MAX
            && let Some(one) = commands::login(line)
        {
            found.push(one);
            continue;
        }
        match line.first() {
            Some(b'#' | b';' | b'!') => continue,
            Some(b'[') if line.ends_with(b"]") => {
                settings.section += 1;
                continue;
            }
            _ => {}
        }
        let has_tag = memchr::memchr(b'<', line).is_some();
        let members = if has_tag { 0 } else { json(line, &mut settings) };
        if has_tag {
            elements(line, &mut settings);
            attributes(line, &mut settings);
        } else if members == 0 {
            pair(line, &mut settings);
        }
        if settings.all.len() >= SETTINGS_MAX {
            break;
        }
    }
    let all = &settings.all;
    for (at, setting) in all.iter().enumerate() {
        if found.len() >= LOGINS_MAX {
            break;
        }
        let Setting { key, value, .. } = setting;
        let masked = value.iter().all(|c| *c == b'*');
        if !is_account_password(key) || value.is_empty() || masked {
            continue;
        }
        // Yealink: `user:password` in one value.
        let (user, value) = match text::split_once(value, b':') {
            Some((user, value)) if text::contains(key, b"security.user_password") => (Some(user.to_vec()), value),
            _ => (user_of(all, at), *value),
        };
        found.push(Found {
            user,
            secret: Some(SecretBuf::new(value)),
            kind: SecretKind::Password,
            ..Found::of("provisioning")
        });
    }
    found
}

/// Whose password the setting at a place is.
fn user_of(all: &[Setting<'_>], at: usize) -> Option<Vec<u8>> {
    let setting = all.get(at)?;
    if text::contains(setting.key, b"admin") || setting.key.eq_ignore_ascii_case(b"P2") {
        return Some(b"admin".to_vec());
    }
    if let Some((_, users)) = P_VALUES.iter().find(|(key, _)| setting.key.eq_ignore_ascii_case(key)) {
        let named = |user: &&[u8]| all.iter().find(|s| s.key.eq_ignore_ascii_case(user) && !s.value.is_empty());
        return users.iter().find_map(named).map(|s| s.value.to_vec());
    }
    if !group(setting.key).is_empty() {
        return best(all.iter().skip(at.saturating_sub(NEAR)).take(2 * NEAR), setting);
    }
    // Without a number, what stands nearest counts: before it, else behind it, up to the next password.
    let is_other = |s: &&Setting<'_>| !is_account_password(s.key);
    let before = all.iter().take(at).rev().take(NEAR).take_while(is_other);
    let behind = all.iter().skip(at + 1).take(NEAR).take_while(is_other);
    best(before, setting).or_else(|| best(behind, setting))
}

/// Settings around a password among which its user is looked for.
const NEAR: usize = 64;

/// The best name among some settings for the account that a password belongs to.
fn best<'s, 'a: 's>(near: impl Iterator<Item = &'s Setting<'a>>, password: &Setting<'_>) -> Option<Vec<u8>> {
    let group = group(password.key);
    near.filter(|s| s.section == password.section && self::group(s.key) == group && !s.value.is_empty())
        .filter_map(|s| Some((user_rank(s.key)?, s.value)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, value)| value.to_vec())
}

/// Grandstream's passwords of SIP accounts, and the numbers of the names that go with them: the one
/// for authentication first.
const P_VALUES: &[(&[u8], [&[u8]; 2])] = &[
    (b"P34", [b"P36", b"P35"]),
    (b"P406", [b"P405", b"P404"]),
    (b"P506", [b"P505", b"P504"]),
    (b"P606", [b"P605", b"P604"]),
];

struct Settings<'a> {
    all: Vec<Setting<'a>>,
    section: usize,
}

impl<'a> Settings<'a> {
    fn push(&mut self, key: &'a [u8], value: &'a [u8]) {
        if !key.is_empty() && key.len() <= 128 && self.all.len() < SETTINGS_MAX {
            self.all.push(Setting { key, value, section: self.section });
        }
    }
}

/// `key = value`, `key: value`; some mark the key with a sign at its end.
fn pair<'a>(line: &'a [u8], out: &mut Settings<'a>) {
    let Some(at) = line.iter().position(|c| matches!(c, b'=' | b':')) else { return };
    let (key, value) = line.split_at(at);
    let key = key.trim_ascii().trim_suffix_bytes(b"!&$?");
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    let quoted = |q: &[u8]| value.strip_prefix(q).and_then(|v| v.strip_suffix(q));
    let value = quoted(b"\"").or_else(|| quoted(b"'")).unwrap_or(value);
    out.push(key, value);
}

/// All `"key": "value"` of a line; how many there were.
fn json<'a>(line: &'a [u8], out: &mut Settings<'a>) -> usize {
    let mut rest = line;
    let mut members = 0;
    while let Some((_, behind)) = text::split_once(rest, b'"')
        && let Some((key, behind)) = text::split_once(behind, b'"')
    {
        rest = behind;
        let Some(value) = behind.trim_ascii_start().strip_prefix(b":") else { continue };
        if let Some(value) = value.trim_ascii_start().strip_prefix(b"\"")
            && let Some((value, behind)) = text::split_once(value, b'"')
        {
            out.push(key, value);
            members += 1;
            rest = behind;
        }
    }
    members
}

/// All `key="value"` of a line.
fn attributes<'a>(line: &'a [u8], out: &mut Settings<'a>) {
    let mut rest = line;
    while let Some(at) = memchr::memmem::find(rest, b"=\"") {
        let (before, after) = rest.split_at(at);
        let key = before.rsplit(|c| matches!(c, b' ' | b'\t' | b'<' | b'"')).next().unwrap_or_default();
        let Some((value, tail)) = text::split_once(after.get(2..).unwrap_or_default(), b'"') else { return };
        out.push(key, value);
        rest = tail;
    }
}

/// All `<key>value</` of a line.
fn elements<'a>(line: &'a [u8], out: &mut Settings<'a>) {
    for piece in line.split(|c| *c == b'<').skip(1) {
        if let Some((key, value)) = text::split_once(piece, b'>')
            && !value.is_empty()
            && key.first().is_some_and(u8::is_ascii_alphabetic)
        {
            out.push(text::word(key).0, value);
        }
    }
}

/// The number in a key tells which account it is about, with what stands before it where more
/// follows: `account.1.password` is no `wifi.1.password`.
fn group(key: &[u8]) -> &[u8] {
    let Some(start) = key.iter().position(u8::is_ascii_digit) else { return &[] };
    let digits = key.get(start..).unwrap_or_default();
    let len = digits.iter().position(|c| !c.is_ascii_digit()).unwrap_or(digits.len());
    if len == digits.len() { digits } else { key.get(..start + len).unwrap_or_default() }
}

fn is_account_password(key: &[u8]) -> bool {
    let is_p_value = |p: &&[u8]| key.eq_ignore_ascii_case(p);
    if key.len() <= 4 && (is_p_value(&b"P2".as_slice()) || P_VALUES.iter().any(|p| is_p_value(&p.0))) {
        return true;
    }
    // `user_pass1`: the number stands at the end.
    let end = key.iter().rposition(|c| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    let key = key.get(..end).unwrap_or_default();
    const NOT: &[&[u8]] = &[b"enable", b"length", b"expir", b"prompt", b"policy", b"_url"];
    is_password_key(key) && !NOT.iter().any(|w| text::contains(key, w))
}

/// How well a key names the user of an account; lower is better.
fn user_rank(key: &[u8]) -> Option<u8> {
    const WORDS: &[&[u8]] = &[
        b"auth_name",
        b"authname",
        b"auth.userid",
        b"authid",
        b"auth_id",
        b"pname",
        b"user_name",
        b"username",
        b"userid",
        b"user_id",
        b"login",
    ];
    let exact = || key.rsplit(|c| *c == b'.').next().is_some_and(|k| k.eq_ignore_ascii_case(b"user"));
    let within = WORDS.iter().position(|w| text::contains(key, w));
    within.or_else(|| exact().then_some(WORDS.len())).and_then(|n| u8::try_from(n).ok())
}

/// Strips any of some bytes from the end.
trait TrimSuffix {
    fn trim_suffix_bytes(&self, any: &[u8]) -> &Self;
}

impl TrimSuffix for [u8] {
    fn trim_suffix_bytes(&self, any: &[u8]) -> &Self {
        let end = self.iter().rposition(|c| !any.contains(c)).map_or(0, |at| at + 1);
        self.get(..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &str) -> Vec<String> {
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        let one = |f: Found| {
            let secret = f.secret.as_ref().map_or_else(String::new, |s| text(s.borrow().expose()));
            format!("{} {secret}", f.user.as_deref().map_or("-".into(), text))
        };
        logins(body.as_bytes()).into_iter().map(one).collect()
    }

    #[test]
    fn forms_of_several_vendors() {
        let xml = r#"<?xml version="1.0"?><A><B reg.1.address="7" reg.1.auth.userId="u7" reg.1.auth.password="p7" x.localAdminPassword="4"/></A>"#;
        assert_eq!(shown(xml), ["u7 p7", "admin 4"]);
        assert_eq!(
            shown("user_name1!: 5\nuser_pname1!: a5\nuser_pass1!: p5\nadmin_mode_password!: 0\n"),
            ["a5 p5", "admin 0"]
        );
        let lines = "#!version:1\r\naccount.2.user_name = 2\r\naccount.2.password = s2\r\naccount.1.password = s1\r\n";
        assert_eq!(shown(lines), ["2 s2", "- s1"]);
        assert_eq!(shown("<authName>me</authName>\n<authPassword>pw</authPassword>"), ["me pw"]);
        assert!(shown("just text with a password\n<html><body>Password: </body>").is_empty());
    }

    #[test]
    fn users_stand_near_their_passwords() {
        let cisco = "<line button=\"1\"><authName>a1</authName><authPassword>p1</authPassword></line>\n\
                     <line button=\"2\"><authName>a2</authName><authPassword>p2</authPassword></line>\n\
                     <sshUserId>root</sshUserId>\n<sshPassword>p3</sshPassword>\n<adminPassword>p4</adminPassword>";
        assert_eq!(shown(cisco), ["a1 p1", "a2 p2", "root p3", "admin p4"]);
        let snom = "<user_pname idx=\"1\" perm=\"RW\">n1</user_pname>\n<user_pass idx=\"1\" perm=\"RW\">s1</user_pass>";
        assert_eq!(shown(snom), ["n1 s1"]);
        assert_eq!(shown("[wifi]\nusername=w\npassword=x\n[ftp]\npassword=y\nusername=f\n"), ["w x", "f y"]);
        assert_eq!(shown("{\"sip\":{\"username\": \"j\", \"password\": \"k\"}}"), ["j k"]);
        assert_eq!(
            shown("P35=200\nP36=200a\nP34=sip\nP2=adm\nP404=201\nP406=two\n"),
            ["200a sip", "admin adm", "201 two"]
        );
        assert_eq!(shown("<P34>sip</P34><P35>200</P35>"), ["200 sip"]);
        assert_eq!(shown("static.security.user_password = admin:new\n"), ["admin new"]);
        assert_eq!(shown("account.1.user_name=a\naccount.1.password=b\nwifi.1.password=c\n"), ["a b", "- c"]);
        assert!(shown("password = ********\nphone.password.length = 4\n").is_empty());
    }

    #[test]
    fn a_huge_file_is_bounded() {
        let many = "account.1.password = x\n".repeat(10_000);
        assert_eq!(shown(&many).len(), LOGINS_MAX);
        assert!(shown(&"\"".repeat(60_000)).is_empty());
        assert!(shown(&"<".repeat(60_000)).is_empty());
    }

    #[test]
    fn names_of_files() {
        for (uri, want) in [
            ("/0004f2ab12cd.cfg", true),
            ("/snom-0004135A6B7C.htm?x", true),
            ("/SEP001122334455.cnf.xml", true),
            ("y000000000028.cfg", true),
            ("cfg000b82aabbcc", true),
            ("cfg000b82aabbcc.xml", true),
            ("0015651122aa.boot", true),
            ("spa504G.xml", true),
            ("router-confg", true),
            ("conf\\running-config", true),
            ("/index.html", false),
            ("/cfg/0004f2ab12c.xml", false),
            ("000b82aabbcc", false),
            ("/", false),
            ("", false),
        ] {
            assert_eq!(is_settings_file(uri.as_bytes()), want, "{uri}");
        }
        for (uri, want) in [
            ("T46S-66.86.0.15.rom", true),
            ("/firmware/a.bin", true),
            ("gxp2170fw.bin", false),
            ("/fw/gxp2170fw.bin", true),
            ("/downloads/photo.img", false),
            ("/firmware/version.txt", false),
            (".rom", false),
            ("/rom-com/trailer.zip", false),
            ("/firmware/all.zip", true),
        ] {
            assert_eq!(is_firmware_file(uri.as_bytes()), want, "{uri}");
        }
        for (uri, want) in [
            ("/firmware/check?model=1", true),
            ("/ota/latest.json", true),
            ("/firmware/T46S.rom", false),
            ("/help/firmware.html", false),
            ("/rom-com/index", false),
            ("/update?firmware=1", false),
        ] {
            assert_eq!(is_update_check(uri.as_bytes()), want, "{uri}");
        }
    }
}
