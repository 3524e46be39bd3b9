//! The web: HTTP and what runs in it.

pub mod http;
pub mod http_event;
pub mod http_head;
pub mod http_login;
