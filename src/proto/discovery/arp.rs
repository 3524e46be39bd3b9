//! Which MAC says that it holds which address: ARP (RFC 826, RFC 5227) and IPv6 neighbour
//! discovery (RFC 4861, section 4). Pure functions over one message each.

use crate::base::{Addr, Mac, Reader, limits};

/// A sender's claim to an address on its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Binding {
    /// Who says so.
    pub mac: Mac,
    /// The address that it holds.
    pub ip: Addr,
    /// Whether the sender says that it forwards for others (Router Advertisement, or the router
    /// flag of a Neighbour Advertisement). ARP never says.
    pub router: bool,
}

/// The binding in an ARP request or reply: that of the sender. Probes (RFC 5227, section 1.1: the
/// sender's address is 0.0.0.0) claim nothing, and neither do multicast addresses.
pub fn arp(message: &[u8]) -> Option<Binding> {
    const ETHERNET: u16 = 1;
    const IEEE_802: u16 = 6;
    let mut r = Reader::new(message);
    let hardware = r.be16("hardware type").ok()?;
    let protocol = r.be16("protocol type").ok()?;
    let lengths: [u8; 2] = r.array("address lengths").ok()?;
    let operation = r.be16("operation").ok()?;
    let ethernet = matches!(hardware, ETHERNET | IEEE_802) && protocol == 0x0800 && lengths == [6, 4];
    if !ethernet || !matches!(operation, 1 | 2) {
        return None;
    }
    let mac = Mac(r.array("sender hardware address").ok()?);
    let ip = r.array("sender protocol address").ok()?;
    binding(mac, Addr::v4(ip), false)
}

/// The binding in a neighbour discovery message. `message` is the ICMPv6 message from its type on,
/// `src` and `hop_limit` are those of the packet: a hop limit other than 255 means that the message
/// came over a router and proves nothing (RFC 4861, section 6.1). Messages of duplicate address
/// detection (from `::`) claim nothing yet.
pub fn ndp(src: Addr, hop_limit: u8, message: &[u8]) -> Option<Binding> {
    const SOURCE_LINK_ADDRESS: u8 = 1;
    const TARGET_LINK_ADDRESS: u8 = 2;
    let mut r = Reader::new(message);
    let kind = r.u8("type").ok()?;
    if hop_limit != 255 || r.u8("code").ok()? != 0 {
        return None;
    }
    r.skip("checksum", 2).ok()?;
    let (ip, option, router) = match kind {
        // Router Solicitation, Router Advertisement
        133 => {
            r.skip("reserved", 4).ok()?;
            (src, SOURCE_LINK_ADDRESS, false)
        }
        134 => {
            r.skip("hop limit, flags, lifetime, timers", 12).ok()?;
            (src, SOURCE_LINK_ADDRESS, true)
        }
        // Neighbour Solicitation, Neighbour Advertisement
        135 => {
            r.skip("reserved, target", 20).ok()?;
            (src, SOURCE_LINK_ADDRESS, false)
        }
        136 => {
            let flags = r.be32("flags").ok()?;
            (Addr(r.array("target").ok()?), TARGET_LINK_ADDRESS, flags & 0x8000_0000 != 0)
        }
        // Redirect: a better first hop, which is a router unless it is the destination itself
        137 => {
            r.skip("reserved", 4).ok()?;
            let target = Addr(r.array("target").ok()?);
            let destination = Addr(r.array("destination").ok()?);
            (target, TARGET_LINK_ADDRESS, target != destination)
        }
        _ => return None,
    };
    while !r.is_empty() {
        let kind = r.u8("option type").ok()?;
        let units = r.u8("option length").ok()?;
        let mut value = r.sub("option", (usize::from(units) * 8).checked_sub(2)?).ok()?;
        if kind == option {
            return binding(Mac(value.array("link-layer address").ok()?), ip, router);
        }
    }
    None
}

