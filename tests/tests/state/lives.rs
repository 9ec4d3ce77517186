//! Values that live for a limited time, and what becomes of their memory.

use firesteel_state::{Declaration, Result, StateOptions, Ttl, Value};
use firesteel_streaming::{KeyedProcess, ProcessContext};
use firesteel_testkit::TestJob;
use firesteel_window::seconds;

/// Counts the records of each key, until none has come for three seconds.
struct Forgetful;

impl KeyedProcess for Forgetful {
    type Key = u32;
    type In = ();
    type Out = (u32, u64);
    type State = Value<u64>;

    fn declare(&self, states: &mut Declaration<u32>) -> Value<u64> {
        states.value_with("count", StateOptions::default().ttl(Ttl::after(seconds(3))))
    }

    fn on_record(&self, count: &Value<u64>, (): (), ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
        let new = count.update(ctx, |count| {
            let count = count.get_or_insert(0);
            *count += 1;
            *count
        })?;
        let key = *ctx.key();
        ctx.emit((key, new));
        Ok(())
    }
}

#[test]
fn values_that_nobody_asks_for_any_more_leave_memory() {
    let test = TestJob::new();
    // A batch for each key group, twice: then what was swept is out of all lists, too.
    let mut batches = vec![vec![]; 270];
    batches[0] = (0..100_000).collect();
    batches[269] = vec![7];
    let counts = test.script(batches).map(|n: u32| (n, ())).process("forgetful", Forgetful);
    let counts = test.record(counts);
    let progress = test.run().unwrap();
    let states: Vec<_> = progress.iter().map(|batch| &batch.states[0]).collect();
    assert_eq!(states[0].keys, 100_000);
    assert_eq!(states.iter().map(|state| state.removed).sum::<u64>(), 100_000);
    assert_eq!(states[269].keys, 1);
    assert!(states[269].memory_bytes < states[0].memory_bytes / 2, "{:?}, {:?}", states[0], states[269]);
    assert_eq!(counts.batches()[269], [(7, 1)]);
}
