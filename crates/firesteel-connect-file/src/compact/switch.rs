//! From old files to new ones: for readers by the manifests in one step.

use std::collections::BTreeSet;
use std::path::PathBuf;

use firesteel_connect::{ConnectError, Result};
use firesteel_results::{PartName, Switch};

use super::journal;
use super::scope::ScopeOfResults;
use crate::manifest;
use crate::path::file_error;
use crate::success::SuccessMark;
use crate::temporary::Temporary;

/// Notes what is to be done, gives the new files their names, puts a manifest in the place of those that list the old ones, and removes
/// these. Whoever ends in the middle is followed by [`journal::settle`].
pub(super) fn switch(scope: &ScopeOfResults<'_>, switch: Switch<Temporary>) -> Result<()> {
    let switched = steps(scope, switch);
    if switched.is_err() {
        // What needs no more room can be done at once; whatever cannot, the next one does.
        let _ = scope.settle_and_mark();
    }
    switched
}

fn steps(scope: &ScopeOfResults<'_>, switch: Switch<Temporary>) -> Result<()> {
    let disk = &**scope.disk;
    let names = || switch.old_names().chain(switch.new_names());
    if let Some(name) = names().find(|name| !PartName::is_below_results(name)) {
        let reason = format!("{name:?} leads out of the folder; restore the manifest that lists it");
        return Err(ConnectError::Setting { connector: "Compaction", setting: "folder", reason });
    }
    let mark = SuccessMark::of(disk, scope.results);
    let is_marked = mark.is_there()?;
    journal::write(disk, scope.manifests, is_marked, names())?;
    // Before any file has its name, also after a crash.
    mark.take_away()?;
    let old: Vec<String> = switch.old_names().map(str::to_owned).collect();
    let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
    for mut written in switch.written {
        let path = scope.results.join(&written.entry.name);
        written.whole.publish(&path)?;
        folders.extend(path.parent().map(std::path::Path::to_owned));
    }
    folders.iter().try_for_each(|folder| disk.sync_folder(folder).map_err(file_error))?;
    manifest::write(disk, scope.manifests, switch.covered, &switch.manifest)?;
    manifest::remove_merged(disk, scope.manifests)?;
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    journal::remove_unlisted(disk, scope.results, &old, |_| false)?;
    if is_marked {
        mark.put()?;
    }
    journal::clear(disk, scope.manifests)
}
