//! TFTP (RFC 1350) with its options (RFC 2347 to 2349, RFC 7440).
//!
//! A request goes to port 69 and the answer comes from another port, so the transfer is a flow of its
//! own: the request announces it. Some servers answer from the same port; then both are one flow.

use super::ftp_data::tell_logins;
pub use super::tftp_event::{Entry, Event, Operation, TABLE};
use crate::base::bytes::Reader;
use crate::base::{Endpoint, Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::text;

/// Bytes of a block where no option says otherwise (RFC 1350, section 2).
const BLOCK_BYTES: u32 = 512;

/// A packet (RFC 1350, section 5).
enum Packet<'a> {
    Request { operation: Operation, file: &'a [u8], mode: &'a [u8], options: Options },
    Data { block: u16, bytes: &'a [u8] },
    Ack(u16),
    Error(u16, &'a [u8]),
    OptionAck(Options),
}

/// Options that are read.
#[derive(Debug, Clone, Copy, Default)]
struct Options {
    block_size: Option<u32>,
    file_size: Option<u64>,
}

/// Everything before the next zero.
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (text, behind) = text::split_once(rest, 0)?;
    *rest = behind;
    Some(text)
}

fn options(mut rest: &[u8]) -> Option<Options> {
    let mut out = Options::default();
    for _ in 0..limits::TFTP_OPTIONS_MAX {
        if rest.is_empty() {
            break;
        }
        let (name, value) = (string(&mut rest)?, string(&mut rest)?);
        let number = text::decimal(value);
        if name.eq_ignore_ascii_case(b"blksize") {
            // RFC 2348: 8 to 65464.
            out.block_size = number.and_then(|n| u32::try_from(n).ok()).filter(|n| (8..=65_464).contains(n));
        } else if name.eq_ignore_ascii_case(b"tsize") {
            out.file_size = number;
        }
    }
    Some(out)
}

impl<'a> Packet<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let opcode = r.be16("opcode").ok()?;
        Some(match opcode {
            1 | 2 => {
                let mut rest = r.rest();
                let (file, mode) = (string(&mut rest)?, string(&mut rest)?);
                let known = [&b"octet"[..], b"netascii", b"mail"].iter().any(|m| mode.eq_ignore_ascii_case(m));
                if !known || file.is_empty() || !text::is_text(file) {
                    return None;
                }
                // Options that are broken are none.
                let options = options(rest).unwrap_or_default();
                let operation = if opcode == 1 { Operation::Read } else { Operation::Write };
                Self::Request { operation, file, mode, options }
            }
            3 => Self::Data { block: r.be16("block").ok()?, bytes: r.rest() },
            4 => Self::Ack(r.be16("block").ok().filter(|_| r.is_empty())?),
            5 => {
                let code = r.be16("code").ok()?;
                let mut rest = r.rest();
                let text = string(&mut rest).unwrap_or(rest);
                if code > 8 || !text::is_text(text) {
                    return None;
                }
                Self::Error(code, text)
            }
            6 => Self::OptionAck(options(r.rest())?),
            _ => return None,
        })
    }
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Tftp {
    operation: Option<Operation>,
    file: Box<[u8]>,
    transfer: Option<Transfer>,
    /// Whether the flow is TFTP beyond doubt: announced, or block and acknowledgement were seen.
    is_sure: bool,
    /// The last block of the transfer before: it may come again.
    last: Option<(Direction, u16)>,
    ended: bool,
}

/// A transfer that goes on.
struct Transfer {
    at: (Timestamp, u64),
    options: Options,
    /// The side that sends the file, and its last block in order.
    sender: Option<(Direction, u16)>,
    bytes: u64,
    /// Whether the last block came.
    complete: bool,
    /// The file, as long as it looks like text that may be a configuration.
    body: Option<Vec<u8>>,
}

impl std::fmt::Debug for Transfer {
    /// Without the file.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transfer").field("bytes", &self.bytes).field("complete", &self.complete).finish_non_exhaustive()
    }
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// Whether a file may be a configuration: nothing but text, in whatever character set.
fn is_textual(bytes: &[u8]) -> bool {
    !bytes.is_empty() && text::is_text(bytes)
}

impl Tftp {
    fn request(&mut self, cx: Cx<'_>, dir: Direction, packet: (Operation, &[u8], &[u8], Options), emit: Emit<'_>) {
        let (operation, file, mode, options) = packet;
        self.finish(None, emit);
        self.operation = Some(operation);
        self.file = file.get(..limits::ANNOUNCED_WORDS_MAX - 1).unwrap_or(file).into();
        self.is_sure = true;
        let (ip, port) = match dir {
            Direction::Orig => (cx.flow.orig_ip, cx.flow.orig_port),
            Direction::Resp => (cx.flow.resp_ip, cx.flow.resp_port),
        };
        let sign = if operation == Operation::Read { b'r' } else { b'w' };
        let words = [&[sign][..], &self.file].concat();
        emit(Event::Entry(Entry {
            at: (cx.ts, cx.packet),
            is_request: true,
            operation: self.operation,
            file: Some(&self.file),
            mode: Some(mode),
            block_size: options.block_size,
            // Of a file that is to be read, the client puts a zero there (RFC 2349).
            file_size: options.file_size.filter(|_| operation == Operation::Write),
            bytes: 0,
            complete: false,
            error: None,
            client: Some(Endpoint { ip, port }),
            words: &words,
        }));
    }

