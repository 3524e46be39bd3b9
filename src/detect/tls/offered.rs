//! What a client offers. One finding for each device and rule: an offer says what the device is ready to
//! take, wherever it connects to.

use super::negotiated::Told;
use super::{Scope, Weakness, age, obsolete_version};
use crate::base::Addr;
use crate::fingerprint::hello::scsv;
use crate::fingerprint::suites::{Flaw, Flaws, Suite, is_post_quantum};
use crate::fingerprint::{registry, sslv2};
use crate::proto::tls::{ClientFacts, Handshake};

/// Alert by which a server refuses a client that tries again with an older version than both can do
/// (RFC 7507, section 3).
const INAPPROPRIATE_FALLBACK: u8 = 86;
/// Port at which the names of the protocol inside are looked at.
const HTTPS: u16 = 443;
/// Bytes of a name that evidence shows.
const NAME_BYTES: usize = 32;

/// To whom the offer was made.
#[derive(Debug, Clone, Copy)]
pub struct Towards {
    /// Address of the server.
    pub server: Addr,
    /// Port of the responder.
    pub port: u16,
    /// Whether it is a server on the Internet, and the client is ours.
    pub outside: bool,
}

/// Judges a ClientHello. What it offers counts, whether the server refused, took it or took something
/// better; of a hello that is sent a second time because the server asked for it only the second counts.
pub fn judge(h: &Handshake, told: Told, to: Towards, push: &mut dyn FnMut(Weakness)) {
    let Some(client) = &h.client else { return };
    if h.server.as_ref().is_some_and(|s| s.retry) {
        return;
    }
    let mut client_says = |rule, weight, what: String| {
        let evidence = format!("{what}, to {} port {}", to.server, to.port);
        push(Weakness { weight, ..Weakness::new(rule, Scope::Client, evidence) });
    };
    let fallback = client.ciphers.contains(&scsv::FALLBACK);
    if let Some(name) = obsolete_version(client.highest_version)
        && !fallback
        && !told.version
    {
        let weight = 8_u8.saturating_sub(age(client.highest_version).unwrap_or_default());
        client_says("tls-client-obsolete-version", weight, format!("offers nothing newer than {name}"));
    }
    if fallback {
        let refused = h.alerts.iter().any(|a| a.description == INAPPROPRIATE_FALLBACK);
        let answer = if refused { " and is refused, as the server can do better" } else { "" };
        let version = registry::version_name(client.highest_version);
        client_says("tls-fallback", 1 + u8::from(refused), format!("tries again with {version}{answer}"));
    }
    let flaws = flaws(client);
    if let Some(worst) = flaws.iter().next()
        && !told.cipher
    {
        let rule = if worst == Flaw::TripleDes { "tls-client-3des" } else { "tls-client-weak-ciphers" };
        let words = flaws.iter().map(Flaw::words).collect::<Vec<_>>().join("; ");
        client_says(rule, 16 - worst as u8, format!("offers {words}"));
    }
    if let Some(method) = client.compression.iter().find(|m| **m != 0) {
        let name = registry::compression_name(*method);
        client_says("tls-client-compression", 1, format!("offers the compression {name}"));
    }
    // Of a hello that is cut short the rest of the extensions is not known.
    let whole = client.ja4.is_some();
    if whole && !client.post_quantum {
        client_says("tls-no-post-quantum", 1, String::from("offers no key exchange with ML-KEM"));
    }
    if to.outside && whole && !client.has_server_name && !client.sslv2_form && h.transport != "dtls" {
        client_says("tls-no-server-name", 1, String::from("names no server"));
    }
    if to.port == HTTPS
        && let Some(name) = client.alpn.iter().find(|name| is_odd(name))
    {
        let shown = name.get(..NAME_BYTES).unwrap_or(name).escape_ascii();
        client_says("tls-odd-alpn", 1, format!("offers the protocol \"{shown}\""));
    }
}

/// What is wrong with the ciphers that a client offers.
fn flaws(client: &ClientFacts) -> Flaws {
    let suites = client.ciphers.iter().filter_map(|c| Suite::of(*c).flaw());
    let kinds = client.sslv2_ciphers.iter().filter_map(|k| Suite::of_name(sslv2::cipher_name(*k)?).flaw());
    suites.chain(kinds).fold(Flaws::default(), Flaws::with)
}

