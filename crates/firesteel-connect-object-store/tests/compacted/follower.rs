//! Followers that know objects which are merged.

use firesteel_connect::{ConnectError, ReadRange, Sink, Source, SourceReader, SplitId};

use super::common::{all, discover, read};
use super::{Checkpoint, commit, compact, due, job, memory, parts, reading, records, sink, sorted, write};

#[test]
fn splits_keep_their_names_and_a_reader_that_knows_nothing_reads_the_merged_object() {
    for gzip in [false, true] {
        let (_, bucket) = memory();
        let sink = || if gzip { sink(&bucket).gzip() } else { sink(&bucket) };
        write(&sink(), 3).unwrap();
        let mut old = job(reading(&bucket).follow(), Checkpoint::default());
        let known: Vec<SplitId> = old.due().into_iter().map(|range| range.split).collect();
        assert_eq!(known.len(), 6);
        let report = compact(&bucket).unwrap();
        assert_eq!((report.merged, report.into, report.left.len()), (6, 1, 0), "{report}");
        let merged = parts(&bucket);
        let end = if gzip { ".ndjson.gz" } else { ".ndjson" };
        assert!(
            merged[0].starts_with("part-0000000001to0000000003-00001.r2-0") && merged[0].ends_with(end),
            "{merged:?}"
        );
        assert_eq!(merged.len(), 1);
        assert_eq!(old.due().into_iter().map(|range| range.split).collect::<Vec<_>>(), known);
        let mut new = job(reading(&bucket).follow(), Checkpoint::default());
        assert_eq!(new.due().len(), 1);
        // What comes later is merged with it: the one knows the merged object, the other one its parts, and both the rest.
        write(&sink(), 5).unwrap();
        compact(&bucket).unwrap();
        assert_eq!(parts(&bucket).len(), 1);
        assert_eq!([old.due().len(), new.due().len()], [10, 5]);
        for mut follower in [old, new] {
            follower.all();
            assert_eq!(sorted(follower.stop().1), due(1..=5));
        }
        assert_eq!(sorted(all(&reading(&bucket))), due(1..=5));
    }
}

#[test]
fn what_was_listed_or_open_is_read_on_when_it_was_merged_and_deleted() {
    for (gzip, follow) in [(false, false), (false, true), (true, false), (true, true)] {
        let (_, bucket) = memory();
        let sink = || if gzip { sink(&bucket).gzip() } else { sink(&bucket) };
        write(&sink(), 3).unwrap();
        let source = if follow { reading(&bucket).follow() } else { reading(&bucket) };
        let mut follower = job(source, Checkpoint::default());
        let ranges = follower.due();
        let source = &follower.source;
        let mut open = source.open(&ranges[0].clone().max_records(1)).unwrap();
        let first = open.next_record().unwrap().unwrap();
        assert_eq!(open.next_record().unwrap(), None);
        let position = open.position();
        compact(&bucket).unwrap();
        // Nobody has looked since: opening finds out, and a decoder of the old object is not taken for one of the merged one.
        let mut rest = source.reopen(open, &ReadRange::starting_at(ranges[0].split.clone(), position)).unwrap();
        let mut found = vec![first];
        rest.for_each(|record| found.push(record)).unwrap();
        assert_eq!(found, [(1, 0), (1, 2)]);
        let end = rest.position();
        assert!(rest.at_end());
        for range in &ranges[1..] {
            let (some, to) = read(source, &range.split, 0).unwrap();
            assert_eq!((some.len(), to), (2, end), "{gzip} {follow}");
            // Ranges are the same as before.
            let exact = ReadRange::exact(range.split.clone(), position, end);
            let mut reader = source.open(&exact).unwrap();
            assert_eq!((reader.next_record().unwrap(), reader.next_record().unwrap()), (Some(some[1]), None));
            found.extend(some);
            let beyond = source.open(&ReadRange::starting_at(range.split.clone(), end + 1)).map(|_| ());
            assert!(matches!(beyond, Err(ConnectError::Lost { .. })), "{beyond:?}");
        }
        assert_eq!(sorted(found), due(1..=3));
        // Merged again, while it is known where it stands.
        write(&sink(), 4).unwrap();
        compact(&bucket).unwrap();
        assert_eq!(read(source, &ranges[3].split, position).unwrap().0.len(), 1);
    }
}

