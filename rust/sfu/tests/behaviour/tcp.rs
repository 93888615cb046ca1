//! Media over TCP (RFC 6544), on real sockets: who may stay connected, and what a slow reader gets.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::common::client::Media;
use crate::common::peer::{Peer, answer, count, is_cut, start, start_with, turn_until, wait_until};
use palaver_sfu::tcp::Limits;
use palaver_sfu::{Core, GroupId, ProducerId};
use str0m::media::Direction;

fn server(core: &Core, thread: usize, loopback: &str) -> SocketAddr {
    SocketAddr::new(loopback.parse().unwrap(), core.ports()[thread])
}

/// A publisher over UDP and a subscriber over TCP, connected.
fn call(core: &Core, threads: [usize; 2], loopback: &str) -> (Vec<Peer>, ProducerId) {
    let transports = threads.map(|thread| core.create_transport(thread, GroupId::NONE).unwrap());
    let mut peers = vec![
        Peer::new(transports[0], loopback),
        Peer::over_tcp(transports[1], server(core, threads[1], loopback)),
    ];
    peers[0].client.add(Media::Vp8, Direction::SendOnly);
    peers[1].client.add(Media::Vp8, Direction::RecvOnly);
    for peer in &mut peers {
        answer(core, peer);
    }
    let producer = core.publish(peers[0].client.transport, peers[0].client.mid(0)).unwrap();
    core.subscribe(producer, peers[1].client.transport, peers[1].client.mid(0)).unwrap();
    turn_until(&mut peers, |peers| peers.iter().all(|peer| peer.client.connected));
    (peers, producer)
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

#[test]
fn an_answer_names_udp_and_tcp_at_every_address() {
    let core = start(&["127.0.0.1", "::1"], 1);
    let mut peer = Peer::new(core.create_transport(0, GroupId::NONE).unwrap(), "127.0.0.1");
    peer.client.add(Media::Opus, Direction::SendOnly);
    let answer = answer(&core, &mut peer);
    let port = core.ports()[0];
    for (protocol, address) in [("udp", "127.0.0.1"), ("udp", "::1"), ("tcp", "127.0.0.1"), ("tcp", "::1")] {
        let line = answer
            .lines()
            .find(|line| {
                let fields: Vec<&str> = line.split(' ').collect();
                line.starts_with("a=candidate:") && fields[2] == protocol && fields[4] == address
            })
            .unwrap_or_else(|| panic!("no {protocol} at {address} in {answer}"));
        assert!(line.contains(&format!(" {port} typ host")), "{line}");
        assert_eq!(line.contains("tcptype passive"), protocol == "tcp", "{line}");
    }
}

#[test]
fn media_flows_over_tcp_to_and_from_other_threads() {
    for loopback in ["127.0.0.1", "::1"] {
        let core = start(&["127.0.0.1", "::1"], 2);
        let (mut peers, _) = call(&core, [0, 1], loopback);
        let mut sent = 0;
        turn_until(&mut peers, |peers| {
            if (sent as usize) < peers[1].client.received.len() + 20 {
                peers[0].client.send(0, Media::Vp8, &Media::Vp8.key(), sent * 900);
                sent += 1; // no faster than they are read, else the goodbye finds the queue full
            }
            peers[1].client.received.len() >= 50
        });
        assert_eq!((count(&core, "tcp_accepted"), count(&core, "tcp_connections")), (1, 1));
        assert_eq!(count(&core, "packets_dropped"), 0);
        core.close_transport(peers[1].client.transport).unwrap();
        turn_until(&mut peers, |peers| peers[1].client.closed); // its goodbye arrives before the connection ends
        wait_until(|| peers[1].is_cut());
        wait_until(|| count(&core, "tcp_connections") == 0);
    }
}

#[test]
fn a_connection_that_ends_takes_its_path_along() {
    let core = start(&["127.0.0.1"], 1);
    let (mut peers, _) = call(&core, [0, 0], "127.0.0.1");
    peers.pop(); // the subscriber's connection ends
    wait_until(|| count(&core, "tcp_connections") == 0);
    assert_eq!(count(&core, "transports"), 2, "its owner may come back by another path");
}

#[test]
fn strangers_are_shown_out() {
    let limits = Limits { admit_within: Duration::from_millis(200), ..Limits::default() };
    let core = start_with(&["127.0.0.1"], 1, limits);
    let address = server(&core, 0, "127.0.0.1");
    let mut silent = TcpStream::connect(address).unwrap();
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(&[0]).unwrap();
    let mut nonsense = TcpStream::connect(address).unwrap();
    nonsense.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap(); // a frame of 18245 bytes
    let mut unknown = TcpStream::connect(address).unwrap();
    unknown.write_all(&frame(&[0x80; 60])).unwrap();
    for stream in [&mut silent, &mut slow, &mut nonsense, &mut unknown] {
        wait_until(|| is_cut(stream));
    }
    assert_eq!((count(&core, "tcp_accepted"), count(&core, "tcp_rejected")), (4, 4));
    assert_eq!((count(&core, "tcp_connections"), count(&core, "packets_unknown")), (0, 1));
}

#[test]
fn a_wrong_password_is_shown_out_and_leaves_the_call_alone() {
    let core = start(&["127.0.0.1"], 1);
    let (mut peers, _) = call(&core, [0, 0], "127.0.0.1");
    let ufrag = peers[1].client.server_ufrag.clone();
    let mut forger = TcpStream::connect(server(&core, 0, "127.0.0.1")).unwrap();
    forger.write_all(&frame(&crate::strangers::forged(&ufrag))).unwrap();
    wait_until(|| is_cut(&mut forger));
    assert_eq!((count(&core, "stun_forged"), count(&core, "tcp_rejected")), (1, 1));
    let mut sent = 0;
    turn_until(&mut peers, |peers| {
        peers[0].client.send(0, Media::Vp8, &Media::Vp8.key(), sent * 900);
        sent += 1;
        peers[1].client.received.len() >= 10
    });
}

#[test]
fn one_host_has_a_bounded_number_of_strangers() {
    let limits = Limits { strangers: 12, strangers_per_host: 10, ..Limits::default() };
    let core = start_with(&["127.0.0.1", "::1"], 1, limits);
    let connect = |loopback| TcpStream::connect(server(&core, 0, loopback)).unwrap();
    let mut first: Vec<_> = (0..30).map(|_| connect("127.0.0.1")).collect();
    wait_until(|| count(&core, "tcp_refused") == 20);
    assert_eq!(count(&core, "tcp_connections"), 10);
    // others still find a place, if need be that of who has been a stranger for longest
    let others: Vec<_> = (0..5).map(|_| connect("::1")).collect();
    wait_until(|| count(&core, "tcp_accepted") == 15);
    assert_eq!((count(&core, "tcp_connections"), count(&core, "tcp_rejected")), (12, 3));
    assert!(first[..3].iter_mut().all(is_cut));
    // and one that is admitted makes room
    drop(others);
    wait_until(|| count(&core, "tcp_connections") == 7);
}

#[test]
fn a_reader_that_is_too_slow_loses_whole_packets_and_then_its_connection() {
    let limits = Limits { stuck_for: Duration::from_millis(500), backlog: 32 << 10, ..Limits::default() };
    let core = start_with(&["127.0.0.1"], 1, limits);
    let (mut peers, producer) = call(&core, [0, 0], "127.0.0.1");
    let mut quick = Peer::new(core.create_transport(0, GroupId::NONE).unwrap(), "127.0.0.1");
    quick.client.add(Media::Vp8, Direction::RecvOnly);
    answer(&core, &mut quick);
    core.subscribe(producer, quick.client.transport, quick.client.mid(0)).unwrap();
    peers.push(quick);
    turn_until(&mut peers, |peers| peers[2].client.connected);
    // the slow one reads nothing more; the kernel may take a little long after it seemed full, so go on sending
    let payload = [&Media::Vp8.key()[..], &[0; 1000]].concat();
    let mut sent = 0;
    wait_until(|| {
        for index in [0, 2] {
            peers[index].turn();
        }
        peers[1].write();
        for _ in 0..5 {
            peers[0].client.send(0, Media::Vp8, &payload, sent * 900);
            sent += 1;
        }
        count(&core, "tcp_stuck") == 1
    });
    assert!(count(&core, "tcp_dropped") > 0);
    wait_until(|| count(&core, "tcp_connections") == 0);
    // nothing of the others' is dropped
    wait_until(|| {
        for index in [0, 2] {
            peers[index].turn();
        }
        peers[2].client.received.len() as u32 > sent * 9 / 10
    });
    // what it was sent before are whole packets, in order
    peers[1].read();
    let numbers: Vec<u64> = peers[1].client.received.iter().map(|(_, packet)| *packet.seq_no).collect();
    assert!(!numbers.is_empty() && numbers.is_sorted());
}
