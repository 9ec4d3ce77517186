use std::io::{self, Write};
use std::sync::Arc;

use firesteel_window::{Firing, Timestamp};

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

impl Paper {
    /// The cells of the lines since the last call.
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock())).unwrap();
        let cells = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.replace("1970-01-01T00:00:", "").lines().filter(|line| !line.contains('─')).map(cells).collect()
    }
}

/// Commits an epoch twice, as after an answer that was lost.
fn commit<R, K, T>(table: &LatestTable<K, T>, paper: &Paper, epoch: u64, records: Vec<R>) -> Vec<String>
where
    LatestTable<K, T>: Sink<R>,
{
    let pending = table.write(WriteTask::new(Epoch(epoch), 0), records.into_iter()).unwrap();
    for pending in [vec![pending], vec![]] {
        Sink::<R>::commit(table, Epoch(epoch), &mut { pending }).unwrap();
    }
    paper.lines()
}

fn window(start: i64) -> Window {
    Window::new(Timestamp::from_secs(start), Timestamp::from_secs(start + 10))
}

#[test]
fn shows_what_stands_after_each_epoch() {
    let paper = Paper::default();
    let table = Console::table().rows(2).to(paper.clone()).latest();
    let epoch = |number, changes: Vec<Change<&'static str, u64>>| commit(&table, &paper, number, changes);
    let early = Firing::Early;
    let first = epoch(1, vec![Change::put(window(0), "b", early, 1), Change::put(window(0), "a", early, 2)]);
    assert_eq!(first, ["epoch 1: 2 rows", "start end key value", "00Z 10Z a 2", "00Z 10Z b 1"]);
    let second = epoch(2, vec![Change::put(window(0), "b", Firing::OnTime, 5), Change::put(window(10), "c", early, 1)]);
    assert_eq!(second, ["epoch 2: 3 rows", "start end key value", "10Z 20Z c 1", "00Z 10Z a 2", "… and 1 more"]);
    let third = epoch(
        3,
        vec![Change::withdraw(window(0), "a", Firing::Late), Change::withdraw(window(10), "c", Firing::Early)],
    );
    assert_eq!(third, ["epoch 3: 1 row", "start end key value", "00Z 10Z b 5"]);
    assert_eq!(epoch(4, vec![]), Vec::<String>::new());
}

#[test]
fn rows_of_windows_that_fire_once_stay() {
    let paper = Paper::default();
    let table = Console::table().to(paper.clone()).latest();
    let row = |start, key, value| WindowResult { window: window(start), key, value };
    commit(&table, &paper, 1, vec![row(0, "a", 1)]);
    let second = commit(&table, &paper, 2, vec![row(10, "a", 4)]);
    assert_eq!(second, ["epoch 2: 2 rows", "start end key value", "10Z 20Z a 4", "00Z 10Z a 1"]);
}

#[test]
fn pairs_have_one_row_for_each_key_in_the_order_that_is_asked_for() {
    let paper = Paper::default();
    let console = Console::table().columns(["word", "count"]).to(paper.clone());
    let table = console.latest().order_by(|_: &&str, count: &u64| Reverse(*count));
    // Several batches of an epoch, each with all keys.
    let first = commit(&table, &paper, 1, vec![("a", 1), ("b", 1), ("a", 1), ("b", 2), ("c", 1)]);
    assert_eq!(first, ["epoch 1: 3 rows", "word count", "b 2", "a 1", "c 1"]);
    assert_eq!(commit(&table, &paper, 2, vec![("c", 3)]), ["epoch 2: 3 rows", "word count", "c 3", "b 2", "a 1"]);
}

#[test]
fn a_table_that_lacks_rows_says_so() {
    let paper = Paper::default();
    let table = Console::table().rows(1).to(paper.clone()).latest();
    Sink::<(i32, char)>::start(&table, &SinkContext::default().resuming(true)).unwrap();
    let resumed = commit(&table, &paper, 8, vec![(1, 'x')]);
    assert_eq!(resumed[0], "epoch 8, what has changed since epoch 7: 1 row");
    let table = Console::table().rows(1).to(paper.clone()).latest();
    let many = commit(&table, &paper, 1, (0..100_007).map(|key| (key, 'x')).collect());
    assert_eq!(many[0], "epoch 1, 7 forgotten: 100,000 rows");
}

#[test]
fn json_has_all_rows_of_an_epoch_with_changes() {
    let paper = Paper::default();
    let table = Console::json().rows(1).to(paper.clone()).latest();
    commit(&table, &paper, 1, vec![("a", 1), ("b", 2)]);
    let second = commit(&table, &paper, 2, vec![("a", 3)]);
    assert_eq!(second, [r#"{"key":"a","value":3}"#, r#"{"key":"b","value":2}"#]);
}
