//! Which layer each consumer gets: by the wish of its owner, the bandwidth there is, and what arrives.

use std::time::Instant;

use super::Router;
use crate::consumer::{Consumer, Told};
use crate::event::Event;
use crate::forward::Aim;
use crate::id::{ConsumerId, ProducerId};
use crate::layers::{Allowance, Layers, Rid, Wish};
use crate::message::Relay;
use crate::outlet::Outlet;
use crate::producer::Origin;
use crate::transport::Transport;

impl Router {
    /// The owner of a consumer says what it wants.
    pub(super) fn set_layer(&mut self, id: ConsumerId, wish: Wish, now: Instant, out: &mut dyn Outlet) {
        let Some(consumer) = self.consumers.get_mut(&id) else { return };
        consumer.wish = wish;
        let transport = consumer.transport;
        self.review(transport, now, out);
        self.aim(id, now, out);
    }

    /// How much of that there is bandwidth for.
    pub(super) fn allow(&mut self, id: ConsumerId, allowance: Allowance, now: Instant, out: &mut dyn Outlet) {
        let Some(consumer) = self.consumers.get_mut(&id) else { return };
        consumer.allowance = allowance;
        self.aim(id, now, out);
    }

    /// Choose anew for one consumer.
    pub(super) fn aim(&mut self, id: ConsumerId, now: Instant, out: &mut dyn Outlet) {
        self.aim_only(id, now, out);
        self.tell_needed_by(id, out);
    }

    /// The same for one that begins, or begins again.
    pub(super) fn resume(&mut self, id: ConsumerId, now: Instant, out: &mut dyn Outlet) {
        self.aim_only(id, now, out);
        let flows = |consumer: &Consumer| consumer.forward.layer().is_some();
        if !self.consumers.get(&id).is_some_and(flows) {
            self.want_picture(id, now, out);
        }
        self.tell_needed_by(id, out);
    }

    /// What can be chosen from has changed: choose anew for every consumer to it.
    pub(super) fn aim_all(&mut self, id: ProducerId, now: Instant, out: &mut dyn Outlet) {
        let Some(producer) = self.producers.get(&id) else { return };
        for consumer in producer.subscribers.clone() {
            self.aim_only(consumer, now, out);
        }
        self.tell_needed(id, out);
    }

    fn aim_only(&mut self, id: ConsumerId, now: Instant, out: &mut dyn Outlet) {
        let Some(consumer) = self.consumers.get_mut(&id) else { return };
        let Some(producer) = self.producers.get(&consumer.producer) else { return };
        let sends = consumer.active && consumer.open && producer.active;
        let aim = match consumer.allowance {
            Allowance::Nothing => Aim::Nothing,
            _ if !sends => Aim::Nothing,
            allowance => producer.ladder.choose(&consumer.wish, allowance).map_or(Aim::Anything, Aim::Chosen),
        };
        if !consumer.forward.aim(aim, now) {
            return;
        }
        let unfit = sends && consumer.allowance == Allowance::Nothing;
        let news = matches!(consumer.told, Told::Layer(_)) || (consumer.told == Told::Nothing && unfit);
        if aim == Aim::Nothing && news {
            consumer.told = Told::Paused;
            out.event(Event::Layer { consumer: id, rid: None });
        }
        if let Some(layer) = consumer.forward.awaits(now) {
            self.want_start(id, layer, now, out);
        }
    }

    /// A subscriber cannot show anything without a key frame.
    pub(super) fn want_picture(&mut self, id: ConsumerId, now: Instant, out: &mut dyn Outlet) {
        let Some(consumer) = self.consumers.get(&id) else { return };
        if consumer.active && consumer.open {
            let forward = &consumer.forward;
            let layer = forward.layer().or_else(|| forward.awaits(now)).unwrap_or(0);
            self.want_start(id, layer, now, out);
        }
    }

    /// A consumer can go on with a key frame of one layer: the one that has just come, or another. One that cannot
    /// be sent yet asks when its transport is about to be up.
    fn want_start(&mut self, id: ConsumerId, layer: u8, now: Instant, out: &mut dyn Outlet) {
        let Some(consumer) = self.consumers.get(&id) else { return };
        let transport = self.transports.get(&consumer.transport);
        let soon = consumer.tap.is_some() || transport.is_some_and(Transport::connects);
        if soon && !self.catch_up(id, layer, now, out) {
            let Some(consumer) = self.consumers.get(&id) else { return };
            self.want_keyframe(consumer.producer, layer, now, out);
        }
    }

    fn tell_needed_by(&mut self, id: ConsumerId, out: &mut dyn Outlet) {
        if let Some(source) = self.consumers.get(&id).map(|consumer| consumer.producer) {
            self.tell_needed(source, out);
        }
    }

    /// Let the home of a mirror know which layers are needed here, if that has changed.
    pub(super) fn tell_needed(&mut self, id: ProducerId, out: &mut dyn Outlet) {
        let Some(producer) = self.producers.get_mut(&id) else { return };
        let Origin::Mirror { needed } = &mut producer.origin else { return };
        let consumers = producer.subscribers.iter().filter_map(|id| self.consumers.get(id));
        let sum = consumers.fold(0, |sum: Layers, consumer| sum | consumer.forward.needed());
        if std::mem::replace(needed, sum) != sum {
            let relay = Relay::LayersNeeded { producer: id, thread: self.thread, layers: sum };
            out.relay(id.thread(), relay);
        }
    }

    /// Tell the owner of a video consumer what is sent, if that has changed. True if so.
    pub(super) fn tell_layer(&mut self, id: ConsumerId, out: &mut dyn Outlet) -> bool {
        let Some(consumer) = self.consumers.get_mut(&id) else { return false };
        let Some(layer) = consumer.forward.layer() else { return false };
        let before = std::mem::replace(&mut consumer.told, Told::Layer(layer));
        if before == consumer.told {
            return false;
        }
        if matches!(before, Told::Layer(_)) {
            self.stats.layer_switches.add(1);
        }
        let producer = self.producers.get(&consumer.producer);
        let name = producer.and_then(|producer| producer.ladder.name_of(layer));
        let rid = Some(name.unwrap_or_else(|| Rid::from("")));
        out.event(Event::Layer { consumer: id, rid });
        true
    }

    /// The ladder of a producer at home has changed: tell its mirrors, and choose anew here.
    pub(super) fn spread_ladder(&mut self, id: ProducerId, now: Instant, out: &mut dyn Outlet) {
        let Some(producer) = self.producers.get(&id) else { return };
        for mirror in &producer.mirrors {
            let (active, ladder) = (producer.active, producer.ladder.clone());
            out.relay(mirror.thread, Relay::Layers { producer: id, active, ladder });
        }
        self.aim_all(id, now, out);
        self.steer_subscribers(id, now, out);
    }
}
