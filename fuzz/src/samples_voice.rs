//! Inputs to begin with for voice and printing protocols that no sample holds.

use super::script;

/// A flow for a target, where this file has one.
pub fn of(target: &str) -> Option<Vec<u8>> {
    let steps: &[(bool, Vec<u8>)] = &match target {
        "proto_iax2" => iax(),
        "proto_mgcp" => mgcp(),
        "proto_megaco" => vec![(false, b"MEGACO/1 [192.0.2.1]:2944\nTransaction = 1 {".to_vec())],
        "proto_h225" => h225(),
        "proto_skinny" => skinny(),
        "proto_bjnp" => bjnp(),
        "proto_enpc" => {
            vec![
                (false, b"EPSONQ\x03\0\0\0\0\0\0".to_vec()),
                (true, b"EPSONq\x03\0\0\0\0\0\0\x20MFG:EPSON;MDL:WF;\0".to_vec()),
            ]
        }
        _ => return None,
    };
    let mut out = Vec::new();
    for (responder, bytes) in steps {
        script::append(&mut out, *responder, bytes);
    }
    Some(out)
}

/// A registration with an MD5 answer (RFC 5456, section 6.1).
fn iax() -> Vec<(bool, Vec<u8>)> {
    let frame =
        |subclass: u8, elements: &[u8]| [&[0x80, 1, 0, 0, 0, 0, 0, 5, 0, 0, 6, subclass][..], elements].concat();
    vec![
        (false, frame(13, b"\x06\x05alice")),
        (true, frame(14, b"\x0e\x02\0\x02\x0f\x09137472844")),
        (false, frame(13, b"\x06\x05alice\x10\x2000112233445566778899aabbccddeeff")),
        (true, frame(15, b"\x06\x05alice")),
    ]
}

/// RFC 3435, appendix F.
fn mgcp() -> Vec<(bool, Vec<u8>)> {
    vec![
        (false, b"CRCX 1204 aaln/1@rgw.example MGCP 1.0\nC: A3C4\nM: recvonly\n".to_vec()),
        (true, b"200 1204 OK\nI:FDE2\n\nv=0\nc=IN IP4 192.0.2.1\nm=audio 3456 RTP/AVP 0\n".to_vec()),
    ]
}

/// A registration request, and a setup message.
fn h225() -> Vec<(bool, Vec<u8>)> {
    let user = b"\x05\x20\xb0\x06\0\x08\x91\x4a\0\x04\x09Gate One X\x041.2.3";
    let mut message = b"\x08\x02\x12\x34\x05\x28\x03Joe\x6c\x05\0\x83201\x70\x04\x81202\x7e".to_vec();
    message.extend((user.len() as u16).to_be_bytes());
    message.extend(user);
    let mut setup = vec![3, 0];
    setup.extend((message.len() as u16 + 4).to_be_bytes());
    setup.extend(message);
    vec![
        (false, setup),
        (true, b"\x0e\0\x05\x1c\x06\0\x08\x91\x4a\0\x04\0\0\x22\xc0\0\0\0\0\x06My Fone\x041.10c\x01\x02".to_vec()),
    ]
}

/// A registration and the ends of a call.
fn skinny() -> Vec<(bool, Vec<u8>)> {
    let message = |id: u32, body: &[u8]| {
        [&(4 + body.len() as u32).to_le_bytes()[..], &20_u32.to_le_bytes(), &id.to_le_bytes(), body].concat()
    };
    vec![
        (false, message(1, b"SEP001122334455\0\0\0\0\0\x01\0\0\0\xc0\0\x02\x01\x30\x75\0\0")),
        (true, message(0x81, b"\x1e\0\0\0")),
        (true, message(0x8f, &[b'a'; 128])),
        (false, message(0x22, b"\0\0\0\0\xc0\0\x02\x01\x10\x40\0\0")),
    ]
}

/// Discovery, identity, and the head of a job.
fn bjnp() -> Vec<(bool, Vec<u8>)> {
    let message = |kind: u8, command: u8, payload: &[u8]| {
        [&[b'B', b'J', b'N', b'P', kind, command, 0, 0, 0, 1, 0, 0][..], &(payload.len() as u32).to_be_bytes(), payload]
            .concat()
    };
    vec![
        (false, message(1, 1, b"")),
        (true, message(0x81, 0x30, b"\0\x2aMFG:Canon;MDL:MG6200 series;CLS:PRINTER;")),
        (false, message(1, 0x10, &[0; 392])),
    ]
}
