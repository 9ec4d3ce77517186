//! Topics as sinks.

mod outgoing;
mod transaction;

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use firesteel_connect::{
    Class, ConnectError, Encode, Epoch, Guarantee, Mark, Place, Result, Sink, SinkContext, Unencodable, WriteTask,
};
use firesteel_formats::Json;

use crate::batch::build::{Builder, Built};
use crate::batch::compress::Compression;
use crate::client::Client;
use crate::message::Message;
use crate::murmur2;
use crate::settings::Settings;
pub use outgoing::{ByEncoding, ByFilling, KeyedBy, MessagesOut, Outgoing, Put};
use transaction::State;

/// How many bytes a batch has at most, before it is compressed: topics take a little more by default.
const BATCH_BYTES: usize = 1_000_000;

/// A topic as a sink.
///
/// By default results are there **exactly once**: all of an epoch becomes visible in one transaction to readers that read what is
/// committed (`isolation.level=read_committed`), together with the epoch's number and its checkpoint, which stand in the metadata of
/// an offset committed in the same transaction. The brokers have to be of Kafka 4.0 or newer, with version 2 of the transaction
/// protocol finalized, which is looked up at the start. With [`at_least_once`](Self::at_least_once) there is no transaction, and
/// rows may be there twice after a crash.
///
/// | | |
/// |---|---|
/// | partition | [set](Outgoing::partition_is) for a record; else by its key, as Java's producer has it (murmur2); else a batch here, a batch there |
/// | time | [set](Outgoing::timestamp_is) for a record; else the time at which it is written |
/// | memory | an epoch's records wait, encoded and compressed, until it is committed |
/// | names | the transactional id and the group with the mark are both `firesteel.JOB.SINK.TOPIC`, followed by `.PART` for a part of a job |
/// | rights | WRITE and READ on the topic, WRITE on the transactional id, READ on the group |
///
/// The mark stays as long as the brokers keep offsets of a group without members: `offsets.retention.minutes`, a week by default. A job
/// that rests longer finds none, and is refused at its next start until that is permitted (`allow_loss`).
///
/// A job that reads what it writes is refused.
///
/// ```
/// use firesteel_connect_kafka::{Compression, Kafka};
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct Count {
///     url: String,
///     clicks: u64,
/// }
///
/// let kafka = Kafka::at("localhost:9092");
/// let counts = kafka
///     .topic("counts")
///     .json::<Count>()
///     .keyed_by(|count: &Count, key: &mut Vec<u8>| key.extend_from_slice(count.url.as_bytes()))
///     .compressed_by(Compression::Lz4);
/// ```
pub struct KafkaSink<T, P> {
    settings: Settings,
    topic: Arc<str>,
    put: P,
    options: Options,
    started: OnceLock<Started>,
    of: PhantomData<fn(T)>,
}

/// What is set of a sink.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    guarantee: Guarantee,
    compression: Compression,
    batch_bytes: usize,
    timeout: std::time::Duration,
}

struct Started {
    context: SinkContext,
    client: Arc<Client>,
    partitions: AtomicI32,
    state: Mutex<State>,
}

impl KafkaSink<Message, MessagesOut> {
    pub(crate) fn new(settings: Settings, topic: &str) -> Self {
        let timeout = std::time::Duration::from_secs(60);
        let (guarantee, compression) = (Guarantee::ExactlyOnce, Compression::None);
        let options = Options { guarantee, compression, batch_bytes: BATCH_BYTES, timeout };
        Self { settings, topic: topic.into(), put: MessagesOut(()), options, started: OnceLock::new(), of: PhantomData }
    }

    /// Values, encoded; without keys, unless [`keyed_by`](KafkaSink::keyed_by) follows.
    #[must_use]
    pub fn values<T, E: Encode<T>>(self, encode: E) -> KafkaSink<T, ByEncoding<E>> {
        self.putting(ByEncoding(encode))
    }

    /// Values, encoded as JSON; without keys, unless [`keyed_by`](KafkaSink::keyed_by) follows.
    #[must_use]
    pub fn json<T: serde::Serialize + 'static>(self) -> KafkaSink<T, ByEncoding<Json<T>>> {
        self.values(Json::new())
    }

    /// What a function fills in for each record: its key, value, headers, partition, time.
    ///
    /// ```
    /// use firesteel_connect_kafka::{Kafka, Outgoing};
    ///
    /// let sink = Kafka::at("localhost:9092").topic("counts").records(|(word, count): &(String, u64), out: &mut Outgoing| {
    ///     out.key_is(Some(word.as_bytes()));
    ///     // A count of nothing takes the word away.
    ///     out.value_is((*count > 0).then(|| count.to_string()).as_deref().map(str::as_bytes));
    /// });
    /// ```
    #[must_use]
    pub fn records<T, F>(self, fill: F) -> KafkaSink<T, ByFilling<F>>
    where
        F: Fn(&T, &mut Outgoing) + Send + Sync + 'static,
    {
        self.putting(ByFilling(Arc::new(fill)))
    }
}

impl<T, P> KafkaSink<T, P> {
    fn putting<U, Q>(self, put: Q) -> KafkaSink<U, Q> {
        let Self { settings, topic, options, .. } = self;
        KafkaSink { settings, topic, put, options, started: OnceLock::new(), of: PhantomData }
    }

    /// The same records with a key, which a function appends to the bytes that it is given. It decides on the partition, as with
    /// Java's producer.
    #[must_use]
    pub fn keyed_by<F>(self, key: F) -> KafkaSink<T, KeyedBy<P, F>>
    where
        P: Clone,
        F: Fn(&T, &mut Vec<u8>) + Send + Sync + 'static,
    {
        let put = KeyedBy { put: self.put.clone(), key: Arc::new(key) };
        self.putting(put)
    }

