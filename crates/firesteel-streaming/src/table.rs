//! Tables that streams are enriched from: rows by key, one copy for all threads, fixed or loaded again as the job runs.

mod join;
mod live;
mod look;
mod rows;

use std::fmt;
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_core::{Actions, Exchange, Key, Rdd, RddOps};
use firesteel_window::{Duration, seconds};

use crate::stream::Cause;
use crate::table::rows::Rows;

pub use join::TableJoin;
use live::Loaded;

/// Rows by key, which a stream is enriched from by [`join_table`](crate::Stream::join_table): a list of zones, of users, of what is
/// not wanted.
///
/// A table is either [fixed](Self::of), or [loaded](Self::load) when the job starts and, if it is said so, [again and
/// again](Self::every) or when [its file changes](Self::when_changed). It is loaded between two batches, whole or not at all: all
/// records of a batch meet one version of it, in all joins with it. All threads share one copy; a clone is the same table.
///
/// ```
/// use firesteel_streaming::Table;
/// use firesteel_testkit::TestJob;
///
/// let zones = Table::of([(4, "Alphabet City"), (132, "JFK Airport")]);
/// let test = TestJob::new();
/// let trips = test.script([vec![(132, 52), (4, 9), (999, 1)]]); // zone and price
/// let prices = trips.join_table(&zones, |trip| trip.0).left_outer(|(zone, price), name| match name {
///     Some(name) => format!("{name}: {price}"),
///     None => format!("zone {zone}: {price}"),
/// });
/// let prices = test.record(prices);
/// test.run()?;
/// assert_eq!(prices.sorted(), [["Alphabet City: 9", "JFK Airport: 52", "zone 999: 1"]]);
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
///
/// # After a crash
///
/// An epoch that was prepared and is run again has to give the sinks that lack it the rows that the others have. So the checkpoint of a
/// job keeps a copy of each version of a loaded table that an epoch has used, until the epoch can no longer be run again, and that is
/// what its batches meet then; the batches after it meet what is loaded when the job starts. A fixed table is a part of the program, as
/// its functions are.
///
/// # Errors
/// Two rows of one key are an error, since one would be lost without a word. A table that cannot be loaded when the job starts refuses the
/// start. Later, the job keeps the version that it has, warns of it, says so in its
/// [progress](crate::BatchProgress::tables) and tries again; where that is not wanted, see [`stop_on_failure`](Self::stop_on_failure).
pub struct Table<K, V> {
    kind: Kind<K, V>,
}

enum Kind<K, V> {
    /// What is there for good, or why there is nothing.
    Fixed(std::result::Result<Arc<Rows<K, V>>, String>),
    Loaded(Loaded<K, V>),
}

impl<K: Eq + Hash + Send + Sync + 'static, V: Send + Sync + 'static> Table<K, V> {
    /// A table of these rows, which stays as it is.
    pub fn of(rows: impl IntoIterator<Item = (K, V)>) -> Self {
        Self { kind: Kind::Fixed(Rows::collect(rows).map(Arc::new)) }
    }
}

impl<K: Key, V: Exchange> Table<K, V> {
    /// A table of the rows that `load` returns, which is called on the job's thread when the job starts: it may read a file, ask a
    /// database, or collect an RDD. It is loaded once, unless it is said when to load it [again](Self::every).
    ///
    /// The name is that of the table in errors and progress, and that under which a checkpoint keeps copies of it: no two tables of a
    /// job have the same one.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use firesteel_streaming::Table;
    ///
    /// let zones: Table<u32, String> = Table::load("zones", || {
    ///     let text = std::fs::read_to_string("zones.csv")?;
    ///     let rows = text.lines().filter_map(|line| line.split_once(','));
    ///     let rows = rows.map(|(id, name)| Ok((id.parse()?, name.to_owned())));
    ///     rows.collect::<Result<HashMap<_, _>, Box<dyn std::error::Error + Send + Sync>>>()
    /// })
    /// .when_changed("zones.csv");
    /// # let _ = zones;
    /// ```
    pub fn load<I, E, F>(name: &str, load: F) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        E: Into<Cause>,
        F: Fn() -> std::result::Result<I, E> + Send + Sync + 'static,
    {
        let load = move || Rows::collect(load().map_err(Into::into)?).map_err(Into::into);
        Self { kind: Kind::Loaded(Loaded::new(name, Arc::new(load))) }
    }

    /// A table of the pairs of an RDD, which is collected when the job starts: see [`load`](Self::load).
    pub fn load_rdd<R>(name: &str, rdd: R) -> Self
    where
        R: Rdd<Item = (K, V)>,
    {
        let rdd = rdd.boxed();
        Self::load(name, move || rdd.collect())
    }

