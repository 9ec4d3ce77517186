//! How far a job has come, in one line.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use firesteel_streaming::{BatchProgress, HeldBy, HoldReason, InputProgress};
use firesteel_window::{Duration, Timestamp};

use crate::numbers::{grouped, rate, span};
use crate::rates::Rates;

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
    /// Who holds the watermark back that has come least far, where that is not just the slowest of all.
    held: Option<HeldBy>,
    /// How many splits wait for the slowest.
    waiting: u64,
    /// What was read of each input, in the units of its positions.
    read: HashMap<Arc<str>, u64>,
    share: Option<f64>,
    rates: Rates,
    /// Whether something was read or written since it was told last.
    has_news: bool,
}

impl Sofar {
    /// The job begins.
    pub(crate) fn start(&mut self, now: Duration) {
        self.rates.mark(now, 0, None);
    }

    pub(crate) fn add(&mut self, now: Duration, progress: &BatchProgress) {
        self.batch = progress.batch;
        self.rows_in += progress.rows_in;
        self.rows_out += progress.rows_out;
        self.malformed += progress.malformed;
        self.late += progress.late;
        self.dead_letters += progress.dead_letters.len() as u64;
        self.keys = (!progress.states.is_empty()).then(|| progress.states.iter().map(|state| state.keys).sum());
        self.watermark = progress.watermark;
        let least = progress.watermarks.iter().min_by_key(|watermark| watermark.watermark);
        let held = least.and_then(|least| least.held_by.clone());
        self.waiting = progress.watermarks.iter().map(|watermark| watermark.waiting.len() as u64).sum();
        self.held = held.filter(|held| held.reason != HoldReason::Slowest);
        self.has_news |= progress.rows_in + progress.rows_out > 0;
        let shares: Option<Vec<f64>> = progress.inputs.iter().map(|input| self.share_of(input)).collect();
        self.share = shares.filter(|shares| !shares.is_empty()).map(|all| all.iter().sum::<f64>() / all.len() as f64);
        self.rates.mark(now, self.rows_in, self.share);
    }

    /// How much of an input is read, if it has an end and that is known.
    fn share_of(&mut self, input: &InputProgress) -> Option<f64> {
        let read = self.read.entry(Arc::clone(&input.name)).or_default();
        *read += input.splits.iter().map(|split| split.to - split.from).sum::<u64>();
        let left = input.left.filter(|_| input.ends)?;
        let all = *read + left;
        Some(if all == 0 { 1.0 } else { *read as f64 / all as f64 })
    }

    /// Whether there is something to tell since the last [`told`](Self::told).
    pub(crate) fn has_news(&self) -> bool {
        self.has_news
    }

    /// Takes note that it has been told.
    pub(crate) fn told(&mut self) {
        self.has_news = false;
    }

    /// The share that is read and the time that is left, drawn and in words; nothing where the end is not known.
    pub(crate) fn bar(&self, now: Duration) -> Option<String> {
        const CELLS: usize = 20;
        let share = self.share?.clamp(0.0, 1.0);
        let full = (share * CELLS as f64).floor() as usize;
        let mut bar = format!("{}{} {}", "█".repeat(full), "░".repeat(CELLS - full), percent(share));
        if let Some(left) = self.rates.time_left(now) {
            // Writing to a string cannot fail.
            let _ = write!(bar, ", {} left", about(left));
        }
        Some(bar)
    }

    /// All of it in words, what matters most first.
    pub(crate) fn line(&self, now: Duration) -> String {
        if self.batch == 0 {
            return "started, nothing read yet".to_owned();
        }
        let mut line = format!("batch {}, {} read", grouped(self.batch), grouped(self.rows_in));
        // Writing to a string cannot fail.
        if let Some(rows) = self.rates.rows_per_second(now) {
            let _ = write!(line, " ({}/s)", rate(rows));
        }
        let _ = write!(line, ", {} written", grouped(self.rows_out));
        if let Some(keys) = self.keys {
            let _ = write!(line, ", {} keys", grouped(keys));
        }
        let _ = match self.watermark {
            None => Ok(()),
            Some(Timestamp::MAX) => write!(line, ", all windows closed"),
            Some(watermark) => write!(line, ", watermark {watermark}"),
        };
        if let Some(held) = &self.held {
            let _ = write!(line, ", held back by {held}");
        }
        if self.waiting > 0 {
            let _ = write!(line, ", {} ahead of it wait", grouped(self.waiting));
        }
        for (name, count) in [("malformed", self.malformed), ("late", self.late), ("dead letters", self.dead_letters)] {
            if count > 0 {
                let _ = write!(line, ", {} {name}", grouped(count));
            }
        }
        line
    }

    /// As [`line`](Self::line), with the share in front where the end is known.
    pub(crate) fn plain(&self, now: Duration) -> String {
        let line = self.line(now);
        let Some(share) = self.share.filter(|share| *share < 1.0) else { return line };
        let left = self.rates.time_left(now).map(|left| format!(", {} left", about(left))).unwrap_or_default();
        format!("{}{left}, {line}", percent(share))
    }
}

/// A share that is 100 % only when it is whole.
fn percent(share: f64) -> String {
    format!("{} %", (share * 100.0).floor())
}

/// A time to wait, no more exact than anybody knows it.
fn about(left: Duration) -> String {
    span(left.as_secs().max(1).unsigned_abs() * 1_000_000).replace(".00 s", " s")
}

#[cfg(test)]
mod tests {
    use firesteel_window::Duration;

    use super::Sofar;

    /// After this many seconds, with this share read.
    fn sofar(seconds: i64, share: Option<f64>) -> (Sofar, Duration) {
        let now = Duration::secs(seconds);
        let mut sofar = Sofar { batch: 3, rows_in: 1_200, rows_out: 7, share, ..Sofar::default() };
        sofar.start(Duration::ZERO);
        sofar.rates.mark(now, sofar.rows_in, share);
        (sofar, now)
    }

    #[test]
    fn a_bar_shows_the_share_and_the_time_left() {
        let (quarter, now) = sofar(4, Some(0.25));
        assert_eq!(quarter.bar(now).as_deref(), Some("█████░░░░░░░░░░░░░░░ 25 %, 12 s left"));
        assert_eq!(quarter.line(now), "batch 3, 1,200 read (300/s), 7 written");
        let (nearly, now) = sofar(5, Some(0.999_9));
        assert_eq!(nearly.bar(now).as_deref(), Some("███████████████████░ 99 %, 1 s left"), "not before it is done");
        let (done, now) = sofar(5, Some(1.0));
        assert_eq!(done.bar(now).as_deref(), Some("████████████████████ 100 %"));
        let (hours, now) = sofar(6, Some(0.001));
        assert_eq!(hours.bar(now).as_deref(), Some("░░░░░░░░░░░░░░░░░░░░ 0 %, 1h 39m 54s left"));
    }

    #[test]
    fn without_a_known_end_there_is_no_bar() {
        let (unknown, now) = sofar(4, None);
        assert_eq!((unknown.bar(now), unknown.plain(now)), (None, "batch 3, 1,200 read (300/s), 7 written".to_owned()));
        assert_eq!(Sofar::default().line(now), "started, nothing read yet");
    }
}
