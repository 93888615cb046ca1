//! Finds the start of a key frame in an RTP payload, and the picture size where that packet says it.
//!
//! Every function takes one RTP payload from the network and never fails: what cannot be read is not a key frame, or
//! one of unknown size.

mod av1;
pub(crate) mod bits;
mod h264;
mod h265;
mod vp8;
mod vp9;

use str0m::format::Codec;

pub use av1::inspect as inspect_av1;
pub use h264::inspect as inspect_h264;
pub use h265::inspect as inspect_h265;
pub use vp8::inspect as inspect_vp8;
pub use vp9::inspect as inspect_vp9;

/// The packet at hand is the first of a key frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keyframe {
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
}

/// Whether a decoder can start with this packet. Audio and unknown codecs have no key frames.
pub fn inspect(codec: Codec, payload: &[u8]) -> Option<Keyframe> {
    match codec {
        Codec::Vp8 => vp8::inspect(payload),
        Codec::Vp9 => vp9::inspect(payload),
        Codec::H264 => h264::inspect(payload),
        Codec::H265 => h265::inspect(payload),
        Codec::Av1 => av1::inspect(payload),
        _ => None,
    }
}
