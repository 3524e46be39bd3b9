//! The Android debug bridge: a shell, files and ports of a device, mostly without a login.
//!
//! ```text
//! message  command(4) argument(4) argument(4) length(4) checksum(4) magic(4)   little-endian; the magic
//!          is the command with all bits turned; then the payload
//! CNXN     "host::features"                 the client; "device::ro.product.name=...;..." the device
//! AUTH     1 token, 2 signature, 3 public key with "user@host" behind it
//! STLS     TLS from here on, once both sides said so
//! OPEN     "shell:command" and other services
//! ```
//! Described in `protocol.txt` of Android's sources. The other form, four hexadecimal digits and a
//! request (`000chost:version`), is what clients say to the ADB server on a workstation (`SERVICES.TXT`).

pub use super::adb_event::{Authentication, Event, Session, TABLE};
use crate::base::{Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::text;

/// Length of a header.
const HEADER_LEN: usize = 24;

/// Commands that a message may have, as they stand on the wire.
const COMMANDS: [&[u8; 4]; 8] = [b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"CLSE", b"WRTE", b"SYNC", b"STLS"];

/// Follows one connection.
#[derive(Debug, Default)]
pub struct Adb {
    session: Box<Session>,
    began: bool,
    /// Whether bytes were missed.
    lost: bool,
    /// Which sides said that TLS follows.
    tls: [bool; 2],
    ends: u8,
    told: bool,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// The header of a message.
#[derive(Debug, Clone, Copy)]
struct Header {
    command: [u8; 4],
    argument: u32,
    len: u32,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let command = r.array("command").ok()?;
        let argument = r.le32("first argument").ok()?;
        r.skip("second argument", 4).ok()?;
        let len = r.le32("length").ok()?;
        r.skip("checksum", 4).ok()?;
        let magic: [u8; 4] = r.array("magic").ok()?;
        let fits = COMMANDS.contains(&&command) && magic == command.map(|b| !b) && len <= limits::ADB_MESSAGE_BYTES_MAX;
        fits.then_some(Self { command, argument, len })
    }
}

impl Adb {
    fn message(&mut self, cx: Cx<'_>, dir: Direction, header: Header, payload: &[u8]) {
        let s = &mut self.session;
        match &header.command {
            b"CNXN" if dir == Direction::Resp || payload.starts_with(b"device") => {
                s.connected = true;
                s.device(payload);
            }
            b"AUTH" => s.authenticates(header.argument, payload),
            b"STLS" => {
                if let Some(side) = self.tls.get_mut(dir.index()) {
                    *side = true;
                }
            }
            b"OPEN" => self.service(cx, payload),
            // A stream that is open proves that the device let the client in.
            b"OKAY" | b"WRTE" => s.connected = true,
            _ => {}
        }
    }

    fn service(&mut self, cx: Cx<'_>, service: &[u8]) {
        if self.session.services.len() >= limits::ADB_SERVICES_MAX {
            cx.limit_hit();
            return;
        }
        self.session.services.push(shortened(service));
    }

    fn messages(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            let Some(front) = rest.get(..HEADER_LEN) else {
                return Progress::Partial { consumed: used, needed: HEADER_LEN };
            };
            let Some(header) = Header::parse(front) else {
                // Behind a gap the next message begins at an unknown place.
                if self.lost {
                    return Progress::Done;
                }
                if !self.began {
                    return Progress::Violation("no ADB message");
                }
                self.report(emit);
                return Progress::Finished;
            };
            if !std::mem::replace(&mut self.began, true) {
                self.session.at = (cx.ts, cx.packet);
            }
            let len = header.len as usize;
            // What is written through an open service is not read.
            let wanted = if &header.command == b"WRTE" { 0 } else { len.min(limits::ADB_TEXT_BYTES_MAX) };
            let body = rest.get(HEADER_LEN..).unwrap_or_default();
            let Some(payload) = body.get(..wanted) else {
                return Progress::Partial { consumed: used, needed: HEADER_LEN + wanted };
            };
            if wanted < len && &header.command != b"WRTE" {
                cx.limit_hit();
            }
            self.message(cx, dir, header, payload);
            if self.tls == [true; 2] {
                self.session.authentication = Some(Authentication::Tls);
                self.report(emit);
                return Progress::Finished;
            }
            if body.len() < len {
                return Progress::Skip((len - body.len()) as u64);
            }
            used += HEADER_LEN + len;
        }
    }

    /// Requests to the ADB server of a workstation.
    fn requests(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8]) -> Progress {
        if dir == Direction::Resp {
            // OKAY or FAIL, and output that is not read.
            if bytes.len() < 4 {
                return Progress::Partial { consumed: 0, needed: 4 };
            }
            self.session.connected |= bytes.starts_with(b"OKAY");
            return Progress::Skip(u64::MAX);
        }
        if !std::mem::replace(&mut self.began, true) {
            self.session.at = (cx.ts, cx.packet);
        }
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let Some(digits) = rest.get(..4) else {
                return Progress::Partial { consumed: used, needed: 4 };
            };
            let Some(len) = text::hexadecimal(digits).map(|n| n as usize) else {
                // From here on it is the input of a service.
                return Progress::Skip(u64::MAX);
            };
            let Some(request) = rest.get(4..4 + len) else {
                if len > limits::ADB_TEXT_BYTES_MAX {
                    cx.limit_hit();
                    return Progress::Skip(u64::MAX);
                }
                // One that never comes whole is told by its beginning, at the end.
                return Progress::Partial { consumed: used, needed: 4 + len };
            };
            self.service(cx, request);
            used += 4 + len;
        }
    }

    fn report(&mut self, emit: Emit<'_>) {
        if self.began && !std::mem::replace(&mut self.told, true) {
            emit(Event::Session(&self.session));
        }
    }
}

