//! What windows are made of: of themselves, or of slices that they share.

use firesteel_core::{Exchange, Key};
use firesteel_state::{OpenWindows, Result};
use firesteel_window::{Sliding, Window};

/// Which windows a stored one is a part of, and which stored ones a window is made of.
pub(crate) trait OfParts: Copy + Send + Sync + 'static {
    /// The windows that a stored one is a part of, in the order of their ends.
    fn windows_of(self, part: Window, each: &mut dyn FnMut(Window));

    /// Whether it holds for any of these windows.
    fn any(self, part: Window, holds: impl Fn(Window) -> bool) -> bool {
        let mut found = false;
        self.windows_of(part, &mut |window| found = found || holds(window));
        found
    }

    /// The parts of a window that hold something, in the order of time.
    fn parts_of<K: Key, A: Exchange>(self, window: Window, opened: &OpenWindows<'_, K, A>) -> Result<Vec<Window>>;
}

/// Windows that are stored as they are.
#[derive(Clone, Copy)]
pub(crate) struct Whole;

impl OfParts for Whole {
    fn windows_of(self, part: Window, each: &mut dyn FnMut(Window)) {
        each(part);
    }

    fn parts_of<K: Key, A: Exchange>(self, window: Window, _: &OpenWindows<'_, K, A>) -> Result<Vec<Window>> {
        Ok(vec![window])
    }
}

impl OfParts for Sliding {
    fn windows_of(self, part: Window, each: &mut dyn FnMut(Window)) {
        let Some((mut next, last)) = self.windows_at(part.start()) else { return };
        while next <= last {
            each(self.window(next));
            next = next.next();
        }
    }

    fn parts_of<K: Key, A: Exchange>(self, window: Window, opened: &OpenWindows<'_, K, A>) -> Result<Vec<Window>> {
        opened.within(window.start(), window.end())
    }
}
