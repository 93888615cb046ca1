//! The handle: binds the sockets, starts and joins the threads, takes commands. Nothing here waits for a thread, except
//! [`Core::close`].

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use str0m::format::CodecSpec;

use crate::channel::Groups;
use crate::clock::Clock;
use crate::event::{Event, EventQueue};
use crate::id::{ConsumerId, GroupId, IdSource, PipelineId, ProducerId, TransportId};
use crate::layers::Wish;
use crate::mailbox::Mailbox;
use crate::message::{Command, Message};
use crate::ports::Range;
use crate::router::Router;
use crate::srtp;
use crate::stats::{Registry, ThreadStats, TransportStats};
use crate::tcp::Limits;
use crate::transport::Setup;
use crate::transport::rtp::{Local, Section};
use crate::worker::Worker;

/// Ids have one byte for the thread.
pub const MAX_THREADS: usize = 256;
/// How long [`Core::close`] waits for the threads.
const GOODBYE: Duration = Duration::from_secs(2);
/// Attempts to find a port that is free at every address.
const PORT_ATTEMPTS: usize = 32;

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Addresses of this machine; each thread has a socket at each, and with `tcp` a listener on the same port.
    pub addresses: Vec<IpAddr>,
    /// Port of the first thread, the others follow. 0: any, the same at all addresses of a thread.
    pub port: u16,
    pub threads: usize,
    /// What TCP connections get; None: media over UDP only.
    pub tcp: Option<Limits>,
    /// A transport that has not connected by then is lost.
    pub connect_timeout: Duration,
}

/// A socket that could not be bound.
#[derive(Debug)]
pub struct BindError {
    /// UDP or TCP.
    pub protocol: &'static str,
    pub address: SocketAddr,
    pub source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {} {}: {}", self.protocol, self.address, self.source)
    }
}

impl std::error::Error for BindError {}

/// A thread's queue is full; nothing was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// The packet core of a node. Dropping it stops the threads without waiting for them.
#[derive(Debug)]
pub struct Core {
    ids: IdSource,
    ports: Vec<u16>,
    mailboxes: Arc<[Mailbox]>,
    events: Arc<EventQueue>,
    stats: Vec<Arc<ThreadStats>>,
    registry: Arc<Registry>,
    /// Transports that have a name and a group, but no offer yet.
    named: Mutex<HashMap<TransportId, GroupId>>,
    rtp_ports: Range,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Core {
    pub fn start(options: &Options) -> Result<Self, BindError> {
        let address = SocketAddr::from(([0; 4], 0));
        let fail = |source| BindError { protocol: "media", address, source };
        let bound =
            (0..options.threads).map(|thread| bind_thread(options, thread)).collect::<Result<Vec<_>, _>>()?;
        let certificate = str0m::crypto::from_feature_flags()
            .dtls_provider
            .generate_certificate()
            .ok_or_else(|| fail(io::Error::other("no DTLS certificate")))?;
        let mailboxes: Arc<[Mailbox]> = (0..options.threads)
            .map(|_| Mailbox::new())
            .collect::<io::Result<Vec<_>>>()
            .map_err(fail)?
            .into();
        let mut core = Self {
            ids: IdSource::default(),
            ports: Vec::new(),
            mailboxes,
            events: Arc::new(EventQueue::new().map_err(fail)?),
            stats: Vec::new(),
            registry: Arc::default(),
            named: Mutex::default(),
            rtp_ports: Range::default(),
            threads: Mutex::default(),
        };
        let groups = Arc::<Groups>::default();
        let clock = Clock::new(Instant::now(), SystemTime::now()).with_monotonic(crate::io::monotonic_ns());
        let mut workers = Vec::new();
        for (thread, sockets) in bound.into_iter().enumerate() {
            let udp = sockets.udp.iter().map(UdpSocket::local_addr);
            let addresses = udp.collect::<io::Result<Vec<_>>>().map_err(fail)?;
            core.ports.extend(addresses.first().map(SocketAddr::port));
            let setup = Setup {
                certificate: certificate.clone(),
                crypto: srtp::crypto_provider(),
                addresses,
                tcp: options.tcp.is_some(),
                groups: groups.clone(),
                connect_timeout: options.connect_timeout,
                clock,
            };
            let stats = Arc::<ThreadStats>::default();
            core.stats.push(stats.clone());
            let limits = options.tcp.clone().unwrap_or_default();
            let router = Router::new(thread, setup, stats.clone(), core.registry.clone());
            let worker = Worker::new(
                thread,
                router,
                sockets,
                limits,
                core.mailboxes.clone(),
                core.events.clone(),
                stats,
            );
            workers.push(worker.map_err(fail)?);
        }
        for (thread, worker) in workers.into_iter().enumerate() {
            let builder = std::thread::Builder::new().name(format!("media-{thread}"));
            let handle = builder.spawn(move || worker.run()).map_err(fail)?;
            core.threads.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        }
        Ok(core)
    }

    /// The port of each thread, for UDP and TCP.
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Readable while events wait.
    pub fn event_fd(&self) -> RawFd {
        self.events.fd()
    }

    /// Everything that happened since the last call.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        self.events.take().into_iter()
    }

