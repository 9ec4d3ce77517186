//! A checkpoint as a job leaves it: two operators, six epochs, two snapshots.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use firesteel_state::changelog::{BatchBoundary, InputRange, OperatorWatermark};
use firesteel_state::cursor::{InputCursor, SplitCursor};
use firesteel_state::{
    Catalog, Changelog, ChangelogOptions, CheckpointLock, Cursor, Declaration, EpochRecord, InputSchema,
    JobDescription, KeyGroups, KeyedStore, List, Map, RunId, Snapshots, StateKey, StateOptions, StateStore, Timers,
    Times, Ttl, Value,
};
use firesteel_window::{Timestamp, hours, seconds};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) amount: f64,
    pub(crate) means: Means,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Means {
    Cash,
    Card { number: u64, holder: Option<String> },
}

/// Refuses what a shape is asked with: it is known up to there.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Even(u8);

impl<'de> Deserialize<'de> for Even {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = u8::deserialize(deserializer)?;
        if value % 2 == 0 { Ok(Self(value)) } else { Err(serde::de::Error::custom("it is odd")) }
    }
}

pub(crate) struct Velocity {
    pub(crate) total: Value<f64>,
    pub(crate) last: Value<Payment>,
    pub(crate) recent: List<String>,
    pub(crate) pages: Map<String, u64>,
    pub(crate) odd: Value<(u8, Even, u8)>,
    pub(crate) alarm: Timers,
    pub(crate) close: Timers,
}

pub(crate) fn velocity() -> (Declaration<String>, Velocity) {
    let mut states = Declaration::new("velocity");
    let handles = Velocity {
        total: states.value("total"),
        last: states.value_with("last", StateOptions::default().ttl(Ttl::after(hours(1)).in_event_time())),
        recent: states.list_with("recent", StateOptions::default().ttl(Ttl::after(hours(2)))),
        pages: states.map("pages"),
        odd: states.value_with("odd", StateOptions::default().version(1)),
        alarm: states.event_timers("alarm"),
        close: states.processing_timers("close"),
    };
    (states, handles)
}

pub(crate) fn counts() -> (Declaration<(u32, u32)>, Value<u64>) {
    let mut states = Declaration::new("counts");
    let count = states.value("count");
    (states, count)
}

