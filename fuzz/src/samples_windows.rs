//! Scripts for protocols of office networks that no sample holds.

use super::super::script::append;

/// The script of a target.
pub fn scripts(target: &str) -> Vec<Vec<u8>> {
    match target {
        "proto_nbdgm" => vec![nbdgm()],
        "proto_rdp" => vec![rdp()],
        "proto_dcerpc" => vec![dcerpc(), datagram()],
        _ => Vec::new(),
    }
}

/// A host announcement to the master browser (RFC 1002, section 4.4; MS-BRWS, section 2.2.1).
fn nbdgm() -> Vec<u8> {
    let encoded = |name: &str, suffix: u8| {
        let mut out = vec![32];
        for byte in format!("{name:15}").bytes().chain([suffix]) {
            out.extend([b'A' + (byte >> 4), b'A' + (byte & 15)]);
        }
        out.push(0);
        out
    };
    let mut content = vec![1, 0, 0x80, 0xfc, 0x0a, 0];
    content.extend(b"NAS\0\0\0\0\0\0\0\0\0\0\0\0\0\x06\x01\x03\x9a\x01\x00\x0f\x01\x55\xaaFile station\0");
    let mut smb = b"\xffSMB\x25".to_vec();
    smb.extend([0; 27]);
    smb.push(17);
    smb.extend([0; 22]);
    smb.extend((content.len() as u16).to_le_bytes());
    smb.extend([86, 0, 3, 0, 1, 0, 1, 0, 2, 0]);
    smb.extend(((17 + content.len()) as u16).to_le_bytes());
    smb.extend(b"\\MAILSLOT\\BROWSE\0");
    smb.extend(content);
    let mut message = vec![0x11, 0x0a, 1, 2, 10, 0, 0, 7, 0, 138, 0, 200, 0, 0];
    message.extend(encoded("NAS", 0));
    message.extend(encoded("OFFICE", 0x1d));
    message.extend(smb);
    let mut script = Vec::new();
    append(&mut script, false, &message);
    script
}

/// A connection with standard security and a login in clear (MS-RDPBCGR, section 2.2.1).
fn rdp() -> Vec<u8> {
    let tpkt = |x224: &[u8]| [&[3, 0][..], &((x224.len() + 4) as u16).to_be_bytes(), x224].concat();
    let mut core = vec![0x01, 0xc0, 216, 0, 4, 0, 8, 0, 0, 4, 0, 3, 1, 0xca, 3, 0xaa, 9, 4, 0, 0, 0x28, 0x0a, 0, 0];
    core.extend(b"P\0C\x007\0");
    core.resize(216, 0);
    let initial = [&b"\x02\xf0\x80\x7f\x65\x82\x01\x00Duca\x80\xd8"[..], &core].concat();
    let answer = b"\x02\xf0\x80\x7f\x66\x50McDn\x14\x01\x0c\x08\0\x04\0\x08\0\x02\x0c\x0c\0\0\0\0\0\0\0\0\0";
    let mut info = b"\x02\xf0\x80\x64\0\x06\x03\xeb\x70\x80\x40\x40\0\0\0\0\0\0\0\x10\0\0\0".to_vec();
    info.extend(b"\x04\0\x06\0\x04\0\0\0\0\0A\0D\0\0\0a\0n\0a\0\0\0p\0w\0\0\0\0\0\0\0");
    let mut script = Vec::new();
    append(&mut script, false, &tpkt(b"\x22\xe0\0\0\0\0\0Cookie: mstshash=ana\r\n\x01\0\x08\0\0\0\0\0"));
    append(&mut script, true, &tpkt(b"\x0e\xd0\0\0\x12\x34\0\x02\0\x08\0\0\0\0\0"));
    append(&mut script, false, &tpkt(&initial));
    append(&mut script, true, &tpkt(answer));
    append(&mut script, false, &tpkt(&info));
    script
}

const SAMR: [u8; 16] = [0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0, 1, 0x23, 0x45, 0x67, 0x89, 0xac];

/// A binding with NTLM, the challenge, the answer, a call and its reply (C706, section 12.6).
fn dcerpc() -> Vec<u8> {
    let packet = |kind: u8, body: &[u8], token: &[u8]| {
        let auth: &[u8] = if token.is_empty() { &[] } else { &[10, 5, 0, 0, 1, 0, 0, 0] };
        let mut out = vec![5, 0, kind, 3, 0x10, 0, 0, 0];
        out.extend(((16 + body.len() + auth.len() + token.len()) as u16).to_le_bytes());
        out.extend((token.len() as u16).to_le_bytes());
        out.extend([1, 0, 0, 0]);
        [&out[..], body, auth, token].concat()
    };
    let mut bind = vec![0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0];
    bind.extend(SAMR);
    bind.extend([1, 0, 0, 0]);
    bind.extend([0; 20]);
    let mut ack = vec![0xb8, 0x10, 0xb8, 0x10, 1, 0, 0, 0, 4, 0, b'1', b'3', b'5', 0, 0, 0, 1, 0, 0, 0];
    ack.extend([0; 24]);
    let mut challenge = b"NTLMSSP\0\x02\0\0\0".to_vec();
    challenge.extend([0; 12]);
    challenge.extend([1, 2, 3, 4, 5, 6, 7, 8]);
    let mut answer = b"NTLMSSP\0\x03\0\0\0".to_vec();
    answer.extend([24, 0, 24, 0, 64, 0, 0, 0, 24, 0, 24, 0, 88, 0, 0, 0]);
    answer.extend([0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 6, 0, 112, 0, 0, 0, 4, 0, 4, 0, 118, 0, 0, 0]);
    answer.extend([0; 8]);
    answer.extend([1, 0, 0, 0]);
    answer.extend([7; 48]);
    answer.extend(b"a\0n\0a\0P\0C\0");
    let mut script = Vec::new();
    append(&mut script, false, &packet(11, &bind, b"NTLMSSP\0\x01\0\0\0"));
    append(&mut script, true, &packet(12, &ack, &challenge));
    append(&mut script, false, &packet(16, &[0; 4], &answer));
    append(&mut script, false, &packet(0, &[4, 0, 0, 0, 0, 0, 64, 0, 1, 2, 3, 4], b""));
    append(&mut script, true, &packet(2, &[0; 12], b""));
    script
}

/// A call in a datagram (C706, section 12.5).
fn datagram() -> Vec<u8> {
    let mut d = vec![4, 0, 0x20, 0, 0x10, 0, 0, 0];
    d.extend([0; 16]);
    d.extend(SAMR);
    d.extend([0; 20]);
    d.extend([1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0xff, 0xff, 0xff, 0xff, 4, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
    let mut script = Vec::new();
    append(&mut script, false, &d);
    script
}
