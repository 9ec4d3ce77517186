//! State by key, as Spark's users rely on it: every case in every way of running it.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod cases;
mod process;
mod refusals;
mod ways;

macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        $(#[test]
        fn $case() {
            cases::$case(&ways::all());
        })+
    };
}

cases! {
    update_state_by_key,
    map_with_state,
    removal_and_time_out,
    counts_by_output_mode,
    state_metrics,
    a_failed_attempt_counts_nothing,
    flat_map_with_state,
    event_time_out,
    a_failed_job_leaves_no_trace,
    time_outs_by_function,
}
