//! MQTT 3.1, 3.1.1 and 5.0 (OASIS MQTT 3.1.1 and 5.0, chapters 2 and 3): who connects to a broker and
//! how, and the topics that are spoken of. What is published is never kept.
//!
//! ```text
//! packet:  type(4 bits) flags(4 bits), remaining length (1 to 4 bytes of 7 bits, the low ones first)
//! CONNECT: name<2>, level(1), flags(1), keep alive(2), [properties], client<2>, [will], [user<2>], [password<2>]
//! ```

use std::borrow::Cow;
use std::collections::HashSet;

use super::mqtt_event::{Connect, Event, Topic, TopicUse};
use crate::base::secret::SecretBuf;
use crate::base::{ReadError, Reader, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::framing::{Step, front, walk};
use crate::proto::text::{without_secret, without_settings};

const CONNECT: u8 = 1;
const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const SUBSCRIBE: u8 = 8;
const DISCONNECT: u8 = 14;

/// Parser of one flow.
#[derive(Debug, Default)]
pub struct Mqtt {
    /// The client's CONNECT until it is answered.
    pending: Option<Box<Connect>>,
    /// The password that was sent, to be kept out of topics that repeat it.
    secret: Option<SecretBuf>,
    /// Protocol level, once it was seen.
    level: u8,
    /// Hashes of what was told, with a key of its own.
    seen: HashSet<u64>,
    hasher: ahash::RandomState,
    full: bool,
    ended: [bool; 2],
}

/// The fixed header: type and flags, length of what follows, length of the header itself.
fn header(bytes: &[u8]) -> Result<(u8, usize, usize), Step> {
    let Some(first) = bytes.first() else { return Err(Step::Need(2)) };
    let mut len = 0;
    for (i, byte) in bytes.iter().skip(1).take(4).enumerate() {
        len |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok((*first, len, i + 2));
        }
    }
    Err(if bytes.len() > 4 { Step::Violation("remaining length") } else { Step::Need(bytes.len() + 1) })
}

/// A number of 1 to 4 bytes with 7 bits each, as the fixed header and the properties have.
fn variable(r: &mut Reader<'_>) -> Result<usize, ReadError> {
    let mut out = 0;
    for i in 0..4 {
        let byte = r.u8("variable byte integer")?;
        out |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok(out);
        }
    }
    Err(ReadError::invalid("variable byte integer"))
}

fn properties(r: &mut Reader<'_>) -> Result<(), ReadError> {
    let len = variable(r)?;
    r.skip("properties", len)
}

fn name(bytes: &[u8]) -> Vec<u8> {
    front(bytes, limits::MQTT_NAME_BYTES_MAX).to_vec()
}

/// Reads a CONNECT behind its fixed header (MQTT 5.0, section 3.1).
fn connect(cx: &Cx<'_>, body: &[u8]) -> Result<(Connect, Option<SecretBuf>), ReadError> {
    let mut r = Reader::new(body);
    let magic = r.vec16("protocol name")?.rest();
    if magic != b"MQTT" && magic != b"MQIsdp" {
        return Err(ReadError::invalid("protocol name"));
    }
    // Bridges set the highest bit of the level.
    let level = r.u8("protocol level")? & 0x7f;
    let flags = r.u8("connect flags")?;
    let keep_alive = r.be16("keep alive")?;
    if level >= 5 {
        properties(&mut r)?;
    }
    let mut out = Connect {
        at: (cx.ts, cx.packet),
        level,
        clean: flags & 2 != 0,
        keep_alive,
        client_id: name(r.vec16("client identifier")?.rest()),
        ..Connect::default()
    };
    if flags & 4 != 0 {
        if level >= 5 {
            properties(&mut r)?;
        }
        out.will_topic = name(r.vec16("will topic")?.rest());
        r.vec16("will payload")?;
    }
    if flags & 0x80 != 0 {
        out.username = Some(name(r.vec16("user name")?.rest()));
    }
    let mut secret = None;
    if flags & 0x40 != 0 {
        secret = Some(SecretBuf::new(r.vec16("password")?.rest()));
    }
    for text in [&mut out.client_id, &mut out.will_topic] {
        if let Cow::Owned(shown) = without_settings(text) {
            *text = shown;
        }
    }
    if let Some(secret) = &secret {
        for text in [&mut out.client_id, &mut out.will_topic] {
            *text = without_secret(text, secret.borrow()).into_owned();
        }
    }
    Ok((out, secret))
}

