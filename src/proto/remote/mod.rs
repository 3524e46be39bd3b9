//! Remote access: shells, screens, debuggers.

pub mod adb;
pub mod adb_event;
pub mod dialogue;
pub mod dialogue_memory;
pub mod ike;
pub mod ike_names;
pub mod jxta;
pub mod openvpn;
pub mod rcmd;
pub mod rlogin;
pub mod rsh;
pub mod socks;
pub mod ssh;
pub mod ssh_key;
pub mod telnet;
pub mod telnet_options;
pub mod telnet_prompt;
pub mod vnc;
pub mod vnc_event;