    /// Name a transport; None if there is no such thread.
    pub fn create_transport(&self, thread: usize, group: GroupId) -> Option<TransportId> {
        self.mailboxes.get(thread)?;
        let id = TransportId(self.ids.next(thread));
        self.named().insert(id, group);
        Some(id)
    }

    pub fn negotiate(&self, transport: TransportId, request: u64, offer: String) -> Result<(), Busy> {
        let first = self.named().remove(&transport);
        let sent = self.send(transport.thread(), Command::Negotiate { transport, request, offer, first });
        if let (Err(Busy), Some(group)) = (sent, first) {
            self.named().insert(transport, group);
        }
        sent
    }

    pub fn add_candidate(&self, transport: TransportId, candidate: String) -> Result<(), Busy> {
        self.send(transport.thread(), Command::AddCandidate { transport, candidate })
    }

    /// Open a transport of plain RTP on two free ports of `first` to `last`; returns it and the lower one. What it
    /// publishes is played together with what `beside` publishes.
    pub fn open_rtp(
        &self,
        thread: usize,
        address: IpAddr,
        (first, last): (u16, u16),
        beside: Option<TransportId>,
    ) -> io::Result<Result<(TransportId, u16), Busy>> {
        let mut ssrc = [0; 4];
        aws_lc_rs::rand::fill(&mut ssrc).map_err(|_| io::Error::other("no random numbers"))?;
        let sockets = self.rtp_ports.bind(address, first, last)?;
        let local = Local { media: sockets[0].local_addr()?, control: sockets[1].local_addr()? };
        let transport = TransportId(self.ids.next(thread));
        let ssrc = u32::from_be_bytes(ssrc).max(1);
        let command = Command::OpenRtp { transport, local, beside, ssrc, sockets: Some(sockets) };
        Ok(self.send(thread, command).map(|()| (transport, local.media.port())))
    }

    pub fn set_rtp(&self, transport: TransportId, section: Section) -> Result<(), Busy> {
        self.send(transport.thread(), Command::SetRtp { transport, section: Box::new(section) })
    }

    pub fn send_digits(&self, transport: TransportId, digits: String) -> Result<(), Busy> {
        self.send(transport.thread(), Command::SendDigits { transport, digits })
    }

    /// A consumer's peer has asked for a key frame, other than by RTCP.
    pub fn refresh(&self, consumer: ConsumerId) -> Result<(), Busy> {
        self.send(consumer.thread(), Command::Refresh { consumer })
    }

    pub fn publish(&self, transport: TransportId, mid: String) -> Result<ProducerId, Busy> {
        let producer = ProducerId(self.ids.next(transport.thread()));
        self.send(transport.thread(), Command::Publish { producer, transport, mid })?;
        Ok(producer)
    }

    pub fn unpublish(&self, producer: ProducerId) -> Result<(), Busy> {
        self.send(producer.thread(), Command::Unpublish { producer })
    }

    pub fn subscribe(
        &self,
        producer: ProducerId,
        transport: TransportId,
        mid: String,
    ) -> Result<ConsumerId, Busy> {
        let consumer = ConsumerId(self.ids.next(transport.thread()));
        self.send(transport.thread(), Command::Subscribe { consumer, producer, transport, mid })?;
        Ok(consumer)
    }

    /// Exchange frames with a process over this socket.
    pub fn open_pipeline(&self, thread: usize, stream: UnixStream) -> Result<PipelineId, Busy> {
        let pipeline = PipelineId(self.ids.next(thread));
        self.send(thread, Command::OpenPipeline { pipeline, stream: Some(stream) })?;
        Ok(pipeline)
    }

    pub fn close_pipeline(&self, pipeline: PipelineId) -> Result<(), Busy> {
        self.send(pipeline.thread(), Command::ClosePipeline { pipeline })
    }

    /// A producer that a pipeline will make.
    pub fn create_output(&self, thread: usize, format: CodecSpec) -> Result<ProducerId, Busy> {
        let producer = ProducerId(self.ids.next(thread));
        self.send(thread, Command::CreateOutput { producer, format })?;
        Ok(producer)
    }

