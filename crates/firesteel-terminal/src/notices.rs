//! What a person must know of a running job although it runs on: records that were left out.

use std::fmt::{self, Write as _};
use std::io::Write;
use std::sync::Arc;

use firesteel_core::{Clock, SystemClock};
use firesteel_streaming::{BatchProgress, Error, JobInfo, StreamingListener, Summary};
use firesteel_window::Duration;
use parking_lot::Mutex;

use crate::numbers::grouped;
use crate::pauses::Pauses;
use crate::screen;
use crate::text::shown;

/// The longest line of a sample: what was refused may be of any length.
const SAMPLE: usize = 240;

/// Tells on standard error which records a job leaves out and why: those that do not parse, come too late, or make user
/// code panic. First with examples, then in numbers, at growing intervals: never a line per record or batch.
///
/// ```
/// use firesteel_connect_memory::{Collector, MemorySource};
/// use firesteel_streaming::{StreamingContext, Trigger};
/// use firesteel_terminal::Notices;
///
/// let job = StreamingContext::builder("numbers").listener(Notices::new()).build()?;
/// job.read(MemorySource::new(vec!["1", "two"])).try_map(str::parse::<u32>).write(Collector::new());
/// job.run(Trigger::AvailableNow)?;
/// // numbers: batch 1: 1 record was refused and left out, of 2 read:
/// //   memory, try_map at src/main.rs:6:51: invalid digit found in string
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
pub struct Notices {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    /// Where they go, if not to standard error.
    writer: Option<Box<dyn Write + Send>>,
    job: Arc<str>,
    malformed: Count,
    late: Count,
    dead_letters: Count,
}

/// How many of a kind there were, and when that was told.
#[derive(Debug, Default)]
struct Count {
    total: u64,
    untold: u64,
    pauses: Pauses,
}

impl Count {
    /// Counts, and tells whether a notice is due.
    fn add(&mut self, count: u64, now: Duration) -> bool {
        self.total += count;
        self.untold += count;
        count > 0 && self.pauses.is_due(now)
    }

    /// Whether nothing of the kind was told yet.
    fn is_first(&self) -> bool {
        self.total == self.untold
    }

    /// `12 more records were`, for a notice that is not the first.
    fn words(&self) -> String {
        let plural = if self.untold == 1 { " was" } else { "s were" };
        format!("{} more record{plural}", grouped(self.untold))
    }
}

impl Notices {
    /// Notices on standard error, above the bar of [`TerminalProgress`](crate::TerminalProgress).
    #[must_use]
    pub fn new() -> Self {
        Self::to(None)
    }

    /// Notices to `writer`.
    #[must_use]
    pub fn lines(writer: impl Write + Send + 'static) -> Self {
        Self::to(Some(Box::new(writer)))
    }

    /// Takes the time from `clock` instead of the machine.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    fn to(writer: Option<Box<dyn Write + Send>>) -> Self {
        let state = State {
            writer,
            job: "".into(),
            malformed: Count::default(),
            late: Count::default(),
            dead_letters: Count::default(),
        };
        Self { clock: Arc::new(SystemClock::new()), state: Mutex::new(state) }
    }
}

impl Default for Notices {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn print(&mut self, text: &str) {
        let text = format!("{}: {text}\n", self.job);
        match &mut self.writer {
            None => screen::say(&text),
            // That nobody can read it is no reason for a job to fail.
            Some(writer) => {
                let _ = writer.write_all(text.as_bytes()).and_then(|()| writer.flush());
            }
        }
    }

    fn malformed(&mut self, progress: &BatchProgress) {
        let count = &mut self.malformed;
        let mut text = if count.is_first() {
            let (refused, read) = (grouped(count.untold), grouped(progress.rows_in));
            let plural = if count.untold == 1 { "record was refused" } else { "records were refused" };
            format!("batch {}: {refused} {plural} and left out, of {read} read:", progress.batch)
        } else {
            format!("{} refused, {} in all, such as:", count.words(), grouped(count.total))
        };
        let examples = if count.is_first() { usize::MAX } else { 1 };
        count.untold = 0;
        for refused in progress.malformed_sample.iter().take(examples) {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  {}", shown(&refused.to_string(), SAMPLE));
        }
        self.print(&text);
    }

    fn late(&mut self, progress: &BatchProgress) {
        let count = &mut self.late;
        let text = if count.is_first() {
            let plural = if count.untold == 1 { "record was" } else { "records were" };
            format!(
                "batch {}: {} {plural} too late for a window, and left out there: the watermark had passed. A watermark that waits longer takes \
                 them",
                progress.batch,
                grouped(count.untold)
            )
        } else {
            format!("{} late, {} in all", count.words(), grouped(count.total))
        };
        count.untold = 0;
        self.print(&text);
    }

    fn dead_letters(&mut self, progress: &BatchProgress) {
        let count = &mut self.dead_letters;
        let (mut text, examples) = if count.is_first() {
            let plural = if count.untold == 1 { "record, which was" } else { "records, which were" };
            let set_aside = format!("user code panicked on {} {plural} set aside", grouped(count.untold));
            (format!("batch {}: {set_aside}:", progress.batch), 3)
        } else {
            (format!("{} set aside, {} in all, such as:", count.words(), grouped(count.total)), 1)
        };
        count.untold = 0;
        for letter in progress.dead_letters.iter().take(examples) {
            let _ = write!(text, "\n  {}", shown(letter, SAMPLE));
        }
        self.print(&text);
    }
}

impl StreamingListener for Notices {
    fn on_start(&self, info: &JobInfo) {
        self.state.lock().job = Arc::clone(&info.job);
    }

    fn on_batch(&self, progress: &BatchProgress) {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        if state.malformed.add(progress.malformed, now) {
            state.malformed(progress);
        }
        if state.late.add(progress.late, now) {
            state.late(progress);
        }
        if state.dead_letters.add(progress.dead_letters.len() as u64, now) {
            state.dead_letters(progress);
        }
    }

    fn on_end(&self, summary: &Summary, _: Option<&Error>) {
        let mut state = self.state.lock();
        let counts = [(&state.malformed, "refused"), (&state.late, "late"), (&state.dead_letters, "set aside")];
        let untold = counts.into_iter().filter(|(count, _)| count.untold > 0);
        let last = untold.map(|(count, what)| format!("{} {what}, {} in all", count.words(), grouped(count.total)));
        for text in last.collect::<Vec<_>>() {
            state.print(&text);
        }
        if summary.malformed > 0 && summary.malformed >= summary.rows_in && summary.rows_out == 0 {
            state.print("no record got through: does the function that is given to try_map fit the data?");
        }
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        let counts = (state.malformed.total, state.late.total, state.dead_letters.total);
        f.debug_struct("Notices").field("counts", &counts).finish_non_exhaustive()
    }
}
