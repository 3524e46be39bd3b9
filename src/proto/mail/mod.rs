//! Mail, news and chat, and the logins that they share.

pub mod dots;
pub mod header;
pub mod imap;
mod imap_words;
pub mod irc;
pub mod nntp;
pub mod pop3;
pub mod sasl;
pub mod session;
pub mod smtp;
pub mod smtp_event;
mod smtp_words;
#[cfg(test)]
mod testing;
mod xml;
pub mod xmpp;
