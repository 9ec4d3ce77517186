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
    // What the sources have counted comes after what became of the records.
    let counts = summary.counts.iter().map(|(name, count)| (*name, grouped(*count)));
    lines.splice(lines.len() - 3..lines.len() - 3, counts);
    let names = lines.iter().map(|(name, _)| name.chars().count() + 2).max().unwrap_or(0).max(14);
    let width = lines.iter().map(|(_, value)| value.chars().count()).max().unwrap_or(0);
    let mut text = format!("{job}: {}\n", if failed { "failed" } else { "done" });
    for (name, value) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<names$}{value:>width$}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sources_have_passed_over_is_told_at_the_end() {
        let mut summary = Summary::default();
        summary.rows_in = 7;
        summary.counts.insert("rows passed over", 1_200);
        summary.counts.insert("misfit files", 1);
        let text = end("job", &summary, false);
        let lines: Vec<&str> = text.lines().collect();
        let at = lines.iter().position(|line| line.contains("misfit files")).unwrap();
        assert_eq!(lines[at..at + 2], ["  misfit files          1", "  rows passed over  1,200"]);
        assert!(lines[1] == "  records read          7" && lines[at + 2].contains("batches"), "{text}");
    }
}
