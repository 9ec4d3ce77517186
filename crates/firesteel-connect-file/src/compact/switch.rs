//! From old files to new ones: for readers by the manifests in one step.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use firesteel_connect::{ConnectError, Result};
use firesteel_results::{Covered, Entry, Manifest};

use super::journal;
use super::scope::{Manifests, ScopeOfResults};
use super::whole::Written;
use crate::manifest::{self, SUCCESS};
use crate::path::file_error;

/// Notes what is to be done, gives the new files their names, puts a manifest in the place of those that list the old ones, and removes
/// these. Whoever ends in the middle is followed by [`journal::settle`].
pub(super) fn switch(scope: &ScopeOfResults<'_>, manifests: &mut Manifests, written: Vec<Written>) -> Result<()> {
    if written.is_empty() {
        return Ok(());
    }
    let switched = steps(scope, manifests, written);
    if switched.is_err() {
        // What needs no more room can be done at once; whatever cannot, the next one does.
        let _ = scope.settle_and_mark();
    }
    switched
}

fn steps(scope: &ScopeOfResults<'_>, manifests: &mut Manifests, written: Vec<Written>) -> Result<()> {
    let disk = &**scope.disk;
    let old: Vec<String> = written.iter().flat_map(|whole| whole.old.iter().cloned()).collect();
    let new: Vec<String> = written.iter().map(|whole| whole.entry.name.clone()).collect();
    let names: Vec<&str> = old.iter().chain(&new).map(String::as_str).collect();
    if let Some(name) = names.iter().find(|name| !journal::is_within(name)) {
        let reason = format!("{name:?} leads out of the folder; restore the manifest that lists it");
        return Err(ConnectError::Setting { connector: "Compaction", setting: "folder", reason });
    }
    let success = scope.results.join(SUCCESS);
    let is_marked = disk.exists(&success).map_err(file_error)?;
    journal::write(disk, scope.manifests, is_marked, names.iter().copied())?;
    if is_marked {
        // Before any file has its name, also after a crash.
        disk.remove(&success).map_err(file_error)?;
        disk.sync_folder(scope.results).map_err(file_error)?;
    }
    let (place, covered, merged) = merged(manifests, &written);
    let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
    for whole in written {
        let path = scope.results.join(&whole.entry.name);
        whole.temporary.publish(&path)?;
        folders.extend(path.parent().map(std::path::Path::to_owned));
    }
    folders.iter().try_for_each(|folder| disk.sync_folder(folder).map_err(file_error))?;
    manifest::write(disk, scope.manifests, covered, &merged)?;
    manifests.splice(place, [(covered, merged)]);
    manifest::remove_merged(disk, scope.manifests)?;
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    journal::remove_unlisted(disk, scope.results, &old, |_| false)?;
    if is_marked {
        mark(scope)?;
    }
    journal::clear(disk, scope.manifests)
}

/// Says that what is in the folder is committed.
pub(super) fn mark(scope: &ScopeOfResults<'_>) -> Result<()> {
    let (disk, success) = (&**scope.disk, scope.results.join(SUCCESS));
    if !disk.exists(&success).map_err(file_error)? {
        disk.create(&success).and_then(|mut file| file.sync()).map_err(file_error)?;
    }
    disk.sync_folder(scope.results).map_err(file_error)
}

/// Which manifests list the old files, and what stands for them then.
fn merged(manifests: &Manifests, written: &[Written]) -> (std::ops::Range<usize>, Covered, Manifest) {
    let old: HashSet<&str> = written.iter().flat_map(|whole| whole.old.iter().map(String::as_str)).collect();
    let first: HashMap<&str, &Entry> =
        written.iter().filter_map(|whole| Some((whole.old.first()?.as_str(), &whole.entry))).collect();
    let lists =
        |(_, manifest): &(Covered, Manifest)| manifest.entries.iter().any(|entry| old.contains(entry.name.as_str()));
    let from = manifests.iter().position(lists).unwrap_or(0);
    let to = manifests.iter().rposition(lists).map_or(from, |last| last + 1);
    let within = &manifests[from..to];
    let mut covered = within.first().map_or(Covered::one(firesteel_connect::Epoch(0)), |(covered, _)| *covered);
    let mut checkpoint = None;
    let mut entries = Vec::new();
    for (other, manifest) in within {
        covered.last = other.last;
        covered.merged = covered.merged.max(other.merged);
        checkpoint = Some(manifest.checkpoint);
        for entry in &manifest.entries {
            match first.get(entry.name.as_str()) {
                Some(whole) => entries.push((*whole).clone()),
                None if old.contains(entry.name.as_str()) => {}
                None => entries.push(entry.clone()),
            }
        }
    }
    covered.merged += 1;
    let checkpoint = checkpoint.unwrap_or(firesteel_connect::CheckpointId::from_bits(0));
    (from..to, covered, Manifest { checkpoint, entries })
}
