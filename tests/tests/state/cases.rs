//! Spark's cases of state by key: 5, 7, 8, 19, 20 and 40.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use firesteel_connect::Class;
use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_core::{PairOps, RddOps};
use firesteel_streaming::{
    Error, EventTimeout, FlatMapSpec, KeyState, MapSpec, OutputMode, ProcessingTimeout, RunningSpec, UpdateSpec,
};
use firesteel_testkit::faults::{FaultySink, SinkAt};
use firesteel_testkit::timeline;
use firesteel_window::{Count, Timestamp, Watermark, seconds};

use crate::ways::{Lives, Way, check, run, words};

/// Case 5: sums by `updateStateByKey`. All known keys come out in every batch.
pub(crate) fn update_state_by_key(ways: &[Way]) {
    let input = words("a | a b | a b c | a b | a | ∅");
    let sum = |new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.iter().sum::<u64>());
    check(ways, &input, &[&["a1", "a2 b1", "a3 b2 c1", "a4 b3 c1", "a5 b3 c1", "a5 b3 c1"]], |_, words, out| {
        let sums = words.map(|word| (word, 1_u64)).update_state_by_key(sum);
        out.write(sums.map(|(word, sum)| format!("{word}{sum}")));
    });
    let expected = ["a2 c2", "a3 b1 c2", "a4 b2 c3", "a5 b3 c3", "a6 b3 c3", "a6 b3 c3"];
    check(ways, &input, &[&expected], |test, words, out| {
        let initial = test.context().rdds().parallelize([("a".to_owned(), 1), ("c".to_owned(), 2)]);
        let sums = words
            .map(|word| (word, 1_u64))
            .update_state_by_key_with(UpdateSpec::new().initial_state(initial), move |_, _, new, old| sum(new, old));
        out.write(sums.map(|(word, sum)| format!("{word}{sum}")));
    });
    let expected = [
        "a1000 c0",
        "a3000 b2000 c0",
        "a6000 b5000 c3000",
        "a10000 b9000 c3000",
        "a15000 b9000 c3000",
        "a15000 b9000 c3000",
    ];
    check(ways, &input, &[&expected], |test, words, out| {
        let initial = test.context().rdds().parallelize([("a".to_owned(), 0), ("c".to_owned(), 0)]);
        let times = |time: Timestamp, _: &String, new: Vec<()>, old: Option<i64>| {
            let millis = if new.is_empty() { 0 } else { time.as_secs() * 1000 };
            Some(old.unwrap_or(0) + millis)
        };
        let sums =
            words.map(|word| (word, ())).update_state_by_key_with(UpdateSpec::new().initial_state(initial), times);
        out.write(sums.map(|(word, sum)| format!("{word}{sum}")));
    });
}

/// Case 7: running sums by `mapWithState`, with all states after each batch.
pub(crate) fn map_with_state(ways: &[Way]) {
    let input = words("∅ | a | a b | a b c | a b | a | ∅");
    let mapped = ["", "1", "1 2", "1 2 3", "3 4", "5", ""];
    let snapshots = ["", "a1", "a2 b1", "a3 b2 c1", "a4 b3 c1", "a5 b3 c1", "a5 b3 c1"];
    check(ways, &input, &[&mapped, &snapshots], |test, words, out| {
        let states = test.context().side_output("states");
        let sums = words.map(|word| (word, 1_i64)).map_with_state_with(
            MapSpec::new().snapshots_to(&states),
            |_, one, sum: &mut KeyState<i64>| {
                let new = sum.get().unwrap_or(&0) + one.unwrap_or(0);
                sum.update(new);
                [new]
            },
        );
        out.write(sums);
        out.write(states.stream().map(|(word, sum)| format!("{word}{sum}")));
    });
    let snapshots = [
        "a5 b10 c-20 d0",
        "a6 b10 c-20 d0",
        "a7 b11 c-20 d0",
        "a8 b12 c-19 d0",
        "a9 b13 c-19 d0",
        "a10 b13 c-19 d0",
        "a10 b13 c-19 d0",
    ];
    check(ways, &input, &[&[""; 7], &snapshots], |test, words, out| {
        let initial = [("a", 5), ("b", 10), ("c", -20), ("d", 0)].map(|(word, sum)| (word.to_owned(), sum));
        let initial = test.context().rdds().parallelize(initial);
        let states = test.context().side_output("states");
        let spec = MapSpec::new().initial_state(initial).snapshots_to(&states);
        let sums = words.map(|word| (word, 1_i64)).map_with_state_with(spec, |_, one, sum: &mut KeyState<i64>| {
            sum.update(sum.get().unwrap_or(&0) + one.unwrap_or(0));
            None::<String>
        });
        out.write(sums);
        out.write(states.stream().map(|(word, sum)| format!("{word}{sum}")));
    });
}

