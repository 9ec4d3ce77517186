//! Watermarks that are brought together.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::time::least;

/// No delay; counts how often it is asked.
struct Asked(Arc<AtomicU64>);

impl WatermarkStrategy for Asked {
    fn watermark(&self, largest: Timestamp) -> Timestamp {
        self.0.fetch_add(1, Ordering::Relaxed);
        largest
    }
}

/// Thirty watermarks, each brought together with what those before it have come to; `between` stands between any two.
fn chain(between: impl Fn(Arc<Tracker>) -> Arc<Tracker>) -> (Arc<Tracker>, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let own = |second: i64| {
        let tracker = Tracker::new(Box::new(Asked(Arc::clone(&asked))), vec![0], SplitNumbers::default());
        tracker.begin(Timestamp::EPOCH, [0].into_iter(), [0].into_iter(), [].into_iter(), false);
        tracker.saw(0, Timestamp::from_secs(100 + second));
        Arc::new(tracker)
    };
    let merge = |merged, second| Arc::new(Tracker::merging(vec![between(merged), own(second)]));
    ((1..30).fold(own(0), merge), asked)
}

#[test]
fn each_watermark_is_asked_once_however_often_they_are_brought_together() {
    let held: fn(Arc<Tracker>) -> Arc<Tracker> =
        |tracker| Arc::new(Tracker::holding(&[tracker].into(), Duration::secs(1)));
    for (between, reached) in [((|tracker| tracker) as fn(_) -> _, 100), (held, 100 - 29)] {
        let (merged, asked) = chain(between);
        asked.store(0, Ordering::Relaxed);
        assert_eq!(merged.reached(), Timestamp::from_secs(reached));
        assert_eq!(asked.load(Ordering::Relaxed), 30);
        assert_eq!(merged.at_start(), Timestamp::MIN);
        assert!(!Answers::default().ask(&merged, When::AtStart).is_silent);
    }
}

#[test]
fn paths_that_meet_again_and_again_are_walked_once() {
    let asked = Arc::new(AtomicU64::new(0));
    let own = |second: i64| {
        let tracker = Tracker::new(Box::new(Asked(Arc::clone(&asked))), vec![0], SplitNumbers::default());
        tracker.begin(Timestamp::EPOCH, [0].into_iter(), [0].into_iter(), [].into_iter(), false);
        tracker.saw(0, Timestamp::from_secs(100 + second));
        Arc::new(tracker)
    };
    // Each goes by all before it, as with joins of a stream with itself; and twice by each, as with unions.
    let mut all: Vec<Arc<Tracker>> = vec![own(0)];
    for _ in 0..60 {
        let last = all.last().cloned().into_iter();
        let merged = Arc::new(Tracker::merging(last.clone().chain(last).collect()));
        all.push(merged);
        let of: Vec<_> = all.iter().rev().cloned().collect();
        all.push(Arc::new(Tracker::holding(&of.into(), Duration::secs(1))));
    }
    asked.store(0, Ordering::Relaxed);
    assert_eq!(least(&all, When::Reached), Timestamp::from_secs(100 - 60));
    let asked = asked.load(Ordering::Relaxed);
    assert!(asked <= 10 * 121, "{asked}");
    assert_eq!(least(&all, When::AtStart), Timestamp::MIN);
}
