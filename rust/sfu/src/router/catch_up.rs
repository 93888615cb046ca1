//! Gives a subscriber that begins the key frame that has just come, and what followed, instead of asking for another.
//!
//! Publishers make a key frame every [`Throttle::INTERVAL`] at most. Whoever comes in between would wait for the next,
//! and so would a peer that got this one before it could read it: packets overtake the answer that says what they are.

use std::time::Instant;

use super::{Owner, Router};
use crate::egress::{Waiting, report};
use crate::forward::Verdict;
use crate::id::ConsumerId;
use crate::outlet::Outlet;
use crate::throttle::Throttle;

impl Router {
    /// Send the latest key frame of a layer, and all since, to a consumer that gets nothing yet, or has begun with
    /// that key frame and could not read it. False: there is none, or its time is over.
    pub(super) fn catch_up(&mut self, id: ConsumerId, layer: u8, now: Instant, out: &mut dyn Outlet) -> bool {
        let Some(consumer) = self.consumers.get_mut(&id) else { return false };
        let Some(producer) = self.producers.get(&consumer.producer) else { return false };
        let (Some(route), Some(send_stream)) = (&consumer.route, &mut consumer.send_stream) else {
            return false;
        };
        let Some(transport) = self.transports.get_mut(&consumer.transport) else { return false };
        let Some(egress) = &mut transport.common.egress else { return false };
        // A path that is full is not filled further, and what waits for its turn is not overtaken.
        if !producer.sends_video() || egress.estimator.congested() || egress.pacer.deadline().is_some() {
            return false;
        }
        let earliest = now.checked_sub(Throttle::INTERVAL).unwrap_or(now);
        let Some(packets) = producer.ring.since_key(layer, earliest) else { return false };
        let key = packets.first().map(|packet| packet.index);
        let forward = &mut consumer.forward;
        if forward.began().is_some() {
            if forward.began() != key || consumer.caught_up == key {
                return false;
            }
            consumer.caught_up = key;
            forward.interrupt();
        }
        egress.set_path(transport.common.paths.proven());
        let moment = self.setup.clock.at(now);
        let mut forwarded = 0;
        for packet in &packets {
            // As if it had been sent when it came: so the next one is as late after it as it was made after it.
            let Verdict::Send(rewritten) = forward.accept(packet, route.clock_rate, packet.received) else {
                continue;
            };
            if egress.pacer.waits(now, packet.payload.len()) {
                let waiting = Waiting { consumer: id, packet: packet.clone(), rewritten };
                let _ = egress.pacer.push(packet.payload.len(), waiting); // a hole, as if it were lost
            } else {
                forwarded += u64::from(egress.send(moment, packet, &rewritten, send_stream, route, out));
            }
        }
        let began = forward.began().is_some();
        if let Some(deadline) = egress.pacer.deadline() {
            self.timers.set(Owner::Rate(consumer.transport), deadline);
        }
        if forwarded > 0 && egress.begins_to_report() {
            self.timers.set(Owner::Report(consumer.transport), now + report::FIRST);
        }
        self.stats.packets_forwarded.add(forwarded);
        self.stats.catch_ups.add(u64::from(began));
        self.tell_layer(id, out);
        began
    }
}
