//! The process's terminal: tables on standard output and bars on standard error share one screen.
//!
//! There is one of it per process, as there is one standard output; so this is the one piece of global state.

mod in_place;

use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use ::console::Term;
use indicatif::{MultiProgress, ProgressBar};
use parking_lot::Mutex;

use crate::table::Table;
use in_place::InPlace;
pub(crate) use in_place::{Id, Size};

/// All bars that are drawn, of all jobs.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
/// How many they are, at most.
static BAR_LINES: AtomicUsize = AtomicUsize::new(0);
/// All tables that are drawn again in place. Whoever takes both takes this first, the bars second.
static TABLES: Mutex<InPlace> = Mutex::new(InPlace::new());

/// Draws a bar below those of other jobs, on standard error.
pub(crate) fn draw(bar: ProgressBar) -> ProgressBar {
    BAR_LINES.fetch_add(1, Ordering::Relaxed);
    BARS.add(bar)
}

/// Takes a bar that was drawn off the screen.
pub(crate) fn clear(bar: &ProgressBar) {
    bar.finish_and_clear();
    BAR_LINES.fetch_sub(1, Ordering::Relaxed);
}

/// Prints whole lines on the screen, above all that changes in place.
fn above<T>(print: impl FnOnce() -> T) -> T {
    let mut tables = TABLES.lock();
    if tables.is_empty() {
        return BARS.suspend(print);
    }
    BARS.suspend(|| {
        let size = size_of_stdout();
        // That a table cannot be drawn is told when it changes.
        let _ = size.map(|size| write(&tables.erase(size)));
        let printed = print();
        let _ = size.map(|size| write(&tables.draw(size, BAR_LINES.load(Ordering::Relaxed))));
        printed
    })
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Prints whole lines on standard error, above the tables and bars of running jobs. That nobody can read them is no reason
/// for a program to fail.
///
/// ```
/// firesteel_terminal::say("a word to whoever is there\n");
/// ```
pub fn say(text: &str) {
    let _ = above(|| io::stderr().lock().write_all(text.as_bytes()));
}

/// Whether tables show all digits of floats, whatever their consoles were told.
static PRECISE: AtomicBool = AtomicBool::new(false);

/// Has all tables of the process show all digits of floats, for an option of a program such as `--precise`.
pub fn show_all_digits() {
    PRECISE.store(true, Ordering::Relaxed);
}

pub(crate) fn is_precise() -> bool {
    PRECISE.load(Ordering::Relaxed)
}

/// The columns of the terminal that standard error is.
pub(crate) fn width_of_stderr() -> Option<usize> {
    size(&Term::stderr()).filter(|_| io::stderr().is_terminal()).map(|size| size.columns)
}

fn size_of_stdout() -> Option<Size> {
    size(&Term::stdout()).filter(|_| io::stdout().is_terminal())
}

fn size(terminal: &Term) -> Option<Size> {
    let (rows, columns) = terminal.size_checked()?;
    Some(Size { rows: rows.into(), columns: columns.into() }).filter(|size| size.columns > 0)
}

/// Whether the terminals of this process can go back to a line. A dumb one cannot: there, whatever is drawn again would be
/// another line.
pub(crate) fn can_go_back() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// A table that is drawn again in its place, until it is dropped: then the last one that was drawn stays.
#[derive(Debug)]
pub(crate) struct Place(Id);

impl Place {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(Id(NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// Draws the table in the place of the one before.
    pub(crate) fn show(&self, table: Table) -> io::Result<()> {
        let mut tables = TABLES.lock();
        tables.put(self.0, table);
        BARS.suspend(|| match size_of_stdout() {
            Some(size) => write(&tables.draw(size, BAR_LINES.load(Ordering::Relaxed))),
            None => Ok(()),
        })
    }

    /// Takes the table off the screen.
    pub(crate) fn clear(&self) -> io::Result<()> {
        let mut tables = TABLES.lock();
        BARS.suspend(|| {
            let Some(size) = size_of_stdout() else { return Ok(()) };
            let mut text = tables.erase(size);
            tables.remove(self.0);
            if !tables.is_empty() {
                text += &tables.draw(size, BAR_LINES.load(Ordering::Relaxed));
            }
            write(&text)
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        TABLES.lock().leave(self.0);
    }
}

/// Where a console writes.
pub(crate) enum Target {
    StandardOutput,
    Writer(Box<dyn Write + Send>),
}

impl Target {
    /// What it is called in messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::StandardOutput => "standard output",
            Self::Writer(_) => "a writer",
        }
    }

    /// The columns there are, if it is a terminal.
    pub(crate) fn width(&self) -> Option<usize> {
        match self {
            Self::StandardOutput => size_of_stdout().map(|size| size.columns),
            Self::Writer(_) => None,
        }
    }

    /// The screen, if it is one where a table can be drawn again in its place.
    pub(crate) fn screen(&self) -> Option<Size> {
        match self {
            Self::StandardOutput if cfg!(unix) && can_go_back() => size_of_stdout().filter(|size| size.rows > 0),
            _ => None,
        }
    }

    /// Writes out what is in `text` from `done` on, and moves `done` along, so that a call after an error resumes where
    /// the last one got to.
    pub(crate) fn write_from(&mut self, text: &[u8], done: &mut usize) -> io::Result<()> {
        match self {
            Self::StandardOutput if *done == text.len() => Ok(()),
            Self::StandardOutput => above(|| write_from(&mut io::stdout().lock(), text, done)),
            Self::Writer(writer) => write_from(writer, text, done),
        }
    }
}

fn write_from(writer: &mut (impl Write + ?Sized), text: &[u8], done: &mut usize) -> io::Result<()> {
    while *done < text.len() {
        match writer.write(&text[*done..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => *done += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    writer.flush()
}
