//! Files as a source.

mod after;
mod catalog;
mod decode;
mod ends;
mod entry;
mod family;
mod fitting;
mod identity;
mod input;
mod line_count;
mod listing;
mod matching;
mod merged;
mod note;
mod opening;
mod order;
mod origin;
mod own;
mod policy;
mod reader;
mod rows;
mod settings;
mod telling;
mod text;
mod watch;

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use firesteel_connect::{
    ConnectError, Discovery, InvalidUtf8, Place, ReadRange, Replay, Result, Source, SourceContext, SplitId, SplitNote,
};
#[cfg(feature = "avro")]
use firesteel_formats::Avro;
#[cfg(feature = "csv")]
use firesteel_formats::Csv;
#[cfg(feature = "parquet")]
use firesteel_formats::Parquet;
use firesteel_formats::{BadFormat, CombinedLog, Format, Json, Lines};
#[cfg(feature = "pattern")]
use firesteel_formats::{Multiline, Pattern};
use firesteel_window::{Duration, Timestamp};
use parking_lot::Mutex;

pub use after::AfterReading;
use catalog::Catalog;
pub use decode::{Bytes, DecodeText, Owned, Text};
pub use firesteel_frames::TextEncoding;
pub(crate) use identity::Print;
pub use order::FileOrder;
use policy::{Borders, Policy};
pub use policy::{OnMissing, OnUnreadable};
pub use reader::FileReader;
use reader::Spares;
use serde::de::DeserializeOwned;

/// How long the file system is left alone, in terms of how long the last look took: so looks take a twentieth of the time.
const LOOK_SHARE: i64 = 20;
/// How long a record may be unless told otherwise: 16 MiB.
const LONGEST: usize = 16 << 20;

/// Files of lines of text: see [`Files`], and [`try_decode`](Files::try_decode) for what becomes of a line.
pub type TextFiles<D = Owned> = Files<Lines<D>>;

/// Reads the records of a file, of a folder or of the files that match a glob, in any [`Format`].
///
/// | | records |
/// |---|---|
/// | [`TextFiles::new`](Files::new) | lines, as `String`s or what a function makes of them |
/// | [`Files::json`] | JSON, one value a line |
/// | `Files::csv` | CSV, by the names of columns; feature `csv` |
/// | `Files::avro` | Avro object container files, by the names of fields; feature `avro` |
/// | `Files::parquet` | Parquet, by the names of columns; feature `parquet` |
/// | `Files::pattern` | text by a regular expression, whose named groups are the fields; feature `pattern` |
/// | [`Files::combined_log`] | the access log of Apache and nginx |
/// | `Files::indented`, `Files::starting_with` | text of several lines, as logs with stack traces have it; feature `pattern` |
/// | [`Files::in_format`] | those of a format of your own |
///
/// - **Files.** A folder stands for the files in it, in the order of their names, without its subfolders and without
///   hidden (`.`, `_`) and temporary ones (`~`, `.tmp`, `.temp`, `.part`, `.partial`, `._COPYING_`). Of a folder that
///   a [`TextFileSink`](crate::TextFileSink) writes, exactly the committed files are read. What is [merged](crate::Compaction) while
///   it is known is read on where it stands then, under the name that it had.
/// - **Compression.** Plain text, gzip (also of several members), zstd, and with the features of these names bzip2, xz and lz4, told
///   apart by their first bytes; what contradicts the name is told. Files packed by others are not read as text, but are files that
///   [cannot be read](OnUnreadable). Text in UTF-16, Latin-1 or Windows-1252 is decoded where [that is said](Self::encoding).
/// - **Lines** end with `\n` or `\r\n`. A record of text is a `String` unless [`decode`](Self::decode) makes something else
///   of the line.
/// - **Positions** are byte offsets in the decompressed text, or the numbers of rows in a table; a file is a split named by its path. Plain files whose
///   records are lines, and tables, can be read from anywhere, so large ones are read in parallel. Others are read by one task at a time,
///   which resumes where the one before it stopped.
/// - **Order.** By name, by time of change or by a time in the name ([`order`](Self::order)); at most a number of them at once
///   ([`max_files`](Self::max_files)) and none that is too old ([`max_age`](Self::max_age)). What was read is kept, deleted or archived
///   ([`after_reading`](Self::after_reading)).
/// - **Without [`follow`](Self::follow)** the files that are there at the start, as long as they are then, are all
///   there is. **With it**, files and lines that are added later are read as they come.
/// - **A file is known again by what it is**, not by its name: by its number in the file system, and by what it begins with
///   and what was read of it last. Device, number, size, time and hashes of that stand in the checkpoint beside the position.
///   So a log may be rotated in any of the usual ways, while the job runs or is stopped: renamed and made anew, copied and cut,
///   compressed in place, moved within its folder, restored from a copy. What is left of the old piece is read, then the
///   new one. A file with several names is read once.
///
/// | a file | is |
/// |---|---|
/// | with the number that is known, and the content | the same, whatever its name is now |
/// | under the same name, with the same beginning up to where it was read | the same, written anew or restored; it is told |
/// | named after it (`a.log.1`, `a-20240131.log`, `a.log.gz`), when it is gone or was cut, with the same text | the piece that was put aside |
/// | with the time of one that is gone, and its content | that one |
/// | named after one that is still there, with the same text | a copy that somebody makes, and left alone |
/// | other than these | a new one, read from its start. Where the name is taken, its split is called `a.log#2` |
///
/// What was known to be there, was not read, and is gone is an [error](OnMissing), and never passed over in silence. Damage in
/// gzip and zstd is found by their checksums, at the latest where a gzip member or a zstd frame ends.
///
/// ```
/// use firesteel_connect_file::TextFiles;
///
/// let clicks = TextFiles::new("logs/*.log.gz")
///     .follow()
///     .decode(|line: &str| line.split(' ').next().map(str::len));
/// ```
pub struct Files<F> {
    paths: Vec<PathBuf>,
    policy: Policy,
    look_every: Duration,
    longest: usize,
    invalid_utf8: InvalidUtf8,
    format: F,
    catalog: Mutex<Catalog>,
    looks: Mutex<Looks>,
    /// Decoders for parts of merged files: the `Spares` of what reads this format.
    spares: Arc<dyn Any + Send + Sync>,
}

