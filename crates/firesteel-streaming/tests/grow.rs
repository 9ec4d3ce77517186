//! Programs of any length and width, built at run time.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::thread;

use firesteel_connect_memory::{Collector, MemorySource, QueueSource};
use firesteel_streaming::{Error, Stream, StreamingContext, Trigger};

/// Operators one after another, source and output included, as the error says.
const LONGEST: usize = 1_000;

fn context() -> StreamingContext {
    StreamingContext::builder("grow").threads(2).partitions(2).build().unwrap()
}

fn numbers(job: &StreamingContext, up_to: u64) -> Stream<u64> {
    job.read(MemorySource::new((0..up_to).collect::<Vec<_>>()))
}

/// Adds one and keeps everything, in turns.
fn chain(numbers: Stream<u64>, operators: usize) -> Stream<u64> {
    (0..operators).fold(numbers, |numbers, turn| match turn % 2 {
        0 => numbers.map(|number| number + 1),
        _ => numbers.filter(|number| *number < 1_000_000),
    })
}

/// What is written when the job has read everything, in ascending order.
fn result<T: Clone + Ord + Send + Sync + 'static>(job: &StreamingContext, stream: Stream<T>) -> Vec<T> {
    let out = Collector::new();
    stream.write(out.clone());
    job.run(Trigger::AvailableNow).unwrap();
    let mut records = out.records();
    records.sort();
    records
}

/// Runs something with little stack: half of what threads have if nobody says otherwise.
fn with_little_stack(f: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(1 << 20).spawn(f).unwrap().join().unwrap();
}

#[test]
fn a_chain_of_two_hundred_operators_gives_what_they_make() {
    let job = context();
    let stream = chain(numbers(&job, 3000), 200);
    assert_eq!(result(&job, stream), (100..3100).collect::<Vec<_>>());
}

#[test]
fn a_chain_as_long_as_may_be_runs_with_little_stack() {
    with_little_stack(|| {
        let job = context();
        let stream = chain(numbers(&job, 10), LONGEST - 2);
        assert_eq!(job.explain().unwrap_err().to_string().split(':').next(), Some("FS-S001"));
        let added = (LONGEST as u64 - 2) / 2;
        assert_eq!(result(&job, stream), (added..added + 10).collect::<Vec<_>>());
    });
}

#[test]
fn a_chain_of_keyed_operators_as_long_as_may_be_runs_with_little_stack() {
    with_little_stack(|| {
        let job = context();
        let mut pairs = numbers(&job, 4).map(|number| (number, 1u64));
        // Source, map, two operators per turn; map and output.
        let turns = (LONGEST - 4) / 2;
        for _ in 0..turns {
            pairs = pairs.reduce_by_key(|a, b| a + b).map_values(|value| value + 1);
        }
        let expected: Vec<(u64, u64)> = (0..4).map(|number| (number, 1 + turns as u64)).collect();
        assert_eq!(result(&job, pairs.map(|pair| pair)), expected);
    });
}

#[test]
fn a_chain_that_is_too_long_is_refused_at_the_start_and_told_the_limit() {
    for operators in [LONGEST - 1, 30_000] {
        with_little_stack(move || {
            let job = context();
            chain(numbers(&job, 10), operators).write(Collector::new());
            let explained = job.explain().unwrap_err();
            let refused = job.run(Trigger::AvailableNow).unwrap_err();
            assert!(matches!(refused, Error::Setting { .. }), "{refused:?}");
            assert_eq!(explained.to_string(), refused.to_string());
            let text = refused.to_string();
            assert!(text.starts_with("FS-S002") && text.contains(&LONGEST.to_string()), "{text}");
            assert!(text.contains("grow.rs:") && text.contains("side output"), "{text}");
        });
    }
}

#[test]
fn the_way_out_of_a_chain_that_is_too_long_works() {
    let job = context();
    let mut stream = chain(numbers(&job, 10), 800);
    for number in 0..3 {
        let side = job.side_output::<u64>(&format!("part {number}"));
        stream.divert(&side, Err::<(), u64>).filter(|()| true).write(Collector::new());
        stream = chain(side.stream(), 800);
    }
    assert_eq!(result(&job, stream), (1600..1610).collect::<Vec<_>>());
}

