//! One piece of evidence about a device, and the collecting of many equal ones.

use hashbrown::HashMap;

use crate::base::limits::{self, Room};
use crate::base::{Addr, Mac, Timestamp};

/// How far packets went, which says whether their sender may have forwarded them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// To a group: nobody forwards what stays on its link, so the sender sent it itself.
    Group,
    /// To one host, that is not seen to answer.
    OneWay,
    /// To one host, and there was an answer.
    Answered,
}

/// What a claim says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClaimKind {
    /// A frame came from the MAC. The source is the protocol that it carried (`lldp`, `stp` ...).
    Frame,
    /// IP packets came from the MAC with the address as their source: the MAC is that of the
    /// address's owner, or that of a router on the way.
    Sent,
    /// IP packets with a source address from outside came from the MAC. A sample of them is enough.
    Foreign(Reach),
    /// The MAC owns the address: an ARP answer or request (RFC 826), a neighbour advertisement or
    /// solicitation (RFC 4861), a DHCP lease (RFC 2131, RFC 8415).
    Owns,
    /// A property of the device: `hostname`, `vendor-class`, `model` ...
    Fact {
        /// Name of the property.
        attribute: &'static str,
        /// Its value.
        value: Box<str>,
    },
}

/// One piece of evidence about a device: owned and small. The order in which claims are observed
/// makes no difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// MAC that it is about; zeros where the link has none.
    pub mac: Mac,
    /// Address that it is about; unspecified where it is about the MAC only.
    pub ip: Addr,
    /// Protocol that it comes from, as `devices.claims` spells it: `flow arp ndp dhcp mdns lldp` ...
    pub source: &'static str,
    /// What it says.
    pub kind: ClaimKind,
    /// When it was first seen.
    pub first: Timestamp,
    /// When it was last seen.
    pub last: Timestamp,
}

impl Claim {
    /// The MAC owns the address, says `source` (`arp ndp dhcp`).
    pub fn owns(source: &'static str, mac: Mac, ip: Addr, ts: Timestamp) -> Self {
        Self { mac, ip, source, kind: ClaimKind::Owns, first: ts, last: ts }
    }

    /// A frame without IP came from the MAC.
    pub fn frame(source: &'static str, mac: Mac, ts: Timestamp) -> Self {
        Self { mac, ip: Addr::UNSPECIFIED, source, kind: ClaimKind::Frame, first: ts, last: ts }
    }

    /// A property that a device states of itself. Control characters are replaced and a long value
    /// is cut. For DHCP give the client's MAC (`chaddr`), for mDNS the sender's MAC and address.
    pub fn fact(
        source: &'static str,
        mac: Mac,
        ip: Addr,
        attribute: &'static str,
        value: &[u8],
        ts: Timestamp,
    ) -> Self {
        let kind = ClaimKind::Fact { attribute, value: stated(value) };
        Self { mac, ip, source, kind, first: ts, last: ts }
    }

    /// A host name; see [`Claim::fact`].
    pub fn hostname(source: &'static str, mac: Mac, ip: Addr, name: &[u8], ts: Timestamp) -> Self {
        Self::fact(source, mac, ip, "hostname", name, ts)
    }
}

/// What a device stated, fit for a table: cut at its limit, without control characters.
pub(super) fn stated(value: &[u8]) -> Box<str> {
    let cut = value.get(..limits::CLAIM_VALUE_BYTES_MAX).unwrap_or(value);
    let clean = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let value: String = String::from_utf8_lossy(cut).trim_matches(['\0', ' ', '.']).chars().map(clean).collect();
    value.into()
}

/// First and last time of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First.
    pub first: Timestamp,
    /// Last.
    pub last: Timestamp,
}

impl Span {
    /// The span of two.
    pub fn join(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }

    /// Whether two spans have a moment in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// How far a moment is from the span, in nanoseconds; zero inside.
    pub fn distance(self, ts: Timestamp) -> i64 {
        self.first.since(ts).max(ts.since(self.last))
    }
}

/// The smallest few of many addresses: which they are does not depend on the order they came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Samples {
    ips: [Addr; limits::FOREIGN_SAMPLES_MAX],
    len: usize,
}

/// Whether two addresses are as good as one: a host has many IPv6 addresses of one prefix (RFC 8981).
fn is_like(a: Addr, b: Addr) -> bool {
    a == b || (!a.is_v4() && a.0.first_chunk::<8>() == b.0.first_chunk::<8>())
}

