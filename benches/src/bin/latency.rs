//! How long a line takes from a socket through keyed state to a sink, at a steady rate.
//!
//! The sender is a thread of this program. A line bears the time at which it is due by the rate, not the one at which it was
//! sent: a sender that is held up makes the lines late that it could not send, and is not taken for a pause.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Parser;
use firesteel_benches::options::positive;
use firesteel_benches::stopwatch::Stopwatch;
use firesteel_connect::{Epoch, Guarantee, Result, Sink, WriteTask};
use firesteel_connect_socket::SocketText;
use firesteel_streaming::{KeyState, StreamingContext, Trigger};

/// Sends lines over a connection at a steady rate, counts them by key, and tells how long each took.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Lines a second.
    #[arg(long, default_value_t = 400_000, value_parser = positive)]
    rate: usize,
    /// Seconds.
    #[arg(long, default_value_t = 10, value_parser = positive)]
    seconds: usize,
    /// Keys.
    #[arg(long, default_value_t = 10_000, value_parser = positive)]
    keys: usize,
    /// Worker threads.
    #[arg(long, default_value_t = 1, value_parser = positive)]
    threads: usize,
}

type Failed = Box<dyn std::error::Error>;

/// Microseconds that lines took, by how many of them.
#[derive(Clone)]
struct Taken {
    watch: Stopwatch,
    lines: Arc<Mutex<Vec<u64>>>,
}

/// All that took longer than this many microseconds are counted together.
const LONGEST: usize = 1_000_000;

impl Taken {
    fn count(&self, micros: u64) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines[(micros as usize).min(LONGEST)] += 1;
    }
}

impl Sink<u64> for Taken {
    type Pending = Vec<u64>;

    fn describe(&self) -> String {
        "latencies".to_owned()
    }
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }
    fn write(&self, _: WriteTask, records: impl Iterator<Item = u64>) -> Result<Vec<u64>> {
        Ok(records.collect())
    }
    /// A line has come through when its batch is committed.
    fn commit(&self, _: Epoch, pending: &mut Vec<Vec<u64>>) -> Result<()> {
        let now = (self.watch.seconds() * 1e6) as u64;
        pending.drain(..).flatten().for_each(|due| self.count(now.saturating_sub(due)));
        Ok(())
    }
}

/// Sends each line when it is due, those that are due at once together.
fn send(mut to: TcpStream, options: &Options, watch: Stopwatch) -> io::Result<()> {
    to.set_nodelay(true)?;
    let (all, mut sent, mut text) = (options.rate * options.seconds, 0, Vec::new());
    let began = watch.seconds();
    while sent < all {
        let due = (((watch.seconds() - began) * options.rate as f64) as usize).min(all);
        text.clear();
        for number in sent..due {
            let at = ((began + number as f64 / options.rate as f64) * 1e6) as u64;
            writeln!(text, "{} {at}", number * 7_919 % options.keys)?;
        }
        to.write_all(&text)?;
        sent = due;
        pause();
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "a steady rate is one of real time")]
fn pause() {
    std::thread::sleep(Duration::from_micros(100));
}

fn run(options: Options) -> std::result::Result<bool, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let watch = Stopwatch::start();
    let taken = Taken { watch, lines: Arc::new(Mutex::new(vec![0; LONGEST + 1])) };
    let all = (options.rate * options.seconds) as u64;
    let job = StreamingContext::builder("latency").threads(options.threads).build()?;
    job.receive(SocketText::connect(address).end_on_close())
        .flat_map(|line| {
            let (key, due) = line.split_once(' ')?;
            Some((key.parse::<u64>().ok()?, due.parse::<u64>().ok()?))
        })
        .map_with_state(|_, due: Option<u64>, count: &mut KeyState<'_, u64>| {
            let new = count.get().unwrap_or(&0) + 1;
            count.update(new);
            due
        })
        .named("counts")
        .write(taken.clone());
    let sender = std::thread::Builder::new().name("sender".to_owned()).spawn(move || {
        let (stream, _) = listener.accept()?;
        send(stream, &options, watch)
    })?;
    job.run(Trigger::AsSoonAsPossible)?;
    sender.join().map_err(|_| "the sender panicked")??;
    let lines = taken.lines.lock().unwrap_or_else(PoisonError::into_inner);
    let (came, mut seen) = (lines.iter().sum::<u64>(), 0);
    let mut shares = [50.0, 90.0, 99.0, 99.9, 100.0].into_iter().peekable();
    for (micros, count) in lines.iter().enumerate() {
        seen += count;
        while let Some(share) = shares.next_if(|share| seen as f64 >= came as f64 * share / 100.0 && seen > 0) {
            println!("p{share:<5} {micros:8} µs");
        }
    }
    println!("{came} lines of {all}");
    Ok(came == all)
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
