//! Between threads go the layers that somebody there needs, and no others.

use std::time::Duration;

use crate::common::World;
use crate::common::camera::{Camera, RIDS};
use crate::common::client::Media;
use crate::common::film::develop;
use crate::switching::name;
use palaver_sfu::message::Command;
use str0m::media::Direction;

const WHILE: Duration = Duration::from_secs(1);

/// The layers that cross in a second.
fn crossing(world: &mut World, camera: &mut Camera) -> Vec<u8> {
    camera.run(world, WHILE);
    world.tray.relayed.clear();
    camera.run(world, WHILE);
    let mut layers = std::mem::take(&mut world.tray.relayed);
    layers.sort_unstable();
    layers.dedup();
    layers
}

#[test]
fn only_the_layers_that_are_needed_are_relayed() {
    let (mut world, producer, first) = World::simulcast(Media::Vp8, [0, 1]);
    let second = world.client(1);
    world.clients[second].add(Media::Vp8, Direction::RecvOnly);
    world.negotiate(second);
    let mid = world.clients[second].mid(0);
    let other = world.subscribe(producer, second, &mid);
    world.connect();
    let mut camera = Camera::simulcast(Media::Vp8);
    assert_eq!(crossing(&mut world, &mut camera), [2]);
    name(&mut world, first, "q");
    assert_eq!(crossing(&mut world, &mut camera), [0, 2]);
    name(&mut world, other, "q");
    assert_eq!(crossing(&mut world, &mut camera), [0]);
    for (consumer, rid) in [(first, "h"), (other, "f")] {
        name(&mut world, consumer, rid);
    }
    assert_eq!(crossing(&mut world, &mut camera), [1, 2]);
    world.command(1, Command::SetConsumerActive { consumer: first, active: false });
    assert_eq!(crossing(&mut world, &mut camera), [2]);
    world.command(1, Command::Unsubscribe { consumer: other });
    assert_eq!(crossing(&mut world, &mut camera), [], "nobody is left who wants any");
    world.command(1, Command::SetConsumerActive { consumer: first, active: true });
    assert_eq!(crossing(&mut world, &mut camera), [1]);
    develop(&world.clients[1], Media::Vp8);
}

#[test]
fn a_layer_that_is_waited_for_is_relayed_beside_the_old_one() {
    let (mut world, _, consumer) = World::simulcast(Media::Vp9, [0, 1]);
    let mut camera = Camera::simulcast(Media::Vp9);
    camera.layer("q").deaf = true;
    camera.run(&mut world, WHILE);
    name(&mut world, consumer, RIDS[0]);
    assert_eq!(crossing(&mut world, &mut camera), [0, 2]);
    camera.layer("q").key = true;
    assert_eq!(crossing(&mut world, &mut camera), [0]);
}
