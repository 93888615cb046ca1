//! What is said to a thread: commands of the core's owner, and relays of the other threads.

use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use str0m::format::CodecSpec;

use crate::channel::Saying;
use crate::forward::MediaPacket;
use crate::id::{ConsumerId, GroupId, PipelineId, ProducerId, TransportId};
use crate::layers::{Ladder, Layers, Wish};
use crate::transport::rtp::{Local, Section};

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
        producer: ProducerId,
        transport: TransportId,
        mid: String,
    },
    Unpublish {
        producer: ProducerId,
    },
    Subscribe {
        consumer: ConsumerId,
        producer: ProducerId,
        transport: TransportId,
        mid: String,
    },
    Unsubscribe {
        consumer: ConsumerId,
    },
    SetProducerActive {
        producer: ProducerId,
        active: bool,
    },
    SetLayer {
        consumer: ConsumerId,
        wish: Wish,
    },
    SetConsumerActive {
        consumer: ConsumerId,
        active: bool,
    },
    CloseTransport {
        transport: TransportId,
    },
    /// A transport of plain RTP; `sockets`, for media and control, are the worker's to take. It is played together with
    /// what `beside` publishes.
    OpenRtp {
        transport: TransportId,
        local: Local,
        beside: Option<TransportId>,
        /// Ours.
        ssrc: u32,
        sockets: Option<[UdpSocket; 2]>,
    },
    /// What was agreed on for it.
    SetRtp {
        transport: TransportId,
        section: Box<Section>,
    },
    /// Press keys.
    SendDigits {
        transport: TransportId,
        digits: String,
    },
    /// A consumer's peer has asked for a key frame in its signalling.
    Refresh {
        consumer: ConsumerId,
    },
    /// `stream` is the worker's to take.
    OpenPipeline {
        pipeline: PipelineId,
        stream: Option<UnixStream>,
    },
    ClosePipeline {
        pipeline: PipelineId,
    },
    /// A producer whose packets are made of a pipeline's frames.
    CreateOutput {
        producer: ProducerId,
        format: CodecSpec,
    },
    ConnectOutput {
        producer: ProducerId,
        pipeline: PipelineId,
        track: u32,
    },
    /// Give a producer's frames to a pipeline.
    Tap {
        consumer: ConsumerId,
        producer: ProducerId,
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

/// Said between the thread that owns a producer (its home) and those that have subscribers to it (mirrors).
#[derive(Debug)]
pub enum Relay {
    /// To the home: send its packets to `thread`.
    Attach { producer: ProducerId, thread: usize },
    /// To the home: `thread` has no subscriber left.
    Detach { producer: ProducerId, thread: usize },
    /// To a mirror: the producer exists.
    Attached { producer: ProducerId, format: CodecSpec, cname: u64 },
    /// To a mirror: whether the producer is active, and what can be chosen from.
    Layers { producer: ProducerId, active: bool, ladder: Ladder },
    /// To the home: `thread` needs packets of these layers only.
    LayersNeeded { producer: ProducerId, thread: usize, layers: Layers },
    /// To a mirror: the producer is gone, or never was.
    Ended { producer: ProducerId },
    /// To a mirror: packets, in the order of arrival. `gap`: some before these were not sent.
    Packets { producer: ProducerId, gap: bool, packets: Arc<[MediaPacket]> },
    /// To a thread with open channels of `group`.
    Said { group: GroupId, saying: Saying },
    /// To the home: a subscriber cannot go on without a key frame of this layer.
    KeyframeWanted { producer: ProducerId, layer: u8 },
}
