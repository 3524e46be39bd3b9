//! The web: HTTP and what runs in it.

pub mod hpack;
pub mod http;
pub mod http2;
pub mod http_blank;
pub mod http_body;
pub mod http_device;
pub mod http_event;
pub mod http_form;
pub mod http_head;
pub mod http_keys;
mod http_ledger;
pub mod http_login;
pub mod http_message;
pub mod http_outcome;
pub mod http_probe;
pub mod http_soap;
mod http_words;
pub mod http_xml;
pub mod ipp;
