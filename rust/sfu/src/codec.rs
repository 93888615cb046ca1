//! The formats that are negotiated, and when a publisher's and a subscriber's are the same.

use str0m::RtcConfig;
use str0m::format::{Codec, CodecConfig, CodecSpec, FormatParams};
use str0m::media::Frequency;
use str0m::rtp::{Extension, ExtensionMap};

use crate::layers::dependency;

/// H.264 profile-level-id, and whether Chromium offers packetization mode 0 beside mode 1. All at level 3.1: levels
/// are asymmetric in WebRTC and do not limit what arrives.
const H264_PROFILES: [u32; 5] = [0x42_001f, 0x42_e01f, 0x4d_001f, 0x64_001f, 0xf4_001f];

/// Payload types are only a start: an answer uses those of the offer.
const FIRST_DYNAMIC: u8 = 96;
const LAST_DYNAMIC: u8 = 127;
/// Used when 96 to 127 are taken, as browsers do (RFC 5761 leaves them to RTP).
const FIRST_LOW: u8 = 35;

/// Enable everything a browser or a phone may offer.
pub fn configure(mut config: RtcConfig) -> RtcConfig {
    config = config
        .clear_codecs()
        .enable_opus(true, true)
        .enable_pcmu(true, false)
        .enable_pcma(true, false)
        .enable_g722(true, false)
        .set_extension_map(extensions());
    let codecs = config.codec_config();
    codecs.enable_vp8(true);
    codecs.enable_av1(true);
    codecs.enable_h265(true);
    let mut types = free_types(codecs);
    let mut next = || types.next().expect("fewer formats than payload types").into();
    for profile in 0..4 {
        let format = FormatParams { profile_id: Some(profile), ..FormatParams::default() };
        codecs.add_config(next(), Some(next()), Codec::Vp9, Frequency::NINETY_KHZ, None, format);
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

/// The format in which a pipeline's frames are sent: of a codec by OWT's name and, of H.264, by the subscriber's
/// profile-level-id. None if there is no such format. H.264 is sent in packetization mode 1.
pub fn produced(name: &str, profile_level_id: Option<&str>) -> Option<CodecSpec> {
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
    let profile = profile_level_id.map_or(Some(0x42_e01f), h264_profile);
    let mut config = configure(RtcConfig::new());
    let specs: Vec<CodecSpec> =
        config.codec_config().params().iter().map(str0m::format::PayloadParams::spec).collect();
    specs.into_iter().find(|spec| {
        spec.codec == codec
            && (codec != Codec::H264
                || (spec.format.packetization_mode == Some(1) && spec.format.profile_level_id == profile))
            && spec.format.profile_id.unwrap_or(0) == 0
    })
}

/// The number under which a profile is negotiated here (RFC 6184 §8.1: the level does not matter, the constraints do).
fn h264_profile(profile_level_id: &str) -> Option<u32> {
    let bytes = u32::from_str_radix(profile_level_id.get(..4)?, 16).ok()?;
    let (profile, constraints) = (bytes >> 8, bytes & 0xff);
    match profile {
        0x42 if constraints & 0x40 != 0 => Some(0x42_e01f),
        0x42 => Some(0x42_001f),
        0x4d if constraints & 0x80 != 0 => Some(0x42_e01f),
        0x4d => Some(0x4d_001f),
        0x64 => Some(0x64_001f),
        _ => None,
    }
}

fn free_types(codecs: &CodecConfig) -> impl Iterator<Item = u8> + use<> {
    let taken = codecs.params().iter().flat_map(|p| [Some(p.pt()), p.resend(), p.red()]).flatten();
    let taken: Vec<u8> = taken.map(|pt| *pt).collect();
    (FIRST_DYNAMIC..=LAST_DYNAMIC).chain(FIRST_LOW..64).filter(move |pt| !taken.contains(pt))
}

/// The header extensions answered when offered. Video orientation is not among them: a sender that cannot signal it
/// turns the picture itself, and every subscriber sees it upright.
fn extensions() -> ExtensionMap {
    let mut map = ExtensionMap::empty();
    for (id, extension) in (1..).zip([
        Extension::AudioLevel,
        Extension::AbsoluteSendTime,
        Extension::TransportSequenceNumber,
        Extension::RtpMid,
        Extension::RtpStreamId,
        Extension::RepairedRtpStreamId,
        Extension::TransmissionTimeOffset,
        Extension::with_serializer(dependency::URI, dependency::Serializer),
    ]) {
        map.set(id, extension);
    }
    map
}

/// Whether packets of one can be sent as the other, unchanged. Of H.264, whoever negotiates sees to it that the profile
/// fits: a receiver of one profile decodes others too.
pub fn same_format(a: &CodecSpec, b: &CodecSpec) -> bool {
    a.codec == b.codec
        && a.clock_rate == b.clock_rate
        && a.channels == b.channels
        && a.format.profile_id.unwrap_or(0) == b.format.profile_id.unwrap_or(0)
        && a.format.profile.unwrap_or(0) == b.format.profile.unwrap_or(0)
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

    #[test]
    fn profiles_of_vp9_are_different_formats_and_those_of_h264_are_not() {
        let mut config = configure(RtcConfig::new());
        let specs: Vec<CodecSpec> =
            config.codec_config().params().iter().map(str0m::format::PayloadParams::spec).collect();
        for (codec, differ) in [(Codec::Vp9, true), (Codec::H264, false)] {
            let own: Vec<_> = specs.iter().filter(|spec| spec.codec == codec).collect();
            assert!(own.len() > 3);
            assert!(own[1..].iter().all(|other| same_format(own[0], other) != differ));
        }
    }
}
