//! Commits: one transaction for each epoch, with the mark in it.

use std::sync::Arc;
use std::time::Duration;

use firesteel_connect::{CheckpointId, Class, ConnectError, Epoch, Guarantee, Mark, Result, RunId, SinkContext};

use super::{Options, Written};
use crate::batch::build::Built;
use crate::client::Client;
use crate::client::fault::{Code, Fault, Outcome, Remedy};
use crate::client::producer::{Coordinates, Producer};
use crate::time::Deadline;

/// The version of the transaction protocol in which each transaction has an epoch of its own.
const OWN_EPOCHS: i16 = 2;
/// How long a start looks for a topic that is not there: a broker may not have heard of one that was just created.
const START_LOOKS_FOR: Duration = Duration::from_secs(3);

/// What a sink keeps between commits.
pub(super) struct State {
    topic: String,
    brokers: String,
    run: RunId,
    checkpoint: CheckpointId,
    /// The newest epoch: without transactions, of this process.
    mark: Option<Mark>,
    producer: Producer,
    is_transactional: bool,
    patience: Duration,
    /// An epoch whose transaction may have been committed.
    unsure: Option<Epoch>,
}

/// Looks for a topic, and tells how many partitions it has.
pub(super) fn find_topic(client: &Client, topic: &str) -> Result<i32> {
    let name = [topic.to_owned()];
    let deadline = Deadline::after(START_LOOKS_FOR.min(client.settings().patience));
    let found = client.repeat(deadline, || match client.refresh(&name)?.remove(topic) {
        Some(code) => Err(Fault::Refused { what: format!("topic {topic}"), code }),
        None => Ok(()),
    });
    if let Err(Fault::Refused { code: Code::UNKNOWN_TOPIC_OR_PARTITION, .. }) = found {
        let at = client.settings();
        let reason =
            format!("topic {topic} is not at {at}, or this user may not see it: create it, or grant DESCRIBE on it");
        return Err(ConnectError::Setting { connector: "Kafka", setting: "topic", reason });
    }
    found?;
    let partitions = client.topic(topic).map_or(0, |topic| topic.leaders.len());
    Ok(i32::try_from(partitions).unwrap_or(i32::MAX).max(1))
}

/// What stands in the metadata of the offset: which run has the place, and which epoch is the newest there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Note {
    run: RunId,
    mark: Option<Mark>,
}

impl Note {
    const BEGIN: &str = "firesteel 1";

    fn write(self) -> String {
        let mark = self
            .mark
            .map_or_else(String::new, |Mark { epoch, checkpoint }| format!(" epoch={epoch} checkpoint={checkpoint}"));
        format!("{} run={}{mark}", Self::BEGIN, self.run)
    }

    fn read(text: &str) -> Option<Self> {
        let mut fields = text.strip_prefix(Self::BEGIN)?.split_whitespace();
        let run = fields.next()?.strip_prefix("run=")?.parse().ok()?;
        let Some(epoch) = fields.next() else { return Some(Self { run, mark: None }) };
        let epoch = Epoch(epoch.strip_prefix("epoch=")?.parse().ok()?);
        let checkpoint = fields.next()?.strip_prefix("checkpoint=")?.parse().ok()?;
        Some(Self { run, mark: Some(Mark { epoch, checkpoint }) })
    }
}

impl State {
    /// Claims the topic for a part of a job: who had it before is fenced, and what he had open is aborted.
    pub(super) fn start(client: &Arc<Client>, topic: &str, options: &Options, context: &SinkContext) -> Result<Self> {
        let patience = client.settings().patience;
        let deadline = Deadline::after(patience);
        let is_transactional = options.guarantee == Guarantee::ExactlyOnce;
        let part = context.scope().part().map_or_else(String::new, |part| format!(".{part}"));
        let id = format!("firesteel.{}.{}.{topic}{part}", context.job(), context.name());
        if is_transactional {
            let coordinator = client.coordinated(Coordinates::Transaction, &id, deadline, |connection| {
                Ok(connection.transaction_version())
            });
            let finalized = coordinator?;
            if finalized < OWN_EPOCHS {
                let reason = format!(
                    "the cluster's finalized transaction.version is {finalized}, with which a transaction that was aborted can become \
                     visible (KAFKA-17754); exactly-once needs {OWN_EPOCHS}, of Kafka 4.0 and newer: `kafka-features.sh \
                     --bootstrap-server {} upgrade --feature transaction.version={OWN_EPOCHS}`. Or take `at_least_once`",
                    client.settings()
                );
                return Err(ConnectError::Setting { connector: "Kafka", setting: "topic", reason });
            }
        }
        let transactional = is_transactional.then_some((id, options.timeout));
        let producer = Producer::start(client, transactional, deadline).map_err(|fault| writing(topic, fault))?;
        let (topic, brokers) = (topic.to_owned(), client.settings().to_string());
        let (run, checkpoint, unsure) = (context.run(), context.checkpoint(), None);
        let mut state =
            Self { topic, brokers, run, checkpoint, mark: None, producer, is_transactional, patience, unsure };
        if is_transactional {
            state.mark = state.noted(deadline)?.and_then(|note| note.mark);
            let claimed = state.note(state.mark, deadline).and_then(|()| state.producer.end(true, deadline));
            claimed.map_err(|fault| match fault.remedy() {
                Remedy::Fenced => state.fenced_by("a process that was started at the same time"),
                _ => writing(&state.topic, fault),
            })?;
        }
        Ok(state)
    }

