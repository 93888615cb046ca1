//! The core's end of one pipeline: what waits to be written, what was read, and which track is what.

use std::collections::HashMap;

use super::outbox::{Outbox, Queued};
use super::tap::{Fed, Tap};
use super::wire::{Header, Kind, Parser, UNKNOWN_LEVEL};
use crate::id::{ConsumerId, ProducerId};
use crate::stats::ThreadStats;

/// Owned by the router of its thread.
#[derive(Debug, Default)]
pub struct PipelineLink {
    pub outbox: Outbox,
    pub parser: Parser,
    pub outputs: HashMap<u32, ProducerId>,
    pub taps: HashMap<u32, ConsumerId>,
}

impl PipelineLink {
    /// Queue the frames of a tap; true if a key frame is needed before it can get more.
    pub fn push(&mut self, tap: &Tap, fed: &Fed, stats: &ThreadStats) -> bool {
        let Some((codec, clock_rate)) = tap.format() else { return false };
        let mut starving = false;
        stats.tap_frames_dropped.add(fed.lost);
        for frame in &fed.frames {
            let header = Header {
                codec: Some(codec),
                key_frame: frame.key,
                gap: frame.gap,
                voice: frame.voice,
                level: frame.level_dbov.map_or(UNKNOWN_LEVEL, i8::unsigned_abs),
                clock_rate,
                pts: frame.timestamp.cast_signed(),
                time_ns: frame.time_ns,
                ..Header::plain(Kind::Frame, tap.track)
            };
            let before = self.outbox.dropped;
            let queued = self.outbox.push(header, &frame.data, codec.is_video());
            stats.tap_frames_dropped.add(self.outbox.dropped - before);
            stats.tap_frames.add(1);
            starving |= queued == Queued::Starving && codec.is_video();
        }
        starving
    }

    /// Ask for a key frame of an output, or say that a tap has ended.
    pub fn say(&mut self, kind: Kind, track: u32) {
        self.outbox.push(Header::plain(kind, track), &[], false);
    }
}
