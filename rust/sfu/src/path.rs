//! The way between one of our addresses and one of a peer's.

use std::net::SocketAddr;

use str0m::net::{Protocol, Transmit};

/// Where a datagram came from or goes to. Over TCP it is a frame (RFC 4571).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    pub protocol: Protocol,
    pub local: SocketAddr,
    pub remote: SocketAddr,
}

impl Path {
    pub fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { protocol: Protocol::Udp, local, remote }
    }

    /// The way a datagram of str0m's is to take.
    pub fn of(packet: &Transmit) -> Self {
        Self { protocol: packet.proto, local: packet.source, remote: packet.destination }
    }
}
