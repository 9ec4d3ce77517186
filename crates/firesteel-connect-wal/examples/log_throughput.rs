//! What the log costs: lines of 100 bytes from one receiver, and from several threads that push one by one.
//!
//! ```text
//! cargo run --release -p firesteel-connect-wal --example log_throughput -- [records]
//! ```
//!
//! The first run pushes a thousand records at a time, the second one record at a time from one thread, the third from
//! sixteen threads: what a sync costs, and what sharing it saves. Everything is read again and counted.

#![allow(clippy::disallowed_methods, reason = "it measures the time that passes")]
#![allow(clippy::unwrap_used, reason = "a failure ends the measurement")]

use std::sync::mpsc;
use std::time::Instant;

use firesteel_connect::{ReadRange, Receiver, Result, Source, SourceContext, SourceReader, SplitId, Store, Wake};
use firesteel_connect_wal::WriteAheadLog;
use firesteel_window::Timestamp;

/// Pushes this many lines: as many at a time as `chunk` says, from as many threads.
struct Lines {
    records: usize,
    chunk: usize,
    threads: usize,
}

impl Receiver for Lines {
    type Item = String;

    fn describe(&self) -> String {
        "lines".into()
    }

    fn receive(&mut self, store: &Store<String>) -> Result<()> {
        let (each, chunk) = (self.records / self.threads, self.chunk);
        std::thread::scope(|scope| {
            for _ in 0..self.threads {
                let push = move || {
                    let line = |n: usize| format!("{n:0>99}");
                    for from in (0..each).step_by(chunk) {
                        store.push_all((from..each.min(from + chunk)).map(line)).unwrap();
                    }
                };
                std::thread::Builder::new().spawn_scoped(scope, push).unwrap();
            }
        });
        Ok(())
    }
}

fn measure(what: &str, lines: Lines) {
    let folder = tempfile::tempdir().unwrap();
    let expected = lines.records as u64;
    let log = WriteAheadLog::new(folder.path(), lines);
    let (woken, wakes) = mpsc::channel();
    let begun = Instant::now();
    log.start(&SourceContext::default().with_wake(Wake::new(move || _ = woken.send(())))).unwrap();
    while !log.discover(Timestamp::EPOCH).unwrap().splits[0].finished {
        wakes.recv().unwrap();
    }
    let written = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let (mut count, mut bytes) = (0u64, 0);
    let range = ReadRange::exact(SplitId::new("log"), 0, expected);
    let each = |line: String| {
        count += 1;
        bytes += line.len();
    };
    log.open(&range).unwrap().for_each(each).unwrap();
    let read = begun.elapsed().as_secs_f64();
    assert_eq!(count, expected);
    let rate = |seconds: f64| expected as f64 / seconds;
    println!("{what:<42} {:>12.0} written/s {:>12.0} read/s, {bytes} bytes", rate(written), rate(read));
}

fn main() {
    let records = std::env::args().nth(1).map_or(2_000_000, |text| text.parse().unwrap());
    measure("a thousand at a time", Lines { records, chunk: 1_000, threads: 1 });
    measure("one at a time", Lines { records: records / 500, chunk: 1, threads: 1 });
    measure("one at a time, sixteen threads", Lines { records: records / 500 / 16 * 16, chunk: 1, threads: 16 });
}
