//! What follows from the edges of a plan: which watermarks hold, which outputs run first, what nobody asks for.

use std::sync::Arc;

use firesteel_state::TimeDomain;

use crate::error::{Error, Result};
use crate::plan::{NodeId, Output, Parts, PlanNode, Role, Width};
use crate::time::{Tracker, When, least};

/// The level of what is filled after everything else.
pub(crate) const LAST: usize = usize::MAX / 2;

/// Operators one after another, at most: each takes some stack in every task and forevery batch.
pub(crate) const LONGEST_CHAIN: usize = 1_000;

impl Parts {
    /// The watermarks of the nearest operators that say when records happened, from `node` upstream, and what operators
    /// on the way hold back.
    pub(super) fn trackers_of(&self, node: NodeId) -> Vec<Arc<Tracker>> {
        let mut found = Vec::new();
        self.visit(node, &mut |node, role| {
            if self.nodes[node.index()].ends_time {
                return false;
            }
            found.extend(self.nodes[node.index()].held.clone());
            if let Some(merged) = &self.nodes[node.index()].merged {
                found.push(Arc::clone(merged));
                return false;
            }
            if let Role::EventTime(tracker) = role {
                found.push(Arc::clone(&self.trackers[tracker]));
            }
            !matches!(role, Role::EventTime(_) | Role::SideOutput { .. })
        });
        found
    }

    /// Has operators hold back again what they did when the job ended between the slices of its due timers.
    ///
    /// # Errors
    /// When a backend cannot be read.
    pub(crate) fn hold_again(&self) -> firesteel_state::Result<()> {
        for (index, node) in self.nodes.iter().enumerate() {
            let (Some(held), Role::State(state), Some(parent)) = (&node.held, node.role, node.parents.first()) else {
                continue;
            };
            let of = self.trackers_of(*parent);
            let reached = (!of.is_empty()).then(|| least(&of, When::AtStart));
            let cell = &self.states[state].0;
            let first = cell.next_timer(TimeDomain::Event)?;
            debug_assert!(index > parent.index(), "what is upstream holds back already");
            let first = first.filter(|first| reached.is_none_or(|reached| *first <= reached));
            held.hold(0, cell.store().key_groups(), first);
            held.begin_held();
        }
        Ok(())
    }

    /// The inputs whose splits the records of `node` come from; none after a shuffle, where records have no split.
    pub(crate) fn inputs_of(&self, node: NodeId) -> Vec<usize> {
        let (mut inputs, mut shuffled) = (Vec::new(), false);
        self.visit(node, &mut |node, role| {
            shuffled |= self.nodes[node.index()].width == Width::Wide;
            if let Role::Input(input) = role {
                inputs.push(input);
            }
            !matches!(role, Role::SideOutput { .. })
        });
        if shuffled { Vec::new() } else { inputs }
    }

    /// Visits `node` and what is upstream of it, each once and in a fixed order, as far as `visit` says to continue.
    pub(super) fn visit(&self, node: NodeId, visit: &mut dyn FnMut(NodeId, Role) -> bool) {
        let mut seen = vec![false; self.nodes.len()];
        let mut waiting = vec![node];
        while let Some(node) = waiting.pop() {
            if std::mem::replace(&mut seen[node.index()], true) {
                continue;
            }
            let at = &self.nodes[node.index()];
            if visit(node, at.role) {
                waiting.extend(at.parents.iter().rev());
            }
        }
    }

    /// For each node, when an output of its records runs: those of level n run after those of level n - 1, whose side
    /// outputs they read.
    ///
    /// # Errors
    /// When a side output is filled from what reads it.
    fn levels(&self) -> Result<Vec<usize>> {
        let mut levels: Vec<Option<usize>> = vec![None; self.nodes.len()];
        let mut on_path = vec![false; self.nodes.len()];
        for node in 0..self.nodes.len() {
            self.find_level(NodeId::of(node), &mut levels, &mut on_path)?;
        }
        Ok(levels.into_iter().flatten().collect())
    }

    /// Puts the outputs in the order in which they run, those that read side outputs after those that fill them; returns
    /// their levels.
    pub(super) fn sort_outputs(&mut self) -> Result<Vec<usize>> {
        let of_node = self.levels()?;
        let level = |output: &dyn Output| of_node.get(output.node().index()).copied().unwrap_or_default();
        self.outputs.sort_by_key(|output| level(&**output));
        Ok(self.outputs.iter().map(|output| level(&**output)).collect())
    }

