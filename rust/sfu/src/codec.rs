//! The formats that are negotiated, and when a publisher's and a subscriber's are the same.

use str0m::RtcConfig;
use str0m::format::{Codec, CodecConfig, CodecSpec, FormatParams};
use str0m::media::Frequency;

use crate::sdp::formats::H264_PROFILES;

/// Payload types are only a start: an answer uses those of the offer.
const FIRST_DYNAMIC: u8 = 96;
const LAST_DYNAMIC: u8 = 127;
/// The highest that str0m compares with.
const H265_LEVEL: u8 = 180;
/// Used when 96 to 127 are taken, as browsers do (RFC 5761 leaves them to RTP).
const FIRST_LOW: u8 = 35;

/// Profiles of VP9, and of H.265; slots of VP8 and of AV1, which are told apart by what looks like one.
const VP9_PROFILES: u32 = 4;
const H265_PROFILES: u8 = 3;
const SLOTS: u8 = 3;

/// Enable everything a browser or a phone may offer, in the slots of [`crate::sdp::formats`].
pub fn configure(mut config: RtcConfig) -> RtcConfig {
    config = config
        .clear_codecs()
        .enable_opus(true, true)
        .enable_pcmu(true, false)
        .enable_pcma(true, false)
        .enable_g722(true, false);
    let codecs = config.codec_config();
    codecs.enable_vp8(true);
    codecs.enable_av1(true);
    let mut types = free_types(codecs);
    let mut next = || types.next().expect("fewer formats than payload types").into();
    let mut add = |codec, format| {
        codecs.add_config(next(), Some(next()), codec, Frequency::NINETY_KHZ, None, format);
    };
    for profile in 0..VP9_PROFILES {
        add(Codec::Vp9, FormatParams { profile_id: Some(profile), ..FormatParams::default() });
    }
    for slot in 1..SLOTS {
        add(Codec::Vp8, FormatParams { profile_id: Some(slot.into()), ..FormatParams::default() });
        add(Codec::Av1, FormatParams { profile: Some(slot), ..FormatParams::default() });
    }
    for profile in 1..=H265_PROFILES {
        codecs.add_h265(next(), Some(next()), profile, 0, H265_LEVEL);
    }
    for profile in H264_PROFILES {
        for packetization_mode in [true, false] {
            codecs.add_h264(next(), Some(next()), packetization_mode, profile);
        }
    }
    for clock_rate in [Frequency::FORTY_EIGHT_KHZ, Frequency::EIGHT_KHZ] {
        codecs.add_config(next(), None, Codec::Tele, clock_rate, None, FormatParams::default());
    }
    config
}

/// The format in which a pipeline's frames are sent: of a codec by OWT's name. None if there is no such format.
///
/// `fragments`: of H264 in packetization mode 1; without in mode 0.
pub fn produced(name: &str, fragments: bool) -> Option<CodecSpec> {
    let codec = match name {
        "opus" => Codec::Opus,
        "pcmu" => Codec::PCMU,
        "pcma" => Codec::PCMA,
        "g722" => Codec::G722,
        "vp8" => Codec::Vp8,
        "vp9" => Codec::Vp9,
        "h264" => Codec::H264,
        "h265" => Codec::H265,
        "av1" => Codec::Av1,
        _ => return None,
    };
    let mut config = configure(RtcConfig::new());
    let mut specs = config.codec_config().params().iter().map(str0m::format::PayloadParams::spec);
    let mode = u8::from(fragments);
    specs.find(|spec| {
        spec.codec == codec && (codec != Codec::H264 || spec.format.packetization_mode.unwrap_or(0) == mode)
    })
}

/// By which clock the timestamps of a format count: 8000 Hz for G722, which has 16000 samples (RFC 3551 §4.5.2).
pub fn rtp_clock_rate(format: &CodecSpec) -> u32 {
    if format.codec == Codec::G722 { 8000 } else { format.clock_rate.get() }
}

fn free_types(codecs: &CodecConfig) -> impl Iterator<Item = u8> + use<> {
    let taken = codecs.params().iter().flat_map(|p| [Some(p.pt()), p.resend(), p.red()]).flatten();
    let taken: Vec<u8> = taken.map(|pt| *pt).collect();
    (FIRST_DYNAMIC..=LAST_DYNAMIC).chain(FIRST_LOW..64).filter(move |pt| !taken.contains(pt))
}

/// Whether packets of one can be sent as the other, unchanged. Whoever negotiates sees to it that profiles fit: a
/// receiver of one decodes others too, and here they only tell the slots of a codec from each other.
pub fn same_format(a: &CodecSpec, b: &CodecSpec) -> bool {
    a.codec == b.codec && a.clock_rate == b.clock_rate && a.channels == b.channels
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_format_has_payload_types_of_its_own() {
        let mut config = configure(RtcConfig::new());
        let params = config.codec_config().params();
        let types: Vec<u8> =
            params.iter().flat_map(|p| [Some(p.pt()), p.resend(), p.red()]).flatten().map(|pt| *pt).collect();
        assert_eq!(types.iter().collect::<HashSet<_>>().len(), types.len());
        assert!(types.iter().all(|pt| !(64..96).contains(pt)), "64 to 95 would be taken for RTCP");
    }
}
