//! How many updates the state layer takes: random keys, a count and a sum for each, two threads, epochs of a second.
//!
//! ```text
//! cargo run --release -p firesteel-state --example throughput -- [keys] [seconds] [events per batch]
//! ```
//!
//! It runs in memory, record by record and in bulk, then with the changelog synced in each epoch, and then restores
//! from that changelog. Totals are
//! checked. Making the keys, hashing them and routing them to their key groups is part of the time.

#![allow(clippy::disallowed_methods, reason = "it measures the time that passes")]
#![allow(clippy::unwrap_used, reason = "a failure ends the measurement")]

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use firesteel_state::snapshot::recover;
use firesteel_state::{
    Changelog, ChangelogOptions, Declaration, EpochRecord, Frame, KeyGroupRange, KeyGroups, KeyedStore, Snapshots,
    StateStore, Times, Value,
};
use firesteel_window::Timestamp;

type Total = (u64, u64);

/// This many events are timed together while they are made.
const PIECE: usize = 2_048;

fn hash(key: u64) -> u64 {
    let product = u128::from(key ^ 0x243f_6a88_85a3_08d3) * 0x9e37_79b9_7f4a_7c15;
    product as u64 ^ (product >> 64) as u64
}

fn open() -> (KeyedStore<u64>, Value<Total>) {
    let mut states = Declaration::new("totals");
    let total = states.value("total");
    (KeyedStore::in_memory(states, KeyGroups::default(), |key| hash(*key)).unwrap(), total)
}

/// How long pieces of the work took, in nanoseconds an event or change.
#[derive(Default)]
struct Pieces {
    /// To make and route events.
    event: Vec<f64>,
    /// To update their keys' values.
    update: Vec<f64>,
    /// To write changes when an epoch ends.
    write: Vec<f64>,
}

/// The lower decile: what it takes when no other program is in the way.
fn undisturbed(mut pieces: Vec<f64>) -> f64 {
    pieces.sort_by(f64::total_cmp);
    pieces.get(pieces.len() / 10).copied().unwrap_or(f64::NAN)
}

fn nanos(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e9 / count.max(1) as f64
}

/// How values are changed.
#[derive(Clone, Copy, PartialEq)]
enum How {
    /// Each is read and then set, as by a function that is called for each record.
    OneByOne,
    InBulk,
}

/// What is measured.
#[derive(Clone, Copy)]
struct Load {
    keys: u64,
    /// Events of a worker in a batch.
    size: usize,
    how: How,
}

/// One worker: batches of keys of its groups until the time is over; how many, and how fast.
fn work(
    store: &KeyedStore<u64>,
    total: Value<Total>,
    groups: KeyGroupRange,
    load: Load,
    until: Instant,
    frames: Option<&mpsc::Sender<(u64, Vec<Frame>)>>,
) -> (u64, Pieces) {
    let Load { keys, size, how } = load;
    let mut seed = 0x9E37_79B9_7F4A_7C15 ^ u64::from(groups.start()) << 32;
    let times = Times::processing(Timestamp::EPOCH);
    // The keys whose groups are this worker's.
    let mine: Vec<u64> = (0..keys).filter(|key| groups.contains(store.group_of(hash(*key)))).collect();
    // Hash and key of the batch's records, by group.
    let mut routed: Vec<Vec<(u64, u64)>> = groups.iter().map(|_| vec![]).collect();
    let (mut number, mut epoch, mut count) = (0, 1, 0);
    let mut pieces = Pieces::default();
    let mut epoch_end = Instant::now() + Duration::from_secs(1);
    loop {
        routed.iter_mut().for_each(Vec::clear);
        let mut began = Instant::now();
        for event in 1..=size {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let at = ((u128::from(seed) * mine.len() as u128) >> 64) as usize;
            let key = mine[at];
            let hash = hash(key);
            let group = store.group_of(hash);
            routed[usize::from(group.0 - groups.start())].push((hash, key));
            if event % PIECE == 0 {
                pieces.event.push(nanos(began.elapsed(), PIECE));
                began = Instant::now();
            }
        }
        number += 1;
        for (group, records) in groups.iter().zip(&routed) {
            let began = Instant::now();
            let mut state = store.lock(group);
            state.begin(number);
            if how == How::OneByOne {
                state.warm_up(records.len());
                for (hash, key) in records {
                    let mut context = state.key(*hash, key, times);
                    let (count, sum) = total.get(&mut context).unwrap().copied().unwrap_or((0, 0));
                    total.set(&mut context, (count + 1, sum + key)).unwrap();
                }
                pieces.update.push(nanos(began.elapsed(), records.len()));
                continue;
            }
            let add = |total: &mut Option<Total>, record: &(u64, u64)| {
                let (count, sum) = total.get_or_insert((0, 0));
                *count += 1;
                *sum += record.1;
            };
            total.update_many(&mut state, records, |record| (record.0, &record.1), times, add).unwrap();
            pieces.update.push(nanos(began.elapsed(), records.len()));
        }
        count += size as u64;
        let now = Instant::now();
        if now >= epoch_end || now >= until {
            let mut changed = vec![];
            for group in groups.iter() {
                let began = Instant::now();
                let frame = store.lock(group).end_epoch(epoch).unwrap();
                pieces.write.extend(frame.iter().map(|frame| nanos(began.elapsed(), frame.len() as usize)));
                changed.extend(frame);
            }
            store.applied_in(groups, epoch);
            if let Some(frames) = frames {
                frames.send((epoch, changed)).unwrap();
            }
            epoch += 1;
            epoch_end = now + Duration::from_secs(1);
        }
        if now >= until {
            return (count, pieces);
        }
    }
}

