//! Keyed processes: records in order, timers of both kinds in order, and what a restart keeps of them.

use std::marker::PhantomData;

use firesteel_core::Key;
use firesteel_state::{Declaration, Fired, List, Result, StateOptions, Timers, Ttl, Value};
use firesteel_streaming::{KeyedProcess, ProcessContext};
use firesteel_testkit::{TestJob, timeline};
use firesteel_window::{Timestamp, Watermark, seconds};

use crate::ways::{Outputs, Source, Way, check, run, words};

type Event = (String, Timestamp);

/// Tells of every call.
struct Talker;

struct Handles {
    seen: List<i64>,
    total: Value<u64>,
    early: Timers,
    late: Timers,
    wall: Timers,
}

impl KeyedProcess for Talker {
    type Key = String;
    type In = Event;
    type Out = String;
    type State = Handles;

    fn declare(&self, states: &mut Declaration<String>) -> Handles {
        Handles {
            seen: states.list("seen"),
            total: states.value("total"),
            early: states.event_timers("early"),
            late: states.event_timers("late"),
            wall: states.processing_timers("wall"),
        }
    }

    fn on_record(&self, state: &Handles, (_, at): Event, ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
        assert_eq!(ctx.event_time(), at);
        state.seen.push(ctx, at.as_secs())?;
        state.total.update(ctx, |total| *total.get_or_insert(0) += 1)?;
        state.late.register(ctx, at + seconds(5))?;
        state.early.register(ctx, at + seconds(5))?;
        state.early.register(ctx, at + seconds(2))?;
        let in_two_seconds = ctx.processing_time() + seconds(2);
        state.wall.register(ctx, in_two_seconds)?;
        Ok(())
    }

    fn on_timer(&self, state: &Handles, timer: &Fired<String>, ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
        assert_eq!(timer.key, *ctx.key());
        let name = if timer.is(&state.early) {
            "early"
        } else if timer.is(&state.late) {
            "late"
        } else {
            assert!(timer.is(&state.wall));
            assert_eq!(timer.time, ctx.processing_time());
            let seen: Vec<_> = state.seen.iter(ctx)?.copied().collect();
            let total = state.total.get(ctx)?.copied().unwrap_or(0);
            ctx.emit(format!("{}/wall:{seen:?}{total}", timer.key).replace(' ', ""));
            return Ok(());
        };
        assert!(ctx.watermark() >= timer.time && ctx.event_time() == timer.time);
        ctx.emit(format!("{}/{name}@{}", timer.key, timer.time.as_secs()));
        Ok(())
    }
}

fn talk(_: &TestJob, events: Source<Event>, out: &Outputs) {
    let calls = events
        .event_time(|event| event.1, Watermark::bounded(seconds(1)))
        .key_by(|event| event.0.clone())
        .process(Talker)
        .named("talker");
    // A batch's calls in their order, in one row per key.
    let calls = calls.map(|call| call.split_once('/').map(|(key, call)| (key.to_owned(), call.to_owned())).unwrap());
    out.write(calls.group_by_key().map(|(key, calls)| format!("{key}={}", calls.join(","))));
}

pub(crate) fn timers_fire_in_order_whatever_the_restarts(ways: &[Way]) {
    let input = timeline::parse("a@10 b@11 | a@14 | ∅ | a@17 | c@40").unwrap();
    for way in ways {
        let way = way.with_one_input();
        let done: Vec<_> = run(&way, &input, talk).into_iter().map(std::result::Result::unwrap).collect();
        let rows: Vec<_> = done.iter().map(|done| done.outputs[0].as_str()).collect();
        let expected = [
            "",
            "a=early@12 b=early@13",
            // Batches run at seconds 1, 2, 3 …: what came in the first one has its timer at second 3.
            "a=wall:[10,14]2 b=wall:[11]1",
            // The wall clock first; then, at one time, in the order of registration.
            "a=wall:[10,14,17]3,late@15,early@15,early@16 b=late@16,early@16",
            "a=late@19,early@19,late@22,early@22",
        ];
        assert_eq!(rows, expected, "{}", way.name);
        let keys: Vec<_> = done.iter().map(|done| done.state()[0]).collect();
        assert_eq!(keys, [4, 5, 5, 6, 8], "two values and two list entries, then one more entry, {}", way.name);
    }
}

/// Counts the records of each key, until none has come for three seconds.
pub(crate) struct Forgetful<K>(PhantomData<fn(K)>);

impl<K> Forgetful<K> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<K: Key> KeyedProcess for Forgetful<K> {
    type Key = K;
    type In = ();
    type Out = (K, u64);
    type State = Value<u64>;

    fn declare(&self, states: &mut Declaration<K>) -> Value<u64> {
        states.value_with("count", StateOptions::default().ttl(Ttl::after(seconds(3))))
    }

    fn on_record(&self, count: &Value<u64>, (): (), ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
        let new = count.update(ctx, |count| {
            let count = count.get_or_insert(0);
            *count += 1;
            *count
        })?;
        let key = ctx.key().clone();
        ctx.emit((key, new));
        Ok(())
    }
}

pub(crate) fn values_have_a_ttl(ways: &[Way]) {
    let expected = ["a1 b1", "a2", "a3", "b1", "b2", "∅", "∅", "b1"].map(|rows| rows.trim_matches('∅'));
    check(ways, &words("a b | a | a | b | b | ∅ | ∅ | b"), &[&expected], |_, words, out| {
        let counts = words.map(|word| (word, ())).process(Forgetful::new()).named("forgetful");
        out.write(counts.map(|(word, count)| format!("{word}{count}")));
    });
}
