//! A subscriber says how large a picture may be, or leaves it to us.

use std::time::Duration;

use crate::common::World;
use crate::common::camera::Camera;
use crate::common::client::Media;
use crate::common::film::{develop, runs};
use crate::switching::{settle, told, wish};
use palaver_sfu::event::Event;
use palaver_sfu::layers::Wish;
use palaver_sfu::message::Command;

const WHILE: Duration = Duration::from_secs(1);

fn limits(max_width: u32, max_height: u32) -> Wish {
    Wish { max_width, max_height, ..Wish::default() }
}

#[test]
fn the_largest_picture_within_the_limits_is_sent() {
    for threads in [[0, 0], [0, 1]] {
        let (mut world, _, consumer) = World::simulcast(Media::Vp9, threads);
        let mut camera = Camera::simulcast(Media::Vp9); // 160×90, 320×180, 640×360
        settle(&mut world, &mut camera);
        for limit in [limits(0, 200), limits(0, 0), limits(300, 0), limits(640, 360), limits(10, 10)] {
            wish(&mut world, consumer, limit);
            camera.run(&mut world, WHILE);
        }
        assert_eq!(runs(&develop(&world.clients[1], Media::Vp9)), [2, 1, 2, 0, 2, 0], "on {threads:?}");
    }
}

#[test]
fn sizes_are_told_for_each_layer() {
    let (mut world, producer, _) = World::simulcast(Media::Vp8, [0, 0]);
    let mut camera = Camera::simulcast(Media::Vp8);
    camera.run(&mut world, WHILE);
    camera.layer("h").size = (480, 270);
    camera.layer("h").key = true;
    camera.run(&mut world, WHILE);
    let mut sizes: Vec<_> = world
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Resolution { producer: of, rid, width, height } => {
                assert_eq!(of, producer);
                Some((rid.unwrap().to_string(), width, height))
            }
            _ => None,
        })
        .collect();
    sizes[..3].sort_by_key(|(_, width, _)| *width);
    let expected = [("q", 160, 90), ("h", 320, 180), ("f", 640, 360), ("h", 480, 270)];
    assert_eq!(sizes, expected.map(|(rid, width, height)| (rid.to_owned(), width, height)));
}

#[test]
fn a_layer_that_grows_above_the_limit_is_left() {
    let (mut world, _, consumer) = World::simulcast(Media::Vp8, [0, 1]);
    let mut camera = Camera::simulcast(Media::Vp8);
    wish(&mut world, consumer, limits(0, 200));
    settle(&mut world, &mut camera);
    camera.run(&mut world, WHILE);
    camera.layer("h").size = (480, 270);
    camera.layer("h").key = true;
    camera.run(&mut world, WHILE);
    assert_eq!(runs(&develop(&world.clients[1], Media::Vp8)), [1, 0]);
}

#[test]
fn pauses_of_either_side_are_told_once() {
    for threads in [[0, 0], [0, 1]] {
        let (mut world, producer, consumer) = World::pair(Media::Vp8, threads);
        let mut camera = Camera::new(Media::Vp8, &[None]);
        camera.run(&mut world, WHILE);
        for active in [false, true] {
            world.command(threads[1], Command::SetConsumerActive { consumer, active });
            camera.run(&mut world, WHILE);
        }
        for active in [false, true] {
            world.command(threads[0], Command::SetProducerActive { producer, active });
            camera.run(&mut world, WHILE);
        }
        let expected = [Some(""), None, Some(""), None, Some("")].map(|rid| rid.map(str::to_owned));
        assert_eq!(told(&mut world), expected, "on {threads:?}: the name of a single layer is empty");
        develop(&world.clients[1], Media::Vp8);
    }
}
