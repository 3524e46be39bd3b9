//! Community ID version 1 (corelight/community-id-spec): the same short text for a flow in every
//! tool that computes it.

use sha1::{Digest, Sha1};

use super::key::{icmp_ports, protocol};
use crate::base::Addr;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The Community ID of a flow. For ICMP the ports are type and code.
///
/// Order does not matter for two-way flows: the smaller end comes first, as the specification says.
pub fn community_id(
    seed: u16,
    src: Addr,
    dst: Addr,
    src_port: u16,
    dst_port: u16,
    protocol_number: u8,
    ip_version: u8,
) -> [u8; 30] {
    let has_ports =
        matches!(protocol_number, protocol::ICMP | protocol::ICMP6 | protocol::TCP | protocol::UDP | protocol::SCTP);
    let ((sport, dport), one_way) = match protocol_number {
        protocol::ICMP | protocol::ICMP6 => icmp_ports(protocol_number, src_port, dst_port),
        _ => ((src_port, dst_port), false),
    };
    let v4 = if ip_version == 6 { None } else { src.as_v4().zip(dst.as_v4()) };
    let ordered = one_way || (src, sport) <= (dst, dport);
    let (a, b, pa, pb) = if ordered { (src, dst, sport, dport) } else { (dst, src, dport, sport) };
    let mut input = [0_u8; 2 + 32 + 2 + 4];
    let mut len = 0;
    let mut put = |bytes: &[u8]| {
        for byte in bytes {
            if let Some(slot) = input.get_mut(len) {
                *slot = *byte;
                len += 1;
            }
        }
    };
    put(&seed.to_be_bytes());
    if v4.is_some() {
        put(&a.as_v4().unwrap_or_default());
        put(&b.as_v4().unwrap_or_default());
    } else {
        put(&a.0);
        put(&b.0);
    }
    put(&[protocol_number, 0]);
    if has_ports {
        put(&pa.to_be_bytes());
        put(&pb.to_be_bytes());
    }
    let digest = Sha1::digest(input.get(..len).unwrap_or_default());
    let mut out = *b"1:00000000000000000000000000==";
    let mut at = 2;
    for group in digest.chunks(3) {
        let word = group.iter().fold(0_u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let symbol = ALPHABET.get((word >> (18 - 6 * i)) as usize & 63);
            if let (Some(slot), Some(symbol)) = (out.get_mut(at), symbol) {
                *slot = if i > group.len() { b'=' } else { *symbol };
            }
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(src: &str, dst: &str, sp: u16, dp: u16, proto: u8) -> String {
        let (s, d): (Addr, Addr) = (src.parse().unwrap(), dst.parse().unwrap());
        let version = if s.is_v4() { 4 } else { 6 };
        String::from_utf8(community_id(0, s, d, sp, dp, proto, version).to_vec()).unwrap()
    }

    /// Vectors of the specification's baseline (its `baseline_deflt.json`).
    #[test]
    fn equals_the_published_vectors() {
        assert_eq!(id("128.232.110.120", "66.35.250.204", 34855, 80, 6), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
        assert_eq!(id("66.35.250.204", "128.232.110.120", 80, 34855, 6), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
        assert_eq!(id("192.168.1.52", "8.8.8.8", 54585, 53, 17), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
        assert_eq!(id("192.168.0.89", "192.168.0.1", 8, 0, 1), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
        assert_eq!(id("192.168.0.1", "192.168.0.89", 0, 0, 1), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
        assert_eq!(
            id("fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 135, 0, 58),
            "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="
        );
        assert_eq!(
            id("fe80::260:97ff:fe07:69ea", "fe80::200:86ff:fe05:80da", 136, 0, 58),
            "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="
        );
    }
}
