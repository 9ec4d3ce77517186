//! Records that take long: how well the executors share them, through everything that a record can pass. A function waits, as
//! one does that calls a model or a database, so that there may be more threads than cores.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use firesteel_benches::stopwatch::Stopwatch;
use firesteel_connect_file::TextFiles;
use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_core::{Actions, RddOps, Settings};
use firesteel_scheduler::Scheduler;
use firesteel_streaming::{StreamingContext, Trigger};

/// Runs slow records through an RDD, `map`, keyed state, a text file and a gzip file, and compares with an even share.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// How many threads.
    #[arg(long, default_value_t = 8)]
    threads: u32,
    /// Divides the number of records, for a quick look.
    #[arg(long, default_value_t = 1)]
    less: u64,
}

type Error = Box<dyn std::error::Error>;

/// Numbers, each of which takes this many microseconds.
#[derive(Clone, Copy)]
struct Slow {
    records: u64,
    micros: u64,
    threads: u32,
}

impl Slow {
    #[allow(clippy::disallowed_methods, reason = "a record that takes long is what is measured")]
    fn wait(self) {
        std::thread::sleep(Duration::from_micros(self.micros));
    }

    /// What one record takes here, waking up included, in seconds.
    fn each(self) -> f64 {
        const TIMES: u32 = 20;
        let watch = Stopwatch::start();
        (0..TIMES).for_each(|_| self.wait());
        watch.seconds() / f64::from(TIMES)
    }

    fn job(self) -> Result<StreamingContext, Error> {
        Ok(StreamingContext::builder("slow").threads(self.threads as usize).build()?)
    }

    fn rdd(self) -> Result<Vec<u64>, Error> {
        let scheduler = Scheduler::builder().threads(self.threads as usize).build()?;
        let numbers = scheduler.context(Settings::default()).parallelize(0..self.records);
        Ok(numbers.map(move |n| self.made(n)).collect()?)
    }

    fn made(self, n: u64) -> u64 {
        self.wait();
        n
    }

    fn map(self) -> Result<Vec<u64>, Error> {
        let (job, made) = (self.job()?, Collector::new());
        let numbers = job.read(MemorySource::new((0..self.records).collect::<Vec<_>>()));
        numbers.map(move |n| self.made(n)).write(made.clone());
        job.run(Trigger::AvailableNow)?;
        Ok(made.records())
    }

    fn state(self) -> Result<Vec<u64>, Error> {
        let (job, made) = (self.job()?, Collector::new());
        let numbers = job.read(MemorySource::new((0..self.records).collect::<Vec<_>>()));
        let kept = numbers.map(|n| (n, n)).update_state_by_key(move |numbers: Vec<u64>, before: Option<u64>| {
            self.wait();
            Some(before.unwrap_or(0) + numbers.len() as u64)
        });
        kept.map(|(n, _)| n).write(made.clone());
        job.run(Trigger::AvailableNow)?;
        let mut keys = made.records();
        keys.sort_unstable();
        Ok(keys)
    }

    fn file(self, path: &Path) -> Result<Vec<u64>, Error> {
        let (job, made) = (self.job()?, Collector::new());
        let lines = job.read(TextFiles::new(path));
        lines.try_map(move |line: String| line.parse::<u64>().map(|n| self.made(n))).write(made.clone());
        job.run(Trigger::AvailableNow)?;
        Ok(made.records())
    }

    /// Writes the numbers to a text file and to a gzip file.
    fn write_to(self, folder: &Path) -> Result<[PathBuf; 2], Error> {
        let files = [folder.join("numbers.txt"), folder.join("numbers.txt.gz")];
        let text: String = (0..self.records).map(|n| format!("{n}\n")).collect();
        std::fs::write(&files[0], &text)?;
        let zipped = std::fs::File::create(&files[1])?;
        let mut zipped = flate2::write::GzEncoder::new(zipped, flate2::Compression::fast());
        zipped.write_all(text.as_bytes())?;
        zipped.finish()?;
        Ok(files)
    }
}

fn measure(options: &Options) -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    println!("{} threads; seconds, and how many times an even share that is", options.threads);
    println!(
        "{:<22} {:>8} {:>14} {:>14} {:>14} {:>14} {:>14}",
        "records", "share", "rdd", "map", "state", "file", "gzip"
    );
    for (records, micros) in [(100, 20_000), (1_000, 2_000), (20_000, 100)] {
        let slow = Slow { records: (records / options.less).max(1), micros, threads: options.threads };
        let share = slow.each() * slow.records as f64 / f64::from(slow.threads);
        print!("{:<22} {share:>8.3}", format!("{} of {micros} µs", slow.records));
        let [text, zipped] = slow.write_to(folder.path())?;
        let ways: [&dyn Fn() -> Result<Vec<u64>, Error>; 5] =
            [&|| slow.rdd(), &|| slow.map(), &|| slow.state(), &|| slow.file(&text), &|| slow.file(&zipped)];
        for way in ways {
            let watch = Stopwatch::start();
            let made = way()?;
            let seconds = watch.seconds();
            if !made.into_iter().eq(0..slow.records) {
                return Err("not what went in came out".into());
            }
            print!(" {:>14}", format!("{seconds:.3} ({:.2})", seconds / share));
        }
        println!();
    }
    Ok(())
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
