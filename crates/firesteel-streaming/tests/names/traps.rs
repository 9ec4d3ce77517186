//! One test for each way in which an edit once took state from its owner without a word.

use firesteel_connect::{Discovery, ReadRange, Replay, Result, Source, SourceContext};
use firesteel_connect_memory::QueueSource;
use firesteel_streaming::{Stream, StreamingContext, Timed};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};

use crate::sink::Words;
use crate::{context, picture, push, refused, run, show, words};

/// Pairs to count.
fn pairs(words: Stream<String>) -> Stream<(String, ())> {
    words.map(|word| (word, ()))
}

/// Numbers that are their own event times, under one key.
fn timed(job: &StreamingContext, source: &QueueSource<i64>, name: &str) -> Stream<(u8, i64), Timed> {
    let numbers = job.read(source.clone()).named(name);
    numbers.event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(0))).key_by(|_| 0u8)
}

/// Counts them per window, with no name but that of the source.
fn tens(job: &StreamingContext, source: &QueueSource<i64>, name: &str, out: &Words) {
    let counts = timed(job, source, name).window(Tumbling::of(seconds(10))).count();
    counts.map(|row| format!("{}:{}", row.window.start().as_secs(), row.value)).write(out.clone());
}

#[test]
fn a_source_inserted_above_an_old_one_changes_nothing_for_it_and_makes_no_record_late() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (QueueSource::new(1).keep_committed(), QueueSource::new(1).keep_committed());
    let (out, more) = (Words::exactly_once("out"), Words::exactly_once("more"));
    old.handle().push(vec![101, 112]).unwrap();
    run(folder.path(), |job| tens(job, &old, "old", &out)).unwrap();
    assert_eq!(out.all(), ["100:1"]);
    // Under the other's watermark all of the new ones would be late; from the start of time, 103 would not be.
    old.handle().push(vec![103, 113, 125]).unwrap();
    new.handle().push(vec![1, 2, 13]).unwrap();
    run(folder.path(), |job| {
        tens(job, &new, "new", &more);
        tens(job, &old, "old", &out);
    })
    .unwrap();
    assert_eq!(out.all(), ["100:1", "110:2"]);
    assert_eq!(more.all(), ["0:2"]);
}

/// Words that describe themselves by where they are.
struct Moved(QueueSource<String>, &'static str);

impl Source for Moved {
    type Item = String;
    type Reader = <QueueSource<String> as Source>::Reader;
    fn describe(&self) -> String {
        self.1.to_owned()
    }
    fn replay(&self) -> Replay {
        self.0.replay()
    }
    fn start(&self, context: &SourceContext) -> Result<()> {
        self.0.start(context)
    }
    fn discover(&self, now: Timestamp) -> Result<Discovery> {
        self.0.discover(now)
    }
    fn open(&self, range: &ReadRange) -> Result<Self::Reader> {
        self.0.open(range)
    }
}

#[test]
fn a_source_is_found_by_its_name_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (words, out) = (words(), Words::exactly_once("out"));
    let at = |path: &'static str, name: Option<&'static str>| {
        let source = Moved(words.clone(), path);
        let out = out.clone();
        move |job: &StreamingContext| {
            let words = job.read(source);
            name.into_iter().fold(words, Stream::named).map(|word| word).write(out);
        }
    };
    push(&words, "a b");
    run(folder.path(), at("/old/place", Some("words"))).unwrap();
    push(&words, "c");
    run(folder.path(), at("/new/place", Some("words"))).unwrap();
    assert_eq!(out.all(), ["a", "b", "c"]);
    let text = refused(folder.path(), at("/new/place", None));
    assert!(text.contains("lost:     input:words"), "{text}");
}

#[test]
fn every_windowed_aggregation_keeps_its_name() {
    let job = context(None);
    let numbers: QueueSource<i64> = QueueSource::new(1);
    let window = |name| timed(&job, &numbers, name).window(Tumbling::of(seconds(10)));
    let kept = [
        ("a count", window("1").count().named("a count").map(drop)),
        ("a sum", window("2").sum().named("a sum").map(drop)),
        ("a minimum", window("3").min().named("a minimum").map(drop)),
        ("a maximum", window("4").max().named("a maximum").map(drop)),
        ("a mean", window("5").mean().named("a mean").map(drop)),
        ("a reduction", window("6").reduce(|a, b| a + b).named("a reduction").map(drop)),
        (
            "a fold",
            window("7").fold(0i64, |sum, value| *sum += value, |sum, more| *sum += more).named("a fold").map(drop),
        ),
        ("an aggregate", window("8").aggregate(firesteel_window::Count).named("an aggregate").map(drop)),
    ];
    let described = job.describe().unwrap();
    let stored: Vec<&str> = described.states.iter().map(|state| &*state.operator).collect();
    assert_eq!(stored, kept.map(|(name, _)| name));
}

