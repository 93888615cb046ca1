//! ICE, DTLS and SDP of one connection, by str0m, on a socket of its own.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Instant;

use palaver_sfu::io::{Receiver, bind};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::{Codec, FormatParams};
use str0m::media::{Direction, Frequency, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::Extension;
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::formats::Formats;
use crate::keys::{self, Agreed};
use crate::listener::Listener;
use crate::source::{Source, Track};
use crate::stamp::Clock;
use crate::tally::Tally;

const OPUS: u8 = 111;
const VP8: u8 = 96;
const VP8_RETRANSMISSION: u8 = 97;

pub enum Role {
    Publisher(Source),
    Subscriber(Box<Listener>),
}

pub struct Peer {
    pub id: u64,
    pub role: Role,
    pub socket: UdpSocket,
    pub keyframe_requests: u64,
    pub connected: bool,
    rtc: Rtc,
    address: SocketAddr,
    feedback: bool,
    mids: Option<[Mid; 2]>,
    pending: Option<SdpPendingOffer>,
    remote: Option<SocketAddr>,
    deadline: Instant,
}

impl Peer {
    pub fn new(id: u64, role: Role, feedback: bool, local: IpAddr, now: Instant) -> io::Result<Self> {
        let socket = bind(SocketAddr::new(local, 0))?;
        let address = socket.local_addr()?;
        let mut config = Rtc::builder()
            .set_crypto_provider(keys::provider())
            .set_rtp_mode(true)
            .set_stats_interval(None)
            .clear_codecs()
            .enable_opus(true, false)
            .clear_extension_map()
            .set_extension(4, Extension::RtpMid);
        let resend = feedback.then(|| VP8_RETRANSMISSION.into());
        config.codec_config().add_config(
            VP8.into(),
            resend,
            Codec::Vp8,
            Frequency::NINETY_KHZ,
            None,
            FormatParams::default(),
        );
        if feedback {
            config = config.set_extension(3, Extension::TransportSequenceNumber);
        }
        let mut rtc = config.build(now);
        let candidate = Candidate::host(address, "udp").map_err(io::Error::other)?;
        rtc.add_local_candidate(candidate);
        Ok(Self {
            id,
            role,
            socket,
            keyframe_requests: 0,
            connected: false,
            rtc,
            address,
            feedback,
            mids: None,
            pending: None,
            remote: None,
            deadline: now,
        })
    }

    pub fn offer(&mut self) -> Result<String, String> {
        let direction = match self.role {
            Role::Publisher(_) => Direction::SendOnly,
            Role::Subscriber(_) => Direction::RecvOnly,
        };
        let mut api = self.rtc.sdp_api();
        let add = |kind| api.add_media(kind, direction, None, None, None);
        self.mids = Some([MediaKind::Audio, MediaKind::Video].map(add));
        let (offer, pending) = api.apply().ok_or("nothing to offer")?;
        self.pending = Some(pending);
        Ok(self.spoken(&offer.to_sdp_string()))
    }

    pub fn answer(&mut self, offer: &str) -> Result<String, String> {
        self.negotiated(offer);
        let offer = SdpOffer::from_sdp_string(offer).map_err(|error| error.to_string())?;
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(|error| error.to_string())?;
        Ok(self.spoken(&answer.to_sdp_string()))
    }

    pub fn answered(&mut self, answer: &str) -> Result<(), String> {
        let pending = self.pending.take().ok_or("no offer of this peer is pending")?;
        self.negotiated(answer);
        let answer = SdpAnswer::from_sdp_string(answer).map_err(|error| error.to_string())?;
        self.rtc.sdp_api().accept_answer(pending, answer).map_err(|error| error.to_string())
    }

    /// A description as it leaves: without feedback it asks for key frames and for nothing else.
    fn spoken(&self, sdp: &str) -> String {
        let silent = |line: &&str| {
            line.starts_with("a=rtcp-fb:")
                && [" nack", " transport-cc", " goog-remb"].iter().any(|end| line.ends_with(end))
        };
        let lines = sdp.lines().filter(|line| self.feedback || !silent(line));
        lines.flat_map(|line| [line, "\r\n"]).collect()
    }

    fn negotiated(&mut self, remote: &str) {
        self.deadline = Instant::now(); // there is somebody to connect to
        if let Role::Subscriber(listener) = &mut self.role {
            listener.negotiated(Formats::parse(remote));
        }
    }

    /// Read everything that has arrived.
    pub fn receive(
        &mut self,
        receiver: &mut Receiver,
        clock: Clock,
        tally: &mut Tally,
    ) -> Result<(), String> {
        loop {
            let more = receiver.receive(&self.socket);
            let now = Instant::now();
            let now_ns = clock.ns(now);
            for (source, datagram) in receiver.datagrams() {
                let Some(source) = source else { continue };
                match (&mut self.role, datagram) {
                    // RFC 7983 §7 and RFC 5761 §4: RTP and RTCP, told apart by the packet type.
                    (Role::Subscriber(listener), [128..=191, kind, ..]) => {
                        if !(192..=223).contains(kind) {
                            listener.packet(datagram, now_ns, tally);
                        }
                    }
                    _ => {
                        if let Ok(receive) = Receive::new(Protocol::Udp, source, self.address, datagram) {
                            let input = Input::Receive(now, receive);
                            self.rtc.handle_input(input).map_err(|error| error.to_string())?;
                            self.drive(now)?;
                        }
                    }
                }
            }
            if !more {
                break;
            }
        }
        self.report(Instant::now());
        Ok(())
    }

    /// Send reports that are due.
    fn report(&mut self, now: Instant) {
        let (Role::Subscriber(listener), Some(remote)) = (&mut self.role, self.remote) else { return };
        for report in listener.reports(now) {
            let _ = self.socket.send_to(&report, remote); // a lost report is the network's right
        }
    }

    pub fn due(&self) -> Instant {
        let own = match &self.role {
            Role::Publisher(source) => source.due(),
            Role::Subscriber(listener) => listener.due(),
        };
        own.map_or(self.deadline, |own| own.min(self.deadline))
    }

    /// Do what is due.
    pub fn tick(&mut self, now: Instant, clock: Clock, tally: &Tally) -> Result<(), String> {
        let tracks = self.tracks();
        if let (Role::Publisher(source), Some(tracks)) = (&mut self.role, tracks) {
            while source.due().is_some_and(|due| due <= now) {
                source.write(Instant::now().max(now), clock, &tally.window, &mut self.rtc, tracks);
            }
        }
        self.report(now);
        self.rtc.handle_input(Input::Timeout(now)).map_err(|error| error.to_string())?;
        self.drive(now)
    }

    fn tracks(&self) -> Option<[Track; 2]> {
        let [audio, video] = self.mids?;
        Some([
            Track { mid: audio, payload_type: OPUS.into() },
            Track { mid: video, payload_type: VP8.into() },
        ])
    }

    fn drive(&mut self, now: Instant) -> Result<(), String> {
        loop {
            let output = self.rtc.poll_output().map_err(|error| error.to_string())?;
            if let Some(agreed) = keys::take() {
                self.agreed(&agreed, now)?;
            }
            match output {
                Output::Timeout(at) if at <= now => {
                    self.rtc.handle_input(Input::Timeout(now)).map_err(|error| error.to_string())?;
                }
                Output::Timeout(at) => {
                    self.deadline = at;
                    return Ok(());
                }
                Output::Transmit(datagram) => {
                    self.remote = Some(datagram.destination);
                    let rtcp = matches!(datagram.contents.first(), Some(128..=191));
                    // A subscriber's RTCP is the listener's: two numberings under one key would be refused.
                    if !(rtcp && matches!(self.role, Role::Subscriber(_))) {
                        let _ = self.socket.send_to(&datagram.contents, datagram.destination); // a full socket loses
                    }
                }
                Output::Event(event) => self.note(&event, now),
            }
        }
    }

    fn agreed(&mut self, agreed: &Agreed, now: Instant) -> Result<(), String> {
        let Role::Subscriber(listener) = &mut self.role else { return Ok(()) };
        let spoken = listener.agreed(agreed, now);
        spoken
            .then_some(())
            .ok_or_else(|| format!("{:?} was agreed on, which is not AES-GCM", agreed.profile))
    }

    fn note(&mut self, event: &Event, now: Instant) {
        match (event, &mut self.role) {
            (Event::Connected, role) => {
                self.connected = true;
                if let Role::Publisher(source) = role {
                    source.begin(now);
                }
            }
            (Event::KeyframeRequest(_), Role::Publisher(source)) => {
                source.want_keyframe();
                self.keyframe_requests += 1;
            }
            _ => {}
        }
    }
}
