//! The ways in which a case is run: in one go, or with a restart between every two batches; with this many partitions,
//! or with another number after each restart; in memory, or over a backend.

use std::path::Path;
use std::sync::Arc;

use firesteel_budget::Memory;
use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_core::Data;
use firesteel_state::{MemoryBackend, MemoryBudget, OpenBackend, StateBackend};
use firesteel_streaming::{BatchProgress, Checkpoint, Error, Shape, StateProgress, Stream};
use firesteel_testkit::TestJob;
use firesteel_window::{Duration, seconds};
use parking_lot::Mutex;
use tempfile::TempDir;

/// One way of running a case.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) name: String,
    /// The number of partitions after a shuffle: the first life of the job has the first one, and so on, in turn.
    partitions: Vec<usize>,
    seed: u64,
    threads: Option<usize>,
    /// Partitions of the input.
    pub(crate) inputs: usize,
    /// Bytes of memory for state, where they are few.
    memory: Option<u64>,
    durability: Durability,
}

/// What becomes of state.
#[derive(Clone)]
enum Durability {
    /// It ends with the job, which has one life.
    InMemory,
    /// The job has a checkpoint, and as many lives as it has batches, or one.
    Checkpoint { restarts: bool, backend: Option<MakeBackend> },
}

/// Makes the backends of one run of a case. Those of all lives of the job are over the same data.
pub(crate) type MakeBackend = fn() -> Arc<dyn OpenBackend>;

/// All ways without RocksDB, which has its own.
pub(crate) fn all() -> Vec<Way> {
    let mut ways = Vec::new();
    for (partitions, seed, threads, inputs) in
        [(1, 0, None, 1), (2, 1, None, 1), (3, 2, None, 2), (2, 0, Some(2), 2), (5, 0, Some(3), 1)]
    {
        ways.push(Way {
            name: format!("in memory, {partitions} partitions, seed {seed}, threads {threads:?}, {inputs} inputs"),
            partitions: vec![partitions],
            seed,
            threads,
            inputs,
            memory: None,
            durability: Durability::InMemory,
        });
    }
    ways.extend(durable("memory", None));
    ways.extend(durable("a backend in memory", Some(|| Arc::new(Remembered::default()))));
    ways
}

/// The ways with a checkpoint.
pub(crate) fn durable(name: &str, backend: Option<MakeBackend>) -> Vec<Way> {
    let way = |what: &str, partitions: &[usize], seed, threads, inputs, restarts| Way {
        name: format!("{name}, {what}"),
        partitions: partitions.to_vec(),
        seed,
        threads,
        inputs,
        memory: None,
        durability: Durability::Checkpoint { restarts, backend },
    };
    vec![
        way("in one go", &[2], 3, None, 1, false),
        way("restarts", &[2], 4, None, 1, true),
        way("restarts at other parallelisms", &[1, 3, 2], 5, None, 2, true),
        way("restarts on other threads", &[3, 1], 0, Some(2), 1, true),
    ]
}

impl Way {
    /// The same with an input of one partition: watermarks are kept by partition.
    pub(crate) fn with_one_input(&self) -> Self {
        Self { inputs: 1, ..self.clone() }
    }

    /// The same with this many bytes of memory for state.
    pub(crate) fn with_memory(&self, bytes: u64) -> Self {
        Self { name: format!("{}, {bytes} bytes for state", self.name), memory: Some(bytes), ..self.clone() }
    }

    /// Whether state that is not needed may leave memory.
    pub(crate) fn has_backend(&self) -> bool {
        matches!(self.durability, Durability::Checkpoint { backend: Some(_), .. })
    }

    /// Whether the job has a checkpoint, and so may be started again.
    pub(crate) fn is_durable(&self) -> bool {
        matches!(self.durability, Durability::Checkpoint { .. })
    }

    /// Whether the job has a life for every batch.
    pub(crate) fn restarts(&self) -> bool {
        matches!(self.durability, Durability::Checkpoint { restarts: true, .. })
    }
}

/// A backend in memory that outlives the job, as a disk does.
#[derive(Default)]
struct Remembered(Arc<MemoryBackend>);

impl OpenBackend for Remembered {
    fn open(&self, _: &Path, _: &MemoryBudget) -> firesteel_state::Result<Arc<dyn StateBackend>> {
        Ok(Arc::clone(&self.0) as _)
    }
}

struct Shared(Arc<dyn OpenBackend>);

impl OpenBackend for Shared {
    fn open(&self, folder: &Path, budget: &MemoryBudget) -> firesteel_state::Result<Arc<dyn StateBackend>> {
        self.0.open(folder, budget)
    }
}

/// The outputs of a program, in the order in which it makes them, and what they have got.
#[derive(Default)]
pub(crate) struct Outputs {
    collectors: Mutex<Vec<Collector<String>>>,
    /// How many outputs the program has made in this life of the job.
    made: Mutex<usize>,
}

