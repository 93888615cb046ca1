//! Where a hub's output goes: the seam between deciding and doing.

use str0m::net::Transmit;

use crate::event::Event;
use crate::message::Relay;

/// Implemented by the worker with sockets and queues, and by tests with lists.
pub trait Outlet {
    /// Send a datagram from the socket whose address is its source.
    fn transmit(&mut self, packet: Transmit);

    /// Tell the core's owner.
    fn event(&mut self, event: Event);

    /// Tell another thread; false if it was dropped, which happens to packets only.
    fn relay(&mut self, thread: usize, relay: Relay) -> bool;
}
