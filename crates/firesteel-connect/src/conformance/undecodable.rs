//! The suite for sources with records that cannot be decoded.

use std::fmt::Debug;

use firesteel_window::Timestamp;

use super::Rule;
use super::source::open_range;
use crate::{Class, ConnectError, ReadRange, Source, SourceContext, SourceReader, Split};

const TOLD: Rule = Rule("S12", "a record that cannot be decoded is an error of its own, with its payload and place");
const AFTER: Rule = Rule("S13", "after a record that cannot be decoded the reader stands after it, and continues");

/// Checks that a source tells of each record that it cannot decode, and reads the others.
///
/// `make` yields a fresh source over the same data each time, with one split; `expected` holds its records in order, those that
/// cannot be decoded by their bytes.
///
/// # Panics
/// With the number of the rule that does not hold.
pub fn undecodable<S>(make: impl Fn() -> S, expected: &[Result<S::Item, Vec<u8>>])
where
    S: Source,
    S::Item: Clone + PartialEq + Debug,
{
    let source = make();
    TOLD.ok(source.start(&SourceContext::default()), || "starting".into());
    let discovery = TOLD.ok(source.discover(Timestamp::EPOCH), || "discovering".into());
    let [split] = &discovery.splits[..] else { TOLD.broken(format!("there is not one split: {discovery:?}")) };
    let whole = open_range(&split.id, split.first);
    let ends = one_by_one(&source, &whole, expected);
    for most in [1, 2, 7, expected.len() + 1] {
        in_blocks(&source, &whole, most, expected);
    }
    resumed(&source, split, &ends, expected);
    source.stop();
}

/// The position and the bytes of a record, where the error says that it cannot be decoded, and is complete.
fn told(error: &ConnectError) -> (u64, Vec<u8>) {
    TOLD.check(error.class() == Class::Record, || format!("it is of class {:?}: {error}", error.class()));
    match error {
        ConnectError::Malformed { position, payload: Some(payload), .. } => (*position, payload.bytes().to_vec()),
        other => TOLD.broken(format!("it has no payload: {other}")),
    }
}

/// Reads record by record; where the reader stood after each.
fn one_by_one<S>(source: &S, range: &ReadRange, expected: &[Result<S::Item, Vec<u8>>]) -> Vec<u64>
where
    S: Source,
    S::Item: PartialEq + Debug,
{
    let mut reader = TOLD.ok(source.open(range), || format!("opening {range:?}"));
    let mut ends = vec![];
    for (index, expected) in expected.iter().enumerate() {
        let before = reader.position();
        match (reader.next_record(), expected) {
            (Ok(Some(record)), Ok(expected)) if record == *expected => {}
            (Err(error), Err(bytes)) => {
                let (position, found) = told(&error);
                TOLD.check(found == *bytes, || format!("record {index} is {bytes:?}, and its payload is {found:?}"));
                TOLD.check(position == reader.last_position(), || {
                    format!(
                        "record {index} is said to stand at {position}, last_position is {}",
                        reader.last_position()
                    )
                });
            }
            (found, _) => AFTER.broken(format!("record {index} is {expected:?}, and was read as {found:?}")),
        }
        let (last, after) = (reader.last_position(), reader.position());
        AFTER.check(before <= last && last < after, || {
            format!("record {index} stands at {last}, and the reader stood at {before} before it, at {after} after it")
        });
        ends.push(after);
    }
    let end = reader.next_record();
    AFTER.check(matches!(end, Ok(None)), || format!("after all records it gives {end:?}"));
    ends
}

/// Reads blocks, as the engine does: what comes before a record that cannot be decoded is in the block.
fn in_blocks<S>(source: &S, range: &ReadRange, most: usize, expected: &[Result<S::Item, Vec<u8>>])
where
    S: Source,
    S::Item: Clone + PartialEq + Debug,
{
    let mut reader = AFTER.ok(source.open(range), || format!("opening {range:?}"));
    let mut found = vec![];
    loop {
        let mut block = vec![];
        let read = reader.read_block(most, &mut block);
        found.extend(block.into_iter().map(Ok));
        match read {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => found.push(Err(told(&error).1)),
        }
        AFTER.check(found.len() <= expected.len(), || format!("blocks of {most} do not come to an end: {found:?}"));
    }
    AFTER.check(found == expected, || format!("blocks of {most} add up to {found:?} instead of {expected:?}"));
}

/// Reads the rest from each place where the reader stood.
fn resumed<S>(source: &S, split: &Split, ends: &[u64], expected: &[Result<S::Item, Vec<u8>>])
where
    S: Source,
    S::Item: PartialEq + Debug,
{
    for (end, rest) in ends.iter().zip((1..).map(|from| &expected[from..])) {
        one_by_one(source, &open_range(&split.id, *end), rest);
    }
}