    /// Both have to live on one thread.
    pub fn connect_output(&self, producer: ProducerId, pipeline: PipelineId, track: u32) -> Result<(), Busy> {
        self.send(producer.thread(), Command::ConnectOutput { producer, pipeline, track })
    }

    /// Give a producer's frames to a pipeline, as `track`.
    pub fn tap(&self, producer: ProducerId, pipeline: PipelineId, track: u32) -> Result<ConsumerId, Busy> {
        let consumer = ConsumerId(self.ids.next(pipeline.thread()));
        self.send(pipeline.thread(), Command::Tap { consumer, producer, pipeline, track })?;
        Ok(consumer)
    }

    pub fn unsubscribe(&self, consumer: ConsumerId) -> Result<(), Busy> {
        self.send(consumer.thread(), Command::Unsubscribe { consumer })
    }

    pub fn set_producer_active(&self, producer: ProducerId, active: bool) -> Result<(), Busy> {
        self.send(producer.thread(), Command::SetProducerActive { producer, active })
    }

    pub fn set_consumer_active(&self, consumer: ConsumerId, active: bool) -> Result<(), Busy> {
        self.send(consumer.thread(), Command::SetConsumerActive { consumer, active })
    }

    pub fn set_layer(&self, consumer: ConsumerId, wish: Wish) -> Result<(), Busy> {
        self.send(consumer.thread(), Command::SetLayer { consumer, wish })
    }

    pub fn close_transport(&self, transport: TransportId) -> Result<(), Busy> {
        self.named().remove(&transport);
        self.send(transport.thread(), Command::CloseTransport { transport })
    }

    /// Counters and gauges of each thread.
    pub fn stats(&self) -> Vec<Vec<(&'static str, u64)>> {
        self.stats.iter().map(|stats| stats.snapshot()).collect()
    }

    pub fn transport_stats(&self, transport: TransportId) -> Option<Arc<TransportStats>> {
        self.registry.get(transport)
    }

    /// Close every transport, stop and join the threads; a thread that does not end in time is left to itself.
    pub fn close(&self) {
        self.stop();
        let deadline = Instant::now() + GOODBYE;
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(1));
            }
            if thread.is_finished() {
                let _ = thread.join(); // its panic was reported where it happened
            }
        }
    }

    fn stop(&self) {
        for mailbox in self.mailboxes.iter() {
            mailbox.stop();
        }
    }

    fn named(&self) -> std::sync::MutexGuard<'_, HashMap<TransportId, GroupId>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread that does not exist owns nothing: what is said to it is ignored, like every unknown id.
    fn send(&self, thread: usize, command: Command) -> Result<(), Busy> {
        let Some(mailbox) = self.mailboxes.get(thread) else { return Ok(()) };
        mailbox.post(Message::Command(command)).map_err(|_| Busy)
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The sockets of one thread, all on one port.
#[derive(Debug)]
pub struct Sockets {
    pub udp: Vec<UdpSocket>,
    pub tcp: Vec<TcpListener>,
}

fn bind_thread(options: &Options, thread: usize) -> Result<Sockets, BindError> {
    let (addresses, port, tcp) = (&options.addresses, options.port, options.tcp.is_some());
    if port != 0 {
        let port = u16::try_from(usize::from(port) + thread).map_err(|_| BindError {
            protocol: "UDP",
            address: SocketAddr::new(addresses[0], port),
            source: io::Error::new(io::ErrorKind::InvalidInput, "port out of range"),
        })?;
        return bind_all(addresses, port, tcp);
    }
    let mut result = bind_all(addresses, 0, tcp);
    for _ in 1..PORT_ATTEMPTS {
        match &result {
            Err(error) if error.source.kind() == io::ErrorKind::AddrInUse => {
                result = bind_all(addresses, 0, tcp);
            }
            _ => break,
        }
    }
    result
}

fn bind_all(addresses: &[IpAddr], mut port: u16, tcp: bool) -> Result<Sockets, BindError> {
    let mut sockets = Sockets { udp: Vec::with_capacity(addresses.len()), tcp: Vec::new() };
    for ip in addresses {
        let address = SocketAddr::new(*ip, port);
        let fail = |protocol| move |source| BindError { protocol, address, source };
        let socket = crate::io::bind(address).map_err(fail("UDP"))?;
        port = socket.local_addr().map_err(fail("UDP"))?.port();
        sockets.udp.push(socket);
        if tcp {
            let address = SocketAddr::new(*ip, port);
            let fail = |source| BindError { protocol: "TCP", address, source };
            sockets.tcp.push(crate::io::listen(address).map_err(fail)?);
        }
    }
    Ok(sockets)
}
