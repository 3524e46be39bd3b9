//! Names of products in the form of CPE 2.3 (NIST IR 7695).

/// Parts of a formatted string behind the version that nothing is known of.
const REST: &str = ":*:*:*:*:*:*:*";
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

/// The name of a product: part (`a` application, `o` system, `h` hardware), vendor and product as CPE has them, and a
/// version, where one is known.
pub fn name(part: char, vendor: &str, product: &str, version: Option<&str>) -> String {
    let mut out = format!("cpe:2.3:{part}:");
    value(&mut out, vendor);
    out.push(':');
    value(&mut out, product);
    out.push(':');
    match version.filter(|v| !v.is_empty() && *v != "-" && *v != "*") {
        Some(version) => value(&mut out, version),
        None => out.push('*'),
    }
    out.push_str(REST);
    out
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
        assert_eq!(name('a', "x", "c++", Some("1+b")), "cpe:2.3:a:x:c\\+\\+:1\\+b:*:*:*:*:*:*:*");
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
