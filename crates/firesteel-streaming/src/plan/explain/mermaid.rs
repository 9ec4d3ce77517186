//! The program as a diagram.

use std::fmt::Write as _;

use crate::plan::explain::{Explain, ExplainRole};

pub(super) fn diagram(explain: &Explain) -> String {
    let mut text = String::from("flowchart TD\n");
    let shown: Vec<usize> =
        explain.stages.iter().flat_map(|stage| &stage.operators).map(|operator| operator.id).collect();
    // Writing to a string cannot fail.
    for stage in &explain.stages {
        _ = writeln!(text, "  subgraph s{0}[\"stage {0}\"]", stage.number);
        for operator in &stage.operators {
            let name = operator.name.as_deref().unwrap_or(&operator.kind);
            let settings: Vec<&str> = operator.settings.iter().map(|(_, value)| value.as_str()).collect();
            let label = quoted(&[name].into_iter().chain(settings).collect::<Vec<_>>().join("<br/>"));
            _ = match operator.role {
                ExplainRole::Input => writeln!(text, "    n{}([{label}])", operator.id),
                ExplainRole::Output => writeln!(text, "    n{}[/{label}/]", operator.id),
                ExplainRole::State => writeln!(text, "    n{}[({label})]", operator.id),
                _ => writeln!(text, "    n{}[{label}]", operator.id),
            };
        }
        text.push_str("  end\n");
    }
    for stage in &explain.stages {
        for operator in &stage.operators {
            for parent in operator.parents.iter().filter(|parent| shown.contains(parent)) {
                let arrow = if operator.role == ExplainRole::SideOutput { "-.->" } else { "-->" };
                _ = writeln!(text, "  n{parent} {arrow} n{}", operator.id);
            }
        }
    }
    text
}

/// A label that Mermaid takes as it is.
fn quoted(label: &str) -> String {
    format!("\"{}\"", label.replace('"', "&quot;"))
}
