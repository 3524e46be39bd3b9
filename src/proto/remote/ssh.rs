//! SSH as far as it is in clear: versions, algorithm lists and the server's key (RFC 4253, sections 4.2, 7.1 and 8).
//!
//! ```text
//! version: [lines of the server CRLF] "SSH-" protocol "-" software [" " comment] CRLF
//! packet:  length(4) padding length(1) type(1) ...      type 20, KEXINIT: cookie(16), ten lists of
//!                                                       names, each <4>, first packet follows(1), 0(4)
//! ```
//! Version 1 has no lists; its row holds the two versions. Behind the two KEXINIT messages only the server's key is to be
//! learnt (`ssh_key`), and then the parser is finished.

use super::ssh_key::{self, Shown};
use crate::base::secret::Reveal;
use crate::base::{ReadError, Reader, Timestamp, limits};
use crate::fingerprint::hassh::hassh;
use crate::fingerprint::npf;
use crate::proto::api::{About, AppParser, Cx, Direction, Event, Fact, Probe, Progress, Spec, Transport};
use crate::proto::text;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};
use crate::signature::labels;

/// Connections: one row each.
pub static TABLE: Table = Table {
    name: "ssh",
    doc: "SSH connections: versions and algorithms, one row per connection",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("client_banner", Type::Text, "Version line of the client"),
        Column::repeating("server_banner", Type::Text, "Version line of the server"),
        Column::repeating("hassh", Type::Text, "HASSH: MD5 of the algorithms that the client offers"),
        Column::repeating("hassh_server", Type::Text, "HASSHServer: MD5 of the algorithms that the server offers"),
        Column::repeating("client_label", Type::Text, "Software that hassh is known for"),
        Column::repeating("server_label", Type::Text, "Software that hassh_server is known for"),
        Column::repeating("kex", Type::Text, "Negotiated key exchange"),
        Column::repeating("host_key_algorithm", Type::Text, "Negotiated algorithm of the host key"),
        Column::repeating("cipher", Type::Text, "Negotiated cipher from client to server"),
        Column::repeating(
            "mac",
            Type::Text,
            "Negotiated MAC from client to server; null where the cipher authenticates itself",
        ),
        Column::repeating("npf_client", Type::Text, "NPF string of the client: version line and what it offers"),
        Column::repeating("npf_server", Type::Text, "NPF string of the server, likewise"),
        Column::repeating("host_key", Type::Text, "Fingerprint of the server's key, as ssh-keygen -l writes it"),
        Column::repeating("host_key_bits", Type::Int32, "Bits of the server's key, where it is of RSA or DSA"),
        Column::repeating("dh_bits", Type::Int32, "Bits of the prime, where the server chose the group (RFC 4419)"),
    ],
};

/// Message number of KEXINIT (RFC 4250, section 4.1.2).
const KEXINIT: u8 = 20;

/// The lists of a KEXINIT, as sent: names with commas between them, most wanted first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KexInit {
    /// Key exchange.
    pub kex: Vec<u8>,
    /// Algorithms of the host key.
    pub host_key: Vec<u8>,
    /// Ciphers, from client to server and from server to client.
    pub ciphers: [Vec<u8>; 2],
    /// MACs, likewise.
    pub macs: [Vec<u8>; 2],
    /// Compression, likewise.
    pub compression: [Vec<u8>; 2],
    /// Languages, likewise: nobody sends any.
    pub languages: [Vec<u8>; 2],
}

impl KexInit {
    /// Reads the payload of the message behind its number.
    fn parse(payload: &[u8]) -> Result<Self, ReadError> {
        let mut r = Reader::new(payload);
        r.skip("cookie", 16)?;
        let mut list = |field| -> Result<Vec<u8>, ReadError> {
            let len = r.be32(field)?;
            Ok(r.take(field, usize::try_from(len).unwrap_or(usize::MAX))?.to_vec())
        };
        let out = Self {
            kex: list("kex algorithms")?,
            host_key: list("host key algorithms")?,
            ciphers: [list("ciphers c2s")?, list("ciphers s2c")?],
            macs: [list("macs c2s")?, list("macs s2c")?],
            compression: [list("compression c2s")?, list("compression s2c")?],
            languages: Default::default(),
        };
        let out = Self { languages: [list("languages c2s")?, list("languages s2c")?], ..out };
        Ok(out)
    }

