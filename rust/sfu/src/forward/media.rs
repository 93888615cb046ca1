//! What a producer's packets are to all who are sent them.

use std::sync::Arc;
use std::time::Instant;

use crate::clock::Moment;
use crate::layers::labels::Labels;
use crate::layers::place::Place;

/// One packet of a producer, shared by all its subscribers.
#[derive(Clone, Debug)]
pub struct MediaPacket {
    /// Which layer of the producer it is of; 0 if there is no simulcast.
    pub layer: u8,
    /// Extended sequence number of the publisher.
    pub seq: u64,
    /// Extended timestamp of the publisher, in ticks of the codec's clock.
    pub timestamp: u64,
    pub marker: bool,
    /// A decoder can start here. True for all audio.
    pub starts: bool,
    pub payload: Arc<[u8]>,
    pub level_dbov: Option<i8>,
    pub voice: Option<bool>,
    pub place: Option<Place>,
    pub labels: Option<Labels>,
    /// Of redundant audio: where in the payload the new block begins.
    pub newest_at: Option<usize>,
    /// The dependency descriptor, if it has one.
    pub dependency: Option<Arc<[u8]>>,
    /// By the publisher's clock, which its layers share. Known with simulcast, after the first sender report.
    pub captured_us: Option<i64>,
    /// When it was recorded, by our wall clock in NTP format; when it arrived, if the publisher did not tell.
    pub captured: u64,
    /// Counts the packets of the producer in the order of their arrival.
    pub index: u64,
    pub received: Instant,
}

impl MediaPacket {
    /// One that is of no source.
    pub fn alone(payload: Arc<[u8]>, now: Moment) -> Self {
        Self {
            layer: 0,
            seq: 0,
            timestamp: 0,
            marker: false,
            starts: true,
            payload,
            level_dbov: None,
            voice: None,
            place: None,
            labels: None,
            newest_at: None,
            dependency: None,
            captured_us: None,
            captured: now.ntp,
            index: 0,
            received: now.instant,
        }
    }

    /// The payload as it would be without redundancy.
    pub fn newest(&self) -> Arc<[u8]> {
        match self.newest_at {
            Some(at) => Arc::from(self.payload.get(at..).unwrap_or_default()),
            None => self.payload.clone(),
        }
    }
}
