//! What a checkpoint folder costs a job that has hardly any state: W1a with one and without; and what a sink costs that
//! takes long to commit.
//!
//! The job is that of [`crate::firesteel_side`], over the same events again and again, each time later by the time that
//! they span, so that it lasts for several epochs.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use firesteel_connect::{
    ConnectError, Discovery, Epoch, Guarantee, PositionUnit, ReadRange, Replay, Result, Sink, Source, SourceReader,
    Split, SplitId, WriteTask,
};
use firesteel_streaming::{BatchLimits, Checkpoint, StreamingContext, Trigger, WindowResult};
use firesteel_window::{Duration, Timestamp, Tumbling, Watermark};

use crate::ad_events::{AdEvent, AdEvents, COUNTED_KIND, DELAY, SPAN, WINDOW};
use crate::measured::Outcome;
use crate::stopwatch::Stopwatch;
use crate::workload::Setting;

/// Runs W1a over `data`, `times` times, with a checkpoint in `folder` or without one: seconds and the answer.
///
/// # Panics
/// If the disk fails.
#[must_use]
pub fn run(data: &'static AdEvents, times: u64, setting: Setting, folder: Option<&Path>) -> (f64, Outcome) {
    run_with(data, times, setting, folder.map(Checkpoint::in_folder), Duration::ZERO)
}

/// The same with this checkpoint, if any, and a sink of which every commit takes as long as `commit`.
///
/// # Panics
/// If the disk fails.
#[must_use]
pub fn run_with(
    data: &'static AdEvents,
    times: u64,
    setting: Setting,
    checkpoint: Option<Checkpoint>,
    commit: Duration,
) -> (f64, Outcome) {
    let watch = Stopwatch::start();
    let check = Check { commit, ..Check::default() };
    let limits = BatchLimits::default().records(setting.batch as u64);
    let job = StreamingContext::builder("windows").threads(setting.threads).limits(limits);
    let job = match checkpoint {
        Some(checkpoint) => job.checkpoint(checkpoint),
        None => job,
    };
    let job = job.build().expect("the executors start");
    job.read(Repeated { events: &data.events, times })
        .named("events")
        .filter(|event| event.kind == COUNTED_KIND)
        .map(|event| (data.campaigns[event.ad as usize], event.ts))
        .event_time(|event| Timestamp::from_micros(event.1), Watermark::bounded(Duration::micros(DELAY)))
        .key_by(|event| event.0)
        .window(Tumbling::of(Duration::micros(WINDOW)))
        .count()
        .named("windows")
        .write(check.clone());
    job.run(Trigger::AvailableNow).expect("the job runs");
    let outcome = *check.seen.lock().unwrap_or_else(PoisonError::into_inner);
    (watch.seconds(), outcome)
}

/// The events again and again, each time later.
struct Repeated {
    events: &'static [AdEvent],
    times: u64,
}

impl Source for Repeated {
    type Item = AdEvent;
    type Reader = Reader;

    fn describe(&self) -> String {
        "events in memory, repeated".to_owned()
    }
    fn replay(&self) -> Replay {
        Replay::Always
    }
    fn discover(&self, _: Timestamp) -> Result<Discovery> {
        let (id, available) = (SplitId::new("events"), Some(self.events.len() as u64 * self.times));
        let split = Split::new(id, PositionUnit::Records).available(available).divisible(true).finished(true);
        Ok(Discovery::all([split]).complete(true))
    }
    fn open(&self, range: &ReadRange) -> Result<Reader> {
        let end = range.to.ok_or_else(|| ConnectError::Setting {
            connector: "repeated events",
            setting: "range",
            reason: "its end must be known".to_owned(),
        })?;
        let (round, at) = (range.from / self.events.len() as u64, range.from % self.events.len() as u64);
        Ok(Reader { events: self.events, at: at as usize, later: round as i64 * SPAN, next: range.from, end })
    }
}

struct Reader {
    events: &'static [AdEvent],
    at: usize,
    later: i64,
    next: u64,
    end: u64,
}

impl SourceReader for Reader {
    type Item = AdEvent;

    #[inline]
    fn next_record(&mut self) -> Result<Option<AdEvent>> {
        if self.next == self.end {
            return Ok(None);
        }
        let event = self.events[self.at];
        self.next += 1;
        let event = AdEvent { ts: event.ts + self.later, ..event };
        self.at += 1;
        if self.at == self.events.len() {
            (self.at, self.later) = (0, self.later + SPAN);
        }
        Ok(Some(event))
    }
    fn position(&self) -> u64 {
        self.next
    }
    fn at_end(&self) -> bool {
        self.next == self.end
    }
}

/// A sink that adds up what it gets.
#[derive(Clone, Default)]
struct Check {
    seen: Arc<Mutex<Outcome>>,
    commit: Duration,
}

impl Sink<WindowResult<u32, u64>> for Check {
    type Pending = Outcome;

    fn describe(&self) -> String {
        "a checksum".to_owned()
    }
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }
    fn write(&self, _: WriteTask, records: impl Iterator<Item = WindowResult<u32, u64>>) -> Result<Outcome> {
        Ok(records.fold(Outcome::default(), |mut outcome, row| {
            outcome.add_window(&row.key, row.window.start().as_micros(), row.value);
            outcome
        }))
    }
    fn commit(&self, _: Epoch, pending: &mut Vec<Outcome>) -> Result<()> {
        if self.commit > Duration::ZERO {
            // Nobody ever answers: a server far away.
            let (_server, answer) = std::sync::mpsc::channel::<()>();
            let _ = answer.recv_timeout(self.commit.to_std());
        }
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        pending.drain(..).for_each(|outcome| *all += outcome);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ad_events::Campaigns;
    use crate::reference;

    #[test]
    fn a_checkpoint_changes_nothing_of_the_answer_and_one_round_is_that_of_w1a() {
        let data: &'static AdEvents = Box::leak(Box::new(AdEvents::generate(20_000, Campaigns::Hundred, 1)));
        let setting = Setting { threads: 2, batch: 3_001 };
        assert_eq!(run(data, 1, setting, None).1, reference::windows(data));
        let folder = tempfile::tempdir().unwrap();
        let (_, with) = run(data, 3, setting, Some(folder.path()));
        assert_eq!(with, run(data, 3, setting, None).1);
        let (other, took) = (tempfile::tempdir().unwrap(), Duration::millis(2));
        let checkpoint = Checkpoint::in_folder(other.path()).interval(Duration::ZERO);
        assert_eq!(run_with(data, 3, setting, Some(checkpoint), took).1, with, "whatever a commit takes");
        assert!(folder.path().read_dir().unwrap().next().is_some());
    }
}
