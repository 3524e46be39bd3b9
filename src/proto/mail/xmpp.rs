//! XMPP streams (RFC 6120): SASL, the logins of Jabber before it (XEP-0078), registration (XEP-0077),
//! components (XEP-0114), software versions (XEP-0092) and STARTTLS.

use super::sasl::Exchange;
use super::session::{Emit, Event, Said, Watch, tell_fact, tell_login};
use super::xml::{self, Tag, Token};
use crate::base::secret::SecretBuf;
use crate::base::{Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Login, Probe, Progress, SecretKind, Spec, Transport};

/// An element whose text is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// First answer of SASL, in the element that names the mechanism or in one of its own (XEP-0388).
    Auth,
    Response,
    Challenge,
    Username,
    Password,
    /// SHA-1 over the stream's identifier and the password (XEP-0078, section 3).
    Digest,
    Handshake,
    Name,
    Version,
    Os,
}

/// What the query of an `iq` is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Query {
    #[default]
    None,
    Auth,
    Register,
    Version,
}

/// What is read of one direction.
#[derive(Default)]
struct Side {
    field: Option<Field>,
    text: Vec<u8>,
    /// Inside of the stream's features, where names are offers.
    in_features: bool,
    query: Query,
    username: Vec<u8>,
    /// Password, or a digest of it.
    secret: Option<(SecretBuf, SecretKind)>,
    name: Vec<u8>,
    version: Vec<u8>,
    os: Vec<u8>,
}

/// A login without SASL.
struct Waiting {
    mechanism: &'static str,
    username: Vec<u8>,
    secret: SecretBuf,
    kind: SecretKind,
    at: (Timestamp, u64),
}

/// Follows one stream.
#[derive(Default)]
pub struct Xmpp {
    sides: [Side; 2],
    exchange: Option<Box<Exchange>>,
    /// A login without SASL that waits for its answer.
    waiting: Option<Waiting>,
    wants_tls: bool,
    asked: bool,
    watch: Watch,
    logged_in: bool,
    stanzas: u32,
    ended: bool,
    over: bool,
}

impl std::fmt::Debug for Xmpp {
    /// Without what it keeps: there may be a secret in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Xmpp").field("stanzas", &self.stanzas).finish_non_exhaustive()
    }
}

impl Xmpp {
    fn text(&mut self, cx: Cx<'_>, dir: Direction, said: &[u8]) {
        let Some(side) = self.sides.get_mut(dir.index()) else { return };
        if side.field.is_some() {
            let room = limits::XML_TEXT_BYTES_MAX.saturating_sub(side.text.len());
            if said.len() > room {
                cx.limit_hit();
            }
            side.text.extend_from_slice(said.get(..room).unwrap_or(said));
        }
    }

    fn tag(&mut self, cx: Cx<'_>, dir: Direction, tag: &Tag<'_>, emit: Emit<'_>) {
        if tag.opens {
            self.opened(cx, dir, tag, emit);
        }
        if tag.closes {
            self.closed(cx, dir, tag, emit);
        }
    }

