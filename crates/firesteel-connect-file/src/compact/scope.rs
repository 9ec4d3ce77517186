//! The results of one part of a job.

use std::path::Path;
use std::sync::Arc;

use firesteel_connect::{Result, Scope};
use firesteel_disk::Disk;
use firesteel_formats::Joiner;
use firesteel_results::{Covered, Entry, Manifest, PartName, groups};

use super::report::{CompactionReport, WhyLeft};
use super::whole::{Added, Whole, Written};
use super::{journal, switch};
use crate::manifest;
use crate::path::file_error;

/// This many bytes are merged before the old files are removed, or as many as are wanted of one file.
const AT_ONCE: u64 = 256 << 20;

/// How much is done at most.
pub(crate) struct Limits {
    /// How many lines of manifests are looked at, the newest ones.
    lines: usize,
    /// How many bytes are merged.
    bytes: u64,
    /// Whether each file is merged, also those to which little comes.
    all: bool,
}

impl Limits {
    pub(crate) fn none() -> Self {
        Self { lines: usize::MAX, bytes: u64::MAX, all: true }
    }

    /// Of what is done after a commit: merges about as much as a file is to have, and no file for the sake of others that are smaller in all.
    pub(crate) fn of_one_step(wanted: u64) -> Self {
        Self { lines: 20_000, bytes: wanted.max(1), all: false }
    }
}

/// The results of one part of a job, which nobody else writes to.
pub(crate) struct ScopeOfResults<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) results: &'a Path,
    pub(crate) manifests: &'a Path,
    pub(crate) scope: &'a Scope,
    pub(crate) wanted: u64,
}

/// Manifests, as they are from step to step.
pub(super) type Manifests = Vec<(Covered, Manifest)>;

