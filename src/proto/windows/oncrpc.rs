//! ONC RPC (RFC 5531) over UDP and TCP: port mapper, mount, NFS and their relatives.

use std::collections::VecDeque;

use crate::base::bytes::ReadError;
use crate::base::secret::Reveal;
use crate::base::{Reader, Timestamp, limits};
use crate::proto::api::{About, AppParser, Cx, Direction, Fact, Probe, Progress, Spec, Transport};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "rpc",
    doc: "The first ONC RPC call of each procedure of a flow, with the reply to it",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating(
            "program",
            Type::Text,
            "Name of the program: portmap, nfs, mount ...; null where it has none here",
        ),
        Column::repeating("program_number", Type::Int64, "Number of the program"),
        Column::repeating("version", Type::Int64, "Version of the program"),
        Column::repeating("procedure_number", Type::Int64, "Number of the procedure"),
        Column::repeating("procedure", Type::Text, "Name of the procedure, where it has one here"),
        Column::repeating("auth", Type::Text, "How the caller says who it is: none, sys, short, dh, gss"),
        Column::repeating("machine", Type::Text, "Name of the caller's machine (auth sys)"),
        Column::repeating("uid", Type::Int64, "User number that the caller claims (auth sys)"),
        Column::repeating("gid", Type::Int64, "Group number that the caller claims (auth sys)"),
        Column::repeating("path", Type::Text, "Path that is mounted or released"),
        Column::repeating(
            "status",
            Type::Text,
            "Whether the call was accepted: success, or why not; null where no reply was seen",
        ),
        Column::new("reply_packet", Type::Int64, "Packet with the reply"),
    ],
};

/// Who the caller says it is (section 8.2, appendix A).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Caller {
    flavor: u32,
    machine: Vec<u8>,
    ids: Option<(u32, u32)>,
}

impl Caller {
    const fn name(&self) -> &'static str {
        match self.flavor {
            0 => "none",
            SYS => "sys",
            2 => "short",
            3 => "dh",
            6 => "gss",
            _ => "other",
        }
    }
}

/// AUTH_SYS: the caller says who it is, and is believed.
const SYS: u32 = 1;

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    xid: u32,
    program: u32,
    version: u32,
    procedure: u32,
    caller: Caller,
    path: Vec<u8>,
    at: (Timestamp, u64),
}

/// A call and the reply to it.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    call: &'e Call,
    reply: Option<(&'static str, u64)>,
    caller: Direction,
}

impl Event<'_> {
    /// Number of the program.
    pub const fn program(&self) -> u32 {
        self.call.program
    }

    /// Number of the procedure.
    pub const fn procedure(&self) -> u32 {
        self.call.procedure
    }

    /// Whether the caller merely says who it is (AUTH_SYS, AUTH_NONE).
    pub const fn is_believed(&self) -> bool {
        self.call.caller.flavor <= SYS
    }

    /// Whether the call succeeded; `None` where the reply was not seen.
    pub fn accepted(&self) -> Option<bool> {
        self.reply.map(|r| r.0 == "success")
    }

    /// What was called, in a few words.
    pub fn words(&self) -> String {
        let name = program_name(self.call.program).unwrap_or("program");
        match procedure_name(self.call.program, self.call.version, self.call.procedure) {
            Some(procedure) => format!("{name} version {}, {procedure}", self.call.version),
            None => format!("{name} version {}, procedure {}", self.call.version, self.call.procedure),
        }
    }
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(self.call.at)
    }

    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Call { program, version, procedure, caller, path, .. } = self.call;
        row.opt_text(program_name(*program)).int(*program).int(*version).int(*procedure);
        row.opt_text(procedure_name(*program, *version, *procedure)).text(caller.name());
        row.opt_bytes(Some(caller.machine.as_slice()).filter(|m| !m.is_empty()));
        row.opt_int(caller.ids.map(|i| i.0)).opt_int(caller.ids.map(|i| i.1));
        row.opt_bytes(Some(path.as_slice()).filter(|p| !p.is_empty()));
        row.opt_text(self.reply.map(|r| r.0));
        match self.reply {
            Some((_, packet)) => row.count(packet),
            None => row.null(),
        };
    }

    fn service(&self) -> Option<&'static str> {
        match self.call.program {
            100_000 => Some("portmap"),
            100_003 => Some("nfs"),
            100_005 => Some("mount"),
            _ => None,
        }
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let about = About::Side(self.caller);
        tell(Fact { about, attribute: "hostname", value: &self.call.caller.machine });
    }
}

