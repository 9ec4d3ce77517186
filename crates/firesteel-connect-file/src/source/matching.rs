//! Which of the files that are there a known file is.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::entry::{FileEntry, Looked, Presence};
use super::family;
use super::identity::{Inode, Stamp};
use super::listing::Listed;

/// The files of one look, and which of them are taken.
pub(crate) struct Matching {
    files: Vec<Listed>,
    taken: Vec<bool>,
    /// The one after the last that was found where it was expected: most are found in the order in which they are listed.
    next: usize,
    /// By the bytes of their paths, which are quicker to compare than paths.
    by_path: OnceCell<HashMap<OsString, usize>>,
    by_inode: OnceCell<HashMap<Inode, usize>>,
    /// Files beside the listed ones, folder by folder, where somebody has asked.
    beside: HashMap<PathBuf, Vec<Listed>>,
    /// Those of them that are taken.
    taken_beside: HashSet<PathBuf>,
}

/// As what the content of a known file was found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Another one of the file system with the same content: under its own name, or another.
    Copy,
    /// A compressed one with the same text.
    Packed,
}

impl Matching {
    pub(crate) fn new(files: Vec<Listed>) -> Self {
        let taken = vec![false; files.len()];
        Self {
            files,
            taken,
            next: 0,
            by_path: OnceCell::new(),
            by_inode: OnceCell::new(),
            beside: HashMap::new(),
            taken_beside: HashSet::new(),
        }
    }

    /// The file that is listed at a path.
    fn at(&self, path: &Path) -> Option<usize> {
        if self.files.get(self.next).is_some_and(|file| file.path.as_os_str() == path.as_os_str()) {
            return Some(self.next);
        }
        let by_path = self.by_path.get_or_init(|| {
            let paths = self.files.iter().enumerate().map(|(index, file)| (file.path.clone().into_os_string(), index));
            paths.collect()
        });
        by_path.get(path.as_os_str()).copied()
    }

    /// The listed file with a number.
    fn numbered(&self, inode: Inode) -> Option<usize> {
        let by_inode = self.by_inode.get_or_init(|| {
            let with_inode = self.files.iter().enumerate().filter(|(_, file)| file.stamp().inode.is_some());
            with_inode.map(|(index, file)| (file.stamp().inode, index)).collect()
        });
        by_inode.get(&inode).copied()
    }

    /// The listed files that are none of those that are known.
    pub(crate) fn rest(self) -> impl Iterator<Item = Listed> {
        self.files.into_iter().zip(self.taken).filter(|(_, taken)| !taken).map(|(file, _)| file)
    }

    /// Takes the file at a path, if one is listed there.
    pub(crate) fn take(&mut self, path: &Path) {
        if let Some(index) = self.at(path) {
            self.taken[index] = true;
        }
    }

    pub(crate) fn is_all_taken(&self) -> bool {
        self.taken.iter().all(|taken| *taken)
    }

    /// The file itself: where it was, or under another name.
    pub(crate) fn itself(&mut self, entry: &mut FileEntry, follow: bool) -> io::Result<Option<Looked>> {
        let listed = self.at(&entry.path).filter(|index| self.is_same(*index, entry));
        let listed = listed.or_else(|| {
            let index = self.numbered(entry.stamp.inode)?;
            self.is_same(index, entry).then_some(index)
        });
        if let Some(index) = listed {
            let looked = entry.look_again(self.files[index].real(), &self.files[index].metadata, follow)?;
            (self.taken[index], self.next) = (looked != Looked::Other, index + 1);
            if entry.link.as_deref() != self.files[index].link() {
                entry.link = self.files[index].link().map(Into::into);
            }
            entry.is_aside = false;
            return Ok(Some(looked));
        }
        // What was gone does not come back under a name that is not listed.
        if entry.presence == Presence::Gone {
            return Ok(None);
        }
        let there = std::fs::metadata(&entry.path).ok();
        if let Some(metadata) = there.filter(|metadata| Stamp::of(metadata).is_same_file(&entry.stamp)) {
            let path = std::sync::Arc::clone(&entry.path);
            let looked = entry.look_again(&path, &metadata, follow)?;
            self.take_aside(entry, &path, looked);
            return Ok(Some(looked));
        }
        let beside = self.beside(&entry.path).iter().find(|file| file.stamp().is_same_file(&entry.stamp));
        let Some(Listed { path, metadata, .. }) = beside else { return Ok(None) };
        let (path, metadata) = (path.clone(), metadata.clone());
        let looked = entry.look_again(&path, &metadata, follow)?;
        self.take_aside(entry, &path, looked);
        Ok(Some(looked))
    }

