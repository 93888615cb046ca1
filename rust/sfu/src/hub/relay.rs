//! Between threads: a publication at home, and its mirrors where its subscribers are.

use std::time::Instant;

use super::Hub;
use crate::event::Event;
use crate::forward::MediaPacket;
use crate::id::PublicationId;
use crate::layers::Layers;
use crate::message::Relay;
use crate::outlet::Outlet;
use crate::publication::{Mirror, Origin};

impl Hub {
    pub(super) fn relay(&mut self, now: Instant, relay: Relay, out: &mut dyn Outlet) {
        match relay {
            Relay::Attach { publication, thread } => self.attach(publication, thread, out),
            Relay::Detach { publication, thread } => {
                if let Some(publication) = self.publications.get_mut(&publication) {
                    publication.mirrors.retain(|mirror| mirror.thread != thread);
                }
            }
            Relay::Attached { publication, format, cname } => {
                let Some(mirror) = self.publications.get_mut(&publication) else { return };
                (mirror.format, mirror.cname) = (Some(format), cname);
                for subscription in mirror.subscribers.clone() {
                    self.connect_subscription(subscription, now, out);
                }
            }
            Relay::Ended { publication } => self.end_mirror(publication, out),
            Relay::Packets { publication, gap, packets } => {
                if gap {
                    self.interrupt(publication, None);
                }
                self.note_starts(publication, &packets);
                self.fan_out(publication, &packets, now, out);
            }
            Relay::Said { group, saying } => self.repeat(group, None, &saying, now, out),
            Relay::KeyframeWanted { publication, layer } => self.want_keyframe(publication, layer, now, out),
            Relay::Layers { publication: id, active, ladder } => {
                let Some(publication) = self.publications.get_mut(&id) else { return };
                (publication.active, publication.ladder) = (active, ladder);
                self.aim_all(id, now, out);
                self.steer_subscribers(id, now, out);
            }
            Relay::LayersNeeded { publication, thread, layers } => {
                let Some(publication) = self.publications.get_mut(&publication) else { return };
                if let Some(mirror) = publication.mirrors.iter_mut().find(|mirror| mirror.thread == thread) {
                    mirror.needed = layers;
                }
            }
        }
    }

    /// A key frame that has come need not be asked for any more.
    fn note_starts(&mut self, id: PublicationId, packets: &[MediaPacket]) {
        let Some(mirror) = self.publications.get_mut(&id) else { return };
        for packet in packets.iter().filter(|packet| packet.starts) {
            if let Some(throttle) = mirror.keyframes.get_mut(usize::from(packet.layer)) {
                throttle.arrived();
            }
        }
    }

    fn attach(&mut self, id: PublicationId, thread: usize, out: &mut dyn Outlet) {
        let known =
            self.publications.get_mut(&id).and_then(|publication| Some((publication.format?, publication)));
        let Some((format, publication)) = known else {
            out.relay(thread, Relay::Ended { publication: id });
            return;
        };
        if publication.mirrors.iter().all(|mirror| mirror.thread != thread) {
            publication.mirrors.push(Mirror { thread, gap: false, needed: Layers::MAX });
        }
        let (active, ladder) = (publication.active, publication.ladder.clone());
        let cname = publication.cname;
        out.relay(thread, Relay::Layers { publication: id, active, ladder });
        out.relay(thread, Relay::Attached { publication: id, format, cname });
    }

    /// The home says that a publication is gone. A subscription that never knew its format is refused.
    fn end_mirror(&mut self, id: PublicationId, out: &mut dyn Outlet) {
        let Some(publication) = self.publications.get(&id) else { return };
        if !matches!(publication.origin, Origin::Mirror { .. }) {
            return;
        }
        if publication.format.is_none() {
            for subscription in &publication.subscribers {
                let reason = "unknown publication".to_owned();
                out.event(Event::Refused { request: 0, subject: subscription.0, reason });
            }
        }
        self.end_publication(id, out);
    }
}
