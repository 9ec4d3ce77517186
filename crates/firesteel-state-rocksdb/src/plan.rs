//! What the changes of one shard become: operands for pages, pages that are cut, and the marker.

use std::cmp::Ordering;
use std::sync::Arc;

use firesteel_state::{Frame, KeyGroup, Marker, Result, TableId};

use crate::database::{Database, Store, Tables};
use crate::directory::{Directory, Page};
use crate::layout;
use crate::page;

/// One change of the database.
pub(crate) enum Op {
    Put(Vec<u8>),
    Merge(Vec<u8>),
    Delete,
}

/// What is to be written of one shard.
pub(crate) struct Plan {
    /// In the order of their keys, each of which is there once.
    pub(crate) ops: Vec<(Vec<u8>, Op)>,
    /// The directories of tables that are new, or whose pages begin elsewhere afterwards.
    pub(crate) directories: Vec<(TableId, Arc<Directory>)>,
}

struct Change<'a> {
    table: TableId,
    key: &'a [u8],
    value: Option<&'a [u8]>,
}

/// The changes of all frames, sorted; of several changes of a key, the last one.
fn sorted<'a>(frames: &[&'a Frame]) -> Vec<Change<'a>> {
    let changes = frames.iter().flat_map(|frame| frame.changes());
    let mut changes: Vec<Change<'a>> =
        changes.map(|change| Change { table: change.table, key: change.key, value: change.value }).collect();
    let order = |a: &Change<'a>, b: &Change<'a>| a.table.cmp(&b.table).then_with(|| page::order(a.key, b.key));
    if !changes.is_sorted_by(|a, b| order(a, b) == Ordering::Less) {
        changes.sort_by(order);
        changes.dedup_by(|later, earlier| {
            let same = order(later, earlier) == Ordering::Equal;
            if same {
                earlier.value = later.value;
            }
            same
        });
    }
    changes
}

/// Plans one shard.
pub(crate) struct Planner<'a> {
    pub(crate) database: &'a Database,
    pub(crate) store: &'a Store,
    pub(crate) group: KeyGroup,
    /// About how long a page is to be.
    pub(crate) target: usize,
}

