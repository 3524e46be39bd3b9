//! Kerberos material under a key that is made of a password: RC4-HMAC (RFC 4757) and AES with
//! HMAC-SHA1-96 (RFC 3961, RFC 3962).

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256};
use md5::Md5;
use rc4::{Rc4, StreamCipher};
use sha1::Sha1;

use super::hash::{hmac, upper};
use super::keys::kept;
use super::windows::nt_hash;
use super::{Kerberos, KerberosMessage};

/// Encryption types (IANA, Kerberos Encryption Type Numbers).
pub const RC4_HMAC: i32 = 23;
const AES128: i32 = 17;
const AES256: i32 = 18;

/// Rounds of PBKDF2 where the server names no other number (RFC 3962, section 4).
const ROUNDS: u32 = 4096;

/// Compressions of one guess.
pub fn work(k: &Kerberos<'_>) -> Option<u32> {
    // The message is hashed as well, and decrypted.
    let length = u32::try_from(k.cipher.len() / 32).ok()?;
    match k.etype {
        RC4_HMAC => Some(20 + length),
        AES128 => Some(2 * ROUNDS + 20 + length),
        AES256 => Some(4 * ROUNDS + 20 + length),
        _ => None,
    }
}

/// Whether the material was encrypted with a key made of this password.
pub fn fits(k: &Kerberos<'_>, username: &[u8], password: &[u8]) -> bool {
    match k.etype {
        RC4_HMAC => rc4_fits(k, password),
        AES128 => aes_fits(k, username, password, 16),
        AES256 => aes_fits(k, username, password, 32),
        _ => false,
    }
}

/// RFC 4757, section 5. Its numbers of usage differ from those of RFC 4120 in one: 8 stands for 3.
fn rc4_fits(k: &Kerberos<'_>, password: &[u8]) -> bool {
    let usage: u32 = match k.message {
        KerberosMessage::AsReq => 1,
        KerberosMessage::AsRep => 8,
        KerberosMessage::TgsRep => 2,
    };
    let Some((checksum, encrypted)) = k.cipher.split_at_checked(16) else { return false };
    let k1 = hmac::<Md5>(&nt_hash(password), &[&usage.to_le_bytes()]);
    let k3 = hmac::<Md5>(&k1, &[checksum]);
    let Ok(mut rc4) = Rc4::new_from_slice(&k3) else { return false };
    let mut plain = encrypted.to_vec();
    rc4.apply_keystream(&mut plain);
    !plain.is_empty() && hmac::<Md5>(&k1, &[&plain]) == checksum
}

/// AES of either key length.
enum Aes {
    Short(Box<Aes128>),
    Long(Box<Aes256>),
}

impl Aes {
    fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Some(Self::Short(Box::new(Aes128::new_from_slice(key).ok()?))),
            _ => Some(Self::Long(Box::new(Aes256::new_from_slice(key).ok()?))),
        }
    }

    fn encrypt(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = block.into();
        match self {
            Self::Short(aes) => aes.encrypt_block(&mut block),
            Self::Long(aes) => aes.encrypt_block(&mut block),
        }
        block.into()
    }

    fn decrypt(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = block.into();
        match self {
            Self::Short(aes) => aes.decrypt_block(&mut block),
            Self::Long(aes) => aes.decrypt_block(&mut block),
        }
        block.into()
    }
}

/// n-fold (RFC 3961, section 5.1) to 16 bytes: copies, each turned right by 13 bits against the one
/// before, are added up in one's complement.
fn fold(text: &[u8]) -> [u8; 16] {
    let length = text.len().max(1);
    let gcd = |mut a: usize, mut b: usize| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let total = length * 16 / gcd(length, 16);
    // Bit `i` of the copies in a row: that of the text, turned by 13 for each copy.
    let bit = |i: usize| -> u8 {
        let (copy, at) = (i / (length * 8), i % (length * 8));
        let from = (at + length * 8 * 13 - (13 * copy) % (length * 8)) % (length * 8);
        text.get(from / 8).map_or(0, |byte| byte >> (7 - from % 8) & 1)
    };
    let byte = |i: usize| (0..8).fold(0_u8, |b, n| b << 1 | bit(i * 8 + n));
    let mut sums = [0_u32; 16];
    for i in 0..total {
        if let Some(sum) = sums.get_mut(i % 16) {
            *sum += u32::from(byte(i));
        }
    }
    // Carries go round from the front to the back until there is none.
    for _ in 0..3 {
        let mut carry = 0;
        for sum in sums.iter_mut().rev() {
            *sum += carry;
            carry = *sum >> 8;
            *sum &= 0xff;
        }
        if let Some(last) = sums.last_mut() {
            *last += carry;
        }
    }
    sums.map(|s| s as u8)
}

