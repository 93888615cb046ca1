//! What does not come from a peer is counted and changes nothing.

use std::net::SocketAddr;
use std::time::Duration;

use crate::common::client::Media;
use crate::common::{Datagram, World, router_address};
use str0m::net::Protocol;

const STRANGER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 66)), 6666);

fn throw(world: &mut World, source: SocketAddr, contents: Vec<u8>) {
    world.deliver(vec![Datagram {
        source,
        destination: router_address(0),
        protocol: Protocol::Udp,
        contents,
    }]);
}

/// A STUN binding request for `ufrag` with a signature that is not one.
pub fn forged(ufrag: &str) -> Vec<u8> {
    let username = format!("{ufrag}:peer");
    let mut attributes = vec![0, 6, 0, username.len() as u8];
    attributes.extend(username.bytes());
    attributes.resize(attributes.len().next_multiple_of(4), 0);
    attributes.extend([0, 8, 0, 20]);
    attributes.extend([0x5a; 20]);
    let mut message = vec![0, 1, 0, attributes.len() as u8, 0x21, 0x12, 0xa4, 0x42];
    message.extend([9; 12]);
    message.extend(attributes);
    message
}

fn server_ufrag(world: &mut World, client: usize) -> String {
    world.clients[client].add(Media::Opus, str0m::media::Direction::Inactive);
    let offer = world.clients[client].offer();
    let answer = world.offer(client, offer).unwrap();
    world.clients[client].answered(&answer);
    let line = answer.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap();
    line.trim().to_owned()
}

#[test]
fn garbage_is_counted_and_ignored() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 0]);
    let before = world.census();
    let unknown = world.stats[0].packets_unknown.get();
    let mut garbage: Vec<Vec<u8>> = (0..=255).map(|first| vec![first; 60]).collect();
    garbage.push(Vec::new());
    garbage.push(forged("nobody"));
    let count = garbage.len() as u64;
    for contents in garbage {
        throw(&mut world, STRANGER, contents);
    }
    assert_eq!(world.stats[0].packets_unknown.get() - unknown, count);
    assert_eq!(world.census(), before);
}

#[test]
fn garbage_from_a_peers_own_address_does_not_end_it() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 0]);
    let address = world.clients[1].address;
    for first in 0..=255 {
        throw(&mut world, address, vec![first; 60]);
    }
    world.clients[0].send(0, Media::Opus, &[7], 0);
    world.run(Duration::from_millis(20));
    assert_eq!(world.clients[1].received.len(), 1);
    assert_eq!(world.census()[0].transports, 2);
}

#[test]
fn a_user_name_without_the_password_gains_nothing() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 0]);
    let ufrag = server_ufrag(&mut world, 1);
    let before = world.census();
    let unknown = world.stats[0].packets_unknown.get();
    for port in 0..100 {
        throw(&mut world, SocketAddr::new(STRANGER.ip(), port), forged(&ufrag));
    }
    // nor does it take a peer's address away
    let victim = world.clients[0].address;
    throw(&mut world, victim, forged(&ufrag));
    assert_eq!(world.stats[0].packets_unknown.get() - unknown, 101);
    assert_eq!(world.census(), before);
    world.clients[0].send(0, Media::Opus, &[7], 0);
    world.run(Duration::from_millis(20));
    assert_eq!(world.clients[1].received.len(), 1);
}
