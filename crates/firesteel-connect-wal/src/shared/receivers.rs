//! The receivers' side: records are encoded and handed over, and are safe when they are on disk.

use std::sync::PoisonError;

use firesteel_connect::{Class, ConnectError, Decoded, Refused, Share, Stopped, StoreBuffer};
use firesteel_window::Duration;
use serde::Serialize;

use super::{Shared, State};
use crate::codec;

/// One hand-over of a receiver has this many records at most, or this many bytes and the record that crosses them.
const CHUNK: usize = 1024;
pub(super) const CHUNK_BYTES: usize = 64 << 10;

impl<T> Shared<T> {
    /// Waits for room and takes it.
    fn reserve(&self) -> std::result::Result<Reserved<'_, T>, Stopped> {
        let full = |state: &mut State| {
            let promised = state.group.len() + state.reserved * CHUNK_BYTES;
            let empty = state.count == 0 && state.reserved == 0;
            let group_full = !empty && promised >= self.limits.group;
            let full = group_full || state.held >= self.limits.held || state.count > u32::MAX / 2;
            !state.stopped && (full || !state.offers.is_empty())
        };
        let mut state = self.lock();
        if !state.stopped && state.held >= self.limits.held && state.waits.log() {
            drop(state);
            self.tell_of_log();
            state = self.lock();
        }
        let mut state = self.wait(&self.progress, state, full);
        if state.stopped {
            return Err(Stopped);
        }
        state.reserved += 1;
        Ok(Reserved(self))
    }

    /// Waits until there is memory for records that are encoded. When receivers are to end it is taken in any case: the
    /// records have left whoever pushes them.
    fn take_memory(&self, share: &Share, bytes: u64) {
        let mut request = share.request(bytes);
        if request.is_granted() {
            return;
        }
        let mut state = self.lock();
        if !state.stopped && state.waits.memory() {
            drop(state);
            self.tell_of_memory(share);
            state = self.lock();
        }
        drop(self.wait(&self.progress, state, |state| !state.stopped && !request.is_granted()));
        request.take();
        // Others may have waited for this one only.
        self.progress.notify_all();
    }

    pub(super) fn tell_of_log(&self) {
        tracing::warn!(
            receiver = %self.described,
            "a receiver waits, and whoever sends to it: its log is full, with {} bytes that no batch has committed. Commit \
             more often, or allow more with WriteAheadLog::capacity",
            self.limits.held
        );
    }

    pub(super) fn tell_of_memory(&self, share: &Share) {
        let pool = share.pool().budget();
        tracing::warn!(
            receiver = %self.described,
            "a receiver waits, and whoever sends to it: the memory for buffers is used up, with {} of {} bytes taken, {} of \
             them by records of this receiver that are not on disk yet. Allow more with Memory::buffers",
            pool.used(),
            pool.limit(),
            share.held()
        );
    }
}

/// A place in the group for one hand-over; given back when it ends early or unwinds.
struct Reserved<'a, T>(&'a Shared<T>);

impl<T> Reserved<'_, T> {
    /// Hands records over; returns the position after them.
    fn fill(self, records: &[u8], count: u32) -> std::result::Result<u64, Stopped> {
        if let Some(share) = self.0.share.get() {
            self.0.take_memory(share, records.len() as u64);
        }
        let mut state = self.0.lock();
        if state.closed {
            drop(state);
            if let Some(share) = self.0.share.get() {
                share.give_back(records.len() as u64);
            }
            return Err(Stopped);
        }
        state.group.extend_from_slice(records);
        state.count += count;
        state.unwritten += records.len() as u64;
        state.taken += u64::from(count);
        let position = state.taken;
        drop(state);
        self.0.work.notify_all();
        Ok(position)
    }
}

impl<T> Drop for Reserved<'_, T> {
    fn drop(&mut self) {
        self.0.lock().reserved -= 1;
        self.0.progress.notify_all();
    }
}

impl<T: Serialize> Shared<T> {
    /// Hands over some records that `encode` appends, one in a call; returns the position after them, and whether there are more.
    fn hand_over(
        &self,
        encode: &mut dyn FnMut(&mut Vec<u8>) -> Option<postcard::Result<()>>,
        chunk: &mut Vec<u8>,
    ) -> std::result::Result<(Option<u64>, bool), Stopped> {
        let reserved = self.reserve()?;
        chunk.clear();
        let (mut count, mut more) = (0, true);
        // The records are made and encoded outside of the lock: their iterator may be slow, and may ask the store.
        while (count as usize) < CHUNK && chunk.len() < CHUNK_BYTES {
            let Some(encoded) = encode(chunk) else {
                more = false;
                break;
            };
            if let Err(error) = encoded {
                drop(reserved);
                self.fail(self.cannot_encode(error));
                return Err(Stopped);
            }
            count += 1;
        }
        let position = if count == 0 { None } else { Some(reserved.fill(chunk, count)?) };
        Ok((position, more))
    }

    pub(super) fn cannot_encode(&self, error: postcard::Error) -> ConnectError {
        ConnectError::Other {
            context: format!("writing a {} of {} to the log", std::any::type_name::<T>(), self.described),
            class: Class::Fatal,
            source: format!("{error}: its Serialize asks for what the format, postcard, does not have").into(),
        }
    }

    /// Hands all records over, and waits until they are on disk.
    fn push_encoded(
        &self,
        encode: &mut dyn FnMut(&mut Vec<u8>) -> Option<postcard::Result<()>>,
    ) -> std::result::Result<(), Stopped> {
        let (mut after, mut chunk) = (None, vec![]);
        loop {
            let (position, more) = self.hand_over(encode, &mut chunk)?;
            after = position.or(after);
            if !more {
                break;
            }
        }
        after.map_or(Ok(()), |position| self.until_durable(position))
    }

    /// Waits until everything before `position` is on disk.
    fn until_durable(&self, position: u64) -> std::result::Result<(), Stopped> {
        let wait = |state: &mut State| state.durable < position && !state.closed;
        let state = self.wait(&self.progress, self.lock(), wait);
        if state.durable < position { Err(Stopped) } else { Ok(()) }
    }
}

impl<T: Serialize + Send> StoreBuffer<T> for Shared<T> {
    fn push_one(&self, record: T) -> std::result::Result<(), Stopped> {
        self.push_all(&mut std::iter::once(record))
    }

    fn push_all(&self, records: &mut dyn Iterator<Item = T>) -> std::result::Result<(), Stopped> {
        if records.size_hint().1 == Some(0) {
            return Ok(());
        }
        self.push_encoded(&mut |out| records.next().map(|record| codec::encode(&record, out)))
    }

    fn push_decoded(&self, records: &mut dyn Iterator<Item = Decoded<T>>) -> std::result::Result<(), Stopped> {
        if records.size_hint().1 == Some(0) {
            return Ok(());
        }
        self.push_encoded(&mut |out| records.next().map(|record| codec::encode_decoded(&record, out)))
    }

    fn offer(
        &self,
        batch: Vec<Decoded<T>>,
        token: Option<&[u8]>,
        within: Duration,
    ) -> std::result::Result<(), Refused<Decoded<T>>> {
        self.take_offer(batch, token, within)
    }

    fn token(&self) -> Option<Vec<u8>> {
        self.lock().token.as_deref().map(<[u8]>::to_vec)
    }

    fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    fn wait_stopped(&self, at_most: Duration) -> bool {
        let waited = self.life.wait_timeout_while(self.lock(), at_most.to_std(), |state| !state.stopped);
        waited.unwrap_or_else(PoisonError::into_inner).0.stopped
    }
}
