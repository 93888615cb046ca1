//! Where a hub's output goes: the seam between deciding and doing.

use str0m::net::Transmit;

use crate::event::Event;
use crate::message::Relay;
use crate::path::Path;

/// Implemented by the worker with sockets and queues, and by tests with lists.
pub trait Outlet {
    /// Send one datagram of `length` bytes along `path`. `write` fills it where it leaves from, so that it is copied no
    /// further; it returns false to send nothing. The bytes it gets are not cleared.
    fn send(&mut self, path: Path, length: usize, write: &mut dyn FnMut(&mut [u8]) -> bool);

    /// Send a datagram of str0m's.
    fn transmit(&mut self, packet: &Transmit) {
        self.send(Path::of(packet), packet.contents.len(), &mut |space| {
            space.copy_from_slice(&packet.contents);
            true
        });
    }

    /// Tell the core's owner.
    fn event(&mut self, event: Event);

    /// Tell another thread; false if it was dropped, which happens to packets only.
    fn relay(&mut self, thread: usize, relay: Relay) -> bool;
}
