//! Objects of results that were merged into others: who knows some of them reads these, and the rest, where they stand now.
//!
//! A split keeps the name, the positions and the note of the object that it was. So nothing has to be decided when an object is merged, in
//! this run or while no job runs: what was read of it stays read.

use std::collections::HashMap;
use std::sync::Arc;

use firesteel_connect::{ReadRange, SplitId};
use firesteel_frames::Compression;
use firesteel_object_store::Pin;
use firesteel_object_store::object_store::ObjectMeta;
use firesteel_results::{Part, PartName, Shift, Stretch, apart};

use super::entry::Object;
use super::results::joined;

/// An object that a reader may see.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) object: ObjectMeta,
    /// Whether a manifest lists it.
    pub(super) is_result: bool,
    /// How many bytes the manifest says, where it has another number.
    pub(super) wanted: Option<u64>,
    /// Which objects it stands for.
    pub(super) merged: Option<Merged>,
    /// The one of them that is meant, and not the object itself.
    pub(super) part: Option<(String, Part)>,
}

impl Listed {
    /// One that no manifest lists.
    pub(super) fn alone(object: ObjectMeta) -> Self {
        Self { object, is_result: false, wanted: None, merged: None, part: None }
    }

    /// The key of what is meant.
    pub(super) fn key(&self) -> &str {
        self.part.as_ref().map_or(self.object.location.as_ref(), |(key, _)| key)
    }
}

/// Which objects a merged one stands for.
#[derive(Debug, Clone)]
pub(super) struct Merged {
    /// The prefix of the results.
    pub(super) prefix: Arc<str>,
    pub(super) parts: Arc<[Part]>,
}

/// Where an object stands in the one that it was merged into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// The merged object.
    pub(super) pin: Pin,
    pub(super) stretch: Stretch,
    pub(super) compression: Compression,
}

impl View {
    pub(super) fn of(merged: &ObjectMeta, part: &Part) -> Self {
        let compression = if PartName::is_gzip(&part.name) { Compression::Gzip } else { Compression::Plain };
        Self { pin: Pin::of(merged), stretch: part.stretch, compression }
    }

    /// Whether this is the merged object.
    pub(super) fn is_of(&self, listed: &ObjectMeta) -> bool {
        self.pin == Pin::of(listed)
    }
}

/// The objects that are known, by their splits and by their keys.
pub(super) struct KnownObjects<'a> {
    pub(super) objects: &'a HashMap<SplitId, Object>,
    pub(super) by_key: &'a HashMap<String, Vec<SplitId>>,
}

impl KnownObjects<'_> {
    fn of_key(&self, key: &str) -> impl Iterator<Item = &Object> {
        self.by_key.get(key).into_iter().flatten().filter_map(|split| self.objects.get(split))
    }

    /// The object that was this part, if it is known.
    fn part(&self, key: &str, part: &Part) -> Option<&SplitId> {
        self.of_key(key).find(|object| object.was(part)).map(|object| &object.split)
    }

    fn is_known(&self, object: &ObjectMeta) -> bool {
        self.of_key(object.location.as_ref()).any(|known| known.is_same(object))
    }
}

/// Puts in the place of merged objects of which some parts are known the parts that are not, and tells where those stand that are.
pub(super) fn resolve(listed: Vec<Listed>, known: &KnownObjects<'_>) -> (Vec<Listed>, Vec<(SplitId, View)>) {
    let (mut kept, mut claimed) = (Vec::with_capacity(listed.len()), Vec::new());
    for whole in listed {
        let Some(Merged { prefix, parts }) = whole.merged.clone().filter(|_| !known.is_known(&whole.object)) else {
            kept.push(whole);
            continue;
        };
        let found: Vec<(String, Option<&SplitId>)> = parts
            .iter()
            .map(|part| {
                let key = joined(&prefix, &part.name);
                let split = known.part(&key, part);
                (key, split)
            })
            .collect();
        let is_known: Vec<bool> = found.iter().map(|(_, split)| split.is_some()).collect();
        let Some(places) = apart(&parts, &is_known) else {
            kept.push(whole);
            continue;
        };
        for place in places {
            match &found[place] {
                (_, Some(split)) => claimed.push(((*split).clone(), View::of(&whole.object, &parts[place]))),
                (key, None) => {
                    let part = Some((key.clone(), parts[place].clone()));
                    kept.push(Listed { part, merged: None, ..whole.clone() });
                }
            }
        }
    }
    (kept, claimed)
}

impl Object {
    /// The merged object and the stretch of it that a range of this one is, with what turns positions back. Errors are told of the
    /// merged one.
    pub(super) fn through(&self, range: &ReadRange) -> Option<(Self, ReadRange, Shift<()>)> {
        let View { pin, stretch, compression } = self.view.as_deref()?;
        let mut object = self.clone();
        (object.pin, object.view, object.is_divisible) = (pin.clone(), None, false);
        object.compression = Arc::new((*compression).into());
        // It ends in the middle of the other one: that is no news of where that ends.
        (object.end, object.reached) = (Arc::default(), Arc::default());
        let (there, shift) = Shift::through((), *stretch, range, &self.reached);
        Some((object, there, shift))
    }
}
