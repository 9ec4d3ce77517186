//! Objects that are not what the program expects: as long as any other is, such an object costs itself; where none is, it is the program that
//! is wrong.

use firesteel_connect::{ConnectError, ReadRange, Result, SplitId};
use firesteel_formats::Format;
use firesteel_frames::{Misfit, some_of};
use firesteel_object_store::Pin;

use super::catalog::Catalog;
use super::entry::Object;
use super::reader::Settings;
use super::{ObjectReader, Objects};

/// How many objects are looked at, at most, before it is said that none fits. Each costs a call or two.
const LOOKS: usize = 64;

/// Objects by which is told whether any is what the program expects.
struct Compared {
    /// Some of those that are to be read, in their order.
    unread: Vec<Object>,
    /// Some of those that were read.
    read: Vec<Object>,
    /// Whether others were read, and are not there any more.
    is_any_gone: bool,
}

impl Object {
    /// Whether it is passed over since it does not fit.
    pub(super) fn is_misfit(&self) -> bool {
        self.misfit.is_some_and(|misfit| misfit.stands)
    }
}

impl Catalog {
    /// Tells of objects that do not fit, and passes them over.
    pub(super) fn pass_misfits(&mut self) {
        let is_table = self.policy.rows.is_some();
        for (split, reason) in self.misfits.take() {
            let Some(object) = self.objects.get_mut(&split) else { continue };
            let (misfit, tell) = Misfit::met(object.misfit, &reason, object.got_to(), object.pin.size.max(1));
            object.misfit = Some(misfit);
            let rows = object.end.get().filter(|_| is_table).map(|end| end.saturating_sub(misfit.at));
            self.telling.misfit(object.pin.key.as_ref(), &reason, rows.ok_or(object.pin.size), tell);
            self.untold.push(split.clone());
            self.unnoted.push(split);
        }
    }

    /// Objects to look at, to see whether any fits.
    fn to_compare(&self) -> Compared {
        let mut known: Vec<&Object> = self.objects.values().filter(|object| !object.is_disposed).collect();
        known.sort_by(|one, other| one.split.cmp(&other.split));
        let (unread, read): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|object| object.is_misfit() || !object.is_done());
        let waiting = self.waiting.iter().filter(|listed| listed.part.is_none()).map(|listed| {
            let split = SplitId::new(listed.key());
            Object::new(split, Pin::of(&listed.object), self.unit())
        });
        Compared {
            unread: some_of(unread.into_iter().cloned().chain(waiting).collect(), LOOKS),
            read: some_of(read.into_iter().rev().cloned().collect(), LOOKS),
            is_any_gone: self.has_read || self.objects.values().any(|object| object.is_disposed),
        }
    }
}

impl<F: Format> Objects<F> {
    /// Looks, before anything is read, whether what is to be read is what the program expects.
    pub(super) fn compare(&self) -> Result<()> {
        let format = &self.format;
        let may_differ = format.has_head() || format.is_packed() || format.rows().is_some() || format.looks_at_files();
        if !may_differ {
            return Ok(());
        }
        let (compared, misfits) = {
            let catalog = self.catalog.lock();
            (catalog.to_compare(), catalog.misfits.clone())
        };
        let mut refused = None;
        for object in &compared.unread {
            match self.look_at(object) {
                Ok(true) => {
                    misfits.fits();
                    return Ok(());
                }
                Err(ConnectError::Mismatch { reason, .. })
                    if object.misfit.is_some_and(|misfit| misfit.is_known_for(&reason)) => {}
                Err(error @ ConnectError::Mismatch { .. }) if !self.policy.bears_damage() => return Err(error),
                Err(ConnectError::Mismatch { place, reason }) => _ = refused.get_or_insert((place, reason)),
                // What else is wrong with an object is told when it is read.
                Ok(false) | Err(_) => {}
            }
        }
        let Some((place, reason)) = refused else { return Ok(()) };
        if misfits.is_any_fit(|| self.is_any_read_fit(&compared)) { Ok(()) } else { Err(nothing_fits(place, reason)) }
    }

    /// What becomes of an object that does not fit.
    pub(super) fn misfit(&self, range: &ReadRange, place: String, reason: String) -> ConnectError {
        let (known, misfits) = {
            let catalog = self.catalog.lock();
            (catalog.object(&range.split).and_then(|object| object.misfit), catalog.misfits.clone())
        };
        let is_known = known.is_some_and(|misfit| misfit.is_known_for(&reason));
        if !is_known && !misfits.is_any_fit(|| self.is_any_fit()) {
            return nothing_fits(place, reason);
        }
        misfits.note(&range.split, reason.clone());
        ConnectError::Later { place, position: range.from, reason }
    }

    fn is_any_fit(&self) -> bool {
        let compared = self.catalog.lock().to_compare();
        compared.unread.iter().any(|object| self.look_at(object).unwrap_or(false)) || self.is_any_read_fit(&compared)
    }

    /// Whether any that was read fits; those that were and are gone have done so, as far as can be known.
    fn is_any_read_fit(&self, compared: &Compared) -> bool {
        let Compared { read, is_any_gone, .. } = compared;
        (read.is_empty() && *is_any_gone) || read.iter().any(|object| self.look_at(object).unwrap_or(false))
    }

    /// Whether an object fits.
    fn look_at(&self, object: &Object) -> Result<bool> {
        let range = ReadRange::starting_at(object.split.clone(), 0);
        let settings = Settings {
            bucket: &self.bucket,
            source: "",
            format: &self.format,
            longest: self.longest,
            bears_damage: false,
            bears_loss: false,
        };
        ObjectReader::open(object.for_a_look(), &range, &settings, None).map(|reader| reader.is_compared())
    }
}

/// The error where nothing is what the program expects.
fn nothing_fits(place: String, reason: String) -> ConnectError {
    let reason = format!("{reason}; no object that is there fits, so that none is passed over");
    ConnectError::Mismatch { place, reason }
}
