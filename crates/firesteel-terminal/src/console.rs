//! The console sink: results on standard output.

mod latest;

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

use firesteel_connect::{Class, ConnectError, Epoch, Guarantee, Result, Sink, WriteTask};
use parking_lot::Mutex;
use serde::Serialize;

pub use latest::LatestTable;

use crate::screen::{self, Place, Target};
use crate::table::{Room, Table};
use crate::value::{Name, Object, Value};

/// This many rows of a table are shown unless [`Console::rows`] says otherwise.
const SHOWN_ROWS: usize = 20;

/// Prints results: as one table per epoch, or as one JSON object per record and line.
///
/// A record's fields are the columns. Nested structs are taken apart (`window.start`), a pair has `key` and `value`, a
/// longer tuple numbers, and a record without parts is a `value`. An epoch without records prints nothing.
///
/// Tables fit the width of the terminal: texts are cut, marked with `…`, and columns for which there is no room are
/// named below. Data cannot move the cursor, turn text around or hide in it: such characters are escaped.
///
/// Tables of epochs stand below each other, as the rows of each are others. Where they are the newest rows of the same keys, as of
/// windows that fire again and of running aggregates, [`latest`](Self::latest) keeps one table, which is drawn again in its place.
///
/// An epoch is printed in one piece when it commits, on standard output, and keeps clear of the bar that
/// [`TerminalProgress`](crate::TerminalProgress) draws. When the reader of standard output has gone, as in
/// `… | head`, the job ends without an error. After a restart an epoch may be printed again: at-least-once.
///
/// ```
/// use firesteel_streaming::{StreamingContext, Trigger};
/// use firesteel_connect_memory::MemorySource;
/// use firesteel_terminal::Console;
///
/// let job = StreamingContext::builder("lengths").build()?;
/// job.read(MemorySource::new(vec!["spark", "fire"])).map(|word| (word, word.len())).write(Console::json());
/// job.run(Trigger::AvailableNow)?; // {"key":"spark","value":5}, and one more line
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
#[must_use = "a console prints nothing unless a stream is written to it"]
pub struct Console {
    format: Format,
    title: Option<Cow<'static, str>>,
    shown: usize,
    precise: bool,
    width: Option<usize>,
    names: Vec<Name>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Table,
    Json,
}

struct State {
    target: Target,
    last: Option<Epoch>,
    /// What the last committed epoch prints, and how much of it is out.
    text: Vec<u8>,
    done: usize,
    /// Where the table is drawn again, if it is.
    place: Option<Place>,
}

impl Console {
    /// One aligned table per epoch that has records, under a line with the epoch's number and the number of rows.
    ///
    /// Of a long table the first 20 rows are shown, and the number of the others; [`rows`](Self::rows) changes that.
    pub fn table() -> Self {
        Self::new(Format::Table)
    }

    /// One JSON object per record, on one line, and nothing else on standard output.
    pub fn json() -> Self {
        Self::new(Format::Json)
    }

    fn new(format: Format) -> Self {
        let state = State { target: Target::StandardOutput, last: None, text: Vec::new(), done: 0, place: None };
        let names = Vec::new();
        Self { format, title: None, shown: SHOWN_ROWS, precise: false, width: None, names, state: Mutex::new(state) }
    }

    /// Shows this many rows of each table; `usize::MAX` shows all. JSON always has all.
    pub fn rows(mut self, rows: usize) -> Self {
        self.shown = rows;
        self
    }

    /// Shows all digits of floats. Without it, tables round them for people: to four digits, and never before the
    /// point. JSON always has all.
    pub fn precise(mut self) -> Self {
        self.precise = true;
        self
    }

    /// Makes tables fit into this many columns. Without it, they fit a terminal, and are as wide as they need
    /// elsewhere.
    pub fn width(mut self, columns: usize) -> Self {
        self.width = Some(columns);
        self
    }

    /// Calls the first columns of tables so, whatever the fields are called. JSON has the fields' own names.
    ///
    /// ```
    /// # use firesteel_terminal::Console;
    /// Console::table().columns(["word", "count"]).print([("spark", 5), ("fire", 4)])?;
    /// # Ok::<(), firesteel_connect::ConnectError>(())
    /// ```
    pub fn columns(mut self, names: impl IntoIterator<Item = impl Into<Cow<'static, str>>>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Puts a title over each table, for jobs that print several.
    pub fn title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Prints to `writer` instead of standard output.
    pub fn to(mut self, writer: impl Write + Send + 'static) -> Self {
        self.state.get_mut().target = Target::Writer(Box::new(writer));
        self
    }

    /// Keeps the newest row of each key, or of each key and window, and shows all of them whenever one has changed, on a terminal
    /// in the same place: see [`LatestTable`].
    pub fn latest<K: Ord, T>(self) -> LatestTable<K, T> {
        LatestTable::new(self)
    }

    /// Prints rows at once, outside of any sink: for `for_each_rdd` and for batch work. A table has its title alone, no
    /// epoch, above it, and no rows print nothing.
    ///
    /// ```
    /// firesteel_terminal::Console::table().title("lengths").print([("spark", 5), ("fire", 4)])?;
    /// # Ok::<(), firesteel_connect::ConnectError>(())
    /// ```
    ///
    /// # Errors
    /// When a row cannot be shown, or when nobody takes the text.
    pub fn print<T: Serialize>(&self, rows: impl IntoIterator<Item = T>) -> Result<()> {
        let printed = self.collect(rows.into_iter())?;
        let target = &mut self.state.lock().target;
        let text = self.render(self.title.as_deref().unwrap_or("result"), [printed], target);
        target.write_from(&text, &mut 0).map_err(|error| not_written(target, error))
    }

    fn place(&self) -> &'static str {
        self.state.lock().target.name()
    }

