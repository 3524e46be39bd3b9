//! What of one HTTP flow was told, so that it is told once: the same login with the same result, and the
//! same words about the same device.

use std::borrow::Cow;

use super::http_body::Body;
use super::http_event::{Event, Exchange};
use super::http_login::{Found, Held};
use crate::base::{Timestamp, hash, limits};
use crate::proto::api::{Cx, Login, SecretKind};

/// See the head of the file.
#[derive(Debug, Default)]
pub struct Ledger {
    logins: Vec<u64>,
    facts: Vec<u64>,
    /// Bytes that the compressed bodies have become.
    inflated: usize,
}

impl Ledger {
    /// Emits a login unless it was told before.
    pub fn login(
        &mut self,
        cx: Cx<'_>,
        found: &Found,
        at: (Timestamp, u64),
        success: Option<bool>,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        let secret = found.secret.as_ref().map(|s| s.borrow());
        let mut id = hash::stable64(success.map_or(2, u64::from), found.mechanism.as_bytes());
        id = hash::stable64(id, found.user.as_deref().unwrap_or_default());
        // Each answer to a challenge differs, and they all prove the same.
        if found.kind != SecretKind::ChallengeResponse {
            id = hash::stable64(id, secret.map_or(&[], |s| s.expose()));
        }
        if self.logins.contains(&id) {
            return;
        }
        if self.logins.len() >= limits::HTTP_LOGINS_MAX {
            cx.limit_hit();
            return;
        }
        self.logins.push(id);
        emit(Event::Login(Login {
            mechanism: found.mechanism,
            username: found.user.as_deref(),
            secret,
            secret_kind: found.kind,
            proof: found.held.as_ref().map(Held::proof),
            success,
            ..Login::at(at)
        }));
    }

    /// The text of a body. A compressed one is a thousandth of what it becomes: nothing of it where the
    /// flow's bodies have become [`limits::HTTP_FLOW_INFLATED_BYTES_MAX`] before.
    pub fn text<'b>(&mut self, cx: Cx<'_>, body: &'b Body) -> Cow<'b, [u8]> {
        if body.is_coded() && self.inflated >= limits::HTTP_FLOW_INFLATED_BYTES_MAX {
            cx.limit_hit();
            return Cow::Borrowed(&[]);
        }
        let text = body.text();
        self.inflated += if body.is_coded() { text.len() } else { 0 };
        text
    }

    /// Which facts of an exchange are new, as the bits of [`Exchange::fresh`].
    pub fn fresh(&mut self, exchange: &Exchange<'_>) -> u8 {
        let mut fresh = 0;
        for (n, (_, attribute, value)) in exchange.facts().into_iter().enumerate() {
            if let Some(value) = value
                && self.is_new(attribute, value)
            {
                fresh |= 1 << n;
            }
        }
        fresh
    }

    /// Whether something was not told before. Beyond [`limits::HTTP_FACTS_MAX`] nothing is new: a server
    /// that says something else each time says nothing.
    pub fn is_new(&mut self, attribute: &str, value: &[u8]) -> bool {
        let id = hash::stable64(hash::stable64(0, attribute.as_bytes()), value);
        let is_new = self.facts.len() < limits::HTTP_FACTS_MAX && !self.facts.contains(&id);
        if is_new {
            self.facts.push(id);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_not_new_again() {
        let mut ledger = Ledger::default();
        let exchange = Exchange { server: Some(b"s"), user_agent: Some(b"ua"), ..Exchange::default() };
        assert_eq!(ledger.fresh(&exchange), 0b1001);
        assert_eq!(ledger.fresh(&exchange), 0);
        let other = Exchange { realm: Some(b"s"), ..exchange };
        assert_eq!(ledger.fresh(&other), 0b10, "the same words of something else are new");
    }

    #[test]
    fn compressed_bodies_are_read_until_they_were_enough() {
        use super::super::http_body::{Coding, Kind};
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&vec![b'<'; limits::HTTP_INFLATED_BYTES_MAX]).unwrap();
        let mut body = Body::new(Kind::Device, Coding::Gzip);
        body.take(&encoder.finish().unwrap());
        let flow = crate::proto::testing::flow();
        let count = crate::proto::api::LimitCount::default();
        let cx = Cx { ts: Timestamp(0), packet: 1, flow: &flow, limited: &count };
        let mut ledger = Ledger::default();
        let read = (0..100).filter(|_| !ledger.text(cx, &body).is_empty()).count();
        assert_eq!(read, limits::HTTP_FLOW_INFLATED_BYTES_MAX / limits::HTTP_INFLATED_BYTES_MAX);
        assert_eq!(count.take(), 100 - read as u64);
    }

    #[test]
    fn a_server_that_says_something_else_each_time_ends() {
        let mut ledger = Ledger::default();
        let new = (0..1000_u32).filter(|n| ledger.is_new("title", &n.to_be_bytes())).count();
        assert_eq!(new, limits::HTTP_FACTS_MAX);
    }
}
