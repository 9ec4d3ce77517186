//! State beside a plain model, driven by the same random calls: batches that fail and are run again, epochs that are
//! prepared in a changelog, backends that lag behind, evictions, snapshots, and crashes at any call that changes a file.
//!
//! A crash while an epoch is being prepared has two outcomes. Which one it was is found out as an engine does: it asks
//! the changelog, and then either drops an epoch that no sink committed, or repeats one that was lost.
//!
//! The tests of a backend take this file as a module, with what is `crate` here imported at their root, and say where
//! the backend is at [`Home`].

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod contents;
mod merging;
pub(crate) mod system;

use firesteel_disk::crashing::Loss;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

use self::contents::{Contents, KEYS, Op, op};
pub(crate) use self::system::{Home, System};

const GROUPS: u16 = 3;

pub(crate) type EachGroup = [bool; GROUPS as usize];

/// A crash at the call of this number that changes a file, or when all is done if there are fewer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    at: u64,
    loss: Loss,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A batch, after an attempt that got as far as the number says.
    Batch(Vec<Op>, Option<usize>),
    /// The end of an epoch.
    Epoch {
        /// Whether the backend gets the changes of each group now.
        apply: EachGroup,
        /// Whether the mark is written at once.
        marks: bool,
    },
    /// A crash while an epoch ends, after which the epoch stands or not.
    CrashInEpoch {
        crash: Crash,
        stands: bool,
        apply: EachGroup,
    },
    /// An epoch, and a snapshot of it with new images of some groups. What is superfluous is removed.
    Snapshot {
        images: EachGroup,
        keep: usize,
        crash: Option<Crash>,
    },
    Evict(u8),
    Sweep,
    Pass(i64),
    /// The process ends and starts again.
    Restart,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    now: i64,
    current: Contents,
    prepared: Contents,
    /// The last epoch that was prepared.
    epoch: u64,
    probe: u8,
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Step> {
        let groups = any::<EachGroup>;
        let loss = prop_oneof![Just(Loss::All), Just(Loss::Nothing), any::<u64>().prop_map(Loss::Some)];
        // An epoch changes files some three times, a snapshot with all that follows some twenty times.
        let crash = (1..25u64, loss).prop_map(|(at, loss)| Crash { at, loss });
        let early = crash.clone().prop_map(|crash| Crash { at: crash.at % 6 + 1, ..crash });
        prop_oneof![
            8 => (vec(op(), 0..12), prop::option::of(0..12usize)).prop_map(|(ops, fails)| Step::Batch(ops, fails)),
            3 => (groups(), any::<bool>()).prop_map(|(apply, marks)| Step::Epoch { apply, marks }),
            2 => (early, any::<bool>(), groups())
                .prop_map(|(crash, stands, apply)| Step::CrashInEpoch { crash, stands, apply }),
            2 => (groups(), 1..4usize, prop::option::of(crash))
                .prop_map(|(images, keep, crash)| Step::Snapshot { images, keep, crash }),
            2 => (1..5u8).prop_map(Step::Evict),
            1 => Just(Step::Sweep),
            1 => (1..4i64).prop_map(Step::Pass),
            1 => Just(Step::Restart),
        ]
        .boxed()
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        match step {
            Step::Batch(ops, _) => ops.iter().for_each(|op| state.current.apply(op, state.now)),
            Step::Epoch { .. } | Step::Snapshot { .. } | Step::CrashInEpoch { stands: true, .. } => {
                state.prepared = state.current.clone();
                state.epoch += 1;
            }
            Step::Restart | Step::CrashInEpoch { stands: false, .. } => state.current = state.prepared.clone(),
            Step::Pass(time) => state.now += time,
            Step::Evict(_) | Step::Sweep => {}
        }
        state.probe = (state.probe + 5) % KEYS;
        state
    }
}
