//! The arguments. Help, completions and the man page come from here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::base::Mac;
use crate::base::net::Network;
use crate::signature::Severity;

/// What every help that leads to a run ends with.
macro_rules! exit_codes {
    () => {
        "\
Exit codes:
   0  complete
   2  usage or configuration
   3  no input could be read
   4  finished, but some input was truncated, corrupt or lost to a limit
   5  the output could not be written
  10  findings at or above --fail-on"
    };
}

const AFTER: &str = concat!(
    exit_codes!(),
    "

overhear never sends a packet. Secrets are blanked in everything it writes, unless --reveal-secrets asks for them."
);

/// Passive network analysis for enterprise connected devices.
///
/// Reads captures or listens on a mirror port and leaves typed Parquet tables: which devices are
/// there, what they do that they should not, and the exact packets that prove it.
#[derive(Debug, Parser)]
#[command(name = "overhear", version, max_term_width = 100, after_help = AFTER)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Turn captures into tables
    Read(Read),
    /// Listen on an interface and write tables until stopped
    Listen(Listen),
    /// Print the devices of an output, or all that is known of one
    Devices(Devices),
    /// Change which findings of an output are silenced, without reading the captures again
    Suppress(Suppress),
    /// Say what a rule means, how it is found, what could fool it, and what to do
    Explain(Explain),
    /// List the protocols and what each yields
    Protocols(Protocols),
    /// Check or list rules and lists
    #[command(subcommand)]
    Signatures(Signatures),
    /// Print every table and column with meaning and unit
    Schema(Schema),
    /// Print shell completions
    Completions {
        /// Shell to print them for
        shell: clap_complete::Shell,
    },
    /// Print the man page
    Man,
}

/// How something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// A severity on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum Level {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Info => Self::Info,
            Level::Low => Self::Low,
            Level::Medium => Self::Medium,
            Level::High => Self::High,
            Level::Critical => Self::Critical,
        }
    }
}

/// What `read` and `listen` have in common.
#[derive(Debug, Args)]
pub struct Common {
    /// Folder to write the tables into; it is created, and refused if it exists
    #[arg(short, long, value_name = "OUT")]
    pub out: PathBuf,
    /// Replace what an earlier run wrote into OUT
    #[arg(long)]
    pub overwrite: bool,
    /// Only packets that match this libpcap filter, as in 'not port 22'
    #[arg(short, long, value_name = "FILTER")]
    pub filter: Option<String>,
    /// Networks that are inside; repeat or separate by commas [default: private, unique-local and link-local ranges]
    #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
    pub home_net: Vec<Network>,
    /// TOML file of what devices may reach outside; everything else they reach is a finding
    #[arg(long, value_name = "FILE")]
    pub expect: Option<PathBuf>,
    /// TOML file of findings that are accepted, each with a reason; they are counted and kept out of the way
    #[arg(long, value_name = "FILE")]
    pub suppress: Option<PathBuf>,
    /// CSV of what is known of the devices, as a CMDB exports it: columns mac, ip, name, class, vendor, model, site, owner,
    /// note; or TOML with these as keys of `[[device]]` tables. It wins over what is judged
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// Folder of rules and lists that replace or extend the built-in ones
    #[arg(long, value_name = "DIR")]
    pub signatures: Option<PathBuf>,
    /// Folder of fingerprints of Recog (*.xml) that devices and software are told by besides the built-in ones
    #[arg(long, value_name = "DIR")]
    pub recog: Option<PathBuf>,
    /// List of indicators to hold the traffic against, or a folder of them; repeat for more: MISP, STIX 2.1,
    /// CSV of abuse.ch, or addresses, domains and fingerprints one a line
    #[arg(long, value_name = "FILE_OR_DIR")]
    pub intel: Vec<PathBuf>,
    /// Write passwords and other secrets in clear; recorded in run.json
    #[arg(long)]
    pub reveal_secrets: bool,
    /// File whose content keys the hash that shows where a secret is used again [default: a random key for this run]
    #[arg(long, value_name = "FILE")]
    pub case_key: Option<PathBuf>,
    /// Key log of TLS sessions (SSLKEYLOGFILE) that opens them; repeat for more. Secrets within captures are used as well
    #[arg(long, value_name = "FILE")]
    pub tls_keys: Vec<PathBuf>,
    /// Count packets that the mirror port delivered twice as often as they come
    #[arg(long)]
    pub no_dedup: bool,
    /// Threads to work with [default: one for each core]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Memory to stay within, as in 512M or 4G
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = memory)]
    pub memory: usize,
    /// Seconds of silence after which a TCP connection ends
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub tcp_timeout: u32,
    /// Seconds of silence after which a UDP flow ends
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub udp_timeout: u32,
    /// Seconds of silence after which a flow of another protocol ends
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub other_timeout: u32,
    /// How the summary is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Exit with 10 if there are findings of this severity or worse
    #[arg(long, value_name = "SEVERITY")]
    pub fail_on: Option<Level>,
}

