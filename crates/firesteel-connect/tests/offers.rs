//! Batches that are offered to the buffer in memory: the suite, stores that it finds fault with, turns and memory.
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration as Patience;

use firesteel_connect::conformance::{self, Courier};
use firesteel_connect::{
    Buffered, Class, Counter, Counters, LONGEST_TOKEN, Pool, ReadRange, Receiver, Refused, Result, Source,
    SourceContext, SourceReader, SplitId, Stopped, Store, StoreBuffer, Undecoded,
};
use firesteel_window::{Duration, Timestamp, millis, seconds};

#[test]
fn the_store_suite_holds() {
    conformance::store(|courier| Buffered::new(courier).capacity(20));
}

/// What a store does wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    None,
    StoresPieces,
    DropsARecord,
    KeepsRefused,
    GivesBackReversed,
    GivesUpAtOnce,
    NeverTooLarge,
    ForgetsTokens,
    TakesTokensOfRefused,
    KeepsTheFirstToken,
    IgnoresEmptyBatches,
    FullWhenStopped,
    DropsUndecoded,
    UndecodedLast,
}

type Decoded = std::result::Result<u64, Undecoded>;

/// A store in front of another one.
struct Faulty {
    store: Store<u64>,
    fault: Fault,
    token: Mutex<Option<Vec<u8>>>,
}

impl StoreBuffer<u64> for Faulty {
    fn push_one(&self, record: u64) -> std::result::Result<(), Stopped> {
        self.store.push(record)
    }
    fn push_all(&self, records: &mut dyn Iterator<Item = u64>) -> std::result::Result<(), Stopped> {
        self.store.push_all(records)
    }
    fn push_decoded(&self, records: &mut dyn Iterator<Item = Decoded>) -> std::result::Result<(), Stopped> {
        match self.fault {
            Fault::DropsUndecoded => self.store.push_all(records.filter_map(std::result::Result::ok)),
            Fault::UndecodedLast => {
                let (good, bad): (Vec<_>, Vec<_>) = records.partition(std::result::Result::is_ok);
                self.store.push_decoded(good.into_iter().chain(bad))
            }
            _ => self.store.push_decoded(records),
        }
    }
    fn offer(
        &self,
        mut batch: Vec<Decoded>,
        token: Option<&[u8]>,
        mut within: Duration,
    ) -> std::result::Result<(), Refused<Decoded>> {
        let mut own_token = self.token.lock().unwrap();
        if token.is_some() && (self.fault != Fault::KeepsTheFirstToken || own_token.is_none()) {
            *own_token = token.map(<[u8]>::to_vec);
        }
        drop(own_token);
        let token = token.filter(|_| self.fault != Fault::ForgetsTokens);
        match self.fault {
            Fault::StoresPieces => {
                for record in batch.clone() {
                    self.store.offer_decoded(vec![record], None, within).map_err(|_| Refused::Full(batch.clone()))?;
                }
                return self.store.offer_decoded(vec![], token, within);
            }
            Fault::DropsARecord if batch.len() > 2 => _ = batch.pop(),
            Fault::GivesUpAtOnce => within = Duration::ZERO,
            Fault::IgnoresEmptyBatches if batch.is_empty() => return Ok(()),
            _ => {}
        }
        self.store.offer_decoded(batch, token, within).map_err(|refused| match (refused, self.fault) {
            (Refused::Full(_), Fault::KeepsRefused) => Refused::Full(vec![]),
            (Refused::Full(batch), Fault::GivesBackReversed) => Refused::Full(batch.into_iter().rev().collect()),
            (Refused::TooLarge { records, .. }, Fault::NeverTooLarge) => Refused::Full(records),
            (Refused::Stopped(batch), Fault::FullWhenStopped) => Refused::Full(batch),
            (other, _) => other,
        })
    }
    fn token(&self) -> Option<Vec<u8>> {
        match self.fault {
            Fault::TakesTokensOfRefused | Fault::KeepsTheFirstToken => self.token.lock().unwrap().clone(),
            _ => self.store.token(),
        }
    }
    fn is_stopped(&self) -> bool {
        self.store.is_stopped()
    }
    fn wait_stopped(&self, at_most: Duration) -> bool {
        self.store.wait_stopped(at_most)
    }
}