/// Names of programs (IANA, Remote Procedure Call program numbers).
const fn program_name(program: u32) -> Option<&'static str> {
    Some(match program {
        100_000 => "portmap",
        100_001 => "rstat",
        100_002 => "rusers",
        100_003 => "nfs",
        100_004 => "ypserv",
        100_005 => "mount",
        100_007 => "ypbind",
        100_009 => "yppasswd",
        100_011 => "rquota",
        100_020 => "lockmgr",
        100_021 => "nlm",
        100_024 => "status",
        100_083 => "tooltalk",
        100_227 => "nfsacl",
        100_300 => "nisplus",
        395_183 => "vxi11",
        1_073_741_824 => "nfs-callback",
        _ => return None,
    })
}

/// Names of procedures (RFC 1833, RFC 1094, RFC 1813, RFC 7530).
fn procedure_name(program: u32, version: u32, procedure: u32) -> Option<&'static str> {
    const NFS2: &[&str] = &[
        "null",
        "getattr",
        "setattr",
        "root",
        "lookup",
        "readlink",
        "read",
        "writecache",
        "write",
        "create",
        "remove",
        "rename",
        "link",
        "symlink",
        "mkdir",
        "rmdir",
        "readdir",
        "statfs",
    ];
    const NFS3: &[&str] = &[
        "null",
        "getattr",
        "setattr",
        "lookup",
        "access",
        "readlink",
        "read",
        "write",
        "create",
        "mkdir",
        "symlink",
        "mknod",
        "remove",
        "rmdir",
        "rename",
        "link",
        "readdir",
        "readdirplus",
        "fsstat",
        "fsinfo",
        "pathconf",
        "commit",
    ];
    const PORTMAP: &[&str] = &["null", "set", "unset", "getport", "dump", "callit"];
    const RPCBIND: &[&str] = &["null", "set", "unset", "getaddr", "dump", "bcast", "gettime", "uaddr2taddr"];
    const MOUNT: &[&str] = &["null", "mnt", "dump", "umnt", "umntall", "export"];
    let names = match (program, version) {
        (100_000, ..=2) => PORTMAP,
        (100_000, _) => RPCBIND,
        (100_003, 2) => NFS2,
        (100_003, 3) => NFS3,
        (100_003, _) => &["null", "compound"],
        (100_005, _) => MOUNT,
        _ => &["null"],
    };
    names.get(usize::try_from(procedure).ok()?).copied()
}

/// A padded field with its length before it (RFC 4506, section 4.10).
fn opaque<'a>(r: &mut Reader<'a>, field: &'static str, max: usize) -> Result<&'a [u8], ReadError> {
    let len = r.be32(field)? as usize;
    if len > max {
        return Err(ReadError::invalid(field));
    }
    let value = r.take(field, len)?;
    r.skip("padding", len.next_multiple_of(4) - len)?;
    Ok(value)
}

/// Bytes of a credential or verifier (section 8.2).
const AUTH_BYTES_MAX: usize = 400;
/// Bytes of a machine's name (appendix A).
const MACHINE_BYTES_MAX: usize = 255;
/// Bytes of a path (RFC 1813, section 5.1.2).
const PATH_BYTES_MAX: usize = 1024;

