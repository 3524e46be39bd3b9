//! Answers that are one or two rounds of a fast hash.

use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha512_256};

use super::Digest;
use super::hash::{self, hex, of, xor};

/// A hash over parts that follow each other.
type HashOf = fn(&[&[u8]]) -> Vec<u8>;

/// The hash of an `algorithm` parameter, and whether it is a session variant.
fn algorithm(name: &[u8]) -> Option<(HashOf, bool)> {
    let session = name.len() > 5 && name.get(name.len() - 5..).is_some_and(|s| s.eq_ignore_ascii_case(b"-sess"));
    let base = if session { name.get(..name.len() - 5)? } else { name };
    let hash: HashOf = match base.to_ascii_uppercase().as_slice() {
        b"" | b"MD5" => of::<Md5>,
        b"SHA-256" => of::<Sha256>,
        b"SHA-512-256" => of::<Sha512_256>,
        _ => return None,
    };
    Some((hash, session))
}

/// Whether an answer is of a kind that can be computed: `auth-int` hashes the body, which is not kept.
pub fn digest_is_known(d: &Digest<'_>) -> bool {
    let body = d.qop.eq_ignore_ascii_case(b"auth-int") && !d.sasl;
    algorithm(d.algorithm).is_some() && !body && !d.nonce.is_empty()
}

/// Digest access authentication: RFC 7616, section 3.4.1; RFC 2069, section 2.1.2, where no `qop` was
/// sent; RFC 2831, section 2.1.2.1, for SASL.
pub fn digest(d: &Digest<'_>, username: &[u8], password: &[u8]) -> bool {
    let Some((hash, session)) = algorithm(d.algorithm) else { return false };
    let user = if d.username.is_empty() { username } else { d.username };
    let secret = hash(&[user, b":", d.realm, b":", password]);
    let a1 = match (d.sasl, session) {
        (true, _) => hex(&hash(&[&secret, b":", d.nonce, b":", d.cnonce])),
        (false, true) => hex(&hash(&[&hex(&secret), b":", d.nonce, b":", d.cnonce])),
        (false, false) => hex(&secret),
    };
    let a2 = match (d.sasl, d.qop.eq_ignore_ascii_case(b"auth-int") || d.qop.eq_ignore_ascii_case(b"auth-conf")) {
        // SASL has no body: zeros stand in its place.
        (true, true) => hash(&[b"AUTHENTICATE:", d.uri, b":00000000000000000000000000000000"]),
        (true, false) => hash(&[b"AUTHENTICATE:", d.uri]),
        (false, _) => hash(&[d.method, b":", d.uri]),
    };
    let a2 = hex(&a2);
    let answer = if d.qop.is_empty() && !d.sasl {
        hash(&[&a1, b":", d.nonce, b":", &a2])
    } else {
        let qop = if d.qop.is_empty() { b"auth" } else { d.qop };
        hash(&[&a1, b":", d.nonce, b":", d.nc, b":", d.cnonce, b":", qop, b":", &a2])
    };
    hex(&answer).eq_ignore_ascii_case(d.response)
}

/// CRAM-MD5 (RFC 2195, section 2).
pub fn cram_md5(challenge: &[u8], response: &[u8], password: &[u8]) -> bool {
    hex(&hash::hmac::<Md5>(password, &[challenge])).eq_ignore_ascii_case(response)
}

/// APOP (RFC 1939, section 7).
pub fn apop(challenge: &[u8], response: &[u8], password: &[u8]) -> bool {
    hex(&of::<Md5>(&[challenge, password])).eq_ignore_ascii_case(response)
}

/// CHAP with MD5 (RFC 1994, section 4.1).
pub fn chap(id: u8, challenge: &[u8], response: &[u8], password: &[u8]) -> bool {
    of::<Md5>(&[&[id], password, challenge]) == response
}

/// MySQL's `mysql_native_password`: SHA-1(password) XOR SHA-1(salt + SHA-1(SHA-1(password))).
pub fn mysql_native(salt: &[u8], response: &[u8], password: &[u8]) -> bool {
    let salt = salt.get(..20).unwrap_or(salt);
    let once = of::<Sha1>(&[password]);
    let twice = of::<Sha1>(&[&once]);
    xor(&once, &of::<Sha1>(&[salt, &twice])) == response
}

