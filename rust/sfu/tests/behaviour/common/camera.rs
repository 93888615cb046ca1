//! A publisher's encoders: one stream per layer, each with numbers of its own, as browsers do simulcast.

use std::time::Duration;

use str0m::media::Rid;

use super::World;
use super::client::Media;

pub const FRAME: Duration = Duration::from_millis(35);
/// Ticks of the 90 kHz clock in that time.
const TICKS: u32 = 3150;
/// The layers as they are usually called, from least to most.
pub const RIDS: [&str; 3] = ["q", "h", "f"];
/// What each packet ends with: the layer, the picture's number and the packet's within it.
pub const TRAILER: usize = 4;
const PACKET_BYTES: usize = 1100;

pub struct Camera {
    pub media: Media,
    pub layers: Vec<Encoder>,
    picture: u16,
    /// Spatial and temporal layers come from here if set.
    pub packets_per_frame: u8,
}

pub struct Encoder {
    pub rid: Option<Rid>,
    pub running: bool,
    /// The next frame is a key frame.
    pub key: bool,
    /// Key frames that are asked for do not come.
    pub deaf: bool,
    pub size: (u16, u16),
    /// If it is set, frames have as many packets of the usual size as that takes; key frames three times as many.
    pub bps: Option<u64>,
    seq: u64,
    timestamp: u32,
    label: u16,
    base_layer: u8,
}

impl Camera {
    pub fn simulcast(media: Media) -> Self {
        Self::new(media, &RIDS.map(|rid| Some(rid.into())))
    }

    pub fn new(media: Media, rids: &[Option<Rid>]) -> Self {
        let encoder = |(index, rid): (u16, &Option<Rid>)| Encoder {
            rid: *rid,
            running: true,
            key: true,
            deaf: false,
            size: (160 << index, 90 << index),
            bps: None,
            seq: 1000 + 20_000 * u64::from(index),
            timestamp: 0x7000_0000_u32.wrapping_mul(u32::from(index) + 1),
            label: 100 + 7000 * index,
            base_layer: 250 + index as u8,
        };
        let layers = (0..).zip(rids).map(encoder).collect();
        Self { media, layers, picture: 0, packets_per_frame: 2 }
    }

    pub fn layer(&mut self, rid: &str) -> &mut Encoder {
        self.layers.iter_mut().find(|layer| layer.rid == Some(rid.into())).unwrap()
    }

    /// What each layer takes, from least to most.
    pub fn with_rates(mut self, kbps: &[u64]) -> Self {
        for (layer, kbps) in self.layers.iter_mut().zip(kbps) {
            layer.bps = Some(kbps * 1000);
        }
        self
    }

    /// Take one picture with section 0 of client 0: each encoder that runs sends a frame of it.
    pub fn shoot(&mut self, world: &mut World) {
        let client = &mut world.clients[0];
        for (rid, _) in client.keyframes_wanted.drain(..) {
            if let Some(layer) = self.layers.iter_mut().find(|layer| layer.rid == rid) {
                layer.key |= !layer.deaf;
            }
        }
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.timestamp = layer.timestamp.wrapping_add(TICKS);
            if !layer.running {
                layer.key = true; // as browsers begin again
                continue;
            }
            let key = std::mem::take(&mut layer.key);
            let (packets, bytes) = layer.cut(key, self.packets_per_frame);
            for part in 0..packets {
                let last = part + 1 == packets;
                let (mut payload, dependency) = layer.payload(self.media, key, part == 0, last);
                let [high, low] = self.picture.to_be_bytes();
                payload.resize((bytes.saturating_sub(TRAILER)).max(payload.len()), 0);
                payload.extend([index as u8, high, low, part]);
                client.send_layer(
                    0,
                    layer.rid,
                    self.media,
                    payload,
                    dependency,
                    layer.timestamp,
                    layer.seq,
                    last,
                );
                layer.seq += 1;
            }
            layer.label = layer.label.wrapping_add(1);
            layer.base_layer = layer.base_layer.wrapping_add(1);
        }
        self.picture += 1;
    }

    /// Take pictures for so long.
    pub fn run(&mut self, world: &mut World, duration: Duration) {
        let end = world.now + duration;
        while world.now < end {
            self.shoot(world);
            world.run(FRAME);
        }
    }
}

