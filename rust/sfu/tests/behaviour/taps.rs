//! A tap gives a pipeline whole frames in order, whatever the way from the publisher does to the packets.

use std::collections::HashMap;
use std::time::Duration;

use crate::common::World;
use crate::common::client::Media;
use crate::common::link::Conditions;
use crate::common::picture::picture;
use crate::common::pipeline::Said;
use palaver_sfu::id::PipelineId;
use str0m::media::Direction;

/// As browsers send audio and video; less than by how much a packet may be overtaken, and more.
const BEATS: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(30)];
const TICKS: u32 = 2700;

/// A client that publishes `media` over a bad way, and a pipeline on another thread that taps it.
struct Studio {
    world: World,
    media: Media,
    pipeline: PipelineId,
    /// What was sent: the frame, its number, and whether it is a key frame.
    sent: HashMap<Vec<u8>, (u32, bool)>,
    number: u32,
    seq: u64,
    got: Vec<Said>,
}

impl Studio {
    /// `plain`: what is lost is not sent again.
    fn new(media: Media, conditions: Conditions, plain: bool) -> Self {
        let mut world = World::new(2);
        let client = world.client(0);
        world.clients[client].plain = plain;
        world.clients[client].add(media, Direction::SendOnly);
        world.negotiate(client);
        let mid = world.clients[client].mid(0);
        let producer = world.publish(client, &mid);
        world.connect();
        world.condition(client, Conditions::default(), conditions);
        let pipeline = world.pipeline(1);
        world.tap(producer, pipeline, 7);
        Self { world, media, pipeline, sent: HashMap::new(), number: 0, seq: 1000, got: Vec::new() }
    }

    /// Send pictures at their time; the ones that are asked for are key frames.
    fn play(&mut self, count: u32) {
        for _ in 0..count {
            let client = &mut self.world.clients[0];
            let key = self.number == 0 || !client.keyframes_wanted.is_empty();
            client.keyframes_wanted.clear();
            let length =
                if self.media.is_video() { [200, 1100, 3000, 7000][self.number as usize % 4] } else { 80 };
            let made = picture(self.media, self.number, key, length);
            let timestamp = 0xffff_f000_u32.wrapping_add(self.number * TICKS);
            let last = made.payloads.len() - 1;
            for (index, payload) in made.payloads.iter().enumerate() {
                client.send_part(0, self.media, payload, timestamp, self.seq, index == last);
                self.seq += 1;
            }
            self.sent.insert(made.frame, (self.number, key));
            self.number += 1;
            self.world.run(BEATS[usize::from(self.media.is_video())]);
            self.got.extend(self.world.read_frames(self.pipeline));
        }
    }

    /// The numbers of the frames that came, after checking that each is one that was sent and follows from the others.
    fn checked(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = Vec::new();
        for (header, frame) in &self.got {
            let (number, key) = *self
                .sent
                .get(frame)
                .unwrap_or_else(|| panic!("{:?}: not a frame that was sent", self.media));
            assert_eq!((header.track, header.codec), (7, Some(self.media.codec())));
            assert_eq!(
                header.pts - self.got[0].0.pts,
                i64::from(TICKS) * (i64::from(number) - i64::from(self.sent[&self.got[0].1].0))
            );
            if self.media.is_video() {
                assert_eq!(header.key_frame, key);
                let follows = numbers.last().is_some_and(|last| last + 1 == number);
                assert!(
                    follows || key,
                    "{:?}: {number} after {:?} cannot be decoded",
                    self.media,
                    numbers.last()
                );
                assert!(numbers.last().is_none_or(|last| *last < number), "in order");
                assert_eq!(header.gap, !follows && !numbers.is_empty(), "{:?}: {number}", self.media);
            } else {
                assert!(header.key_frame && header.voice && header.level == 40);
                assert!(!numbers.contains(&number), "each once");
            }
            numbers.push(number);
        }
        numbers
    }
}

#[test]
fn frames_of_every_codec_come_whole_and_in_order() {
    for media in Media::VIDEO.into_iter().chain(Media::AUDIO) {
        let mut studio = Studio::new(media, Conditions::default(), false);
        studio.play(40);
        studio.world.run(Duration::from_millis(100));
        studio.got.extend(studio.world.read_frames(studio.pipeline));
        assert_eq!(studio.checked(), (0..40).collect::<Vec<_>>(), "{media:?}");
    }
}

#[test]
fn what_is_lost_or_overtaken_and_sent_again_costs_nothing() {
    for media in Media::VIDEO {
        let bad = Conditions {
            loss: 0.03,
            reordering: 0.1,
            jitter: Duration::from_millis(10),
            ..Conditions::default()
        };
        let mut studio = Studio::new(media, bad, false);
        studio.play(300);
        let got = studio.checked();
        assert!(got.len() > 280, "{media:?}: {} of 300", got.len());
    }
}

#[test]
fn what_is_lost_for_good_costs_frames_up_to_the_next_key_frame() {
    for media in Media::VIDEO {
        let mut studio = Studio::new(media, Conditions { loss: 0.02, ..Conditions::default() }, true);
        studio.play(600);
        let got = studio.checked();
        let gaps = studio.got.iter().filter(|(header, _)| header.gap).count();
        assert!(gaps > 1, "{media:?}: nothing was lost");
        assert!(got.len() > 200, "{media:?}: {} of 600, after {gaps} losses", got.len());
        let dropped = studio.world.stats[1].tap_frames_dropped.get();
        assert!(dropped >= gaps as u64, "{media:?}: {dropped} were counted as lost");
        assert_eq!(studio.world.stats[1].tap_frames.get(), got.len() as u64);
    }
}

#[test]
fn audio_is_given_as_it_comes() {
    for media in Media::AUDIO {
        let bad = Conditions { loss: 0.05, reordering: 0.1, ..Conditions::default() };
        let mut studio = Studio::new(media, bad, true);
        studio.play(400);
        let mut got = studio.checked();
        assert!((340..400).contains(&got.len()), "{media:?}: {} of 400", got.len());
        assert!(!got.is_sorted(), "{media:?}: nobody waited for those overtaken");
        got.sort_unstable();
        assert!(got[got.len() - 1] > 390, "{media:?}");
    }
}
