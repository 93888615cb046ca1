//! A world in memory: routers, clients and the network between them, on virtual time.
#![allow(dead_code, reason = "no test uses all of it")]

pub mod call;
pub mod camera;
pub mod client;
pub mod film;
pub mod flow;
pub mod link;
pub mod peer;
pub mod phone;
pub mod picture;
pub mod pipeline;
pub mod profile;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use palaver_sfu::channel::Groups;
use palaver_sfu::clock::Clock;
use palaver_sfu::event::Event;
use palaver_sfu::id::{ConsumerId, IdSource, PipelineId, ProducerId, TransportId};
use palaver_sfu::message::{Command, Message, Relay};
use palaver_sfu::outlet::Outlet;
use palaver_sfu::path::Path;
use palaver_sfu::router::{Census, Router};
use palaver_sfu::srtp;
use palaver_sfu::stats::{Registry, ThreadStats};
use palaver_sfu::transport::Setup;
use str0m::crypto::CryptoProvider;
use str0m::net::Protocol;

pub use client::Client;
use link::{Conditions, Link};

pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(5);

pub struct Datagram {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub protocol: Protocol,
    pub contents: Vec<u8>,
}

/// What a router puts out.
#[derive(Default)]
pub struct Tray {
    pub datagrams: Vec<Datagram>,
    pub events: Vec<Event>,
    pub relays: VecDeque<(usize, Relay)>,
    pub hung_up: Vec<Path>,
    /// Packets for other threads are dropped, as if their queue were full.
    pub congested: bool,
    /// The layers of the packets that went to other threads.
    pub relayed: Vec<u8>,
    pub closed_pipes: Vec<PipelineId>,
}

impl Outlet for Tray {
    fn send(&mut self, path: Path, length: usize, write: &mut dyn FnMut(&mut [u8]) -> bool) {
        let mut contents = vec![0; length];
        if write(&mut contents) {
            let (source, destination, protocol) = (path.local, path.remote, path.protocol);
            self.datagrams.push(Datagram { source, destination, protocol, contents });
        }
    }

    fn hang_up(&mut self, path: Path) {
        self.hung_up.push(path);
    }

    fn close_pipe(&mut self, pipeline: PipelineId) {
        self.closed_pipes.push(pipeline);
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    fn relay(&mut self, thread: usize, relay: Relay) -> bool {
        if let Relay::Packets { packets, .. } = &relay {
            self.relayed.extend(packets.iter().map(|packet| packet.layer));
        }
        if self.congested && matches!(relay, Relay::Packets { .. }) {
            return false;
        }
        self.relays.push_back((thread, relay));
        true
    }
}

/// Both directions of a path.
pub struct Duplex {
    pub down: Link<Datagram>,
    pub up: Link<Datagram>,
}

/// IP and UDP headers.
const OVERHEAD: usize = 28;

pub struct World {
    pub now: Instant,
    pub routers: Vec<Router>,
    pub stats: Vec<Arc<ThreadStats>>,
    pub registry: Arc<Registry>,
    pub clients: Vec<Client>,
    pub phones: Vec<phone::Phone>,
    pub tray: Tray,
    /// One in so many datagrams is lost, in both directions.
    pub loss: Option<u64>,
    /// The same, only on the way to clients other than the first.
    pub lose_to_subscribers: Option<u64>,
    pub subscribed: Vec<ConsumerId>,
    /// Clients behind a NAT: their own address, and the one under which routers see them.
    pub nat: HashMap<SocketAddr, SocketAddr>,
    /// What is between a client and its router; nothing for most.
    paths: HashMap<SocketAddr, Duplex>,
    /// If it is there, what routers send is noted in it.
    pub sent: Option<Vec<Vec<u8>>>,
    pub crypto: Arc<CryptoProvider>,
    /// What routers sent to where nobody is.
    pub strayed: Vec<Vec<u8>>,
    travelled: u64,
    ids: IdSource,
}

pub fn router_address(thread: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 5000 + thread as u16))
}

impl World {
    pub fn new(threads: usize) -> Self {
        Self::with_crypto(threads, srtp::crypto_provider())
    }

    /// All use what `crypto` gives.
    pub fn with_crypto(threads: usize, crypto: Arc<CryptoProvider>) -> Self {
        let certificate = str0m::crypto::from_feature_flags().dtls_provider.generate_certificate().unwrap();
        let registry = Arc::<Registry>::default();
        let stats: Vec<_> = (0..threads).map(|_| Arc::<ThreadStats>::default()).collect();
        let groups = Arc::<Groups>::default();
        let clock = Clock::new(Instant::now(), SystemTime::now());
        let router = |thread: usize| {
            let setup = Setup {
                certificate: certificate.clone(),
                crypto: crypto.clone(),
                addresses: vec![router_address(thread)],
                tcp: true,
                groups: groups.clone(),
                connect_timeout: CONNECT_TIMEOUT,
                clock,
            };
            Router::new(thread, setup, stats[thread].clone(), registry.clone())
        };
        let routers = (0..threads).map(router).collect();
        let (tray, ids) = (Tray::default(), IdSource::default());
        Self {
            now: Instant::now(),
            routers,
            stats,
            registry,
            clients: Vec::new(),
            phones: Vec::new(),
            tray,
            loss: None,
            lose_to_subscribers: None,
            subscribed: Vec::new(),
            nat: HashMap::new(),
            paths: HashMap::new(),
            sent: None,
            crypto,
            strayed: Vec::new(),
            travelled: 0,
            ids,
        }
    }

