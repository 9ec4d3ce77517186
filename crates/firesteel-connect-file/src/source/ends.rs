//! When files are finished.

use std::collections::HashMap;
use std::ffi::OsStr;

use firesteel_window::{Duration, Timestamp, seconds};

use super::entry::{FileEntry, Presence};
use super::family;
use super::policy::Policy;

/// How long a file that was put aside is silent until a last line without a newline is taken for whole.
pub(crate) const SETTLED: Duration = seconds(2);

/// Finds out of which files newer pieces are there.
pub(crate) fn supersede(files: &mut [FileEntry]) {
    let mut newest: HashMap<&str, Vec<(Option<u64>, Option<u64>)>> = HashMap::new();
    let (mut of_home, mut here): (HashMap<&OsStr, usize>, HashMap<&OsStr, Option<u64>>) = Default::default();
    for (index, file) in files.iter().enumerate().filter(|(_, file)| file.presence == Presence::Here) {
        let (modified, created) = (file.stamp.modified, file.stamp.created());
        newest.entry(&file.family).or_default().push((modified, created));
        if !file.is_aside {
            of_home.insert(file.home.as_os_str(), index);
        }
        here.insert(file.path.as_os_str(), modified);
    }
    for times in newest.values_mut() {
        times.sort_unstable();
    }
    let is_superseded = files.iter().enumerate().map(|(index, file)| {
        let modified = file.stamp.modified;
        let others = newest.get(&*file.family).map_or(&[][..], Vec::as_slice);
        let later = others.partition_point(|(other, _)| *other <= modified);
        let is_followed = others[later..].iter().rev().take(8).any(|(_, created)| *created >= modified);
        let is_aside = || of_home.get(file.home.as_os_str()).is_some_and(|newer| *newer > index || file.is_aside);
        let log = || family::log_of(&file.path);
        let is_rotated = || log().and_then(|log| here.get(log.as_os_str())).is_some_and(|log| *log >= modified);
        is_followed || is_aside() || is_rotated()
    });
    let is_superseded: Vec<bool> = is_superseded.collect();
    for (file, is_superseded) in files.iter_mut().zip(is_superseded) {
        file.is_superseded = is_superseded;
    }
}

/// Takes files for finished of which nothing more is to be expected: all of them counts then. Tells which.
pub(crate) fn finish(files: &mut [FileEntry], policy: &Policy, now: Timestamp) -> Vec<usize> {
    let mut finished = Vec::new();
    let finish_after = policy.finish_after;
    for (index, file) in files.iter_mut().enumerate() {
        if !policy.follow || file.presence != Presence::Here || file.is_closed {
            continue;
        }
        // Whoever has a file open may write the rest of a line when it has been put aside.
        let is_over = file.is_superseded && (!file.has_half_line() || file.is_silent(now, SETTLED));
        if is_over || finish_after == Duration::ZERO || file.is_silent(now, finish_after) {
            file.close();
            file.is_unnoted = true;
            finished.push(index);
        }
    }
    finished
}
