//! Snapshots as hard links, with a list of the files and their checksums.
//!
//! The list is written last: without it, or with a file that is not as the list says, nothing is restored.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use firesteel_state::{Result, StateError};
use rocksdb::checkpoint::Checkpoint;
use twox_hash::XxHash3_64;

use crate::database::Database;
use crate::error;

/// The name of the list.
const LIST: &str = "firesteel.list";
const MAGIC: [u8; 8] = *b"FSTROCKS";
const VERSION: u32 = 1;
/// Magic, version and their checksum.
const HEADER: usize = 20;

/// The length and the checksum of each file, by name.
pub(crate) type Files = BTreeMap<String, (u64, u64)>;

fn checksum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// The length and checksum of a file.
fn measure(path: &Path) -> Result<(u64, u64)> {
    let mut file = File::open(path).map_err(error::file("open", path))?;
    let (mut hasher, mut length) = (XxHash3_64::new(), 0);
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer).map_err(error::file("read", path))? {
            0 => return Ok((length, hasher.finish())),
            count => {
                hasher.write(&buffer[..count]);
                length += count as u64;
            }
        }
    }
}

pub(crate) fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(error::file("sync", path))
}

/// The folder that a path is in; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = vec![];
    for entry in fs::read_dir(folder).map_err(error::file("list", folder))? {
        let entry = entry.map_err(error::file("list", folder))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

fn is_table(name: &str) -> bool {
    name.ends_with(".sst")
}

impl Database {
    /// Writes a snapshot to a new folder. `known` are the checksums of files that were seen before, since those with
    /// values never change.
    pub(crate) fn checkpoint(&self, folder: &Path, known: &mut Files) -> Result<()> {
        if folder.symlink_metadata().is_ok() {
            return Err(error::file("create", folder)(std::io::ErrorKind::AlreadyExists.into()));
        }
        let above = parent(folder);
        fs::create_dir_all(above).map_err(error::file("create", above))?;
        let checkpoint = Checkpoint::new(&self.db).map_err(self.failed("take a snapshot"))?;
        checkpoint.create_checkpoint(folder).map_err(error::failed(&self.folder, "take a snapshot"))?;
        let finished = finish(folder, known).and_then(|()| sync(above));
        if finished.is_err() {
            let _ = fs::remove_dir_all(folder);
        }
        finished
    }
}

/// Makes the files of a new snapshot durable and writes the list of them.
fn finish(folder: &Path, known: &mut Files) -> Result<()> {
    let mut files = Files::new();
    for name in names(folder)? {
        let path = folder.join(&name);
        let measured = match known.get(&name).filter(|_| is_table(&name)) {
            Some(measured) => *measured,
            None => measure(&path)?,
        };
        sync(&path)?;
        files.insert(name, measured);
    }
    let temporary = folder.join(format!("{LIST}.tmp"));
    let mut file = File::create(&temporary).map_err(error::file("create", &temporary))?;
    file.write_all(&encode(&files)).map_err(error::file("write", &temporary))?;
    file.sync_all().map_err(error::file("sync", &temporary))?;
    fs::rename(&temporary, folder.join(LIST)).map_err(error::file("rename", &temporary))?;
    files.retain(|name, _| is_table(name));
    *known = files;
    sync(folder)
}

fn encode(files: &Files) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
    for (name, (length, sum)) in files {
        bytes.extend_from_slice(&(name.len() as u16).to_le_bytes());
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&sum.to_le_bytes());
    }
    bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
    bytes
}

fn damaged(path: &Path, position: usize, reason: &str) -> StateError {
    let reason = format!("{reason}: restore an older snapshot");
    StateError::Damaged { path: path.to_owned(), position: position as u64, reason }
}

