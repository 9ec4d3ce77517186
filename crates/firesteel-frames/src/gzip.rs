//! A gzip file: member after member (RFC 1952).

use std::io::BufRead;

use flate2::bufread::GzDecoder;

use crate::members::Member;

impl<R: BufRead> Member for GzDecoder<R> {
    type Source = R;
    const FIRST: u8 = 0x1f;
    const NAME: &'static str = "gzip";

    fn begin(source: R) -> Self {
        Self::new(source)
    }

    fn end(self) -> R {
        self.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind, Read, Write};

    use super::*;
    use crate::members::Members;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> (Vec<u8>, Option<io::Error>) {
        let mut text = Vec::new();
        let error = Members::<GzDecoder<_>>::new(bytes).read_to_end(&mut text).err();
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
