//! Session descriptions (RFC 8866): which media run where, and how they are protected.

use crate::base::{Addr, Endpoint, limits};
use crate::proto::api::{Announcement, Carries};
use crate::proto::text;

/// How the media of a session description are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protection {
    /// Not at all.
    #[default]
    None,
    /// SRTP, its key written in the description (`a=crypto`, RFC 4568).
    Sdes,
    /// SRTP, its key agreed on by DTLS or MIKEY.
    Keyed,
}

impl Protection {
    /// The name as tables spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sdes => "sdes",
            Self::Keyed => "keyed",
        }
    }
}

/// One medium of a session description.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Medium {
    /// `audio`, `video` ...
    pub kind: Box<[u8]>,
    /// Transport profile: `RTP/AVP`, `RTP/SAVP` ...
    pub profile: Box<[u8]>,
    /// Where its owner listens; the address is unspecified where none was given.
    pub at: Endpoint,
    /// Port of RTCP where it is not the one behind (RFC 3605).
    pub rtcp_port: Option<u16>,
    /// How it is protected.
    pub protection: Protection,
    /// Codecs: payload type and name (`8 PCMA/8000`).
    pub codecs: Vec<(u8, Box<[u8]>)>,
}

impl Medium {
    /// Whether it is RTP of any kind.
    pub fn is_rtp(&self) -> bool {
        text::contains(&self.profile, b"rtp/")
    }

    /// The medium as a table shows it: `audio 192.0.2.1:4000 RTP/AVP PCMA/8000`.
    pub fn shown(&self) -> Vec<u8> {
        let mut out = self.kind.to_vec();
        out.push(b' ');
        // In an answer to DESCRIBE there is neither: SETUP tells later.
        if self.at.port != 0 || !self.at.ip.is_unspecified() {
            out.extend_from_slice(format!("{}:{} ", self.at.ip, self.at.port).as_bytes());
        }
        out.extend_from_slice(&self.profile);
        for (_, name) in &self.codecs {
            out.push(b' ');
            out.extend_from_slice(name);
        }
        out
    }

    /// What the parser of its media is told: see [`Words`].
    fn words(&self) -> Vec<u8> {
        let mut words = vec![if self.protection == Protection::None { b'c' } else { b's' }];
        for (number, name) in &self.codecs {
            words.extend_from_slice(format!("{number} ").as_bytes());
            words.extend_from_slice(name);
            words.push(b';');
        }
        words
    }

    /// Announces its RTP and RTCP.
    pub fn announce(&self, tell: &mut dyn FnMut(Announcement<'_>)) {
        if !self.is_rtp() || self.at.port == 0 || self.at.ip.is_unspecified() {
            return;
        }
        let words = self.words();
        let rtcp = self.rtcp_port.or_else(|| self.at.port.checked_add(1));
        for port in [Some(self.at.port), rtcp].into_iter().flatten() {
            let endpoint = Endpoint { ip: self.at.ip, port };
            tell(Announcement { endpoint, carries: Carries::Protocol("rtp"), words: &words });
        }
    }
}

/// What an announced RTP flow was told: whether it is SRTP, and the names of its payload types.
#[derive(Debug, Clone, Copy, Default)]
pub struct Words<'a> {
    /// Whether it is encrypted.
    pub encrypted: bool,
    codecs: &'a [u8],
}

impl<'a> Words<'a> {
    /// From [`Announcement::words`].
    pub fn read(words: &'a [u8]) -> Self {
        let (first, codecs) = words.split_first().unwrap_or((&b'c', &[]));
        Self { encrypted: *first == b's', codecs }
    }

    /// The name of a payload type.
    pub fn codec(&self, payload_type: u8) -> Option<&'a [u8]> {
        self.codecs.split(|c| *c == b';').find_map(|pair| {
            let (number, name) = text::split_once(pair, b' ')?;
            (text::decimal(number)? == u64::from(payload_type)).then_some(name)
        })
    }
}

