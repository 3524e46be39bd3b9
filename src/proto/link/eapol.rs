//! EAP over LANs (IEEE 802.1X; RFC 3748): who asks to be let into the network and by which method, and
//! the handshakes of WPA (IEEE 802.11, section 12.7) by name.

use std::collections::VecDeque;

use super::eapol_event::{Answer, Event, Method, TABLE, What};
use super::{FrameParser, FrameSpec, view};
use crate::base::{Mac, ReadError, Reader, Timestamp, hash, limits};
use crate::proto::api::{Cx, Direction, LimitCount, Wrapped};
use crate::proto::tls::eap::EapTls;

/// The EtherType.
pub const ETHERTYPE: u16 = 0x888e;

/// EAP methods (IANA registry "Method Types").
const IDENTITY: u8 = 1;
const MD5: u8 = 4;
const OTP: u8 = 5;
const GTC: u8 = 6;
const LEAP: u8 = 17;
const MSCHAP_V2: u8 = 26;

/// A challenge that waits for its answer.
#[derive(Debug)]
struct Challenge {
    id: u8,
    method: u8,
    /// Whom it was sent to; a group where anybody on the port is meant.
    to: Mac,
    bytes: Vec<u8>,
}

/// What a supplicant said its name was.
#[derive(Debug)]
struct Identity {
    who: Mac,
    name: Vec<u8>,
}

/// An answer that waits for what becomes of it.
#[derive(Debug)]
struct Pending {
    answer: Answer,
    capture: u32,
    at: (Timestamp, u64),
}

/// Follows all dialogues of a shard.
#[derive(Debug, Default)]
pub struct Eapol {
    challenges: VecDeque<Challenge>,
    identities: VecDeque<Identity>,
    pending: VecDeque<Pending>,
    tls: EapTls,
    /// The station of the last request or response, and whom it speaks to.
    pair: (Mac, Mac),
}

/// Adds to a bounded list; the oldest is forgotten.
fn remember<T>(list: &mut VecDeque<T>, value: T, cx: Cx<'_>) -> Option<T> {
    list.push_back(value);
    if list.len() <= limits::EAP_DIALOGUES_MAX {
        return None;
    }
    cx.limit_hit();
    list.pop_front()
}

/// Whether a frame is meant for whoever is on the port: it went to a group, or the address is not known
/// (inside of a mirror's tunnel).
const fn is_anybody(mac: Mac) -> bool {
    mac.is_group() || mac.is_zero()
}

impl Pending {
    fn emit(&self, success: Option<bool>, cx: Option<Cx<'_>>, emit: &mut dyn FnMut(Cx<'_>, Event<'_>)) {
        let flow = view(self.capture, self.answer.from, self.answer.to);
        let none = LimitCount::default();
        let cx = Cx { ts: self.at.0, packet: self.at.1, flow: &flow, limited: cx.map_or(&none, |cx| cx.limited) };
        emit(cx, Event { answer: Some((&self.answer, success)), at: Some(self.at), ..Event::default() });
    }
}

impl Eapol {
    /// Reads a frame.
    fn frame(&mut self, cx: Cx<'_>, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        let kind = r.u8("type")?;
        if !(1..=3).contains(&version) || kind > 8 {
            return Err(ReadError::invalid("version, type"));
        }
        let mut body = r.vec16("body")?;
        let mut event = Event { version, ..Event::default() };
        match kind {
            0 => return self.eap(cx, event, &mut body, emit),
            1 => event.what = What::Start,
            2 => event.what = What::Logoff,
            3 => event.what = key(&mut body)?,
            5 => event.what = What::KeyAgreement,
            other => event.what = What::Other(other),
        }
        emit(event);
        Ok(())
    }

