//! Panes behave as a sorted map with a copy to go back to.

use std::collections::BTreeMap;

use firesteel_window::{Panes, Timestamp, Window};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    /// Window start, window length, key.
    Merge(i64, i64, u8),
    Fire(i64),
    NextBatch,
    Retry,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..6_i64, 1..4_i64, 0..12_u8).prop_map(|(start, size, key)| Step::Merge(start, size, key)),
        2 => (0..10_i64).prop_map(Step::Fire),
        2 => Just(Step::NextBatch),
        2 => Just(Step::Retry),
    ]
}

/// Windows by end, then start; keys in the order in which they came; what was merged, in order.
type Model = BTreeMap<(Timestamp, Timestamp), Vec<(u8, String)>>;

fn rows<'a>(held: impl Iterator<Item = (Window, &'a u8, &'a String)>) -> Vec<(Window, u8, String)> {
    held.map(|(window, key, acc)| (window, *key, acc.clone())).collect()
}

fn model_rows(model: &Model) -> Vec<(Window, u8, String)> {
    let mut rows = Vec::new();
    for ((end, start), keys) in model {
        for (key, acc) in keys {
            rows.push((Window::new(*start, *end), *key, acc.clone()));
        }
    }
    rows
}

/// Few enough values that keys share hashes.
fn hash(key: u8) -> u64 {
    u64::from(key % 5)
}

proptest! {
    #[test]
    fn panes_are_a_sorted_map_that_can_be_restored(steps in prop::collection::vec(any_step(), 0..150)) {
        let mut panes = Panes::new();
        let mut model = Model::new();
        let mut saved = model.clone();
        let mut batch = 0;
        panes.begin(batch);
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Merge(start, size, key) => {
                    let (start, end) = (Timestamp::from_secs(start), Timestamp::from_secs(start + size));
                    let text = format!("{number};");
                    panes.merge(Window::new(start, end), hash(key), key, text.clone(), |acc, more| {
                        acc.push_str(&more);
                    });
                    let keys = model.entry((end, start)).or_default();
                    match keys.iter_mut().find(|(known, _)| *known == key) {
                        Some((_, acc)) => acc.push_str(&text),
                        None => keys.push((key, text)),
                    }
                }
                Step::Fire(seconds) => {
                    let watermark = Timestamp::from_secs(seconds);
                    let mut fired = model.clone();
                    model = fired.split_off(&(watermark, Timestamp::MAX));
                    let due = rows(panes.due(watermark));
                    prop_assert_eq!(&due, &model_rows(&fired));
                    prop_assert_eq!(rows(panes.fire(watermark)), due);
                }
                Step::NextBatch => {
                    batch += 1;
                    panes.begin(batch);
                    saved = model.clone();
                }
                Step::Retry => {
                    panes.begin(batch);
                    model = saved.clone();
                }
            }
            let expected = model_rows(&model);
            prop_assert_eq!(panes.len(), model.len());
            prop_assert_eq!(panes.key_count(), expected.len());
            for (window, key, acc) in &expected {
                prop_assert_eq!(panes.get(*window, hash(*key), key), Some(acc));
            }
            prop_assert_eq!(rows(panes.iter()), expected);
        }
    }
}
