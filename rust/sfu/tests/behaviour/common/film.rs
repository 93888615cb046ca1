//! What a subscriber got of a camera, and whether a decoder could show it without a seam.

use palaver_sfu::layers::dependency::Extension;
use palaver_sfu::layers::labels::{Extender, Width};
use palaver_sfu::layers::{vp8, vp9};
use str0m::rtp::RtpPacket;

use super::Client;
use super::camera::TRAILER;
use super::client::Media;

/// One frame as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shot {
    pub layer: u8,
    /// The camera's number of the picture.
    pub picture: u16,
    pub packets: usize,
    pub timestamp: u32,
}

/// The frames a client received on its section 0, after checking everything that has to be continuous.
pub fn develop(client: &Client, media: Media) -> Vec<Shot> {
    let mut packets: Vec<&RtpPacket> = client.received.iter().map(|(_, packet)| packet).collect();
    packets.sort_by_key(|packet| *packet.seq_no);
    for pair in packets.windows(2) {
        assert_eq!(*pair[1].seq_no, *pair[0].seq_no + 1, "sequence numbers have no hole");
        assert_eq!(pair[0].header.ssrc, pair[1].header.ssrc);
    }
    let mut shots: Vec<Shot> = Vec::new();
    let (mut labels, mut extender) = (Vec::new(), Extender::default());
    for packet in packets {
        let trailer = &packet.payload[packet.payload.len() - TRAILER..];
        let (layer, part) = (trailer[0], usize::from(trailer[3]));
        let picture = u16::from_be_bytes([trailer[1], trailer[2]]);
        let timestamp = packet.header.timestamp;
        if part == 0 {
            shots.push(Shot { layer, picture, packets: 0, timestamp });
            labels.push(label(packet, media, &mut extender));
        }
        let shot = shots.last_mut().expect("a frame begins with its first packet");
        assert_eq!((shot.layer, shot.picture, shot.packets), (layer, picture, part), "frames are whole");
        assert_eq!(shot.timestamp, timestamp);
        shot.packets += 1;
        assert_eq!(Some(label(packet, media, &mut extender)), labels.last().copied(), "one number per frame");
    }
    for (pair, labels) in shots.windows(2).zip(labels.windows(2)) {
        assert!(pair[1].timestamp.wrapping_sub(pair[0].timestamp) as i32 > 0, "time goes on: {pair:?}");
        if media != Media::H264 {
            assert_eq!(labels[1].0, labels[0].0 + 1, "picture numbers have no hole: {pair:?}");
        }
        if matches!(media, Media::Vp8 | Media::Vp9) {
            assert_eq!(labels[1].1, labels[0].1.map(|base| base.wrapping_add(1)), "{pair:?}");
        }
    }
    shots
}

/// Picture id or frame number, and TL0PICIDX.
fn label(packet: &RtpPacket, media: Media, extender: &mut Extender) -> (u64, Option<u8>) {
    let (picture, base_layer) = match media {
        Media::Vp8 => vp8::parse(&packet.payload).map(|d| (d.picture, d.base_layer)).unwrap(),
        Media::Vp9 => vp9::parse(&packet.payload).map(|d| (d.picture, d.base_layer)).unwrap(),
        Media::Av1 => {
            let Extension(bytes) = packet.header.ext_vals.user_values.get().expect("a dependency descriptor");
            (Some((u16::from_be_bytes([bytes[1], bytes[2]]), Width::Sixteen, 1)), None)
        }
        _ => (None, None),
    };
    let number = picture.map_or(0, |(value, width, _)| extender.extend(value, width));
    (number, base_layer.map(|(value, _)| value))
}

/// The layers of the frames, each run once.
pub fn runs(shots: &[Shot]) -> Vec<u8> {
    let mut layers: Vec<u8> = shots.iter().map(|shot| shot.layer).collect();
    layers.dedup();
    layers
}
