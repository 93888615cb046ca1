//! Encoded frames to and from pipelines: RTP payloads become whole frames and the other way round.
//!
//! | module | what it is |
//! |---|---|
//! | [`wire`] | the messages on the socket between the core and a pipeline |
//! | [`assembler`] | packets of one track, in any order → frames in order |
//! | [`unpack`], [`pack`] | one codec's payloads → the bytes of a frame, and back |
//! | [`tap`], [`output`] | a consumer that goes to a pipeline; a producer that comes from one |
//! | [`link`], [`outbox`] | the core's end of one pipeline; what waits for one that reads slowly |
//!
//! The form of the messages is in `docs/protocol/frames.md`.

pub mod annexb;
pub mod assembler;
pub mod leb128;
pub mod link;
pub mod outbox;
pub mod output;
pub mod pack;
pub mod tap;
pub mod unpack;
pub mod wire;
