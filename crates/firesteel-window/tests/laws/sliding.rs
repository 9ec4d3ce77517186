//! What sliding windows make of slices is what they make of events.

use std::collections::BTreeMap;

use firesteel_window::{DisjointWindows, Duration, Overlap, Sliding, Standing, Timestamp, Window, WindowAssigner};
use proptest::prelude::*;

use crate::times::any_micros;

fn any_sliding() -> impl Strategy<Value = Sliding> {
    let span = || prop_oneof![1..=12_i64, 1..=10_000_000_i64, 1..=i64::MAX];
    (span(), span(), any_micros()).prop_map(|(size, slide, offset)| {
        Sliding::of(Duration::micros(size)).every(Duration::micros(slide)).offset(Duration::micros(offset))
    })
}

/// Windows of which some overlap, some leave gaps, and some do both badly.
fn small_sliding() -> impl Strategy<Value = Sliding> {
    (1..=12_i64, 1..=12_i64, -20..20_i64).prop_map(|(size, slide, offset)| {
        Sliding::of(Duration::micros(size)).every(Duration::micros(slide)).offset(Duration::micros(offset))
    })
}

type Slices = BTreeMap<Window, Vec<(u8, Vec<usize>)>>;

/// What each key has in each slice, in the order in which it came.
fn gather(windows: Sliding, events: &[(i64, u8)]) -> Slices {
    let mut slices: Slices = BTreeMap::new();
    for (number, (at, key)) in events.iter().enumerate() {
        let slice = windows.slices().window_of(Timestamp::from_micros(*at));
        if windows.slices().standing(slice, Timestamp::MIN) != Standing::Outside {
            let rows = slices.entry(slice).or_default();
            match rows.iter_mut().find(|(of, _)| of == key) {
                Some((_, all)) => all.push(number),
                None => rows.push((*key, vec![number])),
            }
        }
    }
    slices
}

/// Fires all windows that hold something; `forget` is asked before each whether what was read is to be forgotten.
fn by_slices(windows: Sliding, slices: &Slices, mut forget: impl FnMut() -> bool) -> Vec<(Window, u8, Vec<usize>)> {
    let all: Vec<Window> = slices.keys().copied().collect();
    let (mut overlap, mut fired, mut next) = (Overlap::new(windows), vec![], None);
    loop {
        let from = next.map_or(Timestamp::MIN, |next| windows.window(next).start());
        if overlap.is_empty() || next.is_none() {
            // The first window that holds something.
            let Some(slice) = all.iter().find(|slice| slice.start() >= from) else { return fired };
            next = next.max(windows.windows_at(slice.start()).map(|(first, _)| first));
        }
        let Some(number) = next else { return fired };
        if forget() {
            overlap.forget();
        }
        let mut read = |slice: Window, each: &mut dyn FnMut(u64, &u8, &Vec<usize>)| {
            slices[&slice].iter().for_each(|(key, all)| each(u64::from(*key), key, all));
            Ok::<(), ()>(())
        };
        let mut merge = |all: &mut Vec<usize>, more| all.extend::<Vec<usize>>(more);
        overlap.enter(number, &all, &mut read, &mut merge).expect("reading never fails");
        let window = windows.window(number);
        while overlap.read(2, &mut merge, |key, all| fired.push((window, *key, all.clone()))) {}
        next = Some(number.next());
    }
}

/// All events of each window and key: by slice, then in their order.
fn brute_force(windows: Sliding, events: &[(i64, u8)]) -> Vec<(Window, u8, Vec<usize>)> {
    let mut found: BTreeMap<(Window, u8), Vec<usize>> = BTreeMap::new();
    for (number, (at, key)) in events.iter().enumerate() {
        windows.assign(Timestamp::from_micros(*at), &mut |window| {
            found.entry((window, *key)).or_default().push(number);
        });
    }
    let slice = |number: &usize| windows.slices().window_of(Timestamp::from_micros(events[*number].0));
    found.values_mut().for_each(|all| all.sort_by_key(slice));
    found.into_iter().map(|((window, key), all)| (window, key, all)).collect()
}

