//! One peer: a session, and what it carries. What is sent, and how much, is the same whatever the session is.

pub mod rtp;
pub mod webrtc;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use str0m::channel::{ChannelData, ChannelId};
use str0m::format::CodecSpec;
use str0m::media::{Mid, Rid};

use crate::channel::Channels;
use crate::egress::{Egress, Route, SendStream};
use crate::fault::Fault;
use crate::forward::Forward;
use crate::id::{ConsumerId, GroupId, ProducerId, TransportId};
use crate::io::prefetch;
use crate::outlet::Outlet;
use crate::packet::RtpPacket;
use crate::path::Path;
use crate::paths::Paths;
use crate::producer::{Incoming, Sync};
use crate::rate::Rate;
use crate::srtp::Refused;
use crate::stats::TransportStats;
pub use rtp::Rtp;
pub use webrtc::{Read, Setup, WebRtc};

/// What every transport has.
pub struct Common {
    pub stats: Arc<TransportStats>,
    pub paths: Paths,
    /// Names who records what comes of it: it is played together with all of the same name.
    pub cname: u64,
    pub group: GroupId,
    pub channels: Channels,
    pub rate: Rate,
    /// What we send; None before there are keys.
    pub egress: Option<Egress>,
    /// Streams of sections that are not subscribed at the moment.
    pub send_streams: HashMap<Mid, SendStream>,
    pub producers: HashMap<Mid, ProducerId>,
    pub consumers: HashMap<Mid, ConsumerId>,
    /// Numbering of sections that are not subscribed at the moment.
    pub resting: HashMap<Mid, Forward>,
}

impl Common {
    pub fn new(cname: u64, group: GroupId, stats: Arc<TransportStats>, now: Instant) -> Self {
        Self {
            stats,
            cname,
            paths: Paths::new(now),
            group,
            channels: Channels::new(now),
            rate: Rate::new(now),
            egress: None,
            send_streams: HashMap::new(),
            producers: HashMap::new(),
            consumers: HashMap::new(),
            resting: HashMap::new(),
        }
    }

    /// It will send in a moment.
    pub fn fetch(&self) {
        prefetch(&self.paths);
        prefetch(&self.egress);
    }

    /// A datagram came from the peer.
    pub fn hear(&mut self, now: Instant, path: Path, bytes: usize) {
        self.stats.packets_received.add(1);
        self.stats.bytes_received.add(bytes as u64);
        self.paths.hear(path, bytes, now);
    }
}

/// What a session reports, for the router to act on.
#[derive(Debug)]
pub enum TransportEvent {
    /// The peer has begun the DTLS handshake.
    Connecting,
    Connected,
    Packet {
        mid: Mid,
        rid: Option<Rid>,
        packet: RtpPacket,
    },
    ChannelOpen {
        channel: ChannelId,
        label: String,
    },
    ChannelClosed {
        channel: ChannelId,
    },
    Said(ChannelData),
    KeyframeWanted {
        mid: Mid,
    },
    /// The peer reported on a stream that it sends.
    Synced {
        mid: Mid,
        ssrc: u32,
        sync: Sync,
    },
    /// A peer of plain RTP sends from there.
    Latched(SocketAddr),
    /// It presses a key.
    Digit(char),
    /// It is to send, and does not; or does again.
    Silent(bool),
    /// A key frame is needed of a peer that cannot be asked by RTCP.
    PictureWanted {
        mid: Mid,
    },
    Ended(Fault),
}

/// Owned by the router of its thread.
pub struct Transport {
    pub common: Common,
    session: Session,
}

/// By which rules a peer is talked to.
enum Session {
    WebRtc(Box<WebRtc>),
    Rtp(Box<Rtp>),
}

impl Transport {
    /// A client's, which exists from its first offer on.
    pub fn webrtc(
        setup: &Setup,
        id: TransportId,
        group: GroupId,
        stats: Arc<TransportStats>,
        now: Instant,
    ) -> Result<Self, Fault> {
        let session = Session::WebRtc(Box::new(WebRtc::new(setup, now)?));
        Ok(Self { common: Common::new(id.0, group, stats, now), session })
    }

    /// A peer's of plain RTP, which carries nothing before it is configured.
    pub fn rtp(
        setup: &Setup,
        local: rtp::Local,
        (ssrc, cname): (u32, u64),
        stats: Arc<TransportStats>,
        now: Instant,
    ) -> Self {
        let mut common = Common::new(cname, GroupId::NONE, stats, now);
        let session = Session::Rtp(Box::new(Rtp::new(local, ssrc, setup.clock, &mut common, now)));
        Self { common, session }
    }

    /// Of a peer of plain RTP: its session.
    pub fn as_rtp(&mut self) -> Option<(&mut Rtp, &mut Common)> {
        match &mut self.session {
            Session::Rtp(session) => Some((session, &mut self.common)),
            Session::WebRtc(_) => None,
        }
    }

    pub fn is_rtp(&self) -> bool {
        matches!(self.session, Session::Rtp(_))
    }

    /// Of a client's: its session.
    pub fn as_webrtc(&mut self) -> Option<(&mut WebRtc, &mut Common)> {
        match &mut self.session {
            Session::WebRtc(session) => Some((session, &mut self.common)),
            Session::Rtp(_) => None,
        }
    }

