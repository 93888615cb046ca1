//! One stream with spatial and temporal layers (SVC): what a subscriber does not want is left out, without a hole.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::World;
use crate::common::camera::{Bits, FRAME};
use crate::common::client::Media;
use crate::switching::wish;
use palaver_sfu::layers::dependency::Extension;
use palaver_sfu::layers::labels::{Extender, Width};
use palaver_sfu::layers::{Wish, vp8, vp9};

const SIZES: [(u32, u32); 2] = [(320, 180), (640, 360)];
/// Temporal layers of successive pictures, and which of them depend on the lowest only.
const PATTERN: [(u8, bool); 4] = [(0, true), (2, true), (1, true), (2, false)];
const WHILE: Duration = Duration::from_millis(3500);

/// An encoder of two spatial layers (VP8: one) and three temporal ones.
struct Encoder {
    media: Media,
    picture: u16,
    frame: u16,
    seq: u64,
    base_layer: u8,
    keys: usize,
}

/// What is known of one received packet, besides its sequence number.
#[derive(Clone, Copy, Debug)]
struct Seen {
    seq: u64,
    timestamp: u32,
    marker: bool,
    spatial: u8,
    temporal: u8,
    picture: u16,
    part: u8,
    label: u64,
}

impl Encoder {
    fn new(media: Media) -> Self {
        Self { media, picture: 0, frame: 9000, seq: 500, base_layer: 77, keys: 0 }
    }

    fn run(&mut self, world: &mut World, duration: Duration) {
        let end = world.now + duration;
        while world.now < end {
            let wanted = world.clients[0].keyframes_wanted.drain(..).count() > 0;
            self.shoot(world, self.picture == 0 || wanted && self.picture.is_multiple_of(4));
            world.run(FRAME);
        }
    }

    fn shoot(&mut self, world: &mut World, key: bool) {
        let (temporal, syncs) = PATTERN[usize::from(self.picture) % 4];
        self.base_layer = self.base_layer.wrapping_add(u8::from(temporal == 0));
        self.keys += usize::from(key);
        let spatial_layers = if self.media == Media::Vp8 { 1 } else { 2 };
        for spatial in 0..spatial_layers {
            for part in 0..2 {
                let (mut payload, dependency) = self.packet(spatial, temporal, syncs, key, part);
                let [high, low] = self.picture.to_be_bytes();
                payload.extend([spatial, temporal, high, low, part]);
                let marker = spatial + 1 == spatial_layers && part == 1;
                let (media, timestamp) = (self.media, u32::from(self.picture) * 3150);
                world.clients[0].send_layer(0, None, media, payload, dependency, timestamp, self.seq, marker);
                self.seq += 1;
            }
            self.frame = self.frame.wrapping_add(1);
        }
        self.picture += 1;
    }

    fn packet(
        &self,
        spatial: u8,
        temporal: u8,
        syncs: bool,
        key: bool,
        part: u8,
    ) -> (Vec<u8>, Option<Vec<u8>>) {
        let [high, low] = (self.picture.wrapping_add(0x7fe0) | 0x8000).to_be_bytes();
        let (first, last) = (part == 0, part == 1);
        match self.media {
            Media::Vp8 => {
                let layer = temporal << 6 | u8::from(syncs) << 5;
                let start = if first { 0x90 } else { 0x80 };
                let mut payload = vec![start, 0xe0, high, low, self.base_layer, layer];
                payload.extend([0x10 | u8::from(!key), 2, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1]);
                (payload, None)
            }
            Media::Vp9 => {
                let structure = key && first && spatial == 0;
                let flags = 0xa0 | u8::from(!key) << 6 | u8::from(first) << 3 | u8::from(last) << 2;
                let layer = temporal << 5 | u8::from(syncs) << 4 | spatial << 1 | u8::from(spatial > 0);
                let mut payload = vec![flags | u8::from(structure) << 1, high, low, layer, self.base_layer];
                if structure {
                    payload.push(0x30); // two spatial layers and their sizes
                    for (width, height) in SIZES {
                        payload
                            .extend([(width as u16).to_be_bytes(), (height as u16).to_be_bytes()].concat());
                    }
                }
                (payload, None)
            }
            _ => {
                let aggregation = if key && first && spatial == 0 { 0x18 } else { 0x10 };
                (vec![aggregation, 0x30], Some(self.dependency(spatial, temporal, key, part)))
            }
        }
    }

