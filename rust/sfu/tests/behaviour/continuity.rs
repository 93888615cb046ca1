//! A subscriber sees one stream without holes, whatever happens to it on the way.

use std::time::Duration;

use crate::common::World;
use crate::common::client::Media;
use palaver_sfu::event::Event;
use palaver_sfu::message::Command;
use str0m::rtp::Vp8Descriptor;

/// Send VP8 frames with picture ids from `picture` on, a key frame first.
fn play(world: &mut World, picture: u16, count: u16) {
    for n in 0..count {
        let mut payload = if n == 0 { Media::Vp8.key() } else { Media::Vp8.delta() };
        payload[2..4].copy_from_slice(&((picture + n) | 0x8000).to_be_bytes());
        world.clients[0].send(0, Media::Vp8, &payload, u32::from(picture + n) * 3000);
        world.run(Duration::from_millis(30));
    }
}

/// Sequence numbers and picture ids as received.
fn numbers(world: &World) -> Vec<(u64, u16)> {
    let received = world.clients[1].received.iter();
    received
        .map(|(_, packet)| {
            (*packet.seq_no, Vp8Descriptor::parse(&packet.payload).unwrap().picture_id().unwrap())
        })
        .collect()
}

fn assert_continuous(world: &World, count: usize) {
    let numbers = numbers(world);
    assert_eq!(numbers.len(), count);
    for pair in numbers.windows(2) {
        assert_eq!((pair[1].0, pair[1].1), (pair[0].0 + 1, (pair[0].1 + 1) % 0x8000), "in {numbers:?}");
    }
    let ssrc = world.clients[1].received[0].1.header.ssrc;
    assert!(world.clients[1].received.iter().all(|(_, packet)| packet.header.ssrc == ssrc));
}

#[test]
fn a_muted_producer_leaves_no_hole() {
    for threads in [[0, 0], [0, 1]] {
        let (mut world, producer, _) = World::pair(Media::Vp8, threads);
        play(&mut world, 100, 5);
        world.command(threads[0], Command::SetProducerActive { producer, active: false });
        play(&mut world, 105, 20);
        world.command(threads[0], Command::SetProducerActive { producer, active: true });
        world.clients[0].send(0, Media::Vp8, &Media::Vp8.delta(), 0); // before the key frame: not sent
        world.run(Duration::from_millis(30));
        play(&mut world, 130, 5);
        assert_continuous(&world, 10);
        let times: Vec<u32> = world.clients[1].received.iter().map(|(_, p)| p.header.timestamp).collect();
        let pause = times[5] - times[4];
        assert!((55_000..70_000).contains(&pause), "about 0.66 s at 90 kHz, not {pause}");
    }
}

#[test]
fn a_paused_consumer_leaves_no_hole() {
    for threads in [[0, 0], [0, 1]] {
        let (mut world, _, consumer) = World::pair(Media::Vp8, threads);
        play(&mut world, 0x7ffd, 2);
        world.command(threads[1], Command::SetConsumerActive { consumer, active: false });
        play(&mut world, 200, 20);
        world.command(threads[1], Command::SetConsumerActive { consumer, active: true });
        play(&mut world, 300, 5);
        assert_continuous(&world, 7);
    }
}

#[test]
fn a_section_that_is_subscribed_again_goes_on_where_it_was() {
    let (mut world, producer, consumer) = World::pair(Media::Vp8, [0, 1]);
    play(&mut world, 100, 3);
    world.command(1, Command::Unsubscribe { consumer });
    play(&mut world, 103, 3);
    let to = world.clients[1].mid(0);
    world.subscribe(producer, 1, &to);
    play(&mut world, 110, 3);
    assert_continuous(&world, 6);
}

#[test]
fn packets_lost_between_threads_are_counted_and_video_resumes_at_a_key_frame() {
    let (mut world, ..) = World::pair(Media::Vp8, [0, 1]);
    play(&mut world, 100, 3);
    world.tray.congested = true;
    play(&mut world, 103, 1);
    world.tray.congested = false;
    for n in 0..3 {
        world.clients[0].send(0, Media::Vp8, &Media::Vp8.delta(), n);
        world.run(Duration::from_millis(30));
    }
    assert_eq!(world.clients[1].received.len(), 3, "nothing without a key frame");
    play(&mut world, 110, 3);
    assert_continuous(&world, 6);
}

#[test]
fn a_producer_that_falls_silent_is_told_once_and_when_it_is_back() {
    let (mut world, producer, _) = World::pair(Media::Opus, [0, 0]);
    let stalls = |world: &mut World, seconds| {
        world.run(Duration::from_secs(seconds));
        let events = world.events().into_iter();
        events.filter(|event| matches!(event, Event::Stalled { .. })).collect::<Vec<_>>()
    };
    assert_eq!(stalls(&mut world, 8), [], "not before the first packet");
    world.clients[0].send(0, Media::Opus, &[1], 0);
    assert_eq!(stalls(&mut world, 30), [], "a peer that is there and has nothing new");
    for timestamp in [960, 1920] {
        world.clients[0].unplugged = true;
        assert_eq!(stalls(&mut world, 7), [Event::Stalled { producer, stalled: true }]);
        world.clients[0].unplugged = false;
        world.clients[0].send(0, Media::Opus, &[1], timestamp);
        assert_eq!(stalls(&mut world, 1), [Event::Stalled { producer, stalled: false }]);
    }
}
