//! The whole core on loopback: real sockets, real threads, real time.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::common::Client;
use crate::common::client::Media;
use palaver_sfu::{Core, Event, Options, TransportId};
use str0m::media::Direction;

const PATIENCE: Duration = Duration::from_secs(20);

/// A client with a socket of its own.
struct Peer {
    client: Client,
    socket: UdpSocket,
}

impl Peer {
    fn new(transport: TransportId, loopback: &str) -> Self {
        let socket = UdpSocket::bind((loopback, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        Self { client: Client::new(transport, address, Instant::now()), socket }
    }

    fn turn(&mut self) {
        let mut buffer = [0; 2048];
        while let Ok((length, source)) = self.socket.recv_from(&mut buffer) {
            self.client.receive(Instant::now(), source, &buffer[..length]);
        }
        let mut out = Vec::new();
        self.client.tick(Instant::now(), &mut out);
        for datagram in out {
            self.socket.send_to(&datagram.contents, datagram.destination).unwrap();
        }
    }
}

fn start(addresses: &[&str], threads: usize) -> Core {
    Core::start(&Options {
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        port: 0,
        threads,
        connect_timeout: Duration::from_secs(30),
    })
    .unwrap()
}

fn answer(core: &Core, peer: &mut Peer) {
    let offer = peer.client.offer();
    core.negotiate(peer.client.transport, 1, offer).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        for event in core.events() {
            match event {
                Event::Negotiated { answer, .. } => return peer.client.answered(&answer),
                Event::Refused { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("no answer");
}

fn turn_until(peers: &mut [Peer], mut done: impl FnMut(&mut [Peer]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done(peers) {
        assert!(Instant::now() < deadline, "took too long");
        peers.iter_mut().for_each(Peer::turn);
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn packets_cross_threads_over_real_sockets() {
    for loopback in ["127.0.0.1", "::1"] {
        let core = start(&["127.0.0.1", "::1"], 2);
        let mut peers = [0, 1].map(|thread| Peer::new(core.create_transport(thread).unwrap(), loopback));
        peers[0].client.add(Media::Vp8, Direction::SendOnly);
        peers[1].client.add(Media::Vp8, Direction::RecvOnly);
        for peer in &mut peers {
            answer(&core, peer);
        }
        let (from, to) = (peers[0].client.mid(0), peers[1].client.mid(0));
        let publication = core.publish(peers[0].client.transport, from).unwrap();
        core.subscribe(publication, peers[1].client.transport, to).unwrap();
        turn_until(&mut peers, |peers| peers.iter().all(|peer| peer.client.connected));
        let mut frame = 0;
        turn_until(&mut peers, |peers| {
            peers[0].client.send(0, Media::Vp8, &Media::Vp8.key(), frame * 900);
            frame += 1;
            peers[1].client.received.len() >= 50
        });
        let stats = core.transport_stats(peers[1].client.transport).unwrap();
        assert!(stats.packets_sent.get() >= 50);
        let started = Instant::now();
        core.close();
        assert!(started.elapsed() < Duration::from_secs(2));
        turn_until(&mut peers, |peers| peers.iter().all(|peer| peer.client.closed));
    }
}

#[test]
fn threads_take_consecutive_ports_or_say_which_is_taken() {
    let core = start(&["127.0.0.1"], 2);
    let taken = core.ports()[0];
    let options = Options {
        addresses: vec!["127.0.0.1".parse().unwrap()],
        port: taken,
        threads: 1,
        connect_timeout: Duration::from_secs(1),
    };
    let error = Core::start(&options).unwrap_err();
    assert_eq!(error.source.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&format!("127.0.0.1:{taken}")), "{error}");
}

#[test]
fn an_idle_core_sleeps() {
    let core = start(&["127.0.0.1"], 2);
    std::thread::sleep(Duration::from_millis(100));
    let calls = |core: &Core| {
        let stats = core.stats();
        stats.iter().flatten().filter(|(name, _)| name.ends_with("_calls")).map(|(_, n)| n).sum::<u64>()
    };
    let before = calls(&core);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(calls(&core), before);
}
