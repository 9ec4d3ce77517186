//! Handles: what an operator holds of its state. A handle is a name that has been looked up; the values are in the
//! store, and which key's value is meant is said by the [context](crate::KeyContext).
//!
//! ```
//! use firesteel_state::{
//!     Declaration, KeyContext, KeyGroups, KeyedStore, List, Result, Timers, Times, Value,
//! };
//! use firesteel_window::{Timestamp, minutes};
//!
//! /// Alerts when three payments of one card come within ten minutes.
//! struct VelocityCheck {
//!     recent: List<Timestamp>,
//!     alerts: Value<u64>,
//!     forget: Timers,
//! }
//!
//! impl VelocityCheck {
//!     fn declare(states: &mut Declaration<u64>) -> Self {
//!         Self {
//!             recent: states.list("recent"),
//!             alerts: states.value("alerts"),
//!             forget: states.event_timers("forget"),
//!         }
//!     }
//!
//!     fn payment(&self, card: &mut KeyContext<'_, u64>) -> Result<bool> {
//!         let at = card.event_time();
//!         self.recent.push(card, at)?;
//!         self.forget.register(card, at + minutes(10))?;
//!         let alert = self.recent.len(card)? >= 3;
//!         if alert {
//!             self.alerts.update(card, |count| *count.get_or_insert(0) += 1)?;
//!         }
//!         Ok(alert)
//!     }
//!
//!     fn on_timer(&self, card: &mut KeyContext<'_, u64>) -> Result<()> {
//!         let old = card.event_time() - minutes(10);
//!         self.recent.retain(card, |at| *at > old)
//!     }
//! }
//!
//! let mut states = Declaration::new("velocity");
//! let check = VelocityCheck::declare(&mut states);
//! let store = KeyedStore::in_memory(states, KeyGroups::default(), |card| card.wrapping_mul(0x9E37_79B9_7F4A_7C15))?;
//!
//! let card = 4711;
//! let hash = store.hash(&card);
//! let mut group = store.lock(store.group_of(hash));
//! let mut alerts = vec![];
//! for minute in [0, 4, 7, 12] {
//!     let at = Timestamp::from_secs(60 * minute);
//!     let mut times = Times::new(at, at, at);
//!     while let Some(fired) = group.pop_due(check.forget.domain(), at)? {
//!         assert!(fired.is(&check.forget));
//!         times.event = fired.time;
//!         check.on_timer(&mut group.key(fired.hash, &fired.key, times))?;
//!     }
//!     times.event = at;
//!     if check.payment(&mut group.key(hash, &card, times))? {
//!         alerts.push(minute);
//!     }
//! }
//! assert_eq!(alerts, [7, 12]);
//! # Ok::<(), firesteel_state::StateError>(())
//! ```
//!
//! Every method may fail, since what is not in memory is read from a backend then and there.

mod list;
mod map;
mod sorted_map;
mod timers;
mod value;
mod windows;

pub use self::list::List;
pub use self::map::Map;
pub use self::sorted_map::SortedMap;
pub use self::timers::Timers;
pub use self::value::Value;
pub use self::windows::{OpenWindows, Windows};
pub use crate::group::Fired;
pub use crate::table::windows::FiredRows;
