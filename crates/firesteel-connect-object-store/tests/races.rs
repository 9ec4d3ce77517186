//! What stores and other processes do between two calls.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::{all, discover, put, read};
use firesteel_connect::{
    ConnectError, Decoding, Epoch, ReadRange, Sink, SinkContext, Source, SourceContext, WriteTask,
};
use firesteel_connect_object_store::object_store::memory::InMemory;
use firesteel_connect_object_store::object_store::path::Path;
use firesteel_connect_object_store::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use firesteel_connect_object_store::{Bucket, ObjectSink, Objects};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

/// A store in which something happens between two calls.
#[derive(Default)]
struct Moving {
    inner: Arc<InMemory>,
    /// Runs before an object whose key has this in it is put where none is.
    before: Mutex<Option<(&'static str, Box<dyn FnOnce() + Send>)>>,
    /// The number of such calls that are refused, and nothing is there.
    conflicts: AtomicUsize,
    /// A key that listings do not have yet.
    unlisted: Mutex<Option<String>>,
    has_no_tags: AtomicBool,
    /// Objects that are being uploaded and not complete.
    uploads: AtomicUsize,
}

impl Moving {
    fn tagless(&self, mut object: ObjectMeta) -> ObjectMeta {
        if self.has_no_tags.load(Ordering::Relaxed) {
            // Each version is of a time of its own.
            let version: i64 = object.e_tag.take().unwrap().trim_matches('"').parse().unwrap();
            object.last_modified =
                std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(version as u64)).unwrap().into();
        }
        object
    }
}

impl fmt::Debug for Moving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moving")
    }
}

impl fmt::Display for Moving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moving")
    }
}

#[async_trait]
impl ObjectStore for Moving {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if options.mode == PutMode::Create {
            let mut before = self.before.lock().unwrap();
            if before.as_ref().is_some_and(|(part, _)| location.as_ref().contains(part)) {
                let (_, run) = before.take().unwrap();
                drop(before);
                run();
            }
            let is_refused = |left: usize| left.checked_sub(1);
            if self.conflicts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_refused).is_ok() {
                return Err(Error::AlreadyExists { path: location.to_string(), source: "conflict".into() });
            }
        }
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.uploads.fetch_add(1, Ordering::Relaxed);
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut found = self.inner.get_opts(location, options).await?;
        found.meta = self.tagless(found.meta);
        Ok(found)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let unlisted = self.unlisted.lock().unwrap().take();
        let objects: Vec<Result<ObjectMeta>> =
            futures_util::FutureExt::now_or_never(self.inner.list(prefix).collect()).unwrap();
        let objects = objects.into_iter().map(|object| object.map(|object| self.tagless(object)));
        let is_listed = |object: &Result<ObjectMeta>| {
            object.as_ref().is_ok_and(|object| unlisted.as_ref() != Some(&object.location.to_string()))
        };
        let objects: Vec<_> = objects.filter(is_listed).collect();
        futures_util::stream::iter(objects).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn moving() -> (Arc<Moving>, Bucket) {
    let store = Arc::new(Moving::default());
    (Arc::clone(&store), Bucket::new(store).unwrap())
}

