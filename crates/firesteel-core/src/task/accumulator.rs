//! Accumulators: what tasks add to, counted once per successful task.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use firesteel_window::{Aggregator, Sum};
use parking_lot::Mutex;

use crate::task::DeadLetter;

/// What an aggregator makes of all that tasks add.
///
/// What a task adds becomes visible when the task succeeds, once, however many attempts it took; what failed or
/// superfluous attempts added is dropped. Outside of tasks an addition counts at once. What tasks of one job have added
/// is merged in the order of their partitions, whatever the order in which they finish. A clone is the same accumulator.
///
/// ```
/// use firesteel_core::{Accumulator, Actions, RddOps};
/// use firesteel_window::{Max, Sum};
///
/// # fn main() -> firesteel_core::Result<()> {
/// let (malformed, longest) = (Accumulator::new(Sum), Accumulator::new(Max));
/// let (count, measure) = (malformed.clone(), longest.clone());
/// let lines = firesteel_scheduler::local(2)?.parallelize(["1", "20", "x"]);
/// let numbers = lines.inspect(move |line| measure.add(line.len())).flat_map(move |line| {
///     let number = line.parse::<u32>();
///     count.add(u64::from(number.is_err()));
///     number
/// });
/// assert_eq!(numbers.collect()?, [1, 20]);
/// assert_eq!((malformed.value(), longest.value()), (1, Some(2)));
/// # Ok(())
/// # }
/// ```
///
/// An action counts what the operators below it add as they run: a second action counts again, unless the RDD is
/// persisted.
pub struct Accumulator<In = u64, A: Aggregator<In> = Sum> {
    shared: Arc<Shared<A, A::Acc>>,
    kind: PhantomData<fn(In)>,
}

struct Shared<A, C> {
    aggregator: A,
    /// In the order of partitions; what is added outside of tasks counts as the first one's.
    parts: Mutex<Vec<(usize, C)>>,
}

impl<In, A> Accumulator<In, A>
where
    In: 'static,
    A: Aggregator<In, Acc: Send + 'static> + Send + Sync + 'static,
{
    /// An accumulator to which nothing has been added.
    #[must_use]
    pub fn new(aggregator: A) -> Self {
        Self { shared: Arc::new(Shared { aggregator, parts: Mutex::default() }), kind: PhantomData }
    }

    /// Adds one item: to the running attempt if called within a task, at once otherwise.
    ///
    /// It looks the attempt up by thread, which costs some nanoseconds: in a tight loop, add up first.
    pub fn add(&self, item: In) {
        CURRENT.with_borrow(|current| match current {
            Some(updates) => updates.add(self, item),
            None => {
                let aggregator = &self.shared.aggregator;
                let mut parts = self.shared.parts.lock();
                if parts.first().is_none_or(|(partition, _)| *partition != 0) {
                    parts.insert(0, (0, aggregator.create()));
                }
                aggregator.add(&mut parts[0].1, item);
            }
        });
    }

    /// The result so far.
    #[must_use]
    pub fn value(&self) -> A::Out {
        self.read(|acc| self.shared.aggregator.finish(acc))
    }

    /// Reads what the aggregator keeps.
    pub fn read<T>(&self, read: impl FnOnce(&A::Acc) -> T) -> T {
        let mut parts = self.shared.parts.lock();
        let merged = self.merged(&mut parts);
        parts.push((0, merged));
        read(&parts[0].1)
    }

    /// Takes the result out: what follows adds to nothing.
    pub fn take(&self) -> A::Out {
        let merged = self.merged(&mut self.shared.parts.lock());
        self.shared.aggregator.finish_owned(merged)
    }

    fn merged(&self, parts: &mut Vec<(usize, A::Acc)>) -> A::Acc {
        let aggregator = &self.shared.aggregator;
        let merged = parts.drain(..).map(|(_, part)| part).reduce(|mut acc, later| {
            aggregator.merge(&mut acc, later);
            acc
        });
        merged.unwrap_or_else(|| aggregator.create())
    }

    fn merge(&self, partition: usize, part: A::Acc) {
        let mut parts = self.shared.parts.lock();
        match parts.binary_search_by_key(&partition, |(partition, _)| *partition) {
            Ok(at) => self.shared.aggregator.merge(&mut parts[at].1, part),
            Err(at) => parts.insert(at, (partition, part)),
        }
    }

    /// Whether both are one.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    fn key(&self) -> usize {
        Arc::as_ptr(&self.shared).addr()
    }
}

