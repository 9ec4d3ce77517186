//! Removing what a crash or a failed commit has left behind.

use std::collections::BTreeSet;
use std::path::Path;

use firesteel_connect::{Epoch, Result};
use firesteel_disk::Disk;

use super::part::PartName;
use crate::manifest;
use crate::path::file_error;

/// Removes temporary files, and published files of epochs that have no manifest: their commit was cut short, and
/// the job will write them again.
pub(super) fn leftovers(disk: &dyn Disk, folder: &Path) -> Result<()> {
    remove(disk, folder, PartName::is_temporary)?;
    remove(disk, &manifest::folder_of(folder), |name| name.ends_with(".tmp"))?;
    let committed: BTreeSet<Epoch> = manifest::epochs(disk, folder)?.into_iter().collect();
    unlisted(disk, folder, |epoch, _| !committed.contains(&epoch))
}

/// Removes the published files for which `superfluous` holds.
pub(super) fn unlisted(disk: &dyn Disk, folder: &Path, superfluous: impl Fn(Epoch, &str) -> bool) -> Result<()> {
    remove(disk, folder, |name| PartName::epoch_of(name).is_some_and(|epoch| superfluous(epoch, name)))
}

fn remove(disk: &dyn Disk, folder: &Path, superfluous: impl Fn(&str) -> bool) -> Result<()> {
    for name in disk.list(folder).map_err(file_error)?.iter().filter(|name| superfluous(name)) {
        disk.remove(&folder.join(name)).map_err(file_error)?;
    }
    Ok(())
}
