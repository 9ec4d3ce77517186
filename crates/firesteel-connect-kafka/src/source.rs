//! Topics as a source.

mod look;
mod reader;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use firesteel_connect::{
    ConnectError, Counter, Decode, Discovery, Place, ReadRange, Replay, Result, Source, SourceContext, SplitId,
    SplitNote,
};
use firesteel_formats::Json;
use firesteel_window::Timestamp;
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::client::offsets::Partition;
use crate::message::{ByFunction, Messages, RawRecord, Records, Take, Values, ValuesOrTombstones};
use crate::settings::Settings;
use look::Look;
pub use reader::KafkaReader;

/// Where a job begins that has no checkpoint yet. Looked up once, when it starts: what a checkpoint holds counts from then on.
/// Partitions that come later are read from their beginning, whatever is said here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Start {
    /// At the oldest record that is there.
    #[default]
    Earliest,
    /// After the newest record that is committed.
    Latest,
    /// At the first record that bears this time or a later one; where there is none, after the newest.
    At(Timestamp),
    /// At these offsets, by topic and partition. Partitions that are not named begin at the oldest record.
    Offsets(Vec<(String, i32, u64)>),
}

/// What is set of a source.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    start: Start,
    fetch_bytes: i32,
    unfolds_to: usize,
}

/// Topics as a source: one split for each partition, named `topic/partition`, whose positions are offsets and stand in the job's own
/// checkpoint. There is no consumer group.
///
/// Only what is committed is read (`read_committed`). Records come in the order of their partition. A watermark is kept for each
/// partition.
///
/// - **New partitions** are found while the job runs, and read from their beginning.
/// - **What is lost**, by retention, or since a topic was deleted, is an error that says what and where, unless the person who runs
///   the job [gives it up](SourceContext::gives_up); then it is counted as `lost_offsets`, and the job continues. A topic that was
///   deleted and created again under the same name is known by its id.
/// - **A partition without a leader**, or whose broker is away, does not hold up the others, and is read on when it is back.
/// - **A record that cannot be decoded** is refused by itself.
///
/// ```
/// use firesteel_connect_kafka::{Kafka, Start};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Click {
///     user: String,
///     url: String,
/// }
///
/// let clicks = Kafka::at("localhost:9092").topics(["clicks"]).starting(Start::Latest).json::<Click>();
/// ```
pub struct KafkaSource<D> {
    settings: Settings,
    topics: Arc<[String]>,
    options: Options,
    take: D,
    started: OnceLock<Arc<Shared>>,
    look: Mutex<Look>,
}

/// What a source shares with its readers.
pub(crate) struct Shared {
    client: Arc<Client>,
    context: SourceContext,
    options: Options,
    /// How many offsets were given up.
    lost: Counter,
    /// Partitions that cannot be read for now, and from where on.
    held: Mutex<HashMap<Partition, u64>>,
    /// The ids of the topics whose positions are counted in.
    ids: Mutex<HashMap<String, uuid::Uuid>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl KafkaSource<Messages> {
    pub(crate) fn new(settings: Settings, topics: Vec<String>, take: Messages) -> Self {
        let options = Options { start: Start::default(), fetch_bytes: 1 << 20, unfolds_to: 256 << 20 };
        let (started, look) = (OnceLock::new(), Mutex::default());
        Self { settings, topics: topics.into(), options, take, started, look }
    }

    /// The values, decoded. A record without a value is refused.
    #[must_use]
    pub fn values<D: Decode>(self, decode: D) -> KafkaSource<Values<D>> {
        self.taking(Values(decode))
    }

    /// The values, decoded from JSON. A record without a value is refused.
    #[must_use]
    pub fn json<T: DeserializeOwned + Send + 'static>(self) -> KafkaSource<Values<Json<T>>> {
        self.values(Json::new())
    }

    /// The values, decoded; of a record without a value, `None`.
    #[must_use]
    pub fn values_or_tombstones<D: Decode>(self, decode: D) -> KafkaSource<ValuesOrTombstones<D>> {
        self.taking(ValuesOrTombstones(decode))
    }

    /// Whole records, with keys and values decoded.
    #[must_use]
    pub fn records<K: Decode, V: Decode>(self, key: K, value: V) -> KafkaSource<Records<K, V>> {
        self.taking(Records { key, value })
    }

    /// What a function makes of each record. It borrows what it looks at, and returns what it keeps.
    ///
    /// ```
    /// use firesteel_connect_kafka::{Kafka, RawRecord};
    ///
    /// let sizes = Kafka::at("localhost:9092")
    ///     .topics(["clicks"])
    ///     .decode(|record: &RawRecord<'_>| record.value().map(<[u8]>::len).ok_or("no value"));
    /// ```
    #[must_use]
    pub fn decode<T, E, F>(self, decode: F) -> KafkaSource<ByFunction<F>>
    where
        F: Fn(&RawRecord<'_>) -> std::result::Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: fmt::Display,
    {
        self.taking(ByFunction(Arc::new(decode)))
    }

    fn taking<D>(self, take: D) -> KafkaSource<D> {
        let Self { settings, topics, options, started, look, .. } = self;
        KafkaSource { settings, topics, options, take, started, look }
    }
}

impl<D> KafkaSource<D> {
    /// Where to begin: at the oldest record by default.
    #[must_use]
    pub fn starting(mut self, start: Start) -> Self {
        self.options.start = start;
        self
    }

