//! The contenders, in one table.

use crate::ad_events::AdEvents;
use crate::measured::Measured;
use crate::text_records::TextRecords;
use crate::workload::Setting;
use crate::{
    firesteel_side, hand_written_exchanged, hand_written_gathered, hand_written_records, renoir_side, timely_side,
};

/// Runs a workload of ad events that are counted by keys of this type.
pub type RunEvents<K = u32> = fn(&'static AdEvents<K>, Setting) -> Measured;
/// Runs a workload of text records.
pub type RunRecords = fn(&'static TextRecords, Setting) -> Measured;

/// A program that answers some of the workloads.
///
/// The data is `'static` because engines keep what they read in closures that
/// outlive any scope.
#[derive(Debug, Clone, Copy)]
pub struct Side {
    /// The name on the command line, in the report and in the results.
    pub name: &'static str,
    /// Whether it runs unless the command line says otherwise. The variants of
    /// a contender that are not its fastest are kept to show that they are not.
    pub by_default: bool,
    /// The keyed count with few keys.
    pub w1a: Option<RunEvents>,
    /// The keyed count with many keys.
    pub w1b: Option<RunEvents>,
    /// The keyed count with texts as keys.
    pub w1c: Option<RunEvents<String>>,
    /// The stateless chain.
    pub w2: Option<RunRecords>,
}

/// The sides that the report gives ratios to.
pub const REFERENCES: [&str; 3] = ["hand-written", "timely", "renoir"];

/// Every side, in the order of the report.
pub const SIDES: &[Side] = &[
    Side {
        name: "firesteel",
        by_default: true,
        w1a: Some(firesteel_side::run_windows),
        w1b: Some(firesteel_side::run_windows),
        w1c: Some(firesteel_side::run_windows),
        w2: Some(firesteel_side::run_records),
    },
    Side {
        name: "hand-written",
        by_default: true,
        w1a: Some(hand_written_gathered::run),
        w1b: Some(hand_written_exchanged::run),
        w1c: Some(hand_written_gathered::run),
        w2: Some(hand_written_records::run),
    },
    Side {
        name: "timely",
        by_default: true,
        w1a: Some(timely_side::run_combined),
        w1b: Some(timely_side::run_exchanged),
        w1c: Some(timely_side::run_combined),
        w2: None,
    },
    Side {
        name: "renoir",
        by_default: true,
        w1a: Some(renoir_side::run_combined),
        w1b: Some(renoir_side::run_shuffled),
        w1c: Some(renoir_side::run_shuffled),
        w2: None,
    },
    variant("hand-gathered", hand_written_gathered::run, hand_written_gathered::run),
    variant("hand-exchanged", hand_written_exchanged::run, hand_written_exchanged::run),
    Side {
        name: "hand-borrowed",
        by_default: false,
        w1a: None,
        w1b: None,
        w1c: Some(hand_written_gathered::run_borrowed),
        w2: None,
    },
    variant("timely-combined", timely_side::run_combined, timely_side::run_combined),
    variant("timely-exchanged", timely_side::run_exchanged, timely_side::run_exchanged),
    variant("renoir-combined", renoir_side::run_combined, renoir_side::run_combined),
    variant("renoir-shuffled", renoir_side::run_shuffled, renoir_side::run_shuffled),
    variant("renoir-batch", renoir_side::run_batch, renoir_side::run_batch),
];

/// One of the programs of a contender, for all of W1.
const fn variant(name: &'static str, numbers: RunEvents, texts: RunEvents<String>) -> Side {
    Side { name, by_default: false, w1a: Some(numbers), w1b: Some(numbers), w1c: Some(texts), w2: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ad_events::Campaigns;
    use crate::reference;

    /// The batches do not divide the events evenly, nor the threads a batch.
    const SETTINGS: [Setting; 4] = [
        Setting { threads: 1, batch: 999 },
        Setting { threads: 2, batch: 1_000 },
        Setting { threads: 3, batch: 7_001 },
        Setting { threads: 3, batch: 50_000 },
    ];

    fn leaked<T>(data: T) -> &'static T {
        Box::leak(Box::new(data))
    }

    #[test]
    fn every_side_gives_the_answer_of_w1() {
        for campaigns in [Campaigns::Hundred, Campaigns::Each(1_000_000)] {
            let data = leaked(AdEvents::generate(20_000, campaigns, 1));
            let expected = reference::windows(data);
            for (side, run) in SIDES.iter().flat_map(|side| [(side, side.w1a), (side, side.w1b)]) {
                let Some(run) = run else { continue };
                for setting in SETTINGS {
                    let measured = run(data, setting);
                    assert_eq!(measured.outcome, expected, "{} {campaigns:?} {setting:?}", side.name);
                    assert_eq!(measured.events, 20_000);
                }
            }
        }
    }

    #[test]
    fn every_side_gives_the_answer_of_w1_with_texts() {
        let campaigns = Campaigns::Each(1_000);
        let data = leaked(AdEvents::<String>::generate(20_000, campaigns, 1));
        let expected = reference::windows(data);
        assert_eq!(expected, reference::windows(&AdEvents::<u32>::generate(20_000, campaigns, 1)));
        for side in SIDES {
            let Some(run) = side.w1c else { continue };
            for setting in SETTINGS {
                assert_eq!(run(data, setting).outcome, expected, "{} {setting:?}", side.name);
            }
        }
    }

    #[test]
    fn every_side_gives_the_answer_of_w2() {
        let data = leaked(TextRecords::generate(5_000, 1));
        let expected = reference::records(data);
        for side in SIDES {
            let Some(run) = side.w2 else { continue };
            for setting in SETTINGS {
                assert_eq!(run(data, setting).outcome, expected, "{} {setting:?}", side.name);
            }
        }
    }

    #[test]
    fn no_side_stumbles_over_no_data() {
        let data = leaked(AdEvents::generate(0, Campaigns::Hundred, 1));
        for run in SIDES.iter().filter_map(|side| side.w1a) {
            assert_eq!(run(data, SETTINGS[1]).outcome, Default::default());
        }
    }

    #[test]
    fn names_are_unique_and_the_references_are_among_them() {
        let mut names: Vec<&str> = SIDES.iter().map(|side| side.name).collect();
        assert!(REFERENCES.iter().all(|reference| names.contains(reference)));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SIDES.len());
    }
}