proptest! {
    #[test]
    fn slices_leave_no_gap_and_never_overlap(windows in any_sliding(), at in any_micros()) {
        let (slices, at) = (windows.slices(), Timestamp::from_micros(at.min(i64::MAX - 1)));
        let slice = slices.window_of(at);
        prop_assert!(slice.contains(at));
        prop_assert_eq!(slices.window_of(slice.start()), slice);
        prop_assert_eq!(slices.window_of(slice.end() - Duration::micros(1)), slice);
        if slice.end() < Timestamp::MAX {
            prop_assert_eq!(slices.window_of(slice.end()).start(), slice.end());
        }
    }

    #[test]
    fn all_instants_of_a_slice_are_in_the_same_windows(windows in any_sliding(), at in any_micros()) {
        let at = Timestamp::from_micros(at.min(i64::MAX - 1));
        let slice = windows.slices().window_of(at);
        let of = |at| windows.windows_at(at);
        prop_assert_eq!(of(at), of(slice.start()));
        prop_assert_eq!(of(at), of(slice.end() - Duration::micros(1)));
        if let Some((first, last)) = of(at) {
            prop_assert!(windows.window(first).contains(at) && windows.window(last).contains(at));
            prop_assert!(!windows.window(last.next()).contains(at) || windows.window(last.next()).start() == Timestamp::MIN);
            prop_assert_eq!(windows.window_of(at), windows.window(last));
        }
    }

    #[test]
    fn the_first_open_window_is_the_first_that_ends_after_the_watermark(windows in any_sliding(), at in any_micros()) {
        let watermark = Timestamp::from_micros(at);
        if let Some(open) = windows.first_open(watermark) {
            prop_assert!(!windows.window(open).is_closed_by(watermark));
        } else {
            prop_assert_eq!(watermark, Timestamp::MAX);
        }
    }

    #[test]
    fn sliding_by_slices_equals_brute_force(
        windows in small_sliding(),
        events in prop::collection::vec((-40..40_i64, 0..4_u8), 0..60),
        forgets in prop::collection::vec(prop::bool::weighted(0.2), 64),
    ) {
        let slices = gather(windows, &events);
        let mut expected = brute_force(windows, &events);
        expected.sort();
        let mut fired = by_slices(windows, &slices, || false);
        prop_assert!(fired.is_sorted_by_key(|row| row.0), "windows fire in the order of their ends");
        fired.sort();
        prop_assert_eq!(&fired, &expected);
        // It does not matter what is remembered.
        let mut forget = forgets.into_iter().cycle();
        let mut fired = by_slices(windows, &slices, || forget.next().unwrap_or_default());
        fired.sort();
        prop_assert_eq!(&fired, &expected);
    }

    #[test]
    fn how_sums_are_grouped_does_not_depend_on_what_is_remembered(
        windows in small_sliding(),
        events in prop::collection::vec((-40..40_i64, 0..2_u8), 0..60),
    ) {
        // The grouping itself, as text.
        let mut slices: BTreeMap<Window, Vec<(u8, String)>> = BTreeMap::new();
        for (slice, rows) in gather(windows, &events) {
            slices.insert(slice, rows.into_iter().map(|(key, all)| (key, format!("{all:?}"))).collect());
        }
        let all: Vec<Window> = slices.keys().copied().collect();
        let run = |forgets: bool| {
            let (mut overlap, mut fired) = (Overlap::new(windows), vec![]);
            let Some((mut next, _)) = all.first().and_then(|slice| windows.windows_at(slice.start())) else { return fired };
            for _ in 0..100 {
                let mut read = |slice: Window, each: &mut dyn FnMut(u64, &u8, &String)| {
                    slices[&slice].iter().for_each(|(key, all)| each(u64::from(*key), key, all));
                    Ok::<(), ()>(())
                };
                let mut merge = |all: &mut String, more: String| *all = format!("({all} + {more})");
                if forgets {
                    overlap.forget();
                }
                overlap.enter(next, &all, &mut read, &mut merge).expect("reading never fails");
                overlap.read(usize::MAX, &mut merge, |key, all| fired.push((windows.window(next), *key, all.clone())));
                next = next.next();
            }
            fired.sort();
            fired
        };
        prop_assert_eq!(run(false), run(true));
    }
}

#[test]
fn what_a_window_costs_does_not_depend_on_how_many_overlap() {
    // One value a second of one key; windows of an hour begin every second.
    let merges = |size: i64| {
        let windows = Sliding::of(Duration::secs(size)).every(Duration::secs(1));
        let slices: Vec<Window> = (0..20_000).map(|at| windows.slices().window_of(Timestamp::from_secs(at))).collect();
        let (mut overlap, mut merges, mut reads) = (Overlap::new(windows), 0, 0);
        let mut next = windows.windows_at(Timestamp::from_secs(0)).expect("it is in windows").0;
        for _ in 0..20_000 {
            let mut merge = |sum: &mut u64, more: u64| {
                merges += 1;
                *sum += more;
            };
            let mut read = |_: Window, each: &mut dyn FnMut(u64, &(), &u64)| {
                reads += 1;
                each(7, &(), &1);
                Ok::<(), ()>(())
            };
            overlap.enter(next, &slices, &mut read, &mut merge).expect("reading never fails");
            overlap.read(1, &mut merge, |_, _| {});
            next = next.next();
        }
        (merges, reads)
    };
    for size in [10, 100, 3_600] {
        let (merges, reads) = merges(size);
        assert!(reads <= 40_000, "each slice is read twice: {reads}");
        assert!(merges <= 60_000, "three merges for each window, and not {size}: {merges}");
    }
}
