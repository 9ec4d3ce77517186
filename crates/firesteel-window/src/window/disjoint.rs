//! Windows of which each instant has one.

use super::{Window, WindowAssigner};
use crate::error::WindowError;
use crate::time::Timestamp;

/// How the records of a window stand to a watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The window is open.
    InTime,
    /// Of what is made of this window, a part is closed and another one is open: of the sliding windows that share a slice.
    PartlyLate,
    /// The window is closed.
    Late,
    /// What happens here is in no window: it lies in a gap between them.
    Outside,
}

/// An assigner whose windows never overlap: every instant inside of a window has that window, and no other.
///
/// This is a promise by the author of the assigner. It is what lets a [`WindowCursor`](super::WindowCursor) reuse its last
/// answer, and two events of one window be combined before anything else is known of them.
pub trait DisjointWindows: WindowAssigner {
    /// Whether windows are parts of others, so that they may be [partly late](Standing::PartlyLate).
    const HAS_PARTS: bool = false;

    /// How the records of one of these windows stand to a watermark: late when it has closed the window, unless the assigner
    /// says otherwise.
    fn standing(&self, window: Window, watermark: Timestamp) -> Standing {
        if window.is_closed_by(watermark) { Standing::Late } else { Standing::InTime }
    }

    /// The windows of an instant that a watermark has closed, where it has closed one: the first, the last and how many they are.
    fn late_for(&self, at: Timestamp, watermark: Timestamp) -> (Window, Window, u64) {
        let _ = watermark;
        let window = self.window_of(at);
        (window, window, 1)
    }
}

/// Windows by an assigner of your own, for engines: whatever implements [`DisjointWindows`].
///
/// ```
/// use firesteel_window::{Disjoint, DisjointWindows, Timestamp, Window, WindowAssigner, days};
///
/// /// The last century, and this one.
/// #[derive(Clone)]
/// struct Centuries;
///
/// impl WindowAssigner for Centuries {
///     fn window_of(&self, at: Timestamp) -> Window {
///         let turn = Timestamp::EPOCH + days(10_957); // the beginning of 2000
///         if at < turn { Window::new(Timestamp::MIN, turn) } else { Window::new(turn, Timestamp::MAX) }
///     }
/// }
/// impl DisjointWindows for Centuries {}
///
/// let windows = Disjoint(Centuries);
/// assert!(windows.window_of("2025-01-31T13:05:00Z".parse()?).contains("2000-01-01T00:00:00Z".parse()?));
/// # Ok::<(), firesteel_window::TimeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disjoint<W>(pub W);

impl<W: WindowAssigner> WindowAssigner for Disjoint<W> {
    #[inline]
    fn window_of(&self, at: Timestamp) -> Window {
        self.0.window_of(at)
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        self.0.settings()
    }

    fn validate(&self) -> Result<(), WindowError> {
        self.0.validate()
    }
}

impl<W: DisjointWindows> DisjointWindows for Disjoint<W> {
    const HAS_PARTS: bool = W::HAS_PARTS;

    fn standing(&self, window: Window, watermark: Timestamp) -> Standing {
        self.0.standing(window, watermark)
    }

    fn late_for(&self, at: Timestamp, watermark: Timestamp) -> (Window, Window, u64) {
        self.0.late_for(at, watermark)
    }
}
