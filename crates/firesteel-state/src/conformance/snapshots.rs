//! What a place for snapshots must do: by itself, and with snapshots in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::Rule;
use super::rules::shard;
use crate::Class;
use crate::declaration::Declaration;
use crate::error::{Result, StateError};
use crate::frame::{Frame, FrameWriter, Shard, TableId};
use crate::key_group::KeyGroups;
use crate::schema::Catalog;
use crate::snapshot::{Manifest, RunId, SnapshotId, SnapshotStore, SnapshotWriter, Snapshots};

const EMPTY: Rule = Rule("P1", "a fresh place is empty and names itself");
const KEEPS: Rule = Rule("P2", "a file is what was put, whatever its bytes");
const CREATES: Rule = Rule("P3", "a file that is there is never replaced, and whoever would is told that it exists");
const LISTS: Rule = Rule("P4", "list names every file once, and nothing else");
const MISSING: Rule = Rule("P5", "a file that is not there cannot be got, and may be deleted");
const DELETES: Rule = Rule("P6", "delete removes one file and no other");
const SURVIVES: Rule = Rule("P7", "what was put is there after reopening, and what was deleted is not");
const PARALLEL: Rule = Rule("P8", "files can be put and got beside each other");
const SNAPSHOTS: Rule = Rule("P9", "incremental snapshots, retention and copies hold what they should");
const WHOLE: Rule = Rule("P10", "a snapshot that was cut short is none, and harms no other");
const DAMAGE: Rule = Rule("P11", "a changed, cut or missing file is an error");
const WRITERS: Rule = Rule("P13", "two writers in one place destroy nothing of each other's");
const RACES: Rule = Rule("P14", "of several that create one file, one succeeds");
const PARTS: Rule = Rule("P12", "a part of a file is the bytes that stand there, as far as the file goes");

fn names(rule: Rule, place: &dyn SnapshotStore) -> Vec<String> {
    let mut names = rule.ok(place.list(), || "listing".into());
    names.sort();
    names
}

fn put(rule: Rule, place: &dyn SnapshotStore, name: &str, bytes: &[u8]) {
    rule.ok(place.put_new(name, bytes), || format!("putting {name}, {} bytes", bytes.len()));
}

fn holds(rule: Rule, place: &dyn SnapshotStore, name: &str, bytes: &[u8]) {
    let found = rule.ok(place.get(name), || format!("getting {name}"));
    rule.check(found == bytes, || format!("{name} holds {} bytes that are not the {} put", found.len(), bytes.len()));
}

pub(super) fn files<S: SnapshotStore>(place: S, reopen: &impl Fn(S) -> S) {
    EMPTY.check(names(EMPTY, &place).is_empty(), || format!("it lists {:?}", names(EMPTY, &place)));
    EMPTY.check(!place.describe().is_empty(), || "the description is empty".into());
    MISSING.check(place.get("missing").is_err(), || "it was got".into());
    MISSING.ok(place.delete("missing"), || "deleting it".into());

    let long: Vec<u8> = (0..3 << 20).map(|at: u32| (at.wrapping_mul(0x9E37_79B1) >> 24) as u8).collect();
    let contents: [(&str, &[u8]); 4] = [
        ("00000000000000000001-000000.images", &long),
        ("00000000000000000001.manifest", b"\0\x01\xFF\r\n"),
        ("empty", b""),
        ("zeros", &[0; 4096]),
    ];
    for (name, bytes) in contents {
        put(KEEPS, &place, name, bytes);
        holds(KEEPS, &place, name, bytes);
    }
    for (name, bytes) in contents {
        let end = bytes.len();
        for (from, length) in
            [(0, end), (end / 3, end / 2), (0, 0), (end / 2, end), (end, 1), (end + 10, 5), (1, usize::MAX)]
        {
            let got = place.get_part(name, from as u64, length as u64);
            let got = PARTS.ok(got, || format!("getting {length} bytes of {name} from byte {from} on"));
            let expected = &bytes[from.min(end)..from.saturating_add(length).min(end).max(from.min(end))];
            PARTS.check(got == expected, || format!("{length} bytes of {name} from byte {from} on are {}", got.len()));
        }
    }
    PARTS.check(place.get_part("missing", 0, 1).is_err(), || "a part of a missing file was got".into());
    let expected: Vec<&str> = contents.iter().map(|(name, _)| *name).collect();
    LISTS.check(names(LISTS, &place) == expected, || format!("it lists {:?}", names(LISTS, &place)));

    for bytes in [&b"short"[..], &long] {
        let again = place.put_new(contents[0].0, bytes);
        let told = matches!(&again, Err(StateError::Exists { name, .. }) if name == contents[0].0);
        CREATES.check(told, || format!("putting {} bytes again gave {again:?}", bytes.len()));
        holds(CREATES, &place, contents[0].0, &long);
    }
    LISTS.check(names(LISTS, &place) == expected, || format!("it lists {:?}", names(LISTS, &place)));

    DELETES.ok(place.delete("zeros"), || "deleting a file".into());
    DELETES.check(place.get("zeros").is_err(), || "the file is still there".into());
    DELETES.check(names(DELETES, &place) == expected[..3], || format!("it lists {:?}", names(DELETES, &place)));
    put(DELETES, &place, "zeros", b"again");

    let place = reopen(place);
    SURVIVES.check(names(SURVIVES, &place) == expected, || format!("it lists {:?}", names(SURVIVES, &place)));
    holds(SURVIVES, &place, contents[0].0, &long);
    holds(SURVIVES, &place, "zeros", b"again");
    DELETES.ok(place.delete("zeros"), || "deleting a file".into());
    let place = reopen(place);
    SURVIVES.check(names(SURVIVES, &place) == expected[..3], || format!("it lists {:?}", names(SURVIVES, &place)));
}