/// Codecs of one medium that are kept.
const CODECS_MAX: usize = 16;
/// Lines of one description that are looked at.
const LINES_MAX: usize = 512;
/// Bytes of one word that are kept.
const WORD_BYTES_MAX: usize = 64;

fn word(text: &[u8]) -> Box<[u8]> {
    let text = text.get(..WORD_BYTES_MAX).unwrap_or(text);
    text.iter().copied().filter(u8::is_ascii_graphic).collect()
}

/// The media of a description, at most [`limits::SDP_MEDIA_MAX`], and whether some were left out.
pub fn media(sdp: &[u8]) -> (Vec<Medium>, bool) {
    let mut media: Vec<Medium> = Vec::new();
    let mut session_ip = Addr::UNSPECIFIED;
    let mut session_protection = Protection::None;
    let mut cut = false;
    for line in sdp.split(|c| *c == b'\n').take(LINES_MAX) {
        let Some((kind, value)) = text::split_once(line.trim_ascii(), b'=') else { continue };
        let last = media.last_mut();
        match kind {
            b"c" => {
                // c=IN IP4 224.2.1.1/127
                let address = value.split(|c| *c == b' ').nth(2).and_then(|a| a.split(|c| *c == b'/').next());
                let ip = address.and_then(|a| std::str::from_utf8(a).ok()?.trim().parse().ok()).unwrap_or_default();
                match last {
                    Some(medium) => medium.at.ip = ip,
                    None => session_ip = ip,
                }
            }
            b"m" => {
                if media.len() >= limits::SDP_MEDIA_MAX {
                    cut = true;
                    break;
                }
                media.extend(medium(value, session_ip, session_protection));
            }
            b"k" => {
                // k=clear:KEY, k=base64:KEY (obsolete; RFC 4566, section 5.12)
                let keyed = text::starts_with(value, b"clear:") || text::starts_with(value, b"base64:");
                if let Some(medium) = last.filter(|_| keyed) {
                    medium.protection = Protection::Sdes;
                }
            }
            b"a" => attribute(value, last, &mut session_protection),
            _ => {}
        }
    }
    (media, cut)
}

/// `audio 49170/2 RTP/AVP 0 8`.
fn medium(value: &[u8], ip: Addr, session: Protection) -> Option<Medium> {
    let mut words = value.split(|c| *c == b' ').filter(|w| !w.is_empty());
    let (kind, port, profile) = (words.next()?, words.next()?, words.next()?);
    let port = port.split(|c| *c == b'/').next().and_then(text::decimal).and_then(|p| u16::try_from(p).ok())?;
    let secure = text::contains(profile, b"savp");
    let protection = if secure { Protection::Keyed } else { session };
    let mut medium =
        Medium { kind: word(kind), profile: word(profile), at: Endpoint { ip, port }, protection, ..Medium::default() };
    for number in words.filter_map(|w| text::decimal(w).and_then(|n| u8::try_from(n).ok())).take(CODECS_MAX) {
        if let Some(name) = super::rtp_codec::static_name(number) {
            medium.codecs.push((number, name.as_bytes().into()));
        }
    }
    Some(medium)
}

