//! Inputs to begin with for protocols that no sample holds.

use super::script;

/// A login in clear (RFC 8907, sections 4.1, 5.1 and 5.2), and a packet that is obfuscated.
pub fn tacacs() -> Vec<u8> {
    let packet = |sequence: u8, flags: u8, body: &[u8]| {
        let mut out = vec![0xc1, 1, sequence, flags, 0, 0, 0, 7];
        out.extend((body.len() as u32).to_be_bytes());
        out.extend(body);
        out
    };
    let start = [&[1, 1, 2, 1, 5, 4, 9, 6][..], b"alice", b"tty1", b"192.0.2.9", b"secret"].concat();
    let mut out = Vec::new();
    script::append(&mut out, false, &packet(1, 1, &start));
    script::append(&mut out, true, &packet(2, 1, &[1, 0, 0, 0, 0, 0]));
    script::append(&mut out, false, &packet(1, 0, &[0xee; 30]));
    out
}

/// A configuration file of many forms.
pub fn settings() -> Vec<u8> {
    let mut out = Vec::new();
    script::append(
        &mut out,
        true,
        b"account.1.user_name = 201\naccount.1.password = secret\nusername a password 7 0822455D0A16\n\
          [ftp]\nuser = f\npassword: \"x\"\n{\"username\": \"j\", \"password\": \"k\"}\n<P34>sip</P34><P35>200</P35>\n\
          <A reg.1.auth.userId=\"u\" reg.1.auth.password=\"p\"/>\nenable secret 5 $1$a$b\n",
    );
    out
}