impl Outputs {
    /// Writes a stream into the next output.
    pub(crate) fn write<T: ToString + Send + 'static, S: Shape>(&self, stream: Stream<T, S>) {
        let mut made = self.made.lock();
        let mut collectors = self.collectors.lock();
        if collectors.len() == *made {
            collectors.push(Collector::new());
        }
        stream.map(|row| row.to_string()).write(collectors[*made].clone());
        *made += 1;
    }

    /// What has come out since the last call, output by output: the rows in ascending order, with spaces between them.
    fn take(&self) -> Vec<String> {
        let sorted = |rows: &Collector<String>| {
            let mut rows = rows.take();
            rows.sort();
            rows.join(" ")
        };
        self.collectors.lock().iter().map(sorted).collect()
    }
}

/// What a batch has brought.
pub(crate) struct Done {
    /// The rows of each output, in ascending order, with spaces between them.
    pub(crate) outputs: Vec<String>,
    pub(crate) progress: BatchProgress,
}

impl Done {
    /// Keys with state, keys written, and keys removed, of the only operator with state.
    pub(crate) fn state(&self) -> [u64; 3] {
        let StateProgress { keys, updated, removed, .. } = self.progress.states[0];
        [keys, updated, removed]
    }
}

/// The source that programs read.
pub(crate) type Source<T> = Stream<T>;

/// The lives of one job, one after the other, over the same checkpoint.
pub(crate) struct Lives<'a> {
    way: &'a Way,
    folder: TempDir,
    backend: Option<Arc<dyn OpenBackend>>,
    epochs: Duration,
    begun: usize,
}

impl<'a> Lives<'a> {
    pub(crate) fn of(way: &'a Way) -> Self {
        let backend = match &way.durability {
            Durability::Checkpoint { backend: Some(make), .. } => Some(make()),
            _ => None,
        };
        Self { way, folder: tempfile::tempdir().unwrap(), backend, epochs: Duration::ZERO, begun: 0 }
    }

    /// The same, with epochs of this many seconds instead of one for each batch.
    pub(crate) fn with_epochs_of(self, epochs: Duration) -> Self {
        Self { epochs, ..self }
    }

    /// The folder of the checkpoint.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Begins the next life. The first batch runs an `interval` after `now`, as each does after the one before it.
    pub(crate) fn begin(&mut self, now: i64, interval: i64, program: impl FnOnce(&TestJob)) -> TestJob {
        let partitions = self.way.partitions[self.begun % self.way.partitions.len()];
        let seed = self.way.seed + self.begun as u64;
        self.begun += 1;
        let mut test = TestJob::builder().seed(seed).partitions(partitions).interval(seconds(interval));
        if let Some(threads) = self.way.threads {
            test = test.threads(threads);
        }
        if self.way.is_durable() {
            let mut checkpoint = Checkpoint::in_folder(self.folder()).interval(self.epochs);
            if let Some(backend) = &self.backend {
                checkpoint = checkpoint.backend(Shared(Arc::clone(backend)));
            }
            let memory = self.way.memory.map_or_else(Memory::default, |bytes| Memory::default().state(bytes));
            test = test.configure(|job| job.memory(memory).checkpoint(checkpoint));
        }
        let test = test.build();
        test.advance(seconds(now));
        program(&test);
        test
    }
}

/// Runs a program, batch by batch; batch n runs at second n.
///
/// A batch that fails ends the life of the job, and the next life runs it again.
pub(crate) fn run<T: Data>(
    way: &Way,
    batches: &[Vec<T>],
    program: impl Fn(&TestJob, Source<T>, &Outputs),
) -> Vec<Result<Done, Error>> {
    let queue = QueueSource::new(way.inputs).keep_committed();
    let outputs = Outputs::default();
    let mut lives = Lives::of(way);
    let mut begin = |second| {
        lives.begin(second, 1, |test| {
            *outputs.made.lock() = 0;
            program(test, test.context().read(queue.clone()).named("input"), &outputs);
        })
    };
    let mut test = begin(0);
    let mut second = 0;
    let restarts = way.restarts();
    let mut done = Vec::new();
    for batch in batches {
        queue.handle().push(batch.clone()).unwrap();
        loop {
            if second > 0 && restarts {
                drop(test);
                test = begin(second);
            }
            second += 1;
            let ran = test.batch();
            let failed = ran.is_err();
            done.push(ran.map(|progress| Done { outputs: outputs.take(), progress }));
            if !failed || !restarts {
                break;
            }
        }
    }
    done
}

/// Runs a program that does not fail in every way; compares what comes out, batch by batch, for each output.
pub(crate) fn check<T: Data>(
    ways: &[Way],
    batches: &[Vec<T>],
    expected: &[&[&str]],
    program: impl Fn(&TestJob, Source<T>, &Outputs),
) {
    for way in ways {
        let done: Vec<_> = run(way, batches, &program).into_iter().map(Result::unwrap).collect();
        for (at, expected) in expected.iter().enumerate() {
            let got: Vec<_> = done.iter().map(|done| done.outputs[at].as_str()).collect();
            assert_eq!(got, *expected, "output {at}, {}", way.name);
        }
    }
}

/// A batch for each part: `a | a b | ∅`.
pub(crate) fn words(batches: &str) -> Vec<Vec<String>> {
    let batch =
        |batch: &str| batch.split_whitespace().filter(|word| *word != "∅").map(str::to_owned).collect::<Vec<_>>();
    batches.split('|').map(batch).collect()
}
