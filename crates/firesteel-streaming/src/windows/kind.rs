//! The kinds of windows: what each makes of a keyed stream.

use firesteel_core::{Exchange, Key};
use firesteel_window::{Aggregator, Change, Disjoint, DisjointWindows, Global, Session, Sliding, Tumbling};

use crate::stream::{Stream, Timed};
use crate::windows::again::{FiredAgain, Firings, HeldAgain};
use crate::windows::gaps::SessionBy;
use crate::windows::held::Held;
use crate::windows::rdd::Fired;
use crate::windows::{WindowResult, WindowedStream};

pub(crate) mod sealed {
    /// The kinds are ours.
    pub trait Sealed {}
}

impl sealed::Sealed for Tumbling {}
impl sealed::Sealed for Global {}
impl sealed::Sealed for Sliding {}
impl sealed::Sealed for Session {}
impl sealed::Sealed for SessionBy {}
impl<W> sealed::Sealed for Disjoint<W> {}
#[cfg(feature = "calendar")]
impl sealed::Sealed for firesteel_window::Calendar {}

/// Windows that [`Stream::window`] takes, for keys of type `K`:
/// [`Tumbling`](firesteel_window::Tumbling), [`Sliding`](firesteel_window::Sliding),
/// [`Session`](firesteel_window::Session), [`Global`](firesteel_window::Global), with the feature `calendar` days, weeks and months of a time zone, and those of your
/// own in [`Disjoint`](firesteel_window::Disjoint).
///
/// Sealed: what a kind does in the engine is part of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which windows there are",
    label = "no windows",
    note = "`Tumbling::of(minutes(5))` are windows side by side, `Sliding::of(minutes(5)).every(minutes(1))` overlap, \
            `Session::gap(minutes(30))` end with a pause",
    note = "an assigner of your own goes into `Disjoint(…)`"
)]
pub trait WindowKind<K: Key>: sealed::Sealed + Clone + Send + Sync + 'static {
    /// What an aggregator makes of each key's values in each window, as far as `present` finds a result in it.
    #[doc(hidden)]
    fn aggregated<V, A, T>(
        of: WindowedStream<K, V, Self>,
        aggregator: A,
        present: fn(A::Out) -> Option<T>,
    ) -> Stream<WindowResult<K, T>, Timed>
    where
        V: Send + 'static,
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
        T: Send + 'static;

    /// The same, of windows that may fire more than once.
    #[doc(hidden)]
    fn changing<V, A, T>(
        of: WindowedStream<K, V, Self>,
        firings: Firings,
        aggregator: A,
        present: fn(A::Out) -> Option<T>,
    ) -> Stream<Change<K, T>, Timed>
    where
        V: Send + 'static,
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
        T: Send + 'static;
}

/// Declares kinds of windows that do not overlap.
macro_rules! side_by_side {
    ($($(#[$when:meta])* [$($of:tt)*] $windows:ty;)*) => {$(
        $(#[$when])*
        impl<K: Key, $($of)*> WindowKind<K> for $windows {
            fn aggregated<V, A, T>(
                of: WindowedStream<K, V, Self>,
                aggregator: A,
                present: fn(A::Out) -> Option<T>,
            ) -> Stream<WindowResult<K, T>, Timed>
            where
                V: Send + 'static,
                A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
                T: Send + 'static,
            {
                let WindowedStream { stream: Stream { plan, node: parent, rule }, windows, operator, late } = of;
                let held = Held::new(&plan, parent, operator, &windows, aggregator, late);
                Stream::new(plan, held.node(), move |batch| {
                    Ok(held.fire(batch, rule.rdd(batch)?, (windows.clone(), held.closed_by()), present, Fired))
                })
            }

            fn changing<V, A, T>(
                of: WindowedStream<K, V, Self>,
                firings: Firings,
                aggregator: A,
                present: fn(A::Out) -> Option<T>,
            ) -> Stream<Change<K, T>, Timed>
            where
                V: Send + 'static,
                A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
                T: Send + 'static,
            {
                let WindowedStream { stream: Stream { plan, node: parent, rule }, windows, operator, late } = of;
                let again = HeldAgain::new(&plan, (parent, operator), &windows, (aggregator, firings), late);
                Stream::new(plan, again.held.node(), move |batch| {
                    let fired = |of| FiredAgain { of, again: again.in_batch(batch) };
                    let windows = (windows.clone(), again.closed_by());
                    Ok(again.held.fire(batch, rule.rdd(batch)?, windows, present, fired))
                })
            }
        }
    )*};
}

side_by_side! {
    [] Tumbling;
    [] Global;
    #[cfg(feature = "calendar")]
    [] firesteel_window::Calendar;
    [W: DisjointWindows + Clone + Send + Sync + 'static] Disjoint<W>;
}
