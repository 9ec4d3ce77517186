//! Places in the buffer that a push has been promised.

use super::{Buffer, CHUNK, CHUNK_BYTES, State};

/// Places promised to one push; given back when the push ends early or unwinds.
pub(super) struct Reserved<'a, T> {
    pub(super) buffer: &'a Buffer<T>,
    pub(super) places: usize,
}

impl<T> Reserved<'_, T> {
    /// Stores records of this many bytes, as soon as there is memory for them.
    pub(super) fn fill(self, records: impl ExactSizeIterator<Item = T>, bytes: u64) {
        self.put(records.len(), bytes, |state| {
            state.tail.extend(records);
            state.tail_bytes += bytes;
            if state.tail.len() >= CHUNK || state.tail_bytes >= CHUNK_BYTES {
                state.seal();
            }
        });
    }

    /// Has `put` store this many records of this many bytes, as soon as there is memory for them.
    pub(super) fn put(mut self, records: usize, bytes: u64, put: impl FnOnce(&mut State<T>)) {
        let mut state = self.buffer.lock_with_bytes(bytes);
        state.reserved -= records;
        self.places -= records;
        put(&mut state);
        let wake = state.due_wake();
        drop(state);
        if let Some(wake) = wake {
            wake.wake();
        }
    }
}

impl<T> Drop for Reserved<'_, T> {
    fn drop(&mut self) {
        if self.places > 0 {
            self.buffer.lock().reserved -= self.places;
            self.buffer.room.notify_all();
        }
    }
}
