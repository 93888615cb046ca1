//! What is said to a thread: commands of the core's owner, and relays of the other threads.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use str0m::format::CodecSpec;

use crate::channel::Saying;
use crate::forward::MediaPacket;
use crate::id::{GroupId, PipelineId, PublicationId, SubscriptionId, TransportId};
use crate::layers::{Ladder, Layers, Wish};

#[derive(Debug)]
pub enum Message {
    Command(Command),
    Relay(Relay),
}

/// Said by the owner, carried out in order.
#[derive(Debug)]
pub enum Command {
    /// `first`: this offer creates the transport, in that group.
    Negotiate {
        transport: TransportId,
        request: u64,
        offer: String,
        first: Option<GroupId>,
    },
    AddCandidate {
        transport: TransportId,
        candidate: String,
    },
    Publish {
        publication: PublicationId,
        transport: TransportId,
        mid: String,
    },
    Unpublish {
        publication: PublicationId,
    },
    Subscribe {
        subscription: SubscriptionId,
        publication: PublicationId,
        transport: TransportId,
        mid: String,
    },
    Unsubscribe {
        subscription: SubscriptionId,
    },
    SetPublicationActive {
        publication: PublicationId,
        active: bool,
    },
    SetLayer {
        subscription: SubscriptionId,
        wish: Wish,
    },
    SetSubscriptionActive {
        subscription: SubscriptionId,
        active: bool,
    },
    CloseTransport {
        transport: TransportId,
    },
    /// `stream` is the worker's to take.
    OpenPipeline {
        pipeline: PipelineId,
        stream: Option<UnixStream>,
    },
    ClosePipeline {
        pipeline: PipelineId,
    },
    /// A publication whose packets are made of a pipeline's frames.
    CreateOutput {
        publication: PublicationId,
        format: CodecSpec,
    },
    ConnectOutput {
        publication: PublicationId,
        pipeline: PipelineId,
        track: u32,
    },
    /// Give a publication's frames to a pipeline.
    Tap {
        subscription: SubscriptionId,
        publication: PublicationId,
        pipeline: PipelineId,
        track: u32,
    },
}

impl Command {
    /// Whether the command only gives something back. Such commands have room in a full queue.
    pub fn releases(&self) -> bool {
        matches!(
            self,
            Self::Unpublish { .. }
                | Self::Unsubscribe { .. }
                | Self::CloseTransport { .. }
                | Self::ClosePipeline { .. }
        )
    }
}

/// Said between the thread that owns a publication (its home) and those that have subscribers to it (mirrors).
#[derive(Debug)]
pub enum Relay {
    /// To the home: send its packets to `thread`.
    Attach { publication: PublicationId, thread: usize },
    /// To the home: `thread` has no subscriber left.
    Detach { publication: PublicationId, thread: usize },
    /// To a mirror: the publication exists.
    Attached { publication: PublicationId, format: CodecSpec, cname: u64 },
    /// To a mirror: whether the publication is active, and what can be chosen from.
    Layers { publication: PublicationId, active: bool, ladder: Ladder },
    /// To the home: `thread` needs packets of these layers only.
    LayersNeeded { publication: PublicationId, thread: usize, layers: Layers },
    /// To a mirror: the publication is gone, or never was.
    Ended { publication: PublicationId },
    /// To a mirror: packets, in the order of arrival. `gap`: some before these were not sent.
    Packets { publication: PublicationId, gap: bool, packets: Arc<[MediaPacket]> },
    /// To a thread with open channels of `group`.
    Said { group: GroupId, saying: Saying },
    /// To the home: a subscriber cannot go on without a key frame of this layer.
    KeyframeWanted { publication: PublicationId, layer: u8 },
}