#[test]
fn a_chain_that_nothing_comes_of_is_given_back() {
    with_little_stack(|| {
        let job = context();
        let stream = chain(numbers(&job, 10), 30_000);
        let clones = vec![stream.clone(); 3];
        drop(stream);
        drop(job);
        drop(clones);
    });
}

#[test]
fn twenty_outputs_get_each_its_own() {
    let job = context();
    let all = numbers(&job, 1000);
    let outs: Vec<Collector<u64>> = (0..20)
        .map(|of| {
            let out = Collector::new();
            all.clone().filter(move |number| number % 20 == of).write(out.clone()).named(&format!("out {of}"));
            out
        })
        .collect();
    job.run(Trigger::AvailableNow).unwrap();
    for (of, out) in (0..20).zip(outs) {
        let mut records = out.records();
        records.sort_unstable();
        assert_eq!(records, (0..50).map(|turn| 20 * turn + of).collect::<Vec<_>>());
    }
}

#[test]
fn twenty_inputs_are_united() {
    let job = context();
    let inputs = (0..20u64).map(|of| {
        let numbers = (0..100).map(|number| 20 * number + of).collect::<Vec<_>>();
        job.read(MemorySource::new(numbers)).named(&format!("input {of}"))
    });
    let united = inputs.reduce(Stream::union).unwrap();
    assert_eq!(result(&job, united), (0..2000).collect::<Vec<_>>());
}

#[test]
fn unions_of_unions_have_every_record_as_often_as_it_came() {
    let job = context();
    let mut level: Vec<Stream<u64>> =
        (0..16).map(|of| job.read(MemorySource::new(vec![of])).named(&format!("input {of}"))).collect();
    while level.len() > 1 {
        let mut above = Vec::new();
        let mut streams = level.into_iter();
        while let (Some(a), Some(b)) = (streams.next(), streams.next()) {
            above.push(a.union(b).map(|number| number + 100));
        }
        level = above;
    }
    let tree = level.remove(0);
    // With itself, three times: eight of each.
    let doubled = (0..3).fold(tree, |stream, _| stream.clone().union(stream));
    let expected: Vec<u64> = (400..416).flat_map(|number| [number; 8]).collect();
    assert_eq!(result(&job, doubled), expected);
}

#[test]
fn thirty_states_in_a_row_keep_each_its_own() {
    let job = context();
    let numbers = QueueSource::new(1).one_at_a_time();
    let batches: [&[u64]; 3] = [&[1, 2], &[5], &[7, 1]];
    for batch in batches {
        numbers.handle().push(batch.to_vec()).unwrap();
    }
    numbers.handle().close();
    let mut sums = job.read(numbers).map(|number| (number % 2, number));
    for _ in 0..30 {
        sums = sums.running_sum();
    }
    let out = Collector::new();
    sums.write(out.clone());
    job.run(Trigger::AsSoonAsPossible).unwrap();
    let mut found = out.records();
    found.sort_unstable();
    let (mut states, mut expected) = ([[0u64; 30]; 2], Vec::new());
    for batch in batches {
        for key in 0..2 {
            let mine: Vec<u64> = batch.iter().copied().filter(|number| number % 2 == key).collect();
            if mine.is_empty() {
                continue;
            }
            let mut value = mine.iter().sum::<u64>();
            for state in &mut states[key as usize] {
                *state += value;
                value = *state;
            }
            expected.push((key, value));
        }
    }
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn thirty_clones_of_a_stream_have_all_of_it() {
    let job = context();
    let stream = numbers(&job, 100).map(|number| number * 2);
    let clones: Vec<Stream<u64>> = (0..30).map(|of| stream.clone().map(move |number| 1000 * of + number)).collect();
    drop(stream);
    let found = result(&job, clones.into_iter().reduce(Stream::union).unwrap());
    let expected: Vec<u64> = (0..30).flat_map(|of| (0..100).map(move |number| 1000 * of + 2 * number)).collect();
    assert_eq!(found, expected);
}