/// Case 8: removal, and the timeout of idle keys.
pub(crate) fn removal_and_timeout(ways: &[Way]) {
    let input = words("∅ | a | a b | a b c | a b c | a b | a | ∅");
    let removed = ["", "", "a", "b", "a c", "b", "a", ""];
    let states = ["", "a1", "b1", "a1 c1", "b1", "a1", "", ""];
    check(ways, &input, &[&removed, &states], |test, words, out| {
        let states = test.context().side_output("states");
        let spec = MapSpec::new().snapshots_to(&states);
        let removed = words.map(|word| (word, ())).map_with_state_with(spec, |word, _, state: &mut KeyState<i64>| {
            if state.exists() {
                state.remove();
                return Some(word.clone());
            }
            state.update(1);
            None
        });
        out.write(removed);
        out.write(states.stream().map(|(word, state)| format!("{word}{state}")));
    });

    let mut input = words("a b c | a b | a | ∅ | ∅ | a");
    input.extend((0..20).map(|_| vec!["a".to_owned()]));
    for way in ways {
        let done = run(way, &input, |test, words, out| {
            let states = test.context().side_output("states");
            let spec = MapSpec::new().timeout(seconds(3)).snapshots_to(&states);
            let gone =
                words.map(|word| (word, ())).map_with_state_with(spec, |word, one, state: &mut KeyState<i64>| {
                    match one {
                        Some(()) => state.update(1),
                        None => assert_eq!((state.is_timing_out(), state.get()), (true, Some(&1))),
                    }
                    state.is_timing_out().then(|| word.clone())
                });
            out.write(gone);
            out.write(states.stream().map(|(word, state)| format!("{word}{state}")));
        });
        let done: Vec<_> = done.into_iter().map(Result::unwrap).collect();
        let gone: Vec<_> = done.iter().map(|done| done.outputs[0].as_str()).filter(|gone| !gone.is_empty()).collect();
        // Idle for three seconds: c since the first second, b since the second one.
        assert_eq!(gone, ["c", "b"], "{}", way.name);
        assert_eq!(done[3].outputs[0], "c", "{}", way.name);
        assert_eq!(done[4].outputs[0], "b", "{}", way.name);
        assert_eq!(done.last().unwrap().outputs[1], "a1", "{}", way.name);
        assert_eq!(done.iter().map(|done| done.state()[0]).collect::<Vec<_>>()[..6], [3, 3, 3, 2, 1, 1]);
    }
}

/// Keys of the initial state time out, too: their time counts from the first batch.
pub(crate) fn timeout_of_initial_state(ways: &[Way]) {
    let expected = ["", "", "a b", "", "c"];
    check(ways, &words("a c | ∅ | c | a | ∅"), &[&expected], |test, words, out| {
        let initial = [("a", 1), ("b", 2)].map(|(word, sum)| (word.to_owned(), sum));
        let initial = test.context().rdds().parallelize(initial);
        let spec = MapSpec::new().initial_state(initial).timeout(seconds(2));
        let gone = words.map(|word| (word, ())).map_with_state_with(spec, |word, one, state: &mut KeyState<i64>| {
            if one.is_some() {
                state.update(0);
            }
            state.is_timing_out().then(|| word.clone())
        });
        out.write(gone);
    });
}

/// Case 19: counts per value by output mode.
pub(crate) fn counts_by_output_mode(ways: &[Way]) {
    let input = [vec![3], vec![3, 2], vec![3, 2, 1], vec![4, 4, 4, 4]];
    check(ways, &input, &[&["(3,1)", "(2,1) (3,2)", "(1,1) (2,2) (3,3)", "(4,4)"]], |_, numbers, out| {
        let counts = numbers.map(|number: i32| (number, ())).running_count();
        out.write(counts.map(|(number, count)| format!("({number},{count})")));
    });
    let input = [vec![3], vec![2], vec![3, 2, 1], vec![4, 4, 4, 4]];
    let expected = ["(3,1)", "(2,1) (3,1)", "(1,1) (2,2) (3,2)", "(1,1) (2,2) (3,2) (4,4)"];
    check(ways, &input, &[&expected], |_, numbers, out| {
        let counts = numbers
            .map(|number: i32| (number, ()))
            .running_aggregate_with(RunningSpec::new().output_mode(OutputMode::Complete), Count);
        out.write(counts.map(|(number, count)| format!("({number},{count})")));
    });
}

