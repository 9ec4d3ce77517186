//! Cases by hand; random ones run against a model in `tests/laws`.

use std::cell::Cell;
use std::rc::Rc;

use super::*;

fn window(start: i64) -> Window {
    Window::new(Timestamp::from_secs(start), Timestamp::from_secs(start + 10))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn add(panes: &mut Panes<u32, u64>, start: i64, key: u32, n: u64) {
    panes.merge(window(start), u64::from(key), key, n, |a, b| *a += b);
}

fn contents(panes: &Panes<u32, u64>) -> Vec<(i64, u32, u64)> {
    rows(panes.iter())
}

fn rows<'a>(held: impl Iterator<Item = (Window, &'a u32, &'a u64)>) -> Vec<(i64, u32, u64)> {
    held.map(|(w, key, n)| (w.start().as_secs(), *key, *n)).collect()
}

#[test]
fn fires_by_window_end_then_in_the_order_of_arrival() {
    let mut panes = Panes::new();
    add(&mut panes, 20, 9, 1);
    add(&mut panes, 0, 3, 1);
    add(&mut panes, 10, 1, 1);
    add(&mut panes, 0, 2, 1);
    add(&mut panes, 0, 3, 4);
    assert_eq!((panes.len(), panes.key_count()), (3, 4));
    assert_eq!(rows(panes.due(at(9))), []);
    assert_eq!(rows(panes.due(at(10))), [(0, 3, 5), (0, 2, 1)]);
    assert_eq!(rows(panes.fire(at(25))), [(0, 3, 5), (0, 2, 1), (10, 1, 1)]);
    assert_eq!(contents(&panes), [(20, 9, 1)]);
    assert_eq!(rows(panes.fire(at(25))), []);
    assert_eq!(panes.get(window(20), 9, &9), Some(&1));
    assert_eq!(panes.get(window(20), 8, &8), None);
    assert_eq!(panes.get(window(0), 3, &3), None);
}

#[test]
fn keys_with_one_hash_are_kept_apart() {
    let mut panes = Panes::new();
    for key in ["a", "b", "a"] {
        panes.merge(window(0), 7, key, 1, |a, b| *a += b);
    }
    assert_eq!(panes.get(window(0), 7, &"a"), Some(&2));
    assert_eq!(panes.get(window(0), 7, &"b"), Some(&1));
}

#[test]
fn a_second_attempt_finds_what_the_first_one_found() {
    let mut panes = Panes::new();
    panes.begin(1);
    add(&mut panes, 0, 1, 1);
    add(&mut panes, 10, 2, 1);
    let before = contents(&panes);
    for _ in 0..3 {
        panes.begin(2);
        assert_eq!(contents(&panes), before);
        add(&mut panes, 0, 1, 5); // changes a value
        add(&mut panes, 0, 1, 5); // twice
        add(&mut panes, 0, 7, 1); // adds a key
        add(&mut panes, 5, 3, 1); // adds a window
        assert_eq!(rows(panes.fire(at(15))), [(0, 1, 11), (0, 7, 1), (5, 3, 1)]);
        add(&mut panes, 0, 1, 99); // opens a window again that has fired
        assert_eq!(rows(panes.fire(at(15))), [(0, 1, 99)]);
    }
    panes.begin(3);
    assert_eq!(contents(&panes), [(10, 2, 1)]);
}

#[test]
fn changes_before_the_first_batch_are_kept() {
    let mut panes = Panes::new();
    add(&mut panes, 0, 1, 1);
    panes.begin(u64::MAX);
    add(&mut panes, 0, 1, 1);
    panes.begin(u64::MAX);
    assert_eq!(contents(&panes), [(0, 1, 1)]);
}

#[test]
fn a_combine_that_panics_leaves_no_trace_in_the_next_attempt() {
    let mut panes = Panes::new();
    panes.begin(1);
    add(&mut panes, 0, 1, 1);
    panes.begin(2);
    let attempt = std::panic::AssertUnwindSafe(|| {
        panes.merge(window(0), 1, 1, 1, |a, _| {
            *a = 666;
            std::panic::resume_unwind(Box::new("broken"));
        });
    });
    assert!(std::panic::catch_unwind(attempt).is_err());
    panes.begin(2);
    assert_eq!(contents(&panes), [(0, 1, 1)]);
}

/// Counts its clones.
struct Counted(u64, Rc<Cell<u32>>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.1.set(self.1.get() + 1);
        Self(self.0, Rc::clone(&self.1))
    }
}

#[test]
fn an_accumulator_is_cloned_once_per_key_and_batch_and_only_if_it_is_old() {
    let clones = Rc::new(Cell::new(0));
    let mut panes = Panes::new();
    let touch = |panes: &mut Panes<u64, Counted>, key| {
        let one = Counted(1, Rc::clone(&clones));
        panes.merge(window(0), key, key, one, |a, b| a.0 += b.0);
    };
    panes.begin(1);
    for key in [1, 2, 1, 2, 1] {
        touch(&mut panes, key);
    }
    assert_eq!(clones.get(), 0);
    panes.begin(2);
    for key in [1, 1, 1, 3, 3] {
        touch(&mut panes, key);
    }
    assert_eq!(clones.get(), 1);
    panes.begin(2);
    touch(&mut panes, 1);
    assert_eq!(clones.get(), 2);
    drop(panes.fire(at(10)));
    assert_eq!(clones.get(), 2);
}

