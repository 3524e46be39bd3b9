//! From frame bytes to [`Packet`]: link layers, tunnels, IP, transport headers.

pub mod packet;

pub use packet::{Kind, Packet, Quoted, TcpFields, Tunnel, Tunnels, Vlans};
