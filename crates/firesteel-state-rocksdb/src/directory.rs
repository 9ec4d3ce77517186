//! Directories: where the pages of a table begin.
//!
//! A table of a key group begins as one page. A page that has grown too long is cut into several, and the directory
//! tells which page a key is in. It is small enough to stay in memory: some fifty bytes a page, less than one byte for
//! each key.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::page::{Malformed, put_varint, varint};

/// The pages of one table in one key group, in the order of their keys. There is always one, and the first of them
/// begins with the empty key.
#[derive(Debug)]
pub(crate) struct Directory {
    pages: Vec<Page>,
    /// How many pages there were when it was last looked whether some of them should be one.
    tidied: usize,
}

/// Where a page begins, and how long it is at most.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) first: Box<[u8]>,
    size: AtomicU32,
}

impl Page {
    pub(crate) fn new(first: &[u8], size: usize) -> Self {
        Self { first: first.into(), size: AtomicU32::new(clamp(size)) }
    }

    /// How long it is at most, in bytes: what it was when last read, and what has been written to it since.
    pub(crate) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed) as usize
    }

    /// Notes how long it is. Two threads may do so at once: it is an estimate.
    pub(crate) fn set_size(&self, size: usize) {
        self.size.store(clamp(size), Ordering::Relaxed);
    }
}

impl Clone for Page {
    fn clone(&self) -> Self {
        Self { first: self.first.clone(), size: AtomicU32::new(self.size.load(Ordering::Relaxed)) }
    }
}

fn clamp(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// Below this many pages, it is not worthwhile to look whether some of them should be one.
const FEW: usize = 64;

impl Default for Directory {
    /// One page, which may not exist.
    fn default() -> Self {
        Self { pages: vec![Page::new(b"", 0)], tidied: 1 }
    }
}

impl Directory {
    pub(crate) fn new(pages: Vec<Page>, tidied: usize) -> Self {
        debug_assert!(pages.first().is_some_and(|page| page.first.is_empty()));
        debug_assert!(pages.is_sorted_by(|a, b| a.first < b.first));
        Self { pages, tidied }
    }

    /// One page that has not been read yet: who writes to it has to look first.
    pub(crate) fn of_unknown_size() -> Self {
        Self { pages: vec![Page::new(b"", usize::MAX)], tidied: 1 }
    }

    pub(crate) fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// The page that a key is in.
    pub(crate) fn find(&self, key: &[u8]) -> usize {
        self.pages.partition_point(|page| *page.first <= *key) - 1
    }

    /// Like [`find`](Self::find), for a key that is not before page `from`: it looks nearby first.
    pub(crate) fn find_from(&self, from: usize, key: &[u8]) -> usize {
        let ahead = &self.pages[from + 1..];
        for (step, page) in ahead.iter().take(4).enumerate() {
            if *page.first > *key {
                return from + step;
            }
        }
        from + ahead.partition_point(|page| *page.first <= *key)
    }

    pub(crate) fn tidied(&self) -> usize {
        self.tidied
    }

    /// Whether it has become so long that some pages may have become empty in the meantime.
    pub(crate) fn is_to_be_tidied(&self) -> bool {
        self.pages.len() >= FEW.max(self.tidied * 2)
    }

    /// Bytes of memory.
    pub(crate) fn memory_used(&self) -> u64 {
        let keys: usize = self.pages.iter().map(|page| page.first.len() + 16).sum();
        (keys + self.pages.capacity() * size_of::<Page>()) as u64
    }

    /// How many pages there were when they were last tidied, how many there are, and for each how long it is at most
    /// and its first key after its length: all varints.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![];
        put_varint(&mut out, self.tidied);
        put_varint(&mut out, self.pages.len());
        for page in &self.pages {
            put_varint(&mut out, page.size());
            put_varint(&mut out, page.first.len());
            out.extend_from_slice(&page.first);
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut at = 0;
        let tidied = varint(bytes, &mut at)?;
        let count = varint(bytes, &mut at)?;
        let mut pages: Vec<Page> = vec![];
        for _ in 0..count {
            let size = varint(bytes, &mut at)?;
            let length = varint(bytes, &mut at)?;
            let first = bytes[at..].get(..length).ok_or(Malformed)?;
            at += length;
            let in_order = pages.last().map_or(first.is_empty(), |last| *last.first < *first);
            if !in_order {
                return Err(Malformed);
            }
            pages.push(Page::new(first, size));
        }
        if pages.is_empty() || at != bytes.len() {
            return Err(Malformed);
        }
        Ok(Self { pages, tidied })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    fn directory(mut firsts: std::collections::BTreeSet<Vec<u8>>) -> Directory {
        firsts.insert(vec![]);
        Directory::new(firsts.iter().map(|first| Page::new(first, first.len() * 100)).collect(), 7)
    }

    proptest! {
        #[test]
        fn every_key_has_the_last_page_that_begins_before_it(
            firsts in btree_set(vec(0..5u8, 0..4), 0..20), key in vec(0..5u8, 0..4), from in vec(0..5u8, 0..4)
        ) {
            let directory = directory(firsts);
            let found = directory.find(&key);
            prop_assert!(*directory.pages()[found].first <= key[..]);
            prop_assert!(directory.pages().get(found + 1).is_none_or(|next| *next.first > key[..]));
            if from <= key {
                prop_assert_eq!(directory.find_from(directory.find(&from), &key), found);
            }
        }

        #[test]
        fn what_is_written_is_read(firsts in btree_set(vec(any::<u8>(), 0..4), 0..20)) {
            let directory = directory(firsts);
            let read = Directory::decode(&directory.encode()).unwrap();
            prop_assert_eq!(format!("{read:?}"), format!("{directory:?}"));
        }

        #[test]
        fn any_bytes_are_survived(bytes in vec(0..8u8, 0..30)) {
            if let Ok(directory) = Directory::decode(&bytes) {
                prop_assert_eq!(directory.find(b""), 0);
            }
        }
    }
}
