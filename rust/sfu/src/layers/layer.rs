//! One stream of a producer at its home: what arrives of it.

use std::time::{Duration, Instant};

use str0m::format::Codec;

use super::Rid;
use super::ladder::Rung;
use super::meter::Meter;
use super::place::Target;
use super::reader::{Reader, Reading};
use crate::gaps::Gaps;
use crate::packet::RtpPacket;
use crate::window::Window;

/// A layer that is silent for this many of its frames, while others are not, has stopped.
const SILENT_FRAMES: f64 = 5.0;
const MIN_SILENCE: Duration = Duration::from_millis(250);
const MAX_SILENCE: Duration = Duration::from_secs(2);
/// One that stopped is back after this long, or at its first key frame.
const RECOVERY: Duration = Duration::from_millis(500);

/// Owned by a producer.
#[derive(Debug)]
pub struct Layer {
    pub rid: Option<Rid>,
    source: Option<Source>,
    size: Option<(u32, u32)>,
    /// One for each decode target, or one for all.
    meters: Vec<(Option<Target>, Meter)>,
    last_packet: Option<Instant>,
    /// Packets come again since then.
    resumed: Option<Instant>,
    live: bool,
    /// The rungs are not what they were.
    changed: bool,
}

/// The stream at hand. A publisher may go on with another SSRC.
#[derive(Debug)]
struct Source {
    ssrc: u32,
    seen: Window,
    gaps: Gaps,
    reader: Reader,
}

/// What a packet brought.
#[derive(Debug, Default)]
pub struct Arrival {
    pub reading: Reading,
    /// The layer's size, if that is new.
    pub size: Option<(u32, u32)>,
    /// It belongs to another stream than the packets before.
    pub interrupted: bool,
    /// It was seen before.
    pub repeated: bool,
}

impl Layer {
    pub fn new(rid: Option<Rid>) -> Self {
        Self {
            rid,
            source: None,
            size: None,
            meters: Vec::new(),
            last_packet: None,
            resumed: None,
            live: false,
            changed: false,
        }
    }

    /// Whether there is something for [`Self::review`].
    pub fn changed(&self) -> bool {
        self.changed
    }

    pub fn ssrc(&self) -> Option<u32> {
        self.source.as_ref().map(|source| source.ssrc)
    }

    /// A packet that was received may show that others are missing; when to ask for those.
    pub fn note_gap(&mut self, seq: u64, now: Instant) -> Option<Instant> {
        let source = self.source.as_mut()?;
        source.gaps.note(seq, now);
        source.gaps.deadline()
    }

    /// Packets to ask for now.
    pub fn lost(&mut self, now: Instant) -> Option<(u32, Vec<u16>)> {
        self.source.as_mut().map(|source| (source.ssrc, source.gaps.due(now)))
    }

    pub fn asks_at(&self) -> Option<Instant> {
        self.source.as_ref().and_then(|source| source.gaps.deadline())
    }

    pub fn receive(&mut self, packet: &RtpPacket, codec: Codec, now: Instant) -> Arrival {
        let ssrc = packet.ssrc;
        let mut arrival = Arrival::default();
        if packet.fresh || self.source.as_ref().is_none_or(|source| source.ssrc != ssrc) {
            arrival.interrupted = self.source.is_some();
            self.source = Some(Source {
                ssrc,
                seen: Window::default(),
                gaps: Gaps::default(),
                reader: Reader::default(),
            });
            self.meters = vec![(None, Meter::new(now))];
            self.changed = true;
        }
        let Some(source) = &mut self.source else { return arrival };
        if !source.seen.insert(packet.seq) {
            arrival.repeated = true;
            return arrival;
        }
        arrival.reading = source.reader.read(codec, &packet.payload, packet.dependency.as_deref());
        if arrival.reading.changed {
            self.renew_meters(now);
        }
        self.note_arrival(arrival.reading.key.is_some(), now);
        for (target, meter) in &mut self.meters {
            let needed = |target: &Target| {
                arrival.reading.place.is_none_or(|place| place.needed >> target.index & 1 == 1)
            };
            if target.as_ref().is_none_or(needed) {
                meter.note(packet.payload.len(), packet.timestamp);
            }
        }
        if let Some(size) = arrival.reading.key.and_then(|key| key.size)
            && self.size != Some(size)
        {
            self.size = Some(size);
            arrival.size = Some(size);
            self.changed = true;
        }
        arrival
    }

    fn renew_meters(&mut self, now: Instant) {
        let targets = self.source.as_ref().map(|source| source.reader.targets()).unwrap_or_default();
        let kept = |target: &Target| {
            let same = self.meters.iter().find(|(old, _)| old.is_some_and(|old| old == *target));
            same.map_or_else(|| Meter::new(now), |(_, meter)| *meter)
        };
        self.meters = targets.iter().map(|target| (Some(*target), kept(target))).collect();
        self.changed = true;
    }

    fn note_arrival(&mut self, key: bool, now: Instant) {
        self.last_packet = Some(now);
        if self.live {
            return;
        }
        let since = *self.resumed.get_or_insert(now);
        if key || now.saturating_duration_since(since) >= RECOVERY {
            self.live = true;
            self.changed = true;
        }
    }

    /// Find out whether the layer has stopped, given when a packet of any layer came last. True if its rungs are not what
    /// they were when asked last.
    pub fn review(&mut self, last_of_all: Instant) -> bool {
        if let Some(last) = self.last_packet
            && last_of_all.saturating_duration_since(last) > self.patience()
        {
            self.resumed = None;
            self.changed |= std::mem::take(&mut self.live);
        }
        std::mem::take(&mut self.changed)
    }

    /// True if there are new figures.
    pub fn measure(&mut self, now: Instant) -> bool {
        self.meters.iter_mut().fold(false, |any, (_, meter)| meter.measure(now) || any)
    }

    fn patience(&self) -> Duration {
        let fastest = self.meters.iter().map(|(_, meter)| meter.framerate).fold(0.0, f64::max);
        if fastest == 0.0 {
            return MAX_SILENCE;
        }
        Duration::from_secs_f64(SILENT_FRAMES / fastest).clamp(MIN_SILENCE, MAX_SILENCE)
    }

    /// What there is to choose from within this layer.
    pub fn rungs(&self, layer: u8) -> impl Iterator<Item = Rung> {
        let top = self.meters.iter().filter_map(|(target, _)| target.map(|target| target.spatial)).max();
        self.meters.iter().map(move |(target, meter)| Rung {
            layer,
            rid: self.rid,
            target: *target,
            size: target.map_or(self.size, |target| self.size_of(target.spatial, top.unwrap_or(0))),
            framerate: meter.framerate,
            bitrate_bps: meter.bitrate_bps,
            live: self.live,
        })
    }

    /// Without another word a spatial layer is half as wide and high as the next.
    fn size_of(&self, spatial: u8, top: u8) -> Option<(u32, u32)> {
        let told = self.source.as_ref().and_then(|source| source.reader.size_of(spatial));
        told.or_else(|| {
            self.size.map(|(width, height)| (width >> (top - spatial), height >> (top - spatial)))
        })
    }
}
