//! What records become: messages of bytes, or values of the program's types.

use std::fmt;
use std::sync::Arc;

use firesteel_connect::{Decode, Undecodable};
use firesteel_window::Timestamp;

pub use crate::batch::record::RawRecord;

/// Makes something of a record: of its value, its key, its headers, the time that it bears and where it stands.
///
/// A program rarely needs it by name: the methods of [`KafkaSource`](crate::KafkaSource) make those that are usual.
pub trait Take: Clone + Send + Sync + 'static {
    /// What it makes.
    type Item: Send + 'static;

    /// What the record is. The same record yields the same, or the same error.
    ///
    /// # Errors
    /// What is wrong with the record. It concerns this record alone: a job stops, or sets it aside.
    fn take(&self, record: &RawRecord<'_>) -> Result<Self::Item, Undecodable>;
}

/// A record with its key and value as bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Message {
    /// The topic.
    pub topic: Arc<str>,
    /// The number of its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: u64,
    /// The time that it bears; none where it bears none.
    pub timestamp: Option<Timestamp>,
    /// The key; none and an empty one are two things.
    pub key: Option<Vec<u8>>,
    /// The value; a tombstone has none.
    pub value: Option<Vec<u8>>,
    /// The headers, in their order; one name may come several times.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Message {
    /// A message to be written, of this value.
    ///
    /// ```
    /// use firesteel_connect_kafka::Message;
    ///
    /// let message = Message::of("7").with_key("ann").with_header("trace", "b1");
    /// assert_eq!(message.key.as_deref(), Some(&b"ann"[..]));
    /// ```
    #[must_use]
    pub fn of(value: impl Into<Vec<u8>>) -> Self {
        Self { value: Some(value.into()), ..Self::tombstone() }
    }

    /// A message to be written, without a value: a compacted topic forgets the key.
    #[must_use]
    pub fn tombstone() -> Self {
        let (topic, headers) = ("".into(), vec![]);
        Self { topic, partition: -1, offset: 0, timestamp: None, key: None, value: None, headers }
    }

    /// The same with a key.
    #[must_use]
    pub fn with_key(self, key: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// The same with one header more.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), Some(value.into())));
        self
    }
}

/// A record with its key and value as the program's types.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Record<K, V> {
    /// The topic.
    pub topic: Arc<str>,
    /// The number of its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: u64,
    /// The time that it bears; none where it bears none.
    pub timestamp: Option<Timestamp>,
    /// The key.
    pub key: Option<K>,
    /// The value; a tombstone has none.
    pub value: Option<V>,
    /// The headers, in their order; one name may come several times.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl RawRecord<'_> {
    /// The time that it bears, as the library's type.
    #[must_use]
    pub fn timestamp(&self) -> Option<Timestamp> {
        (self.millis != -1).then(|| Timestamp::from_millis(self.millis))
    }

    fn owned_headers(&self) -> Vec<(String, Option<Vec<u8>>)> {
        self.headers().map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec))).collect()
    }
}

/// Makes a [`Message`] of each record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Messages(());

impl Messages {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl Take for Messages {
    type Item = Message;

    fn take(&self, record: &RawRecord<'_>) -> Result<Message, Undecodable> {
        Ok(Message {
            topic: Arc::clone(record.topic),
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp(),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.owned_headers(),
        })
    }
}

/// Decodes values, and refuses records that have none.
#[derive(Debug, Clone)]
pub struct Values<D>(pub(crate) D);

impl<D: Decode> Take for Values<D> {
    type Item = D::Item;

    #[inline]
    fn take(&self, record: &RawRecord<'_>) -> Result<D::Item, Undecodable> {
        let none = || Undecodable::new("it has no value (a tombstone): read the topic by `values_or_tombstones`");
        self.0.decode(record.value.ok_or_else(none)?)
    }
}

/// Decodes values; a tombstone is `None`.
#[derive(Debug, Clone)]
pub struct ValuesOrTombstones<D>(pub(crate) D);

impl<D: Decode> Take for ValuesOrTombstones<D> {
    type Item = Option<D::Item>;

    #[inline]
    fn take(&self, record: &RawRecord<'_>) -> Result<Self::Item, Undecodable> {
        record.value.map(|value| self.0.decode(value)).transpose()
    }
}

/// Decodes keys and values.
#[derive(Debug, Clone)]
pub struct Records<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
}

impl<K: Decode, V: Decode> Take for Records<K, V> {
    type Item = Record<K::Item, V::Item>;

    #[inline]
    fn take(&self, record: &RawRecord<'_>) -> Result<Self::Item, Undecodable> {
        Ok(Record {
            topic: Arc::clone(record.topic),
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp(),
            key: record.key.map(|key| self.key.decode(key)).transpose()?,
            value: record.value.map(|value| self.value.decode(value)).transpose()?,
            headers: record.owned_headers(),
        })
    }
}

/// A function that makes something of a record.
pub struct ByFunction<F>(pub(crate) Arc<F>);

impl<F> Clone for ByFunction<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> fmt::Debug for ByFunction<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByFunction")
    }
}

impl<T, E, F> Take for ByFunction<F>
where
    F: Fn(&RawRecord<'_>) -> Result<T, E> + Send + Sync + 'static,
    T: Send + 'static,
    E: fmt::Display,
{
    type Item = T;

    #[inline]
    fn take(&self, record: &RawRecord<'_>) -> Result<T, Undecodable> {
        (self.0)(record).map_err(Undecodable::new)
    }
}
