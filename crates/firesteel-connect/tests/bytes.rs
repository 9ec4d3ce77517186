//! Receivers whose buffers are bounded by bytes: few large records, several that share one pool, one record above it.
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::collections::HashMap;
use std::fmt;
use std::sync::{LazyLock, Mutex, mpsc};
use std::time::Duration;

use firesteel_connect::{
    Buffered, Counter, Counters, Pool, ReadRange, Receiver, Result, Source, SourceContext, SourceReader, SplitId,
    Store, Wake,
};
use firesteel_window::{Timestamp, seconds};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const MIB: u64 = 1 << 20;

/// What a `String` takes beside its bytes.
const HEADER: u64 = 24;

type Received = Buffered<Call>;

/// A receiver made of a closure.
struct Call {
    name: &'static str,
    call: Box<dyn FnMut(&Store<String>) + Send>,
}

impl Receiver for Call {
    type Item = String;

    fn describe(&self) -> String {
        self.name.into()
    }

    fn receive(&mut self, store: &Store<String>) -> Result<()> {
        (self.call)(store);
        Ok(())
    }
}

/// A started source within `pool`, and what tells of its wake-ups.
fn start(
    pool: &Pool,
    name: &'static str,
    call: impl FnMut(&Store<String>) + Send + 'static,
) -> (Received, mpsc::Receiver<()>, Counter) {
    NOTICES.install();
    let source = Buffered::new(Call { name, call: Box::new(call) });
    source.buffer_within(pool);
    let (woken, wakes) = mpsc::channel();
    let context = SourceContext::default().with_wake(Wake::new(move || _ = woken.send(())));
    source.start(&context).unwrap();
    (source, wakes, context.counters().counter(Counters::WAITS))
}

fn split() -> SplitId {
    SplitId::new("receiver")
}

/// The position after the last record, and whether there will be more.
fn found(source: &Received) -> (u64, bool) {
    let split = source.discover(Timestamp::EPOCH).unwrap().splits.remove(0);
    (split.available.unwrap(), !split.finished)
}

fn read(source: &Received, from: u64, to: u64) -> Vec<String> {
    let mut records = vec![];
    source.open(&ReadRange::exact(split(), from, to)).unwrap().for_each(|record| records.push(record)).unwrap();
    records
}

/// Waits until pushes have had to wait this many times.
fn until_waits(counter: &Counter, waits: u64) {
    while counter.value() < waits {
        std::thread::yield_now();
    }
}

/// Reads and commits what comes until it ends; returns what each record begins with.
fn drain(source: &Received, wakes: &mpsc::Receiver<()>, pool: &Pool, limit: u64) -> Vec<u64> {
    let (mut from, mut numbers) = (source.discover(Timestamp::EPOCH).unwrap().splits[0].first, vec![]);
    loop {
        let (end, more) = found(source);
        assert!(pool.budget().used() <= limit, "{} of {limit} bytes", pool.budget().used());
        numbers.extend(read(source, from, end).iter().map(|record| record[..8].parse::<u64>().unwrap()));
        source.committed(&[(split(), end)]).unwrap();
        if !more {
            return numbers;
        }
        if end == from {
            wakes.recv_timeout(Duration::from_secs(10)).expect("the source wakes when something happens");
        }
        from = end;
    }
}

/// A record of this many bytes that begins with its number.
fn record(number: u64, bytes: u64) -> String {
    let mut record = format!("{number:08}");
    record.extend(std::iter::repeat_n('x', bytes as usize - record.len()));
    record
}

/// The warnings of this process, by receiver.
static NOTICES: LazyLock<Notices> = LazyLock::new(Notices::default);

#[derive(Default)]
struct Notices(Mutex<HashMap<String, Vec<String>>>);

impl Notices {
    fn install(&'static self) {
        let _ = tracing::subscriber::set_global_default(Listener(self));
    }

    fn of(&self, receiver: &str) -> Vec<String> {
        self.0.lock().unwrap().get(receiver).cloned().unwrap_or_default()
    }
}

