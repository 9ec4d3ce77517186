//! Sources as RDDs.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use firesteel_connect::{Discovery, ReadRange, Replay, Result, Source, SourceContext, SplitId};
use firesteel_connect_memory::MemorySource;
use firesteel_core::{Actions, RddOps};
use firesteel_streaming::{Error, ReadRdd};
use firesteel_window::Timestamp;

/// A memory source that counts how often it is started and stopped, and starts only while it may.
struct Counting(MemorySource<u32>, Arc<[AtomicU32; 2]>, bool);

impl Source for Counting {
    type Item = u32;
    type Reader = <MemorySource<u32> as Source>::Reader;
    fn describe(&self) -> String {
        "counted numbers".into()
    }
    fn replay(&self) -> Replay {
        self.0.replay()
    }
    fn start(&self, context: &SourceContext) -> Result<()> {
        if !self.2 {
            return Err(firesteel_connect::ConnectError::unknown_split("numbers", &SplitId::new("0")));
        }
        self.1[0].fetch_add(1, Ordering::Relaxed);
        self.0.start(context)
    }
    fn discover(&self, now: Timestamp) -> Result<Discovery> {
        self.0.discover(now)
    }
    fn open(&self, range: &ReadRange) -> Result<Self::Reader> {
        self.0.open(range)
    }
    fn stop(&self) {
        self.1[1].fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn every_action_reads_all_of_it_and_the_last_rdd_stops_the_source() {
    let calls = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    let context = firesteel_scheduler::local(2).unwrap();
    let numbers =
        context.read(Counting(MemorySource::new((0..100_000).collect::<Vec<_>>()), Arc::clone(&calls), true)).unwrap();
    let even = numbers.clone().filter(|n| n % 2 == 0);
    assert_eq!(even.count().unwrap(), 50_000);
    assert_eq!(numbers.collect().unwrap(), (0..100_000).collect::<Vec<_>>());
    drop(numbers);
    assert_eq!(even.count().unwrap(), 50_000);
    assert_eq!(calls[1].load(Ordering::Relaxed), 0);
    drop(even);
    assert_eq!([&calls[0], &calls[1]].map(|calls| calls.load(Ordering::Relaxed)), [1, 1]);
}

#[test]
fn a_source_that_cannot_start_is_an_error_with_its_name() {
    let context = firesteel_scheduler::local(1).unwrap();
    let Err(error) = context.read(Counting(MemorySource::new(Vec::new()), Arc::default(), false)) else {
        panic!("it started")
    };
    assert!(matches!(&error, Error::Source { name, .. } if name == "counted numbers"), "{error}");
}
