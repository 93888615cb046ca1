//! Carries out the commands of the core's owner. Everything is checked before anything is changed.

use std::time::Instant;

use str0m::media::Mid;

use super::{Hub, Owner};
use crate::event::Event;
use crate::fault::{Fault, NegotiationError};
use crate::forward::Forward;
use crate::id::{GroupId, PublicationId, SubscriptionId, TransportId};
use crate::layers::{Allowance, Wish};
use crate::message::{Command, Relay};
use crate::outlet::Outlet;
use crate::publication::{Origin, Publication};
use crate::subscription::{Subscription, Told};
use crate::transport::{Happening, Transport};

/// Why a command is refused.
pub(super) type Reason = &'static str;

impl Hub {
    pub(super) fn command(&mut self, now: Instant, command: Command, out: &mut dyn Outlet) {
        match command {
            Command::Negotiate { transport, request, offer, first } => {
                self.negotiate(transport, request, &offer, first, now, out);
            }
            Command::AddCandidate { transport, candidate } => {
                self.add_candidate(transport, &candidate, now, out);
            }
            Command::Publish { publication, transport, mid } => {
                if let Err(reason) = self.publish(publication, transport, mid.as_str().into()) {
                    refuse(publication.0, reason, out);
                }
            }
            Command::Unpublish { publication } => {
                if matches!(self.publications.get(&publication), Some(p) if !matches!(p.origin, Origin::Mirror { .. }))
                {
                    self.end_publication(publication, out);
                }
            }
            Command::Subscribe { subscription, publication, transport, mid } => {
                let mid = mid.as_str().into();
                if let Err(reason) = self.subscribe(subscription, publication, transport, mid, now, out) {
                    refuse(subscription.0, reason, out);
                }
            }
            Command::Unsubscribe { subscription } => self.unsubscribe(subscription, out),
            Command::SetPublicationActive { publication, active } => {
                self.set_publication_active(publication, active, now, out);
            }
            Command::SetSubscriptionActive { subscription, active } => {
                self.set_subscription_active(subscription, active, now, out);
            }
            Command::SetLayer { subscription, wish } => {
                self.set_layer(subscription, wish, now, out);
            }
            Command::OpenPipeline { pipeline, .. } => self.open_pipeline(pipeline),
            Command::ClosePipeline { pipeline } => self.close_pipeline(pipeline, out),
            Command::CreateOutput { publication, format } => self.create_output(publication, format),
            Command::ConnectOutput { publication, pipeline, track } => {
                self.connect_output(publication, pipeline, track, now, out);
            }
            Command::Tap { subscription, publication, pipeline, track } => {
                if let Err(reason) = self.tap(subscription, publication, (pipeline, track), now, out) {
                    refuse(subscription.0, reason, out);
                }
            }
            Command::CloseTransport { transport } => self.close_transport(transport, now, out),
        }
    }

    fn negotiate(
        &mut self,
        id: TransportId,
        request: u64,
        offer: &str,
        first: Option<GroupId>,
        now: Instant,
        out: &mut dyn Outlet,
    ) {
        if let Some(group) = first {
            match Transport::new(&self.setup, group, self.registry.insert(id), now) {
                Ok(transport) => {
                    self.transports.insert(id, transport);
                }
                Err(fault) => {
                    self.registry.remove(id);
                    out.event(Event::Refused { request, subject: id.0, reason: fault.to_string() });
                    return;
                }
            }
        }
        let Some(transport) = self.transports.get_mut(&id) else {
            out.event(Event::Refused { request, subject: id.0, reason: "unknown transport".to_owned() });
            return;
        };
        let former = transport.ufrag().to_owned();
        match transport.negotiate(offer) {
            Ok(answer) => {
                if transport.ufrag() != former {
                    self.demux.remove_ufrag(&former);
                    self.demux.add_ufrag(transport.ufrag(), id);
                }
                out.event(Event::Negotiated { request, transport: id, answer });
                self.poll(id, now, out);
                self.reopen_sections(id, now, out);
            }
            Err(error) => self.refuse_offer(id, request, error, first.is_some(), out),
        }
    }

    /// Every offer is answered once. A transport that broke over a later one is lost as well.
    fn refuse_offer(
        &mut self,
        id: TransportId,
        request: u64,
        error: NegotiationError,
        first: bool,
        out: &mut dyn Outlet,
    ) {
        let (reason, fault) = match error {
            NegotiationError::Refused(reason) => (reason, None),
            NegotiationError::Broken(fault) => (fault.to_string(), Some(fault)),
        };
        out.event(Event::Refused { request, subject: id.0, reason });
        if first {
            if matches!(fault, Some(Fault::Panic(_))) {
                self.stats.panics.add(1);
            }
            self.remove_transport(id, out);
        } else if let Some(fault) = fault {
            self.happenings.push_back((id, Happening::Ended(fault)));
        }
    }

    /// Directions may have changed: subscriptions pause on sections on which we do not send, and resume.
    fn reopen_sections(&mut self, id: TransportId, now: Instant, out: &mut dyn Outlet) {
        let Some(transport) = self.transports.get(&id) else { return };
        let (mut changed, mut sent) = (Vec::new(), Vec::new());
        for (mid, id) in &transport.subscriptions {
            let Some(subscription) = self.subscriptions.get_mut(id) else { continue };
            let open = transport.sends(*mid);
            if subscription.open != open {
                subscription.open = open;
                subscription.forward.interrupt();
                changed.push(*id);
            }
            sent.extend(open.then_some(*id));
        }
        for subscription in sent {
            self.find_route(subscription);
        }
        for subscription in changed {
            self.admit(subscription, now, out);
            self.resume(subscription, now, out);
        }
    }

