//! Giving back what is nested without end: values that hold others of their kind.

use std::cell::RefCell;

thread_local! {
    /// What waits to be dropped, while something is being dropped on this thread.
    static WAITING: RefCell<Option<Vec<Box<dyn Held>>>> = const { RefCell::new(None) };
}

/// Anything.
trait Held {}
impl<T> Held for T {}

/// Drops `value`; what is given back while that happens is dropped afterwards, and not within: a chain takes no stack.
pub(super) fn give_back<T: 'static>(value: T) {
    let value: Box<dyn Held> = Box::new(value);
    // Without the list, since the thread is ending, it is dropped here and now.
    _ = WAITING.try_with(|waiting| {
        if let Some(list) = &mut *waiting.borrow_mut() {
            list.push(value);
            return;
        }
        *waiting.borrow_mut() = Some(Vec::new());
        let mut next = Some(value);
        while let Some(value) = next {
            drop(value);
            next = waiting.borrow_mut().as_mut().and_then(Vec::pop);
        }
        *waiting.borrow_mut() = None;
    });
}
