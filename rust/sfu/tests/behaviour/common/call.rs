//! A call: one client sends a camera and a microphone, others receive both, each over a path of its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use palaver_sfu::event::Event;
use palaver_sfu::id::ConsumerId;
use str0m::media::{Direction, Mid};

use super::World;
use super::camera::{Camera, FRAME, TRAILER};
use super::client::Media;
use super::link::Conditions;
use super::router_address;

const STEP: Duration = Duration::from_millis(5);
const AUDIO: Duration = Duration::from_millis(20);
/// A picture that is late by this stands still, by the rule of browsers.
const FREEZE: Duration = Duration::from_millis(150);
/// As Opus has at 40 kbit/s.
const AUDIO_BYTES: usize = 100;

pub struct Call {
    pub world: World,
    pub camera: Camera,
    /// One for each subscriber, in their order.
    pub videos: Vec<ConsumerId>,
    pub start: Instant,
    next_frame: Instant,
    next_audio: Instant,
    audio_timestamp: u32,
}

impl Call {
    /// Client 0 sends, all others receive.
    pub fn new(camera: Camera, subscribers: usize) -> Self {
        Self::prepared(camera, subscribers, 0, |_| {})
    }

    /// The same with subscribers on `thread`, and something done to the world before anyone makes an offer.
    pub fn prepared(camera: Camera, subscribers: usize, thread: usize, prepare: impl Fn(&mut World)) -> Self {
        let mut world = World::new(thread + 1);
        let publisher = world.client(0);
        let rids: Vec<String> =
            camera.layers.iter().filter_map(|layer| layer.rid.map(|rid| rid.to_string())).collect();
        let rids: Vec<&str> = rids.iter().map(String::as_str).collect();
        world.clients[publisher].add_layers(camera.media, &rids);
        world.clients[publisher].add(Media::Opus, Direction::SendOnly);
        for _ in 0..subscribers {
            let subscriber = world.client(thread);
            world.clients[subscriber].add(camera.media, Direction::RecvOnly);
            world.clients[subscriber].add(Media::Opus, Direction::RecvOnly);
        }
        prepare(&mut world);
        (0..=subscribers).for_each(|client| world.negotiate(client));
        let mids = [world.clients[publisher].mid(0), world.clients[publisher].mid(1)];
        let producers = mids.map(|mid| world.publish(publisher, &mid));
        let mut videos = Vec::new();
        for subscriber in 1..=subscribers {
            let mids = [world.clients[subscriber].mid(0), world.clients[subscriber].mid(1)];
            videos.push(world.subscribe(producers[0], subscriber, &mids[0]));
            world.subscribe(producers[1], subscriber, &mids[1]);
        }
        world.connect();
        let start = world.now;
        Self { world, camera, videos, start, next_frame: start, next_audio: start, audio_timestamp: 0 }
    }

    /// Change the way to a subscriber.
    pub fn path(&mut self, client: usize, down: Conditions) {
        let up = Conditions { delay: down.delay, ..Conditions::default() };
        self.world.condition(client, down, up);
    }

    pub fn step(&mut self) {
        if self.world.now >= self.next_frame {
            self.next_frame += FRAME;
            self.camera.shoot(&mut self.world);
        }
        if self.world.now >= self.next_audio {
            self.next_audio += AUDIO;
            self.audio_timestamp = self.audio_timestamp.wrapping_add(960);
            self.world.clients[0].send(1, Media::Opus, &[7; AUDIO_BYTES], self.audio_timestamp);
        }
        self.world.run(STEP);
    }

    pub fn run(&mut self, duration: Duration) {
        let end = self.world.now + duration;
        while self.world.now < end {
            self.step();
        }
    }

    /// Run until `done`; how long it took.
    pub fn until(&mut self, limit: Duration, what: &str, done: impl Fn(&Self) -> bool) -> Duration {
        let begun = self.world.now;
        while !done(self) {
            assert!(self.world.now - begun < limit, "not within {limit:?}: {what}");
            self.step();
        }
        self.world.now - begun
    }

    fn mid(&self, client: usize, index: usize) -> Mid {
        self.world.clients[client].mid(index).as_str().into()
    }

    /// The layer that a client got last, within the last frames.
    pub fn layer(&self, client: usize) -> Option<u8> {
        let mid = self.mid(client, 0);
        let received = &self.world.clients[client].received;
        let (_, packet) = received.iter().rev().find(|(section, _)| **section == *mid)?;
        let fresh = self.world.now - packet.timestamp < Duration::from_millis(500);
        fresh.then(|| packet.payload[packet.payload.len() - TRAILER])
    }

