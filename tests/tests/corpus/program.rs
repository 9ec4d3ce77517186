//! The programs that cases are run by.

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_streaming::{IntervalJoin, Stream, StreamingContext, Timed, WindowKind, WindowedStream};
use firesteel_testkit::TestJob;
use firesteel_window::Watermark;

use crate::case::{Aggregate, Case, Dedup, Does, Event, Join, JoinKind, Row, Windows, id_of, joined_row};

/// What the program has written.
#[derive(Clone, Default)]
pub(crate) struct Outputs {
    pub(crate) rows: Collector<Row>,
    /// Of the only input, or of the left and the right one.
    pub(crate) late: [Collector<Event>; 2],
}

/// The program of a case. Those with one input leave the other alone.
pub(crate) fn program(case: &Case, test: &TestJob, queues: &[QueueSource<Event>; 2], outputs: &Outputs) {
    let job = test.context();
    let events = events(case, job, &queues[0], "events");
    let rows = match &case.does {
        Does::Window(Windows::Tumbling(windows), of) => windowed(job, keyed(events).window(*windows), *of, outputs),
        Does::Window(Windows::Sliding(windows), of) => windowed(job, keyed(events).window(*windows), *of, outputs),
        Does::Window(Windows::Session(windows), of) => windowed(job, keyed(events).window(*windows), *of, outputs),
        Does::Dedup(dedup) => deduplicated(job, events, *dedup, outputs),
        Does::Join(join) => joined(job, events, self::events(case, job, &queues[1], "more events"), join, outputs),
    };
    rows.write(outputs.rows.clone());
}

fn events(case: &Case, job: &StreamingContext, queue: &QueueSource<Event>, name: &str) -> Stream<Event, Timed> {
    let watermark = Watermark::bounded(case.delay);
    let watermark = case.idle.map_or(watermark, |idle| watermark.idle_after(idle));
    job.read(queue.clone()).named(name).event_time(|event: &Event| event.1, watermark)
}

fn keyed(events: Stream<Event, Timed>) -> Stream<(String, i64), Timed> {
    events.map(|(key, at)| (key, at.as_micros()))
}

fn windowed<W: WindowKind<String>>(
    job: &StreamingContext,
    events: WindowedStream<String, i64, W>,
    aggregate: Aggregate,
    outputs: &Outputs,
) -> Stream<Row> {
    let late = job.side_output("late");
    late.stream().map(|(at, (key, _))| (key, at)).write(outputs.late[0].clone());
    let events = events.late_to(&late);
    let rows = match aggregate {
        Aggregate::Count => events.count().named("windows").map(|row| {
            let count = i64::try_from(row.value).unwrap();
            (row.window.start(), row.window.end(), row.key, vec![count])
        }),
        Aggregate::Times => {
            let times =
                events.fold(Vec::new(), |times, at| times.push(at), |times: &mut Vec<i64>, more| times.extend(more));
            times.named("windows").map(|mut row| {
                row.value.sort_unstable();
                (row.window.start(), row.window.end(), row.key, row.value)
            })
        }
    };
    rows.without_time()
}

fn deduplicated(job: &StreamingContext, events: Stream<Event, Timed>, dedup: Dedup, outputs: &Outputs) -> Stream<Row> {
    let late = job.side_output("late");
    late.stream().map(|(_, event)| event).write(outputs.late[0].clone());
    let events = events.dedup_by(id_of);
    let events = match dedup {
        Dedup::ForEver => events.for_ever(),
        Dedup::ForgetAfter(span) => events.forget_after(span),
        Dedup::Within(span) => events.late_to(&late).within(span),
    };
    let rows = events.named("ids").with_time();
    rows.map(|(at, (key, happened))| {
        assert_eq!(at, happened, "it keeps its time");
        (at, at, key, vec![])
    })
}

fn joined(
    job: &StreamingContext,
    left: Stream<Event, Timed>,
    right: Stream<Event, Timed>,
    join: &Join,
    outputs: &Outputs,
) -> Stream<Row> {
    let late = [job.side_output("late left"), job.side_output("late right")];
    for (late, output) in late.iter().zip(&outputs.late) {
        late.stream().map(|(_, (_, event))| event).write(output.clone());
    }
    let [late_left, late_right] = late;
    let joined: IntervalJoin<String, Event, Event> =
        left.key_by(id_of).interval_join(right.key_by(id_of), join.interval.clone());
    let joined = joined.late_left_to(&late_left).late_right_to(&late_right);
    let joined = if join.at_left_time { joined.at_left_time() } else { joined };
    let time = |event: Option<&Event>| event.map(|event| event.1);
    let rows = match join.kind {
        JoinKind::Inner => joined.inner(move |left, right| [time(Some(left)), time(Some(right))]),
        JoinKind::LeftOuter => joined.left_outer(move |left, right| [time(Some(left)), time(right)]),
        JoinKind::RightOuter => joined.right_outer(move |left, right| [time(left), time(Some(right))]),
        JoinKind::FullOuter => joined.full_outer(move |left, right| [time(left), time(right)]),
        JoinKind::LeftSemi => joined.left_semi().named("join").map(move |(id, left)| (id, [time(Some(&left)), None])),
        JoinKind::LeftAnti => joined.left_anti().named("join").map(move |(id, left)| (id, [time(Some(&left)), None])),
    };
    let rows = match join.kind {
        JoinKind::LeftSemi | JoinKind::LeftAnti => rows,
        _ => rows.named("join"),
    };
    rows.with_time().map(|(at, (id, times))| joined_row(at, &id, times))
}
