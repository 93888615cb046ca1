//! A peer of plain RTP, as signalling would set it up.

use std::net::SocketAddr;
use std::time::Duration;

use palaver_sfu::codec;
use palaver_sfu::id::{ConsumerId, ProducerId, TransportId};
use palaver_sfu::message::Command;
use palaver_sfu::path::Path;
use palaver_sfu::rtcp::{self, SenderInfo};
use palaver_sfu::rtp_header::RtpHeader;
use palaver_sfu::srtp::{Sdes, Suite};
use palaver_sfu::transport::rtp::{Direction, EventFormat, Feedback, Local, SECTION, Section};

use super::World;

pub const BOTH: Direction = Direction { sends: true, receives: true };
pub const SSRC: u32 = 77;

/// What the core sent to a phone.
#[derive(Clone, Debug)]
pub struct Received {
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub contents: Vec<u8>,
}

pub struct Phone {
    pub transport: TransportId,
    pub local: Local,
    /// Where it says that it is, and all places where it hears.
    pub address: SocketAddr,
    pub control: SocketAddr,
    pub elsewhere: Vec<SocketAddr>,
    pub received: Vec<Received>,
    pub producer: Option<ProducerId>,
    pub consumer: Option<ConsumerId>,
}

impl Phone {
    pub fn hears(&self, address: SocketAddr) -> bool {
        [self.address, self.control].contains(&address) || self.elsewhere.contains(&address)
    }

    /// Headers and payloads of the RTP it has got.
    pub fn packets(&self) -> Vec<(RtpHeader, Vec<u8>)> {
        let media = self.received.iter().filter(|received| received.local == self.local.media);
        media
            .filter_map(|received| {
                let header = RtpHeader::read(&received.contents)?;
                let payload = header.payload(&received.contents)?.to_vec();
                (header.payload_type < 64 || header.payload_type >= 96).then_some((header, payload))
            })
            .collect()
    }

    /// The RTCP datagrams it has got.
    pub fn reports(&self) -> Vec<&Received> {
        self.received.iter().filter(|received| received.local == self.local.control).collect()
    }
}

/// What is agreed on with a phone at `remote`, in a codec by OWT's name.
pub fn section(codec: &str, payload_type: u8, remote: SocketAddr) -> Section {
    Section {
        format: codec::produced(codec, true).unwrap(),
        payload_type,
        receive_payload_type: payload_type,
        direction: BOTH,
        remote: Some(remote),
        control: Some(SocketAddr::new(remote.ip(), remote.port() + 1)),
        events: vec![EventFormat { payload_type: 101, clock_rate: 8000 }],
        send_events: Some(EventFormat { payload_type: 101, clock_rate: 8000 }),
        comfort_noise: None,
        feedback: Feedback::default(),
        srtp: None,
        timeout: Duration::ZERO,
    }
}

pub fn key(seed: u8) -> Sdes {
    Sdes::new(Suite::AesCm128HmacSha1Tag80, [seed; 30])
}

/// An RTP packet in the clear.
pub fn rtp(payload_type: u8, marker: bool, seq: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    rtp_of(SSRC, payload_type, marker, seq, timestamp, payload)
}

