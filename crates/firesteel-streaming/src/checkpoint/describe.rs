//! What a program is, as its checkpoint sees it.

use std::collections::BTreeSet;

use firesteel_state::{InputSchema, JobDescription, OutputSchema, WatermarkSchema};

use crate::plan::{NodeId, Parts, Role};

impl Parts {
    /// Inputs, watermarks, states and outputs, once their names are settled.
    pub(crate) fn describe(&self) -> JobDescription {
        let mut described = JobDescription {
            states: self.states.iter().map(|(cell, _)| cell.declared()).collect(),
            edges: self.edges(),
            ..JobDescription::default()
        };
        for node in &self.nodes {
            let (kind, settings, version) = (node.kind(), node.settings.clone(), node.version);
            let name = node.stored_as.as_ref().map(|name| name.to_string()).unwrap_or_default();
            match node.role {
                Role::Input(_) => {
                    described.inputs.push(InputSchema { name, kind, settings, version, not_compared: Vec::new() });
                }
                Role::EventTime(tracker) => {
                    let inputs = self.trackers[tracker].inputs.iter().filter_map(|at| self.inputs.get(*at));
                    let inputs = inputs.map(|input| input.name().to_string()).collect();
                    let not_compared = vec!["the function that finds event times".to_owned()];
                    described.watermarks.push(WatermarkSchema { name, inputs, settings, version, not_compared });
                }
                _ => {}
            }
        }
        let outputs = self.output_names().into_iter().zip(&self.outputs).map(|(name, output)| OutputSchema {
            name,
            kind: self.nodes[output.node().index()].kind(),
            guarantee: output.guarantee().to_string(),
            ..OutputSchema::default()
        });
        described.outputs = outputs.collect();
        described
    }

    /// The names under which a checkpoint knows the outputs, in their order; none of them twice.
    fn output_names(&self) -> Vec<String> {
        let mut taken = BTreeSet::new();
        let unique = |name: String| {
            let numbered = (2..).map(|number| format!("{name}-{number}"));
            let name =
                [name.clone()].into_iter().chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default();
            taken.insert(name.clone());
            name
        };
        self.outputs.iter().map(|output| self.output_name(output.node(), &output.describe())).map(unique).collect()
    }

    /// The name of an output: the user's, that of the operator whose records it writes, or what the sink says of itself
    /// but for where it is. Results may be moved, together with the checkpoint.
    fn output_name(&self, node: NodeId, described: &str) -> String {
        let node = &self.nodes[node.index()];
        let of = node.parents.first().map(|parent| &self.nodes[parent.index()]);
        if let Some(named) = [Some(node), of].into_iter().flatten().find(|node| node.operator.is_named()) {
            return named.operator.name().to_owned();
        }
        let kind = node.operator.kind();
        let words = described.split_whitespace().filter(|word| !word.contains(['/', '\\']));
        let name = words.collect::<Vec<_>>().join(" ");
        if name.is_empty() || kind != "write" { kind.to_owned() } else { name }
    }

    /// What is fed from what, by kinds and names: the same as long as the program is.
    fn edges(&self) -> Vec<String> {
        let call = |node: NodeId| {
            let node = &self.nodes[node.index()];
            if node.operator.is_named() { format!("{} {}", node.kind(), node.operator.name()) } else { node.kind() }
        };
        let edge = |(index, node): (usize, &crate::plan::PlanNode)| {
            let parents: Vec<String> = node.parents.iter().map(|parent| call(*parent)).collect();
            format!("{} <- {}", call(NodeId::of(index)), parents.join(", "))
        };
        self.nodes.iter().enumerate().map(edge).collect()
    }
}
