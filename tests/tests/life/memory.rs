//! The memory that a job may take.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use firesteel_budget::{Memory, Part, Reservation, mib};
use firesteel_connect::{ConnectError, Receiver, Store};
use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_core::ManualClock;
use firesteel_state::{MemoryBackend, MemoryBudget, OpenBackend, StateBackend};
use firesteel_streaming::{BatchLimits, Checkpoint, Class, Trigger};
use firesteel_testkit::JobLog;
use firesteel_window::hours;

use crate::job;

/// A backend in memory that says it takes this much for itself.
struct Takes {
    bytes: u64,
    reservation: Mutex<Option<Reservation>>,
}

impl Takes {
    fn new(bytes: u64) -> Self {
        Self { bytes, reservation: Mutex::default() }
    }
}

impl OpenBackend for Takes {
    fn open(&self, _: &Path, budget: &MemoryBudget) -> firesteel_state::Result<Arc<dyn StateBackend>> {
        let mut reservation = budget.reserve();
        reservation.set(self.bytes);
        *self.reservation.lock().unwrap() = Some(reservation);
        Ok(Arc::new(MemoryBackend::new()))
    }
}

#[test]
fn a_job_tells_what_it_takes_of_each_part() {
    let memory = Memory::of(mib(64));
    let job = job(1).memory(memory.clone()).build().unwrap();
    let numbers = job.read(MemorySource::new((0..10_000u64).collect::<Vec<_>>()));
    numbers.map(|n| (n, ())).running_count().write(Collector::new());
    assert_eq!(job.memory().used(), 0, "nothing has run");
    let mut run = job.begin().unwrap();
    run.next_batch().unwrap();
    let state = memory.part(Part::State).used();
    assert!(state >= 10_000 * 16, "a key and its count, for each of ten thousand: {state}");
    assert_eq!(memory.part(Part::Shuffle).used() + memory.part(Part::Storage).used(), 0, "the batch is over");
}

#[test]
fn what_is_too_little_for_anything_is_refused_with_what_would_do() {
    let memories = [
        (Memory::of(512), "shuffle"),
        (Memory::default().storage(64), "storage"),
        (Memory::default().state(mib(1) - 1), "state"),
        (Memory::default().buffers(100), "buffers"),
    ];
    for (memory, part) in memories {
        let error = job(1).memory(memory).build().err().unwrap();
        assert_eq!((error.code(), error.class()), ("FS-S002", Class::Program));
        let text = error.to_string();
        assert!(text.contains(&format!("memory for {part}")) && text.contains(&format!("Memory::{part}(")), "{text}");
    }
    for memory in [Memory::of(0), Memory::of(mib(4)), Memory::default().state(mib(1))] {
        assert!(job(1).memory(memory.clone()).build().is_ok(), "{memory:?}");
    }
}

/// Counts 200,000 numbers, each its own key, and tells how many epochs ended before the run did.
fn epochs(backend: Takes, memory: Memory) -> firesteel_streaming::Result<usize> {
    let (folder, log, results) = (tempfile::tempdir().unwrap(), JobLog::new(), Collector::new());
    let checkpoint = Checkpoint::in_folder(folder.path()).interval(hours(1)).backend(backend);
    let limits = BatchLimits::default().records(10_000);
    let builder = job(1).memory(memory).limits(limits).checkpoint(checkpoint).listener(log.clone());
    let job = builder.build().unwrap();
    let numbers = job.read(MemorySource::new((0..200_000u64).collect::<Vec<_>>()));
    numbers.map(|n| (n, ())).running_count().named("counts").write(results.clone());
    job.run(Trigger::AvailableNow)?;
    assert_eq!(results.records().len(), 200_000);
    Ok(log.batches().iter().filter(|batch| batch.ends_epoch).count())
}

#[test]
fn epochs_end_early_where_state_would_exceed_its_part() {
    assert_eq!(epochs(Takes::new(0), Memory::default()).unwrap(), 0, "without a limit the epoch ends with the run");
    let early = epochs(Takes::new(0), Memory::default().state(mib(1))).unwrap();
    assert!(early > 3, "only {early} epochs ended early");
}

#[test]
fn a_backend_that_leaves_nothing_for_state_is_refused() {
    let error = epochs(Takes::new(mib(64)), Memory::default().state(mib(64))).unwrap_err();
    assert_eq!((error.code(), error.class()), ("FS-S002", Class::Program));
    let text = error.to_string();
    assert!(text.contains("the backend takes 67108864 bytes") && text.contains("Memory::state"), "{text}");
    assert!(epochs(Takes::new(mib(64)), Memory::default().state(mib(80))).is_ok());
}

/// Records of 400 KiB that begin with their numbers.
struct Large;

impl Receiver for Large {
    type Item = String;

    fn describe(&self) -> String {
        "large records".into()
    }

    fn receive(&mut self, store: &Store<String>) -> Result<(), ConnectError> {
        let _ = store.push_all((0..20).map(|number| format!("{number:08}{}", "x".repeat(400 << 10))));
        Ok(())
    }
}

#[test]
fn receivers_of_large_records_wait_for_their_epochs_within_the_memory_for_buffers() {
    let (folder, log, results) = (tempfile::tempdir().unwrap(), JobLog::new(), Collector::new());
    let (clock, most, memory) = (ManualClock::new(), Arc::new(AtomicU64::new(0)), Memory::default().buffers(mib(1)));
    let checkpoint = Checkpoint::in_folder(folder.path()).interval(hours(1));
    let builder = job(1).memory(memory.clone()).clock(Arc::new(clock.clone())).checkpoint(checkpoint);
    let job = builder.listener(log.clone()).build().unwrap();
    let read = |name: &'static str| {
        let (most, memory) = (Arc::clone(&most), memory.clone());
        job.receive(Large).named(name).map(move |record| {
            most.fetch_max(memory.part(Part::Buffers).used(), Ordering::SeqCst);
            (name, record[..8].parse::<u64>().unwrap())
        })
    };
    read("a").union(read("b")).write(results.clone());
    let running = job.start(Trigger::AsSoonAsPossible).unwrap();
    // What has come is committed, and makes room, when the hour is over.
    while !running.has_ended() {
        clock.advance(hours(1));
        std::thread::yield_now();
    }
    running.await_termination().unwrap();
    let expected: Vec<_> = ["a", "b"].into_iter().flat_map(|name| (0..20).map(move |number| (name, number))).collect();
    assert_eq!(crate::sorted(results.records()), expected);
    let most = most.load(Ordering::SeqCst);
    assert!((400 << 10..=mib(1)).contains(&most), "{most} bytes");
    let waits: u64 = log.batches().iter().flat_map(|batch| &batch.inputs).map(|input| input.waits).sum();
    assert!(waits >= 19, "only {waits}: each holds one record at a time");
    drop(job);
    assert_eq!(memory.used(), 0);
}
