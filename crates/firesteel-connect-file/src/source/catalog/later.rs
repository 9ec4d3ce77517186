//! Files that cannot be read for now.

use firesteel_connect::ReadRange;
use firesteel_frames::Wait;
use firesteel_window::Timestamp;

use super::Catalog;

impl Catalog {
    /// Passes over a stretch that could not be read while what comes after it was, if that is wanted. Tells whether it is.
    pub(crate) fn pass_over(&mut self, stretch: &ReadRange) -> bool {
        let ReadRange { split, from, to: Some(to), .. } = stretch else { return false };
        if !self.policy.leaves_for_later() || self.file(split).is_none() {
            return false;
        }
        let reason = self.met.take_of(split).map_or_else(|| "it cannot be read".to_owned(), |error| error.to_string());
        self.gaps.note(split, *from, *to, &reason);
        true
    }

    /// Tells of files that readers could not read and leaves them alone, and offers those again that were left alone for long enough.
    pub(super) fn withhold(&mut self, now: Timestamp) {
        for (split, error) in self.met.take() {
            let Some(file) = self.index.get(&split).map(|index| &mut self.files[*index]) else { continue };
            if file.is_withheld() {
                continue;
            }
            let is_new = file.withhold(now);
            self.telling.troubles(&[(file.path.to_path_buf(), error)]);
            self.has_changed = true;
            if is_new {
                self.withheld.push(split);
            }
        }
        let Self { withheld, index, files, telling, has_changed, .. } = self;
        withheld.retain(|split| {
            let Some(file) = index.get(split).map(|index| &mut files[*index]) else { return false };
            let reached = file.reached();
            let Some(until) = &mut file.withheld else { return false };
            match until.look(reached, now) {
                Wait::Unchanged => return true,
                Wait::Over => {}
                Wait::Vanished => {
                    file.withheld = None;
                    telling.readable(&file.path);
                }
            }
            *has_changed = true;
            file.withheld.is_some()
        });
    }
}
