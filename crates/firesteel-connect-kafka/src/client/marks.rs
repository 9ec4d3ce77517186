//! Marks: what a sink writes beside its results, as the metadata of an offset that is committed in the same transaction.

use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    GroupId, OffsetFetchRequest, OffsetFetchResponse, ProducerId, TopicName, TransactionalId, TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
};

use super::fault::{Code, Outcome};
use super::producer::{Coordinates, Producer};
use super::text;
use crate::time::Deadline;

const OFFSET_FETCH: i16 = 8;
const TXN_OFFSET_COMMIT: i16 = 5;

impl Producer {
    /// What was committed last as the metadata of partition 0 of the topic, once no transaction is open that commits it. The group
    /// has the name of the transactional id.
    pub(crate) fn noted(&self, topic: &str, deadline: Deadline) -> Outcome<Option<String>> {
        let group = self.transactional_id().to_owned();
        let partitions =
            OffsetFetchRequestTopics::default().with_name(TopicName(text(topic))).with_partition_indexes(vec![0]);
        let asked =
            OffsetFetchRequestGroup::default().with_group_id(GroupId(text(&group))).with_topics(Some(vec![partitions]));
        let request = OffsetFetchRequest::default().with_groups(vec![asked]).with_require_stable(true);
        self.client.coordinated(Coordinates::Group, &group, deadline, |connection| {
            let answer: OffsetFetchResponse = connection.call(OFFSET_FETCH, &request)?;
            let what = || format!("reading the mark of {group}");
            let mut noted = None;
            for found in &answer.groups {
                Code::check(found.error_code, what)?;
                for partition in found.topics.iter().flat_map(|topic| &topic.partitions) {
                    Code::check(partition.error_code, what)?;
                    let is_there = partition.committed_offset >= 0;
                    noted = partition.metadata.as_ref().filter(|_| is_there).map(|noted| noted.to_string());
                }
            }
            Ok(noted)
        })
    }

    /// Commits an offset with this metadata, as a part of the transaction.
    pub(crate) fn note(&self, topic: &str, offset: i64, metadata: &str, deadline: Deadline) -> Outcome<()> {
        let group = self.transactional_id().to_owned();
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(0)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(-1)
            .with_committed_metadata(Some(text(metadata)));
        let topic =
            TxnOffsetCommitRequestTopic::default().with_name(TopicName(text(topic))).with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(TransactionalId(text(&group)))
            .with_group_id(GroupId(text(&group)))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_generation_id(-1)
            .with_topics(vec![topic]);
        self.client.coordinated(Coordinates::Group, &group, deadline, |connection| {
            let answer: TxnOffsetCommitResponse = connection.call(TXN_OFFSET_COMMIT, &request)?;
            for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
                Code::check(partition.error_code, || format!("writing the mark of {group}"))?;
            }
            Ok(())
        })
    }
}