    /// A client of `thread` that has not offered anything yet.
    pub fn client(&mut self, thread: usize) -> usize {
        self.client_over(Protocol::Udp, thread)
    }

    pub fn client_over(&mut self, protocol: Protocol, thread: usize) -> usize {
        let index = self.clients.len();
        let address = SocketAddr::from(([10, 0, 1, index as u8 + 1], 6000));
        let transport = TransportId(self.ids.next(thread));
        let crypto = self.crypto.clone();
        self.clients.push(Client::with_crypto(protocol, transport, address, self.now, crypto));
        index
    }

    /// Put a path between a client and its router, or change the conditions of the one that is there.
    pub fn condition(&mut self, client: usize, down: Conditions, up: Conditions) -> &mut Duplex {
        let (now, seed) = (self.now, client as u64 * 2);
        let fresh = || Duplex { down: Link::new(down, seed, now), up: Link::new(up, seed + 1, now) };
        let duplex = self.paths.entry(self.clients[client].address).or_insert_with(fresh);
        duplex.down.set(down, now);
        duplex.up.set(up, now);
        duplex
    }

    /// How long a datagram to a client would wait for its path.
    pub fn queueing(&self, client: usize) -> Duration {
        self.paths.get(&self.clients[client].address).map_or(Duration::ZERO, |path| path.down.queueing())
    }

    pub fn command(&mut self, thread: usize, command: Command) {
        self.routers[thread].handle(self.now, Message::Command(command), &mut self.tray);
        self.relay();
    }

    /// Carry what routers say to each other.
    fn relay(&mut self) {
        while let Some((thread, relay)) = self.tray.relays.pop_front() {
            self.routers[thread].handle(self.now, Message::Relay(relay), &mut self.tray);
        }
    }

    /// Offer what the client wants and take the answer.
    pub fn negotiate(&mut self, client: usize) {
        let offer = self.clients[client].offer();
        let answer = self.offer(client, offer).unwrap();
        self.clients[client].answered(&answer);
    }

    /// Hand an offer to the client's router: the answer, or why it was refused.
    pub fn offer(&mut self, client: usize, offer: String) -> Result<String, String> {
        let transport = self.clients[client].transport;
        let offered = std::mem::replace(&mut self.clients[client].offered, true);
        let first = (!offered).then_some(self.clients[client].group);
        let request = self.ids.next(0);
        self.command(transport.thread(), Command::Negotiate { transport, request, offer, first });
        let answered = |event: &Event| match event {
            Event::Negotiated { request: r, .. } | Event::Refused { request: r, .. } => *r == request,
            _ => false,
        };
        let index = self.tray.events.iter().position(answered).expect("every offer is answered");
        match self.tray.events.remove(index) {
            Event::Negotiated { answer, .. } => Ok(answer),
            Event::Refused { reason, .. } => Err(reason),
            _ => unreachable!(),
        }
    }

    pub fn publish(&mut self, client: usize, mid: &str) -> ProducerId {
        let transport = self.clients[client].transport;
        let producer = ProducerId(self.ids.next(transport.thread()));
        self.command(transport.thread(), Command::Publish { producer, transport, mid: mid.into() });
        producer
    }

    pub fn subscribe(&mut self, producer: ProducerId, client: usize, mid: &str) -> ConsumerId {
        let transport = self.clients[client].transport;
        let consumer = ConsumerId(self.ids.next(transport.thread()));
        let mid = mid.into();
        self.subscribed.push(consumer);
        self.command(transport.thread(), Command::Subscribe { consumer, producer, transport, mid });
        consumer
    }

