//! A peer: a full ICE agent that sends and receives RTP as it is told to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use palaver_sfu::id::{GroupId, TransportId};
use palaver_sfu::layers::dependency;
use palaver_sfu::srtp::{self, Exported, Sealer};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::crypto::CryptoProvider;
use str0m::format::{Codec, FormatParams};
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Pt, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::rtcp::Rtcp;
use str0m::rtp::{Extension, ExtensionValues, RawPacket, RtpHeader, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use super::Datagram;

/// What a section carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    Opus,
    /// Opus with redundancy preferred.
    Red,
    Pcmu,
    Pcma,
    G722,
    Vp8,
    Vp9,
    H264,
    /// Packetization mode 0.
    H264Single,
    H265,
    Av1,
}

impl Media {
    pub const AUDIO: [Self; 4] = [Self::Opus, Self::Pcmu, Self::Pcma, Self::G722];
    pub const VIDEO: [Self; 6] = [Self::Vp8, Self::Vp9, Self::H264, Self::H264Single, Self::H265, Self::Av1];

    pub fn is_video(self) -> bool {
        self != Self::Red && !Self::AUDIO.contains(&self)
    }

    pub fn codec(self) -> Codec {
        match self {
            Self::Opus | Self::Red => Codec::Opus,
            Self::Pcmu => Codec::PCMU,
            Self::Pcma => Codec::PCMA,
            Self::G722 => Codec::G722,
            Self::Vp8 => Codec::Vp8,
            Self::Vp9 => Codec::Vp9,
            Self::H264 | Self::H264Single => Codec::H264,
            Self::H265 => Codec::H265,
            Self::Av1 => Codec::Av1,
        }
    }

    fn kind(self) -> MediaKind {
        if self.is_video() { MediaKind::Video } else { MediaKind::Audio }
    }

    pub fn payload_type(self) -> Pt {
        match self {
            Self::Opus => 111,
            Self::Red => 63,
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::Vp8 => 96,
            Self::Vp9 => 98,
            Self::H264 => 102,
            Self::H264Single => 104,
            Self::H265 => 49,
            Self::Av1 => 45,
        }
        .into()
    }

    /// The first packet of a key frame; for audio any packet.
    pub fn key(self) -> Vec<u8> {
        match self {
            Self::Opus | Self::Red | Self::Pcmu | Self::Pcma | Self::G722 => vec![1, 2, 3],
            Self::Vp8 => vec![0x90, 0x80, 0x80, 1, 0x10, 2, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1],
            Self::Vp9 => vec![0x88, 0x12, 0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70],
            Self::H264 | Self::H264Single => vec![0x65, 1, 2, 3],
            Self::H265 => vec![0x26, 1, 2, 3],
            Self::Av1 => vec![0x18, 0x10, 0x30],
        }
    }

    /// A packet of another frame.
    pub fn delta(self) -> Vec<u8> {
        match self {
            Self::Opus | Self::Red | Self::Pcmu | Self::Pcma | Self::G722 => vec![4, 5, 6],
            Self::Vp8 => vec![0x90, 0x80, 0x80, 2, 0x11, 2, 0],
            Self::Vp9 => vec![0xc8, 0x13, 0x86, 0],
            Self::H264 | Self::H264Single => vec![0x41, 1, 2, 3],
            Self::H265 => vec![0x02, 1, 2, 3],
            Self::Av1 => vec![0x10, 0x30, 0],
        }
    }
}

/// Payload types as Chromium numbers them.
fn codecs(mut config: RtcConfig) -> RtcConfig {
    let dependency = Extension::with_serializer(dependency::URI, dependency::Serializer);
    config.extension_map().set(8, dependency);
    config = config.clear_codecs().enable_opus(true, true).enable_vp8(true);
    config = config.enable_pcmu(true, false).enable_pcma(true, false).enable_g722(true, false);
    let codecs = config.codec_config();
    let vp9 = FormatParams { profile_id: Some(0), ..FormatParams::default() };
    codecs.add_config(98.into(), Some(99.into()), Codec::Vp9, str0m::media::Frequency::NINETY_KHZ, None, vp9);
    codecs.add_h264(102.into(), Some(103.into()), true, 0x42_e01f);
    codecs.add_h264(104.into(), Some(105.into()), false, 0x42_e01f);
    codecs.add_h265(49.into(), Some(50.into()), 1, 0, 180); // main profile, level 6
    codecs.enable_av1(true);
    config
}

