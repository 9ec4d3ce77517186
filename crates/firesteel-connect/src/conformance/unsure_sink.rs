//! The suite for sinks whose commit can end without anybody knowing how.

use std::fmt::Debug;

use super::Rule;
use super::sink::context;
use crate::{CheckpointId, Class, Epoch, Sink, WriteTask};

const UNKNOWN: Rule =
    Rule("K15", "a commit without an answer says that its outcome is unknown, and keeps what it needs to repeat it");
const TELLS: Rule =
    Rule("K16", "after an unknown outcome the sink tells what became of the commit, and nothing lands afterwards");

/// What becomes of the next commit on its way to the place where results go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// It never arrives.
    Request,
    /// It arrives and has its effect; the answer is lost.
    Answer,
    /// It arrives only when the suite says so, after the sink has given up waiting for an answer.
    Late,
}

/// Checks a sink whose commit can be lost on its way: over a network, say.
///
/// `place` makes a fresh place, and `open` a sink over it. `lose` has the next commit lost that way; `land` has a late one
/// arrive now, if anything still lets it. `visible` reads all that the outside world sees there, epoch after epoch; `record`
/// makes the n-th test record, different for each n.
///
/// # Panics
/// With the number of the rule that does not hold.
pub fn unsure_sink<P, S, T>(
    place: impl Fn() -> P,
    open: impl Fn(&P) -> S,
    lose: impl Fn(&P, Loss),
    land: impl Fn(&P),
    visible: impl Fn(&P) -> Vec<T>,
    record: impl Fn(u32) -> T,
) where
    S: Sink<T>,
    T: PartialEq + Debug,
{
    for loss in [Loss::Request, Loss::Answer, Loss::Late] {
        let place = place();
        let sink = open(&place);
        UNKNOWN.ok(sink.start(&context(CheckpointId::from_bits(0xc0ffee))), || "starting".into());
        let shows = |due: u32, rule: Rule| {
            let (seen, due) = (visible(&place), (0..due).map(&record).collect::<Vec<_>>());
            rule.check(seen == due, || format!("{loss:?}: visible are {seen:?} instead of {due:?}"));
        };
        let write = |epoch: u64, part: std::ops::Range<u32>| {
            vec![UNKNOWN.ok(sink.write(WriteTask::new(Epoch(epoch), 0), part.map(&record)), || "writing".into())]
        };
        UNKNOWN.ok(sink.commit(Epoch(1), &mut write(1, 0..2)), || "committing epoch 1".into());
        let mut pending = write(2, 2..5);
        lose(&place, loss);
        let outcome = sink.commit(Epoch(2), &mut pending);
        let class = outcome.as_ref().err().map(crate::ConnectError::class);
        UNKNOWN.check(class == Some(Class::Unknown), || format!("{loss:?}: a commit without an answer is {outcome:?}"));
        let is_committed = TELLS.ok(sink.outcome(Epoch(2)), || format!("{loss:?}: asking for the outcome"));
        // One that never arrived may be told as committed where the sink has repeated it to find out.
        shows(if is_committed { 5 } else { 2 }, TELLS);
        land(&place);
        shows(if is_committed { 5 } else { 2 }, TELLS);
        if !is_committed {
            UNKNOWN.ok(sink.commit(Epoch(2), &mut pending), || format!("{loss:?}: committing epoch 2 again"));
        }
        shows(5, UNKNOWN);
        UNKNOWN.ok(sink.commit(Epoch(3), &mut write(3, 5..6)), || format!("{loss:?}: committing epoch 3"));
        shows(6, UNKNOWN);
    }
}
