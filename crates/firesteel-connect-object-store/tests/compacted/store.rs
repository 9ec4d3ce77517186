//! A store in memory that fails, ends, and lets others do something between two calls.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use firesteel_connect_object_store::Bucket;
use firesteel_connect_object_store::object_store::memory::InMemory;
use firesteel_connect_object_store::object_store::path::Path;
use firesteel_connect_object_store::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Works,
    /// It never arrives.
    IsLost,
    /// It has its effect, and the answer is lost.
    IsUnanswered,
}

type Run = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    calls: u64,
    /// From which call on, whether that one has its effect, and whether it is the only one.
    fails: Option<(u64, bool, bool)>,
    before: Option<(u64, Run)>,
    in_listing: Option<(Option<usize>, Run)>,
    /// Tags are those of contents, as S3 has them.
    tags_contents: bool,
    /// What is put under a key with this in it arrives late.
    delays: Option<&'static str>,
    late: Option<(Path, PutPayload, PutOptions)>,
    /// The key of an object that may not be read.
    forbidden: Option<&'static str>,
}

#[derive(Default)]
pub(super) struct Faulty {
    pub(super) inner: Arc<InMemory>,
    state: Mutex<State>,
}

impl Faulty {
    /// One over the same objects, and the bucket over it.
    pub(super) fn over(inner: &Arc<InMemory>) -> (Arc<Self>, Bucket) {
        let store = Arc::new(Self { inner: Arc::clone(inner), state: Mutex::default() });
        (Arc::clone(&store), Bucket::new(store).unwrap())
    }

    /// All calls from this one on fail, as if the process had ended; this one may have its effect.
    pub(super) fn end_at(&self, call: u64, has_effect: bool) {
        self.state.lock().unwrap().fails = Some((call, has_effect, false));
    }

    /// This call fails.
    pub(super) fn fail_once(&self, call: u64, has_effect: bool) {
        self.state.lock().unwrap().fails = Some((call, has_effect, true));
    }

    /// Runs it right before this call.
    pub(super) fn before(&self, call: u64, run: impl FnOnce() + Send + 'static) {
        self.state.lock().unwrap().before = Some((call, Box::new(run)));
    }

    /// Runs it in the middle of the next listing, which takes two calls.
    pub(super) fn in_listing(&self, run: impl FnOnce() + Send + 'static) {
        self.state.lock().unwrap().in_listing = Some((None, Box::new(run)));
    }

    /// The same, after this many objects.
    pub(super) fn in_listing_after(&self, objects: usize, run: impl FnOnce() + Send + 'static) {
        self.state.lock().unwrap().in_listing = Some((Some(objects), Box::new(run)));
    }

    /// The next object whose key has this in it arrives late, and has no answer.
    pub(super) fn delay(&self, part: &'static str) {
        self.state.lock().unwrap().delays = Some(part);
    }

    /// It arrives; tells whether it has an effect.
    pub(super) fn land(&self) -> bool {
        let (key, payload, options) = self.state.lock().unwrap().late.take().unwrap();
        self.inner.put_opts(&key, payload, options).now_or_never().unwrap().is_ok()
    }

    /// Objects of equal contents have equal tags, as in S3.
    pub(super) fn tag_contents(&self) {
        self.state.lock().unwrap().tags_contents = true;
    }

    fn tagged(&self, mut object: ObjectMeta) -> ObjectMeta {
        if self.state.lock().unwrap().tags_contents {
            let bytes = self.inner.get(&object.location).now_or_never().unwrap().unwrap().bytes();
            object.e_tag = Some(format!("{:?}", bytes.now_or_never().unwrap().unwrap()));
        }
        object
    }

    /// The object of this key may not be read, or no object is forbidden any more.
    pub(super) fn forbid(&self, key: Option<&'static str>) {
        self.state.lock().unwrap().forbidden = key;
    }

    fn is_forbidden(&self, key: &Path) -> bool {
        self.state.lock().unwrap().forbidden.is_some_and(|forbidden| key.as_ref() == forbidden)
    }

    pub(super) fn calls(&self) -> u64 {
        self.state.lock().unwrap().calls
    }

    fn call(&self) -> Call {
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        let call = state.calls;
        if state.before.as_ref().is_some_and(|(at, _)| *at == call) {
            let (_, run) = state.before.take().unwrap();
            drop(state);
            run();
            state = self.state.lock().unwrap();
        }
        match state.fails {
            Some((at, has_effect, _)) if at == call => {
                if has_effect {
                    Call::IsUnanswered
                } else {
                    Call::IsLost
                }
            }
            Some((at, _, false)) if at < call => Call::IsLost,
            _ => Call::Works,
        }
    }

    fn objects(&self, prefix: Option<&Path>) -> Vec<ObjectMeta> {
        let listed: Vec<Result<ObjectMeta>> = self.inner.list(prefix).collect().now_or_never().unwrap();
        let mut objects: Vec<ObjectMeta> = listed.into_iter().map(|object| self.tagged(object.unwrap())).collect();
        objects.sort_by(|one, other| one.location.cmp(&other.location));
        objects
    }
}

fn lost<T>() -> Result<T> {
    Err(Error::Generic { store: "Faulty", source: "connection reset".into() })
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        {
            let mut state = self.state.lock().unwrap();
            if state.delays.is_some_and(|part| location.as_ref().contains(part)) {
                (state.delays, state.late) = (None, Some((location.clone(), payload, options)));
                return lost();
            }
        }
        match self.call() {
            Call::Works => self.inner.put_opts(location, payload, options).await,
            Call::IsLost => lost(),
            Call::IsUnanswered => self.inner.put_opts(location, payload, options).await.and_then(|_| lost()),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if self.call() != Call::Works {
            return lost();
        }
        if self.is_forbidden(location) {
            let source = "Access Denied".into();
            return Err(Error::PermissionDenied { path: location.to_string(), source });
        }
        let tags_contents = self.state.lock().unwrap().tags_contents;
        // Who asks compares the tag that comes.
        let if_match = options.if_match.clone().filter(|_| !tags_contents);
        let mut found = self.inner.get_opts(location, GetOptions { if_match, ..options }).await?;
        found.meta = self.tagged(found.meta);
        Ok(found)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let locations: Vec<Result<Path>> = locations.collect().now_or_never().unwrap();
        let mut outcomes = Vec::new();
        for location in locations {
            let location = location.unwrap();
            let call = self.call();
            if call != Call::IsLost {
                let deleted = self.inner.delete_stream(futures_util::stream::iter([Ok(location.clone())]).boxed());
                let deleted: Vec<Result<Path>> = deleted.collect().now_or_never().unwrap();
                outcomes.extend(deleted.into_iter().filter(|_| call == Call::Works));
            }
            outcomes.extend((call != Call::Works).then(lost));
        }
        futures_util::stream::iter(outcomes).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if self.call() != Call::Works {
            return futures_util::stream::iter([lost()]).boxed();
        }
        let mut objects = self.objects(prefix);
        let run = self.state.lock().unwrap().in_listing.take();
        if let Some((after, run)) = run {
            objects.truncate(after.unwrap_or(objects.len() / 2));
            run();
            let last = objects.last().map(|object| object.location.clone());
            let rest = self.objects(prefix).into_iter().filter(|object| Some(&object.location) > last.as_ref());
            objects.extend(rest);
        }
        futures_util::stream::iter(objects.into_iter().map(Ok)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        match self.call() {
            Call::Works => self.inner.copy_opts(from, to, options).await,
            Call::IsLost => lost(),
            Call::IsUnanswered => self.inner.copy_opts(from, to, options).await.and_then(|()| lost()),
        }
    }
}
