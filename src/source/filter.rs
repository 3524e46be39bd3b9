//! Capture filters: libpcap's language, compiled once per link type and applied to each frame.
//!
//! libpcap would ask the DNS for a host name in a filter. This program sends nothing, so a filter
//! that names a host is refused before libpcap sees it.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::bpf::{Instruction, Program};
use crate::base::limits;
use crate::frame::LinkType;

/// Older versions of libpcap compile with global state.
static COMPILER: Mutex<()> = Mutex::new(());

/// Says whether a text is a filter at all: whether some usual link type can express it.
///
/// # Errors
/// What is wrong with it, for the user.
pub fn check_filter(text: &str) -> Result<(), String> {
    let usual = [
        LinkType::ETHERNET,
        LinkType::RAW,
        LinkType::LINUX_SLL,
        LinkType::IEEE802_11_RADIOTAP,
        LinkType::IEEE802_11,
        LinkType::NULL,
        LinkType::PPP,
    ];
    let mut first = None;
    for link in usual {
        match compile(text, link) {
            Ok(_) => return Ok(()),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_default())
}

/// The number that libpcap itself uses on this system for a link type that a file names.
pub(super) fn dlt_of(link: LinkType) -> i32 {
    match link.0 {
        100 => 11,
        101 => 12,
        102 => 15,
        103 => 16,
        106 => 19,
        other => i32::try_from(other).unwrap_or(i32::MAX),
    }
}

/// The number in the file registry for one that libpcap uses on this system.
pub(super) fn link_of(dlt: i32) -> LinkType {
    match dlt {
        11 => LinkType(100),
        12 | 14 => LinkType::RAW,
        15 => LinkType(102),
        16 => LinkType(103),
        19 => LinkType(106),
        other => LinkType(u32::try_from(other).unwrap_or(u32::MAX)),
    }
}

/// Compiles a filter for one link type.
fn compile(text: &str, link: LinkType) -> Result<Program, String> {
    if text.len() > limits::FILTER_TEXT_MAX {
        return Err(format!("the filter is longer than {} bytes", limits::FILTER_TEXT_MAX));
    }
    if let Some(name) = host_name_in(text) {
        return Err(format!(
            "the filter names \"{name}\", which would have to be looked up; this program sends nothing, so write an address"
        ));
    }
    let _guard = COMPILER.lock().unwrap_or_else(PoisonError::into_inner);
    let handle = pcap::Capture::dead(pcap::Linktype(dlt_of(link))).map_err(|e| e.to_string())?;
    let compiled = handle.compile(text, true).map_err(|e| match e {
        pcap::Error::PcapError(text) => text,
        other => other.to_string(),
    })?;
    let mut program = Vec::new();
    for instruction in compiled.get_instructions() {
        // The fields are private; this is how the crate shows them.
        let shown = instruction.to_string();
        let mut numbers = shown.split_ascii_whitespace().map(str::parse::<u32>);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(code)), Some(Ok(jump_true)), Some(Ok(jump_false)), Some(Ok(k))) => program.push(Instruction {
                code: code as u16,
                jump_true: jump_true as u8,
                jump_false: jump_false as u8,
                k,
            }),
            _ => return Err(format!("instruction not understood: {shown}")),
        }
    }
    Ok(Program(program))
}

/// A filter and its compiled form for each link type that turned up.
#[derive(Debug, Default)]
pub(super) struct LinkFilters {
    text: Option<String>,
    programs: Vec<(LinkType, Result<Program, String>)>,
    /// Frames left out by the filter.
    pub(super) rejected: u64,
    /// Frames of link types that the filter cannot be expressed for.
    pub(super) impossible: u64,
}

impl LinkFilters {
    pub(super) fn new(text: Option<String>) -> Self {
        Self { text, ..Self::default() }
    }

    /// Whether there is a filter.
    #[inline]
    pub(super) fn is_set(&self) -> bool {
        self.text.is_some()
    }

    /// Compiles the filter for a link type unless that was done, and says where it is kept.
    pub(super) fn index_of(&mut self, link: LinkType) -> usize {
        let Some(text) = &self.text else { return 0 };
        if let Some(at) = self.programs.iter().position(|(known, _)| *known == link) {
            return at;
        }
        self.programs.push((link, compile(text, link)));
        self.programs.len() - 1
    }

    /// Whether the filter lets a frame through.
    #[inline]
    pub(super) fn admits(&mut self, index: usize, bytes: &[u8], wire: u32) -> bool {
        match self.programs.get(index) {
            Some((_, Ok(program))) => {
                let accepts = program.accepts(bytes, wire);
                self.rejected += u64::from(!accepts);
                accepts
            }
            Some((_, Err(_))) => {
                self.impossible += 1;
                false
            }
            None => true,
        }
    }

    /// What to tell the user about frames that the filter could not be applied to.
    pub(super) fn complaint(&self) -> Option<String> {
        if self.impossible == 0 {
            return None;
        }
        let (link, error) = self.programs.iter().find_map(|(link, p)| p.as_ref().err().map(|e| (link, e)))?;
        Some(format!(
            "the filter cannot be applied to frames of link type {}: {error}; {} frames were left out",
            link.0, self.impossible
        ))
    }
}