    /// All lists, in the order of the message.
    fn lists(&self) -> [&[u8]; 10] {
        let [[c0, c1], [m0, m1], [z0, z1], [l0, l1]] = [&self.ciphers, &self.macs, &self.compression, &self.languages];
        [&self.kex, &self.host_key, c0, c1, m0, m1, z0, z1, l0, l1]
    }

    /// HASSH of these lists for one direction: 0 from client to server, 1 back.
    fn hassh(&self, direction: Direction) -> String {
        let pick = |lists: &[Vec<u8>; 2]| -> Vec<u8> {
            let [there, back] = lists;
            if direction == Direction::Orig { there.clone() } else { back.clone() }
        };
        hassh(&self.kex, &pick(&self.ciphers), &pick(&self.macs), &pick(&self.compression))
    }
}

/// NPF string of a side.
fn npf(server: bool, banner: Option<&[u8]>, lists: Option<&KexInit>) -> Option<String> {
    let text = npf::ssh(server, banner?, lists.map(KexInit::lists).as_ref());
    Some(text).filter(|s| s.len() <= limits::NPF_BYTES_MAX)
}

/// What is known of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshConnection {
    /// Time of the first version line.
    pub ts: Timestamp,
    /// Packet that completed it.
    pub packet: u64,
    /// Version line of the client, without its end.
    pub client_banner: Option<Vec<u8>>,
    /// Version line of the server.
    pub server_banner: Option<Vec<u8>>,
    /// What the client offers.
    pub client: Option<KexInit>,
    /// What the server offers.
    pub server: Option<KexInit>,
    /// The server's key.
    pub host_key: Option<ssh_key::HostKey>,
    /// Bits of the group that the server chose.
    pub dh_bits: Option<u32>,
}

impl SshConnection {
    /// The algorithm that both sides agree on: the first of the client's that the server has too
    /// (RFC 4253, section 7.1).
    fn agreed<'a>(&'a self, list: impl Fn(&'a KexInit) -> &'a [u8]) -> Option<&'a [u8]> {
        let theirs = list(self.server.as_ref()?);
        let comma = |b: &u8| *b == b',';
        // Both lists fit into one packet; a list of very short names is what bounds the work.
        let have: std::collections::HashSet<&[u8], ahash::RandomState> = theirs.split(comma).collect();
        list(self.client.as_ref()?).split(comma).find(|name| !name.is_empty() && have.contains(name))
    }

    /// Negotiated key exchange.
    pub fn kex(&self) -> Option<&[u8]> {
        self.agreed(|k| &k.kex)
    }

    /// Negotiated algorithm of the host key.
    pub fn host_key_algorithm(&self) -> Option<&[u8]> {
        self.agreed(|k| &k.host_key)
    }

    /// Negotiated cipher: of what the originator sends, or of what the responder sends.
    pub fn cipher(&self, from: Direction) -> Option<&[u8]> {
        self.agreed(|k| one(&k.ciphers, from))
    }

    /// Negotiated MAC, likewise; `None` as well where the cipher needs none.
    pub fn mac(&self, from: Direction) -> Option<&[u8]> {
        let sealed = |name: &[u8]| {
            name.starts_with(b"chacha20-poly1305") || name.windows(3).any(|w| w.eq_ignore_ascii_case(b"gcm"))
        };
        if self.cipher(from).is_some_and(sealed) {
            return None;
        }
        self.agreed(|k| one(&k.macs, from))
    }

    /// Whether both sides reset their sequence numbers at the key exchange, as is agreed on by markers
    /// among its names (OpenSSH's PROTOCOL, section 1.10; the remedy of CVE-2023-48795): `None` where not
    /// both lists were seen. The two values are those of the client and of the server.
    pub fn strict_kex(&self) -> Option<(bool, bool)> {
        let has = |k: &KexInit, name: &[u8]| k.kex.split(|b| *b == b',').any(|n| n == name);
        let either = |k: &KexInit, long: &[u8], short: &[u8]| has(k, long) || has(k, short);
        let client = either(self.client.as_ref()?, b"kex-strict-c-v00@openssh.com", b"kex-strict-c");
        let server = either(self.server.as_ref()?, b"kex-strict-s-v00@openssh.com", b"kex-strict-s");
        Some((client, server))
    }

    /// HASSH of what the client offers.
    pub fn hassh(&self) -> Option<String> {
        self.client.as_ref().map(|k| k.hassh(Direction::Orig))
    }

    /// HASSHServer of what the server offers.
    pub fn hassh_server(&self) -> Option<String> {
        self.server.as_ref().map(|k| k.hassh(Direction::Resp))
    }

    /// Whether a side speaks version 1 only: `SSH-1.x-`, but not `SSH-1.99-`, which means both.
    pub fn is_version_1(&self) -> bool {
        [&self.client_banner, &self.server_banner]
            .into_iter()
            .flatten()
            .any(|b| b.starts_with(b"SSH-1.") && !b.starts_with(b"SSH-1.99"))
    }

    /// Whether the server speaks version 1 as well as version 2 (RFC 4253, section 5.1).
    pub fn takes_version_1(&self) -> bool {
        self.server_banner.as_ref().is_some_and(|b| b.starts_with(b"SSH-1.99"))
    }
}

