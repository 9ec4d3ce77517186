//! The state of one operator, in all key groups that a job owns.

mod groups;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_budget::{MemoryBudget, Reservation};
use firesteel_window::Timestamp;
use parking_lot::{Mutex, MutexGuard};

use self::groups::GroupMaker;
use crate::backend::StateBackend;
use crate::codec::StateKey;
use crate::declaration::Declaration;
use crate::error::{Result, StateError};
use crate::frame::{Frame, TableId};
use crate::group::GroupState;
use crate::key_group::{KeyGroup, KeyGroupRange, KeyGroups};
use crate::key_space::KeySpace;
use crate::schema::{Catalog, Evolution, Fate, OlderValues, StoreSchema, TableSchema};
use crate::table::values::Hasher;
use crate::ttl::{TimeDomain, Times};

/// The state of one operator: its declared states in all key groups.
///
/// Tasks lock the key groups they own; different groups are used from different threads at once.
///
/// ```
/// use firesteel_state::{Declaration, KeyGroups, KeyedStore, StateStore, Times};
/// use firesteel_window::Timestamp;
///
/// let mut states = Declaration::<String>::new("clicks");
/// let count = states.value::<u64>("count");
/// let store = KeyedStore::in_memory(states, KeyGroups::default(), |key: &String| {
///     key.bytes().fold(7, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15))
/// })?;
///
/// let times = Times::processing(Timestamp::EPOCH);
/// let ann = String::from("ann");
/// let hash = store.hash(&ann);
/// for attempt in 1..=2 {
///     store.begin(7); // batch 7, the second time because the first attempt failed
///     let mut group = store.lock(store.group_of(hash));
///     count.update(&mut group.key(hash, &ann, times), |count| *count.get_or_insert(0) += 1)?;
/// }
/// let frames = store.end_epoch(1)?;
/// assert_eq!(frames.len(), 1);
/// assert_eq!(count.get(&mut store.lock(store.group_of(hash)).key(hash, &ann, times))?, Some(&1));
/// # Ok::<(), firesteel_state::StateError>(())
/// ```
pub struct KeyedStore<K> {
    schema: StoreSchema,
    key_groups: KeyGroups,
    /// Which of them are the store's own: nothing is in the others.
    space: Mutex<KeySpace>,
    hasher: Hasher<K>,
    groups: Box<[Mutex<GroupState<K>>]>,
    /// Makes a key group that has nothing in memory.
    maker: GroupMaker<K>,
    budget: MemoryBudget,
    /// What this store takes of it.
    share: MemoryBudget,
    /// How often epochs were passed, and the last that was: a group takes note of it when it is used next.
    passed: (AtomicU64, AtomicU64),
}

/// Where a store keeps its values.
#[derive(Clone)]
pub struct StoreSetup<'a> {
    /// What is stored, with this operator in it.
    pub catalog: &'a Catalog,
    /// What holds the values that are not in memory; `None` keeps all of them there.
    pub backend: Option<Arc<dyn StateBackend>>,
    /// The memory that all stores of the process share.
    pub budget: MemoryBudget,
}

impl<K: StateKey> KeyedStore<K> {
    /// The store of a declaration, as the catalog describes it.
    ///
    /// `hash` is the hash by which keys are placed: equal on every machine and in every release.
    ///
    /// # Errors
    /// [`StateError::Mismatch`] when the catalog lacks the operator or a state of it, or has other types; any error
    /// of the backend.
    pub fn open(
        declaration: Declaration<K>,
        setup: &StoreSetup<'_>,
        hash: impl Fn(&K) -> u64 + Send + Sync + 'static,
    ) -> Result<Self> {
        let declared = declaration.schema();
        let Found { schema, tables } = known(&declared, setup)?;
        let hasher: Hasher<K> = Arc::new(hash);
        let operator: Arc<str> = declared.operator.as_str().into();
        let (prepare, make_timers) = declaration.into_parts();
        let mut makers = Vec::with_capacity(prepare.len());
        for (prepare, known) in prepare.iter().zip(&tables) {
            makers.push(match (prepare, known) {
                (Some(prepare), Some(known)) => Some(prepare(&operator, &schema.key, known)?),
                _ => None,
            });
        }
        let key_groups = setup.catalog.groups();
        if let Some(backend) = &setup.backend {
            backend.declare(&schema);
        }
        let share = setup.budget.part();
        let maker = GroupMaker {
            store: schema.id,
            operator,
            tables: makers.into_iter().zip(declared.tables).collect(),
            ids: numbers(&tables),
            older: older_numbers(&tables),
            timers: make_timers,
            hasher: hasher.clone(),
            backend: setup.backend.clone(),
            share: share.clone(),
        };
        let groups: Result<Vec<_>> = key_groups.all().iter().map(|group| maker.open(group).map(Mutex::new)).collect();
        let space = Mutex::new(KeySpace::whole(key_groups));
        let (groups, budget) = (groups?.into(), setup.budget.clone());
        Ok(Self { schema, key_groups, space, hasher, groups, maker, budget, share, passed: Default::default() })
    }

