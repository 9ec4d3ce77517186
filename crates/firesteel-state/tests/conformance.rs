//! The suite for backends, tested: the backend of this crate passes it, and backends that are broken on purpose do
//! not, each for the rule it breaks.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use firesteel_state::backend::{BackendMetrics, Each, EachUntil, KeyRange, MemoryBackend, StateBackend};
use firesteel_state::{Frame, FrameWriter, KeyGroup, Marker, Result, Shard, TableId, conformance};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Nameless,
    MarkerBeforeAnything,
    ReadsOneKeyLess,
    ReadsTheWrongPosition,
    ReadsStale,
    ScansBackwards,
    IgnoresThePrefix,
    PrefixBeyondLastByte,
    MixesTables,
    MixesGroups,
    KeepsRemoved,
    FirstChangeHolds,
    EmptyFrameMovesNoMarker,
    MarkerRegresses,
    AppliesOldEpochs,
    AppliesHalf,
    ClearsTheStore,
    ClearKeepsMarker,
    DropsEmptyValues,
    CutsLongValues,
    SwallowsErrors,
    CountsNothing,
    SnapshotForgetsMarkers,
    SnapshotOverwrites,
    RestoreMerges,
    RestoresMissingFolders,
    LosesOnReopen,
    LosesMarkersOnReopen,
    RangeHasItsEnd,
    RangeOnlyAscends,
    RangeNeverStops,
    ForgetsTheCommit,
    ForgetsTheCommitOnReopen,
}

#[derive(Clone)]
struct Broken {
    inner: Arc<MemoryBackend>,
    fault: Fault,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        let broken = Self { inner: Arc::new(MemoryBackend::new()), fault };
        if fault == Fault::MarkerBeforeAnything {
            broken
                .inner
                .apply(
                    1,
                    &[FrameWriter::new().finish(Shard { store: firesteel_state::StoreId(0), group: KeyGroup(0) })],
                )
                .unwrap();
        }
        broken
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn place(&self, mut shard: Shard, table: TableId) -> (Shard, TableId) {
        if self.is(Fault::MixesGroups) {
            shard.group = KeyGroup(shard.group.0 % 256);
        }
        (shard, if self.is(Fault::MixesTables) { TableId(table.0 % 256) } else { table })
    }

    fn rewritten(&self, frame: &Frame) -> Frame {
        let mut seen = vec![];
        let mut writer = FrameWriter::new();
        let (shard, _) = self.place(frame.shard(), TableId(0));
        let count = frame.len();
        for (at, change) in frame.changes().enumerate() {
            let (_, table) = self.place(shard, change.table);
            if self.is(Fault::AppliesHalf) && count > 2 && at as u64 * 2 > count {
                continue;
            }
            if self.is(Fault::FirstChangeHolds) && seen.contains(&(table, change.key.to_vec())) {
                continue;
            }
            seen.push((table, change.key.to_vec()));
            writer.begin_table(table);
            match change.value {
                Some([]) if self.is(Fault::DropsEmptyValues) => writer.remove(change.key),
                Some(value) if self.is(Fault::CutsLongValues) => {
                    writer.put(change.key, &value[..value.len().min(1 << 20)])
                }
                Some(value) => writer.put(change.key, value),
                None if self.is(Fault::KeepsRemoved) => {}
                None => writer.remove(change.key),
            }
        }
        writer.finish(shard)
    }
}

impl StateBackend for Broken {
    fn describe(&self) -> String {
        if self.is(Fault::Nameless) { String::new() } else { "broken".into() }
    }

    fn read(&self, shard: Shard, table: TableId, keys: &[&[u8]], found: &mut dyn FnMut(usize, &[u8])) -> Result<()> {
        let (shard, table) = self.place(shard, table);
        let keys = if self.is(Fault::ReadsOneKeyLess) { &keys[..keys.len().saturating_sub(1)] } else { keys };
        self.inner.read(shard, table, keys, &mut |at, value| {
            let at = if self.is(Fault::ReadsTheWrongPosition) { 0 } else { at };
            if self.is(Fault::ReadsStale) { found(at, b"2") } else { found(at, value) }
        })
    }

    fn scan(&self, shard: Shard, table: TableId, prefix: &[u8], each: &mut Each<'_>) -> Result<()> {
        let (shard, table) = self.place(shard, table);
        let mut all = vec![];
        let asked = match self.fault {
            Fault::IgnoresThePrefix => &b""[..],
            // The classical mistake of an end made by adding one to the prefix's last byte.
            Fault::PrefixBeyondLastByte if prefix.ends_with(b"\xFF") => b"\xFF\xFF\xFF",
            _ => prefix,
        };
        self.inner.scan(shard, table, asked, &mut |key, value| {
            all.push((key.to_vec(), value.to_vec()));
            Ok(())
        })?;
        if self.is(Fault::ScansBackwards) {
            all.reverse();
        }
        for (key, value) in &all {
            match each(key, value) {
                Err(_) if self.is(Fault::SwallowsErrors) => return Ok(()),
                result => result?,
            }
        }
        Ok(())
    }