fn one(lists: &[Vec<u8>; 2], from: Direction) -> &[u8] {
    let [there, back] = lists;
    if from == Direction::Orig { there } else { back }
}

/// What the parser emits: one event per connection.
#[derive(Debug, Clone, Copy)]
pub struct SshEvent<'e>(pub &'e SshConnection);

impl Event for SshEvent<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some((self.0.ts, self.0.packet))
    }

    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let c = self.0;
        row.opt_bytes(c.client_banner.as_deref());
        row.opt_bytes(c.server_banner.as_deref());
        let (hassh, hassh_server) = (c.hassh(), c.hassh_server());
        row.opt_text(hassh.as_deref());
        row.opt_text(hassh_server.as_deref());
        row.opt_text(labels::ssh_client(hassh.as_deref()));
        row.opt_text(labels::ssh_server(hassh_server.as_deref()));
        row.opt_bytes(c.kex());
        row.opt_bytes(c.host_key_algorithm());
        row.opt_bytes(c.cipher(Direction::Orig));
        row.opt_bytes(c.mac(Direction::Orig));
        row.opt_text(npf(false, c.client_banner.as_deref(), c.client.as_ref()).as_deref());
        row.opt_text(npf(true, c.server_banner.as_deref(), c.server.as_ref()).as_deref());
        row.opt_text(c.host_key.as_ref().map(|k| k.fingerprint.as_str()));
        row.opt_int(c.host_key.as_ref().and_then(|k| k.bits)).opt_int(c.dh_bits);
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        if let Some(banner) = self.0.server_banner.as_deref() {
            let about = About::Side(Direction::Resp);
            tell(Fact { about, attribute: "banner", value: banner });
            let said = Software::of(banner);
            for (attribute, value) in [("server", said.name), ("os", said.system)] {
                if !value.is_empty() {
                    tell(Fact { about, attribute, value });
                }
            }
        }
        if let Some(banner) = self.0.client_banner.as_deref() {
            let value = Software::of(banner).name;
            if !value.is_empty() {
                tell(Fact { about: About::Side(Direction::Orig), attribute: "user-agent", value });
            }
        }
    }
}

/// What a version line says of who wrote it: `SSH-2.0-software comment` (RFC 4253, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Software<'a> {
    /// The software and its version, as written.
    pub name: &'a [u8],
    /// The system that its packager names; empty where none is.
    pub system: &'a [u8],
}

/// Systems as they stand in comments of version lines, in lower case, and their names.
const SYSTEMS: [(&[u8], &[u8]); 12] = [
    (b"ubuntu", b"Ubuntu"),
    (b"raspbian", b"Raspbian"),
    (b"debian", b"Debian"),
    (b"+deb", b"Debian"),
    (b"freebsd", b"FreeBSD"),
    (b"netbsd", b"NetBSD"),
    (b"windows", b"Windows"),
    (b"cisco", b"Cisco IOS"),
    (b"rosssh", b"RouterOS"),
    (b"comware", b"Comware"),
    (b"huawei", b"Huawei VRP"),
    (b"freesshd", b"Windows"),
];

