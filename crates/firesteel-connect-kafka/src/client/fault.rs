//! What can go wrong between the client and a broker, with the way out.

use std::fmt;
use std::io;

use firesteel_connect::{Class, ConnectError};

/// What went wrong with a request.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The broker cannot be reached, has closed the connection, or has not answered in time.
    Cut { peer: String, source: io::Error },
    /// What came is not what the protocol demands.
    Garbled { peer: String, reason: String },
    /// A broker does not speak what is needed.
    Unspoken { peer: String, api: &'static str, reason: String },
    /// The broker has refused.
    Refused { what: String, code: Code },
}

pub(crate) type Outcome<T> = Result<T, Fault>;

/// The number by which a broker says what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) i16);

/// What can be done about a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Metadata are out of date: ask who leads now, and repeat.
    Refresh,
    /// Repeat.
    Repeat,
    /// Another producer with the same transactional id has taken over, or the coordinator has ended the transaction.
    Fenced,
    /// A person is needed.
    Person,
    /// A setting is wrong.
    Setting,
}

impl Code {
    pub(crate) const OFFSET_OUT_OF_RANGE: Self = Self(1);
    pub(crate) const LEADER_NOT_AVAILABLE: Self = Self(5);
    pub(crate) const CONCURRENT_TRANSACTIONS: Self = Self(51);
    pub(crate) const OFFSET_NOT_AVAILABLE: Self = Self(78);
    pub(crate) const UNKNOWN_TOPIC_OR_PARTITION: Self = Self(3);
    pub(crate) const DUPLICATE_SEQUENCE: Self = Self(46);
    pub(crate) const INVALID_TXN_STATE: Self = Self(48);

    /// Nothing for 0, which is no error.
    pub(crate) fn check(code: i16, what: impl FnOnce() -> String) -> Outcome<()> {
        if code == 0 { Ok(()) } else { Err(Fault::Refused { what: what(), code: Self(code) }) }
    }

    /// Its name in the protocol's documentation, what can be done, and the way out in words.
    fn meaning(self) -> (&'static str, Remedy, &'static str) {
        use Remedy::{Fenced, Person, Refresh, Repeat, Setting};
        match self.0 {
            -1 => ("UNKNOWN_SERVER_ERROR", Repeat, "the broker's log says why"),
            1 => ("OFFSET_OUT_OF_RANGE", Person, "the position is not in the log"),
            2 => ("CORRUPT_MESSAGE", Repeat, "bytes were changed on their way or on the broker's disk"),
            3 => ("UNKNOWN_TOPIC_OR_PARTITION", Refresh, "create it, or grant DESCRIBE on it to this user"),
            5 => ("LEADER_NOT_AVAILABLE", Refresh, "the partition is about to get a leader"),
            6 => ("NOT_LEADER_OR_FOLLOWER", Refresh, "another broker leads the partition now"),
            7 => ("REQUEST_TIMED_OUT", Repeat, "the replicas did not follow in time"),
            8 => ("BROKER_NOT_AVAILABLE", Refresh, "the broker is starting or stopping"),
            9 => ("REPLICA_NOT_AVAILABLE", Refresh, "the broker has no replica yet"),
            10 => (
                "MESSAGE_TOO_LARGE",
                Setting,
                "raise the topic's max.message.bytes, or lower `batch_bytes` of the sink",
            ),
            12 => ("OFFSET_METADATA_TOO_LARGE", Person, "raise the brokers' offset.metadata.max.bytes to 4096 or more"),
            13 => ("NETWORK_EXCEPTION", Refresh, "the broker was cut off"),
            14 => ("COORDINATOR_LOAD_IN_PROGRESS", Repeat, "the coordinator is starting"),
            15 => ("COORDINATOR_NOT_AVAILABLE", Refresh, "the coordinator's topic is being created, or has no leader"),
            16 => ("NOT_COORDINATOR", Refresh, "another broker is the coordinator now"),
            19 => (
                "NOT_ENOUGH_REPLICAS",
                Repeat,
                "fewer replicas are in sync than min.insync.replicas asks for: start the brokers that are down",
            ),
            20 => (
                "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
                Repeat,
                "fewer replicas are in sync than min.insync.replicas asks for: start the brokers that are down",
            ),
            28 => ("INVALID_COMMIT_OFFSET_SIZE", Person, "the offset cannot be committed"),
            29 => (
                "TOPIC_AUTHORIZATION_FAILED",
                Person,
                "grant this user READ (source) or WRITE and READ (sink) on the topic: kafka-acls.sh --add --topic …",
            ),
            30 => (
                "GROUP_AUTHORIZATION_FAILED",
                Person,
                "grant this user READ on the group: kafka-acls.sh --add --operation Read --group …",
            ),
            31 => ("CLUSTER_AUTHORIZATION_FAILED", Person, "grant this user IDEMPOTENT_WRITE on the cluster"),
            32 => ("INVALID_TIMESTAMP", Setting, "the topic refuses records of this time: see its message.timestamp.*"),
            33 => ("UNSUPPORTED_SASL_MECHANISM", Setting, "the listener wants another mechanism"),
            35 => ("UNSUPPORTED_VERSION", Person, "the broker is too old: Kafka 3.1 or newer is needed"),
            41 => ("NOT_CONTROLLER", Refresh, "another broker is the controller now"),
            44 => ("POLICY_VIOLATION", Person, "a policy of the cluster refuses it"),
            45 => ("OUT_OF_ORDER_SEQUENCE_NUMBER", Repeat, "a batch before it is missing"),
            46 => ("DUPLICATE_SEQUENCE_NUMBER", Repeat, "the batch is there already"),
            47 => ("INVALID_PRODUCER_EPOCH", Fenced, "a later producer has taken over"),
            48 => ("INVALID_TXN_STATE", Person, "the transaction has ended"),
            49 => ("INVALID_PRODUCER_ID_MAPPING", Fenced, "the transactional id belongs to another producer"),
            50 => (
                "INVALID_TRANSACTION_TIMEOUT",
                Setting,
                "it is above the brokers' transaction.max.timeout.ms: lower `transaction_timeout` of the sink",
            ),
            51 => ("CONCURRENT_TRANSACTIONS", Repeat, "the transaction before it is not finished"),
            53 => (
                "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
                Person,
                "grant this user WRITE on the id: kafka-acls.sh --add --operation Write --transactional-id …",
            ),
            56 => ("KAFKA_STORAGE_ERROR", Refresh, "a disk of the broker has failed or is full"),
            58 => ("SASL_AUTHENTICATION_FAILED", Setting, "user name or password is wrong"),
            59 => ("UNKNOWN_PRODUCER_ID", Repeat, "the broker has forgotten the producer"),
            72 => ("LISTENER_NOT_FOUND", Refresh, "the leader has no such listener"),
            74 => ("FENCED_LEADER_EPOCH", Refresh, "there is a newer leader"),
            75 => ("UNKNOWN_LEADER_EPOCH", Refresh, "the broker has not heard of the leader yet"),
            76 => ("UNSUPPORTED_COMPRESSION_TYPE", Setting, "the brokers cannot take this compression"),
            78 => ("OFFSET_NOT_AVAILABLE", Repeat, "a new leader does not know its end yet"),
            87 => ("INVALID_RECORD", Person, "the broker refuses a record: a compacted topic wants a key"),
            88 => ("UNSTABLE_OFFSET_COMMIT", Repeat, "a transaction that commits the offset is not finished"),
            89 => ("THROTTLING_QUOTA_EXCEEDED", Repeat, "a quota is used up for now"),
            90 => ("PRODUCER_FENCED", Fenced, "a later producer has taken over"),
            100 => ("UNKNOWN_TOPIC_ID", Refresh, "the topic was deleted, or the broker has not heard of it yet"),
            103 => ("INCONSISTENT_TOPIC_ID", Refresh, "the topic was deleted and created again"),
            120 => ("TRANSACTION_ABORTABLE", Repeat, "the transaction has to be aborted and repeated"),
            _ => (
                "an error that this client does not know",
                Person,
                "the protocol's list of error codes says what it is",
            ),
        }
    }

