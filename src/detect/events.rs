//! What single events of protocols show.

use super::sighting::Sighting;
use super::tls::weak_tls;
use super::{cleartext, mail, remote};
use crate::policy::HomeNet;
use crate::proto::api::Cx;
use crate::proto::files::ftp;
use crate::proto::mail::smtp_event;
use crate::proto::registry::Event;
use crate::proto::remote::telnet;
use crate::proto::tls::{Handshake, TlsEvent};

/// Judges an event; `first` says whether it is the first of its flow.
pub fn judge(home: &HomeNet, cx: &Cx<'_>, event: &Event<'_>, first: bool, out: &mut Vec<Sighting>) {
    match event {
        Event::Telnet(telnet::Event::Session { attempts, terminal_type, encrypted: false, .. }) => {
            let seen = match (attempts, terminal_type.is_empty()) {
                (0, true) => "options were negotiated".to_owned(),
                (0, false) => format!("terminal {}", String::from_utf8_lossy(terminal_type)),
                (n, _) => format!("{n} login attempt(s)"),
            };
            out.push(cleartext::telnet_in_use(home, cx, &seen));
        }
        // One sighting a connection: its login, or the first command where that was missed.
        Event::Ftp(ftp::Event { command, .. })
            if *command == "USER" || first && !command.is_empty() && *command != "AUTH" =>
        {
            out.push(cleartext::ftp_in_use(home, cx, &format!("command {command}")));
        }
        Event::Tls(TlsEvent::Handshake(handshake)) => tls(home, cx, handshake, out),
        Event::Smtp(smtp_event::Event::Session(e)) => mail::session(home, cx, e, "smtp", out),
        Event::Pop3(e) => mail::session(home, cx, e, "pop3", out),
        Event::Imap(e) => mail::session(home, cx, e, "imap", out),
        Event::Nntp(e) => mail::session(home, cx, e, "nntp", out),
        Event::Irc(e) => mail::session(home, cx, e, "irc", out),
        Event::Xmpp(e) => mail::session(home, cx, e, "xmpp", out),
        Event::Ssh(e) => remote::ssh(home, cx, e, out),
        Event::Vnc(e) => remote::vnc(home, cx, e, out),
        Event::Adb(e) => remote::adb(home, cx, e, out),
        Event::Rlogin(e) | Event::Rsh(e) | Event::Rexec(e) => remote::rcmd(home, cx, e, out),
        _ => {}
    }
}

fn tls(home: &HomeNet, cx: &Cx<'_>, handshake: &Handshake, out: &mut Vec<Sighting>) {
    let Some(server) = handshake.server.as_ref().filter(|s| !s.retry) else { return };
    // A handshake that was refused protects nothing and exposes nothing.
    if handshake.established == Some(false) {
        return;
    }
    let name = handshake.cipher_name();
    let cipher = server.suite().unwrap_or_default();
    let dh_bits = handshake.dh_bits.map(|b| u16::try_from(b).unwrap_or(u16::MAX));
    for weakness in weak_tls(server.version, cipher, name.as_deref(), dh_bits) {
        let mut sighting =
            cleartext::on_flow(weakness.rule, home, cx.flow, "tls", (cx.ts, cx.packet), weakness.evidence);
        sighting.detail = weakness.detail.into();
        sighting.peer_name = handshake
            .client
            .as_ref()
            .and_then(|c| c.server_name.as_ref())
            .filter(|_| sighting.peer.is_some_and(|p| p.ip == cx.flow.resp_ip))
            .map(|n| String::from_utf8_lossy(n).into_owned());
        out.push(sighting);
    }
}
