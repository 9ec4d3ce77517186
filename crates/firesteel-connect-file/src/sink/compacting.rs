//! Merging small files after commits.

use std::path::Path;
use std::sync::Arc;

use firesteel_connect::{Result, Scope};
use firesteel_disk::Disk;

use super::part::PendingFiles;
use crate::compact::{CompactionReport, Limits, ScopeOfResults};

/// This many small files are merged unless a test says otherwise.
const COMPACT_AT: usize = 100;

/// Whether small files are merged, and when.
#[derive(Debug)]
pub(super) struct Compacting {
    /// How large files are to become.
    pub(super) wanted: Option<u64>,
    /// How many small ones are waited for.
    pub(super) at: usize,
}

impl Default for Compacting {
    fn default() -> Self {
        Self { wanted: None, at: COMPACT_AT }
    }
}

/// What has come since files were merged last.
#[derive(Debug, Default)]
pub(super) struct Loose {
    files: usize,
    bytes: u64,
    /// Whether a merging has failed, and may have been left in the middle.
    is_unsettled: bool,
}

impl Loose {
    /// A number of files that were there before.
    pub(super) fn of(files: usize) -> Self {
        Self { files, ..Self::default() }
    }

    /// Takes note of what is about to be committed.
    pub(super) fn add(&mut self, pending: &[PendingFiles]) {
        for bytes in pending.iter().flat_map(PendingFiles::sizes) {
            self.files += 1;
            self.bytes += bytes;
        }
    }
}

impl Compacting {
    /// Merges files if there are enough of them. Tells whether manifests have changed.
    pub(super) fn step(
        &self,
        disk: &Arc<dyn Disk>,
        results: &Path,
        manifests: &Path,
        scope: &Scope,
        loose: &mut Loose,
    ) -> bool {
        let Some(wanted) = self.wanted.filter(|wanted| loose.files >= self.at || loose.bytes >= *wanted) else {
            return false;
        };
        let scope = ScopeOfResults { disk, results, manifests, scope, wanted };
        let mut report = CompactionReport::default();
        let is_unsettled = std::mem::take(loose).is_unsettled;
        match merge(&scope, is_unsettled, &mut report) {
            Ok(()) => tracing::debug!(folder = %results.display(), "{report}"),
            Err(error) => {
                loose.is_unsettled = true;
                let text = "small files of results could not be merged: that is retried when more have come";
                tracing::warn!(folder = %results.display(), "{text} ({error})");
            }
        }
        true
    }
}

fn merge(scope: &ScopeOfResults<'_>, is_unsettled: bool, report: &mut CompactionReport) -> Result<()> {
    if is_unsettled {
        scope.settle()?;
    }
    scope.compact(&Limits::of_one_step(scope.wanted), report)
}