impl<In, A> Default for Accumulator<In, A>
where
    In: 'static,
    A: Aggregator<In, Acc: Send + 'static> + Default + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new(A::default())
    }
}

impl<In, A: Aggregator<In>> Clone for Accumulator<In, A> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), kind: PhantomData }
    }
}

impl<In, A: Aggregator<In, Acc: fmt::Debug>> fmt::Debug for Accumulator<In, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Accumulator").field(&*self.shared.parts.lock()).finish()
    }
}

/// What one attempt added to one accumulator.
pub(crate) trait Update: Send {
    /// Makes it count; records that were set aside on the way go to `dead`.
    fn apply(self: Box<Self>, partition: usize, dead: &mut Vec<DeadLetter>);
    /// For finding it again.
    fn as_any(&mut self) -> &mut dyn Any;
}

struct Partial<In, A: Aggregator<In>> {
    target: Accumulator<In, A>,
    acc: A::Acc,
}

impl<In, A> Update for Partial<In, A>
where
    In: 'static,
    A: Aggregator<In, Acc: Send + 'static> + Send + Sync + 'static,
{
    fn apply(self: Box<Self>, partition: usize, _: &mut Vec<DeadLetter>) {
        self.target.merge(partition, self.acc);
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
    fn add<In, A>(&self, target: &Accumulator<In, A>, item: In)
    where
        In: 'static,
        A: Aggregator<In, Acc: Send + 'static> + Send + Sync + 'static,
    {
        let mut updates = self.0.borrow_mut();
        let (key, aggregator) = (target.key(), &target.shared.aggregator);
        let found = updates.iter_mut().find(|(of, _)| *of == key).and_then(|(_, update)| {
            let partial: Option<&mut Partial<In, A>> = update.as_any().downcast_mut();
            partial
        });
        match found {
            Some(partial) => aggregator.add(&mut partial.acc, item),
            None => updates.push((key, Box::new(Partial { target: target.clone(), acc: aggregator.start(item) }))),
        }
    }

    /// Adds an update of another kind.
    pub(crate) fn push(&self, update: Box<dyn Update>) {
        self.0.borrow_mut().push((NO_ACCUMULATOR, update));
    }

    /// What was added so far stays apart from what follows, so that what is pushed now stands between them.
    pub(crate) fn close(&self) {
        self.0.borrow_mut().iter_mut().for_each(|(key, _)| *key = NO_ACCUMULATOR);
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
    use firesteel_window::{List, Reduce};

    use super::*;

    #[test]
    fn an_attempt_counts_only_when_its_updates_are_applied() {
        let sum = Accumulator::<u64>::default();
        let attempt = Rc::new(Updates::default());
        {
            let _entered = enter(&attempt);
            sum.add(2);
            sum.add(3);
        }
        assert_eq!(sum.value(), 0);
        for update in attempt.take() {
            update.apply(0, &mut Vec::new());
        }
        assert_eq!(sum.value(), 5);
        sum.add(1);
        assert_eq!((sum.value(), sum.take(), sum.value()), (6, 6, 0));
    }

    /// Two tasks add two letters each, and the later one finishes first.
    fn by_partition<A>(aggregator: A) -> Accumulator<String, A>
    where
        A: Aggregator<String, Acc: Send + 'static> + Send + Sync + 'static,
    {
        let letters = Accumulator::new(aggregator);
        for (partition, added) in [(1, ["c", "d"]), (0, ["a", "b"])] {
            let attempt = Rc::new(Updates::default());
            {
                let _entered = enter(&attempt);
                added.into_iter().for_each(|letter| letters.add(letter.to_owned()));
            }
            attempt.take().into_iter().for_each(|update| update.apply(partition, &mut Vec::new()));
        }
        letters
    }

    #[test]
    fn parts_are_merged_in_partition_order() {
        assert_eq!(by_partition(List).take(), ["a", "b", "c", "d"]);
        let joined = by_partition(Reduce::new(|a: String, b: String| a + &b));
        assert_eq!(joined.value(), Some("abcd".to_owned()), "a look");
        joined.add("e".to_owned());
        assert_eq!(joined.take(), Some("abcde".to_owned()), "changes nothing");
    }
}
