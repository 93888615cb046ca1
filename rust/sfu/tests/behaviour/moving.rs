//! A peer whose address changes: knowingly, with an ICE restart, or behind a NAT that takes another port.

use std::net::SocketAddr;
use std::time::Duration;

use crate::common::World;
use crate::common::client::Media;
use palaver_sfu::event::Event;
use str0m::Candidate;

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
    let path = palaver_sfu::path::Path::udp(crate::common::hub_address(0), old);
    let known = world.hubs[0].receive(world.now, path, &[0x80; 60], &mut world.tray);
    assert!(!known);
    assert_eq!(world.stats[0].packets_unknown.get(), unknown + 1);
    assert!(!lost(&mut world));
}
