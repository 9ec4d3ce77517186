//! What the system tells of changes, so that files that do not change need not be looked at.
//!
//! A look skips nothing that it would have found: where the system cannot tell, files are looked at as if there were no
//! notifications. It tells of folders, by events that stand in a queue when the call that made them returns: what has changed before
//! somebody asks is known when he asks.

#[cfg_attr(target_os = "linux", path = "watch/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "watch/elsewhere.rs")]
mod system;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use firesteel_window::{Duration, Timestamp, seconds};

use super::identity::Stamp;
use super::listing::{Look, is_glob, literal_folder};
use system::System;

/// How long files are left alone of which the system tells nothing: some changes it does not see, such as those by way of memory
/// that a file is mapped into.
const SLOW: Duration = seconds(60);
/// At most this many files cost next to nothing to look at.
const FEW: usize = 64;
/// At most this many paths that were given are looked at themselves, whatever the system tells.
const PROBED: usize = 64;
/// At most this many files are looked at one by one.
const SINGLE: usize = 256;

/// What may have changed since the last look.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing.
    None,
    /// What is in these files.
    Written(BTreeSet<PathBuf>),
    /// Anything.
    Unknown,
}

/// Watches the folders in which files are.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Whether that is wanted; only for many files where nobody has said.
    wanted: Option<bool>,
    system: Option<System>,
    is_refused: bool,
    /// Whether all is watched since before the last look.
    is_covered: bool,
    last_look: Option<Timestamp>,
    probes: Vec<(PathBuf, Option<Stamp>)>,
}

impl Watch {
    pub(crate) fn new(paths: &[PathBuf], wanted: Option<bool>) -> Self {
        let probes = if paths.len() > PROBED { &[] } else { paths };
        Self { wanted, probes: probes.iter().map(|path| (base(path), None)).collect(), ..Self::default() }
    }

    /// What may have changed.
    pub(crate) fn news(&mut self, now: Timestamp) -> News {
        let is_recent = self.last_look.is_some_and(|last| now >= last && now.since(last) < SLOW);
        let (Some(system), true, true) = (&mut self.system, self.is_covered, is_recent) else { return News::Unknown };
        let Some(mut written) = system.read() else { return News::Unknown };
        for (path, before) in &mut self.probes {
            let stamp = probe(path);
            match (&stamp, std::mem::replace(before, stamp)) {
                (now, before) if *now == before => {}
                (Some(now), Some(before)) if now.is_same_file(&before) && now.size >= before.size => {
                    _ = written.insert(path.clone());
                }
                _ => return News::Unknown,
            }
        }
        match written.len() {
            0 => News::None,
            1..=SINGLE => News::Written(written),
            _ => News::Unknown,
        }
    }

    /// Before a look at about this many files: what it misses is in the queue from here on.
    pub(crate) fn before_look(&mut self, files: usize, now: Timestamp) -> io::Result<()> {
        self.last_look = Some(now);
        let is_wanted = self.wanted.unwrap_or(files > FEW);
        if !is_wanted || self.is_refused || !cfg!(target_os = "linux") {
            (self.system, self.is_covered) = (None, false);
            return Ok(());
        }
        let bases: Vec<PathBuf> = self.probes.iter().map(|(path, _)| path.clone()).collect();
        let outcome = self.begin().and_then(|system| {
            bases.iter().filter(|path| path.is_dir()).try_for_each(|path| system.add(path, true).map(drop))?;
            system.read();
            Ok(())
        });
        for (path, stamp) in &mut self.probes {
            *stamp = probe(path);
        }
        self.refuse(outcome)
    }

    fn begin(&mut self) -> io::Result<&mut System> {
        match &mut self.system {
            Some(system) => Ok(system),
            none => Ok(none.insert(System::begin()?)),
        }
    }

    /// After a look: all folders in which something was found, or may be, are watched. Where some were not before, another look
    /// has to follow.
    pub(crate) fn after_look(&mut self, look: &mut Look) -> io::Result<()> {
        let Some(system) = &mut self.system else { return Ok(()) };
        let mut is_new = !look.troubles.is_empty();
        let mut cover = || {
            let folders = places(look);
            for (path, is_folder) in &folders {
                is_new |= system.add(path, *is_folder)?;
            }
            system.retain(&folders);
            Ok(())
        };
        let outcome = cover();
        self.is_covered = !is_new;
        self.refuse(outcome)
    }

    fn refuse(&mut self, outcome: io::Result<()>) -> io::Result<()> {
        if outcome.is_err() {
            (self.system, self.is_covered, self.is_refused) = (None, false, true);
        }
        outcome
    }
}

/// What is there: of a folder, only which one it is.
fn probe(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    let mut stamp = Stamp::of(&metadata);
    if metadata.is_dir() {
        (stamp.size, stamp.modified) = (0, None);
    }
    Some(stamp)
}