impl Encoder {
    /// How many packets a frame has, and how many bytes each has at least.
    fn cut(&self, key: bool, usual: u8) -> (u8, usize) {
        let Some(bps) = self.bps else { return (usual, 0) };
        let bytes = bps as usize * FRAME.as_millis() as usize / 8000 * if key { 3 } else { 1 };
        let packets = bytes.div_ceil(PACKET_BYTES).max(1);
        (packets as u8, bytes / packets)
    }

    fn payload(&self, media: Media, key: bool, first: bool, last: bool) -> (Vec<u8>, Option<Vec<u8>>) {
        let [high, low] = (self.label | 0x8000).to_be_bytes();
        let (width, height) = self.size;
        match media {
            Media::Vp8 => {
                let mut payload = vec![if first { 0x90 } else { 0x80 }, 0xe0, high, low, self.base_layer, 0];
                if first && key {
                    payload.extend([0x10, 2, 0, 0x9d, 1, 0x2a]);
                    payload.extend([width.to_le_bytes(), height.to_le_bytes()].concat());
                } else {
                    payload.extend([0x11, 2, 0]);
                }
                (payload, None)
            }
            Media::Vp9 => {
                let flags = 0xa0 | u8::from(!key) << 6 | u8::from(first) << 3 | u8::from(last) << 2;
                let mut payload = vec![flags, high, low, 0, self.base_layer];
                let (w, h) = (width - 1, height - 1);
                payload.extend([0x82, 0x49, 0x83, 0x42, 0x20 | (w >> 12) as u8, (w >> 4) as u8]);
                payload.extend([(w << 4 | h >> 12) as u8, (h >> 4) as u8, (h << 4) as u8]);
                (payload, None)
            }
            Media::H264 if first && key => {
                let mut payload = vec![0x78];
                for nal in [&SPS[..], &[0x68, 1], &[0x65, 1]] {
                    payload.extend((nal.len() as u16).to_be_bytes());
                    payload.extend(nal);
                }
                payload.extend([0, TRAILER as u8]); // what follows is one more
                (payload, None)
            }
            Media::H264 => (vec![if key { 0x65 } else { 0x41 }], None),
            Media::Av1 => {
                let aggregation = if first && key {
                    0x18
                } else if first {
                    0x10
                } else {
                    0x90
                };
                (vec![aggregation, 0x30], Some(self.dependency(key, first, last)))
            }
            _ => unreachable!("no camera makes {media:?}"),
        }
    }

    /// A dependency descriptor of a stream without spatial and temporal layers.
    fn dependency(&self, key: bool, first: bool, last: bool) -> Vec<u8> {
        let mut bits = Bits::default();
        bits.put(1, first.into()).put(1, last.into()).put(6, u32::from(!key)).put(16, self.label.into());
        if key && first {
            bits.put(5, 0b10000).put(6, 0).put(5, 0).put(2, 0).put(2, 3); // one decode target, two templates
            bits.put(2, 2).put(2, 2).put(1, 0).put(1, 1).put(4, 0).put(1, 0); // both can be switched to
            bits.put(1, 1).put(4, 0).put(4, 1).put(1, 1); // one chain; a size
            bits.put(16, u32::from(self.size.0) - 1).put(16, u32::from(self.size.1) - 1);
        }
        bits.bytes()
    }
}

/// Baseline, 640×360.
const SPS: [u8; 24] = [
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2e,
];

/// Writes bits, most significant first.
#[derive(Default)]
pub struct Bits(Vec<bool>);

impl Bits {
    pub fn put(&mut self, width: u32, value: u32) -> &mut Self {
        self.0.extend((0..width).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| (0..).zip(bits).fold(0, |sum, (i, bit)| sum | u8::from(*bit) << (7 - i));
        self.0.chunks(8).map(byte).collect()
    }
}
