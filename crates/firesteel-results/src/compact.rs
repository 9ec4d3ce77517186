//! Small files of results that become large ones, wherever they are.

mod due;
mod groups;
mod report;
mod whole;

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::ops::Range;

use firesteel_connect::{CheckpointId, ConnectError, Epoch, Result};
use firesteel_formats::Joiner;

use crate::layout::PartStore;
use crate::manifest::{Covered, Entry, Manifest};
use crate::name::PartName;
pub use due::{Compacting, Limits, Loose};
pub use groups::{Grouping, groups};
pub use report::{CompactionReport, LeftFiles, WhyLeft};
use whole::{Added, Whole};

/// This many bytes are merged before the old files are removed, or as many as are wanted of one file.
const AT_ONCE: u64 = 256 << 20;
/// This many new files are made before that at most.
const MOST_AT_ONCE: usize = 1_000;

/// The results of one part of a job where they are, whose small files are merged. Nobody else writes there, or is noticed.
pub trait MergingStore: PartStore {
    /// The manifests that count, in the order of their epochs.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn current(&self) -> Result<Vec<Covered>>;

    /// What a manifest says.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    fn manifest(&self, covered: Covered) -> Result<Manifest>;

    /// These files are about to be read, in this order.
    fn expect(&self, _entries: &[&Entry]) {}

    /// Looks at a file.
    ///
    /// # Errors
    /// [`ConnectError::Lost`] where it is not there, or not as long as its entry says; and that it cannot be read.
    fn look(&self, entry: &Entry) -> Result<Seen>;

    /// The name of a new file, which nothing has and nothing will have.
    fn name(&self, name: PartName) -> PartName {
        name
    }

    /// The error of a file that cannot be read to its end.
    fn unread(&self, entry: &Entry, error: io::Error) -> ConnectError;

    /// The error of a file that is not what it should be.
    fn damaged(&self, entry: &Entry, reason: String) -> ConnectError;

    /// Makes the new files visible in the place of the old ones: for readers by the manifests in one step.
    ///
    /// # Errors
    /// Any. Whatever becomes of it, readers see the old files or the new ones.
    fn switch(&self, switch: Switch<Self::Whole>) -> Result<()>;
}

/// A file that was looked at.
pub struct Seen {
    /// Hashes of what it begins and ends with.
    pub print: [u64; 2],
    /// A hash of what the store calls its content, where it has a name for that.
    pub tag: Option<u64>,
    /// Opens it, unpacked where it is packed as a whole.
    pub open: Box<dyn Fn() -> io::Result<Box<dyn Read + Send>>>,
}

/// What is to be done at once.
pub struct Switch<W> {
    /// What the new manifest tells of.
    pub covered: Covered,
    /// The new manifest: it takes the place of all that it covers.
    pub manifest: Manifest,
    /// The manifests that it takes the place of.
    pub replaced: Vec<Covered>,
    /// The new files, whole and invisible.
    pub written: Vec<Written<W>>,
}

impl<W> Switch<W> {
    /// The names of the files that are merged.
    pub fn old_names(&self) -> impl Iterator<Item = &str> + Clone {
        self.written.iter().flat_map(|whole| whole.old.iter().map(String::as_str))
    }

    /// The names of the files that they have become.
    pub fn new_names(&self) -> impl Iterator<Item = &str> + Clone {
        self.written.iter().map(|whole| whole.entry.name.as_str())
    }
}

/// A file that is made of several.
pub struct Written<W> {
    /// The file.
    pub whole: W,
    /// What the manifest is to say of it.
    pub entry: Entry,
    /// The names of the files that it is made of; it takes the place of the first.
    pub old: Vec<String>,
}

/// Manifests, as they are from step to step.
type Manifests = Vec<(Covered, Manifest)>;

/// Merges small files to files of up to `wanted` bytes, within limits.
///
/// # Errors
/// Those of the store. What was merged before stays merged.
pub fn compact<S: MergingStore>(store: &S, wanted: u64, limits: &Limits, report: &mut CompactionReport) -> Result<()> {
    let mut manifests = read(store, limits.lines)?;
    let entries: Vec<Entry> = manifests.iter().flat_map(|(_, manifest)| manifest.entries.iter().cloned()).collect();
    let found = groups(&entries, wanted, |sizes| limits.is_worth(sizes));
    let mut left = |why: WhyLeft, places: &[usize]| {
        places.iter().for_each(|place| report.left(why.clone(), &entries[*place].name));
    };
    left(WhyLeft::Large, &found.large);
    left(WhyLeft::Alone, &found.alone);
    left(WhyLeft::Foreign, &found.foreign);
    let mut number = last_number(&entries);
    let at_once = limits.bytes.min(wanted.max(AT_ONCE));
    let (mut written, mut bytes, mut all) = (Vec::new(), 0, 0_u64);
    for group in found.groups {
        let group: Vec<&Entry> = group.into_iter().map(|place| &entries[place]).collect();
        bytes += merge(store, &group, &mut number, &mut written, report)?;
        if bytes >= at_once || written.len() >= MOST_AT_ONCE {
            all += std::mem::take(&mut bytes);
            switch(store, &mut manifests, std::mem::take(&mut written))?;
            if all >= limits.bytes {
                return Ok(());
            }
        }
    }
    switch(store, &mut manifests, written)
}

