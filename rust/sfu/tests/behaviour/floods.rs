//! Floods of all that strangers and bad guests can send: the call beside goes on, nothing grows, everything is counted.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::common::client::Media;
use crate::common::peer::{Peer, answer, count, start, turn_until};
use crate::common::{CONNECT_TIMEOUT, Datagram, World, router_address};
use crate::strangers::forged;
use palaver_sfu::event::Event;
use palaver_sfu::paths::MAX_KNOWN;
use palaver_sfu::router::Census;
use palaver_sfu::{Core, GroupId};
use str0m::media::Direction;
use str0m::net::Protocol;

const PER_SECOND: usize = 20_000;
const FRAME: Duration = Duration::from_millis(20);

fn stranger(n: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, (n / 60_000) as u8], (n % 60_000) as u16 + 1))
}

/// Noise that is the same in every run.
fn noise(n: usize, length: usize) -> Vec<u8> {
    let mut state = n as u64 + 1;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| byte()).collect()
}

/// A call that has begun.
fn talking() -> World {
    let (mut world, ..) = World::pair(Media::Opus, [0, 0]);
    world.clients[0].send(0, Media::Opus, &[7], 0);
    world.run(FRAME);
    world
}

/// A second of a call beside a flood; every packet of it has to arrive.
fn beside(world: &mut World, mut flood: impl FnMut(usize) -> (SocketAddr, Vec<u8>)) {
    let frames = (Duration::from_secs(1).as_millis() / FRAME.as_millis()) as usize;
    world.clients[1].received.clear();
    for frame in 0..frames {
        let thrown = (frame * PER_SECOND / frames..(frame + 1) * PER_SECOND / frames).map(|n| {
            let (source, contents) = flood(n);
            Datagram { source, destination: router_address(0), protocol: Protocol::Udp, contents }
        });
        let thrown = thrown.collect();
        world.deliver(thrown);
        world.clients[0].send(0, Media::Opus, &[7], frame as u32 * 960);
        world.run(FRAME);
    }
    assert_eq!(world.clients[1].received.len(), frames);
    assert!(!world.events().iter().any(|event| matches!(event, Event::Lost { .. })));
}

#[test]
fn random_datagrams_are_counted_and_leave_nothing() {
    let mut world = talking();
    let before = world.census();
    beside(&mut world, |n| (stranger(n), noise(n, n % 1200)));
    assert_eq!(world.stats[0].packets_unknown.get(), PER_SECOND as u64);
    assert_eq!(world.census(), before);
}

#[test]
fn random_datagrams_that_claim_to_come_from_a_peer_do_not_end_its_call() {
    let mut world = talking();
    let (publisher, before) = (world.clients[0].address, world.census());
    beside(&mut world, |n| (publisher, noise(n, 40 + n % 1100)));
    assert_eq!(world.census(), before);
}

#[test]
fn stun_with_wrong_passwords_is_counted_and_leaves_nothing() {
    let mut world = talking();
    let (ufrag, before) = (world.clients[1].server_ufrag.clone(), world.census());
    beside(&mut world, |n| (stranger(n), forged(&ufrag)));
    assert_eq!(world.stats[0].stun_forged.get(), PER_SECOND as u64);
    // and from where the peer is
    let subscriber = world.clients[1].address;
    beside(&mut world, |_| (subscriber, forged(&ufrag)));
    assert_eq!(world.census(), before);
}

#[test]
fn a_guest_that_checks_from_everywhere_has_few_paths() {
    let mut world = talking();
    let home = world.clients[1].address;
    let mut shown = 0;
    for n in 0..2000 {
        world.nat.insert(home, stranger(n));
        world.run(Duration::from_millis(100));
        shown = shown.max(world.census()[0].paths);
    }
    assert!(shown <= MAX_KNOWN + 1, "{shown}");
}

#[test]
fn half_open_handshakes_end_in_time() {
    let mut world = talking();
    let before = world.census();
    let guests: Vec<usize> = (0..40).map(|_| world.client(0)).collect();
    for guest in &guests {
        world.clients[*guest].half_open = true;
        world.clients[*guest].add(Media::Opus, Direction::SendOnly);
        world.negotiate(*guest);
    }
    let end = world.now + CONNECT_TIMEOUT + Duration::from_secs(1);
    let mut sent = 0;
    world.clients[1].received.clear();
    while world.now < end {
        world.clients[0].send(0, Media::Opus, &[7], sent * 960);
        sent += 1;
        world.run(FRAME);
    }
    assert_eq!(world.clients[1].received.len() as u32, sent);
    let lost: Vec<Event> =
        world.events().into_iter().filter(|event| matches!(event, Event::Lost { .. })).collect();
    assert_eq!(lost.len(), guests.len(), "{lost:?}");
    for guest in guests {
        world.clients[guest].unplugged = true;
    }
    assert_eq!(world.census(), before);
    assert_ne!(before, [Census::default()]);
}

#[test]
fn connections_that_say_nothing_or_nonsense_do_not_disturb_a_call() {
    let core = start(&["127.0.0.1"], 1);
    let mut peers = call(&core);
    let server = SocketAddr::new("127.0.0.1".parse().unwrap(), core.ports()[0]);
    let mut silent = Vec::new();
    let mut sent = 0;
    turn_until(&mut peers, |peers| {
        silent.extend(TcpStream::connect(server));
        if let Ok(mut stream) = TcpStream::connect(server) {
            let _ = stream.write_all(&noise(silent.len(), 3000)); // it may be closed already
        }
        peers[0].client.send(0, Media::Opus, &[7], sent * 960);
        sent += 1;
        sent == 500
    });
    turn_until(&mut peers, |peers| peers[1].client.received.len() as u32 == sent);
    assert_eq!((count(&core, "packets_dropped"), count(&core, "transports")), (0, 2));
    assert!(count(&core, "tcp_connections") <= 32, "all from one host");
    assert!(count(&core, "tcp_refused") + count(&core, "tcp_rejected") >= 900);
}

/// Two peers over UDP, one of which hears the other.
fn call(core: &Core) -> Vec<Peer> {
    let peer = || Peer::new(core.create_transport(0, GroupId::NONE).unwrap(), "127.0.0.1");
    let mut peers = vec![peer(), peer()];
    peers[0].client.add(Media::Opus, Direction::SendOnly);
    peers[1].client.add(Media::Opus, Direction::RecvOnly);
    for peer in &mut peers {
        answer(core, peer);
    }
    let producer = core.publish(peers[0].client.transport, peers[0].client.mid(0)).unwrap();
    core.subscribe(producer, peers[1].client.transport, peers[1].client.mid(0)).unwrap();
    turn_until(&mut peers, |peers| peers.iter().all(|peer| peer.client.connected));
    peers
}
