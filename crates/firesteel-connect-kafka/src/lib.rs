//! Topics of Apache Kafka as a source and as a sink.
//!
//! [`Kafka::at`] names a cluster; [`Kafka::topics`] makes a [`KafkaSource`] of some of its topics, [`Kafka::topic`] a [`KafkaSink`]
//! of one. The client is the connector's own: it blocks, has no consumer groups and no threads, and needs no C.
//!
//! ```
//! use firesteel_connect_kafka::{Kafka, Start};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Click {
//!     user: String,
//!     url: String,
//! }
//!
//! let clicks = Kafka::at("localhost:9092").topics(["clicks"]).starting(Start::Earliest).json::<Click>();
//! ```
//!
//! There is no TLS, no SASL and no subscription by pattern yet.

mod batch;
mod client;
mod config;
mod message;
mod murmur2;
mod settings;
mod sink;
mod source;
mod time;
mod wire;

pub use batch::compress::Compression;
pub use config::Kafka;
pub use message::{ByFunction, Message, Messages, RawRecord, Record, Records, Take, Values, ValuesOrTombstones};
pub use sink::{ByEncoding, ByFilling, KafkaSink, KeyedBy, MessagesOut, Outgoing, Put, Written};
pub use source::{KafkaReader, KafkaSource, Start};
