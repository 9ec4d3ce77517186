//! The log in a job: what a socket sent once is reflected once, although the job fails in the middle.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use firesteel_connect::{Class, Guarantee, Source, Wake};
use firesteel_connect_memory::Collector;
use firesteel_connect_socket::SocketText;
use firesteel_connect_wal::WriteAheadLog;
use firesteel_streaming::{BatchLimits, StreamingContext, Trigger};
use firesteel_testkit::faults::{FaultySink, SinkAt};
use firesteel_testkit::{JobEvent, JobLog};
use firesteel_window::Timestamp;

/// A server that sends so many lines to one peer.
fn lines(from: u32, to: u32) -> SocketText {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let text: String = (from..to).map(|line| format!("line {line}\n")).collect();
    let serve = move || listener.accept().unwrap().0.write_all(text.as_bytes()).unwrap();
    std::thread::Builder::new().spawn(serve).unwrap();
    SocketText::connect(address).end_on_close()
}

/// Runs a job over the log; with `failing`, its second commit fails. Returns what came before.
fn run(folder: &Path, socket: SocketText, results: &Collector<String>, failing: bool) -> JobLog {
    let (log, (sink, faults)) = (JobLog::new(), FaultySink::new(results.clone()));
    if failing {
        faults.fail_later(SinkAt::Commit, 1, 1, Class::Fatal);
    }
    let limits = BatchLimits::default().records(300);
    let job = StreamingContext::builder("logged").threads(2).limits(limits).listener(log.clone()).build().unwrap();
    job.read(WriteAheadLog::new(folder, socket).segment_bytes(2_000)).write(sink);
    assert_eq!(job.run(Trigger::AsSoonAsPossible).is_err(), failing);
    log
}

/// Receives everything without a job.
fn fill(folder: &Path, socket: SocketText) {
    let log = WriteAheadLog::new(folder, socket);
    let (woken, wakes) = mpsc::channel();
    log.start(Wake::new(move || _ = woken.send(()))).unwrap();
    while !log.discover(Timestamp::EPOCH).unwrap().splits[0].finished {
        wakes.recv_timeout(Duration::from_secs(10)).unwrap();
    }
}

#[test]
fn what_a_failed_job_did_not_commit_is_processed_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let wal = folder.path().join("wal");
    fill(&wal, lines(0, 1_000));
    let results = Collector::new();
    let log = run(&wal, lines(1_000, 1_200), &results, true);
    let told = log.events().into_iter().find_map(|event| match event {
        JobEvent::Started(info) => Some(info),
        _ => None,
    });
    // Without a checkpoint that is as much as there can be; a source that cannot be read again would allow less.
    assert_eq!(told.unwrap().guarantee, Guarantee::AtLeastOnce);
    assert_eq!(results.records().len(), 300);
    run(&wal, lines(1_200, 1_500), &results, false);
    let found = results.records();
    // How much of the second socket's text the failed job has received is not certain, and none of it comes twice.
    let expected = |line: &u32| found.contains(&format!("line {line}"));
    assert!((0..1_000).chain(1_200..1_500).all(|line| expected(&line)));
    let mut unique = found.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), found.len());
}
