//! Event time that follows the clock where nothing comes any more.

use firesteel_connect_memory::QueueSource;
use firesteel_testkit::TestJob;
use firesteel_window::{BoundedOutOfOrderness, Timestamp, Tumbling, Watermark, seconds};

const FOLLOWS: BoundedOutOfOrderness = Watermark::bounded(seconds(1)).follow_clock_after(seconds(5));

/// Starts of the windows that fire with each batch, a second apart: what the two splits of an input have then.
fn fired(watermark: BoundedOutOfOrderness, batches: &[[&[i64]; 2]]) -> (Vec<Vec<i64>>, u64) {
    let test = TestJob::new();
    let queue = QueueSource::new(2);
    let handle = queue.handle();
    let events =
        test.context().read(queue).filter(|at| *at >= 0).event_time(|at: &i64| Timestamp::from_secs(*at), watermark);
    let starts = events.key_by(|_| 0_u8).window(Tumbling::of(seconds(10))).count();
    let starts = test.record(starts.map(|row| row.window.start().as_secs()));
    let mut late = 0;
    for splits in batches {
        handle.push_partitions(splits.iter().map(|split| split.to_vec()).collect()).unwrap();
        late += test.batch().unwrap().late;
    }
    (starts.batches(), late)
}

const NONE: [&[i64]; 2] = [&[], &[]];

#[test]
fn the_last_window_closes_as_if_events_came() {
    // 13 less the delay, and 7 seconds later it is past 20, but not before five seconds of silence.
    let batches = [&[[&[13][..], &[16][..]]], &[NONE; 9][..]].concat();
    let (rows, late) = fired(FOLLOWS, &batches);
    let when: Vec<usize> = (0..10).filter(|batch| !rows[*batch].is_empty()).collect();
    assert_eq!((when, late), (vec![8], 0));
    let (rows, _) = fired(Watermark::bounded(seconds(1)), &batches);
    assert!(rows.concat().is_empty(), "who does not ask for it waits");
}

#[test]
fn one_split_that_is_not_silent_is_enough_to_wait() {
    let batches = [&[[&[13][..], &[13][..]]][..], &[[&[][..], &[13][..]]; 20]].concat();
    assert!(fired(FOLLOWS, &batches).0.concat().is_empty());
    // What a filter leaves out is silence.
    let batches = [&[[&[13][..], &[13][..]]][..], &[[&[-1][..], &[-1][..]]; 20]].concat();
    assert_eq!(fired(FOLLOWS, &batches).0.concat(), [10]);
}

#[test]
fn before_the_first_event_no_time_follows_the_clock() {
    let batches = [&[NONE; 20][..], &[[&[3][..], &[3][..]]]].concat();
    assert_eq!(fired(FOLLOWS, &batches), (vec![vec![]; 21], 0));
}

#[test]
fn what_comes_after_the_silence_is_late_by_event_time_alone() {
    // The watermark is at 12, and at 22 ten seconds later: 19 is late, 23 is not.
    let batches = [&[[&[13][..], &[13][..]]][..], &[NONE; 10], &[[&[19, 23][..], &[][..]]]].concat();
    let (rows, late) = fired(FOLLOWS, &batches);
    assert_eq!((rows.concat(), late), (vec![10], 1));
}
