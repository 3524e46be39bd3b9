//! Every bound of the program, in one place. A bound that is hit is counted and shows in
//! `capture_stats`; none is hit silently.

mod encryption;
mod recognition;

pub use encryption::*;
pub use recognition::*;

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
/// Bytes that all that is known of devices may take, with what settling makes of it; those not seen for the
/// longest are then judged and written out. A device with one fact takes about 3 KiB, with ten 5 KiB.
pub const DEVICE_BYTES_MAX: usize = 320 << 20;
/// Devices written out of which is remembered that they were there, and with which address.
pub const DEVICES_WRITTEN_MAX: usize = 819_200;
/// Devices up to which what they were taken for is kept from judging until their rows are written; it takes about
/// 1 KiB for each.
pub const VERDICTS_KEPT_MAX: usize = 32_768;
/// Facts (host names and the like) about one device that are kept.
pub const DEVICE_FACTS_MAX: usize = 256;
/// Parts of time in which is told whether a device had an address; see `device::times`.
pub const TIME_PARTS_MAX: usize = 16;
/// MACs that one handset is believed to take, each for a time: what more of them have in common proves nothing.
pub const HANDSET_MACS_MAX: usize = 16;
/// Hexadecimal digits in a row that make a host name one that no second device has: 40 bits.
pub const UNIQUE_NAME_DIGITS_MIN: usize = 10;
/// Bytes of a DHCP client identifier that make it one that no second device has.
pub const UNIQUE_CLIENT_ID_BYTES_MIN: usize = 9;
/// Devices that the summary of a run names.
pub const SHOWN_DEVICES_MAX: usize = 32;
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
/// Longest block of decryption secrets that is read.
pub const PCAPNG_SECRETS_BYTES_MAX: usize = 16 << 20;
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
// Signatures, policy, devices and detectors.

/// Bytes of one signature or policy file.
pub const SIGNATURE_FILE_BYTES_MAX: usize = 4 << 20;
/// Signature files that one folder may hold.
pub const SIGNATURE_FILES_MAX: usize = 256;
/// Rules of one set.
pub const RULES_MAX: usize = 10_000;
/// Rows of one list of signatures.
pub const LIST_ROWS_MAX: usize = 100_000;
/// Errors in one list of signatures or of accepted findings that are told.
pub const LIST_ERRORS_MAX: usize = 100;
/// Entries of one list of expected destinations.
pub const EXPECT_ENTRIES_MAX: usize = 10_000;
/// Entries of one list of accepted findings.
pub const SUPPRESS_ENTRIES_MAX: usize = 2_000;
/// Bytes of the reason for accepting a finding.
pub const SUPPRESS_REASON_BYTES_MAX: usize = 512;
/// Senders of tunnels with frames in them that a live run collects before they are told. A batch of a file holds each
/// of its own once, which are no more than its frames.
pub const TUNNEL_SENDERS_MAX: usize = 4_096;
/// (MAC, address) pairs and other claims that one shard collects before they are handed on.
pub const CLAIMS_PENDING_MAX: usize = 8_192;
/// Addresses from outside that are kept of each MAC that forwards them: enough to know a router.
pub const FOREIGN_SAMPLES_MAX: usize = 4;
/// Different (ends, port, service) of flows that one run counts for the services and peers of devices.
pub const DEVICE_LINKS_MAX: usize = 204_800;
/// Names asked for that are kept of each of these beside the first, as hashes.
pub const LINK_SITES_MAX: usize = 4;
/// Banners of services that one run keeps.
pub const DEVICE_BANNERS_MAX: usize = 51_200;
/// Devices that somebody polls by SNMP before he counts as a management station: two printers are polled by any
/// workstation.
pub const MANAGED_DEVICES_MIN: usize = 3;
/// Bytes of an inventory of devices.
pub const INVENTORY_BYTES_MAX: usize = 64 << 20;
/// Rows of an inventory of devices.
pub const INVENTORY_ROWS_MAX: usize = 204_800;
/// Bytes of one cell of an inventory.
pub const INVENTORY_CELL_BYTES_MAX: usize = 1024;
/// Cells of one row of an inventory.
pub const INVENTORY_COLUMNS_MAX: usize = 512;
/// Entries of an inventory that were not seen which `run.json` names.
pub const INVENTORY_NOT_SEEN_MAX: usize = 100;
/// Pieces of one pattern of a device signature.
pub const PATTERN_TOKENS_MAX: usize = 32;
/// Steps that holding one pattern against one value may take.
pub const PATTERN_STEPS_MAX: u32 = 4_096;
/// Labels of a looked-up name, counted from its end, that are held against the names that tell of devices.
pub const NAME_LABELS_MAX: usize = 8;
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
// Databases, caches and message brokers.