/// Leave each section its one codec and that codec's retransmissions, unless they are `plain`.
fn narrow(offer: &str, media: &[Media], plain: bool) -> String {
    let mut sections = offer.split("\r\nm=");
    let mut narrowed = sections.next().unwrap().to_owned() + "\r\n";
    let mut media = media.iter();
    for section in sections {
        if section.starts_with("application") {
            narrowed += &format!("m={}\r\n", section.trim_end());
            continue;
        }
        let media = media.next().unwrap();
        let primary = *media.payload_type();
        let types = match media {
            Media::Red => vec![primary, *Media::Opus.payload_type()],
            media if media.is_video() && !plain => vec![primary, primary + 1],
            _ => vec![primary],
        };
        let keeps = |line: &&str| {
            let described =
                ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().find_map(|name| line.strip_prefix(name));
            described
                .and_then(|rest| rest.split(' ').next())
                .is_none_or(|pt| types.iter().any(|t| pt == t.to_string()))
        };
        let mut lines = section.lines();
        let head: Vec<&str> = lines.next().unwrap().split(' ').take(3).collect();
        let list: Vec<String> = types.iter().map(u8::to_string).collect();
        narrowed += &format!("m={} {}\r\n", head.join(" "), list.join(" "));
        lines.filter(keeps).for_each(|line| narrowed += &format!("{line}\r\n"));
    }
    narrowed
}

fn without_transport_cc(offer: &str) -> String {
    let keeps = |line: &&str| !line.contains("transport-cc") && !line.contains("transport-wide-cc");
    offer.lines().filter(keeps).fold(String::new(), |offer, line| offer + line + "\r\n")
}

#[expect(clippy::struct_excessive_bools, reason = "things a test asks about, not states")]
pub struct Client {
    pub rtc: Rtc,
    pub transport: TransportId,
    pub group: GroupId,
    pub address: SocketAddr,
    protocol: Protocol,
    pub server_ufrag: String,
    pub offered: bool,
    pub connected: bool,
    /// The other side has closed.
    pub closed: bool,
    /// Never hears an answer to what it says by DTLS.
    pub half_open: bool,
    /// Nothing gets in or out.
    pub unplugged: bool,
    pub received: Vec<(String, RtpPacket)>,
    /// Labels and contents of what was heard on data channels.
    pub heard: Vec<(String, Vec<u8>)>,
    pub channels: HashMap<ChannelId, String>,
    pub closed_channels: usize,
    /// Everything that could be opened, retransmissions and padding too, without its payload.
    pub headers: Vec<RtpHeader>,
    pub reports: Vec<(Instant, Rtcp)>,
    /// Retransmissions are not offered.
    pub plain: bool,
    /// Transport-wide feedback is not offered.
    pub old: bool,
    exported: Exported,
    sealer: Option<Sealer>,
    pub keyframe_requests: Vec<Instant>,
    /// Those of them that were not answered yet: which layer, and when.
    pub keyframes_wanted: Vec<(Option<Rid>, Instant)>,
    outgoing: Vec<Datagram>,
    wanted: Vec<(Media, Direction, Option<Simulcast>)>,
    wanted_channels: Vec<ChannelConfig>,
    directions: Vec<(usize, Direction)>,
    mids: Vec<Mid>,
    media: Vec<Media>,
    pending: Option<SdpPendingOffer>,
    next_seq: u64,
    now: Instant,
}

impl Client {
    pub fn new(transport: TransportId, address: SocketAddr, now: Instant) -> Self {
        Self::over(Protocol::Udp, transport, address, now)
    }

    /// A client that has but one way out: from `address`, by `protocol`.
    pub fn over(protocol: Protocol, transport: TransportId, address: SocketAddr, now: Instant) -> Self {
        Self::with_crypto(protocol, transport, address, now, srtp::crypto_provider())
    }

    pub fn with_crypto(
        protocol: Protocol,
        transport: TransportId,
        address: SocketAddr,
        now: Instant,
        crypto: Arc<CryptoProvider>,
    ) -> Self {
        let config = codecs(Rtc::builder()).set_rtp_mode(true).enable_raw_packets(true);
        let (mut rtc, exported) = srtp::exporting(|| config.set_crypto_provider(crypto).build(now));
        rtc.add_local_candidate(match protocol {
            Protocol::Tcp => {
                Candidate::builder().tcp().host(address).tcptype(TcpType::Active).build().unwrap()
            }
            _ => Candidate::host(address, protocol).unwrap(),
        });
        Self {
            rtc,
            transport,
            group: GroupId::NONE,
            address,
            protocol,
            server_ufrag: String::new(),
            offered: false,
            connected: false,
            closed: false,
            half_open: false,
            unplugged: false,
            received: Vec::new(),
            heard: Vec::new(),
            channels: HashMap::new(),
            closed_channels: 0,
            headers: Vec::new(),
            reports: Vec::new(),
            plain: false,
            old: false,
            exported,
            sealer: None,
            keyframe_requests: Vec::new(),
            keyframes_wanted: Vec::new(),
            outgoing: Vec::new(),
            wanted: Vec::new(),
            wanted_channels: Vec::new(),
            directions: Vec::new(),
            mids: Vec::new(),
            media: Vec::new(),
            pending: None,
            next_seq: 60_000,
            now,
        }
    }

