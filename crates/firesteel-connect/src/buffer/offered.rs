//! Batches that the buffer takes whole or not at all.

use std::result::Result;
use std::sync::PoisonError;

use firesteel_budget::Request;
use firesteel_window::Duration;

use super::{Buffer, State};
use crate::{Decoded, Refused, Undecoded};

impl<T> Buffer<T> {
    pub(super) fn take_offer(
        &self,
        batch: Vec<Decoded<T>>,
        token: Option<&[u8]>,
        within: Duration,
    ) -> Result<(), Refused<Decoded<T>>> {
        let places = batch.len();
        if places > self.capacity {
            let reason = format!(
                "the buffer holds {} in all; send smaller batches, or allow more with Buffered::capacity",
                self.capacity
            );
            return Err(Refused::TooLarge { records: batch, reason });
        }
        let size = |record: &Decoded<T>| record.as_ref().map_or_else(Undecoded::size, |record| (self.measure)(record));
        let sizes: Vec<u64> = batch.iter().map(size).collect();
        let mut request = self.share.get().map(|share| share.request(sizes.iter().sum()));
        let (mut offered, mut wake) = (Some(batch), None);

        let mut state = self.lock();
        let turn = state.next_offer;
        state.next_offer += 1;
        state.offers.push_back(turn);
        // Takes it if it can, and tells whether there is a reason to wait.
        let mut waits = |state: &mut State<T>| {
            let is_next = state.offers.front() == Some(&turn);
            if state.stopped || offered.is_none() {
                return false;
            }
            // Memory is asked for when there are places, so that nobody has it who waits for something else.
            let has_places = is_next && state.room(self.capacity) >= places;
            if !has_places || !request.as_mut().is_none_or(Request::is_granted) {
                return true;
            }
            for (record, bytes) in offered.take().into_iter().flatten().zip(&sizes) {
                match record {
                    Ok(record) => state.append(record, *bytes),
                    Err(undecoded) => state.append_undecoded(undecoded, *bytes),
                }
            }
            if let Some(token) = token {
                state.token = Some(token.to_vec());
            }
            wake = (places > 0).then(|| state.due_wake()).flatten();
            false
        };
        if waits(&mut state) {
            let needs_places = state.room(self.capacity) < places || state.offers.front() != Some(&turn);
            let is_first = if needs_places { state.waits.place() } else { state.waits.byte() };
            if is_first {
                drop(state);
                match self.share.get().filter(|_| !needs_places) {
                    Some(share) => self.tell_of_bytes(share),
                    None => self.tell_of_records(),
                }
                state = self.lock();
            }
            let waited = self.room.wait_timeout_while(state, within.to_std(), &mut waits);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.offers.retain(|waiting| *waiting != turn);
        let stopped = state.stopped;
        drop(state);
        // Whoever came later may have waited for this one only, here or for memory.
        drop(request);
        self.room.notify_all();
        if let Some(wake) = wake {
            wake.wake();
        }
        match offered {
            None => Ok(()),
            Some(batch) if stopped => Err(Refused::Stopped(batch)),
            Some(batch) => Err(Refused::Full(batch)),
        }
    }
}
