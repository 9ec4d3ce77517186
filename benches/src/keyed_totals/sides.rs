//! The contenders of W3, in one table.

use super::assignment::{Assignment, Phases, Run};
use super::events::KeyType;
use super::{firesteel_side, hand_written, state_layer};

/// Runs W3 with keys of some type.
pub type RunTotals = fn(&Assignment, &mut Phases) -> Run;

/// A program that answers W3.
#[derive(Debug, Clone, Copy)]
pub struct Side {
    /// The name on the command line, in the report and in the results.
    pub name: &'static str,
    /// What is run.
    pub program: Program,
}

/// How a side is run.
#[derive(Debug, Clone, Copy)]
pub enum Program {
    /// A function of this crate, in a process of its own.
    Here {
        /// With keys that are numbers.
        numbers: RunTotals,
        /// With keys that are texts.
        texts: RunTotals,
    },
    /// A script in `benches/peers`, with the Python that has the peer of this name.
    Script(&'static str),
}

impl Program {
    /// The function for keys of this type, unless it is a script.
    #[must_use]
    pub fn here(self, key: KeyType) -> Option<RunTotals> {
        match (self, key) {
            (Self::Here { numbers, .. }, KeyType::Number) => Some(numbers),
            (Self::Here { texts, .. }, KeyType::Text) => Some(texts),
            (Self::Script(_), _) => None,
        }
    }
}

/// Every side, in the order of the report.
pub const SIDES: &[Side] = &[
    here("firesteel-memory", firesteel_side::run_in_memory::<u64>, firesteel_side::run_in_memory::<String>),
    #[cfg(feature = "rocksdb")]
    here("firesteel-rocksdb", firesteel_side::run_in_rocksdb::<u64>, firesteel_side::run_in_rocksdb::<String>),
    here("hand-written", hand_written::run::<u64>, hand_written::run::<String>),
    here("state-layer", state_layer::run::<u64>, state_layer::run::<String>),
    Side { name: "flink", program: Program::Script("flink_totals.py") },
    Side { name: "spark", program: Program::Script("spark_totals.py") },
];

/// A side that this crate has.
const fn here(name: &'static str, numbers: RunTotals, texts: RunTotals) -> Side {
    Side { name, program: Program::Here { numbers, texts } }
}

/// The sides that the report gives ratios to.
pub const REFERENCES: [&str; 2] = ["flink", "spark"];

/// The side of this name.
#[must_use]
pub fn side(name: &str) -> Option<&'static Side> {
    SIDES.iter().find(|side| side.name == name)
}

#[cfg(test)]
mod tests {
    use super::super::events::{KeyedEvents, Shape};
    use super::super::reference::Totals;
    use super::*;

    #[test]
    fn every_side_of_this_crate_gives_the_right_totals() {
        let keys = [KeyType::Number, KeyType::Text];
        for (shape, key) in [Shape::Uniform, Shape::Zipf].into_iter().flat_map(|shape| keys.map(|key| (shape, key))) {
            let events = KeyedEvents { keys: 5_000, shape };
            let expected = Totals::of(events, 30_001);
            for side in SIDES {
                let Some(run) = side.program.here(key) else { continue };
                for (threads, batch) in [(1, 999), (2, 1_000), (3, 7_001), (3, 50_000)] {
                    let folder = tempfile::tempdir().unwrap();
                    let epoch = 0.001;
                    let assignment =
                        Assignment { key, threads, batch, epoch, ..Assignment::new(events, 30_001, folder.path()) };
                    let run = run(&assignment, &mut Phases::silent());
                    assert_eq!(run.totals, expected, "{} {key:?} {shape:?} {threads} {batch}", side.name);
                    assert_eq!(run.system, side.name);
                    assert!(run.events <= 30_001, "{}", run.events);
                }
            }
        }
    }

    #[test]
    fn names_are_unique_and_the_references_are_among_them() {
        assert!(REFERENCES.iter().all(|name| side(name).is_some()));
        let names: std::collections::BTreeSet<&str> = SIDES.iter().map(|side| side.name).collect();
        assert_eq!(names.len(), SIDES.len());
    }
}