    /// Add a section to the next offer.
    pub fn add(&mut self, media: Media, direction: Direction) {
        self.wanted.push((media, direction, None));
    }

    /// Add a section that sends these layers; without names, one.
    pub fn add_layers(&mut self, media: Media, rids: &[&str]) {
        let layer = |rid: &&str| SimulcastLayer::new(rid);
        let simulcast = Simulcast { send: rids.iter().map(layer).collect(), recv: Vec::new() };
        let simulcast = (!rids.is_empty()).then_some(simulcast);
        self.wanted.push((media, Direction::SendOnly, simulcast));
    }

    /// Change a section's direction in the next offer.
    pub fn turn(&mut self, index: usize, direction: Direction) {
        self.directions.push((index, direction));
    }

    /// Open a data channel: with the next offer if there is none yet, or else at once.
    pub fn open(&mut self, config: ChannelConfig) {
        if self.offered {
            self.rtc.direct_api().create_data_channel(config);
        } else {
            self.wanted_channels.push(config);
        }
    }

    /// Say something on the open channel called `label`; false if it does not fit.
    pub fn say(&mut self, label: &str, data: &[u8]) -> bool {
        let (id, _) = self.channels.iter().find(|(_, other)| *other == label).unwrap();
        let said = self.rtc.channel(*id).unwrap().write(true, data).unwrap();
        self.rtc.handle_input(Input::Timeout(self.now)).unwrap();
        self.drain();
        said
    }

    pub fn mid(&self, index: usize) -> String {
        self.mids[index].to_string()
    }

    pub fn offer(&mut self) -> String {
        let mut api = self.rtc.sdp_api();
        for (media, direction, simulcast) in self.wanted.drain(..) {
            self.mids.push(api.add_media(media.kind(), direction, None, None, simulcast));
            self.media.push(media);
        }
        for config in self.wanted_channels.drain(..) {
            api.add_channel_with_config(config);
        }
        for (index, direction) in self.directions.drain(..) {
            api.set_direction(self.mids[index], direction);
        }
        let (offer, pending) = api.apply().expect("something to offer");
        self.pending = Some(pending);
        let offer = narrow(&offer.to_sdp_string(), &self.media, self.plain);
        if self.old { without_transport_cc(&offer) } else { offer }
    }

    /// Offer new ICE credentials.
    pub fn restart_ice(&mut self) -> String {
        let mut api = self.rtc.sdp_api();
        api.ice_restart(true);
        let (offer, pending) = api.apply().unwrap();
        self.pending = Some(pending);
        narrow(&offer.to_sdp_string(), &self.media, self.plain)
    }

    pub fn answered(&mut self, answer: &str) {
        let ufrag = answer.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap();
        ufrag.trim().clone_into(&mut self.server_ufrag);
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
    }

