//! The frontend/backend protocol, version 3.0: messages out, messages in.
//!
//! `write.rs` appends messages to a buffer, `channel.rs` moves buffers through a socket, `message.rs` decodes what
//! came. Nothing here knows what a session or a request is. Read on: `session/`.

pub(crate) mod channel;
pub(crate) mod message;
pub(crate) mod write;

pub(crate) use channel::Channel;
pub(crate) use message::{Body, Message, tag};
