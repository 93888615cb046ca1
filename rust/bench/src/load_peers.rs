//! All peers on one thread: sockets, timers, requests, the measured window.

use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Inbox, TryRecvError};
use std::time::{Duration, Instant};

use palaver_sfu::io::{EventFd, Poll, Receiver};

use crate::listener::Listener;
use crate::peer::{Peer, Role};
use crate::request::{Answer, Report, Request};
use crate::source::Source;
use crate::stamp::Clock;
use crate::tally::{Tally, Window};
use crate::usage::Usage;

const BELL: usize = usize::MAX;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Given to the last packets of a window to arrive.
const DRAIN: Duration = Duration::from_secs(1);

/// A request that is answered later.
enum Waiting {
    Connected { request: u64, peer: u64, until: Instant },
    Receiving { request: u64, until: Instant },
}

struct Measurement {
    request: u64,
    server: u32,
    start: Instant,
    end: Instant,
    before: Usage,
    after: Option<Usage>,
}

pub struct LoadPeers {
    local: IpAddr,
    poll: Poll,
    bell: Arc<EventFd>,
    receiver: Receiver,
    clock: Clock,
    peers: Vec<Option<Peer>>,
    waiting: Vec<Waiting>,
    tally: Tally,
    measurement: Option<Measurement>,
    /// Nothing is to be done before.
    due: Instant,
}

