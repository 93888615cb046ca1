//! Packets of one track, in any order → frames in order. What is lost costs frames up to the next key frame.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::format::Codec;

use super::unpack::Unpacker;

/// How long a missing packet is waited for: it may be on its way again.
const PATIENCE: Duration = Duration::from_millis(150);
/// Packets that wait behind a missing one, at most.
const MAX_WAITING: usize = 512;

/// One packet, numbered without holes but for losses.
#[derive(Clone, Debug)]
pub struct Piece {
    pub seq: u64,
    pub timestamp: u64,
    pub marker: bool,
    /// A decoder can start here.
    pub starts: bool,
    pub payload: Arc<[u8]>,
    pub level_dbov: Option<i8>,
    pub voice: bool,
    pub received: Instant,
    /// When it was captured, by the monotonic clock.
    pub time_ns: i64,
}

/// One frame; `time_ns` is that of its first packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub timestamp: u64,
    pub key: bool,
    /// Frames before this one are missing.
    pub gap: bool,
    pub level_dbov: Option<i8>,
    pub voice: bool,
    pub time_ns: i64,
    pub data: Vec<u8>,
}

/// What came of a packet.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Assembled {
    pub frames: Vec<Frame>,
    /// Nothing more can be given without a key frame.
    pub starving: bool,
    /// Frames that were given up.
    pub lost: u64,
}

/// The frame that is being put together.
#[derive(Debug)]
struct Unfinished {
    timestamp: u64,
    key: bool,
    time_ns: i64,
    broken: bool,
}

/// Owned by a tap.
#[derive(Debug)]
pub struct Assembler {
    video: bool,
    unpacker: Unpacker,
    waiting: BTreeMap<u64, Piece>,
    next: Option<u64>,
    unfinished: Option<Unfinished>,
    needs_key: bool,
    gap: bool,
}

impl Assembler {
    pub fn new(codec: Codec) -> Self {
        Self {
            video: codec.is_video(),
            unpacker: Unpacker::new(codec),
            waiting: BTreeMap::new(),
            next: None,
            unfinished: None,
            needs_key: codec.is_video(),
            gap: false,
        }
    }

    /// Whether nothing can be given before a key frame.
    pub fn starving(&self) -> bool {
        self.needs_key
    }

    /// Take in one packet.
    pub fn add(&mut self, piece: Piece) -> Assembled {
        let mut assembled = Assembled::default();
        let now = piece.received;
        if !self.video {
            // Whoever plays audio has a jitter buffer of its own: nothing is gained by waiting here too.
            assembled.frames.extend(audio(&piece));
            return assembled;
        }
        if self.next.is_some_and(|next| piece.seq < next) {
            return assembled;
        }
        self.waiting.insert(piece.seq, piece);
        while let Some(entry) = self.waiting.first_entry() {
            let missing = self.next.is_some_and(|next| *entry.key() != next);
            if missing {
                let waited = now.saturating_duration_since(entry.get().received);
                if waited < PATIENCE && self.waiting.len() <= MAX_WAITING {
                    break;
                }
                self.lose(&mut assembled);
            }
            if let Some((seq, piece)) = self.waiting.pop_first() {
                self.next = Some(seq + 1);
                self.take(&piece, &mut assembled);
            }
        }
        assembled.starving = self.needs_key;
        assembled
    }

    /// Packets before the next one are gone for good.
    fn lose(&mut self, assembled: &mut Assembled) {
        assembled.lost += 1;
        self.unpacker.clear();
        self.unfinished = None;
        self.needs_key = true;
        self.gap = true;
    }

    fn take(&mut self, piece: &Piece, assembled: &mut Assembled) {
        if self.unfinished.as_ref().is_some_and(|frame| frame.timestamp != piece.timestamp) {
            self.finish(assembled); // its end had no marker
        }
        if self.unfinished.is_none() {
            if self.needs_key && !piece.starts {
                return;
            }
            self.unfinished = Some(Unfinished {
                timestamp: piece.timestamp,
                key: false,
                time_ns: piece.time_ns,
                broken: false,
            });
        }
        let Some(frame) = &mut self.unfinished else { return };
        frame.key |= piece.starts;
        frame.broken |= self.unpacker.add(&piece.payload).is_err();
        if piece.marker {
            self.finish(assembled);
        }
    }

