//! Voice and video: calls, media, and what opens the way for them.

pub mod auth;
pub mod dial;
pub mod h323;
pub mod head;
pub mod iax;
pub mod mgcp;
pub mod rtp;
mod rtp_codec;
pub mod rtp_event;
pub mod rtsp;
pub mod rtsp_event;
pub mod sccp;
pub mod sdp;
pub mod sip;
pub mod sip_event;
pub mod stun;
pub mod stun_message;