    /// A table of the lines of a file, which is read when the job starts, and again [when it changes](Self::when_changed). `row` makes
    /// a row of a line, or `None` of one that is none, such as a heading; an error names the line.
    ///
    /// ```
    /// use firesteel_streaming::Table;
    /// use firesteel_testkit::TestJob;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("countries.csv");
    /// std::fs::write(&path, "code,currency\nGB,GBP\nNL,EUR\n")?;
    /// let countries = Table::lines(&path, |line| match line.split_once(',') {
    ///     Some(("code", _)) => Ok(None),
    ///     Some((code, currency)) => Ok(Some((code.to_owned(), currency.to_owned()))),
    ///     None => Err("it has one column"),
    /// });
    ///
    /// let test = TestJob::new();
    /// let invoices = test.script([vec!["NL", "GB"], vec!["NL"], vec!["NL"]]);
    /// let currencies = invoices.join_table(&countries, |code| (*code).to_owned());
    /// let currencies = test.record(currencies.inner(|code, currency| format!("{code}: {currency}")));
    /// test.batch()?;
    /// std::fs::write(&path, "code,currency\nGB,GBP\nNL,guilders\n")?;
    /// test.batch()?; // the file has changed, and may be changing still
    /// test.batch()?;
    /// assert_eq!(currencies.sorted(), [vec!["GB: GBP", "NL: EUR"], vec!["NL: EUR"], vec!["NL: guilders"]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lines<E, F>(path: impl AsRef<Path>, row: F) -> Self
    where
        E: fmt::Display,
        F: Fn(&str) -> std::result::Result<Option<(K, V)>, E> + Send + Sync + 'static,
    {
        let path = path.as_ref().to_owned();
        let (name, file) = (path.display().to_string(), path.clone());
        let load = move || {
            let text = std::fs::read_to_string(&file)?;
            let rows = (1..).zip(text.lines()).filter_map(|(number, line)| {
                let row = row(line).map_err(|error| Cause::from(format!("line {number}: {error}")));
                row.transpose()
            });
            rows.collect::<std::result::Result<Vec<_>, Cause>>()
        };
        Self::load(&name, load).when_changed(path)
    }

    /// Gives the table another name: see [`load`](Self::load). One of [lines](Self::lines) is called as its file.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        if let Kind::Loaded(loaded) = &mut self.kind {
            loaded.name = name.into();
        }
        self
    }

    /// Loads the table again when it is so old, by the clock of the batches: between two of them, in the first that comes after that time. A
    /// span of zero or below is refused when the job is built.
    #[must_use]
    pub fn every(self, span: Duration) -> Self {
        self.with(|loaded| loaded.refresh.every = Some(span))
    }

    /// Loads the table again when this file is another one, or has another size or time of change. It is looked at once a second at most,
    /// and only when a batch is about to run or the job waits for records.
    ///
    /// A file that is written in place is not whole at each moment. So a change counts once a further look finds the same; a
    /// file that is renamed to its place, which is the better way, comes a second later than it might. A file that is not there, or changes
    /// while it is read, leaves the table as it is.
    #[must_use]
    pub fn when_changed(self, file: impl Into<PathBuf>) -> Self {
        let file = file.into();
        self.with(|loaded| loaded.refresh.file = Some(file))
    }

    /// A table that had rows may be loaded without any. Unless this is said, that is taken for a failure: mostly, a file that is being
    /// written, or a query that found nothing by mistake.
    #[must_use]
    pub fn may_become_empty(self) -> Self {
        self.with(|loaded| loaded.refresh.may_become_empty = true)
    }

    /// Stops the job when the table cannot be loaded again, instead of continuing with the version that it has.
    #[must_use]
    pub fn stop_on_failure(self) -> Self {
        self.with(|loaded| loaded.refresh.stops = true)
    }

    fn with(mut self, change: impl FnOnce(&mut Loaded<K, V>)) -> Self {
        match &mut self.kind {
            Kind::Loaded(loaded) => change(loaded),
            // A fixed table never changes: that it cannot is told when the job is built.
            Kind::Fixed(rows) => {
                *rows = Err("its rows are fixed, so that it cannot be loaded again: make it by Table::load".to_owned());
            }
        }
        self
    }
}

/// When a table is loaded again, and what becomes of failures.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refresh {
    pub(crate) every: Option<Duration>,
    pub(crate) file: Option<PathBuf>,
    pub(crate) may_become_empty: bool,
    pub(crate) stops: bool,
}

/// Between two looks at a file.
pub(crate) const LOOK_EVERY: Duration = seconds(1);

impl fmt::Display for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.every, &self.file) {
            (None, None) => write!(f, "loaded once"),
            (Some(every), None) => write!(f, "loaded every {every}"),
            (None, Some(file)) => write!(f, "loaded when {} changes", file.display()),
            (Some(every), Some(file)) => write!(f, "loaded every {every} and when {} changes", file.display()),
        }
    }
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        let kind = match &self.kind {
            Kind::Fixed(rows) => Kind::Fixed(rows.clone()),
            Kind::Loaded(loaded) => Kind::Loaded(loaded.clone()),
        };
        Self { kind }
    }
}

impl<K, V> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Table(")?;
        match &self.kind {
            Kind::Fixed(Ok(rows)) => write!(f, "{} rows", rows.len())?,
            Kind::Fixed(Err(reason)) => f.write_str(reason)?,
            Kind::Loaded(loaded) => write!(f, "{}, {}", loaded.name, loaded.refresh)?,
        }
        f.write_str(")")
    }
}
