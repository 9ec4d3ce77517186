//! Tables that are loaded again between two batches, whole or not at all.

use std::fs;
use std::path::Path;

use firesteel_streaming::{Error, Table, TableProgress};
use firesteel_testkit::{Recorder, TestJob};
use firesteel_window::{minutes, seconds};

use crate::Rows;

/// What key 1 has in the table, batch by batch, 0 where that is nothing: a batch is a second.
fn joined(table: &Table<u8, u32>) -> (TestJob, Recorder<u32>) {
    let test = TestJob::new();
    let ones = test.script(vec![vec![1_u8]; 200]);
    let numbers = ones.join_table(table, |one| *one).left_outer(|_, number| number.copied().unwrap_or(0));
    let numbers = test.record(numbers);
    (test, numbers)
}

fn batches(test: &TestJob, number: usize) -> TableProgress {
    let last = (0..number).map(|_| test.batch().unwrap()).last().unwrap();
    last.tables.into_iter().next().unwrap()
}

#[test]
fn a_table_is_loaded_again_when_it_is_so_old_and_one_that_is_loaded_once_is_not() {
    let rows = Rows::new(&[(1, 1)]);
    let (test, numbers) = joined(&rows.table().every(seconds(3)));
    batches(&test, 1);
    rows.set(&[(1, 2)]);
    batches(&test, 5);
    rows.set(&[(1, 3)]);
    let told = batches(&test, 3);
    let seen = numbers.batches().concat();
    assert!(seen.is_sorted() && seen.starts_with(&[1, 1]) && seen.ends_with(&[3]), "{seen:?}");
    assert_eq!(seen.iter().filter(|number| **number == 2).count() % 3, 0, "{seen:?}");
    assert_eq!((told.loads, told.rows, told.failed), (rows.asked(), 1, None));

    let rows = Rows::new(&[(1, 1)]);
    let (test, numbers) = joined(&rows.table());
    batches(&test, 1);
    rows.set(&[(1, 2)]);
    assert_eq!(batches(&test, 100).loads, 1);
    assert!(numbers.batches().concat().iter().all(|number| *number == 1));
}

#[test]
fn what_cannot_be_loaded_again_leaves_the_table_as_it_is_and_is_told_and_retried() {
    let rows = Rows::new(&[(1, 1), (2, 1)]);
    let (test, numbers) = joined(&rows.table().every(minutes(5)));
    batches(&test, 1);
    let fails = |rows: &Rows, reason: &str| {
        test.advance(minutes(5));
        let told = batches(&test, 1);
        assert!(told.failed.as_ref().is_some_and(|failed| failed.contains(reason)), "{told:?}");
        assert_eq!((told.rows, told.loads), (2, 1));
        rows.asked()
    };
    rows.fail("the database is away");
    let asked = fails(&rows, "the database is away");
    // Not with every batch, and not only after another five minutes.
    batches(&test, 30);
    assert_eq!(rows.asked(), asked);
    batches(&test, 31);
    assert_eq!(rows.asked(), asked + 1);
    rows.set(&[(1, 2), (1, 3)]);
    fails(&rows, "its row 2 has the key of a row before it");
    rows.set(&[]);
    fails(&rows, "it has no row, where it had 2");
    assert!(numbers.batches().concat().iter().all(|number| *number == 1));
    rows.set(&[(1, 4)]);
    test.advance(minutes(1));
    let told = batches(&test, 1);
    assert_eq!((told.failed, told.rows, told.loads), (None, 1, 2));
    assert_eq!(numbers.batches().last().unwrap(), &[4]);
}

#[test]
fn a_failure_may_stop_the_job_and_a_table_may_become_empty() {
    let rows = Rows::new(&[(1, 1)]);
    let (test, numbers) = joined(&rows.table().every(seconds(1)).stop_on_failure().may_become_empty());
    batches(&test, 1);
    rows.set(&[]);
    batches(&test, 2);
    assert_eq!(numbers.batches().last().unwrap(), &[0]);
    rows.fail("the database is away");
    let stopped = test.batch().or_else(|_| test.batch()).unwrap_err();
    assert!(matches!(&stopped, Error::Table { .. }), "{stopped:?}");
    let said = format!("{stopped:?}");
    assert!(said.starts_with("FS-S016: table numbers") && said.contains("the database is away"), "{said}");
}

#[test]
fn a_table_that_cannot_be_loaded_at_first_refuses_the_start() {
    for (rows, reason) in
        [(None, "away"), (Some(vec![(1, 1), (2, 1), (1, 5)]), "its row 3 has the key of a row before it")]
    {
        let source = Rows::new(&[]);
        rows.map_or_else(|| source.fail("away"), |rows| source.set(&rows));
        let (test, _) = joined(&source.table());
        let said = format!("{:?}", test.batch().unwrap_err());
        assert!(said.starts_with("FS-S016: table numbers") && said.contains(reason), "{said}");
    }
    let panics: Table<u8, u32> = Table::load("numbers", || -> Result<Vec<_>, String> { panic!("boom") });
    let (test, _) = joined(&panics);
    let said = format!("{:?}", test.batch().unwrap_err());
    assert!(said.contains("it panicked: boom"), "{said}");
}

