//! One section whose packets are forwarded: at home on the thread that receives it, a mirror on others that have
//! subscribers to it.

use std::time::{Duration, Instant};

use str0m::format::CodecSpec;
use str0m::media::{Mid, Pt};
use str0m::rtp::{RtpPacket, Ssrc};

use crate::forward::MediaPacket;
use crate::id::{SubscriptionId, TransportId};
use crate::layers::{Ladder, Layer, Layers, MAX_LAYERS, Rid, captured_us, dependency};
use crate::throttle::Throttle;

/// Without packets for this long a publication is stalled.
pub const STALL: Duration = Duration::from_secs(5);
/// Audio levels are told at most this often, and only if they changed by `LEVEL_STEP`.
const LEVEL_INTERVAL: Duration = Duration::from_millis(100);
const LEVEL_STEP: u8 = 3;
/// How often is looked whether layers have stopped, while packets come.
const REVIEW_INTERVAL: Duration = Duration::from_millis(100);

/// The longest payload that is forwarded; none that crossed an Ethernet is longer. Subscribers' sessions cannot hold
/// payloads above 2000 bytes: str0m's retransmission buffer panics.
const MAX_PAYLOAD: usize = 1500;

/// Owned by the hub of its thread.
#[derive(Debug)]
pub struct Publication {
    pub origin: Origin,
    /// Known from the start at home; a mirror asks for it.
    pub format: Option<CodecSpec>,
    pub active: bool,
    pub subscribers: Vec<SubscriptionId>,
    pub mirrors: Vec<Mirror>,
    /// One for each layer.
    pub keyframes: [Throttle; MAX_LAYERS],
    /// What subscribers can choose from; a mirror is told by its home.
    pub ladder: Ladder,
    /// Packets of the burst at hand that are not forwarded yet.
    pub burst: Vec<MediaPacket>,
}

#[derive(Debug)]
pub enum Origin {
    Home(Home),
    /// The publication lives on another thread, which was told that these layers are needed here.
    Mirror {
        needed: Layers,
    },
}

/// A thread that has subscribers.
#[derive(Debug)]
pub struct Mirror {
    pub thread: usize,
    /// Packets were withheld since the last ones it got.
    pub gap: bool,
    /// The layers it needs.
    pub needed: Layers,
}

/// What only the home thread knows.
#[derive(Debug)]
pub struct Home {
    pub transport: TransportId,
    pub mid: Mid,
    payload_type: Pt,
    /// In the order of the offer; one without a name if there is no simulcast.
    layers: Vec<Layer>,
    next_review: Option<Instant>,
    level: Option<(u8, Instant)>,
    last_packet: Option<Instant>,
    stalled: bool,
}

/// What a packet told, besides being forwarded.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Packets came back after a stall.
    pub revived: bool,
    pub size: Option<(u32, u32)>,
    pub level: Option<(i8, bool)>,
    /// The packets of this layer before this one belong to another stream.
    pub interrupted: Option<u8>,
    /// First packet since the last stall check was answered: a check has to be armed.
    pub first: bool,
}

impl Publication {
    /// `rids` are the names of the layers, empty without simulcast.
    pub fn home(transport: TransportId, mid: Mid, payload_type: Pt, format: CodecSpec, rids: &[Rid]) -> Self {
        let named = rids.iter().take(MAX_LAYERS).map(|rid| Layer::new(Some(*rid)));
        let layers = if rids.is_empty() { vec![Layer::new(None)] } else { named.collect() };
        let home = Home {
            transport,
            mid,
            payload_type,
            layers,
            next_review: None,
            level: None,
            last_packet: None,
            stalled: false,
        };
        Self::new(Origin::Home(home), Some(format))
    }

    pub fn mirror() -> Self {
        Self::new(Origin::Mirror { needed: Layers::MAX }, None)
    }

    fn new(origin: Origin, format: Option<CodecSpec>) -> Self {
        Self {
            origin,
            format,
            active: true,
            subscribers: Vec::new(),
            mirrors: Vec::new(),
            keyframes: Default::default(),
            ladder: Ladder::default(),
            burst: Vec::new(),
        }
    }

    pub fn is_video(&self) -> bool {
        self.format.is_some_and(|format| format.codec.is_video())
    }

