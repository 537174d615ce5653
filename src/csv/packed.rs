//! The bytes of a chunk: numbers in as few bytes as they need, texts with their length before them.

/// Writes a number, seven bits a byte, the lowest first.
pub(super) fn put_number(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes a text.
pub(super) fn put_text(text: &str, out: &mut Vec<u8>) {
    put_number(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

/// What is left of the bytes to read. Everything is `None` where they are not what was written.
pub(super) struct Packed<'a>(pub &'a [u8]);

impl<'a> Packed<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn number(&mut self) -> Option<usize> {
        let (mut number, mut shift) = (0_usize, 0);
        loop {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= usize::from(first & 0x7f).checked_shl(shift)?;
            if first & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        self.text_of(length)
    }

    pub(super) fn text_of(&mut self, length: usize) -> Option<&'a str> {
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let numbers = [0, 1, 127, 128, 300, 1 << 20, usize::MAX];
        let mut bytes = Vec::new();
        numbers
            .iter()
            .for_each(|number| put_number(*number, &mut bytes));
        put_text("髙", &mut bytes);
        let mut packed = Packed(&bytes);
        numbers
            .iter()
            .for_each(|number| assert_eq!(packed.number(), Some(*number)));
        assert_eq!(packed.text(), Some("髙"));
        assert!(packed.is_empty() && packed.number().is_none());
        for damaged in [&[0x80][..], &[0xff; 20], &[5, b'a'], &[1, 0xff]] {
            assert_eq!(Packed(damaged).text(), None, "{damaged:?}");
        }
    }
}
