//! The suite for what receivers put their records into.

use std::sync::mpsc;

use firesteel_window::{Duration, Timestamp};

use super::source::open_range;
use super::{PATIENCE, Rule};
use crate::{
    ConnectError, Counter, Counters, Payload, Receiver, Refused, Result, Source, SourceContext, SourceReader, Split,
    Store, Undecoded, Wake,
};

const WHOLE: Rule = Rule("O1", "what an offer or a push has stored is read once, whole and in order");
const FULL: Rule =
    Rule("O2", "an offer that does not fit is refused as full within its time, and nothing of it is stored");
const BACK: Rule = Rule("O3", "a refused batch comes back whole, in its order");
const ROOM: Rule = Rule("O4", "an offer waits for room within its time, and commits make it");
const NEVER: Rule = Rule("O5", "a batch that can never fit is refused as too large");
const UNDECODED: Rule = Rule("O9", "what could not be decoded keeps its place among the records, and its payload");
const TOKEN: Rule =
    Rule("O6", "the token is that of the last offer that was stored, of an empty one too, and of no other");
const STOP: Rule = Rule("O7", "an offer that waits ends with the job, and nothing of it is stored");
const AGAIN: Rule = Rule("O8", "after a restart records and token are those of the same offers");

/// More records than a store of the suite may have room for.
const TOO_MANY: u64 = 1_000;
const NO_TIME: Duration = Duration::millis(1);
const SOME_TIME: Duration = Duration::millis(20);

/// A receiver that hands its store to the suite, and ends when it is told to stop.
#[derive(Debug)]
pub struct Courier(mpsc::Sender<Store<u64>>);

impl Receiver for Courier {
    type Item = u64;

    fn describe(&self) -> String {
        "numbers of the suite for stores".into()
    }

    fn receive(&mut self, store: &Store<u64>) -> Result<()> {
        // Without the suite there is nothing to do.
        while self.0.send(store.clone()).is_ok() && !store.wait_stopped(PATIENCE.into()) {}
        Ok(())
    }
}

/// A source that runs, and the store in front of it.
struct Running<S> {
    source: S,
    store: Store<u64>,
    wakes: mpsc::Receiver<()>,
    /// How often a push or an offer has waited.
    waits: Counter,
    from: u64,
}

impl<S: Source<Item = u64>> Running<S> {
    fn start(make: impl FnOnce(Courier) -> S) -> Self {
        let (sender, stores) = mpsc::channel();
        let source = make(Courier(sender));
        let (woken, wakes) = mpsc::channel();
        let context = SourceContext::default().with_wake(Wake::new(move || _ = woken.send(())));
        WHOLE.ok(source.start(&context), || "starting".into());
        let store = WHOLE.ok(stores.recv_timeout(PATIENCE), || "running the receiver".into());
        let waits = context.counters().counter(Counters::WAITS);
        let mut running = Self { source, store, wakes, waits, from: 0 };
        running.from = running.split().first;
        running
    }

    fn split(&self) -> Split {
        let discovery = WHOLE.ok(self.source.discover(Timestamp::EPOCH), || "looking for records".into());
        let [split] = &discovery.splits[..] else { WHOLE.broken(format!("there is not one split: {discovery:?}")) };
        split.clone()
    }

    /// Reads what has come since the last commit.
    fn read(&self) -> (Vec<u64>, u64) {
        let mut found = vec![];
        let mut reader =
            WHOLE.ok(self.source.open(&open_range(&self.split().id, self.from)), || "opening the store".into());
        WHOLE.ok(reader.for_each(|record| found.push(record)), || "reading the store".into());
        (found, reader.position())
    }

    /// Reads what has come since the last call, which must be this, and commits it.
    #[track_caller]
    fn expect(&mut self, rule: Rule, expected: &[u64]) {
        let (found, position) = self.read();
        rule.check(found == expected, || format!("{found:?} is stored instead of {expected:?}"));
        let id = self.split().id;
        WHOLE.ok(self.source.committed(&[(id, position)]), || "committing".into());
        self.from = position;
    }

    /// Offers with all the time there is; it must be taken.
    #[track_caller]
    fn offer(&self, rule: Rule, batch: Vec<u64>, token: Option<&[u8]>) {
        let text = format!("offering {batch:?} where there is room");
        rule.ok(self.store.offer(batch, token, PATIENCE.into()), || text);
    }

    /// Offers three records at a time until no more fit; returns those that are stored. The last offer has no other token
    /// than the others.
    fn fill(&self) -> Vec<u64> {
        for number in (0..TOO_MANY).step_by(3) {
            let batch: Vec<u64> = (number..number + 3).collect();
            match self.store.offer(batch.clone(), Some(b"stored"), SOME_TIME) {
                // What a disk has not confirmed yet is on its way.
                Ok(()) | Err(Refused::Unsure) => {}
                Err(Refused::Full(back)) => {
                    BACK.check(back == batch, || format!("{back:?} came back of {batch:?}"));
                    self.until_there(number);
                    return (0..number).collect();
                }
                Err(other) => FULL.broken(format!("a batch that does not fit for now: {other}")),
            }
        }
        FULL.broken(format!("{TOO_MANY} records fit; give the suite a store for fewer"))
    }