/// What a neighbour discovery message says of routers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouterWord {
    /// Its sender is a router, as a Router Advertisement (one that offers itself as a default router), a Redirect,
    /// or the router flag of a Neighbour Advertisement says.
    Is(&'static str),
    /// Addresses of this prefix are on its link, or are to be made of it.
    Prefix(Addr, u8),
    /// A resolver for the hosts of the link (RFC 8106, section 5.1).
    Resolver(Addr),
}

/// What a message says of routers; arguments as of [`ndp`].
pub fn routers(src: Addr, hop_limit: u8, message: &[u8], tell: &mut dyn FnMut(RouterWord)) -> Option<()> {
    const PREFIX: u8 = 3;
    const RESOLVERS: u8 = 25;
    let mut r = Reader::new(message);
    let kind = r.u8("type").ok()?;
    // Advertisements and redirects come from link-local addresses (RFC 4861, sections 6.1.2 and 8.1).
    let link_local = matches!(src.0, [0xfe, 0x80..=0xbf, ..]);
    if hop_limit != 255 || r.u8("code").ok()? != 0 || !(link_local || kind == 136) {
        return None;
    }
    r.skip("checksum", 2).ok()?;
    match kind {
        134 => {
            r.skip("hop limit, flags", 2).ok()?;
            // Lifetime zero: it has prefixes to tell, and is nobody's default router.
            if r.be16("lifetime").ok()? > 0 {
                tell(RouterWord::Is("advertisement"));
            }
            r.skip("timers", 8).ok()?;
        }
        136 if r.be32("flags").ok()? & 0x8000_0000 != 0 => tell(RouterWord::Is("flag")),
        137 => tell(RouterWord::Is("redirect")),
        _ => {}
    }
    for _ in 0..limits::NDP_OPTIONS_MAX {
        if kind != 134 || r.is_empty() {
            break;
        }
        let kind = r.u8("option type").ok()?;
        let units = r.u8("option length").ok()?;
        let mut value = r.sub("option", (usize::from(units) * 8).checked_sub(2)?).ok()?;
        match kind {
            PREFIX => {
                let bits = value.u8("prefix length").ok()?;
                value.skip("flags, lifetimes", 13).ok()?;
                tell(RouterWord::Prefix(Addr(value.array("prefix").ok()?), bits));
            }
            RESOLVERS => {
                value.skip("reserved, lifetime", 6).ok()?;
                while !value.is_empty() {
                    tell(RouterWord::Resolver(Addr(value.array("resolver").ok()?)));
                }
            }
            _ => {}
        }
    }
    Some(())
}

