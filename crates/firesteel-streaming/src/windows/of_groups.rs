//! What is kept of each key group from batch to batch.

use std::sync::Arc;

use firesteel_state::KeySpace;
use parking_lot::Mutex;

/// Something of each of the job's own key groups, by its place among them.
pub(crate) struct OfGroups<T>(Mutex<Option<(KeySpace, Arc<[T]>)>>);

impl<T> OfGroups<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// What there is, if anything has been asked for.
    pub(crate) fn known(&self) -> Option<Arc<[T]>> {
        self.0.lock().as_ref().map(|(_, groups)| Arc::clone(groups))
    }

    /// What there is where these key groups are the job's own. If others were before, it is made anew.
    pub(crate) fn within(&self, space: KeySpace, new: impl Fn() -> T) -> Arc<[T]> {
        let mut known = self.0.lock();
        match &*known {
            Some((of, groups)) if *of == space => Arc::clone(groups),
            _ => {
                let groups: Arc<[T]> = (0..space.len()).map(|_| new()).collect();
                *known = Some((space, Arc::clone(&groups)));
                groups
            }
        }
    }
}
