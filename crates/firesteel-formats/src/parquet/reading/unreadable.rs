//! Rows that cannot be read, since a page with a part of them is damaged. The others are read.
//!
//! Which rows these are does not depend on who asks for which: it is found out within stretches that lie at the same places whatever is
//! read.

use std::collections::VecDeque;
use std::ops::Range;

use super::{Rows, guarded};
use crate::parquet::chunks::GIVES_UP;
use crate::table::TableError;

/// Rows that are looked into together, counted from the beginning of their row group.
const STRETCH: u64 = 1_024;

/// Rows of a file that cannot be read.
#[derive(Debug, Default)]
pub(super) struct Unreadable(Vec<(Range<u64>, String)>);

impl Unreadable {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first stretch that ends after this row, and why it cannot be read.
    fn after(&self, row: u64) -> Option<(&Range<u64>, &str)> {
        let (rows, reason) = self.0.get(self.0.partition_point(|(rows, _)| rows.end <= row))?;
        Some((rows, reason))
    }

    /// The stretch that has this row.
    fn at(&self, row: u64) -> Option<(&Range<u64>, &str)> {
        self.after(row).filter(|(rows, _)| rows.contains(&row))
    }

    /// What is left of some rows.
    pub(super) fn without(&self, rows: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let mut at = rows.start;
        let first = self.0.partition_point(|(bad, _)| bad.end <= rows.start);
        let within = self.0[first..].iter().take_while(move |(bad, _)| bad.start < rows.end);
        let before = within.map(|(bad, _)| bad.clone()).chain(std::iter::once(rows.end..rows.end));
        before.filter_map(move |bad| {
            let good = at..bad.start;
            at = at.max(bad.end);
            (good.start < good.end).then_some(good)
        })
    }

    /// Takes note of rows; tells whether it is news.
    fn add(&mut self, rows: Range<u64>, reason: &str) -> bool {
        if self.without(rows.clone()).next().is_none() {
            return false;
        }
        let first = self.0.partition_point(|(bad, _)| bad.end < rows.start);
        let last = self.0.partition_point(|(bad, _)| bad.start <= rows.end);
        let touched = &self.0[first..last];
        let start = touched.first().map_or(rows.start, |(bad, _)| bad.start.min(rows.start));
        let end = touched.last().map_or(rows.end, |(bad, _)| bad.end.max(rows.end));
        let reason = touched.first().map_or_else(|| reason.to_owned(), |(_, reason)| reason.clone());
        self.0.splice(first..last, [(start..end, reason)]);
        true
    }
}

impl<T> Rows<T> {
    /// The first row from this one on that may be wanted and can be read, as far as is known.
    pub(super) fn readable(&self, mut from: u64) -> Option<u64> {
        loop {
            let row = self.may_be_wanted(from)?;
            match self.unreadable.at(row) {
                None => return Some(row),
                Some((rows, _)) => from = rows.end,
            }
        }
    }

    /// Makes certain that nothing in `[from, to)` may be wanted that cannot be read.
    #[cold]
    pub(super) fn check(&self, from: u64, to: u64) -> Result<(), TableError> {
        let mut at = from;
        while let Some((rows, reason)) = self.unreadable.after(at).filter(|(rows, _)| rows.start < to) {
            let (first, end) = (self.may_be_wanted(rows.start.max(from)), rows.end.min(to));
            if let Some(first) = first.filter(|first| *first < end) {
                return Err(TableError::Rows { rows: first..end, reason: reason.to_owned() });
            }
            at = rows.end;
        }
        Ok(())
    }

