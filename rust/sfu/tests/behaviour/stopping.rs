//! A layer may stop, as browsers do when they lack bandwidth or power, and come back.

use std::time::Duration;

use crate::common::World;
use crate::common::camera::{Camera, FRAME};
use crate::common::client::Media;
use crate::common::film::{Shot, develop, runs};
use crate::switching::{name, settle, told};

const WHILE: Duration = Duration::from_secs(2);

/// The longest time without a frame, in pictures.
fn longest_gap(shots: &[Shot]) -> u16 {
    shots.windows(2).map(|pair| pair[1].picture.saturating_sub(pair[0].picture)).max().unwrap()
}

#[test]
fn a_layer_that_stops_is_replaced_at_once_and_taken_again_when_it_is_back() {
    for threads in [[0, 0], [0, 1]] {
        let (mut world, ..) = World::simulcast(Media::Vp8, threads);
        let mut camera = Camera::simulcast(Media::Vp8);
        settle(&mut world, &mut camera);
        camera.run(&mut world, WHILE);
        camera.layer("f").running = false;
        camera.run(&mut world, WHILE);
        camera.layer("h").running = false;
        camera.run(&mut world, WHILE);
        camera.layer("f").running = true;
        camera.run(&mut world, WHILE);
        let shots = develop(&world.clients[1], Media::Vp8);
        assert_eq!(runs(&shots), [2, 1, 0, 2], "on {threads:?}");
        let gap = FRAME * u32::from(longest_gap(&shots));
        assert!(gap <= Duration::from_millis(500), "{gap:?} without a picture");
        assert_eq!(told(&mut world), ["h", "q", "f"].map(|rid| Some(rid.to_owned())));
    }
}

#[test]
fn a_layer_that_is_named_is_waited_for_with_the_next_below_or_the_lowest() {
    let (mut world, _, consumer) = World::simulcast(Media::H264, [0, 0]);
    let mut camera = Camera::simulcast(Media::H264);
    name(&mut world, consumer, "h");
    camera.run(&mut world, WHILE);
    camera.layer("h").running = false;
    camera.run(&mut world, WHILE);
    camera.layer("q").running = false;
    camera.run(&mut world, WHILE);
    camera.layer("h").running = true;
    camera.run(&mut world, WHILE);
    assert_eq!(runs(&develop(&world.clients[1], Media::H264)), [1, 0, 2, 1]);
}

#[test]
fn layers_may_begin_one_by_one() {
    let (mut world, ..) = World::simulcast(Media::Av1, [0, 1]);
    let mut camera = Camera::simulcast(Media::Av1);
    camera.layers.iter_mut().for_each(|layer| layer.running = false);
    for rid in ["q", "h", "f"] {
        camera.layer(rid).running = true;
        camera.run(&mut world, WHILE);
    }
    assert_eq!(runs(&develop(&world.clients[1], Media::Av1)), [0, 1, 2]);
}

#[test]
fn a_producer_of_which_all_layers_pause_goes_on_where_it_was() {
    let (mut world, ..) = World::simulcast(Media::Vp8, [0, 0]);
    let mut camera = Camera::simulcast(Media::Vp8);
    settle(&mut world, &mut camera);
    camera.run(&mut world, WHILE);
    world.run(WHILE); // a network that was away: no layer is worse than another
    camera.run(&mut world, WHILE);
    let shots = develop(&world.clients[1], Media::Vp8);
    assert_eq!((runs(&shots), longest_gap(&shots)), (vec![2], 1));
}
