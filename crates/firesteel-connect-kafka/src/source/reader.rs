//! Reads one range of one partition.
//!
//! Records are handed out where they lie in the buffer that the broker's answer was received into; of a compressed batch, in the
//! buffer that it was unpacked into. The next answer is asked for before this one is looked at, so that the broker works while
//! we do. Positions go by batches: what transactions, compaction and markers have taken out of a log is passed over.

use std::sync::Arc;

use firesteel_connect::{ConnectError, Payload, ReadRange, Result, SourceReader, Undecodable};

use super::{Shared, locked};
use crate::batch::compress;
use crate::batch::record::{self, RawRecord};
use crate::batch::{Aborted, BadBatch, Batch};
use crate::client::connection::Connection;
use crate::client::fault::{Code, Fault, Remedy};
use crate::client::fetch::{self, Fetch, Fetched};
use crate::client::offsets::{EARLIEST, LATEST};
use crate::message::Take;
use crate::time::{Backoff, Deadline};

/// How long a partition that cannot be read holds up the batch that asks for it.
const HOLDS_UP: std::time::Duration = std::time::Duration::from_secs(5);

/// Reads a range of a partition.
pub struct KafkaReader<D> {
    shared: Arc<Shared>,
    topic: Arc<str>,
    partition: i32,
    take: D,
    range: ReadRange,
    position: u64,
    last: u64,
    records: u64,
    bytes: u64,
    at_end: bool,
    chunk: Option<Chunk>,
    open: Option<Open>,
    /// A fetch that is under way, and who will answer.
    ahead: Option<(i32, Connection, Fetch)>,
    /// Buffers to be used again.
    frame: Vec<u8>,
    plain: Vec<u8>,
}

/// What was fetched, and which of its batches is next.
struct Chunk {
    fetched: Fetched,
    at: usize,
    aborted: Aborted,
}

/// A batch that is being read.
struct Open {
    batch: Batch,
    left: u32,
    /// Where the next record is: in the plain buffer, or else in the chunk.
    at: usize,
    is_packed: bool,
}

/// Why no more was read of a batch.
enum Pause {
    /// As much as was asked for, or as the range allows.
    Enough,
    /// It has no more.
    Emptied,
    Refused(Undecodable, Payload),
}

impl<D: Take> KafkaReader<D> {
    pub(super) fn new(shared: Arc<Shared>, topic: Arc<str>, partition: i32, take: D, range: &ReadRange) -> Self {
        Self {
            shared,
            topic,
            partition,
            take,
            range: range.clone(),
            position: range.from,
            last: range.from,
            records: 0,
            bytes: 0,
            at_end: false,
            chunk: None,
            open: None,
            ahead: None,
            frame: Vec::new(),
            plain: Vec::new(),
        }
    }

    /// The same for the range that follows; `None` where another one is asked for.
    pub(super) fn resume(mut self, range: &ReadRange) -> Option<Self> {
        if range.split != self.range.split || range.from != self.position {
            return None;
        }
        self.range = range.clone();
        (self.records, self.bytes, self.at_end) = (0, 0, false);
        Some(self)
    }

    fn place(&self) -> String {
        format!("{}/{}", self.topic, self.partition)
    }

    /// Whether a limit of the range is reached.
    fn is_full(&self) -> bool {
        self.range.max_records.is_some_and(|most| self.records >= most)
            || self.range.max_bytes.is_some_and(|most| self.bytes >= most && self.records > 0)
    }

    /// Reads up to this many records; tells how many, and whether there may be more.
    fn read(&mut self, most: usize, mut each: impl FnMut(D::Item)) -> Result<(usize, bool)> {
        let mut read = 0;
        while read < most {
            if self.is_full() || self.range.to.is_some_and(|to| self.position >= to) || self.at_end {
                return Ok((read, false));
            }
            if self.open.is_none() && !self.open_batch()? {
                return Ok((read, false));
            }
            let before = self.records;
            let pause = self.read_batch(most - read, &mut each)?;
            read += (self.records - before) as usize;
            match pause {
                Pause::Enough => {}
                Pause::Emptied => {
                    if let Some(open) = self.open.take() {
                        self.pass_to(open.batch.last.cast_unsigned() + 1);
                    }
                }
                Pause::Refused(undecodable, payload) => return Err(self.refused(&undecodable, payload)),
            }
        }
        Ok((read, true))
    }

