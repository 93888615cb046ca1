//! Which layer each subscription gets: by the wish of its owner, the bandwidth there is, and what arrives.

use std::time::Instant;

use super::Hub;
use crate::event::Event;
use crate::forward::Aim;
use crate::id::{PublicationId, SubscriptionId};
use crate::layers::{Allowance, Layers, Rid, Wish};
use crate::message::Relay;
use crate::outlet::Outlet;
use crate::publication::Origin;
use crate::subscription::{Subscription, Told};
use crate::transport::Transport;

impl Hub {
    /// The owner of a subscription says what it wants.
    pub(super) fn set_layer(&mut self, id: SubscriptionId, wish: Wish, now: Instant, out: &mut dyn Outlet) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        subscription.wish = wish;
        let transport = subscription.transport;
        self.review(transport, now, out);
        self.aim(id, now, out);
    }

    /// How much of that there is bandwidth for.
    pub(super) fn allow(
        &mut self,
        id: SubscriptionId,
        allowance: Allowance,
        now: Instant,
        out: &mut dyn Outlet,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        subscription.allowance = allowance;
        self.aim(id, now, out);
    }

    /// Choose anew for one subscription.
    pub(super) fn aim(&mut self, id: SubscriptionId, now: Instant, out: &mut dyn Outlet) {
        self.aim_only(id, now, out);
        self.tell_needed_by(id, out);
    }

    /// The same for one that begins, or begins again.
    pub(super) fn resume(&mut self, id: SubscriptionId, now: Instant, out: &mut dyn Outlet) {
        self.aim_only(id, now, out);
        let flows = |subscription: &Subscription| subscription.forward.layer().is_some();
        if !self.subscriptions.get(&id).is_some_and(flows) {
            self.want_picture(id, now, out);
        }
        self.tell_needed_by(id, out);
    }

    /// What can be chosen from has changed: choose anew for every subscription to it.
    pub(super) fn aim_all(&mut self, id: PublicationId, now: Instant, out: &mut dyn Outlet) {
        let Some(publication) = self.publications.get(&id) else { return };
        for subscription in publication.subscribers.clone() {
            self.aim_only(subscription, now, out);
        }
        self.tell_needed(id, out);
    }

    fn aim_only(&mut self, id: SubscriptionId, now: Instant, out: &mut dyn Outlet) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let Some(publication) = self.publications.get(&subscription.publication) else { return };
        let sends = subscription.active && subscription.open && publication.active;
        let aim = match subscription.allowance {
            Allowance::Nothing => Aim::Nothing,
            _ if !sends => Aim::Nothing,
            allowance => {
                publication.ladder.choose(&subscription.wish, allowance).map_or(Aim::Anything, Aim::Chosen)
            }
        };
        if !subscription.forward.aim(aim, now) {
            return;
        }
        let unfit = sends && subscription.allowance == Allowance::Nothing;
        let news =
            matches!(subscription.told, Told::Layer(_)) || (subscription.told == Told::Nothing && unfit);
        if aim == Aim::Nothing && news {
            subscription.told = Told::Paused;
            out.event(Event::Layer { subscription: id, rid: None });
        }
        if let Some(layer) = subscription.forward.awaits(now) {
            self.want_start(id, layer, now, out);
        }
    }

    /// A subscriber cannot show anything without a key frame.
    pub(super) fn want_picture(&mut self, id: SubscriptionId, now: Instant, out: &mut dyn Outlet) {
        let Some(subscription) = self.subscriptions.get(&id) else { return };
        if subscription.active && subscription.open {
            let forward = &subscription.forward;
            let layer = forward.layer().or_else(|| forward.awaits(now)).unwrap_or(0);
            self.want_start(id, layer, now, out);
        }
    }

    /// A subscription can go on with a key frame of one layer: the one that has just come, or another. One that cannot
    /// be sent yet asks when its transport is about to be up.
    fn want_start(&mut self, id: SubscriptionId, layer: u8, now: Instant, out: &mut dyn Outlet) {
        let Some(subscription) = self.subscriptions.get(&id) else { return };
        let transport = self.transports.get(&subscription.transport);
        let soon = subscription.tap.is_some() || transport.is_some_and(Transport::connects);
        if soon && !self.catch_up(id, layer, now, out) {
            let Some(subscription) = self.subscriptions.get(&id) else { return };
            self.want_keyframe(subscription.publication, layer, now, out);
        }
    }

    fn tell_needed_by(&mut self, id: SubscriptionId, out: &mut dyn Outlet) {
        if let Some(source) = self.subscriptions.get(&id).map(|subscription| subscription.publication) {
            self.tell_needed(source, out);
        }
    }

    /// Let the home of a mirror know which layers are needed here, if that has changed.
    pub(super) fn tell_needed(&mut self, id: PublicationId, out: &mut dyn Outlet) {
        let Some(publication) = self.publications.get_mut(&id) else { return };
        let Origin::Mirror { needed } = &mut publication.origin else { return };
        let subscriptions = publication.subscribers.iter().filter_map(|id| self.subscriptions.get(id));
        let sum = subscriptions.fold(0, |sum: Layers, subscription| sum | subscription.forward.needed());
        if std::mem::replace(needed, sum) != sum {
            let relay = Relay::LayersNeeded { publication: id, thread: self.thread, layers: sum };
            out.relay(id.thread(), relay);
        }
    }

    /// Tell the owner of a video subscription what is sent, if that has changed. True if so.
    pub(super) fn tell_layer(&mut self, id: SubscriptionId, out: &mut dyn Outlet) -> bool {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return false };
        let Some(layer) = subscription.forward.layer() else { return false };
        let before = std::mem::replace(&mut subscription.told, Told::Layer(layer));
        if before == subscription.told {
            return false;
        }
        if matches!(before, Told::Layer(_)) {
            self.stats.layer_switches.add(1);
        }
        let publication = self.publications.get(&subscription.publication);
        let name = publication.and_then(|publication| publication.ladder.name_of(layer));
        let rid = Some(name.unwrap_or_else(|| Rid::from("")));
        out.event(Event::Layer { subscription: id, rid });
        true
    }

    /// The ladder of a publication at home has changed: tell its mirrors, and choose anew here.
    pub(super) fn spread_ladder(&mut self, id: PublicationId, now: Instant, out: &mut dyn Outlet) {
        let Some(publication) = self.publications.get(&id) else { return };
        for mirror in &publication.mirrors {
            let (active, ladder) = (publication.active, publication.ladder.clone());
            out.relay(mirror.thread, Relay::Layers { publication: id, active, ladder });
        }
        self.aim_all(id, now, out);
        self.steer_subscribers(id, now, out);
    }
}