    /// An EAP packet (RFC 3748, section 4).
    fn eap<'e>(
        &mut self,
        cx: Cx<'_>,
        mut event: Event<'e>,
        body: &mut Reader<'e>,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let code = body.u8("code")?;
        let id = body.u8("identifier")?;
        let len = usize::from(body.be16("length")?);
        let mut packet = body.sub("packet", len.checked_sub(4).ok_or(ReadError::invalid("length"))?)?;
        event.id = Some(id);
        match code {
            1 | 2 => {
                let method = packet.u8("method")?;
                event.what = if code == 1 { What::Request } else { What::Response };
                event.method = Some(Method(method));
                let content = packet.rest();
                if (code, method) == (2, IDENTITY) {
                    event.identity = content;
                    self.identities.retain(|i| i.who != cx.flow.orig_mac);
                    let name = content.get(..limits::TEXT_BYTES_MAX).unwrap_or(content).to_vec();
                    remember(&mut self.identities, Identity { who: cx.flow.orig_mac, name }, cx);
                }
                if (code, method) == (2, 3) {
                    event.wanted = content;
                }
                emit(event);
                self.wrapped(cx, code, (id, method), content);
                if code == 1 {
                    self.challenge(cx, id, method, content);
                } else {
                    self.answer(cx, id, method, content, emit);
                }
            }
            3 | 4 => {
                event.what = if code == 3 { What::Success } else { What::Failure };
                emit(event);
                let to = cx.flow.resp_mac;
                let here = |p: &Pending| p.answer.id == id && (to == p.answer.from || is_anybody(to));
                while let Some(found) = self.pending.iter().position(here).and_then(|at| self.pending.remove(at)) {
                    found.emit(Some(code == 3), Some(cx), &mut |_, e| emit(e));
                }
            }
            _ => return Err(ReadError::invalid("code")),
        }
        Ok(())
    }

    /// TLS in a request or response. On a wire both sides may speak to a group: then a request is for the
    /// station that spoke last.
    fn wrapped(&mut self, cx: Cx<'_>, code: u8, (id, method): (u8, u8), content: &[u8]) {
        let (src, dst) = (cx.flow.orig_mac, cx.flow.resp_mac);
        let (dir, station, other) = match code {
            1 if is_anybody(dst) => (Direction::Resp, self.pair.0, src),
            1 => (Direction::Resp, dst, src),
            _ => (Direction::Orig, src, dst),
        };
        self.pair = (station, other);
        let session = hash::stable64(u64::from(cx.flow.capture), &station.0);
        self.tls.packet(session, dir, (id, method), content);
    }

    /// TLS that was found in the last frame, with the MACs of the station and of whom it speaks to.
    pub fn take_wrapped(&mut self) -> Vec<((Mac, Mac), Wrapped)> {
        let pair = self.pair;
        self.tls.take().into_iter().map(|found| (pair, found)).collect()
    }

    fn challenge(&mut self, cx: Cx<'_>, id: u8, method: u8, content: &[u8]) {
        let bytes = match (method, content) {
            // Both have the size of the value before it, LEAP behind a version and a zero.
            (MD5, [size, rest @ ..]) => rest.get(..usize::from(*size)),
            (LEAP, [1, _, 8, rest @ ..]) => rest.get(..8),
            // Operation (1 is a challenge), identifier, length, size (RFC 2759 in draft-kamath-pppext-eap-mschapv2).
            (MSCHAP_V2, [1, _, _, _, 16, rest @ ..]) => rest.get(..16),
            _ => None,
        };
        if let Some(bytes) = bytes.filter(|b| !b.is_empty()) {
            let to = cx.flow.resp_mac;
            self.challenges.retain(|c| !(c.id == id && c.to == to));
            remember(&mut self.challenges, Challenge { id, method, to, bytes: bytes.to_vec() }, cx);
        }
    }

    fn answer(&mut self, cx: Cx<'_>, id: u8, method: u8, content: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        let from = cx.flow.orig_mac;
        let (response, name, peer): (&[u8], &[u8], &[u8]) = match (method, content) {
            (MD5, [size @ 1..=255, rest @ ..]) => match rest.split_at_checked(usize::from(*size)) {
                Some((response, name)) => (response, name, &[]),
                None => return,
            },
            (LEAP, [1, _, 24, rest @ ..]) => match rest.split_at_checked(24) {
                Some((response, name)) => (response, name, &[]),
                None => return,
            },
            (MSCHAP_V2, [2, _, _, _, 49, rest @ ..]) => match rest.split_at_checked(49) {
                Some((value, name)) => match (value.get(..16), value.get(24..48)) {
                    (Some(peer), Some(response)) => (response, name, peer),
                    _ => return,
                },
                None => return,
            },
            // A one-time password, or what a token card shows: sent as it is.
            (OTP | GTC, [_, ..]) => (content, &[], &[]),
            _ => return,
        };
        let fits = |c: &Challenge| c.id == id && c.method == method && (c.to == from || is_anybody(c.to));
        let challenge = self.challenges.iter().rposition(fits).and_then(|at| self.challenges.remove(at));
        let identity = || self.identities.iter().rev().find(|i| i.who == from).map(|i| i.name.clone());
        let name = if name.is_empty() { identity().unwrap_or_default() } else { name.to_vec() };
        let answer = Answer {
            method: Method(method),
            id,
            from,
            to: cx.flow.resp_mac,
            username: name,
            challenge: challenge.map(|c| c.bytes).unwrap_or_default(),
            peer_challenge: peer.to_vec(),
            response: crate::base::secret::SecretBuf::new(response),
            shown: Answer::text_of(Method(method), response),
        };
        // Sent again: the answer is the same.
        if self.pending.iter().any(|p| p.answer.is_same(&answer)) {
            return;
        }
        let pending = Pending { answer, capture: cx.flow.capture, at: (cx.ts, cx.packet) };
        if let Some(oldest) = remember(&mut self.pending, pending, cx) {
            oldest.emit(None, Some(cx), &mut |_, e| emit(e));
        }
    }
}

