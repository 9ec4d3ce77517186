//! Files that are not what the program expects: what readers have met of them, and whether anything is.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use firesteel_connect::{ConnectError, ReadRange, Result, SplitId};
use firesteel_formats::Format;

use crate::withheld::Met;

/// What the readers of a source know of files that do not fit. A clone is the same one.
///
/// Where nothing fits, it is the program that is wrong, and not the files.
#[derive(Clone, Default)]
pub struct Misfits(Arc<Shared>);

#[derive(Default)]
struct Shared {
    met: Met<String>,
    is_any_fit: AtomicBool,
    looking: Mutex<()>,
}

impl Misfits {
    /// Takes note that a file fits.
    pub fn fits(&self) {
        if !self.0.is_any_fit.load(Ordering::Relaxed) {
            self.0.is_any_fit.store(true, Ordering::Relaxed);
        }
    }

    /// Whether any file fits: one that was read, or, while there is none, what `look` finds. It is asked by one caller at a time.
    pub fn is_any_fit(&self, look: impl FnOnce() -> bool) -> bool {
        let _one_at_a_time = self.0.looking.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.0.is_any_fit.load(Ordering::Relaxed) && look() {
            self.fits();
        }
        self.0.is_any_fit.load(Ordering::Relaxed)
    }

    /// Looks, before anything is read, whether any of these files is what the program expects. Where none is, it is the program that is wrong,
    /// unless `looks` finds another that fits.
    ///
    /// # Errors
    /// [`ConnectError::Mismatch`]: of the first that does not fit, if that ends the job, and where nothing fits.
    pub fn compare<T, L: Looks<T>>(&self, unread: &[T], looks: &L) -> Result<()> {
        let mut refused = None;
        for one in unread {
            match looks.look_at(one) {
                Ok(true) => {
                    self.fits();
                    return Ok(());
                }
                Err(ConnectError::Mismatch { reason, .. })
                    if looks.misfit_of(one).is_some_and(|misfit| misfit.is_known_for(&reason)) => {}
                Err(error @ ConnectError::Mismatch { .. }) if !looks.bears_damage() => return Err(error),
                Err(ConnectError::Mismatch { place, reason }) => _ = refused.get_or_insert((place, reason)),
                // What else is wrong with one is told when it is read.
                Ok(false) | Err(_) => {}
            }
        }
        let Some((place, reason)) = refused else { return Ok(()) };
        if self.is_any_fit(|| looks.is_any_other_fit()) { Ok(()) } else { Err(nothing_fits::<T, L>(place, reason)) }
    }

    /// What becomes of a file that a reader has found not to fit, of which this was known: it is passed over as long as any fits, which `look`
    /// finds out if need be.
    pub fn refuse<T, L: Looks<T>>(
        &self,
        range: &ReadRange,
        known: Option<Misfit>,
        look: impl FnOnce() -> bool,
        (place, reason): (String, String),
    ) -> ConnectError {
        let is_known = known.is_some_and(|misfit| misfit.is_known_for(&reason));
        if !is_known && !self.is_any_fit(look) {
            return nothing_fits::<T, L>(place, reason);
        }
        self.note(&range.split, reason.clone());
        ConnectError::Later { place, position: range.from, reason }
    }

    /// Takes note of a file that does not fit, and why.
    pub fn note(&self, split: &SplitId, reason: String) {
        self.0.met.note(split, reason);
    }

    /// Those of which nobody has told.
    pub fn take(&self) -> Vec<(SplitId, String)> {
        self.0.met.take()
    }
}

impl fmt::Debug for Misfits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Misfits").finish_non_exhaustive()
    }
}

/// How a source looks at its files, or objects.
pub trait Looks<T> {
    /// What one of them is called.
    const ONE: &'static str;

    /// Whether one fits; `false` where that cannot be told.
    ///
    /// # Errors
    /// [`ConnectError::Mismatch`] if it does not, and whatever else is wrong with it.
    fn look_at(&self, one: &T) -> Result<bool>;

    /// What is known of one that did not fit before.
    fn misfit_of(&self, one: &T) -> Option<Misfit>;

    /// Whether one that does not fit costs itself, and not the job.
    fn bears_damage(&self) -> bool;

