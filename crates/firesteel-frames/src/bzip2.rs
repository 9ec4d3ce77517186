//! A bzip2 file: stream after stream, as `pbzip2` writes them.

use std::io::BufRead;

use bzip2::bufread::BzDecoder;

use crate::members::Member;

impl<R: BufRead> Member for BzDecoder<R> {
    type Source = R;
    const FIRST: u8 = b'B';
    const NAME: &'static str = "bzip2";

    fn begin(source: R) -> Self {
        Self::new(source)
    }

    fn end(self) -> R {
        self.into_inner()
    }
}
