//! The words of progress: the lines at the start, in between and at the end.

use std::fmt::{self, Write as _};

use firesteel_streaming::{BatchProgress, JobInfo, Summary};
use firesteel_window::Timestamp;

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
            format!("{job}: goes on behind epoch {epoch}, from the checkpoint in {folder}\n")
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

/// How far a job has come.
#[derive(Debug, Default)]
pub(crate) struct Sofar {
    batch: u64,
    rows_in: u64,
    rows_out: u64,
    malformed: u64,
    late: u64,
    dead_letters: u64,
    /// Keys with state; `None` in a job without operators that keep some.
    keys: Option<u64>,
    watermark: Option<Timestamp>,
    /// What was read since it was told last, and how long the batches took.
    news: News,
}

#[derive(Debug, Default)]
struct News {
    rows_in: u64,
    rows_out: u64,
    busy_us: u64,
}

impl Sofar {
    pub(crate) fn add(&mut self, progress: &BatchProgress) {
        self.batch = progress.batch;
        self.rows_in += progress.rows_in;
        self.rows_out += progress.rows_out;
        self.malformed += progress.malformed;
        self.late += progress.late;
        self.dead_letters += progress.dead_letters.len() as u64;
        self.keys = (!progress.states.is_empty()).then(|| progress.states.iter().map(|state| state.keys).sum());
        self.watermark = progress.watermark;
        self.news.rows_in += progress.rows_in;
        self.news.rows_out += progress.rows_out;
        self.news.busy_us += progress.durations.total_us;
    }

    /// Whether something was read or written since [`told`](Self::told).
    pub(crate) fn has_news(&self) -> bool {
        self.news.rows_in + self.news.rows_out > 0
    }

    /// Takes note that it has been told.
    pub(crate) fn told(&mut self) {
        self.news = News::default();
    }
}

impl fmt::Display for Sofar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch {}, {} read", grouped(self.batch), grouped(self.rows_in))?;
        if self.news.busy_us > 0 {
            write!(f, " ({}/s)", rate(self.news.rows_in as f64 * 1e6 / self.news.busy_us as f64))?;
        }
        write!(f, ", {} written", grouped(self.rows_out))?;
        if let Some(keys) = self.keys {
            write!(f, ", {} keys", grouped(keys))?;
        }
        match self.watermark {
            None => {}
            Some(Timestamp::MAX) => f.write_str(", all windows closed")?,
            Some(watermark) => write!(f, ", watermark {watermark}")?,
        }
        for (name, count) in [("malformed", self.malformed), ("late", self.late), ("dead letters", self.dead_letters)] {
            if count > 0 {
                write!(f, ", {} {name}", grouped(count))?;
            }
        }
        Ok(())
    }
}

/// A whole run, line by line, the numbers below each other.
pub(crate) fn end(job: &str, summary: &Summary, failed: bool) -> String {
    let lines = [
        ("records read", grouped(summary.rows_in)),
        ("malformed", grouped(summary.malformed)),
        ("late", grouped(summary.late)),
        ("windows", grouped(summary.windows)),
        ("rows written", grouped(summary.rows_out)),
        ("dead letters", grouped(summary.dead_letters)),
        ("batches", grouped(summary.batches)),
        ("elapsed", span(summary.elapsed_us)),
        ("records/s", rate(summary.rows_per_second())),
    ];
    let width = lines.iter().map(|(_, value)| value.chars().count()).max().unwrap_or(0);
    let mut text = format!("{job}: {}\n", if failed { "failed" } else { "done" });
    for (name, value) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<14}{value:>width$}");
    }
    text
}