/// DK (RFC 3961, section 5.1; RFC 3962, section 6): the folded constant encrypted over and over.
fn derive(key: &[u8], constant: &[u8]) -> Option<Vec<u8>> {
    let aes = Aes::new(key)?;
    let mut block = fold(constant);
    let mut out = Vec::with_capacity(32);
    while out.len() < key.len() {
        block = aes.encrypt(block);
        out.extend(block);
    }
    Some(out)
}

/// The key of a password (RFC 3962, section 4).
fn string_to_key(password: &[u8], salt: &[u8], rounds: u32, length: usize) -> Option<Vec<u8>> {
    let mut seed = [0; 32];
    let seed = seed.get_mut(..length)?;
    pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, rounds, seed);
    derive(seed, b"kerberos")
}

/// CBC with ciphertext stealing (RFC 3962, section 5), with zeros as first vector: the last two
/// blocks are swapped, and the last one may be short.
fn cts_decrypt(aes: &Aes, cipher: &[u8]) -> Option<Vec<u8>> {
    let (head, tail) = cipher.split_at_checked(cipher.len().checked_sub(1)? / 16 * 16)?;
    let (blocks, _) = head.as_chunks::<16>();
    let Some((second, front)) = blocks.split_last() else {
        return (cipher.len() == 16).then(|| cipher.first_chunk::<16>().map(|b| aes.decrypt(*b).to_vec()))?;
    };
    let mut plain = Vec::with_capacity(cipher.len());
    let mut before = [0; 16];
    for block in front {
        plain.extend(aes.decrypt(*block).iter().zip(before).map(|(a, b)| a ^ b));
        before = *block;
    }
    let mixed = aes.decrypt(*second);
    // The short block as it was before it was cut: its end stands in what was encrypted after it.
    let mut last = mixed;
    last.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
    plain.extend(aes.decrypt(last).iter().zip(before).map(|(a, b)| a ^ b));
    plain.extend(mixed.iter().zip(tail).map(|(a, b)| a ^ b));
    Some(plain)
}

