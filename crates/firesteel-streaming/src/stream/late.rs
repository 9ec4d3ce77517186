//! Late records on their way to a side output.

use std::sync::Arc;

use firesteel_core::Data;
use firesteel_window::Timestamp;

use crate::stream::SideOutput;

/// What is done with a late record besides counting it.
pub(crate) type LateOutput<K, V> = Arc<dyn Fn(Timestamp, &K, &V) -> Told + Send + Sync>;

/// A record that may be late, before that is known: dropped, or told.
pub(crate) type Told = Arc<dyn Fn() + Send + Sync>;

/// Puts late records into a side output, when they are told.
pub(crate) fn late_output<K: Data, V: Data>(late: &SideOutput<(Timestamp, (K, V))>) -> LateOutput<K, V> {
    let late = late.clone();
    Arc::new(move |at, key, value| {
        let (late, key, value) = (late.clone(), key.clone(), value.clone());
        Arc::new(move || late.emit((at, (key.clone(), value.clone()))))
    })
}
