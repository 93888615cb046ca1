//! What the core does, one file per behaviour, with str0m clients on virtual time. One binary, to link once.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

mod catching_up;
mod channels;
mod continuity;
mod estimation;
mod floods;
mod forwarding;
mod holding;
mod isolation;
mod keyframes;
mod layered;
mod limits;
mod lost_pipelines;
mod moving;
mod numbered;
mod outputs;
mod phones;
mod phones_protected;
mod rate;
mod reaping;
mod redundancy;
mod reflection;
mod relaying;
mod renegotiation;
mod repair;
mod reports;
mod sealing;
mod slow_pipelines;
mod stopping;
mod strangers;
mod switching;
mod taps;
mod tcp;
mod threads;
mod transport_cc;
