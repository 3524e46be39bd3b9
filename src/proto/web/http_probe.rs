//! Telling HTTP/1 from other protocols by the first bytes of either side.

use crate::proto::api::Probe;

/// Whether the first bytes of a direction are a request or a response of HTTP/1.
pub fn probe(payload: &[u8]) -> Probe {
    let payload = payload.trim_ascii_start();
    if let Some(rest) = payload.strip_prefix(b"HTTP/1.") {
        return match rest {
            [b'0'..=b'9', b' ', a, b, c, ..] if [a, b, c].iter().all(|d| d.is_ascii_digit()) => Probe::Yes,
            [] | [b'0'..=b'9'] | [b'0'..=b'9', b' '] | [b'0'..=b'9', b' ', b'0'..=b'9'] => Probe::NeedMore,
            [b'0'..=b'9', b' ', b'0'..=b'9', b'0'..=b'9'] => Probe::NeedMore,
            _ => Probe::No,
        };
    }
    if payload.len() < 7 && b"HTTP/1.".starts_with(payload) {
        return Probe::NeedMore;
    }
    let (method, target) = match memchr::memchr(b' ', payload.get(..33).unwrap_or(payload)) {
        Some(at) => payload.split_at(at),
        None if payload.len() < 33 && payload.iter().all(is_method_byte) => return Probe::NeedMore,
        None => return Probe::No,
    };
    if method.is_empty() || !method.iter().all(is_method_byte) {
        return Probe::No;
    }
    let known = matches!(
        method,
        b"GET"
            | b"POST"
            | b"HEAD"
            | b"PUT"
            | b"DELETE"
            | b"OPTIONS"
            | b"TRACE"
            | b"PATCH"
            | b"CONNECT"
            | b"PROPFIND"
            | b"PROPPATCH"
            | b"MKCOL"
            | b"COPY"
            | b"MOVE"
            | b"LOCK"
            | b"UNLOCK"
            | b"SEARCH"
            | b"REPORT"
            | b"SUBSCRIBE"
            | b"UNSUBSCRIBE"
            | b"NOTIFY"
            | b"M-SEARCH"
            | b"SOURCE"
            | b"RPC_IN_DATA"
            | b"RPC_OUT_DATA"
    );
    let target = target.trim_ascii_start();
    match memchr::memchr(b'\n', target) {
        // The version token tells: SIP and RTSP have their own.
        Some(end) => {
            let line = target.get(..end).unwrap_or_default().trim_ascii_end();
            let version = line.rsplit(|c| *c == b' ').next().unwrap_or_default();
            let is_http = version.len() == 8 && version.starts_with(b"HTTP/1.");
            if is_http { Probe::Yes } else { Probe::No }
        }
        None if target.iter().any(|c| matches!(c, 0..=8 | 14..=31)) => Probe::No,
        // A long address: what follows it will not be seen in time.
        None if known && target.len() > 1024 && matches!(target.first(), Some(b'/')) => Probe::Yes,
        None if target.len() > 3000 => Probe::No,
        None => Probe::NeedMore,
    }
}

const fn is_method_byte(c: &u8) -> bool {
    matches!(c, b'A'..=b'Z' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::api::Direction;
    use crate::proto::testing::probe_all;
    use crate::proto::web::http::Http;

    #[test]
    fn probes() {
        for (bytes, want) in [
            ("GET / HTTP/1.1\r\n", Probe::Yes),
            ("HTTP/1.0 200 OK\r\n", Probe::Yes),
            ("FOO-BAR /x HTTP/1.0\r\n", Probe::Yes),
            ("GET /a b c HTTP/1.1\r\n", Probe::Yes),
            ("OPTIONS sip:a SIP/2.0\r\n", Probe::No),
            ("OPTIONS * RTSP/1.0\r\n", Probe::No),
            ("PRI * HTTP/2.0\r\n", Probe::No),
            ("ICAP/1.0 200 OK\r\n", Probe::No),
            ("GET /index\r\n", Probe::No),
            ("SSH-2.0-x\r\n", Probe::No),
            ("HTTP/1.1 abc", Probe::No),
            ("220 ftp\r\n", Probe::No),
            ("GET ", Probe::NeedMore),
        ] {
            assert_eq!(probe_all::<Http>(Direction::Orig, bytes.as_bytes()), want, "{bytes:?}");
        }
        let long = format!("GET /{}", "a".repeat(3000));
        assert_eq!(probe_all::<Http>(Direction::Orig, long.as_bytes()), Probe::Yes);
    }
}
