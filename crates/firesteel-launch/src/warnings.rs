//! Warnings of the engine for people: what `tracing` is told, where nobody has set it up.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use firesteel_core::{Clock, SystemClock};
use firesteel_terminal::say;
use parking_lot::Mutex;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// How soon after a warning another one like it may come. It doubles, up to the longest.
const PAUSE: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(600);
/// So many kinds of warnings are told apart, and so many are held back.
const KINDS: usize = 256;
const HELD: usize = 3;

/// What the job tells of itself in other ways: single records, and why it failed.
const TOLD_ELSEWHERE: [&str; 2] = ["firesteel::records", "firesteel::job"];

/// Prints the engine's warnings on standard error, those that repeat at growing intervals.
pub(crate) struct Warnings {
    clock: SystemClock,
    json: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: HashMap<(Identifier, String), Seen>,
    held: Vec<Said>,
}

/// When a kind of warning was told, and how many were not.
struct Seen {
    due: Duration,
    pause: Duration,
    untold: u64,
}

static INSTALLED: OnceLock<Option<Arc<Warnings>>> = OnceLock::new();

/// Prints warnings of the whole process, unless the program has set up `tracing` itself. Whether as JSON is decided by
/// the first call.
pub(crate) fn install(json: bool) {
    INSTALLED.get_or_init(|| {
        let warnings = Arc::new(Warnings { clock: SystemClock::new(), json, state: Mutex::default() });
        tracing::subscriber::set_global_default(Shared(Arc::clone(&warnings))).is_ok().then_some(warnings)
    });
}

/// Prints what was held back, or forgets it because it is told elsewhere.
pub(crate) fn settle(is_told: bool) {
    if let Some(Some(warnings)) = INSTALLED.get() {
        let held = std::mem::take(&mut warnings.state.lock().held);
        held.iter().filter(|_| !is_told).for_each(|said| warnings.print(said, 0));
    }
}

impl Warnings {
    fn hear(&self, event: &Event<'_>) {
        let mut said = Said { is_error: *event.metadata().level() == Level::ERROR, ..Said::default() };
        event.record(&mut said);
        let mut state = self.state.lock();
        if said.panicked {
            if state.held.len() < HELD {
                state.held.push(said);
            }
            return;
        }
        let now = self.clock.monotonic();
        let kind =
            (event.metadata().callsite(), said.about.first().map(|(_, value)| value.clone()).unwrap_or_default());
        let untold = match state.seen.get_mut(&kind) {
            Some(seen) if now < seen.due => {
                seen.untold += 1;
                return;
            }
            Some(seen) => {
                seen.pause = (seen.pause * 2).min(LONGEST);
                seen.due = now + seen.pause;
                std::mem::take(&mut seen.untold)
            }
            None => {
                if state.seen.len() == KINDS {
                    state.seen.clear();
                }
                state.seen.insert(kind, Seen { due: now + PAUSE, pause: PAUSE, untold: 0 });
                0
            }
        };
        drop(state);
        self.print(&said, untold);
    }

    fn print(&self, said: &Said, untold: u64) {
        let level = if said.is_error { "error" } else { "warning" };
        if self.json {
            let object =
                serde_json::json!({ "event": level, "job": said.job, "message": said.to_string(), "more": untold });
            say(&format!("{object}\n"));
            return;
        }
        let job = said.job.as_ref().map(|job| format!("{job}: ")).unwrap_or_default();
        let more = if untold > 0 { format!(" ({untold} more like it since the last)") } else { String::new() };
        say(&format!("{job}{level}: {said}{more}\n"));
    }
}

/// An event in words.
#[derive(Debug, Default)]
struct Said {
    is_error: bool,
    message: String,
    job: Option<String>,
    error: Option<String>,
    /// What it is about, by name.
    about: Vec<(&'static str, String)>,
    panicked: bool,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.about {
            write!(f, "{name} {value}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(error) = &self.error {
            write!(f, ": {error}")?;
        }
        Ok(())
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        match field.name() {
            "message" => self.message = value,
            "job" => self.job = Some(value),
            "error" | "blame" | "panic" => self.error = Some(value),
            name => self.about.push((name, value)),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.panicked |= value && field.name() == "panicked";
    }

    /// Numbers of attempts, of jobs inside of a job and the like tell a person nothing.
    fn record_u64(&mut self, _: &Field, _: u64) {}
    fn record_i64(&mut self, _: &Field, _: i64) {}
}

struct Shared(Arc<Warnings>);

impl Subscriber for Shared {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() <= Level::WARN
            && metadata.target().starts_with("firesteel")
            && !TOLD_ELSEWHERE.contains(&metadata.target())
    }
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }
    fn event(&self, event: &Event<'_>) {
        self.0.hear(event);
    }
    // There are no spans: none is enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
