//! Chains of any length: values that own others of their kind.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::sync::Arc;

/// This many are dropped one from within another.
const DEEP: usize = 64;

thread_local! {
    /// How many are being dropped on this thread, one from within another.
    static NESTED: Cell<usize> = const { Cell::new(0) };
    /// What waits for its turn to be dropped.
    static LATER: RefCell<Vec<Box<dyn Held>>> = const { RefCell::new(Vec::new()) };
}

/// Anything.
trait Held {}
impl<T> Held for T {}

/// A share of a value that owns another of its kind by a link, and that the next, as the RDDs do that the loop of a
/// program makes one from another. Dropped deep within others, it waits for its turn: a chain of any length takes no
/// more of the stack than a short one.
///
/// ```
/// use std::sync::Arc;
///
/// use firesteel_core::Link;
///
/// struct Step(Option<Link<Step>>);
///
/// let mut last = Step(None);
/// for _ in 0..1_000_000 {
///     last = Step(Some(Link::new(Arc::new(last))));
/// }
/// assert!(last.0.as_ref().is_some_and(|before| before.0.is_some()));
/// drop(last);
/// ```
pub struct Link<T: ?Sized + 'static>(Option<Arc<T>>);

impl<T: ?Sized> Link<T> {
    /// A link to what is shared with others.
    #[must_use]
    pub fn new(to: Arc<T>) -> Self {
        Self(Some(to))
    }

    fn held(&self) -> &Arc<T> {
        self.0.as_ref().expect("only dropping takes it out")
    }

    pub(crate) fn share(&self) -> Arc<T> {
        Arc::clone(self.held())
    }
}

impl<T: ?Sized> Deref for Link<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held()
    }
}

impl<T: ?Sized> Clone for Link<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ?Sized> Drop for Link<T> {
    fn drop(&mut self) {
        let Some(to) = self.0.take() else { return };
        let Some(level) = Level::enter() else { return wait(Box::new(to)) };
        drop(to);
        level.leave();
    }
}

/// Where the thread ends there is no list any more, and `value` goes at once.
fn wait(value: Box<dyn Held>) {
    _ = LATER.try_with(|later| later.borrow_mut().push(value));
}

/// One level deeper, until it is dropped. It has the number of those around it.
struct Level(usize);

impl Level {
    fn enter() -> Option<Self> {
        let nested = NESTED.get();
        (nested < DEEP).then(|| {
            NESTED.set(nested + 1);
            Self(nested)
        })
    }

    /// The first one drops what the others have left.
    fn leave(self) {
        while self.0 == 0
            && let Ok(Some(later)) = LATER.try_with(|later| later.borrow_mut().pop())
        {
            drop(later);
        }
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        NESTED.set(self.0);
    }
}
