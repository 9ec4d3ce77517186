//! What a person sees of a running job: a bar or lines while it runs, a summary at its end.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use firesteel_core::{Clock, SystemClock};
use firesteel_streaming::{BatchProgress, Error, JobInfo, StreamingListener, Summary};
use firesteel_window::Duration;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use parking_lot::Mutex;
use serde::Serialize;

use crate::report;
use crate::screen;
use crate::sofar::Sofar;
use crate::text::cut;

/// How long after the start or the last line another one may come.
const PAUSE: Duration = Duration::secs(5);
/// How often the bar is drawn, so that a long batch is seen to be alive.
const TICK: Duration = Duration::millis(120);
/// The columns of a terminal that does not tell.
const COLUMNS: usize = 80;

/// Shows a job's progress on standard error: what it reads and writes and what it guarantees when it starts; then
/// records, records per second of the last ten seconds, batches, keys with state and the watermark; a summary at the end.
///
/// On a terminal the middle part is one line that changes in place, with a bar and the time left where the end of all
/// inputs is known: files that are not followed, or a run of what is there. Elsewhere it is plain lines, one in five
/// seconds at most, and none while nothing happens. [`json`](Self::json) is for programs that read it.
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
    clock: Arc<dyn Clock>,
    sofar: Arc<Mutex<Sofar>>,
    state: Mutex<State>,
}

struct State {
    show: Show,
    job: Arc<str>,
    /// When the job started or the last line was written.
    shown: Duration,
}

enum Show {
    Bar(ProgressBar),
    Lines(Box<dyn Write + Send>),
    Json(Box<dyn Write + Send>),
}

impl TerminalProgress {
    /// A bar if standard error is a terminal that can draw one, plain lines on standard error if it is not.
    #[must_use]
    pub fn new() -> Self {
        let stderr = io::stderr();
        let draws = stderr.is_terminal() && screen::can_go_back();
        if draws { Self::showing(Show::Bar(ProgressBar::hidden())) } else { Self::lines(stderr) }
    }

    /// Plain lines to `writer`.
    #[must_use]
    pub fn lines(writer: impl Write + Send + 'static) -> Self {
        Self::showing(Show::Lines(Box::new(writer)))
    }

    /// One JSON object per line to `writer`: one of the job when it starts, one per batch, and the summary. `event` is
    /// `start`, `batch` or `end`.
    #[must_use]
    pub fn json(writer: impl Write + Send + 'static) -> Self {
        Self::showing(Show::Json(Box::new(writer)))
    }

    /// Takes the time from `clock` instead of the machine. A job's own clock may be another: what a person waits for is
    /// this one's time.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    fn showing(show: Show) -> Self {
        let state = State { show, job: "".into(), shown: Duration::ZERO };
        Self { clock: Arc::new(SystemClock::new()), sofar: Arc::default(), state: Mutex::new(state) }
    }

    /// The bar, whose text is made anew whenever it is drawn: it changes with the time, too.
    fn bar(&self, job: &Arc<str>) -> ProgressBar {
        let (job, sofar, clock) = (Arc::clone(job), Arc::clone(&self.sofar), Arc::clone(&self.clock));
        let line = move |_: &ProgressState, text: &mut dyn fmt::Write| {
            let (sofar, now) = (sofar.lock(), clock.monotonic());
            let bar = sofar.bar(now).map(|bar| format!(" {bar},")).unwrap_or_default();
            let line = format!("{job}:{bar} {}", sofar.line(now));
            let room = screen::width_of_stderr().unwrap_or(COLUMNS).saturating_sub(3);
            // That a bar cannot be drawn is no reason to fail.
            let _ = text.write_str(&cut(&line, room));
        };
        let style = ProgressStyle::with_template("{spinner} {line}").expect("the template is well-formed");
        let bar = screen::draw(ProgressBar::new_spinner().with_style(style.with_key("line", line)));
        bar.enable_steady_tick(TICK.to_std());
        bar
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
        match &mut self.show {
            Show::Bar(_) => screen::say(text),
            Show::Lines(writer) | Show::Json(writer) => {
                let _ = writer.write_all(text.as_bytes()).and_then(|()| writer.flush());
            }
        }
    }

    fn print_json(&mut self, event: &'static str, of: impl Serialize) {
        // What goes in there is plain data, which can always be written as JSON.
        if let Ok(text) = serde_json::to_string(&Event { event, of }) {
            self.print(&(text + "\n"));
        }
    }
}

#[derive(Serialize)]
struct Event<T> {
    event: &'static str,
    #[serde(flatten)]
    of: T,
}

#[derive(Serialize)]
struct End<'a> {
    job: &'a str,
    error: Option<String>,
    #[serde(flatten)]
    summary: &'a Summary,
}

impl StreamingListener for TerminalProgress {
    fn on_start(&self, info: &JobInfo) {
        let now = self.clock.monotonic();
        self.sofar.lock().start(now);
        let mut state = self.state.lock();
        (state.job, state.shown) = (Arc::clone(&info.job), now);
        match state.show {
            Show::Json(_) => state.print_json("start", info),
            Show::Lines(_) => state.print(&report::start(info)),
            Show::Bar(_) => {
                state.print(&report::start(info));
                state.show = Show::Bar(self.bar(&info.job));
            }
        }
    }

    fn on_batch(&self, progress: &BatchProgress) {
        let now = self.clock.monotonic();
        self.sofar.lock().add(now, progress);
        let mut state = self.state.lock();
        match &state.show {
            // It looks at what has come so far when it is drawn, which this asks for.
            Show::Bar(bar) => bar.set_message(""),
            Show::Json(_) => state.print_json("batch", progress),
            Show::Lines(_) => {
                let mut sofar = self.sofar.lock();
                if now.saturating_sub(state.shown) >= PAUSE && sofar.has_news() {
                    state.shown = now;
                    let line = format!("{}: {}\n", state.job, sofar.plain(now));
                    state.print(&line);
                    sofar.told();
                }
            }
        }
    }

    fn on_end(&self, summary: &Summary, error: Option<&Error>) {
        let mut state = self.state.lock();
        if let Show::Bar(bar) = &state.show {
            screen::clear(bar);
        }
        let job = Arc::clone(&state.job);
        match state.show {
            Show::Json(_) => {
                let error = error.map(|error| format!("{error:?}"));
                state.print_json("end", End { job: &job, error, summary });
            }
            _ => state.print(&report::end(&job, summary, error.is_some())),
        }
    }
}

impl fmt::Debug for TerminalProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.state.lock().show {
            Show::Bar(_) => "bar",
            Show::Lines(_) => "lines",
            Show::Json(_) => "json",
        };
        f.debug_struct("TerminalProgress").field("shows", &kind).finish_non_exhaustive()
    }
}