    /// Reads up to this many records of the open batch.
    fn read_batch(&mut self, most: usize, each: &mut impl FnMut(D::Item)) -> Result<Pause> {
        let Some(open) = &mut self.open else { return Ok(Pause::Emptied) };
        let bytes = match &self.chunk {
            Some(chunk) if !open.is_packed => open.batch.body(&chunk.fetched.frame[..chunk.fetched.to]),
            _ => &self.plain,
        };
        let (to, most_bytes) = (self.range.to.unwrap_or(u64::MAX), self.range.max_bytes.unwrap_or(u64::MAX));
        let most =
            self.range.max_records.map_or(most as u64, |limit| limit.saturating_sub(self.records).min(most as u64));
        let mut left = most;
        while open.left > 0 {
            if left == 0 || (self.bytes >= most_bytes && self.records > 0) {
                return Ok(Pause::Enough);
            }
            let before = open.at;
            let found = record::next(bytes, &mut open.at, &open.batch, &self.topic, self.partition);
            let found: RawRecord<'_> = found.map_err(|bad| damaged(&self.topic, self.partition, &bad))?;
            if found.offset >= to {
                // It is read again by who reads on from there.
                (open.at, self.position) = (before, to);
                return Ok(Pause::Enough);
            }
            open.left -= 1;
            if found.offset < self.position {
                continue;
            }
            let taken = self.take.take(&found);
            if let Err(undecodable) = &taken
                && let Some(outage) = undecodable.outage()
            {
                // It is asked for again.
                return Err(outage);
            }
            left -= 1;
            (self.position, self.last) = (found.offset + 1, found.offset);
            self.records += 1;
            self.bytes += found.size();
            match taken {
                Ok(item) => each(item),
                Err(undecodable) => {
                    let payload = Payload::of(found.value.unwrap_or_default());
                    return Ok(Pause::Refused(undecodable, payload));
                }
            }
        }
        Ok(Pause::Emptied)
    }

    /// Moves to a position before which nothing was left out.
    fn pass_to(&mut self, position: u64) {
        let position = self.range.to.map_or(position, |to| position.min(to));
        self.position = self.position.max(position);
    }

    /// Opens the next batch that holds data; false at the end.
    fn open_batch(&mut self) -> Result<bool> {
        loop {
            let Some(chunk) = &mut self.chunk else {
                if !self.fetch_chunk()? {
                    return Ok(false);
                }
                continue;
            };
            let bytes = &chunk.fetched.frame[..chunk.fetched.to];
            let bad = |bad: BadBatch| damaged(&self.topic, self.partition, &bad);
            let Some(batch) = Batch::read(bytes, chunk.at).map_err(bad)? else {
                // The buffer serves again.
                if let Some(chunk) = self.chunk.take() {
                    self.frame = chunk.fetched.frame;
                }
                if self.range.to.is_some_and(|to| self.position >= to) {
                    return Ok(false);
                }
                continue;
            };
            if self.range.to.is_some_and(|to| batch.base.cast_unsigned() >= to) {
                self.position = self.range.to.unwrap_or(self.position);
                return Ok(false);
            }
            batch.check(bytes).map_err(bad)?;
            let body = batch.body(bytes);
            chunk.at = batch.end;
            let counts = chunk.aborted.counts(&batch, body);
            if !counts || batch.last.cast_unsigned() < self.position {
                self.pass_to(batch.last.cast_unsigned() + 1);
                if self.range.to.is_some_and(|to| self.position >= to) {
                    // Who reads on from here may need this batch again.
                    self.chunk = None;
                    return Ok(false);
                }
                continue;
            }
            let is_packed = batch.codec() != 0;
            if is_packed {
                let unpacked = compress::unpack(batch.codec(), body, &mut self.plain, self.shared.options.unfolds_to);
                unpacked.map_err(|reason| bad(BadBatch { base: Some(batch.base), reason }))?;
            }
            self.open = Some(Open { batch, left: batch.count, at: 0, is_packed });
            return Ok(true);
        }
    }

