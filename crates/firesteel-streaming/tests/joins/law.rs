//! However two inputs fall into batches, lives and partitions: a join is what a nested loop makes of the whole input, and
//! nothing is late for the windows after it.

use firesteel_connect_memory::QueueSource;
use firesteel_streaming::Stream;
use firesteel_testkit::TestJob;
use firesteel_window::{Watermark, seconds};
use proptest::prelude::*;

use crate::kinds::{Event, Join, Outcome, Outputs, at, joins, windows_of};
use crate::lives::{Lives, Way, ways};

/// The two inputs of a batch.
type Batch = [Vec<Event>; 2];

/// How late events may be, in seconds.
const DELAY: i64 = 6;

/// Events of two sides of which none is late, in batches. One side may lag behind the other.
fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let event = (any::<bool>(), 0..3_u8, -20..60_i64, 0..=DELAY, prop::bool::weighted(0.2));
    (prop::collection::vec(event, 0..60), [0..30_i64, 0..30]).prop_map(|(events, lag)| {
        let mut events: Vec<_> = (0..).zip(events).collect();
        events.sort_by_key(|(_, (is_right, _, at, jitter, _))| at + jitter + lag[usize::from(*is_right)]);
        let mut batches = vec![Batch::default()];
        for (number, (is_right, key, at, _, is_cut)) in events {
            if is_cut {
                batches.push(Batch::default());
            }
            batches.last_mut().unwrap()[usize::from(is_right)].push((key, at, number));
        }
        batches
    })
}

fn run(batches: &[Batch], join: Join, way: &Way) -> (Outcome, u64, u64) {
    let queues = [(); 2].map(|()| QueueSource::new(1).keep_committed());
    let (outcome, mut lives) = (Outputs::default(), Lives::new(way));
    let program = |test: &TestJob| {
        let side = |name: &str, queue: &QueueSource<Event>| -> Stream<_, _> {
            let events = test.context().read(queue.clone()).named(name);
            events.event_time(at, Watermark::bounded(seconds(DELAY))).key_by(|event| event.0)
        };
        let joined = side("left", &queues[0]).interval_join(side("right", &queues[1]), join.interval());
        let joined = join.apply(joined);
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
    fn a_join_is_that_of_a_nested_loop(batches in batches(), join in joins(), way in ways()) {
        let of_side = |side: usize| batches.iter().flat_map(|batch| batch[side].clone()).collect::<Vec<_>>();
        let expected = join.expected(&of_side(0), &of_side(1));
        let (outcome, late, left) = run(&batches, join, &way);
        let windows = windows_of(&expected);
        prop_assert_eq!(outcome, (expected, windows));
        prop_assert_eq!((late, left), (0, 0), "late, and left in the state");
    }
}