pub(super) fn parallel(place: &dyn SnapshotStore) {
    thread::scope(|scope| {
        for number in 0..8u8 {
            let run = move || {
                for round in 0..5 {
                    let bytes = vec![number; 1_000 + round];
                    let name = format!("file-{number}-{round}");
                    put(PARALLEL, place, &name, &bytes);
                    holds(PARALLEL, place, &name, &bytes);
                }
            };
            let started = thread::Builder::new().spawn_scoped(scope, run);
            PARALLEL.ok(started.map(drop), || "starting a thread".into());
        }
    });
    PARALLEL.check(names(PARALLEL, place).len() == 40, || format!("it lists {:?}", names(PARALLEL, place)));
}

/// What there is to be in a snapshot: one store, with the number 0.
fn catalog() -> Catalog {
    let mut states = Declaration::<u64>::new("suite");
    // Only its name and type are of interest.
    _ = states.value::<u64>("value");
    let catalog = Catalog::new(KeyGroups::default()).with(&[states.schema()], false);
    SNAPSHOTS.ok(catalog, || "declaring a state".into())
}

fn image(shard: Shard, value: u64) -> Frame {
    let mut writer = FrameWriter::new();
    writer.begin_table(TableId(0));
    writer.put(b"key", &value.to_le_bytes());
    writer.finish(shard)
}

/// Writes a snapshot of one image per group, each with a value.
fn snapshot(snapshots: &Snapshots, epoch: u64, base: Option<&Manifest>, values: &[(u16, u64)]) -> Result<Manifest> {
    let mut writer = snapshots.begin(epoch, &catalog(), base)?;
    for (group, value) in values {
        writer.add(epoch, &image(shard(0, *group), *value))?;
    }
    writer.finish(epoch.to_le_bytes().to_vec())
}

/// All images of a snapshot, as they are compared.
fn images(rule: Rule, snapshots: &Snapshots, id: SnapshotId) -> BTreeMap<u16, Vec<u8>> {
    let manifest = rule.ok(snapshots.manifest(id), || format!("reading the manifest of snapshot {id}"));
    let mut found = BTreeMap::new();
    let read = snapshots.images(&manifest, |_, image| {
        found.insert(image.shard().group.0, image.bytes().to_vec());
        Ok(())
    });
    rule.ok(read, || format!("reading snapshot {id}"));
    found
}

fn expected(values: &[(u16, u64)]) -> BTreeMap<u16, Vec<u8>> {
    values.iter().map(|(group, value)| (*group, image(shard(0, *group), *value).bytes().to_vec())).collect()
}

/// A place that can be taken out of [`Snapshots`] again, and whose puts fail from a chosen one on.
struct Shared<S> {
    place: Arc<S>,
    /// Puts that still work.
    left: Arc<AtomicUsize>,
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self { place: Arc::clone(&self.place), left: Arc::clone(&self.left) }
    }
}

impl<S: SnapshotStore> Shared<S> {
    fn new(place: S) -> Self {
        Self { place: Arc::new(place), left: Arc::new(AtomicUsize::new(usize::MAX)) }
    }

    fn snapshots(&self) -> Snapshots {
        Snapshots::new(Arc::new(self.clone()))
    }

    fn take(self) -> S {
        Arc::into_inner(self.place).unwrap_or_else(|| SNAPSHOTS.broken("the snapshots hold their place forever"))
    }
}

