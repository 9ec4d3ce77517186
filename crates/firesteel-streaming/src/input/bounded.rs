//! Sources read as RDDs, without a stream.

use std::sync::Arc;

use firesteel_connect::{Source, SourceContext};
use firesteel_core::{Clock, Context, Node, Operator, SystemClock};

use crate::error::Result;
use crate::input::{OnUndecodable, Reading, SourceInput, SourceRdd};
use crate::plan::{Admission, BatchLimits, Bound, Input, NodeId};
use crate::split_numbers::SplitNumbers;
use crate::time::Ahead;

/// Reads sources as RDDs: what a source holds now, as one dataset for batch work.
///
/// ```
/// use firesteel_connect_memory::MemorySource;
/// use firesteel_core::{Actions, RddOps};
/// use firesteel_streaming::ReadRdd;
///
/// let context = firesteel_scheduler::local(2)?;
/// let words = context.read(MemorySource::new(vec!["spark", "flint", "steel"]))?;
/// assert_eq!(words.filter(|word| word.starts_with('s')).count()?, 2);
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
pub trait ReadRdd {
    /// An RDD of what `source` holds when this is called; what comes later is not part of it. It is read again by every
    /// action, up to where the first one found its end.
    ///
    /// # Errors
    /// When the source cannot start or cannot be inspected. An error while reading fails the action.
    #[track_caller]
    fn read<S: Source>(&self, source: S) -> Result<SourceRdd<S>>;
}

impl ReadRdd for Context {
    #[track_caller]
    fn read<S: Source>(&self, source: S) -> Result<SourceRdd<S>> {
        let operator = Operator::here("read");
        let numbers = SplitNumbers::default();
        let reading = Reading::new(source, OnUndecodable::default());
        let mut input = SourceInput::new(NodeId::NONE, &reading, numbers);
        input.start(&SourceContext::default())?;
        let started = Arc::new(Started(Arc::clone(&reading)));
        input.admit(
            &Admission {
                now: SystemClock::new().wall(),
                limits: BatchLimits::default(),
                bound: Bound::Once,
                executors: self.executors(),
            },
            &Ahead::new(),
        )?;
        let ranges = input.ranges.clone();
        Ok(SourceRdd { node: Node::new(self, operator), reading, ranges, started: Some(started) })
    }
}

/// A source that is stopped when the last RDD over it has gone.
struct Started<S: Source>(Arc<Reading<S>>);

impl<S: Source> Drop for Started<S> {
    fn drop(&mut self) {
        self.0.source.stop();
    }
}
