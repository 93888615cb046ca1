//! Rewrites one track for one subscriber: no hole in its sequence numbers, timestamps and picture numbers, whatever
//! happened to the track: a pause, a mute, a change of source or layer, layers left out, packets lost between threads.
//!
//! This is the first half of sending: it decides what a packet is to look like. Sealing and transmission know nothing
//! of it (see [`crate::router::fanout`]).

mod link;
mod media;

use std::time::{Duration, Instant};

use crate::count::Count;
use crate::layers::labels::Patch;
use crate::layers::{Choice, Layers};
use link::LayerLink;
pub use media::MediaPacket;

/// How long a key frame is asked for to change to another layer, while one is sent. If it comes later, it is taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long, and how many packets, another layer waits for the frame at hand. Then that frame is cut.
const MAX_HOLD: Duration = Duration::from_millis(30);
const MAX_HELD: usize = 128;
/// A stream lets its temporal layers begin often, or never.
const TEMPORAL_PATIENCE: Duration = Duration::from_secs(2);

/// What becomes of a packet for one subscriber.
#[derive(Debug)]
pub enum Verdict {
    Send(Rewritten),
    /// Nothing can be sent before the next key frame.
    Starving,
    /// It belongs before the point where sending (re)started.
    Late,
    /// It is of a layer that this subscriber does not get.
    LeftOut,
    /// It begins another layer, and is kept until the frame at hand is complete. See [`Forward::release`].
    Held,
}

#[derive(Clone, Copy, Debug)]
pub struct Rewritten {
    pub seq: u64,
    pub timestamp: u32,
    pub marker: bool,
    /// To apply to the copy of the payload and of the dependency descriptor.
    pub patch: Option<Patch>,
}

impl Rewritten {
    /// New numbers in the header, the payload as it is.
    pub fn plain(seq: u64, timestamp: u32, marker: bool) -> Self {
        Self { seq, timestamp, marker, patch: None }
    }

    /// Copy the packet's payload into `space`, which is as long, as it is to look.
    pub fn fill(&self, payload: &[u8], space: &mut [u8]) {
        space.copy_from_slice(payload);
        if let Some(patch) = self.patch {
            patch.apply(space);
        }
    }

    /// The same for its dependency descriptor.
    pub fn fill_dependency(&self, dependency: &[u8], space: &mut [u8]) {
        space.copy_from_slice(dependency);
        if let Some(patch) = self.patch {
            patch.apply_dependency(space);
        }
    }
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Whatever starts first: nothing is known to choose from.
    Anything,
    Chosen(Choice),
    Nothing,
}

/// What was sent last.
#[derive(Clone, Copy, Debug)]
struct Sent {
    seq: u64,
    timestamp: u64,
    at: Instant,
    captured_us: Option<i64>,
    picture: u64,
    base_layer: u8,
}

/// The outgoing numbers of one section. They outlive a consumer: a section keeps its SSRC, and one SSRC must
/// never use a sequence number twice (RFC 3711 §9.1).
#[derive(Debug)]
pub struct Forward {
    first_seq: u64,
    aim: Aim,
    aimed_at: Option<Instant>,
    link: Option<LayerLink>,
    /// The packet that the link begins with: its index, and the number it was given.
    began: u64,
    began_as: u64,
    sent: Option<Sent>,
    /// The beginning of the next layer, while a frame of the present one is not complete: senders mix the packets of
    /// their layers.
    held: Vec<MediaPacket>,
    held_until: Option<Instant>,
    /// Timestamp of what was inserted last.
    inserted_at: Option<u64>,
}

impl Forward {
    /// `seed` chooses the first sequence number, which has to be below 2^15 (RFC 3711 §3.3.1 cannot tell a roll-over otherwise).
    pub fn new(seed: u32) -> Self {
        let first_seq = u64::from(seed & 0x3fff) + 1024;
        Self {
            first_seq,
            aim: Aim::Anything,
            aimed_at: None,
            link: None,
            began: 0,
            began_as: 0,
            sent: None,
            held: Vec::new(),
            held_until: None,
            inserted_at: None,
        }
    }

