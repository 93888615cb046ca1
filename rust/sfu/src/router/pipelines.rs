//! Pipelines: frames of producers go to them, and packets are made of theirs.

use std::time::Instant;

use str0m::format::CodecSpec;
use str0m::media::Mid;

use super::Router;
use super::command::Reason;
use crate::consumer::{Consumer, Told};
use crate::event::Event;
use crate::forward::Forward;
use crate::frames::link::PipelineLink;
use crate::frames::tap::Tap;
use crate::frames::wire::{self, Broken, Kind};
use crate::id::{ConsumerId, PipelineId, ProducerId, TransportId};
use crate::layers::{Allowance, Wish};
use crate::outlet::Outlet;
use crate::producer::{Origin, Producer};
use crate::throttle::Share;

impl Router {
    pub(super) fn open_pipeline(&mut self, id: PipelineId) {
        self.pipelines.insert(id, PipelineLink::default());
    }

    /// The pipeline is of no more use: its taps end, its outputs wait for another one.
    pub(super) fn close_pipeline(&mut self, id: PipelineId, out: &mut dyn Outlet) {
        let Some(link) = self.pipelines.remove(&id) else { return };
        for consumer in link.taps.into_values() {
            self.unsubscribe(consumer, out);
        }
        for producer in link.outputs.into_values() {
            if let Some(Origin::Output(output)) = self.producers.get_mut(&producer).map(|p| &mut p.origin) {
                output.target = None;
            }
        }
        out.close_pipe(id);
    }

    /// The pipeline's socket has ended.
    pub fn lose_pipeline(&mut self, id: PipelineId, reason: &str, out: &mut dyn Outlet) {
        if self.pipelines.contains_key(&id) {
            self.close_pipeline(id, out);
            out.event(Event::PipelineLost { pipeline: id, reason: reason.to_owned() });
        }
    }

    pub(super) fn create_output(&mut self, id: ProducerId, format: CodecSpec) {
        self.producers.insert(id, Producer::output(format, id.0));
    }

    /// Take the frames of an output from this pipeline from now on; they do not continue what it had before.
    pub(super) fn connect_output(
        &mut self,
        id: ProducerId,
        pipeline: PipelineId,
        track: u32,
        now: Instant,
        out: &mut dyn Outlet,
    ) {
        let Some(link) = self.pipelines.get_mut(&pipeline) else { return };
        let Some(producer) = self.producers.get_mut(&id) else { return };
        let wanted = !producer.subscribers.is_empty() || !producer.mirrors.is_empty();
        let Origin::Output(output) = &mut producer.origin else { return };
        let former = output.target.replace((pipeline, track));
        link.outputs.insert(track, id);
        if former != Some((pipeline, track)) {
            self.disconnect_output(former);
        }
        self.interrupt(id, None);
        if wanted {
            self.want_keyframe(id, 0, now, out);
        }
    }

    pub(super) fn disconnect_output(&mut self, target: Option<(PipelineId, u32)>) {
        if let Some((pipeline, track)) = target
            && let Some(link) = self.pipelines.get_mut(&pipeline)
        {
            link.outputs.remove(&track);
        }
    }

    pub(super) fn tap(
        &mut self,
        id: ConsumerId,
        source: ProducerId,
        (pipeline, track): (PipelineId, u32),
        now: Instant,
        out: &mut dyn Outlet,
    ) -> Result<(), Reason> {
        let link = self.pipelines.get_mut(&pipeline).ok_or("unknown pipeline")?;
        if link.taps.contains_key(&track) {
            return Err("track has a tap already");
        }
        if source.thread() == self.thread && !self.producers.contains_key(&source) {
            return Err("unknown producer");
        }
        link.taps.insert(track, id);
        let consumer = Consumer {
            producer: source,
            transport: TransportId(0),
            mid: Mid::from("tap"),
            route: None,
            send_stream: None,
            active: true,
            open: true,
            wish: Wish::default(),
            allowance: Allowance::default(),
            told: Told::Nothing,
            forward: Forward::new(id.0 as u32),
            caught_up: None,
            share: Share::default(),
            tap: Some(Box::new(Tap::new(pipeline, track))),
        };
        self.join(id, consumer, now, out);
        Ok(())
    }

