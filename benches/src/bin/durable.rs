//! W3 and W3c: running totals as durable state. Starts every side in a process of its own, in turn, and compares their speed
//! and memory; `--help` lists the options.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use firesteel_benches::ad_events::{AdEvents, Campaigns};
use firesteel_benches::keyed_totals::contest::{ContestError, Peers, observe, scripts};
use firesteel_benches::keyed_totals::events::{KeyType, KeyedEvents, Shape};
use firesteel_benches::keyed_totals::reference::Totals;
use firesteel_benches::keyed_totals::shown::Shown;
use firesteel_benches::keyed_totals::sides::{Program, SIDES, Side, side};
use firesteel_benches::keyed_totals::table::{Figure, Table, median};
use firesteel_benches::keyed_totals::{Assignment, Phases, many_windows, overhead, resume};
use firesteel_benches::options::{positive, target_folder};
use firesteel_benches::workload::Setting;
use firesteel_streaming::Checkpoint;
use firesteel_window::{Duration, millis};

/// Runs the sides of W3 in turn, each in a process of its own, and compares their speed and memory.
#[derive(Debug, Parser)]
#[command(version, subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    only: Option<Only>,

    #[command(flatten)]
    contest: Contest,
}

#[derive(Debug, Subcommand)]
enum Only {
    /// Runs one side of this program, here; what a contest starts.
    #[command(hide = true)]
    Side(OneSide),
    /// Measures what a checkpoint folder costs W1a, which has hardly any state.
    Overhead(Overhead),
    /// Measures what a sink costs the same job that takes long to commit.
    Commits(Commits),
    /// Measures how long a job with much state takes to its first batch when it is started again.
    Resume(Resume),
    /// Keeps many windows open in little memory.
    Windows(many_windows::Options),
}

#[derive(Debug, Args)]
struct Overhead {
    /// Ad events, which are read again and again.
    #[arg(long, default_value_t = 20_000_000, value_parser = positive)]
    events: usize,

    /// How often they are read in one run.
    #[arg(long, default_value_t = 60, value_parser = positive)]
    times: usize,

    /// Records of a micro-batch.
    #[arg(long, default_value_t = 1_000_000, value_parser = positive)]
    batch: usize,

    /// Worker threads.
    #[arg(long, default_value_t = 2, value_parser = positive)]
    threads: usize,

    /// Runs with and without; the medians count.
    #[arg(long, default_value_t = 5, value_parser = positive)]
    rounds: usize,
}

#[derive(Debug, Args)]
struct Commits {
    #[command(flatten)]
    job: Overhead,

    /// Milliseconds that a commit takes.
    #[arg(long, default_value_t = 50, value_parser = positive)]
    commit: usize,

    /// Milliseconds between the ends of epochs.
    #[arg(long, default_value_t = 100, value_parser = positive)]
    interval: usize,
}

#[derive(Debug, Args)]
struct Resume {
    /// Megabytes of state, at 24 bytes a key.
    #[arg(long, default_value_t = 1_000, value_parser = positive)]
    megabytes: usize,

    /// One way to start again [default: all].
    #[arg(long)]
    only: Option<Way>,

    /// How often each is measured.
    #[arg(long, default_value_t = 1, value_parser = positive)]
    rounds: usize,

    /// Resumes once from the checkpoint that was left in this folder, or leaves one there: for profiles, and for what
    /// is to be done to the files in between.
    #[arg(long, requires = "only")]
    folder: Option<PathBuf>,

    /// Events of the first batch, each of another key.
    #[arg(long, default_value_t = resume::BATCH as usize, value_parser = positive)]
    batch: usize,

    /// Worker threads.
    #[arg(long, default_value_t = 2, value_parser = positive)]
    threads: usize,
}

#[derive(Debug, Args)]
struct OneSide {
    name: String,
    #[arg(long)]
    keys: u64,
    #[arg(long)]
    shape: Shape,
    #[arg(long)]
    key: KeyType,
    #[arg(long)]
    events: u64,
    #[arg(long)]
    warm_up: u64,
    #[arg(long)]
    threads: usize,
    #[arg(long)]
    batch: u64,
    #[arg(long)]
    epoch: f64,
    #[arg(long)]
    memory: Option<u64>,
    #[arg(long)]
    folder: PathBuf,
}

#[derive(Debug, Args)]
struct Contest {
    /// How many keys there are.
    #[arg(long, value_delimiter = ',', default_value = "1000000", value_parser = positive)]
    keys: Vec<usize>,

