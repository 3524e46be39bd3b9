//! Every bound of the program, in one place. A bound that is hit is counted and shows in
//! `capture_stats`; none is hit silently.

/// How much of the limits on tables that a whole run keeps (devices, findings, names, destinations) a
/// run may use: all of it with 1 GiB of memory or more, less of it with less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// In 1,024ths.
    part: usize,
}

impl Room {
    /// Memory with which the limits apply as they stand here.
    const WHOLE: usize = 1 << 30;
    /// Entries that every table may have, whatever the memory.
    const LEAST: usize = 1000;

    /// The room that so many bytes of memory leave.
    pub const fn for_memory(bytes: usize) -> Self {
        let bytes = if bytes < Self::WHOLE { bytes } else { Self::WHOLE };
        Self { part: bytes >> 20 }
    }

    /// A limit as it is in force.
    pub const fn of(self, limit: usize) -> usize {
        let scaled = limit / 1024 * self.part;
        let least = if limit < Self::LEAST { limit } else { Self::LEAST };
        if scaled > least { scaled } else { least }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::for_memory(Self::WHOLE)
    }
}

/// How many shards the flows of a run are spread over. Fixed, so that results do not depend on how
/// many threads happen to work on them.
pub const SHARDS: usize = 16;

/// Bytes that one read from a capture asks for; also the usual size of a batch of frames.
pub const SLAB_BYTES: usize = 1 << 20;
/// Longest frame that is believed. A longer record is corruption, not a frame.
pub const FRAME_BYTES_MAX: usize = 16 << 20;
/// Most frames in one batch.
pub const BATCH_FRAMES_MAX: usize = 1 << 16;

/// Deepest nesting of link, network and tunnel headers that is followed.
pub const NESTING_MAX: usize = 8;
/// Most VLAN tags that are kept of one frame.
pub const VLAN_TAGS_MAX: usize = 4;
/// IP packets that may be in reassembly from fragments at one time.
pub const FRAGMENTED_PACKETS_MAX: usize = 4096;
/// Fragments that one IP packet may come in.
pub const FRAGMENTS_PER_PACKET_MAX: usize = 256;
/// Bytes that all fragments in reassembly may hold together.
pub const FRAGMENT_BYTES_MAX: usize = 32 << 20;
/// How long a fragmented packet may take to become whole (RFC 8200, section 4.5), in nanoseconds.
pub const FRAGMENT_TIMEOUT_NS: i64 = 60_000_000_000;

/// Holes that are remembered per stream direction; more are added up without their place.
pub const STREAM_HOLES_MAX: usize = 64;
/// Out-of-order segments that one stream direction may hold.
pub const STREAM_SEGMENTS_MAX: usize = 1024;
/// Bytes that one stream direction may hold for reassembly, and that a parser may leave unconsumed.
pub const STREAM_BYTES_MAX: usize = 1 << 20;
/// Payload bytes per direction after which a flow whose protocol nobody recognised is given up.
pub const PROBE_BYTES_MAX: usize = 4096;

/// Connections that other flows announced and that have not begun, for each shard; the oldest is forgotten.
pub const ANNOUNCED_MAX: usize = 4096;
/// Bytes of what an announced connection is told of itself.
pub const ANNOUNCED_WORDS_MAX: usize = 255;
/// Protocols that one flow may hold one inside another (a proxy, then what it carries).
pub const HANDOVERS_MAX: u8 = 4;

/// Bytes of a secret that are kept.
pub const SECRET_BYTES_MAX: usize = 1024;
/// Bytes of a text value (name, banner, header) that reach a table; longer ones are cut.
pub const TEXT_BYTES_MAX: usize = 4096;
/// Elements of a list value that reach a table.
pub const LIST_ITEMS_MAX: usize = 256;

/// Example packets and flows that one finding names.
pub const FINDING_EXAMPLES_MAX: usize = 64;
/// Different findings that one run keeps.
pub const FINDINGS_MAX: usize = 102_400;
/// Devices that one run keeps.
pub const DEVICES_MAX: usize = 204_800;
/// Addresses listed for one device.
pub const DEVICE_ADDRESSES_MAX: usize = 64;
/// (host, address) pairs whose looked-up names are remembered.
pub const NAME_BINDINGS_MAX: usize = 1_024_000;
/// Nested archives, folders and such that input discovery follows.
pub const FOLDER_DEPTH_MAX: usize = 64;

/// Rows of one Parquet row group.
pub const ROW_GROUP_ROWS: usize = 128 * 1024;
/// Bytes of buffered rows of one table after which a row group is written early.
pub const ROW_GROUP_BYTES: usize = 48 << 20;

// decode
/// Headers of all kinds that one frame may have (tags, labels and failed attempts included).
pub const LAYERS_MAX: usize = 40;
/// Extension headers that one IPv6 packet may have.
pub const IPV6_EXTENSIONS_MAX: usize = 16;
/// Labels that one MPLS stack may have.
pub const MPLS_LABELS_MAX: usize = 32;
// source: capture inputs.

