//! The nodes of a plan.

use std::any::Any;
use std::sync::Arc;

use firesteel_core::Operator;
use firesteel_state::Setting;

use crate::time::Tracker;

/// The number of a node in its plan. Parents have smaller numbers than their children, side outputs aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(u32);

impl NodeId {
    /// Of what is read outside of any program.
    pub(crate) const NONE: Self = Self(u32::MAX);

    pub(crate) fn of(index: usize) -> Self {
        Self(u32::try_from(index).expect("no program has this many operators"))
    }

    /// Its place in the arena.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Whether an operator keeps the partitions of its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// It runs in the same task.
    Narrow,
    /// A shuffle lies between.
    Wide,
}

/// What a node does for the program besides handling records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing.
    Operator,
    /// It reads the input of this number.
    Input(usize),
    /// It says when records happened: the watermark of this number.
    EventTime(usize),
    /// It keeps the state of this number.
    State(usize),
    /// It is filled from its parents aside of their own results. `last`: by the batch loop, after all outputs but those
    /// that read it.
    SideOutput {
        /// Whether the batch loop fills it.
        last: bool,
    },
    /// It writes an output.
    Output,
}

/// One operator of the program.
pub(crate) struct PlanNode {
    /// Its kind, name and place in the source.
    pub(crate) operator: Operator,
    /// Where its records come from.
    pub(crate) parents: Vec<NodeId>,
    pub(crate) width: Width,
    pub(crate) role: Role,
    /// What it is set to, for people and for the comparison with a checkpoint.
    pub(crate) settings: Vec<Setting>,
    /// What kind of aggregation it does, if it does one.
    pub(crate) fold: Option<String>,
    /// The version that the program's author gave it: what no comparison can see.
    pub(crate) version: u32,
    /// What it holds back of the watermark, for those that read its results.
    pub(crate) held: Option<Arc<Tracker>>,
    /// What brings the watermarks of its parents together, where they have several.
    pub(crate) merged: Option<Arc<Tracker>>,
    /// Whether event time ends here: the watermarks upstream say nothing of what comes after.
    pub(crate) ends_time: bool,
    /// What keeps its records, where it has several consumers.
    pub(crate) keeper: Option<Arc<dyn Any + Send + Sync>>,
    /// The name under which what it holds is stored, once the program is complete.
    pub(crate) stored_as: Option<Arc<str>>,
}

impl PlanNode {
    /// An operator that holds nothing.
    pub(crate) fn operator(operator: Operator, parents: &[NodeId], width: Width) -> Self {
        let (parents, role, settings) = (parents.to_vec(), Role::Operator, Vec::new());
        Self {
            operator,
            parents,
            width,
            role,
            settings,
            fold: None,
            version: 0,
            held: None,
            merged: None,
            ends_time: false,
            keeper: None,
            stored_as: None,
        }
    }

    /// The same in another role.
    pub(crate) fn with_role(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// The same with these settings.
    pub(crate) fn with_settings(self, settings: Vec<Setting>) -> Self {
        Self { settings, ..self }
    }

    /// What kind of operator it is, and of aggregation.
    pub(crate) fn kind(&self) -> String {
        match &self.fold {
            Some(fold) => format!("{}/{fold}", self.operator.kind()),
            None => self.operator.kind().to_owned(),
        }
    }
}
