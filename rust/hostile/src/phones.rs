//! RTP, RTCP and telephone events come to ports that anyone can send to: any datagram is taken or turned away, protected or
//! not, and what comes out is in order. An input is a choice of protection and codec, then datagrams with their lengths.

use std::time::{Duration, Instant};

use palaver_sfu::rtp_header::RtpHeader;
use palaver_sfu::srtp::{Sdes, Suite};
use palaver_sfu::transport::rtp::Content;
use palaver_sfu::transport::rtp::receiver::{Arrived, Passed, Receiver};
use palaver_sfu::transport::rtp::telephone::{Event, Keys};

use crate::Target;

pub const TARGET: Target = Target { name: "phones", run, seeds, inputs: 50_000 };

pub fn run(input: &[u8]) -> bool {
    let Some((&[choice], mut rest)) = input.split_first_chunk() else { return false };
    let key = Sdes::new(Suite::AesCm128HmacSha1Tag80, [7; 30]);
    let mut opener = (choice & 1 == 1).then(|| key.opener().unwrap());
    let video = choice & 2 == 2;
    let (mut receiver, mut keys) = (Receiver::new(video, 8000), Keys::default());
    let (mut now, mut newest, mut taken) = (Instant::now(), None, false);
    while let Some((&[length], after)) = rest.split_first_chunk() {
        let (datagram, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        now += Duration::from_millis(u64::from(length));
        let Some(header) = RtpHeader::read(datagram) else { continue };
        let mut packet = datagram.to_vec();
        let numbered = match &mut opener {
            Some(opener) => opener.open(&header, &mut packet).ok(),
            None => Some((receiver.extend(&header), packet.len())),
        };
        assert!(opener.is_none() || numbered.is_none(), "it was not made with the key");
        let Some((index, end)) = numbered else { continue };
        let Some(payload) = header.payload(&packet[..end]) else { continue };
        let content = match header.payload_type {
            101 => Content::Event(8000),
            13 => Content::Noise,
            _ => Content::Media,
        };
        let arrived = Arrived { header, index, content, payload: payload.into() };
        let mut pass = |passed| match passed {
            Passed::Media(packet) => {
                taken = true;
                assert!(video || newest.is_none_or(|newest| newest < packet.seq), "in order");
                newest = Some(packet.seq);
            }
            Passed::Event(payload, timestamp) => {
                Event::read(&payload).and_then(|event| keys.note(event, timestamp));
            }
            Passed::Anew => {}
        };
        receiver.take(arrived, false, now, &mut pass);
        receiver.release(now, &mut pass);
    }
    receiver.reception(now);
    taken
}

fn seeds() -> Vec<Vec<u8>> {
    let packet = |payload_type: u8, seq: u16, payload: &[u8]| {
        let mut packet = vec![0x80, payload_type];
        packet.extend(seq.to_be_bytes());
        packet.extend((u32::from(seq) * 160).to_be_bytes());
        packet.extend([0, 0, 0, 7]);
        packet.extend(payload);
        [&[packet.len() as u8], &packet[..]].concat()
    };
    let row: Vec<u8> = [65_534, 65_535, 1, 0, 2].iter().flat_map(|seq| packet(8, *seq, &[1; 4])).collect();
    let keys: Vec<u8> = (3..6).flat_map(|seq| packet(101, seq, &[5, 0x8a, 1, 2])).collect();
    let noise = packet(13, 6, &[60]);
    vec![
        [&[0], &row[..], &keys, &noise].concat(),
        [&[2], &row[..]].concat(),
        [&[0], &keys[..], &row].concat(),
    ]
}
