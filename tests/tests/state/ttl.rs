//! Values with a TTL, and what becomes of their memory.

use firesteel_testkit::TestJob;

use crate::process::Forgetful;

#[test]
fn values_that_nobody_asks_for_any_more_leave_memory() {
    let test = TestJob::new();
    // A batch for each key group, twice: then what was swept is out of all lists, too.
    let mut batches = vec![vec![]; 270];
    batches[0] = (0..100_000).collect();
    batches[269] = vec![7];
    let counts = test.script(batches).map(|n: u32| (n, ())).process(Forgetful::new()).named("forgetful");
    let counts = test.record(counts);
    let progress = test.run().unwrap();
    let states: Vec<_> = progress.iter().map(|batch| &batch.states[0]).collect();
    assert_eq!(states[0].keys, 100_000);
    assert_eq!(states.iter().map(|state| state.removed).sum::<u64>(), 100_000);
    assert_eq!(states[269].keys, 1);
    assert!(states[269].memory_bytes < states[0].memory_bytes / 2, "{:?}, {:?}", states[0], states[269]);
    assert_eq!(counts.batches()[269], [(7, 1)]);
}
