//! The one list of protocols. Detection, parsing, help and documentation come from it.
//!
//! To add a protocol: its file, a `pub mod` line in `proto/mod.rs`, and its line in the list below.

use std::sync::{Arc, LazyLock};

use hashbrown::HashMap;

use super::api::{
    About, Announcement, AppParser, Cx, Direction, Event as _, Fact, Login, Presented, Probe, Progress, Spec,
    Transport, Wrapped,
};
use super::tls::opening::keylog::KeyStore;
use crate::base::{Addr, Timestamp, secret::Reveal};
use crate::record::{RowWriter, Table};

macro_rules! protocols {
    ($($name:ident => $parser:ty),+ $(,)?) => {
        /// A protocol that has a parser.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[allow(missing_docs)] // each is documented in its own file
        pub enum Protocol { $($name),+ }

        impl Protocol {
            /// Every protocol, in the order in which payloads are held against them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// What is fixed about it.
            pub const fn spec(self) -> &'static Spec {
                match self { $(Self::$name => &<$parser as AppParser>::SPEC),+ }
            }

            /// Whether the first bytes of a direction are this protocol.
            pub fn probe(self, dir: Direction, payload: &[u8]) -> Probe {
                match self { $(Self::$name => <$parser>::probe(dir, payload)),+ }
            }

            /// A parser for a new flow.
            pub fn parser(self) -> Parser {
                match self { $(Self::$name => Parser::$name(Default::default())),+ }
            }
        }

        /// The parser of one flow.
        #[allow(missing_docs, missing_debug_implementations)]
        pub enum Parser { $($name(Box<$parser>)),+ }

        impl Parser {
            /// See [`AppParser::on_data`].
            pub fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
                match self { $(Self::$name(p) => p.on_data(cx, dir, bytes, &mut |e| emit(Event::$name(e)))),+ }
            }

            /// See [`AppParser::introduce`].
            pub fn introduce(&mut self, words: &[u8]) {
                match self { $(Self::$name(p) => p.introduce(words)),+ }
            }

            /// See [`AppParser::bring_keys`].
            pub fn bring_keys(&mut self, keys: &Arc<KeyStore>) {
                match self { $(Self::$name(p) => p.bring_keys(keys)),+ }
            }

            /// See [`AppParser::on_gap`].
            pub fn on_gap(&mut self, cx: Cx<'_>, dir: Direction, missing: u64) -> Progress {
                match self { $(Self::$name(p) => p.on_gap(cx, dir, missing)),+ }
            }

            /// See [`AppParser::on_end`].
            pub fn on_end(&mut self, cx: Cx<'_>, dir: Direction, rest: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
                match self { $(Self::$name(p) => p.on_end(cx, dir, rest, &mut |e| emit(Event::$name(e)))),+ }
            }

            /// See [`AppParser::take_wrapped`].
            pub fn take_wrapped(&mut self) -> Vec<Wrapped> {
                match self { $(Self::$name(p) => p.take_wrapped()),+ }
            }

            /// Bytes of memory that the parser takes: itself, and what it holds outside.
            pub fn size(&self) -> usize {
                match self { $(Self::$name(p) => size_of::<$parser>() + p.heap()),+ }
            }
        }

        /// An event of any protocol; lives for the call that it is given to.
        #[allow(missing_docs)]
        pub enum Event<'e> { $($name(<$parser as AppParser>::Event<'e>)),+ }

        impl Event<'_> {
            /// See [`super::api::Event::moment`].
            pub fn moment(&self) -> Option<(Timestamp, u64)> {
                match self { $(Self::$name(e) => e.moment()),+ }
            }

            /// The protocol.
            pub const fn protocol(&self) -> Protocol {
                match self { $(Self::$name(_) => Protocol::$name),+ }
            }

            /// The table that the event's row goes to, where it has one.
            pub fn table(&self) -> Option<&'static Table> {
                match self {
                    $(Self::$name(e) => if e.has_row() { e.table().or(<$parser as AppParser>::SPEC.table) } else { None }),+
                }
            }

            /// See [`super::api::Event::write`].
            pub fn write(&self, row: &mut RowWriter<'_>, reveal: Reveal) {
                match self { $(Self::$name(e) => e.write(row, reveal)),+ }
            }

            /// See [`super::api::Event::login`].
            pub fn login(&self) -> Option<Login<'_>> {
                match self { $(Self::$name(e) => e.login()),+ }
            }

            /// See [`super::api::Event::server_name`].
            pub fn server_name(&self) -> Option<(&'static str, &[u8])> {
                match self { $(Self::$name(e) => e.server_name()),+ }
            }

            /// See [`super::api::Event::service`].
            pub fn service(&self) -> Option<&'static str> {
                match self { $(Self::$name(e) => e.service()),+ }
            }

            /// See [`super::api::Event::upgrades`].
            pub fn upgrades(&self) -> bool {
                match self { $(Self::$name(e) => e.upgrades()),+ }
            }

            /// See [`super::api::Event::announces`].
            pub fn announces(&self, tell: &mut dyn FnMut(Announcement<'_>)) {
                match self { $(Self::$name(e) => e.announces(tell)),+ }
            }

            /// See [`super::api::Event::facts`].
            pub fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
                match self { $(Self::$name(e) => e.facts(tell)),+ }
            }

            /// See [`super::api::Event::leases`].
            pub fn leases(&self, tell: &mut dyn FnMut(About, Addr)) {
                match self { $(Self::$name(e) => e.leases(tell)),+ }
            }

            /// See [`super::api::Event::presents`].
            pub fn presents(&self) -> Option<Presented<'_>> {
                match self { $(Self::$name(e) => e.presents()),+ }
            }

            /// See [`super::api::Event::resolvers`].
            pub fn resolvers(&self, tell: &mut dyn FnMut(Addr)) {
                match self { $(Self::$name(e) => e.resolvers(tell)),+ }
            }
        }
    };
}