/// Arguments of `read`.
#[derive(Debug, Args)]
#[command(after_help = concat!("\
Captures are pcap or pcapng, also gz, zstd, lz4, xz or bz2, told by their content. Folders are read
with all below them, patterns are expanded, - is standard input. All captures of one run are one
timeline: a flow goes on across rotated files.

Examples:
  overhear read office.pcapng -o out
  overhear read /var/captures --separate -o out
  tcpdump -w - -c 10000 | overhear read - -o out

", exit_codes!()))]
pub struct Read {
    /// Captures: files, folders, patterns, or - for standard input
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// What reading and listening have in common.
    #[command(flatten)]
    pub common: Common,
    /// Treat each capture as a network of its own, for a folder of unrelated captures
    #[arg(long)]
    pub separate: bool,
    /// Leave out the SHA-256 of the inputs
    #[arg(long)]
    pub no_hash: bool,
}

/// Arguments of `listen`.
#[derive(Debug, Args)]
#[command(after_help = concat!("\
Listening needs permission to capture: run as root, or give the program the capability with
  setcap cap_net_raw,cap_net_admin=eip overhear

Ctrl-C or SIGTERM ends the run: flows that are open are written, then the summary is printed.

", exit_codes!()))]
pub struct Listen {
    /// Interface to listen on
    #[arg(short, long, value_name = "IFACE")]
    pub interface: String,
    /// What reading and listening have in common.
    #[command(flatten)]
    pub common: Common,
    /// Begin new files after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub rotate: u32,
    /// Begin a new file of a table after so many bytes, as in 64M
    #[arg(long, value_name = "SIZE", default_value = "128M", value_parser = size)]
    pub rotate_size: usize,
    /// Bytes of each frame to capture
    #[arg(long, value_name = "BYTES", default_value_t = 262_144, value_parser = clap::value_parser!(u32).range(64..=262_144))]
    pub snaplen: u32,
    /// Memory of the capture ring of each thread, as in 64M
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = size)]
    pub ring: usize,
    /// Do not put the interface into promiscuous mode
    #[arg(long)]
    pub no_promiscuous: bool,
    /// Stop after so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub duration: Option<u64>,
}

/// How a table is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// For people
    Text,
    /// For programs, with everything
    Json,
    /// For spreadsheets
    Csv,
}

/// What devices are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum DeviceColumn {
    Device,
    Mac,
    Ip,
    Name,
    Class,
    Confidence,
    Vendor,
    Model,
    Findings,
    FirstSeen,
    LastSeen,
    Site,
    Owner,
}

/// Arguments of `devices`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  overhear devices out
  overhear devices out --class printer --min-confidence 0.8 --sort findings
  overhear devices out --address 10.0.7.0/24 --format csv > devices.csv
  overhear devices out 10.0.7.12

Exit codes:
   0  printed
   2  OUT is no output, or DEVICE is not in it or stands for several
")]
pub struct Devices {
    /// Output folder of a run that is over
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// Show this one in full: identifier, MAC address, address or host name
    #[arg(value_name = "DEVICE", conflicts_with_all = ["class", "vendor", "min_confidence", "search", "address", "role", "sort", "reverse"])]
    pub device: Option<String>,
    /// Only devices of these classes; repeat or separate by commas
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    pub class: Vec<String>,
    /// Only devices whose maker has this in its name
    #[arg(long, value_name = "TEXT")]
    pub vendor: Option<String>,
    /// Only devices whose class is at least so sure, 0 to 1
    #[arg(long, value_name = "N", value_parser = confidence)]
    pub min_confidence: Option<f64>,
    /// Only devices with this text in a name, model, system, role, site, owner, note or evidence
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Only devices with this address or MAC address, or with an address of this network
    #[arg(long, value_name = "ADDRESS", value_parser = where_it_is)]
    pub address: Option<WhereItIs>,
    /// Only devices with this role, as in gateway or server:http
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// Sort by this column; findings and confidence begin with the highest
    #[arg(long, value_name = "COLUMN", default_value = "ip")]
    pub sort: DeviceColumn,
    /// Sort the other way round
    #[arg(long)]
    pub reverse: bool,
    /// Print at most so many devices; of one device, so many lines of each list [default: all; 20]
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// How it is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: TableFormat,
}

