//! Payloads come from publishers: whatever they are, the frames made of them are bounded, and none is empty.

use palaver_sfu::frames::unpack::{MAX_FRAME, Unpacker};
use str0m::format::Codec;

use crate::Target;

pub const TARGET: Target = Target { name: "unpack", run, seeds, inputs: 50_000 };

const CODECS: [Codec; 6] = [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1, Codec::Opus];

/// The first byte names the codec; then payloads, each behind its length, of one frame after the other: a length of 0
/// ends a frame. True if there was one.
pub fn run(input: &[u8]) -> bool {
    let Some((codec, mut rest)) = input.split_first() else { return false };
    let Some(codec) = CODECS.get(usize::from(*codec)) else { return false };
    let (mut unpacker, mut frames) = (Unpacker::new(*codec), 0);
    while let Some((&length, after)) = rest.split_first() {
        if length == 0 {
            frames += usize::from(taken(&mut unpacker));
            rest = after;
        } else {
            let (payload, after) = after.split_at(after.len().min(usize::from(length)));
            // A malformed payload costs its frame, as with the assembler.
            if unpacker.add(payload).is_err() {
                unpacker.clear();
            }
            rest = after;
        }
    }
    taken(&mut unpacker) || frames > 0
}

fn taken(unpacker: &mut Unpacker) -> bool {
    let Ok(frame) = unpacker.take() else { return false };
    assert!(!frame.is_empty() && frame.len() <= MAX_FRAME);
    true
}

fn seeds() -> Vec<Vec<u8>> {
    let input = |codec: u8, payloads: &[&[u8]]| {
        let mut input = vec![codec];
        for payload in payloads {
            input.push(payload.len() as u8);
            input.extend_from_slice(payload);
        }
        input
    };
    vec![
        input(0, &[&[0x90, 0xf0, 0x80, 5, 7, 0x20, 9, 9], &[0x80, 0x80, 5, 1], &[], &[0x10, 9]]),
        input(1, &[&[0x8a, 1, 0x18, 1, 2, 3, 4, 2, 0x04, 7, 0x00, 9], &[], &[0xf8, 1, 0, 0x03, 0x02, 9]]),
        input(
            2,
            &[&[0x18, 0, 2, 0x67, 1, 0, 1, 0x68], &[0x7c, 0x85, 1, 2], &[0x7c, 0x45, 4], &[], &[0x65, 1]],
        ),
        input(3, &[&[0x60, 1, 0, 3, 0x40, 1, 7, 0, 3, 0x42, 1, 8], &[0x62, 1, 0x93, 7], &[0x62, 1, 0x53, 8]]),
        input(
            4,
            &[&[0x68, 2, 0x08, 0xaa, 0x30, 1, 2], &[0x90, 3, 4], &[], &[0x00, 3, 0x32, 1, 5, 2, 0x30, 6]],
        ),
        input(5, &[&[1, 2, 3]]),
    ]
}
