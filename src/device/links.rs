//! Who talked to whom about what, added up over all flows: what the tables of services and peers are made of.
//!
//! A flow that ends costs one look-up. Flows that share ends, port and service are one entry, and adding
//! them up gives the same whatever their order.

use std::num::NonZeroU64;

use hashbrown::HashMap;

use super::claim::{Span, stated};
use crate::base::hash::stable64;
use crate::base::limits::{self, Room};
use crate::base::{Addr, Mac, Timestamp};

/// Services whose port is agreed on for each connection: the port says nothing of the device.
const MEDIA: [&str; 3] = ["rtp", "rtcp", "ftp-data"];
/// Ports from here on are of the flow, not of a service (RFC 6335, section 6: dynamic ports).
const DYNAMIC_PORTS: u16 = 49_152;

/// Whether flows of a service are announced by another one: neither side of them offers anything.
pub(super) fn is_media(service: &str) -> bool {
    MEDIA.contains(&service)
}

/// Flows that are answers: service, the port of their responder, and of the server that is their originator.
/// A DHCP server may answer to everybody (RFC 2131, section 4.1; RFC 8415, section 7.2).
const ANSWERS: [(&str, u16, u16); 2] = [("dhcp", 68, 67), ("dhcpv6", 546, 547)];
/// Port on which TFTP is asked for; the answer comes from another one (RFC 1350, section 4).
const TFTP: (&str, u16) = ("tftp", 69);

/// The server's port of a flow whose originator is the server.
fn answers_from(link: &Link<'_>) -> Option<u16> {
    let service = link.service.filter(|_| link.sure)?;
    if service == TFTP.0 && link.port != TFTP.1 {
        return Some(TFTP.1);
    }
    ANSWERS.iter().find(|(name, to, _)| service == *name && link.port == *to).map(|(.., from)| *from)
}

/// A flow that ended, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// MAC of the originator's frames, and its address.
    pub orig: (Mac, Addr),
    /// Likewise of the responder.
    pub resp: (Mac, Addr),
    /// IP protocol.
    pub protocol: u8,
    /// Port of the responder; zero where the protocol has none.
    pub port: u16,
    /// Service.
    pub service: Option<&'static str>,
    /// Whether the payload told the service, and not its port alone.
    pub sure: bool,
    /// Whether the responder answered.
    pub answered: bool,
    /// Whether it was encrypted.
    pub encrypted: bool,
    /// Service inside of the encryption, where it was read.
    pub inner: Option<&'static str>,
    /// Payload bytes of originator and responder.
    pub bytes: [u64; 2],
    /// First packet.
    pub first: Timestamp,
    /// Last packet.
    pub last: Timestamp,
    /// Name of the responder.
    pub name: Option<&'a str>,
    /// Whether the name was asked for as one asks a proxy: it is of another server.
    pub of_proxy: bool,
    /// Whether the responder is a group: frames to it went to one, and it did not answer.
    pub to_group: bool,
    /// Stacks whose SYNs had passed a router: a bit each, see [`passed`].
    pub passed: u8,
}

/// The stack whose SYN has passed a router, as a bit, by its TTL rounded down to a multiple of 32: systems begin with 64
/// or 128 (or 255, which does not tell), and a router on the way leaves less.
pub const fn passed(ttl: u8) -> u8 {
    match ttl {
        0x20 => 1,
        0x60 => 2,
        _ => 0,
    }
}

/// What flows have in common that are one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LinkKey {
    pub orig: (Mac, Addr),
    pub resp: (Mac, Addr),
    pub protocol: u8,
    /// Zero where the port says nothing.
    pub port: u16,
    pub service: Option<&'static str>,
    pub sure: bool,
}

impl LinkKey {
    fn of(link: &Link<'_>) -> Self {
        const UDP: u8 = 17;
        // A scan must not fill the table with ports at which nobody is.
        let in_vain = !link.answered && !link.sure;
        let dynamic = match link.service {
            Some(service) => is_media(service),
            None => link.protocol == UDP && link.port >= DYNAMIC_PORTS,
        };
        let port = if in_vain || dynamic { 0 } else { link.port };
        let service = link.service.filter(|_| !in_vain);
        Self { orig: link.orig, resp: link.resp, protocol: link.protocol, port, service, sure: link.sure }
    }
}

/// A name that was asked for, as a hash, and in the lowest bit whether as one asks a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Site(NonZeroU64);