    fn collect<T: Serialize>(&self, records: impl Iterator<Item = T>) -> Result<Printed> {
        let mut printed = Printed { lines: Vec::new(), rows: Vec::new(), total: 0 };
        for record in records {
            self.add(&mut printed, &record, self.shown)?;
        }
        Ok(printed)
    }

    /// Adds a record to what is to be printed: to a table only if it has less than `shown` rows.
    fn add(&self, printed: &mut Printed, record: &impl Serialize, shown: usize) -> Result<()> {
        printed.total += 1;
        if self.format == Format::Table && printed.rows.len() == shown {
            return Ok(());
        }
        let fields = Value::of(record).map_err(unprintable)?.into_fields();
        match self.format {
            Format::Table => printed.rows.push(fields),
            Format::Json => {
                serde_json::to_writer(&mut printed.lines, &Object(&fields)).map_err(unprintable)?;
                printed.lines.push(b'\n');
            }
        }
        Ok(())
    }

    fn render(&self, title: &str, pending: impl IntoIterator<Item = Printed>, target: &Target) -> Vec<u8> {
        let mut all = Printed { lines: Vec::new(), rows: Vec::new(), total: 0 };
        for part in pending {
            all.total += part.total;
            all.lines.extend(part.lines);
            all.rows.extend(part.rows);
        }
        if self.format == Format::Json || all.total == 0 {
            return all.lines;
        }
        all.rows.truncate(self.shown);
        let room = Room { columns: self.width.or_else(|| target.width()), lines: None };
        (self.table_of(title, all).lines(room).join("\n") + "\n").into_bytes()
    }

    fn table_of(&self, title: &str, Printed { rows, total, .. }: Printed) -> Table {
        let mut table = Table::new(title, rows, total, self.precise || screen::is_precise(), &self.names);
        table.widest = self.width.unwrap_or(usize::MAX);
        table
    }
}

/// What one task has to print.
pub struct Printed {
    /// Whole lines of JSON.
    lines: Vec<u8>,
    /// Rows of a table, no more than are shown.
    rows: Vec<Vec<(Name, Value)>>,
    /// All rows, also those that are not shown.
    total: u64,
}

impl<T: Serialize> Sink<T> for Console {
    type Pending = Printed;

    fn describe(&self) -> String {
        match self.format {
            Format::Table => format!("tables on {}", self.place()),
            Format::Json => format!("JSON lines on {}", self.place()),
        }
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn write(&self, _: WriteTask, records: impl Iterator<Item = T>) -> Result<Printed> {
        self.collect(records)
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<Printed>) -> Result<()> {
        let parts = std::mem::take(pending);
        self.commit_text(epoch, |title, target| Ok(self.render(title, parts, target)))
    }
}

impl Console {
    fn title_of(&self, epoch: Epoch) -> String {
        match &self.title {
            Some(title) => format!("{title}, epoch {epoch}"),
            None => format!("epoch {epoch}"),
        }
    }

    /// Prints what `text` makes of an epoch, once.
    fn commit_text(&self, epoch: Epoch, text: impl FnOnce(&str, &Target) -> Result<Vec<u8>>) -> Result<()> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if state.last < Some(epoch) {
            state.text = text(&self.title_of(epoch), &state.target)?;
            state.last = Some(epoch);
            state.done = 0;
        }
        state.print().map_err(|error| not_written(&state.target, error))
    }
}

impl State {
    /// Prints what is not out yet.
    fn print(&mut self) -> io::Result<()> {
        self.target.write_from(&self.text, &mut self.done)?;
        (self.text, self.done) = (Vec::new(), 0);
        Ok(())
    }
}

fn unprintable(source: impl std::error::Error + Send + Sync + 'static) -> ConnectError {
    ConnectError::Other { context: "printing a record".to_owned(), class: Class::Record, source: Box::new(source) }
}

fn not_written(target: &Target, source: io::Error) -> ConnectError {
    let place = target.name();
    match source.kind() {
        io::ErrorKind::BrokenPipe => ConnectError::Closed { place: place.to_owned() },
        _ => ConnectError::File { action: "write to", path: place.into(), source },
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("format", &self.format).field("title", &self.title).finish_non_exhaustive()
    }
}
