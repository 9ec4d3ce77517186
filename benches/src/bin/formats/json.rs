//! JSON by hand.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::{Error, Found, Query};

/// A read buffer of the size that the source has, from which lines are decoded in place.
pub(super) fn by_hand(path: &Path) -> Result<Found, Error> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 256 << 10];
    let (mut held, mut found) = (0, (0, 0, 0));
    loop {
        let count = file.read(&mut buffer[held..])?;
        if count == 0 {
            return Ok(found);
        }
        held += count;
        let mut begin = 0;
        while let Some(length) = memchr::memchr(b'\n', &buffer[begin..held]) {
            let line = std::str::from_utf8(&buffer[begin..begin + length])?;
            let query: Query = serde_json::from_str(line)?;
            query.count(&mut found);
            begin += length + 1;
        }
        buffer.copy_within(begin..held, 0);
        held -= begin;
    }
}

/// Repeats a log until the file is as large as it is to be.
pub(super) fn repeated(log: &Path, megabytes: u64, folder: &Path) -> Result<PathBuf, Error> {
    let (mut lines, file) = (Vec::new(), File::open(log)?);
    if log.extension().is_some_and(|extension| extension == "gz") {
        MultiGzDecoder::new(file).read_to_end(&mut lines)?;
    } else {
        { file }.read_to_end(&mut lines)?;
    }
    let path = folder.join("log.ndjson");
    let mut out = File::create(&path)?;
    for _ in 0..(megabytes << 20).div_ceil(lines.len().max(1) as u64) {
        out.write_all(&lines)?;
    }
    Ok(path)
}
