//! Removing what a crash or a failed commit has left behind.

use std::collections::BTreeSet;
use std::path::Path;

use firesteel_connect::{Epoch, Result};

use super::part::PartName;
use crate::{manifest, path};

/// Removes temporary files, and published files of epochs that have no manifest: their commit was cut short, and
/// the job will write them again.
pub(super) fn leftovers(folder: &Path) -> Result<()> {
    let manifests = manifest::folder_of(folder);
    for path in path::entries(folder)? {
        if PartName::is_temporary(&path) {
            remove(&path)?;
        }
    }
    for path in path::entries(&manifests)? {
        if path.extension().is_some_and(|extension| extension == "tmp") {
            remove(&path)?;
        }
    }
    let committed: BTreeSet<Epoch> = manifest::epochs(folder)?.into_iter().collect();
    unlisted(folder, |epoch, _| !committed.contains(&epoch))
}

/// Removes the published files for which `superfluous` holds.
pub(super) fn unlisted(folder: &Path, superfluous: impl Fn(Epoch, &Path) -> bool) -> Result<()> {
    for path in path::entries(folder)? {
        if PartName::epoch_of(&path).is_some_and(|epoch| superfluous(epoch, &path)) {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(path::failed("remove", path))
}
