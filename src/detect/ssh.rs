//! SSH that does not protect as it should: what was agreed on, what a server still takes, and software
//! that is known to be weak.

use super::cleartext::on_flow;
use super::sighting::{Party, Sighting};
use crate::policy::HomeNet;
use crate::proto::api::{Cx, Direction};
use crate::proto::remote::ssh::{KexInit, SshConnection, SshEvent};
use crate::record::clean;
use crate::signature::software::{self, Kind};

/// Bytes of a name that evidence shows.
const NAME_BYTES: usize = 64;
/// Algorithms that evidence names.
const SHOWN: usize = 6;

/// Bits below which a key of RSA or DSA, and a Diffie-Hellman group, is weak: 2048 (SP 800-131A; RFC 9142, section
/// 1.3) less what generators leave out that do not set the highest bits.
const BITS_MIN: u32 = 2048 - 8;

/// How bad an algorithm is; later is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    /// Nothing is known against it.
    Sound,
    /// Not broken, but advised against.
    Outdated,
    /// Can be broken by those who make the effort.
    Weak,
    /// Protects nothing.
    Nothing,
}

/// What an algorithm is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Kex,
    HostKey,
    Cipher,
    Mac,
}

impl Use {
    const ALL: [Self; 4] = [Self::Kex, Self::HostKey, Self::Cipher, Self::Mac];

    const fn word(self) -> &'static str {
        match self {
            Self::Kex => "key exchange",
            Self::HostKey => "host key",
            Self::Cipher => "cipher",
            Self::Mac => "MAC",
        }
    }

    /// How bad an algorithm is: key exchange by RFC 9142, section 4; host keys by RFC 8332 and FIPS 186-5
    /// (which has no DSA any more); ciphers by RFC 8758 (RC4) and SP 800-131A (blocks of 64 bits).
    fn grade(self, name: &[u8]) -> Grade {
        let begins = |words: &[&str]| words.iter().any(|w| name.starts_with(w.as_bytes()));
        let has = |word: &str| name.windows(word.len()).any(|w| w == word.as_bytes());
        match self {
            Self::Kex if begins(&["diffie-hellman-group1-sha1", "rsa1024-sha1", "gss-group1-sha1-"]) => Grade::Weak,
            Self::Kex
                if begins(&[
                    "diffie-hellman-group14-sha1",
                    "diffie-hellman-group-exchange-sha1",
                    "gss-group14-sha1-",
                    "gss-gex-sha1-",
                ]) =>
            {
                Grade::Outdated
            }
            Self::HostKey if has("ssh-dss") || has("sign-dss") => Grade::Weak,
            // The name stands for RSA with SHA-1; with SHA-2 it is rsa-sha2-256 and rsa-sha2-512.
            Self::HostKey if begins(&["ssh-rsa", "x509v3-ssh-rsa", "x509v3-sign-rsa"]) && !has("sha2") => {
                Grade::Outdated
            }
            Self::Cipher | Self::Mac if name == b"none" => Grade::Nothing,
            Self::Cipher if begins(&["arcfour", "des", "3des", "blowfish", "cast128", "idea", "rc4", "rc2"]) => {
                Grade::Weak
            }
            Self::Cipher if has("-cbc") => Grade::Outdated,
            Self::Mac if begins(&["hmac-md5", "hmac-sha1-96", "hmac-ripemd", "umac-64"]) => Grade::Outdated,
            _ => Grade::Sound,
        }
    }

    /// The lists that a side sends for it.
    fn lists(self, k: &KexInit) -> [&[u8]; 2] {
        let [ciphers, back] = [&k.ciphers, &k.macs].map(|[there, back]| [there.as_slice(), back.as_slice()]);
        match self {
            Self::Kex => [&k.kex, &[]],
            Self::HostKey => [&k.host_key, &[]],
            Self::Cipher => ciphers,
            Self::Mac => back,
        }
    }
}

/// An algorithm with what it is for.
type Named<'a> = (Use, &'a [u8]);

