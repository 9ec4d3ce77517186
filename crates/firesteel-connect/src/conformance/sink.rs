//! The suite for sinks.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::Rule;
use crate::{CheckpointId, Epoch, Guarantee, Mark, Result, Sink, SinkContext, WriteTask};

const STARTS: Rule = Rule("K1", "a sink names itself, starts and stops");
const INVISIBLE: Rule = Rule("K2", "nothing is visible before its commit, also not what is staged");
const VISIBLE: Rule = Rule("K3", "a commit makes everything visible, in partition order");
const IDEMPOTENT: Rule = Rule("K4", "a second commit of an epoch does nothing");
const ABORTED: Rule = Rule("K5", "an aborted epoch leaves nothing and can be written again");
const TELLS: Rule =
    Rule("K6", "last_committed is the newest committed epoch and its checkpoint, where the sink can tell");
const RETRIED: Rule = Rule("K7", "a failed attempt leaves nothing behind");
const EMPTY: Rule = Rule("K8", "an epoch without records is committed, and shows nothing");
const PARALLEL: Rule = Rule("K9", "partitions are written in parallel");
const BESIDE: Rule = Rule("K11", "the next epoch may be written before and while an epoch is committed");
const OTHERS: Rule = Rule("K12", "an epoch of another checkpoint is not taken for one of this");
const RESTARTS: Rule = Rule("K10", "a restart sees every committed epoch and nothing else");

/// Checks a sink against the contract of [`Sink`].
///
/// `make` yields a sink over a fresh, empty place each time; `visible` reads what the outside world sees of it, epoch
/// after epoch and partition after partition; `record` makes the n-th test record, different for each n.
///
/// # Panics
/// With the number of the rule that does not hold.
pub fn sink<S, T>(make: impl Fn() -> S, visible: impl Fn(&S) -> Vec<T>, record: impl Fn(u32) -> T + Sync)
where
    S: Sink<T>,
    T: PartialEq + Debug + Send,
{
    let suite = Suite { visible: &visible, record: &record };
    suite.life(&make());
    suite.aborts(&make());
    suite.retries(&make());
    suite.parallel(&make());
    suite.beside(&make());
}

/// Checks that a sink which knows its newest epoch still knows it after a restart.
///
/// `make` yields a sink over a fresh place each time, and `reopen` ends it, as a crash would, and yields another one
/// over the same place. `visible` and `record` are those of [`sink()`].
///
/// # Panics
/// With the number of the rule that does not hold.
pub fn sink_restarts<S, T>(
    make: impl Fn() -> S,
    reopen: impl Fn(S) -> S,
    visible: impl Fn(&S) -> Vec<T>,
    record: impl Fn(u32) -> T + Sync,
) where
    S: Sink<T>,
    T: PartialEq + Debug + Send,
{
    let suite = Suite { visible: &visible, record: &record };
    let sink = make();
    suite.start(&sink);
    suite.epoch(&sink, 1, &[0..3, 3..5], RESTARTS);
    // The process ends after the tasks of epoch 2 have written and before their commit.
    let pending = suite.write(&sink, 2, 0, &[5..8, 8..9], RESTARTS);
    drop(pending);
    let sink = reopen(sink);
    suite.start(&sink);
    suite.tells(&sink, Some(1), RESTARTS);
    suite.shows(&sink, 0..5, RESTARTS);
    suite.epoch(&sink, 1, &[0..3, 3..5], RESTARTS);
    suite.shows(&sink, 0..5, RESTARTS);
    suite.epoch(&sink, 2, &[5..8, 8..9], RESTARTS);
    suite.tells(&sink, Some(2), RESTARTS);
    let sink = reopen(sink);
    suite.start(&sink);
    suite.tells(&sink, Some(2), RESTARTS);
    suite.shows(&sink, 0..9, RESTARTS);
    // A job with another checkpoint comes, whose epochs have the same numbers.
    let sink = reopen(sink);
    OTHERS.ok(sink.start(&context(ANOTHER)), || "starting under another checkpoint".into());
    suite.tells(&sink, Some(2), OTHERS);
    let mut pending = suite.write(&sink, 2, 0, &[9..11, 11..12], OTHERS);
    let committed = sink.commit(Epoch(2), &mut pending);
    suite.shows(&sink, 0..if committed.is_ok() { 12 } else { 9 }, OTHERS);
    RESTARTS.check(sink.guarantee() == Guarantee::ExactlyOnce, || "it holds, but exactly-once is not claimed".into());
}

type Part = std::ops::Range<u32>;

