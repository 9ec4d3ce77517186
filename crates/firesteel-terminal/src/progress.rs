//! What a person sees of a running job: a bar or lines while it runs, a summary at its end.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration as StdDuration;

use firesteel_streaming::{BatchProgress, Error, JobInfo, StreamingListener, Summary};
use firesteel_window::{Duration, Timestamp, seconds};
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use crate::report::{self, Sofar};
use crate::screen;

/// How often a line is written at most, in processing time.
const PAUSE: Duration = seconds(1);
/// How often the bar turns, so that a long batch is seen to be alive.
const TICK: StdDuration = StdDuration::from_millis(120);

/// Shows a job's progress on standard error: what it reads and writes and what it guarantees when it starts; then
/// records, records per second, batches, keys with state and the watermark; a summary at the end.
///
/// On a terminal the middle part is one line that changes in place. Elsewhere it is plain lines, at most one per second
/// of processing time, and none for batches in which nothing happened.
///
/// ```
/// use firesteel_connect_memory::MemorySource;
/// use firesteel_streaming::{StreamingContext, Trigger};
/// use firesteel_terminal::{Console, TerminalProgress};
///
/// let job = StreamingContext::builder("numbers").listener(TerminalProgress::new()).build()?;
/// job.read(MemorySource::new(vec![1, 2, 3])).write(Console::table());
/// job.run(Trigger::AvailableNow)?;
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
pub struct TerminalProgress {
    state: Mutex<State>,
}

struct State {
    show: Show,
    job: Arc<str>,
    sofar: Sofar,
    /// When the last line was written, in processing time.
    shown: Option<Timestamp>,
}

enum Show {
    Bar(ProgressBar),
    Lines(Box<dyn Write + Send>),
}

impl TerminalProgress {
    /// A bar if standard error is a terminal, plain lines on standard error if it is not.
    #[must_use]
    pub fn new() -> Self {
        let stderr = io::stderr();
        if stderr.is_terminal() { Self::showing(Show::Bar(ProgressBar::hidden())) } else { Self::lines(stderr) }
    }

    /// Plain lines to `writer`.
    #[must_use]
    pub fn lines(writer: impl Write + Send + 'static) -> Self {
        Self::showing(Show::Lines(Box::new(writer)))
    }

    fn showing(show: Show) -> Self {
        Self { state: Mutex::new(State { show, job: "".into(), sofar: Sofar::default(), shown: None }) }
    }
}

impl Default for TerminalProgress {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// Prints whole lines. That nobody can read them is no reason for a job to fail.
    fn print(&mut self, text: &str) {
        let _ = match &mut self.show {
            Show::Bar(_) => screen::without_bars(|| io::stderr().lock().write_all(text.as_bytes())),
            Show::Lines(writer) => writer.write_all(text.as_bytes()).and_then(|()| writer.flush()),
        };
    }
}

impl StreamingListener for TerminalProgress {
    fn on_start(&self, info: &JobInfo) {
        let mut state = self.state.lock();
        state.job = Arc::clone(&info.job);
        state.print(&report::start(info));
        if let Show::Bar(bar) = &mut state.show {
            let style = ProgressStyle::with_template("{spinner} {wide_msg}").expect("the template is well-formed");
            *bar = screen::draw(
                ProgressBar::new_spinner().with_style(style).with_message(format!("{}: started", info.job)),
            );
            bar.enable_steady_tick(TICK);
        }
    }

    fn on_batch(&self, progress: &BatchProgress) {
        let mut state = self.state.lock();
        state.sofar.add(progress);
        match &state.show {
            Show::Bar(bar) => bar.set_message(format!("{}: {}", state.job, state.sofar)),
            Show::Lines(_) => {
                let due = state.shown.is_none_or(|shown| progress.time.since(shown) >= PAUSE);
                if due && state.sofar.has_news() {
                    state.shown = Some(progress.time);
                    let line = format!("{}: {}\n", state.job, state.sofar);
                    state.print(&line);
                    state.sofar.told();
                }
            }
        }
    }

    fn on_end(&self, summary: &Summary, error: Option<&Error>) {
        let mut state = self.state.lock();
        if let Show::Bar(bar) = &state.show {
            bar.finish_and_clear();
        }
        let text = report::end(&state.job, summary, error.is_some());
        state.print(&text);
    }
}

impl fmt::Debug for TerminalProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.state.lock().show {
            Show::Bar(_) => "bar",
            Show::Lines(_) => "lines",
        };
        f.debug_struct("TerminalProgress").field("shows", &kind).finish_non_exhaustive()
    }
}
