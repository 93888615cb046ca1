//! Anyone may open a TCP connection and send anything: the frames found do not depend on where the stream was cut.

use palaver_sfu::tcp::framing::{Deframer, MAX_FRAME, TooLong};

use crate::Target;

pub const TARGET: Target = Target { name: "framing", run, seeds, inputs: 50_000 };

/// The first byte says how long the pieces are, the rest is the stream.
pub fn run(input: &[u8]) -> bool {
    let Some((piece, stream)) = input.split_first() else { return false };
    let whole = frames([stream].into_iter());
    let pieces = frames(stream.chunks(usize::from(*piece) + 1));
    assert_eq!(whole, pieces);
    whole.1.is_ok() && !whole.0.is_empty()
}

fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Result<(), TooLong>) {
    let (mut deframer, mut frames) = (Deframer::default(), Vec::new());
    for piece in pieces {
        let fed = deframer.feed(piece, |frame| {
            assert!(!frame.is_empty() && frame.len() <= MAX_FRAME);
            frames.push(frame.to_vec());
        });
        if fed.is_err() {
            return (frames, fed);
        }
        assert!(deframer.kept() < MAX_FRAME + 2);
    }
    (frames, Ok(()))
}

fn seeds() -> Vec<Vec<u8>> {
    let frame = |length: u16| [&length.to_be_bytes()[..], &vec![7; usize::from(length)]].concat();
    let many = [vec![3], frame(20), frame(0), frame(1), frame(300)].concat();
    vec![many, [vec![255], frame(MAX_FRAME as u16), frame(40)].concat()]
}
