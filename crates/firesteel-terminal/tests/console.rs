//! The console as a sink: the contract, and what happens when nobody or nothing takes what it prints.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;

use firesteel_connect::{Class, Epoch, Sink, WriteTask, conformance};
use firesteel_connect_memory::MemorySource;
use firesteel_streaming::{BatchLimits, StreamingContext, Trigger};
use firesteel_terminal::Console;
use parking_lot::Mutex;

/// A writer whose text can be read elsewhere, and which answers the next calls as told.
#[derive(Clone, Default)]
struct Paper {
    text: Arc<Mutex<Vec<u8>>>,
    answers: Arc<Mutex<VecDeque<io::Result<usize>>>>,
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.text.lock().clone()).unwrap()
    }
    fn answering(self, answers: impl IntoIterator<Item = io::Result<usize>>) -> Self {
        self.answers.lock().extend(answers);
        self
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.answers.lock().pop_front().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
        self.text.lock().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A console and the paper it prints on.
struct Printing(Console, Paper);

impl Sink<u32> for Printing {
    type Pending = <Console as Sink<u32>>::Pending;
    fn describe(&self) -> String {
        Sink::<u32>::describe(&self.0)
    }
    fn guarantee(&self) -> firesteel_connect::Guarantee {
        Sink::<u32>::guarantee(&self.0)
    }
    fn write(&self, task: WriteTask, records: impl Iterator<Item = u32>) -> firesteel_connect::Result<Self::Pending> {
        self.0.write(task, records)
    }
    fn commit(&self, epoch: Epoch, pending: &mut Vec<Self::Pending>) -> firesteel_connect::Result<()> {
        Sink::<u32>::commit(&self.0, epoch, pending)
    }
}

fn task(epoch: u64, partition: usize) -> WriteTask {
    WriteTask::new(Epoch(epoch), partition)
}

/// Prints the parts as the partitions of one epoch.
fn print<const N: usize>(console: &Console, epoch: u64, parts: [&[u32]; N]) {
    let written = parts.iter().enumerate().map(|(partition, part)| console.write(task(epoch, partition), part.iter()));
    let mut pending = written.collect::<Result<Vec<_>, _>>().unwrap();
    Sink::<u32>::commit(console, Epoch(epoch), &mut pending).unwrap();
    assert!(pending.is_empty());
}

#[test]
fn json_keeps_the_contract_of_sinks() {
    let make = || {
        let paper = Paper::default();
        Printing(Console::json().to(paper.clone()), paper)
    };
    let visible = |sink: &Printing| {
        let value = |line: &str| line.strip_prefix(r#"{"value":"#)?.strip_suffix('}')?.parse().ok();
        sink.1.text().lines().map(|line| value(line).expect("a line is a record")).collect()
    };
    conformance::sink(make, visible, |n| n);
}

#[test]
fn tables_keep_the_contract_of_sinks() {
    let make = || {
        let paper = Paper::default();
        Printing(Console::table().rows(usize::MAX).to(paper.clone()), paper)
    };
    let visible = |sink: &Printing| sink.1.text().lines().filter_map(|line| line.trim().parse().ok()).collect();
    conformance::sink(make, visible, |n| n);
}

#[test]
fn an_epoch_is_one_table_over_all_partitions() {
    let paper = Paper::default();
    let console = Console::table().title("numbers").rows(3).to(paper.clone());
    print(&console, 1, [&[1, 20], &[], &[300, 4, 5]]);
    print(&console, 2, [&[], &[]]);
    print(&console, 3, [&[6], &[]]);
    let expected = [
        "numbers, epoch 1: 5 rows",
        " value",
        "───────",
        "     1",
        "    20",
        "   300",
        " … and 2 more",
        "numbers, epoch 3: 1 row",
        " value",
        "───────",
        "     6",
    ];
    assert_eq!(paper.text().lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_table_of_no_rows_tells_how_many_there_are() {
    let paper = Paper::default();
    print(&Console::table().rows(0).to(paper.clone()), 1, [&[1, 2]]);
    assert_eq!(paper.text(), "epoch 1: 2 rows\n");
}

#[test]
fn a_repeated_commit_continues_where_the_last_one_stopped() {
    let full = || Err(io::ErrorKind::StorageFull.into());
    let paper = Paper::default().answering([Ok(5), full(), full(), Ok(1)]);
    let console = Console::json().to(paper.clone());
    let mut pending = vec![console.write(task(1, 0), [1, 2].into_iter()).unwrap()];
    for _ in 0..2 {
        let error = Sink::<u32>::commit(&console, Epoch(1), &mut pending).unwrap_err();
        assert_eq!(error.class(), Class::Retryable);
        assert!(error.to_string().contains("cannot write to a writer"), "{error}");
    }
    Sink::<u32>::commit(&console, Epoch(1), &mut pending).unwrap();
    assert_eq!(paper.text(), "{\"value\":1}\n{\"value\":2}\n");
}

#[test]
fn a_record_that_cannot_be_shown_is_an_error_that_says_why() {
    let console = Console::json().to(Paper::default());
    let record = std::collections::BTreeMap::from([(vec![1], 2)]);
    let Err(error) = console.write(task(1, 0), [record].into_iter()) else { panic!("it was printed") };
    assert_eq!(error.class(), Class::Record);
    assert!(error.to_string().contains("printing a record: a map has the key [1]"), "{error}");
}

#[test]
fn a_job_ends_when_the_reader_has_gone() {
    let gone = || Err(io::ErrorKind::BrokenPipe.into());
    let paper = Paper::default().answering([Ok(usize::MAX), gone(), gone()]);
    let job = StreamingContext::builder("head").limits(BatchLimits::default().records(2)).build().unwrap();
    job.read(MemorySource::new((0..100).collect::<Vec<u32>>())).write(Console::json().to(paper.clone()));
    let summary = job.run_to_summary(Trigger::AsSoonAsPossible).unwrap();
    assert_eq!(summary.rows_in, 4, "the batch that nobody took was the last");
    assert_eq!(paper.text(), "{\"value\":0}\n{\"value\":1}\n");
}

#[test]
fn rows_can_be_printed_without_a_sink() {
    let paper = Paper::default();
    let console = Console::table().title("totals").rows(1).to(paper.clone());
    console.print([("a", 1), ("b", 2)]).unwrap();
    console.print([0u8; 0]).unwrap();
    assert_eq!(paper.text(), "totals: 2 rows\n key  value\n────────────\n a        1\n … and 1 more\n");
}

#[test]
fn a_function_over_rdds_that_prints_ends_the_job_when_the_reader_has_gone() {
    let paper = Paper::default().answering([Ok(usize::MAX), Err(io::ErrorKind::BrokenPipe.into())]);
    let console = Console::json().to(paper.clone());
    let job = StreamingContext::builder("head").limits(BatchLimits::default().records(2)).build().unwrap();
    let numbers = job.read(MemorySource::new((0..100).collect::<Vec<u32>>()));
    numbers.for_each_rdd(move |_, batch| console.print([batch.id()]));
    let summary = job.run_to_summary(Trigger::AsSoonAsPossible).unwrap();
    assert_eq!(summary.batches, 2);
    assert_eq!(paper.text(), "{\"value\":1}\n");
}
