//! Objects as a source.

mod after;
mod catalog;
mod dispose;
mod entry;
mod fitting;
mod later;
mod merged;
mod note;
mod origin;
mod reader;
pub(crate) mod results;
mod rows;
mod telling;

use std::fmt;

use firesteel_connect::{
    ConnectError, Discovery, Place, ReadRange, Replay, Result, Source, SourceContext, SplitId, SplitNote,
};
use firesteel_formats::{BadFormat, CountRows, Format, Json, Lines, Raw};
use firesteel_object_store::Bucket;
use firesteel_window::{Duration, Timestamp, seconds};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use crate::pattern::Pattern;
pub use after::AfterReading;
use catalog::Catalog;
pub use reader::ObjectReader;
use reader::{Rest, Settings};

/// How long a record may be unless told otherwise: 16 MiB.
const LONGEST: usize = 16 << 20;

/// How often it is looked where an object is that is gone since it was merged.
const MERGED_MEANWHILE: usize = 5;

/// What becomes of an object that is gone, or was replaced, before all of it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnMissing {
    /// The job ends: with an error that says what can be done.
    #[default]
    Fail,
    /// It is told and counted, and the job continues without the rest of it.
    Skip,
}

/// What becomes of an object that is damaged, ends in the middle, or cannot be read for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnUnreadable {
    /// The job ends.
    Fail,
    /// It is told and counted, and the job continues without what is damaged. Where objects are followed, one that cannot be read for now, as one
    /// that is forbidden, is told, counted, and retried.
    Skip,
}

/// In which order objects are read that are found at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Order {
    /// By their keys.
    #[default]
    Key,
    /// By the time at which they were stored, and by their keys where that is the same.
    Time,
}

/// How objects are read.
#[derive(Debug, Clone)]
struct Policy {
    follow: bool,
    order: Order,
    most_at_once: Option<usize>,
    on_missing: OnMissing,
    on_unreadable: Option<OnUnreadable>,
    after_reading: AfterReading,
    by_lines: bool,
    /// Counts the rows of an object, where objects are tables; and whether not all of them are read.
    rows: Option<CountRows>,
    picks_rows: bool,
}

impl Policy {
    /// Whether an object that is damaged is told and passed over.
    fn bears_damage(&self) -> bool {
        self.on_unreadable.map_or(self.follow, |policy| policy == OnUnreadable::Skip)
    }

    /// Whether an object that cannot be read for now is told and left for later: where somebody comes back to it.
    fn leaves_for_later(&self) -> bool {
        self.follow && self.bears_damage()
    }
}

/// Reads the records of the objects under a prefix, or of those that match a glob, in any [`Format`].
///
/// - **Objects.** A prefix stands for all objects below it, at any depth, but for those of which a part of the key after it begins with
///   `.` or `_`. In a glob `*` and `?` stand for what is between two slashes, `**` for any of it. Of a prefix to which an
///   [`ObjectSink`](crate::ObjectSink) writes, exactly the committed objects are read, also by a glob or where it is part of a larger
///   prefix. Empty objects, as those that mark folders, are
///   none.
/// - **Compression.** Plain, gzip and zstd, told apart by their first bytes.
/// - **One version.** Everything that is read of an object is of the version that was found: by its version where the store keeps
///   several, by its tag otherwise. One that is replaced or deleted before all of it was read is an [error](OnMissing); one that is
///   replaced after that is a new one, read from its start, whose split is called `a.log#2`. Tag, version, size and time stand in the
///   checkpoint beside the position: what is known is told by that, and never by the time or the order of keys.
/// - **Positions** are byte offsets in the decompressed text, or the numbers of rows in a table; an object is a split named by its key. Large plain objects whose records
///   are lines, and large tables, are read in parallel. They are fetched in ranges of 8 MiB, two of them ahead.
/// - **Without [`follow`](Self::follow)** the objects that are there at the start are all there is. With it, the store is listed every
///   ten seconds, unless [told otherwise](Self::look_every).
/// - A key that the client library cannot take is left out and told, if the bucket is [`paged`](Bucket::paged); otherwise it is an error.
///
/// ```
/// use std::sync::Arc;
/// use firesteel_connect_object_store::{Bucket, Objects, object_store::memory::InMemory};
///
/// #[derive(serde::Deserialize)]
/// struct Click {
///     user: String,
/// }
///
/// let lake = Bucket::new(Arc::new(InMemory::new()))?;
/// let clicks = Objects::json::<Click>(&lake, "logs/2026-11-*/*.ndjson.gz").follow().most_at_once(1_000);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Objects<F> {
    bucket: Bucket,
    pattern: Pattern,
    policy: Policy,
    look_every: Duration,
    longest: usize,
    format: F,
    catalog: Mutex<Catalog>,
    looks: Mutex<Looks>,
}

