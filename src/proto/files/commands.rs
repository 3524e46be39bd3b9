//! Secrets in the command lines that network equipment keeps as its configuration (Cisco IOS and what
//! resembles it): `username admin password 7 ...`, `enable secret ...`, `snmp-server community ...`.

use crate::base::secret::SecretBuf;
use crate::proto::api::SecretKind;
use crate::proto::text;
use crate::proto::web::http_login::Found;

/// Words of one line that are looked at.
const WORDS_MAX: usize = 16;

/// The account in a line of a configuration, where it is one of the known commands.
pub fn login(line: &[u8]) -> Option<Found> {
    let mut words = [&[][..]; WORDS_MAX];
    let mut count = 0;
    for word in line.split(|c| matches!(c, b' ' | b'\t')).filter(|w| !w.is_empty()) {
        *words.get_mut(count)? = word;
        count += 1;
    }
    let words = words.get(..count)?;
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    match word(0) {
        b"username" | b"user" => {
            let at = words.iter().position(|w| matches!(*w, b"password" | b"secret"))?;
            (at >= 2).then(|| stored(words.get(at + 1..)?, Some(word(1)))).flatten()
        }
        b"enable" if matches!(word(1), b"password" | b"secret") => {
            let from = if word(2) == b"level" { 4 } else { 2 };
            stored(words.get(from..)?, Some(b"enable"))
        }
        // Below `line vty 0 4`.
        b"password" if matches!(word(1), b"0" | b"7") => stored(words.get(1..)?, None),
        b"snmp-server" if word(1) == b"community" => {
            let name = word(2).trim_ascii();
            (!name.is_empty()).then(|| Found {
                user: None,
                secret: Some(SecretBuf::new(name)),
                kind: SecretKind::Community,
                ..Found::of("provisioning")
            })
        }
        b"tacacs-server" | b"radius-server" => {
            let at = words.iter().position(|w| *w == b"key")?;
            stored(words.get(at + 1..)?, None)
        }
        b"ip" if matches!(word(1), b"ftp") && word(2) == b"password" => stored(words.get(3..)?, None),
        b"wpa-psk" if matches!(word(1), b"ascii" | b"hex") => stored(words.get(2..)?, None),
        b"crypto" if word(1) == b"isakmp" && word(2) == b"key" => stored(words.get(3..)?, None),
        _ => None,
    }
}

/// `[TYPE] VALUE`: what the secret is, by the type before it.
fn stored(words: &[&[u8]], user: Option<&[u8]>) -> Option<Found> {
    let first = words.first().copied().filter(|w| !w.is_empty())?;
    let found = |secret: &[u8], kind| Found {
        user: user.map(<[u8]>::to_vec),
        secret: Some(SecretBuf::new(secret)),
        kind,
        ..Found::of("provisioning")
    };
    let typed = words.get(1).copied().filter(|_| first.len() == 1);
    match (first, typed) {
        (b"0" | b"6", Some(value)) => Some(found(value, SecretKind::Password)),
        (b"7", Some(value)) => match reveal(value) {
            Some(clear) => Some(found(&clear, SecretKind::Password)),
            None => Some(found(value, SecretKind::Password)),
        },
        // MD5, PBKDF2, scrypt: the password itself is not there, a guess at it can be tested.
        (b"4" | b"5" | b"8" | b"9", Some(value)) => Some(found(value, SecretKind::ChallengeResponse)),
        _ if first.starts_with(b"$") => Some(found(first, SecretKind::ChallengeResponse)),
        _ => Some(found(first, SecretKind::Password)),
    }
}

/// Undoes Cisco's type 7, which hides passwords from a glance only: two digits say where in a fixed key
/// to begin, and pairs of hexadecimal digits follow.
fn reveal(hidden: &[u8]) -> Option<Vec<u8>> {
    const KEY: &[u8] = b"dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87";
    let (start, rest) = hidden.split_at_checked(2)?;
    let start = usize::try_from(text::decimal(start)?).ok()?;
    let (pairs, odd) = rest.as_chunks::<2>();
    if pairs.is_empty() || !odd.is_empty() {
        return None;
    }
    let key = KEY.iter().cycle().skip(start % KEY.len());
    pairs.iter().zip(key).map(|(pair, key)| Some(u8::try_from(text::hexadecimal(pair)?).ok()? ^ key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        login(line.as_bytes()).map_or_else(String::new, |f| {
            let user = f.user.map_or("-".to_owned(), |u| String::from_utf8(u).unwrap());
            format!("{user} {} {}", String::from_utf8_lossy(f.secret.unwrap().borrow().expose()), f.kind.name())
        })
    }

    #[test]
    fn type_7_is_undone() {
        // The example that is printed everywhere: "cisco".
        assert_eq!(reveal(b"0822455D0A16").unwrap(), b"cisco");
        assert_eq!(reveal(b"02050D480809").unwrap(), b"cisco");
        assert_eq!(reveal(b"08224"), None);
        assert_eq!(reveal(b"xx2245"), None);
        assert_eq!(reveal(b"08"), None);
    }

    #[test]
    fn lines_of_configurations() {
        assert_eq!(shown("username bob privilege 15 password 7 0822455D0A16"), "bob cisco password");
        assert_eq!(shown("username bob secret 5 $1$abcd$efgh"), "bob $1$abcd$efgh challenge-response");
        assert_eq!(shown("username bob password 0 open sesame"), "bob open password");
        assert_eq!(shown("enable secret 9 $9$x"), "enable $9$x challenge-response");
        assert_eq!(shown("enable password letmein"), "enable letmein password");
        assert_eq!(shown("password 7 0822455D0A16"), "- cisco password");
        assert_eq!(shown("snmp-server community wombat RO"), "- wombat community");
        assert_eq!(shown("tacacs-server host 192.0.2.1 key 7 0822455D0A16"), "- cisco password");
        assert_eq!(shown("wpa-psk ascii 0 wireless"), "- wireless password");
        for line in [
            "username bob",
            "enable",
            "password is wrong",
            "hostname x",
            "",
            "user = a",
            "a b c d e f g h i j k l m n o p q",
        ] {
            assert_eq!(shown(line), "", "{line}");
        }
    }
}
