//! Permission to lose: by name, for one loss, on record.

use std::path::Path;

use firesteel_connect_memory::QueueSource;
use firesteel_state::{Catalog, Dropped, Snapshots};
use firesteel_streaming::{Error, Trigger};

use crate::sink::Words;
use crate::{checkpoint, context, push};

/// What the newest snapshot says of the checkpoint.
fn catalog(folder: &Path) -> Catalog {
    let snapshots = Snapshots::in_folder(&folder.join("snapshots")).unwrap();
    let newest = snapshots.list().unwrap().pop().unwrap();
    snapshots.manifest(newest).unwrap().catalog
}

/// Counts words under some of two names; returns the words with their counts.
fn run(folder: &Path, words: &QueueSource<String>, names: &[&'static str], allow: &[&str]) -> Result<String, Error> {
    let job = context(checkpoint(folder, false).allow_loss(allow.iter().copied()));
    let all = job.read(words.clone()).named("words").map(|word: String| (word, ()));
    let outs: Vec<Words> = names.iter().map(|name| Words::in_memory(name)).collect();
    for (name, out) in names.iter().zip(&outs) {
        let counts = all.clone().running_count().named(name);
        counts.map(|(word, count)| format!("{word}{count}")).write(out.clone());
    }
    job.run(Trigger::AvailableNow)?;
    Ok(outs.iter().flat_map(Words::all).collect::<Vec<_>>().join(" "))
}

#[test]
fn a_permission_is_good_for_one_loss_and_stays_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let words = QueueSource::new(1).keep_committed();
    let turn = |names: &[&'static str], allow: &[&str]| {
        push(&words, "x");
        run(folder.path(), &words, names, allow).map_err(|error| error.to_string())
    };
    assert_eq!(turn(&["a", "b"], &[]).unwrap(), "x1 x1");
    // A permission for something else does not help.
    let refused = turn(&["a"], &["state:a", "input:words"]).unwrap_err();
    assert!(refused.contains("Checkpoint::allow_loss([\"state:b\"])"), "{refused}");
    // It does not lose what is there either.
    assert_eq!(turn(&["a"], &["state:b"]).unwrap(), "x3");
    let dropped = catalog(folder.path()).dropped().to_vec();
    let expected = Dropped { permission: "state:b".to_owned(), members: vec!["state:b".to_owned()], epoch: 1 };
    assert_eq!(dropped, [expected]);
    // It stays in the program: what comes back begins empty, and is not lost a second time without a word.
    assert_eq!(turn(&["a", "b"], &["state:b"]).unwrap(), "x4 x1");
    let refused = turn(&["a"], &["state:b"]).unwrap_err();
    assert!(refused.contains("Checkpoint::allow_loss([\"state:b#2\"])"), "{refused}");
    assert_eq!(turn(&["a"], &["state:b", "state:b#2"]).unwrap(), "x6");
    assert_eq!(turn(&["a", "b"], &["state:b", "state:b#2"]).unwrap(), "x7 x1");
    assert!(turn(&["a"], &["state:b", "state:b#2"]).unwrap_err().contains("state:b#3"));
}

#[test]
fn what_is_refused_can_be_dropped_and_starts_empty_under_its_name() {
    for with_backend in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let words = QueueSource::new(1).keep_committed();
        let out = Words::exactly_once("out");
        let run = |sums: bool, allow: &[&str]| {
            push(&words, "x x");
            let job = context(checkpoint(folder.path(), with_backend).allow_loss(allow.iter().copied()));
            let pairs = job.read(words.clone()).named("words").map(|word: String| (word, 10u64));
            if sums {
                let sums = pairs.running_sum().named("totals");
                sums.map(|(word, sum)| format!("{word}{sum}")).write(out.clone());
            } else {
                let counts = pairs.running_count().named("totals");
                counts.map(|(word, count)| format!("{word}{count}")).write(out.clone());
            }
            job.run(Trigger::AvailableNow)
        };
        run(false, &[]).unwrap();
        assert!(matches!(run(true, &[]), Err(Error::Changed { .. })));
        run(true, &["state:totals"]).unwrap();
        run(true, &["state:totals"]).unwrap();
        assert_eq!(out.all(), ["x2", "x40", "x60"]);
    }
}

#[test]
fn an_input_that_was_dropped_is_forgotten_at_once_and_read_from_its_start_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (words, more) = (QueueSource::new(1).keep_committed(), QueueSource::new(1).keep_committed());
    let out = Words::exactly_once("out");
    let run = |with_more: bool, allow: &[&str], is_run: bool| {
        let job = context(checkpoint(folder.path(), false).allow_loss(allow.iter().copied()));
        let all = job.read(words.clone()).named("words").map(|word: String| word);
        if with_more {
            all.union(job.read(more.clone()).named("more").map(|word: String| word)).write(out.clone());
        } else {
            all.write(out.clone());
        }
        if is_run { job.run(Trigger::AvailableNow) } else { job.begin().map(drop) }
    };
    push(&words, "a");
    push(&more, "b");
    run(true, &[], true).unwrap();
    assert!(run(false, &[], true).is_err());
    // It ends before its first epoch; the next start asks for no permission any more.
    run(false, &["input:more"], false).unwrap();
    run(false, &[], false).unwrap();
    push(&words, "c");
    run(false, &[], true).unwrap();
    run(true, &[], true).unwrap();
    assert_eq!(out.all(), ["a", "b", "c", "b"]);
}

#[test]
fn results_that_are_gone_are_given_up_by_the_name_of_their_output() {
    let folder = tempfile::tempdir().unwrap();
    let words = QueueSource::new(1).keep_committed();
    let out = Words::exactly_once("out");
    let run = |allow: &[&str]| {
        let job = context(checkpoint(folder.path(), false).allow_loss(allow.iter().copied()));
        job.read(words.clone()).named("words").map(|word: String| word).write(out.clone());
        job.run(Trigger::AvailableNow)
    };
    for word in ["a", "b", "c"] {
        push(&words, word);
        run(&[]).unwrap();
    }
    out.lose_after(1);
    let refused = run(&["input:words"]).unwrap_err().to_string();
    assert!(refused.contains("FS-S011") && refused.contains("allow_loss([\"output:out\"])"), "{refused}");
    // Without an epoch in between, the same results are not lost again.
    run(&["output:out"]).unwrap();
    run(&["output:out"]).unwrap();
    push(&words, "d");
    run(&["output:out"]).unwrap();
    assert_eq!(out.all(), ["a", "d"]);
    out.lose_after(1);
    let refused = run(&["output:out"]).unwrap_err().to_string();
    assert!(refused.contains("output:out#2"), "{refused}");
}