impl<'a> Software<'a> {
    /// Reads a version line.
    pub fn of(banner: &'a [u8]) -> Self {
        let name = banner.splitn(3, |c| *c == b'-').nth(2).unwrap_or_default();
        let system = SYSTEMS.iter().find(|(word, _)| text::contains(name, word)).map_or(&[][..], |(_, system)| system);
        Self { name: text::word(name).0, system }
    }
}

/// How far a direction is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Version,
    Packets,
    /// Nothing more is wanted of it, or nothing more can be had.
    Over,
}

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct SshParser {
    stages: [Stage; 2],
    ended: [bool; 2],
    /// Bytes of the lines before the version.
    preamble: usize,
    /// What is known; `None` once it was emitted.
    connection: Option<Box<SshConnection>>,
    done: bool,
}

/// What to do next.
enum Step {
    Used(usize),
    Need(usize),
    Pass(usize),
    Over,
}

type Emit<'a> = dyn FnMut(SshEvent<'_>) + 'a;

impl SshParser {
    const fn stage(&mut self, dir: Direction) -> &mut Stage {
        let [orig, resp] = &mut self.stages;
        match dir {
            Direction::Orig => orig,
            Direction::Resp => resp,
        }
    }

    fn version(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8]) -> Step {
        let front = bytes.get(..limits::SSH_LINE_BYTES_MAX).unwrap_or(bytes);
        let Some(end) = front.iter().position(|b| *b == b'\n') else {
            if front.len() < limits::SSH_LINE_BYTES_MAX {
                return Step::Need(bytes.len() + 1);
            }
            cx.limit_hit();
            return Step::Over;
        };
        let line = front.get(..end).unwrap_or_default();
        if line.starts_with(b"SSH-") {
            self.banner(cx, dir, line);
            *self.stage(dir) = Stage::Packets;
        } else {
            // Only a server may say something before.
            self.preamble += end + 1;
            if dir == Direction::Orig {
                return Step::Over;
            }
            if self.preamble > limits::SSH_PREAMBLE_BYTES_MAX {
                cx.limit_hit();
                return Step::Over;
            }
        }
        Step::Used(end + 1)
    }

    fn banner(&mut self, cx: Cx<'_>, dir: Direction, line: &[u8]) {
        // RFC 4253 allows no NUL; where there is one, everybody's C stops at it.
        let line = line.split(|b| *b == 0).next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        let c = self.connection.get_or_insert_with(|| {
            Box::new(SshConnection { ts: cx.ts, packet: cx.packet, ..SshConnection::default() })
        });
        match dir {
            Direction::Orig => c.client_banner = Some(line),
            Direction::Resp => c.server_banner = Some(line),
        }
    }

    fn packet(&mut self, dir: Direction, bytes: &[u8]) -> Step {
        let Some(c) = &mut self.connection else { return Step::Over };
        if c.is_version_1() {
            return Step::Over;
        }
        let mut r = Reader::new(bytes);
        let (Ok(len), Ok(padding), Ok(ty)) = (r.be32("length"), r.u8("padding length"), r.u8("message number")) else {
            return Step::Need(6);
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        // Padding length, message number and at least four bytes of padding.
        if !(6..=limits::SSH_PACKET_BYTES_MAX).contains(&len) || usize::from(padding) + 2 > len {
            return Step::Over;
        }
        match ty {
            // DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG may come at any time.
            1..=4 => return Step::Pass(4 + len),
            KEXINIT => {}
            // The answer to the key exchange, in one or two messages; NEWKEYS (21) is the last in clear.
            30..=49 if dir == Direction::Resp && c.server.is_some() => {}
            _ => return Step::Over,
        }
        let Ok(rest) = r.take("packet", len - 2) else { return Step::Need(4 + len) };
        let payload = rest.get(..rest.len() - usize::from(padding)).unwrap_or_default();
        if ty != KEXINIT {
            return match ssh_key::shown(c.kex(), ty, payload) {
                Some(Shown::Group(bits)) if c.dh_bits.is_none() => {
                    c.dh_bits = Some(bits);
                    Step::Used(4 + len)
                }
                Some(Shown::Key(key)) => {
                    c.host_key = Some(key);
                    Step::Over
                }
                _ => Step::Over,
            };
        }
        let Ok(lists) = KexInit::parse(payload) else { return Step::Over };
        match dir {
            Direction::Orig => c.client = Some(lists),
            Direction::Resp if c.server.is_none() => {
                c.server = Some(lists);
                return Step::Used(4 + len);
            }
            Direction::Resp => {}
        }
        Step::Over
    }

    /// Emits what is known.
    fn report(&mut self, emit: &mut Emit<'_>) {
        self.done = true;
        if let Some(c) = self.connection.take() {
            emit(SshEvent(&c));
        }
    }
}

