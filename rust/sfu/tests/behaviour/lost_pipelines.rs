//! A pipeline that ends, or writes what is no message, is closed and told of; everything else goes on.

use std::time::Duration;

use crate::common::World;
use crate::common::client::Media;
use crate::common::pipeline::frame;
use palaver_sfu::event::Event;
use palaver_sfu::frames::wire::{Header, Kind, MANY};
use palaver_sfu::id::{PipelineId, ProducerId};
use palaver_sfu::message::Command;
use str0m::media::Direction;

const FRAME: Duration = Duration::from_millis(30);

/// A call of two, of which a pipeline taps the video and makes an output, beside another pipeline that does the same.
fn world() -> (World, ProducerId, PipelineId, PipelineId) {
    let (mut world, producer, _) = World::pair(Media::Vp8, [0, 0]);
    let pipelines = [(); 2].map(|()| {
        let pipeline = world.pipeline(0);
        world.tap(producer, pipeline, 1);
        world.output("vp8", pipeline, 2);
        pipeline
    });
    world.events();
    (world, producer, pipelines[0], pipelines[1])
}

fn play(world: &mut World) {
    world.clients[0].send(0, Media::Vp8, &Media::Vp8.key(), 0);
    world.run(FRAME);
}

fn assert_only_that_is_lost(world: &mut World, lost: PipelineId, other: PipelineId, reason: &str) {
    let told: Vec<Event> =
        world.events().into_iter().filter(|e| matches!(e, Event::PipelineLost { .. })).collect();
    assert_eq!(told, [Event::PipelineLost { pipeline: lost, reason: reason.to_owned() }]);
    assert_eq!(world.tray.closed_pipes, [lost]);
    let census = world.census()[0];
    assert_eq!((census.pipelines, census.consumers), (1, 2), "its tap has ended");
    let received = world.clients[1].received.len();
    world.read_all(other);
    play(world);
    assert_eq!(world.clients[1].received.len(), received + 1);
    assert_eq!(world.read_frames(other).len(), 1);
    assert!(world.read_all(lost).is_empty());
}

#[test]
fn garbage_closes_a_pipeline_and_nothing_else() {
    let oversized = {
        let mut header = Header::plain(Kind::Frame, 2).encode(0);
        header[..4].copy_from_slice(&(5_u32 << 20).to_le_bytes());
        header.to_vec()
    };
    let many = frame(MANY, Media::Vp8.codec(), true, 0);
    let short_list = [&many.encode(5)[..], &[9, 0, 1, 0, 0]].concat();
    let http = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n".to_vec();
    for garbage in [oversized, short_list, http, vec![0xff; 3000], [&many.encode(0)[..], &[0; 32]].concat()] {
        let (mut world, _, culprit, other) = world();
        play(&mut world);
        for part in garbage.chunks(7) {
            world.write_bytes(culprit, part);
        }
        assert_only_that_is_lost(&mut world, culprit, other, "it wrote what is no message");
    }
}

#[test]
fn what_came_before_the_garbage_counts() {
    let (mut world, _, culprit, _) = world();
    let output = world.output("opus", culprit, 3);
    let client = world.client(0);
    world.clients[client].add(Media::Opus, Direction::RecvOnly);
    world.negotiate(client);
    let mid = world.clients[client].mid(0);
    world.subscribe(output, client, &mid);
    world.connect();
    let good = [&frame(3, Media::Opus.codec(), true, 0).encode(3)[..], &[1, 2, 3]].concat();
    world.write_bytes(culprit, &[&good[..], &[0xff; 64], &good].concat());
    world.run(FRAME);
    assert_eq!(world.clients[client].received.len(), 1);
}

#[test]
fn a_socket_that_ends_is_told_once() {
    let (mut world, _, culprit, other) = world();
    play(&mut world);
    for _ in 0..2 {
        world.routers[0].lose_pipeline(culprit, "it has ended", &mut world.tray);
    }
    world.write_bytes(culprit, &frame(2, Media::Vp8.codec(), true, 0).encode(0));
    assert_only_that_is_lost(&mut world, culprit, other, "it has ended");
}

#[test]
fn a_pipeline_that_is_closed_leaves_nothing() {
    let (mut world, producer, first, second) = world();
    for pipeline in [first, second] {
        world.command(0, Command::ClosePipeline { pipeline });
        world.command(0, Command::ClosePipeline { pipeline });
    }
    assert!(
        !world.events().iter().any(|event| matches!(event, Event::PipelineLost { .. })),
        "it was asked for"
    );
    let census = world.census()[0];
    assert_eq!((census.pipelines, census.consumers, census.producers), (0, 1, 3), "outputs wait for another");
    world.command(0, Command::Unpublish { producer });
    assert_eq!(world.census()[0].consumers, 0);
}

#[test]
fn a_tap_that_cannot_be_is_refused() {
    let (mut world, producer, pipeline, _) = world();
    let again = world.tap(producer, pipeline, 1);
    let unknown = world.tap(producer, PipelineId(99), 1);
    let nothing = world.tap(ProducerId(77), pipeline, 8);
    let refused: Vec<(u64, String)> = world
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Refused { subject, reason, .. } => Some((subject, reason)),
            _ => None,
        })
        .collect();
    let expected =
        [(again, "track has a tap already"), (unknown, "unknown pipeline"), (nothing, "unknown producer")];
    assert_eq!(refused, expected.map(|(consumer, reason)| (consumer.0, reason.to_owned())));
    assert_eq!(world.census()[0].consumers, 3);
}

#[test]
fn the_key_frames_a_pipeline_asks_for_are_asked_of_the_publisher() {
    for threads in [[0, 0], [0, 1]] {
        let (mut world, producer, _) = World::pair(Media::Vp8, threads);
        let pipeline = world.pipeline(threads[1]);
        world.tap(producer, pipeline, 1);
        world.run(Duration::from_millis(50));
        play(&mut world);
        world.run(Duration::from_secs(2));
        world.clients[0].keyframe_requests.clear();
        for track in [1, 1, 44, 1, 1] {
            world.write(pipeline, &Header::plain(Kind::KeyFrameWanted, track), &[]);
            world.run(FRAME);
        }
        world.run(Duration::from_millis(400));
        assert_eq!(
            world.clients[0].keyframe_requests.len(),
            2,
            "at most every 300 ms, and the last is not forgotten"
        );
    }
}