    /// The newest epoch that is there, where that is kept beside the results.
    pub(super) fn mark(&self) -> Option<Mark> {
        self.mark.filter(|_| self.is_transactional)
    }

    fn place(&self) -> String {
        format!("Kafka topic {} at {}", self.topic, self.brokers)
    }

    fn noted(&self, deadline: Deadline) -> Result<Option<Note>> {
        let noted = self.producer.noted(&self.topic, deadline).map_err(|fault| writing(&self.topic, fault))?;
        let Some(text) = noted else { return Ok(None) };
        Note::read(&text).map(Some).ok_or_else(|| ConnectError::Other {
            context: format!("reading the mark of {}", self.place()),
            class: Class::Fatal,
            source: format!(
                "the group {} has committed `{text}`, which no sink of this version has written: give the job or the sink another name",
                self.producer.transactional_id()
            )
            .into(),
        })
    }

    fn note(&self, mark: Option<Mark>, deadline: Deadline) -> Outcome<()> {
        let offset = mark.map_or(0, |mark| i64::try_from(mark.epoch.0).unwrap_or(i64::MAX));
        let note = Note { run: self.run, mark };
        self.producer.note(&self.topic, offset, &note.write(), deadline)
    }

    /// Commits an epoch.
    pub(super) fn commit(&mut self, epoch: Epoch, pending: &mut Vec<Written>) -> Result<()> {
        if let Some(mark) = self.mark.filter(|mark| mark.epoch >= epoch) {
            if mark.checkpoint == self.checkpoint {
                pending.clear();
                return Ok(());
            }
            return Err(ConnectError::Other {
                context: format!("committing epoch {epoch} to {}", self.place()),
                class: Class::Fatal,
                source: format!(
                    "there is epoch {} of checkpoint {} already: begin with another topic, or give the job or the sink another name",
                    mark.epoch, mark.checkpoint
                )
                .into(),
            });
        }
        if pending.iter().all(|written| written.0.is_empty()) {
            pending.clear();
            return Ok(());
        }
        let deadline = Deadline::after(self.patience);
        if !self.is_transactional {
            self.send_all(pending, deadline).map_err(|fault| writing(&self.topic, fault))?;
            self.mark = Some(Mark { epoch, checkpoint: self.checkpoint });
            return Ok(());
        }
        self.transact(epoch, pending, deadline)
    }

    /// Without a transaction: what is stored is taken away, so that a repetition sends the rest. A batch that may be there already is
    /// known by its number, unless the producer has changed.
    fn send_all(&mut self, pending: &mut Vec<Written>, deadline: Deadline) -> Outcome<()> {
        let mut batches: Vec<Built> = pending.drain(..).flat_map(|written| written.0).collect();
        let sent = self.producer.send(&self.topic, &mut batches, deadline);
        if let Err(fault) = sent {
            pending.push(Written(batches));
            // What comes next is not to depend on numbers of which nobody knows whether the brokers have them.
            self.producer.forget();
            _ = self.producer.begin(Deadline::after(self.patience));
            return Err(fault);
        }
        Ok(())
    }

