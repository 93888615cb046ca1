//! What the owner of a consumer asks for: a layer by name, or limits.

use str0m::media::Rid;

/// Zero means no limit, and no name whatever is best below the limits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wish {
    pub rid: Option<Rid>,
    pub max_width: u32,
    pub max_height: u32,
    pub max_framerate: f64,
}
