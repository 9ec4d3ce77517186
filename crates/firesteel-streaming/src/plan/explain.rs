//! The program for people: its stages, operators, names, state, windows and outputs.

mod mermaid;
mod text;

use std::fmt;

use serde::Serialize;

use crate::plan::{NodeId, Parts, PlanNode, Role, Width};

/// The kinds of operators that may leave records out.
const LEAVE_OUT: [&str; 5] = ["filter", "flat_map", "flat_map_values", "try_map", "divert"];

/// A program in words: what [`StreamingContext::explain`](crate::StreamingContext::explain) tells.
///
/// As text it fits 100 columns; it can be written as JSON by serde, and as a diagram by
/// [`to_mermaid`](Self::to_mermaid).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explain {
    /// The job's name.
    pub job: String,
    /// What holds for the job as a whole when it fails and is started again.
    pub guarantee: String,
    /// Why it is no stronger.
    pub guarantee_reason: String,
    /// The folder of the checkpoint, if there is one.
    pub checkpoint: Option<String>,
    /// How many key groups its state has, or would have.
    pub key_groups: Option<u16>,
    /// What runs without a shuffle between, in the order of the program.
    pub stages: Vec<ExplainStage>,
}

/// Operators between two shuffles: their records go from one to the next within a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExplainStage {
    /// Its number, counting from 1.
    pub number: usize,
    /// The stages whose records it gets by a shuffle.
    pub after: Vec<usize>,
    /// Its operators, in the order of the program.
    pub operators: Vec<ExplainOperator>,
}

/// One operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExplainOperator {
    /// Its number in the program: what others refer to.
    pub id: usize,
    /// What it does, as the method is called.
    pub kind: String,
    /// The name that the user gave it.
    pub name: Option<String>,
    /// What it does for the program besides handling records.
    pub role: ExplainRole,
    /// The name under which what it holds is stored.
    pub stored_as: Option<String>,
    /// What it is set to.
    pub settings: Vec<(String, String)>,
    /// The operators that its records come from.
    pub parents: Vec<usize>,
    /// The operators that say when its records happened, where it goes by event time: its watermark is the least of theirs.
    pub goes_by: Vec<usize>,
    /// Where it says when records happened: the inputs whose splits event time waits for.
    pub waits_for: Vec<String>,
    /// Where it says when records happened: the operators before it that may leave records out, by their numbers. What they leave out
    /// does not move event time.
    pub moved_after: Vec<usize>,
    /// Whether its records are kept in memory for several consumers.
    pub kept: bool,
    /// Whether its records reach an output: if not, it does not run.
    pub runs: bool,
    /// The place in the source code.
    pub at: String,
}

/// What an operator does for the program besides handling records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExplainRole {
    /// Nothing.
    Operator,
    /// It reads a source.
    Input,
    /// It says when records happened.
    EventTime,
    /// It keeps state.
    State,
    /// It is filled by other operators.
    SideOutput,
    /// It writes results.
    Output,
}

impl Explain {
    /// The program as a diagram in the language of Mermaid, which many viewers of Markdown draw.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        mermaid::diagram(self)
    }
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(self, f)
    }
}

impl Parts {
    /// The program in words. Names are resolved.
    pub(crate) fn explain_stages(&self) -> Vec<ExplainStage> {
        let (stage_of, live, shown) = (self.stages(), self.live(), self.shown());
        let mut roots: Vec<usize> =
            (0..self.nodes.len()).filter(|index| shown[*index]).map(|index| stage_of[index]).collect();
        roots.sort_unstable();
        roots.dedup();
        let number = |root: usize| roots.iter().position(|stage| *stage == root).map_or(0, |position| position + 1);
        let stage = |root: &usize| {
            let members: Vec<usize> = (0..self.nodes.len()).filter(|at| stage_of[*at] == *root && shown[*at]).collect();
            let mut after: Vec<usize> = members
                .iter()
                .flat_map(|member| &self.nodes[*member].parents)
                .map(|parent| number(stage_of[parent.index()]))
                .filter(|stage| *stage != number(*root) && *stage > 0)
                .collect();
            after.sort_unstable();
            after.dedup();
            let operators = members.iter().map(|member| self.explain_node(*member, live[*member])).collect();
            ExplainStage { number: number(*root), after, operators }
        };
        roots.iter().map(stage).collect()
    }