impl Site {
    /// The bit beside it is set, so that none is zero.
    const SET: NonZeroU64 = NonZeroU64::MIN.saturating_add(1);

    pub fn of(name: &str, of_proxy: bool) -> Self {
        Self(Self::SET | (stable64(0, name.as_bytes()) & !1 | u64::from(of_proxy)))
    }

    /// Whether it was asked for as one asks a proxy.
    pub const fn is_of_proxy(self) -> bool {
        self.0.get() & 1 != 0
    }

    /// The name alone, however it was asked for.
    pub fn name(self) -> Self {
        Self(Self::SET | (self.0.get() & !1))
    }
}

/// The smallest few of many sites. Of the names that a device passes on, the smallest is among those that it was asked
/// for and among those that it asks for, however many there are, so that the two can be compared. In their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sites {
    all: [Option<Site>; limits::LINK_SITES_MAX],
}

impl Sites {
    /// Adds one.
    pub fn add(&mut self, site: Site) {
        if self.iter().any(|known| known == site) {
            return;
        }
        let is_behind = |known: &&mut Option<Site>| known.is_none_or(|known| site < known);
        if let Some(last) = self.all.last_mut().filter(is_behind) {
            *last = Some(site);
            self.all.sort_unstable_by_key(|known| (known.is_none(), *known));
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Site> {
        self.all.iter().copied().flatten()
    }
}

/// What flows of one entry add up to.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub flows: u64,
    pub answered: u64,
    pub encrypted: u64,
    pub opened: u64,
    pub bytes: [u64; 2],
    pub span: Span,
    pub inner: Option<&'static str>,
    /// The first name of the responder.
    pub name: Option<(Timestamp, Box<str>)>,
    /// Names that were asked for and answered, where the service is HTTP or TLS.
    pub sites: Sites,
    /// Stacks of the originator whose SYNs had passed a router.
    pub passed: u8,
    /// Whether the responder is a group.
    pub to_group: bool,
}

impl Tally {
    fn add(&mut self, link: &Link<'_>) {
        self.flows += 1;
        self.answered += u64::from(link.answered);
        self.encrypted += u64::from(link.encrypted);
        self.opened += u64::from(link.inner.is_some());
        for (sum, n) in self.bytes.iter_mut().zip(link.bytes) {
            *sum = sum.saturating_add(n);
        }
        self.passed |= link.passed;
        self.to_group |= link.to_group;
        self.span = self.span.join(Span { first: link.first, last: link.last });
        self.inner = self.inner.into_iter().chain(link.inner).min();
        if let Some(name) = link.name {
            if link.answered && link.sure && matches!(link.service, Some("http" | "tls")) {
                self.sites.add(Site::of(name, link.of_proxy));
            }
            let named = (link.first, name);
            if self.name.as_ref().is_none_or(|(ts, known)| named < (*ts, known)) {
                self.name = Some((link.first, stated(name.as_bytes())));
            }
        }
    }

    fn new(link: &Link<'_>) -> Self {
        let mut tally = Self {
            flows: 0,
            answered: 0,
            encrypted: 0,
            opened: 0,
            bytes: [0; 2],
            span: Span { first: link.first, last: link.last },
            inner: None,
            name: None,
            sites: Sites::default(),
            passed: 0,
            to_group: false,
        };
        tally.add(link);
        tally
    }
}

/// Whose banner it is: MAC, address, IP protocol, port.
pub(super) type BannerKey = (Mac, Addr, u8, u16);

/// What a server says of itself at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner {
    pub(super) at: BannerKey,
    ts: Timestamp,
    text: Box<str>,
}

/// Collects banners in a shard, each once.
#[derive(Debug, Default)]
pub struct BannerDedup {
    pending: HashMap<BannerKey, Banner, ahash::RandomState>,
    dropped: u64,
}

impl BannerDedup {
    /// A server said so; secrets in it must be blanked already. What it said first is kept.
    pub fn note(&mut self, server: (Mac, Addr), protocol: u8, port: u16, text: &[u8], ts: Timestamp) {
        let at = (server.0, server.1, protocol, port);
        if let Some(known) = self.pending.get_mut(&at) {
            if ts < known.ts {
                *known = Banner { at, ts, text: stated(text) };
            }
        } else if self.pending.len() < limits::CLAIMS_PENDING_MAX {
            self.pending.insert(at, Banner { at, ts, text: stated(text) });
        } else {
            self.dropped += 1;
        }
    }

