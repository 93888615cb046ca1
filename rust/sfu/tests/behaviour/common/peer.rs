//! A client with a socket of its own, and a core on loopback for it to talk to.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use palaver_sfu::tcp::Limits;
use palaver_sfu::tcp::framing::Deframer;
use palaver_sfu::{Core, Event, Options, TransportId};
use str0m::net::Protocol;

use super::Client;

pub const PATIENCE: Duration = Duration::from_secs(20);

enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Deframer),
}

pub struct Peer {
    pub client: Client,
    wire: Wire,
}

impl Peer {
    pub fn new(transport: TransportId, loopback: &str) -> Self {
        let socket = UdpSocket::bind((loopback, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        Self { client: Client::new(transport, address, Instant::now()), wire: Wire::Udp(socket) }
    }

    /// One that is connected to `server` and has no other way.
    pub fn over_tcp(transport: TransportId, server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_nonblocking(true).unwrap();
        let address = stream.local_addr().unwrap();
        let client = Client::over(Protocol::Tcp, transport, address, Instant::now());
        Self { client, wire: Wire::Tcp(stream, Deframer::default()) }
    }

    /// Read what has come, and send what is to be sent.
    pub fn turn(&mut self) {
        self.read();
        self.write();
    }

    pub fn read(&mut self) {
        let (mut buffer, client) = ([0; 16 << 10], &mut self.client);
        match &mut self.wire {
            Wire::Udp(socket) => {
                while let Ok((length, source)) = socket.recv_from(&mut buffer) {
                    client.receive(Instant::now(), source, &buffer[..length]);
                }
            }
            Wire::Tcp(stream, inbox) => {
                let Ok(server) = stream.peer_addr() else { return };
                while let Ok(length @ 1..) = stream.read(&mut buffer) {
                    let frame = |frame: &[u8]| client.receive(Instant::now(), server, frame);
                    inbox.feed(&buffer[..length], frame).unwrap();
                }
            }
        }
    }

    pub fn write(&mut self) {
        let mut out = Vec::new();
        self.client.tick(Instant::now(), &mut out);
        for datagram in out {
            match &mut self.wire {
                Wire::Udp(socket) => {
                    socket.send_to(&datagram.contents, datagram.destination).unwrap();
                }
                Wire::Tcp(stream, _) => {
                    let length = u16::try_from(datagram.contents.len()).unwrap().to_be_bytes();
                    let _ = stream.write_all(&[&length, &datagram.contents[..]].concat()); // may be closed
                }
            }
        }
    }

    /// Whether the other side has closed the connection. Discards what it sent before.
    pub fn is_cut(&mut self) -> bool {
        match &mut self.wire {
            Wire::Udp(_) => false,
            Wire::Tcp(stream, _) => is_cut(stream),
        }
    }
}

/// Whether the other side has closed; what it sent before is discarded.
pub fn is_cut(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match stream.read(&mut [0; 16 << 10]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

pub fn start(addresses: &[&str], threads: usize) -> Core {
    start_with(addresses, threads, Limits::default())
}

pub fn start_with(addresses: &[&str], threads: usize, limits: Limits) -> Core {
    Core::start(&Options {
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        port: 0,
        threads,
        tcp: Some(limits),
        connect_timeout: Duration::from_secs(30),
    })
    .unwrap()
}

pub fn answer(core: &Core, peer: &mut Peer) -> String {
    let offer = peer.client.offer();
    core.negotiate(peer.client.transport, 1, offer).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        for event in core.events() {
            match event {
                Event::Negotiated { answer, .. } => {
                    peer.client.answered(&answer);
                    return answer;
                }
                Event::Refused { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("no answer");
}

pub fn wait_until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "took too long");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub fn turn_until(peers: &mut [Peer], mut done: impl FnMut(&mut [Peer]) -> bool) {
    wait_until(|| {
        if done(peers) {
            return true;
        }
        peers.iter_mut().for_each(Peer::turn);
        false
    });
}

/// Sum of a counter over all threads.
pub fn count(core: &Core, name: &str) -> u64 {
    core.stats().iter().flatten().filter(|(counter, _)| *counter == name).map(|(_, value)| value).sum()
}
