//! What a test has asked for: the values that are changed on their way, by the names of the places.

use std::any::{Any, type_name};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

type Change = Arc<dyn Fn(&mut dyn Any) + Send + Sync>;

static CHANGES: RwLock<BTreeMap<&'static str, Change>> = RwLock::new(BTreeMap::new());

/// Has every value changed that passes the place of this name in this process, until it ends.
///
/// ```
/// firesteel_faults::alter("example.number", |number: &mut u64| *number += 1);
/// assert_eq!(firesteel_faults::alterable("example.number", 1_u64), 2);
/// assert_eq!(firesteel_faults::alterable("example.other", 1_u64), 1);
/// ```
///
/// # Panics
/// In [`alterable`], if what passes there is of another type: a test would change nothing, and find nothing.
pub fn alter<T: 'static>(name: &'static str, change: impl Fn(&mut T) + Send + Sync + 'static) {
    let change = move |value: &mut dyn Any| match value.downcast_mut() {
        Some(value) => change(value),
        None => panic!("what passes {name} is no {}", type_name::<T>()),
    };
    CHANGES.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(change));
}

/// Hands a value on, changed if a test has asked for that with [`alter`].
pub fn alterable<T: 'static>(name: &'static str, mut value: T) -> T {
    let change = CHANGES.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
    if let Some(change) = change {
        change(&mut value);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "what passes test.type is no u32")]
    fn a_change_of_another_type_is_no_silent_nothing() {
        alter("test.type", |value: &mut u32| *value = 0);
        alterable("test.type", 1_u64);
    }
}