#[test]
fn equal_operators_without_names_are_refused_with_a_checkpoint_and_told_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let (words, one, two) = (words(), Words::exactly_once("one"), Words::exactly_once("two"));
    let program = |job: &StreamingContext, names: [Option<&str>; 2]| {
        let words = job.read(words.clone()).named("words");
        let long = pairs(words.clone().filter(|word| word.len() > 1)).running_count();
        show(names[0].into_iter().fold(long, Stream::named), &one);
        let short = pairs(words.filter(|word| word.len() == 1)).running_count();
        show(names[1].into_iter().fold(short, Stream::named), &two);
    };
    push(&words, "a bb");
    for names in [[None, None], [Some("same"), Some("same")]] {
        let text = refused(folder.path(), |job| program(job, names));
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("running_count at")).collect();
        let places: Vec<&str> = text.lines().filter(|line| line.contains("traps.rs:")).collect();
        assert_eq!(places.len(), 2, "{text}");
        assert_ne!(places[0], places[1], "{text}");
        match names[0] {
            None => assert!(text.contains(".named(") && lines.len() == 2, "{text}"),
            Some(_) => assert!(text.contains("give each another name"), "{text}"),
        }
    }
    // Without a checkpoint there is nothing to find again.
    let job = context(None);
    program(&job, [None, None]);
    job.run(firesteel_streaming::Trigger::AvailableNow).unwrap();
    assert_eq!((one.all(), two.all()), (vec!["bb1".to_owned()], vec!["a1".to_owned()]));
    // One name is enough.
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (Words::exactly_once("one"), Words::exactly_once("two"));
    for (long_first, count) in [(true, 1), (false, 2)] {
        push(&words, "a bb");
        run(folder.path(), |job| {
            let words = job.read(words.clone()).named("words").filter(|_| true);
            let long =
                |words: Stream<String>| show(pairs(words.filter(|w| w.len() > 1)).running_count().named("long"), &one);
            let short = |words: Stream<String>| show(pairs(words.filter(|w| w.len() == 1)).running_count(), &two);
            if long_first {
                long(words.clone());
                short(words);
            } else {
                short(words.clone());
                long(words);
            }
        })
        .unwrap();
        // The first run reads what was pushed for the job without a checkpoint, too.
        assert_eq!(one.all().last().unwrap(), &format!("bb{}", count + 1));
        assert_eq!(two.all().last().unwrap(), &format!("a{}", count + 1));
    }
}

#[test]
fn a_window_of_another_size_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = QueueSource::new(1).keep_committed();
    let out = Words::exactly_once("out");
    let of = |size: i64| {
        let (numbers, out) = (&numbers, &out);
        move |job: &StreamingContext| {
            let counts = timed(job, numbers, "numbers").window(Tumbling::of(seconds(size))).count().named("counts");
            counts.map(|row| row.value.to_string()).write(out.clone());
        }
    };
    numbers.handle().push(vec![1]).unwrap();
    run(folder.path(), of(5)).unwrap();
    let starts = out.starts();
    let text = refused(folder.path(), of(10));
    assert!(text.contains("state:counts") && text.contains("5s") && text.contains("10s"), "{text}");
    assert_eq!(out.starts(), starts, "a sink was started");
    numbers.handle().push(vec![2, 7]).unwrap();
    run(folder.path(), of(5)).unwrap();
    assert_eq!(out.all(), ["2"]);
}

#[test]
fn sources_in_another_order_resume_each_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b, out) = (words(), words(), Words::exactly_once("out"));
    let program = |order: [&'static str; 2]| {
        let (a, b, out) = (&a, &b, out.clone());
        move |job: &StreamingContext| {
            let read = |name| job.read(if name == "a" { a.clone() } else { b.clone() }).named(name);
            let [first, second] = order.map(read);
            show(pairs(first.union(second)).running_count().named("counts"), &out);
        }
    };
    push(&a, "x x x");
    push(&b, "y");
    run(folder.path(), program(["a", "b"])).unwrap();
    push(&a, "x");
    push(&b, "y y");
    run(folder.path(), program(["b", "a"])).unwrap();
    let mut last = out.all().split_off(2);
    last.sort();
    assert_eq!(last, ["x4", "y3"]);
    // Without names, nobody can tell one from the other.
    let fresh = tempfile::tempdir().unwrap();
    let text = refused(fresh.path(), |job| {
        pairs(job.read(a.clone()).union(job.read(b.clone()))).map(|(word, ())| word).write(out.clone());
    });
    assert!(text.contains("positions of 2 operators") && text.contains(".named("), "{text}");
    assert!(picture(fresh.path()).is_empty());
}

