//! Compressed files that consist of members, one after the other, and of zeros after the last one, with which tapes and disks fill up
//! blocks.

use std::io::{self, BufRead, ErrorKind, Read};

/// Decompresses one member.
pub(crate) trait Member: Read + Sized {
    /// Compressed bytes.
    type Source: BufRead;
    /// The byte that a member begins with.
    const FIRST: u8;
    /// What compresses like this.
    const NAME: &'static str;

    fn begin(source: Self::Source) -> Self;

    /// The bytes after the member.
    fn end(self) -> Self::Source;

    /// Skips what is no member and may stand between them; tells whether there was anything of the kind.
    fn skip(_: &mut Self::Source) -> io::Result<bool> {
        Ok(false)
    }
}

/// Decompresses all members of a file.
pub(crate) struct Members<M: Member> {
    at: At<M>,
}

enum At<M: Member> {
    Within(Box<M>),
    After(M::Source),
    /// Only while one takes the place of another.
    Nowhere,
}

impl<M: Member> Members<M> {
    pub(crate) fn new(source: M::Source) -> Self {
        Self { at: At::Within(Box::new(M::begin(source))) }
    }
}

impl<M: Member> Read for Members<M> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.at {
                At::Within(member) => {
                    let count = member.read(buffer).map_err(damaged)?;
                    if count > 0 {
                        return Ok(count);
                    }
                    if let At::Within(member) = std::mem::replace(&mut self.at, At::Nowhere) {
                        self.at = At::After(member.end());
                    }
                }
                At::After(source) => {
                    match source.fill_buf()?.first().copied() {
                        None => return Ok(0),
                        Some(first) if first == M::FIRST => {}
                        Some(_) if M::skip(source)? => continue,
                        Some(_) => return padding(source, M::NAME),
                    }
                    if let At::After(source) = std::mem::replace(&mut self.at, At::Nowhere) {
                        self.at = At::Within(Box::new(M::begin(source)));
                    }
                }
                At::Nowhere => return Ok(0),
            }
        }
    }
}

/// The error of a decompressor: of data, unless the file ends too early, or cannot be read.
pub(crate) fn damaged(error: io::Error) -> io::Error {
    let is_of_data = error.raw_os_error().is_none()
        && !matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::Interrupted);
    if is_of_data { io::Error::new(ErrorKind::InvalidData, error.to_string()) } else { error }
}

/// Nothing, if only zeros are left; otherwise an error that says how much else there is.
fn padding(source: &mut impl BufRead, name: &str) -> io::Result<usize> {
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
    Err(io::Error::new(ErrorKind::InvalidData, format!("{rest} {bytes} after its end {are} no {name}")))
}
