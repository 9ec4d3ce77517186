//! Records on their way into a topic.

use std::fmt;
use std::sync::Arc;

use firesteel_connect::{Encode, Unencodable};
use firesteel_window::Timestamp;

use crate::batch::build::{Parts, put_header};
use crate::message::Message;

/// A record that is being written: a program fills in what it wants of it. One after another is written into the same bytes, so that
/// nothing is allocated for a record.
#[derive(Debug, Default)]
pub struct Outgoing {
    key: Vec<u8>,
    value: Vec<u8>,
    has_key: bool,
    has_value: bool,
    headers: Vec<u8>,
    headers_count: u32,
    pub(crate) partition: Option<i32>,
    millis: Option<i64>,
}

impl Outgoing {
    pub(crate) fn clear(&mut self) {
        self.key.clear();
        self.value.clear();
        self.headers.clear();
        (self.has_key, self.has_value, self.headers_count) = (false, false, 0);
        (self.partition, self.millis) = (None, None);
    }

    /// Sets the key, or that there is none, as there is at first. An empty one is a key.
    pub fn key_is(&mut self, key: Option<&[u8]>) {
        self.has_key = key.is_some();
        self.key.clear();
        self.key.extend_from_slice(key.unwrap_or_default());
    }

    /// Sets the value, or that there is none, as there is at first: a compacted topic forgets the key then. An empty one is a value.
    pub fn value_is(&mut self, value: Option<&[u8]>) {
        self.has_value = value.is_some();
        self.value.clear();
        self.value.extend_from_slice(value.unwrap_or_default());
    }

    /// Appends a header. One name may come several times.
    pub fn header(&mut self, name: &str, value: Option<&[u8]>) {
        put_header(&mut self.headers, name, value);
        self.headers_count += 1;
    }

    /// Sets the partition, whatever the key.
    pub fn partition_is(&mut self, partition: i32) {
        self.partition = Some(partition);
    }

    /// Sets the time that the record bears. Topics may refuse, or soon delete, what is too old or too new, and a topic with
    /// `message.timestamp.type=LogAppendTime` replaces it.
    pub fn timestamp_is(&mut self, time: Timestamp) {
        self.millis = Some(time.as_millis());
    }

    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.has_key.then_some(&self.key)
    }

    /// About how many bytes it takes in a batch.
    pub(crate) fn size(&self) -> usize {
        self.key.len() + self.value.len() + self.headers.len() + 30
    }

    pub(crate) fn parts(&self, now: i64) -> Parts<'_> {
        Parts {
            key: self.key(),
            value: self.has_value.then_some(&self.value),
            headers: &self.headers,
            headers_count: self.headers_count,
            millis: self.millis.unwrap_or(now),
        }
    }
}

/// Fills in what is written of a record.
///
/// A program rarely needs it by name: the methods of [`KafkaSink`](crate::KafkaSink) make those that are usual.
pub trait Put<T>: Clone + Send + Sync + 'static {
    /// Fills it in.
    ///
    /// # Errors
    /// When the record has no form in the format.
    fn put(&self, record: &T, out: &mut Outgoing) -> Result<(), Unencodable>;
}

/// Writes [`Message`]s as they are: key, value, headers and time.
#[derive(Debug, Clone, Copy)]
pub struct MessagesOut(pub(crate) ());

impl Put<Message> for MessagesOut {
    fn put(&self, message: &Message, out: &mut Outgoing) -> Result<(), Unencodable> {
        out.key_is(message.key.as_deref());
        out.value_is(message.value.as_deref());
        for (name, value) in &message.headers {
            out.header(name, value.as_deref());
        }
        if let Some(time) = message.timestamp {
            out.timestamp_is(time);
        }
        Ok(())
    }
}

/// Encodes values.
#[derive(Debug, Clone)]
pub struct ByEncoding<E>(pub(crate) E);

impl<T, E: Encode<T>> Put<T> for ByEncoding<E> {
    #[inline]
    fn put(&self, record: &T, out: &mut Outgoing) -> Result<(), Unencodable> {
        out.has_value = true;
        self.0.encode(record, &mut out.value)
    }
}

/// Adds keys.
pub struct KeyedBy<P, F> {
    pub(crate) put: P,
    pub(crate) key: Arc<F>,
}

impl<T, P: Put<T>, F: Fn(&T, &mut Vec<u8>) + Send + Sync + 'static> Put<T> for KeyedBy<P, F> {
    #[inline]
    fn put(&self, record: &T, out: &mut Outgoing) -> Result<(), Unencodable> {
        self.put.put(record, out)?;
        out.key.clear();
        (self.key)(record, &mut out.key);
        out.has_key = true;
        Ok(())
    }
}

impl<P: Clone, F> Clone for KeyedBy<P, F> {
    fn clone(&self) -> Self {
        Self { put: self.put.clone(), key: Arc::clone(&self.key) }
    }
}

impl<P: fmt::Debug, F> fmt::Debug for KeyedBy<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyedBy").field(&self.put).finish()
    }
}

/// Fills records in by a function.
pub struct ByFilling<F>(pub(crate) Arc<F>);

impl<T, F: Fn(&T, &mut Outgoing) + Send + Sync + 'static> Put<T> for ByFilling<F> {
    #[inline]
    fn put(&self, record: &T, out: &mut Outgoing) -> Result<(), Unencodable> {
        (self.0)(record, out);
        Ok(())
    }
}

impl<F> Clone for ByFilling<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> fmt::Debug for ByFilling<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByFilling")
    }
}
