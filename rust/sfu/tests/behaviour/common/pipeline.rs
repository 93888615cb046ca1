//! The other end of a pipeline's socket, in memory: it reads what the core would write, and writes.

use palaver_sfu::codec;
use palaver_sfu::frames::wire::{Header, Kind, Parser};
use palaver_sfu::id::{ConsumerId, PipelineId, ProducerId};
use palaver_sfu::message::Command;
use str0m::format::Codec;

use super::World;

/// One message.
pub type Said = (Header, Vec<u8>);

/// The header of a frame of an output.
pub fn frame(track: u32, codec: Codec, key_frame: bool, pts: i64) -> Header {
    let clock_rate = if codec.is_video() { 90_000 } else { 48_000 };
    Header { codec: Some(codec), key_frame, clock_rate, pts, ..Header::plain(Kind::Frame, track) }
}

impl World {
    pub fn pipeline(&mut self, thread: usize) -> PipelineId {
        let pipeline = PipelineId(self.ids.next(thread));
        self.command(thread, Command::OpenPipeline { pipeline, stream: None });
        pipeline
    }

    pub fn tap(&mut self, producer: ProducerId, pipeline: PipelineId, track: u32) -> ConsumerId {
        let consumer = ConsumerId(self.ids.next(pipeline.thread()));
        self.command(pipeline.thread(), Command::Tap { consumer, producer, pipeline, track });
        consumer
    }

    /// A producer made of the frames that `pipeline` writes for `track`.
    pub fn output(&mut self, name: &str, pipeline: PipelineId, track: u32) -> ProducerId {
        let thread = pipeline.thread();
        let producer = ProducerId(self.ids.next(thread));
        let format = codec::produced(name, true).unwrap();
        self.command(thread, Command::CreateOutput { producer, format });
        self.command(thread, Command::ConnectOutput { producer, pipeline, track });
        producer
    }

    /// Read all that waits for a pipeline.
    pub fn read_all(&mut self, pipeline: PipelineId) -> Vec<Said> {
        let router = &mut self.routers[pipeline.thread()];
        let (mut parser, mut said) = (Parser::default(), Vec::new());
        while let Some(bytes) = router.pending(pipeline) {
            parser.feed(bytes);
            let count = bytes.len();
            router.written(pipeline, count);
            while let Some((header, payload)) = parser.next_message().unwrap() {
                said.push((header, payload.to_vec()));
            }
        }
        said
    }

    /// The frames of that, and nothing else that is said.
    pub fn read_frames(&mut self, pipeline: PipelineId) -> Vec<Said> {
        let mut said = self.read_all(pipeline);
        said.retain(|(header, _)| header.kind == Kind::Frame);
        said
    }

    /// The tracks of which it is asked for a key frame.
    pub fn wanted(&mut self, pipeline: PipelineId) -> Vec<u32> {
        let said = self.read_all(pipeline);
        said.iter().filter(|(h, _)| h.kind == Kind::KeyFrameWanted).map(|(h, _)| h.track).collect()
    }

    pub fn write(&mut self, pipeline: PipelineId, header: &Header, payload: &[u8]) {
        self.write_bytes(pipeline, &[&header.encode(payload.len())[..], payload].concat());
    }

    pub fn write_bytes(&mut self, pipeline: PipelineId, bytes: &[u8]) {
        self.routers[pipeline.thread()].read_pipeline(pipeline, bytes, self.now, &mut self.tray);
        self.relay();
    }
}