/// Room for decoders of files in this format.
fn spares_for<F: Format>(_: &F) -> Arc<dyn Any + Send + Sync> {
    Arc::new(Spares::<F::Reading>::default())
}

/// When to look again.
#[derive(Debug, Default)]
struct Looks {
    /// When the last look that succeeded was, and how long it took.
    last: Option<(Timestamp, Duration)>,
    context: Option<SourceContext>,
}

impl Files<Lines<Owned>> {
    /// Lines of text, as `String`s: of the file, the folder, or the files that match the glob (`*`, `?`, `[a-z]`, `**`).
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::all([path])
    }

    /// Lines of several files, folders or globs, one after the other. What several of them name is read once.
    pub fn all(paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        let paths: Vec<PathBuf> = paths.into_iter().map(Into::into).collect();
        let format = Lines::of(Owned::default());
        Self {
            catalog: Mutex::new(Catalog::new(paths.clone(), Policy::new())),
            paths,
            policy: Policy::new(),
            look_every: Duration::ZERO,
            looks: Mutex::default(),
            longest: LONGEST,
            invalid_utf8: InvalidUtf8::default(),
            spares: spares_for(&format),
            format,
        }
    }

    /// JSON with one value a line (NDJSON, JSON Lines): see [`Json`] for what is read, and what is refused.
    ///
    /// ```
    /// use firesteel_connect_file::Files;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Click {
    ///     user: String,
    ///     ad: u32,
    /// }
    ///
    /// let clicks = Files::json::<Click>("logs/*.ndjson.gz");
    /// ```
    pub fn json<T: DeserializeOwned + Send + 'static>(path: impl Into<PathBuf>) -> Files<Lines<Json<T>>> {
        Files::new(path).in_format(Json::new().lines())
    }

    /// CSV with a header in each file: see [`Csv`] for what is read, and what is refused.
    ///
    /// ```
    /// use firesteel_connect_file::Files;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Sale {
    ///     #[serde(rename = "InvoiceNo")]
    ///     invoice: String,
    ///     #[serde(rename = "Quantity")]
    ///     pieces: i64,
    /// }
    ///
    /// let sales = Files::csv::<Sale>("sales/*.csv.gz").change_format(|csv| csv.delimiter(b';'));
    /// ```
    #[cfg(feature = "csv")]
    pub fn csv<T: DeserializeOwned + Send + 'static>(path: impl Into<PathBuf>) -> Files<Csv<T>> {
        Files::new(path).in_format(Csv::new())
    }

    /// Avro object container files, by the names of fields: see [`Avro`] for what is read, and what is refused.
    #[cfg(feature = "avro")]
    pub fn avro<T: DeserializeOwned + Send + 'static>(path: impl Into<PathBuf>) -> Files<Avro<T>> {
        Files::new(path).in_format(Avro::new())
    }

    /// Parquet, by the names of columns: see [`Parquet`] for what is read, what is refused, and how rows are chosen.
    ///
    /// ```
    /// use firesteel_connect_file::Files;
    /// use firesteel_formats::column;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Trip {
    ///     distance: f64,
    ///     zone: Option<String>,
    /// }
    ///
    /// let far = Files::parquet::<Trip>("trips/*.parquet")
    ///     .change_format(|trips| trips.rows_where(column("distance").at_least(10.0)));
    /// ```
    #[cfg(feature = "parquet")]
    pub fn parquet<T: DeserializeOwned + Send + 'static>(path: impl Into<PathBuf>) -> Files<Parquet<T>> {
        Files::new(path).in_format(Parquet::new())
    }

    /// Lines of text that a regular expression describes: see [`Pattern`].
    ///
    /// ```
    /// use firesteel_connect_file::Files;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Line {
    ///     level: String,
    ///     text: String,
    /// }
    ///
    /// let lines = Files::pattern::<Line>("app.log", r"\S+ (?<level>[A-Z]+) (?<text>.*)");
    /// ```
    #[cfg(feature = "pattern")]
    pub fn pattern<T: DeserializeOwned + Send + 'static>(
        path: impl Into<PathBuf>,
        pattern: &str,
    ) -> Files<Lines<Pattern<T>>> {
        Files::new(path).in_format(Pattern::new(pattern).lines())
    }

    /// The combined log of Apache and nginx: see [`CombinedLog`].
    pub fn combined_log(path: impl Into<PathBuf>) -> Files<Lines<CombinedLog>> {
        Files::new(path).in_format(CombinedLog::new().lines())
    }

    /// Text of which each line that is indented belongs to the record before it. [`Multiline`] has other rules, and other
    /// records than `String`s.
    ///
    /// ```
    /// use firesteel_connect_file::Files;
    /// use firesteel_formats::{Multiline, Pattern};
    /// use serde::Deserialize;
    ///
    /// let panics = Files::indented("app.log");
    ///
    /// #[derive(Deserialize)]
    /// struct Event {
    ///     level: String,
    ///     text: String,
    /// }
    ///
    /// let events = Pattern::<Event>::new(r"(?s)\d{4}\S+ (?<level>[A-Z]+) (?<text>.*)");
    /// let events = Files::new("app.log").in_format(Multiline::starting_with(r"^\d{4}-", events));
    /// ```
    #[cfg(feature = "pattern")]
    pub fn indented(path: impl Into<PathBuf>) -> Files<Multiline<Owned>> {
        Files::new(path).in_format(Multiline::indented(Owned::default()))
    }

    /// Text of which a record begins with each line that the regular expression matches, and has all lines up to the next one.
    #[cfg(feature = "pattern")]
    pub fn starting_with(path: impl Into<PathBuf>, pattern: &str) -> Files<Multiline<Owned>> {
        Files::new(path).in_format(Multiline::starting_with(pattern, Owned::default()))
    }
}