impl<S: SnapshotStore> SnapshotStore for Shared<S> {
    fn describe(&self) -> String {
        self.place.describe()
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<()> {
        if self.left.load(Ordering::SeqCst) == 0 {
            let (backend, source) = (self.describe(), "the suite has cut it off".into());
            return Err(StateError::Backend { backend, action: "put".into(), class: Class::Fatal, source });
        }
        self.left.fetch_sub(1, Ordering::SeqCst);
        self.place.put_new(name, bytes)
    }

    fn get(&self, name: &str) -> Result<Vec<u8>> {
        self.place.get(name)
    }

    fn list(&self) -> Result<Vec<String>> {
        self.place.list()
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.place.delete(name)
    }
}

pub(super) fn life<S: SnapshotStore>(place: S, other: S, reopen: &impl Fn(S) -> S) {
    let shared = Shared::new(place);
    let snapshots = shared.snapshots();
    let take = |epoch, base: Option<&Manifest>, values: &[(u16, u64)]| {
        SNAPSHOTS.ok(snapshot(&snapshots, epoch, base, values), || format!("taking a snapshot of epoch {epoch}"))
    };
    let first = take(1, None, &[(0, 10), (1, 11), (2, 12)]);
    let second = take(2, Some(&first), &[(1, 21)]);
    let third = take(3, Some(&second), &[(0, 30), (2, 32)]);
    drop(snapshots);

    let shared = Shared::new(reopen(shared.take()));
    let snapshots = shared.snapshots();
    let ids = |due: &[u64]| {
        let found = SNAPSHOTS.ok(snapshots.list(), || "listing snapshots".into());
        SNAPSHOTS.check(found == due, || format!("snapshots {found:?} are there instead of {due:?}"));
    };
    ids(&[1, 2, 3]);
    let check = |id, values: &[(u16, u64)]| {
        let found = images(SNAPSHOTS, &snapshots, id);
        SNAPSHOTS.check(found == expected(values), || format!("snapshot {id} holds {found:?} instead of {values:?}"));
    };
    check(first.id, &[(0, 10), (1, 11), (2, 12)]);
    check(second.id, &[(0, 10), (1, 21), (2, 12)]);
    check(third.id, &[(0, 30), (1, 21), (2, 32)]);

    let copies = Snapshots::new(Arc::new(other));
    let copy = SNAPSHOTS.ok(snapshots.copy_to(&third, &copies), || "copying to another place".into());
    let durable = SNAPSHOTS.ok(snapshots.retain(1), || "retaining one".into());
    SNAPSHOTS.check(durable == 2, || format!("the changelog is said to be superfluous up to epoch {durable}"));
    ids(&[3]);
    check(third.id, &[(0, 30), (1, 21), (2, 32)]);
    let left = names(SNAPSHOTS, &*shared.place);
    SNAPSHOTS.check(left.len() == 3, || format!("a manifest and two files are needed, and {left:?} are there"));
    let found = images(SNAPSHOTS, &copies, copy.id);
    SNAPSHOTS.check(found == images(SNAPSHOTS, &snapshots, third.id), || format!("the copy holds {found:?}"));
}

pub(super) fn cut_short<S: SnapshotStore>(place: S) {
    let shared = Shared::new(place);
    let snapshots = shared.snapshots();
    let good = WHOLE.ok(snapshot(&snapshots, 1, None, &[(0, 10)]), || "taking a snapshot".into());
    for puts in 0.. {
        shared.left.store(puts, Ordering::SeqCst);
        let taken = snapshot(&snapshots, 2, Some(&good), &[(0, 20), (1, 21)]);
        shared.left.store(usize::MAX, Ordering::SeqCst);
        let ids = WHOLE.ok(snapshots.list(), || "listing snapshots".into());
        match taken {
            Ok(taken) => {
                WHOLE.check(puts == 2 && ids == [good.id, taken.id], || format!("{puts} puts made {ids:?}"));
                break;
            }
            Err(_) => WHOLE.check(ids == [1], || format!("after {puts} puts there are snapshots {ids:?}")),
        }
        let found = images(WHOLE, &snapshots, good.id);
        WHOLE.check(found == expected(&[(0, 10)]), || format!("the snapshot before it holds {found:?}"));
    }
    WHOLE.ok(snapshots.retain(1), || "retaining one".into());
    let left = names(WHOLE, &*shared.place);
    WHOLE.check(left.len() == 2, || format!("a manifest and a file are needed, and {left:?} are there"));
}

pub(super) fn damage<S: SnapshotStore>(place: S) {
    let shared = Shared::new(place);
    let snapshots = shared.snapshots();
    let taken = DAMAGE.ok(snapshot(&snapshots, 1, None, &[(0, 10), (1, 11)]), || "taking a snapshot".into());
    let replace = |name: &str, bytes: &[u8]| {
        DAMAGE.ok(shared.place.delete(name), || format!("deleting {name}"));
        put(DAMAGE, &*shared.place, name, bytes);
    };
    let verify = || snapshots.manifest(taken.id).and_then(|manifest| snapshots.verify(&manifest));
    DAMAGE.ok(verify(), || "verifying it".into());
    for name in names(DAMAGE, &*shared.place) {
        let whole = DAMAGE.ok(shared.place.get(&name), || format!("getting {name}"));
        let last = whole.len() - 1;
        let mut changed = whole.clone();
        changed[last] ^= 1;
        for bytes in [&changed[..], &whole[..last], b""] {
            replace(&name, bytes);
            DAMAGE.check(verify().is_err(), || format!("{name} with {} bytes passed", bytes.len()));
        }
        DAMAGE.ok(shared.place.delete(&name), || format!("deleting {name}"));
        DAMAGE.check(verify().is_err(), || format!("{name} is gone, and nobody minds"));
        put(DAMAGE, &*shared.place, &name, &whole);
        DAMAGE.ok(verify(), || "verifying it with its files restored".into());
    }
}

/// Several create one file at once, each with contents of its own.
pub(super) fn races(place: &dyn SnapshotStore) {
    for round in 0..8 {
        let name = format!("contended-{round}");
        let contents = |number: u8| vec![number; 100_000];
        let won = std::sync::Mutex::new(Vec::new());
        thread::scope(|scope| {
            for number in 0..4 {
                let (name, won) = (&name, &won);
                let run = move || match place.put_new(name, &contents(number)) {
                    Ok(()) => won.lock().unwrap_or_else(|error| error.into_inner()).push(number),
                    Err(StateError::Exists { .. }) => {}
                    Err(error) => RACES.broken(format!("creating {name}: {error}")),
                };
                RACES.ok(thread::Builder::new().spawn_scoped(scope, run).map(drop), || "starting a thread".into());
            }
        });
        let won = won.into_inner().unwrap_or_else(|error| error.into_inner());
        RACES.check(won.len() == 1, || format!("{} of four have created {name}", won.len()));
        holds(RACES, place, &name, &contents(won[0]));
    }
    RACES.check(names(RACES, place).len() == 8, || format!("it lists {:?}", names(RACES, place)));
}

/// Two writers take snapshots in turn, under the same numbers, and each retains its last one.
pub(super) fn writers<S: SnapshotStore>(place: S) {
    let shared = Shared::new(place);
    let writers = [1_u32, 2].map(|scope| shared.snapshots().written_by(RunId::in_scope(scope)));
    let mut last: [Option<Manifest>; 2] = [None, None];
    let values = |writer: usize, epoch: u64| [(0, epoch * 10 + writer as u64), (1, epoch * 100 + writer as u64)];
    for epoch in 1..=4 {
        // Both begin before either has finished, under one number, and write file by file in turn.
        let mut under_way: Vec<SnapshotWriter> = (writers.iter().zip(&last))
            .map(|(snapshots, base)| {
                let number = base.as_ref().map_or(1, |base| base.id.number + 1);
                let id = SnapshotId { number, writer: snapshots.writer };
                snapshots.begin_as(id, epoch, &catalog(), base.as_ref())
            })
            .collect();
        // The second value is taken over from the snapshot before where the epoch is odd.
        for at in (0..2).filter(|at| *at == 0 || epoch == 1 || epoch % 2 == 0) {
            for (number, writer) in under_way.iter_mut().enumerate() {
                let (group, value) = values(number, epoch)[at];
                WRITERS.ok(writer.add(epoch, &image(shard(0, group), value)), || "adding an image".into());
            }
        }
        for (number, writer) in under_way.into_iter().enumerate() {
            last[number] = Some(WRITERS.ok(writer.finish(vec![]), || "finishing a snapshot".into()));
        }
        for (number, snapshots) in writers.iter().enumerate() {
            WRITERS.ok(snapshots.retain(1), || "retaining one".into());
            for (other, manifest) in last.iter().enumerate() {
                let Some(manifest) = manifest else { continue };
                let even = if epoch == 1 { 1 } else { epoch / 2 * 2 };
                let due = [values(other, epoch)[0], values(other, even)[1]];
                let found = images(WRITERS, snapshots, manifest.id);
                WRITERS.check(found == expected(&due), || {
                    format!("after writer {number} has retained, that of writer {other} holds {found:?}")
                });
            }
        }
    }
    let left = WRITERS.ok(writers[0].list(), || "listing snapshots".into());
    WRITERS.check(left.len() == 2, || format!("one of each writer is needed, and {left:?} are there"));
    // What is not in the list stays, also where its name is the same but for the writer.
    let gone: Vec<SnapshotId> = last.iter().flatten().take(1).map(|manifest| manifest.id).collect();
    WRITERS.ok(writers[1].remove(&gone), || "removing one".into());
    let left = WRITERS.ok(writers[0].list(), || "listing snapshots".into());
    WRITERS.check(left.len() == 1 && left[0].writer == writers[1].writer, || format!("{left:?} are there"));
}
