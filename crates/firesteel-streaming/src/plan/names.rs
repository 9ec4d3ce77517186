//! The names under which what outlives the process is stored.
//!
//! A node that the user has named is stored under that name. Any other gets one from its path: the names of the inputs
//! it reads and the kinds of what keeps something between, never from the order in which the program was built. So
//! another source above it, or a `map` before it, changes nothing. Where two would get the same, a job with a checkpoint
//! is refused, and told which lines need a name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use firesteel_core::hash::hash_key;
use firesteel_state::cursor::MERGED;

use crate::error::{Error, Result};
use crate::plan::{Called, Parts, Role};

/// A path that has become longer than this continues as its hash.
const LONGEST_PATH: usize = 160;

/// What is stored under names of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Space {
    Inputs,
    Watermarks,
    States,
}

impl Space {
    fn of(role: Role) -> Option<Self> {
        match role {
            Role::Input(_) => Some(Self::Inputs),
            Role::EventTime(_) => Some(Self::Watermarks),
            Role::State(_) => Some(Self::States),
            Role::Operator | Role::SideOutput { .. } | Role::Output => None,
        }
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Inputs => "positions",
            Self::Watermarks => "watermark",
            Self::States => "state",
        }
    }
}

impl Parts {
    /// Gives every node that holds something the name under which it is stored.
    ///
    /// # Errors
    /// When two nodes have the same name; where nothing outlives the process, they are numbered instead, but for
    /// states that were given the same. When a state that outlives the process would not run.
    pub(crate) fn resolve_names(&mut self, durable: bool) -> Result<()> {
        // A program without any output is being described before it is whole.
        if durable && !self.outputs.is_empty() {
            self.check_states_run()?;
        }
        let paths = self.paths();
        let mut nodes_of: BTreeMap<(Space, Arc<str>), Vec<usize>> = BTreeMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(space) = Space::of(node.role) else { continue };
            let name: Arc<str> =
                if node.operator.is_named() { node.operator.name().into() } else { Arc::clone(&paths[index]) };
            nodes_of.entry((space, name)).or_default().push(index);
        }
        for ((space, name), nodes) in &nodes_of {
            let space = *space;
            if let [node] = nodes[..] {
                self.nodes[node].stored_as = Some(Arc::clone(name));
                continue;
            }
            let given = nodes.iter().filter(|node| self.nodes[**node].operator.is_named()).count();
            // A state that was given another's name is a mistake whatever becomes of it; sources may be alike.
            if durable || (space == Space::States && given > 1) {
                return Err(self.ambiguous(space, name, nodes));
            }
            let numbered = (2..).map(|number| Arc::from(format!("{name}-{number}")));
            let mut free = numbered.filter(|name: &Arc<str>| !nodes_of.contains_key(&(space, Arc::clone(name))));
            let mut first = Some(Arc::clone(name));
            // Who has been given the name comes first.
            let (named, others): (Vec<usize>, Vec<usize>) =
                nodes.iter().copied().partition(|node| self.nodes[*node].operator.is_named());
            for node in named.into_iter().chain(others) {
                self.nodes[node].stored_as = first.take().or_else(|| free.next());
            }
        }
        self.pass_names_on();
        self.name_merged();
        Ok(())
    }

    /// Tells what holds something under which name it does.
    fn pass_names_on(&mut self) {
        for node in &self.nodes {
            let Some(name) = &node.stored_as else { continue };
            match node.role {
                Role::Input(input) => self.inputs[input].call(name),
                Role::EventTime(tracker) => self.trackers[tracker].call(name),
                Role::State(state) => self.states[state].0.call(&Called {
                    name,
                    is_named: node.operator.is_named(),
                    kind: node.kind(),
                    settings: &node.settings,
                    version: node.version,
                }),
                Role::Operator | Role::SideOutput { .. } | Role::Output => {}
            }
        }
    }

    /// Names what brings watermarks together by what it does.
    fn name_merged(&self) {
        let mut taken = BTreeSet::new();
        for merged in &self.merged {
            let name = format!("{MERGED}{}", merged.parts().collect::<Vec<_>>().join(" + "));
            let numbered = (2..).map(|number| format!("{name}-{number}"));
            let free = [name.clone()].into_iter().chain(numbered).find(|name| taken.insert(name.clone()));
            merged.call(&free.unwrap_or(name).into());
        }
    }

    /// For each node, where its records come from: the names of inputs, and the kinds of what keeps something between.
    fn paths(&self) -> Vec<Arc<str>> {
        let mut paths: Vec<Arc<str>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            if let Role::Input(input) = node.role {
                let name = if node.operator.is_named() {
                    node.operator.name().to_owned()
                } else {
                    self.inputs[input].describe()
                };
                paths.push(name.into());
                continue;
            }
            let mut from: Vec<&Arc<str>> = Vec::new();
            // What fills a side output may have been built after it.
            for path in node.parents.iter().filter_map(|parent| paths.get(parent.index())) {
                if !from.contains(&path) {
                    from.push(path);
                }
            }
            let kind = match node.role {
                Role::EventTime(_) | Role::State(_) => Some(node.operator.kind()),
                Role::SideOutput { .. } => Some(node.operator.name()),
                _ => None,
            };
            paths.push(match (&from[..], kind) {
                ([only], None) => Arc::clone(only),
                _ => joined(&from, kind).into(),
            });
        }
        paths
    }

    fn ambiguous(&self, space: Space, name: &str, nodes: &[usize]) -> Error {
        let mut lines = String::new();
        for node in nodes {
            // Writing to a string cannot fail.
            _ = write!(lines, "\n  {}", self.nodes[*node].operator);
        }
        let are_named = nodes.iter().all(|node| self.nodes[*node].operator.is_named());
        let way_out = if are_named {
            "give each another name"
        } else {
            "give each a name of its own, such as `.named(\"clicks per user\")`, so that each finds its own again \
             when the program is started again"
        };
        Error::Setting {
            what: format!("the {} of {} operators", space.what(), nodes.len()),
            reason: format!("they would be stored under the same name, `{name}`; {way_out}:{lines}"),
        }
    }

    /// Tells each output what it is called: by the user, as the operator whose records it writes, or as the sink says.
    pub(super) fn name_outputs(&mut self) -> Vec<Arc<str>> {
        let Self { nodes, outputs, .. } = self;
        let mut names = Vec::with_capacity(outputs.len());
        for output in outputs {
            let node = &nodes[output.node().index()];
            let of = node.parents.first().map(|parent| &nodes[parent.index()]);
            let named = [Some(node), of].into_iter().flatten().find(|node| node.operator.is_named());
            let name = named.map_or_else(|| output.describe(), |node| node.operator.name().to_owned());
            let name: Arc<str> = name.into();
            output.call(&name);
            names.push(name);
        }
        names
    }
}

fn joined(from: &[&Arc<str>], kind: Option<&str>) -> String {
    let mut path = from.iter().map(|path| &***path).collect::<Vec<_>>().join("+");
    if path.len() > LONGEST_PATH {
        path = format!("{:016x}", hash_key(&path));
    }
    match kind {
        Some(kind) if path.is_empty() => kind.to_owned(),
        Some(kind) => format!("{path}/{kind}"),
        None => path,
    }
}
