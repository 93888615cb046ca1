//! SIP signalling: accounts at registrars, and calls from their first request to their last.
//!
//! The crate knows nothing of media: session descriptions go through it as text. Commands never wait; what comes of them
//! is told as an [`Event`], each once and in order. Types of the SIP library stay inside.

mod account;
mod call;
mod event;
mod incoming;
mod outgoing;
mod sources;
mod stack;
mod timer;
mod uri;

pub use account::Registering;
pub use event::Event;
pub use outgoing::Inviting;
pub use sources::Limits;
pub use stack::{Options, Refusal, Stack, Stats, Tls};
