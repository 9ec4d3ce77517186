//! Records, files and histories of tests of damage, for files and objects alike.

#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::ops::RangeInclusive;

use firesteel_connect::{CheckpointId, Counters, Epoch, Sink, SinkContext, Source, WriteTask};
use firesteel_formats::{Parquet, WriteFormat, Writing};

use crate::followers::{Chance, Checkpoint, Follower};

/// The records of an epoch.
const ROWS: i64 = 500;

pub(crate) const SCHEMA: &str = r#"{"type": "record", "name": "Row", "fields": [
    {"name": "number", "type": "long"}, {"name": "text", "type": "string"}]}"#;

/// A record that does not compress, so that damage hits some.
#[derive(Debug, Clone, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize)]
#[serde(rename = "Row")]
pub(crate) struct Row {
    pub(crate) number: i64,
    pub(crate) text: String,
}

pub(crate) fn row(number: i64) -> Row {
    let mut chance = Chance(number as u64 + 1);
    let text = (0..20).map(|_| char::from(b'a' + chance.below(26) as u8)).collect();
    Row { number, text }
}

/// Which records these are, in ascending order.
pub(crate) fn numbers(mut rows: Vec<Row>) -> Vec<i64> {
    rows.sort_by_key(|row| row.number);
    rows.into_iter().inspect(|read| assert_eq!(*read, row(read.number))).map(|row| row.number).collect()
}

pub(crate) fn count(counters: &Counters, name: &str) -> u64 {
    counters.values().into_iter().find(|(known, _)| *known == name).map_or(0, |(_, value)| value)
}

pub(crate) fn cut(bytes: &mut Vec<u8>) {
    bytes.truncate(bytes.len() / 2);
}

#[allow(clippy::ptr_arg, reason = "as the other one, which cuts")]
pub(crate) fn spoil(bytes: &mut Vec<u8>) {
    let middle = bytes.len() / 2;
    bytes[middle..middle + 200].fill(0xff);
}

/// A Parquet file of rows `[from, to)` in row groups of some 300, of which the middle is damaged or not.
pub(crate) fn table(from: i64, to: i64, is_damaged: bool) -> Vec<u8> {
    let (format, mut file) = (Parquet::<Row>::new().row_group_bytes(10_000), vec![]);
    let mut writing = WriteFormat::<Row>::begin(&format);
    (from..to).for_each(|number| writing.write(&row(number), &mut file).unwrap());
    Writing::<Row>::end(&mut writing, &mut file).unwrap();
    if is_damaged {
        spoil(&mut file);
    }
    file
}

/// Writes epochs of one file or object each.
pub(crate) fn write(sink: &impl Sink<Row>, epochs: RangeInclusive<u64>) {
    sink.start(&SinkContext::default().with_checkpoint(CheckpointId::from_bits(3))).unwrap();
    for epoch in epochs {
        let rows = epoch as i64 * ROWS..(epoch as i64 + 1) * ROWS;
        let pending = sink.write(WriteTask::new(Epoch(epoch), 0), rows.map(row)).unwrap();
        sink.commit(Epoch(epoch), &mut vec![pending]).unwrap();
    }
    sink.stop().unwrap();
}

/// Where results are written, and merged.
pub(crate) trait Place: Sized {
    /// What counts those of which something was passed over.
    const COUNTER: &'static str;

    fn new() -> Self;

    /// Merges what there is, and changes the bytes of what comes of it.
    fn damage(&self, change: fn(&mut Vec<u8>));

    /// A job that begins where this checkpoint says, and what its source counts.
    fn job<S: Source>(source: S, kept: Checkpoint) -> (Follower<S>, Counters);
}

/// Results are merged into one that is damaged then, while nothing, something or all of them has been read. `begins`: what was read
/// first stands before the damage.
pub(crate) fn follow<P: Place, S: Sink<Row>, F: Source<Item = Row>>(
    sink: impl Fn(&P) -> S,
    source: impl Fn(&P) -> F,
    change: fn(&mut Vec<u8>),
    begins: bool,
) {
    for (known, most) in [(0, 1), (1, 100), (4, 1), (4, 100), (3, u64::MAX)] {
        let place = P::new();
        write(&sink(&place), 1..=known.max(1));
        let (kept, mut found) = if known > 0 {
            let (mut reader, _) = P::job(source(&place), Checkpoint::default());
            reader.batch(most);
            reader.stop()
        } else {
            (Checkpoint::default(), vec![])
        };
        write(&sink(&place), known.max(1) + 1..=4);
        place.damage(change);
        // What comes later is another file.
        write(&sink(&place), 5..=6);
        let history = format!("{known} known, {most} read of each");
        let (mut reader, counters) = P::job(source(&place), kept.clone());
        reader.all();
        reader.batch(1);
        let (kept_then, more) = reader.stop();
        let first = more.clone();
        found.extend(more);
        let numbers = numbers(found);
        let has_all =
            |epoch: i64| (epoch * ROWS..(epoch + 1) * ROWS).all(|number| numbers.binary_search(&number).is_ok());
        assert!(numbers.is_sorted_by(|one, other| one < other), "{history}: none is read twice");
        assert!((has_all(1) || !begins || known == 0) && has_all(5) && has_all(6), "{history}: {} rows", numbers.len());
        assert!(numbers.len() < 6 * ROWS as usize, "{history}: some are damaged");
        assert!(count(&counters, P::COUNTER) > 0, "{history}: it is told");
        // The same verdict, whoever reads it once more.
        let (mut again, _) = P::job(source(&place), kept);
        again.all();
        assert_eq!(again.stop().1, first, "{history}: the same verdict");
        let (mut later, _) = P::job(source(&place), kept_then);
        later.all();
        assert_eq!(later.stop().1, [], "{history}: nothing is read twice");
    }
}
