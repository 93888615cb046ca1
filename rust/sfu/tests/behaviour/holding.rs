//! A frame that has not arrived as a whole is held for a moment, so that it leaves as one.

use std::time::Duration;

use crate::common::World;
use crate::common::client::Media;

/// Send one packet and bring it to the router, without time passing.
fn arrive(world: &mut World, media: Media, payload: &[u8], seq: u64, marker: bool) {
    world.clients[0].send_part(0, media, payload, 3000, seq, marker);
    let mut travelling = Vec::new();
    world.clients[0].tick(world.now, &mut travelling);
    world.deliver(travelling);
}

/// How many media packets left the router since the last time.
fn left(world: &mut World) -> usize {
    let is_media = |datagram: &[u8]| matches!(datagram, [128..=191, 0..=127 | 224..=255, ..]);
    world.tray.datagrams.drain(..).filter(|datagram| is_media(&datagram.contents)).count()
}

#[test]
fn a_frame_waits_for_its_end() {
    let (mut world, ..) = World::pair(Media::Vp8, [0, 0]);
    left(&mut world);
    arrive(&mut world, Media::Vp8, &Media::Vp8.key(), 100, false);
    arrive(&mut world, Media::Vp8, &[0x80, 0, 1], 101, false);
    assert_eq!(left(&mut world), 0, "held");
    world.now += Duration::from_micros(500);
    arrive(&mut world, Media::Vp8, &[0x80, 0, 2], 102, true);
    assert_eq!(left(&mut world), 3, "as one");
}

#[test]
fn nothing_waits_longer_than_a_millisecond() {
    let (mut world, ..) = World::pair(Media::Vp8, [0, 0]);
    left(&mut world);
    arrive(&mut world, Media::Vp8, &Media::Vp8.key(), 100, false);
    let deadline = world.routers[0].deadline().unwrap();
    assert!(deadline <= world.now + Duration::from_millis(1));
    world.now += Duration::from_millis(1);
    world.routers[0].timeout(world.now, &mut world.tray);
    assert_eq!(left(&mut world), 1);
    assert!(world.routers[0].deadline().is_some_and(|next| next > world.now), "no busy waiting");
}

#[test]
fn audio_never_waits() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 0]);
    left(&mut world);
    arrive(&mut world, Media::Opus, &[1, 2, 3], 100, false);
    assert_eq!(left(&mut world), 1);
}