/// A key frame (IEEE 802.11, section 12.7.2): which message of which handshake.
fn key(body: &mut Reader<'_>) -> Result<What, ReadError> {
    let descriptor = body.u8("descriptor")?;
    if !matches!(descriptor, 2 | 254) {
        return Ok(What::Key(None));
    }
    let flags = body.be16("key information")?;
    body.skip("length, counter, nonce, vector, sequence, reserved, code", 2 + 8 + 32 + 16 + 8 + 8 + 16)?;
    let filled = body.be16("length of the key")? > 0;
    let (pairwise, ack, mic) = (flags & 0x08 != 0, flags & 0x80 != 0, flags & 0x100 != 0);
    Ok(What::Key(Some(match (pairwise, ack, mic, filled) {
        (true, true, false, _) => "4-way 1",
        (true, false, true, true) => "4-way 2",
        (true, true, true, _) => "4-way 3",
        (true, false, true, false) => "4-way 4",
        (false, true, _, _) => "group 1",
        (false, false, true, _) => "group 2",
        _ => return Ok(What::Key(None)),
    })))
}

impl FrameParser for Eapol {
    const SPEC: FrameSpec = FrameSpec {
        name: "eapol",
        title: "802.1X (EAP over LANs)",
        numbers: &[ETHERTYPE],
        reference: "IEEE 802.1X, RFC 3748, IEEE 802.11 section 12.7",
        table: &TABLE,
        yields: "identities, methods, answers to challenges (MD5, LEAP, MS-CHAPv2), one-time passwords, WPA handshakes",
    };
    type Event<'e> = Event<'e>;

    fn on_frame(&mut self, cx: Cx<'_>, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        // A frame that does not parse says nothing.
        let _ = self.frame(cx, bytes, emit);
    }

