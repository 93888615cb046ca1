//! What was agreed on for a peer of plain RTP.

use std::net::SocketAddr;
use std::time::Duration;

use str0m::format::CodecSpec;

use crate::srtp::Sdes;

/// Ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    pub sends: bool,
    pub receives: bool,
}

/// Which requests for a key frame, and for lost packets, both sides take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    pub nack: bool,
    pub pli: bool,
    pub fir: bool,
}

/// A payload type of telephone-event, and its clock rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventFormat {
    pub payload_type: u8,
    pub clock_rate: u32,
}

#[derive(Clone, Debug)]
pub struct Section {
    pub format: CodecSpec,
    /// Of what we send, and of what we receive.
    pub payload_type: u8,
    pub receive_payload_type: u8,
    pub direction: Direction,
    /// Where the peer receives by its description; None: that is not known, or it is on hold.
    pub remote: Option<SocketAddr>,
    /// Where it receives RTCP; None: with RTP.
    pub control: Option<SocketAddr>,
    pub events: Vec<EventFormat>,
    pub send_events: Option<EventFormat>,
    pub comfort_noise: Option<u8>,
    pub feedback: Feedback,
    /// Our key and the peer's.
    pub srtp: Option<(Sdes, Sdes)>,
    /// Zero: silence is not told of.
    pub timeout: Duration,
}

/// What a payload type of a section carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Media,
    /// A telephone event, and its clock rate.
    Event(u32),
    /// Comfort noise (RFC 3389): silence, which timestamps show as well.
    Noise,
}

/// RFC 3551 §6: without having been agreed on it comes beside codecs of 8000 Hz.
const STATIC_NOISE: u8 = 13;

impl Section {
    pub fn content(&self, payload_type: u8) -> Option<Content> {
        if payload_type == self.receive_payload_type {
            return Some(Content::Media);
        }
        if let Some(event) = self.events.iter().find(|event| event.payload_type == payload_type) {
            return Some(Content::Event(event.clock_rate));
        }
        let noise = Some(payload_type) == self.comfort_noise
            || (payload_type == STATIC_NOISE && self.format.codec.is_audio());
        noise.then_some(Content::Noise)
    }
}
