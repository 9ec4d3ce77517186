//! Values of open windows evolve as any other state does.

use std::path::Path;

use firesteel_connect_memory::QueueSource;
use firesteel_core::Exchange;
use firesteel_streaming::Trigger;
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};

use crate::sink::Words;
use crate::{checkpoint, context};

/// Finds the largest number per ten seconds, kept as one type or another, and says what the windows that closed had.
fn largest<N>(folder: &Path, with_backend: bool, seen: &QueueSource<i64>, out: &Words)
where
    N: Exchange + Ord + TryFrom<i64> + ToString,
{
    let job = context(checkpoint(folder, with_backend));
    job.read(seen.clone())
        .named("seconds")
        .event_time(|at: &i64| Timestamp::from_secs(*at), Watermark::bounded(seconds(0)))
        .map(|at| (at % 2, N::try_from(at).unwrap_or_else(|_| unreachable!("it is small"))))
        .window(Tumbling::of(seconds(10)))
        .max()
        .map(|row| format!("{}:{}:{}", row.window.start().as_secs(), row.key, row.value.to_string()))
        .write(out.clone());
    job.run(Trigger::AvailableNow).unwrap();
}

#[test]
fn an_open_window_continues_with_a_wider_number() {
    for with_backend in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (seen, out) = (QueueSource::new(1).keep_committed(), Words::exactly_once("out"));
        let push = |at: &[i64]| seen.handle().push(at.to_vec()).unwrap();
        push(&[1, 2, 3]);
        largest::<u32>(folder.path(), with_backend, &seen, &out);
        // One key now has a value of the wider type, the other of the earlier one only.
        push(&[5]);
        largest::<u64>(folder.path(), with_backend, &seen, &out);
        assert!(out.all().is_empty());
        // The window closes, once and for all.
        for at in [[15, 12], [25, 25], [36, 36]] {
            push(&at);
            largest::<u64>(folder.path(), with_backend, &seen, &out);
        }
        let mut all = out.all();
        all.sort();
        assert_eq!(all, ["0:0:2", "0:1:5", "10:0:12", "10:1:15", "20:1:25"]);
    }
}

#[test]
fn a_narrower_number_is_refused_before_anything_starts() {
    for with_backend in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (seen, out) = (QueueSource::new(1).keep_committed(), Words::exactly_once("out"));
        seen.handle().push(vec![1]).unwrap();
        largest::<u64>(folder.path(), with_backend, &seen, &out);
        let before = crate::picture(folder.path());
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            largest::<u32>(folder.path(), with_backend, &seen, &out);
        }));
        assert!(refused.is_err());
        assert!(crate::picture(folder.path()) == before, "a refused start has changed something");
    }
}
