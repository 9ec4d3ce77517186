//! What becomes of files that were read.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// What becomes of a file when all of it was read and committed, and it is finished: see
/// [`Files::after_reading`](crate::Files::after_reading).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AfterReading {
    pub(crate) what: What,
    pub(crate) is_needed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Keep,
    Delete,
    Archive(PathBuf),
}

impl AfterReading {
    /// Nothing: it stays where it is. The default.
    #[must_use]
    pub fn keep() -> Self {
        Self { what: What::Keep, is_needed: false }
    }

    /// It is deleted.
    #[must_use]
    pub fn delete() -> Self {
        Self { what: What::Delete, is_needed: false }
    }

    /// It is moved to this folder, under the path that it has within the folder, or the beginning of the glob, that is read. Nothing
    /// is replaced: where the name is taken, a number comes after it (`a.log.2`). The folder may be on another file system, and
    /// within what is read: a source does not read its own archive.
    #[must_use]
    pub fn archive(folder: impl Into<PathBuf>) -> Self {
        Self { what: What::Archive(folder.into()), is_needed: false }
    }

    /// Has the job end where that fails. By default it is told, counted, and retried each minute.
    #[must_use]
    pub fn or_fail(self) -> Self {
        Self { is_needed: true, ..self }
    }

    pub(crate) fn keeps(&self) -> bool {
        self.what == What::Keep
    }

    /// The archive, if there is one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.what {
            What::Archive(folder) => Some(folder),
            _ => None,
        }
    }
}

/// Moves a file into a folder, under a relative path, and replaces nothing; tells where it is then. Whenever the process ends while it
/// is at it, doing the same again leads to the same.
pub(crate) fn archive(from: &Path, metadata: &Metadata, folder: &Path, relative: &Path) -> io::Result<PathBuf> {
    let wanted = folder.join(relative);
    fs::create_dir_all(wanted.parent().unwrap_or(folder))?;
    let mut number = 1_u64;
    loop {
        let to = if number == 1 { wanted.clone() } else { numbered(&wanted, number) };
        match move_new(from, &to) {
            Ok(()) => return Ok(to),
            Err(error) if error.kind() == ErrorKind::CrossesDevices => match copy_new(from, metadata, &to) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                copied => return copied.map(|()| to),
            },
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        number += 1;
    }
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Renames a file unless something has the new name.
fn move_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Not every file system can do that.
            Err(Errno::INVAL | Errno::NOSYS) => {}
            renamed => return Ok(renamed?),
        }
    }
    if to.symlink_metadata().is_ok() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

/// Moves a file to another file system. One that is there as it has to be was moved before, and not removed.
fn copy_new(from: &Path, metadata: &Metadata, to: &Path) -> io::Result<()> {
    if to.symlink_metadata().is_ok() {
        return if is_copy(from, metadata, to)? { fs::remove_file(from) } else { Err(ErrorKind::AlreadyExists.into()) };
    }
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let part = to.with_file_name(format!(".{name}.part"));
    let (mut source, mut copy) = (File::open(from)?, File::create(&part)?);
    io::copy(&mut source, &mut copy)?;
    copy.set_permissions(metadata.permissions())?;
    copy.set_modified(metadata.modified()?)?;
    copy.sync_all()?;
    let now = source.metadata()?;
    if now.len() != metadata.len() || now.modified()? != metadata.modified()? {
        fs::remove_file(&part)?;
        return Err(io::Error::new(ErrorKind::ResourceBusy, "it was written to while it was copied"));
    }
    firesteel_faults::fail_point!("archive.copied");
    move_new(&part, to)?;
    firesteel_faults::fail_point!("archive.named");
    if let Some(folder) = to.parent() {
        File::open(folder)?.sync_all()?;
    }
    fs::remove_file(from)
}

/// Whether a file was copied there, as a whole.
fn is_copy(from: &Path, metadata: &Metadata, to: &Path) -> io::Result<bool> {
    let other = fs::metadata(to)?;
    if other.len() != metadata.len() || other.modified()? != metadata.modified()? {
        return Ok(false);
    }
    let (mut a, mut b) = (File::open(from)?, File::open(to)?);
    let (mut one, mut two) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let count = a.read(&mut one)?;
        if count == 0 {
            return Ok(b.read(&mut two[..1])? == 0);
        }
        match b.read_exact(&mut two[..count]) {
            Ok(()) if one[..count] == two[..count] => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed helper fails the test")]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_replaced_and_the_path_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (text, expected) in [("1", "done/sub/a.log"), ("2", "done/sub/a.log.2"), ("3", "done/sub/a.log.3")] {
            fs::write(at("a.log"), text).unwrap();
            let metadata = fs::metadata(at("a.log")).unwrap();
            let to = archive(&at("a.log"), &metadata, &at("done"), Path::new("sub/a.log")).unwrap();
            assert_eq!((to, fs::read_to_string(at(expected)).unwrap()), (at(expected), text.to_owned()));
            assert!(!at("a.log").exists());
        }
    }

    #[test]
    fn a_copy_to_another_file_system_may_be_broken_off_anywhere() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| fs::write(at(name), text).unwrap();
        let copy = || copy_new(&at("a"), &fs::metadata(at("a")).unwrap(), &at("b"));
        // Broken off in the middle of the copy.
        write("a", "text");
        write(".b.part", "te and more than that");
        copy().unwrap();
        assert_eq!((fs::read_to_string(at("b")).unwrap(), at("a").exists()), ("text".to_owned(), false));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // Broken off before the other one was removed.
        let modified = fs::metadata(at("b")).unwrap().modified().unwrap();
        write("a", "text");
        File::options().write(true).open(at("a")).unwrap().set_modified(modified).unwrap();
        copy().unwrap();
        assert!(!at("a").exists());
        // Another one with that name.
        for text in ["other text", "TEXT"] {
            write("a", text);
            File::options().write(true).open(at("a")).unwrap().set_modified(modified).unwrap();
            assert_eq!(copy().unwrap_err().kind(), ErrorKind::AlreadyExists);
            assert_eq!((fs::read_to_string(at("b")).unwrap(), at("a").exists()), ("text".to_owned(), true));
        }
    }
}
