//! Which partitions there are, and up to where they can be read.

use std::collections::{BTreeMap, HashMap, HashSet};

use firesteel_connect::{ConnectError, Discovery, PositionUnit, Result, Split, SplitId, SplitNote};
use firesteel_window::{Duration, Timestamp};
use uuid::Uuid;

use super::{Shared, Start, locked};
use crate::client::Client;
use crate::client::fault::{Code, Fault};
use crate::client::offsets::{EARLIEST, LATEST, Partition};
use crate::time::Deadline;

/// How long a start looks for topics that are not there: a broker may not have heard of one that was just created.
const START_LOOKS_FOR: std::time::Duration = std::time::Duration::from_secs(3);
/// Metadata that are out of date are asked for again after this much time.
const STALE_FOR: Duration = Duration::millis(100);
/// The first byte of a note: how it is made.
const NOTE: u8 = 1;

type Offsets = HashMap<Partition, std::result::Result<i64, Fault>>;

/// What a source has told of its partitions.
#[derive(Default)]
pub(super) struct Look {
    known: BTreeMap<Partition, Followed>,
    /// Where the job stood before a restart, in partitions that have not been found yet.
    resumed: HashMap<Partition, Standing>,
    /// Partitions that were there at a first start, whose beginning is to be looked up as the program says.
    first: HashSet<Partition>,
    /// Partitions whose old records are given up, and which are to come back as new ones.
    renewed: HashSet<Partition>,
    next_metadata: Option<Timestamp>,
    has_looked: bool,
    /// Since when something is not as it was: a topic that is gone, an end that went backward. It may be a broker that has not heard
    /// of it yet.
    doubtful: HashMap<Partition, Timestamp>,
}

struct Followed {
    id: Uuid,
    first: u64,
    available: u64,
    /// What the engine was told last.
    told: Option<u64>,
    is_noted: bool,
}

struct Standing {
    position: u64,
    id: Option<Uuid>,
}

/// The partition that a split stands for.
pub(super) fn partition_of(split: &SplitId) -> Option<Partition> {
    let (topic, partition) = split.as_str().rsplit_once('/')?;
    let number: i32 = partition.parse().ok()?;
    (number >= 0 && number.to_string() == partition).then(|| (topic.to_owned(), number))
}

pub(super) fn split_of((topic, partition): &Partition) -> SplitId {
    SplitId::new(format!("{topic}/{partition}"))
}

/// Looks for the topics when a job starts.
pub(super) fn find_topics(client: &Client, topics: &[String]) -> Result<()> {
    let deadline = Deadline::after(START_LOOKS_FOR.min(client.settings().patience));
    let found = client.repeat(deadline, || {
        let refused = client.refresh(topics)?;
        match topics.iter().find_map(|topic| Some((topic, *refused.get(topic)?))) {
            Some((topic, code)) => Err(Fault::Refused { what: format!("topic {topic}"), code }),
            None => Ok(()),
        }
    });
    found.map_err(|fault| match fault {
        Fault::Refused { what, code: Code::UNKNOWN_TOPIC_OR_PARTITION } => {
            let at = client.settings();
            let reason =
                format!("{what} is not at {at}, or this user may not see it: create it, or grant DESCRIBE on it");
            ConnectError::Setting { connector: "Kafka", setting: "topics", reason }
        }
        other => other.into(),
    })
}

impl Look {
    /// What is known when a job starts: where it stood, and which partitions there are.
    pub(super) fn start(topics: &[String], shared: &Shared) -> Self {
        let mut look = Self::default();
        for resumed in shared.context.resumed() {
            let Some(partition) = partition_of(&resumed.split).filter(|(topic, _)| topics.contains(topic)) else {
                let (split, position) = (&resumed.split, resumed.position);
                tracing::warn!(%split, position, "the program does not read this topic any more: its position is forgotten");
                continue;
            };
            let id = resumed.note.as_ref().and_then(|note| read_note(note.as_bytes()));
            if let Some(id) = id {
                locked(&shared.ids).insert(partition.0.clone(), id);
            }
            look.resumed.insert(partition, Standing { position: resumed.position, id });
        }
        let is_first = shared.context.resumed().is_empty();
        for topic in topics {
            let Some(found) = shared.client.topic(topic) else { continue };
            look.first.extend(partitions(topic, found.leaders.len()).filter(|_| is_first));
            locked(&shared.ids).entry(topic.clone()).or_insert(found.id);
        }
        look
    }

    /// The answer to `discover`.
    pub(super) fn look(&mut self, shared: &Shared, topics: &[String], now: Timestamp) -> Result<Discovery> {
        self.refresh(shared, topics, now)?;
        let mut gone = vec![];
        for topic in topics {
            self.compare(shared, topic, now, &mut gone)?;
        }
        let mut wanted: Vec<Partition> = vec![];
        for topic in topics {
            let count = shared.client.topic(topic).map_or(0, |topic| topic.leaders.len());
            wanted.extend(partitions(topic, count));
        }
        let asked: Vec<(Partition, i64)> = wanted.iter().map(|partition| (partition.clone(), LATEST)).collect();
        let ends = shared.client.offsets(&asked);
        self.begin_new(shared, &wanted, &ends)?;
        self.move_ends(shared, ends, now)?;
        let splits = self.tell(shared);
        // What was given up comes back with the next look.
        let more = !gone.is_empty();
        if std::mem::replace(&mut self.has_looked, true) {
            return Ok(Discovery::changes(splits, gone).more(more));
        }
        Ok(Discovery::all(splits).more(more))
    }

