//! Sliding windows: what is made of a keyed stream.

use firesteel_core::{Exchange, Key};
use firesteel_window::{Aggregator, Change, Sliding};
use parking_lot::Mutex;

use crate::stream::{Stream, Timed};
use crate::windows::again::{Firings, HeldAgain, SlidAgain};
use crate::windows::held::Held;
use crate::windows::kind::WindowKind;
use crate::windows::of_groups::OfGroups;
use crate::windows::slid::{OfGroup, Slid};
use crate::windows::{WindowResult, WindowedStream};

impl<K: Key> WindowKind<K> for Sliding {
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
        held.count_outside(&plan);
        let kept = OfGroups::new();
        Stream::new(plan, held.node(), move |batch| {
            let overlaps = kept.within(batch.key_space(), || Mutex::new(OfGroup::new(windows)));
            let slid = |of| Slid { of, windows, overlaps };
            Ok(held.fire(batch, rule.rdd(batch)?, (windows.slices(), held.closed_by()), present, slid))
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
        again.held.count_outside(&plan);
        let kept = OfGroups::new();
        Stream::new(plan, again.held.node(), move |batch| {
            let overlaps = kept.within(batch.key_space(), || Mutex::new(OfGroup::new(windows)));
            let slid = |of| SlidAgain { slid: Slid { of, windows, overlaps }, again: again.in_batch(batch) };
            Ok(again.held.fire(batch, rule.rdd(batch)?, (windows.slices(), again.closed_by()), present, slid))
        })
    }
}