pub fn rtp_of(
    ssrc: u32,
    payload_type: u8,
    marker: bool,
    seq: u16,
    timestamp: u32,
    payload: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type | u8::from(marker) << 7];
    packet.extend(seq.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// The same sealed, with an extended sequence number.
pub fn sealed(key: &Sdes, ssrc: u32, payload_type: u8, seq: u64, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let sealer = key.sealer().unwrap();
    let mut packet = rtp_of(ssrc, payload_type, false, seq as u16, timestamp, payload);
    packet.resize(packet.len() + sealer.overhead(), 0);
    assert!(sealer.seal_rtp(&mut packet, 12, seq));
    packet
}

/// A telephone event.
pub fn event(code: u8, ended: bool, duration: u16) -> [u8; 4] {
    let [high, low] = duration.to_be_bytes();
    [code, if ended { 0x8a } else { 0x0a }, high, low]
}

pub fn sender_report(ssrc: u32, ntp: u64, timestamp: u32) -> Vec<u8> {
    let mut datagram = Vec::new();
    rtcp::write::sender_report(
        &mut datagram,
        ssrc,
        &SenderInfo { ntp, rtp: timestamp, packets: 1, octets: 1 },
    );
    datagram
}

impl World {
    /// A phone with two ports on `thread`, with which nothing is agreed on yet.
    pub fn phone(&mut self, thread: usize) -> usize {
        let index = self.phones.len();
        let transport = TransportId(self.ids.next(thread));
        let ours = |port: u16| SocketAddr::from(([10, 0, 0, 1], 20_000 + 2 * index as u16 + port));
        let theirs = |port: u16| SocketAddr::from(([10, 0, 2, index as u8 + 1], 7000 + port));
        let local = Local { media: ours(0), control: ours(1) };
        let ssrc = 0x5000_0000 + index as u32;
        self.command(thread, Command::OpenRtp { transport, local, beside: None, ssrc, sockets: None });
        let (address, control) = (theirs(0), theirs(1));
        let (elsewhere, received) = (Vec::new(), Vec::new());
        self.phones.push(Phone {
            transport,
            local,
            address,
            control,
            elsewhere,
            received,
            producer: None,
            consumer: None,
        });
        index
    }

    /// A phone with which a codec is agreed on, and what it publishes.
    pub fn calling(&mut self, thread: usize, codec: &str, payload_type: u8) -> (usize, ProducerId) {
        let phone = self.phone(thread);
        self.agree(phone, section(codec, payload_type, self.phones[phone].address));
        (phone, self.publish_phone(phone))
    }

    pub fn agree(&mut self, phone: usize, section: Section) {
        let transport = self.phones[phone].transport;
        let command = Command::SetRtp { transport, section: Box::new(section) };
        self.command(transport.thread(), command);
        self.carry_out();
    }

    pub fn publish_phone(&mut self, phone: usize) -> ProducerId {
        let transport = self.phones[phone].transport;
        let producer = ProducerId(self.ids.next(transport.thread()));
        self.command(transport.thread(), Command::Publish { producer, transport, mid: SECTION.into() });
        self.phones[phone].producer = Some(producer);
        producer
    }

    /// Publish anew what a phone sends.
    pub fn republish_phone(&mut self, phone: usize) -> ProducerId {
        if let Some(producer) = self.phones[phone].producer.take() {
            self.command(producer.thread(), Command::Unpublish { producer });
        }
        self.publish_phone(phone)
    }

    /// What a phone is sent.
    pub fn phone_consumer(&self, phone: usize) -> ConsumerId {
        self.phones[phone].consumer.expect("it is sent something")
    }

    pub fn send_to_phone(&mut self, producer: ProducerId, phone: usize) -> ConsumerId {
        let transport = self.phones[phone].transport;
        let consumer = ConsumerId(self.ids.next(transport.thread()));
        let mid = SECTION.into();
        self.command(transport.thread(), Command::Subscribe { consumer, producer, transport, mid });
        self.phones[phone].consumer = Some(consumer);
        consumer
    }

    /// A phone sends something from where it said that it is.
    pub fn speak(&mut self, phone: usize, datagram: &[u8]) {
        self.speak_from(phone, self.phones[phone].address, datagram);
    }

    /// Somebody at `source` sends something to a phone's port.
    pub fn speak_from(&mut self, phone: usize, source: SocketAddr, datagram: &[u8]) {
        self.speak_by(phone, source, false, datagram);
    }

    /// The same, `control`: to its port for RTCP.
    pub fn speak_by(&mut self, phone: usize, source: SocketAddr, control: bool, datagram: &[u8]) {
        let (transport, local) = (self.phones[phone].transport, self.phones[phone].local);
        let path = Path::udp(if control { local.control } else { local.media }, source);
        let router = &mut self.routers[transport.thread()];
        router.receive_rtp(transport, control, self.now, path, datagram, &mut self.tray);
        router.forward(self.now, &mut self.tray);
        self.relay();
        self.carry_out();
    }

    /// Bring what routers have sent to where it goes.
    fn carry_out(&mut self) {
        let travelling = std::mem::take(&mut self.tray.datagrams);
        self.deliver(travelling);
    }
}
