//! Frames of a network interface, in place in the kernel's ring.
//!
//! One handle per worker; several on one interface join a fanout group in which the kernel gives
//! both directions of an address pair to the same handle (packet(7), PACKET_FANOUT).

use std::ffi::c_void;
use std::fmt;
use std::os::fd::AsRawFd;

use super::filter::{check_filter, link_of};
use crate::base::Timestamp;
use crate::frame::LinkType;

/// How long a handle waits for a frame before it reports that there is none, in milliseconds: the
/// caller has other things to look after. Also the time after which the kernel hands over a block
/// of its ring that is not full yet.
const WAIT_MS: i32 = 100;

/// Handles that share the frames of one interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FanoutGroup {
    /// Number of the group, the same for all its handles and no other on this machine.
    pub id: u16,
    /// How many handles the group has. With one, no group is made.
    pub workers: usize,
}

/// How to listen.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// Bytes of each frame that are kept.
    pub snaplen: u32,
    /// Whether to take in frames for other machines, which is the point of a mirror port.
    pub promisc: bool,
    /// Take in only frames that this libpcap filter matches.
    pub filter: Option<String>,
    /// Bytes of the ring between kernel and program.
    pub buffer_bytes: u32,
    /// The group that this handle belongs to.
    pub fanout: Option<FanoutGroup>,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self { snaplen: 65_535, promisc: true, filter: None, buffer_bytes: 64 << 20, fanout: None }
    }
}

/// A frame that lies in the ring until the next one is asked for.
#[derive(Debug, Clone, Copy)]
pub struct LiveFrame<'a> {
    /// When the kernel received it.
    pub ts: Timestamp,
    /// Its length on the wire, in bytes.
    pub wire: u32,
    /// Its bytes, as far as they were kept.
    pub bytes: &'a [u8],
}

/// Counts since the handle was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LiveStats {
    /// Frames that the filter let through, with those that were dropped for want of room.
    pub received: u64,
    /// Frames that the kernel dropped because the ring was full.
    pub kernel_drops: u64,
    /// Frames that the interface or its driver dropped.
    pub interface_drops: u64,
}

/// Why an interface cannot be listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveError {
    /// The program may not.
    Permission {
        /// The interface.
        interface: String,
    },
    /// There is no such interface.
    Unknown {
        /// What was asked for.
        interface: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The filter is wrong, or wrong for this interface.
    Filter(String),
    /// Anything else, as libpcap or the kernel words it.
    Other {
        /// The interface.
        interface: String,
        /// What is wrong.
        text: String,
    },
}

impl fmt::Display for LiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permission { interface } => write!(
                f,
                "{interface}: overhear listen needs CAP_NET_RAW: run it as root, or allow it once with `sudo setcap cap_net_raw+ep $(command -v overhear)`"
            ),
            Self::Unknown { interface, known } if known.is_empty() => {
                write!(f, "{interface}: no such interface, and none that can be listened to")
            }
            Self::Unknown { interface, known } => {
                write!(f, "{interface}: no such interface; there are: {}", known.join(", "))
            }
            Self::Filter(text) => write!(f, "filter: {text}"),
            Self::Other { interface, text } => write!(f, "{interface}: {text}"),
        }
    }
}

impl std::error::Error for LiveError {}

/// One handle on an interface.
pub struct LiveCapture {
    handle: pcap::Capture<pcap::Active>,
    /// The handle's descriptor, to wait on.
    fd: libc::c_int,
    interface: String,
    link: LinkType,
    /// Nanoseconds of one unit of the sub-second part of a time.
    unit: i64,
    /// The counts of libpcap are 32 bits wide and wrap: the last ones seen, and the sums.
    last: [u32; 3],
    sums: [u64; 3],
}

