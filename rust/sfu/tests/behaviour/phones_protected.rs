//! Peers of plain RTP whose media is protected by keys of SDES (RFC 4568).

use std::net::SocketAddr;
use std::time::Duration;

use crate::common::World;
use crate::common::phone::{key, rtp, sealed, section};
use palaver_sfu::event::Event;
use palaver_sfu::rtp_header::RtpHeader;
use palaver_sfu::srtp::{Sdes, Suite};
use palaver_sfu::transport::rtp::Section;

const PCMA: u8 = 8;

/// A protected phone that is heard by one that is not.
fn protected(ours: &Sdes, theirs: &Sdes) -> (World, usize, usize, Section) {
    let mut world = World::new(1);
    let speaker = world.phone(0);
    let mut agreed = section("pcma", PCMA, world.phones[speaker].address);
    agreed.srtp = Some((ours.clone(), theirs.clone()));
    world.agree(speaker, agreed.clone());
    let producer = world.publish_phone(speaker);
    let (listener, _) = world.calling(0, "pcma", PCMA);
    world.send_to_phone(producer, listener);
    (world, speaker, listener, agreed)
}

fn heard(world: &World, listener: usize) -> Vec<u8> {
    world.phones[listener].packets().iter().map(|(_, payload)| payload[0]).collect()
}

#[test]
fn only_authentic_packets_are_heard_and_latch() {
    for suite in [Suite::AesCm128HmacSha1Tag80, Suite::AesCm128HmacSha1Tag32] {
        let theirs = Sdes::new(suite, [2; 30]);
        let (mut world, speaker, listener, _) = protected(&key(1), &theirs);
        let elsewhere = SocketAddr::from(([198, 51, 100, 1], 40_000));
        let good = |n: u64| sealed(&theirs, 7, PCMA, n, n as u32 * 160, &[n as u8; 160]);
        world.speak(speaker, &rtp(PCMA, false, 1, 160, &[9; 160]));
        let mut forged = good(1);
        forged[20] ^= 1;
        world.speak_from(speaker, elsewhere, &forged);
        world.speak_from(speaker, elsewhere, &sealed(&key(3), 7, PCMA, 1, 160, &[9; 160]));
        assert!(!world.events().iter().any(|event| matches!(event, Event::Latched { .. })));
        for n in [1, 2, 2, 3] {
            world.speak_from(speaker, elsewhere, &good(n));
        }
        assert_eq!(heard(&world, listener), [1, 2, 3], "a replay is not heard");
        assert!(
            world
                .events()
                .iter()
                .any(|event| matches!(event, Event::Latched { source, .. } if *source == elsewhere))
        );
    }
}

#[test]
fn rollovers_are_counted_for_each_sender() {
    let (mut world, speaker, listener, agreed) = protected(&key(1), &key(2));
    let say = |world: &mut World, ssrc, numbers: std::ops::Range<u64>| {
        for n in numbers {
            world.speak(speaker, &sealed(&key(2), ssrc, PCMA, n, n as u32 * 160, &[n as u8; 160]));
        }
    };
    say(&mut world, 7, 65_530..65_540);
    assert_eq!(heard(&world, listener).len(), 10);
    say(&mut world, 8, 65_530..65_540); // another SSRC: it begins at no rollover
    assert_eq!(heard(&world, listener).len(), 20);
    say(&mut world, 7, 65_540..65_550); // and the one before goes on
    assert_eq!(heard(&world, listener).len(), 30);
    world.agree(speaker, agreed); // nothing new
    say(&mut world, 7, 65_550..65_555);
    assert_eq!(heard(&world, listener).len(), 35);
}

#[test]
fn new_keys_are_taken_when_they_come_and_only_then() {
    let (mut world, speaker, listener, mut agreed) = protected(&key(1), &key(2));
    let say = |world: &mut World, key: &Sdes, n: u64| {
        world.speak(speaker, &sealed(key, 7, PCMA, n, n as u32 * 160, &[n as u8; 160]));
    };
    (65_530..65_540).for_each(|n| say(&mut world, &key(2), n));
    agreed.srtp = Some((key(1), key(5)));
    world.agree(speaker, agreed.clone());
    say(&mut world, &key(2), 65_540); // with the former
    assert_eq!(heard(&world, listener).len(), 10);
    (65_541..65_545).for_each(|n| say(&mut world, &key(5), n)); // goes on counting rollovers
    world.run(Duration::from_millis(100)); // the one between is lost
    assert_eq!(heard(&world, listener).len(), 14);
    agreed.srtp = Some((key(1), key(6)));
    world.agree(speaker, agreed);
    (10..14).for_each(|n| say(&mut world, &key(6), n)); // begins anew
    assert_eq!(heard(&world, listener).len(), 18);
}

#[test]
fn what_is_sent_opens_with_our_key_and_begins_at_no_rollover_with_a_new_one() {
    let (mut world, protected, speaker, mut agreed) = protected(&key(1), &key(2));
    let producer = world.republish_phone(speaker);
    world.send_to_phone(producer, protected);
    let mut heard = Vec::new();
    let mut opener = key(1).opener().unwrap();
    let mut open = |world: &mut World, opener: &mut palaver_sfu::srtp::RtpOpener| {
        for received in std::mem::take(&mut world.phones[protected].received) {
            let mut packet = received.contents;
            if received.local != world.phones[protected].local.media {
                continue;
            }
            let header = RtpHeader::read(&packet).unwrap();
            let (_, end) = opener.open(&header, &mut packet).expect("sealed with our key");
            heard.push(packet[header.length..end][0]);
        }
    };
    // far enough for a rollover: numbers begin below 2^14
    for n in 0..70_000_u32 {
        world.speak(speaker, &rtp(PCMA, false, n as u16, n * 160, &[n as u8; 4]));
        open(&mut world, &mut opener);
    }
    agreed.srtp = Some((key(9), key(2)));
    world.agree(protected, agreed);
    let mut opener = key(9).opener().unwrap();
    for n in 70_000..70_010_u32 {
        world.speak(speaker, &rtp(PCMA, false, n as u16, n * 160, &[n as u8; 4]));
        open(&mut world, &mut opener);
    }
    assert_eq!(heard.len(), 70_010);
}
