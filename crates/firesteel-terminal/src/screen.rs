//! The process's terminal: tables on standard output and bars on standard error share one screen.
//!
//! There is one of it per process, as there is one standard output; so this is the one piece of global state.

use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use ::console::Term;
use indicatif::{MultiProgress, ProgressBar};

/// All bars that are drawn, of all jobs.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Draws a bar below those of other jobs, on standard error.
pub(crate) fn draw(bar: ProgressBar) -> ProgressBar {
    BARS.add(bar)
}

/// Does something to the screen that no bar may get into.
pub(crate) fn without_bars<T>(print: impl FnOnce() -> T) -> T {
    BARS.suspend(print)
}

/// Prints whole lines on standard error, above the bars of running jobs. That nobody can read them is no reason for a
/// program to fail.
///
/// ```
/// firesteel_terminal::say("a word to whoever is there\n");
/// ```
pub fn say(text: &str) {
    let _ = without_bars(|| io::stderr().lock().write_all(text.as_bytes()));
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
    width(&Term::stderr()).filter(|_| io::stderr().is_terminal())
}

fn width(terminal: &Term) -> Option<usize> {
    terminal.size_checked().map(|(_, columns)| usize::from(columns)).filter(|columns| *columns > 0)
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
            Self::StandardOutput if io::stdout().is_terminal() => width(&Term::stdout()),
            _ => None,
        }
    }

    /// Writes out what is in `text` from `done` on, and moves `done` along, so that a call after an error resumes where
    /// the last one got to.
    pub(crate) fn write_from(&mut self, text: &[u8], done: &mut usize) -> io::Result<()> {
        match self {
            Self::StandardOutput => without_bars(|| write_from(&mut io::stdout().lock(), text, done)),
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
