//! What users hand from thread to thread can be handed from thread to thread.

use firesteel::memory::Collector;
use firesteel::rdd::{Accumulator, Context, Error as RddError};
use firesteel::scheduler::Scheduler;
use firesteel::state::{KeyedStore, List, Map, Timers, Value};
use firesteel::window::{Panes, PartitionWatermarks};
use firesteel::{Error, RunningJob, SideOutput, Stopper, Stream, StreamingContext, Summary, Timed};

fn shared<T: Send + Sync + 'static>() {}
fn sent<T: Send + 'static>() {}

#[test]
fn handles_are_shared_between_threads() {
    shared::<Context>();
    shared::<Scheduler>();
    shared::<StreamingContext>();
    shared::<Stopper>();
    shared::<RunningJob>();
    shared::<Accumulator>();
    shared::<SideOutput<String>>();
    shared::<Collector<String>>();
    shared::<KeyedStore<String>>();
    shared::<Value<String>>();
    shared::<List<String>>();
    shared::<Map<String, u64>>();
    shared::<Timers>();
}

#[test]
fn what_is_built_and_what_comes_back_is_sent_between_threads() {
    sent::<Stream<u32>>();
    sent::<Stream<(String, u32), Timed>>();
    sent::<Panes<String, u64>>();
    sent::<PartitionWatermarks<u32>>();
    sent::<Summary>();
    sent::<Error>();
    sent::<RddError>();
}
