//! Results in a store whose answers are lost.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::all;
use firesteel_connect::conformance::{self, Loss};
use firesteel_connect_object_store::object_store::memory::InMemory;
use firesteel_connect_object_store::object_store::path::Path;
use firesteel_connect_object_store::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use firesteel_connect_object_store::{Bucket, ObjectSink, Objects};
use futures_util::stream::BoxStream;

/// A store that loses what is put where none is.
#[derive(Debug, Default)]
struct Losing {
    inner: Arc<InMemory>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    loss: Option<Loss>,
    late: Option<(Path, PutPayload)>,
}

impl fmt::Display for Losing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Losing")
    }
}

#[async_trait]
impl ObjectStore for Losing {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let loss = if options.mode == PutMode::Create { self.state.lock().unwrap().loss.take() } else { None };
        match loss {
            None => return self.inner.put_opts(location, payload, options).await,
            Some(Loss::Answer) => _ = self.inner.put_opts(location, payload, options).await?,
            Some(Loss::Late) => self.state.lock().unwrap().late = Some((location.clone(), payload)),
            Some(_) => {}
        }
        Err(Error::Generic { store: "Losing", source: "connection reset".into() })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

struct Place {
    losing: Arc<Losing>,
    bucket: Bucket,
}

#[test]
fn a_manifest_whose_fate_is_unknown_is_put_again() {
    let place = || {
        let losing = Arc::new(Losing::default());
        let bucket = Bucket::new(Arc::clone(&losing) as Arc<dyn ObjectStore>).unwrap();
        Place { losing, bucket }
    };
    let lose = |place: &Place, loss| place.losing.state.lock().unwrap().loss = Some(loss);
    let land = |place: &Place| {
        let late = place.losing.state.lock().unwrap().late.take();
        if let Some((key, payload)) = late {
            let put =
                place.bucket.call(|store| async move { store.put_opts(&key, payload, PutMode::Create.into()).await });
            assert!(put.unwrap_err().is_taken(), "it was put meanwhile");
        }
    };
    for wanted in [None, Some(4), Some(1 << 20)] {
        conformance::unsure_sink(
            place,
            |place| {
                let sink = ObjectSink::json::<u32>(&place.bucket, "out");
                if let Some(wanted) = wanted { sink.compact_to(wanted) } else { sink }
            },
            lose,
            land,
            |place| all(&Objects::json::<u32>(&place.bucket, "out")),
            |n| n,
        );
    }
}
