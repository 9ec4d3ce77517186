//! Notifications of Linux: inotify.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use inotify::{Event, EventMask, Inotify, WatchDescriptor, WatchMask};

use crate::source::listing::is_ignored;

/// Read at once, in bytes.
const BUFFER: usize = 64 << 10;

/// Kinds of file systems of which all changes are made by way of this kernel: ext, XFS, Btrfs, F2FS, bcachefs, ZFS, tmpfs,
/// ramfs, overlays of containers. Those of networks and of FUSE may be changed by others, of which nobody tells.
const LOCAL: [u64; 9] =
    [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0xca45_1a4e, 0x2fc1_2fc1, 0x0102_1994, 0x8584_58f6, 0x794c_7630];

/// The queue of events, and what is watched.
pub(super) struct System {
    queue: Inotify,
    watched: HashMap<PathBuf, WatchDescriptor>,
    /// By what is watched: several paths may lead to one folder.
    paths: HashMap<WatchDescriptor, Vec<PathBuf>>,
    /// Devices that are local.
    local: HashSet<u64>,
    buffer: Vec<u8>,
}

impl System {
    pub(super) fn begin() -> io::Result<Self> {
        let queue = Inotify::init()?;
        Ok(Self {
            queue,
            watched: HashMap::new(),
            paths: HashMap::new(),
            local: HashSet::new(),
            buffer: vec![0; BUFFER],
        })
    }

    /// Watches a folder, or a file. Tells whether it, or what is there now, was not watched before, or cannot be.
    pub(super) fn add(&mut self, path: &Path, is_folder: bool) -> io::Result<bool> {
        let changes = WatchMask::MODIFY | WatchMask::ATTRIB | WatchMask::DELETE_SELF | WatchMask::MOVE_SELF;
        let entries = WatchMask::CREATE | WatchMask::DELETE | WatchMask::MOVE | WatchMask::ONLYDIR;
        let mask = if is_folder { changes | entries } else { changes };
        match self.check_local(path).and_then(|()| self.queue.watches().add(path, mask)) {
            Ok(descriptor) => {
                let before = self.watched.insert(path.to_owned(), descriptor.clone());
                if before.as_ref() == Some(&descriptor) {
                    return Ok(false);
                }
                before.into_iter().for_each(|before| self.forget(before, path));
                self.paths.entry(descriptor).or_default().push(path.to_owned());
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(true),
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                let reason = "no more folders can be watched; raise fs.inotify.max_user_watches";
                Err(io::Error::new(error.kind(), reason))
            }
            Err(error) => Err(error),
        }
    }

    fn check_local(&mut self, path: &Path) -> io::Result<()> {
        let device = std::fs::metadata(path)?.dev();
        if !self.local.contains(&device) {
            let kind = rustix::fs::statfs(path)?.f_type;
            // The same bits, whatever the type of the field is on this machine.
            let kind = u64::try_from(i128::from(kind) & 0xffff_ffff).unwrap_or(0);
            if !LOCAL.contains(&kind) {
                let text = format!(
                    "the file system of {} (kind {kind:#x}) may be changed by others, of which it does not tell",
                    path.display()
                );
                return Err(io::Error::new(ErrorKind::Unsupported, text));
            }
            self.local.insert(device);
        }
        Ok(())
    }

    /// Watches nothing but these.
    pub(super) fn retain(&mut self, places: &BTreeSet<(PathBuf, bool)>) {
        let is_wanted = |path: &Path| [true, false].iter().any(|kind| places.contains(&(path.to_owned(), *kind)));
        let surplus: Vec<PathBuf> = self.watched.keys().filter(|path| !is_wanted(path)).cloned().collect();
        for path in surplus {
            if let Some(descriptor) = self.watched.remove(&path) {
                self.forget(descriptor, &path);
            }
        }
    }

    /// What was watched does not lead there any more.
    fn forget(&mut self, descriptor: WatchDescriptor, path: &Path) {
        let paths = self.paths.entry(descriptor.clone()).or_default();
        paths.retain(|other| other != path);
        if paths.is_empty() {
            self.paths.remove(&descriptor);
            // It is gone by itself where the folder is.
            self.queue.watches().remove(descriptor).ok();
        }
    }

    /// The files that were written to; nothing where something else has happened, or may have.
    pub(super) fn read(&mut self) -> Option<BTreeSet<PathBuf>> {
        let Self { queue, watched, paths, buffer, .. } = self;
        let (mut written, mut is_clear) = (BTreeSet::new(), true);
        loop {
            match queue.read_events(buffer) {
                Ok(events) => {
                    for event in events {
                        if event.mask.contains(EventMask::IGNORED) {
                            let lost = paths.remove(&event.wd).unwrap_or_default();
                            lost.iter().for_each(|path| _ = watched.remove(path));
                            is_clear &= lost.is_empty();
                        }
                        is_clear &= note(&event, paths, &mut written);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        is_clear.then_some(written)
    }
}

/// Takes in an event; tells whether that says all.
fn note(
    event: &Event<&std::ffi::OsStr>,
    paths: &HashMap<WatchDescriptor, Vec<PathBuf>>,
    written: &mut BTreeSet<PathBuf>,
) -> bool {
    if event.mask.contains(EventMask::Q_OVERFLOW) {
        return false;
    }
    // Of what is not watched any more.
    let Some(paths) = paths.get(&event.wd) else { return true };
    let places = paths.iter().map(|path| event.name.map_or_else(|| path.clone(), |name| path.join(name)));
    if event.mask.contains(EventMask::MODIFY) && !event.mask.contains(EventMask::ISDIR) {
        written.extend(places);
        return true;
    }
    // What others make under names that are never read.
    let is_made = event.mask.intersects(EventMask::CREATE | EventMask::ATTRIB);
    is_made && !event.mask.contains(EventMask::ISDIR) && event.name.is_some_and(|name| is_ignored(Path::new(name)))
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("watched", &self.watched.len()).finish_non_exhaustive()
    }
}