/// When the store was listed.
#[derive(Debug, Default)]
struct Looks {
    last: Option<Timestamp>,
    source: String,
}

impl Objects<Raw> {
    /// Objects of the bucket under a prefix, or that match a glob, in this format.
    pub fn in_format<F: Format>(bucket: &Bucket, path: &str, format: F) -> Objects<F> {
        let policy = Policy {
            follow: false,
            order: Order::Key,
            most_at_once: None,
            on_missing: OnMissing::Fail,
            on_unreadable: None,
            after_reading: AfterReading::keep(),
            by_lines: format.ends_at_newlines() && !format.is_packed() && format.rows().is_none(),
            rows: format.rows(),
            picks_rows: format.picks_rows(),
        };
        let pattern = Pattern::new(path);
        let catalog = Mutex::new(Catalog::new(bucket.clone(), pattern.clone(), policy.clone()));
        let (look_every, looks) = (seconds(10), Mutex::default());
        Objects { bucket: bucket.clone(), pattern, policy, look_every, longest: LONGEST, format, catalog, looks }
    }

    /// Lines of text, as a decoder makes them.
    pub fn lines<D: firesteel_connect::Decode>(bucket: &Bucket, path: &str, decode: D) -> Objects<Lines<D>> {
        Self::in_format(bucket, path, Lines::of(decode))
    }

    /// JSON with one value a line: see [`Json`].
    pub fn json<T: DeserializeOwned + Send + 'static>(bucket: &Bucket, path: &str) -> Objects<Lines<Json<T>>> {
        Self::in_format(bucket, path, Json::new().lines())
    }

    /// CSV with a header in each object: see [`Csv`](firesteel_formats::Csv).
    #[cfg(feature = "csv")]
    pub fn csv<T: DeserializeOwned + Send + 'static>(
        bucket: &Bucket,
        path: &str,
    ) -> Objects<firesteel_formats::Csv<T>> {
        Self::in_format(bucket, path, firesteel_formats::Csv::new())
    }

    /// Avro object container files, by the names of fields: see [`Avro`](firesteel_formats::Avro).
    #[cfg(feature = "avro")]
    pub fn avro<T: DeserializeOwned + Send + 'static>(
        bucket: &Bucket,
        path: &str,
    ) -> Objects<firesteel_formats::Avro<T>> {
        Self::in_format(bucket, path, firesteel_formats::Avro::new())
    }

    /// Parquet, of which only the columns are fetched that the type has, and of a filter only the row groups and pages that may
    /// have wanted rows: see [`Parquet`](firesteel_formats::Parquet).
    #[cfg(feature = "parquet")]
    pub fn parquet<T: DeserializeOwned + Send + 'static>(
        bucket: &Bucket,
        path: &str,
    ) -> Objects<firesteel_formats::Parquet<T>> {
        Self::in_format(bucket, path, firesteel_formats::Parquet::new())
    }
}

impl<F: Format> Objects<F> {
    fn with_policy(mut self, policy: Policy) -> Self {
        self.catalog = Mutex::new(Catalog::new(self.bucket.clone(), self.pattern.clone(), policy.clone()));
        self.policy = policy;
        self
    }

