//! A subscriber goes from layer to layer at key frames, and a decoder sees no seam: every number goes on, no frame is
//! lost, cut or shown twice.

use std::time::Duration;

use crate::common::World;
use crate::common::camera::{Camera, FRAME, RIDS};
use crate::common::client::Media;
use crate::common::film::{Shot, develop, runs};
use palaver_sfu::event::Event;
use palaver_sfu::id::ConsumerId;
use palaver_sfu::layers::{Wish, dependency};
use palaver_sfu::message::Command;

pub const CODECS: [Media; 4] = [Media::Vp8, Media::Vp9, Media::H264, Media::Av1];
/// Key frames are asked for three times a second at most.
const SETTLED: Duration = Duration::from_millis(700);

pub fn wish(world: &mut World, consumer: ConsumerId, wish: Wish) {
    world.command(consumer.thread(), Command::SetLayer { consumer, wish });
}

pub fn name(world: &mut World, consumer: ConsumerId, rid: &str) {
    wish(world, consumer, Wish { rid: Some(rid.into()), ..Wish::default() });
}

/// Let a camera begin, in which layers may come in any order, and forget how.
pub fn settle(world: &mut World, camera: &mut Camera) {
    camera.run(world, SETTLED);
    world.clients[1].received.clear();
    world.events();
}

/// The names of the layers that the owner was told of.
pub fn told(world: &mut World) -> Vec<Option<String>> {
    let events = world.events().into_iter();
    let layers = events.filter_map(|event| match event {
        Event::Layer { rid, .. } => Some(rid.map(|rid| rid.to_string())),
        _ => None,
    });
    layers.collect()
}

#[test]
fn every_switch_is_seamless_with_every_codec_on_one_thread_and_across_two() {
    const TOUR: [usize; 7] = [0, 1, 2, 0, 2, 1, 0];
    for media in CODECS {
        for threads in [[0, 0], [0, 1]] {
            let (mut world, _, consumer) = World::simulcast(media, threads);
            let mut camera = Camera::simulcast(media);
            for layer in TOUR {
                name(&mut world, consumer, RIDS[layer]);
                camera.run(&mut world, SETTLED);
            }
            let shots = develop(&world.clients[1], media);
            assert_eq!(runs(&shots), TOUR.map(|layer| layer as u8), "{media:?} on {threads:?}");
            let cut: Vec<&Shot> = shots.iter().filter(|shot| shot.packets != 2).collect();
            assert!(cut.is_empty(), "{media:?} on {threads:?}: {cut:?}");
            assert_eq!(told(&mut world), TOUR.map(|layer| Some(RIDS[layer].to_owned())));
            let lost = missing(&shots);
            assert!(lost.is_empty(), "{media:?} on {threads:?}: {lost:?}");
        }
    }
}

/// Pictures of which no layer was sent. A switch may show one picture in both layers, never skip one.
fn missing(shots: &[Shot]) -> Vec<(u16, u16)> {
    let pairs = shots.windows(2).map(|pair| (pair[0].picture, pair[1].picture));
    pairs.filter(|(before, after)| !(*before..=before + 1).contains(after)).collect()
}

#[test]
fn layers_and_their_descriptors_are_agreed_on() {
    let mut world = World::new(1);
    let client = world.client(0);
    world.clients[client].add_layers(Media::Av1, &RIDS);
    let offer = world.clients[client].offer();
    let answer = world.offer(client, offer).unwrap();
    for line in
        ["a=simulcast:recv q;h;f", "a=rid:q recv", "a=rid:h recv", "a=rid:f recv", "a=extmap-allow-mixed"]
    {
        assert!(answer.contains(line), "{line} is missing in {answer}");
    }
    for extension in [dependency::URI, "sdes:rtp-stream-id", "sdes:repaired-rtp-stream-id"] {
        assert!(answer.contains(extension), "{extension} is missing in {answer}");
    }
}

