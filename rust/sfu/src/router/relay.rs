//! Between threads: a producer at home, and its mirrors where its subscribers are.

use std::time::Instant;

use super::Router;
use crate::event::Event;
use crate::forward::MediaPacket;
use crate::id::ProducerId;
use crate::layers::Layers;
use crate::message::Relay;
use crate::outlet::Outlet;
use crate::producer::{Mirror, Origin};

impl Router {
    pub(super) fn relay(&mut self, now: Instant, relay: Relay, out: &mut dyn Outlet) {
        match relay {
            Relay::Attach { producer, thread } => self.attach(producer, thread, out),
            Relay::Detach { producer, thread } => {
                if let Some(home) = self.producers.get_mut(&producer) {
                    home.mirrors.retain(|mirror| mirror.thread != thread);
                }
                self.rest_output(producer, out);
            }
            Relay::Attached { producer, format, cname } => {
                let Some(mirror) = self.producers.get_mut(&producer) else { return };
                (mirror.format, mirror.cname) = (Some(format), cname);
                for consumer in mirror.subscribers.clone() {
                    self.connect_consumer(consumer, now, out);
                }
            }
            Relay::Ended { producer } => self.end_mirror(producer, out),
            Relay::Packets { producer, gap, packets } => {
                if gap {
                    self.interrupt(producer, None);
                }
                self.note_starts(producer, &packets);
                self.fan_out(producer, &packets, now, out);
            }
            Relay::Said { group, saying } => self.repeat(group, None, &saying, now, out),
            Relay::KeyframeWanted { producer, layer } => self.want_keyframe(producer, layer, now, out),
            Relay::Layers { producer: id, active, ladder } => {
                let Some(producer) = self.producers.get_mut(&id) else { return };
                (producer.active, producer.ladder) = (active, ladder);
                self.aim_all(id, now, out);
                self.steer_subscribers(id, now, out);
            }
            Relay::LayersNeeded { producer, thread, layers } => {
                let Some(producer) = self.producers.get_mut(&producer) else { return };
                if let Some(mirror) = producer.mirrors.iter_mut().find(|mirror| mirror.thread == thread) {
                    mirror.needed = layers;
                }
            }
        }
    }

    /// A key frame that has come need not be asked for any more.
    fn note_starts(&mut self, id: ProducerId, packets: &[MediaPacket]) {
        let Some(mirror) = self.producers.get_mut(&id) else { return };
        for packet in packets.iter().filter(|packet| packet.starts) {
            if let Some(throttle) = mirror.keyframes.get_mut(usize::from(packet.layer)) {
                throttle.arrived();
            }
        }
    }

    fn attach(&mut self, id: ProducerId, thread: usize, out: &mut dyn Outlet) {
        let known = self.producers.get_mut(&id).and_then(|producer| Some((producer.format?, producer)));
        let Some((format, producer)) = known else {
            out.relay(thread, Relay::Ended { producer: id });
            return;
        };
        if producer.mirrors.iter().all(|mirror| mirror.thread != thread) {
            producer.mirrors.push(Mirror { thread, gap: false, needed: Layers::MAX });
        }
        let (active, ladder) = (producer.active, producer.ladder.clone());
        let cname = producer.cname;
        out.relay(thread, Relay::Layers { producer: id, active, ladder });
        out.relay(thread, Relay::Attached { producer: id, format, cname });
    }

    /// The home says that a producer is gone. A consumer that never knew its format is refused.
    fn end_mirror(&mut self, id: ProducerId, out: &mut dyn Outlet) {
        let Some(producer) = self.producers.get(&id) else { return };
        if !matches!(producer.origin, Origin::Mirror { .. }) {
            return;
        }
        if producer.format.is_none() {
            for consumer in &producer.subscribers {
                let reason = "unknown producer".to_owned();
                out.event(Event::Refused { request: 0, subject: consumer.0, reason });
            }
        }
        self.end_producer(id, out);
    }
}
