//! Ids: 64 bits, the thread that owns the object in the top byte, never used twice.

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
    PublicationId
);
id!(
    /// One publication sent on one section of a transport; it lives on that transport's thread.
    SubscriptionId
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