    /// How many bytes are fetched of a partition at a time: 1 MiB by default. A batch that is larger is fetched all the same.
    #[must_use]
    pub fn fetch_bytes(mut self, bytes: u32) -> Self {
        self.options.fetch_bytes = i32::try_from(bytes.max(1)).unwrap_or(i32::MAX);
        self
    }

    /// To how many bytes a compressed batch may unfold: 256 MiB by default. One that is larger ends the job, and is named.
    #[must_use]
    pub fn batch_unfolds_to(mut self, bytes: usize) -> Self {
        self.options.unfolds_to = bytes;
        self
    }

    fn shared(&self) -> Result<&Arc<Shared>> {
        self.started.get().ok_or_else(|| ConnectError::Other {
            context: format!("reading {}", self.topics.join(", ")),
            class: firesteel_connect::Class::Fatal,
            source: "the source was not started".into(),
        })
    }
}

impl<D> fmt::Debug for KafkaSource<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("KafkaSource");
        shown.field("topics", &self.topics).field("at", &self.settings.bootstrap).finish_non_exhaustive()
    }
}

impl<D: Take> Source for KafkaSource<D> {
    type Item = D::Item;
    type Reader = KafkaReader<D>;

    fn describe(&self) -> String {
        format!("Kafka topics {} at {}", self.topics.join(", "), self.settings)
    }

    fn replay(&self) -> Replay {
        Replay::Always
    }

    fn would_read(&self, place: &Place) -> bool {
        let Place::Topic { brokers, topic } = place else { return false };
        let is_same = |broker: &str| self.settings.bootstrap.iter().any(|known| known == broker);
        self.topics.contains(topic) && brokers.split(',').any(is_same)
    }

    fn start(&self, context: &SourceContext) -> Result<()> {
        self.settings.check()?;
        if self.topics.is_empty() {
            let reason = "no topic is named".to_owned();
            return Err(ConnectError::Setting { connector: "Kafka", setting: "topics", reason });
        }
        let client = Client::new(self.settings.clone());
        look::find_topics(&client, &self.topics)?;
        let (held, ids, lost) = (Mutex::default(), Mutex::default(), context.counters().counter("lost_offsets"));
        let shared = Shared { client, context: context.clone(), options: self.options.clone(), lost, held, ids };
        *locked(&self.look) = Look::start(&self.topics, &shared);
        // One source has one job.
        _ = self.started.set(Arc::new(shared));
        Ok(())
    }

    fn discover(&self, now: Timestamp) -> Result<Discovery> {
        let shared = self.shared()?;
        locked(&self.look).look(shared, &self.topics, now)
    }

    fn open(&self, range: &ReadRange) -> Result<Self::Reader> {
        let shared = self.shared()?;
        let partition = look::partition_of(&range.split).filter(|(topic, _)| self.topics.contains(topic));
        let unknown = || ConnectError::unknown_split(&self.describe(), &range.split);
        let (topic, partition) = partition.ok_or_else(unknown)?;
        let known = shared.client.topic(&topic);
        if known.is_some_and(|known| usize::try_from(partition).map_or(true, |index| index >= known.leaders.len())) {
            return Err(unknown());
        }
        Ok(KafkaReader::new(Arc::clone(shared), topic.into(), partition, self.take.clone(), range))
    }

    fn reopen(&self, reader: Self::Reader, range: &ReadRange) -> Result<Self::Reader> {
        match reader.resume(range) {
            Some(reader) => Ok(reader),
            None => self.open(range),
        }
    }

    fn notes(&self, _moved: &[(SplitId, u64)]) -> Result<Vec<(SplitId, SplitNote)>> {
        locked(&self.look).notes()
    }

    fn stop(&self) {
        if let Some(shared) = self.started.get() {
            shared.client.stop.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kafka;

    #[test]
    fn a_job_that_would_read_its_own_results_is_found_out() {
        let read = Kafka::at("a:1,b:2").topics(["clicks", "views"]);
        let place = |brokers: &str, topic: &str| Place::Topic { brokers: brokers.into(), topic: topic.into() };
        assert!(read.would_read(&place("c:3,b:2", "views")));
        assert!(!read.would_read(&place("b:2", "counts")) && !read.would_read(&place("c:3", "views")));
        assert!(!read.would_read(&Place::file("views")));
        let sink = Kafka::at("b:2").topic("clicks");
        assert!(firesteel_connect::Sink::places(&sink).iter().all(|place| read.would_read(place)));
    }
}
