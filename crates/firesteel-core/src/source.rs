//! What RDDs at the bottom of a lineage share: they say which record they are at.

use crate::task::TaskContext;

/// Numbers the records of a partition from 0, so that a failure can name the record. In a tight loop the number lives
/// in a register; it reaches the task only when it is needed.
pub struct Numbered<'t, I> {
    inner: I,
    next: u64,
    counted: bool,
    task: &'t TaskContext,
}

impl<'t, I: Iterator> Numbered<'t, I> {
    /// The same records, numbered for messages and counted as read.
    pub fn new(inner: I, task: &'t TaskContext) -> Self {
        Self { inner, next: 0, counted: true, task }
    }

    /// The same for records that come out of a shuffle, which are not read from a source.
    pub(crate) fn after_shuffle(inner: I, task: &'t TaskContext) -> Self {
        Self { inner, next: 0, counted: false, task }
    }
}

impl<I: Iterator> Iterator for Numbered<'_, I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        let record = self.inner.next()?;
        self.task.set_position(self.next);
        if self.counted {
            self.task.count_read(1);
        }
        self.next += 1;
        if self.next.is_multiple_of(8192) {
            self.task.check_cancelled();
        }
        Some(record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }

    #[inline]
    fn fold<B, F: FnMut(B, I::Item) -> B>(self, start: B, mut each: F) -> B {
        struct Report<'t> {
            seen: u64,
            first: u64,
            counted: bool,
            task: &'t TaskContext,
        }
        impl Drop for Report<'_> {
            fn drop(&mut self) {
                if self.counted {
                    self.task.count_read(self.seen - self.first);
                }
                if let Some(last) = self.seen.checked_sub(1) {
                    self.task.set_position(last);
                }
            }
        }
        let mut report = Report { seen: self.next, first: self.next, counted: self.counted, task: self.task };
        self.inner.fold(start, |acc, record| {
            report.seen += 1;
            each(acc, record)
        })
    }
}
