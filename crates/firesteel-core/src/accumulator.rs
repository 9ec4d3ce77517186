//! Accumulators: numbers and lists that tasks add to, counted once per successful task.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::task::DeadLetter;

/// A value that partial values can be merged into.
///
/// ```
/// use firesteel_core::Accumulate;
/// let mut sum = 1u64;
/// sum.add(2);
/// sum.merge(0, 3);
/// assert_eq!(sum, 6);
/// ```
pub trait Accumulate: Send + 'static {
    /// What tasks add.
    type Item;
    /// The neutral value a task starts from.
    fn zero() -> Self;
    /// Adds one item, within a task.
    fn add(&mut self, item: Self::Item);
    /// Merges what the task of partition `partition` added. Tasks finish in any order.
    fn merge(&mut self, partition: usize, other: Self);
}

impl Accumulate for u64 {
    type Item = u64;
    fn zero() -> Self {
        0
    }
    fn add(&mut self, item: u64) {
        *self = self.saturating_add(item);
    }
    fn merge(&mut self, _: usize, other: Self) {
        self.add(other);
    }
}

impl Accumulate for i64 {
    type Item = i64;
    fn zero() -> Self {
        0
    }
    fn add(&mut self, item: i64) {
        *self = self.saturating_add(item);
    }
    fn merge(&mut self, _: usize, other: Self) {
        self.add(other);
    }
}

macro_rules! extremes {
    ($($(#[$doc:meta])* $name:ident: $better:ident;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub struct $name<T>(Option<T>);

            impl<T> $name<T> {
                /// The item; `None` if nothing was added.
                #[must_use]
                pub fn get(&self) -> Option<&T> {
                    self.0.as_ref()
                }
            }

            impl<T: Ord + Send + 'static> Accumulate for $name<T> {
                type Item = T;
                fn zero() -> Self {
                    Self(None)
                }
                fn add(&mut self, item: T) {
                    let item = match self.0.take() {
                        Some(best) => best.$better(item),
                        None => item,
                    };
                    self.0 = Some(item);
                }
                fn merge(&mut self, _: usize, other: Self) {
                    other.0.into_iter().for_each(|item| self.add(item));
                }
            }
        )+
    };
}

extremes! {
    /// The largest item added.
    Max: max;
    /// The smallest item added.
    Min: min;
}

/// Items in the order of the partitions they come from, whatever the order in which tasks finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T>(BTreeMap<usize, Vec<T>>);

impl<T> Listed<T> {
    /// The items, in partition order.
    pub fn into_items(self) -> impl Iterator<Item = T> {
        self.0.into_values().flatten()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Send + 'static> Accumulate for Listed<T> {
    type Item = T;
    fn zero() -> Self {
        Self(BTreeMap::new())
    }
    fn add(&mut self, item: T) {
        self.0.entry(0).or_default().push(item);
    }
    fn merge(&mut self, partition: usize, other: Self) {
        self.0.entry(partition).or_default().extend(other.into_items());
    }
}

/// A shared value that tasks add to.
///
/// What a task adds becomes visible when the task succeeds, once, however many attempts it took; what failed or
/// superfluous attempts added is dropped. Outside of tasks an addition counts at once. A clone is the same
/// accumulator.
///
/// ```
/// use firesteel_core::{Accumulator, Actions, Max, RddOps};
///
/// # fn main() -> firesteel_core::Result<()> {
/// let (malformed, longest) = (Accumulator::<u64>::new(), Accumulator::<Max<usize>>::new());
/// let (count, measure) = (malformed.clone(), longest.clone());
/// let lines = firesteel_scheduler::local(2)?.parallelize(["1", "20", "x"]);
/// let numbers = lines.inspect(move |line| measure.add(line.len())).flat_map(move |line| {
///     let number = line.parse::<u32>();
///     count.add(u64::from(number.is_err()));
///     number
/// });
/// assert_eq!(numbers.collect()?, [1, 20]);
/// assert_eq!((malformed.get(), longest.read(|longest| longest.get().copied())), (1, Some(2)));
/// # Ok(())
/// # }
/// ```
///
/// An action counts what the operators below it add as they run: a second action counts again, unless the RDD is
/// persisted.
pub struct Accumulator<A> {
    value: Arc<Mutex<A>>,
}

impl<A: Accumulate> Accumulator<A> {
    /// A fresh accumulator at its zero.
    #[must_use]
    pub fn new() -> Self {
        Self { value: Arc::new(Mutex::new(A::zero())) }
    }

