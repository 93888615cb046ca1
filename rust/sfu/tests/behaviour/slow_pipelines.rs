//! A pipeline that reads slowly costs itself frames, up to a key frame, and nobody else anything.

use std::time::Duration;

use crate::common::World;
use crate::common::client::Media;
use crate::common::picture::picture;
use palaver_sfu::frames::outbox::CAPACITY;
use palaver_sfu::frames::wire::{HEADER, Kind};
use palaver_sfu::id::PipelineId;
use palaver_sfu::message::Command;
use str0m::media::Direction;

const FRAME: Duration = Duration::from_millis(30);

/// A client that publishes video and audio, one that subscribes to the video, and two pipelines that tap both.
struct Scene {
    world: World,
    idle: PipelineId,
    busy: PipelineId,
    number: u32,
}

impl Scene {
    fn new() -> Self {
        let (mut world, video, _) = World::pair(Media::Vp8, [0, 0]);
        let talker = world.client(0);
        world.clients[talker].add(Media::Opus, Direction::SendOnly);
        world.negotiate(talker);
        let mid = world.clients[talker].mid(0);
        let audio = world.publish(talker, &mid);
        world.connect();
        let [idle, busy] = [(); 2].map(|()| world.pipeline(0));
        for pipeline in [idle, busy] {
            world.tap(video, pipeline, 1);
            world.tap(audio, pipeline, 2);
        }
        Self { world, idle, busy, number: 0 }
    }

    /// A picture of 20 kB, a key frame if one is asked for, and a packet of audio.
    fn play(&mut self) {
        let client = &mut self.world.clients[0];
        let key = self.number == 0 || !client.keyframes_wanted.is_empty();
        client.keyframes_wanted.clear();
        let payloads = picture(Media::Vp8, self.number, key, 20_000).payloads;
        let last = payloads.len() - 1;
        for (index, payload) in payloads.iter().enumerate() {
            let seq = u64::from(self.number) * 19 + index as u64;
            client.send_part(0, Media::Vp8, payload, self.number * 2700, 1000 + seq, index == last);
        }
        assert_eq!(payloads.len(), 19);
        self.world.clients[2].send(0, Media::Opus, &[self.number as u8; 60], self.number * 1440);
        self.number += 1;
        self.world.run(FRAME);
    }
}

#[test]
fn what_waits_is_bounded_and_goes_on_at_a_key_frame() {
    let mut scene = Scene::new();
    let (mut got, mut forwarded) = (0, 0);
    for _ in 0..400 {
        scene.play();
        got += scene.world.read_frames(scene.busy).len();
    }
    let waiting = scene.world.read_all(scene.idle);
    let bytes: usize = waiting.iter().map(|(_, payload)| HEADER + payload.len()).sum();
    assert!(bytes <= CAPACITY, "{bytes} bytes waited");
    let audio = waiting.iter().take_while(|(header, _)| header.track == 2).count();
    assert!(audio >= 399, "audio comes first, and all of it: {audio}");
    let video: Vec<_> = waiting.iter().filter(|(header, _)| header.track == 1).collect();
    assert!((60..120).contains(&video.len()), "{} pictures", video.len());
    assert!(video.windows(2).all(|pair| pair[1].0.pts - pair[0].0.pts == 2700), "a run without a hole");
    let dropped = scene.world.stats[0].tap_frames_dropped.get();
    assert!(dropped as usize >= 390 - video.len(), "{dropped} were counted");

    for _ in 0..100 {
        scene.play();
        let read = scene.world.read_frames(scene.idle);
        let video: Vec<_> = read.iter().filter(|(header, _)| header.track == 1).collect();
        if let Some((header, _)) = video.first().filter(|_| forwarded == 0) {
            assert!(header.key_frame && header.gap, "what was lost is not pretended to be there");
        }
        forwarded += video.len();
        got += scene.world.read_frames(scene.busy).len();
    }
    assert!(forwarded > 60, "{forwarded} of 100 after it read again");
    assert_eq!(got, 1000, "the other pipeline lost nothing");
    assert_eq!(scene.world.clients[1].received.len(), 500 * 19, "and no subscriber either");
}

#[test]
fn no_frame_of_a_tap_follows_its_end() {
    let mut scene = Scene::new();
    (0..5).for_each(|_| scene.play());
    scene.world.read_all(scene.busy);
    let transport = scene.world.clients[0].transport;
    scene.world.command(0, Command::CloseTransport { transport });
    let said = |world: &mut World, pipeline| -> Vec<(Kind, u32)> {
        world.read_all(pipeline).iter().map(|(header, _)| (header.kind, header.track)).collect()
    };
    assert_eq!(said(&mut scene.world, scene.busy), [(Kind::End, 1)]);
    let late = said(&mut scene.world, scene.idle);
    let end = late.iter().position(|said| *said == (Kind::End, 1)).expect("the end is told");
    assert!(!late[end..].contains(&(Kind::Frame, 1)), "{late:?}");
    assert_eq!(
        late.iter().filter(|said| **said == (Kind::Frame, 2)).count(),
        5,
        "the other tap's frames stay"
    );
}
