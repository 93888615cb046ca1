//! Data channels: who hears what, and what is dropped.

use std::time::Duration;

use crate::common::World;
use crate::common::client::Media;
use palaver_sfu::GroupId;
use palaver_sfu::channel::{MAX_CHANNELS, MAX_LABEL, MAX_MESSAGE};
use str0m::channel::{ChannelConfig, Reliability};
use str0m::media::Direction;

const A_MOMENT: Duration = Duration::from_millis(100);

fn channel(label: &str) -> ChannelConfig {
    ChannelConfig { label: label.to_owned(), ..ChannelConfig::default() }
}

/// Connected clients: the thread, the group and the channel of each.
fn gathered(clients: &[(usize, u64, ChannelConfig)]) -> World {
    let mut world = World::new(clients.iter().map(|(thread, ..)| thread + 1).max().unwrap());
    for (thread, group, config) in clients {
        let client = world.client(*thread);
        world.clients[client].group = GroupId(*group);
        world.clients[client].add(Media::Opus, Direction::SendOnly);
        world.clients[client].open(config.clone());
        world.negotiate(client);
    }
    world.connect();
    world.run(Duration::from_secs(1));
    assert!(world.clients.iter().all(|client| client.channels.len() == 1), "open");
    world
}

fn heard(world: &mut World, client: usize) -> Vec<Vec<u8>> {
    std::mem::take(&mut world.clients[client].heard).into_iter().map(|(_, data)| data).collect()
}

#[test]
fn what_is_said_is_heard_under_the_same_label_in_the_same_group() {
    let mut world = gathered(&[
        (0, 1, channel("chat")),
        (0, 1, channel("chat")),
        (1, 1, channel("chat")),
        (0, 1, channel("game")),
        (0, 2, channel("chat")),
        (1, 0, channel("chat")),
    ]);
    assert!(world.clients[0].say("chat", b"hello"));
    world.run(A_MOMENT);
    let heard: Vec<_> = (0..6).map(|client| heard(&mut world, client).len()).collect();
    assert_eq!(heard, [0, 1, 1, 0, 0, 0]);
    let counted: u64 = world.stats.iter().map(|stats| stats.channel_messages.get()).sum();
    assert_eq!(counted, 2);
}

#[test]
fn those_of_no_group_hear_nobody() {
    let mut world = gathered(&[(0, 0, channel("chat")), (0, 0, channel("chat"))]);
    world.clients[0].say("chat", b"hello");
    world.run(A_MOMENT);
    assert!(heard(&mut world, 1).is_empty());
    assert_eq!(world.census()[0].groups, 0);
}

#[test]
fn a_listener_gets_what_it_asked_for_when_packets_are_lost() {
    let loose = ChannelConfig {
        ordered: false,
        reliability: Reliability::MaxRetransmits { retransmits: 0 },
        ..channel("chat")
    };
    let mut world = gathered(&[(0, 1, channel("chat")), (0, 1, channel("chat")), (0, 1, loose)]);
    world.loss = Some(5);
    let count = 100_u8;
    for n in 0..count {
        assert!(world.clients[0].say("chat", &[n]));
        world.run(Duration::from_millis(20));
    }
    world.run(Duration::from_secs(10));
    let (reliable, loose) = (heard(&mut world, 1), heard(&mut world, 2));
    assert_eq!(reliable, (0..count).map(|n| vec![n]).collect::<Vec<_>>(), "all, in order");
    assert!(!loose.is_empty() && loose.len() < usize::from(count), "{} were not lost", loose.len());
}

#[test]
fn channels_are_few_and_their_labels_short() {
    let mut world = gathered(&[(0, 1, channel("chat"))]);
    for n in 1..MAX_CHANNELS + 3 {
        world.clients[0].open(channel(&n.to_string()));
        world.run(A_MOMENT);
    }
    assert_eq!((world.clients[0].channels.len(), world.clients[0].closed_channels), (MAX_CHANNELS, 3));
    assert_eq!(world.stats[0].channels_refused.get(), 3);
    let mut other = gathered(&[(0, 1, channel("chat"))]);
    for label in ["", &"x".repeat(MAX_LABEL + 1)] {
        other.clients[0].open(channel(label));
        other.run(A_MOMENT);
    }
    assert_eq!((other.clients[0].channels.len(), other.stats[0].channels_refused.get()), (1, 2));
}

#[test]
fn who_says_too_much_is_not_repeated() {
    let mut world = gathered(&[(0, 1, channel("chat")), (0, 1, channel("chat"))]);
    for n in 0..1000_u32 {
        world.clients[0].say("chat", &n.to_be_bytes());
        world.run(Duration::from_millis(5)); // twice what may be said
    }
    world.run(Duration::from_secs(2));
    let (heard, dropped) = (heard(&mut world, 1).len(), world.stats[0].channel_dropped.get());
    assert_eq!(heard as u64 + dropped, 1000);
    assert!((650..800).contains(&heard), "{heard}");
    // and after a while it is
    world.run(Duration::from_secs(5));
    world.clients[0].say("chat", b"again");
    world.run(A_MOMENT);
    assert_eq!(self::heard(&mut world, 1), [b"again".to_vec()]);
}

#[test]
fn answers_name_the_longest_message_and_it_is_carried() {
    let mut world = gathered(&[(0, 1, channel("chat")), (0, 1, channel("chat"))]);
    let longest = vec![7; MAX_MESSAGE as usize];
    assert!(world.clients[0].say("chat", &longest));
    world.run(Duration::from_secs(1));
    assert_eq!(heard(&mut world, 1), [longest]);
    world.clients[0].add(Media::Opus, Direction::SendOnly);
    let offer = world.clients[0].offer();
    let answer = world.offer(0, offer).unwrap();
    assert!(answer.contains(&format!("a=max-message-size:{MAX_MESSAGE}\r\n")), "{answer}");
}

#[test]
fn a_listener_that_is_behind_misses_messages_and_delays_nobody() {
    let mut world = gathered(&[(0, 1, channel("chat")), (0, 1, channel("chat")), (0, 1, channel("chat"))]);
    world.clients[1].unplugged = true;
    let message = vec![7; 4096];
    let mut said = 0;
    for _ in 0..200 {
        said += usize::from(world.clients[0].say("chat", &message));
        world.run(Duration::from_millis(50));
    }
    assert_eq!(heard(&mut world, 2).len(), said);
    let dropped = world.stats[0].channel_dropped.get() as usize;
    assert!((said - 20..said).contains(&dropped), "at most 64 KiB wait: {dropped} of {said} dropped");
}

#[test]
fn channels_and_groups_end_with_their_transports() {
    let mut world = gathered(&[(0, 1, channel("chat")), (1, 1, channel("chat"))]);
    assert_eq!(world.census().iter().map(|census| census.groups).collect::<Vec<_>>(), [1, 1]);
    world.clients[1].rtc.close().unwrap();
    world.run(Duration::from_secs(2));
    assert_eq!(world.census().iter().map(|census| census.groups).collect::<Vec<_>>(), [1, 0]);
    world.clients[0].say("chat", b"is anybody there?");
    world.run(A_MOMENT);
    assert_eq!(world.stats[0].channel_messages.get(), 0);
}
