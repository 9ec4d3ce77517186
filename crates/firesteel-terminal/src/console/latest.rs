//! The newest rows, where rows change.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use firesteel_connect::{AppliesChanges, Epoch, Guarantee, Result, Sink, SinkContext, WriteTask};
use firesteel_streaming::WindowResult;
use firesteel_window::{Change, Window};
use parking_lot::Mutex;
use serde::Serialize;

use super::{Console, Format, Printed, not_written};
use crate::numbers::grouped;
use crate::screen;

/// Rows are kept up to this many; beyond, the last ones of the table are forgotten.
const KEPT_ROWS: usize = 100_000;

/// Shows the newest row of each key, or of each key and window, all of them again in each epoch that has changed some. Made by
/// [`Console::latest`].
///
/// | it is written | as | a row is that of |
/// |---|---|---|
/// | [`Changes`](firesteel_streaming::Changes): windows that fire early or again | changes, which put a row or withdraw it | a key in a window |
/// | a stream of [`WindowResult`]s: windows that fire once | rows that stay | a key in a window |
/// | a stream of pairs, such as the `running_` aggregates yield, in either of their output modes | the newest value of each key | a key |
///
/// The latest windows stand first, keys in their order; [`order_by`](Self::order_by) has another order. Of a long table, as many rows are shown as
/// [`Console::rows`] says, and up to 100,000 are kept: beyond that the last ones are forgotten, and the title says how many. After a
/// restart the table begins empty, and fills with what changes, which its title says, too.
///
/// **On a terminal the table is drawn again in its place**, above the progress bar, as high and wide as the screen has room: of the rows the first,
/// and how many more there are. What is told meanwhile comes above it. When the job has ended, the table stands there as it
/// would elsewhere. Elsewhere, in a file, a pipe or a dumb terminal (`TERM=dumb`), each epoch's table stands below the one before. There are no
/// colors, with or without `NO_COLOR`.
///
/// In a terminal that was made narrower, the next table comes below the last one, since nobody knows where that has got to. What a program prints
/// by itself, past [`say`](crate::say), stands below the table, and is drawn over.
///
/// ```
/// use firesteel_streaming::{StreamingContext, Trigger};
/// use firesteel_connect_memory::MemorySource;
/// use firesteel_terminal::Console;
/// use firesteel_window::{Early, Timestamp, Tumbling, Watermark, hours, seconds};
///
/// let job = StreamingContext::builder("clicks").build()?;
/// let clicks = job.read(MemorySource::new(vec![("ann", 20), ("bob", 30), ("ann", 40)]));
/// clicks
///     .clone()
///     .event_time(|click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(10)))
///     .key_by(|click| click.0.to_owned())
///     .window(Tumbling::of(hours(1)))
///     .trigger(Early::every(seconds(1)))
///     .count()
///     .write(Console::table().title("clicks by hour").columns(["from", "to", "user", "clicks"]).latest());
/// clicks
///     .map(|click| (click.0.to_owned(), ()))
///     .running_count()
///     .write(Console::table().title("clicks in all").columns(["user", "clicks"]).latest());
/// job.run(Trigger::AvailableNow)?;
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
#[must_use = "a table shows nothing unless changes are written to it"]
pub struct LatestTable<K, T> {
    console: Console,
    order: Option<Order<K, T>>,
    rows: Mutex<Rows<K, T>>,
}

/// Compares two rows of a window.
type Order<K, T> = Box<dyn Fn((&K, &T), (&K, &T)) -> std::cmp::Ordering + Send + Sync>;

/// The place of a row in the table. It has no window if the rows are those of no windows.
type Place<K> = (Reverse<Option<Window>>, K);

struct Rows<K, T> {
    rows: BTreeMap<Place<K>, T>,
    forgotten: u64,
    /// Whether the job has resumed, and which epoch was the first to come then.
    resumes: bool,
    first: Option<Epoch>,
    last: Option<Epoch>,
}

impl<K: Ord, T> LatestTable<K, T> {
    pub(super) fn new(console: Console) -> Self {
        let rows = Rows { rows: BTreeMap::new(), forgotten: 0, resumes: false, first: None, last: None };
        Self { console, order: None, rows: Mutex::new(rows) }
    }

    /// Has the rows of a window, or all where there are no windows, in the order of what `rank` says of each; ties stand in the order of
    /// keys. Every epoch with changes sorts all rows.
    ///
    /// ```
    /// # use firesteel_connect_memory::MemorySource;
    /// # use firesteel_streaming::{StreamingContext, Trigger};
    /// # use firesteel_terminal::Console;
    /// use std::cmp::Reverse;
    ///
    /// # let job = StreamingContext::builder("words").build()?;
    /// let words = job.read(MemorySource::new(vec!["fire", "steel", "fire"])).map(|word| (word.to_owned(), ()));
    /// let most_first = |_: &String, count: &u64| Reverse(*count);
    /// words.running_count().write(Console::table().rows(10).latest().order_by(most_first));
    /// # job.run(Trigger::AvailableNow)?;
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    pub fn order_by<R: Ord>(mut self, rank: impl Fn(&K, &T) -> R + Send + Sync + 'static) -> Self {
        self.order = Some(Box::new(move |(a, x), (b, y)| rank(a, x).cmp(&rank(b, y)).then_with(|| a.cmp(b))));
        self
    }
}

/// What is said of a row: its window, if it has one, its key, and its value, if there is one.
type Said<K, T> = (Option<Window>, K, Option<T>);