    /// Fetches what comes next; false where nothing more is there.
    fn fetch_chunk(&mut self) -> Result<bool> {
        let deadline = Deadline::after(HOLDS_UP.min(self.shared.client.settings().patience));
        let mut backoff = Backoff::new();
        loop {
            let fault = match self.fetch() {
                Ok((fetched, fetch, connection)) => {
                    let is_empty = fetched.from == fetched.to;
                    let stable = fetched.stable.max(0).cast_unsigned();
                    if is_empty && self.range.to.is_none() && self.position >= stable {
                        self.shared.client.checkin(connection.0, connection.1);
                        self.frame = fetched.frame;
                        self.at_end = true;
                        return Ok(false);
                    }
                    if !is_empty {
                        self.look_ahead(&fetched, fetch, connection);
                        let at = fetched.from;
                        let aborted = Aborted::new(fetched.aborted.clone());
                        self.chunk = Some(Chunk { fetched, at, aborted });
                        return Ok(true);
                    }
                    // There was more when the range was cut: a new leader may not know of it yet.
                    self.shared.client.checkin(connection.0, connection.1);
                    self.frame = fetched.frame;
                    Fault::Refused { what: format!("reading {}", self.place()), code: Code::OFFSET_NOT_AVAILABLE }
                }
                Err(fault) => fault,
            };
            if fault.code() == Some(Code::OFFSET_OUT_OF_RANGE) {
                self.out_of_range()?;
                if self.range.to.is_some_and(|to| self.position >= to) {
                    return Ok(false);
                }
                continue;
            }
            if !fault.is_passing() {
                return Err(fault.into());
            }
            if fault.remedy() == Remedy::Refresh {
                self.refresh()?;
            }
            if deadline.left().is_none() || self.shared.client.stop.wait(backoff.next()) {
                return Err(self.later(&fault));
            }
        }
    }

    /// Fetches from the position on, or takes what was asked for in advance.
    fn fetch(&mut self) -> std::result::Result<(Fetched, Fetch, (i32, Connection)), Fault> {
        let what = || format!("{}/{}", self.topic, self.partition);
        let frame = std::mem::take(&mut self.frame);
        if let Some((leader, mut connection, fetch)) = self.ahead.take()
            && fetch.offset == self.position
        {
            let fetched = fetch::receive(&mut connection, &fetch, frame, &what())?;
            return Ok((fetched, fetch, (leader, connection)));
        }
        let found = self.shared.client.leader(&self.topic, self.partition);
        let (leader, current) = found
            .ok_or_else(|| Fault::Refused { what: format!("reading {}", what()), code: Code::LEADER_NOT_AVAILABLE })?;
        let topic = locked(&self.shared.ids).get(&*self.topic).copied().unwrap_or(current);
        let (partition, offset, most) = (self.partition, self.position, self.shared.options.fetch_bytes);
        let fetch = Fetch { topic, partition, offset, most };
        let mut frame = Some(frame);
        loop {
            let mut connection = self.shared.client.checkout(leader)?;
            let fetched = fetch::send(&mut connection, &fetch)
                .and_then(|()| fetch::receive(&mut connection, &fetch, frame.take().unwrap_or_default(), &what()));
            match fetched {
                Ok(fetched) => return Ok((fetched, fetch, (leader, connection))),
                Err(Fault::Cut { .. }) if connection.was_idle => {}
                Err(fault) => {
                    if fault.code().is_some() {
                        self.shared.client.checkin(leader, connection);
                    }
                    return Err(fault);
                }
            }
        }
    }

    /// Asks for what comes after what has come, where the range is longer.
    fn look_ahead(&mut self, fetched: &Fetched, fetch: Fetch, (leader, mut connection): (i32, Connection)) {
        let (mut at, mut next) = (fetched.from, None);
        while let Ok(Some(batch)) = Batch::read(&fetched.frame[..fetched.to], at) {
            (at, next) = (batch.end, Some(batch.last.cast_unsigned() + 1));
        }
        let stable = fetched.stable.max(0).cast_unsigned();
        let end = self.range.to.map_or(stable, |to| to.min(stable));
        let is_bounded = self.range.max_records.is_some() || self.range.max_bytes.is_some();
        match next {
            Some(offset) if offset < end && !is_bounded => {
                let fetch = Fetch { offset, ..fetch };
                // What fails now fails again when it is waited for.
                if fetch::send(&mut connection, &fetch).is_ok() {
                    self.ahead = Some((leader, connection, fetch));
                }
            }
            _ => self.shared.client.checkin(leader, connection),
        }
    }