#[test]
fn what_is_wrapped_in_operators_without_state_keeps_its_own() {
    type Wrap = fn(Stream<String>) -> Stream<String>;
    let wraps: [Wrap; 5] = [
        |words| words,
        |words| words.map(|word| word),
        |words| words.filter(|word| word != "none").named("a name that has nothing to keep"),
        |words| words.flat_map(Some).repartition(2),
        |words| words.clone().union(words.filter(|_| false)),
    ];
    for named in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (words, out) = (words(), Words::exactly_once("out"));
        for (number, wrap) in wraps.iter().enumerate() {
            push(&words, "a");
            run(folder.path(), |job| {
                let counts = pairs(wrap(job.read(words.clone()).named("words"))).running_count();
                let counts = if named { counts.named("counts") } else { counts };
                show(counts.filter(|_| true), &out);
            })
            .unwrap();
            assert_eq!(out.all().last().unwrap(), &format!("a{}", number + 1));
        }
    }
}

#[test]
fn an_output_more_or_less_takes_nothing_from_a_state() {
    let folder = tempfile::tempdir().unwrap();
    let (words, a, b) = (words(), Words::exactly_once("a"), Words::exactly_once("b"));
    let program = |to: &'static [&'static str]| {
        let (words, a, b) = (words.clone(), &a, &b);
        move |job: &StreamingContext| {
            let words = job.read(words).named("words");
            let counts = pairs(words).running_count();
            for name in to {
                show(counts.clone(), if *name == "a" { a } else { b });
            }
        }
    };
    for to in [&["a"][..], &["b", "a"], &["b"], &["a", "b"]] {
        push(&words, "x");
        run(folder.path(), program(to)).unwrap();
    }
    assert_eq!(a.all(), ["x1", "x2", "x4"]);
    assert_eq!(b.all(), ["x2", "x3", "x4"]);
}

#[test]
fn a_state_whose_last_output_has_gone_would_miss_records_and_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (words, a, b) = (words(), Words::exactly_once("a"), Words::exactly_once("b"));
    let program = |with_b: bool| {
        let (words, a, b) = (words.clone(), &a, &b);
        move |job: &StreamingContext| {
            let words = job.read(words).named("words");
            show(pairs(words.clone()).running_count().named("a"), a);
            let counts = pairs(words).running_count().named("b");
            if with_b {
                show(counts, b);
            }
        }
    };
    push(&words, "x");
    run(folder.path(), program(true)).unwrap();
    push(&words, "x");
    let text = refused(folder.path(), program(false));
    assert!(text.contains("b (running_count at") && text.contains("output"), "{text}");
    run(folder.path(), program(true)).unwrap();
    assert_eq!((a.all(), b.all()), (vec!["x1".to_owned(), "x2".to_owned()], vec!["x1".to_owned(), "x2".to_owned()]));
}

#[test]
fn of_two_equal_operators_one_is_renamed_and_told_what_it_loses() {
    let folder = tempfile::tempdir().unwrap();
    let (words, one, two) = (words(), Words::exactly_once("one"), Words::exactly_once("two"));
    let program = |names: [&'static str; 2], out: &'static str| {
        let (words, one, two) = (words.clone(), &one, &two);
        move |job: &StreamingContext| {
            let words = job.read(words).named("words");
            show(pairs(words.clone()).running_count().named(names[0]), one).named(out);
            show(pairs(words.map(|word| word + "!")).running_count().named(names[1]), two);
        }
    };
    push(&words, "a");
    run(folder.path(), program(["plain", "loud"], "results")).unwrap();
    push(&words, "a");
    let text = refused(folder.path(), program(["plain", "louder"], "results"));
    assert!(text.contains("lost:     state:loud") && text.contains("state:louder"), "{text}");
    // Their order means nothing, and an output of another name is a new one to a sink that has all of it.
    run(folder.path(), program(["plain", "loud"], "renamed")).unwrap();
    assert_eq!(one.all(), ["a1", "a2"]);
    assert_eq!(two.all(), ["a!1", "a!2"]);
}
