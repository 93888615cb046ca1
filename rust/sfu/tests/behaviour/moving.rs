//! A peer whose address changes: knowingly, with an ICE restart, or behind a NAT that takes another port.

use std::net::SocketAddr;
use std::time::Duration;

use crate::common::client::Media;
use crate::common::{World, router_address};
use palaver_sfu::event::Event;
use palaver_sfu::message::Command;
use palaver_sfu::path::Path;
use str0m::Candidate;
use str0m::media::Direction;
use str0m::net::Protocol;

const FRAME: Duration = Duration::from_millis(20);

/// Send audio for a while; how many packets the subscriber got of how many.
fn talk(world: &mut World, packets: u32) -> usize {
    world.clients[1].received.clear();
    for n in 0..packets {
        world.clients[0].send(0, Media::Opus, &[7], n * 960);
        world.run(FRAME);
    }
    world.clients[1].received.len()
}

fn outside(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 9], port))
}

/// A client over TCP that is connected, and the path of its connection.
fn by_tcp(world: &mut World) -> (usize, Path) {
    let client = world.client_over(Protocol::Tcp, 0);
    world.clients[client].add(Media::Opus, Direction::SendOnly);
    world.negotiate(client);
    world.connect_only(client);
    let remote = world.clients[client].address;
    (client, Path { protocol: Protocol::Tcp, local: router_address(0), remote })
}

fn lost(world: &mut World) -> bool {
    world.events().iter().any(|event| matches!(event, Event::Lost { .. }))
}

#[test]
fn a_subscriber_whose_nat_forgets_it_is_found_again_by_its_checks() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 0]);
    let inside = world.clients[1].address;
    for port in [1001, 1002, 1003] {
        world.nat.insert(inside, outside(port));
        talk(&mut world, 250); // five seconds, within which a peer checks its path
        assert_eq!(talk(&mut world, 100), 100);
    }
    world.run(Duration::from_secs(40));
    assert_eq!(talk(&mut world, 100), 100);
    assert!(!lost(&mut world));
}

#[test]
fn a_publisher_whose_nat_forgets_it_is_heard_again() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 1]);
    world.nat.insert(world.clients[0].address, outside(1001));
    talk(&mut world, 250);
    assert_eq!(talk(&mut world, 100), 100);
    world.run(Duration::from_secs(40));
    assert_eq!(talk(&mut world, 100), 100);
    assert!(!lost(&mut world));
}

#[test]
fn after_an_ice_restart_elsewhere_the_old_address_is_forgotten() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 0]);
    let before = world.census();
    let old = world.clients[1].address;
    world.clients[1].address.set_port(7777);
    let candidate = Candidate::host(world.clients[1].address, "udp").unwrap();
    world.clients[1].rtc.add_local_candidate(candidate);
    let offer = world.clients[1].restart_ice();
    let answer = world.offer(1, offer).unwrap();
    world.clients[1].answered(&answer);
    world.run(Duration::from_secs(3));
    assert_eq!(talk(&mut world, 100), 100);
    let after = world.census();
    assert_eq!((after[0].ufrags, after[0].paths), (before[0].ufrags, before[0].paths));
    // whoever has the old address now is a stranger
    let unknown = world.stats[0].packets_unknown.get();
    let path = Path::udp(router_address(0), old);
    let known = world.routers[0].receive(world.now, path, &[0x80; 60], &mut world.tray);
    assert!(!known);
    assert_eq!(world.stats[0].packets_unknown.get(), unknown + 1);
    assert!(!lost(&mut world));
}

#[test]
fn a_connection_ends_with_its_transport_or_with_all_of_a_thread() {
    let mut world = World::new(1);
    let (client, path) = by_tcp(&mut world);
    let transport = world.clients[client].transport;
    world.command(0, Command::CloseTransport { transport });
    assert_eq!(std::mem::take(&mut world.tray.hung_up), [path]);

    let (_, path) = by_tcp(&mut world);
    let router = world.routers.remove(0);
    world.routers.insert(0, router.replace("a bug", &mut world.tray));
    assert_eq!(world.tray.hung_up, [path]);
}

#[test]
fn a_connection_that_ends_is_no_path_any_more_but_its_transport_waits() {
    let mut world = World::new(1);
    let (_, path) = by_tcp(&mut world);
    world.routers[0].hung_up(path);
    let census = world.census()[0];
    assert_eq!((census.transports, census.paths), (1, 0));
    assert!(!world.routers[0].receive(world.now, path, &[0x80; 60], &mut world.tray));
    world.run(Duration::from_secs(5)); // the peer's next check shows it again
    assert_eq!(world.census()[0].paths, 1);
    assert!(!lost(&mut world));
}
