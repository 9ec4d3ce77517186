//! What a program declares, as much of it as its checkpoint is compared with.

use serde::{Deserialize, Serialize};

use super::{Catalog, Comparison, StoreSchema};
use crate::cursor::Cursor;

/// The state and the inputs of a program.
///
/// It can be written as JSON and be compared with a checkpoint elsewhere, before the program is started there.
///
/// ```
/// use firesteel_state::{Catalog, Cursor, Declaration, JobDescription, KeyGroups};
///
/// let mut states = Declaration::<String>::new("totals");
/// states.value::<u64>("total");
/// let program = JobDescription { states: vec![states.schema()], inputs: vec!["clicks".to_owned()] };
/// let comparison = program.compare(&Catalog::new(KeyGroups::default()), &Cursor::default());
/// assert_eq!(comparison.to_string(), "  new:     totals/total: value of u64\n  new:     input clicks\n");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobDescription {
    /// What each operator with state declares. The numbers in it mean nothing: a checkpoint gives its own.
    pub states: Vec<StoreSchema>,
    /// The names of the inputs.
    pub inputs: Vec<String>,
}

impl JobDescription {
    /// What fits, what is new, what would be lost and what differs, when the program goes on from here.
    #[must_use]
    pub fn compare(&self, catalog: &Catalog, cursor: &Cursor) -> Comparison {
        let mut comparison = catalog.compare(&self.states);
        for (name, input) in &cursor.inputs {
            if !self.inputs.contains(name) {
                let positions = match input.splits.len() {
                    1 => "the position in 1 split".to_owned(),
                    count => format!("positions in {count} splits"),
                };
                comparison.lost.push(format!("input {name}: {positions}"));
            }
        }
        let new = self.inputs.iter().filter(|name| !cursor.inputs.contains_key(*name));
        comparison.new.extend(new.map(|name| format!("input {name}")));
        comparison
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::{InputCursor, SplitCursor};
    use crate::key_group::KeyGroups;

    #[test]
    fn inputs_are_compared_by_name() {
        let input = |splits: u32| {
            let split = |number| (format!("part-{number}"), SplitCursor { number, next: 1, ended: false });
            InputCursor { splits: (0..splits).map(split).collect(), gone: vec![] }
        };
        let inputs = [("same", input(2)), ("one", input(1)), ("three", input(3))];
        let inputs = inputs.map(|(name, input)| (name.to_owned(), input)).into();
        let cursor = Cursor { inputs, ..Cursor::default() };
        let program = JobDescription { states: vec![], inputs: vec!["same".into(), "other".into()] };
        let comparison = program.compare(&Catalog::new(KeyGroups::default()), &cursor);
        assert!(comparison.fits());
        assert_eq!(comparison.lost(), ["input one: the position in 1 split", "input three: positions in 3 splits"]);
        assert_eq!(comparison.new_states(), ["input other"]);
    }
}
