//! What timers cost: a million of them, registered, deleted in part, and fired in slices.
//!
//! ```text
//! cargo run --release -p firesteel-state --example timers -- [timers]
//! ```
//!
//! Each key has two timers and moves one of them, as a session does that continues. That each fires once and in the
//! order of time is checked.

#![allow(clippy::disallowed_methods, reason = "it measures the time that passes")]
#![allow(clippy::unwrap_used, reason = "a failure ends the measurement")]

use std::time::Instant;

use firesteel_state::{Declaration, Frame, KeyGroups, KeyedStore, StateStore, TimeDomain, Times};
use firesteel_window::Timestamp;

/// This many are fired before another key group has its turn.
const SLICE: usize = 1_000;

fn hash(key: u64) -> u64 {
    let product = u128::from(key ^ 0x243f_6a88_85a3_08d3) * 0x9e37_79b9_7f4a_7c15;
    product as u64 ^ (product >> 64) as u64
}

fn report(what: &str, count: usize, began: Instant, store: &KeyedStore<u64>) {
    let each = began.elapsed().as_secs_f64() * 1e9 / count as f64;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("unknown").trim().to_owned();
    println!("{what}: {each:.0} ns each, {:.0} MB accounted, {resident} resident", store.memory_used() as f64 / 1e6);
}

fn main() {
    let timers: u64 = std::env::args().nth(1).map_or(1_000_000, |count| count.parse().unwrap());
    let keys = timers / 2;
    let mut states = Declaration::new("sessions");
    let (end, alarm) = (states.event_timers("end"), states.event_timers("alarm"));
    let store = KeyedStore::in_memory(states, KeyGroups::default(), |key| hash(*key)).unwrap();
    let times = Times::processing(Timestamp::EPOCH);
    let at = |key: u64, turn: u64| Timestamp::from_micros((hash(key ^ turn << 40) >> 20) as i64);

    let began = Instant::now();
    store.begin(1);
    for key in 0..keys {
        let mut group = store.lock(store.group_of(hash(key)));
        let mut context = group.key(hash(key), &key, times);
        assert!(end.register(&mut context, at(key, 0)).unwrap());
        assert!(alarm.register(&mut context, at(key, 1)).unwrap());
    }
    report("registered", timers as usize, began, &store);

    let began = Instant::now();
    store.begin(2);
    for key in 0..keys {
        let mut group = store.lock(store.group_of(hash(key)));
        let mut context = group.key(hash(key), &key, times);
        assert!(end.delete(&mut context, at(key, 0)).unwrap());
        assert!(end.register(&mut context, at(key, 2)).unwrap());
    }
    report("moved", keys as usize, began, &store);

    let began = Instant::now();
    let written: u64 = store.end_epoch(1).unwrap().iter().map(Frame::len).sum();
    store.applied(1);
    store.begin(3);
    report("written at the end of the epoch", written as usize, began, &store);

    let began = Instant::now();
    let (mut fired, mut batch) = (0, 3);
    let mut last = vec![Timestamp::MIN; usize::from(store.key_groups().count())];
    loop {
        let mut idle = true;
        for number in store.key_groups().all().iter() {
            let mut group = store.lock(number);
            for _ in 0..SLICE {
                let Some(timer) = group.pop_due(TimeDomain::Event, Timestamp::MAX).unwrap() else { break };
                assert!(timer.time >= last[usize::from(number.0)]);
                last[usize::from(number.0)] = timer.time;
                fired += 1;
                idle = false;
            }
        }
        if idle {
            break;
        }
        batch += 1;
        store.begin(batch);
    }
    assert_eq!(fired, timers);
    report("fired", timers as usize, began, &store);
    store.end_epoch(2).unwrap();
    store.applied(2);
    store.begin(batch + 1);
    report("after the next epoch", timers as usize, began, &store);
}
