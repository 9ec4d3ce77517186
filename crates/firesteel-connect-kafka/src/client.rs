//! The native client: blocking, without groups, over several brokers.

pub(crate) mod ask;
pub(crate) mod connection;
pub(crate) mod fault;
pub(crate) mod fetch;
pub(crate) mod marks;
pub(crate) mod offsets;
pub(crate) mod producer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ask::Ask;
use connection::Connection;
use fault::{Code, Fault, Outcome};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::settings::Settings;
use crate::time::{Backoff, Deadline, Stop};

const METADATA: i16 = 12;

/// Connections that are kept while nobody uses them, for each broker.
const MOST_IDLE: usize = 16;

/// A broker's number.
pub(crate) type BrokerId = i32;

/// What is known of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) id: Uuid,
    /// By their numbers; who leads them, where somebody does.
    pub(crate) leaders: Vec<Option<BrokerId>>,
}

/// What is known of the cluster.
#[derive(Default)]
struct Cluster {
    brokers: HashMap<BrokerId, String>,
    topics: HashMap<String, Topic>,
    is_stale: bool,
}

/// Talks to the brokers of a cluster. Shared by all that a source or a sink does.
pub(crate) struct Client {
    settings: Settings,
    cluster: Mutex<Cluster>,
    idle: Mutex<HashMap<BrokerId, Vec<Connection>>>,
    pub(crate) stop: Stop,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl Client {
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        let (cluster, idle) = (Mutex::default(), Mutex::default());
        Arc::new(Self { settings, cluster, idle, stop: Stop::default() })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Asks any broker what there is of these topics. Returns the errors of topics, by name.
    pub(crate) fn refresh(&self, topics: &[String]) -> Outcome<HashMap<String, Code>> {
        let named = |name: &String| MetadataRequestTopic::default().with_name(Some(TopicName(text(name))));
        let request = MetadataRequest::default()
            .with_topics(Some(topics.iter().map(named).collect()))
            .with_allow_auto_topic_creation(false);
        let answer: MetadataResponse = self.call_any(METADATA, &request)?;
        let mut refused = HashMap::new();
        let mut cluster = locked(&self.cluster);
        cluster.brokers = answer
            .brokers
            .into_iter()
            .map(|broker| (broker.node_id.0, format!("{}:{}", broker.host, broker.port)))
            .collect();
        cluster.is_stale = false;
        for topic in answer.topics {
            let Some(name) = topic.name.map(|name| name.to_string()) else { continue };
            if topic.error_code != 0 {
                cluster.topics.remove(&name);
                refused.insert(name, Code(topic.error_code));
                continue;
            }
            let mut leaders = vec![None; topic.partitions.len()];
            for partition in topic.partitions {
                let leader = Some(partition.leader_id.0).filter(|leader| *leader >= 0);
                cluster.is_stale |= leader.is_none();
                let index = usize::try_from(partition.partition_index).ok();
                if let Some(place) = index.and_then(|index| leaders.get_mut(index)) {
                    *place = leader;
                }
            }
            cluster.topics.insert(name, Topic { id: topic.topic_id, leaders });
        }
        Ok(refused)
    }

    /// Repeats what can be repeated.
    pub(crate) fn repeat<T>(&self, deadline: Deadline, mut run: impl FnMut() -> Outcome<T>) -> Outcome<T> {
        let mut backoff = Backoff::new();
        loop {
            match run() {
                Err(fault) if fault.is_passing() && deadline.left().is_some() => {
                    if self.stop.wait(backoff.next()) {
                        return Err(fault);
                    }
                }
                other => return other,
            }
        }
    }

    pub(crate) fn topic(&self, name: &str) -> Option<Topic> {
        locked(&self.cluster).topics.get(name).cloned()
    }

    pub(crate) fn leader(&self, topic: &str, partition: i32) -> Option<(BrokerId, Uuid)> {
        let cluster = locked(&self.cluster);
        let topic = cluster.topics.get(topic)?;
        let leader = topic.leaders.get(usize::try_from(partition).ok()?)?;
        leader.map(|leader| (leader, topic.id))
    }

    /// Says that what is known is out of date.
    pub(crate) fn mark_stale(&self) {
        locked(&self.cluster).is_stale = true;
    }

    pub(crate) fn is_stale(&self) -> bool {
        locked(&self.cluster).is_stale
    }

    /// A connection to a broker, one that is idle or a new one.
    pub(crate) fn checkout(&self, broker: BrokerId) -> Outcome<Connection> {
        let idle = locked(&self.idle).get_mut(&broker).and_then(Vec::pop);
        if let Some(connection) = idle {
            return Ok(connection);
        }
        self.connect(broker)
    }

    fn connect(&self, broker: BrokerId) -> Outcome<Connection> {
        let address = locked(&self.cluster).brokers.get(&broker).cloned();
        let Some(address) = address else {
            self.mark_stale();
            let source = std::io::Error::new(std::io::ErrorKind::NotFound, "the cluster does not name its address");
            return Err(Fault::Cut { peer: format!("broker {broker}"), source });
        };
        Connection::open(&address, &self.settings.client_id, self.settings.request_limit)
            .map_err(|fault| self.named(fault))
    }

    /// Says where an address comes from that is not reached: whoever reads of it may never have written it.
    fn named(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Cut { peer, source } if !self.settings.bootstrap.contains(&peer) => {
                let peer = format!("{peer}, which the cluster at {} advertises (advertised.listeners),", self.settings);
                Fault::Cut { peer, source }
            }
            other => other,
        }
    }

    /// Gives a connection back that works and has no answer to come.
    pub(crate) fn checkin(&self, broker: BrokerId, mut connection: Connection) {
        if !connection.is_free() {
            return;
        }
        connection.was_idle = true;
        let mut idle = locked(&self.idle);
        let kept = idle.entry(broker).or_default();
        if kept.len() < MOST_IDLE {
            kept.push(connection);
        }
    }

    /// Has a connection to a broker do something. Where one that was idle is found closed, a new one is asked.
    pub(crate) fn with<T>(&self, broker: BrokerId, mut run: impl FnMut(&mut Connection) -> Outcome<T>) -> Outcome<T> {
        loop {
            let mut connection = self.checkout(broker)?;
            match run(&mut connection) {
                Ok(done) => {
                    self.checkin(broker, connection);
                    return Ok(done);
                }
                Err(Fault::Cut { .. }) if connection.was_idle => {}
                Err(fault) => {
                    if matches!(fault, Fault::Refused { .. }) {
                        self.checkin(broker, connection);
                    }
                    return Err(fault);
                }
            }
        }
    }

    /// Asks a broker.
    pub(crate) fn call<Q: Ask>(&self, broker: BrokerId, version: i16, request: &Q) -> Outcome<Q::Answer> {
        self.with(broker, |connection| connection.call(version, request))
    }

    /// Asks whichever broker answers: those that are known, then the addresses that the program has given.
    pub(crate) fn call_any<Q: Ask>(&self, version: i16, request: &Q) -> Outcome<Q::Answer> {
        let known: Vec<BrokerId> = locked(&self.cluster).brokers.keys().copied().collect();
        for broker in known {
            if let Ok(answer) = self.call(broker, version, request) {
                return Ok(answer);
            }
        }
        let mut last = None;
        for address in self.settings.bootstrap.iter() {
            let opened = Connection::open(address, &self.settings.client_id, self.settings.request_limit);
            match opened.and_then(|mut connection| connection.call(version, request)) {
                Ok(answer) => return Ok(answer),
                Err(fault) => last = Some(fault),
            }
        }
        Err(last.unwrap_or_else(|| Fault::late("the cluster")))
    }
}