fn groups() -> KeyGroups {
    KeyGroups::new(4).unwrap()
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

fn with<K: StateKey>(
    store: &KeyedStore<K>,
    key: K,
    times: Times,
    run: impl FnOnce(&mut firesteel_state::KeyContext<'_, K>),
) {
    let hash = store.hash(&key);
    run(&mut store.lock(store.group_of(hash)).key(hash, &key, times));
}

/// The program's description.
pub(crate) fn description() -> JobDescription {
    let states = vec![velocity().0.schema(), counts().0.schema()];
    JobDescription { states, inputs: ["payments", "rates"].map(InputSchema::named).into(), ..JobDescription::default() }
}

fn at(next: u64, ended: bool) -> SplitCursor {
    SplitCursor { ended, ..SplitCursor::at(next) }
}

/// A job that runs on epoch by epoch.
pub(crate) struct Job {
    folder: PathBuf,
    catalog: Catalog,
    log: Changelog,
    snapshots: Snapshots,
    velocity: (KeyedStore<String>, Velocity),
    counts: (KeyedStore<(u32, u32)>, Value<u64>),
    epoch: u64,
    _lock: CheckpointLock,
}

impl Job {
    pub(crate) fn new(folder: &Path) -> Self {
        let lock = CheckpointLock::acquire(folder).unwrap();
        let (velocity, handles) = velocity();
        let (counts, count) = counts();
        let catalog = Catalog::new(groups()).with(&description().states, false).unwrap();
        let setup = firesteel_state::StoreSetup {
            catalog: &catalog,
            backend: None,
            budget: firesteel_state::MemoryBudget::unlimited(),
        };
        let velocity = KeyedStore::open(velocity, &setup, |key: &String| hash(key.as_bytes())).unwrap();
        let counts = KeyedStore::open(counts, &setup, |key: &(u32, u32)| hash(&key.0.to_le_bytes())).unwrap();
        let options = ChangelogOptions::default().segment_bytes(1_000);
        Self {
            folder: folder.to_owned(),
            log: Changelog::open(&folder.join("changelog"), options).unwrap(),
            snapshots: Snapshots::in_folder(&folder.join("snapshots")).unwrap().written_by(RunId(7)),
            catalog,
            velocity: (velocity, handles),
            counts: (counts, count),
            epoch: 0,
            _lock: lock,
        }
    }

    /// One epoch of two batches; it is prepared, and not yet committed.
    pub(crate) fn prepare(&mut self) {
        self.epoch += 1;
        let epoch = self.epoch;
        let at = Timestamp::from_secs(1_600_000_000 + 60 * epoch as i64);
        let times = Times::new(at, at - seconds(5), at + seconds(30));
        let (store, handles) = &self.velocity;
        store.begin(epoch);
        self.counts.0.begin(epoch);
        for user in ["ann", "bob", "zoë"].iter().take(epoch as usize) {
            let means = match *user {
                "bob" => Means::Card { number: 4_000 + epoch, holder: Some("B. \"Ob\"".to_owned()) },
                _ => Means::Cash,
            };
            with(store, (*user).to_owned(), times, |user| {
                handles.total.update(user, |total| *total.get_or_insert(0.0) += 1.25).unwrap();
                handles.last.set(user, Payment { amount: epoch as f64 / 4.0, means }).unwrap();
                handles.recent.push(user, format!("epoch {epoch}")).unwrap();
                handles.pages.put(user, format!("/page/{}", epoch % 2), epoch * 1_000).unwrap();
                handles.odd.set(user, (7, Even((epoch % 100) as u8 * 2), 9)).unwrap();
                handles.alarm.register(user, at + seconds(600)).unwrap();
                handles.close.register(user, at + seconds(90)).unwrap();
            });
        }
        if epoch == 5 {
            with(store, "bob".to_owned(), times, |bob| {
                handles.total.clear(bob).unwrap();
                handles.recent.pop_front(bob).unwrap();
                handles.alarm.clear(bob).unwrap();
            });
        }
        let (store, count) = &self.counts;
        for number in 0..20u32 {
            let number = number * epoch as u32;
            with(store, (number, number % 3), times, |key| count.set(key, u64::from(number) * 1_000).unwrap());
        }
        let input = |from: u64, to| InputRange { input: "payments".into(), split: "part-0".into(), from, to };
        let other = InputRange { input: "rates".into(), split: String::new(), from: epoch, to: epoch + 1 };
        let batch = |batch, inputs| BatchBoundary { batch, time: at + seconds(30), inputs };
        let mut frames = self.velocity.0.end_epoch(epoch).unwrap();
        frames.extend(self.counts.0.end_epoch(epoch).unwrap());
        let record = EpochRecord {
            epoch,
            batches: vec![
                batch(2 * epoch - 1, vec![input(100 * epoch, 100 * epoch + 50)]),
                batch(2 * epoch, vec![input(100 * epoch + 50, 100 * epoch + 100), other]),
            ],
            watermarks: vec![OperatorWatermark {
                operator: "velocity".into(),
                split: String::new(),
                watermark: at - seconds(5),
            }],
            extra: self.cursor().encode().unwrap(),
            frames,
        };
        self.log.prepare(&record).unwrap();
    }

    pub(crate) fn commit(&mut self) {
        self.log.mark(self.epoch).unwrap();
        self.velocity.0.applied(self.epoch);
        self.counts.0.applied(self.epoch);
    }

    /// A snapshot of all key groups, or of the first ones only, and the others from the snapshot before.
    pub(crate) fn snapshot(&self, count: u16) {
        let base = self.snapshots.list().unwrap().last().map(|id| self.snapshots.manifest(*id).unwrap());
        let mut writer = self.snapshots.begin(self.epoch, &self.catalog, base.as_ref()).unwrap();
        for group in groups().all().iter().filter(|group| group.0 < count) {
            for store in [&self.velocity.0 as &dyn StateStore, &self.counts.0] {
                let (through, image) = store.image(group).unwrap();
                writer.add(through, &image).unwrap();
            }
        }
        let mut cursor = self.cursor();
        cursor.inputs.get_mut("rates").unwrap().splits.insert("old".to_owned(), at(1, true));
        writer.finish(cursor.encode().unwrap()).unwrap();
    }

    /// Lets go of what the last snapshot makes superfluous.
    pub(crate) fn forget(&mut self) {
        let durable = self.snapshots.retain(1).unwrap();
        self.log.truncate(durable).unwrap();
    }

    /// Where the job stands at the end of the epoch.
    fn cursor(&self) -> Cursor {
        let epoch = self.epoch;
        let input = |name: &str, split: &str, at| {
            let splits = [(split.to_owned(), at)].into();
            (name.to_owned(), InputCursor { splits, gone: vec![] })
        };
        Cursor {
            program: description().fingerprint(),
            epoch,
            batch: 2 * epoch,
            inputs: [
                input("payments", "part-0", at(100 * epoch + 100, false)),
                input("rates", "", at(epoch + 1, false)),
            ]
            .into(),
            keys: [("velocity".to_owned(), 10 * epoch)].into(),
            ..Cursor::default()
        }
    }

    /// Six epochs, with a snapshot after the second and one of half of the key groups after the fourth. The last epoch
    /// is prepared and its commit is not known of.
    pub(crate) fn whole(folder: &Path) -> Self {
        let mut job = Self::new(folder);
        for epoch in 1..=6 {
            job.prepare();
            if epoch < 6 {
                job.commit();
            }
            if epoch == 2 || epoch == 4 {
                job.snapshot(if epoch == 2 { 4 } else { 2 });
            }
        }
        job
    }

    /// Where the checkpoint is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The folder of a whole job that has ended.
pub(crate) fn checkpoint() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    drop(Job::whole(folder.path()));
    folder
}

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}
