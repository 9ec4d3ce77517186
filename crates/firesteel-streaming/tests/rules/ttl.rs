//! State that is given a TTL, loses it or gets a longer one.

use std::path::Path;
use std::sync::Arc;

use firesteel_connect_memory::QueueSource;
use firesteel_core::ManualClock;
use firesteel_state::{Declaration, StateError, StateOptions, Ttl, Value};
use firesteel_streaming::{KeyedProcess, ProcessContext, StreamingContext, Trigger};
use firesteel_window::{Timestamp, hours, seconds};

use crate::sink::Words;
use crate::{checkpoint, push};

/// The total of a word's length.
struct Totals(Option<Ttl>);

impl KeyedProcess for Totals {
    type Key = String;
    type In = u64;
    type Out = String;
    type State = Value<u64>;

    fn declare(&self, states: &mut Declaration<String>) -> Value<u64> {
        let options = StateOptions::default();
        states.value_with("total", self.0.map_or(options.clone(), |ttl| options.ttl(ttl)))
    }

    fn on_record(&self, total: &Value<u64>, new: u64, ctx: &mut ProcessContext<'_, Self>) -> Result<(), StateError> {
        let sum = total.get(ctx)?.unwrap_or(&0) + new;
        ctx.emit(format!("{}={sum}", ctx.key()));
        total.set(ctx, sum)
    }
}

/// One run of a job over a checkpoint.
struct Runs<'a> {
    folder: &'a Path,
    with_backend: bool,
    clock: ManualClock,
    words: QueueSource<String>,
    out: Words,
}

impl Runs<'_> {
    fn run(&self, ttl: Option<Ttl>, words: &str) -> Vec<String> {
        push(&self.words, words);
        let before = self.out.all().len();
        let job = StreamingContext::builder("rules").threads(1).clock(Arc::new(self.clock.clone()));
        let job = job.checkpoint(checkpoint(self.folder, self.with_backend)).build().unwrap();
        let words = job.read(self.words.clone()).named("words");
        words.map(|word: String| (word, 1u64)).process(Totals(ttl)).named("totals").write(self.out.clone());
        job.run(Trigger::AvailableNow).unwrap();
        self.out.all().split_off(before)
    }
}

fn each(test: impl Fn(&Runs<'_>)) {
    for with_backend in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        test(&Runs {
            folder: folder.path(),
            with_backend,
            clock: ManualClock::starting_at(Timestamp::from_secs(1_000)),
            words: QueueSource::new(1).keep_committed(),
            out: Words::exactly_once("out"),
        });
    }
}

#[test]
fn what_is_stored_counts_as_touched_when_it_gets_a_ttl() {
    each(|runs| {
        assert_eq!(runs.run(None, "a a b"), ["a=1", "a=2", "b=1"]);
        runs.clock.advance(hours(24));
        assert_eq!(runs.run(Some(Ttl::after(hours(1))), "a"), ["a=3"]);
        runs.clock.advance(seconds(1_800));
        assert_eq!(runs.run(Some(Ttl::after(hours(1))), "a"), ["a=4"]);
        runs.clock.advance(seconds(1_800));
        assert_eq!(
            runs.run(Some(Ttl::after(hours(1))), "a b"),
            ["a=5", "b=1"],
            "an hour after the start that brought it"
        );
    });
}

#[test]
fn a_mistaken_ttl_that_is_undone_before_anything_was_done_costs_nothing() {
    each(|runs| {
        assert_eq!(runs.run(None, "a b"), ["a=1", "b=1"]);
        // Started with another TTL, it finds nothing to read, and ends.
        assert!(runs.run(Some(Ttl::after(seconds(1))), "").is_empty());
        runs.clock.advance(hours(1));
        assert_eq!(runs.run(None, "a b"), ["a=2", "b=2"]);
    });
}

#[test]
fn what_has_expired_stays_so_without_a_ttl_and_with_a_longer_one() {
    for then in [None, Some(Ttl::after(hours(1)))] {
        each(|runs| {
            let second = Some(Ttl::after(seconds(1)));
            assert_eq!(runs.run(second, "a b"), ["a=1", "b=1"]);
            runs.clock.advance(seconds(2));
            assert_eq!(runs.run(second, "b"), ["b=1"]);
            assert_eq!(runs.run(then, "a b"), ["a=1", "b=2"], "{then:?}");
            runs.clock.advance(seconds(10));
            assert_eq!(runs.run(then, "a b"), ["a=2", "b=3"], "{then:?}");
        });
    }
}