impl<F: Format> Files<F> {
    /// The same files in another format.
    #[must_use]
    pub fn in_format<G: Format>(self, format: G) -> Files<G> {
        let Self { paths, policy, look_every, longest, invalid_utf8, format: _, catalog: _, looks, spares: _ } = self;
        let (borders, rows, picks_rows) = (Borders::of(&format, policy.encoding), format.rows(), format.picks_rows());
        let policy = Policy { borders, rows, picks_rows, ..policy };
        let catalog = Mutex::new(Catalog::new(paths.clone(), policy.clone()));
        let spares = spares_for(&format);
        Files { paths, policy, look_every, longest, invalid_utf8, format, catalog, looks, spares }
    }

    /// Changes what the format is set to.
    #[must_use]
    pub fn change_format<G: Format>(self, change: impl FnOnce(F) -> G) -> Files<G> {
        let format = change(self.format.clone());
        self.in_format(format)
    }

    /// Whether it is time to look again.
    fn is_due(&self, now: Timestamp) -> bool {
        // A clock that was set back is no reason to wait.
        self.looks
            .lock()
            .last
            .is_none_or(|(last, took)| now < last || now.since(last) >= self.look_every.max(took * LOOK_SHARE))
    }

    /// Looks, and takes note of how long that takes.
    fn look(&self, catalog: &mut Catalog, now: Timestamp) -> Result<()> {
        let context = self.looks.lock().context.clone();
        let clock = || context.as_ref().map_or(now, SourceContext::now);
        let begun = clock();
        catalog.refresh(now)?;
        self.looks.lock().last = Some((now, clock().since(begun).max(Duration::ZERO)));
        Ok(())
    }
}