    /// Decode targets are the pairs of spatial and temporal layers, least first; templates the frames of them, and of
    /// key frames.
    fn dependency(&self, spatial: u8, temporal: u8, key: bool, part: u8) -> Vec<u8> {
        let template = spatial * 4 + if key { 0 } else { temporal + 1 };
        let mut bits = Bits::default();
        bits.put(1, u32::from(part == 0)).put(1, u32::from(part == 1)).put(6, template.into());
        bits.put(16, self.frame.into());
        if key && part == 0 && spatial == 0 {
            bits.put(5, 0b10000).put(6, 0).put(5, 5);
            for next in [0, 1, 1, 2, 0, 1, 1, 3] {
                bits.put(2, next);
            }
            for frame in 0..8_u32 {
                for target in 0..6_u32 {
                    bits.put(2, use_of((frame / 4, (frame % 4).saturating_sub(1)), frame % 4 == 0, target));
                }
            }
            bits.put(8, 0); // no differences are told
            bits.put(2, 0).put(1, 1); // no chains; sizes
            for (width, height) in SIZES {
                bits.put(16, width - 1).put(16, height - 1);
            }
        }
        bits.bytes()
    }
}

/// What a frame is to a decode target: not present, discardable, switch or required, as libwebrtc says it.
fn use_of((spatial, temporal): (u32, u32), key: bool, target: u32) -> u32 {
    let (to_spatial, to_temporal) = (target / 3, target % 3);
    if to_spatial < spatial || to_temporal < temporal {
        0
    } else if key || to_spatial == spatial && (temporal == 0 || to_temporal > temporal) {
        2
    } else if to_spatial == spatial {
        1
    } else {
        3
    }
}

/// What the subscriber received, in order, after checking that it is what a decoder can go on with.
fn received(world: &World, media: Media) -> Vec<Seen> {
    let mut extender = Extender::default();
    let mut packets: Vec<_> = world.clients[1].received.iter().map(|(_, packet)| packet).collect();
    packets.sort_by_key(|packet| *packet.seq_no);
    let seen: Vec<Seen> = packets
        .iter()
        .map(|packet| {
            let [.., spatial, temporal, high, low, part] = *packet.payload else { panic!("no trailer") };
            let label = match media {
                Media::Vp8 => vp8::parse(&packet.payload).unwrap().picture.unwrap().0,
                Media::Vp9 => vp9::parse(&packet.payload).unwrap().picture.unwrap().0,
                _ => {
                    let values = &packet.header.ext_vals.user_values;
                    let Extension(bytes) = values.get().unwrap();
                    u16::from_be_bytes([bytes[1], bytes[2]])
                }
            };
            let width = if media == Media::Av1 { Width::Sixteen } else { Width::Fifteen };
            Seen {
                seq: *packet.seq_no,
                timestamp: packet.header.timestamp,
                marker: packet.header.marker,
                spatial,
                temporal,
                picture: u16::from_be_bytes([high, low]),
                part,
                label: extender.extend(label, width),
            }
        })
        .collect();
    for pair in seen.windows(2) {
        let [before, after] = pair else { unreachable!() };
        assert_eq!(after.seq, before.seq + 1, "{media:?}: no hole");
        let same_picture = before.timestamp == after.timestamp;
        assert_eq!(
            before.marker, !same_picture,
            "{media:?}: the last packet of a picture is marked: {pair:?}"
        );
        let (labels, pictures) = (after.label - before.label, u64::from(after.picture - before.picture));
        match media {
            Media::Vp8 => assert_eq!(labels, pictures.min(1), "picture ids have no gap: {pair:?}"),
            Media::Vp9 => assert_eq!(labels, pictures, "picture ids are as far apart as they were: {pair:?}"),
            _ => assert!(labels <= 2 * pictures + 1, "{pair:?}"),
        }
    }
    seen
}

