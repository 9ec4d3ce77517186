//! An epoch that was prepared and not committed everywhere, met by the program that prepared it and by others.

use std::path::Path;
use std::sync::Arc;

use firesteel_connect_memory::QueueSource;
use firesteel_streaming::{Checkpoint, Error, Trigger};

use crate::sink::Words;
use crate::{checkpoint, context, copy, push};

/// Everything outside of the process.
struct World {
    words: QueueSource<String>,
    a: Words,
    b: Words,
    /// Cannot tell what it has.
    c: Words,
}

/// What is written where.
#[derive(Clone, Copy, Default)]
struct Sinks {
    without_a: bool,
    without_c: bool,
    only_c: bool,
    /// A further output.
    with_d: bool,
}

/// Passes words on, and counts them; a changed program counts them twice.
fn run(world: &World, checkpoint: Checkpoint, is_changed: bool, sinks: Sinks, d: &Words) -> Result<(), Error> {
    let job = context(checkpoint);
    let words = job.read(world.words.clone()).named("words").map(|word: String| word);
    // What is counted is kept as state and not shown.
    let counts = |named: &str| {
        words.clone().map(|word| (word, ())).running_count().named(named).map(|(word, _)| word).filter(|_| false)
    };
    let counted = counts("counts");
    let counted = if is_changed { counted.union(counts("more counts")) } else { counted };
    let words = words.union(counted);
    if !sinks.without_a && !sinks.only_c {
        words.clone().write(world.a.clone());
    }
    if !sinks.only_c {
        words.clone().write(world.b.clone());
    }
    if !sinks.without_c {
        words.clone().write(world.c.clone());
    }
    if sinks.with_d {
        words.clone().write(d.clone());
    }
    job.run(Trigger::AvailableNow)
}

/// A job whose process died when epoch 2 was prepared, with the sinks that have it.
fn crashed(folder: &Path, with_backend: bool, sinks: Sinks, has: [bool; 3]) -> World {
    let world = World {
        words: QueueSource::new(1).keep_committed(),
        a: Words::exactly_once("a"),
        b: Words::exactly_once("b"),
        c: Words::at_least_once("c"),
    };
    let d = Words::exactly_once("d");
    push(&world.words, "one two");
    run(&world, checkpoint(&folder.join("live"), with_backend), false, sinks, &d).unwrap();
    let copied = Arc::new(parking_lot::Mutex::new(false));
    for sink in [&world.a, &world.b, &world.c] {
        let (folder, copied) = (folder.to_owned(), Arc::clone(&copied));
        sink.before_commit(move |epoch| {
            if epoch == 2 && !std::mem::replace(&mut *copied.lock(), true) {
                copy(&folder.join("live"), &folder.join("crashed"));
            }
        });
    }
    push(&world.words, "three two");
    run(&world, checkpoint(&folder.join("live"), with_backend), false, sinks, &d).unwrap();
    assert!(*copied.lock());
    for (sink, has) in [&world.a, &world.b, &world.c].into_iter().zip(has) {
        sink.before_commit(|_| {});
        if !has {
            sink.lose_after(1);
        }
    }
    push(&world.words, "four");
    world
}

const ALL: [&str; 5] = ["one", "two", "three", "two", "four"];

fn every_combination() -> impl Iterator<Item = (bool, [bool; 3])> {
    (0..16).map(|bits| (bits & 8 != 0, [bits & 1 != 0, bits & 2 != 0, bits & 4 != 0]))
}

#[test]
fn the_program_that_prepared_an_epoch_finishes_it_whichever_sinks_have_it() {
    for (with_backend, has) in every_combination() {
        let folder = tempfile::tempdir().unwrap();
        let world = crashed(folder.path(), with_backend, Sinks::default(), has);
        let again = checkpoint(&folder.path().join("crashed"), with_backend);
        run(&world, again, false, Sinks::default(), &Words::exactly_once("d")).unwrap();
        assert_eq!(world.a.all(), ALL, "{has:?}");
        assert_eq!(world.b.all(), ALL, "{has:?}");
        // It may have an epoch twice.
        let c = world.c.all();
        assert!(c.starts_with(&["one".to_owned(), "two".to_owned()]) && c.ends_with(&["four".to_owned()]), "{c:?}");
        assert_eq!(c.len(), if has[2] { 7 } else { 5 }, "{has:?}");
    }
}