fn attribute(value: &[u8], medium: Option<&mut Medium>, session: &mut Protection) {
    let (name, rest) = text::split_once(value, b':').unwrap_or((value, &[]));
    match (name, medium) {
        // The key in a=crypto stays here: nothing of it is kept.
        (b"crypto", Some(medium)) => medium.protection = Protection::Sdes,
        (b"fingerprint" | b"key-mgmt", Some(medium)) if medium.protection == Protection::None => {
            medium.protection = Protection::Keyed;
        }
        (b"fingerprint" | b"key-mgmt", None) => *session = Protection::Keyed,
        (b"rtcp", Some(medium)) => {
            let (port, _) = text::word(rest);
            medium.rtcp_port = text::decimal(port).and_then(|p| u16::try_from(p).ok());
        }
        (b"rtcp-mux", Some(medium)) => medium.rtcp_port = Some(medium.at.port),
        (b"rtpmap", Some(medium)) => {
            let (number, name) = text::word(rest);
            let Some(number) = text::decimal(number).and_then(|n| u8::try_from(n).ok()) else { return };
            let name = word(name);
            if let Some(codec) = medium.codecs.iter_mut().find(|(n, _)| *n == number) {
                codec.1 = name;
            } else if medium.codecs.len() < CODECS_MAX {
                medium.codecs.push((number, name));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shaped after RFC 8866, section 5, and RFC 4568, section 4.1.
    const SECURED: &[u8] = b"v=0\r\no=sam 2890844526 2890842807 IN IP4 10.47.16.5\r\ns=x\r\nc=IN IP4 192.0.2.4/127\r\nt=0 0\r\n\
        m=video 51372 RTP/SAVP 31 99\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20\r\n\
        m=audio 49170 RTP/AVP 0 98\r\nc=IN IP6 2001:db8::7\r\na=rtpmap:98 opus/48000/2\r\na=rtcp:53020\r\n\
        m=application 32416 udp wb\r\n";

    #[test]
    fn media_with_their_addresses_codecs_and_keys() {
        let (media, cut) = media(SECURED);
        assert!(!cut);
        let shown: Vec<String> = media.iter().map(|m| String::from_utf8(m.shown()).unwrap()).collect();
        assert_eq!(
            shown,
            [
                "video 192.0.2.4:51372 RTP/SAVP H261/90000",
                "audio 2001:db8::7:49170 RTP/AVP PCMU/8000 opus/48000/2",
                "application 192.0.2.4:32416 udp"
            ]
        );
        assert_eq!(media[0].protection, Protection::Sdes);
        assert_eq!(media[1].protection, Protection::None);
        assert!(!format!("{media:?}").contains("d0RmdmcmVCspeEc3"), "the key is not kept");
        let mut told = Vec::new();
        for medium in &media {
            medium.announce(&mut |a| told.push((a.endpoint.port, a.words.to_vec())));
        }
        assert_eq!(told.iter().map(|t| t.0).collect::<Vec<_>>(), [51372, 51373, 49170, 53020]);
        assert!(Words::read(&told[0].1).encrypted);
        let words = Words::read(&told[2].1);
        assert!(!words.encrypted);
        assert_eq!(words.codec(98), Some(&b"opus/48000/2"[..]));
        assert_eq!(words.codec(97), None);
    }

    #[test]
    fn what_is_held_or_cut_announces_nothing() {
        let announced = |sdp: &[u8]| {
            let mut n = 0;
            media(sdp).0.iter().for_each(|m| m.announce(&mut |_| n += 1));
            n
        };
        assert_eq!(announced(b"c=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\n"), 0);
        assert_eq!(announced(b"c=IN IP4 1.2.3.4\r\nm=audio 0 RTP/AVP 0\r\n"), 0);
        assert_eq!(announced(b"c=IN IP4 1.2.3.4\r\nm=audio 65535 RTP/AVP 0\r\n"), 1);
        for cut in 0..SECURED.len() {
            media(&SECURED[..cut]);
        }
        let many = "m=audio 4000 RTP/AVP 0\r\n".repeat(100);
        assert_eq!((media(many.as_bytes()).0.len(), media(many.as_bytes()).1), (limits::SDP_MEDIA_MAX, true));
    }

    #[test]
    fn a_key_agreed_on_elsewhere_is_no_key_in_clear() {
        let (media, _) = media(b"a=fingerprint:sha-256 AA\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtcp-mux\r\n");
        assert_eq!((media[0].protection, media[0].rtcp_port), (Protection::Keyed, Some(9)));
    }
}
