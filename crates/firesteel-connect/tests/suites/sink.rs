//! Sinks that break a rule.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use firesteel_connect::{CheckpointId, Epoch, Guarantee, Mark, Result, Sink, SinkContext, WriteTask, conformance};

use crate::broken;

/// What a sink does wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum SinkFault {
    None,
    VisibleEarly,
    ShowsStaged,
    StagesBackwards,
    Reversed,
    CommitsTwice,
    KeepsAborted,
    Silent,
    MarksWithoutCheckpoint,
    TakesAnotherCheckpointForItsOwn,
    KeepsFailedAttempts,
    ForgetsItsMark,
    ForgetsOnRestart,
    ShowsTheNext,
}

/// A place that survives its sink.
#[derive(Clone, Default)]
struct Place(Arc<Mutex<(Vec<u32>, Option<Mark>)>>);

struct FaultySink {
    place: Place,
    /// Records of epochs after the one that is to be committed.
    ahead: Mutex<Vec<u32>>,
    checkpoint: Mutex<CheckpointId>,
    /// The last epoch whose commit was asked for.
    done: AtomicU64,
    fault: SinkFault,
}

impl FaultySink {
    fn over(place: Place, fault: SinkFault) -> Self {
        Self {
            place,
            ahead: Mutex::default(),
            checkpoint: Mutex::new(CheckpointId::from_bits(0)),
            done: AtomicU64::new(0),
            fault,
        }
    }
}

impl Sink<u32> for FaultySink {
    type Pending = Vec<u32>;

    fn describe(&self) -> String {
        "a list".into()
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn start(&self, context: &SinkContext) -> Result<()> {
        *self.checkpoint.lock().unwrap() = context.checkpoint();
        Ok(())
    }

    fn write(&self, task: WriteTask, records: impl Iterator<Item = u32>) -> Result<Vec<u32>> {
        let mut pending = vec![];
        for record in records {
            pending.push(record);
            let early = match self.fault {
                SinkFault::VisibleEarly => task.attempt == 0,
                SinkFault::KeepsFailedAttempts => task.attempt == 1 && self.place.0.lock().unwrap().1.is_none(),
                _ => false,
            };
            if early {
                self.place.0.lock().unwrap().0.push(record);
            }
            let last = self.done.load(Ordering::SeqCst);
            if self.fault == SinkFault::ShowsTheNext && task.epoch.0 > last + 1 {
                self.ahead.lock().unwrap().push(record);
            }
        }
        Ok(pending)
    }

    fn stage(&self, _: Epoch, mut written: Vec<Vec<u32>>) -> Result<Vec<Vec<u32>>> {
        match self.fault {
            SinkFault::ShowsStaged => self.place.0.lock().unwrap().0.extend(written.drain(..).flatten()),
            SinkFault::StagesBackwards => written.reverse(),
            _ => {}
        }
        Ok(written)
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<Vec<u32>>) -> Result<()> {
        let mut place = self.place.0.lock().unwrap();
        self.done.store(epoch.0, Ordering::SeqCst);
        let checkpoint = *self.checkpoint.lock().unwrap();
        let blind = self.fault == SinkFault::TakesAnotherCheckpointForItsOwn;
        let is_there = |mark: Mark| (mark.checkpoint == checkpoint || blind) && mark.epoch >= epoch;
        if place.1.is_some_and(is_there) && self.fault != SinkFault::CommitsTwice {
            return Ok(());
        }
        // An epoch without records needs no mark.
        if !pending.iter().all(Vec::is_empty) {
            let unmarked = self.fault == SinkFault::MarksWithoutCheckpoint;
            let checkpoint = if unmarked { CheckpointId::from_bits(0) } else { checkpoint };
            place.1 = Some(Mark { epoch, checkpoint });
        } else if self.fault == SinkFault::ForgetsItsMark {
            place.1 = None;
        }
        let mut records = std::mem::take(pending).concat();
        if self.fault == SinkFault::Reversed {
            records.reverse();
        }
        place.0.extend(records);
        place.0.append(&mut self.ahead.lock().unwrap());
        Ok(())
    }

    fn abort(&self, _: Epoch, pending: Vec<Vec<u32>>) -> Result<()> {
        if self.fault == SinkFault::KeepsAborted {
            self.place.0.lock().unwrap().0.extend(pending.concat());
        }
        Ok(())
    }

    fn last_committed(&self) -> Result<Option<Mark>> {
        Ok(if self.fault == SinkFault::Silent { None } else { self.place.0.lock().unwrap().1 })
    }
}

#[test]
fn the_sink_suite_finds_each_fault() {
    let suite = |fault| {
        let make = || FaultySink::over(Place::default(), fault);
        let visible = |sink: &FaultySink| sink.place.0.lock().unwrap().0.clone();
        let reopen = |sink: FaultySink| {
            let place = if fault == SinkFault::ForgetsOnRestart { Place::default() } else { sink.place };
            FaultySink::over(place, fault)
        };
        conformance::sink(make, visible, |n| n);
        conformance::sink_restarts(make, reopen, visible, |n| n);
    };
    suite(SinkFault::None);
    let cases = [
        (SinkFault::VisibleEarly, "K2"),
        (SinkFault::ShowsStaged, "K2"),
        (SinkFault::StagesBackwards, "K3"),
        (SinkFault::Reversed, "K3"),
        (SinkFault::CommitsTwice, "K4"),
        (SinkFault::KeepsAborted, "K5"),
        (SinkFault::Silent, "K6"),
        (SinkFault::MarksWithoutCheckpoint, "K6"),
        (SinkFault::KeepsFailedAttempts, "K7"),
        (SinkFault::ForgetsItsMark, "K8"),
        (SinkFault::ForgetsOnRestart, "K10"),
        (SinkFault::ShowsTheNext, "K11"),
        (SinkFault::TakesAnotherCheckpointForItsOwn, "K12"),
    ];
    for (fault, rule) in cases {
        assert_eq!(broken(|| suite(fault)), rule, "{fault:?}");
    }
}