    /// Take in a packet of the section; what is to be forwarded joins the burst.
    pub fn receive(&mut self, packet: RtpPacket, rid: Option<Rid>, now: Instant) -> Observed {
        let (Origin::Home(home), Some(format)) = (&mut self.origin, self.format) else {
            return Observed::default();
        };
        let mut observed = home.note_arrival(now);
        let Some(index) = home.layers.iter().position(|layer| layer.rid == rid) else { return observed };
        if packet.header.payload_type != home.payload_type || packet.payload.len() > MAX_PAYLOAD {
            return observed; // telephone events and comfort noise beside the audio
        }
        let simulcast = home.layers.len() > 1;
        let arrival = home.layers[index].receive(&packet, format.codec, now);
        let layer = index as u8;
        if arrival.interrupted {
            observed.interrupted = Some(layer);
            self.burst.retain(|packet| packet.layer != layer);
        }
        observed.size = arrival.size;
        if arrival.repeated || !self.active {
            return observed;
        }
        let video = format.codec.is_video();
        if arrival.reading.key.is_some() {
            self.keyframes[index].arrived();
        }
        if !video {
            observed.level = home.note_level(&packet, now);
        }
        let captured_us = if simulcast { captured_us(&packet, format.clock_rate.get()) } else { None };
        let dependency = packet.header.ext_vals.user_values.get::<dependency::Extension>();
        self.burst.push(MediaPacket {
            layer,
            seq: *packet.seq_no,
            timestamp: packet.time.numer(),
            marker: packet.header.marker,
            starts: !video || arrival.reading.starts(format.codec, simulcast),
            place: arrival.reading.place,
            labels: arrival.reading.labels,
            dependency: dependency.map(|extension| extension.0.clone()),
            level_dbov: packet.header.ext_vals.audio_level,
            voice: packet.header.ext_vals.voice_activity,
            payload: packet.payload,
            captured_us,
            received: now,
        });
        observed
    }

    /// See which layers arrive and how much of each, from time to time; true if the ladder is another now.
    pub fn review(&mut self, now: Instant) -> bool {
        let video = self.is_video();
        let Origin::Home(home) = &mut self.origin else { return false };
        let Some(last_packet) = home.last_packet.filter(|_| video) else { return false };
        let due = home.next_review.is_none_or(|at| at <= now);
        if !due && !home.layers.iter().any(Layer::changed) {
            return false;
        }
        home.next_review = Some(now + REVIEW_INTERVAL);
        let changed = home.layers.iter_mut().fold(false, |changed, layer| {
            let measured = layer.measure(now);
            layer.review(last_packet) || measured || changed
        });
        if changed {
            let layers = (0..).zip(&home.layers);
            self.ladder = Ladder::new(layers.flat_map(|(index, layer)| layer.rungs(index)).collect());
        }
        changed
    }

    /// Whether it has just been found stalled, and when to look again.
    pub fn check_stall(&mut self, now: Instant) -> (bool, Option<Instant>) {
        let Origin::Home(Home { last_packet: Some(last), stalled, .. }) = &mut self.origin else {
            return (false, None);
        };
        if *stalled {
            return (false, None);
        }
        let deadline = *last + STALL;
        if now < deadline {
            return (false, Some(deadline));
        }
        *stalled = true;
        (true, None)
    }
}

impl Home {
    /// The stream of a layer, to ask it for a key frame.
    pub fn ssrc_of(&self, layer: u8) -> Option<Ssrc> {
        self.layers.get(usize::from(layer))?.ssrc()
    }

    fn note_arrival(&mut self, now: Instant) -> Observed {
        let first = self.last_packet.is_none() || self.stalled;
        let revived = std::mem::take(&mut self.stalled);
        self.last_packet = Some(now);
        Observed { revived, first, ..Observed::default() }
    }

    fn note_level(&mut self, packet: &RtpPacket, now: Instant) -> Option<(i8, bool)> {
        let level = packet.header.ext_vals.audio_level?;
        let loudness = level.unsigned_abs();
        if let Some((told, at)) = self.level
            && (told.abs_diff(loudness) < LEVEL_STEP || now < at + LEVEL_INTERVAL)
        {
            return None;
        }
        self.level = Some((loudness, now));
        Some((level, packet.header.ext_vals.voice_activity.unwrap_or(false)))
    }
}