    /// Packets will not follow on from what was sent: begin again at the next packet that allows it.
    pub fn interrupt(&mut self) {
        self.link = None;
        self.drop_held();
        if let Some(sent) = &mut self.sent {
            sent.captured_us = None; // another publisher has another clock
        }
    }

    /// What is to be sent from now on, as soon as that is possible. True if that is something else than before.
    pub fn aim(&mut self, aim: Aim, now: Instant) -> bool {
        if self.aim == aim {
            return false;
        }
        (self.aim, self.aimed_at) = (aim, Some(now));
        if aim == Aim::Nothing {
            self.link = None;
        }
        let layer = self.held.first().map(|packet| packet.layer);
        if layer.is_some_and(|layer| !matches!(aim, Aim::Chosen(choice) if choice.layer == layer)) {
            self.drop_held();
        }
        true
    }

    fn drop_held(&mut self) {
        (self.held, self.held_until) = (Vec::new(), None);
    }

    /// Packets that were held and can go now: call it after each burst, and let them be accepted.
    pub fn release(&mut self, now: Instant) -> Vec<MediaPacket> {
        let Some(until) = self.held_until else { return Vec::new() };
        if !self.is_complete() && now < until && self.held.len() < MAX_HELD {
            return Vec::new();
        }
        self.link = None;
        self.held_until = None;
        std::mem::take(&mut self.held)
    }

    /// The layer that flows.
    pub fn layer(&self) -> Option<u8> {
        self.link.as_ref().map(|link| link.layer)
    }

    /// Index of the packet that began what flows.
    pub fn began(&self) -> Option<u64> {
        self.link.as_ref().map(|_| self.began)
    }

    /// The number under which that packet was sent.
    pub fn began_as(&self) -> u64 {
        self.began_as
    }

    /// The layers of which packets are of use.
    pub fn needed(&self) -> Layers {
        let flowing = self.link.as_ref().map(|link| 1 << link.layer);
        match self.aim {
            Aim::Nothing => 0,
            Aim::Anything => flowing.unwrap_or(Layers::MAX),
            Aim::Chosen(choice) => flowing.map_or(choice.starters, |flowing| flowing | 1 << choice.layer),
        }
    }

    /// The layer of which a key frame is needed to go on, or to get what is aimed at.
    pub fn awaits(&self, now: Instant) -> Option<u8> {
        let Aim::Chosen(choice) = self.aim else { return None };
        let Some(link) = &self.link else { return Some(choice.layer) };
        let aimed = self.aimed_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let waits = link.layer != choice.layer
            || match (link.target, choice.target) {
                (Some(from), Some(to)) if from.spatial < to.spatial => true,
                (Some(from), Some(to)) => from.temporal < to.temporal && aimed >= TEMPORAL_PATIENCE,
                _ => false,
            };
        (waits && aimed < PATIENCE).then_some(choice.layer)
    }

