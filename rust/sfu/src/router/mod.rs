//! Everything one thread owns, without I/O: inputs are datagrams, messages and time; outputs go to an [`Outlet`].
//!
//! Each input is followed to its end before the next: a call returns when nothing is left to do at that time. The
//! exception are media packets, which wait for the end of their burst ([`Router::forward`]).

mod aim;
mod asking;
mod catch_up;
mod channels;
mod command;
pub mod fanout;
mod feedback;
mod pipelines;
mod rate;
mod relay;
mod rtp;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use str0m::net::Protocol;

use crate::consumer::Consumer;
use crate::demux::{self, Demux};
use crate::event::Event;
use crate::fault::Fault;
use crate::frames::link::PipelineLink;
use crate::id::{ById, ConsumerId, GroupId, PipelineId, ProducerId, TransportId};
use crate::message::{Message, Relay};
use crate::outlet::Outlet;
use crate::path::Path;
use crate::paths::Shown;
use crate::producer::{Origin, Producer};
use crate::rtcp::TransportFeedback;
use crate::stats::{Registry, ThreadStats};
use crate::throttle::Ask;
use crate::timer::Timers;
use crate::transport::{Read, Setup, Transport, TransportEvent};

/// Who can be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Owner {
    Transport(TransportId),
    Producer(ProducerId),
    /// A transport that has sent and has to report on it.
    Report(TransportId),
    /// A transport whose estimator waits for something.
    Rate(TransportId),
    /// A producer of which packets are missing.
    Gaps(ProducerId),
}

pub struct Router {
    thread: usize,
    setup: Setup,
    transports: ById<TransportId, Transport>,
    producers: ById<ProducerId, Producer>,
    /// Producers that are not mirrors.
    homes: u64,
    consumers: ById<ConsumerId, Consumer>,
    /// Transports with open data channels.
    groups: ById<GroupId, Vec<TransportId>>,
    pipelines: ById<PipelineId, PipelineLink>,
    demux: Demux,
    timers: Timers<Owner>,
    transport_events: VecDeque<(TransportId, TransportEvent)>,
    /// Producers with packets in the burst at hand.
    touched: Vec<ProducerId>,
    /// When the first of them is not held any longer.
    held: Option<Instant>,
    /// RTCP is opened here.
    scratch: Vec<u8>,
    transport_feedback: TransportFeedback,
    /// Videos that are paused for want of bandwidth.
    videos_paused: usize,
    stats: Arc<ThreadStats>,
    registry: Arc<Registry>,
}

/// Sizes of all that a router keeps, to see that nothing is left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub transports: usize,
    pub producers: usize,
    pub consumers: usize,
    pub ufrags: usize,
    pub paths: usize,
    pub groups: usize,
    pub pipelines: usize,
    pub timers: usize,
}

impl Router {
    pub fn new(thread: usize, setup: Setup, stats: Arc<ThreadStats>, registry: Arc<Registry>) -> Self {
        Self {
            thread,
            setup,
            transports: ById::default(),
            producers: ById::default(),
            homes: 0,
            consumers: ById::default(),
            groups: ById::default(),
            pipelines: ById::default(),
            demux: Demux::default(),
            timers: Timers::default(),
            transport_events: VecDeque::new(),
            touched: Vec::new(),
            held: None,
            scratch: Vec::new(),
            transport_feedback: TransportFeedback::default(),
            videos_paused: 0,
            stats,
            registry,
        }
    }

    /// Take in a message.
    pub fn handle(&mut self, now: Instant, message: Message, out: &mut dyn Outlet) {
        match message {
            Message::Command(command) => self.command(now, command, out),
            Message::Relay(relay) => self.relay(now, relay, out),
        }
        self.settle(now, out);
        self.stats.transports.set(self.transports.len() as u64);
        self.stats.producers.set(self.homes);
        self.stats.consumers.set(self.consumers.len() as u64);
    }