impl<K, T> LatestTable<K, T>
where
    K: Ord + Serialize + Send + 'static,
    T: Serialize + Send + 'static,
{
    fn commit_changes(&self, epoch: Epoch, pending: &mut Vec<Vec<Said<K, T>>>) -> Result<()> {
        let changes = std::mem::take(pending);
        let mut rows = self.rows.lock();
        let is_new = rows.last < Some(epoch);
        let has_changed = is_new && rows.apply(epoch, changes.into_iter().flatten());
        let mut state = self.console.state.lock();
        let state = &mut *state;
        if is_new {
            state.text = Vec::new();
            state.done = 0;
            state.last = Some(epoch);
        }
        match state.target.screen().filter(|_| self.console.format == Format::Table) {
            // To draw it twice does no harm: a repeated commit may come because it was not drawn.
            Some(size) if has_changed || (!is_new && state.place.is_some()) => {
                let shown = self.console.shown.min(size.rows);
                let table = self.console.table_of(&self.title(&rows, epoch), self.shown(&rows, shown)?);
                state.place.get_or_insert_with(screen::Place::new).show(table)
            }
            _ => {
                if has_changed {
                    let shown = self.shown(&rows, self.console.shown)?;
                    state.text = self.console.render(&self.title(&rows, epoch), [shown], &state.target);
                }
                state.print()
            }
        }
        .map_err(|error| not_written(&state.target, error))
    }

    fn title(&self, rows: &Rows<K, T>, epoch: Epoch) -> String {
        let mut title = self.console.title_of(epoch);
        if let (true, Some(Epoch(first))) = (rows.resumes, rows.first) {
            title += &format!(", what has changed since epoch {}", first.saturating_sub(1));
        }
        if rows.forgotten > 0 {
            title += &format!(", {} forgotten", grouped(rows.forgotten));
        }
        title
    }

    /// The first rows, this many.
    fn shown(&self, rows: &Rows<K, T>, shown: usize) -> Result<Printed> {
        let shown = if self.console.format == Format::Json { usize::MAX } else { shown };
        let mut printed = Printed { lines: Vec::new(), rows: Vec::new(), total: 0 };
        let mut add = |((Reverse(window), key), value): (&Place<K>, &T)| match *window {
            Some(window) => self.console.add(&mut printed, &WindowResult { window, key, value }, shown),
            None => self.console.add(&mut printed, &(key, value), shown),
        };
        match &self.order {
            None => rows.rows.iter().take(shown).try_for_each(add)?,
            Some(order) => {
                let mut all: Vec<_> = rows.rows.iter().collect();
                all.sort_by(|((a, key_a), value_a), ((b, key_b), value_b)| {
                    a.cmp(b).then_with(|| order((key_a, value_a), (key_b, value_b)))
                });
                all.into_iter().take(shown).try_for_each(&mut add)?;
            }
        }
        printed.total = rows.rows.len() as u64;
        Ok(printed)
    }

    /// The job has ended: what the screen had no room for is printed, too.
    fn settle(&self) -> Result<()> {
        let rows = self.rows.lock();
        let mut state = self.console.state.lock();
        let state = &mut *state;
        let (Some(place), Some(epoch)) = (state.place.take(), rows.last) else { return Ok(()) };
        let shown = self.shown(&rows, self.console.shown)?;
        state.text = self.console.render(&self.title(&rows, epoch), [shown], &state.target);
        let printed = place.clear().and_then(|()| state.print());
        printed.map_err(|error| not_written(&state.target, error))
    }
}

impl<K: Ord, T> Rows<K, T> {
    /// Applies what an epoch says, and tells whether that was something.
    fn apply(&mut self, epoch: Epoch, changes: impl Iterator<Item = Said<K, T>>) -> bool {
        self.last = Some(epoch);
        self.first.get_or_insert(epoch);
        let mut has_changed = false;
        for (window, key, value) in changes {
            has_changed = true;
            match value {
                Some(value) => _ = self.rows.insert((Reverse(window), key), value),
                None => _ = self.rows.remove(&(Reverse(window), key)),
            }
        }
        while self.rows.len() > KEPT_ROWS {
            self.rows.pop_last();
            self.forgotten += 1;
        }
        has_changed
    }
}

/// A record, as what it says of a row.
macro_rules! applies {
    ($record:ty, $said:expr) => {
        impl<K, T> Sink<$record> for LatestTable<K, T>
        where
            K: Ord + Serialize + Send + 'static,
            T: Serialize + Send + 'static,
        {
            type Pending = Vec<Said<K, T>>;

            fn describe(&self) -> String {
                format!("the newest rows as {}", Sink::<()>::describe(&self.console))
            }

            fn guarantee(&self) -> Guarantee {
                Guarantee::AtLeastOnce
            }

            fn start(&self, context: &SinkContext) -> Result<()> {
                self.rows.lock().resumes = context.resumes();
                Ok(())
            }

            fn write(&self, _: WriteTask, records: impl Iterator<Item = $record>) -> Result<Self::Pending> {
                Ok(records.map($said).collect())
            }

            fn commit(&self, epoch: Epoch, pending: &mut Vec<Self::Pending>) -> Result<()> {
                self.commit_changes(epoch, pending)
            }

            fn stop(&self) -> Result<()> {
                self.settle()
            }
        }
    };
}

applies!(Change<K, T>, |change| (Some(change.window), change.key, change.value));
applies!(WindowResult<K, T>, |row| (Some(row.window), row.key, Some(row.value)));
applies!((K, T), |(key, value)| (None, key, Some(value)));

impl<K, T> AppliesChanges for LatestTable<K, T> {}

impl<K: Ord, T> fmt::Debug for LatestTable<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatestTable").field("console", &self.console).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
