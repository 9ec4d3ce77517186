//! Removing what a crash or a failed commit has left behind.

use std::path::Path;

use firesteel_connect::{Epoch, Result, Scope};
use firesteel_disk::Disk;

use super::part::PartName;
use crate::manifest::{self, Covered};
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

/// Removes the published files of the scope for which `superfluous` holds.
pub(super) fn unlisted(
    disk: &dyn Disk,
    folder: &Path,
    scope: &Scope,
    superfluous: impl Fn(Epoch, &str) -> bool,
) -> Result<()> {
    let is_superfluous = |part: PartName, name: &str| part.scope == *scope && superfluous(part.epoch, name);
    remove(disk, folder, |name| PartName::parse(name).is_some_and(|part| is_superfluous(part, name)))
}

fn remove(disk: &dyn Disk, folder: &Path, superfluous: impl Fn(&str) -> bool) -> Result<()> {
    for name in disk.list(folder).map_err(file_error)?.iter().filter(|name| superfluous(name)) {
        disk.remove(&folder.join(name)).map_err(file_error)?;
    }
    Ok(())
}