/// Bytes of a name (user, database, application, version) that a session keeps.
pub const DATABASE_NAME_BYTES_MAX: usize = 256;
/// Bytes of one message that are looked at for a login; longer ones are passed over.
pub const DATABASE_MESSAGE_BYTES_MAX: usize = 16 << 10;
/// Messages of one side after which a session that shows no login is given up.
pub const DATABASE_MESSAGES_MAX: u32 = 64;
/// Arguments of one Redis command that are looked at.
pub const REDIS_ARGUMENTS_MAX: usize = 8;
/// Redis commands of one flow that wait for their replies.
pub const REDIS_PENDING_MAX: usize = 64;
/// Redis logins of one flow that wait for their replies beside them.
pub const REDIS_LOGINS_MAX: usize = 64;
/// Redis commands after which a flow is given up that has shown a login, or that none is needed.
pub const REDIS_COMMANDS_MAX: u32 = 1024;
/// Elements of one BSON document that are looked at: an element takes at least two bytes, so that none of
/// a message that is read stands beyond them.
pub const BSON_ELEMENTS_MAX: usize = DATABASE_MESSAGE_BYTES_MAX / 2;
// Things, buildings and machines.

/// Different topics of one MQTT flow that get a row each.
pub const MQTT_TOPICS_MAX: usize = 64;
/// Bytes of an MQTT name (client, user, topic) that are kept.
pub const MQTT_NAME_BYTES_MAX: usize = 512;
/// Bytes of an MQTT CONNECT packet that are looked at.
pub const MQTT_CONNECT_BYTES_MAX: usize = 64 << 10;
/// Different operations of one flow with a controller that get a row each.
pub const CONTROLLER_OPERATIONS_MAX: usize = 64;
/// Bytes of a text of a controller (name, model, path) that are kept.
pub const CONTROLLER_TEXT_BYTES_MAX: usize = 256;
/// Options of one CoAP message that are looked at.
pub const COAP_OPTIONS_MAX: usize = 64;
/// Requests of CoAP on an unusual port that wait for an answer.
pub const COAP_HELD_MAX: usize = 8;
/// Tags of one BACnet message that are looked at.
pub const BACNET_TAGS_MAX: usize = 256;

// Voice, video and printing.

/// Bytes of the head of a SIP or RTSP message (start line and fields).
pub const MESSAGE_HEAD_BYTES_MAX: usize = 16 << 10;
/// Bytes of the body of a SIP or RTSP message that are read; longer ones are passed over.
pub const MESSAGE_BODY_BYTES_MAX: usize = 32 << 10;
/// Bytes of one field of a SIP or RTSP message that are kept.
pub const MESSAGE_FIELD_BYTES_MAX: usize = 512;
/// Media of one session description that are kept.
pub const SDP_MEDIA_MAX: usize = 8;
/// SIP requests of one flow that wait for their responses, and answered ones that are remembered.
pub const SIP_PENDING_MAX: usize = 32;
/// RTSP requests of one flow that wait for their responses.
pub const RTSP_PENDING_MAX: usize = 16;
/// Different logins of one voice or video flow that are remembered, so that each is reported once.
pub const VOICE_LOGINS_MAX: usize = 16;
/// RTP streams (synchronization sources) of one flow that are counted.
pub const RTP_STREAMS_MAX: usize = 8;
/// STUN requests of one flow that wait for their responses, and different rows of one flow.
pub const STUN_PENDING_MAX: usize = 16;
/// Bytes of a STUN message with a login that are kept until its response.
pub const STUN_MESSAGE_BYTES_MAX: usize = 1024;
/// Rows of one STUN or MGCP flow: the same checks and answers come again and again.
pub const STUN_ROWS_MAX: usize = 64;
/// MGCP and IAX2 exchanges of one flow that wait for their answers.
pub const MGCP_PENDING_MAX: usize = 16;
/// Bytes of a binary signalling message (SCCP, H.225) that are read.
pub const SIGNALLING_BYTES_MAX: usize = 8 << 10;
/// PJL commands of one flow that wait for their answers.
pub const PJL_PENDING_MAX: usize = 16;
/// Bytes of the answer to a PJL command that are kept.
pub const PJL_REPLY_BYTES_MAX: usize = 1024;
/// Bytes of a print job that are searched for a head which tells who prints.
pub const PRINT_HEAD_BYTES_MAX: usize = 4 << 10;
/// Bytes of an LPD control file; longer ones are passed over.
pub const LPD_CONTROL_BYTES_MAX: usize = 16 << 10;
// Management: snmp, syslog, ntp, radius, tacacs.

