//! Files to read and ways to read them.

#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::io::Write;
use std::path::Path;

use firesteel_connect::{Discovery, ReadRange, Result, Source, SourceContext, SourceReader, SplitId};
use firesteel_window::Timestamp;
use flate2::Compression;
use flate2::write::GzEncoder;

pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(text: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
}

pub(crate) fn append(path: &Path, text: &str) {
    std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

pub(crate) fn discover<S: Source>(source: &S) -> Result<Discovery> {
    source.discover(Timestamp::from_secs(0))
}

/// The known ends of all splits.
pub(crate) fn available<S: Source>(source: &S) -> Result<Vec<Option<u64>>> {
    Ok(discover(source)?.splits.iter().map(|split| split.available).collect())
}

/// Everything from a position on.
pub(crate) fn from(split: &SplitId, from: u64) -> ReadRange {
    ReadRange::starting_at(split.clone(), from)
}

pub(crate) fn split(path: &Path) -> SplitId {
    SplitId::new(path.to_str().unwrap())
}

/// The records of a range and the position after them.
pub(crate) fn read<S: Source>(source: &S, range: &ReadRange) -> Result<(Vec<S::Item>, u64)> {
    let mut records = vec![];
    let mut reader = source.open(range)?;
    reader.for_each(|record| records.push(record))?;
    Ok((records, reader.position()))
}

/// All records that a sink has published in a folder, by a source over it.
pub(crate) fn published<S: Source>(folder: &Path, source: impl FnOnce(&Path) -> S) -> Vec<S::Item> {
    if !folder.exists() {
        return vec![];
    }
    let files = source(folder);
    files.start(&SourceContext::default()).unwrap();
    let splits = discover(&files).unwrap().splits;
    splits.into_iter().flat_map(|split| read(&files, &from(&split.id, 0)).unwrap().0).collect()
}
