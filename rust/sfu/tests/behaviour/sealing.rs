//! What is sent is sealed by us and opened by others, whatever profile they agreed on; and nothing is sealed twice.

use std::collections::HashMap;
use std::time::Duration;

use crate::common::client::Media;
use crate::common::{World, profile, router_address};
use palaver_sfu::message::Command;
use palaver_sfu::rtcp::write;
use str0m::rtp::RtpHeader;
use str0m::rtp::rtcp::Rtcp;

fn play(world: &mut World, frames: u32, from: u32) {
    for n in from..from + frames {
        let payload = if n % 50 == 0 { Media::Vp8.key() } else { Media::Vp8.delta() };
        world.clients[0].send(0, Media::Vp8, &payload, n * 1800);
        world.run(Duration::from_millis(20));
    }
}

#[test]
fn each_profile_carries_media_reports_and_feedback() {
    for profile in profile::ALL {
        let world = World::with_crypto(2, profile::crypto(profile));
        let (mut world, ..) = world.with_pair(Media::Vp8, &[], [0, 1]);
        play(&mut world, 100, 0);
        let subscriber = &mut world.clients[1];
        assert_eq!(subscriber.received.len(), 100, "{profile}");
        assert!(subscriber.reports.iter().any(|(_, report)| matches!(report, Rtcp::SenderReport(_))));
        let before = world.clients[0].keyframe_requests.len();
        world.clients[1].want_keyframe(0);
        world.run(Duration::from_millis(100));
        assert_eq!(world.clients[0].keyframe_requests.len(), before + 1);
        world.loss = Some(9);
        play(&mut world, 100, 100);
        world.loss = None;
        play(&mut world, 1, 200); // only what follows shows that the last is missing
        world.run(Duration::from_secs(1));
        assert_eq!(world.clients[1].received.len(), 201, "{profile}: repaired");
        assert_eq!(world.stats[1].rtcp_refused.get(), 0);
    }
}

/// With one key and one number two different packets would give the key away.
#[test]
fn no_number_is_sealed_twice() {
    for plain in [false, true] {
        let mut world = World::new(1);
        world.sent = Some(Vec::new());
        let (mut world, producer, mut consumer) = {
            world.client(0);
            world.client(0);
            world.clients[1].plain = plain;
            join(world)
        };
        world.loss = Some(7);
        for round in 0..6 {
            for part in 0..12 {
                play(&mut world, 5, round * 60 + part * 5);
                ask_for_the_last(&mut world);
            }
            match round {
                1 => {
                    world.command(0, Command::Unsubscribe { consumer });
                    let to = world.clients[1].mid(0);
                    consumer = world.subscribe(producer, 1, &to);
                }
                3 => {
                    world.clients[1].add(Media::Opus, str0m::media::Direction::RecvOnly);
                    world.negotiate(1);
                }
                4 => {
                    world.command(0, Command::SetConsumerActive { consumer, active: false });
                    world.command(0, Command::SetConsumerActive { consumer, active: true });
                }
                _ => {}
            }
        }
        assert!(world.stats[0].packets_retransmitted.get() > 10);
        let mut numbers: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        let mut repeated = 0;
        for datagram in world.sent.take().unwrap() {
            let number = match datagram[..] {
                [128..=191, 192..=223, ..] => [&datagram[4..8], &datagram[datagram.len() - 4..]].concat(),
                [128..=191, ..] => [&datagram[8..12], &datagram[2..4]].concat(),
                _ => continue,
            };
            if let Some(before) = numbers.insert(number, datagram.clone()) {
                assert_eq!(before, datagram, "another packet under the same number");
                repeated += 1;
            }
        }
        assert!(numbers.len() > 300);
        assert_eq!(repeated > 0, plain, "as they were only where nothing else was negotiated");
    }
}

/// Not left to the client: its str0m asks only for what can come as RFC 4588 has it.
fn ask_for_the_last(world: &mut World) {
    let primary = |header: &&RtpHeader| *header.payload_type == 96;
    let Some(last) = world.clients[1].headers.iter().rev().find(primary) else { return };
    let (ssrc, seq) = (*last.ssrc, last.sequence_number);
    let wanted = [seq.wrapping_sub(4), seq.wrapping_sub(1), seq];
    let datagram =
        world.clients[1].send_rtcp(router_address(0), |out| write::nack(out, 0xfeed, ssrc, &wanted));
    world.deliver(vec![datagram]);
}

fn join(mut world: World) -> (World, palaver_sfu::ProducerId, palaver_sfu::ConsumerId) {
    use str0m::media::Direction;
    world.clients[0].add(Media::Vp8, Direction::SendOnly);
    world.clients[1].add(Media::Vp8, Direction::RecvOnly);
    world.negotiate(0);
    world.negotiate(1);
    let (from, to) = (world.clients[0].mid(0), world.clients[1].mid(0));
    let producer = world.publish(0, &from);
    let consumer = world.subscribe(producer, 1, &to);
    world.connect();
    (world, producer, consumer)
}
