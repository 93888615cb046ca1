//! A pipeline decodes what strangers send, and may be taken over: what it writes is messages or the end, however cut.

use palaver_sfu::frames::wire::{self, Header, Kind, MANY, MAX_PAYLOAD, Parser};
use str0m::format::Codec;

use crate::Target;

pub const TARGET: Target = Target { name: "wire", run, seeds, inputs: 50_000 };

/// The first byte says how long the pieces are, the rest is the stream.
pub fn run(input: &[u8]) -> bool {
    let Some((piece, stream)) = input.split_first() else { return false };
    let whole = messages([stream].into_iter());
    let pieces = messages(stream.chunks(usize::from(*piece) + 1));
    assert_eq!(whole, pieces);
    !whole.1 && !whole.0.is_empty()
}

type Message = (Header, Vec<u32>, Vec<u8>);

/// The messages, and whether the stream broke off with something else.
fn messages<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Message>, bool) {
    let (mut parser, mut messages) = (Parser::default(), Vec::new());
    for piece in pieces {
        parser.feed(piece);
        loop {
            match parser.next_message() {
                Ok(Some((header, payload))) => {
                    assert!(payload.len() <= MAX_PAYLOAD);
                    let Ok((tracks, frame)) = wire::addressed(&header, payload) else {
                        return (messages, true);
                    };
                    let again = Header::decode(&header.encode(payload.len()));
                    assert_eq!(again, Some((header, payload.len())), "what was read can be written");
                    messages.push((header, tracks, frame.to_vec()));
                }
                Ok(None) => break,
                Err(_) => return (messages, true),
            }
        }
    }
    (messages, false)
}

fn seeds() -> Vec<Vec<u8>> {
    let message = |header: Header, payload: &[u8]| [&header.encode(payload.len())[..], payload].concat();
    let frame =
        |codec, track| Header { codec: Some(codec), key_frame: true, ..Header::plain(Kind::Frame, track) };
    let plain = message(Header::plain(Kind::KeyFrameWanted, 3), &[]);
    let video = message(Header { pts: -5, time_ns: 1 << 50, ..frame(Codec::H264, 1) }, &[7; 300]);
    let many = message(frame(Codec::Opus, MANY), &[2, 0, 4, 0, 0, 0, 9, 0, 0, 0, 0xaa]);
    let end = message(Header::plain(Kind::End, 1), &[]);
    vec![[vec![31], video.clone(), plain, end].concat(), [vec![5], many, video].concat()]
}
