//! The suite for sinks of which several write to one place.

use std::fmt::Debug;

use super::Rule;
use crate::{CheckpointId, Class, Epoch, Result, RunId, Scope, Sink, SinkContext, WriteTask};

const SCOPES: Rule = Rule("K13", "parts of a job share a place and touch nothing of each other");
const FENCED: Rule = Rule("K14", "of two that write for one part only one can commit, and the other says so");

/// Checks that several sinks can write to one place: those of the parts of a job side by side, and of two that write for the
/// same part only one.
///
/// `place` makes a fresh place, `open` a sink over it, and `visible` reads all that the outside world sees there, in any
/// order; `record` makes the n-th test record, different for each n. For sinks that promise exactly-once and outlive their
/// process.
///
/// # Panics
/// With the number of the rule that does not hold.
pub fn sinks_of_one_place<P, S, T>(
    place: impl Fn() -> P,
    open: impl Fn(&P) -> S,
    visible: impl Fn(&P) -> Vec<T>,
    record: impl Fn(u32) -> T,
) where
    S: Sink<T>,
    T: PartialEq + Debug,
{
    let suite = Suite { open: &open, visible: &visible, record: &record };
    suite.scopes(&place());
    suite.rivals(&place(), false);
    suite.rivals(&place(), true);
}

struct Suite<'a, P, S, T> {
    open: &'a dyn Fn(&P) -> S,
    visible: &'a dyn Fn(&P) -> Vec<T>,
    record: &'a dyn Fn(u32) -> T,
}

fn context(scope: Scope, run: u128) -> SinkContext {
    let context = SinkContext::default().with_checkpoint(CheckpointId::from_bits(0xc0ffee)).with_scope(scope);
    context.with_run(RunId::from_bits(run))
}

impl<P, S, T> Suite<'_, P, S, T>
where
    S: Sink<T>,
    T: PartialEq + Debug,
{
    fn scopes(&self, place: &P) {
        let part = |name: &str| SCOPES.ok(Scope::of_part(name), || "naming a part".into());
        let (first, second) = ((self.open)(place), (self.open)(place));
        SCOPES.ok(first.start(&context(part("a"), 1)), || "starting the first part".into());
        let mut of_first = vec![self.write(&first, 1, 0..3, SCOPES)];
        SCOPES.ok(second.start(&context(part("b"), 1)), || "starting the second part".into());
        let mut of_second = vec![self.write(&second, 1, 3..5, SCOPES)];
        SCOPES.ok(first.commit(Epoch(1), &mut of_first), || "committing epoch 1 of the first part".into());
        self.shows(place, &[0, 1, 2], SCOPES);
        let told = SCOPES.ok(second.last_committed(), || "asking the second part".into());
        SCOPES.check(told.is_none(), || format!("the second part tells {told:?}, which the first committed"));
        SCOPES.ok(second.commit(Epoch(1), &mut of_second), || "committing epoch 1 of the second part".into());
        self.shows(place, &[0, 1, 2, 3, 4], SCOPES);
        // One of them starts again while the other has something under way.
        let mut of_first = vec![self.write(&first, 2, 5..6, SCOPES)];
        drop(second);
        let second = (self.open)(place);
        SCOPES.ok(second.start(&context(part("b"), 2)), || "starting the second part again".into());
        SCOPES.ok(first.commit(Epoch(2), &mut of_first), || "committing epoch 2 of the first part".into());
        self.shows(place, &[0, 1, 2, 3, 4, 5], SCOPES);
        for (sink, due) in [(&first, 2), (&second, 1)] {
            let told = SCOPES.ok(sink.last_committed(), || "asking for the newest epoch".into());
            SCOPES.check(told.is_some_and(|mark| mark.epoch == Epoch(due)), || {
                format!("{told:?} instead of epoch {due}")
            });
        }
    }

    /// Two processes write for the same part: as when the first one was thought to be dead. Where the first one still has the
    /// place for itself, the second one does not start.
    fn rivals(&self, place: &P, commits_first: bool) {
        let (old, new) = ((self.open)(place), (self.open)(place));
        FENCED.ok(old.start(&context(Scope::whole(), 1)), || "starting the first process".into());
        let mut of_old = vec![self.write(&old, 1, 0..3, FENCED)];
        if let Err(error) = new.start(&context(Scope::whole(), 2)) {
            FENCED.check(error.class() != Class::Retryable, || format!("the second process may try again: {error}"));
            FENCED.ok(old.commit(Epoch(1), &mut of_old), || "committing, after another one was refused".into());
            self.shows(place, &[0, 1, 2], FENCED);
            return;
        }
        let told = FENCED.ok(new.last_committed(), || "asking the second process".into());
        FENCED.check(told.is_none(), || format!("the second process tells {told:?}"));
        let mut of_new = vec![self.write(&new, 1, 3..5, FENCED)];
        if commits_first {
            FENCED.ok(new.commit(Epoch(1), &mut of_new), || "committing epoch 1 of the second process".into());
        }
        let fenced = old.commit(Epoch(1), &mut of_old);
        let class = fenced.as_ref().err().map(crate::ConnectError::class);
        FENCED.check(class == Some(Class::Fenced), || format!("the first process commits, and is told {fenced:?}"));
        if !commits_first {
            self.shows(place, &[], FENCED);
            FENCED.ok(new.commit(Epoch(1), &mut of_new), || "committing epoch 1 of the second process".into());
        }
        self.shows(place, &[3, 4], FENCED);
        drop(of_old);
        drop(old);
        self.shows(place, &[3, 4], FENCED);
        let mut of_new = vec![self.write(&new, 2, 5..6, FENCED)];
        FENCED.ok(new.commit(Epoch(2), &mut of_new), || "committing after the first process has ended".into());
        self.shows(place, &[3, 4, 5], FENCED);
    }

    fn write(&self, sink: &S, epoch: u64, part: std::ops::Range<u32>, rule: Rule) -> S::Pending {
        let written = sink.write(WriteTask::new(Epoch(epoch), 0), part.map(self.record));
        let staged = written.and_then(|pending| sink.stage(Epoch(epoch), vec![pending]));
        let mut staged: Vec<S::Pending> = rule.ok(staged as Result<Vec<_>>, || format!("writing epoch {epoch}"));
        rule.check(staged.len() == 1, || format!("one part was staged as {}", staged.len()));
        match staged.pop() {
            Some(pending) => pending,
            None => rule.broken("nothing was staged"),
        }
    }

    fn shows(&self, place: &P, due: &[u32], rule: Rule) {
        let (mut seen, due) = ((self.visible)(place), due.iter().map(|n| (self.record)(*n)).collect::<Vec<_>>());
        let is_due = due.iter().all(|record| {
            let found = seen.iter().position(|seen| seen == record);
            found.map(|at| seen.swap_remove(at)).is_some()
        });
        rule.check(is_due && seen.is_empty(), || format!("visible are {:?} instead of {due:?}", (self.visible)(place)));
    }
}
