//! The log in a job: what a socket sent once is reflected once, although the job fails in the middle.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use firesteel_connect::{Buffered, Class, Epoch, Guarantee, Result, Sink, Source, SourceContext, Wake, WriteTask};
use firesteel_connect_file::TextFileSink;
use firesteel_connect_memory::Collector;
use firesteel_connect_socket::SocketText;
use firesteel_connect_wal::WriteAheadLog;
use firesteel_streaming::{BatchLimits, Checkpoint, Rejected, RejectedBy, StreamingContext, Trigger, Undecodable};
use firesteel_testkit::faults::{FaultySink, SinkAt};
use firesteel_testkit::{JobEvent, JobLog};
use firesteel_window::Timestamp;

/// A server that sends these lines to one peer.
fn lines(from: u32, to: u32) -> SocketText {
    sent((from..to).flat_map(|line| format!("line {line}\n").into_bytes()).collect())
}

/// A server that sends this to one peer.
fn sent(text: Vec<u8>) -> SocketText {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = move || listener.accept().unwrap().0.write_all(&text).unwrap();
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
    log.start(&SourceContext::default().with_wake(Wake::new(move || _ = woken.send(())))).unwrap();
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

/// A hundred lines, of which every tenth is not UTF-8, and those that are.
fn partly_text() -> (Vec<u8>, Vec<String>) {
    let line = |n: u32| if n % 10 == 7 { b"caf\xe9\n".to_vec() } else { format!("line {n}\n").into_bytes() };
    ((0..100).flat_map(line).collect(), (0..100).filter(|n| n % 10 != 7).map(|n| format!("line {n}")).collect())
}

/// Reads `source` with undecodable records set aside; returns the lines, and the positions and bytes of the others.
fn set_aside(source: impl Source<Item = String>, checkpoint: &Path) -> (Vec<String>, Vec<(u64, Vec<u8>)>) {
    let (results, rejected) = (Collector::new(), Collector::new());
    let checkpoint = Checkpoint::in_folder(checkpoint).every_batch();
    let builder = StreamingContext::builder("undecoded").threads(2).limits(BatchLimits::default().records(16));
    let job = builder.checkpoint(checkpoint).undecodable(Undecodable::SetAside).build().unwrap();
    job.read(source).named("lines").write(results.clone());
    job.rejected().write(rejected.clone());
    let summary = job.run_to_summary(Trigger::AsSoonAsPossible).unwrap();
    let of = |rejected: Rejected| {
        assert_eq!((rejected.by, rejected.operator.as_str()), (RejectedBy::Source, "lines"));
        assert!(rejected.error.starts_with("byte 3 of the line is not UTF-8"), "{}", rejected.error);
        (rejected.position.unwrap(), rejected.payload.unwrap().bytes().to_vec())
    };
    let mut found: Vec<_> = rejected.records().into_iter().map(of).collect();
    found.sort();
    assert_eq!(summary.malformed, found.len() as u64);
    (results.records(), found)
}

#[test]
fn a_line_that_is_not_utf8_is_set_aside_with_its_bytes_and_the_others_come_once() {
    let (text, good) = partly_text();
    let bad: Vec<_> = (0..10).map(|n| (10 * n + 7, b"caf\xe9".to_vec())).collect();
    let folder = tempfile::tempdir().unwrap();
    let buffered = Buffered::new(sent(text.clone()));
    assert_eq!(set_aside(buffered, &folder.path().join("1")), (good.clone(), bad.clone()));
    // Received by one process and read by the next one.
    let wal = folder.path().join("wal");
    fill(&wal, sent(text));
    let logged = WriteAheadLog::new(&wal, sent(vec![]));
    assert_eq!(set_aside(logged, &folder.path().join("2")), (good, bad));
}

#[test]
fn a_line_that_is_not_utf8_stops_the_job_at_its_position_unless_told_otherwise() {
    let (text, good) = partly_text();
    let folder = tempfile::tempdir().unwrap();
    let wal = folder.path().join("wal");
    fill(&wal, sent(text.clone()));
    let run = |source: Box<dyn FnOnce(&StreamingContext, &Collector<String>)>| {
        let results = Collector::new();
        let limits = BatchLimits::default().records(4);
        let job = StreamingContext::builder("strict").threads(1).limits(limits).build().unwrap();
        source(&job, &results);
        let error = format!("{:?}", job.run(Trigger::AsSoonAsPossible).unwrap_err());
        assert!(error.contains("position 7: byte 3 of the line is not UTF-8"), "{error}");
        assert!(error.contains("`undecodable(Undecodable::SetAside)`"), "{error}");
        // How much of what comes before it is committed depends on what had arrived when a batch began.
        let committed = results.records();
        assert!(committed.len() <= 7 && good.starts_with(&committed), "{committed:?}");
    };
    let buffered = Buffered::new(sent(text));
    run(Box::new(move |job, results| _ = job.read(buffered).write(results.clone())));
    let logged = WriteAheadLog::new(&wal, sent(vec![]));
    run(Box::new(move |job, results| _ = job.read(logged).write(results.clone())));
}
