//! Which encoding a file is in, and its text.

use std::io::{self, BufRead, Read};

use encoding_rs::{CoderResult, Decoder, DecoderResult, SHIFT_JIS, UTF_8};

/// How the bytes of a file are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    codec: &'static encoding_rs::Encoding,
    /// May a character stand as `&#…;`, because Shift_JIS has it not?
    pub(super) references: bool,
    /// Were there bytes that mean nothing? U+FFFD then stands for them.
    pub(super) broken: bool,
}

const BUFFER: usize = 64 * 1024;

/// Finds out in which encoding a file is, by reading it to its end. A byte order mark decides; else it is UTF-8 if it
/// can be, else Shift_JIS. Where it can be both, as a few bytes of half-width kana can, `said_shift_jis` decides: what
/// the sender says of it.
pub fn detect<R: Read + io::Seek>(file: &mut R, said_shift_jis: bool) -> io::Result<Encoding> {
    let mut start = Vec::with_capacity(3);
    file.by_ref().take(3).read_to_end(&mut start)?;
    let known = |codec, broken| Encoding {
        codec,
        references: codec == SHIFT_JIS,
        broken,
    };
    if let Some((codec, _)) = encoding_rs::Encoding::for_bom(&start) {
        return Ok(known(codec, survey(file, codec)?.malformed > 0));
    }
    let utf8 = survey(file, UTF_8)?;
    if utf8.malformed == 0 && utf8.beyond_ascii == 0 {
        return Ok(Encoding {
            codec: UTF_8,
            references: true,
            broken: false,
        });
    }
    if utf8.malformed == 0 && !said_shift_jis {
        return Ok(known(UTF_8, false));
    }
    // One damaged byte does not make Shift_JIS of a file in UTF-8.
    if utf8.malformed > 0 && utf8.beyond_ascii > utf8.malformed {
        return Ok(known(UTF_8, true));
    }
    let shift_jis = survey(file, SHIFT_JIS)?;
    let codec = if shift_jis.malformed > 0 && utf8.malformed == 0 {
        UTF_8
    } else {
        SHIFT_JIS
    };
    Ok(known(codec, codec == SHIFT_JIS && shift_jis.malformed > 0))
}

/// What a file is like when read in one encoding.
struct Survey {
    /// Sequences that mean nothing in it.
    malformed: u64,
    /// Characters beyond ASCII.
    beyond_ascii: u64,
}

fn survey<R: Read + io::Seek>(
    file: &mut R,
    codec: &'static encoding_rs::Encoding,
) -> io::Result<Survey> {
    file.rewind()?;
    let mut decoder = codec.new_decoder_with_bom_removal();
    let (mut raw, mut text) = (vec![0; BUFFER], vec![0; BUFFER]);
    let mut survey = Survey {
        malformed: 0,
        beyond_ascii: 0,
    };
    loop {
        let length = read(file, &mut raw)?;
        let mut from = 0;
        loop {
            let (result, taken, written) = decoder.decode_to_utf8_without_replacement(
                &raw[from..length],
                &mut text,
                length == 0,
            );
            from += taken;
            // Of each character beyond ASCII, the first byte.
            survey.beyond_ascii +=
                text[..written].iter().filter(|byte| **byte >= 0xc0).count() as u64;
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => survey.malformed += 1,
            }
        }
        if length == 0 {
            file.rewind()?;
            return Ok(survey);
        }
    }
}

fn read(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// The text of a file, in UTF-8 and without a byte order mark. What cannot be read has become U+FFFD.
pub(super) struct Decoded<R> {
    source: R,
    decoder: Decoder,
    raw: Vec<u8>,
    raw_from: usize,
    raw_to: usize,
    ended: bool,
    text: Vec<u8>,
    from: usize,
    to: usize,
}

impl<R: Read> Decoded<R> {
    pub(super) fn new(source: R, encoding: Encoding) -> Self {
        Self {
            source,
            decoder: encoding.codec.new_decoder_with_bom_removal(),
            raw: vec![0; BUFFER],
            raw_from: 0,
            raw_to: 0,
            ended: false,
            text: vec![0; BUFFER * 3],
            from: 0,
            to: 0,
        }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: Read> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.from == self.to && !self.ended {
            let mut last = false;
            if self.raw_from == self.raw_to {
                (self.raw_from, self.raw_to) = (0, read(&mut self.source, &mut self.raw)?);
                last = self.raw_to == 0;
            }
            let raw = &self.raw[self.raw_from..self.raw_to];
            let (result, taken, written, _) =
                self.decoder.decode_to_utf8(raw, &mut self.text, last);
            self.raw_from += taken;
            (self.from, self.to) = (0, written);
            self.ended = last && result == CoderResult::InputEmpty;
        }
        Ok(&self.text[self.from..self.to])
    }

    fn consume(&mut self, length: usize) {
        self.from += length;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn name(bytes: &[u8], said_shift_jis: bool) -> (&'static str, bool) {
        let encoding = detect(&mut Cursor::new(bytes), said_shift_jis).unwrap();
        (encoding.codec.name(), encoding.broken)
    }

    #[test]
    fn the_whole_file_says_which_encoding_it_is() {
        let late = [&vec![b'a'; 3 * BUFFER][..], "髙①".as_bytes()].concat();
        let late_shift_jis = [&vec![b'a'; 3 * BUFFER][..], b"\xfb\xfc\x87\x40"].concat();
        let damaged = ["氏名株式会社".as_bytes(), b"\xff\n"].concat();
        let half_width_kana = b"\xc2\xb1";
        for (bytes, expected) in [
            (&b"a,b\n"[..], ("UTF-8", false)),
            (b"", ("UTF-8", false)),
            (&late, ("UTF-8", false)),
            (&late_shift_jis, ("Shift_JIS", false)),
            (b"\xef\xbb\xbf\xff", ("UTF-8", true)),
            (b"\xff\xfea\0", ("UTF-16LE", false)),
            (b"\xfe\xff\0a", ("UTF-16BE", false)),
            (&damaged, ("UTF-8", true)),
            (b"\x83", ("Shift_JIS", true)),
            (half_width_kana, ("UTF-8", false)),
        ] {
            assert_eq!(name(bytes, false), expected, "{bytes:?}");
        }
        assert_eq!(name(half_width_kana, true), ("Shift_JIS", false));
        assert_eq!(name("あ".as_bytes(), true), ("UTF-8", false));
    }

    #[test]
    fn the_text_comes_out_whole_however_the_bytes_are_cut() {
        struct Slowly<'a>(&'a [u8]);
        impl Read for Slowly<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let (first, rest) = self.0.split_at(self.0.len().min(1));
                buffer[..first.len()].copy_from_slice(first);
                self.0 = rest;
                Ok(first.len())
            }
        }
        let encoding = Encoding {
            codec: SHIFT_JIS,
            references: true,
            broken: false,
        };
        let mut text = String::new();
        Decoded::new(Slowly(b"\xfb\xfc\x87\x40,\x83"), encoding)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "髙①,\u{fffd}");
    }
}