    /// Whether it is time to hand them on.
    pub fn is_full(&self) -> bool {
        self.pending.len() >= limits::CLAIMS_PENDING_MAX / 4 * 3
    }

    /// Banners dropped since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Hands on what was collected and begins anew. The order is that of the keys, because at its limit
    /// the table that takes them keeps what came first.
    pub fn drain(&mut self) -> Vec<Banner> {
        let mut all: Vec<_> = self.pending.drain().map(|(_, banner)| banner).collect();
        all.sort_unstable_by_key(|banner| banner.at);
        all
    }
}

/// All of one network.
#[derive(Debug, Default)]
pub struct Links {
    links: HashMap<LinkKey, Tally, ahash::RandomState>,
    banners: HashMap<BannerKey, Banner, ahash::RandomState>,
    dropped: u64,
    room: Room,
}

impl Links {
    /// With the limits that its memory leaves.
    pub fn within(room: Room) -> Self {
        Self { room, ..Self::default() }
    }

    /// Adds a flow. Those that came first keep their place at the limit.
    pub fn add(&mut self, link: &Link<'_>) {
        let turned = answers_from(link).map(|port| {
            let [orig, resp] = link.bytes;
            Link {
                orig: link.resp,
                resp: link.orig,
                port,
                bytes: [resp, orig],
                answered: true,
                name: None,
                of_proxy: false,
                passed: 0,
                to_group: false,
                ..*link
            }
        });
        let link = turned.as_ref().unwrap_or(link);
        let key = LinkKey::of(link);
        if let Some(tally) = self.links.get_mut(&key) {
            tally.add(link);
        } else if self.links.len() < self.room.of(limits::DEVICE_LINKS_MAX) {
            self.links.insert(key, Tally::new(link));
        } else {
            self.dropped += 1;
        }
    }

    /// Adds a banner; the first one of a port is kept.
    pub fn banner(&mut self, banner: Banner) {
        if let Some(known) = self.banners.get_mut(&banner.at) {
            if (banner.ts, &banner.text) < (known.ts, &known.text) {
                *known = banner;
            }
        } else if self.banners.len() < self.room.of(limits::DEVICE_BANNERS_MAX) {
            self.banners.insert(banner.at, banner);
        } else {
            self.dropped += 1;
        }
    }

    /// Flows and banners dropped since the last call, for
    /// [`crate::base::counters::Counters::contacts_dropped`].
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Entries in the order of their keys.
    pub fn sorted(&self) -> SortedLinks<'_> {
        let mut links: Vec<_> = self.links.iter().collect();
        links.sort_unstable_by_key(|(key, _)| **key);
        SortedLinks { links, banners: &self.banners }
    }
}

/// All of one network, in order.
#[derive(Debug)]
pub struct SortedLinks<'a> {
    pub(super) links: Vec<(&'a LinkKey, &'a Tally)>,
    banners: &'a HashMap<BannerKey, Banner, ahash::RandomState>,
}

