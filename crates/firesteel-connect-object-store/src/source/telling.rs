//! What people are told of objects: warnings, each once, and counters.

use std::collections::{HashMap, HashSet};

use firesteel_connect::{Counter, SourceContext};
use firesteel_frames::{Gap, Tell};
use firesteel_object_store::StoreError;

/// Tells, in the name of one source.
#[derive(Debug, Default)]
pub(super) struct Telling {
    job: String,
    source: String,
    told: HashSet<(String, &'static str)>,
    odd: Counter,
    lost: Counter,
    damaged: Counter,
    unreadable: Counter,
    rows: Counter,
    misfits: Counter,
    misfit_rows: Counter,
    misfit_bytes: Counter,
    removed: Counter,
    archived: Counter,
    /// Objects that could not be deleted or archived, and why.
    undisposed: HashMap<String, String>,
}

impl Telling {
    pub(super) fn new(context: &SourceContext) -> Self {
        let counters = context.counters();
        Self {
            job: context.job().to_owned(),
            source: context.name().to_owned(),
            told: HashSet::new(),
            odd: counters.counter("keys left out"),
            lost: counters.counter("objects lost"),
            damaged: counters.counter("damaged objects"),
            unreadable: counters.counter("unreadable objects"),
            rows: counters.counter("rows passed over"),
            misfits: counters.counter("misfit objects"),
            misfit_rows: counters.counter("misfit rows"),
            misfit_bytes: counters.counter("misfit bytes"),
            removed: counters.counter("objects deleted"),
            archived: counters.counter("objects archived"),
            undisposed: HashMap::new(),
        }
    }

    fn warn(&self, key: &str, message: &str) {
        tracing::warn!(job = self.job, source = self.source, object = key, "{message}");
    }

    /// A key that the client library cannot take.
    pub(super) fn odd(&mut self, key: &str) {
        if self.told.insert((key.to_owned(), "odd")) {
            self.odd.add(1);
            self.warn(key, "the key has an empty segment, or one of dots: it cannot be read, and is left out; copy it to another key");
        }
    }

    /// An object that is gone, or was replaced, before all of it was read.
    pub(super) fn given_up(&self, key: &str, position: u64) {
        self.lost.add(1);
        self.warn(
            key,
            &format!("the object is gone or was replaced; what it held after position {position} is given up"),
        );
    }

    /// An object that took the place of one that was read.
    pub(super) fn replaced(&self, key: &str, split: &str) {
        self.warn(
            key,
            &format!("another object was stored under the key: it is read from its start, as split {split}"),
        );
    }

    /// An object that cannot be read to its end.
    pub(super) fn damaged(&mut self, key: &str, reason: &str) {
        if self.told.insert((key.to_owned(), "damaged")) {
            self.damaged.add(1);
            self.warn(key, &format!("{reason}; the rest of it is passed over"));
        }
    }

    /// An object that cannot be read for now.
    pub(super) fn unreadable(&self, key: &str, reason: &str) {
        self.unreadable.add(1);
        self.warn(key, &format!("{reason}; it is left out, and retried"));
    }

    /// A stretch of an object that is damaged.
    pub(super) fn gap(&mut self, key: &str, gap: &Gap, is_table: bool) {
        self.damaged.add(u64::from(gap.is_first));
        let (from, to, reason) = (gap.from, gap.to, &gap.reason);
        if is_table {
            self.rows.add(to - from);
            self.warn(key, &format!("its rows {from} to {} are passed over: {reason}", to - 1));
        } else {
            self.warn(key, &format!("what it holds from position {from} to {to} is passed over: {reason}"));
        }
    }

    /// An object that is not what the program expects, and is passed over: with its rows, or with its bytes.
    pub(super) fn misfit(&self, key: &str, reason: &str, size: Result<u64, u64>, tell: Tell) {
        let (counter, count, unit) = match size {
            Ok(rows) => (&self.misfit_rows, rows, "rows"),
            Err(bytes) => (&self.misfit_bytes, bytes, "bytes"),
        };
        if tell == Tell::Nothing {
            return;
        }
        self.misfits.add(1);
        counter.add(count);
        let text =
            format!("it {reason}: it is passed over, with {count} {unit}, until a program is started that it fits");
        if tell == Tell::All {
            self.warn(key, &text);
        } else {
            tracing::info!(job = self.job, source = self.source, object = key, "{text}");
        }
    }

    /// A prefix under which nothing is.
    pub(super) fn awaited(&mut self, pattern: &str) {
        if self.told.insert((pattern.to_owned(), "nothing")) {
            self.warn(pattern, "no object is there yet: it is waited for");
        }
    }

    /// An object that was deleted, or archived under this key.
    pub(super) fn disposed(&mut self, key: &str, to: Option<&str>) {
        self.undisposed.remove(key);
        let (counter, what) = match to {
            Some(to) => (&self.archived, format!("it was read, and is archived as {to}")),
            None => (&self.removed, "it was read, and is deleted".to_owned()),
        };
        counter.add(1);
        tracing::info!(job = self.job, source = self.source, object = key, "{what}");
    }

    /// An object that could not be deleted or archived; told once, as long as the same is wrong.
    pub(super) fn undisposed(&mut self, key: &str, error: &StoreError) {
        let text = error.to_string();
        if self.undisposed.get(key) != Some(&text) {
            let what = format!("it was read, and cannot be deleted or archived: {text}; it is retried each minute");
            self.warn(key, &what);
            self.undisposed.insert(key.to_owned(), text);
        }
    }

    /// An object of results, which stays: told of the first of a folder.
    pub(super) fn kept(&mut self, key: &str, why: &str) {
        let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
        if self.told.insert((folder.to_owned(), "kept")) {
            self.warn(key, &format!("it is read, and neither deleted nor archived: {why}"));
        }
    }
}
