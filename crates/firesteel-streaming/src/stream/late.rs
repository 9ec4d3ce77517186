//! Late records on their way to a side output.

use std::sync::Arc;

use firesteel_core::Data;
use firesteel_window::Timestamp;

use crate::stream::SideOutput;

/// What is done with a late record besides counting it.
pub(crate) type LateOutput<K, V> = Arc<dyn Fn(Timestamp, K, V) + Send + Sync>;

/// Puts late records into a side output.
pub(crate) fn late_output<K: Data, V: Data>(late: &SideOutput<(Timestamp, (K, V))>) -> LateOutput<K, V> {
    let late = late.clone();
    Arc::new(move |at, key, value| late.emit((at, (key, value))))
}
