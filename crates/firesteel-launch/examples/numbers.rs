//! Reads numbers, one per line, and writes their squares: a program with options of its own beside those of every job.
//!
//! ```sh
//! seq 5 > numbers.txt
//! cargo run -p firesteel-launch --example numbers -- numbers.txt
//! cargo run -p firesteel-launch --example numbers -- numbers.txt --follow --checkpoint state --output squares
//! ```
//!
//! It can misbehave on purpose. The tests of the crate run it as a child process and look at its end.

use std::path::PathBuf;

use clap::Parser;
use firesteel_connect_file::{TextFileSink, TextFiles};
use firesteel_connect_socket::SocketText;
use firesteel_core::OnPanic;
use firesteel_launch::{Exit, LaunchOptions};
use firesteel_streaming::CallLimits;
use firesteel_terminal::Console;
use firesteel_window::Duration;
use serde::Serialize;

/// Squares of numbers, one per line.
#[derive(Parser)]
struct Options {
    /// Files, folders or patterns
    paths: Vec<PathBuf>,
    /// Follow: read files and lines as they are added
    #[arg(long)]
    follow: bool,
    /// Read from a TCP server instead of files
    #[arg(long, value_name = "HOST:PORT")]
    server: Option<String>,
    /// Write files in this folder, instead of JSON on standard output
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Panic on this number
    #[arg(long, value_name = "NUMBER")]
    panic_on: Option<i64>,
    /// Set records aside on which the program panics, instead of failing
    #[arg(long)]
    dead_letters: bool,
    /// At this number, say so on standard error, and wait for a line on standard input
    #[arg(long, value_name = "NUMBER")]
    wait_on: Option<i64>,
    /// How long a call may keep the job from stopping at once
    #[arg(long, value_name = "TIME")]
    give_up_after: Option<Duration>,
    /// Build a job without an output
    #[arg(long)]
    forget_output: bool,
    #[command(flatten)]
    launch: LaunchOptions,
}

#[derive(Debug, Clone, Serialize)]
struct Square {
    number: i64,
    square: i64,
    root: f64,
}

fn main() -> Exit {
    let options = Options::parse();
    let on_panic = if options.dead_letters { OnPanic::DeadLetter } else { OnPanic::Fail };
    let limits = CallLimits::default();
    let limits = options.give_up_after.map_or(limits, |limit| limits.at_once(limit));
    options.launch.with(|job| job.on_panic(on_panic).call_limits(limits)).run("numbers", |job| {
        let (panic_on, wait_on) = (options.panic_on, options.wait_on);
        let square = move |number: i64| {
            assert!(Some(number) != panic_on, "{number} was not expected");
            if Some(number) == wait_on {
                eprintln!("waiting at {number}");
                // An end is as good as a line.
                _ = std::io::stdin().read_line(&mut String::new());
            }
            Square { number, square: number * number, root: (number as f64).sqrt() }
        };
        match (&options.server, &options.output) {
            _ if options.forget_output => {}
            (Some(server), _) => {
                let lines = job.receive(SocketText::connect(server.clone()));
                lines.try_map(|line| line.parse()).map(square).write(Console::json());
            }
            (None, output) => {
                let files = TextFiles::all(&options.paths);
                let files = if options.follow { files.follow() } else { files };
                let squares = job.read(files).named("files").try_map(|line| line.parse()).map(square);
                match output {
                    Some(folder) => squares.map(|square| square.square.to_string()).write(TextFileSink::new(folder)),
                    None if options.launch.precise => squares.write(Console::table()),
                    None => squares.write(Console::json()),
                };
            }
        }
        Ok(())
    })
}
