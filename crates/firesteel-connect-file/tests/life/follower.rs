//! A reader of files as a job is one: it keeps positions and notes, and can be started again from them.

use std::collections::BTreeMap;
use std::path::Path;

use firesteel_connect::{
    ConnectError, ReadRange, Result, Resumed, Source, SourceContext, SourceReader, Split, SplitId, SplitNote,
};
use firesteel_connect_file::TextFiles;
use firesteel_window::Timestamp;

/// What a checkpoint keeps of a split.
#[derive(Debug, Clone, Default)]
struct At {
    next: u64,
    note: Option<SplitNote>,
}

pub(crate) struct Follower {
    make: Box<dyn Fn() -> TextFiles>,
    source: TextFiles,
    splits: Vec<Split>,
    at: BTreeMap<SplitId, At>,
    pub(crate) now: i64,
    pub(crate) lines: Vec<String>,
    /// How often only what has changed was told.
    pub(crate) changes: usize,
    /// Lines to read of a split in one go.
    pub(crate) most: Option<u64>,
}

impl Follower {
    pub(crate) fn new(make: impl Fn() -> TextFiles + 'static) -> Result<Self> {
        let make = Box::new(make);
        let now = 1_000;
        let new = Self {
            source: make(),
            make,
            splits: vec![],
            at: BTreeMap::new(),
            now,
            lines: vec![],
            changes: 0,
            most: None,
        };
        new.source.start(&new.context())?;
        Ok(new)
    }

    pub(crate) fn of(path: &Path) -> Result<Self> {
        Self::told(path, false)
    }

    /// One that relies on the system's notifications, or does not.
    pub(crate) fn told(path: &Path, is_notified: bool) -> Result<Self> {
        let path = path.to_owned();
        Self::new(move || TextFiles::new(&path).follow().notified(is_notified))
    }

    fn context(&self) -> SourceContext {
        let now = Timestamp::from_secs(self.now);
        let resumed = self.at.iter().map(|(split, at)| Resumed::at(split.clone(), at.next).noted(at.note.clone()));
        SourceContext::new("job", "log").with_clock(move || now).resumed_at(resumed)
    }

    /// Has the next start be that of another program.
    pub(crate) fn change(&mut self, make: impl Fn() -> TextFiles + 'static) {
        self.make = Box::new(make);
    }

    /// Tells the source where the job stands, as an engine does after a restart.
    pub(crate) fn confirm(&mut self) -> Result<()> {
        let at: Vec<_> = self.at.iter().map(|(split, at)| (split.clone(), at.next)).collect();
        self.source.committed(&at)
    }

    /// Stops and starts again.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.source.stop();
        self.source = (self.make)();
        self.splits.clear();
        self.source.start(&self.context())?;
        self.confirm()
    }

    /// Reads what there is and commits it; tells whether there was anything.
    pub(crate) fn step(&mut self) -> Result<bool> {
        self.now += 1;
        let found = self.source.discover(Timestamp::from_secs(self.now))?;
        if found.is_all {
            self.splits = found.splits;
            let names: Vec<_> = self.splits.iter().map(|split| &split.id).collect();
            self.at.retain(|split, _| names.contains(&split));
        } else {
            self.changes += 1;
            for split in found.splits {
                self.splits.retain(|other| other.id != split.id);
                self.splits.push(split);
            }
            self.splits.retain(|split| !found.gone.contains(&split.id));
            self.at.retain(|split, _| !found.gone.contains(split));
        }
        let mut moved = Vec::new();
        let before = self.lines.len();
        for split in &self.splits {
            let at = self.at.entry(split.id.clone()).or_default();
            if split.available.is_some_and(|available| available <= at.next) {
                continue;
            }
            let mut range = ReadRange::starting_at(split.id.clone(), at.next).max_records(self.most);
            if self.most.is_none() {
                range.to = split.available;
            }
            let mut reader = match self.source.open(&range) {
                Err(ConnectError::Later { .. }) => continue,
                opened => opened?,
            };
            match reader.for_each(|line| self.lines.push(line)) {
                Err(error) if !matches!(error, ConnectError::Later { .. }) => return Err(error),
                _ => {}
            }
            if reader.position() > at.next {
                at.next = reader.position();
                moved.push((split.id.clone(), at.next));
            }
        }
        for (split, note) in self.source.notes(&moved)? {
            if let Some(at) = self.at.get_mut(&split) {
                at.note = Some(note);
            }
        }
        self.source.committed(&moved)?;
        Ok(self.lines.len() > before)
    }

    /// Reads until there is nothing more, also some seconds later.
    pub(crate) fn drain(&mut self) -> Result<()> {
        for _ in 0..8 {
            while self.step()? {}
        }
        Ok(())
    }

    pub(crate) fn splits(&self) -> Vec<(String, Option<u64>, bool)> {
        let shown = self.splits.iter().map(|split| (split.id.to_string(), split.available, split.finished));
        shown.collect()
    }
}
