//! Redundant audio (RFC 2198): packets that carry earlier ones as well, so that a loss does not matter. They are passed
//! on as they are to those who can read them; the others get what is new in them.

/// More blocks than this are not read; browsers send one or two beside the new one.
const MAX_BLOCKS: usize = 16;
/// A header that is followed by another (F, payload type, timestamp offset, length), and the last one.
const HEADER: usize = 4;
const LAST_HEADER: usize = 1;

/// Where the new block begins, if all blocks are of `payload_type` and there is something in it.
pub fn newest_at(payload: &[u8], payload_type: u8) -> Option<usize> {
    let (mut at, mut older) = (0, 0);
    for _ in 0..MAX_BLOCKS {
        let first = *payload.get(at)?;
        if first & 0x7f != payload_type {
            return None;
        }
        if first & 0x80 == 0 {
            let begins = at + LAST_HEADER + older;
            return (begins < payload.len()).then_some(begins);
        }
        let length = u16::from_be_bytes([*payload.get(at + 2)?, *payload.get(at + 3)?]) & 0x3ff;
        older += usize::from(length);
        at += HEADER;
    }
    None
}

/// Write the payload type by which a subscriber knows the codec into each block's header.
pub fn rename(payload: &mut [u8], payload_type: u8) {
    for block in 0..MAX_BLOCKS {
        let Some(first) = payload.get_mut(block * HEADER) else { return };
        *first = *first & 0x80 | payload_type;
        if *first & 0x80 == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two earlier blocks of 2 and 1 bytes, a new one of 3.
    const PACKET: [u8; 15] = [0xef, 0, 0, 2, 0xef, 0, 0, 1, 0x6f, 1, 1, 2, 3, 3, 3];

    #[test]
    fn the_newest_block_is_the_last() {
        assert_eq!(newest_at(&PACKET, 111), Some(12));
        assert_eq!(newest_at(&[0x6f, 3], 111), Some(1), "the first packet has no earlier ones");
    }

    #[test]
    fn what_cannot_be_stripped_is_not_taken() {
        assert_eq!(newest_at(&PACKET, 96), None);
        assert_eq!(newest_at(&[0xef, 0, 0, 2, 0x0d, 1, 1, 2], 111), None, "comfort noise among them");
        assert_eq!(newest_at(&[0xef, 0, 0, 1].repeat(20), 111), None);
        for end in 0..13 {
            assert_eq!(newest_at(&PACKET[..end], 111), None);
        }
    }

    #[test]
    fn every_header_is_renamed_and_nothing_else() {
        let mut packet = PACKET;
        rename(&mut packet, 120);
        assert_eq!(packet, [0xf8, 0, 0, 2, 0xf8, 0, 0, 1, 0x78, 1, 1, 2, 3, 3, 3]);
        rename(&mut packet[..3], 1);
        rename(&mut [], 1);
    }
}
