//! Producing: batches with sequence numbers, and transactions of the protocol's second version.
//!
//! In that version each transaction has an epoch of its own, so that nothing that was under way for one can act on the next one:
//! a request that arrives late is refused.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    EndTxnRequest, EndTxnResponse, FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest,
    InitProducerIdResponse, ProduceRequest, ProduceResponse, ProducerId, TopicName, TransactionalId,
};

use super::connection::Connection;
use super::fault::{Code, Fault, Outcome, Remedy};
use super::{BrokerId, Client, text};
use crate::batch::build::Built;
use crate::batch::stamp;
use crate::time::{Backoff, Deadline};

const FIND_COORDINATOR: i16 = 4;
const INIT_PRODUCER_ID: i16 = 4;
const END_TXN: i16 = 5;
/// Of transactions, and of batches without one.
const PRODUCE_IN_TRANSACTION: i16 = 12;
const PRODUCE: i16 = 9;

/// Requests under way on one connection: brokers know the last five batches of a producer again.
const MOST_UNDER_WAY: usize = 5;

/// What a coordinator is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coordinates {
    Group = 0,
    Transaction = 1,
}

/// A producer, as the brokers know it.
pub(crate) struct Producer {
    pub(crate) client: Arc<Client>,
    /// The transactional id, and how long a transaction may take.
    transactional: Option<(String, std::time::Duration)>,
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    /// The next sequence number of each partition.
    sequences: HashMap<i32, i32>,
}

impl Client {
    /// Who coordinates a group or a transactional id.
    pub(crate) fn coordinator(&self, of: Coordinates, key: &str) -> Outcome<BrokerId> {
        let request = FindCoordinatorRequest::default().with_key_type(of as i8).with_coordinator_keys(vec![text(key)]);
        let answer: FindCoordinatorResponse = self.call_any(FIND_COORDINATOR, &request)?;
        let what = || format!("looking for the coordinator of {key}");
        Code::check(answer.error_code, what)?;
        let Some(found) = answer.coordinators.first() else { return Err(Fault::late("the coordinator")) };
        Code::check(found.error_code, what)?;
        Ok(found.node_id.0)
    }

    /// Asks a coordinator, looked for anew each time, as long as that can help.
    pub(crate) fn coordinated<T>(
        &self,
        of: Coordinates,
        key: &str,
        deadline: Deadline,
        mut run: impl FnMut(&mut Connection) -> Outcome<T>,
    ) -> Outcome<T> {
        let mut backoff = Backoff::new();
        loop {
            let done = self.coordinator(of, key).and_then(|broker| self.with(broker, &mut run));
            match done {
                Err(fault) if fault.is_passing() && deadline.left().is_some() => {
                    // A transaction that is being finished takes a few milliseconds.
                    let wait = if fault.code() == Some(Code::CONCURRENT_TRANSACTIONS) {
                        std::time::Duration::from_millis(2)
                    } else {
                        backoff.next()
                    };
                    if self.stop.wait(wait) {
                        return Err(fault);
                    }
                }
                other => return other,
            }
        }
    }
}

impl Producer {
    /// A producer without transactions, or with a transactional id: whoever had that before is fenced, and a transaction that he had
    /// open is aborted.
    pub(crate) fn start(
        client: &Arc<Client>,
        transactional: Option<(String, std::time::Duration)>,
        deadline: Deadline,
    ) -> Outcome<Self> {
        let mut producer =
            Self { client: Arc::clone(client), transactional, id: -1, epoch: -1, sequences: HashMap::new() };
        producer.begin(deadline)?;
        Ok(producer)
    }

