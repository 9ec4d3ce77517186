//! Merging that ends at any call, or continues when others have taken over.

use std::sync::{Arc, Mutex};

use firesteel_connect::{Class, Sink};
use firesteel_connect_object_store::Bucket;
use firesteel_connect_object_store::object_store::memory::InMemory;

use super::common::all;
use super::store::Faulty;
use super::{Checkpoint, commit, compact, due, job, memory, parts, reading, sink, sorted, write};

const EPOCHS: u64 = 5;
/// As much as an epoch has, so that each commit merges.
const MERGED: u64 = 24;

/// Results, and what is known to somebody who has read a record of each object.
fn results() -> (Arc<InMemory>, Bucket, Checkpoint, Vec<super::Record>) {
    let (store, bucket) = memory();
    write(&sink(&bucket), EPOCHS).unwrap();
    let mut follower = job(reading(&bucket).follow(), Checkpoint::default());
    follower.batch(1);
    let (kept, found) = follower.stop();
    (store, bucket, kept, found)
}

/// Everybody finds each record once: who knows nothing, and who has read a part.
fn check(bucket: &Bucket, known: &(Checkpoint, Vec<super::Record>), epochs: u64, when: &str) {
    assert_eq!(sorted(all(&reading(bucket))), due(1..=epochs), "{when}");
    let mut follower = job(reading(bucket).follow(), known.0.clone());
    follower.all();
    let found = [known.1.clone(), follower.stop().1].concat();
    assert_eq!(sorted(found), due(1..=epochs), "{when}: who has read a part");
}

fn listed(bucket: &Bucket) -> usize {
    let mut follower = job(reading(bucket).follow(), Checkpoint::default());
    follower.due().len()
}

#[test]
fn an_end_at_any_call_leaves_every_record_once_and_the_next_run_or_start_makes_the_rest() {
    let calls = {
        let (inner, ..) = results();
        let (store, bucket) = Faulty::over(&inner);
        compact(&bucket).unwrap();
        store.calls()
    };
    assert!(calls > 30, "{calls}");
    for at in 1..=calls {
        for has_effect in [false, true] {
            let (inner, bucket, kept, found) = results();
            let (known, when) = ((kept, found), format!("call {at} of {calls}, {has_effect}"));
            let (store, ending) = Faulty::over(&inner);
            store.end_at(at, has_effect);
            assert!(compact(&ending).is_err() || has_effect, "{when}");
            check(&bucket, &known, EPOCHS, &when);
            if at % 2 == 0 {
                write(&sink(&bucket), EPOCHS + 1).unwrap();
                check(&bucket, &known, EPOCHS + 1, &when);
                assert_eq!(parts(&bucket).len(), listed(&bucket), "{when}: {:?}", parts(&bucket));
            }
            compact(&bucket).unwrap();
            assert_eq!(parts(&bucket).len(), 1, "{when}: {:?}", parts(&bucket));
            check(&bucket, &known, EPOCHS + u64::from(at % 2 == 0), &when);
        }
    }
}

#[test]
fn between_any_two_calls_every_reader_finds_every_record_once() {
    for at in 1..200 {
        let (inner, bucket, kept, found) = results();
        let (store, merging) = Faulty::over(&inner);
        let was_run = Arc::new(Mutex::new(false));
        let (bucket, run) = (bucket.clone(), Arc::clone(&was_run));
        store.before(at, move || {
            check(&bucket, &(kept, found), EPOCHS, &format!("before call {at}"));
            *run.lock().unwrap() = true;
        });
        let done = compact(&merging);
        let was_run = *was_run.lock().unwrap();
        if store.calls() < at {
            assert!(at > 30 && done.is_ok(), "{at}: {done:?}");
            return;
        }
        assert!(was_run, "{at}");
        done.unwrap();
    }
    panic!("it has more calls");
}

/// One process continues when another one has taken the place, merged and removed what the first one knew, whatever it was at.
#[test]
fn a_process_that_was_thought_dead_undoes_and_doubles_nothing() {
    for by_sink in [false, true] {
        for at in 1..400 {
            let (inner, bucket, kept, found) = results();
            let known = (kept, found);
            let (store, sleeping) = Faulty::over(&inner);
            let when = format!("call {at}, {by_sink}");
            let other = bucket.clone();
            store.before(at, move || {
                let new = sink(&other).compact_to(MERGED);
                write(&new, EPOCHS + 3).unwrap();
                compact(&other).unwrap();
                write(&new, EPOCHS + 5).unwrap();
                compact(&other).unwrap();
            });
            let woken = if by_sink {
                let old = sink(&sleeping).compact_to(MERGED);
                write(&old, EPOCHS + 3)
            } else {
                compact(&sleeping).map(|_| ())
            };
            if store.calls() < at {
                assert!(at > 40 && woken.is_ok(), "{when}: {woken:?}");
                break;
            }
            if let Err(error) = woken {
                assert!(matches!(error.class(), Class::Fenced | Class::Fatal | Class::Retryable), "{when}: {error}");
            }
            check(&bucket, &known, EPOCHS + 5, &when);
            // Whoever comes next finds it in order, and leaves nothing over.
            write(&sink(&bucket).compact_to(MERGED), EPOCHS + 7).unwrap();
            check(&bucket, &known, EPOCHS + 7, &when);
            compact(&bucket).unwrap();
            check(&bucket, &known, EPOCHS + 7, &when);
            assert_eq!(parts(&bucket).len(), 1, "{when}: {:?}", parts(&bucket));
        }
    }
}

