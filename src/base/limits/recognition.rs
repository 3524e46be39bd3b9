//! Limits of fingerprints that others wrote, and of what is known of software.

/// Bytes of one file of Recog.
pub const RECOG_FILE_BYTES_MAX: usize = 16 << 20;
/// Files of Recog in one folder.
pub const RECOG_FILES_MAX: usize = 256;
/// Elements, texts and comments of one file of Recog.
pub const RECOG_NODES_MAX: u32 = 1 << 20;
/// Bytes of one regular expression of Recog.
pub const RECOG_PATTERN_BYTES_MAX: usize = 16 << 10;
/// States of one regular expression of Recog when it is written out: what is larger could take more memory than the
/// engine allows itself, 10 MiB.
pub const RECOG_PATTERN_STATES_MAX: usize = 20_000;
/// Groups within groups of one regular expression of Recog.
pub const RECOG_NESTING_MAX: u32 = 64;
/// Bytes of states that one regular expression of Recog remembers while it is used.
pub const RECOG_DFA_BYTES_MAX: usize = 256 << 10;
/// Values whose hits in Recog are remembered.
pub const RECOG_VALUES_MAX: usize = 65_536;
/// Bytes of a value that comes out of Recog's params.
pub const RECOG_VALUE_BYTES_MAX: usize = 512;
/// Products that are looked for in one header.
pub const SOFTWARE_PER_VALUE_MAX: usize = 16;
/// Products of all devices that one run keeps, each with its versions and sources.
pub const SOFTWARE_MAX: usize = 409_600;
/// Sightings of software without updates that wait until it is known which devices there are.
pub const OUTDATED_MAX: usize = 65_536;