    /// Whether any fits beside those that are to be read.
    fn is_any_other_fit(&self) -> bool;
}

/// The error where nothing is what the program expects.
fn nothing_fits<T, L: Looks<T>>(place: String, reason: String) -> ConnectError {
    let reason = format!("{reason}; no {} that is there fits, so that none is passed over", L::ONE);
    ConnectError::Mismatch { place, reason }
}

/// Whether files in a format can be other than the program expects, which their beginning tells.
pub fn may_differ(format: &impl Format) -> bool {
    format.has_head() || format.is_packed() || format.rows().is_some() || format.looks_at_files()
}

/// A split that was passed over since it does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misfit {
    /// What is wrong with it, as a hash.
    pub reason: u64,
    /// Up to where it was read before.
    pub at: u64,
    /// How large it was.
    size: u64,
    /// Whether it is passed over; if not, it is to be tried.
    pub stands: bool,
}

/// What is to be done about a split that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// It is known.
    Nothing,
    /// It is to be counted: people have been told of it in an earlier run.
    Count,
    /// It is to be told and counted.
    All,
}

impl Misfit {
    /// One of which a job before a restart has told.
    #[must_use]
    pub fn noted(reason: u64, at: u64) -> Self {
        Self { reason, at, size: 0, stands: false }
    }

    /// One that a reader has met, read up to `at`, and how large it is. `before` is what was known of it.
    #[must_use]
    pub fn met(before: Option<Self>, reason: &str, at: u64, size: u64) -> (Self, Tell) {
        let misfit = Self { reason: hash_of(reason), at, size, stands: true };
        let tell = match before {
            Some(before) if before.reason == misfit.reason && before.size == 0 => Tell::Count,
            Some(before) if before.reason == misfit.reason => Tell::Nothing,
            _ => Tell::All,
        };
        (misfit, tell)
    }

    /// Tells it how large the split is now. A header may have become longer; so it is retried, each time that it is twice as large.
    pub fn resized(&mut self, size: u64) {
        self.stands &= size < self.size.saturating_mul(2);
    }

    /// Whether the same was wrong with it.
    #[must_use]
    pub fn is_known_for(&self, reason: &str) -> bool {
        self.reason == hash_of(reason)
    }
}

/// A hash that is the same in every run: FNV-1a.
fn hash_of(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// At most this many of these, evenly spread, the first one included.
pub fn some_of<T>(all: Vec<T>, most: usize) -> Vec<T> {
    let step = all.len().div_ceil(most.max(1)).max(1);
    all.into_iter().step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_and_counted_once_in_each_run() {
        let (first, tell) = Misfit::met(None, "has no column", 0, 100);
        assert_eq!((tell, first.stands), (Tell::All, true));
        assert_eq!(Misfit::met(Some(first), "has no column", 0, 100), (first, Tell::Nothing));
        let noted = Misfit::noted(first.reason, 0);
        assert!(!noted.stands && noted.is_known_for("has no column") && !noted.is_known_for("has two"));
        assert_eq!(Misfit::met(Some(noted), "has no column", 0, 100), (first, Tell::Count));
        assert_eq!(Misfit::met(Some(noted), "has two", 0, 100).1, Tell::All);
    }

    #[test]
    fn one_that_grows_is_retried_now_and_then() {
        let (mut misfit, _) = Misfit::met(None, "has no column", 0, 100);
        misfit.resized(199);
        assert!(misfit.stands);
        misfit.resized(200);
        assert!(!misfit.stands);
    }

    #[test]
    fn something_fits_once_it_is_found() {
        let misfits = Misfits::default();
        assert!(!misfits.is_any_fit(|| false));
        assert!(misfits.is_any_fit(|| true));
        assert!(misfits.is_any_fit(|| false));
        let read = Misfits::default();
        read.fits();
        assert!(read.is_any_fit(|| false));
    }

    #[test]
    fn those_that_are_looked_at_are_few_and_the_first_is_among_them() {
        assert_eq!(some_of((0..3).collect(), 3), [0, 1, 2]);
        let some = some_of((0..10_001).collect(), 1_000);
        assert!(some.len() <= 1_000 && some[0] == 0 && some[1] == 11);
        assert!(some_of(Vec::<u8>::new(), 1).is_empty());
    }
}