/// A receiver that gets a store with a fault.
struct Meddling(Courier, Fault);

impl Receiver for Meddling {
    type Item = u64;
    fn describe(&self) -> String {
        self.0.describe()
    }
    fn receive(&mut self, store: &Store<u64>) -> Result<()> {
        let faulty = Faulty { store: store.clone(), fault: self.1, token: Mutex::default() };
        self.0.receive(&Store::new(Arc::new(faulty)))
    }
}

#[test]
fn the_store_suite_finds_each_fault() {
    let suite = |fault| conformance::store(|courier| Buffered::new(Meddling(courier, fault)).capacity(20));
    suite(Fault::None);
    let cases = [
        (Fault::StoresPieces, "O2"),
        (Fault::DropsARecord, "O1"),
        (Fault::KeepsRefused, "O3"),
        (Fault::GivesBackReversed, "O3"),
        (Fault::GivesUpAtOnce, "O4"),
        (Fault::NeverTooLarge, "O5"),
        (Fault::ForgetsTokens, "O6"),
        (Fault::TakesTokensOfRefused, "O6"),
        (Fault::KeepsTheFirstToken, "O6"),
        (Fault::IgnoresEmptyBatches, "O6"),
        (Fault::FullWhenStopped, "O7"),
        (Fault::DropsUndecoded, "O9"),
        (Fault::UndecodedLast, "O9"),
    ];
    for (fault, rule) in cases {
        let panic = catch_unwind(AssertUnwindSafe(|| suite(fault))).expect_err("the suite finds nothing wrong");
        let text = panic.downcast::<String>().expect("a suite panics with a text");
        assert!(text.starts_with(&format!("rule {rule} ")), "{fault:?}: {text}");
    }
}

#[test]
fn the_suite_for_restarts_finds_a_store_that_survives_none() {
    let suite = || conformance::store_restarts(|courier| Buffered::new(courier).capacity(20));
    let text = catch_unwind(suite).expect_err("it finds nothing wrong").downcast::<String>().unwrap();
    assert!(text.starts_with("rule O8 "), "{text}");
}

/// A receiver that hands its store to the test.
struct Remote(mpsc::Sender<Store<String>>);

impl Receiver for Remote {
    type Item = String;
    fn describe(&self) -> String {
        "texts".into()
    }
    fn receive(&mut self, store: &Store<String>) -> Result<()> {
        let _ = self.0.send(store.clone());
        while !store.wait_stopped(seconds(10)) {}
        Ok(())
    }
}

fn started(capacity: usize, pool: Option<&Pool>) -> (Buffered<Remote>, Store<String>, Counter) {
    let (sender, stores) = mpsc::channel();
    let source = Buffered::new(Remote(sender)).capacity(capacity);
    if let Some(pool) = pool {
        source.buffer_within(pool);
    }
    let context = SourceContext::default();
    source.start(&context).unwrap();
    let waits = context.counters().counter(Counters::WAITS);
    (source, stores.recv_timeout(Patience::from_secs(10)).unwrap(), waits)
}

