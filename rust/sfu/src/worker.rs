//! One thread: the only place that reads and writes sockets and asks what time it is. Everything else is the router's.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::net::Protocol;

use crate::core::Sockets;
use crate::event::{Event, EventQueue};
use crate::fault::panic_message;
use crate::id::{PipelineId, TransportId};
use crate::io::{Poll, Receiver, Sender};
use crate::mailbox::Mailbox;
use crate::message::{Command, Message, Relay};
use crate::outlet::Outlet;
use crate::path::Path;
use crate::pipes::Pipes;
use crate::ports::Ports;
use crate::router::Router;
use crate::stats::ThreadStats;
use crate::tcp::{Connections, Limits};

/// Bursts read from one socket before the others have their turn. It is nearly always empty before that.
const BURSTS_PER_TURN: usize = 16;
/// Time spent on messages before the sockets have their turn.
const MESSAGES_PER_TURN: Duration = Duration::from_millis(5);
/// Read from one connection before the others have their turn.
const READS_PER_TURN: usize = 4;
/// Bytes read from a connection at once.
const READ: usize = 16 << 10;
/// Bytes read from a pipeline at once.
const PIPE_READ: usize = 256 << 10;
/// Descriptor number of the mailbox; UDP sockets, listeners and connections follow.
const MAILBOX: usize = 0;

pub struct Worker {
    thread: usize,
    router: Router,
    poll: Poll,
    receiver: Receiver,
    read: Box<[u8]>,
    pipe_read: Box<[u8]>,
    /// The mailbox was not empty when it was last looked into, or something is new in it.
    unread: bool,
    out: Wires,
}

/// The router's outlet: sockets, events and the other threads.
struct Wires {
    thread: usize,
    sockets: Vec<(SocketAddr, Sender)>,
    connections: Connections,
    pipes: Pipes,
    ports: Ports,
    /// When the turn began: what a connection has taken or not since is told by it.
    now: Instant,
    mailboxes: Arc<[Mailbox]>,
    events: Arc<EventQueue>,
    stats: Arc<ThreadStats>,
}

impl Worker {
    pub fn new(
        thread: usize,
        router: Router,
        sockets: Sockets,
        limits: Limits,
        mailboxes: Arc<[Mailbox]>,
        events: Arc<EventQueue>,
        stats: Arc<ThreadStats>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.watch().add_edges(mailboxes[thread].fd(), MAILBOX)?;
        let mut bound = Vec::with_capacity(sockets.udp.len());
        for (index, socket) in sockets.udp.into_iter().enumerate() {
            poll.watch().add(socket.as_raw_fd(), index + 1)?;
            bound.push((socket.local_addr()?, Sender::new(socket)));
        }
        let (watch, first) = (poll.watch().clone(), bound.len() + 1);
        let (pipes, ports) = (Pipes::new(watch.clone()), Ports::new(watch.clone()));
        let connections = Connections::new(sockets.tcp, limits, watch, first, stats.clone())?;
        let now = Instant::now();
        let out = Wires { thread, sockets: bound, connections, pipes, ports, now, mailboxes, events, stats };
        let read = vec![0; READ].into_boxed_slice();
        let pipe_read = vec![0; PIPE_READ].into_boxed_slice();
        Ok(Self { thread, router, poll, receiver: Receiver::default(), read, pipe_read, unread: false, out })
    }

