//! The formats of a section, and the slots under which str0m knows them.
//!
//! str0m knows a codec with the same parameters by one payload type. A peer may have several, so that each gets a slot
//! of its own, told from the others by a parameter that stands for nothing else. The peer is answered its own words.

use super::lines::attributes;

/// Names, clock rates and channels as str0m writes them, and the slots of each.
const CODECS: [(&str, Slots); 11] = [
    ("opus/48000/2", Slots::One("minptime=10;useinbandfec=1")),
    ("PCMU/8000", Slots::One("")),
    ("PCMA/8000", Slots::One("")),
    ("G722/8000", Slots::One("")),
    ("VP8/90000", Slots::Some(VP8)),
    ("VP9/90000", Slots::Some(VP9)),
    ("H264/90000", Slots::H264),
    ("H265/90000", Slots::Some(H265)),
    ("AV1/90000", Slots::Some(AV1)),
    ("telephone-event/48000", Slots::One("0-16")),
    ("telephone-event/8000", Slots::One("0-16")),
];
/// Whatever is not VP8's profile: it has none.
const VP8: &[&str] = &["", "profile-id=1", "profile-id=2"];
const VP9: &[&str] = &["profile-id=0", "profile-id=1", "profile-id=2", "profile-id=3"];
const AV1: &[&str] = &["", "profile=1", "profile=2"];
const H265: &[&str] = &[
    "profile-id=1;tier-flag=0;level-id=180",
    "profile-id=2;tier-flag=0;level-id=180",
    "profile-id=3;tier-flag=0;level-id=180",
];
/// Profiles of H.264; each has a slot for both packetization modes.
pub const H264_PROFILES: [u32; 5] = [0x42_001f, 0x42_e01f, 0x4d_001f, 0x64_001f, 0xf4_001f];

#[derive(Clone, Copy)]
enum Slots {
    One(&'static str),
    Some(&'static [&'static str]),
    H264,
}

impl Slots {
    fn get(self, slot: usize) -> Option<String> {
        match self {
            Self::One(parameters) => (slot == 0).then(|| parameters.to_owned()),
            Self::Some(parameters) => parameters.get(slot).map(|parameters| (*parameters).to_owned()),
            Self::H264 => {
                let (profile, mode) = (H264_PROFILES.get(slot / 2)?, 1 - slot % 2);
                Some(format!(
                    "level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile:06x}"
                ))
            }
        }
    }
}

/// A payload type that can be carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    pub number: u8,
    /// As str0m writes its `rtpmap`.
    pub codec: &'static str,
    pub rtx: Option<u8>,
    pub red: Option<u8>,
    pub feedback: Vec<String>,
}

impl Format {
    pub fn numbers(&self) -> impl Iterator<Item = u8> {
        [Some(self.number), self.red, self.rtx].into_iter().flatten()
    }
}

/// The slots that a transport's payload types have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken(Vec<(&'static str, u8, usize)>);

impl Taken {
    /// The parameters by which str0m tells `format` from others of its codec; None if there is no slot left.
    pub fn parameters(&mut self, format: &Format) -> Option<String> {
        let (_, slots) = CODECS.iter().find(|(written, _)| *written == format.codec)?;
        let own = self.0.iter().filter(|(other, ..)| other == &format.codec);
        let slot = match own.clone().find(|(_, number, _)| *number == format.number) {
            Some((_, _, slot)) => *slot,
            None => own.count(),
        };
        let parameters = slots.get(slot)?;
        if !self.0.contains(&(format.codec, format.number, slot)) {
            self.0.push((format.codec, format.number, slot));
        }
        Some(parameters)
    }
}

/// What a section offers that can be carried, in its order.
pub fn formats(lines: &[&str]) -> Vec<Format> {
    let numbers: Vec<u8> = numbers(lines).collect();
    let maps: Vec<(u8, &str)> = attributes(lines, "rtpmap").filter_map(numbered).collect();
    let parameters: Vec<(u8, &str)> = attributes(lines, "fmtp").filter_map(numbered).collect();
    let map = |number| maps.iter().find(|(other, _)| *other == number).map(|(_, map)| *map);
    let repairs = |wanted: &str, says: &dyn Fn(&str) -> bool| {
        let repeats = |number: &u8| {
            map(*number).is_some_and(|map| map.to_ascii_lowercase().starts_with(wanted))
                && parameters.iter().any(|(other, text)| other == number && says(text))
        };
        numbers.iter().copied().find(repeats)
    };
    let made = |number: &u8| {
        let codec = known(*number, map(*number))?;
        let apt = format!("apt={number}");
        let levels = format!("{number}/{number}");
        Some(Format {
            number: *number,
            codec,
            rtx: repairs("rtx/", &|text| text.split(';').any(|part| part.trim() == apt)),
            red: repairs("red/", &|text| text.split_whitespace().next() == Some(&levels)),
            feedback: feedback(lines, *number),
        })
    };
    numbers.iter().filter_map(made).collect()
}

/// The payload types of the `m=` line.
pub fn numbers(lines: &[&str]) -> impl Iterator<Item = u8> {
    let fields = lines.first().copied().unwrap_or("").split_whitespace().skip(3);
    fields.filter_map(|field| field.parse().ok()).filter(|number| *number < 128)
}

/// "96 VP8/90000" in its two parts.
pub fn numbered(text: &str) -> Option<(u8, &str)> {
    let (number, rest) = text.split_once(' ')?;
    Some((number.parse().ok()?, rest.trim()))
}

fn known(number: u8, map: Option<&str>) -> Option<&'static str> {
    let map = match (map, number) {
        (Some(map), _) => map,
        (None, 0) => "PCMU/8000",
        (None, 8) => "PCMA/8000",
        (None, 9) => "G722/8000",
        _ => return None,
    };
    let map = if map.eq_ignore_ascii_case("hevc/90000") { "H265/90000" } else { map };
    let plain = map.strip_suffix("/1").unwrap_or(map); // mono is what nothing says (RFC 8866 §6.6)
    CODECS.iter().map(|(written, _)| *written).find(|written| written.eq_ignore_ascii_case(plain))
}

/// What a receiver tells of one payload type, or of all, as far as str0m knows it.
fn feedback(lines: &[&str], number: u8) -> Vec<String> {
    const KNOWN: [&str; 5] = ["transport-cc", "goog-remb", "ccm fir", "nack", "nack pli"];
    let concerns = |head: &str| head == "*" || head.parse() == Ok(number);
    let said = attributes(lines, "rtcp-fb")
        .filter_map(|text| text.split_once(' '))
        .filter(|(head, _)| concerns(head))
        .map(|(_, kind)| kind.trim().to_ascii_lowercase());
    let mut found: Vec<String> = said.filter(|kind| KNOWN.contains(&kind.as_str())).collect();
    found.dedup();
    found
}
