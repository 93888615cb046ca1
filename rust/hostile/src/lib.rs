//! What strangers may send: one target per parser of network bytes.
//!
//! A target is a plain function over any bytes; it panics when something is wrong. It is called from two places:
//! `rust/fuzz` hands it to libFuzzer, at length and with coverage (`make fuzz`), and `tests/targets.rs` feeds it mutated
//! seeds in every test run, the same ones each time. To add one: a file here, a line in [`TARGETS`], and a file and an
//! entry in `rust/fuzz`, which a test compares with this list.
#![allow(clippy::unwrap_used, reason = "a target panics to say that something is wrong")]

pub mod annexb;
pub mod demux;
pub mod extensions;
pub mod framing;
pub mod keyframe;
pub mod layers;
pub mod leb128;
pub mod mutate;
pub mod negotiate;
pub mod offers;
pub mod phones;
pub mod redundancy;
pub mod rtcp;
pub mod srtcp;
pub mod unpack;
pub mod wire;

/// One parser, or one way in.
pub struct Target {
    pub name: &'static str,
    /// Tries one input; true if it was taken for what it might be, false if it was turned away.
    pub run: fn(&[u8]) -> bool,
    /// Well-formed inputs, to begin from.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Mutated inputs per test run: a second's worth at most.
    pub inputs: usize,
}

pub const TARGETS: &[Target] = &[
    annexb::TARGET,
    demux::TARGET,
    extensions::TARGET,
    framing::TARGET,
    keyframe::TARGET,
    layers::TARGET,
    leb128::TARGET,
    negotiate::TARGET,
    offers::TARGET,
    phones::TARGET,
    redundancy::TARGET,
    rtcp::TARGET,
    srtcp::TARGET,
    unpack::TARGET,
    wire::TARGET,
];