    /// Run until the mailbox is stopped; then say goodbye to every peer.
    ///
    /// A panic of the router itself is a bug, and costs this thread's transports; it must not cost those to come.
    pub fn run(mut self) {
        while !self.out.mailboxes[self.thread].stopped() {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.turn())) {
                self.router = self.router.replace(panic_message(payload.as_ref()), &mut self.out);
            }
        }
        self.router.close(Instant::now(), &mut self.out);
        self.out.flush();
    }

    /// Wait for something to do, and do it.
    fn turn(&mut self) {
        let deadline = [self.router.deadline(), self.out.connections.deadline()].into_iter().flatten().min();
        let timeout = match deadline {
            _ if self.unread => Some(Duration::ZERO),
            deadline => deadline.map(|at| at.saturating_duration_since(Instant::now())),
        };
        let ready: Vec<usize> = self.poll.wait(timeout).collect();
        self.out.now = Instant::now();
        for token in ready {
            match token {
                MAILBOX => self.unread = true,
                socket if socket <= self.out.sockets.len() => self.read_socket(socket - 1),
                pipe if Pipes::is_one(pipe) => self.serve_pipe(pipe),
                port if Ports::is_one(port) => self.read_port(port),
                other if self.out.connections.accept(other, self.out.now) => self.tell_gone(),
                connection => self.read_connection(connection),
            }
        }
        if self.unread {
            self.read_messages();
        }
        let now = Instant::now();
        self.out.now = now;
        self.router.timeout(now, &mut self.out);
        self.out.connections.timeout(now);
        self.write_pipes();
        self.out.flush();
        self.tell_gone();
    }

    /// Tell the router of connections that have ended.
    fn tell_gone(&mut self) {
        for path in self.out.connections.take_gone() {
            self.router.hung_up(path);
        }
    }

    /// Write what waited for a connection, and read what has come.
    fn read_connection(&mut self, token: usize) {
        let now = self.out.now;
        self.out.connections.flush_one(token, now);
        let Some((path, mut inbox)) = self.out.connections.take_inbox(token) else { return };
        let (router, out) = (&mut self.router, &mut self.out);
        for _ in 0..READS_PER_TURN {
            let Some(read) = out.connections.read(token, &mut self.read) else { return };
            let ended = match read {
                Ok(0) => true,
                Ok(count) => {
                    out.stats.receive_calls.add(1);
                    out.stats.bytes_received.add(count as u64);
                    let fed = inbox.feed(&self.read[..count], |frame| {
                        out.stats.packets_received.add(1);
                        // A stranger's first frame shows whose it is, or there will be no second.
                        if out.connections.is_open(token) {
                            let known = router.receive(now, path, frame, out);
                            out.connections.judge(token, known);
                        }
                    });
                    if fed.is_err() {
                        out.connections.judge(token, false);
                    }
                    fed.is_err()
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => error.kind() != io::ErrorKind::Interrupted,
            };
            if ended {
                out.connections.lose(token);
                break;
            }
        }
        out.connections.put_inbox(token, inbox);
        router.forward(now, out);
        self.tell_gone();
    }

    fn read_messages(&mut self) {
        let start = Instant::now();
        let mut now = start;
        while now < start + MESSAGES_PER_TURN {
            let Some(mut message) = self.out.mailboxes[self.thread].pop() else {
                self.unread = false;
                break;
            };
            self.open_pipe(&mut message);
            self.open_ports(&mut message);
            self.router.handle(now, message, &mut self.out);
            now = Instant::now();
        }
    }

    /// A new pipeline's socket stays here; the router does the rest.
    fn open_pipe(&mut self, message: &mut Message) {
        let Message::Command(Command::OpenPipeline { pipeline, stream }) = message else { return };
        if let Some(stream) = stream.take()
            && let Err(error) = self.out.pipes.open(*pipeline, stream)
        {
            self.out.event(Event::PipelineLost { pipeline: *pipeline, reason: error.to_string() });
        }
    }

    /// The same with the sockets of a new transport of plain RTP.
    fn open_ports(&mut self, message: &mut Message) {
        let Message::Command(Command::OpenRtp { transport, sockets, .. }) = message else { return };
        if let Some(sockets) = sockets.take()
            && let Err(error) = self.out.ports.open(*transport, sockets)
        {
            let transport = *transport;
            self.out.ports.close(transport);
            self.out.event(Event::Lost { transport, reason: error.to_string() });
            *message = Message::Command(Command::CloseTransport { transport }); // instead of opening it
        }
    }

    /// Read what has come to a port of a transport of plain RTP.
    fn read_port(&mut self, token: usize) {
        for _ in 0..BURSTS_PER_TURN {
            let Some((transport, control, local, socket)) = self.out.ports.port(token) else { break };
            let more = self.receiver.receive(socket);
            let now = Instant::now();
            let (mut packets, mut bytes) = (0, 0);
            for (source, datagram) in self.receiver.datagrams() {
                packets += 1;
                bytes += datagram.len() as u64;
                if let Some(source) = source {
                    let path = Path::udp(local, source);
                    self.router.receive_rtp(transport, control, now, path, datagram, &mut self.out);
                }
            }
            let stats = &self.out.stats;
            stats.receive_calls.add(1);
            stats.packets_received.add(packets);
            stats.bytes_received.add(bytes);
            if !more {
                break;
            }
        }
        self.router.forward(Instant::now(), &mut self.out);
    }

    /// Read what a pipeline has written; it may also take more than before.
    fn serve_pipe(&mut self, token: usize) {
        let Some(id) = self.out.pipes.pipeline(token) else { return };
        self.out.pipes.mark(id);
        for _ in 0..READS_PER_TURN {
            let Some(read) = self.out.pipes.read(id, &mut self.pipe_read) else { return };
            match read {
                Ok(count) if count > 0 => {
                    let now = Instant::now();
                    self.router.read_pipeline(id, &self.pipe_read[..count], now, &mut self.out);
                    if count < self.pipe_read.len() {
                        return;
                    }
                }
                Ok(_) => return self.router.lose_pipeline(id, "it has closed its socket", &mut self.out),
                Err(error) => return self.router.lose_pipeline(id, &error.to_string(), &mut self.out),
            }
        }
    }

    fn write_pipes(&mut self) {
        for id in self.out.pipes.take_ready() {
            loop {
                let Some(bytes) = self.router.pending(id) else {
                    self.out.pipes.drained(id);
                    break;
                };
                match self.out.pipes.write(id, bytes) {
                    Some(Ok(count)) => self.router.written(id, count),
                    Some(Err(error)) => {
                        self.router.lose_pipeline(id, &error.to_string(), &mut self.out);
                        break;
                    }
                    None => break,
                }
            }
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
                    self.router.receive(now, Path::udp(local, source), datagram, &mut self.out);
                }
            }
            let stats = &self.out.stats;
            stats.receive_calls.add(1);
            stats.packets_received.add(packets);
            stats.bytes_received.add(bytes);
            if !more {
                break;
            }
        }
        self.router.forward(Instant::now(), &mut self.out);
    }
}

