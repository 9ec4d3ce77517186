//! The log in a job: what a socket sent once is reflected once, although the job fails in the middle.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use firesteel_connect::{Class, Epoch, Guarantee, Result, Sink, Source, Wake, WriteTask};
use firesteel_connect_file::TextFileSink;
use firesteel_connect_memory::Collector;
use firesteel_connect_socket::SocketText;
use firesteel_connect_wal::WriteAheadLog;
use firesteel_streaming::{BatchLimits, Checkpoint, StreamingContext, Trigger};
use firesteel_testkit::faults::{FaultySink, SinkAt};
use firesteel_testkit::{JobEvent, JobLog};
use firesteel_window::Timestamp;

/// A server that sends this many lines to one peer.
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

/// A sink that keeps what it gets and cannot tell which epochs it has, as a terminal is one.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Sink<String> for Told {
    type Pending = Vec<String>;

    fn describe(&self) -> String {
        "somebody who listens".into()
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn write(&self, _task: WriteTask, records: impl Iterator<Item = String>) -> Result<Vec<String>> {
        Ok(records.collect())
    }

    fn commit(&self, _epoch: Epoch, pending: &mut Vec<Vec<String>>) -> Result<()> {
        self.0.lock().unwrap().extend(pending.drain(..).flatten());
        Ok(())
    }
}

/// Copies a folder as it is, which is what a process that is killed leaves. The newest files first: the log removes the
/// oldest at its own pace.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let mut paths: Vec<_> = std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.into_iter().rev() {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else if let Err(error) = std::fs::copy(&path, &target) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{}", path.display());
        }
    }
}

#[test]
fn a_job_that_is_killed_resumes_although_its_sink_cannot_tell_and_its_log_forgets() {
    let folder = tempfile::tempdir().unwrap();
    let wal = folder.path().join("wal");
    fill(&wal, lines(0, 1_000));
    let results = Told::default();
    let build = |root: &Path, results: &Told| {
        let limits = BatchLimits::default().records(100);
        let checkpoint = Checkpoint::in_folder(root.join("checkpoint")).every_batch();
        let job = StreamingContext::builder("logged").threads(2).limits(limits).checkpoint(checkpoint).build().unwrap();
        let log = WriteAheadLog::new(root.join("wal"), lines(0, 0)).segment_bytes(2_000);
        job.read(log).named("lines").write(results.clone());
        job
    };
    let job = build(folder.path(), &results);
    let mut run = job.begin().unwrap();
    for epoch in 1..=5u32 {
        run.next_batch().unwrap();
        // Killed here, at any moment after the commit; what was shown stays shown.
        let left = tempfile::tempdir().unwrap();
        copy(folder.path(), left.path());
        let again = Told(Arc::new(Mutex::new(results.0.lock().unwrap().clone())));
        build(left.path(), &again).run(Trigger::AvailableNow).unwrap();
        let found = again.0.lock().unwrap().clone();
        assert_eq!(found, (0..1_000).map(|line| format!("line {line}")).collect::<Vec<_>>(), "epoch {epoch}");
    }
}

#[test]
fn with_a_checkpoint_and_a_sink_of_files_the_job_is_exactly_once() {
    let folder = tempfile::tempdir().unwrap();
    let (wal, out) = (folder.path().join("wal"), folder.path().join("out"));
    fill(&wal, lines(0, 1_000));
    let run = |failing: bool, socket: SocketText| {
        let (log, (sink, faults)) = (JobLog::new(), FaultySink::new(TextFileSink::new(&out)));
        if failing {
            faults.fail_later(SinkAt::Commit, 1, 1, Class::Fatal);
        }
        let checkpoint = Checkpoint::in_folder(folder.path().join("checkpoint")).every_batch();
        let limits = BatchLimits::default().records(300);
        let builder = StreamingContext::builder("logged").threads(2).limits(limits).listener(log.clone());
        let job = builder.checkpoint(checkpoint).build().unwrap();
        job.read(WriteAheadLog::new(&wal, socket)).named("lines").write(sink);
        assert_eq!(job.run(Trigger::AsSoonAsPossible).is_err(), failing);
        log.events().into_iter().find_map(|event| match event {
            JobEvent::Started(info) => Some(info.guarantee),
            _ => None,
        })
    };
    assert_eq!(run(true, lines(0, 0)), Some(Guarantee::ExactlyOnce));
    run(false, lines(1_000, 1_200));
    let mut parts: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
    parts.retain(|path| path.is_file());
    parts.sort();
    let text: String = parts.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert_eq!(text, (0..1_200).map(|line| format!("line {line}\n")).collect::<String>());
}
