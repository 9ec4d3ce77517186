//! Files that are not what the program expects, between others that are: for files and objects alike.

#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use firesteel_connect::{ConnectError, Counters, Resumed, Source, SourceContext};
use firesteel_formats::{Avro, Csv, Format, Json, Parquet, WriteFormat, Writing};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::damage::count;
use crate::followers::{Checkpoint, Follower};

/// What the program expects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Row")]
pub(crate) struct Full {
    pub(crate) number: i64,
    pub(crate) name: String,
}

/// What some files have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Row")]
struct Short {
    number: i64,
}

/// A program that takes both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Row")]
struct Either {
    number: i64,
    name: Option<String>,
}

/// One that nothing fits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Row")]
struct Other {
    number: i64,
    age: i64,
}

/// Where files or objects are.
pub(crate) trait Folder {
    /// What counts those that do not fit.
    const COUNTER: &'static str;
    /// Whether it knows how many rows there are before anybody reads them.
    const KNOWS_ROWS: bool;

    type Source<F: Format>: Source<Item = F::Item>;

    fn new() -> Self;
    fn put(&self, name: &str, bytes: Vec<u8>);
    fn remove(&self, name: &str);
    fn has(&self, name: &str) -> bool;
    /// A source that follows it.
    fn follow<F: Format>(&self, format: F) -> Self::Source<F>;
    /// One that reads it once, and one that ends the job by policy.
    fn strict<F: Format>(&self, format: F) -> [Self::Source<F>; 2];
    /// One that takes in one file at a time.
    fn one_by_one<F: Format>(&self, format: F) -> Self::Source<F>;
    /// One that removes what it has read.
    fn removing<F: Format>(&self, format: F) -> Self::Source<F>;
    fn pack(bytes: &[u8]) -> Vec<u8>;
    fn job<S: Source>(source: S, kept: Checkpoint) -> (Follower<S>, Counters);
}

pub(crate) fn written<T, W: WriteFormat<T>>(format: &W, records: impl IntoIterator<Item = T>) -> Vec<u8> {
    let (mut writing, mut file) = (format.begin(), vec![]);
    records.into_iter().for_each(|record| writing.write(&record, &mut file).unwrap());
    writing.end(&mut file).unwrap();
    file
}

/// A format of this type.
trait Kind {
    type Of<T: DeserializeOwned + Send + 'static>: Format<Item = T>;

    fn of<T: DeserializeOwned + Send + 'static>() -> Self::Of<T>;
    fn bytes<T: Serialize + DeserializeOwned + Send + 'static>(records: Vec<T>) -> Vec<u8>;
}

struct OfCsv;
struct OfPackedCsv<P>(std::marker::PhantomData<P>);
struct OfParquet;
struct OfAvro;

impl Kind for OfCsv {
    type Of<T: DeserializeOwned + Send + 'static> = Csv<T>;

    fn of<T: DeserializeOwned + Send + 'static>() -> Csv<T> {
        Csv::new()
    }
    fn bytes<T: Serialize + DeserializeOwned + Send + 'static>(records: Vec<T>) -> Vec<u8> {
        written(&Csv::<T>::new(), records)
    }
}

impl<P: Folder> Kind for OfPackedCsv<P> {
    type Of<T: DeserializeOwned + Send + 'static> = Csv<T>;

    fn of<T: DeserializeOwned + Send + 'static>() -> Csv<T> {
        Csv::new()
    }
    fn bytes<T: Serialize + DeserializeOwned + Send + 'static>(records: Vec<T>) -> Vec<u8> {
        P::pack(&OfCsv::bytes(records))
    }
}

impl Kind for OfParquet {
    type Of<T: DeserializeOwned + Send + 'static> = Parquet<T>;

    fn of<T: DeserializeOwned + Send + 'static>() -> Parquet<T> {
        Parquet::new()
    }
    fn bytes<T: Serialize + DeserializeOwned + Send + 'static>(records: Vec<T>) -> Vec<u8> {
        written(&Parquet::<T>::new(), records)
    }
}

impl Kind for OfAvro {
    type Of<T: DeserializeOwned + Send + 'static> = Avro<T>;

    fn of<T: DeserializeOwned + Send + 'static>() -> Avro<T> {
        Avro::new()
    }
    fn bytes<T: Serialize + DeserializeOwned + Send + 'static>(records: Vec<T>) -> Vec<u8> {
        written(&Avro::<T>::new(), records)
    }
}

fn full(from: i64, to: i64) -> Vec<Full> {
    (from..to).map(|number| Full { number, name: format!("n{number}") }).collect()
}