#[test]
fn what_does_not_fit_together_is_refused_when_the_job_is_built() {
    let refused = |table: Table<u8, u32>, reason: &str| {
        let (test, _) = joined(&table);
        let said = test.batch().unwrap_err().to_string();
        assert!(said.starts_with("FS-S002: join_table") && said.contains(reason), "{said}");
    };
    refused(Table::of([(1, 2), (1, 3)]), "its row 2 has the key of a row before it");
    refused(Table::of([(1, 2)]).every(seconds(5)), "make it by Table::load");
    refused(Rows::new(&[]).table().every(seconds(0)), "the span has to be above zero");
    let test = TestJob::new();
    let ones = test.script([vec![1_u8]]);
    let [one, other] = [Rows::new(&[(1, 1)]).table(), Rows::new(&[(1, 2)]).table()];
    let both = ones.join_table(&one, |one| *one).left_semi().join_table(&other, |one| *one).left_semi();
    test.record(both);
    let said = test.batch().unwrap_err().to_string();
    assert!(said.contains("another table of the job is called numbers, too"), "{said}");
}

#[test]
fn all_joins_of_a_batch_meet_one_version_and_it_is_loaded_once() {
    let rows = Rows::new(&[(1, 1)]);
    let table = rows.table().every(seconds(1));
    let test = TestJob::builder().partitions(3).build();
    let ones = test.script(vec![vec![1_u8; 10]; 20]);
    let number = |_: u8, number: &u32| *number;
    let first = ones.clone().join_table(&table, |one| *one).inner(number);
    let second =
        ones.map(|one| (one, ())).join_table_by_key(&table.clone()).inner(move |(one, ()), n: &u32| number(one, n));
    let both = test.record(first.union(second));
    for version in 2..20 {
        test.batch().unwrap();
        rows.set(&[(1, version)]);
    }
    let seen = both.batches();
    assert!(seen.iter().all(|batch| batch.len() == 20 && batch.iter().all(|number| *number == batch[0])), "{seen:?}");
    assert!(rows.asked() <= 20, "{}", rows.asked());
}

/// A table of the lines of a file.
fn lines(path: &Path) -> Table<u8, u32> {
    Table::lines(path, |line| {
        let (key, number) = line.split_once(' ').ok_or("it has one word")?;
        Ok::<_, Box<dyn std::error::Error>>(Some((key.parse()?, number.parse()?)))
    })
}

#[test]
fn a_file_is_read_again_when_it_has_changed_and_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (path, next) = (folder.path().join("numbers"), folder.path().join("next"));
    fs::write(&path, "1 1\n2 2\n").unwrap();
    let (test, numbers) = joined(&lines(&path));
    assert_eq!(batches(&test, 10).loads, 1);
    // Renamed to its place.
    fs::write(&next, "1 2\n").unwrap();
    fs::rename(&next, &path).unwrap();
    assert_eq!(batches(&test, 3).loads, 2);
    // Written in place, in several steps that batches see: what is not whole has no part.
    for text in ["", "1 3\n", "1 3\n2 3\n", "1 3\n2 3\n3 3\n"] {
        fs::write(&path, text).unwrap();
        assert_eq!(batches(&test, 1).loads, 2, "{text:?}");
    }
    assert_eq!(batches(&test, 3).rows, 3);
    // What cannot be read is told with its line, and read again once it can be.
    fs::write(&path, "1 4\n2 four\n").unwrap();
    let told = batches(&test, 3);
    assert_eq!((told.loads, told.rows), (3, 3));
    assert!(told.failed.as_ref().is_some_and(|failed| failed.contains("line 2: ")), "{told:?}");
    fs::write(&path, "1 5\n").unwrap();
    assert_eq!(batches(&test, 3).failed, None);
    // One that is away leaves the table as it is.
    fs::remove_file(&path).unwrap();
    let told = batches(&test, 3);
    assert!(told.failed.as_ref().is_some_and(|failed| failed.contains("is not there")), "{told:?}");
    assert_eq!((told.loads, told.rows), (4, 1));
    fs::write(&path, "1 6\n").unwrap();
    assert_eq!(batches(&test, 3).loads, 5);
    let mut seen = numbers.batches().concat();
    seen.dedup();
    assert_eq!(seen, [1, 2, 3, 5, 6]);
}

#[cfg(unix)]
#[test]
fn a_link_that_points_elsewhere_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, text) in [("first", "1 1\n"), ("second", "1 2\n")] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("numbers"), text).unwrap();
    }
    std::os::unix::fs::symlink(at("first"), at("data")).unwrap();
    let (test, numbers) = joined(&lines(&at("data").join("numbers")));
    batches(&test, 2);
    std::os::unix::fs::symlink(at("second"), at("data.next")).unwrap();
    fs::rename(at("data.next"), at("data")).unwrap();
    batches(&test, 3);
    assert_eq!(numbers.batches().last().unwrap(), &[2]);
}

#[test]
fn a_table_of_an_rdd_and_the_kinds_of_joins() {
    let test = TestJob::new();
    let pairs = test.context().rdds().parallelize((0..10_u32).map(|n| (n, n * 2)).collect::<Vec<_>>());
    let doubled = Table::load_rdd("doubled", pairs);
    let numbers = test.script([(5..15_u32).collect::<Vec<_>>()]);
    let join = || numbers.clone().join_table(&doubled, |n| *n);
    let inner = test.record(join().inner(|n, double| n + double));
    let outer = test.record(join().left_outer(|n, double| double.map_or(n, |double| n + double)));
    let (semi, anti) = (test.record(join().left_semi()), test.record(join().left_anti()));
    let told = test.run().unwrap();
    assert_eq!(told[0].unmatched, 5, "what an inner join leaves out, and no other");
    let expected: Vec<u32> = (5..10).map(|n| n * 3).collect();
    assert_eq!(outer.batches(), [[expected.as_slice(), &[10, 11, 12, 13, 14]].concat()]);
    assert_eq!(inner.batches(), [expected]);
    assert_eq!((semi.batches(), anti.batches()), (vec![(5..10).collect::<Vec<_>>()], vec![(10..15).collect()]));
}
