//! Records that a source cannot decode: kept with the end of their range, and passed on when the batch has been read.

use std::fmt;
use std::sync::Arc;

use firesteel_connect::ConnectError;
use firesteel_core::{Accumulator, TaskContext};

use crate::input::ranges::Ranges;
use crate::plan::{NodeId, Plan, What};
use crate::refused::{KEPT, Rejected, RejectedBy, Rejects, Samples, Undecodable};

/// What becomes of records that the source cannot decode.
#[derive(Default)]
pub(crate) struct OnUndecodable {
    /// None where no job says it.
    policy: Option<Undecodable>,
    rejects: Rejects,
    samples: Arc<Samples>,
    count: Accumulator<u64>,
}

impl OnUndecodable {
    /// Under this policy, for the input at this node of the plan.
    pub(crate) fn of(policy: Undecodable, plan: &Plan, node: NodeId) -> Self {
        let policy = Some(policy);
        let new = Self { policy, rejects: plan.rejects(), samples: plan.samples(), count: Accumulator::default() };
        plan.count(node, What::Malformed, new.count.clone());
        new
    }

    /// Whether they are set aside.
    pub(super) fn sets_aside(&self) -> bool {
        self.policy == Some(Undecodable::SetAside)
    }

    /// Whether a job could have them set aside, and does not.
    pub(super) fn could_set_aside(&self) -> bool {
        self.policy == Some(Undecodable::Fail)
    }

    /// Sets one aside, which stands at this position of what the task reads of the input of this name.
    pub(super) fn set_aside(
        &self,
        undecoded: &mut Option<Arc<dyn Undecoded>>,
        error: ConnectError,
        position: u64,
        input: &str,
        task: &TaskContext,
    ) {
        let undecoded = undecoded.get_or_insert_with(|| Arc::new(SetAside::default()));
        // It is shared only when it has been passed on, as a whole.
        let Some(SetAside { count, records }) = Arc::get_mut(undecoded).map(Undecoded::get_mut) else { return };
        *count += 1;
        if records.len() >= KEPT && !self.rejects.are_told() {
            return;
        }
        let (error, payload) = match error {
            ConnectError::Malformed { reason, payload, .. } => (reason, payload.map(|payload| *payload)),
            other => (other.to_string(), None),
        };
        let (operator, split) = (input.to_owned(), task.origin());
        records.push(Rejected { by: RejectedBy::Source, operator, split, position: Some(position), error, payload });
    }

    /// Passes on what could not be decoded of a batch's ranges.
    pub(super) fn pass_on(&self, ranges: &Ranges) {
        for undecoded in ranges.undecoded() {
            let SetAside { count, records } = undecoded.get();
            self.count.add(*count);
            for (at, refused) in records.iter().enumerate() {
                if at < KEPT {
                    self.samples.keep_undecodable(refused.clone());
                }
                self.rejects.tell(refused);
            }
        }
    }
}

/// Records of a range that could not be decoded.
#[derive(Debug, Default)]
pub(crate) struct SetAside {
    /// How many.
    pub(crate) count: u64,
    /// The first of them; all, if somebody wants them.
    pub(crate) records: Vec<Rejected>,
}

/// [`SetAside`], so that what drops it is compiled here and not in each program.
pub(crate) trait Undecoded: fmt::Debug + Send + Sync {
    fn get(&self) -> &SetAside;
    fn get_mut(&mut self) -> &mut SetAside;
}

impl Undecoded for SetAside {
    fn get(&self) -> &SetAside {
        self
    }
    fn get_mut(&mut self) -> &mut SetAside {
        self
    }
}
