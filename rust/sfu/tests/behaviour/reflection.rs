//! A peer that says to be where somebody else is: neither media nor anybody's path goes there.

use std::net::SocketAddr;
use std::time::Duration;

use crate::common::client::Media;
use crate::common::{Datagram, World, router_address};
use palaver_sfu::event::Event;
use str0m::ice::{StunMessage, TransId};
use str0m::media::Direction;
use str0m::net::Protocol;

const VICTIM: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 66)), 6666);
const FRAME: Duration = Duration::from_millis(20);

fn attribute<'a>(sdp: &'a str, name: &str) -> &'a str {
    sdp.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim()
}

/// A request that nominates the path it comes by, signed as the client would.
struct Forger {
    user: String,
    password: String,
}

impl Forger {
    fn of(world: &mut World, client: usize) -> Self {
        world.clients[client].add(Media::Opus, Direction::Inactive);
        let offer = world.clients[client].offer();
        let answer = world.offer(client, offer.clone()).unwrap();
        world.clients[client].answered(&answer);
        let user = format!("{}:{}", attribute(&answer, "a=ice-ufrag:"), attribute(&offer, "a=ice-ufrag:"));
        Self { user, password: attribute(&answer, "a=ice-pwd:").to_owned() }
    }

    fn nominate(&self, world: &mut World, source: SocketAddr) {
        let hmac = str0m::crypto::from_feature_flags().sha1_hmac_provider;
        let request = StunMessage::binding_request(&self.user, TransId::new(), true, 7, u32::MAX >> 1, true);
        let mut contents = vec![0; 512];
        let password = Some(self.password.as_bytes());
        let length =
            request.to_bytes(password, &mut contents, |key, parts| hmac.sha1_hmac(key, parts)).unwrap();
        contents.truncate(length);
        let destination = router_address(0);
        world.deliver(vec![Datagram { source, destination, protocol: Protocol::Udp, contents }]);
    }
}

/// Send audio for a while and nominate `source` meanwhile: what the subscriber got, and what went to `source`.
fn talk(world: &mut World, forger: &Forger, source: SocketAddr) -> (usize, Vec<Vec<u8>>) {
    world.clients[1].received.clear();
    let mut reflected = Vec::new();
    for n in 0..500 {
        if n % 25 == 0 {
            forger.nominate(world, source);
        }
        world.clients[0].send(0, Media::Opus, &[7; 100], n * 960);
        world.run(FRAME);
        reflected.append(&mut world.strayed);
    }
    (world.clients[1].received.len(), reflected)
}

#[test]
fn media_does_not_follow_a_nomination_to_where_nobody_answers() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 0]);
    let forger = Forger::of(&mut world, 1);
    let (received, reflected) = talk(&mut world, &forger, VICTIM);
    assert_eq!(received, 500, "the subscriber is where it was");
    assert!(!reflected.is_empty() && reflected.len() <= 2 * 20, "an answer and a check for each request");
    assert!(reflected.iter().all(|datagram| datagram[0] < 4), "and nothing but STUN");
    let stats = &world.stats[0];
    assert_eq!(stats.checks_sent.get() - stats.checks_answered.get(), 20);
    assert!(!world.events().iter().any(|event| matches!(event, Event::Lost { .. })));
}

#[test]
fn nobodys_path_goes_to_another_who_says_to_be_there() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 0]);
    let thief = world.client(0);
    world.clients[thief].add(Media::Opus, Direction::SendOnly);
    let forger = Forger::of(&mut world, thief);
    let victim = world.clients[0].address; // who publishes: its packets would be read as the thief's
    let (received, _) = talk(&mut world, &forger, victim);
    assert_eq!(received, 500);
}
