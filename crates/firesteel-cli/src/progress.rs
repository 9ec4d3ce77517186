//! A bar while a lot is read.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on standard error, gone when it is dropped. Nothing is shown where that is no terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar for this many bytes.
    pub(crate) fn of_bytes(what: &'static str, bytes: u64) -> Self {
        Self::new(what, bytes, "{msg} {wide_bar} {bytes}/{total_bytes}")
    }

    /// A bar for this many epochs.
    pub(crate) fn of_epochs(what: &'static str, epochs: u64) -> Self {
        Self::new(what, epochs, "{msg} {wide_bar} {human_pos}/{human_len} epochs")
    }

    fn new(what: &'static str, length: u64, template: &str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self { bar }
    }

    pub(crate) fn advance(&self, by: u64) {
        self.bar.inc(by);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
