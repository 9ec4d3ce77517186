//! The rows of what has fired in a partition, made slice by slice.

use std::vec;

use firesteel_core::{Blocks, Exchange, Iterated, Key, Operator, TaskContext, block_len};
use firesteel_window::{Aggregator, DisjointWindows, Timestamp, Window};

use crate::state::or_fail;
use crate::windows::WindowResult;
use crate::windows::rdd::InBatch;

/// What has fired in a partition and has not been read.
pub(super) trait Unread<K, Acc> {
    /// Whether nothing is left.
    fn is_over(&self) -> bool;

    /// Reads about the next `limit` rows of the first key group that is left.
    fn read(&mut self, limit: usize, each: impl FnMut(Window, &K, &Acc)) -> firesteel_state::Result<()>;

    /// Passes over the first key group that is left.
    fn skip(&mut self);

    /// Takes note of what has fired and changed. Nothing is left.
    fn end(&mut self);
}

/// The results of a partition.
pub(super) struct Rows<'a, K, V, A: Aggregator<V>, T, U: Unread<K, A::Acc>> {
    aggregator: &'a A,
    operator: &'a Operator,
    present: fn(A::Out) -> Option<T>,
    task: &'a TaskContext,
    unread: U,
    /// Rows that have been made.
    ahead: vec::IntoIter<(Timestamp, WindowResult<K, T>)>,
}

impl<'a, K, V, A, T, U> Rows<'a, K, V, A, T, U>
where
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
    U: Unread<K, A::Acc> + 'a,
{
    /// The results, in blocks.
    pub(super) fn blocks<W>(
        of: &'a InBatch<K, V, W, A, T>,
        task: &'a TaskContext,
        unread: U,
    ) -> Box<dyn Blocks<(Timestamp, WindowResult<K, T>)> + 'a>
    where
        W: DisjointWindows + Clone + Send + Sync + 'static,
    {
        Box::new(Iterated::new(Self::new(of, task, unread), task))
    }

    /// The results, one by one.
    pub(super) fn new<W>(of: &'a InBatch<K, V, W, A, T>, task: &'a TaskContext, unread: U) -> Self
    where
        W: DisjointWindows + Clone + Send + Sync + 'static,
    {
        let (aggregator, operator, present) = (of.aggregator(), &of.operator, of.present);
        Self { aggregator, operator, present, task, unread, ahead: Vec::new().into_iter() }
    }
}

impl<K, V, A, T, U> Iterator for Rows<'_, K, V, A, T, U>
where
    K: Key,
    A: Aggregator<V>,
    U: Unread<K, A::Acc>,
{
    type Item = (Timestamp, WindowResult<K, T>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let row = self.ahead.next();
            if row.is_some() || self.unread.is_over() {
                return row;
            }
            let Self { aggregator, operator, present, task, unread, .. } = self;
            task.check_cancelled();
            let (mut rows, room) = (Vec::new(), block_len::<Self::Item>());
            while rows.len() < room && !unread.is_over() {
                let read = unread.read(room - rows.len(), |window, key, acc| {
                    let out = task.blame_on(operator, || aggregator.finish(acc));
                    let row = |value| (window.last_instant(), WindowResult { window, key: key.clone(), value });
                    rows.extend(present(out).map(row));
                });
                or_fail(read, operator, task);
            }
            self.ahead = rows.into_iter();
        }
    }
}

impl<K, V, A: Aggregator<V>, T, U: Unread<K, A::Acc>> Drop for Rows<'_, K, V, A, T, U> {
    /// Rows that nobody wanted have fired, too.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        while !self.unread.is_over() {
            // What cannot be read now is not read when the epoch ends either, which fails the job.
            if self.unread.read(usize::MAX, |_, _, _| {}).is_err() {
                self.unread.skip();
            }
        }
        self.unread.end();
    }
}