    fn transact(&mut self, epoch: Epoch, pending: &mut Vec<Written>, deadline: Deadline) -> Result<()> {
        let mark = Mark { epoch, checkpoint: self.checkpoint };
        loop {
            // They are sent again if the transaction is aborted.
            let mut batches: Vec<Built> = pending.iter().flat_map(|written| written.0.iter().cloned()).collect();
            let sent = self.producer.send(&self.topic, &mut batches, deadline);
            let fault = match sent.and_then(|()| self.note(Some(mark), deadline)) {
                Ok(()) => match self.producer.end(true, deadline) {
                    Ok(()) => {
                        self.mark = Some(mark);
                        pending.clear();
                        return Ok(());
                    }
                    Err(fault @ Fault::Cut { .. }) => {
                        self.unsure = Some(epoch);
                        return Err(self.unknown(epoch, fault));
                    }
                    Err(fault) => fault,
                },
                Err(fault) => fault,
            };
            let is_committed = self.give_up(epoch)?;
            if is_committed {
                pending.clear();
                return Ok(());
            }
            let is_over = deadline.left().is_none();
            if is_over
                || !(fault.is_passing()
                    || fault.remedy() == Remedy::Fenced
                    || fault.code() == Some(Code::INVALID_TXN_STATE))
            {
                return Err(writing(&self.topic, fault));
            }
            tracing::warn!(%fault, epoch = epoch.0, "a transaction was aborted, and is repeated");
        }
    }

    /// What became of an epoch whose commit was not answered.
    pub(super) fn outcome(&mut self, epoch: Epoch) -> Result<bool> {
        if self.unsure.is_some() {
            return self.give_up(epoch);
        }
        Ok(self.mark.is_some_and(|mark| mark.epoch >= epoch && mark.checkpoint == self.checkpoint))
    }

    /// Aborts the transaction, unless it is committed already: tells which. After that no request of it can do anything any more,
    /// however late it arrives: its epoch is over.
    fn give_up(&mut self, epoch: Epoch) -> Result<bool> {
        let deadline = Deadline::after(self.patience);
        // A request that is cut off is asked again: the second answer says what has become of the first.
        let mut aborted = self.producer.end(false, deadline);
        while matches!(aborted, Err(Fault::Cut { .. })) && deadline.left().is_some() {
            aborted = self.producer.end(false, deadline);
        }
        let fault = match aborted {
            Ok(()) => {
                self.unsure = None;
                return Ok(false);
            }
            Err(fault) => fault,
        };
        let has_ended = fault.remedy() == Remedy::Fenced || fault.code() == Some(Code::INVALID_TXN_STATE);
        if !has_ended {
            self.unsure = Some(epoch);
            return Err(self.unknown(epoch, fault));
        }
        let noted = self.noted(deadline)?;
        let mark = noted.and_then(|note| note.mark);
        let is_committed = mark == Some(Mark { epoch, checkpoint: self.checkpoint });
        match noted {
            Some(note) if note.run != self.run => return Err(self.fenced_by(&format!("run {}", note.run))),
            // Nobody else has claimed it: either the transaction was committed, or it was never begun, or its coordinator has
            // aborted it, since nothing was heard of it for too long. A new epoch is due in any case.
            _ => {}
        }
        self.producer.forget();
        self.producer.begin(deadline).map_err(|fault| writing(&self.topic, fault))?;
        self.unsure = None;
        if is_committed {
            self.mark = mark;
        }
        Ok(is_committed)
    }

    fn fenced_by(&self, by: &str) -> ConnectError {
        ConnectError::Fenced { place: self.place(), by: by.to_owned() }
    }

    fn unknown(&self, epoch: Epoch, fault: Fault) -> ConnectError {
        ConnectError::OutcomeUnknown { place: self.place(), epoch, source: Box::new(fault) }
    }
}

/// The error of a request, with where it was to write.
fn writing(topic: &str, fault: Fault) -> ConnectError {
    match ConnectError::from(fault) {
        ConnectError::Other { class, source, .. } => {
            ConnectError::Other { context: format!("writing to Kafka topic {topic}"), class, source }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_back_and_what_others_write_is_none() {
        let run = RunId::from_bits(7);
        let mark = Mark { epoch: Epoch(12), checkpoint: CheckpointId::from_bits(0xc0ffee) };
        for note in [Note { run, mark: None }, Note { run, mark: Some(mark) }] {
            assert_eq!(Note::read(&note.write()), Some(note));
        }
        for other in ["", "17", "firesteel 1", "firesteel 1 run=x", "firesteel 2 run=7", "firesteel 1 run=7 epoch=1"] {
            assert_eq!(Note::read(other), None, "{other}");
        }
    }
}
