//! Simulcast as it was offered before layers had names: by a group of SSRCs.

use std::time::Duration;

use crate::common::World;
use crate::common::client::Media;
use crate::switching::name;
use palaver_sfu::event::Event;
use str0m::media::Direction;

const SSRCS: [u32; 3] = [1111, 2222, 3333];

/// The section's own SSRCs are replaced by the group, and packets say no name.
fn grouped(offer: &str) -> String {
    let kept = offer.lines().filter(|line| !line.starts_with("a=ssrc") && !line.contains("rtp-stream-id"));
    let mut offer = kept.collect::<Vec<_>>().join("\r\n");
    offer += "\r\na=ssrc-group:SIM 1111 2222 3333\r\n";
    for ssrc in SSRCS {
        offer += &format!("a=ssrc-group:FID {ssrc} {}\r\na=ssrc:{ssrc} cname:c\r\n", ssrc + 1);
        offer += &format!("a=ssrc:{} cname:c\r\n", ssrc + 1);
    }
    offer
}

#[test]
fn layers_without_names_are_numbered() {
    let mut world = World::new(1);
    let (publisher, subscriber) = (world.client(0), world.client(0));
    world.clients[publisher].add(Media::Vp8, Direction::SendOnly);
    world.clients[subscriber].add(Media::Vp8, Direction::RecvOnly);
    let offer = grouped(&world.clients[publisher].offer());
    let answer = world.offer(publisher, offer).unwrap();
    world.clients[publisher].answered(&answer);
    world.negotiate(subscriber);
    let (from, to) = (world.clients[publisher].mid(0), world.clients[subscriber].mid(0));
    let producer = world.publish(publisher, &from);
    let consumer = world.subscribe(producer, subscriber, &to);
    world.connect();
    for n in 0..90_u16 {
        if n == 30 {
            name(&mut world, consumer, "1");
        }
        for (layer, ssrc) in (0..).zip(SSRCS) {
            let mut payload = if n % 10 == 0 { Media::Vp8.key() } else { Media::Vp8.delta() };
            payload[2..4].copy_from_slice(&(n | 0x8000).to_be_bytes());
            if n % 10 == 0 {
                payload[10] = 0x80 + layer; // widths 640, 641, 642
            }
            payload.push(layer);
            world.clients[publisher].send_on(0, ssrc, Media::Vp8, payload, u32::from(n) * 3000, n.into());
        }
        world.run(Duration::from_millis(30));
    }
    let layers: Vec<u8> = world.clients[subscriber]
        .received
        .iter()
        .map(|(_, packet)| *packet.payload.last().unwrap())
        .collect();
    assert_eq!((layers.last(), layers[20]), (Some(&1), 2), "{layers:?}");
    let seqs = world.clients[subscriber].received.iter().map(|(_, packet)| *packet.seq_no);
    assert!(seqs.clone().zip(seqs.skip(1)).all(|(before, after)| after == before + 1));
    let named = |event: &Event| match event {
        Event::Resolution { rid, width, .. } => Some((rid.unwrap().to_string(), *width)),
        _ => None,
    };
    let mut sizes: Vec<_> = world.events().iter().filter_map(named).collect();
    sizes.sort();
    assert_eq!(sizes, [("0".to_owned(), 640), ("1".to_owned(), 641), ("2".to_owned(), 642)]);
}
