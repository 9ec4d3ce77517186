//! Where keys are slow, executors with nothing to do take part in what a task is at.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_core::ManualClock;
use firesteel_core::hash::hash_key;
use firesteel_scheduler::Scheduler;
use firesteel_streaming::{StreamingContext, Trigger};
use firesteel_window::Duration;
use parking_lot::{Condvar, Mutex};

/// Numbers of which no two are in one of the 128 key groups.
fn apart(count: usize) -> Vec<u64> {
    let mut groups = HashSet::new();
    (0..).filter(|n: &u64| groups.insert(hash_key(n) >> 57)).take(count).collect()
}

/// Counts calls, and the threads that they come from.
#[derive(Default)]
struct Calls {
    seen: Mutex<(usize, HashSet<ThreadId>)>,
    changed: Condvar,
}

impl Calls {
    /// The first calls pass; the others wait until three threads have come.
    fn pass(&self, first: usize) {
        let mut seen = self.seen.lock();
        seen.0 += 1;
        seen.1.insert(thread::current().id());
        self.changed.notify_all();
        while seen.0 > first && seen.1.len() < 3 {
            self.changed.wait(&mut seen);
        }
    }
}

#[test]
fn slow_keys_of_one_partition_are_done_by_all_executors() {
    let clock = ManualClock::new();
    let scheduler = Scheduler::builder().threads(3).clock(clock.clone()).build().expect("the executors start");
    let job = StreamingContext::builder("slow").scheduler(&scheduler).build().expect("nothing is wrong with it");
    let (keys, results, calls) = (apart(90), Collector::new(), Arc::new(Calls::default()));
    let numbers = job.read(MemorySource::new(keys.iter().flat_map(|n| [*n, *n]).collect::<Vec<_>>()));
    let counted = numbers.map(|n| (n, ())).update_state_by_key(move |records: Vec<()>, count: Option<usize>| {
        clock.advance(Duration::millis(1));
        calls.pass(60);
        Some(count.unwrap_or(0) + records.len())
    });
    counted.write(results.clone());
    job.run(Trigger::AvailableNow).expect("the job runs");
    // The order is that of key groups, whoever had them.
    let mut expected: Vec<(u64, usize)> = keys.into_iter().map(|n| (n, 2)).collect();
    expected.sort_by_key(|(n, _)| hash_key(n) >> 57);
    assert_eq!(results.records(), expected);
}