    pub fn accept(&mut self, packet: &MediaPacket, clock_rate: u32, now: Instant) -> Verdict {
        match (self.layer(), self.aim) {
            (Some(layer), _) if layer == packet.layer => {
                if self.held_until.is_some()
                    && let Some(link) = &mut self.link
                    && link.is_over(packet)
                {
                    link.complete = true;
                    return Verdict::LeftOut;
                }
            }
            (_, Aim::Nothing) | (Some(_), Aim::Anything) => return Verdict::LeftOut,
            (Some(_), Aim::Chosen(choice)) if choice.layer != packet.layer => return Verdict::LeftOut,
            (Some(_), _) if self.held_until.is_none() && !packet.starts => return Verdict::LeftOut,
            (Some(_), _) if self.held_until.is_some() || !self.is_complete() => {
                self.held.push(packet.clone());
                self.held_until.get_or_insert(now + MAX_HOLD);
                return Verdict::Held;
            }
            (None, Aim::Chosen(choice)) if choice.starters >> packet.layer & 1 == 0 => {
                return Verdict::LeftOut;
            }
            (None, _) if !packet.starts => return Verdict::Starving,
            _ => {
                self.link = Some(self.begin(packet, clock_rate, now));
                self.began = packet.index;
                self.began_as = self.sent.map_or(self.first_seq, |sent| sent.seq.wrapping_add(1));
            }
        }
        let Some(link) = &mut self.link else { return Verdict::LeftOut };
        link.steer(self.aim, packet);
        if link.leaves_out(packet) {
            return Verdict::LeftOut;
        }
        let Some(seq) = link.seq.map(packet.seq) else { return Verdict::Late };
        let (mut picture, mut base_layer, mut patch) = (0, 0, None);
        if let (Some(labels), Some(pictures)) = (packet.labels, &mut link.pictures) {
            let Some(counted) = pictures.map(labels.picture) else { return Verdict::Late };
            pictures.keep(labels.picture);
            picture = counted;
            base_layer = labels.base_layer.unwrap_or(0).wrapping_add(link.base_layer);
            if picture != labels.picture || link.base_layer != 0 {
                patch = Some(Patch::new(labels, picture, base_layer));
            }
        }
        let timestamp = packet.timestamp.wrapping_add(link.timestamp);
        let marker = packet.marker || link.ends(packet);
        if link.seq.is_new(packet.seq) {
            link.complete = marker;
        }
        link.seq.keep(packet.seq);
        if self.sent.is_none_or(|sent| sent.seq < seq) {
            let captured_us = packet.captured_us;
            self.sent = Some(Sent { seq, timestamp, at: now, captured_us, picture, base_layer });
        }
        Verdict::Send(Rewritten { seq, timestamp: timestamp as u32, marker, patch })
    }

    /// A packet that is of no source is to be sent now. `begins`: it has a timestamp of its own; else that of the one
    /// before of its kind.
    pub fn insert(&mut self, clock_rate: u32, begins: bool, marker: bool, now: Instant) -> Rewritten {
        let before = self.sent.unwrap_or(Sent {
            seq: self.first_seq.wrapping_sub(1),
            timestamp: 0,
            at: now,
            captured_us: None,
            picture: 0,
            base_layer: 0,
        });
        if begins || self.inserted_at.is_none() {
            let passed = now.saturating_duration_since(before.at).as_micros() as u64;
            self.inserted_at =
                Some(before.timestamp.wrapping_add(passed * u64::from(clock_rate) / 1_000_000));
        }
        let seq = before.seq.wrapping_add(1);
        // The clock of the media goes on from the packet before.
        self.sent = Some(Sent { seq, ..before });
        if let Some(link) = &mut self.link {
            link.seq.make_room();
        }
        Rewritten::plain(seq, self.inserted_at.unwrap_or(0) as u32, marker)
    }

    /// Whether the frame at hand was sent to its end.
    fn is_complete(&self) -> bool {
        self.link.as_ref().is_none_or(|link| link.complete)
    }

    /// The mapping that makes `packet` the successor of what was sent last.
    fn begin(&self, packet: &MediaPacket, clock_rate: u32, now: Instant) -> LayerLink {
        let target = match self.aim {
            Aim::Chosen(choice) if choice.layer == packet.layer => choice.target,
            _ => None,
        };
        let link = |seq, timestamp, picture: Option<u64>, base_layer| LayerLink {
            layer: packet.layer,
            target,
            seq: Count::new(packet.seq, seq),
            pictures: packet.labels.zip(picture).map(|(labels, picture)| Count::new(labels.picture, picture)),
            timestamp,
            base_layer,
            newest: None,
            complete: true,
        };
        let Some(sent) = self.sent else {
            return link(self.first_seq, 0, packet.labels.map(|labels| labels.picture), 0);
        };
        let ticks = (sent.microseconds_to(packet, now) * u64::from(clock_rate) / 1_000_000).max(1);
        let base_layer = packet.labels.and_then(|labels| labels.base_layer).unwrap_or(0);
        link(
            sent.seq.wrapping_add(1),
            sent.timestamp.wrapping_add(ticks).wrapping_sub(packet.timestamp),
            Some(sent.picture.wrapping_add(1)),
            sent.base_layer.wrapping_add(1).wrapping_sub(base_layer),
        )
    }
}