fn decode(path: &Path, bytes: &[u8]) -> Result<Files> {
    let sums = |at: usize| bytes.get(at..at + 8) == Some(&checksum(&bytes[..at]).to_le_bytes());
    if bytes.len() < HEADER + 8 || bytes[..8] != MAGIC || !sums(12) {
        return Err(damaged(
            path,
            0,
            "it is not the list of a snapshot's files, or its header is not as it was written",
        ));
    }
    let version = u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes are four bytes"));
    if version == 0 || version > VERSION {
        return Err(StateError::Version { path: path.to_owned(), found: version, supported: VERSION });
    }
    let end = bytes.len() - 8;
    if !sums(end) {
        return Err(damaged(path, end, "the list does not match its checksum"));
    }
    let mut rest = &bytes[HEADER..end];
    let mut files = Files::new();
    while !rest.is_empty() {
        let (name, measured) =
            decode_file(&mut rest).ok_or_else(|| damaged(path, end - rest.len(), "a file cannot be read"))?;
        files.insert(name, measured);
    }
    Ok(files)
}

fn decode_file(rest: &mut &[u8]) -> Option<(String, (u64, u64))> {
    let mut take = |length: usize| {
        let (taken, left) = rest.split_at_checked(length)?;
        *rest = left;
        Some(taken)
    };
    let length = u16::from_le_bytes(take(2)?.try_into().ok()?);
    let name = String::from_utf8(take(length.into())?.to_vec()).ok()?;
    let length = u64::from_le_bytes(take(8)?.try_into().ok()?);
    let sum = u64::from_le_bytes(take(8)?.try_into().ok()?);
    // A name that leads out of the folder is none of ours.
    (!name.contains(['/', '\\']) && name != "..").then_some((name, (length, sum)))
}

/// Checks a snapshot from end to end and brings its files to a new folder: by links where that is possible, but for
/// those that RocksDB may write to.
pub(crate) fn bring(snapshot: &Path, folder: &Path) -> Result<()> {
    let list = snapshot.join(LIST);
    let bytes = fs::read(&list).map_err(error::file("read", &list))?;
    let files = decode(&list, &bytes)?;
    for (name, expected) in &files {
        let path = snapshot.join(name);
        if !path.is_file() {
            return Err(damaged(&path, 0, "it is missing"));
        }
        if measure(&path)? != *expected {
            return Err(damaged(&path, 0, "it is not as it was written"));
        }
    }
    fs::create_dir(folder).map_err(error::file("create", folder))?;
    for name in files.keys() {
        let (from, to) = (snapshot.join(name), folder.join(name));
        if is_table(name) && fs::hard_link(&from, &to).is_ok() {
            continue;
        }
        fs::copy(&from, &to).map_err(error::file("copy", &from))?;
        sync(&to)?;
    }
    sync(folder)
}

/// The folders of databases in a backend's folder: `db-` and a number. The largest is in use; there are others, and
/// unfinished ones, only after a crash.
pub(crate) fn generations(path: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let number = |name: &String| name.strip_prefix("db-")?.parse().ok();
    let mut found: Vec<_> = names(path)?.iter().filter_map(|name| Some((number(name)?, path.join(name)))).collect();
    found.sort();
    Ok(found)
}

pub(crate) fn finished(path: &Path, generation: u64) -> PathBuf {
    path.join(format!("db-{generation}"))
}

pub(crate) fn unfinished(path: &Path) -> PathBuf {
    path.join("unfinished")
}

/// Removes a folder, if it is there.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error::file("remove", folder)(error)),
        _ => Ok(()),
    }
}

/// Gives the unfinished folder its name: from now on it is the one in use.
pub(crate) fn adopt(path: &Path, generation: u64) -> Result<PathBuf> {
    let (from, to) = (unfinished(path), finished(path, generation));
    sync(&from)?;
    fs::rename(&from, &to).map_err(error::file("rename", &from))?;
    sync(path)?;
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_back_and_refused_when_changed() {
        let path = Path::new("list");
        let files = Files::from([("a.sst".to_owned(), (5, 7)), ("CURRENT".to_owned(), (16, u64::MAX))]);
        let bytes = encode(&files);
        assert_eq!(decode(path, &bytes).unwrap(), files);
        for at in 0..bytes.len() {
            assert_eq!(decode(path, &bytes[..at]).unwrap_err().code(), "FS-T002");
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(decode(path, &flipped).unwrap_err().code(), "FS-T002", "byte {at}");
            }
        }
        let outside = encode(&Files::from([("../x".to_owned(), (5, 7))]));
        assert_eq!(decode(path, &outside).unwrap_err().code(), "FS-T002");
    }
}
