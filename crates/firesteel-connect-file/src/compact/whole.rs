//! One file that is made of several.

use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;

use firesteel_connect::{ConnectError, Result};
use firesteel_disk::{Disk, Growing, Reading};
use firesteel_formats::{Joined, Joiner, NotJoined};
use firesteel_frames::{Compression, Unpacked};
use firesteel_results::{Entry, Part, PartName, Stretch};
use flate2::write::GzEncoder;

use crate::path::{self, file_error};
use crate::source::Print;
use crate::temporary::Temporary;

/// Written at once.
const BUFFER: usize = 128 << 10;

/// A file that grows by files, under a hidden name. Dropping it removes it.
pub(super) struct Whole {
    // Dropped, and thereby closed, before the file is removed.
    out: Output,
    temporary: Temporary,
    joiner: Joiner,
    name: PartName,
    records: u64,
    pub(super) parts: Vec<Part>,
    /// How many files, and how many bytes, it is made of.
    pub(super) files: u64,
    pub(super) bytes_before: u64,
    first: String,
}

/// What became of a file that was to be added.
pub(super) enum Added {
    Yes,
    /// It begins another whole.
    Differs,
    /// It is left, for this reason.
    Unfit(String),
}

/// A whole under its hidden name.
pub(super) struct Written {
    pub(super) temporary: Temporary,
    pub(super) entry: Entry,
    /// The names of the files that it is made of; it takes the place of the first.
    pub(super) old: Vec<String>,
}

impl Whole {
    /// Begins one that has this name.
    pub(super) fn begin(
        disk: &Arc<dyn Disk>,
        results: &Path,
        name: PartName,
        joiner: Joiner,
        unique: u64,
    ) -> Result<Self> {
        let path = results.join(name.temporary(0, unique));
        // One may be left of an attempt that ended in the middle.
        disk.remove(&path).map_err(file_error)?;
        let file = Counted { file: disk.create(&path).map_err(file_error)?, bytes: 0 };
        let file = BufWriter::with_capacity(BUFFER, file);
        let temporary = Temporary::new(Arc::clone(disk), path);
        let out = if name.gzip {
            Output::Gzip(Box::new(GzEncoder::new(file, flate2::Compression::default())))
        } else {
            Output::Plain(file)
        };
        let (parts, first) = (Vec::new(), String::new());
        Ok(Self { out, temporary, joiner, name, records: 0, parts, files: 0, bytes_before: 0, first })
    }

    /// Appends a file, which has to be as its manifest says.
    pub(super) fn add(&mut self, disk: &Arc<dyn Disk>, results: &Path, entry: &Entry) -> Result<Added> {
        let path = results.join(&entry.name);
        let print = print_of(&**disk, &path, entry)?;
        let packed = if self.name.gzip { Compression::Gzip } else { Compression::Plain };
        let open = || -> io::Result<Box<dyn Read + Send>> {
            let file = disk.open_to_read(&path).map_err(|error| error.source)?;
            Ok(Box::new(Unpacked::of(Sequential { file, at: 0 }, packed)))
        };
        let out: &mut dyn Write = match &mut self.out {
            Output::Plain(file) => file,
            Output::Gzip(file) => file,
        };
        let Joined { at, length, begin } = match self.joiner.add(&open, entry.records, out) {
            Ok(joined) => joined,
            Err(NotJoined::Differs(_)) => return Ok(Added::Differs),
            Err(NotJoined::Unfit(reason)) => return Ok(Added::Unfit(reason)),
            Err(NotJoined::Damaged(reason)) => return Err(ConnectError::Damaged { path, position: 0, reason }),
            Err(NotJoined::Read(error)) if is_of_data(&error) => {
                return Err(ConnectError::Damaged { path, position: 0, reason: error.to_string() });
            }
            Err(NotJoined::Read(error)) => return Err(path::failed("read", &path)(error)),
            Err(NotJoined::Write(error)) => return Err(self.failed(error)),
        };
        self.parts.extend(entry.as_parts(print, Stretch { at, length, begin }));
        if self.files == 0 {
            self.first.clone_from(&entry.name);
        }
        self.files += 1;
        self.records += entry.records;
        self.bytes_before += entry.bytes;
        Ok(Added::Yes)
    }

    /// The only file that it is made of so far.
    pub(super) fn only(&self) -> &str {
        &self.first
    }

    /// Makes it durable under its hidden name.
    pub(super) fn finish(mut self) -> Result<Written> {
        let out: &mut dyn Write = match &mut self.out {
            Output::Plain(file) => file,
            Output::Gzip(file) => file,
        };
        match self.joiner.end(out) {
            Ok(()) => {}
            Err(NotJoined::Write(error)) => return Err(self.failed(error)),
            Err(other) => return Err(self.failed(io::Error::other(other.to_string()))),
        }
        let Self { out, temporary, name, records, parts, .. } = self;
        let failed = |error| path::failed("write", temporary.path())(error);
        let finish = || match out {
            Output::Plain(file) => Ok(file),
            Output::Gzip(file) => file.finish(),
        };
        let mut file =
            finish().and_then(|file| file.into_inner().map_err(io::IntoInnerError::into_error)).map_err(failed)?;
        file.file.sync().map_err(file_error)?;
        let old = parts.iter().filter(|part| part.depth == 1).map(|part| part.name.clone()).collect();
        let entry = Entry { parts, ..Entry::new(name.published(), file.bytes, records) };
        drop(file);
        Ok(Written { temporary, entry, old })
    }

    fn failed(&self, error: io::Error) -> ConnectError {
        path::failed("write", self.temporary.path())(error)
    }
}

/// Hashes of what the file begins and ends with, which has to be there and as long as its manifest says.
fn print_of(disk: &dyn Disk, path: &Path, entry: &Entry) -> Result<[u64; 2]> {
    let lost = |reason: String| ConnectError::Lost { place: path.display().to_string(), position: 0, reason };
    if !disk.exists(path).map_err(file_error)? {
        return Err(lost("its manifest lists it, and it is gone; restore it".to_owned()));
    }
    let mut file = disk.open_to_read(path).map_err(file_error)?;
    let (length, bytes) = (file.length().map_err(file_error)?, entry.bytes);
    if length != bytes {
        return Err(lost(format!("its manifest says {bytes} bytes, the file has {length}; restore it")));
    }
    let print = Print::of_all_at(length, |at, bytes| match file.read_at(at, bytes).map_err(file_error)? {
        count if count == bytes.len() => Ok(()),
        _ => Err(lost("it has become shorter while it was read; restore it".to_owned())),
    });
    Ok(print?.hashes())
}

/// Whether what is wrong is what is in the file.
fn is_of_data(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

enum Output {
    Plain(BufWriter<Counted>),
    Gzip(Box<GzEncoder<BufWriter<Counted>>>),
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

/// A file from its beginning on.
struct Sequential {
    file: Box<dyn Reading>,
    at: u64,
}

impl Read for Sequential {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(self.at, buffer).map_err(|error| error.source)?;
        self.at += count as u64;
        Ok(count)
    }
}
