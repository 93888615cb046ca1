//! Data channels (RFC 8831, 8832), carried between the transports of a group: what is said on a channel is heard on the
//! channels of the same label that the others have opened. Nobody is made to open one.
//!
//! Whether a listener's channel keeps order and repeats what was lost is what the listener itself has asked for when it
//! opened it. All bounds are here; what goes beyond them is dropped and counted, and nobody waits for anybody.

mod groups;
mod open;

use std::sync::Arc;

use str0m::RtcConfig;

pub use groups::Groups;
pub use open::Channels;

/// Channels that one transport may have; one more is closed.
pub const MAX_CHANNELS: usize = 16;
/// Bytes of a label; a channel with a longer one, or with none, is closed.
pub const MAX_LABEL: usize = 128;
/// Bytes of a message; answers say so.
pub const MAX_MESSAGE: u32 = 16 << 10;
/// Bytes that may wait for one listener; what does not fit is dropped for it.
const MAX_WAITING: usize = 64 << 10;
/// Messages and bytes that one transport may say per second over a longer time, and at once.
const MESSAGES_PER_S: f64 = 100.0;
const MESSAGE_BURST: f64 = 200.0;
const BYTES_PER_S: f64 = 128.0 * 1024.0;
const BYTE_BURST: f64 = 256.0 * 1024.0;
/// What one transport may make us deliver: its messages times those who listen.
const DELIVERIES_PER_S: f64 = 10_000.0;
const DELIVERY_BURST: f64 = 20_000.0;

/// What was said on a channel, to be heard on those of the same label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saying {
    pub label: Arc<str>,
    pub binary: bool,
    pub data: Arc<[u8]>,
}

/// Set the limits that str0m keeps.
pub fn configure(config: RtcConfig) -> RtcConfig {
    config.set_sctp_max_message_size(MAX_MESSAGE).set_sctp_max_buffered_amount(MAX_WAITING)
}
