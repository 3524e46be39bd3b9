//! Names of products in the form of CPE 2.3 (NIST IR 7695).

/// Parts of a formatted string behind the update that nothing is known of.
const REST: &str = ":*:*:*:*:*:*";
/// Bytes of a name that are built.
const NAME_BYTES_MAX: usize = 256;

/// Writes a value as a formatted string has it (section 6.2): small letters, signs behind a backslash.
fn value(out: &mut String, text: &str) {
    for c in text.to_lowercase().chars() {
        match c {
            ' ' => out.push('_'),
            'a'..='z' | '0'..='9' | '_' | '.' | '-' => out.push(c),
            c if c.is_ascii_graphic() => out.extend(['\\', c]),
            _ => out.push('_'),
        }
    }
}

/// Words that begin the name of an update, before its number: `p1`, `rc2`.
const UPDATES: [&str; 8] = ["p", "pl", "rc", "beta", "alpha", "b", "pre", "sp"];

/// Whether a part of a version is an update: one of the words with a number behind it.
fn is_update(text: &str) -> bool {
    let word = text.trim_end_matches(|c: char| c.is_ascii_digit());
    word.len() < text.len() && UPDATES.iter().any(|u| word.eq_ignore_ascii_case(u))
}

/// A version as lists of vulnerabilities have it, and its update: without what a packager put behind it.
///
/// `4.17.12-debian` is 4.17.12, `7.4p1` is 7.4 with the update p1, and `9.11.4-P2` is 9.11.4 with p2.
fn version_and_update<'a>(product: &str, version: &'a str) -> (&'a str, Option<&'a str>) {
    if !version.starts_with(|c: char| c.is_ascii_digit()) {
        return (version, None);
    }
    let mut parts = version.split(['-', '~', '+', ' ', '_']);
    let own = parts.next().unwrap_or_default();
    let behind = parts.next().filter(|part| is_update(part));
    let numbers = own.bytes().position(|b| !b.is_ascii_digit() && b != b'.').unwrap_or(own.len());
    let Some((number, letters)) = own.split_at_checked(numbers) else { return (own, behind) };
    if is_update(letters) {
        return (number.trim_end_matches('.'), Some(letters));
    }
    // Eclipse writes the day of a build, ProFTPD a letter; most others have such letters in the version itself.
    match (product, letters) {
        ("jetty", day) if number.ends_with('.') && day.starts_with('v') => (number.trim_end_matches('.'), day.get(1..)),
        ("proftpd", letter) if letter.len() == 1 => (number, Some(letter)),
        _ => (own, behind),
    }
}

/// The name of a product: part (`a` application, `o` system, `h` hardware), vendor and product as CPE has them, and a
/// version, where one is known.
pub fn name(part: char, vendor: &str, product: &str, version: Option<&str>) -> String {
    let version = version.filter(|v| !v.is_empty() && *v != "-" && *v != "*");
    let (version, update) = version.map_or((None, None), |v| {
        let (version, update) = version_and_update(product, v);
        (Some(version), update)
    });
    let mut out = format!("cpe:2.3:{part}:");
    for (at, text) in [Some(vendor), Some(product), version, update].into_iter().enumerate() {
        if at > 0 {
            out.push(':');
        }
        match text {
            Some(text) => value(&mut out, text),
            None => out.push('*'),
        }
    }
    out.push_str(REST);
    out
}

/// Names of Windows by its build, where only one product states it. Server and client releases share most builds, and so do
/// releases that only switch on what lies there already; for those no name is better than that of another.
const WINDOWS: [(&str, &str); 11] = [
    ("5.0.2195", "windows_2000"),
    ("5.1.2600", "windows_xp"),
    ("10.0.10240", "windows_10_1507"),
    ("10.0.10586", "windows_10_1511"),
    ("10.0.15063", "windows_10_1703"),
    ("10.0.19043", "windows_10_21h1"),
    ("10.0.19044", "windows_10_21h2"),
    ("10.0.19045", "windows_10_22h2"),
    ("10.0.20348", "windows_server_2022"),
    ("10.0.22000", "windows_11_21h2"),
    ("10.0.22631", "windows_11_23h2"),
];

/// The name of the Windows with that version, where the build tells which.
pub fn windows(version: &str) -> Option<String> {
    let mut numbers = version.splitn(4, '.');
    let build = [numbers.next()?, numbers.next()?, numbers.next()?].join(".");
    let product = WINDOWS.iter().find(|(known, _)| *known == build)?.1;
    // Before Windows 10 the name says it all, and the version is that of the service pack.
    Some(name('o', "microsoft", product, Some(version).filter(|v| v.starts_with("10."))))
}