impl Samples {
    /// Adds an address. Of the IPv6 addresses of one prefix only the smallest stays.
    pub fn add(&mut self, ip: Addr) {
        if let Some(known) = self.ips.iter_mut().take(self.len).find(|known| is_like(**known, ip)) {
            *known = ip.min(*known);
            return;
        }
        if let Some(slot) = self.ips.get_mut(self.len) {
            *slot = ip;
            self.len += 1;
        } else if let Some(largest) = self.ips.iter_mut().max()
            && ip < *largest
        {
            *largest = ip;
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The addresses, in no particular order.
    pub fn list(&self) -> &[Addr] {
        self.ips.get(..self.len).unwrap_or_default()
    }
}

/// Collects which addresses were seen with which MAC, so that one claim is made of many flows.
/// Each shard has one; nothing here is looked at for every packet.
#[derive(Debug, Default)]
pub struct ClaimDedup {
    pairs: HashMap<(Mac, Addr), Span, ahash::RandomState>,
    /// By MAC, family and reach.
    foreign: HashMap<(Mac, bool, Reach), (Samples, Span), ahash::RandomState>,
    /// Facts by a hash of all that they say, under a secret key: devices repeat themselves.
    facts: HashMap<u64, Claim, ahash::RandomState>,
    dropped: u64,
    room: Room,
}

impl ClaimDedup {
    /// With what its memory leaves.
    pub fn within(room: Room) -> Self {
        Self { room, ..Self::default() }
    }

    /// Packets with source address `ip` came from `mac` between two times. Of an address outside
    /// say how far they went: of those only a sample is kept. Groups and the unspecified address are
    /// passed over.
    pub fn sent(&mut self, mac: Mac, ip: Addr, outside: Option<Reach>, first: Timestamp, last: Timestamp) {
        if mac.is_group() || ip.is_unspecified() || ip.is_multicast() || ip.is_loopback() {
            return;
        }
        let span = Span { first, last };
        let Some(reach) = outside else {
            if let Some(seen) = self.pairs.get_mut(&(mac, ip)) {
                *seen = seen.join(span);
            } else if self.pairs.len() < limits::CLAIMS_PENDING_MAX {
                self.pairs.insert((mac, ip), span);
            } else {
                self.dropped += 1;
            }
            return;
        };
        if mac.is_zero() {
            return;
        }
        let key = (mac, ip.is_v4(), reach);
        if let Some((samples, seen)) = self.foreign.get_mut(&key) {
            samples.add(ip);
            *seen = seen.join(span);
        } else if self.foreign.len() < limits::CLAIMS_PENDING_MAX {
            let mut samples = Samples::default();
            samples.add(ip);
            self.foreign.insert(key, (samples, span));
        } else {
            self.dropped += 1;
        }
    }

    /// A property that a device states of itself; see [`Claim::fact`]. Said again, it only moves the
    /// time at which it was last seen. Whether it is new since the last [`Self::drain`].
    pub fn fact(
        &mut self,
        source: &'static str,
        (mac, ip): (Mac, Addr),
        attribute: &'static str,
        value: &[u8],
        ts: Timestamp,
    ) -> bool {
        let said = self.facts.hasher().hash_one((mac, ip, source, attribute, value));
        if let Some(known) = self.facts.get_mut(&said) {
            known.first = known.first.min(ts);
            known.last = known.last.max(ts);
            return false;
        }
        if self.facts.len() < limits::CLAIMS_PENDING_MAX {
            self.facts.insert(said, Claim::fact(source, mac, ip, attribute, value, ts));
        } else {
            self.dropped += 1;
        }
        true
    }

    /// Whether there is nothing to hand on.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.foreign.is_empty() && self.facts.is_empty()
    }

    /// Whether it is time to hand the claims on, so that none has to be dropped and little memory is taken.
    pub fn is_full(&self) -> bool {
        let most = self.room.of(limits::CLAIMS_PENDING_MAX / 4 * 3);
        self.pairs.len().max(self.foreign.len()).max(self.facts.len()) >= most
    }

    /// Sightings dropped since the last call, for [`crate::base::counters::Counters::claims_dropped`].
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Hands on what was collected and begins anew. The order is that of the claims: what a table at its limit
    /// drops or writes early must not depend on how they lie here.
    pub fn drain(&mut self) -> Vec<Claim> {
        let sent = self.pairs.drain().map(|((mac, ip), span)| claim(mac, ip, ClaimKind::Sent, span));
        let foreign = self.foreign.drain().flat_map(|((mac, _, reach), (samples, span))| {
            samples.ips.into_iter().take(samples.len).map(move |ip| claim(mac, ip, ClaimKind::Foreign(reach), span))
        });
        let mut all: Vec<Claim> = sent.chain(foreign).chain(self.facts.drain().map(|(_, claim)| claim)).collect();
        all.sort_unstable();
        all
    }
}

fn claim(mac: Mac, ip: Addr, kind: ClaimKind, span: Span) -> Claim {
    Claim { mac, ip, source: "flow", kind, first: span.first, last: span.last }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Mac = Mac([0, 0x1b, 0xa9, 1, 2, 3]);

    fn v4(last: u8) -> Addr {
        Addr::v4([10, 0, 0, last])
    }

    #[test]
    fn many_sightings_make_one_claim_with_their_span() {
        let mut d = ClaimDedup::default();
        let outside = Some(Reach::OneWay);
        d.sent(A, v4(1), None, Timestamp(50), Timestamp(60));
        d.sent(A, v4(1), None, Timestamp(10), Timestamp(20));
        d.sent(Mac::BROADCAST, v4(1), None, Timestamp(0), Timestamp(0));
        d.sent(A, Addr::UNSPECIFIED, outside, Timestamp(0), Timestamp(0));
        d.sent(A, "ff02::1".parse().unwrap(), outside, Timestamp(0), Timestamp(0));
        let claims = d.drain();
        assert_eq!(claims, [claim(A, v4(1), ClaimKind::Sent, Span { first: Timestamp(10), last: Timestamp(60) })]);
        assert!(d.is_empty());
    }

    #[test]
    fn what_is_said_again_is_one_claim() {
        let mut d = ClaimDedup::default();
        for ts in [50, 10, 90] {
            d.fact("ssdp", (A, v4(1)), "server", b"Linux UPnP/1.0", Timestamp(ts));
            d.fact("ssdp", (A, v4(2)), "server", b"Linux UPnP/1.0", Timestamp(ts));
        }
        let claims = d.drain();
        assert_eq!(claims.len(), 2);
        assert_eq!((claims[0].ip, claims[0].first, claims[0].last), (v4(1), Timestamp(10), Timestamp(90)));
        assert_eq!(claims[0].kind, ClaimKind::Fact { attribute: "server", value: "Linux UPnP/1.0".into() });
        assert!(d.is_empty());
    }

    #[test]
    fn a_router_with_the_whole_internet_behind_it_costs_a_few_samples_whatever_their_order() {
        let ips: Vec<_> = (1..=200u8).map(|n| Addr::v4([198, 51, 100, n])).collect();
        let sample = |order: &mut dyn Iterator<Item = &Addr>| {
            let mut d = ClaimDedup::default();
            order.for_each(|ip| d.sent(A, *ip, Some(Reach::Answered), Timestamp(1), Timestamp(1)));
            let mut got: Vec<_> = d.drain().into_iter().map(|c| c.ip).collect();
            got.sort();
            got
        };
        let forward = sample(&mut ips.iter());
        assert_eq!(forward, ips[..limits::FOREIGN_SAMPLES_MAX]);
        assert_eq!(forward, sample(&mut ips.iter().rev()));
        // Of IPv6, one address of each prefix.
        let ips: Vec<Addr> = (1..=200u32).map(|n| format!("2001:db8:0:{}::{n}", n % 3).parse().unwrap()).collect();
        let forward = sample(&mut ips.iter());
        assert_eq!(forward, ["2001:db8::3", "2001:db8:0:1::1", "2001:db8:0:2::2"].map(|ip| ip.parse().unwrap()));
        assert_eq!(forward, sample(&mut ips.iter().rev()));
    }

    #[test]
    fn the_set_is_bounded_and_counts_what_it_drops() {
        let mut d = ClaimDedup::default();
        for n in 0..limits::CLAIMS_PENDING_MAX as u32 + 10 {
            let [_, b, c, e] = n.to_be_bytes();
            d.sent(A, Addr::v4([10, b, c, e]), None, Timestamp(0), Timestamp(0));
        }
        assert!(d.is_full());
        assert_eq!(d.take_dropped(), 10);
        assert_eq!(d.drain().len(), limits::CLAIMS_PENDING_MAX);
    }

    #[test]
    fn what_a_device_says_of_itself_is_cleaned() {
        let c = Claim::hostname("dhcp", A, v4(1), b"BRN\x1b[31m\0", Timestamp(1));
        assert_eq!(c.kind, ClaimKind::Fact { attribute: "hostname", value: "BRN\u{fffd}[31m".into() });
        let c = Claim::hostname("mdns", A, v4(1), &[b'a'; 1000], Timestamp(1));
        let ClaimKind::Fact { value, .. } = c.kind else { panic!() };
        assert_eq!(value.len(), limits::CLAIM_VALUE_BYTES_MAX);
    }
}
