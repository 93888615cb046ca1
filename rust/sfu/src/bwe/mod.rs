//! How much the way to one subscriber can carry: a send-side bandwidth estimator, without I/O.
//!
//! | file | what it is |
//! |---|---|
//! | [`estimator`] | the whole: takes what was sent and what the peer reports, gives a target and padding to send |
//! | [`history`] | what was sent and is not accounted for yet |
//! | [`group`] | packets sent in one go, and how much further apart two such groups arrived than they were sent |
//! | [`trend`] | whether the queue at the bottleneck grows: trend line, adaptive threshold, signal |
//! | [`queue`] | how long packets wait at the bottleneck |
//! | [`stall`] | whether packets are late because something stood still, which says nothing about the path |
//! | [`backlog`] | the part of that which our own bursts explain |
//! | [`rate`] | bytes per second over a sliding window |
//! | [`capacity`] | what the bottleneck carried when it was full |
//! | [`aimd`] | the delay-based estimate: decrease when the queue grows, increase when it does not |
//! | [`loss`] | the loss-based bound |
//! | [`probe`] | short clusters of packets at a higher rate, and what they showed |
//! | [`remb`] | the estimate of a peer that makes its own |
//!
//! It follows draft-ietf-rmcat-gcc-02 for the delay-based controller, with what has proved itself in browsers since:
//! a trend line for the draft's Kalman filter, probing, and a loss bound that tolerates loss not caused by us. The
//! feedback is that of draft-holmer-rmcat-transport-wide-cc-extensions-01. See `docs/adr` for why it is our own.
//!
//! A forwarder differs from an encoder in one thing: it cannot send what the estimate says, only layers that exist. So
//! it is below its estimate nearly always, and learns by probes, not by slowly sending more.
#![allow(clippy::cast_precision_loss, reason = "rates and times are far below 2^52")]

pub mod aimd;
pub mod backlog;
pub mod capacity;
pub mod estimator;
pub mod group;
pub mod history;
pub mod loss;
pub mod probe;
pub mod queue;
pub mod rate;
pub mod remb;
pub mod stall;
pub mod trend;

pub use estimator::{Estimator, Padding};

/// Never estimate less: below this no call is possible, and there must be something to rise from.
pub const MIN_BPS: f64 = 50_000.0;
/// Never estimate more.
pub const MAX_BPS: f64 = 100_000_000.0;
/// What is assumed before the first packets are reported on.
pub const START_BPS: f64 = 500_000.0;

/// The peer's clock is told in 24 bits of 64 ms (transport-wide-cc-extensions-01 §3.1).
pub const PEER_CLOCK: i64 = (1 << 24) * 64_000;
