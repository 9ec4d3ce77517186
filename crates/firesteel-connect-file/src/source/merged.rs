//! Files of results that were merged into others: who knows some of them reads these, and the rest, where they stand now.
//!
//! A split keeps the name, the positions and the note of the file that it was. So nothing has to be decided when a file is merged, in this run or
//! while no job runs: what was read of it stays read.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_connect::{ReadRange, SplitId};
use firesteel_frames::Compression;
use firesteel_results::{Part, PartName, Shift, Stretch, apart};

use super::entry::{FileEntry, Presence};
use super::identity::{Print, Stamp};
use super::listing::Listed;
use super::policy::Policy;

/// Which files a merged one stands for.
#[derive(Debug, Clone)]
pub(crate) struct Merged {
    /// The folder of the results.
    pub(crate) results: Arc<Path>,
    pub(crate) parts: Arc<[Part]>,
}

impl Merged {
    /// Where they were.
    pub(crate) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.parts.iter().map(|part| self.results.join(&part.name))
    }
}

/// Where a file stands in the one that it was merged into.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// The merged file.
    pub(crate) path: Arc<Path>,
    pub(crate) stamp: Stamp,
    pub(crate) stretch: Stretch,
    /// What the file had when it was one.
    bytes: u64,
    print: Print,
    compression: Compression,
}

impl View {
    fn of(path: &Arc<Path>, stamp: Stamp, part: &Part) -> Self {
        let compression = if PartName::is_gzip(&part.name) { Compression::Gzip } else { Compression::Plain };
        let print = Print::of_hashes(part.bytes, part.print);
        Self { path: Arc::clone(path), stamp, stretch: part.stretch, bytes: part.bytes, print, compression }
    }
}

/// Puts in the place of merged files of which some parts are known the parts that are not, and tells where those stand that are: by their
/// places among the files.
pub(crate) fn resolve(listed: &mut Vec<Listed>, files: &[FileEntry]) -> Vec<(usize, View)> {
    if !listed.iter().any(|file| file.merged.is_some()) || files.is_empty() {
        return Vec::new();
    }
    let mut known = FilesByName::of(files);
    let wholes: Vec<&Listed> = listed.iter().filter(|file| file.merged.is_some()).collect();
    // First those that are where they were, then those of results that have been moved as a whole.
    let mut found: Vec<Vec<Option<usize>>> = Vec::with_capacity(wholes.len());
    for whole in &wholes {
        let parts = whole.merged.as_ref().map_or(&[][..], |merged| &merged.parts);
        let results = whole.merged.as_ref().map_or(Path::new(""), |merged| &merged.results);
        let is_itself = known.is_known(&whole.path);
        found.push(parts.iter().map(|part| known.take(part, results).filter(|_| !is_itself)).collect());
    }
    for (whole, found) in wholes.iter().zip(&mut found) {
        let parts = whole.merged.as_ref().map_or(&[][..], |merged| &merged.parts);
        if !known.is_known(&whole.path) && !known.has_number(&whole.stamp()) {
            found.iter_mut().zip(parts).filter(|(found, _)| found.is_none()).for_each(|(found, part)| {
                *found = known.take_moved(part);
            });
        }
    }
    let mut found = found.into_iter();
    let mut claimed = Vec::new();
    let mut kept = Vec::with_capacity(listed.len());
    for file in std::mem::take(listed) {
        let Some(merged) = &file.merged else {
            kept.push(file);
            continue;
        };
        let of_parts = found.next().unwrap_or_default();
        let is_known: Vec<bool> = of_parts.iter().map(Option::is_some).collect();
        let Some(places) = apart(&merged.parts, &is_known) else {
            kept.push(file);
            continue;
        };
        let path: Arc<Path> = file.real().into();
        for place in places {
            let part = &merged.parts[place];
            let view = View::of(&path, file.stamp(), part);
            match of_parts[place] {
                Some(index) => claimed.push((index, view)),
                None => {
                    let at = merged.results.join(&part.name);
                    kept.push(Listed::viewed(at, file.metadata.clone(), view));
                }
            }
        }
    }
    *listed = kept;
    claimed
}

/// Tells where those of some files stand by now that were merged since they were listed: as stretches of what is listed.
pub(crate) fn find_again(waiting: &mut [Listed], listed: &[Listed]) {
    let is_gone = |file: &Listed| !file.view.as_ref().map_or(file.real(), |view| &view.path).exists();
    let gone = waiting.iter_mut().filter(|file| is_gone(file));
    let mut gone: HashMap<PathBuf, &mut Listed> = gone.map(|file| (file.path.clone(), file)).collect();
    for whole in listed {
        let Some(merged) = &whole.merged else { continue };
        let path: Arc<Path> = whole.real().into();
        for (part, at) in merged.parts.iter().zip(merged.paths()) {
            if let Some(file) = gone.get_mut(&at) {
                **file = Listed::viewed(at, whole.metadata.clone(), View::of(&path, whole.stamp(), part));
            }
        }
    }
}

