//! What people are told of files: warnings, each once, and counters.

use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_connect::{ConnectError, Counter, Counters, SourceContext, SplitId};
use firesteel_frames::{Compression, Gap, Tell};

use super::entry::{FileEntry, Presence};
use super::policy::Borders;

/// Tells, in the name of one source.
#[derive(Default)]
pub(crate) struct Telling {
    source: String,
    job: String,
    /// What cannot be read, and what is wrong with it.
    troubles: HashMap<PathBuf, String>,
    copies: HashMap<PathBuf, SplitId>,
    unreadable: Counter,
    lost: Counter,
    passed_over: Counter,
    rows: Counter,
    misfits: Counter,
    misfit_rows: Counter,
    misfit_bytes: Counter,
    removed: Counter,
    archived: Counter,
    /// Files that could not be removed or archived, and why.
    undisposed: HashMap<SplitId, String>,
}

impl Telling {
    pub(crate) fn new(context: &SourceContext) -> Self {
        let counters: &Counters = context.counters();
        Self {
            source: context.name().to_owned(),
            job: context.job().to_owned(),
            unreadable: counters.counter("unreadable files"),
            lost: counters.counter("files lost"),
            passed_over: counters.counter("files passed over"),
            rows: counters.counter("rows passed over"),
            misfits: counters.counter("misfit files"),
            misfit_rows: counters.counter("misfit rows"),
            misfit_bytes: counters.counter("misfit bytes"),
            removed: counters.counter("files removed"),
            archived: counters.counter("files archived"),
            ..Self::default()
        }
    }

    fn warn(&self, place: &dyn Display, message: &str) {
        tracing::warn!(job = self.job, source = self.source, file = %place, "{message}");
    }

    fn info(&self, place: &dyn Display, message: &str) {
        tracing::info!(job = self.job, source = self.source, file = %place, "{message}");
    }

    /// What cannot be read; each once, as long as the same is wrong with it.
    pub(crate) fn troubles(&mut self, troubles: &[(PathBuf, ConnectError)]) {
        for (path, error) in troubles {
            let text = error.to_string();
            if self.troubles.get(path) != Some(&text) {
                self.unreadable.add(1);
                self.warn(&path.display(), &format!("{text}; it is left out, and retried"));
                self.troubles.insert(path.clone(), text);
            }
        }
    }

    /// That the system does not tell of changes, and why.
    pub(crate) fn unwatched(&self, outcome: std::io::Result<()>) {
        if let Err(error) = outcome {
            let text = "the system does not tell of changes to these files: they are looked at again and again";
            tracing::warn!(job = self.job, source = self.source, "{text} ({error})");
        }
    }

    /// Whether something is wrong with what is there.
    pub(crate) fn is_troubled(&self, path: &Path) -> bool {
        self.troubles.contains_key(path)
    }

    /// A file whose content is not what its name says: what it begins with tells.
    pub(crate) fn contradiction(&self, path: &Path, found: Option<Compression>) {
        let named = Compression::of_name(path);
        let Some(found) = found.filter(|found| named != Compression::Plain && *found != named) else { return };
        let mut head = Vec::new();
        File::open(path).and_then(|file| file.take(16).read_to_end(&mut head)).ok();
        let what = match found {
            Compression::Plain => "text as it is".to_owned(),
            packer => format!("text packed by {}", packer.name()),
        };
        let text = format!(
            "it is not packed by {} as its name says, but begins with \"{}\"",
            named.name(),
            head.escape_ascii()
        );
        self.warn(&path.display(), &format!("{text}: it is read as {what}"));
    }

    /// New files that were changed too long ago: one of them, and how many there are.
    pub(crate) fn passed_over(&self, one: &Path, count: usize) {
        self.passed_over.add(count as u64);
        let text = format!(
            "{count} new files, of which this is the first, were changed longer ago than TextFiles::max_age, and are passed over \
             until they are changed"
        );
        self.warn(&one.display(), &text);
    }

    /// A file that was removed, or archived under this path.
    pub(crate) fn disposed(&mut self, file: &FileEntry, to: Option<&Path>) {
        self.undisposed.remove(&file.split);
        match to {
            Some(to) => {
                self.archived.add(1);
                self.info(&file.place(), &format!("it was read, and is archived as {}", to.display()));
            }
            None => {
                self.removed.add(1);
                self.info(&file.place(), "it was read, and is removed");
            }
        }
    }

    /// A file that could not be removed or archived; told once, as long as the same is wrong.
    pub(crate) fn undisposed(&mut self, file: &FileEntry, error: &std::io::Error) {
        let text = error.to_string();
        if self.undisposed.get(&file.split) != Some(&text) {
            self.warn(
                &file.place(),
                &format!("it was read, and cannot be removed or archived: {text}; it is retried each minute"),
            );
            self.undisposed.insert(file.split.clone(), text);
        }
    }

    /// How many files wait for their turn.
    pub(crate) fn waiting(&self, count: usize) {
        let text = "files wait until those before them have been read (TextFiles::max_files)";
        tracing::info!(job = self.job, source = self.source, "{count} {text}");
    }

