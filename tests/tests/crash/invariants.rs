//! What must hold: at any moment, and when everything has been read. Each rule has a name, which tests of mutants know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use firesteel_core::hash::hash_key;
use firesteel_state::cursor::Cursor;
use firesteel_state::snapshot::recover;
use firesteel_state::{
    Changelog, ChangelogOptions, ChangelogReader, Declaration, KeyedStore, Manifest, MemoryBudget, SnapshotId,
    Snapshots, StateStore as _, StoreSetup, Times,
};
use firesteel_window::Timestamp;

use crate::program::{Archive, Backend, PASSED, Run, TEXT_SINKS, Total};
use crate::{backends, carried, input, process, results};

/// A rule that does not hold, by its name, and what was found instead.
pub(crate) type Broken = (&'static str, String);
/// What came of looking at the rules.
pub(crate) type Checked = Result<(), Broken>;

fn broken<E: std::fmt::Display>(rule: &'static str) -> impl Fn(E) -> Broken {
    move |error| (rule, error.to_string())
}

/// Fails with a rule's name unless something holds.
fn hold(rule: &'static str, holds: bool, found: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err((rule, found())) }
}

/// What must hold whenever the process ends, in whatever way.
pub(crate) fn at_any_moment(run: &Run) -> Checked {
    let checkpoint = run.checkpoint();
    let Ok(log) = ChangelogReader::open(&checkpoint.join("changelog")) else {
        // Whether it can be opened is seen when the job resumes.
        return Ok(());
    };
    let ledger = results::last_of_ledger(&run.folder.join("ledger"));
    let of_files = |name: &&str| results::last_of_text_files(&run.folder.join(name));
    let sinks = TEXT_SINKS.into_iter().chain([carried::ROWS]);
    let last_sink = sinks.clone().map(|name| of_files(&name)).chain([ledger]).max().unwrap_or(0);
    let last = log.epochs().last().unwrap_or(0);
    hold("an epoch is prepared before a sink commits it", last_sink <= last, || {
        format!("a sink has epoch {last_sink}, the changelog ends with {last}")
    })?;
    let snapshots = Snapshots::in_folder(&checkpoint.join("snapshots")).map_err(broken("snapshots can be listed"))?;
    let manifests = manifests(&snapshots)?;
    // A sink need not have an epoch without a record for it: which had some, the cursor of the epoch tells.
    let all_have = |epoch: u64, rule: &'static str| {
        hold(rule, epoch <= last, || format!("epoch {epoch} is not prepared, the changelog ends with {last}"))?;
        let cursor = Cursor::at(&manifests, &log, epoch).map_err(broken("the changelog can be read"))?;
        for mark in cursor.sinks.values().filter(|mark| mark.checkpoint == cursor.checkpoint) {
            let folder = sinks.clone().find(|name| mark.place.ends_with(name));
            let found = folder.map_or(ledger, |name| of_files(&name));
            hold(rule, mark.epoch <= found, || {
                format!("epoch {} of {epoch} had records for {}, which ends with {found}", mark.epoch, mark.place)
            })?;
        }
        Ok(())
    };
    all_have(log.committed(), "an epoch is marked after the commits of all sinks")?;
    for manifest in &manifests {
        snapshots.verify(manifest).map_err(broken("a snapshot is there as a whole or not at all"))?;
    }
    let images = manifests.iter().flat_map(|manifest| manifest.images.iter().map(|image| image.through));
    let held = images.chain(manifests.iter().map(|manifest| manifest.epoch)).max().unwrap_or(0);
    all_have(held, "snapshots hold only what all sinks have")?;
    if run.backend != Backend::None && run.backend_folder().is_dir() {
        let copy = process::folder();
        process::copy(&run.backend_folder(), copy.path());
        let backend = backends::open(copy.path(), run.backend).map_err(broken("the backend can be opened"))?;
        let shards = backend.shards().map_err(broken("the backend can be opened"))?;
        let held = shards.iter().map(|(_, marker)| *marker).max().unwrap_or(0);
        all_have(held, "the backend holds only what all sinks have")?;
    }
    Ok(())
}

/// What must hold when everything has been read.
pub(crate) fn at_the_end(run: &Run) -> Checked {
    at_any_moment(run)?;
    let expected = results(run)?;
    carried(run)?;
    archived(run)?;
    changelog(run)?;
    state(run, &expected)
}

