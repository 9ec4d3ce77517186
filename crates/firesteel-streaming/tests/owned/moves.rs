//! Two jobs that own a part of the key groups each give, together, what one job gives that owns all, however ranges move.

use std::collections::BTreeMap;
use std::path::Path;

use firesteel_connect_memory::QueueSource;
use firesteel_state::{KeyGroupRange, Snapshots};
use firesteel_streaming::{Checkpoint, Handover, JobRun, StreamingContext};

use crate::program::{Event, Out, program, script};

/// A job that is driven batch by batch, and may be started again.
struct Job<'a> {
    settings: Box<dyn Fn() -> Checkpoint + 'a>,
    events: QueueSource<Event>,
    out: Out,
    run: Option<JobRun>,
}

impl<'a> Job<'a> {
    fn new(settings: impl Fn() -> Checkpoint + 'a) -> Self {
        let mut job = Self {
            settings: Box::new(settings),
            events: QueueSource::new(2).keep_committed(),
            out: Out::default(),
            run: None,
        };
        job.start();
        job
    }

    fn start(&mut self) {
        // The one before lets go of its folder first.
        self.run = None;
        let checkpoint = (self.settings)().every_batch();
        let job = StreamingContext::builder("owned").threads(2).partitions(3).checkpoint(checkpoint).build().unwrap();
        program(&job, &self.events, &self.out);
        self.run = Some(job.begin().unwrap());
    }

    fn run(&mut self) -> &mut JobRun {
        self.run.as_mut().unwrap()
    }

    fn batch(&mut self, batch: &[Event]) {
        self.events.handle().push(batch.to_vec()).unwrap();
        self.run().next_batch().unwrap();
    }

    fn owned(&mut self) -> (u16, u16) {
        let owned = self.run().key_space().owned();
        (owned.start(), owned.end())
    }
}

fn range(start: u16, end: u16) -> KeyGroupRange {
    KeyGroupRange::new(start, end)
}

fn moves(from: &mut Job<'_>, to: &mut Job<'_>, groups: KeyGroupRange) {
    let terms = (from.run().key_space().term(), to.run().key_space().term());
    let handover: Handover = from.run().release(groups).unwrap();
    to.run().adopt(&handover).unwrap();
    assert_eq!(from.run().key_space().term(), terms.0, "a loss is no gain");
    assert!(to.run().key_space().term() > terms.0.max(terms.1), "each gain is a later term than any before");
}

/// What a job stores, by operator, key group, table and key.
type Contents = BTreeMap<(u16, u16, u16, Vec<u8>), Vec<u8>>;

/// What a job has stored, as its savepoint tells.
fn contents(job: &mut Job<'_>, folder: &Path) -> Contents {
    job.run().savepoint(folder).unwrap();
    let snapshots = Snapshots::in_folder(&folder.join("snapshots")).unwrap();
    let newest = snapshots.list().unwrap().pop().unwrap();
    let manifest = snapshots.manifest(newest).unwrap();
    let mut found = Contents::new();
    let read = snapshots.images(&manifest, |_, image| {
        for change in image.changes() {
            let key = (image.shard().store.0, image.shard().group.0, change.table.0, change.key.to_vec());
            found.insert(key, change.value.unwrap_or_default().to_vec());
        }
        Ok(())
    });
    read.unwrap();
    found
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

/// Compares two jobs, between which ranges move, with one, on backends that `choose` gives by the folder of a checkpoint.
pub(crate) fn compare(choose: impl Fn(Checkpoint, &'static str) -> Checkpoint) {
    let root = tempfile::tempdir().unwrap();
    let settings = |name: &'static str| choose(Checkpoint::in_folder(root.path().join(name)), name);
    let mut whole = Job::new(|| settings("whole"));
    let mut a = Job::new(|| settings("a").owning(range(0, 64)));
    let mut b = Job::new(|| settings("b").owning(range(64, 128)));
    for (number, batch) in script(9).iter().enumerate() {
        for job in [&mut whole, &mut a, &mut b] {
            job.batch(batch);
        }
        match number {
            1 => moves(&mut a, &mut b, range(32, 64)),
            2 => {
                for job in [&mut whole, &mut a, &mut b] {
                    job.start();
                }
                assert_eq!((a.owned(), b.owned()), ((0, 32), (32, 128)), "what they own is recorded");
            }
            // Back again: what the first has kept of it is of another time.
            3 => moves(&mut b, &mut a, range(32, 64)),
            4 => a.start(),
            5 => {
                moves(&mut b, &mut a, range(64, 65));
                b.start();
            }
            6 => {
                // All of it, and a part of it back.
                moves(&mut b, &mut a, range(65, 128));
                moves(&mut a, &mut b, range(100, 128));
                assert_eq!((a.owned(), b.owned()), ((0, 100), (100, 128)));
                a.start();
            }
            _ => {}
        }
        let both: Vec<String> = a.out.records().into_iter().chain(b.out.records()).collect();
        assert!(sorted(both) == sorted(whole.out.records()), "after batch {number}");
    }
    let mut state = contents(&mut a, &root.path().join("saved-a"));
    let of_b = contents(&mut b, &root.path().join("saved-b"));
    assert!(!state.is_empty() && !of_b.is_empty() && of_b.keys().all(|key| !state.contains_key(key)));
    state.extend(of_b);
    assert!(state == contents(&mut whole, &root.path().join("saved-whole")), "their state is that of one");
    for job in [&mut whole, &mut a, &mut b] {
        job.run().last_batch().unwrap();
    }
    let both: Vec<String> = a.out.records().into_iter().chain(b.out.records()).collect();
    let whole = sorted(whole.out.records());
    for kind in ["sum of", "total of", "alarm of", "late"] {
        assert!(whole.iter().filter(|row| row.starts_with(kind)).count() > 20, "{kind}");
    }
    assert!(sorted(both) == whole, "when event time has ended");
}

/// What cannot move is refused, and who had it may have it back.
pub(crate) fn refused(choose: impl Fn(Checkpoint, &'static str) -> Checkpoint) {
    let root = tempfile::tempdir().unwrap();
    let settings = |name: &'static str| choose(Checkpoint::in_folder(root.path().join(name)), name);
    let mut a = Job::new(|| settings("a").owning(range(0, 64)));
    let mut b = Job::new(|| settings("b").owning(range(64, 128)));
    let batches = script(2);
    [&mut a, &mut b].into_iter().for_each(|job| job.batch(&batches[0]));
    let before = a.out.records().len();
    for wrong in [range(60, 70), range(10, 20), range(64, 128)] {
        let error = a.run().release(wrong).unwrap_err();
        assert!(format!("{error:?}").contains("FS-T010"), "{error:?}");
    }
    let handover = a.run().release(range(0, 16)).unwrap();
    assert_eq!(handover.range(), range(0, 16));
    let apart = b.run().adopt(&handover).unwrap_err();
    assert!(format!("{apart:?}").contains("ranges have to meet"), "{apart:?}");
    a.run().adopt(&handover).unwrap();
    let handover = a.run().release(range(48, 64)).unwrap();
    b.batch(&batches[1]);
    let ahead = b.run().adopt(&handover).unwrap_err();
    assert!(ahead.to_string().contains("has read other records"), "{ahead}");
    a.run().adopt(&handover).unwrap();
    assert_eq!((a.owned(), a.out.records().len()), ((0, 64), before));
    a.batch(&batches[1]);
    assert!(a.out.records().len() > before);
}
