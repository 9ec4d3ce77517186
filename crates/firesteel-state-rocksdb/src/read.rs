//! Reading keys and scanning tables.

use std::cmp::Ordering;

use firesteel_state::backend::Each;
use firesteel_state::{Result, Shard, TableId};

use crate::database::Database;
use crate::layout;
use crate::page::{self, Entries};

impl Database {
    /// Hands the values of `keys`, which ascend, to `found`, with their positions. Each page that holds one of them is
    /// read once.
    pub(crate) fn read(
        &self,
        shard: Shard,
        table: TableId,
        keys: &[&[u8]],
        found: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<()> {
        let Some(store) = self.store(shard.store).filter(|_| !keys.is_empty()) else { return Ok(()) };
        let Some(held) = store.shard(shard.group) else { return Ok(()) };
        let tables = self.load(&store, shard.group, &held)?;
        let directory = tables.directory(table);
        let pages = directory.pages();

        // For each page that is needed: which it is, and the position of the first key in it.
        let mut needed: Vec<(usize, usize)> = vec![];
        let mut page_keys = vec![];
        let (mut at, mut page) = (0, 0);
        while let Some(key) = keys.get(at) {
            page = directory.find_from(page, key);
            needed.push((page, at));
            page_keys.push(layout::page(shard.group, table, &pages[page].first));
            let end = pages.get(page + 1);
            at += end.map_or(keys.len() - at, |end| keys[at..].partition_point(|key| **key < *end.first));
        }
        // Who reads most of a key group will not come back soon: its pages would only drive others out.
        let sparse = needed.len() * 4 <= pages.len();
        self.read_pages(&store, &page_keys, sparse, |number, content| {
            let (page, from) = needed[number];
            pages[page].set_size(content.len());
            let until = needed.get(number + 1).map_or(keys.len(), |(_, next)| *next);
            self.find_in_page(content, &keys[from..until], |at, value| found(from + at, value))
        })
    }

    fn find_in_page(&self, content: &[u8], keys: &[&[u8]], mut found: impl FnMut(usize, &[u8])) -> Result<()> {
        let mut entries = Entries::new(content);
        let mut at = 0;
        while let Some(entry) = entries.next().map_err(|_| self.malformed("a page"))? {
            loop {
                let Some(key) = keys.get(at) else { return Ok(()) };
                match page::order(entry.key, key) {
                    Ordering::Less => break,
                    Ordering::Equal => {
                        entry.value.iter().for_each(|value| found(at, value));
                        at += 1;
                        break;
                    }
                    Ordering::Greater => at += 1,
                }
            }
        }
        Ok(())
    }

    /// Hands all keys with the prefix, without those before `from`, to `each`, in order.
    pub(crate) fn scan(
        &self,
        shard: Shard,
        table: TableId,
        prefix: &[u8],
        from: &[u8],
        each: &mut Each<'_>,
    ) -> Result<()> {
        let Some(store) = self.store(shard.store) else { return Ok(()) };
        let Some(held) = store.shard(shard.group) else { return Ok(()) };
        let tables = self.load(&store, shard.group, &held)?;
        let directory = tables.directory(table);
        let pages = &directory.pages()[directory.find(prefix.max(from))..];
        let beyond = |key: &[u8]| key > prefix && !key.starts_with(prefix);
        let pages = &pages[..pages.partition_point(|page| !beyond(&page.first))];
        // A few at a time, so that little is held in memory.
        for pages in pages.chunks(16) {
            let keys: Vec<_> = pages.iter().map(|page| layout::page(shard.group, table, &page.first)).collect();
            self.read_pages(&store, &keys, keys.len() == 1, |at, content| {
                pages[at].set_size(content.len());
                let mut entries = Entries::new(content);
                while let Some(entry) = entries.next().map_err(|_| self.malformed("a page"))? {
                    match entry.value {
                        Some(value) if entry.key.starts_with(prefix) && entry.key >= from => each(entry.key, value)?,
                        _ if beyond(entry.key) => break,
                        _ => {}
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}
