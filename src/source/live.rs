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

/// How long a handle waits for the first frame before it reports that there is none, in
/// milliseconds: the caller has other things to look after.
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
        if let Some(filter) = &options.filter {
            handle.filter(filter, true).map_err(|error| LiveError::Filter(text_of(error)))?;
        }
        if let Some(group) = options.fanout.filter(|group| group.workers > 1) {
            join(handle.as_raw_fd(), group).map_err(|error| LiveError::Other {
                interface: interface.to_owned(),
                text: format!("cannot share frames between {} workers: {error}", group.workers),
            })?;
        }
        let link = link_of(handle.get_datalink().0);
        let unit = if has_nanoseconds(&handle) { 1 } else { 1000 };
        Ok(Self { handle, interface: interface.to_owned(), link, unit, last: [0; 3], sums: [0; 3] })
    }

    /// The next frame; none if there was none for a tenth of a second.
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
            Err(pcap::Error::TimeoutExpired) => Ok(None),
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

/// Whether the handle's times count nanoseconds, which was asked for and may have been refused.
fn has_nanoseconds(handle: &pcap::Capture<pcap::Active>) -> bool {
    unsafe extern "C" {
        fn pcap_get_tstamp_precision(handle: *mut c_void) -> libc::c_int;
    }
    // SAFETY: the pointer is that of an activated handle which outlives the call; the function
    // (pcap_set_tstamp_precision(3PCAP), libpcap 1.5 and later) only reads a field of it.
    unsafe { pcap_get_tstamp_precision(handle.as_ptr().cast()) == 1 }
}

/// Joins a fanout group that spreads frames by the hash of their address pair, which is the same
/// for both directions, with fragments put together first so that they meet.
#[cfg(target_os = "linux")]
fn join(fd: libc::c_int, group: FanoutGroup) -> std::io::Result<()> {
    let mode = libc::PACKET_FANOUT_HASH | libc::PACKET_FANOUT_FLAG_DEFRAG;
    let value: u32 = u32::from(group.id) | (mode << 16);
    // SAFETY: the value is a live u32 and its true size is given; the kernel only reads it.
    let result = unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_PACKET,
            libc::PACKET_FANOUT,
            (&raw const value).cast(),
            size_of::<u32>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn join(_fd: libc::c_int, _group: FanoutGroup) -> std::io::Result<()> {
    Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
}
