//! Ids: 64 bits, the thread that owns the object in the top byte, never used twice.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const THREAD_SHIFT: u32 = 56;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl $name {
            /// Index of the thread that owns the object. An id from outside may name a thread that does not exist.
            pub const fn thread(self) -> usize {
                (self.0 >> THREAD_SHIFT) as usize
            }
        }
    };
}

id!(
    /// One peer connection.
    TransportId
);
id!(
    /// One section of a transport whose packets are forwarded; it lives on its transport's thread.
    ProducerId
);
id!(
    /// One producer sent on one section of a transport; it lives on that transport's thread.
    ConsumerId
);

id!(
    /// One pipeline: a process that takes frames, makes frames, or both; it lives on the thread that was asked for.
    PipelineId
);

/// Transports that hear each other's data channels; named by the owner. Those of group 0 hear nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(pub u64);

impl GroupId {
    pub const NONE: Self = Self(0);
}

/// A map of objects by their ids.
pub type ById<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Spreads ids over a table at the cost of one multiplication. They are minted here, so nobody can choose them to collide.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write_u64(&mut self, id: u64) {
        // 2^64 divided by the golden ratio: neighbours land far apart. The table looks at both ends of a hash.
        self.0 = id.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte)); // no id comes this way
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Mints ids.
#[derive(Debug)]
pub struct IdSource(AtomicU64);

impl Default for IdSource {
    fn default() -> Self {
        Self(AtomicU64::new(1)) // 0 means "none" to callers
    }
}

impl IdSource {
    pub fn next(&self, thread: usize) -> u64 {
        ((thread as u64) << THREAD_SHIFT) | self.0.fetch_add(1, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    #[test]
    fn neighbours_differ_at_both_ends_of_their_hashes() {
        let builder = BuildHasherDefault::<IdHasher>::default();
        let hashes = (0..1024).map(|n| builder.hash_one(TransportId(3 << THREAD_SHIFT | n)));
        let (low, high): (HashSet<u64>, HashSet<u64>) = hashes.map(|hash| (hash & 0x3ff, hash >> 57)).unzip();
        assert!(low.len() > 600, "{} of 1024 buckets", low.len());
        assert_eq!(high.len(), 128);
    }
}