/// Case 20: the numbers that are reported of state.
pub(crate) fn state_metrics(ways: &[Way]) {
    for (mode, rows, numbers) in [
        (OutputMode::Update, ["(1,1) (2,1)", "(2,2) (3,2) (4,1)"], [[2, 2, 2], [3, 3, 4]]),
        (OutputMode::Complete, ["(1,1) (2,1)", "(1,1) (2,2) (3,2) (4,1)"], [[2, 2, 2], [4, 3, 4]]),
    ] {
        for way in ways {
            let done = run(way, &[vec![1], vec![2, 3]], |_, numbers, out| {
                let counts = numbers
                    .flat_map(|x: i32| [x, x + 1])
                    .map(|x| (x, ()))
                    .running_aggregate_with(RunningSpec::new().output_mode(mode), Count);
                out.write(counts.named("counts").map(|(number, count)| format!("({number},{count})")));
            });
            for ((done, rows), [output, updated, total]) in done.into_iter().zip(rows).zip(numbers) {
                let done = done.unwrap();
                assert_eq!(done.outputs[0], rows, "{mode:?}, {}", way.name);
                let rows_out = done.progress.outputs[0].rows;
                let state = done.state();
                assert_eq!([rows_out, state[1], state[0]], [output, updated, total], "{mode:?}, {}", way.name);
                assert_eq!(&*done.progress.states[0].operator, "counts");
                assert!(done.progress.states[0].memory_bytes > 0);
            }
        }
    }
}

/// Case 20: a record that fails once, in the map task or after the state, counts once.
pub(crate) fn a_failed_attempt_counts_nothing(ways: &[Way]) {
    for fails_after in [false, true] {
        for way in ways {
            let fails = Arc::new(AtomicU32::new(0));
            let done = run(way, &[vec![1, 2, 3, 4], vec![4]], |_, numbers, out| {
                let [before, after] = [Arc::clone(&fails), Arc::clone(&fails)];
                let fail = |fails: &AtomicU32| assert!(fails.fetch_add(1, Ordering::Relaxed) > 0, "it fails once");
                let counts = numbers
                    .map(move |number: i32| {
                        if number == 4 && !fails_after {
                            fail(&before);
                        }
                        (number, ())
                    })
                    .running_count();
                out.write(counts.map(move |(number, count)| {
                    if number == 4 && fails_after {
                        fail(&after);
                    }
                    format!("({number},{count})")
                }));
            });
            let rows: Vec<_> = done.into_iter().map(|done| done.unwrap().outputs.remove(0)).collect();
            assert_eq!(rows, ["(1,1) (2,1) (3,1) (4,1)", "(4,2)"], "{}", way.name);
            assert!(fails.load(Ordering::Relaxed) > 1, "it has failed and been repeated");
        }
    }
}

/// Case 20: a batch that was not committed is run again at its own time, whatever the clock says by then.
///
/// Spark empties its commit log and clears the sink. Here a commit that fails leaves the same behind: an epoch that is
/// prepared, and a sink that has nothing of it.
pub(crate) fn a_batch_keeps_its_time(ways: &[Way]) {
    for way in ways.iter().filter(|way| way.is_durable()) {
        let queue = QueueSource::new(way.inputs).keep_committed();
        let rows = Collector::new();
        let mut lives = Lives::of(way);
        let mut begin = |now, fails_after: u32| {
            lives.begin(now, 10, |test| {
                let (sink, faults) = FaultySink::new(rows.clone());
                faults.fail_later(SinkAt::Commit, fails_after, 1, Class::Fatal);
                test.context()
                    .read(queue.clone())
                    .named("values")
                    .map(|value: i64| (value, ()))
                    .running_aggregate_with(RunningSpec::new().output_mode(OutputMode::Complete), Count)
                    .transform(|counts, batch| {
                        let since = batch.time().as_secs() - 10;
                        Ok::<_, Error>(counts.filter(move |(value, _)| *value >= since))
                    })
                    .map(|(value, count)| format!("({value},{count})"))
                    .write(sink);
            })
        };
        // What each batch has written so far: batches and epochs have the same numbers here.
        let written = || {
            rows.batches().into_iter().map(|(epoch, mut rows)| {
                rows.sort();
                format!("{}: {}", epoch.0, rows.join(" "))
            })
        };
        let mut expected = vec!["1: (0,1) (10,1) (5,2)", "2: (10,1) (15,2) (20,1)"];
        let test = begin(0, 2);
        for values in [vec![0, 5, 5, 10], vec![15, 15, 20]] {
            queue.handle().push(values).unwrap();
            test.batch().unwrap();
        }
        queue.handle().push(vec![0, 85]).unwrap();
        let error = test.batch().unwrap_err();
        assert!(matches!(error, Error::Sink { batch: 3, .. }), "{error:?}, {}", way.name);
        drop(test);
        assert!(written().eq(expected.iter().copied()), "{:?}, {}", rows.batches(), way.name);

        // The job starts with the third batch, at its old time; the fourth has nothing to read, but a later time.
        let test = begin(80, u32::MAX);
        assert_eq!(test.batch().unwrap().time, Timestamp::from_secs(90), "{}", way.name);
        expected.extend(["3: (20,1) (85,1)", "4: (85,1)"]);
        queue.handle().push(vec![85, 90, 100, 105]).unwrap();
        assert_eq!(test.batch().unwrap().time, Timestamp::from_secs(100), "{}", way.name);
        expected.push("5: (100,1) (105,1) (90,1)");
        assert!(written().eq(expected), "{:?}, {}", rows.batches(), way.name);
    }
}