    fn on_end(&mut self, emit: &mut dyn FnMut(Cx<'_>, Event<'_>)) {
        for pending in std::mem::take(&mut self.pending) {
            pending.emit(None, None, emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::play;
    use super::*;

    const SWITCH: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const CAMERA: [u8; 6] = [2, 0, 0, 0, 0, 9];
    const GROUP: [u8; 6] = [1, 0x80, 0xc2, 0, 0, 3];

    fn eap(code: u8, id: u8, content: &[u8]) -> Vec<u8> {
        let len = content.len() as u16 + 4;
        let mut out = vec![1, 0];
        out.extend(len.to_be_bytes());
        out.extend([code, id]);
        out.extend(len.to_be_bytes());
        out.extend(content);
        out
    }

    fn value(method: u8, bytes: &[u8], name: &[u8]) -> Vec<u8> {
        let mut out = vec![method, bytes.len() as u8];
        out.extend(bytes);
        out.extend(name);
        out
    }

    #[test]
    fn a_login_with_md5_over_the_group_address() {
        let seen = play::<Eapol>(&[
            (CAMERA, GROUP, vec![1, 1, 0, 0]),
            (SWITCH, GROUP, eap(1, 1, b"\x01")),
            (CAMERA, GROUP, eap(2, 1, b"\x01camera-9")),
            (SWITCH, GROUP, eap(1, 2, &value(MD5, &[7; 16], b"switch"))),
            (CAMERA, GROUP, eap(2, 2, &value(MD5, &[9; 16], b""))),
            (SWITCH, GROUP, eap(3, 2, b"")),
        ]);
        let messages: Vec<_> = (0..6).map(|n| seen.cell(n, "message")).collect();
        assert_eq!(messages, ["Start", "Request", "Response", "Request", "Response", "Success"]);
        assert_eq!(seen.cell(2, "identity"), "camera-9");
        assert_eq!(seen.cell(3, "method"), "MD5-Challenge");
        assert_eq!(seen.logins.len(), 1);
        let login = &seen.logins[0];
        for part in
            ["mechanism: \"eap-md5\"", "proof: Some(Chap)", "success: Some(true)", "packet: 5", "ChallengeResponse"]
        {
            assert!(login.contains(part), "{part} in {login}");
        }
        assert!(login.contains(&format!("{:?}", b"camera-9")), "{login}");
    }

    #[test]
    fn dialogues_of_two_devices_stay_apart_and_a_refusal_is_told() {
        let other = [2, 0, 0, 0, 0, 10];
        let seen = play::<Eapol>(&[
            (SWITCH, CAMERA, eap(1, 5, &value(MD5, &[1; 16], b""))),
            (SWITCH, other, eap(1, 5, &value(MD5, &[2; 16], b""))),
            (other, SWITCH, eap(2, 5, &value(MD5, &[4; 16], b"b"))),
            (CAMERA, SWITCH, eap(2, 5, &value(MD5, &[3; 16], b"a"))),
            (SWITCH, other, eap(4, 5, b"")),
        ]);
        assert_eq!(seen.logins.len(), 2);
        assert!(seen.logins[0].contains("packet: 3") && seen.logins[0].contains("success: Some(false)"));
        assert!(seen.logins[1].contains("packet: 4") && seen.logins[1].contains("success: None"));
    }

    #[test]
    fn leap_ms_chap_and_one_time_passwords() {
        let mut leap = vec![LEAP, 1, 0, 24];
        leap.extend([6; 24]);
        leap.extend(b"joe");
        let mut ms = vec![MSCHAP_V2, 2, 7, 0, 57, 49];
        ms.extend([5; 49]);
        ms.extend(b"EXAMPLE\\joe");
        let seen = play::<Eapol>(&[
            (SWITCH, CAMERA, eap(1, 1, b"\x11\x01\x00\x08\x01\x02\x03\x04\x05\x06\x07\x08")),
            (CAMERA, SWITCH, eap(2, 1, &leap)),
            (SWITCH, CAMERA, eap(1, 7, &[&[MSCHAP_V2, 1, 7, 0, 21, 16][..], &[8; 16]].concat())),
            (CAMERA, SWITCH, eap(2, 7, &ms)),
            (CAMERA, SWITCH, eap(2, 8, b"\x06Sample-Eap-1")),
        ]);
        let mechanisms = ["\"eap-leap\"", "\"eap-mschapv2\"", "\"eap-gtc\""];
        for (login, mechanism) in seen.logins.iter().zip(mechanisms) {
            assert!(login.contains(mechanism), "{login}");
            assert!(!login.contains("Sample-Eap-1"));
        }
        assert_eq!(seen.logins.len(), 3);
        assert!(seen.logins[0].contains("Some(Ntlm)") && seen.logins[1].contains("Some(MsChap2)"));
        assert!(seen.rows.iter().flatten().all(|(_, v)| !v.contains("Sample-Eap-1")), "no secret in a row");
    }

    #[test]
    fn handshakes_of_wpa_are_named() {
        let frame = |flags: u16, filled: u8| {
            let mut f = vec![2, 3, 0, 95, 2];
            f.extend(flags.to_be_bytes());
            f.extend([0; 90]);
            f.extend([0, filled]);
            if filled > 0 {
                f.extend(vec![0; usize::from(filled)]);
                f[3] += filled;
            }
            (SWITCH, CAMERA, f)
        };
        let seen = play::<Eapol>(&[
            frame(0x008a, 0),
            frame(0x010a, 22),
            frame(0x13ca, 56),
            frame(0x030a, 0),
            frame(0x1382, 40),
        ]);
        let names: Vec<_> = (0..5).map(|n| seen.cell(n, "key_message")).collect();
        assert_eq!(names, ["4-way 1", "4-way 2", "4-way 3", "4-way 4", "group 1"]);
    }

    #[test]
    fn cut_frames_and_a_flood_do_no_harm() {
        let whole = eap(2, 2, &value(MD5, &[9; 16], b"name"));
        for end in 0..whole.len() {
            assert!(play::<Eapol>(&[(CAMERA, GROUP, whole[..end].to_vec())]).rows.is_empty());
        }
        let flood: Vec<_> = (0..limits::EAP_DIALOGUES_MAX as u32 + 3)
            .map(|n| {
                let [_, _, c, d] = n.to_be_bytes();
                ([2, 0, 0, 1, c, d], SWITCH, eap(2, 2, &value(MD5, &[9; 16], b"name")))
            })
            .collect();
        let seen = play::<Eapol>(&flood);
        assert_eq!((seen.logins.len(), seen.limited), (flood.len(), 3));
    }
}