impl Planner<'_> {
    /// What the frames, all of this shard, become with this marker.
    pub(crate) fn plan(&self, at: Marker, frames: &[&Frame], tables: &Tables) -> Result<Plan> {
        let mut ops = vec![(layout::marker(self.group), Op::Put(at.encode().to_vec()))];
        let mut directories = vec![];
        let changes = sorted(frames);
        for changes in changes.chunk_by(|a, b| a.table == b.table) {
            let table = changes[0].table;
            let old = tables.directory(table);
            if let Some(directory) = self.plan_table(table, changes, &old, &mut ops)? {
                ops.push((layout::directory(self.group, table), Op::Put(directory.encode())));
                directories.push((table, Arc::new(directory)));
            } else if tables.known(table).is_none() {
                directories.push((table, old));
            }
        }
        // Directories stand before pages, and pages that were read come after those that were not.
        ops.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Plan { ops, directories })
    }

    /// Writes operands for pages that certainly stay short enough, and reads the others. Returns the new directory if
    /// pages begin elsewhere now.
    fn plan_table(
        &self,
        table: TableId,
        changes: &[Change<'_>],
        directory: &Directory,
        ops: &mut Vec<(Vec<u8>, Op)>,
    ) -> Result<Option<Directory>> {
        let most = self.target * 2;
        let pages = directory.pages();
        // Pages that have to be read, with their operands.
        let mut to_read: Vec<(usize, Vec<u8>)> = vec![];
        let (mut rest, mut at) = (changes, 0);
        while let Some(first) = rest.first() {
            at = directory.find_from(at, first.key);
            let next = pages.get(at + 1);
            let mine = next.map_or(rest.len(), |next| rest.partition_point(|change| *change.key < *next.first));
            let (run, others) = rest.split_at(mine);
            rest = others;
            let mut operand = vec![];
            run.iter().for_each(|change| page::push(&mut operand, change.key, change.value));
            let size = pages[at].size().saturating_add(operand.len());
            if size > most {
                to_read.push((at, operand));
            } else {
                pages[at].set_size(size);
                ops.push((layout::page(self.group, table, &pages[at].first), Op::Merge(operand)));
            }
        }
        let mut cut = vec![];
        let keys: Vec<_> = to_read.iter().map(|(at, _)| layout::page(self.group, table, &pages[*at].first)).collect();
        let mut waiting = to_read.into_iter();
        let mut keys_left = keys.iter();
        // As when reading: where most pages are read, those in the cache would only drive others out, or fill memory.
        let sparse = keys.len() * 4 <= pages.len();
        self.database.read_pages(self.store, &keys, sparse, |_, old| {
            let (Some((at, operand)), Some(key)) = (waiting.next(), keys_left.next()) else { return Ok(()) };
            let malformed = |_| self.database.malformed("a page");
            let merged = page::merge(old, &operand, false).map_err(malformed)?;
            let parts =
                if merged.len() > most { page::split(&merged, self.target).map_err(malformed)? } else { vec![] };
            if parts.len() > 1 {
                let mut new = vec![];
                for (number, (first, part)) in parts.into_iter().enumerate() {
                    let first = if number == 0 { &pages[at].first } else { first };
                    ops.push((layout::page(self.group, table, first), Op::Put(part.to_vec())));
                    new.push(Page::new(first, part.len()));
                }
                cut.push((at, new));
            } else {
                pages[at].set_size(merged.len());
                // A page that is nothing but its changes need not be kept as such.
                let whole = old.is_empty() || operand.len() * 2 > merged.len();
                ops.push((key.clone(), if whole { Op::Put(merged) } else { Op::Merge(operand) }));
            }
            Ok(())
        })?;
        if cut.is_empty() {
            return Ok(None);
        }
        let mut cut = cut.into_iter().peekable();
        let mut all = Vec::with_capacity(pages.len() + cut.len() * 2);
        for (at, page) in pages.iter().enumerate() {
            match cut.next_if(|(of, _)| *of == at) {
                Some((_, new)) => all.extend(new),
                None => all.push(page.clone()),
            }
        }
        let directory = Directory::new(all, directory.tidied());
        if directory.is_to_be_tidied() { self.tidy(table, directory, ops).map(Some) } else { Ok(Some(directory)) }
    }

    /// Makes one page of neighbors that have become short. All pages are read for that, but only once for each time
    /// that their number has doubled.
    fn tidy(&self, table: TableId, directory: Directory, ops: &mut Vec<(Vec<u8>, Op)>) -> Result<Directory> {
        let pages = directory.pages();
        let key = |page: &Page| layout::page(self.group, table, &page.first);
        let keys: Vec<_> = pages.iter().map(key).collect();
        // What is written in this very call is not read yet: it stays as it is.
        let mut written: Vec<&[u8]> = ops.iter().map(|(key, _)| key.as_slice()).collect();
        written.sort_unstable();
        let mut kept: Vec<Page> = Vec::with_capacity(pages.len());
        // Neighbors that are to become one page: how many, and what is in them.
        let mut run: Vec<&Page> = vec![];
        let mut content: Vec<u8> = vec![];
        let mut done: Vec<(Vec<u8>, Op)> = vec![];
        let close = |run: &mut Vec<&Page>, content: &mut Vec<u8>, kept: &mut Vec<Page>, done: &mut Vec<_>| {
            let content = std::mem::take(content);
            if let [first, others @ ..] = &run[..] {
                kept.push(Page::new(&first.first, content.len()));
                if !others.is_empty() {
                    done.push((key(first), Op::Put(content)));
                    done.extend(others.iter().map(|page| (key(page), Op::Delete)));
                }
            }
            run.clear();
        };
        self.database.read_pages(self.store, &keys, false, |at, old| {
            if written.binary_search(&keys[at].as_slice()).is_ok() {
                close(&mut run, &mut content, &mut kept, &mut done);
                kept.push(pages[at].clone());
                return Ok(());
            }
            if content.len() + old.len() > self.target {
                close(&mut run, &mut content, &mut kept, &mut done);
            }
            run.push(&pages[at]);
            content.extend_from_slice(old);
            Ok(())
        })?;
        close(&mut run, &mut content, &mut kept, &mut done);
        ops.extend(done);
        let count = kept.len();
        Ok(Directory::new(kept, count))
    }
}
