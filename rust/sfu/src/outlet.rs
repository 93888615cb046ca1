//! Where a router's output goes: the seam between deciding and doing.

use crate::event::Event;
use crate::id::{PipelineId, TransportId};
use crate::message::Relay;
use crate::path::Path;

/// Implemented by the worker with sockets and queues, and by tests with lists.
pub trait Outlet {
    /// Send one datagram of `length` bytes along `path`. `write` fills it where it leaves from, so that it is copied no
    /// further; it returns false to send nothing. The bytes it gets are not cleared.
    fn send(&mut self, path: Path, length: usize, write: &mut dyn FnMut(&mut [u8]) -> bool);

    /// Send a datagram that is written already.
    fn transmit(&mut self, path: Path, datagram: &[u8]) {
        self.send(path, datagram.len(), &mut |space| {
            space.copy_from_slice(datagram);
            true
        });
    }

    /// Close a TCP connection, after what was sent over it. Other paths have no end.
    fn hang_up(&mut self, path: Path);

    /// There is something to write to a pipeline: see `Router::pending`.
    fn pipe_ready(&mut self, _pipeline: PipelineId) {}

    /// A pipeline is closed: its socket is of no more use.
    fn close_pipe(&mut self, _pipeline: PipelineId) {}

    /// A transport of plain RTP is gone: its ports are free.
    fn close_ports(&mut self, _transport: TransportId) {}

    /// Tell the core's owner.
    fn event(&mut self, event: Event);

    /// Tell another thread; false if it was dropped, which happens to packets only.
    fn relay(&mut self, thread: usize, relay: Relay) -> bool;
}
