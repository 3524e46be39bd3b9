//! What single events of protocols show.

use super::sighting::Sighting;
use super::voice;
use super::web;
use super::windows;
use super::{cleartext, controllers, databases, discovery, ike, mail, management, provisioning, remote, ssh, tls};
use crate::policy::HomeNet;
use crate::proto::api::Cx;
use crate::proto::dtls;
use crate::proto::files::ftp;
use crate::proto::mail::smtp_event;
use crate::proto::quic;
use crate::proto::registry::Event;
use crate::proto::remote::telnet;
use crate::proto::tls::TlsEvent;

/// Judges an event; `first` says whether it is the first of its flow.
pub fn judge(home: &HomeNet, cx: &Cx<'_>, event: &Event<'_>, first: bool, out: &mut Vec<Sighting>) {
    provisioning::judge(home, cx, event, out);
    match event {
        Event::Telnet(telnet::Event::Session { attempts, terminal_type, encrypted: false, .. }) => {
            let seen = match (attempts, terminal_type.is_empty()) {
                (0, true) => "options were negotiated".to_owned(),
                (0, false) => format!("terminal {}", String::from_utf8_lossy(terminal_type)),
                (n, _) => format!("{n} login attempt(s)"),
            };
            out.push(cleartext::telnet_in_use(home, cx, &seen));
        }
        Event::Ftp(e) if e.auth_tls == Some(false) => provisioning::ftp_refused(home, cx, e, out),
        // One sighting a connection: its login, or the first command where that was missed.
        Event::Ftp(ftp::Event { command, .. })
            if *command == "USER" || first && !command.is_empty() && *command != "AUTH" =>
        {
            out.push(cleartext::ftp_in_use(home, cx, &format!("command {command}")));
        }
        Event::Tls(TlsEvent::Handshake(handshake))
        | Event::Dtls(dtls::Event { tls: TlsEvent::Handshake(handshake), .. })
        | Event::Quic(quic::Event::Handshake(handshake)) => tls::handshake(home, cx, handshake, out),
        Event::Smtp(smtp_event::Event::Session(e)) => mail::session(home, cx, e, "smtp", out),
        Event::Pop3(e) => mail::session(home, cx, e, "pop3", out),
        Event::Imap(e) => mail::session(home, cx, e, "imap", out),
        Event::Nntp(e) => mail::session(home, cx, e, "nntp", out),
        Event::Irc(e) => mail::session(home, cx, e, "irc", out),
        Event::Xmpp(e) => mail::session(home, cx, e, "xmpp", out),
        Event::Mqtt(e) => controllers::mqtt(home, cx, e, first, out),
        Event::Postgresql(e)
        | Event::Redis(e)
        | Event::Mssql(e)
        | Event::Mysql(e)
        | Event::Amqp(e)
        | Event::Stomp(e)
        | Event::Mongodb(e)
        | Event::Cassandra(e)
        | Event::Oracle(e)
        | Event::Memcached(e)
        | Event::Kafka(e) => {
            databases::session(home, cx, e, first, out);
        }
        Event::Bacnet(e)
        | Event::Coap(e)
        | Event::Modbus(e)
        | Event::Opcua(e)
        | Event::S7(e)
        | Event::Dnp3(e)
        | Event::Knx(e)
        | Event::Enip(e)
        | Event::Iec104(e) => controllers::operation(home, cx, e, first, out),
        Event::Sip(e) => voice::sip(home, cx, e, first, out),
        Event::Rtp(e) => voice::rtp(home, cx, e, out),
        Event::Rtsp(e) => voice::rtsp(home, cx, e, first, out),
        Event::Stun(e) => voice::stun(home, cx, e, out),
        Event::Iax(e) => voice::iax(home, cx, e, first, out),
        Event::Skinny(_) | Event::Mgcp(_) | Event::Megaco(_) | Event::H225(_) => {
            voice::signalling(home, cx, event.protocol().spec().name, first, out);
        }
        Event::Pjl(e) => voice::pjl(home, cx, e, first, out),
        Event::RawPrint(e) => voice::raw_print(home, cx, e, out),
        Event::Lpd(e) => voice::lpd(home, cx, e, first, out),
        Event::Snmp(e) => management::snmp(home, cx, e, out),
        Event::Syslog(e) => management::syslog(home, cx, e, first, out),
        Event::Ntp(e) => management::ntp(home, cx, e, out),
        Event::Radius(e) => management::radius(home, cx, e, first, out),
        Event::Tacacs(e) => management::tacacs(home, cx, e, first, out),
        Event::Tftp(e) => provisioning::tftp(home, cx, e, first, out),
        Event::Http(e) => web::http(home, cx, "http", e, out),
        Event::Http2(e) => web::http(home, cx, "http2", e, out),
        Event::Socks(e) => web::socks(home, cx, e, out),
        Event::Llmnr(e) => discovery::llmnr(cx, e, first, out),
        Event::NatPmp(e) | Event::Pcp(e) => discovery::port_mapping(cx, e, out),
        Event::Smb(e) => windows::smb(home, cx, e, out),
        Event::Nbns(e) => windows::nbns(home, cx, e, first, out),
        Event::Nbdgm(e) => windows::nbdgm(home, cx, e, out),
        Event::Dcerpc(e) => windows::dcerpc(home, cx, e, out),
        Event::Ldap(e) => windows::ldap(home, cx, e, out),
        Event::Kerberos(e) => windows::kerberos(home, cx, e, out),
        Event::Rdp(e) => windows::rdp(home, cx, e, out),
        Event::OncRpc(e) => windows::rpc(home, cx, e, first, out),
        Event::Ike(e) => ike::message(home, cx, e, out),
        Event::Ssh(e) => ssh::connection(home, cx, e, out),
        Event::Vnc(e) => remote::vnc(home, cx, e, out),
        Event::Adb(e) => remote::adb(home, cx, e, out),
        Event::Rlogin(e) | Event::Rsh(e) | Event::Rexec(e) => remote::rcmd(home, cx, e, out),
        _ => {}
    }
}