    /// Waits until this many records have come since the last commit.
    fn until_there(&self, records: u64) {
        while self.split().available.is_some_and(|end| end < self.from + records) {
            WHOLE.ok(self.wakes.recv_timeout(PATIENCE), || format!("waiting for {records} records to be shown"));
        }
    }

    #[track_caller]
    fn token(&self, expected: Option<&[u8]>, when: &str) {
        let found = self.store.token();
        TOKEN.check(found.as_deref() == expected, || format!("{when} it is {found:?} instead of {expected:?}"));
    }
}

/// Checks that a store takes offers whole or not at all, within their time, and keeps their token.
///
/// `make` yields a fresh source each time over the receiver that it is given, in an empty place, with room for 8 to 998
/// records that are not committed; where it counts them, for a number that three does not divide.
///
/// # Panics
/// With the number of the rule that does not hold.
pub fn store<S: Source<Item = u64>>(make: impl Fn(Courier) -> S) {
    stored_whole(Running::start(&make));
    refused_whole(Running::start(&make));
    waits_for_room(Running::start(&make));
    tokens(&Running::start(&make));
    undecoded(Running::start(&make));
    stops(Running::start(&make));
}

/// Checks a store whose records survive a restart: records and tokens do so together.
///
/// `make` yields a source over the same place each time, which is empty at first.
///
/// # Panics
/// With the number of the rule that does not hold.
pub fn store_restarts<S: Source<Item = u64>>(make: impl Fn(Courier) -> S) {
    let check = |running: &Running<S>, records: &[u64], token: Option<&[u8]>| {
        let ((found, _), kept) = (running.read(), running.store.token());
        AGAIN.check(found == records && kept.as_deref() == token, || {
            format!("{found:?} and the token {kept:?} are there, and {records:?} and {token:?} were stored")
        });
    };
    let first = Running::start(&make);
    check(&first, &[], None);
    first.offer(AGAIN, vec![1, 2], Some(b"two"));
    AGAIN.ok(first.store.push(3), || "pushing".into());
    first.source.stop();
    let mut second = Running::start(&make);
    check(&second, &[1, 2, 3], Some(b"two"));
    second.expect(AGAIN, &[1, 2, 3]);
    second.offer(AGAIN, vec![], Some(b"three"));
    second.source.stop();
    // Another start without a word in between, and what is committed does not take its token with it.
    Running::start(&make).source.stop();
    check(&Running::start(&make), &[], Some(b"three"));
}

fn stored_whole<S: Source<Item = u64>>(mut running: Running<S>) {
    running.offer(WHOLE, vec![7, 5, 6], None);
    running.expect(WHOLE, &[7, 5, 6]);
    running.offer(WHOLE, vec![1], None);
    WHOLE.ok(running.store.push(2), || "pushing".into());
    running.offer(WHOLE, vec![3, 4], Some(b"four"));
    running.offer(WHOLE, vec![], None);
    running.expect(WHOLE, &[1, 2, 3, 4]);
    running.source.stop();
}

fn refused_whole<S: Source<Item = u64>>(mut running: Running<S>) {
    // Room for some of the last batch was no room.
    let filled = running.fill();
    FULL.check(filled.len() >= 6, || format!("only {} records fit; give the suite a store for more", filled.len()));
    let batch: Vec<u64> = (100..105).collect();
    // On another thread, so that one that waits forever is seen as well.
    let (answer, answers) = mpsc::channel();
    let (store, offered) = (running.store.clone(), batch.clone());
    let offering =
        std::thread::Builder::new().spawn(move || _ = answer.send(store.offer(offered, Some(b"refused"), NO_TIME)));
    FULL.ok(offering, || "starting a thread".into());
    match FULL.ok(answers.recv_timeout(PATIENCE), || format!("no answer within {PATIENCE:?} instead of 1 ms")) {
        Err(Refused::Full(back)) => BACK.check(back == batch, || format!("{back:?} came back of {batch:?}")),
        other => FULL.broken(format!("where not even three records fit, five are answered with {other:?}")),
    }
    running.expect(FULL, &filled);
    running.token(Some(b"stored"), "after an offer that was refused");
    let too_many: Vec<u64> = (0..TOO_MANY).collect();
    match running.store.offer(too_many.clone(), None, PATIENCE.into()) {
        Err(Refused::TooLarge { records, .. }) => {
            BACK.check(records == too_many, || format!("{} records came back of {TOO_MANY}", records.len()));
        }
        other => NEVER.broken(format!("{TOO_MANY} records in a store for fewer: {other:?}")),
    }
    running.offer(FULL, batch.clone(), None);
    running.expect(FULL, &batch);
    running.source.stop();
}

