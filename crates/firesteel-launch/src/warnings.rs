//! Warnings of the engine for people: what `tracing` is told, where nobody has set it up.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use firesteel_core::{Clock, SystemClock};
use firesteel_terminal::{Pauses, say};
use parking_lot::Mutex;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// This many kinds of warnings are told apart, and this many are held back.
const KINDS: usize = 256;
const HELD: usize = 3;

/// What the job tells of itself in other ways: single records, and why it failed.
const TOLD_ELSEWHERE: [&str; 2] = ["firesteel::records", "firesteel::job"];

/// Prints the engine's warnings on standard error, those that repeat at growing intervals.
pub(crate) struct Warnings {
    clock: Arc<dyn Clock>,
    print: Box<dyn Fn(&str) + Send + Sync>,
    json: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: HashMap<(Identifier, String), Seen>,
    held: Vec<Said>,
}

/// When a kind of warning was told, and how many were not.
#[derive(Default)]
struct Seen {
    pauses: Pauses,
    untold: u64,
}

static INSTALLED: OnceLock<Option<Arc<Warnings>>> = OnceLock::new();

/// Prints the engine's warnings on standard error, for a program that builds and runs its job without
/// [`launch`](crate::launch()), which does the same. Returns whether it does: a program that has set up `tracing` gets them there.
///
/// ```
/// use firesteel_connect_memory::{Collector, MemorySource};
/// use firesteel_streaming::{StreamingContext, Trigger};
///
/// firesteel_launch::show_warnings();
/// let job = StreamingContext::builder("numbers").build()?;
/// job.read(MemorySource::new(vec![1, 2])).write(Collector::new());
/// job.run(Trigger::AvailableNow)?;
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
pub fn show_warnings() -> bool {
    install(false);
    INSTALLED.get().is_some_and(Option::is_some)
}

/// Prints warnings of the whole process, unless the program has set up `tracing` itself. Whether as JSON is decided by
/// the first call.
pub(crate) fn install(json: bool) {
    INSTALLED.get_or_init(|| {
        let warnings = Arc::new(Warnings::new(Arc::new(SystemClock::new()), say, json));
        tracing::subscriber::set_global_default(Shared(Arc::clone(&warnings))).is_ok().then_some(warnings)
    });
}

/// Prints what was held back, or forgets it because it is told elsewhere.
pub(crate) fn settle(is_told: bool) {
    if let Some(Some(warnings)) = INSTALLED.get() {
        warnings.settle(is_told);
    }
}

impl Warnings {
    fn new(clock: Arc<dyn Clock>, print: impl Fn(&str) + Send + Sync + 'static, json: bool) -> Self {
        Self { clock, print: Box::new(print), json, state: Mutex::default() }
    }

