//! Voice and video: calls, media, and what opens the way for them.
