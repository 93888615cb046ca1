//! The lengths within AV1: what is read fits, and is written as short as it can be.

use palaver_sfu::frames::leb128;

use crate::Target;

pub const TARGET: Target = Target { name: "leb128", run, seeds, inputs: 100_000 };

pub fn run(data: &[u8]) -> bool {
    let Some((value, used)) = leb128::read(data) else { return false };
    assert!(used <= data.len().min(8) && u32::try_from(value).is_ok());
    let mut shortest = Vec::new();
    leb128::write(value, &mut shortest);
    assert!(shortest.len() <= used);
    assert_eq!(leb128::read(&shortest), Some((value, shortest.len())));
    true
}

fn seeds() -> Vec<Vec<u8>> {
    vec![vec![0], vec![0x7f], vec![0xac, 2], vec![0xff, 0xff, 0xff, 0xff, 0x0f], vec![0x80, 0x80, 0x80, 0]]
}