    fn settle(&self, is_told: bool) {
        let held = std::mem::take(&mut self.state.lock().held);
        held.iter().filter(|_| !is_told).for_each(|said| self.print(said, 0));
    }

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
        if state.seen.len() == KINDS && !state.seen.contains_key(&kind) {
            state.seen.clear();
        }
        let seen = state.seen.entry(kind).or_default();
        if !seen.pauses.is_due(now) {
            seen.untold += 1;
            return;
        }
        let untold = std::mem::take(&mut seen.untold);
        drop(state);
        self.print(&said, untold);
    }

    fn print(&self, said: &Said, untold: u64) {
        let level = if said.is_error { "error" } else { "warning" };
        if self.json {
            let object =
                serde_json::json!({ "event": level, "job": said.job, "message": said.to_string(), "more": untold });
            (self.print)(&format!("{object}\n"));
            return;
        }
        let job = said.job.as_ref().map(|job| format!("{job}: ")).unwrap_or_default();
        let more = if untold > 0 { format!(" ({untold} more like it since the last)") } else { String::new() };
        (self.print)(&format!("{job}{level}: {said}{more}\n"));
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
        f.write_str(&self.message)?;
        for (index, (name, value)) in self.about.iter().enumerate() {
            write!(f, "{}{name} {value}", if index == 0 { " (" } else { ", " })?;
        }
        if !self.about.is_empty() {
            f.write_str(")")?;
        }
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
            // Like numbers, it tells a person nothing: the next one is another.
            "pause" => {}
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

#[cfg(test)]
mod tests {
    use firesteel_window::Duration;
    use std::sync::Arc;

    use firesteel_core::ManualClock;
    use parking_lot::Mutex;

    use super::{Shared, Warnings};

    /// What is printed of what happens in `work`, which may move the clock.
    fn printed(json: bool, work: impl FnOnce(&ManualClock, &Warnings)) -> Vec<String> {
        let (clock, text) = (Arc::new(ManualClock::new()), Arc::<Mutex<String>>::default());
        let paper = Arc::clone(&text);
        let print = move |line: &str| paper.lock().push_str(line);
        let warnings = Arc::new(Warnings::new(Arc::clone(&clock) as _, print, json));
        tracing::subscriber::with_default(Shared(Arc::clone(&warnings)), || work(&clock, &warnings));
        let text = text.lock();
        text.lines().map(str::to_owned).collect()
    }

    fn unreachable(server: &str) {
        tracing::warn!(target: "firesteel_x", receiver = server, error = "refused", attempt = 3, "it starts again");
    }

    #[test]
    fn a_warning_is_a_sentence_with_its_job_subject_and_error() {
        let lines = printed(false, |_, _| {
            tracing::warn!(target: "firesteel_x", job = "clicks", sink = %"files", error = %"disk full", "a commit failed");
            tracing::error!(target: "firesteel_x", panic = "boom", "a listener panicked");
            tracing::warn!(target: "firesteel_x", "nothing more");
        });
        let expected = [
            "clicks: warning: a commit failed (sink files): disk full",
            "error: a listener panicked: boom",
            "warning: nothing more",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_repeats_is_told_at_growing_intervals_and_each_subject_for_itself() {
        let lines = printed(false, |clock, _| {
            for second in 0..100 {
                unreachable("a");
                if second == 50 {
                    unreachable("b");
                }
                clock.advance(Duration::secs(1));
            }
        });
        let expected = [
            "warning: it starts again (receiver a): refused",
            "warning: it starts again (receiver a): refused (9 more like it since the last)",
            "warning: it starts again (receiver a): refused (19 more like it since the last)",
            "warning: it starts again (receiver b): refused",
            "warning: it starts again (receiver a): refused (39 more like it since the last)",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_repeated_task_is_told_only_where_nobody_else_tells_of_its_panic() {
        let panicked = || tracing::warn!(target: "firesteel_x", blame = "map: boom", panicked = true, "it is retried");
        let lines = printed(false, |_, warnings| {
            panicked();
            warnings.settle(true);
            panicked();
            warnings.settle(false);
            warnings.settle(false);
        });
        assert_eq!(lines, ["warning: it is retried: map: boom"]);
    }

    #[test]
    fn what_is_no_warning_of_the_engine_or_told_elsewhere_is_left_out() {
        let lines = printed(false, |_, _| {
            tracing::info!(target: "firesteel_x", "all is well");
            tracing::warn!(target: "hyper", "of others");
            tracing::warn!(target: "firesteel::records", "one of a million records");
            tracing::error!(target: "firesteel::job", "the job has failed");
            let follows_records = tracing::enabled!(target: "firesteel::records", tracing::Level::DEBUG);
            assert!(!follows_records, "streams would follow the position of every record");
        });
        assert_eq!(lines, [""; 0]);
    }

    #[test]
    fn programs_can_read_warnings_as_json() {
        let lines = printed(true, |_, _| unreachable("a"));
        let object: serde_json::Value = serde_json::from_str(&lines[0]).expect("a line is an object");
        assert_eq!(
            (&object["event"], &object["message"]),
            (&"warning".into(), &"it starts again (receiver a): refused".into())
        );
    }
}
