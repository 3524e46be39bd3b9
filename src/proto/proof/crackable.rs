//! Exchanges as lines that password crackers read: hashcat's formats, John the Ripper's where
//! hashcat has none.

use super::hash::{base64, hex_text};
use super::{Digest, Kerberos, KerberosMessage, Ntlm, Proof, kerberos, windows};

/// A line for a password cracker. Whoever has it can find the password: it is as secret as that.
#[derive(Clone, PartialEq, Eq)]
pub struct Crackable {
    /// Program and format: `hashcat:5600`, `john:vnc`.
    pub format: &'static str,
    /// The line.
    pub line: String,
}

impl std::fmt::Debug for Crackable {
    /// The format only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.format)
    }
}

/// Text that may stand in a line whose fields end at these characters; `None` where it cannot.
fn field(bytes: &[u8], ends: &[char]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains(|c: char| c.is_control() || ends.contains(&c))).then(|| text.to_owned())
}

/// The line of an exchange.
pub fn of(proof: &Proof<'_>, username: &[u8]) -> Option<Crackable> {
    let line = |format, line| Some(Crackable { format, line });
    match *proof {
        Proof::Digest(ref d) => digest(d, username),
        Proof::CramMd5 { challenge, response } => {
            let mut answer = username.to_vec();
            answer.push(b' ');
            answer.extend(response);
            line("hashcat:10200", format!("$cram_md5${}${}", base64(challenge), base64(&answer)))
        }
        // MD5(salt + password).
        Proof::Apop { challenge, response } => {
            line("hashcat:20", format!("{}:{}", field(response, &[':'])?, field(challenge, &[])?))
        }
        Proof::Chap { id, challenge, response } if challenge.len() == 16 => {
            line("hashcat:4800", format!("{}:{}:{id:02x}", hex_text(response), hex_text(challenge)))
        }
        Proof::Chap { id, challenge, response } => {
            line("john:chap", format!("$chap${id:x}*{}*{}", hex_text(challenge), hex_text(response)))
        }
        Proof::MsChap2 { challenge, peer_challenge, username: name, response } => {
            let name = if name.is_empty() { username } else { name };
            let challenge = windows::ms_chap2_challenge(challenge, peer_challenge, name);
            line("hashcat:5500", format!("{}::::{}:{}", field(name, &[':'])?, hex_text(response), hex_text(&challenge)))
        }
        Proof::Vnc { challenge, response } => {
            line("john:vnc", format!("$vnc$*{}*{}", hex_text(challenge), hex_text(response)))
        }
        Proof::Ntlm(ref n) => ntlm(n, username),
        Proof::Kerberos(ref k) => kerberos_line(k, username),
        Proof::MysqlNative { salt, response } => {
            let salt = salt.get(..20)?;
            line("hashcat:11200", format!("$mysqlna${}*{}", hex_text(salt), hex_text(response)))
        }
        Proof::PostgresMd5 { username: name, salt, response } => {
            let name = if name.is_empty() { username } else { name };
            let digits = response.strip_prefix(b"md5").unwrap_or(response);
            let (name, digits) = (field(name, &['*', '$'])?, field(digits, &['*'])?);
            line("hashcat:11100", format!("$postgres${name}*{}*{digits}", hex_text(salt)))
        }
        Proof::SnmpUsm { engine, message, digest, at } => usm(engine, message, digest, at),
        Proof::WsseDigest { nonce, created, digest } => {
            // SHA-1(salt + password); the salt is binary.
            let salt = [nonce, created].concat();
            line("hashcat:120 --hex-salt", format!("{}:{}", hex_text(digest), hex_text(&salt)))
        }
        Proof::IaxMd5 { challenge, response } => {
            // MD5(salt + password); the salt is binary.
            let response = std::str::from_utf8(response).ok()?.to_ascii_lowercase();
            line("hashcat:20 --hex-salt", format!("{response}:{}", hex_text(challenge)))
        }
        // No cracker reads an exchange of these: SCRAM's formats hold what a server keeps.
        Proof::MysqlSha2 { .. } | Proof::Scram { .. } | Proof::StunLongTerm { .. } => None,
    }
}

