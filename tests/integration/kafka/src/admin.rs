//! What tests ask of a broker, without the connector that they test: topics, partitions, deletion of records.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    ApiKey, BrokerId, CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse, ListOffsetsRequest,
    ListOffsetsResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};

/// A connection to a broker of one node.
#[derive(Debug)]
pub struct Admin(TcpStream);

pub(crate) fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

pub(crate) fn refused(what: &str, code: i16) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::other(format!("{what}: error {code}"))) }
}

impl Admin {
    /// Connects.
    ///
    /// # Errors
    /// When the broker is not there.
    pub fn at(address: &str) -> io::Result<Self> {
        TcpStream::connect(address).map(Self)
    }

    pub(crate) fn call<Q: Encodable + HeaderVersion, A: Decodable + HeaderVersion>(
        &mut self,
        key: ApiKey,
        version: i16,
        request: &Q,
    ) -> io::Result<A> {
        let mut out = BytesMut::new();
        out.put_i32(0);
        let header = RequestHeader::default().with_request_api_key(key as i16).with_request_api_version(version);
        header.encode(&mut out, Q::header_version(version)).map_err(io::Error::other)?;
        request.encode(&mut out, version).map_err(io::Error::other)?;
        let length = (out.len() - 4) as i32;
        out[..4].copy_from_slice(&length.to_be_bytes());
        self.0.write_all(&out)?;
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let mut frame = vec![0; i32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut frame)?;
        let mut frame = Bytes::from(frame);
        ResponseHeader::decode(&mut frame, A::header_version(version)).map_err(io::Error::other)?;
        A::decode(&mut frame, version).map_err(io::Error::other)
    }

    /// Creates a topic, with these settings.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn create(&mut self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> io::Result<()> {
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let setting = |(name, value): &(&str, &str)| {
            CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
        };
        let topic = CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(settings.iter().map(setting).collect());
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        let answer: CreateTopicsResponse = self.call(ApiKey::CreateTopics, 7, &request)?;
        answer.topics.iter().try_for_each(|topic| refused("creating a topic", topic.error_code))
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn delete(&mut self, topic: &str) -> io::Result<()> {
        let topic = DeleteTopicState::default().with_name(Some(name(topic)));
        let request = DeleteTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        let answer: DeleteTopicsResponse = self.call(ApiKey::DeleteTopics, 6, &request)?;
        answer.responses.iter().try_for_each(|topic| refused("deleting a topic", topic.error_code))
    }

    /// Has a topic grow to this many partitions.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn grow(&mut self, topic: &str, partitions: i32) -> io::Result<()> {
        let topic =
            CreatePartitionsTopic::default().with_name(name(topic)).with_count(partitions).with_assignments(None);
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        let answer: CreatePartitionsResponse = self.call(ApiKey::CreatePartitions, 3, &request)?;
        answer.results.iter().try_for_each(|topic| refused("growing a topic", topic.error_code))
    }

    /// Removes the records of a partition before an offset, as retention does.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn forget(&mut self, topic: &str, partition: i32, offset: i64) -> io::Result<()> {
        let partition = DeleteRecordsPartition::default().with_partition_index(partition).with_offset(offset);
        let topic = DeleteRecordsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        let answer: DeleteRecordsResponse = self.call(ApiKey::DeleteRecords, 2, &request)?;
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.into_iter().try_for_each(|partition| refused("removing records", partition.error_code))
    }

    /// The end of a partition, and up to where all of its transactions have ended.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn ends(&mut self, topic: &str, partition: i32) -> io::Result<(i64, i64)> {
        let mut end = |isolation| {
            let partition = ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(-1);
            let topic = ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
            let request = ListOffsetsRequest::default()
                .with_replica_id(BrokerId(-1))
                .with_isolation_level(isolation)
                .with_topics(vec![topic]);
            let mut wait = crate::Wait::up_to(30);
            loop {
                let answer: ListOffsetsResponse = self.call(ApiKey::ListOffsets, 7, &request)?;
                let found = answer.topics.iter().flat_map(|topic| &topic.partitions).next();
                let found = found.ok_or_else(|| io::Error::other("no partition"))?;
                // A broker may not have heard of a new topic yet.
                if ![3, 6].contains(&found.error_code) || !wait.once() {
                    return refused("asking for an end", found.error_code).map(|()| found.offset);
                }
            }
        };
        Ok((end(0)?, end(1)?))
    }

    /// Waits until no transaction is open in any of the first partitions: a commit is decided before it is visible.
    ///
    /// # Errors
    /// When the broker refuses, or one stays open.
    pub fn settle(&mut self, topic: &str, partitions: i32) -> io::Result<()> {
        let mut wait = crate::Wait::up_to(30);
        for partition in 0..partitions {
            loop {
                let (end, stable) = self.ends(topic, partition)?;
                if end == stable {
                    break;
                }
                if !wait.once() {
                    return Err(io::Error::other(format!("a transaction stays open in {topic}/{partition}")));
                }
            }
        }
        Ok(())
    }
}