/// Variables of one SNMP message that are looked at.
pub const SNMP_BINDINGS_MAX: usize = 256;
/// Bytes of an SNMP community that is believed to be one.
pub const SNMP_COMMUNITY_BYTES_MAX: usize = 255;
/// Different communities and users of one SNMP flow that are remembered, so that each is told once.
pub const SNMP_LOGINS_MAX: usize = 16;
/// SNMP requests of one flow that are remembered until they are answered.
pub const SNMP_PENDING_MAX: usize = 32;
/// Bytes of an authenticated SNMPv3 message that are kept as the proof of its login; a longer one has none.
pub const SNMP_PROOF_BYTES_MAX: usize = 2048;
/// Longest SNMP message that is read from a stream.
pub const SNMP_MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Object identifiers of one SNMP message that reach its row.
pub const SNMP_OIDS_MAX: usize = 16;
/// Bytes of a syslog message that reach its row.
pub const SYSLOG_TEXT_BYTES_MAX: usize = 256;
/// Longest syslog message that is read from a stream (RFC 5425, section 4.3.1, asks for 8 KiB).
pub const SYSLOG_MESSAGE_BYTES_MAX: usize = 16 << 10;
/// RADIUS requests of one flow that wait for their answers; when one more comes, the oldest is written as unanswered.
pub const RADIUS_PENDING_MAX: usize = 32;
/// Bytes of a RADIUS message (RFC 2865, section 3).
pub const RADIUS_MESSAGE_BYTES_MAX: usize = 4096;
/// Bytes of a TACACS+ body (real ones have some hundred).
pub const TACACS_BODY_BYTES_MAX: usize = 64 << 10;
// Files: tftp, ftp-data, provisioning.

/// Bytes of a configuration file that are searched for accounts.
pub const SETTINGS_BYTES_MAX: usize = 64 << 10;
/// Settings of one configuration file that are looked at.
pub const SETTINGS_MAX: usize = 4096;
/// Accounts of one configuration file that are told.
pub const SETTINGS_LOGINS_MAX: usize = 32;
/// Options of one TFTP request that are looked at.
pub const TFTP_OPTIONS_MAX: usize = 16;
// The web and proxies.

