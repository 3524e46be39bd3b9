//! RSA keys that share a prime: whoever has both can compute their private keys (Heninger et al., "Mining Your
//! Ps and Qs", USENIX Security 2012). All keys are tested at once, with the trees of products and remainders
//! of Bernstein, "How to find smooth parts of integers" (2004).

use dashu_int::UBig;
use dashu_int::ops::Gcd;

/// Whether each of these numbers (big-endian, all different) has a factor in common with another one. Even
/// numbers and those below 3 are no moduli, and are passed over.
///
/// The time grows a little faster than the number of bits in all of them together, which the caller bounds.
pub fn sharing(moduli: &[&[u8]]) -> Vec<bool> {
    let mut shares = vec![false; moduli.len()];
    let numbers: Vec<(usize, UBig)> = moduli
        .iter()
        .enumerate()
        .filter(|(_, bytes)| bytes.last().is_some_and(|b| b % 2 == 1))
        .map(|(at, bytes)| (at, UBig::from_be_bytes(bytes)))
        .filter(|(_, n)| *n > UBig::ONE)
        .collect();
    if numbers.len() < 2 {
        return shares;
    }
    // Products of pairs, of pairs of pairs, and so on up to the product of all.
    let mut levels: Vec<Vec<UBig>> = vec![numbers.iter().map(|(_, n)| n.clone()).collect()];
    while let Some(last) = levels.last().filter(|level| level.len() > 1) {
        let next = last.chunks(2).map(|pair| pair.iter().fold(UBig::ONE, |product, n| product * n)).collect();
        levels.push(next);
    }
    // Down again: the product of all, modulo the square of each.
    let mut rests = levels.pop().unwrap_or_default();
    while let Some(level) = levels.pop() {
        rests = level
            .iter()
            .enumerate()
            .map(|(at, n)| rests.get(at / 2).map_or(UBig::ZERO, |above| above % (n * n)))
            .collect();
    }
    // What is left of the product of all others has a factor in common with a number that shares one.
    for ((at, n), rest) in numbers.iter().zip(&rests) {
        let others = rest / n;
        if let Some(place) = shares.get_mut(*at) {
            *place = if others.is_zero() { true } else { n.gcd(&others) > UBig::ONE };
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[u64]) -> Vec<bool> {
        let bytes: Vec<[u8; 8]> = numbers.iter().map(|n| n.to_be_bytes()).collect();
        sharing(&bytes.iter().map(|b| &b[..]).collect::<Vec<_>>())
    }

    #[test]
    fn keys_that_share_a_prime_are_found() {
        // Primes 3 5 7 11 13 17 19 23 29: pairs by hand.
        assert_eq!(of(&[15, 21, 143]), [true, true, false]);
        assert_eq!(of(&[15, 77, 13 * 17, 19 * 23, 29 * 5]), [true, false, false, false, true]);
        assert_eq!(of(&[15, 77]), [false, false]);
        assert_eq!(of(&[15]), [false]);
        assert_eq!(of(&[15, 5, 3]), [true, true, true], "both primes of the first are known");
        assert!(of(&[]).is_empty());
        assert_eq!(of(&[0, 1, 2, 6, 9]), [false; 5], "no moduli");
        assert_eq!(sharing(&[&[], &[15]]), [false, false]);
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
        let pairs: Vec<bool> = numbers.iter().map(|a| numbers.iter().any(|b| a != b && gcd(*a, *b) > 1)).collect();
        assert!(pairs.contains(&true) && pairs.contains(&false));
        assert_eq!(of(&numbers), pairs);
    }
}
