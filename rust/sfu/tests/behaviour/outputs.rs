//! Frames of a pipeline become packets of a producer like any other, and what it needs to go on it is asked for.

use std::time::Duration;

use crate::common::World;
use crate::common::client::Media;
use crate::common::link::Conditions;
use crate::common::picture::picture;
use crate::common::pipeline::frame;
use palaver_sfu::event::Event;
use palaver_sfu::frames::unpack::Unpacker;
use palaver_sfu::frames::wire::{Header, Kind, MANY};
use palaver_sfu::id::{PipelineId, ProducerId};
use palaver_sfu::message::Command;
use str0m::media::Direction;

const FRAME: Duration = Duration::from_millis(30);
const MEDIA: [(&str, Media); 9] = [
    ("opus", Media::Opus),
    ("pcmu", Media::Pcmu),
    ("pcma", Media::Pcma),
    ("g722", Media::G722),
    ("vp8", Media::Vp8),
    ("vp9", Media::Vp9),
    ("h264", Media::H264),
    ("h265", Media::H265),
    ("av1", Media::Av1),
];

/// A client of `thread` that is connected and gets `producer`.
fn listener(world: &mut World, thread: usize, media: Media, producer: ProducerId) -> usize {
    let client = world.client(thread);
    world.clients[client].add(media, Direction::RecvOnly);
    world.negotiate(client);
    let mid = world.clients[client].mid(0);
    world.subscribe(producer, client, &mid);
    world.connect_only(client);
    client
}

/// Write the `number`th picture; what it was.
fn show(world: &mut World, pipeline: PipelineId, media: Media, number: u32, key: bool) -> Vec<u8> {
    let length = if media.is_video() { [300, 5000][number as usize % 2] } else { 60 };
    let made = picture(media, number, key, length).frame;
    world.write(pipeline, &frame(5, media.codec(), key, i64::from(number) * 2700), &made);
    world.run(FRAME);
    made
}

/// The frames that a client got, after checking that their packets follow each other.
fn received(world: &World, client: usize, media: Media) -> Vec<(u32, Vec<u8>)> {
    let packets = &world.clients[client].received;
    let (mut frames, mut unpacker) = (Vec::new(), Unpacker::new(media.codec()));
    for pair in packets.windows(2) {
        assert_eq!(*pair[1].1.seq_no, *pair[0].1.seq_no + 1, "{media:?}: no hole");
    }
    for (_, packet) in packets {
        assert!(packet.payload.len() < 1200);
        unpacker.add(&packet.payload).unwrap();
        if packet.header.marker || !media.is_video() {
            frames.push((packet.header.timestamp, unpacker.take().unwrap()));
        }
    }
    frames
}

#[test]
fn frames_of_every_codec_reach_subscribers_on_every_thread() {
    for (name, media) in MEDIA {
        let mut world = World::new(2);
        let pipeline = world.pipeline(1);
        let producer = world.output(name, pipeline, 5);
        let clients = [0, 1].map(|thread| listener(&mut world, thread, media, producer));
        let shown: Vec<Vec<u8>> = (0..20).map(|n| show(&mut world, pipeline, media, n, n == 0)).collect();
        for client in clients {
            let frames = received(&world, client, media);
            assert!(frames.windows(2).all(|pair| pair[1].0.wrapping_sub(pair[0].0) == 2700), "{media:?}");
            let frames: Vec<Vec<u8>> = frames.into_iter().map(|(_, frame)| frame).collect();
            assert_eq!(frames, shown, "{media:?} on thread {client}");
        }
        let events = world.events();
        let told = events.iter().any(|event| matches!(event, Event::Resolution { .. }));
        assert_eq!(told, media.is_video(), "{media:?}: its size");
        assert_eq!(world.stats[1].output_frames.get(), 20);
    }
}

#[test]
fn one_frame_may_be_for_several_outputs() {
    let mut world = World::new(1);
    let pipeline = world.pipeline(0);
    let outputs = [5, 6, 7].map(|track| world.output("opus", pipeline, track));
    let clients = outputs.map(|output| listener(&mut world, 0, Media::Opus, output));
    let payload = [&[2, 0, 5, 0, 0, 0, 7, 0, 0, 0][..], &[1, 2, 3]].concat();
    let header = Header { level: 30, voice: true, ..frame(MANY, Media::Opus.codec(), true, 960) };
    world.write(pipeline, &header, &payload);
    world.run(FRAME);
    let heard = clients.map(|client| world.clients[client].received.len());
    assert_eq!(heard, [1, 0, 1]);
    let packet = &world.clients[clients[0]].received[0].1;
    assert_eq!((packet.payload.as_ref(), packet.header.ext_vals.audio_level), (&[1, 2, 3][..], Some(-30)));
}

#[test]
fn frames_of_another_codec_and_of_no_output_are_nothing() {
    let mut world = World::new(1);
    let pipeline = world.pipeline(0);
    let producer = world.output("vp8", pipeline, 5);
    let client = listener(&mut world, 0, Media::Vp8, producer);
    for header in [frame(5, Media::H264.codec(), true, 0), frame(6, Media::Vp8.codec(), true, 0)] {
        world.write(pipeline, &header, &[0x10; 50]);
    }
    world.write(pipeline, &Header { codec: None, ..frame(5, Media::Vp8.codec(), true, 0) }, &[0x10; 50]);
    world.write(pipeline, &Header::plain(Kind::End, 5), &[]);
    world.run(FRAME);
    assert!(world.clients[client].received.is_empty());
    show(&mut world, pipeline, Media::Vp8, 1, true);
    assert_eq!(received(&world, client, Media::Vp8).len(), 1);
    assert_eq!(world.events().iter().filter(|event| matches!(event, Event::PipelineLost { .. })).count(), 0);
}