/// A service and the first word of its argument: what follows may hold secrets.
fn shortened(service: &[u8]) -> Vec<u8> {
    let text = service.split(|c| *c == 0).next().unwrap_or_default();
    let text = text.get(..128).unwrap_or(text);
    let is_command = [&b"shell"[..], b"exec"].iter().any(|s| text.starts_with(s));
    if is_command { text::word(text.trim_ascii()).0.to_vec() } else { text.to_vec() }
}

impl AppParser for Adb {
    const SPEC: Spec = Spec {
        name: "adb",
        title: "Android debug bridge",
        transports: &[Transport::Tcp],
        ports: &[5555, 5037],
        reference: "Android, adb/protocol.txt and SERVICES.TXT",
        table: Some(&TABLE),
        yields: "model and serial of the device, how the client proved itself, services that were opened",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        let command = payload.get(..4).unwrap_or(payload);
        if COMMANDS.iter().any(|c| c.starts_with(command)) {
            return match payload.get(..HEADER_LEN) {
                Some(front) if Header::parse(front).is_some() => Probe::Yes,
                Some(_) => Probe::No,
                None => Probe::NeedMore,
            };
        }
        if dir == Direction::Resp || !command.iter().all(u8::is_ascii_hexdigit) {
            return Probe::No;
        }
        let request = payload.get(4..).unwrap_or_default();
        match request {
            [b'h', b'o', b's', b't', b':' | b'-', ..] => Probe::Yes,
            _ if b"host".starts_with(request.get(..4).unwrap_or(request)) && request.len() < 5 => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if !self.began {
            let command = bytes.get(..4).unwrap_or(bytes);
            self.session.to_server = !COMMANDS.iter().any(|c| c.starts_with(command));
        }
        if self.session.to_server { self.requests(cx, dir, bytes) } else { self.messages(cx, dir, bytes, emit) }
    }

    fn on_gap(&mut self, _cx: Cx<'_>, _dir: Direction, _missing: u64) -> Progress {
        self.lost = true;
        Progress::Done
    }

    fn on_end(&mut self, cx: Cx<'_>, dir: Direction, rest: &[u8], emit: Emit<'_>) {
        if self.began && !self.told && self.session.to_server && dir == Direction::Orig && rest.len() > 4 {
            self.service(cx, rest.get(4..).unwrap_or_default());
        }
        self.ends += 1;
        if self.ends == 2 {
            self.report(emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    fn message(command: &[u8; 4], argument: u32, payload: &[u8]) -> Vec<u8> {
        let len = payload.len() as u32;
        let sum: u32 = payload.iter().map(|b| u32::from(*b)).sum();
        let mut out = command.to_vec();
        for number in [argument, 0, len, sum] {
            out.extend(number.to_le_bytes());
        }
        out.extend(command.map(|b| !b));
        out.extend(payload);
        out
    }

    const DEVICE: &[u8] =
        b"device:R5CN:ro.product.name=rk3288;ro.product.model=RoomPad 10;ro.product.device=rk;features=cmd\0";

    #[test]
    fn a_device_that_asks_nobody() {
        let seen = Script::new()
            .orig(message(b"CNXN", 0x0100_0000, b"host::\0"))
            .resp(message(b"CNXN", 0x0100_0000, DEVICE))
            .orig(message(b"OPEN", 1, b"shell:pm install --secret Sample-Adb-1\0"))
            .resp([message(b"OKAY", 7, b""), message(b"WRTE", 7, &[b'x'; 9000])].concat())
            .orig(message(b"CLSE", 1, b""))
            .any_chunking::<Adb>();
        assert_eq!((seen.cell("model"), seen.cell("product")), ("RoomPad 10".into(), "rk3288".into()));
        assert_eq!((seen.cell("serial"), seen.cell("device")), ("R5CN".into(), "rk".into()));
        assert_eq!((seen.cell("authentication"), seen.cell("success")), ("none".into(), "true".into()));
        assert_eq!(seen.cell("services"), "[shell:pm]");
        assert!(!format!("{seen:?}").contains("Sample-Adb-1"));
    }

    #[test]
    fn a_key_is_asked_for() {
        let ask = Script::new()
            .orig(message(b"CNXN", 0x0100_0001, b"host::\0"))
            .resp(message(b"AUTH", 1, &[9; 20]))
            .orig(message(b"AUTH", 2, &[8; 256]));
        let seen = ask.any_chunking::<Adb>();
        assert_eq!((seen.cell("authentication"), seen.cell("success")), ("signature".into(), "-".into()));
        let seen = ask
            .resp(message(b"AUTH", 1, &[9; 20]))
            .orig(message(b"AUTH", 3, b"QAAAAB== joe@desk\0"))
            .resp(message(b"CNXN", 0x0100_0001, DEVICE))
            .any_chunking::<Adb>();
        assert_eq!((seen.cell("authentication"), seen.cell("success")), ("public-key".into(), "true".into()));
        assert_eq!(seen.cell("client_key_name"), "joe@desk");
    }

    #[test]
    fn tls_takes_over() {
        let seen = Script::new()
            .orig(message(b"CNXN", 0x0100_0001, b"host::\0"))
            .resp(message(b"STLS", 0x0100_0000, b""))
            .orig([message(b"STLS", 0x0100_0000, b""), b"\x16\x03\x01".to_vec()].concat())
            .any_chunking::<Adb>();
        assert_eq!((seen.cell("authentication"), seen.stopped), ("tls".into(), Some(Progress::Finished)));
    }

    #[test]
    fn requests_to_the_server_of_a_workstation() {
        let seen = Script::new()
            .orig(b"000chost:version")
            .resp(b"OKAY00040029")
            .orig(b"0012host:transport-any0008shell:ls")
            .orig(b"input")
            .any_chunking::<Adb>();
        assert_eq!(seen.cell("services"), "[host:version,host:transport-any,shell:ls]");
        let cut = Script::new().orig(b"001chost:forward:tcp:80").any_chunking::<Adb>();
        assert_eq!(cut.cell("services"), "[host:forward:tcp:80]");
    }

    #[test]
    fn hostile_lengths_and_gaps() {
        let mut long = message(b"CNXN", 0, b"");
        long[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(probe_all::<Adb>(Direction::Orig, &long), Probe::No);
        let open = message(b"OPEN", 1, b"shell:id\0");
        let many = Script::new().orig(open.repeat(100)).orig(long).any_chunking::<Adb>();
        assert_eq!(many.cell("services").matches("shell").count(), limits::ADB_SERVICES_MAX);
        assert_eq!(many.stopped, Some(Progress::Finished));
        let gap = Script::new()
            .orig(&open)
            .gap(Direction::Orig, 100)
            .orig(b"in the middle of something")
            .orig(&open)
            .run::<Adb>();
        assert_eq!(gap.cell("services"), "[shell:id,shell:id]");
    }

    #[test]
    fn probes() {
        let hello = message(b"CNXN", 1, b"host::\0");
        assert_eq!(probe_all::<Adb>(Direction::Orig, &hello), Probe::Yes);
        assert_eq!(probe_all::<Adb>(Direction::Resp, &message(b"OKAY", 1, b"")), Probe::Yes);
        assert_eq!(probe_all::<Adb>(Direction::Orig, b"000chost:version"), Probe::Yes);
        assert_eq!(probe_all::<Adb>(Direction::Orig, b"0030git-upload"), Probe::No);
        assert_eq!(probe_all::<Adb>(Direction::Orig, b"OPEN the door, please: now"), Probe::No);
        assert_eq!(probe_all::<Adb>(Direction::Resp, b"000chost:version"), Probe::No);
    }
}
