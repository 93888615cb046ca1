//! Carries out the commands of the core's owner. Everything is checked before anything is changed.

use std::time::Instant;

use str0m::media::Mid;

use super::{Owner, Router};
use crate::consumer::{Consumer, Told};
use crate::event::Event;
use crate::fault::{Fault, NegotiationError};
use crate::forward::Forward;
use crate::id::{ConsumerId, GroupId, ProducerId, TransportId};
use crate::layers::{Allowance, Wish};
use crate::message::{Command, Relay};
use crate::outlet::Outlet;
use crate::producer::{Origin, Producer};
use crate::throttle::Share;
use crate::transport::{Transport, TransportEvent};

/// Why a command is refused.
pub(super) type Reason = &'static str;

impl Router {
    pub(super) fn command(&mut self, now: Instant, command: Command, out: &mut dyn Outlet) {
        match command {
            Command::Negotiate { transport, request, offer, first } => {
                self.negotiate(transport, request, &offer, first, now, out);
            }
            Command::AddCandidate { transport, candidate } => {
                self.add_candidate(transport, &candidate, now, out);
            }
            Command::Publish { producer, transport, mid } => {
                let mid = self.mid_of(transport, &mid);
                if let Err(reason) = self.publish(producer, transport, mid) {
                    refuse(producer.0, reason, out);
                }
            }
            Command::Unpublish { producer } => {
                if matches!(self.producers.get(&producer), Some(p) if !matches!(p.origin, Origin::Mirror { .. }))
                {
                    self.end_producer(producer, out);
                }
            }
            Command::Subscribe { consumer, producer, transport, mid } => {
                let mid = self.mid_of(transport, &mid);
                if let Err(reason) = self.subscribe(consumer, producer, transport, mid, now, out) {
                    refuse(consumer.0, reason, out);
                }
            }
            Command::Unsubscribe { consumer } => self.unsubscribe(consumer, out),
            Command::SetProducerActive { producer, active } => {
                self.set_producer_active(producer, active, now, out);
            }
            Command::SetConsumerActive { consumer, active } => {
                self.set_consumer_active(consumer, active, now, out);
            }
            Command::SetLayer { consumer, wish } => {
                self.set_layer(consumer, wish, now, out);
            }
            Command::OpenRtp { transport, local, beside, ssrc, .. } => {
                self.open_rtp(transport, local, beside, ssrc, now);
            }
            Command::SetRtp { transport, section } => self.set_rtp(transport, *section, now, out),
            Command::SendDigits { transport, digits } => self.send_digits(transport, &digits, now, out),
            Command::Refresh { consumer } => self.refresh(consumer, now, out),
            Command::OpenPipeline { pipeline, .. } => self.open_pipeline(pipeline),
            Command::ClosePipeline { pipeline } => self.close_pipeline(pipeline, out),
            Command::CreateOutput { producer, format } => self.create_output(producer, format),
            Command::ConnectOutput { producer, pipeline, track } => {
                self.connect_output(producer, pipeline, track, now, out);
            }
            Command::Tap { consumer, producer, pipeline, track } => {
                if let Err(reason) = self.tap(consumer, producer, (pipeline, track), now, out) {
                    refuse(consumer.0, reason, out);
                }
            }
            Command::CloseTransport { transport } => self.close_transport(transport, now, out),
        }
    }