/// The formatted string of a URI (section 6.1): `cpe:/a:apache:http_server:2.4.6`. A formatted string stays as it is.
pub fn from_uri(uri: &str) -> Option<String> {
    if uri.len() > NAME_BYTES_MAX || uri.chars().any(char::is_control) {
        return None;
    }
    if uri.starts_with("cpe:2.3:") {
        return Some(uri.to_owned());
    }
    let mut parts = uri.strip_prefix("cpe:/")?.split(':');
    let part = parts.next().filter(|p| matches!(*p, "a" | "o" | "h"))?.chars().next()?;
    let (vendor, product) = (parts.next()?, parts.next()?);
    Some(name(part, &plain(vendor), &plain(product), parts.next().map(plain).as_deref()))
}

/// A value of a URI without its percent signs.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('%') {
        out.push_str(before);
        match behind.get(..2).and_then(|h| u8::from_str_radix(h, 16).ok()).filter(u8::is_ascii) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                out.push('%');
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_all_their_parts() {
        assert_eq!(
            name('a', "apache", "http_server", Some("2.4.6")),
            "cpe:2.3:a:apache:http_server:2.4.6:*:*:*:*:*:*:*"
        );
        assert_eq!(name('o', "Example Inc", "ex", None), "cpe:2.3:o:example_inc:ex:*:*:*:*:*:*:*:*");
        assert_eq!(name('a', "x", "c++", Some("1.0(2)b")), "cpe:2.3:a:x:c\\+\\+:1.0\\(2\\)b:*:*:*:*:*:*:*");
    }

    #[test]
    fn versions_are_those_of_the_maker() {
        for (vendor, product, version, want) in [
            ("samba", "samba", "4.17.12-debian", "4.17.12:*"),
            ("oracle", "mysql", "5.5.35-0ubuntu0.12.04.2", "5.5.35:*"),
            ("digium", "asterisk", "16.28.0~dfsg-0+deb11u3", "16.28.0:*"),
            ("linux", "linux_kernel", "2.6.32-431.el6.x86_64", "2.6.32:*"),
            ("openbsd", "openssh", "7.4p1", "7.4:p1"),
            ("openbsd", "openssh", "9.6", "9.6:*"),
            ("ntp", "ntp", "4.2.8p10", "4.2.8:p10"),
            ("isc", "bind", "9.11.4-P2-RedHat-9.11.4-26.P2.el7", "9.11.4:p2"),
            ("boa", "boa", "0.94.14rc21", "0.94.14:rc21"),
            ("openssl", "openssl", "1.0.2k-fips", "1.0.2k:*"),
            ("eclipse", "jetty", "9.4.43.v20210629", "9.4.43:20210629"),
            ("proftpd", "proftpd", "1.3.3a", "1.3.3:a"),
            ("cisco", "ios", "15.2(7)E3", "15.2\\(7\\)e3:*"),
            ("x", "y", "V5R2", "v5r2:*"),
            ("x", "y", "-", "*:*"),
        ] {
            let got = name('a', vendor, product, Some(version));
            assert_eq!(got, format!("cpe:2.3:a:{vendor}:{product}:{want}:*:*:*:*:*:*"));
        }
    }

    #[test]
    fn windows_has_a_name_where_its_build_has_one() {
        for (version, want) in [
            ("5.1.2600", Some("windows_xp:*:*")),
            ("10.0.19045", Some("windows_10_22h2:10.0.19045:*")),
            ("10.0.20348.587", Some("windows_server_2022:10.0.20348.587:*")),
            ("6.1.7601", None),
            ("10.0.17763", None),
            ("10.0.19041", None),
            ("10", None),
        ] {
            let want = want.map(|w| format!("cpe:2.3:o:microsoft:{w}:*:*:*:*:*:*"));
            assert_eq!(windows(version), want, "{version}");
        }
    }

    #[test]
    fn uris_become_formatted_strings() {
        assert_eq!(from_uri("cpe:/a:ex:p:1.0").as_deref(), Some("cpe:2.3:a:ex:p:1.0:*:*:*:*:*:*:*"));
        assert_eq!(from_uri("cpe:/o:ex:p:-").as_deref(), Some("cpe:2.3:o:ex:p:*:*:*:*:*:*:*:*"));
        assert_eq!(from_uri("cpe:/a:ex:a%2fb").as_deref(), Some("cpe:2.3:a:ex:a\\/b:*:*:*:*:*:*:*:*"));
        for wrong in ["cpe:/x:a:b", "cpe:/a:b", "http://x", "cpe:/a:b:%", &"cpe:/a:b:c".repeat(60)] {
            assert!(from_uri(wrong).is_none() || wrong.ends_with('%'), "{wrong}");
        }
    }
}