    /// How often each occurs.
    #[arg(long, value_delimiter = ',', default_value = "uniform")]
    shape: Vec<Shape>,

    /// What a key is: W3 has numbers, W3c texts of thirty characters.
    #[arg(long, value_delimiter = ',', default_value = "number")]
    key: Vec<KeyType>,

    /// Events of a run, a third of them for warming up [default: 150 million].
    #[arg(long, value_parser = positive)]
    events: Option<usize>,

    /// Events of a run of a peer, a third of them for warming up [default: 6 million, or 4 per key if that is more].
    #[arg(long, value_parser = positive)]
    peer_events: Option<usize>,

    /// Who takes part [default: all but the peers for which there is no Python].
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(SIDES.iter().map(|side| side.name)))]
    sides: Vec<String>,

    /// Runs of each side; the median counts.
    #[arg(long, default_value_t = 3, value_parser = positive)]
    rounds: usize,

    /// Worker threads.
    #[arg(long, default_value_t = 2, value_parser = positive)]
    threads: usize,

    /// Events of a micro-batch, of all threads together, of the sides that are not peers.
    #[arg(long, default_value_t = 1 << 18, value_parser = positive)]
    batch: usize,

    /// Seconds of an epoch, of the sides that are not peers.
    #[arg(long, default_value_t = 1.0)]
    epoch: f64,

    /// Megabytes that state may take, of the sides of Firesteel [default: no limit].
    #[arg(long, value_parser = positive)]
    memory: Option<usize>,

    /// The Python that has a peer: spark=PATH or flink=PATH.
    #[arg(long, value_parser = python)]
    python: Vec<(String, PathBuf)>,

    /// File of JSON lines to write [default: bench/durable.jsonl in the target directory of the workspace].
    #[arg(long)]
    results: Option<PathBuf>,
}