    /// Reads objects that are stored later as well, without end.
    #[must_use]
    pub fn follow(self) -> Self {
        let policy = Policy { follow: true, ..self.policy.clone() };
        self.with_policy(policy)
    }

    /// In which order objects are read that are found at the same time; by their keys unless set.
    #[must_use]
    pub fn order(self, order: Order) -> Self {
        let policy = Policy { order, ..self.policy.clone() };
        self.with_policy(policy)
    }

    /// How many objects that were found are taken in for a batch at most; all of them unless set. The others wait their turn.
    #[must_use]
    pub fn most_at_once(self, objects: usize) -> Self {
        let policy = Policy { most_at_once: Some(objects.max(1)), ..self.policy.clone() };
        self.with_policy(policy)
    }

    /// What becomes of an object that is gone, or was replaced, before all of it was read. The default is [`OnMissing::Fail`].
    #[must_use]
    pub fn on_missing(self, policy: OnMissing) -> Self {
        let policy = Policy { on_missing: policy, ..self.policy.clone() };
        self.with_policy(policy)
    }

    /// What becomes of an object that is damaged, ends in the middle, or cannot be read for now. Unless set, it ends the job, but where objects
    /// are followed it does not: of what is damaged the rest is passed over, told and counted, or, of a table, the rows of the pages that are
    /// damaged; what cannot be read for now is told, counted, and retried. One that is [not what the program expects](ConnectError::Mismatch) is
    /// passed over until a program is started that it fits, as long as any object fits.
    #[must_use]
    pub fn on_unreadable(self, policy: OnUnreadable) -> Self {
        let policy = Policy { on_unreadable: Some(policy), ..self.policy.clone() };
        self.with_policy(policy)
    }

    /// What becomes of an object when all of it was read and that is committed: it is kept, deleted, or copied to an archive and deleted.
    /// That is done to the object in the version that was read; one that was stored under its key since is read, also if it has the same
    /// content; after a restart that is told by the time, which most stores tell to the second. Between the last look
    /// and the deletion is the time of a call, since stores cannot delete on a condition: let writers use new keys. Empty objects, objects that
    /// are damaged or were not read to their ends, and those of results, which a manifest lists, are left alone; of the last that is told.
    ///
    /// Deleting costs two calls for each object, archiving five. Larger ones than 8 MiB are copied by the store, which S3 does up to 5 GB; while it
    /// does, a line of text holds the place.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use firesteel_connect_object_store::{AfterReading, Bucket, Objects, object_store::memory::InMemory};
    /// # let lake = Bucket::new(Arc::new(InMemory::new()))?;
    /// let numbers = Objects::json::<u64>(&lake, "in").follow().after_reading(AfterReading::archive("done"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn after_reading(self, after: AfterReading) -> Self {
        let policy = Policy { after_reading: after, ..self.policy.clone() };
        self.with_policy(policy)
    }

    /// How long to wait between two listings of the store, which cost money; ten seconds unless set.
    #[must_use]
    pub fn look_every(mut self, span: Duration) -> Self {
        self.look_every = span;
        self
    }

    /// How many bytes a record may have; 16 MiB unless told otherwise. A longer one is an error that concerns one record.
    #[must_use]
    pub fn longest_record(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    fn opened(&self, range: &ReadRange, rest: Option<Rest<F::Reading>>) -> Result<ObjectReader<F::Reading>> {
        let object = {
            let mut catalog = self.catalog.lock();
            if !catalog.has_looked {
                catalog.look()?;
            }
            if catalog.object(&range.split).is_none() {
                catalog.take_in()?;
            }
            catalog.object(&range.split).cloned()
        };
        let mut object = object.ok_or_else(|| ConnectError::unknown_split(&self.describe(), &range.split))?;
        let (bucket, format, longest, bears_damage) =
            (&self.bucket, &self.format, self.longest, self.policy.bears_damage());
        let source = self.looks.lock().source.clone();
        let bears_loss = self.policy.on_missing == OnMissing::Skip;
        let settings = Settings { bucket, source: &source, format, longest, bears_damage, bears_loss };
        let mut rest = rest;
        for _ in 0..MERGED_MEANWHILE {
            if !object.is_missed() {
                match ObjectReader::open(object.clone(), range, &settings, rest.take()) {
                    Err(_) if object.is_missed() => {}
                    Err(ConnectError::Mismatch { place, reason }) if bears_damage => {
                        return Err(self.misfit(range, place, reason));
                    }
                    opened => {
                        if opened.as_ref().is_ok_and(ObjectReader::is_compared) {
                            object.misfits.fits();
                        }
                        return opened;
                    }
                }
            }
            let mut catalog = self.catalog.lock();
            catalog.find_again(&range.split)?;
            object = catalog.object(&range.split).cloned().unwrap_or(object);
        }
        ObjectReader::open(object, range, &settings, None)
    }
}

