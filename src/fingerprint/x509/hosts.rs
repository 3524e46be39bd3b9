//! Whether a certificate is for the name that a client asked for (RFC 9525, RFC 6125).

use super::CertificateFacts;
use crate::base::Addr;

/// Whether a certificate is for a host: a name, or an address as text. `None` where that cannot be told:
/// names of the certificate were left out, or there is nothing to compare.
///
/// Where it has no host names at all, its common names count, as they did before RFC 9525.
pub fn covers(facts: &CertificateFacts, asked: &str) -> Option<bool> {
    let asked = asked.strip_suffix('.').unwrap_or(asked);
    if asked.is_empty() || facts.malformed || facts.limited {
        return None;
    }
    let address = asked.trim_start_matches('[').trim_end_matches(']').parse::<Addr>().ok();
    if let Some(address) = address {
        return Some(facts.names.addresses.contains(&address) || facts.common_names.iter().any(|name| name == asked));
    }
    let names = &facts.names.hosts;
    if names.is_empty() {
        return Some(facts.common_names.iter().any(|name| fits(&name.to_ascii_lowercase(), asked)));
    }
    Some(names.iter().any(|name| fits(name, asked)))
}

/// Whether a host has a name, in which the first label may be `*` or have one `*` in it. The star stands
/// for a part of one label (RFC 6125, section 6.4.3; RFC 9525, section 6.3, only knows a whole label), and
/// two labels at least follow it. The name is in lower case.
pub fn fits(name: &str, host: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some((first, rest)), Some((label, tail))) = (name.split_once('.'), host.split_once('.')) else {
        return false;
    };
    let Some((before, after)) = first.split_once('*') else { return false };
    let whole = before.is_empty() && after.is_empty();
    rest.contains('.')
        && rest.eq_ignore_ascii_case(tail)
        && !label.is_empty()
        // A star within a label of an internationalized name would stand for other letters than it seems.
        && (whole || !label.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("xn--")))
        && label.len() >= before.len() + after.len()
        && label.get(..before.len()).is_some_and(|p| p.eq_ignore_ascii_case(before))
        && label.len().checked_sub(after.len()).and_then(|at| label.get(at..)).is_some_and(|p| p.eq_ignore_ascii_case(after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::x509::AltNames;

    #[test]
    fn stars_stand_for_one_label() {
        for (name, host) in [
            ("a.example.com", "A.Example.com"),
            ("*.example.com", "a.example.com"),
            ("f*.example.com", "foo.example.com"),
            ("*z.example.com", "baz.example.com"),
            ("b*z.example.com", "buzz.example.com"),
            ("*.example.com.", "xn--a.example.com"),
            ("localhost", "localhost"),
        ] {
            assert!(fits(name, host), "{name} {host}");
        }
        for (name, host) in [
            ("*.example.com", "example.com"),
            ("*.example.com", "a.b.example.com"),
            ("*.example.com", ".example.com"),
            ("a.*.com", "a.example.com"),
            ("*.com", "example.com"),
            ("*", "localhost"),
            ("xn--*.example.com", "xn--b.example.com"),
            ("ab*ba.example.com", "aba.example.com"),
            ("a.example.com", "b.example.com"),
            ("", "a"),
        ] {
            assert!(!fits(name, host), "{name} {host}");
        }
    }

    #[test]
    fn the_common_name_counts_where_there_are_no_others() {
        let facts = |hosts: &[&str]| CertificateFacts {
            common_names: vec!["Printer.example.com".into(), "*.b.example.com".into()],
            names: AltNames {
                hosts: hosts.iter().map(|h| (*h).to_owned()).collect(),
                addresses: vec![Addr::v4([10, 0, 0, 9])],
                ..AltNames::default()
            },
            ..CertificateFacts::default()
        };
        assert_eq!(covers(&facts(&[]), "printer.example.com"), Some(true));
        assert_eq!(covers(&facts(&[]), "a.b.example.com"), Some(true));
        assert_eq!(covers(&facts(&["b.example.com"]), "printer.example.com"), Some(false));
        assert_eq!(covers(&facts(&["b.example.com"]), "b.example.com."), Some(true));
        assert_eq!(covers(&facts(&["b.example.com"]), "10.0.0.9"), Some(true));
        assert_eq!(covers(&facts(&["b.example.com"]), "10.0.0.8"), Some(false));
        assert_eq!(covers(&facts(&[]), ""), None);
        assert_eq!(covers(&CertificateFacts { limited: true, ..facts(&[]) }, "x"), None);
        assert_eq!(covers(&CertificateFacts::default(), "x"), Some(false));
    }
}