    /// Adds one item: to the running attempt if called within a task, at once otherwise.
    ///
    /// It looks the attempt up by thread, which costs some nanoseconds: in a tight loop, add up first.
    pub fn add(&self, item: A::Item) {
        CURRENT.with_borrow(|current| match current {
            Some(updates) => updates.add(self, item),
            None => self.value.lock().add(item),
        });
    }

    /// Reads the value.
    pub fn read<T>(&self, read: impl FnOnce(&A) -> T) -> T {
        read(&self.value.lock())
    }

    /// Takes the value out and leaves the zero.
    pub fn take(&self) -> A {
        std::mem::replace(&mut *self.value.lock(), A::zero())
    }

    /// Whether both are one.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.value, &other.value)
    }

    fn key(&self) -> usize {
        Arc::as_ptr(&self.value).addr()
    }
}

impl Accumulator<u64> {
    /// The value so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.read(|value| *value)
    }
}

impl<A: Accumulate> Default for Accumulator<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A> Clone for Accumulator<A> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value) }
    }
}

impl<A: fmt::Debug> fmt::Debug for Accumulator<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Accumulator").field(&*self.value.lock()).finish()
    }
}

/// What one attempt added to one accumulator.
pub(crate) trait Update: Send {
    /// Makes it count; records that were set aside on the way go to `dead`.
    fn apply(self: Box<Self>, partition: usize, dead: &mut Vec<DeadLetter>);
    /// For finding it again.
    fn as_any(&mut self) -> &mut dyn Any;
}

struct Partial<A> {
    target: Accumulator<A>,
    value: A,
}

impl<A: Accumulate> Update for Partial<A> {
    fn apply(self: Box<Self>, partition: usize, _: &mut Vec<DeadLetter>) {
        self.target.value.lock().merge(partition, self.value);
    }
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// The address of no accumulator.
const NO_ACCUMULATOR: usize = 0;

/// What one attempt has added so far. Few accumulators are used by one task: a list is the fastest map.
#[derive(Default)]
pub(crate) struct Updates(RefCell<Vec<(usize, Box<dyn Update>)>>);

impl Updates {
    fn add<A: Accumulate>(&self, target: &Accumulator<A>, item: A::Item) {
        let mut updates = self.0.borrow_mut();
        let key = target.key();
        let found = updates.iter_mut().find(|(of, _)| *of == key).and_then(|(_, update)| {
            let partial: Option<&mut Partial<A>> = update.as_any().downcast_mut();
            partial
        });
        if let Some(partial) = found {
            partial.value.add(item);
            return;
        }
        let mut value = A::zero();
        value.add(item);
        updates.push((key, Box::new(Partial { target: target.clone(), value })));
    }

    /// Adds an update of another kind.
    pub(crate) fn push(&self, update: Box<dyn Update>) {
        self.0.borrow_mut().push((NO_ACCUMULATOR, update));
    }

    pub(crate) fn take(&self) -> Vec<Box<dyn Update>> {
        self.0.take().into_iter().map(|(_, update)| update).collect()
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Updates>>> = const { RefCell::new(None) };
}

/// While this lives, additions on this thread go to one attempt.
pub(crate) struct Entered(Option<Rc<Updates>>);

pub(crate) fn enter(updates: &Rc<Updates>) -> Entered {
    Entered(CURRENT.replace(Some(Rc::clone(updates))))
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_counts_only_when_its_updates_are_applied() {
        let sum = Accumulator::<u64>::new();
        let attempt = Rc::new(Updates::default());
        {
            let _entered = enter(&attempt);
            sum.add(2);
            sum.add(3);
        }
        assert_eq!(sum.get(), 0);
        for update in attempt.take() {
            update.apply(0, &mut Vec::new());
        }
        assert_eq!(sum.get(), 5);
        sum.add(1);
        assert_eq!(sum.get(), 6);
    }

    #[test]
    fn a_list_is_in_partition_order() {
        let list = Accumulator::<Listed<u32>>::new();
        for partition in [1, 0] {
            let attempt = Rc::new(Updates::default());
            {
                let _entered = enter(&attempt);
                list.add(10 * u32::try_from(partition).unwrap());
                list.add(10 * u32::try_from(partition).unwrap() + 1);
            }
            for update in attempt.take() {
                update.apply(partition, &mut Vec::new());
            }
        }
        assert_eq!(list.take().into_items().collect::<Vec<_>>(), [0, 1, 10, 11]);
    }
}