/// Where what is given begins: the path itself, or the folder that a glob begins with.
pub(crate) fn base(path: &Path) -> PathBuf {
    if !is_glob(path) || path.exists() {
        return path.to_owned();
    }
    let folder = path.to_str().map(literal_folder).unwrap_or_default();
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder }
}

/// What has to be watched, and whether it is a folder.
fn places(look: &mut Look) -> BTreeSet<(PathBuf, bool)> {
    let mut places: BTreeSet<(PathBuf, bool)> = look.folders.drain(..).map(|folder| (folder, true)).collect();
    let folder_of = |path: &Path| match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => PathBuf::from("."),
        folder => folder.unwrap_or(path).to_owned(),
    };
    let mut last = None;
    for file in &look.files {
        for path in [file.real(), &file.path] {
            if last != path.parent() {
                places.insert((folder_of(path), true));
                last = path.parent();
            }
        }
        // Written by way of another name, it is told of by itself only.
        if file.has_other_names() {
            places.insert((file.real().to_owned(), false));
        }
    }
    for path in &look.awaited {
        let there = path.ancestors().skip(1).find(|folder| folder.as_os_str().is_empty() || folder.is_dir());
        places
            .insert((there.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned(), true));
    }
    places
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "a failed helper fails the test")]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::source::listing::Listing;

    fn look(watch: &mut Watch, path: &Path, now: i64) {
        watch.before_look(1, Timestamp::from_secs(now)).unwrap();
        let mut look = Listing::new(vec![path.to_owned()], true, true).look().unwrap();
        watch.after_look(&mut look).unwrap();
    }

    #[test]
    fn files_are_left_alone_until_something_happens_or_a_minute_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a", "b"] {
            std::fs::write(at(name), "1\n").unwrap();
        }
        let mut watch = Watch::new(&[folder.path().to_owned()], Some(true));
        assert_eq!(watch.news(Timestamp::from_secs(0)), News::Unknown, "nobody has looked");
        look(&mut watch, folder.path(), 100);
        let mut news = |now| watch.news(Timestamp::from_secs(now));
        assert_eq!([news(100), news(159)], [News::None, News::None]);
        assert_eq!([news(160), news(99)], [News::Unknown, News::Unknown], "a minute later, and a clock set back");
        std::fs::read(at("a")).unwrap();
        std::fs::File::create(at(".hidden")).unwrap();
        assert_eq!(news(100), News::None, "what is read or hidden");
        let mut file = std::fs::File::options().append(true).open(at("a")).unwrap();
        file.write_all(b"2\n").unwrap();
        assert_eq!([news(100), news(100)], [News::Written([at("a")].into()), News::None]);
        let changes: [&dyn Fn(); 5] = [
            &|| std::fs::write(at("c"), "1\n").unwrap(),
            &|| std::fs::rename(at("c"), at("d")).unwrap(),
            &|| std::fs::hard_link(at("d"), at("e")).unwrap(),
            &|| std::fs::remove_file(at("d")).unwrap(),
            &|| std::fs::create_dir(at("sub")).unwrap(),
        ];
        for (index, change) in changes.iter().enumerate() {
            change();
            assert_eq!(watch.news(Timestamp::from_secs(100)), News::Unknown, "{index}");
            look(&mut watch, folder.path(), 100);
            watch.news(Timestamp::from_secs(100));
            look(&mut watch, folder.path(), 100);
            assert_eq!(watch.news(Timestamp::from_secs(100)), News::None, "{index}");
        }
        // More than the queue holds.
        let mut other = std::fs::File::options().append(true).open(at("b")).unwrap();
        for _ in 0..20_000 {
            file.write_all(b"x").unwrap();
            other.write_all(b"x").unwrap();
        }
        assert_eq!(watch.news(Timestamp::from_secs(100)), News::Unknown);
    }

    #[test]
    fn few_files_are_looked_at_whenever_somebody_asks() {
        let folder = tempfile::tempdir().unwrap();
        for (files, wanted, expected) in [
            (FEW, None, News::Unknown),
            (FEW + 1, None, News::None),
            (FEW + 1, Some(false), News::Unknown),
            (0, Some(true), News::None),
        ] {
            let mut watch = Watch::new(&[folder.path().to_owned()], wanted);
            watch.before_look(files, Timestamp::from_secs(0)).unwrap();
            let mut look = Listing::new(vec![folder.path().to_owned()], true, true).look().unwrap();
            watch.after_look(&mut look).unwrap();
            assert_eq!(watch.news(Timestamp::from_secs(0)), expected, "{files} {wanted:?}");
        }
    }

    #[test]
    fn a_file_system_that_does_not_tell_is_looked_at() {
        let mut watch = Watch::new(&[PathBuf::from("/proc/self")], Some(true));
        let error = watch.before_look(1, Timestamp::from_secs(0)).unwrap_err();
        assert!(error.to_string().contains("of which it does not tell"), "{error}");
        assert_eq!(watch.news(Timestamp::from_secs(0)), News::Unknown);
        // It is told once.
        watch.before_look(1, Timestamp::from_secs(1)).unwrap();
    }
}
