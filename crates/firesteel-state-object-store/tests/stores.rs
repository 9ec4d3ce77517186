//! The suite over memory and over a folder, and what a store answers that is not well.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_state::{
    Catalog, Changelog, ChangelogOptions, Class, Declaration, EpochRecord, KeyGroups, KeyedStore, SnapshotStore,
    Snapshots, StateError, StateStore, Times, conformance, snapshot,
};
use firesteel_state_object_store::ObjectSnapshots;
use firesteel_window::Timestamp;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

/// A store and what it is kept in.
struct Kept {
    snapshots: ObjectSnapshots,
    bucket: Arc<dyn ObjectStore>,
    prefix: String,
}

impl Kept {
    fn new(bucket: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        let snapshots = ObjectSnapshots::new(Arc::clone(&bucket), prefix).unwrap();
        Self { snapshots, bucket, prefix: prefix.to_owned() }
    }

    fn reopen(self) -> Self {
        Self::new(self.bucket, &self.prefix)
    }
}

impl SnapshotStore for Kept {
    fn describe(&self) -> String {
        self.snapshots.describe()
    }
    fn put_new(&self, name: &str, bytes: &[u8]) -> firesteel_state::Result<()> {
        self.snapshots.put_new(name, bytes)
    }
    fn get(&self, name: &str) -> firesteel_state::Result<Vec<u8>> {
        self.snapshots.get(name)
    }
    fn get_part(&self, name: &str, from: u64, length: u64) -> firesteel_state::Result<Vec<u8>> {
        self.snapshots.get_part(name, from, length)
    }
    fn list(&self) -> firesteel_state::Result<Vec<String>> {
        self.snapshots.list()
    }
    fn delete(&self, name: &str) -> firesteel_state::Result<()> {
        self.snapshots.delete(name)
    }
}

#[test]
fn the_suite_holds_over_memory() {
    conformance::snapshot_store(|| Kept::new(Arc::new(InMemory::new()), "jobs/clicks"), Kept::reopen);
    conformance::snapshot_store(|| Kept::new(Arc::new(InMemory::new()), ""), Kept::reopen);
}

#[test]
fn the_suite_holds_over_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = LocalFileSystem::new_with_prefix(folder.path()).unwrap().with_fsync(true);
    let (bucket, number) = (Arc::new(bucket), AtomicU64::new(0));
    let make = || Kept::new(bucket.clone(), &format!("job-{}", number.fetch_add(1, Ordering::SeqCst)));
    conformance::snapshot_store(make, Kept::reopen);
}

#[test]
fn what_else_is_in_the_bucket_is_left_alone() {
    let bucket = Arc::new(InMemory::new());
    let block_on = |object: &str| {
        let (bucket, object) = (bucket.clone(), Path::from(object));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async move { bucket.put(&object, PutPayload::from_static(b"not ours")).await.unwrap() });
    };
    ["elsewhere", "jobs/clicks/deeper/object", "jobs/clicks-of-others", "jobs"].into_iter().for_each(block_on);
    let snapshots = ObjectSnapshots::new(bucket.clone(), "jobs/clicks").unwrap();
    assert!(snapshots.list().unwrap().is_empty());
    snapshots.put_new("a", b"ours").unwrap();
    assert_eq!(snapshots.list().unwrap(), ["a"]);
    let other = ObjectSnapshots::new(bucket, "jobs/other").unwrap();
    assert!(other.list().unwrap().is_empty() && other.get("a").is_err());
}

#[test]
fn errors_name_the_store_the_object_and_whether_trying_again_helps() {
    let snapshots = ObjectSnapshots::new(Arc::new(InMemory::new()), "jobs").unwrap();
    let error = snapshots.get("missing").unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Fatal, "FS-T013"));
    let text = error.to_string();
    assert!(text.contains("InMemory") && text.contains("jobs") && text.contains("fetch missing"), "{text}");
    let error = ObjectSnapshots::new(Arc::new(InMemory::new()), "a//b").unwrap_err();
    assert!(matches!(error, StateError::Backend { .. }), "{error}");

    // A file is where the folder should be: the store says no more than that something went wrong.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("jobs"), "in the way").unwrap();
    let bucket = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    let snapshots = ObjectSnapshots::new(Arc::new(bucket), "jobs").unwrap();
    let error = snapshots.put_new("a", b"x").unwrap_err();
    assert_eq!(error.class(), Class::Retryable);
    assert!(error.to_string().contains("store a"), "{error}");
}

#[test]
fn state_comes_back_from_the_bucket_and_the_changelog_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let times = Times::processing(Timestamp::EPOCH);
    let declare = || {
        let mut states = Declaration::<u64>::new("totals");
        let total = states.value::<u64>("total");
        let catalog = Catalog::new(KeyGroups::default()).with(&[states.schema()], false).unwrap();
        (KeyedStore::in_memory(states, KeyGroups::default(), |key| *key).unwrap(), total, catalog)
    };
    let places = || Snapshots::new(Arc::new(ObjectSnapshots::new(Arc::clone(&bucket), "jobs/totals").unwrap()));

    let (store, total, catalog) = declare();
    let mut log = Changelog::open(folder.path(), ChangelogOptions::default()).unwrap();
    let snapshots = places();
    for epoch in 1..=6u64 {
        store.begin(epoch);
        for key in [7, epoch << 50] {
            total.set(&mut store.lock(store.group_of(key)).key(key, &key, times), epoch * 100).unwrap();
        }
        let frames = store.end_epoch(epoch).unwrap();
        log.prepare(&EpochRecord { epoch, frames, ..EpochRecord::default() }).unwrap();
        log.mark(epoch).unwrap();
        store.applied(epoch);
        if epoch % 2 == 0 && epoch < 6 {
            let mut writer = snapshots.begin(epoch, &catalog, None).unwrap();
            for group in catalog.groups().all().iter() {
                let (through, image) = store.image(group).unwrap();
                writer.add(through, &image).unwrap();
            }
            writer.finish(vec![]).unwrap();
        }
    }
    drop(snapshots);

    let snapshots = places();
    let newest = snapshots.list().unwrap().pop().unwrap();
    let recovered = |snapshots: &Snapshots| {
        let (store, total, _) = declare();
        let recovery = snapshot::recover(snapshots, &log, None).unwrap();
        recovery.restore_stores(&[&store]).unwrap();
        for (key, value) in [(7, 600), (1 << 50, 100), (6 << 50, 600)] {
            let found = total.get(&mut store.lock(store.group_of(key)).key(key, &key, times)).unwrap().copied();
            assert_eq!(found, Some(value), "key {key}");
        }
        recovery.base().map(|base| base.epoch)
    };
    assert_eq!(recovered(&snapshots), Some(4));
    // One that is damaged is passed over.
    let manifest = newest.manifest();
    let place = ObjectSnapshots::new(Arc::clone(&bucket), "jobs/totals").unwrap();
    let mut bytes = place.get(&manifest).unwrap();
    bytes[40] ^= 1;
    place.delete(&manifest).unwrap();
    place.put_new(&manifest, &bytes).unwrap();
    assert_eq!(recovered(&snapshots), Some(2));
}