/// The known files, by the last parts of the paths at which they were found.
struct FilesByName<'a> {
    files: &'a [FileEntry],
    by_name: HashMap<&'a OsStr, Vec<usize>>,
    is_taken: Vec<bool>,
}

impl<'a> FilesByName<'a> {
    fn of(files: &'a [FileEntry]) -> Self {
        let mut by_name: HashMap<&OsStr, Vec<usize>> = HashMap::new();
        for (index, file) in files.iter().enumerate() {
            by_name.entry(file.home.file_name().unwrap_or_default()).or_default().push(index);
        }
        Self { files, by_name, is_taken: vec![false; files.len()] }
    }

    fn named(&self, path: &Path) -> impl Iterator<Item = usize> {
        self.by_name.get(path.file_name().unwrap_or_default()).into_iter().flatten().copied()
    }

    fn is_known(&self, path: &Path) -> bool {
        self.named(path).any(|index| *self.files[index].home == *path && self.files[index].presence == Presence::Here)
    }

    /// Whether one of them is this file of the file system, under whatever name.
    fn has_number(&self, stamp: &Stamp) -> bool {
        stamp.inode.is_some() && self.files.iter().any(|file| file.view.is_none() && file.stamp.is_same_file(stamp))
    }

    /// The file that was this part, if it is known.
    fn take(&mut self, part: &Part, results: &Path) -> Option<usize> {
        let path = results.join(&part.name);
        let is_it = |index: &usize| {
            let file = &self.files[*index];
            !self.is_taken[*index] && *file.home == *path && (file.was(part) || file.stamp.is_unknown())
        };
        let found = self.named(&path).find(is_it)?;
        self.is_taken[found] = true;
        Some(found)
    }

    /// The same, where the results were at another place.
    fn take_moved(&mut self, part: &Part) -> Option<usize> {
        let is_it = |index: &usize| {
            let file = &self.files[*index];
            !self.is_taken[*index] && file.home.ends_with(&part.name) && file.was(part) && !file.path.exists()
        };
        let found = self.named(Path::new(&part.name)).find(is_it)?;
        self.is_taken[found] = true;
        Some(found)
    }
}

impl FileEntry {
    /// That of all of the file, as far as it is known.
    fn whole_print(&self) -> Print {
        self.packed.unwrap_or(self.text)
    }

    /// Takes what all of the file begins and ends with for what this is the print of.
    fn know_print(&mut self, print: Print, compression: Compression) {
        self.compression = Some(compression);
        match compression {
            Compression::Plain => self.text = print,
            _ => self.packed = Some(print),
        }
    }

    /// Whether it is the file that was merged: what is known of it is what is told of that one.
    fn was(&self, part: &Part) -> bool {
        let print = self.whole_print();
        print.at == part.bytes && print.hashes() == part.print
    }

    /// A file that was merged before anybody knew it.
    pub(super) fn of_view(split: SplitId, path: &Path, view: View, policy: &Policy) -> Self {
        let mut file = Self::new(split, path, path, Stamp::of_size(view.bytes));
        file.know_print(view.print, view.compression);
        file.read_by(policy);
        file.look_through(view, policy);
        file
    }

    /// From now on it is read where it stands in a merged file. Tells whether that is new.
    pub(super) fn look_through(&mut self, view: View, policy: &Policy) -> bool {
        let is_same = self.view.as_ref().is_some_and(|before| {
            before.path == view.path && before.stamp == view.stamp && before.stretch == view.stretch
        });
        (self.is_aside, self.is_closed) = (false, true);
        if is_same && self.presence == Presence::Here {
            return false;
        }
        self.presence = Presence::Here;
        self.compression = Some(view.compression);
        self.was_plain = view.compression == Compression::Plain;
        self.announced = view.stretch.end();
        self.view = Some(Arc::new(view));
        self.read_by(policy);
        true
    }

    /// The merged file and the stretch of it that a range of this one is, with what turns positions back. Errors are told of the
    /// merged one.
    pub(super) fn through(&self, range: &ReadRange) -> Option<(Self, ReadRange, Shift<Arc<Path>>)> {
        let view = Arc::clone(self.view.as_ref()?);
        let stretch = view.stretch;
        let mut file = self.clone();
        (file.path, file.stamp, file.view) = (Arc::clone(&view.path), view.stamp, None);
        file.announced = stretch.at + stretch.length;
        // It ends in the middle of the other one: that is no news of where that ends.
        (file.end, file.reached, file.is_patient) = (Arc::default(), Arc::default(), false);
        let (there, shift) = Shift::through(Arc::clone(&view.path), stretch, range, &self.reached);
        Some((file, there, shift))
    }
}
