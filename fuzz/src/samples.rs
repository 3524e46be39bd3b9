//! Inputs to begin with, made from `sample-pcaps/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use overhear::base::counters::Counters;
use overhear::decode::{self, Kind, Packet};
use overhear::flow::FlowKey;
use overhear::frame::FrameBatch;
use overhear::proto::api::{Direction, Probe, Transport};
use overhear::proto::registry::Protocol;
use overhear::source::{CaptureReader, Fill, ReadOptions};

use super::{LINKS, protocol_of, samples_data, samples_voice, script};

#[path = "samples_windows.rs"]
mod windows;

/// Certificates by OpenSSL.
const CERTIFICATES: [&[u8]; 4] = [
    include_bytes!("../../tests/certificates/ca.der"),
    include_bytes!("../../tests/certificates/leaf.der"),
    include_bytes!("../../tests/certificates/old.der"),
    include_bytes!("../../tests/certificates/future.der"),
];

/// Most bytes of one input to begin with.
const INPUT_MAX: usize = 64 << 10;

/// Everything that the inputs of all targets are made from.
pub struct Samples {
    files: Vec<Vec<u8>>,
    /// Frames of each file, in the form that the targets `decode` and `engine` read.
    frames: Vec<Vec<u8>>,
    /// Flows as scripts, by whether they are TCP.
    flows: Vec<(bool, Vec<u8>, Vec<u8>)>,
}

impl Samples {
    /// Reads every capture of a folder.
    pub fn of(folder: &Path) -> Self {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(folder).expect("the samples are there").map(|e| e.unwrap().path()).collect();
        paths.retain(|p| p.to_string_lossy().contains(".pcap"));
        paths.sort();
        let mut samples = Self { files: Vec::new(), frames: Vec::new(), flows: Vec::new() };
        for path in paths {
            let bytes = std::fs::read(&path).expect("a sample can be read");
            samples.capture(&bytes);
            samples.files.push(bytes);
        }
        samples
    }

    fn capture(&mut self, bytes: &[u8]) {
        let input = std::io::Cursor::new(bytes.to_vec());
        let mut reader = CaptureReader::from_reader(input, Path::new("sample"), &ReadOptions::default()).unwrap();
        let mut flows: BTreeMap<String, (bool, Packet, Vec<u8>, Vec<u8>)> = BTreeMap::new();
        let mut batch = FrameBatch::default();
        while reader.fill(&mut batch).unwrap() == Fill::More {
            let mut frames = Vec::new();
            for frame in &batch.frames {
                let mut packet = Packet::default();
                decode::decode(frame, &batch.slab, &mut Counters::default(), &mut packet);
                let bytes = batch.bytes(frame);
                if frames.is_empty() {
                    let link = LINKS.iter().position(|l| *l == frame.link.0).unwrap_or(0);
                    frames.push(link as u8);
                }
                if frames.len() + bytes.len() < INPUT_MAX {
                    frames.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
                    frames.push(30);
                    frames.extend_from_slice(bytes);
                }
                let payload = packet.payload(&batch.slab);
                if packet.kind == Kind::Ip && !payload.is_empty() && matches!(packet.protocol, 6 | 17) {
                    let key = format!("{:?}", FlowKey::of(&packet).key);
                    let flow = flows
                        .entry(key)
                        .or_insert_with(|| (packet.protocol == 6, packet, Vec::new(), payload.to_vec()));
                    if flow.2.len() + payload.len() < INPUT_MAX {
                        let responder = (packet.src, packet.src_port) != (flow.1.src, flow.1.src_port);
                        script::append(&mut flow.2, responder, payload);
                    }
                }
            }
            self.frames.push(frames);
        }
        self.flows.extend(flows.into_values().map(|(tcp, _, script, first)| (tcp, script, first)));
    }

    /// Inputs for a target, the smallest first.
    pub fn inputs(&self, target: &str) -> Vec<Vec<u8>> {
        let mut inputs = match target {
            "decode" | "engine" => self.frames.clone(),
            "capture" => self.files.iter().filter(|f| f.len() <= INPUT_MAX).cloned().collect(),
            "stream" => (1..=8u8).map(|n| (0..200u8).map(|i| i.wrapping_mul(n).wrapping_add(n)).collect()).collect(),
            "expect" => vec![EXPECT.as_bytes().to_vec()],
            "suppress" => vec![SUPPRESS.as_bytes().to_vec()],
            "inventory" => vec![INVENTORY.as_bytes().to_vec()],
            "rules" => vec![RULES.as_bytes().to_vec()],
            "defaults" => vec![DEFAULTS.as_bytes().to_vec()],
            "proof" => vec![PROOF.to_vec()],
            "intel" => INTEL.iter().map(|list| list.as_bytes().to_vec()).collect(),
            "recog" => vec![RECOG.as_bytes().to_vec()],
            "lists" => vec![LIST.as_bytes().to_vec()],
            "tls_keys" => vec![key_log()],
            "certificate" => CERTIFICATES.iter().map(|c| c.to_vec()).collect(),
            // No sample holds SSH.
            "proto_ssh" => vec![ssh()],
            _ if samples_voice::of(target).is_some() => samples_voice::of(target).into_iter().collect(),
            "proto_tacacs" => vec![super::samples_management::tacacs()],
            "proto_ftp-data" => vec![super::samples_management::settings()],
            "proto_nbdgm" | "proto_rdp" | "proto_dcerpc" => windows::scripts(target),
            _ => protocol_of(target).map(|p| self.scripts(p)).unwrap_or_default(),
        };
        inputs.extend(protocol_of(target).map(|p| samples_data::scripts(p.spec().name)).unwrap_or_default());
        inputs.extend(super::samples_discovery::script(target));
        inputs.sort_by_key(Vec::len);
        inputs
    }

