//! A sink whose reader has gone ends the job, and that is no failure.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use firesteel_connect::{ConnectError, Epoch, Guarantee, Result, Sink, WriteTask};
use firesteel_connect_memory::MemorySource;
use firesteel_streaming::{BatchLimits, StreamingContext, Trigger};

/// Takes one epoch, then nobody is there any more.
struct Leaving;

impl Sink<u32> for Leaving {
    type Pending = ();
    fn describe(&self) -> String {
        "a reader in a hurry".into()
    }
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }
    fn write(&self, _: WriteTask, records: impl Iterator<Item = u32>) -> Result<()> {
        records.for_each(drop);
        Ok(())
    }
    fn commit(&self, epoch: Epoch, _: &mut Vec<()>) -> Result<()> {
        if epoch > Epoch(1) { Err(ConnectError::Closed { place: "the pipe".into() }) } else { Ok(()) }
    }
}

#[test]
fn the_job_ends_after_the_batch_that_nobody_took() {
    let job = StreamingContext::builder("closed").limits(BatchLimits::default().records(2)).build().unwrap();
    job.read(MemorySource::new((0..10).collect::<Vec<u32>>())).write(Leaving);
    let summary = job.run_to_summary(Trigger::AsSoonAsPossible).unwrap();
    assert_eq!((summary.batches, summary.rows_in), (2, 4));
}
