//! Media over TCP for peers whose network lets no UDP through (RFC 6544): we listen, they connect.
//!
//! A connection carries the same datagrams as a UDP socket, each as a frame. It is worth nothing until an authentic STUN
//! message has come over it, and little time, memory and company is given to it until then.

mod connection;
mod connections;
pub mod framing;

pub use connection::Connection;
pub use connections::{Connections, Limits};