/// How many packets of each spatial and temporal layer.
fn census(seen: &[Seen]) -> BTreeMap<(u8, u8), usize> {
    let mut census = BTreeMap::new();
    for packet in seen {
        *census.entry((packet.spatial, packet.temporal)).or_default() += 1;
    }
    census
}

/// The layers sent while `wanted` holds, once it has taken effect.
fn layers_under(world: &mut World, encoder: &mut Encoder, wanted: Wish) -> Vec<(u8, u8)> {
    let consumer = world.subscribed[0];
    wish(world, consumer, wanted);
    encoder.run(world, WHILE);
    let from = world.clients[1].received.len();
    encoder.run(world, FRAME * 8);
    let seen = received(world, encoder.media);
    census(&seen[from..]).into_keys().collect()
}

fn limits(max_height: u32, max_framerate: f64) -> Wish {
    Wish { max_height, max_framerate, ..Wish::default() }
}

const ALL: [(u8, u8); 6] = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)];

#[test]
fn spatial_and_temporal_layers_are_left_out_and_come_back() {
    for media in [Media::Vp9, Media::Av1] {
        for threads in [[0, 0], [0, 1]] {
            let (mut world, ..) = World::pair(media, threads);
            let mut encoder = Encoder::new(media);
            let mut under = |wish| layers_under(&mut world, &mut encoder, wish);
            assert_eq!(under(limits(0, 0.0)), ALL, "{media:?} on {threads:?}");
            assert_eq!(under(limits(180, 0.0)), ALL[..3], "{media:?}: the lower spatial layer");
            assert_eq!(under(limits(0, 0.0)), ALL, "{media:?}: up in space");
            assert_eq!(
                under(limits(0, 15.0)),
                [(0, 0), (0, 1), (1, 0), (1, 1)],
                "{media:?}: half the pictures"
            );
            assert_eq!(under(limits(0, 7.0)), [(0, 0), (1, 0)]);
            assert_eq!(under(limits(0, 0.0)), ALL, "{media:?}: up in time");
            assert_eq!(under(limits(180, 7.0)), [(0, 0)]);
        }
    }
}

#[test]
fn temporal_layers_of_vp8_are_left_out_and_come_back_without_a_key_frame() {
    let (mut world, ..) = World::pair(Media::Vp8, [0, 1]);
    let mut encoder = Encoder::new(Media::Vp8);
    encoder.run(&mut world, WHILE);
    let keys = encoder.keys;
    let mut under = |wish| layers_under(&mut world, &mut encoder, wish);
    for _ in 0..3 {
        assert_eq!(under(limits(0, 15.0)), [(0, 0), (0, 1)]);
        assert_eq!(under(limits(0, 7.0)), [(0, 0)]);
        assert_eq!(under(limits(0, 0.0)), [(0, 0), (0, 1), (0, 2)]);
    }
    assert_eq!(encoder.keys, keys);
}

#[test]
fn losses_while_layers_are_left_out_are_repaired() {
    for media in [Media::Vp9, Media::Av1, Media::Vp8] {
        let (mut world, ..) = World::pair(media, [0, 0]);
        let mut encoder = Encoder::new(media);
        encoder.run(&mut world, WHILE);
        let consumer = world.subscribed[0];
        wish(&mut world, consumer, limits(180, 15.0));
        encoder.run(&mut world, WHILE);
        let from = world.clients[1].received.len();
        world.lose_to_subscribers = Some(17);
        encoder.run(&mut world, WHILE);
        world.lose_to_subscribers = None;
        encoder.run(&mut world, WHILE);
        let seen = received(&world, media);
        let pictures: Vec<u16> = seen[from..].iter().filter(|s| s.part == 0).map(|s| s.picture).collect();
        assert!(pictures.windows(2).all(|pair| pair[1] - pair[0] <= 2), "{media:?}: {pictures:?}");
    }
}
