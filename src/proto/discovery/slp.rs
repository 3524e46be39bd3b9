//! Service Location Protocol, version 2 (RFC 2608) and version 1 (RFC 2165): printers, scanners and
//! storage tell with it what they offer, and what they are.

use super::slp_event::{Body, Event};
use crate::base::{ReadError, Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};

/// Bytes of the fixed header of version 1 (RFC 2165, section 4).
const HEADER_V1: usize = 12;
/// Bytes of the fixed header of version 2 up to the language (RFC 2608, section 8).
const HEADER_V2: usize = 14;

/// A header: version, function, length of the message, and where the body begins.
#[derive(Debug, Clone, Copy)]
struct Header<'e> {
    version: u8,
    function: u8,
    len: usize,
    xid: u16,
    language: &'e [u8],
    /// Whether authentication blocks follow URLs (version 1 says so in a flag).
    authenticated: bool,
    body_at: usize,
}

impl<'e> Header<'e> {
    fn parse(bytes: &'e [u8]) -> Result<Self, ReadError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if !matches!(version, 1 | 2) {
            return Err(ReadError::invalid("version"));
        }
        let function = r.u8("function")?;
        if !matches!((version, function), (1, 1..=10) | (2, 1..=11)) {
            return Err(ReadError::invalid("version, function"));
        }
        if version == 1 {
            let len = usize::from(r.be16("length")?);
            let [flags, dialect]: [u8; 2] = r.array("flags, dialect")?;
            let language = r.take("language", 2)?;
            let encoding = r.be16("encoding")?;
            let xid = r.be16("xid")?;
            // Character encodings by their MIBenum: ASCII, Latin-1, UTF-8, UTF-16 (RFC 2165, section 20.5).
            let known = matches!(encoding, 3 | 4 | 106 | 1000 | 1013..=1015);
            if flags & 7 != 0 || dialect != 0 || !known || !is_language(language) || len < HEADER_V1 {
                return Err(ReadError::invalid("header"));
            }
            let authenticated = flags & 0x10 != 0;
            return Ok(Self { version, function, len, xid, language, authenticated, body_at: r.position() });
        }
        let len = r.be24("length")? as usize;
        let flags = r.be16("flags")?;
        r.skip("next extension", 3)?;
        let xid = r.be16("xid")?;
        let language_len = usize::from(r.be16("language length")?);
        if flags & 0x1fff != 0 || !(1..=32).contains(&language_len) || len < HEADER_V2 + language_len {
            return Err(ReadError::invalid("header"));
        }
        let language = r.take("language", language_len)?;
        if !is_language(language) {
            return Err(ReadError::invalid("language"));
        }
        Ok(Self { version, function, len, xid, language, authenticated: false, body_at: r.position() })
    }
}

/// Whether bytes are a language tag (RFC 1766): `en`, `en-us`.
fn is_language(bytes: &[u8]) -> bool {
    matches!(bytes, [a, b, ..] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic())
        && bytes.iter().all(|c| c.is_ascii_alphanumeric() || *c == b'-')
}

/// A text with its length in two bytes before it.
fn text<'e>(r: &mut Reader<'e>, field: &'static str) -> Result<&'e [u8], ReadError> {
    r.vec16(field).map(|t| t.peek_rest())
}

/// Passes over the authentication blocks behind a URL or list (RFC 2608, section 9.2).
fn skip_authentication(r: &mut Reader<'_>) -> Result<(), ReadError> {
    for _ in 0..r.u8("authentication blocks")? {
        r.skip("block structure descriptor", 2)?;
        let len = usize::from(r.be16("block length")?);
        r.skip("block", len.saturating_sub(4))?;
    }
    Ok(())
}

/// A URL entry (RFC 2608, section 4.3; RFC 2165, section 5.1).
fn url<'e>(r: &mut Reader<'e>, header: &Header<'_>) -> Result<&'e [u8], ReadError> {
    if header.version == 2 {
        r.skip("reserved", 1)?;
    }
    r.skip("lifetime", 2)?;
    let url = text(r, "url")?;
    if header.version == 2 {
        skip_authentication(r)?;
    } else if header.authenticated {
        r.skip("timestamp", 8)?;
        let len = usize::from(r.be16("authenticator length")?);
        r.skip("authenticator", len)?;
    }
    Ok(url)
}

