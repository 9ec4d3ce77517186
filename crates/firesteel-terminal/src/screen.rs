//! The process's terminal: tables on standard output and bars on standard error share one screen.
//!
//! There is one of it per process, as there is one standard output; so this is the one piece of global state.

use std::io::{self, Write};
use std::sync::LazyLock;

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

    /// Writes out what is in `text` from `done` on, and moves `done` along, so that a call after an error goes on where
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