impl AppParser for SshParser {
    const SPEC: Spec = Spec {
        name: "ssh",
        title: "SSH",
        transports: &[Transport::Tcp],
        ports: &[22, 2222],
        reference: "RFC 4253",
        table: Some(&TABLE),
        greets: true,
        yields: "versions, algorithms, HASSH fingerprints, the server's key, software and system of the server",
        ..Spec::EMPTY
    };
    type Event<'e> = SshEvent<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        match payload {
            [b'S', b'S', b'H', b'-', b'1' | b'2', b'.', b'0'..=b'9', ..] => Probe::Yes,
            _ if payload.len() < 7 && b"SSH-1.0".starts_with(payload) => Probe::NeedMore,
            _ if payload.len() < 7 && b"SSH-2.0".starts_with(payload) => Probe::NeedMore,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(SshEvent<'_>)) -> Progress {
        let mut at = 0;
        loop {
            if self.done {
                return Progress::Finished;
            }
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            let step = match *self.stage(dir) {
                Stage::Version => self.version(cx, dir, rest),
                Stage::Packets => self.packet(dir, rest),
                Stage::Over => return Progress::Skip(u64::MAX),
            };
            match step {
                Step::Used(n) => at += n,
                Step::Need(needed) => return Progress::Partial { consumed: at, needed },
                Step::Pass(n) if n <= rest.len() => at += n,
                Step::Pass(n) => return Progress::Skip((n - rest.len()) as u64),
                Step::Over => {
                    *self.stage(dir) = Stage::Over;
                    if self.connection.is_none() {
                        return Progress::Violation("no SSH version");
                    }
                    if self.stages == [Stage::Over; 2] {
                        self.report(emit);
                    }
                }
            }
        }
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, _missing: u64) -> Progress {
        *self.stage(dir) = Stage::Over;
        if self.stages == [Stage::Over; 2] { Progress::Finished } else { Progress::Done }
    }

