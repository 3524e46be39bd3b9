//! Which end of a flow is the originator.

use super::Flow;
use crate::decode::{Packet, TcpFields};
use crate::flow::key::{self, Keyed, protocol};

impl<A: Default> Flow<A> {
    /// Decides who the originator is, from the first packet that tells.
    pub(super) fn orient(&mut self, packet: &Packet, keyed: Keyed) {
        let from_orig = keyed.from_low == self.orig_is_low;
        let flip = match self.protocol {
            protocol::TCP => {
                let tcp = &packet.tcp;
                match (tcp.has(TcpFields::SYN), tcp.has(TcpFields::ACK)) {
                    (true, false) => !from_orig,
                    (true, true) => from_orig,
                    // Midstream: the end with the well-known port answers.
                    _ => server_like(self.orig_port, self.resp_port) || display_like(self.orig_port, self.resp_port),
                }
            }
            protocol::ICMP | protocol::ICMP6 => {
                let (_, one_way) = key::icmp_ports(self.protocol, packet.src_port, packet.dst_port);
                let asks = key::icmp_is_request(self.protocol, packet.src_port);
                // A group never asked: what is sent to one is not its answer.
                !one_way && asks != from_orig && !packet.dst.is_multicast()
            }
            _ => !self.resp_ip.is_multicast() && server_like(self.orig_port, self.resp_port),
        };
        self.oriented = true;
        if matches!(self.protocol, protocol::ICMP | protocol::ICMP6) {
            // Type and code, seen from whoever asked.
            let (ports, one_way) = key::icmp_ports(self.protocol, packet.src_port, packet.dst_port);
            let asks = one_way || packet.dst.is_multicast() || key::icmp_is_request(self.protocol, packet.src_port);
            self.orig_port = if asks { packet.src_port } else { ports.1 };
            self.resp_port = packet.dst_port;
            if flip {
                std::mem::swap(&mut self.orig_ip, &mut self.resp_ip);
            }
        } else if flip {
            std::mem::swap(&mut self.orig_ip, &mut self.resp_ip);
            std::mem::swap(&mut self.orig_port, &mut self.resp_port);
        }
        if flip {
            self.orig_is_low = !self.orig_is_low;
            self.sides.swap(0, 1);
            self.history.flip();
        }
    }
}

/// Whether `a` looks like the port of a server and `b` does not.
fn server_like(a: u16, b: u16) -> bool {
    /// Ports above 1023 on which servers listen as a rule.
    const HIGH: [u16; 21] = [
        1433, 1521, 1883, 2049, 3306, 3389, 5060, 5061, 5222, 5353, 5355, 5432, 5900, 6379, 8000, 8080, 8443, 8883,
        9100, 27017, 47808,
    ];
    let known = |p: u16| p != 0 && (p < 1024 || HIGH.binary_search(&p).is_ok());
    known(a) && !known(b)
}

/// Whether `a` is the port of an X11 display (6000 and its number) and `b` one that is given to clients.
fn display_like(a: u16, b: u16) -> bool {
    /// Where Linux begins to give out ports; others begin higher.
    const EPHEMERAL_MIN: u16 = 32_768;
    (6000..6064).contains(&a) && b >= EPHEMERAL_MIN
}
