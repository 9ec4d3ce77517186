//! Pages: runs of keys with their values, sorted, in one value of the database.
//!
//! RocksDB spends a microsecond and more on each entry it finds, writes or compacts, however short it is. A page of a
//! few kilobytes costs little more than a single entry, and what is in it is read at the speed of memory. A change is
//! written as a short page of changes, an operand, which is merged with the page below when RocksDB comes across both:
//! on a read or while it compacts.
//!
//! Keys ascend within a page. Each entry is: the key's length, a varint; the value's length plus one, or 0 for a
//! removal, a varint; the key; the value. Removals stand in operands only.

use std::borrow::Cow;
use std::cmp::Ordering;

/// One key of a page, and its value or `None` for a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: Option<&'a [u8]>,
    /// Where in the page it begins and ends.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Bytes that are no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A page that is read front to back.
pub(crate) struct Entries<'a> {
    page: &'a [u8],
    at: usize,
}

impl<'a> Entries<'a> {
    pub(crate) const fn new(page: &'a [u8]) -> Self {
        Self { page, at: 0 }
    }

    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'a>>, Malformed> {
        let start = self.at;
        if start == self.page.len() {
            return Ok(None);
        }
        let key_length = varint(self.page, &mut self.at)?;
        let value_length = varint(self.page, &mut self.at)?;
        let key = self.take(key_length)?;
        let value = match value_length.checked_sub(1) {
            Some(length) => Some(self.take(length)?),
            None => None,
        };
        Ok(Some(Entry { key, value, start, end: self.at }))
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let taken = self.page[self.at..].get(..length).ok_or(Malformed)?;
        self.at += length;
        Ok(taken)
    }
}

#[inline]
pub(crate) fn varint(bytes: &[u8], at: &mut usize) -> Result<usize, Malformed> {
    let first = *bytes.get(*at).ok_or(Malformed)?;
    *at += 1;
    if first < 0x80 {
        return Ok(usize::from(first));
    }
    let mut value = usize::from(first & 0x7F);
    for shift in (7..usize::BITS).step_by(7) {
        let byte = *bytes.get(*at).ok_or(Malformed)?;
        *at += 1;
        let bits = usize::from(byte & 0x7F);
        if (bits << shift) >> shift != bits {
            return Err(Malformed);
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Malformed)
}

#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends an entry. Keys must be handed in in ascending order.
#[inline]
pub(crate) fn push(page: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    put_varint(page, key.len());
    put_varint(page, value.map_or(0, |value| value.len() + 1));
    page.extend_from_slice(key);
    page.extend_from_slice(value.unwrap_or_default());
}

/// The first eight bytes of a key, with zeros after a shorter one: in the order of keys, as far as they differ.
#[inline]
fn beginning(key: &[u8]) -> u64 {
    if let Some(first) = key.first_chunk::<8>() {
        return u64::from_be_bytes(*first);
    }
    if let (Some(first), Some(last)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        // Both halves overlap by what is missing.
        let rest = u32::from_be_bytes(*last).unbounded_shl(8 * (8 - key.len() as u32));
        return u64::from(u32::from_be_bytes(*first)) << 32 | u64::from(rest);
    }
    key.iter().enumerate().fold(0, |bytes, (at, byte)| bytes | u64::from(*byte) << (56 - 8 * at))
}

/// The order of keys, mostly found out from their first eight bytes without a call.
#[inline]
pub(crate) fn order(a: &[u8], b: &[u8]) -> Ordering {
    match beginning(a).cmp(&beginning(b)) {
        // Of two that are no longer than that, one begins the other.
        Ordering::Equal if a.len() <= 8 && b.len() <= 8 => a.len().cmp(&b.len()),
        Ordering::Equal => a.cmp(b),
        differ => differ,
    }
}

/// All changes as one, of which the later ones are those made to what comes of the earlier. Neighbors are merged two by two:
/// so each entry is copied a few times, and not once for each change after it.
pub(crate) fn combine<'a>(changes: impl Iterator<Item = &'a [u8]>) -> Result<Cow<'a, [u8]>, Malformed> {
    let mut parts: Vec<Cow<'a, [u8]>> = changes.map(Cow::Borrowed).collect();
    while parts.len() > 1 {
        let mut fewer = Vec::with_capacity(parts.len().div_ceil(2));
        let mut rest = parts.into_iter();
        while let Some(below) = rest.next() {
            fewer.push(match rest.next() {
                Some(above) => Cow::Owned(merge(&below, &above, true)?),
                None => below,
            });
        }
        parts = fewer;
    }
    Ok(parts.pop().unwrap_or_default())
}

/// The changes of `above` made to `below`. Removals are kept only if there may be more below.
pub(crate) fn merge(below: &[u8], above: &[u8], keep_removals: bool) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(below.len() + above.len());
    let (mut old, mut new) = (Entries::new(below), Entries::new(above));
    // What of `below` is not yet copied begins here: whole runs of it are copied at once.
    let mut run = 0;
    let mut next_old = old.next()?;
    while let Some(change) = new.next()? {
        let mut until = next_old.map_or(below.len(), |entry| entry.start);
        while let Some(entry) = next_old {
            match order(entry.key, change.key) {
                Ordering::Less => next_old = old.next()?,
                Ordering::Equal => {
                    until = entry.start;
                    next_old = old.next()?;
                    break;
                }
                Ordering::Greater => {
                    until = entry.start;
                    break;
                }
            }
            until = next_old.map_or(below.len(), |entry| entry.start);
        }
        out.extend_from_slice(&below[run..until]);
        run = next_old.map_or(below.len(), |entry| entry.start);
        if keep_removals || change.value.is_some() {
            out.extend_from_slice(&above[change.start..change.end]);
        }
    }
    out.extend_from_slice(&below[run..]);
    Ok(out)
}