/// Reads the body. What is cut is left out, so that a message says what it says up to there.
fn body<'e>(
    header: &Header<'_>,
    r: &mut Reader<'e>,
    urls: &mut Vec<&'e [u8]>,
    out: &mut Body<'e>,
) -> Result<(), ReadError> {
    let v2 = header.version == 2;
    match (header.function, v2) {
        (1, true) => {
            out.responders = text(r, "previous responders")?;
            out.service_type = text(r, "service type")?;
            out.scopes = text(r, "scopes")?;
            out.predicate = text(r, "predicate")?;
        }
        // Version 1 has one text: type, scope and predicate with slashes between them.
        (1, false) => {
            out.responders = text(r, "previous responders")?;
            let request = text(r, "request")?;
            let mut parts = request.splitn(3, |c| *c == b'/');
            out.service_type = parts.next().unwrap_or_default();
            out.scopes = parts.next().unwrap_or_default();
            out.predicate = parts.next().unwrap_or_default();
        }
        (2, _) => {
            out.error = Some(r.be16("error")?);
            let count = usize::from(r.be16("url count")?);
            for _ in 0..count {
                let url = url(r, header)?;
                if urls.len() >= limits::LIST_ITEMS_MAX {
                    out.cut = true;
                    break;
                }
                urls.push(url);
            }
        }
        (3, _) => {
            urls.push(url(r, header)?);
            if v2 {
                out.service_type = text(r, "service type")?;
                out.scopes = text(r, "scopes")?;
            }
            out.attributes = text(r, "attributes")?;
        }
        (4, true) => {
            out.scopes = text(r, "scopes")?;
            urls.push(url(r, header)?);
        }
        (4, false) => urls.push(text(r, "url")?),
        (5, _) => out.error = Some(r.be16("error")?),
        (6, _) => {
            out.responders = text(r, "previous responders")?;
            urls.push(text(r, "url")?);
            out.scopes = text(r, "scopes")?;
            out.predicate = text(r, "tags")?;
        }
        (7, _) => {
            out.error = Some(r.be16("error")?);
            out.attributes = text(r, "attributes")?;
        }
        (8, _) => {
            out.error = Some(r.be16("error")?);
            if v2 {
                r.skip("boot time", 4)?;
            }
            urls.push(text(r, "url")?);
            out.scopes = text(r, "scopes")?;
            if v2 {
                out.attributes = text(r, "attributes")?;
            }
        }
        (9, _) => {
            out.responders = text(r, "previous responders")?;
            // All naming authorities: a length that is none.
            if r.peek_rest().starts_with(&[0xff, 0xff]) {
                r.skip("naming authority", 2)?;
            } else {
                let _ = text(r, "naming authority")?;
            }
            out.scopes = text(r, "scopes")?;
        }
        (10, true) => {
            out.error = Some(r.be16("error")?);
            out.service_type = text(r, "service types")?;
        }
        (10, false) => {
            out.error = Some(r.be16("error")?);
            let count = usize::from(r.be16("type count")?).min(limits::LIST_ITEMS_MAX);
            for _ in 0..count {
                urls.push(text(r, "service type")?);
            }
        }
        (11, true) => {
            urls.push(text(r, "url")?);
            out.scopes = text(r, "scopes")?;
            out.attributes = text(r, "attributes")?;
        }
        _ => {}
    }
    Ok(())
}

/// Reads messages; keeps nothing between them.
#[derive(Debug, Default)]
pub struct Slp {
    understood: bool,
}

impl Slp {
    fn message(cx: Cx<'_>, dir: Direction, header: &Header<'_>, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        let mut r = Reader::new(bytes.get(header.body_at..).unwrap_or_default());
        let mut urls = Vec::new();
        let mut read = Body::default();
        let cut = body(header, &mut r, &mut urls, &mut read).is_err();
        if read.cut {
            cx.limit_hit();
        }
        emit(Event {
            dir,
            version: header.version,
            function: header.function,
            xid: header.xid,
            language: header.language,
            urls: &urls,
            body: read,
            is_cut: cut,
        });
    }
}

