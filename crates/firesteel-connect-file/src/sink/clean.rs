//! Removing what a crash or a failed commit has left behind.

use std::path::{Path, PathBuf};

use firesteel_connect::{Epoch, Result, Scope};
use firesteel_disk::Disk;
use firesteel_results::{Covered, PartName};

use crate::manifest;
use crate::path::file_error;

/// Removes temporary files, and published files of epochs that have no manifest: their commit was cut short, and
/// the job will write them again. What other parts of the job have there is left alone. Returns the manifests that count.
pub(super) fn leftovers(disk: &dyn Disk, folder: &Path, scope: &Scope) -> Result<Vec<Covered>> {
    remove(disk, folder, |name| PartName::parse_temporary(name).is_some_and(|part| part.scope == *scope))?;
    let manifests = manifest::folder_of_scope(folder, scope);
    remove(disk, &manifests, |name| name.ends_with(".tmp"))?;
    let committed = manifest::remove_merged(disk, &manifests)?;
    unlisted(disk, folder, scope, |epoch, _| !committed.iter().any(|covered| covered.contains(epoch)))?;
    Ok(committed)
}

/// Removes the published files of the scope for which `superfluous` holds, which is given their paths below the folder.
pub(super) fn unlisted(
    disk: &dyn Disk,
    folder: &Path,
    scope: &Scope,
    superfluous: impl Fn(Epoch, &str) -> bool,
) -> Result<()> {
    for below in folders(disk, folder)? {
        let path = |name: &str| if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        let is_superfluous = |part: PartName, path: &str| part.scope == *scope && superfluous(part.epoch, path);
        remove(disk, &folder.join(&below), |name| {
            let path = path(name);
            PartName::parse(&path).is_some_and(|part| is_superfluous(part, &path))
        })?;
    }
    Ok(())
}

/// The folders in which parts are, as paths below that of the results: itself, and those of values of columns.
pub(super) fn folders(disk: &dyn Disk, results: &Path) -> Result<Vec<String>> {
    let mut found = vec![String::new()];
    let mut next = 0;
    while let Some(above) = found.get(next).cloned() {
        let folder: PathBuf = results.join(&above);
        for name in disk.folders(&folder).map_err(file_error)? {
            if name.contains('=') {
                found.push(if above.is_empty() { name } else { format!("{above}/{name}") });
            }
        }
        next += 1;
    }
    Ok(found)
}

fn remove(disk: &dyn Disk, folder: &Path, superfluous: impl Fn(&str) -> bool) -> Result<()> {
    for name in disk.list(folder).map_err(file_error)?.iter().filter(|name| superfluous(name)) {
        disk.remove(&folder.join(name)).map_err(file_error)?;
    }
    Ok(())
}
