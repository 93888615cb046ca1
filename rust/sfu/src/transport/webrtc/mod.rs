//! A client's session by str0m, and the sections it has negotiated.
//!
//! str0m may panic on input it did not foresee. Every call into it goes through [`WebRtc::guarded`]: a panic ends
//! this transport and nothing else.

mod handshake;
mod reach;
mod routing;
mod sections;
mod ssrcs;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::change::SdpOffer;
use str0m::channel::ChannelId;
use str0m::config::DtlsCert;
use str0m::crypto::CryptoProvider;
use str0m::ice::{IceCreds, StunMessage};
use str0m::media::{KeyframeRequestKind, Mid, Rid};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::Ssrc;
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError};

use super::{Common, TransportEvent};
use crate::channel::{self, Channels, Groups, Saying};
use crate::clock::{self, Clock};
use crate::codec;
use crate::demux;
use crate::egress::{Egress, SendStream};
use crate::extensions;
use crate::fault::{Fault, NegotiationError, panic_message};
use crate::id::GroupId;
use crate::outlet::Outlet;
use crate::path::Path;
use crate::producer::Sync;
use crate::sdp::{self, Outline};
use crate::srtp::{self, Exported, Opener, Refused};
use handshake::Handshake;
use routing::Routing;
use ssrcs::Ssrcs;

/// Candidates taken from the peer. An ICE-lite agent does not need any.
const MAX_CANDIDATES: usize = 32;
/// Streams whose section is remembered. Far more than a peer has.
const MAX_STREAMS: usize = 4096;
/// How long a peer that has stopped its ICE checks may take to come back, perhaps from another network.
const ICE_GRACE: Duration = Duration::from_secs(10);
/// Rounds of polling without time going on before str0m is left alone for a moment.
const MAX_ROUNDS: u32 = 64;
/// Packets that str0m keeps of each stream it sends, of which there are none.
const SEND_BUFFER: usize = 1;
/// A publisher's wall clock that is off by more than this from one report to the next was set anew.
const CLOCK_STEP: u64 = 1 << 32;

/// What every transport of a thread has in common.
#[derive(Clone, Debug)]
pub struct Setup {
    pub certificate: DtlsCert,
    /// From [`srtp::crypto_provider`].
    pub crypto: Arc<CryptoProvider>,
    /// Local address of each socket of the thread.
    pub addresses: Vec<SocketAddr>,
    /// Whether TCP is listened for on the same ports.
    pub tcp: bool,
    /// Shared by all threads.
    pub groups: Arc<Groups>,
    pub connect_timeout: Duration,
    pub clock: Clock,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    Done,
    /// It was not for str0m to read.
    Unreadable,
    /// A packet whose sender none of the sections can be told to have.
    OfNoSection {
        ssrc: u32,
        payload_type: u8,
    },
}

pub struct WebRtc {
    rtc: Rtc,
    exported: Exported,
    opener: Option<Opener>,
    clock: Clock,
    /// Our wall clock minus the peer's, in NTP format.
    clock_offset: Option<u64>,
    outline: Outline,
    routing: Routing,
    credentials: IceCreds,
    /// The peer's.
    remote: Option<IceCreds>,
    handshake: Handshake,
    streams: HashMap<Ssrc, (Mid, Option<Rid>)>,
    candidates: usize,
    connecting: bool,
    connected: bool,
    connect_by: Option<Instant>,
    silent_since: Option<Instant>,
    rtc_deadline: Instant,
    sabotaged: bool,
    /// The SSRCs of each section on which we send, or did: the stream's, and its retransmissions'. They are in our
    /// answers and str0m sends nothing with them.
    ssrcs: Ssrcs,
}

