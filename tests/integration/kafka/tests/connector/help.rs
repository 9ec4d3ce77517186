//! What the tests share: topics of their own, and reading and writing them.

use std::sync::atomic::{AtomicU32, Ordering};

use firesteel_connect::{
    Class, ConnectError, Epoch, Mark, Place, ReadRange, Sink, SinkContext, Source, SourceContext, SourceReader,
    SplitId, WriteTask,
};
use firesteel_connect_kafka::{Kafka, KafkaSink, Message, MessagesOut, Outgoing};
use firesteel_integration_kafka::{Admin, shared};
use firesteel_window::Timestamp;

pub(crate) fn kafka() -> Kafka {
    Kafka::at(shared())
}

pub(crate) fn admin() -> Admin {
    Admin::at(shared()).unwrap()
}

/// A topic that nobody else has.
pub(crate) fn topic(partitions: i32) -> String {
    topic_with(partitions, &[])
}

pub(crate) fn topic_with(partitions: i32, settings: &[(&str, &str)]) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let topic = format!("topic-{}-{number}", std::process::id());
    // Records of tests are of the year 1970, which retention would remove.
    let settings: Vec<_> = settings.iter().copied().chain([("retention.ms", "-1")]).collect();
    admin().create(&topic, partitions, &settings).unwrap();
    topic
}

/// Numbers by partition, as texts.
pub(crate) fn write(topic: &str, numbers: &[(i32, u32)]) {
    let sink = numbered(topic).at_least_once();
    sink.start(&SinkContext::new("writer", "numbers")).unwrap();
    commit(&sink, 1, numbers.iter().copied()).unwrap();
}

type Fill = fn(&(i32, u32), &mut Outgoing);

/// A sink of numbers by partition.
pub(crate) fn numbered(topic: &str) -> KafkaSink<(i32, u32), firesteel_connect_kafka::ByFilling<Fill>> {
    let fill: Fill = |(partition, number), out| {
        out.partition_is(*partition);
        out.value_is(Some(number.to_string().as_bytes()));
    };
    kafka().topic(topic).records(fill)
}

pub(crate) fn messages(topic: &str) -> KafkaSink<Message, MessagesOut> {
    kafka().topic(topic)
}

pub(crate) fn commit<T, S: Sink<T>>(
    sink: &S,
    epoch: u64,
    records: impl Iterator<Item = T>,
) -> Result<(), ConnectError> {
    let mut written = vec![sink.write(WriteTask::new(Epoch(epoch), 0), records)?];
    sink.commit(Epoch(epoch), &mut written)
}

pub(crate) fn mark<T, S: Sink<T>>(sink: &S) -> Option<Mark> {
    sink.last_committed().unwrap()
}

pub(crate) fn number(bytes: &[u8]) -> Result<u32, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    text.parse().map_err(|error| format!("{text}: {error}"))
}

/// All records of a source, split by split.
pub(crate) fn all<S: Source>(source: &S) -> Vec<S::Item> {
    source.start(&SourceContext::default()).unwrap();
    let mut records = vec![];
    for split in source.discover(Timestamp::EPOCH).unwrap().splits {
        let range = ReadRange::exact(split.id, split.first, split.available.unwrap());
        source.open(&range).unwrap().for_each(|record| records.push(record)).unwrap();
    }
    source.stop();
    records
}

/// The numbers in a topic, of one partition where it is written in transactions.
pub(crate) fn numbers(topic: &str) -> Vec<u32> {
    admin().settle(topic, 1).unwrap();
    all(&kafka().topics([topic]).values(firesteel_connect::Decoding::new(number)))
}

/// The topic of a sink.
pub(crate) fn of_sink<T, S: Sink<T>>(sink: &S) -> String {
    match &sink.places()[0] {
        Place::Topic { topic, .. } => topic.clone(),
        other => panic!("{other}"),
    }
}

pub(crate) fn split(topic: &str, partition: i32) -> SplitId {
    SplitId::new(format!("{topic}/{partition}"))
}

pub(crate) fn class(result: &Result<(), ConnectError>) -> Option<Class> {
    result.as_ref().err().map(ConnectError::class)
}
