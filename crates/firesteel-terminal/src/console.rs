//! The console sink: results on standard output.

mod latest;

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

use firesteel_connect::{Class, ConnectError, Epoch, Guarantee, Result, Sink, WriteTask};
use parking_lot::Mutex;
use serde::Serialize;

pub use latest::LatestTable;

use crate::screen::{self, Target};
use crate::table::{self, Look};
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
        let state = State { target: Target::StandardOutput, last: None, text: Vec::new(), done: 0 };
        Self { format, title: None, shown: SHOWN_ROWS, precise: false, width: None, state: Mutex::new(state) }
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

    /// Keeps the newest row of each key and window, and shows all of them whenever one has changed: for
    /// [`Changes`](firesteel_streaming::Changes), which put rows anew and withdraw them.
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
        let text = self.render(self.title.as_deref().unwrap_or("result"), [printed], self.look(target));
        target.write_from(&text, &mut 0).map_err(|error| not_written(target, error))
    }

    fn place(&self) -> &'static str {
        self.state.lock().target.name()
    }

    fn collect<T: Serialize>(&self, records: impl Iterator<Item = T>) -> Result<Printed> {
        let mut printed = Printed { lines: Vec::new(), rows: Vec::new(), total: 0 };
        for record in records {
            printed.total += 1;
            if self.format == Format::Table && printed.rows.len() == self.shown {
                continue;
            }
            let fields = Value::of(&record).map_err(unprintable)?.into_fields();
            match self.format {
                Format::Table => printed.rows.push(fields),
                Format::Json => {
                    serde_json::to_writer(&mut printed.lines, &Object(&fields)).map_err(unprintable)?;
                    printed.lines.push(b'\n');
                }
            }
        }
        Ok(printed)
    }

    fn look(&self, target: &Target) -> Look {
        Look { width: self.width.or_else(|| target.width()), precise: self.precise || screen::is_precise() }
    }

    fn render(&self, title: &str, pending: impl IntoIterator<Item = Printed>, look: Look) -> Vec<u8> {
        let (mut lines, mut rows, mut total) = (Vec::new(), Vec::new(), 0);
        for part in pending {
            total += part.total;
            lines.extend(part.lines);
            rows.extend(part.rows);
        }
        if self.format == Format::Json || total == 0 {
            return lines;
        }
        rows.truncate(self.shown);
        table::render(title, rows, total, look).into_bytes()
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
        self.commit_text(epoch, |title, look| Ok(self.render(title, parts, look)))
    }
}

impl Console {
    /// Prints what `text` makes of an epoch, once.
    fn commit_text(&self, epoch: Epoch, text: impl FnOnce(&str, Look) -> Result<Vec<u8>>) -> Result<()> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if state.last < Some(epoch) {
            let title = match &self.title {
                Some(title) => format!("{title}, epoch {epoch}"),
                None => format!("epoch {epoch}"),
            };
            state.text = text(&title, self.look(&state.target))?;
            state.last = Some(epoch);
            state.done = 0;
        }
        let written = state.target.write_from(&state.text, &mut state.done);
        written.map_err(|error| not_written(&state.target, error))?;
        state.text = Vec::new();
        state.done = 0;
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