fn python(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("give it as NAME=PATH")?;
    Ok((name.to_owned(), PathBuf::from(path)))
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.only {
        Some(Only::Side(side)) => run_here(side),
        Some(Only::Overhead(options)) => measure_overhead(&options),
        Some(Only::Commits(options)) => measure_commits(&options),
        Some(Only::Resume(options)) => measure_resume(&options),
        Some(Only::Windows(options)) => options.measure(&scratch("windows")).map_err(Into::into),
        None => contest(&options.contest),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("error: some totals differ from the reference; their figures are void");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one side in this process and prints what came of it.
fn run_here(options: OneSide) -> Result<bool, Box<dyn std::error::Error>> {
    let OneSide { name, keys, shape, key, events: count, warm_up, threads, batch, epoch, memory, folder } = options;
    let Some(run) = side(&name).and_then(|side| side.program.here(key)) else {
        return Err(format!("{name} is no side of this program").into());
    };
    let events = KeyedEvents { keys, shape };
    let run =
        run(&Assignment { events, key, count, warm_up, threads, batch, epoch, memory, folder }, &mut Phases::aloud());
    println!("{}", serde_json::to_string(&run)?);
    Ok(true)
}

/// Runs W1a with and without a checkpoint in turn; whether all answers were the same.
fn measure_overhead(options: &Overhead) -> Result<bool, Box<dyn std::error::Error>> {
    let setting = Setting { threads: options.threads, batch: options.batch };
    let data: &'static AdEvents = Box::leak(Box::new(AdEvents::generate(options.events, Campaigns::Hundred, 1)));
    let folder = scratch("overhead");
    let ([without, with], same) = in_turn(options.rounds, ["no checkpoint", "a checkpoint"], |with| {
        let ran = overhead::run(data, options.times as u64, setting, with.then_some(folder.as_path()));
        let _ = std::fs::remove_dir_all(&folder);
        ran
    });
    let events = (data.events.len() * options.times) as f64 / 1e6;
    println!(
        "W1a, {} threads, {} records a batch: {:.0} M events/s without a checkpoint, {:.0} with one; it costs {:.1} %",
        options.threads,
        options.batch,
        events / without,
        events / with,
        100.0 * (with / without - 1.0)
    );
    Ok(same)
}

/// Runs W1a with a sink that commits at once and one that takes its time, in turn; whether all answers were the same.
fn measure_commits(options: &Commits) -> Result<bool, Box<dyn std::error::Error>> {
    let Commits { job, commit, interval } = options;
    let setting = Setting { threads: job.threads, batch: job.batch };
    let data: &'static AdEvents = Box::leak(Box::new(AdEvents::generate(job.events, Campaigns::Hundred, 1)));
    let (folder, events) = (scratch("commits"), (data.events.len() * job.times) as f64 / 1e6);
    let ([instant, slow], same) = in_turn(job.rounds, ["quick commits", "slow commits"], |slow| {
        let takes = if slow { millis(*commit as i64) } else { Duration::ZERO };
        let checkpoint = Checkpoint::in_folder(&folder).interval(millis(*interval as i64));
        let ran = overhead::run_with(data, job.times as u64, setting, Some(checkpoint), takes);
        let _ = std::fs::remove_dir_all(&folder);
        ran
    });
    println!(
        "W1a, {} threads, {} records a batch, epochs of {interval} ms: {:.0} M events/s where a commit takes no time, {:.0} \
         where it takes {commit} ms: {:.2} of it",
        job.threads,
        job.batch,
        events / instant,
        events / slow,
        instant / slow
    );
    Ok(same)
}

/// Runs two sides in turn, the first one first in every other round: the median seconds of each, and whether all answers
/// were the same.
fn in_turn<A: PartialEq>(rounds: usize, sides: [&str; 2], run: impl Fn(bool) -> (f64, A)) -> ([f64; 2], bool) {
    let (mut seconds, mut answers) = ([Vec::new(), Vec::new()], Vec::new());
    for round in 0..rounds {
        for second in [round % 2 == 0, round % 2 == 1] {
            let (time, answer) = run(second);
            eprintln!("round {}/{rounds}, {}: {time:.2} s", round + 1, sides[usize::from(second)]);
            seconds[usize::from(second)].push(time);
            answers.push(answer);
        }
    }
    let medians = seconds.map(|seconds| median(seconds).unwrap_or_default());
    (medians, answers.windows(2).all(|pair| pair[0] == pair[1]))
}

/// Makes state, stops, and starts again: on a snapshot, on what is kept locally, and where that is lost.
fn measure_resume(options: &Resume) -> Result<bool, Box<dyn std::error::Error>> {
    let keys = (options.megabytes as u64 * 1_000_000).div_ceil(resume::BYTES);
    let setting = resume::Setting { keys, threads: options.threads, batch: options.batch as u64 };
    if let (Some(folder), Some(way)) = (&options.folder, options.only) {
        if !folder.join("changelog").exists() {
            let made = resume::run(setting, folder, |checkpoint| way.backend(checkpoint));
            println!("made in {:.1} s", made.whole);
            return Ok(true);
        }
        let row = way.measure(setting, folder);
        println!("{}", resume::Table(&[row]));
        return Ok(true);
    }
    let folder = scratch("resume");
    let mut rows = Vec::new();
    for way in Way::value_variants().iter().filter(|way| options.only.is_none_or(|only| only == **way)) {
        for _ in 0..options.rounds {
            rows.push(way.measure(setting, &folder));
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
    let Resume { megabytes, threads, batch, .. } = options;
    println!(
        "{megabytes} MB of state, {keys} keys, {threads} threads, first batch of {batch}\n{}",
        resume::Table(&rows)
    );
    Ok(true)
}

/// A way to start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// State in memory, from snapshot and changelog.
    Memory,
    /// State in RocksDB, from its own files.
    #[cfg(feature = "rocksdb")]
    Local,
    /// State in RocksDB, whose own files are lost: from snapshot and changelog.
    #[cfg(feature = "rocksdb")]
    Lost,
}

impl Way {
    /// Has the job keep its state where it is to be.
    fn backend(self, checkpoint: Checkpoint) -> Checkpoint {
        match self {
            Self::Memory => checkpoint,
            #[cfg(feature = "rocksdb")]
            Self::Local | Self::Lost => checkpoint.backend(firesteel_state_rocksdb::RocksDbOptions::default()),
        }
    }

    /// What happens between the two runs.
    #[cfg_attr(not(feature = "rocksdb"), expect(unused_variables, reason = "only RocksDB has files to lose"))]
    fn between(self, folder: &Path) {
        match self {
            Self::Memory => {}
            #[cfg(feature = "rocksdb")]
            Self::Local => {}
            #[cfg(feature = "rocksdb")]
            Self::Lost => std::fs::remove_dir_all(folder.join("state")).expect("the backend has a folder"),
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Memory => "memory, from snapshot and changelog",
            #[cfg(feature = "rocksdb")]
            Self::Local => "RocksDB, from its own files",
            #[cfg(feature = "rocksdb")]
            Self::Lost => "RocksDB, from snapshot and changelog",
        }
    }

    fn measure(self, setting: resume::Setting, folder: &Path) -> resume::Row {
        let between = |folder: &Path| self.between(folder);
        resume::Row::measure(self.what(), setting, folder, between, |checkpoint| self.backend(checkpoint))
    }
}

/// A folder for what is written while measuring.
fn scratch(what: &str) -> PathBuf {
    let folder = target_folder().join(format!("bench/durable-{}-{what}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

/// Runs everything that was asked for; whether all totals were right.
fn contest(options: &Contest) -> Result<bool, Box<dyn std::error::Error>> {
    let results = options.results.clone().unwrap_or_else(|| target_folder().join("bench/durable.jsonl"));
    if let Some(folder) = results.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut results = std::fs::File::create(results)?;
    let mut all_correct = true;
    for &keys in &options.keys {
        for (shape, key) in options.shape.iter().flat_map(|&shape| options.key.iter().map(move |&key| (shape, key))) {
            let figures = measure(KeyedEvents { keys: keys as u64, shape }, key, options)?;
            for figure in &figures {
                writeln!(results, "{}", figure.line()?)?;
                all_correct &= figure.correct;
            }
            println!("{}", Table(&figures));
        }
    }
    Ok(all_correct)
}

/// Runs the sides alternately, each first in its turn, so that a disturbance of the machine hits all of them alike.
fn measure(events: KeyedEvents, key: KeyType, options: &Contest) -> Result<Vec<Figure>, ContestError> {
    let peers = Peers { scripts: scripts(), pythons: options.python.clone() };
    let takes_part = |side: &&Side| match options.sides.as_slice() {
        [] => match side.program {
            Program::Here { .. } => true,
            Program::Script(_) => options.python.iter().any(|(name, _)| name == side.name),
        },
        names => names.iter().any(|name| name == side.name),
    };
    let sides: Vec<&Side> = SIDES.iter().filter(takes_part).collect();
    let mut figures: Vec<Figure> =
        sides.iter().map(|side| Figure { side: side.name, events, key, rounds: Vec::new(), correct: true }).collect();
    let mut expected: HashMap<u64, Totals> = HashMap::new();
    for round in 0..options.rounds {
        for turn in 0..sides.len() {
            let index = (round + turn) % sides.len();
            let side = sides[index];
            let folder = scratch(side.name);
            let count = match side.program {
                Program::Here { .. } => options.events.unwrap_or(150_000_000) as u64,
                Program::Script(_) => {
                    options.peer_events.map_or_else(|| 6_000_000.max(4 * events.keys), |events| events as u64)
                }
            };
            let assignment = Assignment {
                key,
                threads: options.threads,
                batch: options.batch as u64,
                epoch: options.epoch,
                memory: options.memory.map(|megabytes| (megabytes as u64) << 20),
                ..Assignment::new(events, count, &folder)
            };
            let shown = Shown::new(format!("round {}/{}, {}", round + 1, options.rounds, side.name), count);
            let observed = observe(side, &assignment, &peers, |events| shown.at(events))?;
            shown.end(&format!("{:.2} M events/s", observed.run.events_per_second() / 1e6));
            // A peer may have taken a batch more than it was asked for.
            let done = observed.run.all_events;
            let right = expected.entry(done).or_insert_with(|| Totals::of(events, done));
            figures[index].correct &= observed.run.totals == *right && done >= count;
            figures[index].rounds.push(observed);
        }
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Options::command().debug_assert();
        let options = Options::parse_from(["durable", "--keys", "5,1_000", "--python", "spark=/x/y"]);
        assert_eq!(options.contest.keys, [5, 1_000]);
        assert_eq!(options.contest.python, [("spark".to_owned(), PathBuf::from("/x/y"))]);
        assert!(Options::try_parse_from(["durable", "--python", "spark"]).is_err());
        assert!(Options::try_parse_from(["durable", "--sides", "nobody"]).is_err());
    }

    #[test]
    fn a_call_of_a_side_is_understood() {
        let line = "durable side spark --keys 5 --shape zipf --key text --events 9 --warm-up 3 --threads 2 --batch 4 --epoch 1 \
                    --folder /x";
        assert!(matches!(Options::parse_from(line.split_whitespace()).only, Some(Only::Side(side)) if side.keys == 5));
    }
}
