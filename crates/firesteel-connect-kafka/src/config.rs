//! A cluster, and what of it is read or written.

use std::time::Duration;

use crate::message::{Message, Messages};
use crate::settings::Settings;
use crate::sink::{KafkaSink, MessagesOut};
use crate::source::KafkaSource;

/// A cluster of Kafka brokers, and how it is talked to: where programs begin.
///
/// ```
/// use firesteel_connect_kafka::Kafka;
///
/// let kafka = Kafka::at("kafka-1:9092,kafka-2:9092");
/// let clicks = kafka.topics(["clicks"]);
/// assert!(format!("{clicks:?}").contains("clicks"));
/// ```
///
/// Nothing is connected before a job starts. Brokers have to be of Kafka 3.1 or newer, for exactly-once results of 4.0. There is
/// no TLS and no SASL yet: the listener has to be `PLAINTEXT`.
#[derive(Debug, Clone)]
pub struct Kafka {
    pub(crate) settings: Settings,
}

impl Kafka {
    /// The cluster that has brokers at these addresses: `host:port`, several with commas between them. One that answers is
    /// enough; a port that is left out is 9092.
    #[must_use]
    pub fn at(bootstrap: &str) -> Self {
        let addresses = bootstrap.split(',').map(str::trim).filter(|address| !address.is_empty());
        let with_port = |address: &str| match address.rsplit_once(':') {
            Some((_, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => address.to_owned(),
            _ => format!("{address}:9092"),
        };
        Self {
            settings: Settings {
                bootstrap: addresses.map(with_port).collect(),
                client_id: "firesteel".into(),
                request_limit: Duration::from_secs(30),
                patience: Duration::from_secs(30),
                metadata_every: Duration::from_secs(30),
            },
        }
    }

    /// The name by which the brokers' logs and quotas know the program: `firesteel` by default.
    #[must_use]
    pub fn client_id(mut self, id: &str) -> Self {
        self.settings.client_id = id.into();
        self
    }

    /// How long one request may take before its connection is given up: 30 seconds by default.
    #[must_use]
    pub fn request_limit(mut self, limit: firesteel_window::Duration) -> Self {
        self.settings.request_limit = limit.to_std();
        self
    }

    /// How long a read or a commit is repeated where brokers are away or a partition has no leader, before that is told to the
    /// job: 30 seconds by default.
    #[must_use]
    pub fn patience(mut self, patience: firesteel_window::Duration) -> Self {
        self.settings.patience = patience.to_std();
        self
    }

    /// How often the brokers are asked for new partitions: every 30 seconds by default.
    #[must_use]
    pub fn metadata_every(mut self, time: firesteel_window::Duration) -> Self {
        self.settings.metadata_every = time.to_std();
        self
    }

    /// A source of these topics, whose records are [`Message`]s of bytes. What else they are to be is said by the methods of
    /// [`KafkaSource`].
    #[must_use]
    pub fn topics<T: Into<String>>(&self, topics: impl IntoIterator<Item = T>) -> KafkaSource<Messages> {
        KafkaSource::new(self.settings.clone(), topics.into_iter().map(Into::into).collect(), Messages::new())
    }

    /// A sink of this topic for [`Message`]s of bytes: their key, value, headers and time count, not what else stands in them. How
    /// other records are written is said by the methods of [`KafkaSink`].
    #[must_use]
    pub fn topic(&self, topic: &str) -> KafkaSink<Message, MessagesOut> {
        KafkaSink::new(self.settings.clone(), topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_get_a_port() {
        let kafka = Kafka::at(" a:1, b ,[::1]:2,,c");
        assert_eq!(*kafka.settings.bootstrap, ["a:1", "b:9092", "[::1]:2", "c:9092"]);
        assert!(Kafka::at(" ,").settings.check().is_err());
    }
}
