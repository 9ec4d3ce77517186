//! The files of a checkpoint: one per partition, and a manifest that is written last.
//!
//! A partition's file is one lz4 frame with a checksum of every block and of the whole, in which each record, encoded
//! with postcard, stands after its length. The manifest is text: a line that names the format, then one line for each
//! partition with its number of records.

use std::fs::{self, File};
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data::Exchange;
use crate::error::{Error, Result};
use crate::folder::create_new;
use crate::operator::Operator;
use crate::rdd::Rdd;
use crate::storage::{RecordReader, RecordWriter, write_whole};
use crate::task::TaskContext;

const FORMAT: &str = "firesteel checkpoint 1";

/// What a checkpoint holds.
pub(super) struct Manifest {
    /// The number of records of each partition.
    pub(super) records: Vec<u64>,
}

fn part(folder: &Path, split: usize) -> PathBuf {
    folder.join(format!("part-{split:05}"))
}

fn file_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}

fn damaged(path: &Path, reason: &str) -> Error {
    Error::Damaged { path: path.to_owned(), reason: reason.to_owned() }
}

impl Manifest {
    fn path(folder: &Path) -> PathBuf {
        folder.join("_checkpoint")
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let mut text = format!("{FORMAT}\n");
        self.records.iter().for_each(|records| text.push_str(&format!("{records}\n")));
        let path = Self::path(folder);
        write_whole(&path, 0, |file| file.write_all(text.as_bytes())).map_err(file_error("write", &path))
    }

    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = Self::path(folder);
        let text = fs::read_to_string(&path).map_err(file_error("read", &path))?;
        let mut lines = text.lines();
        if lines.next() != Some(FORMAT) {
            return Err(damaged(&path, &format!("it does not begin with `{FORMAT}`")));
        }
        let records = lines.map(|line| line.parse().map_err(|_| damaged(&path, &format!("`{line}` is no number"))));
        Ok(Self { records: records.collect::<Result<_>>()? })
    }
}

/// Writes all partitions of an RDD into a new folder.
pub(super) fn write<R: Rdd<Item: Exchange>>(rdd: &R, operator: &Operator, folder: &Path) -> Result<Manifest> {
    create_new(operator, folder)?;
    let to: Arc<Path> = folder.into();
    let write_part = move |rdd: &R, split, task: &TaskContext| {
        let path = part(&to, split);
        let mut count = 0;
        let written = write_whole(&path, task.identity().attempt, |file| {
            let mut writer = RecordWriter::checked(file);
            let mut outcome = Ok(());
            task.drain(rdd.compute(split, task), |record| {
                if outcome.is_ok() {
                    outcome = writer.push(&record);
                }
            });
            outcome?;
            count = writer.finish()?;
            Ok(())
        });
        written.map_err(file_error("write", &path)).unwrap_or_else(|error| task.fail_with(error, true));
        count
    };
    let written = rdd.node().context().run(rdd, write_part).and_then(|records| {
        let manifest = Manifest { records };
        manifest.write(folder).map(|()| manifest)
    });
    if written.is_err() {
        // The folder is this call's own: nobody else has put anything into it.
        let _ = fs::remove_dir_all(folder);
    }
    written
}

/// The records of a partition; what is damaged fails the task.
pub(super) fn records<'a, T: Exchange>(
    folder: &Path,
    split: usize,
    records: u64,
    task: &'a TaskContext,
) -> impl Iterator<Item = T> + 'a {
    let path = part(folder, split);
    let file = File::open(&path).map_err(file_error("read", &path)).unwrap_or_else(|error| task.fail_with(error, true));
    let mut reader = RecordReader::new(BufReader::with_capacity(64 << 10, file), records);
    let mut left = records;
    std::iter::from_fn(move || {
        let record = reader.next().map(|record| record.unwrap_or_else(|error| fail(&path, &error, task)))?;
        left -= 1;
        // The last record vouches for all: the checksum of the whole stands after it.
        if left == 0 {
            reader.finish().unwrap_or_else(|error| fail(&path, &error, task));
        }
        Some(record)
    })
}

fn fail(path: &Path, error: &io::Error, task: &TaskContext) -> ! {
    task.fail_with(damaged(path, &error.to_string()), false)
}
