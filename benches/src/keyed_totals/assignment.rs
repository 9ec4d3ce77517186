//! What a side of W3 is asked to do, how it says how far it is, and what it answers.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::events::{KeyType, KeyedEvents};
use super::reference::Totals;
use crate::stopwatch::Stopwatch;

/// What to count, and how.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The events.
    pub events: KeyedEvents,
    /// What their keys are.
    pub key: KeyType,
    /// How many of them.
    pub count: u64,
    /// As many come before the measured part begins: they fill the state and warm up the machine and its compilers.
    pub warm_up: u64,
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Events of a micro-batch, of all threads together, where the side has micro-batches.
    pub batch: u64,
    /// Seconds between the ends of epochs.
    pub epoch: f64,
    /// The memory that state may take, in bytes, where the side can be told.
    pub memory: Option<u64>,
    /// An empty folder on a disk.
    pub folder: PathBuf,
}

impl Assignment {
    /// This many events whose keys are numbers, a third of them for warming up, by two threads in epochs of one second.
    #[must_use]
    pub fn new(events: KeyedEvents, count: u64, folder: &Path) -> Self {
        let folder = folder.to_owned();
        let key = KeyType::Number;
        Self { events, key, count, warm_up: count / 3, threads: 2, batch: 1 << 18, epoch: 1.0, memory: None, folder }
    }
}

/// What a side did: the line of JSON with which its program ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Who.
    pub system: String,
    /// In which version.
    pub version: String,
    /// Events of the measured part.
    pub events: u64,
    /// Seconds that the measured part took.
    pub seconds: f64,
    /// Events of the whole run.
    pub all_events: u64,
    /// The totals of the whole run, read from the state at its end.
    #[serde(flatten)]
    pub totals: Totals,
    /// What else is worth knowing, in a few words.
    #[serde(default)]
    pub note: String,
}

impl Run {
    /// Events per second of the measured part.
    #[must_use]
    pub fn events_per_second(&self) -> f64 {
        self.events as f64 / self.seconds
    }
}

/// What a program writes before the number of events done, now and then.
pub const EVENTS: &str = "events ";
/// What a program writes when the measured part begins.
pub const MEASURING: &str = "measuring";
/// What a program writes when the measured part has ended.
pub const MEASURED: &str = "measured";

/// The phases of a run: how a side tells how far it is.
///
/// Its process writes a line at the edges of the measured part, so that the process that started it can read memory
/// and processor time at that moment.
#[derive(Debug)]
pub struct Phases {
    aloud: bool,
    warm_up: Option<u64>,
    begun: Option<(u64, Stopwatch)>,
    whole: Stopwatch,
}

impl Default for Phases {
    fn default() -> Self {
        Self::silent()
    }
}

impl Phases {
    /// Writes the lines to standard output.
    #[must_use]
    pub fn aloud() -> Self {
        Self { aloud: true, ..Self::silent() }
    }

    /// Writes nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self { aloud: false, warm_up: None, begun: None, whole: Stopwatch::start() }
    }

    /// The work begins, of which this many events are for warming up.
    pub fn start(&mut self, warm_up: u64) {
        self.whole = Stopwatch::start();
        self.warm_up = Some(warm_up);
        self.reached(0);
    }

    /// This many events are done since the start.
    #[inline]
    pub fn reached(&mut self, done: u64) {
        if self.begun.is_none() && self.warm_up.is_some_and(|warm_up| done >= warm_up) {
            self.say(MEASURING);
            self.begun = Some((done, Stopwatch::start()));
        }
    }

    /// All are done, and durable if they shall be; events and seconds of the measured part.
    pub fn end(&mut self, done: u64) -> (u64, f64) {
        let (before, watch) = self.begun.unwrap_or((0, self.whole));
        let measured = (done - before, watch.seconds());
        self.say(MEASURED);
        measured
    }

    fn say(&self, line: &str) {
        if self.aloud {
            // Nobody who could be told is left if this fails.
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::events::Shape;
    use super::*;

    #[test]
    fn what_comes_after_the_warm_up_is_measured() {
        let mut phases = Phases::silent();
        phases.start(100);
        phases.reached(99);
        phases.reached(120);
        phases.reached(200);
        let (events, seconds) = phases.end(300);
        assert_eq!(events, 180);
        assert!(seconds >= 0.0);

        let mut phases = Phases::silent();
        phases.start(0);
        assert_eq!(phases.end(7).0, 7);
    }

    #[test]
    fn a_run_is_one_flat_line_of_json() {
        let totals = Totals::of(KeyedEvents { keys: 3, shape: Shape::Uniform }, 10);
        let run = Run {
            system: "x".to_owned(),
            version: "1".to_owned(),
            events: 5,
            seconds: 0.5,
            all_events: 10,
            totals,
            note: String::new(),
        };
        let text = serde_json::to_string(&run).unwrap();
        assert!(text.contains(r#""total_count":10,"total_sum":45"#), "{text}");
        assert_eq!(serde_json::from_str::<Run>(&text).unwrap(), run);
        assert_eq!(run.events_per_second().to_bits(), 10_f64.to_bits());
    }
}
