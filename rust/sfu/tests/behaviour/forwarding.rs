//! Packets of a producer reach its subscribers, whatever the codec, on one thread and across two.

use std::time::Duration;

use crate::common::client::Media;
use crate::common::{Client, World};
use palaver_sfu::event::Event;
use str0m::media::Direction;

const FRAME: Duration = Duration::from_millis(20);

/// Send a key frame and `count` packets after it.
fn play(world: &mut World, media: Media, count: u32) {
    for n in 0..=count {
        let payload = if n == 0 { media.key() } else { media.delta() };
        world.clients[0].send(0, media, &payload, 1000 + n * 960);
        world.run(FRAME);
    }
}

fn payloads(client: &Client) -> Vec<Vec<u8>> {
    client.received.iter().map(|(_, packet)| packet.payload.to_vec()).collect()
}

#[test]
fn every_codec_is_forwarded_unchanged() {
    for media in Media::AUDIO.into_iter().chain(Media::VIDEO) {
        for threads in [[0, 0], [0, 1]] {
            let (mut world, ..) = World::pair(media, threads);
            play(&mut world, media, 5);
            let expected: Vec<Vec<u8>> =
                std::iter::once(media.key()).chain((0..5).map(|_| media.delta())).collect();
            assert_eq!(payloads(&world.clients[1]), expected, "{media:?} on {threads:?}");
            let timestamps: Vec<u32> =
                world.clients[1].received.iter().map(|(_, p)| p.header.timestamp).collect();
            assert!(timestamps.windows(2).all(|pair| pair[1] - pair[0] == 960));
            let mids: Vec<&str> = world.clients[1].received.iter().map(|(mid, _)| mid.as_str()).collect();
            assert!(mids.iter().all(|mid| *mid == world.clients[1].mid(0)));
        }
    }
}

#[test]
fn audio_levels_are_forwarded_and_told() {
    let (mut world, producer, _) = World::pair(Media::Opus, [0, 1]);
    play(&mut world, Media::Opus, 10);
    let levels: Vec<_> =
        world.clients[1].received.iter().map(|(_, p)| p.header.ext_vals.audio_level).collect();
    assert!(levels.iter().all(|level| *level == Some(-40)));
    let told: Vec<Event> =
        world.events().into_iter().filter(|event| matches!(event, Event::AudioLevel { .. })).collect();
    assert_eq!(
        told,
        [Event::AudioLevel { producer, level_dbov: -40, voice: true }],
        "said once while it stays"
    );
}

#[test]
fn video_starts_at_a_key_frame_and_tells_its_size() {
    let (mut world, producer, _) = World::pair(Media::Vp8, [0, 0]);
    world.clients[0].send(0, Media::Vp8, &Media::Vp8.delta(), 0);
    world.run(FRAME);
    assert!(world.clients[1].received.is_empty());
    play(&mut world, Media::Vp8, 1);
    play(&mut world, Media::Vp8, 1);
    assert_eq!(world.clients[1].received.len(), 4);
    let sizes = world.events().into_iter().filter(|event| matches!(event, Event::Resolution { .. }));
    let expected = Event::Resolution { producer, rid: None, width: 640, height: 360 };
    assert_eq!(sizes.collect::<Vec<_>>(), [expected]);
}

#[test]
fn one_producer_serves_many_on_several_threads() {
    let mut world = World::new(3);
    let publisher = world.client(0);
    world.clients[publisher].add(Media::Opus, Direction::SendOnly);
    world.negotiate(publisher);
    let from = world.clients[publisher].mid(0);
    let producer = world.publish(publisher, &from);
    for n in 0..9 {
        let subscriber = world.client(n % 3);
        world.clients[subscriber].add(Media::Opus, Direction::RecvOnly);
        world.negotiate(subscriber);
        let to = world.clients[subscriber].mid(0);
        world.subscribe(producer, subscriber, &to);
    }
    world.connect();
    play(&mut world, Media::Opus, 9);
    assert!(world.clients[1..].iter().all(|client| client.received.len() == 10));
}

#[test]
fn packets_that_arrive_twice_are_forwarded_once() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 0]);
    for seq in [100, 101, 103, 102, 101, 104] {
        world.clients[0].send_as(0, Media::Opus, &[seq as u8], seq as u32 * 960, seq);
        world.run(FRAME);
    }
    assert_eq!(payloads(&world.clients[1]), [[100], [101], [103], [102], [104]]);
}

#[test]
fn a_codec_that_was_not_negotiated_is_refused() {
    let mut world = World::new(2);
    let (publisher, subscriber) = (world.client(0), world.client(1));
    world.clients[publisher].add(Media::H264, Direction::SendOnly);
    world.clients[subscriber].add(Media::Vp8, Direction::RecvOnly);
    world.negotiate(publisher);
    world.negotiate(subscriber);
    let from = world.clients[publisher].mid(0);
    let to = world.clients[subscriber].mid(0);
    let producer = world.publish(publisher, &from);
    let consumer = world.subscribe(producer, subscriber, &to);
    let reason = "section has not negotiated the producer's codec".to_owned();
    assert!(world.events().contains(&Event::Refused { request: 0, subject: consumer.0, reason }));
    assert_eq!(world.census()[1].consumers, 0);
    assert_eq!(world.census()[1].producers, 0, "the mirror is gone as well");
}

#[test]
fn lost_video_packets_are_sent_again_on_both_legs() {
    let (mut world, ..) = World::pair(Media::Vp8, [0, 1]);
    world.clients[0].send(0, Media::Vp8, &Media::Vp8.key(), 0);
    world.run(FRAME);
    world.loss = Some(13);
    play(&mut world, Media::Vp8, 300);
    world.loss = None;
    world.run(Duration::from_secs(1));
    assert_eq!(world.clients[1].received.len(), 302);
}

#[test]
fn a_packet_too_long_for_any_network_is_not_forwarded() {
    let (mut world, ..) = World::pair(Media::Vp8, [0, 0]);
    play(&mut world, Media::Vp8, 1);
    let mut long = Media::Vp8.delta();
    long.resize(1940, 0);
    world.clients[0].send(0, Media::Vp8, &long, 9000);
    play(&mut world, Media::Vp8, 1);
    assert_eq!(world.clients[1].received.len(), 4);
    assert_eq!(world.census()[0].transports, 2);
}