    /// What the peer of `transport` calls a section may be another name than ours.
    fn mid_of(&self, transport: TransportId, name: &str) -> Mid {
        self.transports.get(&transport).map_or_else(|| name.into(), |transport| transport.mid_of(name))
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
            match Transport::webrtc(&self.setup, id, group, self.registry.insert(id), now) {
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
        let Some((session, common)) = self.transports.get_mut(&id).and_then(Transport::as_webrtc) else {
            out.event(Event::Refused { request, subject: id.0, reason: "unknown transport".to_owned() });
            return;
        };
        let former = session.ufrag().to_owned();
        match session.negotiate(common, offer) {
            Ok(answer) => {
                if session.ufrag() != former {
                    self.demux.remove_ufrag(&former);
                    self.demux.add_ufrag(session.ufrag(), id);
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
            self.transport_events.push_back((id, TransportEvent::Ended(fault)));
        }
    }

    /// Directions may have changed: consumers pause on sections on which we do not send, and resume.
    pub(super) fn reopen_sections(&mut self, id: TransportId, now: Instant, out: &mut dyn Outlet) {
        let Some(transport) = self.transports.get(&id) else { return };
        let (mut changed, mut sent) = (Vec::new(), Vec::new());
        for (mid, id) in &transport.common.consumers {
            let Some(consumer) = self.consumers.get_mut(id) else { continue };
            let open = transport.sends(*mid);
            if consumer.open != open {
                consumer.open = open;
                consumer.forward.interrupt();
                changed.push(*id);
            }
            sent.extend(open.then_some(*id));
        }
        for consumer in sent {
            self.find_route(consumer);
        }
        for consumer in changed {
            self.admit(consumer, now, out);
            self.resume(consumer, now, out);
        }
    }

    /// Note how a consumer is sent by the last negotiation; false if it cannot be.
    pub(super) fn find_route(&mut self, id: ConsumerId) -> bool {
        let Some(consumer) = self.consumers.get_mut(&id) else { return false };
        let producer = self.producers.get(&consumer.producer);
        let Some(format) = producer.and_then(|producer| producer.format) else { return false };
        if let Some(tap) = &mut consumer.tap {
            tap.begin(&format);
            return true;
        }
        let Some(transport) = self.transports.get_mut(&consumer.transport) else { return false };
        let Some(route) = transport.outgoing(consumer.mid, &format) else { return false };
        if consumer.send_stream.is_none() {
            consumer.send_stream = transport.common.send_streams.remove(&consumer.mid);
        }
        if consumer.route != Some(route)
            && let Some(send_stream) = &mut consumer.send_stream
        {
            send_stream.forget();
        }
        consumer.route = Some(route);
        true
    }

    fn add_candidate(&mut self, id: TransportId, candidate: &str, now: Instant, out: &mut dyn Outlet) {
        let Some((session, _)) = self.transports.get_mut(&id).and_then(Transport::as_webrtc) else { return };
        match session.add_candidate(candidate) {
            Ok(()) => self.poll(id, now, out),
            Err(fault) => self.transport_events.push_back((id, TransportEvent::Ended(fault))),
        }
    }

    fn publish(&mut self, id: ProducerId, owner: TransportId, mid: Mid) -> Result<(), Reason> {
        let transport = self.transports.get_mut(&owner).ok_or("unknown transport")?;
        if !transport.has_section(mid) {
            return Err("unknown section");
        }
        let incoming = transport.incoming(mid).ok_or("section has no codec in common")?;
        if transport.common.producers.contains_key(&mid) {
            return Err("section is already published");
        }
        let rids = transport.layers(mid);
        transport.common.producers.insert(mid, id);
        self.producers.insert(id, Producer::home(owner, mid, incoming, &rids, transport.common.cname));
        self.homes += 1;
        Ok(())
    }

    fn subscribe(
        &mut self,
        id: ConsumerId,
        source: ProducerId,
        owner: TransportId,
        mid: Mid,
        now: Instant,
        out: &mut dyn Outlet,
    ) -> Result<(), Reason> {
        let transport = self.transports.get_mut(&owner).ok_or("unknown transport")?;
        if !transport.has_section(mid) {
            return Err("unknown section");
        }
        if transport.common.consumers.contains_key(&mid) {
            return Err("section already has a consumer");
        }
        let is_local = source.thread() == self.thread;
        if is_local && !self.producers.contains_key(&source) {
            return Err("unknown producer");
        }
        let forward = transport.common.resting.remove(&mid).unwrap_or_else(|| Forward::new(id.0 as u32));
        let open = transport.sends(mid);
        transport.common.consumers.insert(mid, id);
        let consumer = Consumer {
            producer: source,
            transport: owner,
            mid,
            route: None,
            send_stream: None,
            active: true,
            open,
            wish: Wish::default(),
            allowance: Allowance::default(),
            told: Told::Nothing,
            forward,
            caught_up: None,
            share: Share::default(),
            tap: None,
        };
        self.join(id, consumer, now, out);
        Ok(())
    }

    /// Add a consumer to its producer, of which a mirror is made if it lives elsewhere.
    pub(super) fn join(&mut self, id: ConsumerId, consumer: Consumer, now: Instant, out: &mut dyn Outlet) {
        let source = consumer.producer;
        self.consumers.insert(id, consumer);
        let thread = self.thread;
        let producer = self.producers.entry(source).or_insert_with(|| {
            out.relay(source.thread(), Relay::Attach { producer: source, thread });
            Producer::mirror()
        });
        producer.subscribers.push(id);
        if producer.format.is_some() {
            self.connect_consumer(id, now, out);
        }
    }

    /// The producer's format is known: find out how to send it, or refuse the consumer.
    pub(super) fn connect_consumer(&mut self, id: ConsumerId, now: Instant, out: &mut dyn Outlet) {
        let Some(consumer) = self.consumers.get(&id) else { return };
        let open = consumer.open;
        if self.find_route(id) {
            self.admit(id, now, out);
            self.resume(id, now, out);
            return;
        }
        let reason =
            if open { "section has not negotiated the producer's codec" } else { "section does not receive" };
        refuse(id.0, reason, out);
        self.unsubscribe(id, out);
    }

    fn set_producer_active(&mut self, id: ProducerId, active: bool, now: Instant, out: &mut dyn Outlet) {
        let Some(producer) = self.producers.get_mut(&id) else { return };
        if matches!(producer.origin, Origin::Mirror { .. }) || producer.active == active {
            return;
        }
        producer.active = active;
        producer.burst.clear();
        self.interrupt(id, None);
        self.spread_ladder(id, now, out);
    }

    fn set_consumer_active(&mut self, id: ConsumerId, active: bool, now: Instant, out: &mut dyn Outlet) {
        let Some(consumer) = self.consumers.get_mut(&id) else { return };
        if consumer.active == active {
            return;
        }
        consumer.active = active;
        consumer.forward.interrupt();
        self.admit(id, now, out);
        self.resume(id, now, out);
    }

    /// Arm the look at whether a producer is stalled.
    pub(super) fn watch(&mut self, id: ProducerId, deadline: Instant) {
        self.timers.set(Owner::Producer(id), deadline);
    }
}

pub(super) fn refuse(subject: u64, reason: Reason, out: &mut dyn Outlet) {
    out.event(Event::Refused { request: 0, subject, reason: reason.to_owned() });
}
