//! Which of the files that nobody has seen before are taken in, and which have to wait or are too old.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use firesteel_connect::{Result, SplitId};
use firesteel_window::Timestamp;

use super::look_through::MERGED_MEANWHILE;
use super::{Catalog, Listed, Presence, family};
use crate::manifest::is_part;
use crate::source::identity::Inode;
use crate::source::merged;

/// What waits, and what is passed over.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// Files that were taken in and not read up to where they ended then.
    taken: Vec<(SplitId, Option<u64>)>,
    /// Files whose turn has not come.
    waiting: HashMap<Inode, PathBuf>,
    /// Those of them that were there at the first look.
    first: HashSet<Inode>,
    /// The same, where files are not followed, in their order.
    listed: Vec<Listed>,
    /// Files that are too old.
    passed: HashSet<PathBuf>,
}

impl Intake {
    /// Whether a file that is none of those that are read is known all the same.
    pub(super) fn knows(&self, path: &Path) -> bool {
        self.passed.contains(path) || self.waiting.values().any(|waiting| waiting == path)
    }

    /// The files whose turn has not come.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let listed = self.listed.iter().map(Listed::real);
        listed.chain(self.waiting.values().map(PathBuf::as_path))
    }

    /// Whether files wait that were there at the first look.
    pub(super) fn has_more(&self) -> bool {
        !self.first.is_empty() || !self.listed.is_empty()
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.listed.is_empty()
    }
}

impl Catalog {
    /// How many more files may be taken in.
    pub(super) fn room(&mut self) -> usize {
        let Some(most) = self.policy.max_files else { return usize::MAX };
        let (files, index) = (&self.files, &self.index);
        self.intake.taken.retain(|(split, end)| {
            let Some(file) = index.get(split).map(|index| &files[*index]) else { return false };
            let reached = file.reached.load(Ordering::Relaxed).max(file.committed);
            let is_read = file.is_misfit() || end.or(file.available()).is_some_and(|end| reached >= end);
            file.presence == Presence::Here && !file.is_given_up && !is_read
        });
        most.max(1).saturating_sub(self.intake.taken.len())
    }

    /// Takes in files that are none of those that are known: in their order, as many as may be, and none that is too old.
    pub(super) fn admit(&mut self, mut files: Vec<Listed>, now: Timestamp) -> Result<()> {
        if !self.policy.order.is_as_listed() {
            self.policy.order.sort(&mut files);
        }
        if self.policy.max_age.is_none() && self.policy.max_files.is_none() {
            return self.take_in_all(files, now);
        }
        let before = std::mem::take(&mut self.intake.waiting);
        let first = before.iter().filter(|(inode, _)| self.intake.first.contains(*inode));
        let first: HashSet<PathBuf> = first.map(|(_, path)| path.clone()).collect();
        let files = self.without_old(files, &before, now);
        let (files, mut rest) = self.in_turn(files);
        let left: HashSet<Inode> = rest.iter().chain(&files).map(|file| file.stamp().inode).collect();
        self.take_in_counted(files, now)?;
        self.tell_vanished(&before, &left);
        if !rest.is_empty() && before.is_empty() {
            self.telling.waiting(rest.len());
        }
        let waiting = rest.iter().filter(|file| file.stamp().inode.is_some());
        self.intake.waiting = waiting.map(|file| (file.stamp().inode, file.path.clone())).collect();
        if !self.looked {
            self.intake.first = self.intake.waiting.keys().copied().collect();
        }
        // What was made of files that waited from the beginning on waits in their place.
        let is_first = |file: &&Listed| match &file.merged {
            Some(merged) => merged.paths().any(|path| first.contains(&path)),
            None => file.view.is_some() && first.contains(&file.path),
        };
        self.intake.first.extend(rest.iter().filter(is_first).map(|file| file.stamp().inode));
        let waiting = &self.intake.waiting;
        self.intake.first.retain(|inode| waiting.contains_key(inode));
        if !self.policy.follow {
            self.intake.listed.append(&mut rest);
        }
        Ok(())
    }

