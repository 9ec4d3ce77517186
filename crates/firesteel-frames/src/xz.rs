//! An xz file: stream after stream, with padding between them.

use std::io::{self, BufRead, Read};

use lzma_rust2::XzReader;

use crate::members::damaged;

/// What a block may ask for, in KiB: `xz -9` asks for 65 MiB.
const MOST_MEMORY: u32 = 1 << 20;

/// Decompresses all streams of a file and checks their checksums.
pub(crate) struct XzStreams<R: Read> {
    decoder: XzReader<R>,
    /// The decoder must not be asked again after an error.
    error: Option<(io::ErrorKind, String)>,
}

impl<R: BufRead> XzStreams<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { decoder: XzReader::new_mem_limit(source, true, MOST_MEMORY), error: None }
    }
}

impl<R: BufRead> Read for XzStreams<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some((kind, text)) = &self.error {
            return Err(io::Error::new(*kind, text.clone()));
        }
        let read = self.decoder.read(buffer).map_err(damaged);
        if let Err(error) = &read {
            self.error = Some((error.kind(), error.to_string()));
        }
        read
    }
}
