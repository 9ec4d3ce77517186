//! A stage in execution: what its tasks do, and what becomes of what they leave.

use std::sync::Arc;

use firesteel_core::shuffle::ShuffleDependency;
use firesteel_core::{DeadLetter, TaskContext, TaskOutput, TaskReport, Work};
use smallvec::SmallVec;

use crate::costs::StageKey;

/// What the tasks of a stage do.
pub(crate) enum Body {
    /// Write the buckets of a shuffle.
    Map(Arc<dyn ShuffleDependency>),
    /// Compute what the job was submitted for.
    Result(Work),
}

/// The stages of one wave: one, as a rule.
pub(crate) type Stages = SmallVec<[Stage; 1]>;

/// A stage that runs.
pub(crate) struct Stage {
    /// Its number within the job.
    pub(crate) number: usize,
    /// What its cost is known under.
    pub(crate) key: StageKey,
    pub(crate) body: Body,
    /// Whether its tasks change something outside of them.
    pub(crate) stateful: bool,
}

impl Stage {
    pub(crate) fn compute(&self, split: usize, task: &TaskContext) -> TaskOutput {
        match &self.body {
            Body::Map(shuffle) => shuffle.run_map(split, task),
            Body::Result(work) => work(split, task),
        }
    }

    /// Takes in what a successful attempt left: the output, if it is for the caller, and the records set aside.
    pub(crate) fn settle(
        &self,
        split: usize,
        output: TaskOutput,
        report: TaskReport,
    ) -> (Option<TaskOutput>, Vec<DeadLetter>) {
        match &self.body {
            Body::Map(shuffle) => {
                // What a map task counted has been counted if its output was there before.
                let first = shuffle.accept(split, output);
                (None, if first { report.apply() } else { Vec::new() })
            }
            Body::Result(_) => (Some(output), report.apply()),
        }
    }

    pub(crate) fn shuffle(&self) -> Option<&Arc<dyn ShuffleDependency>> {
        match &self.body {
            Body::Map(shuffle) => Some(shuffle),
            Body::Result(_) => None,
        }
    }
}
