//! Makes a test of each case, in the ways of the test program that asks for it.

macro_rules! every_case {
    ($ways:expr) => {
        $crate::every_case::every_case!(
            $ways,
            cases: [
                update_state_by_key,
                map_with_state,
                removal_and_timeout,
                counts_by_output_mode,
                state_metrics,
                a_failed_attempt_counts_nothing,
                a_batch_keeps_its_time,
                a_static_table_stays_as_it_is,
                flat_map_with_state,
                event_time_timeout,
                a_failed_job_leaves_no_trace,
                timeouts_by_function,
                timeout_of_initial_state,
                timeout_after_timeout,
            ],
            process: [timers_fire_in_order_whatever_the_restarts, values_have_a_ttl],
            recovery: [
                what_was_not_committed_is_run_again_and_shown_once,
                a_checkpoint_is_begun_resumed_or_refused,
            ],
        );
    };
    ($ways:expr, $($module:ident: [$($case:ident),+ $(,)?]),+ $(,)?) => {
        $($(#[test]
        fn $case() {
            $crate::$module::$case(&$ways);
        })+)+
    };
}
pub(crate) use every_case;
