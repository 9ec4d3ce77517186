//! The programs that cases are run by.

use firesteel_connect_memory::{Collector, LatestRows, QueueSource};
use firesteel_streaming::{
    Changes, IntervalJoin, JoinSide, Late, Stream, StreamingContext, Timed, WindowJoin, WindowKind, WindowResult,
    WindowedStream,
};
use firesteel_testkit::TestJob;
use firesteel_window::{Change, CountWindow, DisjointWindows, Firing, Global, Max, Piece, Timestamp, Watermark};

use crate::aggregate::Aggregate;
use crate::case::{
    Case, Dedup, Does, Event, Firings, Join, JoinKind, Over, Row, Table, Windows, id_of, joined_row, remainder_gap,
    row_at,
};

/// What the program has written.
#[derive(Clone, Default)]
pub(crate) struct Outputs {
    pub(crate) rows: Collector<Row>,
    /// Of the only input, or of the left and the right one.
    pub(crate) late: [Collector<Event>; 2],
    /// Of windows that may fire more than once: those on time, and the newest of each.
    pub(crate) on_time: Collector<Row>,
    pub(crate) newest: LatestRows<String, Vec<i64>>,
}

/// The program of a case. Those with one input leave the other alone.
pub(crate) fn program(case: &Case, test: &TestJob, queues: &[QueueSource<Event>; 2], outputs: &Outputs) {
    let job = test.context();
    let events = events(case, job, &queues[0], "events");
    match &case.does {
        Does::Window(windows, aggregate, firings) => {
            let events = keyed(events);
            match windows {
                Windows::Tumbling(windows) if case.purge => {
                    pieces(job, events.window(*windows), (*aggregate, *firings), outputs)
                }
                Windows::Global if case.purge => pieces(job, events.window(Global), (*aggregate, *firings), outputs),
                _ => windowed(job, events, *windows, (*aggregate, *firings), outputs),
            }
        }
        Does::Dedup(dedup) => {
            deduplicated(job, events, *dedup, outputs).write(outputs.rows.clone());
        }
        Does::Join(join) => {
            let more = self::events(case, job, &queues[1], "more events");
            joined(job, events, more, join, outputs).write(outputs.rows.clone());
        }
        Does::Table(table) => {
            let changes = self::events(case, job, &queues[1], "table");
            with_table(job, events, changes, *table, outputs).write(outputs.rows.clone());
        }
        Does::Pattern(sequence) => {
            let late = job.side_output("late");
            late.stream().map(|late: Late<(String, Event)>| late.record.1).write(outputs.late[0].clone());
            let found = events.key_by(id_of).match_pattern(sequence.pattern()).late_to(&late);
            let found = found.outcomes(crate::pattern::found).named("pattern").with_time();
            found.map(|(at, (id, found))| row_at(at, found.row(&id))).write(outputs.rows.clone());
        }
    }
}

fn events(case: &Case, job: &StreamingContext, queue: &QueueSource<Event>, name: &str) -> Stream<Event, Timed> {
    let watermark = Watermark::bounded(case.delay);
    let watermark = case.idle.map_or(watermark, |idle| watermark.idle_after(idle));
    job.read(queue.clone()).named(name).event_time(|event: &Event| event.1, watermark)
}

fn keyed(events: Stream<Event, Timed>) -> Stream<(String, i64), Timed> {
    events.map(|(key, at)| (key, at.as_micros()))
}

fn windowed(
    job: &StreamingContext,
    events: Stream<(String, i64), Timed>,
    windows: Windows,
    of: (Aggregate, Option<Firings>),
    outputs: &Outputs,
) {
    match windows {
        Windows::Tumbling(windows) => rows(job, events.window(windows), of, outputs),
        Windows::Sliding(windows) => rows(job, events.window(windows), of, outputs),
        Windows::Session(windows) => rows(job, events.window(windows), of, outputs),
        Windows::SessionByRemainder => {
            rows(job, events.sessions_by(|at| remainder_gap(Timestamp::from_micros(*at))), of, outputs)
        }
        Windows::Global => rows(job, events.window(Global), of, outputs),
        Windows::Count(windows) => counted(events, windows, of.0, outputs),
    }
}

fn rows<W: WindowKind<String>>(
    job: &StreamingContext,
    events: WindowedStream<String, i64, W>,
    (aggregate, firings): (Aggregate, Option<Firings>),
    outputs: &Outputs,
) {
    let late = job.side_output("late");
    late.stream().map(|late: Late<(String, i64)>| (late.record.0, late.at)).write(outputs.late[0].clone());
    let Some((allowed, early)) = firings else {
        let rows = events.late_to(&late).aggregate(aggregate).named("windows").map(on_time);
        rows.write(outputs.rows.clone());
        return;
    };
    let events = events.allow_late(allowed).late_to(&late);
    let events = if let Some(early) = early { events.trigger(early) } else { events };
    let rows: Changes<String, Vec<i64>> = events.aggregate(aggregate).named("windows");
    let row = |change: Change<String, Vec<i64>>| {
        let Change { window, key, firing, value } = change;
        (window.start(), window.end(), key, firing, value)
    };
    rows.clone().changelog().map(row).write(outputs.rows.clone());
    rows.clone().on_time().map(on_time).write(outputs.on_time.clone());
    rows.write(outputs.newest.clone());
}