impl SortedLinks<'_> {
    /// Banners: whose, when, what.
    pub(super) fn banners(&self) -> impl Iterator<Item = (&BannerKey, Timestamp, &str)> {
        self.banners.values().map(|banner| (&banner.at, banner.ts, &*banner.text))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub const CLIENT: Mac = Mac([2, 0, 0, 0, 0, 5]);
    pub const SERVER: Mac = Mac([2, 0, 0, 0, 0, 9]);

    pub fn v4(last: u8) -> Addr {
        Addr::v4([10, 0, 0, last])
    }

    /// A flow from 10.0.0.5 to 10.0.0.9.
    pub fn link(protocol: u8, port: u16, service: Option<&'static str>, first: i64) -> Link<'static> {
        Link {
            orig: (CLIENT, v4(5)),
            resp: (SERVER, v4(9)),
            protocol,
            port,
            service,
            sure: service.is_some(),
            answered: true,
            encrypted: false,
            inner: None,
            bytes: [10, 100],
            first: Timestamp(first),
            last: Timestamp(first + 5),
            name: None,
            of_proxy: false,
            passed: 0,
            to_group: false,
        }
    }

    #[test]
    fn flows_of_one_service_add_up_whatever_their_order() {
        let flows = [
            Link { name: Some("b.example"), ..link(6, 80, Some("http"), 20) },
            Link { name: Some("a.example"), encrypted: true, ..link(6, 80, Some("http"), 10) },
            Link { inner: Some("http"), bytes: [u64::MAX, 1], ..link(6, 80, Some("http"), 30) },
        ];
        let sum = |order: &mut dyn Iterator<Item = &Link<'static>>| {
            let mut links = Links::default();
            order.for_each(|l| links.add(l));
            let all = links.sorted().links;
            assert_eq!(all.len(), 1);
            format!("{:?}", all[0])
        };
        let forward = sum(&mut flows.iter());
        assert_eq!(forward, sum(&mut flows.iter().rev()));
        assert!(forward.contains("flows: 3, answered: 3, encrypted: 1, opened: 1"), "{forward}");
        assert!(forward.contains("a.example"), "the first name: {forward}");
    }

    #[test]
    fn the_smallest_sites_stay_whatever_their_order() {
        let site = |n: u64| Site(Site::SET | n << 2);
        let kept = |order: &mut dyn Iterator<Item = u64>| {
            let mut sites = Sites::default();
            order.for_each(|n| sites.add(site(n)));
            let mut all: Vec<_> = sites.iter().map(|s| s.0.get() >> 2).collect();
            all.sort_unstable();
            all
        };
        assert_eq!(kept(&mut [3, 3, 3].into_iter()), [3]);
        let smallest: Vec<_> = (1..=limits::LINK_SITES_MAX as u64).collect();
        assert_eq!(kept(&mut (1..99)), smallest);
        assert_eq!(kept(&mut (1..99).rev()), smallest);
        let (plain, of_proxy) = (Site::of("shop.example", false), Site::of("shop.example", true));
        assert!(of_proxy.is_of_proxy() && !plain.is_of_proxy() && plain != of_proxy);
        assert_eq!(of_proxy.name(), plain.name());
    }

    #[test]
    fn a_scan_and_calls_do_not_fill_the_table() {
        let mut links = Links::default();
        for port in 1..2000 {
            links.add(&Link { answered: false, ..link(6, port, None, 1) });
            links.add(&link(17, 20_000 + port, Some("rtp"), 1));
            links.add(&link(17, 60_000 + port, None, 1));
        }
        assert_eq!(links.sorted().links.len(), 3);
        // What the payload tells keeps its port: a log server never answers.
        links.add(&Link { answered: false, ..link(17, 514, Some("syslog"), 1) });
        assert!(links.sorted().links.iter().any(|(key, _)| key.port == 514));
    }

    #[test]
    fn whoever_answers_from_another_port_is_the_server() {
        let mut links = Links::default();
        links.add(&link(17, 68, Some("dhcp"), 1));
        links.add(&link(17, 50_123, Some("tftp"), 1));
        links.add(&Link { answered: false, ..link(17, 69, Some("tftp"), 1) });
        let all: Vec<_> = links.sorted().links.iter().map(|(k, t)| (k.resp.1, k.port, t.answered, t.bytes)).collect();
        assert_eq!(all, [(v4(9), 69, 0, [10, 100]), (v4(5), 67, 1, [100, 10]), (v4(5), 69, 1, [100, 10])]);
    }

    #[test]
    fn the_table_is_bounded_and_counts_what_it_drops() {
        let mut links = Links::within(Room::for_memory(0));
        for port in 0..1010 {
            links.add(&link(6, port, None, 1));
            let at = (SERVER, v4(9), 6, port);
            links.banner(Banner { at, ts: Timestamp(1), text: "x".into() });
        }
        links.add(&link(6, 5, None, 9));
        assert_eq!((links.sorted().links.len(), links.take_dropped(), links.take_dropped()), (1000, 20, 0));
    }

    #[test]
    fn the_first_banner_of_a_port_is_kept_and_cleaned() {
        let mut dedup = BannerDedup::default();
        for (text, ts) in [("second", 5), ("fir\u{1b}st", 2), ("third", 9)] {
            dedup.note((SERVER, v4(9)), 6, 22, text.as_bytes(), Timestamp(ts));
        }
        let banners = dedup.drain();
        assert_eq!(banners.len(), 1);
        assert_eq!(&*banners[0].text, "fir\u{fffd}st");
        let mut links = Links::default();
        links.banner(Banner { ts: Timestamp(3), text: "later".into(), ..banners[0].clone() });
        banners.into_iter().for_each(|b| links.banner(b));
        let all = links.sorted();
        let all: Vec<_> = all.banners().collect();
        assert_eq!(all, [(&(SERVER, v4(9), 6, 22), Timestamp(2), "fir\u{fffd}st")]);
    }
}