fn short(from: i64, to: i64) -> Vec<Short> {
    (from..to).map(|number| Short { number }).collect()
}

/// What starting fails with.
fn refused<S: Source>(source: &S, kept: &Checkpoint) -> Option<ConnectError> {
    let note = |(split, at): (&firesteel_connect::SplitId, &u64)| {
        Resumed::at(split.clone(), *at).noted(kept.notes.get(split).cloned())
    };
    let resumed: Vec<Resumed> = kept.positions.iter().map(note).collect();
    source.start(&SourceContext::default().resumed_at(resumed)).err()
}

fn numbers<T>(read: &mut Vec<T>, number: impl Fn(&T) -> i64) -> Vec<i64> {
    let mut numbers: Vec<i64> = std::mem::take(read).iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

fn each<P: Folder>(check: [fn(&str); 4]) {
    let _ = std::marker::PhantomData::<P>;
    ["csv", "csv.gz", "parquet", "avro"].iter().zip(check).for_each(|(name, check)| check(name));
}

/// One of three does not fit: it is told and counted, the others are read, also after a restart, and all of it is read once a program fits.
pub(crate) fn one_of_three<P: Folder>() {
    fn check<P: Folder, K: Kind>(end: &str) {
        for most in [u64::MAX, 7] {
            let folder = P::new();
            folder.put(&format!("a.{end}"), K::bytes(short(0, 20)));
            folder.put(&format!("b.{end}"), K::bytes(full(20, 40)));
            folder.put(&format!("c.{end}"), K::bytes(full(40, 60)));
            let (mut reader, counters) = P::job(folder.follow(K::of::<Full>()), Checkpoint::default());
            (0..12).for_each(|_| _ = reader.batch(most));
            assert_eq!(numbers(&mut reader.read, |row| row.number), (20..60).collect::<Vec<_>>(), "{end}");
            assert_eq!(count(&counters, P::COUNTER), 1, "{end}");
            let [rows, bytes] = ["misfit rows", "misfit bytes"].map(|name| count(&counters, name));
            assert!(
                (rows == 20 && P::KNOWS_ROWS && end == "parquet") || (rows == 0 && bytes > 20),
                "{end}: {rows}, {bytes}"
            );
            // What comes later is read.
            folder.put(&format!("d.{end}"), K::bytes(full(60, 80)));
            folder.put(&format!("e.{end}"), K::bytes(short(80, 100)));
            (0..12).for_each(|_| _ = reader.batch(most));
            assert_eq!(numbers(&mut reader.read, |row| row.number), (60..80).collect::<Vec<_>>(), "{end}");
            assert_eq!(count(&counters, P::COUNTER), 2, "{end}");
            // It is counted in each run, and keeps none from starting.
            let (kept, _) = reader.stop();
            let (mut reader, counters) = P::job(folder.follow(K::of::<Full>()), kept);
            (0..4).for_each(|_| _ = reader.batch(most));
            assert_eq!((reader.read.len(), count(&counters, P::COUNTER)), (0, 2), "{end}");
            let (kept, _) = reader.stop();
            let (mut reader, counters) = P::job(folder.follow(K::of::<Either>()), kept);
            (0..12).for_each(|_| _ = reader.batch(most));
            let expected: Vec<i64> = (0..20).chain(80..100).collect();
            assert_eq!(numbers(&mut reader.read, |row| row.number), expected, "{end}: it fits now");
            assert_eq!(count(&counters, P::COUNTER), 0, "{end}");
            let (kept, _) = reader.stop();
            let (mut reader, _) = P::job(folder.follow(K::of::<Either>()), kept);
            assert_eq!(reader.batch(most), 0, "{end}: nothing of it comes again");
        }
    }
    each::<P>([check::<P, OfCsv>, check::<P, OfPackedCsv<P>>, check::<P, OfParquet>, check::<P, OfAvro>]);
}

/// Where nothing fits, the program is wrong: it is told at the start, and nothing is passed over.
pub(crate) fn nothing_fits<P: Folder>() {
    fn check<P: Folder, K: Kind>(end: &str) {
        let folder = P::new();
        for file in 0..5 {
            folder.put(&format!("{file}.{end}"), K::bytes(short(0, 20)));
        }
        let none = Checkpoint::default();
        let error = refused(&folder.follow(K::of::<Full>()), &none).unwrap();
        let text = error.to_string();
        assert!(matches!(error, ConnectError::Mismatch { .. }), "{end}: {text}");
        assert!(text.contains("\"name\"") && text.contains("that is there fits"), "{end}: {text}");
        // One that fits is enough, wherever it is, also if its turn has not come.
        folder.put(&format!("5.{end}"), K::bytes(full(20, 40)));
        for source in [folder.follow(K::of::<Full>()), folder.one_by_one(K::of::<Full>())] {
            let (mut reader, counters) = P::job(source, Checkpoint::default());
            (0..12).for_each(|_| _ = reader.batch(u64::MAX));
            assert_eq!(numbers(&mut reader.read, |row| row.number), (20..40).collect::<Vec<_>>(), "{end}");
            assert_eq!(count(&counters, P::COUNTER), 5, "{end}");
        }
        for strict in folder.strict(K::of::<Full>()) {
            let text = refused(&strict, &none).unwrap().to_string();
            assert!(text.contains("0.") && text.contains("\"name\""), "{end}: {text}");
        }
        // A program that was changed, over files that were read before.
        let (mut reader, _) = P::job(folder.follow(K::of::<Full>()), Checkpoint::default());
        (0..4).for_each(|_| _ = reader.batch(u64::MAX));
        let (kept, _) = reader.stop();
        assert!(refused(&folder.follow(K::of::<Full>()), &kept).is_none(), "{end}");
        folder.put(&format!("6.{end}"), K::bytes(full(40, 60)));
        let text = refused(&folder.follow(K::of::<Other>()), &kept).unwrap().to_string();
        assert!(text.contains("\"age\""), "{end}: {text}");
    }
    each::<P>([check::<P, OfCsv>, check::<P, OfPackedCsv<P>>, check::<P, OfParquet>, check::<P, OfAvro>]);
}

/// It may be removed, or replaced by one that fits; and nobody else removes it.
pub(crate) fn removed_and_replaced<P: Folder>() {
    fn check<P: Folder, K: Kind>(end: &str) {
        let folder = P::new();
        let (a, b) = (format!("a.{end}"), format!("b.{end}"));
        folder.put(&a, K::bytes(short(0, 20)));
        folder.put(&b, K::bytes(full(20, 40)));
        let (mut reader, counters) = P::job(folder.removing(K::of::<Full>()), Checkpoint::default());
        (0..4).for_each(|_| _ = reader.batch(u64::MAX));
        assert!(folder.has(&a) && !folder.has(&b), "{end}");
        let (kept, _) = reader.stop();
        assert_eq!(count(&counters, P::COUNTER), 1, "{end}");
        // All that was read is gone, and it does not keep the job from starting.
        let (mut reader, counters) = P::job(folder.removing(K::of::<Full>()), kept);
        (0..4).for_each(|_| _ = reader.batch(u64::MAX));
        assert!(folder.has(&a), "{end}");
        assert_eq!(count(&counters, P::COUNTER), 1, "{end}");
        folder.remove(&a);
        (0..20).for_each(|_| _ = reader.batch(u64::MAX));
        folder.put(&a, K::bytes(full(40, 60)));
        (0..20).for_each(|_| _ = reader.batch(u64::MAX));
        assert_eq!(numbers(&mut reader.read, |row| row.number), (40..60).collect::<Vec<_>>(), "{end}");

        let folder = P::new();
        folder.put(&a, K::bytes(short(0, 20)));
        folder.put(&b, K::bytes(full(20, 40)));
        let (mut reader, _) = P::job(folder.follow(K::of::<Full>()), Checkpoint::default());
        (0..4).for_each(|_| _ = reader.batch(u64::MAX));
        folder.put(&a, K::bytes(full(0, 20)));
        (0..20).for_each(|_| _ = reader.batch(u64::MAX));
        assert_eq!(numbers(&mut reader.read, |row| row.number), (0..40).collect::<Vec<_>>(), "{end}: mended");
    }
    each::<P>([check::<P, OfCsv>, check::<P, OfPackedCsv<P>>, check::<P, OfParquet>, check::<P, OfAvro>]);
}

/// What is no array between files that are.
pub(crate) fn no_array<P: Folder>() {
    let folder = P::new();
    folder.put("a.json", b"{\"number\": 1}".to_vec());
    folder.put("b.json", b"[{\"number\": 2}, {\"number\": 3}]".to_vec());
    let (mut reader, counters) = P::job(folder.follow(Json::<Short>::new().array()), Checkpoint::default());
    (0..4).for_each(|_| _ = reader.batch(u64::MAX));
    assert_eq!(numbers(&mut reader.read, |row| row.number), [2, 3]);
    assert_eq!(count(&counters, P::COUNTER), 1);
}
