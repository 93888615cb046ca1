//! Transport-wide numbers: one count for everything that one peer is sent.

use std::time::Duration;

use crate::common::World;
use crate::common::client::Media;
use str0m::media::Direction;

#[test]
fn audio_video_and_retransmissions_share_one_count() {
    let mut world = World::new(2);
    let (publisher, subscriber) = (world.client(0), world.client(1));
    for media in [Media::Opus, Media::Vp8] {
        world.clients[publisher].add(media, Direction::SendOnly);
        world.clients[subscriber].add(media, Direction::RecvOnly);
    }
    world.negotiate(publisher);
    world.negotiate(subscriber);
    for section in [0, 1] {
        let (from, to) = (world.clients[publisher].mid(section), world.clients[subscriber].mid(section));
        let producer = world.publish(publisher, &from);
        world.subscribe(producer, subscriber, &to);
    }
    world.connect();
    for n in 0..200 {
        world.loss = (n > 20).then_some(11);
        let payload = if n == 0 { Media::Vp8.key() } else { Media::Vp8.delta() };
        world.clients[0].send(0, Media::Opus, &[1, 2, 3], n * 960);
        world.clients[0].send(1, Media::Vp8, &payload, n * 1800);
        world.run(Duration::from_millis(20));
    }
    let headers = &world.clients[subscriber].headers;
    let kinds: std::collections::HashSet<u8> = headers.iter().map(|header| *header.payload_type).collect();
    assert_eq!(kinds, [111, 96, 97].into());
    let numbers: Vec<u16> = headers.iter().filter_map(|header| header.ext_vals.transport_cc).collect();
    assert_eq!(numbers.len(), headers.len(), "every packet has one");
    assert!(numbers.is_sorted(), "in the order of sending");
    let distinct: std::collections::HashSet<u16> = numbers.iter().copied().collect();
    assert_eq!(distinct.len(), numbers.len(), "none twice");
    let (sent, lost) = (u64::from(numbers[numbers.len() - 1]) + 1, numbers.len() as u64);
    assert!(sent > lost && sent - lost < sent / 8, "gaps are what the network lost: {lost} of {sent}");
}