    /// Takes in what waits and is not looked for again.
    pub(super) fn admit_listed(&mut self, now: Timestamp) -> Result<()> {
        let room = self.room().min(self.intake.listed.len());
        let mut attempts = 0;
        // Files of results may have been merged since they were listed.
        while is_any_gone(&self.intake.listed[..room]) && attempts < MERGED_MEANWHILE {
            let look = self.listing.look()?;
            merged::find_again(&mut self.intake.listed, &look.files);
            attempts += 1;
        }
        let rest = self.intake.listed.split_off(room);
        let files = std::mem::replace(&mut self.intake.listed, rest);
        for file in &files {
            self.intake.waiting.remove(&file.stamp().inode);
            self.intake.first.remove(&file.stamp().inode);
        }
        let taken = self.take_in_counted(files.clone(), now);
        if taken.is_err() {
            // Nobody lists them again.
            let known: HashSet<&Path> = self.files.iter().map(|file| &*file.home).collect();
            let left = files.into_iter().filter(|file| !known.contains(&*file.path));
            self.intake.listed.splice(0..0, left);
        }
        taken
    }

    fn take_in_counted(&mut self, files: Vec<Listed>, now: Timestamp) -> Result<()> {
        let before = self.files.len();
        let taken = self.take_in_all(files, now);
        if self.policy.max_files.is_some() {
            let new = self.files[before..].iter().map(|file| (file.split.clone(), file.available()));
            self.intake.taken.extend(new);
        }
        taken
    }

    /// Passes over files that were changed too long ago. One that waited does not become too old by that.
    fn without_old(&mut self, files: Vec<Listed>, waiting: &HashMap<Inode, PathBuf>, now: Timestamp) -> Vec<Listed> {
        let Some(most) = self.policy.max_age else { return files };
        let is_old = |file: &Listed| {
            let modified = file.stamp().modified.and_then(|nanos| i64::try_from(nanos / 1_000).ok());
            let is_old = modified.is_some_and(|micros| now.since(Timestamp::from_micros(micros)) > most);
            is_old && !waiting.contains_key(&file.stamp().inode)
        };
        let (old, new): (Vec<Listed>, Vec<Listed>) = files.into_iter().partition(is_old);
        let before = std::mem::take(&mut self.intake.passed);
        self.intake.passed = old.into_iter().map(|file| file.path).collect();
        let fresh: Vec<&PathBuf> = self.intake.passed.difference(&before).collect();
        if let Some(one) = fresh.iter().min() {
            self.telling.passed_over(one, fresh.len());
        }
        new
    }

    /// Those whose turn it is, and those that wait. What is made of a file that waits, or is passed over, waits for it: a program may
    /// be about to put it aside.
    fn in_turn(&mut self, files: Vec<Listed>) -> (Vec<Listed>, Vec<Listed>) {
        let by_path: HashMap<&Path, usize> =
            files.iter().enumerate().map(|(index, file)| (file.real(), index)).collect();
        let is_made_of = |file: &Listed, original: &Path| {
            let Some(other) = by_path.get(original).map(|index| files[*index].stamp()) else { return false };
            let stamp = file.stamp();
            family::is_packed_of(file.real(), original)
                || (stamp.size <= other.size && stamp.created() >= other.created())
        };
        let mut room = self.room();
        let mut turns = vec![false; files.len()];
        let mut blocked = vec![false; files.len()];
        for (index, file) in files.iter().enumerate() {
            let mut originals = family::originals(file.real());
            blocked[index] = originals.any(|original| {
                self.intake.passed.contains(&original)
                    || (is_made_of(file, &original) && by_path.get(&*original).is_some_and(|index| !turns[*index]))
            });
            if room > 0 && !blocked[index] {
                (room, turns[index]) = (room - 1, true);
            }
        }
        let mut turns = turns.into_iter();
        files.into_iter().partition(|_| turns.next().unwrap_or(false))
    }

    /// Tells of files that are gone before it was their turn.
    fn tell_vanished(&mut self, before: &HashMap<Inode, PathBuf>, left: &HashSet<Inode>) {
        let gone = |inode: &Inode, path: &Path| {
            let is_packed = || {
                let name = path.to_string_lossy();
                family::PACKED.iter().any(|end| Path::new(&format!("{name}{end}")).exists())
            };
            !left.contains(inode) && !self.files.iter().any(|file| file.stamp.inode == *inode) && !is_packed()
        };
        let mut vanished = before.iter().filter(|(inode, path)| gone(inode, path)).peekable();
        if vanished.peek().is_none() {
            return;
        }
        let merged = self.listing.merged();
        for (_, path) in vanished.filter(|(_, path)| !merged.contains(*path)) {
            self.telling.vanished_waiting(path);
        }
    }
}

/// Whether a file of results is not where it was when it was listed.
fn is_any_gone(files: &[Listed]) -> bool {
    let at = |file: &Listed| file.view.as_ref().map_or_else(|| file.real().to_owned(), |view| view.path.to_path_buf());
    files.iter().any(|file| is_part(&file.path) && !at(file).exists())
}
