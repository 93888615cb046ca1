//! The whole core on loopback: real sockets, real threads, real time.

use std::time::{Duration, Instant};

use crate::common::client::Media;
use crate::common::peer::{Peer, answer, start, turn_until};
use palaver_sfu::{Core, GroupId, Options};
use str0m::media::Direction;

#[test]
fn packets_cross_threads_over_real_sockets() {
    for loopback in ["127.0.0.1", "::1"] {
        let core = start(&["127.0.0.1", "::1"], 2);
        let mut peers =
            [0, 1].map(|thread| Peer::new(core.create_transport(thread, GroupId::NONE).unwrap(), loopback));
        peers[0].client.add(Media::Vp8, Direction::SendOnly);
        peers[1].client.add(Media::Vp8, Direction::RecvOnly);
        for peer in &mut peers {
            answer(&core, peer);
        }
        let (from, to) = (peers[0].client.mid(0), peers[1].client.mid(0));
        let producer = core.publish(peers[0].client.transport, from).unwrap();
        core.subscribe(producer, peers[1].client.transport, to).unwrap();
        turn_until(&mut peers, |peers| peers.iter().all(|peer| peer.client.connected));
        let mut frame = 0;
        turn_until(&mut peers, |peers| {
            peers[0].client.send(0, Media::Vp8, &Media::Vp8.key(), frame * 900);
            frame += 1;
            peers[1].client.received.len() >= 50
        });
        let stats = core.transport_stats(peers[1].client.transport).unwrap();
        assert!(stats.packets_sent.get() >= 50);
        let started = Instant::now();
        core.close();
        assert!(started.elapsed() < Duration::from_secs(2));
        turn_until(&mut peers, |peers| peers.iter().all(|peer| peer.client.closed));
    }
}

#[test]
fn threads_take_consecutive_ports_or_say_which_is_taken() {
    let core = start(&["127.0.0.1"], 2);
    let taken = core.ports()[0];
    let options = Options {
        addresses: vec!["127.0.0.1".parse().unwrap()],
        port: taken,
        threads: 1,
        tcp: None,
        connect_timeout: Duration::from_secs(1),
    };
    let error = Core::start(&options).unwrap_err();
    assert_eq!(error.source.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&format!("127.0.0.1:{taken}")), "{error}");
}

#[test]
fn an_idle_core_sleeps() {
    let core = start(&["127.0.0.1"], 2);
    std::thread::sleep(Duration::from_millis(100));
    let calls = |core: &Core| {
        let stats = core.stats();
        stats.iter().flatten().filter(|(name, _)| name.ends_with("_calls")).map(|(_, n)| n).sum::<u64>()
    };
    let before = calls(&core);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(calls(&core), before);
}
