//! Lines of a log, filtered and counted, beside `wc -l` for plain text and `zcat | wc -l` for gzip.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use firesteel_benches::stopwatch::Stopwatch;
use firesteel_connect::{Epoch, Guarantee, Sink, WriteTask};
use firesteel_connect_file::TextFiles;
use firesteel_streaming::{StreamingContext, Trigger};

/// Reads a log with a filter and a count, beside the tools that only count its lines.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// How many megabytes of text.
    #[arg(long, default_value_t = 1000)]
    megabytes: u64,
    /// How often each side runs, in turn with the others.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many threads the job has. The tools use one, and two where they are a pipe.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// The log, compressed with gzip, of which the text consists.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/access.log.gz"))]
    log: PathBuf,
}

type Error = Box<dyn std::error::Error>;

/// What the filter looks for: answers that a page is not there.
const WANTED: &str = " 404 ";

/// A sink that counts.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicU64>);

impl<T: Send + 'static> Sink<T> for Counted {
    type Pending = u64;

    fn describe(&self) -> String {
        "a counter".to_owned()
    }
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }
    fn write(&self, _: WriteTask, records: impl Iterator<Item = T>) -> firesteel_connect::Result<u64> {
        Ok(records.count() as u64)
    }
    fn commit(&self, _: Epoch, pending: &mut Vec<u64>) -> firesteel_connect::Result<()> {
        self.0.fetch_add(pending.drain(..).sum::<u64>(), Ordering::Relaxed);
        Ok(())
    }
}

/// Each line becomes a `String`, as a first program has it.
fn strings(path: &Path, threads: usize) -> Result<u64, Error> {
    let job = StreamingContext::builder("lines").threads(threads).build()?;
    let counted = Counted::default();
    job.read(TextFiles::new(path)).filter(|line| line.contains(WANTED)).write(counted.clone());
    job.run(Trigger::AvailableNow)?;
    Ok(counted.0.load(Ordering::Relaxed))
}

/// What is needed of a line is taken where it stands in the buffer.
fn in_place(path: &Path, threads: usize) -> Result<u64, Error> {
    let job = StreamingContext::builder("lines").threads(threads).build()?;
    let counted = Counted::default();
    let lines = TextFiles::new(path).decode(|line: &str| line.contains(WANTED));
    job.read(lines).filter(|wanted| *wanted).write(counted.clone());
    job.run(Trigger::AvailableNow)?;
    Ok(counted.0.load(Ordering::Relaxed))
}

/// What the shell command prints, a number.
fn shell(script: &str, path: &Path) -> Result<u64, Error> {
    let output = Command::new("sh").args(["-c", script, "sh"]).arg(path).stderr(Stdio::inherit()).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// The text in both forms, how many lines it has, and how many of them are wanted.
fn write_to(folder: &Path, options: &Options) -> Result<([PathBuf; 2], [u64; 2]), Error> {
    let mut log = Vec::new();
    flate2::read::MultiGzDecoder::new(File::open(&options.log)?).read_to_end(&mut log)?;
    let times = (options.megabytes * 1_000_000).div_ceil(log.len() as u64).max(1);
    let paths = [folder.join("access.log"), folder.join("access.log.gz")];
    let mut plain = BufWriter::new(File::create(&paths[0])?);
    let mut zipped =
        flate2::write::GzEncoder::new(BufWriter::new(File::create(&paths[1])?), flate2::Compression::default());
    for _ in 0..times {
        plain.write_all(&log)?;
        zipped.write_all(&log)?;
    }
    plain.flush()?;
    zipped.finish()?.flush()?;
    let lines = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let wanted = |line: &&[u8]| line.windows(WANTED.len()).any(|found| found == WANTED.as_bytes());
    let counts = [lines.clone().count() as u64, lines.filter(wanted).count() as u64];
    Ok((paths, counts.map(|count| count * times)))
}

/// A side: its name, and what it counts.
type Side<'a> = (&'static str, u64, Box<dyn Fn() -> Result<u64, Error> + 'a>);

/// Runs the sides in turn; the first is what the others are compared with.
fn compare(title: &str, sides: &[Side<'_>], rounds: usize) -> Result<(), Error> {
    let mut seconds = vec![Vec::with_capacity(rounds); sides.len()];
    for round in 0..rounds {
        for turn in 0..sides.len() {
            let at = (round + turn) % sides.len();
            let (name, expected, run) = &sides[at];
            let watch = Stopwatch::start();
            let counted = run()?;
            seconds[at].push(watch.seconds());
            if counted != *expected {
                return Err(format!("{name} counted {counted}, not {expected}").into());
            }
        }
    }
    let medians: Vec<f64> = seconds
        .into_iter()
        .map(|mut seconds| {
            seconds.sort_by(f64::total_cmp);
            seconds[seconds.len() / 2]
        })
        .collect();
    println!("{title:<38} {:>8} {:>10}", "seconds", "speed");
    for ((name, _, _), median) in sides.iter().zip(&medians) {
        println!("{name:<38} {median:>8.3} {:>10.2}", medians[0] / median);
    }
    Ok(())
}

fn measure(options: &Options) -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    let ([plain, zipped], [lines, wanted]) = write_to(folder.path(), options)?;
    let side = |run: fn(&Path, usize) -> Result<u64, Error>, path: &Path| {
        let (path, threads) = (path.to_owned(), options.threads);
        Box::new(move || run(&path, threads)) as Box<dyn Fn() -> Result<u64, Error>>
    };
    println!("{} MB of text, {lines} lines; threads of the job: {}", options.megabytes, options.threads);
    let tool = |script: &'static str, path: &Path| {
        let path = path.to_owned();
        Box::new(move || shell(script, &path)) as Box<dyn Fn() -> Result<u64, Error>>
    };
    let sides = |script, path: &Path| -> [Side<'_>; 3] {
        [
            (script, lines, tool(script, path)),
            ("String per line, filter, count", wanted, side(strings, path)),
            ("decoded in place, filter, count", wanted, side(in_place, path)),
        ]
    };
    compare("plain", &sides("wc -l < \"$1\"", &plain), options.rounds)?;
    compare("gzip", &sides("zcat < \"$1\" | wc -l", &zipped), options.rounds)
}

fn main() -> ExitCode {
    match measure(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
