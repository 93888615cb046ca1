//! The packet core of Palaver: ICE-lite, DTLS, SRTP and the forwarding of RTP. It knows no Python, no rooms and no roles.
//!
//! | module | what it is |
//! |---|---|
//! | [`core`] | the handle: binds, starts and joins the threads, takes commands |
//! | [`worker`] | one thread: the only place that reads and writes sockets and asks what time it is |
//! | [`router`] | everything one thread owns, without I/O: inputs are datagrams, messages and time |
//! | [`transport`], [`fault`] | one peer: a session and what it carries; why it ends |
//! | [`ports`] | sockets of transports that have ports of their own |
//! | [`packet`] | a packet that has arrived |
//! | [`producer`], [`consumer`] | one section that is forwarded, and one that is sent |
//! | [`forward`] | rewrites one track for one subscriber |
//! | [`count`] | counts a source's numbers anew where some are left out |
//! | [`egress`] | writes, seals, repeats and reports on what is sent to one peer |
//! | [`frames`], [`pipes`] | encoded frames to and from pipelines, and the sockets they use |
//! | [`layers`] | what there is to choose from in a producer, and what a subscriber wants of it |
//! | [`keyframe`] | finds key frames and picture sizes in RTP payloads |
//! | [`redundancy`] | audio packets that carry earlier ones as well |
//! | [`rtcp`], [`rtp_header`] | reads and writes RTCP; reads RTP headers |
//! | [`srtp`] | seals what is sent and opens RTCP, with keys from DTLS |
//! | [`sdp`] | looks through an offer before str0m may change anything because of it |
//! | [`codec`] | the formats that are negotiated, and when two of them are the same |
//! | [`bwe`] | how much the way to a subscriber can carry |
//! | [`allocation`] | which layer each video of a transport gets of that |
//! | [`rate`] | how that steers the videos of a transport, over time |
//! | [`channel`] | data channels between the transports of a group |
//! | [`pacer`] | spreads bursts of video towards a narrow path |
//! | [`demux`] | whose datagram this is |
//! | [`check`] | whether a peer is where it says that it is |
//! | [`paths`] | the ways to one peer: known, and in use |
//! | [`tcp`] | media over TCP: frames, and the connections of a thread |
//! | [`throttle`] | when a publisher is asked for a key frame |
//! | [`clock`], [`window`] | the wall clock; which sequence numbers were seen |
//! | [`timer`] | who wants to be woken, and when |
//! | [`outlet`], [`path`] | where a router's output goes, and which way |
//! | [`mailbox`], [`message`], [`event`] | what is said to a thread, and what is said to the owner of the core |
//! | [`stats`] | counters |
//! | [`io`] | system calls, and hints to the processor; the only unsafe code |
//!
//! A packet's way: `worker` receives a burst → `router` routes it (which transport, which producer) → `forward` rewrites
//! it per subscriber → `transport` seals it → `worker` sends a burst. See [`router::fanout`] for the seam between the two halves.

pub mod allocation;
pub mod bwe;
pub mod channel;
pub mod check;
pub mod clock;
pub mod codec;
pub mod consumer;
pub mod core;
pub mod count;
pub mod demux;
pub mod egress;
pub mod event;
pub mod extensions;
pub mod fault;
pub mod forward;
pub mod frames;
pub mod gaps;
pub mod id;
pub mod io;
pub mod keyframe;
pub mod layers;
pub mod mailbox;
pub mod message;
pub mod outlet;
pub mod pacer;
pub mod packet;
pub mod path;
pub mod paths;
pub mod pipes;
pub mod ports;
pub mod producer;
pub mod rate;
pub mod redundancy;
pub mod router;
pub mod rtcp;
pub mod rtp_header;
pub mod sdp;
pub mod srtp;
pub mod stats;
pub mod tcp;
pub mod throttle;
pub mod timer;
pub mod transport;
pub mod window;
pub mod worker;

pub use crate::core::{BindError, Busy, Core, Options};
pub use crate::event::Event;
pub use crate::id::{ConsumerId, GroupId, PipelineId, ProducerId, TransportId};