fn aes_fits(k: &Kerberos<'_>, username: &[u8], password: &[u8], length: usize) -> bool {
    let principal = if k.principal.is_empty() { username } else { k.principal };
    // The usual salt: realm and all parts of the name, one after the other (RFC 4120, section 4). Clients
    // may write the realm as they like; what the key was made of is in capitals.
    let mut salt = upper(k.realm);
    salt.extend(principal.iter().filter(|c| **c != b'/'));
    let usage: u32 = match k.message {
        KerberosMessage::AsReq => 1,
        KerberosMessage::TgsRep => 2,
        KerberosMessage::AsRep => 3,
    };
    let constant = |kind: u8| {
        let [a, b, c, d] = usage.to_be_bytes();
        [a, b, c, d, kind]
    };
    let Some((encrypted, checksum)) = k.cipher.len().checked_sub(12).and_then(|at| k.cipher.split_at_checked(at))
    else {
        return false;
    };
    let fits = || {
        let kind = if length == 16 { "kerberos-aes128" } else { "kerberos-aes256" };
        let key = kept(kind, password, &salt, || string_to_key(password, &salt, ROUNDS, length).unwrap_or_default());
        let plain = cts_decrypt(&Aes::new(&derive(&key, &constant(0xaa))?)?, encrypted)?;
        let integrity = derive(&key, &constant(0x55))?;
        Some(hmac::<Sha1>(&integrity, &[&plain]).starts_with(checksum))
    };
    encrypted.len() >= 16 && fits().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::super::Proof;
    use super::super::hash::unhex;
    use super::*;

    #[test]
    fn folding_and_keys_of_the_standards() {
        // RFC 3961, section A.1 ("kerberos" to 128 bits).
        assert_eq!(fold(b"kerberos").to_vec(), unhex("6b65726265726f737b9b5b2b93132b93"));
        // RFC 3962, appendix B.
        let salt = b"ATHENA.MIT.EDUraeburn";
        let key = |rounds, length| string_to_key(b"password", salt, rounds, length).unwrap();
        assert_eq!(key(1, 16), unhex("42263c6e89f4fc28b8df68ee09799f15"));
        assert_eq!(key(1, 32), unhex("fe697b52bc0d3ce14432ba036a92e65bbb52280990a2fa27883998d72af30161"));
        assert_eq!(key(1200, 16), unhex("4c01cd46d632d01e6dbe230a01ed642a"));
        // RFC 3962, appendix B: ciphertext stealing under "chicken teriyaki".
        let aes = Aes::new(b"chicken teriyaki").unwrap();
        let text = b"I would like the General Gau's Chicken, please, and wonton soup.";
        for (cipher, length) in [
            ("c6353568f2bf8cb4d8a580362da7ff7f97", 17),
            ("fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5", 31),
            ("39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584", 32),
            ("97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e39312523a78662d5be7fcbcc98ebf5", 47),
        ] {
            assert_eq!(cts_decrypt(&aes, &unhex(cipher)).unwrap(), text[..length], "{length}");
        }
    }

    fn proof<'e>(
        etype: i32,
        message: KerberosMessage,
        principal: &'e str,
        realm: &'e str,
        cipher: &'e [u8],
    ) -> Proof<'e> {
        Proof::Kerberos(Kerberos { principal: principal.as_bytes(), realm: realm.as_bytes(), etype, cipher, message })
    }

    #[test]
    fn examples_that_crackers_publish() {
        // hashcat's modes 19800 and 19900.
        let aes128 = unhex(
            "a17776abe5383236c58582f515843e029ecbff43706d177651b7b6cdb2713b17597ddb35b1c9c470c281589fd1d51cca125414d19e40e333",
        );
        let aes256 = unhex(
            "96c289009b05181bfd32062962740b1b1ce5f74eb12e0266cde74e81094661addab08c0c1a178882c91a0ed89ae4e0e68d2820b9cce69770",
        );
        // John the Ripper's format krb5pa-md5, where the checksum stands behind.
        let rc4 = unhex(
            "eb03b6fbcfe91f8346f3c0ae7e8abfe5 afcbe07c32c3450b37d0f2516354570fe7d3e78f829e77cdc1718adf612156507181f7da",
        );
        assert_eq!(rc4.len(), 52);
        // Mode 18200, and 19700 (a service ticket).
        let as_rep = unhex(
            "3e156ada591263b8aab0965f5aebd837007497cb51b6c8116d6407a782ea0e1c5402b17db7afa6b05a6d30ed164a9933c754d720e279c6c573679bd27128fe77e5fea1f72334c1193c8ff0b370fadc6368bf2d49bbfdba4c5dccab95e8c8ebfdc75f438a0797dbfb2f8a1a5f4c423f9bfc1fea483342a11bd56a216f4d5158ccc4b224b52894fadfba3957dfe4b6b8f5f9f9fe422811a314768673e0c924340b8ccb84775ce9defaa3baa0910b676ad0036d13032b0dd94e3b13903cc738a7b6d00b0b3c210d1f972a6c7cae9bd3c959acf7565be528fc179118f28c679f6deeee1456f0781eb8154e18e49cb27b64bf74cd7112a0ebae2102ac",
        );
        let tgs = unhex(
            "7352410d6aafd72c64972a66058b02aa1c28ac580ba41137d5a170467f06f17faf5dfb3f95ecf4fad74821fdc7e63a3195573f45f962f86942cb24255e544ad8d05178d560f683a3f59ce94e82c8e724a3af0160be549b472dd83e6b80733ad349973885e9082617294c6cbbea92349671883eaf068d7f5dcfc0405d97fda27435082b82b24f3be27f06c19354bf32066933312c770424eb6143674756243c1bde78ee3294792dcc49008a1b54f32ec5d5695f899946d42a67ce2fb1c227cb1d2004c08efd91bb01cc69dd07e46009",
        );
        use KerberosMessage::*;
        let pre_auth = proof(RC4_HMAC, AsReq, "user", "realm", &rc4);
        assert!(pre_auth.fits(b"", b"John") && !pre_auth.fits(b"", b"john"));
        for proof in [
            proof(AES128, AsReq, "hashcat", "HASHCATDOMAIN.COM", &aes128),
            proof(AES256, AsReq, "hashcat", "HASHCATDOMAIN.COM", &aes256),
            proof(RC4_HMAC, AsRep, "user", "domain.com", &as_rep),
            proof(AES256, TgsRep, "user", "realm", &tgs),
        ] {
            let Proof::Kerberos(k) = proof else { continue };
            assert!(proof.fits(b"", b"hashcat"), "{} {:?}", k.etype, k.message);
            assert!(!proof.fits(b"", b"Hashcat"), "{proof:?}");
        }
        assert!(!proof(AES256, AsReq, "user", "realm", &[0; 12]).fits(b"", b""), "too short");
        assert!(!proof(RC4_HMAC, AsReq, "user", "realm", &[0; 15]).fits(b"", b""), "too short");
        assert_eq!(proof(3, AsReq, "user", "realm", &aes128).work(), None, "DES is not computed");
    }
}