/// Case 20: a static table, aggregated and joined in every batch, counts the same in each.
pub(crate) fn a_static_table_stays_as_it_is(ways: &[Way]) {
    let rows = "(0,0,2) (1,1,3)";
    check(ways, &[vec![0, 1, 2, 3], vec![0, 1, 2, 3]], &[&[rows, rows]], |test, numbers, out| {
        let table = test.context().rdds().parallelize(1..=5_i64);
        let by_parity = table.map(|number| (number % 2, 1_u64)).reduce_by_key(|a, b| a + b);
        let numbers = numbers.map(|number: i64| (number, number));
        let joined = numbers.transform(move |numbers, _| Ok::<_, Error>(numbers.join(by_parity.clone())));
        out.write(joined.map(|(key, (number, count))| format!("({number},{key},{count})")));
    });
}

/// Case 40: counts by `flatMapGroupsWithState` that are removed at 3.
pub(crate) fn flat_map_with_state(ways: &[Way]) {
    for way in ways {
        let done = run(way, &words("a | a b | a b | a c"), |_, words, out| {
            let counts = words.map(|word| (word, ())).flat_map_with_state(
                |word, new, count: &mut KeyState<usize, ProcessingTimeout>| {
                    let so_far = count.get().unwrap_or(&0) + new.len();
                    if so_far == 3 {
                        count.remove();
                        return [format!("{word}-1")];
                    }
                    count.update(so_far);
                    [format!("{word}{so_far}")]
                },
            );
            out.write(counts);
        });
        let done: Vec<_> = done.into_iter().map(Result::unwrap).collect();
        let rows: Vec<_> = done.iter().map(|done| done.outputs[0].as_str()).collect();
        assert_eq!(rows, ["a1", "a2 b1", "a-1 b2", "a1 c1"], "{}", way.name);
        let states: Vec<_> = done.iter().map(crate::ways::Done::state).collect();
        assert_eq!(states, [[1, 1, 0], [2, 2, 0], [1, 1, 1], [3, 2, 0]], "{}", way.name);
    }
}