/// A server that a client offers more than it takes: no key exchange that withstands quantum computers.
pub fn answered_without_post_quantum(h: &Handshake, push: &mut dyn FnMut(Weakness)) {
    let offered = h.client.as_ref().is_some_and(|c| c.post_quantum);
    let Some(server) = h.server.as_ref().filter(|s| !s.retry && h.established != Some(false)) else { return };
    if offered && !h.group.is_some_and(is_post_quantum) {
        let chosen = match h.group {
            Some(group) => registry::group_name(group),
            None => registry::version_name(server.version),
        };
        let evidence = format!("client offers a key exchange with ML-KEM, server chose {chosen}");
        push(Weakness::new("tls-no-post-quantum", Scope::Service, evidence));
    }
}

/// Names of the protocol inside (IANA TLS ALPN Protocol IDs registry), and those that were in use
/// without ever coming into it.
const ALPN: [&[u8]; 44] = [
    b"acme-tls/1",
    b"apns-pack-v1",
    b"apns-security-v3",
    b"c-webrtc",
    b"co",
    b"coap",
    b"dicom",
    b"doq",
    b"dot",
    b"ftp",
    b"grpc-exp",
    b"h2",
    b"h2c",
    b"h3",
    b"http/0.9",
    b"http/1.0",
    b"http/1.1",
    b"imap",
    b"irc",
    b"managesieve",
    b"mc",
    b"mqtt",
    b"netperfmeter/control",
    b"netperfmeter/data",
    b"nnsp",
    b"nntp",
    b"ntske/1",
    b"pop3",
    b"postgresql",
    b"radius/1.0",
    b"radius/1.1",
    b"sip/2",
    b"smb",
    b"spdy/1",
    b"spdy/2",
    b"spdy/3",
    b"stun.nat-discovery",
    b"stun.turn",
    b"sunrpc",
    b"tds/8.0",
    b"webrtc",
    b"x-amzn-http-ca",
    b"x-amzn-mqtt-ca",
    b"xmpp-client",
];

