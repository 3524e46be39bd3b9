use super::*;
use crate::proto::testing::{Script, probe_all};
use crate::proto::windows::netbios::tests::encode;

fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = (message.len() as u32).to_be_bytes().to_vec();
    out.extend(message);
    out
}

fn text(s: &str) -> Vec<u8> {
    s.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A message of SMB 2; `reply` is the status of an answer.
fn v2(command: u16, id: u64, session: u64, reply: Option<u32>, next: u32, body: &[u8]) -> Vec<u8> {
    let mut out = b"\xfeSMB\x40\0\0\0".to_vec();
    out.extend(reply.unwrap_or(0).to_le_bytes());
    out.extend(command.to_le_bytes());
    out.extend([1, 0]);
    out.extend(u32::from(reply.is_some()).to_le_bytes());
    out.extend(next.to_le_bytes());
    out.extend(id.to_le_bytes());
    out.extend([0; 8]);
    out.extend(session.to_le_bytes());
    out.extend([0; 16]);
    out.extend(body);
    out
}

fn setup(token: &[u8]) -> Vec<u8> {
    let mut body = vec![25, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 88, 0];
    body.extend((token.len() as u16).to_le_bytes());
    body.extend([0; 8]);
    body.extend(token);
    body
}

fn setup_answer(flags: u8, token: &[u8]) -> Vec<u8> {
    let mut body = vec![9, 0, flags, 0, 72, 0];
    body.extend((token.len() as u16).to_le_bytes());
    body.extend(token);
    body
}

fn challenge() -> Vec<u8> {
    let mut m = b"NTLMSSP\0\x02\0\0\0".to_vec();
    m.extend([0; 12]);
    m.extend([1, 2, 3, 4, 5, 6, 7, 8]);
    m
}

fn answer(nt_len: u8) -> Vec<u8> {
    let mut m = b"NTLMSSP\0\x03\0\0\0".to_vec();
    let nt = 88 + nt_len;
    m.extend([24, 0, 24, 0, 64, 0, 0, 0, nt_len, 0, nt_len, 0, 88, 0, 0, 0]);
    m.extend([4, 0, 4, 0, nt + 6, 0, 0, 0, 6, 0, 6, 0, nt, 0, 0, 0, 6, 0, 6, 0, nt + 10, 0, 0, 0]);
    m.extend([0; 8]);
    m.extend([1, 0, 0, 0]);
    m.extend([0x77; 24]);
    m.extend(vec![0x78; nt_len.into()]);
    for part in ["ana", "AD", "PC7"] {
        m.extend(text(part));
    }
    m
}

fn login(nt_len: u8, status: u32, flags: u8) -> Script {
    Script::new()
        .orig(framed(&v2(1, 1, 0, None, 0, &setup(b"NTLMSSP\0\x01\0\0\0"))))
        .resp(framed(&v2(1, 1, 0x55, Some(STATUS_MORE_PROCESSING), 0, &setup_answer(0, &challenge()))))
        .orig(framed(&v2(1, 2, 0x55, None, 0, &setup(&answer(nt_len)))))
        .resp(framed(&v2(1, 2, 0x55, Some(status), 0, &setup_answer(flags, b""))))
}

#[test]
fn a_login_of_smb2() {
    for (status, success) in [(0, "Some(true)"), (0xc000_006d, "Some(false)")] {
        let seen = login(60, status, 0).any_chunking::<Smb>();
        assert_eq!(seen.logins.len(), 1);
        assert!(seen.logins[0].contains(&format!("success: {success}")), "{}", seen.logins[0]);
        assert!(seen.logins[0].contains("ntlmv2") && seen.logins[0].contains("Ntlm"));
        assert_eq!(seen.cells("username"), ["-", "ana"]);
        assert_eq!(seen.cells("domain"), ["-", "AD"]);
        assert_eq!(seen.cells("workstation"), ["-", "PC7"]);
        assert!(!format!("{seen:?}").contains("7878"));
    }
    let seen = login(24, 0, 1).any_chunking::<Smb>();
    assert_eq!((seen.cells("mechanism")[1].as_str(), seen.cells("guest")[1].as_str()), ("ntlm", "true"));
}

#[test]
fn the_clients_half_is_a_login_too() {
    let seen = Script::new().orig(framed(&v2(1, 2, 0x55, None, 0, &setup(&answer(60))))).any_chunking::<Smb>();
    assert!(seen.logins[0].contains("success: None") && seen.logins[0].contains("proof: None"));
}

#[test]
fn a_negotiation_tells_dialect_and_signing() {
    let mut body = vec![65, 0, 1, 0, 0x11, 3];
    body.extend([0; 60]);
    let seen = Script::new()
        .orig(framed(&v2(0, 0, 0, None, 0, &[36, 0, 1, 0])))
        .resp(framed(&v2(0, 0, 0, Some(0), 0, &body)))
        .any_chunking::<Smb>();
    assert_eq!((seen.cell("dialect"), seen.cell("signing")), ("3.1.1".into(), "enabled".into()));
}

fn create(name: &str) -> Vec<u8> {
    let mut body = vec![57, 0];
    body.extend([0; 42]);
    body.extend([120, 0]);
    body.extend((2 * name.len() as u16).to_le_bytes());
    body.extend([0; 8]);
    body.extend(text(name));
    body
}

#[test]
fn shares_files_and_compounds() {
    let mut tree = vec![9, 0, 0, 0, 72, 0, 22, 0];
    tree.extend(text("\\\\fs\\files"));
    tree.truncate(8 + 22);
    let first = v2(5, 3, 1, None, 200, &create("plans.txt"));
    let mut both = first.clone();
    both.resize(200, 0);
    both.extend(v2(5, 4, 1, None, 0, &create("srvsvc")));
    let seen = Script::new()
        .orig(framed(&v2(3, 2, 1, None, 0, &tree)))
        .resp(framed(&v2(3, 2, 1, Some(0), 0, &[16, 0, 1, 0])))
        .orig(framed(&both))
        .resp(framed(&v2(5, 3, 1, Some(0), 0, &[0; 20])))
        .resp(framed(&v2(5, 4, 1, Some(0xc000_0022), 0, &[0; 20])))
        .orig(framed(&v2(5, 5, 1, None, 0, &create("srvsvc"))))
        .any_chunking::<Smb>();
    assert_eq!(seen.cells("action"), ["tree-connect", "open", "open"]);
    assert_eq!(seen.cells("share")[0], "\\\\fs\\files");
    assert_eq!(seen.cells("share_type")[0], "disk");
    assert_eq!(seen.cells("file")[1..], ["plans.txt", "srvsvc"]);
    assert_eq!(seen.cells("status")[1..], ["SUCCESS", "ACCESS_DENIED"]);
}

#[test]
fn file_contents_are_passed_over_and_encryption_ends_it() {
    let mut write = vec![49, 0, 112, 0];
    write.extend(100_000_u32.to_le_bytes());
    write.resize(100_000, 0);
    let seen = Script::new()
        .orig(framed(&v2(9, 3, 1, None, 0, &write)))
        .orig(framed(&v2(5, 4, 1, None, 0, &create("a"))))
        .resp(framed(b"\xfdSMB................................................"))
        .run::<Smb>();
    assert_eq!(seen.cells("action"), ["encrypted", "open"]);
    assert_eq!(seen.stopped, Some(Progress::Finished));
}

/// A message of SMB 1.
fn v1(command: u8, status: Option<u32>, blocks: &[u8]) -> Vec<u8> {
    let mut out = b"\xffSMB".to_vec();
    out.push(command);
    out.extend(status.unwrap_or(0).to_le_bytes());
    out.push(if status.is_some() { 0x80 } else { 0 });
    out.extend([0, 0x40]);
    out.extend([0; 12]);
    out.extend([0, 0, 7, 0, 0, 0, 9, 0]);
    out.extend(blocks);
    out
}

fn block(words: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![(words.len() / 2) as u8];
    out.extend(words);
    out.extend((bytes.len() as u16).to_le_bytes());
    out.extend(bytes);
    out
}

fn negotiate_v1(security: u8) -> Script {
    let mut words = vec![1, 0, security];
    words.resize(34, 0);
    Script::new().orig(framed(&v1(0x72, None, &block(&[], b"\x02PC NETWORK\0\x02NT LM 0.12\0")))).resp(framed(&v1(
        0x72,
        Some(0),
        &block(&words, b"12345678OFFICE\0NAS\0"),
    )))
}

fn old_login(passwords: [&[u8]; 2]) -> Vec<u8> {
    let mut words = vec![0xff, 0];
    words.resize(14, 0);
    words.extend((passwords[0].len() as u16).to_le_bytes());
    words.extend((passwords[1].len() as u16).to_le_bytes());
    words.resize(26, 0);
    let bytes = [passwords[0], passwords[1], b"ana\0OFFICE\0Unix\0Samba\0"].concat();
    framed(&v1(0x73, None, &block(&words, &bytes)))
}

#[test]
fn smb1_sends_a_password_in_clear() {
    let seen = negotiate_v1(1)
        .orig(old_login([b"hunter22\0", b""]))
        .resp(framed(&v1(0x73, Some(0), &block(&[0xff, 0, 0, 0, 0, 0], b"Unix\0Samba 3\0OFFICE\0"))))
        .any_chunking::<Smb>();
    assert_eq!(seen.cells("action"), ["negotiate", "session-setup"]);
    assert_eq!(seen.cells("dialect")[0], "NT LM 0.12");
    assert_eq!(seen.cells("mechanism")[1], "plain");
    assert_eq!(seen.cells("server_os")[1], "Unix; Samba 3");
    assert!(seen.logins[0].contains("plain") && seen.logins[0].contains("Some(true)"));
    assert!(!format!("{seen:?}").contains("hunter22"));
}

#[test]
fn smb1_answers_a_challenge() {
    let refused = framed(&v1(0x73, Some(0xc000_006d), &block(&[], b"")));
    let seen = negotiate_v1(3).orig(old_login([&[1; 24], &[2; 24]])).resp(&refused).any_chunking::<Smb>();
    assert!(seen.logins[0].contains("\"ntlm\"") && seen.logins[0].contains("Ntlm"), "{}", seen.logins[0]);
    assert!(seen.logins[0].contains("Some(false)"));
    let seen = negotiate_v1(3).orig(old_login([&[1; 24], b""])).resp(&refused).any_chunking::<Smb>();
    assert_eq!(seen.cells("mechanism")[1], "lm");
}

#[test]
fn an_offer_of_smb1_is_answered_by_smb2() {
    let mut body = vec![65, 0, 3, 0, 0x10, 2];
    body.extend([0; 60]);
    let seen = Script::new()
        .orig(framed(&v1(0x72, None, &block(&[], b"\x02NT LM 0.12\0\x02SMB 2.???\0"))))
        .resp(framed(&v2(0, 0, 0, Some(0), 0, &body)))
        .any_chunking::<Smb>();
    assert_eq!((seen.cell("version"), seen.cell("signing")), ("SMB2".into(), "required".into()));
    assert!(seen.events[0].contains("offers_smb1: true"));
}

#[test]
fn a_netbios_session_names_both_ends() {
    let mut ask = vec![0x81, 0, 0, 68];
    ask.extend(encode("NAS", 0x20));
    ask.extend(encode("PC7", 0));
    assert_eq!(probe_all::<Smb>(Direction::Orig, &ask), Probe::Yes);
    let seen = Script::new().orig(&ask).resp([0x83, 0, 0, 1, 0x82]).any_chunking::<Smb>();
    assert_eq!((seen.cell("action"), seen.cell("share")), ("netbios-session".into(), "NAS from PC7".into()));
}

#[test]
fn behind_a_gap_it_goes_on() {
    let seen = Script::new()
        .orig(framed(&v2(5, 3, 1, None, 0, &create("a"))))
        .gap(Direction::Orig, 5000)
        .orig([7; 40])
        .orig(framed(&v2(5, 4, 1, None, 0, &create("b"))))
        .run::<Smb>();
    assert_eq!(seen.cells("file"), ["a", "b"]);
}

#[test]
fn hostile_lengths_do_no_harm() {
    let seen = Script::new().orig(b"\0\xff\xff\xff\xfeSMB").any_chunking::<Smb>();
    assert!(seen.rows.is_empty());
    for whole in [v2(1, 2, 0x55, None, 0, &setup(&answer(60))), v2(5, 3, 1, None, 0, &create("abc"))] {
        for cut in 0..whole.len() {
            let _ = Script::new().orig(framed(&whole[..cut])).run::<Smb>();
        }
    }
    let whole = old_login([&[1; 24], &[2; 24]]);
    for cut in 4..whole.len() {
        let _ = Script::new().orig(framed(&whole[4..cut])).run::<Smb>();
    }
    // A compound that points at itself or backwards.
    let seen = Script::new().orig(framed(&v2(5, 3, 1, None, 1, &create("x")))).run::<Smb>();
    assert!(seen.rows.len() <= 1);
}

#[test]
fn the_probe_wants_the_protocol() {
    assert_eq!(probe_all::<Smb>(Direction::Orig, b"\0\0\0\x54\xffSMB"), Probe::Yes);
    assert_eq!(Smb::probe(Direction::Orig, b"\0\0\0\x54\x30"), Probe::No);
    assert_eq!(Smb::probe(Direction::Orig, b"\x85\0\0\0\0\0\0\x54\xfdSMB"), Probe::Yes);
    assert_eq!(Smb::probe(Direction::Orig, b"GET"), Probe::No);
}