impl ScopeOfResults<'_> {
    /// Finishes or undoes a compaction that ended in the middle. Puts no mark back: what else is in the folder is not known.
    pub(crate) fn settle(&self) -> Result<()> {
        journal::settle(&**self.disk, self.results, self.manifests, || Ok(()))
    }

    /// The same, and puts the mark back that the folder had before.
    pub(super) fn settle_and_mark(&self) -> Result<()> {
        journal::settle(&**self.disk, self.results, self.manifests, || switch::mark(self))
    }

    /// Removes what one that ended in the middle has left under hidden names.
    pub(super) fn remove_temporary(&self) -> Result<()> {
        let is_left = |name: &str| {
            PartName::parse_temporary(name).is_some_and(|part| part.until.is_some() && part.scope == *self.scope)
        };
        for name in self.disk.list(self.results).map_err(file_error)?.iter().filter(|name| is_left(name)) {
            self.disk.remove(&self.results.join(name)).map_err(file_error)?;
        }
        Ok(())
    }

    /// Merges files, within limits. What was begun before has to be settled.
    pub(crate) fn compact(&self, limits: &Limits, report: &mut CompactionReport) -> Result<()> {
        let mut manifests = self.read(limits.lines)?;
        let entries: Vec<Entry> = manifests.iter().flat_map(|(_, manifest)| manifest.entries.iter().cloned()).collect();
        // What is merged at least doubles, so that no byte is written more often than there are doublings.
        let is_worth =
            |sizes: &[u64]| limits.all || sizes.iter().sum::<u64>() >= 2 * sizes.iter().max().copied().unwrap_or(0);
        let found = groups(&entries, self.wanted, is_worth);
        let mut left = |why: WhyLeft, places: &[usize]| {
            places.iter().for_each(|place| report.left(why.clone(), &entries[*place].name));
        };
        left(WhyLeft::Large, &found.large);
        left(WhyLeft::Alone, &found.alone);
        left(WhyLeft::Foreign, &found.foreign);
        let mut number = last_number(&entries);
        let at_once = limits.bytes.min(self.wanted.max(AT_ONCE));
        let (mut written, mut bytes, mut all) = (Vec::new(), 0, 0_u64);
        for group in found.groups {
            let group: Vec<&Entry> = group.into_iter().map(|place| &entries[place]).collect();
            bytes += self.merge(&group, &mut number, &mut written, report)?;
            if bytes >= at_once || written.len() >= 1_000 {
                all += std::mem::take(&mut bytes);
                switch::switch(self, &mut manifests, std::mem::take(&mut written))?;
                if all >= limits.bytes {
                    return Ok(());
                }
            }
        }
        switch::switch(self, &mut manifests, written)
    }

    /// The newest manifests with this many lines, or somewhat more.
    fn read(&self, lines: usize) -> Result<Manifests> {
        let (mut read, mut count) = (Vec::new(), 0_usize);
        for covered in manifest::current(&**self.disk, self.manifests)?.into_iter().rev() {
            let manifest = manifest::read(&**self.disk, self.manifests, covered)?;
            count += manifest.entries.iter().map(|entry| 1 + entry.parts.len()).sum::<usize>();
            read.push((covered, manifest));
            if count >= lines {
                break;
            }
        }
        read.reverse();
        Ok(read)
    }

    /// Makes one file of a group, or several where columns differ. Tells how many bytes were read.
    fn merge(
        &self,
        group: &[&Entry],
        number: &mut usize,
        written: &mut Vec<Written>,
        report: &mut CompactionReport,
    ) -> Result<u64> {
        let mut bytes = 0;
        let mut open: Option<Whole> = None;
        for (place, entry) in group.iter().enumerate() {
            loop {
                let whole = match &mut open {
                    Some(whole) => whole,
                    none => {
                        let Some(begun) = self.begin(&group[place..], number)? else {
                            report.left(WhyLeft::Format, &entry.name);
                            break;
                        };
                        none.insert(begun)
                    }
                };
                let is_new = whole.files == 0;
                match whole.add(self.disk, self.results, entry)? {
                    Added::Yes => bytes += entry.bytes,
                    Added::Unfit(reason) => report.left(WhyLeft::Unfit(reason), &entry.name),
                    Added::Differs if is_new => report.left(WhyLeft::Columns, &entry.name),
                    Added::Differs => {
                        self.end(open.take(), WhyLeft::Columns, written, report)?;
                        continue;
                    }
                }
                break;
            }
        }
        self.end(open, WhyLeft::Columns, written, report)?;
        Ok(bytes)
    }

    /// Begins a file of those of a group. `None` where nothing here joins them.
    fn begin(&self, group: &[&Entry], number: &mut usize) -> Result<Option<Whole>> {
        let mut names = group.iter().filter_map(|entry| PartName::parse(&entry.name));
        let Some(first) = names.next() else { return Ok(None) };
        let Some(joiner) = Joiner::of_extension(&first.extension) else { return Ok(None) };
        let own = first.until.unwrap_or(first.epoch);
        let until = names.map(|name| name.until.unwrap_or(name.epoch)).fold(own, Ord::max);
        *number += 1;
        let name = first.merged_until(until, *number);
        Whole::begin(self.disk, self.results, name, joiner, *number as u64).map(Some)
    }

    /// Ends a file, unless it is made of less than two.
    fn end(
        &self,
        whole: Option<Whole>,
        why_alone: WhyLeft,
        written: &mut Vec<Written>,
        report: &mut CompactionReport,
    ) -> Result<()> {
        match whole {
            Some(whole) if whole.files > 1 => {
                let (files, bytes_before) = (whole.files, whole.bytes_before);
                let whole = whole.finish()?;
                report.merged += files;
                report.into += 1;
                report.bytes_before += bytes_before;
                report.bytes_after += whole.entry.bytes;
                written.push(whole);
            }
            Some(whole) if whole.files == 1 => report.left(why_alone, whole.only()),
            _ => {}
        }
        Ok(())
    }
}

/// The highest number that a merged file has, or had which was merged again.
fn last_number(entries: &[Entry]) -> usize {
    let names = entries.iter().flat_map(|entry| {
        std::iter::once(entry.name.as_str()).chain(entry.parts.iter().map(|part| part.name.as_str()))
    });
    let numbers = names.filter_map(PartName::parse).filter(|name| name.until.is_some()).map(|name| name.partition);
    numbers.max().unwrap_or(0)
}
