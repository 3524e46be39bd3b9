//! Limits of what reads encryption: TLS, DTLS, QUIC, SSH, certificates, key logs, lists of indicators.

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
/// Secrets of TLS sessions that a run may be given (key logs, decryption secrets in captures), where an eighth of
/// `--memory` has room for them.
pub const TLS_KEYS_MAX: usize = 4 << 20;
/// Bytes that one of them takes.
pub const TLS_KEY_BYTES: usize = 256;
/// Secrets of one session: six that differ, and what may be said otherwise a second time.
pub const TLS_KEYS_PER_SESSION_MAX: usize = 16;
/// Longest NPF string that is written; the usual ones have some 300 bytes, with SSH 2000.
pub const NPF_BYTES_MAX: usize = 8192;
/// Fingerprints of SYNs that a shard tells apart.
pub const SYN_PRINTS_MAX: usize = 4096;
/// Decrypted bytes of one direction that wait for the rest of a message.
pub const DECRYPTED_BYTES_MAX: usize = 256 << 10;
/// Encrypted records in a row that no key opens, after which a direction is given up.
pub const TLS_UNOPENED_MAX: u32 = 64;
/// Handshake messages of one direction of DTLS that wait for fragments, or for their turn.
pub const DTLS_PENDING_MAX: usize = 16;
/// Bytes of these.
pub const DTLS_PENDING_BYTES_MAX: usize = 160 << 10;
/// Fragments of one such message that do not touch.
pub const DTLS_FRAGMENTS_MAX: usize = 512;
/// Hellos of one direction of DTLS that are recognised when they come again.
pub const DTLS_HELLOS_KEPT: usize = 4;
/// Records of one datagram of DTLS that are looked at.
pub const DTLS_RECORDS_MAX: usize = 256;
/// Parsers beside the first one of a UDP flow that may be the wrong ones, before none is tried any more.
pub const BESIDE_REFUSED_MAX: u8 = 8;
/// Conversations of TLS in the messages of one flow of another protocol that are followed at once.
pub const WRAPPED_SESSIONS_MAX: usize = 8;
/// Bytes of one direction of such a conversation that wait to be read: one message, and its record.
pub const WRAPPED_BYTES_MAX: usize = TLS_MESSAGE_BYTES_MAX + (20 << 10);
/// Messages of one direction of OpenVPN's control channel that wait for their turn; OpenVPN keeps 12.
pub const OPENVPN_WAITING_MAX: usize = 16;
/// Different algorithms of one sort that one message of IKE may offer; strongSwan's default offers some 10.
pub const IKE_ALGORITHMS_MAX: usize = 64;
/// Vendor identifiers of one message of IKE that are kept.
pub const IKE_VENDORS_MAX: usize = 16;
/// Bytes of one of them; most are hashes of 16.
pub const IKE_VENDOR_BYTES_MAX: usize = 32;
/// Bytes of an identity in IKE.
pub const IKE_IDENTITY_BYTES_MAX: usize = 256;
/// Different messages of one flow of IKE that are told.
pub const IKE_MESSAGES_TOLD_MAX: usize = 64;
/// Bytes of a message of JXTA that is read; a larger one is passed over. Pieces of TLS are up to 16 KiB.
pub const JXTA_MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Bytes of a line of FTP with a token of its security data exchange (RFC 2228 sets no bound).
pub const FTP_TOKEN_LINE_BYTES_MAX: usize = 32 << 10;
/// Pieces of one direction of RDP over UDP that wait for their turn; the windows of its openings are 64.
pub const RDPUDP_WAITING_MAX: usize = 64;
/// Bytes of the lines that an SSH server may send before its version (RFC 4253, section 4.2, sets
/// no bound).
pub const SSH_PREAMBLE_BYTES_MAX: usize = 8 << 10;
/// Bytes of one such line, and of the version line (which RFC 4253 allows 255 bytes).
pub const SSH_LINE_BYTES_MAX: usize = 1024;
/// Longest SSH packet that is read (RFC 4253, section 6.1, asks for 35,000 bytes).
pub const SSH_PACKET_BYTES_MAX: usize = 35_000;

// QUIC.

