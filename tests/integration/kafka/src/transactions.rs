//! Transactions that a test writes without the connector that it tests, and by another encoder.

use std::io;

use bytes::BytesMut;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiKey, EndTxnRequest, EndTxnResponse, FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest,
    InitProducerIdResponse, ProduceRequest, ProduceResponse, ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};

use crate::admin::{Admin, name, refused};

/// A producer of transactions, one open at a time.
#[derive(Debug)]
pub struct Transactions {
    admin: Admin,
    id: TransactionalId,
    producer: i64,
    epoch: i16,
    sequence: i32,
}

impl Transactions {
    /// One with this transactional id.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn start(mut admin: Admin, id: &str) -> io::Result<Self> {
        let key = StrBytes::from_string(id.to_owned());
        let id = TransactionalId(key.clone());
        let mut wait = crate::Wait::up_to(30);
        loop {
            let request = FindCoordinatorRequest::default().with_key_type(1).with_coordinator_keys(vec![key.clone()]);
            let found: FindCoordinatorResponse = admin.call(ApiKey::FindCoordinator, 4, &request)?;
            let request = InitProducerIdRequest::default()
                .with_transactional_id(Some(id.clone()))
                .with_transaction_timeout_ms(60_000)
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1);
            if found.coordinators.iter().all(|found| found.error_code == 0) {
                let begun: InitProducerIdResponse = admin.call(ApiKey::InitProducerId, 4, &request)?;
                if begun.error_code == 0 {
                    let (producer, epoch) = (begun.producer_id.0, begun.producer_epoch);
                    return Ok(Self { admin, id, producer, epoch, sequence: 0 });
                }
            }
            if !wait.once() {
                return Err(io::Error::other("no coordinator"));
            }
        }
    }

    /// Writes values into partition 0 of a topic, in one batch.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn write(&mut self, topic: &str, values: &[u32]) -> io::Result<()> {
        let record = |(place, value): (i32, &u32)| Record {
            transactional: true,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: self.producer,
            producer_epoch: self.epoch,
            timestamp_type: TimestampType::Creation,
            offset: i64::from(place),
            sequence: self.sequence + place,
            timestamp: 1_000,
            key: None,
            value: Some(value.to_string().into()),
            headers: Default::default(),
        };
        let records: Vec<Record> = (0..).zip(values).map(record).collect();
        let mut bytes = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        RecordBatchEncoder::encode(&mut bytes, &records, &options).map_err(io::Error::other)?;
        let partition = PartitionProduceData::default().with_index(0).with_records(Some(bytes.freeze()));
        let topic = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![partition]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(self.id.clone()))
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_topic_data(vec![topic]);
        self.sequence += values.len() as i32;
        let mut wait = crate::Wait::up_to(30);
        loop {
            let answer: ProduceResponse = self.admin.call(ApiKey::Produce, 12, &request)?;
            let mut partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
            let code = partitions.next().map_or(-1, |partition| partition.error_code);
            // The transaction before it is being finished, or the broker has not heard of a new topic yet.
            if ![3, 6, 51].contains(&code) || !wait.once() {
                return refused("writing", code);
            }
        }
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn end(&mut self, commits: bool) -> io::Result<()> {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.id.clone())
            .with_producer_id(ProducerId(self.producer))
            .with_producer_epoch(self.epoch)
            .with_committed(commits);
        let mut wait = crate::Wait::up_to(30);
        loop {
            let answer: EndTxnResponse = self.admin.call(ApiKey::EndTxn, 5, &request)?;
            if answer.error_code != 51 || !wait.once() {
                (self.producer, self.epoch, self.sequence) = (answer.producer_id.0, answer.producer_epoch, 0);
                return refused("ending a transaction", answer.error_code);
            }
        }
    }
}
