//! How many updates the state layer takes over RocksDB: random keys, a count and a sum for each, two threads, a hard
//! budget of memory.
//!
//! ```text
//! cargo run --release -p firesteel-state-rocksdb --example rocksdb_throughput -- [keys] [seconds] [budget in MiB] [events per batch] \
//!     [bytes of a page] [1 with compression, 0 without] [bytes from which changes become a file]
//! ```
//!
//! All keys are there before the measurement begins. An epoch lasts a second, and ends early when the budget is
//! reached. Its changes are applied to RocksDB at its end. Totals are checked. Making the keys, hashing them and
//! routing them to their key groups is part of the time.

#![allow(clippy::disallowed_methods, reason = "it measures the time that passes")]
#![allow(clippy::unwrap_used, reason = "a failure ends the measurement")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use firesteel_state::{
    Catalog, Declaration, KeyGroupRange, KeyGroups, KeyedStore, MemoryBudget, StateBackend, StateStore, StoreSetup,
    Times, Value,
};
use firesteel_state_rocksdb::{Compression, RocksDbBackend, RocksDbOptions};
use firesteel_window::Timestamp;

type Total = (u64, u64);

const TIMES: Times = Times::processing(Timestamp::EPOCH);

fn hash(key: u64) -> u64 {
    let product = u128::from(key ^ 0x243f_6a88_85a3_08d3) * 0x9e37_79b9_7f4a_7c15;
    product as u64 ^ (product >> 64) as u64
}

/// The `number`th key: all of them are different, and their bytes are random.
fn key(number: u64) -> u64 {
    let mut key = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    key ^= key >> 29;
    key = key.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    key ^ key >> 32
}

/// What the job has, and how much of it may be in memory.
struct Job {
    store: KeyedStore<u64>,
    total: Value<Total>,
    backend: Arc<RocksDbBackend>,
    budget: MemoryBudget,
    /// The last epoch that any worker has ended.
    epoch: AtomicU64,
}

/// One worker: it owns the groups in a range.
struct Worker<'a> {
    job: &'a Job,
    groups: KeyGroupRange,
    /// The events of a batch: hashes and keys, then routed.
    batch: Vec<(u64, u64)>,
    routed: Vec<(u64, u64)>,
    number: u64,
    epoch: u64,
    early: u64,
    busy: [Duration; 3],
}

impl Worker<'_> {
    fn add(&mut self, key: u64) {
        let hash = hash(key);
        if self.groups.contains(self.job.store.group_of(hash)) {
            self.batch.push((hash, key));
        }
    }

    /// Handles the batch, group by group.
    fn run(&mut self) {
        let start = Instant::now();
        let Self { job, groups, batch, routed, .. } = self;
        let mut bounds = [0usize; 129];
        batch.iter().for_each(|(hash, _)| bounds[usize::from(job.store.group_of(*hash).0) + 1] += 1);
        (1..129).for_each(|group| bounds[group] += bounds[group - 1]);
        routed.resize(batch.len(), (0, 0));
        let mut next = bounds;
        for &(hash, key) in batch.iter() {
            let at = &mut next[usize::from(job.store.group_of(hash).0)];
            routed[*at] = (hash, key);
            *at += 1;
        }
        batch.clear();
        self.number += 1;
        for group in groups.iter() {
            let records = &routed[bounds[usize::from(group.0)]..bounds[usize::from(group.0) + 1]];
            let mut state = job.store.lock(group);
            state.begin(self.number);
            let add = |total: &mut Option<Total>, record: &(u64, u64)| {
                let (count, sum) = total.get_or_insert((0, 0));
                *count += 1;
                *sum = sum.wrapping_add(record.1);
            };
            job.total.update_many(&mut state, records, |record| (record.0, &record.1), TIMES, add).unwrap();
            state.account();
        }
        self.busy[0] += start.elapsed();
        if job.budget.is_exceeded() {
            self.early += 1;
            self.end_epoch();
        }
    }

    /// Ends the epoch, applies it, and lets go of values if memory is short.
    fn end_epoch(&mut self) {
        self.epoch += 1;
        self.job.epoch.fetch_max(self.epoch, Ordering::Relaxed);
        let Job { store, backend, budget, .. } = self.job;
        let start = Instant::now();
        // Some groups at a time, so that their frames do not have to be held all at once.
        for from in (self.groups.start()..self.groups.end()).step_by(16) {
            let some = KeyGroupRange::new(from, from + 16).intersection(self.groups);
            let frames = store.end_epoch_in(some, self.epoch).unwrap();
            backend.apply(self.epoch, &frames).unwrap();
            store.applied_in(some, self.epoch);
        }
        self.busy[1] += start.elapsed();
        let start = Instant::now();
        if budget.used() > budget.limit() / 10 * 9 {
            // Values that are used soon again should stay: random keys are all alike.
            for group in self.groups.iter() {
                store.lock(group).evict(1.0);
            }
        }
        self.busy[2] += start.elapsed();
    }
}

