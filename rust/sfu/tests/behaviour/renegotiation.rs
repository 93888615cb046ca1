//! One connection whose sections grow, change direction and restart ICE.

use std::time::Duration;

use crate::common::World;
use crate::common::client::Media;
use palaver_sfu::event::Event;
use palaver_sfu::router::Census;
use str0m::media::Direction;

const FRAME: Duration = Duration::from_millis(20);

#[test]
fn media_flows_on_sections_that_were_added_later() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 1]);
    // each client now publishes and subscribes on its one connection
    for round in 1..20 {
        for client in 0..2 {
            world.clients[client].add(Media::Vp8, Direction::SendOnly);
            world.clients[client].add(Media::Vp8, Direction::RecvOnly);
            world.negotiate(client);
        }
        for client in 0..2 {
            let (from, to) =
                (world.clients[client].mid(2 * round - 1), world.clients[1 - client].mid(2 * round));
            let producer = world.publish(client, &from);
            world.subscribe(producer, 1 - client, &to);
        }
        world.run(FRAME);
        for client in 0..2 {
            world.clients[client].received.clear();
            world.clients[client].send(2 * round - 1, Media::Vp8, &Media::Vp8.key(), 0);
        }
        world.run(2 * FRAME);
        for client in &world.clients {
            let mids: Vec<&str> = client.received.iter().map(|(mid, _)| mid.as_str()).collect();
            assert_eq!(mids, [client.mid(2 * round)], "round {round}");
        }
    }
    assert!(!world.events().iter().any(|event| matches!(event, Event::Refused { .. } | Event::Lost { .. })));
}

#[test]
fn sections_that_become_inactive_pause_and_come_back() {
    let (mut world, ..) = World::pair(Media::Vp8, [0, 0]);
    let send = |world: &mut World, payload: Vec<u8>| {
        world.clients[0].send(0, Media::Vp8, &payload, 0);
        world.run(FRAME);
        std::mem::take(&mut world.clients[1].received).len()
    };
    assert_eq!(send(&mut world, Media::Vp8.key()), 1);
    world.clients[1].turn(0, Direction::Inactive);
    world.negotiate(1);
    assert_eq!(send(&mut world, Media::Vp8.key()), 0);
    world.run(Duration::from_secs(1));
    world.clients[1].turn(0, Direction::RecvOnly);
    world.negotiate(1);
    assert_eq!(send(&mut world, Media::Vp8.delta()), 0, "waits for a key frame");
    assert_eq!(send(&mut world, Media::Vp8.key()), 1);
}

#[test]
fn a_section_may_be_inactive_from_the_start() {
    let (mut world, producer, _) = World::pair(Media::Opus, [0, 0]);
    world.clients[1].add(Media::Opus, Direction::Inactive);
    world.negotiate(1);
    let mid = world.clients[1].mid(1);
    let early = world.subscribe(producer, 1, &mid);
    let reason = "section does not receive".to_owned();
    assert!(world.events().contains(&Event::Refused { request: 0, subject: early.0, reason }));
    world.clients[1].turn(1, Direction::RecvOnly);
    world.negotiate(1);
    world.subscribe(producer, 1, &mid);
    world.clients[0].send(0, Media::Opus, &[7], 0);
    world.run(FRAME);
    // Counted here and not at the client, whose library does not receive on a section that it first offered inactive.
    assert_eq!(world.stats[0].packets_forwarded.get(), 2, "on both sections");
}

#[test]
fn a_client_may_restart_ice_and_move() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 0]);
    let before = world.census();
    // the subscriber changes its network: a new address, and new credentials
    world.clients[1].address.set_port(7777);
    let candidate = str0m::Candidate::host(world.clients[1].address, "udp").unwrap();
    world.clients[1].rtc.add_local_candidate(candidate);
    let offer = world.clients[1].restart_ice();
    let answer = world.offer(1, offer).unwrap();
    world.clients[1].answered(&answer);
    world.run(Duration::from_secs(3));
    for n in 0..5 {
        world.clients[0].send(0, Media::Opus, &[7], n * 960);
        world.run(FRAME);
    }
    assert_eq!(world.clients[1].received.len(), 5);
    let after = world.census();
    assert_eq!(after[0].ufrags, before[0].ufrags, "the old credentials are forgotten");
    world.run(Duration::from_secs(60));
    assert!(!world.events().iter().any(|event| matches!(event, Event::Lost { .. })));
}

#[test]
fn a_refused_offer_changes_nothing() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 0]);
    let before = world.census();
    world.clients[1].add(Media::Vp8, Direction::RecvOnly);
    let good = world.clients[1].offer();
    let (session, sections) = good.split_once("m=").unwrap();
    for bad in [
        String::new(),
        "nonsense".to_owned(),
        session.to_owned(),
        good.replace("a=fingerprint", "a=fingerprinted"),
        good.replace("SAVPF 111", "SAVPF 111 111"),
        good.replace("a=rtpmap:96 VP8", "a=rtpmap:96 VP9/90000\r\na=rtpmap:96 VP8"),
        good.replace("a=mid:", "a=mid:("),
        good.replace("m=audio", "m=video"),
        format!("{session}m={}", sections.rsplit_once("m=").unwrap().1),
        good.replace("a=ice-ufrag", "a=ice-u"),
        "x".repeat(2 << 20),
    ] {
        let reason = world.offer(1, bad.clone()).expect_err(&bad);
        assert!(!reason.is_empty());
    }
    assert_eq!(world.census(), before);
    let answer = world.offer(1, good).unwrap();
    world.clients[1].answered(&answer);
    world.clients[0].send(0, Media::Opus, &[7], 0);
    world.run(FRAME);
    assert_eq!(world.clients[1].received.len(), 1);
    assert!(!world.events().iter().any(|event| matches!(event, Event::Lost { .. })));
}

#[test]
fn a_refused_first_offer_leaves_no_transport() {
    let mut world = World::new(1);
    let client = world.client(0);
    assert!(world.offer(client, "v=0".to_owned()).is_err());
    assert_eq!(world.census(), [Census::default()]);
    assert!(world.offer(client, "v=0".to_owned()).unwrap_err().contains("unknown transport"));
}
