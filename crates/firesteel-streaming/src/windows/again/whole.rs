//! Windows side by side that may fire more than once.

use std::collections::{BTreeSet, VecDeque};

use firesteel_core::{Blocks, Exchange, Iterated, Key, Open, TaskContext};
use firesteel_state::{Changes, FiredRows, KeyGroup, OpenWindows, Result};
use firesteel_window::{Aggregator, Change, DisjointWindows, Firing as Why, Timestamp, Window};

use crate::time::Allowance;
use crate::windows::WindowResult;
use crate::windows::again::AgainInBatch;
use crate::windows::again::counted::Counted;
use crate::windows::again::guest::Returning;
use crate::windows::again::parts::Whole;
use crate::windows::rdd::{Firing, InBatch};
use crate::windows::rows::{Rows, Unread};

/// What fires in one batch.
pub(crate) struct FiredAgain<K: Key, V, W, A: Aggregator<V>, T> {
    pub(crate) of: InBatch<K, V, W, Counted<A>, T>,
    pub(crate) again: AgainInBatch,
}

impl<K, V, W, A, T> Open<(Timestamp, Change<K, T>)> for FiredAgain<K, V, W, A, T>
where
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    fn open<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<(Timestamp, Change<K, T>)> + 'a> {
        let (Self { of, again }, mut groups) = (self, VecDeque::new());
        let passed = again.passed(of.firing.reached());
        let gone = again.allowance.gone_by(passed.reached);
        let mut guest =
            Returning::new(of, (again, Whole, passed), task, |(group, _), opened: &mut OpenWindows<'_, _, _>, _| {
                let windows = opened.ended(passed.before, passed.reached)?;
                let gone = opened.fire(gone)?;
                if !windows.is_empty() || opened.fired(&gone).next().is_some() {
                    groups.push_back(Group { group, windows: windows.into(), gone });
                }
                next_due(opened, passed.reached, &again.allowance)
            });
        let changes = of.visit_with(split, task, &mut guest);
        let rows = guest.rows;
        again.told.count(rows.iter().map(|(_, row)| row));
        let left = Left { firing: &of.firing, split, groups, changes, fired: BTreeSet::new() };
        let on_time = Rows::new(of, task, left).map(on_time);
        Box::new(Iterated::new(rows.into_iter().chain(on_time), task))
    }
}

/// A row of a window that fires on time.
pub(super) fn on_time<K, T>((at, row): (Timestamp, WindowResult<K, T>)) -> (Timestamp, Change<K, T>) {
    (at, Change::put(row.window, row.key, Why::OnTime, row.value))
}

/// When a window fires next, or is gone.
fn next_due<K: Key, A: Exchange>(
    opened: &OpenWindows<'_, K, A>,
    reached: Timestamp,
    allowance: &Allowance,
) -> Result<Option<Timestamp>> {
    match opened.next_end() {
        Some(end) if end > Timestamp::MIN && end <= reached => {
            let goes = allowance.goes(end);
            Ok(Some(opened.next_end_after(reached)?.map_or(goes, |next| next.min(goes))))
        }
        end => Ok(end),
    }
}

/// The windows of a key group that fire on time, as far as they have not been read.
struct Group {
    group: KeyGroup,
    windows: VecDeque<Window>,
    /// Windows that are gone.
    gone: FiredRows,
}

/// What fires on time in a partition and is left to be read, by key group and window.
struct Left<'a, K: Key, Acc> {
    firing: &'a Firing<K, Acc>,
    split: usize,
    groups: VecDeque<Group>,
    /// What the batch has changed here.
    changes: Changes,
    fired: BTreeSet<Window>,
}

impl<K: Key, Acc: Exchange> Unread<K, Acc> for Left<'_, K, Acc> {
    fn is_over(&self) -> bool {
        self.groups.is_empty()
    }

    fn read(&mut self, _: usize, mut each: impl FnMut(Window, &K, &Acc)) -> Result<()> {
        let Some(Group { group, windows, gone }) = self.groups.front_mut() else { return Ok(()) };
        let mut state = self.firing.cell.get().lock(*group);
        let opened = self.firing.windows.of(&mut state)?;
        if let Some(window) = windows.front() {
            opened.look_into(*window, &mut |_, key, acc| each(*window, key, acc))?;
            self.fired.extend(windows.pop_front());
        }
        if windows.is_empty() {
            while opened.read(gone, usize::MAX, |_, _, _| {})? {}
            self.changes.removed += gone.counted();
            self.groups.pop_front();
        }
        Ok(())
    }

    fn skip(&mut self) {
        self.groups.pop_front();
    }

    fn end(&mut self) {
        self.firing.ended(self.split, std::mem::take(&mut self.fired), self.changes);
    }
}