/// What formats carry comes out as it went in.
fn carried(run: &Run) -> Checked {
    let Some(found) = carried::lines(run) else { return Ok(()) };
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    let expected = input::lines(&run.folder);
    hold("what a format carries comes out exactly once", found == expected, || differences(&expected, &found))
}

/// All that was read is archived, once, and nothing else is there; an archive outside of the case's folder is removed.
fn archived(run: &Run) -> Checked {
    let Some(archive) = run.archive() else { return Ok(()) };
    let names = |folder: &Path| -> Vec<String> {
        let name = |path: PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        process::files(folder).into_iter().map(name).collect()
    };
    let (left, mut found) = (names(&run.folder.join("in")), names(&archive));
    found.sort();
    let expected: Vec<String> = (0..input::FILES).map(|file| format!("{file}.txt")).collect();
    hold("what was read is archived once", left.is_empty() && found == expected, || {
        format!("left {left:?}, archived {found:?}")
    })?;
    if run.archive == Archive::Elsewhere {
        std::fs::remove_dir_all(archive).expect("the archive is there");
    }
    Ok(())
}

/// What the sinks must show when everything has been read; returns the totals.
pub(crate) fn results(run: &Run) -> Result<BTreeMap<String, Total>, Broken> {
    let of = |name: &str| results::text_files(&run.folder.join(name)).map_err(broken("no file is half committed"));
    let (totals, records) = (of("totals")?, of("records")?);
    let ledger = results::ledger(&run.folder.join("ledger")).map_err(broken("no sink gets an epoch that it has"))?;

    let mut found: Vec<&str> = records.values().flatten().map(String::as_str).collect();
    found.sort_unstable();
    let expected = input::lines(&run.folder);
    hold("every record comes out exactly once", found == expected, || differences(&expected, &found))?;
    let ledger: results::Epochs = ledger.into_iter().filter(|(_, lines)| !lines.is_empty()).collect();
    hold("all sinks have the same records in each epoch", ledger == records, || {
        format!("the ledger has {:?}, the files have {:?}", sizes(&ledger), sizes(&records))
    })?;
    let (windows, timers) = (of("windows")?, of("timers")?);
    let is_passed = |line: &&String| line.starts_with(PASSED);
    for (epochs, of_limiter, expected, rule) in [
        (&windows, false, input::windows(&expected), "a window fires once, with all of its records"),
        (&timers, false, input::reminders(&expected), "a timer fires once, after all records before it"),
        // Which records pass depends on the order in which those of several files were read.
        (
            &windows,
            true,
            input::passed(records.values().flatten()),
            "an operator from outside remembers what has passed",
        ),
    ] {
        let lines = epochs.values().flatten().filter(|line| is_passed(line) == of_limiter);
        let mut found: Vec<String> = lines.cloned().collect();
        found.sort();
        hold(rule, found == expected, || format!("found {found:?}, expected {expected:?}"))?;
    }
    let mut expected = BTreeMap::new();
    for (epoch, lines) in &records {
        input::add(&mut expected, lines.iter().map(String::as_str));
        let shown: BTreeMap<String, Total> =
            totals.get(epoch).into_iter().flatten().filter_map(|line| total(line)).collect();
        hold("totals are those of a sequential computation", shown == expected || lines.is_empty(), || {
            format!("in epoch {epoch}: {shown:?}, expected {expected:?}")
        })?;
    }
    Ok(expected)
}

fn total(line: &str) -> Option<(String, Total)> {
    let mut words = line.split(' ');
    Some((words.next()?.to_owned(), (words.next()?.parse().ok()?, words.next()?.parse().ok()?)))
}

fn sizes(epochs: &results::Epochs) -> Vec<(u64, usize)> {
    epochs.iter().map(|(epoch, lines)| (*epoch, lines.len())).collect()
}

fn differences(expected: &[String], found: &[&str]) -> String {
    let lacks: Vec<&String> = expected.iter().filter(|line| !found.contains(&line.as_str())).collect();
    let more: Vec<&&str> = found.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| &pair[0]).collect();
    format!("lost: {lacks:?}, doubled: {more:?}")
}