    /// The user name that a client's STUN requests carry; None if it is no client.
    pub fn ufrag(&self) -> Option<&str> {
        match &self.session {
            Session::WebRtc(session) => Some(session.ufrag()),
            Session::Rtp(_) => None,
        }
    }

    /// What the core calls the section that the peer calls `name`.
    pub fn mid_of(&self, name: &str) -> Mid {
        match &self.session {
            Session::WebRtc(session) => session.mid_of(name),
            Session::Rtp(_) => name.into(),
        }
    }

    pub fn has_section(&self, mid: Mid) -> bool {
        match &self.session {
            Session::WebRtc(session) => session.has_section(mid),
            Session::Rtp(session) => session.is_configured() && is_rtp_section(mid),
        }
    }

    /// The format the peer sends on section `mid`.
    pub fn incoming(&self, mid: Mid) -> Option<Incoming> {
        match &self.session {
            Session::WebRtc(session) => session.incoming(mid),
            Session::Rtp(session) => session.incoming(),
        }
    }

    /// The names of the layers that arrive on section `mid`; none without simulcast.
    pub fn layers(&self, mid: Mid) -> Vec<Rid> {
        match &self.session {
            Session::WebRtc(session) => session.layers(mid),
            Session::Rtp(_) => Vec::new(),
        }
    }

    /// Whether we send on section `mid`, by what was agreed on last.
    pub fn sends(&self, mid: Mid) -> bool {
        match &self.session {
            Session::WebRtc(session) => session.sends(mid),
            Session::Rtp(session) => session.sends(),
        }
    }

    /// How `format` is sent on section `mid`; None if it is not.
    pub fn outgoing(&self, mid: Mid, format: &CodecSpec) -> Option<Route> {
        match &self.session {
            Session::WebRtc(session) => session.outgoing(mid, format),
            Session::Rtp(session) => session.outgoing(format),
        }
    }

    /// The section that sends with an SSRC.
    pub fn sender_of(&self, ssrc: u32) -> Option<Mid> {
        match &self.session {
            Session::WebRtc(session) => session.sender_of(ssrc),
            Session::Rtp(session) => (session.ssrc() == ssrc).then(|| rtp::SECTION.into()),
        }
    }

    /// All SSRCs that we send with.
    pub fn own_ssrcs(&self) -> Vec<u32> {
        match &self.session {
            Session::WebRtc(session) => session.own_ssrcs(),
            Session::Rtp(session) => vec![session.ssrc()],
        }
    }

    /// Whether media can be sent, or can be within moments.
    pub fn connects(&self) -> bool {
        match &self.session {
            Session::WebRtc(session) => session.connects(),
            Session::Rtp(session) => session.is_configured(),
        }
    }

    /// Ask the peer for a key frame; false if it cannot be asked yet.
    pub fn request_keyframe(&mut self, mid: Mid, ssrc: u32) -> Result<bool, Fault> {
        match &mut self.session {
            Session::WebRtc(session) => session.request_keyframe(mid, ssrc),
            Session::Rtp(session) => Ok(session.request_keyframe()),
        }
    }

    /// Open an SRTCP packet in place; None if there are no keys yet.
    pub fn open<'a>(&mut self, packet: &'a mut [u8]) -> Option<Result<&'a [u8], Refused>> {
        match &mut self.session {
            Session::WebRtc(session) => session.open(packet),
            Session::Rtp(session) => Some(session.open(packet)),
        }
    }

    /// Let time pass.
    pub fn tick(&mut self, now: Instant) -> Result<(), Fault> {
        match &mut self.session {
            Session::WebRtc(session) => session.tick(now),
            Session::Rtp(session) => {
                session.tick(now);
                Ok(())
            }
        }
    }

    /// Take out all that the session has to say, and note when it wants to be woken.
    pub fn poll(
        &mut self,
        now: Instant,
        outlet: &mut dyn Outlet,
        happened: impl FnMut(TransportEvent),
    ) -> Result<(), Fault> {
        match &mut self.session {
            Session::WebRtc(session) => session.poll(&mut self.common, now, outlet, happened),
            Session::Rtp(session) => {
                session.poll(&mut self.common, now, outlet, happened);
                Ok(())
            }
        }
    }

    /// When to call [`Self::tick`].
    pub fn deadline(&self, now: Instant) -> Instant {
        match &self.session {
            Session::WebRtc(session) => session.deadline(),
            Session::Rtp(session) => session.deadline(now),
        }
    }

    /// Say goodbye, to be polled.
    pub fn close(&mut self) -> Result<(), Fault> {
        match &mut self.session {
            Session::WebRtc(session) => session.close(),
            Session::Rtp(_) => Ok(()),
        }
    }

    /// Make the next call into the session panic, as a test of what happens then.
    pub(crate) fn sabotage(&mut self) {
        match &mut self.session {
            Session::WebRtc(session) => session.sabotage(),
            Session::Rtp(_) => {}
        }
    }
}

fn is_rtp_section(mid: Mid) -> bool {
    mid == Mid::from(rtp::SECTION)
}
