//! Files that appear under their names only when they are whole.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

/// Writes a file under a temporary name of its attempt's own, brings it to the disk, and moves it to its place. If that
/// fails or unwinds, nothing is left.
pub(crate) fn write_whole(
    path: &Path,
    attempt: u32,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = Temporary(path.with_file_name(format!(".{name}.attempt-{attempt}.tmp")));
    let mut file = BufWriter::new(File::create(&temporary.0)?);
    write(&mut file)?;
    file.into_inner()?.sync_all()?;
    fs::rename(&temporary.0, path)
}

struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // After the move there is nothing to remove.
        let _ = fs::remove_file(&self.0);
    }
}
