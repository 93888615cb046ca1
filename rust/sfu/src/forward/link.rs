//! While packets of one layer flow: how their numbers map, and which of its spatial and temporal layers are sent.

use super::{Aim, MediaPacket};
use crate::count::Count;
use crate::layers::place::{Place, Target};

/// How the publisher's numbers map to the subscriber's while packets of one layer flow.
#[derive(Clone, Debug)]
pub(super) struct LayerLink {
    pub(super) layer: u8,
    pub(super) target: Option<Target>,
    pub(super) seq: Count,
    pub(super) pictures: Option<Count>,
    pub(super) timestamp: u64,
    pub(super) base_layer: u8,
    /// Timestamp of the newest picture, sent or not.
    pub(super) newest: Option<u64>,
    /// The last packet that was sent ended its frame.
    pub(super) complete: bool,
}

impl LayerLink {
    /// Go to another decode target of the layer, if this packet lets that happen: down at each picture, up in time where
    /// the stream says so, up in space at a key frame.
    pub(super) fn steer(&mut self, aim: Aim, packet: &MediaPacket) {
        let begins = self.newest.is_none_or(|newest| newest < packet.timestamp);
        if begins {
            self.newest = Some(packet.timestamp);
        }
        let Aim::Chosen(choice) = aim else { return };
        if choice.layer != self.layer || choice.target == self.target {
            return;
        }
        let possible = match (self.target, choice.target) {
            (Some(from), Some(to)) if from.contains >> to.index & 1 == 0 => {
                let enters = |place: Place| {
                    let whole = begins || place.needed >> from.index & 1 == 1; // nothing of its frame was left out
                    whole && place.entry >> to.index & 1 == 1 && to.spatial <= from.spatial
                };
                packet.starts || packet.place.is_some_and(enters)
            }
            (Some(_), None) => packet.starts,
            _ => begins,
        };
        if possible {
            self.target = choice.target;
        }
    }

    /// Whether the packet is of a later frame than the one at hand, or that one is complete.
    pub(super) fn is_over(&self, packet: &MediaPacket) -> bool {
        self.seq.is_new(packet.seq)
            && (self.complete || self.newest.is_some_and(|newest| newest < packet.timestamp))
    }

    /// Whether the packet is not sent; those after it take its numbers. One that comes late has its place already.
    pub(super) fn leaves_out(&mut self, packet: &MediaPacket) -> bool {
        let (Some(place), Some(target)) = (packet.place, self.target) else { return false };
        if place.needed >> target.index & 1 == 1 || !self.seq.is_new(packet.seq) {
            return false;
        }
        self.seq.leave_out(packet.seq);
        if let (Some(labels), Some(pictures)) =
            (packet.labels.filter(|labels| labels.dense), &mut self.pictures)
        {
            pictures.leave_out(labels.picture);
        }
        true
    }

    /// Whether the picture ends here for this subscriber, since what follows is left out.
    pub(super) fn ends(&self, packet: &MediaPacket) -> bool {
        let (Some(place), Some(target)) = (packet.place, self.target) else { return false };
        place.last >> target.index & 1 == 1
    }
}