    /// Let time pass for everyone.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.step();
        }
    }

    /// Run until every client is connected.
    pub fn connect(&mut self) {
        (0..self.clients.len()).for_each(|client| self.connect_only(client));
    }

    /// Run until `client` is connected.
    pub fn connect_only(&mut self, client: usize) {
        let deadline = self.now + Duration::from_secs(20);
        while !self.clients[client].connected {
            assert!(self.now < deadline, "not connected");
            self.step();
        }
        self.run(Duration::from_millis(50));
    }

    /// Let the client's next offer create another transport.
    pub fn rename(&mut self, client: usize) {
        let former = &mut self.clients[client];
        former.transport = TransportId(self.ids.next(former.transport.thread()));
        former.offered = false;
    }

    pub fn step(&mut self) {
        self.now += STEP;
        self.arrive();
        for router in &mut self.routers {
            router.timeout(self.now, &mut self.tray);
        }
        self.relay();
        let mut travelling = std::mem::take(&mut self.tray.datagrams);
        for client in &mut self.clients {
            client.tick(self.now, &mut travelling);
        }
        self.deliver(travelling);
    }

    /// Bring datagrams to where they go; what routers answer at once arrives in the next step.
    pub fn deliver(&mut self, datagrams: Vec<Datagram>) {
        for mut datagram in datagrams {
            self.travelled += 1;
            let first = self.clients.first().map(|client| client.address);
            let outward = Some(datagram.source) != first && Some(datagram.destination) != first;
            let loss = self.loss.or(self.lose_to_subscribers.filter(|_| outward));
            if loss.is_some_and(|every| self.travelled.is_multiple_of(every)) {
                continue;
            }
            let from_router = datagram.source.ip() == router_address(0).ip();
            if let Some(sent) = self.sent.as_mut().filter(|_| from_router) {
                sent.push(datagram.contents.clone());
            }
            let outside = |(_, outside): &(&SocketAddr, &SocketAddr)| **outside == datagram.destination;
            if let Some((inside, _)) = self.nat.iter().find(outside) {
                datagram.destination = *inside;
            } else if self.nat.contains_key(&datagram.destination) {
                continue;
            }
            self.carry(datagram);
        }
        self.forward();
    }

    /// Hand a datagram to whom it is for, or to the path it has to take.
    fn carry(&mut self, datagram: Datagram) {
        let bytes = datagram.contents.len() + OVERHEAD;
        if let Some(path) = self.paths.get_mut(&datagram.destination) {
            path.down.push(self.now, bytes, datagram);
        } else if let Some(path) = self.paths.get_mut(&datagram.source) {
            path.up.push(self.now, bytes, datagram);
        } else {
            self.hand(self.now, datagram);
        }
    }

    /// Bring what has travelled its path, each at its time.
    fn arrive(&mut self) {
        let mut arrivals = Vec::new();
        for path in self.paths.values_mut() {
            arrivals.extend(path.down.arrivals(self.now));
            arrivals.extend(path.up.arrivals(self.now));
        }
        arrivals.sort_by_key(|(at, datagram)| (*at, datagram.source));
        for (at, datagram) in arrivals {
            self.hand(at, datagram);
        }
        self.forward();
    }

    fn hand(&mut self, at: Instant, datagram: Datagram) {
        let Datagram { source, destination, protocol, contents } = datagram;
        let source = self.nat.get(&source).copied().unwrap_or(source);
        if let Some(thread) = (0..self.routers.len()).find(|thread| router_address(*thread) == destination) {
            let path = Path { protocol, local: destination, remote: source };
            self.routers[thread].receive(at, path, &contents, &mut self.tray);
        } else if let Some(client) = self.clients.iter_mut().find(|client| client.address == destination) {
            client.receive(at, source, &contents);
        } else if let Some(phone) = self.phones.iter_mut().find(|phone| phone.hears(destination)) {
            phone.received.push(phone::Received { local: source, remote: destination, contents });
        } else if source.ip() == router_address(0).ip() {
            self.strayed.push(contents);
        }
    }

    fn forward(&mut self) {
        for router in &mut self.routers {
            router.forward(self.now, &mut self.tray);
        }
        self.relay();
    }

    /// Events so far, except answers to offers.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.tray.events)
    }

    /// What all routers hold together.
    pub fn census(&self) -> Vec<Census> {
        self.routers.iter().map(Router::census).collect()
    }

    /// The same, where the first sends simulcast.
    pub fn simulcast(codec: client::Media, threads: [usize; 2]) -> (Self, ProducerId, ConsumerId) {
        Self::pair_of(codec, &camera::RIDS, threads)
    }

    /// Two connected clients on the given threads, one that sends `codec` on section "0" and one that receives it.
    pub fn pair(codec: client::Media, threads: [usize; 2]) -> (Self, ProducerId, ConsumerId) {
        Self::new(threads.into_iter().max().unwrap() + 1).with_pair(codec, &[], threads)
    }

    fn pair_of(codec: client::Media, rids: &[&str], threads: [usize; 2]) -> (Self, ProducerId, ConsumerId) {
        Self::new(threads.into_iter().max().unwrap() + 1).with_pair(codec, rids, threads)
    }

    /// Two such clients in this world.
    pub fn with_pair(
        mut self,
        codec: client::Media,
        rids: &[&str],
        threads: [usize; 2],
    ) -> (Self, ProducerId, ConsumerId) {
        let world = &mut self;
        let (publisher, subscriber) = (world.client(threads[0]), world.client(threads[1]));
        world.clients[publisher].add_layers(codec, rids);
        world.clients[subscriber].add(codec, str0m::media::Direction::RecvOnly);
        world.negotiate(publisher);
        world.negotiate(subscriber);
        let (from, to) = (world.clients[publisher].mid(0), world.clients[subscriber].mid(0));
        let producer = world.publish(publisher, &from);
        let consumer = world.subscribe(producer, subscriber, &to);
        world.connect();
        (self, producer, consumer)
    }
}