impl<F: Format> Source for Files<F> {
    type Item = F::Item;
    type Reader = FileReader<F::Reading>;

    fn describe(&self) -> String {
        let paths: Vec<String> = self.paths.iter().map(|path| path.display().to_string()).collect();
        format!("{} files in {}", self.format.name(), paths.join(", "))
    }

    fn replay(&self) -> Replay {
        Replay::Always
    }

    fn forgets(&self) -> bool {
        !self.policy.after_reading.keeps()
    }

    fn would_read(&self, place: &Place) -> bool {
        match place {
            Place::File(path) => self.paths.iter().any(|read| own::reaches(read, path)),
            _ => false,
        }
    }

    fn start(&self, context: &SourceContext) -> Result<()> {
        if self.longest == 0 {
            let reason = "it is 0; a record needs a byte at least".into();
            return Err(ConnectError::Setting { connector: "Files", setting: "longest record", reason });
        }
        if self.policy.encoding.is_some_and(|encoding| encoding != TextEncoding::Utf8) && !cfg!(feature = "encodings") {
            let reason = "this program is built without the feature `encodings`".into();
            return Err(ConnectError::Setting { connector: "Files", setting: "encoding", reason });
        }
        if let Err(reason) = self.policy.order.check() {
            return Err(ConnectError::Setting { connector: "Files", setting: "order", reason });
        }
        if self.policy.max_files == Some(0) {
            let reason = "it is 0; nothing would ever be read".into();
            return Err(ConnectError::Setting { connector: "Files", setting: "max_files", reason });
        }
        if let Err(BadFormat { setting, reason }) = self.format.check() {
            return Err(ConnectError::Setting { connector: self.format.name(), setting, reason });
        }
        self.looks.lock().context = Some(context.clone());
        let begun = context.now();
        self.catalog.lock().start(context)?;
        self.compare()?;
        let now = context.now();
        self.looks.lock().last = Some((now, now.since(begun).max(Duration::ZERO)));
        Ok(())
    }

    fn discover(&self, now: Timestamp) -> Result<Discovery> {
        let mut catalog = self.catalog.lock();
        if self.is_due(now) || !catalog.has_looked() {
            self.look(&mut catalog, now)?;
        }
        catalog.dispose(now)?;
        Ok(catalog.answer(now))
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
        self.catalog.lock().stop();
    }

    fn committed(&self, positions: &[(SplitId, u64)]) -> Result<()> {
        let mut catalog = self.catalog.lock();
        catalog.committed(positions);
        let now = self.looks.lock().last.map_or(Timestamp::EPOCH, |(last, _)| last);
        catalog.dispose(now)
    }
}

impl<F> fmt::Debug for Files<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("paths", &self.paths).field("follow", &self.policy.follow).finish_non_exhaustive()
    }
}