/// Bytes at the start of a file that decide what it is.
pub const SNIFF_BYTES: usize = 264;
/// Bytes that one step of a look at the first frame of a file reads.
pub const PEEK_READ_BYTES: usize = 64 << 10;
/// Bytes of a capture that are searched for its first frame before it counts as having none.
pub const PEEK_BYTES_MAX: u64 = 64 << 20;
/// Bytes of compressed input that are read at a time.
pub const COMPRESSED_READ_BYTES: usize = 256 << 10;
/// Memory that decompressing one xz file may take (`xz -9` needs 65 MiB).
pub const XZ_MEMORY_MAX: u64 = 128 << 20;
/// Largest window of a zstd file, as a power of two (RFC 8878, section 3.1.1.1.2 recommends 8 MiB
/// at least; `zstd --ultra -22` writes 128 MiB).
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Longest pcapng block that describes something (section, interface, statistics).
pub const PCAPNG_BLOCK_BYTES_MAX: usize = 1 << 20;
/// Interfaces that one capture may describe.
pub const INTERFACES_MAX: usize = 16_384;
/// Options of one pcapng block that are looked at.
pub const PCAPNG_OPTIONS_MAX: usize = 256;
/// Bytes of an interface's name or description that are kept.
pub const INTERFACE_TEXT_MAX: usize = 256;
/// Longest text of a capture filter.
pub const FILTER_TEXT_MAX: usize = 64 << 10;
/// Instructions that a capture filter may execute for one frame; a frame that needs more does not match.
pub const FILTER_STEPS_MAX: usize = 1 << 16;
/// Files that one run takes.
pub const INPUT_FILES_MAX: usize = 1_000_000;
// Protocols: dns, http, telnet, ftp, dhcp.

/// Queries of one flow that wait for their answers; when one more comes, the oldest is written as unanswered.
pub const DNS_PENDING_MAX: usize = 64;
/// Bytes of a DNS name on the wire (RFC 1035, section 3.1).
pub const DNS_NAME_BYTES_MAX: usize = 255;
/// Compression pointers that one DNS name may follow.
pub const DNS_POINTERS_MAX: usize = 32;
/// Names of one chain of aliases (CNAME) that are followed.
pub const DNS_CHAIN_MAX: usize = 16;

/// Bytes of an HTTP head (start line and header fields), or of one chunk-size line or trailer.
pub const HTTP_HEAD_BYTES_MAX: usize = 64 << 10;
/// Header fields of one HTTP message.
pub const HTTP_HEADERS_MAX: usize = 128;
/// Bytes of one header field that are kept between a request and the response to it.
pub const HTTP_FIELD_BYTES_MAX: usize = 1024;
/// Requests of one flow that wait for their responses; when one more comes, the oldest is written as unanswered.
pub const HTTP_PENDING_MAX: usize = 32;
/// Bytes of a request body that are searched for a login form.
pub const HTTP_FORM_BYTES_MAX: usize = 8 << 10;
/// Bytes of a response body that are searched for a title.
pub const HTTP_TITLE_BYTES_MAX: usize = 8 << 10;
/// Bytes of a fetched configuration file that are searched for accounts.
pub const HTTP_SETTINGS_BYTES_MAX: usize = 64 << 10;
/// Different logins of one HTTP flow that are remembered, so that each is reported once.
pub const HTTP_LOGINS_MAX: usize = 64;

/// Bytes of a line of a text protocol; longer ones are cut and the rest of them passed over.
pub const LINE_BYTES_MAX: usize = 2048;
/// FTP commands of one flow that wait for their replies.
pub const FTP_PENDING_MAX: usize = 32;

/// Bytes of a typed or shown telnet line that are kept.
pub const TELNET_LINE_BYTES_MAX: usize = 256;
/// Bytes of the first telnet output that are kept as banner.
pub const TELNET_BANNER_BYTES_MAX: usize = 512;
/// Bytes of a telnet subnegotiation that are kept (RFC 855 sets no limit).
pub const TELNET_SUBNEGOTIATION_BYTES_MAX: usize = 128;
// sink

/// Row groups of one Parquet file; then a new part begins.
pub const PART_ROW_GROUPS: usize = 64;
// TLS and SSH.