    fn transfer(&mut self, cx: Cx<'_>) -> &mut Transfer {
        self.transfer.get_or_insert_with(|| Transfer {
            at: (cx.ts, cx.packet),
            options: Options::default(),
            sender: None,
            bytes: 0,
            complete: false,
            body: Some(Vec::new()),
        })
    }

    /// A block of the file.
    fn block(&mut self, cx: Cx<'_>, dir: Direction, block: u16, bytes: &[u8]) {
        if self.last == Some((dir, block)) {
            return;
        }
        let transfer = self.transfer(cx);
        let last = match transfer.sender {
            Some((side, last)) if side == dir => last,
            Some(_) => return,
            None => block.wrapping_sub(1),
        };
        let missed = block.wrapping_sub(last);
        if missed == 0 || missed > u16::MAX / 2 {
            return; // again
        }
        transfer.sender = Some((dir, block));
        transfer.bytes += bytes.len() as u64;
        if missed > 1 || transfer.bytes == bytes.len() as u64 && block != 1 || !is_textual(bytes) && !bytes.is_empty() {
            transfer.body = None;
        } else if let Some(body) = &mut transfer.body {
            let room = limits::SETTINGS_BYTES_MAX - body.len();
            if bytes.len() > room {
                cx.limit_hit();
            }
            body.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
        let size = transfer.options.block_size.unwrap_or(BLOCK_BYTES);
        transfer.complete = (bytes.len() as u64) < u64::from(size);
    }

    fn finish_if_complete(&mut self, emit: Emit<'_>) {
        if self.is_sure && self.transfer.as_ref().is_some_and(|t| t.complete) {
            self.finish(None, emit);
        }
    }

    /// Emits the transfer that goes on, with what was found in it.
    fn finish(&mut self, error: Option<(u16, &[u8])>, emit: Emit<'_>) {
        let Some(transfer) = self.transfer.take() else { return };
        self.last = transfer.sender;
        if !self.is_sure || transfer.sender.is_none() && error.is_none() {
            return;
        }
        let file = Some(&*self.file).filter(|f| !f.is_empty());
        emit(Event::Entry(Entry {
            at: transfer.at,
            is_request: false,
            operation: self.operation,
            file,
            mode: None,
            block_size: transfer.options.block_size,
            file_size: transfer.options.file_size,
            bytes: transfer.bytes,
            complete: transfer.complete,
            error,
            client: None,
            words: &[],
        }));
        if let Some(body) = transfer.body {
            tell_logins(&body, transfer.at, &mut |login| emit(Event::Login { file: &self.file, login }));
        }
    }
}

impl AppParser for Tftp {
    const SPEC: Spec = Spec {
        name: "tftp",
        title: "TFTP",
        transports: &[Transport::Udp],
        ports: &[69],
        reference: "RFC 1350, RFC 2347, RFC 2348, RFC 2349",
        table: Some(&TABLE),
        tentative: true,
        yields: "names of files and their direction, accounts in configuration files",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            [] | [0] => Probe::NeedMore,
            [0, 1..=6, ..] => match Packet::parse(payload) {
                Some(Packet::Request { .. }) => Probe::Yes,
                // The first block of a transfer whose request was not seen, or the answer to one that writes.
                Some(Packet::Data { block: 1, bytes }) if bytes.len() <= 512 && is_textual(bytes) => Probe::Yes,
                Some(Packet::Data { block: 1, bytes }) if bytes.len() == 512 => Probe::Yes,
                Some(Packet::Ack(0)) => Probe::Yes,
                Some(Packet::OptionAck(o)) if o.block_size.is_some() || o.file_size.is_some() => Probe::Yes,
                _ if payload.len() < 4 => Probe::NeedMore,
                _ => Probe::No,
            },
            _ => Probe::No,
        }
    }

    fn introduce(&mut self, words: &[u8]) {
        let Some((sign, file)) = words.split_first() else { return };
        self.operation = Some(if *sign == b'r' { Operation::Read } else { Operation::Write });
        self.file = file.into();
        self.is_sure = true;
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let Some(packet) = Packet::parse(bytes) else {
            return if self.is_sure { Progress::Done } else { Progress::Violation("not a TFTP packet") };
        };
        match packet {
            Packet::Request { operation, file, mode, options } => {
                self.request(cx, dir, (operation, file, mode, options), emit);
            }
            Packet::OptionAck(options) => self.transfer(cx).options = options,
            Packet::Data { block, bytes } => {
                self.block(cx, dir, block, bytes);
                self.finish_if_complete(emit);
            }
            Packet::Ack(block) => {
                if block == 0 {
                    self.transfer(cx);
                }
                let sender = self.transfer.as_ref().and_then(|t| t.sender);
                self.is_sure |= sender == Some((dir.other(), block));
                self.finish_if_complete(emit);
            }
            Packet::Error(code, text) => {
                self.transfer(cx);
                self.finish(Some((code, text)), emit);
            }
        }
        Progress::Done
    }

