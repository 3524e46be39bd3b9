//! Every bound of the program, in one place. A bound that is hit is counted and shows in
//! `capture_stats`; none is hit silently.

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
pub const STREAM_HOLES_MAX: usize = 32;
/// Out-of-order segments that one stream direction may hold.
pub const STREAM_SEGMENTS_MAX: usize = 1024;
/// Bytes that one stream direction may hold for reassembly, and that a parser may leave unconsumed.
pub const STREAM_BYTES_MAX: usize = 1 << 20;
/// Payload bytes per direction after which a flow whose protocol nobody recognised is given up.
pub const PROBE_BYTES_MAX: usize = 4096;

/// Bytes of a secret that are kept.
pub const SECRET_BYTES_MAX: usize = 1024;
/// Bytes of a text value (name, banner, header) that reach a table; longer ones are cut.
pub const TEXT_BYTES_MAX: usize = 4096;
/// Elements of a list value that reach a table.
pub const LIST_ITEMS_MAX: usize = 256;

/// Example packets and flows that one finding names.
pub const FINDING_EXAMPLES_MAX: usize = 64;
/// Different findings that one run keeps.
pub const FINDINGS_MAX: usize = 200_000;
/// Devices that one run keeps.
pub const DEVICES_MAX: usize = 200_000;
/// Addresses listed for one device.
pub const DEVICE_ADDRESSES_MAX: usize = 64;
/// (host, address) pairs whose looked-up names are remembered.
pub const NAME_BINDINGS_MAX: usize = 1_000_000;
/// Nested archives, folders and such that input discovery follows.
pub const FOLDER_DEPTH_MAX: usize = 64;

/// Rows of one Parquet row group.
pub const ROW_GROUP_ROWS: usize = 128 * 1024;
/// Bytes of buffered rows of one table after which a row group is written early.
pub const ROW_GROUP_BYTES: usize = 48 << 20;

// sink

/// Row groups of one Parquet file; then a new part begins.
pub const PART_ROW_GROUPS: usize = 64;