    fn opened(&mut self, cx: Cx<'_>, dir: Direction, tag: &Tag<'_>, emit: Emit<'_>) {
        let at = (cx.ts, cx.packet);
        let Some(side) = self.sides.get_mut(dir.index()) else { return };
        let mut field = None;
        match tag.name {
            b"stream" => {
                let to = tag.attribute(b"to");
                if dir == Direction::Orig && !to.is_empty() && !std::mem::replace(&mut self.asked, true) {
                    emit(Event { at, said: Said::Asked(&to) });
                }
                if dir == Direction::Resp {
                    tell_fact(dir, "domain", &tag.attribute(b"from"), at, emit);
                }
            }
            b"features" => side.in_features = true,
            b"starttls" if side.in_features => self.watch.offered(),
            b"starttls" => self.wants_tls = true,
            b"proceed" if self.wants_tls => {
                self.watch.answered(true, at, emit);
                self.over = true;
            }
            b"failure" if self.wants_tls => {
                self.wants_tls = false;
                self.watch.answered(false, at, emit);
            }
            b"auth" | b"authenticate" if !side.in_features => {
                self.end_exchange(None, emit);
                self.exchange = Some(Box::new(Exchange::new(&tag.attribute(b"mechanism"), at)));
                field = (tag.name == b"auth").then_some(Field::Auth);
            }
            b"initial-response" => field = Some(Field::Auth),
            b"response" => field = Some(Field::Response),
            b"challenge" => field = Some(Field::Challenge),
            b"success" => self.end_exchange(Some(true), emit),
            b"failure" => self.end_exchange(Some(false), emit),
            b"handshake" => field = Some(Field::Handshake),
            b"iq" => {
                *side = Side::default();
                self.stanza(dir, tag, at, emit);
            }
            b"message" | b"presence" => self.stanza(dir, tag, at, emit),
            b"query" => {
                side.query = match tag.attribute(b"xmlns").as_slice() {
                    b"jabber:iq:auth" => Query::Auth,
                    b"jabber:iq:register" => Query::Register,
                    b"jabber:iq:version" => Query::Version,
                    _ => Query::None,
                }
            }
            name if side.query != Query::None => {
                field = match name {
                    b"username" => Some(Field::Username),
                    b"password" => Some(Field::Password),
                    b"digest" => Some(Field::Digest),
                    b"name" => Some(Field::Name),
                    b"version" => Some(Field::Version),
                    b"os" => Some(Field::Os),
                    _ => None,
                }
            }
            _ => {}
        }
        if field.is_some()
            && let Some(side) = self.sides.get_mut(dir.index())
        {
            side.field = field;
            side.text.clear();
        }
    }

    /// A stanza begins.
    fn stanza(&mut self, dir: Direction, tag: &Tag<'_>, at: (Timestamp, u64), emit: Emit<'_>) {
        self.stanzas += 1;
        if tag.name != b"iq" {
            self.watch.in_clear("chat", at, emit);
        } else if self.waiting.is_some() && dir == Direction::Resp {
            let kind = tag.attribute(b"type");
            if kind == b"result" || kind == b"error" {
                self.end_waiting(Some(kind == b"result"), emit);
            }
        }
        // Behind the login come only messages, and versions early if at all.
        self.over |= self.logged_in && self.watch.is_in_clear() && self.stanzas > limits::XMPP_STANZAS_MAX;
    }

    fn closed(&mut self, cx: Cx<'_>, dir: Direction, tag: &Tag<'_>, emit: Emit<'_>) {
        let at = (cx.ts, cx.packet);
        let Some(side) = self.sides.get_mut(dir.index()) else { return };
        let text = if side.field.is_some() { xml::unescaped(&std::mem::take(&mut side.text)) } else { Vec::new() };
        let said = text.trim_ascii();
        match side.field.take() {
            Some(Field::Auth) => {
                if let Some(exchange) = self.exchange.as_mut().filter(|_| !said.is_empty()) {
                    exchange.initial(said, at);
                }
            }
            Some(Field::Response) => {
                if let Some(exchange) = &mut self.exchange {
                    exchange.answer(said, at);
                }
            }
            Some(Field::Challenge) => {
                if let Some(exchange) = &mut self.exchange {
                    exchange.challenge(said);
                }
            }
            Some(Field::Username) => side.username = said.to_vec(),
            Some(Field::Password) => side.secret = Some((SecretBuf::new(&text), SecretKind::Password)),
            Some(Field::Digest) => side.secret = Some((SecretBuf::new(said), SecretKind::ChallengeResponse)),
            Some(Field::Handshake) if !said.is_empty() => {
                let (secret, kind) = (SecretBuf::new(said), SecretKind::ChallengeResponse);
                self.waiting = Some(Waiting { mechanism: "component", username: Vec::new(), secret, kind, at });
            }
            // The server's answer to a component is an empty one.
            Some(Field::Handshake) => self.end_waiting(Some(true), emit),
            Some(Field::Name) => side.name = said.to_vec(),
            Some(Field::Version) => side.version = said.to_vec(),
            Some(Field::Os) => side.os = said.to_vec(),
            None => {}
        }
        match tag.name {
            b"features" => {
                if let Some(side) = self.sides.get_mut(dir.index()) {
                    side.in_features = false;
                }
            }
            b"iq" => self.iq_ended(dir, at, emit),
            _ => {}
        }
    }