/// MySQL's `caching_sha2_password`: SHA-256(password) XOR SHA-256(SHA-256(SHA-256(password)) + salt).
pub fn mysql_sha2(salt: &[u8], response: &[u8], password: &[u8]) -> bool {
    let salt = salt.get(..20).unwrap_or(salt);
    let once = of::<Sha256>(&[password]);
    let twice = of::<Sha256>(&[&once]);
    xor(&once, &of::<Sha256>(&[&twice, salt])) == response
}

/// PostgreSQL's MD5: `md5` and MD5(MD5(password + user) + salt), both in hexadecimal.
pub fn postgres_md5(username: &[u8], salt: &[u8], response: &[u8], password: &[u8]) -> bool {
    let inner = hex(&of::<Md5>(&[password, username]));
    let answer = hex(&of::<Md5>(&[&inner, salt]));
    response.strip_prefix(b"md5").unwrap_or(response).eq_ignore_ascii_case(&answer)
}

/// A UsernameToken's digest (WSS UsernameToken Profile 1.1, section 3.1).
pub fn wsse(nonce: &[u8], created: &[u8], digest: &[u8], password: &[u8]) -> bool {
    of::<Sha1>(&[nonce, created, password]) == digest
}

/// A long-term credential of STUN (RFC 8489, section 9.2.2): the HMAC of the message with the key
/// MD5(user `:` realm `:` password).
pub fn stun_long_term(parts: [&[u8]; 3], message: &[u8], digest: &[u8], sha256: bool) -> bool {
    let [username, realm, password] = parts;
    let key = of::<Md5>(&[username, b":", realm, b":", password]);
    let whole = if sha256 { hash::hmac::<Sha256>(&key, &[message]) } else { hash::hmac::<Sha1>(&key, &[message]) };
    // SHA-256 may be cut to a multiple of four, 16 bytes at least (RFC 8489, section 14.6).
    digest.len() >= 16 && whole.get(..digest.len()) == Some(digest)
}

#[cfg(test)]
mod tests {
    use super::super::Proof;
    use super::hash::unhex;
    use super::*;

    /// Fits that password, and no other.
    #[track_caller]
    fn only(proof: Proof<'_>, username: &str, password: &str) {
        assert!(proof.fits(username.as_bytes(), password.as_bytes()), "{proof:?}");
        assert!(!proof.fits(username.as_bytes(), format!("{password}x").as_bytes()), "{proof:?}");
        assert!(!proof.fits(username.as_bytes(), b""), "{proof:?}");
    }