    /// Gets an epoch: the next one of this producer where it has one, so that it is refused if somebody else has taken over.
    pub(crate) fn begin(&mut self, deadline: Deadline) -> Outcome<()> {
        let timeout = self
            .transactional
            .as_ref()
            .map_or(0, |(_, timeout)| i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
        let id = self.transactional.as_ref().map(|(id, _)| TransactionalId(text(id)));
        let request = InitProducerIdRequest::default()
            .with_transactional_id(id)
            .with_transaction_timeout_ms(timeout)
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch);
        let run = |connection: &mut Connection| {
            let answer: InitProducerIdResponse = connection.call(INIT_PRODUCER_ID, &request)?;
            Code::check(answer.error_code, || "starting a producer".to_owned())?;
            Ok((answer.producer_id.0, answer.producer_epoch))
        };
        let begun = match &self.transactional {
            Some((id, _)) => self.client.coordinated(Coordinates::Transaction, id, deadline, run)?,
            None => self.client.repeat(deadline, || {
                let answer: InitProducerIdResponse = self.client.call_any(INIT_PRODUCER_ID, &request)?;
                Code::check(answer.error_code, || "starting a producer".to_owned())?;
                Ok((answer.producer_id.0, answer.producer_epoch))
            })?,
        };
        self.becomes(begun);
        Ok(())
    }

    /// Forgets who it is: the next [`begin`](Self::begin) takes over from anybody.
    pub(crate) fn forget(&mut self) {
        (self.id, self.epoch) = (-1, -1);
    }

    fn becomes(&mut self, (id, epoch): (i64, i16)) {
        (self.id, self.epoch) = (id, epoch);
        self.sequences.clear();
    }

    /// The transactional id; empty where there is none.
    pub(crate) fn transactional_id(&self) -> &str {
        self.transactional.as_ref().map_or("", |(id, _)| id)
    }

    /// Sends batches, those of one partition in their order, and returns when all of them are stored. What is sent is taken off
    /// the list.
    pub(crate) fn send(&mut self, topic: &str, batches: &mut Vec<Built>, deadline: Deadline) -> Outcome<()> {
        let mut waiting: BTreeMap<i32, VecDeque<Built>> = BTreeMap::new();
        for mut batch in batches.drain(..) {
            let sequence = self.sequences.entry(batch.partition).or_insert(0);
            stamp(&mut batch.bytes, self.id, self.epoch, *sequence, self.transactional.is_some());
            // After the highest number comes 0.
            *sequence = (i64::from(*sequence) + i64::from(batch.records)).rem_euclid(1 << 31) as i32;
            waiting.entry(batch.partition).or_default().push_back(batch);
        }
        let sent = self.client.repeat(deadline, || {
            let sent = self.round(topic, &mut waiting);
            if let Err(fault) = &sent
                && fault.remedy() == Remedy::Refresh
            {
                self.client.mark_stale();
                _ = self.client.refresh(&[topic.to_owned()]);
            }
            sent
        });
        batches.extend(waiting.into_values().flatten());
        sent
    }

    /// Sends all that waits to who leads it now. What is stored is taken away, the rest stays in its order.
    fn round(&self, topic: &str, waiting: &mut BTreeMap<i32, VecDeque<Built>>) -> Outcome<()> {
        let mut by_leader: BTreeMap<BrokerId, Vec<i32>> = BTreeMap::new();
        for (partition, _) in waiting.iter().filter(|(_, batches)| !batches.is_empty()) {
            let leader = self.client.leader(topic, *partition);
            let what = || format!("writing to {topic}/{partition}");
            let (leader, _) =
                leader.ok_or_else(|| Fault::Refused { what: what(), code: Code::LEADER_NOT_AVAILABLE })?;
            by_leader.entry(leader).or_default().push(*partition);
        }
        for (leader, partitions) in by_leader {
            self.client.with(leader, |connection| self.to_leader(connection, topic, &partitions, waiting))?;
        }
        Ok(())
    }