fn commit(
    sink: &(impl Sink<u32> + 'static),
    epoch: u64,
    records: impl IntoIterator<Item = u32>,
) -> std::result::Result<(), ConnectError> {
    let task = WriteTask::new(Epoch(epoch), 0);
    let mut pending = sink.stage(Epoch(epoch), vec![sink.write(task, records.into_iter())?])?;
    sink.commit(Epoch(epoch), &mut pending)
}

fn started(bucket: &Bucket) -> impl Sink<u32> + use<> {
    let sink = ObjectSink::json::<u32>(bucket, "out");
    Sink::<u32>::start(&sink, &SinkContext::default()).unwrap();
    sink
}

#[test]
fn a_process_that_starts_right_before_another_one_commits_takes_nothing_away_from_it() {
    let (store, bucket) = moving();
    let old = started(&bucket);
    commit(&old, 1, [1]).unwrap();
    let other = Bucket::new(Arc::clone(&store.inner) as Arc<dyn ObjectStore>).unwrap();
    let new = Arc::new(Mutex::new(None));
    let run = {
        let (new, other) = (Arc::clone(&new), other.clone());
        move || *new.lock().unwrap() = Some(started(&other))
    };
    *store.before.lock().unwrap() = Some(("_committed/0000000002", Box::new(run)));
    commit(&old, 2, [2]).unwrap();
    assert_eq!(all(&Objects::json::<u32>(&other, "out")), [1, 2], "what is committed is there");
    let new = new.lock().unwrap().take().unwrap();
    let error = commit(&new, 2, [2]).unwrap_err();
    assert!(matches!(error, ConnectError::Fenced { .. }), "{error}");
    let error = commit(&old, 3, [3]).unwrap_err();
    assert!(matches!(error, ConnectError::Fenced { .. }), "{error}");
    let last = started(&other);
    commit(&last, 3, [3]).unwrap();
    assert_eq!(all(&Objects::json::<u32>(&other, "out")), [1, 2, 3]);
    drop(started(&other));
    let parts =
        other.list("out").unwrap().objects.into_iter().filter(|object| object.location.as_ref().contains("part-"));
    assert_eq!(parts.count(), 3, "nothing is left over");
}

#[test]
fn a_claim_that_was_cleaned_up_shuts_out_who_wrote_before() {
    let (_, bucket) = moving();
    let old = started(&bucket);
    commit(&old, 1, [1]).unwrap();
    bucket.delete("out/_committed/run-0000000001").unwrap();
    let new = started(&bucket);
    assert!(matches!(commit(&old, 2, [2]), Err(ConnectError::Fenced { .. })));
    commit(&new, 2, [2]).unwrap();
    assert_eq!(all(&Objects::json::<u32>(&bucket, "out")), [1, 2]);
}

#[test]
fn a_store_that_refuses_an_object_which_is_not_there_is_asked_again() {
    let (store, bucket) = moving();
    store.conflicts.store(3, Ordering::Relaxed);
    let sink = started(&bucket);
    let runs = bucket.list("out/_committed").unwrap().objects;
    assert_eq!(runs[0].location.as_ref(), "out/_committed/run-0000000001", "no number is passed over");
    store.conflicts.store(3, Ordering::Relaxed);
    commit(&sink, 1, [1]).unwrap();
    store.conflicts.store(100, Ordering::Relaxed);
    let error = commit(&sink, 2, [2]).unwrap_err();
    assert!(matches!(error, ConnectError::OutcomeUnknown { .. }), "{error}");
    store.conflicts.store(0, Ordering::Relaxed);
    assert!(Sink::<u32>::outcome(&sink, Epoch(2)).unwrap());
    assert_eq!(all(&Objects::json::<u32>(&bucket, "out")), [1, 2]);
}

#[test]
fn an_object_that_is_committed_while_the_store_is_listed_is_there() {
    let (store, bucket) = moving();
    let sink = started(&bucket);
    commit(&sink, 1, [1]).unwrap();
    commit(&sink, 2, [2]).unwrap();
    let keys: BTreeSet<String> =
        bucket.list("out").unwrap().objects.into_iter().map(|object| object.location.to_string()).collect();
    let part = keys.into_iter().rfind(|key| key.contains("part-")).unwrap();
    *store.unlisted.lock().unwrap() = Some(part.clone());
    assert_eq!(all(&Objects::json::<u32>(&bucket, "out")), [1, 2]);
    bucket.delete(&part).unwrap();
    let error = Objects::json::<u32>(&bucket, "out").start(&SourceContext::default()).unwrap_err();
    assert!(error.to_string().contains("the manifest names it, and it is gone"), "{error}");
}

#[test]
fn an_object_of_the_same_size_and_without_a_tag_is_another_one() {
    let (store, bucket) = moving();
    store.has_no_tags.store(true, Ordering::Relaxed);
    put(&bucket, "logs/a", "1\n2\n");
    put(&bucket, "logs/b", "3\n4\n");
    let decode = |line: &[u8]| String::from_utf8(line.to_vec()).map_err(|error| error.to_string());
    let source = Objects::lines(&bucket, "logs", Decoding::new(decode));
    source.start(&SourceContext::default()).unwrap();
    let splits = discover(&source, 0).unwrap().splits;
    assert_eq!(read(&source, &splits[0].id, 0).unwrap().0, ["1", "2"]);
    put(&bucket, "logs/b", "5\n6\n");
    let found = source.open(&ReadRange::starting_at(splits[1].id.clone(), 0)).map(|_| ());
    assert!(matches!(found, Err(ConnectError::Lost { .. })), "{found:?}");
}

#[test]
fn many_whole_objects_do_not_wait_in_memory() {
    let (store, bucket) = moving();
    let sink = ObjectSink::json::<String>(&bucket, "out").full_at(4 << 20);
    sink.start(&SinkContext::default()).unwrap();
    let record = "x".repeat(1 << 20);
    let records = std::iter::repeat_n(record, 120);
    let written = sink.write(WriteTask::new(Epoch(1), 0), records).unwrap();
    let uploads = store.uploads.load(Ordering::Relaxed);
    assert!((10..25).contains(&uploads), "{uploads} of 30 are stored, 64 MiB wait");
    let mut pending = sink.stage(Epoch(1), vec![written]).unwrap();
    sink.commit(Epoch(1), &mut pending).unwrap();
    assert_eq!(all(&Objects::json::<String>(&bucket, "out")).len(), 120);
}

#[test]
fn however_results_are_reached_only_what_is_committed_is_read() {
    let (_, bucket) = moving();
    let sink = ObjectSink::json::<u32>(&bucket, "lake/out").partitioned_by("odd", |n: &u32| n % 2);
    sink.start(&SinkContext::default()).unwrap();
    let write = |epoch, records: [u32; 2]| {
        let written = sink.write(WriteTask::new(Epoch(epoch), 0), records.into_iter()).unwrap();
        sink.stage(Epoch(epoch), vec![written]).unwrap()
    };
    sink.commit(Epoch(1), &mut write(1, [1, 2])).unwrap();
    let mut pending = write(2, [3, 4]);
    put(&bucket, "lake/other/x.ndjson", "7\n");
    let paths = [
        ("lake/out", vec![1, 2], vec![1, 2, 3, 4]),
        ("lake/out/*/*.ndjson", vec![1, 2], vec![1, 2, 3, 4]),
        ("lake/out/**/*", vec![1, 2], vec![1, 2, 3, 4]),
        ("lake/out/odd=1", vec![1], vec![1, 3]),
        ("lake/out/odd=1/*", vec![1], vec![1, 3]),
        ("lake", vec![1, 2, 7], vec![1, 2, 3, 4, 7]),
        ("", vec![1, 2, 7], vec![1, 2, 3, 4, 7]),
    ];
    let read = |path: &str| {
        let mut found = all(&Objects::json::<u32>(&bucket, path));
        found.sort_unstable();
        found
    };
    for (path, due, _) in &paths {
        assert_eq!(read(path), *due, "{path:?}");
    }
    sink.commit(Epoch(2), &mut pending).unwrap();
    for (path, _, due) in &paths {
        assert_eq!(read(path), *due, "{path:?}");
    }
}