protocols! {
    Tls => super::tls::TlsParser,
    Dtls => super::dtls::Dtls,
    Http => super::web::http::Http,
    Http2 => super::web::http2::Http2,
    Ssh => super::remote::ssh::SshParser,
    Smb => super::windows::smb::Smb,
    Sip => super::voice::sip::Sip,
    Rtsp => super::voice::rtsp::Rtsp,
    Vnc => super::remote::vnc::Vnc,
    Adb => super::remote::adb::Adb,
    Dns => super::discovery::dns::Dns,
    Mdns => super::discovery::dns::Mdns,
    Llmnr => super::discovery::dns::Llmnr,
    Dhcp => super::discovery::dhcp::Dhcp,
    Dhcpv6 => super::discovery::dhcpv6::Dhcpv6,
    Ssdp => super::discovery::ssdp::Ssdp,
    Wsd => super::discovery::wsd::Wsd,
    Stun => super::voice::stun::Stun,
    Quic => super::quic::Quic,
    Snmp => super::management::snmp::Snmp,
    OpenVpn => super::remote::openvpn::OpenVpn,
    Ike => super::remote::ike::Ike,
    Jxta => super::remote::jxta::Jxta,
    Kerberos => super::windows::kerberos::Kerberos,
    Ldap => super::windows::ldap::Ldap,
    Rdp => super::windows::rdp::Rdp,
    Dcerpc => super::windows::dcerpc::Dcerpc,
    Nbns => super::windows::nbns::Nbns,
    Nbdgm => super::windows::nbdgm::Nbdgm,
    OncRpc => super::windows::oncrpc::OncRpc,
    Slp => super::discovery::slp::Slp,
    NatPmp => super::discovery::portmap::NatPmp,
    Pcp => super::discovery::portmap::Pcp,
    Ftp => super::files::ftp::Ftp,
    Smtp => super::mail::smtp::Smtp,
    Imap => super::mail::imap::Imap,
    Pop3 => super::mail::pop3::Pop3,
    Irc => super::mail::irc::Irc,
    Xmpp => super::mail::xmpp::Xmpp,
    Nntp => super::mail::nntp::Nntp,
    Rlogin => super::remote::rlogin::Rlogin,
    Telnet => super::remote::telnet::Telnet,
    Mqtt => super::iot::mqtt::Mqtt,
    Postgresql => super::database::postgresql::Postgresql,
    Redis => super::database::redis::Redis,
    Mssql => super::database::mssql::Mssql,
    Mysql => super::database::mysql::Mysql,
    Amqp => super::database::amqp::Amqp,
    Stomp => super::database::stomp::Stomp,
    Mongodb => super::database::mongodb::Mongodb,
    Cassandra => super::database::cassandra::Cassandra,
    Oracle => super::database::oracle::Oracle,
    Opcua => super::iot::opcua::Opcua,
    S7 => super::iot::s7comm::S7,
    Dnp3 => super::iot::telecontrol::Dnp3,
    Knx => super::iot::knx::Knx,
    Enip => super::iot::enip::Enip,
    Iec104 => super::iot::telecontrol::Iec104,
    H225 => super::voice::h323::H225,
    Mgcp => super::voice::mgcp::Mgcp,
    Megaco => super::voice::mgcp::Megaco,
    Bjnp => super::printing::canon::Bjnp,
    Enpc => super::printing::canon::Enpc,
    Pjl => super::printing::pjl::Pjl,
    Tacacs => super::management::tacacs::Tacacs,
    Radius => super::management::radius::Radius,
    Syslog => super::management::syslog::Syslog,
    FtpData => super::files::ftp_data::FtpData,
    Memcached => super::database::memcached::Memcached,
    Kafka => super::database::kafka::Kafka,
    Bacnet => super::iot::bacnet::Bacnet,
    Ntp => super::management::ntp::Ntp,
    Coap => super::iot::coap::Coap,
    Modbus => super::iot::modbus::Modbus,
    Socks => super::remote::socks::Socks,
    Tftp => super::files::tftp::Tftp,
    Iax => super::voice::iax::Iax,
    Skinny => super::voice::sccp::Sccp,
    Lpd => super::printing::lpd::Lpd,
    RawPrint => super::printing::raw::RawPrint,
    Rtp => super::voice::rtp::Rtp,
    Rsh => super::remote::rsh::Rsh,
    Rexec => super::remote::rsh::Rexec,
}