#[test]
fn a_subscriber_that_cannot_go_on_has_the_pipeline_asked() {
    for thread in [0, 1] {
        let mut world = World::new(2);
        let pipeline = world.pipeline(0);
        let producer = world.output("vp8", pipeline, 5);
        assert_eq!(world.wanted(pipeline), [] as [u32; 0], "nobody needs one yet");
        let client = listener(&mut world, thread, Media::Vp8, producer);
        assert_eq!(world.wanted(pipeline), [5], "at the beginning");
        show(&mut world, pipeline, Media::Vp8, 0, true);
        world.run(Duration::from_secs(2));
        assert_eq!(world.wanted(pipeline), [] as [u32; 0], "nobody needs one");
        for _ in 0..10 {
            world.clients[client].want_keyframe(0);
            world.run(Duration::from_millis(25));
        }
        world.run(Duration::from_millis(400));
        assert_eq!(world.wanted(pipeline), [5, 5], "at most every 300 ms, and the last is not forgotten");
    }
}

#[test]
fn a_pipeline_hears_when_the_last_subscriber_leaves_and_when_the_next_one_comes() {
    for thread in [0, 1] {
        let mut world = World::new(2);
        let pipeline = world.pipeline(0);
        let producer = world.output("vp8", pipeline, 5);
        world.output("vp8", pipeline, 6);
        let watcher = world.pipeline(thread);
        let first = world.tap(producer, watcher, 1);
        let second = world.tap(producer, watcher, 2);
        world.read_all(pipeline);
        world.command(thread, Command::Unsubscribe { consumer: first });
        assert!(world.read_all(pipeline).is_empty(), "one is left");
        world.command(thread, Command::Unsubscribe { consumer: second });
        assert_eq!(world.read_all(pipeline), [(Header::plain(Kind::Unwanted, 5), vec![])]);
        world.tap(producer, watcher, 3);
        assert_eq!(world.wanted(pipeline), [5], "at once, however soon after the last time");
    }
}

#[test]
fn an_output_that_gets_another_pipeline_goes_on_at_its_key_frame() {
    for thread in [0, 1] {
        let mut world = World::new(2);
        let pipeline = world.pipeline(0);
        let producer = world.output("h264", pipeline, 5);
        let client = listener(&mut world, thread, Media::H264, producer);
        let mut shown: Vec<Vec<u8>> =
            (0..3).map(|n| show(&mut world, pipeline, Media::H264, n, n == 0)).collect();
        world.command(0, Command::ClosePipeline { pipeline });
        world.run(Duration::from_secs(1));
        let next = world.pipeline(0);
        world.command(0, Command::ConnectOutput { producer, pipeline: next, track: 5 });
        assert_eq!(world.wanted(next), [5]);
        show(&mut world, pipeline, Media::H264, 90, true); // nobody listens to the old one
        show(&mut world, next, Media::H264, 91, false);
        shown.extend((0..3).map(|n| show(&mut world, next, Media::H264, 10 + n, n == 0)));
        let frames = received(&world, client, Media::H264);
        let apart: Vec<u32> = frames.windows(2).map(|pair| pair[1].0.wrapping_sub(pair[0].0)).collect();
        assert_eq!((apart[0], apart[3]), (2700, 2700), "the pace of each");
        assert!((90_000..110_000).contains(&apart[2]), "as much as has passed: {}", apart[2]);
        assert_eq!(frames.into_iter().map(|(_, frame)| frame).collect::<Vec<_>>(), shown);
    }
}

#[test]
fn an_output_is_paused_on_a_path_that_cannot_carry_it() {
    let mut world = World::new(2);
    let pipeline = world.pipeline(1);
    let producer = world.output("vp8", pipeline, 5);
    let clients = [0, 1].map(|thread| listener(&mut world, thread, Media::Vp8, producer));
    for client in clients {
        let narrow = Conditions { delay: Duration::from_millis(20), ..Conditions::rate(200_000) };
        world.condition(client, narrow, Conditions::default());
    }
    for number in 0..300 {
        show(&mut world, pipeline, Media::Vp8, number, number % 30 == 0);
    }
    for thread in [0, 1] {
        assert_eq!(world.stats[thread].videos_paused.get(), 1, "on thread {thread}");
    }
}

#[test]
fn a_muted_output_is_not_forwarded_and_begins_again_with_a_key_frame() {
    let mut world = World::new(2);
    let pipeline = world.pipeline(1);
    let producer = world.output("vp8", pipeline, 5);
    let clients = [0, 1].map(|thread| listener(&mut world, thread, Media::Vp8, producer));
    show(&mut world, pipeline, Media::Vp8, 0, true);
    world.wanted(pipeline);
    world.command(1, Command::SetProducerActive { producer, active: false });
    world.run(FRAME);
    for number in 1..5 {
        show(&mut world, pipeline, Media::Vp8, number, false);
    }
    world.command(1, Command::SetProducerActive { producer, active: true });
    world.run(Duration::from_secs(1)); // one that has just come is not asked for again at once
    show(&mut world, pipeline, Media::Vp8, 5, false);
    assert_eq!(world.wanted(pipeline), [5], "a key frame is asked for");
    let last = show(&mut world, pipeline, Media::Vp8, 6, true);
    for client in clients {
        let frames = received(&world, client, Media::Vp8);
        assert_eq!(frames.len(), 2, "the first picture and the one after the pause");
        assert_eq!(frames[1].1, last);
    }
}
