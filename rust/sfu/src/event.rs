//! What the core tells its owner: a bounded queue for all threads, and one descriptor to wait on.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use str0m::media::Rid;

use crate::id::{ConsumerId, PipelineId, ProducerId, TransportId};
use crate::io::EventFd;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The answer to one offer.
    Negotiated { request: u64, transport: TransportId, answer: String },
    /// A command could not be carried out. `request` is 0 for commands that carry no number.
    Refused { request: u64, subject: u64, reason: String },
    /// ICE and DTLS are up; said once per transport.
    Connected { transport: TransportId },
    /// A transport is gone, with all it published and subscribed.
    Lost { transport: TransportId, reason: String },
    /// Media arrives of which no section can be told; said once per transport.
    Unroutable { transport: TransportId, ssrc: u32, payload_type: u8 },
    /// Picture size of a producer, or of one of its layers: the first, and each change.
    Resolution { producer: ProducerId, rid: Option<Rid>, width: u32, height: u32 },
    /// Which layer a video consumer is sent from now on; its name is empty if the producer has only one.
    /// None: it is paused.
    Layer { consumer: ConsumerId, rid: Option<Rid> },
    /// Loudness of an audio producer (RFC 6464): 0 is loudest, -127 silence.
    AudioLevel { producer: ProducerId, level_dbov: i8, voice: bool },
    /// Nothing of a producer's peer arrives any more, or its packets came back.
    Stalled { producer: ProducerId, stalled: bool },
    /// The peer of a transport of plain RTP sends from there.
    Latched { transport: TransportId, source: SocketAddr },
    /// It presses a key.
    Digit { transport: TransportId, digit: char },
    /// It is to send, and nothing has come for too long; or something comes again.
    Silent { transport: TransportId, silent: bool },
    /// A key frame of a producer is needed, and its peer cannot be asked by RTCP.
    PictureWanted { producer: ProducerId },
    /// A pipeline has closed its socket, or broken the form of what goes over it.
    PipelineLost { pipeline: PipelineId, reason: String },
}

impl Event {
    /// Whether `self` makes an older, unread `other` worthless.
    fn replaces(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Resolution { producer: a, rid: layer, .. },
                Self::Resolution { producer: b, rid: other, .. },
            ) => a == b && layer == other,
            (Self::Layer { consumer: a, .. }, Self::Layer { consumer: b, .. }) => a == b,
            (Self::Stalled { producer: a, .. }, Self::Stalled { producer: b, .. })
            | (Self::PictureWanted { producer: a }, Self::PictureWanted { producer: b }) => a == b,
            (Self::Silent { transport: a, .. }, Self::Silent { transport: b, .. }) => a == b,
            _ => false,
        }
    }
}

/// Audio levels are dropped above this length, and sizes, layers and stalls replace their predecessors. All other events are
/// bounded by the commands given and the transports alive.
const CROWDED: usize = 1024;

#[derive(Debug)]
pub struct EventQueue {
    events: Mutex<VecDeque<Event>>,
    wake: EventFd,
    dropped: AtomicU64,
}

impl EventQueue {
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { events: Mutex::default(), wake: EventFd::new()?, dropped: AtomicU64::new(0) })
    }

    /// Readable while events wait.
    pub fn fd(&self) -> RawFd {
        self.wake.raw()
    }

    /// Queue one event; false if it was dropped.
    pub fn push(&self, event: Event) -> bool {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() >= CROWDED {
            if matches!(event, Event::AudioLevel { .. } | Event::Digit { .. }) {
                self.dropped.fetch_add(1, Relaxed);
                return false;
            }
            if let Some(older) = events.iter_mut().find(|older| event.replaces(older)) {
                *older = event;
                return true;
            }
        }
        events.push_back(event);
        if events.len() == 1 {
            self.wake.notify();
        }
        true
    }

    /// Everything queued since the last call.
    pub fn take(&self) -> VecDeque<Event> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        self.wake.clear();
        std::mem::take(&mut *events)
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCER: ProducerId = ProducerId(7);

    fn level() -> Event {
        Event::AudioLevel { producer: PRODUCER, level_dbov: -30, voice: true }
    }

    #[test]
    fn levels_are_dropped_when_nobody_reads() {
        let queue = EventQueue::new().unwrap();
        let kept = (0..CROWDED + 10).filter(|_| queue.push(level())).count();
        assert_eq!((kept, queue.dropped(), queue.take().len()), (CROWDED, 10, CROWDED));
        assert!(queue.push(level()));
    }

    #[test]
    fn a_crowded_queue_keeps_the_latest_size_and_every_loss() {
        let queue = EventQueue::new().unwrap();
        for transport in 0..CROWDED as u64 {
            queue.push(Event::Connected { transport: TransportId(transport) });
        }
        for width in 1..=50 {
            queue.push(Event::Resolution { producer: PRODUCER, rid: None, width, height: 1 });
        }
        queue.push(Event::Lost { transport: TransportId(1), reason: "ice timeout".into() });
        let events = queue.take();
        assert_eq!(events.len(), CROWDED + 2);
        let last = Event::Resolution { producer: PRODUCER, rid: None, width: 50, height: 1 };
        assert_eq!(events[CROWDED], last);
    }
}
