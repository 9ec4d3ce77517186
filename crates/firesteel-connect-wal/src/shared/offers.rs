//! Batches that the log takes whole or not at all: each is part of one group, which is one frame on disk.

use std::result::Result;
use std::sync::{MutexGuard, PoisonError};

use firesteel_connect::{Decoded, Refused, Request};
use firesteel_window::Duration;
use serde::Serialize;

use super::receivers::CHUNK_BYTES;
use super::{Shared, State};
use crate::codec;
use crate::frame::OVERHEAD;

type Guard<'a> = MutexGuard<'a, State>;

impl<T: Serialize> Shared<T> {
    pub(super) fn take_offer(
        &self,
        batch: Vec<Decoded<T>>,
        token: Option<&[u8]>,
        within: Duration,
    ) -> Result<(), Refused<Decoded<T>>> {
        let mut records = vec![];
        for record in &batch {
            if let Err(error) = codec::encode_decoded(record, &mut records) {
                self.fail(self.cannot_encode(error));
                return Err(Refused::Stopped(batch));
            }
        }
        let count = match self.count(batch.len(), records.len()) {
            Ok(count) => count,
            Err(reason) => return Err(Refused::TooLarge { records: batch, reason }),
        };
        let mut request = self.share.get().map(|share| share.request(records.len() as u64));
        // The group it has become a part of.
        let mut part_of = None;

        let mut state = self.lock();
        let turn = state.next_offer;
        state.next_offer += 1;
        state.offers.push_back(turn);
        // Hands it over if that is possible, and tells whether there is a reason to wait.
        let mut waits = |state: &mut State| {
            if let Some(group) = part_of {
                return state.written < group && !state.closed;
            }
            if state.stopped || state.closed {
                return false;
            }
            // Memory is asked for when there is room, so that nobody has it who waits for something else.
            let has_room = state.offers.front() == Some(&turn) && self.has_room(state, records.len(), count);
            if !has_room || !request.as_mut().is_none_or(Request::is_granted) {
                return true;
            }
            state.group.extend_from_slice(&records);
            state.count += count;
            state.taken += u64::from(count);
            state.unwritten += records.len() as u64;
            if let Some(token) = token {
                state.group_token = Some(token.into());
            }
            part_of = Some(state.collecting);
            state.offers.pop_front();
            self.work.notify_all();
            // Others may have waited for this one only.
            self.progress.notify_all();
            true
        };
        if waits(&mut state) {
            if state.offers.contains(&turn) {
                state = self.note_wait(state, records.len(), count);
            }
            let waited = self.progress.wait_timeout_while(state, within.to_std(), &mut waits);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.offers.retain(|waiting| *waiting != turn);
        let (stopped, written) = (state.stopped || state.closed, state.written);
        drop(state);
        // Its place among those who wait for memory.
        drop(request);
        self.progress.notify_all();
        match part_of {
            Some(group) if written >= group => Ok(()),
            Some(_) => Err(Refused::Unsure),
            None if stopped => Err(Refused::Stopped(batch)),
            None => Err(Refused::Full(batch)),
        }
    }

    /// How many records a batch has that takes this many bytes; or why it never fits.
    fn count(&self, batch: usize, bytes: usize) -> Result<u32, String> {
        let held = self.limits.held;
        if (bytes + OVERHEAD) as u64 > held && batch > 0 {
            return Err(format!(
                "it takes {} bytes, and the log holds {held} that are not committed; send smaller batches, or allow more \
                 with WriteAheadLog::capacity",
                bytes + OVERHEAD
            ));
        }
        let most = u32::MAX / 2;
        let count = u32::try_from(batch).ok().filter(|count| *count <= most);
        count.ok_or_else(|| format!("{most} are the most; send smaller batches"))
    }

    /// Whether a batch fits into the group that is being collected, and on disk. One that is larger than a group is one by itself.
    fn has_room(&self, state: &State, bytes: usize, count: u32) -> bool {
        let promised = state.group.len() + state.reserved * CHUNK_BYTES;
        let alone = state.count == 0 && state.reserved == 0;
        let in_group = alone || promised + bytes <= self.limits.group;
        let in_log = count == 0 || self.fits_in_log(state, bytes);
        !state.stuck && in_group && in_log && state.count <= u32::MAX / 2
    }

    fn fits_in_log(&self, state: &State, bytes: usize) -> bool {
        let held = state.held.saturating_add(state.unwritten);
        held.saturating_add((bytes + OVERHEAD) as u64) <= self.limits.held
    }

    /// Counts an offer that waits for what the writer alone cannot give, and tells of the first.
    fn note_wait<'a>(&'a self, mut state: Guard<'a>, bytes: usize, count: u32) -> Guard<'a> {
        if state.stuck || !self.fits_in_log(&state, bytes) {
            if state.waits.log() && !state.stuck {
                drop(state);
                self.tell_of_log();
                state = self.lock();
            }
        } else if let Some(share) = self.share.get().filter(|_| self.has_room(&state, bytes, count))
            && state.waits.memory()
        {
            drop(state);
            self.tell_of_memory(share);
            state = self.lock();
        }
        state
    }
}
