//! Where FTP's data connections go, as commands and replies tell (RFC 959, RFC 2428).

use crate::base::{Addr, Endpoint};
use crate::proto::text;

/// The address and port in `h1,h2,h3,h4,p1,p2`, wherever it stands in a text (RFC 1123, section
/// 4.1.2.6: the parentheses are not to be relied on).
pub fn six_numbers(text: &[u8]) -> Option<Endpoint> {
    let is_number = |c: &u8| c.is_ascii_digit() || *c == b',';
    let place = text.split(|c| !is_number(c)).find(|part| part.iter().filter(|c| **c == b',').count() == 5)?;
    let mut numbers = place.split(|c| *c == b',').map(|n| text::decimal(n).and_then(|n| u8::try_from(n).ok()));
    let mut next = || numbers.next().flatten();
    let ip = Addr::v4([next()?, next()?, next()?, next()?]);
    let port = u16::from_be_bytes([next()?, next()?]);
    (port != 0).then_some(Endpoint { ip, port })
}

/// The endpoint in `|protocol|address|port|` with any delimiter; where the address is left out, it
/// is `default`.
pub fn extended(text: &[u8], default: Addr) -> Option<Endpoint> {
    let (delimiter, rest) = text.split_first()?;
    let mut parts = rest.split(|c| c == delimiter);
    let (_, address, port) = (parts.next()?, parts.next()?, parts.next()?);
    let ip = if address.is_empty() { default } else { std::str::from_utf8(address).ok()?.parse().ok()? };
    let port = text::decimal(port).and_then(|n| u16::try_from(n).ok())?;
    (port != 0 && !ip.is_unspecified()).then_some(Endpoint { ip, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_in_both_forms() {
        assert_eq!(six_numbers(b"10,0,0,1,4,1").unwrap(), Endpoint { ip: Addr::v4([10, 0, 0, 1]), port: 1025 });
        assert_eq!(six_numbers(b"Entering =10,0,0,1,4,1 now").unwrap().port, 1025);
        assert_eq!(six_numbers(b"10,0,0,256,4,1"), None);
        assert_eq!(six_numbers(b"1,2,3,4,5,6,7"), None);
        assert_eq!(extended(b"|2|2001:db8::1|5282|", Addr::UNSPECIFIED).unwrap().ip.to_string(), "2001:db8::1");
        assert_eq!(extended(b"|||6446|)", Addr::v4([1, 2, 3, 4])).unwrap().port, 6446);
        assert_eq!(extended(b"|1||5282|", Addr::UNSPECIFIED), None);
    }
}