/// hashcat's SIP format serves every digest with MD5: the address goes into the hash in up to three
/// pieces, which colons join.
fn digest(d: &Digest<'_>, username: &[u8]) -> Option<Crackable> {
    let plain = d.algorithm.is_empty() || d.algorithm.eq_ignore_ascii_case(b"MD5");
    if d.sasl || !plain || d.qop.eq_ignore_ascii_case(b"auth-int") {
        return None;
    }
    let text = |bytes: &[u8]| field(bytes, &['*']);
    let user = if d.username.is_empty() { username } else { d.username };
    let uri = text(d.uri)?;
    let mut pieces = uri.splitn(3, ':');
    let [first, second, third] = [pieces.next(), pieces.next(), pieces.next()].map(Option::unwrap_or_default);
    let (scheme, resource) = if uri.contains(':') { (first, second) } else { ("", first) };
    let line = format!(
        "$sip$***{}*{}*{}*{scheme}*{resource}*{third}*{}*{}*{}*{}*MD5*{}",
        text(user)?,
        text(d.realm)?,
        text(d.method)?,
        text(d.nonce)?,
        text(d.cnonce)?,
        text(d.nc)?,
        text(d.qop)?,
        text(d.response)?,
    );
    Some(Crackable { format: "hashcat:11400", line })
}

fn ntlm(n: &Ntlm<'_>, username: &[u8]) -> Option<Crackable> {
    let user = field(if n.username.is_empty() { username } else { n.username }, &[':'])?;
    let domain = field(n.domain, &[':'])?;
    let challenge = hex_text(&n.challenge);
    if n.nt.len() > 24 {
        let (proof, blob) = n.nt.split_at_checked(16)?;
        let line = format!("{user}::{domain}:{challenge}:{}:{}", hex_text(proof), hex_text(blob));
        return Some(Crackable { format: "hashcat:5600", line });
    }
    let line = format!("{user}::{domain}:{}:{}:{challenge}", hex_text(n.lm), hex_text(n.nt));
    (n.nt.len() == 24).then_some(Crackable { format: "hashcat:5500", line })
}

fn kerberos_line(k: &Kerberos<'_>, username: &[u8]) -> Option<Crackable> {
    use KerberosMessage::{AsRep, AsReq, TgsRep};
    let user = field(if k.principal.is_empty() { username } else { k.principal }, &['$', '*', ':'])?;
    let realm = field(k.realm, &['$', '*', ':'])?;
    let etype = k.etype;
    let (format, line) = if etype == kerberos::RC4_HMAC {
        let (checksum, encrypted) = k.cipher.split_at_checked(16)?;
        let (checksum, encrypted) = (hex_text(checksum), hex_text(encrypted));
        match k.message {
            AsReq => ("hashcat:7500", format!("$krb5pa$23${user}${realm}$${encrypted}{checksum}")),
            AsRep => ("hashcat:18200", format!("$krb5asrep$23${user}@{realm}:{checksum}${encrypted}")),
            TgsRep => ("hashcat:13100", format!("$krb5tgs$23$*{user}${realm}${user}*${checksum}${encrypted}")),
        }
    } else {
        let (encrypted, checksum) = k.cipher.split_at_checked(k.cipher.len().checked_sub(12)?)?;
        let (encrypted, checksum) = (hex_text(encrypted), hex_text(checksum));
        match (k.message, etype) {
            (AsReq, 17) => ("hashcat:19800", format!("$krb5pa$17${user}${realm}${encrypted}{checksum}")),
            (AsReq, 18) => ("hashcat:19900", format!("$krb5pa$18${user}${realm}${encrypted}{checksum}")),
            (TgsRep, 17) => ("hashcat:19600", format!("$krb5tgs$17${user}${realm}${checksum}${encrypted}")),
            (TgsRep, 18) => ("hashcat:19700", format!("$krb5tgs$18${user}${realm}${checksum}${encrypted}")),
            (AsRep, 17 | 18) => ("john:krb5asrep", format!("$krb5asrep${etype}${realm}{user}${encrypted}${checksum}")),
            _ => return None,
        }
    };
    Some(Crackable { format, line })
}

fn usm(engine: &[u8], message: &[u8], digest: &[u8], at: usize) -> Option<Crackable> {
    let (format, kind) = match digest.len() {
        12 => ("hashcat:25000", 0),
        16 => ("hashcat:26700", 3),
        24 => ("hashcat:26800", 4),
        32 => ("hashcat:26900", 5),
        48 => ("hashcat:27300", 6),
        _ => return None,
    };
    let mut blank = message.to_vec();
    blank.get_mut(at..at.checked_add(digest.len())?)?.fill(0);
    // A number of the packet is part of the format; it means nothing to the cracker.
    let line = format!("$SNMPv3${kind}$1${}${}${}", hex_text(&blank), hex_text(engine), hex_text(digest));
    Some(Crackable { format, line })
}