fn texts(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn commit(source: &Buffered<Remote>, position: u64) {
    source.committed(&[(SplitId::new("receiver"), position)]).unwrap();
}

fn until_waits(counter: &Counter, waits: u64) {
    while counter.value() < waits {
        std::thread::yield_now();
    }
}

#[test]
fn who_waits_for_much_room_is_not_passed_by_those_who_need_little() {
    let (source, store, waits) = started(4, None);
    store.offer(texts(0..3), None, seconds(10)).unwrap();
    std::thread::scope(|scope| {
        let large = std::thread::Builder::new().spawn_scoped(scope, || store.offer(texts(10..14), None, seconds(60)));
        until_waits(&waits, 1);
        let small = std::thread::Builder::new().spawn_scoped(scope, || store.push("one".into()));
        until_waits(&waits, 2);
        let refused = store.offer(texts(20..21), None, millis(1)).unwrap_err();
        assert!(matches!(refused, Refused::Full(_)), "there is room for one, and somebody was there before: {refused}");
        commit(&source, 3);
        large.unwrap().join().unwrap().unwrap();
        commit(&source, 7);
        small.unwrap().join().unwrap().unwrap();
    });
    let mut found = vec![];
    let range = ReadRange::exact(SplitId::new("receiver"), 7, 8);
    source.open(&range).unwrap().for_each(|text| found.push(text)).unwrap();
    assert_eq!(found, ["one"]);
}

#[test]
fn who_gives_up_waiting_lets_the_next_one_have_the_room() {
    let (source, store, waits) = started(4, None);
    store.offer(texts(0..3), None, seconds(10)).unwrap();
    std::thread::scope(|scope| {
        let large = std::thread::Builder::new().spawn_scoped(scope, || store.offer(texts(0..4), None, millis(5)));
        until_waits(&waits, 1);
        store.push("one".into()).unwrap();
        assert!(matches!(large.unwrap().join().unwrap(), Err(Refused::Full(back)) if back == texts(0..4)));
    });
    assert_eq!(source.discover(Timestamp::EPOCH).unwrap().splits[0].available, Some(4));
}

#[test]
fn the_bytes_of_a_batch_are_those_of_its_records_and_a_refused_one_takes_none() {
    let pool = Pool::new(10_000);
    let (source, store, waits) = started(10_000, Some(&pool));
    let batch = || vec!["x".repeat(976); 6];
    store.offer(batch(), None, seconds(10)).unwrap();
    assert_eq!(pool.budget().used(), 6_000);
    assert!(matches!(store.offer(batch(), None, millis(1)), Err(Refused::Full(back)) if back == batch()));
    assert_eq!(pool.budget().used(), 6_000, "what is refused is the receiver's own affair");
    std::thread::scope(|scope| {
        let waiting = std::thread::Builder::new().spawn_scoped(scope, || store.offer(batch(), Some(b"t"), seconds(60)));
        until_waits(&waits, 2);
        commit(&source, 6);
        waiting.unwrap().join().unwrap().unwrap();
    });
    assert_eq!((pool.budget().used(), store.token()), (6_000, Some(b"t".to_vec())));
    commit(&source, 12);
    // Larger than all of the memory: alone, as a single record is.
    store.offer(vec!["x".repeat(976); 20], None, seconds(10)).unwrap();
    assert_eq!(pool.budget().used(), 20_000);
    commit(&source, 32);
    assert_eq!(pool.budget().used(), 0);
}

#[test]
fn a_token_that_is_too_long_is_refused_with_its_batch() {
    let (_source, store, _) = started(10, None);
    store.offer(vec![], Some(&vec![1; LONGEST_TOKEN]), seconds(1)).unwrap();
    let refused = store.offer(texts(0..2), Some(&vec![2; LONGEST_TOKEN + 1]), seconds(1)).unwrap_err();
    assert_eq!((refused.code(), refused.class()), ("FS-N013", Class::Program));
    assert!(refused.to_string().contains("65537 bytes, and 65536 are the most"), "{refused}");
    assert_eq!(refused.into_records(), Some(texts(0..2)));
    assert_eq!(store.token(), Some(vec![1; LONGEST_TOKEN]));
}

#[test]
fn what_is_refused_says_why_and_no_record_stands_in_the_message() {
    let (_source, store, _) = started(2, None);
    let refused = store.offer(vec!["secret".into(); 3], None, seconds(1)).unwrap_err();
    assert_eq!((refused.code(), refused.class()), ("FS-N012", Class::Program));
    let (shown, debug) = (refused.to_string(), format!("{refused:?}"));
    assert!(shown.starts_with("FS-N012: a batch of 3 records never fits") && shown.contains("capacity"), "{shown}");
    assert!(!debug.contains("secret"), "{debug}");
    store.offer(vec![], None, Duration::ZERO).unwrap();
    assert_eq!(store.token(), None);
}
