//! Assigners cut time without gap or overlap.

use firesteel_window::{
    CountWindow, Counted, Duration, List, Timestamp, Tumbling, Window, WindowAssigner, WindowCursor,
};
use proptest::prelude::*;

use crate::times::any_micros;

fn any_tumbling() -> impl Strategy<Value = Tumbling> {
    let size = prop_oneof![1..=10_i64, 1..=10_000_000_i64, 1..=i64::MAX];
    (size, any_micros())
        .prop_map(|(size, offset)| Tumbling::of(Duration::micros(size)).offset(Duration::micros(offset)))
}

/// Every instant but the end of time, which is in no window.
fn any_time() -> impl Strategy<Value = Timestamp> {
    any_micros().prop_map(|micros| Timestamp::from_micros(micros.min(i64::MAX - 1)))
}

proptest! {
    #[test]
    fn a_tumbling_window_holds_its_instant(assigner in any_tumbling(), at in any_time()) {
        prop_assert!(assigner.window_of(at).contains(at));
    }

    #[test]
    fn tumbling_windows_have_one_size_and_are_aligned(
        size in 1..=1_000_000_i64,
        offset in any_micros(),
        micros in -1_000_000_000_000_i64..1_000_000_000_000,
    ) {
        let assigner = Tumbling::of(Duration::micros(size)).offset(Duration::micros(offset));
        let window = assigner.window_of(Timestamp::from_micros(micros));
        prop_assert_eq!(window.size(), Duration::micros(size));
        let from_offset = i128::from(window.start().as_micros()) - i128::from(offset);
        prop_assert_eq!(from_offset.rem_euclid(i128::from(size)), 0);
    }

    #[test]
    fn tumbling_windows_leave_no_gap_and_never_overlap(assigner in any_tumbling(), at in any_time()) {
        let window = assigner.window_of(at);
        prop_assert_eq!(assigner.window_of(window.start()), window);
        let last = window.end() - Duration::micros(1);
        prop_assert_eq!(assigner.window_of(last), window);
        if window.end() < Timestamp::MAX {
            prop_assert_eq!(assigner.window_of(window.end()).start(), window.end());
        }
        if let Some(before) = window.start().checked_sub(Duration::micros(1)) {
            prop_assert_eq!(assigner.window_of(before).end(), window.start());
        }
    }

    #[test]
    fn assigning_gives_the_one_window(assigner in any_tumbling(), at in any_time()) {
        let mut windows = Vec::new();
        assigner.assign(at, &mut |window| windows.push(window));
        prop_assert_eq!(windows, [assigner.window_of(at)]);
    }

    #[test]
    fn a_cursor_answers_as_its_assigner(
        assigner in any_tumbling(),
        times in prop::collection::vec(prop_oneof![any_time(), Just(Timestamp::MAX)], 0..50),
        near in prop::collection::vec(-50_i64..50, 0..50),
    ) {
        let mut cursor = WindowCursor::new(assigner);
        for at in times.into_iter().chain(near.into_iter().map(Timestamp::from_micros)) {
            prop_assert_eq!(cursor.window_of(at), assigner.window_of(at));
        }
    }

    #[test]
    fn a_window_is_closed_before_it_holds_anything_at_the_watermark_or_after(
        start in any_micros(), end in any_micros(), watermark in any_micros(), ahead in 0..i64::MAX,
    ) {
        let window = Window::new(Timestamp::from_micros(start), Timestamp::from_micros(end));
        let watermark = Timestamp::from_micros(watermark);
        if window.is_closed_by(watermark) {
            prop_assert!(!window.contains(watermark + Duration::micros(ahead)));
        }
    }
}

/// The windows of a run of values, found by cutting it.
fn cut(size: usize, slide: usize, values: &[u32]) -> Vec<Vec<u32>> {
    let ends = (1..=values.len() / slide).map(|number| number * slide);
    ends.map(|end| values[end.saturating_sub(size)..end].to_vec()).collect()
}

proptest! {
    /// Wherever what is held is stored in between.
    #[test]
    fn count_windows_equal_brute_force(size in 1..40_u64, slide in 1..40_u64, values in prop::collection::vec(any::<u32>(), 0..200)) {
        let slide = slide.min(size);
        let (windows, mut counted) = (CountWindow::of(size).every(slide), Counted::new());
        let mut found = Vec::new();
        for value in &values {
            found.extend(counted.add(windows, &List, *value));
            let stored = postcard::to_stdvec(&counted).unwrap();
            prop_assert_eq!(&postcard::from_bytes::<Counted<Vec<u32>>>(&stored).unwrap(), &counted);
        }
        prop_assert_eq!(found, cut(size as usize, slide as usize, &values));
    }
}