    /// A tap has ended: its pipeline hears of it.
    pub(super) fn untap(&mut self, tap: &Tap) {
        if let Some(link) = self.pipelines.get_mut(&tap.pipeline)
            && link.taps.remove(&tap.track).is_some()
        {
            link.outbox.forget(tap.track);
            link.say(Kind::End, tap.track);
        }
    }

    pub(super) fn ask_pipeline(&mut self, target: Option<(PipelineId, u32)>, out: &mut dyn Outlet) {
        if let Some((pipeline, track)) = target
            && let Some(link) = self.pipelines.get_mut(&pipeline)
        {
            link.say(Kind::KeyFrameWanted, track);
            self.stats.keyframe_requests.add(1);
            out.pipe_ready(pipeline);
        }
    }

    /// Nobody may be left who receives this producer: a pipeline that writes it hears of it.
    pub(super) fn rest_output(&mut self, id: ProducerId, out: &mut dyn Outlet) {
        let Some(producer) = self.producers.get_mut(&id) else { return };
        if !producer.subscribers.is_empty() || !producer.mirrors.is_empty() {
            return;
        }
        let Origin::Output(output) = &producer.origin else { return };
        producer.keyframes[0].retract();
        if let Some((pipeline, track)) = output.target
            && let Some(link) = self.pipelines.get_mut(&pipeline)
        {
            link.say(Kind::Unwanted, track);
            out.pipe_ready(pipeline);
        }
    }

    /// Take in what a pipeline has written.
    pub fn read_pipeline(&mut self, id: PipelineId, data: &[u8], now: Instant, out: &mut dyn Outlet) {
        let Some(mut link) = self.pipelines.remove(&id) else { return };
        link.parser.feed(data);
        let mut result = Ok(());
        let mut wanted = Vec::new();
        loop {
            match link.parser.next_message() {
                Ok(None) => break,
                Ok(Some((header, payload))) => match header.kind {
                    Kind::Frame => match wire::addressed(&header, payload) {
                        Ok((tracks, frame)) => {
                            let outputs = &link.outputs;
                            for id in tracks.iter().filter_map(|track| outputs.get(track)) {
                                self.take_frame(*id, &header, frame, now, out);
                            }
                        }
                        Err(broken) => {
                            result = Err(broken);
                            break;
                        }
                    },
                    Kind::KeyFrameWanted => wanted.extend(link.taps.get(&header.track)),
                    Kind::End | Kind::Unwanted => {}
                },
                Err(Broken) => {
                    result = Err(Broken);
                    break;
                }
            }
        }
        self.pipelines.insert(id, link);
        for consumer in wanted {
            self.want_picture(consumer, now, out);
        }
        if result.is_err() {
            self.lose_pipeline(id, "it wrote what is no message", out);
        }
        self.forward(now, out);
    }

    fn take_frame(
        &mut self,
        id: ProducerId,
        header: &wire::Header,
        frame: &[u8],
        now: Instant,
        out: &mut dyn Outlet,
    ) {
        let Some(producer) = self.producers.get_mut(&id).filter(|producer| producer.active) else { return };
        let Origin::Output(output) = &mut producer.origin else { return };
        let made = output.make(header, frame, &self.setup.clock, self.setup.clock.at(now));
        if made.key {
            producer.keyframes[0].arrived();
        }
        if producer.burst.is_empty() && !made.packets.is_empty() {
            self.touched.push(id);
        }
        producer.burst.extend(made.packets);
        self.stats.output_frames.add(1);
        if let Some((width, height)) = made.size {
            out.event(Event::Resolution { producer: id, rid: None, width, height });
        }
    }

    /// What to write to a pipeline next; [`Self::written`] says how much of it was taken.
    pub fn pending(&mut self, id: PipelineId) -> Option<&[u8]> {
        self.pipelines.get_mut(&id)?.outbox.front()
    }

    pub fn written(&mut self, id: PipelineId, count: usize) {
        if let Some(link) = self.pipelines.get_mut(&id) {
            link.outbox.written(count);
        }
    }
}
