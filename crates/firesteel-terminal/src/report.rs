//! The words of progress: the lines at the start and at the end.

use std::fmt::Write as _;

use firesteel_streaming::{JobInfo, Summary};

use crate::numbers::{grouped, rate, span};

/// What a job is, when it starts.
pub(crate) fn start(info: &JobInfo) -> String {
    let descriptions = |parts: &[(std::sync::Arc<str>, String)]| {
        parts.iter().map(|(_, description)| description.as_str()).collect::<Vec<_>>().join(", ")
    };
    let job = &info.job;
    let checkpoint = match (&info.checkpoint, info.resumed) {
        (None, _) => String::new(),
        (Some(folder), None) => format!("{job}: begins a checkpoint in {folder}\n"),
        (Some(folder), Some(epoch)) => {
            format!("{job}: resumes after epoch {epoch}, from the checkpoint in {folder}\n")
        }
    };
    format!(
        "{job}: reads {}; writes {}\n{job}: guarantee {}: {}\n{checkpoint}",
        descriptions(&info.inputs),
        descriptions(&info.outputs),
        info.guarantee,
        info.guarantee_reason,
    )
}

/// A whole run, line by line, the numbers below each other.
pub(crate) fn end(job: &str, summary: &Summary, failed: bool) -> String {
    let mut lines = vec![
        ("records read", grouped(summary.rows_in)),
        ("malformed", grouped(summary.malformed)),
        ("late", grouped(summary.late)),
        ("in no window", grouped(summary.outside)),
        ("in no table", grouped(summary.unmatched)),
        ("windows", grouped(summary.windows)),
        ("rows written", grouped(summary.rows_out)),
        ("uncommitted", grouped(summary.uncommitted)),
        ("dead letters", grouped(summary.dead_letters)),
        ("batches", grouped(summary.batches)),
        ("elapsed", span(summary.elapsed_us)),
        ("records/s", rate(summary.rows_per_second())),
    ];
    // Only a job that failed or was stopped at once has some.
    lines.retain(|(name, _)| *name != "uncommitted" || summary.uncommitted > 0);
    // Only windows with gaps between them leave some out.
    lines.retain(|(name, _)| *name != "in no window" || summary.outside > 0);
    // Only inner joins with tables do so.
    lines.retain(|(name, _)| *name != "in no table" || summary.unmatched > 0);
    let width = lines.iter().map(|(_, value)| value.chars().count()).max().unwrap_or(0);
    let mut text = format!("{job}: {}\n", if failed { "failed" } else { "done" });
    for (name, value) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<14}{value:>width$}");
    }
    text
}
