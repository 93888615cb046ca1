//! The last packets of a producer, to be sent again: one ring, shared by all its subscribers on a thread.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::forward::MediaPacket;

/// Packets and bytes kept at most.
const PACKETS: usize = 1024;
const BYTES: usize = 2 << 20;
/// What is older is worth nothing: a jitter buffer has given it up.
const AGE: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub struct Ring {
    /// In the order of their indices, of which some are missing where not all layers are needed.
    packets: VecDeque<MediaPacket>,
    bytes: usize,
    /// What follows this index does not continue what came before.
    cut: Option<u64>,
}

impl Ring {
    pub fn push(&mut self, packet: MediaPacket, now: Instant) {
        self.bytes += packet.payload.len();
        self.packets.push_back(packet);
        while self.packets.len() > PACKETS || self.bytes > BYTES || self.is_stale(now) {
            let Some(oldest) = self.packets.pop_front() else { break };
            self.bytes -= oldest.payload.len();
        }
    }

    fn is_stale(&self, now: Instant) -> bool {
        self.packets.front().is_some_and(|oldest| now.saturating_duration_since(oldest.received) > AGE)
    }

    /// What comes from now on does not continue what is here.
    pub fn cut(&mut self) {
        self.cut = self.packets.back().map(|newest| newest.index).or(self.cut);
    }

    /// The newest key frame of a layer, if it came after `earliest`, and all packets since.
    pub fn since_key(&self, layer: u8, earliest: Instant) -> Option<Vec<MediaPacket>> {
        let fresh = |packet: &&MediaPacket| packet.received > earliest && self.cut < Some(packet.index);
        let recent = self.packets.iter().rev().take_while(fresh);
        let starts = |packet: &&MediaPacket| packet.layer == layer && packet.starts;
        let newest = recent.clone().find(starts)?.timestamp;
        // More than one packet of it may say that a decoder can start there.
        let first = recent.filter(starts).filter(|packet| packet.timestamp == newest).last()?.index;
        let from = self.packets.partition_point(|packet| packet.index < first);
        Some(self.packets.range(from..).cloned().collect())
    }

    /// The packet with an index, if it is still there.
    pub fn get(&self, index: u64) -> Option<&MediaPacket> {
        let at = self.packets.binary_search_by_key(&index, |packet| packet.index).ok()?;
        self.packets.get(at)
    }
}