/// The newest manifests with this many lines, or somewhat more.
fn read<S: MergingStore>(store: &S, lines: usize) -> Result<Manifests> {
    let (mut read, mut count) = (Vec::new(), 0_usize);
    for covered in store.current()?.into_iter().rev() {
        let manifest = store.manifest(covered)?;
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
fn merge<S: MergingStore>(
    store: &S,
    group: &[&Entry],
    number: &mut usize,
    written: &mut Vec<Written<S::Whole>>,
    report: &mut CompactionReport,
) -> Result<u64> {
    store.expect(group);
    let mut bytes = 0;
    let mut open: Option<Whole<S>> = None;
    for (place, entry) in group.iter().enumerate() {
        loop {
            let whole = match &mut open {
                Some(whole) => whole,
                none => {
                    let Some(begun) = begin(store, &group[place..], number)? else {
                        report.left(WhyLeft::Format, &entry.name);
                        break;
                    };
                    none.insert(begun)
                }
            };
            let is_new = whole.files == 0;
            match whole.add(store, entry)? {
                Added::Yes => bytes += entry.bytes,
                Added::Unfit(reason) => report.left(WhyLeft::Unfit(reason), &entry.name),
                Added::Differs if is_new => report.left(WhyLeft::Columns, &entry.name),
                Added::Differs => {
                    end(store, open.take(), written, report)?;
                    continue;
                }
            }
            break;
        }
    }
    end(store, open, written, report)?;
    Ok(bytes)
}

/// Begins a file of those of a group. `None` where nothing here joins them.
fn begin<S: MergingStore>(store: &S, group: &[&Entry], number: &mut usize) -> Result<Option<Whole<S>>> {
    let mut names = group.iter().filter_map(|entry| PartName::parse(&entry.name));
    let Some(first) = names.next() else { return Ok(None) };
    let Some(joiner) = Joiner::of_extension(&first.extension) else { return Ok(None) };
    let own = first.until.unwrap_or(first.epoch);
    let until = names.map(|name| name.until.unwrap_or(name.epoch)).fold(own, Ord::max);
    *number += 1;
    let name = store.name(first.merged_until(until, *number));
    Whole::begin(store, name, joiner).map(Some)
}

/// Ends a file, unless it is made of less than two.
fn end<S: MergingStore>(
    store: &S,
    whole: Option<Whole<S>>,
    written: &mut Vec<Written<S::Whole>>,
    report: &mut CompactionReport,
) -> Result<()> {
    match whole {
        Some(whole) if whole.files > 1 => {
            let (files, bytes_before) = (whole.files, whole.bytes_before);
            let whole = whole.finish(store)?;
            report.merged += files;
            report.into += 1;
            report.bytes_before += bytes_before;
            report.bytes_after += whole.entry.bytes;
            written.push(whole);
        }
        // What followed it has other columns.
        Some(whole) if whole.files == 1 => report.left(WhyLeft::Columns, whole.only()),
        _ => {}
    }
    Ok(())
}

/// The highest number that a merged file has, or had which was merged again.
fn last_number(entries: &[Entry]) -> usize {
    let names = entries.iter().flat_map(|entry| {
        std::iter::once(entry.name.as_str()).chain(entry.parts.iter().map(|part| part.name.as_str()))
    });
    let numbers = names.filter_map(PartName::parse).filter(|name| name.until.is_some()).map(|name| name.partition);
    numbers.max().unwrap_or(0)
}

fn switch<S: MergingStore>(store: &S, manifests: &mut Manifests, written: Vec<Written<S::Whole>>) -> Result<()> {
    if written.is_empty() {
        return Ok(());
    }
    let (place, covered, manifest) = merged(manifests, &written);
    let replaced = manifests[place.clone()].iter().map(|(covered, _)| *covered).collect();
    store.switch(Switch { covered, manifest: manifest.clone(), replaced, written })?;
    manifests.splice(place, [(covered, manifest)]);
    Ok(())
}

/// Which manifests list the old files, and what stands for them then.
fn merged<W>(manifests: &Manifests, written: &[Written<W>]) -> (Range<usize>, Covered, Manifest) {
    let old: HashSet<&str> = written.iter().flat_map(|whole| whole.old.iter().map(String::as_str)).collect();
    let first: HashMap<&str, &Entry> =
        written.iter().filter_map(|whole| Some((whole.old.first()?.as_str(), &whole.entry))).collect();
    let lists =
        |(_, manifest): &(Covered, Manifest)| manifest.entries.iter().any(|entry| old.contains(entry.name.as_str()));
    let from = manifests.iter().position(lists).unwrap_or(0);
    let to = manifests.iter().rposition(lists).map_or(from, |last| last + 1);
    let within = &manifests[from..to];
    let mut covered = within.first().map_or(Covered::one(Epoch(0)), |(covered, _)| *covered);
    let mut checkpoint = None;
    let mut entries = Vec::new();
    for (other, manifest) in within {
        covered.last = other.last;
        covered.merged = covered.merged.max(other.merged);
        checkpoint = Some(manifest.checkpoint);
        for entry in &manifest.entries {
            match first.get(entry.name.as_str()) {
                Some(whole) => entries.push((*whole).clone()),
                None if old.contains(entry.name.as_str()) => {}
                None => entries.push(entry.clone()),
            }
        }
    }
    covered.merged += 1;
    let checkpoint = checkpoint.unwrap_or(CheckpointId::from_bits(0));
    (from..to, covered, Manifest { checkpoint, entries })
}