/// What is new of windows that are emptied when they fire.
fn pieces<W: WindowKind<String> + DisjointWindows>(
    job: &StreamingContext,
    events: WindowedStream<String, i64, W>,
    (aggregate, firings): (Aggregate, Option<Firings>),
    outputs: &Outputs,
) {
    let late = job.side_output("late");
    late.stream().map(|late: Late<(String, i64)>| (late.record.0, late.at)).write(outputs.late[0].clone());
    let (allowed, early) = firings.unwrap_or_default();
    let events = events.allow_late(allowed);
    let events = if let Some(early) = early { events.trigger(early) } else { events };
    let pieces = events.purging().late_to(&late).aggregate(aggregate).named("windows");
    let rows = pieces.map(|piece| {
        let Piece { window, key, firing, value, .. } = piece;
        (window.start(), window.end(), key, firing, Some(value))
    });
    rows.write(outputs.rows.clone());
}

fn on_time(row: WindowResult<String, Vec<i64>>) -> Row {
    (row.window.start(), row.window.end(), row.key, Firing::OnTime, Some(row.value))
}

fn counted(events: Stream<(String, i64), Timed>, windows: CountWindow, aggregate: Aggregate, outputs: &Outputs) {
    let rows = events.count_window(windows).aggregate((aggregate, Max)).named("windows");
    let rows = rows.map(|(key, (result, latest))| {
        let latest = Timestamp::from_micros(latest.unwrap());
        (latest, latest, key, Firing::OnTime, Some(result))
    });
    rows.write(outputs.rows.clone());
}

fn deduplicated(job: &StreamingContext, events: Stream<Event, Timed>, dedup: Dedup, outputs: &Outputs) -> Stream<Row> {
    let late = job.side_output("late");
    late.stream().map(|late: Late<Event>| late.record).write(outputs.late[0].clone());
    let events = events.dedup_by(id_of);
    let events = match dedup {
        Dedup::Forever => events.forever(),
        Dedup::ForgetAfter(span) => events.forget_after(span),
        Dedup::Within(span) => events.late_to(&late).within(span),
    };
    let rows = events.named("ids").with_time();
    rows.map(|(at, (key, happened))| {
        assert_eq!(at, happened, "it keeps its time");
        row_at(at, key)
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
                late.stream().map(|late: Late<(String, Event)>| late.record.1).write(output.clone());
            }
            let joined = left.interval_join(right, interval.clone());
            let joined = joined.late_left_to(&late[0]).late_right_to(&late[1]);
            by_interval(if join.at_left_time { joined.at_left_time() } else { joined }, join.kind)
        }
        Over::Window(Windows::Tumbling(windows)) => in_windows(job, left.window_join(right, *windows), join, outputs),
        Over::Window(Windows::Sliding(windows)) => in_windows(job, left.window_join(right, *windows), join, outputs),
        Over::Window(Windows::Session(windows)) => in_windows(job, left.window_join(right, *windows), join, outputs),
        Over::Window(Windows::Global) => in_windows(job, left.window_join(right, Global), join, outputs),
        Over::Window(Windows::Count(_) | Windows::SessionByRemainder) => panic!("no case has a join by them"),
    };
    rows.with_time().map(|(at, (id, times))| joined_row(at, &id, times))
}

fn with_table(
    job: &StreamingContext,
    events: Stream<Event, Timed>,
    changes: Stream<Event, Timed>,
    table: Table,
    outputs: &Outputs,
) -> Stream<Row> {
    let (late, late_versions) = (job.side_output("late"), job.side_output("late versions"));
    late.stream().map(|late: Late<(String, Event)>| late.record.1).write(outputs.late[0].clone());
    let version = |late: Late<(String, Option<Event>)>| {
        let (key, version) = late.record;
        version.unwrap_or_else(|| (format!("{key}#-"), late.at))
    };
    late_versions.stream().map(version).write(outputs.late[1].clone());
    let (events, changes) = (events.key_by(id_of), changes.key_by(id_of));
    let changes = changes.as_table_by(|event| (!event.0.ends_with("#-")).then_some(event));
    let row = |event: Event, version: Option<&Event>| [Some(event.1), version.map(|version| version.1)];
    let inner = move |event, version: &Event| row(event, Some(version));
    let rows: Joined = match table {
        Table { as_of: true, is_outer, forgets } => {
            let joined = events.as_of(changes).late_to(&late).late_versions_to(&late_versions);
            let joined = if let Some(span) = forgets { joined.forget_after(span) } else { joined };
            if is_outer { joined.left_outer(row) } else { joined.inner(inner) }
        }
        Table { as_of: false, is_outer, forgets } => {
            let joined = events.join_latest(changes);
            let joined = if let Some(span) = forgets { joined.forget_after(span) } else { joined };
            if is_outer { joined.left_outer(row) } else { joined.inner(inner) }
        }
    };
    rows.named("join").with_time().map(|(at, (id, times))| joined_row(at, &id, times))
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
    let late_events = late.stream().map(|late: Late<(String, JoinSide<Event, Event>)>| late.record.1);
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