    fn range(&self, shard: Shard, table: TableId, range: KeyRange<'_>, each: &mut EachUntil<'_>) -> Result<()> {
        let (shard, table) = self.place(shard, table);
        let past = range.to.map(|to| [to, b"\0"].concat());
        let range = match self.fault {
            Fault::RangeHasItsEnd => KeyRange { to: past.as_deref(), ..range },
            Fault::RangeOnlyAscends => KeyRange { descends: false, ..range },
            _ => range,
        };
        let never = self.is(Fault::RangeNeverStops);
        self.inner.range(shard, table, range, &mut |key, value| {
            Ok(if each(key, value)?.is_break() && !never { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
    }

    fn apply_at(&self, at: Marker, frames: &[Frame]) -> Result<()> {
        let epoch = at.epoch;
        let frames: Vec<Frame> = frames.iter().map(|frame| self.rewritten(frame)).collect();
        for frame in &frames {
            let marker = self.inner.marker(frame.shard())?;
            let old = marker.is_some_and(|marker| marker >= epoch);
            if self.is(Fault::EmptyFrameMovesNoMarker) && frame.is_empty() {
                continue;
            }
            if old && self.is(Fault::AppliesOldEpochs) {
                self.inner.apply(marker.unwrap_or(0) + 1, std::slice::from_ref(frame))?;
            }
            if old && self.is(Fault::MarkerRegresses) {
                let mut kept = FrameWriter::new();
                self.inner.scan(frame.shard(), TableId(0), b"", &mut |key, value| {
                    kept.put(key, value);
                    Ok(())
                })?;
                self.inner.clear(frame.shard())?;
                self.inner.apply(epoch, &[kept.finish(frame.shard())])?;
            }
        }
        let wanted: Vec<Frame> =
            frames.into_iter().filter(|frame| !(self.is(Fault::EmptyFrameMovesNoMarker) && frame.is_empty())).collect();
        if self.is(Fault::ForgetsTheCommit) {
            return self.inner.apply(epoch, &wanted);
        }
        self.inner.apply_at(at, &wanted)
    }

    fn marker_of(&self, shard: Shard) -> Result<Option<Marker>> {
        self.inner.marker_of(self.place(shard, TableId(0)).0)
    }

    fn markers(&self) -> Result<Vec<(Shard, Marker)>> {
        self.inner.markers()
    }

    fn clear(&self, shard: Shard) -> Result<()> {
        match self.fault {
            Fault::ClearsTheStore => {
                for (other, _) in self.inner.shards()? {
                    if other.store == shard.store {
                        self.inner.clear(other)?;
                    }
                }
                Ok(())
            }
            Fault::ClearKeepsMarker => {
                let marker = self.inner.marker(shard)?;
                self.inner.clear(shard)?;
                match marker {
                    Some(epoch) => self.inner.apply(epoch, &[FrameWriter::new().finish(shard)]),
                    None => Ok(()),
                }
            }
            _ => self.inner.clear(self.place(shard, TableId(0)).0),
        }
    }

    fn flush(&self) -> Result<()> {
        self.inner.flush()
    }

    fn snapshot(&self, folder: &Path) -> Result<()> {
        if self.is(Fault::SnapshotOverwrites) && folder.exists() {
            std::fs::remove_dir_all(folder).unwrap();
        }
        self.inner.snapshot(folder)
    }

    fn restore(&self, folder: &Path) -> Result<()> {
        match self.fault {
            Fault::RestoresMissingFolders if !folder.exists() => Ok(()),
            Fault::RestoreMerges | Fault::SnapshotForgetsMarkers => {
                let other = MemoryBackend::new();
                other.restore(folder)?;
                for (shard, marker) in other.shards()? {
                    let mut all = FrameWriter::new();
                    for table in 0..300 {
                        all.begin_table(TableId(table));
                        other.scan(shard, TableId(table), b"", &mut |key, value| {
                            all.put(key, value);
                            Ok(())
                        })?;
                    }
                    if self.is(Fault::SnapshotForgetsMarkers) {
                        self.inner.clear(shard)?;
                        self.inner.apply(0, &[all.finish(shard)])?;
                    } else {
                        self.inner.apply(marker, &[all.finish(shard)])?;
                    }
                }
                Ok(())
            }
            _ => self.inner.restore(folder),
        }
    }

    fn memory_used(&self) -> u64 {
        self.inner.memory_used()
    }

    fn metrics(&self) -> BackendMetrics {
        if self.is(Fault::CountsNothing) { BackendMetrics::default() } else { self.inner.metrics() }
    }
}

/// What the suite says of a backend, if anything.
fn verdict(fault: Fault) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let reopen = |backend: Broken| match backend.fault {
        Fault::LosesOnReopen => Broken::new(backend.fault),
        Fault::LosesMarkersOnReopen | Fault::ForgetsTheCommitOnReopen => {
            let next = Broken::new(backend.fault);
            for (shard, epoch) in backend.inner.shards().unwrap() {
                let mut all = FrameWriter::new();
                let scanned = backend.inner.scan(shard, TableId(0), b"", &mut |key, value| {
                    all.put(key, value);
                    Ok(())
                });
                scanned.unwrap();
                let epoch = if backend.fault == Fault::LosesMarkersOnReopen { 0 } else { epoch };
                next.inner.apply(epoch, &[all.finish(shard)]).unwrap();
            }
            next
        }
        _ => backend,
    };
    let run = AssertUnwindSafe(|| {
        conformance::backend(|| Broken::new(fault), folder.path());
        conformance::backend_survives(|| Broken::new(fault), reopen);
    });
    let message = *catch_unwind(run).err()?.downcast::<String>().expect("the suite panics with a text");
    Some(message)
}

#[test]
fn a_sound_backend_passes() {
    assert_eq!(verdict(Fault::None), None);
}

#[test]
fn every_broken_backend_is_told_which_rule_it_breaks() {
    let expected = [
        (Fault::Nameless, "B1"),
        (Fault::MarkerBeforeAnything, "B1"),
        (Fault::ReadsOneKeyLess, "B2"),
        (Fault::ReadsTheWrongPosition, "B2"),
        (Fault::ReadsStale, "B2"),
        (Fault::ScansBackwards, "B3"),
        (Fault::IgnoresThePrefix, "B4"),
        (Fault::PrefixBeyondLastByte, "B4"),
        (Fault::MixesTables, "B5"),
        (Fault::MixesGroups, "B5"),
        (Fault::KeepsRemoved, "B5"),
        (Fault::FirstChangeHolds, "B6"),
        (Fault::EmptyFrameMovesNoMarker, "B7"),
        (Fault::MarkerRegresses, "B8"),
        (Fault::AppliesOldEpochs, "B8"),
        (Fault::AppliesHalf, "B2"),
        (Fault::ClearsTheStore, "B9"),
        (Fault::ClearKeepsMarker, "B9"),
        (Fault::DropsEmptyValues, "B10"),
        (Fault::CutsLongValues, "B10"),
        (Fault::SwallowsErrors, "B11"),
        (Fault::CountsNothing, "B13"),
        (Fault::SnapshotForgetsMarkers, "B14"),
        (Fault::RestoreMerges, "B14"),
        (Fault::SnapshotOverwrites, "B15"),
        (Fault::RestoresMissingFolders, "B15"),
        (Fault::LosesOnReopen, "B16"),
        (Fault::LosesMarkersOnReopen, "B16"),
        (Fault::RangeHasItsEnd, "B17"),
        (Fault::RangeOnlyAscends, "B17"),
        (Fault::RangeNeverStops, "B17"),
        (Fault::ForgetsTheCommit, "B18"),
        (Fault::ForgetsTheCommitOnReopen, "B18"),
    ];
    // Panics are expected here: their messages would only hide those of a real failure.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let verdicts = expected.map(|(fault, rule)| (fault, rule, verdict(fault)));
    std::panic::set_hook(hook);
    for (fault, rule, verdict) in verdicts {
        let verdict = verdict.unwrap_or_else(|| panic!("{fault:?} passes the suite"));
        assert!(verdict.starts_with(&format!("rule {rule} is broken")), "{fault:?}: {verdict}");
    }
}

#[test]
fn a_damaged_snapshot_is_refused_wherever_a_bit_is_flipped() {
    let folder = tempfile::tempdir().unwrap();
    let backend = MemoryBackend::new();
    let shard = |group| Shard { store: firesteel_state::StoreId(0), group: KeyGroup(group) };
    for group in 0..2 {
        let mut writer = FrameWriter::new();
        writer.put(b"ann", b"3");
        backend.apply(4, &[writer.finish(shard(group))]).unwrap();
    }
    let place = folder.path().join("snapshot");
    backend.snapshot(&place).unwrap();
    let file = place.join("state.mem");
    let sound = std::fs::read(&file).unwrap();
    for at in 0..sound.len() {
        for bit in 0..8 {
            let mut flipped = sound.clone();
            flipped[at] ^= 1 << bit;
            std::fs::write(&file, &flipped).unwrap();
            let error = backend.restore(&place).expect_err("a flipped bit is found");
            assert_eq!(error.code(), "FS-T002", "byte {at}: {error}");
        }
        std::fs::write(&file, &sound[..at]).unwrap();
        assert_eq!(backend.restore(&place).expect_err("a cut is found").code(), "FS-T002");
    }
    std::fs::write(&file, &sound).unwrap();
    backend.restore(&place).unwrap();
    assert_eq!(backend.shards().unwrap(), [(shard(0), 4), (shard(1), 4)]);
}