    /// A file that is gone before it was its turn.
    pub(crate) fn vanished_waiting(&self, path: &Path) {
        self.lost.add(1);
        let text =
            "it is gone before it was its turn to be read (TextFiles::max_files): what it held has not been read";
        self.warn(&path.display(), text);
    }

    /// A file that can be read, again maybe.
    pub(crate) fn readable(&mut self, path: &Path) {
        if self.troubles.remove(path).is_some() {
            self.info(&path.display(), "it can be read now");
        }
    }

    /// Paths where nothing is.
    pub(crate) fn awaited(&mut self, paths: &[PathBuf]) {
        const NOTHING: &str = "nothing is there yet: it is waited for";
        for path in paths {
            if !self.troubles.contains_key(path) {
                self.warn(&path.display(), NOTHING);
                self.troubles.insert(path.clone(), NOTHING.to_owned());
            }
        }
        self.troubles.retain(|path, text| text != NOTHING || paths.contains(path));
    }

    /// A file that was found under another name than before.
    pub(crate) fn moved(&self, file: &FileEntry, before: &Arc<Path>) {
        if file.path != *before {
            self.info(&file.split, &format!("the file is at {} now, where it is read on", file.path.display()));
        }
    }

    /// A file that was replaced by one with the same beginning.
    pub(crate) fn replaced(&self, file: &FileEntry) {
        let at = file.text.at;
        self.warn(
            &file.place(),
            &format!("another file with the same first {at} bytes is there: it is read on after them"),
        );
    }

    /// A file that has grown in the middle of the line that was taken for its last.
    pub(crate) fn continued(&self, file: &mut FileEntry) {
        if let Some(at) = file.continued_at.take() {
            let text = format!(
                "it has grown after it was taken for finished: the line that ends at {at} was read without its end, which is \
                 passed over. Let files be silent for longer: TextFiles::finish_after"
            );
            self.warn(&file.place(), &text);
        }
    }

    /// A file that is not there as it was.
    pub(crate) fn missing(&self, file: &FileEntry, is_cut: bool) {
        let unread = file.stamp.size.saturating_sub(file.announced);
        if is_cut {
            let text = "it was cut or written anew, and what it held is not beside it: what was added since the last look, \
                        nobody knows";
            self.warn(&file.place(), text);
        } else if file.is_plain() && unread > 0 && file.presence != Presence::Gone {
            self.warn(&file.place(), &format!("it is gone, with {unread} bytes of a last line without a newline"));
        } else {
            self.info(&file.place(), "it is gone");
        }
    }

    /// A file whose rest is lost.
    pub(crate) fn given_up(&self, file: &FileEntry) {
        self.lost.add(1);
        let text = format!("it is gone, and what came after position {} is lost, as is permitted", file.committed);
        self.warn(&file.place(), &text);
    }

    /// A compressed file that cannot be read to its end.
    pub(crate) fn broken(&self, file: &FileEntry, reason: &str) {
        self.unreadable.add(1);
        self.warn(&file.place(), &format!("{reason}; it is read on when it has changed"));
    }

    /// A stretch of a file that is damaged.
    pub(crate) fn gap(&self, file: &FileEntry, gap: &Gap) {
        self.unreadable.add(u64::from(gap.is_first));
        let reason = &gap.reason;
        if file.borders == Borders::Rows {
            self.rows.add(gap.to - gap.from);
            let (first, last) = (gap.from, gap.to - 1);
            self.warn(&file.place(), &format!("its rows {first} to {last} are passed over: {reason}"));
        } else {
            let (from, to) = (gap.from, gap.to);
            self.warn(&file.place(), &format!("what it holds from position {from} to {to} is passed over: {reason}"));
        }
    }

    /// A file that is not what the program expects, and is passed over.
    pub(crate) fn misfit(&self, file: &FileEntry, reason: &str, tell: Tell) {
        if tell == Tell::Nothing {
            return;
        }
        let rows = file.end.get().filter(|_| file.borders == Borders::Rows).map(|end| end.at);
        let (counter, count, unit) = match rows {
            Some(rows) => (&self.misfit_rows, rows - file.reached().min(rows), "rows"),
            None => (&self.misfit_bytes, file.stamp.size, "bytes"),
        };
        self.misfits.add(1);
        counter.add(count);
        let text =
            format!("it {reason}: it is passed over, with {count} {unit}, until a program is started that it fits");
        match tell {
            Tell::All => self.warn(&file.place(), &text),
            _ => self.info(&file.place(), &text),
        }
    }

    /// A file that holds what another one does.
    pub(crate) fn copy(&mut self, path: &Path, split: &SplitId) {
        if self.copies.get(path) != Some(split) {
            self.warn(
                &path.display(),
                &format!("it holds the text of {split}, and is not read as long as that one is there"),
            );
            self.copies.insert(path.to_owned(), split.clone());
        }
    }

    /// Files that end in the middle of a line when the job ends.
    pub(crate) fn half_lines(&self, files: &[&FileEntry]) {
        if let Some(first) = files.first() {
            let text = format!(
                "{} of the files end with a line without a newline, which has not been read: it is when the newline comes, \
                 or the file is finished (TextFiles::finish_after)",
                files.len()
            );
            self.warn(&first.place(), &text);
        }
    }
}
