//! One file of an epoch: written, then published or thrown away.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_connect::{Epoch, Result, Scope};
use firesteel_disk::{Disk, Growing};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::manifest::Entry;
use crate::path::{self, file_error};

/// Bytes that are written at once.
const BUFFER: usize = 128 << 10;

/// The formats' ends of names: by them a folder's files are known, whatever the job writes now.
const EXTENSIONS: [&str; 6] = ["txt", "ndjson", "csv", "avro", "pb", "parquet"];

/// Which part of which epoch a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartName {
    pub(super) epoch: Epoch,
    pub(super) partition: usize,
    pub(super) scope: Scope,
    /// How names of files of the format end.
    pub(super) extension: &'static str,
    pub(super) gzip: bool,
}

impl PartName {
    /// The name when it is published. The numbers are padded, so that the order of names is that of the data.
    pub(super) fn published(&self) -> String {
        let (extension, end) = (self.extension, if self.gzip { ".gz" } else { "" });
        let scope = self.scope.part().map_or_else(String::new, |part| format!("-{part}"));
        format!("part-{:010}-{:05}{scope}.{extension}{end}", self.epoch.0, self.partition)
    }

    /// The hidden name before that.
    pub(super) fn temporary(&self, attempt: u32, serial: u64) -> String {
        format!(".{}.{attempt}-{serial}.tmp", self.published())
    }

    /// What a published file of this sink holds.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (plain, gzip) = name.strip_suffix(".gz").map_or((name, false), |plain| (plain, true));
        let (numbers, end) = plain.strip_prefix("part-")?.rsplit_once('.')?;
        let extension = EXTENSIONS.into_iter().find(|extension| *extension == end)?;
        let mut parts = numbers.splitn(3, '-');
        let (epoch, partition) = (number(parts.next()?)?, number(parts.next()?)?);
        let scope = parts.next().map_or_else(|| Some(Scope::whole()), |part| Scope::of_part(part).ok())?;
        Some(Self { epoch: Epoch(epoch), partition: usize::try_from(partition).ok()?, scope, extension, gzip })
    }

    /// What a temporary file of this sink is to become.
    pub(super) fn parse_temporary(name: &str) -> Option<Self> {
        let (published, serial) = name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.')?;
        let (attempt, serial) = serial.split_once('-')?;
        number(attempt).and(number(serial)).and_then(|_| Self::parse(published))
    }
}

/// A number of decimal digits and nothing else.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A file that is removed unless it is published.
#[derive(Debug)]
struct Temporary {
    disk: Arc<dyn Disk>,
    /// The temporary name, or the published one.
    path: PathBuf,
    /// Whether it is published.
    kept: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // A file that stays behind is hidden, and removed at the next start.
            let _ = self.disk.remove(&self.path);
        }
    }
}

/// Writes lines to a temporary file.
pub(super) struct PartWriter {
    // Dropped, and thereby closed, before the file is removed.
    output: Output,
    temporary: Temporary,
    records: u64,
}

/// A file that counts what goes into it.
struct Counted {
    file: Box<dyn Growing>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.append(bytes).map_err(|error| error.source)?;
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Output {
    Plain(BufWriter<Counted>),
    Gzip(Box<GzEncoder<BufWriter<Counted>>>),
}

impl PartWriter {
    pub(super) fn create(disk: &Arc<dyn Disk>, path: PathBuf, gzip: bool) -> Result<Self> {
        let file = Counted { file: disk.create(&path).map_err(file_error)?, bytes: 0 };
        let temporary = Temporary { disk: Arc::clone(disk), path, kept: false };
        let file = BufWriter::with_capacity(BUFFER, file);
        let output = if gzip {
            Output::Gzip(Box::new(GzEncoder::new(file, Compression::default())))
        } else {
            Output::Plain(file)
        };
        Ok(Self { output, temporary, records: 0 })
    }

