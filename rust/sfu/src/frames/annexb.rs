//! NAL units between start codes (H.264 and H.265, annex B).

pub const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The NAL units of a byte stream, without start codes and trailing zeros.
pub fn units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(stream).unwrap_or(&[]);
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (unit, next) = match find_start_code(rest) {
                Some(at) => (&rest[..at], &rest[at + 3..]),
                None => (rest, &[][..]),
            };
            rest = next;
            let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if end > 0 {
                return Some(&unit[..end]);
            }
        }
        None
    })
}

/// Where the next three-byte start code begins.
fn find_start_code(stream: &[u8]) -> Option<usize> {
    stream.windows(3).position(|window| window == [0, 0, 1])
}

fn after_start_code(stream: &[u8]) -> Option<&[u8]> {
    find_start_code(stream).map(|at| &stream[at + 3..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(stream: &[u8]) -> Vec<&[u8]> {
        units(stream).collect()
    }

    #[test]
    fn units_are_found_between_long_and_short_start_codes() {
        let stream = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 4, 5];
        assert_eq!(split(&stream), [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 4, 5]]);
        assert_eq!(split(&[0, 0, 1, 9, 8, 0, 0, 0]), [&[9, 8][..]], "trailing zeros are none of it");
        assert!(split(&[]).is_empty() && split(&[1, 2, 3]).is_empty() && split(&[0, 0, 1]).is_empty());
    }
}