/// What a message is.
enum Message {
    Call(Call),
    Reply(u32, &'static str),
}

/// Reads the head of a message.
fn read(at: (Timestamp, u64), bytes: &[u8]) -> Result<Message, ReadError> {
    let mut r = Reader::new(bytes);
    let xid = r.be32("xid")?;
    match r.be32("message type")? {
        0 => {
            if r.be32("RPC version")? != 2 {
                return Err(ReadError::invalid("RPC version"));
            }
            let (program, version, procedure) = (r.be32("program")?, r.be32("version")?, r.be32("procedure")?);
            let flavor = r.be32("credential")?;
            let body = opaque(&mut r, "credential", AUTH_BYTES_MAX)?;
            // Numbers above are reserved, and no version is zero (section 13).
            let numbers = (1..0x6000_0000).contains(&program) && (1..=0xffff).contains(&version);
            if !flavor_fits(flavor) || !numbers || procedure > 0xffff {
                return Err(ReadError::invalid("credential"));
            }
            let mut caller = Caller { flavor, ..Caller::default() };
            if flavor == SYS {
                // A credential that is cut says nothing, and the call stays what it is.
                let _ = sys(body, &mut caller);
            }
            let verifier = r.be32("verifier").and_then(|_| opaque(&mut r, "verifier", AUTH_BYTES_MAX));
            let is_path = program == 100_005 && matches!(procedure, 1 | 3) && verifier.is_ok();
            let path = if is_path { opaque(&mut r, "path", PATH_BYTES_MAX).unwrap_or_default() } else { &[] };
            Ok(Message::Call(Call { xid, program, version, procedure, caller, path: path.to_vec(), at }))
        }
        1 => Ok(Message::Reply(xid, reply(&mut r)?)),
        _ => Err(ReadError::invalid("message type")),
    }
}

const fn flavor_fits(flavor: u32) -> bool {
    matches!(flavor, 0..=7 | 300_001 | 390_000..=390_015)
}

fn sys(body: &[u8], caller: &mut Caller) -> Result<(), ReadError> {
    let mut r = Reader::new(body);
    r.skip("stamp", 4)?;
    caller.machine = opaque(&mut r, "machine", MACHINE_BYTES_MAX)?.to_vec();
    caller.ids = Some((r.be32("uid")?, r.be32("gid")?));
    Ok(())
}

/// Whether a call was accepted (section 9).
fn reply(r: &mut Reader<'_>) -> Result<&'static str, ReadError> {
    match r.be32("reply status")? {
        0 => {
            if !flavor_fits(r.be32("verifier")?) {
                return Err(ReadError::invalid("verifier"));
            }
            opaque(r, "verifier", AUTH_BYTES_MAX)?;
            Ok(match r.be32("accept status")? {
                0 => "success",
                1 => "program unavailable",
                2 => "version mismatch",
                3 => "procedure unavailable",
                4 => "bad arguments",
                5 => "system error",
                _ => return Err(ReadError::invalid("accept status")),
            })
        }
        1 => match r.be32("reject status")? {
            0 => Ok("RPC version mismatch"),
            1 => Ok("authentication error"),
            _ => Err(ReadError::invalid("reject status")),
        },
        _ => Err(ReadError::invalid("reply status")),
    }
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct OncRpc {
    pending: VecDeque<Call>,
    caller: Option<Direction>,
    /// Procedures that have a row or will have one.
    seen: Vec<(u32, u32, u32)>,
    /// Whether the next fragment of a direction continues a record.
    inside: [bool; 2],
    idle: u32,
    understood: bool,
    ended: bool,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

impl OncRpc {
    fn message(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Result<(), ReadError> {
        self.idle += 1;
        match read((cx.ts, cx.packet), bytes)? {
            Message::Call(call) => {
                self.caller = Some(dir);
                let key = (call.program, call.version, call.procedure);
                if self.seen.contains(&key) {
                    return Ok(());
                }
                if self.seen.len() >= limits::RPC_ROWS_MAX || self.pending.len() >= limits::RPC_PENDING_MAX {
                    cx.limit_hit();
                    return Ok(());
                }
                self.idle = 0;
                self.seen.push(key);
                self.pending.push_back(call);
            }
            Message::Reply(xid, status) => {
                let found = self.pending.iter().position(|c| c.xid == xid).and_then(|at| self.pending.remove(at));
                if let Some(call) = found {
                    self.idle = 0;
                    emit(Event { call: &call, reply: Some((status, cx.packet)), caller: dir.other() });
                }
            }
        }
        Ok(())
    }
}

/// Whether bytes begin as a message does.
fn plausible(bytes: &[u8], whole: bool) -> Probe {
    // A reply has little to tell it by; all that there is must fit.
    match read((Timestamp(0), 0), bytes) {
        Ok(Message::Call(_)) => Probe::Yes,
        Ok(Message::Reply(..)) if !whole || bytes.len().is_multiple_of(4) => Probe::Yes,
        Err(e) if e.is_short() && !whole => Probe::NeedMore,
        _ => Probe::No,
    }
}

impl AppParser for OncRpc {
    const SPEC: Spec = Spec {
        name: "rpc",
        title: "ONC RPC (NFS, port mapper, mount)",
        transports: &[Transport::Udp, Transport::Tcp],
        ports: &[111, 2049],
        reference: "RFC 5531, RFC 1833, RFC 1813",
        table: Some(&TABLE),
        yields: "programs, procedures, callers' machine names and user numbers, mounted paths",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        if let Some([0, 0, 0, 0 | 1]) = payload.get(4..8)
            && plausible(payload, true) == Probe::Yes
        {
            return Probe::Yes;
        }
        // A record in a stream (section 11): the last fragment, most often the only one.
        match payload {
            [] => Probe::NeedMore,
            [0x80, _, ..] | [0x80] => {
                let Some((mark, rest)) = payload.split_first_chunk::<4>() else { return Probe::NeedMore };
                let len = u32::from_be_bytes(*mark) & 0x7fff_ffff;
                if len < 24 || !len.is_multiple_of(4) {
                    return Probe::No;
                }
                match rest.get(4..8) {
                    Some([0, 0, 0, 0 | 1]) => plausible(rest, false),
                    Some(_) => Probe::No,
                    None => Probe::NeedMore,
                }
            }
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        if cx.flow.transport == Transport::Udp {
            match self.message(cx, dir, bytes, emit) {
                Ok(()) => self.understood = true,
                Err(_) if self.understood => {}
                Err(_) => return Progress::Violation("not an ONC RPC message"),
            }
            return if self.idle > limits::RPC_IDLE_MAX { Progress::Finished } else { Progress::Done };
        }
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some((mark, body)) = rest.split_first_chunk::<4>() else {
                let done = rest.is_empty();
                return if done { Progress::Done } else { Progress::Partial { consumed: at, needed: 4 } };
            };
            let mark = u32::from_be_bytes(*mark);
            let (last, len) = (mark >> 31 != 0, (mark & 0x7fff_ffff) as usize);
            let Some(inside) = self.inside.get_mut(dir.index()) else { return Progress::Finished };
            if !*inside {
                let wanted = len.min(limits::RPC_HEAD_BYTES_MAX);
                let Some(head) = body.get(..wanted) else {
                    return Progress::Partial { consumed: at, needed: wanted + 4 };
                };
                *inside = !last;
                match self.message(cx, dir, head, emit) {
                    Ok(()) => self.understood = true,
                    Err(_) if self.understood => return Progress::Finished,
                    Err(_) => return Progress::Violation("not an ONC RPC record"),
                }
                if self.idle > limits::RPC_IDLE_MAX {
                    return Progress::Finished;
                }
            } else {
                *inside = !last;
            }
            match len.checked_sub(body.len()) {
                None | Some(0) => at += len + 4,
                Some(missing) => return Progress::Skip(missing as u64),
            }
        }
    }

    fn on_end(&mut self, cx: Cx<'_>, dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if cx.flow.transport == Transport::Tcp && !std::mem::replace(&mut self.ended, true) {
            return;
        }
        let caller = self.caller.unwrap_or(dir);
        for call in std::mem::take(&mut self.pending) {
            emit(Event { call: &call, reply: None, caller });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    fn words(n: &[u32]) -> Vec<u8> {
        n.iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    fn mount() -> Vec<u8> {
        let mut out = words(&[0x41, 0, 2, 100_005, 3, 1, 1, 28, 99, 3]);
        out.extend(b"pc7\0");
        out.extend(words(&[1000, 100, 1, 100]));
        out.extend(words(&[0, 0, 5]));
        out.extend(b"/home\0\0\0");
        out
    }

    fn record(message: &[u8]) -> Vec<u8> {
        [&words(&[0x8000_0000 | message.len() as u32]), message].concat()
    }

    const ACCEPTED: [u32; 6] = [0x41, 1, 0, 0, 0, 0];

    #[test]
    fn a_call_says_who_and_what() {
        let seen = Script::new().orig(mount()).resp(words(&ACCEPTED)).datagrams::<OncRpc>();
        for (column, value) in [
            ("program", "mount"),
            ("version", "3"),
            ("procedure", "mnt"),
            ("auth", "sys"),
            ("machine", "pc7"),
            ("uid", "1000"),
            ("gid", "100"),
            ("path", "/home"),
            ("status", "success"),
            ("reply_packet", "2"),
        ] {
            assert_eq!(seen.cell(column), value, "{column}");
        }
    }

    #[test]
    fn records_in_a_stream_and_fragments() {
        let long = [mount(), vec![7; 4000]].concat();
        let seen = Script::new()
            .orig([record(&long), record(&words(&[0x42, 0, 2, 100_003, 3, 0, 0, 0, 0, 0]))].concat())
            .resp(record(&words(&ACCEPTED)))
            .any_chunking::<OncRpc>();
        assert_eq!(seen.cells("program"), ["mount", "nfs"]);
        assert_eq!(seen.cells("status"), ["success", "-"]);
        let mut parts = record(&mount());
        parts[0] = 0;
        parts.extend([0x80, 0, 0, 3, 1, 2, 3]);
        let seen = Script::new().orig(parts).any_chunking::<OncRpc>();
        assert_eq!(seen.cell("path"), "/home");
    }

    #[test]
    fn each_procedure_has_one_row() {
        let null = |xid| words(&[xid, 0, 2, 100_003, 3, 0, 0, 0, 0, 0]);
        let seen = Script::new().orig(null(1)).resp(words(&[1, 1, 1, 1, 5])).orig(null(2)).datagrams::<OncRpc>();
        assert_eq!(seen.cell("status"), "authentication error");
    }

    #[test]
    fn the_probe_reads_calls_and_replies() {
        assert_eq!(OncRpc::probe(Direction::Orig, &mount()), Probe::Yes);
        assert_eq!(OncRpc::probe(Direction::Resp, &words(&ACCEPTED)), Probe::Yes);
        assert_eq!(OncRpc::probe(Direction::Resp, &words(&[0x41, 1, 0, 0, 0, 9])), Probe::No);
        assert_eq!(OncRpc::probe(Direction::Resp, &words(&[0x41, 1, 0, 0, 401, 0])), Probe::No);
        assert_eq!(OncRpc::probe(Direction::Orig, &words(&[1, 0, 3, 100_003, 3, 0, 0, 0, 0, 0])), Probe::No);
        assert_eq!(probe_all::<OncRpc>(Direction::Orig, &record(&mount())), Probe::Yes);
        assert_eq!(probe_all::<OncRpc>(Direction::Orig, &record(&[1; 40])), Probe::No);
        let time = words(&[0xe300_06e8, 0, 2, 0x494e_4954, 0, 0, 0, 0, 0, 0, 0xe158_296b, 0x5ce9_9661]);
        assert_eq!(OncRpc::probe(Direction::Orig, &time), Probe::No, "NTP");
        assert_eq!(OncRpc::probe(Direction::Orig, b"GET / HTTP/1.1\r\n"), Probe::No);
    }

    #[test]
    fn hostile_lengths() {
        let mut huge = mount();
        huge[28] = 0xff;
        let seen = Script::new().orig(huge).datagrams::<OncRpc>();
        assert_eq!(seen.stopped, Some(Progress::Violation("not an ONC RPC message")));
        for cut in 0..mount().len() {
            let _ = Script::new().orig(&mount()[..cut]).datagrams::<OncRpc>();
        }
    }
}
