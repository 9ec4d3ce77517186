//! The partitions of persisted RDDs.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use firesteel_budget::{MemoryBudget, Reservation};
use parking_lot::Mutex;

use crate::data::Data;
use crate::error::Result;
use crate::ids::RddId;
use crate::storage::Run;

/// Partitions in memory, up to a limit, and on disk. A clone is the same store.
#[derive(Clone)]
pub(crate) struct Blocks {
    budget: MemoryBudget,
    state: Arc<Mutex<State>>,
}

/// A partition that is kept.
pub(crate) enum Block<T> {
    InMemory(Arc<Vec<T>>),
    OnDisk(Run),
}

impl<T> Clone for Block<T> {
    fn clone(&self) -> Self {
        match self {
            Self::InMemory(records) => Self::InMemory(Arc::clone(records)),
            Self::OnDisk(run) => Self::OnDisk(run.clone()),
        }
    }
}

type BlockId = (RddId, usize);
/// A [`Block`] whose record type is not told.
type AnyBlock = Arc<dyn Any + Send + Sync>;
/// Writes a block to disk, and returns it as it is there.
pub(crate) type Spill = Arc<dyn Fn(&AnyBlock) -> Result<AnyBlock> + Send + Sync>;

#[derive(Default)]
struct State {
    entries: HashMap<BlockId, Entry>,
    /// The blocks that count for the limit, least recently used first.
    by_use: BTreeMap<u64, BlockId>,
    uses: u64,
}

struct Entry {
    block: AnyBlock,
    /// What it takes of the limit; `None` on disk and on the way there.
    memory: Option<Claim>,
    spill: Option<Spill>,
}

struct Claim {
    memory: Reservation,
    last_use: u64,
}

impl Blocks {
    pub(crate) fn new(budget: MemoryBudget) -> Self {
        Self { budget, state: Arc::default() }
    }

    /// How much memory blocks may take, all together.
    pub(crate) fn limit(&self) -> u64 {
        self.budget.limit()
    }

    /// A partition, if it is kept.
    pub(crate) fn get<T: Data>(&self, rdd: RddId, split: usize) -> Option<Block<T>> {
        let mut state = self.state.lock();
        state.touch((rdd, split));
        state.entries.get(&(rdd, split))?.block.downcast_ref::<Block<T>>().cloned()
    }

    /// Whether a partition is kept.
    pub(crate) fn contains(&self, rdd: RddId, split: usize) -> bool {
        self.state.lock().entries.contains_key(&(rdd, split))
    }

    /// Keeps a partition that is on disk.
    pub(crate) fn put_on_disk<T: Data>(&self, rdd: RddId, split: usize, run: Run) {
        let entry = Entry { block: Arc::new(Block::<T>::OnDisk(run)), memory: None, spill: None };
        self.state.lock().replace((rdd, split), entry);
    }

    /// Keeps a partition in memory, in the place of the least recently used ones of other RDDs: those are moved to
    /// disk, if they can be. Returns whether there is room.
    pub(crate) fn put_in_memory<T: Data>(
        &self,
        rdd: RddId,
        split: usize,
        records: Arc<Vec<T>>,
        bytes: u64,
        spill: Option<Spill>,
    ) -> bool {
        let mut state = self.state.lock();
        state.remove((rdd, split));
        let Some(victims) = state.victims(bytes, &self.budget, rdd) else { return false };
        let leaving: Vec<_> = victims.into_iter().filter_map(|id| state.evict(id)).collect();
        state.uses += 1;
        let mut claim = Claim { memory: self.budget.reserve(), last_use: state.uses };
        claim.memory.set(bytes);
        state.by_use.insert(claim.last_use, (rdd, split));
        let entry = Entry { block: Arc::new(Block::InMemory(records)), memory: Some(claim), spill };
        state.entries.insert((rdd, split), entry);
        drop(state);
        // Writing takes its time: meanwhile others can use the store, and read what is on its way out.
        for (id, block, spill) in leaving {
            let written = spill(&block);
            let mut state = self.state.lock();
            let is_same = state.entries.get(&id).is_some_and(|entry| Arc::ptr_eq(&entry.block, &block));
            match written {
                Ok(block) if is_same => state.replace(id, Entry { block, memory: None, spill: None }),
                Ok(_) => {}
                Err(error) => {
                    let (rdd, split) = (id.0.number(), id.1);
                    tracing::warn!(rdd, split, %error, "a persisted partition is dropped: it cannot be moved to disk");
                    if is_same {
                        state.remove(id);
                    }
                }
            }
        }
        true
    }

    /// Forgets all partitions of an RDD.
    pub(crate) fn remove(&self, rdd: RddId) {
        let mut state = self.state.lock();
        let ids: Vec<BlockId> = state.entries.keys().filter(|id| id.0 == rdd).copied().collect();
        ids.into_iter().for_each(|id| state.remove(id));
    }
}

