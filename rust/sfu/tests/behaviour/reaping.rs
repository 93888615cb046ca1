//! Transports that are gone are noticed, said to be, and leave nothing behind.

use std::time::Duration;

use crate::common::client::Media;
use crate::common::{CONNECT_TIMEOUT, World};
use palaver_sfu::event::Event;
use palaver_sfu::message::Command;
use palaver_sfu::router::Census;
use str0m::media::Direction;

fn losses(world: &mut World) -> Vec<(u64, String)> {
    let events = world.events().into_iter();
    events
        .filter_map(|event| match event {
            Event::Lost { transport, reason } => Some((transport.0, reason)),
            _ => None,
        })
        .collect()
}

fn empty(world: &World) -> bool {
    world.census().iter().all(|census| *census == Census::default())
}

#[test]
fn a_transport_that_never_connects_is_lost() {
    let mut world = World::new(1);
    let client = world.client(0);
    world.clients[client].add(Media::Opus, Direction::SendOnly);
    world.negotiate(client);
    world.clients[client].unplugged = true;
    world.run(CONNECT_TIMEOUT.checked_sub(Duration::from_millis(50)).unwrap());
    assert_eq!(losses(&mut world), []);
    world.run(Duration::from_millis(100));
    assert_eq!(losses(&mut world), [(world.clients[client].transport.0, "never connected".to_owned())]);
    assert!(empty(&world));
}

#[test]
fn a_peer_that_vanishes_is_lost_with_all_it_did() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 1]);
    world.clients[0].unplugged = true;
    world.run(Duration::from_secs(40));
    assert_eq!(losses(&mut world), [(world.clients[0].transport.0, "ice timeout".to_owned())]);
    assert_eq!(world.census()[0], Census::default());
    let rest = world.census()[1];
    assert_eq!((rest.transports, rest.producers, rest.consumers), (1, 0, 0), "the consumer ends as well");
}

#[test]
fn a_peer_that_comes_back_in_time_is_not_lost() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 0]);
    world.clients[1].unplugged = true;
    world.run(Duration::from_secs(5));
    world.clients[1].unplugged = false;
    world.run(Duration::from_secs(60));
    assert_eq!(losses(&mut world), []);
    world.clients[0].send(0, Media::Opus, &[7], 0);
    world.run(Duration::from_millis(20));
    assert_eq!(world.clients[1].received.len(), 1);
}

#[test]
fn a_peer_that_says_goodbye_is_lost_at_once() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 1]);
    world.clients[1].rtc.close().unwrap();
    world.run(Duration::from_millis(50));
    assert_eq!(losses(&mut world), [(world.clients[1].transport.0, "closed by peer".to_owned())]);
    assert_eq!(world.census()[1], Census::default());
}

#[test]
fn closing_says_goodbye_to_the_peer_and_nothing_to_the_owner() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 1]);
    world.events();
    for client in 0..2 {
        let transport = world.clients[client].transport;
        world.command(client, Command::CloseTransport { transport });
        world.command(client, Command::CloseTransport { transport });
    }
    world.run(Duration::from_millis(50));
    assert!(world.clients.iter().all(|client| client.closed));
    assert!(empty(&world));
    assert_eq!(world.events(), []);
}

#[test]
fn ending_things_twice_or_in_any_order_is_harmless() {
    let (mut world, producer, consumer) = World::pair(Media::Vp8, [0, 1]);
    world.command(0, Command::Unpublish { producer });
    world.command(1, Command::Unsubscribe { consumer });
    world.command(1, Command::Unsubscribe { consumer });
    world.command(0, Command::Unpublish { producer });
    world.command(0, Command::SetProducerActive { producer, active: false });
    world.command(1, Command::SetConsumerActive { consumer, active: false });
    let to = world.clients[1].mid(0);
    let late = world.subscribe(producer, 1, &to);
    let reason = "unknown producer".to_owned();
    assert!(world.events().contains(&Event::Refused { request: 0, subject: late.0, reason }));
    let census = world.census();
    assert_eq!((census[0].producers, census[1].producers, census[1].consumers), (0, 0, 0));
}

#[test]
fn a_thousand_lives_leave_nothing() {
    let mut world = World::new(2);
    let (publisher, subscriber) = (world.client(0), world.client(1));
    world.clients[publisher].add(Media::Vp8, Direction::SendOnly);
    world.clients[subscriber].add(Media::Vp8, Direction::RecvOnly);
    let offers = [world.clients[publisher].offer(), world.clients[subscriber].offer()];
    let mids = [world.clients[publisher].mid(0), world.clients[subscriber].mid(0)];
    for life in 0..1000 {
        for (client, offer) in offers.iter().enumerate() {
            world.rename(client);
            world.offer(client, offer.clone()).unwrap();
        }
        let producer = world.publish(publisher, &mids[0]);
        world.subscribe(producer, subscriber, &mids[1]);
        for client in if life % 2 == 0 { [0, 1] } else { [1, 0] } {
            let transport = world.clients[client].transport;
            world.command(client, Command::CloseTransport { transport });
        }
    }
    assert!(empty(&world));
    assert!(world.registry.get(world.clients[0].transport).is_none());
}

#[test]
fn lives_that_connected_leave_nothing() {
    for _ in 0..20 {
        let (mut world, ..) = World::pair(Media::Vp8, [0, 1]);
        world.clients[0].send(0, Media::Vp8, &Media::Vp8.key(), 0);
        world.run(Duration::from_millis(20));
        assert_eq!(world.clients[1].received.len(), 1);
        world.clients[0].unplugged = true;
        let transport = world.clients[1].transport;
        world.command(1, Command::CloseTransport { transport });
        world.run(Duration::from_secs(30));
        assert!(empty(&world), "{:?}", world.census());
    }
}
