//! Logins with HTTP's Basic that nobody may have asked for.
//!
//! A client may send Basic with every request, and a server that wants no login answers all the same:
//! that the page came shows an accepted password only where the server asks for one. It may have
//! asked on another connection, so this is decided once the whole run was seen.

use std::collections::HashSet;

use super::login::is_http;
use super::sighting::Sighting;
use crate::base::{Addr, limits};
use crate::proto::api::{FlowView, Login};

/// Address and port of a server.
pub type Server = (Addr, u16);

/// The server of a flow.
pub const fn server(flow: &FlowView) -> Server {
    (flow.resp_ip, flow.resp_port)
}

/// Whether a login counts as accepted only where the server is known to ask for one (RFC 7617, section
/// 2.2: credentials may be sent without having been asked for).
pub fn needs_asking(protocol: &str, login: &Login<'_>) -> bool {
    is_http(protocol) && login.mechanism == "basic" && login.success == Some(true)
}

/// What a login shows, where the server asks for logins and where it does not.
#[derive(Debug)]
pub struct Unproven {
    /// Where.
    pub server: Server,
    /// Where it asks: the password was accepted.
    pub asked: Vec<Sighting>,
    /// Where it does not: nothing is known of the password.
    pub unasked: Vec<Sighting>,
}

/// Which servers ask, and what waits for that.
#[derive(Debug, Default)]
pub struct AskingServers {
    asking: HashSet<Server>,
    waiting: Vec<Unproven>,
    dropped: u64,
}

impl AskingServers {
    /// A server asked for a login: status 401 or 407 (RFC 9110, sections 15.5.2 and 15.5.8).
    pub fn asks(&mut self, server: Server) {
        if self.asking.len() < limits::ASKING_SERVERS_MAX || self.asking.contains(&server) {
            self.asking.insert(server);
        } else {
            self.dropped += 1;
        }
    }

    /// Takes a login. Where too many wait already, it counts as one that nobody asked for.
    pub fn wait(&mut self, login: Unproven, add: &mut dyn FnMut(Sighting)) {
        if self.waiting.len() < limits::ASKING_LOGINS_MAX {
            self.waiting.push(login);
        } else {
            self.dropped += 1;
            login.unasked.into_iter().for_each(add);
        }
    }

    /// Decides.
    pub fn finish(&mut self, add: &mut dyn FnMut(Sighting)) {
        for login in std::mem::take(&mut self.waiting) {
            let told = if self.asking.contains(&login.server) { login.asked } else { login.unasked };
            told.into_iter().for_each(&mut *add);
        }
    }

    /// Servers and logins that came when too many were remembered.
    pub const fn take_dropped(&mut self) -> u64 {
        std::mem::replace(&mut self.dropped, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::cleartext::{on_flow, tests::flow};
    use super::*;
    use crate::base::Timestamp;
    use crate::policy::HomeNet;

    fn waiting() -> Unproven {
        let flow = flow("10.0.0.9", "10.0.0.5");
        let say = |rule| vec![on_flow(rule, &HomeNet::default(), &flow, "http", (Timestamp(1), 1), String::new())];
        Unproven {
            server: server(&flow),
            asked: say("default-credentials-accepted"),
            unasked: say("default-credentials-attempted"),
        }
    }

    #[test]
    fn basic_needs_a_server_that_asks() {
        let basic = Login { mechanism: "basic", success: Some(true), ..Login::at((Timestamp(5), 9)) };
        assert!(needs_asking("http", &basic) && needs_asking("http2", &basic));
        assert!(!needs_asking("rtsp", &basic));
        assert!(!needs_asking("http", &Login { success: Some(false), ..basic }));
        assert!(!needs_asking("http", &Login { mechanism: "form", ..basic }));
    }

    #[test]
    fn a_server_that_asks_before_or_after_decides() {
        let server = waiting().server;
        for (before, after, rule) in [
            (None, None, "default-credentials-attempted"),
            (Some(server), None, "default-credentials-accepted"),
            (None, Some(server), "default-credentials-accepted"),
            (Some((server.0, 8080)), None, "default-credentials-attempted"),
        ] {
            let mut all = AskingServers::default();
            let mut told = Vec::new();
            before.into_iter().for_each(|s| all.asks(s));
            all.wait(waiting(), &mut |s| told.push(s));
            after.into_iter().for_each(|s| all.asks(s));
            all.finish(&mut |s| told.push(s));
            assert_eq!(told.iter().map(|s| s.rule).collect::<Vec<_>>(), [rule]);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut all = AskingServers::default();
        let mut told = 0;
        for n in 0..limits::ASKING_SERVERS_MAX as u32 + 5 {
            all.asks((Addr::v4(n.to_be_bytes()), 80));
        }
        (0..limits::ASKING_LOGINS_MAX + 5).for_each(|_| all.wait(waiting(), &mut |_| told += 1));
        assert_eq!((all.asking.len(), all.waiting.len()), (limits::ASKING_SERVERS_MAX, limits::ASKING_LOGINS_MAX));
        assert_eq!((told, all.take_dropped()), (5, 10));
    }
}
