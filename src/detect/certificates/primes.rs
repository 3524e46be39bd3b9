//! RSA keys that share a prime: whoever has both can compute their private keys (Heninger et al., "Mining Your
//! Ps and Qs", USENIX Security 2012). All keys are tested at once, with the trees of products and remainders
//! of Bernstein, "How to find smooth parts of integers" (2004).

use std::collections::{BTreeMap, BTreeSet};

use dashu_int::UBig;
use dashu_int::ops::{BitTest, DivRem, Gcd};

use crate::base::limits;

/// Bits of a modulus that is tested: of the shortest key with primes of [`PRIME_BITS_MIN`], and of the longest
/// that common libraries use (OpenSSL, `OPENSSL_RSA_MAX_MODULUS_BITS`).
const BITS: std::ops::RangeInclusive<usize> = 512..=16_384;
/// Bits of the shortest factor that is believed to be a prime of a key. Damaged numbers have factors in common
/// too, but small ones.
const PRIME_BITS_MIN: usize = 256;
/// A factor, and what is left beside it, has at least this part of the bits of the modulus: RSA takes primes of
/// about half the bits (RFC 8017, section 3.1, allows more than two of them).
const PRIME_PART: usize = 4;
/// Numbers that one of the primes below divides are no moduli: the product of two large primes has no small one.
const SMALL_PRIMES: usize = 4096;
/// The first odd primes, which most numbers that are no moduli have a factor of, and their product.
const FIRST_PRIMES: [u64; 15] = [3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53];
const FIRST_PRODUCT: u64 = 16_294_579_238_595_022_365;

/// Which numbers share a prime.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sharing {
    /// Of each number, in the order given.
    pub shares: Vec<bool>,
    /// Pairs that were not told apart, because it would have taken too long.
    pub left_out: u64,
}

/// Whether a number (big-endian) may be the modulus of an RSA key, at first sight.
pub fn may_be_modulus(bytes: &[u8]) -> bool {
    let bits = bytes.first().map_or(0, |first| bytes.len() * 8 - first.leading_zeros() as usize);
    BITS.contains(&bits) && bytes.last().is_some_and(|last| last % 2 == 1) && {
        let rest = bytes.iter().fold(0_u128, |rest, b| (rest << 8 | u128::from(*b)) % u128::from(FIRST_PRODUCT)) as u64;
        FIRST_PRIMES.iter().all(|prime| !rest.is_multiple_of(*prime))
    }
}

/// Finds the moduli (big-endian, all different) that share a prime with another one. Only a factor that can be a
/// prime of both of them counts: what cannot be the modulus of a key is passed over, and so are small factors and
/// moduli that stand whole within another one.
///
/// The time grows a little faster than the number of bits in all of them together, which the caller bounds.
pub fn sharing(moduli: &[&[u8]]) -> Sharing {
    let mut out = Sharing { shares: vec![false; moduli.len()], left_out: 0 };
    let (places, numbers): (Vec<usize>, Vec<UBig>) = moduli
        .iter()
        .enumerate()
        .filter(|(_, bytes)| may_be_modulus(bytes))
        .map(|(at, bytes)| (at, UBig::from_be_bytes(bytes)))
        .unzip();
    let common = common_factors(&numbers);
    let suspects =
        common.iter().zip(&numbers).zip(&places).filter(|((factor, _), _)| factor.bit_len() >= PRIME_BITS_MIN);
    let mut suspects: Vec<Suspect<'_>> =
        suspects.map(|((factor, number), place)| Suspect { place: *place, number, factor }).collect();
    if suspects.len() < 2 {
        return out;
    }
    let small = small_primes();
    suspects.retain(|s| s.number.gcd(&small).is_one());
    let groups = by_factor(&suspects, &mut out.left_out);
    for at in groups.values().filter(|group| group.len() > 1).flatten() {
        if let Some(shares) = out.shares.get_mut(*at) {
            *shares = true;
        }
    }
    out
}

/// A number with a large factor in common with the product of all others.
struct Suspect<'a> {
    place: usize,
    number: &'a UBig,
    factor: &'a UBig,
}