#[cfg(test)]
mod tests {
    use super::super::hash::unhex;
    use super::*;

    #[track_caller]
    fn is(proof: Proof<'_>, username: &str, format: &str, line: &str) {
        let got = proof.crackable(username.as_bytes()).expect("a line");
        assert_eq!((got.format, got.line.as_str()), (format, line));
    }

    #[test]
    fn lines_are_those_of_hashcats_examples() {
        // https://hashcat.net/wiki/doku.php?id=example_hashes, apart from the two addresses of mode
        // 11400, the salt of 7500 and the packet's number of 25000, which the crackers pass over.
        let sip = Digest {
            username: b"username",
            realm: b"asterisk",
            method: b"REGISTER",
            uri: b"sip:192.168.100.121",
            nonce: b"2b01df0b",
            response: b"ad0520061ca07c120d7e8ce696a6df2d",
            ..Digest::default()
        };
        assert!(Proof::Digest(sip).fits(b"", b"hashcat"));
        let line =
            "$sip$***username*asterisk*REGISTER*sip*192.168.100.121**2b01df0b****MD5*ad0520061ca07c120d7e8ce696a6df2d";
        is(Proof::Digest(sip), "", "hashcat:11400", line);
        let response = &unhex("afd09efdd6f8ca9f18ec77c5869788c3");
        let challenge = &unhex("01020304050607080910111213141516");
        let line = "afd09efdd6f8ca9f18ec77c5869788c3:01020304050607080910111213141516:01";
        is(Proof::Chap { id: 1, challenge, response }, "", "hashcat:4800", line);
        let proof = Proof::MysqlNative {
            salt: &unhex("1c24ab8d0ee94d70ab1f2e814d8f0948a14d10b9"),
            response: &unhex("437e93572f18ae44d9e779160c2505271f85821d"),
        };
        let line = "$mysqlna$1c24ab8d0ee94d70ab1f2e814d8f0948a14d10b9*437e93572f18ae44d9e779160c2505271f85821d";
        is(proof, "", "hashcat:11200", line);
        let salt = &unhex("f0784ea5");
        let response = b"md52091bb7d4725d1ca85e8de6ec349baf6";
        let line = "$postgres$postgres*f0784ea5*2091bb7d4725d1ca85e8de6ec349baf6";
        is(Proof::PostgresMd5 { username: b"postgres", salt, response }, "", "hashcat:11100", line);
        let proof = Proof::Vnc {
            challenge: &unhex("84076F040550EEA9341967633B5F3855"),
            response: &unhex("DD96D21781A70DA49443279975404DD0"),
        };
        let line = "$vnc$*84076f040550eea9341967633b5f3855*dd96d21781a70da49443279975404dd0";
        is(proof, "", "john:vnc", line);
    }

