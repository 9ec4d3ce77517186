//! What jobs with state do not start with, and how they end.

use firesteel_state::{Declaration, Result, StateOptions, Timers, Ttl, Value};
use firesteel_streaming::{
    Error, KeyState, KeyedProcess, MapSpec, OutputMode, ProcessContext, ProcessingTimeout, RunningSpec,
};
use firesteel_testkit::TestJob;
use firesteel_window::{Count, Duration, seconds};

fn reason(test: &TestJob) -> String {
    test.batch().unwrap_err().to_string()
}

#[test]
fn a_running_aggregate_cannot_append() {
    let test = TestJob::new();
    let counts = test
        .script([vec![1]])
        .map(|n| (n, ()))
        .running_aggregate_with(RunningSpec::new().output_mode(OutputMode::Append), Count);
    test.record(counts);
    let error = test.batch().unwrap_err();
    assert!(matches!(error, Error::Setting { .. }));
    assert!(error.to_string().contains("no row is ever final"), "{error}");
}

#[test]
fn timers_of_event_time_need_event_time() {
    struct Late;
    impl KeyedProcess for Late {
        type Key = i32;
        type In = i32;
        type Out = i32;
        type State = Timers;
        fn declare(&self, states: &mut Declaration<i32>) -> Timers {
            states.event_timers("late")
        }
        fn on_record(&self, _: &Timers, record: i32, ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
            ctx.emit(record);
            Ok(())
        }
    }
    let test = TestJob::new();
    test.record(test.script([vec![1]]).map(|n| (n, n)).process(Late).named("late"));
    let reason = reason(&test);
    assert!(reason.contains("late") && reason.contains("put event_time before the key_by"), "{reason}");
}

/// Has a state with this TTL.
struct Mortal(Ttl);

impl KeyedProcess for Mortal {
    type Key = i32;
    type In = i32;
    type Out = i32;
    type State = Value<i32>;
    fn declare(&self, states: &mut Declaration<i32>) -> Value<i32> {
        states.value_with("short", StateOptions::default().ttl(self.0))
    }
    fn on_record(&self, short: &Value<i32>, record: i32, ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
        short.set(ctx, record)
    }
}

#[test]
fn a_life_in_event_time_needs_event_time() {
    let test = TestJob::new();
    let mortal = Mortal(Ttl::after(seconds(5)).in_event_time());
    test.record(test.script([vec![1]]).map(|n| (n, n)).process(mortal).named("mortal"));
    let reason = reason(&test);
    assert!(reason.contains("values of `short`") && reason.contains("put event_time before the key_by"), "{reason}");
}

#[test]
fn a_life_takes_time() {
    let test = TestJob::new();
    test.record(test.script([vec![1]]).map(|n| (n, n)).process(Mortal(Ttl::after(Duration::ZERO))).named("mortal"));
    let error = format!("{:?}", test.batch().unwrap_err());
    assert!(error.contains("FS-T008") && error.contains("give it a positive time"), "{error}");
}

#[test]
fn a_timeout_takes_time() {
    let test = TestJob::new();
    let idle = test
        .script([vec![1]])
        .map(|n| (n, ()))
        .map_with_state_with(MapSpec::new().timeout(Duration::ZERO), |_, _: Option<()>, _: &mut KeyState<i32>| {
            None::<i32>
        });
    test.record(idle);
    assert!(reason(&test).contains("give it a positive one"));
}

#[test]
fn misuse_of_a_state_fails_the_job_with_its_reason() {
    let test = TestJob::new();
    let removed = test.script([vec![1]]).map(|n| (n, ())).map_with_state(|_, _, state: &mut KeyState<i32>| {
        state.update(1);
        state.remove();
        state.update(2);
        None::<i32>
    });
    test.record(removed);
    let error = format!("{:?}", test.batch().unwrap_err());
    assert!(error.contains("update of state that this call has removed already"), "{error}");
    assert!(error.contains("map_with_state"), "{error}");
}

#[test]
fn a_key_that_is_timing_out_cannot_be_updated() {
    let test = TestJob::new();
    let idle = test.script([vec![1], vec![]]).map(|n| (n, ())).map_with_state_with(
        MapSpec::new().timeout(seconds(1)),
        |_, _, state: &mut KeyState<i32>| {
            state.update(1);
            None::<i32>
        },
    );
    test.record(idle);
    test.batch().unwrap();
    let error = format!("{:?}", test.batch().unwrap_err());
    assert!(error.contains("update of state that is timing out"), "{error}");
}

#[test]
fn two_operators_of_one_name_are_refused() {
    let test = TestJob::new();
    let numbers = test.script([vec![1]]).map(|n| (n, ()));
    test.record(numbers.clone().running_count().named("counts"));
    let other = numbers.flat_map_with_state(|_, _, _: &mut KeyState<i32, ProcessingTimeout>| None::<i32>);
    test.record(other.named("counts"));
    assert!(format!("{:?}", test.batch().unwrap_err()).contains("counts"));
}