    /// A new store that keeps everything in memory, without a limit and without a catalog of its own.
    ///
    /// # Errors
    /// [`StateError::Declaration`] when the declaration makes no sense.
    pub fn in_memory(
        declaration: Declaration<K>,
        groups: KeyGroups,
        hash: impl Fn(&K) -> u64 + Send + Sync + 'static,
    ) -> Result<Self> {
        let catalog = Catalog::new(groups).with(&[declaration.schema()], false)?;
        let setup = StoreSetup { catalog: &catalog, backend: None, budget: MemoryBudget::unlimited() };
        Self::open(declaration, &setup, hash)
    }

    /// The hash of a key.
    pub fn hash(&self, key: &K) -> u64 {
        (self.hasher)(key)
    }

    /// The group of the keys with this hash.
    #[must_use]
    pub fn group_of(&self, hash: u64) -> KeyGroup {
        self.key_groups.group_of(hash)
    }

    /// A part of the budget, for what is on its way to this store: records that are sorted by key group, say. It counts
    /// as [memory of this store](StateStore::memory_used).
    #[must_use]
    pub fn reserve(&self) -> Reservation {
        self.share.reserve()
    }

    /// Whether more memory is taken than there is for state. What can be made again is let go of then.
    #[must_use]
    pub fn is_short_of_memory(&self) -> bool {
        self.budget.is_exceeded()
    }

    /// The state in a key group, until the guard is dropped; waits while another thread has it.
    ///
    /// # Panics
    /// If the job has no such group.
    pub fn lock(&self, group: KeyGroup) -> MutexGuard<'_, GroupState<K>> {
        let mut state = self.groups[usize::from(group.0)].lock();
        let (times, last) = &self.passed;
        if state.has_missed(times.load(Ordering::Acquire)) {
            state.pass_epoch(last.load(Ordering::Relaxed));
        }
        state
    }

    /// The state in each of its own key groups, one after the other.
    fn states(&self) -> impl Iterator<Item = MutexGuard<'_, GroupState<K>>> {
        let owned = self.space.lock().owned();
        owned.iter().map(|group| self.lock(group))
    }
}

/// What the catalog has of a store.
struct Found {
    schema: StoreSchema,
    /// Its states in the order of the declaration.
    tables: Vec<Option<TableSchema>>,
}

/// What the catalog has of a declared store, if it is the same.
fn known(declared: &StoreSchema, setup: &StoreSetup<'_>) -> Result<Found> {
    let comparison = setup.catalog.compare(std::slice::from_ref(declared));
    let known = setup.catalog.store(&declared.operator);
    let has_new = comparison.of_fate(Fate::New).next().is_some();
    let Some(schema) = known.filter(|_| comparison.fits() && !has_new).cloned() else {
        return Err(StateError::Mismatch { report: comparison.to_string() });
    };
    let mut tables = Vec::with_capacity(declared.tables.len());
    for table in &declared.tables {
        let known = schema.tables.iter().find(|known| known.name == table.name);
        // Under the number of the declared type there is nothing else.
        if let Some(known) = known.filter(|known| known.value.evolution(&table.value) != Evolution::Same) {
            let path = format!("{}/{}", declared.operator, table.name);
            let way_out = "open it with the catalog that Catalog::with makes of the stored one";
            let report = format!("  differs: {path}: {table}, but {known} is stored: {way_out}\n");
            return Err(StateError::Mismatch { report });
        }
        tables.push(known.cloned());
    }
    Ok(Found { schema, tables })
}