/// The places of numbers by a factor that can be their prime.
fn by_factor(suspects: &[Suspect<'_>], left_out: &mut u64) -> BTreeMap<UBig, BTreeSet<usize>> {
    let mut groups: BTreeMap<UBig, BTreeSet<usize>> = BTreeMap::new();
    for s in suspects.iter().filter(|s| can_be_prime(s.factor, s.number)) {
        groups.entry(s.factor.clone()).or_default().insert(s.place);
    }
    // Where both primes are shared the factor is the whole modulus, and with more than two primes it may be a
    // product: these are held against the factors that are known, and against each other.
    let open: Vec<&Suspect<'_>> =
        suspects.iter().filter(|s| groups.get(s.factor).is_none_or(|group| group.len() < 2)).collect();
    let known: Vec<UBig> = groups.keys().cloned().collect();
    let mut work = limits::CERTIFICATE_PRIMES_WORK_MAX;
    for (n, s) in open.iter().enumerate() {
        let mut hold = |other: &UBig, place: Option<usize>| {
            let cost = (s.number.bit_len() / 64 + 1) * (other.bit_len() / 64 + 1);
            if cost > work {
                *left_out += 1;
                return;
            }
            work -= cost;
            let factor = s.number.gcd(other);
            if can_be_prime(&factor, s.number) {
                groups.entry(factor.clone()).or_default().insert(s.place);
            }
            if let Some(place) = place.filter(|_| can_be_prime(&factor, other)) {
                groups.entry(factor).or_default().insert(place);
            }
        };
        known.iter().for_each(|factor| hold(factor, None));
        open.iter().skip(n + 1).for_each(|other| hold(other.number, Some(other.place)));
    }
    groups
}

/// Whether a factor of a number, and what is left beside it, may be its primes.
fn can_be_prime(factor: &UBig, number: &UBig) -> bool {
    let least = number.bit_len() / PRIME_PART;
    if factor.bit_len() < least.max(PRIME_BITS_MIN) {
        return false;
    }
    let (beside, rest) = number.div_rem(factor);
    rest.is_zero() && beside.bit_len() >= least
}

/// The product of the odd primes below [`SMALL_PRIMES`].
fn small_primes() -> UBig {
    let mut sieve = vec![true; SMALL_PRIMES];
    let mut product = UBig::ONE;
    for n in (3..SMALL_PRIMES).step_by(2) {
        if sieve.get(n) == Some(&true) {
            product *= n as u64;
            sieve.iter_mut().skip(n).step_by(n).for_each(|prime| *prime = false);
        }
    }
    product
}

/// The factor that each of these numbers (all different) has in common with the product of all others: the
/// number itself where that product is a multiple of it.
fn common_factors(numbers: &[UBig]) -> Vec<UBig> {
    if numbers.len() < 2 {
        return vec![UBig::ONE; numbers.len()];
    }
    // Products of pairs, of pairs of pairs, and so on up to two of them.
    let mut levels: Vec<Vec<UBig>> = vec![numbers.to_vec()];
    while let Some(last) = levels.last().filter(|level| level.len() > 2) {
        let next = last.chunks(2).map(|pair| pair.iter().fold(UBig::ONE, |product, n| product * n)).collect();
        levels.push(next);
    }
    // Down again: the product of all numbers outside of each, modulo it. That is what stands outside of the
    // pair, times the other one of the pair. No number grows beyond those of its level, which costs a third of
    // dividing the product of all by squares.
    let mut outside = vec![UBig::ONE];
    while let Some(level) = levels.pop() {
        outside = level
            .iter()
            .enumerate()
            .map(|(at, n)| {
                let above = outside.get(at / 2).map_or(UBig::ZERO, |above| above % n);
                match level.get(at ^ 1) {
                    Some(other) => above * (other % n) % n,
                    None => above,
                }
            })
            .collect();
    }
    numbers.iter().zip(&outside).map(|(n, others)| if others.is_zero() { n.clone() } else { n.gcd(others) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(numbers: &[u64]) -> Vec<bool> {
        let numbers: Vec<UBig> = numbers.iter().map(|n| UBig::from(*n)).collect();
        common_factors(&numbers).iter().map(|factor| !factor.is_one()).collect()
    }

    /// Primes of 1,024 bits.
    fn prime(n: usize) -> UBig {
        (UBig::ONE << 1024) - UBig::from([105_u32, 179, 1397, 3177, 5025, 5409, 6083, 6369][n])
    }

    /// Likewise of 256 bits.
    fn short(n: usize) -> UBig {
        (UBig::ONE << 256) - UBig::from([189_u32, 357, 435, 587, 617, 923, 1053, 1299][n])
    }

    fn of(numbers: &[UBig]) -> Vec<bool> {
        let bytes: Vec<_> = numbers.iter().map(UBig::to_be_bytes).collect();
        let got = sharing(&bytes.iter().map(|b| &b[..]).collect::<Vec<_>>());
        assert_eq!(got.left_out, 0);
        got.shares
    }

    #[test]
    fn factors_in_common_are_found() {
        // Primes 3 5 7 11 13 17 19 23 29: pairs by hand.
        assert_eq!(common(&[15, 21, 143]), [true, true, false]);
        assert_eq!(common(&[15, 77, 13 * 17, 19 * 23, 29 * 5]), [true, false, false, false, true]);
        assert_eq!(common(&[15, 77]), [false, false]);
        assert_eq!(common(&[15]), [false]);
        assert_eq!(common(&[15, 5, 3]), [true, true, true], "both primes of the first are known");
        assert!(common(&[]).is_empty());
        let nested = [15_u64, 15 * 7, 77].map(UBig::from);
        assert_eq!(common_factors(&nested), [15_u64, 15 * 7, 7].map(UBig::from));
    }

    #[test]
    fn it_agrees_with_testing_every_pair() {
        // Products of two of the primes below 2,000, picked by a fixed sequence.
        let primes: Vec<u64> = (3..2000).filter(|n| (2..*n).all(|d| n % d != 0)).collect();
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            primes[(state >> 33) as usize % primes.len()]
        };
        let mut numbers: Vec<u64> = (0..97).map(|_| next() * next()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let gcd = |mut a: u64, mut b: u64| {
            while b > 0 {
                (a, b) = (b, a % b);
            }
            a
        };
        for count in 2..numbers.len() {
            let some = &numbers[..count];
            let pairs: Vec<bool> = some.iter().map(|a| some.iter().any(|b| a != b && gcd(*a, *b) > 1)).collect();
            assert_eq!(common(some), pairs);
        }
        assert!(common(&numbers).contains(&true) && common(&numbers).contains(&false));
    }

    #[test]
    fn keys_that_share_a_prime_are_found() {
        let key = |a, b| prime(a) * prime(b);
        assert_eq!(of(&[key(0, 1), key(0, 2), key(3, 4)]), [true, true, false]);
        assert_eq!(of(&[key(0, 1), key(2, 3)]), [false; 2]);
        assert_eq!(of(&[key(0, 1), key(0, 2), key(1, 3)]), [true; 3], "both primes of one are shared");
        assert_eq!(of(&[key(0, 1), key(1, 2), key(0, 2), key(5, 6)]), [true, true, true, false], "all in a circle");
        assert_eq!(of(&[key(0, 1), key(0, 2), key(0, 3), key(0, 4)]), [true; 4], "more than two");
        assert_eq!(of(&[prime(0) * prime(1) * prime(2), key(0, 3)]), [true, true], "three primes");
        assert_eq!(of(&[prime(0) * prime(1) * prime(2) * prime(3), key(0, 4), key(1, 5)]), [true; 3]);
        assert_eq!(of(&[short(0) * short(1), short(0) * short(2)]), [true; 2], "keys of 512 bits");
    }

    #[test]
    fn what_is_no_prime_of_two_keys_does_not_count() {
        let key = |a, b| prime(a) * prime(b);
        // Bits that were hit on the way: what both copies have in common is 3, as 2^8 - 2^2 = 3 * 84.
        let (low, high) = (UBig::ONE << 2, UBig::ONE << 8);
        let mut common = 0;
        for whole in (0..7).map(|n| key(n, n + 1)) {
            let copies = [&whole + &low, &whole + &high, whole.clone(), &whole - &low, &whole - &high];
            common += common_factors(&copies).iter().filter(|factor| !factor.is_one()).count();
            assert_eq!(of(&copies), [false; 5]);
            assert_eq!(of(&(1..300_usize).map(|n| &whole ^ (UBig::ONE << (n * 6))).collect::<Vec<_>>()), [false; 299]);
        }
        assert!(common > 7, "{common}");
        assert_eq!(of(&[key(0, 1), key(0, 1) * key(2, 3)]), [false; 2], "one within another");
        assert_eq!(of(&[key(0, 1), key(0, 1) * UBig::from(65_537_u32)]), [false; 2]);
        assert_eq!(of(&[prime(0) * short(1), prime(2) * short(1)]), [false; 2], "too short for such a key");
        let damaged = |n: u32| prime(0) * UBig::from(4093_u32) * prime(n as usize);
        assert_eq!(of(&[damaged(1), damaged(2)]), [false; 2], "it has a small factor");
        assert_eq!(of(&[key(0, 1) << 1, key(0, 2) << 1]), [false; 2], "even");
        assert_eq!(of(&[prime(0), prime(0) * prime(1)]), [false; 2], "one is a prime itself");
        assert_eq!(of(&[15_u32, 21].map(UBig::from)), [false; 2]);
        assert_eq!(sharing(&[&[], &[15], &[0; 300]]).shares, [false; 3]);
        let long = |n| (0..17).fold(prime(n), |product, _| product * prime(0));
        assert_eq!(of(&[long(1), long(2)]), [false; 2], "longer than any key");
    }

    #[test]
    fn what_hides_the_shared_prime_does_not_take_for_ever() {
        // Every number stands within the next one.
        let mut numbers = vec![short(0) * short(1)];
        for n in 0..30 {
            let last = numbers.last().cloned().unwrap_or_default();
            numbers.push(last * short(2 + n % 6));
        }
        let bytes: Vec<_> = numbers.iter().map(UBig::to_be_bytes).collect();
        sharing(&bytes.iter().map(|b| &b[..]).collect::<Vec<_>>());
        // All of them are suspects that no factor tells apart: twice all pairs of many long numbers.
        let long: Vec<UBig> =
            (0..400_u32).map(|n| prime(0) * prime(1) * ((UBig::ONE << 14_000) + UBig::from(2 * n + 1))).collect();
        let bytes: Vec<_> = long.iter().map(UBig::to_be_bytes).collect();
        let begun = std::time::Instant::now();
        sharing(&bytes.iter().map(|b| &b[..]).collect::<Vec<_>>());
        assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    }

    #[test]
    fn the_small_primes_are_those() {
        assert_eq!(FIRST_PRIMES.iter().product::<u64>(), FIRST_PRODUCT);
        let product = small_primes();
        assert!(FIRST_PRIMES.iter().all(|p| &product % *p == 0) && &product % 4093_u64 == 0 && &product % 9_u64 != 0);
    }
}