/// Case 40: a timeout of event time, five seconds after the largest time of the key.
///
/// Spark fires it one batch later; here it fires in the batch whose records move the watermark past it.
pub(crate) fn event_time_timeout(ways: &[Way]) {
    let input = timeline::parse("a@11 a@13 a@15 | a@4 | a@10 | b@31").unwrap();
    for way in ways {
        let done = run(&way.with_one_input(), &input, |test, events, out| {
            let late = test.context().side_output("late");
            let spec = FlatMapSpec::new().late_to(&late);
            let largest = events
                .event_time(|event| event.1, Watermark::bounded(seconds(10)))
                .key_by(|event| event.0.clone())
                .flat_map_with_state_with(spec, |key, new, largest: &mut KeyState<i64, EventTimeout>| {
                    if largest.is_timing_out() {
                        assert!(new.is_empty());
                        largest.remove();
                        return Some(format!("({key},-1)"));
                    }
                    let times = new.iter().map(|(at, _)| at.as_secs());
                    let now = times.chain(largest.get().copied()).max()?;
                    largest.update(now);
                    largest.set_timeout_at(Timestamp::from_secs(now + 5));
                    Some(format!("({key},{now})"))
                });
            out.write(largest);
            out.write(late.stream().map(|late| format!("{}@{}", late.record.0, late.at.as_secs())));
        });
        let done: Vec<_> = done.into_iter().map(Result::unwrap).collect();
        let rows: Vec<_> = done.iter().map(|done| done.outputs[0].as_str()).collect();
        assert_eq!(rows, ["(a,15)", "", "(a,15)", "(a,-1) (b,31)"], "{}", way.name);
        let late: Vec<_> = done.iter().map(|done| done.outputs[1].as_str()).collect();
        assert_eq!(late, ["", "a@4", "", ""], "{}", way.name);
        let late: Vec<_> = done.iter().map(|done| done.progress.late).collect();
        assert_eq!(late, [0, 1, 0, 0], "{}", way.name);
        assert_eq!(done.last().unwrap().state(), [1, 1, 1], "{}", way.name);
    }
}

/// Case 40: what a failed task did to state leaves no trace, also where the job ends by it and is started again.
pub(crate) fn a_failed_job_leaves_no_trace(ways: &[Way]) {
    for way in ways {
        let calls = Arc::new(AtomicU32::new(0));
        let done = run(way, &words("a | a | a"), |_, words, out| {
            let calls = Arc::clone(&calls);
            let counts = words.map(|word| (word, ())).flat_map_with_state(
                move |_, new, count: &mut KeyState<usize, ProcessingTimeout>| {
                    let so_far = count.get().unwrap_or(&0) + new.len();
                    count.update(so_far);
                    // All attempts of the third batch fail, as long as the job is not started again.
                    let call = calls.fetch_add(1, Ordering::Relaxed);
                    assert!(!(2..6).contains(&call), "the third batch fails");
                    [so_far]
                },
            );
            out.write(counts);
        });
        let mut rows =
            done.into_iter().map(|done| done.map_or_else(|_| "failed".to_owned(), |mut done| done.outputs.remove(0)));
        assert_eq!(rows.by_ref().take(3).collect::<Vec<_>>(), ["1", "2", "failed"], "{}", way.name);
        let last: Vec<_> = rows.collect();
        assert!(last.is_empty() || last == ["3"], "{last:?}, {}", way.name);
        assert_eq!(last.is_empty(), !way.restarts(), "{}", way.name);
    }
}

/// The rules of case 40 on timeouts of processing time.
pub(crate) fn timeouts_by_function(ways: &[Way]) {
    // The value of a word says after how many seconds it times out, 0 for never.
    let input = words("a2 b2 c5 | b0 | ∅ | ∅ | a1 | c1 | ∅");
    let expected = ["a:set b:set c:set", "b:set", "a:out", "", "a:set", "a:out c:set", "c:out"];
    check(ways, &input, &[&expected], |_, words, out| {
        let words = words.map(|word| (word[..1].to_owned(), word[1..].parse::<i64>().unwrap_or_default()));
        let calls = words.flat_map_with_state(|word, new, state: &mut KeyState<i64, ProcessingTimeout>| {
            let Some(after) = new.last() else {
                // Not updating keeps the state, and clears the timeout.
                assert!(state.is_timing_out() && state.exists());
                return [format!("{word}:out")];
            };
            state.update(*after);
            if *after > 0 {
                state.set_timeout_after(seconds(*after));
            }
            [format!("{word}:set")]
        });
        out.write(calls);
    });
}

/// A function that is called because time is up may ask to be called again.
pub(crate) fn timeout_after_timeout(ways: &[Way]) {
    let expected = ["a3 b3", "", "a2 b2", "", "a1 b1", "", "a0 b0", "", "", "a3", ""];
    check(
        ways,
        &words("a b | ∅ | ∅ | ∅ | ∅ | ∅ | ∅ | ∅ | ∅ | a | ∅"),
        &[&expected],
        |_, words, out| {
            let calls = words.map(|word| (word, ())).flat_map_with_state(
                |word, new, left: &mut KeyState<i64, ProcessingTimeout>| {
                    let now = if new.is_empty() { left.get().unwrap_or(&0) - 1 } else { 3 };
                    left.update(now);
                    if now > 0 {
                        left.set_timeout_after(seconds(2));
                    }
                    [format!("{word}{now}")]
                },
            );
            out.write(calls);
        },
    );
}