    /// Appends a record.
    pub(super) fn write(&mut self, record: &[u8]) -> Result<()> {
        self.records += 1;
        self.append(record)
    }

    /// Appends what the file ends with.
    pub(super) fn write_end(&mut self, end: &[u8]) -> Result<()> {
        if end.is_empty() { Ok(()) } else { self.append(end) }
    }

    fn append(&mut self, line: &[u8]) -> Result<()> {
        let written = match &mut self.output {
            Output::Plain(file) => file.write_all(line),
            Output::Gzip(encoder) => encoder.write_all(line),
        };
        written.map_err(path::failed("write", &self.temporary.path))
    }

    /// Makes what was written durable.
    pub(super) fn finish(self, name: PartName) -> Result<PendingFile> {
        let Self { output, temporary, records } = self;
        let finish = || -> io::Result<u64> {
            let buffered = match output {
                Output::Plain(file) => file,
                Output::Gzip(encoder) => encoder.finish()?,
            };
            let mut counted = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
            counted.file.sync().map_err(|error| error.source)?;
            Ok(counted.bytes)
        };
        let bytes = finish().map_err(path::failed("write", &temporary.path))?;
        Ok(PendingFile { written: Some(Written { temporary, name, bytes, records }) })
    }
}

/// What a task leaves for the commit: a temporary file, or nothing. Dropping it removes the file.
#[derive(Debug)]
pub struct PendingFile {
    written: Option<Written>,
}

#[derive(Debug)]
struct Written {
    temporary: Temporary,
    name: PartName,
    bytes: u64,
    records: u64,
}

impl PendingFile {
    pub(super) fn empty() -> Self {
        Self { written: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.written.is_none()
    }

    /// Gives the file its name, unless it has it. A file of that name is left from a commit that failed halfway, and
    /// is replaced.
    pub(super) fn publish(&mut self, folder: &Path) -> Result<Option<Entry>> {
        let Some(Written { temporary, name, bytes, records }) = &mut self.written else { return Ok(None) };
        let name = name.published();
        if !temporary.kept {
            let path = folder.join(&name);
            temporary.disk.rename(&temporary.path, &path).map_err(file_error)?;
            (temporary.path, temporary.kept) = (path, true);
        }
        Ok(Some(Entry { name, bytes: *bytes, records: *records }))
    }

    /// Removes the file, also one that has its name already.
    pub(super) fn remove(self) -> Result<()> {
        let Some(Written { mut temporary, .. }) = self.written else { return Ok(()) };
        temporary.kept = true;
        temporary.disk.remove(&temporary.path).map_err(file_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_from_those_of_others() {
        let name = PartName { epoch: Epoch(7), partition: 3, scope: Scope::whole(), extension: "txt", gzip: false };
        assert_eq!(name.published(), "part-0000000007-00003.txt");
        let zipped = PartName { gzip: true, ..name.clone() };
        let json = PartName { extension: "ndjson", gzip: true, ..name.clone() };
        assert_eq!(json.published(), "part-0000000007-00003.ndjson.gz");
        let of_part = PartName { scope: Scope::of_part("a-1").unwrap(), ..name.clone() };
        assert_eq!(of_part.published(), "part-0000000007-00003-a-1.txt");
        for ours in [name, zipped, of_part, json] {
            assert_eq!(PartName::parse(&ours.published()), Some(ours.clone()));
            let temporary = ours.temporary(0, 1);
            assert_eq!(
                (PartName::parse_temporary(&temporary), PartName::parse(&temporary)),
                (Some(ours.clone()), None)
            );
            assert_eq!(PartName::parse_temporary(&ours.published()), None);
        }
        for foreign in
            ["part-00000-1f2e.snappy.parquet", "part-00000", "part-1-.txt", "part-x-1.txt", "party.txt", "part-1-1.orc"]
        {
            assert_eq!(PartName::parse(foreign), None, "{foreign}");
        }
    }
}