impl<F: Format> Source for Objects<F> {
    type Item = F::Item;
    type Reader = ObjectReader<F::Reading>;

    fn describe(&self) -> String {
        format!("{} objects in {}/{}", self.format.name(), self.bucket, self.pattern)
    }

    fn replay(&self) -> Replay {
        Replay::Always
    }

    fn forgets(&self) -> bool {
        !self.policy.after_reading.keeps()
    }

    fn would_read(&self, place: &Place) -> bool {
        match place {
            Place::Object { store, key } => *store == self.bucket.to_string() && self.pattern.has(key),
            _ => false,
        }
    }

    fn start(&self, context: &SourceContext) -> Result<()> {
        let refused = |setting, reason: &str| {
            Err(ConnectError::Setting { connector: "Objects", setting, reason: reason.to_owned() })
        };
        if self.longest == 0 {
            return refused("longest record", "it is 0; a record needs a byte at least");
        }
        if let Some(fault) = self.pattern.fault() {
            return refused("path", fault);
        }
        if let Err(BadFormat { setting, reason }) = self.format.check() {
            return Err(ConnectError::Setting { connector: self.format.name(), setting, reason });
        }
        let mut catalog = self.catalog.lock();
        *catalog = Catalog::new(self.bucket.clone(), self.pattern.clone(), self.policy.clone());
        catalog.start(context)?;
        drop(catalog);
        self.compare()?;
        *self.looks.lock() = Looks { last: Some(context.now()), source: context.name().to_owned() };
        Ok(())
    }

    fn discover(&self, now: Timestamp) -> Result<Discovery> {
        let mut catalog = self.catalog.lock();
        let last = self.looks.lock().last;
        // A clock that was set back is no reason to wait.
        if !catalog.has_looked || last.is_none_or(|last| now < last || now.since(last) >= self.look_every) {
            catalog.look()?;
            self.looks.lock().last = Some(now);
        }
        catalog.dispose(now)?;
        catalog.withhold(now);
        catalog.answer()
    }

    fn open(&self, range: &ReadRange) -> Result<Self::Reader> {
        self.opened(range, None)
    }

    fn reopen(&self, reader: Self::Reader, range: &ReadRange) -> Result<Self::Reader> {
        self.opened(range, reader.into_rest())
    }

    fn pass_over(&self, stretch: &ReadRange) -> Result<bool> {
        Ok(self.catalog.lock().pass_over(stretch))
    }

    fn notes(&self, moved: &[(SplitId, u64)]) -> Result<Vec<(SplitId, SplitNote)>> {
        self.catalog.lock().notes(moved)
    }

    fn stop(&self) {
        let mut catalog = self.catalog.lock();
        catalog.tell_gaps();
        catalog.pass_misfits();
    }

    fn committed(&self, positions: &[(SplitId, u64)]) -> Result<()> {
        let now = self.looks.lock().last.unwrap_or(Timestamp::EPOCH);
        let mut catalog = self.catalog.lock();
        catalog.committed(positions);
        catalog.dispose(now)
    }
}

impl<F> fmt::Debug for Objects<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = self.pattern.to_string();
        f.debug_struct("Objects").field("bucket", &self.bucket).field("path", &pattern).finish_non_exhaustive()
    }
}