impl WebRtc {
    pub fn new(setup: &Setup, now: Instant) -> Result<Self, Fault> {
        let routing = Routing::default();
        let extensions = extensions::readers(&routing.current);
        let (rtc, exported) = srtp::exporting(|| {
            unwind(|| {
                let config = Rtc::builder()
                    .set_crypto_provider(setup.crypto.clone())
                    .set_ice_lite(true)
                    .set_rtp_mode(true)
                    .set_dtls_cert(setup.certificate.clone())
                    .set_extension_map(extensions)
                    .set_send_buffer_audio(SEND_BUFFER)
                    .set_send_buffer_video(SEND_BUFFER);
                let mut rtc = codec::configure(channel::configure(config)).build(now);
                for address in &setup.addresses {
                    rtc.add_local_candidate(Candidate::host(*address, "udp")?);
                    if setup.tcp {
                        let passive = Candidate::builder().tcp().host(*address).tcptype(TcpType::Passive);
                        rtc.add_local_candidate(passive.build()?);
                    }
                }
                Ok(rtc)
            })
        });
        Ok(Self {
            rtc: rtc?,
            exported,
            opener: None,
            clock: setup.clock,
            clock_offset: None,
            outline: Outline::default(),
            routing,
            credentials: IceCreds { ufrag: String::new(), pass: String::new() },
            remote: None,
            handshake: Handshake::default(),
            streams: HashMap::new(),
            candidates: 0,
            connecting: false,
            connected: false,
            connect_by: Some(now + setup.connect_timeout),
            silent_since: None,
            rtc_deadline: now,
            sabotaged: false,
            ssrcs: HashMap::new(),
        })
    }

    /// Apply an offer and return the answer. [`Self::ufrag`] may have changed.
    pub fn negotiate(&mut self, common: &mut Common, offer: &str) -> Result<String, NegotiationError> {
        let refused = |reason: &dyn std::fmt::Display| NegotiationError::Refused(reason.to_string());
        let prepared = sdp::prepare(offer, &self.outline).map_err(|refusal| refused(&refusal))?;
        let (outline, canonical) = (prepared.outline, prepared.canonical);
        // What is written here can be read; how str0m says that it cannot is for nobody.
        let parsed = unwind(|| SdpOffer::from_sdp_string(&canonical).map_err(RtcError::Sdp))
            .map_err(|_| refused(&"offer cannot be read"))?;
        let mut ssrcs = std::mem::take(&mut self.ssrcs);
        let known: Vec<Mid> = ssrcs.keys().copied().collect();
        let (answer, credentials) = self
            .guarded(|rtc| {
                ssrcs::lend(rtc, &ssrcs);
                let answer = rtc.sdp_api().accept_offer(parsed)?.to_sdp_string();
                ssrcs::take_back(rtc, &outline, &mut ssrcs);
                Ok((answer, rtc.direct_api().local_ice_credentials()))
            })
            .map_err(|fault| match fault {
                Fault::Dtls(reason) | Fault::Other(reason) => {
                    NegotiationError::Broken(Fault::Other(format!("offer not acceptable: {reason}")))
                }
                other => NegotiationError::Broken(other),
            })?;
        self.outline = outline;
        self.remote = sdp::credentials(&canonical).map(|(ufrag, pass)| IceCreds { ufrag, pass });
        self.routing.update(&self.outline);
        if self.credentials.ufrag != credentials.ufrag {
            self.credentials = credentials;
            common.paths.restart();
        }
        self.streams.clear();
        for (mid, (ssrc, rtx)) in ssrcs.iter().filter(|(mid, _)| !known.contains(mid)) {
            common.send_streams.insert(*mid, SendStream::new(**ssrc, rtx.map(|rtx| *rtx)));
        }
        self.ssrcs = ssrcs;
        let rtc = &self.rtc;
        common.resting.retain(|mid, _| rtc.media(*mid).is_some());
        common.send_streams.retain(|mid, _| rtc.media(*mid).is_some());
        self.ssrcs.retain(|mid, _| rtc.media(*mid).is_some());
        Ok(sdp::answer(offer, &answer, &self.outline))
    }

    /// What the core calls the section that the peer calls `name`.
    pub fn mid_of(&self, name: &str) -> Mid {
        self.outline.named(name).map_or_else(|| name.into(), |section| section.mid)
    }