impl LiveCapture {
    /// Starts to listen.
    ///
    /// # Errors
    /// Without permission, without such an interface, with a wrong filter, or if the kernel refuses.
    pub fn open(interface: &str, options: &LiveOptions) -> Result<Self, LiveError> {
        if let Some(filter) = &options.filter {
            check_filter(filter).map_err(LiveError::Filter)?;
        }
        let failed = |error| failure(interface, error);
        let mut handle = pcap::Capture::from_device(interface)
            .map_err(failed)?
            .snaplen(i32::try_from(options.snaplen).unwrap_or(i32::MAX))
            .promisc(options.promisc)
            .timeout(WAIT_MS)
            .immediate_mode(false)
            .buffer_size(i32::try_from(options.buffer_bytes).unwrap_or(i32::MAX))
            .precision(pcap::Precision::Nano)
            .open()
            .map_err(failed)?;
        let fd = handle.as_raw_fd();
        if let Some(filter) = &options.filter {
            handle.filter(filter, true).map_err(|error| LiveError::Filter(text_of(error)))?;
        }
        if let Some(group) = options.fanout.filter(|group| group.workers > 1) {
            join(fd, group).map_err(|error| LiveError::Other {
                interface: interface.to_owned(),
                text: format!("cannot share frames between {} workers: {error}", group.workers),
            })?;
        }
        // With the block ring of Linux, a blocking handle waits for as long as nothing comes,
        // whatever its timeout says. So it does not block, and `wait` does the waiting.
        let handle = handle.setnonblock().map_err(failed)?;
        let link = link_of(handle.get_datalink().0);
        let unit = if has_nanoseconds(&handle) { 1 } else { 1000 };
        Ok(Self { handle, fd, interface: interface.to_owned(), link, unit, last: [0; 3], sums: [0; 3] })
    }

    /// The next frame; none where the ring was empty, after waiting until it is not any more, but
    /// no longer than a tenth of a second and no longer than to the next signal.
    ///
    /// # Errors
    /// If the interface goes away or the kernel refuses.
    pub fn next_frame(&mut self) -> Result<Option<LiveFrame<'_>>, LiveError> {
        match self.handle.next_packet() {
            Ok(packet) => {
                let bytes = packet.data;
                let wire = packet.header.len.max(packet.header.caplen);
                let fraction = packet.header.ts.tv_usec.saturating_mul(self.unit);
                let ts = Timestamp::from_parts(packet.header.ts.tv_sec, fraction);
                Ok(Some(LiveFrame { ts, wire, bytes }))
            }
            Err(pcap::Error::TimeoutExpired) => {
                wait(self.fd);
                Ok(None)
            }
            Err(error) => Err(LiveError::Other { interface: self.interface.clone(), text: text_of(error) }),
        }
    }

    /// Counts since the handle was opened. To be asked for often enough that no 32-bit count of
    /// the kernel wraps twice in between.
    ///
    /// # Errors
    /// If the interface is gone.
    pub fn stats(&mut self) -> Result<LiveStats, LiveError> {
        let stat = self
            .handle
            .stats()
            .map_err(|error| LiveError::Other { interface: self.interface.clone(), text: text_of(error) })?;
        let now = [stat.received, stat.dropped, stat.if_dropped];
        for ((sum, last), now) in self.sums.iter_mut().zip(&mut self.last).zip(now) {
            *sum += u64::from(now.wrapping_sub(*last));
            *last = now;
        }
        let [received, kernel_drops, interface_drops] = self.sums;
        Ok(LiveStats { received, kernel_drops, interface_drops })
    }

    /// Link type of its frames.
    pub fn link(&self) -> LinkType {
        self.link
    }

    /// The interface's name.
    pub fn interface(&self) -> &str {
        &self.interface
    }
}

/// Names of the interfaces that can be listened to.
pub fn interface_names() -> Vec<String> {
    pcap::Device::list().unwrap_or_default().into_iter().map(|device| device.name).collect()
}

fn text_of(error: pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text,
        other => other.to_string(),
    }
}

/// Sorts out why an interface could not be opened.
fn failure(interface: &str, error: pcap::Error) -> LiveError {
    let text = text_of(error);
    let lower = text.to_ascii_lowercase();
    if lower.contains("permission") || lower.contains("not permitted") {
        return LiveError::Permission { interface: interface.to_owned() };
    }
    let known = interface_names();
    if lower.contains("no such device") || !known.iter().any(|name| name == interface) {
        return LiveError::Unknown { interface: interface.to_owned(), known };
    }
    let text = text.strip_prefix(&format!("{interface}: ")).map(str::to_owned).unwrap_or(text);
    LiveError::Other { interface: interface.to_owned(), text }
}