struct Listener(&'static Notices);

#[derive(Default)]
struct Said {
    receiver: String,
    message: String,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "receiver" => self.receiver = format!("{value:?}"),
            "message" => self.message = format!("{value:?}"),
            _ => {}
        }
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn event(&self, event: &Event<'_>) {
        let mut said = Said::default();
        event.record(&mut said);
        self.0.0.lock().unwrap().entry(said.receiver).or_default().push(said.message);
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// As users of buffers that count events have met it: the number is far from its bound, and memory is full.
#[test]
fn a_few_large_records_fill_a_buffer_of_many_places() {
    for in_bulk in [false, true] {
        let pool = Pool::new(8 * MIB);
        let name = if in_bulk { "many large records at once" } else { "large records" };
        let (source, wakes, waits) = start(&pool, name, move |store| {
            let records = (0..100).map(|number| record(number, MIB));
            if in_bulk {
                store.push_all(records).unwrap();
            } else {
                records.for_each(|record| store.push(record).unwrap());
            }
        });
        until_waits(&waits, 1);
        assert_eq!(found(&source), (7, true), "the eighth does not fit, by what it takes beside its bytes");
        assert_eq!(pool.budget().used(), 7 * (MIB + HEADER));
        assert_eq!(read(&source, 0, 1), [record(0, MIB)]);
        source.committed(&[(split(), 1)]).unwrap();
        until_waits(&waits, 2);
        assert_eq!(found(&source), (8, true), "what is committed makes room for as much");
        assert_eq!(drain(&source, &wakes, &pool, 8 * MIB), (1..100).collect::<Vec<_>>(), "nothing is lost");
        assert_eq!(pool.budget().used(), 0);
        let told = NOTICES.of(name);
        assert_eq!(told.len(), 1, "once, and not each time: {told:?}");
        assert!(told[0].contains("7340200 of 8388608 bytes") && told[0].contains("Memory::buffers"), "{told:?}");
    }
}

#[test]
fn a_buffer_that_is_full_of_records_says_so_once() {
    let (sent, done) = mpsc::channel();
    let (pool, name) = (Pool::new(MIB), "a hundred small records");
    NOTICES.install();
    let call = move |store: &Store<String>| {
        (0..100).for_each(|number| store.push(record(number, 8)).unwrap());
        sent.send(()).unwrap();
    };
    let source = Buffered::new(Call { name, call: Box::new(call) }).capacity(10);
    source.buffer_within(&pool);
    let (woken, wakes) = mpsc::channel();
    let context = SourceContext::default().with_wake(Wake::new(move || _ = woken.send(())));
    source.start(&context).unwrap();
    until_waits(&context.counters().counter(Counters::WAITS), 1);
    assert_eq!(found(&source), (10, true));
    assert!(done.try_recv().is_err());
    assert_eq!(drain(&source, &wakes, &pool, MIB).len(), 100);
    let told = NOTICES.of(name);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("10 records") && told[0].contains("Buffered::capacity"), "{told:?}");
}

/// As users of a limit per input have met it: all inputs paused, and none ever resumed.
#[test]
fn receivers_that_share_too_little_all_get_their_records_through() {
    for limit in [0, MIB] {
        let pool = Pool::new(limit);
        let receivers: Vec<_> = (0..4)
            .map(|_| {
                start(&pool, "one of four", |store| {
                    (0..30).for_each(|number| store.push(record(number, 300 << 10)).unwrap());
                })
            })
            .collect();
        // All are held back before anything is taken.
        receivers.iter().for_each(|(_, _, waits)| until_waits(waits, 1));
        // One record each is above the limit: an eighth of it is certain for each, and half of it is anybody's.
        let most = limit + 4 * (HEADER + (300 << 10));
        for (source, wakes, _) in &receivers {
            assert_eq!(drain(source, wakes, &pool, most), (0..30).collect::<Vec<_>>());
        }
        assert_eq!(pool.budget().used(), 0);
    }
}

#[test]
fn a_receiver_whose_records_nobody_takes_does_not_hold_up_another() {
    let pool = Pool::new(8 * MIB);
    // Of each, two mebibytes are its own; and the first has taken all others.
    let (started, starts) = mpsc::channel::<()>();
    let (stalled, _, waits) = start(&pool, "nobody reads it", |store| while store.push(record(0, MIB / 2)).is_ok() {});
    let (source, wakes, _) = start(&pool, "somebody reads it", move |store| {
        starts.recv().unwrap();
        (0..100).for_each(|number| store.push(record(number, MIB / 2)).unwrap());
    });
    until_waits(&waits, 1);
    started.send(()).unwrap();
    // The first may have filled the pool before there was another.
    assert_eq!(drain(&source, &wakes, &pool, 10 * MIB), (0..100).collect::<Vec<_>>());
    assert!(pool.budget().used() > 5 * MIB && found(&stalled).0 > 10, "what nobody takes is still there");
    let held = found(&stalled).0;
    stalled.stop();
    assert_eq!(found(&stalled).0, held + 1, "what has left the receiver is stored when it is to stop");
    drop(stalled);
    assert_eq!(pool.budget().used(), 0);
}

/// A trickle of small records would keep a buffer from ever being empty enough for a large one.
#[test]
fn a_large_record_is_not_passed_by_small_ones_forever() {
    let pool = Pool::new(MIB);
    let (source, wakes, waits) = start(&pool, "a large record and a trickle", |store| {
        store.push(record(0, 1000)).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| store.push(record(1, 3 * MIB)).unwrap());
            // The large record is the first that waits.
            while !NOTICES.of("a large record and a trickle").iter().any(|told| told.contains("Memory::buffers")) {
                std::thread::yield_now();
            }
            (2..20).for_each(|number| store.push(record(number, 1000)).unwrap());
        });
    });
    // The trickle waits, too, although there would be room for it.
    until_waits(&waits, 2);
    assert_eq!(found(&source), (1, true));
    assert_eq!(drain(&source, &wakes, &pool, 3 * MIB + HEADER), (0..20).collect::<Vec<_>>());
    assert_eq!(pool.budget().used(), 0);
}

#[test]
fn records_that_cannot_be_serialized_say_themselves_how_large_they_are() {
    struct Numbers;
    impl Receiver for Numbers {
        type Item = u64;
        fn describe(&self) -> String {
            "numbers that say they are large".into()
        }
        fn receive(&mut self, store: &Store<u64>) -> Result<()> {
            let _ = store.push_all(0..100);
            while !store.wait_stopped(seconds(60)) {}
            Ok(())
        }
    }
    let pool = Pool::new(50 * MIB);
    let source = Buffered::measured(Numbers, |number| number + MIB);
    source.buffer_within(&pool);
    let context = SourceContext::default();
    source.start(&context).unwrap();
    until_waits(&context.counters().counter(Counters::WAITS), 1);
    assert_eq!(source.discover(Timestamp::EPOCH).unwrap().splits[0].available, Some(49));
    assert_eq!(pool.budget().used(), 49 * MIB + (0..49).sum::<u64>());
}
