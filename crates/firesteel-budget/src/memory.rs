//! The memory of a process and its parts.

use crate::MemoryBudget;

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
}

/// The memory that jobs may take, with a part for each use. A clone is the same memory.
///
/// | part | by default | of a total |
/// |---|---|---|
/// | [`Part::Shuffle`] | 1 GiB | a quarter |
/// | [`Part::Storage`] | 1 GiB | a quarter |
/// | [`Part::State`] | no limit | half |
///
/// Zero is the least that is possible: shuffles go to disk beyond the MiB of each task, persisted RDDs are computed again
/// or read from disk, and with a backend an epoch ends with every batch. Less than a MiB otherwise is taken for a number
/// in another unit: a streaming job with such a part is refused.
#[derive(Debug, Clone)]
pub struct Memory {
    shuffle: MemoryBudget,
    storage: MemoryBudget,
    state: MemoryBudget,
}

impl Memory {
    /// This many bytes in all, divided among the parts.
    #[must_use]
    pub fn of(bytes: u64) -> Self {
        let quarter = bytes / 4;
        Self::parts(quarter, quarter, bytes - 2 * quarter)
    }

    fn parts(shuffle: u64, storage: u64, state: u64) -> Self {
        let [shuffle, storage, state] = [shuffle, storage, state].map(MemoryBudget::new);
        Self { shuffle, storage, state }
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

    /// One part: its limit, and what is taken of it now.
    #[must_use]
    pub fn part(&self, part: Part) -> &MemoryBudget {
        match part {
            Part::Shuffle => &self.shuffle,
            Part::Storage => &self.storage,
            Part::State => &self.state,
        }
    }

    /// What is taken now, all parts together, in bytes.
    #[must_use]
    pub fn used(&self) -> u64 {
        [&self.shuffle, &self.storage, &self.state].map(MemoryBudget::used).iter().sum()
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::parts(gib(1), gib(1), u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_total_are_all_of_it() {
        let memory = Memory::of(mib(10) + 3);
        let limits = [Part::Shuffle, Part::Storage, Part::State].map(|part| memory.part(part).limit());
        assert_eq!(limits.iter().sum::<u64>(), mib(10) + 3);
        assert_eq!(memory.shuffle(7).part(Part::Shuffle).limit(), 7);
    }

    #[test]
    fn who_sets_nothing_has_two_gibibytes_and_state_without_a_limit() {
        let limits = [Part::Shuffle, Part::Storage, Part::State].map(|part| Memory::default().part(part).limit());
        assert_eq!(limits, [1 << 30, 1 << 30, u64::MAX]);
    }

    #[test]
    fn a_clone_is_the_same_memory() {
        let memory = Memory::default();
        let mut taken = [Part::Shuffle, Part::State].map(|part| memory.clone().part(part).reserve());
        taken[0].set(3);
        taken[1].set(4);
        assert_eq!((memory.used(), memory.part(Part::State).used()), (7, 4));
        drop(taken);
        assert_eq!(memory.used(), 0);
    }
}
