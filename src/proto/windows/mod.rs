//! Directories, shares and logins of office networks.

pub mod ber;
pub mod dcerpc;
pub mod dcerpc_names;
pub mod gss;
pub mod kerberos;
pub mod kerberos_message;
pub mod ldap;
pub mod ldap_message;
pub mod nbdgm;
pub mod nbns;
pub mod netbios;
pub mod oncrpc;
pub mod rdp;
mod rdpudp;
pub mod smb;
pub mod smb1;
pub mod smb2;
pub mod smb_event;

#[cfg(test)]
pub(crate) mod testing {
    use crate::base::{Addr, Mac, Timestamp};
    use crate::proto::api::{Cx, FlowView, LimitCount, Transport};

    /// Runs a test that needs to know when and where.
    pub fn with_cx(test: impl FnOnce(&Cx<'_>)) {
        let flow = FlowView {
            flow_id: 1,
            capture: 0,
            orig_ip: Addr::v4([192, 0, 2, 1]),
            orig_port: 40_000,
            resp_ip: Addr::v4([198, 51, 100, 2]),
            resp_port: 445,
            orig_mac: Mac([2, 0, 0, 0, 0, 1]),
            resp_mac: Mac([2, 0, 0, 0, 0, 2]),
            transport: Transport::Tcp,
            from_start: true,
        };
        test(&Cx { ts: Timestamp::from_parts(1, 0), packet: 1, flow: &flow, limited: &LimitCount::default() });
    }
}
