//! The layers of a publication: what there is to choose from, and what a subscriber wants of it.

mod wish;

pub use str0m::media::Rid;
pub use wish::Wish;

/// The longest name of a layer (RFC 8851 has no limit; no browser or library is known that uses more).
pub const MAX_RID: usize = 8;