    /// Asks for metadata where it is time to.
    fn refresh(&mut self, shared: &Shared, topics: &[String], now: Timestamp) -> Result<()> {
        let client = &shared.client;
        if client.is_stale() {
            let soon = now.saturating_add(STALE_FOR);
            self.next_metadata = self.next_metadata.map(|next| next.min(soon));
        }
        if self.next_metadata.is_some_and(|next| now < next) {
            return Ok(());
        }
        match client.refresh(topics) {
            Ok(refused) => {
                for (topic, code) in refused {
                    tracing::warn!(topic, %code, "the brokers tell nothing of a topic");
                }
            }
            // What is known is still right, as far as anybody knows.
            Err(fault) if fault.is_passing() => tracing::warn!(%fault, "no broker tells which partitions there are"),
            Err(fault) => return Err(fault.into()),
        }
        let next = if client.is_stale() { STALE_FOR } else { spanning(client.settings().metadata_every) };
        self.next_metadata = Some(now.saturating_add(next));
        Ok(())
    }

    /// Whether a topic is the one whose positions are known.
    fn compare(&mut self, shared: &Shared, topic: &str, now: Timestamp, gone: &mut Vec<SplitId>) -> Result<()> {
        let found = shared.client.topic(topic);
        if let Some(found) = &found {
            let of_topic = self.known.iter_mut().filter(|((name, _), _)| name == topic);
            of_topic.filter(|(_, known)| known.id.is_nil()).for_each(|(_, known)| known.id = found.id);
        }
        let known = self.known.iter().map(|(at, known)| (at, Some(known.id), known.available));
        let resumed = self.resumed.iter().map(|(at, standing)| (at, standing.id, standing.position));
        let of_topic = known.chain(resumed).filter(|((name, _), ..)| name == topic);
        // A note may be missing where the job ended before its first epoch.
        let is_other = |id: Option<Uuid>| found.as_ref().is_none_or(|found| id.is_some_and(|id| found.id != id));
        let others: Vec<(Partition, u64)> =
            of_topic.filter(|(_, id, _)| is_other(*id)).map(|(at, _, position)| (at.clone(), position)).collect();
        for (partition, position) in others {
            let split = split_of(&partition);
            let reason = match &found {
                Some(_) => "the topic was deleted and created again under the same name",
                None if self.is_doubtful(&partition, now, shared) => continue,
                None => "the topic was deleted, or this user may not see it any more",
            };
            if !shared.context.gives_up(&split) {
                let reason = format!(
                    "{reason}: bring it back, or permit by `allow_loss` that what was not read of it is given up"
                );
                return Err(ConnectError::Lost { place: split.to_string(), position, reason });
            }
            tracing::warn!(%split, position, reason, "what was not read of it is given up");
            self.doubtful.remove(&partition);
            self.resumed.remove(&partition);
            if self.known.remove(&partition).is_some_and(|known| known.told.is_some()) || !self.has_looked {
                self.renewed.insert(partition);
                gone.push(split);
            }
        }
        if let Some(found) = found.filter(|_| !gone.is_empty()) {
            locked(&shared.ids).insert(topic.to_owned(), found.id);
        }
        Ok(())
    }

    /// Takes up partitions that have not been told of, where their beginning is known.
    fn begin_new(&mut self, shared: &Shared, wanted: &[Partition], ends: &Offsets) -> Result<()> {
        let renewed = std::mem::take(&mut self.renewed);
        let id_of = |partition: &Partition| shared.client.topic(&partition.0).map_or(Uuid::nil(), |topic| topic.id);
        let mut asked = vec![];
        // All of them, also those that no broker tells of for now: what the engine does not hear of, it forgets.
        for (partition, standing) in self.resumed.drain() {
            let id = standing.id.unwrap_or_else(|| id_of(&partition));
            self.known.insert(partition, Followed::resumed(id, &standing));
        }
        let is_new = |partition: &&Partition| !self.known.contains_key(*partition) && !renewed.contains(*partition);
        for partition in wanted.iter().filter(is_new).collect::<Vec<_>>() {
            let time = match &shared.options.start {
                _ if !self.first.contains(partition) => EARLIEST,
                Start::Earliest => EARLIEST,
                Start::Latest => LATEST,
                Start::At(time) => time.as_millis().max(0),
                Start::Offsets(offsets) => {
                    let is_named =
                        |(topic, number, _): &&(String, i32, u64)| (topic, number) == (&partition.0, &partition.1);
                    if let Some((_, _, offset)) = offsets.iter().find(is_named) {
                        self.known.insert(partition.clone(), Followed::at(id_of(partition), *offset));
                        continue;
                    }
                    EARLIEST
                }
            };
            asked.push((partition.clone(), time));
        }
        for (partition, begin) in shared.client.offsets(&asked) {
            let begin = match begin {
                // No record is that late.
                Ok(-1) => match ends.get(&partition) {
                    Some(Ok(end)) => *end,
                    _ => continue,
                },
                Ok(begin) => begin,
                Err(fault) if fault.is_passing() => {
                    tracing::warn!(%fault, "a partition cannot be begun yet");
                    continue;
                }
                Err(fault) => return Err(fault.into()),
            };
            let known = Followed::at(id_of(&partition), begin.max(0).cast_unsigned());
            self.known.insert(partition, known);
        }
        Ok(())
    }

