//! The open channels of one transport, and how much may be said on them.

use std::sync::Arc;
use std::time::Instant;

use str0m::channel::{ChannelData, ChannelId};

use super::{
    BYTE_BURST, BYTES_PER_S, MAX_CHANNELS, MAX_LABEL, MAX_MESSAGE, MESSAGE_BURST, MESSAGES_PER_S, Saying,
};

#[derive(Debug)]
pub struct Channels {
    open: Vec<(ChannelId, Arc<str>)>,
    messages: f64,
    bytes: f64,
    refilled: Instant,
}

impl Channels {
    pub fn new(now: Instant) -> Self {
        Self { open: Vec::new(), messages: MESSAGE_BURST, bytes: BYTE_BURST, refilled: now }
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

    /// What the peer has said, if it may be carried.
    pub fn hear(&mut self, message: &ChannelData, now: Instant) -> Option<Saying> {
        let (_, label) = self.open.iter().find(|(id, _)| *id == message.id)?;
        let length = u32::try_from(message.data.len()).ok().filter(|length| *length <= MAX_MESSAGE)?;
        let elapsed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.refilled = now;
        self.messages = (self.messages + elapsed * MESSAGES_PER_S).min(MESSAGE_BURST);
        self.bytes = (self.bytes + elapsed * BYTES_PER_S).min(BYTE_BURST);
        if self.messages < 1.0 || self.bytes < f64::from(length) {
            return None;
        }
        self.messages -= 1.0;
        self.bytes -= f64::from(length);
        Some(Saying { label: label.clone(), binary: message.binary, data: message.data.as_slice().into() })
    }

    /// The channels on which to repeat what was said under `label`.
    pub fn labelled(&self, label: &str) -> Vec<ChannelId> {
        self.open.iter().filter(|(_, other)| **other == *label).map(|(id, _)| *id).collect()
    }
}
