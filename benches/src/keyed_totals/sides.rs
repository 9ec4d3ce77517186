//! The contenders of W3, in one table.

use super::assignment::{Assignment, Phases, Run};
use super::{firesteel_side, hand_written, state_layer};

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
    Here(fn(&Assignment, &mut Phases) -> Run),
    /// A script in `benches/peers`, with the Python that has the peer of this name.
    Script(&'static str),
}

/// Every side, in the order of the report.
pub const SIDES: &[Side] = &[
    Side { name: "firesteel-memory", program: Program::Here(firesteel_side::run_in_memory) },
    #[cfg(feature = "rocksdb")]
    Side { name: "firesteel-rocksdb", program: Program::Here(firesteel_side::run_in_rocksdb) },
    Side { name: "hand-written", program: Program::Here(hand_written::run) },
    Side { name: "state-layer", program: Program::Here(state_layer::run) },
    Side { name: "flink", program: Program::Script("flink_totals.py") },
    Side { name: "spark", program: Program::Script("spark_totals.py") },
];

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
        for shape in [Shape::Uniform, Shape::Zipf] {
            let events = KeyedEvents { keys: 5_000, shape };
            let expected = Totals::of(events, 30_001);
            for side in SIDES {
                let Program::Here(run) = side.program else { continue };
                for (threads, batch) in [(1, 999), (2, 1_000), (3, 7_001), (3, 50_000)] {
                    let folder = tempfile::tempdir().unwrap();
                    let epoch = 0.001;
                    let assignment =
                        Assignment { threads, batch, epoch, ..Assignment::new(events, 30_001, folder.path()) };
                    let run = run(&assignment, &mut Phases::silent());
                    assert_eq!(run.totals, expected, "{} {shape:?} {threads} {batch}", side.name);
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