    fn heap(&self) -> usize {
        self.transfer.as_ref().and_then(|t| t.body.as_ref()).map_or(0, Vec::capacity)
    }

    fn on_end(&mut self, _cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if std::mem::replace(&mut self.ended, true) {
            self.finish(None, emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, Seen};

    fn data(block: u16, bytes: &[u8]) -> Vec<u8> {
        [&[0, 3][..], &block.to_be_bytes(), bytes].concat()
    }

    fn ack(block: u16) -> Vec<u8> {
        [&[0, 4][..], &block.to_be_bytes()].concat()
    }

    #[test]
    fn a_request_announces_its_answer() {
        let seen =
            Script::new().orig(b"\0\x01SEP0011.cnf.xml\0octet\0blksize\x001428\0tsize\x000\0").datagrams::<Tftp>();
        assert_eq!(seen.cell("event"), "request");
        assert_eq!(seen.cell("operation"), "read");
        assert_eq!(seen.cell("filename"), "SEP0011.cnf.xml");
        assert_eq!(seen.cell("block_size"), "1428");
        assert_eq!(seen.cell("file_size"), "-");
        assert!(seen.events[0].contains("port: 40000"), "{:?}", seen.events);
    }

    /// What comes of a flow that a request announced.
    fn answered(script: &[(bool, Vec<u8>)]) -> Seen {
        // The same flow tells as much: a request for it stands first.
        let start = Script::new().orig(b"\0\x01000b82aabbcc.cfg\0octet\0");
        let step = |s: Script, (orig, bytes): &(bool, Vec<u8>)| if *orig { s.orig(bytes) } else { s.resp(bytes) };
        script.iter().fold(start, step).datagrams::<Tftp>()
    }

    #[test]
    fn a_configuration_file_in_blocks() {
        let text = format!("{}account.1.user_name = 201\naccount.1.password = hunter2\n", "# filler\n".repeat(56));
        let (one, two) = text.as_bytes().split_at(512);
        let seen = answered(&[
            (false, data(1, one)),
            (true, ack(1)),
            (false, data(1, one)),
            (false, data(2, two)),
            (true, ack(2)),
            (false, data(2, two)),
        ]);
        assert_eq!(seen.cells("event"), ["request", "transfer"]);
        assert_eq!(seen.cells("file_bytes"), ["-".to_owned(), text.len().to_string()]);
        assert_eq!(seen.cells("complete"), ["-", "true"]);
        assert_eq!(seen.logins.len(), 1);
        assert!(seen.logins[0].contains("provisioning") && seen.logins[0].contains("packet: 2"), "{:?}", seen.logins);
        assert!(!format!("{seen:?}").contains("hunter2"));
    }

    #[test]
    fn options_errors_and_missing_blocks() {
        let seen = answered(&[
            (false, b"\0\x06blksize\x0016\0tsize\x0020\0".to_vec()),
            (true, ack(0)),
            (false, data(1, b"0123456789abcdef")),
            (false, data(3, b"xyz")),
            (true, ack(3)),
        ]);
        assert_eq!(seen.cells("block_size")[1], "16");
        assert_eq!(seen.cells("file_size")[1], "20");
        assert_eq!(seen.cells("file_bytes")[1], "19");
        let seen = answered(&[(false, b"\0\x05\0\x01File not found\0".to_vec())]);
        assert_eq!(seen.cells("error_code")[1], "1");
        assert_eq!(seen.cells("error")[1], "File not found");
    }

    #[test]
    fn a_transfer_without_its_request_needs_an_acknowledgement() {
        let seen = Script::new().orig(data(1, b"user=a")).resp(ack(1)).datagrams::<Tftp>();
        assert_eq!(seen.cells("event"), ["transfer"]);
        assert_eq!(seen.cells("filename"), ["-"]);
        assert!(Script::new().orig(data(1, b"user=a")).datagrams::<Tftp>().rows.is_empty());
        assert!(Script::new().orig(ack(0)).datagrams::<Tftp>().rows.is_empty());
    }

    #[test]
    fn probes_and_what_is_cut() {
        let request = b"\0\x02config.text\0netascii\0";
        assert_eq!(Tftp::probe(Direction::Orig, request), Probe::Yes);
        for end in 4..request.len() {
            assert_eq!(Tftp::probe(Direction::Orig, &request[..end]), Probe::No, "{end}");
        }
        for bytes in
            [&b"\0\x01\0\0octet\0"[..], b"\0\x01a\0binary\0", b"\0\x03\0\x02ab", b"\0\x04\0\x01", b"GET /", b"\0\x07ab"]
        {
            assert_eq!(Tftp::probe(Direction::Orig, bytes), Probe::No, "{bytes:?}");
        }
        assert_eq!(
            Script::new().orig(data(1, b"text")).orig(b"\0\x63junk").datagrams::<Tftp>().stopped,
            Some(Progress::Violation("not a TFTP packet"))
        );
    }
}
