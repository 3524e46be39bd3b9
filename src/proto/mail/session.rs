//! What the session protocols of this family tell alike: logins, what the two sides say of themselves,
//! what became of the upgrade to TLS, and that something went in clear.

use std::collections::VecDeque;

use crate::base::secret::Reveal;
use crate::base::{Timestamp, limits};
use crate::proto::api::{About, Cx, Direction, Fact, Login};
use crate::record::RowWriter;

/// The oldest command that still waits for its reply, where there is no room for one more; that it gave way
/// is counted.
pub fn gives_way<C>(pending: &mut VecDeque<C>, cx: &Cx<'_>) -> Option<C> {
    if pending.len() < limits::MAIL_PENDING_MAX {
        return None;
    }
    cx.limit_hit();
    pending.pop_front()
}

/// What became of the upgrade of a session to TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    /// Asked for and agreed on: TLS follows.
    Accepted,
    /// Asked for and refused.
    Refused,
    /// The server's offer was made unreadable on the way (`XXXXXXXA` in place of `STARTTLS`).
    Stripped,
    /// Offered, and the session went on in clear.
    Unused,
}

impl Upgrade {
    /// The word for it in a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Stripped => "stripped",
            Self::Unused => "unused",
        }
    }
}

/// What a session tells.
#[derive(Debug, Clone, Copy)]
pub enum Said<'e> {
    /// A login.
    Login(&'e Login<'e>),
    /// What one side says of itself: an attribute of [`Fact`] and its value.
    Fact(Direction, &'static str, &'e [u8]),
    /// The name of the server that the client asked for.
    Asked(&'e [u8]),
    /// What became of the upgrade to TLS.
    Upgrade(Upgrade),
    /// Something that deserves protection went in clear; told once for a session, with a word on what.
    InClear(&'static str),
}

/// An event of a session.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// When it was said, and in which packet.
    pub at: (Timestamp, u64),
    /// What was said.
    pub said: Said<'e>,
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(self.at)
    }

    fn has_row(&self) -> bool {
        false
    }

    fn write(&self, _row: &mut RowWriter<'_>, _reveal: Reveal) {}

    fn login(&self) -> Option<Login<'_>> {
        if let Said::Login(login) = self.said { Some(*login) } else { None }
    }

    fn server_name(&self) -> Option<(&'static str, &[u8])> {
        if let Said::Asked(name) = self.said { Some(("xmpp", name)) } else { None }
    }

    fn upgrades(&self) -> bool {
        matches!(self.said, Said::Upgrade(Upgrade::Accepted))
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        if let Said::Fact(side, attribute, value) = self.said {
            tell(Fact { about: About::Side(side), attribute, value });
        }
    }
}

/// Where a parser's events go.
pub type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// What a session has to remember of its upgrade to TLS and of what went in clear.
#[derive(Debug, Default)]
pub struct Watch {
    offered: bool,
    told: Option<Upgrade>,
    in_clear: bool,
}

impl Watch {
    /// The server offers to change to TLS.
    pub const fn offered(&mut self) {
        self.offered = true;
    }

    /// The server's offer was made unreadable on the way.
    pub fn stripped(&mut self, at: (Timestamp, u64), emit: Emit<'_>) {
        self.tell(Upgrade::Stripped, at, emit);
    }

    /// The server has answered the wish to change to TLS.
    pub fn answered(&mut self, agreed: bool, at: (Timestamp, u64), emit: Emit<'_>) {
        self.tell(if agreed { Upgrade::Accepted } else { Upgrade::Refused }, at, emit);
    }

    /// Something went in clear: says so once, and that an offer of TLS was passed over.
    pub fn in_clear(&mut self, what: &'static str, at: (Timestamp, u64), emit: Emit<'_>) {
        if !std::mem::replace(&mut self.in_clear, true) {
            emit(Event { at, said: Said::InClear(what) });
            if self.offered && self.told.is_none() {
                self.tell(Upgrade::Unused, at, emit);
            }
        }
    }

    /// Whether something went in clear.
    pub const fn is_in_clear(&self) -> bool {
        self.in_clear
    }

    /// What became of the upgrade, as far as it was told.
    pub const fn upgrade(&self) -> Option<Upgrade> {
        self.told
    }