    fn find_level(&self, from: NodeId, levels: &mut [Option<usize>], on_path: &mut [bool]) -> Result<()> {
        // Without recursion: a chain may be long.
        let mut path = vec![(from, 0)];
        while let Some((node, next)) = path.pop() {
            let at = &self.nodes[node.index()];
            if levels[node.index()].is_some() {
                continue;
            }
            on_path[node.index()] = true;
            if let Some(parent) = at.parents.get(next) {
                path.push((node, next + 1));
                if levels[parent.index()].is_none() {
                    if on_path[parent.index()] {
                        return Err(self.feeds_itself(*parent, &path));
                    }
                    path.push((*parent, 0));
                }
                continue;
            }
            let above = at.parents.iter().filter_map(|parent| levels[parent.index()]).max().unwrap_or(0);
            levels[node.index()] = Some(match at.role {
                Role::SideOutput { last: true } => 1 + above.max(LAST),
                Role::SideOutput { last: false } => 1 + above,
                _ => above,
            });
            on_path[node.index()] = false;
        }
        Ok(())
    }

    fn feeds_itself(&self, node: NodeId, path: &[(NodeId, usize)]) -> Error {
        let on_cycle = path.iter().rev().map(|(node, _)| *node).chain([node]);
        let side = on_cycle
            .map(|node| &self.nodes[node.index()])
            .find(|node| matches!(node.role, Role::SideOutput { .. }))
            .map_or_else(|| "unknown".to_owned(), |node| node.operator.name().to_owned());
        Error::Setting {
            what: format!("side output {side}"),
            reason: "it is filled from a stream that reads it, so that it feeds itself and records would go round \
                     forever; put them into a side output of its own"
                .to_owned(),
        }
    }

    /// Makes sure that no chain of operators is so long that there may be too little stack to run it.
    ///
    /// # Errors
    /// Of the first operator that is too far from the source.
    pub(super) fn check_length(&self) -> Result<()> {
        let mut lengths: Vec<usize> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let before = match node.role {
                // It is read as a source is.
                Role::SideOutput { .. } => 0,
                _ => node.parents.iter().filter_map(|parent| lengths.get(parent.index())).max().copied().unwrap_or(0),
            };
            if before == LONGEST_CHAIN {
                return Err(Error::Setting {
                    what: node.operator.to_string(),
                    reason: format!(
                        "it comes after {LONGEST_CHAIN} operators in a row, and a chain has that many at most: let \
                         one operator do the work of several, or end the chain in a side output and read that"
                    ),
                });
            }
            lengths.push(before + 1);
        }
        Ok(())
    }

    /// Makes sure that every state sees the records of every batch: what no output asks for does not run, and would miss,
    /// forever and without a word, what is read meanwhile.
    ///
    /// # Errors
    /// Of the first state that would not run.
    pub(super) fn check_states_run(&self) -> Result<()> {
        let live = self.live();
        let idle = |(node, live): (&PlanNode, bool)| {
            (!live && matches!(node.role, Role::State(_))).then(|| Error::Setting {
                what: node.operator.to_string(),
                reason: "no output needs its results, so that it would not run, and its state would miss what is read \
                         meanwhile: write them to an output, or remove the operator"
                    .to_owned(),
            })
        };
        self.nodes.iter().zip(live).find_map(idle).map_or(Ok(()), Err)
    }

    /// The nodes whose records reach an output.
    pub(crate) fn live(&self) -> Vec<bool> {
        let mut live = vec![false; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            if matches!(node.role, Role::Output) && !live[index] {
                self.visit(NodeId::of(index), &mut |node, _| !std::mem::replace(&mut live[node.index()], true));
            }
        }
        live
    }

    /// Whether people are told of each node: side outputs that nobody reads are none of the program's operators.
    pub(crate) fn shown(&self) -> Vec<bool> {
        let shown = |(node, live): (&PlanNode, bool)| live || !matches!(node.role, Role::SideOutput { .. });
        self.nodes.iter().zip(self.live()).map(shown).collect()
    }
}