    /// The user name the peer's STUN requests carry.
    pub fn ufrag(&self) -> &str {
        &self.credentials.ufrag
    }

    pub fn add_candidate(&mut self, candidate: &str) -> Result<(), Fault> {
        if self.candidates >= MAX_CANDIDATES {
            return Ok(());
        }
        self.candidates += 1;
        self.guarded(|rtc| {
            // Names (mDNS) do not parse and TCP is not listened for: such candidates are of no use and no harm.
            if let Ok(candidate) = Candidate::from_sdp_string(candidate)
                && candidate.proto() == Protocol::Udp
            {
                rtc.add_remote_candidate(candidate);
            }
            Ok(())
        })
    }

    /// Whether this is a STUN request that carries our password (RFC 8445 §7.3). str0m does not ask for it where the
    /// sender's address looks familiar.
    pub fn has_signed(&self, datagram: &[u8]) -> bool {
        let hmac = str0m::crypto::from_feature_flags().sha1_hmac_provider;
        let password = self.credentials.pass.as_bytes();
        catch_unwind(AssertUnwindSafe(|| {
            StunMessage::parse(datagram).is_ok_and(|message| {
                message.is_binding_request()
                    && message.verify(password, |key, parts| hmac.sha1_hmac(key, parts))
            })
        }))
        .unwrap_or(false)
    }

    /// Take in a datagram.
    pub fn receive(&mut self, now: Instant, path: Path, datagram: &[u8]) -> Result<Read, Fault> {
        let connected = self.connected;
        if !connected {
            self.handshake.came_by = Some(path);
        }
        let unknown = if demux::is_rtp(datagram) { self.routing.look(datagram) } else { None };
        if let Some(unknown) = unknown {
            self.routed(|routing, rtc| routing.introduce(rtc, datagram, unknown))?;
        }
        let read = self.guarded(|rtc| {
            let Ok(receive) = Receive::new(path.protocol, path.remote, path.local, datagram) else {
                return Ok(false);
            };
            match rtc.handle_input(Input::Receive(now, receive)) {
                // Once connected, a datagram that cannot be read is as good as lost: anyone can send one. A session
                // that has really failed says so when polled.
                Err(_) if connected && rtc.is_alive() => Ok(false),
                result => result.map(|()| true),
            }
        })?;
        match unknown {
            Some(unknown) if !self.routed(|routing, rtc| routing.settle(rtc, unknown))? => {
                Ok(Read::OfNoSection { ssrc: unknown.ssrc, payload_type: unknown.payload_type })
            }
            _ => Ok(if read { Read::Done } else { Read::Unreadable }),
        }
    }

    /// True the first time: that packets of this peer are of no section.
    pub fn note_unroutable(&mut self) -> bool {
        !std::mem::replace(&mut self.routing.told, true)
    }

    fn routed<T>(&mut self, f: impl FnOnce(&mut Routing, &mut Rtc) -> T) -> Result<T, Fault> {
        let mut routing = std::mem::take(&mut self.routing);
        let result = self.guarded(|rtc| Ok(f(&mut routing, rtc)));
        self.routing = routing;
        result
    }

    /// Let time pass.
    pub fn tick(&mut self, now: Instant) -> Result<(), Fault> {
        if self.connect_by.is_some_and(|deadline| deadline <= now) {
            return Err(Fault::NeverConnected);
        }
        if self.silent_since.is_some_and(|since| since + ICE_GRACE <= now) {
            return Err(Fault::IceTimeout);
        }
        self.guarded(|rtc| rtc.handle_input(Input::Timeout(now)))
    }