#[test]
fn fired_panes_are_released_when_the_next_batch_begins() {
    let mut panes = Panes::new();
    let value = Rc::new(());
    panes.begin(1);
    panes.merge(window(0), 1, 1, Rc::clone(&value), |_, _| ());
    drop(panes.fire(at(10)));
    assert_eq!(Rc::strong_count(&value), 2);
    panes.begin(2);
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn old_accumulators_are_released_when_the_next_batch_begins() {
    let mut panes = Panes::new();
    let old = Rc::new(1);
    panes.merge(window(0), 1, 1, Rc::clone(&old), |_, _| ());
    panes.begin(1);
    panes.merge(window(0), 1, 1, Rc::new(2), |a, b| *a = b);
    assert_eq!(Rc::strong_count(&old), 2);
    panes.begin(2);
    assert_eq!(Rc::strong_count(&old), 1);
}

#[test]
fn a_window_takes_over_the_buffers_of_one_that_has_fired() {
    let mut panes = Panes::new();
    let mut fill_and_fire = |batch: u64, keys: u32| {
        panes.begin(batch);
        let spare = panes.spare.as_ref().map(Pane::capacity);
        for key in 0..keys {
            add(&mut panes, 0, key, 1);
        }
        let capacity = panes.open[0].capacity();
        assert_eq!(panes.fire(at(10)).count(), keys as usize);
        (spare, capacity)
    };
    let (spare, first) = fill_and_fire(0, 1_000);
    assert_eq!(spare, None);
    assert_eq!(fill_and_fire(1, 900), (Some(first), first));
    assert_eq!(fill_and_fire(2, 10), (Some(first), first));
    // The third window has used too little of what it took over for it to be kept any longer.
    let (spare, small) = fill_and_fire(3, 10);
    assert_eq!(spare, None);
    assert!(small < first);
}

/// What `save` hands out.
fn saved(panes: &mut Panes<u32, u64>) -> (Vec<(i64, u32)>, Vec<(i64, u32, u64)>) {
    let (mut removed, mut set) = (Vec::new(), Vec::new());
    panes.save(
        |window, key| removed.push((window.start().as_secs(), *key)),
        |window, key, n| set.push((window.start().as_secs(), *key, *n)),
    );
    (removed, set)
}

#[test]
fn changes_are_told_once() {
    let mut panes = Panes::new();
    panes.begin(1);
    add(&mut panes, 0, 1, 1);
    add(&mut panes, 0, 2, 1);
    assert_eq!(saved(&mut panes), (vec![], vec![(0, 1, 1), (0, 2, 1)]));
    assert_eq!(saved(&mut panes), (vec![], vec![]));
    for batch in 2..4 {
        panes.begin(batch);
        add(&mut panes, 0, 2, 1);
        add(&mut panes, 0, 3, 1);
    }
    add(&mut panes, 10, 9, 1);
    assert_eq!(saved(&mut panes), (vec![], vec![(0, 2, 3), (0, 3, 2), (10, 9, 1)]));
    panes.begin(4);
    add(&mut panes, 0, 7, 1);
    add(&mut panes, 20, 7, 1);
    drop(panes.fire(at(20)));
    // Key 7 came and went between two calls.
    assert_eq!(saved(&mut panes), (vec![(0, 1), (0, 2), (0, 3), (10, 9)], vec![(20, 7, 1)]));
}

#[test]
fn what_an_attempt_left_behind_is_not_told() {
    let mut panes = Panes::new();
    panes.begin(1);
    add(&mut panes, 0, 1, 1);
    saved(&mut panes);
    panes.begin(2);
    add(&mut panes, 0, 1, 50);
    add(&mut panes, 0, 2, 50);
    drop(panes.fire(at(99)));
    panes.begin(2);
    add(&mut panes, 0, 3, 1);
    // Key 1 has been touched, and is as it was.
    assert_eq!(saved(&mut panes), (vec![], vec![(0, 1, 1), (0, 3, 1)]));
}

#[test]
fn what_was_told_brings_everything_back_in_order() {
    let mut panes = Panes::new();
    let mut copy = Panes::new();
    for batch in 0..40 {
        panes.begin(batch);
        for n in 0..5 {
            add(&mut panes, (batch as i64 + n) / 3 * 10, ((batch * 7 + n as u64 * 3) % 11) as u32, 1);
        }
        drop(panes.fire(at(batch as i64 * 3)));
        if batch % 3 == 0 {
            let (removed, set) = saved(&mut panes);
            removed.into_iter().for_each(|(start, key)| copy.unload(window(start), u64::from(key), &key));
            set.into_iter().for_each(|(start, key, n)| copy.load(window(start), u64::from(key), key, n));
            assert_eq!(contents(&copy), contents(&panes));
        }
    }
}
