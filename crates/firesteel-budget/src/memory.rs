//! The memory of a process and its parts.

use crate::{MemoryBudget, Pool};

/// This many mebibytes, in bytes.
#[must_use]
pub const fn mib(count: u64) -> u64 {
    count.saturating_mul(1 << 20)
}

/// This many gibibytes, in bytes.
#[must_use]
pub const fn gib(count: u64) -> u64 {
    count.saturating_mul(1 << 30)
}

/// What memory is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// Shuffles and sorting, which go to disk beyond it. A task may hold one MiB in any case.
    Shuffle,
    /// Persisted RDDs and shared streams, of which the least recently used partitions go to disk or are dropped beyond it.
    Storage,
    /// Keyed state, open windows and caches of its backend included. Beyond it, values leave memory for the backend, and epochs end early
    /// where that does not suffice. Without a backend there is nowhere to go, and the limit has no effect.
    State,
    /// The buffers of receivers: what has come and no batch has committed yet, or no log has on disk. Beyond it, receivers
    /// wait, and so do those who send to them.
    Buffers,
}

/// The memory that jobs may take, with a part for each use. A clone is the same memory.
///
/// | part | by default | of a total |
/// |---|---|---|
/// | [`Part::Shuffle`] | 1 GiB | a quarter |
/// | [`Part::Storage`] | 1 GiB | an eighth |
/// | [`Part::State`] | no limit | half |
/// | [`Part::Buffers`] | 256 MiB | an eighth |
///
/// Of a total of less than eight MiB, an eighth would be too little to work with: those parts have a MiB, or a quarter.
///
/// Zero is the least that is possible: shuffles go to disk beyond the MiB of each task, persisted RDDs are computed again
/// or read from disk, with a backend an epoch ends with every batch, and a receiver waits until a batch has taken the few
/// records that it has stored. Less than a MiB otherwise is taken for a number in another unit: a streaming job with such
/// a part is refused.
#[derive(Debug, Clone)]
pub struct Memory {
    shuffle: MemoryBudget,
    storage: MemoryBudget,
    state: MemoryBudget,
    buffers: Pool,
}

impl Memory {
    /// This many bytes in all, divided among the parts.
    #[must_use]
    pub fn of(bytes: u64) -> Self {
        let quarter = bytes / 4;
        let eighth = (bytes / 8).max(quarter.min(mib(1)));
        Self::parts(quarter, eighth, bytes - quarter - 2 * eighth, eighth)
    }

    fn parts(shuffle: u64, storage: u64, state: u64, buffers: u64) -> Self {
        let [shuffle, storage, state] = [shuffle, storage, state].map(MemoryBudget::new);
        Self { shuffle, storage, state, buffers: Pool::new(buffers) }
    }

    /// Another limit for shuffles, in bytes. The part is another one: what it was before is not counted in it.
    #[must_use]
    pub fn shuffle(self, bytes: u64) -> Self {
        Self { shuffle: MemoryBudget::new(bytes), ..self }
    }

    /// Another limit for persisted RDDs, in bytes. The part is another one: what it was before is not counted in it.
    #[must_use]
    pub fn storage(self, bytes: u64) -> Self {
        Self { storage: MemoryBudget::new(bytes), ..self }
    }

    /// Another limit for keyed state, in bytes. The part is another one: what it was before is not counted in it.
    #[must_use]
    pub fn state(self, bytes: u64) -> Self {
        Self { state: MemoryBudget::new(bytes), ..self }
    }

    /// Another limit for the buffers of receivers, in bytes. The part is another one: what it was before is not counted in
    /// it.
    #[must_use]
    pub fn buffers(self, bytes: u64) -> Self {
        Self { buffers: Pool::new(bytes), ..self }
    }

    /// The part for the buffers of receivers as what they share: see [`Pool`].
    #[must_use]
    pub fn buffer_pool(&self) -> &Pool {
        &self.buffers
    }

    /// One part: its limit, and what is taken of it now.
    #[must_use]
    pub fn part(&self, part: Part) -> &MemoryBudget {
        match part {
            Part::Shuffle => &self.shuffle,
            Part::Storage => &self.storage,
            Part::State => &self.state,
            Part::Buffers => self.buffers.budget(),
        }
    }

    /// What is taken now, all parts together, in bytes.
    #[must_use]
    pub fn used(&self) -> u64 {
        [&self.shuffle, &self.storage, &self.state, self.buffers.budget()].map(MemoryBudget::used).iter().sum()
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::parts(gib(1), gib(1), u64::MAX, mib(256))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: [Part; 4] = [Part::Shuffle, Part::Storage, Part::State, Part::Buffers];

    #[test]
    fn the_parts_of_a_total_are_all_of_it() {
        let memory = Memory::of(mib(10) + 3);
        let limits = PARTS.map(|part| memory.part(part).limit());
        assert_eq!(limits.iter().sum::<u64>(), mib(10) + 3);
        let little = Memory::of(mib(4));
        assert_eq!(PARTS.map(|part| little.part(part).limit()), [mib(1); 4], "enough for each to work with");
        assert_eq!(memory.clone().shuffle(7).part(Part::Shuffle).limit(), 7);
        assert_eq!(memory.buffers(7).part(Part::Buffers).limit(), 7);
    }

    #[test]
    fn who_sets_nothing_has_two_gibibytes_a_quarter_for_buffers_and_state_without_a_limit() {
        let limits = PARTS.map(|part| Memory::default().part(part).limit());
        assert_eq!(limits, [1 << 30, 1 << 30, u64::MAX, 1 << 28]);
    }

    #[test]
    fn a_clone_is_the_same_memory() {
        let memory = Memory::default();
        let share = memory.buffer_pool().join(|| ());
        assert!(share.request(5).is_granted());
        assert_eq!((memory.clone().used(), memory.part(Part::Buffers).used()), (5, 5));
        drop(share);
        let mut taken = [Part::Shuffle, Part::State].map(|part| memory.clone().part(part).reserve());
        taken[0].set(3);
        taken[1].set(4);
        assert_eq!((memory.used(), memory.part(Part::State).used()), (7, 4));
        drop(taken);
        assert_eq!(memory.used(), 0);
    }
}
