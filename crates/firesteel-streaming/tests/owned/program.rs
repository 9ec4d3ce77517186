//! A program with windows, running aggregates and timers, and what it is given to read.

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_state::{Declaration, Fired, List, Result, Timers};
use firesteel_streaming::{KeyedProcess, ProcessContext, StreamingContext};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};

/// A key, a second, and a number.
pub(crate) type Event = (u64, i64, i64);

/// Tells of each of a key's times when the watermark has reached it, with the numbers that the key has had by then.
struct Alarm;

struct Alarms {
    seen: List<i64>,
    at: Timers,
}

impl KeyedProcess for Alarm {
    type Key = u64;
    type In = Event;
    type Out = String;
    type State = Alarms;

    fn declare(&self, states: &mut Declaration<u64>) -> Alarms {
        Alarms { seen: states.list("seen"), at: states.event_timers("at") }
    }

    fn on_record(&self, state: &Alarms, (_, at, number): Event, ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
        state.seen.push(ctx, number)?;
        if number % 5 == 0 {
            // What was seen is forgotten, in memory and wherever it is stored.
            state.seen.clear(ctx)?;
        }
        state.at.register(ctx, Timestamp::from_secs(at + 7))?;
        Ok(())
    }

    fn on_timer(&self, state: &Alarms, timer: &Fired<u64>, ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
        let (seen, at) = (state.seen.len(ctx)?, timer.time.as_secs());
        ctx.emit(format!("alarm of {} at {at} after {seen}", timer.key));
        Ok(())
    }
}

/// What the program has yielded: a collector for each of its outputs, since one takes an epoch only once.
#[derive(Clone, Default)]
pub(crate) struct Out([Collector<String>; 4]);

impl Out {
    pub(crate) fn records(&self) -> Vec<String> {
        self.0.iter().flat_map(Collector::records).collect()
    }
}

/// Adds the program to a job. What it yields says which of its operators it is from.
pub(crate) fn program(
    job: &StreamingContext,
    events: &QueueSource<Event>,
    Out([sums, sum_totals, alarms, lates]): &Out,
) {
    let late = job.side_output("late");
    let events = job
        .read(events.clone())
        .named("events")
        .event_time(|event: &Event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(5)))
        .named("by second")
        .key_by(|event| event.0);
    let windows = events.clone().map_values(|event| event.2).window(Tumbling::of(seconds(10))).late_to(&late).sum();
    let windows =
        windows.named("sums").map(|row| format!("sum of {} from {}: {}", row.key, row.window.start(), row.value));
    windows.write(sums.clone()).named("out of sums");
    let totals = events.clone().map_values(|event| event.2).running_sum().named("totals");
    totals.map(|(key, total)| format!("total of {key}: {total}")).write(sum_totals.clone()).named("out of totals");
    events.process(Alarm).named("alarms").write(alarms.clone()).named("out of alarms");
    let late = late.stream().map(|late| format!("late: {} at {}", late.record.0, late.at));
    late.write(lates.clone()).named("out of late");
}

/// What comes in this many batches: many keys with several times each, some too late.
pub(crate) fn script(batches: i64) -> Vec<Vec<Event>> {
    let event = |batch: i64, number: i64| {
        let key = (number * 7919 + batch * 13).rem_euclid(97) as u64;
        let late = if number % 50 == 49 { 60 } else { 0 };
        (key, batch * 8 + number % 9 - late, number)
    };
    (0..batches).map(|batch| (0..200).map(|number| event(batch, number)).collect()).collect()
}
