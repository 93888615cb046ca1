//! The open channels of one transport, and how much may be said on them.

use std::sync::Arc;
use std::time::Instant;

use str0m::channel::{ChannelData, ChannelId};

use super::{
    BYTE_BURST, BYTES_PER_S, DELIVERIES_PER_S, DELIVERY_BURST, MAX_CHANNELS, MAX_LABEL, MAX_MESSAGE,
    MESSAGE_BURST, MESSAGES_PER_S, Saying,
};

#[derive(Debug)]
pub struct Channels {
    open: Vec<(ChannelId, Arc<str>)>,
    messages: f64,
    bytes: f64,
    deliveries: f64,
    refilled: Instant,
}

impl Channels {
    pub fn new(now: Instant) -> Self {
        Self {
            open: Vec::new(),
            messages: MESSAGE_BURST,
            bytes: BYTE_BURST,
            deliveries: DELIVERY_BURST,
            refilled: now,
        }
    }

    /// The peer has opened a channel. False: it is not to be had, and has to be closed.
    pub fn add(&mut self, id: ChannelId, label: &str) -> bool {
        let fits = self.open.len() < MAX_CHANNELS && (1..=MAX_LABEL).contains(&label.len());
        if fits {
            self.open.push((id, label.into()));
        }
        fits
    }

    pub fn remove(&mut self, id: ChannelId) {
        self.open.retain(|(other, _)| *other != id);
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// What the peer has said, if it may be carried to so many. An empty message (RFC 8831 §6.6) is not: str0m would use
    /// up a number of an ordered channel and send nothing, and the listener would wait for that number for ever.
    pub fn hear(&mut self, message: &ChannelData, listeners: usize, now: Instant) -> Option<Saying> {
        let (_, label) = self.open.iter().find(|(id, _)| *id == message.id)?;
        let label = label.clone();
        if !self.admit(message.data.len(), listeners, now) {
            return None;
        }
        Some(Saying { label, binary: message.binary, data: message.data.as_slice().into() })
    }

    /// Whether one more message is within the bounds; then it is counted.
    fn admit(&mut self, length: usize, listeners: usize, now: Instant) -> bool {
        let length = u32::try_from(length).ok().filter(|length| (1..=MAX_MESSAGE).contains(length));
        let Some(length) = length.map(f64::from) else { return false };
        let deliveries = f64::from(u32::try_from(listeners).unwrap_or(u32::MAX)).min(DELIVERY_BURST);
        let elapsed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.refilled = now;
        self.messages = (self.messages + elapsed * MESSAGES_PER_S).min(MESSAGE_BURST);
        self.bytes = (self.bytes + elapsed * BYTES_PER_S).min(BYTE_BURST);
        self.deliveries = (self.deliveries + elapsed * DELIVERIES_PER_S).min(DELIVERY_BURST);
        if self.messages < 1.0 || self.bytes < length || self.deliveries < deliveries {
            return false;
        }
        self.messages -= 1.0;
        self.bytes -= length;
        self.deliveries -= deliveries;
        true
    }

    /// The channels on which to repeat what was said under `label`.
    pub fn labelled(&self, label: &str) -> Vec<ChannelId> {
        self.open.iter().filter(|(_, other)| **other == *label).map(|(id, _)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_more_listen_the_less_may_be_said() {
        let start = Instant::now();
        for (listeners, at_once, per_s) in [(10, 200, 100), (1_000, 20, 10), (1_000_000, 1, 0)] {
            let mut channels = Channels::new(start);
            let mut said = |at| (0..1_000).filter(|_| channels.admit(1, listeners, at)).count();
            assert_eq!((said(start), said(start + Duration::from_secs(1))), (at_once, per_s));
        }
    }

    #[test]
    fn messages_are_neither_empty_nor_too_long() {
        let now = Instant::now();
        let mut channels = Channels::new(now);
        let mut admitted = |length| channels.admit(length, 1, now);
        assert!(admitted(1) && admitted(MAX_MESSAGE as usize));
        assert!(!admitted(0) && !admitted(MAX_MESSAGE as usize + 1));
    }
}
