//! Small objects of results at rest that become large ones.

use std::fmt;
use std::sync::atomic::AtomicU64;

use firesteel_connect::{ConnectError, Result, Scope};
use firesteel_object_store::Bucket;
use firesteel_results::{CompactionReport, Covered, Limits};

use crate::pattern::below;
use crate::sink::merging::Mergeable;
use crate::sink::place::{Claimed, keys};
use crate::source::results::folder;

/// Merges the small objects of results at rest: those that an [`ObjectSink`](crate::ObjectSink) has committed under a prefix, where no job
/// writes at the moment. A sink does it by itself where it is told to:
/// [`ObjectSink::compact_to`](crate::ObjectSink::compact_to).
///
/// Objects of one folder, format and compression whose epochs follow each other become one of up to `wanted` bytes. Objects with three
/// quarters of that are large enough.
///
/// - **Readers by the manifests** ([`Objects`](crate::Objects) over the prefix, followers included, running or stopped) see each record once,
///   at any moment and after any crash. A follower that knows some of the objects reads what it has not read of them from the merged one, and
///   the rest of that one; its splits keep their names and positions.
/// - **Who lists the prefix** and does not know the manifests sees records of both from the moment at which a merged object is stored
///   until the old ones are deleted: run it while nobody does. Each object is whole.
/// - **It may end anywhere.** What was begun is finished or removed by the next one, or when the sink starts next.
/// - **It claims the place**, as a start of the sink does: a job that writes there, or another compaction, ends with
///   [`ConnectError::Fenced`], and has to be started again. Run it while no job does.
/// - **Formats** are told by how names end: lines (`txt`, `ndjson`), `csv`, `avro`, `parquet`, `pb`. Objects of a format of your own with
///   one of these endings must be what the ending says. What has another header or schema is not merged together; what is left is told with
///   the reason.
/// - **Memory**: up to 64 MiB of objects that are fetched ahead, and as much of those that wait to be stored; of Parquet one small object.
/// - **An old object that is missing, damaged, or not as long** as its manifest says is an error, and nothing changes.
///
/// ```
/// # use std::sync::Arc;
/// use firesteel_connect::{Epoch, Sink, SinkContext, WriteTask};
/// use firesteel_connect_object_store::{Bucket, Compaction, ObjectSink, object_store::memory::InMemory};
///
/// let lake = Bucket::new(Arc::new(InMemory::new()))?;
/// let sink = ObjectSink::json::<u64>(&lake, "out");
/// Sink::<u64>::start(&sink, &SinkContext::default())?;
/// for epoch in 1..=100 {
///     let mut written = vec![sink.write(WriteTask::new(Epoch(epoch), 0), [epoch].into_iter())?];
///     Sink::<u64>::commit(&sink, Epoch(epoch), &mut written)?;
/// }
/// Sink::<u64>::stop(&sink)?;
///
/// let report = Compaction::of(&lake, "out", 128 << 20).run()?;
/// assert_eq!((report.merged, report.into), (100, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Compaction {
    bucket: Bucket,
    prefix: String,
    wanted: u64,
}

impl Compaction {
    /// Of the results under a prefix, to objects of up to `wanted` bytes as they are stored.
    pub fn of(bucket: &Bucket, prefix: &str, wanted: u64) -> Self {
        Self { bucket: bucket.clone(), prefix: prefix.trim_matches('/').to_owned(), wanted }
    }

    /// Merges what there is to be merged, of all parts of the job that wrote it.
    ///
    /// # Errors
    /// A [`ConnectError::Setting`] where there are no results. [`ConnectError::Lost`] and [`ConnectError::Damaged`] of an old object that is
    /// not as its manifest says. [`ConnectError::Fenced`] where a job, or another compaction, has begun meanwhile. Those of the store. What was
    /// merged before stays merged.
    pub fn run(&self) -> Result<CompactionReport> {
        let Self { bucket, prefix, wanted } = self;
        let scopes = self.scopes()?;
        if scopes.is_empty() {
            let reason =
                format!("{prefix} of {bucket} holds no results of a sink, which manifests in _committed would list");
            return Err(ConnectError::Setting { connector: "Compaction", setting: "prefix", reason });
        }
        let mut report = CompactionReport::default();
        for scope in scopes {
            let (claimed, _) = Claimed::claim(bucket, prefix, &scope, "compaction")?;
            let written = AtomicU64::new(0);
            let objects = Mergeable::of(bucket, prefix, &claimed, &written);
            objects.compact(*wanted, &Limits::none(), &mut report)?;
        }
        Ok(report)
    }

    /// The parts of the job that have committed something.
    fn scopes(&self) -> Result<Vec<Scope>> {
        let folder = folder(&self.prefix);
        let mut scopes = Vec::new();
        for key in keys(&self.bucket, &folder)? {
            let Some(below) = below(&folder, &key) else { continue };
            let (part, name) = below.rsplit_once('/').unwrap_or(("", below));
            let scope = if part.is_empty() { Some(Scope::whole()) } else { Scope::of_part(part).ok() };
            if let Some(scope) = scope.filter(|scope| Covered::parse(name).is_some() && !scopes.contains(scope)) {
                scopes.push(scope);
            }
        }
        Ok(scopes)
    }
}

impl fmt::Debug for Compaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, prefix, wanted } = self;
        f.debug_struct("Compaction").field("bucket", bucket).field("prefix", prefix).field("wanted", wanted).finish()
    }
}