impl State {
    /// Notes a use.
    fn touch(&mut self, id: BlockId) {
        self.uses += 1;
        if let Some(claim) = self.entries.get_mut(&id).and_then(|entry| entry.memory.as_mut()) {
            self.by_use.remove(&claim.last_use);
            claim.last_use = self.uses;
            self.by_use.insert(claim.last_use, id);
        }
    }

    fn remove(&mut self, id: BlockId) {
        let removed = self.entries.remove(&id);
        self.give_back(removed.and_then(|entry| entry.memory));
    }

    fn replace(&mut self, id: BlockId, entry: Entry) {
        self.remove(id);
        self.entries.insert(id, entry);
    }

    fn give_back(&mut self, claim: Option<Claim>) {
        if let Some(claim) = claim {
            self.by_use.remove(&claim.last_use);
        }
    }

    /// Which blocks have to go for another of this many bytes; `None` if that does not help. Blocks of the same RDD stay:
    /// to drop one partition for the next would leave nothing in the end.
    fn victims(&self, bytes: u64, budget: &MemoryBudget, rdd: RddId) -> Option<Vec<BlockId>> {
        let (room, mut used) = (budget.limit().checked_sub(bytes)?, budget.used());
        let mut others = self.by_use.values().filter(|id| id.0 != rdd);
        let mut victims = Vec::new();
        while used > room {
            let id = others.next()?;
            used -= self.entries[id].memory.as_ref().map_or(0, |claim| claim.memory.bytes());
            victims.push(*id);
        }
        Some(victims)
    }

    /// Drops a block, unless it can be moved to disk: then it stays until it has been.
    fn evict(&mut self, id: BlockId) -> Option<(BlockId, AnyBlock, Spill)> {
        let entry = self.entries.get_mut(&id)?;
        let (claim, block, spill) = (entry.memory.take(), Arc::clone(&entry.block), entry.spill.clone());
        self.give_back(claim);
        if spill.is_none() {
            self.entries.remove(&id);
        }
        Some((id, block, spill?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(blocks: &Blocks, rdd: u64, split: usize, bytes: u64) -> bool {
        blocks.put_in_memory(RddId(rdd), split, Arc::new(vec![rdd]), bytes, None)
    }

    fn kept(blocks: &Blocks) -> Vec<(u64, usize)> {
        let all = (0..4).flat_map(|rdd| (0..4).map(move |split| (rdd, split)));
        all.filter(|(rdd, split)| blocks.contains(RddId(*rdd), *split)).collect()
    }

    #[test]
    fn the_least_recently_used_partition_goes_first() {
        let blocks = Blocks::new(MemoryBudget::new(30));
        assert!(put(&blocks, 0, 0, 10) && put(&blocks, 1, 0, 10) && put(&blocks, 1, 1, 10));
        blocks.get::<u64>(RddId(0), 0);
        assert!(put(&blocks, 2, 0, 10));
        assert_eq!(kept(&blocks), [(0, 0), (1, 1), (2, 0)]);
        assert!(put(&blocks, 2, 1, 15));
        assert_eq!(kept(&blocks), [(2, 0), (2, 1)]);
    }

    #[test]
    fn an_rdd_does_not_drive_itself_out() {
        let blocks = Blocks::new(MemoryBudget::new(30));
        assert!(put(&blocks, 0, 0, 20) && !put(&blocks, 0, 1, 20), "there is no room for the second");
        assert!(!put(&blocks, 1, 0, 31), "nothing makes room for what is larger than the whole");
        assert_eq!(kept(&blocks), [(0, 0)]);
        blocks.remove(RddId(0));
        assert!(put(&blocks, 1, 0, 30));
    }

    #[test]
    fn what_can_be_moved_to_disk_is_not_lost() {
        let blocks = Blocks::new(MemoryBudget::new(10));
        let memory = crate::storage::SpillMemory::new(MemoryBudget::new(0), None);
        let spill: Spill = Arc::new(move |block| match block.downcast_ref::<Block<u64>>() {
            Some(Block::InMemory(records)) => {
                Ok(Arc::new(Block::<u64>::OnDisk(Run::write::<u64>(&memory, &mut records.iter())?)) as AnyBlock)
            }
            _ => Ok(Arc::clone(block)),
        });
        let records = Arc::new(vec![1u64, 2, 3]);
        assert!(blocks.put_in_memory(RddId(0), 0, records, 10, Some(spill)));
        assert!(put(&blocks, 1, 0, 10));
        let Some(Block::OnDisk(run)) = blocks.get::<u64>(RddId(0), 0) else { panic!("it is not on disk") };
        let mut reader = run.read().unwrap();
        let read = std::iter::from_fn(|| reader.next::<u64>()).map(Result::unwrap);
        assert_eq!(read.collect::<Vec<_>>(), [1, 2, 3]);
    }
}
