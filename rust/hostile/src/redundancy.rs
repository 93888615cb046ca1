//! Redundant audio comes from publishers: its blocks are found, and renamed for each subscriber, without harm.

use palaver_sfu::redundancy::{newest_at, rename};

use crate::Target;

pub const TARGET: Target = Target { name: "redundancy", run, seeds, inputs: 100_000 };

pub fn run(payload: &[u8]) -> bool {
    let mut renamed = payload.to_vec();
    rename(&mut renamed, 1);
    assert_eq!(renamed.len(), payload.len());
    let found = newest_at(payload, 111);
    if let Some(at) = found {
        assert!(at < payload.len());
        assert_eq!(newest_at(&renamed, 1), found);
        assert_eq!(renamed[at..], payload[at..], "only headers are touched");
    }
    found.is_some()
}

fn seeds() -> Vec<Vec<u8>> {
    vec![vec![0xef, 0, 0, 2, 0xef, 0, 0, 1, 0x6f, 1, 1, 2, 3, 3, 3], vec![0x6f, 1, 2]]
}