    /// Note how a subscription is sent by the last negotiation; false if it cannot be.
    fn find_route(&mut self, id: SubscriptionId) -> bool {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return false };
        let publication = self.publications.get(&subscription.publication);
        let Some(format) = publication.and_then(|publication| publication.format) else { return false };
        if let Some(tap) = &mut subscription.tap {
            tap.begin(&format);
            return true;
        }
        let Some(transport) = self.transports.get_mut(&subscription.transport) else { return false };
        let Some(route) = transport.outgoing(subscription.mid, &format) else { return false };
        if subscription.strand.is_none() {
            subscription.strand = transport.strands.remove(&subscription.mid);
        }
        if subscription.route != Some(route)
            && let Some(strand) = &mut subscription.strand
        {
            strand.forget();
        }
        subscription.route = Some(route);
        true
    }

    fn add_candidate(&mut self, id: TransportId, candidate: &str, now: Instant, out: &mut dyn Outlet) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        match transport.add_candidate(candidate) {
            Ok(()) => self.poll(id, now, out),
            Err(fault) => self.happenings.push_back((id, Happening::Ended(fault))),
        }
    }

    fn publish(&mut self, id: PublicationId, owner: TransportId, mid: Mid) -> Result<(), Reason> {
        let transport = self.transports.get_mut(&owner).ok_or("unknown transport")?;
        if !transport.has_section(mid) {
            return Err("unknown section");
        }
        let incoming = transport.incoming(mid).ok_or("section has no codec in common")?;
        if transport.publications.contains_key(&mid) {
            return Err("section is already published");
        }
        let rids = transport.layers(mid);
        transport.publications.insert(mid, id);
        self.publications.insert(id, Publication::home(owner, mid, incoming, &rids));
        self.homes += 1;
        Ok(())
    }

    fn subscribe(
        &mut self,
        id: SubscriptionId,
        source: PublicationId,
        owner: TransportId,
        mid: Mid,
        now: Instant,
        out: &mut dyn Outlet,
    ) -> Result<(), Reason> {
        let transport = self.transports.get_mut(&owner).ok_or("unknown transport")?;
        if !transport.has_section(mid) {
            return Err("unknown section");
        }
        if transport.subscriptions.contains_key(&mid) {
            return Err("section already has a subscription");
        }
        let is_local = source.thread() == self.thread;
        if is_local && !self.publications.contains_key(&source) {
            return Err("unknown publication");
        }
        let forward = transport.resting.remove(&mid).unwrap_or_else(|| Forward::new(id.0 as u32));
        let open = transport.sends(mid);
        transport.subscriptions.insert(mid, id);
        let subscription = Subscription {
            publication: source,
            transport: owner,
            mid,
            route: None,
            strand: None,
            active: true,
            open,
            wish: Wish::default(),
            allowance: Allowance::default(),
            told: Told::Nothing,
            forward,
            caught_up: None,
            tap: None,
        };
        self.join(id, subscription, now, out);
        Ok(())
    }

    /// Add a subscription to its publication, of which a mirror is made if it lives elsewhere.
    pub(super) fn join(
        &mut self,
        id: SubscriptionId,
        subscription: Subscription,
        now: Instant,
        out: &mut dyn Outlet,
    ) {
        let source = subscription.publication;
        self.subscriptions.insert(id, subscription);
        let thread = self.thread;
        let publication = self.publications.entry(source).or_insert_with(|| {
            out.relay(source.thread(), Relay::Attach { publication: source, thread });
            Publication::mirror()
        });
        publication.subscribers.push(id);
        if publication.format.is_some() {
            self.connect_subscription(id, now, out);
        }
    }

    /// The publication's format is known: find out how to send it, or refuse the subscription.
    pub(super) fn connect_subscription(&mut self, id: SubscriptionId, now: Instant, out: &mut dyn Outlet) {
        let Some(subscription) = self.subscriptions.get(&id) else { return };
        let open = subscription.open;
        if self.find_route(id) {
            self.admit(id, now, out);
            self.resume(id, now, out);
            return;
        }
        let reason = if open {
            "section has not negotiated the publication's codec"
        } else {
            "section does not receive"
        };
        refuse(id.0, reason, out);
        self.unsubscribe(id, out);
    }

    fn set_publication_active(
        &mut self,
        id: PublicationId,
        active: bool,
        now: Instant,
        out: &mut dyn Outlet,
    ) {
        let Some(publication) = self.publications.get_mut(&id) else { return };
        if !matches!(publication.origin, Origin::Home(_)) || publication.active == active {
            return;
        }
        publication.active = active;
        publication.burst.clear();
        self.interrupt(id, None);
        self.spread_ladder(id, now, out);
    }

    fn set_subscription_active(
        &mut self,
        id: SubscriptionId,
        active: bool,
        now: Instant,
        out: &mut dyn Outlet,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        if subscription.active == active {
            return;
        }
        subscription.active = active;
        subscription.forward.interrupt();
        self.admit(id, now, out);
        self.resume(id, now, out);
    }

    /// Arm the look at whether a publication is stalled.
    pub(super) fn watch(&mut self, id: PublicationId, deadline: Instant) {
        self.timers.set(Owner::Publication(id), deadline);
    }
}

fn refuse(subject: u64, reason: Reason, out: &mut dyn Outlet) {
    out.event(Event::Refused { request: 0, subject, reason: reason.to_owned() });
}