    fn on_end(&mut self, cx: Cx<'_>, dir: Direction, rest: &[u8], emit: &mut dyn FnMut(SshEvent<'_>)) {
        // A version line whose end never came, as scanners send it.
        if *self.stage(dir) == Stage::Version && Self::probe(dir, rest) == Probe::Yes && !self.done {
            self.banner(cx, dir, rest.get(..limits::SSH_LINE_BYTES_MAX).unwrap_or(rest));
        }
        *self.stage(dir) = Stage::Over;
        let [orig, resp] = &mut self.ended;
        match dir {
            Direction::Orig => *orig = true,
            Direction::Resp => *resp = true,
        }
        if self.ended == [true; 2] {
            self.report(emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, followed, probe_all};

    fn kexinit(lists: [&str; 8]) -> Vec<u8> {
        let mut payload = vec![KEXINIT];
        payload.extend([3; 16]);
        for list in lists.iter().chain(&["", ""]) {
            payload.extend((list.len() as u32).to_be_bytes());
            payload.extend(list.as_bytes());
        }
        payload.extend([0; 5]);
        packet(&payload)
    }

    fn packet(payload: &[u8]) -> Vec<u8> {
        let mut out = ((payload.len() + 5) as u32).to_be_bytes().to_vec();
        out.push(4);
        out.extend(payload);
        out.extend([0; 4]);
        out
    }

    const CLIENT: [&str; 8] =
        ["a,b,ext-info-c", "rsa,dsa", "aes,3des", "aes,3des", "sha1,md5", "sha1,md5", "none", "none"];
    const SERVER: [&str; 8] = ["c,b", "dsa", "3des", "aes", "md5,sha1", "md5", "none,zlib", "none"];

    #[test]
    fn a_connection_is_one_row_whatever_the_chunking() {
        let seen = Script::new()
            .resp(b"welcome\r\nto this host\r\nSSH-2.0-Server_1 comment\r\n")
            .orig(b"SSH-2.0-Client_1\r\n")
            .orig([packet(&[2, 0, 0, 0, 0]), kexinit(CLIENT)].concat())
            .resp([kexinit(SERVER), vec![0xff; 64]].concat())
            .orig([0xee; 100])
            .any_chunking::<SshParser>();
        assert_eq!(seen.cell("client_banner"), "SSH-2.0-Client_1");
        assert_eq!(seen.cell("server_banner"), "SSH-2.0-Server_1 comment");
        assert_eq!(seen.cell("hassh"), hassh(b"a,b,ext-info-c", b"aes,3des", b"sha1,md5", b"none"));
        assert_eq!(seen.cell("hassh_server"), hassh(b"c,b", b"aes", b"md5", b"none"));
        assert_eq!(
            ["kex", "host_key_algorithm", "cipher", "mac"].map(|c| seen.cell(c)),
            ["b", "dsa", "3des", "sha1"],
            "the client's order decides"
        );
        assert_eq!(seen.stopped, Some(Progress::Finished));
        assert!(seen.events[0].starts_with("@1s#1 "));
    }

    #[test]
    fn the_answer_to_the_key_exchange_shows_the_key() {
        let string = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes(), bytes].concat();
        let number = [&[0, 0x80][..], &[1; 127]].concat();
        let blob = [string(b"ssh-rsa"), string(&[3]), string(&number)].concat();
        let reply = |number: u8| packet(&[vec![number], string(&blob), string(b"f"), string(b"sig")].concat());
        let group = packet(&[vec![31], string(&[1; 128]), string(&[2])].concat());
        for (kex, messages, dh_bits) in
            [("ecdh", vec![reply(31)], "-"), ("diffie-hellman-group-exchange-sha1", vec![group, reply(33)], "1017")]
        {
            let lists = [kex, "ssh-rsa", "aes", "aes", "sha1", "sha1", "none", "none"];
            let seen = Script::new()
                .orig([b"SSH-2.0-x\r\n".to_vec(), kexinit(lists), packet(&[30, 0, 0, 0, 0])].concat())
                .resp([b"SSH-2.0-y\r\n".to_vec(), kexinit(lists)].concat())
                .resp([messages.concat(), packet(&[21]), vec![0xee; 90]].concat())
                .any_chunking::<SshParser>();
            assert_eq!((seen.cell("host_key_bits"), seen.cell("dh_bits")), ("1024".into(), dh_bits.into()));
            assert!(seen.cell("host_key").starts_with("SHA256:"));
            assert_eq!(seen.stopped, Some(Progress::Finished));
        }
    }

    #[test]
    fn version_1_has_versions_and_no_algorithms() {
        let seen = Script::new()
            .resp(b"SSH-1.5-Old\n")
            .orig(b"SSH-1.5-Client\n")
            .resp([0; 40])
            .orig([0; 40])
            .any_chunking::<SshParser>();
        assert_eq!(seen.cell("server_banner"), "SSH-1.5-Old");
        assert_eq!(seen.cell("hassh"), "-");
        assert_eq!(seen.stopped, Some(Progress::Finished));
    }

    #[test]
    fn half_a_connection_has_a_row_at_its_end() {
        let seen = Script::new().orig(b"SSH-2.0-x\r\n").orig(kexinit(CLIENT)).any_chunking::<SshParser>();
        assert_eq!((seen.cell("server_banner"), seen.cell("kex")), ("-".into(), "-".into()));
        assert_ne!(seen.cell("hassh"), "-");
        let seen = Script::new().resp(b"SSH-2.0-x \0\0\n").any_chunking::<SshParser>();
        assert_eq!(seen.cell("server_banner"), "SSH-2.0-x ");
        let seen = Script::new().resp(b"SSH-2.0-x").any_chunking::<SshParser>();
        assert_eq!(seen.cell("server_banner"), "SSH-2.0-x", "a line without an end");
    }

    #[test]
    fn a_cipher_that_authenticates_itself_has_no_mac() {
        for cipher in ["chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "AEAD_AES_128_GCM"] {
            let lists = ["k", "h", cipher, cipher, "hmac-md5", "hmac-md5", "none", "none"];
            let seen = Script::new()
                .orig([b"SSH-2.0-x\r\n".to_vec(), kexinit(lists)].concat())
                .resp([b"SSH-2.0-y\r\n".to_vec(), kexinit(lists)].concat())
                .any_chunking::<SshParser>();
            assert_eq!((seen.cell("cipher"), seen.cell("mac")), (cipher.into(), "-".into()));
        }
    }

    #[test]
    fn the_markers_of_a_strict_key_exchange() {
        let lists = |kex: &str| KexInit { kex: kex.as_bytes().to_vec(), ..KexInit::default() };
        let both = |client: &str, server: &str| {
            SshConnection { client: Some(lists(client)), server: Some(lists(server)), ..Default::default() }
                .strict_kex()
        };
        let (c, s) = ("a,kex-strict-c-v00@openssh.com", "a,kex-strict-s-v00@openssh.com");
        assert_eq!(
            (both(c, s), both("a", s), both(c, "a")),
            (Some((true, true)), Some((false, true)), Some((true, false)))
        );
        assert_eq!(both(s, c), Some((false, false)), "each side has its own");
        assert_eq!(SshConnection::default().strict_kex(), None);
    }

    #[test]
    fn rubbish_ends_it_without_a_loop() {
        let seen = Script::new().orig(b"SSH-2.0-x\r\n").orig([0xff; 50]).resp([0; 5000]).any_chunking::<SshParser>();
        assert_eq!(seen.cell("client_banner"), "SSH-2.0-x");
        let seen = Script::new().orig(b"hello\r\n").any_chunking::<SshParser>();
        assert_eq!(seen.stopped, Some(Progress::Violation("no SSH version")));
        let mut cut = kexinit(CLIENT);
        cut[22] = 0xff;
        let seen = Script::new().orig(b"SSH-2.0-x\r\n").orig(cut).any_chunking::<SshParser>();
        assert_eq!(seen.cell("hassh"), "-", "a list longer than the packet");
    }

    #[test]
    fn the_probe_wants_a_version() {
        assert_eq!(probe_all::<SshParser>(Direction::Orig, b"SSH-2.0-x\r\n"), Probe::Yes);
        assert_eq!(probe_all::<SshParser>(Direction::Resp, b"SSH-1.99-x\r\n"), Probe::Yes);
        assert_eq!(probe_all::<SshParser>(Direction::Orig, b"SSH-x"), Probe::No);
        assert_eq!(probe_all::<SshParser>(Direction::Orig, b"SSTP"), Probe::No);
    }

    #[test]
    fn software_and_system_of_a_version_line() {
        for (banner, name, system) in [
            ("SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.8", "OpenSSH_9.6p1", "Ubuntu"),
            ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", "OpenSSH_9.2p1", "Debian"),
            ("SSH-2.0-OpenSSH_for_Windows_8.1", "OpenSSH_for_Windows_8.1", "Windows"),
            ("SSH-2.0-Cisco-1.25", "Cisco-1.25", "Cisco IOS"),
            ("SSH-2.0-dropbear_2019.78", "dropbear_2019.78", ""),
            ("SSH-2.0-", "", ""),
        ] {
            let want = Software { name: name.as_bytes(), system: system.as_bytes() };
            assert_eq!(Software::of(banner.as_bytes()), want, "{banner}");
        }
    }

    /// Prints the rows of the flows in the folder that `OVERHEAR_FLOWS` names; see the tests of TLS.
    #[test]
    #[ignore = "needs flows that tshark extracted from captures: OVERHEAR_FLOWS"]
    fn ssh_rows_of_recorded_flows() {
        let folder = std::env::var("OVERHEAR_FLOWS").expect("OVERHEAR_FLOWS names a folder");
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap();
            for flow in followed(&std::fs::read_to_string(file.path()).unwrap()) {
                let Some(script) = flow.script_of::<SshParser>() else { continue };
                let seen = script.run::<SshParser>();
                assert_eq!(seen, script.pieces::<SshParser>(7));
                for row in &seen.rows {
                    let cells: Vec<String> = row.iter().map(|(name, value)| format!("{name}={value}")).collect();
                    println!("ROW\t{}\t{}\t{}\t{}", file.file_name().display(), flow.orig, flow.resp, cells.join("\t"));
                }
            }
        }
    }
}
