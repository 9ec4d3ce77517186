//! What a program declares, as much of it as its checkpoint is compared with.

use serde::{Deserialize, Serialize};

use super::{Catalog, Comparison, InputSchema, OutputSchema, StoreSchema, WatermarkSchema};
use crate::codec;
use crate::cursor::Cursor;
use crate::wire::checksum;

/// The inputs, watermarks, states and outputs of a program, with what is set for them.
///
/// It can be written as JSON and be compared with a checkpoint elsewhere, before the program is started there.
///
/// ```
/// use firesteel_state::{Catalog, Cursor, Declaration, InputSchema, JobDescription, KeyGroups};
///
/// let mut states = Declaration::<String>::new("totals");
/// states.value::<u64>("total");
/// let program = JobDescription {
///     inputs: vec![InputSchema::named("clicks")],
///     states: vec![states.schema()],
///     ..JobDescription::default()
/// };
/// let comparison = program.compare(&Catalog::new(KeyGroups::default()), &Cursor::default());
/// assert_eq!(
///     comparison.to_string(),
///     "  new:      input:clicks: is read from its start\n  new:      state:totals/total: value of u64, begins empty\n",
/// );
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobDescription {
    /// Its sources.
    pub inputs: Vec<InputSchema>,
    /// Its watermarks.
    pub watermarks: Vec<WatermarkSchema>,
    /// What each operator with state declares. The numbers in it mean nothing: a checkpoint gives its own.
    pub states: Vec<StoreSchema>,
    /// Its outputs.
    pub outputs: Vec<OutputSchema>,
    /// How many key groups it wants. A checkpoint that has another number refuses it; without one, the number of the
    /// checkpoint holds.
    pub key_groups: Option<u16>,
    /// Which member is fed from which others, in any notation that stays the same as long as the program does. It is
    /// part of the [fingerprint](Self::fingerprint) and not compared otherwise.
    pub edges: Vec<String>,
}

impl JobDescription {
    /// A number that is the same as long as what is described is: it tells whether an epoch that was prepared and not
    /// committed is of this program. The order of members does not matter, nor does what a comparison cannot see.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut plain = self.clone();
        // The checkpoint's number holds, whether it is asked for or not.
        plain.key_groups = None;
        plain.states.iter_mut().for_each(|store| {
            *store = store.clone().without_numbers();
            by_name(&mut store.settings, |setting| &setting.name);
        });
        plain.inputs.iter_mut().for_each(|input| {
            input.not_compared.clear();
            by_name(&mut input.settings, |setting| &setting.name);
        });
        plain.watermarks.iter_mut().for_each(|mark| {
            mark.not_compared.clear();
            mark.inputs.sort();
            by_name(&mut mark.settings, |setting| &setting.name);
        });
        plain.outputs.iter_mut().for_each(|output| (output.since, output.through) = (0, None));
        by_name(&mut plain.inputs, |input| &input.name);
        by_name(&mut plain.watermarks, |mark| &mark.name);
        by_name(&mut plain.states, |store| &store.operator);
        by_name(&mut plain.outputs, |output| &output.name);
        plain.edges.sort();
        let mut bytes = Vec::new();
        // Nothing in it refuses to be encoded; a part that did would be missing on both sides.
        _ = codec::encode(&plain, &mut bytes);
        checksum(&bytes)
    }

    /// What fits, what is new, what would be lost and what differs, when the program resumes from here.
    #[must_use]
    pub fn compare(&self, catalog: &Catalog, cursor: &Cursor) -> Comparison {
        Comparison::of(self, catalog, cursor)
    }
}

/// Puts members in the order of their names. What sorts is the same for all types of members: in a program that is not optimized, each
/// sorting of a type of its own has some 14 kB.
fn by_name<T>(members: &mut Vec<T>, name: fn(&T) -> &String) {
    let mut order: Vec<(String, usize)> = members.iter().map(name).cloned().zip(0..).collect();
    order.sort();
    let mut left: Vec<Option<T>> = members.drain(..).map(Some).collect();
    members.extend(order.into_iter().filter_map(|(_, at)| left[at].take()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::{InputCursor, SplitCursor};
    use crate::key_group::KeyGroups;
    use crate::schema::{Setting, Verdict};

    #[test]
    fn inputs_are_compared_by_name() {
        let input = |splits: u32| {
            let split = |number| (format!("part-{number}"), SplitCursor::at(1));
            InputCursor { splits: (0..splits).map(split).collect(), gone: vec![] }
        };
        let inputs = [("same", input(2)), ("one", input(1)), ("three", input(3)), ("none", input(0))];
        let inputs = inputs.map(|(name, input)| (name.to_owned(), input)).into();
        let cursor = Cursor { inputs, ..Cursor::default() };
        let inputs = ["same", "other"].map(InputSchema::named).into();
        let program = JobDescription { inputs, ..JobDescription::default() };
        let comparison = program.compare(&Catalog::new(KeyGroups::default()), &cursor);
        assert_eq!(comparison.verdict(), Verdict::NeedsPermission);
        let expected = "\
            \x20 lost:     input:one: the position in 1 split\n\
            \x20 lost:     input:three: positions in 3 splits\n\
            \x20 new:      input:other: is read from its start\n\
            \x20 ended:    input:none: nothing of it is stored\n\
            \x20 fits:     input:same: positions in 2 splits\n";
        assert_eq!(comparison.to_string(), expected);
    }

    #[test]
    fn a_fingerprint_is_of_what_is_compared_and_of_nothing_else() {
        let named = |name: &str| InputSchema::named(name);
        let program = JobDescription { inputs: vec![named("a"), named("b")], ..JobDescription::default() };
        let mut same = JobDescription { inputs: vec![named("b"), named("a")], ..JobDescription::default() };
        same.inputs[0].not_compared.push("a function".to_owned());
        assert_eq!(program.fingerprint(), same.fingerprint());
        let changes: [fn(&mut JobDescription); 5] = [
            |program| program.inputs[0].version = 1,
            |program| program.inputs[0].kind = "other".to_owned(),
            |program| program.inputs[0].settings.push(Setting::new_holds("a", 1)),
            |program| program.outputs.push(OutputSchema::default()),
            |program| program.edges.push("a -> b".to_owned()),
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut other = program.clone();
            change(&mut other);
            assert_ne!(program.fingerprint(), other.fingerprint(), "change {number}");
        }
    }
}
