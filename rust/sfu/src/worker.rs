//! One thread: the only place that reads and writes sockets and asks what time it is. Everything else is the hub's.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::net::Protocol;

use crate::event::{Event, EventQueue};
use crate::hub::Hub;
use crate::io::{Poll, Receiver, Sender};
use crate::mailbox::Mailbox;
use crate::message::{Message, Relay};
use crate::outlet::Outlet;
use crate::path::Path;
use crate::stats::ThreadStats;
use crate::transport::panic_message;

/// Bursts read from one socket before the others have their turn.
const BURSTS_PER_TURN: usize = 4;
/// Time spent on messages before the sockets have their turn.
const MESSAGES_PER_TURN: Duration = Duration::from_millis(5);
/// Descriptor number of the mailbox; the sockets follow.
const MAILBOX: usize = 0;

pub struct Worker {
    thread: usize,
    hub: Hub,
    poll: Poll,
    receiver: Receiver,
    out: Wires,
}

/// The hub's outlet: sockets, events and the other threads.
struct Wires {
    thread: usize,
    sockets: Vec<(SocketAddr, Sender)>,
    mailboxes: Arc<[Mailbox]>,
    events: Arc<EventQueue>,
    stats: Arc<ThreadStats>,
}

impl Worker {
    pub fn new(
        thread: usize,
        hub: Hub,
        sockets: Vec<UdpSocket>,
        mailboxes: Arc<[Mailbox]>,
        events: Arc<EventQueue>,
        stats: Arc<ThreadStats>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.add(mailboxes[thread].fd(), MAILBOX)?;
        let mut bound = Vec::with_capacity(sockets.len());
        for (index, socket) in sockets.into_iter().enumerate() {
            poll.add(std::os::fd::AsRawFd::as_raw_fd(&socket), index + 1)?;
            bound.push((socket.local_addr()?, Sender::new(socket)));
        }
        let out = Wires { thread, sockets: bound, mailboxes, events, stats };
        Ok(Self { thread, hub, poll, receiver: Receiver::default(), out })
    }

    /// Run until the mailbox is stopped; then say goodbye to every peer.
    ///
    /// A panic of the hub itself is a bug, and costs this thread's transports; it must not cost those to come.
    pub fn run(mut self) {
        while !self.out.mailboxes[self.thread].stopped() {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.turn())) {
                self.hub = self.hub.replace(panic_message(payload.as_ref()), &mut self.out);
            }
        }
        self.hub.close(Instant::now(), &mut self.out);
        self.out.flush();
    }

    /// Wait for something to do, and do it.
    fn turn(&mut self) {
        let timeout = self.hub.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        let ready: Vec<usize> = self.poll.wait(timeout).collect();
        for token in ready {
            match token {
                MAILBOX => self.read_messages(),
                socket => self.read_socket(socket - 1),
            }
        }
        self.hub.timeout(Instant::now(), &mut self.out);
        self.out.flush();
    }

    fn read_messages(&mut self) {
        let start = Instant::now();
        let mut now = start;
        while now < start + MESSAGES_PER_TURN {
            let Some(message) = self.out.mailboxes[self.thread].pop() else { break };
            self.hub.handle(now, message, &mut self.out);
            now = Instant::now();
        }
    }

    fn read_socket(&mut self, index: usize) {
        for _ in 0..BURSTS_PER_TURN {
            let (local, socket) = &self.out.sockets[index];
            let (local, more) = (*local, self.receiver.receive(socket.socket()));
            let now = Instant::now();
            let (mut packets, mut bytes) = (0, 0);
            for (source, datagram) in self.receiver.datagrams() {
                packets += 1;
                bytes += datagram.len() as u64;
                if let Some(source) = source {
                    self.hub.receive(now, Path::udp(local, source), datagram, &mut self.out);
                }
            }
            self.hub.forward(now, &mut self.out);
            let stats = &self.out.stats;
            stats.receive_calls.add(1);
            stats.packets_received.add(packets);
            stats.bytes_received.add(bytes);
            if !more {
                break;
            }
        }
    }
}

impl Wires {
    fn flush(&mut self) {
        for index in 0..self.sockets.len() {
            self.flush_socket(index);
        }
    }

    fn flush_socket(&mut self, index: usize) {
        let flushed = self.sockets[index].1.flush();
        if flushed.calls > 0 {
            self.stats.packets_sent.add(flushed.packets);
            self.stats.bytes_sent.add(flushed.bytes);
            self.stats.packets_dropped.add(flushed.dropped);
            self.stats.send_calls.add(flushed.calls);
        }
    }
}

impl Outlet for Wires {
    fn send(&mut self, path: Path, length: usize, write: &mut dyn FnMut(&mut [u8]) -> bool) {
        let wire = self.sockets.iter().position(|(local, _)| *local == path.local);
        let Some(index) = wire.filter(|_| path.protocol == Protocol::Udp) else {
            self.stats.packets_dropped.add(1);
            return;
        };
        if self.sockets[index].1.is_full(length) {
            self.flush_socket(index);
        }
        if !self.sockets[index].1.push(path.remote, length, write) {
            self.stats.packets_dropped.add(1); // longer than any datagram
        }
    }

    fn event(&mut self, event: Event) {
        if !self.events.push(event) {
            self.stats.events_dropped.add(1);
        }
    }

    fn relay(&mut self, thread: usize, relay: Relay) -> bool {
        debug_assert_ne!(thread, self.thread, "a thread does not talk to itself");
        let Some(mailbox) = self.mailboxes.get(thread) else { return false };
        match mailbox.post(Message::Relay(relay)) {
            Ok(()) => true,
            Err(Message::Relay(Relay::Packets { packets, .. })) => {
                self.stats.packets_dropped.add(packets.len() as u64);
                false
            }
            Err(_) => false,
        }
    }
}
