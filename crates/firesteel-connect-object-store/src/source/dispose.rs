//! Objects that were read, and are deleted or archived.

use firesteel_connect::{ConnectError, Result, SplitId};
use firesteel_window::{Duration, Timestamp, seconds};

use super::after::{Disposed, What, dispose};
use super::catalog::Catalog;
use super::entry::Object;
use super::results::joined;
use crate::error::failed;
use crate::pattern::below;

/// Why objects of results stay where they are.
const LISTED: &str = "a manifest lists the objects of results, which would be missed: let their sink remove them";
/// When to try again what has failed.
const RETRY: Duration = seconds(60);
/// How many objects are disposed of at the same time.
const AT_ONCE: usize = 16;

impl Catalog {
    /// Refuses what would delete too much, or read its own archive.
    pub(super) fn check_disposal(&self) -> Result<()> {
        let after = &self.policy.after_reading;
        let unusable =
            |reason: String| Err(ConnectError::Setting { connector: "Objects", setting: "after_reading", reason });
        let read = &self.pattern.prefix;
        if !after.keeps() && self.results.is_under(read) {
            return unusable(format!("{read} holds results of a sink; {LISTED}"));
        }
        let Some(archive) = after.archive_prefix() else { return Ok(()) };
        if firesteel_object_store::object_store::path::Path::parse(archive).is_err() {
            return unusable(format!("{archive:?} is no prefix of keys"));
        }
        if below(archive, read).is_some() {
            return unusable(format!("{read:?} is read, and within the archive {archive:?}"));
        }
        Ok(())
    }

    /// Whether an object of this key may be read: not what this source has archived.
    pub(super) fn is_archived(&self, key: &str) -> bool {
        self.policy.after_reading.archive_prefix().is_some_and(|archive| below(archive, key).is_some())
    }

    /// Deletes or archives what was read, is committed, and is never asked for again.
    pub(super) fn dispose(&mut self, now: Timestamp) -> Result<()> {
        let after = self.policy.after_reading.clone();
        if after.keeps() || !std::mem::take(&mut self.may_dispose) {
            return Ok(());
        }
        let is_later = self.dispose_again.is_some_and(|at| now < at && at.since(now) <= RETRY);
        let is_due = |object: &&Object| object.is_over() && !(is_later && object.is_undisposable);
        let mut due: Vec<SplitId> = self.objects.values().filter(is_due).map(|object| object.split.clone()).collect();
        due.sort_unstable();
        let mut failed_one = None;
        for some in due.chunks(AT_ONCE) {
            let begun: Vec<_> = some
                .iter()
                .filter_map(|split| self.objects.get(split))
                .map(|object| {
                    let (pin, archive) = (object.pin.clone(), self.archived(object));
                    self.bucket.begin(move |store| dispose(store, pin, archive))
                })
                .collect();
            for (split, begun) in some.iter().zip(begun) {
                let disposed = begun.wait();
                let Some(object) = self.objects.get_mut(split) else { continue };
                let key = object.pin.key.as_ref();
                match disposed {
                    // What has become of one that is not as it was read, a look tells.
                    Ok(Disposed::Changed) => continue,
                    Ok(Disposed::Deleted) => self.telling.disposed(key, None),
                    Ok(Disposed::Archived(to)) => self.telling.disposed(key, Some(&to)),
                    Err(error) => {
                        self.telling.undisposed(key, &error);
                        let doing = || format!("deleting or archiving {key}");
                        failed_one = failed_one.or_else(|| Some(failed(&self.bucket, doing)(error)));
                        object.is_undisposable = true;
                        continue;
                    }
                }
                object.is_disposed = true;
            }
        }
        self.dispose_again = failed_one.as_ref().map(|_| now.saturating_add(RETRY));
        match failed_one {
            Some(error) if after.is_needed => Err(error),
            failed => {
                self.may_dispose = failed.is_some();
                Ok(())
            }
        }
    }

    /// The key under which an object is archived, if it is to be.
    fn archived(&self, object: &Object) -> Option<String> {
        let What::Archive(archive) = &self.policy.after_reading.what else { return None };
        let key = object.pin.key.as_ref();
        let relative = below(&self.pattern.prefix, key).filter(|below| !below.is_empty());
        let name = || key.rsplit_once('/').map_or(key, |(_, name)| name);
        Some(joined(archive, relative.unwrap_or_else(name)))
    }

    /// Tells of results among what is read that they stay.
    pub(super) fn tell_kept(&mut self, key: &str) {
        if !self.policy.after_reading.keeps() {
            self.telling.kept(key, LISTED);
        }
    }
}
