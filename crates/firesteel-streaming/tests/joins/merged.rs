//! Several inputs, of which one has ended, is idle, or has never begun.

use firesteel_connect_memory::QueueSource;
use firesteel_streaming::{Stream, Timed};
use firesteel_testkit::TestJob;
use firesteel_window::{Duration, Timestamp, Tumbling, Watermark, seconds};

type Event = (u8, i64);

fn events(test: &TestJob, queue: &QueueSource<Event>, name: &str, idle: Option<Duration>) -> Stream<Event, Timed> {
    let watermark = Watermark::bounded(seconds(0));
    let watermark = idle.map_or(watermark, |idle| watermark.idle_after(idle));
    test.context()
        .read(queue.clone())
        .named(name)
        .event_time(|event: &Event| Timestamp::from_secs(event.1), watermark)
        .named(name)
}

/// Starts of the windows that fire, batch by batch, over two inputs that are read into one stream: what each has in a batch, and
/// whether it ends then.
fn windows(idle: Option<Duration>, batches: &[(&[i64], Option<&[i64]>)]) -> (Vec<Vec<i64>>, u64) {
    let test = TestJob::new();
    let [first, second] = [QueueSource::new(1), QueueSource::new(1)];
    let both = events(&test, &first, "first", idle).union(events(&test, &second, "second", idle));
    let starts = both.key_by(|event| event.0).window(Tumbling::of(seconds(10))).count();
    let starts = test.record(starts.map(|row| row.window.start().as_secs()));
    let (mut late, event) = (0, |at: &i64| (1, *at));
    for (one, other) in batches {
        first.handle().push(one.iter().map(event).collect()).unwrap();
        match other {
            Some(other) => second.handle().push(other.iter().map(event).collect()).unwrap(),
            None => second.handle().close(),
        }
        late += test.batch().unwrap().late;
    }
    (starts.batches(), late)
}

#[test]
fn an_input_that_has_ended_is_not_waited_for() {
    let none: &[i64] = &[];
    let (fired, late) = windows(None, &[(&[5], Some(&[7])), (&[25], None), (&[35], None), (&[45], None)]);
    assert_eq!((fired, late), (vec![vec![], vec![0], vec![20], vec![30]], 0));
    // Nor is one that never had a record, from the next epoch on.
    let (fired, late) = windows(None, &[(&[5], Some(none)), (&[25], None), (&[35], None), (&[45], None)]);
    assert_eq!((fired, late), (vec![vec![], vec![], vec![0, 20], vec![30]], 0));
}

#[test]
fn an_input_that_is_idle_is_not_waited_for_and_what_it_has_then_is_late() {
    let none: &[i64] = &[];
    let silent: &[(&[i64], Option<&[i64]>)] =
        &[(&[5], Some(&[7])), (&[25], Some(none)), (&[35], Some(none)), (&[45], Some(&[28, 41])), (&[55], Some(&[55]))];
    let (fired, late) = windows(Some(seconds(2)), silent);
    assert_eq!((fired, late), (vec![vec![], vec![], vec![0, 20], vec![30], vec![40]], 1));
    let (fired, late) = windows(None, silent);
    assert_eq!((fired, late), (vec![vec![], vec![], vec![], vec![0, 20, 30], vec![40]], 0));
    // One that has never begun.
    let never: &[(&[i64], Option<&[i64]>)] = &[(&[5], Some(none)), (&[25], Some(none)), (&[35], Some(none))];
    let (fired, _) = windows(Some(seconds(2)), never);
    assert_eq!(fired, [vec![], vec![], vec![0, 20]]);
    let (fired, _) = windows(None, never);
    assert_eq!(fired, [vec![], vec![], vec![]]);
}

#[test]
fn without_records_an_input_that_falls_idle_lets_the_others_move_on() {
    let test = TestJob::new();
    let [first, second] = [QueueSource::new(1), QueueSource::new(1)];
    let idle = Some(seconds(3));
    let both = events(&test, &first, "first", None).union(events(&test, &second, "second", idle));
    let starts = both.key_by(|event| event.0).window(Tumbling::of(seconds(10))).count();
    let starts = test.record(starts.map(|row| row.window.start().as_secs()));
    first.handle().push(vec![(1, 5), (1, 25)]).unwrap();
    second.handle().push(vec![(1, 7)]).unwrap();
    for _ in 0..4 {
        test.batch().unwrap();
    }
    assert_eq!(starts.batches().concat(), [0], "nothing has come since");
}