/// The number of each state.
fn numbers(tables: &[Option<TableSchema>]) -> Arc<[TableId]> {
    tables.iter().map(|table| table.as_ref().map_or(TableId::RESERVED, |table| table.id)).collect()
}

/// The numbers of the earlier types of each.
fn older_numbers(tables: &[Option<TableSchema>]) -> Arc<[Vec<TableId>]> {
    let older = |table: &TableSchema| table.numbers().skip(1).collect();
    tables.iter().map(|table| table.as_ref().map_or_else(Vec::new, older)).collect()
}

impl<K> fmt::Debug for KeyedStore<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedStore")
            .field("operator", &self.schema.operator)
            .field("space", &*self.space.lock())
            .finish_non_exhaustive()
    }
}

/// A store, whatever its types: what the engine sees of it between batches.
pub trait StateStore: Send + Sync {
    /// What is stored, with its numbers.
    fn schema(&self) -> &StoreSchema;

    /// The key groups, and which of them are its own.
    fn key_space(&self) -> KeySpace;

    /// How many key groups there are.
    fn key_groups(&self) -> KeyGroups {
        self.key_space().groups()
    }

    /// Owns what `space` says from here on, between two epochs. A key group that is not its own any more is forgotten; one that
    /// has become its own has what a backend holds of it, or is empty, and may be [restored](Self::restore). What a backend
    /// holds is not touched: whoever gains a group [replaces](crate::backend::replace) it there before.
    ///
    /// # Errors
    /// [`StateError::KeyGroups`] when there is another number of key groups; any error of the backend.
    fn own(&self, space: KeySpace) -> Result<()>;

    /// [Begins](GroupState::begin) an attempt at a batch in all groups.
    fn begin(&self, batch: u64);

    /// [Ends the epoch](GroupState::end_epoch) in a range of groups; the frames of those that changed, in order.
    ///
    /// # Errors
    /// As [`GroupState::end_epoch`]. The epoch cannot be ended any more then: the job resumes from its last one.
    fn end_epoch_in(&self, groups: KeyGroupRange, epoch: u64) -> Result<Vec<Frame>>;

    /// [Ends the epoch](GroupState::end_epoch) in all of its own groups.
    ///
    /// # Errors
    /// As [`end_epoch_in`](Self::end_epoch_in).
    fn end_epoch(&self, epoch: u64) -> Result<Vec<Frame>> {
        self.end_epoch_in(self.key_space().owned(), epoch)
    }

    /// [Ends the epoch](GroupState::pass_epoch) in all groups without writing down what changed. It costs the same however
    /// many groups there are: each takes note when it is used next.
    fn pass_epoch(&self, epoch: u64);

    /// [Says](GroupState::applied) that the changes of a range of groups up to `epoch` are held elsewhere.
    fn applied_in(&self, groups: KeyGroupRange, epoch: u64);

    /// [Says](GroupState::applied) that the changes of all groups up to `epoch` are held elsewhere.
    fn applied(&self, epoch: u64) {
        self.applied_in(self.key_space().owned(), epoch);
    }

    /// [All state](GroupState::image) of a group, and the epoch at whose end it was so.
    ///
    /// # Errors
    /// As [`GroupState::image`].
    fn image(&self, group: KeyGroup) -> Result<(u64, Frame)>;

    /// [Takes](GroupState::restore) restored changes into memory, where the group is its own.
    ///
    /// # Errors
    /// As [`GroupState::restore`].
    fn restore(&self, epoch: u64, frame: &Frame) -> Result<()>;

    /// [Removes](GroupState::sweep) values whose TTL has expired, in all groups.
    fn sweep(&self, limit: usize, times: Times) -> usize;

    /// If the budget is exceeded, lets go of values that the backend holds, group by group, until a tenth of the
    /// budget is free. `false` if the budget is still exceeded: only an early end of the epoch helps then.
    fn relieve(&self) -> bool;

    /// How many values are still stored under earlier types, for each state and type that has any. What is in memory
    /// has the declared type; what a backend holds is counted by reading it, which takes as long as that.
    ///
    /// # Errors
    /// When the backend cannot be read.
    fn older_values(&self) -> Result<Vec<OlderValues>> {
        Ok(vec![])
    }