/// Waits for frames, a tenth of a second at most. Errors and signals end the wait like time does.
fn wait(fd: libc::c_int) {
    let mut on = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one live, writable pollfd is given together with the count 1.
    unsafe { libc::poll(&raw mut on, 1, WAIT_MS) };
}

/// Whether the handle's times count nanoseconds, which was asked for and may have been refused.
fn has_nanoseconds(handle: &pcap::Capture<pcap::Active>) -> bool {
    unsafe extern "C" {
        fn pcap_get_tstamp_precision(handle: *mut c_void) -> libc::c_int;
    }
    // SAFETY: the pointer is that of an activated handle which outlives the call; the function
    // (pcap_set_tstamp_precision(3PCAP), libpcap 1.5 and later) only reads a field of it.
    unsafe { pcap_get_tstamp_precision(handle.as_ptr().cast()) == 1 }
}

/// Joins a fanout group that spreads frames by their address pair, with fragments put together
/// first so that they meet.
///
/// The kernel's own hash takes the ports in, which would part an FTP session from its
/// data; so the group decides by [`by_address_pair`].
#[cfg(target_os = "linux")]
fn join(fd: libc::c_int, group: FanoutGroup) -> std::io::Result<()> {
    let mode = libc::PACKET_FANOUT_CBPF | libc::PACKET_FANOUT_FLAG_DEFRAG;
    let value: u32 = u32::from(group.id) | (mode << 16);
    set(fd, libc::PACKET_FANOUT, (&raw const value).cast(), size_of::<u32>())?;
    let mut program = by_address_pair();
    let fprog = libc::sock_fprog { len: program.len() as libc::c_ushort, filter: program.as_mut_ptr() };
    set(fd, libc::PACKET_FANOUT_DATA, (&raw const fprog).cast(), size_of::<libc::sock_fprog>())
}

