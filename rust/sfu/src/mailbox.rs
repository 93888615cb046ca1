//! A thread's inbox: one queue in order of arrival, a bound per kind of message, one descriptor to wake the thread.
//!
//! One queue and not several: a consumer that names a producer is always read after the command that made it,
//! because the relay that asks for it was posted later.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use crate::io::EventFd;
use crate::message::{Message, Relay};

/// Commands that may wait; one more is refused.
pub const COMMANDS: usize = 4096;
/// Room kept above that for commands that only end something: a full queue must not keep objects alive.
pub const RELEASES: usize = 4096;
/// Bursts of packets from other threads that may wait; one more is dropped.
pub const BURSTS: usize = 512;
/// Messages of data channels from other threads that may wait; one more is dropped.
pub const SAYINGS: usize = 512;

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Message>,
    commands: usize,
    bursts: usize,
    sayings: usize,
    /// The thread has been woken, or is about to be, and has not found the queue empty since.
    woken: bool,
}

#[derive(Debug)]
pub struct Mailbox {
    queue: Mutex<Queue>,
    wake: EventFd,
    stopped: AtomicBool,
}

impl Mailbox {
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { queue: Mutex::default(), wake: EventFd::new()?, stopped: AtomicBool::new(false) })
    }

    /// Shows an edge for every time that the thread has to be woken; nobody has to read it.
    pub fn fd(&self) -> RawFd {
        self.wake.raw()
    }

    /// Queue a message, or give it back if there are too many of its kind.
    ///
    /// Relays other than packets and messages of data channels have no bound of their own: each follows from a
    /// command, except key frame requests, which are throttled by their sender, and word of layers, ten times a second at most.
    pub fn post(&self, message: Message) -> Result<(), Message> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        match &message {
            Message::Command(command) => {
                if queue.commands >= COMMANDS + if command.releases() { RELEASES } else { 0 } {
                    return Err(message);
                }
                queue.commands += 1;
            }
            Message::Relay(Relay::Packets { .. }) => {
                if queue.bursts >= BURSTS {
                    return Err(message);
                }
                queue.bursts += 1;
            }
            Message::Relay(Relay::Said { .. }) => {
                if queue.sayings >= SAYINGS {
                    return Err(message);
                }
                queue.sayings += 1;
            }
            Message::Relay(_) => {}
        }
        queue.messages.push_back(message);
        let asleep = !std::mem::replace(&mut queue.woken, true);
        drop(queue); // or whoever wakes up would have to wait for it
        if asleep {
            self.wake.notify();
        }
        Ok(())
    }

    /// The oldest message. Only after there was none does the next one wake the thread.
    pub fn pop(&self) -> Option<Message> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let message = queue.messages.pop_front();
        match &message {
            Some(Message::Command(_)) => queue.commands -= 1,
            Some(Message::Relay(Relay::Packets { .. })) => queue.bursts -= 1,
            Some(Message::Relay(Relay::Said { .. })) => queue.sayings -= 1,
            Some(Message::Relay(_)) => {}
            None => {
                queue.woken = false;
                queue.messages.shrink_to(64);
            }
        }
        message
    }

    /// Ask the thread to end.
    pub fn stop(&self) {
        self.stopped.store(true, Relaxed);
        self.wake.notify();
    }

    pub fn stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ProducerId, TransportId};
    use crate::message::Command;

    fn candidate() -> Message {
        Message::Command(Command::AddCandidate { transport: TransportId(1), candidate: String::new() })
    }

    #[test]
    fn a_full_queue_refuses_work_and_takes_releases() {
        let mailbox = Mailbox::new().unwrap();
        assert_eq!((0..COMMANDS + 5).filter(|_| mailbox.post(candidate()).is_ok()).count(), COMMANDS);
        let close = || Message::Command(Command::CloseTransport { transport: TransportId(1) });
        assert_eq!((0..RELEASES + 5).filter(|_| mailbox.post(close()).is_ok()).count(), RELEASES);
        assert!(mailbox.pop().is_some());
        assert!(mailbox.post(close()).is_ok());
    }

    #[test]
    fn a_thread_is_woken_once_until_it_has_read_everything() {
        let mailbox = Mailbox::new().unwrap();
        let mut poll = crate::io::Poll::new().unwrap();
        poll.watch().add_edges(mailbox.fd(), 7).unwrap();
        let mut woken = || poll.wait(Some(std::time::Duration::ZERO)).collect::<Vec<_>>() == [7];
        assert!(!woken());
        assert!(mailbox.post(candidate()).is_ok());
        assert!(woken(), "the first message wakes it");
        assert!(mailbox.post(candidate()).is_ok());
        assert!(!woken(), "it has not seen the first yet");
        assert!(mailbox.pop().is_some());
        assert!(mailbox.post(candidate()).is_ok());
        assert!(!woken(), "it is still reading");
        assert_eq!(std::iter::from_fn(|| mailbox.pop()).count(), 2);
        assert!(!woken());
        assert!(mailbox.post(candidate()).is_ok());
        assert!(woken(), "it had read everything");
        mailbox.stop();
        assert!(woken());
    }

    #[test]
    fn bursts_have_a_bound_of_their_own() {
        let mailbox = Mailbox::new().unwrap();
        let burst = || {
            let packets = std::sync::Arc::from([]);
            Message::Relay(Relay::Packets { producer: ProducerId(1), gap: false, packets })
        };
        assert_eq!((0..BURSTS + 5).filter(|_| mailbox.post(burst()).is_ok()).count(), BURSTS);
        assert!(mailbox.post(candidate()).is_ok());
    }
}
