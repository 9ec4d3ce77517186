//! Records that stay where they are and are handed out as clones.

use std::marker::PhantomData;
use std::sync::Arc;

/// Clones of the records of a shared list.
pub(crate) struct Shared<T, L> {
    list: Arc<L>,
    next: usize,
    kind: PhantomData<fn() -> T>,
}

impl<T, L: AsRef<[T]>> Shared<T, L> {
    pub(crate) fn new(list: Arc<L>) -> Self {
        Self { list, next: 0, kind: PhantomData }
    }

    fn records(&self) -> &[T] {
        (*self.list).as_ref()
    }
}

impl<T: Clone, L: AsRef<[T]>> Iterator for Shared<T, L> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        let record = self.records().get(self.next)?.clone();
        self.next += 1;
        Some(record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.records().len() - self.next;
        (left, Some(left))
    }

    #[inline]
    fn fold<B, F: FnMut(B, T) -> B>(self, start: B, each: F) -> B {
        self.records()[self.next..].iter().cloned().fold(start, each)
    }
}
