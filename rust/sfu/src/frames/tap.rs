//! Gives the frames of a producer to a pipeline. To the producer it is a subscriber like any other.

use std::time::Instant;

use str0m::format::{Codec, CodecSpec};

use super::assembler::{Assembler, Frame, Piece};
use crate::clock::Clock;
use crate::codec;
use crate::forward::{Forward, MediaPacket, Rewritten, Verdict};
use crate::id::PipelineId;
use crate::layers::Layers;

/// Owned by a consumer.
#[derive(Debug)]
pub struct Tap {
    pub pipeline: PipelineId,
    pub track: u32,
    /// None until the producer's format is known.
    track_format: Option<Format>,
    /// The newest timestamp, which never wraps.
    newest: Option<u64>,
}

#[derive(Debug)]
struct Format {
    codec: Codec,
    clock_rate: u32,
    assembler: Assembler,
}

/// What came of a burst.
#[derive(Debug, Default)]
pub struct Fed {
    pub frames: Vec<Frame>,
    /// Frames that were given up.
    pub lost: u64,
    /// Layers of which a key frame is needed.
    pub awaited: Layers,
}

impl Tap {
    pub fn new(pipeline: PipelineId, track: u32) -> Self {
        Self { pipeline, track, track_format: None, newest: None }
    }

    /// The producer has this format.
    pub fn begin(&mut self, format: &CodecSpec) {
        self.track_format.get_or_insert_with(|| Format {
            codec: format.codec,
            clock_rate: codec::rtp_clock_rate(format),
            assembler: Assembler::new(format.codec),
        });
    }

    /// Codec and clock rate, once they are known.
    pub fn format(&self) -> Option<(Codec, u32)> {
        self.track_format.as_ref().map(|format| (format.codec, format.clock_rate))
    }

    /// Take in a burst of the producer.
    pub fn feed(
        &mut self,
        packets: &[MediaPacket],
        forward: &mut Forward,
        clock: &Clock,
        now: Instant,
    ) -> Fed {
        let mut fed = Fed::default();
        for packet in packets {
            self.accept(packet, forward, clock, now, &mut fed);
        }
        for packet in &forward.release(now) {
            self.accept(packet, forward, clock, now, &mut fed);
        }
        if let Some(layer) = forward.awaits(now) {
            fed.awaited |= 1 << layer;
        }
        if self.track_format.as_ref().is_some_and(|format| format.assembler.starving()) {
            fed.awaited |= 1 << forward.layer().unwrap_or(0);
        }
        fed
    }

    fn accept(
        &mut self,
        packet: &MediaPacket,
        forward: &mut Forward,
        clock: &Clock,
        now: Instant,
        fed: &mut Fed,
    ) {
        let Some(Format { clock_rate, .. }) = self.track_format else { return };
        match forward.accept(packet, clock_rate, now) {
            Verdict::Send(rewritten) => self.take(packet, &rewritten, clock, fed),
            Verdict::Starving => fed.awaited |= 1 << packet.layer,
            Verdict::Late | Verdict::LeftOut | Verdict::Held => {}
        }
    }

    fn take(&mut self, packet: &MediaPacket, rewritten: &Rewritten, clock: &Clock, fed: &mut Fed) {
        let timestamp = self.extend(rewritten.timestamp);
        let Some(format) = &mut self.track_format else { return };
        let assembled = format.assembler.add(Piece {
            seq: rewritten.seq,
            timestamp,
            marker: rewritten.marker,
            starts: packet.starts,
            payload: packet.newest(),
            level_dbov: packet.level_dbov,
            voice: packet.voice.unwrap_or(false),
            received: packet.received,
            time_ns: clock.monotonic_ns(packet.received, packet.captured),
        });
        fed.frames.extend(assembled.frames);
        fed.lost += assembled.lost;
    }

    /// A 32-bit timestamp near the newest, without wrapping.
    fn extend(&mut self, timestamp: u32) -> u64 {
        let newest = *self.newest.get_or_insert(u64::from(timestamp));
        let step = i64::from(timestamp.wrapping_sub(newest as u32).cast_signed());
        let extended = newest.saturating_add_signed(step);
        self.newest = Some(newest.max(extended));
        extended
    }
}