/// Bytes of a user identifier or a name in a SOCKS request of version 4.
pub const SOCKS_TEXT_BYTES_MAX: usize = 255;
/// Bytes of the header table of one direction of an HTTP/2 connection (RFC 7541, section 4.1): what a
/// peer may ask for is not bounded; 4 KiB is usual.
pub const HTTP2_TABLE_BYTES_MAX: usize = 64 << 10;
/// Requests of one HTTP/2 connection that wait for their answers; the oldest is written as unanswered.
pub const HTTP2_STREAMS_MAX: usize = 128;
/// Bytes that all these requests may keep together: fields and bodies. Beyond it the oldest is written
/// as unanswered.
pub const HTTP2_WAITING_BYTES_MAX: usize = 1 << 20;
/// Different login fields of one HTTP/2 request that are read.
pub const HTTP2_LOGINS_MAX: usize = 4;
/// Bytes of a compressed body after decompression.
pub const HTTP_INFLATED_BYTES_MAX: usize = 128 << 10;
/// Bytes that all compressed bodies of one flow may become; those after them are not read.
pub const HTTP_FLOW_INFLATED_BYTES_MAX: usize = 4 << 20;
/// Bytes of an XML or JSON body that are searched for what a device says of itself.
pub const HTTP_DEVICE_BYTES_MAX: usize = 32 << 10;
/// Bytes of an IPP message that are read: its attributes, which stand before the document.
pub const IPP_BYTES_MAX: usize = 128 << 10;
/// Attributes of one IPP message.
pub const IPP_ATTRIBUTES_MAX: usize = 1024;
/// Things of one HTTP flow that were told of its two devices, so that each is told once.
pub const HTTP_FACTS_MAX: usize = 32;

// Protocols: discovery and configuration.

/// Bytes of one DHCP option that came in several parts (RFC 3396 sets no bound).
pub const DHCP_OPTION_BYTES_MAX: usize = 4096;
/// Options of one Router Advertisement that are looked at.
pub const NDP_OPTIONS_MAX: usize = 32;
/// Relay agents that one DHCPv6 message may have come over (RFC 8415, section 7.6: HOP_COUNT_LIMIT).
pub const DHCPV6_RELAYS_MAX: usize = 8;
/// Options of one DHCPv6 message that are looked at.
pub const DHCPV6_OPTIONS_MAX: usize = 256;
/// Bytes of one SLP message over TCP; longer ones are passed over.
pub const SLP_MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Things that one multicast DNS message tells of devices: a speaker with all its services and three
/// addresses tells some 200.
pub const MDNS_FACTS_MAX: usize = 256;
/// Header fields of one SSDP message.
pub const SSDP_FIELDS_MAX: usize = 64;
/// Marks of one XML document that are looked at.
pub const XML_ELEMENTS_MAX: usize = 4096;
/// Port mappings of one flow that were asked for and not answered; the oldest is forgotten.
pub const PORTMAP_PENDING_MAX: usize = 16;
/// Elements of one LLDP or CDP frame.
pub const LINK_ELEMENTS_MAX: usize = 128;
/// Challenges, identities and answers of 802.1X that a shard remembers, each; the oldest is forgotten.
pub const EAP_DIALOGUES_MAX: usize = 256;
// Directories, shares and logins of office networks: smb, netbios, dcerpc, ldap, kerberos, rdp, rpc.