/// Two workers for so long; the number of updates, and how fast they were.
fn run(
    store: &KeyedStore<u64>,
    total: Value<Total>,
    load: Load,
    seconds: u64,
    log: Option<&mut Changelog>,
) -> (u64, Pieces) {
    let until = Instant::now() + Duration::from_secs(seconds);
    let (frames, ended) = mpsc::channel();
    let sender = log.is_some().then_some(frames);
    thread::scope(|threads| {
        let workers: Vec<_> = (KeyGroups::default().split(2).into_iter())
            .map(|groups| {
                let sender = sender.clone();
                let worker = move || work(store, total, groups, load, until, sender.as_ref());
                thread::Builder::new().spawn_scoped(threads, worker).unwrap()
            })
            .collect();
        drop(sender);
        if let Some(log) = log {
            // An epoch is complete when both workers have ended it.
            let mut half: Vec<(u64, Vec<Frame>)> = vec![];
            for (epoch, mut frames) in ended {
                match half.iter().position(|(other, _)| *other == epoch) {
                    Some(at) => frames.extend(half.swap_remove(at).1),
                    None => {
                        half.push((epoch, frames));
                        continue;
                    }
                }
                log.prepare(&EpochRecord { epoch, frames, ..EpochRecord::default() }).unwrap();
                log.mark(epoch).unwrap();
            }
            // The last epoch may have been ended by one of them only.
            for (epoch, frames) in half {
                log.prepare(&EpochRecord { epoch, frames, ..EpochRecord::default() }).unwrap();
            }
        }
        let done = workers.into_iter().map(|worker| worker.join().unwrap());
        done.fold((0, Pieces::default()), |mut all, one| {
            all.1.event.extend(one.1.event);
            all.1.update.extend(one.1.update);
            all.1.write.extend(one.1.write);
            (all.0 + one.0, all.1)
        })
    })
}

fn updates(store: &KeyedStore<u64>, total: Value<Total>) -> u64 {
    let mut count = 0;
    for group in store.key_groups().all().iter() {
        let mut group = store.lock(group);
        total.for_each(&mut group, Times::processing(Timestamp::EPOCH), |_, total| count += total.0).unwrap();
    }
    count
}

/// The processor time of the process so far, in seconds, where the system tells it.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // User and system time, the 14th and 15th field, in hundredths; the second field is in parentheses.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown");
    line.trim().to_owned()
}

fn report(what: &str, count: u64, pieces: Pieces, time: Duration, processor: f64, store: &KeyedStore<u64>) {
    let rate = count as f64 / time.as_secs_f64() / 1e6;
    // On a busy machine, this is the figure to compare.
    let per_core = count as f64 / processor / 1e6;
    let memory = store.memory_used() as f64 / 1e6;
    println!("{what}: {rate:.1} million updates/s, {per_core:.1} per second of processor time");
    let [event, update, write] = [pieces.event, pieces.update, pieces.write].map(undisturbed);
    println!("  undisturbed {event:.1} ns to make an event, {update:.1} to update, {write:.1} to write a change");
    println!("  {memory:.0} MB accounted, {} at most in the process", peak());
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().unwrap());
    let keys = arguments.next().unwrap_or(1_000_000);
    let seconds = arguments.next().unwrap_or(5);
    let size = arguments.next().unwrap_or(128 << 10) as usize;
    let load = Load { keys, size, how: How::InBulk };
    println!("{keys} keys, {size} events per worker and batch, two workers, {seconds} s");

    let (store, total) = open();
    run(&store, total, load, 1, None);
    drop(store);
    for (how, what) in [(How::OneByOne, "in memory, one by one"), (How::InBulk, "in memory")] {
        let (store, total) = open();
        let (start, busy) = (Instant::now(), processor());
        let (count, pieces) = run(&store, total, Load { how, ..load }, seconds, None);
        let (time, busy) = (start.elapsed(), processor() - busy);
        assert_eq!(updates(&store, total), count);
        report(what, count, pieces, time, busy, &store);
    }

    let folder = std::env::temp_dir().join(format!("firesteel-throughput-{}", std::process::id()));
    durable(&folder, load, seconds);
    std::fs::remove_dir_all(&folder).unwrap();
}

fn durable(folder: &Path, load: Load, seconds: u64) {
    let mut log = Changelog::open(&folder.join("changelog"), ChangelogOptions::default()).unwrap();
    let snapshots = Snapshots::in_folder(&folder.join("snapshots")).unwrap();
    let (store, total) = open();
    let (start, busy) = (Instant::now(), processor());
    let (count, pieces) = run(&store, total, load, seconds, Some(&mut log));
    let (time, busy) = (start.elapsed(), processor() - busy);
    assert_eq!(updates(&store, total), count);
    let what =
        format!("with the changelog ({:.0} MB in {} epochs)", log.bytes() as f64 / 1e6, log.last_epoch().unwrap());
    report(&what, count, pieces, time, busy, &store);
    drop((store, log));

    let start = Instant::now();
    let log = Changelog::open(&folder.join("changelog"), ChangelogOptions::default()).unwrap();
    let (store, total) = open();
    recover(&snapshots, &log, None).unwrap().restore_stores(&[&store]).unwrap();
    let time = start.elapsed();
    assert_eq!(updates(&store, total), count);
    println!("restored from the changelog in {:.2} s", time.as_secs_f64());
}