/// Bytes of the handshake messages of one side in QUIC's first packets. A ClientHello with post-quantum key
/// shares has some 2 KiB (RFC 9000, section 7.5, has endpoints take 4 KiB).
pub const QUIC_CRYPTO_BYTES_MAX: usize = 32 << 10;
/// Separate pieces of them with gaps between.
pub const QUIC_CRYPTO_PARTS_MAX: usize = 128;
/// Times that keys are derived for one flow: for each Retry, version and new connection a few.
pub const QUIC_KEYS_MAX: u32 = 256;
/// Connections of one flow, one after the other.
pub const QUIC_CONNECTIONS_MAX: u32 = 64;
/// Datagrams of one flow in a row that tell nothing new, after which it is not looked at any more.
pub const QUIC_IDLE_DATAGRAMS_MAX: u32 = 32;
/// Packets of a server that wait for the client's first one, which makes their keys known.
pub const QUIC_HELD_MAX: usize = 4;
/// Bytes of such a packet.
pub const QUIC_HELD_BYTES_MAX: usize = 2048;
/// Versions of each side that are kept.
pub const QUIC_VERSIONS_MAX: usize = 32;
/// Bytes of a text (user agent, reason of an end) that are kept.
pub const QUIC_TEXT_BYTES_MAX: usize = 512;
// Lists of indicators (`--intel`).

/// Entries that all lists may have together: 1 GiB of memory, which `--memory` must leave.
pub const INTEL_ENTRIES_MAX: usize = 64 << 20;
/// Files that they may be.
pub const INTEL_FILES_MAX: usize = 1024;
/// Different notes (a list and what it says of an entry) that are kept; entries beyond keep the list alone.
pub const INTEL_NOTES_MAX: usize = 1 << 17;
/// Different times that entries hold for; entries with one beyond are left out.
pub const INTEL_SPANS_MAX: usize = 1 << 20;
/// Characters of a note or a title.
pub const INTEL_LABEL_CHARS_MAX: usize = 120;
/// Bytes of a line of a list.
pub const INTEL_LINE_BYTES_MAX: usize = 4096;
/// Bytes of a text in a list of JSON; the rest of it is passed over.
pub const INTEL_STRING_BYTES_MAX: usize = 1 << 20;
/// Warnings about single rows of one list; of the others the number is told.
pub const INTEL_WARNINGS_MAX: usize = 10;
/// Findings that one device may have under one of their rules, each for its own entry and peer; the others
/// share one.
pub const INTEL_FINDINGS_PER_DEVICE_MAX: usize = 64;
/// Comparisons of one STIX pattern.
pub const INTEL_PATTERN_PARTS_MAX: usize = 10_000;
// Certificates.

/// Bytes of a distinguished name as text.
pub const CERTIFICATE_NAME_BYTES_MAX: usize = 2048;
/// Parts of a distinguished name.
pub const CERTIFICATE_NAME_PARTS_MAX: usize = 64;
/// Bytes of one value of a name that are read.
pub const CERTIFICATE_VALUE_BYTES_MAX: usize = 512;
/// Bytes of an object identifier that is written in numbers.
pub const CERTIFICATE_OID_BYTES_MAX: usize = 64;
/// Names of a subjectAltName that are kept.
pub const CERTIFICATE_ALT_NAMES_MAX: usize = 1024;
/// Extensions of one certificate that are read.
pub const CERTIFICATE_EXTENSIONS_MAX: usize = 64;
/// Purposes of one certificate that are kept.
pub const CERTIFICATE_USAGES_MAX: usize = 32;
/// Bytes of a serial number that are shown; RFC 5280 allows 20.
pub const CERTIFICATE_SERIAL_BYTES_MAX: usize = 64;
/// Bytes of certificates that one shard remembers, twice: those met lately, and those before them.
pub const CERTIFICATE_BOOK_BYTES_MAX: usize = 1 << 20;
/// Hosts and certificates of which one shard remembers that the collector knows them.
pub const CERTIFICATE_HOSTS_MAX: usize = 16_384;
/// Certificates of which keys and serial numbers are remembered over the run; one may count up to three
/// times.
pub const CERTIFICATES_KEPT_MAX: usize = 60_000;
/// Certificates that are remembered of each serial number.
pub const CERTIFICATE_SERIALS_MAX: usize = 64;
/// Host names in a certificate up to which it stands for one host.
pub const CERTIFICATE_OWN_NAMES_MAX: usize = 8;
/// Bits of RSA keys that are tested for common primes, together: 4,096 keys of 2,048 bits.
pub const CERTIFICATE_MODULI_BITS_MAX: usize = 8 << 20;
/// Steps (words of the one number times words of the other) of telling apart the RSA keys of which all primes are
/// in others, too: 32,768 pairs of keys of 2,048 bits.
pub const CERTIFICATE_PRIMES_WORK_MAX: usize = 32 << 20;