/// Runs two workers, each over its half of the key groups; the number of updates.
fn run(job: &Job, what: &str, size: usize, work: impl Fn(&mut Worker<'_>) -> u64 + Sync) -> u64 {
    let start = Instant::now();
    let processor_before = processor();
    let epoch = job.epoch.load(Ordering::Relaxed);
    let count: u64 = thread::scope(|threads| {
        let work = &work;
        let workers: Vec<_> = (KeyGroups::default().split(2).into_iter())
            .map(|groups| {
                let work = move || {
                    let batch = Vec::with_capacity(size);
                    let (routed, busy) = (vec![], [Duration::ZERO; 3]);
                    let mut worker = Worker { job, groups, batch, routed, number: epoch << 32, epoch, early: 0, busy };
                    let count = work(&mut worker);
                    worker.run();
                    worker.end_epoch();
                    println!(
                        "  {} epochs, {} early; updates, applies, evictions: {:.1?}",
                        worker.epoch - epoch,
                        worker.early,
                        worker.busy
                    );
                    count
                };
                thread::Builder::new().spawn_scoped(threads, work).unwrap()
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    let (time, busy) = (start.elapsed().as_secs_f64(), processor() - processor_before);
    println!(
        "{what}: {:.2} million updates/s, {:.2} per second of processor time; {:.0} MB of budget used; {} at most in the process",
        count as f64 / time / 1e6,
        count as f64 / busy / 1e6,
        job.budget.used() as f64 / 1e6,
        peak()
    );
    println!("  {:?}", job.backend.statistics());
    count
}

/// The processor time of the process so far, in seconds, where the system tells it.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown");
    line.trim().to_owned()
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().unwrap());
    let keys = arguments.next().unwrap_or(1_000_000);
    let seconds = arguments.next().unwrap_or(10);
    let budget = arguments.next().unwrap_or(1_024) << 20;
    let size = arguments.next().unwrap_or(256 << 10) as usize;
    let page = arguments.next().unwrap_or(16 << 10) as usize;
    let compression = if arguments.next() == Some(0) { Compression::None } else { Compression::Lz4 };
    let file_from = arguments.next().unwrap_or(1 << 20) as usize;
    println!("{keys} keys, {} MiB, {size} events per worker and batch, two workers, {seconds} s", budget >> 20);

    let folder = std::env::temp_dir().join(format!("firesteel-rocksdb-throughput-{}", std::process::id()));
    let budget = MemoryBudget::new(budget);
    let options = RocksDbOptions::default()
        .budget(budget.clone())
        .memory(32 << 20)
        .page_bytes(page)
        .compression(compression)
        .file_from(file_from);
    let backend = Arc::new(RocksDbBackend::open(&folder, options).unwrap());
    let mut states = Declaration::new("totals");
    let total = states.value("total");
    let catalog = Catalog::new(KeyGroups::default()).with(&[states.schema()], false).unwrap();
    let setup = StoreSetup { catalog: &catalog, backend: Some(backend.clone()), budget: budget.clone() };
    let store = KeyedStore::open(states, &setup, |key| hash(*key)).unwrap();
    let job = Job { store, total, backend, budget, epoch: AtomicU64::new(0) };

    let filled = run(&job, "filling", size, |worker| {
        for number in 0..keys {
            worker.add(key(number));
            if worker.batch.len() == size {
                worker.run();
            }
        }
        keys / 2
    });
    let updated = run(&job, "updating", size, |worker| {
        let mut seed = 0x9E37_79B9_7F4A_7C15 ^ u64::from(worker.groups.start()) << 32;
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut epoch_end = Instant::now() + Duration::from_secs(1);
        let mut count = 0;
        while Instant::now() < until {
            while worker.batch.len() < size {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                worker.add(key(((u128::from(seed) * u128::from(keys)) >> 64) as u64));
            }
            count += size as u64;
            let epoch = worker.epoch;
            worker.run();
            if worker.epoch == epoch && Instant::now() >= epoch_end {
                worker.end_epoch();
            }
            if Instant::now() >= epoch_end {
                epoch_end = Instant::now() + Duration::from_secs(1);
            }
        }
        count
    });
    let (mut updates, mut held) = (0, 0);
    for group in job.store.key_groups().all().iter() {
        let mut group = job.store.lock(group);
        let each = |_: &u64, total: &Total| {
            updates += total.0;
            held += 1;
        };
        job.total.for_each(&mut group, TIMES, each).unwrap();
    }
    assert_eq!((held, updates), (keys, filled / 2 * 2 + updated), "all updates are there");
    println!("{held} keys and {updates} updates found; {} at most in the process", peak());
    drop(job);
    std::fs::remove_dir_all(&folder).unwrap();
}
