//! Files that nobody has seen before, and those that only look so.

use std::collections::HashMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use firesteel_connect::{Result, SplitId};
use firesteel_window::Timestamp;

use super::{Catalog, Families, FileEntry, Held, Listed, Presence, Stamp, WAIT, family, is_copy_of};
use crate::path;

impl Catalog {
    /// Files that are none of those that are known.
    pub(super) fn take_in_all(&mut self, files: Vec<Listed>, now: Timestamp) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let mut known = Families::new();
        for (index, file) in self.files.iter().enumerate() {
            known.entry(Arc::clone(&file.family)).or_default().push(index);
        }
        let mut fresh: HashMap<Arc<Path>, usize> = HashMap::new();
        for file in files {
            // One of them may be a copy of another, which a program is about to put aside or to compress.
            for index in family::originals(file.real()).filter_map(|original| fresh.get(&*original)) {
                known.entry(Arc::clone(&self.files[*index].family)).or_default().push(*index);
            }
            let next = self.files.len();
            self.take_in(file, &known, now)?;
            fresh.extend(self.files.get(next).map(|taken| (Arc::clone(&taken.path), next)));
        }
        Ok(())
    }

    /// A file that is none of those that are known.
    fn take_in(&mut self, mut listed: Listed, known: &Families, now: Timestamp) -> Result<()> {
        if let Some(view) = listed.view.take() {
            let entry = FileEntry::of_view(self.name(&listed.path)?, &listed.path, view, &self.policy);
            self.know(entry, now);
            return Ok(());
        }
        let (bytes, path) = (listed.bytes, listed.real());
        // What a manifest lists is no copy, whatever is in it.
        if self.policy.follow && bytes.is_none() && self.is_held(&listed, known, now) {
            return Ok(());
        }
        let stamp = listed.stamp();
        let name = match self.name(&listed.path) {
            Ok(name) => name,
            Err(error) if self.policy.is_patient() => {
                self.telling.troubles(&[(path.to_owned(), error)]);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut entry = FileEntry::new(name, &listed.path, path, stamp);
        entry.link = listed.link().map(Into::into);
        entry.read_by(&self.policy);
        let announced = File::open(path).and_then(|mut file| {
            let stamp = Stamp::of(&file.metadata()?);
            entry.announce(&mut file, stamp, self.policy.follow)
        });
        match announced {
            Ok(()) => {
                self.telling.readable(path);
                self.telling.contradiction(path, entry.compression);
            }
            // It came and went between two looks, and was never one of ours.
            Err(error) if error.kind() == ErrorKind::NotFound && self.policy.follow && bytes.is_none() => return Ok(()),
            Err(error) => {
                // One that a manifest lists may have been merged since: whoever looks does so again.
                let is_listed = bytes.is_some() && error.kind() == ErrorKind::NotFound;
                let error = path::failed("read", path)(error);
                if is_listed || !self.policy.is_patient() || (self.listing.is_named(path) && !self.policy.follow) {
                    return Err(error);
                }
                self.telling.troubles(&[(path.to_owned(), error)]);
                return Ok(());
            }
        }
        if let Some(bytes) = bytes.filter(|bytes| *bytes != entry.stamp.size) {
            let size = entry.stamp.size;
            let error = entry.lost(size, format!("the manifest says {bytes} bytes, the file has {size}; restore it"));
            if !self.policy.bears_damage() {
                return Err(error);
            }
            self.telling.troubles(&[(path.to_owned(), error)]);
            return Ok(());
        }
        self.know(entry, now);
        Ok(())
    }

    fn know(&mut self, mut entry: FileEntry, now: Timestamp) {
        (entry.is_patient, entry.gaps) = (self.policy.bears_damage(), Arc::clone(&self.gaps));
        entry.misfits = self.misfits.clone();
        entry.met = self.policy.leaves_for_later().then(|| self.met.clone());
        entry.source = self.context.name().into();
        entry.date(now);
        self.has_changed = true;
        self.index.insert(entry.split.clone(), self.files.len());
        self.files.push(entry);
    }

    /// Whether a new file holds what another one does that is there: a program may be about to put that one aside.
    fn is_held(&mut self, listed: &Listed, known: &Families, now: Timestamp) -> bool {
        let stamp = listed.stamp();
        if let Some(held) = self.held.get_mut(listed.real()) {
            let other = self.index.get(&held.split).map(|index| &self.files[*index]);
            if other.is_some_and(|other| (stamp, other.stamp) == held.stamps && other.presence == Presence::Here) {
                if now.since(held.since) >= WAIT {
                    held.is_told = true;
                    if stamp.size > 0 {
                        self.telling.copy(listed.real(), &held.split);
                    }
                }
                return true;
            }
        }
        let family = known.get(listed.family()).into_iter().flatten();
        let other = family.map(|index| &self.files[*index]).find(|file| is_copy_of(listed, file));
        let Some(other) = other else {
            self.held.remove(listed.real());
            return false;
        };
        let held = Held { since: now, stamps: (stamp, other.stamp), split: other.split.clone(), is_told: false };
        self.held.insert(listed.real().to_owned(), held);
        true
    }

    /// A name for a new file: its path, or with a number if another one had that name.
    fn name(&self, path: &Path) -> Result<SplitId> {
        let text = path::text(path)?;
        let name = SplitId::new(text);
        let is_used = |name: &SplitId| self.index.contains_key(name) || self.dropped.contains(name);
        if !is_used(&name) {
            return Ok(name);
        }
        // Above all that are in use, so that what is newer has the higher number.
        let used = self.index.keys().chain(&self.dropped);
        let numbers = used.filter_map(|split| split.as_str().strip_prefix(text)?.strip_prefix('#'));
        let last = numbers.filter_map(|number| number.parse::<u64>().ok()).max().unwrap_or(1);
        Ok(SplitId::new(format!("{text}#{}", last + 1)))
    }
}