/// What both sides agreed on, each once.
fn agreed(c: &SshConnection) -> Vec<Named<'_>> {
    use Direction::{Orig, Resp};
    let all = [
        (Use::Kex, c.kex()),
        (Use::HostKey, c.host_key_algorithm()),
        (Use::Cipher, c.cipher(Orig)),
        (Use::Cipher, c.cipher(Resp)),
        (Use::Mac, c.mac(Orig)),
        (Use::Mac, c.mac(Resp)),
    ];
    let mut out: Vec<Named<'_>> = Vec::with_capacity(all.len());
    for (kind, name) in all {
        if let Some(name) = name
            && !out.contains(&(kind, name))
        {
            out.push((kind, name));
        }
    }
    out
}

fn names(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|b| *b == b',').filter(|n| !n.is_empty())
}

fn shown(name: &[u8]) -> String {
    clean(&String::from_utf8_lossy(name.get(..NAME_BYTES).unwrap_or(name)))
}

/// Algorithms in words: `cipher 3des-cbc, MAC hmac-md5`.
fn words(all: &[Named<'_>]) -> String {
    let mut out: Vec<String> =
        all.iter().take(SHOWN).map(|(kind, name)| format!("{} {}", kind.word(), shown(name))).collect();
    if all.len() > SHOWN {
        out.push(format!("{} more", all.len() - SHOWN));
    }
    out.join(", ")
}

/// Whether a key exchange withstands quantum computers: NTRU Prime or ML-KEM beside a curve (OpenSSH 9.0
/// and 9.9; draft-ietf-sshm-mlkem-hybrid-kex), and the drafts of Kyber.
fn is_post_quantum(name: &[u8]) -> bool {
    ["sntrup", "mlkem", "kyber"].iter().any(|w| name.windows(w.len()).any(|part| part == w.as_bytes()))
}

/// What makes sightings of one connection.
struct Judge<'a, 'b> {
    home: &'a HomeNet,
    cx: &'a Cx<'b>,
    at: (crate::base::Timestamp, u64),
    out: &'a mut Vec<Sighting>,
}

impl Judge<'_, '_> {
    /// About the service, and this peer.
    fn connection(&mut self, rule: &'static str, detail: String, evidence: String) {
        let mut sighting = on_flow(rule, self.home, self.cx.flow, "ssh", self.at, evidence);
        sighting.detail = detail.into();
        self.out.push(sighting);
    }

    /// About the service, whoever the peer is.
    fn service(&mut self, rule: &'static str, detail: String, evidence: String) {
        self.connection(rule, detail, evidence);
        if let Some(last) = self.out.last_mut() {
            last.peer = None;
        }
    }

    /// About the client, whatever it connects to.
    fn client(&mut self, rule: &'static str, evidence: String) {
        self.service(rule, String::new(), evidence);
        if let Some(last) = self.out.last_mut() {
            (last.device, last.port) = (Party { ip: self.cx.flow.orig_ip, mac: self.cx.flow.orig_mac }, 0);
        }
    }
}

/// An SSH connection.
pub fn connection(home: &HomeNet, cx: &Cx<'_>, SshEvent(c): &SshEvent<'_>, out: &mut Vec<Sighting>) {
    let mut judge = Judge { home, cx, at: (c.ts, c.packet), out };
    if c.is_version_1() {
        let banners = [("server", &c.server_banner), ("client", &c.client_banner)];
        let said: Vec<String> =
            banners.iter().filter_map(|(who, banner)| banner.as_ref().map(|b| format!("{who} {}", shown(b)))).collect();
        judge.connection("ssh-protocol-1", String::new(), said.join(", "));
    }
    negotiated(c, &mut judge);
    // What a server outside takes is nothing that we can change.
    let (client_is_ours, server_is_ours) = (home.is_home(cx.flow.orig_ip), home.is_home(cx.flow.resp_ip));
    if server_is_ours || !client_is_ours {
        server(c, &mut judge);
    }
    quantum(c, client_is_ours, server_is_ours, &mut judge);
}

/// What is too short, in words. The lengths of DSA and of fixed groups go with their names.
fn short(c: &SshConnection) -> impl Iterator<Item = String> {
    let is_dsa = c.host_key_algorithm().is_some_and(|name| Use::HostKey.grade(name) == Grade::Weak);
    let key = c.host_key.as_ref().and_then(|k| k.bits).filter(|_| !is_dsa);
    let word = |what: &str, bits: Option<u32>| bits.filter(|b| *b < BITS_MIN).map(|b| format!("{what} of {b} bits"));
    [word("host key", key), word("group", c.dh_bits)].into_iter().flatten()
}

fn negotiated(c: &SshConnection, judge: &mut Judge<'_, '_>) {
    if c.kex().is_none() {
        return;
    }
    let agreed = agreed(c);
    for (rule, grade) in [
        ("ssh-no-protection", Grade::Nothing),
        ("ssh-weak-algorithm", Grade::Weak),
        ("ssh-outdated-algorithm", Grade::Outdated),
    ] {
        let bad: Vec<Named<'_>> = agreed.iter().copied().filter(|(kind, name)| kind.grade(name) == grade).collect();
        let mut list = words(&bad);
        if grade == Grade::Weak {
            for length in short(c) {
                list += if list.is_empty() { "" } else { ", " };
                list += &length;
            }
        }
        if list.is_empty() {
            continue;
        }
        let evidence = format!("agreed on {list}");
        match grade {
            Grade::Outdated => judge.service(rule, list, evidence),
            _ => judge.connection(rule, list, evidence),
        }
    }
    // CVE-2023-48795 needs one of two constructions, and both sides to take the marker against it.
    let Some((client, server)) = c.strict_kex() else { return };
    let open = [Direction::Orig, Direction::Resp].into_iter().find_map(|from| {
        let cipher = c.cipher(from)?;
        if cipher == b"chacha20-poly1305@openssh.com" || cipher == b"chacha20-poly1305" {
            return Some(shown(cipher));
        }
        let mac = c.mac(from)?;
        let sealed_last = mac.windows(4).any(|w| w == b"-etm");
        (sealed_last && cipher.windows(4).any(|w| w == b"-cbc"))
            .then(|| format!("{} with {}", shown(cipher), shown(mac)))
    });
    if let Some(open) = open
        && !(client && server)
    {
        let who = match (client, server) {
            (false, false) => "neither side knows",
            (true, _) => "the server does not know",
            (false, true) => "the client does not know",
        };
        let evidence = format!("{open}, and {who} strict key exchange");
        match (client, server) {
            (false, true) => judge.client("ssh-terrapin", evidence),
            _ => judge.service("ssh-terrapin", String::new(), evidence),
        }
    }
}

/// What a server takes and is, whatever this client made of it.
fn server(c: &SshConnection, judge: &mut Judge<'_, '_>) {
    let banner = c.server_banner.as_deref().unwrap_or_default();
    if c.takes_version_1() {
        judge.service("ssh-protocol-1-offered", String::new(), format!("server {}", shown(banner)));
    }
    if let Some(known) = software::known(banner, c.ts) {
        let rule = match known.kind {
            Kind::Flaw => "ssh-known-flaw",
            Kind::Ended => "ssh-outdated-server",
        };
        let evidence = format!("server {}: {} ({})", shown(banner), known.why, known.day);
        judge.service(rule, String::new(), evidence);
    }
    let Some(lists) = &c.server else { return };
    let agreed = agreed(c);
    let mut weak: Vec<Named<'_>> = Vec::new();
    for kind in Use::ALL {
        for name in kind.lists(lists).into_iter().flat_map(names) {
            // A packet holds thousands of short names; the first few are enough.
            if weak.len() <= 2 * SHOWN
                && kind.grade(name) >= Grade::Weak
                && !agreed.contains(&(kind, name))
                && !weak.contains(&(kind, name))
            {
                weak.push((kind, name));
            }
        }
    }
    if !weak.is_empty() {
        judge.service("ssh-weak-algorithm-offered", String::new(), format!("server offers {}", words(&weak)));
    }
}

fn quantum(c: &SshConnection, client_is_ours: bool, server_is_ours: bool, judge: &mut Judge<'_, '_>) {
    let ready = |k: &KexInit| names(&k.kex).any(is_post_quantum);
    if let Some(server) = &c.server
        && (server_is_ours || !client_is_ours)
        && !ready(server)
    {
        let evidence = String::from("server offers no key exchange with ML-KEM or NTRU Prime");
        judge.service("ssh-no-post-quantum", String::new(), evidence);
    }
    if let Some(client) = &c.client
        && (client_is_ours || !server_is_ours)
        && !ready(client)
    {
        judge.client("ssh-no-post-quantum", String::from("client offers no key exchange with ML-KEM or NTRU Prime"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::cleartext::tests::flow;
    use super::*;
    use crate::base::Timestamp;
    use crate::proto::api::LimitCount;
    use crate::signature::RuleSet;

    const MODERN: [&str; 4] = [
        "mlkem768x25519-sha256,curve25519-sha256,kex-strict-c-v00@openssh.com,kex-strict-s-v00@openssh.com",
        "ssh-ed25519,rsa-sha2-512",
        "chacha20-poly1305@openssh.com,aes128-ctr",
        "hmac-sha2-256-etm@openssh.com,hmac-sha1",
    ];

    fn lists([kex, host_key, cipher, mac]: [&str; 4]) -> KexInit {
        let own = |text: &str| text.as_bytes().to_vec();
        KexInit {
            kex: own(kex),
            host_key: own(host_key),
            ciphers: [own(cipher), own(cipher)],
            macs: [own(mac), own(mac)],
            compression: [own("none"), own("none")],
            languages: Default::default(),
        }
    }

    fn seen(orig: &str, resp: &str, c: &SshConnection) -> Vec<Sighting> {
        let flow = flow(orig, resp);
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        let mut out = Vec::new();
        connection(&HomeNet::default(), &cx, &SshEvent(c), &mut out);
        for s in &out {
            assert!(RuleSet::builtin().get(s.rule).is_some(), "{} has no rule", s.rule);
        }
        out
    }

    fn found(client: [&str; 4], server: [&str; 4]) -> Vec<(&'static str, String)> {
        let c = SshConnection { client: Some(lists(client)), server: Some(lists(server)), ..SshConnection::default() };
        seen("10.0.0.9", "10.0.0.5", &c).into_iter().map(|s| (s.rule, s.evidence)).collect()
    }

    fn rules(all: &[(&'static str, String)]) -> Vec<&'static str> {
        all.iter().map(|(rule, _)| *rule).collect()
    }

    /// The modern lists with others in one place.
    fn but(place: usize, list: &'static str) -> [&'static str; 4] {
        let mut out = MODERN;
        out[place] = list;
        out
    }

    #[test]
    fn a_short_key_and_a_short_group_are_weak() {
        use crate::proto::remote::ssh_key::HostKey;
        let old = [
            "diffie-hellman-group-exchange-sha256,mlkem768x25519-sha256,kex-strict-c-v00@openssh.com,kex-strict-s-v00@openssh.com",
            "rsa-sha2-256",
            "aes128-ctr",
            "hmac-sha2-256",
        ];
        let with = |bits, dh_bits| SshConnection {
            client: Some(lists(old)),
            server: Some(lists(old)),
            host_key: Some(HostKey { bits: Some(bits), fingerprint: String::new() }),
            dh_bits: Some(dh_bits),
            ..SshConnection::default()
        };
        let told = |c: &SshConnection| {
            seen("10.0.0.9", "10.0.0.5", c).into_iter().map(|s| (s.rule, s.evidence)).collect::<Vec<_>>()
        };
        assert!(told(&with(2048, 2048)).is_empty());
        let both = "agreed on host key of 1024 bits, group of 1536 bits".to_owned();
        assert_eq!(told(&with(1024, 1536)), [("ssh-weak-algorithm", both)]);
    }

    #[test]
    fn versions() {
        let judge = |banner: &[u8]| {
            let c = SshConnection { server_banner: Some(banner.to_vec()), ..SshConnection::default() };
            seen("10.0.0.9", "10.0.0.5", &c).iter().map(|s| s.rule).collect::<Vec<_>>()
        };
        assert_eq!(judge(b"SSH-1.5-Cisco-1.25"), ["ssh-protocol-1"]);
        assert_eq!(judge(b"SSH-1.99-OpenSSH_3"), ["ssh-protocol-1-offered"], "speaks version 2 as well");
        assert!(judge(b"SSH-2.0-x").is_empty());
    }

    #[test]
    fn what_was_agreed_on_is_graded() {
        const STRICT: &str = ",kex-strict-c-v00@openssh.com,kex-strict-s-v00@openssh.com,mlkem768x25519-sha256";
        for (place, list, want) in [
            (0, "diffie-hellman-group1-sha1", "ssh-weak-algorithm"),
            (0, "rsa1024-sha1", "ssh-weak-algorithm"),
            (0, "diffie-hellman-group14-sha1", "ssh-outdated-algorithm"),
            (0, "diffie-hellman-group-exchange-sha1", "ssh-outdated-algorithm"),
            (0, "gss-gex-sha1-toWM5Slw5Ew8Mqkay+al2g==", "ssh-outdated-algorithm"),
            (1, "ssh-dss", "ssh-weak-algorithm"),
            (1, "ssh-rsa", "ssh-outdated-algorithm"),
            (1, "ssh-rsa-cert-v01@openssh.com", "ssh-outdated-algorithm"),
            (2, "arcfour256", "ssh-weak-algorithm"),
            (2, "3des-cbc", "ssh-weak-algorithm"),
            (2, "blowfish-cbc", "ssh-weak-algorithm"),
            (2, "cast128-cbc", "ssh-weak-algorithm"),
            (2, "des-cbc@ssh.com", "ssh-weak-algorithm"),
            (2, "aes256-cbc", "ssh-outdated-algorithm"),
            (2, "none", "ssh-no-protection"),
        ] {
            let with = if place == 0 { format!("{list}{STRICT}") } else { list.to_owned() };
            let lists = {
                let mut out = MODERN.map(str::to_owned);
                out[place] = with;
                // No encrypt-then-MAC, so that nothing else is to be told.
                out[3] = String::from("hmac-sha2-256");
                out
            };
            let lists = [0, 1, 2, 3].map(|i| lists[i].as_str());
            assert_eq!(rules(&found(lists, lists)), [want], "{list}");
        }
        for (mac, want) in [
            ("none", &["ssh-no-protection"][..]),
            ("hmac-md5", &["ssh-outdated-algorithm"]),
            ("hmac-sha1-96", &["ssh-outdated-algorithm"]),
            ("umac-64@openssh.com", &["ssh-outdated-algorithm"]),
            ("hmac-sha1", &[]),
            ("umac-128-etm@openssh.com", &[]),
        ] {
            let lists = [MODERN[0], MODERN[1], "aes128-ctr", mac];
            assert_eq!(rules(&found(lists, lists)), want, "{mac}");
        }
        for sound in ["ecdh-sha2-nistp256", "diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512"] {
            assert_eq!(Use::Kex.grade(sound.as_bytes()), Grade::Sound, "{sound}");
        }
        assert_eq!(Use::HostKey.grade(b"x509v3-rsa2048-sha256"), Grade::Sound);
    }

    #[test]
    fn a_modern_connection_is_silent() {
        assert_eq!(found(MODERN, MODERN), []);
        // A MAC counts only where the cipher needs one.
        assert_eq!(found(but(3, "hmac-md5"), but(3, "hmac-md5")), []);
    }

    #[test]
    fn all_of_one_grade_is_one_finding() {
        let old = ["diffie-hellman-group1-sha1,sntrup761x25519-sha512", "ssh-dss", "3des-cbc", "hmac-md5"];
        let all = found(old, old);
        assert_eq!(rules(&all), ["ssh-weak-algorithm", "ssh-outdated-algorithm"]);
        assert_eq!(all[0].1, "agreed on key exchange diffie-hellman-group1-sha1, host key ssh-dss, cipher 3des-cbc");
    }

    #[test]
    fn what_a_server_would_still_take() {
        let server = but(2, "chacha20-poly1305@openssh.com,3des-cbc,arcfour,aes128-cbc");
        let all = found(MODERN, server);
        assert_eq!(rules(&all), ["ssh-weak-algorithm-offered"]);
        assert_eq!(all[0].1, "server offers cipher 3des-cbc, cipher arcfour");
        assert_eq!(
            found(but(2, "chacha20-poly1305@openssh.com,3des-cbc"), MODERN),
            [],
            "a client's offer is not judged"
        );
        let c = SshConnection { server: Some(lists(server)), ..SshConnection::default() };
        assert!(seen("10.0.0.9", "192.0.2.1", &c).is_empty(), "the server is not ours");
        let all = seen("192.0.2.1", "10.0.0.5", &c);
        assert_eq!((all.len(), all[0].peer, all[0].device.ip.to_string().as_str()), (1, None, "10.0.0.5"));
        let many: String = (0..500).map(|n| format!("arcfour{n},")).collect();
        let all = found(MODERN, [MODERN[0], MODERN[1], &many, MODERN[3]]);
        assert!(all.iter().all(|(_, evidence)| evidence.len() < 300));
    }

    #[test]
    fn terrapin_needs_a_construction_and_a_side_without_the_marker() {
        let plain = "mlkem768x25519-sha256";
        let bare = |cipher, mac| [plain, MODERN[1], cipher, mac];
        let chacha = bare("chacha20-poly1305@openssh.com", "hmac-sha1");
        assert_eq!(
            found(chacha, chacha),
            [(
                "ssh-terrapin",
                String::from("chacha20-poly1305@openssh.com, and neither side knows strict key exchange")
            )]
        );
        assert!(found(MODERN, but(0, plain))[0].1.contains("the server does not know"));
        assert!(found(but(0, plain), MODERN)[0].1.contains("the client does not know"));
        let cbc = bare("aes128-cbc", "hmac-sha2-256-etm@openssh.com");
        assert_eq!(rules(&found(cbc, cbc)), ["ssh-outdated-algorithm", "ssh-terrapin"]);
        for (cipher, mac) in [("aes128-ctr", "hmac-sha2-256-etm@openssh.com"), ("aes128-gcm@openssh.com", "hmac-sha1")]
        {
            assert_eq!(found(bare(cipher, mac), bare(cipher, mac)), [], "{cipher}");
        }
    }

    #[test]
    fn ready_for_quantum_computers_or_not() {
        let old = but(0, "curve25519-sha256,kex-strict-c-v00@openssh.com,kex-strict-s-v00@openssh.com");
        assert_eq!(rules(&found(old, MODERN)), ["ssh-no-post-quantum"]);
        assert_eq!(rules(&found(old, old)), ["ssh-no-post-quantum"; 2], "one about each side");
    }

    #[test]
    fn software_that_is_known() {
        let day = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_nanosecond() as i64);
        let judge = |banner: &[u8], ts| {
            let c = SshConnection { server_banner: Some(banner.to_vec()), ts, ..SshConnection::default() };
            seen("10.0.0.9", "10.0.0.5", &c).into_iter().map(|s| (s.rule, s.evidence)).collect::<Vec<_>>()
        };
        let now = day("2026-01-01T00:00:00Z");
        assert_eq!(rules(&judge(b"SSH-2.0-libssh_0.8.1", now)), ["ssh-known-flaw"]);
        let all = judge(b"SSH-2.0-OpenSSH_7.4p1 Debian-10+deb9u7", now);
        assert_eq!(rules(&all), ["ssh-outdated-server"]);
        assert!(all[0].1.ends_with("(2022-06-30)"), "{}", all[0].1);
        assert_eq!(judge(b"SSH-2.0-OpenSSH_7.4p1 Debian-10+deb9u7", day("2020-01-01T00:00:00Z")), []);
    }
}
