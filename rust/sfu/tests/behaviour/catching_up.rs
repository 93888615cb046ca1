//! Who begins soon after a key frame is given that one and what followed, and need not wait for the next.

use std::time::Duration;

use crate::common::World;
use crate::common::client::Media;
use crate::common::link::Conditions;
use palaver_sfu::id::ProducerId;
use palaver_sfu::message::Command;
use str0m::media::Direction;
use str0m::rtp::Vp8Descriptor;

const FRAME: Duration = Duration::from_millis(30);
const TICKS: u32 = 2700;

/// Send `count` frames with picture ids from `picture` on; `key`: the first is a key frame.
fn play(world: &mut World, key: bool, picture: u16, count: u16) {
    for n in 0..count {
        let mut payload = if key && n == 0 { Media::Vp8.key() } else { Media::Vp8.delta() };
        payload[2..4].copy_from_slice(&((picture + n) | 0x8000).to_be_bytes());
        world.clients[0].send(0, Media::Vp8, &payload, u32::from(picture + n) * TICKS);
        world.run(FRAME);
    }
}

/// What a client received since it was last looked: sequence numbers, timestamps, and whether a key frame begins.
fn received(world: &mut World, client: usize) -> Vec<(u64, u32, bool)> {
    let received = std::mem::take(&mut world.clients[client].received);
    let is_key = |payload: &[u8]| Vp8Descriptor::parse(payload).is_ok() && payload[4] & 1 == 0;
    received.iter().map(|(_, p)| (*p.seq_no, p.header.timestamp, is_key(&p.payload))).collect()
}

fn assert_whole(frames: &[(u64, u32, bool)], count: usize) {
    assert_eq!(frames.len(), count, "{frames:?}");
    assert!(frames[0].2, "a key frame first");
    for pair in frames.windows(2) {
        assert_eq!(pair[1].0, pair[0].0 + 1, "{frames:?}");
        assert_eq!(pair[1].1 - pair[0].1, TICKS, "{frames:?}");
    }
}

fn requests(world: &mut World) -> usize {
    std::mem::take(&mut world.clients[0].keyframe_requests).len()
}

/// A producer whose key frame came some frames ago, its first subscriber, and another client that is connected.
fn scene(threads: [usize; 2]) -> (World, ProducerId) {
    let (mut world, producer, _) = World::pair(Media::Vp8, threads);
    let late = world.client(threads[1]);
    world.clients[late].add(Media::Vp8, Direction::RecvOnly);
    world.negotiate(late);
    world.connect();
    world.run(Duration::from_secs(1));
    play(&mut world, true, 100, 4);
    assert_whole(&received(&mut world, 1), 4);
    requests(&mut world);
    (world, producer)
}

fn join(world: &mut World, producer: ProducerId) {
    let to = world.clients[2].mid(0);
    world.subscribe(producer, 2, &to);
}

#[test]
fn a_subscriber_begins_with_the_key_frame_that_has_just_come() {
    for threads in [[0, 0], [0, 1]] {
        let (mut world, producer) = scene(threads);
        join(&mut world, producer);
        play(&mut world, false, 104, 3);
        assert_whole(&received(&mut world, 2), 7);
        assert_eq!(requests(&mut world), 0, "nobody was asked");
        assert_eq!(world.stats[threads[1]].catch_ups.get(), 1);
    }
}

#[test]
fn one_that_came_too_long_ago_is_not_sent_again() {
    let (mut world, producer) = scene([0, 0]);
    play(&mut world, false, 104, 10);
    join(&mut world, producer);
    play(&mut world, false, 114, 3);
    assert_eq!(received(&mut world, 2), []);
    assert_eq!(requests(&mut world), 1);
}

#[test]
fn a_transport_that_comes_up_after_the_key_frame_begins_with_it() {
    let (mut world, producer, _) = World::pair(Media::Vp8, [0, 0]);
    play(&mut world, true, 0, 1);
    world.run(Duration::from_secs(1));
    requests(&mut world);
    let late = world.client(0);
    let far = Conditions { delay: Duration::from_millis(50), ..Conditions::default() };
    world.condition(late, far, far);
    world.clients[late].add(Media::Vp8, Direction::RecvOnly);
    world.negotiate(late);
    join(&mut world, producer);
    assert_eq!(requests(&mut world), 0, "not before anybody has come");
    while requests(&mut world) == 0 {
        world.step();
    }
    assert!(!world.clients[late].connected, "asked as soon as it is about to be connected");
    play(&mut world, true, 100, 1);
    while !world.clients[late].connected {
        world.step();
    }
    play(&mut world, false, 101, 4);
    world.run(2 * far.delay);
    assert_whole(&received(&mut world, late), 5);
    assert_eq!(requests(&mut world), 0);
}

#[test]
fn a_peer_that_could_not_read_the_key_frame_gets_it_once_more() {
    let (mut world, producer) = scene([0, 0]);
    join(&mut world, producer);
    world.step();
    let first = received(&mut world, 2);
    assert_whole(&first, 4);
    world.clients[2].want_keyframe(0);
    play(&mut world, false, 104, 2);
    let again = received(&mut world, 2);
    assert_whole(&again, 6);
    assert_eq!(again[0].0, first[3].0 + 1, "under new numbers");
    assert!(again[0].1 > first[3].1);
    assert_eq!(requests(&mut world), 0);
    world.clients[2].want_keyframe(0);
    play(&mut world, false, 106, 10);
    assert_eq!(received(&mut world, 2).len(), 10, "not a third time");
    assert_eq!(requests(&mut world), 1, "the publisher is asked");
}

#[test]
fn what_followed_another_stream_is_not_sent() {
    let (mut world, producer) = scene([0, 0]);
    for active in [false, true] {
        world.command(0, Command::SetProducerActive { producer, active });
    }
    requests(&mut world);
    join(&mut world, producer);
    play(&mut world, false, 104, 2);
    assert_eq!(received(&mut world, 2), []);
    play(&mut world, true, 106, 2);
    assert_whole(&received(&mut world, 2), 2);
}