    /// Take in one datagram of a burst. Media in it waits for [`Self::forward`]. False: it is a stranger's.
    pub fn receive(&mut self, now: Instant, path: Path, datagram: &[u8], out: &mut dyn Outlet) -> bool {
        if demux::is_success(datagram) {
            return self.take_answer(now, path, datagram, out);
        }
        let owner = if demux::is_stun(datagram) {
            self.authenticate(now, path, datagram, out)
        } else {
            self.demux.by_path(path)
        };
        let Some(id) = owner.filter(|id| self.transports.contains_key(id)) else {
            self.stats.packets_unknown.add(1);
            return false;
        };
        if demux::is_rtcp(datagram) && !self.read_rtcp(id, now, path, datagram, out) {
            self.settle(now, out);
            return true;
        }
        let Some(transport) = self.transports.get_mut(&id) else { return true };
        let Some((session, common)) = transport.as_webrtc() else { return true };
        if session.note_connecting(datagram) {
            self.transport_events.push_back((id, TransportEvent::Connecting));
        }
        common.hear(now, path, datagram.len());
        match session.receive(now, path, datagram) {
            Ok(Read::Done) => self.poll(id, now, out),
            Ok(Read::Unreadable) => self.stats.packets_unknown.add(1),
            Ok(Read::OfNoSection { ssrc, payload_type }) => {
                self.stats.packets_unroutable.add(1);
                if session.note_unroutable() {
                    out.event(Event::Unroutable { transport: id, ssrc, payload_type });
                }
                self.poll(id, now, out);
            }
            Err(fault) => self.transport_events.push_back((id, TransportEvent::Ended(fault))),
        }
        self.settle(now, out);
        true
    }

    /// The connection of `path` has ended.
    pub fn hung_up(&mut self, path: Path) {
        let Some(id) = self.demux.by_path(path) else { return };
        self.demux.remove_path(path, id);
        if let Some(transport) = self.transports.get_mut(&id) {
            transport.common.paths.lose(path);
        }
    }

    /// The transport that an authentic STUN message is for. The path it came by belongs to it from now on, or, if it was
    /// another's, as soon as the peer has proven to be there.
    fn authenticate(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &[u8],
        out: &mut dyn Outlet,
    ) -> Option<TransportId> {
        let id = self.demux.by_ufrag(demux::local_ufrag(datagram)?)?;
        let (session, common) = self.transports.get_mut(&id)?.as_webrtc()?;
        if !session.has_signed(datagram) {
            self.stats.stun_forged.add(1);
            return None;
        }
        let demux = &mut self.demux;
        let shown = common.paths.show(path, demux::nominates(datagram), now, |former| {
            demux.remove_path(former, id);
            hang_up([former], out);
        });
        if shown == Shown::Refused {
            return None;
        }
        if session.check(&mut common.paths, path, now, out) {
            self.stats.checks_sent.add(1);
        }
        match self.demux.by_path(path) {
            None => {
                self.demux.add_path(path, id);
            }
            // Whoever has the path keeps it until the other has proven to be there.
            Some(former) if former != id => {
                if common.paths.is_proven(path) {
                    self.hand_over(path, id);
                } else {
                    self.demux.claim(path, id);
                }
            }
            Some(_) => {}
        }
        Some(id)
    }

    /// The answer to a check of ours. False: it is none.
    fn take_answer(&mut self, now: Instant, path: Path, datagram: &[u8], out: &mut dyn Outlet) -> bool {
        for id in [self.demux.by_path(path), self.demux.claimed(path)].into_iter().flatten() {
            let transport = self.transports.get_mut(&id);
            let Some((session, common)) = transport.and_then(Transport::as_webrtc) else { continue };
            if session.answered(&mut common.paths, path, datagram, now, out) {
                common.hear(now, path, datagram.len());
                self.stats.checks_answered.add(1);
                self.hand_over(path, id);
                return true;
            }
        }
        self.stats.packets_unknown.add(1);
        false
    }

    /// From now on `path` belongs to the transport `id`.
    fn hand_over(&mut self, path: Path, id: TransportId) {
        if let Some(former) = self.demux.add_path(path, id).filter(|former| *former != id)
            && let Some(former) = self.transports.get_mut(&former)
        {
            former.common.paths.lose(path);
        }
    }

    /// Let time pass.
    pub fn timeout(&mut self, now: Instant, out: &mut dyn Outlet) {
        while let Some(owner) = self.timers.pop(now) {
            match owner {
                Owner::Transport(id) => self.tick(id, now, out),
                Owner::Producer(id) => self.tend(id, now, out),
                Owner::Report(id) => self.report(id, now, out),
                Owner::Rate(id) => self.tend_rate(id, now, out),
                Owner::Gaps(id) => self.ask_again(id, now, out),
            }
        }
        self.settle(now, out);
        if self.held.is_none_or(|until| until <= now) {
            self.forward(now, out);
        }
    }