#[test]
fn timestamps_go_on_by_the_publishers_clock() {
    let (mut world, _, consumer) = World::simulcast(Media::Vp8, [0, 0]);
    let mut camera = Camera::simulcast(Media::Vp8);
    camera.run(&mut world, Duration::from_secs(6)); // sender reports of each layer come
    for n in 0..60 {
        name(&mut world, consumer, RIDS[n % 3]);
        camera.run(&mut world, SETTLED);
    }
    let shots = develop(&world.clients[1], Media::Vp8);
    let ticks = |pair: &[Shot]| i64::from(pair[1].timestamp.wrapping_sub(pair[0].timestamp));
    for pair in shots.windows(2) {
        let elapsed = i64::from(pair[1].picture - pair[0].picture) * FRAME.as_millis() as i64 * 90;
        assert!((ticks(pair) - elapsed).abs() <= 180, "two milliseconds at most: {pair:?}");
    }
    let (first, last) = (shots.first().unwrap(), shots.last().unwrap());
    let elapsed = i64::from(last.picture - first.picture) * FRAME.as_millis() as i64 * 90;
    let drift = ticks(&[*first, *last]) - elapsed;
    assert!(drift.abs() < 900, "errors do not add up: {drift} ticks");
}

#[test]
fn a_switch_waits_for_a_key_frame_while_the_old_layer_is_sent() {
    let (mut world, _, consumer) = World::simulcast(Media::Vp8, [0, 1]);
    let mut camera = Camera::simulcast(Media::Vp8);
    camera.layer("q").deaf = true;
    camera.run(&mut world, Duration::from_secs(2));
    world.clients[0].keyframe_requests.clear();
    name(&mut world, consumer, "q");
    camera.run(&mut world, Duration::from_secs(20));
    let shots = develop(&world.clients[1], Media::Vp8);
    assert_eq!((missing(&shots), shots.last().unwrap().layer), (vec![], 2));
    let asked = world.clients[0].keyframe_requests.len();
    assert!((3..=7).contains(&asked), "once a second for a while, not {asked} times");
    camera.layer("q").deaf = false;
    camera.layer("q").key = true;
    camera.run(&mut world, SETTLED);
    assert_eq!(develop(&world.clients[1], Media::Vp8).last().unwrap().layer, 0, "late, but taken");
}

#[test]
fn subscribers_of_one_producer_switch_each_on_its_own() {
    let (mut world, producer, first) = World::simulcast(Media::Vp9, [0, 0]);
    let mut others = Vec::new();
    for thread in [0, 0] {
        let client = world.client(thread);
        world.clients[client].add(Media::Vp9, str0m::media::Direction::RecvOnly);
        world.negotiate(client);
        let mid = world.clients[client].mid(0);
        others.push(world.subscribe(producer, client, &mid));
    }
    world.connect();
    let mut camera = Camera::simulcast(Media::Vp9);
    name(&mut world, first, "q");
    name(&mut world, others[0], "h");
    camera.run(&mut world, SETTLED);
    name(&mut world, others[1], "q");
    camera.run(&mut world, SETTLED);
    let seen = |client: usize| runs(&develop(&world.clients[client], Media::Vp9));
    assert_eq!((seen(1), seen(2)), (vec![0], vec![1]));
    assert_eq!(seen(3).last(), Some(&0));
}

#[test]
fn losses_on_the_way_in_are_repaired_in_the_layer_they_belong_to() {
    for threads in [[0, 0], [0, 1]] {
        let (mut world, _, consumer) = World::simulcast(Media::Vp8, threads);
        let mut camera = Camera::simulcast(Media::Vp8);
        for layer in [2, 0, 1] {
            name(&mut world, consumer, RIDS[layer]);
            camera.run(&mut world, SETTLED);
            world.loss = Some(17);
            camera.run(&mut world, Duration::from_secs(2));
            world.loss = None;
            camera.run(&mut world, SETTLED);
        }
        let shots = develop(&world.clients[1], Media::Vp8);
        assert_eq!((runs(&shots), missing(&shots)), (vec![2, 0, 1], vec![]));
    }
}