struct Suite<'a, S, T> {
    visible: &'a dyn Fn(&S) -> Vec<T>,
    record: &'a (dyn Fn(u32) -> T + Sync),
}

impl<S, T> Suite<'_, S, T>
where
    S: Sink<T>,
    T: PartialEq + Debug + Send,
{
    fn life(&self, sink: &S) {
        STARTS.check(!sink.describe().is_empty(), || "the description is empty".into());
        self.start(sink);
        self.tells(sink, None, TELLS);
        let mut pending = self.write(sink, 1, 0, &[0..3, 3..3, 3..5], VISIBLE);
        self.shows(sink, 0..0, INVISIBLE);
        VISIBLE.ok(sink.commit(Epoch(1), &mut pending), || "committing epoch 1".into());
        self.shows(sink, 0..5, VISIBLE);
        self.tells(sink, Some(1), TELLS);
        IDEMPOTENT.ok(sink.commit(Epoch(1), &mut vec![]), || "committing epoch 1 with nothing".into());
        self.shows(sink, 0..5, IDEMPOTENT);
        let mut pending = self.write(sink, 1, 1, &[0..3, 3..3, 3..5], IDEMPOTENT);
        IDEMPOTENT.ok(sink.commit(Epoch(1), &mut pending), || "committing epoch 1 again".into());
        self.shows(sink, 0..5, IDEMPOTENT);
        let mut pending = self.write(sink, 2, 0, &[], EMPTY);
        EMPTY.ok(sink.commit(Epoch(2), &mut pending), || "committing an epoch without partitions".into());
        self.tells_of(sink, 1..=2, EMPTY);
        self.epoch(sink, 3, &[5..5, 5..5], EMPTY);
        self.tells_of(sink, 1..=3, EMPTY);
        self.shows(sink, 0..5, EMPTY);
        self.epoch(sink, 4, &[5..6, 6..9], VISIBLE);
        self.tells(sink, Some(4), EMPTY);
        self.shows(sink, 0..9, VISIBLE);
        STARTS.ok(sink.stop(), || "stopping".into());
        self.shows(sink, 0..9, VISIBLE);
    }

    fn aborts(&self, sink: &S) {
        self.start(sink);
        self.epoch(sink, 1, &[0..0, 0..1], ABORTED);
        let pending = self.write(sink, 2, 0, &[1..4, 4..6], ABORTED);
        ABORTED.ok(sink.abort(Epoch(2), pending), || "aborting epoch 2".into());
        self.shows(sink, 0..1, ABORTED);
        self.tells(sink, Some(1), ABORTED);
        let mut pending = self.write(sink, 2, 1, &[1..4, 4..6], ABORTED);
        ABORTED.ok(sink.commit(Epoch(2), &mut pending), || "committing the second attempt at epoch 2".into());
        self.shows(sink, 0..6, ABORTED);
    }

    fn retries(&self, sink: &S) {
        self.start(sink);
        // The first attempt ends, but its outcome is lost.
        drop(self.write(sink, 1, 0, &[0..3, 3..4], RETRIED));
        // The second is torn down in the middle of its records.
        let task = WriteTask::new(Epoch(1), 0).attempt(1);
        let torn = catch_unwind(AssertUnwindSafe(|| {
            let records = (0..4).map(|n| if n == 2 { resume_unwind(Box::new(Torn)) } else { (self.record)(n) });
            sink.write(task, records)
        }));
        match torn {
            Err(thrown) if thrown.is::<Torn>() => {}
            Err(other) => resume_unwind(other),
            Ok(written) => RETRIED.broken(format!("a panic was swallowed (written: {})", written.is_ok())),
        }
        self.shows(sink, 0..0, RETRIED);
        let mut pending = self.write(sink, 1, 2, &[0..3, 3..4], RETRIED);
        RETRIED.ok(sink.commit(Epoch(1), &mut pending), || "committing the third attempt".into());
        self.shows(sink, 0..4, RETRIED);
    }

    fn parallel(&self, sink: &S) {
        self.start(sink);
        let (parts, record) = ([0..50, 50..90, 90..100], self.record);
        let mut pending = std::thread::scope(|scope| {
            let tasks: Vec<_> = (parts.iter().cloned().enumerate())
                .map(|(partition, part)| {
                    let task = WriteTask::new(Epoch(1), partition);
                    let run = move || sink.write(task, part.map(record));
                    PARALLEL.ok(std::thread::Builder::new().spawn_scoped(scope, run), || "starting a thread".into())
                })
                .collect();
            let written = tasks.into_iter().map(|task| task.join().unwrap_or_else(|panic| resume_unwind(panic)));
            PARALLEL.ok(written.collect::<Result<Vec<_>>>(), || "writing".into())
        });
        PARALLEL.ok(sink.commit(Epoch(1), &mut pending), || "committing".into());
        self.shows(sink, 0..100, PARALLEL);
    }

    fn beside(&self, sink: &S) {
        self.start(sink);
        let mut first = self.write(sink, 1, 0, &[0..3, 3..5], BESIDE);
        let mut second = self.write(sink, 2, 0, &[5..7, 7..9], BESIDE);
        self.shows(sink, 0..0, BESIDE);
        BESIDE.ok(sink.commit(Epoch(1), &mut first), || "committing epoch 1".into());
        self.shows(sink, 0..5, BESIDE);
        self.tells(sink, Some(1), BESIDE);
        let record = self.record;
        let third = std::thread::scope(|scope| {
            let write = move || {
                let task = WriteTask::new(Epoch(3), 0);
                sink.write(task, (9..100).map(record))
            };
            let writes =
                BESIDE.ok(std::thread::Builder::new().spawn_scoped(scope, write), || "starting a thread".into());
            BESIDE.ok(sink.commit(Epoch(2), &mut second), || "committing epoch 2".into());
            BESIDE.ok(writes.join().unwrap_or_else(|panic| resume_unwind(panic)), || "writing epoch 3".into())
        });
        self.shows(sink, 0..9, BESIDE);
        BESIDE.ok(sink.abort(Epoch(3), vec![third]), || "aborting epoch 3".into());
        self.shows(sink, 0..9, BESIDE);
        self.tells(sink, Some(2), BESIDE);
    }

    fn start(&self, sink: &S) {
        STARTS.ok(sink.start(&context(CHECKPOINT)), || "starting".into());
    }

    /// Writes the parts as partitions of the epoch.
    fn write(&self, sink: &S, epoch: u64, attempt: u32, parts: &[Part], rule: Rule) -> Vec<S::Pending> {
        let write = |(partition, part): (usize, &Part)| {
            let task = WriteTask::new(Epoch(epoch), partition).attempt(attempt);
            rule.ok(sink.write(task, part.clone().map(self.record)), || format!("writing {task:?}"))
        };
        let written = parts.iter().enumerate().map(write).collect();
        rule.ok(sink.stage(Epoch(epoch), written), || format!("staging epoch {epoch}"))
    }

    fn epoch(&self, sink: &S, epoch: u64, parts: &[Part], rule: Rule) {
        let mut pending = self.write(sink, epoch, 0, parts, rule);
        rule.ok(sink.commit(Epoch(epoch), &mut pending), || format!("committing epoch {epoch}"));
    }

    fn shows(&self, sink: &S, due: Part, rule: Rule) {
        let (seen, due) = ((self.visible)(sink), due.map(self.record).collect::<Vec<_>>());
        rule.check(seen == due, || format!("visible are {seen:?} instead of {due:?}"));
    }

    fn tells(&self, sink: &S, due: Option<u64>, rule: Rule) {
        match due {
            Some(epoch) => self.tells_of(sink, epoch..=epoch, rule),
            None => {
                let told = rule.ok(sink.last_committed(), || "asking for the newest epoch".into());
                rule.check(told.is_none(), || format!("it is {told:?} where nothing is committed"));
            }
        }
    }

    /// A sink that claims exactly-once must tell one of these epochs; any other may.
    fn tells_of(&self, sink: &S, due: std::ops::RangeInclusive<u64>, rule: Rule) {
        let told = rule.ok(sink.last_committed(), || "asking for the newest epoch".into());
        let silent = told.is_none() && sink.guarantee() < Guarantee::ExactlyOnce;
        let is_due = |mark: Mark| due.contains(&mark.epoch.0) && mark.checkpoint == CHECKPOINT;
        rule.check(told.is_some_and(is_due) || silent, || format!("it is {told:?} instead of epoch {due:?}"));
    }
}

/// The checkpoint of the suite, and another one.
const CHECKPOINT: CheckpointId = CheckpointId::from_bits(0xc0ffee);
const ANOTHER: CheckpointId = CheckpointId::from_bits(0xdecaf);

pub(super) fn context(checkpoint: CheckpointId) -> SinkContext {
    SinkContext::default().with_checkpoint(checkpoint)
}

/// What is thrown through a sink; it passes by the panic hook, so that nothing is printed.
struct Torn;