impl Protocol {
    /// Whether it runs over a transport.
    pub fn runs_over(self, transport: Transport) -> bool {
        self.spec().transports.contains(&transport)
    }

    /// The protocol of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|p| p.spec().name == name)
    }

    /// Protocols as a set of bits.
    pub const fn bit(self) -> u128 {
        1 << self as u8
    }

    /// All protocols that run over a transport, as a set of bits.
    pub fn over(transport: Transport) -> u128 {
        Self::ALL.iter().filter(|p| p.runs_over(transport)).fold(0, |set, p| set | p.bit())
    }

    /// The protocols of a set that may run between these ports. One that is bound to its ports gives way
    /// to the one it shares its format with where a port is that one's: a resolver that asks from 5353
    /// still asks port 53.
    pub fn between(set: u128, ports: [u16; 2]) -> u128 {
        /// Asked for each flow: the protocols that are bound, and the ports of those they give way to.
        static BOUND: LazyLock<Vec<(Protocol, Vec<u16>)>> = LazyLock::new(|| {
            let same = |a: Protocol, b: Protocol| {
                a.spec().table.zip(b.spec().table).is_some_and(|(a, b)| std::ptr::eq(a, b)) && !b.spec().port_bound
            };
            let bound = Protocol::ALL.iter().copied().filter(|p| p.spec().port_bound);
            let siblings = |p| Protocol::ALL.iter().filter(move |other| same(p, **other));
            bound.map(|p| (p, siblings(p).flat_map(|s| s.spec().ports).copied().collect())).collect()
        });
        let any = |list: &[u16]| list.iter().any(|port| ports.contains(port));
        let elsewhere = |(p, siblings): &&(Self, Vec<u16>)| !any(p.spec().ports) || any(siblings);
        BOUND.iter().filter(elsewhere).fold(set, |set, (p, _)| set & !p.bit())
    }

    /// The protocol whose server begins with this greeting ([`Spec::greets`]); the other answer of a probe
    /// is that more bytes are needed to tell.
    pub fn greeting(transport: Transport, dir: Direction, bytes: &[u8]) -> Result<Option<Self>, Probe> {
        let mut open = false;
        for protocol in Self::ALL.iter().copied().filter(|p| p.spec().greets && p.runs_over(transport)) {
            match protocol.probe(dir, bytes) {
                Probe::Yes => return Ok(Some(protocol)),
                Probe::NeedMore => open = true,
                Probe::No => {}
            }
        }
        if open { Err(Probe::NeedMore) } else { Ok(None) }
    }

    /// The protocol whose usual port this is.
    pub fn on_port(transport: Transport, port: u16) -> Option<Self> {
        /// Asked for each flow: the protocol of each port, by transport.
        static USUAL: LazyLock<[HashMap<u16, Protocol, ahash::RandomState>; 2]> = LazyLock::new(|| {
            [Transport::Tcp, Transport::Udp].map(|transport| {
                let mut usual = HashMap::default();
                for p in Protocol::ALL.iter().filter(|p| p.runs_over(transport)) {
                    for port in p.spec().ports {
                        usual.entry(*port).or_insert(*p);
                    }
                }
                usual
            })
        });
        let [tcp, udp] = &*USUAL;
        let usual = if transport == Transport::Tcp { tcp } else { udp };
        usual.get(&port).copied()
    }
}
