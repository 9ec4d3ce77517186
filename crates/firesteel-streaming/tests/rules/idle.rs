//! An epoch in which a split fell idle, or had just been resumed, is run again as it was.

use std::path::Path;
use std::sync::Arc;

use firesteel_connect_memory::QueueSource;
use firesteel_core::{Clock, ManualClock};
use firesteel_streaming::{JobRun, StreamingContext};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};

use crate::sink::Words;
use crate::{checkpoint, copy};

struct World {
    events: QueueSource<i64>,
    clock: Arc<ManualClock>,
    sinks: [Words; 2],
}

impl World {
    /// Counts in windows of ten seconds, of two splits of which a silent one is idle after five.
    fn begin(&self, folder: &Path) -> JobRun {
        let job = StreamingContext::builder("idle").threads(1).clock(Arc::clone(&self.clock) as Arc<dyn Clock>);
        let job = job.checkpoint(checkpoint(folder, false)).build().unwrap();
        let watermark = Watermark::bounded(seconds(0)).idle_after(seconds(5));
        let events = job.read(self.events.clone()).named("events");
        let events = events.event_time(|at: &i64| Timestamp::from_secs(*at), watermark).named("time");
        let seen = events.clone().map(|at| format!("seen {at}")).without_time();
        let counts = events.key_by(|_| 0_u8).window(Tumbling::of(seconds(10))).count().named("counts");
        let counts = counts.map(|row| format!("{}:{}", row.window.start().as_secs(), row.value));
        // So that each epoch has something for each sink.
        let rows = seen.union(counts.without_time());
        rows.clone().write(self.sinks[0].clone());
        rows.write(self.sinks[1].clone());
        job.begin().unwrap()
    }

    fn batch(&self, run: &mut JobRun, at: i64, splits: [Vec<i64>; 2]) {
        self.clock.set_wall(Timestamp::from_secs(at));
        self.events.handle().push_partitions(splits.to_vec()).unwrap();
        run.next_batch().unwrap();
    }
}

/// What both sinks have where the process died when epoch 2 was prepared and one of them had it; the second batch is at
/// this time, and after a restart if `restarts` says so.
fn rows(second: i64, restarts: bool) -> [Vec<String>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let [live, crashed] = ["live", "crashed"].map(|name| folder.path().join(name));
    let world = World {
        events: QueueSource::new(2).keep_committed(),
        clock: Arc::new(ManualClock::starting_at(Timestamp::from_secs(1))),
        sinks: [Words::exactly_once("a"), Words::exactly_once("b")],
    };
    let mut run = world.begin(&live);
    world.batch(&mut run, 1, [vec![5], vec![25]]);
    if restarts {
        drop(run);
        world.clock.set_wall(Timestamp::from_secs(second));
        run = world.begin(&live);
    }
    let (from, to) = (live.clone(), crashed.clone());
    world.sinks[0].before_commit(move |epoch| {
        if epoch == 2 && !to.exists() {
            copy(&from, &to);
        }
    });
    world.batch(&mut run, second, [vec![], vec![26]]);
    drop(run);
    world.sinks[0].before_commit(|_| {});
    world.sinks[1].lose_after(1);
    world.clock.set_wall(Timestamp::from_secs(second + 1));
    let mut run = world.begin(&crashed);
    // By then the split is idle, whichever way.
    world.batch(&mut run, second + 2, [vec![], vec![27]]);
    world.batch(&mut run, second + 20, [vec![], vec![28]]);
    drop(run);
    world.sinks.map(|sink| sink.all().into_iter().filter(|row| !row.starts_with("seen")).collect())
}

#[test]
fn a_split_that_fell_idle_is_idle_again() {
    let once = vec!["0:1".to_owned()];
    assert_eq!(rows(8, false), [once.clone(), once], "it fired in the epoch that is run again");
}

#[test]
fn the_pause_before_an_epoch_that_is_run_again_is_no_silence() {
    let once = vec!["0:1".to_owned()];
    assert_eq!(rows(100, true), [once.clone(), once], "it fired later");
}