impl Sent {
    /// By when both were captured, if the publisher told; else by when they arrived. The frame of another layer may have
    /// been captured at the same moment, or a little before.
    fn microseconds_to(&self, packet: &MediaPacket, now: Instant) -> u64 {
        /// Two clocks that differ by more than this are not the same, or one of them was set.
        const TRUSTED_US: i64 = 1_000_000;
        let arrived = now.saturating_duration_since(self.at).as_micros() as i64;
        let captured = packet.captured_us.zip(self.captured_us).map(|(later, before)| later - before);
        let elapsed = captured.filter(|captured| (captured - arrived).abs() < TRUSTED_US).unwrap_or(arrived);
        elapsed.max(0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::place::Target;
    use crate::layers::reader::Reader;
    use std::sync::Arc;
    use str0m::format::Codec;

    const CLOCK_RATE: u32 = 90_000;

    fn packet(layer: u8, seq: u64, timestamp: u64, starts: bool) -> MediaPacket {
        MediaPacket {
            layer,
            seq,
            timestamp,
            marker: true,
            starts,
            payload: Arc::from([0]),
            level_dbov: None,
            voice: None,
            place: None,
            labels: None,
            newest_at: None,
            dependency: None,
            captured_us: None,
            captured: 0,
            index: 0,
            received: Instant::now(),
        }
    }

    fn vp8(reader: &mut Reader, seq: u64, picture: u16, temporal: u8, syncs: bool) -> MediaPacket {
        let [high, low] = (picture | 0x8000).to_be_bytes();
        let layer = temporal << 6 | u8::from(syncs) << 5;
        let payload: Arc<[u8]> = Arc::from([0x90, 0xe0, high, low, 7, layer, u8::from(temporal > 0), 0, 0]);
        let reading = reader.read(Codec::Vp8, &payload, None);
        let base = packet(0, seq, seq * 3000, seq == 1);
        MediaPacket { payload, place: reading.place, labels: reading.labels, ..base }
    }

    fn chosen(layer: u8, target: Option<Target>, starters: Layers) -> Aim {
        Aim::Chosen(Choice { layer, target, starters })
    }

    fn sent(verdict: Verdict) -> (u64, u32) {
        match verdict {
            Verdict::Send(rewritten) => (rewritten.seq, rewritten.timestamp),
            other => panic!("not sent: {other:?}"),
        }
    }

    #[test]
    fn nothing_is_sent_before_a_key_frame() {
        let mut forward = Forward::new(0);
        let now = Instant::now();
        let mut accept =
            |seq, timestamp, starts| forward.accept(&packet(0, seq, timestamp, starts), CLOCK_RATE, now);
        assert!(matches!(accept(70_000, 0, false), Verdict::Starving));
        assert_eq!(sent(accept(70_001, 500, true)), (1024, 500));
        assert_eq!(sent(accept(70_003, 600, false)), (1026, 600), "a loss stays visible");
        assert_eq!(sent(accept(70_002, 500, false)), (1025, 500), "and can be repaired");
        assert!(matches!(accept(70_000, 0, false), Verdict::Late));
    }

    #[test]
    fn numbers_go_on_after_an_interruption_and_time_has_passed() {
        let mut forward = Forward::new(0);
        let now = Instant::now();
        let later = now + Duration::from_secs(2);
        assert_eq!(sent(forward.accept(&packet(0, 10, 1000, true), CLOCK_RATE, now)), (1024, 1000));
        forward.interrupt();
        assert_eq!(forward.layer(), None);
        let verdict = forward.accept(&packet(0, 11, 4000, false), CLOCK_RATE, now);
        assert!(matches!(verdict, Verdict::Starving));
        // another source altogether: numbers start anew
        assert_eq!(sent(forward.accept(&packet(0, 3, 7, true), CLOCK_RATE, later)), (1025, 181_000));
        assert_eq!(sent(forward.accept(&packet(0, 4, 3007, false), CLOCK_RATE, later)), (1026, 184_000));
    }

    #[test]
    fn no_number_is_ever_used_for_two_packets() {
        let mut forward = Forward::new(0);
        let now = Instant::now();
        let mut used = std::collections::HashSet::new();
        for (seq, interrupt) in
            [(5, false), (7, false), (6, true), (8, false), (7, false), (9, true), (8, false)]
        {
            if interrupt {
                forward.interrupt();
            }
            let verdict = forward.accept(&packet(0, seq, seq * 10, true), CLOCK_RATE, now);
            if let Verdict::Send(rewritten) = verdict {
                assert!(used.insert(rewritten.seq), "{} twice", rewritten.seq);
            }
        }
        assert_eq!(used.len(), 6);
    }

    #[test]
    fn the_old_layer_is_sent_until_a_key_frame_of_the_new_one() {
        let mut forward = Forward::new(0);
        let now = Instant::now();
        forward.aim(chosen(0, None, 0b01), now);
        let accept = |forward: &mut Forward, layer, seq, timestamp, starts| {
            forward.accept(&packet(layer, seq, timestamp, starts), CLOCK_RATE, now)
        };
        assert!(matches!(accept(&mut forward, 1, 50, 1, true), Verdict::LeftOut));
        assert_eq!(sent(accept(&mut forward, 0, 10, 3000, true)), (1024, 3000));
        forward.aim(chosen(1, None, 0b11), now);
        assert_eq!((forward.awaits(now), forward.needed()), (Some(1), 0b11));
        assert!(matches!(accept(&mut forward, 1, 51, 2, false), Verdict::LeftOut));
        assert_eq!(sent(accept(&mut forward, 0, 11, 6000, false)), (1025, 6000));
        assert_eq!(
            sent(accept(&mut forward, 1, 52, 9, true)),
            (1026, 6001),
            "the same moment, not the same time"
        );
        assert!(matches!(accept(&mut forward, 0, 12, 9000, true), Verdict::LeftOut));
        assert_eq!((forward.awaits(now), forward.needed()), (None, 0b10));
        assert_eq!(sent(accept(&mut forward, 1, 53, 3009, false)), (1027, 9001));
    }

    #[test]
    fn a_frame_is_completed_before_another_layer_begins() {
        let mut forward = Forward::new(0);
        let now = Instant::now();
        let part = |layer, seq, marker, starts| MediaPacket { marker, ..packet(layer, seq, 3000, starts) };
        forward.aim(chosen(0, None, 0b01), now);
        forward.accept(&part(0, 10, false, true), CLOCK_RATE, now);
        forward.aim(chosen(1, None, 0b11), now);
        let held = [part(1, 50, false, true), part(1, 51, true, false)];
        for packet in &held {
            assert!(matches!(forward.accept(packet, CLOCK_RATE, now), Verdict::Held));
        }
        assert!(forward.release(now).is_empty());
        assert_eq!(sent(forward.accept(&part(0, 11, true, false), CLOCK_RATE, now)).0, 1025);
        let released: Vec<u64> = forward.release(now).iter().map(|packet| packet.seq).collect();
        assert_eq!(released, [50, 51]);
        assert_eq!(sent(forward.accept(&held[0], CLOCK_RATE, now)).0, 1026);
        assert_eq!(sent(forward.accept(&held[1], CLOCK_RATE, now)).0, 1027);
        forward.accept(&part(1, 52, false, false), CLOCK_RATE, now);
        forward.aim(chosen(0, None, 0b11), now);
        forward.accept(&part(0, 12, false, true), CLOCK_RATE, now);
        assert!(forward.release(now).is_empty());
        assert_eq!(forward.release(now + MAX_HOLD).len(), 1, "its end was lost");
    }

    #[test]
    fn a_layer_that_never_comes_is_not_asked_for_for_ever() {
        let mut forward = Forward::new(0);
        let now = Instant::now();
        forward.aim(chosen(0, None, 0b01), now);
        assert_eq!(forward.awaits(now + PATIENCE), Some(0), "nothing is sent");
        forward.accept(&packet(0, 1, 0, true), CLOCK_RATE, now);
        forward.aim(chosen(1, None, 0b11), now);
        assert_eq!(forward.awaits(now + PATIENCE / 2), Some(1));
        assert_eq!(forward.awaits(now + PATIENCE), None);
        assert_eq!(
            sent(forward.accept(&packet(1, 1, 0, true), CLOCK_RATE, now)).0,
            1025,
            "it is taken all the same"
        );
    }

    #[test]
    fn layers_are_aligned_by_the_publishers_clock() {
        let mut forward = Forward::new(0);
        let now = Instant::now();
        let captured = |layer, seq, captured_us| MediaPacket {
            captured_us: Some(captured_us),
            ..packet(layer, seq, 777, true)
        };
        forward.aim(chosen(0, None, 1), now);
        forward.accept(&captured(0, 1, 1_000_000), CLOCK_RATE, now);
        forward.aim(chosen(1, None, 3), now);
        let arrived = now + Duration::from_millis(90); // late: a key frame is long
        assert_eq!(sent(forward.accept(&captured(1, 9, 1_040_000), CLOCK_RATE, arrived)).1, 777 + 3600);
        forward.aim(chosen(0, None, 3), now);
        assert_eq!(sent(forward.accept(&captured(0, 9, 1_020_000), CLOCK_RATE, arrived)).1, 777 + 3601);
        forward.aim(chosen(1, None, 3), now);
        let clock_was_set = captured(1, 20, 9_000_000);
        let verdict = forward.accept(&clock_was_set, CLOCK_RATE, arrived + Duration::from_millis(10));
        assert_eq!(sent(verdict).1, 777 + 3601 + 900);
    }

    #[test]
    fn temporal_layers_are_left_out_without_a_gap_and_come_back() {
        let (mut forward, mut reader, now) = (Forward::new(0), Reader::default(), Instant::now());
        let mut numbers = Vec::new();
        let mut play = |forward: &mut Forward, seqs: std::ops::Range<u64>| {
            let mut layers = String::new();
            for seq in seqs {
                // two packets per picture, in the pattern 0 2s 1s 2
                let picture = seq / 2;
                let (temporal, syncs) = [(0, false), (2, true), (1, true), (2, false)][picture as usize % 4];
                let mut packet = vp8(&mut reader, seq, picture as u16, temporal, syncs);
                packet.timestamp = picture * 3000;
                packet.starts = seq == 0;
                if let Verdict::Send(rewritten) = forward.accept(&packet, CLOCK_RATE, now) {
                    let mut payload = packet.payload.to_vec();
                    rewritten.patch.inspect(|patch| patch.apply(&mut payload));
                    numbers.push((rewritten.seq, u16::from_be_bytes([payload[2], payload[3]])));
                    layers.push_str(&temporal.to_string());
                }
            }
            layers
        };
        assert_eq!(play(&mut forward, 0..8), "00221122");
        forward.aim(chosen(0, Some(Target::grid(0, 0)), 1), now);
        assert_eq!(play(&mut forward, 8..25), "00000");
        forward.aim(chosen(0, Some(Target::grid(0, 2)), 1), now);
        assert_eq!(
            play(&mut forward, 25..42),
            "02211220022112200",
            "from the first that depends on nothing else"
        );
        forward.aim(chosen(0, Some(Target::grid(0, 1)), 1), now);
        assert_eq!(play(&mut forward, 42..50), "1100");
        for pair in numbers.windows(2) {
            assert_eq!(pair[1].0, pair[0].0 + 1, "in {numbers:?}");
            assert!(pair[1].1 == pair[0].1 || pair[1].1 == pair[0].1 + 1, "in {numbers:?}");
        }
    }
}
