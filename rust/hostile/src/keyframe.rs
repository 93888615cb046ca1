//! Payloads come from publishers: the parsers of all codecs read any bytes without harm.

use palaver_sfu::keyframe;
use str0m::format::Codec;

use crate::Target;

pub const TARGET: Target = Target { name: "keyframe", run, seeds, inputs: 100_000 };

const CODECS: [Codec; 6] = [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1, Codec::Opus];

pub fn run(payload: &[u8]) -> bool {
    CODECS.iter().filter(|codec| keyframe::inspect(**codec, payload).is_some()).count() > 0
}

/// First packets of key frames.
fn seeds() -> Vec<Vec<u8>> {
    vec![
        vec![0x90, 0x80, 0x80, 1, 0x10, 2, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1],
        vec![0x88, 0x12, 0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70],
        vec![0x65, 1, 2, 3],
        vec![0x18, 0x10, 0x30],
    ]
}