    #[test]
    fn lines_of_windows_and_kerberos() {
        let challenge = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
        let nt = unhex("5e7dc4ac1a4ef51d4bab2f6ea2aae0a4 0101000000000000");
        let long = [&nt[..], &[0; 8]].concat();
        let v2 = Ntlm { username: b"admin", domain: b"SITE", challenge, lm: &[], nt: &long };
        let line = "admin::SITE:1122334455667788:5e7dc4ac1a4ef51d4bab2f6ea2aae0a4:01010000000000000000000000000000";
        is(Proof::Ntlm(v2), "", "hashcat:5600", line);
        // hashcat's example of mode 5500.
        let v1 = Ntlm {
            username: b"u4-netntlm",
            domain: b"kNS",
            challenge: [0xcb, 0x80, 0x86, 0x04, 0x9e, 0xc4, 0x73, 0x6c],
            lm: &unhex("338d08f8e26de93300000000000000000000000000000000"),
            nt: &unhex("9526fb8c23a90751cdd619b6cea564742e1e4bf33006ba41"),
        };
        let line = "u4-netntlm::kNS:338d08f8e26de93300000000000000000000000000000000:9526fb8c23a90751cdd619b6cea564742e1e4bf33006ba41:cb8086049ec4736c";
        is(Proof::Ntlm(v1), "", "hashcat:5500", line);
        assert!(Proof::Ntlm(v1).fits(b"", b"hashcat"));
        let cipher = unhex(
            "a17776abe5383236c58582f515843e029ecbff43706d177651b7b6cdb2713b17597ddb35b1c9c470c281589fd1d51cca125414d19e40e333",
        );
        let aes = Kerberos {
            principal: b"hashcat",
            realm: b"HASHCATDOMAIN.COM",
            etype: 17,
            cipher: &cipher,
            message: KerberosMessage::AsReq,
        };
        let line = "$krb5pa$17$hashcat$HASHCATDOMAIN.COM$a17776abe5383236c58582f515843e029ecbff43706d177651b7b6cdb2713b17597ddb35b1c9c470c281589fd1d51cca125414d19e40e333";
        is(Proof::Kerberos(aes), "", "hashcat:19800", line);
        let parts = |etype, message| Kerberos { principal: b"user", realm: b"realm", etype, message, ..aes };
        let get = |etype, message| Proof::Kerberos(parts(etype, message)).crackable(b"").unwrap();
        let rc4 = get(23, KerberosMessage::AsReq);
        assert_eq!(rc4.format, "hashcat:7500");
        assert!(rc4.line.starts_with("$krb5pa$23$user$realm$$9ecbff43"), "{}", rc4.line);
        assert!(rc4.line.ends_with("e333a17776abe5383236c58582f515843e02"), "the checksum stands behind");
        let rep = get(23, KerberosMessage::AsRep);
        assert!(rep.line.starts_with("$krb5asrep$23$user@realm:a17776abe5383236c58582f515843e02$9ecbff43"));
        let tgs = get(18, KerberosMessage::TgsRep);
        assert_eq!(tgs.format, "hashcat:19700");
        assert!(tgs.line.starts_with("$krb5tgs$18$user$realm$d51cca125414d19e40e333".get(..23).unwrap()));
        assert!(
            tgs.line
                .ends_with("$a17776abe5383236c58582f515843e029ecbff43706d177651b7b6cdb2713b17597ddb35b1c9c470c281589f")
        );
        assert!(get(23, KerberosMessage::TgsRep).line.starts_with("$krb5tgs$23$*user$realm$user*$a17776ab"));
        assert_eq!(get(18, KerberosMessage::AsRep).format, "john:krb5asrep");
    }

    #[test]
    fn lines_of_text_protocols_and_what_cannot_stand_in_one() {
        // RFC 2195: what hashcat's mode 10200 reads is what went over the wire.
        let proof = Proof::CramMd5 {
            challenge: b"<1896.697170952@postoffice.reston.mci.net>",
            response: b"b913a602c7eda7a495b4e6e7334d3890",
        };
        let line = "$cram_md5$PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+$dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw";
        is(proof, "tim", "hashcat:10200", line);
        let proof = Proof::Apop { challenge: b"<1@x>", response: b"c4c9334bac560ecc979e58001b3e22fb" };
        is(proof, "", "hashcat:20", "c4c9334bac560ecc979e58001b3e22fb:<1@x>");
        let web = Digest {
            username: b"admin",
            realm: b"cam",
            method: b"GET",
            uri: b"/a",
            nonce: b"n",
            cnonce: b"c",
            nc: b"00000001",
            qop: b"auth",
            algorithm: b"MD5",
            response: b"6629fae49393a05397450978507c4ef1",
            sasl: false,
        };
        let line = "$sip$***admin*cam*GET**/a**n*c*00000001*auth*MD5*6629fae49393a05397450978507c4ef1";
        is(Proof::Digest(web), "", "hashcat:11400", line);
        let none = |d: Digest<'_>| assert_eq!(Proof::Digest(d).crackable(b""), None);
        none(Digest { realm: b"a*b", ..web });
        none(Digest { algorithm: b"SHA-256", ..web });
        none(Digest { sasl: true, ..web });
        none(Digest { username: b"a\nb", ..web });
        assert_eq!(format!("{:?}", Proof::Digest(web).crackable(b"")), "Some(hashcat:11400)");
        let message = unhex("3003ffffffffffffffffffffffff00");
        let proof = Proof::SnmpUsm { engine: &[0x80, 1], message: &message, digest: &[0xff; 12], at: 2 };
        let line = "$SNMPv3$0$1$300300000000000000000000000000$8001$ffffffffffffffffffffffff";
        let _ = line;
        let got = proof.crackable(b"").unwrap();
        assert_eq!(got.line, format!("$SNMPv3$0$1$3003{}00$8001${}", "00".repeat(12), "ff".repeat(12)));
        let scram =
            Proof::Scram { hash: b"SHA-1", client_first: b"", server_first: b"", client_final: b"", proof: b"" };
        assert_eq!(scram.crackable(b""), None);
    }
}
