//! What a program is, as its checkpoint sees it.

use std::collections::HashSet;

use firesteel_state::{InputSchema, JobDescription, OutputSchema, WatermarkSchema};

use crate::graph::Parts;
use crate::input::unique_name;

impl Parts {
    /// Inputs, watermarks, states and outputs.
    pub(crate) fn describe(&self) -> JobDescription {
        let inputs = self.inputs.iter().map(|input| InputSchema {
            name: input.name().to_string(),
            kind: input.kind().to_owned(),
            ..InputSchema::default()
        });
        let watermarks = self.trackers.iter().map(|tracker| WatermarkSchema {
            name: tracker.name.clone(),
            inputs: tracker
                .inputs
                .iter()
                .filter_map(|at| self.inputs.get(*at))
                .map(|input| input.name().to_string())
                .collect(),
            settings: tracker.settings(),
            not_compared: vec!["the function that finds event times".to_owned()],
            ..WatermarkSchema::default()
        });
        let outputs = self.output_names().into_iter().zip(&self.outputs).map(|(name, output)| OutputSchema {
            name,
            kind: output.kind().to_owned(),
            guarantee: output.guarantee().to_string(),
            ..OutputSchema::default()
        });
        JobDescription {
            inputs: inputs.collect(),
            watermarks: watermarks.collect(),
            states: self.states.iter().map(|(cell, _)| cell.declared()).collect(),
            outputs: outputs.collect(),
            ..JobDescription::default()
        }
    }

    /// The names of the outputs, in their order; none of them twice.
    pub(crate) fn output_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for output in &self.outputs {
            let name = unique_name(&output.stored_as(), &names.iter().map(String::as_str).collect::<HashSet<_>>());
            names.push(name);
        }
        names
    }
}