#[test]
fn what_was_read_before_a_stop_stays_read_and_the_rest_is_read_once() {
    for most in [1, 2] {
        let (_, bucket) = memory();
        write(&sink(&bucket), 3).unwrap();
        let mut first = job(reading(&bucket).follow(), Checkpoint::default());
        first.batch(most);
        let (kept, mut found) = first.stop();
        write(&sink(&bucket), 6).unwrap();
        compact(&bucket).unwrap();
        let mut second = job(reading(&bucket).follow(), kept);
        second.batch(1);
        // Some of what it has begun was merged before it knew it.
        let (kept, mut more) = second.stop();
        found.append(&mut more);
        write(&sink(&bucket), 8).unwrap();
        compact(&bucket).unwrap();
        assert_eq!(parts(&bucket).len(), 1);
        let mut third = job(reading(&bucket).follow(), kept);
        third.all();
        found.append(&mut third.stop().1);
        assert_eq!(sorted(found), due(1..=8));
    }
}

#[test]
fn results_that_were_written_anew_are_others() {
    let (_, bucket) = memory();
    write(&sink(&bucket), 2).unwrap();
    let mut follower = job(reading(&bucket).follow(), Checkpoint::default());
    follower.all();
    let (kept, found) = follower.stop();
    for object in bucket.list("out").unwrap().objects {
        bucket.delete(object.location.as_ref()).unwrap();
    }
    // The same names, sizes and positions.
    write(&sink(&bucket), 2).unwrap();
    compact(&bucket).unwrap();
    let mut follower = job(reading(&bucket).follow(), kept);
    follower.all();
    assert_eq!([found.len(), follower.stop().1.len()], [8, 8]);
}

#[test]
fn an_object_that_is_gone_and_was_not_merged_is_told() {
    let (_, bucket) = memory();
    write(&sink(&bucket), 2).unwrap();
    let follower = job(reading(&bucket), Checkpoint::default());
    let key = format!("out/{}", parts(&bucket)[0]);
    bucket.delete(&key).unwrap();
    let error = read(&follower.source, &SplitId::new(key.clone()), 0).unwrap_err();
    assert!(matches!(&error, ConnectError::Lost { place, .. } if *place == key), "{error}");
    let error = compact(&bucket).unwrap_err();
    assert!(error.to_string().contains("its manifest lists it, and it is gone; restore it"), "{error}");
    assert_eq!(parts(&bucket).len(), 3, "nothing has changed");
}

#[test]
fn a_sink_merges_its_own_objects_after_commits() {
    let (_, bucket) = memory();
    let sink = sink(&bucket).compact_to(200);
    sink.start(&super::context()).unwrap();
    let mut follower = job(reading(&bucket).follow(), Checkpoint::default());
    for epoch in 1..=60 {
        commit(&sink, epoch).unwrap();
        if epoch % 3 == 0 {
            follower.batch(3);
        }
    }
    assert_eq!(sorted(all(&reading(&bucket))), due(1..=60));
    let found = parts(&bucket);
    assert!(found.len() < 30, "{found:?}");
    follower.all();
    assert_eq!(sorted(follower.stop().1), due(1..=60));
    assert_eq!(discover(&started(&bucket), 0).unwrap().splits.len(), found.len(), "nothing is left over");
    let error = Sink::<super::Record>::start(&super::sink(&bucket).compact_to(0), &super::context()).unwrap_err();
    assert!(error.to_string().contains("compact_to"), "{error}");
    assert_eq!(records(1).len(), 4);
}

fn started(bucket: &firesteel_connect_object_store::Bucket) -> super::Reading {
    let source = reading(bucket);
    source.start(&firesteel_connect::SourceContext::default()).unwrap();
    source
}