    /// Finds out which of the rows that are coming cannot be read, as many as are decoded at once. What was open is closed.
    pub(super) fn look_into(&mut self, coming: &VecDeque<Range<u64>>, reason: &str) -> Result<(), TableError> {
        self.opened = None;
        let Some(first) = coming.front().map(|rows| rows.start) else { return Ok(()) };
        if self.has_lists {
            let end = self.borders[self.group_of(first) + 1];
            self.unreadable.add(first..end, reason);
            return Ok(());
        }
        let (mut left, mut end) = (self.rows_at_once as u64, first);
        for rows in coming {
            end = rows.end.min(rows.start.saturating_add(left));
            left = left.saturating_sub(rows.end - rows.start);
            if left == 0 {
                break;
            }
        }
        let group = self.group_of(first);
        let (begin, group_end) = (self.borders[group], self.borders[group + 1]);
        let (mut at, mut is_any) = (first - (first - begin) % STRETCH, false);
        while at < end {
            let stretch = at..group_end.min(at + STRETCH);
            at = stretch.end;
            let (mut found, mut why) = (Vec::new(), None);
            self.search(&stretch, &mut found, &mut why)?;
            for rows in found {
                is_any |= self.unreadable.add(rows, why.as_deref().unwrap_or(reason));
            }
        }
        if is_any {
            return Ok(());
        }
        // Each can be read for itself. Fewer at once may do, as where texts are too large together.
        if self.rows_at_once > STRETCH as usize {
            self.rows_at_once = STRETCH as usize;
        } else {
            self.unreadable.add(first..end.max(first + 1), reason);
        }
        Ok(())
    }

    /// The rows among these that cannot be read. Where the first, the middle and the last cannot, none is taken to be readable; nor where
    /// the library gives up, which is not asked again and again.
    fn search(
        &self,
        rows: &Range<u64>,
        found: &mut Vec<Range<u64>>,
        why: &mut Option<String>,
    ) -> Result<(), TableError> {
        let Some(reason) = self.damage(rows)? else { return Ok(()) };
        let gives_up = reason.starts_with(GIVES_UP);
        why.get_or_insert(reason);
        let middle = rows.start + (rows.end - rows.start) / 2;
        let mut is_readable = false;
        if !gives_up && rows.end - rows.start > 1 {
            for row in [rows.start, middle, rows.end - 1] {
                is_readable = is_readable || self.damage(&(row..row + 1))?.is_none();
            }
        }
        if !is_readable {
            found.push(rows.clone());
            return Ok(());
        }
        self.search(&(rows.start..middle), found, why)?;
        self.search(&(middle..rows.end), found, why)
    }

    /// Reads rows of one row group, for the sake of it: tells what is wrong with them. That the file cannot be read says nothing of them.
    fn damage(&self, rows: &Range<u64>) -> Result<Option<String>, TableError> {
        let coming = VecDeque::from([rows.clone()]);
        let read = self.reader(self.group_of(rows.start), &coming).and_then(|mut reader| {
            let mut count = 0;
            guarded(|| {
                for batch in &mut reader {
                    count += batch?.num_rows() as u64;
                }
                Ok(())
            })?;
            Ok(count)
        });
        match read.map_err(|error| self.chunks.honest(error)) {
            Ok(count) if count == rows.end - rows.start => Ok(None),
            Ok(_) => Ok(Some("a row group ends before its last row".to_owned())),
            Err(TableError::Io(error)) => Err(TableError::Io(error)),
            Err(error) => Ok(Some(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_put_together_and_left_out() {
        let mut unreadable = Unreadable::default();
        assert!(unreadable.add(10..20, "b") && unreadable.add(0..5, "a") && unreadable.add(30..40, "c"));
        assert!(!unreadable.add(12..20, "again"));
        assert_eq!(unreadable.without(0..50).collect::<Vec<_>>(), [5..10, 20..30, 40..50]);
        assert_eq!(unreadable.without(12..35).next(), Some(20..30));
        assert_eq!(unreadable.without(12..35).count(), 1);
        assert_eq!(unreadable.without(12..15).count(), 0);
        assert!(unreadable.add(5..10, "d"));
        assert_eq!(unreadable.at(7), Some((&(0..20), "a")));
        assert_eq!(unreadable.at(20), None);
    }
}