    /// The longest time between two packets of audio since `from`, and how many are missing.
    pub fn audio_gap(&self, client: usize, from: Instant) -> (Duration, u64) {
        let mid = self.mid(client, 1);
        let packets: Vec<_> = self.world.clients[client]
            .received
            .iter()
            .filter(|(section, packet)| **section == *mid && packet.timestamp >= from)
            .map(|(_, packet)| (packet.timestamp, *packet.seq_no))
            .collect();
        let gaps = packets.windows(2).map(|pair| pair[1].0 - pair[0].0);
        let (first, last) =
            (packets.iter().map(|p| p.1).min().unwrap(), packets.iter().map(|p| p.1).max().unwrap());
        (gaps.max().unwrap(), last - first + 1 - packets.len() as u64)
    }

    /// The longest time without the end of a frame.
    pub fn video_gap(&self, client: usize, from: Instant) -> Duration {
        let mid = self.mid(client, 0);
        let ends = self.world.clients[client]
            .received
            .iter()
            .filter(|(section, packet)| **section == *mid && packet.header.marker && packet.timestamp >= from)
            .map(|(_, packet)| packet.timestamp);
        let ends: Vec<Instant> = ends.chain([self.world.now]).collect();
        ends.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0])).max().unwrap_or(Duration::MAX)
    }

    /// The share of the time since `from` in which no frame could be decoded for so long that a picture that is shown
    /// without delay stands still: each needs all packets up to its own.
    pub fn frozen(&self, client: usize, from: Instant) -> f64 {
        let mid = self.mid(client, 0);
        let video = self.world.clients[client].received.iter().filter(|(section, _)| **section == *mid);
        let packets: BTreeMap<u64, (Instant, bool)> =
            video.map(|(_, packet)| (*packet.seq_no, (packet.timestamp, packet.header.marker))).collect();
        let (first, last) = (packets.first_key_value().unwrap().0, packets.last_key_value().unwrap().0);
        assert_eq!(packets.len() as u64, last - first + 1, "some were never repaired");
        let mut complete = from;
        let mut shown = Vec::new();
        for (arrived, marker) in packets.into_values() {
            complete = complete.max(arrived);
            if marker {
                shown.push(complete);
            }
        }
        let gaps = shown.windows(2).map(|pair| pair[1] - pair[0]);
        let still: Duration = gaps.filter(|gap| *gap > FRAME + FREEZE).sum();
        still.as_secs_f64() / (self.world.now - from).as_secs_f64()
    }

    /// Datagrams of padding and retransmissions that a client got since it had `from` headers.
    pub fn spare(&self, client: usize, from: usize) -> usize {
        let rtx = *self.camera.media.payload_type() + 1;
        self.world.clients[client].headers[from..].iter().filter(|header| *header.payload_type == rtx).count()
    }

    /// A subscriber's own estimate.
    pub fn say_remb(&mut self, client: usize, bps: u64) {
        let client = &mut self.world.clients[client];
        let address = router_address(client.transport.thread());
        let datagram = client.send_rtcp(address, |out| write_remb(out, bps));
        self.world.deliver(vec![datagram]);
    }

    /// The layer of which the owner of a subscriber's video heard last.
    pub fn announced(&self, subscriber: usize) -> Option<String> {
        let consumer = self.videos[subscriber];
        self.world.tray.events.iter().rev().find_map(|event| match event {
            Event::Layer { consumer: s, rid } if *s == consumer => rid.map(|rid| rid.to_string()),
            _ => None,
        })
    }

    /// What the owner of a consumer was told of its layers.
    pub fn told(&mut self, consumer: ConsumerId) -> Vec<Option<String>> {
        let events = self.world.events().into_iter();
        let layers = events.filter_map(|event| match event {
            Event::Layer { consumer: s, rid } if s == consumer => Some(rid.map(|rid| rid.to_string())),
            _ => None,
        });
        layers.collect()
    }
}

/// draft-alvestrand-rmcat-remb-03 §2.2.
fn write_remb(out: &mut Vec<u8>, bps: u64) {
    let exponent = (64 - bps.leading_zeros()).saturating_sub(18);
    let mantissa = (bps >> exponent) as u32;
    out.extend([0x8f, 206, 0, 5]);
    out.extend(1_u32.to_be_bytes());
    out.extend(0_u32.to_be_bytes());
    out.extend(b"REMB");
    out.extend((1 << 24 | exponent << 18 | mantissa).to_be_bytes());
    out.extend(1_u32.to_be_bytes());
}
