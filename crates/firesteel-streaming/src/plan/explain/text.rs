//! The program as text.

use std::fmt;

use firesteel_state::KeyGroups;

use crate::plan::explain::{Explain, ExplainOperator, ExplainRole};

/// Columns at most.
const WIDTH: usize = 100;
/// Columns for the name of an operator.
const NAME: usize = 22;

pub(super) fn write(explain: &Explain, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    wrapped(
        f,
        &format!("job {}: ", explain.job),
        &format!("{}, since {}", explain.guarantee, explain.guarantee_reason),
    )?;
    match &explain.checkpoint {
        Some(folder) => wrapped(f, "checkpoint ", folder)?,
        None => writeln!(f, "no checkpoint: state and positions end with the process")?,
    }
    if let Some(groups) = explain.key_groups.filter(|groups| *groups != KeyGroups::default().count()) {
        writeln!(f, "key groups {groups}")?;
    }
    for stage in &explain.stages {
        let after = match &stage.after[..] {
            [] => String::new(),
            [one] => format!(", after a shuffle of stage {one}"),
            many => {
                let many: Vec<String> = many.iter().map(ToString::to_string).collect();
                format!(", after stages {}", many.join(", "))
            }
        };
        writeln!(f, "\nstage {}{after}", stage.number)?;
        for operator in &stage.operators {
            let name = operator.name.as_deref().unwrap_or(&operator.kind);
            let mut label = format!("  {name:<NAME$} ");
            if name.chars().count() > NAME {
                writeln!(f, "  {name}")?;
                label = format!("  {:<NAME$} ", "");
            }
            wrapped(f, &label, &details(explain, operator))?;
        }
    }
    Ok(())
}

/// What there is to say of an operator besides its name.
fn details(explain: &Explain, operator: &ExplainOperator) -> String {
    let mut parts = Vec::new();
    if operator.name.is_some() {
        parts.push(operator.kind.clone());
    }
    let plain = ["source", "sink", "window", "aggregation"];
    parts.extend(
        operator.settings.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| {
            if plain.contains(&name.as_str()) { value.clone() } else { format!("{name} {value}") }
        }),
    );
    // An input without a name is stored as what its source calls itself, which has just been said.
    let stored = operator.stored_as.as_ref().filter(|_| operator.role != ExplainRole::Input);
    if let Some(stored) = stored.filter(|stored| Some(*stored) != operator.name.as_ref()) {
        let what = if operator.role == ExplainRole::EventTime { "watermark" } else { "state" };
        parts.push(format!("{what} stored as `{stored}`"));
    }
    parts.extend(time(explain, operator));
    if operator.kept {
        parts.push("kept for several consumers".to_owned());
    }
    if !operator.runs {
        parts.push("DOES NOT RUN: no output needs it".to_owned());
    }
    parts.push(operator.at.clone());
    parts.join(", ")
}

/// Whose records move event time for an operator, and whom it waits for.
fn time(explain: &Explain, operator: &ExplainOperator) -> Vec<String> {
    let called = |ids: &[usize]| {
        let all = explain.stages.iter().flat_map(|stage| &stage.operators);
        let of = all.filter(|operator| ids.contains(&operator.id));
        of.map(|operator| format!("`{}`", operator.name.as_ref().unwrap_or(&operator.kind))).collect::<Vec<_>>()
    };
    let mut parts = Vec::new();
    if !operator.waits_for.is_empty() {
        let inputs: Vec<_> = operator.waits_for.iter().map(|input| format!("`{input}`")).collect();
        parts.push(format!("waits for each split of {}", inputs.join(" and ")));
    }
    if !operator.moved_after.is_empty() {
        parts.push(format!("moved by what {} lets pass", called(&operator.moved_after).join(" and ")));
    }
    match &called(&operator.goes_by)[..] {
        [] => {}
        [one] => parts.push(format!("goes by {one}")),
        several => parts.push(format!("goes by the least of {}", several.join(" and "))),
    }
    parts
}

/// Writes a text after its label, in lines that stay within the width as far as their words allow; further lines stand
/// under the first.
fn wrapped(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    let indent = label.chars().count();
    write!(f, "{label}")?;
    let mut column = indent;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > indent && column + 1 + length > WIDTH {
            write!(f, "\n{:indent$}", "")?;
            column = indent;
        }
        if column > indent {
            write!(f, " ")?;
            column += 1;
        }
        write!(f, "{word}")?;
        column += length;
    }
    writeln!(f)
}