/// Bytes of one SMB message that are looked at; what is longer carries file contents.
pub const SMB_MESSAGE_BYTES_MAX: usize = 64 << 10;
/// SMB requests of one flow that wait for their answers; the oldest is written as unanswered.
pub const SMB_PENDING_MAX: usize = 32;
/// SMB logins of one flow that are under way at one time.
pub const SMB_SESSIONS_MAX: usize = 16;
/// Different file names of one SMB flow that get a row.
pub const SMB_FILES_MAX: usize = 256;
/// Messages that one SMB packet may chain.
pub const SMB_CHAIN_MAX: usize = 16;
/// Bytes of a share's or file's name, or of another text of SMB.
pub const SMB_TEXT_BYTES_MAX: usize = 512;
/// Different names of one NetBIOS flow that get a row.
pub const NETBIOS_NAMES_MAX: usize = 64;
/// Interfaces that one DCE/RPC connection may bind.
pub const DCERPC_CONTEXTS_MAX: usize = 32;
/// Different operations of one DCE/RPC connection that get a row.
pub const DCERPC_OPERATIONS_MAX: usize = 64;
/// DCE/RPC messages without anything new after which a connection is given up.
pub const DCERPC_IDLE_MAX: u32 = 512;
/// Bytes of one LDAP message that are looked at; a longer one is passed over.
pub const LDAP_MESSAGE_BYTES_MAX: usize = 256 << 10;
/// LDAP requests of one flow that wait for their answers.
pub const LDAP_PENDING_MAX: usize = 64;
/// Rows that one LDAP flow may write.
pub const LDAP_ROWS_MAX: usize = 1024;
/// Bytes of the text that a search filter becomes.
pub const LDAP_FILTER_BYTES_MAX: usize = 512;
/// Parts of a search filter one inside another that are shown.
pub const LDAP_FILTER_DEPTH_MAX: usize = 8;
/// Attributes of one LDAP message that are looked at.
pub const LDAP_ATTRIBUTES_MAX: usize = 64;
/// Bytes of a Kerberos name.
pub const KERBEROS_NAME_BYTES_MAX: usize = 255;
/// Longest Kerberos message in a stream: tickets with many groups stay under 64 KiB.
pub const KERBEROS_MESSAGE_BYTES_MAX: usize = 128 << 10;
/// Kerberos requests of one flow that wait for their answers.
pub const KERBEROS_PENDING_MAX: usize = 8;
/// Bytes of the first messages of RDP (TPKT carries at most 64 KiB).
pub const RDP_MESSAGE_BYTES_MAX: usize = 16 << 10;
/// RDP messages of one direction after which a connection is given up.
pub const RDP_MESSAGES_MAX: u32 = 64;
/// ONC RPC calls of one flow that wait for their replies.
pub const RPC_PENDING_MAX: usize = 32;
/// Different procedures of one ONC RPC flow that get a row.
pub const RPC_ROWS_MAX: usize = 64;
/// Bytes at the front of an ONC RPC record that are looked at.
pub const RPC_HEAD_BYTES_MAX: usize = 1024;
/// ONC RPC messages without anything new after which a flow is given up.
pub const RPC_IDLE_MAX: u32 = 1024;
// Logins: known passwords, guessing.

/// Cost of testing one known password against an answer, in compressions of a hash function: 16
/// thousand rounds of PBKDF2, or SNMPv3's keys. What costs more is not tested.
pub const PROOF_GUESS_WORK_MAX: u32 = 34_000;
/// Cost of all tests that one shard makes in a run, in the same unit: some seconds at most. Nothing is
/// tested any more when it is used up.
pub const PROOF_WORK_MAX: u64 = 16_000_000;
/// Bytes of a line for a password cracker; longer ones are left out.
pub const CRACKABLE_BYTES_MAX: usize = 16 << 10;
/// Logins that a list of factory defaults may hold.
pub const DEFAULT_LOGINS_MAX: usize = 10_000;
/// Bytes of one cell of such a list.
pub const DEFAULT_CELL_BYTES_MAX: usize = 128;
/// Passwords of the list that one answer is tested with.
pub const DEFAULT_GUESSES_MAX: usize = 256;
/// Answers of one user at one service of one server that are tested; those after them are not.
pub const PROOF_TESTS_PER_LOGIN_MAX: u8 = 32;
/// Users, services and servers whose tests each shard remembers; then it forgets all of them.
pub const PROOF_LOGINS_MAX: usize = 4096;

/// Keys made of passwords that are kept, so that none is made twice.
pub const PROOF_KEYS_MAX: usize = 4096;
/// Bytes of password and salt of a key that is kept; one of more is made each time.
pub const PROOF_KEY_BYTES_MAX: usize = 512;

/// Servers that ask for a login with HTTP that are remembered.
pub const ASKING_SERVERS_MAX: usize = 65_536;
/// Logins with HTTP that wait until it is known whether their server asks for one.
pub const ASKING_LOGINS_MAX: usize = 8192;

/// Pairs of a client and a service whose failed logins are remembered.
pub const GUESSING_PAIRS_MAX: usize = 65_536;
/// Failed logins of one pair that are remembered at one time.
pub const GUESSING_ATTEMPTS_MAX: usize = 64;
/// Secrets of which is remembered where they were used.
pub const SHARED_SECRETS_MAX: usize = 50_000;
/// Servers that are remembered of each of them.
pub const SHARED_SECRET_SERVERS_MAX: usize = 32;
/// Uses that are remembered of each secret at each server, to tell a proxy that only passes it on.
pub const SHARED_SECRET_USES_MAX: usize = 4;
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