    /// When to call [`Self::timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        self.held.into_iter().chain(self.timers.next()).min()
    }

    /// Say goodbye to every peer.
    pub fn close(&mut self, now: Instant, out: &mut dyn Outlet) {
        let ids: Vec<TransportId> = self.transports.keys().copied().collect();
        for id in ids {
            self.close_transport(id, now, out);
        }
        self.transport_events.clear();
    }

    #[must_use]
    /// The router itself has panicked and cannot be trusted: tell everyone concerned, and begin with an empty one.
    pub fn replace(self, reason: &str, out: &mut dyn Outlet) -> Self {
        self.stats.panics.add(1);
        for (id, producer) in &self.producers {
            for mirror in &producer.mirrors {
                out.relay(mirror.thread, Relay::Ended { producer: *id });
            }
            if matches!(producer.origin, Origin::Mirror { .. }) {
                out.relay(id.thread(), Relay::Detach { producer: *id, thread: self.thread });
            }
        }
        for (id, transport) in &self.transports {
            hang_up(transport.common.paths.known(), out);
            if transport.is_rtp() {
                out.close_ports(*id);
            }
            self.registry.remove(*id);
            out.event(Event::Lost { transport: *id, reason: format!("panic: {reason}") });
        }
        for group in self.groups.keys() {
            self.setup.groups.leave(*group, self.thread);
        }
        for gauge in
            [&self.stats.transports, &self.stats.producers, &self.stats.consumers, &self.stats.videos_paused]
        {
            gauge.set(0);
        }
        Self::new(self.thread, self.setup, self.stats, self.registry)
    }

    pub fn census(&self) -> Census {
        let (ufrags, paths) = self.demux.sizes();
        Census {
            transports: self.transports.len(),
            producers: self.producers.len(),
            consumers: self.consumers.len(),
            ufrags,
            paths,
            groups: self.groups.len(),
            pipelines: self.pipelines.len(),
            timers: self.timers.len(),
        }
    }

    /// Make the next call into a transport's session panic. For tests: no input is known that does.
    #[doc(hidden)]
    pub fn sabotage(&mut self, transport: TransportId) {
        if let Some(transport) = self.transports.get_mut(&transport) {
            transport.sabotage();
        }
    }

    /// Let a transport's time pass if it is due, and poll it.
    fn tick(&mut self, id: TransportId, now: Instant, out: &mut dyn Outlet) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        let deadline = transport.deadline(now);
        if deadline > now {
            self.timers.set(Owner::Transport(id), deadline);
            return;
        }
        match transport.tick(now) {
            Ok(()) if transport.is_rtp() => {
                self.press(id, now, out);
                self.poll(id, now, out);
            }
            Ok(()) => self.poll(id, now, out),
            Err(fault) => self.transport_events.push_back((id, TransportEvent::Ended(fault))),
        }
    }

    /// Take out what a transport has to say.
    fn poll(&mut self, id: TransportId, now: Instant, out: &mut dyn Outlet) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        let transport_events = &mut self.transport_events;
        if let Err(fault) =
            transport.poll(now, out, |transport_event| transport_events.push_back((id, transport_event)))
        {
            transport_events.push_back((id, TransportEvent::Ended(fault)));
        }
        self.timers.set(Owner::Transport(id), transport.deadline(now));
    }

    /// Act on what happened until nothing more happens.
    fn settle(&mut self, now: Instant, out: &mut dyn Outlet) {
        while let Some((id, transport_event)) = self.transport_events.pop_front() {
            match transport_event {
                TransportEvent::Connecting => self.start_consumers(id, now, out),
                TransportEvent::Connected => {
                    out.event(Event::Connected { transport: id });
                    self.start_consumers(id, now, out);
                }
                TransportEvent::Packet { mid, rid, packet } => self.route(id, mid, rid, packet, now, out),
                TransportEvent::KeyframeWanted { mid } => {
                    let wanted = self.transports.get(&id).and_then(|t| t.common.consumers.get(&mid)).copied();
                    if let Some(consumer) = wanted {
                        self.want_picture(consumer, now, out);
                    }
                }
                TransportEvent::ChannelOpen { channel, label } => {
                    self.open_channel(id, channel, &label, now, out);
                }
                TransportEvent::ChannelClosed { channel } => self.end_channel(id, channel),
                TransportEvent::Said(message) => self.hear(id, &message, now, out),
                TransportEvent::Synced { mid, ssrc, sync } => {
                    let published = self.transports.get(&id).and_then(|t| t.common.producers.get(&mid));
                    if let Some(producer) = published.and_then(|id| self.producers.get_mut(id)) {
                        producer.sync(ssrc, sync);
                    }
                }
                TransportEvent::Latched(source) => out.event(Event::Latched { transport: id, source }),
                TransportEvent::Digit(digit) => out.event(Event::Digit { transport: id, digit }),
                TransportEvent::Silent(silent) => out.event(Event::Silent { transport: id, silent }),
                TransportEvent::PictureWanted { mid } => {
                    let published = self.transports.get(&id).and_then(|t| t.common.producers.get(&mid));
                    if let Some(producer) = published.copied() {
                        out.event(Event::PictureWanted { producer });
                    }
                }
                TransportEvent::Ended(fault) => self.lose(id, &fault, out),
            }
        }
    }

    /// The transport is up, or about to be: what it subscribes to can begin.
    fn start_consumers(&mut self, id: TransportId, now: Instant, out: &mut dyn Outlet) {
        let Some(transport) = self.transports.get(&id) else { return };
        let consumers: Vec<ConsumerId> = transport.common.consumers.values().copied().collect();
        for consumer in consumers {
            self.want_picture(consumer, now, out);
        }
    }

    /// A key frame of one layer of `id` is needed, if it is video.
    fn want_keyframe(&mut self, id: ProducerId, layer: u8, now: Instant, out: &mut dyn Outlet) {
        let Some(producer) = self.producers.get_mut(&id) else { return };
        if !producer.sends_video() {
            return;
        }
        let Some(throttle) = producer.keyframes.get_mut(usize::from(layer)) else { return };
        match throttle.ask(now) {
            Ask::Now => self.request_keyframe(id, layer, now, out),
            Ask::At(deadline) => self.timers.set(Owner::Producer(id), deadline),
            Ask::Waiting => {}
        }
    }

    fn request_keyframe(&mut self, id: ProducerId, layer: u8, now: Instant, out: &mut dyn Outlet) {
        let Some(producer) = self.producers.get_mut(&id) else { return };
        let home = match &producer.origin {
            Origin::Home(home) => home,
            Origin::Output(output) => {
                let target = output.target;
                self.ask_pipeline(target, out);
                return;
            }
            Origin::Mirror { .. } => {
                out.relay(id.thread(), Relay::KeyframeWanted { producer: id, layer });
                return;
            }
        };
        let (owner, mid, ssrc) = (home.transport, home.mid, home.ssrc_of(layer));
        let Some(transport) = self.transports.get_mut(&owner) else { return };
        let asked = match ssrc {
            Some(ssrc) => transport.request_keyframe(mid, ssrc),
            None => Ok(false),
        };
        match asked.and_then(|asked| transport.tick(now).map(|()| asked)) {
            Ok(true) => self.stats.keyframe_requests.add(1),
            Ok(false) => producer.keyframes[usize::from(layer)].retract(), // asked again when its first packets come
            Err(fault) => {
                self.transport_events.push_back((owner, TransportEvent::Ended(fault)));
                return;
            }
        }
        self.poll(owner, now, out);
    }

    /// A producer's time has come: a remembered key frame request, a look at whether it is stalled.
    fn tend(&mut self, id: ProducerId, now: Instant, out: &mut dyn Outlet) {
        let Some(producer) = self.producers.get_mut(&id) else { return };
        let home = match &producer.origin {
            Origin::Home(home) => self.transports.get(&home.transport),
            _ => None,
        };
        let (stalled, check_at) =
            producer.check_stall(now, home.map(|transport| transport.common.paths.heard()));
        let asks: Vec<(u8, Ask)> = (0..)
            .zip(&mut producer.keyframes)
            .filter_map(|(layer, throttle)| Some((layer, throttle.due(now)?)))
            .collect();
        if stalled {
            out.event(Event::Stalled { producer: id, stalled: true });
        }
        if let Some(deadline) = check_at {
            self.timers.set(Owner::Producer(id), deadline);
        }
        for (layer, ask) in asks {
            match ask {
                Ask::Now => self.request_keyframe(id, layer, now, out),
                Ask::At(deadline) => self.timers.set(Owner::Producer(id), deadline),
                Ask::Waiting => {}
            }
        }
    }

    /// A transport has ended by itself.
    fn lose(&mut self, id: TransportId, fault: &Fault, out: &mut dyn Outlet) {
        if !self.transports.contains_key(&id) {
            return;
        }
        if matches!(fault, Fault::Panic(_)) {
            self.stats.panics.add(1);
        }
        self.remove_transport(id, out);
        out.event(Event::Lost { transport: id, reason: fault.to_string() });
    }

    fn close_transport(&mut self, id: TransportId, now: Instant, out: &mut dyn Outlet) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        let ssrcs = transport.own_ssrcs();
        if let Some(egress) = &mut transport.common.egress {
            egress.set_path(transport.common.paths.proven());
            egress.goodbye(&ssrcs, out);
        }
        if transport.close().is_ok() {
            let _ = transport.poll(now, out, drop); // its goodbye; that it then ends is no news
        }
        self.remove_transport(id, out);
    }

    /// Forget a transport and all that hangs on it.
    fn remove_transport(&mut self, id: TransportId, out: &mut dyn Outlet) {
        let Some(transport) = self.transports.remove(&id) else { return };
        transport.ufrag().into_iter().for_each(|ufrag| self.demux.remove_ufrag(ufrag));
        for path in transport.common.paths.known() {
            self.demux.remove_path(path, id);
        }
        hang_up(transport.common.paths.known(), out);
        if transport.is_rtp() {
            out.close_ports(id);
        }
        self.leave_group(id, transport.common.group);
        self.timers.cancel(Owner::Transport(id));
        self.timers.cancel(Owner::Report(id));
        self.timers.cancel(Owner::Rate(id));
        self.count_paused(transport.common.rate.paused, 0);
        self.registry.remove(id);
        for consumer in transport.common.consumers.values() {
            self.unsubscribe(*consumer, out);
        }
        for producer in transport.common.producers.values() {
            self.end_producer(*producer, out);
        }
        self.stats.transports.set(self.transports.len() as u64);
    }

    /// End a producer that lives here, or the mirror of one that has ended elsewhere.
    fn end_producer(&mut self, id: ProducerId, out: &mut dyn Outlet) {
        let Some(producer) = self.producers.remove(&id) else { return };
        self.timers.cancel(Owner::Producer(id));
        self.timers.cancel(Owner::Gaps(id));
        for mirror in &producer.mirrors {
            out.relay(mirror.thread, Relay::Ended { producer: id });
        }
        for consumer in producer.subscribers {
            self.retire(consumer);
        }
        if let Origin::Home(home) = producer.origin {
            self.homes -= 1;
            self.stats.producers.set(self.homes);
            if let Some(transport) = self.transports.get_mut(&home.transport) {
                transport.common.producers.remove(&home.mid);
            }
        } else if let Origin::Output(output) = producer.origin {
            self.disconnect_output(output.target);
        }
    }

    /// End a consumer, and the mirror it was the last to need.
    fn unsubscribe(&mut self, id: ConsumerId, out: &mut dyn Outlet) {
        let Some(source) = self.retire(id) else { return };
        let Some(producer) = self.producers.get_mut(&source) else { return };
        producer.subscribers.retain(|subscriber| *subscriber != id);
        if producer.subscribers.is_empty() && matches!(producer.origin, Origin::Mirror { .. }) {
            self.producers.remove(&source);
            self.timers.cancel(Owner::Producer(source));
            out.relay(source.thread(), Relay::Detach { producer: source, thread: self.thread });
        } else {
            self.tell_needed(source, out);
            self.rest_output(source, out);
        }
    }

    /// Forget a consumer, but not the numbers its section has used. Returns its producer, which still lists it.
    fn retire(&mut self, id: ConsumerId) -> Option<ProducerId> {
        let Consumer { producer, transport, mid, mut forward, send_stream, tap, .. } =
            self.consumers.remove(&id)?;
        if let Some(tap) = tap {
            self.untap(&tap);
        }
        if let Some(transport) = self.transports.get_mut(&transport) {
            transport.common.consumers.remove(&mid);
            forward.interrupt();
            transport.common.resting.insert(mid, forward);
            if let Some(mut send_stream) = send_stream {
                send_stream.forget();
                transport.common.send_streams.insert(mid, send_stream);
            }
        }
        self.stats.consumers.set(self.consumers.len() as u64);
        Some(producer)
    }
}

/// Close those of `paths` that are connections.
fn hang_up(paths: impl IntoIterator<Item = Path>, out: &mut dyn Outlet) {
    for path in paths.into_iter().filter(|path| path.protocol == Protocol::Tcp) {
        out.hang_up(path);
    }
}