/// Positions resume where they were, and event time never falls, over all records that are still there.
fn changelog(run: &Run) -> Checked {
    let folder = run.checkpoint().join("changelog");
    let log = ChangelogReader::open(&folder).map_err(broken("the changelog can be read"))?;
    let mut positions: BTreeMap<String, u64> = BTreeMap::new();
    let mut watermarks: BTreeMap<String, Timestamp> = BTreeMap::new();
    let mut batch = None;
    for record in log.records(0) {
        let record = record.map_err(broken("the changelog can be read"))?;
        for boundary in record.batches {
            let next = batch.map_or(boundary.batch, |batch| batch + 1);
            hold("batches are numbered without a gap", boundary.batch == next, || {
                format!("batch {} after {batch:?}", boundary.batch)
            })?;
            batch = Some(boundary.batch);
            for range in boundary.inputs {
                let before = positions.insert(range.split.clone(), range.to);
                hold("ranges follow each other", before.is_none_or(|before| before == range.from), || {
                    format!("{} resumes from {} after {before:?}", range.split, range.from)
                })?;
            }
        }
        for mark in record.watermarks {
            let before = watermarks.insert(mark.operator.clone(), mark.watermark);
            hold("watermarks never fall", before.is_none_or(|before| before <= mark.watermark), || {
                format!("{} falls from {before:?} to {}", mark.operator, mark.watermark)
            })?;
        }
    }
    Ok(())
}

fn manifests(snapshots: &Snapshots) -> Result<Vec<Manifest>, Broken> {
    let read =
        || snapshots.list()?.into_iter().map(|id| snapshots.manifest(id)).collect::<firesteel_state::Result<_>>();
    read().map_err(broken("manifests can be read"))
}

/// State is the same from whichever base it is restored.
fn state(run: &Run, expected: &BTreeMap<String, Total>) -> Checked {
    const RULE: &str = "state is the same from any base";
    let copy = process::folder();
    process::copy(&run.checkpoint(), copy.path());
    let log = Changelog::open(&copy.path().join("changelog"), ChangelogOptions::default()).map_err(broken(RULE))?;
    let folder = copy.path().join("snapshots");
    let snapshots = Snapshots::in_folder(&folder).map_err(broken(RULE))?;
    if run.backend != Backend::None {
        let backend = backends::open(&copy.path().join("state"), run.backend).map_err(broken(RULE))?;
        let recovery = recover(&snapshots, &log, Some(&*backend)).map_err(broken(RULE))?;
        recovery.restore_backend(&*backend).map_err(broken(RULE))?;
        let manifest = manifests(&snapshots)?.pop().ok_or((RULE, "there is no snapshot".to_owned()))?;
        let found = read_back(&manifest, Some(backend), |_| Ok(())).map_err(broken(RULE))?;
        hold(RULE, found == *expected, || format!("from the backend: {found:?}, expected {expected:?}"))?;
    }
    // From the newest to the oldest, each of which is newest in its turn.
    for manifest in manifests(&snapshots)?.into_iter().rev() {
        let recovery = recover(&snapshots, &log, None).map_err(broken(RULE))?;
        let found = read_back(&manifest, None, |store| recovery.restore_stores(&[store])).map_err(broken(RULE))?;
        hold(RULE, found == *expected, || format!("from snapshot {}: {found:?}, expected {expected:?}", manifest.id))?;
        remove_manifest(&folder, manifest.id);
    }
    Ok(())
}

fn remove_manifest(folder: &Path, id: SnapshotId) {
    // A log that goes further back than a snapshot can do without it.
    std::fs::remove_file(folder.join(id.manifest())).expect("a file can be removed");
}

/// The totals in the store of the program.
fn read_back(
    manifest: &Manifest,
    backend: Option<std::sync::Arc<dyn firesteel_state::StateBackend>>,
    restore: impl FnOnce(&KeyedStore<String>) -> firesteel_state::Result<()>,
) -> firesteel_state::Result<BTreeMap<String, Total>> {
    let mut states = Declaration::<String>::new("totals");
    let total = states.value::<Total>("state");
    let setup = StoreSetup { catalog: &manifest.catalog, backend, budget: MemoryBudget::unlimited() };
    let store = KeyedStore::open(states, &setup, |key: &String| hash_key(key))?;
    restore(&store)?;
    let mut found = BTreeMap::new();
    for group in store.key_groups().all().iter() {
        let each = |key: &String, value: &Total| {
            found.insert(key.clone(), *value);
        };
        total.for_each(&mut store.lock(group), Times::processing(Timestamp::EPOCH), each)?;
    }
    Ok(found)
}