    /// Take out all that str0m has to say, and note when it wants to be woken.
    pub fn poll(
        &mut self,
        common: &mut Common,
        now: Instant,
        outlet: &mut dyn Outlet,
        mut happened: impl FnMut(TransportEvent),
    ) -> Result<(), Fault> {
        for _ in 0..MAX_ROUNDS {
            loop {
                match self.guarded(Rtc::poll_output)? {
                    Output::Timeout(deadline) => {
                        self.rtc_deadline = deadline;
                        break;
                    }
                    Output::Transmit(packet) => self.transmit(common, &packet, now, outlet),
                    Output::Event(event) => self.note(common, event, now, &mut happened)?,
                }
            }
            if !self.rtc.is_alive() {
                return Err(Fault::Closed);
            }
            if self.rtc_deadline > now {
                return Ok(());
            }
            self.guarded(|rtc| rtc.handle_input(Input::Timeout(now)))?;
        }
        self.rtc_deadline = now + Duration::from_millis(1);
        Ok(())
    }

    fn note(
        &mut self,
        common: &mut Common,
        event: Event,
        now: Instant,
        happened: &mut impl FnMut(TransportEvent),
    ) -> Result<(), Fault> {
        match event {
            Event::Connected => {
                self.connected = true;
                self.connect_by = None;
                if let Some(path) = std::mem::take(&mut self.handshake).only_way() {
                    common.paths.prove(path, now);
                }
                self.start_egress(common, now)?;
                happened(TransportEvent::Connected);
            }
            // Before that, the time to connect runs.
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) if self.connected => {
                self.silent_since.get_or_insert(now);
            }
            Event::IceConnectionStateChange(state) if state.is_connected() => self.silent_since = None,
            Event::RtpPacket(packet) => {
                if let Some((mid, rid)) = self.section_of(packet.header.ssrc)? {
                    happened(TransportEvent::Packet { mid, rid, packet: packet.into() });
                }
            }
            Event::ChannelOpen(channel, label) if common.group != GroupId::NONE => {
                happened(TransportEvent::ChannelOpen { channel, label });
            }
            Event::ChannelClose(channel) => happened(TransportEvent::ChannelClosed { channel }),
            Event::ChannelData(message) => happened(TransportEvent::Said(message)),
            Event::SenderFeedback(report) => {
                let sync = self.sync(&report.sender_info, report.received_at);
                happened(TransportEvent::Synced { mid: report.mid, ssrc: *report.sender_info.ssrc, sync });
            }
            Event::Closed => return Err(Fault::Closed),
            _ => {}
        }
        Ok(())
    }

    /// Header extensions name the section on the first packets only; str0m remembers, and so does this.
    fn section_of(&mut self, ssrc: Ssrc) -> Result<Option<(Mid, Option<Rid>)>, Fault> {
        if let Some(section) = self.streams.get(&ssrc) {
            return Ok(Some(*section));
        }
        let section =
            self.guarded(|rtc| Ok(rtc.direct_api().stream_rx(&ssrc).map(|s| (s.mid(), s.rid()))))?;
        let section = section.map(|(mid, rid)| (mid, rid.or_else(|| self.outline.layer_of(mid, *ssrc))));
        if let Some(section) = section
            && self.streams.len() < MAX_STREAMS
        {
            self.streams.insert(ssrc, section);
        }
        Ok(section)
    }

    /// When to call [`Self::tick`].
    pub fn deadline(&self) -> Instant {
        let silence = self.silent_since.map(|since| since + ICE_GRACE);
        [self.connect_by, silence].into_iter().flatten().fold(self.rtc_deadline, Instant::min)
    }

    pub fn connected(&self) -> bool {
        self.connected
    }

    /// Whether it is connected, or will be within moments: the DTLS handshake has begun.
    pub fn connects(&self) -> bool {
        self.connecting
    }

    /// Note that the DTLS handshake has begun; true if that is new.
    pub fn note_connecting(&mut self, datagram: &[u8]) -> bool {
        !self.connecting && demux::is_dtls(datagram) && !std::mem::replace(&mut self.connecting, true)
    }

    /// Open an SRTCP packet in place; None if there are no keys yet.
    pub fn open<'a>(&mut self, packet: &'a mut [u8]) -> Option<Result<&'a [u8], Refused>> {
        Some(self.opener.as_mut()?.open(packet))
    }

    /// DTLS is up: take the keys.
    fn start_egress(&mut self, common: &mut Common, now: Instant) -> Result<(), Fault> {
        let ready = self.exported.take().and_then(|keys| Some((keys.sealer()?, keys.opener()?)));
        let (sealer, opener) = ready.ok_or_else(|| Fault::Dtls("no keys for SRTP".to_owned()))?;
        common.egress = Some(Egress::new(sealer, common.stats.clone(), now));
        self.opener = Some(opener);
        Ok(())
    }

    /// What a sender report says, by our wall clock. The peer's differs by an unknown amount and the time the report
    /// took, which is taken to be what it was for the first: so what was together stays together.
    fn sync(&mut self, info: &str0m::rtp::rtcp::SenderInfo, received: Instant) -> Sync {
        let theirs = clock::ntp(info.ntp_time);
        let offset = self.clock.at(received).ntp.wrapping_sub(theirs);
        let known = self
            .clock_offset
            .filter(|known| offset.wrapping_sub(*known).cast_signed().unsigned_abs() < CLOCK_STEP);
        let offset = *self.clock_offset.insert(known.unwrap_or(offset));
        Sync { rtp: info.rtp_time.numer() as u32, ntp: theirs.wrapping_add(offset) }
    }

    /// Ask the peer for a key frame; false if it cannot be asked yet.
    pub fn request_keyframe(&mut self, mid: Mid, ssrc: u32) -> Result<bool, Fault> {
        let connected = self.connected;
        self.guarded(|rtc| {
            let params = rtc.codec_config().params();
            let takes_pli = rtc.media(mid).is_some_and(|media| {
                let mut negotiated =
                    media.remote_pts().iter().filter_map(|pt| params.iter().find(|p| p.pt() == *pt));
                negotiated.next().is_none_or(|p| p.fb_pli() || !p.fb_fir())
            });
            let kind = if takes_pli { KeyframeRequestKind::Pli } else { KeyframeRequestKind::Fir };
            let mut api = rtc.direct_api();
            let Some(stream) = api.stream_rx(&ssrc.into()) else { return Ok(false) };
            stream.request_keyframe(kind);
            Ok(connected)
        })
    }

    /// Say something on every channel of its label; on how many, and on how many it did not fit.
    pub fn say(&mut self, channels: &Channels, saying: &Saying) -> Result<(u64, u64), Fault> {
        let listening = channels.labelled(&saying.label);
        self.guarded(|rtc| {
            let mut said = 0;
            for channel in &listening {
                let written =
                    rtc.channel(*channel).map(|mut channel| channel.write(saying.binary, &saying.data));
                said += u64::from(matches!(written, Some(Ok(true))));
            }
            Ok((said, listening.len() as u64 - said))
        })
    }

    pub fn close_channel(&mut self, channel: ChannelId) -> Result<(), Fault> {
        self.guarded(|rtc| {
            rtc.direct_api().close_data_channel(channel);
            Ok(())
        })
    }

    /// Say goodbye: RTCP BYE and DTLS `close_notify`, to be polled.
    pub fn close(&mut self) -> Result<(), Fault> {
        self.guarded(Rtc::close)
    }

    /// Run `f` on the session; a panic becomes a fault.
    fn guarded<T>(&mut self, f: impl FnOnce(&mut Rtc) -> Result<T, RtcError>) -> Result<T, Fault> {
        let rtc = &mut self.rtc;
        let sabotaged = self.sabotaged;
        unwind(|| {
            assert!(!sabotaged, "sabotaged");
            f(rtc)
        })
    }

    /// Make the next call into str0m panic, as a test of what happens then.
    pub(crate) fn sabotage(&mut self) {
        self.sabotaged = true;
    }
}

fn unwind<T>(f: impl FnOnce() -> Result<T, RtcError>) -> Result<T, Fault> {
    // A session that panicked is dropped without another call, so its broken invariants reach nobody.
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => Ok(result?),
        Err(payload) => Err(Fault::Panic(panic_message(payload.as_ref()).to_owned())),
    }
}
