//! A producer whose packets are made of the frames of a pipeline.

use std::sync::Arc;
use std::time::Instant;

use str0m::format::{Codec, CodecSpec};

use super::pack::Packer;
use super::wire::{Header, UNKNOWN_LEVEL};
use crate::clock::{Clock, Moment};
use crate::forward::MediaPacket;
use crate::id::PipelineId;
use crate::layers::reader::Reader;
use crate::layers::{Meter, Rung};

/// Timestamps begin here, so that a pipeline may count from below zero.
const FIRST_TIMESTAMP: i64 = 1 << 40;

/// Owned by its producer, at home.
#[derive(Debug)]
pub struct Output {
    /// The pipeline and its number for this track; None while there is no pipeline.
    pub target: Option<(PipelineId, u32)>,
    codec: Codec,
    packer: Packer,
    reader: Reader,
    seq: u64,
    index: u64,
    size: Option<(u32, u32)>,
    meter: Option<Meter>,
}

/// What a frame became.
#[derive(Debug, Default)]
pub struct Made {
    pub packets: Vec<MediaPacket>,
    /// The picture has another size than before.
    pub size: Option<(u32, u32)>,
    pub key: bool,
}

impl Output {
    pub fn new(format: CodecSpec) -> Self {
        let codec = format.codec;
        Self {
            target: None,
            codec,
            packer: Packer::new(codec),
            reader: Reader::default(),
            seq: 0,
            index: 0,
            size: None,
            meter: None,
        }
    }

    /// Cut a frame into packets.
    pub fn make(&mut self, header: &Header, frame: &[u8], clock: &Clock, now: Moment) -> Made {
        let mut made = Made::default();
        if header.codec != Some(self.codec) {
            return made;
        }
        let video = self.codec.is_video();
        let payloads = self.packer.pack(frame, header.key_frame);
        let count = payloads.len();
        let captured = clock.ntp_of(header.time_ns, now);
        for (position, payload) in payloads.into_iter().enumerate() {
            let reading = self.reader.read(self.codec, &payload, None);
            if let Some(size) = reading.key.and_then(|key| key.size)
                && self.size.replace(size) != Some(size)
            {
                made.size = Some(size);
            }
            made.key |= reading.key.is_some();
            self.seq += 1;
            self.index += 1;
            made.packets.push(MediaPacket {
                layer: 0,
                seq: self.seq,
                timestamp: header.pts.saturating_add(FIRST_TIMESTAMP).max(0) as u64,
                marker: video && position + 1 == count,
                starts: !video || (header.key_frame && position == 0),
                payload: Arc::from(payload),
                level_dbov: (header.level != UNKNOWN_LEVEL).then(|| -((header.level & 0x7f) as i8)),
                voice: header.voice.then_some(true),
                place: reading.place,
                labels: reading.labels,
                newest_at: None,
                dependency: None,
                captured_us: None,
                captured,
                index: self.index,
                received: now.instant,
            });
        }
        if video {
            let meter = self.meter.get_or_insert_with(|| Meter::new(now.instant));
            let bytes = made.packets.iter().map(|packet| packet.payload.len()).sum();
            made.packets.last().inspect(|packet| meter.note(bytes, packet.timestamp));
        }
        made
    }

    /// The one way to receive it, if its figures are new: what it takes has to be known where bandwidth is short.
    pub fn measure(&mut self, now: Instant) -> Option<Rung> {
        let meter = self.meter.as_mut()?;
        let (framerate, bitrate_bps) = meter.measure(now).then_some((meter.framerate, meter.bitrate_bps))?;
        let size = self.size;
        Some(Rung { layer: 0, rid: None, target: None, size, framerate, bitrate_bps, live: true })
    }
}
