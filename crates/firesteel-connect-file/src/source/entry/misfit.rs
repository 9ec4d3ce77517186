//! Files that are not what the program expects.

use std::sync::Arc;

use super::FileEntry;

impl FileEntry {
    /// Whether it is passed over since it does not fit.
    pub(crate) fn is_misfit(&self) -> bool {
        self.misfit.is_some_and(|misfit| misfit.stands)
    }

    /// The same file for somebody who looks what is in it and reads nothing.
    pub(crate) fn for_a_look(&self) -> Self {
        let (end, reached, gaps) = (Arc::default(), Arc::default(), Arc::default());
        Self { end, reached, gaps, misfit: None, met: None, is_patient: false, ..self.clone() }
    }
}
