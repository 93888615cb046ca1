//! Audio that carries earlier packets as well (RFC 2198) reaches those who can read it as it is, the others without.

use std::time::Duration;

use crate::common::World;
use crate::common::client::Media;
use str0m::media::Direction;

/// The packet before, and a new one.
fn redundant(n: u8) -> Vec<u8> {
    vec![0xef, 0, 0, 2, 0x6f, n - 1, n - 1, n, n, n]
}

#[test]
fn each_subscriber_gets_what_it_can_read() {
    for threads in [[0, 0], [0, 1]] {
        let (mut world, producer, _) = World::pair(Media::Red, threads);
        let plain = world.client(threads[1]);
        world.clients[plain].add(Media::Opus, Direction::RecvOnly);
        world.negotiate(plain);
        let mid = world.clients[plain].mid(0);
        world.subscribe(producer, plain, &mid);
        world.connect();
        for n in 1..5 {
            world.clients[0].send(0, Media::Red, &redundant(n), u32::from(n) * 960);
            world.run(Duration::from_millis(20));
        }
        world.clients[0].send(0, Media::Opus, &[9, 9], 5 * 960); // without redundancy for once
        world.clients[0].send(0, Media::Red, &[0x6f], 6 * 960); // nothing in it
        world.run(Duration::from_millis(20));
        let got = |client: usize| {
            let received = world.clients[client].received.iter();
            received.map(|(_, p)| (*p.header.payload_type, p.payload.to_vec())).collect::<Vec<_>>()
        };
        let mut with: Vec<_> = (1..5).map(|n| (63, redundant(n))).collect();
        let mut without: Vec<_> = (1..5).map(|n| (111, vec![n; 3])).collect();
        with.push((111, vec![9, 9]));
        without.push((111, vec![9, 9]));
        assert_eq!((got(1), got(plain)), (with, without), "on {threads:?}");
    }
}

#[test]
fn who_prefers_redundancy_is_answered_so() {
    let mut world = World::new(1);
    let client = world.client(0);
    world.clients[client].add(Media::Red, Direction::SendRecv);
    let offer = world.clients[client].offer();
    let answer = world.offer(client, offer).unwrap();
    assert!(answer.contains("SAVPF 63 111\r\n"), "{answer}");
    assert!(answer.contains("a=fmtp:63 111/111"), "{answer}");
}