impl AppParser for Slp {
    const SPEC: Spec = Spec {
        name: "slp",
        title: "Service Location Protocol",
        transports: &[Transport::Udp, Transport::Tcp],
        ports: &[427],
        reference: "RFC 2608, RFC 2165",
        table: Some(&super::slp_event::TABLE),
        yields: "services asked for and offered, their URLs and attributes",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match Header::parse(payload) {
            Ok(_) => Probe::Yes,
            Err(e) if e.is_short() => Probe::NeedMore,
            Err(_) => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        if cx.flow.transport == Transport::Udp {
            match Header::parse(bytes) {
                Ok(header) => {
                    self.understood = true;
                    Self::message(cx, dir, &header, bytes, emit);
                }
                Err(_) if !self.understood => return Progress::Violation("not an SLP message"),
                Err(_) => {}
            }
            return Progress::Done;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let consumed = bytes.len() - rest.len();
            let header = match Header::parse(rest) {
                Ok(header) => header,
                Err(e) if e.is_short() => return Progress::Partial { consumed, needed: rest.len() + 1 },
                Err(_) => return Progress::Violation("not an SLP message"),
            };
            if header.len > limits::SLP_MESSAGE_BYTES_MAX {
                cx.limit_hit();
                let skip = header.len - rest.len().min(header.len);
                if skip > 0 {
                    return Progress::Skip(skip as u64);
                }
                rest = rest.get(header.len..).unwrap_or_default();
                continue;
            }
            let Some((message, next)) = rest.split_at_checked(header.len) else {
                return Progress::Partial { consumed, needed: header.len };
            };
            Self::message(cx, dir, &header, message, emit);
            rest = next;
        }
        Progress::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    fn v2(function: u8, body: &[u8]) -> Vec<u8> {
        let len = 16 + body.len() as u32;
        let mut m = vec![2, function];
        m.extend(&len.to_be_bytes()[1..]);
        m.extend([0x20, 0, 0, 0, 0, 0x12, 0x34, 0, 2, b'e', b'n']);
        m.extend(body);
        m
    }

    #[test]
    fn a_request_and_its_reply() {
        let request = v2(1, b"\0\0\0\x0fservice:printer\0\x07DEFAULT\0\x09(color=1)\0\0");
        let reply = v2(2, b"\0\0\0\x01\0\0\xff\0\x1cservice:printer:lpr://10.0.0\0");
        assert_eq!(probe_all::<Slp>(Direction::Orig, &request), Probe::Yes);
        assert_eq!(probe_all::<Slp>(Direction::Resp, &reply), Probe::Yes);
        let seen = Script::new().orig(&request).resp(&reply).datagrams::<Slp>();
        assert_eq!(seen.cells("message"), ["SrvRqst", "SrvRply"]);
        assert_eq!(seen.cells("service_type"), ["service:printer", "-"]);
        assert_eq!(seen.cells("scopes"), ["DEFAULT", "-"]);
        assert_eq!(seen.cells("predicate"), ["(color=1)", "-"]);
        assert_eq!(seen.cells("urls"), ["-", "[service:printer:lpr://10.0.0]"]);
        assert_eq!(seen.cells("error"), ["-", "OK"]);
        assert_eq!(seen.cells("xid"), ["4660", "4660"]);
        let stream = Script::new().orig(&request).resp(&reply).any_chunking::<Slp>();
        assert_eq!(stream.rows, seen.rows);
    }

    #[test]
    fn version_1_as_printers_ask_and_answer() {
        let request = b"\x01\x01\x00\x2d\x00\x00en\x00\x03\x00\x07\x00\x00\x00\x1dservice:printer/main/(x=1)/  ";
        let seen = Script::new().orig(request).datagrams::<Slp>();
        assert_eq!((seen.cell("version"), seen.cell("service_type")), ("1".into(), "service:printer".into()));
        assert_eq!((seen.cell("scopes"), seen.cell("language")), ("main".into(), "en".into()));
        let types = b"\x01\x0a\x00\x26\x00\x00en\x00\x6a\x00\x07\x00\x00\x00\x02\x00\x0bservice:lpr\x00\x03ftp";
        let seen = Script::new().resp(types).datagrams::<Slp>();
        assert_eq!(seen.cell("urls"), "[service:lpr,ftp]");
    }

    #[test]
    fn attributes_say_what_the_device_is() {
        let attributes = b"(printer-make-and-model=Example LaserStation 9),(printer-location=2nd floor\\2c west),(x-hp-mac=001ba9010203)";
        let mut body = vec![0, 0, 0, attributes.len() as u8];
        body.extend(attributes);
        body.push(0);
        let facts = crate::proto::testing::facts_of::<Slp>(Direction::Resp, &v2(7, &body));
        assert_eq!(facts, ["model=Example LaserStation 9", "location=2nd floor, west", "mac=001ba9010203"]);
    }

    #[test]
    fn hostile_lengths_end_where_the_bytes_do() {
        let whole = v2(3, b"\0\xff\xff\0\x10service:x://host\0\0\x09service:x\0\x01a\0\x05(a=b)\0");
        for end in 0..whole.len() {
            let seen = Script::new().orig(&whole[..end]).datagrams::<Slp>();
            assert!(seen.rows.len() <= 1);
        }
        let many = v2(2, b"\0\0\xff\xff\0\0\0\xff\xff");
        assert_eq!(Script::new().resp(many).datagrams::<Slp>().cells("urls"), ["-"]);
        let mut long = v2(2, b"");
        long[2] = 0xff;
        assert_eq!(Script::new().orig(long).orig([0; 100]).run::<Slp>().rows.len(), 0);
    }

    #[test]
    fn strangers_are_told() {
        for other in [
            &b"\x02\x01\x00\x00\x10\x00\x01\x00\x00\x00\x00\x00\x00\x02en"[..],
            b"\x02\x0c\x00",
            b"\x01\x01\x00\x20\x00\x00..\x00\x03\x00\x00",
            b"\x03",
        ] {
            assert_eq!(Slp::probe(Direction::Orig, other), Probe::No, "{other:?}");
        }
    }
}