    fn explain_node(&self, index: usize, runs: bool) -> ExplainOperator {
        let node = &self.nodes[index];
        let settings = node.settings.iter().map(|setting| (setting.name.clone(), setting.value.clone()));
        let fold = node.fold.iter().map(|fold| ("aggregation".to_owned(), fold.clone()));
        let mut settings: Vec<_> = settings.chain(fold).collect();
        match node.role {
            Role::Input(input) => settings.insert(0, ("source".to_owned(), self.inputs[input].describe())),
            Role::Output => {
                let output = self.outputs.iter().find(|output| output.node() == NodeId::of(index));
                settings.extend(output.map(|output| ("sink".to_owned(), output.describe())));
            }
            _ => {}
        }
        ExplainOperator {
            id: index,
            kind: node.operator.kind().to_owned(),
            name: node.operator.is_named().then(|| node.operator.name().to_owned()),
            role: match node.role {
                Role::Operator => ExplainRole::Operator,
                Role::Input(_) => ExplainRole::Input,
                Role::EventTime(_) => ExplainRole::EventTime,
                Role::State(_) => ExplainRole::State,
                Role::SideOutput { .. } => ExplainRole::SideOutput,
                Role::Output => ExplainRole::Output,
            },
            stored_as: node.stored_as.as_ref().map(|name| name.to_string()),
            settings,
            parents: node.parents.iter().map(|parent| parent.index()).collect(),
            goes_by: self.goes_by(node),
            waits_for: self.waits_for(node),
            moved_after: self.moved_after(node),
            kept: node.keeper.is_some(),
            runs,
            at: format!("{}:{}", node.operator.location().file(), node.operator.location().line()),
        }
    }

    /// The nearest operators that say when records happened, where the node goes by event time.
    fn goes_by(&self, node: &PlanNode) -> Vec<usize> {
        let mut found = Vec::new();
        if node.held.is_some() || node.merged.is_some() {
            for parent in &node.parents {
                self.visit(*parent, &mut |node, role| {
                    if matches!(role, Role::EventTime(_)) {
                        found.push(node.index());
                    }
                    !matches!(role, Role::EventTime(_) | Role::SideOutput { .. })
                });
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The inputs whose splits a watermark waits for.
    fn waits_for(&self, node: &PlanNode) -> Vec<String> {
        let Role::EventTime(tracker) = node.role else { return Vec::new() };
        let inputs = self.trackers[tracker].inputs.iter().filter_map(|input| self.inputs.get(*input));
        inputs.map(|input| input.name().to_string()).collect()
    }

    /// What may leave records out before a watermark sees them.
    fn moved_after(&self, node: &PlanNode) -> Vec<usize> {
        let mut found = Vec::new();
        if matches!(node.role, Role::EventTime(_)) {
            for parent in &node.parents {
                self.visit(*parent, &mut |node, role| {
                    if LEAVE_OUT.contains(&self.nodes[node.index()].operator.kind()) {
                        found.push(node.index());
                    }
                    !matches!(role, Role::SideOutput { .. })
                });
            }
        }
        found.sort_unstable();
        found
    }

    /// For each node, the first node of its stage: what a narrow edge joins, runs in one task.
    fn stages(&self) -> Vec<usize> {
        let mut stage_of: Vec<usize> = (0..self.nodes.len()).collect();
        fn root(stage_of: &mut [usize], mut at: usize) -> usize {
            while stage_of[at] != at {
                stage_of[at] = stage_of[stage_of[at]];
                at = stage_of[at];
            }
            at
        }
        for (index, node) in self.nodes.iter().enumerate() {
            if node.width == Width::Wide || matches!(node.role, Role::SideOutput { .. }) {
                continue;
            }
            for parent in &node.parents {
                let (a, b) = (root(&mut stage_of, index), root(&mut stage_of, parent.index()));
                stage_of[a.max(b)] = a.min(b);
            }
        }
        (0..self.nodes.len()).map(|index| root(&mut stage_of, index)).collect()
    }
}