    fn iq_ended(&mut self, dir: Direction, at: (Timestamp, u64), emit: Emit<'_>) {
        let Some(side) = self.sides.get_mut(dir.index()) else { return };
        let side = std::mem::take(side);
        if side.query == Query::Version && !side.name.is_empty() {
            let program = [side.name.as_slice(), side.version.as_slice()].join(&b' ');
            let attribute = if dir == Direction::Resp { "server" } else { "user-agent" };
            tell_fact(dir, attribute, &program, at, emit);
            tell_fact(dir, "os", &side.os, at, emit);
        }
        let Some((secret, kind)) = side.secret else { return };
        // Of a form that the server sends, the fields are empty.
        if matches!(side.query, Query::Auth | Query::Register) && dir == Direction::Orig {
            self.end_waiting(None, emit);
            let mechanism = if side.query == Query::Auth { "iq-auth" } else { "iq-register" };
            self.waiting = Some(Waiting { mechanism, username: side.username, secret, kind, at });
        }
    }

    fn end_exchange(&mut self, success: Option<bool>, emit: Emit<'_>) {
        if let Some(exchange) = self.exchange.take() {
            self.logged_in |= success == Some(true);
            if let Some(login) = exchange.login(success) {
                tell_login(login, &mut self.watch, emit);
            }
        }
    }

    fn end_waiting(&mut self, success: Option<bool>, emit: Emit<'_>) {
        if let Some(Waiting { mechanism, username, secret, kind, at }) = self.waiting.take() {
            self.logged_in |= success == Some(true);
            let login = Login {
                mechanism,
                username: Some(username.as_slice()).filter(|u| !u.is_empty()),
                secret: Some(secret.borrow()),
                secret_kind: kind,
                success,
                ..Login::at(at)
            };
            tell_login(login, &mut self.watch, emit);
        }
    }
}

impl AppParser for Xmpp {
    const SPEC: Spec = Spec {
        name: "xmpp",
        title: "XMPP",
        transports: &[Transport::Tcp],
        ports: &[5222, 5269],
        reference: "RFC 6120, XEP-0077, XEP-0078, XEP-0092, XEP-0114",
        yields: "logins, the domain asked for, software of both sides, STARTTLS",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        if payload.first() != Some(&b'<') { Probe::No } else { probe_stream(payload) }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Done;
            }
            match xml::next(rest) {
                Token::Open => return Progress::Partial { consumed: used, needed: rest.len() + 1 },
                Token::Long(n) => {
                    used += n;
                    cx.limit_hit();
                }
                Token::Text(text) => {
                    used += text.len();
                    self.text(cx, dir, text);
                }
                Token::Tag(tag, n) => {
                    used += n;
                    self.tag(cx, dir, &tag, emit);
                    if self.over {
                        return Progress::Finished;
                    }
                }
            }
        }
    }

    fn on_gap(&mut self, _cx: Cx<'_>, dir: Direction, _missing: u64) -> Progress {
        // What is taken for text until the next tag is not kept.
        if let Some(side) = self.sides.get_mut(dir.index()) {
            *side = Side::default();
        }
        Progress::Done
    }

    fn on_end(&mut self, _cx: Cx<'_>, dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if dir == Direction::Resp || std::mem::replace(&mut self.ended, true) {
            self.ended = true;
            self.end_exchange(None, emit);
            self.end_waiting(None, emit);
        }
    }
}