#[cfg(target_os = "linux")]
fn set(fd: libc::c_int, option: libc::c_int, value: *const c_void, len: usize) -> std::io::Result<()> {
    // SAFETY: both callers pass a live value and its true size; the kernel only reads it, and what
    // it points to (the program) lives until the call is over.
    let result = unsafe { libc::setsockopt(fd, libc::SOL_PACKET, option, value, len as libc::socklen_t) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// A classic BPF program that returns a hash of the source and destination addresses, the same for
/// both directions, also behind one VLAN tag that the kernel left in place. An ICMP error goes where
/// the packet goes that it is about (RFC 792; RFC 4443, section 2.1). What is no IP goes to the first
/// handle.
#[cfg(target_os = "linux")]
fn by_address_pair() -> Vec<libc::sock_filter> {
    /// Loads relative to the network header, and of what the kernel knows of a frame
    /// (linux/filter.h).
    const NET: u32 = -0x10_0000_i32 as u32;
    const PROTOCOL: u32 = -0x1000_i32 as u32;
    const LOAD_WORD: u16 = 0x20;
    const LOAD_HALF: u16 = 0x28;
    const LOAD_BYTE: u16 = 0x30;
    const TO_X: u16 = 0x07;
    const XOR_X: u16 = 0xac;
    const JUMP_EQUAL: u16 = 0x15;
    const JUMP_AT_LEAST: u16 = 0x35;
    const JUMP_ANY_BIT: u16 = 0x45;
    const MULTIPLY: u16 = 0x24;
    const SHIFT_RIGHT: u16 = 0x74;
    const RETURN_A: u16 = 0x16;
    const RETURN: u16 = 0x06;
    let op = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    // Unless the EtherType is this, passes over what follows.
    let unless = |ethertype, skip: usize| libc::sock_filter { code: JUMP_EQUAL, jt: 0, jf: skip as u8, k: ethertype };
    let hash = |first: u32, words: u32| {
        let mut code = vec![op(LOAD_WORD, NET.wrapping_add(first))];
        for word in 1..words {
            code.extend([op(TO_X, 0), op(LOAD_WORD, NET.wrapping_add(first + 4 * word)), op(XOR_X, 0)]);
        }
        // The low bits of addresses differ most; the multiplication spreads them.
        code.extend([op(MULTIPLY, 0x9e37_79b1), op(SHIFT_RIGHT, 16), op(RETURN_A, 0)]);
        code
    };
    let load = |at: u32| op(LOAD_BYTE, NET.wrapping_add(at));
    // Destination unreachable, source quench, redirect, time exceeded, parameter problem. A header with options
    // is left to the plain way.
    let of_v4 = |at: u32| {
        let (plain, inner) = (hash(at + 12, 2), hash(at + 20 + 8 + 12, 2));
        let errors = [3, 4, 5, 11, 12];
        let to_plain = |k, skip: usize| libc::sock_filter { code: JUMP_EQUAL, jt: 0, jf: skip as u8, k };
        let mut code = vec![load(at), to_plain(0x45, 5 + errors.len()), load(at + 9), to_plain(1, 3 + errors.len())];
        // Later fragments go where the first one goes, whatever they begin with.
        code.push(op(LOAD_HALF, NET.wrapping_add(at + 6)));
        code.push(libc::sock_filter { code: JUMP_ANY_BIT, jt: 1 + errors.len() as u8, jf: 0, k: 0x1fff });
        code.push(load(at + 20));
        for (nth, kind) in errors.into_iter().enumerate() {
            let skip = errors.len() - nth - 1 + plain.len();
            code.push(libc::sock_filter { code: JUMP_EQUAL, jt: skip as u8, jf: 0, k: kind });
        }
        code.extend(plain);
        code.extend(inner);
        code
    };
    // Types of errors are those below 128.
    let of_v6 = |at: u32| {
        let (plain, inner) = (hash(at + 8, 8), hash(at + 40 + 8 + 8, 8));
        let mut code = vec![load(at + 6), libc::sock_filter { code: JUMP_EQUAL, jt: 0, jf: 2, k: 58 }, load(at + 40)];
        code.push(libc::sock_filter { code: JUMP_AT_LEAST, jt: 0, jf: plain.len() as u8, k: 128 });
        code.extend(plain);
        code.extend(inner);
        code
    };
    let by_type = |at: u32| {
        let (v4, v6) = (of_v4(at), of_v6(at));
        let mut code = vec![unless(0x0800, v4.len())];
        code.extend(v4);
        code.push(unless(0x86dd, v6.len()));
        code.extend(v6);
        code
    };
    let mut program = vec![op(LOAD_HALF, PROTOCOL)];
    program.extend(by_type(0));
    for tag in [0x8100, 0x88a8] {
        let mut inside = vec![op(LOAD_HALF, NET.wrapping_add(2))];
        inside.extend(by_type(4));
        inside.push(op(RETURN, 0));
        program.push(unless(tag, inside.len()));
        program.extend(inside);
    }
    program.push(op(RETURN, 0));
    program
}

#[cfg(not(target_os = "linux"))]
fn join(_fd: libc::c_int, _group: FanoutGroup) -> std::io::Result<()> {
    Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    #[test]
    fn errors_say_what_to_do() {
        let denied = pcap::Error::PcapError("eth0: You don't have permission to perform this capture".into());
        let text = failure("eth0", denied).to_string();
        assert!(text.contains("CAP_NET_RAW") && text.contains("setcap cap_net_raw+ep"), "{text}");
        let unknown = LiveError::Unknown { interface: "eth9".into(), known: vec!["eth0".into(), "lo".into()] };
        assert_eq!(unknown.to_string(), "eth9: no such interface; there are: eth0, lo");
        let bad = LiveOptions { filter: Some("tcp prot".into()), ..LiveOptions::default() };
        assert!(matches!(LiveCapture::open("lo", &bad), Err(LiveError::Filter(_))));
    }

    /// What the program says of a frame without a VLAN tag: the kernel's own instructions, as far as it uses them.
    #[cfg(target_os = "linux")]
    fn handle_of(frame: &[u8]) -> u32 {
        let program = by_address_pair();
        let (mut a, mut x, mut at) = (0u32, 0u32, 0usize);
        let load = |k: u32, n: usize| -> Option<u32> {
            let from = match k {
                0xffff_f000 => 12,
                _ => 14 + k.wrapping_sub(0xfff0_0000) as usize,
            };
            Some(frame.get(from..from + n)?.iter().fold(0, |sum, b| sum << 8 | u32::from(*b)))
        };
        loop {
            let op = program[at];
            at += 1;
            let jump = |yes: bool| usize::from(if yes { op.jt } else { op.jf });
            match op.code {
                0x20 | 0x28 | 0x30 => {
                    let bytes = match op.code {
                        0x20 => 4,
                        0x28 => 2,
                        _ => 1,
                    };
                    let Some(value) = load(op.k, bytes) else { return 0 };
                    a = value;
                }
                0x07 => x = a,
                0xac => a ^= x,
                0x24 => a = a.wrapping_mul(op.k),
                0x74 => a >>= op.k,
                0x15 => at += jump(a == op.k),
                0x35 => at += jump(a >= op.k),
                0x45 => at += jump(a & op.k != 0),
                0x16 => return a,
                0x06 => return op.k,
                other => panic!("no such instruction: {other:#x}"),
            }
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_icmp_error_goes_where_its_flow_goes() {
        let v4 = |from: u8, to: u8, protocol: u8, payload: &[u8]| {
            let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, from, 192, 0, 2, to];
            packet.extend(payload);
            packet
        };
        let v6 = |from: u8, to: u8, next: u8, payload: &[u8]| {
            let mut packet = vec![0x60, 0, 0, 0, 0, 0, next, 64];
            for last in [from, to] {
                packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last, last.wrapping_mul(7)]);
            }
            packet.extend(payload);
            packet
        };
        let frame = |ethertype: [u8; 2], packet: &[u8]| [&[2; 12], &ethertype[..], packet].concat();
        let icmp = |kind: u8, about: &[u8]| [&[kind, 1, 0, 0, 0, 0, 0, 0], about].concat();
        let mut apart = 0;
        for n in 1..60 {
            let flow = v4(n, n * 3, 17, &[0; 8]);
            let own = handle_of(&frame([8, 0], &flow));
            for kind in [3, 4, 5, 11, 12] {
                let error = v4(200, n, 1, &icmp(kind, &flow));
                assert_eq!(handle_of(&frame([8, 0], &error)), own, "type {kind}");
            }
            // An echo is a flow of its own, and so is an error behind options or one that is cut.
            let echo = v4(200, n, 1, &icmp(8, &flow));
            apart += u32::from(handle_of(&frame([8, 0], &echo)) != own);
            assert_eq!(handle_of(&frame([8, 0], &v4(200, n, 1, &[3, 1, 0, 0]))), 0);
            // A fragment whose data looks like the head of an error.
            let mut later = v4(200, n, 1, &icmp(3, &flow));
            let mut first = v4(200, n, 1, &icmp(8, &flow));
            later[7] = 185;
            first[6] = 0x20;
            assert_eq!(handle_of(&frame([8, 0], &later)), handle_of(&frame([8, 0], &first)));
            let flow = v6(n, n * 3, 6, &[0; 20]);
            let own = handle_of(&frame([0x86, 0xdd], &flow));
            for kind in [1, 2, 3, 4, 100] {
                let error = v6(200, n, 58, &icmp(kind, &flow));
                assert_eq!(handle_of(&frame([0x86, 0xdd], &error)), own, "type {kind}");
            }
            let advert = v6(200, n, 58, &icmp(136, &flow));
            apart += u32::from(handle_of(&frame([0x86, 0xdd], &advert)) != own);
        }
        assert_eq!(apart, 118, "what is no error is spread by its own addresses");
        assert_eq!(handle_of(&frame([8, 6], &[0; 28])), 0);
    }

    /// Set in the child that runs within its own network namespace.
    const INSIDE: &str = "OVERHEAR_TEST_INSIDE_NAMESPACE";

    /// Runs this test again in a network namespace of its own, where nothing else sends.
    #[test]
    fn two_handles_on_a_veth_share_frames_by_address_pair() {
        if std::env::var_os(INSIDE).is_some() {
            return inside();
        }
        let me = std::env::current_exe().unwrap();
        let mut child = Command::new(me);
        child.args([
            "--exact",
            "source::live::tests::two_handles_on_a_veth_share_frames_by_address_pair",
            "--nocapture",
        ]);
        child.env(INSIDE, "1");
        // SAFETY: between fork and exec only this system call is made, which is safe there.
        unsafe {
            child.pre_exec(|| match libc::unshare(libc::CLONE_NEWNET) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            })
        };
        match child.output() {
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
                assert!(output.status.success(), "{text}");
                if let Some((_, why)) = text.split_once("SKIPPED: ") {
                    skipped(why.lines().next().unwrap_or_default());
                }
            }
            Err(error) => skipped(&format!("no network namespace: {error}")),
        }
    }

    /// Written past the test harness, which would keep it to itself.
    fn skipped(why: &str) {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "SKIPPED: live capture over veth was NOT tested: {why}");
    }

    fn ip(command: &str) -> bool {
        Command::new("ip").args(command.split(' ')).status().is_ok_and(|status| status.success())
    }

    fn inside() {
        let set_up = [
            "link add one type veth peer name two",
            "link set one up",
            "link set two up",
            "link set lo up",
            "addr add 10.9.0.1/24 dev one",
        ];
        let neighbours = (2..18).map(|host| format!("neigh add 10.9.0.{host} lladdr 02:00:00:00:00:02 dev one"));
        let set_up: Vec<_> = set_up.iter().map(ToString::to_string).chain(neighbours).collect();
        if let Some(failed) = set_up.iter().find(|command| !ip(command)) {
            return skipped(&format!("`ip {failed}` failed"));
        }
        let options = LiveOptions {
            filter: Some("udp dst portrange 4000-4031".into()),
            buffer_bytes: 4 << 20,
            fanout: Some(FanoutGroup { id: 77, workers: 2 }),
            ..LiveOptions::default()
        };
        let open = || LiveCapture::open("two", &options).unwrap();
        let mut handles = [open(), open()];
        assert_eq!(handles[0].link(), LinkType::ETHERNET);
        assert!(
            matches!(LiveCapture::open("three", &LiveOptions::default()), Err(LiveError::Unknown { known, .. }) if known.iter().any(|k| k == "two"))
        );
        // 32 flows of 8 datagrams each, two between the same hosts.
        for port in 4000..4032u16 {
            let socket = UdpSocket::bind(("10.9.0.1", port + 1000)).unwrap();
            for n in 0..8u8 {
                socket.send_to(&[n; 100], (format!("10.9.0.{}", 2 + port % 16), port)).unwrap();
            }
        }
        let mut seen = [[0u32; 32]; 2];
        for (handle, seen) in handles.iter_mut().zip(&mut seen) {
            // Ten waits of a tenth of a second without a frame are the end.
            let mut idle = 0;
            while idle < 10 {
                match handle.next_frame().unwrap() {
                    None => idle += 1,
                    Some(frame) => {
                        assert_eq!((frame.wire, frame.bytes.len()), (142, 142));
                        assert!(frame.ts > Timestamp::from_parts(1_500_000_000, 0), "{}", frame.ts);
                        let port = u16::from_be_bytes([frame.bytes[36], frame.bytes[37]]);
                        seen[usize::from(port - 4000)] += 1;
                    }
                }
            }
        }
        for port in 0..32 {
            assert_eq!(seen[0][port] + seen[1][port], 8, "flow {port} came whole");
            assert!(seen[0][port] == 0 || seen[1][port] == 0, "flow {port} came to one handle");
            let other = (port + 16) % 32;
            assert_eq!(seen[0][port] == 0, seen[0][other] == 0, "{port} and {other} are of one address pair");
        }
        let stats = handles.each_mut().map(|handle| handle.stats().unwrap());
        assert_eq!(stats[0].received + stats[1].received, 256);
        assert_eq!(stats[0].kernel_drops + stats[1].kernel_drops, 0);
        assert!(seen.iter().all(|flows| flows.iter().any(|n| *n > 0)), "both handles work");
    }
}