impl Mqtt {
    fn packet(&mut self, cx: &Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Step {
        let (first, len, head) = match header(bytes) {
            Ok(header) => header,
            Err(step) => return step,
        };
        let used = Step::Used((head + len) as u64);
        let body = bytes.get(head..).unwrap_or_default();
        let whole = body.get(..len);
        match first >> 4 {
            CONNECT if first & 0xf == 0 => {
                if len > limits::MQTT_CONNECT_BYTES_MAX {
                    cx.limit_hit();
                    return used;
                }
                let Some(whole) = whole else { return Step::Need(head + len) };
                let Ok((connect, secret)) = connect(cx, whole) else { return Step::Violation("CONNECT") };
                self.answered(None, emit);
                self.level = connect.level;
                self.secret.clone_from(&secret);
                self.pending = Some(Box::new(Connect { secret, ..connect }));
                used
            }
            CONNACK if first & 0xf == 0 => {
                let Some(whole) = whole.or_else(|| body.get(..2)) else { return Step::Need(head + len.min(2)) };
                let Some(code) = whole.get(1) else { return Step::Violation("CONNACK") };
                self.answered(Some(*code), emit);
                used
            }
            // Nothing more is to be told of topics, and the login is over.
            _ if self.full && self.pending.is_none() => Step::Finished,
            PUBLISH if !self.full => match self.publish(cx, dir, first, body, len, emit) {
                Ok(()) => used,
                Err(ReadError::Short { .. }) if whole.is_none() => Step::Need(bytes.len() + 1),
                Err(_) => Step::Violation("PUBLISH"),
            },
            // The answer to the login is still to come, or was missed.
            PUBLISH => used,
            SUBSCRIBE if first & 0xf == 2 => {
                if self.full {
                    return used;
                }
                if len > limits::MQTT_CONNECT_BYTES_MAX {
                    cx.limit_hit();
                    return used;
                }
                let Some(whole) = whole else { return Step::Need(head + len) };
                match self.subscribe(cx, whole, emit) {
                    Ok(()) => used,
                    Err(_) => Step::Violation("SUBSCRIBE"),
                }
            }
            DISCONNECT if dir == Direction::Orig && self.level < 5 => Step::Finished,
            4..=14 => used,
            15 if self.level >= 5 => used,
            _ => Step::Violation("packet type"),
        }
    }

    /// The CONNECT that waited is told, with the return code where one came.
    fn answered(&mut self, code: Option<u8>, emit: &mut dyn FnMut(Event<'_>)) {
        if let Some(mut connect) = self.pending.take() {
            connect.code = code;
            emit(Event::Connect(&connect));
        }
    }

    /// Reads the topic of a PUBLISH (section 3.3); the rest of it is passed over.
    fn publish(
        &mut self,
        cx: &Cx<'_>,
        dir: Direction,
        first: u8,
        body: &[u8],
        len: usize,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let mut r = Reader::new(body.get(..len).unwrap_or(body));
        let topic = r.vec16("topic")?.rest();
        if topic.len() + 2 > len {
            return Err(ReadError::invalid("topic"));
        }
        // An empty one stands for an alias that was agreed on before.
        if !topic.is_empty() {
            let what = if dir == Direction::Orig { TopicUse::Publish } else { TopicUse::Receive };
            self.topic(cx, what, topic, first >> 1 & 3, first & 1 != 0, emit);
        }
        Ok(())
    }

    /// Reads the filters of a SUBSCRIBE (section 3.8).
    fn subscribe(&mut self, cx: &Cx<'_>, body: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        let mut r = Reader::new(body);
        r.skip("packet identifier", 2)?;
        if self.level >= 5 {
            properties(&mut r)?;
        }
        while !r.is_empty() && !self.full {
            let filter = r.vec16("topic filter")?.rest();
            let options = r.u8("options")?;
            self.topic(cx, TopicUse::Subscribe, filter, options & 3, false, emit);
        }
        Ok(())
    }

    fn topic(
        &mut self,
        cx: &Cx<'_>,
        what: TopicUse,
        topic: &[u8],
        qos: u8,
        retain: bool,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        let key = self.hasher.hash_one((what, topic));
        if self.seen.contains(&key) {
            return;
        }
        if self.seen.len() >= limits::MQTT_TOPICS_MAX {
            self.full = true;
            cx.limit_hit();
            return;
        }
        self.seen.insert(key);
        let topic = front(topic, limits::MQTT_NAME_BYTES_MAX);
        let topic = match &self.secret {
            Some(secret) => without_secret(topic, secret.borrow()),
            None => topic.into(),
        };
        let topic = without_settings(&topic);
        emit(Event::Topic(Topic { what, topic: &topic, qos, retain }));
    }
}

/// Whether a payload begins with a whole PUBLISH whose topic has levels: how a connection looks in its middle.
fn probe_publish(payload: &[u8]) -> Probe {
    let (first, len, head) = match header(payload) {
        Ok(header) => header,
        Err(Step::Need(_)) => return Probe::NeedMore,
        Err(_) => return Probe::No,
    };
    let qos = first >> 1 & 3;
    let mut r = Reader::new(payload.get(head..).unwrap_or_default());
    let Ok(topic_len) = r.be16("topic") else { return if len < 5 { Probe::No } else { Probe::NeedMore } };
    let topic_len = usize::from(topic_len);
    if qos == 3 || topic_len < 3 || topic_len + 2 > len || topic_len > limits::MQTT_NAME_BYTES_MAX {
        return Probe::No;
    }
    let seen = front(r.peek_rest(), topic_len);
    if !seen.iter().all(|c| c.is_ascii_graphic() && !matches!(c, b'#' | b'+')) {
        return Probe::No;
    }
    if payload.len() < head + len {
        return if payload.len() > 1024 { Probe::No } else { Probe::NeedMore };
    }
    // Behind it there is nothing, or another packet.
    let next = payload.get(head + len).is_none_or(|b| matches!(b >> 4, 3..=9 | 12..=14));
    // A topic has levels; one without is believed only where the packet is to be acknowledged and stands alone.
    let numbered = || {
        let id = payload.get(head + 2 + topic_len..head + 4 + topic_len);
        qos > 0 && topic_len >= 4 && payload.len() == head + len && id.is_some_and(|id| id != [0, 0])
    };
    let told = seen.contains(&b'/') || numbered();
    if seen.len() == topic_len && told && next { Probe::Yes } else { Probe::No }
}

impl AppParser for Mqtt {
    const SPEC: Spec = Spec {
        name: "mqtt",
        title: "MQTT",
        transports: &[Transport::Tcp],
        ports: &[1883],
        reference: "OASIS MQTT 3.1.1, 5.0",
        table: Some(&super::mqtt_event::TABLE),
        yields: "client, login and its success, topics",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        // In the middle of a connection a sign of life comes first: what follows it tells.
        let payload = match (payload, dir) {
            ([0xc0] | [0xc0, 0], Direction::Orig) | ([0xd0] | [0xd0, 0], Direction::Resp) => return Probe::NeedMore,
            ([0xc0, 0, rest @ ..], Direction::Orig) | ([0xd0, 0, rest @ ..], Direction::Resp) => {
                return if rest.first().is_some_and(|b| b >> 4 == 3) { probe_publish(rest) } else { Probe::No };
            }
            _ => payload,
        };
        match (payload.first(), dir) {
            (Some(0x10), _) => {
                let head = match header(payload) {
                    Ok((_, len, head)) if len >= 12 => head,
                    Ok(_) => return Probe::No,
                    Err(Step::Need(_)) => return Probe::NeedMore,
                    Err(_) => return Probe::No,
                };
                let body = payload.get(head..).unwrap_or_default();
                match body {
                    [0, 4, b'M', b'Q', b'T', b'T', level, ..] if matches!(level & 0x7f, 3..=5) => Probe::Yes,
                    [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', level, ..] if matches!(level & 0x7f, 3..=5) => {
                        Probe::Yes
                    }
                    _ if body.len() < 7 && b"\0\x04MQTT".starts_with(front(body, 6)) => Probe::NeedMore,
                    _ if body.len() < 9 && b"\0\x06MQIsdp".starts_with(front(body, 8)) => Probe::NeedMore,
                    _ => Probe::No,
                }
            }
            // Every CONNACK before version 5 is these four bytes (section 3.2 of 3.1.1).
            (Some(0x20), Direction::Resp) => match payload {
                [_, 2, 0 | 1, 0..=5, ..] => Probe::Yes,
                [_, len @ 3..=127, 0 | 1, 0 | 0x80..=0x9f, properties, ..]
                    if usize::from(*properties) + 3 == usize::from(*len) =>
                {
                    Probe::Yes
                }
                _ if payload.len() < 5 => match payload {
                    [_] | [_, 2..=127] | [_, 2, 0 | 1] | [_, 3..=127, 0 | 1] | [_, 3..=127, 0 | 1, 0 | 0x80..=0x9f] => {
                        Probe::NeedMore
                    }
                    _ => Probe::No,
                },
                _ => Probe::No,
            },
            (Some(0x30..=0x3d), _) => probe_publish(payload),
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        walk(bytes, |rest| self.packet(&cx, dir, rest, emit))
    }

    fn on_end(&mut self, _cx: Cx<'_>, dir: Direction, _rest: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        let [orig, resp] = &mut self.ended;
        *(if dir == Direction::Orig { &mut *orig } else { &mut *resp }) = true;
        if dir == Direction::Resp || *orig && *resp {
            self.answered(None, emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    const CONNECT_31: &[u8] = b"\x10\x1e\0\x06MQIsdp\x03\xc2\0\x3c\0\x04cam7\0\x04user\0\x04pass";
    const CONNECT_311: &[u8] = b"\x10\x26\0\x04MQTT\x04\xce\0\x3c\0\x02c1\0\x04last\0\x01x\0\x03joe\0\x08hunter22";
    /// With a session expiry, an authentication-free CONNECT of version 5.
    const CONNECT_5: &[u8] = b"\x10\x16\0\x04MQTT\x05\x02\0\x1e\x05\x11\0\0\0\x0a\0\x04tv-2";

    #[test]
    fn an_answer_that_is_missing_and_many_topics_end_nothing() {
        let mut script = Script::new().orig(CONNECT_311);
        for n in 0..100 {
            script = script.orig(format!("\x30\x06\0\x03{n:03}x"));
        }
        let seen = script.orig(CONNECT_31).resp(b"\x20\x02\0\0").run::<Mqtt>();
        assert_eq!(seen.logins.len(), 2, "{seen:?}");
        assert!(!matches!(seen.stopped, Some(Progress::Violation(_))));
    }

    #[test]
    fn a_client_logs_in_and_speaks() {
        let seen = Script::new()
            .orig(CONNECT_311)
            .resp(b"\x20\x02\0\0")
            .orig(b"\x82\x0a\0\x01\0\x05a/+/b\x01")
            .resp(b"\x90\x03\0\x01\x01")
            .orig(b"\x31\x0c\0\x08room/tmp21\x33\x09\0\x03x/y\0\x07on")
            .orig(b"\x31\x0c\0\x08room/tmp22")
            .resp(b"\x30\x07\0\x03a/bon")
            .orig(b"\xe0\0")
            .any_chunking::<Mqtt>();
        assert_eq!(seen.cells("action"), ["connect", "subscribe", "publish", "publish", "receive"]);
        assert_eq!(seen.cells("topic"), ["last", "a/+/b", "room/tmp", "x/y", "a/b"]);
        assert_eq!(seen.cells("qos"), ["-", "1", "0", "1", "0"]);
        assert_eq!(seen.cells("version")[0], "3.1.1");
        assert_eq!(seen.cells("username")[0], "joe");
        assert_eq!(seen.cells("return_code")[0], "0");
        assert_eq!(seen.cells("keep_alive_s")[0], "60");
        assert_eq!(seen.logins.len(), 1);
        assert!(seen.logins[0].contains("success: Some(true)") && seen.logins[0].contains("packet: 1"));
        assert!(!format!("{seen:?}").contains("hunter22"));
        assert_eq!(seen.stopped, Some(Progress::Finished));
    }

    #[test]
    fn old_and_new_versions_and_no_answer() {
        let seen = Script::new().orig(CONNECT_31).any_chunking::<Mqtt>();
        assert_eq!((seen.cell("version"), seen.cell("client_id")), ("3.1".into(), "cam7".into()));
        assert!(seen.logins[0].contains("success: None"));
        let seen = Script::new().orig(CONNECT_31).resp(b"\x20\x02\0\x05").any_chunking::<Mqtt>();
        assert!(seen.logins[0].contains("success: Some(false)"));
        let seen = Script::new().orig(CONNECT_5).resp(b"\x20\x03\0\0\0").any_chunking::<Mqtt>();
        assert_eq!((seen.cell("version"), seen.cell("username")), ("5".into(), "-".into()));
        assert!(seen.logins.is_empty(), "nobody logged in");
    }

    #[test]
    fn a_topic_that_repeats_the_password_is_blanked() {
        let seen =
            Script::new().orig(CONNECT_311).resp(b"\x20\x02\0\0").orig(b"\x30\x10\0\x0cdev/hunter22ok").run::<Mqtt>();
        assert_eq!(seen.cells("topic")[1], "dev/[blanked]");
    }

    #[test]
    fn a_topic_with_a_setting_in_it_is_blanked() {
        let topic = b"\x30\x0b\0\x09a?key=xyz";
        let seen = Script::new().orig(CONNECT_311).resp(b"\x20\x02\0\0").orig(topic).run::<Mqtt>();
        assert_eq!(seen.cells("topic")[1], "a?key=[blanked]");
    }

    #[test]
    fn messages_without_end_are_passed_over() {
        let mut script = Script::new().orig(CONNECT_5).resp(b"\x20\x03\0\0\0");
        // Each has another topic: only so many are told.
        for i in 0..200 {
            script = script.orig(format!("\x30\x08\0\x05t/{i:03}x"));
        }
        let seen = script.run::<Mqtt>();
        assert_eq!(seen.rows.len(), 1 + limits::MQTT_TOPICS_MAX);
        assert_eq!(seen.stopped, Some(Progress::Finished));
        // A body of 256 MiB is not waited for.
        let mut big = b"\x30\xff\xff\xff\x7f\0\x03a/b".to_vec();
        big.resize(5000, 7);
        assert_eq!(Script::new().orig(big).any_chunking::<Mqtt>().cell("topic"), "a/b");
    }

    #[test]
    fn what_is_no_packet_ends_it() {
        for bytes in
            [&b"\x10\x0c\0\x04MQTX\x04\x02\0\0\0\0"[..], b"\x30\xff\xff\xff\xff\x7f", b"\x00\x01a", b"\x30\x03\0\x05ab"]
        {
            let seen = Script::new().orig(bytes).any_chunking::<Mqtt>();
            assert!(matches!(seen.stopped, Some(Progress::Violation(_))) && seen.rows.is_empty(), "{bytes:?}");
        }
        for end in 0..CONNECT_311.len() {
            assert!(Script::new().orig(&CONNECT_311[..end]).run::<Mqtt>().rows.is_empty());
        }
    }

    #[test]
    fn probes() {
        use Direction::{Orig, Resp};
        for (dir, bytes, want) in [
            (Orig, CONNECT_31, Probe::Yes),
            (Orig, CONNECT_311, Probe::Yes),
            (Orig, CONNECT_5, Probe::Yes),
            (Resp, b"\x20\x02\0\0", Probe::Yes),
            (Resp, b"\x20\x02\0\x09", Probe::No),
            (Orig, b"\x30\x0c\0\x08room/tmp21", Probe::Yes),
            (Orig, b"\x30\x0c\0\x08room tmp21", Probe::No),
            (Resp, b"\x32\x0b\0\x04Bus1\0\x02{}.", Probe::Yes),
            // A sign of life before it, in the middle of a connection.
            (Resp, b"\xd0\0\x32\x0b\0\x04Bus1\0\x02{}.", Probe::Yes),
            (Orig, b"\xc0\0\x30\x0c\0\x08room/tmp21", Probe::Yes),
            (Orig, b"\xc0\0", Probe::NeedMore),
            (Orig, b"\xc0\0\x01", Probe::No),
            (Resp, b"\x32\x0b\0\x04Bus1\0\0{}.", Probe::No),
            (Resp, b"\x30\x0b\0\x04Bus1\0\x02{}.", Probe::No),
            (Orig, b"\x30\x82\x01\x02\x02\x01\x03", Probe::No),
            (Orig, b"\x10\x0c\0\x04HTTP\x04\x02\0\0\0\0", Probe::No),
            (Orig, b"GET / HTTP/1.1\r\n", Probe::No),
        ] {
            assert_eq!(probe_all::<Mqtt>(dir, bytes), want, "{bytes:?}");
        }
    }
}
