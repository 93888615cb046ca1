//! The layers of a producer: what there is to choose from, and what a subscriber wants of it.
//!
//! A **layer** is one stream of a producer; simulcast has several, named by rid. Within a layer there may be spatial
//! and temporal layers, of which a subscriber gets a **decode target**. The pairs of both are the rungs of a **ladder**.

pub mod dependency;
pub mod labels;
mod ladder;
mod layer;
mod meter;
pub mod place;
pub mod reader;
pub mod vp8;
pub mod vp9;
mod wish;

pub use str0m::media::Rid;

pub use ladder::{Allowance, Choice, Ladder, Layers, MAX_LAYERS, Rung};
pub use layer::Layer;
pub use meter::Meter;
pub use wish::Wish;

/// The longest name of a layer (RFC 8851 has no limit; no browser or library is known that uses more).
pub const MAX_RID: usize = 8;