fn binding(mac: Mac, ip: Addr, router: bool) -> Option<Binding> {
    let one = !mac.is_zero() && !mac.is_group() && !ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback();
    one.then_some(Binding { mac, ip, router })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0x00, 0x1b, 0xa9, 1, 2, 3]);

    fn arp_message(operation: u8, sender: [u8; 4]) -> Vec<u8> {
        let mut m = vec![0, 1, 8, 0, 6, 4, 0, operation];
        m.extend(MAC.0);
        m.extend(sender);
        m.extend([0; 6]);
        m.extend([192, 0, 2, 9]);
        m
    }

    #[test]
    fn arp_binds_the_sender() {
        let want = Some(Binding { mac: MAC, ip: Addr::v4([192, 0, 2, 1]), router: false });
        assert_eq!(arp(&arp_message(1, [192, 0, 2, 1])), want);
        assert_eq!(arp(&arp_message(2, [192, 0, 2, 1])), want);
        assert_eq!(arp(&arp_message(1, [192, 0, 2, 9])).unwrap().ip, Addr::v4([192, 0, 2, 9]), "gratuitous");
    }

    #[test]
    fn probes_and_other_things_bind_nothing() {
        assert_eq!(arp(&arp_message(1, [0, 0, 0, 0])), None);
        assert_eq!(arp(&arp_message(1, [255, 255, 255, 255])), None);
        assert_eq!(arp(&arp_message(3, [192, 0, 2, 1])), None, "RARP");
        for end in 0..18 {
            assert_eq!(arp(&arp_message(1, [192, 0, 2, 1])[..end]), None);
        }
        let mut group = arp_message(1, [192, 0, 2, 1]);
        group[8] = 1;
        assert_eq!(arp(&group), None);
    }

    const LINK_LOCAL: Addr = Addr([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);

    #[test]
    fn advertisement_binds_the_target_and_says_router() {
        let mut m = vec![136, 0, 0, 0, 0xe0, 0, 0, 0];
        m.extend(LINK_LOCAL.0);
        m.extend([2, 1]);
        m.extend(MAC.0);
        assert_eq!(ndp(Addr::UNSPECIFIED, 255, &m), Some(Binding { mac: MAC, ip: LINK_LOCAL, router: true }));
        assert_eq!(ndp(LINK_LOCAL, 64, &m), None, "came over a router");
        m.truncate(29);
        assert_eq!(ndp(LINK_LOCAL, 255, &m), None);
    }

    #[test]
    fn solicitations_bind_the_source_unless_it_is_unspecified() {
        let mut m = vec![135, 0, 0, 0, 0, 0, 0, 0];
        m.extend([0xfe; 16]);
        // an option that is of no interest (a nonce, RFC 3971) comes first
        m.extend([14, 1, 1, 2, 3, 4, 5, 6, 1, 1]);
        m.extend(MAC.0);
        assert_eq!(ndp(LINK_LOCAL, 255, &m), Some(Binding { mac: MAC, ip: LINK_LOCAL, router: false }));
        assert_eq!(ndp(Addr::UNSPECIFIED, 255, &m), None, "duplicate address detection");
        m[25] = 0;
        assert_eq!(ndp(LINK_LOCAL, 255, &m), None, "an option of length zero ends the search");
    }

    #[test]
    fn router_advertisement() {
        let mut m = vec![134, 0, 0, 0];
        m.extend([0; 12]);
        m.extend([1, 1]);
        m.extend(MAC.0);
        assert!(ndp(LINK_LOCAL, 255, &m).unwrap().router);
    }

    fn said(src: Addr, hops: u8, message: &[u8]) -> Vec<RouterWord> {
        let mut all = Vec::new();
        let _ = routers(src, hops, message, &mut |word| all.push(word));
        all
    }

    #[test]
    fn an_advertisement_tells_prefixes_and_resolvers() {
        let mut m = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        let prefix: Addr = "2001:db8:30::".parse().unwrap();
        let resolver: Addr = "2001:db8:30::1".parse().unwrap();
        m.extend([3, 4, 64, 0xc0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]);
        m.extend(prefix.0);
        m.extend([25, 3, 0, 0, 0, 0, 2, 88]);
        m.extend(resolver.0);
        let want = [RouterWord::Is("advertisement"), RouterWord::Prefix(prefix, 64), RouterWord::Resolver(resolver)];
        assert_eq!(said(LINK_LOCAL, 255, &m), want);
        assert!(said(LINK_LOCAL, 64, &m).is_empty(), "came over a router");
        assert!(said(prefix, 255, &m).is_empty(), "not from a link-local address");
        for end in 0..m.len() {
            assert!(said(LINK_LOCAL, 255, &m[..end]).len() < want.len());
        }
        (m[6], m[7]) = (0, 0);
        assert_eq!(said(LINK_LOCAL, 255, &m), want[1..], "nobody's default router");
    }

    #[test]
    fn a_redirect_binds_its_target_and_shows_a_router() {
        let mut m = vec![137, 0, 0, 0, 0, 0, 0, 0];
        m.extend(LINK_LOCAL.0);
        m.extend("2001:db8:ff::10".parse::<Addr>().unwrap().0);
        m.extend([2, 1]);
        m.extend(MAC.0);
        assert_eq!(ndp(LINK_LOCAL, 255, &m), Some(Binding { mac: MAC, ip: LINK_LOCAL, router: true }));
        assert_eq!(said(LINK_LOCAL, 255, &m), [RouterWord::Is("redirect")]);
        m[24..40].copy_from_slice(&LINK_LOCAL.0);
        assert!(!ndp(LINK_LOCAL, 255, &m).unwrap().router, "the destination is on the link");
    }
}
