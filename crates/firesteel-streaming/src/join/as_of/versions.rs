//! The versions that a key has in a table: the newest one before the watermark, and all that are later.

use firesteel_core::{Exchange, Key};
use firesteel_state::{Declaration, KeyContext, Result, SortedMap};
use firesteel_window::{Duration, Timestamp};

/// The versions of each key, by when they begin; without a value, the key is deleted from then on.
pub(super) struct Versions<V> {
    versions: SortedMap<Timestamp, Option<V>>,
    /// How long a version holds, if not until the next one.
    holds: Option<Duration>,
}

impl<V: Exchange> Versions<V> {
    pub(super) fn declare<K: Key>(states: &mut Declaration<K>, holds: Option<Duration>) -> Self {
        Self { versions: states.sorted_map("versions"), holds }
    }

    /// The value that the key has at this time.
    pub(super) fn valid_at<'a, K: Key>(&self, key: &'a mut KeyContext<'_, K>, at: Timestamp) -> Result<Option<&'a V>> {
        let newest = self.versions.last_of(key, ..=at, 1)?.next();
        Ok(newest.filter(|(begins, _)| !self.is_over(**begins, at)).and_then(|(_, value)| value.as_ref()))
    }

    /// Whether the value of a version is known to have come after all that the key had until this time: no version that is gone was
    /// newer.
    pub(super) fn has_one_until<K: Key>(&self, key: &mut KeyContext<'_, K>, at: Timestamp) -> Result<bool> {
        Ok(self.versions.last_of(key, ..=at, 1)?.next().is_some())
    }

    /// Whether there is a version in this span, both ends included.
    pub(super) fn has_one_in<K: Key>(
        &self,
        key: &mut KeyContext<'_, K>,
        span: std::ops::RangeInclusive<Timestamp>,
    ) -> Result<bool> {
        Ok(self.versions.first_of(key, span, 1)?.next().is_some())
    }

    /// Takes in a version; returns when the key has to be looked at again, unless that is known already.
    pub(super) fn put<K: Key>(
        &self,
        key: &mut KeyContext<'_, K>,
        at: Timestamp,
        value: Option<V>,
    ) -> Result<Option<Timestamp>> {
        let (first, second) = {
            let mut first = self.versions.first_of(key, .., 2)?.map(|(begins, _)| *begins);
            (first.next(), first.next())
        };
        let is_delete = value.is_none();
        self.versions.put(key, at, value)?;
        let replaces = match (first, second) {
            // Something is looked at then, or before.
            (_, Some(second)) if second <= at => None,
            (Some(first), _) if first < at => Some(at),
            // It is the first one, which what comes next replaces.
            (Some(first), _) if at < first => Some(first),
            _ => None,
        };
        let deletes = (is_delete && first.is_none_or(|first| at <= first)).then_some(at);
        let expires = if first.is_none_or(|first| at < first) { self.expires(at) } else { None };
        Ok([replaces, deletes, expires].into_iter().flatten().min())
    }

    /// Lets go of what no record that happens at this time or later can meet; returns when there is more.
    pub(super) fn settle<K: Key>(&self, key: &mut KeyContext<'_, K>, at: Timestamp) -> Result<Option<Timestamp>> {
        let newest = self.versions.last_of(key, ..=at, 1)?.next();
        let newest = newest.map(|(begins, value)| (*begins, value.is_some() && !self.is_over(*begins, at)));
        if let Some((begins, holds)) = newest {
            self.versions.remove_range(key, ..begins)?;
            if !holds {
                self.versions.remove(key, &begins)?;
            }
        }
        let mut left = self.versions.first_of(key, .., 2)?;
        let Some((first, value)) = left.next() else { return Ok(None) };
        // What is gone is looked at when its time comes; what holds, when it is over.
        let deletes = value.is_none().then_some(*first);
        let replaces = left.next().map(|(second, _)| *second);
        Ok([deletes, replaces, self.expires(*first)].into_iter().flatten().min())
    }

    /// When a version that begins at this time holds no more.
    fn expires(&self, begins: Timestamp) -> Option<Timestamp> {
        Some(begins.saturating_add(self.holds?).saturating_add(Duration::micros(1)))
    }

    /// Whether a version that begins at one time holds no more at another. At the end of time none does that ends at all.
    fn is_over(&self, begins: Timestamp, at: Timestamp) -> bool {
        self.expires(begins).is_some_and(|over| over <= at)
    }
}