#[test]
fn another_program_doubles_and_loses_nothing_whichever_sinks_have_the_epoch() {
    for (with_backend, has) in every_combination() {
        let folder = tempfile::tempdir().unwrap();
        let world = crashed(folder.path(), with_backend, Sinks::default(), has);
        let at = folder.path().join("crashed");
        let before = crate::picture(&at);
        let d = Words::exactly_once("d");
        let changed = run(&world, checkpoint(&at, with_backend), true, Sinks::default(), &d);
        // The third sink cannot tell, so that nobody can tell that all have it.
        if !has[0] && !has[1] {
            changed.unwrap();
        } else {
            let refused = changed.unwrap_err().to_string();
            assert!(refused.starts_with("FS-S013") && refused.contains("epoch 2"), "{has:?}: {refused}");
            assert!(refused.contains("Start the program that prepared it once more"), "{refused}");
            assert!(crate::picture(&at) == before, "{has:?}: a refused start has changed something");
            // The way out works.
            run(&world, checkpoint(&at, with_backend), false, Sinks::default(), &d).unwrap();
            push(&world.words, "five");
            run(&world, checkpoint(&at, with_backend), true, Sinks::default(), &d).unwrap();
        }
        let a = world.a.all();
        assert_eq!(a[..5], ALL, "{has:?}");
        assert_eq!(a, world.b.all(), "{has:?}");
        for word in ALL {
            assert!(world.c.all().contains(&word.to_owned()), "{has:?}");
        }
    }
}

#[test]
fn where_all_can_tell_another_program_takes_over_what_all_have() {
    let sinks = Sinks { without_c: true, ..Sinks::default() };
    for (with_backend, has) in every_combination() {
        let folder = tempfile::tempdir().unwrap();
        let world = crashed(folder.path(), with_backend, sinks, has);
        let (at, d) = (folder.path().join("crashed"), Words::exactly_once("d"));
        let changed = run(&world, checkpoint(&at, with_backend), true, Sinks { with_d: true, ..sinks }, &d);
        if has[0] == has[1] {
            changed.unwrap();
            assert_eq!((world.a.all(), world.b.all()), (ALL.map(str::to_owned).into(), ALL.map(str::to_owned).into()));
            // A new output begins after the epoch that the others have, or with it.
            let expected: &[&str] = if has[0] { &["four"] } else { &["three", "two", "four"] };
            assert_eq!(d.all(), expected, "{has:?}");
        } else {
            assert!(matches!(changed, Err(Error::Unfinished { epoch: 2, .. })), "{has:?}: {changed:?}");
            let lacks = if has[0] { "output:b" } else { "output:a" };
            let permitted = checkpoint(&at, with_backend).allow_loss([lacks]);
            run(&world, permitted, true, Sinks { with_d: true, ..sinks }, &d).unwrap();
            let (whole, short) = if has[0] { (&world.a, &world.b) } else { (&world.b, &world.a) };
            assert_eq!(whole.all(), ALL, "{has:?}");
            assert_eq!(short.all(), ["one", "two", "four"], "{has:?}");
        }
    }
}

#[test]
fn an_output_that_is_gone_cannot_be_asked() {
    let without_a = Sinks { without_a: true, ..Sinks::default() };
    for (with_backend, has) in every_combination() {
        let folder = tempfile::tempdir().unwrap();
        let world = crashed(folder.path(), with_backend, Sinks::default(), has);
        let (at, d) = (folder.path().join("crashed"), Words::exactly_once("d"));
        let before = crate::picture(&at);
        let refused = run(&world, checkpoint(&at, with_backend), false, without_a, &d).unwrap_err().to_string();
        assert!(refused.contains("FS-S013") && refused.contains("output a is gone"), "{has:?}: {refused}");
        assert!(crate::picture(&at) == before, "{has:?}: a refused start has changed something");
        let permitted = checkpoint(&at, with_backend).allow_loss(["output:a", "output:c"]);
        run(&world, permitted, false, without_a, &d).unwrap();
        assert_eq!(world.b.all(), ALL, "{has:?}");
    }
}

#[test]
fn what_only_sinks_have_that_cannot_tell_is_done_again() {
    let only_c = Sinks { only_c: true, ..Sinks::default() };
    for has in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let world = crashed(folder.path(), false, only_c, [false, false, has]);
        let at = folder.path().join("crashed");
        run(&world, checkpoint(&at, false), true, only_c, &Words::exactly_once("d")).unwrap();
        for word in ALL {
            assert!(world.c.all().contains(&word.to_owned()), "{has}");
        }
    }
}