    pub(crate) fn remedy(self) -> Remedy {
        self.meaning().1
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _, way_out) = self.meaning();
        write!(f, "{name} ({}): {way_out}", self.0)
    }
}

impl Fault {
    /// What can be done about it.
    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            Self::Cut { .. } => Remedy::Refresh,
            Self::Garbled { .. } | Self::Unspoken { .. } => Remedy::Person,
            Self::Refused { code, .. } => code.remedy(),
        }
    }

    /// Whether a repetition can help.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.remedy(), Remedy::Refresh | Remedy::Repeat)
    }

    pub(crate) fn code(&self) -> Option<Code> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// A peer that has not answered in time.
    pub(crate) fn late(peer: &str) -> Self {
        let source = io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        Self::Cut { peer: peer.to_owned(), source }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { peer, source } => write!(f, "{peer}: {source}"),
            Self::Garbled { peer, reason } => write!(f, "{peer} does not answer as a Kafka broker does: {reason}"),
            Self::Unspoken { peer, api, reason } => write!(f, "{peer} does not know {api} as it is needed: {reason}"),
            Self::Refused { what, code } => write!(f, "{what}: {code}"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for ConnectError {
    fn from(fault: Fault) -> Self {
        let class = match fault.remedy() {
            Remedy::Refresh | Remedy::Repeat => Class::Retryable,
            Remedy::Fenced | Remedy::Person => Class::Fatal,
            Remedy::Setting => Class::Program,
        };
        match fault {
            Fault::Cut { peer, source } => Self::Unreachable { peer, source: source.into() },
            other => Self::Other { context: "talking to Kafka".to_owned(), class, source: other.to_string().into() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_names_itself_its_class_and_the_way_out() {
        let refused = |code| ConnectError::from(Fault::Refused { what: "writing to clicks".into(), code: Code(code) });
        let too_large = refused(10);
        assert_eq!(too_large.class(), Class::Program);
        assert!(too_large.to_string().contains("writing to clicks: MESSAGE_TOO_LARGE (10): raise"), "{too_large}");
        assert_eq!(refused(6).class(), Class::Retryable);
        assert_eq!(refused(53).class(), Class::Fatal);
        assert!(refused(1234).to_string().contains("(1234)"));
        let cut = ConnectError::from(Fault::late("kafka:9092"));
        assert_eq!((cut.code(), cut.class()), ("FS-N003", Class::Retryable));
    }
}
