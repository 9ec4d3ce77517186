//! What cannot work is refused before the job starts, with the way out; and so is another pattern than that of what is stored, whose records may
//! be of a wider type.

use std::path::Path;

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_core::Exchange;
use firesteel_streaming::{Checkpoint, Error};
use firesteel_testkit::TestJob;
use firesteel_window::{AfterMatch, Pattern, Timestamp, Watermark, seconds};

fn two_within(within: i64) -> Pattern<i64> {
    Pattern::begin("one", |_: &i64| true).followed_by("two", |_| true).within(seconds(within))
}

#[test]
fn a_pattern_that_may_wait_forever_and_does_not_say_so() {
    let test = TestJob::new();
    let numbers = test.script([vec![1_i64]]);
    let numbers = numbers.event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(1)));
    let pattern = Pattern::begin("one", |_: &i64| true).next("two", |_| true);
    test.record(numbers.key_by(|_| 0_u8).match_pattern(pattern).matches(|found| found.len()).named("pairs"));
    let said = test.batch().unwrap_err().to_string();
    assert!(
        said.contains("pairs") && said.contains("FS-W014") && said.contains("say `within`, or `forever`"),
        "{said}"
    );
}

/// Starts a job with a pattern over a checkpoint, and runs a batch.
fn start(folder: &Path, queue: &QueueSource<i64>, pattern: Pattern<i64>, version: u32) -> Result<(), Error> {
    let checkpoint = Checkpoint::in_folder(folder);
    let test = TestJob::builder().configure(|job| job.checkpoint(checkpoint)).build();
    let numbers = test.context().read(queue.clone()).named("numbers");
    let numbers = numbers.event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(1))).key_by(|_| 0_u8);
    let found = numbers.match_pattern(pattern).matches(|found| found.len()).named("pairs").version(version);
    found.write(Collector::new());
    test.batch().map(drop)
}

#[test]
fn another_pattern_than_that_of_what_is_stored() {
    let (folder, queue) = (tempfile::tempdir().unwrap(), QueueSource::new(1).keep_committed());
    queue.handle().push(vec![1]).unwrap();
    start(folder.path(), &queue, two_within(10), 0).unwrap();
    start(folder.path(), &queue, two_within(10), 0).unwrap();
    let said = |pattern, version| start(folder.path(), &queue, pattern, version).unwrap_err().to_string();
    let text = said(two_within(11), 0);
    assert!(text.contains("state:pairs: within = 11s, but 10s is stored"), "{text}");
    let text = said(two_within(10).after_match(AfterMatch::EveryStart), 0);
    assert!(text.contains("after match = every start, but skip past it is stored"), "{text}");
    let text = said(two_within(10).followed_by("three", |_| true), 0);
    assert!(text.contains("steps = one, followed by two, followed by three"), "{text}");
    let text = said(two_within(10).in_a_row(), 0);
    assert!(text.contains("steps = one, followed by two in a row"), "{text}");
    // Conditions cannot be compared: who changes them says so.
    let text = said(two_within(10), 1);
    assert!(text.contains("version"), "{text}");
    start(folder.path(), &queue, two_within(10), 0).unwrap();
}

/// Finds pairs of numbers that are kept as one type or another, the second one larger, and says both.
fn pairs<N>(folder: &Path, queue: &QueueSource<i64>, found: &Collector<(i64, i64)>)
where
    N: Exchange + Copy + Ord + TryFrom<i64> + TryInto<i64>,
{
    let checkpoint = Checkpoint::in_folder(folder);
    let test = TestJob::builder().configure(|job| job.checkpoint(checkpoint)).build();
    let numbers = test.context().read(queue.clone()).named("numbers");
    let numbers = numbers
        .event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(2)))
        .map(|at| (0_u8, N::try_from(at).unwrap_or_else(|_| unreachable!("it is small"))));
    let pattern =
        Pattern::begin("one", |_: &N| true).followed_by("two", |_| true).and(|two, so_far| two > so_far.last());
    let number = |n: &N| (*n).try_into().unwrap_or_else(|_| unreachable!("it is small"));
    let of_both = move |pair: &firesteel_window::Matched<'_, N>| (number(pair.first()), number(pair.last()));
    let told = numbers.match_pattern(pattern.within(seconds(100))).matches(of_both).named("pairs");
    told.map(|(_, pair)| pair).write(found.clone());
    test.batch().unwrap();
}

#[test]
fn what_is_open_continues_with_a_wider_number() {
    let (folder, queue) = (tempfile::tempdir().unwrap(), QueueSource::new(1).keep_committed());
    let found = Collector::new();
    // 1 is a partial match when 4 has come, and 4 waits.
    for numbers in [&[1, 4][..], &[20]] {
        queue.handle().push(numbers.to_vec()).unwrap();
        match numbers.len() {
            2 => pairs::<u32>(folder.path(), &queue, &found),
            _ => pairs::<u64>(folder.path(), &queue, &found),
        }
    }
    assert_eq!(found.records(), [(1, 4)]);
}
