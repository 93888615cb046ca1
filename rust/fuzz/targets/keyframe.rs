//! Payloads come from publishers: the parsers of all codecs read any bytes without harm.
#![no_main]

use libfuzzer_sys::fuzz_target;
use palaver_sfu::keyframe;
use str0m::format::Codec;

fuzz_target!(|payload: &[u8]| {
    for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1, Codec::Opus] {
        keyframe::inspect(codec, payload);
    }
});
