//! Where partitions begin and end, and where they are at a time.

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest, ListOffsetsResponse, TopicName};

use super::fault::{Code, Fault};
use super::{Client, text};

const LIST_OFFSETS: i16 = 7;
const READ_COMMITTED: i8 = 1;

/// The time that stands for the end of what is committed: the last stable offset.
pub(crate) const LATEST: i64 = -1;
/// The time that stands for the beginning of the log.
pub(crate) const EARLIEST: i64 = -2;

/// A partition of a topic.
pub(crate) type Partition = (String, i32);

impl Client {
    /// The offsets of partitions at these times, each asked of its leader, or why one cannot be told. Where no record is that
    /// late, it is -1.
    pub(crate) fn offsets(&self, asked: &[(Partition, i64)]) -> HashMap<Partition, Result<i64, Fault>> {
        let mut by_leader: BTreeMap<i32, BTreeMap<&str, Vec<(i32, i64)>>> = BTreeMap::new();
        let mut found = HashMap::new();
        for ((topic, partition), time) in asked {
            match self.leader(topic, *partition) {
                Some((leader, _)) => {
                    by_leader.entry(leader).or_default().entry(topic).or_default().push((*partition, *time));
                }
                None => {
                    self.mark_stale();
                    let what = format!("asking for the end of {topic}/{partition}");
                    found.insert(
                        (topic.clone(), *partition),
                        Err(Fault::Refused { what, code: Code::LEADER_NOT_AVAILABLE }),
                    );
                }
            }
        }
        for (leader, topics) in by_leader {
            self.offsets_of(leader, &topics, &mut found);
        }
        found
    }

    fn offsets_of(
        &self,
        leader: i32,
        topics: &BTreeMap<&str, Vec<(i32, i64)>>,
        found: &mut HashMap<Partition, Result<i64, Fault>>,
    ) {
        let partition = |(index, time): &(i32, i64)| {
            ListOffsetsPartition::default().with_partition_index(*index).with_timestamp(*time)
        };
        let topic = |(name, partitions): (&&str, &Vec<(i32, i64)>)| {
            let partitions = partitions.iter().map(partition).collect();
            ListOffsetsTopic::default().with_name(TopicName(text(name))).with_partitions(partitions)
        };
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(READ_COMMITTED)
            .with_topics(topics.iter().map(topic).collect());
        let answer: ListOffsetsResponse = match self.call(leader, LIST_OFFSETS, &request) {
            Ok(answer) => answer,
            Err(fault) => {
                self.mark_stale();
                let fault = std::sync::Arc::new(fault);
                for (topic, partitions) in topics {
                    for (partition, _) in partitions {
                        let source = std::io::Error::other(std::sync::Arc::clone(&fault));
                        let peer = format!("the leader of {topic}/{partition}, broker {leader},");
                        found.insert(((*topic).to_owned(), *partition), Err(Fault::Cut { peer, source }));
                    }
                }
                return;
            }
        };
        for topic in answer.topics {
            for partition in topic.partitions {
                let (name, index) = (topic.name.to_string(), partition.partition_index);
                let checked = Code::check(partition.error_code, || format!("asking for the end of {name}/{index}"));
                if checked.is_err() {
                    self.mark_stale();
                }
                found.insert((name, index), checked.map(|()| partition.offset));
            }
        }
    }
}
