//! Watermarks that are brought together.

use std::sync::atomic::AtomicU64;

use super::*;

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
        let tracker = Tracker::new(Box::new(Asked(Arc::clone(&asked))), vec![0]);
        tracker.begin(Timestamp::EPOCH, [0].into_iter(), [].into_iter(), false);
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
        assert!(!merged.is_silent_at_start());
    }
}
