//! The suite for logs of epochs: sound ones pass, and every broken one is told which rule it breaks.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use firesteel_state::conformance::{self, MemoryLog};
use firesteel_state::{Changelog, ChangelogOptions, CommitLog, EpochLog, EpochRecord, Result};

#[test]
fn a_folder_is_a_log_of_epochs_whatever_the_size_of_its_files() {
    for segment_bytes in [1, 700, 64 << 20] {
        let root = tempfile::tempdir().unwrap();
        let number = Cell::new(0);
        let open = || {
            let options = ChangelogOptions::default().segment_bytes(segment_bytes);
            Changelog::open(&root.path().join(number.get().to_string()), options).unwrap()
        };
        let make = || {
            number.set(number.get() + 1);
            open()
        };
        conformance::commit_log(make, |log| {
            drop(log);
            open()
        });
    }
}

#[test]
fn a_log_in_memory_is_one_too() {
    conformance::commit_log(MemoryLog::default, MemoryLog::crash);
}

/// What a log does wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    TakesAnyEpoch,
    MarksWhatIsNotPrepared,
    MarksFall,
    DropsWhatIsMarked,
    KeepsWhatIsDropped,
    TruncatesAll,
    TruncatesWhatIsNotCommitted,
    ReadsFromTheStart,
    LosesTheLastRecord,
    ForgetsMarks,
}

#[derive(Debug)]
struct Faulty(MemoryLog, Fault);

impl EpochLog for Faulty {
    fn first_epoch(&self) -> Option<u64> {
        self.0.first_epoch()
    }
    fn last_epoch(&self) -> Option<u64> {
        self.0.last_epoch()
    }
    fn committed(&self) -> u64 {
        self.0.committed()
    }
    fn records_from(&self, epoch: u64) -> Box<dyn Iterator<Item = Result<EpochRecord>> + Send> {
        self.0.records_from(if self.1 == Fault::ReadsFromTheStart { 0 } else { epoch })
    }
}

impl Faulty {
    /// The same log with other records.
    fn with(&mut self, records: impl IntoIterator<Item = EpochRecord>, committed: u64) {
        let mut log = MemoryLog::default();
        for record in records {
            log.prepare(&record).unwrap();
        }
        // Nothing is there to be marked where all is gone.
        _ = log.mark(committed);
        self.0 = log;
    }

    fn records(&self) -> Vec<EpochRecord> {
        self.0.records_from(0).map(Result::unwrap).collect()
    }

    fn crash(self) -> Self {
        let Self(log, fault) = self;
        let mut faulty = Self(log.clone().crash(), fault);
        match fault {
            Fault::LosesTheLastRecord if log.last_epoch() > Some(log.committed()) => {
                let mut records = faulty.records();
                records.pop();
                faulty.with(records, log.committed());
            }
            Fault::ForgetsMarks => faulty.with(faulty.records(), 0),
            _ => {}
        }
        faulty
    }
}

impl CommitLog for Faulty {
    fn prepare(&mut self, record: &EpochRecord) -> Result<()> {
        match self.0.prepare(record) {
            Err(_) if self.1 == Fault::TakesAnyEpoch => Ok(()),
            done => done,
        }
    }
    fn mark(&mut self, epoch: u64) -> Result<()> {
        if self.1 == Fault::MarksFall && epoch < self.0.committed() {
            self.with(self.records(), epoch);
        }
        match self.0.mark(epoch) {
            Err(_) if self.1 == Fault::MarksWhatIsNotPrepared => Ok(()),
            done => done,
        }
    }
    fn sync_mark(&mut self) -> Result<()> {
        self.0.sync_mark()
    }
    fn drop_last(&mut self) -> Result<()> {
        match self.1 {
            Fault::DropsWhatIsMarked if self.0.last_epoch().is_some() => {
                let mut records = self.records();
                records.pop();
                self.with(records, self.0.committed());
                Ok(())
            }
            Fault::KeepsWhatIsDropped if self.0.last_epoch() > Some(self.0.committed()) => Ok(()),
            _ => self.0.drop_last(),
        }
    }
    fn truncate(&mut self, durable: u64) -> Result<()> {
        match self.1 {
            Fault::TruncatesAll => self.with([], 0),
            Fault::TruncatesWhatIsNotCommitted => {
                let records = self.records().into_iter().filter(|record| record.epoch >= durable);
                self.with(records, self.0.committed());
            }
            _ => {}
        }
        self.0.truncate(durable)
    }
    fn bytes(&self) -> u64 {
        self.0.bytes()
    }
}

/// The rule that the suite says is broken.
fn verdict(fault: Fault) -> Option<String> {
    let make = || Faulty(MemoryLog::default(), fault);
    let outcome = catch_unwind(AssertUnwindSafe(|| conformance::commit_log(make, Faulty::crash)));
    let panic = outcome.err()?;
    let text = panic.downcast_ref::<String>().unwrap();
    Some(text.split(' ').nth(1).unwrap().to_owned())
}

#[test]
fn every_broken_log_is_told_which_rule_it_breaks() {
    use Fault as F;
    assert_eq!(verdict(F::None), None);
    let cases = [
        (F::ReadsFromTheStart, "L2"),
        (F::TakesAnyEpoch, "L3"),
        (F::MarksWhatIsNotPrepared, "L4"),
        (F::MarksFall, "L4"),
        (F::KeepsWhatIsDropped, "L5"),
        (F::DropsWhatIsMarked, "L5"),
        (F::LosesTheLastRecord, "L7"),
        (F::ForgetsMarks, "L7"),
        (F::TruncatesAll, "L6"),
        (F::TruncatesWhatIsNotCommitted, "L6"),
    ];
    for (fault, rule) in cases {
        assert_eq!(verdict(fault).as_deref(), Some(rule), "{fault:?}");
    }
}