/// The first word of a filter that libpcap would look up as a host or network name.
pub(super) fn host_name_in(text: &str) -> Option<&str> {
    let mut named = Named::Host;
    let mut depth = 0u32;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | ':' | '-' | '\\' | '$');
        if !is_word(first) {
            match first {
                // An accessor such as tcp[tcpflags]: offsets and constants only.
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        }
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        rest = behind;
        if depth > 0 {
            continue;
        }
        match word {
            "host" | "src" | "dst" | "gateway" | "net" | "ra" | "ta" | "addr1" | "addr2" | "addr3" | "addr4" => {
                named = Named::Host;
            }
            "port" | "portrange" | "proto" | "protochain" | "ifname" | "on" | "reason" | "rset" | "ruleset"
            | "action" | "type" | "subtype" | "dir" | "llc" => named = Named::Other,
            _ if KEYWORDS.binary_search(&word).is_ok() => {}
            _ if named == Named::Other || is_address(word) => {}
            _ if ["tcp-", "icmp-", "icmp6-"].iter().any(|prefix| word.starts_with(prefix)) => {}
            _ => return Some(word),
        }
    }
    None
}

/// What a bare word in a filter stands for.
#[derive(PartialEq, Eq)]
enum Named {
    Host,
    Other,
}

/// Whether a word is a number, a network address (also a shortened one) or a MAC address.
fn is_address(word: &str) -> bool {
    if word.parse::<IpAddr>().is_ok() || word.starts_with('$') || word.starts_with('\\') {
        return true;
    }
    if let Some(hex) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        return hex.chars().all(|c| c.is_ascii_hexdigit());
    }
    if word.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '-') {
        return true;
    }
    let hex_groups = |separator: char, digits: usize, groups: usize| {
        word.split(separator).count() == groups
            && word
                .split(separator)
                .all(|g| (1..=digits).contains(&g.len()) && g.chars().all(|c| c.is_ascii_hexdigit()))
    };
    [(':', 2, 6), ('-', 2, 6), ('.', 2, 6), ('.', 4, 3), (':', 12, 1)].iter().any(|&(s, d, g)| hex_groups(s, d, g))
        && (word.len() >= 11)
}

/// Words of the filter language that are not names (pcap-filter(7)), sorted.
const KEYWORDS: &[&str] = &[
    "aarp",
    "ah",
    "and",
    "arp",
    "atalk",
    "bcc",
    "broadcast",
    "byte",
    "carp",
    "clnp",
    "connectmsg",
    "csnp",
    "decnet",
    "dpc",
    "erspan",
    "es-is",
    "esis",
    "esp",
    "ether",
    "fddi",
    "fisu",
    "geneve",
    "greater",
    "hdpc",
    "hfisu",
    "hlssu",
    "hmsu",
    "hopc",
    "hsio",
    "hsls",
    "icmp",
    "icmp6",
    "igmp",
    "igrp",
    "iih",
    "ilmic",
    "inbound",
    "ip",
    "ip6",
    "ipx",
    "is-is",
    "isis",
    "iso",
    "l1",
    "l2",
    "lane",
    "lat",
    "len",
    "less",
    "link",
    "lsp",
    "lssu",
    "lsu",
    "mask",
    "metac",
    "metaconnect",
    "mopdl",
    "moprc",
    "mpls",
    "msu",
    "multicast",
    "netbeui",
    "not",
    "oam",
    "oamf4",
    "oamf4ec",
    "oamf4sc",
    "opc",
    "or",
    "outbound",
    "pim",
    "ppp",
    "pppoed",
    "pppoes",
    "psnp",
    "radio",
    "rarp",
    "rnr",
    "rulenum",
    "sc",
    "sctp",
    "sio",
    "slip",
    "sls",
    "snp",
    "srnr",
    "stp",
    "subrulenum",
    "tcp",
    "tr",
    "udp",
    "vci",
    "vlan",
    "vpi",
    "vrrp",
    "vxlan",
    "wlan",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keywords_are_sorted() {
        assert!(KEYWORDS.is_sorted());
    }

    #[test]
    fn filters_are_accepted_or_refused_with_a_reason() {
        for good in [
            "",
            "tcp port 80",
            "port http or https",
            "host 10.0.0.1 and not udp",
            "net 10 or net 172.16",
            "src net 192.168.0.0/16 and dst host 2001:db8::1",
            "ether host 00:11:22:aa:bb:cc",
            "ether host 0011.22aa.bbcc",
            "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
            "wlan type mgt subtype beacon",
            "vlan 100 and ip proto \\tcp",
            "greater 100",
            "ether proto 0x88cc",
            "udp portrange 6000-6008",
            "icmp[icmptype] = icmp-echo",
            "len > 100 && (arp || rarp)",
            "icmp6 and ip6 protochain 6",
        ] {
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
        for bad in ["tcp prot 80", "host", "port 99999999", "((tcp)", "tcp\0udp"] {
            assert!(check_filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_name_is_refused_because_looking_it_up_would_send_packets() {
        for named in
            ["host printer.example", "src printer", "tcp and example.com", "host 1.2.3.4 or dead.beef", "net cafe"]
        {
            let error = check_filter(named).unwrap_err();
            assert!(error.contains("looked up"), "{named}: {error}");
        }
    }

    #[test]
    fn a_filter_runs_on_the_link_types_that_can_express_it() {
        let mut filters = LinkFilters::new(Some("ether src 00:11:22:33:44:55".into()));
        let (ethernet, raw) = (filters.index_of(LinkType::ETHERNET), filters.index_of(LinkType::RAW));
        assert_eq!(filters.index_of(LinkType::ETHERNET), ethernet);
        let mut frame = [0u8; 60];
        frame[6..12].copy_from_slice(&[0, 0x11, 0x22, 0x33, 0x44, 0x55]);
        assert!(filters.admits(ethernet, &frame, 60));
        frame[11] = 0;
        assert!(!filters.admits(ethernet, &frame, 60));
        assert!(filters.complaint().is_none());
        assert!(!filters.admits(raw, &frame, 60));
        assert_eq!((filters.rejected, filters.impossible), (1, 1));
        assert!(filters.complaint().unwrap().contains("link type 101"));
    }
}