    /// When the first timer of the domain fires, whatever its key.
    ///
    /// # Errors
    /// When the backend cannot be read.
    fn next_timer(&self, domain: TimeDomain) -> Result<Option<Timestamp>>;

    /// How many timers are set.
    fn timers(&self) -> u64 {
        0
    }

    /// Bytes of memory, partly estimated, as of the last [accounting](GroupState::account) of each group.
    fn memory_used(&self) -> u64;
}

impl<K: StateKey> StateStore for KeyedStore<K> {
    fn schema(&self) -> &StoreSchema {
        &self.schema
    }

    fn key_space(&self) -> KeySpace {
        *self.space.lock()
    }

    fn own(&self, space: KeySpace) -> Result<()> {
        let mut known = self.space.lock();
        if space.groups() != known.groups() {
            let reason = format!("{space} cannot be owned: there are {}", known.groups().count());
            return Err(StateError::KeyGroups { reason });
        }
        for group in space.groups().all().iter() {
            let state = &self.groups[usize::from(group.0)];
            match (known.owned().contains(group), space.owned().contains(group)) {
                (false, true) => *state.lock() = self.maker.open(group)?,
                (true, false) => *state.lock() = self.maker.make(group),
                _ => {}
            }
        }
        *known = space;
        Ok(())
    }

    fn begin(&self, batch: u64) {
        self.states().for_each(|mut state| state.begin(batch));
    }

    fn end_epoch_in(&self, groups: KeyGroupRange, epoch: u64) -> Result<Vec<Frame>> {
        let mut frames = Vec::new();
        for group in groups.iter() {
            frames.extend(self.lock(group).end_epoch(epoch)?);
        }
        Ok(frames)
    }

    fn pass_epoch(&self, epoch: u64) {
        let (times, last) = &self.passed;
        last.fetch_max(epoch, Ordering::Relaxed);
        times.fetch_add(1, Ordering::Release);
    }

    fn applied_in(&self, groups: KeyGroupRange, epoch: u64) {
        for group in groups.iter() {
            self.lock(group).applied(epoch);
        }
    }

    fn image(&self, group: KeyGroup) -> Result<(u64, Frame)> {
        let state = self.lock(group);
        Ok((state.epoch(), state.image()?))
    }

    fn restore(&self, epoch: u64, frame: &Frame) -> Result<()> {
        let group = frame.shard().group;
        let space = self.key_space();
        if !space.groups().all().contains(group) || frame.shard().store != self.schema.id {
            let reason = format!("{} is no part of the state of {}", frame.shard(), self.schema.operator);
            return Err(StateError::KeyGroups { reason });
        }
        // What another has now is none of its concern.
        if !space.owned().contains(group) {
            return Ok(());
        }
        self.lock(group).restore(epoch, frame)
    }

    fn sweep(&self, limit: usize, times: Times) -> usize {
        self.states().map(|mut state| state.sweep(limit, times)).sum()
    }

    fn relieve(&self) -> bool {
        if self.maker.backend.is_none() {
            return !self.budget.is_exceeded();
        }
        let enough = self.budget.limit() / 10 * 9;
        let mut share = 0.25;
        // At most the whole of what may go: four rounds.
        while self.budget.is_exceeded() && share <= 1.0 {
            for mut state in self.states().take_while(|_| self.budget.used() > enough) {
                state.evict(share);
            }
            share += 0.25;
        }
        !self.budget.is_exceeded()
    }

    fn older_values(&self) -> Result<Vec<OlderValues>> {
        let mut found = OlderValues::none(&self.schema);
        self.states().try_for_each(|state| state.count_older(&mut found))?;
        found.retain(|older| older.count > 0);
        Ok(found)
    }

    fn next_timer(&self, domain: TimeDomain) -> Result<Option<Timestamp>> {
        let mut first: Option<Timestamp> = None;
        for mut state in self.states() {
            let next = state.next_timer(domain)?;
            first = first.min(next).or(first).or(next);
        }
        Ok(first)
    }

    fn timers(&self) -> u64 {
        self.states().map(|state| state.timers() as u64).sum()
    }

    fn memory_used(&self) -> u64 {
        self.share.used()
    }
}