#[test]
fn a_call_that_fails_or_whose_answer_is_lost_is_made_up_for() {
    let run = |bucket: &Bucket, to| write(&sink(bucket).compact_to(MERGED), to);
    let calls = {
        let (inner, ..) = results();
        let (store, bucket) = Faulty::over(&inner);
        run(&bucket, 20).unwrap();
        store.calls()
    };
    assert!(calls > 100, "{calls}");
    for at in 1..=calls {
        for has_effect in [false, true] {
            let (inner, bucket, kept, found) = results();
            let (known, when) = ((kept, found), format!("call {at} of {calls}, {has_effect}"));
            let (store, failing) = Faulty::over(&inner);
            store.fail_once(at, has_effect);
            if let Err(error) = run(&failing, 20) {
                assert_ne!(error.class(), Class::Fenced, "{when}: {error}");
                run(&failing, 20).unwrap_or_else(|error| panic!("{when}: {error}"));
            }
            check(&bucket, &known, 20, &when);
            Sink::<super::Record>::start(&sink(&bucket), &super::context()).unwrap();
            assert_eq!(parts(&bucket).len(), listed(&bucket), "{when}: {:?}", parts(&bucket));
        }
    }
}

#[test]
fn a_request_that_lands_late_is_taken_for_what_it_is() {
    for landed_after in 0..4 {
        let (inner, bucket, kept, found) = results();
        let (known, when) = ((kept, found), format!("after {landed_after} epochs"));
        let (store, late) = Faulty::over(&inner);
        let old = sink(&late).compact_to(MERGED);
        Sink::<super::Record>::start(&old, &super::context()).unwrap();
        // The number of the merging is on its way until the sink has given it up.
        store.delay("/run-");
        commit(&old, EPOCHS + 1).unwrap();
        for epoch in 0..landed_after {
            if epoch + 1 == landed_after {
                assert_eq!(store.land(), epoch == 0, "a later merging has its number");
            }
            commit(&old, EPOCHS + 2 + epoch).unwrap();
            check(&bucket, &known, EPOCHS + 2 + epoch, &when);
        }
        let committed = EPOCHS + 1 + landed_after;
        if landed_after == 0 {
            assert!(store.land());
        }
        // Whoever comes next finishes it.
        write(&sink(&bucket), committed + 1).unwrap();
        check(&bucket, &known, committed + 1, &when);
        assert_eq!(parts(&bucket).len(), listed(&bucket), "{when}: {:?}", parts(&bucket));
        assert!(parts(&bucket).iter().any(|part| part.contains("to")), "{when}: {:?}", parts(&bucket));
        assert_eq!(commit(&old, committed + 2).unwrap_err().class(), Class::Fenced);
    }
}

/// The other process merges manifests, which list the objects that this one is about to delete.
#[test]
fn a_process_that_was_thought_dead_deletes_nothing_that_others_list() {
    for at in 1..400 {
        let (inner, bucket, kept, found) = results();
        let (store, sleeping) = Faulty::over(&inner);
        let other = bucket.clone();
        store.before(at, move || write(&sink(&other), EPOCHS + 105).unwrap());
        let woken = compact(&sleeping);
        if store.calls() < at {
            assert!(at > 30 && woken.is_ok(), "call {at}: {woken:?}");
            return;
        }
        check(&bucket, &(kept, found), EPOCHS + 105, &format!("call {at}"));
    }
}

#[test]
fn manifests_that_are_merged_while_they_are_listed_are_all_found() {
    let (inner, bucket) = memory();
    write(&sink(&bucket), 99).unwrap();
    let (store, listing) = Faulty::over(&inner);
    // It knows what all manifests say.
    let mut follower = job(reading(&listing).follow(), Checkpoint::default());
    follower.all();
    // The first page has some manifests of single epochs, and the others are one when the second page is asked for.
    store.in_listing_after(10, move || write(&sink(&bucket), 104).unwrap());
    follower.all();
    follower.all();
    assert_eq!(sorted(follower.stop().1), due(1..=104));
}

#[test]
fn results_that_are_merged_while_they_are_listed_are_all_found() {
    let (inner, bucket, kept, found) = results();
    let known = (kept, found);
    for follow in [false, true] {
        let (store, listing) = Faulty::over(&inner);
        let other = bucket.clone();
        store.in_listing(move || {
            write(&sink(&other), if follow { EPOCHS + 4 } else { EPOCHS + 2 }).unwrap();
            compact(&other).unwrap();
        });
        let source = if follow { reading(&listing).follow() } else { reading(&listing) };
        let mut follower = job(source, known.0.clone());
        follower.all();
        let found = sorted([known.1.clone(), follower.stop().1].concat());
        let most = EPOCHS + if follow { 4 } else { 2 };
        assert!(found == due(1..=most) || !follow && found == due(1..=EPOCHS), "{found:?}");
    }
}

#[test]
fn a_running_job_is_shut_out_and_told() {
    let (_, bucket, ..) = results();
    let running = sink(&bucket);
    Sink::<super::Record>::start(&running, &super::context()).unwrap();
    compact(&bucket).unwrap();
    assert_eq!(commit(&running, EPOCHS + 1).unwrap_err().class(), Class::Fenced);
    let error = firesteel_connect_object_store::Compaction::of(&bucket, "elsewhere", 100).run().unwrap_err();
    assert!(error.to_string().contains("holds no results"), "{error}");
}