/// Bytes of one TLS handshake message that came in more than one record; longer ones are passed
/// over. Real ClientHellos stay under 3 KiB with post-quantum key shares, certificate chains under
/// 32 KiB.
pub const TLS_MESSAGE_BYTES_MAX: usize = 128 << 10;
/// Certificates of one chain that are looked at.
pub const TLS_CHAIN_MAX: usize = 32;
/// Cipher suites of one ClientHello that are kept for detectors; fingerprints see all of them.
pub const TLS_CIPHERS_MAX: usize = 512;
/// Alerts of one handshake that are kept.
pub const TLS_ALERTS_MAX: usize = 8;
/// Records of application data in one direction after which a handshake that could not be followed
/// to its end is given up, so that an encrypted flow costs nothing.
pub const TLS_RECORDS_UNDECIDED_MAX: u32 = 16;
/// Bytes of the lines that an SSH server may send before its version (RFC 4253, section 4.2, sets
/// no bound).
pub const SSH_PREAMBLE_BYTES_MAX: usize = 8 << 10;
/// Bytes of one such line, and of the version line (which RFC 4253 allows 255 bytes).
pub const SSH_LINE_BYTES_MAX: usize = 1024;
/// Longest SSH packet that is read (RFC 4253, section 6.1, asks for 35,000 bytes).
pub const SSH_PACKET_BYTES_MAX: usize = 35_000;
// Signatures, policy, devices and detectors.

/// Bytes of one signature or policy file.
pub const SIGNATURE_FILE_BYTES_MAX: usize = 4 << 20;
/// Signature files that one folder may hold.
pub const SIGNATURE_FILES_MAX: usize = 256;
/// Rules of one set.
pub const RULES_MAX: usize = 10_000;
/// Entries of one list of expected destinations.
pub const EXPECT_ENTRIES_MAX: usize = 10_000;
/// (MAC, address) pairs and other claims that one shard collects before they are handed on.
pub const CLAIMS_PENDING_MAX: usize = 8_192;
/// Addresses from outside that are kept of each MAC that forwards them: enough to know a router.
pub const FOREIGN_SAMPLES_MAX: usize = 4;
/// (MAC, address) pairs that one run keeps.
pub const DEVICE_PAIRS_MAX: usize = 2 * DEVICES_MAX;
/// Facts (host names and the like) about devices that one run keeps.
pub const DEVICE_FACTS_MAX: usize = DEVICES_MAX;
/// Host names listed for one device.
pub const DEVICE_NAMES_MAX: usize = 16;
/// Bytes of a host name or another value of a claim.
pub const CLAIM_VALUE_BYTES_MAX: usize = 255;
/// IPv4 addresses from inside that a MAC may send from, none of them known to be its own, before
/// it is taken for a router.
pub const ROUTER_ADDRESSES_MIN: usize = 4;
/// Devices that are compared as owners of one address.
pub const ADDRESS_OWNERS_MAX: usize = 64;
/// Names that one (host, address) pair may have had, one after the other.
pub const NAME_HISTORY_MAX: usize = 64;
/// Destinations outside that are kept until they are judged at the end.
pub const EGRESS_CANDIDATES_MAX: usize = 204_800;
/// Hosts whose use of DNS is remembered.
pub const EGRESS_HOSTS_MAX: usize = 204_800;
/// Destinations outside that get a finding each, for one device and rule; the rest share one.
pub const EGRESS_PEERS_PER_DEVICE_MAX: usize = 16;
// Mail, news and chat.

/// Bytes of the header of one mail or news message that are read.
pub const MAIL_HEADER_BYTES_MAX: usize = 64 << 10;
/// Bytes of one field of it, or of another text of such a session, that are kept.
pub const MAIL_FIELD_BYTES_MAX: usize = 1024;
/// Commands of one mail, news or chat session that wait for their replies.
pub const MAIL_PENDING_MAX: usize = 128;
/// Capabilities of one mail server that are kept.
pub const MAIL_CAPABILITIES_MAX: usize = 64;
/// Bytes of one XML tag of an XMPP stream; longer ones are passed over.
pub const XML_TAG_BYTES_MAX: usize = 4096;
/// Bytes of the text in one element of an XMPP stream that are kept.
pub const XML_TEXT_BYTES_MAX: usize = 4096;
/// Stanzas of one XMPP stream that are read behind its login.
pub const XMPP_STANZAS_MAX: u32 = 64;
// Remote access.

/// Refused logins of one session that wait for what comes later, and secrets of it that are remembered so
/// that nothing repeats them.
pub const DIALOGUE_SECRETS_MAX: usize = 32;
/// Bytes of a line of rlogin, rsh or rexec before its NUL: a user name or a command.
pub const RLOGIN_FIELD_BYTES_MAX: usize = 1024;
/// Bytes of what a VNC server calls its desktop, or of its reason to refuse, that are kept.
pub const VNC_TEXT_BYTES_MAX: usize = 1024;
/// Capabilities in one list of a Tight VNC server.
pub const VNC_CAPABILITIES_MAX: usize = 64;
/// Bytes of a VNC client that may come before the server has said what they answer.
pub const VNC_EARLY_BYTES_MAX: usize = 4096;
/// Bytes of one ADB message whose text is read; its length may be up to 16 MiB.
pub const ADB_TEXT_BYTES_MAX: usize = 4096;
/// Longest ADB message.
pub const ADB_MESSAGE_BYTES_MAX: u32 = 16 << 20;
/// Services of one ADB connection that are kept.
pub const ADB_SERVICES_MAX: usize = 32;
