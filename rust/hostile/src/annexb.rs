//! Encoders run in pipelines: the units found in any stream are parts of it, in order, and come back from their packets.

use palaver_sfu::frames::annexb::{self, START_CODE};
use palaver_sfu::frames::pack::Packer;
use palaver_sfu::frames::unpack::Unpacker;
use str0m::format::Codec;

use crate::Target;

pub const TARGET: Target = Target { name: "annexb", run, seeds, inputs: 30_000 };

pub fn run(stream: &[u8]) -> bool {
    let units: Vec<&[u8]> = annexb::units(stream).collect();
    let mut rest = stream;
    for unit in &units {
        assert!(!unit.is_empty() && unit.last() != Some(&0));
        let at = rest.windows(unit.len()).position(|window| window == *unit).expect("a part of the stream");
        rest = &rest[at + unit.len()..];
    }
    let again: Vec<u8> = units.iter().flat_map(|unit| [&START_CODE[..], unit].concat()).collect();
    assert!(annexb::units(&again).eq(units.iter().copied()));
    for codec in [Codec::H264, Codec::H265] {
        travel(codec, stream, &again);
    }
    !units.is_empty()
}

/// Units of kinds that RTP has for itself are not what an encoder makes; others come back as they were.
fn travel(codec: Codec, stream: &[u8], expected: &[u8]) {
    let mut unpacker = Unpacker::new(codec);
    let payloads = Packer::new(codec).pack(stream, true);
    let whole = payloads.iter().all(|payload| {
        assert!(payload.len() < 1200);
        unpacker.add(payload).is_ok()
    });
    let plain = annexb::units(stream).all(|unit| match codec {
        Codec::H264 => matches!(unit[0] & 0x1f, 1..=23),
        _ => unit.len() > 1 && unit[0] >> 1 & 0x3f < 48,
    });
    if plain && !payloads.is_empty() {
        assert!(whole);
        assert_eq!(unpacker.take().unwrap(), expected);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut long = vec![0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65];
    long.extend([7; 3000]);
    let h265 = vec![0, 0, 0, 1, 0x40, 1, 9, 0, 0, 1, 0x42, 1, 8, 0, 0, 0, 1, 0x26, 1, 0, 0, 3, 0, 5, 0, 0, 0];
    vec![long, h265, vec![0, 0, 1, 9, 8, 0, 0, 0, 0, 1, 5]]
}
