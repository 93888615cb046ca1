//! A panic inside one session ends that session alone.

use std::time::Duration;

use crate::common::World;
use crate::common::client::Media;
use palaver_sfu::event::Event;
use palaver_sfu::message::Command;
use str0m::media::Direction;

/// Two connected clients, and a third of which the session will panic at the next call.
fn world_with_a_culprit() -> (World, usize) {
    let (mut world, ..) = World::pair(Media::Opus, [0, 0]);
    let culprit = world.client(0);
    world.clients[culprit].add(Media::Opus, Direction::SendRecv);
    world.negotiate(culprit);
    let mid = world.clients[culprit].mid(0);
    world.publish(culprit, &mid);
    world.connect();
    world.events();
    let transport = world.clients[culprit].transport;
    world.routers[0].sabotage(transport);
    (world, culprit)
}

fn assert_only_the_culprit_is_lost(world: &mut World, culprit: usize) {
    let transport = world.clients[culprit].transport;
    assert!(world.events().contains(&Event::Lost { transport, reason: "panic: sabotaged".to_owned() }));
    assert_eq!(world.stats[0].panics.get(), 1);
    let census = world.census()[0];
    assert_eq!((census.transports, census.producers, census.ufrags, census.paths), (2, 1, 2, 2));
    world.clients[0].send(0, Media::Opus, &[7], 0);
    world.run(Duration::from_millis(20));
    assert_eq!(world.clients[1].received.len(), 1);
}

#[test]
fn a_panic_over_a_datagram_ends_one_transport() {
    let (mut world, culprit) = world_with_a_culprit();
    world.clients[culprit].send(0, Media::Opus, &[7], 0);
    world.run(Duration::from_millis(20));
    assert_only_the_culprit_is_lost(&mut world, culprit);
}

#[test]
fn a_panic_over_time_ends_one_transport() {
    let (mut world, culprit) = world_with_a_culprit();
    world.clients[culprit].unplugged = true;
    world.run(Duration::from_secs(30));
    assert_only_the_culprit_is_lost(&mut world, culprit);
}

#[test]
fn a_panic_over_an_offer_refuses_it_and_ends_one_transport() {
    let (mut world, culprit) = world_with_a_culprit();
    world.clients[culprit].add(Media::Opus, Direction::SendOnly);
    let offer = world.clients[culprit].offer();
    assert_eq!(world.offer(culprit, offer), Err("panic: sabotaged".to_owned()));
    assert_only_the_culprit_is_lost(&mut world, culprit);
}

#[test]
fn a_panic_over_a_goodbye_ends_one_transport() {
    let (mut world, culprit) = world_with_a_culprit();
    let transport = world.clients[culprit].transport;
    world.command(0, Command::CloseTransport { transport });
    assert_eq!(world.census()[0].transports, 2);
}

#[test]
fn a_router_that_panicked_is_replaced_and_its_peers_are_told_lost() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 1]);
    world.events();
    let router = world.routers.remove(0);
    world.routers.insert(0, router.replace("a bug", &mut world.tray));
    world.run(Duration::from_millis(20));
    let transport = world.clients[0].transport;
    assert_eq!(world.events(), [Event::Lost { transport, reason: "panic: a bug".to_owned() }]);
    let census = world.census();
    assert_eq!((census[0].transports, census[1].transports), (0, 1));
    assert_eq!((census[1].producers, census[1].consumers), (0, 0));
}
