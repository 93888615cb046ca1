//! One producer sent on one section of a transport.

use str0m::media::Mid;

use crate::egress::{Route, SendStream};
use crate::forward::Forward;
use crate::frames::tap::Tap;
use crate::id::{ProducerId, TransportId};
use crate::layers::{Allowance, Wish};
use crate::throttle::Share;

/// What its owner was told of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Nothing,
    Paused,
    Layer(u8),
}

impl Told {
    /// Whether another layer is sent than the owner was told of.
    pub fn is_behind(self, forward: &Forward) -> bool {
        forward.layer().is_some_and(|layer| self != Self::Layer(layer))
    }
}

/// Owned by the router of its transport's thread.
#[derive(Debug)]
pub struct Consumer {
    pub producer: ProducerId,
    pub transport: TransportId,
    pub mid: Mid,
    /// How to send; None until the producer's format is known, which takes a moment if it lives on another thread.
    pub route: Option<Route>,
    /// Where to send it; None while the section is not one on which we send.
    pub send_stream: Option<SendStream>,
    /// As its owner wants it.
    pub active: bool,
    /// Whether the section is one on which we send, by the last negotiation.
    pub open: bool,
    pub wish: Wish,
    /// As bandwidth allows it.
    pub allowance: Allowance,
    pub told: Told,
    pub forward: Forward,
    /// Index of the key frame that was last sent again because the peer asked.
    pub caught_up: Option<u64>,
    /// How often its peer may ask for one.
    pub share: Share,
    /// Where its frames go, if it is not sent on a section; then `transport`, `mid`, `route` and send stream mean nothing.
    pub tap: Option<Box<Tap>>,
}