    #[test]
    fn digest_answers_of_the_standards() {
        // RFC 2617, section 3.5.
        let rfc2617 = Digest {
            username: b"Mufasa",
            realm: b"testrealm@host.com",
            method: b"GET",
            uri: b"/dir/index.html",
            nonce: b"dcd98b7102dd2f0e8b11d0f600bfb0c093",
            cnonce: b"0a4f113b",
            nc: b"00000001",
            qop: b"auth",
            algorithm: b"",
            response: b"6629fae49393a05397450978507c4ef1",
            sasl: false,
        };
        only(Proof::Digest(rfc2617), "", "Circle Of Life");
        only(Proof::Digest(Digest { username: b"", ..rfc2617 }), "Mufasa", "Circle Of Life");
        // RFC 2069, section 2.4, with the answer that its erratum 749 corrects.
        let rfc2069 =
            Digest { cnonce: b"", nc: b"", qop: b"", response: b"1949323746fe6a43ef61f9606e7febea", ..rfc2617 };
        only(Proof::Digest(rfc2069), "", "CircleOfLife");
        // RFC 7616, section 3.9.1.
        let rfc7616 = Digest {
            realm: b"http-auth@example.org",
            nonce: b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            cnonce: b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            algorithm: b"MD5",
            response: b"8ca523f5e9506fed4657c9700eebdbec",
            ..rfc2617
        };
        only(Proof::Digest(rfc7616), "", "Circle of Life");
        let sha256 = Digest {
            algorithm: b"SHA-256",
            response: b"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ..rfc7616
        };
        only(Proof::Digest(sha256), "", "Circle of Life");
        // RFC 7616, section 3.9.2, with the answer that its erratum 4897 corrects.
        let sha512 = Digest {
            username: "J\u{e4}s\u{f8}n Doe".as_bytes(),
            realm: b"api@example.org",
            uri: b"/doe.json",
            nonce: b"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            cnonce: b"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
            algorithm: b"SHA-512-256",
            response: b"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5",
            ..rfc7616
        };
        only(Proof::Digest(sha512), "", "Secret, or not?");
        // RFC 2831, section 4.
        let sasl = Digest {
            username: b"chris",
            realm: b"elwood.innosoft.com",
            method: b"",
            uri: b"imap/elwood.innosoft.com",
            nonce: b"OA6MG9tEQGm2hh",
            cnonce: b"OA6MHXh6VqTrRk",
            nc: b"00000001",
            qop: b"auth",
            algorithm: b"",
            response: b"d388dad90d4bbd760a152321f2143af7",
            sasl: true,
        };
        only(Proof::Digest(sasl), "", "secret");
        // MD5-sess with the values of RFC 2617, computed by hand with md5sum.
        let session = Digest { algorithm: b"MD5-sess", response: b"8e3825c57e897f5a0dec6c2d4e5059d0", ..rfc2617 };
        only(Proof::Digest(session), "", "Circle Of Life");
        for unknown in [Digest { algorithm: b"SHA-3", ..rfc2617 }, Digest { qop: b"auth-int", ..rfc2617 }] {
            assert_eq!(Proof::Digest(unknown).work(), None);
            assert!(!Proof::Digest(unknown).fits(b"", b"Circle Of Life"));
        }
    }

    #[test]
    fn mail_and_link_answers() {
        // RFC 2195, section 2.
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        only(Proof::CramMd5 { challenge, response: b"b913a602c7eda7a495b4e6e7334d3890" }, "tim", "tanstaaftanstaaf");
        // RFC 1939, section 7.
        let challenge = b"<1896.697170952@dbc.mtview.ca.us>";
        only(Proof::Apop { challenge, response: b"c4c9334bac560ecc979e58001b3e22fb" }, "mrose", "tanstaaf");
        // The example of hashcat's mode 4800.
        let challenge = &unhex("01020304050607080910111213141516");
        let response = &unhex("afd09efdd6f8ca9f18ec77c5869788c3");
        only(Proof::Chap { id: 1, challenge, response }, "", "hashcat");
    }

    #[test]
    fn database_answers() {
        // The examples of hashcat's modes 11200 and 11100.
        let salt = &unhex("1c24ab8d0ee94d70ab1f2e814d8f0948a14d10b9");
        let response = &unhex("437e93572f18ae44d9e779160c2505271f85821d");
        only(Proof::MysqlNative { salt, response }, "", "hashcat");
        let salt = &unhex("f0784ea5");
        let response = b"md52091bb7d4725d1ca85e8de6ec349baf6";
        only(Proof::PostgresMd5 { username: b"postgres", salt, response }, "", "hashcat");
        // Computed with another implementation of SHA-256.
        let salt = b"0123456789abcdefghij";
        only(
            Proof::MysqlSha2 {
                salt,
                response: &unhex("809b04de7ace37cc3fb719e7baec59d7ab877240e0f08a165340afff7d410c82"),
            },
            "",
            "Sample-Db-9",
        );
    }

    #[test]
    fn a_web_service_token() {
        // The example in ONVIF's Application Programmer's Guide, section 6.1.1.3.
        let nonce = &hash::unbase64(b"LKqI6G/AikKCQrN0zqZFlg==").unwrap();
        let digest = &hash::unbase64(b"tuOSpGlFlIXsozq4HFNeeGeFLEI=").unwrap();
        let token = Proof::WsseDigest { nonce, created: b"2010-09-16T07:50:45Z", digest };
        only(token, "user", "userpassword");
    }
}