    /// Without transactions: results are visible as they are stored, and some of them twice after a crash. The brokers may be older than
    /// 4.0.
    #[must_use]
    pub fn at_least_once(mut self) -> Self {
        self.options.guarantee = Guarantee::AtLeastOnce;
        self
    }

    /// Compresses batches.
    #[must_use]
    pub fn compressed_by(mut self, compression: Compression) -> Self {
        self.options.compression = compression;
        self
    }

    /// How many bytes a batch has at most, before it is compressed: 1,000,000 by default, a little less than topics take
    /// (`max.message.bytes`). A record that is larger is a batch of its own.
    #[must_use]
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.options.batch_bytes = bytes;
        self
    }

    /// After how much time the brokers abort a transaction of which nothing is heard: a minute by default. A transaction is as long
    /// as a commit takes. Brokers allow 15 minutes at most (`transaction.max.timeout.ms`).
    #[must_use]
    pub fn transaction_timeout(mut self, timeout: firesteel_window::Duration) -> Self {
        self.options.timeout = timeout.to_std();
        self
    }

    fn place(&self) -> String {
        format!("Kafka topic {} at {}", self.topic, self.settings)
    }

    fn started(&self) -> Result<&Started> {
        self.started.get().ok_or_else(|| ConnectError::Other {
            context: format!("writing to {}", self.place()),
            class: Class::Fatal,
            source: "the sink was not started".into(),
        })
    }
}

impl<T, P> fmt::Debug for KafkaSink<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("KafkaSink");
        shown.field("topic", &self.topic).field("at", &self.settings.bootstrap).finish_non_exhaustive()
    }
}

/// What a task has left: its batches, to be sent when the epoch is committed.
#[derive(Debug)]
pub struct Written(pub(crate) Vec<Built>);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Send + 'static, P: Put<T>> Sink<T> for KafkaSink<T, P> {
    type Pending = Written;

    fn describe(&self) -> String {
        self.place()
    }

    fn guarantee(&self) -> Guarantee {
        self.options.guarantee
    }

    fn places(&self) -> Vec<Place> {
        vec![Place::Topic { brokers: self.settings.to_string(), topic: self.topic.to_string() }]
    }

    fn start(&self, context: &SinkContext) -> Result<()> {
        self.settings.check()?;
        let client = Client::new(self.settings.clone());
        let partitions = transaction::find_topic(&client, &self.topic)?;
        let state = State::start(&client, &self.topic, &self.options, context)?;
        let (partitions, state) = (AtomicI32::new(partitions), Mutex::new(state));
        // A sink has one job.
        _ = self.started.set(Started { context: context.clone(), client, partitions, state });
        Ok(())
    }

    fn write(&self, task: WriteTask, records: impl Iterator<Item = T>) -> Result<Written> {
        let started = self.started()?;
        let partitions = started.partitions.load(Ordering::Relaxed);
        let now = started.context.now().as_millis();
        let mut builders: Vec<Builder> = (0..partitions).map(|_| Builder::default()).collect();
        // Records without a key stay together, batch by batch.
        let mut keyless = i32::try_from(task.partition % builders.len().max(1)).unwrap_or(0);
        let (mut out, mut written) = (Outgoing::default(), vec![]);
        let mut seal = |builder: &mut Builder, partition: i32| {
            let built = builder.seal(partition, self.options.compression);
            let failed = |error: std::io::Error| ConnectError::Other {
                context: format!("compressing what goes to {}", self.topic),
                class: Class::Fatal,
                source: error.into(),
            };
            built.map(|built| written.push(built)).map_err(failed)
        };
        for record in records {
            out.clear();
            self.put.put(&record, &mut out).map_err(|unencodable| self.refused(&unencodable))?;
            let has_choice = out.partition.is_none() && out.key().is_none();
            let partition = match (out.partition, out.key()) {
                (Some(partition), _) => partition,
                (None, Some(key)) => murmur2::partition_of(key, partitions),
                (None, None) => keyless,
            };
            let Some(builder) = usize::try_from(partition).ok().and_then(|index| builders.get_mut(index)) else {
                let reason = format!("there is no partition {partition}: {} has {partitions}", self.topic);
                return Err(self.refused(&Unencodable::new(reason)));
            };
            if !builder.is_empty() && builder.len() + out.size() > self.options.batch_bytes {
                seal(builder, partition)?;
                if has_choice {
                    keyless = (keyless + 1) % partitions.max(1);
                }
            }
            builder.push(&out.parts(now));
        }
        for (builder, partition) in builders.iter_mut().zip(0..).filter(|(builder, _)| !builder.is_empty()) {
            seal(builder, partition)?;
        }
        Ok(Written(written))
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<Written>) -> Result<()> {
        let started = self.started()?;
        let mut state = locked(&started.state);
        state.commit(epoch, pending)?;
        if let Some(topic) = started.client.topic(&self.topic) {
            let partitions = i32::try_from(topic.leaders.len()).unwrap_or(i32::MAX);
            started.partitions.store(partitions.max(1), Ordering::Relaxed);
        }
        Ok(())
    }

    fn outcome(&self, epoch: Epoch) -> Result<bool> {
        locked(&self.started()?.state).outcome(epoch)
    }

    fn last_committed(&self) -> Result<Option<Mark>> {
        Ok(locked(&self.started()?.state).mark())
    }

    fn stop(&self) -> Result<()> {
        if let Some(started) = self.started.get() {
            started.client.stop.stop();
        }
        Ok(())
    }
}

impl<T, P> KafkaSink<T, P> {
    fn refused(&self, unencodable: &Unencodable) -> ConnectError {
        ConnectError::Other {
            context: format!("writing to {}", self.topic),
            class: Class::Record,
            source: unencodable.reason().into(),
        }
    }
}
