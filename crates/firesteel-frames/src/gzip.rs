//! A gzip file: member after member (RFC 1952), and zeros after the last one, with which tapes and disks fill up blocks.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::GzDecoder;

/// Decompresses all members of a file and checks their checksums.
pub(crate) struct GzipMembers<R> {
    at: At<R>,
}

enum At<R> {
    Within(Box<GzDecoder<R>>),
    After(R),
    /// Only while one takes the place of another.
    Nowhere,
}

impl<R: BufRead> GzipMembers<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { at: At::Within(Box::new(GzDecoder::new(source))) }
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.at {
                At::Within(decoder) => {
                    let count = decoder.read(buffer)?;
                    if count > 0 {
                        return Ok(count);
                    }
                    if let At::Within(decoder) = std::mem::replace(&mut self.at, At::Nowhere) {
                        self.at = At::After(decoder.into_inner());
                    }
                }
                At::After(source) => {
                    match source.fill_buf()?.first() {
                        None => return Ok(0),
                        Some(0x1f) => {}
                        Some(_) => return padding(source),
                    }
                    if let At::After(source) = std::mem::replace(&mut self.at, At::Nowhere) {
                        self.at = At::Within(Box::new(GzDecoder::new(source)));
                    }
                }
                At::Nowhere => return Ok(0),
            }
        }
    }
}

/// Nothing, if only zeros are left; otherwise an error that says how much else there is.
fn padding(source: &mut impl BufRead) -> io::Result<usize> {
    let (mut zeros, mut rest) = (true, 0_u64);
    loop {
        let bytes = source.fill_buf()?;
        if bytes.is_empty() {
            break;
        }
        let skipped = if zeros { bytes.iter().take_while(|byte| **byte == 0).count() } else { 0 };
        zeros &= skipped == bytes.len();
        rest += (bytes.len() - skipped) as u64;
        let count = bytes.len();
        source.consume(count);
    }
    if rest == 0 {
        return Ok(0);
    }
    let (bytes, are) = if rest == 1 { ("byte", "is") } else { ("bytes", "are") };
    Err(io::Error::new(ErrorKind::InvalidData, format!("{rest} {bytes} after its end {are} no gzip")))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> (Vec<u8>, Option<io::Error>) {
        let mut text = Vec::new();
        let error = GzipMembers::new(bytes).read_to_end(&mut text).err();
        (text, error)
    }

    #[test]
    fn members_follow_each_other_and_zeros_the_last() {
        let whole = [gzip(b"one\n"), gzip(b""), gzip(b"two\n")].concat();
        for padding in [0, 1, 511, 1_000_000] {
            let (text, error) = read(&[&whole[..], &vec![0; padding]].concat());
            assert_eq!((&text[..], error.is_none()), (&b"one\ntwo\n"[..], true), "{padding} zeros");
        }
    }

    #[test]
    fn what_else_is_there_is_counted() {
        for (after, expected) in [
            (&b"\r\n"[..], "2 bytes after its end are no gzip"),
            (b"\0\0\0x", "1 byte after its end is no gzip"),
            (b"x\0\0", "3 bytes after its end are no gzip"),
        ] {
            let (text, error) = read(&[&gzip(b"one\n"), after].concat());
            assert_eq!((&text[..], error.unwrap().to_string().as_str()), (&b"one\n"[..], expected));
        }
        let whole = gzip(b"one\n");
        for cut in 1..whole.len() {
            assert_eq!(read(&whole[..cut]).1.map(|error| error.kind()), Some(ErrorKind::UnexpectedEof), "{cut}");
        }
    }
}