    /// Whether TLS was agreed on.
    pub fn is_over(&self) -> bool {
        self.told == Some(Upgrade::Accepted)
    }

    fn tell(&mut self, upgrade: Upgrade, at: (Timestamp, u64), emit: Emit<'_>) {
        if self.told != Some(upgrade) && !self.is_over() {
            self.told = Some(upgrade);
            emit(Event { at, said: Said::Upgrade(upgrade) });
        }
    }
}

/// Tells a login, and that it went in clear where its secret could be read.
pub fn tell_login(login: Login<'_>, watch: &mut Watch, emit: Emit<'_>) {
    let at = (login.ts, login.packet);
    emit(Event { at, said: Said::Login(&login) });
    // Any login in clear shows who it is, and what comes after it is not protected.
    watch.in_clear("login", at, emit);
}

/// Tells what a side says of itself, where it says something.
pub fn tell_fact(side: Direction, attribute: &'static str, value: &[u8], at: (Timestamp, u64), emit: Emit<'_>) {
    let value = value.trim_ascii();
    if !value.is_empty() {
        emit(Event { at, said: Said::Fact(side, attribute, value) });
    }
}

/// A name by which a host greets, where it is a name: no address, none that means just anybody.
pub fn host_name(name: &[u8]) -> Option<&[u8]> {
    let name = name.trim_ascii();
    let name = name.strip_suffix(b".").unwrap_or(name);
    let first = *name.first()?;
    let good = name.len() >= 2
        && name.len() <= 255
        && first.is_ascii_alphanumeric()
        && name.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_'))
        && name.iter().any(u8::is_ascii_alphabetic)
        && !name.starts_with(b"localhost");
    good.then_some(name)
}

/// A greeting without the time that some servers put into it, which makes each one another: what comes
/// before the day of the week.
pub fn without_clock(greeting: &[u8]) -> &[u8] {
    const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
    let is_day = |w: &[u8]| {
        w.first() == Some(&b' ') && matches!(w.last(), Some(b',' | b' ')) && {
            w.get(1..4).is_some_and(|day| DAYS.contains(&day))
        }
    };
    let Some(end) = greeting.windows(5).position(is_day) else { return greeting };
    let front = greeting.get(..end).unwrap_or_default().trim_ascii_end();
    let front = front.strip_suffix(b" at").unwrap_or(front);
    front.strip_suffix(b";").or_else(|| front.strip_suffix(b",")).unwrap_or(front)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_the_name_of_one_host() {
        for (name, want) in [
            (&b"mail.example.com"[..], Some(&b"mail.example.com"[..])),
            (b"LT-MUELLER.", Some(b"LT-MUELLER")),
            (b"[192.0.2.1]", None),
            (b"192.0.2.1", None),
            (b"localhost.localdomain", None),
            (b"a b", None),
            (b"", None),
        ] {
            assert_eq!(host_name(name), want, "{}", name.escape_ascii());
        }
    }

    #[test]
    fn a_greeting_is_the_same_at_any_time() {
        for (said, want) in [
            (
                "h Microsoft ESMTP MAIL Service ready at Tue, 8 Dec 2015 22:31:02 +0100",
                "h Microsoft ESMTP MAIL Service ready",
            ),
            ("h ESMTP Sendmail 8.14; Thu, 5 Dec 2013 14:56:55 +0100", "h ESMTP Sendmail 8.14"),
            ("h ESMTP Postfix", "h ESMTP Postfix"),
            ("Sunny ESMTP", "Sunny ESMTP"),
        ] {
            assert_eq!(without_clock(said.as_bytes()), want.as_bytes());
        }
    }

    #[test]
    fn an_upgrade_is_told_once_and_what_is_agreed_on_stays() {
        let mut told = Vec::new();
        let mut emit = |e: Event<'_>| told.push(format!("{:?}", e.said));
        let mut watch = Watch::default();
        let at = (Timestamp(1), 1);
        watch.offered();
        watch.in_clear("mail", at, &mut emit);
        watch.in_clear("mail", at, &mut emit);
        watch.answered(false, at, &mut emit);
        watch.answered(true, at, &mut emit);
        watch.answered(false, at, &mut emit);
        assert_eq!(told, ["InClear(\"mail\")", "Upgrade(Unused)", "Upgrade(Refused)", "Upgrade(Accepted)"]);
        assert!(watch.is_over());
    }
}
