//! Words that come in over a TCP connection, counted every second.
//!
//! ```sh
//! nc -lk 9999 &
//! cargo run --release -p firesteel-examples --bin word-count-socket -- localhost:9999
//! ```
//!
//! Two tables come out of each batch with words: the most frequent words so far, and the words of the batch. On a terminal the
//! first is one table that changes, and the second ones scroll by above it.

use std::cmp::Reverse;

use clap::Parser;
use firesteel::prelude::*;
use firesteel::socket::SocketText;
use firesteel::{Exit, LaunchOptions};

/// Counts the words of text lines from a TCP server, every second or as `--every` says and in total, until Ctrl-C.
#[derive(Parser)]
#[command(name = "word-count-socket", version)]
struct Options {
    /// The server that sends the lines
    #[arg(value_name = "HOST:PORT", default_value = "localhost:9999")]
    server: String,
    /// How many of the most frequent words to print in total
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// End when the server closes the connection, instead of connecting again
    #[arg(long)]
    until_closed: bool,
    #[command(flatten)]
    launch: LaunchOptions,
}

fn main() -> Exit {
    let options = Options::parse();
    let launch = options.launch.with(|job| job).trigger(Trigger::Every(seconds(1)));
    launch.run("word-count", |job| {
        let lines = SocketText::connect(options.server.clone());
        let lines = if options.until_closed { lines.end_on_close() } else { lines };
        let counts = job.receive(lines).flat_map(|line| words(&line)).count_by_value();

        let most_first = |_: &String, count: &u64| Reverse(*count);
        let so_far = Console::table().title("words so far").rows(options.top).latest().order_by(most_first);
        counts.clone().running_sum().write(so_far);

        counts
            .transform(|counts, _| counts.sort_by(|(word, count)| (Reverse(*count), word.clone())))
            .write(Console::table().title("words of the batch"));
        Ok(())
    })
}

/// The words of a line, in small letters, without punctuation.
fn words(line: &str) -> Vec<String> {
    line.split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}
