//! Windows that overlap and may fire more than once.

use std::collections::VecDeque;

use firesteel_core::{Blocks, Exchange, Iterated, Key, Open, TaskContext};
use firesteel_window::{Aggregator, Change, Duration, Timestamp};

use crate::windows::again::AgainInBatch;
use crate::windows::again::counted::Counted;
use crate::windows::again::guest::Returning;
use crate::windows::again::whole::on_time;
use crate::windows::rows::Rows;
use crate::windows::slid::Slid;

/// What fires in one batch.
pub(crate) struct SlidAgain<K: Key, V, A: Aggregator<V>, T> {
    pub(crate) slid: Slid<K, V, Counted<A>, T>,
    pub(crate) again: AgainInBatch,
}

impl<K, V, A, T> Open<(Timestamp, Change<K, T>)> for SlidAgain<K, V, A, T>
where
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    fn open<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<(Timestamp, Change<K, T>)> + 'a> {
        let (Self { slid, again }, mut groups) = (self, VecDeque::new());
        let passed = again.passed(slid.of.firing.reached());
        let (first, gone) = (slid.first(), again.allowance.gone_by(passed.reached));
        let fire = |at, opened: &mut firesteel_state::OpenWindows<'_, _, _>, changed| {
            slid.fire(at, opened, changed, (first, gone), &mut groups)?;
            let slice = opened.next_end();
            let next = slid.next_end(slice, passed.reached);
            // When the first slice goes.
            let last = slice.filter(|end| *end > Timestamp::MIN).and_then(|end| {
                let (_, last) = slid.windows.windows_at(end - Duration::micros(1))?;
                Some(again.allowance.goes(slid.windows.window(last).end()))
            });
            Ok(next.into_iter().chain(last).min())
        };
        let mut guest = Returning::new(&slid.of, (again, slid.windows, passed), task, fire);
        let changes = slid.of.visit_with(split, task, &mut guest);
        let rows = guest.rows;
        again.told.count(rows.iter().map(|(_, row)| row));
        let left = slid.left(split, task, groups, changes);
        let on_time = Rows::new(&slid.of, task, left).map(on_time);
        Box::new(Iterated::new(rows.into_iter().chain(on_time), task))
    }
}