    /// The flows whose first bytes are of a protocol.
    fn scripts(&self, protocol: Protocol) -> Vec<Vec<u8>> {
        let over = |tcp: bool| protocol.runs_over(if tcp { Transport::Tcp } else { Transport::Udp });
        let is = |first: &[u8]| {
            [Direction::Orig, Direction::Resp].iter().any(|dir| protocol.probe(*dir, first) != Probe::No)
        };
        let fitting = self.flows.iter().filter(|(tcp, _, first)| over(*tcp) && is(first));
        fitting.map(|(_, script, _)| script.clone()).collect()
    }
}

/// A key log with a secret of each sort, and two records behind it.
fn key_log() -> Vec<u8> {
    let mut out = vec![2, 3];
    let labels = [("CLIENT_RANDOM", 48), ("CLIENT_TRAFFIC_SECRET_0", 32), ("SERVER_HANDSHAKE_TRAFFIC_SECRET", 32)];
    for (label, len) in labels {
        out.extend(format!("{label} {} {}\n", "07".repeat(32), "09".repeat(len)).bytes());
    }
    out.push(0);
    for (ty, len) in [(23_u8, 64_u8), (0x96, 48)] {
        out.extend([ty, 3, 3, 0, len]);
        out.extend(vec![0x5a; usize::from(len)]);
    }
    out
}

/// Banners and the first key exchange packet of both sides (RFC 4253, sections 4.2, 6 and 7.1).
fn ssh() -> Vec<u8> {
    const LISTS: [&str; 10] = [
        "curve25519-sha256,diffie-hellman-group14-sha256",
        "ssh-ed25519,rsa-sha2-512",
        "chacha20-poly1305@openssh.com,aes128-ctr",
        "aes128-ctr",
        "hmac-sha2-256",
        "hmac-sha2-256,hmac-sha1",
        "none,zlib@openssh.com",
        "none",
        "",
        "",
    ];
    let mut payload = vec![20];
    payload.extend_from_slice(&[7; 16]);
    for list in LISTS {
        payload.extend_from_slice(&(list.len() as u32).to_be_bytes());
        payload.extend_from_slice(list.as_bytes());
    }
    payload.extend_from_slice(&[0; 5]);
    let padding = 8 - (payload.len() + 5) % 8 + 8;
    let mut packet = ((payload.len() + padding + 1) as u32).to_be_bytes().to_vec();
    packet.push(padding as u8);
    packet.append(&mut payload);
    packet.resize(packet.len() + padding, 0);
    let mut script = Vec::new();
    script::append(&mut script, false, b"SSH-2.0-OpenSSH_9.2\r\n");
    script::append(&mut script, true, b"welcome\r\nSSH-2.0-dropbear_2022.83\r\n");
    script::append(&mut script, false, &packet);
    script::append(&mut script, true, &packet);
    script
}

const EXPECT: &str = r#"
[[expect]]
mac = "00:1b:a9:01:02:03"
names = ["update.example.com", "*.example.net"]
networks = ["203.0.113.0/24", "2001:db8::/32"]
ports = [443, 80]
note = "the printer on floor 2"

[[expect]]
address = "10.0.0.7"
names = []

[[expect]]
network = "10.0.7.0/24"
networks = ["0.0.0.0/0"]
"#;

const RULES: &str = include_str!("../../signatures/rules/tls.toml");

/// A short list of factory default logins.
const DEFAULTS: &str = "# schema: 1\n# version: 1\n# date: 2026-11-25\n# source: s\n# licence: MIT\nclass\tvendor\tservice\tusername\tpassword\tkind\trule\tsureness\tnote\ncamera\tX\thttp,rtsp\tadmin\tx\tliteral\t\thigh\tn\nnas\tY\thttp\tadmin\t\tderived\tmac-upper\tlow\t\n";

const INVENTORY: &str = "\u{feff}Asset;IP Address;Host Name;MAC;Manufacturer;Type;Model;Location;Owner;Notes\r\n\
    1;10.0.0.7;prn-3;001B.A901.0203;Brother;MFP;HL-5450;Floor 2;K. Meier;\"a; \"\"b\"\"\nc\"\r\n\
    2;\"10.0.0.8, fd00::8\";;00-1B-A9-01-02-04 | 00 1b a9 01 02 05;-;n/a;;;;\r\n;;door;;;;;;;\r\n";

/// Parts of an exchange, a zero byte between them.
const PROOF: &[u8] = b"SHA-256\0n=user,r=rOprNGfwEbeRWgbNEkqO\0r=rOprNGfw,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4\0auth\0MD5\x006629fae49393a05397450978507c4ef1\0admin\0\x17";
const INTEL: [&str; 7] = [
    include_str!("../../tests/intel/plain.txt"),
    include_str!("../../tests/intel/misp.json"),
    include_str!("../../tests/intel/stix.json"),
    include_str!("../../tests/intel/c2.csv"),
    include_str!("../../tests/intel/sslbl-ja3.csv"),
    include_str!("../../tests/intel/sslbl-certificates.csv"),
    include_str!("../../tests/intel/threatfox.csv"),
];
const RECOG: &str = include_str!("../../tests/recog/http_servers.xml");
const LIST: &str = include_str!("../../signatures/lists/controls.tsv");
const SUPPRESS: &str = r#"
[[suppress]]
rule = "telnet-*"
device = "00:1b:a9:01:02:03"
until = "2027-03-31"
reason = "replaced in spring"
[[suppress]]
device = "10.0.0.0/8"
peer = "*.cloud.example"
reason = "the vendor's cloud"
"#;