    fn finish(&mut self, assembled: &mut Assembled) {
        let Some(frame) = self.unfinished.take() else { return };
        match self.unpacker.take() {
            Ok(data) if !frame.broken => {
                self.needs_key &= !frame.key;
                assembled.frames.push(Frame {
                    timestamp: frame.timestamp,
                    key: frame.key,
                    gap: std::mem::take(&mut self.gap),
                    level_dbov: None,
                    voice: false,
                    time_ns: frame.time_ns,
                    data,
                });
            }
            _ => self.lose(assembled),
        }
    }
}

fn audio(piece: &Piece) -> Option<Frame> {
    if piece.payload.is_empty() {
        return None; // nothing was said: a decoder takes no empty packet
    }
    Some(Frame {
        timestamp: piece.timestamp,
        key: true,
        gap: false,
        level_dbov: piece.level_dbov,
        voice: piece.voice,
        time_ns: piece.time_ns,
        data: piece.payload.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        assembler: Assembler,
        start: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self { assembler: Assembler::new(Codec::Vp8), start: Instant::now() }
        }

        /// A packet of VP8: frame `number` has two, `seq` 2n and 2n + 1.
        fn piece(&self, seq: u64, key: bool, at_ms: u64) -> Piece {
            let first = seq.is_multiple_of(2);
            Piece {
                seq,
                timestamp: seq / 2 * 3000,
                marker: !first,
                starts: key && first,
                payload: Arc::from([if first { 0x10 } else { 0 }, seq as u8]),
                level_dbov: None,
                voice: false,
                received: self.start + Duration::from_millis(at_ms),
                time_ns: 0,
            }
        }

        fn add(&mut self, seq: u64, key: bool, at_ms: u64) -> Vec<(u64, bool, bool)> {
            let piece = self.piece(seq, key, at_ms);
            let assembled = self.assembler.add(piece);
            assembled.frames.iter().map(|f| (f.timestamp / 3000, f.key, f.gap)).collect()
        }
    }

    #[test]
    fn frames_begin_with_a_key_frame_and_come_whole() {
        let mut bench = Bench::new();
        assert_eq!((bench.add(8, false, 0), bench.add(9, false, 0)), (vec![], vec![]));
        assert!(bench.assembler.starving());
        assert_eq!(bench.add(10, true, 0), []);
        assert_eq!(bench.add(11, true, 0), [(5, true, false)]);
        assert!(!bench.assembler.starving());
        assert_eq!((bench.add(12, false, 0), bench.add(13, false, 0)), (vec![], vec![(6, false, false)]));
    }

    #[test]
    fn packets_out_of_order_are_put_in_order() {
        let mut bench = Bench::new();
        bench.add(0, true, 0);
        assert_eq!(bench.add(3, false, 1), []);
        assert_eq!(bench.add(2, false, 1), []);
        assert_eq!(bench.add(1, true, 20), [(0, true, false), (1, false, false)]);
        assert_eq!(bench.add(1, true, 21), [], "a repetition is nothing new");
    }

    #[test]
    fn a_loss_costs_frames_up_to_the_next_key_frame() {
        let mut bench = Bench::new();
        bench.add(0, true, 0);
        bench.add(1, true, 0);
        assert_eq!(bench.add(3, false, 10), []);
        assert_eq!(
            (bench.add(4, false, 20), bench.add(5, false, 100)),
            (vec![], vec![]),
            "it may still come"
        );
        assert_eq!(bench.add(6, false, 170), []);
        assert!(bench.assembler.starving());
        assert_eq!((bench.add(7, false, 171), bench.add(8, true, 180)), (vec![], vec![]));
        assert_eq!(bench.add(9, true, 181), [(4, true, true)]);
    }

    #[test]
    fn a_flood_behind_a_hole_is_bounded() {
        let mut bench = Bench::new();
        bench.add(0, true, 0);
        for seq in 2..2000 {
            bench.add(seq, false, 1);
        }
        assert!(bench.assembler.waiting.len() <= MAX_WAITING);
    }

    #[test]
    fn a_malformed_payload_costs_its_frame() {
        let mut bench = Bench::new();
        let mut bad = bench.piece(0, true, 0);
        bad.payload = Arc::from([0x90]);
        bench.assembler.add(bad);
        let ended = bench.piece(1, true, 0);
        let assembled = bench.assembler.add(ended);
        assert_eq!((assembled.frames.len(), assembled.lost, assembled.starving), (0, 1, true));
    }
}