impl Wires {
    fn flush(&mut self) {
        for index in 0..self.sockets.len() {
            self.flush_socket(index);
        }
        self.connections.flush(self.now);
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
        if path.protocol == Protocol::Tcp {
            if self.connections.push(path, length, self.now, write) {
                self.stats.packets_sent.add(1);
            } else {
                self.stats.packets_dropped.add(1);
            }
            return;
        }
        let Some(index) = self.sockets.iter().position(|(local, _)| *local == path.local) else {
            match self.ports.send(path.local, path.remote, length, write) {
                Some(bytes) if bytes > 0 => {
                    self.stats.packets_sent.add(1);
                    self.stats.bytes_sent.add(bytes as u64);
                    self.stats.send_calls.add(1);
                }
                _ => self.stats.packets_dropped.add(1),
            }
            return;
        };
        if self.sockets[index].1.is_full(length) {
            self.flush_socket(index);
        }
        if !self.sockets[index].1.push(path.remote, length, write) {
            self.stats.packets_dropped.add(1); // longer than any datagram
        }
    }

    fn pipe_ready(&mut self, pipeline: PipelineId) {
        self.pipes.mark(pipeline);
    }

    fn close_pipe(&mut self, pipeline: PipelineId) {
        self.pipes.close(pipeline);
    }

    fn close_ports(&mut self, transport: TransportId) {
        self.ports.close(transport);
    }

    fn hang_up(&mut self, path: Path) {
        self.connections.hang_up(path, self.now);
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
            Err(_) => false, // the router counts what was said in vain
        }
    }
}
