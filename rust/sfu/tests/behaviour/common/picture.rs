//! Whole frames of every codec, and the payloads into which senders cut them: with aggregates and fragments, as
//! browsers do, and not as the core does.

use super::client::Media;

/// Bytes of a payload at most.
const MOST: usize = 1100;

/// What a decoder is to get, and what is sent.
pub struct Picture {
    pub frame: Vec<u8>,
    pub payloads: Vec<Vec<u8>>,
}

/// The `number`th picture, of about `length` bytes. No two are alike.
pub fn picture(media: Media, number: u32, key: bool, length: usize) -> Picture {
    let body = noise(number, length);
    match media {
        Media::Vp8 => {
            let start: &[u8] =
                if key { &[0x10, 2, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1] } else { &[0x11, 2, 0] };
            let frame = [start, &body].concat();
            let picture_id = (number as u16 | 0x8000).to_be_bytes();
            let payloads = described(&frame, |first, _| {
                [&[if first { 0x90 } else { 0x80 }, 0x80][..], &picture_id].concat()
            });
            Picture { frame, payloads }
        }
        Media::Vp9 => {
            let start: &[u8] =
                if key { &[0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70] } else { &[0x86, 0] };
            let frame = [start, &body].concat();
            let [high, low] = (number as u16 | 0x8000).to_be_bytes();
            let payloads = described(&frame, |first, last| {
                vec![0x80 | u8::from(!key) << 6 | u8::from(first) << 3 | u8::from(last) << 2, high, low]
            });
            Picture { frame, payloads }
        }
        Media::H264 | Media::H265 => units(media, key, &body),
        Media::H264Single => {
            let unit = [&[if key { 0x65 } else { 0x41 }], &body[..body.len().min(MOST - 1)]].concat();
            Picture { frame: [&START[..], &unit].concat(), payloads: vec![unit] }
        }
        Media::Av1 => obus(key, &body),
        _ => Picture { frame: body.clone(), payloads: vec![body] },
    }
}

/// Bytes without zeros, of which the first four tell the number.
fn noise(number: u32, length: usize) -> Vec<u8> {
    let digits = (0..4).map(|at| (number >> (7 * at)) as u8 | 0x80);
    digits.chain((0..length.saturating_sub(4)).map(|at| (at * 37 % 255) as u8 + 1)).collect()
}

fn described(frame: &[u8], descriptor: impl Fn(bool, bool) -> Vec<u8>) -> Vec<Vec<u8>> {
    let count = frame.len().div_ceil(MOST);
    let parts = frame.chunks(MOST).enumerate();
    parts.map(|(index, part)| [&descriptor(index == 0, index + 1 == count), part].concat()).collect()
}

const START: [u8; 4] = [0, 0, 0, 1];
/// Baseline, 640×360.
const SPS: [u8; 24] = [
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2e,
];

/// Main profile, 1920×1080.
const SPS_H265: [u8; 26] = [
    0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
    0x78, 0xa0, 0x03, 0xc0, 0x80, 0x10, 0xe5, 0x96, 0x56,
];

/// Parameter sets in one packet, then the picture in fragments.
fn units(media: Media, key: bool, body: &[u8]) -> Picture {
    let h265 = media == Media::H265;
    let (sets, aggregate): (Vec<&[u8]>, &[u8]) = match (key, h265) {
        (false, _) => (vec![], &[]),
        (true, false) => (vec![&SPS, &[0x68, 0xce, 1]], &[0x78]),
        (true, true) => (vec![&[0x40, 1, 7], &SPS_H265, &[0x44, 1, 9]], &[0x60, 1]),
    };
    let header: &[u8] = match (key, h265) {
        (true, false) => &[0x65],
        (false, false) => &[0x41],
        (true, true) => &[0x26, 1],
        (false, true) => &[0x02, 1],
    };
    let (mut frame, mut payloads) = (Vec::new(), Vec::new());
    if key {
        let mut payload = aggregate.to_vec();
        for set in &sets {
            frame.extend([&START[..], set].concat());
            payload.extend([&(set.len() as u16).to_be_bytes()[..], set].concat());
        }
        payloads.push(payload);
    }
    frame.extend([&START[..], header, body].concat());
    if body.len() < MOST {
        payloads.push([header, body].concat());
        return Picture { frame, payloads };
    }
    let count = body.len().div_ceil(MOST);
    for (index, part) in body.chunks(MOST).enumerate() {
        let ends = u8::from(index == 0) << 7 | u8::from(index + 1 == count) << 6;
        let before = if h265 {
            vec![0x62, 1, ends | header[0] >> 1]
        } else {
            vec![header[0] & 0xe0 | 0x1c, ends | header[0] & 0x1f]
        };
        payloads.push([&before, part].concat());
    }
    Picture { frame, payloads }
}

/// A sequence header of 640×360 without its size field.
const SEQUENCE: [u8; 11] = [0x08, 0x00, 0x00, 0x00, 0x42, 0xa7, 0xbf, 0xe4, 0x60, 0x0d, 0x00];

/// A temporal delimiter, which has to go, and the sequence header share the first packet with the frame's beginning.
fn obus(key: bool, body: &[u8]) -> Picture {
    let mut frame = Vec::new();
    if key {
        frame.extend([&[0x0a, SEQUENCE.len() as u8 - 1][..], &SEQUENCE[1..]].concat());
    }
    frame.push(0x32);
    let mut length = body.len();
    while length >= 0x80 {
        frame.push(length as u8 | 0x80);
        length >>= 7;
    }
    frame.push(length as u8);
    frame.extend(body);
    let obu = [&[0x30], body].concat();
    let mut payloads = Vec::new();
    let count = obu.len().div_ceil(MOST);
    for (index, part) in obu.chunks(MOST).enumerate() {
        let (first, last) = (index == 0, index + 1 == count);
        let ends = u8::from(!first) << 7 | u8::from(!last) << 6;
        let before = if first && key {
            [&[ends | 0x38, 1, 0x10, SEQUENCE.len() as u8][..], &SEQUENCE].concat() // three elements
        } else {
            vec![ends | 0x10]
        };
        payloads.push([&before, part].concat());
    }
    Picture { frame, payloads }
}