impl LoadPeers {
    /// Peers that use sockets on `local`; `bell` rings when there are requests.
    pub fn new(local: IpAddr, bell: Arc<EventFd>) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.watch().add(bell.raw(), BELL)?;
        Ok(Self {
            local,
            poll,
            bell,
            receiver: Receiver::default(),
            clock: Clock::start(),
            peers: Vec::new(),
            waiting: Vec::new(),
            tally: Tally::new(Window::default()),
            measurement: None,
            due: Instant::now(),
        })
    }

    /// Until the requests end.
    pub fn run(mut self, requests: &Inbox<String>) -> io::Result<()> {
        loop {
            let timeout = self.due.saturating_duration_since(Instant::now());
            let ready: Vec<usize> = self.poll.wait(Some(timeout)).collect();
            for token in ready {
                if token != BELL {
                    self.receive(token)?;
                    continue;
                }
                self.bell.clear();
                loop {
                    match requests.try_recv() {
                        Ok(line) => self.request(&line)?,
                        Err(TryRecvError::Empty) => break,
                        Err(TryRecvError::Disconnected) => return Ok(()),
                    }
                }
            }
            let now = Instant::now();
            if now >= self.due {
                self.tick(now)?;
                self.due = self.next(now);
            }
        }
    }

    fn next(&self, now: Instant) -> Instant {
        let peers = self.peers.iter().flatten().map(Peer::due).min();
        let window = self.measurement.as_ref().map(Measurement::due);
        let soon = now + Duration::from_millis(if self.waiting.is_empty() { 1000 } else { 20 });
        peers.into_iter().chain(window).min().map_or(soon, |due| due.min(soon))
    }

    fn receive(&mut self, token: usize) -> io::Result<()> {
        let Some(peer) = self.peers[token].as_mut() else { return Ok(()) };
        match peer.receive(&mut self.receiver, self.clock, &mut self.tally) {
            Ok(()) => {
                self.due = self.due.min(peer.due());
                Ok(())
            }
            Err(error) => self.lose(token, &error),
        }
    }

    fn tick(&mut self, now: Instant) -> io::Result<()> {
        for token in 0..self.peers.len() {
            let Some(peer) = self.peers[token].as_mut().filter(|peer| peer.due() <= now) else { continue };
            if let Err(error) = peer.tick(now, self.clock, &self.tally) {
                self.lose(token, &error)?;
            }
        }
        self.acknowledge(now)?;
        self.measure(now)
    }

    /// A peer that cannot go on is gone; whoever waits for it is told why.
    fn lose(&mut self, token: usize, error: &str) -> io::Result<()> {
        let Some(peer) = self.peers[token].take() else { return Ok(()) };
        let concerned =
            |waiting: &mut Waiting| matches!(waiting, Waiting::Connected { peer: id, .. } if *id == peer.id);
        let lost: Vec<Waiting> = self.waiting.extract_if(.., concerned).collect();
        if lost.is_empty() {
            eprintln!("peer {}: {error}", peer.id);
        }
        lost.iter().try_for_each(|waiting| say(waiting.request(), &Answer::Error(error.into())))
    }

    fn request(&mut self, line: &str) -> io::Result<()> {
        self.due = Instant::now(); // whatever it is, it changes what is to be done next
        match Request::parse(line) {
            Ok((id, request)) => match self.obey(id, request) {
                Ok(Some(answer)) => say(id, &answer),
                Ok(None) => Ok(()),
                Err(error) => say(id, &Answer::Error(error)),
            },
            Err((id, error)) => say(id, &Answer::Error(error)),
        }
    }

    fn obey(&mut self, id: u64, request: Request) -> Result<Option<Answer>, String> {
        let now = Instant::now();
        match request {
            Request::Publish { stream, feedback, video_bps } => {
                let peer = self.add(id, Role::Publisher(Source::new(stream, video_bps)), feedback)?;
                peer.offer().map(|offer| Some(Answer::Sdp(offer)))
            }
            Request::Subscribe { stream, feedback, lose_every, offer } => {
                let role = Role::Subscriber(Box::new(Listener::new(stream, feedback, lose_every)));
                let peer = self.add(id, role, feedback)?;
                let sdp = match offer {
                    Some(offer) => peer.answer(&offer),
                    None => peer.offer(),
                };
                sdp.map(|sdp| Some(Answer::Sdp(sdp)))
            }
            Request::Connect { peer, answer } => {
                let found =
                    self.peers.iter_mut().flatten().find(|one| one.id == peer).ok_or("no such peer")?;
                answer.map_or(Ok(()), |answer| found.answered(&answer))?;
                self.waiting.push(Waiting::Connected { request: id, peer, until: now + CONNECT_TIMEOUT });
                Ok(None)
            }
            Request::Receiving => {
                self.waiting.push(Waiting::Receiving { request: id, until: now + CONNECT_TIMEOUT });
                Ok(None)
            }
            Request::Leave { peer } => {
                let slot = self.peers.iter_mut().find(|one| one.as_ref().is_some_and(|one| one.id == peer));
                slot.ok_or("no such peer")?.take();
                Ok(Some(Answer::Done))
            }
            Request::Measure { seconds, server } => {
                self.open(id, Duration::from_secs_f64(seconds), server);
                Ok(None)
            }
        }
    }

    fn add(&mut self, id: u64, role: Role, feedback: bool) -> Result<&mut Peer, String> {
        let peer =
            Peer::new(id, role, feedback, self.local, Instant::now()).map_err(|error| error.to_string())?;
        let token = self.peers.iter().position(Option::is_none).unwrap_or_else(|| {
            self.peers.push(None);
            self.peers.len() - 1
        });
        self.poll.watch().add(peer.socket.as_raw_fd(), token).map_err(|error| error.to_string())?;
        Ok(self.peers[token].insert(peer))
    }

    fn acknowledge(&mut self, now: Instant) -> io::Result<()> {
        let peers = &self.peers;
        let over = |waiting: &mut Waiting| waiting.until() <= now || waiting.fulfilled(peers);
        let over: Vec<Waiting> = self.waiting.extract_if(.., over).collect();
        for waiting in over {
            let body = if waiting.fulfilled(&self.peers) {
                Answer::Done
            } else {
                Answer::Error(format!("not within {CONNECT_TIMEOUT:?}"))
            };
            say(waiting.request(), &body)?;
        }
        Ok(())
    }

    /// Begin a window.
    fn open(&mut self, request: u64, length: Duration, server: u32) {
        for peer in self.peers.iter_mut().flatten() {
            peer.keyframe_requests = 0;
            match &mut peer.role {
                Role::Publisher(source) => source.published = 0,
                Role::Subscriber(listener) => listener.open(),
            }
        }
        let before = Usage::now(server);
        let start = Instant::now();
        let end = start + length;
        self.tally = Tally::new(Window { start_ns: self.clock.ns(start), end_ns: self.clock.ns(end) });
        self.measurement = Some(Measurement { request, server, start, end, before, after: None });
    }

    fn measure(&mut self, now: Instant) -> io::Result<()> {
        let Some(measurement) = self.measurement.as_mut().filter(|one| one.due() <= now) else {
            return Ok(());
        };
        let Some(after) = measurement.after else {
            measurement.after = Some(Usage::now(measurement.server));
            measurement.end = now;
            return Ok(());
        };
        let (request, before) = (measurement.request, measurement.before);
        let seconds = (measurement.end - measurement.start).as_secs_f64();
        self.measurement = None;
        let report = self.report(seconds, before, after);
        self.tally = Tally::new(Window::default());
        say(request, &Answer::Report(report))
    }

    fn report(&self, seconds: f64, before: Usage, after: Usage) -> Report {
        let tally = &self.tally;
        let published = |stream: u16| {
            self.peers.iter().flatten().find_map(|peer| match &peer.role {
                Role::Publisher(source) if source.stream() == stream => Some(source.published),
                _ => None,
            })
        };
        let listeners = self.peers.iter().flatten().filter_map(|peer| match &peer.role {
            Role::Subscriber(listener) => Some(&**listener),
            Role::Publisher(_) => None,
        });
        let expected: u64 = listeners.clone().filter_map(|listener| published(listener.stream)).sum();
        Report {
            seconds,
            expected,
            received: tally.received,
            repaired: tally.repaired,
            reordered: tally.reordered,
            gaps: listeners.clone().map(Listener::gaps).sum(),
            arrived: tally.arrived,
            retransmitted: tally.retransmitted,
            padding: tally.padding,
            refused: tally.refused,
            unopened: tally.unopened,
            requests: listeners.clone().map(|listener| listener.requests).sum(),
            profile: listeners
                .filter_map(|listener| listener.profile)
                .map(|profile| profile.to_string())
                .next()
                .unwrap_or_default(),
            latency_ms: [0.5, 0.95, 0.99].map(|share| tally.quantile_ms(share)),
            server_cpu_s: after.server_cpu_s - before.server_cpu_s,
            server_threads: after.server_threads,
            client_cores: (after.client_cpu_s - before.client_cpu_s) / seconds,
            idle_cores: (after.idle_cpu_s - before.idle_cpu_s) / seconds,
            keyframe_requests: self.peers.iter().flatten().map(|peer| peer.keyframe_requests).sum(),
        }
    }
}

impl Waiting {
    fn request(&self) -> u64 {
        match self {
            Self::Connected { request, .. } | Self::Receiving { request, .. } => *request,
        }
    }

    fn until(&self) -> Instant {
        match self {
            Self::Connected { until, .. } | Self::Receiving { until, .. } => *until,
        }
    }

    fn fulfilled(&self, peers: &[Option<Peer>]) -> bool {
        let mut present = peers.iter().flatten();
        match self {
            Self::Connected { peer, .. } => present.any(|one| one.id == *peer && one.connected),
            Self::Receiving { .. } => present.all(|one| match &one.role {
                Role::Subscriber(listener) => listener.receives_all(),
                Role::Publisher(_) => one.connected,
            }),
        }
    }
}

impl Measurement {
    /// When the window ends, and after that when the last packets must have come.
    fn due(&self) -> Instant {
        if self.after.is_some() { self.end + DRAIN } else { self.end }
    }
}

fn say(id: u64, answer: &Answer) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", answer.line(id))?;
    out.flush()
}