    fn take_aside(&mut self, entry: &mut FileEntry, path: &Path, looked: Looked) {
        if looked != Looked::Other {
            (entry.is_aside, entry.link) = (true, None);
            self.taken_beside.insert(path.to_owned());
        }
    }

    fn is_same(&self, index: usize, entry: &FileEntry) -> bool {
        let stamp = self.files[index].stamp();
        // Of what was gone, only what has not changed since is the same.
        let is_there = entry.presence != Presence::Gone || stamp == entry.stamp;
        !self.taken[index] && is_there && (stamp.is_same_file(&entry.stamp) || entry.stamp.is_unknown())
    }

    /// Another file with the content of one that is not there as it was. `is_cut`: the file itself is, with another content.
    pub(crate) fn content(&mut self, entry: &mut FileEntry, is_cut: bool, follow: bool) -> io::Result<Option<Found>> {
        if !entry.has_evidence() {
            return Ok(None);
        }
        let was_gone = entry.presence == Presence::Gone;
        let listed: Vec<usize> = (0..self.files.len()).filter(|index| self.is_candidate(*index, entry)).collect();
        for index in listed {
            if let Some(found) = try_file(entry, &self.files[index], is_cut, was_gone, follow)? {
                (self.taken[index], entry.is_aside) = (true, false);
                entry.link = self.files[index].link().map(Into::into);
                return Ok(Some(found));
            }
        }
        if was_gone {
            return Ok(None);
        }
        self.beside(&entry.path);
        let Some(folder) = entry.path.parent() else { return Ok(None) };
        for file in self.beside.get(folder).into_iter().flatten() {
            if !self.taken_beside.contains(&file.path)
                && *family::key(&file.path) == *entry.family
                && let Some(found) = try_file(entry, file, is_cut, was_gone, follow)?
            {
                (entry.is_aside, entry.link) = (true, None);
                self.taken_beside.insert(file.path.clone());
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn is_candidate(&self, index: usize, entry: &FileEntry) -> bool {
        let file = &self.files[index];
        !self.taken[index]
            && (*file.real() == *entry.path
                || file.family() == &*entry.family
                || file.stamp().modified == entry.stamp.modified)
    }

    /// Pieces of a log beside it that nobody knows, and that were written to after one that was known: it was put aside
    /// more than once since then. The oldest first.
    pub(crate) fn pieces_after(&mut self, log: &Path, known: &Stamp) -> Vec<Listed> {
        self.beside(log);
        let Some(folder) = log.parent() else { return Vec::new() };
        let is_later = |file: &&Listed| {
            let stamp = file.stamp();
            family::is_piece_of(&file.path, log)
                && !self.taken_beside.contains(&file.path)
                && stamp.modified > known.modified
                && !stamp.is_same_file(known)
        };
        let mut pieces: Vec<Listed> = self.beside.get(folder).into_iter().flatten().filter(is_later).cloned().collect();
        pieces.sort_by_key(|file| (file.stamp().modified, file.stamp().created()));
        self.taken_beside.extend(pieces.iter().map(|file| file.path.clone()));
        pieces
    }

    /// The files of the folder of this one that are not listed.
    fn beside(&mut self, path: &Path) -> &[Listed] {
        let folder = match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => return &[],
        };
        let known = path.parent().unwrap_or(folder).to_owned();
        if !self.beside.contains_key(&known) {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let files = entries.filter_map(|entry| {
                let path = known.join(entry.file_name());
                let metadata = entry.metadata().ok().filter(Metadata::is_file)?;
                let file = Listed::new(path, metadata);
                let is_listed = self.at(&file.path).is_some() || self.numbered(file.stamp().inode).is_some();
                (!is_listed).then_some(file)
            });
            let files = files.collect();
            self.beside.insert(known.clone(), files);
        }
        self.beside.get(&known).map_or(&[], Vec::as_slice)
    }
}

/// Whether the file has the content of the known one, which it then becomes.
fn try_file(
    entry: &mut FileEntry,
    file: &Listed,
    is_cut: bool,
    was_gone: bool,
    follow: bool,
) -> io::Result<Option<Found>> {
    let (at, stamp) = (file.real(), file.stamp());
    let is_unchanged = stamp.modified.is_some() && stamp.modified == entry.stamp.modified;
    let (here, is_piece) = (
        *at == *entry.path || file.path == *entry.home,
        family::is_piece_of(at, &entry.path) || family::is_piece_of(at, &entry.home),
    );
    let is_packed = entry.is_uncompressed() && family::unpacked(&at.to_string_lossy()) != at.to_string_lossy();
    let is_likely = is_unchanged || (!was_gone && (here || is_piece || family::is_packed_of(at, &entry.path)));
    if !is_likely || is_cut && here {
        return Ok(None);
    }
    let (known, presence) = (entry.stamp, entry.presence);
    let found = if is_packed {
        entry.become_packed(at, &file.metadata).map(|is_it| is_it.then_some(Found::Packed))
    } else {
        // Not what has been written anew under a name that has less than what was there.
        let looked = entry.look_again(at, &file.metadata, follow);
        looked.map(|looked| (looked != Looked::Other).then_some(Found::Copy))
    };
    match found {
        Ok(None) => {
            (entry.stamp, entry.presence) = (known, presence);
            Ok(None)
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => Ok(None),
        found => found,
    }
}

/// Whether a new file is a copy, or a compressed copy, of what is in one that is there: a program that puts logs aside may be
/// at work.
pub(crate) fn is_copy_of(file: &Listed, entry: &FileEntry) -> bool {
    let stamp: Stamp = file.stamp();
    if entry.presence != Presence::Here || !entry.is_uncompressed() {
        return false;
    }
    // An empty one may have just been made, to be written to.
    if family::is_packed_of(file.real(), &entry.path) {
        return stamp.size == 0 || entry.packs_to(file.real()).unwrap_or(false) || !has_what_was_seen(entry);
    }
    let may_be = family::is_piece_of(file.real(), &entry.path) && stamp.created() >= entry.stamp.created();
    let is_one = || stamp.size <= entry.stamp.size && entry.begins_as(file.real(), stamp.size).unwrap_or(false);
    // A log that was cut since the look began has nothing that could be compared, or something else: the next look tells.
    may_be && (is_one() || !has_what_was_seen(entry))
}

/// Whether what is known of a file is still in it.
fn has_what_was_seen(entry: &FileEntry) -> bool {
    let seen = File::open(&entry.path).and_then(|mut file| {
        let stamp = Stamp::of(&file.metadata()?);
        entry.has_content(&mut file, &stamp)
    });
    seen.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use firesteel_connect::SplitId;

    use super::*;

    #[test]
    fn a_piece_is_left_alone_if_its_log_was_cut_before_they_were_compared() {
        let folder = tempfile::tempdir().unwrap();
        let (log, piece) = (folder.path().join("a.log"), folder.path().join("a.log.1"));
        fs::write(&log, "1\n2\n").unwrap();
        let stamp = Stamp::of(&log.metadata().unwrap());
        let mut entry = FileEntry::new(SplitId::new("a.log"), &log, &log, stamp);
        entry.announce(&mut File::open(&log).unwrap(), stamp, true).unwrap();
        let listed = |content: &str| {
            fs::write(&piece, content).unwrap();
            Listed::new(piece.clone(), piece.metadata().unwrap())
        };
        assert!(is_copy_of(&listed("1\n2\n"), &entry));
        assert!(!is_copy_of(&listed("3\n4\n"), &entry));
        File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
        assert!(is_copy_of(&listed("1\n2\n"), &entry), "it was copied, and cut then");
        fs::write(&log, "5\n6\n7\n").unwrap();
        assert!(is_copy_of(&listed("1\n2\n"), &entry), "it was cut, and written to again");
        fs::remove_file(&log).unwrap();
        let packed = folder.path().join("a.log.gz");
        fs::write(&packed, "this is not packed, as far as it goes").unwrap();
        let listed = Listed::new(packed.clone(), packed.metadata().unwrap());
        assert!(is_copy_of(&listed, &entry), "it was packed, and removed then");
    }
}