/// Arguments of `suppress`.
#[derive(Debug, Args)]
#[command(after_help = concat!("\
What changes is the column suppressed of the findings table, findings.jsonl, and the counts in the
devices table and in run.json. The result is that of a run with the same list.

An entry of the list:
  [[suppress]]
  rule = \"telnet-in-use\"               # or \"tls-*\"
  device = \"00:1b:a9:01:02:03\"         # or an address, or a network
  peer = \"*.example.net\"               # or an address, or a network
  until = \"2027-03-31\"                 # optional
  reason = \"replaced in spring\"

", exit_codes!()))]
#[command(group = clap::ArgGroup::new("list").required(true))]
pub struct Suppress {
    /// Output folder of a run that is over
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// TOML file of findings that are accepted; it replaces the list that was applied before
    #[arg(long, value_name = "FILE", group = "list")]
    pub suppress: Option<PathBuf>,
    /// Silence nothing
    #[arg(long, group = "list")]
    pub none: bool,
    /// How the summary is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Exit with 10 if there are findings of this severity or worse that are not silenced
    #[arg(long, value_name = "SEVERITY")]
    pub fail_on: Option<Level>,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// Rule, as in the column rule_id
    #[arg(value_name = "RULE_ID")]
    pub rule: String,
    /// Folder of rules and lists that replace or extend the built-in ones
    #[arg(long, value_name = "DIR")]
    pub signatures: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

/// Arguments of `protocols`.
#[derive(Debug, Args)]
pub struct Protocols {
    /// How it is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

/// Subcommands of `signatures`.
#[derive(Debug, Subcommand)]
pub enum Signatures {
    /// Tell everything that is wrong with rules and lists, by file and line
    Check {
        /// Folder to check [default: what is built in]
        #[arg(value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Folder of fingerprints of Recog to check instead: all of their examples must hit
        #[arg(long, value_name = "DIR", conflicts_with = "dir")]
        recog: Option<PathBuf>,
    },
    /// Print the rules
    List {
        /// Folder of rules and lists that replace or extend the built-in ones
        #[arg(long, value_name = "DIR")]
        signatures: Option<PathBuf>,
        /// How they are printed
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
    },
}

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// Only these tables
    pub tables: Vec<String>,
    /// How it is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

/// An address on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhereItIs {
    /// A MAC address.
    Mac(Mac),
    /// An address, or all of a network.
    Network(Network),
}

fn where_it_is(text: &str) -> Result<WhereItIs, String> {
    let mac = text.parse().map(WhereItIs::Mac);
    let network = || text.parse().map(WhereItIs::Network);
    mac.or_else(|_: String| network()).map_err(|_| {
        format!("{text:?} is no MAC address, address or network (as in 00:1b:a9:01:02:03, 10.0.0.7 or 10.0.7.0/24)")
    })
}

fn confidence(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|n| (0.0..=1.0).contains(n));
    number.ok_or_else(|| format!("{text:?} is no number from 0 to 1"))
}

/// The memory to stay within: at least what the engine can work with.
fn memory(text: &str) -> Result<usize, String> {
    const LEAST: usize = 256 << 20;
    match size(text) {
        Ok(bytes) if bytes < LEAST => Err(format!("{text:?} is too little: at least {} MiB", LEAST >> 20)),
        other => other,
    }
}

/// A size with an optional unit of 1024: `64M`, `4G`, `512MiB`.
fn size(text: &str) -> Result<usize, String> {
    let bad = || format!("{text:?} is not a size (as in 512M or 4G)");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(bad()),
    };
    let bytes = number.parse::<usize>().ok().and_then(|n| n.checked_mul(1 << shift)).ok_or_else(bad)?;
    if bytes == 0 { Err(bad()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_have_units_of_1024_and_nonsense_is_refused() {
        assert_eq!(size("64M"), Ok(64 << 20));
        assert_eq!(size("4GiB"), Ok(4 << 30));
        assert_eq!(size("2097152"), Ok(2 << 20));
        for bad in ["", "M", "4X", "-1", "99999999999999999999G", "0"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