    /// Takes in up to where the partitions go now.
    fn move_ends(&mut self, shared: &Shared, ends: Offsets, now: Timestamp) -> Result<()> {
        for (partition, end) in ends {
            let Some((before, has_told)) =
                self.known.get(&partition).map(|known| (known.available, known.told.is_some()))
            else {
                continue;
            };
            let end = match end {
                Ok(end) => end.max(0).cast_unsigned(),
                Err(fault) => {
                    // It keeps its place, and the others are read.
                    tracing::warn!(%fault, "the end of a partition is not known for now");
                    continue;
                }
            };
            locked(&shared.held).remove(&partition);
            if end < before && has_told {
                if self.is_doubtful(&partition, now, shared) {
                    continue;
                }
                let split = split_of(&partition);
                if !shared.context.gives_up(&split) {
                    let reason = format!(
                        "its log ended at {before} and ends at {end} now: a broker that had fallen behind was made the leader \
                         (unclean election), or a disk is an older one. Bring back the log, or begin another checkpoint"
                    );
                    return Err(ConnectError::Lost { place: split.to_string(), position: before, reason });
                }
            }
            self.doubtful.remove(&partition);
            if let Some(known) = self.known.get_mut(&partition) {
                known.available = end.max(known.first);
            }
        }
        Ok(())
    }

    /// The splits of which the engine has to hear.
    fn tell(&mut self, shared: &Shared) -> Vec<Split> {
        let held = locked(&shared.held);
        let mut splits = vec![];
        for (partition, known) in &mut self.known {
            let available = held.get(partition).map_or(known.available, |held| known.available.min(*held));
            if known.told == Some(available) {
                continue;
            }
            known.told = Some(available);
            let split = Split::new(split_of(partition), PositionUnit::Sequence).starting_at(known.first);
            splits.push(split.available(available).divisible(true));
        }
        splits
    }

    /// What is to be known again of partitions that were not noted yet.
    pub(super) fn notes(&mut self) -> Result<Vec<(SplitId, SplitNote)>> {
        let mut notes = vec![];
        for (partition, known) in self.known.iter_mut().filter(|(_, known)| !known.is_noted && !known.id.is_nil()) {
            known.is_noted = true;
            let mut bytes = vec![NOTE];
            bytes.extend_from_slice(known.id.as_bytes());
            notes.push((split_of(partition), SplitNote::new(bytes)?));
        }
        Ok(notes)
    }

    /// Whether something may still turn out to be a broker that has fallen behind.
    fn is_doubtful(&mut self, partition: &Partition, now: Timestamp, shared: &Shared) -> bool {
        let since = *self.doubtful.entry(partition.clone()).or_insert(now);
        now < since.saturating_add(spanning(shared.client.settings().patience))
    }
}

impl Followed {
    fn at(id: Uuid, first: u64) -> Self {
        Self { id, first, available: first, told: None, is_noted: false }
    }

    /// One that the job stood in. It may be asked for what comes before that, where an epoch is run again; whether that is still there
    /// is found out by reading it.
    fn resumed(id: Uuid, standing: &Standing) -> Self {
        Self { id, first: 0, available: standing.position, told: None, is_noted: standing.id.is_some() }
    }
}

fn partitions(topic: &str, count: usize) -> impl Iterator<Item = Partition> + use<'_> {
    (0..i32::try_from(count).unwrap_or(i32::MAX)).map(move |number| (topic.to_owned(), number))
}

fn spanning(time: std::time::Duration) -> Duration {
    Duration::micros(i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
}

fn read_note(bytes: &[u8]) -> Option<Uuid> {
    let (first, id) = bytes.split_first()?;
    (*first == NOTE).then(|| Uuid::from_slice(id).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_named_by_its_partition_and_by_nothing_else() {
        let partition = ("a.b_c".to_owned(), 7);
        assert_eq!(split_of(&partition).as_str(), "a.b_c/7");
        assert_eq!(partition_of(&split_of(&partition)), Some(partition));
        for other in ["clicks", "clicks/", "clicks/-1", "clicks/+1", "clicks/01", "clicks/x"] {
            assert_eq!(partition_of(&SplitId::new(other)), None, "{other}");
        }
    }
}
