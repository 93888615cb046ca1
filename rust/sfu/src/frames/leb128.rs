//! The variable-length numbers of AV1 (specification, section 4.10.5).

/// The number at the start of `data` and its length in bytes; None if it is cut off or above 2^32 - 1.
pub fn read(data: &[u8]) -> Option<(usize, usize)> {
    let mut value: u64 = 0;
    for (index, byte) in data.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(u32::try_from(value).ok()?).ok()?, index + 1));
        }
    }
    None
}

/// Append `value` in as few bytes as it needs.
pub fn write(mut value: usize, out: &mut Vec<u8>) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        out.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, 4_294_967_295] {
            let mut bytes = Vec::new();
            write(value, &mut bytes);
            assert_eq!(read(&bytes), Some((value, bytes.len())));
            assert_eq!(read(&bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(read(&[0xff; 8]), None);
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x1f]), None, "above 32 bits");
    }
}