/// Judges the start of a stream, or of a stanza in the middle of one.
fn probe_stream(payload: &[u8]) -> Probe {
    let mut rest = payload;
    // At most a declaration stands before it.
    for _ in 0..2 {
        match xml::next(rest) {
            Token::Text(text) if text.iter().all(u8::is_ascii_whitespace) => {
                rest = rest.get(text.len()..).unwrap_or_default();
            }
            Token::Text(_) | Token::Long(_) => return Probe::No,
            Token::Open => {
                let starts: [&[u8]; 6] =
                    [b"<?xml ", b"<stream:stream ", b"<iq ", b"<message ", b"<presence ", b"<presence>"];
                let may = starts.iter().any(|s| {
                    let n = s.len().min(rest.len());
                    s.get(..n) == rest.get(..n)
                });
                return if may { Probe::NeedMore } else { Probe::No };
            }
            Token::Tag(tag, n) => {
                let of = |key: &[u8]| tag.attribute(key);
                let jabber = |key: &[u8]| of(key).starts_with(b"jabber:");
                match tag.name {
                    b"?xml" => rest = rest.get(n..).unwrap_or_default().trim_ascii_start(),
                    b"stream" if jabber(b"xmlns") || of(b"xmlns:stream").starts_with(b"http://etherx.jabber.org") => {
                        return Probe::Yes;
                    }
                    b"iq" if tag.opens && matches!(of(b"type").as_slice(), b"get" | b"set" | b"result" | b"error") => {
                        return Probe::Yes;
                    }
                    b"message" | b"presence" if tag.opens && !(of(b"to").is_empty() && of(b"from").is_empty()) => {
                        return Probe::Yes;
                    }
                    _ => return Probe::No,
                }
                if rest.is_empty() {
                    return Probe::NeedMore;
                }
            }
        }
    }
    Probe::No
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::mail::testing::logins;
    use crate::proto::testing::{Script, probe_all};
    use Direction::{Orig, Resp};

    const OPEN: &str = "<?xml version='1.0'?><stream:stream to='chat.example' xmlns='jabber:client' \
                        xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";
    const OPENED: &str = "<?xml version='1.0'?><stream:stream from='chat.example' id='1' xmlns='jabber:client' \
                          xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";
    const FEATURES: &str = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><mechanisms \
                            xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>";

    #[test]
    fn sasl() {
        let seen = Script::new()
            .orig(OPEN)
            .resp(OPENED)
            .resp(FEATURES)
            .orig("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGpvZQBzZWNyZXQ=</auth>")
            .resp("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
            .orig("<iq type='result' id='v'><query xmlns='jabber:iq:version'><name>Sample</name><version>1</version><os>RTOS</os></query></iq>")
            .any_chunking::<Xmpp>();
        assert_eq!(seen.names, [("xmpp", "chat.example".to_owned())]);
        assert!(seen.logins[0].contains("success: Some(true)") && seen.logins[0].contains("packet: 4"));
        let all = seen.events.join("\n");
        for part in ["\"domain\"", "\"user-agent\"", "\"os\"", "Upgrade(Unused)", "InClear(\"login\")"] {
            assert_eq!(all.matches(part).count(), 1, "{part}: {all}");
        }
        let of = |more: &[(Direction, &str)]| logins::<Xmpp>(more);
        assert_eq!(
            of(&[
                (Orig, "<auth mechanism='PLAIN'/>"),
                (Resp, "<challenge/>"),
                (Orig, "<response>AGpvZQBzZWNyZXQ=</response>"),
                (Resp, "<failure><not-authorized/></failure>")
            ]),
            ["plain joe secret false #3"]
        );
        assert_eq!(
            of(&[(
                Orig,
                "<authenticate mechanism='PLAIN'><initial-response>AGpvZQBzZWNyZXQ=</initial-response></authenticate>"
            )]),
            ["plain joe secret ? #1"]
        );
    }

    #[test]
    fn scram_has_its_proof() {
        let seen = Script::new()
            .orig("<auth mechanism='SCRAM-SHA-1'>biwsbj11c2VyLHI9ZnlrbytkMmxiYkZnT05Sdjlxa3hkYXdM</auth>")
            .resp("<challenge>cj1meWtvK2QybGJiRmdPTlJ2OXFreGRhd0wzcmZjTkhZSlkxWlZ2V1ZzN2oscz1RU1hDUitRNnNlazhiZjkyLGk9NDA5Ng==</challenge>")
            .orig("<response>Yz1iaXdzLHI9ZnlrbytkMmxiYkZnT05Sdjlxa3hkYXdMM3JmY05IWUpZMVpWdldWczdqLHA9djBYOHYzQnoyVDBDSkdiSlF5RjBYK0hJNFRzPQ==</response>")
            .resp("<success>x</success>")
            .any_chunking::<Xmpp>();
        assert!(seen.logins[0].contains("proof: Some(Scram)") && seen.logins[0].contains("success: Some(true)"));
    }

    #[test]
    fn logins_from_before_sasl() {
        let iq = |inner: &str| {
            format!(
                "<iq type='set' id='a'><query xmlns='jabber:iq:auth'><username>jo&amp;e</username>{inner}</query></iq>"
            )
        };
        assert_eq!(
            logins::<Xmpp>(&[(Orig, &iq("<password>se&lt;cret</password>")), (Resp, "<iq type='result' id='a'/>")]),
            ["iq-auth jo&e se<cret true #1"]
        );
        assert_eq!(
            logins::<Xmpp>(&[
                (Orig, &iq("<digest>48fc78be9ec8f86d8ce1c39c320c97c21d62334d</digest>")),
                (Resp, "<iq type='error' id='a'/>")
            ]),
            ["iq-auth jo&e 48fc78be9ec8f86d8ce1c39c320c97c21d62334d false #1"]
        );
        let form = "<iq type='result'><query xmlns='jabber:iq:register'><username/><password/></query></iq>";
        assert!(logins::<Xmpp>(&[(Resp, form)]).is_empty());
        let register = form
            .replace("result", "set")
            .replace("<username/>", "<username>j</username>")
            .replace("<password/>", "<password>x1</password>");
        assert_eq!(logins::<Xmpp>(&[(Orig, &register)]), ["iq-register j x1 ? #1"]);
        assert_eq!(
            logins::<Xmpp>(&[
                (Orig, "<handshake>aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e</handshake>"),
                (Resp, "<handshake/>")
            ]),
            ["component - aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e true #1"]
        );
    }

    #[test]
    fn starttls() {
        let script = |answer: &str| {
            Script::new()
                .orig(OPEN)
                .resp(OPENED)
                .resp(FEATURES)
                .orig("<starttls xmlns='x'/>")
                .resp(answer)
                .any_chunking::<Xmpp>()
        };
        let agreed = script("<proceed xmlns='x'/>");
        assert_eq!(agreed.stopped, Some(Progress::Finished));
        assert!(agreed.events.join(" ").contains("Upgrade(Accepted)") && !agreed.events.join(" ").contains("InClear"));
        assert!(script("<failure xmlns='x'/>").events.join(" ").contains("Upgrade(Refused)"));
    }

    #[test]
    fn chat_in_clear_and_the_end_of_reading() {
        let seen = Script::new().orig(OPEN).orig("<message to='a'><body>hi</body></message>").any_chunking::<Xmpp>();
        assert_eq!(seen.events.iter().filter(|e| e.contains("InClear(\"chat\")")).count(), 1);
        let many = "<message to='a'/>".repeat(1000);
        let seen = Script::new()
            .orig(OPEN)
            .orig("<auth mechanism='PLAIN'>AGpvZQBzZWNyZXQ=</auth>")
            .resp("<success/>")
            .orig(many)
            .any_chunking::<Xmpp>();
        assert_eq!(seen.stopped, Some(Progress::Finished));
    }

    #[test]
    fn hostile_input_is_bounded() {
        let long = format!("{OPEN}<{}", "x".repeat(100_000));
        Script::new().orig(long).run::<Xmpp>();
        let text = format!("<auth mechanism='PLAIN'>{}</auth>", "A".repeat(100_000));
        Script::new().orig(text).run::<Xmpp>();
        let seen = Script::new()
            .orig("<auth mechanism='PLAIN'>AGpv")
            .gap(Orig, 4)
            .orig("AA==</auth><message to='x'/>")
            .any_chunking::<Xmpp>();
        assert!(seen.logins.is_empty(), "half an answer is none");
    }

    #[test]
    fn probes() {
        for (dir, bytes, want) in [
            (Orig, OPEN, Probe::Yes),
            (Resp, OPENED, Probe::Yes),
            (Orig, "<?xml version='1.0'?>", Probe::NeedMore),
            (Orig, "<?xml version='1.0'?><soap:Envelope>", Probe::No),
            (Orig, "<iq type='get' id='1'>", Probe::Yes),
            (Orig, "<presence from='a@b'/>", Probe::Yes),
            (Orig, "<message>", Probe::No),
            (Orig, "<html>", Probe::No),
            (Orig, "<34>Oct 11", Probe::No),
            (Orig, "<policy-file-request/>\0", Probe::No),
        ] {
            assert_eq!(probe_all::<Xmpp>(dir, bytes.as_bytes()), want, "{bytes:?}");
        }
    }
}
