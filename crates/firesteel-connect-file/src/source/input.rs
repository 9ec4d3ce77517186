//! The bytes of a file, or of a stretch of it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};

use firesteel_frames::{Compression, Frames, Unpacked};

/// The text of a file, decompressed.
pub(crate) type Input = Unpacked<Take<File>>;

/// The records of a file.
pub(crate) type FileFrames<P> = Frames<P, Input>;

/// The bytes `[from, to)` of a plain file.
pub(crate) fn plain(mut file: File, from: u64, to: u64) -> io::Result<Input> {
    if from > 0 {
        file.seek(SeekFrom::Start(from))?;
    }
    Ok(Unpacked::of(file.take(to - from), Compression::Plain))
}

/// All of a file, decompressed.
pub(crate) fn compressed(file: File, compression: Compression) -> Input {
    Unpacked::of(file.take(u64::MAX), compression)
}
