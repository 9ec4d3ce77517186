//! Objects that are not what the program expects: as long as any other is, such an object costs itself; where none is, it is the program that
//! is wrong.

use firesteel_connect::{ConnectError, ReadRange, Result, SplitId};
use firesteel_formats::Format;
use firesteel_frames::{Looks, Misfit, may_differ, some_of};
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
        if !may_differ(&self.format) {
            return Ok(());
        }
        let (compared, misfits) = {
            let catalog = self.catalog.lock();
            (catalog.to_compare(), catalog.misfits.clone())
        };
        misfits.compare(&compared.unread, &Looking { objects: self, compared: &compared })
    }

    /// What becomes of an object that does not fit.
    pub(super) fn misfit(&self, range: &ReadRange, place: String, reason: String) -> ConnectError {
        let (known, misfits) = {
            let catalog = self.catalog.lock();
            (catalog.object(&range.split).and_then(|object| object.misfit), catalog.misfits.clone())
        };
        misfits.refuse::<Object, Looking<'_, F>>(range, known, || self.is_any_fit(), (place, reason))
    }

    fn is_any_fit(&self) -> bool {
        let compared = self.catalog.lock().to_compare();
        let looking = Looking { objects: self, compared: &compared };
        compared.unread.iter().any(|object| looking.look_at(object).unwrap_or(false)) || looking.is_any_other_fit()
    }
}

/// How objects are looked at.
struct Looking<'a, F: Format> {
    objects: &'a Objects<F>,
    compared: &'a Compared,
}

impl<F: Format> Looks<Object> for Looking<'_, F> {
    const ONE: &'static str = "object";

    fn look_at(&self, object: &Object) -> Result<bool> {
        let range = ReadRange::starting_at(object.split.clone(), 0);
        let settings = Settings {
            bucket: &self.objects.bucket,
            source: "",
            format: &self.objects.format,
            longest: self.objects.longest,
            bears_damage: false,
            bears_loss: false,
        };
        ObjectReader::open(object.for_a_look(), &range, &settings, None).map(|reader| reader.is_compared())
    }
    fn misfit_of(&self, object: &Object) -> Option<Misfit> {
        object.misfit
    }
    fn bears_damage(&self) -> bool {
        self.objects.policy.bears_damage()
    }

    /// Whether any that was read fits; those that were and are gone have done so, as far as can be known.
    fn is_any_other_fit(&self) -> bool {
        let Compared { read, is_any_gone, .. } = self.compared;
        (read.is_empty() && *is_any_gone) || read.iter().any(|object| self.look_at(object).unwrap_or(false))
    }
}