    fn to_leader(
        &self,
        connection: &mut Connection,
        topic: &str,
        partitions: &[i32],
        waiting: &mut BTreeMap<i32, VecDeque<Built>>,
    ) -> Outcome<()> {
        let mut sent: HashMap<i32, usize> = HashMap::new();
        let (mut under_way, mut failed) = (0, None);
        let mut stuck: HashSet<i32> = HashSet::new();
        loop {
            // A request has one batch of a partition at most.
            let next: Vec<PartitionProduceData> = partitions
                .iter()
                .filter_map(|partition| {
                    let place = sent.entry(*partition).or_default();
                    let batch = waiting.get(partition)?.get(*place)?;
                    *place += 1;
                    let records = Some(Bytes::copy_from_slice(&batch.bytes));
                    Some(PartitionProduceData::default().with_index(*partition).with_records(records))
                })
                .collect();
            let is_last = next.is_empty() || failed.is_some();
            if !is_last {
                let topic = TopicProduceData::default().with_name(TopicName(text(topic))).with_partition_data(next);
                let id = self.transactional.as_ref().map(|(id, _)| TransactionalId(text(id)));
                let request = ProduceRequest::default()
                    .with_transactional_id(id)
                    .with_acks(-1)
                    .with_timeout_ms(30_000)
                    .with_topic_data(vec![topic]);
                connection.send(self.version(), &request)?;
                under_way += 1;
            }
            while under_way > if is_last { 0 } else { MOST_UNDER_WAY - 1 } {
                let answer: ProduceResponse = connection.receive(self.version())?;
                under_way -= 1;
                if let Err(fault) = stored(&answer, topic, waiting, (&mut sent, &mut stuck)) {
                    failed.get_or_insert(fault);
                }
            }
            if is_last {
                return failed.map_or(Ok(()), Err);
            }
        }
    }

    fn version(&self) -> i16 {
        if self.transactional.is_some() { PRODUCE_IN_TRANSACTION } else { PRODUCE }
    }

    /// Ends the transaction. Where the answer is lost, it is not asked for again: see [`Fault::Cut`].
    pub(crate) fn end(&mut self, commits: bool, deadline: Deadline) -> Outcome<()> {
        let key = self.transactional_id().to_owned();
        let request = EndTxnRequest::default()
            .with_transactional_id(TransactionalId(text(&key)))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_committed(commits);
        let mut lost = None;
        let ended = self.client.coordinated(Coordinates::Transaction, &key, deadline, |connection| {
            // What was idle may be closed without anybody having heard the request, or after.
            connection.was_idle = false;
            let answer: Outcome<EndTxnResponse> = connection.call(END_TXN, &request);
            match answer {
                Ok(answer) => {
                    Code::check(answer.error_code, || format!("ending a transaction of {key}"))?;
                    Ok(Some((answer.producer_id.0, answer.producer_epoch)))
                }
                Err(fault @ Fault::Cut { .. }) => {
                    lost = Some(fault);
                    Ok(None)
                }
                Err(fault) => Err(fault),
            }
        });
        match (lost, ended?) {
            (Some(fault), _) => Err(fault),
            (None, Some(next)) => {
                self.becomes(next);
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }
}

/// Takes away what is stored.
fn stored(
    answer: &ProduceResponse,
    topic: &str,
    waiting: &mut BTreeMap<i32, VecDeque<Built>>,
    (sent, stuck): (&mut HashMap<i32, usize>, &mut HashSet<i32>),
) -> Outcome<()> {
    let mut failed = None;
    for partition in answer.responses.iter().flat_map(|topic| &topic.partition_responses) {
        let code = Code(partition.error_code);
        if partition.error_code == 0 || code == Code::DUPLICATE_SEQUENCE {
            // After one that failed, those that follow it are sent again with it: the broker knows them.
            if stuck.contains(&partition.index) {
                continue;
            }
            if let Some(batches) = waiting.get_mut(&partition.index) {
                batches.pop_front();
            }
            if let Some(place) = sent.get_mut(&partition.index) {
                *place -= 1;
            }
            continue;
        }
        let said = partition.error_message.as_ref().map_or_else(String::new, |message| format!(" ({message})"));
        let what = format!("writing to {topic}/{}{said}", partition.index);
        stuck.insert(partition.index);
        failed.get_or_insert(Fault::Refused { what, code });
    }
    failed.map_or(Ok(()), Err)
}
