//! The programs that cases are run by.

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_streaming::{
    IntervalJoin, JoinSide, Stream, StreamingContext, Timed, WindowJoin, WindowKind, WindowedStream,
};
use firesteel_testkit::TestJob;
use firesteel_window::{Timestamp, Watermark};

use crate::case::{Aggregate, Case, Dedup, Does, Event, Join, JoinKind, Over, Row, Windows, id_of, joined_row};

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
        Dedup::Forever => events.forever(),
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
    let (left, right) = (left.key_by(id_of), right.key_by(id_of));
    let rows = match &join.over {
        Over::Interval(interval) => {
            let late = [job.side_output("late left"), job.side_output("late right")];
            for (late, output) in late.iter().zip(&outputs.late) {
                late.stream().map(|(_, (_, event))| event).write(output.clone());
            }
            let joined = left.interval_join(right, interval.clone());
            let joined = joined.late_left_to(&late[0]).late_right_to(&late[1]);
            by_interval(if join.at_left_time { joined.at_left_time() } else { joined }, join.kind)
        }
        Over::Window(Windows::Tumbling(windows)) => in_windows(job, left.window_join(right, *windows), join, outputs),
        Over::Window(Windows::Sliding(windows)) => in_windows(job, left.window_join(right, *windows), join, outputs),
        Over::Window(Windows::Session(windows)) => in_windows(job, left.window_join(right, *windows), join, outputs),
    };
    rows.with_time().map(|(at, (id, times))| joined_row(at, &id, times))
}

/// The key, and when the left and the right record happened.
type Joined = Stream<(String, [Option<Timestamp>; 2]), Timed>;

fn time(event: Option<&Event>) -> Option<Timestamp> {
    event.map(|event| event.1)
}

fn by_interval(joined: IntervalJoin<String, Event, Event>, kind: JoinKind) -> Joined {
    match kind {
        JoinKind::Inner => joined.inner(|left, right| [time(Some(left)), time(Some(right))]),
        JoinKind::LeftOuter => joined.left_outer(|left, right| [time(Some(left)), time(right)]),
        JoinKind::RightOuter => joined.right_outer(|left, right| [time(left), time(Some(right))]),
        JoinKind::FullOuter => joined.full_outer(|left, right| [time(left), time(right)]),
        JoinKind::LeftSemi => {
            return joined.left_semi().named("join").map(|(id, left)| (id, [time(Some(&left)), None]));
        }
        JoinKind::LeftAnti => {
            return joined.left_anti().named("join").map(|(id, left)| (id, [time(Some(&left)), None]));
        }
    }
    .named("join")
}

fn in_windows<W: WindowKind<String>>(
    job: &StreamingContext,
    joined: WindowJoin<String, Event, Event, W>,
    join: &Join,
    outputs: &Outputs,
) -> Joined {
    let late = job.side_output("late");
    let late_events = late.stream().map(|(_, (_, side))| side);
    let of_left =
        late_events.clone().flat_map(|side| if let JoinSide::Left(event) = side { Some(event) } else { None });
    of_left.write(outputs.late[0].clone());
    let of_right = late_events.flat_map(|side| if let JoinSide::Right(event) = side { Some(event) } else { None });
    of_right.write(outputs.late[1].clone());
    let joined = joined.late_to(&late);
    let rows = match join.kind {
        JoinKind::Inner => joined.inner(|left, right| [time(Some(left)), time(Some(right))]),
        JoinKind::LeftOuter => joined.left_outer(|left, right| [time(Some(left)), time(right)]),
        JoinKind::RightOuter => joined.right_outer(|left, right| [time(left), time(Some(right))]),
        JoinKind::FullOuter => joined.full_outer(|left, right| [time(left), time(right)]),
        JoinKind::LeftSemi => {
            return joined.left_semi().named("join").map(|row| (row.key, [time(Some(&row.value)), None]));
        }
        JoinKind::LeftAnti => {
            return joined.left_anti().named("join").map(|row| (row.key, [time(Some(&row.value)), None]));
        }
    };
    rows.named("join").map(|row| (row.key, row.value))
}
