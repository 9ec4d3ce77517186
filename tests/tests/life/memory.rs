//! The memory that a job may take.

use firesteel_budget::{Memory, Part, mib};
use firesteel_connect_memory::{Collector, MemorySource};

use crate::job;

#[test]
fn a_job_tells_what_it_takes_of_each_part() {
    let memory = Memory::of(mib(64));
    let job = job(1).memory(memory.clone()).build().unwrap();
    let numbers = job.read(MemorySource::new((0..10_000u64).collect::<Vec<_>>()));
    numbers.map(|n| (n, ())).running_count().write(Collector::new());
    assert_eq!(job.memory().used(), 0, "nothing has run");
    let mut run = job.begin().unwrap();
    run.next_batch().unwrap();
    let state = memory.part(Part::State).used();
    assert!(state >= 10_000 * 16, "a key and its count, for each of ten thousand: {state}");
    assert_eq!(memory.part(Part::Shuffle).used() + memory.part(Part::Storage).used(), 0, "the batch is over");
}