    /// Send one packet; returns its sequence number.
    pub fn send(&mut self, index: usize, media: Media, payload: &[u8], timestamp: u32) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.send_as(index, media, payload, timestamp, seq);
        seq
    }

    pub fn send_as(&mut self, index: usize, media: Media, payload: &[u8], timestamp: u32, seq: u64) {
        self.send_part(index, media, payload, timestamp, seq, true);
    }

    /// `marker`: the frame ends with this packet.
    pub fn send_part(
        &mut self,
        index: usize,
        media: Media,
        payload: &[u8],
        timestamp: u32,
        seq: u64,
        marker: bool,
    ) {
        let levels =
            ExtensionValues { audio_level: Some(-40), voice_activity: Some(true), ..Default::default() };
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(self.mids[index], None).unwrap();
        let mut packet =
            RtpWrite::new(media.payload_type(), seq.into(), timestamp, self.now, payload.to_vec())
                .marker(marker)
                .nackable(media.is_video());
        if !media.is_video() {
            packet = packet.ext_vals(levels);
        }
        stream.write_rtp(packet);
        self.rtc.handle_input(Input::Timeout(self.now)).unwrap();
    }

    /// Send one packet of one layer.
    #[expect(clippy::too_many_arguments, reason = "all that a packet is made of")]
    pub fn send_layer(
        &mut self,
        index: usize,
        rid: Option<Rid>,
        media: Media,
        payload: Vec<u8>,
        dependency: Option<Vec<u8>>,
        timestamp: u32,
        seq: u64,
        marker: bool,
    ) {
        let mut values = ExtensionValues::default();
        if let Some(bytes) = dependency {
            values.user_values.set(dependency::Extension(bytes.into()));
        }
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(self.mids[index], rid).unwrap();
        let packet = RtpWrite::new(media.payload_type(), seq.into(), timestamp, self.now, payload);
        stream.write_rtp(packet.marker(marker).nackable(true).ext_vals(values));
        self.rtc.handle_input(Input::Timeout(self.now)).unwrap();
    }

    /// Send one packet as a stream of one's own choice.
    pub fn send_on(
        &mut self,
        index: usize,
        ssrc: u32,
        media: Media,
        payload: Vec<u8>,
        timestamp: u32,
        seq: u64,
    ) {
        let mut api = self.rtc.direct_api();
        if api.stream_tx(&ssrc.into()).is_none() {
            let name = ssrc.to_string().as_str().into(); // str0m can send only one stream without a name
            api.declare_stream_tx(ssrc.into(), Some((ssrc + 1).into()), self.mids[index], Some(name));
        }
        let stream = api.stream_tx(&ssrc.into()).unwrap();
        let packet = RtpWrite::new(media.payload_type(), seq.into(), timestamp, self.now, payload);
        stream.write_rtp(packet.marker(true).nackable(true));
        self.rtc.handle_input(Input::Timeout(self.now)).unwrap();
    }

    /// Send RTCP that str0m would not.
    pub fn send_rtcp(&mut self, to: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) -> Datagram {
        if self.sealer.is_none() {
            self.sealer = self.exported.take().and_then(|keys| keys.sealer());
        }
        let mut contents = Vec::new();
        write(&mut contents);
        self.sealer.as_mut().unwrap().seal_rtcp(&mut contents).unwrap();
        Datagram { source: self.address, destination: to, protocol: Protocol::Udp, contents }
    }

    /// Ask for a key frame of what is received on a section.
    pub fn want_keyframe(&mut self, index: usize) {
        let mut api = self.rtc.direct_api();
        api.stream_rx_by_mid(self.mids[index], None).unwrap().request_keyframe(KeyframeRequestKind::Pli);
    }

    pub fn tick(&mut self, now: Instant, out: &mut Vec<Datagram>) {
        self.now = now;
        if !self.rtc.is_alive() {
            return;
        }
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain();
        out.append(&mut self.outgoing);
    }

    pub fn receive(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) {
        if self.unplugged || !self.rtc.is_alive() {
            return;
        }
        if self.half_open && matches!(datagram, [20..=63, ..]) {
            return;
        }
        if let Ok(receive) = Receive::new(self.protocol, source, self.address, datagram) {
            self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
            self.drain(); // before the next input, or it may lose an event
        }
    }

    fn drain(&mut self) {
        // A client that cannot go on, because it was unplugged too long, falls silent.
        while let Ok(output) = self.rtc.poll_output() {
            match output {
                Output::Timeout(_) => return,
                Output::Transmit(t) if !self.unplugged => self.outgoing.push(Datagram {
                    source: self.address,
                    destination: t.destination,
                    protocol: t.proto,
                    contents: t.contents.to_vec(),
                }),
                Output::Transmit(_) => {}
                Output::Event(event) => self.note(event),
            }
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::ChannelOpen(id, label) => {
                self.channels.insert(id, label);
            }
            Event::ChannelClose(id) => {
                self.channels.remove(&id);
                self.closed_channels += 1;
            }
            Event::ChannelData(message) => {
                self.heard.push((self.channels[&message.id].clone(), message.data));
            }
            Event::Closed => self.closed = true,
            Event::KeyframeRequest(request) => {
                self.keyframe_requests.push(self.now);
                self.keyframes_wanted.push((request.rid, self.now));
            }
            Event::RawPacket(packet) => match *packet {
                RawPacket::RtpRx(header, _) => self.headers.push(header),
                RawPacket::RtcpRx(report) => self.reports.push((self.now, report)),
                RawPacket::RtpTx(..) | RawPacket::RtcpTx(_) => {}
            },
            Event::RtpPacket(packet) => {
                let mid = self.rtc.direct_api().stream_rx(&packet.header.ssrc).map(|stream| stream.mid());
                self.received.push((mid.map_or_else(String::new, |mid| mid.to_string()), packet));
            }
            _ => {}
        }
    }
}