    /// Asks who leads the partition now, and whether the topic is still the same.
    fn refresh(&self) -> Result<()> {
        let client = &self.shared.client;
        client.mark_stale();
        let topic = self.topic.to_string();
        if client.refresh(std::slice::from_ref(&topic)).is_err() {
            return Ok(());
        }
        let known = locked(&self.shared.ids).get(&topic).copied();
        match (client.topic(&topic), known) {
            (Some(found), Some(known)) if found.id != known => Err(ConnectError::Lost {
                place: self.place(),
                position: self.position,
                reason: "the topic was deleted and created again under the same name".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// The position is not in the log: tells what is lost, or passes over it where that is given up.
    fn out_of_range(&mut self) -> Result<()> {
        let partition = (self.topic.to_string(), self.partition);
        let offset = |time| {
            let asked = self.shared.client.offsets(&[(partition.clone(), time)]);
            asked.into_values().next().unwrap_or_else(|| Err(Fault::late(&self.place()))).map_err(ConnectError::from)
        };
        let (begin, end) = (offset(EARLIEST)?.max(0).cast_unsigned(), offset(LATEST)?.max(0).cast_unsigned());
        let lost = |reason| ConnectError::Lost { place: self.place(), position: self.position, reason };
        if self.position >= begin {
            return Err(lost(format!(
                "the log goes from {begin} to {end}: was it cut back, or the topic created again? Bring back the log, or begin \
                 another checkpoint"
            )));
        }
        if !self.shared.context.gives_up(&self.range.split) {
            return Err(lost(format!(
                "retention has removed what comes before {begin}. Give the topic a longer retention.ms and retention.bytes, and \
                 permit by `allow_loss` that the job continues at {begin}"
            )));
        }
        let to = self.range.to.map_or(begin, |to| begin.min(to));
        self.shared.lost.add(to - self.position);
        tracing::warn!(split = %self.range.split, from = self.position, to, "records that retention has removed are given up");
        (self.position, self.chunk, self.open, self.ahead) = (to, None, None, None);
        Ok(())
    }

    /// The rest is read when the partition is there again.
    fn later(&self, fault: &Fault) -> ConnectError {
        let partition = (self.topic.to_string(), self.partition);
        locked(&self.shared.held).insert(partition, self.position);
        self.shared.client.mark_stale();
        ConnectError::Later { place: self.place(), position: self.position, reason: fault.to_string() }
    }

    fn refused(&self, undecodable: &Undecodable, payload: Payload) -> ConnectError {
        ConnectError::Malformed {
            place: self.place(),
            position: self.last,
            line: None,
            reason: undecodable.reason().to_owned(),
            payload: Some(Box::new(payload)),
        }
    }
}

fn damaged(topic: &str, partition: i32, bad: &BadBatch) -> ConnectError {
    let base = bad.base.map_or_else(String::new, |base| format!(" at offset {base}"));
    ConnectError::Other {
        context: format!("reading {topic}/{partition}"),
        // Bytes that were changed on their way come right with the next attempt.
        class: firesteel_connect::Class::Retryable,
        source: format!(
            "the batch{base} is damaged: {}. Have the broker take it from another replica, or start after it (`Start::Offsets`)",
            bad.reason
        )
        .into(),
    }
}

impl<D: Take> SourceReader for KafkaReader<D> {
    type Item = D::Item;

    fn next_record(&mut self) -> Result<Option<D::Item>> {
        let mut record = None;
        self.read(1, |item| record = Some(item))?;
        Ok(record)
    }

    fn read_block(&mut self, most: usize, block: &mut Vec<D::Item>) -> Result<bool> {
        let (_, more) = self.read(most, |item| block.push(item))?;
        Ok(more)
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn last_position(&self) -> u64 {
        self.last
    }

    fn at_end(&self) -> bool {
        self.at_end
    }

    fn is_reusable(&self) -> bool {
        self.chunk.is_some() || self.ahead.is_some()
    }
}
