//! The suite for receivers.

use std::fmt::Debug;
use std::sync::mpsc;

use firesteel_window::Timestamp;
use serde::Serialize;

use super::source::open_range;
use super::{PATIENCE, Rule};
use crate::{Buffered, Pool, Receiver, Source, SourceContext, SourceReader, Wake};

const ARRIVES: Rule = Rule("R1", "every record arrives once, in order, and the receiver ends");
const WAITS: Rule = Rule("R2", "a small buffer slows the receiver down and loses nothing");
const STOPS: Rule = Rule("R3", "a receiver that is told to stop ends soon");

/// Checks a receiver against the contract of [`Receiver`].
///
/// `make` yields a fresh receiver each time, which stores exactly `expected` and then ends; two records at least.
///
/// # Panics
/// With the number of the rule that does not hold.
pub fn receiver<R>(make: impl Fn() -> R, expected: &[R::Item])
where
    R: Receiver,
    R::Item: Clone + Sync + PartialEq + Debug + Serialize,
{
    drained(ARRIVES, Buffered::new(make()), expected);
    drained(WAITS, Buffered::new(make()).capacity(1), expected);
    let without_memory = Buffered::new(make());
    without_memory.buffer_within(&Pool::new(0));
    drained(WAITS, without_memory, expected);
    STOPS.check(expected.len() >= 2, || "the suite needs two expected records, to fill a buffer of one".into());
    receiver_stops(|| Buffered::new(make()).capacity(1));
}

/// Checks that a receiver ends soon when it is told to, whatever it is waiting for.
///
/// `make` yields a buffered receiver that would not end by itself: a silent peer, a peer that does not answer.
///
/// # Panics
/// With the number of the rule that does not hold.
pub fn receiver_stops<R>(make: impl Fn() -> Buffered<R>)
where
    R: Receiver,
    R::Item: Clone + Sync,
{
    let source = make().stop_within(PATIENCE.into());
    let (woken, wakes) = mpsc::channel();
    STOPS.ok(source.start(&SourceContext::default().with_wake(Wake::new(move || _ = woken.send(())))), || {
        "starting".into()
    });
    // Give it a chance to receive something or to wait for it; either will do.
    let _ = wakes.recv_timeout(PATIENCE / 200);
    STOPS.check(source.end(), || format!("{} has not ended within {PATIENCE:?}", source.describe()));
}

/// Reads all and commits each piece.
fn drained<R>(rule: Rule, source: Buffered<R>, expected: &[R::Item])
where
    R: Receiver,
    R::Item: Clone + Sync + PartialEq + Debug,
{
    let (woken, wakes) = mpsc::channel();
    rule.ok(source.start(&SourceContext::default().with_wake(Wake::new(move || _ = woken.send(())))), || {
        "starting".into()
    });
    let (mut from, mut found) = (0, vec![]);
    loop {
        let discovery = rule.ok(source.discover(Timestamp::from_millis(0)), || "looking for records".into());
        let split = &discovery.splits[0];
        let mut reader = rule.ok(source.open(&open_range(&split.id, from)), || "opening the buffer".into());
        rule.ok(reader.for_each(|record| found.push(record)), || "reading the buffer".into());
        let position = reader.position();
        if split.finished {
            break;
        }
        rule.ok(source.committed(&[(split.id.clone(), position)]), || "committing".into());
        if position == from && wakes.recv_timeout(PATIENCE).is_err() {
            rule.broken(format!("{found:?} came, then nothing for {PATIENCE:?}, and it has not ended"));
        }
        from = position;
    }
    rule.check(found == expected, || format!("{found:?} came instead of {expected:?}"));
    rule.check(source.end(), || format!("its thread has not ended: {}", source.describe()));
}
