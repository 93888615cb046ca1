//! Key frames are asked for when a subscriber needs one, and not more often than a publisher can bear.

use std::time::Duration;

use crate::common::World;
use crate::common::client::Media;
use palaver_sfu::message::Command;
use str0m::media::Direction;

/// Requests so far, counted from zero.
fn requests(world: &mut World) -> usize {
    std::mem::take(&mut world.clients[0].keyframe_requests).len()
}

fn send_key(world: &mut World) {
    world.clients[0].send(0, Media::Vp8, &Media::Vp8.key(), 0);
    world.run(Duration::from_millis(20));
}

#[test]
fn a_new_consumer_asks_once() {
    for threads in [[0, 0], [0, 1]] {
        let (mut world, producer, consumer) = World::pair(Media::Vp8, threads);
        send_key(&mut world);
        world.command(threads[1], Command::Unsubscribe { consumer });
        world.run(Duration::from_secs(2));
        requests(&mut world);
        let to = world.clients[1].mid(0);
        world.subscribe(producer, 1, &to);
        world.run(Duration::from_millis(100));
        send_key(&mut world);
        world.run(Duration::from_secs(3));
        assert_eq!(requests(&mut world), 1);
    }
}

#[test]
fn a_consumer_made_before_its_transport_is_up_asks_when_it_is_about_to_be() {
    let mut world = World::new(1);
    let (publisher, subscriber) = (world.client(0), world.client(0));
    world.clients[publisher].add(Media::Vp8, Direction::SendOnly);
    world.negotiate(publisher);
    let from = world.clients[publisher].mid(0);
    let producer = world.publish(publisher, &from);
    world.connect_only(publisher);
    send_key(&mut world);
    world.clients[subscriber].add(Media::Vp8, Direction::RecvOnly);
    world.negotiate(subscriber);
    let to = world.clients[subscriber].mid(0);
    world.clients[subscriber].unplugged = true;
    world.subscribe(producer, subscriber, &to);
    world.run(Duration::from_secs(2));
    assert_eq!(requests(&mut world), 0);
    world.clients[subscriber].unplugged = false;
    world.connect();
    world.run(Duration::from_millis(100));
    assert_eq!(requests(&mut world), 1);
    send_key(&mut world);
    world.run(Duration::from_secs(3));
    assert_eq!(requests(&mut world), 0);
    assert_eq!(world.clients[subscriber].received.len(), 1);
}

#[test]
fn a_subscriber_that_lost_the_picture_gets_one() {
    for threads in [[0, 0], [0, 1]] {
        let (mut world, ..) = World::pair(Media::Vp8, threads);
        send_key(&mut world);
        world.run(Duration::from_secs(2));
        requests(&mut world);
        world.clients[1].want_keyframe(0);
        world.run(Duration::from_millis(100));
        assert_eq!(requests(&mut world), 1);
    }
}

#[test]
fn requests_are_throttled_and_the_last_is_not_lost() {
    let (mut world, ..) = World::pair(Media::Vp8, [0, 0]);
    send_key(&mut world);
    world.run(Duration::from_secs(2));
    requests(&mut world);
    for _ in 0..10 {
        world.clients[1].want_keyframe(0);
        world.run(Duration::from_millis(20));
    }
    assert_eq!(requests(&mut world), 1);
    world.run(Duration::from_millis(400));
    assert_eq!(requests(&mut world), 1, "the remembered one");
    world.run(Duration::from_secs(5));
    assert_eq!(requests(&mut world), 0);
}

#[test]
fn a_subscriber_that_asks_all_the_time_gets_its_share_and_takes_nothing_from_others() {
    for threads in [[0, 0], [0, 1]] {
        let (mut world, producer, _) = World::pair(Media::Vp8, threads);
        let other = world.client(threads[1]);
        world.clients[other].add(Media::Vp8, Direction::RecvOnly);
        world.negotiate(other);
        let to = world.clients[other].mid(0);
        world.subscribe(producer, other, &to);
        world.connect();
        send_key(&mut world);
        world.run(Duration::from_secs(2));
        requests(&mut world);
        let storm = |world: &mut World, seconds: u64| {
            let mut asked = 0;
            for _ in 0..seconds * 50 {
                world.clients[1].want_keyframe(0);
                world.run(Duration::from_millis(20));
                let now = requests(world);
                asked += now;
                (0..now).for_each(|_| send_key(world));
            }
            asked
        };
        assert!(storm(&mut world, 4) <= 6);
        assert!(matches!(storm(&mut world, 20), 9..=12));
        assert!(world.stats[threads[1]].keyframe_requests_refused.get() > 900);
        world.run(Duration::from_secs(1));
        requests(&mut world);
        world.clients[other].want_keyframe(0);
        world.run(Duration::from_millis(100));
        assert_eq!(requests(&mut world), 1);
    }
}

#[test]
fn a_request_that_is_lost_is_repeated_soon() {
    let (mut world, producer, consumer) = World::pair(Media::Vp8, [0, 0]);
    send_key(&mut world);
    send_key(&mut world); // as was asked for when the first came
    world.command(0, Command::Unsubscribe { consumer });
    world.run(Duration::from_secs(2));
    requests(&mut world);
    world.clients[0].unplugged = true;
    let to = world.clients[1].mid(0);
    world.subscribe(producer, 1, &to);
    world.run(Duration::from_millis(100));
    world.clients[0].unplugged = false;
    for n in 0..30 {
        world.clients[0].send(0, Media::Vp8, &Media::Vp8.delta(), n * 900);
        world.run(Duration::from_millis(10));
    }
    assert_eq!(requests(&mut world), 1);
}

#[test]
fn a_starving_subscriber_asks_again_while_packets_come() {
    let (mut world, ..) = World::pair(Media::Vp8, [0, 0]);
    for n in 0..300 {
        world.clients[0].send(0, Media::Vp8, &Media::Vp8.delta(), n * 900);
        world.run(Duration::from_millis(10));
    }
    assert!(matches!(requests(&mut world), 3..=5), "about one a second");
    assert!(world.clients[1].received.is_empty());
}

#[test]
fn resuming_asks_for_one() {
    for threads in [[0, 0], [0, 1]] {
        let (mut world, producer, consumer) = World::pair(Media::Vp8, threads);
        send_key(&mut world);
        let pauses: [fn(_, _, _) -> Command; 2] = [
            |_, consumer, active| Command::SetConsumerActive { consumer, active },
            |producer, _, active| Command::SetProducerActive { producer, active },
        ];
        for (thread, pause) in [threads[1], threads[0]].into_iter().zip(pauses) {
            world.command(thread, pause(producer, consumer, false));
            world.run(Duration::from_secs(2));
            requests(&mut world);
            world.command(thread, pause(producer, consumer, true));
            world.run(Duration::from_millis(100));
            assert_eq!(requests(&mut world), 1);
        }
    }
}

#[test]
fn audio_is_never_asked_for_key_frames() {
    let (mut world, ..) = World::pair(Media::Opus, [0, 1]);
    world.run(Duration::from_secs(2));
    assert_eq!(requests(&mut world), 0);
}
