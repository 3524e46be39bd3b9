//! Remote access: shells, screens, debuggers.

pub mod socks;
pub mod ssh;
pub mod telnet;
pub mod telnet_prompt;