fn waits_for_room<S: Source<Item = u64>>(mut running: Running<S>) {
    let filled = running.fill();
    let before = running.waits.value();
    let store = running.store.clone();
    let offer = move || {
        store.offer(vec![500, 501, 502], Some(b"waited"), PATIENCE.into()).map_err(|refused| refused.to_string())
    };
    let offering = ROOM.ok(std::thread::Builder::new().spawn(offer), || "starting a thread".into());
    until_it_waits(&running.waits, before);
    running.expect(ROOM, &filled);
    let answer = offering.join().unwrap_or_else(|_| ROOM.broken("it panicked"));
    ROOM.ok(answer, || "offering, and committing what was in its way".into());
    running.token(Some(b"waited"), "after an offer that has waited");
    running.expect(ROOM, &[500, 501, 502]);
    running.source.stop();
}

fn tokens<S: Source<Item = u64>>(running: &Running<S>) {
    running.token(None, "before the first offer");
    running.offer(TOKEN, vec![1], None);
    running.token(None, "after an offer without one");
    running.offer(TOKEN, vec![2], Some(b"a"));
    running.token(Some(b"a"), "after the first");
    running.offer(TOKEN, vec![], Some(b"b"));
    running.token(Some(b"b"), "after an empty batch with one");
    running.offer(TOKEN, vec![3], None);
    TOKEN.ok(running.store.push(4), || "pushing".into());
    running.token(Some(b"b"), "after records without one");
    running.offer(TOKEN, vec![], Some(b""));
    running.token(Some(b""), "after one of no bytes");
    let (found, _) = running.read();
    TOKEN.check(found == [1, 2, 3, 4], || format!("{found:?} is stored"));
    running.source.stop();
}

fn undecoded<S: Source<Item = u64>>(running: Running<S>) {
    let bad = |byte: u8| Err(Undecoded::new("no number", Payload::of(&[byte, byte])));
    UNDECODED.ok(running.store.push_decoded([Ok(1), bad(2), bad(3), Ok(4)].into_iter()), || "pushing".into());
    let offered = running.store.offer_decoded(vec![bad(5), Ok(6)], None, PATIENCE.into());
    UNDECODED.ok(offered, || "offering".into());
    let split = running.split();
    let open = |from| UNDECODED.ok(running.source.open(&open_range(&split.id, from)), || "opening the store".into());
    for from in 0..6 {
        let (mut reader, mut found) = (open(split.first + from), vec![]);
        while found.len() < 10 {
            match reader.next_record() {
                Ok(Some(record)) => found.push((reader.last_position(), Ok(record))),
                Ok(None) => break,
                Err(ConnectError::Malformed { position, payload: Some(payload), .. }) => {
                    found.push((position, Err(payload.bytes().to_vec())));
                }
                Err(other) => UNDECODED.broken(format!("it is not told as one record that cannot be decoded: {other}")),
            }
        }
        let all = [Ok(1), Err(vec![2, 2]), Err(vec![3, 3]), Ok(4), Err(vec![5, 5]), Ok(6)];
        let expected: Vec<_> = (split.first..).zip(all).skip(from as usize).collect();
        UNDECODED.check(found == expected, || format!("{found:?} is read instead of {expected:?}"));
    }
    running.source.stop();
}

fn stops<S: Source<Item = u64>>(running: Running<S>) {
    let filled = running.fill();
    let before = running.waits.value();
    let store = running.store.clone();
    let offering =
        std::thread::Builder::new().spawn(move || store.offer(vec![500, 501, 502], Some(b"late"), PATIENCE.into()));
    let offering = STOP.ok(offering, || "starting a thread".into());
    until_it_waits(&running.waits, before);
    let found = running.read().0;
    running.source.stop();
    match offering.join().unwrap_or_else(|_| STOP.broken("it panicked")) {
        Err(Refused::Stopped(back)) => BACK.check(back == [500, 501, 502], || format!("{back:?} came back")),
        other => STOP.broken(format!("an offer that waited when the job ended: {other:?}")),
    }
    STOP.check(found == filled, || format!("{found:?} is stored instead of {filled:?}"));
    running.token(Some(b"stored"), "after an offer that was stopped");
    let after = running.store.offer(vec![9], None, PATIENCE.into());
    STOP.check(matches!(&after, Err(Refused::Stopped(back)) if *back == [9]), || format!("after the end: {after:?}"));
}

/// Waits until one more waits for room; not forever, since what follows has the same outcome if it comes later.
fn until_it_waits(waits: &Counter, before: u64) {
    for _ in 0..100_000 {
        if waits.value() > before {
            return;
        }
        std::thread::yield_now();
    }
}