/// Whether a name is neither registered nor one of a known family.
fn is_odd(name: &[u8]) -> bool {
    const FAMILIES: [&[u8]; 7] = [b"h2-", b"h3-", b"hq-", b"spdy/3.", b"doq-", b"xmpp-server", b"perf"];
    // Values that keep servers tolerant (RFC 8701, section 2).
    let grease = matches!(name, [a, b] if a == b && a & 0x0f == 0x0a);
    !grease && ALPN.binary_search(&name).is_err() && !FAMILIES.iter().any(|f| name.starts_with(f))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::fingerprint::ja4::ja4_of_sslv2;
    use crate::proto::api::Direction;
    use crate::proto::tls::{Alert, ServerFacts};

    const INSIDE: Towards = Towards { server: Addr::v4([10, 0, 0, 5]), port: 443, outside: false };

    fn hello(version: u16, ciphers: &[u16]) -> Handshake {
        let mut h = Handshake::new(Timestamp(1), 1, "tcp", Direction::Orig);
        h.client = Some(ClientFacts {
            highest_version: version,
            ciphers: ciphers.to_vec(),
            post_quantum: true,
            ja4: Some(ja4_of_sslv2(version)),
            ..ClientFacts::default()
        });
        h
    }

    fn found(h: &Handshake, told: Told, to: Towards) -> Vec<Weakness> {
        let mut out = Vec::new();
        judge(h, told, to, &mut |w| out.push(w));
        out
    }

    fn rules(h: &Handshake) -> Vec<&'static str> {
        found(h, Told::default(), INSIDE).iter().map(|w| w.rule).collect()
    }

    #[test]
    fn weak_offers_are_found() {
        for (version, ciphers, want) in [
            (0x0301, &[0xc013][..], &["tls-client-obsolete-version"][..]),
            (0xfeff, &[0xc013], &["tls-client-obsolete-version"]),
            (0x0301, &[0xc013, 0x5600], &["tls-fallback"]),
            (0x0303, &[0xc02f, 0x0005], &["tls-client-weak-ciphers"]),
            (0x0303, &[0xc02f, 0x0003, 0x000a], &["tls-client-weak-ciphers"]),
            (0x0303, &[0xc02f, 0x0034], &["tls-client-weak-ciphers"]),
            (0x0303, &[0xc02f, 0x003b], &["tls-client-weak-ciphers"]),
            // As browsers did until 2021: triple DES at the end.
            (0x0304, &[0x2a2a, 0x1301, 0xc02f, 0x002f, 0x000a], &["tls-client-3des"]),
        ] {
            assert_eq!(rules(&hello(version, ciphers)), want, "{version:04x} {ciphers:04x?}");
        }
        let all = found(&hello(0x0303, &[0x0005, 0x0003, 0x000a]), Told::default(), INSIDE);
        assert_eq!(
            all[0].evidence,
            "offers export-grade keys; RC4; triple DES, blocks of 64 bits, to 10.0.0.5 port 443"
        );
        let worse = found(&hello(0x0303, &[0x003b]), Told::default(), INSIDE);
        assert!(worse[0].weight > all[0].weight, "the worst is shown");
    }

    #[test]
    fn sound_offers_and_signals_are_not() {
        for ciphers in [&[0x2a2a, 0x1301, 0xc02f][..], &[0xc02f, 0x00ff], &[0x1301, 0x002f, 0x009c], &[0xbeef]] {
            assert_eq!(rules(&hello(0x0304, ciphers)), [""; 0], "{ciphers:04x?}");
        }
        let told = Told { version: true, cipher: true };
        assert_eq!(found(&hello(0x0301, &[0x0005]), told, INSIDE), [], "the agreed one says it already");
        let mut again = hello(0x0301, &[0x0005]);
        again.server = Some(ServerFacts { retry: true, ..ServerFacts::default() });
        assert_eq!(rules(&again), [""; 0], "the second hello counts");
    }

    #[test]
    fn a_fallback_that_was_refused_says_so() {
        let mut h = hello(0x0301, &[0xc013, 0x5600]);
        h.alerts.push(Alert { sender: Direction::Resp, level: 2, description: INAPPROPRIATE_FALLBACK });
        let all = found(&h, Told::default(), INSIDE);
        assert!(all[0].evidence.starts_with("tries again with TLSv1.0 and is refused"));
    }

    #[test]
    fn an_offer_in_the_form_of_ssl_2() {
        let mut h = hello(0x0301, &[]);
        if let Some(client) = &mut h.client {
            (client.sslv2_form, client.sslv2_ciphers) = (true, vec![0x02_0080, 0x42]);
        }
        assert_eq!(rules(&h), ["tls-client-obsolete-version", "tls-client-weak-ciphers"]);
    }

    #[test]
    fn the_rest_of_an_offer() {
        let with = |change: fn(&mut ClientFacts)| {
            let mut h = hello(0x0304, &[0x1301]);
            h.client.iter_mut().for_each(change);
            h
        };
        assert_eq!(rules(&with(|c| c.compression = vec![1, 0])), ["tls-client-compression"]);
        assert_eq!(rules(&with(|c| c.compression = vec![0])), [""; 0]);
        assert_eq!(rules(&with(|c| c.post_quantum = false)), ["tls-no-post-quantum"]);
        let cut = with(|c| (c.post_quantum, c.ja4) = (false, None));
        assert_eq!(rules(&cut), [""; 0], "cut short: it may come behind");
        let outside = Towards { outside: true, ..INSIDE };
        let named = |h: &Handshake| found(h, Told::default(), outside).len();
        assert_eq!(named(&with(|_| ())), 1);
        assert_eq!(named(&with(|c| c.has_server_name = true)), 0);
        assert_eq!(named(&cut), 0);
        assert_eq!(named(&Handshake { transport: "dtls", ..with(|_| ()) }), 0, "calls between browsers have none");
    }

    #[test]
    fn odd_names_of_protocols() {
        assert!(ALPN.is_sorted());
        for name in [&b"h2"[..], b"http/1.1", b"h3-29", b"spdy/3.1", b"h2-14", b"\x1a\x1a", b"xmpp-server", b"doq"] {
            assert!(!is_odd(name), "{}", name.escape_ascii());
        }
        for name in [&b"evil"[..], b"\xff\x00", b"", b"http/1.1\0", b"\x1a\x2a"] {
            assert!(is_odd(name), "{}", name.escape_ascii());
        }
        let mut h = hello(0x0304, &[0x1301]);
        if let Some(client) = &mut h.client {
            client.alpn = vec![b"h2".to_vec(), b"\xffx".to_vec()];
        }
        let all = found(&h, Told::default(), INSIDE);
        assert_eq!(all[0].evidence, "offers the protocol \"\\xffx\", to 10.0.0.5 port 443");
        assert_eq!(found(&h, Told::default(), Towards { port: 8443, ..INSIDE }), []);
    }

    #[test]
    fn a_server_that_is_not_ready_for_quantum_computers() {
        let count = |offered, group| {
            let mut h = hello(0x0304, &[0x1301]);
            h.client.iter_mut().for_each(|c| c.post_quantum = offered);
            h.server = Some(ServerFacts { version: 0x0304, ..ServerFacts::default() });
            h.group = group;
            let mut n = 0;
            answered_without_post_quantum(&h, &mut |_| n += 1);
            n
        };
        assert_eq!((count(true, Some(29)), count(true, None)), (1, 1));
        assert_eq!((count(true, Some(0x11ec)), count(false, Some(29))), (0, 0));
    }
}
