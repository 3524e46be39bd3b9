//! Scripts of discovery protocols to begin with, where no sample holds them.

use super::script;

/// The script of a target, where it is one of these.
pub fn script(target: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match target {
        "proto_pcp" => {
            // A mapping of TCP port 8080 and the answer (RFC 6887, sections 7 and 11).
            let mut request = vec![2, 1, 0, 0, 0, 0, 0x1c, 0x20];
            request.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 9]);
            let map = [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 0, 0, 0, 0x1f, 0x90, 0x1f, 0x90];
            request.extend(map);
            request.extend([0; 16]);
            let mut answer = vec![2, 0x81, 0, 0, 0, 0, 0x1c, 0x20, 0, 0, 0, 5];
            answer.extend([0; 12]);
            answer.extend(map);
            answer.extend([0; 16]);
            script::append(&mut out, false, &request);
            script::append(&mut out, true, &answer);
        }
        "proto_nat-pmp" => {
            // RFC 6886, sections 3.2 and 3.3.
            script::append(&mut out, false, &[0, 0]);
            script::append(&mut out, true, &[0, 128, 0, 0, 0, 0, 0, 9, 203, 0, 113, 7]);
            script::append(&mut out, false, &[0, 2, 0, 0, 0, 22, 8, 0, 0, 0, 14, 16]);
            script::append(&mut out, true, &[0, 130, 0, 0, 0, 0, 0, 9, 0, 22, 8, 1, 0, 0, 14, 16]);
        }
        _ => return None,
    }
    Some(out)
}