/// The page without removals and without the values that `drops` names.
pub(crate) fn retain(page: &[u8], drops: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(page.len());
    let (mut entries, mut run) = (Entries::new(page), 0);
    while let Some(entry) = entries.next()? {
        if entry.value.is_none_or(&drops) {
            out.extend_from_slice(&page[run..entry.start]);
            run = entry.end;
        }
    }
    out.extend_from_slice(&page[run..]);
    Ok(out)
}

/// Cuts a page into even pieces of about `target` bytes, each with its first key. An entry is never cut.
pub(crate) fn split(page: &[u8], target: usize) -> Result<Vec<(&[u8], &[u8])>, Malformed> {
    let pieces = page.len().div_ceil(target.max(1)).max(1);
    let even = page.len().div_ceil(pieces);
    let mut parts = Vec::with_capacity(pieces);
    let (mut entries, mut start, mut first) = (Entries::new(page), 0, &b""[..]);
    while let Some(entry) = entries.next()? {
        if entry.start == start {
            first = entry.key;
        } else if entry.end - start > even {
            parts.push((first, &page[start..entry.start]));
            (start, first) = (entry.start, entry.key);
        }
    }
    parts.push((first, &page[start..]));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

    fn page(changes: &Changes) -> Vec<u8> {
        let mut page = vec![];
        changes.iter().for_each(|(key, value)| push(&mut page, key, value.as_deref()));
        page
    }

    fn read(page: &[u8]) -> Changes {
        let (mut all, mut entries) = (Changes::new(), Entries::new(page));
        while let Some(entry) = entries.next().unwrap() {
            assert!(all.last_key_value().is_none_or(|(last, _)| last[..] < *entry.key), "keys ascend");
            all.insert(entry.key.to_vec(), entry.value.map(<[u8]>::to_vec));
        }
        all
    }

    fn changes() -> impl Strategy<Value = Changes> {
        btree_map(vec(0..4u8, 0..3), prop::option::of(vec(any::<u8>(), 0..200)), 0..20)
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_bytes(a in vec(0..2u8, 0..11), b in vec(0..2u8, 0..11), c: u64, at in 0..9usize) {
            prop_assert_eq!(order(&a, &b), a.cmp(&b));
            let (c, d) = (&c.to_be_bytes()[at.min(8)..], &c.rotate_left(8).to_be_bytes()[..at]);
            prop_assert_eq!((order(c, d), order(d, c)), (c.cmp(d), d.cmp(c)));
        }

        #[test]
        fn what_is_written_is_read(changes in changes()) {
            prop_assert_eq!(read(&page(&changes)), changes);
        }

        #[test]
        fn merging_is_what_inserting_is(below in changes(), above in changes()) {
            let mut expected = below.clone();
            expected.extend(above.clone());
            let kept = merge(&page(&below), &page(&above), true).unwrap();
            prop_assert_eq!(read(&kept), expected.clone());
            let mut bottom = below;
            bottom.retain(|_, value| value.is_some());
            expected.retain(|key, _| above.get(key).or(bottom.get(key)).is_some_and(Option::is_some));
            prop_assert_eq!(read(&merge(&page(&bottom), &page(&above), false).unwrap()), expected);
        }

        #[test]
        fn operands_may_be_merged_in_any_grouping(a in changes(), b in changes(), c in changes()) {
            let (a, b, c) = (page(&a), page(&b), page(&c));
            let left = merge(&merge(&a, &b, true).unwrap(), &c, true).unwrap();
            let right = merge(&a, &merge(&b, &c, true).unwrap(), true).unwrap();
            prop_assert_eq!(&left, &right);
            prop_assert_eq!(&*combine([&a[..], &b, &c].into_iter()).unwrap(), &left[..]);
        }

        #[test]
        fn pieces_are_the_page(changes in changes(), target in 1..300usize) {
            let whole = page(&changes);
            let parts = split(&whole, target).unwrap();
            prop_assert_eq!(parts.iter().flat_map(|(_, part)| part.to_vec()).collect::<Vec<_>>(), whole.clone());
            for (first, part) in &parts {
                let first_key = read(part).first_key_value().map(|(key, _)| key.clone()).unwrap_or_default();
                prop_assert_eq!(&first_key[..], *first);
                prop_assert!(part.len() <= target || read(part).len() == 1, "{} of {}", part.len(), target);
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..50), other in vec(any::<u8>(), 0..50)) {
            _ = merge(&bytes, &other, false);
            _ = retain(&bytes, |_| true);
            _ = split(&bytes, 7);
        }

        #[test]
        fn what_is_over_is_dropped(changes in changes()) {
            let mut expected = changes.clone();
            expected.retain(|_, value| value.as_ref().is_some_and(|value| value.len() < 100));
            prop_assert_eq!(read(&retain(&page(&changes), |value| value.len() >= 100).unwrap()), expected);
        }
    }
}
