//! However records and versions fall into batches, lives and partitions: a join as of event time is what a nested loop makes of the
//! whole input, nothing is late for the windows after it, and the last version of a key is all that stays.

use std::collections::BTreeSet;

use firesteel_connect_memory::QueueSource;
use firesteel_streaming::Stream;
use firesteel_testkit::TestJob;
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};
use proptest::prelude::*;

use crate::kinds::{Outcome, Outputs, Row, windows_of};
use crate::lives::{Lives, Way, ways};

/// Key, second, number, and whether it deletes the key.
type Event = (u8, i64, u32, bool);

/// The records and the versions of a batch.
type Batch = [Vec<Event>; 2];

/// How late events may be, in seconds.
const DELAY: i64 = 6;

/// Events of both sides of which none is late, in batches, numbered as they arrive. One side may lag behind the other.
fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let event = (any::<bool>(), 0..3_u8, -20..60_i64, 0..=DELAY, prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    (prop::collection::vec(event, 0..80), [0..30_i64, 0..30]).prop_map(|(mut events, lag)| {
        events.sort_by_key(|(is_right, _, at, jitter, ..)| at + jitter + lag[usize::from(*is_right)]);
        let mut batches = vec![Batch::default()];
        for (number, (is_right, key, at, _, is_cut, deletes)) in (0..).zip(events) {
            if is_cut {
                batches.push(Batch::default());
            }
            batches.last_mut().unwrap()[usize::from(is_right)].push((key, at, number, deletes));
        }
        batches
    })
}

#[derive(Debug, Clone, Copy)]
struct AsOf {
    is_outer: bool,
    forgets: Option<i64>,
}

impl AsOf {
    /// The version that holds, of several at one time the last to arrive.
    fn valid_at(self, key: u8, at: i64, versions: &[Event]) -> Option<u32> {
        let until = versions.iter().filter(|version| version.0 == key && version.1 <= at);
        let newest = until.max_by_key(|version| (version.1, version.2))?;
        let holds = !newest.3 && self.forgets.is_none_or(|span| at - newest.1 <= span);
        holds.then_some(newest.2)
    }

    fn expected(self, records: &[Event], versions: &[Event]) -> Vec<Row> {
        let row = |record: &Event| (record.1, record.0, Some(record.2), self.valid_at(record.0, record.1, versions));
        let mut rows: Vec<Row> = records.iter().map(row).filter(|row| self.is_outer || row.3.is_some()).collect();
        rows.sort_unstable();
        rows
    }

    /// How many rows stay for good.
    fn stays(self, versions: &[Event]) -> u64 {
        let keys: BTreeSet<u8> = versions.iter().map(|version| version.0).collect();
        let holds = keys.iter().filter(|key| self.valid_at(**key, i64::MAX / 2, versions).is_some());
        if self.forgets.is_some() { 0 } else { holds.count() as u64 }
    }
}

fn run(batches: &[Batch], join: AsOf, way: &Way) -> (Outcome, u64, u64) {
    let queues = [(); 2].map(|()| QueueSource::new(1).keep_committed());
    let (outcome, mut lives) = (Outputs::default(), Lives::new(way));
    let program = |test: &TestJob| {
        let side = |name: &str, queue: &QueueSource<Event>| -> Stream<_, _> {
            let events = test.context().read(queue.clone()).named(name);
            let at = |event: &Event| Timestamp::from_secs(event.1);
            events.event_time(at, Watermark::bounded(seconds(DELAY))).key_by(|event| event.0)
        };
        let table = side("table", &queues[1]).as_table_by(|event| (!event.3).then_some(event));
        let joined = side("records", &queues[0]).as_of(table);
        let joined = join.forgets.into_iter().fold(joined, |joined, span| joined.forget_after(seconds(span)));
        let joined = match join.is_outer {
            true => joined.left_outer(|record, version| [Some(record.2), version.map(|version| version.2)]),
            false => joined.inner(|record, version| [Some(record.2), Some(version.2)]),
        };
        let joined = joined.named("join");
        outcome.write(joined);
    };
    let push = |batch: &Batch| {
        let mut sides = queues.iter().zip(batch);
        sides.try_for_each(|(queue, events)| queue.handle().push(events.clone())).unwrap();
    };
    let left = lives.all(batches, push, program);
    (outcome.sorted(), lives.late, left)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn a_join_as_of_event_time_is_that_of_a_nested_loop(
        batches in batches(),
        is_outer in any::<bool>(),
        forgets in prop::option::of(0..25_i64),
        way in ways(),
    ) {
        let join = AsOf { is_outer, forgets };
        let of_side = |side: usize| batches.iter().flat_map(|batch| batch[side].clone()).collect::<Vec<_>>();
        let expected = join.expected(&of_side(0), &of_side(1));
        let (outcome, late, left) = run(&batches, join, &way);
        let windows = windows_of(&expected);
        prop_assert_eq!(outcome, (expected, windows));
        prop_assert_eq!((late, left), (0, join.stays(&of_side(1))), "late, and left in the state");
    }
}

#[test]
fn a_table_in_order_of_arrival_holds_no_watermark_back() {
    let test = TestJob::new();
    let at = |event: &(u8, i64)| Timestamp::from_secs(event.1);
    let prices = test.script([vec![(1, 5)], vec![], vec![]]).event_time(at, Watermark::bounded(seconds(0)));
    let sales = test.script([vec![(1, 7)], vec![(1, 25)], vec![(1, 1)]]);
    let sales = sales.event_time(at, Watermark::bounded(seconds(0))).key_by(|sale| sale.0);
    let joined = sales.join_latest(prices.key_by(|price| price.0).as_table()).inner(|_, _| ());
    let counts = joined.window(Tumbling::of(seconds(10))).count();
    let counts = test.record(counts.map(|row| (row.window.start().as_secs(), row.value)));
    let late: Vec<u64> = (0..3).map(|_| test.batch().unwrap().late).collect();
    assert_eq!(counts.batches(), [vec![], vec![(0, 1)], vec![]]);
    // The record is late for the windows, and was for nothing before them.
    assert_eq!(late, [0, 0, 1]);
}

#[test]
fn streams_without_event_time_are_joined_in_order_of_arrival_at_any_parallelism() {
    for partitions in [1, 3] {
        let test = TestJob::builder().partitions(partitions).build();
        let table =
            test.script([(0..50).map(|n| (n, n * 10)).collect(), (0..50).map(|n| (n, n * 20)).collect::<Vec<_>>()]);
        let events = test.script([(0..60).collect::<Vec<i32>>(), (0..60).collect()]).key_by(|n| *n);
        let joined = events.join_latest(table.as_table()).inner(|n, value| value - n);
        let joined = test.record(joined.map(|(_, value)| value));
        test.run().unwrap();
        let expected = [9, 19].map(|times| (0..50).map(|n| n * times).collect::<Vec<i32>>());
        assert_eq!(joined.sorted(), expected);
    }
}
