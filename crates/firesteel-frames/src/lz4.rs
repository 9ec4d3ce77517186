//! An lz4 file: frame after frame, some of which are to be skipped.

use std::io::{self, BufRead, ErrorKind, Read};

use lz4_flex::frame::FrameDecoder;

use crate::members::Member;

/// Decompresses one frame.
pub(crate) struct Lz4Frame<R: BufRead>(FrameDecoder<Watched<R>>);

/// Takes note of whether the file ended when more was asked for. The decoder takes that for the end of a frame where a block may
/// begin.
struct Watched<R> {
    stream: R,
    is_over: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.is_over |= count == 0 && !buffer.is_empty();
        Ok(count)
    }
}

impl<R: BufRead> Read for Lz4Frame<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        if count == 0 && !buffer.is_empty() && self.0.get_ref().is_over {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(count)
    }
}

impl<R: BufRead> Member for Lz4Frame<R> {
    type Source = R;
    const FIRST: u8 = 0x04;
    const NAME: &'static str = "lz4";

    fn begin(stream: R) -> Self {
        Self(FrameDecoder::new(Watched { stream, is_over: false }))
    }

    fn end(self) -> R {
        self.0.into_inner().stream
    }

    fn skip(source: &mut R) -> io::Result<bool> {
        let is_skipped = source.fill_buf()?.first().is_some_and(|first| first & 0xf0 == 0x50);
        if is_skipped {
            let mut head = [0; 8];
            source.read_exact(&mut head)?;
            let length = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
            if head[1..4] != [0x2a, 0x4d, 0x18] {
                return Err(io::Error::new(ErrorKind::InvalidData, "what follows is no frame of lz4"));
            }
            if io::copy(&mut source.by_ref().take(length), &mut io::sink())? < length {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(is_skipped)
    }
}
