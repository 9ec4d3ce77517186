//! Merging small files after commits.

use firesteel_connect::Result;
use firesteel_results::{CompactionReport, Limits};

use crate::compact::ScopeOfResults;

/// Merges about as much as a file is to have. What one before it that failed has left in the middle is settled first; tells whether this
/// one has failed.
pub(super) fn step(scope: &ScopeOfResults<'_>, is_unsettled: bool) -> bool {
    let mut report = CompactionReport::default();
    let (merged, folder) = (merge(scope, is_unsettled, &mut report), scope.results.display());
    match &merged {
        Ok(()) => tracing::debug!(%folder, "{report}"),
        Err(error) => {
            let text = "small files of results could not be merged: that is retried when more have come";
            tracing::warn!(%folder, "{text} ({error})");
        }
    }
    merged.is_err()
}

fn merge(scope: &ScopeOfResults<'_>, is_unsettled: bool, report: &mut CompactionReport) -> Result<()> {
    if is_unsettled {
        scope.settle()?;
    }
    scope.compact(&Limits::of_one_step(scope.wanted), report)
}
