//! The newest rows of windows that may fire more than once.

use std::fmt;

use firesteel_connect::{AppliesChanges, Epoch, Guarantee, Result, Sink, WriteTask};
use firesteel_streaming::WindowResult;
use firesteel_window::{Change, Latest};
use parking_lot::Mutex;
use serde::Serialize;

use super::Console;

/// Rows are kept up to this many; beyond, those of the earliest windows are forgotten.
const KEPT_ROWS: usize = 100_000;

/// Shows the newest row of each key and window, all of them again in each epoch that has changed some: the latest windows
/// first. What is withdrawn leaves the table. Made by [`Console::latest`].
///
/// Of a long table, as many rows are shown as [`Console::rows`] says, and up to 100,000 are kept: beyond that, those of the
/// earliest windows are forgotten. After a restart the table begins empty, and fills with what changes.
///
/// ```
/// use firesteel_streaming::{StreamingContext, Trigger};
/// use firesteel_connect_memory::MemorySource;
/// use firesteel_terminal::Console;
/// use firesteel_window::{Early, Timestamp, Tumbling, Watermark, hours, seconds};
///
/// let job = StreamingContext::builder("clicks").build()?;
/// job.read(MemorySource::new(vec![("ann", 20), ("bob", 30), ("ann", 40)]))
///     .event_time(|click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(10)))
///     .key_by(|click| click.0.to_owned())
///     .window(Tumbling::of(hours(1)))
///     .trigger(Early::every(seconds(1)))
///     .count()
///     .write(Console::table().title("clicks so far").latest());
/// job.run(Trigger::AvailableNow)?;
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
#[must_use = "a table shows nothing unless changes are written to it"]
pub struct LatestTable<K, T> {
    console: Console,
    rows: Mutex<Latest<K, T>>,
}

impl<K: Ord, T> LatestTable<K, T> {
    pub(super) fn new(console: Console) -> Self {
        Self { console, rows: Mutex::new(Latest::new()) }
    }
}

impl<K, T> Sink<Change<K, T>> for LatestTable<K, T>
where
    K: Ord + Serialize + Send + 'static,
    T: Serialize + Send + 'static,
{
    type Pending = Vec<Change<K, T>>;

    fn describe(&self) -> String {
        format!("the newest rows as {}", Sink::<()>::describe(&self.console))
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn write(&self, _: WriteTask, changes: impl Iterator<Item = Change<K, T>>) -> Result<Self::Pending> {
        Ok(changes.collect())
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<Self::Pending>) -> Result<()> {
        let changes = std::mem::take(pending);
        self.console.commit_text(epoch, |title, look| {
            let mut rows = self.rows.lock();
            let mut has_changed = false;
            changes.into_iter().flatten().for_each(|change| {
                has_changed = true;
                rows.apply(change);
            });
            while rows.len() > KEPT_ROWS {
                rows.forget_first();
            }
            if !has_changed {
                return Ok(Vec::new());
            }
            let mut latest: Vec<_> =
                rows.iter().map(|(window, key, value)| WindowResult { window, key, value }).collect();
            // Within a window, keys stay in their order.
            latest.sort_by_key(|row| std::cmp::Reverse(row.window));
            let printed = self.console.collect(latest.into_iter())?;
            Ok(self.console.render(title, [printed], look))
        })
    }
}

impl<K, T> AppliesChanges for LatestTable<K, T> {}

impl<K: Ord, T> fmt::Debug for LatestTable<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatestTable").field("console", &self.console).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Arc;

    use firesteel_window::{Firing, Timestamp, Window};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn shows_what_stands_after_each_epoch() {
        let paper = Paper::default();
        let table = Console::table().rows(2).to(paper.clone()).latest();
        let window = |start| Window::new(Timestamp::from_secs(start), Timestamp::from_secs(start + 10));
        let epoch = |number, changes: Vec<Change<&'static str, u64>>| {
            let pending = table.write(WriteTask::new(Epoch(number), 0), changes.into_iter()).unwrap();
            for pending in [vec![pending], vec![]] {
                table.commit(Epoch(number), &mut { pending }).unwrap();
            }
            let text = String::from_utf8(std::mem::take(&mut *paper.0.lock())).unwrap();
            let cells = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            let text = text.replace("1970-01-01T00:00:", "");
            text.lines().filter(|line| !line.contains('─')).map(cells).collect::<Vec<_>>()
        };
        let first = epoch(
            1,
            vec![Change::put(window(0), "b", Firing::Early, 1), Change::put(window(0), "a", Firing::Early, 2)],
        );
        assert_eq!(first, ["epoch 1: 2 rows", "start end key value", "00Z 10Z a 2", "00Z 10Z b 1"]);
        let second = epoch(
            2,
            vec![Change::put(window(0), "b", Firing::OnTime, 5), Change::put(window(10), "c", Firing::Early, 1)],
        );
        assert_eq!(second, ["epoch 2: 3 rows", "start end key value", "10Z 20Z c 1", "00Z 10Z a 2", "… and 1 more"]);
        let third = epoch(
            3,
            vec![Change::withdraw(window(0), "a", Firing::Late), Change::withdraw(window(10), "c", Firing::Early)],
        );
        assert_eq!(third, ["epoch 3: 1 row", "start end key value", "00Z 10Z b 5"]);
        assert_eq!(epoch(4, vec![]), Vec::<String>::new());
    }
}
